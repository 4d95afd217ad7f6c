/*
 * The turn, top to bottom: engine_turn. See engine.h for the picture.
 *
 * A commit that fails is undone in one way only: what this turn granted is taken back, memory is read anew from the store,
 * and the outcomes that were gathered are applied again with admission closed, now or a second later.
 */
#include "lib/engine/engine.h"

#include "lib/base/ids.h"
#include "lib/engine/accounts.h"
#include "lib/engine/agenda.h"
#include "lib/engine/answers.h"
#include "lib/engine/approve.h"
#include "lib/engine/cache.h"
#include "lib/engine/call.h"
#include "lib/engine/command.h"
#include "lib/engine/finish.h"
#include "lib/engine/inbox.h"
#include "lib/engine/intake.h"
#include "lib/engine/job.h"
#include "lib/engine/lane.h"
#include "lib/engine/load.h"
#include "lib/engine/notify.h"
#include "lib/engine/outbox.h"
#include "lib/engine/run.h"
#include "lib/engine/schedule.h"
#include "lib/engine/settle.h"
#include "lib/engine/source.h"
#include "lib/engine/state.h"
#include "lib/engine/tallies.h"
#include "lib/engine/verify.h"
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

/* --- gather --- */

void engine_command(struct engine *e, struct command *c)
{
	c->next = NULL;
	e->n_events += c->kind == COMMAND_INTAKE;
	e->urgent = e->urgent || c->kind != COMMAND_INTAKE;
	*e->commands_end = c;
	e->commands_end = &c->next;
}

void engine_import(struct engine *e, uint32_t run, const void *bytes, size_t len, const char *error)
{
	struct import_part *p = calloc(1, sizeof(*p));

	if (p == NULL || (len > 0 && (p->bytes = malloc(len)) == NULL)) {
		abort();
	}
	p->run = run;
	p->len = len;
	if (len > 0) {
		memcpy(p->bytes, bytes, len);
	}
	(void)snprintf(p->error, sizeof(p->error), "%s", error != NULL ? error : "");
	*e->parts_end = p;
	e->parts_end = &p->next;
}

bool engine_pending(const struct engine *e)
{
	return e->outcomes != NULL || e->commands != NULL || e->parts != NULL;
}

bool engine_urgent(const struct engine *e)
{
	return e->urgent;
}

size_t engine_events(const struct engine *e)
{
	return e->n_events;
}

/* --- decide --- */

/* The outcomes of this turn; they stay in the list until the commit. Returns the first one left for the next turn. */
static struct outcome *apply_outcomes(struct engine *e)
{
	struct outcome *o = e->outcomes;
	unsigned n = 0;

	for (; o != NULL && n < TURN_OUTCOMES && txn_error(e->txn) == 0; o = o->next) {
		n += (unsigned)o->call->row.n_parts; /* a batch is as much work as its leads */
		settle(e, o);
	}
	e->more = e->more || o != NULL;
	return o;
}

static void apply_due(struct engine *e)
{
	uint32_t run, number;
	int64_t due;

	for (unsigned n = 0; n < TURN_ROWS && later_head(e->txn, &due, &run, &number) && due <= e->now.boot_us; n++) {
		struct run *r = run_get(e, run);
		struct item i;

		if (!item_read(e->txn, run, number, &i) || r == NULL || i.due_us != due) {
			i = (struct item){.run = run, .number = number, .due_us = due};
			later_remove(e->txn, &i);
			continue;
		}
		later_remove(e->txn, &i);
		run_count(r, i.stage)->retrying--;
		r->retrying_begun[i.stage] -= i.spent_micro > 0;
		run_touch(r);
		run_queue(e, r, &i);
	}
}

static void each_command(struct engine *e, void (*f)(struct engine *e, struct command *c))
{
	struct command *list = e->commands;

	e->commands = NULL;
	e->commands_end = &e->commands;
	e->n_events = 0;
	e->urgent = false;
	while (list != NULL) {
		struct command *c = list;

		list = c->next;
		f(e, c);
	}
}

static void refuse_command(struct engine *e, struct command *c)
{
	command_refuse(e, c, LEAD_EFULL, e->full_why);
}

