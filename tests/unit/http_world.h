/*
 * tests/unit/http_world.h: the control server against raw sockets. The server runs in the test's
 * process; each test's client is a forked child, whose exit status is its verdict.
 */
#pragma once

#include "daemon/http_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>
#include <json-c/json.h>

#define KIB 1024

/* --- the application behind the server --- */

struct app {
	struct event_base *base;
	struct http *h;
	struct http_request *held; /* the deferred or streaming request */
	struct event *timer;
	unsigned handled, closed, drained, ticks;
	size_t written, most_pending, total;
	bool flood, denied;
	enum http_right right;
	uid_t seen_uid;
};

static struct json_object *ok(void)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "ok", json_object_new_boolean(1));
	return o;
}

static void on_now(void *arg, struct http_request *r)
{
	struct app *a = arg;

	a->handled++;
	a->seen_uid = http_peer_uid(r);
	http_reply_json(r, 200, ok());
}

/* Holds the request; the test's timer or the test itself ends it. */
static void on_hold(void *arg, struct http_request *r)
{
	struct app *a = arg;

	a->handled++;
	a->held = r;
}

static void on_item(void *arg, struct http_request *r)
{
	struct json_object *o = json_object_new_object();
	const char *q = http_query(r, "q");
	uint64_t n = 0, limit = 100;

	(void)arg;
	if (!http_param_uint(r, "n", 1, 1000, &n) ||
	    !http_query_uint(r, "limit", 1, 1000, &limit)) {
		json_object_put(o);
		return;
	}
	json_object_object_add(o, "item", json_object_new_string(http_param(r, "item")));
	json_object_object_add(o, "n", json_object_new_int64((int64_t)n));
	json_object_object_add(o, "limit", json_object_new_int64((int64_t)limit));
	json_object_object_add(o, "q", q != NULL ? json_object_new_string(q) : NULL);
	http_reply_json(r, 200, o);
}

static void on_echo(void *arg, struct http_request *r)
{
	struct app *a = arg;
	struct json_object *body = http_body_json(r);

	a->handled++;
	if (body != NULL) {
		http_reply_json(r, 201, json_object_get(body));
	}
}

static void on_part(void *arg, struct http_request *r)
{
	struct json_object *o = json_object_new_object();
	size_t len;

	(void)arg;
	http_body(r, &len);
	json_object_object_add(o, "len", json_object_new_int64((int64_t)len));
	http_reply_json(r, 200, o);
}

static void on_closed(void *arg)
{
	struct app *a = arg;

	a->closed++;
	a->held = NULL;
}

static void on_events(void *arg, struct http_request *r)
{
	struct app *a = arg;
	const struct http_stream_events e = {.closed = on_closed, .arg = a};

	a->held = r;
	http_stream_start(r, "text/event-stream", &e);
	http_stream_event(r, "run", "{\"n\":1}");
}

/* The whole of a file of `total` bytes, as fast as the client takes it. */
static void on_drained(void *arg)
{
	static const char block[64 * KIB];
	struct app *a = arg;
	size_t pending = 0;

	a->drained++;
	while (a->written < a->total && pending < 256 * KIB) {
		pending = http_stream_write(a->held, block, sizeof(block));
		a->written += sizeof(block);
		a->most_pending =
		    pending > a->most_pending && pending != SIZE_MAX ? pending : a->most_pending;
	}
	if (a->written >= a->total && a->held != NULL) {
		struct http_request *r = a->held;

		a->held = NULL;
		if (a->flood) {
			http_stream_abort(r);
		} else {
			http_stream_end(r);
		}
	}
}

static void on_file(void *arg, struct http_request *r)
{
	struct app *a = arg;
	const struct http_stream_events e = {.drained = on_drained, .closed = on_closed, .arg = a};

	a->held = r;
	a->written = 0;
	http_stream_start(r, "text/csv", &e);
	on_drained(a);
}

static const struct route routes[] = {
    {"GET", "/v1/now", HTTP_READ, on_now, "answers at once", 0},
    {"POST", "/v1/now", HTTP_OPERATE, on_now, "likewise", 0},
    {"DELETE", "/v1/now", HTTP_ADMIN, on_now, "likewise", 0},
    {"GET", "/v1/hold", HTTP_READ, on_hold, "answers later", 0},
    {"GET", "/v1/items/{item}/{n}", HTTP_READ, on_item, "parameters", 0},
    {"POST", "/v1/echo", HTTP_OPERATE, on_echo, "the body back", 0},
    {"PUT", "/v1/part", HTTP_OPERATE, on_part, "bytes", 1024 * KIB},
    {"GET", "/v1/events", HTTP_READ, on_events, "a stream", 0},
    {"GET", "/v1/file", HTTP_READ, on_file, "a download", 0},
    {NULL},
};

__attribute__((unused)) static enum http_right right_of(
    void *arg, uid_t uid, gid_t gid, bool *ret_allowed)
{
	struct app *a = arg;

	(void)uid;
	(void)gid;
	*ret_allowed = !a->denied;
	return a->right;
}

