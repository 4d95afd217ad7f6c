/*
 * What a run pushed is taken out of the destination again. See recall.h.
 *
 * Whose a lead is shows when its push is answered (recall_own): one that was there before is not the run's and stays there for
 * ever. An item that is being recalled keeps what it was; whatever keeps it in the destination makes it that again
 * (recall_give_up), with the reason in its words. Calls of a recall are calls like all others: limits, ledger, restart.
 */
#include "lib/engine/stage/recall.h"

#include "lib/base/ids.h"
#include "lib/engine/call/call.h"
#include "lib/engine/clocks.h"
#include "lib/engine/command.h"
#include "lib/engine/run/reopen.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/stage.h"
#include "lib/engine/stage/stage_parts.h"
#include "lib/engine/stage/view.h"
#include "lib/engine/state.h"
#include "lib/engine/task.h"

#include <stdio.h>

#define CLOCKS_APART_US (60 * US_PER_S) /* the clocks that are compared may be off by so much */
#define LOOKS 3
#define LOOK_WAIT_US (2 * US_PER_S)
#define DOUBTS 3
#define WORD "recall"

/* --- whose it is --- */

struct first_push {
	uint8_t stage;
	uint64_t call;
	bool doubt;
};

/* The first call that may have brought it there, since it was last taken out. */
static bool on_fact(void *arg, const struct fact *f)
{
	struct first_push *p = arg;
	bool arrived = f->outcome == OUTCOME_OK || f->outcome == OUTCOME_IN_DOUBT || f->outcome == OUTCOME_TRANSIENT;

	if (f->kind == FACT_OPERATOR && strcmp(f->reason, WORD) == 0) {
		*p = (struct first_push){.stage = p->stage};
	} else if (f->kind == FACT_CALL && f->stage == p->stage && arrived && p->call == 0) {
		p->call = f->call;
	}
	p->doubt = p->doubt || (f->kind == FACT_CALL && f->stage == p->stage && f->outcome == OUTCOME_IN_DOUBT);
	return true;
}

/* Since when it is there, as the destination says; false when it does not. */
static bool created_at(struct engine *e, const struct stage *st, const struct expr_source *seen, int64_t *ret_us)
{
	struct lead_error err;
	struct value v;
	char text[64];
	int64_t n;

	if (st->created == NULL || seen == NULL || template_value(st->created, seen, &e->arena, &v, &err) != 0 || v.kind == VALUE_NONE ||
	    v.len >= sizeof(text)) {
		return false;
	}
	(void)snprintf(text, sizeof(text), "%.*s", (int)v.len, v.text != NULL ? v.text : "");
	if (value_to_int(&v, &n) && n > 0 && n < INT64_MAX / US_PER_S) {
		*ret_us = n * US_PER_S;
		return true;
	}
	return time_parse_rfc3339(text, ret_us);
}

/* The first push, on the destination's clock as this answer tells it, else on ours. */
static int64_t pushed_at(struct engine *e, const struct first_push *p, const struct call *c, const struct answer *a)
{
	struct call_row row = c->row;

	if (p->call != 0 && !call_read(e->txn, p->call, &row)) {
		return ids_wall_us(p->call);
	}
	return a->date_wall_us != 0 ? a->date_wall_us - clocks_age_us(e, row.boot, row.granted_us, row.granted_wall_us) : row.granted_wall_us;
}

void recall_own(struct engine *e, const struct run *r, struct item *i, const struct stage *st, const struct call *c, const struct answer *a,
    const struct expr_source *seen)
{
	struct first_push p = {.stage = i->stage};
	bool push = st->kind == STAGE_PUSH;
	bool direct = push && i->step < st->n_steps && c->call == st->steps[i->step].call;
	int64_t created_us;

	st = push ? st : recall_stage(r, &p.stage);
	if (i->ours || st == NULL) {
		return;
	}
	fact_walk(e->txn, i->run, i->number, on_fact, &p);
	if (!p.doubt && (!push || a->outcome == OUTCOME_DUPLICATE)) {
		return; /* others brought it there */
	}
	if (created_at(e, st, seen, &created_us)) {
		i->ours = created_us >= pushed_at(e, &p, c, a) - CLOCKS_APART_US;
	} else {
		i->ours = a->outcome == OUTCOME_OK && direct; /* found after a doubtful push: nobody knows since when it is there */
	}
}

/* --- which, and may it be --- */

const struct stage *recall_stage(const struct run *r, uint8_t *ret_stage)
{
	for (size_t p = 0; r->pipeline != NULL && p < r->pipeline->n_stages; p++) {
		if (r->pipeline->stages[p].recall.call != NULL && r->run_stage_of[p] >= 0) {
			*ret_stage = (uint8_t)r->run_stage_of[p];
			return &r->pipeline->stages[p];
		}
	}
	return NULL;
}

const char *recall_stays(const struct item *i)
{
	if (i->ours) {
		return i->status == ITEM_DONE ? NULL : i->phase >= PHASE_RECALL ? "is being recalled" : "is under way";
	}
	return i->pushed ? "was there before" : "";
}

