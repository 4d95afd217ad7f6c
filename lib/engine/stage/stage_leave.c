/*
 * The ways an item leaves a stage for anywhere but its queue (run_queue): until it is due, until a person looks, for good. Each counts it
 * where it goes and writes it. See stage.c.
 */
#include "lib/engine/stage/stage.h"

#include "lib/engine/item/source.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/recall.h"
#include "lib/engine/state.h"

#include <stdarg.h>
#include <stdio.h>

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
