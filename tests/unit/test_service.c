/* Service files: what a good one becomes, and what is said about a bad one. */
#include "tests/unit/service_file.h"

#include <glob.h>

static const char *const minimal = "service: x\n"
				   "base: https://api.example.com\n"
				   "calls:\n"
				   "  one:\n"
				   "    get: /one\n";

static void test_defaults(void **state)
{
	struct service *s = service_of(minimal);
	const struct service_call *c = service_find_call(s, "one");

	(void)state;
	assert_string_equal(s->name, "x");
	assert_string_equal(s->base, "https://api.example.com");
	assert_int_equal(s->refs, 1);
	assert_int_equal(s->concurrency, 64);
	assert_int_equal(s->margin_us, US_PER_S);
	assert_false(s->http2);
	assert_true(s->breaker.enabled);
	assert_int_equal(s->breaker.failures, 5);
	assert_int_equal(s->breaker.open_us, 300 * US_PER_S);
	assert_int_equal(s->breaker.probe_us, 60 * US_PER_S);
	assert_int_equal(s->quota.probe_us, 900 * US_PER_S);
	assert_int_equal(s->n_keys, 1);
	assert_int_equal(s->n_groups, 1);
	assert_null(s->keys[0].secret);
	assert_int_equal(s->n_limits, 0);
	assert_string_equal(c->method, "GET");
	assert_int_equal(c->connect_us, 10 * US_PER_S);
	assert_int_equal(c->total_us, 90 * US_PER_S);
	assert_int_equal(c->max_answer_bytes, 1 << 20);
	assert_int_equal(c->price_micro, 0);
	assert_int_equal(c->doubt, DOUBT_FREE); /* it only reads, for nothing */
	assert_int_equal(c->retry[OUTCOME_TRANSIENT].attempts, 3);
	assert_int_equal(c->retry[OUTCOME_TRANSIENT].base_us, 400 * US_PER_MS);
	assert_int_equal(c->retry[OUTCOME_UNSENT].attempts, 3);
	assert_int_equal(c->retry[OUTCOME_EMPTY].attempts, 1);
	assert_null(c->params[0]);
	assert_null(answer_names(c)[0]);
	assert_null(service_find_call(s, "two"));
	assert_ptr_equal(service_ref(s), s);
	service_unref(s);
	service_unref(s);
	service_unref(NULL);
}

static void test_keys(void **state)
{
	struct service *s = service_of(
	    "service: x\nbase: https://h.example/v1\n"
	    "keys: [a, {name: b, secret: b.key, group: shared}, {secret: c, group: shared}]\n"
	    "auth: bearer\n"
	    "calls: {one: {get: /}}\n");

	(void)state;
	assert_int_equal(s->n_keys, 3);
	assert_int_equal(s->n_groups, 2);
	assert_string_equal(s->keys[0].group, "a");
	assert_string_equal(s->keys[1].secret, "b.key");
	assert_int_equal(s->keys[1].group_index, 1);
	assert_int_equal(s->keys[2].group_index, 1);
	service_unref(s);
}

static void test_limits(void **state)
{
	struct service_options o = {.limit_factor = 60};
	const char *text =
	    "service: x\nbase: https://h.example\n"
	    "limits:\n"
	    "  - 1/3s\n"
	    "  - {limit: [50/60s, 10000/day], per: service, reserve: 20%, label: requests}\n"
	    "  - {limit: 5/s, calls: two, reserve: 90%}\n"
	    "calls: {one: {get: /}, two: {get: /}}\n";
	struct service *s = service_of(text), *fast;
	struct problems p;

	(void)state;
	assert_int_equal(s->n_limits, 3);
	assert_int_equal(s->limits[0].scope, LIMIT_PER_KEY);
	assert_int_equal(s->limits[0].calls & 3, 3);
	assert_string_equal(s->limits[0].label, "1/3s");
	assert_int_equal(s->limits[0].windows[0].max, 1);
	assert_int_equal(s->limits[1].scope, LIMIT_PER_SERVICE);
	assert_string_equal(s->limits[1].label, "requests");
	assert_int_equal(s->limits[1].n_windows, 2);
	assert_int_equal(s->limits[1].windows[0].max, 40);
	assert_int_equal(s->limits[1].declared[0], 50);
	assert_int_equal(s->limits[1].windows[1].kind, WINDOW_DAY);
	assert_int_equal(s->limits[1].windows[1].max, 8000);
	assert_int_equal(s->limits[2].calls, 2);
	assert_int_equal(s->limits[2].windows[0].max, 1); /* never less */

	problems_init(&p);
	assert_int_equal(service_parse("x.yaml", text, strlen(text), &o, &p, &fast), 0);
	assert_int_equal(fast->limits[0].windows[0].max, 60);
	assert_int_equal(fast->limits[1].windows[0].max, 2400);
	assert_int_equal(fast->limits[1].declared[0], 50);
	assert_int_not_equal(fast->text_hash, s->text_hash);
	problems_fini(&p);
	service_unref(fast);
	service_unref(s);
}

