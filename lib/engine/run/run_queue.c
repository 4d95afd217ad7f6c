/*
 * A run's queue: which rank an item has in it, and its ways in and out.
 *
 * Rank orders the queue: the stage nearest the end first, so that begun leads are finished before new ones are started; within a stage one
 * rank per step of the chain and one for looking calls in doubt up. Where leads begin, those that come back to the first step have a
 * rank of their own, before all others.
 */
#include "lib/engine/run/run_parts.h"

#include "lib/engine/call/lane.h"
#include "lib/engine/run/approve.h"
#include "lib/engine/stage/stage.h"
#include "lib/engine/state.h"

uint8_t rank_of(uint8_t stage, uint8_t step, enum item_phase phase)
{
	unsigned place = phase == PHASE_LOOKUP ? RANK_LOOKUP : step < RANK_LOOKUP ? step : RANK_LOOKUP - 1;

	return (uint8_t)(RANK_TOP - (stage * RANK_STAGE + place));
}

uint8_t run_rank(const struct run *r, const struct item *i)
{
	bool back = i->phase == PHASE_CALL && i->step == 0 && i->spent_micro > 0 && i->stage < r->row.n_stages && r->entry >= 0 &&
		    r->stage_of[i->stage] == r->entry;

	if (i->phase == PHASE_VERIFY) {
		return RANK_VERIFY;
	}
	if (phase_recalls(i->phase)) {
		return i->phase == PHASE_RECALL ? RANK_RECALL : RANK_RECALL_LOOK;
	}
	if (i->phase == PHASE_CALL && i->step == 0 && i->spent_micro == 0 && i->stage == r->rest_stage && approve_is_rest(r, i->number)) {
		return RANK_REST;
	}
	return back ? RANK_BACK : rank_of(i->stage, i->step, i->phase);
}

struct slot *run_slot(struct run *r, uint8_t rank)
{
	for (size_t i = 0; i < r->n_slots; i++) {
		if (r->slots[i].rank == rank) {
			return &r->slots[i];
		}
	}
	return NULL;
}

void run_queue(struct engine *e, struct run *r, struct item *i)
{
	struct slot *slot = run_slot(r, run_rank(r, i));

	if (stage_stops(e, r, i)) {
		return;
	}
	if (slot == NULL) {
		item_hold(e, r, i, STAGE_GONE);
		return;
	}
	i->status = ITEM_WAITING;
	i->rank = slot->rank;
	i->service = slot->lane->number;
	i->due_us = 0;
	queue_push(e->txn, i);
	slot->newest_us = e->now.boot_us;
	slot->since_us = slot->queued == 0 ? e->now.boot_us : slot->since_us;
	slot->queued++;
	run_count(r, i->stage)->waiting++;
	item_write(e->txn, i);
}

void run_unqueue(struct engine *e, struct run *r, struct item *i)
{
	struct slot *slot = run_slot(r, i->rank);

	queue_remove(e->txn, i);
	if (slot != NULL && slot->queued > 0) {
		slot->queued--;
	}
}

void run_requeue(struct engine *e, struct run *r, struct item *i)
{
	struct slot *slot;
	bool gone;

	if (i->status == ITEM_WAITING && i->rank == RANK_REST && i->facts == 0 && r->rest_stage < RUN_STAGES && i->stage != r->rest_stage && queue_has(e->txn, i)) {
		queue_remove(e->txn, i); /* not begun: at the beginning of the new pipeline */
		run_count(r, i->stage)->waiting--;
		i->stage = r->rest_stage;
		run_queue(e, r, i);
		return;
	}
	slot = run_slot(r, run_rank(r, i));
	gone = i->status == ITEM_HELD && strcmp(i->reason, STAGE_GONE) == 0;

	if (gone && slot != NULL) {
		run_count(r, i->stage)->held--;
		i->reason[0] = 0;
		run_queue(e, r, i);
	} else if (i->status == ITEM_WAITING && (slot == NULL || slot->lane->number != i->service || slot->rank != i->rank) && queue_has(e->txn, i)) {
		queue_remove(e->txn, i); /* no slot counts it: it is not where its rank says */
		run_count(r, i->stage)->waiting--;
		run_queue(e, r, i); /* holds it when there is no slot */
	}
}
