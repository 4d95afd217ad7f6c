/*
 * lib/flow/limit.c: the life of a call in its limit, from ticket to stamp.
 *
 * Every public function that takes `now` first calls limit_advance(). Room for
 * the stamp of a call is reserved when its ticket is taken, so that nothing
 * after that can fail. When a call may go is asked in limit_when.c.
 */
#include "lib/flow/limit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/flow/limit_state.h"

#define LONGEST_KEPT_US (31 * US_PER_DAY)
#define RESET_JITTER_US US_PER_S /* resets are told in whole seconds */

/* How long stamps are kept for a window: twice its length, so that it can be lengthened later. */
static int64_t kept_us(const struct window_spec *w)
{
	switch (w->kind) {
	case WINDOW_DAY:
		return 2 * US_PER_DAY;
	case WINDOW_MONTH:
		return LONGEST_KEPT_US;
	case WINDOW_SLIDING:
		break;
	}
	return earlier(2 * w->length_us, LONGEST_KEPT_US);
}

/* Puts a stamp into the log and keeps every head at the first stamp later than its cutoff. */
static void stamp(struct limit *l, int64_t late_us, uint32_t weight)
{
	bool moved_down = stamps_insert(&l->log, late_us, weight);

	for (size_t i = 0; i < l->n; i++) {
		struct window *w = &l->windows[i];
		bool counts = late_us > w->cutoff_us;

		if (moved_down && counts) {
			w->head--;
		} else if (!moved_down && !counts) {
			w->head++;
		}
	}
}

static void unlink_open(struct limit *l, struct limit_ticket *t)
{
	*(t->prev != NULL ? &t->prev->next : &l->first) = t->next;
	*(t->next != NULL ? &t->next->prev : &l->last) = t->prev;
	t->prev = t->next = NULL;
	l->open -= t->weight;
}

static void link_open(struct limit *l, struct limit_ticket *t)
{
	struct limit_ticket *after = l->last;

	while (after != NULL && after->sent_us > t->sent_us) {
		after = after->prev;
	}
	t->prev = after;
	t->next = after != NULL ? after->next : l->first;
	*(t->prev != NULL ? &t->prev->next : &l->first) = t;
	*(t->next != NULL ? &t->next->prev : &l->last) = t;
	l->open += t->weight;
}

/* Takes the weight of a ticket out of what is unsent or open. */
static void release(struct limit *l, struct limit_ticket *t)
{
	if (t->state == TICKET_SENT) {
		unlink_open(l, t);
	} else {
		l->unsent -= t->weight;
	}
	t->state = TICKET_NONE;
	l->taken--;
}

static void close_call(struct limit *l, struct limit_ticket *t, int64_t late_us)
{
	release(l, t);
	stamp(l, late_us, t->weight);
}

static void window_follow(struct limit *l, struct window *w, struct now now)
{
	if (w->spec.kind == WINDOW_SLIDING) {
		w->cutoff_us = now.boot_us - w->spec.length_us;
		while (w->head != l->log.end && stamps_late(&l->log, w->head) <= w->cutoff_us) {
			w->head++;
		}
	} else if (period_follow(&w->period, w->spec.kind, w->spec.zone, now)) {
		int64_t cutoff = w->period.begin_us - 1; /* midnight itself is in the new period */

		w->extra = cutoff > w->cutoff_us ? 0 : w->extra;
		w->cutoff_us = cutoff;
		w->head = stamps_find(&l->log, cutoff);
	}
	if (w->left != NO_WORD && now.boot_us >= w->reset_us) {
		w->left = NO_WORD;
	}
}

struct now limit_advance(struct limit *l, struct now now)
{
	size_t oldest = l->log.end;

	now.boot_us = l->boot_us = later(now.boot_us, l->boot_us);
	while (l->first != NULL && late_end(l, l->first) <= now.boot_us) {
		close_call(l, l->first, late_end(l, l->first));
	}
	for (size_t i = 0; i < l->n; i++) {
		window_follow(l, &l->windows[i], now);
		if (l->windows[i].head - l->log.first < oldest - l->log.first) {
			oldest = l->windows[i].head;
		}
	}
	stamps_trim(&l->log, now.boot_us - l->keep_us, oldest);
	return now;
}

static void set_windows(struct limit *l, const struct window *windows, size_t n, int64_t margin_us)
{
	memcpy(l->windows, windows, n * sizeof(*windows));
	l->n = n;
	l->margin_us = margin_us;
	l->keep_us = 0;
	for (size_t i = 0; i < n; i++) {
		l->keep_us = later(l->keep_us, kept_us(&windows[i].spec));
	}
}

/* A window that counts the whole log until limit_advance() has looked at the clocks. */
static struct window window_new(const struct limit *l, const struct window_spec *spec)
{
	assert(spec->max > 0 && (spec->kind != WINDOW_SLIDING || spec->length_us > 0));
	return (struct window){
	    .spec = *spec, .cutoff_us = INT64_MIN, .head = l->log.first, .left = NO_WORD, .own_max = spec->max, .said_max = NO_WORD};
}

struct limit *limit_new(const struct window_spec *specs, size_t n, int64_t margin_us)
{
	struct limit *l = calloc(1, sizeof(*l));
	struct window windows[LIMIT_WINDOWS];

	assert(n <= LIMIT_WINDOWS && margin_us >= 0);
	if (l == NULL) {
		return NULL;
	}
	l->boot_us = INT64_MIN;
	for (size_t i = 0; i < n; i++) {
		windows[i] = window_new(l, &specs[i]);
	}
	set_windows(l, windows, n, margin_us);
	return l;
}

void limit_free(struct limit *l)
{
	if (l != NULL) {
		stamps_fini(&l->log);
		free(l);
	}
}