static void test_options(void **state)
{
	struct service_options o = {.base = "http://127.0.0.1:8080/zb"};
	struct problems p;
	struct service *s, *same = service_of(minimal), *again = service_of(minimal);

	(void)state;
	problems_init(&p);
	assert_int_equal(service_parse("x.yaml", minimal, strlen(minimal), &o, &p, &s), 0);
	assert_string_equal(s->base, "http://127.0.0.1:8080/zb");
	assert_int_equal(same->text_hash, again->text_hash);
	assert_int_not_equal(same->text_hash, s->text_hash);
	problems_fini(&p);
	service_unref(s);
	service_unref(same);
	service_unref(again);
}

static void test_calls(void **state)
{
	struct service *s = service_of(
	    "service: x\nbase: https://h.example\n"
	    "breaker: off\nconcurrency: 3\nmargin: 250ms\nhttp2: true\n"
	    "timeout: {connect: 2s, total: 30s}\n"
	    "retry: {transient: {attempts: 7, base: 1s, cap: 10s}, throttle: {base: 2min}}\n"
	    "max_answer: 64KiB\n"
	    "calls:\n"
	    "  push:\n"
	    "    post: /p/${.id}\n"
	    "    json: {a: \"${.a}\", b: \"${.b}\", c: '${.c // \"none\"}'}\n"
	    "    optional: b\n"
	    "    timeout: {total: 5s}\n"
	    "    in_doubt: {lookup: find}\n"
	    "    map: {one: .x, two: '.y | length'}\n"
	    "  find: {get: \"/f/${.id}\", in_doubt: free}\n"
	    "  again: {post: /, in_doubt: {repeat: 2}}\n"
	    "  held: {post: /}\n");
	const struct service_call *c = service_find_call(s, "push");

	(void)state;
	assert_false(s->breaker.enabled);
	assert_int_equal(s->concurrency, 3);
	assert_int_equal(s->margin_us, 250 * US_PER_MS);
	assert_true(s->http2);
	assert_int_equal(c->connect_us, 2 * US_PER_S);
	assert_int_equal(c->total_us, 5 * US_PER_S);
	assert_int_equal(c->max_answer_bytes, 65536);
	assert_int_equal(c->retry[OUTCOME_TRANSIENT].attempts, 7);
	assert_int_equal(c->retry[OUTCOME_IN_DOUBT].attempts, 7);
	assert_int_equal(c->retry[OUTCOME_THROTTLE].cap_us, 120 * US_PER_S); /* never below base */
	assert_string_equal(c->params[0], "id");
	assert_string_equal(c->params[1], "a");
	assert_string_equal(c->params[2], "b");
	assert_string_equal(c->params[3], "c");
	assert_null(c->params[4]);
	assert_string_equal(c->optional[0], "b");
	assert_string_equal(c->optional[1], "c");
	assert_null(c->optional[2]);
	assert_int_equal(c->doubt, DOUBT_LOOKUP);
	assert_ptr_equal(c->doubt_lookup, service_find_call(s, "find"));
	assert_string_equal(answer_names(c)[0], "one");
	assert_string_equal(answer_names(c)[1], "two");
	assert_null(answer_names(c)[2]);
	assert_int_equal(service_find_call(s, "again")->doubt, DOUBT_REPEAT);
	assert_int_equal(service_find_call(s, "again")->doubt_times, 2);
	assert_int_equal(service_find_call(s, "held")->doubt, DOUBT_HOLD);
	service_unref(s);
}

