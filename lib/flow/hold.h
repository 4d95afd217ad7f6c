/*
 * lib/flow/hold.h: a service that says "too fast" says it to all of us.
 *
 * After HOLD_AFTER throttles in a row nothing is granted on that allowance until the
 * wait it asked for is over, or, without a word on it, until our own wait, which doubles
 * with each hold in a row. One "too fast" among answers is that call's own affair: its item
 * waits, the others go on (at 200 calls a second and one stray throttle in a hundred, resting
 * for each would leave half of the limit unused). Only calls granted after a hold tell
 * something new: a hundred calls that were under way together are one throttle. Pure.
 */
#pragma once

#include "lib/base/time.h"
#include "lib/flow/retry.h"

#include <stdint.h>

#define HOLD_AFTER 3

struct hold {
	uint32_t row;       /* throttles since the last other answer */
	int64_t until_us;   /* boot time; nothing is granted before */
	uint64_t last_call; /* newest call when the hold began: it and all before were granted
			       without knowing */
	uint32_t strikes;   /* holds in a row without an answer between them */
};

/* A call was throttled. newest: the last call granted so far (call ids grow: lib/base/ids.h).
 * retry_after_us: 0 for no word. */
void hold_throttled(struct hold *h, uint64_t call, uint64_t newest, const struct retry_spec *r,
    int64_t retry_after_us, uint64_t dice, struct now now);
/* A call was answered with anything but a throttle. */
void hold_answered(struct hold *h, uint64_t call);
/* By hand. */
void hold_release(struct hold *h);
/* now.boot_us when a call may start. */
int64_t hold_earliest(const struct hold *h, struct now now);