/* The same window with another number: its period and the provider's word stay. */
static bool same_window(const struct window *w, const struct window_spec *spec)
{
	int64_t start, next;

	if (w->spec.kind != spec->kind) {
		return false;
	}
	if (spec->kind == WINDOW_SLIDING) {
		return w->spec.length_us == spec->length_us;
	}
	if (w->spec.zone == spec->zone) {
		return true;
	}
	if (!w->period.entered) {
		return false;
	}
	period_bounds(spec->kind, spec->zone, w->period.start_wall_us, &start, &next);
	return start == w->period.start_wall_us && next == w->period.next_wall_us;
}

static void window_bound(struct window *w)
{
	w->spec.max = w->own_max < w->said_max ? w->own_max : w->said_max;
}

int limit_change(struct limit *l, const struct window_spec *specs, size_t n, int64_t margin_us)
{
	struct window windows[LIMIT_WINDOWS];

	assert(n <= LIMIT_WINDOWS && margin_us >= 0);
	while (margin_us < l->margin_us && l->first != NULL) { /* left under the longer margin */
		close_call(l, l->first, late_end(l, l->first));
	}
	for (size_t i = 0; i < n; i++) {
		windows[i] = window_new(l, &specs[i]);
		for (size_t j = 0; j < l->n; j++) {
			if (same_window(&l->windows[j], &specs[i])) {
				windows[i] = l->windows[j];
				windows[i].spec = specs[i];
				windows[i].own_max = specs[i].max;
				window_bound(&windows[i]);
				break;
			}
		}
	}
	set_windows(l, windows, n, margin_us);
	return 0;
}

int limit_take(struct limit *l, struct limit_ticket *t, uint32_t weight, struct now now)
{
	int rc;

	assert(t->state == TICKET_NONE);
	now = limit_advance(l, now);
	rc = stamps_reserve(&l->log, stamps_count(&l->log) + l->taken + 1);
	if (rc < 0) {
		return rc;
	}
	*t =
	    (struct limit_ticket){.state = TICKET_UNSENT, .weight = weight, .sent_us = now.boot_us};
	l->taken++;
	l->unsent += weight;
	for (size_t i = 0; i < l->n; i++) {
		struct window *w = &l->windows[i];

		if (w->left != NO_WORD) {
			w->left -= w->left < weight ? w->left : weight;
		}
	}
	return 0;
}

void limit_sent(struct limit *l, struct limit_ticket *t, int64_t at_us)
{
	assert(t->state == TICKET_UNSENT);
	l->unsent -= t->weight;
	t->state = TICKET_SENT;
	t->sent_us = later(at_us, t->sent_us); /* never before it was granted */
	link_open(l, t);
}

void limit_arrived(struct limit *l, struct limit_ticket *t, struct now now, int64_t at_us)
{
	if (t->state != TICKET_NONE) { /* else its margin was over: already a stamp */
		at_us = later(at_us, t->sent_us);
		close_call(l, t, t->state == TICKET_SENT ? earlier(at_us, late_end(l, t)) : at_us);
	}
	limit_advance(l, now); /* only now: at_us may be better news than the margin */
}

void limit_drop(struct limit *l, struct limit_ticket *t)
{
	if (t->state == TICKET_NONE) {
		return; /* became a stamp: too late to take it back */
	}
	for (size_t i = 0; i < l->n && t->state == TICKET_UNSENT; i++) {
		if (l->windows[i].left != NO_WORD) {
			l->windows[i].left += t->weight;
		}
	}
	release(l, t);
}

int limit_restore(
    struct limit *l, uint32_t weight, int64_t late_us, int64_t late_wall_us, struct now now)
{
	int rc;

	limit_advance(l, now);
	rc = stamps_reserve(&l->log, stamps_count(&l->log) + l->taken + 1);
	if (rc < 0) {
		return rc;
	}
	stamp(l, late_us, weight);
	for (size_t i = 0; i < l->n; i++) {
		struct window *w = &l->windows[i];

		if (w->spec.kind != WINDOW_SLIDING && late_us <= w->cutoff_us &&
		    late_wall_us >= w->period.start_wall_us) {
			w->extra += weight; /* the clocks disagree: believe the later one */
		}
	}
	return 0;
}

void limit_observe(struct limit *l, size_t i, uint64_t remaining, int64_t reset_us, struct now now)
{
	struct window *w;
	uint64_t left;

	now = limit_advance(l, now);
	if (i >= l->n || remaining == NO_WORD || reset_us <= now.boot_us) {
		return; /* said about an older description, or says nothing */
	}
	w = &l->windows[i];
	left = remaining > l->unsent ? remaining - l->unsent : 0; /* it cannot know those */
	if (w->left != NO_WORD && left >= w->left && reset_us <= w->reset_us + RESET_JITTER_US) {
		return; /* an answer that was overtaken: the same reset, a looser word */
	}
	w->left = left < window_room(l, w) ? left : NO_WORD;
	w->reset_us = reset_us;
}

void limit_said(struct limit *l, size_t i, uint64_t max)
{
	if (i < l->n && max > 0) {
		l->windows[i].said_max = max;
		window_bound(&l->windows[i]);
	}
}

size_t limit_count(const struct limit *l)
{
	return l->n;
}

int64_t limit_horizon(const struct window_spec *specs, size_t n, struct now now)
{
	int64_t horizon = 0, start, next;

	for (size_t i = 0; i < n; i++) {
		horizon = later(horizon, kept_us(&specs[i]));
		if (specs[i].kind != WINDOW_SLIDING) { /* a month can be longer by a clock change */
			period_bounds(specs[i].kind, specs[i].zone, now.wall_us, &start, &next);
			horizon = later(horizon, now.wall_us - start);
		}
	}
	return horizon;
}