#define CALLS "calls: {one: {get: /}}\n"

/* Lines put behind the head of a file, or the whole file when `whole`, and exactly what is said. */
static const struct mistake {
	const char *text;
	const char *said[3];
	bool whole;
} mistakes[] = {
    {"limts: [1/3s]\n" CALLS, {"x.yaml:3:1: unknown key 'limts', did you mean 'limits'?"}},
    {"calls: {one: {get: /, quiery: {a: b}}}\n",
	{"x.yaml:3:23: unknown key 'quiery', did you mean 'query'?"}},
    {"calls: {one: {query: {a: b}}}\n",
	{"x.yaml:3:14: call 'one' needs a method and path, such as 'get: /path'"}},
    {"calls: {one: {get: /, post: /}}\n",
	{"x.yaml:3:29: a call has one method, and 'get' stands here already"}},
    {"calls: {one: {get: one}}\n", {"x.yaml:3:20: a path begins with '/'"}},
    {"calls: {one: {get: \"/a?b=c\"}}\n",
	{"x.yaml:3:20: '?' cannot stand in a path; parameters belong under 'query'"}},
    {"calls: {one: {get: /, json: {a: 1}}}\n", {"x.yaml:3:29: a GET request has no body"}},
    {"calls: {one: {post: /, json: {a: 1}, form: {b: 2}}}\n",
	{"x.yaml:3:44: a call has one body, and 'json' stands here already"}},
    {"calls: {one: {post: /, json: {a: .inf}}}\n", {"x.yaml:3:34: '.inf' is no number of JSON"}},
    {"calls: {one: {get: \"/${.a\"}}\n", {"x.yaml:3:20: path '/${.a': '${' without its '}'"}},
    {"calls: {one: {get: /, query: {a: \"${.a |}\"}}}\n",
	{"x.yaml:3:34: parameter 'a': '.a |': syntax error, unexpected $end"}},
    {"calls: {one: {get: /, query: {a: \"${.key}\"}}}\n",
	{"x.yaml:3:34: parameter 'a': ${.key} may stand in 'auth' only"}},
    {"calls: {one: {get: /, query: {a: \"${.call.time}\"}}}\n",
	{"x.yaml:3:34: parameter 'a': ${.call.time}: 'call' and 'key' are no parameters; only "
	 "${.call.id}, ${.call.idempotency_key}, ${.call.callback} and ${.key} may stand here"}},
    {"calls: {one: {get: /, query: {a: \"${env.HOME}\"}}}\n",
	{"x.yaml:3:34: parameter 'a': 'env.HOME': 'env' is not allowed in an expression"}},
    {"calls: {one: {get: /, query: {a: {b: c}}}}\n", {"x.yaml:3:34: 'a' must be a single value"}},
    {"calls: {one: {get: /, headers: {Host: x}}}\n",
	{"x.yaml:3:39: header 'Host' is set by the HTTP client itself"}},
    {"calls: {one: {get: /, headers: {\"A B\": x}}}\n",
	{"x.yaml:3:40: 'A B' is no name for a header"}},
    {"calls: {one: {get: /, headers: {A: \"x\\ny\"}}}\n",
	{"x.yaml:3:36: header 'A' must not hold control characters"}},
    {"calls: {one: {get: /, query: {q: \"${.email}\"}, optional: [emial]}}\n",
	{"x.yaml:3:58: no placeholder reads 'emial', did you mean 'email'?"}},
    {"calls: {one: {get: /, outcomes: [{status: 200, is: fine}]}}\n",
	{"x.yaml:3:52: 'is' must be ok, empty, pending, throttle, transient, quota, auth, refusal, "
	 "permanent, duplicate or in_doubt, not 'fine'"}},
    {"calls: {one: {get: /, outcomes: [{status: 200, is: permament}]}}\n",
	{"x.yaml:3:52: 'is' must be ok, empty, pending, throttle, transient, quota, auth, refusal, "
	 "permanent, duplicate or in_doubt, not 'permament', did you mean 'permanent'?"}},
    {"calls: {one: {get: /, outcomes: [{status: 4x, is: ok}]}}\n",
	{"x.yaml:3:43: a status is written 429, 5xx or 500-599"}},
    {"calls: {one: {get: /, outcomes: [{is: ok}]}}\n",
	{"x.yaml:3:34: a rule needs a condition: 'status', 'header', 'body', 'text' or 'when'"}},
    {"calls: {one: {get: /, outcomes: [{status: 404}]}}\n", {"x.yaml:3:34: a rule needs 'is'"}},
    {"calls: {one: {get: /, outcomes: [{status: 404, is: quota, reason: \"No!\"}]}}\n",
	{"x.yaml:3:67: a reason is made of small letters, digits and '-', at most 48"}},
    {"calls: {one: {get: /, outcomes: [{body: {.a: {equals: 1}}, is: ok}]}}\n",
	{"x.yaml:3:47: unknown key 'equals' in test, which knows not, contains, starts or "
	 "present"}},
    {"calls: {one: {get: /, outcomes: [{body: .a, is: ok}]}}\n",
	{"x.yaml:3:34: 'header' and 'body' are maps here: {name: value}"}},
    {"calls: {one: {get: /, outcomes: [{when: \".a ==\", is: ok}]}}\n",
	{"x.yaml:3:41: '.a ==': syntax error, unexpected $end"}},
    {"calls: {one: {get: /, outcomes: [{status: 429, is: throttle, until: day}]}}\n",
	{"x.yaml:3:69: 'until' is for 'is: quota' and 'is: auth'"}},
    {"calls: {one: {get: /, outcomes: [{status: 429, is: quota, until: day, zone: "
     "Mars/Olympus}]}}\n",
	{"x.yaml:3:77: cannot read time zone Mars/Olympus: No such file or directory"}},
    {"limits: [1/3x]\n" CALLS,
	{"x.yaml:3:10: '1/3x' is no limit: write 50/60s, 100/min, 10000/day or 5000/month"}},
    {"limits: [{limit: 1/3s, calls: [on]}]\n" CALLS,
	{"x.yaml:3:31: there is no call 'on', did you mean 'one'?"}},
    {"limits: [{limit: 1/3s, reserve: 20}]\n" CALLS,
	{"x.yaml:3:33: a reserve is written 1% to 90%"}},
    {"limits: [1/s, 2/s, 3/s, 4/s, 5/s]\n" CALLS,
	{"x.yaml:3:9: call 'one' counts in 5 limits, at most 4 are possible: put windows of one "
	 "kind into one limit"}},
    {"hints: [{header: x-left, tells: remaining}]\nlimits: [1/3s, 10/60s]\n" CALLS,
	{"x.yaml:3:9: say which window this is about: 'of' with a label or a limit"}},
    {"hints: [{header: x-left, tells: remaining, of: 9/60s}]\nlimits: [10/60s]\n" CALLS,
	{"x.yaml:3:48: no window is called '9/60s'; there is '10/60s'"}},
    {"hints: [{header: x-wait, tells: retryafter}]\n" CALLS,
	{"x.yaml:3:33: 'tells' must be retry-after, remaining, reset, quota-reset or limit, not "
	 "'retryafter', did you mean 'retry-after'?"}},
    {"hints: [{header: x-wait, body: .a, tells: reset}]\n" CALLS,
	{"x.yaml:3:9: say where to look: one of 'header' and 'body'"}},
    {"keys: [a]\n" CALLS, {"x.yaml:3:7: no 'auth' sends these keys"}},
    {"auth: bearer\n" CALLS, {"x.yaml:3:7: 'auth' sends a key, but there are no 'keys'"}},
    {"auth: basic\nkeys: [a]\n" CALLS, {"x.yaml:3:7: auth is 'bearer' or a map, not 'basic'"}},
    {"auth: {query: a, header: b}\nkeys: [a]\n" CALLS,
	{"x.yaml:3:7: auth needs one of 'header', 'query', 'body', 'basic'"}},
    {"auth: {body: key}\nkeys: [a]\n" CALLS,
	{"x.yaml:5:14: 'key' goes into the body, so this call needs a map under 'json' or 'form'"}},
    {"keys: [../etc]\nauth: bearer\n" CALLS,
	{"x.yaml:3:8: key '../etc': a name begins with a small letter and holds small letters, "
	 "digits, '-' and '_', at most 48",
	    "x.yaml:3:8: '../etc' is no name for a credential file"}},
    {"keys: [a, a]\nauth: bearer\n" CALLS, {"x.yaml:3:11: there are two keys named 'a'"}},
    {"timeout: {total: 5}\n" CALLS,
	{"x.yaml:3:18: 'total' needs a unit: us, ms, s, min, h, d or w"}},
    {"timeout: {connect: 20s, total: 5s}\n" CALLS,
	{"x.yaml:3:10: 'connect' is longer than 'total'"}},
    {"breaker: on\n" CALLS, {"x.yaml:3:10: breaker must be a map (key: value), not text"}},
    {"concurrency: 0\n" CALLS, {"x.yaml:3:14: 'concurrency' must be between 1 and 10000"}},
    {"calls: {one: {get: /, price: {body: .cost}}}\n",
	{"x.yaml:3:30: a price that the answer tells needs a 'ceiling' to reserve"}},
    {"calls: {one: {get: /, price: {per_call: 0.008, on: [unsent]}}}\n",
	{"x.yaml:3:53: 'unsent' is no outcome that can cost"}},
    {"calls: {one: {get: /, price: {tokens: {in: .a, out: .b, per_million: {m: [1, 2]}}, ceiling: "
     "1}}}\n",
	{"x.yaml:3:70: a table of models needs 'model', the place of the model's name"}},
    {"calls: {one: {get: /, price: {tokens: {in: .a, out: .b, per_million: [1]}, ceiling: 1}}}\n",
	{"x.yaml:3:70: prices per million tokens are written [in, out], such as [0.15, 0.60]"}},
    {"calls: {one: {get: /, price: {per_call: 0.1}, in_doubt: free}}\n",
	{"x.yaml:3:57: call 'one' has a price, so a doubtful one is not free"}},
    {"calls: {one: {get: /, in_doubt: {lookup: two}}}\n",
	{"x.yaml:3:42: there is no other call 'two'"}},
    {"calls: {one: {post: /, in_doubt: {lookup: two}}, two: {get: \"/${.id}\"}}\n",
	{"x.yaml:3:43: call 'two' needs parameter 'id', which call 'one' does not have"}},
    {"calls: {one: {post: /, in_doubt: {lookup: two}}, two: {post: /}}\n",
	{"x.yaml:3:43: call 'two' must have 'in_doubt: free' and no price to be looked up with"}},
    {"calls: {one: {get: /, in_doubt: reapeat}}\n",
	{"x.yaml:3:33: 'in_doubt' is hold, free, {repeat: N} or {lookup: CALL}"}},
    {"calls: {one: {get: /, map: {First: .a}}}\n",
	{"x.yaml:3:36: field 'First': a name begins with a small letter and holds small letters, "
	 "digits, '-' and '_', at most 48"}},
    {"calls: {one: {get: /, map: {first-name: .a}}}\n",
	{"x.yaml:3:41: field 'first-name': use '_' for '-', which means minus in jq"}},
    {"calls: {one: {get: /, map: {a: 1}}}\n",
	{"x.yaml:3:32: field 'a' needs a jq expression or {header: NAME}"}},
    {"calls: {one: {get: /, max_answer: 4MB}}\n", {"x.yaml:3:35: a size is written 1KiB to 64MiB"}},
    {"calls: {}\n", {"x.yaml:3:8: 'calls' must be a map of 1 to 32 calls"}},
    {"", {"x.yaml: 'calls' must be a map of 1 to 32 calls"}},
    {"calls: {One: {get: /}}\n", {"x.yaml:3:14: call 'One': a name begins with a small letter and "
				  "holds small letters, digits, '-' and '_', at most 48"}},
    {"call_id_header: \"a b\"\n" CALLS, {"x.yaml:3:17: 'a b' is no name for a header"}},
    {"", {"x.yaml: a service file is a map that begins with 'service: NAME'"}, true},
    {"[a]\n", {"x.yaml:1:1: a service file is a map that begins with 'service: NAME'"}, true},
    {"base: https://h.example\n" CALLS, {"x.yaml:1:1: a service file begins with 'service: NAME'"},
	true},
    {"service: x\n" CALLS,
	{"x.yaml:1:1: a service needs 'base', such as https://api.example.com/v1"}, true},
    {"service: x\nbase: ftp://h\n" CALLS,
	{"x.yaml:2:7: a base is https://host[:port][/path], without user, parameters or a slash at "
	 "its end"},
	true},
    {"service: x\nbase: https://h.example/\n" CALLS,
	{"x.yaml:2:7: a base is https://host[:port][/path], without user, parameters or a slash at "
	 "its end"},
	true},
    {"service: x\nbase: https://u:p@h.example\n" CALLS,
	{"x.yaml:2:7: a base is https://host[:port][/path], without user, parameters or a slash at "
	 "its end"},
	true},
    {"service: x\nservice: y\n", {"x.yaml:2:1: key 'service' stands already in line 1"}, true},
    {"service: x\nbase: *a\n",
	{"x.yaml:2:7: aliases (*name) are not supported; if it is text, put it in quotes"}, true},
};

