/*
 * lib/flow/quota.c: one parked key. `until_us` alone says when the next call may
 * go; a probe moves it on by probe_us when it is granted, so a probe that is
 * never heard of again blocks nothing. A stated reset is checked on both clocks.
 */
#include "lib/flow/quota.h"

#include <string.h>

/* A reset further away than a year is a provider's mistake: then we probe. */
#define FARTHEST_RESET_US (366 * US_PER_DAY)

/* Parked by a person or by what a person must look at: no probe, no provider's word lifts it. */
static bool until_told(enum park_cause c)
{
	return c == PARK_OPERATOR || c == PARK_OVERBILLED;
}

static void set_why(struct quota *q, const char *why)
{
	size_t len = strlen(why);

	if (len >= sizeof(q->why)) {
		len = sizeof(q->why) - 1;
		while (len > 0 && ((unsigned char)why[len] & 0xC0) == 0x80) {
			len--; /* not through the middle of a character */
		}
	}
	memcpy(q->why, why, len);
	q->why[len] = '\0';
}

static void set_reset(struct quota *q, int64_t reset_wall_us, struct now now)
{
	int64_t wait_us = reset_wall_us > 0 ? reset_wall_us - now.wall_us : 0;

	q->stated = wait_us > 0 && wait_us <= FARTHEST_RESET_US;
	q->until_wall_us = q->stated ? reset_wall_us : 0;
	if (q->stated) {
		q->until_us = now.boot_us + wait_us;
	} else {
		q->until_us = until_told(q->cause) ? TIME_NEVER : now.boot_us + q->spec.probe_us;
	}
}

void quota_init(struct quota *q, const struct quota_spec *spec)
{
	*q = (struct quota){.spec = *spec};
}

int64_t quota_earliest(struct quota *q, struct now now)
{
	int64_t at_us = q->until_us;

	if (q->cause == PARK_NONE) {
		return now.boot_us;
	}
	if (q->stated && now.boot_us + (q->until_wall_us - now.wall_us) > at_us) {
		at_us = now.boot_us + (q->until_wall_us - now.wall_us);
	}
	if (at_us > now.boot_us) {
		return at_us;
	}
	if (until_told(q->cause)) {
		quota_release(q, now); /* `until 08:00` means 08:00: nothing to find out */
	}
	return now.boot_us;
}

void quota_granted(struct quota *q, uint64_t call, struct now now)
{
	if (q->cause == PARK_NONE) {
		return;
	}
	if (q->calls_since++ == 0) {
		q->first_call = call;
	}
	q->probing = true;
	q->probe_call = call;
	q->stated = false;
	q->until_wall_us = 0;
	q->until_us = now.boot_us + q->spec.probe_us;
}

void quota_park(
    struct quota *q, enum park_cause cause, const char *why, int64_t reset_wall_us, struct now now)
{
	bool keep_reset = q->cause == cause && q->stated && reset_wall_us <= 0;

	if (cause == PARK_NONE || (until_told(q->cause) && !until_told(cause))) {
		return;
	}
	if (q->cause == PARK_NONE) {
		q->since_wall_us = now.wall_us;
		q->calls_since = 0;
	}
	q->cause = cause;
	q->probing = false;
	set_why(q, why);
	if (!keep_reset) {
		set_reset(q, reset_wall_us, now);
	}
}

void quota_answered(struct quota *q, uint64_t call, struct now now)
{
	if (q->cause != PARK_NONE && !until_told(q->cause) && q->calls_since > 0 &&
	    call >= q->first_call) {
		quota_release(q, now);
	}
}

void quota_dropped(struct quota *q, uint64_t call, struct now now)
{
	(void)now;
	if (q->probing && call == q->probe_call) {
		q->probing = false;
	}
}

void quota_release(struct quota *q, struct now now)
{
	*q = (struct quota){.spec = q->spec, .since_wall_us = now.wall_us};
}

void quota_restore(struct quota *q, enum park_cause cause, const char *why, int64_t since_wall_us,
    int64_t until_wall_us, struct now now)
{
	quota_release(q, now);
	if (cause == PARK_NONE) {
		return;
	}
	q->cause = cause;
	q->since_wall_us = since_wall_us < now.wall_us ? since_wall_us : now.wall_us;
	set_why(q, why);
	set_reset(q, until_wall_us, now);
	if (until_wall_us > 0 && until_wall_us <= now.wall_us) {
		q->until_us = now.boot_us; /* it came while we were down */
	}
}

const char *quota_word(enum park_cause c)
{
	switch (c) {
	case PARK_QUOTA:
		return "quota";
	case PARK_AUTH:
		return "auth";
	case PARK_OVERBILLED:
		return "overbilled";
	case PARK_OPERATOR:
		return "operator";
	case PARK_NONE:
		break;
	}
	return "none";
}
