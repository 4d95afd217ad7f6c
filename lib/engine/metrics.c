/*
 * What a monitoring system reads: the engine's part of /v1/metrics. See show.h.
 *
 * Label values are names from the configuration and words of our own, never anything of a lead or a run: how many series
 * there are follows from the configuration alone. What is gone from the configuration is no longer told.
 */
#include "lib/engine/show.h"

#include "lib/engine/approve.h"
#include "lib/engine/lane.h"
#include "lib/engine/run.h"
#include "lib/engine/state.h"
#include "lib/lead/suppression.h"
#include "lib/store/inbox.h"
#include "lib/store/names.h"
#include "lib/store/suppress.h"
#include "lib/table/prometheus.h"

#include <stdio.h>

#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* --- services --- */

typedef void (*lane_fn)(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out);

/* One family: a sample, or several, for each service. */
static void each_lane(struct engine *e, struct now now, struct buf *out, const char *name, enum prometheus_kind kind, const char *help, lane_fn f)
{
	prometheus_family(out, name, kind, help);
	for (size_t i = 0; i < e->n_lanes; i++) {
		if (e->lanes[i]->def != NULL && config_service(e->config, e->lanes[i]->name) != NULL) {
			f(e, e->lanes[i], name, now, out);
		}
	}
}

static void put_outcomes(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	(void)e;
	(void)now;
	for (int i = 0; i < OUTCOME_N; i++) {
		prometheus_sample(out, name, LABELS("service", l->name, "outcome", outcome_word((enum outcome_class)i)),
		    (double)l->stat.outcomes[i]);
	}
}

static void put_latency(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	double edges[STAT_BUCKETS - 1];

	(void)e;
	(void)now;
	for (int i = 0; i < STAT_BUCKETS - 1; i++) {
		edges[i] = (double)(INT64_C(1) << i) / 1000;
	}
	prometheus_histogram(out, name, LABELS("service", l->name), edges, l->stat.latency, STAT_BUCKETS - 1, (double)l->stat.latency_us / US_PER_S);
}

static void put_settled(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	(void)now;
	prometheus_sample(out, name, LABELS("service", l->name, "currency", e->config->currency), (double)l->stat.settled_micro);
}

static void put_in_flight(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	(void)e;
	(void)now;
	prometheus_sample(out, name, LABELS("service", l->name), l->in_flight);
}

static void put_concurrency(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	(void)e;
	(void)now;
	prometheus_sample(out, name, LABELS("service", l->name), l->def->concurrency);
}

static void put_waiting(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	(void)now;
	prometheus_sample(out, name, LABELS("service", l->name), (double)lane_waiting(e, l));
}

static void put_paused(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	(void)e;
	(void)now;
	prometheus_sample(out, name, LABELS("service", l->name), l->pause.cause != PARK_NONE);
}

static void put_parked(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	static const enum park_cause causes[] = {PARK_QUOTA, PARK_AUTH, PARK_OVERBILLED};

	(void)e;
	(void)now;
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		unsigned n = 0;

		for (size_t k = 0; k < l->def->n_keys; k++) {
			n += l->keys[k].auth.cause == causes[i] || l->groups[l->def->keys[k].group_index].quota.cause == causes[i];
		}
		prometheus_sample(out, name, LABELS("service", l->name, "cause", quota_word(causes[i])), n);
	}
}

/* The name its keys share. */
static const char *group_name(const struct lane *l, size_t group)
{
	size_t k = 0;

	while (k + 1 < l->def->n_keys && l->def->keys[k].group_index != group) {
		k++;
	}
	return l->def->keys[k].group != NULL ? l->def->keys[k].group : "";
}

static void put_breakers(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	static const enum breaker_state states[] = {BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN};

	(void)e;
	(void)now;
	for (size_t g = 0; g < l->def->n_groups; g++) {
		for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
			prometheus_sample(out, name,
			    LABELS("service", l->name, "keys", group_name(l, g), "state", breaker_word(states[i])),
			    l->groups[g].breaker.state == states[i]);
		}
	}
}

static void put_opened(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	(void)e;
	(void)now;
	for (size_t g = 0; g < l->def->n_groups; g++) {
		prometheus_sample(out, name, LABELS("service", l->name, "keys", group_name(l, g)), (double)l->groups[g].breaker.opened);
	}
}

