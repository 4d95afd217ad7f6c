/* What people ask for of a service: it is paused, resumed, reset, another limit holds for it. See command.c. */
#include "lib/engine/command.h"

#include "lib/engine/call/lane.h"
#include "lib/engine/call/override.h"
#include "lib/engine/state.h"

static void service_reset(struct engine *e, struct lane *l)
{
	for (size_t g = 0; g < l->def->n_groups; g++) {
		breaker_reset(&l->groups[g].breaker, e->now);
		hold_release(&l->groups[g].hold);
		quota_release(&l->groups[g].quota, e->now);
	}
	for (size_t k = 0; k < l->def->n_keys; k++) {
		quota_release(&l->keys[k].auth, e->now);
	}
	quota_release(&l->pause, e->now);
	l->reset_call = e->last_call;
}

void command_service(struct engine *e, struct command *c)
{
	struct lane *l = lane_by_name(e, c->service);

	if (l == NULL || l->def == NULL) {
		command_refuse(e, c, COMMAND_NOT_FOUND, "there is no such service");
		return;
	}
	switch (c->kind) {
	case COMMAND_SERVICE_PAUSE:
		quota_park(&l->pause, PARK_OPERATOR, "paused by the operator", 0, e->now);
		l->pause.until_us = TIME_NEVER;
		break;
	case COMMAND_SERVICE_RESUME:
		quota_release(&l->pause, e->now);
		break;
	case COMMAND_SERVICE_RESET:
		service_reset(e, l);
		break;
	default:
		if (!override_set(e, l, c->limit, &c->window)) {
			command_refuse(e, c, COMMAND_NOT_FOUND, "the service has no limit with a window of that length");
			return;
		}
		break;
	}
	l->park_dirty = true;
	command_answer(e, c);
}
