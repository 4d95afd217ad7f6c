/*
 * Answers: how they are read, whatever the service: transport, details, fields, what cannot be read; and every price.
 */
#include "tests/unit/answer_rig.h"

/* --- prices --------------------------------------------------------------- */

static int64_t price_in(const char *price, int status, const char *body)
{
	struct service *s;
	struct answer a;
	char text[512];

	snprintf(text, sizeof text,
	    "service: x\nbase: https://h.example\ncalls: {one: {post: /, price: {%s}}}\n", price);
	s = service_of(text);
	a = asked(s, status, "", body);
	service_unref(s);
	return a.price_micro;
}

static void test_prices(void **state)
{
	static const char *const tokens =
	    "tokens: {in: .i, out: .o, model: .m, per_million: {gpt-4o: [2.50, 10], gpt-4o-mini: "
	    "[0.15, 0.60]}}, ceiling: 0.5";
	static const char *const credits = "units: .credits_consumed, each: 0.02, ceiling: 0.18";

	(void)state;
	assert_int_equal(price_in("per_call: 0.008", 200, "{}"), 8000);
	assert_int_equal(price_in("per_call: 0.008", 429, ""), 0);
	assert_int_equal(price_in("per_call: 0.008", 400, ""), 0);
	assert_int_equal(price_in("per_call: 0.008, on: [ok, permanent]", 400, ""), 8000);
	assert_int_equal(price_in("per_call: 0.008", 200, "cut"), 8000); /* in doubt: the ceiling */
	assert_int_equal(price_in("body: .cost, ceiling: 0.02", 200, "{\"cost\":5.12e-3}"), 5120);
	assert_int_equal(
	    price_in("body: .cost, ceiling: 0.02", 200, "{\"cost\":\"0.0000001\"}"), 1);
	assert_int_equal(price_in("body: .cost, ceiling: 0.02", 200, "{\"cost\":3}"),
	    3000000); /* above the ceiling, but billed */
	assert_int_equal(price_in("body: .cost, ceiling: 0.02", 200, "{\"cost\":-1}"), 20000);
	assert_int_equal(price_in("body: .cost, ceiling: 0.02", 200, "{}"), 20000);
	assert_int_equal(price_in("body: .cost, ceiling: 0.02", 400, "{\"cost\":0.001}"), 1000);
	assert_int_equal(price_in("body: .cost, ceiling: 0.02", 400, "{}"), 0);
	assert_int_equal(
	    price_in(tokens, 200, "{\"i\":1000,\"o\":100,\"m\":\"gpt-4o-mini-2024-07-18\"}"), 210);
	assert_int_equal(price_in(tokens, 200, "{\"i\":1000,\"o\":100,\"m\":\"gpt-4o\"}"), 3500);
	assert_int_equal(
	    price_in(tokens, 200, "{\"i\":1,\"o\":0,\"m\":\"gpt-4o-mini\"}"), 1); /* rounded up */
	assert_int_equal(price_in(tokens, 200, "{\"i\":1000,\"o\":100,\"m\":\"other\"}"), 500000);
	assert_int_equal(price_in(tokens, 200, "{\"i\":1000,\"m\":\"gpt-4o\"}"), 500000);
	assert_int_equal(price_in(tokens, 200, "{\"i\":-5,\"o\":1,\"m\":\"gpt-4o\"}"), 500000);
	assert_int_equal(
	    price_in("per_call: 0.005, tokens: {in: .i, out: .o, per_million: [1, 1]}, ceiling: 1",
		200, "{\"i\":40,\"o\":80}"),
	    5120);
	assert_int_equal(price_in(credits, 200, "{\"credits_consumed\":1}"), 20000);
	assert_int_equal(price_in(credits, 200, "{\"credits_consumed\":0.5}"), 10000);
	assert_int_equal(price_in(credits, 200, "{\"credits_consumed\":0}"), 0);
	assert_int_equal(price_in(credits, 200, "{}"), 180000);
}

/* --- the rest ------------------------------------------------------------- */

