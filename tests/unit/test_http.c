/*
 * tests/unit/test_http.c: the control server against raw sockets. The server runs in this process;
 * each test's client is a forked child, whose exit status is its verdict. Each trap of evhttp
 * that http.c exists for is one test.
 */
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

static enum http_right right_of(void *arg, uid_t uid, gid_t gid, bool *ret_allowed)
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

static void start_with(struct app *a, const struct http_options *o)
{
	struct lead_error err;

	a->base = event_base_new();
	assert_int_equal(http_new(a->base, o, &a->h, &err), 0);
	assert_int_equal(http_listen_unix(a->h, path, &err), 0);
}

/* So that a failed test does not fail those after it. */
static int clean(void **state)
{
	(void)state;
	(void)unlink(path);
	return 0;
}

static void start(struct app *a)
{
	struct http_options o = options(a);

	start_with(a, &o);
}

static void stop(struct app *a)
{
	http_free(a->h);
	if (a->timer != NULL) {
		event_free(a->timer);
	}
	event_base_free(a->base);
	*a = (struct app){0};
}

static void spin(struct app *a, int ms)
{
	const struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_base_loopexit(a->base, &wait);
	event_base_dispatch(a->base);
}

/* Serves until the client has ended; its exit status. */
static void serve(struct app *a, void (*client)(void))
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

static long rss_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long pages = 0, skip;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld %ld", &skip, &pages), 2);
	fclose(f);
	return pages * 4;
}

static int64_t cpu_ms(void)
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

