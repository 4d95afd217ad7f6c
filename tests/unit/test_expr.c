/* lib/base/expr.h: the fast path and libjq say the same, and no expression can hurt the process. */
#include "lib/base/expr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/ids.h"

static struct expr *compile(const char *text)
{
	struct lead_error err = {0};
	struct expr *e = NULL;

	if (expr_compile(text, NULL, &e, &err) != 0) {
		print_message("%s: %s\n", text, err.text);
		fail();
	}
	return e;
}

/* The result written as JSON, "NONE", or "error: text". */
static void eval(struct expr *e, const char *json, struct buf *out)
{
	struct lead_error err = {0};
	struct arena a = {0};
	struct value v;
	int rc = expr_eval_json(e, json, strlen(json), &a, &v, &err);

	buf_reset(out);
	if (rc != 0) {
		assert_int_equal(rc, LEAD_EINPUT);
		buf_printf(out, "error: %s", err.text);
	} else if (v.kind == VALUE_NONE) {
		buf_add_text(out, "NONE");
	} else {
		value_write_json(out, &v);
	}
	arena_free(&a);
}

struct eval_case {
	const char *text, *json, *result;
};

static void run_cases(const struct eval_case *cases, size_t n, bool plain)
{
	struct buf out = {0};

	for (size_t i = 0; i < n; i++) {
		struct expr *e = compile(cases[i].text);

		if ((expr_path(e) != NULL) != plain) {
			fail_msg("%s went the wrong way", cases[i].text);
		}
		eval(e, cases[i].json, &out);
		if (strcmp(out.data, cases[i].result) != 0) {
			fail_msg("%s on %s: %s, not %s", cases[i].text, cases[i].json, out.data,
			    cases[i].result);
		}
		expr_free(e);
	}
	buf_free(&out);
}

static void test_plain(void **state)
{
	static const struct eval_case cases[] = {
	    {".", "{\"a\":[1, 2]}", "{\"a\":[1, 2]}"},
	    {".a", "{\"a\":\"x\"}", "\"x\""},
	    {"  .a.b \n", "{\"a\":{\"b\":true}}", "true"},
	    {".a[1].\"x y\"", "{\"a\":[0,{\"x y\":\"z\"}]}", "\"z\""},
	    {".a.b", "{\"a\":\"text\"}", "NONE"},
	    {".a", "{\"a\":null}", "null"},
	    {".a // \"d\"", "{\"a\":null}", "\"d\""},
	    {".a // \"d\"", "{\"a\":false}", "\"d\""},
	    {".a // \"d\"", "{\"a\":\"\"}", "\"\""},
	    {".a // \"d\"", "{\"a\":0}", "0"},
	    {".a // \"d\"", "{}", "\"d\""},
	    {".a//-1.50", "{}", "-1.50"},
	    {".a // {\"b\": [1, null]}", "[]", "{\"b\": [1, null]}"},
	    {".a // null", "{\"a\":false}", "null"},
	    {".a // false", "{}", "false"},
	    {".a // empty", "{\"a\":false}", "NONE"},
	    {".a // empty", "{\"a\":1}", "1"},
	    {".\"a//b\" // \"//\"", "{}", "\"//\""},
	    {".\"a//b\" // \"//\"", "{\"a//b\":1}", "1"},
	    {".\"\\u0061\" // \"\\u00e4\"", "{\"a\":1}", "1"},
	    {".b // \"\\u00e4\"", "{\"a\":1}", "\"ä\""},
	    /* no digit is lost */
	    {".id", "{\"id\":9223372036854775807}", "9223372036854775807"},
	    {".id", "{\"id\":1.10000000000000000000001}", "1.10000000000000000000001"},
	    {".id // 12345678901234567890", "{}", "12345678901234567890"},
	};

	(void)state;
	run_cases(cases, sizeof(cases) / sizeof(*cases), true);
}

