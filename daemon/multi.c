/*
 * daemon/multi.c: what libcurl wants watched, and telling it what happened.
 *
 *   libcurl: on_watch (socket, mask)  -> one libevent event per fd
 *            on_timeout (ms)          -> one libevent timer per shard
 *   libevent: on_ready, on_timer      -> curl_multi_socket_action -> report: finished transfers
 *
 * on_watch and on_timeout only arm events and never call libcurl back. Events are level
 * triggered. Watches stand in a table by fd. When a transfer ends, libcurl says REMOVE, and says
 * IN again as soon as the next one uses the connection; so a watch for reading stays armed but
 * belongs to nobody (two system calls less per call). Should something arrive meanwhile, it is
 * disarmed. multi_close_socket disarms before every close: libevent would else believe that
 * the next socket with this number is in epoll already.
 */
#include "daemon/multi.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct watch {
	struct event event;
	struct shard *shard; /* NULL: of no transfer */
	int action;          /* CURL_POLL_* it is armed for; 0: not armed */
};

struct shard {
	CURLM *curl;
	struct event timer;
	struct multi *multi;
	unsigned transfers;
	bool retired;       /* ends with its last transfer */
	struct shard *next; /* retired ones */
};

struct multi {
	struct event_base *base;
	struct multi_options options;
	struct shard *shards[MULTI_SHARDS];
	struct shard *retired;
	struct watch **watches; /* by fd */
	int n_watches;
};

/* Out of memory, or our own mistake in the use of libcurl: no transfer can be trusted to end any
 * more. */
static void must(CURLMcode rc, const char *what)
{
	if (rc != CURLM_OK) {
		fprintf(stderr, "<2>libcurl: %s: %s\n", what, curl_multi_strerror(rc));
		abort();
	}
}

static void report(struct shard *s)
{
	struct multi *m = s->multi;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(s->curl, &left)) != NULL) {
		if (message->msg == CURLMSG_DONE) {
			m->options.finished(
			    m->options.arg, message->easy_handle, message->data.result);
		}
	}
}

static void act(struct shard *s, curl_socket_t fd, int flags)
{
	int running;

	must(curl_multi_socket_action(s->curl, fd, flags, &running), "socket_action");
	report(s);
}

