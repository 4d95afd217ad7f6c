/*
 * What each class of answer does to its item:
 *
 *   ok, duplicate -> keep fields -> gates -> next stage      empty -> look again | next step | on_empty
 *   throttle, transient, pending -> retry | next step | on_fail        refusal, permanent -> next step | on_fail
 *   quota, auth -> wait (or next step)                       in doubt -> repeat | look up | hold
 */

#include "lib/engine/stage/stage_parts.h"

#include "lib/base/ids.h"
#include "lib/engine/call/call.h"
#include "lib/engine/engine.h"
#include "lib/engine/item/makes.h"
#include "lib/engine/item/source.h"
#include "lib/engine/plan/foretell.h"
#include "lib/engine/plan/tallies.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/credit.h"
#include "lib/engine/stage/recall.h"
#include "lib/engine/stage/stage.h"
#include "lib/engine/stage/verify.h"
#include "lib/engine/stage/view.h"
#include "lib/engine/state.h"

#include <strings.h>

static bool has_gates(const struct pipeline *p, int after)
{
	for (size_t i = 0; i < p->n_gates; i++) {
		if (p->gates[i].after == after) {
			return true;
		}
	}
	return false;
}

/* Does what was read back carry what it should? The case of letters is free: services store addresses in their own. */
static bool expected(struct engine *e, const struct stage *st, const struct answer *a, const struct view *view)
{
	for (size_t i = 0; i < st->n_expect; i++) {
		struct lead_error err;
		struct value want, got = {0};

		for (size_t k = 0; k < a->n_fields; k++) {
			if (strcmp(a->fields[k].name, st->expect[i].name) == 0) {
				got = a->fields[k].value;
			}
		}
		if (template_value(st->expect[i].value, &view->source, &e->arena, &want, &err) != 0 || got.len != want.len ||
		    (got.len > 0 && strncasecmp(got.text, want.text, got.len) != 0)) {
			return false;
		}
	}
	return true;
}

void count_failure(struct item *i, enum outcome_class class)
{
	if (i->failure_class != (uint8_t)class) {
		i->failures = 0;
		i->failure_class = (uint8_t)class;
	}
	i->failures += i->failures < UINT8_MAX ? 1 : 0;
}

/* It was not read back as it should be: look again, push again, or leave it as delivered. What is there and differs is pushed again once at
 * most: a tool that overwrites has it right then, one that skips whom it has never will. */
static void confirm_missing(struct engine *e, struct run *r, struct item *i, const struct stage *st, bool there, const char *reason)
{
	uint32_t repairs = there && st->repairs > 1 ? 1 : st->repairs;

	count_failure(i, OUTCOME_EMPTY);
	if (i->failures < st->looks) {
		stage_retry(e, r, i, e->now.boot_us + st->wait_us);
		return;
	}
	run_count(r, i->stage)->empty++;
	if (st->repair >= 0 && i->repairs < repairs && !run_is_over(r)) {
		i->repairs++;
		stage_enter(e, r, i, st->repair);
		return;
	}
	item_finish(e, r, i, ITEM_DELIVERED, reason);
}

static void on_empty(struct engine *e, struct run *r, struct item *i, const struct stage *st, const struct call *c, const struct answer *a,
    const char *reason)
{
	if (st->kind == STAGE_CONFIRM) {
		confirm_missing(e, r, i, st, a->outcome != OUTCOME_EMPTY, reason);
		return;
	}
	run_count(r, i->stage)->empty++;
	if (i->level == LEVEL_RUN && st->makes != NULL) {
		source_answered(e, r, i, st, c, a, 0); /* a round without anything */
	} else if (!next_step(e, r, i)) {
		stage_failed(e, r, i, st->on_empty, ITEM_REJECTED, reason);
	}
}

static enum tally_end end_of(const struct run *r, const struct item *i, bool seen, const struct gate *g)
{
	if (g == NULL) {
		return seen ? END_PASSED : END_UNSEEN;
	}
	if (g->listed == r->stage_of[i->stage]) {
		return g->policy == GATE_HOLD ? END_OWN_HOLD : END_OWN_REJECT;
	}
	return g->policy == GATE_HOLD ? END_OTHER_HOLD : END_OTHER_REJECT;
}

/* What it was told is kept and let through: items come of it, or the next page, or the next stage. */
static void stage_succeeded(struct engine *e, struct run *r, struct item *i, const struct stage *st, const struct call *c, const struct answer *a,
    struct making *making)
{
	uint64_t made = st->makes != NULL ? makes_items(e, r, i, st, making) : 0;

	run_count(r, i->stage)->ok++;
	if (i->level == LEVEL_RUN) {
		root_moved(e, r, i);
	}
	if (i->level == LEVEL_RUN && st->makes != NULL) {
		source_answered(e, r, i, st, c, a, made);
	} else if (page_next(e, i, c, a)) {
		step_reset(i);
		run_queue(e, r, i);
	} else if (st->makes != NULL && made == 0) {
		stage_failed(e, r, i, st->on_empty, ITEM_REJECTED, "nobody-found");
	} else {
		stage_through(e, r, i);
	}
}

