/* lib/sim/scenario.c: the words of scenarios, and the everyday world. */
#include "lib/sim/scenario_read.h"

#include <assert.h>
#include <string.h>

const char *const verdict_words[VERDICT_N + 1] = {
    "valid", "invalid", "catch-all", "unknown", "do_not_mail", "spamtrap", "abuse", NULL};
const char *const copy_words[COPY_N + 1] = {
    "good", "short", "long", "signed", "placeholder", "refused", NULL};
const char *const quota_words[QUOTA_ANY + 2] = {"insufficient_quota", "none",
    "credit_balance_exhausted", "organization_spend_limit_exceeded", "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded", "any", NULL};
const char *const missing_words[MISSING_SHUFFLED + 2] = {"omitted", "null", "shuffled", NULL};
const char *const endpoint_words[EP_N + 1] = {"validate", "getcredits", "research", "copy",
    "models", "create-lead", "list-leads", "get-lead", "delete-lead", "list-campaigns",
    "create-campaign", "get-campaign", "activate-campaign", "add-leads", "update-lead",
    "delete-leads",
    /* Apollo */
    "search-people", "match-person", "match-people", "enrich-organization", "webhook-result",
    "credit-usage",
    /* Apify */
    "start-run", "get-run", "list-runs", "dataset-items", "run-sync",
    /* HubSpot */
    "search-objects", "read-objects", "upsert-objects", "create-crm-list", "find-crm-list",
    "search-crm-lists", "add-members", "list-members",
    /* Supabase */
    "select-rows", "insert-rows", "update-rows", "delete-rows",
    /* n8n */
    "discovery", "company-enrichment", "contact-discovery", "contact-enrichment", "verify-email",
    "get-job",
    /* Close */
    "close-lead", "close-contact", "close-events",
    /* Hunter */
    "find-email", "check-email", "hunter-account", NULL};
static_assert(EP_N <= 64, "endpoints are bits of a uint64_t");
const char *const scenario_service_words[WORLD_SERVICES + 1] = {"zerobounce", "perplexity",
    "openai", "instantly", "apollo", "apify", "hubspot", "supabase", "n8n", "close", "hunter",
    NULL};
const char *const scenario_fault_words[FAULT_N + 1] = {"none", "throttle", "throttle-bare",
    "slow-down", "quota", "billing", "auth", "error-500", "error-html", "overload", "reset-before",
    "reset-after", "drip", "truncate", "garbage", "error-200", "huge", "hang", "lost-push", "slow",
    NULL};

#define BIT(i) (UINT64_C(1) << (i))
#define ALL_KINDS (BIT(FAULT_N) - 2)
/* Those that stop a key until a person or a reset frees it: no part of random noise unless named.
 */
#define PARKING_KINDS (BIT(FAULT_QUOTA) | BIT(FAULT_BILLING) | BIT(FAULT_AUTH))

const char *world_service_word(enum world_service s)
{
	return s < WORLD_SERVICES ? scenario_service_words[s] : "none";
}

const char *world_fault_word(enum world_fault f)
{
	return scenario_fault_words[f];
}

enum world_service endpoint_service(enum world_endpoint ep)
{
	static const struct {
		enum world_endpoint first;
		enum world_service service;
	} from[] = {{EP_VALIDATE, WORLD_ZEROBOUNCE}, {EP_RESEARCH, WORLD_PERPLEXITY},
	    {EP_COPY, WORLD_OPENAI}, {EP_CREATE_LEAD, WORLD_INSTANTLY},
	    {EP_SEARCH_PEOPLE, WORLD_APOLLO}, {EP_START_RUN, WORLD_APIFY},
	    {EP_SEARCH_OBJECTS, WORLD_HUBSPOT}, {EP_SELECT_ROWS, WORLD_SUPABASE},
	    {EP_DISCOVER, WORLD_N8N}, {EP_CLOSE_LEAD, WORLD_CLOSE},
	    {EP_FIND_EMAIL, WORLD_HUNTER}, {EP_N, WORLD_SERVICES}};
	size_t i = 0;

	while (ep < EP_N && from[i + 1].first <= ep) {
		i++;
	}
	return ep < EP_N ? from[i].service : WORLD_SERVICES;
}

