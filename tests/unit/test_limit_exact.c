/*
 * lib/flow/limit.h against the provider's own clock (promise P4). A small world
 * grants calls as early as the limit allows, sends them, loses some, crashes and
 * changes its numbers; each request arrives anywhere between its first byte and
 * its late end. Afterwards the true arrivals are counted, by the plainest means
 * there are: no window may hold more than its number, and 97 % of what exact
 * windows allow must have been used.
 */
#include "lib/flow/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/ids.h"

#define MS US_PER_MS
#define SEC US_PER_S
#define RECORDS 5000
#define POOL 256
#define VERSIONS 64
#define SPAN_MOST (60 * SEC) /* longest window */

struct version {
	struct window_spec specs[4];
	size_t n;
};

/* One granted call, in the order of grants, in the world's time. */
struct record {
	int64_t granted_us, arrival_us; /* TIME_NEVER: it did not arrive */
	int64_t late_us; /* as the ledger has it; TIME_NEVER: still open, or dropped */
	uint32_t weight;
	size_t version;
};

enum fate { ANSWERED, DROPPED_UNSENT, DROPPED_SENT, SILENT, FATES };

struct call {
	struct limit_ticket ticket;
	struct record *record; /* NULL: free place */
	enum fate fate;
	int64_t send_us, end_us;
	int64_t late_us; /* when it closes by itself */
	bool sent;
};

struct world {
	struct dice dice;
	struct limit *limit;
	struct version versions[VERSIONS];
	size_t version, n_versions;
	int64_t margin_us, now_us, boot_offset_us;
	struct record records[RECORDS];
	size_t n_records;
	struct call calls[POOL];
	size_t n_calls;
	uint32_t weight; /* of the next call */
	uint32_t weight_most;
};

static int64_t between(struct world *w, int64_t low, int64_t high)
{
	return low + (int64_t)dice_below(&w->dice, (uint64_t)(high - low) + 1);
}

static bool chance(struct world *w, unsigned percent)
{
	return dice_below(&w->dice, 100) < percent;
}

static struct now clocks(const struct world *w)
{
	return (struct now){w->now_us - w->boot_offset_us, INT64_C(1800000000) * SEC + w->now_us};
}

static const struct version *current(const struct world *w)
{
	return &w->versions[w->version];
}

/* 1 ms to 60 s, each power of two as likely as the next. */
static int64_t random_length(struct world *w)
{
	int64_t high = INT64_C(1) << between(w, 1, 16);

	return between(w, high < 2 ? 1 : high / 2, high < 60000 ? high : 60000) * MS;
}

/* The first window is always a long one, so that the log reaches back far enough for any change. */
static void random_version(struct world *w, struct version *v)
{
	*v = (struct version){.n = (size_t)between(w, 1, 4)};
	for (size_t i = 0; i < v->n; i++) {
		v->specs[i].length_us = i == 0 ? between(w, 30, 60) * SEC : random_length(w);
		v->specs[i].max = (uint64_t)between(w, w->weight_most, i == 0 ? 120 : 30);
	}
}

/* one: a single window of any length, to see also short ones at their edge. */
static struct world *world_new(uint64_t seed, bool one)
{
	static const int64_t margins[] = {0, MS, 50 * MS, SEC};
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	dice_seed(&w->dice, seed);
	w->margin_us = margins[between(w, 0, 3)];
	w->weight_most = chance(w, 50) ? 1 : 5;
	w->weight = 1;
	w->boot_offset_us = -between(w, 0, 100 * SEC);
	random_version(w, &w->versions[0]);
	w->n_versions = 1;
	if (one) {
		w->versions[0].n = 1;
		w->versions[0].specs[0].length_us = random_length(w);
	}
	w->limit = limit_new(w->versions[0].specs, w->versions[0].n, w->margin_us);
	assert_non_null(w->limit);
	return w;
}

static void world_free(struct world *w)
{
	limit_free(w->limit);
	free(w);
}

static void call_send(struct world *w, struct call *c)
{
	int64_t latest = c->send_us + w->margin_us;

	c->sent = true;
	c->late_us = latest;
	limit_sent(w->limit, &c->ticket, c->send_us - w->boot_offset_us);
	if (c->fate != DROPPED_SENT) {
		latest = c->fate == ANSWERED && c->end_us < latest ? c->end_us : latest;
		c->record->arrival_us = chance(w, 30)   ? c->send_us
					: chance(w, 40) ? latest
							: between(w, c->send_us, latest);
	}
}

