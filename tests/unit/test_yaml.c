/* lib/base/yaml.h: what is taken, what is refused and where, and what a person is told. */
#include "lib/base/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/buf.h"

static struct yaml *parse(const char *text)
{
	struct lead_error err = {0};
	struct yaml *y = NULL;

	if (yaml_parse("f.yaml", text, strlen(text), &y, &err) != 0) {
		fail_msg("%s: %s", text, err.text);
	}
	return y;
}

static void test_tree(void **state)
{
	struct yaml *y = parse("# a comment\n"
			       "name: apollo\n"
			       "limits:\n"
			       "  - max: 5   # per\n"
			       "    per: 3s\n"
			       "  - {max: 100, per: 24h}\n"
			       "prompt: |\n"
			       "  Dear \"you\",\n"
			       "    indented: yes\n"
			       "\n"
			       "  bye\n"
			       "'quoted key': >-\n"
			       "  one\n"
			       "  line\n");
	const struct yaml_node *root = y->root, *node, *limits;

	(void)state;
	assert_string_equal(y->file, "f.yaml");
	assert_int_equal(root->kind, YAML_MAP);
	assert_int_equal(root->n, 4);
	assert_null(root->key);
	assert_null(root->parent);

	limits = yaml_get(root, "limits");
	assert_int_equal(limits->kind, YAML_LIST);
	assert_int_equal(limits->n, 2);
	assert_int_equal(limits->line, 4);
	assert_int_equal(limits->column, 3);
	assert_int_equal(limits->key_line, 3);
	assert_int_equal(limits->key_column, 1);
	assert_ptr_equal(limits->parent, root);

	node = yaml_get(limits->first, "per");
	assert_string_equal(node->text, "3s");
	assert_int_equal(node->line, 5);
	assert_int_equal(node->column, 10);
	assert_int_equal(node->key_line, 5);
	assert_int_equal(node->key_column, 5);
	node = yaml_get(limits->first->next, "max");
	assert_int_equal(node->integer, 100);
	assert_int_equal(node->line, 6);
	assert_null(limits->first->next->next);
	assert_null(limits->first->key);

	node = yaml_get(root, "prompt");
	assert_string_equal(node->text, "Dear \"you\",\n  indented: yes\n\nbye\n");
	assert_int_equal(node->len, strlen(node->text));
	assert_int_equal(node->kind, YAML_STRING);
	assert_int_equal(node->line, 7);
	assert_string_equal(yaml_get(root, "quoted key")->text, "one line");
	assert_null(yaml_get(root, "nothing"));
	assert_null(yaml_get(limits, "nothing"));
	assert_null(yaml_get(NULL, "nothing"));
	yaml_free(y);
	yaml_free(NULL);
}

