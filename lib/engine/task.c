/*
 * Work on many items, a slice of them in a turn: what a command asks for (retry, recall), and what becomes of the items of a run that was
 * cancelled, cannot end otherwise, or has other stages since a reload. Where it stands is in the run's row, or the command begins again.
 */
#include "lib/engine/task.h"

#include "lib/engine/call/finish.h"
#include "lib/engine/command.h"
#include "lib/engine/run/reopen.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/recall.h"
#include "lib/engine/stage/stage.h"
#include "lib/engine/stage/verify.h"
#include "lib/engine/state.h"

#include <stdio.h>

void task_add(struct engine *e, struct command *c)
{
	struct sweep_task *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		command_refuse(e, c, LEAD_ENOMEM, "out of memory");
		return;
	}
	t->command = c;
	t->next = e->tasks;
	e->tasks = t;
	e->more = true;
}

struct slice_arg {
	struct item list[TURN_ROWS];
	size_t n;
};

static bool on_state(void *arg, struct slice key, struct slice value)
{
	struct slice_arg *a = arg;

	if (!item_decode(key, value, &a->list[a->n]) || a->list[a->n].number == ITEM_VERIFY) {
		return true;
	}
	return ++a->n < TURN_ROWS;
}

/* The next slice of a run's items after `cursor`; false when there are none. */
static bool next_slice(struct engine *e, uint32_t run, uint32_t cursor, struct slice_arg *a)
{
	a->n = 0;
	txn_walk(e->txn, TABLE_STATE, item_key(run, cursor + 1), run_prefix(run), on_state, a);
	return a->n > 0;
}

/* true when the task is done. */
static bool task_slice(struct engine *e, struct sweep_task *t, struct slice_arg *a)
{
	struct command *c = t->command;
	struct run *r = run_get(e, c->run);

	if (r == NULL || !next_slice(e, c->run, t->cursor, a)) {
		return true;
	}
	for (size_t k = 0; k < a->n; k++) {
		struct item *i = &a->list[k];
		bool wanted = c->kind == COMMAND_RETRY && (c->outcomes >> i->outcome & 1) != 0 && (c->lead == 0 || c->lead == i->number);

		/* what sets a run up is held while the run goes on: it need not end first */
		bool set_up = c->kind == COMMAND_RETRY && c->lead == 0 && (c->outcomes >> ITEM_PARKED & 1) != 0 && i->level == LEVEL_RUN &&
			      i->status == ITEM_HELD;

		if (((i->status == ITEM_DONE && wanted) || set_up) && i->stage < r->row.n_stages) {
			c->count += item_reopen(e, r, i) ? 1 : 0;
		}
		c->count += c->kind == COMMAND_RECALL && recall_item(e, r, i, c->unsent_only);
	}
	t->cursor = a->list[a->n - 1].number;
	run_touch(r);
	return a->n < TURN_ROWS;
}

void tasks_step(struct engine *e)
{
	struct sweep_task *t = e->tasks;
	struct slice_arg *a;

	if (t == NULL) {
		return;
	}
	a = malloc(sizeof(*a));
	if (a != NULL && task_slice(e, t, a)) {
		e->tasks = t->next;
		command_answer(e, t->command);
		free(t);
	}
	free(a);
	e->more = e->more || e->tasks != NULL;
}

/* One item of a run that ends before its items did: cancelled, failed, nothing else can move, or nothing waiting will ever go. */
static void sweep_item(struct engine *e, struct run *r, struct item *i)
{
	bool cancelling = run_is_over(r);

	if (r->parking) {
		if (i->status == ITEM_WAITING && queue_has(e->txn, i)) {
			finish_park(e, r, i);
		}
	} else if (i->status == ITEM_HELD) {
		char reason[ITEM_REASON];

		run_count(r, i->stage)->held--;
		(void)snprintf(reason, sizeof(reason), "%s", i->reason);
		if (phase_recalls(i->phase)) {
			recall_give_up(e, r, i, reason);
		} else {
			item_finish(e, r, i, ITEM_PARKED, reason);
		}
	} else if (cancelling && i->status == ITEM_RETRYING) {
		later_remove(e->txn, i);
		run_count(r, i->stage)->retrying--;
		r->retrying_begun[i->stage] -= i->spent_micro > 0;
		item_cancel(e, r, i, i->phase == PHASE_LOOKUP ? "in-doubt" : "cancelled");
	} else if (cancelling && i->status == ITEM_WAITING && i->level == LEVEL_RUN && r->root_waits) {
		r->root_waits = false;
		run_count(r, i->stage)->waiting--;
		item_cancel(e, r, i, "cancelled");
	} else if (cancelling && i->status == ITEM_WAITING && queue_has(e->txn, i)) {
		run_unqueue(e, r, i);
		run_count(r, i->stage)->waiting--;
		item_cancel(e, r, i, i->phase == PHASE_LOOKUP ? "in-doubt" : "cancelled");
	}
}

static void sweep_run(struct engine *e, struct run *r, struct slice_arg *a)
{
	r->parking = r->parking && !run_is_over(r);
	if ((r->parking && !run_is_stuck(e, r)) || !next_slice(e, r->id, r->sweep, a)) {
		r->sweeping = r->parking = false;
		run_check_end(e, r);
		return;
	}
	for (size_t k = 0; k < a->n; k++) {
		sweep_item(e, r, &a->list[k]);
	}
	r->sweep = a->list[a->n - 1].number;
	run_touch(r);
	e->more = true;
}

static void move_run(struct engine *e, struct run *r, struct slice_arg *a)
{
	if (!next_slice(e, r->id, r->moved, a)) {
		r->moving = false;
		run_check_end(e, r);
		return;
	}
	for (size_t k = 0; k < a->n; k++) {
		run_requeue(e, r, &a->list[k]);
	}
	r->moved = a->list[a->n - 1].number;
	run_touch(r);
	e->more = true;
}

void runs_sweep(struct engine *e)
{
	struct slice_arg *a = NULL;
	struct run *r, *next;

	HASH_ITER(hh, e->runs, r, next) {
		if (!r->sweeping && !r->moving) {
			continue;
		}
		a = a != NULL ? a : malloc(sizeof(*a));
		if (a != NULL) {
			(r->moving ? move_run : sweep_run)(e, r, a);
		}
		e->more = e->more || r->moving || r->sweeping;
	}
	free(a);
}
