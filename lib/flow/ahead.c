/* See ahead.h. The log of the limit is read where it is; behind it stand its open calls, behind them those taken here. */
#include "lib/flow/ahead.h"

#include "lib/flow/limit_state.h"

#include <math.h>
#include <stdlib.h>

#define SURE 5.0 /* deviations below the mean */

/* The period that a calendar window would be in. */
struct day {
	struct period period;
	struct now now;
	uint64_t left;
};

struct ahead {
	const struct limit *limit;
	struct late_span late;
	struct now now;
	int64_t last_us; /* when the last of them went */
	int64_t *taken; /* late ends: first of the calls that were open, then of those taken */
	size_t n_open, n, cap;
	struct day days[LIMIT_WINDOWS];
};

static bool add(struct ahead *a, int64_t late_us)
{
	if (a->n == a->cap) {
		size_t cap = a->cap * 2 + 64;
		int64_t *taken = realloc(a->taken, cap * sizeof(*taken));

		if (taken == NULL) {
			return false;
		}
		a->taken = taken;
		a->cap = cap;
	}
	a->taken[a->n++] = late_us;
	return true;
}

/* Of what is under way the soonest end counts that is still possible. */
static bool add_open(struct ahead *a, const struct limit *l)
{
	bool ok = true;

	for (const struct limit_ticket *t = l->first; t != NULL && ok; t = t->next) {
		int64_t late_us = later(a->now.boot_us, earlier(t->sent_us + a->late.least_us, late_end(l, t)));

		for (uint32_t i = 0; i < t->weight && ok; i++) {
			ok = add(a, late_us);
		}
	}
	for (uint64_t i = 0; i < l->unsent && ok; i++) {
		ok = add(a, a->now.boot_us + a->late.least_us);
	}
	a->n_open = a->n;
	return ok;
}

struct ahead *ahead_new(struct limit *l, const struct late_span *late, struct now now)
{
	struct ahead *a = calloc(1, sizeof(*a));

	if (a == NULL) {
		return NULL;
	}
	a->limit = l;
	a->late = *late;
	a->now = limit_advance(l, now);
	a->last_us = a->now.boot_us;
	for (size_t i = 0; i < l->n; i++) {
		a->days[i] = (struct day){l->windows[i].period, a->now, window_room(l, &l->windows[i])};
	}
	if (!add_open(a, l)) {
		ahead_free(a);
		return NULL;
	}
	return a;
}

void ahead_free(struct ahead *a)
{
	if (a != NULL) {
		free(a->taken);
		free(a);
	}
}

/* Calls taken here so far. */
static uint64_t own(const struct ahead *a)
{
	return a->n - a->n_open;
}

static int64_t sliding(const struct ahead *a, const struct window *w)
{
	uint64_t log = stamps_weight(&a->limit->log, w->head), before = log + a->n;
	uint64_t k = before + 1 - w->spec.max; /* so many must have left */
	int64_t late_us;

	if (before < w->spec.max) {
		return a->now.boot_us;
	}
	late_us = k <= log ? stamps_reach(&a->limit->log, w->head, k) : a->taken[k - log - 1];
	return late_us + w->spec.length_us;
}

/* Into the period that a call at that time would be in; calls that straddle its beginning count in it too. */
static void follow(struct ahead *a, size_t i, int64_t at_us)
{
	const struct window_spec *spec = &a->limit->windows[i].spec;
	struct day *d = &a->days[i];
	int64_t end;

	while ((end = period_end(&d->period, d->now)) <= at_us) {
		uint64_t used = 0;

		d->now = (struct now){end, d->now.wall_us + (end - d->now.boot_us)};
		period_follow(&d->period, spec->kind, spec->zone, d->now);
		while (used < a->n && a->taken[a->n - 1 - used] >= d->period.begin_us) {
			used++;
		}
		d->left = used < spec->max ? spec->max - used : 0;
	}
}

static int64_t calendar(const struct ahead *a, const struct day *d)
{
	return d->left > 0 ? a->now.boot_us : period_end(&d->period, d->now);
}

int64_t ahead_earliest(const struct ahead *a)
{
	int64_t at_us = a->last_us;

	for (size_t i = 0; i < a->limit->n; i++) {
		const struct window *w = &a->limit->windows[i];

		at_us = later(at_us, w->spec.kind == WINDOW_SLIDING ? sliding(a, w) : calendar(a, &a->days[i]));
		if (own(a) >= w->left) {
			at_us = later(at_us, w->reset_us);
		}
	}
	return at_us;
}

/* What so many rounds of a window take beyond its lengths, at least. */
static double rounds_us(const struct late_span *late, double n)
{
	double least = n * (double)late->least_us, mean = n * late->mean_us - SURE * late->deviation_us * sqrt(n);

	return mean > least ? mean : least;
}

static uint64_t smallest(const struct ahead *a)
{
	uint64_t max = UINT64_MAX;

	for (size_t i = 0; i < a->limit->n; i++) {
		max = a->limit->windows[i].spec.max < max ? a->limit->windows[i].spec.max : max;
	}
	return max;
}

int ahead_take(struct ahead *a, int64_t at_us)
{
	double round = (double)(own(a) / smallest(a));

	a->last_us = at_us;
	for (size_t i = 0; i < a->limit->n; i++) {
		if (a->limit->windows[i].spec.kind != WINDOW_SLIDING) {
			follow(a, i, at_us);
			a->days[i].left -= a->days[i].left > 0;
		}
	}
	return add(a, at_us + (int64_t)(rounds_us(&a->late, round + 1) - rounds_us(&a->late, round))) ? 0 : LEAD_ENOMEM;
}

int64_t ahead_least_us(const struct ahead *a, uint64_t n)
{
	int64_t least = 0;

	for (size_t i = 0; i < a->limit->n; i++) {
		const struct window *w = &a->limit->windows[i];
		double rounds = (double)(n / w->spec.max);
		double length = w->spec.kind == WINDOW_SLIDING ? (double)w->spec.length_us : rounds >= 2 ? (double)US_PER_DAY / 2 : 0;
		double us = rounds * length;

		least = later(least, us < 9e18 ? (int64_t)us : TIME_NEVER);
	}
	return least;
}
