/* tests/unit/test_http_conn.c: the life of the control server's connections: deadlines, caps,
 * descriptors, sockets. */
#include "tests/unit/http_world.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_drip, clean),
	    cmocka_unit_test_setup(test_endless_header, clean),
	    cmocka_unit_test_setup(test_deferred, clean),
	    cmocka_unit_test_setup(test_overdue, clean),
	    cmocka_unit_test_setup(test_stop_midway, clean),
	    cmocka_unit_test_setup(test_crowd, clean),
	    cmocka_unit_test_setup(test_no_descriptors, clean),
	    cmocka_unit_test_setup(test_passed_fd, clean),
	    cmocka_unit_test_setup(test_stale_socket, clean),
	};
	int rc;

	world_begin();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	world_end();
	return rc;
}
