/*
 * daemon/resolve.h: names to addresses by c-ares, on the event loop, with a cache.
 *
 * libcurl would start a thread for every lookup and forget every failure; so names
 * are looked up here and handed over as text. Order: the hosts file, then the name
 * servers of resolv.conf; names are whole (no search domains). One lookup per name
 * at a time, however many wait for it.
 */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct event_base;
struct name;
struct resolver;

struct resolve_options {
	int64_t ttl_us;      /* how long addresses are kept; 0: 5 minutes */
	const char *servers; /* `127.0.0.1:5353,[::1]:53`; NULL: resolv.conf */
};

/* What is known of a name. Texts are borrowed until the next resolve_* call; `why` for ever. */
struct resolved {
	const char *addresses; /* `192.0.2.1,[2001:db8::1]`, best first; NULL: none */
	const char *why;       /* with NULL addresses: one short phrase */
	uint64_t version;      /* another one for every lookup that brought addresses */
};

/* Embedded in whatever waits for a name; all zero does not wait. */
struct resolve_wait {
	void (*done)(struct resolve_wait *w, const struct resolved *r);
	struct name *name; /* while waiting */
	TAILQ_ENTRY(resolve_wait) link;
};

#define RESOLVE_PENDING 1

int resolver_new(struct event_base *base, const struct resolve_options *o, struct resolver **ret,
    struct lead_error *err) MUST_CHECK;
/*
 * 0 and what is known; or RESOLVE_PENDING: w->done is called once, from the loop, never from
 * within. Addresses are looked up again after the ttl, in the background: old ones are given out
 * meanwhile, and on through trouble of the name servers, but not after an hour without use. A name
 * that does not exist is kept 30 s, trouble 2 s.
 */
int resolve_get(
    struct resolver *r, const char *host, struct resolve_wait *w, struct resolved *ret) MUST_CHECK;
/* Stops waiting; the lookup goes on for the cache. Fine when not waiting. */
void resolve_cancel(struct resolve_wait *w);
/* Empties the cache (lookups under way excepted) and reads resolv.conf again before the next lookup
 * that can. */
void resolver_forget(struct resolver *r);
/* Waiting ones are never called. NULL is fine. */
void resolver_free(struct resolver *r);