bool recall_refused(const struct run *r, bool unsent_only, char text[200])
{
	const struct stage *st;
	uint8_t s;

	text[0] = 0;
	st = recall_stage(r, &s);
	if (r->pipeline == NULL || r->campaign == NULL) {
		(void)snprintf(text, 200, "campaign %.70s or pipeline %.70s is gone from the configuration", r->row.campaign,
		    r->row.pipeline);
	} else if (st == NULL) {
		(void)snprintf(text, 200, "pipeline %.90s has no push stage with 'recall'", r->row.pipeline);
	} else if (unsent_only && st->unsent == NULL) {
		(void)snprintf(text, 200, "stage %.40s of pipeline %.70s has no 'unsent': nobody can say to whom something was sent", st->name,
		    r->row.pipeline);
	} else if (!run_is_over(r) && (r->row.importing || r->row.outcomes[ITEM_OPEN] > r->row.recalling)) {
		(void)snprintf(text, 200, "run %u is %s: cancel it first, or wait for its end", r->id, run_state_word(r->row.state));
	} else if (run_is_over(r) && (r->sweeping || r->in_flight_total > 0)) {
		(void)snprintf(text, 200, "run %u still has %u calls under way: again when they have ended", r->id, r->in_flight_total);
	}
	return text[0] != 0;
}

void run_recall(struct engine *e, struct command *c, struct run *r)
{
	char text[200];

	if (recall_refused(r, c->unsent_only, text)) {
		command_refuse(e, c, COMMAND_WRONG_STATE, text);
	} else {
		task_add(e, c);
	}
}

/* --- one lead --- */

struct last_push {
	uint8_t stage;
	bool doubt;
};

/* Whatever tells of it afterwards, tells under which name it is there. */
static bool on_last(void *arg, const struct fact *f)
{
	struct last_push *p = arg;

	if (f->kind == FACT_CALL && f->stage == p->stage) {
		p->doubt = f->outcome == OUTCOME_IN_DOUBT;
	} else if (f->kind == FACT_CALL && f->outcome == OUTCOME_OK) {
		p->doubt = false;
	}
	return true;
}

/* How its recall begins. */
static enum item_phase first_phase(struct engine *e, const struct run *r, const struct item *i, uint8_t stage, bool unsent_only)
{
	struct last_push p = {.stage = stage};

	if (unsent_only) {
		return PHASE_RECALL_LOOK;
	}
	fact_walk(e->txn, i->run, i->number, on_last, &p);
	return p.doubt && run_stage(r, stage)->steps[0].call->doubt_lookup != NULL ? PHASE_RECALL_SEEK : PHASE_RECALL;
}

static void reset(struct item *i)
{
	i->failures = i->doubts = i->gate_tries = 0;
	i->failure_class = 0;
}

bool recall_item(struct engine *e, struct run *r, struct item *i, bool unsent_only)
{
	struct fact f = {.kind = FACT_OPERATOR, .turn = e->turn, .wall_us = e->now.wall_us, .reason = WORD};
	char text[200];
	uint8_t stage;

	if (recall_stays(i) != NULL || recall_refused(r, unsent_only, text)) {
		return false; /* between two slices of the task something may have changed */
	}
	(void)recall_stage(r, &stage);
	if (r->row.state >= RUN_DONE) {
		enum run_state was = r->row.state;

		run_reopen(e, r);
		r->row.ends_as = was;
	}
	r->row.outcomes[i->outcome]--;
	r->row.outcomes[ITEM_OPEN]++;
	r->row.recalling++;
	i->was = i->outcome;
	i->was_stage = i->stage;
	i->outcome = ITEM_OPEN;
	i->stage = f.stage = stage;
	i->step = 0;
	i->phase = first_phase(e, r, i, stage, unsent_only);
	i->reason[0] = 0;
	reset(i);
	fact_add(e->txn, i, &f);
	run_queue(e, r, i);
	return true;
}

static void leave(struct engine *e, struct run *r, struct item *i, enum item_outcome o, const char *reason)
{
	r->row.recalling--;
	i->phase = PHASE_CALL;
	i->was = ITEM_OPEN;
	i->was_stage = 0;
	reset(i);
	item_finish(e, r, i, o, reason);
}

void recall_give_up(struct engine *e, struct run *r, struct item *i, const char *reason)
{
	i->stage = i->was_stage;
	leave(e, r, i, i->was, reason);
}

static void removed(struct engine *e, struct run *r, struct item *i)
{
	stage_uncount(run_count(r, i->was_stage), i->was);
	i->pushed = i->ours = false;
	item_push_anew(i);
	leave(e, r, i, ITEM_RECALLED, NULL);
}

static void stays(struct engine *e, struct run *r, struct item *i, const char *reason)
{
	char text[ITEM_REASON];

	(void)snprintf(text, sizeof(text), WORD ": %s", reason != NULL ? reason : "refused");
	recall_give_up(e, r, i, text);
}

/* --- answers --- */

