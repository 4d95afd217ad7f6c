/*
 * lib/sim/account.c: lines in an array, meanings in an open table that points at the last line of
 * each; the lines of one meaning are chained backwards.
 *
 * A repeat is judged by the best answer that came before it: a whole, final one that was delivered
 * makes it a repeat against the promise; one that invites another try makes it a declared one;
 * else it is in doubt.
 */
#include "lib/sim/account.h"

#include <stdlib.h>
#include <string.h>

const char *const account_words[ACCOUNT_N] = {"ok", "empty", "permanent", "duplicate"};

struct account *account_new(void)
{
	return calloc(1, sizeof(struct account));
}

void account_free(struct account *a)
{
	if (a != NULL) {
		free(a->lines);
		free(a->meanings);
		free(a);
	}
}

/* The slot of the hash, or the free one where it belongs. The table is never full. */
static struct meaning *slot_of(struct meaning *table, size_t cap, uint64_t hash)
{
	size_t i = hash & (cap - 1);

	while (table[i].hash != 0 && table[i].hash != hash) {
		i = (i + 1) & (cap - 1);
	}
	return &table[i];
}

static int grow_meanings(struct account *a)
{
	size_t cap = a->cap_meanings > 0 ? a->cap_meanings * 2 : 1024;
	struct meaning *table = calloc(cap, sizeof(*table));

	if (table == NULL) {
		return LEAD_ENOMEM;
	}
	for (size_t i = 0; i < a->cap_meanings; i++) {
		if (a->meanings[i].hash != 0) {
			*slot_of(table, cap, a->meanings[i].hash) = a->meanings[i];
		}
	}
	free(a->meanings);
	a->meanings = table;
	a->cap_meanings = cap;
	return 0;
}

/* NULL when out of memory. */
static struct meaning *meaning_of(struct account *a, uint64_t hash)
{
	struct meaning *m;

	hash = hash != 0 ? hash : 1;
	if (a->n_meanings * 2 >= a->cap_meanings && grow_meanings(a) != 0) {
		return NULL;
	}
	m = slot_of(a->meanings, a->cap_meanings, hash);
	if (m->hash == 0) {
		m->hash = hash;
		a->n_meanings++;
	}
	return m;
}

int account_attempt(struct account *a, uint64_t meaning, uint32_t *ret_attempt)
{
	struct meaning *m = meaning_of(a, meaning);

	if (m == NULL) {
		return LEAD_ENOMEM;
	}
	*ret_attempt = m->attempts++;
	return 0;
}

static void judge(struct account *a, uint32_t index)
{
	const struct account_line *line = &a->lines[index];
	struct account_service *s = &a->services[line->service];
	uint8_t again = AGAIN_NEVER;
	bool seen = false;

	for (uint32_t i = line->prev; i != 0; i = a->lines[i - 1].prev) {
		const struct account_line *before = &a->lines[i - 1];

		if (!before->whole || before->delivered_us == 0) {
			continue;
		}
		seen = true;
		again = before->again;
		if (again == AGAIN_NEVER) {
			s->p3++;
			if (a->n_listed < REPEATS_LISTED) {
				a->listed[a->n_listed++] = (struct account_repeat){i - 1, index};
			}
			return;
		}
	}
	if (!seen) {
		s->in_doubt += line->prev != 0;
		return;
	}
	s->copy += again == AGAIN_COPY;
	s->unknown += again == AGAIN_UNKNOWN;
	s->lost += again == AGAIN_LOST;
}

int account_add(struct account *a, const struct account_line *line, uint64_t *ret_token)
{
	struct meaning *m = meaning_of(a, line->meaning);
	struct account_service *s = &a->services[line->service];

	if (m == NULL) {
		return LEAD_ENOMEM;
	}
	if (a->n == a->cap) {
		size_t cap = a->cap > 0 ? a->cap * 2 : 1024;
		struct account_line *lines = realloc(a->lines, cap * sizeof(*lines));

		if (lines == NULL) {
			return LEAD_ENOMEM;
		}
		a->lines = lines;
		a->cap = cap;
	}
	a->lines[a->n] = *line;
	a->lines[a->n].prev = m->last;
	a->lines[a->n].delivered_us = 0;
	m->last = (uint32_t)a->n + 1;
	s->billed_calls += line->billed;
	s->billed_micro += line->billed ? line->price_micro : 0;
	judge(a, (uint32_t)a->n);
	a->n++;
	*ret_token = *ret_token != 0 ? *ret_token + (UINT64_C(1) << 32) : a->n;
	return 0;
}

/* A token: the first line + 1, and above bit 32 how many more lines follow it. */
static void set_delivered(struct account *a, uint64_t token, int64_t delivered_us)
{
	uint64_t first = token & UINT32_MAX, more = token >> 32;

	for (uint64_t i = first; first > 0 && i <= first + more && i <= a->n; i++) {
		a->lines[i - 1].delivered_us = delivered_us;
	}
}

void account_delivered(struct account *a, uint64_t token, int64_t wall_us)
{
	set_delivered(a, token, wall_us > 0 ? wall_us : 1);
}

void account_doubted(struct account *a, uint64_t token)
{
	set_delivered(a, token, 0);
}

void account_forget(struct account *a, uint64_t meaning)
{
	struct meaning *m = meaning_of(a, meaning);

	if (m != NULL) {
		m->last = 0;
	}
}
