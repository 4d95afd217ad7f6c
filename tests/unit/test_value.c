/* lib/base: error, arena, buf, value and decimal. */
#include "lib/base/error.h"
#include "lib/base/value.h"
#include "lib/base/decimal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_error(void **state)
{
	struct lead_error err;
	char longer[600];

	(void)state;
	assert_int_equal(lead_fail(NULL, LEAD_EBUG, "nobody listens"), LEAD_EBUG);
	assert_int_equal(lead_fail(&err, LEAD_EINPUT, "line %d\n", 3), LEAD_EINPUT);
	assert_int_equal(err.code, LEAD_EINPUT);
	assert_string_equal(err.text, "line 3 ");
	assert_int_equal(lead_fail(&err, LEAD_ESTORE, "file x: %s", err.text), LEAD_ESTORE);
	assert_string_equal(err.text, "file x: line 3 ");
	/* the cut must not leave half a character */
	memset(longer, 'x', sizeof(longer));
	memcpy(longer + 509, "\xE2\x82\xAC", 4);
	assert_int_equal(lead_fail(&err, LEAD_EIO, "%s", longer), LEAD_EIO);
	assert_int_equal(strlen(err.text), 509);
	memcpy(longer + 508, "\xE2\x82\xACx", 5);
	assert_int_equal(lead_fail(&err, LEAD_EIO, "%s", longer), LEAD_EIO);
	assert_memory_equal(err.text + 508, "\xE2\x82\xAC", 4);
}

static void test_arena(void **state)
{
	struct arena a = {0};
	char *first, *text;

	(void)state;
	first = arena_alloc(&a, 1);
	for (size_t i = 0; i < 3000; i++) {
		unsigned char *p = arena_zalloc(&a, i % 100);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		memset(p, 0xAA, i % 100);
	}
	assert_non_null(arena_alloc(&a, 1 << 20));
	text = arena_printf(&a, "%d-%s", 42, "x");
	assert_string_equal(text, "42-x");
	assert_string_equal(arena_dup(&a, "abc", 2), "ab");
	assert_string_equal(arena_dup(&a, NULL, 0), "");
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_dup(&a, "", SIZE_MAX));
	arena_reset(&a);
	assert_int_equal(a.used, 0);
	assert_ptr_equal(arena_alloc(&a, 1), first); /* the first block stayed */
	arena_free(&a);
	assert_null(a.blocks);
	arena_free(&a);
}

static void test_arena_limit(void **state)
{
	struct arena a = {.limit = 64};

	(void)state;
	assert_non_null(arena_alloc(&a, 33));
	assert_int_equal(a.used, 48);
	assert_null(arena_alloc(&a, 17));
	assert_null(arena_printf(&a, "%s", "sixteen bytes are"));
	assert_non_null(arena_alloc(&a, 16));
	assert_null(arena_alloc(&a, 0));
	arena_free(&a);
}

static void test_buf(void **state)
{
	struct buf b = {.max = 10};
	char *taken;

	(void)state;
	buf_add(&b, NULL, 0);
	assert_null(b.data);
	buf_add_text(&b, "12345");
	buf_printf(&b, "%s", "678");
	buf_add_char(&b, '9');
	assert_string_equal(b.data, "123456789");
	buf_printf(&b, "%d", 10);
	assert_true(b.failed);
	assert_string_equal(b.data, "123456789");
	buf_add_char(&b, 'x'); /* would fit, but a hole before it is worse than nothing */
	assert_int_equal(b.len, 9);
	assert_null(buf_take(&b));
	assert_false(b.failed);
	assert_null(b.data);
	assert_int_equal(b.max, 10);
	buf_add_text(&b, "1234567890");
	assert_false(b.failed);
	buf_reset(&b);
	assert_string_equal(b.data, "");
	assert_null(buf_take(&b));
	buf_add_text(&b, "mine");
	taken = buf_take(&b);
	assert_string_equal(taken, "mine");
	assert_int_equal(b.len, 0);
	free(taken);
	buf_free(&b);
}

static void test_buf_grows(void **state)
{
	struct buf b = {0};

	(void)state;
	for (int i = 0; i < 2000; i++) {
		buf_printf(&b, "%04d", i);
		assert_int_equal(strlen(b.data), b.len);
	}
	assert_int_equal(b.len, 8000);
	assert_memory_equal(b.data + 7996, "1999", 4);
	buf_free(&b);
}

static struct value number(const char *text)
{
	return (struct value){.kind = VALUE_NUMBER, .len = (uint32_t)strlen(text), .text = text};
}

static void test_to_int(void **state)
{
	static const struct {
		const char *text;
		int64_t expected;
	} good[] = {{"0", 0}, {"-0", 0}, {"12", 12}, {"-7", -7}, {"97.0", 97}, {"1e3", 1000},
	    {"1.5e1", 15}, {"100e-2", 1}, {"9223372036854775807", INT64_MAX},
	    {"-9223372036854775808", INT64_MIN}, {"9007199254740993", INT64_C(9007199254740993)},
	    {"0e999999999999999999", 0}};
	static const char *const bad[] = {"", "1.5", "9223372036854775808", "-9223372036854775809",
	    "1e19", "1e-1", "12abc", " 1", "1 ", "+1", "0x1", "01", "1e99999999999999999999",
	    "99999999999999999999", "-"};
	int64_t got;
	struct value v;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		v = number(good[i].text);
		assert_true(value_to_int(&v, &got));
		assert_int_equal(got, good[i].expected);
		v.kind = VALUE_STRING;
		assert_true(value_to_int(&v, &got));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		v = value_text(bad[i]);
		got = 5;
		if (value_to_int(&v, &got)) {
			fail_msg("an integer: %s", bad[i]);
		}
		assert_int_equal(got, 5);
	}
	v = (struct value){.kind = VALUE_TRUE};
	assert_false(value_to_int(&v, &got));
}