static void test_jq(void **state)
{
	static const struct eval_case cases[] = {
	    {".a + 1", "{\"a\":2}", "3"},
	    {".a | length", "{\"a\":\"äöü\"}", "3"},
	    {"[.a[] | select(. > 1)]", "{\"a\":[1,2,3]}", "[2,3]"},
	    {".a, .b", "{\"a\":1,\"b\":2}", "1"},
	    {"empty", "1", "NONE"},
	    {".[]", "[]", "NONE"},
	    {".a // .b", "{\"b\":2}", "2"},
	    {".a // 1 // 2", "{}", "1"},
	    {".a // \"x\\(.b)\"", "{\"b\":2}", "\"x2\""},
	    {".[-1]", "[1,2]", "2"},
	    {"{a: .b}", "{\"b\":{\"c\":\"d/e\"}}", "{\"a\":{\"c\":\"d/e\"}}"},
	    {".a == null", "{}", "true"},
	    {"# a comment\n.a", "{\"a\":1}", "1"},
	    {".a | test(\"^x\")", "{\"a\":\"xy\"}", "true"},
	    {".a | @uri", "{\"a\":\"ä b\"}", "\"%C3%A4%20b\""},
	    {"nan", "1", "null"},
	    {"1000000", "1", "1000000"},
	    {"\"a\\u0000b\"", "1",
		"\"a\xEF\xBF\xBD"
		"b\""},
	    {"first(range(10; 20))", "1", "10"},
	    /* mended: an empty needle went round for ever, a late date aborted */
	    {".a | index(\"\")", "{\"a\":\"b\"}", "null"},
	    {".a | index(\"@\")", "{\"a\":\"b@c\"}", "1"},
	    {".a | rindex(\"@\")", "{\"a\":\"b@@c\"}", "2"},
	    {".a | indices(\"b\")", "{\"a\":\"abcb\"}", "[1,3]"},
	    {".a | indices([])", "{\"a\":[1]}", "null"},
	    {"0 | todate", "1", "\"1970-01-01T00:00:00Z\""},
	    {".a | todate", "{\"a\":1e300}",
		"error: '.a | todate': … converting number of seconds since … to datetime"},
	    {".a | strftime(\"%Y\")", "{\"a\":[2026,0,1,0,0,0,0,0]}", "\"2026\""},
	};

	(void)state;
	run_cases(cases, sizeof(cases) / sizeof(*cases), false);
}

/* Both engines on the same random paths and documents. */

static void write_random(struct dice *dice, struct buf *out, int depth)
{
	static const char *const keys[] = {"a", "b", "\\u0061", "x y", "c1", "ä"};
	static const char *const scalars[] = {"null", "true", "false", "0", "-1", "12.5", "1e3",
	    "9007199254740991", "\"\"", "\"text\"", "\"a\\nb\\u00e4\\ud83d\\ude00\"",
	    "\"\\\"\\\\/\"", "-0.001", "\"\\u0000\""};
	uint64_t what = dice_below(dice, depth > 0 ? 4 : 1), n = dice_below(dice, 5);

	if (what == 0) {
		buf_add_text(out, scalars[dice_below(dice, sizeof(scalars) / sizeof(*scalars))]);
	} else if (what == 1) {
		buf_add_char(out, '[');
		for (uint64_t i = 0; i < n; i++) {
			buf_add_text(out, i > 0 ? ", " : "");
			write_random(dice, out, depth - 1);
		}
		buf_add_char(out, ']');
	} else {
		buf_add_char(out, '{');
		for (uint64_t i = 0; i < n; i++) {
			buf_printf(out, "%s\"%s\" :", i > 0 ? "," : " ",
			    keys[dice_below(dice, sizeof(keys) / sizeof(*keys))]);
			write_random(dice, out, depth - 1);
		}
		buf_add_char(out, '}');
	}
}

/* The path alone, and what follows it. */
static const char *write_random_path(struct dice *dice, struct buf *out)
{
	static const char *const steps[] = {".a", ".b", ".\"x y\"", ".c1", "[0]", "[1]", "[2]",
	    ".\"\\u00e4\"", ".\"a\"", ".a", ".b", ".a"};
	static const char *const literals[] = {
	    " // \"d\"", "//null", " // 7", " // [1,{\"a\":-2}]", " // empty", "//false"};
	uint64_t n = dice_below(dice, 4);

	for (uint64_t i = 0; i <= n; i++) {
		const char *step = steps[dice_below(dice, sizeof(steps) / sizeof(*steps))];

		buf_printf(out, "%s%s", i == 0 && *step == '[' ? "." : "", step);
	}
	return dice_below(dice, 3) > 0
		   ? ""
		   : literals[dice_below(dice, sizeof(literals) / sizeof(*literals))];
}