/* --- windows --- */

enum window_value { WINDOW_MAX, WINDOW_USED, WINDOW_REMAINING };

/* As it is written in the file, so that the series goes on when its number is changed. */
static void declared_text(const struct service_limit *def, size_t w, char out[48])
{
	struct window_spec spec = def->windows[w];

	spec.max = def->declared[w];
	window_write(&spec, out);
}

/* Limits that are called alike are numbered. */
static void limit_name(const struct lane *l, size_t i, char out[200])
{
	unsigned n = 1;

	for (size_t k = 0; k < i; k++) {
		n += strcmp(l->def->limits[k].label, l->def->limits[i].label) == 0;
	}
	(void)snprintf(out, 200, n > 1 ? "%.180s #%u" : "%.180s", l->def->limits[i].label, n);
}

static bool told_before(const struct service_limit *def, size_t w, const char *text)
{
	char other[48];

	for (size_t k = 0; k < w; k++) {
		declared_text(def, k, other);
		if (strcmp(other, text) == 0) {
			return true;
		}
	}
	return false;
}

static void put_limit(const struct lane *l, size_t i, const char *keys, struct limit *limit, enum window_value what, const char *name,
    struct now now, struct buf *out)
{
	const struct service_limit *def = &l->def->limits[i];
	char label[200], text[48];
	struct window_view view;

	limit_name(l, i, label);
	for (size_t w = 0; limit != NULL && w < limit_count(limit) && w < def->n_windows; w++) {
		declared_text(def, w, text);
		if (!told_before(def, w, text)) {
			limit_view(limit, w, now, &view);
			prometheus_sample(out, name, LABELS("service", l->name, "limit", label, "keys", keys, "window", text),
			    (double)(what == WINDOW_MAX ? view.spec.max : what == WINDOW_USED ? view.used : view.remaining));
		}
	}
}

static void put_windows(struct lane *l, enum window_value what, const char *name, struct now now, struct buf *out)
{
	for (size_t i = 0; i < l->def->n_limits; i++) {
		for (size_t g = 0; l->shared[i] == NULL && g < l->def->n_groups; g++) {
			put_limit(l, i, group_name(l, g), l->groups[g].limits[i], what, name, now, out);
		}
		if (l->shared[i] != NULL) {
			put_limit(l, i, "", l->shared[i], what, name, now, out);
		}
	}
}

static void put_window_max(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	(void)e;
	put_windows(l, WINDOW_MAX, name, now, out);
}

static void put_window_used(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	(void)e;
	put_windows(l, WINDOW_USED, name, now, out);
}

static void put_window_remaining(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	(void)e;
	put_windows(l, WINDOW_REMAINING, name, now, out);
}

static void put_services(struct engine *e, struct now now, struct buf *out)
{
	each_lane(e, now, out, "leadd_service_calls_total", PROMETHEUS_COUNTER, "Calls that ended, by what came of them.", put_outcomes);
	each_lane(e, now, out, "leadd_service_call_seconds", PROMETHEUS_HISTOGRAM, "From the first byte of a call to the end of its answer.",
	    put_latency);
	each_lane(e, now, out, "leadd_service_settled_micro_total", PROMETHEUS_COUNTER, "Money settled, in millionths of the currency.",
	    put_settled);
	each_lane(e, now, out, "leadd_service_in_flight_calls", PROMETHEUS_GAUGE, "Calls under way.", put_in_flight);
	each_lane(e, now, out, "leadd_service_concurrency_calls", PROMETHEUS_GAUGE, "Calls that may be under way at once.", put_concurrency);
	each_lane(e, now, out, "leadd_service_waiting_leads", PROMETHEUS_GAUGE, "Leads queued for a call.", put_waiting);
	each_lane(e, now, out, "leadd_service_paused", PROMETHEUS_GAUGE, "1 while an operator has paused the service.", put_paused);
	each_lane(e, now, out, "leadd_service_parked_keys", PROMETHEUS_GAUGE, "Keys that are parked, by cause.", put_parked);
	each_lane(e, now, out, "leadd_service_breaker", PROMETHEUS_GAUGE, "1 for the state the breaker is in.", put_breakers);
	each_lane(e, now, out, "leadd_service_breaker_opened_total", PROMETHEUS_COUNTER, "How often the breaker opened since the start.",
	    put_opened);
	each_lane(e, now, out, "leadd_window_limit_calls", PROMETHEUS_GAUGE, "Calls allowed in the window; it goes by its declared text.",
	    put_window_max);
	each_lane(e, now, out, "leadd_window_used_calls", PROMETHEUS_GAUGE, "Calls that count in the window now.", put_window_used);
	each_lane(e, now, out, "leadd_window_remaining_calls", PROMETHEUS_GAUGE,
	    "Calls that may still be granted now, the service's own word included.", put_window_remaining);
}

