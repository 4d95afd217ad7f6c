/*
 * Runs at work: their counters, and the slots that tie each place in their queue to a call of a service.
 *
 * Rank orders the queue of a run: the stage nearest the end first, so that begun leads are finished before
 * new ones are started; within a stage one rank per step of the chain and one for looking calls in doubt up. Where leads
 * begin, those that come back to the first step have a rank of their own, before all others.
 */
#include "lib/engine/run.h"

#include "lib/base/json_list.h"
#include "lib/engine/approve.h"
#include "lib/engine/busy.h"
#include "lib/engine/intake.h"
#include "lib/engine/known.h"
#include "lib/engine/lane.h"
#include "lib/engine/stage.h"
#include "lib/engine/state.h"
#include "lib/engine/tallies.h"
#include "lib/store/names.h"

#include <stdarg.h>
#include <stdio.h>

#define RANK_TOP 249
#define RANK_STAGE 10
#define RANK_LOOKUP CHAIN_STEPS
#define RANK_RECALL 250 /* not places either: of the one stage whose pushes can be taken out again */
#define RANK_RECALL_LOOK 251
#define RANK_REST 252 /* the leads beyond a sample, at the first stage: behind all others */
#define RANK_VERIFY 253 /* the one item that reads the destination back */
#define RANK_BACK 0 /* not a place: the rank itself, below all others */

static uint8_t rank_of(uint8_t stage, uint8_t step, enum item_phase phase)
{
	unsigned place = phase == PHASE_LOOKUP ? RANK_LOOKUP : step < RANK_LOOKUP ? step : RANK_LOOKUP - 1;

	return (uint8_t)(RANK_TOP - (stage * RANK_STAGE + place));
}

static uint8_t rank_of_item(const struct run *r, const struct item *i)
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

struct run *run_get(struct engine *e, uint32_t id)
{
	struct run *r = NULL;

	HASH_FIND(hh, e->runs, &id, sizeof(id), r);
	return r;
}

void run_touch(struct run *r)
{
	r->dirty = true;
	r->changed = true;
}

