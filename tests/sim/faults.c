/*
 * What goes wrong, begun and ended in its time; and the world as it is when nothing does.
 */
#include "tests/sim/shell.h"

#include <stdio.h>
#include <stdlib.h>

#define HOUR_US (INT64_C(3600) * US_PER_S)

/* --- the world --- */

static void calm_world(const struct night *n, struct scenario *s)
{
	const struct shape *shape = &shapes[n->plan->shape];

	scenario_default(s);
	s->seed = n->plan->seed;
	s->doubt_us = 0;
	s->huge_bytes = 2 << 20;
	s->drip_us = 20 * US_PER_MS;
	s->retry_after_us = 2 * US_PER_S;
	s->slow_us = 5 * US_PER_S;
	for (unsigned i = 0; i < SERVICES; i++) {
		struct scenario_service *v = &s->services[i];
		struct scenario_limit like = v->limits[0];

		v->n_limits = 0;
		for (unsigned w = 0; w < WINDOWS && shape->windows[i][w].max > 0; w++) {
			like.max = shape->windows[i][w].max;
			like.length_us = shape->windows[i][w].length_us;
			v->limits[v->n_limits++] = like;
		}
		v->min_us = shape->median_us / 4;
		v->median_us = shape->median_us;
		v->p95_us = shape->median_us * 3;
	}
	s->services[WORLD_ZEROBOUNCE].n_keys = 2;
	(void)snprintf(s->services[WORLD_ZEROBOUNCE].keys[0].text, 16, "verify-1");
	(void)snprintf(s->services[WORLD_ZEROBOUNCE].keys[1].text, 16, "verify-2");
	s->verdict_ppm[VERDICT_UNKNOWN] = 10000;
	s->copy_ppm[COPY_REFUSED] = n->plan->seed % 3 == 0 ? 300000 : 20000;
	s->quota_code = QUOTA_ANY;
}

/* --- faults --- */

bool fault_active(const struct night *n, uint8_t kind, const struct fault **ret)
{
	for (size_t i = 0; n->active_kinds[kind] > 0 && i < n->plan->n_faults; i++) {
		if (n->active[i] && n->plan->faults[i].kind == kind) {
			*ret = &n->plan->faults[i];
			return true;
		}
	}
	return false;
}

void crash_moment(struct night *n, int kind)
{
	if (n->crash_when == kind) {
		n->crash_when = 0;
		n->crash_now = true;
		n->result->hits[kind]++;
	}
}

static void step_wall(struct night *n, size_t i, int64_t us)
{
	n->wall_step_us += us;
	n->steps_us[i] += us;
	n->stepped = n->stepped || us != 0;
}

static void drift(struct night *n, int64_t ppm)
{
	n->wall_step_us += (n->now_us - n->drift_since_us) * n->drift_ppm / PPM;
	n->drift_since_us = n->now_us;
	n->drift_ppm = ppm;
}

static void suspend(struct night *n, const struct fault *f)
{
	int64_t us = 20 * US_PER_S + (int64_t)(f->draw % (uint64_t)HOUR_US);

	n->busy_until_us = n->now_us + us;
	events_shift(n, us);
}

static void crash_of(struct night *n, const struct fault *f)
{
	switch (f->kind) {
	case KIND_CRASH_BEFORE_COMMIT:
		hooks.commit = COMMIT_DIE_BEFORE;
		break;
	case KIND_CRASH_AFTER_COMMIT:
		hooks.commit = COMMIT_DIE_AFTER;
		break;
	case KIND_CRASH_IN_RELEASE:
		n->in_release = 1 + f->draw % 8;
		n->result->hits[f->kind]--; /* counted when it happens */
		break;
	case KIND_CRASH_STARTING:
		n->starting_crashes = 1 + (unsigned)(f->draw % 2);
		n->crash_now = true;
		break;
	case KIND_REBOOT:
		if (n->stepped) { /* no turn has seen the new time: nobody could know how long the
				     machine was away */
			n->result->hits[f->kind]--;
			break;
		}
		(void)snprintf(n->boot_id, sizeof(n->boot_id), "boot-%u", ++n->boots);
		drift(n, 0);
		process_crash(n, US_PER_S + (int64_t)(f->draw % (uint64_t)(20 * US_PER_S)));
		n->boot_zero_us = n->now_us;
		n->rebooting = true;
		break;
	case KIND_STOP:
		n->stopping = true;
		engine_drain(n->engine);
		process_poke(n);
		break;
	default:
		n->crash_when = f->kind;
		n->result->hits[f->kind]--;
		break;
	}
}

static void clock_of(struct night *n, size_t i, const struct fault *f)
{
	switch (f->kind) {
	case KIND_CLOCK_AHEAD:
		step_wall(n, i, HOUR_US);
		break;
	case KIND_CLOCK_BACK:
		step_wall(n, i, -HOUR_US);
		break;
	case KIND_CLOCK_1970:
		step_wall(n, i, US_PER_DAY - WORLD_WALL_US);
		break;
	case KIND_CLOCK_DRIFT:
		drift(n, f->draw % 2 == 0 ? 50000 : -50000);
		break;
	case KIND_SUSPEND:
		suspend(n, f);
		break;
	default:
		n->busy_until_us =
		    n->now_us + US_PER_S / 2 + (int64_t)(f->draw % (uint64_t)(4 * US_PER_S));
		break;
	}
}

