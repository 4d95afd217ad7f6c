/*
 * lib/base/json_list.c: elements of arrays and members of objects.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/json_list.h"

/* The elements with bars between them. */
static const char *elements(const char *text)
{
	static char out[256];
	struct json_list l;
	const char *at;
	size_t len, n = 0;

	out[0] = 0;
	if (!json_list_open(&l, text, strlen(text))) {
		return "none";
	}
	while (json_list_next(&l, &at, &len)) {
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%.*s|", (int)len, at);
	}
	return out;
}

static void test_elements(void **state)
{
	(void)state;
	assert_string_equal(elements("[]"), "");
	assert_string_equal(elements(" [ ] "), "");
	assert_string_equal(elements("[1]"), "1|");
	assert_string_equal(elements("[ 1 ,\n\"a,]\" , {\"b\":[1,2]},[[3],[]],null ]"), "1|\"a,]\"|{\"b\":[1,2]}|[[3],[]]|null|");
	assert_string_equal(elements("[\"\\\\\",\"\\\"\"]"), "\"\\\\\"|\"\\\"\"|");
	assert_string_equal(elements("{\"a\":1}"), "none");
	assert_string_equal(elements("7"), "none");
	assert_string_equal(elements(""), "none");
}

/* The members as name=kind:text, with bars. */
static const char *members(const char *text)
{
	static char out[256];
	struct arena a = {0};
	struct value name, value;
	struct json_list l;
	size_t n = 0;

	out[0] = 0;
	if (!json_members_open(&l, text, strlen(text))) {
		return "none";
	}
	while (json_members_next(&l, &a, &name, &value)) {
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%.*s=%d:%.*s|", (int)name.len, name.text, value.kind, (int)value.len, value.text != NULL ? value.text : "");
	}
	arena_free(&a);
	return out;
}

static void test_members(void **state)
{
	char want[128];

	(void)state;
	assert_string_equal(members("{}"), "");
	(void)snprintf(want, sizeof(want), "a=%d:1.50|b \"c=%d:x\ny|d=%d:[1,{\"e\":2}]|f=%d:null|g=%d:true|h=%d:false|", VALUE_NUMBER, VALUE_STRING, VALUE_JSON,
	    VALUE_NULL, VALUE_TRUE, VALUE_FALSE);
	assert_string_equal(members("{\"a\": 1.50 , \"b \\\"c\":\"x\\ny\",\"d\":[1,{\"e\":2}],\"f\":null,\"g\":true,\"h\":false}"), want);
	assert_string_equal(members("[1]"), "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_elements), cmocka_unit_test(test_members)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
