/* lib/base/money.h: what goes in comes out, and nothing is rounded in our favour. */
#include "lib/base/money.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		int64_t micro;
	} good[] = {{"12", 12000000}, {"0.008", 8000}, {"-1.5", -1500000}, {"0", 0},
	    {"0.000001", 1}, {"48.130000", 48130000}, {"9007199254.740992", MONEY_MAX},
	    {"-9007199254.740992", -MONEY_MAX}};
	static const char *const bad[] = {"", "-", "1.", ".5", "+1", "1e3", "1E3", "0.0000001",
	    "0.0000000", "1,5", " 1", "1 ", "1.5 EUR", "9007199254.740993", "99999999999999999999",
	    "0x1", "nan"};
	int64_t got;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(money_parse(good[i].text, &got));
		assert_int_equal(got, good[i].micro);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		got = 7;
		if (money_parse(bad[i], &got)) {
			fail_msg("money: %s", bad[i]);
		}
		assert_int_equal(got, 7);
	}
}

static void test_write(void **state)
{
	static const struct {
		int64_t micro;
		const char *text;
	} cases[] = {{48130000, "48.13"}, {8000, "0.0080"}, {5120, "0.005120"}, {0, "0.00"},
	    {-1500000, "-1.50"}, {-1, "-0.000001"}, {12000000, "12.00"}, {100, "0.0001"},
	    {INT64_MIN, "-9223372036854.775808"}};
	char text[32];
	int64_t back;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		money_write(cases[i].micro, text);
		assert_string_equal(text, cases[i].text);
		if (cases[i].micro >= -MONEY_MAX) {
			assert_true(money_parse(text, &back));
			assert_int_equal(back, cases[i].micro);
		}
	}
}

static void test_from_number(void **state)
{
	static const struct {
		const char *text;
		int64_t micro;
	} good[] = {{"0.00512", 5120}, {"5.12e-3", 5120}, {"0.0000001", 1}, {"1e-300", 1},
	    {"0.0051201", 5121}, {"0.10000000000000001", 100001}, {"0", 0}, {"0.0000000", 0},
	    {"-0.0000019", -1}, {"2E1", 20000000}};
	static const char *const bad[] = {"", "1e10", "1e400", "abc", "NaN", "1.", "\"1\"",
	    "9007199254.7409921", "9223372036854.7758079"};
	int64_t got;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(money_from_number(good[i].text, &got));
		assert_int_equal(got, good[i].micro);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (money_from_number(bad[i], &got)) {
			fail_msg("money: %s", bad[i]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_write),
	    cmocka_unit_test(test_from_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
