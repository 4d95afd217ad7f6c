/* Requests: templates keep types, nothing breaks out of its place, secrets stay where they belong.
 */
#include "tests/unit/service_file.h"

static struct arena arena;

static struct request_input input(const char *params)
{
	static struct expr_source source = {.field = params_field, .write = params_write};

	source.ctx = params;
	return (struct request_input){.params = &source,
	    .call_id = "0123456789abcdef",
	    .idempotency_key = "run7-12-push",
	    .secret = "s3cr&t",
	    .secret_len = 6};
}

/* The request of the only call of a service; `rest` stands behind its head. */
static struct request render(const char *rest, const char *params)
{
	struct request_input in = input(params);
	struct lead_error err = {0};
	struct request r;
	char text[2048];
	struct service *s;

	snprintf(text, sizeof text, "service: x\nbase: https://h.example/v1\n%s", rest);
	s = service_of(text);
	if (request_render(s, &s->calls[0], &in, &arena, &r, &err) != 0) {
		print_error("%s\n", err.text);
		fail();
	}
	r.url = arena_dup(&arena, r.url, strlen(r.url));
	for (size_t i = 0; i < r.n_headers; i++) { /* static ones live in the service */
		r.headers[i].name = arena_dup(&arena, r.headers[i].name, strlen(r.headers[i].name));
		r.headers[i].value =
		    arena_dup(&arena, r.headers[i].value, strlen(r.headers[i].value));
	}
	service_unref(s);
	return r;
}

static const char *refused(const char *rest, const char *params)
{
	struct request_input in = input(params);
	static struct lead_error err;
	struct request r;
	char text[2048];
	struct service *s;

	snprintf(text, sizeof text, "service: x\nbase: https://h.example/v1\n%s", rest);
	s = service_of(text);
	assert_int_equal(request_render(s, &s->calls[0], &in, &arena, &r, &err), LEAD_EINPUT);
	assert_int_equal(err.code, LEAD_EINPUT);
	service_unref(s);
	return err.text;
}

static const char *header(const struct request *r, const char *name)
{
	for (size_t i = 0; i < r->n_headers; i++) {
		if (strcmp(r->headers[i].name, name) == 0) {
			return r->headers[i].value;
		}
	}
	return NULL;
}

static const char *url(const char *call, const char *params)
{
	char rest[1024];

	snprintf(rest, sizeof rest, "calls: {one: {%s}}\n", call);
	return render(rest, params).url;
}

static const char *json(const char *body, const char *params)
{
	char rest[1024];

	snprintf(rest, sizeof rest, "calls: {one: {post: /, json: %s}}\n", body);
	return render(rest, params).body;
}

static void test_url(void **state)
{
	(void)state;
	assert_string_equal(url("get: /a", "{}"), "https://h.example/v1/a");
	assert_string_equal(url("get: '/a/${.id}/b'", "{\"id\":\"x y/z?#%\"}"),
	    "https://h.example/v1/a/x%20y%2Fz%3F%23%25/b");
	assert_string_equal(url("get: '/${.n}'", "{\"n\":7}"), "https://h.example/v1/7");
	assert_string_equal(url("get: /, query: {q: 'a b&c', n: 1, t: true}", "{}"),
	    "https://h.example/v1/?q=a%20b%26c&n=1&t=true");
	assert_string_equal(
	    url("get: /, query: {email: '${.email}'}", "{\"email\":\"a+b&c=d@ex.test\"}"),
	    "https://h.example/v1/?email=a%2Bb%26c%3Dd%40ex.test");
	assert_string_equal(url("get: /, query: {q: 'x ${.a}!', e: ''}", "{\"a\":\"\\u00e9\"}"),
	    "https://h.example/v1/?q=x%20%C3%A9%21&e=");
	assert_string_equal(url("get: /, query: {'a[]': '${.a}'}", "{\"a\":\"1\"}"),
	    "https://h.example/v1/?a%5B%5D=1");
}

