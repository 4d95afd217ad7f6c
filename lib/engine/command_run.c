/* What people ask for of a run: it is started, paused, cancelled, retried; its results are written. See command.c. */
#include "lib/engine/command.h"

#include "lib/base/ids.h"
#include "lib/engine/clocks.h"
#include "lib/engine/item/intake.h"
#include "lib/engine/item/source.h"
#include "lib/engine/run/approve.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/recall.h"
#include "lib/engine/stage/verify.h"
#include "lib/engine/state.h"
#include "lib/engine/task.h"
#include "lib/engine/tell/notify.h"

#include <stdio.h>

#define IDEM_LIFE_US US_PER_DAY

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
			command_refuse(e, c, COMMAND_WRONG_STATE, "this Idempotency-Key was used with another body");
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

void command_start(struct engine *e, struct command *c)
{
	const struct campaign *m = config_campaign(e->config, c->start.campaign);
	struct upload_row upload;
	uint32_t id;

	if (m == NULL) {
		command_refuse(e, c, COMMAND_NOT_FOUND, "there is no such campaign");
		return;
	}
	if (!c->start.finds && !upload_read(e->txn, c->start.upload, &upload)) {
		command_refuse(e, c, COMMAND_NOT_FOUND, "there is no such upload");
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
		command_refuse(e, c, COMMAND_WRONG_STATE, "the run has ended");
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

static void run_retry(struct engine *e, struct command *c, struct run *r)
{
	struct item i;

	if (c->lead != 0 && !item_read(e->txn, r->id, c->lead, &i)) {
		char text[64];

		(void)snprintf(text, sizeof(text), "'lead': run %u has no lead %u", r->id, c->lead);
		command_refuse(e, c, COMMAND_NOT_FOUND, text);
		return;
	}
	if (c->by_us != 0 || (r->row.by_us != 0 && r->row.by_us <= e->now.wall_us)) {
		r->row.by_us = c->by_us;
	}
	if (c->budget_micro != 0) {
		r->row.budget_micro = c->budget_micro;
	}
	if (c->lead == 0 && (c->outcomes >> ITEM_PARKED & 1) != 0) {
		(void)intake_resume(e, r);
	}
	run_touch(r);
	task_add(e, c);
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

void command_run(struct engine *e, struct command *c)
{
	struct run *r = run_get(e, c->run);
	char text[64];

	if (r == NULL) {
		(void)snprintf(text, sizeof(text), "there is no run %u", c->run);
		command_refuse(e, c, COMMAND_NOT_FOUND, text);
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
