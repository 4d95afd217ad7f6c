/*
 * Where a run is going, reckoned anew from its counters whenever it is looked at:
 *
 *   leads    who stands at a stage or will come to it: those before it times the share that went on so far (all, before
 *            20 leads are through), the rest of the file by its bytes
 *   calls    leads x calls per lead so far (one, before 20 are through)
 *   cost     leads x money per lead so far (the ceiling of the first call, before 20 are through)
 *   finish   the slowest limit of all services, calls x (T + u) / N, with what other runs have waiting before it, and once
 *            the way through all stages
 *
 * Money and time that do not last cut down the leads yet to be started; who is begun is finished. A service that is
 * paused or down is not foreseen.
 */
#include "lib/engine/plan/forecast.h"

#include "lib/base/time.h"
#include "lib/engine/call/accounts.h"
#include "lib/engine/call/finish.h"
#include "lib/engine/config/pipeline.h"
#include "lib/engine/plan/pace.h"
#include "lib/engine/run/approve.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"

#define LEADS_KNOWN 20

/* Leads and what they need, by pipeline stage. */
struct flow {
	double leads[RUN_STAGES], calls[RUN_STAGES];
	double cost, through;
};

static double went_on(const struct run *r, size_t p)
{
	uint64_t on, leads = pace_leads(r, p, &on);

	return leads >= LEADS_KNOWN ? (double)on / (double)leads : 1;
}

static double cost_per_lead(const struct run *r, size_t p)
{
	const struct stage *st = &r->pipeline->stages[p];
	uint64_t on, leads = pace_leads(r, p, &on);

	if (leads >= LEADS_KNOWN) {
		return (double)r->row.stages[r->run_stage_of[p]].count.settled_micro / (double)leads;
	}
	return st->steps[0].call != NULL ? (double)st->steps[0].call->price_micro : 0;
}

/* From the leads that stand at each stage to all that they still need. */
static void flow_on(const struct run *r, struct flow *f)
{
	double coming = 0;

	f->cost = 0;
	for (size_t p = 0; p < r->pipeline->n_stages; p++) {
		if (r->run_stage_of[p] < 0 || r->pipeline->stages[p].n_steps == 0) {
			continue;
		}
		f->leads[p] += coming;
		f->calls[p] = f->leads[p] * pace_calls_per_lead(r, p);
		f->cost += f->leads[p] * cost_per_lead(r, p);
		coming = f->leads[p] * went_on(r, p);
	}
	f->through = coming;
}

/* Rows of the file that were not read yet. */
static double rows_to_come(const struct run_row *row)
{
	double rows;

	if (!row->importing || row->bytes == 0 || row->bytes_total <= row->bytes) {
		return 0;
	}
	rows = (double)row->rows / (double)row->bytes * (double)(row->bytes_total - row->bytes);
	return row->max_rows != 0 && rows > (double)(row->max_rows - row->rows) ? (double)(row->max_rows - row->rows) : rows;
}

/* Who is begun, and who is not. */
static void split(const struct run *r, struct flow *begun, struct flow *new)
{
	for (size_t p = 0; p < r->pipeline->n_stages; p++) {
		int s = r->run_stage_of[p];
		const struct stage_count *c = s >= 0 ? &r->row.stages[s].count : NULL;

		if (c == NULL || r->pipeline->stages[p].n_steps == 0) {
			continue;
		}
		begun->leads[p] = (int)p < r->entry ? 0 : (double)finish_begun_at(r, p);
		new->leads[p] = (double)(c->waiting + c->retrying) - begun->leads[p];
		new->leads[p] = new->leads[p] > 0 ? new->leads[p] : 0;
	}
	for (size_t p = 0; p < r->pipeline->n_stages; p++) {
		if (r->run_stage_of[p] >= 0 && r->pipeline->stages[p].n_steps > 0) {
			new->leads[p] += rows_to_come(&r->row);
			return;
		}
	}
}

