/*
 * tests/unit/web_stub.h: a raw-socket HTTP server for tests, on the test's own event base.
 *
 * What it does is in the path: /ok, /drop, /half … (see web_routes). It keeps the last request
 * and counts connections and whole requests.
 */
#pragma once

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct web_stub {
	struct event_base *base;
	struct evconnlistener *listener;
	uint16_t port;
	int connections, requests;
	char last[8192];
	char *bomb; /* gzip of zeros */
	size_t bomb_len;
	struct web_peer *peers;
};

struct web_peer {
	struct web_stub *stub;
	struct bufferevent *bev;
	struct event *later;
	struct web_peer *next, **link;
};

static void web_peer_free(struct web_peer *p)
{
	*p->link = p->next;
	if (p->next != NULL) {
		p->next->link = p->link;
	}
	event_free(p->later);
	bufferevent_free(p->bev);
	free(p);
}

static void web_send(struct web_peer *p, const char *text)
{
	evbuffer_add(bufferevent_get_output(p->bev), text, strlen(text));
}

static void web_drained(struct bufferevent *bev, void *arg)
{
	(void)bev;
	web_peer_free(arg);
}

/* Closes when all is written. */
static void web_close(struct web_peer *p)
{
	if (evbuffer_get_length(bufferevent_get_output(p->bev)) == 0) {
		web_peer_free(p);
		return;
	}
	bufferevent_disable(p->bev, EV_READ);
	bufferevent_setcb(p->bev, NULL, web_drained, NULL, p);
}

#define WEB_OK                                                                                     \
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "                    \
	"11\r\n\r\n{\"ok\":true}"

static void web_later(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	web_send(arg, WEB_OK);
}

static void web_many_headers(struct web_peer *p, int n, int value_bytes)
{
	char line[2048];

	web_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n");
	for (int i = 1; i < n; i++) {
		snprintf(line, sizeof(line), "X-Header-%d: %0*d\r\n", i, value_bytes, i);
		web_send(p, line);
	}
	web_send(p, "\r\n{}");
}

static const struct web_route {
	const char *path, *answer;
	bool close;
} web_routes[] = {
    {"/ok", WEB_OK, false},
    {"/drop", "", true},
    {"/never", "", false},
    {"/half", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\":", true},
    {"/open-end", "HTTP/1.0 200 OK\r\n\r\n{\"a\":", true},
    {"/chunks",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: "
	"chunked\r\n\r\n5\r\n{\"a\":\r\n3\r\n17}\r\n0\r\nX-Trailer: t\r\n\r\n",
	false},
    {"/chunks-cut", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n", true},
    {"/moved", "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n", false},
    {"/error", "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nX-Empty:\r\nContent-Length: 4\r\n\r\nbusy",
	false},
    {"/interim", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" WEB_OK, false},
    {"/nothing", "HTTP/1.1 204 No Content\r\n\r\n", false},
    {"/noise", "SSH-2.0-nothing\r\n\r\n", true},
    {"/wrong-gzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\nnozip!",
	false},
};

static void web_answer(struct web_peer *p, const char *path)
{
	struct timeval slow = {.tv_usec = 200000};

	for (size_t i = 0; i < sizeof(web_routes) / sizeof(web_routes[0]); i++) {
		if (strcmp(web_routes[i].path, path) == 0) {
			web_send(p, web_routes[i].answer);
			if (web_routes[i].close) {
				web_close(p);
			}
			return;
		}
	}
	if (strcmp(path, "/slow") == 0) {
		event_add(p->later, &slow);
	} else if (strcmp(path, "/bomb") == 0) {
		evbuffer_add_printf(bufferevent_get_output(p->bev),
		    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
		    p->stub->bomb_len);
		evbuffer_add(bufferevent_get_output(p->bev), p->stub->bomb, p->stub->bomb_len);
	} else if (strcmp(path, "/headers-200") == 0) {
		web_many_headers(p, 200, 1);
	} else if (strcmp(path, "/headers-201") == 0) {
		web_many_headers(p, 201, 1);
	} else if (strcmp(path, "/headers-big") == 0) {
		web_many_headers(p, 70, 1000);
	} else {
		web_send(p, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
	}
}

/* One whole request at the head of the buffer, taken out into `last`; false when there is none yet.
 */
static bool web_take(struct web_peer *p)
{
	struct evbuffer *in = bufferevent_get_input(p->bev);
	size_t len = evbuffer_get_length(in), whole;
	char *text = (char *)evbuffer_pullup(in, -1), *end, *length;

	if (len == 0 || (end = memmem(text, len, "\r\n\r\n", 4)) == NULL) {
		return false;
	}
	whole = (size_t)(end + 4 - text);
	length = memmem(text, whole, "Content-Length: ", 16);
	whole += length != NULL ? strtoul(length + 16, NULL, 10) : 0;
	if (len < whole) {
		return false;
	}
	len = whole < sizeof(p->stub->last) ? whole : sizeof(p->stub->last) - 1;
	memcpy(p->stub->last, text, len);
	p->stub->last[len] = '\0';
	evbuffer_drain(in, whole);
	return true;
}

static void web_read(struct bufferevent *bev, void *arg)
{
	struct web_peer *p = arg;
	char path[64] = "";

	(void)bev;
	if (web_take(p)) { /* clients of ours send no second one before the answer */
		p->stub->requests++;
		sscanf(p->stub->last, "%*s %63[^ ?]", path);
		web_answer(p, path);
	}
}

static void web_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)what;
	web_peer_free(arg);
}

static void web_accept(
    struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *a, int len, void *arg)
{
	struct web_stub *s = arg;
	struct web_peer *p = calloc(1, sizeof(*p));

	(void)l;
	(void)a;
	(void)len;
	s->connections++;
	p->stub = s;
	p->next = s->peers;
	p->link = &s->peers;
	if (p->next != NULL) {
		p->next->link = &p->next;
	}
	s->peers = p;
	p->later = evtimer_new(s->base, web_later, p);
	p->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(p->bev, web_read, NULL, web_event, p);
	bufferevent_enable(p->bev, EV_READ | EV_WRITE);
}

/* Closes every connection now. */
static void web_hang_up(struct web_stub *s)
{
	while (s->peers != NULL) {
		web_peer_free(s->peers);
	}
}

static int web_start(struct web_stub *s, struct event_base *base)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);

	memset(s, 0, sizeof(*s));
	s->base = base;
	s->listener = evconnlistener_new_bind(
	    base, web_accept, s, LEV_OPT_CLOSE_ON_FREE, 2048, (struct sockaddr *)&in, sizeof(in));
	if (s->listener == NULL ||
	    getsockname(evconnlistener_get_fd(s->listener), (struct sockaddr *)&in, &len) != 0) {
		return -1;
	}
	s->port = ntohs(in.sin_port);
	return 0;
}

static void web_stop(struct web_stub *s)
{
	web_hang_up(s);
	evconnlistener_free(s->listener);
	free(s->bomb);
}