/* In jq's own spelling; absent and null are one. */
static void normalise(struct expr *identity, struct buf *result)
{
	struct buf out = {0};

	if (strcmp(result->data, "NONE") == 0) {
		buf_reset(result);
		buf_add_text(result, "null");
	}
	eval(identity, result->data, &out);
	buf_free(result);
	*result = out;
}

static void test_both_agree(void **state)
{
	struct expr *identity = compile("(.)");
	struct buf docs[60] = {{0}}, fast = {0}, slow = {0};
	size_t found = 0;
	struct dice dice;

	(void)state;
	dice_seed(&dice, 20261122);
	for (size_t i = 0; i < 60; i++) {
		write_random(&dice, &docs[i], 5);
	}
	for (size_t i = 0; i < 60; i++) {
		struct buf path = {0}, text = {0};
		const char *tail = write_random_path(&dice, &path);
		struct expr *plain, *jq;

		buf_printf(&text, "%s%s", path.data, tail);
		plain = compile(text.data);
		assert_non_null(expr_path(plain));
		buf_reset(&text);
		buf_printf(&text, "(%s)? %s", path.data, tail); /* cannot be indexed: absent */
		jq = compile(text.data);
		assert_null(expr_path(jq));
		for (size_t k = 0; k < 60; k++) {
			eval(plain, docs[k].data, &fast);
			eval(jq, docs[k].data, &slow);
			normalise(identity, &fast);
			normalise(identity, &slow);
			if (strcmp(fast.data, slow.data) != 0) {
				fail_msg("%s: %s, jq says %s, on %s", expr_text(plain), fast.data,
				    slow.data, docs[k].data);
			}
			found += strcmp(fast.data, "null") != 0;
		}
		expr_free(jq);
		expr_free(plain);
		buf_free(&path);
		buf_free(&text);
	}
	assert_true(found > 200); /* the paths do hit something */
	for (size_t i = 0; i < 60; i++) {
		buf_free(&docs[i]);
	}
	buf_free(&fast);
	buf_free(&slow);
	expr_free(identity);
}

static void assert_refused(const char *text, const char *message)
{
	struct lead_error err = {0};
	struct expr *e = NULL;

	if (expr_compile(text, NULL, &e, &err) != LEAD_EINPUT) {
		fail_msg("%s was taken", text);
	}
	if (strstr(err.text, message) == NULL) {
		fail_msg("%s: %s, not %s", text, err.text, message);
	}
	assert_int_equal(expr_compile(text, NULL, &e, NULL), LEAD_EINPUT);
}

static void test_refused(void **state)
{
	static const char *const refused[] = {"env", "env.PATH", "$ENV.PATH", "$ ENV", "$ #x\n ENV",
	    "\"\\(env.PATH)\"", "\"a\\(\"b\\($ENV)\")\"", "[.a, input]", "inputs", "{a: env}",
	    "{a: .b, c: (1, env)}", "{\"a\": input}", "{a: 1} | env", "{(env.x): 1}", ".a|debug",
	    "stderr", "halt", "1|halt_error", "halt_error(1)", "$__loc__", "$__prog_args",
	    "input_line_number", "get_search_list", "import \"a\" as b; 1", "include \"a\"; 1",
	    "\"a\" | modulemeta", "now", "1|localtime", "_input", "def f: env; f", "a::env",
	    "{a: [1, env]}", "if env then 1 else 2 end", "@base64 \"\\(env)\"", "\"\\\\\\(env)\""};
	static const char *const taken[] = {"(.env)", ".a | .input", "{env: 1}", "{input, debug}",
	    "{a: 1, env: 2}", "\"env\"", "\"\\\"env\" | length", "\"a \\(.env) b\"", ".[\"halt\"]",
	    "1 # env\n", "{\"env\": 1}", ".a as $env | $env", ".environment|length"};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		assert_refused(refused[i], "is not allowed in an expression");
	}
	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++) {
		expr_free(compile(taken[i]));
	}
	assert_refused("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
	    "nested deeper than 64");
}

static void test_compile_errors(void **state)
{
	(void)state;
	assert_refused("", "empty expression");
	assert_refused(" \n", "empty expression");
	assert_refused(".a +", "'.a +': syntax error, unexpected $end");
	assert_refused(".a | nme", "'.a | nme': nme/0 is not defined");
	assert_refused(".a |\n.b | foo(1)", "foo/1 is not defined in line 2");
	assert_refused("$x", "$x is not defined");
	assert_refused("{a: 1",
	    "unexpected $end"); /* an open string is refused too, but leaks 21 bytes in libjq */
	assert_refused(".a)", "syntax error");
}

