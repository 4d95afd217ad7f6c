/*
 * daemon/http.h: the control server: evhttp, hardened, with one route table, on a Unix socket and on TCP addresses.
 *
 * Every limit that evhttp lacks is here: connections, header bytes, body bytes, a deadline
 * to a whole request, a deadline for deferred replies, slow readers, EMFILE (see the
 * list in the .c). Errors are problem+json (RFC 9457) with a stable `code`.
 */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct endpoint;
struct event_base;
struct json_object;
struct http;
struct http_request; /* lives until one of the reply functions that end it, or until its closed callback has returned */

/*
 * What a route asks of its caller. On the Unix socket the user counts: each right includes those before it, APPROVE and INTAKE
 * are everybody's who may OPERATE. On TCP the bearer token counts: a bit per right.
 */
enum http_right {
	HTTP_READ,
	HTTP_OPERATE,
	HTTP_ADMIN,
	HTTP_APPROVE,
	HTTP_INTAKE,
	HTTP_PUBLIC /* the request brings a proof of its own, which the handler checks: a signature, a token in its path */
};

struct route {
	const char *method;  /* GET POST PUT DELETE */
	const char *pattern; /* /v1/runs/{run}/leads/{lead} */
	enum http_right right;
	void (*handler)(void *app, struct http_request *r);
	const char *summary; /* one line: OpenAPI and help */
	size_t max_body;     /* bytes; 0: 64 KiB */
	const char *query;   /* names of its parameters, with blanks between; NULL: whatever comes */
	const char *body;    /* the same for the members of a JSON body */
};

struct http_options {
	const struct route *routes; /* ends with a NULL method */
	void *app;
	/* What this peer may do on the Unix socket; NULL: its own uid and root all, others in the socket's group OPERATE. */
	enum http_right (*right_of)(void *app, uid_t uid, gid_t gid, bool *ret_allowed);
	/* TCP: is there such a token (compared in constant time), and what may it do: bit per enum http_right. NULL: there is none. */
	bool (*token)(void *app, const char *token, size_t len, uint32_t *ret_rights);
	unsigned max_connections;   /* default 256; TCP gets all but an eighth, so that the operator gets in */
	int64_t request_ms;         /* first byte to whole request; default 10 s */
	int64_t reply_ms;           /* longest deferred reply; default 120 s, then 504. Also: longest standstill of a stream's reader */
	int64_t heartbeat_ms;       /* silence on an event stream before a comment is sent; default 15 s */
};

int http_new(struct event_base *base, const struct http_options *o, struct http **ret, struct lead_error *err) MUST_CHECK;
/* Binds (mode 0660 by umask, stale socket removed only when nobody answers on it) or adopts a passed fd (made non-blocking, checked). */
int http_listen_unix(struct http *h, const char *path, struct lead_error *err) MUST_CHECK;
int http_listen_fd(struct http *h, int fd, struct lead_error *err) MUST_CHECK;
/* Binds to a TCP address; port 0: one that is free. ret_port: which. */
int http_listen_tcp(struct http *h, const struct endpoint *at, uint16_t *ret_port, struct lead_error *err) MUST_CHECK;
/* Stops accepting; open requests go on. */
void http_close_listeners(struct http *h);
/*
 * Cuts every connection; open streams hear `closed`. Requests still owed a reply are freed:
 * the application must let go of them. Not from within a callback of this module. NULL is fine.
 */
void http_free(struct http *h);

/* --- what came in; all borrowed for the life of the request --- */
const char *http_param(struct http_request *r, const char *name);  /* {name} of the pattern, decoded */
const char *http_query(struct http_request *r, const char *name);  /* decoded; NULL when absent */
const char *http_header(struct http_request *r, const char *name);
const void *http_body(struct http_request *r, size_t *ret_len);
/* The body as a JSON object (empty body: an empty object) of known members. On failure a 400 problem was already sent and NULL comes back. */
struct json_object *http_body_json(struct http_request *r);
/* The token of `Authorization: Bearer TOKEN`; NULL: there is none. */
const char *http_bearer(struct http_request *r);
uid_t http_peer_uid(struct http_request *r); /* (uid_t)-1 on TCP */
/* May the caller do more than the route asked for? */
bool http_may(struct http_request *r, enum http_right right);
/* Digits only, within [min, max]; on failure a 400 or 404 problem was already sent and false comes back. Absent: *ret stays. */
bool http_param_uint(struct http_request *r, const char *name, uint64_t min, uint64_t max, uint64_t *ret);
bool http_query_uint(struct http_request *r, const char *name, uint64_t min, uint64_t max, uint64_t *ret);

/* --- replies; each ends the request. They may come in the handler or any time later --- */
void http_reply_json(struct http_request *r, int status, struct json_object *body); /* takes body */
void http_reply_text(struct http_request *r, int status, const char *type, const char *body, size_t len);
/* code: short-dashed-words, stable; detail: one sentence for a person. */
void http_reply_problem(struct http_request *r, int status, const char *code, const char *detail, ...) __attribute__((format(printf, 4, 5)));
/* LEAD_EINPUT 400, EFULL 507, ESTORE 500, EREMOTE 502 … */
void http_reply_error(struct http_request *r, const struct lead_error *err);

/* --- streams: SSE and large downloads --- */
struct http_stream_events {
	void (*drained)(void *arg); /* everything written so far has left: write more */
	void (*closed)(void *arg);  /* the client went away or was dropped; the request is gone after this returns */
	void *arg;
};
/* Sends the header. From now on only http_stream_* on r. */
void http_stream_start(struct http_request *r, const char *type, const struct http_stream_events *e);
/*
 * Bytes not yet taken by the client after this write; above 256 KiB an SSE client is dropped
 * (closed is called), a download waits for drained. SIZE_MAX when the client is gone: closed follows.
 */
size_t http_stream_write(struct http_request *r, const void *bytes, size_t len);
/* One server-sent event; NULL name for none. Heartbeats are ours. */
void http_stream_event(struct http_request *r, const char *name, const char *json);
void http_stream_end(struct http_request *r);
/* Ends it without a proper last chunk, so that the client knows the file is not whole. */
void http_stream_abort(struct http_request *r);

/* --- the table for machines --- */
/* An OpenAPI 3.1 document of the routes, owned by the caller. version: the program's. */
struct json_object *http_openapi(const struct route *routes, const char *version);
