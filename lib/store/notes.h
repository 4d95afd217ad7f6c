/*
 * lib/store/notes.h: what happened to a run as a whole that people should be able to read later: who approved what, which
 * payments came; and the payments seen, so that none counts twice.
 *
 * Notes are added and never changed.
 */
#pragma once

#include "lib/store/store.h"

enum note_kind {
	NOTE_APPROVED,        /* what waited for a person was released */
	NOTE_PAID,            /* a payment released it */
	NOTE_PAYMENT_REFUSED, /* a payment came and released nothing: `what` says why */
	NOTE_CELLS_LEFT_OUT,  /* rows of the file have more cells than the header */
	NOTE_ROWS_LEFT_OUT,   /* the run was put back, and the rest of its file is gone */
	NOTE_KINDS
};
const char *note_word(enum note_kind k);

struct note {
	uint32_t run, seq;
	enum note_kind kind;
	int64_t wall_us;
	char who[64];         /* `uid 1000`, the name of a token, `payment stripe` */
	char what[160];       /* the stages released, or the reason */
	int64_t amount_micro; /* a payment's; else what releasing was estimated at; -1: not known */
};
/* Adds it as the run's next; seq is filled in. */
void note_add(struct txn *t, struct note *n);
bool note_decode(struct slice key, struct slice value, struct note *ret);
typedef bool (*note_fn)(void *arg, const struct note *n);
/* Of one run, oldest first; f returns false to stop and may not write. */
void note_walk(struct txn *t, uint32_t run, note_fn f, void *arg);

/* A payment's event or session under the hash of its name: the run it was for (0: of none), 0 rows when it is new. */
bool payment_seen(struct txn *t, uint64_t hash, uint32_t *ret_run);
void payment_mark(struct txn *t, uint64_t hash, uint32_t run, int64_t wall_us);