/* --- budgets --- */

enum budget_value { BUDGET_LIMIT, BUDGET_SETTLED, BUDGET_RESERVED, BUDGET_IN_DOUBT };

struct budget_owner {
	enum account_kind kind;
	const char *scope, *name;
	uint32_t owner;             /* 0: nothing was ever spent under the name */
	const struct budget *budget;
};

static double balance_of(struct engine *e, struct txn *t, const struct budget_owner *o, enum account_period period, enum budget_value what,
    struct now now)
{
	struct account_id id = {.kind = o->kind, .owner = o->owner, .period = period};
	struct balance b = {0};
	int64_t next;

	if (period == PERIOD_DAY) {
		zone_day(e->config->zone, now.wall_us, &id.start_us, &next);
	} else if (period == PERIOD_MONTH) {
		zone_month(e->config->zone, now.wall_us, &id.start_us, &next);
	}
	if (o->owner != 0) {
		(void)account_read(t, id, &b);
	}
	return (double)(what == BUDGET_SETTLED ? b.settled_micro : what == BUDGET_RESERVED ? b.reserved_micro : b.in_doubt_micro);
}

/* Only of budgets that are set. */
static void put_budget(struct engine *e, struct txn *t, const struct budget_owner *o, bool limit, const char *name, struct now now,
    struct buf *out)
{
	static const char *const periods[] = {"total", "day", "month"};
	static const char *const states[] = {"", "settled", "reserved", "in-doubt"};
	const int64_t limits[] = {o->budget->total_micro, o->budget->day_micro, o->budget->month_micro};

	for (int p = PERIOD_TOTAL; p <= PERIOD_MONTH; p++) {
		if (limits[p] < 0) {
			continue;
		}
		if (limit) {
			prometheus_sample(out, name,
			    LABELS("scope", o->scope, "name", o->name, "period", periods[p], "currency", e->config->currency), (double)limits[p]);
		}
		for (int s = BUDGET_SETTLED; !limit && s <= BUDGET_IN_DOUBT; s++) {
			prometheus_sample(out, name,
			    LABELS("scope", o->scope, "name", o->name, "period", periods[p], "state", states[s], "currency", e->config->currency),
			    balance_of(e, t, o, (enum account_period)p, (enum budget_value)s, now));
		}
	}
}

static void each_budget(struct engine *e, struct txn *t, bool limit, const char *name, struct now now, struct buf *out)
{
	const struct config *c = e->config;

	for (size_t i = 0; i < c->n_campaigns; i++) {
		struct budget_owner o = {ACCOUNT_CAMPAIGN, "campaign", c->campaigns[i].name,
		    names_find(e->names, NAME_OWNER, c->campaigns[i].name), &c->campaigns[i].budget};

		put_budget(e, t, &o, limit, name, now, out);
	}
	for (size_t i = 0; i < c->n_orgs; i++) {
		char org[RUN_TEXT];
		struct budget_owner o = {ACCOUNT_ORG, "organisation", c->orgs[i].name, 0, &c->orgs[i].budget};

		o.owner = names_find(e->names, NAME_OWNER, run_org_name(c->orgs[i].name, org));
		put_budget(e, t, &o, limit, name, now, out);
	}
	for (size_t i = 0; i < c->n_services; i++) {
		struct budget_owner o = {ACCOUNT_SERVICE, "service", c->services[i]->name,
		    names_find(e->names, NAME_SERVICE, c->services[i]->name), &c->service_budgets[i]};

		put_budget(e, t, &o, limit, name, now, out);
	}
}

