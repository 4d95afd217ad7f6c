/*
 * Near the end of money or time no more leads are begun than can be finished.
 *
 * A lead is begun when money was spent on it, or may have been: a call is in flight, or it is past the stage where leads
 * begin (run->entry). Who is not waits in a slot that `starts`, and gate_call asks two conditions more there:
 *
 *   finish  every budget holds what the leads begun may still need, and one lead more
 *   time    what the leads begun still need of each service, and one lead more, fits before the run's `by`
 *
 * Both come from the run's counters, stage by stage (lib/flow/finish.h, pace.c). When nothing of a run moves any more and no budget
 * or time will ever let it, what waits is parked as `not-started` (or `unfinished`), so that the run ends (runs_wind_down).
 */

#include "lib/engine/call/finish.h"

#include "lib/engine/call/accounts.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/call/schedule.h"
#include "lib/engine/plan/pace.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/recall.h"
#include "lib/engine/stage/stage.h"
#include "lib/engine/state.h"
#include "lib/flow/finish.h"
#include "lib/service/batch.h"

#include <stdio.h>

/* --- what begun leads need --- */

uint64_t finish_begun_at(const struct run *r, size_t p)
{
	uint8_t s = (uint8_t)r->run_stage_of[p];
	const struct stage_count *c = &r->row.stages[s].count;
	uint64_t n = r->in_flight[s] + r->retrying_begun[s];

	if ((int)p != r->entry) {
		n = c->waiting + c->retrying;
		for (size_t i = 0; i < r->n_slots; i++) { /* nothing is kept for those that a person may never release */
			uint32_t unasked = r->slots[i].stage == s && (r->slots[i].approvals & ~r->row.approved) != 0 ? r->slots[i].queued : 0;

			n -= unasked <= n ? unasked : n;
		}
		return n;
	}
	for (size_t i = 0; i < r->n_slots; i++) {
		n += r->slots[i].stage == s && !r->slots[i].starts ? r->slots[i].queued : 0;
	}
	return n;
}

uint64_t finish_begun(const struct run *r)
{
	uint64_t n = 0;

	for (size_t p = r->entry >= 0 ? (size_t)r->entry : RUN_STAGES; r->pipeline != NULL && p < r->pipeline->n_stages; p++) {
		n += r->run_stage_of[p] >= 0 ? finish_begun_at(r, p) : 0;
	}
	return n;
}

/* What a lead may cost at a stage at that service (NULL: all): every step at its ceiling, tried again as often as its gates may ask. */
static int64_t most_at(const struct stage *st, const struct lane *l)
{
	int64_t sum = 0;

	for (size_t k = 0; k < st->n_steps; k++) {
		if (st->steps[k].call != NULL && (l == NULL || strcmp(st->steps[k].service->name, l->name) == 0)) {
			sum += st->steps[k].call->price_micro * (1 + (int64_t)st->gate_tries);
		}
	}
	return st->spend_at_most_micro >= 0 && st->spend_at_most_micro < sum ? st->spend_at_most_micro : sum;
}

int64_t finish_most(const struct stage *st)
{
	return most_at(st, NULL);
}

/* What it costs there when all goes well. */
static int64_t plain_at(const struct stage *st, const struct lane *l)
{
	size_t k = 0;
	const struct step *first;

	while (k + 1 < st->n_steps && !stage_affords(st, k, 0)) {
		k++;
	}
	first = k < st->n_steps ? &st->steps[k] : NULL;

	return first == NULL || first->call == NULL || (l != NULL && strcmp(first->service->name, l->name) != 0) ? 0 : first->call->price_micro;
}

/* What the cheapest call in flight there has reserved. */
static int64_t least_at(const struct stage *st, const struct lane *l)
{
	int64_t least = TIME_NEVER;

	for (size_t k = 0; k < st->n_steps; k++) {
		bool here = st->steps[k].call != NULL && (l == NULL || strcmp(st->steps[k].service->name, l->name) == 0);
		const struct service_call *c = st->steps[k].call;
		int64_t price = here && st->cache_us == 0 && !st->share ? (c->batch != NULL ? c->batch->item_micro : c->price_micro) : 0;

		least = st->steps[k].call != NULL && price < least ? price : least;
	}
	return least == TIME_NEVER ? 0 : least;
}

