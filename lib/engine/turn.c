/*
 * The turn, top to bottom: engine_turn. See engine.h for the picture.
 *
 * A commit that fails is undone in one way only: what this turn granted is taken back, memory is read anew from the store,
 * and the outcomes that were gathered are applied again with admission closed, now or a second later.
 */
#include "lib/engine/engine.h"

#include "lib/engine/call/accounts.h"
#include "lib/engine/call/answers.h"
#include "lib/engine/call/cache.h"
#include "lib/engine/call/call.h"
#include "lib/engine/call/finish.h"
#include "lib/engine/call/job.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/call/schedule.h"
#include "lib/engine/call/settle.h"
#include "lib/engine/clocks.h"
#include "lib/engine/command.h"
#include "lib/engine/item/inbox.h"
#include "lib/engine/item/intake.h"
#include "lib/engine/item/source.h"
#include "lib/engine/load.h"
#include "lib/engine/plan/tallies.h"
#include "lib/engine/run/agenda.h"
#include "lib/engine/run/approve.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/verify.h"
#include "lib/engine/state.h"
#include "lib/engine/task.h"
#include "lib/engine/tell/notify.h"
#include "lib/engine/tell/outbox.h"
#include "lib/engine/turn.h"
#include "lib/store/names.h"

#include <stdio.h>

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

/* No room for rows: when there is some, imports read their files anew and skip what they took. */
static void stop_imports(struct engine *e)
{
	struct run *r, *next;

	gathered_parts_drop(e);
	HASH_ITER(hh, e->runs, r, next) {
		import_free(r->import);
		r->import = NULL;
	}
}

/* One whole slice a turn: it is what bounds the turn. Those of small files share one, and its commit. */
static void apply_parts(struct engine *e)
{
	size_t taken = 0;

	while (e->parts != NULL && (taken == 0 || taken + e->parts->len <= INTAKE_BYTES)) {
		struct import_part *p = e->parts;

		taken += p->len + INTAKE_BYTES / 32; /* a file costs something by itself */
		e->parts = p->next;
		if (e->parts == NULL) {
			e->parts_end = &e->parts;
		}
		intake_apply(e, p);
		free(p->bytes);
		free(p);
	}
	e->more = e->more || e->parts != NULL;
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

/* When the next turn is due though nobody asks for one. */
static int64_t next_look(struct engine *e)
{
	int64_t others[] = {e->agendas && !e->draining ? e->agenda_us : TIME_NEVER, e->answers_us, e->cache_us, e->outbox_us, jobs_next_us(e), e->inbox.due_us};
	uint32_t run, number;
	int64_t us;

	if (!later_head(e->txn, &us, &run, &number)) {
		us = TIME_NEVER;
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		us = others[i] < us ? others[i] : us;
	}
	return us;
}

/* The order matters: outcomes and retries first, then what people want, then what comes of it, then the grants, then what only tidies. */
static struct outcome *decide(struct engine *e)
{
	struct outcome *left;

	if (e->recovered) {
		accounts_restart(e);
	}
	left = apply_outcomes(e);
	if (e->full) {
		gathered_commands(e, apply_when_full);
		stop_imports(e);
	} else {
		apply_due(e); /* retries whose time has come */
		gathered_commands(e, command_apply);
		apply_parts(e); /* a slice of an upload: rows become items */
		inbox_step(e);  /* webhooks that are on disk become leads */
		tasks_step(e);  /* a slice of what touches many items */
		verifies_step(e);
		agendas_step(e); /* campaigns whose time has come begin a run */
		runs_sweep(e);   /* of cancelled runs the items end, of reloaded ones they move, a slice a turn */
		sources_step(e); /* runs that find their items: the next round */
		jobs_step(e);    /* polls that are due */
		schedule(e);     /* the next calls: grant.c makes each */
		answers_expire(e);
		jobs_tidy(e);
		cache_sweep(e);
		runs_wind_down(e); /* where no more can be finished, and nothing moves, what waits is parked */
		approve_step(e);
	}
	notify_step(e); /* what people are to be told of all this */
	outbox_step(e);
	e->later_us = next_look(e);
	names_write(e->names, e->txn);
	runs_write(e);
	accounts_write(e);
	lanes_write(e);
	tallies_write(e);
	clocks_write(e);
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

void refuse_waiting(struct engine *e)
{
	refuse_tasks(e);
	gathered_commands(e, refuse_command);
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
	gathered_parts_drop(e);
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
	release(e, left);
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