static void call_end(struct world *w, struct call *c)
{
	bool closed =
	    c->ticket.state == TICKET_NONE; /* by itself: nothing can change it any more */

	if (c->fate == DROPPED_UNSENT || c->fate == DROPPED_SENT) {
		limit_drop(w->limit, &c->ticket);
		c->record->late_us = closed ? c->late_us : TIME_NEVER;
	} else {
		limit_arrived(w->limit, &c->ticket, clocks(w), c->end_us - w->boot_offset_us);
		c->record->late_us = closed || c->late_us < c->end_us ? c->late_us : c->end_us;
	}
	assert_int_equal(c->ticket.state, TICKET_NONE);
	*c = (struct call){0};
	w->n_calls--;
}

/* What the call does next, and when. */
static int64_t call_due(const struct call *c)
{
	return c->sent || c->fate == DROPPED_UNSENT ? c->end_us : c->send_us;
}

static struct call *next_due(struct world *w)
{
	struct call *due = NULL;

	for (size_t i = 0; i < POOL; i++) {
		struct call *c = &w->calls[i];

		if (c->record != NULL && (due == NULL || call_due(c) < call_due(due))) {
			due = c;
		}
	}
	return due;
}

static void call_step(struct world *w, struct call *c)
{
	if (c->sent || c->fate == DROPPED_UNSENT) {
		call_end(w, c);
	} else {
		call_send(w, c);
	}
}

static struct call *grant(struct world *w, enum fate fate, int64_t unsent_us, int64_t answer_us)
{
	struct call *c = w->calls;

	while (c->record != NULL) {
		c++;
	}
	*c = (struct call){.record = &w->records[w->n_records++], .fate = fate};
	c->send_us = w->now_us + unsent_us;
	c->end_us = c->send_us + answer_us;
	*c->record = (struct record){w->now_us, TIME_NEVER, TIME_NEVER, w->weight, w->version};
	w->n_calls++;
	assert_int_equal(limit_take(w->limit, &c->ticket, w->weight, clocks(w)), 0);
	return c;
}

static void grant_any(struct world *w)
{
	static const enum fate fates[] = {DROPPED_UNSENT, DROPPED_SENT, SILENT};
	enum fate fate = chance(w, 85) ? ANSWERED : fates[between(w, 0, 2)];
	int64_t answer_us =
	    chance(w, 50) ? between(w, 0, 20 * MS) : between(w, 0, 2 * w->margin_us);

	if (fate == DROPPED_SENT) {
		answer_us = between(w, 0, w->margin_us);
	} else if (fate == SILENT) {
		answer_us = SEC + between(w, 0, SEC); /* past any margin */
	}
	grant(w, fate, chance(w, 50) ? 0 : between(w, 0, 30 * MS), answer_us);
	w->weight = (uint32_t)between(w, 1, w->weight_most);
}

/* Gives back to a fresh limit what the ledger knows: forwards, backwards or in any order. */
static void restore(struct world *w)
{
	int64_t horizon = limit_horizon(current(w)->specs, current(w)->n, clocks(w));
	int64_t order = between(w, 0, 2);

	for (size_t k = 0; k < w->n_records; k++) {
		size_t i = order == 0   ? k
			   : order == 1 ? w->n_records - 1 - k
					: k * 7919 % w->n_records; /* a prime: each one once */
		const struct record *r = &w->records[i];

		if (r->late_us != TIME_NEVER && r->late_us > w->now_us - horizon) {
			assert_int_equal(
			    limit_restore(w->limit, r->weight, r->late_us - w->boot_offset_us,
				clocks(w).wall_us + r->late_us - w->now_us, clocks(w)),
			    0);
		}
	}
}

/* Killed and started again, perhaps on a rebooted machine: open calls may have left. */
static void crash(struct world *w)
{
	limit_free(w->limit);
	for (size_t i = 0; i < POOL; i++) {
		struct call *c = &w->calls[i];

		if (c->record == NULL) {
			continue;
		}
		if (!c->sent && chance(w, 50)) {
			c->record->arrival_us = between(w, w->now_us, w->now_us + w->margin_us);
		}
		c->record->late_us = w->now_us + w->margin_us;
		if (c->sent && c->late_us > c->record->late_us) {
			c->record->late_us = c->late_us; /* left under a longer margin */
		}
		*c = (struct call){0};
	}
	w->n_calls = 0;
	if (chance(w, 50)) {
		w->boot_offset_us = w->now_us - between(w, 0, 10 * SEC);
	}
	w->limit = limit_new(current(w)->specs, current(w)->n, w->margin_us);
	assert_non_null(w->limit);
	restore(w);
}