bool run_is_over(const struct run *r)
{
	return r->row.state == RUN_CANCELLED || r->row.state == RUN_FAILED;
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

struct stage_count *run_count(struct run *r, uint8_t stage)
{
	return &r->row.stages[stage < r->row.n_stages ? stage : 0].count;
}

const struct stage *run_stage(const struct run *r, uint8_t stage)
{
	if (r->pipeline == NULL || stage >= r->row.n_stages || r->stage_of[stage] < 0) {
		return NULL;
	}
	return &r->pipeline->stages[r->stage_of[stage]];
}

static void add_slot(struct engine *e, struct run *r, struct slot slot, const struct service *s)
{
	size_t i = r->n_slots;

	slot.lane = lane_by_name(e, s->name);
	if (slot.lane == NULL || r->n_slots == SLOTS) {
		return;
	}
	if (slot.phase < PHASE_RECALL) { /* no night that is planned recalls anything */
		slot.tally[0] = tally_get(e, r, &slot, false);
		slot.tally[1] = tally_get(e, r, &slot, true);
	}
	while (i > 0 && r->slots[i - 1].rank > slot.rank) {
		r->slots[i] = r->slots[i - 1];
		i--;
	}
	r->slots[i] = slot;
	r->n_slots++;
}

/* The run's own list of stages grows at its end when a new pipeline has more; names tie the two together. */
static void bind_stages(struct run *r)
{
	for (size_t s = 0; s < RUN_STAGES; s++) {
		r->stage_of[s] = -1;
		r->run_stage_of[s] = -1;
	}
	for (size_t p = 0; r->pipeline != NULL && p < r->pipeline->n_stages; p++) {
		size_t s = 0;

		while (s < r->row.n_stages && strcmp(r->row.stages[s].name, r->pipeline->stages[p].name) != 0) {
			s++;
		}
		if (s == RUN_STAGES) {
			continue;
		}
		if (s == r->row.n_stages) {
			(void)snprintf(r->row.stages[s].name, sizeof(r->row.stages[s].name), "%s", r->pipeline->stages[p].name);
			r->row.n_stages++;
			r->dirty = true;
		}
		r->stage_of[s] = (int)p;
		r->run_stage_of[p] = (int)s;
	}
}

/* Where leads begin: the first of their stages that costs money. */
static int entry_of(const struct pipeline *p)
{
	int first = -1;

	for (size_t s = 0; p != NULL && s < p->n_stages; s++) {
		for (size_t k = 0; p->stages[s].of == LEVEL_LEAD && k < p->stages[s].n_steps; k++) {
			const struct service_call *c = p->stages[s].steps[k].call;

			first = first < 0 && c != NULL ? (int)s : first;
			if (c != NULL && c->price_micro > 0) {
				return (int)s;
			}
		}
	}
	return first;
}

static void add_slots(struct engine *e, struct run *r, uint8_t s, const struct stage *st)
{
	int p = r->stage_of[s];

	for (size_t k = 0; k < st->n_steps; k++) {
		struct slot slot = {.rank = rank_of(s, (uint8_t)k, PHASE_CALL), .stage = s, .step = (uint8_t)k, .call = st->steps[k].call};

		if (slot.call == NULL) {
			continue;
		}
		slot.starts = st->of == LEVEL_LEAD && (p < r->entry || (p == r->entry && k == 0));
		slot.approvals = approve_needs(r, s, false);
		add_slot(e, r, slot, st->steps[k].service);
		if (slot.call->doubt == DOUBT_LOOKUP && run_slot(r, rank_of(s, 0, PHASE_LOOKUP)) == NULL) {
			add_slot(e, r,
			    (struct slot){.rank = rank_of(s, 0, PHASE_LOOKUP),
				.stage = s,
				.phase = PHASE_LOOKUP,
				.call = slot.call->doubt_lookup,
				.starts = st->of == LEVEL_LEAD && p < r->entry,
				.approvals = slot.approvals},
			    st->steps[k].service);
		}
		if (s == r->rest_stage && k == 0) {
			struct slot rest = slot;

			rest.rank = RANK_REST;
			rest.starts = true;
			rest.approvals = approve_needs(r, s, true);
			add_slot(e, r, rest, st->steps[k].service);
		}
		if (p == r->entry && k == 0) {
			slot.rank = RANK_BACK;
			slot.starts = false;
			add_slot(e, r, slot, st->steps[k].service);
		}
	}
}

static void add_own_slots(struct engine *e, struct run *r, uint8_t s, const struct stage *st)
{
	if (st->list.step.call != NULL) {
		add_slot(e, r, (struct slot){.rank = RANK_VERIFY, .stage = s, .phase = PHASE_VERIFY, .call = st->list.step.call}, st->list.step.service);
	}
	if (st->recall.call == NULL) {
		return;
	}
	add_slot(e, r, (struct slot){.rank = RANK_RECALL, .stage = s, .phase = PHASE_RECALL, .call = st->recall.call}, st->recall.service);
	if (st->unsent != NULL) {
		add_slot(e, r,
		    (struct slot){.rank = RANK_RECALL_LOOK, .stage = s, .phase = PHASE_RECALL_LOOK, .call = st->steps[0].call->doubt_lookup},
		    st->steps[0].service);
	}
}

const char *run_org_name(const char *organisation, char out[RUN_TEXT])
{
	(void)snprintf(out, RUN_TEXT, "@%s", organisation);
	return out;
}

static void bind_numbers(struct engine *e, struct run *r)
{
	if (names_number(e->names, NAME_OWNER, r->row.campaign, &r->campaign_no, NULL) != 0) {
		r->campaign_no = 0;
	}
	if (r->campaign != NULL) {
		char org[RUN_TEXT];

		if (names_number(e->names, NAME_OWNER, run_org_name(r->campaign->organisation, org), &r->org_no, NULL) != 0) {
			r->org_no = 0;
		}
	}
}

void run_share(struct run *r)
{
	bool part = r->row.state == RUN_RUNNING || r->row.state == RUN_PAUSED || r->verifying;

	for (size_t i = 0; i < r->n_slots; i++) {
		struct share_member *m = part ? share_member(&r->slots[i].lane->share, r->id) : NULL;

		if (m != NULL) {
			m->priority = r->row.priority;
			m->weight = r->row.share;
		} else {
			share_remove(&r->slots[i].lane->share, r->id);
		}
	}
}

void run_bind(struct engine *e, struct run *r)
{
	struct { const struct lane *lane; uint32_t queued; } old[256] = {0};
	uint64_t waiting = 0, kept = 0, held = 0;
	int entry = r->entry;
	uint8_t rest = r->rest_stage;

	for (size_t i = 0; i < r->n_slots; i++) {
		old[r->slots[i].rank].lane = r->slots[i].lane;
		old[r->slots[i].rank].queued = r->slots[i].queued;
		waiting += r->slots[i].queued;
		share_remove(&r->slots[i].lane->share, r->id);
	}
	r->campaign = config_campaign(e->config, r->row.campaign);
	r->pipeline = config_pipeline(e->config, r->row.pipeline);
	r->entry = entry_of(r->pipeline);
	bind_stages(r);
	bind_numbers(e, r);
	known_bind(e, r);
	r->rest_stage = approve_rest_stage(r);
	if (r->n_slots > 0 && (entry != r->entry || rest != r->rest_stage)) {
		run_move(e, r); /* who counts as begun may be another */
	}
	r->n_slots = 0;
	for (uint8_t s = 0; s < r->row.n_stages; s++) {
		const struct stage *st = run_stage(r, s);

		if (st != NULL) {
			add_slots(e, r, s, st);
			add_own_slots(e, r, s, st);
		}
	}
	for (size_t i = 0; i < r->n_slots; i++) {
		if (old[r->slots[i].rank].lane == r->slots[i].lane) {
			r->slots[i].queued = old[r->slots[i].rank].queued;
			r->slots[i].since_us = r->slots[i].newest_us = e->now.boot_us;
			kept += r->slots[i].queued;
		}
	}
	run_share(r);
	for (size_t s = 0; s < r->row.n_stages; s++) {
		held += r->row.stages[s].count.held;
	}
	if (waiting > kept || held > 0) {
		run_move(e, r);
	}
}

void run_move(struct engine *e, struct run *r)
{
	r->moving = true;
	r->moved = 0;
	e->more = true;
}

uint64_t *run_outcomes(struct run *r, enum item_level level)
{
	return level == LEVEL_LEAD ? r->row.outcomes : level == LEVEL_COMPANY ? r->row.companies : r->root_outcomes;
}

bool run_has_open(const struct run *r)
{
	uint64_t waits = 0;

	for (size_t s = 0; s < r->row.n_stages; s++) {
		const struct stage_count *c = &r->row.stages[s].count;

		waits += c->waiting + c->retrying + c->held; /* the run's own item is in no other count */
	}
	return waits > 0 || r->row.outcomes[ITEM_OPEN] + r->row.companies[ITEM_OPEN] > 0;
}

static bool read_columns(const struct buf *kept, struct columns *ret)
{
	return kept->len > 0 && columns_read(kept->data, kept->len, ret) == 0;
}

/* Its params, taken apart once. */
static void read_params(struct run *r)
{
	struct json_list members;
	struct value name, value;

	if (r->row.params.len == 0 || !json_members_open(&members, r->row.params.data, r->row.params.len)) {
		return;
	}
	r->params = arena_zalloc(&r->arena, RUN_PARAMS * sizeof(*r->params));
	while (r->params != NULL && r->n_params < RUN_PARAMS && json_members_next(&members, &r->arena, &name, &value)) {
		r->params[r->n_params++] = (struct run_param){name, value};
	}
}

void run_open_row(struct run *r, const struct run_row *row)
{
	r->row = *row;
	r->id = row->id;
	r->has_columns[LEVEL_LEAD] = read_columns(&row->columns, &r->columns[LEVEL_LEAD]);
	r->has_columns[LEVEL_COMPANY] = read_columns(&row->company_columns, &r->columns[LEVEL_COMPANY]);
	read_params(r);
}

void run_close_row(struct run *r)
{
	for (enum item_level l = LEVEL_LEAD; l < LEVEL_RUN; l++) {
		if (r->has_columns[l]) {
			columns_fini(&r->columns[l]);
		}
	}
	arena_free(&r->arena);
	free(r->json);
	run_row_fini(&r->row);
}

struct run *run_add(struct engine *e, struct run_row *row)
{
	struct run *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		return NULL;
	}
	run_open_row(r, row);
	r->root_ready = true;
	HASH_ADD(hh, e->runs, id, sizeof(r->id), r);
	run_bind(e, r);
	return r;
}

