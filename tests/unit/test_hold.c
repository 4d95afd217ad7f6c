/* lib/flow/hold.h: the provider's word, our own growing wait, and whose throttle counts. */
#include "lib/flow/hold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SEC INT64_C(1000000)

static const struct retry_spec spec = {.base_us = SEC, .cap_us = 60 * SEC};

static struct now at(int64_t s)
{
	return (struct now){.boot_us = s * SEC, .wall_us = s * SEC};
}

static void test_word_is_kept(void **state)
{
	struct hold h = {.row = HOLD_AFTER - 1};

	assert_int_equal(hold_earliest(&h, at(100)), 100 * SEC);
	hold_throttled(&h, 5, 9, &spec, 30 * SEC, 0, at(100));
	assert_int_equal(hold_earliest(&h, at(100)), 130 * SEC);
	assert_int_equal(hold_earliest(&h, at(131)), 131 * SEC);
	/* granted before we knew: a shorter word changes nothing, a longer one does */
	hold_throttled(&h, 6, 9, &spec, 10 * SEC, UINT64_MAX, at(101));
	assert_int_equal(hold_earliest(&h, at(101)), 130 * SEC);
	hold_throttled(&h, 9, 9, &spec, 40 * SEC, UINT64_MAX, at(101));
	assert_int_equal(hold_earliest(&h, at(101)), 141 * SEC);
	assert_int_equal(h.strikes, 1);
}

/* A stray "too fast" among answers holds nobody up; the third in a row does. */
static void test_stray_throttle(void **state)
{
	struct hold h = {0};

	for (uint64_t call = 1; call < 100; call += 3) {
		hold_throttled(&h, call, call, &spec, 30 * SEC, 0, at(100));
		hold_throttled(&h, call + 1, call + 1, &spec, 30 * SEC, 0, at(100));
		assert_int_equal(hold_earliest(&h, at(100)), 100 * SEC);
		hold_answered(&h, call + 2);
	}
	for (uint64_t call = 100; call < 100 + HOLD_AFTER; call++) {
		hold_throttled(&h, call, call, &spec, 30 * SEC, 0, at(100));
	}
	assert_int_equal(hold_earliest(&h, at(100)), 130 * SEC);
}

static void test_no_word_doubles(void **state)
{
	struct hold h = {.row = HOLD_AFTER - 1};
	int64_t now_s = 100;
	uint64_t call = 10;

	for (int64_t most = 1; most <= 128; most *= 2) {
		hold_throttled(&h, call, call + 3, &spec, 0, UINT64_MAX, at(now_s));
		assert_int_equal(
		    hold_earliest(&h, at(now_s)), (now_s + (most < 60 ? most : 60)) * SEC);
		/* the others of the same burst */
		hold_throttled(&h, call + 1, call + 3, &spec, 0, UINT64_MAX, at(now_s + 1));
		hold_throttled(&h, call + 3, call + 3, &spec, 0, UINT64_MAX, at(now_s + 1));
		assert_int_equal(h.until_us, (now_s + (most < 60 ? most : 60)) * SEC);
		now_s += 100;
		call += 10;
	}
	hold_answered(&h, call - 7); /* of the last burst: tells nothing */
	assert_int_equal(h.strikes, 8);
	hold_answered(&h, call);
	assert_int_equal(h.strikes, 0);
	h.row = HOLD_AFTER - 1;
	hold_throttled(&h, call + 1, call + 1, &spec, 0, UINT64_MAX, at(now_s));
	assert_int_equal(hold_earliest(&h, at(now_s)), (now_s + 1) * SEC);
}

static void test_released(void **state)
{
	struct hold h = {.row = HOLD_AFTER - 1};

	hold_throttled(&h, 5, 9, &spec, INT64_MAX, UINT64_MAX, at(100));
	assert_int_equal(hold_earliest(&h, at(100)), INT64_MAX);
	hold_release(&h);
	assert_int_equal(hold_earliest(&h, at(100)), 100 * SEC);
	hold_throttled(&h, 9, 9, &spec, 0, UINT64_MAX, at(101)); /* from before: no strike */
	assert_int_equal(h.strikes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_word_is_kept),
	    cmocka_unit_test(test_stray_throttle),
	    cmocka_unit_test(test_no_word_doubles),
	    cmocka_unit_test(test_released),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
