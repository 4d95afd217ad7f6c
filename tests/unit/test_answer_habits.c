/*
 * Answers: the habits of other providers, written down here as services, to show that the format can say them.
 */
#include "tests/unit/answer_rig.h"

/* --- the habits of others ------------------------------------------------- */


static void test_builtin(void **state)
{
	static const struct line lines[] = {
	    {200, "", "{}", OUTCOME_OK, "http-200", 0},
	    {201, "", "[]", OUTCOME_OK, "http-201", 0},
	    {204, "", "", OUTCOME_OK, "http-204", 0},
	    {200, "", "", OUTCOME_IN_DOUBT, "no-json", 0},
	    {206, "", "{} x", OUTCOME_IN_DOUBT, "no-json", 0},
	    {301, "", "", OUTCOME_PERMANENT, "http-301", 0},
	    {400, "", "", OUTCOME_PERMANENT, "http-400", 0},
	    {401, "", "", OUTCOME_AUTH, "http-401", 0},
	    {402, "", "", OUTCOME_QUOTA, "http-402", 0},
	    {403, "", "", OUTCOME_AUTH, "http-403", 0},
	    {404, "", "", OUTCOME_PERMANENT, "http-404", 0},
	    {408, "", "", OUTCOME_TRANSIENT, "http-408", 0},
	    {409, "", "", OUTCOME_PERMANENT, "http-409", 0},
	    {425, "", "", OUTCOME_TRANSIENT, "http-425", 0},
	    {429, "", "", OUTCOME_THROTTLE, "http-429", 0},
	    {451, "", "", OUTCOME_PERMANENT, "http-451", 0},
	    {500, "", "", OUTCOME_TRANSIENT, "http-500", 0},
	    {529, "", "", OUTCOME_TRANSIENT, "http-529", 0},
	    {599, "", "", OUTCOME_TRANSIENT, "http-599", 0},
	    {999, "", "", OUTCOME_TRANSIENT, "http-999", 0},
	};

	(void)state;
	OWN(CALL, lines);
}

/* 403 is too fast, 429 is out of credits, 202 is not yet, 222 is broken. */
static void test_hunter(void **state)
{
	static const struct line lines[] = {
	    {200, "", "{\"data\":{\"status\":\"valid\"}}", OUTCOME_OK, "http-200", 0},
	    {202, "", "", OUTCOME_PENDING, "http-202", 0},
	    {222, "", "{}", OUTCOME_TRANSIENT, "http-222", 0},
	    {451, "", "{\"errors\":[{\"id\":\"claimed_email\"}]}", OUTCOME_PERMANENT, "claimed", 0},
	    {403, "", "{\"errors\":[{\"id\":\"too_many_requests\",\"code\":403}]}",
		OUTCOME_THROTTLE, "http-403", 1000},
	    {429, "", "{\"errors\":[{\"id\":\"too_many_requests\",\"code\":429}]}", OUTCOME_QUOTA,
		"plan", 0},
	};

	(void)state;
	OWN("outcomes:\n"
	    "  - {status: 202, is: pending}\n"
	    "  - {status: 222, is: transient}\n"
	    "  - {status: 403, is: throttle, wait: 1s}\n"
	    "  - {status: 429, is: quota, reason: plan}\n"
	    "  - {status: 451, body: {'.errors[0].id': claimed_email}, is: permanent, reason: "
	    "claimed}\n" CALL,
	    lines);
}

/* Everything arrives as 200; `status` tells. */
static void test_neverbounce(void **state)
{
	static const struct line lines[] = {
	    {200, "", "{\"status\":\"success\",\"result\":\"valid\"}", OUTCOME_OK, "http-200", 0},
	    {200, "", "{\"status\":\"throttle_triggered\",\"message\":\"slow\"}", OUTCOME_THROTTLE,
		"http-200", 5000},
	    {200, "", "{\"status\":\"temp_unavail\"}", OUTCOME_TRANSIENT, "http-200", 0},
	    {200, "", "{\"status\":\"auth_failure\"}", OUTCOME_AUTH, "http-200", 0},
	    {200, "", "{\"status\":\"bad_referrer\"}", OUTCOME_AUTH, "http-200", 0},
	    {200, "", "{\"status\":\"general_failure\",\"message\":\"Insufficient credits\"}",
		OUTCOME_QUOTA, "http-200", 0},
	    {200, "", "{\"status\":\"general_failure\",\"message\":\"Missing email\"}",
		OUTCOME_PERMANENT, "http-200", 0},
	    {200, "", "{\"status\":\"something_new\"}", OUTCOME_PERMANENT, "http-200", 0},
	    {200, "", "{}", OUTCOME_PERMANENT, "http-200", 0},
	};

	(void)state;
	OWN("outcomes:\n"
	    "  - {status: 200, body: {.status: throttle_triggered}, is: throttle, wait: 5s}\n"
	    "  - {status: 200, body: {.status: temp_unavail}, is: transient}\n"
	    "  - {status: 200, body: {.status: [auth_failure, bad_referrer]}, is: auth}\n"
	    "  - {status: 200, body: {.status: general_failure, .message: {contains: credits}}, "
	    "is: quota}\n"
	    "  - {status: 200, body: {.status: {not: success}}, is: permanent}\n" CALL,
	    lines);
}