static void change(struct world *w)
{
	static const int64_t margins[] = {0, MS, 50 * MS, SEC};

	int64_t margin_us = margins[between(w, 0, 3)];

	if (w->n_versions == VERSIONS) {
		return;
	}
	w->version = w->n_versions++;
	random_version(w, &w->versions[w->version]);
	assert_int_equal(limit_change(w->limit, current(w)->specs, current(w)->n, margin_us), 0);
	for (size_t i = 0; i < POOL;
	     i++) { /* a longer margin is given to all, a shorter one only to new calls */
		struct call *c = &w->calls[i];

		if (margin_us > w->margin_us && c->ticket.state == TICKET_SENT) {
			c->late_us = c->send_us + margin_us;
		}
	}
	w->margin_us = margin_us;
}

/* The rule as the header tells it, straight from the calls: may the next one go at t, when nothing
 * happens before? */
static bool plainly_fits(const struct world *w, int64_t t)
{
	for (size_t k = 0; k < current(w)->n; k++) {
		const struct window_spec *s = &current(w)->specs[k];
		uint64_t used = w->weight;

		for (size_t i = 0; i < POOL; i++) {
			const struct call *c = &w->calls[i];

			if (c->record != NULL && (!c->sent || c->late_us > t - s->length_us)) {
				used += c->record->weight;
			}
		}
		for (size_t i = w->n_records; i-- > 0;) {
			const struct record *r = &w->records[i];

			used += r->late_us != TIME_NEVER && r->late_us > t - s->length_us
				    ? r->weight
				    : 0;
			if (r->granted_us < w->now_us - SPAN_MOST - 4 * SEC) {
				break;
			}
		}
		if (used > s->max) {
			return false;
		}
	}
	return true;
}

static void check_earliest(const struct world *w, int64_t at_us)
{
	if (at_us == TIME_NEVER) {
		assert_false(plainly_fits(w, w->now_us + 2 * SPAN_MOST));
	} else {
		assert_true(plainly_fits(w, at_us));
		assert_true(at_us == w->now_us || !plainly_fits(w, at_us - 1));
	}
}

static int64_t earliest(struct world *w)
{
	int64_t t = limit_earliest(w->limit, w->weight, clocks(w), NULL);

	return t == TIME_NEVER ? t : t + w->boot_offset_us;
}

static int by_time(const void *a, const void *b)
{
	const struct record *const *x = a, *const *y = b;

	return ((*x)->arrival_us > (*y)->arrival_us) - ((*x)->arrival_us < (*y)->arrival_us);
}

/* No half-open window of the version's lengths holds more than its number among these arrivals. */
static void check_windows(const struct version *v, const struct record **arrivals, size_t n)
{
	qsort(arrivals, n, sizeof(*arrivals), by_time);
	for (size_t k = 0; k < v->n; k++) {
		uint64_t sum = 0;

		for (size_t i = 0, first = 0; i < n; i++) {
			sum += arrivals[i]->weight;
			while (arrivals[first]->arrival_us <=
			       arrivals[i]->arrival_us - v->specs[k].length_us) {
				sum -= arrivals[first++]->weight;
			}
			if (sum > v->specs[k].max) {
				fail_msg("%d in a window of %d us for %d", (int)sum,
				    (int)v->specs[k].length_us, (int)v->specs[k].max);
			}
		}
	}
}

/* One set of numbers all the time: all arrivals at once. */
static void check_all(const struct world *w)
{
	static const struct record *arrivals[RECORDS];
	size_t n = 0;

	for (size_t i = 0; i < w->n_records; i++) {
		if (w->records[i].arrival_us != TIME_NEVER) {
			arrivals[n++] = &w->records[i];
		}
	}
	check_windows(&w->versions[0], arrivals, n);
}

/*
 * Numbers that change: the ones in force at a grant hold for this call and
 * those granted before it, in every window that holds this call.
 */
