/*
 * lib/flow/limit_state.h: what a limit is made of; for limit.c and limit_when.c alone.
 *
 * Each window has a cutoff: stamps later than it count, `head` is the first of
 * them. A sliding window's cutoff follows the clock; a calendar window's stands
 * at the beginning of its period (period.h), which makes a call that straddles
 * midnight count on both sides by itself. A window is thus filled by
 *
 *   unsent weight + open weight + weight of the stamps from head on
 */
#pragma once

#include "lib/flow/limit.h"
#include "lib/flow/period.h"
#include "lib/flow/stamps.h"

#define NO_WORD UINT64_MAX /* the provider has not said anything tighter */

struct window {
	struct window_spec spec;
	int64_t cutoff_us;
	size_t head;          /* the first stamp later than cutoff_us */
	struct period period; /* calendar windows */
	uint64_t extra;       /* restored into the period by wall time alone */
	uint64_t left;        /* the provider's word, NO_WORD for none */
	int64_t reset_us;     /* until when it holds */
	uint64_t own_max;     /* as configured; spec.max is smaller where the provider says so */
	uint64_t said_max;    /* NO_WORD for none */
};

struct limit {
	struct window windows[LIMIT_WINDOWS];
	size_t n;
	int64_t margin_us, keep_us;
	int64_t boot_us; /* latest time seen */
	struct stamps log;
	struct limit_ticket *first, *last; /* sent, not arrived: by time of sending */
	size_t taken;                      /* tickets in use: each has room in the log */
	uint64_t unsent, open;             /* their weights */
};

static inline int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static inline int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* When a sent call has arrived at the latest. */
static inline int64_t late_end(const struct limit *l, const struct limit_ticket *t)
{
	return t->sent_us + l->margin_us;
}

static inline uint64_t window_used(const struct limit *l, const struct window *w)
{
	return l->unsent + l->open + stamps_weight(&l->log, w->head) + w->extra;
}

/* What our own count leaves. */
static inline uint64_t window_room(const struct limit *l, const struct window *w)
{
	uint64_t used = window_used(l, w);

	return used < w->spec.max ? w->spec.max - used : 0;
}

/*
 * Brings everything to the present: open calls whose margin is over become
 * stamps, cutoffs move, old stamps are forgotten. A boot time before the latest
 * seen counts as that; returns the time that holds.
 */
struct now limit_advance(struct limit *l, struct now now);