/* What brings new work is refused. A reload needs no room, a pause next to none, and what is left is kept for them. */
static void apply_when_full(struct engine *e, struct command *c)
{
	bool work = c->kind == COMMAND_START || c->kind == COMMAND_UPLOAD || c->kind == COMMAND_RETRY || c->kind == COMMAND_RECALL || c->kind == COMMAND_VERIFY ||
		    c->kind == COMMAND_SUPPRESS || c->kind == COMMAND_INTAKE;

	(work ? refuse_command : command_apply)(e, c);
}

static void drop_parts(struct engine *e)
{
	while (e->parts != NULL) {
		struct import_part *p = e->parts;

		e->parts = p->next;
		free(p->bytes);
		free(p);
	}
	e->parts_end = &e->parts;
}

/* No room for rows: when there is some, imports read their files anew and skip what they took. */
static void stop_imports(struct engine *e)
{
	struct run *r, *next;

	drop_parts(e);
	HASH_ITER(hh, e->runs, r, next) {
		import_free(r->import);
		r->import = NULL;
	}
}

static void apply_parts(struct engine *e)
{
	struct import_part *p = e->parts;

	/* one slice a turn: it is what bounds the turn */
	if (p != NULL) {
		e->parts = p->next;
		if (e->parts == NULL) {
			e->parts_end = &e->parts;
		}
		intake_apply(e, p);
		free(p->bytes);
		free(p);
		e->more = e->more || e->parts != NULL;
	}
}

/* The store or its disk is so full that only what is in flight may still be written. */
static bool check_room(struct engine *e)
{
	struct store_room room;
	uint64_t left;

	store_room(e->store, &room);
	if (room.used_bytes * 100 >= room.map_bytes * REFUSE_PERCENT) {
		(void)snprintf(e->full_why, sizeof(e->full_why), "the store is %u %% full: raise store: map in leadd.yaml and start again",
		    (unsigned)(room.used_bytes * 100 / room.map_bytes));
		return false;
	}
	if (store_disk_low(e->store, &left)) {
		(void)snprintf(e->full_why, sizeof(e->full_why), "no space left on the disk of the store but %llu KiB", (unsigned long long)left >> 10);
		return false;
	}
	return true;
}

/* --- release --- */

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
		arena_free(&o->arena);
		free(o->body);
		free(o);
	}
	if (e->outcomes == NULL) {
		e->outcomes_end = &e->outcomes;
	}
}

static void release_answers(struct engine *e)
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
	struct run *r, *next;

	HASH_ITER(hh, e->runs, r, next) {
		bool ended = (r->row.state == RUN_DONE || r->row.state == RUN_CANCELLED || r->row.state == RUN_FAILED) && !r->sweeping &&
			     r->in_flight_total == 0;

		if (r->changed) {
			r->changed = false;
			e->effects.run_changed(e->effects.ctx, r->id);
		}
		intake_ask(e, r);
		if (ended && !r->row.written && !r->ended_told) {
			r->ended_told = true;
			e->effects.run_ended(e->effects.ctx, r->id);
		}
	}
}

/* --- the turn --- */

static struct outcome *decide(struct engine *e)
{
	struct outcome *left;
	uint32_t run, number;

	if (e->recovered) {
		accounts_restart(e);
	}
	left = apply_outcomes(e);
	if (e->full) {
		each_command(e, apply_when_full);
		stop_imports(e);
	} else {
		apply_due(e);
		each_command(e, command_apply);
		apply_parts(e);
		inbox_step(e);
		tasks_step(e);
		verifies_step(e);
		agendas_step(e);
		runs_sweep(e);
		sources_step(e);
		jobs_step(e);
		schedule(e);
		answers_expire(e);
		jobs_tidy(e);
		cache_sweep(e);
		runs_wind_down(e);
		approve_step(e);
	}
	notify_step(e);
	outbox_step(e);
	if (!later_head(e->txn, &e->later_us, &run, &number)) {
		e->later_us = TIME_NEVER;
	}
	e->later_us = e->agenda_us < e->later_us && e->agendas && !e->draining ? e->agenda_us : e->later_us;
	e->later_us = e->answers_us < e->later_us ? e->answers_us : e->later_us;
	e->later_us = e->cache_us < e->later_us ? e->cache_us : e->later_us;
	e->later_us = e->outbox_us < e->later_us ? e->outbox_us : e->later_us;
	e->later_us = jobs_next_us(e) < e->later_us ? jobs_next_us(e) : e->later_us;
	e->later_us = e->inbox.due_us < e->later_us ? e->inbox.due_us : e->later_us;
	names_write(e->names, e->txn);
	runs_write(e);
	accounts_write(e);
	lanes_write(e);
	tallies_write(e);
	engine_write_clocks(e);
	return left;
}