static void test_mistakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
		const struct mistake *m = &mistakes[i];
		const struct problem *q;
		struct problems p;
		struct service *s = NULL;
		char text[2048];
		size_t n = 0;

		snprintf(text, sizeof text, "%s%s",
		    m->whole ? "" : "service: x\nbase: https://h.example\n", m->text);
		problems_init(&p);
		assert_int_equal(
		    service_parse("x.yaml", text, strlen(text), NULL, &p, &s), LEAD_EINPUT);
		assert_null(s);
		for (q = p.first; q != NULL; q = q->next) {
			if (n >= 3 || m->said[n] == NULL || strcmp(m->said[n], q->text) != 0) {
				print_error("mistake %zu:\n%s\nsaid: %s\nwant: %s\n", i, text,
				    q->text,
				    n < 3 && m->said[n] != NULL ? m->said[n] : "(nothing)");
				fail();
			}
			n++;
		}
		assert_true(n == 3 || m->said[n] == NULL);
		problems_fini(&p);
	}
}

static void test_missing_file(void **state)
{
	struct problems p;
	struct service *s;

	(void)state;
	problems_init(&p);
	assert_int_equal(service_load("/nonexistent/x.yaml", NULL, &p, &s), LEAD_EINPUT);
	assert_string_equal(
	    p.first->text, "/nonexistent/x.yaml: cannot be read: No such file or directory");
	problems_fini(&p);
}

