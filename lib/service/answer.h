/*
 * lib/service/answer.h: from the bytes of one HTTP answer to what it means and what it brings.
 *
 * First matching outcome rule of the call, then of the service, then the
 * built-in ones (2xx ok, 401 403 auth, 402 quota, 408 425 5xx transient, 429 throttle,
 * 3xx and other 4xx permanent). The body is read in one pass: all paths
 * of all rules, hints, prices and mapped fields of a call are one path_set.
 */
#pragma once

#include "lib/service/service.h"

/* How the transport ended, as the fetcher saw it. */
enum transport {
	TRANSPORT_ANSWERED,   /* status and a complete body */
	TRANSPORT_UNSENT,     /* failed before the first byte left: DNS, connect, TLS */
	TRANSPORT_BROKEN,     /* reset, closed, time-out, resend refused, cut short: it was sent, nobody knows */
	TRANSPORT_TOO_LARGE,  /* body or headers past their cap */
	TRANSPORT_CANCELLED,  /* by us after sending: drain limit, shutdown */
};

struct http_header { const char *name, *value; }; /* NUL-terminated; names as received */

/* Filled by daemon/fetch, the simulator, replay. Borrowed for the length of a call. */
struct http_answer {
	enum transport transport;
	const char *why;              /* not ANSWERED: one short phrase, no secrets (`connection reset`) */
	int status;
	const struct http_header *headers;
	size_t n_headers;
	const char *body;
	size_t body_len;
	size_t items;                 /* of a batch: how many were asked for; 0 counts as 1 */
	int64_t sent_us, first_byte_us, end_us; /* boot clock; 0 when it never came to that */
};

/* A field of the answer under the name the call's `map:` gives it. Text lives in the arena or the answer's body. */
struct answer_field { const char *name; struct value value; };

/* One thing the provider said about a window of ours. */
struct answer_hint {
	size_t limit, window;    /* indexes into service->limits[].windows */
	uint64_t remaining;      /* UINT64_MAX when only a reset was given */
	int64_t reset_us;        /* microseconds from now; -1 when none was given */
	uint64_t max;            /* what the window holds in all; 0 when that was not said */
};

struct answer {
	enum outcome_class outcome;
	const char *reason;          /* short code: rule's own (`reason:`), else `http-429`, `no-json`, `reset` …; [a-z0-9-] */
	const char *detail;          /* provider's message, at most 200 bytes, printable, e-mail addresses masked; may be NULL */
	bool readable;               /* the transport worked: what the breaker wants to know; false also for a declared in_doubt with 5xx */
	int64_t retry_after_us;      /* provider's word, 0 for none (any of the forms in providers.md) */
	int64_t date_wall_us;        /* the provider's clock, by its Date header; 0 when it told none */
	int64_t reset_wall_us;       /* stated end of a quota (QUOTA, AUTH) in our clock, 0 for none */
	int64_t price_micro;         /* what it cost: the body's own price, else the price rule */
	struct answer_field *fields; /* in the order of `map:`; missing ones are VALUE_NONE; only for OK, EMPTY, DUPLICATE, PENDING */
	size_t n_fields;
	struct answer_hint hints[8];
	size_t n_hints;
	struct value job;            /* name of the job that it began; NONE when it names none */
};

struct reader;

/*
 * Never fails for what a provider can send: an answer with status 2xx whose body
 * should be JSON and is not (cut short, garbage) is OUTCOME_IN_DOUBT with readable = false,
 * as are TRANSPORT_BROKEN, TOO_LARGE and CANCELLED; for a call with DOUBT_FREE those are TRANSIENT.
 * Rules may declare in_doubt too (a gateway's 524): the same holds then.
 * now: for dates. Results live in the arena; LEAD_ENOMEM otherwise.
 */
int answer_read(const struct service *s, const struct service_call *c, const struct http_answer *h,
    struct now now, struct arena *a, struct answer *ret) MUST_CHECK;
/* The same of what came to the callback address of a call with a job; h: TRANSPORT_ANSWERED, status 200. */
int answer_read_callback(const struct service *s, const struct service_call *c, const struct http_answer *h,
    struct now now, struct arena *a, struct answer *ret) MUST_CHECK;
/*
 * What a job cost that ended with this class. result: the answer that brought it, of a poll (polled) or a callback, NULL
 * when none came; submitted_micro: price by the answer of the call that began it.
 */
int64_t answer_job_price(const struct service_call *c, enum outcome_class is, const struct answer *result, bool polled,
    int64_t submitted_micro);
/* Names that `map:` gives: what a stage using this call can produce, of a job's by any of its answers. NULL-terminated, borrowed. */
const char *const *answer_names(const struct service_call *c);
