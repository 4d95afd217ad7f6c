/*
 * What breaks naive clients of these services, each as a line of a service file: quirk, file, the
 * line that says it, an answer that shows it, and what it means. The rows are the test; run it to
 * see them as a table with line numbers. Services that are not shipped are in tests/data/services.
 */
#include "tests/unit/quirk_rows.h"

static const struct quirk quirks[] = {
    /* 200 with a failure inside */
    {"all failures are 200: too fast", "neverbounce", "throttle_triggered", "check", 200, NULL,
	"{\"status\":\"throttle_triggered\"}", OUTCOME_THROTTLE, 30 * SEC, 0},
    {"all failures are 200: bad key", "neverbounce", "auth_failure", "check", 200, NULL,
	"{\"status\":\"auth_failure\"}", OUTCOME_AUTH, ANY, 0},
    {"all failures are 200: down", "neverbounce", "temp_unavail", "check", 200, NULL,
	"{\"status\":\"temp_unavail\"}", OUTCOME_TRANSIENT, ANY, 0},
    {"all failures are 200: no credits", "neverbounce", "contains: credits", "check", 200, NULL,
	"{\"status\":\"general_failure\",\"message\":\"Insufficient credits\"}", OUTCOME_QUOTA, ANY,
	0},
    {"all failures are 200: this one", "neverbounce", "not: success", "check", 200, NULL,
	"{\"status\":\"general_failure\",\"message\":\"m\"}", OUTCOME_PERMANENT, ANY, 0},
    {"a bad key is a 200 with a text", "millionverifier", "Apikey not found", "check", 200, NULL,
	"{\"result\":\"error\",\"resultcode\":4,\"error\":\"Apikey not found\"}", OUTCOME_AUTH, ANY,
	0},
    {"a text is a failure", "millionverifier", "present: true", "check", 200, NULL,
	"{\"result\":\"ok\",\"error\":\"m\"}", OUTCOME_PERMANENT, ANY, 0},
    {"… an empty one is none", "millionverifier", NULL, "check", 200, NULL,
	"{\"result\":\"ok\",\"error\":\"\"}", OUTCOME_OK, ANY, 4000},
    {"200 after the model began", "openrouter", "error-inside-200", "chat", 200, NULL,
	"{\"error\":{\"code\":502,\"message\":\"m\"}}", OUTCOME_TRANSIENT, ANY, 0},
    {"a response that failed is a 200", "odd", "status: failed}, is: transient", "ask", 200, NULL,
	"{\"status\":\"failed\",\"error\":{\"code\":\"server_error\"}}", OUTCOME_TRANSIENT, ANY,
	ANY},
    {"… or was too fast", "odd", "rate_limit_exceeded", "ask", 200, NULL,
	"{\"status\":\"failed\",\"error\":{\"code\":\"rate_limit_exceeded\"}}", OUTCOME_THROTTLE,
	ANY, ANY},
    {"… or is at work", "odd", "in_progress", "ask", 200, NULL, "{\"status\":\"queued\"}",
	OUTCOME_PENDING, ANY, ANY},
    {"some endpoints: error in a 200", "instantly", "error-inside-200", "push", 200, NULL,
	"{\"error\":\"m\"}", OUTCOME_TRANSIENT, ANY, 0},
    /* statuses that mean something else */
    {"403 is too fast", "hunter", "reason: too-fast", "find", 403, NULL, "{\"errors\":[]}",
	OUTCOME_THROTTLE, ANY, 0},
    {"429 is credits used up", "hunter", "status: 429, is: quota", "find", 429, NULL,
	"{\"errors\":[]}", OUTCOME_QUOTA, ANY, 0},
    {"202 is not ready", "hunter", "status: 202", "verify", 202, NULL, "{\"data\":{}}", OUTCOME_PENDING, ANY, 0},
    {"222 is no success", "hunter", "status: 222", "find", 222, NULL, "{}",
	OUTCOME_TRANSIENT, ANY, 0},
    {"403 is a shield", "zerobounce", "reason: shield", "validate", 403, NULL, "", OUTCOME_THROTTLE,
	60 * SEC, 0},
    {"404 is not ready, wait in the body", "apollo", "result_pending", "result", 404, NULL,
	"{\"error_code\":\"result_pending\",\"retry_after_seconds\":10}", OUTCOME_PENDING, 10 * SEC,
	0},
    {"422 is no credits, by its text", "apollo", "text: [credit]", "match", 422, NULL,
	"{\"error\":\"Insufficient credits.\"}", OUTCOME_QUOTA, ANY, 0},
    {"409 is there already", "instantly", "status: 409, is: duplicate", "push", 409, NULL,
	"{\"statusCode\":409}", OUTCOME_DUPLICATE, ANY, 0},
    {"402 that passes when runs end", "apify", "concurrent-runs-limit-exceeded", "start", 402, NULL,
	"{\"error\":{\"type\":\"concurrent-runs-limit-exceeded\"}}", OUTCOME_THROTTLE, 30 * SEC, 0},
    {"408: nobody knows what became of it", "apify", "run-timeout-exceeded", "scrape", 408, NULL,
	"{\"error\":{\"type\":\"run-timeout-exceeded\"}}", OUTCOME_IN_DOUBT, ANY, ANY},
    {"404 is a switched-off workflow", "n8n", "[is not registered]", "discover", 404, NULL,
	"{\"code\":404,\"message\":\"The requested webhook is not registered.\"}", OUTCOME_AUTH,
	ANY, 0},
    {"524 of a proxy: it may have been done", "n8n", "gateway-timeout", "discover", 524, NULL, "",
	OUTCOME_IN_DOUBT, ANY, ANY},
    /* one status, many conditions */
    {"429: rate", "openai", NULL, "chat", 429, "retry-after: 7",
	"{\"error\":{\"type\":\"requests\",\"code\":\"rate_limit_exceeded\"}}", OUTCOME_THROTTLE,
	7 * SEC, 0},
    {"429: money, by type without code", "openai", "type: insufficient_quota", "chat", 429, NULL,
	"{\"error\":{\"type\":\"insufficient_quota\",\"code\":null}}", OUTCOME_QUOTA, 0, 0},
    {"429: money, by another code", "openai", "project_spend_limit_exceeded", "chat", 429, NULL,
	"{\"error\":{\"type\":\"x\",\"code\":\"project_spend_limit_exceeded\"}}", OUTCOME_QUOTA, 0,
	0},
    {"429: inside the limits", "openai", "slow_down}, is: throttle", "chat", 429, NULL,
	"{\"error\":{\"type\":\"rate_limit_error\",\"code\":\"slow_down\"}}", OUTCOME_THROTTLE,
	15 * SEC, 0},
    {"429 without a delay: the month is over", "anthropic", "until: month", "message", 429, NULL,
	"{\"error\":{\"type\":\"rate_limit_error\",\"details\":{\"error_code\":\"enforced_spend_"
	"limit_"
	"reached\"}}}",
	OUTCOME_QUOTA, ANY, 0},
    {"400 by its text alone: the balance", "anthropic", "credit balance", "message", 400, NULL,
	"{\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Your credit balance is too "
	"low\"}}",
	OUTCOME_QUOTA, ANY, 0},
    {"400 else is this one", "anthropic", NULL, "message", 400, NULL,
	"{\"error\":{\"type\":\"invalid_request_error\",\"message\":\"m\"}}", OUTCOME_PERMANENT,
	ANY, 0},
    {"529", "anthropic", "status: 529", "message", 529, NULL, "{}", OUTCOME_TRANSIENT, ANY, 0},
    {"429: the day of the account", "hubspot", "policyName: DAILY", "read_contacts", 429, NULL,
	"{\"policyName\":\"DAILY\"}", OUTCOME_QUOTA, ANY, 0},
    {"… by its text, without a policy's name", "hubspot", "text: [daily]", "read_contacts", 429, NULL,
	"{\"message\":\"You have reached your daily limit.\"}", OUTCOME_QUOTA, ANY, 0},
    {"409: by the database's code", "supabase", "\"23503\"", "keep_company", 409, NULL,
	"{\"code\":\"23503\"}", OUTCOME_PERMANENT, ANY, 0},
    {"a flag in the body decides", "openrouter", "retryable: true", "chat", 400, NULL,
	"{\"error\":{\"code\":400,\"availability\":{\"retryable\":true,\"retry_after\":4}}}",
	OUTCOME_TRANSIENT, 4 * SEC, 0},
    {"402 is the credit", "openrouter", "payment_required",
	"chat", 402, NULL, "{\"error\":{\"metadata\":{\"error_type\":\"payment_required\"}}}",
	OUTCOME_QUOTA, ANY, 0},
    {"402 is this customer's card", "stripe", "status: 402", "charge", 402, NULL,
	"{\"error\":{\"type\":\"card_error\",\"code\":\"card_declined\"}}", OUTCOME_PERMANENT, ANY, 0},
    {"a header says that a repeat is no use", "odd", "x-should-retry: \"false\"", "ask", 429, "x-should-retry: false", "{}", OUTCOME_PERMANENT, ANY, 0},
    {"… or that it is", "odd", "x-should-retry: \"true\"", "ask", 400, "x-should-retry: true", "{}", OUTCOME_TRANSIENT, ANY, 0},
    /* bodies that are no JSON */
    {"401 is plain text", "apollo", "auth: {header: x-api-key}", "match", 401,
	"Content-Type: text/plain", "Invalid access credentials.", OUTCOME_AUTH, ANY, 0},
    {"401 is an HTML page", "perplexity", NULL, "research", 401, NULL, "<html>",
	OUTCOME_AUTH, ANY, 0},
    {"JSON within a text", "apollo", NULL, "match", 429, "retry-after: 3",
	"{\"message\":\"{\\\"message\\\":\\\"m\\\"}\"}", OUTCOME_THROTTLE, 3 * SEC, 0},
    /* how long to wait */
    {"seconds with a fraction", "odd", "retry_after_seconds", "ask", 429, NULL, "{\"retry_after_seconds\":1.5}",
	OUTCOME_THROTTLE, 3 * SEC / 2, 0},
    {"a date of HTTP", "openai", NULL, "chat", 429,
	"Date: Sun, 22 Nov 2026 00:00:00 GMT\nRetry-After: Sun, 22 Nov 2026 00:00:09 GMT", "{}",
	OUTCOME_THROTTLE, 9 * SEC, 0},
    {"milliseconds", "openai", "retry-after-ms", "chat", 429, "retry-after-ms: 250", "{}",
	OUTCOME_THROTTLE, SEC / 4, 0},
    {"Go's durations", "odd", "unit: go", "ask", 429, "x-reset: 6m0s", "{}", OUTCOME_THROTTLE,
	360 * SEC, 0},
    {"RFC 3339", "odd", "x-reset-at", "ask", 429, "x-reset-at: 2026-11-22T00:00:20Z", "{}",
	OUTCOME_THROTTLE, ANY, 0},
    {"the draft's items", "odd", "item: burst, field: t", "ask", 429,
	"RateLimit: \"day\";r=5;t=900, \"burst\";r=0;t=30", "{}", OUTCOME_THROTTLE, 30 * SEC, 0},
    {"the older dictionary", "close", "field: reset", "get_lead", 429,
	"RateLimit: limit=100, remaining=3, reset=5", "{}", OUTCOME_THROTTLE, 5 * SEC, 0},
    {"the longest of several windows", "apollo", "until the longest window", "match", 429,
	"retry-after: 1800\nx-minute-requests-left: 0\nx-hourly-requests-left: 0", "{\"retry_after_seconds\":10}",
	OUTCOME_THROTTLE, 1800 * SEC, 0},
    {"nonsense, which is passed over", "openai", NULL, "chat", 429, "retry-after: soon", "{}", OUTCOME_THROTTLE, 0, 0},
    {"no headers where they are needed most", "hubspot", "policyName: SECONDLY", "find_companies", 429, NULL, "{\"policyName\":\"SECONDLY\"}",
	OUTCOME_THROTTLE, SEC, 0},
    {"no word at all", "instantly", "throttle: {base", "push", 429, NULL, "{}", OUTCOME_THROTTLE, 0,
	0},
    /* fields that change and vanish */
    {"a boolean or the word pending", "odd", "catch_all: pending", "ask", 200, NULL,
	"{\"catch_all\":\"pending\"}", OUTCOME_PENDING, ANY, ANY},
    {"… and the boolean", "odd", "map: {catch_all", "ask", 200, NULL,
	"{\"catch_all\":false,\"credits_consumed\":1}", OUTCOME_OK, ANY, 100000},
    {"credits with a fraction", "odd", "units: .credits_consumed", "ask", 200, NULL,
	"{\"credits_consumed\":1.5}", OUTCOME_OK, ANY, 150000},
    {"credits that are not there: the ceiling", "odd", "ceiling: 0.90", "ask", 200, NULL, "{}",
	OUTCOME_OK, ANY, 900000},
    {"content null on a refusal", "openai", ".choices[0].message.refusal", "chat", 200, NULL,
	"{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":null,\"refusal\":"
	"\"no\"}}],"
	"\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1},\"model\":\"gpt-4o-mini\"}",
	OUTCOME_REFUSAL, ANY, ANY},
    {"cut off: no JSON to come", "openai", "reason: cut-off", "chat", 200, NULL,
	"{\"choices\":[{\"finish_reason\":\"length\",\"message\":{\"content\":\"{\"}}],\"usage\":{"
	"\"prompt_tokens\":1,\"completion_tokens\":1},\"model\":\"gpt-4o-mini\"}",
	OUTCOME_REFUSAL, ANY, ANY},
    {"every field of an error may be missing", "hubspot", "status: 429, is: throttle",
	"read_contacts", 429, NULL, "{}", OUTCOME_THROTTLE, 10 * SEC, 0},
    {"the price of the call in its answer", "perplexity", ".usage.cost.total_cost", "research", 200,
	NULL,
	"{\"choices\":[{\"message\":{\"content\":\"x\"}}],\"usage\":{\"cost\":{\"total_cost\":0."
	"00512}}}",
	OUTCOME_OK, ANY, 5120},
    {"a part of a batch is there (207)", "hubspot", "[200, 207]", "read_contacts", 207, NULL,
	"{\"results\":[{\"id\":\"1\",\"properties\":{\"email\":\"a@b.example\"}}],\"numErrors\":1}",
	OUTCOME_OK, ANY, 0},
    {"unknown: worth one later try", "millionverifier", "result: unknown", "check", 200, NULL,
	"{\"result\":\"unknown\"}", OUTCOME_PENDING, ANY, 0},
};