/* Every file of etc/services loads, and carries the name of its file. */
static void test_shipped(void **state)
{
	glob_t files;

	(void)state;
	assert_int_equal(glob(SOURCE_ROOT "/etc/services/*.yaml", 0, NULL, &files), 0);
	assert_true(files.gl_pathc >= 4);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		char name[128];
		const char *slash = strrchr(files.gl_pathv[i], '/') + 1;
		struct service *s;

		snprintf(name, sizeof name, "%.*s", (int)(strlen(slash) - strlen(".yaml")), slash);
		s = service_shipped(name);
		assert_string_equal(s->name, name);
		assert_non_null(s->about);
		service_unref(s);
	}
	globfree(&files);
}

/* The manual page, NUL-terminated. */
static char *manual(void)
{
	static char text[65536];
	FILE *f = fopen(SOURCE_ROOT "/daemon/leadd-service.5.scd", "r");

	assert_non_null(f);
	text[fread(text, 1, sizeof text - 1, f)] = '\0';
	fclose(f);
	return text;
}

/* The manual's whole example is one that works. */
static void test_manual_example(void **state)
{
	char *begin = strstr(manual(), "```\n") + 4, *end = strstr(begin, "```");
	struct service *s;

	(void)state;
	*end = '\0';
	s = service_of(begin);
	assert_int_equal(s->n_groups, 2);
	assert_string_equal(answer_names(&s->calls[0])[1], "verify_score");
	service_unref(s);
}

