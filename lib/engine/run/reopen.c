/*
 * A lead that is put back goes on where it stopped:
 *
 *   in the middle of a chain        at that step; what the steps before it were told is there already
 *   at the end of one               behind the last step that was answered; when that was the last of all, at the first
 *   the chain is another one now    at the first step whose service it has not heard; when it has heard all, at the first
 *   in doubt                        where the doubtful call is looked up, if it can be
 *   a source                        with the round that it had asked for; when that was answered, with what comes next
 *
 * A step was answered when its service said something about the lead, good or bad; what failed was not. All of it is read from the
 * lead's facts.
 */
#include "lib/engine/run/reopen.h"

#include "lib/engine/call/lane.h"
#include "lib/engine/engine.h"
#include "lib/engine/item/known.h"
#include "lib/engine/item/source.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/stage.h"
#include "lib/engine/state.h"

#include <stdio.h>

/* --- what its stage was told so far --- */

struct heard {
	const struct stage *stage;
	uint8_t number;                 /* of the stage, in the run */
	bool looks[CHAIN_STEPS];        /* a call in doubt is being looked up */
	bool asked[CHAIN_STEPS], answered[CHAIN_STEPS];
	uint16_t service[CHAIN_STEPS];  /* whom; 0: a fixed text */
	int last;                       /* the last step that was answered; -1: none was */
};

static bool is_answer(uint8_t outcome)
{
	return outcome == OUTCOME_OK || outcome == OUTCOME_EMPTY || outcome == OUTCOME_DUPLICATE || outcome == OUTCOME_REFUSAL ||
	       outcome == OUTCOME_PERMANENT;
}

static bool on_heard(void *arg, const struct fact *f)
{
	struct heard *h = arg;
	const struct service_call *call = f->step < h->stage->n_steps ? h->stage->steps[f->step].call : NULL;
	bool answer = f->kind == FACT_TEMPLATE || is_answer(f->outcome);

	if (f->stage != h->number || f->step >= CHAIN_STEPS || (f->kind != FACT_CALL && f->kind != FACT_CACHED && f->kind != FACT_TEMPLATE)) {
		return true;
	}
	if (h->looks[f->step] && f->outcome == OUTCOME_EMPTY) {
		h->looks[f->step] = false; /* it was not done: the call comes again */
		return true;
	}
	h->looks[f->step] = f->outcome == OUTCOME_IN_DOUBT ? call != NULL && call->doubt == DOUBT_LOOKUP : h->looks[f->step] && !answer;
	h->asked[f->step] = true;
	h->service[f->step] = f->kind == FACT_TEMPLATE ? 0 : f->service;
	if (answer) {
		h->answered[f->step] = true;
		h->last = f->step;
	}
	return true;
}

static uint16_t service_of(struct engine *e, const struct step *s)
{
	const struct lane *l = s->call != NULL ? lane_by_name(e, s->service->name) : NULL;

	return l != NULL ? l->number : 0;
}

/* --- where to --- */

static bool is_another(struct engine *e, const struct item *i, const struct stage *st, const struct heard *h)
{
	for (size_t k = 0; k < CHAIN_STEPS; k++) {
		if (h->asked[k] && (k >= st->n_steps || h->service[k] != service_of(e, &st->steps[k]))) {
			return true;
		}
	}
	return i->step >= st->n_steps || (st->steps[i->step].call == NULL && !h->asked[i->step]);
}

/* The first step of another chain whose service has said nothing yet. */
static uint8_t unheard(struct engine *e, const struct stage *st, const struct heard *h)
{
	for (size_t s = 0; s < st->n_steps; s++) {
		uint16_t service = service_of(e, &st->steps[s]);
		bool told = false;

		for (size_t k = 0; k < CHAIN_STEPS; k++) {
			told = told || (h->answered[k] && h->service[k] == service);
		}
		if (!told) {
			return (uint8_t)s;
		}
	}
	return 0;
}

