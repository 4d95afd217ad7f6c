/*
 * daemon/resolve.c: a cache of names in front of one c-ares channel.
 *
 *   resolve_get -> fresh? -> answer
 *       | stale or new
 *       '-> ares_getaddrinfo -> on_addresses -> name settled -> waiting ones called
 *
 * c-ares tells which of its sockets to watch (on_watch) and when it wants to be
 * called without one (ask_timer). It may call on_addresses from within
 * ares_getaddrinfo (hosts file, localhost); then nobody waits yet.
 * The table is in the order of the last lookup, so the oldest name is its head.
 */
#include "daemon/resolve.h"

#include "daemon/clock.h"

#include <ares.h>
#include <arpa/inet.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define DEFAULT_TTL_US (300 * US_PER_S)
#define MISS_TTL_US (30 * US_PER_S)
#define TROUBLE_TTL_US (2 * US_PER_S)
#define MAX_NAMES 4096
#define MAX_ADDRESSES 8
#define QUERY_MS 2000 /* first try; each further one waits longer */
#define QUERY_TRIES 3

struct name {
	UT_hash_handle hh;
	struct resolver *resolver;
	char *addresses;
	const char *why;
	uint64_t version;
	int64_t until_us; /* boot clock */
	bool asking;
	TAILQ_HEAD(, resolve_wait) waits;
	char host[];
};

struct socket_watch {
	struct event event;
	struct resolver *resolver;
	LIST_ENTRY(socket_watch) link;
};

struct resolver {
	struct event_base *base;
	ares_channel channel;
	struct event *timer;
	LIST_HEAD(, socket_watch) watches;
	struct name *names;
	char *servers;
	int64_t ttl_us;
	uint64_t version;
	unsigned asking;
	bool reopen;
};

/* --- c-ares on the loop --- */

