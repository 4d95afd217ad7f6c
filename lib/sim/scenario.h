/*
 * lib/sim/scenario.h: what kind of world it is: a YAML file, or nothing for the everyday one.
 *
 * A plain value without pointers: assign it to copy it. The format is described in leadsim(1).
 */
#pragma once

#include "lib/base/yaml.h"
#include "lib/sim/world.h"

#define SCENARIO_KEYS 16
#define SCENARIO_LIMITS 8
#define SCENARIO_SCRIPTS 16
#define SCENARIO_CAMPAIGNS 32
#define PPM 1000000 /* shares are parts per million */

struct scenario_key {
	char text[128];
	uint64_t quota;   /* calls it pays for; 0: no end */
	int64_t reset_us; /* the quota is whole again so long after it ran out; 0: never */
};

struct scenario_limit {
	char text[48];      /* as written */
	uint64_t max;       /* before the limit factor */
	int64_t length_us;  /* sliding; 0: calendar day, UTC */
	bool per_service;   /* all keys together; else each key of its own */
	bool tokens;        /* counts tokens instead of requests (OpenAI) */
	uint64_t endpoints; /* bit per enum world_endpoint */
};

/* A fault that begins with call number `from` and lasts `calls` hits, `for_us` after the first hit,
 * or for ever. */
struct scenario_script {
	enum world_fault fault;
	uint64_t from;      /* 1: the first call; counted per service */
	uint64_t calls;     /* 0: no bound */
	int64_t for_us;     /* 0: no bound */
	uint32_t share_ppm; /* of the calls in its reach */
	uint64_t endpoints; /* bit per enum world_endpoint */
};

struct scenario_service {
	struct scenario_key keys[SCENARIO_KEYS];
	size_t n_keys; /* 0: any key that is not empty */
	struct scenario_limit limits[SCENARIO_LIMITS];
	size_t n_limits;
	struct scenario_script scripts[SCENARIO_SCRIPTS];
	size_t n_scripts;
	uint64_t expected;     /* calls of a whole run: what `from: 30%` is a share of */
	uint32_t random_ppm;   /* share of calls that fail at random */
	uint64_t random_kinds; /* bit per enum world_fault */
	int64_t min_us, median_us, p95_us; /* latency */
};

enum verdict {
	VERDICT_VALID,
	VERDICT_INVALID,
	VERDICT_CATCH_ALL,
	VERDICT_UNKNOWN,
	VERDICT_DO_NOT_MAIL,
	VERDICT_SPAMTRAP,
	VERDICT_ABUSE,
	VERDICT_N
};
extern const char
    *const verdict_words[VERDICT_N + 1]; /* as ZeroBounce writes them; ends with NULL */

enum copy_flaw {
	COPY_GOOD,
	COPY_SHORT,
	COPY_LONG,
	COPY_SIGNED,
	COPY_PLACEHOLDER,
	COPY_REFUSED,
	COPY_N
};
extern const char *const copy_words[COPY_N + 1];

/* What OpenAI says when the money is gone. */
enum quota_code {
	QUOTA_INSUFFICIENT,
	QUOTA_NO_CODE,
	QUOTA_CREDIT,
	QUOTA_ORG_SPEND,
	QUOTA_PROJECT_SPEND,
	QUOTA_ORG_USAGE,
	QUOTA_ANY, /* one of the above, drawn */
};
extern const char *const quota_words[QUOTA_ANY + 2];

/* What the workflows behind n8n's webhooks are like. */
struct scenario_n8n {
	int respond;                                  /* enum respond of webhooks.h */
	bool cloud;                                   /* behind a proxy that waits 100 s */
	uint64_t companies;                           /* of a state and a software, at least 1 */
	uint32_t portal_ppm, invalid_ppm, repeat_ppm; /* of companies told */
	uint32_t no_makers_ppm, no_anecdotes_ppm;     /* no_anecdotes: of each kind and try */
	uint32_t early_ppm, twice_ppm, lost_ppm,
	    failed_ppm; /* of callbacks; failed: of jobs, too */
	uint32_t verdict_ppm[VERDICT_N];
};

/* Whom Apollo and scrapers know. */
struct scenario_people {
	size_t count;           /* size of the set */
	uint32_t no_email_ppm;  /* people whose address nobody knows */
	uint32_t not_found_ppm; /* people and companies outside the set that are not found */
};

/* How a bulk match tells of those whom it did not find. */
enum missing_form { MISSING_OMITTED, MISSING_NULL, MISSING_SHUFFLED };
extern const char *const missing_words[MISSING_SHUFFLED + 2];

struct scenario_apollo {
	int64_t credit_micro; /* price of one credit */
	int64_t async_us;     /* what is asked with a waterfall or for a phone takes this long */
	int missing;          /* enum missing_form */
};

struct scenario_apify {
	int64_t item_micro;  /* price of one item */
	int64_t run_us;      /* from start to end */
	uint32_t failed_ppm; /* runs that end FAILED with half of their items */
	uint64_t concurrent; /* runs at once; 0: no bound */
};

