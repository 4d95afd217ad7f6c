/*
 * daemon/http_reply.c: whole replies: JSON, text, and problems (RFC 9457). Each ends its request.
 */
#include "daemon/http_internal.h"

#include "lib/base/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <json-c/json.h>

#define PROBLEM_TYPE "application/problem+json"

const char *http_title(int status)
{
	static const struct {
		int status;
		const char *title;
	} titles[] = {{200, "OK"}, {201, "Created"}, {202, "Accepted"}, {204, "No Content"},
	    {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"},
	    {405, "Method Not Allowed"}, {409, "Conflict"}, {413, "Content Too Large"},
	    {415, "Unsupported Media Type"}, {422, "Unprocessable Content"},
	    {429, "Too Many Requests"}, {500, "Internal Server Error"}, {502, "Bad Gateway"},
	    {503, "Service Unavailable"}, {504, "Gateway Timeout"}, {507, "Insufficient Storage"}};

	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
		if (titles[i].status == status) {
			return titles[i].title;
		}
	}
	return status < 400 ? "OK" : "Error";
}

static void on_answered(struct evhttp_request *ev, void *arg)
{
	struct http_conn *c = arg;

	(void)ev;
	http_conn_enter(
	    c, evbuffer_get_length(bufferevent_get_input(c->bev)) > 0 ? HTTP_READING : HTTP_IDLE);
}

/* Sends a reply but leaves r alone. */
static void send_reply(struct http_request *r, int status, const char *type, const void *body, size_t len)
{
	struct http_conn *c = r->c;
	struct evkeyvalq *headers;
	struct evhttp_request *ev;

	if (c == NULL) {
		return; /* nobody waits any more */
	}
	ev = c->owed;
	headers = evhttp_request_get_output_headers(ev);
	evhttp_add_header(headers, "Content-Type", type);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
	if (r->allow != NULL) {
		evhttp_add_header(headers, "Allow", r->allow);
	}
	if (r->challenge != NULL) {
		evhttp_add_header(headers, "WWW-Authenticate", r->challenge);
	}
	if (r->close || status == 504) {
		evhttp_add_header(headers, "Connection", "close");
	}
	if (len > 0) {
		evbuffer_add(evhttp_request_get_output_buffer(ev), body, len);
	}
	c->owed = NULL;
	c->r = NULL;
	r->c = NULL;
	http_conn_enter(c, HTTP_SENDING);
	evhttp_request_set_on_complete_cb(ev, on_answered, c);
	evhttp_send_reply(ev, status, http_title(status), NULL);
}

void http_answer_problem(struct http_request *r, int status, const char *code, const char *detail)
{
	struct buf body = {0};

	buf_add_text(&body, "{\"type\":\"about:blank\",\"title\":");
	json_write_string(&body, http_title(status), strlen(http_title(status)));
	buf_printf(&body, ",\"status\":%d,\"code\":", status);
	json_write_string(&body, code, strlen(code));
	buf_add_text(&body, ",\"detail\":");
	json_write_string(&body, detail, strlen(detail));
	buf_add_char(&body, '}');
	send_reply(r, status, PROBLEM_TYPE, body.data, body.len);
	buf_free(&body);
}

void http_reply_json(struct http_request *r, int status, struct json_object *body)
{
	size_t len;
	const char *text = json_object_to_json_string_length(
	    body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);

	send_reply(r, status, "application/json", text, len);
	json_object_put(body);
	http_request_free(r);
}

void http_reply_text(
    struct http_request *r, int status, const char *type, const char *body, size_t len)
{
	send_reply(r, status, type, body, len);
	http_request_free(r);
}

void http_reply_problem(
    struct http_request *r, int status, const char *code, const char *detail, ...)
{
	char text[1024];
	va_list args;

	va_start(args, detail);
	vsnprintf(text, sizeof(text), detail, args);
	va_end(args);
	http_answer_problem(r, status, code, text);
	http_request_free(r);
}

void http_reply_error(struct http_request *r, const struct lead_error *err)
{
	int status = 500;
	const char *code = "internal";

	switch (err->code) {
	case LEAD_EINPUT:
		status = 400;
		code = "bad-input";
		break;
	case LEAD_EFULL:
		status = 507;
		code = "store-full";
		break;
	case LEAD_ESTORE:
	case LEAD_EIO:
		code = "store-failed";
		break;
	case LEAD_EREMOTE:
		status = 502;
		code = "remote-failed";
		break;
	case LEAD_ENOMEM:
		code = "out-of-memory";
		break;
	case LEAD_EBUG:
		break;
	}
	http_reply_problem(r, status, code, "%s", err->text);
}
