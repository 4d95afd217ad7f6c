/* tests/unit/test_endpoint.c: addresses to listen on. */
#include "lib/base/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_good(void **state)
{
	static const struct {
		const char *text, *again;
		bool loopback;
	} cases[] = {{"127.0.0.1:8420", "127.0.0.1:8420", true}, {"127.8.9.10:0", "127.8.9.10:0", true}, {"[::1]:8420", "[::1]:8420", true},
	    {"0.0.0.0:80", "0.0.0.0:80", false}, {"[::]:65535", "[::]:65535", false}, {"192.0.2.1:080", "192.0.2.1:80", false},
	    {"[2001:DB8::1]:443", "[2001:db8::1]:443", false}, {"[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct endpoint e;
		char text[ENDPOINT_TEXT];

		assert_true(endpoint_parse(cases[i].text, &e));
		endpoint_write(&e, text);
		assert_string_equal(text, cases[i].again);
		assert_int_equal(endpoint_is_loopback(&e), cases[i].loopback);
	}
}

static void test_bad(void **state)
{
	static const char *const texts[] = {"", ":", "8420", ":8420", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1",
	    "127.0.0.1: 1", "127.0.0.1:1 ", "127.0.0.1:000001", "localhost:80", "127.1:80", "::1:80", "[::1]", "[]:80", "[127.0.0.1]:80", "[::1]:",
	    "[::1]x:80", "[::1%lo]:80", " 127.0.0.1:80", "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:80"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct endpoint e = {.port = 7};

		assert_false(endpoint_parse(texts[i], &e));
		assert_int_equal(e.port, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
