/* tests/unit/test_fetch_tls.c: TLS against `openssl s_server`, with a certificate made for the
 * test. */
#include "tests/unit/fetch_harness.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_tls, teardown_tls)

struct authority {
	char dir[64], cert[96], key[96], bundle[96];
	pid_t server;
	char port[16];
};

static struct authority ca;

static pid_t spawn(const char *const argv[])
{
	posix_spawn_file_actions_t quiet;
	pid_t pid = -1;

	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, argv[0], &quiet, NULL, (char *const *)argv, environ) != 0) {
		pid = -1;
	}
	posix_spawn_file_actions_destroy(&quiet);
	return pid;
}

static bool make_certificate(void)
{
	const char *argv[] = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
	    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", ca.key, "-out", ca.cert, "-days",
	    "2", "-subj", "/CN=test", "-addext", "subjectAltName=DNS:tls.test", NULL};
	pid_t pid = spawn(argv);
	int status = -1;

	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* Starts `openssl s_server`, which answers with a page about the TLS session and closes. */
static void serve(void)
{
	const char *argv[] = {"openssl", "s_server", "-accept", ca.port, "-cert", ca.cert, "-key",
	    ca.key, "-www", "-quiet", NULL};
	struct web_stub probe;

	assert_int_equal(web_start(&probe, loop), 0); /* for a free port */
	snprintf(ca.port, sizeof(ca.port), "%u", probe.port);
	web_stop(&probe);
	ca.server = spawn(argv);
	assert_true(ca.server > 0);
}

static int setup_tls(void **state)
{
	memset(&ca, 0, sizeof(ca));
	snprintf(ca.dir, sizeof(ca.dir), "/tmp/leadd-test-tls-XXXXXX");
	if (mkdtemp(ca.dir) == NULL) {
		return -1;
	}
	snprintf(ca.cert, sizeof(ca.cert), "%s/cert.pem", ca.dir);
	snprintf(ca.key, sizeof(ca.key), "%s/key.pem", ca.dir);
	snprintf(ca.bundle, sizeof(ca.bundle), "%s/bundle.pem", ca.dir);
	setup(state);
	if (make_certificate()) {
		serve();
	}
	return 0;
}

static int teardown_tls(void **state)
{
	if (ca.server > 0) {
		kill(ca.server, SIGKILL);
		waitpid(ca.server, NULL, 0);
	}
	unlink(ca.cert);
	unlink(ca.key);
	unlink(ca.bundle);
	rmdir(ca.dir);
	return teardown(state);
}

/* Repeats until the server is up. */
static const struct result *get_tls(uint64_t id, const char *host)
{
	char url[64];

	snprintf(url, sizeof(url), "https://%s:%s/", host, ca.port);
	for (int i = 0; i < 100; i++) {
		free(results[id].body);
		memset(&results[id], 0, sizeof(results[id]));
		get(id, url);
		wait_all(1);
		if (strcmp(results[id].why, "connection refused") != 0) {
			break;
		}
		spin_ms(50);
	}
	return &results[id];
}

static void test_certificates(void **state)
{
	struct fetch_options o = {.allow_private = true, .dns_servers = dns.server};

	(void)state;
	if (ca.server == 0) {
		return; /* no openssl tool here */
	}
	get_tls(1, "tls.test");
	assert_end(1, TRANSPORT_UNSENT, "certificate not trusted");
	o.ca_file = ca.cert;
	open_fetch(&o);
	get_tls(2, "tls.test");
	assert_end(2, TRANSPORT_ANSWERED, "");
	assert_int_equal(results[2].status, 200);
	get_tls(3, "other.test"); /* same address, but the name is not in the certificate */
	assert_end(3, TRANSPORT_UNSENT, "certificate not trusted");
	get_tls(4, "127.0.0.1");
	assert_end(4, TRANSPORT_UNSENT, "certificate not trusted");
}

static void test_sessions_are_shared(void **state)
{
	struct fetch_options o = {
	    .allow_private = true, .dns_servers = dns.server, .ca_file = ca.cert};

	(void)state;
	if (ca.server == 0) {
		return;
	}
	open_fetch(&o);
	assert_non_null(strstr(get_tls(1, "tls.test")->body, "\nNew, TLSv1"));
	get(9, url_of("127.0.0.1", "/never")); /* takes the handle that had the session */
	assert_non_null(strstr(get_tls(2, "tls.test")->body, "\nReused, TLSv1"));
}

static double cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

/* Our certificate and five times the system's: parsing that costs far more than any handshake. */
static bool make_bundle(void)
{
	char command[512];

	snprintf(command, sizeof(command),
	    "cat %s >%s && for i in 1 2 3 4 5; do cat /etc/ssl/certs/ca-certificates.crt >>%s; "
	    "done",
	    ca.cert, ca.bundle, ca.bundle);
	return access("/etc/ssl/certs/ca-certificates.crt", R_OK) == 0 && system(command) == 0;
}

/* With a CApath set, as Debian does, libcurl parses the file for every connection. */
static void test_the_ca_file_is_parsed_once(void **state)
{
	struct fetch_options o = {
	    .allow_private = true, .dns_servers = dns.server, .ca_file = ca.bundle};
	double start_ms, first_ms, others_ms;

	(void)state;
	if (ca.server == 0 || !make_bundle()) {
		return;
	}
	get_tls(1, "tls.test"); /* so that the server is up */
	open_fetch(&o);
	start_ms = cpu_ms();
	get_tls(2, "tls.test");
	assert_end(2, TRANSPORT_ANSWERED, "");
	first_ms = cpu_ms() - start_ms;
	start_ms = cpu_ms();
	for (uint64_t i = 3; i < 8; i++) {
		get_tls(i, "tls.test");
		assert_end(i, TRANSPORT_ANSWERED, "");
	}
	others_ms = (cpu_ms() - start_ms) / 5;
	if (others_ms > first_ms / 4) {
		fail_msg("first %.1f ms, others %.1f ms", first_ms, others_ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_certificates),
	    TEST(test_sessions_are_shared),
	    TEST(test_the_ca_file_is_parsed_once),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("fetch_tls", tests, NULL, NULL);
}
