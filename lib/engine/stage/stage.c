/*
 * Where an item goes next. An item comes here when a call of its ended (stage_outcome) or when it enters a stage
 * (stage_enter); at that moment no counter holds it. It leaves by exactly one of four ways, each of which counts and writes it:
 *
 *   run_queue    waits for the next call        item_hold    waits for a person
 *   stage_retry  waits until due                item_finish  has an outcome
 *
 * Here it passes from stage to stage. What each class of answer means stands in stage_answer.c, what is kept of it in stage_keep.c, the steps
 * within a stage and its end in stage_chain.c, the ways out in stage_leave.c.
 */
#include "lib/engine/stage/stage.h"

#include "lib/engine/item/known.h"
#include "lib/engine/item/makes.h"
#include "lib/engine/item/source.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/stage_parts.h"
#include "lib/engine/stage/verify.h"
#include "lib/engine/stage/view.h"
#include "lib/engine/state.h"

static void finish_pipeline(struct engine *e, struct run *r, struct item *i)
{
	const struct stage *st = run_stage(r, i->stage);
	enum item_outcome o = i->pushed ? ITEM_DELIVERED : ITEM_READY;

	if (st != NULL && st->kind == STAGE_CONFIRM && i->pushed) {
		o = ITEM_CONFIRMED;
	}
	item_finish(e, r, i, o, NULL);
}

void stage_through(struct engine *e, struct run *r, struct item *i)
{
	int p = r->stage_of[i->stage];

	if (r->pipeline->stages[p].kind == STAGE_PUSH) {
		i->pushed = true;
		verify_pushed(e, r, i);
	}
	stage_enter(e, r, i, p + 1);
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
