/* Release: what the turn decided is on disk. Now it may be seen: calls start, commands are answered, timers are armed. */
#include "lib/engine/turn.h"

#include "lib/engine/call/call.h"
#include "lib/engine/call/job.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/engine.h"
#include "lib/engine/item/intake.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"
#include "lib/engine/tell/outbox.h"

#define IMPORTS_AT_ONCE 32 /* files with a slice under way: the others wait for theirs to end */

void outcome_free(struct outcome *o)
{
	arena_free(&o->arena);
	free(o->body);
	free(o);
}

static void release_calls(struct engine *e)
{
	for (size_t i = 0; i < e->n_fresh; i++) {
		struct call *c = e->fresh[i];

		c->fresh = false;
		e->effects.start(e->effects.ctx, c->id, &c->request);
		memset(&c->request, 0, sizeof(c->request));
	}
	e->n_fresh = 0;
}

static void release_outcomes(struct engine *e, struct outcome *left)
{
	while (e->outcomes != left) {
		struct outcome *o = e->outcomes;

		e->outcomes = o->next;
		if (o->call->job == NULL || !(o->call->job->open || o->call->job->over)) { /* else it ends with its job */
			HASH_DEL(e->calls, o->call);
			engine_call_free(e, o->call);
		}
		outcome_free(o);
	}
	if (e->outcomes == NULL) {
		e->outcomes_end = &e->outcomes;
	}
}

void release_answers(struct engine *e)
{
	while (e->answered != NULL) {
		struct command *c = e->answered;

		e->answered = c->next;
		if (c->done != NULL) {
			c->done(c->ctx, c);
		}
		run_row_fini(&c->start);
		config_unref(c->config);
		free(c->summary);
		free(c->payment);
		free(c->body);
		free(c);
	}
}

/* Without room nothing can fall due. */
static void release_timers(struct engine *e)
{
	for (size_t i = 0; i < e->n_lanes; i++) {
		int64_t at = e->lanes[i]->poll_us < e->lanes[i]->wake_us ? e->lanes[i]->poll_us : e->lanes[i]->wake_us;

		e->effects.wake(e->effects.ctx, i, e->full ? TIME_NEVER : at);
	}
	e->effects.wake_later(e->effects.ctx, e->full ? TIME_NEVER : e->later_us);
}

static void release_runs(struct engine *e)
{
	unsigned importing = 0;
	struct run *r, *next;

	HASH_ITER(hh, e->runs, r, next) {
		bool ended = (r->row.state == RUN_DONE || r->row.state == RUN_CANCELLED || r->row.state == RUN_FAILED) && !r->sweeping &&
			     r->in_flight_total == 0;

		if (r->changed) {
			r->changed = false;
			e->effects.run_changed(e->effects.ctx, r->id);
		}
		importing += importing < IMPORTS_AT_ONCE && intake_ask(e, r) ? 1 : 0;
		if (ended && !r->row.written && !r->ended_told) {
			r->ended_told = true;
			e->effects.run_ended(e->effects.ctx, r->id);
		}
	}
}

void release(struct engine *e, struct outcome *left)
{
	release_outcomes(e, left);
	jobs_release(e);
	release_calls(e); /* after the outcomes: a call that cannot even be started ends within */
	release_answers(e);
	arena_reset(&e->arena);
	release_timers(e);
	release_runs(e);
	outbox_release(e);
}