static void test_to_double(void **state)
{
	char text[400];
	struct value v;
	double got = 0;

	(void)state;
	v = number("0.1");
	assert_true(value_to_double(&v, &got));
	assert_true(got == 0.1);
	v = value_text("-2.5e-3");
	assert_true(value_to_double(&v, &got));
	assert_true(got == -2.5e-3);
	v = value_text("1e309");
	assert_false(value_to_double(&v, &got));
	v = value_text("nan");
	assert_false(value_to_double(&v, &got));
	v = value_text("0x10");
	assert_false(value_to_double(&v, &got));
	memset(text, '1', sizeof(text));
	text[1] = '.';
	v = value_string(
	    text, sizeof(text)); /* longer than any buffer on the stack, no NUL behind */
	assert_true(value_to_double(&v, &got));
	assert_true(got > 1.11 && got < 1.12);
}

static void test_scaled(void **state)
{
	int64_t got;
	bool exact;

	(void)state;
	assert_true(decimal_scaled("0.0051299", 9, 6, &got, &exact));
	assert_int_equal(got, 5129);
	assert_false(exact);
	assert_true(decimal_scaled("-1.9", 4, 0, &got, &exact));
	assert_int_equal(got, -1);
	assert_true(decimal_scaled("123456e-9", 9, 6, &got, &exact));
	assert_int_equal(got, 123);
	assert_int_equal(decimal_length("12.5e+3,", 8), 7);
	assert_int_equal(decimal_length("012", 3), 1);
	assert_int_equal(decimal_length("-", 1), 0);
	assert_int_equal(decimal_length("1.", 2), 0);
	assert_int_equal(decimal_length("", 0), 0);
}

static void test_questions(void **state)
{
	struct value none = {0}, null = {.kind = VALUE_NULL}, no = {.kind = VALUE_FALSE},
		     empty = value_text(""), blank = value_text(" \t\xC2\xA0\xE2\x80\x8B\n"),
		     x = value_text(" x "), zero = number("0");

	(void)state;
	assert_true(value_is_blank(&none) && value_is_blank(&null) && value_is_blank(&empty));
	assert_true(value_is_blank(&blank));
	assert_false(value_is_blank(&x) || value_is_blank(&no) || value_is_blank(&zero));
	assert_false(value_is_true(&none) || value_is_true(&null) || value_is_true(&no));
	assert_true(value_is_true(&empty) && value_is_true(&zero));
	assert_int_equal(value_text(NULL).kind, VALUE_NONE);
}

static void test_equal(void **state)
{
	struct value one = number("1"), also = number("1.0"), big = number("9007199254740993"),
		     near = number("9007199254740992"), text = value_text("1"),
		     half = number("0.5"), half2 = number("5e-1"), yes = {.kind = VALUE_TRUE},
		     none = {0};

	(void)state;
	assert_true(value_equal(&one, &also));
	assert_true(value_equal(&half, &half2));
	assert_false(value_equal(&big, &near)); /* equal as doubles */
	assert_false(value_equal(&one, &text));
	assert_false(value_equal(&one, &half));
	assert_true(value_equal(&yes, &yes) && value_equal(&none, &none));
	assert_false(value_equal(&yes, &none));
}

static void test_write_and_copy(void **state)
{
	struct value v[] = {{0}, {.kind = VALUE_NULL}, {.kind = VALUE_TRUE}, {.kind = VALUE_FALSE},
	    number("1.50"), value_text("a/\"b\""), {.kind = VALUE_JSON, .len = 5, .text = "[1,2]"}};
	struct arena a = {0};
	struct buf json = {0}, text = {0};
	struct value copy;

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		value_write_json(&json, &v[i]);
		value_write_text(&text, &v[i]);
		buf_add_char(&json, ' ');
		buf_add_char(&text, ' ');
		copy = value_copy(&a, &v[i]);
		assert_true(value_equal(&copy, &v[i]));
		assert_true(copy.text == NULL || copy.text != v[i].text);
	}
	assert_string_equal(json.data, "null null true false 1.50 \"a/\\\"b\\\"\" [1,2] ");
	assert_string_equal(text.data, "  true false 1.50 a/\"b\" [1,2] ");
	buf_free(&json);
	buf_free(&text);
	copy = value_int(&a, INT64_MIN);
	assert_int_equal(copy.len, 20);
	assert_memory_equal(copy.text, "-9223372036854775808", 20);
	a.limit = a.used;
	assert_int_equal(value_copy(&a, &v[4]).kind, VALUE_NONE);
	assert_int_equal(value_int(&a, 1).kind, VALUE_NONE);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_error),
	    cmocka_unit_test(test_arena),
	    cmocka_unit_test(test_arena_limit),
	    cmocka_unit_test(test_buf),
	    cmocka_unit_test(test_buf_grows),
	    cmocka_unit_test(test_to_int),
	    cmocka_unit_test(test_to_double),
	    cmocka_unit_test(test_scaled),
	    cmocka_unit_test(test_questions),
	    cmocka_unit_test(test_equal),
	    cmocka_unit_test(test_write_and_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
