/*
 * Answers: every line of the error tables of the first four services that were shipped, with the files as they are.
 */
#include "tests/unit/answer_rig.h"

/* --- the four shipped services -------------------------------------------- */

#define CHAT(message, finish)                                                                      \
	"{\"id\":\"c\",\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"finish_"   \
	"reason\":\"" finish "\",\"message\":{\"role\":\"assistant\"," message                     \
	"}}],\"usage\":{\"prompt_tokens\":210,\"completion_tokens\":12,\"total_tokens\":222}}"
#define ERROR(type, code)                                                                          \
	"{\"error\":{\"message\":\"m\",\"type\":" type ",\"param\":null,\"code\":" code "}}"

static void test_openai(void **state)
{
	static const struct line lines[] = {
	    {200, "", CHAT("\"content\":\"Hello\",\"refusal\":null", "stop"), OUTCOME_OK,
		"http-200", 0},
	    {200, "", CHAT("\"content\":null,\"refusal\":\"I cannot\"", "stop"), OUTCOME_REFUSAL,
		"refusal", 0},
	    {200, "", CHAT("\"content\":null", "content_filter"), OUTCOME_REFUSAL, "content-filter",
		0},
	    {200, "", CHAT("\"content\":\"{\\\"a\"", "length"), OUTCOME_REFUSAL, "cut-off", 0},
	    {200, "", CHAT("\"content\":null", "stop"), OUTCOME_REFUSAL, "no-text", 0},
	    {200, "", "{\"error\":{\"message\":\"upstream\"},\"choices\":[]}", OUTCOME_TRANSIENT,
		"error-inside-200", 0},
	    {200, "", "{\"choices\":[{\"mess", OUTCOME_IN_DOUBT, "no-json", 0},
	    {429, "retry-after: 3", ERROR("\"requests\"", "\"rate_limit_exceeded\""),
		OUTCOME_THROTTLE, "http-429", 3000},
	    {429, "retry-after: 3\nretry-after-ms: 250",
		ERROR("\"tokens\"", "\"rate_limit_exceeded\""), OUTCOME_THROTTLE, "http-429", 250},
	    {429, "x-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: 6m0s",
		ERROR("\"requests\"", "\"rate_limit_exceeded\""), OUTCOME_THROTTLE, "http-429",
		360000},
	    {429,
		"x-ratelimit-remaining-tokens: 0\nx-ratelimit-reset-tokens: 12ms\n"
		"x-ratelimit-remaining-requests: 9\nx-ratelimit-reset-requests: 6m0s",
		ERROR("\"tokens\"", "\"rate_limit_exceeded\""), OUTCOME_THROTTLE, "http-429", 12},
	    {429, "x-ratelimit-remaining-tokens: 5\nx-ratelimit-reset-tokens: 12ms",
		ERROR("\"requests\"", "\"rate_limit_exceeded\""), OUTCOME_THROTTLE, "http-429", 0},
	    {429, "retry-after-ms: -1\nretry-after: -1", ERROR("\"requests\"", "null"),
		OUTCOME_THROTTLE, "http-429", 0},
	    {429, "", ERROR("\"rate_limit_error\"", "\"slow_down\""), OUTCOME_THROTTLE, "slow-down",
		15000},
	    {429, "", ERROR("\"insufficient_quota\"", "\"credit_balance_exhausted\""),
		OUTCOME_QUOTA, "quota", 0},
	    {429, "", ERROR("\"insufficient_quota\"", "\"organization_spend_limit_exceeded\""),
		OUTCOME_QUOTA, "quota", 0},
	    {429, "", ERROR("\"insufficient_quota\"", "\"project_spend_limit_exceeded\""),
		OUTCOME_QUOTA, "quota", 0},
	    {429, "", ERROR("\"insufficient_quota\"", "\"organization_usage_limit_exceeded\""),
		OUTCOME_QUOTA, "quota", 0},
	    {429, "", ERROR("\"insufficient_quota\"", "null"), OUTCOME_QUOTA, "quota", 0},
	    {429, "", ERROR("\"requests\"", "\"insufficient_quota\""), OUTCOME_QUOTA, "quota", 0},
	    {429, "", ERROR("\"insufficient_quota\"", "\"some_new_code\""), OUTCOME_QUOTA, "quota",
		0},
	    {429, "", "<html>busy</html>", OUTCOME_THROTTLE, "http-429", 0},
	    {503, "", ERROR("\"service_unavailable_error\"", "\"server_is_overloaded\""),
		OUTCOME_TRANSIENT, "overloaded", 15000},
	    {503, "retry-after: 900", ERROR("\"x\"", "\"slow_down\""), OUTCOME_TRANSIENT,
		"overloaded", 900000},
	    {500, "", "", OUTCOME_TRANSIENT, "http-500", 0},
	    {502, "", "<html>", OUTCOME_TRANSIENT, "http-502", 0},
	    {504, "", "", OUTCOME_TRANSIENT, "http-504", 0},
	    {408, "", "{}", OUTCOME_TRANSIENT, "http-408", 0},
	    {409, "", "{}", OUTCOME_TRANSIENT, "http-409", 0},
	    {401, "", ERROR("\"invalid_request_error\"", "\"invalid_api_key\""), OUTCOME_AUTH,
		"http-401", 0},
	    {403, "", ERROR("\"x\"", "\"unsupported_country_region_territory\""), OUTCOME_AUTH,
		"http-403", 0},
	    {400, "", ERROR("\"invalid_request_error\"", "\"context_length_exceeded\""),
		OUTCOME_PERMANENT, "http-400", 0},
	    {404, "", ERROR("\"invalid_request_error\"", "\"model_not_found\""), OUTCOME_PERMANENT,
		"http-404", 0},
	};

	(void)state;
	SHIPPED("openai", "chat", lines);
}

