/*
 * lib/store/outbox.h: what is still to be told to people and programs, and what they were told already.
 *
 * Two kinds of rows in one table: messages (0, id), one for each receiver, written in the transaction of what they tell
 * of and gone when the receiver took them; and marks (1, condition), so that one condition is told once until it has ended.
 */
#pragma once

#include "lib/store/store.h"

enum outbox_way { OUTBOX_MAIL, OUTBOX_WEBHOOK, OUTBOX_WAYS };
enum outbox_state { OUTBOX_WAITING, OUTBOX_GIVEN_UP, OUTBOX_STATES };

struct outbox_row {
	uint64_t id;                  /* the receiver tells repeats by it; lib/base/ids.h */
	uint8_t way, state;
	uint8_t event;                /* enum notice of lib/engine/config/config.h */
	uint32_t run;                 /* 0: of none */
	uint32_t attempts;
	uint32_t things;              /* told of in it: more than one is a digest */
	int64_t created_us, due_us;   /* wall */
	char to[256];                 /* a mail's address */
	char said[200];               /* what came of the last attempt */
	struct slice subject, body;   /* UTF-8, a webhook's body JSON; borrowed */
};

bool outbox_read(struct txn *t, uint64_t id, struct outbox_row *ret);
bool outbox_decode(struct slice key, struct slice value, struct outbox_row *ret);
void outbox_write(struct txn *t, const struct outbox_row *r);
void outbox_delete(struct txn *t, uint64_t id);
/* Every message, oldest first; f returns false to stop, and may not write. */
void outbox_each(struct txn *t, bool (*f)(void *arg, const struct outbox_row *r), void *arg);
/* Of the newest message; 0: there is none. */
uint64_t outbox_last(struct txn *t);

#define TOLD_KEY 24

struct told_row {
	uint8_t key[TOLD_KEY];        /* the condition, as its writer names it */
	bool on;                      /* it has not ended */
	int64_t told_us;              /* wall */
	int64_t limit_micro;          /* of a budget, when it was told */
};

bool told_decode(struct slice key, struct slice value, struct told_row *ret);
void told_write(struct txn *t, const struct told_row *r);
void told_delete(struct txn *t, const uint8_t key[TOLD_KEY]);
void told_each(struct txn *t, bool (*f)(void *arg, const struct told_row *r), void *arg);
