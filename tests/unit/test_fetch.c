/*
 * tests/unit/test_fetch.c: calls out, against servers of our own on 127.0.0.1.
 *
 * Each trap of libcurl that daemon/fetch works around has a test here that fails without the
 * work-around.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/clock.h"
#include "daemon/fetch.h"
#include "tests/unit/dns_stub.h"
#include "tests/unit/web_stub.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MAX_CALLS 2100

struct result {
	int sent, first, done;
	enum transport transport;
	char why[64];
	int status;
	char *body;
	size_t body_len;
	size_t n_headers;
	char header[64]; /* value of the one named in `wanted` */
	int64_t sent_us, first_us;
	int64_t answer_sent_us, answer_first_us, end_us;
};

static struct event_base *loop;
static struct web_stub web;
static struct dns_stub dns;
static struct fetch *fetch;
static struct result results[MAX_CALLS];
static int ended;
static const char *wanted;
static bool inside; /* a function of fetch.h */
static void (*also_on_sent)(uint64_t id);
static void (*also_on_done)(uint64_t id);

/* --- what comes back --- */

static void on_sent(void *arg, uint64_t id, int64_t boot_us)
{
	(void)arg;
	assert_false(inside);
	results[id].sent++;
	results[id].sent_us = boot_us;
	if (also_on_sent != NULL) {
		also_on_sent(id);
	}
}

static void on_first_byte(void *arg, uint64_t id, int64_t boot_us)
{
	(void)arg;
	assert_int_equal(results[id].done, 0);
	results[id].first++;
	results[id].first_us = boot_us;
}

static void on_done(void *arg, uint64_t id, const struct http_answer *a, char *body)
{
	struct result *r = &results[id];

	assert_ptr_equal(arg, results);
	assert_false(inside);
	assert_ptr_equal(body, a->body);
	r->done++;
	r->transport = a->transport;
	snprintf(r->why, sizeof(r->why), "%s", a->why != NULL ? a->why : "");
	r->status = a->status;
	free(r->body);
	r->body = body;
	r->body_len = a->body_len;
	r->n_headers = a->n_headers;
	for (size_t i = 0; wanted != NULL && i < a->n_headers; i++) {
		if (strcasecmp(a->headers[i].name, wanted) == 0) {
			snprintf(r->header, sizeof(r->header), "=%s", a->headers[i].value);
		}
	}
	r->answer_sent_us = a->sent_us;
	r->answer_first_us = a->first_byte_us;
	r->end_us = a->end_us;
	ended++;
	if (also_on_done != NULL) {
		also_on_done(id);
	}
}

/* --- set-up --- */

static void open_fetch(const struct fetch_options *o)
{
	struct fetch_events events = {
	    .sent = on_sent, .first_byte = on_first_byte, .done = on_done, .arg = results};
	struct lead_error err;

	fetch_free(fetch);
	fetch = NULL;
	if (fetch_new(loop, o, &events, &fetch, &err) != 0) {
		fail_msg("%s", err.text);
	}
}

static int setup(void **state)
{
	struct fetch_options o = {.allow_private = true};

	(void)state;
	loop = event_base_new();
	assert_int_equal(web_start(&web, loop), 0);
	assert_int_equal(dns_start(&dns, loop), 0);
	o.dns_servers = dns.server;
	open_fetch(&o);
	ended = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fetch_free(fetch);
	fetch = NULL;
	dns_stop(&dns);
	web_stop(&web);
	event_base_free(loop);
	for (int i = 0; i < MAX_CALLS; i++) {
		free(results[i].body);
	}
	memset(results, 0, sizeof(results));
	also_on_sent = NULL;
	also_on_done = NULL;
	wanted = NULL;
	return 0;
}

static const char *url_of(const char *host, const char *path)
{
	static char urls[4][128];
	static unsigned turn;
	char *url = urls[turn++ % 4];

	snprintf(url, sizeof(urls[0]), "http://%s:%u%s", host, web.port, path);
	return url;
}

static int start(uint64_t id, const struct request *r, struct lead_error *err)
{
	int rc;

	inside = true;
	rc = fetch_start(fetch, id, r, err);
	inside = false;
	return rc;
}