/* All words that the readers know, as they themselves list them, stand in bold in the manual. */
static void test_manual_is_whole(void **state)
{
	static const char *const sections[] = {"qqqqqqqqqqqq: 1\n" CALLS,
	    "keys: {qqqqqqqqqqqq: 1}\n" CALLS, "auth: {qqqqqqqqqqqq: 1}\n" CALLS,
	    "limits: {qqqqqqqqqqqq: 1}\n" CALLS, "timeout: {qqqqqqqqqqqq: 1}\n" CALLS,
	    "breaker: {qqqqqqqqqqqq: 1}\n" CALLS, "quota: {qqqqqqqqqqqq: 1}\n" CALLS,
	    "hints: [{qqqqqqqqqqqq: 1}]\n" CALLS,
	    "hints: [{header: a, tells: qqqqqqqqqqqq}]\n" CALLS,
	    "hints: [{header: a, tells: retry-after, unit: qqqqqqqqqqqq}]\n" CALLS,
	    "outcomes: [{qqqqqqqqqqqq: 1}]\n" CALLS,
	    "outcomes: [{status: 1xx, is: qqqqqqqqqqqq}]\n" CALLS,
	    "outcomes: [{body: {.a: {qqqqqqqqqqqq: 1}}, is: ok}]\n" CALLS,
	    "retry: {qqqqqqqqqqqq: 1}\n" CALLS, "retry: {empty: {qqqqqqqqqqqq: 1}}\n" CALLS,
	    "calls: {one: {qqqqqqqqqqqq: 1}}\n",
	    "calls: {one: {get: /, price: {qqqqqqqqqqqq: 1}}}\n",
	    "calls: {one: {get: /, in_doubt: {qqqqqqqqqqqq: 1}}}\n",
	    "calls: {one: {get: /, price: {tokens: {qqqqqqqqqqqq: 1}}}}\n",
	    "calls: {one: {get: /, idempotency: {qqqqqqqqqqqq: 1}}}\n",
	    "calls: {one: {get: /, map: {a: {qqqqqqqqqqqq: 1}}}}\n",
	    "calls: {one: {post: /, batch: {qqqqqqqqqqqq: 1}}}\n",
	    "calls: {one: {post: /, json: '${.items}', batch: {size: 1, each: a, answers: .a, join: {qqqqqqqqqqqq: 1}}}}\n"};
	const char *page = manual();

	(void)state;
	for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
		struct problems p;
		struct service *s;
		char text[512], *words, *word;

		snprintf(text, sizeof text, "service: x\nbase: https://h.example\n%s", sections[i]);
		problems_init(&p);
		assert_int_equal(
		    service_parse("x.yaml", text, strlen(text), NULL, &p, &s), LEAD_EINPUT);
		words = strstr(p.first->text, "which knows ");
		words = words != NULL ? words + strlen("which knows ")
				      : strstr(p.first->text, "must be ") + strlen("must be ");
		for (word = strtok(words, ", "); word != NULL && strcmp(word, "not") != 0;
		     word = strtok(NULL, ", ")) {
			char bold[64];

			snprintf(bold, sizeof bold, "*%s*", word);
			if (strcmp(word, "or") != 0 && strstr(page, bold) == NULL) {
				print_error("%s is not in the manual (%s)\n", bold, sections[i]);
				fail();
			}
		}
		problems_fini(&p);
	}
}

