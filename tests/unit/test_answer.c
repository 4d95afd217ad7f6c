/*
 * Answers: every line of the providers' error tables, every unit of every hint, every price.
 *
 * The four shipped services are tested with the files as they are. The other
 * providers' habits are written down here as services, to show that the format
 * can say them.
 */
#include "tests/unit/service_file.h"

#define NOW_WALL_US INT64_C(1795305600000000) /* 2026-11-22T00:00:00Z */
#define NOW ((struct now){.boot_us = 1000 * US_PER_S, .wall_us = NOW_WALL_US})

static struct arena arena;

/* Headers as one text, `name: value` a line. */
static struct answer answer_to(const struct service *s, const struct service_call *c, int status,
    const char *lines, const char *body, size_t len)
{
	struct http_header headers[16];
	struct http_answer h = {.transport = TRANSPORT_ANSWERED,
	    .status = status,
	    .headers = headers,
	    .body = body,
	    .body_len = len};
	struct answer a;

	while (*lines != '\0') {
		const char *colon = strstr(lines, ": "), *end = strchr(lines, '\n');

		end = end == NULL ? lines + strlen(lines) : end;
		headers[h.n_headers++] =
		    (struct http_header){arena_dup(&arena, lines, (size_t)(colon - lines)),
			arena_dup(&arena, colon + 2, (size_t)(end - colon - 2))};
		lines = *end == '\0' ? end : end + 1;
	}
	assert_int_equal(answer_read(s, c, &h, NOW, &arena, &a), 0);
	return a;
}

static struct answer asked(const struct service *s, int status, const char *lines, const char *body)
{
	return answer_to(s, &s->calls[0], status, lines, body, strlen(body));
}

struct line {
	int status;
	const char *headers, *body;
	enum outcome_class is;
	const char *reason;
	int64_t wait_ms;
};

static void check_lines(
    const struct service *s, const char *call, const struct line *lines, size_t n)
{
	const struct service_call *c = call == NULL ? &s->calls[0] : service_find_call(s, call);

	for (size_t i = 0; i < n; i++) {
		const struct line *l = &lines[i];
		struct answer a = answer_to(s, c, l->status, l->headers, l->body, strlen(l->body));

		if (a.outcome != l->is || strcmp(a.reason, l->reason) != 0 ||
		    a.retry_after_us != l->wait_ms * US_PER_MS) {
			print_error("%s line %zu: %d %s\n got %s %s %lld us\nwant %s %s %lld ms\n",
			    s->name, i, l->status, l->body, outcome_word(a.outcome), a.reason,
			    (long long)a.retry_after_us, outcome_word(l->is), l->reason,
			    (long long)l->wait_ms);
			fail();
		}
	}
}

static void check_shipped(const char *name, const char *call, const struct line *lines, size_t n)
{
	struct service *s = service_shipped(name);

	check_lines(s, call, lines, n);
	service_unref(s);
}

#define SHIPPED(name, call, lines) check_shipped(name, call, lines, sizeof lines / sizeof *lines)

static void check_own(const char *rest, const struct line *lines, size_t n)
{
	struct service *s;
	char text[4096];

	snprintf(text, sizeof text, "service: x\nbase: https://h.example\n%s", rest);
	s = service_of(text);
	check_lines(s, NULL, lines, n);
	service_unref(s);
}

#define OWN(rest, lines) check_own(rest, lines, sizeof lines / sizeof *lines)

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