/* --- one server for each test --- */

static char dir[] = "/tmp/leadd-http-XXXXXX";
static char path[sizeof(dir) + 16];

static struct http_options options(struct app *a)
{
	return (struct http_options){
	    .routes = routes, .app = a, .request_ms = 500, .reply_ms = 600, .heartbeat_ms = 300};
}

__attribute__((unused)) static void start_with(struct app *a, const struct http_options *o)
{
	struct lead_error err;

	a->base = event_base_new();
	assert_int_equal(http_new(a->base, o, &a->h, &err), 0);
	assert_int_equal(http_listen_unix(a->h, path, &err), 0);
}

/* So that a failed test does not fail those after it. */
__attribute__((unused)) static int clean(void **state)
{
	(void)state;
	(void)unlink(path);
	return 0;
}

__attribute__((unused)) static void start(struct app *a)
{
	struct http_options o = options(a);

	start_with(a, &o);
}

__attribute__((unused)) static void stop(struct app *a)
{
	http_free(a->h);
	if (a->timer != NULL) {
		event_free(a->timer);
	}
	event_base_free(a->base);
	*a = (struct app){0};
}

__attribute__((unused)) static void tick_every(
    struct app *a, int ms, void (*cb)(evutil_socket_t, short, void *))
{
	const struct timeval every = {.tv_usec = ms * 1000};

	a->timer = event_new(a->base, -1, EV_PERSIST, cb, a);
	event_add(a->timer, &every);
}

__attribute__((unused)) static void spin(struct app *a, int ms)
{
	const struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_base_loopexit(a->base, &wait);
	event_base_dispatch(a->base);
}

/* Serves until the client has ended; its exit status. */
__attribute__((unused)) static void serve(struct app *a, void (*client)(void))
{
	int64_t deadline = http_now_us() + 20000000;
	int status = -1;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		client();
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		spin(a, 20);
		if (http_now_us() > deadline) {
			kill(pid, SIGKILL);
		}
	}
	assert_int_equal(status, 0);
	spin(a, 250); /* closes are noticed by the sweep */
}

__attribute__((unused)) static long rss_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long pages = 0, skip;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld %ld", &skip, &pages), 2);
	fclose(f);
	return pages * 4;
}

__attribute__((unused)) static int64_t cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

/* --- the client's side; a failed check ends the child --- */

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "# line %d: %s (%s)\n", __LINE__, #x, got);                \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static char got[2048 * KIB]; /* what the server said last */
static size_t got_len;

__attribute__((unused)) static int dial(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	got[0] = '\0';
	CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

/* Sends what it can within two seconds; the bytes sent. */
__attribute__((unused)) static size_t say_bytes(int fd, const char *bytes, size_t len)
{
	size_t sent = 0;

	while (sent < len) {
		struct pollfd p = {fd, POLLOUT, 0};
		ssize_t n = poll(&p, 1, 2000) == 1
				? send(fd, bytes + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT)
				: -1;

		if (n < 0) {
			break;
		}
		sent += (size_t)n;
	}
	return sent;
}

__attribute__((unused)) static void say(int fd, const char *text)
{
	CHECK(say_bytes(fd, text, strlen(text)) == strlen(text));
}

/* Reads into got until `needle` is there (true), the end, or ms have passed. */
__attribute__((unused)) static bool hear(int fd, const char *needle, int ms)
{
	int64_t deadline = http_now_us() + ms * 1000;

	got_len = 0;
	got[0] = '\0';
	for (;;) {
		struct pollfd p = {fd, POLLIN, 0};
		int left = (int)((deadline - http_now_us()) / 1000);
		ssize_t n;

		if (needle != NULL && strstr(got, needle) != NULL) {
			return true;
		}
		if (left <= 0 || poll(&p, 1, left) != 1) {
			return false;
		}
		n = read(fd, got + got_len, sizeof(got) - 1 - got_len);
		if (n <= 0) {
			return needle == NULL; /* asked for the end */
		}
		got_len += (size_t)n;
		got[got_len] = '\0';
	}
}

/* One request on a connection of its own, read to its end. */
__attribute__((unused)) static void ask(const char *request)
{
	int fd = dial();

	say(fd, request);
	CHECK(hear(fd, NULL, 3000));
	close(fd);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n"

__attribute__((unused)) static bool status_is(int status)
{
	char line[32];

	snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
	return strncmp(got, line, strlen(line)) == 0;
}

/* --- around a program's tests --- */

static void world_begin(void)
{
	signal(SIGPIPE, SIG_IGN);
	event_enable_debug_mode();
	if (mkdtemp(dir) == NULL) {
		abort();
	}
	snprintf(path, sizeof(path), "%s/sock", dir);
}

static void world_end(void)
{
	(void)unlink(path);
	(void)rmdir(dir);
}
