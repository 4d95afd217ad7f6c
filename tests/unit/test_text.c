/* lib/base/text.h */
#include "lib/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_utf8(void **state)
{
	static const char *const bad[] = {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF",
	    "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF",
	    "\xC3", "\xE2\x82", "\xF0\x9F\x98", "abcdefgh\xE9", "abcdefg\xC3", "\xE2(\xA1"};
	char encoded[4];
	uint32_t back;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_false(text_is_utf8(bad[i], strlen(bad[i])));
	}
	assert_true(text_is_utf8("", 0));
	for (uint32_t c = 0; c <= 0x10FFFF; c += c < 0x900 ? 1 : 37) {
		size_t n = text_put_char(c, encoded);

		if (c >= 0xD800 && c <= 0xDFFF) {
			assert_int_equal(text_next(encoded, encoded + n, &back), 0);
			continue;
		}
		assert_int_equal(text_next(encoded, encoded + n, &back), n);
		assert_int_equal(back, c);
		assert_true(text_is_utf8(encoded, n));
		assert_int_equal(text_next(encoded, encoded + n - 1, &back), 0);
	}
}

static void check_fold(const char *text, const char *expected)
{
	struct buf b = {0};

	text_fold(&b, text, strlen(text));
	assert_string_equal(b.data, expected);
	buf_reset(&b);
	text_fold(&b, expected, strlen(expected)); /* what is folded stays */
	assert_string_equal(b.data, expected);
	buf_free(&b);
}

static void test_fold(void **state)
{
	(void)state;
	check_fold("AZ az 09 @[", "az az 09 @[");
	check_fold("MÜLLER ÀÞ ×÷ ß ÿŸ", "müller àþ ×÷ ß ÿÿ");
	check_fold("ŁÓDŹ ĞŞ ČŠŽ ŐŰ Ŀſ", "łódź ğş čšž őű ŀs");
	check_fold("ƁƏǅǄȺɎ ỄẠ ẞ", "ɓəǆǆⱥɏ ễạ ß");
	check_fold("ΑΒΓΣς Άώ Ϋ", "αβγσσ άώ ϋ");
	check_fold("ЖЁЙ ЇҐ Ԯ Ӏ", "жёй їґ ԯ ӏ");
	check_fold("日本 \xF0\x9F\x98\x80", "日本 \xF0\x9F\x98\x80");
	check_fold("A\xFF\xC3", "a\xFF\xC3");
	check_fold("İı", "İı"); /* no simple folding: a Turkish matter */
}

static void test_ascii(void **state)
{
	char text[] = "Ab-C\xC3\x84";

	(void)state;
	text_lower(text, strlen(text));
	assert_string_equal(text, "ab-c\xC3\x84");
	assert_true(text_equal_nocase("Content-Type", "content-TYPE"));
	assert_true(text_equal_nocase("", ""));
	assert_false(text_equal_nocase("a", "ab"));
	assert_false(text_equal_nocase("ab", "a"));
	assert_false(text_equal_nocase("@", "`"));
	assert_false(text_equal_nocase("[", "{"));
}

static void check_trim(const char *text, const char *expected)
{
	size_t len = strlen(text);

	text_trim(&text, &len);
	assert_int_equal(len, strlen(expected));
	assert_memory_equal(text, expected, len);
}

static void test_trim(void **state)
{
	(void)state;
	check_trim(" \t\r\n a b \v\f", "a b");
	check_trim("\xEF\xBB\xBF\xC2\xA0x\xE2\x80\x8B\xC2\xA0", "x");
	check_trim("\xE3\x80\x80\xC3\xA9\xE2\x80\xAF", "\xC3\xA9");
	check_trim("", "");
	check_trim(" \xC2\xA0 ", "");
	check_trim("\xA0x\xA0", "\xA0x\xA0"); /* bytes that are no UTF-8 are no spaces */
	check_trim("x \x80\x80\x80\x80", "x \x80\x80\x80\x80");
}

