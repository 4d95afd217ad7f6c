/* tests/unit/test_resolve.c: names through c-ares and the cache, against a name server of our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/address.h"
#include "daemon/clock.h"
#include "daemon/resolve.h"
#include "tests/unit/dns_stub.h"

#include <stdlib.h>

struct asked {
	struct resolve_wait wait;
	int done;
	char addresses[128];
	char why[64];
};

static struct event_base *loop;
static struct dns_stub dns;
static struct resolver *resolver;

static void take(struct asked *a, const struct resolved *r)
{
	a->done++;
	snprintf(
	    a->addresses, sizeof(a->addresses), "%s", r->addresses != NULL ? r->addresses : "");
	snprintf(a->why, sizeof(a->why), "%s", r->addresses == NULL ? r->why : "");
}

static void on_done(struct resolve_wait *w, const struct resolved *r)
{
	take((struct asked *)w, r);
}

/* 0 or RESOLVE_PENDING */
static int ask(struct asked *a, const char *host)
{
	struct resolved r;
	int rc;

	memset(a, 0, sizeof(*a));
	a->wait.done = on_done;
	rc = resolve_get(resolver, host, &a->wait, &r);
	assert_true(rc == 0 || rc == RESOLVE_PENDING);
	if (rc == 0) {
		take(a, &r);
	}
	return rc;
}

static void wait_for(const int *flag)
{
	int64_t end = clock_boot_us() + 10 * US_PER_S;

	while (*flag == 0 && clock_boot_us() < end) {
		event_base_loop(loop, EVLOOP_ONCE);
	}
	assert_int_not_equal(*flag, 0);
}

static void spin_ms(int ms)
{
	struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_base_loopexit(loop, &wait);
	event_base_dispatch(loop);
}

static void open_resolver(int64_t ttl_us)
{
	struct resolve_options o = {.ttl_us = ttl_us, .servers = dns.server};
	struct lead_error err;

	assert_int_equal(resolver_new(loop, &o, &resolver, &err), 0);
}

static int setup(void **state)
{
	(void)state;
	loop = event_base_new();
	assert_int_equal(dns_start(&dns, loop), 0);
	open_resolver(0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	resolver_free(resolver);
	dns_stop(&dns);
	event_base_free(loop);
	return 0;
}

static void test_a_name_is_asked_once(void **state)
{
	struct asked a, b, c;

	(void)state;
	assert_int_equal(ask(&a, "one.test"), RESOLVE_PENDING);
	assert_int_equal(ask(&b, "one.test"), RESOLVE_PENDING);
	assert_int_equal(a.done, 0);
	wait_for(&b.done);
	assert_string_equal(a.addresses, "127.0.0.1");
	assert_string_equal(b.addresses, "127.0.0.1");
	assert_int_equal(a.done + b.done, 2);
	assert_int_equal(dns.queries, 2); /* A and AAAA */
	assert_int_equal(ask(&c, "one.test"), 0);
	assert_string_equal(c.addresses, "127.0.0.1");
	assert_int_equal(dns.queries, 2);
}

static void test_a_missing_name_is_remembered(void **state)
{
	struct asked a;
	int queries;

	(void)state;
	assert_int_equal(ask(&a, "missing.test"), RESOLVE_PENDING);
	wait_for(&a.done);
	assert_string_equal(a.why, "no such host");
	queries = dns.queries;
	assert_true(queries <= 2); /* no search domains */
	assert_int_equal(ask(&a, "missing.test"), 0);
	assert_string_equal(a.why, "no such host");
	assert_int_equal(dns.queries, queries);
}

static void test_trouble_is_short(void **state)
{
	struct asked a;

	(void)state;
	assert_int_equal(ask(&a, "broken.test"), RESOLVE_PENDING);
	wait_for(&a.done);
	assert_string_equal(a.why, "name servers do not answer");
	assert_int_equal(ask(&a, "broken.test"), 0);
	spin_ms(2100);
	assert_int_equal(ask(&a, "broken.test"), RESOLVE_PENDING);
	resolve_cancel(&a.wait);
}

static void test_old_addresses_outlive_the_name_servers(void **state)
{
	struct asked a;
	int queries;

	(void)state;
	resolver_free(resolver);
	open_resolver(1);
	assert_int_equal(ask(&a, "kept.test"), RESOLVE_PENDING);
	wait_for(&a.done);
	spin_ms(5);
	dns.broken = true;
	queries = dns.queries;
	assert_int_equal(ask(&a, "kept.test"), 0); /* at once, and asked again behind it */
	assert_string_equal(a.addresses, "127.0.0.1");
	spin_ms(50);
	assert_true(dns.queries > queries);
	queries = dns.queries;
	assert_int_equal(ask(&a, "kept.test"), 0);
	assert_string_equal(a.addresses, "127.0.0.1");
	spin_ms(50);
	assert_int_equal(dns.queries, queries); /* trouble is remembered */
}

/* The first IPv4 line of the machine's hosts file. */
static bool hosts_line(char *address, char *name)
{
	FILE *f = fopen("/etc/hosts", "re");
	char line[512];
	bool found = false;

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL) {
		found = sscanf(line, "%63[0-9.] %127[A-Za-z0-9.-]", address, name) == 2;
	}
	if (f != NULL) {
		fclose(f);
	}
	return found;
}