static void test_types(void **state)
{
	static const struct {
		const char *text;
		enum yaml_kind kind;
		int64_t integer;
	} cases[] = {{"", YAML_NULL, 0}, {"~", YAML_NULL, 0}, {"null", YAML_NULL, 0},
	    {"NULL", YAML_NULL, 0}, {"nULL", YAML_STRING, 0}, {"true", YAML_BOOL, 1},
	    {"True", YAML_BOOL, 1}, {"FALSE", YAML_BOOL, 0}, {"yes", YAML_STRING, 0},
	    {"NO", YAML_STRING, 0}, {"on", YAML_STRING, 0}, {"y", YAML_STRING, 0},
	    {"tRue", YAML_STRING, 0}, {"0", YAML_INT, 0}, {"-17", YAML_INT, -17},
	    {"+5", YAML_INT, 5}, {"0123", YAML_INT, 123}, {"0o17", YAML_INT, 15},
	    {"0xfF", YAML_INT, 255}, {"0o8", YAML_STRING, 0}, {"-0x1", YAML_STRING, 0},
	    {"0x", YAML_STRING, 0}, {"1_000", YAML_STRING, 0},
	    {"9223372036854775807", YAML_INT, INT64_MAX},
	    {"-9223372036854775808", YAML_INT, INT64_MIN}, {"1.5", YAML_FLOAT, 0},
	    {"1.", YAML_FLOAT, 0}, {".5", YAML_FLOAT, 0}, {"-1e3", YAML_FLOAT, 0},
	    {"1e+3", YAML_FLOAT, 0}, {".inf", YAML_FLOAT, 0}, {"-.Inf", YAML_FLOAT, 0},
	    {".NaN", YAML_FLOAT, 0}, {"+.nan", YAML_STRING, 0}, {"1e", YAML_STRING, 0},
	    {"1e+", YAML_STRING, 0}, {".", YAML_STRING, 0}, {"-", YAML_LIST, 0},
	    {"1.2.3", YAML_STRING, 0}, {"12:30:45", YAML_STRING, 0}, {"2026-11-22", YAML_STRING, 0},
	    {"3s", YAML_STRING, 0}, {"+", YAML_STRING, 0}, {"'1'", YAML_STRING, 0},
	    {"\"true\"", YAML_STRING, 0}, {"''", YAML_STRING, 0}, {"|\n  5", YAML_STRING, 0},
	    {"=", YAML_STRING, 0}, {"<<", YAML_STRING, 0}, {"\"\\u00e4\"", YAML_STRING, 0},
	    {"[]", YAML_LIST, 0}, {"{}", YAML_MAP, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf text = {0};
		const struct yaml_node *node;
		struct yaml *y;

		buf_printf(
		    &text, "%s%s", cases[i].kind == YAML_LIST ? "k:\n " : "k: ", cases[i].text);
		y = parse(text.data);
		node = y->root->first;
		if (node->kind != cases[i].kind) {
			fail_msg("'%s' is of kind %d", cases[i].text, node->kind);
		}
		if (node->kind == YAML_BOOL) {
			assert_int_equal(node->boolean, cases[i].integer);
		} else {
			assert_int_equal(node->integer, cases[i].integer);
		}
		yaml_free(y);
		buf_free(&text);
	}
}

static void test_empty_files(void **state)
{
	static const char *const empty[] = {"", "\n\n", "# only a comment\n", "\xEF\xBB\xBF"};
	struct yaml *y;

	(void)state;
	for (size_t i = 0; i < sizeof(empty) / sizeof(*empty); i++) {
		y = parse(empty[i]);
		assert_null(y->root);
		yaml_free(y);
	}
	y = parse("---\n");
	assert_int_equal(y->root->kind, YAML_NULL);
	yaml_free(y);
	y = parse("\xEF\xBB\xBFkey: 1\n");
	assert_string_equal(y->root->first->key, "key");
	yaml_free(y);
	y = parse("--- \nkey: 1\r\nother: 2\r\n...\n");
	assert_int_equal(y->root->n, 2);
	yaml_free(y);
}

static void assert_refused(const char *text, size_t len, const char *message)
{
	struct lead_error err = {0};
	struct yaml *y = NULL;

	if (yaml_parse("f.yaml", text, len, &y, &err) != LEAD_EINPUT) {
		fail_msg("%s was taken", text);
	}
	if (strncmp(err.text, message, strlen(message)) != 0) {
		fail_msg("%s, not %s", err.text, message);
	}
	assert_null(y);
	assert_int_equal(yaml_parse("f.yaml", text, len, &y, NULL), LEAD_EINPUT);
}

static void test_refused(void **state)
{
	static const char *const cases[][2] = {
	    {"a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", "f.yaml:5:3: key 'c' stands already in line 3"},
	    {"{a: 1, b: 2, 'a': 3}", "f.yaml:1:14: key 'a' stands already in line 1"},
	    {"a: 1\n\"\\x61\": 2", "f.yaml:2:1: key 'a' stands already in line 1"},
	    {"a: &x 1\n", "f.yaml:1:4: anchors (&name)"},
	    {"a: &x\n  b: 1\n", "f.yaml:1:4: anchors (&name)"},
	    {"&x a: 1\n", "f.yaml:1:1: anchors (&name)"},
	    {"a: *x\n", "f.yaml:1:4: aliases (*name)"},
	    {"a: !!str 1\n", "f.yaml:1:4: tags (!name)"},
	    {"a: ! 1\n", "f.yaml:1:4: tags (!name)"},
	    {"a: !x [1]\n", "f.yaml:1:4: tags (!name)"},
	    {"a: 1\n---\nb: 2\n", "f.yaml:2:1: only one document per file"},
	    {"? [a]\n: 1\n", "f.yaml:1:3: a key must be a plain word or text"},
	    {"{a: 1}: 1\n", "f.yaml:1:1: a key must be a plain word or text"},
	    {"? {a: 1}\n: 1\n", "f.yaml:1:3: a key must be a plain word or text"},
	    {"'': 1\n", "f.yaml:1:1: a key is missing before the colon"},
	    {"a: \"x\\0y\"\n", "f.yaml:1:4: a NUL cannot stand in a text"},
	    {"a: 9223372036854775808\n", "f.yaml:1:4: the number is too large"},
	    {"a: \"\\ud800\"\n", "f.yaml:1:"},
	    {"ä: 1\nbö: \x80\n", "f.yaml:2:5: this byte is no UTF-8"},
	    {"a: \xC3", "f.yaml:1:4: this byte is no UTF-8"},
	    {"a: 1\nb: \x01\n", "f.yaml:2:4: control characters are not allowed"},
	    {"a: 1\n\tb: 2\n", "f.yaml:2:1: a tab stands where only spaces may indent"},
	    {"a:\n\tb: 2\n", "f.yaml:2:1: a tab stands where only spaces may indent"},
	    {"a: [1, 2\nb: 3\n", "f.yaml:2:"},
	    {"a: 1\n b: 2\n", "f.yaml:2:"},
	    {"a: b: c\n", "f.yaml:1:5: wrong indentation, or a text with a colon"},
	    {"a: \"open\n\n", "f.yaml:3:1: found unexpected end of stream while scanning a quoted "
			      "scalar that begins in line 1"},
	    {"%", "f.yaml:1:"},
	    {"@a", "f.yaml:1:1: a text that begins with this character must stand in quotes"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_refused(cases[i][0], strlen(cases[i][0]), cases[i][1]);
	}
	assert_refused("a: 1\nb: \0", 9, "f.yaml:2:4: a NUL byte");
	assert_refused("a\0: 1\n", 6, "f.yaml:1:2: a NUL byte");
}

static void test_depth(void **state)
{
	char text[256] = {0};
	struct yaml *y;

	(void)state;
	memset(text, '[', 32);
	memset(text + 32, ']', 32);
	y = parse(text);
	yaml_free(y);
	memset(text, '[', 33);
	memset(text + 33, ']', 33);
	assert_refused(text, 66, "f.yaml:1:33: nested too deep");
	memset(text, '\0', sizeof(text));
	for (size_t i = 0; i < 33; i++) {
		memcpy(text + i * 2, "- ", 2);
	}
	assert_refused(text, 66, "f.yaml:1:65: nested too deep");
}

/* A large file is read, and in time: neither depth nor many keys make it quadratic. */
static void test_size(void **state)
{
	struct buf text = {0};
	struct yaml *y;

	(void)state;
	for (unsigned i = 0; text.len < (1 << 20) - 16; i++) {
		buf_printf(&text, "k%u:\n", i);
	}
	y = parse(text.data);
	assert_true(y->root->n > 100000);
	yaml_free(y);
	while (text.len <= 1 << 20) {
		buf_add_char(&text, '#');
	}
	assert_refused(text.data, text.len, "f.yaml: larger than 1048576 bytes");
	buf_reset(&text);
	for (unsigned i = 0; i < 20000; i++) {
		buf_add_char(&text, '[');
	}
	assert_refused(text.data, text.len, "f.yaml:1:33: nested too deep");
	buf_free(&text);
}

static void test_load(void **state)
{
	char dir[] = "/tmp/test_yaml_XXXXXX", file[64];
	struct lead_error err;
	struct yaml *y = NULL;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/a.yaml", dir);
	assert_int_equal(yaml_load(file, &y, &err), LEAD_EINPUT);
	assert_non_null(strstr(err.text, "a.yaml: cannot be read: No such file"));
	f = fopen(file, "w");
	assert_non_null(f);
	fputs("a: 1\n", f);
	fclose(f);
	assert_int_equal(yaml_load(file, &y, &err), 0);
	assert_string_equal(y->file, file);
	assert_int_equal(yaml_get(y->root, "a")->integer, 1);
	yaml_free(y);
	unlink(file);
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_int_equal(yaml_load(file, &y, &err), LEAD_EINPUT);
	unlink(file);
	assert_int_equal(yaml_load(dir, &y, &err), LEAD_EINPUT);
	assert_non_null(strstr(err.text, "Is a directory"));
	rmdir(dir);
}

/* All readers on one file; what each finds wrong. */

static void assert_problems(const struct problems *p, const char *const expected[])
{
	const struct problem *problem = p->first;
	size_t n = 0;

	for (; problem != NULL && expected[n] != NULL; problem = problem->next, n++) {
		if (strcmp(problem->text, expected[n]) != 0) {
			fail_msg("%s\nnot %s", problem->text, expected[n]);
		}
	}
	assert_null(problem);
	assert_null(expected[n]);
	assert_int_equal(p->count, n);
}

static void test_only_keys(void **state)
{
	static const char *const keys[] = {"limits", "retries", "url", NULL};
	static const char *const expected[] = {
	    "services/x.yaml:2:3: unknown key 'limts', did you mean 'limits'?",
	    "services/x.yaml:4:3: unknown key 'colour' in a service, which knows limits, retries "
	    "or url",
	    "services/x.yaml:5:6: a service must be a map (key: value), not a list", NULL};
	static const char text[] = "good:\n  limts: 5\n  url: x\n  colour: red\nbad: [1]\n";
	struct lead_error err;
	struct problems p;
	struct yaml *y;

	(void)state;
	problems_init(&p);
	assert_int_equal(yaml_parse("services/x.yaml", text, strlen(text), &y, &err), 0);
	assert_int_equal(problems_result(&p, &err), 0);
	assert_false(yaml_only_keys(y, yaml_get(y->root, "good"), keys, "a service", &p));
	assert_false(yaml_only_keys(y, yaml_get(y->root, "bad"), keys, "a service", &p));
	assert_true(yaml_only_keys(y, yaml_get(y->root, "none"), keys, "a service", &p));
	assert_problems(&p, expected);
	assert_int_equal(problems_result(&p, &err), LEAD_EINPUT);
	assert_string_equal(err.text,
	    "services/x.yaml:2:3: unknown key 'limts', did you mean 'limits'?, and 2 more");
	problems_fini(&p);
	yaml_free(y);
}

static void test_read_good(void **state)
{
	static const char *const words[] = {"pass", "hold", "reject", NULL};
	struct yaml *y =
	    parse("s: text\nempty: ''\ni: -5\nb: true\nd: 1.5s\nm: 0.008\nm2: '12'\nm3: 3\n"
		  "w: hold\none: a\nmany: [a, 'b c']\nnone: []\n");
	const struct yaml_node *m = y->root;
	const char *s = "old", **texts = NULL;
	struct problems p;
	bool b = false;
	int64_t n = 77;
	int w = -1;

	(void)state;
	problems_init(&p);
	assert_false(yaml_read_string(y, m, "absent", &s, &p));
	assert_string_equal(s, "old");
	assert_true(yaml_read_string(y, m, "s", &s, &p));
	assert_string_equal(s, "text");
	assert_true(yaml_read_string(y, m, "empty", &s, &p));
	assert_string_equal(s, "");
	assert_false(yaml_read_int(y, m, "absent", 0, 1, &n, &p));
	assert_int_equal(n, 77);
	assert_true(yaml_read_int(y, m, "i", -5, -5, &n, &p));
	assert_int_equal(n, -5);
	assert_true(yaml_read_bool(y, m, "b", &b, &p));
	assert_true(b);
	assert_true(yaml_read_duration(y, m, "d", 0, 2000000, &n, &p));
	assert_int_equal(n, 1500000);
	assert_true(yaml_read_money(y, m, "m", &n, &p));
	assert_int_equal(n, 8000);
	assert_true(yaml_read_money(y, m, "m2", &n, &p));
	assert_int_equal(n, 12000000);
	assert_true(yaml_read_money(y, m, "m3", &n, &p));
	assert_int_equal(n, 3000000);
	assert_true(yaml_read_word(y, m, "w", words, &w, &p));
	assert_int_equal(w, 1);
	assert_int_equal(yaml_read_strings(y, m, "absent", &texts, &p), 0);
	assert_null(texts);
	assert_int_equal(yaml_read_strings(y, m, "one", &texts, &p), 1);
	assert_string_equal(texts[0], "a");
	assert_null(texts[1]);
	assert_int_equal(yaml_read_strings(y, m, "many", &texts, &p), 2);
	assert_string_equal(texts[1], "b c");
	assert_null(texts[2]);
	assert_int_equal(yaml_read_strings(y, m, "none", &texts, &p), 0);
	assert_null(texts[0]);
	assert_int_equal(p.count, 0);
	problems_fini(&p);
	yaml_free(y);
}

static void test_read_bad(void **state)
{
	static const char *const words[] = {"pass", "hold", "reject", NULL};
	static const char *const expected[] = {
	    "f.yaml:1:4: 's' must be text: put it in quotes, \"2024\"",
	    "f.yaml:2:4: 's2' must be text and is empty",
	    "f.yaml:3:5: 's3' must be text, not a list",
	    "f.yaml:4:4: 'i' must be a whole number, not a number",
	    "f.yaml:5:5: 'i2' must be between 1 and 100", "f.yaml:5:5: 'i2' must be at least 1",
	    "f.yaml:6:4: 'b' must be true or false, not text",
	    "f.yaml:7:4: 'd' needs a unit: us, ms, s, min, h, d or w",
	    "f.yaml:8:5: 'd2' must be a time such as 500ms, 30s, 15min, 2h or 1d, not text",
	    "f.yaml:9:5: 'd3' must be between 1.0 s and 1 min 00 s",
	    "f.yaml:9:5: 'd3' must be at least 1.0 s",
	    "f.yaml:10:4: 'm' must be an amount such as 0.008 (at most 6 decimals), not a number",
	    "f.yaml:11:4: 'w' must be pass, hold or reject, not 'rejct', did you mean 'reject'?",
	    "f.yaml:12:5: 'w2' must be pass, hold or reject",
	    "f.yaml:13:11: each entry of 'l' must be text, not a whole number",
	    "f.yaml:14:5: 'l2' must be text or a list of texts, not a map", NULL};
	struct yaml *y =
	    parse("s: 2024\ns2:\ns3: []\ni: 1.0\ni2: 0\nb: yes\nd: 30\nd2: soon\nd3: 5ms\n"
		  "m: 0.0000001\nw: rejct\nw2: []\nl: [text, 5]\nl2: {}\n");
	const struct yaml_node *m = y->root;
	const char *s = "old", **texts = NULL;
	struct problems p;
	bool b = true;
	int64_t n = 77;
	int w = -1;

	(void)state;
	problems_init(&p);
	assert_false(yaml_read_string(y, m, "s", &s, &p));
	assert_false(yaml_read_string(y, m, "s2", &s, &p));
	assert_false(yaml_read_string(y, m, "s3", &s, &p));
	assert_false(yaml_read_int(y, m, "i", 0, 9, &n, &p));
	assert_false(yaml_read_int(y, m, "i2", 1, 100, &n, &p));
	assert_false(yaml_read_int(y, m, "i2", 1, INT64_MAX, &n, &p));
	assert_false(yaml_read_bool(y, m, "b", &b, &p));
	assert_false(yaml_read_duration(y, m, "d", 0, 9, &n, &p));
	assert_false(yaml_read_duration(y, m, "d2", 0, 9, &n, &p));
	assert_false(yaml_read_duration(y, m, "d3", 1000000, 60000000, &n, &p));
	assert_false(yaml_read_duration(y, m, "d3", 1000000, INT64_MAX, &n, &p));
	assert_false(yaml_read_money(y, m, "m", &n, &p));
	assert_false(yaml_read_word(y, m, "w", words, &w, &p));
	assert_false(yaml_read_word(y, m, "w2", words, &w, &p));
	assert_int_equal(yaml_read_strings(y, m, "l", &texts, &p), 0);
	assert_int_equal(yaml_read_strings(y, m, "l2", &texts, &p), 0);
	assert_problems(&p, expected);
	assert_string_equal(s, "old");
	assert_int_equal(n, 77);
	assert_true(b);
	assert_int_equal(w, -1);
	assert_null(texts);
	problems_fini(&p);
	yaml_free(y);
}

static void test_problems(void **state)
{
	struct yaml *y = parse("a: 1\n");
	struct lead_error err;
	struct problems p;

	(void)state;
	problems_init(&p);
	problems_add(&p, y, NULL, "nothing in it");
	assert_int_equal(problems_result(&p, &err), LEAD_EINPUT);
	assert_string_equal(err.text, "f.yaml: nothing in it");
	assert_int_equal(problems_result(&p, NULL), LEAD_EINPUT);
	for (int i = 0; i < 200; i++) {
		problems_add(&p, y, y->root, "problem %d", i);
	}
	assert_int_equal(p.count, 100);
	problems_fini(&p);
	problems_add(&p, NULL, NULL, "g.yaml:3:1: %s", "the text alone");
	assert_string_equal(p.first->text, "g.yaml:3:1: the text alone");
	problems_fini(&p);
	problems_add(&p, y, y->root, "again");
	assert_string_equal(p.first->text, "f.yaml:1:1: again");
	problems_fini(&p);
	yaml_free(y);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_tree),
	    cmocka_unit_test(test_types),
	    cmocka_unit_test(test_empty_files),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_size),
	    cmocka_unit_test(test_load),
	    cmocka_unit_test(test_only_keys),
	    cmocka_unit_test(test_read_good),
	    cmocka_unit_test(test_read_bad),
	    cmocka_unit_test(test_problems),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