static void test_counts(void **state)
{
	(void)state;
	assert_int_equal(text_length("", 0), 0);
	assert_int_equal(text_length("h\xC3\xA9\xF0\x9F\x98\x80!", 8), 4);
	assert_int_equal(text_words("", 0), 0);
	assert_int_equal(text_words("  one, two - three\n4\xC2\xA0"
				    "f\xC3\xBCnf ",
			     25),
	    5);
	assert_int_equal(text_words("-- \xE2\x80\x94 \xF0\x9F\x98\x80 ...", 16), 0);
	assert_int_equal(text_words("don't stop-now", 14), 2);
	assert_int_equal(text_words("\xE6\x97\xA5\xE6\x9C\xAC \xD0\xB6", 9), 2);
}

static void test_nearest(void **state)
{
	static const char *const keys[] = {"limits", "limit", "url", "timeout", "price", NULL};

	(void)state;
	assert_string_equal(text_nearest("limts", keys), "limits");
	assert_string_equal(text_nearest("limi", keys), "limit");
	assert_string_equal(text_nearest("Timeout", keys), "timeout");
	assert_string_equal(text_nearest("tiemout", keys), "timeout");
	assert_null(text_nearest("method", keys));
	assert_null(text_nearest("xyz", keys)); /* two of three letters would have to change */
	assert_null(text_nearest("", keys));
	assert_null(text_nearest(
	    "a word much longer than any key that somebody could have meant by it, really", keys));
}

static void test_safe(void **state)
{
	struct buf b = {0};

	(void)state;
	text_write_safe(&b, "a\n\x1B[31m\x7F\xC3\xA9\xFF\xC2\x9B\xE2\x80\xAE\xE2\x82", 18);
	assert_string_equal(
	    b.data, "a\\x0A\\x1B[31m\\x7F\xC3\xA9\\xFF\\xC2\\x9B\\xE2\\x80\\xAE\\xE2\\x82");
	buf_reset(&b);
	text_write_safe(&b, "\0", 1);
	assert_string_equal(b.data, "\\x00");
	buf_free(&b);
}

static void test_percent(void **state)
{
	struct buf b = {0};

	(void)state;
	text_write_percent(&b, "aZ0-._~ /?&=+%\xC3\xA9", 16);
	assert_string_equal(b.data, "aZ0-._~%20%2F%3F%26%3D%2B%25%C3%A9");
	buf_reset(&b);
	assert_true(text_percent_decode(&b, "a%2fb+%C3%a9", 12, false));
	assert_string_equal(b.data, "a/b+\xC3\xA9");
	assert_true(text_percent_decode(&b, "+", 1, true));
	assert_string_equal(b.data, "a/b+\xC3\xA9 ");
	assert_false(text_percent_decode(&b, "xy%00", 5, false));
	assert_false(text_percent_decode(&b, "xy%2", 4, false));
	assert_false(text_percent_decode(&b, "xy%", 3, false));
	assert_false(text_percent_decode(&b, "xy%g0", 5, false));
	assert_false(text_percent_decode(&b, "xy\0", 3, false));
	assert_string_equal(b.data, "a/b+\xC3\xA9 "); /* nothing of the bad ones stays */
	buf_free(&b);
}

static void test_in(void **state)
{
	static const char *const words[] = {"a", "abc", "", NULL};

	(void)state;
	assert_true(text_in(words, "abcd", 3));
	assert_true(text_in(words, "", 0));
	assert_false(text_in(words, "abcd", 4));
	assert_false(text_in(words, "abc", 2));
	assert_false(text_in(NULL, "a", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_utf8),
	    cmocka_unit_test(test_fold),
	    cmocka_unit_test(test_ascii),
	    cmocka_unit_test(test_trim),
	    cmocka_unit_test(test_counts),
	    cmocka_unit_test(test_nearest),
	    cmocka_unit_test(test_safe),
	    cmocka_unit_test(test_percent),
	    cmocka_unit_test(test_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
