/*
 * lib/flow/limit_when.c: when a call may go, and how full the windows are.
 *
 * If nothing else happens a window only empties, so the moment for all windows
 * is the latest of their own; each is computed, never searched for by stepping.
 */
#include "lib/flow/limit_state.h"

#include <assert.h>

/*
 * When `need` of what fills a sliding window will have gone: the stamps and the
 * open calls leave in the order of their late ends. With the first so many open
 * calls gone, the stamps have to give the rest; the best of all splits counts.
 */
static int64_t sliding_free(const struct limit *l, const struct window *w, uint64_t need)
{
	const struct limit_ticket *t = l->first;
	int64_t open_us = INT64_MIN, best = TIME_NEVER;
	uint64_t gone = 0;

	for (;;) {
		int64_t stamp_us =
		    gone < need ? stamps_reach(&l->log, w->head, need - gone) : INT64_MIN;

		best = earlier(best, later(open_us, stamp_us));
		if (t == NULL || late_end(l, t) >= best) {
			return best == TIME_NEVER ? TIME_NEVER : best + w->spec.length_us;
		}
		open_us = late_end(l, t);
		gone += t->weight;
		t = t->next;
	}
}

/* What would count in a window with this cutoff if nothing else happened. */
static uint64_t used_after(const struct limit *l, int64_t cutoff_us)
{
	uint64_t sum = l->unsent + stamps_weight(&l->log, stamps_find(&l->log, cutoff_us));

	for (const struct limit_ticket *t = l->last; t != NULL; t = t->prev) {
		if (late_end(l, t) <= cutoff_us) {
			break;
		}
		sum += t->weight;
	}
	return sum;
}

/*
 * The end of the first period after which the weight fits: the next one may be
 * full of calls that straddle its beginning.
 */
static int64_t calendar_free(
    const struct limit *l, const struct window *w, uint64_t weight, struct now now)
{
	struct period p = w->period;

	for (int periods = 1;; periods++) {
		int64_t end = period_end(&p, now);

		now = (struct now){end, now.wall_us + (end - now.boot_us)};
		period_follow(&p, w->spec.kind, w->spec.zone, now);
		if (used_after(l, p.begin_us - 1) + weight <= w->spec.max || periods == 3) {
			return end;
		}
	}
}

static int64_t window_earliest(
    const struct limit *l, const struct window *w, uint32_t weight, struct now now)
{
	uint64_t u = window_used(l, w);
	int64_t at_us = now.boot_us;

	if (l->unsent + weight > w->spec.max) {
		return TIME_NEVER;
	}
	if (u + weight > w->spec.max) {
		at_us = w->spec.kind == WINDOW_SLIDING
			    ? sliding_free(l, w, u + weight - w->spec.max)
			    : calendar_free(l, w, weight, now);
	}
	return w->left < weight ? later(at_us, w->reset_us) : at_us;
}

int64_t limit_earliest(struct limit *l, uint32_t weight, struct now now, size_t *ret_window)
{
	size_t binding = 0;
	int64_t at_us;

	now = limit_advance(l, now);
	at_us = now.boot_us;
	for (size_t i = 0; i < l->n; i++) {
		int64_t t = window_earliest(l, &l->windows[i], weight, now);

		if (t > at_us) {
			at_us = t;
			binding = i;
		}
	}
	if (ret_window != NULL) {
		*ret_window = binding;
	}
	return at_us;
}

/* When the next stamp that matters leaves the window. */
static int64_t next_free(const struct limit *l, const struct window *w, struct now now)
{
	uint64_t u = window_used(l, w);
	uint64_t need = u > w->spec.max ? u - w->spec.max + 1 : 1;
	int64_t late;

	if (w->left < window_room(l, w)) {
		return w->reset_us;
	}
	if (w->spec.kind != WINDOW_SLIDING) {
		return u > l->unsent + l->open ? period_end(&w->period, now) : TIME_NEVER;
	}
	late = stamps_reach(&l->log, w->head, need);
	return late == TIME_NEVER ? TIME_NEVER : late + w->spec.length_us;
}

void limit_view(struct limit *l, size_t i, struct now now, struct window_view *ret)
{
	const struct window *w = &l->windows[i];
	uint64_t left;

	assert(i < l->n);
	now = limit_advance(l, now);
	left = window_room(l, w);
	*ret = (struct window_view){.spec = w->spec,
	    .used = window_used(l, w),
	    .remaining = w->left < left ? w->left : left,
	    .free_us = next_free(l, w, now)};
}
