/*
 * Waits that were asked for, and services that were to be left alone: after failures, and when a
 * key was used up.
 */
#include "tests/sim/books.h"

#include "lib/service/answer.h"

#include <stdlib.h>

#define JITTER_US (50 * US_PER_MS)
#define BREAKER_FAILURES 4
#define ALONE_US (8 * US_PER_S) /* breaker open 10 s, quota probe 10 s, less what is on its way */
#define UNDER_WAY_US (2500 * US_PER_MS)

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
void check_waits(struct books *b)
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

		if (list[k]->n_parts > 1 || list[k + 1]->n_parts > 1) {
			continue; /* who waits may join a call that was made meanwhile */
		}
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
	size_t k = books_find(b, w->call);

	return k == SIZE_MAX ? (uint8_t)OUTCOME_N : b->rows[k].outcome;
}

/* Failures in a row open the breaker; a used-up key is parked: then next to nothing may be sent for
 * a while. */
void check_left_alone(struct books *b)
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