void run_free(struct engine *e, struct run *r)
{
	for (size_t i = 0; i < r->n_slots; i++) {
		share_remove(&r->slots[i].lane->share, r->id);
	}
	HASH_DEL(e->runs, r);
	import_free(r->import);
	busy_free(r);
	run_close_row(r);
	free(r);
}

void runs_write(struct engine *e)
{
	struct run *r, *next;

	HASH_ITER(hh, e->runs, r, next) {
		if (r->dirty) {
			run_write(e->txn, &r->row);
			r->dirty = false;
		}
	}
}

void run_queue(struct engine *e, struct run *r, struct item *i)
{
	struct slot *slot = run_slot(r, rank_of_item(r, i));

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
	slot = run_slot(r, rank_of_item(r, i));
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

/* Done when every item has an outcome; items held when nothing else can move are parked first (a sweep). */
void run_check_end(struct engine *e, struct run *r)
{
	uint64_t moving = 0, held = 0;

	if (r->row.state != RUN_RUNNING || r->row.importing || r->row.open || r->sweeping || r->moving) {
		return;
	}
	for (size_t s = 0; s < r->row.n_stages; s++) {
		moving += r->row.stages[s].count.waiting + r->row.stages[s].count.retrying;
		held += r->row.stages[s].count.held;
	}
	if (moving > 0) {
		return;
	}
	if (held > 0) {
		r->sweeping = true;
		r->sweep = 0;
		e->more = true;
		return;
	}
	r->row.state = r->row.ends_as != RUN_RUNNING ? r->row.ends_as : RUN_DONE;
	r->row.ends_as = RUN_RUNNING;
	r->row.ended_us = e->now.wall_us;
	r->row.written = false;
	run_share(r);
	run_touch(r);
}