#define SONAR(content)                                                                             \
	"{\"id\":\"p1\",\"model\":\"sonar\",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"," \
	"\"message\":{\"role\":"                                                                   \
	"\"assistant\",\"content\":" content                                                       \
	"}}],\"citations\":[\"https://ex.test/a\"],\"usage\":{\"prompt_tokens\":40,"               \
	"\"cost\":{\"request_cost\":0.005,\"total_cost\":0.00512}}}"

static void test_perplexity(void **state)
{
	static const struct line lines[] = {
	    {200, "", SONAR("\"All about it [1]\""), OUTCOME_OK, "http-200", 0},
	    {200, "", SONAR("\"\""), OUTCOME_EMPTY, "no-text", 0},
	    {200, "", "{\"error\":{\"message\":\"upstream\"}}", OUTCOME_TRANSIENT,
		"error-inside-200", 0},
	    {401, "", "<html><head><title>401 Authorization Required</title></head></html>",
		OUTCOME_AUTH, "http-401", 0},
	    {401, "",
		"{\"error\":{\"message\":\"You exceeded your current "
		"quota\",\"type\":\"insufficient_quota\"}}",
		OUTCOME_QUOTA, "no-credits", 0},
	    {422, "",
		"{\"detail\":[{\"loc\":[\"body\",\"model\"],\"msg\":\"field "
		"required\",\"type\":\"missing\"}]}",
		OUTCOME_PERMANENT, "http-422", 0},
	    {400, "", "{\"error\":{\"message\":\"Invalid model\",\"code\":400}}", OUTCOME_PERMANENT,
		"http-400", 0},
	    {429, "", "", OUTCOME_THROTTLE, "http-429", 0},
	    {429, "retry-after: 1.5", "", OUTCOME_THROTTLE, "http-429", 1500},
	    {408, "", "", OUTCOME_TRANSIENT, "http-408", 0},
	    {409, "", "", OUTCOME_TRANSIENT, "http-409", 0},
	    {500, "", "", OUTCOME_TRANSIENT, "http-500", 0},
	    {524, "", "<html>", OUTCOME_TRANSIENT, "http-524", 0},
	};

	(void)state;
	SHIPPED("perplexity", "research", lines);
}

#define CHECKED(status, sub)                                                                       \
	"{\"address\":\"a@ex.test\",\"status\":\"" status "\",\"sub_status\":\"" sub               \
	"\",\"free_email\":false,"                                                                 \
	"\"domain_age_days\":\"9692\",\"mx_found\":\"true\"}"

