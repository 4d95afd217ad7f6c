/* What a seed means: which system, its runs, what goes wrong when; and the world for it. */
#include "tests/sim/systems.h"

#include "lib/sim/webhooks.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
	const char *word, *pipeline;
	enum world_service services[5];
	size_t n_services;
	int64_t span_us; /* that faults lie within */
} systems[SYSTEMS] = {
    [SYSTEM_OUTREACH] = {"outreach", "outreach", {WORLD_APIFY, WORLD_ZEROBOUNCE, WORLD_PERPLEXITY, WORLD_OPENAI, WORLD_INSTANTLY}, 5, 240 * US_PER_S},
    [SYSTEM_PROPERTY] = {"property", "property-management", {WORLD_SUPABASE, WORLD_N8N, WORLD_HUBSPOT}, 3, 400 * US_PER_S},
    [SYSTEM_SHEET] = {"sheet", "sheet-to-email", {WORLD_OPENAI}, 1, 90 * US_PER_S},
    [SYSTEM_BOUGHT] = {"bought", "bought-enrichment", {WORLD_APOLLO, WORLD_HUNTER}, 2, 90 * US_PER_S},
    [SYSTEM_CRM] = {"crm", "crm-events", {WORLD_CLOSE, WORLD_INSTANTLY}, 2, 120 * US_PER_S},
};

/* The limits of the shipped files, as the providers of these nights count them. */
static const struct {
	enum world_service service;
	uint64_t max;
	int64_t length_us;
} limits[] = {{WORLD_CLOSE, 20, US_PER_S}, {WORLD_SUPABASE, 20, US_PER_S}, {WORLD_N8N, 60, 60 * US_PER_S}};

const char *system_word(enum system s)
{
	return systems[s].word;
}

const char *system_pipeline(enum system s)
{
	return systems[s].pipeline;
}

/* --- world --- */

void system_world(const struct system_plan *p, struct scenario *ret)
{
	scenario_default(ret);
	ret->seed = p->seed;
	ret->doubt_us = 0;
	ret->huge_bytes = 9 << 20;
	ret->slow_us = 20 * US_PER_S;
	ret->supabase_rows = p->seed % 4 * 3;
	ret->apollo.missing = (int)(p->seed % 3);
	ret->n8n.respond = p->jobs ? RESPOND_CALLBACK : RESPOND_FINISHED;
	ret->n8n.lost_ppm = p->jobs ? 20000 : 0;
	ret->people.count = 120;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct scenario_service *s = &ret->services[limits[i].service];
		uint64_t all = 0;

		for (enum world_endpoint ep = 0; ep < EP_N; ep++) {
			all |= endpoint_service(ep) == limits[i].service ? UINT64_C(1) << ep : 0;
		}
		s->limits[0] = (struct scenario_limit){.max = limits[i].max, .length_us = limits[i].length_us, .endpoints = all};
		s->n_limits = 1;
	}
	ret->services[WORLD_HUBSPOT].limits[2].max = 4;
	for (size_t i = 0; i < 2 && p->system == SYSTEM_CRM; i++) {
		struct scenario_campaign *c = &ret->campaigns[ret->n_campaigns++];

		(void)snprintf(c->name, sizeof(c->name), "%s", i == 0 ? "Spring" : "Summer");
		(void)snprintf(c->id, sizeof(c->id), "%zu1111111-1111-4111-8111-111111111111", i + 1);
	}
	if (p->system == SYSTEM_OUTREACH) { /* known before; others are created */
		ret->campaigns[ret->n_campaigns++] = (struct scenario_campaign){"31111111-1111-4111-8111-111111111111", "Known before"};
	}
}

/* --- plan --- */

/* Such that it ends some runs before their leads do. */
static int64_t budget(enum system s, int64_t drawn)
{
	return s == SYSTEM_OUTREACH ? 2500000 + drawn / 4 : s == SYSTEM_SHEET ? 4000 + drawn / 100 : 100000 + drawn;
}

static void plan_runs(struct system_plan *p, struct dice *d)
{
	p->n_runs = p->system == SYSTEM_OUTREACH ? 1 + dice_below(d, SYSTEM_RUNS) : p->system == SYSTEM_CRM ? 0 : 1 + dice_below(d, 2);
	p->n_runs = p->system == SYSTEM_SHEET ? 1 : p->n_runs;
	for (size_t i = 0; i < p->n_runs; i++) {
		(void)snprintf(p->runs[i].campaign, sizeof(p->runs[i].campaign), "c%zu", i + 1);
		p->runs[i].start_us = i == 0 ? 0 : (int64_t)dice_below(d, 60 * US_PER_S);
		p->runs[i].budget_micro = dice_below(d, 5) == 0 ? budget(p->system, (int64_t)dice_below(d, 3000000)) : -1;
		if (p->system == SYSTEM_OUTREACH) {
			(void)snprintf(p->runs[i].params, sizeof(p->runs[i].params), "{\"actor\":\"owner~people\",\"most\":%u,\"campaign_name\":\"%s\"}",
			    p->leads + 20, i == 0 ? "Known before" : i == 1 || p->seed % 3 != 0 ? "New one" : "New two");
		} else if (p->system == SYSTEM_PROPERTY) {
			(void)snprintf(p->runs[i].params, sizeof(p->runs[i].params), "{\"state\":\"%s\",\"pms\":\"AppFolio\"%s}", i == 0 ? "CA" : "TX",
			    p->seed % 2 == 0 ? ",\"city\":\"Fresno\"" : "");
		}
	}
}