static void command_of(struct night *n, const struct fault *f)
{
	const struct window_plan *w = &shapes[n->plan->shape].windows[f->service][0];
	struct intent *i;

	switch (f->kind) {
	case KIND_LIMITS_LOWERED:
		n->low++;
		intend_reload(n);
		break;
	case KIND_BUDGET_CUT:
		n->tight++;
		intend_reload(n);
		break;
	case KIND_RELOAD:
		intend_reload(n);
		break;
	case KIND_RUN_PAUSE:
		(void)intend(n, COMMAND_PAUSE, f->run, n->now_us);
		break;
	case KIND_RUN_CANCEL:
		(void)intend(n, COMMAND_CANCEL, f->run, n->now_us);
		break;
	case KIND_RUN_RETRY:
		i = intend(n, COMMAND_RETRY, f->run, n->now_us);
		i->command.outcomes = 1u << ITEM_FAILED | 1u << ITEM_PARKED |
				      (f->draw % 2 == 0 ? 1u << ITEM_REJECTED : 0);
		n->retried = true;
		break;
	case KIND_SERVICE_PAUSE:
		(void)intend_service(n, COMMAND_SERVICE_PAUSE, f->service);
		break;
	case KIND_SERVICE_RESET:
		(void)intend_service(n, COMMAND_SERVICE_RESET, f->service);
		break;
	case KIND_SERVICE_LIMIT:
		intend_limit(n, f->service, 1 + (uint32_t)(f->draw % w->max));
		break;
	case KIND_START_TWICE:
		(void)intend(n, COMMAND_START, f->run, n->now_us);
		break;
	default:
		break;
	}
}

static void command_back(struct night *n, const struct fault *f)
{
	switch (f->kind) {
	case KIND_LIMITS_LOWERED:
		n->low--;
		intend_reload(n);
		break;
	case KIND_BUDGET_CUT:
		n->tight--;
		intend_reload(n);
		break;
	case KIND_RUN_PAUSE:
		(void)intend(n, COMMAND_RESUME, f->run, n->now_us);
		break;
	case KIND_SERVICE_PAUSE:
		(void)intend_service(n, COMMAND_SERVICE_RESUME, f->service);
		break;
	case KIND_SERVICE_LIMIT:
		intend_reload(n);
		break;
	default:
		break;
	}
}

static void fault_begins(struct night *n, size_t i)
{
	const struct fault *f = &n->plan->faults[i];
	bool process = f->kind >= KIND_CRASH_BEFORE_COMMIT && f->kind <= KIND_STOP;

	if (process && (n->engine == NULL || n->stopping)) {
		return; /* down already */
	}
	n->active[i] = true;
	n->active_kinds[f->kind]++;
	if (f->kind >= FAULT_N && (f->kind < KIND_DNS)) {
		n->result->hits[f->kind]++;
	}
	if (process) {
		crash_of(n, f);
	} else if (f->kind >= KIND_CLOCK_AHEAD && f->kind <= KIND_STALL) {
		clock_of(n, i, f);
	} else {
		command_of(n, f);
	}
}

static void fault_ends(struct night *n, size_t i)
{
	const struct fault *f = &n->plan->faults[i];

	if (!n->active[i]) {
		return;
	}
	n->active[i] = false;
	n->active_kinds[f->kind]--;
	if (f->kind == KIND_STOP && n->stopping && n->engine != NULL) {
		process_crash(n, US_PER_S); /* the drain limit is over */
	} else if (f->kind == KIND_CLOCK_DRIFT) {
		drift(n, 0);
	} else {
		step_wall(n, i, -n->steps_us[i]);
		command_back(n, f);
	}
}

void faults_event(struct night *n, size_t i, bool begins)
{
	const struct fault *f = &n->plan->faults[i];

	if (n->rebooting && f->kind >= KIND_CLOCK_AHEAD && f->kind <= KIND_CLOCK_DRIFT) {
		/* between two boots the wall clock is all there is: it must be right then */
		event_push(n, n->now_us + US_PER_S, begins ? EVENT_FAULT : EVENT_FAULT_END,
		    (uint32_t)i, 0, NULL);
		return;
	}
	watch_disturb(n);
	if (begins) {
		fault_begins(n, i);
	} else {
		fault_ends(n, i);
	}
	hooks.full = n->active_kinds[KIND_STORE_FULL] > 0;
	hooks.nearly_full = n->active_kinds[KIND_STORE_NEARLY_FULL] > 0;
	if (f->kind < FAULT_N) {
		plan_swap_world(n->world, &n->calm_world, n->plan->faults, n->active, n->plan->n_faults);
	}
}

void faults_begin(struct night *n)
{
	calm_world(n, &n->calm_world);
	n->world = world_new(&n->calm_world);
	for (size_t i = 0; i < n->plan->n_faults; i++) {
		const struct fault *f = &n->plan->faults[i];

		if (!f->off) {
			event_push(n, f->at_us, EVENT_FAULT, (uint32_t)i, 0, NULL);
			event_push(n, f->at_us + f->for_us, EVENT_FAULT_END, (uint32_t)i, 0, NULL);
		}
	}
	event_push(n, n->plan->quiet_us, EVENT_QUIET, 0, 0, NULL);
}