static void get(uint64_t id, const char *url)
{
	struct request r = {
	    .method = "GET", .url = url, .connect_us = 5 * US_PER_S, .total_us = 10 * US_PER_S};
	struct lead_error err;

	if (start(id, &r, &err) != 0) {
		fail_msg("%s", err.text);
	}
}

static void wait_all(int n)
{
	int64_t end = clock_boot_us() + 60 * US_PER_S;

	while (ended < n && clock_boot_us() < end) {
		event_base_loop(loop, EVLOOP_ONCE);
	}
	assert_int_equal(ended, n);
	ended = 0;
}

static void spin_ms(int ms)
{
	struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_base_loopexit(loop, &wait);
	event_base_dispatch(loop);
}

static const struct result *get_now(uint64_t id, const char *path)
{
	get(id, url_of("127.0.0.1", path));
	wait_all(1);
	assert_int_equal(results[id].done, 1);
	return &results[id];
}

static void assert_end(uint64_t id, enum transport transport, const char *why)
{
	const struct result *r = &results[id];

	if (r->done != 1 || r->transport != transport || strcmp(r->why, why) != 0) {
		fail_msg(
		    "call %d: done %d, transport %d, `%s`", (int)id, r->done, r->transport, r->why);
	}
	if (transport != TRANSPORT_ANSWERED) {
		assert_null(r->body);
	}
	assert_int_equal(r->sent, transport != TRANSPORT_UNSENT);
	assert_int_equal(r->answer_sent_us != 0, r->sent);
	assert_int_equal(r->answer_first_us != 0, r->first);
}

static int tasks(void)
{
	DIR *d = opendir("/proc/self/task");
	int n = 0;

	while (readdir(d) != NULL) {
		n++;
	}
	closedir(d);
	return n - 2;
}

/* --- plain calls --- */

static void test_answer(void **state)
{
	int64_t before = clock_boot_us();
	const struct result *r;

	(void)state;
	wanted = "content-type";
	r = get_now(1, "/ok");
	assert_end(1, TRANSPORT_ANSWERED, "");
	assert_int_equal(r->status, 200);
	assert_int_equal(r->body_len, 11);
	assert_string_equal(r->body, "{\"ok\":true}");
	assert_int_equal(r->n_headers, 2);
	assert_string_equal(r->header, "=application/json");
	assert_int_equal(r->first, 1);
	assert_true(before <= r->sent_us && r->sent_us <= r->first_us && r->first_us <= r->end_us);
	assert_true(r->end_us <= clock_boot_us());
	assert_int_equal(r->sent_us, r->answer_sent_us);
	assert_int_equal(r->first_us, r->answer_first_us);
	assert_int_equal(fetch_in_flight(fetch), 0);
}

static void test_request_bytes(void **state)
{
	struct request r = {
	    .method = "POST",
	    .url = url_of("127.0.0.1", "/ok?q=a%2Fb%2f&r=../x"),
	    .headers = {{"X-Api-Key", "s3cret"}, {"X-Empty", ""},
		{"Content-Type", "application/json"}},
	    .n_headers = 3,
	    .body = "{\"a\":\0}",
	    .body_len = 7,
	};
	char expect[512];

	(void)state;
	setenv("http_proxy", "http://127.0.0.1:1/", 1);
	assert_int_equal(start(1, &r, NULL), 0);
	memset(&r, 0, sizeof(r)); /* all was copied */
	wait_all(1);
	unsetenv("http_proxy");
	assert_end(1, TRANSPORT_ANSWERED, "");
	snprintf(expect, sizeof(expect),
	    "POST /ok?q=a%%2Fb%%2f&r=../x HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: "
	    "leadd\r\nAccept: */*\r\n"
	    "Accept-Encoding: gzip\r\nX-Api-Key: s3cret\r\nX-Empty:\r\nContent-Type: "
	    "application/json\r\n"
	    "Content-Length: 7\r\n\r\n{\"a\":",
	    web.port);
	assert_string_equal(web.last, expect);
	assert_memory_equal(web.last + strlen(expect), "\0}", 2);
}