static int dial(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	got[0] = '\0';
	CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

/* Sends what it can within two seconds; the bytes sent. */
static size_t say_bytes(int fd, const char *bytes, size_t len)
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

static void say(int fd, const char *text)
{
	CHECK(say_bytes(fd, text, strlen(text)) == strlen(text));
}

/* Reads into got until `needle` is there (true), the end, or ms have passed. */
static bool hear(int fd, const char *needle, int ms)
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
static void ask(const char *request)
{
	int fd = dial();

	say(fd, request);
	CHECK(hear(fd, NULL, 3000));
	close(fd);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n"

static bool status_is(int status)
{
	char line[32];

	snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
	return strncmp(got, line, strlen(line)) == 0;
}

/* --- tests --- */

static void client_plain(void)
{
	int fd = dial();

	/* two at once on one connection, then a third */
	say(fd, "GET /v1/now HTTP/1.1\r\nHost: l\r\n\r\nGET /v1/now HTTP/1.1\r\nHost: l\r\n\r\n");
	CHECK(hear(fd, "{\"ok\":true}HTTP/1.1 200", 2000));
	CHECK(strstr(got, "{\"ok\":true}HTTP") != NULL);
	CHECK(strstr(got, "Content-Type: application/json\r\n") != NULL);
	CHECK(strstr(got, "Connection: close") == NULL);
	usleep(100000);
	(void)hear(fd, "{\"ok\":true}", 100);
	say(fd, "GET /v1/now HTTP/1.1\r\nHost: l\r\n\r\n");
	CHECK(hear(fd, "{\"ok\":true}", 2000));
	CHECK(hear(fd, NULL, 1500)); /* idle: cut after request_ms */
}

static void test_plain(void **state)
{
	struct app a = {0};

	(void)state;
	start(&a);
	serve(&a, client_plain);
	assert_int_equal(a.handled, 3);
	assert_int_equal(a.seen_uid, getuid());
	assert_int_equal(a.h->n_conns, 0);
	stop(&a);
}

static void client_routes(void)
{
	static const struct {
		const char *request;
		int status;
		const char *text;
	} cases[] = {
	    {GET("/v1/items/a%20b%2Fc/7?limit=5&q=x+y%26z"), 200,
		"{\"item\":\"a b/c\",\"n\":7,\"limit\":5,\"q\":\"x y&z\"}"},
	    {GET("/v1/items/%C3%A9/7"), 200, "\"item\":\"\xC3\xA9\""},
	    {GET("/v1/items//7"), 404, "not-found"},
	    {GET("/v1/items/a/0"), 404, "not-found"},
	    {GET("/v1/items/a/x7"), 404, "not-found"},
	    {GET("/v1/items/a/99999999999999999999999"), 404, "not-found"},
	    {GET("/v1/items/a/7?limit=0"), 400, "bad-parameter"},
	    {GET("/v1/items/a/7?limit=+5"), 400, "bad-parameter"},
	    {GET("/v1/items/a/7?limit="), 400, "bad-parameter"},
	    {GET("/v1/items/a%00b/7"), 400, "bad-path"},
	    {GET("/v1/items/a%zz/7"), 400, "bad-path"},
	    {GET("/v1/items/a/7?q=%00"), 400, "bad-query"},
	    {GET("/v1/items/a\x01/7"), 400, "bad-path"},
	    {GET("/v1/items/a/7#x"), 400, "bad-path"},
	    {GET("/"), 404, "not-found"},
	    {GET("//v1/now"), 404, "not-found"},
	    {GET("/v1/now/"), 404, "not-found"},
	    {GET("/v1/../v1/now"), 404, "not-found"},
	    {GET("/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a"), 404, "not-found"},
	    {"PUT /v1/now HTTP/1.1\r\nHost: l\r\nContent-Length: 0\r\n\r\n", 405,
		"Allow: GET, POST, DELETE\r\n"},
	    {"POST /v1/echo HTTP/1.1\r\nHost: l\r\nContent-Length: 8\r\n\r\n{\"a\":1}\n", 201,
		"{\"a\":1}"},
	    {"POST /v1/echo HTTP/1.1\r\nHost: l\r\nContent-Length: 0\r\n\r\n", 201, "{}"},
	    {"POST /v1/echo HTTP/1.1\r\nHost: l\r\nContent-Length: 7\r\n\r\n{'a':1}", 400,
		"bad-json"},
	    {"POST /v1/echo HTTP/1.1\r\nHost: l\r\nContent-Length: 2\r\n\r\n[]", 400, "bad-json"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ask(cases[i].request);
		if (!status_is(cases[i].status) || strstr(got, cases[i].text) == NULL) {
			fprintf(stderr, "# %s-> %s\n", cases[i].request, got);
			_exit(1);
		}
		if (cases[i].status >= 400) {
			CHECK(strstr(got, "Content-Type: application/problem+json\r\n") != NULL);
			CHECK(strstr(got, "{\"type\":\"about:blank\",\"title\":\"") != NULL);
		}
	}
}

static void test_routes(void **state)
{
	struct app a = {0};

	(void)state;
	start(&a);
	serve(&a, client_routes);
	stop(&a);
}

/* Whatever could make two readers of the same bytes disagree is refused, and the connection ends.
 */
static void client_smuggling(void)
{
	static const char *const requests[] = {
	    "POST /v1/now HTTP/1.1\r\nHost: l\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\n{}",
	    "POST /v1/now HTTP/1.1\r\nHost: l\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
	    "POST /v1/now HTTP/1.1\r\nHost: l\r\nContent-Length: +2\r\n\r\n{}",
	    "POST /v1/now HTTP/1.1\r\nHost: l\r\nContent-Length: 2, 2\r\n\r\n{}",
	    "POST /v1/now HTTP/1.1\r\nHost: l\r\nContent-Length : 44\r\n\r\nGET /v1/now "
	    "HTTP/1.1\r\nHost: l\r\n\r\n",
	    "POST /v1/now HTTP/1.1\r\nHost: l\r\nContent-Length: 3\r\nTransfer-Encoding: "
	    "chunked\r\n\r\n0\r\n\r\n",
	    "POST /v1/now HTTP/1.1\r\nHost: l\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
	    "POST /v1/now HTTP/1.1\r\nHost: l\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
	    "GET /v1/now HTTP/1.1\r\n\r\n",
	    "GET /v1/now HTTP/1.1\r\nHost: l\r\nHost: m\r\n\r\n",
	    "GET http://other/v1/now HTTP/1.1\r\nHost: l\r\n\r\n",
	    "GET /v1/now HTTP/1.1\r\nHost: l\r\nX-A: a\x01z\r\n\r\n",
	    "GET /v1/now HTTP/1.1\r\nHost: l\r\nX A: z\r\n\r\n",
	    "GET /v1/now HTTP/1.1\r\nHost: l\r\n: z\r\n\r\n",
	    "GET /v1/now\r\nHost: l\r\n\r\n",
	    "GET /v1/now HTTP/9.9\r\nHost: l\r\n\r\n",
	    "\r\n\r\n",
	};
	static const char nul[] = "GET /v1/n\0ow HTTP/1.1\r\nHost: l\r\n\r\n";
	int fd;

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		ask(requests[i]);
		if (!status_is(400) && !status_is(413)) {
			fprintf(stderr, "# %s-> %s\n", requests[i], got);
			_exit(1);
		}
	}
	fd = dial();
	CHECK(say_bytes(fd, nul, sizeof(nul) - 1) == sizeof(nul) - 1);
	CHECK(hear(fd, NULL, 3000));
	CHECK(status_is(400));
}

static void test_smuggling(void **state)
{
	struct app a = {0};

	(void)state;
	start(&a);
	serve(&a, client_smuggling);
	assert_int_equal(a.handled, 0);
	stop(&a);
}

/* A request with a body is the last of its connection, whatever follows it in the same packet. */
static void client_close_after_body(void)
{
	ask("POST /v1/now HTTP/1.1\r\nHost: l\r\nContent-Length: 2\r\n\r\n{}"
	    "GET /v1/now HTTP/1.1\r\nHost: l\r\n\r\n");
	CHECK(status_is(200));
	CHECK(strstr(got, "Connection: close\r\n") != NULL);
	ask("POST /v1/now HTTP/1.1\r\nHost: l\r\nTransfer-Encoding: "
	    "chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
	    "GET /v1/now HTTP/1.1\r\nHost: l\r\n\r\n");
	CHECK(status_is(200));
	CHECK(strstr(got, "Connection: close\r\n") != NULL);
}

static void test_close_after_body(void **state)
{
	struct app a = {0};

	(void)state;
	start(&a);
	serve(&a, client_close_after_body);
	assert_int_equal(a.handled, 2);
	stop(&a);
}

static void client_methods(void)
{
	static const char *const methods[] = {"HEAD", "OPTIONS", "PATCH", "TRACE", "PROPFIND"};
	char request[64];

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		snprintf(
		    request, sizeof(request), "%s /v1/now HTTP/1.1\r\nHost: l\r\n\r\n", methods[i]);
		ask(request);
		CHECK(status_is(501) || status_is(400) || strstr(got, " 0 ") != NULL);
	}
}

static void test_methods(void **state)
{
	struct app a = {0};

	(void)state;
	start(&a);
	serve(&a, client_methods);
	assert_int_equal(a.handled, 0);
	stop(&a);
}

/* evhttp's timeout begins anew with every byte; ours does not. */
static void client_drip(void)
{
	static const char request[] =
	    "GET /v1/now HTTP/1.1\r\nHost: l\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	int64_t begin = http_now_us();
	int fd = dial(), silent = dial();
	size_t i = 0;

	while (i < sizeof(request) - 1 && send(fd, request + i, 1, MSG_NOSIGNAL) == 1) {
		i++;
		usleep(50000);
	}
	CHECK(i < 25); /* 500 ms, and the sweep */
	CHECK(http_now_us() - begin < 1200000);
	CHECK(hear(silent, NULL, 100)); /* cut as well */

	/* the same on a connection that served one before */
	fd = dial();
	say(fd, "GET /v1/now HTTP/1.1\r\nHost: l\r\n\r\n");
	CHECK(hear(fd, "{\"ok\":true}", 2000));
	for (i = 0; i < sizeof(request) - 1 && send(fd, request + i, 1, MSG_NOSIGNAL) == 1; i++) {
		usleep(50000);
	}
	CHECK(i < 25);
}

static void test_drip(void **state)
{
	struct app a = {0};

	(void)state;
	start(&a);
	serve(&a, client_drip);
	assert_int_equal(a.h->n_conns, 0);
	stop(&a);
}

static void client_endless_header(void)
{
	static char line[1024 * KIB];
	int fd = dial();
	size_t sent = 0;

	memset(line, 'a', sizeof(line));
	say(fd, "GET /v1/now HTTP/1.1\r\nHost: l\r\nX-Long: ");
	for (int i = 0; i < 5; i++) {
		sent += say_bytes(fd, line, sizeof(line));
	}
	CHECK(sent < sizeof(line)); /* cut long before */
	fd = dial();
	CHECK(say_bytes(fd, line, sizeof(line)) < sizeof(line)); /* the same with no line at all */
}

static void test_endless_header(void **state)
{
	struct app a = {0};
	int64_t before = cpu_ms();

	(void)state;
	start(&a);
	serve(&a, client_endless_header);
	assert_true(cpu_ms() - before < 500);
	stop(&a);
}

static void client_bodies(void)
{
	static char body[1100 * KIB];
	char head[128];
	int fd = dial();

	memset(body, 'x', sizeof(body));
	snprintf(head, sizeof(head),
	    "PUT /v1/part HTTP/1.1\r\nHost: l\r\nContent-Length: %d\r\n\r\n", 1024 * KIB);
	say(fd, head);
	CHECK(say_bytes(fd, body, 1024 * KIB) == 1024 * KIB);
	CHECK(hear(fd, NULL, 3000) && status_is(200) && strstr(got, "{\"len\":1048576}") != NULL);

	fd = dial(); /* within the largest route's, but not within this one's */
	snprintf(head, sizeof(head),
	    "POST /v1/echo HTTP/1.1\r\nHost: l\r\nContent-Length: %d\r\n\r\n", 65 * KIB);
	say(fd, head);
	CHECK(say_bytes(fd, body, 65 * KIB) == 65 * KIB);
	CHECK(hear(fd, NULL, 3000) && status_is(413) && strstr(got, "body-too-large") != NULL);

	fd = dial(); /* beyond every route's: evhttp's own page, or the connection is just cut */
	snprintf(head, sizeof(head),
	    "PUT /v1/part HTTP/1.1\r\nHost: l\r\nContent-Length: %d\r\n\r\n", 1025 * KIB);
	say(fd, head);
	(void)say_bytes(fd, body, 1025 * KIB);
	CHECK(hear(fd, NULL, 3000) && (status_is(413) || got_len == 0));
}

static void test_bodies(void **state)
{
	struct app a = {0};

	(void)state;
	start(&a);
	serve(&a, client_bodies);
	stop(&a);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct app *a = arg;

	(void)fd;
	(void)what;
	if (a->held != NULL && ++a->ticks == 4) {
		struct http_request *r = a->held;

		a->held = NULL;
		a->ticks = 0;
		http_reply_problem(r, 409, "wrong-state", "run %d is done", 17);
	}
}

static void tick_every(struct app *a, int ms, void (*cb)(evutil_socket_t, short, void *))
{
	const struct timeval every = {.tv_usec = ms * 1000};

	a->timer = event_new(a->base, -1, EV_PERSIST, cb, a);
	event_add(a->timer, &every);
}

static void client_deferred(void)
{
	int fd;

	ask(GET("/v1/hold"));
	CHECK(status_is(409) &&
	      strstr(got, "\"code\":\"wrong-state\",\"detail\":\"run 17 is done\"}") != NULL);
	fd = dial(); /* goes away before the answer */
	say(fd, "GET /v1/hold HTTP/1.1\r\nHost: l\r\n\r\n");
	usleep(50000);
	close(fd);
	usleep(400000);
	ask(GET("/v1/now"));
	CHECK(status_is(200));
}

static void test_deferred(void **state)
{
	struct app a = {0};

	(void)state;
	start(&a);
	tick_every(&a, 50, on_tick);
	serve(&a, client_deferred);
	assert_int_equal(a.handled, 3);
	assert_int_equal(a.h->n_conns, 0);
	assert_true(TAILQ_EMPTY(&a.h->requests));
	stop(&a);
}

static void client_overdue(void)
{
	ask(GET("/v1/hold"));
	CHECK(status_is(504) && strstr(got, "reply-timeout") != NULL);
}

/* The reply that comes after its 504 goes nowhere; what was sent along can still be read. */
static void test_overdue(void **state)
{
	struct app a = {0};
	size_t len;

	(void)state;
	start(&a);
	serve(&a, client_overdue);
	assert_non_null(a.held);
	assert_int_equal(a.h->n_conns, 0);
	assert_string_equal(http_header(a.held, "host"), "l");
	http_body(a.held, &len);
	assert_int_equal(len, 0);
	http_reply_json(a.held, 200, ok());
	assert_true(TAILQ_EMPTY(&a.h->requests));

	serve(&a, client_overdue); /* and a stream begun too late is told so */
	http_stream_start(a.held, "text/event-stream",
	    &(const struct http_stream_events){.closed = on_closed, .arg = &a});
	assert_int_equal(http_stream_write(a.held, "x", 1), SIZE_MAX);
	spin(&a, 50);
	assert_int_equal(a.closed, 1);
	assert_true(TAILQ_EMPTY(&a.h->requests));
	stop(&a);
}

/* Stopping while a reply is owed and a stream is open: both are let go of. */
static void client_leave_open(void)
{
	int fd = dial(), stream = dial();

	say(fd, "GET /v1/hold HTTP/1.1\r\nHost: l\r\n\r\n");
	say(stream, "GET /v1/events HTTP/1.1\r\nHost: l\r\n\r\n");
	CHECK(hear(stream, "data: {\"n\":1}\n\n", 2000));
	usleep(100000);
}

static void test_stop_midway(void **state)
{
	struct app a = {0};
	pid_t pid;

	(void)state;
	start(&a);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		client_leave_open();
		_exit(0);
	}
	spin(&a, 80);
	http_free(a.h);
	assert_int_equal(a.closed, 1);
	a.h = NULL;
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	stop(&a);
}

