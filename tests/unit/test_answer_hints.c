/*
 * Answers: every unit and place of what headers and bodies tell about limits and waits.
 */
#include "tests/unit/answer_rig.h"

/* --- hints ---------------------------------------------------------------- */

/* What one header says about waiting, in microseconds. */
static int64_t wait_of(const char *hint, const char *headers, const char *body)
{
	struct service *s;
	struct answer a;
	char text[512];

	snprintf(text, sizeof text,
	    "service: x\nbase: https://h.example\nhints: [{%s}]\ncalls: {one: {get: /}}\n", hint);
	s = service_of(text);
	a = asked(s, 429, headers, body);
	service_unref(s);
	return a.retry_after_us;
}

static void test_units(void **state)
{
	static const struct {
		const char *unit, *value;
		int64_t us;
	} units[] = {
	    {"s", "5", 5 * US_PER_S},
	    {"s", "0.25", 250000},
	    {"s", "  7 ", 7 * US_PER_S},
	    {"s", "-1", 0},
	    {"s", "0", 0},
	    {"s", "", 0},
	    {"s", "soon", 0},
	    {"s", "1e300", 31 * US_PER_DAY},
	    {"s", "NaN", 0},
	    {"s", "Sun, 22 Nov 2026 00:00:30 GMT", 30 * US_PER_S},
	    {"s", "Sat, 21 Nov 2026 23:00:00 GMT", 0},
	    {"ms", "1500", 1500000},
	    {"ms", "0.5", 500},
	    {"ms", "-1", 0},
	    {"go", "6m0s", 360 * US_PER_S},
	    {"go", "12ms", 12000},
	    {"go", "1h2m3.5s", 3723500000},
	    {"go", "5", 0},
	    {"epoch", "1795305660", 60 * US_PER_S},
	    {"epoch", "1795305600.5", 500000},
	    {"epoch", "5", 0},
	    {"epoch-ms", "1795305600250", 250000},
	    {"date", "2026-11-22T00:01:00Z", 60 * US_PER_S},
	    {"date", "2026-11-22T01:01:00.5+01:00", 60500000},
	    {"date", "Sun, 22 Nov 2026 00:00:30 GMT", 30 * US_PER_S},
	    {"date", "60", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		char hint[128], headers[128];
		int64_t us;

		snprintf(hint, sizeof hint, "header: x-wait, tells: retry-after, unit: %s",
		    units[i].unit);
		snprintf(headers, sizeof headers, "X-Wait: %s", units[i].value);
		us = wait_of(hint, headers, "");
		if (us != units[i].us) {
			print_error("%s '%s': %lld, not %lld\n", units[i].unit, units[i].value,
			    (long long)us, (long long)units[i].us);
			fail();
		}
	}
}

/* An absolute time is corrected by the answer's own clock. */
static void test_date_skew(void **state)
{
	(void)state;
	assert_int_equal(wait_of("header: x, tells: retry-after",
			     "Date: Sun, 22 Nov 2026 01:00:00 GMT\n"
			     "Retry-After: Sun, 22 Nov 2026 01:00:30 GMT",
			     ""),
	    30 * US_PER_S);
	assert_int_equal(wait_of("header: x, tells: retry-after, unit: epoch",
			     "Date: Sun, 22 Nov 2026 01:00:00 GMT\nX: 1795309202", ""),
	    2 * US_PER_S);
	assert_int_equal(wait_of("header: x, tells: retry-after",
			     "Date: yesterday\nRetry-After: Sun, 22 Nov 2026 00:00:30 GMT", ""),
	    30 * US_PER_S);
}

static void test_places(void **state)
{
	static const char *const burst =
	    "RateLimit: \"burst\";r=50;t=30, \"a, b;c\";t=70,\"daily\";r=1;t=3600";

	(void)state;
	assert_int_equal(
	    wait_of("header: ratelimit, item: burst, field: t, tells: retry-after", burst, ""),
	    30 * US_PER_S);
	assert_int_equal(
	    wait_of("header: ratelimit, item: DAILY, field: t, tells: retry-after", burst, ""),
	    3600 * US_PER_S);
	assert_int_equal(
	    wait_of("header: ratelimit, item: 'a, b;c', field: t, tells: retry-after", burst, ""),
	    70 * US_PER_S);
	assert_int_equal(
	    wait_of("header: ratelimit, item: gone, field: t, tells: retry-after", burst, ""), 0);
	assert_int_equal(
	    wait_of("header: ratelimit, item: 2, field: t, tells: retry-after", burst, ""),
	    3600 * US_PER_S);
	assert_int_equal(wait_of("header: ratelimit, item: daily, field: t, tells: retry-after",
			     "RateLimit: \"burst\";r=50;t=30\nRateLimit: \"daily\";r=1;t=9", ""),
	    9 * US_PER_S); /* one list over two lines */
	assert_int_equal(wait_of("header: ratelimit, field: reset, tells: retry-after",
			     "RateLimit: limit=100, remaining=50, reset=5", ""),
	    5 * US_PER_S);
	assert_int_equal(wait_of("header: ratelimit, item: reset, tells: retry-after",
			     "RateLimit: limit=100, remaining=50, reset=\"5\"", ""),
	    5 * US_PER_S);
	assert_int_equal(wait_of("header: x-ratelimit-reset, item: 1, tells: retry-after",
			     "X-RateLimit-Reset: 1, 1419704", ""),
	    1419704 * US_PER_S);
	assert_int_equal(
	    wait_of("header: x-ratelimit-policy, item: 1, field: w, tells: retry-after",
		"X-RateLimit-Policy: 1;w=1, 15000;w=2592000", ""),
	    2592000 * US_PER_S);
	assert_int_equal(wait_of("header: x-ratelimit-policy, item: 0, tells: retry-after",
			     "X-RateLimit-Policy: 4;w=1, 15000;w=2592000", ""),
	    4 * US_PER_S);
	assert_int_equal(wait_of("body: .retry_after_seconds, tells: retry-after", "",
			     "{\"retry_after_seconds\":2.5}"),
	    2500000);
	assert_int_equal(
	    wait_of("body: .w, tells: retry-after, unit: ms", "", "{\"w\":\"250\"}"), 250000);
	assert_int_equal(
	    wait_of("body: '.w * 2', tells: retry-after", "", "{\"w\":3}"), 6 * US_PER_S);
	assert_int_equal(wait_of("body: .w, tells: retry-after", "", "{\"w\":[1]}"), 0);
	assert_int_equal(
	    wait_of("body: .w, tells: retry-after", "Retry-After: 3", "no json"), 3 * US_PER_S);
}

/* "If Retry-After is present it wins", unless the file puts another word first. */
static void test_order_of_waits(void **state)
{
	(void)state;
	assert_int_equal(
	    wait_of("header: x, tells: retry-after", "Retry-After: 9\nX: 3", ""), 3 * US_PER_S);
	assert_int_equal(
	    wait_of("header: retry-after, tells: retry-after}, {header: x, tells: retry-after",
		"Retry-After: 9\nX: 3", ""),
	    9 * US_PER_S);
	assert_int_equal(
	    wait_of("header: retry-after, tells: retry-after, unit: ms", "Retry-After: 9", ""),
	    9000);
	assert_int_equal(
	    wait_of("header: x, tells: retry-after, spent: y", "X: 3\nY: 0", ""), 3 * US_PER_S);
	assert_int_equal(wait_of("header: x, tells: retry-after, spent: y", "X: 3\nY: 1", ""), 0);
	assert_int_equal(wait_of("header: x, tells: retry-after, spent: y", "X: 3", ""), 0);
}

static void test_windows(void **state)
{
	struct service *s =
	    service_of("service: x\nbase: https://h.example\n"
		       "limits:\n"
		       "  - {limit: [1/1s, 15000/month], label: brave}\n"
		       "  - {limit: 60/60s, label: minute}\n"
		       "  - {limit: 5/5s, label: other, calls: two}\n"
		       "hints:\n"
		       "  - {header: x-left, item: 0, tells: remaining, of: 1s}\n"
		       "  - {header: x-left, item: 1, tells: remaining, of: month}\n"
		       "  - {header: x-reset, item: 1, tells: reset, of: 15000/month}\n"
		       "  - {header: x-minute-reset, tells: reset, unit: go, of: Minute}\n"
		       "  - {header: x-minute-limit, tells: limit, of: Minute}\n"
		       "  - {header: x-other, tells: remaining, of: other}\n"
		       "calls: {one: {get: /}, two: {get: /}}\n");
	struct answer a = asked(
	    s, 200, "x-left: 1, 1000\nx-reset: 1, 86400\nx-minute-reset: 12ms\nx-minute-limit: 40\nx-other: 4", "{}");

	(void)state;
	assert_int_equal(a.n_hints, 3); /* `other` does not count this call */
	assert_int_equal(a.hints[0].limit, 0);
	assert_int_equal(a.hints[0].window, 0);
	assert_int_equal(a.hints[0].remaining, 1);
	assert_int_equal(a.hints[0].reset_us, -1);
	assert_int_equal(a.hints[1].window, 1);
	assert_int_equal(a.hints[1].remaining, 1000);
	assert_int_equal(a.hints[1].reset_us, US_PER_DAY);
	assert_int_equal(a.hints[2].limit, 1);
	assert_true(a.hints[2].remaining == UINT64_MAX);
	assert_int_equal(a.hints[2].reset_us, 12000);
	assert_int_equal(a.hints[2].max, 40);
	assert_int_equal(a.hints[1].max, 0);
	assert_int_equal(a.retry_after_us, 0);
	a = asked(s, 429, "x-left: 0, 0\nx-reset: 1, 86400\nx-minute-reset: 12ms", "");
	assert_int_equal(a.retry_after_us, US_PER_DAY); /* the longest of the exhausted windows */
	a = asked(s, 200, "x-left: -1, many\nx-reset: -1, -5\nx-minute-limit: 0", "{}");
	assert_int_equal(a.n_hints, 0);
	a = answer_to(s, &s->calls[1], 200, "x-other: 4", "{}", 2);
	assert_int_equal(a.n_hints, 1);
	assert_int_equal(a.hints[0].limit, 2);
	service_unref(s);
}

static void test_quota_reset(void **state)
{
	struct service *s =
	    service_of("service: x\nbase: https://h.example\n"
		       "hints: [{body: .resets_at, tells: quota-reset, unit: date}]\n"
		       "calls: {one: {get: /}}\n");
	struct answer a = asked(s, 402, "Date: Sun, 22 Nov 2026 01:00:00 GMT",
	    "{\"resets_at\":\"2026-11-22T02:00:00Z\"}");

	(void)state;
	assert_int_equal(a.reset_wall_us, NOW_WALL_US + 3600 * US_PER_S); /* in our clock */
	a = asked(s, 402, "", "{}");
	assert_int_equal(a.reset_wall_us, 0);
	service_unref(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_units),
	    cmocka_unit_test(test_date_skew),
	    cmocka_unit_test(test_places),
	    cmocka_unit_test(test_order_of_waits),
	    cmocka_unit_test(test_windows),
	    cmocka_unit_test(test_quota_reset),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return rc;
}