static void test_methods(void **state)
{
	static const struct {
		const char *method, *body, *begins, *length;
	} cases[] = {
	    {"GET", NULL, "GET /ok HTTP/1.1\r\n", NULL},
	    {"POST", NULL, "POST /ok HTTP/1.1\r\n", "Content-Length: 0\r\n"},
	    {"PUT", "abc", "PUT /ok HTTP/1.1\r\n", "Content-Length: 3\r\n"},
	    {"PATCH", NULL, "PATCH /ok HTTP/1.1\r\n", "Content-Length: 0\r\n"},
	    {"DELETE", NULL, "DELETE /ok HTTP/1.1\r\n", NULL},
	    {"DELETE", "abc", "DELETE /ok HTTP/1.1\r\n", "Content-Length: 3\r\n"},
	    {"GET", "abc", "GET /ok HTTP/1.1\r\n", "Content-Length: 3\r\n"},
	    {"GET", NULL, "GET /ok HTTP/1.1\r\n", NULL}, /* nothing is left of the one before */
	};

	(void)state;
	for (uint64_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct request r = {.method = cases[i].method,
		    .url = url_of("127.0.0.1", "/ok"),
		    .body = cases[i].body,
		    .body_len = cases[i].body != NULL ? 3 : 0};

		assert_int_equal(start(i, &r, NULL), 0);
		wait_all(1);
		assert_end(i, TRANSPORT_ANSWERED, "");
		assert_memory_equal(web.last, cases[i].begins, strlen(cases[i].begins));
		assert_null(strstr(web.last, "Content-Type:"));
		if (cases[i].length == NULL) {
			assert_null(strstr(web.last, "Content-Length:"));
		} else {
			assert_non_null(strstr(web.last, cases[i].length));
		}
	}
	assert_int_equal(web.connections, 1); /* kept alive */
}

/* Above 1 MiB libcurl would ask first and wait up to a second. */
static void test_no_expect(void **state)
{
	size_t len = (size_t)3 << 20;
	char *body = calloc(1, len);
	struct request r = {
	    .method = "POST", .url = url_of("127.0.0.1", "/ok"), .body = body, .body_len = len};

	(void)state;
	memset(body, 'x', len);
	assert_int_equal(start(1, &r, NULL), 0);
	free(body);
	wait_all(1);
	assert_end(1, TRANSPORT_ANSWERED, "");
	assert_null(strstr(web.last, "Expect"));
	assert_true(results[1].end_us - results[1].sent_us < US_PER_S);
}

static void test_not_followed(void **state)
{
	const struct result *r;

	(void)state;
	wanted = "location";
	r = get_now(1, "/moved");
	assert_end(1, TRANSPORT_ANSWERED, "");
	assert_int_equal(r->status, 302);
	assert_string_equal(r->header, "=/ok");
	assert_null(r->body);
	assert_int_equal(web.requests, 1);
}

static void test_statuses_and_headers(void **state)
{
	const struct result *r;

	(void)state;
	wanted = "x-empty";
	r = get_now(1, "/error");
	assert_end(1, TRANSPORT_ANSWERED, "");
	assert_int_equal(r->status, 503);
	assert_string_equal(r->body, "busy");
	assert_string_equal(r->header, "=");
	wanted = "link";
	r = get_now(2, "/interim"); /* headers of the 103 are gone */
	assert_int_equal(r->status, 200);
	assert_int_equal(r->n_headers, 2);
	assert_string_equal(r->header, "");
	wanted = "x-trailer";
	r = get_now(3, "/chunks"); /* and trailers are none */
	assert_string_equal(r->body, "{\"a\":17}");
	assert_int_equal(r->n_headers, 1);
	assert_string_equal(r->header, "");
	r = get_now(4, "/nothing");
	assert_int_equal(r->status, 204);
	assert_end(4, TRANSPORT_ANSWERED, "");
	assert_null(r->body);
}