static void on_event_tick(evutil_socket_t fd, short what, void *arg)
{
	struct app *a = arg;

	(void)fd;
	(void)what;
	if (a->held != NULL && a->ticks < 2) {
		a->ticks++;
		http_stream_event(a->held, NULL, "{\"two\":\n 2}");
	}
}

static void client_events(void)
{
	int fd = dial();

	say(fd, "GET /v1/events HTTP/1.1\r\nHost: l\r\n\r\n");
	CHECK(hear(fd, "event: run\ndata: {\"n\":1}\n\n", 2000));
	CHECK(strstr(got, "Content-Type: text/event-stream\r\n") != NULL);
	CHECK(strstr(got, "Connection: close\r\n") != NULL);
	CHECK(hear(fd, "data: {\"two\":\ndata:  2}\n\n", 2000));
	CHECK(hear(fd, "\n:\n\n", 2000)); /* the heartbeat */
	CHECK(hear(fd, "\n:\n\n", 2000)); /* outlives both deadlines while it is read */
	CHECK(hear(fd, "\n:\n\n", 2000));
}

static void test_events(void **state)
{
	struct app a = {0};

	(void)state;
	start(&a);
	tick_every(&a, 100, on_event_tick);
	serve(&a, client_events);
	assert_int_equal(a.closed, 1); /* its leaving was seen */
	assert_int_equal(a.h->n_sse, 0);
	assert_true(TAILQ_EMPTY(&a.h->requests));
	stop(&a);
}