static void test_millionverifier(void **state)
{
	static const struct line lines[] = {
	    {200, "", "{\"result\":\"ok\",\"resultcode\":1,\"error\":\"\"}", OUTCOME_OK, "http-200",
		0},
	    {200, "", "{\"result\":\"unknown\",\"resultcode\":3,\"error\":\"\"}", OUTCOME_PENDING,
		"http-200", 0},
	    {200, "", "{\"result\":\"error\",\"resultcode\":4,\"error\":\"Apikey not found\"}",
		OUTCOME_AUTH, "http-200", 0},
	    {200, "", "{\"result\":\"error\",\"resultcode\":4,\"error\":\"Domain broken\"}",
		OUTCOME_PERMANENT, "http-200", 0},
	};

	(void)state;
	OWN("outcomes:\n"
	    "  - {body: {.error: [apikey not found, IP address blocked]}, is: auth}\n"
	    "  - {body: {.error: {present: true}}, is: permanent}\n"
	    "  - {body: {.resultcode: 3}, is: pending}\n" CALL,
	    lines);
}

/* 404 with the delay in the body; errors as plain text; credits as text. */
static void test_apollo(void **state)
{
	static const struct line lines[] = {
	    {404, "", "{\"error_code\":\"result_pending\",\"retry_after_seconds\":10}",
		OUTCOME_PENDING, "http-404", 10000},
	    {404, "", "{\"error_code\":\"request_id_unknown\"}", OUTCOME_PERMANENT, "http-404", 0},
	    {410, "", "{\"error_code\":\"request_id_expired\"}", OUTCOME_PERMANENT, "http-410", 0},
	    {401, "", "Invalid access credentials.", OUTCOME_AUTH, "http-401", 0},
	    {403, "", "{\"message\":\"This endpoint is only available to paid plans\"}",
		OUTCOME_QUOTA, "plan", 0},
	    {403, "", "{\"error\":\"x\",\"error_code\":\"API_INACCESSIBLE\"}", OUTCOME_AUTH,
		"http-403", 0},
	    {422, "", "{\"error\":\"Insufficient credits. Please upgrade your plan.\"}",
		OUTCOME_QUOTA, "http-422", 0},
	    {422, "", "{\"status\":\"failed\",\"error_code\":\"UNKNOWN_ERROR\"}", OUTCOME_PERMANENT,
		"http-422", 0},
	    {429, "retry-after: 33",
		"{\"message\":\"{\\\"message\\\":\\\"600 times per hour\\\"}\"}", OUTCOME_THROTTLE,
		"http-429", 33000},
	    {429,
		"x-minute-requests-left: 10\nx-hourly-requests-left: 0\nx-24-hour-requests-left: "
		"50\nx-rate-limit-hourly: 400",
		"", OUTCOME_THROTTLE, "http-429", 0},
	    {200, "", "{\"status\":\"success\",\"matches\":[],\"missing_records\":2}",
		OUTCOME_EMPTY, "http-200", 0},
	    {200, "", "{\"status\":\"success\",\"matches\":[null]}", OUTCOME_EMPTY, "http-200", 0},
	    {200, "x-rate-limit-hourly: ",
		"{\"status\":\"success\",\"matches\":[{\"id\":\"a\"}],\"request_id\":-"
		"81234567890123}",
		OUTCOME_OK, "http-200", 0},
	};

	(void)state;
	OWN("limits: [{limit: [200/min, 400/h, 2000/24h]}]\n"
	    "hints:\n"
	    "  - {body: .retry_after_seconds, tells: retry-after}\n"
	    "  - {header: x-minute-requests-left, tells: remaining, of: min}\n"
	    "  - {header: x-hourly-requests-left, tells: remaining, of: 400/h}\n"
	    "  - {header: x-24-hour-requests-left, tells: remaining, of: 24h}\n"
	    "outcomes:\n"
	    "  - {status: 404, body: {.error_code: result_pending}, is: pending}\n"
	    "  - {status: 403, text: paid plans, is: quota, reason: plan}\n"
	    "  - {status: 422, text: credits, is: quota}\n"
	    "  - {status: 200, when: '[.matches[]? | select(. != null)] == []', is: empty}\n" CALL,
	    lines);
}

