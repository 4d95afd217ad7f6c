/* daemon/lookup.h: c-ares on the event loop: one name, its addresses as text. */
#pragma once

#include "lib/base/error.h"

struct event_base;
struct lookup;

enum lookup_end {
	LOOKUP_FOUND,
	LOOKUP_MISSING, /* there is no such name, or it has no address */
	LOOKUP_TROUBLE, /* the name servers failed or did not answer */
	LOOKUP_STOPPED, /* by lookup_free */
};

/* addresses: `192.0.2.1,[2001:db8::1]`, best first, malloc'ed and given away; NULL unless FOUND. */
typedef void lookup_done(void *arg, enum lookup_end end, char *addresses);

/* servers: `127.0.0.1:5353,[::1]:53`, copied; NULL for those of resolv.conf. */
int lookup_new(struct event_base *base, const char *servers, struct lookup **ret,
    struct lead_error *err) MUST_CHECK;
/* The hosts file, then the name servers. done is called exactly once, perhaps before this returns
 * (hosts file). */
void lookup_start(struct lookup *l, const char *host, lookup_done *done, void *arg);
/* Reads resolv.conf again before the next lookup that begins while no other is under way. */
void lookup_reopen(struct lookup *l);
/* Calls done with STOPPED for what is under way. NULL is fine. */
void lookup_free(struct lookup *l);