struct scenario_hunter {
	int64_t credit_micro;    /* an address that was found; one that was looked at is half of it */
	uint32_t not_found_ppm;  /* people */
	uint32_t in_work_ppm;    /* addresses that are not told at once */
	uint32_t mail_server_ppm; /* looks that a mail server spoiled */
	uint32_t opted_out_ppm;  /* people and addresses that must not be looked up */
	uint32_t verdict_ppm[VERDICT_N];
};

struct scenario {
	uint64_t seed;
	uint64_t limit_factor; /* multiplies the max of every limit; at least 1 */
	int64_t doubt_us;      /* an answer whose connection the client ends so soon after it is in
				  doubt; 0: never */
	int64_t retry_after_us, slow_us, drip_us;
	size_t drip_bytes, huge_bytes;
	struct scenario_service services[WORLD_SERVICES];
	int64_t validate_micro;          /* price of one ZeroBounce validation */
	uint32_t verdict_ppm[VERDICT_N]; /* VALID takes what is left */
	uint32_t no_facts_ppm;           /* research that finds nothing */
	uint32_t copy_ppm[COPY_N];       /* GOOD takes what is left */
	int quota_code;                  /* enum quota_code */
	bool duplicate_conflict; /* a skip flag that hits: 409; else 200 with the lead that is there
				  */
	int64_t index_us;        /* Instantly: so long after its push a list shows a lead */
	uint32_t contacted_ppm;  /* Instantly: leads that were written to as soon as they are there */
	uint32_t hubspot_companies_ppm, hubspot_contacts_ppm; /* known from the beginning */
	uint64_t close_tasks;   /* created before anybody came; the event log tells of them */
	uint64_t supabase_rows; /* of a state and a software, there from the beginning */
	struct scenario_n8n n8n;
	struct scenario_campaign {
		char id[64], name[64];
	} campaigns[SCENARIO_CAMPAIGNS]; /* that exist; none: any id does */
	size_t n_campaigns;
	struct scenario_people people;
	struct scenario_apollo apollo;
	struct scenario_apify apify;
	struct scenario_hunter hunter;
};

/*
 * Which calls of a provider the world knows; the words are in scenario.c. Draws depend on the
 * numbers: what is new comes last. At most 64.
 */
enum world_endpoint {
	EP_VALIDATE,
	EP_GETCREDITS,
	EP_RESEARCH,
	EP_COPY,
	EP_MODELS,
	EP_CREATE_LEAD,
	EP_LIST_LEADS,
	EP_GET_LEAD,
	EP_DELETE_LEAD,
	EP_LIST_CAMPAIGNS,
	EP_CREATE_CAMPAIGN,
	EP_GET_CAMPAIGN,
	EP_ACTIVATE_CAMPAIGN,
	EP_ADD_LEADS,
	EP_UPDATE_LEAD,
	EP_DELETE_LEADS,
	/* Apollo */
	EP_SEARCH_PEOPLE,
	EP_MATCH_PERSON,
	EP_MATCH_PEOPLE,
	EP_ENRICH_ORGANIZATION,
	EP_WEBHOOK_RESULT,
	EP_CREDIT_USAGE,
	/* Apify */
	EP_START_RUN,
	EP_GET_RUN,
	EP_LIST_RUNS,
	EP_DATASET_ITEMS,
	EP_RUN_SYNC,
	/* HubSpot */
	EP_SEARCH_OBJECTS,
	EP_READ_OBJECTS,
	EP_UPSERT_OBJECTS,
	EP_CREATE_CRM_LIST,
	EP_FIND_CRM_LIST,
	EP_SEARCH_CRM_LISTS,
	EP_ADD_MEMBERS,
	EP_LIST_MEMBERS,
	/* Supabase */
	EP_SELECT_ROWS,
	EP_INSERT_ROWS,
	EP_UPDATE_ROWS,
	EP_DELETE_ROWS,
	/* n8n */
	EP_DISCOVER,
	EP_ENRICH_COMPANY,
	EP_DISCOVER_CONTACTS,
	EP_ENRICH_CONTACT,
	EP_VERIFY_EMAIL,
	EP_GET_JOB,
	/* Close */
	EP_CLOSE_LEAD,
	EP_CLOSE_CONTACT,
	EP_CLOSE_EVENTS,
	/* Hunter */
	EP_FIND_EMAIL,
	EP_CHECK_EMAIL,
	EP_HUNTER_ACCOUNT,
	EP_N, /* as a result: no such path */
};
extern const char *const endpoint_words[EP_N + 1];
enum world_service endpoint_service(enum world_endpoint ep);
/* Costs money or leaves something behind: a wrong request, too, gets its line in the account. */
bool endpoint_matters(enum world_endpoint ep);
/* Tells about the account and takes nothing from it; counts in no limit that names no endpoints. */
bool endpoint_is_free(enum world_endpoint ep);

/* The everyday world: documented limits, plausible latencies, no faults. */
void scenario_default(struct scenario *ret);
/*
 * Reads the text over what *s holds already; keys that the file does not name stay. running: only
 * what world_swap takes may be named. LEAD_EINPUT: the first mistake with its place, and how many
 * more; *s is undefined then.
 */
int scenario_parse(const char *file, const char *text, size_t len, bool running, struct scenario *s,
    struct lead_error *err) MUST_CHECK;