/* 408 and 524: nobody knows what happened. */
static void test_unknown_outcomes(void **state)
{
	static const struct line lines[] = {
	    {408, "", "{\"error\":{\"type\":\"run-timeout-exceeded\"}}", OUTCOME_IN_DOUBT,
		"run-timeout", 0},
	    {524, "", "<html>", OUTCOME_IN_DOUBT, "http-524", 0},
	    {402, "", "{\"error\":{\"type\":\"x\"}}", OUTCOME_QUOTA, "http-402", 0},
	    {403, "", "{\"error\":{\"type\":\"not-enough-usage-to-run-paid-actor\"}}",
		OUTCOME_QUOTA, "http-403", 0},
	    {400, "", "{\"error\":{\"type\":\"concurrent-runs-limit-exceeded\"}}",
		OUTCOME_TRANSIENT, "http-400", 0},
	    {404, "", "{\"message\":\"The requested webhook \\\"POST x\\\" is not registered.\"}",
		OUTCOME_AUTH, "inactive", 0},
	    {404, "", "{}", OUTCOME_PERMANENT, "http-404", 0},
	};
	struct service *s;
	struct answer a;

	(void)state;
	OWN("outcomes:\n"
	    "  - {status: 408, body: {.error.type: run-timeout-exceeded}, is: in_doubt, reason: "
	    "run-timeout}\n"
	    "  - {status: 524, is: in_doubt}\n"
	    "  - {body: {.error.type: not-enough-usage-to-run-paid-actor}, is: quota}\n"
	    "  - {body: {.error.type: [concurrent-runs-limit-exceeded, "
	    "actor-memory-limit-exceeded]}, is: transient}\n"
	    "  - {status: 404, text: is not registered, is: auth, reason: inactive}\n" CALL,
	    lines);
	s = service_of(
	    "service: x\nbase: https://h.example\noutcomes: [{status: [408, 524], is: in_doubt}]\n"
	    "calls: {one: {post: /, price: {per_call: 1.5}}}\n");
	a = asked(s, 524, "", "");
	assert_false(a.readable); /* a gateway spoke, not the service */
	assert_int_equal(a.price_micro, 1500000);
	a = asked(s, 408, "", "");
	assert_true(a.readable);
	service_unref(s);
}

static void test_hubspot(void **state)
{
	static const struct line lines[] = {
	    {429, "", "{\"errorType\":\"RATE_LIMIT\",\"policyName\":\"TEN_SECONDLY_ROLLING\"}",
		OUTCOME_THROTTLE, "http-429", 10000},
	    {429, "",
		"{\"message\":\"You have reached your secondly "
		"limit.\",\"policyName\":\"secondly\"}",
		OUTCOME_THROTTLE, "http-429", 1000},
	    {429, "", "{\"policyName\":\"DAILY\"}", OUTCOME_QUOTA, "daily", 0},
	    {404, "", "{\"category\":\"OBJECT_NOT_FOUND\"}", OUTCOME_EMPTY, "http-404", 0},
	    {409, "", "{}", OUTCOME_DUPLICATE, "http-409", 0},
	    {423, "", "{}", OUTCOME_TRANSIENT, "http-423", 2000},
	    {477, "Retry-After: 5", "{}", OUTCOME_TRANSIENT, "http-477", 5000},
	    {521, "", "", OUTCOME_TRANSIENT, "http-521", 0},
	    {207, "", "{\"status\":\"COMPLETE\",\"results\":[],\"numErrors\":1}", OUTCOME_OK,
		"http-207", 0},
	    {403, "", "{\"category\":\"MISSING_SCOPES\"}", OUTCOME_AUTH, "http-403", 0},
	};
	static const char *const text =
	    "outcomes:\n"
	    "  - {status: 429, body: {.policyName: TEN_SECONDLY_ROLLING}, is: throttle, wait: "
	    "10s}\n"
	    "  - {status: 429, body: {.policyName: SECONDLY}, is: throttle, wait: 1s}\n"
	    "  - {status: 429, body: {.policyName: DAILY}, is: quota, reason: daily, until: day,"
	    " zone: America/New_York}\n"
	    "  - {status: 404, body: {.category: OBJECT_NOT_FOUND}, is: empty}\n"
	    "  - {status: 409, is: duplicate}\n"
	    "  - {status: [423, 477], is: transient, wait: 2s}\n" CALL;
	struct service *s;
	char file[2048];
	struct answer a;

	(void)state;
	OWN(text, lines);
	snprintf(file, sizeof file, "service: x\nbase: https://h.example\n%s", text);
	s = service_of(file);
	a = asked(s, 429, "", "{\"policyName\":\"DAILY\"}");
	assert_int_equal(
	    a.reset_wall_us, NOW_WALL_US + 5 * 3600 * US_PER_S); /* midnight in New York */
	service_unref(s);
}