static uint8_t draw_kind(struct dice *d)
{
	static const uint8_t kinds[] = {KIND_CRASH_BEFORE_COMMIT, KIND_CRASH_AFTER_COMMIT, KIND_CRASH_IN_RELEASE, KIND_CRASH_UNSENT, KIND_CRASH_SENT,
	    KIND_CRASH_ANSWERED, KIND_REBOOT, KIND_STOP, KIND_STALL, KIND_RELOAD, KIND_RUN_PAUSE, KIND_SERVICE_PAUSE, KIND_STORE_FULL, KIND_DNS,
	    KIND_REFUSED, KIND_JITTER};

	return dice_below(d, 5) < 3 ? (uint8_t)(1 + dice_below(d, FAULT_N - 1)) : kinds[dice_below(d, sizeof(kinds))];
}

static void plan_faults(struct system_plan *p, struct dice *d)
{
	static const uint8_t counts[] = {0, 4, 8, 12, 18, SYSTEM_FAULTS};
	unsigned harsh = (unsigned)dice_below(d, 6);
	uint64_t span_us = (uint64_t)systems[p->system].span_us;

	p->n_faults = counts[harsh];
	p->quiet_us = harsh == 0 ? 0 : (int64_t)span_us * 5 / 4 + US_PER_S;
	for (size_t i = 0; i < p->n_faults; i++) {
		struct fault *f = &p->faults[i];

		f->kind = draw_kind(d);
		f->service = (uint8_t)systems[p->system].services[dice_below(d, systems[p->system].n_services)];
		f->run = (uint8_t)dice_below(d, p->n_runs > 0 ? p->n_runs : 1);
		f->share_ppm = (uint32_t)(100000 + dice_below(d, 900000));
		f->at_us = (int64_t)dice_below(d, span_us);
		f->for_us = US_PER_S + (int64_t)dice_below(d, span_us / 4);
		f->draw = dice_roll(d);
		f->off = (p->without >> i & 1) != 0;
	}
}

static void write_csv(struct system_plan *p, struct dice *d)
{
	static const char *const firsts[] = {"Ann", "Bea", "Carl", "Dora", "Emil", "", "Gus", "Hana"};

	buf_add_text(&p->csv, "first_name,last_name,company,email,Note\n");
	for (uint32_t i = 0; i < p->leads; i++) {
		const char *first = firsts[dice_below(d, 8)];

		buf_printf(&p->csv, "%s,Berg,Acme %u,berg%u@acme%u.com,\"=1+%u; a, b\"\n", first, i, i, i, i);
	}
}

void system_plan_make(uint64_t seed, uint64_t without, uint32_t leads, struct system_plan *ret)
{
	struct dice d;

	*ret = (struct system_plan){.seed = seed, .without = without, .system = (enum system)(seed % SYSTEMS)};
	dice_seed(&d, seed ^ UINT64_C(0x7e3779b97f4a7c15));
	ret->leads = 10 + (uint32_t)dice_below(&d, ret->system == SYSTEM_PROPERTY ? 11 : 51);
	ret->leads = leads != 0 ? leads : ret->leads;
	ret->jobs = ret->system == SYSTEM_PROPERTY && dice_below(&d, 2) == 0;
	plan_runs(ret, &d);
	plan_faults(ret, &d);
	if (ret->system == SYSTEM_SHEET) {
		write_csv(ret, &d);
	}
}

void system_plan_fini(struct system_plan *p)
{
	buf_free(&p->csv);
}

void system_event(const struct system_plan *p, uint32_t i, struct buf *out)
{
	static const char *const names[] = {"Spring", "Summer", "New one"};
	bool creates = p->seed % 2 == 0;

	buf_printf(out,
	    "{\"event\":{\"id\":\"ev_%u\",\"object_type\":\"task.lead\",\"action\":\"%s\",\"lead_id\":\"lead_%u\",\"data\":{\"text\":\"Instantly: "
	    "%s\",\"lead_name\":\"Firm %u\"}}}",
	    i, i % 11 == 10 ? "deleted" : "created", i, names[i % (creates ? 3 : 2)], i);
}