static double count(const struct flow *f)
{
	double n = 0;

	for (size_t p = 0; p < RUN_STAGES; p++) {
		n += f->leads[p];
	}
	return n;
}

static int64_t takes_us(struct engine *e, struct run *r, const struct flow *begun, const struct flow *new, double share)
{
	double calls[RUN_STAGES];

	for (size_t p = 0; p < RUN_STAGES; p++) {
		double n = begun->calls[p] + share * new->calls[p];
		double granted = p < r->pipeline->n_stages && r->run_stage_of[p] >= 0 ? r->in_flight[r->run_stage_of[p]] : 0;

		calls[p] = n > granted ? n - granted : 0;
	}
	return pace_us(e, r, calls, PACE_MEAN) + pace_way_us(e, r, 0);
}

/* The share of the new leads that money lasts for. */
static double affordable(struct engine *e, struct run *r, const struct flow *begun, const struct flow *new)
{
	int64_t left = accounts_left(e, r);
	double rest = (double)left - begun->cost;

	return left == TIME_NEVER || new->cost <= rest ? 1 : rest <= 0 ? 0 : rest / new->cost;
}

/* The share of them that can be finished in time. */
static double in_time(struct engine *e, struct run *r, const struct flow *begun, const struct flow *new, double share)
{
	int64_t room = r->row.by_us - e->now.wall_us, all = takes_us(e, r, begun, new, share), least;

	if (r->row.by_us == 0 || all <= room) {
		return share;
	}
	least = takes_us(e, r, begun, new, 0);
	return least >= room ? 0 : share * (double)(room - least) / (double)(all - least);
}

int64_t forecast_cost(const struct run *r, const double leads[RUN_STAGES])
{
	struct flow f = {.cost = 0};

	memcpy(f.leads, leads, sizeof(f.leads));
	flow_on(r, &f);
	return (int64_t)(f.cost + 0.5);
}

/* Set up it will never be, unless a person does something: who waits for that waits for ever. */
static bool stands_still(const struct run *r)
{
	for (size_t p = 0; r->root_failed && p < r->pipeline->n_stages; p++) {
		if (r->pipeline->stages[p].reads_run && r->run_stage_of[p] >= 0) {
			return true;
		}
	}
	return false;
}

bool forecast_run(struct engine *e, struct run *r, struct forecast *ret)
{
	struct flow begun = {.cost = 0}, new = {.cost = 0};
	double share, n_new;
	struct approve_wait w;
	struct balance b;

	if (r->row.state != RUN_RUNNING || r->row.recalling > 0 || r->pipeline == NULL || r->entry < 0 || stands_still(r) ||
	    (approve_waits(e, r, &w) && w.alone)) {
		return false;
	}
	split(r, &begun, &new);
	n_new = count(&new);
	if (count(&begun) + n_new == 0) {
		return false;
	}
	flow_on(r, &begun);
	flow_on(r, &new);
	share = in_time(e, r, &begun, &new, affordable(e, r, &begun, &new));
	b = accounts_run(e, r);
	*ret = (struct forecast){.finish_us = e->now.wall_us + takes_us(e, r, &begun, &new, share),
	    .cost_micro = b.settled_micro + b.in_doubt_micro + (int64_t)(begun.cost + share * new.cost),
	    .through = r->row.outcomes[ITEM_READY] + r->row.outcomes[ITEM_DELIVERED] + r->row.outcomes[ITEM_CONFIRMED] +
		       (uint64_t)(begun.through + share * new.through + 0.5),
	    .not_started = (uint64_t)((1 - share) * n_new + 0.5)};
	for (size_t p = 0; p < RUN_STAGES; p++) {
		double calls = begun.calls[p] + share * new.calls[p];

		ret->calls += (uint64_t)((calls > 0 ? calls / pace_batch(e, r, p) : 0) + 0.5);
	}
	return true;
}
