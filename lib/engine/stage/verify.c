/* A read-back from the command to its end, a slice a turn: see verify.h. */
#include "lib/engine/stage/verify_parts.h"

#include "lib/engine/call/call.h"
#include "lib/engine/command.h"
#include "lib/engine/run/reopen.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"

#include <stdio.h>

#define SLICE 100        /* leads a turn */
#define CLEAR_SLICE 500  /* rows a turn */

const struct stage *verify_stage(const struct run *r, uint8_t *ret_stage)
{
	for (size_t p = 0; r->pipeline != NULL && p < r->pipeline->n_stages; p++) {
		if (r->pipeline->stages[p].list.step.call != NULL && r->run_stage_of[p] >= 0) {
			*ret_stage = (uint8_t)r->run_stage_of[p];
			return &r->pipeline->stages[p];
		}
	}
	return NULL;
}

void verify_end(struct engine *e, struct run *r, struct verify_row *v, const char *why)
{
	v->state = why != NULL ? VERIFY_FAILED : VERIFY_DONE;
	v->ended_us = e->now.wall_us;
	(void)snprintf(v->why, sizeof(v->why), "%s", why != NULL ? why : "");
	r->verifying = false;
	run_share(r);
	verify_row_write(e->txn, v);
	run_touch(r);
}

/* --- the command --- */

static bool refused(const struct run *r, bool repair, char text[200])
{
	uint8_t s;

	text[0] = 0;
	if (r->pipeline == NULL || r->campaign == NULL) {
		(void)snprintf(text, 200, "campaign %.70s or pipeline %.70s is gone from the configuration", r->row.campaign, r->row.pipeline);
	} else if (verify_stage(r, &s) == NULL) {
		(void)snprintf(text, 200, "pipeline %.90s has no confirm stage with 'list'", r->row.pipeline);
	} else if (repair && run_is_over(r) && (r->sweeping || r->in_flight_total > 0)) {
		(void)snprintf(text, 200, "run %u still has %u calls under way: again when they have ended", r->id, r->in_flight_total);
	}
	return text[0] != 0;
}

void run_verify(struct engine *e, struct command *c, struct run *r)
{
	struct verify_row v;
	char text[200];

	if (refused(r, c->repair, text)) {
		command_refuse(e, c, COMMAND_WRONG_STATE, text);
		return;
	}
	(void)verify_row_read(e->txn, r->id, &v);
	if (!verify_at_work(v.state)) {
		v = (struct verify_row){.run = r->id, .state = VERIFY_CLEARING, .repair = c->repair, .started_us = e->now.wall_us};
		verify_row_write(e->txn, &v);
		r->verifying = true;
		run_touch(r);
		e->more = true;
	} else if (v.repair != c->repair) {
		command_refuse(e, c, COMMAND_WRONG_STATE, c->repair ? "it is being read back without repair: again when that has ended" :
						    "it is being read back and repaired: again when that has ended");
		return;
	}
	command_answer(e, c);
}

void verify_load(struct engine *e, struct run *r)
{
	struct verify_row v;

	r->verifying = verify_row_read(e->txn, r->id, &v) && verify_at_work(v.state);
	run_share(r);
	e->more = e->more || r->verifying;
}

static void begin_reading(struct engine *e, struct run *r, struct verify_row *v)
{
	struct fact f = {.kind = FACT_ASK, .turn = e->turn, .wall_us = e->now.wall_us, .reason = "verify"};
	struct item i;
	uint8_t stage = 0;

	(void)verify_stage(r, &stage);
	if (!item_read(e->txn, r->id, ITEM_VERIFY, &i)) {
		i = (struct item){.run = r->id, .number = ITEM_VERIFY, .level = LEVEL_RUN};
	}
	i.stage = f.stage = stage;
	i.phase = PHASE_VERIFY;
	i.outcome = ITEM_OPEN;
	i.reason[0] = 0;
	i.page = 0;
	i.failures = i.doubts = 0;
	f.fields[f.n_fields++] = (struct fact_field){.name = "page", .name_len = 4, .value = {.kind = VALUE_JSON, .text = "{}", .len = 2}};
	fact_add(e->txn, &i, &f);
	v->state = VERIFY_READING;
	run_share(r);
	run_queue(e, r, &i);
}