static void put_budgets(struct engine *e, struct txn *t, struct now now, struct buf *out)
{
	prometheus_family(out, "leadd_budget_limit_micro", PROMETHEUS_GAUGE, "Budgets that are set, in millionths of the currency.");
	each_budget(e, t, true, "leadd_budget_limit_micro", now, out);
	prometheus_family(out, "leadd_budget_used_micro", PROMETHEUS_GAUGE,
	    "What counts against a budget in its present period, in millionths of the currency.");
	each_budget(e, t, false, "leadd_budget_used_micro", now, out);
}

/* --- runs and leads --- */

static void put_runs(struct engine *e, struct buf *out)
{
	uint64_t states[RUN_STATES] = {0}, outcomes[ITEM_OUTCOMES] = {0}, waiting = 0;
	struct run *r, *next;

	HASH_ITER(hh, e->runs, r, next) {
		struct approve_wait w;
		bool waits = approve_waits(e, r, &w) && w.alone;

		waiting += waits;
		states[r->row.state] += !waits;
		for (int i = 0; i < ITEM_OUTCOMES; i++) {
			outcomes[i] += r->row.outcomes[i];
		}
	}
	prometheus_family(out, "leadd_runs", PROMETHEUS_GAUGE, "Runs by state.");
	for (int i = 0; i < RUN_STATES; i++) {
		prometheus_sample(out, "leadd_runs", LABELS("state", run_state_word((enum run_state)i)), (double)states[i]);
	}
	prometheus_sample(out, "leadd_runs", LABELS("state", "waiting-approval"), (double)waiting);
	prometheus_family(out, "leadd_leads", PROMETHEUS_GAUGE, "Leads of all runs by outcome; open: they have none yet.");
	for (int i = 0; i < ITEM_OUTCOMES; i++) {
		prometheus_sample(out, "leadd_leads", LABELS("outcome", item_outcome_word((enum item_outcome)i)), (double)outcomes[i]);
	}
}

/* --- suppression lists --- */

static bool on_source(void *arg, const struct suppress_source *s)
{
	uint64_t *entries = arg;

	for (int i = 0; i < SUPPRESS_GIVEN; i++) {
		entries[i] += s->entries[i];
	}
	return true;
}

static void put_list(struct engine *e, struct txn *t, const char *org, const char *name, struct buf *out)
{
	uint64_t entries[SUPPRESS_GIVEN] = {0};
	char text[RUN_TEXT];
	uint16_t number = names_find(e->names, NAME_OWNER, run_org_name(org, text));

	if (number != 0) {
		suppress_sources(t, number, on_source, entries);
	}
	for (int i = 0; i < SUPPRESS_GIVEN; i++) {
		prometheus_sample(out, name, LABELS("organisation", org, "given", suppress_word((enum suppress_kind)i)), (double)entries[i]);
	}
}

/* Organisations stand by themselves in the configuration, or are only named by campaigns. */
static void put_lists(struct engine *e, struct txn *t, struct buf *out)
{
	static const char name[] = "leadd_suppression_entries";
	const struct config *c = e->config;

	prometheus_family(out, name, PROMETHEUS_GAUGE, "Entries of suppression lists, by how they were given.");
	for (size_t i = 0; i < c->n_orgs; i++) {
		put_list(e, t, c->orgs[i].name, name, out);
	}
	for (size_t i = 0; i < c->n_campaigns; i++) {
		bool told = false;

		for (size_t k = 0; k < c->n_orgs; k++) {
			told = told || strcmp(c->orgs[k].name, c->campaigns[i].organisation) == 0;
		}
		for (size_t k = 0; k < i; k++) {
			told = told || strcmp(c->campaigns[k].organisation, c->campaigns[i].organisation) == 0;
		}
		if (!told) {
			put_list(e, t, c->campaigns[i].organisation, name, out);
		}
	}
}

/* --- stages --- */

static struct stage_count stage_sum(struct engine *e, const struct pipeline *p, size_t stage)
{
	struct stage_count sum = {0};
	struct run *r, *next;

	HASH_ITER(hh, e->runs, r, next) {
		int s = r->pipeline == p ? r->run_stage_of[stage] : -1;

		if (s >= 0) {
			const struct stage_count *c = run_count(r, (uint8_t)s);

			sum.waiting += c->waiting;
			sum.retrying += c->retrying;
			sum.held += c->held;
			sum.ok += c->ok;
			sum.empty += c->empty;
			sum.rejected += c->rejected;
			sum.failed += c->failed;
			sum.unchanged += c->unchanged;
			sum.calls += c->calls;
		}
	}
	return sum;
}