static void test_hosts_file(void **state)
{
	char address[64], name[128];
	struct asked a;

	(void)state;
	if (!hosts_line(address, name)) {
		return;
	}
	assert_int_equal(ask(&a, name), 0);
	assert_non_null(strstr(a.addresses, address));
	assert_int_equal(dns.queries, 0);
}

static void test_cancel_and_forget(void **state)
{
	struct asked a, b;

	(void)state;
	assert_int_equal(ask(&a, "gone.test"), RESOLVE_PENDING);
	assert_int_equal(ask(&b, "gone.test"), RESOLVE_PENDING);
	resolve_cancel(&a.wait);
	resolve_cancel(&a.wait);
	resolver_forget(resolver); /* not what is under way */
	wait_for(&b.done);
	assert_int_equal(a.done, 0);
	assert_int_equal(ask(&a, "gone.test"), 0);
	resolver_forget(resolver);
	assert_int_equal(ask(&a, "gone.test"), RESOLVE_PENDING);
	wait_for(&a.done);
	assert_string_equal(a.addresses, "127.0.0.1");
}

static void test_free_with_lookups_under_way(void **state)
{
	struct asked a[50];
	char host[32];

	(void)state;
	for (int i = 0; i < 50; i++) {
		snprintf(host, sizeof(host), "silent.%d.test", i);
		assert_int_equal(ask(&a[i], host), RESOLVE_PENDING);
	}
	spin_ms(20);
	resolver_free(resolver);
	resolver = NULL;
	for (int i = 0; i < 50; i++) {
		assert_int_equal(a[i].done, 0);
	}
}

/* The table is bounded: the names asked for longest ago go first. */
static void test_many_names(void **state)
{
	struct asked a;
	char host[32];
	int queries;

	(void)state;
	for (int i = 0; i < 4200; i++) {
		snprintf(host, sizeof(host), "n%d.test", i);
		if (ask(&a, host) == RESOLVE_PENDING) {
			wait_for(&a.done);
		}
	}
	queries = dns.queries;
	assert_int_equal(ask(&a, "n4199.test"), 0);
	assert_int_equal(ask(&a, "n0.test"), RESOLVE_PENDING);
	wait_for(&a.done);
	assert_int_equal(dns.queries, queries + 2);
}

static bool is_public(const char *text)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
		return address_is_public((const struct sockaddr *)&in);
	}
	assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	return address_is_public((const struct sockaddr *)&in6);
}

static void test_addresses(void **state)
{
	static const char *const open[] = {"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255",
	    "100.128.0.1", "172.15.0.1", "172.32.0.1", "168.63.129.15", "192.0.1.1", "192.167.1.1",
	    "198.17.0.1", "198.20.0.1", "223.255.255.255", "2606:4700::1111", "2a00::1",
	    "2001:200::1", "64:ff9b::101:101"};
	static const char *const closed[] = {"0.0.0.0", "10.0.0.1", "100.64.0.1", "100.100.100.200",
	    "127.0.0.1", "127.255.255.255", "168.63.129.16", "169.254.169.254", "172.16.0.1",
	    "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.168.255.1", "198.18.0.1",
	    "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250",
	    "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:1.1.1.1", "::ffff:127.0.0.1",
	    "::7f00:1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
	    "2001::1", "2002:7f00:1::", "3fff::1", "64:ff9b::a00:1", "64:ff9b::7f00:1",
	    "64:ff9b:1::1"};
	struct sockaddr local = {.sa_family = AF_UNIX};

	(void)state;
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
		if (!is_public(open[i])) {
			fail_msg("%s is public", open[i]);
		}
	}
	for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
		if (is_public(closed[i])) {
			fail_msg("%s is not public", closed[i]);
		}
	}
	assert_false(address_is_public(&local));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_name_is_asked_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_missing_name_is_remembered, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_trouble_is_short, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_old_addresses_outlive_the_name_servers, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_hosts_file, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_cancel_and_forget, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_free_with_lookups_under_way, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_many_names, setup, teardown),
	    cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
