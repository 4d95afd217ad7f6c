/*
 * A run tied to the present configuration, at its start and after each reload: its stages to those of the pipeline, by name, and each place in
 * its queue (a slot) to a call of a service. What waits where no slot is any more has to be looked at (run_move).
 */
#include "lib/engine/run/run_parts.h"

#include "lib/engine/call/lane.h"
#include "lib/engine/item/known.h"
#include "lib/engine/plan/tallies.h"
#include "lib/engine/run/approve.h"
#include "lib/engine/state.h"
#include "lib/store/names.h"

#include <stdio.h>

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
	if (st->unsent != NULL || st->steps[0].call->doubt_lookup != NULL) {
		add_slot(e, r,
		    (struct slot){.rank = RANK_RECALL_LOOK, .stage = s, .phase = PHASE_RECALL_LOOK, .call = st->steps[0].call->doubt_lookup},
		    st->steps[0].service);
	}
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