/* evhttp reads and keeps whatever a client sends while it is streamed to: 200 MB became 195 MB. */
static void client_pushy(void)
{
	static char junk[1024 * KIB];
	int fd = dial();
	size_t sent = 0;

	say(fd, "GET /v1/events HTTP/1.1\r\nHost: l\r\n\r\n");
	CHECK(hear(fd, "\n\n", 2000));
	for (int i = 0; i < 50 && sent == (size_t)i * sizeof(junk); i++) {
		sent += say_bytes(fd, junk, sizeof(junk));
	}
	CHECK(sent < 2 * sizeof(junk));
	CHECK(hear(fd, NULL, 1000)); /* dropped */
}

static void test_pushy(void **state)
{
	struct app a = {0};
	long before;

	(void)state;
	start(&a);
	before = rss_kib();
	serve(&a, client_pushy);
	assert_true(rss_kib() - before < 4 * KIB);
	assert_int_equal(a.closed, 1);
	stop(&a);
}

static void on_flood_tick(evutil_socket_t fd, short what, void *arg)
{
	static char json[16 * KIB];
	struct app *a = arg;

	(void)fd;
	(void)what;
	memset(json, '1', sizeof(json) - 1);
	for (int i = 0; i < 100 && a->held != NULL; i++) {
		http_stream_event(a->held, "run", json);
		a->total += sizeof(json);
	}
}

