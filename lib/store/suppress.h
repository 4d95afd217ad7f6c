/*
 * lib/store/suppress.h: suppression lists: who of whom an organisation must not write to.
 *
 * An entry is a keyed hash (lib/lead/suppression.h) with where it came from; nobody can read out of it whom it means. Beside
 * the entries stands one count per source, kept with every change, so that a list of millions is summed up at once.
 */
#pragma once

#include "lib/store/store.h"

#define SUPPRESS_TEXT 48
#define SUPPRESS_GIVEN 3 /* ways an entry is given: enum suppress_kind of lib/lead/suppression.h */

enum suppress_class { SUPPRESS_SOURCES, SUPPRESS_PEOPLE, SUPPRESS_DOMAINS }; /* the first: counts, by hash of the source's name */

struct suppress_row {
	uint8_t given;              /* enum suppress_kind */
	int64_t wall_us;            /* when it was added */
	char source[SUPPRESS_TEXT]; /* a file's name, "operator" … */
	char reason[SUPPRESS_TEXT]; /* a word, "" for none */
};

bool suppress_read(struct txn *t, uint16_t org, enum suppress_class class, uint64_t hash, struct suppress_row *ret);
/* False, and nothing is changed, when it is there already. */
bool suppress_add(struct txn *t, uint16_t org, enum suppress_class class, uint64_t hash, const struct suppress_row *r);
/* False when it was not there. */
bool suppress_remove(struct txn *t, uint16_t org, enum suppress_class class, uint64_t hash);
/* Has the organisation any entry? */
bool suppress_any(struct txn *t, uint16_t org);

struct suppress_source {
	char source[SUPPRESS_TEXT];
	uint64_t entries[SUPPRESS_GIVEN];
	int64_t first_us, last_us; /* wall, of those ever added */
};
typedef bool (*suppress_fn)(void *arg, const struct suppress_source *s);
/* f returns false to stop and may not write. */
void suppress_sources(struct txn *t, uint16_t org, suppress_fn f, void *arg);

/* From a walk over TABLE_SUPPRESS: which class the key has; false when value is no row of it. */
bool suppress_decode(struct slice key, struct slice value, enum suppress_class *ret_class, struct suppress_row *ret,
    struct suppress_source *ret_source);
