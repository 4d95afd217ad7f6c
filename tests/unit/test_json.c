/* lib/base/json.h and path.h: one grammar for three readers, and wanted fields out of one pass. */
#include "lib/base/json.h"

#include <dirent.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What the three readers say to one text; they must say the same. */
static int verdict(const char *text, size_t len)
{
	struct path_set *set = path_set_new();
	struct path all = {0};
	struct arena a = {0};
	struct json_object *tree = NULL;
	struct value v;
	size_t slot;
	int check = json_check(text, len, JSON_DEPTH, NULL), scan, parse;

	assert_int_equal(path_set_add(set, &all, &slot), 0);
	scan = json_scan(text, len, set, &a, &v, NULL);
	parse = json_parse(text, len, &tree, NULL);
	assert_int_equal(scan, check);
	assert_int_equal(parse, check);
	json_object_put(tree);
	path_set_free(set);
	arena_free(&a);
	return check;
}

static int check(const char *text)
{
	return verdict(text, strlen(text));
}

/* Exactly as large as the file, so that a read beyond its end is seen. */
static char *read_file(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "rb");
	char *text;
	long len;

	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	len = ftell(f);
	rewind(f);
	text = malloc((size_t)len + (len == 0));
	assert_int_equal(fread(text, 1, (size_t)len, f), len);
	fclose(f);
	*ret_len = (size_t)len;
	return text;
}

static void test_suite(void **state)
{
	DIR *dir = opendir(TEST_DATA "/json-parsing");
	struct dirent *entry;
	int good = 0, bad = 0;

	(void)state;
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		char path[512];
		char *text;
		size_t len;
		int rc;

		if (strncmp(entry->d_name, "y_", 2) != 0 && strncmp(entry->d_name, "n_", 2) != 0) {
			continue;
		}
		snprintf(path, sizeof(path), TEST_DATA "/json-parsing/%s", entry->d_name);
		text = read_file(path, &len);
		rc = verdict(text, len);
		free(text);
		if (rc != (entry->d_name[0] == 'y' ? 0 : LEAD_EINPUT)) {
			fail_msg("%s: %d", entry->d_name, rc);
		}
		good += entry->d_name[0] == 'y';
		bad += entry->d_name[0] == 'n';
	}
	closedir(dir);
	assert_int_equal(good, 95);
	assert_int_equal(bad, 186);
}

static void test_depth(void **state)
{
	char text[2 * (JSON_DEPTH + 1)];

	(void)state;
	memset(text, '[', JSON_DEPTH + 1);
	memset(text + JSON_DEPTH + 1, ']', JSON_DEPTH + 1);
	assert_int_equal(verdict(text + 1, 2 * JSON_DEPTH), 0);
	assert_int_equal(verdict(text, sizeof(text)), LEAD_EINPUT);
	assert_int_equal(json_check("1", 1, 0, NULL), 0);
	assert_int_equal(json_check("[]", 2, 0, NULL), LEAD_EINPUT);
	assert_int_equal(json_check("[[]]", 4, 2, NULL), 0);
}

static void test_error_tells_the_place(void **state)
{
	struct lead_error err;

	(void)state;
	assert_int_equal(json_check("{\"a\": tru}", 10, 9, &err), LEAD_EINPUT);
	assert_string_equal(err.text, "JSON: a value is expected, at byte 6");
	assert_int_equal(json_check("[1,2", 4, 9, &err), LEAD_EINPUT);
	assert_string_equal(err.text, "JSON: a comma or ] is expected, at byte 4");
	assert_int_equal(json_check("\"ab", 3, 9, &err), LEAD_EINPUT);
	assert_string_equal(err.text, "JSON: a string without end, at byte 3");
}

/* json-c 0.16 turns each of these into something else without a word. */
static void test_numbers_json_c_changes(void **state)
{
	static const char *const beyond_int64[] = {"18446744073709551616", "18446744073709551615",
	    "9223372036854775808", "-9223372036854775809", "[-99999999999999999999999]"};
	static const char *const bad[] = {"1e309", "-1e309", "[1e999999999999999999999]", "NaN",
	    "Infinity", "-Infinity", "1.", "01", "+1", ".5", "1.e3", "0x10", "1e", "-"};
	static const char *const good[] = {"9223372036854775807", "-9223372036854775808", "-0",
	    "1e308", "1.7976931348623157e308", "1e-400", "0e999999999999999999999", "0.1"};
	struct json_object *tree;

	(void)state;
	for (size_t i = 0; i < sizeof(beyond_int64) / sizeof(*beyond_int64); i++) {
		const char *text = beyond_int64[i];

		assert_int_equal(json_check(text, strlen(text), 9, NULL), 0);
		assert_int_equal(json_parse(text, strlen(text), &tree, NULL), LEAD_EINPUT);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(check(bad[i]), LEAD_EINPUT);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(check(good[i]), 0);
	}
}