static void assert_limit(const struct service *s, size_t limit, size_t window, const char *text)
{
	char out[48];

	window_write(&s->limits[limit].windows[window], out);
	assert_string_equal(out, text);
}

static void test_shipped_limits(void **state)
{
	struct service *verifier = service_shipped("zerobounce"),
		       *research = service_shipped("perplexity"), *copy = service_shipped("openai"),
		       *campaigns = service_shipped("instantly");

	(void)state;
	assert_limit(verifier, 0, 0, "1/3s");
	assert_limit(research, 0, 0, "50/60s");
	assert_limit(copy, 0, 0, "60/60s");
	assert_limit(copy, 0, 1, "10000/day");
	assert_null(copy->limits[0].windows[1].zone); /* UTC */
	assert_limit(campaigns, 0, 0, "100/60s");
	assert_int_equal(service_find_call(verifier, "validate")->price_micro, 8000);
	assert_int_equal(service_find_call(verifier, "validate")->doubt, DOUBT_REPEAT);
	assert_int_equal(service_find_call(research, "research")->price_micro, 20000);
	assert_int_equal(service_find_call(research, "research")->doubt_times, 1);
	assert_int_equal(service_find_call(copy, "chat")->price_micro, 10000);
	assert_int_equal(service_find_call(copy, "chat")->doubt, DOUBT_REPEAT);
	assert_int_equal(service_find_call(campaigns, "push")->doubt, DOUBT_LOOKUP);
	assert_int_equal(service_find_call(campaigns, "find")->doubt, DOUBT_FREE);
	assert_int_equal(service_find_call(campaigns, "find")->price_micro, 0);
	service_unref(verifier);
	service_unref(research);
	service_unref(copy);
	service_unref(campaigns);
}

