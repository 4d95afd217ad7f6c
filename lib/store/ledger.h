/*
 * lib/store/ledger.h: every request that was paid for, or may have been.
 *
 * One row per call, keyed by its time-ordered id, holding its parts (one item's share each; budgets count parts, windows calls): written as
 * reserved before the first byte leaves, rewritten once when it ends. That a call was sent is known
 * in memory while it is open; after a crash every open call counts as possibly sent. Table `open` lists the unsettled.
 * Balances stand in account.h.
 */
#pragma once

#include "lib/store/store.h"

enum call_state { CALL_RESERVED, CALL_SENT, CALL_SETTLED, CALL_REFUNDED, CALL_IN_DOUBT, CALL_STATES };
const char *call_state_word(enum call_state s);
bool call_state_parse(const char *word, enum call_state *ret);

struct call_part {
	uint32_t run, number;
	uint8_t stage, step;
	int64_t reserved_micro, settled_micro; /* in doubt: settled is what counts as paid */
	uint64_t hash;              /* of what this item asked; 0: see call_row.hash */
};

#define CALL_PARTS 1000 /* most of one call */

enum call_kind {
	CALL_SINGLE, /* one item; or several that asked the same and share the answer, and its price */
	CALL_BATCH,  /* each part asked something of its own */
};

struct call_row {
	uint64_t id;
	enum call_state state;
	uint8_t outcome;            /* enum outcome_class once ended */
	uint16_t service, endpoint, key; /* names.h */
	uint32_t boot;              /* number of the boot the stamps are of */
	int64_t granted_us, sent_us, late_us, end_us; /* boot clock; 0: never; late_us: had arrived by then */
	int64_t granted_wall_us;
	uint16_t http_status;
	char reason[40];
	uint64_t hash;              /* of what was asked, keyed (request.h); 0: an older leadd did not keep it */
	uint16_t prompt;            /* names.h: versions of the prompt files in it; of a look-up: in what it looks for; 0: none */
	enum call_kind kind;
	size_t n_parts;
	struct call_part parts[1];  /* the first; all of them: call_parts */
	struct call_part *more;     /* the others, of a row that is at work: its owner's. NULL: */
	struct slice packed, packed_hashes; /* a row as it was read: good as long as the value */
	uint64_t polls;             /* it asks for the job of that call; 0: it is a call in its own right */
};

/* The parts of a row, from the first on. */
struct part_walk {
	const struct call_row *row;
	size_t i;
	const uint8_t *at;
};
struct part_walk call_parts(const struct call_row *c);
bool part_next(struct part_walk *w, struct call_part *ret);
/* Does the call carry a lead of that run? ret (may be NULL): the first such part; number 0: of any lead. */
bool call_has(const struct call_row *c, uint32_t run, uint32_t number, struct call_part *ret);
int64_t call_reserved(const struct call_row *c);
int64_t call_settled(const struct call_row *c);
/* A row as it was read: its other parts into memory (malloc'ed, the caller's). False: no memory. */
bool call_unpack(struct call_row *c) MUST_CHECK;

void call_open(struct txn *t, const struct call_row *c);   /* new row and `open` entry */
void call_rewrite(struct txn *t, const struct call_row *c); /* it stays open: another part has joined, or its job began */
void call_close(struct txn *t, const struct call_row *c);  /* rewrites it and takes it out of `open` */
bool call_read(struct txn *t, uint64_t id, struct call_row *ret);
bool call_decode(struct slice key, struct slice value, struct call_row *ret);