static void client_lazy(void)
{
	int fd = dial();

	say(fd, "GET /v1/events HTTP/1.1\r\nHost: l\r\n\r\n");
	usleep(700000); /* reads nothing */
	while (read(fd, got, sizeof(got) - 1) > 0) {
	}
	close(fd);
}

static void test_slow_reader(void **state)
{
	struct app a = {0};
	long before;

	(void)state;
	start(&a);
	tick_every(&a, 20, on_flood_tick);
	before = rss_kib();
	serve(&a, client_lazy);
	assert_int_equal(a.closed, 1);
	assert_null(a.held);
	assert_true(a.total > 256 * KIB);
	assert_true(rss_kib() - before < 8 * KIB);
	stop(&a);
}

static void client_download(void)
{
	int fd = dial();
	size_t total = 0;
	ssize_t n;

	say(fd, "GET /v1/file HTTP/1.1\r\nHost: l\r\n\r\n");
	CHECK(hear(fd, "\r\n\r\n", 2000));
	CHECK(strstr(got, "Transfer-Encoding: chunked\r\n") != NULL);
	total = got_len;
	while ((n = read(fd, got, sizeof(got) - 1)) > 0) {
		total += (size_t)n;
		memmove(got, got + (n > 5 ? n - 5 : 0), 6);
		usleep(1000); /* slower than the server */
	}
	CHECK(total > 16 * 1024 * KIB);
	CHECK(memcmp(got, "0\r\n\r\n", 5) == 0);
}