static void test_query_absent_and_lists(void **state)
{
	(void)state;
	assert_string_equal(
	    url("get: /, query: {a: '${.a}', b: '${.b}', c: '${.c}'}", "{\"b\":null,\"c\":\"\"}"),
	    "https://h.example/v1/?c=");
	assert_string_equal(url("get: /, query: {a: null, t: ['${.a}', x]}", "{\"a\":1}"),
	    "https://h.example/v1/?t=1&t=x");
	assert_string_equal(
	    url("get: /, query: {'t[]': '${.t}'}",
		"{\"t\":[ \"a,b\", 2 ,true,null,\"q\\\"]\\\\\", {\"k\":[1,2]}, [3] ]}"),
	    "https://h.example/v1/?t%5B%5D=a%2Cb&t%5B%5D=2&t%5B%5D=true&t%5B%5D=q%22%5D%5C"
	    "&t%5B%5D=%7B%22k%22%3A%5B1%2C2%5D%7D&t%5B%5D=%5B3%5D");
	assert_string_equal(
	    url("get: /, query: {t: '${.t}'}", "{\"t\":[]}"), "https://h.example/v1/");
}

static void test_path_refuses(void **state)
{
	static const char *const call = "calls: {one: {get: '/leads/${.id}'}}\n";

	(void)state;
	assert_string_equal(refused(call, "{\"id\":\"..\"}"),
	    "x one: path '/leads/${.id}': ${.id} is empty or made of dots, which no path can hold");
	refused(call, "{\"id\":\".\"}");
	refused(call, "{\"id\":\"\"}");
	refused(call, "{}");
	refused(call, "{\"id\":null}");
	assert_string_equal(
	    url("get: '/leads/${.id}'", "{\"id\":\"...\"}"), "https://h.example/v1/leads/...");
}

static void test_json_types(void **state)
{
	(void)state;
	assert_string_equal(
	    json("{a: '${.a}', b: '${.b}', c: '${.c}', d: '${.d}', e: '${.e}', f: '${.f}'}",
		"{\"a\":\"x\",\"b\":1.50,\"c\":true,\"d\":null,\"e\":{\"k\":[1, 2]},\"f\":[]}"),
	    "{\"a\":\"x\",\"b\":1.50,\"c\":true,\"d\":null,\"e\":{\"k\":[1, 2]},\"f\":[]}");
	assert_string_equal(
	    json("{a: 'v${.b}', n: 12, h: 0x1F, f: 1.5, g: +.5, t: true, z: null, s: '12', o: yes}",
		"{\"b\":1.50}"),
	    "{\"a\":\"v1.50\",\"n\":12,\"h\":31,\"f\":1.5,\"g\":0.5,\"t\":true,\"z\":null,\"s\":"
	    "\"12\",\"o\":\"yes\"}");
	assert_string_equal(json("'${.whole}'", "{\"whole\":[1,{\"a\":2}]}"), "[1,{\"a\":2}]");
	assert_string_equal(json("'${.gone}'", "{}"), "null");
	assert_string_equal(json("[]", "{}"), "[]");
	assert_string_equal(json("{}", "{}"), "{}");
	assert_string_equal(json("'just ${.a}'", "{\"a\":\"x\"}"), "\"just x\"");
	assert_string_equal(
	    json("{deep: [{a: ['${.a}']}, []]}", "{\"a\":1}"), "{\"deep\":[{\"a\":[1]},[]]}");
	assert_string_equal(json("{n: '${.n}'}", "{\"n\":12345678901234567890.10}"),
	    "{\"n\":12345678901234567890.10}");
}

