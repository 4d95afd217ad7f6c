/*
 * daemon/http.c: one request, from evhttp's hands to the application's and back.
 *
 *   on_request -> copy -> check -> parse -> route -> right -> handler -> ... -> http_reply_*
 *                   '-------'--------'-------'--------'--> problem
 *
 * A request is a copy of its own: the application may hold it longer than the client stays
 * or evhttp keeps its half. The other half, whose end is owed to evhttp, belongs to the
 * connection (http_conn.c).
 *
 * The list of limits: connections (http_listen.c), header bytes and body bytes (evhttp, and
 * each route's own), a deadline to a whole request, to a reply, and to its being taken
 * (http_conn.c), slow readers and what they send meanwhile (http_stream.c).
 */
#include "daemon/http_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <json-c/json.h>

/* --- a request's way in --- */

static struct http_request *request_new(
    struct http *h, struct http_conn *c, struct evhttp_request *ev)
{
	struct http_request *r = calloc(1, sizeof(*r));
	const char *uri = evhttp_request_get_uri(ev);
	struct evbuffer *body = evhttp_request_get_input_buffer(ev);
	struct evkeyval *header;
	size_t n = 0;

	if (r == NULL) {
		abort(); /* out of memory */
	}
	r->h = h;
	r->c = c;
	r->uid = c->peer.uid;
	r->uri = arena_dup(&r->mem, uri, strlen(uri));
	TAILQ_FOREACH(header, evhttp_request_get_input_headers(ev), next)
	{
		n++;
	}
	r->headers = arena_alloc(&r->mem, (n + 1) * sizeof(*r->headers));
	TAILQ_FOREACH(header, evhttp_request_get_input_headers(ev), next)
	{
		r->headers[r->n_headers++] =
		    (struct http_pair){arena_dup(&r->mem, header->key, strlen(header->key)),
			arena_dup(&r->mem, header->value, strlen(header->value))};
	}
	if (evbuffer_get_length(body) > 0) {
		r->body = evbuffer_new();
		evbuffer_add_buffer(r->body, body);
	}
	r->close = r->body != NULL || http_header(r, "Content-Length") != NULL ||
		   http_header(r, "Transfer-Encoding") != NULL;
	TAILQ_INSERT_TAIL(&h->requests, r, link);
	c->owed = ev;
	c->r = r;
	http_conn_enter(c, HTTP_OWED);
	return r;
}

void http_request_free(struct http_request *r)
{
	TAILQ_REMOVE(&r->h->requests, r, link);
	if (r->c != NULL) {
		r->c->r = NULL;
	}
	if (r->body != NULL) {
		evbuffer_free(r->body);
	}
	json_object_put(r->json);
	arena_free(&r->mem);
	free(r);
}

static const char *method_name(struct evhttp_request *ev)
{
	switch (evhttp_request_get_command(ev)) {
	case EVHTTP_REQ_GET:
		return "GET";
	case EVHTTP_REQ_POST:
		return "POST";
	case EVHTTP_REQ_PUT:
		return "PUT";
	case EVHTTP_REQ_DELETE:
		return "DELETE";
	default:
		return ""; /* no route has it: 405 or 404 in our own words */
	}
}

/* --- who is it, and what may they do --- */

/* Of a user at the Unix socket; 0: nothing. */
static uint32_t user_rights(struct http *h, const struct http_conn *c)
{
	bool allowed = c->in_group || c->peer.uid == 0 || c->peer.uid == geteuid();
	enum http_right right =
	    c->peer.uid == 0 || c->peer.uid == geteuid() ? HTTP_ADMIN : HTTP_OPERATE;

	if (h->o.right_of != NULL) {
		allowed = true;
		right = h->o.right_of(h->o.app, c->peer.uid, c->peer.gid, &allowed);
	}
	if (!allowed) {
		return 0;
	}
	return ((2u << right) - 1) | 1u << HTTP_PUBLIC | (right >= HTTP_OPERATE ? 1u << HTTP_APPROVE | 1u << HTTP_INTAKE : 0);
}

/* RFC 6750: the token of `Authorization: Bearer TOKEN`. NULL: there is none. */
const char *http_bearer(struct http_request *r)
{
	const char *text = http_header(r, "Authorization");

	if (text == NULL || strncasecmp(text, "Bearer ", 7) != 0) {
		return NULL;
	}
	text += 7;
	return text + strspn(text, " ");
}

/* False: a token is there, and wrong. */
static bool token_rights(struct http_request *r)
{
	const char *token = http_bearer(r);

	r->rights = 0;
	if (token != NULL && (r->h->o.token == NULL || !r->h->o.token(r->h->o.app, token, strlen(token), &r->rights))) {
		return false;
	}
	r->rights |= 1u << HTTP_PUBLIC;
	return true;
}

bool http_may(struct http_request *r, enum http_right right)
{
	return (r->rights >> right & 1) != 0;
}