static size_t stages_of(const struct run *r, const struct lane *l, struct finish_stage ret[RUN_STAGES])
{
	size_t n = 0;

	for (size_t p = r->entry >= 0 ? (size_t)r->entry : RUN_STAGES; r->pipeline != NULL && p < r->pipeline->n_stages; p++) {
		const struct stage *st = &r->pipeline->stages[p];
		int s = r->run_stage_of[p];

		if (s >= 0 && st->n_steps > 0) {
			ret[n++] = (struct finish_stage){
			    .begun = finish_begun_at(r, p), .most_micro = most_at(st, l), .reserved_micro = (int64_t)r->in_flight[s] * least_at(st, l)};
		}
	}
	return n;
}

static bool counts_in(const struct run *r, const struct account *a)
{
	switch (a->id.kind) {
	case ACCOUNT_RUN:
		return r->id == a->id.owner;
	case ACCOUNT_CAMPAIGN:
		return r->campaign_no == a->id.owner;
	case ACCOUNT_ORG:
		return r->org_no == a->id.owner;
	default:
		return true;
	}
}

int64_t finish_need(struct engine *e, const struct account *a, const struct lane *l)
{
	struct finish_stage stages[RUN_STAGES];
	struct run *r, *next;
	int64_t sum = 0;

	HASH_ITER(hh, e->runs, r, next) {
		int64_t need;

		if (r->row.state > RUN_PAUSED || !counts_in(r, a)) {
			continue;
		}
		need = finish_money(stages, stages_of(r, a->id.kind == ACCOUNT_SERVICE ? l : NULL, stages));
		sum = __builtin_add_overflow(sum, need, &sum) ? TIME_NEVER : sum;
	}
	return sum;
}

/* How long so many more leads take, and before them all that are begun. */
static int64_t time_us(struct engine *e, struct run *r, bool alone, double leads)
{
	double calls[RUN_STAGES] = {0};
	int64_t longest, way;

	if (r->pipeline == NULL || r->entry < 0) {
		return 0;
	}
	for (size_t p = (size_t)r->entry; p < r->pipeline->n_stages; p++) {
		int s = r->run_stage_of[p];

		if (s >= 0 && r->pipeline->stages[p].n_steps > 0) {
			leads += alone ? 0 : (double)finish_begun_at(r, p);
			calls[p] = leads * (alone ? 1 : pace_calls_per_lead(r, p));
		}
	}
	longest = pace_us(e, r, calls, alone ? PACE_ALONE : PACE_LATEST);
	way = pace_way_us(e, r, (size_t)r->entry);
	return longest > TIME_NEVER - way ? TIME_NEVER : longest + way;
}

/* --- money --- */

static int64_t path_price(const struct run *r, const struct lane *l)
{
	int64_t sum = 0;

	for (size_t p = r->entry >= 0 ? (size_t)r->entry : RUN_STAGES; r->pipeline != NULL && p < r->pipeline->n_stages; p++) {
		sum += plain_at(&r->pipeline->stages[p], l);
	}
	return sum;
}

static bool has_budget(const struct lane *l)
{
	return l->budget != NULL && (l->budget->total_micro >= 0 || l->budget->day_micro >= 0 || l->budget->month_micro >= 0);
}

int64_t finish_money_earliest(struct engine *e, struct run *r, struct slot *s, struct account **ret_short, int64_t *ret_limit)
{
	int64_t all = path_price(r, NULL), latest = e->now.boot_us;

	*ret_short = NULL;
	for (size_t i = 0; i < e->n_lanes && all > 0 && latest != TIME_NEVER; i++) {
		struct lane *l = e->lanes[i];
		struct account *a;
		int64_t limit = 0, at;

		if (l != s->lane && !has_budget(l)) {
			continue; /* what all services share is asked once */
		}
		at = accounts_start(e, r, l, all, path_price(r, l), &a, &limit);
		if (a != NULL && at > latest) {
			latest = at;
			*ret_short = a;
			*ret_limit = limit;
		}
	}
	return latest;
}

/* Of as many leads, whose first call is one: what it costs as a whole counts once. */
static int64_t paths_price(const struct run *r, const struct slot *s, const struct lane *l, size_t leads)
{
	const struct service_batch *b = s->call->batch;
	int64_t all = path_price(r, l) * (int64_t)leads;

	return b != NULL && r->stage_of[s->stage] == r->entry && (l == NULL || l == s->lane) ? all - b->fixed_micro * ((int64_t)leads - 1) : all;
}