/* --- what was not seen --- */

static bool repair(struct engine *e, struct run *r, uint32_t number)
{
	struct item i;

	for (size_t p = 0; p < r->pipeline->n_stages; p++) {
		if (r->pipeline->stages[p].kind == STAGE_PUSH && r->run_stage_of[p] >= 0 && item_read(e->txn, r->id, number, &i) &&
		    i.status == ITEM_DONE) {
			i.stage = (uint8_t)r->run_stage_of[p];
			i.step = 0;
			item_push_anew(&i);
			return item_reopen(e, r, &i);
		}
	}
	return false;
}

static void compare_slice(struct engine *e, struct run *r, struct verify_row *v)
{
	struct verify_entry n;

	for (unsigned k = 0; k < SLICE; k++) {
		struct verify_finding f = {.kind = VERIFY_MISSING};

		if (!verify_entry_take(e->txn, v->run, &n)) {
			verify_end(e, r, v, NULL);
			return;
		}
		if (n.run == 0) {
			f.kind = VERIFY_FOREIGN;
			(void)snprintf(f.id, sizeof(f.id), "%s", n.id);
			(void)snprintf(f.who, sizeof(f.who), "%s", n.who);
			verify_find(e->txn, v, &f);
		} else if (n.run == v->run && !n.gone && !n.young && n.seen == 0) {
			f.number = n.number;
			verify_find(e->txn, v, &f);
			v->repaired += v->repair && r->pipeline != NULL && repair(e, r, n.number);
		}
	}
}

/* The configuration may have changed: the item waits where the list is called now, or it ends. */
static void follow(struct engine *e, struct run *r)
{
	struct item i;
	uint8_t s;

	if (!item_read(e->txn, r->id, ITEM_VERIFY, &i) || (i.status == ITEM_WAITING && !queue_has(e->txn, &i))) {
		return; /* its call is open */
	}
	if (i.status == ITEM_WAITING && verify_stage(r, &s) != NULL && r->campaign != NULL) {
		run_requeue(e, r, &i);
	} else if (i.status == ITEM_WAITING || i.status == ITEM_HELD) {
		if (i.status == ITEM_WAITING) {
			run_unqueue(e, r, &i);
		}
		run_count(r, i.stage)->waiting -= i.status == ITEM_WAITING;
		run_count(r, i.stage)->held -= i.status == ITEM_HELD;
		verify_stop(e, r, &i, STAGE_GONE);
		run_touch(r);
		run_check_end(e, r);
	}
}

static void step(struct engine *e, struct run *r)
{
	struct verify_row v;
	uint8_t s;

	if (!verify_row_read(e->txn, r->id, &v) || !verify_at_work(v.state)) {
		r->verifying = false;
		return;
	}
	if (v.state == VERIFY_READING) {
		follow(e, r); /* its calls carry it on */
		return;
	}
	if (verify_stage(r, &s) == NULL || r->campaign == NULL) {
		verify_end(e, r, &v, STAGE_GONE);
		return;
	}
	if (v.state == VERIFY_CLEARING) {
		v.state = verify_clear(e->txn, r->id, CLEAR_SLICE) ? VERIFY_CLEARING : VERIFY_INDEXING;
	} else if (v.state == VERIFY_INDEXING) {
		if (!verify_index_slice(e, r, &v)) {
			begin_reading(e, r, &v);
		}
	} else {
		compare_slice(e, r, &v);
	}
	verify_row_write(e->txn, &v);
	run_touch(r); /* its counters may have moved */
	e->more = e->more || v.state != VERIFY_READING;
}

void verifies_step(struct engine *e)
{
	struct run *r, *next;

	HASH_ITER(hh, e->runs, r, next) {
		if (r->verifying && !e->draining) {
			step(e, r);
		}
	}
}
