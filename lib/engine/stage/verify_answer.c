/* The answer to a page of the destination: read (verify_page.c) and on to the next one, or asked for again, or the end of it. See verify.h. */
#include "lib/engine/stage/verify_parts.h"

#include "lib/engine/call/call.h"
#include "lib/engine/item/source.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/stage.h"
#include "lib/engine/state.h"

#define MOST_PAGES 100000
#define DOUBTS 3

static void item_done(struct engine *e, struct item *i, const char *reason)
{
	i->status = ITEM_DONE;
	i->outcome = reason == NULL ? ITEM_READY : ITEM_FAILED;
	i->phase = PHASE_CALL;
	i->done_turn = e->turn;
	i->due_us = 0;
	item_reason(i, "%s", reason != NULL ? reason : "");
	item_write(e->txn, i);
}

void verify_stop(struct engine *e, struct run *r, struct item *i, const char *reason)
{
	struct verify_row v;

	item_done(e, i, reason);
	if (verify_row_read(e->txn, r->id, &v) && verify_at_work(v.state)) {
		verify_end(e, r, &v, reason);
	}
}

static void again(struct engine *e, struct run *r, struct item *i, const struct call *c, const struct answer *a)
{
	bool unsent = a->outcome == OUTCOME_UNSENT;
	const struct retry_spec *retry = &c->call->retry[unsent ? OUTCOME_TRANSIENT : a->outcome];

	count_failure(i, a->outcome);
	if (retry->attempts == 0 || i->failures < retry->attempts || (unsent && c->def->breaker.enabled)) {
		stage_retry(e, r, i, e->now.boot_us + retry_wait_us(retry, i->failures, a->retry_after_us, dice_roll(&e->dice)));
	} else {
		verify_stop(e, r, i, a->reason != NULL ? a->reason : "failed");
	}
}

static const struct value *listed(const struct call *c, const struct answer *a)
{
	for (size_t k = 0; k < a->n_fields; k++) {
		if (strcmp(a->fields[k].name, c->call->paging->items) == 0) {
			return &a->fields[k].value;
		}
	}
	return NULL;
}

static void page_read(struct engine *e, struct run *r, struct item *i, const struct call *c, const struct answer *a, struct verify_row *v)
{
	const struct value *list = listed(c, a);

	if (list != NULL && a->outcome != OUTCOME_EMPTY) {
		verify_page(e, r, run_stage(r, i->stage), v, list);
	}
	v->pages++;
	i->failures = i->doubts = 0;
	if (a->outcome != OUTCOME_EMPTY && page_next(e, i, c, a)) {
		if (v->pages == MOST_PAGES) {
			verify_stop(e, r, i, "pages without end");
			return;
		}
		run_queue(e, r, i);
	} else {
		item_done(e, i, NULL);
		v->state = VERIFY_COMPARING;
		e->more = true;
	}
	verify_row_write(e->txn, v);
}

void verify_outcome(struct engine *e, struct run *r, struct item *i, const struct call *c, const struct answer *a)
{
	const struct stage *st = run_stage(r, i->stage);
	struct fact f = call_fact(e, i, c, a);
	struct verify_row v;

	fact_add(e->txn, i, &f);
	run_touch(r);
	if (!verify_row_read(e->txn, r->id, &v) || v.state != VERIFY_READING) {
		item_done(e, i, "ended");
		return;
	}
	if (c->call == NULL || c->call->paging == NULL || st == NULL || st->list.step.call == NULL) {
		verify_stop(e, r, i, STAGE_GONE);
		return;
	}
	switch (a->outcome) {
	case OUTCOME_OK:
	case OUTCOME_EMPTY:
		page_read(e, r, i, c, a, &v);
		break;
	case OUTCOME_PENDING:
	case OUTCOME_THROTTLE:
	case OUTCOME_TRANSIENT:
	case OUTCOME_UNSENT:
		again(e, r, i, c, a);
		break;
	case OUTCOME_QUOTA:
	case OUTCOME_AUTH:
		run_queue(e, r, i); /* the key is parked: it waits for it */
		break;
	case OUTCOME_IN_DOUBT:
		if (++i->doubts > DOUBTS) {
			verify_stop(e, r, i, "in-doubt");
		} else {
			run_queue(e, r, i); /* reading again does no harm */
		}
		break;
	default:
		verify_stop(e, r, i, a->reason != NULL ? a->reason : "refused");
		break;
	}
}
