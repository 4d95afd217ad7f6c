/* tests/unit/test_prometheus.c: the Prometheus text format, to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "lib/table/prometheus.h"

static struct buf out;

static void check(const char *want)
{
	assert_false(out.failed);
	assert_string_equal(out.data, want);
	buf_free(&out);
}

static void test_family(void **state)
{
	(void)state;
	prometheus_family(&out, "leadd_calls_total", PROMETHEUS_COUNTER, "a \\ b\nc \"d\"");
	check("# HELP leadd_calls_total a \\\\ b\\nc \"d\"\n# TYPE leadd_calls_total counter\n");
}

static void test_labels(void **state)
{
	(void)state;
	prometheus_sample(&out, "x", (const char *const[]){"a", "q\"b\\s\nz", "b", "", NULL}, 1);
	prometheus_sample(&out, "x", (const char *const[]){NULL}, 2);
	check("x{a=\"q\\\"b\\\\s\\nz\",b=\"\"} 1\nx 2\n");
}

static void test_numbers(void **state)
{
	(void)state;
	prometheus_sample(&out, "x", NULL, 9007199254740992.0);
	prometheus_sample(&out, "x", NULL, -3);
	prometheus_sample(&out, "x", NULL, 0.00005);
	prometheus_sample(&out, "x", NULL, 1.5e300);
	prometheus_sample(&out, "x", NULL, INFINITY);
	prometheus_sample(&out, "x", NULL, -INFINITY);
	prometheus_sample(&out, "x", NULL, NAN);
	check("x 9007199254740992\nx -3\nx 5e-05\nx 1.5e+300\nx +Inf\nx -Inf\nx NaN\n");
}

/* Buckets are counted up, the last holds all, as does _count; the caller's labels come before `le`. */
static void test_histogram(void **state)
{
	(void)state;
	prometheus_histogram(&out, "h", (const char *const[]){"s", "v", NULL}, (const double[]){0.5, 2}, (const uint64_t[]){1, 0, 4}, 2, 7.25);
	check("h_bucket{s=\"v\",le=\"0.5\"} 1\nh_bucket{s=\"v\",le=\"2\"} 1\nh_bucket{s=\"v\",le=\"+Inf\"} 5\nh_sum{s=\"v\"} 7.25\nh_count{s=\"v\"} 5\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_family),
	    cmocka_unit_test(test_labels),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_histogram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