/* The bound between the largest double and infinity, also in very long numbers. */
static void test_largest_double(void **state)
{
	char text[1024];

	(void)state;
	assert_int_equal(check("179769313486231580e291"), 0);
	assert_int_equal(check("1.797693134862315807e308"), 0);
	assert_int_equal(check("1.797693134862315808e308"), LEAD_EINPUT);
	assert_int_equal(check("17976931348623158079e289"), 0);
	assert_int_equal(check("17976931348623158080e289"), LEAD_EINPUT);
	memset(text, '0', sizeof(text));
	memcpy(text, "0.", 2);
	strcpy(text + 900, "9e1207");
	assert_int_equal(check(text), LEAD_EINPUT); /* 9e308 */
	strcpy(text + 900, "9e1206");
	assert_int_equal(check(text), 0);
	memset(text, '0', sizeof(text));
	text[0] = '1';
	text[309] = '\0';
	assert_int_equal(json_check(text, 309, 1, NULL), 0);
	text[309] = '0';
	text[310] = '\0';
	assert_int_equal(json_check(text, 310, 1, NULL), LEAD_EINPUT);
}

static void test_strings_json_c_lets_through(void **state)
{
	static const char *const bad[] = {"'a'", "\"a\tb\"", "\"\\ud800\"", "\"\\udc00\"",
	    "\"\\ud800\\u0041\"", "\"\\ud800x\"", "\"\xC0\xAF\"", "\"\xED\xA0\x80\"",
	    "\"\xF5\x80\x80\x80\"", "\"\xE2\x82\"", "[1] x", "[1,]", "{\"a\":1,}", "/* c */ 1",
	    "NULL", "True", "", " ", "\xEF\xBB\xBF{}", "{a:1}", "{\"a\" 1}", "[1 2]", "\"\\x41\"",
	    "\"\\u12g4\"", "tru", "\"abcdefg"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (check(bad[i]) != LEAD_EINPUT) {
			fail_msg("accepted: %s", bad[i]);
		}
	}
	assert_int_equal(verdict("\"a\0b\"", 5), LEAD_EINPUT);
	assert_int_equal(verdict("[1]\0", 4), LEAD_EINPUT);
}

/* Every position of the one byte that matters, against the sixteen-byte steps. */
static void test_string_steps(void **state)
{
	static const char *const marks[] = {"\x1F", "\x01", "\xFF", "\\q", "\""};
	enum { LEN = 40 };

	(void)state;
	for (size_t at = 0; at < LEN; at++) {
		for (size_t i = 0; i < 5 && at + strlen(marks[i]) <= LEN; i++) {
			char *text =
			    malloc(LEN + 2); /* of its own, so that a read beyond it is seen */

			memset(text, 'x', LEN + 1);
			text[0] = text[LEN + 1] = '"';
			assert_int_equal(verdict(text, LEN + 2), 0);
			memcpy(text + 1 + at, marks[i], strlen(marks[i]));
			assert_int_equal(verdict(text, LEN + 2), LEAD_EINPUT);
			free(text);
		}
	}
}

/* ---- wanted fields ---- */

struct fixture {
	struct path_set *set;
	struct arena arena;
	struct value ret[64];
};

static size_t want(struct fixture *f, const char *text)
{
	struct path path;
	size_t slot;

	assert_int_equal(path_parse(text, &path), 0);
	assert_int_equal(path_set_add(f->set, &path, &slot), 0);
	path_fini(&path);
	return slot;
}

static void scan(struct fixture *f, const char *text)
{
	struct lead_error err = {0};

	if (json_scan(text, strlen(text), f->set, &f->arena, f->ret, &err) != 0) {
		fail_msg("%s", err.text);
	}
}

static void expect(const struct value *v, enum value_kind kind, const char *text)
{
	assert_int_equal(v->kind, kind);
	if (text != NULL) {
		assert_int_equal(v->len, strlen(text));
		assert_memory_equal(v->text, text, v->len);
	}
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->set = path_set_new();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	path_set_free(f->set);
	arena_free(&f->arena);
	free(f);
	return 0;
}

