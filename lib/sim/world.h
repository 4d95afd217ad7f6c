/*
 * lib/sim/world.h: the outside world on one screen: the provider models behind one function.
 *
 * ZeroBounce, Perplexity, OpenAI, Instantly, Apollo, Apify, HubSpot, Supabase, n8n, Close and Hunter as
 * their documents describe them (bodies, headers, errors), with the faults a scenario asks for,
 * their own limits, their own bills and an account of what a client asked twice. No socket and no
 * clock: time comes in, a plan of the answer goes out, and the caller carries it out (leadsim on
 * real connections, a simulator on a virtual clock) and says what became of it.
 *
 *   world_handle -> plan -> carried out to the last byte -> world_delivered
 *                 |    '-> cut, reset, never read: nothing to say (the answer is in doubt)
 *                 '-> requests of the world's own, after a while -> world_delivered
 *
 * Same seed, same world: every draw is hash(seed, service, meaning, attempt). The meaning is
 * the service, the endpoint and the address, prompt or lead the request is about, never its call
 * id; the attempt counts how often that meaning got past credentials, limits and quotas
 * so far. What the world knows (is the address valid, which facts, which text) depends on the
 * meaning alone, so a client that is killed and started again meets the same world.
 *
 * Kept apart from lib/flow on purpose: limits are counted here by other code than the code under
 * test.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scenario;
struct world;

enum world_service {
	WORLD_ZEROBOUNCE,
	WORLD_PERPLEXITY,
	WORLD_OPENAI,
	WORLD_INSTANTLY,
	WORLD_APOLLO,
	WORLD_APIFY,
	WORLD_HUBSPOT,
	WORLD_SUPABASE,
	WORLD_N8N,
	WORLD_CLOSE,
	WORLD_HUNTER,
	WORLD_SERVICES, /* how many; as a result: none of them */
};

/* `zerobounce`, …: the word in scenarios and reports, and the first part of the path. */
const char *world_service_word(enum world_service s);

/* What can go wrong; the words of scenario files are in the comments. */
enum world_fault {
	FAULT_NONE,
	FAULT_THROTTLE,      /* throttle: 429 with Retry-After */
	FAULT_THROTTLE_BARE, /* throttle-bare: 429 (ZeroBounce: 403) without a word about when */
	FAULT_SLOW_DOWN, /* slow-down: OpenAI's 429 inside the limits; elsewhere as throttle-bare */
	FAULT_QUOTA,     /* quota: allowance used up, in the provider's own form */
	FAULT_BILLING,   /* billing: 402 */
	FAULT_AUTH,      /* auth: the key is refused */
	FAULT_500,       /* error-500 */
	FAULT_HTML,      /* error-html: 502 or 503 of a proxy in front, HTML body */
	FAULT_OVERLOAD,  /* overload: 529; OpenAI: 503 server_is_overloaded */
	FAULT_RESET_BEFORE, /* reset-before: connection reset, nothing was done */
	FAULT_RESET_AFTER,  /* reset-after: connection reset, done and billed */
	FAULT_DRIP,         /* drip: the answer comes in small pieces */
	FAULT_TRUNCATE,     /* truncate: Content-Length promises more than comes; done and billed */
	FAULT_GARBAGE,      /* garbage: 200 and no JSON; done and billed */
	FAULT_ERROR_200,    /* error-200: 200 with an error inside; not billed */
	FAULT_HUGE,         /* huge: 20 MB; done and billed */
	FAULT_HANG,         /* hang: taken and never answered; nothing was done */
	FAULT_LOST_PUSH,    /* lost-push: 200 with a lead, but nothing is kept (Instantly) */
	FAULT_SLOW,         /* slow: a right answer, very late */
	FAULT_N,
};
const char *world_fault_word(enum world_fault f);

struct world_header {
	const char *name, *value; /* NUL-terminated */
};