/* A member or item that is one placeholder without a value is left out, with the right comma. */
static void test_json_absent(void **state)
{
	(void)state;
	assert_string_equal(json("{a: '${.a}', b: 1}", "{}"), "{\"b\":1}");
	assert_string_equal(json("{b: 1, a: '${.a}'}", "{}"), "{\"b\":1}");
	assert_string_equal(json("{b: 1, a: '${.a}', c: 2}", "{}"), "{\"b\":1,\"c\":2}");
	assert_string_equal(json("{a: '${.a}', b: '${.b}', c: '${.c}'}", "{\"b\":2}"), "{\"b\":2}");
	assert_string_equal(
	    json("{a: '${.a}', b: '${.b}', c: '${.c}'}", "{\"a\":1,\"c\":3}"), "{\"a\":1,\"c\":3}");
	assert_string_equal(json("{a: '${.a}', b: '${.b}'}", "{}"), "{}");
	assert_string_equal(json("{a: '${.a}', b: {c: '${.c}', d: x}, e: '${.e}'}", "{\"e\":5}"),
	    "{\"b\":{\"d\":\"x\"},\"e\":5}");
	assert_string_equal(
	    json("['${.a}', x, '${.b}', '${.c}']", "{\"b\":\"{\"}"), "[\"x\",\"{\"]");
	assert_string_equal(json("['${.a}', '${.b}', 1]", "{\"a\":\"[\"}"), "[\"[\",1]");
	assert_string_equal(json("{a: 'x${.a}'}", "{}"), "{\"a\":\"x\"}"); /* a mixed text stays */
	assert_string_equal(
	    json("{a: '${.a // \"d\"}', b: '${.b // empty}'}", "{}"), "{\"a\":\"d\"}");
}

static void test_json_escaping(void **state)
{
	(void)state;
	assert_string_equal(
	    json("{a: 'say \"${.a}\"', b: '${.a}'}", "{\"a\":\"q\\\"\\\\\\n\\u0001\\u00e9/\"}"),
	    "{\"a\":\"say "
	    "\\\"q\\\"\\\\\\n\\u0001\xc3\xa9/\\\"\",\"b\":\"q\\\"\\\\\\n\\u0001\xc3\xa9/\"}");
	assert_string_equal(
	    json("{a: '${.a}'}", "{\"a\":\"\\\",\\\"admin\\\":true,\\\"x\\\":\\\"\"}"),
	    "{\"a\":\"\\\",\\\"admin\\\":true,\\\"x\\\":\\\"\"}");
	assert_string_equal(json("{'k\"ey': '${.a}'}", "{\"a\":1}"), "{\"k\\\"ey\":1}");
	assert_string_equal(json("{a: 'p: ${.t}'}", "{\"t\":{\"k\":\"v\"}}"),
	    "{\"a\":\"p: {\\\"k\\\":\\\"v\\\"}\"}");
}

static void test_placeholders(void **state)
{
	(void)state;
	assert_string_equal(json("{a: '$${.a} costs $5 ${ .a } $'}", "{\"a\":1}"),
	    "{\"a\":\"${.a} costs $5 1 $\"}");
	assert_string_equal(json("{a: '$$${.a}'}", "{\"a\":1}"), "{\"a\":\"$${.a}\"}");
	assert_string_equal(
	    json("{a: '${{x: .a, y: \"}\"}}'}", "{\"a\":1}"), "{\"a\":{\"x\":1,\"y\":\"}\"}}");
	assert_string_equal(
	    json("{a: '${\"<\\(.a + \"}\")>\"}!'}", "{\"a\":\"z\"}"), "{\"a\":\"<z}>!\"}");
	assert_string_equal(json("{a: '${.call.id}', b: 'i-${.call.idempotency_key}'}", "{}"),
	    "{\"a\":\"0123456789abcdef\",\"b\":\"i-run7-12-push\"}");
}

static void test_form_and_text(void **state)
{
	struct request r =
	    render("calls: {one: {post: /, form: {email: '${.email}', on: 1, no: '${.no}'}}}\n",
		"{\"email\":\"a+b@ex.test\"}");

	(void)state;
	assert_string_equal(r.body, "email=a%2Bb%40ex.test&on=1");
	assert_string_equal(header(&r, "Content-Type"), "application/x-www-form-urlencoded");
	r = render("calls: {one: {put: /, text: 'Hello ${.a}'}}\n", "{\"a\":\"\\\"you\\\"\"}");
	assert_string_equal(r.body, "Hello \"you\"");
	assert_int_equal(r.body_len, 11);
	assert_string_equal(r.method, "PUT");
	assert_string_equal(header(&r, "Content-Type"), "text/plain; charset=utf-8");
	r = render("calls: {one: {delete: /}}\n", "{}");
	assert_null(r.body);
	assert_int_equal(r.body_len, 0);
	assert_null(header(&r, "Content-Type"));
}

