/*
 * tests/unit/test_fetch.c: what goes out and what comes back.
 *
 * Each trap of libcurl that daemon/fetch works around has a test here, or in the two files beside
 * it, that fails without the work-around.
 */
#include "tests/unit/fetch_harness.h"

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
	static const char *const urls[] = {"", "/ok", "ftp://127.0.0.1/", "smtp://127.0.0.1/", "file:///etc/passwd",
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
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("fetch", tests, NULL, NULL);
}