static void check_each_grant(const struct world *w)
{
	static const struct record *near[RECORDS];

	for (size_t i = 0; i < w->n_records; i++) {
		const struct record *r = &w->records[i];
		const struct version *v = &w->versions[r->version];

		for (size_t k = 0; k < v->n && r->arrival_us != TIME_NEVER; k++) {
			struct version one = {.specs = {v->specs[k]}, .n = 1};
			int64_t length = v->specs[k].length_us;
			uint64_t sum = 0, most = 0;
			size_t n = 0;

			for (size_t j = i + 1; j-- > 0;) {
				const struct record *o = &w->records[j];

				if (o->granted_us < r->granted_us - length - 4 * SEC) {
					break;
				}
				if (o->arrival_us > r->arrival_us - length &&
				    o->arrival_us < r->arrival_us + length) {
					near[n++] = o;
					sum += o->weight;
				}
			}
			if (sum <= one.specs[0].max) {
				continue;
			}
			qsort(near, n, sizeof(*near), by_time);
			sum = 0;
			for (size_t j = 0, first = 0; j < n; j++) {
				sum += near[j]->weight;
				while (near[first]->arrival_us <= near[j]->arrival_us - length) {
					sum -= near[first++]->weight;
				}
				if (near[first]->arrival_us <= r->arrival_us &&
				    near[j]->arrival_us >= r->arrival_us) {
					most = sum > most ? sum : most;
				}
			}
			if (most > one.specs[0].max) {
				fail_msg("%d in a window of %d us for %d", (int)most, (int)length,
				    (int)one.specs[0].max);
			}
		}
	}
}

/* Runs until enough has been granted. crash_percent and change_percent: per idle wait. */
static void run(struct world *w, size_t records, unsigned crash_percent, unsigned change_percent)
{
	while (w->n_records < records) {
		struct call *due = next_due(w);
		int64_t at_us = w->n_calls < POOL ? earliest(w) : TIME_NEVER;

		if (w->n_calls < POOL && chance(w, 4)) {
			check_earliest(w, at_us);
		}
		if (due != NULL && call_due(due) <= w->now_us) {
			call_step(w, due);
		} else if (at_us == w->now_us) {
			grant_any(w);
		} else if (chance(w, crash_percent)) {
			crash(w);
		} else if (chance(w, change_percent)) {
			change(w);
		} else {
			w->now_us = due != NULL && call_due(due) < at_us ? call_due(due) : at_us;
			if (chance(w, 5)) {
				w->now_us += between(w, 0, 3 * SEC); /* nothing to do for a while */
			}
		}
	}
}

static void test_never_one_too_many(void **state)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct world *w = world_new(seed, seed % 3 == 0);

		run(w, 1500, seed % 2 == 0 ? 2 : 0, 0);
		check_all(w);
		check_each_grant(w); /* the other checker must agree */
		world_free(w);
	}
}

static void test_never_one_too_many_while_numbers_change(void **state)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct world *w = world_new(1000 + seed, false);

		run(w, 1500, seed % 2, 2);
		assert_true(w->n_versions > 1);
		check_each_grant(w);
		world_free(w);
	}
}

/* The provider's word may only ever hold calls back. */
static void test_words_never_add(void **state)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct world *w = world_new(2000 + seed, seed % 3 == 0);

		while (w->n_records < 1000) {
			struct call *due = next_due(w);
			int64_t at_us = w->n_calls < POOL ? earliest(w) : TIME_NEVER;

			if (due != NULL && call_due(due) <= w->now_us) {
				call_step(w, due);
			} else if (at_us == w->now_us) {
				grant_any(w);
			} else {
				w->now_us =
				    due != NULL && call_due(due) < at_us ? call_due(due) : at_us;
			}
			limit_observe(w->limit, (size_t)between(w, 0, 4),
			    (uint64_t)between(w, 0, 40),
			    clocks(w).boot_us + between(w, -SEC, 2 * SEC), clocks(w));
		}
		check_all(w);
		world_free(w);
	}
}