static void test_download(void **state)
{
	struct app a = {.total = 16 * 1024 * KIB};

	(void)state;
	start(&a);
	serve(&a, client_download);
	assert_int_equal(a.written, a.total);
	assert_true(a.drained > 16);
	assert_true(a.most_pending < 400 * KIB);
	assert_int_equal(a.closed, 0); /* it ended by itself */
	assert_true(TAILQ_EMPTY(&a.h->requests));
	stop(&a);
}

static void client_cut_download(void)
{
	ask("GET /v1/file HTTP/1.1\r\nHost: l\r\n\r\n");
	CHECK(status_is(200));
	CHECK(got_len < 5 || memcmp(got + got_len - 5, "0\r\n\r\n", 5) != 0);
}

static void test_cut_download(void **state)
{
	struct app a = {.total = 512 * KIB, .flood = true};

	(void)state;
	start(&a);
	serve(&a, client_cut_download);
	assert_int_equal(a.closed, 0);
	assert_int_equal(a.h->n_conns, 0);
	stop(&a);
}

static void client_stalled_download(void)
{
	int fd = dial();

	say(fd, "GET /v1/file HTTP/1.1\r\nHost: l\r\n\r\n");
	usleep(1200000); /* longer than reply_ms without taking a byte */
	close(fd);
}

static void test_stalled_download(void **state)
{
	struct app a = {.total = 16 * 1024 * KIB};
	int64_t begin = http_now_us();

	(void)state;
	start(&a);
	serve(&a, client_stalled_download);
	assert_true(a.written < a.total);
	assert_int_equal(a.closed, 1);
	assert_true(http_now_us() - begin < 5000000);
	stop(&a);
}

/* More watchers than there are places for: the others are told so, and their closed is called. */
static void client_many_watchers(void)
{
	int fds[HTTP_SSE_CLIENTS + 1];

	for (int i = 0; i <= HTTP_SSE_CLIENTS; i++) {
		fds[i] = dial();
		say(fds[i], "GET /v1/events HTTP/1.1\r\nHost: l\r\n\r\n");
		CHECK(hear(fds[i], i < HTTP_SSE_CLIENTS ? "data: " : "too-many-streams", 2000));
	}
}

static void test_many_watchers(void **state)
{
	struct app a = {0};

	(void)state;
	start(&a);
	serve(&a, client_many_watchers);
	assert_int_equal(a.closed, HTTP_SSE_CLIENTS + 1);
	assert_int_equal(a.h->n_sse, 0);
	stop(&a);
}

static void client_crowd(void)
{
	int fds[8];
	unsigned open = 0;

	for (int i = 0; i < 8; i++) {
		fds[i] = dial();
		say(fds[i], "GET /v1/events HTTP/1.1\r\nHost: l\r\n\r\n");
	}
	for (int i = 0; i < 8; i++) {
		open += hear(fds[i], "data: ", 150);
	}
	CHECK(open == 3);
	close(fds[0]);
	CHECK(hear(fds[3], "data: ", 1000)); /* the next in line gets the place */
}

static void on_crowd_tick(evutil_socket_t fd, short what, void *arg)
{
	struct app *a = arg;

	(void)fd;
	(void)what;
	a->most_pending = a->h->n_conns > a->most_pending ? a->h->n_conns : a->most_pending;
}

static void test_crowd(void **state)
{
	struct app a = {0};
	struct http_options o = options(&a);

	(void)state;
	o.max_connections = 3;
	start_with(&a, &o);
	tick_every(&a, 1, on_crowd_tick);
	serve(&a, client_crowd);
	assert_int_equal(a.most_pending, 3);
	stop(&a);
}

static unsigned log_lines;

static void on_log(int severity, const char *text)
{
	(void)severity;
	(void)text;
	log_lines++;
}

static void client_hungry(void)
{
	int fds[6];

	for (int i = 3; i < 64; i++) {
		close(i); /* the hunger is the server's, not ours */
	}
	fds[0] = dial();
	say(fds[0], "GET /v1/now HTTP/1.1\r\nHost: l\r\n\r\n");
	CHECK(hear(fds[0], "{\"ok\":true}", 1000)); /* by the spare one */
	for (int i = 1; i < 6; i++) {
		fds[i] = dial();
		say(fds[i], "GET /v1/now HTTP/1.1\r\nHost: l\r\n\r\n");
	}
	CHECK(!hear(fds[1], "{\"ok\":true}", 150));
	for (int i = 1; i < 6; i++) {
		CHECK(hear(fds[i], "{\"ok\":true}", 4000)); /* when there are some again */
	}
}

