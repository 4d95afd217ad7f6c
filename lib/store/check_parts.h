/*
 * lib/store/check_parts.h: what the files of the check share and nobody else needs. One pass each, called in this order by check.c; the
 * ledger is first, since the items are compared with what it says.
 */
#pragma once

#include "lib/store/check.h"
#include "lib/store/account.h"
#include "lib/store/runs.h"

/* What the ledger says one item was charged, and whether a call of it is open. */
struct charge {
	uint32_t run, number;
	int64_t micro;
	bool open;
};

/* What the calls of a run or a service come to. */
struct sum {
	enum account_kind kind;
	uint32_t owner;
	struct balance bal;
};

/* Items of one run, counted. */
struct tally {
	uint32_t run;
	uint64_t outcomes[ITEM_OUTCOMES], companies[ITEM_OUTCOMES], recalling;
	struct { uint64_t waiting, retrying, held, unchanged; } stages[RUN_STAGES];
	uint64_t written; /* texts by a version of a prompt */
};

struct listed; /* a source of a suppression list: check_suppress.c */

struct checking {
	struct txn *t;
	check_fn f;
	void *arg;
	struct check_counts counts;
	struct charge *charges; /* one per item, in the order of the items, once the ledger is through */
	size_t n_charges;
	struct sum *sums;
	size_t n_sums;
	struct tally *tallies;
	size_t n_tallies;
	struct listed *listed;
	size_t n_listed;
	int64_t cached_ends;        /* answers to be taken again, less the rows that find their ends */
	uint64_t waiting, retrying; /* items that should stand in `ready` (not open) and `later` */
	bool failed;                /* out of memory */
};

/* One problem, in a line. */
void check_tell(struct checking *c, const char *format, ...) PRINTF(2, 3);
/* Room for one more behind the n there are; NULL and c->failed when memory is out. */
void *check_grow(struct checking *c, void *list, size_t n, size_t size);

void pass_ledger(struct checking *c);
/* What the ledger says of this item; NULL: nothing. */
const struct charge *check_charge(const struct checking *c, uint32_t run, uint32_t number);
void pass_items(struct checking *c);
void pass_runs(struct checking *c);
void pass_kept(struct checking *c);
void pass_inbox(struct checking *c);
void pass_suppressions(struct checking *c);
void pass_sums(struct checking *c); /* of the ledger, with the accounts */
void pass_queues(struct checking *c); /* have as many entries as items wait */
