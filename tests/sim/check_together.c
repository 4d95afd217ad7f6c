/*
 * Calls that serve several leads: each part of a row is a lead's own, nobody pays above the whole, and nobody asks what another
 * was told before and which was kept.
 */
#include "tests/sim/books.h"

#include "lib/service/answer.h"

#include <stdlib.h>

#define TURN_US US_PER_S /* an answer that came is kept at the latest after so long */

static bool planned(const struct plan *p, unsigned kind)
{
	for (size_t i = 0; i < p->n_faults; i++) {
		if (!p->faults[i].off && p->faults[i].kind == kind) {
			return true;
		}
	}
	return false;
}

/* The price is split evenly, and what cannot be split falls to the first. */
static void check_split(struct books *b, const struct call_row *row)
{
	struct call_part p;
	int64_t all = call_settled(row), each = all / (int64_t)row->n_parts;
	size_t i = 0;

	for (struct part_walk w = call_parts(row); part_next(&w, &p); i++) {
		int64_t due = i == 0 ? all - each * ((int64_t)row->n_parts - 1) : each;

		if (row->state >= CALL_SETTLED && p.settled_micro != due) {
			violate(b->r, "call %016llx: part %zu of %zu pays %lld of %lld", (unsigned long long)row->id, i, row->n_parts,
			    (long long)p.settled_micro, (long long)all);
		}
		if (p.settled_micro > p.reserved_micro && all <= row->parts[0].reserved_micro) {
			violate(b->r, "call %016llx: part %zu pays more than it reserved", (unsigned long long)row->id, i);
		}
	}
}

static int by_hash(const void *a, const void *b)
{
	const struct call_row *x = *(const struct call_row *const *)a, *y = *(const struct call_row *const *)b;

	if (x->service != y->service || x->hash != y->hash) {
		return x->service != y->service ? (x->service < y->service ? -1 : 1) : x->hash < y->hash ? -1 : 1;
	}
	return x->id < y->id ? -1 : x->id > y->id;
}

/* Of two calls that ask the same the second was sent before the first had its answer, or that was none to keep. */
static void check_kept(struct books *b)
{
	const struct call_row **list = malloc((b->n + 1) * sizeof(*list));
	size_t n = 0;

	for (size_t k = 0; k < b->n; k++) {
		if (b->sent[k] != NULL && b->sent[k]->service == WORLD_PERPLEXITY) {
			list[n++] = &b->rows[k];
		}
	}
	qsort(list, n, sizeof(*list), by_hash);
	for (size_t k = 0; k + 1 < n; k++) {
		const struct wire *first = b->sent[list[k] - b->rows], *second = b->sent[list[k + 1] - b->rows];
		bool kept = (list[k]->outcome == OUTCOME_OK || list[k]->outcome == OUTCOME_EMPTY) && first->ended_us != 0;

		if (list[k]->hash == list[k + 1]->hash && kept && second->sent_us > first->ended_us + TURN_US) {
			violate(b->r, "calls %016llx and %016llx ask the same, and the answer was kept", (unsigned long long)list[k]->id,
			    (unsigned long long)list[k + 1]->id);
		}
	}
	free(list);
}

void check_together(struct books *b)
{
	static const unsigned forgets[] = {KIND_CLOCK_AHEAD, KIND_CLOCK_BACK, KIND_CLOCK_1970, KIND_STORE_FULL, KIND_STORE_NEARLY_FULL, KIND_STALL};
	bool keeps = plan_groups(b->in->plan);

	for (size_t k = 0; k < b->n; k++) {
		if (b->rows[k].kind == CALL_SINGLE) {
			check_split(b, &b->rows[k]);
		}
		if (b->rows[k].n_parts > 1 && !plan_groups(b->in->plan)) {
			violate(b->r, "call %016llx has %zu parts", (unsigned long long)b->rows[k].id, b->rows[k].n_parts);
		}
	}
	for (size_t i = 0; i < sizeof(forgets) / sizeof(forgets[0]); i++) {
		keeps = keeps && !planned(b->in->plan, forgets[i]);
	}
	if (keeps) {
		check_kept(b);
	}
}
