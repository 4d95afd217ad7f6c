/*
 * lib/flow/quota.h: a key whose allowance is used up, or that is refused, is parked.
 *
 * Until a stated reset, or, without one, one probe call every probe_us. While
 * parked nothing else is granted; after a stated reset the first call is the
 * probe. Operator pauses and overbilled keys are never probed: they last until
 * released, or until the reset given with them. All share this state because
 * they mean the same to the scheduler. Pure.
 */
#pragma once

#include "lib/base/time.h"

#include <stdbool.h>
#include <stdint.h>

enum park_cause { PARK_NONE, PARK_QUOTA, PARK_AUTH, PARK_OVERBILLED, PARK_OPERATOR };

struct quota_spec {
	int64_t probe_us; /* default 15 min */
};

struct quota {
	struct quota_spec spec;
	enum park_cause cause;
	char why[96];          /* the provider's word for it, masked; for people */
	int64_t since_wall_us;
	int64_t until_us;      /* boot time of the stated reset or of the next probe; TIME_NEVER: until told */
	int64_t until_wall_us; /* stated reset, 0 when none was stated */
	bool stated;           /* until_us is the provider's own reset, not our probe */
	bool probing;
	uint64_t probe_call;
	uint64_t first_call;   /* the first of calls_since; call ids grow (lib/base/ids.h) */
	uint64_t calls_since;  /* calls granted while parked: probes only */
};

void quota_init(struct quota *q, const struct quota_spec *spec);
/* now.boot_us when a call may start. A stated wall reset also needs that much boot time to have passed: a clock step frees nothing. */
int64_t quota_earliest(struct quota *q, struct now now);
void quota_granted(struct quota *q, uint64_t call, struct now now);
/*
 * An answer said the allowance is used up (or the key refused). reset_wall_us 0: not stated.
 * A parked key stays parked with the newest word; a stated reset outlives a word of the same
 * cause without one, and quota and auth words never replace an operator's pause or PARK_OVERBILLED.
 */
void quota_park(struct quota *q, enum park_cause cause, const char *why, int64_t reset_wall_us, struct now now);
/* A call ended with any answer but quota/auth: when it was the probe, or was granted after parking, the key is free again. */
void quota_answered(struct quota *q, uint64_t call, struct now now);
/*
 * A granted call was given back, or its outcome is unknown: it is no longer the
 * probe. The next one still goes probe_us after it was granted.
 */
void quota_dropped(struct quota *q, uint64_t call, struct now now);
void quota_release(struct quota *q, struct now now);
/* At start: as stored in the last turn. */
void quota_restore(struct quota *q, enum park_cause cause, const char *why, int64_t since_wall_us, int64_t until_wall_us, struct now now);
const char *quota_word(enum park_cause c); /* none, quota, auth, overbilled, operator */