static void test_scan_finds(void **state)
{
	struct fixture *f = *state;
	size_t email = want(f, ".data.email"), score = want(f, ".data.score"),
	       first = want(f, ".list[0]"), deep = want(f, ".list[2].x.y"), data = want(f, ".data"),
	       none = want(f, ".data.nothing"), yes = want(f, ".yes"), null = want(f, ".null"),
	       all = want(f, "."), odd = want(f, ".\"odd key\".\"\\u00e9\""),
	       past = want(f, ".list[9]"), wrong = want(f, ".list.x"), wrong2 = want(f, ".data[0]");
	const char *text =
	    " {\"data\":{\"email\":\"a@b.example\",\"score\": 97.10 ,\"other\":[1,{\"email\":2}]},"
	    "\"list\":[\"x\",[],{\"x\":{\"y\":false}}],\"yes\":true,\"null\":null,"
	    "\"odd key\":{\"\\u00E9\":\"\\ud83d\\ude00\\n\\u0000\"}} ";

	assert_int_equal(want(f, ".data.email"), email);
	assert_int_equal(path_set_count(f->set), 13);
	scan(f, text);
	expect(&f->ret[email], VALUE_STRING, "a@b.example");
	assert_true(f->ret[email].text > text && f->ret[email].text < text + strlen(text));
	expect(&f->ret[score], VALUE_NUMBER, "97.10");
	expect(&f->ret[first], VALUE_STRING, "x");
	expect(&f->ret[deep], VALUE_FALSE, NULL);
	expect(&f->ret[data], VALUE_JSON,
	    "{\"email\":\"a@b.example\",\"score\": 97.10 ,\"other\":[1,{\"email\":2}]}");
	expect(&f->ret[none], VALUE_NONE, NULL);
	expect(&f->ret[yes], VALUE_TRUE, NULL);
	expect(&f->ret[null], VALUE_NULL, NULL);
	assert_int_equal(f->ret[all].kind, VALUE_JSON);
	assert_int_equal(f->ret[all].len, strlen(text) - 2);
	expect(&f->ret[odd], VALUE_STRING, "\xF0\x9F\x98\x80\n\xEF\xBF\xBD");
	expect(&f->ret[past], VALUE_NONE, NULL);
	expect(&f->ret[wrong], VALUE_NONE, NULL);
	expect(&f->ret[wrong2], VALUE_NONE, NULL);
}

static void test_scan_last_key_wins(void **state)
{
	struct fixture *f = *state;
	size_t ab = want(f, ".a.b"), c = want(f, ".c"), a0b = want(f, ".a[0].b"),
	       item = want(f, ".l[1].k");

	scan(f, "{\"a\":{\"b\":1},\"c\":1,\"\\u0061\":{},\"c\":2,\"l\":[{\"k\":1},{\"k\":2},{\"k\":"
		"3}]}");
	expect(&f->ret[ab], VALUE_NONE, NULL);
	expect(&f->ret[c], VALUE_NUMBER, "2");
	expect(&f->ret[item], VALUE_NUMBER, "2");
	scan(f, "{\"a\":[{\"b\":1}],\"a\":{\"b\":3,\"b\":4}}");
	expect(&f->ret[ab], VALUE_NUMBER, "4");
	expect(&f->ret[a0b], VALUE_NONE, NULL);
	expect(&f->ret[c], VALUE_NONE, NULL); /* nothing is left of the scan before */
}

/* Bytes that need no unescaping cost no memory; a full arena is an error of its own. */
static void test_scan_memory(void **state)
{
	struct fixture *f = *state;
	struct lead_error err;
	const char *text = "{\"a\":\"plain\",\"b\":\"un\\u0041wanted\",\"c\":[\"\\n\"]}";
	size_t a = want(f, ".a");

	scan(f, text);
	expect(&f->ret[a], VALUE_STRING, "plain");
	assert_int_equal(f->arena.used, 0);
	want(f, ".b");
	f->arena.limit = 8;
	assert_int_equal(
	    json_scan(text, strlen(text), f->set, &f->arena, f->ret, &err), LEAD_ENOMEM);
	assert_int_equal(err.code, LEAD_ENOMEM);
	text = "{\"\\u0061aaaaaaaaaaaaaaaa\":1}";
	assert_int_equal(
	    json_scan(text, strlen(text), f->set, &f->arena, f->ret, NULL), LEAD_ENOMEM);
}

