/* lib/flow/quota.h: parked keys, stated resets under clock steps, probes, restarts. */
#include "lib/flow/quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SEC US_PER_S
#define WALL (INT64_C(1800000000) * SEC)
#define PROBE (900 * SEC)

static struct now at(int64_t s)
{
	return (struct now){.boot_us = s * SEC, .wall_us = WALL + s * SEC};
}

static struct now stepped(int64_t s, int64_t step_s)
{
	return (struct now){.boot_us = s * SEC, .wall_us = WALL + (s + step_s) * SEC};
}

static struct quota fresh(void)
{
	struct quota q;

	quota_init(&q, &(struct quota_spec){.probe_us = PROBE});
	return q;
}

static void test_not_parked(void **state)
{
	struct quota q = fresh();

	assert_int_equal(quota_earliest(&q, at(5)), 5 * SEC);
	quota_granted(&q, 1, at(5));
	quota_answered(&q, 1, at(6));
	quota_dropped(&q, 1, at(6));
	assert_int_equal(q.cause, PARK_NONE);
	assert_int_equal(quota_earliest(&q, at(7)), 7 * SEC);
}

static void test_probes_without_a_reset(void **state)
{
	struct quota q = fresh();

	quota_park(&q, PARK_QUOTA, "plan used up", 0, at(100));
	assert_int_equal(q.cause, PARK_QUOTA);
	assert_string_equal(q.why, "plan used up");
	assert_int_equal(q.since_wall_us, WALL + 100 * SEC);
	assert_false(q.stated);
	assert_int_equal(quota_earliest(&q, at(100)), 100 * SEC + PROBE);
	quota_answered(&q, 7, at(101)); /* granted before it was parked */
	assert_int_equal(q.cause, PARK_QUOTA);
	assert_int_equal(quota_earliest(&q, at(1000)), 1000 * SEC);
	quota_granted(&q, 8, at(1000));
	assert_true(q.probing);
	assert_int_equal(quota_earliest(&q, at(1000)), 1000 * SEC + PROBE); /* one only */
	quota_answered(&q, 7, at(1001));
	assert_int_equal(q.cause, PARK_QUOTA);
	quota_park(&q, PARK_QUOTA, "still used up", 0, at(1002));
	assert_int_equal(quota_earliest(&q, at(1002)), 1002 * SEC + PROBE);
	assert_int_equal(q.since_wall_us, WALL + 100 * SEC); /* parked all the time */
	quota_granted(&q, 9, at(2000));
	assert_int_equal(q.calls_since, 2);
	quota_answered(&q, 9, at(2001));
	assert_int_equal(q.cause, PARK_NONE);
	assert_int_equal(quota_earliest(&q, at(2001)), 2001 * SEC);
}

static void test_probe_without_an_outcome(void **state)
{
	struct quota q = fresh();

	quota_park(&q, PARK_AUTH, "401", 0, at(0));
	quota_granted(&q, 1, at(900));
	quota_dropped(&q, 77, at(901));
	assert_true(q.probing);
	quota_dropped(&q, 1, at(901));
	assert_false(q.probing);
	assert_int_equal(quota_earliest(&q, at(901)),
	    1800 * SEC); /* one call each probe_us, whatever came of it */
	quota_granted(&q, 2, at(1800));
	assert_int_equal(quota_earliest(&q, at(2700)), 2700 * SEC); /* never heard of again */
	quota_granted(&q, 3, at(2700));
	quota_answered(&q, 2, at(2701)); /* late, but granted after parking */
	assert_int_equal(q.cause, PARK_NONE);
}

static void test_stated_reset(void **state)
{
	struct quota q = fresh();

	quota_park(&q, PARK_QUOTA, "daily", WALL + 5000 * SEC, at(100));
	assert_true(q.stated);
	assert_int_equal(q.until_wall_us, WALL + 5000 * SEC);
	assert_int_equal(quota_earliest(&q, at(2000)), 5000 * SEC); /* no probe before */
	quota_park(
	    &q, PARK_QUOTA, "daily, again", 0, at(2000)); /* a late answer without the reset */
	assert_string_equal(q.why, "daily, again");
	assert_int_equal(quota_earliest(&q, at(2000)), 5000 * SEC);
	quota_park(&q, PARK_QUOTA, "daily", WALL + 6000 * SEC, at(2000));
	assert_int_equal(quota_earliest(&q, at(5999)), 6000 * SEC);
	assert_int_equal(quota_earliest(&q, at(6000)), 6000 * SEC);
	quota_granted(&q, 1, at(6000)); /* the first call afterwards proves it */
	assert_int_equal(quota_earliest(&q, at(6000)), 6000 * SEC + PROBE);
	quota_answered(&q, 1, at(6001));
	assert_int_equal(quota_earliest(&q, at(6001)), 6001 * SEC);
}

static void test_clock_steps_free_nothing(void **state)
{
	struct quota q = fresh();

	quota_park(&q, PARK_QUOTA, "", WALL + 5000 * SEC, at(1000));
	assert_int_equal(quota_earliest(&q, stepped(1001, 9000)), 5000 * SEC); /* forward */
	assert_int_equal(quota_earliest(&q, stepped(5000, 9000)), 5000 * SEC);
	assert_int_equal(quota_earliest(&q, stepped(5000, -600)), 5600 * SEC); /* back */
	assert_int_equal(quota_earliest(&q, stepped(5600, -600)), 5600 * SEC);
}