static void on_feed(evutil_socket_t fd, short what, void *arg)
{
	int *eaten = arg;

	(void)fd;
	(void)what;
	while (*eaten > 0) {
		close(eaten[(*eaten)--]);
	}
}

/* Out of descriptors, evhttp's listener alone spins: 500,000 warnings a second. */
static void test_no_descriptors(void **state)
{
	const struct timeval later = {.tv_sec = 1};
	struct app a = {0};
	struct rlimit limit, low;
	int eaten[64] = {0}, fd;
	struct event *feed;
	int64_t before;

	(void)state;
	start(&a);
	event_set_log_callback(on_log);
	getrlimit(RLIMIT_NOFILE, &limit);
	low = limit;
	low.rlim_cur = 40;
	setrlimit(RLIMIT_NOFILE, &low);
	feed = event_new(a.base, -1, 0, on_feed, eaten);
	event_add(feed, &later);
	while (eaten[0] < 63 && (fd = dup(0)) >= 0) {
		eaten[++eaten[0]] = fd;
	}
	log_lines = 0;
	before = cpu_ms();
	serve(&a, client_hungry);
	assert_true(cpu_ms() - before < 400);
	assert_true(log_lines < 10);
	setrlimit(RLIMIT_NOFILE, &limit);
	event_set_log_callback(NULL);
	event_free(feed);
	on_feed(-1, 0, eaten);
	stop(&a);
}

static int listening(int family, int type)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(family, type, 0); /* blocking, as systemd passes it */

	strcpy(un.sun_path, path);
	if (family == AF_UNIX) {
		(void)unlink(path);
		assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	} else {
		assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	}
	return fd;
}

static void client_two(void)
{
	ask(GET("/v1/now"));
	CHECK(status_is(200));
	ask(GET("/v1/now"));
	CHECK(status_is(200));
}

static void test_passed_fd(void **state)
{
	struct app a = {0};
	struct http_options o = options(&a);
	struct lead_error err;
	int fd;

	(void)state;
	a.base = event_base_new();
	assert_int_equal(http_new(a.base, &o, &a.h, &err), 0);
	fd = listening(AF_INET, SOCK_STREAM);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(http_listen_fd(a.h, fd, &err), LEAD_EINPUT); /* no peer's uid there */
	close(fd);
	fd = listening(AF_UNIX, SOCK_DGRAM);
	assert_int_equal(http_listen_fd(a.h, fd, &err), LEAD_EINPUT);
	close(fd);
	fd = listening(AF_UNIX, SOCK_STREAM);
	assert_int_equal(http_listen_fd(a.h, fd, &err), LEAD_EINPUT); /* not listening yet */
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(http_listen_fd(a.h, fd, &err), 0);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(http_listen_fd(a.h, 999, &err), LEAD_EINPUT);
	serve(&a, client_two);
	http_close_listeners(a.h);
	assert_int_equal(access(path, F_OK), 0); /* a passed socket's file is not ours */
	(void)unlink(path);
	stop(&a);
}

static void test_stale_socket(void **state)
{
	struct app a = {0}, b = {0};
	struct http_options o = options(&b);
	char deep[200];
	struct lead_error err;
	struct stat st;
	int fd;

	(void)state;
	close(listening(AF_UNIX, SOCK_STREAM)); /* left behind by a dead process */
	start(&a);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);

	b.base = event_base_new();
	assert_int_equal(http_new(b.base, &o, &b.h, &err), 0);
	assert_int_equal(http_listen_unix(b.h, path, &err), LEAD_EINPUT); /* in use */
	assert_non_null(strstr(err.text, "in use by another process"));
	serve(&a, client_two); /* and not harmed */

	(void)unlink(path); /* somebody takes our place; it is not ours to remove */
	assert_int_equal(http_listen_unix(b.h, path, &err), 0);
	stop(&a);
	assert_int_equal(access(path, F_OK), 0);
	http_close_listeners(b.h);
	assert_int_equal(access(path, F_OK), -1);

	fd = open(path, O_CREAT | O_WRONLY, 0600); /* no socket */
	close(fd);
	assert_int_equal(http_listen_unix(b.h, path, &err), LEAD_EINPUT);
	assert_int_equal(access(path, F_OK), 0);
	(void)unlink(path);

	memset(deep, 'x', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	assert_int_equal(http_listen_unix(b.h, deep, &err), LEAD_EINPUT);
	assert_int_equal(http_listen_unix(b.h, "/nonexistent/x", &err), LEAD_EINPUT);
	stop(&b);
}

