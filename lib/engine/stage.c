/*
 * Where an item goes next. An item comes here when a call of its ended (stage_outcome) or when it enters a stage
 * (stage_enter); at that moment no counter holds it. It leaves by exactly one of four ways, each of which counts and writes it:
 *
 *   run_queue    waits for the next call        item_hold    waits for a person
 *   stage_retry  waits until due                item_finish  has an outcome
 *
 * What each class of answer means stands in stage_answer.c, what is kept of it in stage_keep.c.
 */
#include "lib/engine/stage.h"

#include "lib/engine/credit.h"
#include "lib/engine/known.h"
#include "lib/engine/makes.h"
#include "lib/engine/recall.h"
#include "lib/engine/run.h"
#include "lib/engine/source.h"
#include "lib/engine/stage_parts.h"
#include "lib/engine/state.h"
#include "lib/engine/verify.h"
#include "lib/engine/view.h"

#include <stdarg.h>
#include <stdio.h>

#define TOO_DEAR "spend-at-most"

void item_reason(struct item *i, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(i->reason, sizeof(i->reason), format, ap);
	va_end(ap);
}

void item_finish(struct engine *e, struct run *r, struct item *i, enum item_outcome o, const char *reason)
{
	i->status = ITEM_DONE;
	i->outcome = o;
	i->done_turn = e->turn;
	i->due_us = 0;
	item_reason(i, "%s", reason != NULL ? reason : "");
	run_outcomes(r, i->level)[ITEM_OPEN]--;
	run_outcomes(r, i->level)[o]++;
	run_touch(r);
	item_write(e->txn, i);
	root_see(e, r, i);
}

void item_hold(struct engine *e, struct run *r, struct item *i, const char *reason)
{
	if (run_is_over(r) && i->phase != PHASE_VERIFY) {
		item_cancel(e, r, i, reason); /* here a retry goes on, as when it had been held before */
		return;
	}
	i->status = ITEM_HELD;
	item_reason(i, "%s", reason);
	run_count(r, i->stage)->held++;
	run_touch(r);
	item_write(e->txn, i);
	root_see(e, r, i);
}

bool stage_stops(struct engine *e, struct run *r, struct item *i)
{
	if (!run_is_over(r) || i->phase == PHASE_VERIFY) {
		return false;
	}
	item_cancel(e, r, i, i->phase == PHASE_LOOKUP ? "in-doubt" : "cancelled");
	return true;
}

void stage_retry(struct engine *e, struct run *r, struct item *i, int64_t due_us)
{
	if (stage_stops(e, r, i)) {
		return;
	}
	i->status = ITEM_RETRYING;
	i->due_us = due_us;
	later_push(e->txn, i);
	run_count(r, i->stage)->retrying++;
	r->retrying_begun[i->stage] += i->spent_micro > 0;
	run_touch(r);
	item_write(e->txn, i);
}

void item_cancel(struct engine *e, struct run *r, struct item *i, const char *reason)
{
	if (phase_recalls(i->phase)) {
		recall_give_up(e, r, i, "recall-cancelled");
		return;
	}
	item_finish(e, r, i, i->pushed ? ITEM_DELIVERED : ITEM_PARKED, reason);
}

/* --- ways through a chain --- */

void step_reset(struct item *i)
{
	i->phase = PHASE_CALL;
	i->failures = 0;
	i->doubts = 0;
	i->gate_tries = 0;
	i->prompt = 0;
}

static void finish_pipeline(struct engine *e, struct run *r, struct item *i)
{
	const struct stage *st = run_stage(r, i->stage);
	enum item_outcome o = i->pushed ? ITEM_DELIVERED : ITEM_READY;

	if (st != NULL && st->kind == STAGE_CONFIRM && i->pushed) {
		o = ITEM_CONFIRMED;
	}
	item_finish(e, r, i, o, NULL);
}

static void stage_passed(struct engine *e, struct run *r, struct item *i, int p);

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
		stage_passed(e, r, i, p);
	}
}

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

/* Since it came here, or was put back by a person. */
static int64_t spent_at(struct engine *e, const struct item *i, const struct stage *st)
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
	return st->spend_at_most_micro < 0 || i->step >= st->n_steps || stage_affords(st, i->step, spent_at(e, i, st));
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
	spent = spent_at(e, i, st);
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

static void stage_passed(struct engine *e, struct run *r, struct item *i, int p)
{
	const struct stage *st = &r->pipeline->stages[p];

	i->pushed = i->pushed || st->kind == STAGE_PUSH;
	if (st->kind == STAGE_PUSH) {
		verify_pushed(e, r, i);
	}
	stage_enter(e, r, i, p + 1);
}

