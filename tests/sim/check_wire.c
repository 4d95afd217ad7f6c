/*
 * The provider's log against the ledger: windows by arrival times, bills line by line, what was
 * asked twice, waits that were asked for, services that were to be left alone.
 */
#include "tests/sim/check.h"

#include "lib/sim/internal.h"
#include "lib/service/answer.h"
#include "lib/store/ledger.h"

#include <stdlib.h>

#define JITTER_US (50 * US_PER_MS)
#define BREAKER_FAILURES 4
#define ALONE_US                                                                                   \
	(8 * US_PER_S) /* breaker open 10 s, quota probe 10 s, less what may still be on its way   \
			*/
#define UNDER_WAY_US (2500 * US_PER_MS)

struct books {
	const struct check_input *in;
	struct result *r;
	struct call_row *rows; /* in order of ids */
	size_t n, cap;
	const struct wire **sent; /* beside rows; NULL: never arrived */
	const struct account_line **lines;
};

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

/* SIZE_MAX: no such call. */
static size_t find(const struct books *b, uint64_t call)
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
		size_t k = find(b, w->call);

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
	size_t k = ids_parse(line->call, &call) ? find(b, call) : SIZE_MAX;
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
	if (row->state == CALL_SETTLED && row->parts[0].settled_micro != line->price_micro) {
		violate(b->r, "%s: call %s is billed %lld, settled %lld",
		    service_word(line->service), line->call, (long long)line->price_micro,
		    (long long)row->parts[0].settled_micro);
	} else if (row->state == CALL_IN_DOUBT && row->parts[0].settled_micro < line->price_micro) {
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

		if (row->state == CALL_SETTLED && row->parts[0].settled_micro > 0 && !billed) {
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
				if (b->in->log[i].service == s && b->in->log[i].key == key) {
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

/* --- waits --- */

static int by_item(const void *a, const void *b)
{
	const struct call_row *x = *(const struct call_row *const *)a,
			      *y = *(const struct call_row *const *)b;
	const struct call_part *p = &x->parts[0], *q = &y->parts[0];

	if (p->run != q->run) {
		return p->run < q->run ? -1 : 1;
	}
	if (p->number != q->number) {
		return p->number < q->number ? -1 : 1;
	}
	return x->id < y->id ? -1 : x->id > y->id;
}

static bool planned(const struct plan *p, unsigned kind)
{
	for (size_t i = 0; i < p->n_faults; i++) {
		if (!p->faults[i].off && p->faults[i].kind == kind) {
			return true;
		}
	}
	return false;
}

/* Whoever was told to wait waited, when the answer reached the books. */
static void check_waits(struct books *b)
{
	const struct call_row **list = malloc((b->n + 1) * sizeof(*list));
	int64_t slack_percent = planned(b->in->plan, KIND_REBOOT) ? 10 : 0;

	for (size_t k = 0; k < b->n; k++) {
		list[k] = &b->rows[k];
	}
	qsort(list, b->n, sizeof(*list), by_item);
	for (size_t k = 0; k + 1 < b->n; k++) {
		const struct wire *w = b->sent[list[k] - b->rows],
				  *next = b->sent[list[k + 1] - b->rows];
		const struct call_part *p = &list[k]->parts[0], *q = &list[k + 1]->parts[0];
		int64_t wait_us;

		if (w == NULL || next == NULL || w->retry_after_us == 0 ||
		    list[k]->outcome != OUTCOME_THROTTLE || p->run != q->run ||
		    p->number != q->number || p->stage != q->stage || p->step != q->step) {
			continue;
		}
		wait_us = w->retry_after_us * (100 - slack_percent) / 100 - JITTER_US;
		if (next->sent_us < w->first_us + wait_us) {
			violate(b->r, "%s: lead %u/%u was to wait %lld ms, came back after %lld ms",
			    service_word(w->service), p->run, p->number,
			    (long long)(w->retry_after_us / US_PER_MS),
			    (long long)((next->sent_us - w->first_us) / US_PER_MS));
		}
	}
	free(list);
}

static int by_end(const void *a, const void *b)
{
	const struct wire *x = *(const struct wire *const *)a, *y = *(const struct wire *const *)b;

	return (x->order > y->order) - (x->order < y->order);
}

/* Requests to the same key by the same life of the process, sent between these times. */
static size_t sent_between(
    const struct books *b, const struct wire *w, int64_t from_us, int64_t to_us)
{
	size_t n = 0;

	for (size_t i = 0; i < b->in->n_log; i++) {
		const struct wire *x = &b->in->log[i];

		n += x->service == w->service && x->key == w->key && x->sent_us > from_us &&
		     x->sent_us < to_us && x->epoch == w->epoch;
	}
	return n;
}

/* Was the answer of this request committed as what it was? */
static uint8_t outcome_of(const struct books *b, const struct wire *w)
{
	size_t k = find(b, w->call);

	return k == SIZE_MAX ? (uint8_t)OUTCOME_N : b->rows[k].outcome;
}

/* Failures in a row open the breaker; a used-up key is parked: then next to nothing may be sent for
 * a while. */
static void check_left_alone(struct books *b)
{
	const struct wire **list = malloc((b->in->n_log + 1) * sizeof(*list));
	unsigned failures[SERVICES][KEYS] = {0};
	int64_t until_us[SERVICES][KEYS] = {0},
		good_us[SERVICES][KEYS] = {0}; /* good: when the last good one was sent */
	uint32_t epoch = 0;
	size_t n = 0;

	if (planned(b->in->plan, KIND_SERVICE_RESET) || planned(b->in->plan, KIND_STALL) ||
	    planned(b->in->plan, KIND_SUSPEND)) {
		free(list);
		return;
	}
	for (size_t i = 0; i < b->in->n_log; i++) {
		if (b->in->log[i].ended_us != 0) {
			list[n++] = &b->in->log[i];
		}
	}
	qsort(list, n, sizeof(*list), by_end);
	for (size_t i = 0; i < n; i++) {
		const struct wire *w = list[i];
		unsigned *f = &failures[w->service][w->key];
		int64_t *good = &good_us[w->service][w->key];
		uint8_t outcome = outcome_of(b, w);
		size_t sent;

		if (w->epoch != epoch) {
			epoch = w->epoch; /* breakers begin anew with the process */
			memset(failures, 0, sizeof(failures));
		}
		if (!w->failed) {
			*f = 0;
			*good = w->sent_us > *good ? w->sent_us : *good;
		} else if (w->sent_us > *good) {
			(*f)++; /* older ones say nothing any more: a probe may have closed the
				   breaker since */
		}
		if ((*f < BREAKER_FAILURES && outcome != OUTCOME_QUOTA) ||
		    w->ended_us < until_us[w->service][w->key] || w->ended_us > b->in->quiet_us) {
			continue;
		}
		if (outcome != OUTCOME_QUOTA &&
		    sent_between(b, w, w->ended_us - US_PER_S, w->ended_us) < BREAKER_FAILURES) {
			continue; /* nothing was sent of late: it was open already */
		}
		sent = sent_between(b, w, w->ended_us + UNDER_WAY_US, w->ended_us + ALONE_US);
		until_us[w->service][w->key] = w->ended_us + ALONE_US;
		*good = w->ended_us; /* what was sent before says nothing about later */
		*f = 0;
		if (sent > 4) {
			violate(b->r, "%s: %zu requests after %s at %.3f s",
			    service_word(w->service), sent,
			    outcome == OUTCOME_QUOTA ? "its key was used up" : "failures in a row",
			    (double)w->ended_us / 1e6);
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
	txn_abort(t);
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
	check_repeats(&b);
	for (int k = 0; k < KIND_N; k++) {
		r->faults += r->hits[k];
	}
	free(b.rows);
	free((void *)b.sent);
	free((void *)b.lines);
}
