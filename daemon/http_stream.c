/*
 * daemon/http_stream.c: replies without a known end: server-sent events and downloads.
 *
 * Such a connection ends with its stream. evhttp keeps reading meanwhile, so the client may
 * send 4 KiB and no more. What a client has not taken yet is counted: above 256 KiB an event
 * stream is cut (its client reconnects and gets the newest state), a download waits.
 */
#include "daemon/http_internal.h"

#include <stdint.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>

static void on_drained(struct evhttp_connection *ev, void *arg)
{
	struct http_conn *c = arg;

	(void)ev;
	if (c->r != NULL && !c->doomed && c->r->on.drained != NULL) {
		c->r->on.drained(c->r->on.arg);
	}
}

void http_stream_start(struct http_request *r, const char *type, const struct http_stream_events *e)
{
	struct http_conn *c = r->c;
	struct evkeyvalq *headers;

	r->streaming = true;
	r->on = *e;
	r->wrote_us = http_now_us();
	if (strcmp(type, "text/event-stream") == 0) {
		r->sse = true;
		if (r->h->n_sse++ >= HTTP_SSE_CLIENTS) {
			r->close = true;
			http_answer_problem(
			    r, 503, "too-many-streams", "too many clients are watching");
			c = NULL;
		}
	}
	if (c == NULL) {
		http_soon(r->h); /* closed is called from there */
		return;
	}
	headers = evhttp_request_get_output_headers(c->owed);
	evhttp_add_header(headers, "Content-Type", type);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
	evhttp_add_header(headers, "Connection", "close");
	http_conn_enter(c, HTTP_STREAMING);
	bufferevent_setwatermark(c->bev, EV_READ, 0, HTTP_STREAM_READ_BYTES);
	bufferevent_set_timeouts(
	    c->bev, NULL, NULL); /* a watcher is silent; the sweep looks after it */
	evhttp_send_reply_start(c->owed, 200, http_title(200));
}

/* What was written and not taken; SIZE_MAX when the client is gone. */
static size_t pending(const struct http_request *r)
{
	return r->c != NULL && !r->c->doomed
		   ? evbuffer_get_length(bufferevent_get_output(r->c->bev))
		   : SIZE_MAX;
}

static void send_chunk(struct http_request *r)
{
	r->wrote_us = http_now_us();
	evhttp_send_reply_chunk_with_cb(r->c->owed, r->h->chunk, on_drained, r->c);
	if (r->sse && pending(r) > HTTP_SLOW_BYTES) {
		r->c->doomed = true;
		http_soon(r->h);
	}
}

size_t http_stream_write(struct http_request *r, const void *bytes, size_t len)
{
	if (pending(r) != SIZE_MAX && len > 0) {
		evbuffer_add(r->h->chunk, bytes, len);
		send_chunk(r);
	}
	return pending(r);
}

void http_stream_event(struct http_request *r, const char *name, const char *json)
{
	struct evbuffer *chunk = r->h->chunk;

	if (pending(r) == SIZE_MAX) {
		return;
	}
	if (name != NULL) {
		evbuffer_add_printf(chunk, "event: %s\n", name);
	}
	while (json != NULL) {
		size_t len = strcspn(json, "\n"); /* a field ends with its line */

		evbuffer_add(chunk, "data: ", 6);
		evbuffer_add(chunk, json, len);
		evbuffer_add(chunk, "\n", 1);
		json = json[len] == '\n' ? json + len + 1 : NULL;
	}
	evbuffer_add(chunk, "\n", 1);
	send_chunk(r);
}

/* A comment line, so that a client and the ways to it see life. */
void http_stream_beat(struct http_request *r, int64_t now_us)
{
	if (now_us - r->wrote_us >= r->h->o.heartbeat_ms * 1000 && pending(r) != SIZE_MAX) {
		evbuffer_add(r->h->chunk, ":\n\n", 3);
		send_chunk(r);
	}
}

/* The one way out of a stream. */
static void stream_free(struct http_request *r)
{
	r->h->n_sse -= r->sse;
	http_request_free(r);
}

void http_stream_end(struct http_request *r)
{
	struct http_conn *c = r->c;
	struct evhttp_request *ev = c != NULL ? c->owed : NULL;
	struct timeval timeout = {
	    .tv_sec = r->h->o.reply_ms / 1000, .tv_usec = r->h->o.reply_ms % 1000 * 1000};

	stream_free(r);
	if (c == NULL || c->doomed) {
		return; /* a doomed one takes what is owed with it */
	}
	c->owed = NULL;
	http_conn_enter(c, HTTP_SENDING);
	bufferevent_set_timeouts(c->bev, NULL, &timeout);
	evhttp_send_reply_end(ev);
}

void http_stream_abort(struct http_request *r)
{
	if (r->c != NULL) {
		r->c->doomed = true;
		http_soon(r->h);
	}
	stream_free(r);
}

void http_stream_closed(struct http_request *r)
{
	if (r->on.closed != NULL) {
		r->on.closed(r->on.arg);
	}
	stream_free(r);
}
