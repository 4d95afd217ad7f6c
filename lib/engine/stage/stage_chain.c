/*
 * The steps of a stage: what comes behind one that brought nothing, was refused by a gate, would cost too much or has its service down;
 * the fixed text at the end of a chain; and what becomes of an item whose chain is at its end. See stage.c.
 */
#include "lib/engine/stage/stage_parts.h"

#include "lib/engine/run/run.h"
#include "lib/engine/stage/credit.h"
#include "lib/engine/stage/view.h"
#include "lib/engine/state.h"

#include <stdio.h>

/* --- what a lead may cost at a stage --- */

struct spent_arg {
	uint8_t stage;
	int64_t micro;
};

static bool on_spent(void *arg, const struct fact *f)
{
	struct spent_arg *a = arg;

	a->micro = f->kind == FACT_OPERATOR ? 0 : a->micro + (f->stage == a->stage ? f->price_micro : 0);
	return true;
}

int64_t stage_spent(struct engine *e, const struct item *i, const struct stage *st)
{
	struct spent_arg a = {.stage = i->stage};

	if (st->spend_at_most_micro >= 0) {
		fact_walk(e->txn, i->run, i->number, on_spent, &a);
	}
	return a.micro;
}

bool stage_affords(const struct stage *st, size_t step, int64_t spent_micro)
{
	int64_t price = st->steps[step].call != NULL ? st->steps[step].call->price_micro : 0;

	return st->spend_at_most_micro < 0 || price == 0 || spent_micro + price <= st->spend_at_most_micro;
}

bool stage_fits(struct engine *e, const struct stage *st, const struct item *i)
{
	return st->spend_at_most_micro < 0 || i->step >= st->n_steps || stage_affords(st, i->step, stage_spent(e, i, st));
}

/* --- steps --- */

void step_reset(struct item *i)
{
	i->phase = PHASE_CALL;
	i->failures = 0;
	i->doubts = 0;
	i->gate_tries = 0;
	i->prompt = 0;
}

/* A chain's last resort: text from a template, marked as such; its gates count like any other's. */
static void fallback_text(struct engine *e, struct run *r, struct item *i, const struct stage *st)
{
	struct fact f = {.kind = FACT_TEMPLATE, .stage = i->stage, .step = i->step, .turn = e->turn, .wall_us = e->now.wall_us};
	int p = r->stage_of[i->stage];
	struct kept kept = {0};
	const struct gate *g = NULL;
	const char *reason = NULL;
	struct lead_error err;
	struct value text;
	struct view view;
	uint16_t prompt;

	view_open(e, e->txn, r, i->number, &view);
	kept.view = &view;
	if (template_value(st->steps[i->step].fallback, &view.source, &e->arena, &text, &err) != 0) {
		run_count(r, i->stage)->failed++;
		item_finish(e, r, i, ITEM_FAILED, "bad-expression");
		return;
	}
	kept.extra[0] = (struct fact_field){.name = "text", .name_len = 4, .value = text};
	kept.extra[1] = (struct fact_field){.name = "model", .name_len = 5, .value = value_text("template")};
	keep_fields(e, st, &kept, &f);
	if (credit_number(e, &st->steps[i->step], &prompt) == 0) {
		credit_fact(e, st, prompt, &f);
	}
	for (size_t k = 0; k < f.n_fields; k++) {
		view_add(&view, &f.fields[k]);
	}
	reason = pipeline_gates(r->pipeline, i->level, p, &view.source, &e->config->lists, &e->arena, &g);
	fact_add(e->txn, i, &f);
	credit_count(r, &f, reason == NULL);
	if (reason != NULL) {
		gate_refused(e, r, i, g, reason);
	} else {
		run_count(r, i->stage)->ok++;
		stage_through(e, r, i);
	}
}

void stage_go_on(struct engine *e, struct run *r, struct item *i)
{
	const struct stage *st = run_stage(r, i->stage);

	if (st != NULL && i->step < st->n_steps && st->steps[i->step].fallback != NULL) {
		fallback_text(e, r, i, st);
	} else {
		run_queue(e, r, i);
	}
}

/* The next step that the lead may still cost. */
bool next_step(struct engine *e, struct run *r, struct item *i)
{
	const struct stage *st = run_stage(r, i->stage);
	size_t step = i->step + 1u;
	int64_t spent;

	if (st == NULL || i->phase == PHASE_LOOKUP) {
		return false;
	}
	spent = stage_spent(e, i, st);
	while (step < st->n_steps && !stage_affords(st, step, spent)) {
		step++;
	}
	if (step >= st->n_steps) {
		return false;
	}
	i->step = (uint8_t)step;
	step_reset(i);
	stage_go_on(e, r, i);
	return true;
}

/* --- the end of a chain --- */