static void test_supabase(void **state)
{
	static const struct line lines[] = {
	    {409, "", "{\"code\":\"23505\",\"message\":\"duplicate key\"}", OUTCOME_DUPLICATE,
		"http-409", 0},
	    {409, "", "{\"code\":\"23503\"}", OUTCOME_PERMANENT, "http-409", 0},
	    {500, "", "{\"code\":\"40001\"}", OUTCOME_TRANSIENT, "http-500", 0},
	    {500, "", "{\"code\":\"57014\"}", OUTCOME_TRANSIENT, "http-500", 0},
	    {500, "", "{\"code\":\"XX000\"}", OUTCOME_PERMANENT, "http-500", 0},
	    {503, "", "{\"code\":\"PGRST001\"}", OUTCOME_TRANSIENT, "http-503", 0},
	    {403, "", "{\"code\":\"42501\"}", OUTCOME_AUTH, "http-403", 0},
	    {406, "", "{\"code\":\"PGRST116\"}", OUTCOME_EMPTY, "http-406", 0},
	    {201, "", "", OUTCOME_OK, "http-201", 0},
	};

	(void)state;
	OWN("outcomes:\n"
	    "  - {status: 409, body: {.code: 23505}, is: duplicate}\n"
	    "  - {status: 406, body: {.code: PGRST116}, is: empty}\n"
	    "  - {status: 500, body: {.code: {starts: ['40', '57']}}, is: transient}\n"
	    "  - {status: 500, body: {.code: {present: true}}, is: permanent}\n"
	    "calls: {one: {post: /, answer: any, map: {a: .a}}}\n",
	    lines);
}

/* Basic auth is tested with requests. 502 and 504 are safe to repeat for reading only. */
static void test_close(void **state)
{
	static const struct line lines[] = {
	    {429, "RateLimit: limit=100, remaining=0, reset=5", "{\"error\":\"x\"}",
		OUTCOME_THROTTLE, "http-429", 5000},
	    {429, "RateLimit-Reset: 7", "{}", OUTCOME_THROTTLE, "http-429", 7000},
	    {429, "Retry-After: 9\nRateLimit-Reset: 7", "{}", OUTCOME_THROTTLE, "http-429", 9000},
	    {402, "", "{}", OUTCOME_QUOTA, "http-402", 0},
	    {502, "", "", OUTCOME_IN_DOUBT, "http-502", 0},
	    {503, "", "", OUTCOME_TRANSIENT, "http-503", 0},
	    {415, "", "{}", OUTCOME_PERMANENT, "http-415", 0},
	};

	(void)state;
	OWN("hints:\n"
	    "  - {header: ratelimit, field: reset, tells: retry-after}\n"
	    "  - {header: retry-after, tells: retry-after}\n"
	    "  - {header: ratelimit-reset, tells: retry-after}\n"
	    "calls: {one: {post: /, outcomes: [{status: [502, 504], is: in_doubt}]}}\n",
	    lines);
}