/* Public routes look at their own proof: a token there is no matter. */
static bool identify(struct http_request *r, struct http_fault *ret)
{
	if (!r->c->tcp) {
		r->rights = user_rights(r->h, r->c);
	} else if (!token_rights(r) && r->route->right != HTTP_PUBLIC) {
		r->challenge = "Bearer realm=\"leadd\", error=\"invalid_token\"";
		*ret = (struct http_fault){401, "bad-token", "there is no such token"};
		return false;
	} else if (r->route->right != HTTP_PUBLIC && http_bearer(r) == NULL) {
		r->challenge = "Bearer realm=\"leadd\"";
		*ret = (struct http_fault){401, "no-token", "a token is needed here: Authorization: Bearer ..."};
		return false;
	} else {
		r->rights |= 1u << HTTP_PUBLIC;
	}
	if (!http_may(r, r->route->right)) {
		*ret = (struct http_fault){403, "forbidden", r->c->tcp ? "this token may not do that" : "this user may not do that"};
		return false;
	}
	return true;
}

static bool admit(struct http_request *r, const char *method, struct http_fault *ret)
{
	size_t len, max;

	if (!http_request_check(r, ret)) {
		r->close = true; /* what it meant to say next is not to be trusted either */
		return false;
	}
	if (!http_request_parse(r, ret) || !http_route_find(r, method, ret)) {
		return false;
	}
	if (!identify(r, ret)) {
		return false;
	}
	for (size_t i = 0; r->route->query != NULL && i < r->n_query; i++) {
		if (!http_name_known(r, r->route->query, "parameter", r->query[i].name, ret)) {
			return false;
		}
	}
	max = r->route->max_body != 0 ? r->route->max_body : HTTP_BODY_BYTES;
	http_body(r, &len);
	if (len > max) {
		*ret = (struct http_fault){
		    413, "body-too-large", "the body is too large for this route"};
		return false;
	}
	return true;
}

static void on_request(struct evhttp_request *ev, void *arg)
{
	struct http *h = arg;
	struct http_conn *c;
	struct http_request *r;
	struct http_fault fault;

	TAILQ_FOREACH(c, &h->conns, link)
	{
		if (c->ev == evhttp_request_get_connection(ev)) {
			break;
		}
	}
	if (c == NULL) {
		evhttp_send_error(ev, 500, NULL); /* cannot be: each is adopted before it is read */
		return;
	}
	r = request_new(h, c, ev);
	if (admit(r, method_name(ev), &fault)) {
		r->route->handler(h->o.app, r);
	} else {
		http_reply_problem(r, fault.status, fault.code, "%s", fault.detail);
	}
}

/* --- the server --- */

struct evhttp *http_ev_new(struct http *h)
{
	struct evhttp *ev = evhttp_new(h->base);
	struct timeval timeout = {.tv_sec = h->o.request_ms / 1000, .tv_usec = h->o.request_ms % 1000 * 1000};

	if (ev == NULL) {
		return NULL;
	}
	evhttp_set_max_headers_size(ev, HTTP_HEADER_BYTES);
	evhttp_set_max_body_size(ev, (ev_ssize_t)h->max_body);
	evhttp_set_allowed_methods(ev, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_PATCH | EVHTTP_REQ_HEAD |
					   EVHTTP_REQ_OPTIONS);
	evhttp_set_default_content_type(ev, NULL);
	evhttp_set_timeout_tv(ev, &timeout);
	evhttp_set_gencb(ev, on_request, h);
	return ev;
}

int http_new(struct event_base *base, const struct http_options *o, struct http **ret,
    struct lead_error *err)
{
	struct http *h = calloc(1, sizeof(*h));

	if (h == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	h->base = base;
	h->o = *o;
	h->o.max_connections = o->max_connections != 0 ? o->max_connections : 256;
	h->o.request_ms = o->request_ms != 0 ? o->request_ms : 10000;
	h->o.reply_ms = o->reply_ms != 0 ? o->reply_ms : 120000;
	h->o.heartbeat_ms = o->heartbeat_ms != 0 ? o->heartbeat_ms : 15000;
	h->group = (gid_t)-1;
	h->spare_fd = -1;
	TAILQ_INIT(&h->conns);
	TAILQ_INIT(&h->requests);
	h->max_body = HTTP_BODY_BYTES;
	for (const struct route *route = o->routes; route->method != NULL; route++) {
		h->max_body = route->max_body > h->max_body ? route->max_body : h->max_body;
	}
	h->ev = http_ev_new(h);
	h->chunk = evbuffer_new();
	if (h->ev == NULL || h->chunk == NULL || http_conn_init(h) != 0) {
		http_free(h);
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	*ret = h;
	return 0;
}

void http_free(struct http *h)
{
	struct http_request *r;

	if (h == NULL) {
		return;
	}
	if (h->ev != NULL) {
		http_close_listeners(h);
		evhttp_free(h->ev); /* closes every connection: open streams hear of it */
		if (h->ev_tcp != NULL) {
			evhttp_free(h->ev_tcp);
		}
	}
	while ((r = TAILQ_FIRST(&h->requests)) != NULL) {
		http_request_free(r);
	}
	http_conn_free_all(h);
	if (h->soon != NULL) {
		event_free(h->soon);
	}
	if (h->sweep != NULL) {
		event_free(h->sweep);
	}
	if (h->chunk != NULL) {
		evbuffer_free(h->chunk);
	}
	if (h->spare_fd >= 0) {
		(void)close(h->spare_fd);
	}
	free(h);
}