void stage_through(struct engine *e, struct run *r, struct item *i)
{
	stage_passed(e, r, i, r->stage_of[i->stage]);
}

/* Not for this item; or gates only, which ran where their inputs came to be. */
static bool passes_over(struct engine *e, struct run *r, const struct item *i, const struct stage *st)
{
	struct lead_error err;
	struct value v;
	struct view view;

	if (st->of != i->level || (st->n_steps == 0 && st->makes == NULL)) {
		return true;
	}
	if (i->level == LEVEL_RUN && st->makes != NULL && !r->row.finds) {
		return true; /* a file brings what it would find */
	}
	if (st->when == NULL || e->blind) {
		return false;
	}
	view_open(e, e->txn, r, i->number, &view);
	return expr_eval(st->when, &view.source, &e->arena, &v, &err) != 0 || !value_is_true(&v);
}

/* A company's list becomes leads, without a call. */
static void fan_out(struct engine *e, struct run *r, struct item *i, const struct stage *st)
{
	struct making *m;
	struct view view;

	view_open(e, e->txn, r, i->number, &view);
	m = makes_read(e, i, st, &view.source);
	if (makes_items(e, r, i, st, m) > 0) {
		run_count(r, i->stage)->ok++;
		stage_through(e, r, i);
	} else {
		run_count(r, i->stage)->empty++;
		stage_failed(e, r, i, st->on_empty, ITEM_REJECTED, "nobody-found");
	}
}

/* The run's own item comes to a source, a company to where its leads come out. */
static void enter_makes(struct engine *e, struct run *r, struct item *i, const struct stage *st)
{
	if (i->level == LEVEL_RUN) {
		root_moved(e, r, i);
		if (!source_enter(e, r, i, st)) {
			stage_through(e, r, i);
		}
	} else {
		fan_out(e, r, i, st);
	}
}

/* What another campaign had found out: the gates judge it. False: one of them refused it, and the item went elsewhere. */
static bool reused_passes(struct engine *e, struct run *r, struct item *i, int s, struct view *view)
{
	const struct gate *g = NULL;
	const char *reason = pipeline_gates(r->pipeline, i->level, s, &view->source, &e->config->lists, &e->arena, &g);

	if (reason == NULL || r->run_stage_of[s] < 0) {
		return true;
	}
	i->stage = (uint8_t)r->run_stage_of[s];
	i->step = 0;
	step_reset(i);
	gate_refused(e, r, i, g, reason);
	return false;
}

void stage_enter(struct engine *e, struct run *r, struct item *i, int pipeline_stage)
{
	const struct pipeline *p = r->pipeline;
	struct view view;
	size_t s = (size_t)pipeline_stage;

	for (; s < p->n_stages; s++) {
		if (passes_over(e, r, i, &p->stages[s])) {
			continue;
		}
		if (!known_covers(e, r, i, &p->stages[s], &view)) {
			break;
		}
		if (!reused_passes(e, r, i, (int)s, &view)) {
			return;
		}
	}
	if (s >= p->n_stages || r->run_stage_of[s] < 0) {
		finish_pipeline(e, r, i);
		return;
	}
	i->stage = (uint8_t)r->run_stage_of[s];
	i->step = 0;
	step_reset(i);
	if (stage_stops(e, r, i)) {
		return; /* here a retry goes on: what was paid for is not asked again */
	}
	if (!stage_fits(e, &p->stages[s], i)) {
		if (!next_step(e, r, i)) {
			stage_failed(e, r, i, p->stages[s].on_fail, ITEM_REJECTED, TOO_DEAR);
		}
	} else if (p->stages[s].makes != NULL && (i->level == LEVEL_RUN || p->stages[s].n_steps == 0)) {
		enter_makes(e, r, i, &p->stages[s]);
	} else {
		stage_go_on(e, r, i);
	}
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
		if (policy == POLICY_UNCHANGED) {
			plain_fact(e, i, FACT_UNCHANGED, reason);
			count->unchanged++;
		}
		stage_enter(e, r, i, r->stage_of[i->stage] + 1);
		return;
	}
	count->failed += o == ITEM_FAILED ? 1 : 0;
	count->rejected += o == ITEM_REJECTED ? 1 : 0;
	/* what goes wrong behind a push does not take the lead back: it is delivered, and nobody should push it again */
	item_finish(e, r, i, i->pushed && st->kind != STAGE_PUSH ? ITEM_DELIVERED : o, reason);
}

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
	plain_fact(e, i, FACT_WARNING, reason);
	if (!next_step(e, r, i)) {
		stage_failed(e, r, i, st->on_down, ITEM_FAILED, reason);
	}
}
