/* tests/unit/test_http.c: requests and replies of the control server: routes, rights, and what must
 * not pass. */
#include "tests/unit/http_world.h"

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
		CHECK(status_is(i < 3 ? 405 : 501) || status_is(400) || strstr(got, " 0 ") != NULL);
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
	    cmocka_unit_test_setup(test_bodies, clean),
	    cmocka_unit_test_setup(test_rights, clean),
	    cmocka_unit_test_setup(test_openapi, clean),
	};
	int rc;

	world_begin();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	world_end();
	return rc;
}