/* What a lead holds stays out of messages; the program's own words may be there. */
static void test_runtime_errors(void **state)
{
	static const struct eval_case cases[] = {
	    {".a + 1", "{\"a\":\"jane@example.com\"}",
		"error: '.a + 1': string … and number (1) cannot be added"},
	    {".a | tonumber", "{\"a\":\"jane@example.com\"}",
		"error: '.a | tonumber': Invalid numeric literal at EOF at line … column … (while "
		"parsing …"},
	    {"(.a.b)", "{\"a\":\"x\"}", "error: '(.a.b)': Cannot index string with string \"b\""},
	    {".[.a]", "{\"a\":5}", "error: '.[.a]': Cannot index object with number"},
	    {"error(.a)", "{\"a\":\"jane doe\"}", "error: 'error(.a)': …"},
	    {"error({b: .a})", "{\"a\":\"jane doe\"}", "error: 'error({b: .a})': error"},
	    {"error(\"no mail for \" + .a)", "{\"a\":\"jane doe\"}",
		"error: 'error(\"no mail for \" + .a)': no mail for …"},
	};

	(void)state;
	run_cases(cases, sizeof(cases) / sizeof(*cases), false);
}

static void test_budget(void **state)
{
	static const char *const endless[] = {"def f: f; if .go then f else 1 end",
	    "if .go then last(range(infinite)) else 1 end",
	    "if .go then [range(infinite)] else 1 end", "if .go then [repeat(.)] else 1 end",
	    "if .go then gsub(\"^\"; \"x\") else 1 end"};
	struct buf out = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(endless) / sizeof(*endless); i++) {
		struct expr *e = compile(endless[i]);

		for (int k = 0; k < 2; k++) {
			eval(e, i == 4 ? "\"abc\"" : "{\"go\":true}", &out);
			if (i != 4) {
				assert_non_null(strstr(out.data, "stopped after 20 ms"));
				eval(e, "{}", &out);
				assert_string_equal(out.data, "1");
			}
		}
		expr_free(e);
	}
	buf_free(&out);
}

static void test_input_size(void **state)
{
	static const struct {
		const char *text;
		size_t max;
	} cases[] = {{"length", 65536}, {"test(\"b\")", 4096}, {"[splits(\"b\")]", 4096},
	    {"split(\"b\")", 65536}, {"split(\"b\"; null)", 4096}, {"split (\"b\"; \"g\")", 4096},
	    {"split(\"b\") | limit(1; .[])", 65536}, {"[.] | sort", 4096}, {"\"test\" + .", 65536},
	    {"{test: .}", 65536}, {"\"\\([.]|unique)\"", 4096}};
	struct buf json = {0}, out = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct expr *e = compile(cases[i].text);

		for (size_t more = 0; more < 2; more++) {
			buf_reset(&json);
			buf_add_char(&json, '"');
			while (json.len < cases[i].max - 1 + more) {
				buf_add_char(&json, 'a');
			}
			buf_add_char(&json, '"');
			eval(e, json.data, &out);
			if ((strstr(out.data, "its input of") != NULL) != (more > 0)) {
				fail_msg(
				    "%s with %zu bytes: %.100s", cases[i].text, json.len, out.data);
			}
		}
		expr_free(e);
	}
	buf_free(&json);
	buf_free(&out);
}

static void test_result_bounds(void **state)
{
	struct expr *e = compile("reduce range(.) as $i (0; [.])");
	struct buf json = {0}, out = {0};

	(void)state;
	eval(e, "64", &out);
	assert_memory_equal(out.data, "[[[[", 4);
	eval(e, "65", &out);
	assert_non_null(strstr(out.data, "nested deeper than 64"));
	expr_free(e);
	e = compile(". * 17");
	buf_printf(&json, "\"%061680d\"", 0);
	eval(e, json.data, &out);
	assert_int_equal(out.len, 1048562);
	buf_reset(&json);
	buf_printf(&json, "\"%061681d\"", 0);
	eval(e, json.data, &out);
	assert_non_null(strstr(out.data, "its result is over 1048576 bytes"));
	expr_free(e);
	buf_free(&json);
	buf_free(&out);
}

