/*
 * lib/service/batch.h: one request that serves several items, and what its answer says to each of them.
 *
 *   batch: {size: 10, linger: 2s, each: {id: "${.id}"}, answers: .matches, join: {item: "${.id}", answer: .id}}
 *
 * `${.items}` in the request is the list of `each`, filled once for every item. Of the answer the elements of `answers` are joined
 * to the items by key, never by their order unless the file says so (`join: order`): an item without an element is `missing`.
 * The outcome rules of the call judge the whole answer; those of the batch one element. `map` reads elements.
 */
#pragma once

#include "lib/service/answer.h"

#define BATCH_JOINS 4
#define BATCH_MOST 1000 /* items of one call */

/* By which an item's element is found: one text per join, folded (no case, no space around it); NULL: none. In the caller's arena. */
struct batch_key {
	const char *text[BATCH_JOINS];
};

struct service_batch {
	size_t size;               /* 1 to BATCH_MOST */
	int64_t linger_us;         /* how long the oldest item waits for the batch to be full */
	int64_t item_micro;        /* highest price of each item, besides: */
	int64_t fixed_micro;       /* of the call, shared by its items */
	bool weighted;             /* what the answer tells of the whole falls to the items as `per_item` weighs them */
	const char *const *shared; /* NULL-terminated parameters that the request reads outside `each`: equal for all items of a batch */
	struct batch_plan *plan;   /* batch.c */
};

/* What part k of n of a call reserves at most. Their sum is the highest price of the call. */
int64_t batch_ceiling(const struct service_batch *b, size_t n, size_t k);

/* One item: its JSON behind out, its keys. params: the item's. 0, LEAD_EINPUT (as request_render), LEAD_ENOMEM. */
int batch_item(const struct service *s, const struct service_call *c, const struct expr_source *params, struct arena *a, struct buf *out,
    struct batch_key *ret, struct lead_error *err) MUST_CHECK;

/*
 * Fills ret[n]: what the answer, read as a whole before (answer_read), says to each item: its own element's class, fields and price
 * where the whole is ok; where it is anything else that, and of a price per item its own. 0 or LEAD_ENOMEM.
 */
int batch_answers(const struct service_call *c, const struct http_answer *h, const struct answer *whole, const struct batch_key *keys, size_t n,
    struct arena *a, struct answer *ret) MUST_CHECK;