static void assert_field(
    const struct answer *a, size_t i, const char *name, enum value_kind kind, const char *text)
{
	assert_true(i < a->n_fields);
	assert_string_equal(a->fields[i].name, name);
	assert_int_equal(a->fields[i].value.kind, kind);
	if (text != NULL) {
		assert_int_equal(a->fields[i].value.len, strlen(text));
		assert_memory_equal(a->fields[i].value.text, text, strlen(text));
	}
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

/* --- the habits of others ------------------------------------------------- */

#define CALL "calls: {one: {post: /, map: {a: .a}}}\n"

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

/* --- hints ---------------------------------------------------------------- */

/* What one header says about waiting, in microseconds. */
static int64_t wait_of(const char *hint, const char *headers, const char *body)
{
	struct service *s;
	struct answer a;
	char text[512];

	snprintf(text, sizeof text,
	    "service: x\nbase: https://h.example\nhints: [{%s}]\ncalls: {one: {get: /}}\n", hint);
	s = service_of(text);
	a = asked(s, 429, headers, body);
	service_unref(s);
	return a.retry_after_us;
}

static void test_units(void **state)
{
	static const struct {
		const char *unit, *value;
		int64_t us;
	} units[] = {
	    {"s", "5", 5 * US_PER_S},
	    {"s", "0.25", 250000},
	    {"s", "  7 ", 7 * US_PER_S},
	    {"s", "-1", 0},
	    {"s", "0", 0},
	    {"s", "", 0},
	    {"s", "soon", 0},
	    {"s", "1e300", 31 * US_PER_DAY},
	    {"s", "NaN", 0},
	    {"s", "Sun, 22 Nov 2026 00:00:30 GMT", 30 * US_PER_S},
	    {"s", "Sat, 21 Nov 2026 23:00:00 GMT", 0},
	    {"ms", "1500", 1500000},
	    {"ms", "0.5", 500},
	    {"ms", "-1", 0},
	    {"go", "6m0s", 360 * US_PER_S},
	    {"go", "12ms", 12000},
	    {"go", "1h2m3.5s", 3723500000},
	    {"go", "5", 0},
	    {"epoch", "1795305660", 60 * US_PER_S},
	    {"epoch", "1795305600.5", 500000},
	    {"epoch", "5", 0},
	    {"epoch-ms", "1795305600250", 250000},
	    {"date", "2026-11-22T00:01:00Z", 60 * US_PER_S},
	    {"date", "2026-11-22T01:01:00.5+01:00", 60500000},
	    {"date", "Sun, 22 Nov 2026 00:00:30 GMT", 30 * US_PER_S},
	    {"date", "60", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		char hint[128], headers[128];
		int64_t us;

		snprintf(hint, sizeof hint, "header: x-wait, tells: retry-after, unit: %s",
		    units[i].unit);
		snprintf(headers, sizeof headers, "X-Wait: %s", units[i].value);
		us = wait_of(hint, headers, "");
		if (us != units[i].us) {
			print_error("%s '%s': %lld, not %lld\n", units[i].unit, units[i].value,
			    (long long)us, (long long)units[i].us);
			fail();
		}
	}
}

/* An absolute time is corrected by the answer's own clock. */
static void test_date_skew(void **state)
{
	(void)state;
	assert_int_equal(wait_of("header: x, tells: retry-after",
			     "Date: Sun, 22 Nov 2026 01:00:00 GMT\n"
			     "Retry-After: Sun, 22 Nov 2026 01:00:30 GMT",
			     ""),
	    30 * US_PER_S);
	assert_int_equal(wait_of("header: x, tells: retry-after, unit: epoch",
			     "Date: Sun, 22 Nov 2026 01:00:00 GMT\nX: 1795309202", ""),
	    2 * US_PER_S);
	assert_int_equal(wait_of("header: x, tells: retry-after",
			     "Date: yesterday\nRetry-After: Sun, 22 Nov 2026 00:00:30 GMT", ""),
	    30 * US_PER_S);
}

static void test_places(void **state)
{
	static const char *const burst =
	    "RateLimit: \"burst\";r=50;t=30, \"a, b;c\";t=70,\"daily\";r=1;t=3600";

	(void)state;
	assert_int_equal(
	    wait_of("header: ratelimit, item: burst, field: t, tells: retry-after", burst, ""),
	    30 * US_PER_S);
	assert_int_equal(
	    wait_of("header: ratelimit, item: DAILY, field: t, tells: retry-after", burst, ""),
	    3600 * US_PER_S);
	assert_int_equal(
	    wait_of("header: ratelimit, item: 'a, b;c', field: t, tells: retry-after", burst, ""),
	    70 * US_PER_S);
	assert_int_equal(
	    wait_of("header: ratelimit, item: gone, field: t, tells: retry-after", burst, ""), 0);
	assert_int_equal(
	    wait_of("header: ratelimit, item: 2, field: t, tells: retry-after", burst, ""),
	    3600 * US_PER_S);
	assert_int_equal(wait_of("header: ratelimit, item: daily, field: t, tells: retry-after",
			     "RateLimit: \"burst\";r=50;t=30\nRateLimit: \"daily\";r=1;t=9", ""),
	    9 * US_PER_S); /* one list over two lines */
	assert_int_equal(wait_of("header: ratelimit, field: reset, tells: retry-after",
			     "RateLimit: limit=100, remaining=50, reset=5", ""),
	    5 * US_PER_S);
	assert_int_equal(wait_of("header: ratelimit, item: reset, tells: retry-after",
			     "RateLimit: limit=100, remaining=50, reset=\"5\"", ""),
	    5 * US_PER_S);
	assert_int_equal(wait_of("header: x-ratelimit-reset, item: 1, tells: retry-after",
			     "X-RateLimit-Reset: 1, 1419704", ""),
	    1419704 * US_PER_S);
	assert_int_equal(
	    wait_of("header: x-ratelimit-policy, item: 1, field: w, tells: retry-after",
		"X-RateLimit-Policy: 1;w=1, 15000;w=2592000", ""),
	    2592000 * US_PER_S);
	assert_int_equal(wait_of("header: x-ratelimit-policy, item: 0, tells: retry-after",
			     "X-RateLimit-Policy: 4;w=1, 15000;w=2592000", ""),
	    4 * US_PER_S);
	assert_int_equal(wait_of("body: .retry_after_seconds, tells: retry-after", "",
			     "{\"retry_after_seconds\":2.5}"),
	    2500000);
	assert_int_equal(
	    wait_of("body: .w, tells: retry-after, unit: ms", "", "{\"w\":\"250\"}"), 250000);
	assert_int_equal(
	    wait_of("body: '.w * 2', tells: retry-after", "", "{\"w\":3}"), 6 * US_PER_S);
	assert_int_equal(wait_of("body: .w, tells: retry-after", "", "{\"w\":[1]}"), 0);
	assert_int_equal(
	    wait_of("body: .w, tells: retry-after", "Retry-After: 3", "no json"), 3 * US_PER_S);
}

/* "If Retry-After is present it wins", unless the file puts another word first. */
static void test_order_of_waits(void **state)
{
	(void)state;
	assert_int_equal(
	    wait_of("header: x, tells: retry-after", "Retry-After: 9\nX: 3", ""), 3 * US_PER_S);
	assert_int_equal(
	    wait_of("header: retry-after, tells: retry-after}, {header: x, tells: retry-after",
		"Retry-After: 9\nX: 3", ""),
	    9 * US_PER_S);
	assert_int_equal(
	    wait_of("header: retry-after, tells: retry-after, unit: ms", "Retry-After: 9", ""),
	    9000);
	assert_int_equal(
	    wait_of("header: x, tells: retry-after, spent: y", "X: 3\nY: 0", ""), 3 * US_PER_S);
	assert_int_equal(wait_of("header: x, tells: retry-after, spent: y", "X: 3\nY: 1", ""), 0);
	assert_int_equal(wait_of("header: x, tells: retry-after, spent: y", "X: 3", ""), 0);
}

static void test_windows(void **state)
{
	struct service *s =
	    service_of("service: x\nbase: https://h.example\n"
		       "limits:\n"
		       "  - {limit: [1/1s, 15000/month], label: brave}\n"
		       "  - {limit: 60/60s, label: minute}\n"
		       "  - {limit: 5/5s, label: other, calls: two}\n"
		       "hints:\n"
		       "  - {header: x-left, item: 0, tells: remaining, of: 1s}\n"
		       "  - {header: x-left, item: 1, tells: remaining, of: month}\n"
		       "  - {header: x-reset, item: 1, tells: reset, of: 15000/month}\n"
		       "  - {header: x-minute-reset, tells: reset, unit: go, of: Minute}\n"
		       "  - {header: x-minute-limit, tells: limit, of: Minute}\n"
		       "  - {header: x-other, tells: remaining, of: other}\n"
		       "calls: {one: {get: /}, two: {get: /}}\n");
	struct answer a = asked(
	    s, 200, "x-left: 1, 1000\nx-reset: 1, 86400\nx-minute-reset: 12ms\nx-minute-limit: 40\nx-other: 4", "{}");

	(void)state;
	assert_int_equal(a.n_hints, 3); /* `other` does not count this call */
	assert_int_equal(a.hints[0].limit, 0);
	assert_int_equal(a.hints[0].window, 0);
	assert_int_equal(a.hints[0].remaining, 1);
	assert_int_equal(a.hints[0].reset_us, -1);
	assert_int_equal(a.hints[1].window, 1);
	assert_int_equal(a.hints[1].remaining, 1000);
	assert_int_equal(a.hints[1].reset_us, US_PER_DAY);
	assert_int_equal(a.hints[2].limit, 1);
	assert_true(a.hints[2].remaining == UINT64_MAX);
	assert_int_equal(a.hints[2].reset_us, 12000);
	assert_int_equal(a.hints[2].max, 40);
	assert_int_equal(a.hints[1].max, 0);
	assert_int_equal(a.retry_after_us, 0);
	a = asked(s, 429, "x-left: 0, 0\nx-reset: 1, 86400\nx-minute-reset: 12ms", "");
	assert_int_equal(a.retry_after_us, US_PER_DAY); /* the longest of the exhausted windows */
	a = asked(s, 200, "x-left: -1, many\nx-reset: -1, -5\nx-minute-limit: 0", "{}");
	assert_int_equal(a.n_hints, 0);
	a = answer_to(s, &s->calls[1], 200, "x-other: 4", "{}", 2);
	assert_int_equal(a.n_hints, 1);
	assert_int_equal(a.hints[0].limit, 2);
	service_unref(s);
}

static void test_quota_reset(void **state)
{
	struct service *s =
	    service_of("service: x\nbase: https://h.example\n"
		       "hints: [{body: .resets_at, tells: quota-reset, unit: date}]\n"
		       "calls: {one: {get: /}}\n");
	struct answer a = asked(s, 402, "Date: Sun, 22 Nov 2026 01:00:00 GMT",
	    "{\"resets_at\":\"2026-11-22T02:00:00Z\"}");

	(void)state;
	assert_int_equal(a.reset_wall_us, NOW_WALL_US + 3600 * US_PER_S); /* in our clock */
	a = asked(s, 402, "", "{}");
	assert_int_equal(a.reset_wall_us, 0);
	service_unref(s);
}

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
	    cmocka_unit_test(test_openai),
	    cmocka_unit_test(test_perplexity),
	    cmocka_unit_test(test_zerobounce),
	    cmocka_unit_test(test_instantly),
	    cmocka_unit_test(test_shipped_fields),
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
	    cmocka_unit_test(test_units),
	    cmocka_unit_test(test_date_skew),
	    cmocka_unit_test(test_places),
	    cmocka_unit_test(test_order_of_waits),
	    cmocka_unit_test(test_windows),
	    cmocka_unit_test(test_quota_reset),
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
