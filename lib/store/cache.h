/*
 * lib/store/cache.h: answers that may be taken again: service, call, hash of what was asked -> what a lead was told, until it expires.
 *
 * Written in the transaction that settles the call, for stages with `cache`. It holds people's data, like facts. A second row per
 * answer, in the order of their ends, finds those that have expired.
 */
#pragma once

#include "lib/store/items.h"

struct cache_key {
	uint16_t service, endpoint; /* names.h */
	uint64_t hash;              /* call_row.hash, call_part.hash of a batch */
};

struct cache_row {
	uint64_t call;              /* whose answer it is */
	int64_t price_micro;        /* what the lead paid for it */
	int64_t expires_us;         /* wall clock */
	uint8_t outcome;            /* enum outcome_class */
	char reason[ITEM_REASON];
	struct fact_field fields[FACT_FIELDS];
	size_t n_fields;
};

/* Texts are borrowed from the store. False when there is none; it may have expired. */
bool cache_read(struct txn *t, struct cache_key k, struct cache_row *ret);
/* In place of an older one. */
void cache_write(struct txn *t, struct cache_key k, const struct cache_row *r);
/* When the next one expires; 0: there is none. */
int64_t cache_next_us(struct txn *t);
/* Deletes those that expired before that time, at most `most`; how many it were. */
unsigned cache_expire(struct txn *t, int64_t before_us, unsigned most);

/* From a walk over TABLE_ANSWER: an answer (ret_key and ret filled) or the row that finds its end (ret NULL allowed). */
enum cache_class { CACHE_ANSWER, CACHE_END };
bool cache_decode(struct slice key, struct slice value, enum cache_class *ret_class, struct cache_key *ret_key, struct cache_row *ret);
