/* lib/flow/breaker.h: every arrow of the three states. */
#include "lib/flow/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SEC US_PER_S

static const struct breaker_spec spec = {
    .enabled = true, .failures = 3, .open_us = 300 * SEC, .probe_us = 60 * SEC};

static struct now at(int64_t s)
{
	return (struct now){.boot_us = s * SEC};
}

/* Opened at second 10 by calls 1 to 3; call 4 is still out. */
static struct breaker opened(void)
{
	struct breaker b;

	breaker_init(&b, &spec);
	for (uint64_t call = 1; call <= 4; call++) {
		assert_int_equal(breaker_earliest(&b, at(0)), 0);
		breaker_granted(&b, call, at(0));
	}
	for (uint64_t call = 1; call <= 3; call++) {
		assert_int_equal(b.state, BREAKER_CLOSED);
		breaker_result(&b, call, false, at(10));
	}
	assert_int_equal(b.state, BREAKER_OPEN);
	assert_int_equal(b.opened, 1);
	assert_int_equal(b.failures, 3);
	assert_int_equal(b.since_us, 10 * SEC);
	return b;
}

static void test_an_answer_starts_the_count_again(void **state)
{
	struct breaker b;

	breaker_init(&b, &spec);
	breaker_result(&b, 1, false, at(0));
	breaker_result(&b, 2, false, at(0));
	breaker_result(&b, 3, true, at(0));
	breaker_result(&b, 4, false, at(0));
	breaker_result(&b, 5, false, at(0));
	assert_int_equal(b.state, BREAKER_CLOSED);
	breaker_result(&b, 6, false, at(0));
	assert_int_equal(b.state, BREAKER_OPEN);
}

static void test_open_until_its_time(void **state)
{
	struct breaker b = opened();

	assert_int_equal(breaker_earliest(&b, at(10)), 310 * SEC);
	assert_int_equal(breaker_earliest(&b, (struct now){.boot_us = 310 * SEC - 1}), 310 * SEC);
	assert_int_equal(b.state, BREAKER_OPEN);
	assert_int_equal(breaker_earliest(&b, at(310)), 310 * SEC);
	assert_int_equal(b.state, BREAKER_HALF_OPEN);
	assert_int_equal(breaker_earliest(&b, at(500)), 500 * SEC);
}

static void test_late_answers_change_nothing(void **state)
{
	struct breaker b = opened();

	breaker_result(&b, 4, true, at(20));
	assert_int_equal(b.state, BREAKER_OPEN);
	breaker_result(&b, 4, false, at(20));
	assert_int_equal(breaker_earliest(&b, at(20)), 310 * SEC);
	assert_int_equal(b.opened, 1);
	breaker_result(&b, 4, true, at(320)); /* half-open, but not the probe */
	assert_int_equal(b.state, BREAKER_HALF_OPEN);
	breaker_granted(&b, 5, at(320));
	breaker_result(&b, 4, true, at(321));
	breaker_result(&b, 4, false, at(321));
	assert_int_equal(b.state, BREAKER_HALF_OPEN);
	assert_true(b.probing);
}

static void test_probe_answered(void **state)
{
	struct breaker b = opened();

	assert_int_equal(breaker_earliest(&b, at(320)), 320 * SEC);
	breaker_granted(&b, 5, at(320));
	assert_int_equal(breaker_earliest(&b, at(321)), 380 * SEC); /* one probe only */
	breaker_result(&b, 5, true, at(322));
	assert_int_equal(b.state, BREAKER_CLOSED);
	assert_int_equal(b.failures, 0);
	assert_int_equal(b.since_us, 322 * SEC);
	assert_int_equal(breaker_earliest(&b, at(322)), 322 * SEC);
	/* what failed is older than the probe that was answered */
	for (int i = 0; i < 5; i++) {
		breaker_result(&b, 4, false, at(323));
	}
	assert_int_equal(b.state, BREAKER_CLOSED);
	for (uint64_t call = 6; call < 9; call++) {
		breaker_result(&b, call, false, at(324));
	}
	assert_int_equal(b.state, BREAKER_OPEN);
	assert_int_equal(b.opened, 2);
}

