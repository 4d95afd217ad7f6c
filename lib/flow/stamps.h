/*
 * lib/flow/stamps.h: the log of late ends that all windows of one limit look at.
 *
 * In order of time; a place in it is a running number (`seq`) that stays valid
 * while the log grows at its end and is trimmed at its start. Each stamp holds
 * the weight of all stamps up to it, so that the weight of any stretch is one
 * subtraction and the stamp that frees a given weight one binary search.
 */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stamp {
	int64_t late_us;
	uint64_t total; /* weight of this and all earlier ones; only differences mean anything */
};

struct stamps {
	struct stamp *ring; /* `cap` of them, a power of two; owned */
	size_t cap;
	size_t first, end; /* seq; wraps around, so compare by difference from first */
	uint64_t base;     /* total before first */
};

void stamps_fini(struct stamps *s);
static inline size_t stamps_count(const struct stamps *s)
{
	return s->end - s->first;
}
/* Room for n stamps in all. 0 or LEAD_ENOMEM. */
int stamps_reserve(struct stamps *s, size_t n) MUST_CHECK;
/*
 * Inserts in order of time, after equals; there must be room. The nearer end of
 * the log makes way: false when the later stamps moved one seq up, true when the
 * earlier ones moved one down.
 */
bool stamps_insert(struct stamps *s, int64_t late_us, uint64_t weight);
/* The first seq later than late_us; `end` when there is none. */
size_t stamps_find(const struct stamps *s, int64_t late_us);
/* Weight from seq to the end. */
uint64_t stamps_weight(const struct stamps *s, size_t seq);
/* Late end of the stamp with which `weight` is reached, counted from seq on; TIME_NEVER when all
 * together are less. */
int64_t stamps_reach(const struct stamps *s, size_t seq, uint64_t weight);
/* Forgets stamps from the start on that are not later than late_us, up to seq `keep`. */
void stamps_trim(struct stamps *s, int64_t late_us, size_t keep);

static inline int64_t stamps_late(const struct stamps *s, size_t seq)
{
	return s->ring[seq & (s->cap - 1)].late_us;
}