static void test_zerobounce(void **state)
{
	static const struct line lines[] = {
	    {200, "", CHECKED("valid", ""), OUTCOME_OK, "http-200", 0},
	    {200, "", CHECKED("invalid", "mailbox_not_found"), OUTCOME_OK, "http-200", 0},
	    {200, "", CHECKED("catch-all", ""), OUTCOME_OK, "http-200", 0},
	    {200, "", CHECKED("spamtrap", ""), OUTCOME_OK, "http-200", 0},
	    {200, "", CHECKED("abuse", ""), OUTCOME_OK, "http-200", 0},
	    {200, "", CHECKED("do_not_mail", "role_based"), OUTCOME_OK, "http-200", 0},
	    {200, "", CHECKED("unknown", ""), OUTCOME_OK, "http-200", 0},
	    {200, "", CHECKED("unknown", "greylisted"), OUTCOME_PENDING, "unknown-yet", 0},
	    {200, "", CHECKED("unknown", "timeout_exceeded"), OUTCOME_PENDING, "unknown-yet", 0},
	    {200, "", CHECKED("unknown", "mail_server_temporary_error"), OUTCOME_PENDING,
		"unknown-yet", 0},
	    {200, "", "{\"error\":\"Invalid API key or your account ran out of credits\"}",
		OUTCOME_QUOTA, "no-credits", 0},
	    {200, "", "{\"error\":\"Invalid API key\"}", OUTCOME_AUTH, "bad-key", 0},
	    {200, "", "{\"error\":\"Internal error\"}", OUTCOME_TRANSIENT, "error-inside-200", 0},
	    {200, "", "{}", OUTCOME_TRANSIENT, "no-status", 0},
	    {200, "", "OK", OUTCOME_IN_DOUBT, "no-json", 0},
	    {400, "", "{\"error\":\"bad email\"}", OUTCOME_PERMANENT, "http-400", 0},
	    {403, "", "blocked", OUTCOME_THROTTLE, "shield", 60000},
	    {429, "", "", OUTCOME_THROTTLE, "http-429", 60000},
	    {429, "Retry-After: 120", "", OUTCOME_THROTTLE, "http-429", 120000},
	    {500, "", "", OUTCOME_TRANSIENT, "http-500", 0},
	    {520, "", "", OUTCOME_TRANSIENT, "http-520", 0},
	    {524, "", "", OUTCOME_TRANSIENT, "http-524", 0},
	};

	(void)state;
	SHIPPED("zerobounce", "validate", lines);
}

static void test_instantly(void **state)
{
	static const struct line push[] = {
	    {200, "", "{\"id\":\"u1\",\"email\":\"a@ex.test\",\"campaign\":\"c1\"}", OUTCOME_OK,
		"http-200", 0},
	    {200, "", "{\"error\":\"Internal\",\"message\":\"m\"}", OUTCOME_TRANSIENT,
		"error-inside-200", 0},
	    {400, "",
		"{\"statusCode\":400,\"error\":\"Bad Request\",\"message\":\"body/email must "
		"match\"}",
		OUTCOME_PERMANENT, "http-400", 0},
	    {401, "", "{\"statusCode\":401,\"error\":\"Unauthorized\",\"message\":\"m\"}",
		OUTCOME_AUTH, "http-401", 0},
	    {402, "", "{\"statusCode\":402,\"error\":\"Payment Required\",\"message\":\"m\"}",
		OUTCOME_QUOTA, "http-402", 0},
	    {403, "", "{}", OUTCOME_AUTH, "http-403", 0},
	    {404, "", "{}", OUTCOME_PERMANENT, "http-404", 0},
	    {409, "", "{\"statusCode\":409,\"error\":\"Conflict\",\"message\":\"exists\"}",
		OUTCOME_DUPLICATE, "already-there", 0},
	    {429, "", "{\"statusCode\":429}", OUTCOME_THROTTLE, "http-429", 0},
	    {500, "", "", OUTCOME_TRANSIENT, "http-500", 0},
	    {503, "", "", OUTCOME_TRANSIENT, "http-503", 0},
	};
	static const struct line find[] = {
	    {200, "", "{\"items\":[{\"id\":\"u1\",\"email\":\"a@ex.test\"}]}", OUTCOME_OK,
		"http-200", 0},
	    {200, "", "{\"items\":[]}", OUTCOME_EMPTY, "not-there", 0},
	    {200, "", "{}", OUTCOME_TRANSIENT, "no-items", 0},
	    {200, "", "{\"error\":\"Internal\"}", OUTCOME_TRANSIENT, "no-items", 0},
	    {200, "", "", OUTCOME_TRANSIENT, "no-json", 0}, /* free: nothing is in doubt */
	};
	static const struct line remove_lead[] = {
	    {200, "", "", OUTCOME_OK, "http-200", 0},
	    {200, "", "null", OUTCOME_OK, "http-200", 0},
	    {404, "", "{}", OUTCOME_DUPLICATE, "gone-already", 0},
	};

	(void)state;
	SHIPPED("instantly", "push", push);
	SHIPPED("instantly", "find", find);
	SHIPPED("instantly", "remove", remove_lead);
}

