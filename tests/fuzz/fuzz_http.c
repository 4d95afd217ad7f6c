/*
 * tests/fuzz/fuzz_http.c: any bytes on a connection of the control server, as one or several
 * requests.
 *
 * The bytes are written to a real Unix socket and the loop turns until the server has closed the
 * connection: what it says must begin like HTTP, and no request may be left over.
 *
 * Its own time is not part of the input: a request that never ends is cut by closing our side.
 */
#include "daemon/http_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>
#include <json-c/json.h>

#define MAX_TURNS 2000

#define MUST(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct event_base *base;
static struct http *server;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static struct http_request *held; /* the deferred one; at most one at a time */

/* --- a small application --- */

static void on_thing(void *app, struct http_request *r)
{
	uint64_t n = 0;

	(void)app;
	MUST(http_param(r, "thing") != NULL);
	if (http_query_uint(r, "n", 1, 1000, &n)) {
		MUST(n <= 1000);
		http_reply_text(
		    r, 200, "text/plain", http_param(r, "thing"), strlen(http_param(r, "thing")));
	}
}

static void on_number(void *app, struct http_request *r)
{
	uint64_t n = 0;

	(void)app;
	if (http_param_uint(r, "n", 5, UINT64_MAX, &n)) {
		MUST(n >= 5);
		http_reply_json(r, 201, json_object_new_object());
	}
}

static void on_json(void *app, struct http_request *r)
{
	struct json_object *body = http_body_json(r);

	(void)app;
	if (body != NULL) {
		MUST(json_object_is_type(body, json_type_object));
		http_reply_json(r, 200, json_object_get(body));
	}
}

static void on_bytes(void *app, struct http_request *r)
{
	size_t len = 0;
	const char *bytes = http_body(r, &len);
	unsigned sum = 0;

	(void)app;
	for (size_t i = 0; i < len; i++) {
		sum += (unsigned char)bytes[i]; /* a sanitizer sees whether all of it is there */
	}
	http_reply_problem(r, 409, "fuzz", "%zu bytes, sum %u", len, sum);
}

static void on_later(void *app, struct http_request *r)
{
	(void)app;
	if (held != NULL) {
		http_reply_problem(r, 503, "busy", "one at a time");
		return;
	}
	held = r;
}

static void on_closed(void *arg)
{
	(void)arg;
}

static void on_stream(void *app, struct http_request *r)
{
	const struct http_stream_events events = {.closed = on_closed};

	(void)app;
	http_stream_start(r, "text/event-stream", &events);
	http_stream_event(r, "run", "{}");
	http_stream_end(r);
}

static const struct route routes[] = {
    {"GET", "/v1/things/{thing}", HTTP_READ, on_thing, "one", 0},
    {"POST", "/v1/numbers/{n}/go", HTTP_OPERATE, on_number, "two", 0},
    {"POST", "/v1/json", HTTP_ADMIN, on_json, "three", 512},
    {"PUT", "/v1/bytes", HTTP_OPERATE, on_bytes, "four", 1 << 20},
    {"GET", "/v1/later", HTTP_READ, on_later, "five", 0},
    {"GET", "/v1/stream", HTTP_READ, on_stream, "six", 0},
    {0},
};

/* --- one connection --- */

static void stop(void)
{
	http_free(server);
	event_base_free(base);
}

static void start(void)
{
	const struct http_options o = {.routes = routes};
	char folder[] = "/tmp/fuzz-http-XXXXXX";

	base = event_base_new();
	MUST(base != NULL && mkdtemp(folder) != NULL);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", folder);
	MUST(http_new(base, &o, &server, NULL) == 0);
	MUST(http_listen_unix(server, address.sun_path, NULL) == 0);
	(void)atexit(stop);
}

/* Reads what there is; true when the server has closed. */
static bool read_some(int fd, char *begin, size_t *len)
{
	char part[65536];
	ssize_t n;

	while ((n = recv(fd, part, sizeof(part), MSG_DONTWAIT)) > 0) {
		for (ssize_t i = 0; i < n && *len < 5; i++) {
			begin[(*len)++] = part[i];
		}
	}
	return n == 0 || (errno != EAGAIN && errno != EINTR);
}

static void answer_held(void)
{
	struct http_request *r = held;

	if (r != NULL) {
		held = NULL;
		http_reply_json(r, 200, json_object_new_object());
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char begin[5];
	size_t sent = 0, len = 0;
	bool closed = false;
	int fd;

	if (base == NULL) {
		start();
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	MUST(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
	for (int turn = 0; turn < MAX_TURNS && !closed; turn++) {
		ssize_t n = sent < size ? send(fd, data + sent, size - sent, MSG_NOSIGNAL) : 0;

		if (n > 0) {
			sent += (size_t)n;
		}
		if (sent == size) {
			(void)shutdown(fd, SHUT_WR);
		}
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
		answer_held();
		closed = read_some(fd, begin, &len);
	}
	(void)close(fd);
	for (int turn = 0; turn < MAX_TURNS && server->n_conns > 0; turn++) {
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
		answer_held();
	}
	MUST(memcmp(begin, "HTTP/", len) == 0);
	MUST(server->n_conns == 0 && TAILQ_EMPTY(&server->requests) && held == NULL);
	return 0;
}
