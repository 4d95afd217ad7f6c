/* lib/engine/show/reckon_parts.h: what reckon.c, receipt.c and waste.c share. */
#pragma once

#include "lib/engine/show/reckon.h"
#include "lib/engine/show/show_put.h"
#include "lib/store/items.h"
#include "lib/store/runs.h"

struct run;

/* Leads and money under one or two words. */
struct sum {
	char what[96], why[ITEM_REASON + 64];
	uint64_t leads, calls;
	int64_t micro;
	int first, last;    /* waste: pipeline stages, behind the first and before the last */
};

struct sums {
	struct sum *list;
	size_t n, cap;
};

struct spent {
	uint16_t service;
	uint64_t calls, doubts;
	int64_t settled_micro, doubt_micro;  /* of all its calls */
	int64_t bought_micro, wasted_micro;  /* of leads that came through, of those that did not; the rest is open */
};

#define SPENT_SERVICES 64

struct reckoning {
	struct engine *e;
	uint32_t run, cursor;
	uint64_t turn;
	enum reckon_kind kind;
	struct sums sums[4];
	struct spent spent[SPENT_SERVICES];
	size_t n_spent;
	uint64_t outcomes[ITEM_OUTCOMES];
	int64_t outcome_micro[ITEM_OUTCOMES];
	uint64_t died_at[RUN_STAGES];        /* waste: by pipeline stage */
};

/* Found or added; never NULL. */
struct sum *sum_of(struct reckoning *x, struct sums *s, const char *what, const char *why);
/* Most money first, then most leads. */
void sums_sort(struct sums *s);

/* One lead, whose outcome as of the reckoning's turn is `o`. */
void receipt_item(struct reckoning *x, struct txn *t, struct run *r, const struct item *i, enum item_outcome o);
struct json_object *receipt_json(struct reckoning *x, struct run *r, struct now now);
void waste_item(struct reckoning *x, struct txn *t, struct run *r, const struct item *i, enum item_outcome o);
struct json_object *waste_json(struct reckoning *x, struct run *r, struct now now);