static void test_transport(void **state)
{
	static const struct {
		enum transport transport;
		const char *why, *reason;
		enum outcome_class paid, free;
		int64_t price;
	} ends[] = {
	    {TRANSPORT_UNSENT, "Could not resolve host", "could-not-resolve-host", OUTCOME_UNSENT,
		OUTCOME_UNSENT, 0},
	    {TRANSPORT_BROKEN, "connection reset", "connection-reset", OUTCOME_IN_DOUBT,
		OUTCOME_TRANSIENT, 8000},
	    {TRANSPORT_BROKEN, NULL, "broken", OUTCOME_IN_DOUBT, OUTCOME_TRANSIENT, 8000},
	    {TRANSPORT_TOO_LARGE, NULL, "too-large", OUTCOME_IN_DOUBT, OUTCOME_TRANSIENT, 8000},
	    {TRANSPORT_CANCELLED, "--", "cancelled", OUTCOME_IN_DOUBT, OUTCOME_TRANSIENT, 8000},
	};
	struct service *s =
	    service_of("service: x\nbase: https://h.example\n"
		       "calls: {paid: {post: /, price: {per_call: 0.008}}, free: {get: /}}\n");

	(void)state;
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		struct http_answer h = {.transport = ends[i].transport, .why = ends[i].why};
		struct answer a;

		assert_int_equal(answer_read(s, &s->calls[0], &h, NOW, &arena, &a), 0);
		assert_int_equal(a.outcome, ends[i].paid);
		assert_string_equal(a.reason, ends[i].reason);
		assert_int_equal(a.price_micro, ends[i].price);
		assert_false(a.readable);
		assert_int_equal(answer_read(s, &s->calls[1], &h, NOW, &arena, &a), 0);
		assert_int_equal(a.outcome, ends[i].free);
		assert_int_equal(a.price_micro, 0);
	}
	service_unref(s);
}

static void assert_detail(int status, const char *body, const char *detail)
{
	struct service *s = service_of("service: x\nbase: https://h.example\n" CALL);
	struct answer a = asked(s, status, "", body);

	if (detail == NULL) {
		assert_null(a.detail);
	} else {
		assert_non_null(a.detail);
		assert_string_equal(a.detail, detail);
	}
	service_unref(s);
}

