/* What begun leads still need: money, calls and time, against a count by hand and one lead by lead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/ids.h"
#include "lib/flow/finish.h"

static void test_money(void **state)
{
	struct finish_stage s[] = {{3, 10, 0}, {2, 100, 0}, {1, 1000, 0}};

	(void)state;
	assert_int_equal(finish_money(s, 3), 3 * 10 + 5 * 100 + 6 * 1000);
	s[0].reserved_micro = 20; /* two of the first are in flight */
	assert_int_equal(finish_money(s, 3), 1 * 10 + 5 * 100 + 6 * 1000);
	s[0].reserved_micro = 50; /* dearer calls than were thought of give nothing to others */
	assert_int_equal(finish_money(s, 3), 5 * 100 + 6 * 1000);
	assert_int_equal(finish_money(s, 0), 0);
}

static void test_no_overflow(void **state)
{
	struct finish_stage s[] = {{UINT64_C(1) << 40, INT64_C(1) << 40, 5}, {1, 7, 0}};
	struct finish_window w = {.max = 1, .room = 0, .length_us = 31 * US_PER_DAY};

	(void)state;
	assert_int_equal(finish_money(s, 2), TIME_NEVER);
	assert_int_equal(finish_latest_us(&w, UINT64_C(1) << 62), TIME_NEVER);
	assert_int_equal(finish_mean_us(&w, 1e30), TIME_NEVER);
}

/* Lead by lead the same comes out. */
static void test_money_one_by_one(void **state)
{
	struct dice d;

	(void)state;
	dice_seed(&d, 3);
	for (int round = 0; round < 1000; round++) {
		struct finish_stage s[6];
		size_t n = 1 + dice_below(&d, 6);
		int64_t sum = 0;

		for (size_t i = 0; i < n; i++) {
			s[i] = (struct finish_stage){
			    .begun = dice_below(&d, 5), .most_micro = (int64_t)dice_below(&d, 1000)};
		}
		for (size_t i = 0; i < n; i++) {
			for (uint64_t lead = 0; lead < s[i].begun; lead++) {
				for (size_t k = i; k < n; k++) {
					sum += s[k].most_micro;
				}
			}
		}
		assert_int_equal(finish_money(s, n), sum);
	}
}

static void test_sliding(void **state)
{
	struct finish_window w = {.max = 50, .room = 20, .length_us = 61 * US_PER_S};

	(void)state;
	assert_int_equal(finish_latest_us(&w, 0), 0);
	assert_int_equal(finish_latest_us(&w, 20), 0);
	assert_int_equal(finish_latest_us(&w, 21), 61 * US_PER_S);
	assert_int_equal(finish_latest_us(&w, 70), 61 * US_PER_S);
	assert_int_equal(finish_latest_us(&w, 71), 122 * US_PER_S);
	assert_int_equal(finish_mean_us(&w, 20), 0);
	assert_int_equal(finish_mean_us(&w, 45), 61 * US_PER_S / 2);
}

static void test_calendar(void **state)
{
	struct finish_window w = {
	    .max = 100, .room = 30, .length_us = US_PER_DAY, .next_us = 3600 * US_PER_S};

	(void)state;
	assert_int_equal(finish_latest_us(&w, 30), 0);
	assert_int_equal(finish_latest_us(&w, 31), 3600 * US_PER_S);
	assert_int_equal(finish_latest_us(&w, 130), 3600 * US_PER_S);
	assert_int_equal(finish_latest_us(&w, 131), 3600 * US_PER_S + US_PER_DAY);
	assert_int_equal(finish_mean_us(&w, 131), 3600 * US_PER_S + US_PER_DAY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_money),
	    cmocka_unit_test(test_no_overflow),
	    cmocka_unit_test(test_money_one_by_one),
	    cmocka_unit_test(test_sliding),
	    cmocka_unit_test(test_calendar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