static void test_headers(void **state)
{
	struct request r =
	    render("headers: {anthropic-version: '2023-06-01', x-own: a, x-gone: b}\n"
		   "calls: {one: {post: /, json: {}, headers: {X-Own: '${.own}', x-gone: '', "
		   "x-opt: '${.opt}',"
		   " accept: '*/*'}}}\n",
		"{\"own\":\"mine\"}");

	(void)state;
	assert_string_equal(header(&r, "anthropic-version"), "2023-06-01");
	assert_string_equal(header(&r, "X-Own"), "mine");
	assert_null(header(&r, "x-own"));
	assert_null(header(&r, "x-gone"));
	assert_null(header(&r, "x-opt"));
	assert_string_equal(header(&r, "accept"), "*/*");
	assert_null(header(&r, "Accept"));
	assert_string_equal(header(&r, "X-Request-Id"), "0123456789abcdef");
	assert_string_equal(header(&r, "Content-Type"), "application/json");
	r = render("call_id_header: off\ncalls: {one: {get: /}}\n", "{}");
	assert_int_equal(r.n_headers, 1);
	assert_string_equal(header(&r, "Accept"), "application/json");
	r = render("call_id_header: X-Client-Request-Id\ncalls: {one: {get: /}}\n", "{}");
	assert_string_equal(header(&r, "X-Client-Request-Id"), "0123456789abcdef");
}

/* libcurl would send the injected line as it is. */
static void test_header_injection(void **state)
{
	static const char *const call = "calls: {one: {get: /, headers: {X-Who: 'is ${.who}'}}}\n";

	(void)state;
	assert_string_equal(refused(call, "{\"who\":\"x\\r\\nBcc: y\"}"),
	    "x one: header 'X-Who': ${.who} holds control characters, which no header can");
	refused(call, "{\"who\":\"x\\ny\"}");
	refused(call, "{\"who\":\"\\u007f\"}");
}

static void test_auth(void **state)
{
	struct request r = render("keys: [k]\nauth: bearer\ncalls: {one: {get: /}}\n", "{}");

	(void)state;
	assert_string_equal(header(&r, "Authorization"), "Bearer s3cr&t");
	r = render("keys: [k]\nauth: {header: x-api-key}\ncalls: {one: {get: /}}\n", "{}");
	assert_string_equal(header(&r, "x-api-key"), "s3cr&t");
	r = render(
	    "keys: [k]\nauth: {query: api_key}\ncalls: {one: {get: /, query: {a: 1}}}\n", "{}");
	assert_string_equal(r.url, "https://h.example/v1/?api_key=s3cr%26t&a=1");
	r = render("keys: [k]\nauth: {basic: '${.key}:'}\ncalls: {one: {get: /}}\n", "{}");
	assert_string_equal(header(&r, "Authorization"), "Basic czNjciZ0Og==");
	r = render(
	    "keys: [k]\nauth: {body: key}\ncalls: {one: {post: /, json: {a: '${.a}'}}}\n", "{}");
	assert_string_equal(r.body, "{\"key\":\"s3cr&t\"}");
	r = render("keys: [k]\nauth: {body: key}\ncalls: {one: {post: /, form: {a: 1}}}\n", "{}");
	assert_string_equal(r.body, "a=1&key=s3cr%26t");
	r = render("keys: [k]\nauth: [{header: apikey}, bearer]\ncalls: {one: {get: /}}\n", "{}");
	assert_string_equal(header(&r, "apikey"), "s3cr&t");
	assert_string_equal(header(&r, "Authorization"), "Bearer s3cr&t");
}