/* One window, weight 1, work without end, answers after anything up to twice the margin. */
static double used_share(uint64_t seed, uint64_t max, int64_t length_us, int64_t margin_us)
{
	struct world *w = world_new(seed, true);
	int64_t in_flight_us = 0;
	double share;

	limit_free(w->limit);
	w->weight = w->weight_most = 1;
	w->margin_us = margin_us;
	w->versions[0] = (struct version){{{.length_us = length_us, .max = max}}, 1};
	w->limit = limit_new(w->versions[0].specs, 1, margin_us);
	assert_non_null(w->limit);
	while (w->n_records < RECORDS - 1) {
		struct call *due = next_due(w);
		int64_t at_us = earliest(w);

		if (due != NULL && call_due(due) <= w->now_us) {
			call_step(w, due);
		} else if (at_us == w->now_us) {
			struct call *c = grant(w, ANSWERED, 0, between(w, 0, 2 * margin_us));

			call_send(w, c);
			in_flight_us +=
			    (c->end_us < c->late_us ? c->end_us : c->late_us) - c->send_us;
		} else {
			w->now_us = due != NULL && call_due(due) < at_us ? call_due(due) : at_us;
		}
	}
	check_all(w);
	/* max per (length + mean time in flight); the calls of the last round have not had their
	 * time */
	share = (double)(w->n_records - max) *
		((double)length_us + (double)in_flight_us / (double)w->n_records) /
		((double)max * (double)w->now_us);
	world_free(w);
	return share;
}

static void test_uses_what_is_allowed(void **state)
{
	static const struct {
		uint64_t max;
		int64_t length_us, margin_us;
	} cases[] = {{1, SEC, SEC}, {1, 3 * SEC, SEC}, {10, SEC, SEC}, {50, 60 * SEC, SEC},
	    {100, SEC, 50 * MS}, {100, 60 * SEC, SEC}, {25, 2 * SEC, 0}, {7, 1500 * MS, 300 * MS}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double share =
		    used_share(3000 + i, cases[i].max, cases[i].length_us, cases[i].margin_us);

		if (share < 0.97 || share > 1.03) {
			fail_msg("used %d per mille of %d in %d us", (int)(share * 1000),
			    (int)cases[i].max, (int)cases[i].length_us);
		}
	}
}

/* Days: bursts around every midnight, answers on both sides of it, crashes; no UTC day holds too
 * many. */
static void test_days(void **state)
{
	struct world *w = world_new(4000, true);
	uint64_t per_day[400] = {0};
	int64_t wall_us;

	limit_free(w->limit);
	w->margin_us = SEC;
	w->weight_most = 3;
	w->versions[0] = (struct version){{{.kind = WINDOW_DAY, .max = 20}}, 1};
	w->limit = limit_new(w->versions[0].specs, 1, SEC);
	while (w->n_records < 2000) {
		struct call *due = next_due(w);
		int64_t at_us = earliest(w);

		if (due != NULL && call_due(due) <= w->now_us) {
			call_step(w, due);
		} else if (at_us == w->now_us && chance(w, 70)) {
			grant_any(w);
		} else if (chance(w, 5)) {
			crash(w);
		} else if (due != NULL && (at_us <= w->now_us || call_due(due) < at_us)) {
			w->now_us = call_due(due);
		} else {
			struct now now = clocks(w);
			int64_t midnight_us = w->now_us + US_PER_DAY - now.wall_us % US_PER_DAY;

			if (at_us > w->now_us) {
				assert_true(
				    at_us == midnight_us || at_us == midnight_us + US_PER_DAY);
				midnight_us = at_us;
			}
			/* shortly before, exactly at, or past the time it may go on */
			if (chance(w, 60)) {
				midnight_us += between(w, -SEC, SEC);
			}
			w->now_us = midnight_us > w->now_us ? midnight_us : w->now_us;
		}
	}
	for (size_t i = 0; i < w->n_records; i++) {
		if (w->records[i].arrival_us != TIME_NEVER) {
			wall_us = clocks(w).wall_us - w->now_us + w->records[i].arrival_us;
			wall_us = wall_us / US_PER_DAY - 1800000000 / 86400;
			assert_in_range(wall_us, 0, 399);
			per_day[wall_us] += w->records[i].weight;
		}
	}
	for (size_t day = 0; day < 400; day++) {
		assert_true(per_day[day] <= 20);
	}
	assert_true(per_day[1] + per_day[2] + per_day[3] > 40);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_never_one_too_many),
	    cmocka_unit_test(test_never_one_too_many_while_numbers_change),
	    cmocka_unit_test(test_words_never_add),
	    cmocka_unit_test(test_uses_what_is_allowed),
	    cmocka_unit_test(test_days),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