static void each_is_a_line(void **state)
{
	(void)state;
	rows_hold(quirks, sizeof(quirks) / sizeof(quirks[0]));
}

/* Two windows in one header, keys as user names, keys of repeats. */
static void both_windows_of_a_header(void **state)
{
	const struct quirk q = {.call = "ask",
	    .status = 200,
	    .head = "X-RateLimit-Remaining: 1, 77",
	    .body = "{\"credits_consumed\":0}"};
	const struct expr_source params = {
	    .field = params_field, .write = params_write, .ctx = "{\"email\":\"a@b.example\"}"};
	const struct request_input in = {.params = &params,
	    .call_id = "0123456789abcdef",
	    .idempotency_key = "1-2-a",
	    .secret = "k",
	    .secret_len = 1};
	struct service *s = load(SOURCE_ROOT "/tests/data/services/odd.yaml");
	struct answer a = read_answer(s, &q);
	struct request r;
	bool key = false, user = false;

	(void)state;
	assert_int_equal(a.n_hints, 2);
	assert_int_equal(a.hints[0].remaining, 1);
	assert_int_equal(a.hints[1].remaining, 77);
	assert_int_equal(request_render(s, service_find_call(s, "ask"), &in, &arena, &r, NULL), 0);
	for (size_t i = 0; i < r.n_headers; i++) {
		key |= strcmp(r.headers[i].name, "Idempotency-Key") == 0 &&
		       strcmp(r.headers[i].value, "\"1-2-a\"") == 0;
		user |= strcmp(r.headers[i].name, "Authorization") == 0 &&
			strcmp(r.headers[i].value, "Basic azo=") == 0;
	}
	assert_true(key && user);
	service_unref(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_is_a_line),
	    cmocka_unit_test(both_windows_of_a_header),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return rc;
}
