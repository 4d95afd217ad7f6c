/*
 * lib/flow/share.c: deficit round robin, served one turn at a time. For every
 * unit granted each member that could have had it is credited its weight, and
 * the one that got it pays the sum of all of those weights; the next turn
 * belongs to the member with the most credit. Turns of one run are thus spread
 * out evenly between the others', and any number of turns is split within one
 * turn of the exact shares.
 */
#include "lib/flow/share.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MOST                                                                                       \
	((uint32_t)1000000) /* weights and costs beyond count as this: sums stay far from overflow \
			     */

static int64_t bounded(uint32_t n)
{
	return n > MOST ? MOST : n;
}

/* Place of the first member whose id is not below `id`. */
static size_t place(const struct share *s, uint32_t id)
{
	size_t from = 0, n = s->n;

	while (n > 0) {
		size_t half = n / 2;

		if (s->members[from + half].id < id) {
			from += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return from;
}

void share_fini(struct share *s)
{
	free(s->members);
	*s = (struct share){0};
}

struct share_member *share_member(struct share *s, uint32_t id)
{
	size_t i = place(s, id);

	if (i < s->n && s->members[i].id == id) {
		return &s->members[i];
	}
	if (s->n == s->cap) {
		size_t cap = s->cap == 0 ? 8 : s->cap * 2;
		struct share_member *members = reallocarray(s->members, cap, sizeof(*members));

		if (members == NULL) {
			return NULL;
		}
		s->members = members;
		s->cap = cap;
	}
	memmove(&s->members[i + 1], &s->members[i], (s->n - i) * sizeof(*s->members));
	s->members[i] = (struct share_member){.id = id, .weight = 1};
	s->n++;
	s->turn += i < s->turn;
	return &s->members[i];
}

void share_remove(struct share *s, uint32_t id)
{
	size_t i = place(s, id);

	if (i == s->n || s->members[i].id != id) {
		return;
	}
	s->n--;
	memmove(&s->members[i], &s->members[i + 1], (s->n - i) * sizeof(*s->members));
	s->turn -= i < s->turn;
}

struct share_member *share_next(struct share *s)
{
	struct share_member *best = NULL;

	for (size_t i = 0; i < s->n; i++) {
		struct share_member *m = &s->members[(s->turn + i) % s->n];

		if (m->ready && (best == NULL || m->priority < best->priority ||
				    (m->priority == best->priority &&
					m->deficit + bounded(m->weight) >
					    best->deficit + bounded(best->weight)))) {
			best = m;
		}
	}
	return best;
}

void share_charge(struct share *s, struct share_member *m, uint32_t cost)
{
	int64_t units = bounded(cost), sum = 0;

	assert(m >= s->members && m < s->members + s->n);
	for (size_t i = 0; i < s->n; i++) {
		struct share_member *o = &s->members[i];

		if (o == m || (o->ready && o->priority == m->priority)) {
			o->deficit += bounded(o->weight) * units;
			sum += bounded(o->weight) * units;
		} else if (!o->ready && o->deficit > 0) {
			o->deficit = 0; /* what it could not use is not saved up */
		}
	}
	m->deficit -= sum;
	s->turn = (size_t)(m - s->members) + 1;
}
