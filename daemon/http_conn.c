/*
 * daemon/http_conn.c: the life of one client connection.
 *
 *   on_accept -> on_soon adopts it -> READING -> OWED -> SENDING -> IDLE -> READING ...
 *                                                  '---> STREAMING ---> (closed)
 *
 * evhttp has no deadline over a whole request, none while a reply is owed, no bound on what
 * a client sends while it is answered and no count of connections. One sweep every 100 ms,
 * only while there are connections, keeps all of them; each phase has its deadline there.
 * Nothing is freed inside a call of the application: it is marked doomed and goes in on_soon.
 */
#include "daemon/http_internal.h"

#include <stdlib.h>
#include <time.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>

int64_t http_now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void http_conn_enter(struct http_conn *c, enum http_phase phase)
{
	c->phase = phase;
	c->since_us = http_now_us();
}

void http_soon(struct http *h)
{
	event_active(h->soon, EV_TIMEOUT, 0);
}

static void on_input(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
	struct http_conn *c = arg;

	(void)buffer;
	if (info->n_added > 0 && c->phase == HTTP_IDLE) {
		http_conn_enter(c, HTTP_READING);
	}
}

static void on_output(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
	struct http_conn *c = arg;

	(void)buffer;
	if (info->n_deleted > 0 && c->phase == HTTP_STREAMING) {
		c->since_us = http_now_us();
	}
}

/* evhttp lets go of a connection, for whatever reason. Always called exactly once. */
static void on_close(struct evhttp_connection *ev, void *arg)
{
	struct http_conn *c = arg;
	struct http_request *r = c->r;
	struct http *h = c->h;

	(void)ev;
	/*
	 * A request that failed while we owed its end was taken off the connection and is ours
	 * to free; otherwise evhttp frees it right after this.
	 */
	if (c->owed != NULL && evhttp_request_get_connection(c->owed) == NULL) {
		evhttp_request_free(c->owed);
	}
	TAILQ_REMOVE(&h->conns, c, link);
	h->n_conns--;
	h->n_tcp -= c->tcp;
	free(c);
	if (r != NULL) {
		r->c = NULL;
		if (r->streaming) {
			http_stream_closed(r);
		}
	}
	http_soon(h); /* there may be room for another one */
}

static bool peer_in_group(int fd, gid_t group, gid_t primary)
{
	gid_t few[64], *groups = few;
	socklen_t len = sizeof(few);
	bool found = primary == group;

	if (group == (gid_t)-1) {
		return false;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0) {
		groups = malloc(len); /* the kernel said how many there are */
		if (groups == NULL ||
		    getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0) {
			len = 0;
		}
	}
	for (size_t i = 0; i < len / sizeof(gid_t); i++) {
		found = found || groups[i] == group;
	}
	if (groups != few) {
		free(groups);
	}
	return found;
}

/*
 * evhttp tells of a connection only with its first whole request, which a hostile client never
 * sends. The argument of the callbacks that evhttp set on our bufferevent is its connection
 * (libevent 2.1); from it we learn of the close in every case.
 */
static void adopt(struct http_conn *c)
{
	struct http *h = c->h;
	socklen_t len = sizeof(c->peer);
	void *arg;

	bufferevent_getcb(c->bev, NULL, NULL, NULL, &arg);
	c->ev = arg;
	evhttp_connection_set_closecb(c->ev, on_close, c);
	c->peer.uid = (uid_t)-1;
	c->peer.gid = (gid_t)-1;
	if (!c->tcp && getsockopt(bufferevent_getfd(c->bev), SOL_SOCKET, SO_PEERCRED, &c->peer, &len) == 0) {
		c->in_group = peer_in_group(bufferevent_getfd(c->bev), h->group, c->peer.gid);
	}
	/* evhttp keeps reading while it answers; it needs a whole body at once, so this much. */
	bufferevent_setwatermark(c->bev, EV_READ, 0, h->max_body + 2 * (size_t)HTTP_HEADER_BYTES);
	evbuffer_add_cb(bufferevent_get_input(c->bev), on_input, c);
	evbuffer_add_cb(bufferevent_get_output(c->bev), on_output, c);
}

/* Searched anew each time: what a closed callback does may change the lists. */
static struct http_conn *first_doomed(struct http *h)
{
	struct http_conn *c;

	TAILQ_FOREACH(c, &h->conns, link)
	{
		if (c->doomed) {
			break;
		}
	}
	return c;
}

