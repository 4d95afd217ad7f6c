/*
 * What a monitoring system reads: the engine's part of /v1/metrics (show.h); services and budgets are in metrics_service.c, metrics_budget.c.
 *
 * Label values are names from the configuration and words of our own, never anything of a lead or a run: how many series
 * there are follows from the configuration alone. What is gone from the configuration is no longer told.
 */
#include "lib/engine/show/metrics_parts.h"

#include "lib/engine/run/approve.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"
#include "lib/lead/suppression.h"
#include "lib/store/inbox.h"
#include "lib/store/names.h"
#include "lib/store/suppress.h"

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

static void add_count(struct stage_count *sum, const struct stage_count *c)
{
	sum->waiting += c->waiting;
	sum->retrying += c->retrying;
	sum->held += c->held;
	sum->ok += c->ok;
	sum->empty += c->empty;
	sum->rejected += c->rejected;
	sum->failed += c->failed;
	sum->unchanged += c->unchanged;
	sum->calls += c->calls;
}

/* In one pass, for there may be thousands of runs: RUN_STAGES for each pipeline of the configuration. For the caller to free. */
static struct stage_count *stage_sums(struct engine *e)
{
	struct stage_count *sums = calloc(e->config->n_pipelines * RUN_STAGES + 1, sizeof(*sums));
	struct run *r, *next;

	HASH_ITER(hh, e->runs, r, next) {
		size_t p = 0;

		while (p < e->config->n_pipelines && e->config->pipelines[p] != r->pipeline) {
			p++;
		}
		for (size_t s = 0; sums != NULL && p < e->config->n_pipelines && s < r->pipeline->n_stages && s < RUN_STAGES; s++) {
			if (r->run_stage_of[s] >= 0) {
				add_count(&sums[p * RUN_STAGES + s], run_count(r, (uint8_t)r->run_stage_of[s]));
			}
		}
	}
	return sums;
}

static void put_stage_leads(const char *pipeline, const char *stage, const struct stage_count *sum, struct buf *out)
{
	const struct { const char *word; uint64_t n; } states[] = {{"waiting", sum->waiting}, {"retrying", sum->retrying},
	    {"held", sum->held}, {"ok", sum->ok}, {"empty", sum->empty}, {"rejected", sum->rejected}, {"failed", sum->failed}, {"unchanged", sum->unchanged}};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		prometheus_sample(out, "leadd_stage_leads", LABELS("pipeline", pipeline, "stage", stage, "state", states[i].word), (double)states[i].n);
	}
}

static void put_stage_calls(const char *pipeline, const char *stage, const struct stage_count *sum, struct buf *out)
{
	prometheus_sample(out, "leadd_stage_calls_total", LABELS("pipeline", pipeline, "stage", stage), (double)sum->calls);
}

static void each_stage(struct engine *e, const struct stage_count *sums,
    void (*put)(const char *pipeline, const char *stage, const struct stage_count *sum, struct buf *out), struct buf *out)
{
	for (size_t p = 0; sums != NULL && p < e->config->n_pipelines; p++) {
		const struct pipeline *pl = e->config->pipelines[p];

		for (size_t s = 0; s < pl->n_stages && s < RUN_STAGES; s++) {
			put(pl->name, pl->stages[s].name, &sums[p * RUN_STAGES + s], out);
		}
	}
}

static void put_stages(struct engine *e, struct buf *out)
{
	struct stage_count *sums = stage_sums(e);

	prometheus_family(out, "leadd_stage_leads", PROMETHEUS_GAUGE, "Leads of all runs at a stage, and what the stage made of those it had.");
	each_stage(e, sums, put_stage_leads, out);
	prometheus_family(out, "leadd_stage_calls_total", PROMETHEUS_COUNTER, "Calls that a stage was granted, over all runs kept.");
	each_stage(e, sums, put_stage_calls, out);
	free(sums);
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
	metrics_services(e, now, out);
	metrics_budgets(e, t, now, out);
	put_runs(e, out);
	put_lists(e, t, out);
	put_intakes(e, t, out);
	put_stages(e, out);
}