/* The gates behind the stage: NULL, or why one of them (*ret_gate) refuses. A blind engine was told what they will say, and whether it is *seen. */
static const char *judge(struct engine *e, const struct run *r, const struct item *i, const struct call *c, const struct view *view, bool *seen,
    const struct gate **ret_gate)
{
	int p = r->stage_of[i->stage];
	enum tally_end end = c->members != NULL ? c->members[c->at].foretold : c->foretold;

	if (e->blind) {
		*seen = end != END_UNSEEN;
		return foretell_gates(r, p, end, ret_gate);
	}
	return *seen ? pipeline_gates(r->pipeline, i->level, p, &view->source, &e->config->lists, &e->arena, ret_gate) : NULL;
}

/* Kept, judged, and then where it goes. What was read back of a push and is not as it should be (not seen) is as good as nothing. */
static void on_success(struct engine *e, struct run *r, struct item *i, const struct stage *st, const struct call *c, const struct answer *a)
{
	struct fact f = call_fact(e, i, c, a);
	struct kept kept = {.answer = a};
	struct expr_source source = kept_source(&kept);
	const struct gate *g = NULL;
	const char *reason = NULL;
	bool seen = true, reads = st->n_gives > 0 || st->n_expect > 0 || st->makes != NULL || st->created != NULL || st->kind == STAGE_CONFIRM || has_gates(r->pipeline, r->stage_of[i->stage]);
	struct making *making = NULL;
	struct view view = {0};

	/* everything is read before anything is written: the store's pages move under a write */
	if (!e->blind && reads) {
		view_open(e, e->txn, r, i->number, &view);
		kept.view = &view;
		seen = st->kind != STAGE_CONFIRM || expected(e, st, a, &view);
	}
	if (!e->blind) {
		keep_fields(e, st, &kept, &f);
		credit_fact(e, st, c->row.prompt, &f);
	}
	for (size_t k = 0; k < f.n_fields && kept.view != NULL; k++) {
		view_add(&view, &f.fields[k]);
	}
	reason = judge(e, r, i, c, &view, &seen, &g);
	if (st->makes != NULL && kept.view != NULL && seen && reason == NULL) {
		making = makes_read(e, i, st, &source);
	}
	if (st->kind == STAGE_PUSH || (st->kind == STAGE_CONFIRM && seen)) {
		recall_own(e, r, i, st, c, a, kept.view != NULL ? &source : NULL);
	}
	fact_add(e->txn, i, &f);
	credit_count(r, &f, seen && reason == NULL);
	tally_end(e, c, a, end_of(r, i, seen, reason != NULL ? g : NULL));
	if (!seen) {
		on_empty(e, r, i, st, c, a, "not-as-pushed");
	} else if (reason != NULL) {
		gate_refused(e, r, i, g, reason);
	} else {
		stage_succeeded(e, r, i, st, c, a, making);
	}
}

/* Pending at the last try too: asked often enough, what it says is what there is, and the gates judge it. */
static bool is_success(const struct item *i, const struct call *c, const struct answer *a)
{
	const struct retry_spec *retry = &c->call->retry[OUTCOME_PENDING];
	unsigned failures = i->failure_class == OUTCOME_PENDING ? i->failures : 0;

	return a->outcome == OUTCOME_OK || a->outcome == OUTCOME_DUPLICATE ||
	       (a->outcome == OUTCOME_PENDING && retry->attempts != 0 && failures + 1 >= retry->attempts);
}

/* Throttle, transient, pending, unsent: the same request later, as often as the class allows. */
static void on_later(struct engine *e, struct run *r, struct item *i, const struct stage *st, const struct call *c, const struct answer *a)
{
	bool unsent = a->outcome == OUTCOME_UNSENT, again;
	const struct retry_spec *retry = &c->call->retry[unsent ? OUTCOME_TRANSIENT : a->outcome];

	count_failure(i, a->outcome);
	if (a->outcome == OUTCOME_THROTTLE && st->on_quota_next && next_step(e, r, i)) {
		return;
	}
	again = retry->attempts == 0 || i->failures < retry->attempts;
	if (!again && next_step(e, r, i)) {
		return;
	}
	/* a service that cannot be reached is not the lead's fault: the breaker sets the pace, and nothing was sent or paid */
	if (again || (unsent && c->def->breaker.enabled)) {
		stage_retry(e, r, i, e->now.boot_us + retry_wait_us(retry, i->failures, a->retry_after_us, dice_roll(&e->dice)));
		return;
	}
	stage_failed(e, r, i, st->on_fail, ITEM_FAILED, a->reason);
}

/* Repeats are over, or there are none. Who may go on unchanged does: the doubt is only about money, and that stays counted. */
static void on_doubt_left(struct engine *e, struct run *r, struct item *i, const struct stage *st, const struct call *c)
{
	i->phase = PHASE_CALL;
	if (c->call->doubt != DOUBT_REPEAT || st->on_fail != POLICY_UNCHANGED) {
		item_hold(e, r, i, "in-doubt");
	} else if (!next_step(e, r, i)) {
		stage_failed(e, r, i, POLICY_UNCHANGED, ITEM_FAILED, "in-doubt");
	}
}