static void test_probe_failed(void **state)
{
	struct breaker b = opened();

	breaker_granted(&b, 5, at(320));
	breaker_result(&b, 5, false, at(330));
	assert_int_equal(b.state, BREAKER_OPEN);
	assert_int_equal(b.opened, 2);
	assert_int_equal(breaker_earliest(&b, at(330)), 630 * SEC);
}

static void test_probe_silent(void **state)
{
	struct breaker b = opened();
	struct breaker late;

	breaker_granted(&b, 5, at(320));
	late = b;
	assert_int_equal(breaker_earliest(&b, at(380)), 680 * SEC); /* from its deadline on */
	assert_int_equal(b.state, BREAKER_OPEN);
	assert_int_equal(b.opened, 2);
	breaker_result(&b, 5, true, at(381)); /* too late to count */
	assert_int_equal(b.state, BREAKER_OPEN);
	/* the same when nobody looked in between */
	breaker_result(&late, 5, true, at(381));
	assert_int_equal(late.state, BREAKER_OPEN);
	assert_int_equal(breaker_earliest(&late, at(381)), 680 * SEC);
	assert_int_equal(breaker_earliest(&late, at(900)), 900 * SEC);
	assert_int_equal(late.state, BREAKER_HALF_OPEN);
	assert_int_equal(late.opened, 2);
}

static void test_probe_given_back(void **state)
{
	struct breaker b = opened();

	breaker_granted(&b, 5, at(320));
	breaker_granted(&b, 6, at(320)); /* does not take the probe's place */
	breaker_dropped(&b, 6);
	assert_int_equal(breaker_earliest(&b, at(321)), 380 * SEC);
	breaker_dropped(&b, 5);
	assert_int_equal(breaker_earliest(&b, at(321)), 321 * SEC);
	breaker_granted(&b, 7, at(321));
	breaker_result(&b, 5, true, at(322)); /* no longer the probe */
	assert_int_equal(b.state, BREAKER_HALF_OPEN);
	breaker_result(&b, 7, true, at(322));
	assert_int_equal(b.state, BREAKER_CLOSED);
	breaker_dropped(&b, 7);
	assert_int_equal(b.state, BREAKER_CLOSED);
}

static void test_by_hand(void **state)
{
	struct breaker b = opened();

	breaker_reset(&b, at(20));
	assert_int_equal(b.state, BREAKER_CLOSED);
	assert_int_equal(b.failures, 0);
	assert_int_equal(b.since_us, 20 * SEC);
	assert_int_equal(breaker_earliest(&b, at(20)), 20 * SEC);
}

static void test_disabled(void **state)
{
	struct breaker_spec off = spec;
	struct breaker b;

	off.enabled = false;
	breaker_init(&b, &off);
	for (uint64_t call = 1; call < 100; call++) {
		breaker_result(&b, call, false, at(1));
	}
	assert_int_equal(breaker_earliest(&b, at(1)), SEC);
	assert_int_equal(b.opened, 0);
	b = opened(); /* switched off by a reload while open */
	b.spec.enabled = false;
	assert_int_equal(breaker_earliest(&b, at(11)), 11 * SEC);
}

static void test_words(void **state)
{
	assert_string_equal(breaker_word(BREAKER_CLOSED), "closed");
	assert_string_equal(breaker_word(BREAKER_OPEN), "open");
	assert_string_equal(breaker_word(BREAKER_HALF_OPEN), "half-open");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_an_answer_starts_the_count_again),
	    cmocka_unit_test(test_open_until_its_time),
	    cmocka_unit_test(test_late_answers_change_nothing),
	    cmocka_unit_test(test_probe_answered),
	    cmocka_unit_test(test_probe_failed),
	    cmocka_unit_test(test_probe_silent),
	    cmocka_unit_test(test_probe_given_back),
	    cmocka_unit_test(test_by_hand),
	    cmocka_unit_test(test_disabled),
	    cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