struct world_request {
	const char *method;
	const char *host; /* decides when the path has no service prefix; may be NULL */
	const char *path; /* still encoded, no query; with or without `/zerobounce`, `/openai`, … in
			     front */
	const char *query; /* without `?`; may be NULL */
	const struct world_header *headers;
	size_t n_headers;
	const char *body;
	size_t body_len;
};

enum world_end {
	WORLD_ANSWER, /* the whole answer */
	WORLD_CUT,    /* the answer without its last cut_bytes, then the connection closes */
	WORLD_RESET,  /* no byte, the connection is reset */
	WORLD_HANG,   /* no byte; the connection stays open until the client gives up */
};

#define WORLD_HEADERS 20

/* A POST of the world's own, as when a workflow tells its result to whoever started it. */
struct world_later {
	int64_t after_us; /* from the arrival; may be sooner than the answer */
	const char *url;  /* as the client gave it */
	const char *body; /* JSON */
	size_t body_len;
	uint64_t token; /* for world_delivered once it was answered with 2xx */
};
#define WORLD_LATER 2

/* Everything is borrowed from the world until its next function is called. */
struct world_plan {
	enum world_service service;
	enum world_fault fault;
	enum world_end end;
	int64_t arrival_us; /* boot clock, as it was counted */
	int64_t delay_us;   /* from arrival to the first byte (or to the reset) */
	int status;
	struct world_header headers[WORLD_HEADERS]; /* Date included; Content-Length and Connection
						       are the caller's */
	size_t n_headers;
	const char *body;
	size_t body_len;
	size_t pad_bytes;  /* so many spaces follow the body; part of the Content-Length */
	size_t cut_bytes;  /* WORLD_CUT */
	size_t drip_bytes; /* not 0: the body goes out in pieces of this size, */
	int64_t drip_us;   /* one every so many microseconds */
	uint64_t token;    /* for world_delivered; 0 when nobody wants to know */
	struct world_later later[WORLD_LATER];
	size_t n_later;
};

/* Copies the scenario. NULL when out of memory. */
struct world *world_new(const struct scenario *s);
void world_free(struct world *w);
/* Forgets everything that happened; the scenario stays. 0 or LEAD_ENOMEM. */
int world_reset(struct world *w) MUST_CHECK;
/*
 * Swaps the scenario while running: faults, latencies, shares. Keys, limits, seed and limit factor
 * of the new one are ignored. Scripts begin anew; call numbers go on. */
void world_swap(struct world *w, const struct scenario *s);
const struct scenario *world_scenario(const struct world *w);

/*
 * One request has arrived. now must not go back (a step back counts as no step). Always gives a
 * plan; out of memory is a 500 that nobody asked for.
 */
void world_handle(
    struct world *w, const struct world_request *r, struct now now, struct world_plan *ret);
/* The answer of this token went out to its last byte. */
void world_delivered(struct world *w, uint64_t token, struct now now);
/* It went out, but the client ended before it can have acted on it: in doubt after all. */
void world_doubted(struct world *w, uint64_t token);

struct world_report_options {
	bool full;     /* addresses of pushed leads in the clear */
	bool no_bills; /* totals only */
};
/* Appends the report as one JSON object (the fields are described in leadsim(1)). */
void world_report(const struct world *w, const struct world_report_options *o, struct buf *out);

/* --- for tests and simulators --- */
struct world_totals {
	uint64_t calls, billed_calls, violations;
	int64_t billed_micro;
	uint64_t repeats_p3;    /* asked again after a whole, final answer */
	uint64_t repeats_doubt; /* asked again after an answer nobody may have seen */
	uint64_t
	    repeats_declared; /* asked again after a bad copy, an unknown address or a lost push */
	uint64_t faults[FAULT_N];
};
void world_totals(const struct world *w, enum world_service s, struct world_totals *ret);
/* Most arrivals (or weight) ever counted in window i of the service's limits, over all keys; 0 when
 * there is no such window. */
uint64_t world_worst(const struct world *w, enum world_service s, size_t i);