static void test_detail(void **state)
{
	char longer[400];
	struct service *s;
	struct answer a;

	(void)state;
	assert_detail(400, "{\"error\":{\"message\":\"No model\",\"code\":1}}", "No model");
	assert_detail(400,
	    "{\"statusCode\":400,\"error\":\"Bad Request\",\"message\":\"body/email is wrong\"}",
	    "body/email is wrong");
	assert_detail(400, "{\"error\":\"Bad thing\"}", "Bad thing");
	assert_detail(422, "{\"detail\":[{\"msg\":\"field required\"}]}", "field required");
	assert_detail(401, "Invalid access credentials.\r\n", "Invalid access credentials.");
	assert_detail(502, " <html>", "an HTML page");
	assert_detail(500, "", NULL);
	assert_detail(500, "{\"a\":1}", NULL);
	assert_detail(400, "{\"message\":\"jane.doe+x@mail.ex.test is bad, <bob@ex.test>\"}",
	    "***@*** is bad, <***@***>");
	assert_detail(400, "{\"message\":\"a @ b, x@ and @y\"}", "a @ b, x@ and @y");
	assert_detail(401,
	    "{\"message\":\"Incorrect key sk-proj-aB3dE5gH7jK9mN1pQ3rS5: see https://ex.test/a\"}",
	    "Incorrect key sk-proj-***: see https://ex.test/a");
	assert_detail(400,
	    "{\"message\":\"organization_usage_limit_exceeded on gpt-4o-mini-2024-07-18\"}",
	    "organization_usage_limit_exceeded on gpt-4o-mini-2024-07-18");
	assert_detail(400, "{\"message\":\"line\\none\\u0007\\u00e9\"}", "line one\\x07\xc3\xa9");
	memset(longer, 'e', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	s = service_of("service: x\nbase: https://h.example\n" CALL);
	a = asked(s, 400, "", longer);
	assert_int_equal(strlen(a.detail), 200);
	for (size_t i = 1; i + 1 < sizeof longer; i += 2) { /* no half character at the end */
		memcpy(longer + i, "\xc3\xa9", 2);
	}
	a = asked(s, 400, "", longer);
	assert_int_equal(strlen(a.detail), 199);
	a = asked(s, 200, "", "{\"message\":\"fine\"}");
	assert_null(a.detail);
	service_unref(s);
}

/* Fields from headers, with defaults, by jq; and nothing where the shape is another one. */
static void test_map(void **state)
{
	struct service *s = service_of("service: x\nbase: https://h.example\n"
				       "outcomes: [{status: 404, is: pending}]\n"
				       "calls:\n"
				       "  one:\n"
				       "    get: /\n"
				       "    map:\n"
				       "      total: {header: X-Total}\n"
				       "      left: {header: X-Left, item: 1}\n"
				       "      name: .a.name\n"
				       "      kind: .kind // \"none\"\n"
				       "      fit: .text | fromjson | .fit\n"
				       "      all: .\n");
	struct answer a = asked(s, 200, "x-total: 12\nx-left: 3, 4",
	    "{\"a\":{\"name\":\"N\"},\"text\":\"{\\\"fit\\\":7}\"}");

	(void)state;
	assert_field(&a, 0, "total", VALUE_STRING, "12");
	assert_field(&a, 1, "left", VALUE_STRING, "4");
	assert_field(&a, 2, "name", VALUE_STRING, "N");
	assert_field(&a, 3, "kind", VALUE_STRING, "none");
	assert_field(&a, 4, "fit", VALUE_NUMBER, "7");
	assert_field(
	    &a, 5, "all", VALUE_JSON, "{\"a\":{\"name\":\"N\"},\"text\":\"{\\\"fit\\\":7}\"}");
	a = asked(s, 200, "", "{\"a\":[],\"text\":\"no json\"}");
	assert_field(&a, 2, "name", VALUE_NONE, NULL);
	assert_field(&a, 4, "fit", VALUE_NONE, NULL);
	a = asked(s, 404, "", "{\"a\":{\"name\":\"N\"}}");
	assert_int_equal(a.outcome, OUTCOME_PENDING);
	assert_field(&a, 2, "name", VALUE_STRING, "N");
	a = asked(s, 404, "", "");
	assert_field(&a, 2, "name", VALUE_NONE, NULL);
	a = asked(s, 400, "", "{}");
	assert_int_equal(a.n_fields, 0);
	service_unref(s);
}

/* A rule that looks inside never matches what cannot be read, so garbage is no `empty`. */
static void test_unreadable(void **state)
{
	static const struct line lines[] = {
	    {200, "", "{\"items\":[", OUTCOME_IN_DOUBT, "no-json", 0},
	    {200, "", "<html>", OUTCOME_IN_DOUBT, "no-json", 0},
	    {200, "", "maintenance", OUTCOME_TRANSIENT, "http-200", 0},
	    {404, "", "<html>", OUTCOME_PERMANENT, "http-404", 0},
	    {404, "", "{}", OUTCOME_EMPTY, "http-404", 0},
	    {200, "", "{\"items\":[ ]}", OUTCOME_EMPTY, "http-200", 0},
	    {200, "", "{\"items\":[1]}", OUTCOME_OK, "http-200", 0},
	    {200, "", "{\"items\":[1],\"flag\":null}", OUTCOME_OK, "http-200", 0},
	    {200, "", "{\"items\":[1],\"flag\":true}", OUTCOME_REFUSAL, "http-200", 0},
	};

	(void)state;
	OWN("outcomes:\n"
	    "  - {status: 200, text: [under repair, MAINTENANCE], is: transient}\n"
	    "  - {status: 200, body: {.items: {present: false}}, is: empty}\n"
	    "  - {status: 404, when: .error == null, is: empty}\n"
	    "  - {status: 200, body: {.flag: {not: [null, false]}}, is: refusal}\n" CALL,
	    lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_prices),
	    cmocka_unit_test(test_transport),
	    cmocka_unit_test(test_detail),
	    cmocka_unit_test(test_map),
	    cmocka_unit_test(test_unreadable),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return rc;
}
