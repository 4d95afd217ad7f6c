/* tests/unit/test_fetch_flow.c: names, deadlines, sockets, cancelling, calling back in, many at
 * once. */
#include "tests/unit/fetch_harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* Threads of this process. */
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

static void test_no_socket_free(void **state)
{
	struct rlimit files, few;
	int next = dup(0);

	(void)state;
	close(next);
	getrlimit(RLIMIT_NOFILE, &files);
	few = files;
	few.rlim_cur = (rlim_t)next;
	setrlimit(RLIMIT_NOFILE, &few);
	get(1, url_of("127.0.0.1", "/ok"));
	wait_all(1);
	setrlimit(RLIMIT_NOFILE, &files);
	assert_end(1, TRANSPORT_UNSENT, "no socket free");
	get(2, url_of("127.0.0.1", "/ok"));
	wait_all(1);
	assert_end(2, TRANSPORT_ANSWERED, "");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_unsent),
	    TEST(test_answer_deadline),
	    TEST(test_private_addresses),
	    TEST(test_names),
	    TEST(test_no_thread_per_name),
	    TEST(test_socket_options),
	    TEST(test_no_socket_free),
	    TEST(test_cancel),
	    TEST(test_cancel_while_sending),
	    TEST(test_start_from_done),
	    TEST(test_forget_with_calls_under_way),
	    TEST(test_free_in_every_state),
	    TEST(test_a_thousand_at_once),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("fetch_flow", tests, NULL, NULL);
}