static void disarm(struct watch *w)
{
	if (w->action != 0) {
		event_del(&w->event);
		w->action = 0;
	}
	w->shard = NULL;
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;

	if (w->shard == NULL) {
		disarm(
		    w); /* an idle connection was closed: libcurl looks before it uses it again */
		return;
	}
	act(w->shard, fd,
	    ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
		((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

/* One-shot; -1 takes it back; 0 means soon, but never from in here. */
static int on_timeout(CURLM *curl, long timeout_ms, void *arg)
{
	struct shard *s = arg;
	struct timeval wait = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};

	(void)curl;
	if (timeout_ms < 0) {
		event_del(&s->timer);
	} else if (event_add(&s->timer, &wait) != 0) {
		abort();
	}
	return 0;
}

static struct watch *watch_of(struct multi *m, curl_socket_t fd)
{
	if (fd >= m->n_watches) {
		int n = fd < 64 ? 128 : fd * 2;
		struct watch **grown = realloc(m->watches, (size_t)n * sizeof(struct watch *));

		if (grown == NULL) {
			abort();
		}
		memset(
		    grown + m->n_watches, 0, (size_t)(n - m->n_watches) * sizeof(struct watch *));
		m->watches = grown;
		m->n_watches = n;
	}
	if (m->watches[fd] == NULL && (m->watches[fd] = calloc(1, sizeof(struct watch))) == NULL) {
		abort();
	}
	return m->watches[fd];
}

static int on_watch(CURL *easy, curl_socket_t fd, int action, void *arg, void *socket_arg)
{
	struct shard *s = arg;
	struct watch *w = watch_of(s->multi, fd);
	short mask = EV_PERSIST;

	(void)easy;
	(void)socket_arg;
	if (action == CURL_POLL_REMOVE && w->action != CURL_POLL_IN) {
		disarm(w);
		return 0;
	}
	w->shard = action == CURL_POLL_REMOVE ? NULL : s;
	if (action == CURL_POLL_REMOVE || action == w->action) {
		return 0; /* each change costs a system call */
	}
	disarm(w);
	mask |= (action & CURL_POLL_IN) != 0 ? EV_READ : 0;
	mask |= (action & CURL_POLL_OUT) != 0 ? EV_WRITE : 0;
	event_assign(&w->event, s->multi->base, fd, mask, on_ready, w);
	if (event_add(&w->event, NULL) != 0) {
		abort(); /* saying no here would end every transfer of the shard */
	}
	w->shard = s;
	w->action = action;
	return 0;
}

static void shard_free(struct shard *s)
{
	must(curl_multi_cleanup(s->curl), "cleanup"); /* still calls on_watch and on_timeout */
	event_del(&s->timer);
	free(s);
}

int multi_new(struct event_base *base, const struct multi_options *o, struct multi **ret,
    struct lead_error *err)
{
	struct multi *m = calloc(1, sizeof(*m));

	if (m == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	m->base = base;
	m->options = *o;
	*ret = m;
	return 0;
}

struct shard *multi_shard(struct multi *m, unsigned index)
{
	struct shard *s = m->shards[index];

	if (s != NULL) {
		return s;
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL || (s->curl = curl_multi_init()) == NULL) {
		free(s);
		return NULL;
	}
	s->multi = m;
	evtimer_assign(&s->timer, m->base, on_timer, s);
	must(curl_multi_setopt(s->curl, CURLMOPT_SOCKETFUNCTION, on_watch), "setopt");
	must(curl_multi_setopt(s->curl, CURLMOPT_SOCKETDATA, s), "setopt");
	must(curl_multi_setopt(s->curl, CURLMOPT_TIMERFUNCTION, on_timeout), "setopt");
	must(curl_multi_setopt(s->curl, CURLMOPT_TIMERDATA, s), "setopt");
	must(curl_multi_setopt(s->curl, CURLMOPT_MAXCONNECTS, m->options.connections), "setopt");
	m->shards[index] = s;
	return s;
}

int shard_add(struct shard *s, CURL *easy, struct lead_error *err)
{
	CURLMcode rc = curl_multi_add_handle(s->curl, easy);

	if (rc != CURLM_OK) {
		return lead_fail(err, LEAD_EBUG, "libcurl: %s", curl_multi_strerror(rc));
	}
	s->transfers++;
	return 0;
}

void shard_remove(struct shard *s, CURL *easy)
{
	struct shard **link = &s->multi->retired;

	must(curl_multi_remove_handle(s->curl, easy), "remove_handle");
	if (--s->transfers > 0 || !s->retired) {
		return;
	}
	while (*link != s) {
		link = &(*link)->next;
	}
	*link = s->next;
	shard_free(s);
}

int multi_close_socket(void *multi, curl_socket_t fd)
{
	struct multi *m = multi;

	if (fd < m->n_watches && m->watches[fd] != NULL) {
		disarm(m->watches[fd]);
	}
	return close(fd);
}

void multi_forget(struct multi *m)
{
	for (unsigned i = 0; i < MULTI_SHARDS; i++) {
		struct shard *s = m->shards[i];

		m->shards[i] = NULL;
		if (s != NULL && s->transfers == 0) {
			shard_free(s);
		} else if (s != NULL) {
			s->retired = true;
			s->next = m->retired;
			m->retired = s;
		}
	}
}

void multi_free(struct multi *m)
{
	if (m == NULL) {
		return;
	}
	multi_forget(m);
	for (int fd = 0; fd < m->n_watches; fd++) {
		free(m->watches[fd]);
	}
	free(m->watches);
	free(m);
}
