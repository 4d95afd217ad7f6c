/*
 * One call is made: the item's inputs are looked at and its request is rendered (grant_inputs.c), then the call takes its place and is
 * written as reserved (call.c), and its item leaves the queue. Or the item goes elsewhere without a call: something is missing, it is
 * too dear by now, an answer is there already, or another call asks the same. Nothing is written before all of it worked.
 */
#include "lib/engine/call/grant.h"

#include "lib/engine/call/busy.h"
#include "lib/engine/call/cache.h"
#include "lib/engine/call/call.h"
#include "lib/engine/call/grant_parts.h"
#include "lib/engine/call/job.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/call/schedule.h"
#include "lib/engine/call/share.h"
#include "lib/engine/item/setup.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/credit.h"
#include "lib/engine/stage/recall.h"
#include "lib/engine/stage/stage.h"
#include "lib/engine/stage/verify.h"
#include "lib/engine/state.h"

#include <stdio.h>

int grant_prompt(struct engine *e, struct run *r, struct slot *s, const struct item *i, struct call *c)
{
	const struct stage *st = run_stage(r, s->stage);

	c->row.prompt = i->prompt;
	return i->phase == PHASE_CALL ? credit_number(e, &st->steps[i->step < st->n_steps ? i->step : 0], &c->row.prompt) : 0;
}

struct day_tally *grant_tally(const struct slot *s, const struct item *i)
{
	return s->tally[i->failures > 0 || i->doubts > 0 || i->gate_tries > 0 || i->repairs > 0];
}

struct call *grant_new(struct engine *e, struct slot *s, const struct verdict *v)
{
	struct call *c = engine_call_new(e, s->lane, s->call, v->group, engine_call_key(e, s->lane, v->group));

	if (c != NULL && !job_new(e, c)) {
		engine_call_free(e, c);
		return NULL;
	}
	return c;
}

/* What is on the suppression list and was pushed before stays delivered; it is only not pushed again. */
void grant_refuse(struct engine *e, struct run *r, struct item *i, const struct refusal *why)
{
	enum item_outcome o = !why->listed ? ITEM_REJECTED : i->pushed ? ITEM_DELIVERED : ITEM_SUPPRESSED;
	struct fact f = {.kind = FACT_GATE, .stage = i->stage, .step = i->step, .turn = e->turn, .wall_us = e->now.wall_us};

	(void)snprintf(f.reason, sizeof(f.reason), "%s", why->reason);
	run_unqueue(e, r, i);
	run_count(r, i->stage)->waiting--;
	if (i->phase == PHASE_VERIFY) {
		verify_stop(e, r, i, why->reason);
	} else if (phase_recalls(i->phase)) {
		recall_give_up(e, r, i, why->reason);
	} else if (why->passes) {
		stage_lacks(e, r, i, why->reason);
		e->more = true; /* it may wait elsewhere now */
	} else {
		run_count(r, i->stage)->rejected += o != ITEM_DELIVERED;
		fact_add(e->txn, i, &f);
		item_finish(e, r, i, o, why->reason);
	}
	run_check_end(e, r);
}

/* Out of the queue without a call, and to where it goes instead. */
static void leave(struct engine *e, struct run *r, struct item *i, void (*to)(struct engine *e, struct run *r, struct item *i))
{
	run_unqueue(e, r, i);
	run_count(r, i->stage)->waiting--;
	to(e, r, i);
	e->more = true; /* it may wait elsewhere now */
	run_touch(r);
	run_check_end(e, r);
}

bool grant_too_dear(struct engine *e, struct run *r, struct slot *s, struct item *i)
{
	const struct stage *st = run_stage(r, s->stage);

	if (i->phase != PHASE_CALL || st == NULL || i->stage != s->stage || stage_fits(e, st, i)) {
		return false;
	}
	leave(e, r, i, stage_too_dear);
	return true;
}

int grant_down(struct engine *e, struct run *r, struct slot *s)
{
	uint32_t number = queue_head(e->txn, s->lane->number, r->id, s->rank);
	struct item i;

	if (number == 0 || !item_read(e->txn, r->id, number, &i)) {
		s->queued = 0;
		return 0;
	}
	run_unqueue(e, r, &i);
	run_count(r, i.stage)->waiting--;
	stage_down(e, r, &i, s->lane->name);
	run_touch(r);
	run_check_end(e, r);
	return 1;
}

bool grant_out(struct engine *e, struct run *r, struct slot *s, struct call *c, struct item *items)
{
	if (!engine_call_place(e, c)) {
		engine_call_free(e, c);
		s->blocked = true;
		return false;
	}
	job_submit(e, c);
	for (size_t k = 0; k < c->row.n_parts; k++) {
		run_unqueue(e, r, &items[k]);
		r->in_flight[items[k].stage]++;
		r->in_flight_total++;
		busy_enter(r, items[k].parent, items[k].stage);
		run_count(r, items[k].stage)->calls++;
	}
	run_touch(r);
	share_offer(e, s, &items[0], c);
	return true;
}

int grant(struct engine *e, struct run *r, struct slot *s, const struct verdict *v)
{
	uint32_t number;
	struct refusal why;
	struct params params;
	struct lead_error err;
	struct item i;
	struct call *c;

	if (s->call->batch != NULL) {
		return batch_grant(e, r, s, v);
	}
	number = busy_pick(e, r, s);
	if (number == 0 && queue_head(e->txn, s->lane->number, r->id, s->rank) != 0) {
		s->blocked = true; /* all in front have parents with enough under way */
		return 0;
	}
	if (number == 0 || !item_read(e->txn, r->id, number, &i)) {
		s->queued = 0; /* the store is right: nothing waits here */
		return 0;
	}
	if (grant_too_dear(e, r, s, &i)) {
		return 0;
	}
	if (!grant_inputs(e, r, s, &i, &params, &why)) {
		grant_refuse(e, r, &i, &why);
		return 0;
	}
	c = grant_new(e, s, v);
	if (c == NULL) {
		s->blocked = true;
		return 0;
	}
	c->tally = grant_tally(s, &i);
	if (!e->blind && (grant_prompt(e, r, s, &i, c) != 0 || grant_render(e, c, &params, grant_key(e, &i, c->row.prompt), &err) != 0)) {
		engine_call_free(e, c);
		why = (struct refusal){.reason = "bad-input"};
		grant_refuse(e, r, &i, &why);
		return 0;
	}
	if (setup_waits(e, r, s, &i, c) || cache_take(e, r, s, &i, c->request.hash) || share_join(e, r, s, &i, c->request.hash)) {
		engine_call_free(e, c);
		return 0;
	}
	c->row.n_parts = 1;
	c->row.parts[0] = (struct call_part){.run = i.run, .number = i.number, .stage = i.stage, .step = i.step, .reserved_micro = c->call->price_micro};
	return grant_out(e, r, s, c, &i) ? 1 : 0;
}
