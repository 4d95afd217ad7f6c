/*
 * daemon/lookup.c: one c-ares channel: its sockets and its timer on the loop.
 *
 * c-ares tells which of its sockets to watch (on_watch) and when it wants to be called
 * without one (arm_timer). It calls on_addresses from within whatever function of its
 * own found the answer, ares_getaddrinfo and ares_destroy included.
 */
#include "daemon/lookup.h"

#include "lib/base/buf.h"

#include <ares.h>
#include <arpa/inet.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define MAX_ADDRESSES 8
#define QUERY_MS 2000 /* first try; each further one waits longer */
#define QUERY_TRIES 3

struct socket_watch {
	struct event event;
	struct lookup *lookup;
	LIST_ENTRY(socket_watch) link;
};

struct lookup {
	struct event_base *base;
	ares_channel channel;
	struct event *timer;
	LIST_HEAD(, socket_watch) watches;
	char *servers;
	unsigned under_way;
	bool reopen;
};

struct question {
	struct lookup *lookup;
	lookup_done *done;
	void *arg;
};

static void arm_timer(struct lookup *l)
{
	struct timeval wait;

	if (ares_timeout(l->channel, NULL, &wait) != NULL) {
		event_add(l->timer, &wait);
	} else {
		event_del(l->timer);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct lookup *l = arg;

	(void)fd;
	(void)what;
	ares_process_fd(l->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm_timer(l);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct lookup *l = ((struct socket_watch *)arg)->lookup; /* the watch may go away below */

	ares_process_fd(l->channel, (what & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
	    (what & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
	arm_timer(l);
}

static void unwatch(struct lookup *l, ares_socket_t fd)
{
	struct socket_watch *w;

	LIST_FOREACH(w, &l->watches, link)
	{
		if (event_get_fd(&w->event) == fd) {
			event_del(&w->event);
			LIST_REMOVE(w, link);
			free(w);
			return;
		}
	}
}

static void on_watch(void *arg, ares_socket_t fd, int readable, int writable)
{
	short mask = (short)(EV_PERSIST | (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
	struct lookup *l = arg;
	struct socket_watch *w;

	unwatch(l, fd);
	if (!readable && !writable) {
		return;
	}
	w = calloc(1, sizeof(*w));
	if (w == NULL) {
		abort(); /* a socket nobody watches would hang its lookups */
	}
	w->lookup = l;
	LIST_INSERT_HEAD(&l->watches, w, link);
	event_assign(&w->event, l->base, fd, mask, on_ready, w);
	if (event_add(&w->event, NULL) != 0) {
		abort();
	}
}

static int open_channel(struct lookup *l, struct lead_error *err)
{
	struct ares_options o = {
	    .flags = ARES_FLAG_NOSEARCH, /* a lead's dead domain must not become a neighbour's */
	    .timeout = QUERY_MS,
	    .tries = QUERY_TRIES,
	    .lookups = (char[]){"fb"}, /* hosts file first, whatever nsswitch.conf says */
	    .sock_state_cb = on_watch,
	    .sock_state_cb_data = l,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
		   ARES_OPT_SOCK_STATE_CB;
	int rc = ares_init_options(&l->channel, &o, mask);

	if (rc != ARES_SUCCESS) {
		l->channel = NULL;
	} else if (l->servers != NULL) {
		rc = ares_set_servers_ports_csv(l->channel, l->servers);
	}
	if (rc != ARES_SUCCESS) {
		return lead_fail(
		    err, LEAD_EREMOTE, "cannot set up name lookups: %s", ares_strerror(rc));
	}
	return 0;
}

static char *write_addresses(const struct ares_addrinfo *info)
{
	char text[INET6_ADDRSTRLEN];
	struct buf out = {0};
	size_t n = 0;

	for (const struct ares_addrinfo_node *a = info->nodes; a != NULL && n < MAX_ADDRESSES;
	     a = a->ai_next) {
		bool six = a->ai_family == AF_INET6;
		const void *in =
		    six ? (const void *)&((struct sockaddr_in6 *)(void *)a->ai_addr)->sin6_addr
			: (const void *)&((struct sockaddr_in *)(void *)a->ai_addr)->sin_addr;

		if (inet_ntop(a->ai_family, in, text, sizeof(text)) != NULL) {
			buf_add_text(&out, n++ > 0 ? "," : "");
			buf_printf(&out, six ? "[%s]" : "%s", text);
		}
	}
	return buf_take(&out);
}

static enum lookup_end end_of(int status)
{
	switch (status) {
	case ARES_SUCCESS: /* without an address */
	case ARES_ENOTFOUND:
	case ARES_ENODATA:
	case ARES_EBADNAME:
		return LOOKUP_MISSING;
	case ARES_EDESTRUCTION:
		return LOOKUP_STOPPED;
	default:
		return LOOKUP_TROUBLE;
	}
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct question *q = arg;
	char *addresses = status == ARES_SUCCESS ? write_addresses(info) : NULL;

	(void)timeouts;
	if (info != NULL) {
		ares_freeaddrinfo(info);
	}
	q->lookup->under_way--;
	q->done(q->arg, addresses != NULL ? LOOKUP_FOUND : end_of(status), addresses);
	free(q);
}

int lookup_new(
    struct event_base *base, const char *servers, struct lookup **ret, struct lead_error *err)
{
	struct lookup *l = calloc(1, sizeof(*l));
	int rc;

	if (l == NULL || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
		free(l);
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	l->base = base;
	l->servers = servers != NULL ? strdup(servers) : NULL;
	l->timer = evtimer_new(base, on_timer, l);
	if (l->timer == NULL || (servers != NULL && l->servers == NULL)) {
		rc = lead_fail(err, LEAD_ENOMEM, "out of memory");
	} else {
		rc = open_channel(l, err);
	}
	if (rc != 0) {
		lookup_free(l);
		return rc;
	}
	*ret = l;
	return 0;
}

void lookup_start(struct lookup *l, const char *host, lookup_done *done, void *arg)
{
	struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct question *q;

	if (l->reopen && l->under_way == 0) {
		ares_destroy(l->channel);
		l->reopen = open_channel(l, NULL) != 0;
	}
	q = malloc(sizeof(*q));
	if (q == NULL || l->channel == NULL) {
		free(q);
		done(arg, LOOKUP_TROUBLE, NULL);
		return;
	}
	*q = (struct question){.lookup = l, .done = done, .arg = arg};
	l->under_way++;
	ares_getaddrinfo(l->channel, host, NULL, &hints, on_addresses, q);
	arm_timer(l);
}

void lookup_reopen(struct lookup *l)
{
	l->reopen = true;
}

void lookup_free(struct lookup *l)
{
	if (l == NULL) {
		return;
	}
	if (l->channel != NULL) {
		ares_destroy(l->channel); /* calls on_addresses for all that is under way */
	}
	if (l->timer != NULL) {
		event_free(l->timer);
	}
	free(l->servers);
	free(l);
	ares_library_cleanup();
}