static void test_scan_many_paths(void **state)
{
	struct fixture *f = *state;
	struct value *ret = calloc(400, sizeof(*ret));
	struct buf b = {0};
	char text[32];

	for (int i = 0; i < 400; i++) {
		snprintf(text, sizeof(text), ".key%d", i);
		assert_int_equal(want(f, text), i);
		buf_printf(&b, "%c\"key%d\":%d", i == 0 ? '{' : ',', i, i * 3);
	}
	buf_add_text(&b, ",\"key7\":\"again\"}");
	assert_int_equal(json_scan(b.data, b.len, f->set, &f->arena, ret, NULL), 0);
	for (int i = 0; i < 400; i++) {
		snprintf(text, sizeof(text), "%d", i * 3);
		expect(&ret[i], i == 7 ? VALUE_STRING : VALUE_NUMBER, i == 7 ? "again" : text);
	}
	buf_free(&b);
	free(ret);
}

static void test_path_grammar(void **state)
{
	static const char *const plain[] = {".", " . ", ".a", ".a.b", "._a9", ".a[0]", ".[0]",
	    ".[0][9999].b", ".\"x y\"", ".a.\"b\".c", ".\"\"", ".\"q\\\"q\""};
	static const char *const other[] = {"", " ", "a", "..", ".a.", ".a..b", ".9a", ".a[-1]",
	    ".a[]", ".a[10000]", ".a[1:2]", "[0]", ".a | .b", ".a // 1", ".a?", ".a-b", ".\"x",
	    ".\"\\(1)\"", ".\"\\ud800\"", ".a.[0]", ".a[99999999999999999999]", ".a[0", ".[\"a\"]",
	    ".a b", ".\"\xFF\""};
	struct path path;

	(void)state;
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
		if (path_parse(plain[i], &path) != 0) {
			fail_msg("refused: %s", plain[i]);
		}
		path_fini(&path);
	}
	for (size_t i = 0; i < sizeof(other) / sizeof(*other); i++) {
		if (path_parse(other[i], &path) != 1) {
			fail_msg("plain: %s", other[i]);
		}
	}
	assert_int_equal(path_parse(".a.\"b\\u00e9\"[12]", &path), 0);
	assert_int_equal(path.n, 3);
	assert_int_equal(path.steps[1].len, 3);
	assert_memory_equal(path.steps[1].name, "b\xC3\xA9", 3);
	assert_null(path.steps[2].name);
	assert_int_equal(path.steps[2].index, 12);
	path_fini(&path);
}

/* ---- trees and getters ---- */

/* json-c 0.16 reads an escaped U+1D800, a right pair of surrogates, as U+FFFD. */
static void test_pairs_json_c_loses(void **state)
{
	struct fixture *f = *state;
	size_t all = want(f, ".[0]");
	char text[32];

	for (uint32_t c = 0x10000; c <= 0x10FFFF; c += 0x155) {
		struct json_object *tree = NULL, *member;

		snprintf(text, sizeof(text), "[\"\\u%04X\\u%04x\\u0041\"]",
		    0xD800 + ((c - 0x10000) >> 10), 0xDC00 + (c & 0x3FF));
		scan(f, text);
		assert_int_equal(json_parse(text, strlen(text), &tree, NULL), 0);
		member = json_object_array_get_idx(tree, 0);
		expect(&f->ret[all], VALUE_STRING, json_object_get_string(member));
		assert_int_equal(f->ret[all].len, 5);
		json_object_put(tree);
		arena_reset(&f->arena);
	}
}

static struct json_object *parse(const char *text)
{
	struct json_object *tree = NULL;
	struct lead_error err = {0};

	if (json_parse(text, strlen(text), &tree, &err) != 0) {
		fail_msg("%s", err.text);
	}
	return tree;
}

static void test_parse(void **state)
{
	struct json_object *tree = parse("{\"a\\u0000b\":\"x\\u0000\\\\u0000\"}"), *v;

	(void)state;
	assert_false(json_object_object_get_ex(tree, "a", NULL));
	assert_true(json_object_object_get_ex(tree,
	    "a\xEF\xBF\xBD"
	    "b",
	    &v));
	assert_string_equal(json_object_get_string(v), "x\xEF\xBF\xBD\\u0000");
	json_object_put(tree);
	assert_null(parse("null"));
	tree = parse("12"); /* json-c alone waits for more */
	assert_int_equal(json_object_get_int(tree), 12);
	json_object_put(tree);
	tree = parse(" {\"a\":1,\"a\":2} \n");
	assert_int_equal(json_object_get_int(json_object_object_get(tree, "a")), 2);
	json_object_put(tree);
}