/* The operator's own limits stand in another file, which may be gone before the service. */
static void test_own_limits(void **state)
{
	static const char service[] = "service: a\nbase: https://a.test\nlimits: [1/3s, 5/day]\ncalls: {x: {get: /x}, y: {get: /y}}\n";
	static const char wrong[] = "limits:\n  - {limit: 7/day, calls: [z]}\n";
	static const char own[] = "limits: [{limit: [600/60s, 10/1s], per: service, reserve: 20%, label: mine}, {limit: 7/day, calls: [y]}]\n";
	struct service *plain = service_of(service), *s = NULL, *again = NULL;
	struct service_options o = {0};
	struct problems p;
	struct yaml *y;

	(void)state;
	problems_init(&p);
	assert_int_equal(yaml_parse("leadd.yaml", own, strlen(own), &y, NULL), 0);
	o.limits_yaml = y;
	o.limits = yaml_get(y->root, "limits");
	assert_int_equal(service_parse("a.yaml", service, strlen(service), &o, &p, &s), 0);
	assert_int_equal(service_parse("a.yaml", service, strlen(service), &o, &p, &again), 0);
	yaml_free(y);
	assert_int_equal(s->n_limits, 2);
	assert_string_equal(s->limits[0].label, "mine");
	assert_int_equal(s->limits[0].scope, LIMIT_PER_SERVICE);
	assert_int_equal(s->limits[0].n_windows, 2);
	assert_int_equal(s->limits[0].windows[0].max, 480);
	assert_int_equal(s->limits[0].windows[0].length_us, 60 * US_PER_S);
	assert_int_equal(s->limits[0].windows[1].max, 8);
	assert_int_equal(s->limits[0].windows[1].length_us, US_PER_S);
	assert_string_equal(s->limits[1].label, "7/day");
	assert_int_equal(s->limits[1].calls, 2);
	assert_true(s->text_hash == again->text_hash);
	assert_true(s->text_hash != plain->text_hash);
	service_unref(plain);
	service_unref(s);
	service_unref(again);

	/* mistakes are told with their place in that file */
	assert_int_equal(yaml_parse("leadd.yaml", wrong, strlen(wrong), &y, NULL), 0);
	o.limits_yaml = y;
	o.limits = yaml_get(y->root, "limits");
	assert_int_equal(service_parse("a.yaml", service, strlen(service), &o, &p, &s), LEAD_EINPUT);
	assert_non_null(strstr(p.first->text, "leadd.yaml:2:"));
	yaml_free(y);
	problems_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_own_limits),
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_options),
	    cmocka_unit_test(test_calls),
	    cmocka_unit_test(test_mistakes),
	    cmocka_unit_test(test_missing_file),
	    cmocka_unit_test(test_shipped),
	    cmocka_unit_test(test_shipped_limits),
	    cmocka_unit_test(test_manual_example),
	    cmocka_unit_test(test_manual_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