static void on_doubt(struct engine *e, struct run *r, struct item *i, const struct stage *st, const struct call *c)
{
	uint32_t times = c->call->doubt_times != 0 ? c->call->doubt_times : 1;

	i->doubts++;
	if (c->call->doubt == DOUBT_LOOKUP) {
		i->phase = PHASE_LOOKUP;
		i->prompt = c->row.prompt;
		times = c->call->doubt_times != 0 ? c->call->doubt_times : 3;
	}
	if (c->call->doubt == DOUBT_HOLD || i->doubts > times) {
		on_doubt_left(e, r, i, st, c);
		return;
	}
	run_queue(e, r, i);
}

/* A call in doubt was looked up: there it is, as if it had answered, or it is made again. False: nobody could say. */
static bool lookup_outcome(struct engine *e, struct run *r, struct item *i, const struct stage *st, const struct call *c, const struct answer *a)
{
	if (a->outcome == OUTCOME_OK || a->outcome == OUTCOME_DUPLICATE) {
		i->phase = PHASE_CALL;
		on_success(e, r, i, st, c, a);
		return true;
	}
	if (a->outcome == OUTCOME_EMPTY) {
		struct fact f = call_fact(e, i, c, a);

		fact_add(e->txn, i, &f);
		i->phase = PHASE_CALL;
		run_queue(e, r, i);
		return true;
	}
	return false;
}

static void by_class(struct engine *e, struct run *r, struct item *i, const struct stage *st, const struct call *c, const struct answer *a)
{
	switch (a->outcome) {
	case OUTCOME_EMPTY:
		on_empty(e, r, i, st, c, a, a->reason != NULL ? a->reason : "empty");
		break;
	case OUTCOME_PENDING:
	case OUTCOME_THROTTLE:
	case OUTCOME_TRANSIENT:
	case OUTCOME_UNSENT:
		on_later(e, r, i, st, c, a);
		break;
	case OUTCOME_QUOTA:
	case OUTCOME_AUTH:
		if (!st->on_quota_next || !next_step(e, r, i)) {
			run_queue(e, r, i); /* the key is parked: the item waits for it */
		}
		break;
	case OUTCOME_IN_DOUBT:
		on_doubt(e, r, i, st, c);
		break;
	default: /* refusal, permanent */
		if (!next_step(e, r, i)) {
			stage_failed(e, r, i, st->on_fail, ITEM_FAILED, a->reason);
		}
		break;
	}
}

/* In a chain what a provider found beside what was wanted is there for the next one. */
static void keep_of_empty(struct engine *e, struct run *r, const struct item *i, const struct stage *st, const struct answer *a, struct fact *f)
{
	struct kept kept = {.answer = a};
	struct view view;

	if (a->outcome == OUTCOME_EMPTY && st->n_steps > 1 && i->phase == PHASE_CALL && a->n_fields > 0 && !e->blind) {
		view_open(e, e->txn, r, i->number, &view);
		kept.view = &view;
		keep_fields(e, st, &kept, f);
	}
}

void stage_outcome(struct engine *e, struct run *r, struct item *i, const struct call *c, const struct answer *a)
{
	const struct stage *st = run_stage(r, i->stage);
	struct fact f;

	if (i->phase == PHASE_VERIFY) {
		verify_outcome(e, r, i, c, a);
		return;
	}
	if (phase_recalls(i->phase)) {
		recall_outcome(e, r, i, c, a);
		return;
	}
	if (st == NULL || c->call == NULL) {
		f = call_fact(e, i, c, a);
		fact_add(e->txn, i, &f);
		item_hold(e, r, i, STAGE_GONE);
		return;
	}
	if (i->phase == PHASE_LOOKUP && lookup_outcome(e, r, i, st, c, a)) {
		return;
	}
	if (i->phase == PHASE_CALL && is_success(i, c, a)) {
		on_success(e, r, i, st, c, a);
		return;
	}
	f = call_fact(e, i, c, a);
	keep_of_empty(e, r, i, st, a, &f);
	fact_add(e->txn, i, &f);
	if (run_is_over(r) && a->outcome == OUTCOME_IN_DOUBT) { /* nothing of the run is granted any more, a look-up neither */
		item_cancel(e, r, i, "in-doubt");
		return;
	}
	by_class(e, r, i, st, c, a);
}

void stage_unanswered(struct engine *e, struct run *r, struct item *i, const struct call *c, const struct answer *a)
{
	struct fact f = call_fact(e, i, c, a);

	fact_add(e->txn, i, &f);
	if (i->phase == PHASE_VERIFY) {
		verify_stop(e, r, i, NO_ANSWER);
		return;
	}
	if (phase_recalls(i->phase)) {
		recall_give_up(e, r, i, NO_ANSWER);
		return;
	}
	i->phase = PHASE_CALL;
	item_hold(e, r, i, NO_ANSWER);
}
