/* daemon/http_internal.h: what the http*.c files share; nobody else includes it. */
#pragma once

#include "daemon/http.h"

#include "lib/base/arena.h"

#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>

struct bufferevent;
struct event;
struct evbuffer;
struct evconnlistener;
struct evhttp;
struct evhttp_bound_socket;
struct evhttp_connection;
struct evhttp_request;

#define HTTP_HEADER_BYTES 16384
#define HTTP_BODY_BYTES 65536        /* a route's max_body when it names none */
#define HTTP_STREAM_READ_BYTES 4096  /* what a client may send us while we stream to it */
#define HTTP_SLOW_BYTES (256 * 1024) /* not yet taken: an SSE client is dropped */
#define HTTP_SSE_CLIENTS 32
#define HTTP_SWEEP_MS 100
#define HTTP_SEGMENTS 12
#define HTTP_PAIRS 64

/* Where a connection stands. Each phase has a deadline, kept by the sweep in http_conn.c. */
enum http_phase {
	HTTP_IDLE,      /* kept alive between requests; evhttp's own timeout cuts it */
	HTTP_READING,   /* a request is coming in: request_ms for all of it */
	HTTP_OWED,      /* the application has it: reply_ms, then 504 */
	HTTP_SENDING,   /* our reply is on its way: reply_ms */
	HTTP_STREAMING, /* reply_ms without a byte taken */
};

struct http_conn {
	TAILQ_ENTRY(http_conn) link;
	struct http *h;
	struct bufferevent *bev;
	struct evhttp_connection *ev; /* NULL until adopted */
	struct evhttp_request *owed;  /* whose end we owe: in HTTP_OWED and HTTP_STREAMING */
	struct http_request *r;       /* its other half; NULL when that ended before us */
	enum http_phase phase;
	int64_t
	    since_us; /* boot clock: when the phase began, or (streaming) when a byte last left */
	struct ucred peer;
	bool tcp;      /* no user is known there: a token is asked for */
	bool in_group; /* the peer belongs to the group of the socket */
	bool doomed;   /* to be cut at the next occasion outside the application's calls */
};

struct http_listener {
	LIST_ENTRY(http_listener) link; /* among all of the process */
	struct http *h;
	struct evhttp_bound_socket *bound;
	struct evconnlistener *lev;
	bool tcp;
	char *path; /* ours to remove; NULL for a passed one */
	dev_t dev;
	ino_t ino;
};
LIST_HEAD(http_listeners, http_listener);

struct http_pair {
	const char *name, *value;
};

struct http_request {
	TAILQ_ENTRY(http_request) link;
	struct http *h;
	struct http_conn *c; /* NULL when the client is gone, or was answered over our head */
	const struct route *route;
	struct arena mem; /* all below */
	const char *uri;
	struct http_pair *headers, query[HTTP_PAIRS], params[HTTP_SEGMENTS];
	size_t n_headers, n_query, n_params;
	struct evbuffer *body; /* NULL when empty */
	struct json_object *json;
	uid_t uid;
	uint32_t rights;   /* bit per enum http_right */
	const char *allow; /* goes out as the Allow header */
	const char *challenge; /* as WWW-Authenticate */
	bool close;        /* the connection ends after this reply */
	bool streaming, sse;
	struct http_stream_events on;
	int64_t wrote_us;
};

struct http {
	struct event_base *base;
	struct evhttp *ev, *ev_tcp; /* ev_tcp: NULL without a TCP address; its own, so that a connection is known by where it came in */
	struct http_options o;
	size_t max_body; /* the largest of the routes */
	gid_t group;     /* of the control socket's file; (gid_t)-1 for none */
	TAILQ_HEAD(, http_conn) conns;
	TAILQ_HEAD(, http_request) requests;
	unsigned n_conns, n_tcp, n_sse;
	struct event *soon, *sweep;
	struct evbuffer *chunk; /* scratch */
	int spare_fd;           /* given up for one more connection when descriptors run out */
	bool starved;           /* they ran out: nothing is accepted until the next sweep */
};

int64_t http_now_us(void);

/* http_conn.c */
int http_conn_init(struct http *h);
void http_conn_serve(struct http *h, struct evhttp *ev, bool tcp); /* its connections are ours */
void http_conn_enter(struct http_conn *c, enum http_phase phase);
void http_conn_free_all(struct http *h);
/* Runs on_soon outside the present call: cuts doomed connections, tells streams of their end. */
void http_soon(struct http *h);
void http_sweep_arm(struct http *h);

/* http_listen.c */
/* Accepts or not, by the connection count and the descriptors left. */
void http_listen_update(struct http *h);

/* http_route.c: 0, or a status for which the reply (code and one sentence) was filled in. */
struct http_fault {
	int status;
	const char *code;
	const char *detail;
};
bool http_request_check(struct http_request *r, struct http_fault *ret);
bool http_request_parse(struct http_request *r, struct http_fault *ret);
/* Finds the route and fills route and params; 404, or 405 with r->allow set. */
/* Is `name` one of the names, with blanks between them? Else *ret says so, and which is nearest. */
bool http_name_known(struct http_request *r, const char *names, const char *what, const char *name, struct http_fault *ret);
bool http_route_find(struct http_request *r, const char *method, struct http_fault *ret);

/* http.c */
struct evhttp *http_ev_new(struct http *h); /* with our limits; NULL: no memory */
const char *http_title(int status);
/* Sends a problem but leaves r alone. */
void http_answer_problem(struct http_request *r, int status, const char *code, const char *detail);
void http_request_free(struct http_request *r);

/* http_stream.c */
void http_stream_beat(struct http_request *r, int64_t now_us);
void http_stream_closed(struct http_request *r);
