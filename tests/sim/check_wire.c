/*
 * The provider's log against the ledger: windows by arrival times, bills line by line, what was
 * asked twice.
 */
#include "tests/sim/books.h"

#include "lib/sim/internal.h"
#include "lib/service/answer.h"

#include <stdlib.h>

static bool on_call(void *arg, struct slice key, struct slice value)
{
	struct books *b = arg;

	if (b->n == b->cap) {
		b->cap = b->cap * 2 + 4096;
		b->rows = realloc(b->rows, b->cap * sizeof(*b->rows));
	}
	if (call_decode(key, value, &b->rows[b->n])) {
		b->n++;
	} else {
		violate(b->r, "a call cannot be read");
	}
	return true;
}

size_t books_find(const struct books *b, uint64_t call)
{
	size_t low = 0, high = b->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (b->rows[mid].id < call) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low < b->n && b->rows[low].id == call ? low : SIZE_MAX;
}

/* Each request that arrived was reserved before, and arrived once. */
static void match_wire(struct books *b)
{
	for (size_t i = 0; i < b->in->n_log; i++) {
		const struct wire *w = &b->in->log[i];
		size_t k = books_find(b, w->call);

		if (k == SIZE_MAX) {
			violate(b->r, "%s: a request arrived that is not in the ledger",
			    service_word(w->service));
		} else if (b->sent[k] != NULL) {
			violate(b->r, "%s: call %016llx arrived twice", service_word(w->service),
			    (unsigned long long)w->call);
		} else {
			b->sent[k] = w;
		}
	}
}

/* --- bills --- */

static void match_bill(struct books *b, const struct account_line *line)
{
	uint64_t call;
	size_t k = ids_parse(line->call, &call) ? books_find(b, call) : SIZE_MAX;
	const struct call_row *row;

	if (k == SIZE_MAX) {
		violate(b->r, "%s: a bill for call %s, which is not in the ledger",
		    service_word(line->service), line->call);
		return;
	}
	b->lines[k] = line;
	if (!line->billed) {
		return;
	}
	row = &b->rows[k];
	if (row->state == CALL_SETTLED && call_settled(row) != line->price_micro) {
		violate(b->r, "%s: call %s is billed %lld, settled %lld",
		    service_word(line->service), line->call, (long long)line->price_micro,
		    (long long)call_settled(row));
	} else if (row->state == CALL_IN_DOUBT && call_settled(row) < line->price_micro) {
		violate(b->r, "%s: call %s in doubt holds less than its bill",
		    service_word(line->service), line->call);
	} else if (row->state != CALL_SETTLED && row->state != CALL_IN_DOUBT) {
		violate(b->r, "%s: call %s is billed, but %s", service_word(line->service),
		    line->call, call_state_word(row->state));
	}
}

static void match_ledger(struct books *b)
{
	for (size_t k = 0; k < b->n; k++) {
		const struct call_row *row = &b->rows[k];
		bool billed = b->lines[k] != NULL && b->lines[k]->billed;

		if (row->state == CALL_SETTLED && call_settled(row) > 0 && !billed) {
			violate(b->r, "call %016llx is settled, but nobody billed it",
			    (unsigned long long)row->id);
		}
		if (row->state == CALL_SETTLED && row->http_status != 0 && b->sent[k] == NULL) {
			violate(b->r, "call %016llx was answered, but never arrived",
			    (unsigned long long)row->id);
		}
		if (b->sent[k] != NULL && row->state == CALL_REFUNDED &&
		    row->outcome == OUTCOME_UNSENT) {
			violate(b->r, "call %016llx arrived, but counts as never sent",
			    (unsigned long long)row->id);
		}
	}
}

/* --- windows --- */

static int by_arrival(const void *a, const void *b)
{
	const struct wire *x = *(const struct wire *const *)a, *y = *(const struct wire *const *)b;

	return x->arrived_us != y->arrived_us ? (x->arrived_us < y->arrived_us ? -1 : 1)
					      : (x->call > y->call) - (x->call < y->call);
}

/*
 * Two pointers over the arrivals of one key. The limit in force at the last grant of those inside
 * counts: the highest id, kept on a falling stack.
 */
