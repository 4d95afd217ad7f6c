/* tests/unit/test_http_tcp.c: the control server on TCP: who may do what, and that the socket's users always get in. */
#include "tests/unit/http_world.h"

#include "lib/base/endpoint.h"

static uint16_t port;

static const struct route tcp_routes[] = {
    {"GET", "/v1/now", HTTP_READ, on_now, "answers at once", 0},
    {"POST", "/v1/now", HTTP_OPERATE, on_now, "likewise", 0},
    {"DELETE", "/v1/now", HTTP_ADMIN, on_now, "likewise", 0},
    {"POST", "/v1/approve", HTTP_APPROVE, on_now, "likewise", 0},
    {"POST", "/v1/public", HTTP_PUBLIC, on_now, "likewise", 0},
    {"GET", "/v1/hold", HTTP_READ, on_hold, "answers later", 0},
    {NULL},
};

static bool token(void *arg, const char *text, size_t len, uint32_t *ret_rights)
{
	(void)arg;
	if (len == 6 && memcmp(text, "reader", len) == 0) {
		*ret_rights |= 1u << HTTP_READ;
	} else if (len == 8 && memcmp(text, "operator", len) == 0) {
		*ret_rights |= 1u << HTTP_READ | 1u << HTTP_OPERATE | 1u << HTTP_INTAKE;
	} else if (len == 4 && memcmp(text, "boss", len) == 0) {
		*ret_rights |= 1u << HTTP_APPROVE;
	} else {
		return false;
	}
	return true;
}

static void start_tcp(struct app *a, unsigned connections)
{
	struct http_options o = options(a);
	const struct endpoint at = {.address = {127, 0, 0, 1}};
	struct lead_error err;

	o.routes = tcp_routes;
	o.token = token;
	o.max_connections = connections;
	start_with(a, &o);
	assert_int_equal(http_listen_tcp(a->h, &at, &port, &err), 0);
	assert_true(port > 0);
}

static int dial_tcp(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	got[0] = '\0';
	CHECK(connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0);
	return fd;
}

static int status_of(const char *line, const char *header)
{
	char request[512];
	int fd = dial_tcp(), status = 0;

	snprintf(request, sizeof(request), "%s HTTP/1.1\r\nHost: l\r\n%sContent-Length: 0\r\nConnection: close\r\n\r\n", line, header);
	say(fd, request);
	CHECK(hear(fd, NULL, 3000));
	close(fd);
	CHECK(sscanf(got, "HTTP/1.1 %d ", &status) == 1);
	return status;
}

static void client_rights(void)
{
	static const char boss[] = "Authorization: Bearer boss\r\n", reader[] = "Authorization: bearer  reader\r\n",
			  operator[] = "Authorization: Bearer operator\r\n";

	CHECK(status_of("GET /v1/now", "") == 401);
	CHECK(strstr(got, "WWW-Authenticate: Bearer realm=\"leadd\"\r\n") != NULL);
	CHECK(strstr(got, "application/problem+json") != NULL && strstr(got, "\"no-token\"") != NULL);
	CHECK(status_of("GET /v1/now", "Authorization: Bearer readers\r\n") == 401);
	CHECK(strstr(got, "WWW-Authenticate: Bearer realm=\"leadd\", error=\"invalid_token\"\r\n") != NULL);
	CHECK(strstr(got, "readers") == NULL);
	CHECK(status_of("GET /v1/now", "Authorization: Bearer\r\n") == 401);
	CHECK(status_of("GET /v1/now", "Authorization: Basic reader\r\n") == 401);
	CHECK(status_of("GET /v1/now", "Authorization: Bearer reader x\r\n") == 401);
	CHECK(status_of("GET /v1/now", reader) == 200);
	CHECK(status_of("POST /v1/now", reader) == 403);
	CHECK(strstr(got, "\"forbidden\"") != NULL && strstr(got, "WWW-Authenticate") == NULL);
	CHECK(status_of("POST /v1/approve", reader) == 403);
	CHECK(status_of("POST /v1/now", operator) == 200);
	CHECK(status_of("DELETE /v1/now", operator) == 403);
	CHECK(status_of("POST /v1/approve", operator) == 403);
	CHECK(status_of("POST /v1/approve", boss) == 200);
	CHECK(status_of("GET /v1/now", boss) == 403);
	/* its proof is its own: no token is asked for, and a wrong one is no matter */
	CHECK(status_of("POST /v1/public", "") == 200);
	CHECK(status_of("POST /v1/public", "Authorization: Bearer nobody\r\n") == 200);
	/* the socket asks for no token */
	ask("POST /v1/approve HTTP/1.1\r\nHost: l\r\nContent-Length: 0\r\n\r\n");
	CHECK(status_is(200));
	ask("POST /v1/public HTTP/1.1\r\nHost: l\r\nContent-Length: 0\r\n\r\n");
	CHECK(status_is(200));
}

static void test_rights(void **state)
{
	struct app a = {0};

	(void)state;
	start_tcp(&a, 0);
	serve(&a, client_rights);
	assert_int_equal(a.handled, 7);
	assert_int_equal(a.h->n_conns, 0);
	assert_int_equal(a.h->n_tcp, 0);
	stop(&a);
}

/* Whoever fills TCP does not lock the operator out. */
static void client_crowd(void)
{
	int fds[24];

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		fds[i] = dial_tcp(); /* the kernel takes them even when we do not */
	}
	usleep(100000);
	ask(GET("/v1/now"));
	CHECK(status_is(200));
	say(fds[23], "GET /v1/now HTTP/1.1\r\nHost: l\r\nAuthorization: Bearer reader\r\n\r\n");
	CHECK(!hear(fds[23], "{\"ok\":true}", 200)); /* waits for room */
	for (size_t i = 0; i < 23; i++) {
		close(fds[i]);
	}
	CHECK(hear(fds[23], "{\"ok\":true}", 2000));
	close(fds[23]);
}

static void test_crowd(void **state)
{
	struct app a = {0};

	(void)state;
	start_tcp(&a, 16);
	serve(&a, client_crowd);
	assert_int_equal(a.handled, 2);
	assert_int_equal(a.h->n_tcp, 0);
	stop(&a);
}

static void test_in_use(void **state)
{
	struct app a = {0};
	struct endpoint at = {.address = {127, 0, 0, 1}};
	struct lead_error err;
	uint16_t again;

	(void)state;
	start_tcp(&a, 0);
	at.port = port;
	assert_int_equal(http_listen_tcp(a.h, &at, &again, &err), LEAD_EINPUT);
	assert_non_null(strstr(err.text, "cannot listen on 127.0.0.1:"));
	http_close_listeners(a.h);
	assert_int_equal(http_listen_tcp(a.h, &at, &again, &err), 0); /* what ended a moment ago keeps nothing */
	assert_int_equal(again, port);
	stop(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_rights, clean),
	    cmocka_unit_test_setup(test_crowd, clean),
	    cmocka_unit_test_setup(test_in_use, clean),
	};
	int failed;

	world_begin();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	world_end();
	return failed;
}
