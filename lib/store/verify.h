/*
 * lib/store/verify.h: a run's destination read back as a whole, and what was found.
 *
 * One row says how far it has come, one row stands for each finding; while it is at work one more for each lead that should be
 * there, by the keyed hash of what the destination knows it by. Personal data stands in none of them.
 */
#pragma once

#include "lib/store/items.h"

enum verify_state {
	VERIFY_NONE,
	VERIFY_CLEARING,  /* what the last one left */
	VERIFY_INDEXING,  /* what should be there */
	VERIFY_READING,   /* the destination, page by page */
	VERIFY_COMPARING, /* what was not seen */
	VERIFY_DONE,
	VERIFY_FAILED,    /* why */
	VERIFY_STATES
};
const char *verify_state_word(enum verify_state s);
bool verify_at_work(enum verify_state s);

enum verify_kind { VERIFY_MISSING, VERIFY_DOUBLED, VERIFY_CHANGED, VERIFY_FOREIGN, VERIFY_KINDS };
const char *verify_kind_word(enum verify_kind k);

#define VERIFY_TEXT 80

struct verify_row {
	uint32_t run;
	enum verify_state state;
	bool repair;                 /* what is missing is pushed again */
	int64_t started_us, ended_us; /* wall */
	uint32_t at_run, at_number;  /* INDEXING: the last item taken */
	uint64_t pushed;             /* leads of the run that should be there */
	uint64_t pages, seen;        /* leads in the destination */
	uint64_t others;             /* of them: of other runs */
	uint64_t counts[VERIFY_KINDS];
	uint64_t repaired;
	uint32_t findings;
	char why[VERIFY_TEXT];
};
/* False, and ret all zero but its run: there was none. */
bool verify_row_read(struct txn *t, uint32_t run, struct verify_row *ret);
void verify_row_write(struct txn *t, const struct verify_row *r);

struct verify_finding {
	enum verify_kind kind;
	uint32_t number;         /* of the lead; 0: of none of the run's */
	char field[VERIFY_TEXT]; /* CHANGED: which; FOREIGN: `recalled` when it had been taken out */
	char id[VERIFY_TEXT];    /* as the destination names it; "" when it does not */
	char who[VERIFY_TEXT];   /* FOREIGN: its address, masked */
};
/* Adds it as number r->findings and counts it; the caller writes the row. */
void verify_find(struct txn *t, struct verify_row *r, const struct verify_finding *f);
typedef bool (*verify_fn)(void *arg, uint32_t at, const struct verify_finding *f);
/* Those from number `at` on; f returns false to stop and may not write. */
void verify_walk(struct txn *t, uint32_t run, uint32_t at, verify_fn f, void *arg);

struct verify_entry {
	uint64_t hash;
	uint32_t run, number; /* 0: it was seen, and nobody pushed it so far */
	bool gone;     /* it was recalled: it should not be there */
	bool young;    /* it was pushed after the reading had begun: it need not be seen */
	uint32_t seen; /* times */
	char id[VERIFY_TEXT], who[VERIFY_TEXT]; /* of one that nobody pushed: as in its finding */
};
bool verify_entry_read(struct txn *t, uint32_t run, uint64_t hash, struct verify_entry *ret);
void verify_entry_write(struct txn *t, uint32_t run, const struct verify_entry *e);
/* The first one left, taken out. False: none is. */
bool verify_entry_take(struct txn *t, uint32_t run, struct verify_entry *ret);
/* At most n rows of findings and entries less. False: none is left. */
bool verify_clear(struct txn *t, uint32_t run, unsigned n);
/* From a walk over the table: can it be read? *ret_run: whose. */
bool verify_decode(struct slice key, struct slice value, uint32_t *ret_run);