static bool is_unsent(struct engine *e, struct run *r, const struct item *i, const struct stage *st, const struct answer *a)
{
	struct lead_error err;
	struct value v;
	struct view view;

	if (st == NULL || st->unsent == NULL) {
		return false;
	}
	view_open(e, e->txn, r, i->number, &view);
	for (size_t k = 0; k < a->n_fields; k++) {
		struct fact_field f = {.name = a->fields[k].name, .name_len = (uint32_t)strlen(a->fields[k].name), .value = a->fields[k].value};

		view_add(&view, &f);
	}
	return expr_eval(st->unsent, &view.source, &e->arena, &v, &err) == 0 && value_is_true(&v);
}

static void again(struct engine *e, struct run *r, struct item *i, int64_t wait_us)
{
	if (run_is_over(r)) {
		stays(e, r, i, "cancelled");
	} else if (wait_us == 0) {
		run_queue(e, r, i);
	} else {
		stage_retry(e, r, i, e->now.boot_us + wait_us);
	}
}

static void on_later(struct engine *e, struct run *r, struct item *i, const struct call *c, const struct answer *a)
{
	bool unsent = a->outcome == OUTCOME_UNSENT;
	const struct retry_spec *retry = &c->call->retry[unsent ? OUTCOME_TRANSIENT : a->outcome];

	count_failure(i, a->outcome);
	if (retry->attempts == 0 || i->failures < retry->attempts || (unsent && c->def->breaker.enabled)) {
		again(e, r, i, retry_wait_us(retry, i->failures, a->retry_after_us, dice_roll(&e->dice)));
	} else {
		stays(e, r, i, a->reason);
	}
}

/* Not to be seen: what is known of it goes, as it would have. */
static void sought(struct engine *e, struct run *r, struct item *i, const struct answer *a)
{
	bool seen = a->outcome != OUTCOME_EMPTY;

	if (!seen) {
		count_failure(i, OUTCOME_EMPTY);
	}
	if (!seen && i->failures < LOOKS) {
		again(e, r, i, LOOK_WAIT_US);
		return;
	}
	i->phase = PHASE_RECALL;
	reset(i);
	again(e, r, i, 0);
}

static void looked(struct engine *e, struct run *r, struct item *i, const struct answer *a, bool unsent)
{
	if (a->outcome == OUTCOME_EMPTY) { /* an index may be slow; what cannot be seen may have been written to */
		count_failure(i, OUTCOME_EMPTY);
		if (i->failures < LOOKS) {
			again(e, r, i, LOOK_WAIT_US);
		} else {
			stays(e, r, i, "not seen");
		}
	} else if (!unsent) {
		stays(e, r, i, "sent already");
	} else {
		i->phase = PHASE_RECALL;
		reset(i);
		again(e, r, i, 0);
	}
}

/* Under which name it is there now: what was known of it may be of a push that is gone. */
static void keep_seen(struct engine *e, struct run *r, const struct item *i, const struct stage *st, const struct answer *a, struct fact *f)
{
	struct kept kept = {.answer = a};
	struct view view;

	if (st != NULL) {
		view_open(e, e->txn, r, i->number, &view);
		kept.view = &view;
		keep_fields(e, st, &kept, f);
	}
}

void recall_outcome(struct engine *e, struct run *r, struct item *i, const struct call *c, const struct answer *a)
{
	const struct stage *st = run_stage(r, i->stage);
	bool look = i->phase == PHASE_RECALL_LOOK;
	bool unsent = look && is_unsent(e, r, i, st, a);
	struct fact f = call_fact(e, i, c, a);

	if (i->phase != PHASE_RECALL && a->outcome == OUTCOME_OK) {
		keep_seen(e, r, i, st, a, &f);
	}
	fact_add(e->txn, i, &f);
	if (c->call == NULL && a->outcome == OUTCOME_IN_DOUBT) {
		stays(e, r, i, "in-doubt");
		return;
	}
	switch (a->outcome) {
	case OUTCOME_OK:
	case OUTCOME_DUPLICATE:
	case OUTCOME_EMPTY:
		if (look) {
			looked(e, r, i, a, unsent);
		} else if (i->phase == PHASE_RECALL_SEEK) {
			sought(e, r, i, a);
		} else {
			removed(e, r, i);
		}
		break;
	case OUTCOME_PENDING:
	case OUTCOME_THROTTLE:
	case OUTCOME_TRANSIENT:
	case OUTCOME_UNSENT:
		on_later(e, r, i, c, a);
		break;
	case OUTCOME_QUOTA:
	case OUTCOME_AUTH:
		again(e, r, i, 0); /* the key is parked: the item waits for it */
		break;
	case OUTCOME_IN_DOUBT:
		i->doubts++;
		if (c->call->doubt == DOUBT_HOLD || i->doubts > (c->call->doubt_times != 0 ? c->call->doubt_times : DOUBTS)) {
			stays(e, r, i, "in-doubt");
		} else {
			again(e, r, i, 0); /* what is gone already is gone */
		}
		break;
	default: /* refusal, permanent */
		stays(e, r, i, a->reason);
		break;
	}
}