bool endpoint_matters(enum world_endpoint ep)
{
	return (BIT(ep) &
		   (BIT(EP_VALIDATE) | BIT(EP_RESEARCH) | BIT(EP_COPY) | BIT(EP_CREATE_LEAD) |
		       BIT(EP_ADD_LEADS) | BIT(EP_MATCH_PERSON) | BIT(EP_MATCH_PEOPLE) |
		       BIT(EP_ENRICH_ORGANIZATION) | BIT(EP_START_RUN) | BIT(EP_RUN_SYNC) |
		       BIT(EP_UPSERT_OBJECTS) | BIT(EP_CREATE_CRM_LIST) | BIT(EP_ADD_MEMBERS) |
		       BIT(EP_INSERT_ROWS) | BIT(EP_UPDATE_ROWS) | BIT(EP_DELETE_ROWS) |
		       BIT(EP_DISCOVER) | BIT(EP_ENRICH_COMPANY) | BIT(EP_DISCOVER_CONTACTS) |
		       BIT(EP_ENRICH_CONTACT) | BIT(EP_VERIFY_EMAIL) | BIT(EP_FIND_EMAIL) |
		       BIT(EP_CHECK_EMAIL))) != 0;
}

bool endpoint_is_free(enum world_endpoint ep)
{
	return ep == EP_GETCREDITS || ep == EP_MODELS || ep == EP_CREDIT_USAGE || ep == EP_HUNTER_ACCOUNT;
}

uint64_t scenario_counted(enum world_service s)
{
	uint64_t mask = 0;

	for (enum world_endpoint ep = 0; ep < EP_N; ep++) {
		mask |= endpoint_service(ep) == s && !endpoint_is_free(ep) ? BIT(ep) : 0;
	}
	return mask;
}

/* --- defaults --- */

static void add_limit(
    struct scenario *s, enum world_service id, const char *text, uint64_t max, int64_t length_us)
{
	struct scenario_service *service = &s->services[id];
	struct scenario_limit *l = &service->limits[service->n_limits++];

	*l = (struct scenario_limit){
	    .max = max, .length_us = length_us, .endpoints = scenario_counted(id)};
	memcpy(l->text, text, strlen(text) + 1);
}

static void set_latency(
    struct scenario_service *s, int64_t min_ms, int64_t median_ms, int64_t p95_ms)
{
	s->min_us = min_ms * US_PER_MS;
	s->median_us = median_ms * US_PER_MS;
	s->p95_us = p95_ms * US_PER_MS;
}

static void set_hunter(struct scenario *s)
{
	struct scenario_service *of = &s->services[WORLD_HUNTER];

	add_limit(s, WORLD_HUNTER, "15/1s", 15, US_PER_S);
	add_limit(s, WORLD_HUNTER, "500/60s", 500, 60 * US_PER_S);
	add_limit(s, WORLD_HUNTER, "10/1s", 10, US_PER_S);
	add_limit(s, WORLD_HUNTER, "300/60s", 300, 60 * US_PER_S);
	for (size_t i = 0; i < of->n_limits; i++) {
		of->limits[i].endpoints = i < 2 ? BIT(EP_FIND_EMAIL) : BIT(EP_CHECK_EMAIL);
	}
	set_latency(of, 100, 600, 2500);
	s->hunter = (struct scenario_hunter){.credit_micro = 50000,
	    .not_found_ppm = 330000,
	    .in_work_ppm = 100000,
	    .mail_server_ppm = 20000,
	    .opted_out_ppm = 5000};
	s->hunter.verdict_ppm[VERDICT_INVALID] = 80000;
	s->hunter.verdict_ppm[VERDICT_CATCH_ALL] = 100000;
	s->hunter.verdict_ppm[VERDICT_UNKNOWN] = 20000;
	s->hunter.verdict_ppm[VERDICT_DO_NOT_MAIL] = 10000;
	s->hunter.verdict_ppm[VERDICT_ABUSE] = 50000;
}

