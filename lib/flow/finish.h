/*
 * lib/flow/finish.h: what begun work still needs, so that no more is begun than can be finished.
 *
 * Leads pass stages in order. Whoever stands at a stage passes it and all behind it:
 *
 *   begun at:    verify 3    copy 2    push 1
 *   to come:     verify 3    copy 5    push 6      (calls, money: each at the stage's own price)
 *
 * Nothing is known about who drops out on the way, so this is the most that may be needed; what is
 * not needed after all comes free as the leads go on. Pure; sums stop at TIME_NEVER.
 */
#pragma once

#include "lib/base/time.h"

#include <stddef.h>
#include <stdint.h>

struct finish_stage {
	uint64_t begun;         /* leads begun that stand here, those in flight included */
	int64_t most_micro;     /* what one of them may cost here */
	int64_t reserved_micro; /* of all that already reserved, by calls in flight */
};

/* Money still to be reserved for all of them to get to the end. */
int64_t finish_money(const struct finish_stage *stages, size_t n);

struct finish_window {
	uint64_t max;      /* calls in one window */
	uint64_t room;     /* that may go at once */
	int64_t length_us; /* sliding: T + u, from one call to the one that takes its place; calendar: the period */
	int64_t next_us;   /* calendar: the rest of this period; 0: it slides */
};

/* Until the last of n calls may go, at the latest: the window may have been filled at one stroke. */
int64_t finish_latest_us(const struct finish_window *w, uint64_t n);
/* The same on average: n calls at N per (T + u). */
int64_t finish_mean_us(const struct finish_window *w, double n);