static void test_bad_requests(void **state)
{
	static const char *const urls[] = {"", "/ok", "ftp://127.0.0.1/", "file:///etc/passwd",
	    "http://", "http:///x", "http://user:key@127.0.0.1/", "http://127.0.0.1:0/",
	    "http://127.0.0.1:99999/", "http://a b/", "http://a/b c", "http://a/b\r\nX: y",
	    "http://a/\x01", "http://a/b#c", "http://a\\b/",
	    "http://b\xc3\xbc"
	    "cher.example/",
	    "https://[::1/", "http://?x", "httpx://a/"};
	struct request r = {.method = "GET", .headers = {{"A", "b"}}};
	static const struct request_header headers[] = {{"A b", "c"}, {"", "c"}, {"A:", "c"},
	    {"A", "b\r\nC: d"}, {"A\r\n", "b"}, {"A", "\x7f"}};
	struct lead_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		r.url = urls[i];
		if (start(1, &r, &err) != LEAD_EINPUT) {
			fail_msg("accepted: %s", urls[i]);
		}
	}
	r.url = url_of("127.0.0.1", "/ok");
	r.n_headers = 1;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		r.headers[0] = headers[i];
		assert_int_equal(start(1, &r, &err), LEAD_EINPUT);
	}
	r.n_headers = 0;
	r.method = "GET /x";
	assert_int_equal(start(1, &r, &err), LEAD_EINPUT);
	r.method = "GET";
	assert_int_equal(start(1, &r, &err), 0);
	assert_int_equal(start(1, &r, &err), LEAD_EBUG);
	wait_all(1);
	assert_end(1, TRANSPORT_ANSWERED, "");
	assert_int_equal(web.requests, 1);
}

static void test_full(void **state)
{
	struct fetch_options o = {.allow_private = true, .max_in_flight = 2};
	struct request r = {.method = "GET", .url = url_of("127.0.0.1", "/slow")};

	(void)state;
	open_fetch(&o);
	assert_int_equal(start(1, &r, NULL), 0);
	assert_int_equal(start(2, &r, NULL), 0);
	assert_int_equal(start(3, &r, NULL), LEAD_EFULL);
	assert_int_equal(fetch_in_flight(fetch), 2);
	wait_all(2);
	assert_int_equal(start(3, &r, NULL), 0);
	wait_all(1);
}

/* --- what breaks --- */

/* libcurl sends a request again, POST included, when a reused connection closes before any byte of
 * an answer. */
static void test_never_sent_twice(void **state)
{
	struct request r = {
	    .method = "POST", .url = url_of("127.0.0.1", "/drop"), .body = "pay", .body_len = 3};

	(void)state;
	get_now(1, "/ok");
	assert_int_equal(start(2, &r, NULL), 0);
	wait_all(1);
	assert_end(2, TRANSPORT_BROKEN, "connection closed, resend refused");
	assert_int_equal(web.requests, 2);
	get_now(3, "/ok");
	get(4, url_of("127.0.0.1", "/drop"));
	wait_all(1);
	assert_end(4, TRANSPORT_BROKEN, "connection closed, resend refused");
	assert_int_equal(web.requests, 4);
	r.url = url_of("127.0.0.1", "/drop"); /* a new connection is not tried again anyway */
	assert_int_equal(start(5, &r, NULL), 0);
	wait_all(1);
	assert_end(5, TRANSPORT_BROKEN, "closed without an answer");
	assert_int_equal(web.requests, 5);
	assert_int_equal(results[2].sent + results[4].sent + results[5].sent, 3);
}

static void test_idle_connection_closed(void **state)
{
	(void)state;
	get_now(1, "/ok");
	web_hang_up(&web);
	spin_ms(20);
	get_now(2, "/ok");
	assert_end(2, TRANSPORT_ANSWERED, "");
	assert_int_equal(web.connections, 2);
	assert_int_equal(web.requests, 2);
	fetch_forget(fetch);
	get_now(3, "/ok");
	assert_int_equal(web.connections, 3);
}

static void test_cut_short(void **state)
{
	(void)state;
	get_now(1, "/half");
	assert_end(1, TRANSPORT_BROKEN, "answer cut short");
	assert_int_equal(results[1].status, 200);
	assert_int_equal(results[1].first, 1);
	get_now(2, "/chunks-cut");
	assert_end(2, TRANSPORT_BROKEN, "answer cut short");
	get_now(3, "/open-end"); /* nobody can know: reading the body will tell */
	assert_end(3, TRANSPORT_ANSWERED, "");
	assert_string_equal(results[3].body, "{\"a\":");
	get_now(4, "/noise");
	assert_int_equal(results[4].transport, TRANSPORT_BROKEN);
	get_now(5, "/wrong-gzip");
	assert_int_equal(results[5].transport, TRANSPORT_BROKEN);
}