static void arm_timer(struct resolver *r)
{
	struct timeval wait;

	if (ares_timeout(r->channel, NULL, &wait) != NULL) {
		event_add(r->timer, &wait);
	} else {
		event_del(r->timer);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;

	(void)fd;
	(void)what;
	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm_timer(r);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r =
	    ((struct socket_watch *)arg)->resolver; /* the watch may go away below */

	ares_process_fd(r->channel, (what & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
	    (what & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
	arm_timer(r);
}

static void unwatch(struct socket_watch *w)
{
	event_del(&w->event);
	LIST_REMOVE(w, link);
	free(w);
}

static void on_watch(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = arg;
	struct socket_watch *w;
	short mask = (short)(EV_PERSIST | (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));

	LIST_FOREACH(w, &r->watches, link)
	{
		if (event_get_fd(&w->event) == fd) {
			unwatch(w);
			break;
		}
	}
	if (!readable && !writable) {
		return;
	}
	w = calloc(1, sizeof(*w));
	if (w == NULL) {
		abort(); /* a socket nobody watches would hang its lookups */
	}
	w->resolver = r;
	LIST_INSERT_HEAD(&r->watches, w, link);
	event_assign(&w->event, r->base, fd, mask, on_ready, w);
	event_add(&w->event, NULL);
}

static int open_channel(struct resolver *r, struct lead_error *err)
{
	struct ares_options o = {
	    .flags = ARES_FLAG_NOSEARCH, /* a missing lead's domain must not become a neighbour's */
	    .timeout = QUERY_MS,
	    .tries = QUERY_TRIES,
	    .lookups = (char[]){"fb"}, /* hosts file first, whatever nsswitch.conf says */
	    .sock_state_cb = on_watch,
	    .sock_state_cb_data = r,
	};
	int rc = ares_init_options(&r->channel, &o,
	    ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
		ARES_OPT_SOCK_STATE_CB);

	if (rc != ARES_SUCCESS) {
		r->channel = NULL;
	} else if (r->servers != NULL) {
		rc = ares_set_servers_ports_csv(r->channel, r->servers);
	}
	if (rc != ARES_SUCCESS) {
		return lead_fail(
		    err, LEAD_EREMOTE, "cannot set up name lookups: %s", ares_strerror(rc));
	}
	return 0;
}

/* --- the cache --- */

static void name_free(struct resolver *r, struct name *n)
{
	HASH_DEL(r->names, n);
	free(n->addresses);
	free(n);
}

/* Makes room: the name asked for the longest time ago goes. */
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

/* As CURLOPT_RESOLVE wants them; NULL when there is none. */
static char *write_addresses(const struct ares_addrinfo *info)
{
	char text[INET6_ADDRSTRLEN];
	struct buf out = {0};
	size_t n = 0;

	for (const struct ares_addrinfo_node *a = info->nodes; a != NULL && n < MAX_ADDRESSES;
	     a = a->ai_next) {
		const void *in =
		    a->ai_family == AF_INET6
			? (const void *)&((struct sockaddr_in6 *)(void *)a->ai_addr)->sin6_addr
			: (const void *)&((struct sockaddr_in *)(void *)a->ai_addr)->sin_addr;

		if (inet_ntop(a->ai_family, in, text, sizeof(text)) != NULL) {
			buf_printf(&out, a->ai_family == AF_INET6 ? "%s[%s]" : "%s%s",
			    n++ > 0 ? "," : "", text);
		}
	}
	return buf_take(&out);
}

static void name_settle(struct name *n, int status, struct ares_addrinfo *info)
{
	struct resolver *r = n->resolver;
	bool missing =
	    status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_EBADNAME;
	char *addresses = status == ARES_SUCCESS ? write_addresses(info) : NULL;
	int64_t now = clock_boot_us();

	if (addresses != NULL) {
		free(n->addresses);
		n->addresses = addresses;
		n->version = ++r->version;
		n->until_us = now + r->ttl_us;
	} else if (missing || status == ARES_SUCCESS) {
		free(n->addresses);
		n->addresses = NULL;
		n->why = "no such host";
		n->until_us = now + MISS_TTL_US;
	} else {
		n->why = "name servers do not answer";
		n->until_us = now + TROUBLE_TTL_US;
	}
}

static struct resolved name_known(const struct name *n)
{
	return (struct resolved){.addresses = n->addresses, .why = n->why, .version = n->version};
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct name *n = arg;
	struct resolve_wait *w;

	(void)timeouts;
	n->asking = false;
	n->resolver->asking--;
	if (status != ARES_EDESTRUCTION) {
		name_settle(n, status, info);
		while ((w = TAILQ_FIRST(&n->waits)) != NULL) {
			struct resolved known = name_known(n);

			resolve_cancel(w);
			w->done(w, &known);
		}
	}
	if (info != NULL) {
		ares_freeaddrinfo(info);
	}
}

static int name_ask(struct name *n)
{
	struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct resolver *r = n->resolver;

	if (r->reopen && r->asking == 0) {
		ares_destroy(r->channel);
		if (open_channel(r, NULL) != 0) {
			return LEAD_EREMOTE;
		}
		r->reopen = false;
	}
	HASH_DEL(r->names, n); /* to the young end of the table */
	HASH_ADD_KEYPTR(hh, r->names, n->host, strlen(n->host), n);
	n->asking = true;
	r->asking++;
	ares_getaddrinfo(r->channel, n->host, NULL, &hints, on_addresses, n);
	arm_timer(r);
	return 0;
}

/* --- for the caller --- */

int resolver_new(struct event_base *base, const struct resolve_options *o, struct resolver **ret,
    struct lead_error *err)
{
	struct resolver *r = calloc(1, sizeof(*r));
	int rc;

	if (r == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	r->base = base;
	r->ttl_us = o->ttl_us > 0 ? o->ttl_us : DEFAULT_TTL_US;
	r->servers = o->servers != NULL ? strdup(o->servers) : NULL;
	r->timer = evtimer_new(base, on_timer, r);
	rc = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS && r->timer != NULL
		 ? open_channel(r, err)
		 : lead_fail(err, LEAD_ENOMEM, "out of memory");
	if (rc != 0) {
		resolver_free(r);
		return rc;
	}
	*ret = r;
	return 0;
}

int resolve_get(struct resolver *r, const char *host, struct resolve_wait *w, struct resolved *ret)
{
	struct name *n = name_of(r, host);

	if (n == NULL) {
		return LEAD_ENOMEM;
	}
	if (!n->asking && n->until_us <= clock_boot_us()) {
		int rc = name_ask(n);

		if (rc != 0) {
			return rc;
		}
	}
	if (n->asking) {
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
	r->reopen = true;
}

void resolver_free(struct resolver *r)
{
	struct name *n, *next;

	if (r == NULL) {
		return;
	}
	if (r->channel != NULL) {
		ares_destroy(r->channel); /* calls on_addresses for what is under way, on_watch for
					     each socket */
	}
	HASH_ITER(hh, r->names, n, next)
	{
		name_free(r, n);
	}
	if (r->timer != NULL) {
		event_free(r->timer);
	}
	free(r->servers);
	free(r);
	ares_library_cleanup();
}
