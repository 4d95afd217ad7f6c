/*
 * lib/flow/ahead.h: when the calls that stand in line at a limit may go, one after the other, if nothing else happens.
 *
 * A look at a limit as it is now, on which calls are taken that nobody makes: a window lets the k-th call from
 * now go when so many of those before it have left. How long a call fills its window beyond the window's length (from
 * its grant to its late end) is not known before; what is told must never be later than what comes, so it is reckoned at
 * its least, and over many windows near its mean.
 *
 * Good as long as the limit does not change. Pure.
 */
#pragma once

#include "lib/flow/limit.h"

/* From grant to late end. */
struct late_span {
	int64_t least_us;
	double mean_us, deviation_us; /* 0: only the least is known */
};

struct ahead;

/* NULL when out of memory. */
struct ahead *ahead_new(struct limit *l, const struct late_span *late, struct now now);
void ahead_free(struct ahead *a);
/* Boot time from which the next call may go; TIME_NEVER: no window is that large. */
int64_t ahead_earliest(const struct ahead *a);
/* It goes at that time, not before ahead_earliest, nor before the one before it. 0 or LEAD_ENOMEM. */
int ahead_take(struct ahead *a, int64_t at_us) MUST_CHECK;
/* Of n more calls after the last one taken the last goes that much later, at least. */
int64_t ahead_least_us(const struct ahead *a, uint64_t n);
