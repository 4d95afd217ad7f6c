/*
 * What people ask for, applied within a turn and answered after its commit. Commands that touch many items (retry,
 * cancel, parking what is held) walk the items in slices of a turn each (tasks_step, runs_sweep).
 */
#include "lib/engine/command.h"

#include "lib/base/ids.h"
#include "lib/engine/accounts.h"
#include "lib/engine/approve.h"
#include "lib/engine/clocks.h"
#include "lib/engine/engine.h"
#include "lib/engine/finish.h"
#include "lib/engine/inbox.h"
#include "lib/engine/intake.h"
#include "lib/engine/job.h"
#include "lib/engine/lane.h"
#include "lib/engine/load.h"
#include "lib/engine/notify.h"
#include "lib/engine/outbox.h"
#include "lib/engine/override.h"
#include "lib/engine/payment.h"
#include "lib/engine/recall.h"
#include "lib/engine/reopen.h"
#include "lib/engine/run.h"
#include "lib/engine/source.h"
#include "lib/engine/stage.h"
#include "lib/engine/state.h"
#include "lib/engine/suppress.h"
#include "lib/engine/verify.h"

#include <stdio.h>

#define NOT_FOUND 1
#define WRONG_STATE 2
#define IDEM_LIFE_US US_PER_DAY

void command_answer(struct engine *e, struct command *c)
{
	c->next = e->answered;
	e->answered = c;
}

void command_refuse(struct engine *e, struct command *c, int rc, const char *why)
{
	c->rc = rc;
	(void)lead_fail(&c->err, rc < 0 ? (enum lead_err)rc : LEAD_EINPUT, "%s", why);
	command_answer(e, c);
}

/* --- runs --- */

static bool start_is_known(struct engine *e, struct command *c)
{
	uint64_t hash = hash_keyed(e->hash_key, c->idem, strlen(c->idem));
	struct idem_row row;

	if (c->idem[0] == 0) {
		return false;
	}
	if (idem_read(e->txn, hash, &row) && clocks_age_us(e, row.boot, row.boot_us, row.wall_us) < IDEM_LIFE_US) {
		c->count = row.run;
		if (row.body_hash != c->idem_body) {
			command_refuse(e, c, WRONG_STATE, "this Idempotency-Key was used with another body");
		} else {
			command_answer(e, c);
		}
		return true;
	}
	row = (struct idem_row){.body_hash = c->idem_body,
	    .run = run_last_id(e->txn) + 1,
	    .boot = e->boot,
	    .boot_us = e->now.boot_us,
	    .wall_us = e->now.wall_us};
	idem_write(e->txn, hash, &row);
	return false;
}

int run_begin(struct engine *e, const struct campaign *m, struct run_row *row, uint32_t *ret)
{
	struct run *r;

	(void)snprintf(row->pipeline, sizeof(row->pipeline), "%s", m->pipeline->name);
	row->id = run_last_id(e->txn) + 1;
	row->created_us = e->now.wall_us;
	row->started_us = e->now.wall_us;
	row->importing = !row->finds;
	if (row->budget_micro < 0) {
		row->budget_micro = m->run_budget_micro;
	}
	r = run_add(e, row);
	row->columns = row->params = row->company_columns = (struct buf){0};
	if (r == NULL || root_start(e, r) != 0) {
		return LEAD_ENOMEM;
	}
	run_write(e->txn, &r->row); /* now: the next start in this turn counts from it */
	run_touch(r);
	*ret = r->id;
	return 0;
}

static void run_start(struct engine *e, struct command *c)
{
	const struct campaign *m = config_campaign(e->config, c->start.campaign);
	struct upload_row upload;
	uint32_t id;

	if (m == NULL) {
		command_refuse(e, c, NOT_FOUND, "there is no such campaign");
		return;
	}
	if (!c->start.finds && !upload_read(e->txn, c->start.upload, &upload)) {
		command_refuse(e, c, NOT_FOUND, "there is no such upload");
		return;
	}
	if (start_is_known(e, c)) {
		return;
	}
	if (run_begin(e, m, &c->start, &id) != 0) {
		command_refuse(e, c, LEAD_ENOMEM, "out of memory");
		return;
	}
	c->count = id;
	command_answer(e, c);
}

static void run_set_state(struct engine *e, struct command *c, struct run *r)
{
	bool ended = r->row.state == RUN_DONE || r->row.state == RUN_CANCELLED || r->row.state == RUN_FAILED;

	if (ended || (c->kind == COMMAND_PAUSE && r->row.state == RUN_PAUSED)) {
		if (!ended) {
			command_answer(e, c);
			return;
		}
		command_refuse(e, c, WRONG_STATE, "the run has ended");
		return;
	}
	r->row.state = c->kind == COMMAND_PAUSE ? RUN_PAUSED : c->kind == COMMAND_RESUME ? RUN_RUNNING : RUN_CANCELLED;
	if (c->kind == COMMAND_CANCEL) {
		r->row.open = false; /* the next event opens another */
		r->row.ended_us = e->now.wall_us;
		r->row.importing = false;
		r->row.ends_as = RUN_RUNNING;
		import_free(r->import);
		r->import = NULL;
		r->sweeping = true;
		r->sweep = 0;
		e->more = true;
		run_share(r);
	}
	run_touch(r);
	run_check_end(e, r);
	command_answer(e, c);
}