/* A record of two fields, as a source. */
struct record {
	size_t fields, writes; /* how often it was asked */
	const char *whole;
};

static struct value record_field(const void *ctx, const char *name, size_t len)
{
	struct record *r = (struct record *)ctx;

	r->fields++;
	if (len == 5 && memcmp(name, "email", 5) == 0) {
		return value_text("a@b.c");
	}
	if (len == 4 && memcmp(name, "data", 4) == 0) {
		return (struct value){VALUE_JSON, 16, "{\"x\":[true,\"y\"]}"};
	}
	return (struct value){VALUE_NONE};
}

static void record_write(const void *ctx, struct buf *out)
{
	struct record *r = (struct record *)ctx;

	r->writes++;
	buf_add_text(out, r->whole);
}

static void test_source(void **state)
{
	static const struct {
		const char *text, *result;
		size_t fields, writes;
	} cases[] = {
	    {".email", "\"a@b.c\"", 1, 0},
	    {".email.x", "null", 1, 0},
	    {".email.x // 1", "1", 1, 0},
	    {".none", "null", 1, 0},
	    {".none // \"d\"", "\"d\"", 1, 0},
	    {".data", "{\"x\":[true,\"y\"]}", 1, 0},
	    {".data.x[1]", "\"y\"", 1, 0},
	    {".data.x[2]", "null", 1, 0},
	    {".[0]", "null", 0, 0},
	    {".", "{\"email\":\"a@b.c\"}", 0, 1},
	    {".email | length", "5", 0, 1},
	};
	struct buf out = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct record r = {.whole = "{\"email\":\"a@b.c\"}"};
		struct expr_source src = {record_field, record_write, &r};
		struct expr *e = compile(cases[i].text);
		struct lead_error err;
		struct arena a = {0};
		struct value v;

		assert_int_equal(expr_eval(e, &src, &a, &v, &err), 0);
		buf_reset(&out);
		value_write_json(&out, &v);
		assert_string_equal(out.data, cases[i].result);
		assert_int_equal(r.fields, cases[i].fields);
		assert_int_equal(r.writes, cases[i].writes);
		arena_free(&a);
		expr_free(e);
	}
	buf_free(&out);
}

static void test_source_too_large(void **state)
{
	struct buf whole = {0};
	struct record r = {0};
	struct expr_source src = {record_field, record_write, &r};
	struct expr *e = compile(".email | test(\"@\")");
	struct lead_error err;
	struct arena a = {0};
	struct value v;

	(void)state;
	buf_printf(&whole, "{\"email\":\"%*s\"}", 4096, "x");
	r.whole = whole.data;
	assert_int_equal(expr_eval(e, &src, &a, &v, &err), LEAD_EINPUT);
	assert_string_equal(err.text, "'.email | test(\"@\")': its input is over 4096 bytes");
	arena_free(&a);
	expr_free(e);
	buf_free(&whole);
}

static void add_name(void *arg, const char *name, size_t len)
{
	buf_printf(arg, "%.*s ", (int)len, name);
}

static void test_reads(void **state)
{
	static const struct {
		const char *text, *names;
	} cases[] = {
	    {".email", "email "},
	    {".a.b[0].c // \"x\"", "a "},
	    {".\"x y\".z", "x y "},
	    {".", ""},
	    {".[0].a", ""},
	    {".a.b + .c[0].d", "a c "},
	    {".items[].name | length", "items "},
	    {"if .a then.b else .c end", "a b c "},
	    {"\"Dear \\(.first_name) of \\(.company.name)\"", "first_name company "},
	    {"\".no\" + .yes", "yes "},
	    {".[\"x y\"] + .\"b\"", "x y b "},
	    {"reduce .a[] as $x (0; . + $x.price)", "a "},
	    {"{email, name: .b, c: (.d|length)}", "email b d "},
	    {".a?.b", "a "},
	    {"..|.a?", "a "},
	    {"1.5 + .5 + .a", "a "},
	    {".a # .b\n | length", "a "},
	};
	struct buf names = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct expr *e = compile(cases[i].text);

		buf_reset(&names);
		buf_add_text(&names, "");
		expr_reads(e, add_name, &names);
		if (strcmp(names.data != NULL ? names.data : "", cases[i].names) != 0) {
			fail_msg("%s reads %s", cases[i].text, names.data);
		}
		expr_free(e);
	}
	buf_free(&names);
}

