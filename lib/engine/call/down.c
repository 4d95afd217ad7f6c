/*
 * A service that has been out of reach for long: its breaker never closed since, or its key is parked. Leads of a stage that
 * says so (`on_down`) do not wait for it any longer: they go to the next step of the chain, and from the last one on as the
 * stage has it. What was begun there and may be there already (a look-up) waits all the same.
 */
#include "lib/engine/call/down.h"

#include "lib/engine/call/lane.h"
#include "lib/engine/call/schedule.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Since when it is parked, on the boot clock. */
static int64_t parked_since(const struct quota *q, struct now now)
{
	int64_t age_us = now.wall_us - q->since_wall_us;

	return q->cause == PARK_NONE || q->cause == PARK_OPERATOR ? TIME_NEVER : age_us > 0 ? now.boot_us - age_us : now.boot_us;
}

/* Of the group's keys the last that was refused. */
static int64_t keys_since(const struct lane *l, size_t g, struct now now)
{
	int64_t since = 0;
	bool any = false;

	for (size_t k = 0; k < l->def->n_keys; k++) {
		if (l->def->keys[k].group_index == g) {
			int64_t at = parked_since(&l->keys[k].auth, now);

			any = true;
			since = at > since ? at : since;
		}
	}
	return any ? since : TIME_NEVER;
}

int64_t down_since(const struct lane *l, struct now now)
{
	int64_t since = 0;

	for (size_t g = 0; g < l->def->n_groups; g++) {
		const struct lane_group *grp = &l->groups[g];
		int64_t at = grp->breaker.state != BREAKER_CLOSED ? grp->breaker.down_us : TIME_NEVER;

		at = earlier(at, parked_since(&grp->quota, now));
		at = earlier(at, keys_since(l, g, now));
		since = at > since ? at : since;
	}
	return l->def->n_groups > 0 ? since : TIME_NEVER;
}

bool down_too_long(struct engine *e, const struct run *r, const struct slot *s, const struct verdict *v)
{
	static const uint32_t causes = 1u << COND_KEY | 1u << COND_BREAKER | 1u << COND_THROTTLE | 1u << COND_QUOTA | 1u << COND_WINDOW;
	const struct stage *st = run_stage(r, s->stage);
	int64_t since;

	if (st == NULL || st->on_down == POLICY_WAIT || s->phase != PHASE_CALL || (causes >> v->binding & 1) == 0) {
		return false;
	}
	since = down_since(s->lane, e->now);
	if (since == TIME_NEVER) {
		return false;
	}
	if (since + st->down_after_us > e->now.boot_us) {
		s->lane->wake_us = earlier(s->lane->wake_us, since + st->down_after_us);
		return false;
	}
	return true;
}
