/* The engine's birth and end, and what it tells of itself. What it does is in turn.c. */
#include "lib/engine/engine.h"

#include "lib/engine/call/call.h"
#include "lib/engine/call/job.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/item/inbox.h"
#include "lib/engine/load.h"
#include "lib/engine/plan/tallies.h"
#include "lib/engine/state.h"
#include "lib/engine/tell/notify.h"
#include "lib/engine/turn.h"
#include "lib/store/names.h"

#include <stdio.h>

int engine_new(const struct engine_options *o, struct engine **ret, struct lead_error *err)
{
	struct engine *e = calloc(1, sizeof(*e));
	int rc;

	if (e == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	e->store = o->store;
	e->config = config_ref(o->config);
	e->effects = o->effects;
	e->now = o->now;
	e->outcomes_end = &e->outcomes;
	e->commands_end = &e->commands;
	e->parts_end = &e->parts;
	e->later_us = TIME_NEVER;
	jobs_unload(e);
	e->blind = o->blind;
	e->agendas = o->agendas;
	e->alone = o->alone;
	(void)snprintf(e->boot_id, sizeof(e->boot_id), "%s", o->boot_id);
	dice_seed(&e->dice, o->seed);
	rc = engine_load(e, true, err);
	if (rc != 0) {
		engine_free(e);
		return rc;
	}
	*ret = e;
	return 0;
}

void engine_drain(struct engine *e)
{
	e->draining = true;
}

size_t engine_in_flight(const struct engine *e)
{
	return HASH_COUNT(e->calls) - e->n_jobs;
}

void engine_each_call(struct engine *e, void (*f)(void *arg, uint64_t call), void *arg)
{
	struct call *c, *next;

	HASH_ITER(hh, e->calls, c, next) {
		if (!c->ended) {
			f(arg, c->id);
		}
	}
}

struct config *engine_config(struct engine *e)
{
	return e->config;
}

struct store *engine_store(struct engine *e)
{
	return e->store;
}

const char *engine_refuses(const struct engine *e)
{
	return e->full ? e->full_why : e->draining ? "leadd is stopping" : NULL;
}

uint64_t engine_turns(const struct engine *e)
{
	return e->turn;
}

static void free_gathered(struct engine *e)
{
	while (e->outcomes != NULL) {
		struct outcome *o = e->outcomes;

		e->outcomes = o->next;
		outcome_free(o);
	}
	gathered_parts_drop(e);
	(void)snprintf(e->full_why, sizeof(e->full_why), "leadd has stopped");
	refuse_waiting(e);
	release_answers(e);
}

void engine_free(struct engine *e)
{
	struct call *c, *next;

	if (e == NULL) {
		return;
	}
	free_gathered(e);
	HASH_ITER(hh, e->calls, c, next) {
		HASH_DEL(e->calls, c);
		engine_call_free(e, c);
	}
	engine_unload_rows(e);
	jobs_free(e);
	tallies_free(e);
	notify_drop(e);
	inbox_free(e);
	names_free(e->names);
	for (size_t i = 0; i < e->n_lanes; i++) {
		lane_free(e->lanes[i]);
	}
	free(e->lanes);
	config_unref(e->config);
	arena_free(&e->arena);
	free(e);
}