/* Nothing was left to be tried at its step, and so in its chain. */
static bool is_at_end(const struct item *i, const struct stage *st, const struct heard *h)
{
	const struct service_call *call = st->steps[i->step].call;
	uint32_t attempts = call != NULL && i->failure_class < OUTCOME_N ? call->retry[i->failure_class].attempts : 0;

	return i->outcome == ITEM_FAILED || (h->answered[i->step] && i->gate_tries == 0) || (attempts != 0 && i->failures >= attempts);
}

/* Sets the step at which it goes on. Returns true when the chain is not the one it stopped in. */
static bool find_step(struct engine *e, struct item *i, const struct stage *st)
{
	struct heard h = {.stage = st, .number = i->stage, .last = -1};
	bool another;

	if (st->n_steps == 0 || (st->n_steps == 1 && i->step == 0)) {
		i->gate_tries = 0;
		return false;
	}
	fact_walk(e->txn, i->run, i->number, on_heard, &h);
	another = is_another(e, i, st, &h);
	if (another) {
		i->step = unheard(e, st, &h);
		i->gate_tries = 0;
	} else if (is_at_end(i, st, &h)) {
		i->step = (size_t)h.last + 1 < st->n_steps ? (uint8_t)(h.last + 1) : 0;
		i->gate_tries = 0;
	}
	return another;
}

/* --- back to work --- */

static void recount(struct run *r, const struct item *i)
{
	r->row.ends_as = RUN_RUNNING;
	if (i->status == ITEM_HELD) {
		run_count(r, i->stage)->held--; /* it was open all the time */
	} else {
		stage_uncount(run_count(r, i->stage), i->outcome);
		run_outcomes(r, i->level)[i->outcome]--;
		run_outcomes(r, i->level)[ITEM_OPEN]++;
	}
}

/* Another run took the lead when it had come to nothing here. */
static bool is_taken(struct engine *e, struct run *r, struct item *i)
{
	uint32_t by = i->outcome != ITEM_DUPLICATE ? known_elsewhere(e, r, i) : 0;
	struct fact f = {.kind = FACT_GATE, .stage = i->stage, .step = i->step, .turn = e->turn, .wall_us = e->now.wall_us};

	if (by == 0) {
		return false;
	}
	(void)snprintf(f.reason, sizeof(f.reason), "known-in-run-%u", by);
	fact_add(e->txn, i, &f);
	recount(r, i);
	item_finish(e, r, i, ITEM_DUPLICATE, f.reason);
	run_check_end(e, r);
	return true;
}

bool item_reopen(struct engine *e, struct run *r, struct item *i)
{
	struct fact f = {.kind = FACT_OPERATOR, .stage = i->stage, .turn = e->turn, .wall_us = e->now.wall_us, .reason = "retry"};
	bool doubtful = strcmp(i->reason, "in-doubt") == 0, another, look;
	const struct stage *st;

	if (r->row.state >= RUN_DONE) {
		run_reopen(e, r);
	}
	st = run_stage(r, i->stage);
	if (is_taken(e, r, i)) {
		return false;
	}
	recount(r, i);
	another = st != NULL && find_step(e, i, st);
	if (another) {
		(void)snprintf(f.reason, sizeof(f.reason), "retry: another chain");
	}
	f.step = i->step;
	look = doubtful && !another && st != NULL && i->step < st->n_steps && st->steps[i->step].call != NULL &&
	       st->steps[i->step].call->doubt == DOUBT_LOOKUP;
	i->outcome = ITEM_OPEN;
	i->reason[0] = 0;
	i->failures = i->doubts = 0;
	if (i->repairs > 0 && !doubtful) { /* it was looked for and not there; what is in doubt is still the same push */
		item_push_anew(i);
	}
	i->phase = look ? PHASE_LOOKUP : PHASE_CALL; /* nobody knows yet whether it was done */
	fact_add(e->txn, i, &f);
	if (st != NULL && i->level == LEVEL_RUN && st->makes != NULL && !look) {
		source_resume(e, r, i, st);
	} else if (st != NULL && st->n_steps == 0) {
		stage_enter(e, r, i, r->stage_of[i->stage]); /* nothing to queue for: gates that a person overruled */
	} else {
		stage_go_on(e, r, i);
	}
	if (i->level == LEVEL_RUN) {
		root_moved(e, r, i);
	}
	return true;
}

/* The stage no longer counts it among its ends. */
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
