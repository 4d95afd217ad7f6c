/* lib/flow/retry.h: range of the jitter, growth, cap, and the provider's word as a floor. */
#include "lib/flow/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/base/ids.h"

#define MS INT64_C(1000)
#define SEC INT64_C(1000000)

static const struct retry_spec spec = {.base_us = 400 * MS, .cap_us = 60 * SEC};

static void test_full_jitter(void **state)
{
	for (uint32_t failures = 1; failures < 100; failures++) {
		int64_t most = failures < 9 ? 400 * MS << (failures - 1) : 60 * SEC;

		most = most < 60 * SEC ? most : 60 * SEC;
		assert_int_equal(retry_wait_us(&spec, failures, 0, 0), 0);
		assert_int_equal(retry_wait_us(&spec, failures, 0, UINT64_MAX), most);
		assert_int_equal(retry_wait_us(&spec, failures, -1, UINT64_MAX), most);
		assert_in_range(
		    retry_wait_us(&spec, failures, 0, UINT64_MAX / 2), most / 2 - 1, most / 2 + 1);
	}
	assert_int_equal(retry_wait_us(&spec, UINT32_MAX, 0, UINT64_MAX), 60 * SEC);
}

static void test_evenly_spread(void **state)
{
	unsigned tenth[10] = {0};
	struct dice dice;

	dice_seed(&dice, 5);
	for (int i = 0; i < 10000; i++) {
		int64_t wait_us = retry_wait_us(&spec, 3, 0, dice_roll(&dice));

		assert_in_range(wait_us, 0, 1600 * MS);
		tenth[wait_us * 10 / (1600 * MS + 1)]++;
	}
	for (int i = 0; i < 10; i++) {
		assert_in_range(tenth[i], 850, 1150);
	}
}

static void test_providers_word_is_a_floor(void **state)
{
	struct dice dice;

	dice_seed(&dice, 6);
	for (int i = 0; i < 1000; i++) {
		int64_t wait_us =
		    retry_wait_us(&spec, 1 + (uint32_t)i % 12, 120 * SEC, dice_roll(&dice));

		assert_in_range(wait_us, 120 * SEC, 120 * SEC + 400 * MS); /* past our cap */
		wait_us = retry_wait_us(&spec, 12, 2 * SEC, dice_roll(&dice));
		assert_in_range(wait_us, 2 * SEC, 60 * SEC);
	}
	assert_int_equal(retry_wait_us(&spec, 12, 2 * SEC, UINT64_MAX), 60 * SEC);
	assert_int_equal(retry_wait_us(&spec, 1, INT64_MAX, UINT64_MAX), INT64_MAX);
}

static void test_base_above_cap(void **state)
{
	struct retry_spec r = {.base_us = 5 * SEC, .cap_us = SEC};

	assert_int_equal(retry_wait_us(&r, 1, 0, UINT64_MAX), SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_full_jitter),
	    cmocka_unit_test(test_evenly_spread),
	    cmocka_unit_test(test_providers_word_is_a_floor),
	    cmocka_unit_test(test_base_above_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