void command_sweep(struct engine *e, struct command *c)
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

static void run_retry(struct engine *e, struct command *c, struct run *r)
{
	struct item i;

	if (c->lead != 0 && !item_read(e->txn, r->id, c->lead, &i)) {
		char text[64];

		(void)snprintf(text, sizeof(text), "'lead': run %u has no lead %u", r->id, c->lead);
		command_refuse(e, c, NOT_FOUND, text);
		return;
	}
	if (c->by_us != 0 || (r->row.by_us != 0 && r->row.by_us <= e->now.wall_us)) {
		r->row.by_us = c->by_us;
	}
	if (c->budget_micro != 0) {
		r->row.budget_micro = c->budget_micro;
	}
	run_touch(r);
	command_sweep(e, c);
}

static void run_written(struct engine *e, struct command *c, struct run *r)
{
	r->row.written = r->ended_told; /* else it was reopened meanwhile: these are the results of an earlier end */
	run_touch(r);
	if (r->row.written) {
		notify_run(e, r, c->summary);
	}
	command_answer(e, c);
}

static void run_command(struct engine *e, struct command *c)
{
	struct run *r = run_get(e, c->run);
	char text[64];

	if (r == NULL) {
		(void)snprintf(text, sizeof(text), "there is no run %u", c->run);
		command_refuse(e, c, NOT_FOUND, text);
	} else if (c->kind == COMMAND_RETRY) {
		run_retry(e, c, r);
	} else if (c->kind == COMMAND_RECALL) {
		run_recall(e, c, r);
	} else if (c->kind == COMMAND_VERIFY) {
		run_verify(e, c, r);
	} else if (c->kind == COMMAND_APPROVE) {
		command_approve(e, c, r);
	} else if (c->kind == COMMAND_WRITTEN) {
		run_written(e, c, r);
	} else {
		run_set_state(e, c, r);
	}
}

/* --- services --- */

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
}

static void service_command(struct engine *e, struct command *c)
{
	struct lane *l = lane_by_name(e, c->service);

	if (l == NULL || l->def == NULL) {
		command_refuse(e, c, NOT_FOUND, "there is no such service");
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
			command_refuse(e, c, NOT_FOUND, "the service has no limit with a window of that length");
			return;
		}
		break;
	}
	l->park_dirty = true;
	command_answer(e, c);
}

static void reload(struct engine *e, struct command *c)
{
	struct config *old = e->config;
	struct run *r, *next;
	bool back = false; /* a service, a key, a limit is there (again) that had no windows */
	int rc;

	accounts_reserve_open(e, -1); /* a campaign may change its organisation, a day its beginning */
	config_keep(c->config, old);
	e->config = c->config;
	c->config = NULL;
	rc = lanes_bind(e, e->config, &c->err);
	if (rc != 0) {
		abort(); /* out of memory half way: the restart reads the new configuration */
	}
	for (size_t i = 0; i < e->n_lanes; i++) {
		if (config_service(e->config, e->lanes[i]->name) == NULL) {
			e->lanes[i]->share.n = 0; /* nothing is granted there any more; calls in flight end as they are */
			e->lanes[i]->budget = NULL;
			e->lanes[i]->last = e->lanes[i]->last != NULL ? e->lanes[i]->last : config_ref(old);
		}
		back = back || e->lanes[i]->n_fresh > 0;
	}
	if (back && load_windows(e, &c->err) != 0) {
		abort();
	}
	overrides_drop(e);
	e->answers_us = e->outbox_us = e->agenda_us = 0;
	inbox_reload(e);
	HASH_ITER(hh, e->runs, r, next) {
		run_bind(e, r);
		run_touch(r);
	}
	accounts_reserve_open(e, 1);
	config_unref(old);
	command_answer(e, c);
}

void command_apply(struct engine *e, struct command *c)
{
	switch (c->kind) {
	case COMMAND_START:
		run_start(e, c);
		break;
	case COMMAND_UPLOAD:
		upload_write(e->txn, &c->upload);
		command_answer(e, c);
		break;
	case COMMAND_RELOAD:
		reload(e, c);
		break;
	case COMMAND_SENT:
		outbox_settle(e, c);
		command_answer(e, c);
		break;
	case COMMAND_SERVICE_PAUSE:
	case COMMAND_SERVICE_RESUME:
	case COMMAND_SERVICE_RESET:
	case COMMAND_SERVICE_LIMIT:
		service_command(e, c);
		break;
	case COMMAND_PAYMENT:
		command_payment(e, c);
		break;
	case COMMAND_CALLBACK:
		job_callback(e, c);
		break;
	case COMMAND_INTAKE:
		inbox_take(e, c);
		break;
	case COMMAND_SUPPRESS:
		command_suppress(e, c);
		break;
	default:
		run_command(e, c);
		break;
	}
}

/* --- many items --- */

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

void stage_uncount(struct stage_count *c, enum item_outcome o)
{
	uint64_t *n = o == ITEM_FAILED ? &c->failed : o == ITEM_REJECTED || o == ITEM_SUPPRESSED ? &c->rejected : NULL;

	if (n != NULL && *n > 0) {
		--*n;
	}
}

void run_reopen(struct engine *e, struct run *r)
{
	r->row.state = RUN_RUNNING;
	r->row.ended_us = 0;
	r->row.written = false;
	r->ended_told = false;
	run_bind(e, r);
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