bool finish_allows(struct engine *e, struct run *r, struct slot *s, size_t leads)
{
	int64_t by = r->row.by_us, latest = e->now.boot_us, all = paths_price(r, s, NULL, leads);

	for (size_t i = 0; i < e->n_lanes && all > 0 && latest <= e->now.boot_us; i++) {
		struct lane *l = e->lanes[i];
		struct account *a;
		int64_t limit = 0;

		if (l == s->lane || has_budget(l)) {
			latest = accounts_start(e, r, l, all, paths_price(r, s, l, leads), &a, &limit);
		}
	}
	return latest <= e->now.boot_us && (by == 0 || time_us(e, r, false, (double)leads) <= by - e->now.wall_us);
}

uint64_t finish_calls_left(struct engine *e, struct run *r, struct slot *s)
{
	int64_t all = s->starts ? path_price(r, NULL) : s->call->price_micro, room = TIME_NEVER;

	if (s->starts && r->row.by_us != 0) {
		return 0;
	}
	if (!s->starts || all == 0) {
		return UINT64_MAX; /* what begun leads need is kept for them */
	}
	for (size_t i = 0; i < e->n_lanes; i++) {
		int64_t here = e->lanes[i] == s->lane || has_budget(e->lanes[i]) ? accounts_room(e, r, e->lanes[i]) : TIME_NEVER;

		room = here < room ? here : room;
	}
	return room == TIME_NEVER ? UINT64_MAX : room > 0 ? (uint64_t)(room / all) : 0;
}

/* --- time --- */

int64_t finish_time_us(struct engine *e, struct run *r, bool alone)
{
	return time_us(e, r, alone, 1);
}

/* --- the end of a run that can go no further --- */

/* Nothing that may still happen by itself would let this slot go. */
static bool slot_is_stuck(struct engine *e, struct run *r, struct slot *s)
{
	struct verdict v = gate_call(e, r, s, NULL, NULL);
	int64_t all = s->starts ? path_price(r, NULL) : s->call->price_micro;

	if (v.earliest_us != TIME_NEVER) {
		return false;
	}
	if (v.binding == COND_SETUP) {
		return r->root_failed && !r->row.open; /* an open run gives a person its time */
	}
	if (v.binding == COND_TIME) {
		return finish_time_us(e, r, true) > r->row.by_us - e->now.wall_us - (v.ready_us - e->now.boot_us);
	}
	if (v.binding != COND_BUDGET && v.binding != COND_FINISH) {
		return false;
	}
	for (size_t i = 0; i < e->n_lanes; i++) {
		struct lane *l = e->lanes[i];

		if ((l == s->lane || has_budget(l)) && accounts_over(e, r, l, all, s->starts ? path_price(r, l) : l == s->lane ? all : 0)) {
			return true;
		}
	}
	return false;
}

bool run_is_stuck(struct engine *e, struct run *r)
{
	uint64_t waiting = 0;

	if (r->row.state != RUN_RUNNING || r->row.importing || r->moving || r->in_flight_total > 0) {
		return false;
	}
	for (size_t s = 0; s < r->row.n_stages; s++) {
		if (r->row.stages[s].count.retrying > 0) {
			return false;
		}
	}
	for (size_t i = 0; i < r->n_slots; i++) {
		waiting += r->slots[i].queued;
		if (r->slots[i].queued > 0 && !slot_is_stuck(e, r, &r->slots[i])) {
			return false;
		}
	}
	return waiting > 0;
}

void runs_wind_down(struct engine *e)
{
	struct run *r, *next;

	HASH_ITER(hh, e->runs, r, next) {
		if (!r->sweeping && !e->draining && !e->more && e->tasks == NULL && run_is_stuck(e, r)) {
			r->sweeping = r->parking = true;
			r->sweep = 0;
			e->more = true;
		}
	}
}

void finish_park(struct engine *e, struct run *r, struct item *i)
{
	struct slot *s = run_slot(r, i->rank);
	bool started = i->spent_micro > 0 || s == NULL || !s->starts;
	enum condition binding = s != NULL ? gate_call(e, r, s, NULL, NULL).binding : COND_BUDGET;
	char reason[ITEM_REASON];

	(void)snprintf(reason, sizeof(reason), "%s: %s", started ? "unfinished" : "not-started", binding == COND_TIME ? "time" : binding == COND_SETUP ? "set-up" : "budget");
	run_unqueue(e, r, i);
	run_count(r, i->stage)->waiting--;
	if (phase_recalls(i->phase)) {
		recall_give_up(e, r, i, "recall: budget");
	} else {
		item_finish(e, r, i, ITEM_PARKED, reason);
	}
}