static void client_forbidden(void)
{
	ask(GET("/v1/now"));
	CHECK(status_is(403) && strstr(got, "\"forbidden\"") != NULL);
}

static void client_operator(void)
{
	ask(GET("/v1/now"));
	CHECK(status_is(200));
	ask("POST /v1/now HTTP/1.1\r\nHost: l\r\nContent-Length: 0\r\n\r\n");
	CHECK(status_is(200));
	ask("DELETE /v1/now HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n");
	CHECK(status_is(403));
}

static void client_member(void)
{
	gid_t group = 0;

	CHECK(setgroups(1, &group) == 0 && setgid(65534) == 0 && setuid(65534) == 0);
	client_operator();
}

static void client_stranger(void)
{
	CHECK(setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0);
	client_forbidden();
}

static void test_rights(void **state)
{
	struct app a = {.right = HTTP_OPERATE};
	struct http_options o = options(&a);

	(void)state;
	o.right_of = right_of;
	start_with(&a, &o);
	serve(&a, client_operator);
	a.denied = true;
	serve(&a, client_forbidden);
	stop(&a);
	if (geteuid() != 0) {
		return; /* cannot become somebody else */
	}
	start(&a);
	assert_int_equal(chmod(dir, 0755), 0);
	serve(&a, client_member);
	assert_int_equal(a.seen_uid, 65534);
	assert_int_equal(chmod(path, 0666), 0); /* whoever got in by that is still nobody to us */
	serve(&a, client_stranger);
	stop(&a);
}

static void test_openapi(void **state)
{
	struct json_object *doc = http_openapi(routes, "1.2.3");
	const char *text = json_object_to_json_string_ext(
	    doc, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	(void)state;
	assert_non_null(strstr(text, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"leadd control "
				     "API\",\"version\":\"1.2.3\"}"));
	assert_non_null(strstr(text,
	    "\"/v1/now\":{\"get\":{\"operationId\":\"get_v1_now\",\"summary\":\"answers at once\","
	    "\"x-right\":\"read\",\"responses\":"));
	assert_non_null(strstr(text, "\"delete\":{\"operationId\":\"delete_v1_now\""));
	assert_non_null(strstr(text, "\"operationId\":\"get_v1_items_item_n\""));
	assert_non_null(strstr(text, "{\"name\":\"item\",\"in\":\"path\",\"required\":true,"
				     "\"schema\":{\"type\":\"string\"}}"));
	json_object_put(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_plain, clean),
	    cmocka_unit_test_setup(test_routes, clean),
	    cmocka_unit_test_setup(test_smuggling, clean),
	    cmocka_unit_test_setup(test_close_after_body, clean),
	    cmocka_unit_test_setup(test_methods, clean),
	    cmocka_unit_test_setup(test_drip, clean),
	    cmocka_unit_test_setup(test_endless_header, clean),
	    cmocka_unit_test_setup(test_bodies, clean),
	    cmocka_unit_test_setup(test_deferred, clean),
	    cmocka_unit_test_setup(test_overdue, clean),
	    cmocka_unit_test_setup(test_stop_midway, clean),
	    cmocka_unit_test_setup(test_events, clean),
	    cmocka_unit_test_setup(test_pushy, clean),
	    cmocka_unit_test_setup(test_slow_reader, clean),
	    cmocka_unit_test_setup(test_download, clean),
	    cmocka_unit_test_setup(test_cut_download, clean),
	    cmocka_unit_test_setup(test_stalled_download, clean),
	    cmocka_unit_test_setup(test_many_watchers, clean),
	    cmocka_unit_test_setup(test_crowd, clean),
	    cmocka_unit_test_setup(test_no_descriptors, clean),
	    cmocka_unit_test_setup(test_passed_fd, clean),
	    cmocka_unit_test_setup(test_stale_socket, clean),
	    cmocka_unit_test_setup(test_rights, clean),
	    cmocka_unit_test_setup(test_openapi, clean),
	};
	int rc;

	signal(SIGPIPE, SIG_IGN);
	event_enable_debug_mode();
	if (mkdtemp(dir) == NULL) {
		return 1;
	}
	snprintf(path, sizeof(path), "%s/sock", dir);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	(void)rmdir(dir);
	return rc;
}
