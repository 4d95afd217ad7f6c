/*
 * How long calls take through the services: what their limits let through, all services at once, the slowest counts.
 * Two measures of the same thing: the most it may take, so that a promise can be kept, and what it takes on average.
 */

#include "lib/engine/plan/pace.h"

#include "lib/engine/call/batch.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"
#include "lib/flow/finish.h"
#include "lib/service/batch.h"

#define LEADS_KNOWN 20 /* leads through a stage before its own rates count */
#define CALLS_MOST 4

/* --- what a run knows of its stages --- */

uint64_t pace_leads(const struct run *r, size_t p, uint64_t *ret_on)
{
	const struct stage *st = &r->pipeline->stages[p];
	const struct stage_count *c = &r->row.stages[r->run_stage_of[p]].count;
	uint64_t on = c->ok + c->unchanged, out = c->rejected + c->failed;

	if (st->kind == STAGE_CONFIRM || st->on_empty == POLICY_PASS) {
		on += c->empty;
	} else if (st->n_steps == 1 && st->on_empty != POLICY_UNCHANGED) {
		out += c->empty; /* in a chain the next step follows */
	}
	*ret_on = on;
	return on + out;
}

double pace_calls_per_lead(const struct run *r, size_t p)
{
	int s = r->run_stage_of[p];
	uint64_t on, leads = pace_leads(r, p, &on), calls = r->row.stages[s].count.calls;
	double each = leads >= LEADS_KNOWN && calls > r->in_flight[s] ? (double)(calls - r->in_flight[s]) / (double)leads : 1;

	return each < 1 ? 1 : each > CALLS_MOST ? CALLS_MOST : each;
}

/* Batches are taken to be full. */
double pace_batch(const struct engine *e, const struct run *r, size_t p)
{
	const struct stage *st = &r->pipeline->stages[p];

	return st->n_steps > 0 && st->steps[0].call != NULL ? (double)batch_size(e, st->steps[0].call) : 1;
}

/* --- services --- */

/* From first byte to answer; what is declared counts until there was an answer. */
static int64_t latency_us(const struct lane *l, enum pace pace)
{
	double sum = 0, n = 0;

	if (pace != PACE_MEAN) {
		int64_t us = (int64_t)stat_quantile_ms(&l->stat, 0.95) * US_PER_MS;

		return us > 0 ? us : l->def->margin_us;
	}
	for (int i = 0; i < STAT_BUCKETS; i++) { /* bucket i: from half of 2^i ms to 2^i ms */
		sum += (double)l->stat.latency[i] * 0.75 * (double)(INT64_C(1) << i) * (double)US_PER_MS;
		n += (double)l->stat.latency[i];
	}
	return n > 0 ? (int64_t)(sum / n) : l->def->margin_us;
}

/* What other runs have waiting there that goes before it. */
static double others_before(struct engine *e, const struct run *r, const struct lane *l, double own)
{
	struct run *o, *next;
	double sum = 0;

	HASH_ITER(hh, e->runs, o, next) {
		double waiting = 0, turns;

		if (o == r || o->row.state != RUN_RUNNING || o->row.priority > r->row.priority) {
			continue;
		}
		for (size_t i = 0; i < o->n_slots; i++) {
			bool goes = o->slots[i].lane == l && (o->slots[i].approvals & ~o->row.approved) == 0;

			waiting += goes ? (double)o->slots[i].queued / (double)batch_size(e, o->slots[i].call) : 0;
		}
		turns = o->row.priority < r->row.priority ? waiting : own * o->row.share / (r->row.share > 0 ? r->row.share : 1);
		sum += turns < waiting ? turns : waiting;
	}
	return sum;
}

static struct finish_window window_of(struct limit *limit, size_t w, int64_t u_us, struct now now)
{
	struct window_view v;
	struct finish_window f;
	int64_t start, next;

	limit_view(limit, w, now, &v);
	f = (struct finish_window){.max = v.spec.max, .room = v.remaining, .length_us = v.spec.length_us + u_us};
	if (v.spec.kind != WINDOW_SLIDING) {
		(v.spec.kind == WINDOW_DAY ? zone_day : zone_month)(v.spec.zone, now.wall_us, &start, &next);
		f.length_us = next - start;
		f.next_us = next - now.wall_us;
	}
	return f;
}

/* How long n calls take through one limit: the groups of keys share them. */
static int64_t limit_us(struct engine *e, struct lane *l, size_t i, double n, enum pace pace)
{
	size_t groups = l->shared[i] != NULL ? 1 : l->def->n_groups;
	int64_t u = latency_us(l, pace), longest = 0;

	u = u < l->def->margin_us ? u : l->def->margin_us;
	for (size_t g = 0; g < groups; g++) {
		struct limit *limit = l->shared[i] != NULL ? l->shared[i] : l->groups[g].limits[i];

		for (size_t w = 0; w < limit_count(limit); w++) {
			struct finish_window f = window_of(limit, w, u, e->now);
			double each = n / (double)groups;
			int64_t us = pace == PACE_MEAN ? finish_mean_us(&f, each) : finish_latest_us(&f, (uint64_t)(each + 0.999));

			longest = us > longest ? us : longest;
		}
	}
	return longest;
}

static double calls_in(struct engine *e, const struct run *r, const struct lane *l, uint32_t mask, const double calls[RUN_STAGES])
{
	double sum = 0;

	for (size_t p = 0; p < r->pipeline->n_stages; p++) {
		const struct step *first = r->pipeline->stages[p].n_steps > 0 ? &r->pipeline->stages[p].steps[0] : NULL;

		if (first != NULL && first->call != NULL && strcmp(first->service->name, l->name) == 0 && (mask >> first->call->index & 1) != 0) {
			sum += calls[p] / pace_batch(e, r, p);
		}
	}
	return sum;
}

static int64_t lane_us(struct engine *e, struct run *r, struct lane *l, const double calls[RUN_STAGES], enum pace pace)
{
	double all = calls_in(e, r, l, UINT32_MAX, calls), before;
	int64_t longest;

	if (all <= 0) {
		return 0;
	}
	before = pace == PACE_ALONE ? 0 : others_before(e, r, l, all);
	longest = (int64_t)((all + before) / l->def->concurrency * (double)latency_us(l, pace));
	for (size_t i = 0; i < l->def->n_limits; i++) {
		double n = calls_in(e, r, l, l->def->limits[i].calls, calls);
		int64_t us = n > 0 ? limit_us(e, l, i, n + before, pace) : 0;

		longest = us > longest ? us : longest;
	}
	return longest;
}

int64_t pace_us(struct engine *e, struct run *r, const double calls[RUN_STAGES], enum pace pace)
{
	int64_t longest = 0;

	for (size_t i = 0; i < e->n_lanes; i++) {
		int64_t us = e->lanes[i]->def != NULL ? lane_us(e, r, e->lanes[i], calls, pace) : 0;

		longest = us > longest ? us : longest;
	}
	return longest;
}

int64_t pace_way_us(struct engine *e, const struct run *r, size_t first)
{
	int64_t sum = 0;

	for (size_t p = first; p < r->pipeline->n_stages; p++) {
		const struct stage *st = &r->pipeline->stages[p];
		struct lane *l = st->n_steps > 0 && st->steps[0].call != NULL ? lane_by_name(e, st->steps[0].service->name) : NULL;

		if (l != NULL && l->def != NULL) {
			sum += st->steps[0].call->batch != NULL ? st->steps[0].call->batch->linger_us : 0;
			sum += latency_us(l, PACE_LATEST) + (st->kind == STAGE_CONFIRM ? st->wait_us : 0);
		}
	}
	return sum;
}
