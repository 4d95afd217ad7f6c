/*
 * lib/flow/period.h: the calendar day or month a limit is in, followed with two clocks.
 *
 * The wall clock may be stepped; a step must never free a window early. So the
 * next period begins only when the wall clock says so and as much boot time has
 * passed as the period was expected to last when it was entered. A wall clock
 * stepped back before the period's start leads back into the earlier one, which
 * then counts everything that either of them counted.
 */
#pragma once

#include "lib/base/time.h"
#include "lib/flow/limit.h"

struct period {
	bool entered;
	int64_t start_wall_us, next_wall_us;
	int64_t begin_us; /* boot time: what arrived from here on counts in this period */
	int64_t until_us; /* boot time: not over before */
};

/* kind: WINDOW_DAY or WINDOW_MONTH. */
void period_bounds(enum window_kind kind, const struct zone *zone, int64_t wall_us,
    int64_t *ret_start_us, int64_t *ret_next_us);
/* Moves to the period that now lies in; true when it is another than before. */
bool period_follow(
    struct period *p, enum window_kind kind, const struct zone *zone, struct now now);
/* Boot time at which an entered period will be over when both clocks run on evenly from now. */
int64_t period_end(const struct period *p, struct now now);
