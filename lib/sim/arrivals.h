/* lib/sim/arrivals.h: exact counting of what arrived, in one window. */
#pragma once

#include "lib/base/error.h"
#include "lib/base/time.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Sliding: the weight of the arrivals in (t - length, t], looked at on every arrival t, which is
 * when it is highest: the worst of these is the worst of any window wherever it begins. Calendar
 * day: the weight since midnight UTC. All zero but for max and length_us is an empty window.
 */
struct arrivals {
	uint64_t max;
	int64_t length_us; /* 0: calendar day */
	uint64_t weight;   /* in the window now */
	uint64_t worst, violations;
	int64_t worst_us, day; /* boot clock of the worst; day number */
	int64_t whole_us; /* boot clock: when the provider's token bucket of the same rate is full
			     again */
	struct arrival {
		int64_t at_us;
		uint32_t weight;
	} * ring;                 /* what is in the window, oldest at first */
	size_t first, count, cap; /* cap: a power of 2 */
};

/* Counts one arrival; violations grows when it is past max. 0 or LEAD_ENOMEM (then it is not
 * counted). */
int arrivals_add(struct arrivals *a, struct now now, uint32_t weight) MUST_CHECK;
/* Microseconds until this weight fits; 0 when it does now. */
int64_t arrivals_wait(struct arrivals *a, struct now now, uint64_t weight);
/*
 * What a provider's headers say: how much is left, and in how many microseconds all of it is back.
 * Providers keep a bucket that fills at max per length, so 1 of 60 used in 60 s is whole again in a
 * second. Never more than the window has left.
 */
void arrivals_shown(struct arrivals *a, struct now now, uint64_t *ret_left, int64_t *ret_whole_us);
void arrivals_fini(struct arrivals *a);