static void make_bomb(void)
{
	FILE *f = popen("head -c 20000000 /dev/zero | gzip -9c", "re");

	web.bomb = malloc(65536);
	web.bomb_len = fread(web.bomb, 1, 65536, f);
	assert_int_equal(pclose(f), 0);
	assert_in_range(web.bomb_len, 10000, 65535);
}

static void test_caps(void **state)
{
	struct request r = {
	    .method = "GET", .url = url_of("127.0.0.1", "/ok"), .max_answer_bytes = 10};

	(void)state;
	make_bomb();
	get_now(1, "/bomb");
	assert_end(1, TRANSPORT_TOO_LARGE, "body past its cap");
	assert_int_equal(start(2, &r, NULL), 0);
	wait_all(1);
	assert_end(2, TRANSPORT_TOO_LARGE, "body past its cap");
	r.max_answer_bytes = 11;
	assert_int_equal(start(3, &r, NULL), 0);
	wait_all(1);
	assert_end(3, TRANSPORT_ANSWERED, "");
	r.url = url_of("127.0.0.1", "/bomb");
	r.max_answer_bytes = 20000000;
	assert_int_equal(start(4, &r, NULL), 0);
	wait_all(1);
	assert_end(4, TRANSPORT_ANSWERED, "");
	assert_int_equal(results[4].body_len, 20000000);
	get_now(5, "/headers-200");
	assert_end(5, TRANSPORT_ANSWERED, "");
	assert_int_equal(results[5].n_headers, 200);
	get_now(6, "/headers-201");
	assert_end(6, TRANSPORT_TOO_LARGE, "headers past their cap");
	get_now(7, "/headers-big");
	assert_end(7, TRANSPORT_TOO_LARGE, "headers past their cap");
}

/* --- before the first byte --- */

static void test_unsent(void **state)
{
	struct request r = {
	    .method = "GET", .connect_us = 300 * US_PER_MS, .total_us = 5 * US_PER_S};
	uint16_t port = web.port;
	int64_t before;
	char url[64];

	(void)state;
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/",
	    port); /* the server waits for more of what it takes for a request */
	r.url = url;
	before = clock_boot_us();
	assert_int_equal(start(1, &r, NULL), 0);
	wait_all(1);
	assert_end(1, TRANSPORT_UNSENT, "connect deadline");
	assert_in_range(results[1].end_us - before, 300 * US_PER_MS, 400 * US_PER_MS);
	evconnlistener_disable(web.listener);
	close(evconnlistener_get_fd(web.listener)); /* nobody listens any more */
	get(2, url_of("127.0.0.1", "/ok"));
	wait_all(1);
	assert_end(2, TRANSPORT_UNSENT, "connection refused");
	get(3, url_of("missing.test", "/ok"));
	wait_all(1);
	assert_end(3, TRANSPORT_UNSENT, "no such host");
	r.url = url_of("silent.test", "/ok");
	before = clock_boot_us();
	assert_int_equal(start(4, &r, NULL), 0);
	wait_all(1);
	assert_end(4, TRANSPORT_UNSENT, "name lookup deadline");
	assert_in_range(results[4].end_us - before, 300 * US_PER_MS, 400 * US_PER_MS);
}

static void test_answer_deadline(void **state)
{
	struct request r = {.method = "GET",
	    .url = url_of("127.0.0.1", "/never"),
	    .connect_us = 100 * US_PER_MS,
	    .total_us = 350 * US_PER_MS};
	int64_t before = clock_boot_us();

	(void)state;
	assert_int_equal(start(1, &r, NULL), 0);
	wait_all(1);
	assert_end(1, TRANSPORT_BROKEN, "answer deadline");
	assert_in_range(results[1].end_us - before, 350 * US_PER_MS, 450 * US_PER_MS);
	r.total_us = 50 * US_PER_MS; /* below the connect deadline */
	r.connect_us = 5 * US_PER_S;
	r.url = url_of("silent.test", "/ok");
	assert_int_equal(start(2, &r, NULL), 0);
	wait_all(1);
	assert_end(2, TRANSPORT_UNSENT, "name lookup deadline");
}