/* It goes on without what the stage would have brought. That nothing was found needs no word; that nobody could say does. */
static void go_without(struct engine *e, struct run *r, struct item *i, enum stage_policy policy, enum item_outcome o, const char *reason)
{
	if (policy == POLICY_UNCHANGED) {
		plain_fact(e, i, FACT_UNCHANGED, reason);
		run_count(r, i->stage)->unchanged++;
	} else if (o == ITEM_FAILED) {
		plain_fact(e, i, FACT_WARNING, reason);
		run_count(r, i->stage)->passed++;
	}
	stage_enter(e, r, i, r->stage_of[i->stage] + 1);
}

/* The chain is at its end without success. */
void stage_failed(struct engine *e, struct run *r, struct item *i, enum stage_policy policy, enum item_outcome o, const char *reason)
{
	struct stage_count *count = run_count(r, i->stage);
	const struct stage *st = run_stage(r, i->stage);

	if (i->phase == PHASE_LOOKUP) { /* nobody could say whether it was done: a person must */
		i->phase = PHASE_CALL;
		item_hold(e, r, i, "in-doubt");
		return;
	}
	i->gate_tries = 0; /* all were used up: who is put back has them again */
	if (policy == POLICY_HOLD) {
		item_hold(e, r, i, reason);
		return;
	}
	if (policy == POLICY_PASS || policy == POLICY_UNCHANGED) {
		go_without(e, r, i, policy, o, reason);
		return;
	}
	count->failed += o == ITEM_FAILED ? 1 : 0;
	count->rejected += o == ITEM_REJECTED ? 1 : 0;
	/* what goes wrong behind a push does not take the lead back: it is delivered, and nobody should push it again */
	item_finish(e, r, i, i->pushed && st->kind != STAGE_PUSH ? ITEM_DELIVERED : o, reason);
}

/* --- refused --- */

struct giver_arg {
	uint8_t stage, step;
};

static bool on_giver(void *arg, const struct fact *f)
{
	struct giver_arg *a = arg;

	a->step = f->stage == a->stage && (f->kind == FACT_CALL || f->kind == FACT_TEMPLATE) ? f->step : a->step;
	return true;
}

/* To the earlier stage's step after the one that gave what was refused. False when that was its last. */
static bool go_back(struct engine *e, struct run *r, struct item *i, const struct stage *st)
{
	struct item at = *i;
	struct giver_arg a = {0};

	if (st->back < 0 || r->run_stage_of[st->back] < 0 || i->pushed) {
		return false;
	}
	a.stage = i->stage = (uint8_t)r->run_stage_of[st->back];
	fact_walk(e->txn, i->run, i->number, on_giver, &a);
	i->step = a.step;
	i->phase = PHASE_CALL;
	if (next_step(e, r, i)) {
		return true;
	}
	*i = at;
	return false;
}

void gate_refused(struct engine *e, struct run *r, struct item *i, const struct gate *g, const char *reason)
{
	const struct stage *st = run_stage(r, i->stage);
	bool own = g->listed == r->stage_of[i->stage];

	bool again = own && i->gate_tries < st->gate_tries && st->steps[i->step].call != NULL;

	plain_fact(e, i, FACT_GATE, reason);
	again = again && stage_fits(e, st, i);
	if (again) {
		i->gate_tries++;
		i->doubts = 0;
		run_queue(e, r, i);
		return;
	}
	if (own && (next_step(e, r, i) || go_back(e, r, i, st))) {
		return;
	}
	stage_failed(e, r, i, g->policy == GATE_HOLD ? POLICY_HOLD : POLICY_FAIL, ITEM_REJECTED, reason);
}

void stage_lacks(struct engine *e, struct run *r, struct item *i, const char *reason)
{
	plain_fact(e, i, FACT_GATE, reason);
	if (!next_step(e, r, i)) {
		stage_failed(e, r, i, run_stage(r, i->stage)->on_empty, ITEM_REJECTED, reason);
	}
}

void stage_too_dear(struct engine *e, struct run *r, struct item *i)
{
	const struct stage *st = run_stage(r, i->stage);

	plain_fact(e, i, FACT_GATE, TOO_DEAR);
	if (!next_step(e, r, i)) {
		stage_failed(e, r, i, st->on_fail, ITEM_REJECTED, TOO_DEAR);
	}
}

void stage_down(struct engine *e, struct run *r, struct item *i, const char *service)
{
	const struct stage *st = run_stage(r, i->stage);
	char reason[ITEM_REASON];

	(void)snprintf(reason, sizeof(reason), "down: %.30s", service);
	if (i->step + 1u < st->n_steps || st->on_down != POLICY_PASS) {
		plain_fact(e, i, FACT_WARNING, reason); /* else it is the last word at this stage */
	}
	if (!next_step(e, r, i)) {
		stage_failed(e, r, i, st->on_down, ITEM_FAILED, reason);
	}
}