static void test_resets_nobody_can_mean(void **state)
{
	struct quota q = fresh();

	quota_park(&q, PARK_QUOTA, "", WALL + 50 * SEC, at(100)); /* over already */
	assert_int_equal(quota_earliest(&q, at(100)), 100 * SEC + PROBE);
	quota_park(&q, PARK_QUOTA, "", WALL * 1000, at(100)); /* milliseconds read as seconds */
	assert_int_equal(quota_earliest(&q, at(100)), 100 * SEC + PROBE);
	assert_false(q.stated);
	quota_park(&q, PARK_NONE, "", 0, at(100));
	assert_int_equal(q.cause, PARK_QUOTA);
}

static void test_until_told(void **state)
{
	struct quota q = fresh();

	quota_park(&q, PARK_OPERATOR, "maintenance", 0, at(0));
	assert_int_equal(quota_earliest(&q, at(100000)), TIME_NEVER);
	quota_park(&q, PARK_QUOTA, "late answer", 0, at(1)); /* does not lift the pause */
	quota_answered(&q, 1, at(1));
	assert_int_equal(q.cause, PARK_OPERATOR);
	quota_release(&q, at(2));
	assert_int_equal(q.cause, PARK_NONE);
	assert_int_equal(q.since_wall_us, WALL + 2 * SEC);
	assert_string_equal(q.why, "");
	assert_int_equal(q.spec.probe_us, PROBE);
	quota_park(&q, PARK_QUOTA, "", 0, at(3));
	quota_park(&q, PARK_OVERBILLED, "billed 2.00, ceiling 1.00", 0, at(4));
	assert_int_equal(quota_earliest(&q, at(100000)), TIME_NEVER);
	quota_park(&q, PARK_OPERATOR, "until 200", WALL + 200 * SEC, at(100));
	assert_int_equal(quota_earliest(&q, at(199)), 200 * SEC);
	assert_int_equal(quota_earliest(&q, at(200)), 200 * SEC);
	assert_int_equal(q.cause, PARK_NONE);
}

static void test_restore(void **state)
{
	struct quota q = fresh();

	quota_restore(&q, PARK_NONE, "", 0, 0, at(10));
	assert_int_equal(quota_earliest(&q, at(10)), 10 * SEC);
	quota_restore(&q, PARK_QUOTA, "daily", WALL - 500 * SEC, WALL + 5000 * SEC, at(10));
	assert_int_equal(quota_earliest(&q, at(10)), 5000 * SEC);
	assert_int_equal(q.since_wall_us, WALL - 500 * SEC);
	assert_string_equal(q.why, "daily");
	assert_int_equal(quota_earliest(&q, stepped(10, 9000)), 5000 * SEC);
	/* its time came while we were down: one call to see */
	quota_restore(&q, PARK_QUOTA, "daily", WALL - 500 * SEC, WALL, at(10));
	assert_int_equal(quota_earliest(&q, at(10)), 10 * SEC);
	assert_int_equal(q.cause, PARK_QUOTA);
	quota_granted(&q, 1, at(10));
	assert_int_equal(quota_earliest(&q, at(10)), 10 * SEC + PROBE);
	/* no probe at each restart */
	quota_restore(&q, PARK_AUTH, "401", WALL + 5000 * SEC, 0, at(10));
	assert_int_equal(quota_earliest(&q, at(10)), 10 * SEC + PROBE);
	assert_int_equal(q.since_wall_us, WALL + 10 * SEC); /* not from the future */
	quota_restore(&q, PARK_OPERATOR, "", WALL, 0, at(10));
	assert_int_equal(quota_earliest(&q, at(10)), TIME_NEVER);
	quota_restore(&q, PARK_OPERATOR, "", WALL, WALL + 5 * SEC, at(10));
	assert_int_equal(quota_earliest(&q, at(10)), 10 * SEC);
	assert_int_equal(q.cause, PARK_NONE);
}

static void test_long_texts_are_cut_between_characters(void **state)
{
	struct quota q = fresh();
	char why[200];

	memset(why, 'a', sizeof(why));
	why[199] = '\0';
	memcpy(why + 94, "\xC3\xA9", 2); /* the last byte that fits is half of it */
	quota_park(&q, PARK_QUOTA, why, 0, at(0));
	assert_int_equal(strlen(q.why), 94);
	why[94] = why[95] = 'a';
	quota_park(&q, PARK_QUOTA, why, 0, at(0));
	assert_int_equal(strlen(q.why), 95);
}

static void test_words(void **state)
{
	assert_string_equal(quota_word(PARK_NONE), "none");
	assert_string_equal(quota_word(PARK_QUOTA), "quota");
	assert_string_equal(quota_word(PARK_AUTH), "auth");
	assert_string_equal(quota_word(PARK_OVERBILLED), "overbilled");
	assert_string_equal(quota_word(PARK_OPERATOR), "operator");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_not_parked),
	    cmocka_unit_test(test_probes_without_a_reset),
	    cmocka_unit_test(test_probe_without_an_outcome),
	    cmocka_unit_test(test_stated_reset),
	    cmocka_unit_test(test_clock_steps_free_nothing),
	    cmocka_unit_test(test_resets_nobody_can_mean),
	    cmocka_unit_test(test_until_told),
	    cmocka_unit_test(test_restore),
	    cmocka_unit_test(test_long_texts_are_cut_between_characters),
	    cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