static void test_default(void **state)
{
	struct expr *e = compile(".a // 5"), *bare = compile(".a");
	struct value v;

	(void)state;
	v = expr_default(e, (struct value){VALUE_FALSE});
	assert_int_equal(v.kind, VALUE_NUMBER);
	v = expr_default(e, value_text("x"));
	assert_int_equal(v.kind, VALUE_STRING);
	v = expr_default(bare, (struct value){VALUE_FALSE});
	assert_int_equal(v.kind, VALUE_FALSE);
	expr_free(e);
	expr_free(bare);
	expr_free(NULL);
}

/* libjq would read definitions from there, so that a file means another thing for another user. */
static void test_home_is_not_read(void **state)
{
	char dir[] = "/tmp/test_expr_XXXXXX", file[64], *home = getenv("HOME");
	char *saved = home != NULL ? strdup(home) : NULL;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/.jq", dir);
	f = fopen(file, "w");
	assert_non_null(f);
	fputs("def from_home: 42;\n", f);
	fclose(f);
	setenv("HOME", dir, 1);
	assert_refused("from_home", "from_home/0 is not defined");
	assert_string_equal(getenv("HOME"), dir);
	unlink(file);
	rmdir(dir);
	if (saved != NULL) {
		setenv("HOME", saved, 1);
	} else {
		unsetenv("HOME");
	}
	free(saved);
}

/* What is read while texts wait: whether each expression was taken, as a text of + and -. */
static void read_texts(struct expr_pool *pool, const char *const texts[], struct expr *ret[], char *said)
{
	for (; *texts != NULL; texts++, ret++) {
		struct lead_error err;

		*ret = NULL;
		*said++ = expr_compile(*texts, pool, ret, &err) == 0 ? '+' : '-';
	}
	*said = 0;
}

static void drop_texts(struct expr *list[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		expr_free(list[i]);
	}
}

/* The loop stood still for 150 ms when a file with five programs changed: they were compiled in one go, those that stood in it
 * before, too. */
static void test_pool(void **state)
{
	static const char *const before[] = {".a", ".a | length", " .a|length ", ".b + 1", ".a | length", NULL};
	static const char *const after[] = {".a", ".a | length", ".b + 2", ".c | nonsense", ".b + 2", NULL};
	struct expr_pool *pool = expr_pool_new();
	struct expr *old[5], *fresh[5];
	struct buf out = {0};
	char said[8];

	(void)state;
	read_texts(pool, before, old, said);
	assert_string_equal(said, "+++++");
	assert_int_equal(expr_pool_compiled(pool), 3); /* what is said twice is compiled once */
	expr_pool_defer(pool);

	read_texts(pool, before, fresh, said);
	assert_false(expr_pool_waiting(pool)); /* all as before: nothing to do */
	drop_texts(fresh, 5);

	read_texts(pool, after, fresh, said);
	assert_string_equal(said, "+++++");
	drop_texts(fresh, 5);
	for (int i = 0; i < 2; i++) {
		assert_true(expr_pool_waiting(pool));
		assert_int_equal(expr_pool_compiled(pool), 3 + i); /* one at a time */
		expr_pool_compile(pool);
	}
	assert_false(expr_pool_waiting(pool));
	read_texts(pool, after, fresh, said);
	assert_string_equal(said, "+++-+");
	assert_int_equal(expr_pool_compiled(pool), 5);

	drop_texts(old, 5);
	expr_pool_sweep(pool);
	eval(fresh[2], "{\"b\": 5}", &out);
	assert_string_equal(out.data, "7");
	read_texts(pool, before, old, said);
	assert_true(expr_pool_waiting(pool)); /* `.b + 1` was forgotten */
	drop_texts(old, 5);
	drop_texts(fresh, 5);
	expr_pool_free(pool);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain),
	    cmocka_unit_test(test_jq),
	    cmocka_unit_test(test_both_agree),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_compile_errors),
	    cmocka_unit_test(test_runtime_errors),
	    cmocka_unit_test(test_budget),
	    cmocka_unit_test(test_input_size),
	    cmocka_unit_test(test_result_bounds),
	    cmocka_unit_test(test_source),
	    cmocka_unit_test(test_source_too_large),
	    cmocka_unit_test(test_reads),
	    cmocka_unit_test(test_default),
	    cmocka_unit_test(test_home_is_not_read),
	    cmocka_unit_test(test_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