void scenario_default(struct scenario *ret)
{
	struct scenario_service *s = ret->services;

	*ret = (struct scenario){.seed = 1,
	    .limit_factor = 1,
	    .validate_micro = 8000,
	    .no_facts_ppm = 60000,
	    .retry_after_us = 2 * US_PER_S,
	    .slow_us = 8 * US_PER_S,
	    .drip_us = 100 * US_PER_MS,
	    .drip_bytes = 64,
	    .huge_bytes = 20 << 20,
	    .duplicate_conflict = true,
	    .people = {.count = 500, .no_email_ppm = 50000, .not_found_ppm = 100000},
	    .apollo = {.credit_micro = 100000, .async_us = 20 * US_PER_S},
	    .apify = {.item_micro = 1200, .run_us = 5 * US_PER_S, .concurrent = 25}};
	for (size_t i = 0; i < WORLD_SERVICES; i++) {
		s[i].expected = 1000;
		s[i].random_kinds = ALL_KINDS & ~PARKING_KINDS;
	}
	add_limit(ret, WORLD_ZEROBOUNCE, "1/3s", 1, 3 * US_PER_S);
	add_limit(ret, WORLD_PERPLEXITY, "50/60s", 50, 60 * US_PER_S);
	add_limit(ret, WORLD_OPENAI, "60/60s", 60, 60 * US_PER_S);
	add_limit(ret, WORLD_OPENAI, "10000/day", 10000, 0);
	add_limit(ret, WORLD_OPENAI, "2000000/60s", 2000000, 60 * US_PER_S);
	s[WORLD_OPENAI].limits[2].tokens = true;
	add_limit(ret, WORLD_INSTANTLY, "100/60s", 100, 60 * US_PER_S);
	/* the provider counts the workspace, not the key */
	s[WORLD_INSTANTLY].limits[0].per_service = true;
	add_limit(ret, WORLD_HUBSPOT, "100/10s", 100, 10 * US_PER_S);
	add_limit(ret, WORLD_HUBSPOT, "250000/day", 250000, 0);
	add_limit(ret, WORLD_HUBSPOT, "5/1s", 5, US_PER_S);
	s[WORLD_HUBSPOT].limits[1].per_service = s[WORLD_HUBSPOT].limits[2].per_service = true;
	s[WORLD_HUBSPOT].limits[2].endpoints = BIT(EP_SEARCH_OBJECTS);
	add_limit(ret, WORLD_CLOSE, "100/5s", 100, 5 * US_PER_S);
	set_hunter(ret);
	set_latency(&s[WORLD_HUBSPOT], 40, 180, 600);
	set_latency(&s[WORLD_SUPABASE], 10, 60, 300);
	set_latency(&s[WORLD_N8N], 300, 3000, 9000);
	set_latency(&s[WORLD_CLOSE], 50, 200, 700);
	scenario_crm_default(ret);
	add_limit(ret, WORLD_APOLLO, "30/60s", 30, 60 * US_PER_S);
	add_limit(ret, WORLD_APIFY, "60/1s", 60, US_PER_S);
	set_latency(&s[WORLD_ZEROBOUNCE], 80, 350, 1500);
	set_latency(&s[WORLD_PERPLEXITY], 500, 1800, 5000);
	set_latency(&s[WORLD_OPENAI], 300, 900, 2500);
	set_latency(&s[WORLD_INSTANTLY], 50, 150, 500);
	set_latency(&s[WORLD_APOLLO], 150, 500, 1500);
	set_latency(&s[WORLD_APIFY], 80, 200, 600);
	ret->verdict_ppm[VERDICT_INVALID] = 80000;
	ret->verdict_ppm[VERDICT_CATCH_ALL] = 60000;
	ret->verdict_ppm[VERDICT_UNKNOWN] = 20000;
	ret->verdict_ppm[VERDICT_DO_NOT_MAIL] = 30000;
	ret->verdict_ppm[VERDICT_SPAMTRAP] = 5000;
	ret->verdict_ppm[VERDICT_ABUSE] = 5000;
	ret->copy_ppm[COPY_SHORT] = 20000;
	ret->copy_ppm[COPY_LONG] = 20000;
	ret->copy_ppm[COPY_SIGNED] = 10000;
	ret->copy_ppm[COPY_PLACEHOLDER] = 10000;
}
