/*
 * lib/flow/limit.h: exact request limits over several windows at once.
 *
 * A request arrives at the provider somewhere between its first byte leaving
 * and its answer's first byte, or `margin` after the first byte when that is
 * sooner. A window counts the late end of that span for the requests before and
 * the early end for the new one, so that no window of the provider's clock,
 * however it lies, ever holds more than N arrivals (promise P4). A request that
 * is granted but not yet sent counts in every window.
 *
 * One limit owns the stamps of all calls that count in it; its windows are
 * views on them. A call takes one `limit_ticket` per limit it counts in:
 *
 *   limit_take -> UNSENT --limit_sent--> SENT --limit_arrived--> stamp in the log
 *                    '--limit_drop (never left us: counts no more)
 *
 * Sent calls whose margin has passed become stamps by themselves: every function
 * that takes `now` first closes those. Pure: no clock, no I/O.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum window_kind { WINDOW_SLIDING, WINDOW_DAY, WINDOW_MONTH };

struct window_spec {
	enum window_kind kind;
	int64_t length_us;  /* sliding: 1 ms to 31 days */
	uint64_t max;       /* weight allowed per window, at least 1; the declared reserve is already taken off */
	const struct zone *zone; /* calendar windows; NULL is UTC; outlives the limit */
};

#define LIMIT_WINDOWS 8 /* most windows of one limit */

enum ticket_state { TICKET_NONE, TICKET_UNSENT, TICKET_SENT };

/* Embedded in the caller's call object; must not move while it is taken. All zero is TICKET_NONE. */
struct limit_ticket {
	enum ticket_state state;
	uint32_t weight;
	int64_t sent_us;                  /* boot clock */
	struct limit_ticket *prev, *next; /* the limit's list of open calls, by time of sending */
};

struct limit;

/* NULL when out of memory. margin_us: 0 to 60 s. Specs are copied. */
struct limit *limit_new(const struct window_spec *specs, size_t n, int64_t margin_us);
void limit_free(struct limit *l);
/*
 * New numbers at reload or by an operator; stamps and tickets stay. Works when
 * windows are added, removed, lengthened (only as far as stamps are still kept:
 * the log keeps twice the longest window, at most 31 days) or lowered below what they hold
 * (then nothing is granted until it fits: the limit in force at each grant counts).
 * A longer margin holds for open calls too, a shorter one only for those not yet sent.
 * 0 or LEAD_ENOMEM (then nothing changed).
 */
int limit_change(struct limit *l, const struct window_spec *specs, size_t n, int64_t margin_us) MUST_CHECK;

/*
 * Earliest boot time at which a call of this weight may be taken if nothing else
 * happens: now.boot_us when at once, TIME_NEVER when it waits for an unsent call
 * or its weight exceeds a window's max. ret_window (may be NULL): index of the binding window, 0 when it may go at once.
 */
int64_t limit_earliest(struct limit *l, uint32_t weight, struct now now, size_t *ret_window);
/* Counts the call; only after limit_earliest said now. 0 or LEAD_ENOMEM. */
int limit_take(struct limit *l, struct limit_ticket *t, uint32_t weight, struct now now) MUST_CHECK;
/* Its first byte may leave from at_us (boot clock) on; a time before it was taken counts as that. */
void limit_sent(struct limit *l, struct limit_ticket *t, int64_t at_us);
/* Its answer's first byte was seen, or it failed after sending: it had arrived by at_us (boot clock) at the latest. */
void limit_arrived(struct limit *l, struct limit_ticket *t, struct now now, int64_t at_us);
/* It certainly never left. Once its margin is over it is a stamp and stays one. */
void limit_drop(struct limit *l, struct limit_ticket *t);
/*
 * At start, from the ledger: a call whose late end was late_us (boot clock of
 * this boot; may be negative, may lie in the future: restart + margin for calls found
 * open, with the margin they were sent under). In any order. Calendar windows count it when late_wall_us falls into the present period.
 */
int limit_restore(struct limit *l, uint32_t weight, int64_t late_us, int64_t late_wall_us, struct now now) MUST_CHECK;

/*
 * What the provider itself says about window `i` (headers): at most `remaining` more
 * until reset_us (boot clock). Kept only when tighter than our own count; forgotten at reset_us.
 */
void limit_observe(struct limit *l, size_t i, uint64_t remaining, int64_t reset_us, struct now now);

/* What it says window `i` holds in all: counts from now on where it is less than configured, until it says another number. 0 says nothing. */
void limit_said(struct limit *l, size_t i, uint64_t max);

struct window_view {
	struct window_spec spec;
	uint64_t used;      /* weight counted now */
	uint64_t remaining; /* what may still be taken now, the provider's word included */
	int64_t free_us;    /* boot time at which remaining next grows; TIME_NEVER when used is 0 or only open calls hold it */
};
size_t limit_count(const struct limit *l);
void limit_view(struct limit *l, size_t i, struct now now, struct window_view *ret);
/* The longest look back over the ledger that limit_restore can use, in microseconds, to late ends (a call begins earlier). */
int64_t limit_horizon(const struct window_spec *specs, size_t n, struct now now);

/*
 * `1/3s`, `50/60s`, `100/min`, `10000/day`, `1000/month`: count / window. `day` and
 * `month` are calendar windows, everything else slides. false when it is none.
 */
bool window_parse(const char *text, struct window_spec *ret);
/* The same back: `50/60s`; at most 47 characters. */
void window_write(const struct window_spec *w, char out[48]);
