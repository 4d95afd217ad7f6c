/*
 * daemon/fetch.h: HTTP calls out: libcurl multi_socket on libevent, names resolved by c-ares, one thread.
 *
 * One curl attempt is one request on the wire: no redirects, no resends (a second
 * send inside the library is refused and reported as BROKEN), no queueing (the engine
 * grants, we start at once). Callbacks never re-enter libcurl: results are delivered
 * from an event of their own.
 *
 *   fetch_start -> resolve (cache, c-ares) -> add_handle -> PREREQ: on_sent -> first byte -> done: on_done
 */
#pragma once

#include "lib/service/answer.h"
#include "lib/service/request.h"

struct event_base;
struct fetch;

struct fetch_events {
	/* The first byte of call id may leave now (boot clock). Called at most once per call. */
	void (*sent)(void *arg, uint64_t id, int64_t boot_us);
	/* The first byte of the answer is here. At most once, before done. */
	void (*first_byte)(void *arg, uint64_t id, int64_t boot_us);
	/*
	 * The end of call id, exactly once per successful fetch_start, never from within it.
	 * The answer's body is malloc'ed and given away through `body` (may be NULL);
	 * headers are borrowed until return.
	 */
	void (*done)(void *arg, uint64_t id, const struct http_answer *answer, char *body);
	void *arg;
};

struct fetch_options {
	const char *ca_file;      /* NULL: the system's bundle */
	bool allow_private;       /* destinations on loopback and private networks: for tests and the demo; else refused (SSRF) */
	unsigned max_in_flight;   /* backstop, default 2000 */
	int64_t dns_ttl_us;       /* default 5 min; names that do not exist are kept 30 s */
	const char *dns_servers;  /* `127.0.0.1:5353`: for tests; NULL: those of resolv.conf */
};

int fetch_new(struct event_base *base, const struct fetch_options *o, const struct fetch_events *events,
    struct fetch **ret, struct lead_error *err) MUST_CHECK;
/*
 * Copies what it needs of the request. LEAD_EINPUT for a URL that is none (http or https, ASCII, no user
 * name, no fragment) or a method or header that cannot be sent; LEAD_EFULL past max_in_flight;
 * LEAD_EBUG for an id under way.
 */
int fetch_start(struct fetch *f, uint64_t id, const struct request *r, struct lead_error *err) MUST_CHECK;
/*
 * One mail to one receiver, with the same events. done brings ANSWERED with the server's last code as status and its last line as
 * body whenever it said something that ended it, good or bad. Servers on this machine and in private networks are fine.
 */
struct fetch_mail {
	const char *server;           /* smtp://host:port or smtps://host:port */
	const char *from, *to;        /* addresses without control characters */
	const char *user, *password;  /* NULL: no login */
	bool starttls;                /* no mail without it */
	const char *text;             /* headers and body, lines end with CRLF */
	size_t len;
	int64_t connect_us, total_us; /* connect: greeting and login included */
};
int fetch_mail(struct fetch *f, uint64_t id, const struct fetch_mail *m, struct lead_error *err) MUST_CHECK;
/* Ends a call now; done follows with CANCELLED when it was sent, UNSENT when not. Unknown ids are ignored. */
void fetch_cancel(struct fetch *f, uint64_t id);
unsigned fetch_in_flight(const struct fetch *f);
/* Drops idle connections, cached names and the parsed CA file; calls under way go on. For reloads. */
void fetch_forget(struct fetch *f);
/* Ends everything without calling done. Not from within a callback. NULL is fine. */
void fetch_free(struct fetch *f);