static void test_private_addresses(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "localhost", "x.localhost", "2130706433",
	    "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "inside.test"};
	struct fetch_options o = {.dns_servers = dns.server};

	(void)state;
	open_fetch(&o);
	for (uint64_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		get(i, url_of(hosts[i], "/ok"));
		wait_all(1);
		assert_end(i, TRANSPORT_UNSENT, "address not allowed");
	}
	spin_ms(20);
	assert_int_equal(web.connections, 0);
}

static void test_names(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "localhost", "x.localhost", "one.test",
	    "ONE.test", "one.test.", "0x7f.1", "o%6ee.test"};

	(void)state;
	for (uint64_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		get(i, url_of(hosts[i], "/ok"));
		wait_all(1);
		assert_end(i, TRANSPORT_ANSWERED, "");
		assert_int_equal(tasks(), 1);
	}
}

static int most_tasks;

static void count_tasks(uint64_t id)
{
	(void)id;
	most_tasks = tasks() > most_tasks ? tasks() : most_tasks;
}

/* libcurl alone starts one thread for each. */
static void test_no_thread_per_name(void **state)
{
	char host[32];

	(void)state;
	most_tasks = 0;
	also_on_sent = count_tasks;
	dns.delay_ms = 100;
	for (uint64_t i = 0; i < 200; i++) {
		snprintf(host, sizeof(host), "h%d.test", (int)i);
		get(i, url_of(host, "/ok"));
	}
	spin_ms(30);
	assert_int_equal(tasks(), 1);
	assert_int_equal(fetch_in_flight(fetch), 200);
	wait_all(200);
	for (uint64_t i = 0; i < 200; i++) {
		assert_end(i, TRANSPORT_ANSWERED, "");
	}
	assert_int_equal(most_tasks, 1);
	assert_int_equal(dns.queries, 400);
}

/* Connections of ours are not inherited and notice a peer that is gone. */
static void test_socket_options(void **state)
{
	int found = 0;

	(void)state;
	get_now(1, "/ok");
	for (int fd = 0; fd < 256; fd++) {
		struct sockaddr_in peer;
		socklen_t len = sizeof(peer), size = sizeof(int);
		int keep = 0, gone_ms = 0;

		if (getpeername(fd, (struct sockaddr *)&peer, &len) != 0 ||
		    peer.sin_family != AF_INET || ntohs(peer.sin_port) != web.port) {
			continue;
		}
		found++;
		assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &keep, &size), 0);
		assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &gone_ms, &size), 0);
		assert_int_equal(keep, 1);
		assert_int_equal(gone_ms, 90000);
	}
	assert_int_equal(found, 1);
}

/* --- cancelling, and calling back in --- */

static void test_cancel(void **state)
{
	(void)state;
	get(1, url_of("127.0.0.1", "/never"));
	get(2, url_of("127.0.0.1", "/never"));
	get(3, url_of("silent.test", "/never"));
	inside = true;
	fetch_cancel(fetch, 1); /* not even started */
	fetch_cancel(fetch, 99);
	inside = false;
	while (results[2].sent == 0) {
		event_base_loop(loop, EVLOOP_ONCE);
	}
	fetch_cancel(fetch, 2);
	fetch_cancel(fetch, 2);
	fetch_cancel(fetch, 3);
	wait_all(3);
	assert_end(1, TRANSPORT_UNSENT, "cancelled");
	assert_end(2, TRANSPORT_CANCELLED, "cancelled");
	assert_end(3, TRANSPORT_UNSENT, "cancelled");
	assert_int_equal(web.requests, 1);
	assert_int_equal(fetch_in_flight(fetch), 0);
}

static void cancel_it(uint64_t id)
{
	fetch_cancel(fetch, id);
	fetch_cancel(fetch, id + 1);
}

/* From within libcurl, which could not take it. */
static void test_cancel_while_sending(void **state)
{
	(void)state;
	also_on_sent = cancel_it;
	get(1, url_of("127.0.0.1", "/never"));
	get(2, url_of("127.0.0.1", "/never"));
	wait_all(2);
	assert_end(1, TRANSPORT_CANCELLED, "cancelled");
	assert_end(2, TRANSPORT_UNSENT, "cancelled");
	spin_ms(20);
	assert_true(web.requests <= 1);
}

