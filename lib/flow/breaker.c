/*
 * lib/flow/breaker.c: the three states and their five arrows. Time moves them
 * in breaker_move() alone, which every function with `now` calls first, so that
 * it makes no difference how often the breaker is looked at.
 */
#include "lib/flow/breaker.h"

static void enter(struct breaker *b, enum breaker_state state, int64_t at_us)
{
	b->state = state;
	b->since_us = at_us;
	b->probing = false;
}

static void open_breaker(struct breaker *b, int64_t at_us)
{
	b->down_us = b->state == BREAKER_CLOSED ? at_us : b->down_us;
	enter(b, BREAKER_OPEN, at_us);
	b->until_us = at_us + b->spec.open_us;
	b->opened++;
}

static void close_breaker(struct breaker *b, int64_t at_us)
{
	if (b->state != BREAKER_CLOSED) {
		enter(b, BREAKER_CLOSED, at_us);
	}
	b->failures = 0;
}

static void breaker_move(struct breaker *b, struct now now)
{
	if (b->state == BREAKER_HALF_OPEN && b->probing && now.boot_us >= b->until_us) {
		open_breaker(b, b->until_us); /* the probe was silent past its deadline */
	}
	if (b->state == BREAKER_OPEN && now.boot_us >= b->until_us) {
		enter(b, BREAKER_HALF_OPEN, b->until_us);
	}
}

void breaker_init(struct breaker *b, const struct breaker_spec *spec)
{
	*b = (struct breaker){.spec = *spec, .state = BREAKER_CLOSED};
}

int64_t breaker_earliest(struct breaker *b, struct now now)
{
	breaker_move(b, now);
	if (!b->spec.enabled || b->state == BREAKER_CLOSED) {
		return now.boot_us;
	}
	return b->state == BREAKER_HALF_OPEN && !b->probing ? now.boot_us : b->until_us;
}

void breaker_granted(struct breaker *b, uint64_t call, struct now now)
{
	breaker_move(b, now);
	if (b->state == BREAKER_HALF_OPEN && !b->probing) {
		b->probing = true;
		b->probe_call = call;
		b->until_us = now.boot_us + b->spec.probe_us;
	}
}

void breaker_result(struct breaker *b, uint64_t call, bool transport_ok, struct now now)
{
	bool outdated = call < b->probe_call; /* granted before the last probe: tells nothing new */
	bool probe;

	breaker_move(b, now);
	probe = b->probing && call == b->probe_call;
	if (b->state != BREAKER_CLOSED && !probe) {
		return;
	}
	if (transport_ok) {
		close_breaker(b, now.boot_us);
	} else if (probe || (!outdated && ++b->failures >= b->spec.failures && b->spec.enabled)) {
		open_breaker(b, now.boot_us);
	}
}

void breaker_dropped(struct breaker *b, uint64_t call)
{
	if (b->probing && call == b->probe_call) {
		b->probing = false;
	}
}

void breaker_reset(struct breaker *b, struct now now)
{
	close_breaker(b, now.boot_us);
}

const char *breaker_word(enum breaker_state s)
{
	switch (s) {
	case BREAKER_OPEN:
		return "open";
	case BREAKER_HALF_OPEN:
		return "half-open";
	case BREAKER_CLOSED:
		break;
	}
	return "closed";
}