static void test_idempotency(void **state)
{
	struct request r =
	    render("calls: {one: {post: /, idempotency: {header: Idempotency-Key}}}\n", "{}");

	(void)state;
	assert_string_equal(header(&r, "Idempotency-Key"), "run7-12-push");
	r = render(
	    "calls: {one: {post: /, idempotency: {header: Idempotency-Key, quoted: true}}}\n",
	    "{}");
	assert_string_equal(header(&r, "Idempotency-Key"), "\"run7-12-push\"");
	r = render(
	    "calls: {one: {post: /, json: {a: 1}, idempotency: {body: idempotency_key}}}\n", "{}");
	assert_string_equal(r.body, "{\"a\":1,\"idempotency_key\":\"run7-12-push\"}");
}

/* --- what was asked, as a number --- */

static const uint8_t hash_key[16] = "a store's key";

static uint64_t hash_of(const char *rest, const struct request_input *in)
{
	char text[2048];
	struct service *s;
	struct request r;
	struct lead_error err;

	snprintf(text, sizeof text, "service: x\nbase: https://h.example/v1\n%s", rest);
	s = service_of(text);
	assert_int_equal(request_render(s, &s->calls[0], in, &arena, &r, &err), 0);
	service_unref(s);
	return r.hash;
}

/* Equal for the same question, whoever asks with which key and for the how manieth time. */
static void test_hash_same(void **state)
{
	static const char *const rests[] = {
	    "keys: [k]\nauth: [bearer, {query: key}, {body: k}, {header: x-b, value: 'a ${.key} "
	    "b'}]\n"
	    "call_id_header: X-Id\n"
	    "calls: {one: {post: '/${.a}', json: {a: '${.a}', id: '${.call.id}'}, idempotency: "
	    "{header: I, quoted: true}}}\n",
	    "keys: [k]\nauth: {basic: '${.key}:x'}\n"
	    "calls: {one: {post: /, form: {a: '${.a}', id: 'b ${.call.id}'}, idempotency: {body: "
	    "i}}}\n"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct request_input in = input("{\"a\":\"x\"}");
		uint64_t hash;

		in.hash_key = hash_key;
		hash = hash_of(rests[i], &in);
		assert_true(hash != 0);
		in.secret = "another";
		in.secret_len = 7;
		in.call_id = "fedcba9876543210";
		in.idempotency_key = "run8-1-push-again";
		assert_true(hash_of(rests[i], &in) == hash);
	}
}

/* Another question has another one; so has another store, and nobody who does not ask for it pays
 * for it. */
static void test_hash_other(void **state)
{
	static const uint8_t other_key[16] = "another key";
	static const char *const rests[] = {"calls: {one: {post: /, json: {a: '${.a}'}}}\n",
	    "calls: {one: {put: /, json: {a: '${.a}'}}}\n",
	    "calls: {one: {post: /b, json: {a: '${.a}'}}}\n",
	    "calls: {one: {post: /, query: {b: 1}, json: {a: '${.a}'}}}\n",
	    "calls: {one: {post: /, headers: {X-B: c}, json: {a: '${.a}'}}}\n",
	    "calls: {one: {post: /, headers: {X-B: d}, json: {a: '${.a}'}}}\n",
	    "calls: {one: {post: /, headers: {X-B: 'd${.a}'}, json: {a: '${.a}'}}}\n",
	    "calls: {one: {post: /, json: {b: '${.a}'}}}\n",
	    "calls: {one: {post: /, json: {a: '${.a}', c: 1}}}\n"};
	struct request_input in = input("{\"a\":\"x\"}");
	uint64_t seen[9], hash;

	(void)state;
	assert_true(hash_of(rests[0], &in) == 0);
	in.hash_key = hash_key;
	for (size_t i = 0; i < 9; i++) {
		seen[i] = hash_of(rests[i], &in);
		for (size_t k = 0; k < i; k++) {
			assert_true(seen[k] != seen[i]);
		}
	}
	in.hash_key = other_key;
	assert_true(hash_of(rests[0], &in) != seen[0]);
	in = input("{\"a\":\"y\"}");
	in.hash_key = hash_key;
	hash = hash_of(rests[0], &in);
	assert_true(hash != seen[0]);
}

