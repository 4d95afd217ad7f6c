/*
 * lib/sim/model.h: what a provider model must know to play its part. Only for files of lib/sim.
 *
 *   route -> credential -> read ---(world: limits, keys, quotas, faults)---> answer, or fail
 */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/value.h"
#include "lib/sim/account.h"
#include "lib/sim/kept.h"
#include "lib/sim/jobs.h"
#include "lib/sim/leads.h"
#include "lib/sim/prose.h"
#include "lib/sim/scenario.h"
#include "lib/sim/world.h"

struct json_object;

/* One request on its way through the world. Lives for one world_handle. */
struct ask {
	const struct scenario *s;
	const struct world_request *r;
	const char *path; /* without the service's prefix */
	struct now now;
	enum world_service service;
	enum world_endpoint endpoint;
	const char *key;   /* what the client showed as its key; NULL for none */
	uint64_t key_left; /* calls left of the key's quota; UINT64_MAX: no end */
	uint64_t meaning;
	uint32_t attempt;
	/* read fills in what it finds */
	struct value subject;                         /* address, id or model: as sent */
	struct value prompt;                          /* text of the last message */
	struct value schema;                          /* wanted form of the answer (JSON), if any */
	bool json_mode;                               /* JSON wanted without a schema */
	uint64_t tokens_in, tokens_max, tokens_asked; /* asked: what the token limit counts */
	struct json_object *tree; /* body of an Instantly call; freed by the world */
	const char *bad;       /* not NULL: the request is wrong, this is what the provider says */
	const char *bad_field; /* where, may be NULL */
	int bad_status;
	struct leads *leads;
	struct account *account;
	struct kept *kept;
	struct sim_jobs *jobs;
	/* answer fills in what it means */
	enum account_outcome outcome;
	enum account_again again;
	int64_t price_micro;
	bool ledger;  /* costs money or leaves something behind: an account line is wanted */
	bool lost;    /* the push is to be lost */
	bool unread;  /* done, but nobody will see the answer */
	bool carried; /* what was done is told later: by the plan's own requests, or job `job` */
	size_t job;   /* of kept, counted from 1; 0: none */
	/* of a call that does several things: one account line each; of the arena */
	struct ask_item {
		uint64_t meaning;
		enum account_outcome outcome;
		enum account_again again;
		int64_t price_micro;
	} * items;
	size_t n_items; /* 0: the call is one thing */
	struct ask_window {
		bool known;
		uint64_t max, left, used; /* used: the weight in it, this call's with it */
		int64_t reset_us;         /* until it is whole again */
		int64_t length_us;        /* 0: calendar day */
	} requests, tokens,               /* the key's first window of each kind, for headers */
	    windows[SCENARIO_LIMITS];     /* all that the call counts in, as in the scenario */
	const struct chat_paths *paths;
	struct prose_lead lead; /* whom the prompt is about; answered chats only */
	struct arena *a;
	struct buf *body;
};

/* Ways in which a provider says no. */
enum refusal {
	REFUSAL_BAD,  /* ask->bad */
	REFUSAL_PATH, /* no such endpoint */
	REFUSAL_AUTH,
	REFUSAL_THROTTLE, /* wait_us > 0: says so; tokens: it is the token limit */
	REFUSAL_SLOW_DOWN,
	REFUSAL_QUOTA,
	REFUSAL_BILLING,
	REFUSAL_500,
	REFUSAL_OVERLOAD,
	REFUSAL_200, /* status 200, failure inside */
};

/* Behind the names of companies that are made up: a domain that nobody can have, under a top level that exists. */
#define COMPANY_TAIL ".example.com"

struct model {
	const char *host; /* end of the host name it answers to; with no other field set, every
			     call is a 501 */
	/* EP_N when there is no such call. path: without the service's prefix. */
	enum world_endpoint (*route)(const char *method, const char *path);
	const char *(*credential)(struct ask *q);
	/* Takes the request apart: meaning, subject, bad. LEAD_ENOMEM. */
	int (*read)(struct ask *q);
	/* The right answer: status, headers and q->body; outcome, price, ledger. LEAD_ENOMEM. */
	int (*answer)(struct ask *q, struct world_plan *p);
	void (*refuse)(
	    struct ask *q, enum refusal why, bool tokens, int64_t wait_us, struct world_plan *p);
	bool bills_all;  /* what is done is on the bill whatever its price; else with a price */
	bool tells_wait; /* says when to come back when its limit is passed */
};

extern const struct model model_zerobounce, model_perplexity, model_openai, model_instantly,
    model_apollo, model_apify, model_hubspot, model_supabase, model_n8n, model_close,
    model_hunter;

/* --- common tools (model.c) --- */
void plan_header(struct world_plan *p, const char *name, const char *value);
void plan_json(struct world_plan *p, int status);
/* Retry-After in whole seconds, at least 1; nothing for wait_us <= 0. */
void plan_retry_after(struct ask *q, struct world_plan *p, int64_t wait_us);
const char *ask_header(const struct ask *q, const char *name);
const char *ask_bearer(struct ask *q);
/* Decoded; NONE when absent. Lives in the arena. */
struct value ask_query(struct ask *q, const char *name);
/* All values of a name that may be percent-encoded itself, as in `titles[]=a&titles%5B%5D=b`; at
 * most max are stored, NUL-terminated, in the arena. */
size_t ask_query_all(struct ask *q, const char *name, const char *ret[], size_t max);
/* Each name with its value, decoded, in the arena; *at is NULL before the first. False: no more. */
bool ask_query_next(struct ask *q, const char **at, const char **ret_name, const char **ret_value);
/* The first of them; NULL when there is none. */
const char *ask_query_text(struct ask *q, const char *name);
bool ask_query_flag(struct ask *q, const char *name); /* true or 1 */
/* A whole number from min to max; def when absent; anything else makes the request bad with status.
 */
size_t ask_query_count(
    struct ask *q, const char *name, size_t min, size_t max, size_t def, int status);
void ask_bad(struct ask *q, int status, const char *field, const char *format, ...) PRINTF(4, 5);
/* Meaning from service, endpoint and these bytes. */
uint64_t ask_meaning(const struct ask *q, const void *bytes, size_t len);
/* Sets the meaning by path, query and, when it is said, body. 0 or LEAD_ENOMEM. */
int ask_means(struct ask *q, bool body);
/* 64 bits that depend on seed, service and meaning; the same at every attempt. */
uint64_t ask_draw(const struct ask *q, const char *purpose);
/* 64 bits that depend on the attempt too. */
uint64_t ask_roll(const struct ask *q, const char *purpose);
/* Index by shares; 0 takes what is left. */
size_t draw_share(uint64_t draw, const uint32_t ppm[], size_t n);
uint64_t hash_many(const uint64_t *parts, size_t n);
void json_add(struct buf *out, const char *text); /* as a string literal; NULL as null */

/* --- chat bodies of OpenAI's form (chat.c) --- */
struct chat_paths; /* what is cut out of a body; made once */
struct chat_paths *chat_paths_new(void);
void chat_paths_free(struct chat_paths *c);
/* model, messages, limits; bad_status is 400 for what is no JSON and for missing fields.
 * LEAD_ENOMEM. */
int chat_read(struct ask *q);
/* What a text is in tokens: about four bytes each. */
uint64_t chat_tokens(size_t bytes);
/* Fills q->lead. */
void chat_find_lead(struct ask *q);
/* The text in the form that was asked for: as it is, as a JSON object, or by schema. Needs q->lead.
 */
int chat_form(struct ask *q, uint64_t draw, const char *text, struct buf *out);