static void test_anthropic(void **state)
{
	static const struct line lines[] = {
	    {429, "retry-after: 12", "{\"error\":{\"type\":\"rate_limit_error\"}}",
		OUTCOME_THROTTLE, "http-429", 12000},
	    {429, "", "{\"error\":{\"details\":{\"error_code\":\"enforced_spend_limit_reached\"}}}",
		OUTCOME_QUOTA, "tier-cap", 0},
	    {429, "", "{\"error\":{\"type\":\"rate_limit_error\"}}", OUTCOME_THROTTLE, "http-429",
		0},
	    {400, "",
		"{\"error\":{\"message\":\"You have reached your specified API usage limits. You "
		"will\"}}",
		OUTCOME_QUOTA, "spend", 0},
	    {400, "", "{\"error\":{\"message\":\"Your credit balance is too low\"}}", OUTCOME_QUOTA,
		"spend", 0},
	    {400, "", "{\"error\":{\"message\":\"max_tokens: field required\"}}", OUTCOME_PERMANENT,
		"http-400", 0},
	    {402, "", "{}", OUTCOME_QUOTA, "http-402", 0},
	    {409, "", "{}", OUTCOME_TRANSIENT, "http-409", 0},
	    {413, "", "{}", OUTCOME_PERMANENT, "http-413", 0},
	    {529, "", "{}", OUTCOME_TRANSIENT, "http-529", 0},
	    {200, "", "{\"stop_reason\":\"refusal\",\"content\":[]}", OUTCOME_REFUSAL, "http-200",
		0},
	};
	struct service *s;
	struct answer a;

	(void)state;
	OWN("outcomes:\n"
	    "  - {status: 429, header: {retry-after: {present: false}},"
	    " body: {.error.details.error_code: enforced_spend_limit_reached}, is: quota, reason: "
	    "tier-cap, until: month}\n"
	    "  - {status: 400, body: {.error.message: {starts: You have reached your specified}}, "
	    "is: quota, reason: spend}\n"
	    "  - {status: 400, body: {.error.message: {contains: credit balance}}, is: quota, "
	    "reason: spend}\n"
	    "  - {status: 409, is: transient}\n"
	    "  - {status: 200, body: {.stop_reason: refusal}, is: refusal}\n" CALL,
	    lines);
	s = service_of("service: x\nbase: https://h.example\noutcomes: [{status: 429, is: quota, "
		       "until: month}]\n" CALL);
	a = asked(s, 429, "", "");
	assert_int_equal(a.reset_wall_us, NOW_WALL_US + 9 * US_PER_DAY); /* 1 December */
	a = asked(s, 429, "Retry-After: 60", "");
	assert_int_equal(a.reset_wall_us, NOW_WALL_US + 60 * US_PER_S); /* its own word is better */
	service_unref(s);
}

static void test_openrouter(void **state)
{
	static const struct line lines[] = {
	    {200, "",
		"{\"choices\":[{\"message\":{\"content\":\"x\"}}],\"usage\":{\"cost\":0.0001}}",
		OUTCOME_OK, "http-200", 0},
	    {200, "",
		"{\"choices\":[],\"error\":{\"code\":502,\"metadata\":{\"error_type\":\"provider_"
		"unavailable\"}}}",
		OUTCOME_TRANSIENT, "http-200", 0},
	    {200, "",
		"{\"error\":{\"code\":429,\"metadata\":{\"error_type\":\"rate_limit_exceeded\"},"
		"\"availability\":"
		"{\"retryable\":true,\"retry_after\":4}}}",
		OUTCOME_THROTTLE, "http-200", 4000},
	    {402, "",
		"{\"error\":{\"metadata\":{\"error_type\":\"payment_required\",\"limit_source\":"
		"\"openrouter_credits\"}}}",
		OUTCOME_QUOTA, "http-402", 0},
	    {403, "", "{\"error\":{\"metadata\":{\"error_type\":\"permission_denied\"}}}",
		OUTCOME_REFUSAL, "http-403", 0},
	    {503, "", "{\"error\":{\"availability\":{\"retryable\":false}}}", OUTCOME_PERMANENT,
		"http-503", 0},
	    {200, "", "{\"error\":{\"code\":500}}", OUTCOME_TRANSIENT, "http-200", 0},
	};

	(void)state;
	OWN("hints: [{body: .error.availability.retry_after, tells: retry-after}]\n"
	    "outcomes:\n"
	    "  - {body: {.error.availability.retryable: false}, is: permanent}\n"
	    "  - {body: {.error.metadata.error_type: rate_limit_exceeded}, is: throttle}\n"
	    "  - {body: {.error.metadata.error_type: [permission_denied, refusal, "
	    "content_policy_violation]}, is: refusal}\n"
	    "  - {status: 2xx, body: {.error: {present: true}}, is: transient}\n" CALL,
	    lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_builtin),
	    cmocka_unit_test(test_hunter),
	    cmocka_unit_test(test_neverbounce),
	    cmocka_unit_test(test_millionverifier),
	    cmocka_unit_test(test_apollo),
	    cmocka_unit_test(test_unknown_outcomes),
	    cmocka_unit_test(test_hubspot),
	    cmocka_unit_test(test_supabase),
	    cmocka_unit_test(test_close),
	    cmocka_unit_test(test_anthropic),
	    cmocka_unit_test(test_openrouter),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return rc;
}
