/* tests/unit/test_http_stream.c: streams of the control server: events, downloads, and clients that
 * are slow or pushy. */
#include "tests/unit/http_world.h"

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
	CHECK(sent < 512 * KIB);     /* what the kernel holds, and 4 KiB */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_events, clean),
	    cmocka_unit_test_setup(test_pushy, clean),
	    cmocka_unit_test_setup(test_slow_reader, clean),
	    cmocka_unit_test_setup(test_download, clean),
	    cmocka_unit_test_setup(test_cut_download, clean),
	    cmocka_unit_test_setup(test_stalled_download, clean),
	    cmocka_unit_test_setup(test_many_watchers, clean),
	};
	int rc;

	world_begin();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	world_end();
	return rc;
}
