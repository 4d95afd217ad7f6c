/*
 * lib/flow/breaker.h: stops calling what does not answer.
 *
 * closed --N failures in a row--> open --open_us over--> half-open: one probe
 *    ^------------------- probe ok ------------------------------'  | probe failed, or silent past its deadline
 *                                        open again <---------------'
 *
 * A failure is a transport failure: no readable answer, or class transient (5xx).
 * Verdicts (throttle, quota, auth, permanent, empty) are answers: they count as success. Pure.
 */
#pragma once

#include "lib/base/time.h"

#include <stdbool.h>
#include <stdint.h>

struct breaker_spec {
	bool enabled;
	uint32_t failures; /* in a row; at least 1; default 5 */
	int64_t open_us;   /* default 300 s */
	int64_t probe_us;  /* how long the probe may take before it counts as failed; default 60 s */
};

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct breaker {
	struct breaker_spec spec;
	enum breaker_state state;
	uint32_t failures;     /* in a row */
	int64_t since_us;      /* boot time of the last change of state */
	int64_t down_us;       /* not CLOSED: boot time of the opening, whatever its probes said since */
	int64_t until_us;      /* OPEN: probe allowed from then on; HALF_OPEN: deadline of the probe */
	bool probing;          /* a probe is out */
	uint64_t probe_call;   /* its call id */
	uint64_t opened;       /* how often it has opened */
};

void breaker_init(struct breaker *b, const struct breaker_spec *spec);
/* now.boot_us when a call may start, else the boot time to look again. Moves OPEN and expired probes on. */
int64_t breaker_earliest(struct breaker *b, struct now now);
/* A call was granted; in half-open it becomes the probe. */
void breaker_granted(struct breaker *b, uint64_t call, struct now now);
/*
 * A call ended. transport_ok: it was answered, whatever the answer said. Late
 * answers of calls from before the opening never close it, and failures of calls
 * granted before the last probe never open it again (call ids grow: lib/base/ids.h).
 */
void breaker_result(struct breaker *b, uint64_t call, bool transport_ok, struct now now);
/* A granted call was given back unsent: frees the probe. */
void breaker_dropped(struct breaker *b, uint64_t call);
/* By hand: closed, no failures. */
void breaker_reset(struct breaker *b, struct now now);
const char *breaker_word(enum breaker_state s); /* closed, open, half-open */