static void test_shipped_fields(void **state)
{
	static const char *const found =
	    "{\"items\":[{\"id\":\"u\",\"email\":\"a@ex.test\",\"campaign\":\"c\",\"status\":1,"
	    "\"payload\":{\"k\":1}}]}";
	struct service *verifier = service_shipped("zerobounce"),
		       *research = service_shipped("perplexity"), *copy = service_shipped("openai"),
		       *campaigns = service_shipped("instantly");
	struct answer a;

	(void)state;
	a = asked(verifier, 200, "", CHECKED("catch-all", "x"));
	assert_field(&a, 0, "verify_status", VALUE_STRING, "catch-all");
	assert_field(&a, 1, "verify_sub_status", VALUE_STRING, "x");
	assert_field(&a, 2, "verify_free", VALUE_FALSE, NULL);
	assert_field(&a, 3, "verify_did_you_mean", VALUE_NONE, NULL);
	assert_int_equal(a.price_micro, 8000);
	assert_true(a.readable);
	a = asked(verifier, 200, "", CHECKED("unknown", "greylisted"));
	assert_field(&a, 0, "verify_status", VALUE_STRING, "unknown");
	assert_int_equal(a.price_micro, 8000);
	a = asked(verifier, 403, "", "");
	assert_int_equal(a.price_micro, 0);
	assert_int_equal(a.n_fields, 0);
	a = asked(research, 200, "", SONAR("\"About \\\"it\\\"\""));
	assert_field(&a, 0, "text", VALUE_STRING, "About \"it\"");
	assert_field(&a, 1, "sources", VALUE_JSON, "[\"https://ex.test/a\"]");
	assert_int_equal(a.price_micro, 5120);
	a = asked(research, 200, "", "{\"choices\":[{\"message\":{\"content\":\"x\"}}]}");
	assert_int_equal(a.price_micro, 20000); /* it should say and does not: the ceiling */
	a = asked(copy, 200, "", CHAT("\"content\":\"Hello\"", "stop"));
	assert_field(&a, 0, "text", VALUE_STRING, "Hello");
	assert_field(&a, 3, "tokens_in", VALUE_NUMBER, "210");
	assert_int_equal(
	    a.price_micro, 39); /* (210 * 0.15 + 12 * 0.60) / 1e6 = 0.0000387, rounded up */
	a = asked(copy, 200, "", CHAT("\"content\":null,\"refusal\":\"no\"", "stop"));
	assert_int_equal(a.price_micro, 39);
	a = asked(copy, 200, "", "{\"choices\":[{");
	assert_int_equal(a.outcome, OUTCOME_IN_DOUBT);
	assert_int_equal(a.price_micro, 10000);
	assert_false(a.readable);
	a = answer_to(
	    campaigns, service_find_call(campaigns, "find"), 200, "", found, strlen(found));
	assert_field(&a, 0, "pushed_id", VALUE_STRING, "u");
	assert_field(&a, 3, "found_id", VALUE_STRING, "u");
	assert_field(&a, 4, "found_email", VALUE_STRING, "a@ex.test");
	assert_field(&a, 5, "found_campaign", VALUE_STRING, "c");
	assert_field(&a, 6, "found_status", VALUE_NUMBER, "1");
	assert_field(&a, 7, "found_payload", VALUE_JSON, "{\"k\":1}");
	service_unref(verifier);
	service_unref(research);
	service_unref(copy);
	service_unref(campaigns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_openai),
	    cmocka_unit_test(test_perplexity),
	    cmocka_unit_test(test_zerobounce),
	    cmocka_unit_test(test_instantly),
	    cmocka_unit_test(test_shipped_fields),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return rc;
}