static void put_stages(struct engine *e, bool calls, const char *name, struct buf *out)
{
	for (size_t p = 0; p < e->config->n_pipelines; p++) {
		const struct pipeline *pl = e->config->pipelines[p];

		for (size_t s = 0; s < pl->n_stages && s < RUN_STAGES; s++) {
			const struct stage_count sum = stage_sum(e, pl, s);
			const struct { const char *word; uint64_t n; } states[] = {{"waiting", sum.waiting}, {"retrying", sum.retrying},
			    {"held", sum.held}, {"ok", sum.ok}, {"empty", sum.empty}, {"rejected", sum.rejected}, {"failed", sum.failed}, {"unchanged", sum.unchanged}};

			if (calls) {
				prometheus_sample(out, name, LABELS("pipeline", pl->name, "stage", pl->stages[s].name), (double)sum.calls);
			}
			for (size_t i = 0; !calls && i < sizeof(states) / sizeof(states[0]); i++) {
				prometheus_sample(out, name,
				    LABELS("pipeline", pl->name, "stage", pl->stages[s].name, "state", states[i].word), (double)states[i].n);
			}
		}
	}
}

/* Webhooks in: how many came, and what they became. */
static void put_intakes(struct engine *e, struct txn *t, struct buf *out)
{
	static const char *const words[INBOX_STATES] = {[INBOX_MADE] = "made", [INBOX_DUPLICATE] = "duplicate", [INBOX_IGNORED] = "ignored",
	    [INBOX_FAILED] = "failed"};
	struct inbox_counts n;

	prometheus_family(out, "leadd_events_waiting", PROMETHEUS_GAUGE, "Webhooks taken in and not yet looked at.");
	prometheus_sample(out, "leadd_events_waiting", NULL, (double)e->inbox.waiting);
	prometheus_family(out, "leadd_events_received_total", PROMETHEUS_COUNTER, "Webhooks taken in.");
	for (size_t i = 0; i < e->config->n_intakes; i++) {
		(void)inbox_counts_read(t, e->config->intakes[i].name, &n);
		prometheus_sample(out, "leadd_events_received_total", LABELS("intake", n.intake), (double)n.received);
	}
	prometheus_family(out, "leadd_events_total", PROMETHEUS_COUNTER, "Webhooks looked at, by what they became.");
	for (size_t i = 0; i < e->config->n_intakes; i++) {
		(void)inbox_counts_read(t, e->config->intakes[i].name, &n);
		for (int s = 0; s < INBOX_STATES; s++) {
			prometheus_sample(out, "leadd_events_total", LABELS("intake", n.intake, "became", words[s]), (double)n.states[s]);
		}
	}
}

void show_metrics(struct engine *e, struct txn *t, struct now now, struct buf *out)
{
	prometheus_family(out, "leadd_turns_total", PROMETHEUS_COUNTER, "Turns since the store began.");
	prometheus_sample(out, "leadd_turns_total", NULL, (double)e->turn);
	prometheus_family(out, "leadd_configuration_generation", PROMETHEUS_GAUGE, "Counts the reloads of the configuration.");
	prometheus_sample(out, "leadd_configuration_generation", NULL, (double)e->config->generation);
	prometheus_family(out, "leadd_taking_work", PROMETHEUS_GAUGE, "0 while no new work is taken.");
	prometheus_sample(out, "leadd_taking_work", NULL, engine_refuses(e) == NULL);
	prometheus_family(out, "leadd_in_flight_calls", PROMETHEUS_GAUGE, "Calls under way to all services.");
	prometheus_sample(out, "leadd_in_flight_calls", NULL, (double)engine_in_flight(e));
	put_services(e, now, out);
	put_budgets(e, t, now, out);
	put_runs(e, out);
	put_lists(e, t, out);
	put_intakes(e, t, out);
	prometheus_family(out, "leadd_stage_leads", PROMETHEUS_GAUGE, "Leads of all runs at a stage, and what the stage made of those it had.");
	put_stages(e, false, "leadd_stage_leads", out);
	prometheus_family(out, "leadd_stage_calls_total", PROMETHEUS_COUNTER, "Calls that a stage was granted, over all runs kept.");
	put_stages(e, true, "leadd_stage_calls_total", out);
}
