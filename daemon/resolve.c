/*
 * daemon/resolve.c: a cache of names in front of daemon/lookup.
 *
 *   resolve_get -> known? -> answer
 *       | new or old         ^ old ones too: calls must not wait for name servers in trouble
 *       '-> lookup_start -> on_end -> name settled -> waiting ones called
 *
 * The table is in the order of the last lookup, so the oldest name is its head.
 */
#include "daemon/resolve.h"

#include "daemon/clock.h"
#include "daemon/lookup.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define DEFAULT_TTL_US (300 * US_PER_S)
#define MISSING_TTL_US (30 * US_PER_S)
#define TROUBLE_TTL_US (2 * US_PER_S)
#define USABLE_US (3600 * US_PER_S) /* past the ttl, or the last trouble */
#define MAX_NAMES 4096

struct name {
	UT_hash_handle hh;
	struct resolver *resolver;
	char *addresses;
	const char *why;
	uint64_t version;
	int64_t ask_at_us;       /* boot clock: look it up again from then on */
	int64_t usable_until_us; /* the addresses, meanwhile */
	bool asking;
	TAILQ_HEAD(, resolve_wait) waits;
	char host[];
};

struct resolver {
	struct lookup *lookup;
	struct name *names;
	int64_t ttl_us;
	uint64_t version;
};

static void name_free(struct resolver *r, struct name *n)
{
	HASH_DEL(r->names, n);
	free(n->addresses);
	free(n);
}

/* Makes room: the name looked up the longest time ago goes. */
static void forget_oldest(struct resolver *r)
{
	struct name *n, *next;

	HASH_ITER(hh, r->names, n, next)
	{
		if (!n->asking) {
			name_free(r, n);
			return;
		}
	}
}

static struct name *name_of(struct resolver *r, const char *host)
{
	size_t len = strlen(host);
	struct name *n;

	HASH_FIND(hh, r->names, host, len, n);
	if (n != NULL) {
		return n;
	}
	if (HASH_COUNT(r->names) >= MAX_NAMES) {
		forget_oldest(r);
	}
	n = calloc(1, sizeof(*n) + len + 1);
	if (n == NULL) {
		return NULL;
	}
	memcpy(n->host, host, len + 1);
	n->resolver = r;
	TAILQ_INIT(&n->waits);
	HASH_ADD_KEYPTR(hh, r->names, n->host, len, n);
	return n;
}

static struct resolved name_known(const struct name *n)
{
	return (struct resolved){.addresses = n->addresses, .why = n->why, .version = n->version};
}

static void name_settle(struct name *n, enum lookup_end end, char *addresses)
{
	struct resolver *r = n->resolver;
	int64_t now = clock_boot_us();

	if (end == LOOKUP_TROUBLE) { /* what was known stays known */
		n->why = "name servers do not answer";
		n->ask_at_us = now + TROUBLE_TTL_US;
		n->usable_until_us = now + USABLE_US;
		return;
	}
	free(n->addresses);
	n->addresses = addresses;
	n->why = "no such host";
	n->ask_at_us = now + (addresses != NULL ? r->ttl_us : MISSING_TTL_US);
	n->usable_until_us = n->ask_at_us + USABLE_US;
	n->version = ++r->version;
}

static void on_end(void *arg, enum lookup_end end, char *addresses)
{
	struct name *n = arg;
	struct resolve_wait *w;

	n->asking = false;
	if (end == LOOKUP_STOPPED) {
		return;
	}
	name_settle(n, end, addresses);
	while ((w = TAILQ_FIRST(&n->waits)) != NULL) {
		struct resolved known = name_known(n);

		resolve_cancel(w);
		w->done(w, &known);
	}
}

static void name_ask(struct name *n)
{
	struct resolver *r = n->resolver;

	HASH_DEL(r->names, n); /* to the young end of the table */
	HASH_ADD_KEYPTR(hh, r->names, n->host, strlen(n->host), n);
	n->asking = true;
	lookup_start(r->lookup, n->host, on_end, n);
}

int resolver_new(struct event_base *base, const struct resolve_options *o, struct resolver **ret,
    struct lead_error *err)
{
	struct resolver *r = calloc(1, sizeof(*r));
	int rc;

	if (r == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	r->ttl_us = o->ttl_us > 0 ? o->ttl_us : DEFAULT_TTL_US;
	rc = lookup_new(base, o->servers, &r->lookup, err);
	if (rc != 0) {
		free(r);
		return rc;
	}
	*ret = r;
	return 0;
}

int resolve_get(struct resolver *r, const char *host, struct resolve_wait *w, struct resolved *ret)
{
	struct name *n = name_of(r, host);
	int64_t now = clock_boot_us();

	if (n == NULL) {
		return LEAD_ENOMEM;
	}
	if (!n->asking && n->ask_at_us <= now) {
		name_ask(n);
	}
	if (n->asking && (n->addresses == NULL || n->usable_until_us <= now)) {
		w->name = n;
		TAILQ_INSERT_TAIL(&n->waits, w, link);
		return RESOLVE_PENDING;
	}
	*ret = name_known(n);
	return 0;
}

void resolve_cancel(struct resolve_wait *w)
{
	if (w->name != NULL) {
		TAILQ_REMOVE(&w->name->waits, w, link);
		w->name = NULL;
	}
}

void resolver_forget(struct resolver *r)
{
	struct name *n, *next;

	HASH_ITER(hh, r->names, n, next)
	{
		if (!n->asking) {
			name_free(r, n);
		}
	}
	lookup_reopen(r->lookup);
}

void resolver_free(struct resolver *r)
{
	struct name *n, *next;

	if (r == NULL) {
		return;
	}
	lookup_free(r->lookup);
	HASH_ITER(hh, r->names, n, next)
	{
		name_free(r, n);
	}
	free(r);
}