static void test_getters(void **state)
{
	struct json_object *t =
	    parse("{\"s\":\"12abc\",\"i\":5000000000,\"d\":5.0,\"b\":false,\"f\":\"false\","
		  "\"o\":{},\"l\":[],\"n\":null,\"zero\":0}");
	struct json_object *sub, *big = json_object_new_object();
	struct lead_error err;
	const char *text = "untouched";
	int64_t i = 7;
	bool b = true;

	(void)state;
	assert_int_equal(json_get_string(t, "s", "test", &text, &err), 0);
	assert_string_equal(text, "12abc");
	assert_int_equal(json_get_string(t, "i", "test", &text, &err), LEAD_EINPUT);
	assert_string_equal(err.text, "test: 'i' must be a string");
	assert_int_equal(json_get_string(t, "n", "test", &text, &err), 1);
	assert_int_equal(json_get_string(t, "absent", "test", &text, &err), 1);
	assert_string_equal(text, "12abc");
	assert_int_equal(json_get_int(t, "s", "test", 0, 100, &i, &err), LEAD_EINPUT);
	assert_int_equal(json_get_int(t, "d", "test", 0, 100, &i, &err), LEAD_EINPUT);
	assert_int_equal(json_get_int(t, "b", "test", 0, 100, &i, &err), LEAD_EINPUT);
	assert_int_equal(json_get_int(t, "i", "test", 0, 100, &i, &err), LEAD_EINPUT);
	assert_string_equal(err.text, "test: 'i' must lie between 0 and 100");
	assert_int_equal(i, 7);
	assert_int_equal(json_get_int(t, "i", "test", 0, INT64_MAX, &i, &err), 0);
	assert_int_equal(i, 5000000000);
	assert_int_equal(json_get_bool(t, "f", "test", &b, &err), LEAD_EINPUT);
	assert_int_equal(json_get_bool(t, "zero", "test", &b, &err), LEAD_EINPUT);
	assert_true(b);
	assert_int_equal(json_get_bool(t, "b", "test", &b, &err), 0);
	assert_false(b);
	assert_int_equal(json_get_object(t, "o", "test", &sub, &err), 0);
	assert_int_equal(json_get_object(t, "l", "test", &sub, &err), LEAD_EINPUT);
	assert_int_equal(json_get_array(t, "l", "test", &sub, &err), 0);
	assert_int_equal(json_get_array(t, "o", "test", &sub, &err), LEAD_EINPUT);
	assert_int_equal(json_get_array(sub, "o", "the list", &sub, &err), LEAD_EINPUT);
	assert_string_equal(err.text, "the list must be an object");
	assert_int_equal(json_get_int(NULL, "o", "test", 0, 1, &i, &err), LEAD_EINPUT);
	json_object_put(t);

	json_object_object_add(big, "u", json_object_new_uint64(UINT64_MAX));
	json_object_object_add(big, "z", json_object_new_string_len("a\0b", 3));
	assert_int_equal(
	    json_get_int(big, "u", "test", INT64_MIN, INT64_MAX, &i, &err), LEAD_EINPUT);
	assert_int_equal(json_get_string(big, "z", "test", &text, &err), LEAD_EINPUT);
	json_object_put(big);
}

static void test_write(void **state)
{
	struct buf b = {0};
	char every[128];

	(void)state;
	json_write_string(&b, "a\"b\\c/\n\x01\x7F\xC3\xA9\xFF\xE2\x82", 14);
	assert_string_equal(
	    b.data, "\"a\\\"b\\\\c/\\n\\u0001\x7F\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
	assert_int_equal(check(b.data), 0);
	buf_reset(&b);
	json_write_escaped(&b, "", 0);
	json_write_string(&b, "", 0);
	assert_string_equal(b.data, "\"\"");
	buf_reset(&b);
	for (int i = 0; i < 128; i++) {
		every[i] = (char)i;
	}
	json_write_string(&b, every + 1, 127);
	assert_int_equal(check(b.data), 0);
	assert_int_equal(json_unescape(b.data + 1, b.len - 2, b.data), 127);
	assert_memory_equal(b.data, every + 1, 127);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_suite),
	    cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_error_tells_the_place),
	    cmocka_unit_test(test_numbers_json_c_changes),
	    cmocka_unit_test(test_largest_double),
	    cmocka_unit_test(test_strings_json_c_lets_through),
	    cmocka_unit_test(test_string_steps),
	    cmocka_unit_test_setup_teardown(test_scan_finds, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_scan_last_key_wins, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_scan_memory, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_scan_many_paths, setup, teardown),
	    cmocka_unit_test(test_path_grammar),
	    cmocka_unit_test_setup_teardown(test_pairs_json_c_loses, setup, teardown),
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_getters),
	    cmocka_unit_test(test_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