static void start_next(uint64_t id)
{
	if (id < 50) {
		get(id + 1, url_of("127.0.0.1", "/ok"));
		get(id + 100, url_of("127.0.0.1", "/never"));
		fetch_cancel(fetch, id + 100);
	}
	if (id == 20) {
		fetch_forget(fetch);
	}
}

static void test_start_from_done(void **state)
{
	(void)state;
	also_on_done = start_next;
	get(0, url_of("127.0.0.1", "/ok"));
	wait_all(101);
	assert_end(50, TRANSPORT_ANSWERED, "");
	assert_end(149, TRANSPORT_UNSENT, "cancelled");
	assert_int_equal(web.connections, 2); /* reused but for the one time all was forgotten */
}

static void test_forget_with_calls_under_way(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 20; i++) {
		get(i, url_of("one.test", i % 2 == 0 ? "/slow" : "/ok"));
	}
	spin_ms(50);
	fetch_forget(fetch);
	for (uint64_t i = 20; i < 40; i++) {
		get(i, url_of("one.test", "/ok"));
	}
	wait_all(40);
	for (uint64_t i = 0; i < 40; i++) {
		assert_end(i, TRANSPORT_ANSWERED, "");
	}
	assert_int_equal(dns.queries, 4);
}

static void test_free_in_every_state(void **state)
{
	(void)state;
	get(1, url_of("127.0.0.1", "/never"));
	get(2, url_of("silent.test", "/ok"));
	get(3, url_of("127.0.0.1", "/half"));
	get(4, "http://127.0.0.1:1/");
	spin_ms(30);
	ended = 0;
	get(5, url_of("127.0.0.1", "/ok"));
	get(6, url_of("127.0.0.1", "/slow"));
	fetch_cancel(fetch, 6);
	fetch_free(fetch);
	fetch = NULL;
	spin_ms(30);
	assert_int_equal(ended, 0);
}

/* --- many at once --- */

static long rss_kib(void)
{
	long pages = 0, skip;
	FILE *f = fopen("/proc/self/statm", "re");

	assert_int_equal(fscanf(f, "%ld %ld", &skip, &pages), 2);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void stop_serving(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(arg);
}

/* A server of its own process: it ends when `*ret_stop` is closed. */
static pid_t fork_server(uint16_t *ret_port, int *ret_stop)
{
	struct event_base *base = event_base_new();
	struct web_stub stub;
	struct event *stop;
	int ends[2];
	pid_t child;

	assert_int_equal(web_start(&stub, base), 0);
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		close(ends[1]);
		event_reinit(base);
		stop = event_new(base, ends[0], EV_READ, stop_serving, base);
		event_add(stop, NULL);
		event_base_dispatch(base);
		_exit(0);
	}
	close(ends[0]);
	*ret_port = stub.port;
	*ret_stop = ends[1];
	web_stop(&stub);
	event_base_free(base);
	return child;
}

static void test_a_thousand_at_once(void **state)
{
	struct rlimit files;
	uint16_t port, own = web.port;
	int stop, status;
	pid_t child;
	long before;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < 1200) {
		return;
	}
	child = fork_server(&port, &stop);
	web.port = port;
	before = rss_kib();
	for (uint64_t i = 0; i < 1000; i++) {
		get(i, url_of("127.0.0.1", "/slow"));
	}
	spin_ms(150);
	assert_int_equal(fetch_in_flight(fetch), 1000);
	assert_int_equal(tasks(), 1);
	wait_all(1000);
#if !defined(__SANITIZE_ADDRESS__)
	assert_in_range(rss_kib() - before, 0, 30 * 1000);
#endif
	for (uint64_t i = 0; i < 1000; i++) {
		assert_end(i, TRANSPORT_ANSWERED, "");
		results[i].done = 0;
		results[i].sent = 0;
		get(i, url_of("127.0.0.1", "/ok")); /* now over the idle connections */
	}
	wait_all(1000);
	web.port = own;
	close(stop);
	assert_int_equal(waitpid(child, &status, 0), child);
	(void)before;
}