static void refuse_tasks(struct engine *e)
{
	while (e->tasks != NULL) {
		struct sweep_task *t = e->tasks;

		e->tasks = t->next;
		command_refuse(e, t->command, LEAD_EFULL, e->full_why);
		free(t);
	}
}

/* Commands applied in a turn that did not commit were not carried out: say so. A new configuration is in force all the same. */
static void refuse_answered(struct engine *e)
{
	for (struct command *c = e->answered; c != NULL; c = c->next) {
		if (c->kind != COMMAND_RELOAD) {
			c->rc = LEAD_EFULL;
			(void)lead_fail(&c->err, LEAD_EFULL, "%s", e->full_why);
		}
	}
	release_answers(e);
}

/* The turn did not commit: memory as the store has it. Import readers start their files anew. */
static int recover(struct engine *e, struct lead_error *err)
{
	engine_calls_drop(e);
	drop_parts(e);
	refuse_tasks(e);
	refuse_answered(e);
	arena_reset(&e->arena);
	for (size_t i = 0; i < e->n_lanes; i++) {
		e->lanes[i]->park_dirty = true; /* it was not written */
	}
	e->recovered = true;
	tallies_drop(e);
	outbox_forget(e);
	engine_unload_rows(e);
	return engine_load(e, false, err);
}

static int turn_once(struct engine *e, struct lead_error *err)
{
	struct outcome *left;
	int rc = txn_begin(e->store, true, &e->txn, err);

	if (rc != 0) {
		return rc;
	}
	e->turn++;
	left = decide(e);
	rc = txn_commit(e->txn, err);
	e->txn = NULL;
	if (rc != 0) {
		return rc;
	}
	names_kept(e->names);
	e->recovered = false;
	release_outcomes(e, left);
	jobs_release(e);
	release_calls(e); /* after the outcomes: a call that cannot even be started ends within */
	release_answers(e);
	arena_reset(&e->arena);
	release_timers(e);
	release_runs(e);
	outbox_release(e);
	return 0;
}

static bool no_room(int rc)
{
	return rc == LEAD_EFULL || rc == LEAD_ESTORE || rc == LEAD_ENOMEM;
}

/* What is gathered is kept: at once or in a later turn it is applied again, to memory that knows nothing of this one. */
static int turn_again(struct engine *e, struct lead_error *err)
{
	struct lead_error again;
	int rc;

	(void)snprintf(e->full_why, sizeof(e->full_why), "%.*s", (int)sizeof(e->full_why) - 1, err->text);
	e->full = true;
	rc = recover(e, &again);
	if (rc == 0 && no_room(rc = turn_once(e, &again))) {
		rc = recover(e, &again);
	}
	if (rc != 0) {
		*err = again;
	}
	return rc != 0 ? rc : LEAD_EFULL;
}

int engine_turn(struct engine *e, struct now now, struct lead_error *err)
{
	struct lead_error local;
	int rc;

	err = err != NULL ? err : &local;
	e->now = now;
	e->more = false;
	e->full = !check_room(e);
	rc = turn_once(e, err);
	if (no_room(rc)) {
		return turn_again(e, err);
	}
	if (rc != 0 || e->more) {
		return rc != 0 ? rc : TURN_MORE;
	}
	return e->full ? lead_fail(err, LEAD_EFULL, "%s", e->full_why) : TURN_IDLE;
}

/* --- the rest of engine.h --- */

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
		arena_free(&o->arena);
		free(o->body);
		free(o);
	}
	drop_parts(e);
	(void)snprintf(e->full_why, sizeof(e->full_why), "leadd has stopped");
	refuse_tasks(e);
	each_command(e, refuse_command);
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