static struct http_request *first_cut_stream(struct http *h)
{
	struct http_request *r;

	TAILQ_FOREACH(r, &h->requests, link)
	{
		if (r->streaming && r->c == NULL) {
			break;
		}
	}
	return r;
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
	struct http *h = arg;
	struct http_conn *c;
	struct http_request *r;

	(void)fd;
	(void)what;
	TAILQ_FOREACH(c, &h->conns, link)
	{
		if (c->ev == NULL) {
			adopt(c);
		}
	}
	while ((c = first_doomed(h)) != NULL) {
		evhttp_connection_free(c->ev);
	}
	while ((r = first_cut_stream(h)) != NULL) {
		http_stream_closed(r);
	}
	http_listen_update(h);
}

/* The phase has lasted too long. */
static void expire(struct http_conn *c)
{
	struct http_request *r = c->r;

	if (c->phase == HTTP_OWED && r != NULL) {
		/* The application still holds r and will end it; its reply then goes nowhere. */
		http_answer_problem(r, 504, "reply-timeout",
		    "no reply within the time allowed; "
		    "what was begun may still be done");
		return;
	}
	c->doomed = true;
}

static void check(struct http_conn *c, int64_t now_us)
{
	const struct http_options *o = &c->h->o;
	int64_t limit_ms = c->phase == HTTP_READING ? o->request_ms : o->reply_ms;
	struct evbuffer *output = bufferevent_get_output(c->bev);

	if (c->phase == HTTP_STREAMING) {
		if (evbuffer_get_length(bufferevent_get_input(c->bev)) >= HTTP_STREAM_READ_BYTES) {
			c->doomed =
			    true; /* reading stopped there, so its going away would not show */
		}
		if (evbuffer_get_length(output) == 0) {
			c->since_us = now_us;
		}
		if (c->r != NULL && c->r->sse) {
			http_stream_beat(c->r, now_us);
		}
	}
	if (c->phase != HTTP_IDLE && now_us - c->since_us > limit_ms * 1000) {
		expire(c);
	}
}

void http_sweep_arm(struct http *h)
{
	const struct timeval wait = {.tv_usec = HTTP_SWEEP_MS * 1000};

	if (!event_pending(h->sweep, EV_TIMEOUT, NULL)) {
		event_add(h->sweep, &wait);
	}
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct http *h = arg;
	int64_t now_us = http_now_us();
	struct http_conn *c;

	(void)fd;
	(void)what;
	TAILQ_FOREACH(c, &h->conns, link)
	{
		check(c, now_us);
	}
	h->starved = false;
	on_soon(-1, 0, h);
	if (!TAILQ_EMPTY(&h->conns)) {
		http_sweep_arm(h);
	}
}

static struct bufferevent *accepted(struct event_base *base, struct http *h, bool tcp)
{
	struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);
	struct http_conn *c = calloc(1, sizeof(*c));

	if (bev == NULL || c == NULL) {
		abort(); /* out of memory: the one tested way out is a restart */
	}
	c->h = h;
	c->bev = bev;
	c->tcp = tcp;
	h->n_tcp += tcp;
	http_conn_enter(c, HTTP_READING);
	TAILQ_INSERT_TAIL(&h->conns, c, link);
	h->n_conns++;
	http_listen_update(h);
	http_soon(h);
	http_sweep_arm(h);
	return bev;
}

static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
	return accepted(base, arg, false);
}

static struct bufferevent *on_accept_tcp(struct event_base *base, void *arg)
{
	return accepted(base, arg, true);
}

void http_conn_serve(struct http *h, struct evhttp *ev, bool tcp)
{
	evhttp_set_bevcb(ev, tcp ? on_accept_tcp : on_accept, h);
}

int http_conn_init(struct http *h)
{
	h->soon = event_new(h->base, -1, 0, on_soon, h);
	h->sweep = event_new(h->base, -1, 0, on_sweep, h);
	if (h->soon == NULL || h->sweep == NULL) {
		return LEAD_ENOMEM;
	}
	http_conn_serve(h, h->ev, false);
	return 0;
}

/* After evhttp is gone: only a connection that was never adopted is left. */
void http_conn_free_all(struct http *h)
{
	struct http_conn *c;

	while ((c = TAILQ_FIRST(&h->conns)) != NULL) {
		TAILQ_REMOVE(&h->conns, c, link);
		free(c);
	}
}