/* --- TLS, with an authority made for this test --- */

static int run(char *const argv[])
{
	extern char **environ;
	posix_spawn_file_actions_t quiet;
	pid_t pid;
	int status = -1;

	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, argv[0], &quiet, NULL, argv, environ) == 0) {
		waitpid(pid, &status, 0);
	}
	posix_spawn_file_actions_destroy(&quiet);
	return status;
}

static pid_t serve_tls(const char *dir, char *port)
{
	extern char **environ;
	char cert[128], key[128];
	char *argv[] = {"openssl", "s_server", "-accept", port, "-cert", cert, "-key", key, "-www",
	    "-quiet", NULL};
	posix_spawn_file_actions_t quiet;
	pid_t pid;

	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
	assert_int_equal(posix_spawnp(&pid, argv[0], &quiet, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&quiet);
	return pid;
}

/* Repeats until the server is up. */
static void get_tls(uint64_t id, const char *url)
{
	for (int i = 0; i < 100; i++) {
		memset(&results[id], 0, sizeof(results[id]));
		get(id, url);
		wait_all(1);
		if (strcmp(results[id].why, "connection refused") != 0) {
			return;
		}
		spin_ms(50);
	}
}

static void test_tls(void **state)
{
	char dir[] = "/tmp/leadd-test-tls-XXXXXX", cert[64], key[64], port[16], url[64];
	char *make[] = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
	    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
	    "-subj", "/CN=test", "-addext", "subjectAltName=DNS:tls.test", NULL};
	struct fetch_options o = {.allow_private = true, .dns_servers = dns.server};
	struct web_stub probe;
	pid_t server;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	if (run(make) != 0) {
		rmdir(dir);
		return; /* no openssl tool here */
	}
	assert_int_equal(web_start(&probe, loop), 0); /* for a free port */
	snprintf(port, sizeof(port), "%u", probe.port);
	web_stop(&probe);
	server = serve_tls(dir, port);
	snprintf(url, sizeof(url), "https://tls.test:%s/", port);
	get_tls(1, url);
	assert_end(1, TRANSPORT_UNSENT, "certificate not trusted");
	o.ca_file = cert;
	open_fetch(&o);
	get_tls(2, url);
	assert_end(2, TRANSPORT_ANSWERED, "");
	assert_non_null(strstr(results[2].body, "\nNew, TLSv1"));
	get(9, url_of("127.0.0.1", "/never")); /* takes the handle that had the session */
	get_tls(3, url); /* s_server closed the connection; the session is shared */
	assert_end(3, TRANSPORT_ANSWERED, "");
	assert_non_null(strstr(results[3].body, "\nReused, TLSv1"));
	snprintf(url, sizeof(url), "https://other.test:%s/",
	    port); /* same address, name not in the certificate */
	get_tls(4, url);
	assert_end(4, TRANSPORT_UNSENT, "certificate not trusted");
	snprintf(url, sizeof(url), "https://127.0.0.1:%s/", port);
	get_tls(5, url);
	assert_end(5, TRANSPORT_UNSENT, "certificate not trusted");
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	unlink(cert);
	unlink(key);
	rmdir(dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_answer),
	    TEST(test_request_bytes),
	    TEST(test_methods),
	    TEST(test_no_expect),
	    TEST(test_not_followed),
	    TEST(test_statuses_and_headers),
	    TEST(test_bad_requests),
	    TEST(test_full),
	    TEST(test_never_sent_twice),
	    TEST(test_idle_connection_closed),
	    TEST(test_cut_short),
	    TEST(test_caps),
	    TEST(test_unsent),
	    TEST(test_answer_deadline),
	    TEST(test_private_addresses),
	    TEST(test_names),
	    TEST(test_no_thread_per_name),
	    TEST(test_socket_options),
	    TEST(test_cancel),
	    TEST(test_cancel_while_sending),
	    TEST(test_start_from_done),
	    TEST(test_forget_with_calls_under_way),
	    TEST(test_free_in_every_state),
	    TEST(test_a_thousand_at_once),
	    TEST(test_tls),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("fetch", tests, NULL, NULL);
}
