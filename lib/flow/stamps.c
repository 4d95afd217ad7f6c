/*
 * lib/flow/stamps.c: a ring of stamps sorted by late end. Nearly every stamp is
 * the newest and goes to the end; answers that overtake each other move a few
 * neighbours, and a ledger read backwards at start fills the ring from its
 * other end. The totals of moved stamps are put right while they move.
 */
#include "lib/flow/stamps.h"

#include <stdlib.h>

#include "lib/base/time.h"

#define FIRST_CAP ((size_t)16)

static struct stamp *at(const struct stamps *s, size_t seq)
{
	return &s->ring[seq & (s->cap - 1)];
}

static uint64_t total_before(const struct stamps *s, size_t seq)
{
	return seq == s->first ? s->base : at(s, seq - 1)->total;
}

void stamps_fini(struct stamps *s)
{
	free(s->ring);
	*s = (struct stamps){0};
}

int stamps_reserve(struct stamps *s, size_t n)
{
	size_t cap = s->cap == 0 ? FIRST_CAP : s->cap;
	struct stamp *ring;

	if (n <= s->cap) {
		return 0;
	}
	while (cap < n) {
		cap *= 2;
	}
	ring = calloc(cap, sizeof(*ring));
	if (ring == NULL) {
		return LEAD_ENOMEM;
	}
	for (size_t seq = s->first; seq != s->end; seq++) {
		ring[seq & (cap - 1)] = *at(s, seq);
	}
	free(s->ring);
	s->ring = ring;
	s->cap = cap;
	return 0;
}

bool stamps_insert(struct stamps *s, int64_t late_us, uint64_t weight)
{
	bool newest = s->first == s->end || stamps_late(s, s->end - 1) <= late_us;
	size_t seq = newest ? s->end : stamps_find(s, late_us);
	uint64_t before = total_before(s, seq);

	if (seq - s->first < s->end - seq) {
		for (size_t i = s->first; i != seq; i++) {
			*at(s, i - 1) = (struct stamp){at(s, i)->late_us, at(s, i)->total - weight};
		}
		s->first--;
		s->base -= weight;
		*at(s, seq - 1) = (struct stamp){late_us, before};
		return true;
	}
	for (size_t i = s->end; i != seq; i--) {
		*at(s, i) = (struct stamp){at(s, i - 1)->late_us, at(s, i - 1)->total + weight};
	}
	s->end++;
	*at(s, seq) = (struct stamp){late_us, before + weight};
	return false;
}

size_t stamps_find(const struct stamps *s, int64_t late_us)
{
	size_t from = s->first, n = stamps_count(s);

	while (n > 0) {
		size_t half = n / 2;

		if (stamps_late(s, from + half) <= late_us) {
			from += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return from;
}

uint64_t stamps_weight(const struct stamps *s, size_t seq)
{
	return total_before(s, s->end) - total_before(s, seq);
}

int64_t stamps_reach(const struct stamps *s, size_t seq, uint64_t weight)
{
	uint64_t before = total_before(s, seq);
	size_t n = s->end - seq;

	while (n > 0) {
		size_t half = n / 2;

		if (at(s, seq + half)->total - before < weight) {
			seq += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return seq == s->end ? TIME_NEVER : stamps_late(s, seq);
}

void stamps_trim(struct stamps *s, int64_t late_us, size_t keep)
{
	while (s->first != keep && stamps_late(s, s->first) <= late_us) {
		s->base = at(s, s->first)->total;
		s->first++;
	}
}