/* A preview shows all but the secret; a key without secret is refused by name. */
static void test_secret(void **state)
{
	struct service *s = service_of(
	    "service: x\nbase: https://h.example\nkeys: [k]\n"
	    "auth: [bearer, {query: key}, {body: k}, {header: x-b, value: 'a ${.key} b'}]\n"
	    "calls: {one: {post: /, json: {}}}\n");
	struct service *basic = service_of("service: x\nbase: https://h.example\nkeys: [k]\n"
					   "auth: {basic: '${.key}:x'}\ncalls: {one: {get: /}}\n");
	struct request_input in = input("{}");
	struct lead_error err;
	struct request r;

	(void)state;
	assert_int_equal(request_preview(s, &s->calls[0], &in, &arena, &r, &err), 0);
	assert_string_equal(r.url, "https://h.example/?key=***");
	assert_string_equal(r.body, "{\"k\":\"***\"}");
	assert_string_equal(header(&r, "Authorization"), "Bearer ***");
	assert_string_equal(header(&r, "x-b"), "a *** b");
	assert_int_equal(request_preview(basic, &basic->calls[0], &in, &arena, &r, &err), 0);
	assert_string_equal(header(&r, "Authorization"), "Basic ***");
	in.secret = NULL;
	assert_int_equal(request_render(s, &s->calls[0], &in, &arena, &r, &err), LEAD_EINPUT);
	assert_string_equal(err.text, "x one: parameter 'key': this key has no secret");
	in.secret = "a\nb";
	in.secret_len = 3;
	assert_int_equal(
	    request_render(basic, &basic->calls[0], &in, &arena, &r, &err), LEAD_EINPUT);
	assert_null(strstr(err.text, "a\nb"));
	service_unref(s);
	service_unref(basic);
}

/* A failing expression names itself and shows nothing of the lead. */
static void test_failing_expression(void **state)
{
	const char *text = refused(
	    "calls: {one: {post: /, json: {a: '${.a | tonumber}'}}}\n", "{\"a\":\"jane@ex.test\"}");

	(void)state;
	assert_string_equal(text, "x one: json: ${.a | tonumber} failed on these parameters");
}

static void test_patience(void **state)
{
	struct request r = render("http2: true\ncalls: {one: {get: /, timeout: {connect: 3s, "
				  "total: 70s}, max_answer: 2MiB}}\n",
	    "{}");

	(void)state;
	assert_int_equal(r.connect_us, 3 * US_PER_S);
	assert_int_equal(r.total_us, 70 * US_PER_S);
	assert_int_equal(r.max_answer_bytes, 2 << 20);
	assert_true(r.http2);
}

/* --- templates of pipelines ----------------------------------------------- */

static void on_read(void *arg, const char *name, size_t len)
{
	struct buf *out = arg;

	buf_add(out, name, len);
	buf_add_char(out, ' ');
}

/* Kind and text of what `v: TEMPLATE` gives. */
static void assert_template(const char *yaml_text, const char *params, enum value_kind kind,
    const char *text, const char *reads)
{
	struct expr_source source = {.field = params_field, .write = params_write, .ctx = params};
	struct buf names = {0};
	struct lead_error err;
	struct problems p;
	struct template *t;
	struct value value;
	struct yaml *y;
	char file[512];

	snprintf(file, sizeof file, "v: %s\n", yaml_text);
	problems_init(&p);
	assert_int_equal(yaml_parse("t.yaml", file, strlen(file), &y, &err), 0);
	t = template_compile(y, yaml_get(y->root, "v"), NULL, &p);
	assert_non_null(t);
	yaml_free(y); /* the template stands for itself */
	assert_int_equal(template_value(t, &source, &arena, &value, &err), 0);
	assert_int_equal(value.kind, kind);
	if (text != NULL) {
		assert_int_equal(value.len, strlen(text));
		assert_memory_equal(value.text, text, value.len);
	}
	template_reads(t, on_read, &names);
	assert_string_equal(names.data == NULL ? "" : names.data, reads);
	buf_free(&names);
	template_free(t);
	problems_fini(&p);
}