static void scan_window(
    struct books *b, const struct wire **list, size_t n, unsigned service, unsigned w)
{
	int64_t length_us = shapes[b->in->plan->shape].windows[service][w].length_us;
	size_t *stack = malloc((n + 1) * sizeof(*stack)), first = 0, top = 0, left = 0, told = 0;

	for (size_t i = 0; i < n; i++) {
		while (top > first && list[stack[top - 1]]->call < list[i]->call) {
			top--;
		}
		stack[top++] = i;
		while (list[left]->arrived_us <= list[i]->arrived_us - length_us) {
			first += stack[first] == left;
			left++;
		}
		if (i - left + 1 > list[stack[first]]->max[w] && told++ == 0) {
			violate(b->r, "%s: %zu arrivals within %lld ms at %.3f s, the limit was %u",
			    service_word(service), i - left + 1, (long long)(length_us / US_PER_MS),
			    (double)list[i]->arrived_us / 1e6, list[stack[first]]->max[w]);
		}
	}
	free(stack);
}

static void scan_windows(struct books *b)
{
	const struct wire **list = malloc((b->in->n_log + 1) * sizeof(*list));

	for (unsigned s = 0; s < SERVICES; s++) {
		for (unsigned key = 0; key < KEYS; key++) {
			size_t n = 0;

			for (size_t i = 0; i < b->in->n_log; i++) {
				if (b->in->log[i].service == s && b->in->log[i].key == key && !b->in->log[i].poll) {
					list[n++] = &b->in->log[i];
				}
			}
			qsort(list, n, sizeof(*list), by_arrival);
			for (unsigned w = 0;
			     w < WINDOWS && shapes[b->in->plan->shape].windows[s][w].max > 0; w++) {
				scan_window(b, list, n, s, w);
			}
		}
	}
	free(list);
}

/* --- all of it --- */

/* Repeats that are none: the call that came second was sent first, and the other one because of the
 * doubt. */
static uint64_t overtaken(const struct books *b, unsigned service)
{
	const struct account *a = b->in->world->account;
	uint64_t n = 0;

	for (size_t i = 0; i < a->n_listed; i++) {
		const struct account_line *first = &a->lines[a->listed[i].first],
					  *second = &a->lines[a->listed[i].second];

		n += second->service == service && strcmp(second->call, first->call) < 0;
	}
	return n;
}

static void check_repeats(struct books *b)
{
	for (unsigned s = 0; s < SERVICES; s++) {
		struct world_totals t;

		world_totals(b->in->world, (enum world_service)s, &t);
		if (plan_groups(b->in->plan) && s == WORLD_PERPLEXITY) {
			t.repeats_p3 = 0; /* what is kept, and for whom: check_together */
		}
		if (t.repeats_p3 > overtaken(b, s) && !b->in->retried) {
			violate(b->r, "%s: asked %llu times again after a final answer",
			    service_word(s), (unsigned long long)(t.repeats_p3 - overtaken(b, s)));
		}
		for (int f = 1; f < FAULT_N; f++) {
			b->r->hits[f] += t.faults[f];
		}
	}
}

void check_night(const struct check_input *in, struct result *r)
{
	struct books b = {.in = in, .r = r};
	struct txn *t = NULL;

	check_items(in, r);
	r->hash = store_hash(in->store);
	r->calls = in->n_log;
	if (txn_begin(in->store, false, &t, NULL) != 0) {
		return;
	}
	txn_walk(t, TABLE_CALL, key_of(), key_of(), on_call, &b);
	b.sent = calloc(b.n + 1, sizeof(*b.sent));
	b.lines = calloc(b.n + 1, sizeof(*b.lines));
	match_wire(&b);
	for (size_t i = 0; i < in->world->account->n; i++) {
		match_bill(&b, &in->world->account->lines[i]);
	}
	match_ledger(&b);
	scan_windows(&b);
	if (!in->retried) {
		check_waits(&b);
	}
	check_left_alone(&b);
	check_approvals(&b);
	check_repeats(&b);
	check_together(&b);
	for (int k = 0; k < KIND_N; k++) {
		r->faults += r->hits[k];
	}
	txn_abort(t); /* the parts of the rows stand in its pages */
	free(b.rows);
	free((void *)b.sent);
	free((void *)b.lines);
}