static void test_templates(void **state)
{
	(void)state;
	assert_template("12", "{}", VALUE_NUMBER, "12", "");
	assert_template("1.50", "{}", VALUE_NUMBER, "1.50", "");
	assert_template("true", "{}", VALUE_TRUE, NULL, "");
	assert_template("false", "{}", VALUE_FALSE, NULL, "");
	assert_template("null", "{}", VALUE_NULL, NULL, "");
	assert_template("plain", "{}", VALUE_STRING, "plain", "");
	assert_template("''", "{}", VALUE_STRING, "", "");
	assert_template("'$${x}'", "{}", VALUE_STRING, "${x}", "");
	assert_template("'${.n}'", "{\"n\":1.50}", VALUE_NUMBER, "1.50", "n ");
	assert_template("'${.gone}'", "{}", VALUE_NONE, NULL, "gone ");
	assert_template("'Dear ${.first_name},'", "{\"first_name\":\"\\\"Ann\\\"\"}", VALUE_STRING,
	    "Dear \"Ann\",", "first_name ");
	assert_template("{a: 1, b: [x]}", "{}", VALUE_JSON, "{\"a\":1,\"b\":[\"x\"]}", "");
	assert_template("{a: '${.a}', b: 'x ${.b} ${.a.c}'}", "{\"b\":\"\\\"\"}", VALUE_JSON,
	    "{\"b\":\"x \\\" \"}", "a b a ");
	assert_template("'${.key} ${.call}'", "{\"key\":1,\"call\":2}", VALUE_STRING, "1 2",
	    "key call "); /* nothing special here */
}

static void test_template_mistakes(void **state)
{
	static const char *const file = "a: '${.x'\nb: ['${.x +}']\nc: .nan\n";
	struct problems p;
	struct yaml *y;
	struct lead_error err;

	(void)state;
	problems_init(&p);
	assert_int_equal(yaml_parse("t.yaml", file, strlen(file), &y, &err), 0);
	assert_null(template_compile(y, yaml_get(y->root, "a"), NULL, &p));
	assert_null(template_compile(y, yaml_get(y->root, "b"), NULL, &p));
	assert_null(template_compile(y, yaml_get(y->root, "c"), NULL, &p));
	assert_int_equal(p.count, 3);
	assert_string_equal(p.first->text, "t.yaml:1:4: 'a': '${' without its '}'");
	assert_string_equal(
	    p.first->next->text, "t.yaml:2:5: 'b': '.x +': syntax error, unexpected $end");
	assert_string_equal(p.first->next->next->text, "t.yaml:3:4: '.nan' is no number of JSON");
	yaml_free(y);
	problems_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_url),
	    cmocka_unit_test(test_query_absent_and_lists),
	    cmocka_unit_test(test_path_refuses),
	    cmocka_unit_test(test_json_types),
	    cmocka_unit_test(test_json_absent),
	    cmocka_unit_test(test_json_escaping),
	    cmocka_unit_test(test_placeholders),
	    cmocka_unit_test(test_form_and_text),
	    cmocka_unit_test(test_headers),
	    cmocka_unit_test(test_header_injection),
	    cmocka_unit_test(test_auth),
	    cmocka_unit_test(test_idempotency),
	    cmocka_unit_test(test_hash_same),
	    cmocka_unit_test(test_hash_other),
	    cmocka_unit_test(test_secret),
	    cmocka_unit_test(test_failing_expression),
	    cmocka_unit_test(test_patience),
	    cmocka_unit_test(test_templates),
	    cmocka_unit_test(test_template_mistakes),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return rc;
}
