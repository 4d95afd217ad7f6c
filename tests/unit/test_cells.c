/*
 * The closing table of what is known of these services, cell by cell: what their answers mean, what their headers tell of limits, how a
 * key is sent, how many go at once, and what a repeat does. Rows without a line are what the status says by itself.
 * What comes in (signatures of Close and Stripe, ids of events) stands in leadd.yaml: test_signature.c, test_events.c, test_payment.c.
 */
#include "lib/service/batch.h"
#include "tests/unit/quirk_rows.h"

static const struct quirk means[] = {
    /* OpenAI */
    {"408", "openai", NULL, "chat", 408, NULL, "", OUTCOME_TRANSIENT, ANY, ANY},
    {"409", "openai", "status: 409, is: transient", "chat", 409, NULL, "{}", OUTCOME_TRANSIENT, ANY, ANY},
    {"500", "openai", NULL, "chat", 500, NULL, "{}", OUTCOME_TRANSIENT, ANY, ANY},
    {"503: full", "openai", "server_is_overloaded", "chat", 503, NULL, "{\"error\":{\"code\":\"server_is_overloaded\"}}", OUTCOME_TRANSIENT, 15 * SEC, ANY},
    {"tokens are used up: theirs is the wait", "openai", "x-ratelimit-reset-tokens", "chat", 429, "x-ratelimit-remaining-tokens: 0\nx-ratelimit-reset-tokens: 12s", "{}", OUTCOME_THROTTLE, 12 * SEC, ANY},
    {"400: too long", "openai", NULL, "chat", 400, NULL, "{\"error\":{\"code\":\"context_length_exceeded\"}}", OUTCOME_PERMANENT, ANY, ANY},
    {"404: no such model", "openai", NULL, "chat", 404, NULL, "{}", OUTCOME_PERMANENT, ANY, ANY},
    {"401", "openai", NULL, "chat", 401, NULL, "{\"error\":{\"code\":\"invalid_api_key\"}}", OUTCOME_AUTH, ANY, ANY},
    {"403: region", "openai", NULL, "chat", 403, NULL, "{}", OUTCOME_AUTH, ANY, ANY},
    /* Perplexity */
    {"429", "perplexity", NULL, "research", 429, NULL, "{}", OUTCOME_THROTTLE, ANY, ANY},
    {"408", "perplexity", NULL, "research", 408, NULL, "", OUTCOME_TRANSIENT, ANY, ANY},
    {"409", "perplexity", "status: 409", "research", 409, NULL, "{}", OUTCOME_TRANSIENT, ANY, ANY},
    {"502", "perplexity", NULL, "research", 502, NULL, "", OUTCOME_TRANSIENT, ANY, ANY},
    {"422", "perplexity", NULL, "research", 422, NULL, "{\"detail\":[{\"msg\":\"m\"}]}", OUTCOME_PERMANENT, ANY, ANY},
    {"400", "perplexity", NULL, "research", 400, NULL, "{}", OUTCOME_PERMANENT, ANY, ANY},
    {"401 that speaks of credits", "perplexity", "text: [credit", "research", 401, NULL, "{\"error\":{\"message\":\"out of credits\"}}", OUTCOME_QUOTA, ANY, ANY},
    /* Apollo */
    {"429", "apollo", NULL, "match", 429, "retry-after: 40", "{\"message\":\"m\"}", OUTCOME_THROTTLE, 40 * SEC, ANY},
    {"500", "apollo", NULL, "match", 500, NULL, "{}", OUTCOME_TRANSIENT, ANY, ANY},
    {"403: another plan", "apollo", "text: [paid plan]", "match", 403, NULL, "{\"message\":\"only available on paid plans\"}", OUTCOME_QUOTA, ANY, ANY},
    {"403: scope", "apollo", NULL, "match", 403, NULL, "{\"error\":\"m\",\"error_code\":\"API_INACCESSIBLE\"}", OUTCOME_AUTH, ANY, ANY},
    {"400", "apollo", NULL, "match_many", 400, NULL, "{\"status\":\"failed\",\"error_code\":\"RECORD_LIMIT_EXCEEDED\"}", OUTCOME_PERMANENT, ANY, ANY},
    {"422", "apollo", NULL, "match", 422, NULL, "{\"error_code\":\"UNKNOWN_ERROR\"}", OUTCOME_PERMANENT, ANY, ANY},
    {"410: the result is gone", "apollo", NULL, "result", 410, NULL, "{\"error_code\":\"request_id_expired\"}", OUTCOME_PERMANENT, ANY, ANY},
    {"404: no such result", "apollo", NULL, "result", 404, NULL, "{\"error_code\":\"request_id_unknown\"}", OUTCOME_PERMANENT, ANY, ANY},
    /* Apify */
    {"429", "apify", NULL, "start", 429, NULL, "{\"error\":{\"type\":\"rate-limit-exceeded\"}}", OUTCOME_THROTTLE, ANY, ANY},
    {"memory is taken", "apify", "actor-memory-limit-exceeded", "start", 402, NULL, "{\"error\":{\"type\":\"actor-memory-limit-exceeded\"}}", OUTCOME_THROTTLE, 30 * SEC, ANY},
    {"402", "apify", NULL, "start", 402, NULL, "{}", OUTCOME_QUOTA, ANY, ANY},
    {"not enough for that actor", "apify", "not-enough-usage-to-run-paid-actor", "start", 403, NULL, "{\"error\":{\"type\":\"not-enough-usage-to-run-paid-actor\"}}", OUTCOME_QUOTA, ANY, ANY},
    {"400", "apify", NULL, "start", 400, NULL, "{\"error\":{\"type\":\"invalid-input\"}}", OUTCOME_PERMANENT, ANY, ANY},
    {"404", "apify", NULL, "items", 404, NULL, "{\"error\":{\"type\":\"record-not-found\"}}", OUTCOME_PERMANENT, ANY, ANY},
    {"401", "apify", NULL, "start", 401, NULL, "{\"error\":{\"type\":\"token-not-provided\"}}", OUTCOME_AUTH, ANY, ANY},
    {"403", "apify", NULL, "start", 403, NULL, "{}", OUTCOME_AUTH, ANY, ANY},
    /* Instantly */
    {"500", "instantly", NULL, "push", 500, NULL, "{\"statusCode\":500}", OUTCOME_TRANSIENT, ANY, ANY},
    {"402", "instantly", NULL, "push", 402, NULL, "{\"statusCode\":402}", OUTCOME_QUOTA, ANY, ANY},
    {"400", "instantly", NULL, "push", 400, NULL, "{\"statusCode\":400}", OUTCOME_PERMANENT, ANY, ANY},
    {"404", "instantly", NULL, "push", 404, NULL, "{\"statusCode\":404}", OUTCOME_PERMANENT, ANY, ANY},
    {"401", "instantly", NULL, "push", 401, NULL, "{\"statusCode\":401}", OUTCOME_AUTH, ANY, ANY},
    {"403", "instantly", NULL, "push", 403, NULL, "{\"statusCode\":403}", OUTCOME_AUTH, ANY, ANY},
    /* ZeroBounce */
    {"429", "zerobounce", "status: 429", "validate", 429, NULL, "", OUTCOME_THROTTLE, 60 * SEC, ANY},
    {"500", "zerobounce", NULL, "validate", 500, NULL, "", OUTCOME_TRANSIENT, ANY, ANY},
    {"520", "zerobounce", NULL, "validate", 520, NULL, "", OUTCOME_TRANSIENT, ANY, ANY},
    {"524", "zerobounce", NULL, "validate", 524, NULL, "", OUTCOME_TRANSIENT, ANY, ANY},
    {"unknown for a while", "zerobounce", ".sub_status: [greylisted", "validate", 200, NULL, "{\"status\":\"unknown\",\"sub_status\":\"greylisted\"}", OUTCOME_PENDING, ANY, ANY},
    {"400", "zerobounce", NULL, "validate", 400, NULL, "", OUTCOME_PERMANENT, ANY, ANY},
    {"404", "zerobounce", NULL, "validate", 404, NULL, "", OUTCOME_PERMANENT, ANY, ANY},
    {"out of credits, in a 200", "zerobounce", "contains: credit", "validate", 200, NULL, "{\"error\":\"out of credits\"}", OUTCOME_QUOTA, ANY, ANY},
    /* NeverBounce, MillionVerifier */
    {"500", "neverbounce", NULL, "check", 500, NULL, "", OUTCOME_TRANSIENT, ANY, ANY},
    {"credits", "millionverifier", "contains: credit", "check", 200, NULL, "{\"error\":\"Insufficient credits\"}", OUTCOME_QUOTA, ANY, ANY},
    /* Hunter */
    {"500", "hunter", NULL, "find", 500, NULL, "", OUTCOME_TRANSIENT, ANY, ANY},
    {"451: asked not to be looked up", "hunter", "opted-out", "find", 451, NULL, "{\"errors\":[]}", OUTCOME_PERMANENT, ANY, ANY},
    {"400", "hunter", NULL, "find", 400, NULL, "{\"errors\":[]}", OUTCOME_PERMANENT, ANY, ANY},
    {"404", "hunter", NULL, "find", 404, NULL, "{\"errors\":[]}", OUTCOME_PERMANENT, ANY, ANY},
    {"422", "hunter", NULL, "find", 422, NULL, "{\"errors\":[]}", OUTCOME_PERMANENT, ANY, ANY},
    {"401", "hunter", NULL, "find", 401, NULL, "{\"errors\":[]}", OUTCOME_AUTH, ANY, ANY},
    /* HubSpot */
    {"429: ten seconds", "hubspot", "status: 429, is: throttle, wait: 10s", "read_contacts", 429, NULL, "{\"policyName\":\"TEN_SECONDLY_ROLLING\"}", OUTCOME_THROTTLE, 10 * SEC, ANY},
    {"423", "hubspot", "status: 423", "read_contacts", 423, NULL, "{}", OUTCOME_THROTTLE, 2 * SEC, ANY},
    {"477", "hubspot", "status: 477", "read_contacts", 477, "Retry-After: 7", "{}", OUTCOME_THROTTLE, 7 * SEC, ANY},
    {"502", "hubspot", NULL, "read_contacts", 502, NULL, "", OUTCOME_TRANSIENT, ANY, ANY},
    {"521", "hubspot", NULL, "read_contacts", 521, NULL, "", OUTCOME_TRANSIENT, ANY, ANY},
    {"523", "hubspot", NULL, "read_contacts", 523, NULL, "", OUTCOME_TRANSIENT, ANY, ANY},
    {"524", "hubspot", NULL, "read_contacts", 524, NULL, "", OUTCOME_TRANSIENT, ANY, ANY},
    {"400", "hubspot", NULL, "read_contacts", 400, NULL, "{\"category\":\"VALIDATION_ERROR\"}", OUTCOME_PERMANENT, ANY, ANY},
    {"404: nobody", "hubspot", "status: 404, is: empty", "find_list", 404, NULL, "{\"category\":\"OBJECT_NOT_FOUND\"}", OUTCOME_EMPTY, ANY, ANY},
    {"409", "hubspot", "status: 409", "upsert_contact", 409, NULL, "{}", OUTCOME_DUPLICATE, ANY, ANY},
    {"401", "hubspot", NULL, "read_contacts", 401, NULL, "{}", OUTCOME_AUTH, ANY, ANY},
    {"403", "hubspot", NULL, "read_contacts", 403, NULL, "{\"category\":\"MISSING_SCOPES\"}", OUTCOME_AUTH, ANY, ANY},
    /* Supabase */
    {"503", "supabase", NULL, "keep_company", 503, NULL, "{\"code\":\"PGRST001\"}", OUTCOME_TRANSIENT, ANY, ANY},
    {"504", "supabase", NULL, "keep_company", 504, NULL, "{\"code\":\"PGRST003\"}", OUTCOME_TRANSIENT, ANY, ANY},
    {"500", "supabase", NULL, "keep_company", 500, NULL, "{\"code\":\"40001\"}", OUTCOME_TRANSIENT, ANY, ANY},
    {"429", "supabase", NULL, "keep_company", 429, NULL, "", OUTCOME_THROTTLE, ANY, ANY},
    {"400", "supabase", NULL, "keep_company", 400, NULL, "{\"code\":\"23502\"}", OUTCOME_PERMANENT, ANY, ANY},
    {"406", "supabase", NULL, "keep_company", 406, NULL, "{\"code\":\"PGRST116\"}", OUTCOME_PERMANENT, ANY, ANY},
    {"404", "supabase", NULL, "keep_company", 404, NULL, "{}", OUTCOME_PERMANENT, ANY, ANY},
    {"401", "supabase", NULL, "keep_company", 401, NULL, "{\"code\":\"PGRST301\"}", OUTCOME_AUTH, ANY, ANY},
    {"403", "supabase", NULL, "keep_company", 403, NULL, "{}", OUTCOME_AUTH, ANY, ANY},
    {"409: there already", "supabase", "\"23505\"", "keep_company", 409, NULL, "{\"code\":\"23505\"}", OUTCOME_DUPLICATE, ANY, ANY},
    /* n8n */
    {"500: it ran and failed", "n8n", "workflow-failed", "discover", 500, NULL, "{\"message\":\"Error in workflow\"}", OUTCOME_IN_DOUBT, ANY, ANY},
    {"500", "n8n", NULL, "discover", 500, NULL, "{\"code\":0}", OUTCOME_TRANSIENT, ANY, ANY},
    {"502", "n8n", "gateway-timeout", "discover", 502, NULL, "", OUTCOME_IN_DOUBT, ANY, ANY},
    /* Close */
    {"503", "close", NULL, "get_lead", 503, NULL, "{\"errors\":[],\"field-errors\":{}}", OUTCOME_TRANSIENT, ANY, ANY},
    {"502", "close", NULL, "get_lead", 502, NULL, "{\"errors\":[],\"field-errors\":{}}", OUTCOME_TRANSIENT, ANY, ANY},
    {"504", "close", NULL, "get_lead", 504, NULL, "{\"errors\":[],\"field-errors\":{}}", OUTCOME_TRANSIENT, ANY, ANY},
    {"400", "close", NULL, "get_lead", 400, NULL, "{\"errors\":[],\"field-errors\":{}}", OUTCOME_PERMANENT, ANY, ANY},
    {"404", "close", NULL, "get_lead", 404, NULL, "{\"errors\":[],\"field-errors\":{}}", OUTCOME_PERMANENT, ANY, ANY},
    {"405", "close", NULL, "get_lead", 405, NULL, "{\"errors\":[],\"field-errors\":{}}", OUTCOME_PERMANENT, ANY, ANY},
    {"415", "close", NULL, "get_lead", 415, NULL, "{\"errors\":[],\"field-errors\":{}}", OUTCOME_PERMANENT, ANY, ANY},
    {"401", "close", NULL, "get_lead", 401, NULL, "{\"errors\":[],\"field-errors\":{}}", OUTCOME_AUTH, ANY, ANY},
    {"403", "close", NULL, "get_lead", 403, NULL, "{\"errors\":[],\"field-errors\":{}}", OUTCOME_AUTH, ANY, ANY},
    {"402", "close", "plan-limit", "get_lead", 402, NULL, "{\"error\":\"m\"}", OUTCOME_QUOTA, ANY, ANY},
    {"Retry-After", "close", NULL, "get_lead", 429, "Retry-After: 4", "{}", OUTCOME_THROTTLE, 4 * SEC, ANY},
    {"RateLimit-Reset", "close", "RateLimit-Reset", "get_lead", 429, "RateLimit-Reset: 6", "{}", OUTCOME_THROTTLE, 6 * SEC, ANY},
    /* Stripe */
    {"409: still running", "stripe", "status: 409", "charge", 409, NULL, "{}", OUTCOME_TRANSIENT, ANY, ANY},
    {"400: same key, another body", "stripe", NULL, "charge", 400, NULL, "{\"error\":{\"type\":\"idempotency_error\"}}", OUTCOME_PERMANENT, ANY, ANY},
    {"429", "stripe", NULL, "charge", 429, NULL, "{}", OUTCOME_THROTTLE, ANY, ANY},
    {"401", "stripe", NULL, "charge", 401, NULL, "{}", OUTCOME_AUTH, ANY, ANY},
    /* Anthropic */
    {"429 with a delay", "anthropic", NULL, "message", 429, "retry-after: 3", "{\"error\":{\"type\":\"rate_limit_error\"}}", OUTCOME_THROTTLE, 3 * SEC, ANY},
    {"402", "anthropic", NULL, "message", 402, NULL, "{}", OUTCOME_QUOTA, ANY, ANY},
    {"409", "anthropic", "status: 409", "message", 409, NULL, "{}", OUTCOME_TRANSIENT, ANY, ANY},
    {"500", "anthropic", NULL, "message", 500, NULL, "{}", OUTCOME_TRANSIENT, ANY, ANY},
    {"504", "anthropic", NULL, "message", 504, NULL, "{}", OUTCOME_TRANSIENT, ANY, ANY},
    {"404", "anthropic", NULL, "message", 404, NULL, "{}", OUTCOME_PERMANENT, ANY, ANY},
    {"413", "anthropic", NULL, "message", 413, NULL, "{}", OUTCOME_PERMANENT, ANY, ANY},
    {"401", "anthropic", NULL, "message", 401, NULL, "{}", OUTCOME_AUTH, ANY, ANY},
    {"403", "anthropic", NULL, "message", 403, NULL, "{}", OUTCOME_AUTH, ANY, ANY},
    /* OpenRouter, as the body says, whatever the status */
    {"rate_limit_exceeded", "openrouter", "rate_limit_exceeded", "chat", 200, NULL, "{\"error\":{\"code\":1,\"metadata\":{\"error_type\":\"rate_limit_exceeded\"}}}", OUTCOME_THROTTLE, ANY, ANY},
    {"authentication", "openrouter", "error_type: authentication", "chat", 200, NULL, "{\"error\":{\"code\":1,\"metadata\":{\"error_type\":\"authentication\"}}}", OUTCOME_AUTH, ANY, ANY},
    {"permission_denied", "openrouter", "permission_denied", "chat", 200, NULL, "{\"error\":{\"code\":1,\"metadata\":{\"error_type\":\"permission_denied\"}}}", OUTCOME_PERMANENT, ANY, ANY},
    {"invalid_request", "openrouter", "permission_denied, invalid", "chat", 200, NULL, "{\"error\":{\"code\":1,\"metadata\":{\"error_type\":\"invalid_request\"}}}", OUTCOME_PERMANENT, ANY, ANY},
    {"content_policy_violation", "openrouter", "content_policy_violation", "chat", 200, NULL, "{\"error\":{\"code\":1,\"metadata\":{\"error_type\":\"content_policy_violation\"}}}", OUTCOME_REFUSAL, ANY, ANY},
    {"context_length_exceeded", "openrouter", "context_length_exceeded", "chat", 200, NULL, "{\"error\":{\"code\":1,\"metadata\":{\"error_type\":\"context_length_exceeded\"}}}", OUTCOME_REFUSAL, ANY, ANY},
    {"429", "openrouter", NULL, "chat", 429, NULL, "{}", OUTCOME_THROTTLE, ANY, ANY},
    {"502", "openrouter", NULL, "chat", 502, NULL, "{}", OUTCOME_TRANSIENT, ANY, ANY},
    {"503", "openrouter", NULL, "chat", 503, NULL, "{}", OUTCOME_TRANSIENT, ANY, ANY},
    {"504", "openrouter", NULL, "chat", 504, NULL, "{}", OUTCOME_TRANSIENT, ANY, ANY},
    {"500", "openrouter", NULL, "chat", 500, NULL, "{}", OUTCOME_TRANSIENT, ANY, ANY},
    {"402", "openrouter", NULL, "chat", 402, NULL, "{}", OUTCOME_QUOTA, ANY, ANY},
    {"400", "openrouter", NULL, "chat", 400, NULL, "{}", OUTCOME_PERMANENT, ANY, ANY},
    {"404", "openrouter", NULL, "chat", 404, NULL, "{}", OUTCOME_PERMANENT, ANY, ANY},
    {"413", "openrouter", NULL, "chat", 413, NULL, "{}", OUTCOME_PERMANENT, ANY, ANY},
    {"422", "openrouter", NULL, "chat", 422, NULL, "{}", OUTCOME_PERMANENT, ANY, ANY},
    {"401", "openrouter", NULL, "chat", 401, NULL, "{}", OUTCOME_AUTH, ANY, ANY},
};

static void what_answers_mean(void **state)
{
	(void)state;
	rows_hold(means, sizeof(means) / sizeof(means[0]));
}

/* What headers tell of a window: left (-1: not said), until it is free (-1: not said), how many it holds (0: not said). */
static const struct told {
	const char *says, *file, *line, *call, *head;
	int64_t left, reset_us;
	uint64_t max;
} told[] = {
    {"openai: requests left", "openai", "x-ratelimit-remaining-requests", "chat", "x-ratelimit-remaining-requests: 7", 7, -1, 0},
    {"openai: until they are all there", "openai", "x-ratelimit-reset-requests", "chat", "x-ratelimit-reset-requests: 6m0s", -1, 360 * SEC, 0},
    {"openai: what the plan allows", "openai", "x-ratelimit-limit-requests", "chat", "x-ratelimit-limit-requests: 50", -1, -1, 50},
    {"apollo: left of a minute", "apollo", "x-minute-requests-left", "match", "x-minute-requests-left: 3", 3, -1, 0},
    {"hubspot: left", "hubspot", "X-HubSpot-RateLimit-Remaining", "read_contacts", "X-HubSpot-RateLimit-Remaining: 2", 2, -1, 0},
    {"hubspot: the window in milliseconds", "hubspot", "Interval-Milliseconds", "read_contacts", "X-HubSpot-RateLimit-Interval-Milliseconds: 10000", -1, 10 * SEC, 0},
    {"close: left, in the older dictionary", "close", "field: remaining", "get_lead", "RateLimit: remaining=9", 9, -1, 0},
    {"close: until then", "close", "tells: reset, of: rate", "get_lead", "RateLimit: reset=5", -1, 5 * SEC, 0},
    {"anthropic: left", "anthropic", "requests-remaining", "message", "anthropic-ratelimit-requests-remaining: 4", 4, -1, 0},
    {"anthropic: an instant", "anthropic", "requests-reset", "message", "anthropic-ratelimit-requests-reset: 2026-11-22T00:00:20Z", -1, 20 * SEC, 0},
    {"the draft's policy: what a window holds", "odd", "RateLimit-Policy", "ask", "RateLimit-Policy: \"burst\";q=5;w=1, \"daily\";q=1000;w=86400", -1, -1, 5},
    {"Brave: the second of two windows", "odd", "item: 1", "ask", "X-RateLimit-Remaining: , 77", 77, -1, 0},
};

static void what_headers_tell(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		const struct told *t = &told[i];
		const struct quirk q = {.file = t->file, .call = t->call, .status = 200, .head = t->head, .body = "{}"};
		const struct answer_hint none = {.reset_us = -2};
		struct service *s, *without;
		const struct answer_hint *h;
		struct answer a, b = {.n_hints = 0};
		char path[512];
		unsigned line;

		file_of(&q, path);
		line = line_of(path, t->line);
		s = load(path);
		a = read_answer(s, &q);
		without = load_without(path, line);
		if (without != NULL) {
			b = read_answer(without, &q);
		}
		h = a.n_hints == 1 ? &a.hints[0] : &none;
		print_message("# %-52s %s:%u\n", t->says, path + strlen(SOURCE_ROOT) + 1, line);
		if (line == 0 || b.n_hints != 0 || h->remaining != (t->left < 0 ? UINT64_MAX : (uint64_t)t->left) || h->reset_us != t->reset_us ||
		    h->max != t->max) {
			print_error("  wrong: line %u, %zu hints (%zu without the line), left %lld, reset %lld ms, max %llu\n", line, a.n_hints, b.n_hints,
			    (long long)h->remaining, (long long)h->reset_us / 1000, (unsigned long long)h->max);
			wrong++;
		}
		service_unref(s);
		service_unref(without);
		arena_reset(&arena);
	}
	assert_int_equal(wrong, 0);
}

/* A number with more digits than a double has, negative, and a text in the answer that follows: the name of a job either way. */
static void a_job_is_named_by_any_number(void **state)
{
	struct service *s = load(SOURCE_ROOT "/etc/services/apollo.yaml");
	const struct quirk q = {.call = "match_waterfall", .status = 200, .body = "{\"person\":{\"id\":\"1\"},\"request_id\":-8123456789012345678}"};
	const struct quirk text = {.call = "match_waterfall", .status = 200, .body = "{\"person\":{\"id\":\"1\"},\"request_id\":\"-8123456789012345678\"}"};
	struct answer a = read_answer(s, &q), b = read_answer(s, &text);

	(void)state;
	assert_int_equal(a.job.len, 20);
	assert_memory_equal(a.job.text, "-8123456789012345678", 20);
	assert_int_equal(b.job.len, 20);
	assert_memory_equal(b.job.text, a.job.text, 20);
	service_unref(s);
}

/* How a key is sent, how many go at once, and what a repeat does: `sends` stands in the request, or a call has a batch. */
static const struct cell {
	const char *column, *file, *line, *call, *params, *sends;
	unsigned batch;
} sent[] = {
    {"auth: bearer", "openai", "auth: bearer", "chat", "{\"prompt\":\"x\",\"model\":\"m\"}", "Authorization: Bearer the-key", 0},
    {"auth: bearer", "perplexity", "auth: bearer", "research", "{\"prompt\":\"x\"}", "Authorization: Bearer the-key", 0},
    {"auth: own header", "apollo", "auth: {header: x-api-key}", "match", "{\"email\":\"a@b.org\"}", "x-api-key: the-key", 0},
    {"auth: bearer", "apify", "auth: bearer", "runs", "{\"actor\":\"a~b\"}", "Authorization: Bearer the-key", 0},
    {"auth: bearer", "instantly", "auth: bearer", "remove", "{\"id\":\"1\"}", "Authorization: Bearer the-key", 0},
    {"auth: query", "zerobounce", "auth: {query: api_key}", "validate", "{\"email\":\"a@b.org\"}", "api_key=the-key", 0},
    {"auth: a field", "neverbounce", "auth:", "check", "{\"email\":\"a+c@b.org\"}", "the-key", 0},
    {"auth: own header", "hunter", "auth:", "find", "{\"domain\":\"b.org\",\"first_name\":\"A\",\"last_name\":\"B\"}", "the-key", 0},
    {"auth: query", "millionverifier", "auth:", "check", "{\"email\":\"a@b.org\"}", "api=the-key", 0},
    {"auth: bearer", "hubspot", "auth: bearer", "find_list", "{\"name\":\"x\"}", "Authorization: Bearer the-key", 0},
    {"auth: own header alone", "supabase", "auth: {header: apikey}", "companies", "{\"state\":\"CA\",\"pms\":\"x\"}", "apikey: the-key", 0},
    {"auth: any header", "n8n-verifier", "auth: {header: X-API-Key}", "verify_email", "{\"email\":\"a@b.org\"}", "X-API-Key: the-key", 0},
    {"auth: basic, key as user", "close", "basic", "get_lead", "{\"id\":\"lead_1\"}", "Authorization: Basic dGhlLWtleTo=", 0},
    {"auth: header and a version", "anthropic", "auth:", "message", "{\"prompt\":\"x\",\"model\":\"m\"}", "anthropic-version: 2023-06-01", 0},
    {"auth: bearer", "openrouter", "auth: bearer", "chat", "{\"prompt\":\"x\",\"model\":\"m\"}", "Authorization: Bearer the-key", 0},
    {"batch: 10 people", "apollo", "size: 10", "match_many", NULL, NULL, 10},
    {"batch: 100 searched", "hubspot", "size: 100", "find_companies", NULL, NULL, 100},
    {"batch: 100 read", "hubspot", "idProperty: email", "read_contacts", NULL, NULL, 100},
    {"batch: 1000 leads at most", "instantly", "leads: \"${.items}\"", "push_many", NULL, NULL, 1000},
    {"batch: pages of the table", "supabase", "paging:", "companies", "{\"state\":\"CA\",\"pms\":\"x\",\"page\":{\"number\":1,\"offset\":0,\"size\":200}}",
	"limit=200", 0},
    {"auth: in the body", "zerobounce-batch", "auth: {body: api_key}", "validate_many", NULL, "\"api_key\":\"the-key\"", 0},
    {"auth: twice", "supabase-jwt", "auth:", "insert", NULL, "apikey: the-key", 0},
    {"auth: … and as a token", "supabase-jwt", "auth:", "insert", NULL, "Authorization: Bearer the-key", 0},
    {"auth: user and password", "stripe", "basic", "charge", "{\"amount\":5,\"ways\":[\"card\"]}", "Authorization: Basic dGhlLWtleTo=", 0},
    {"batch: a list as a job", "neverbounce", "job: {id: .job_id", "check_list", NULL, NULL, 1000},
    {"batch: 100 addresses", "zerobounce-batch", "size: 100", "validate_many", NULL, NULL, 100},
    {"batch: many rows, one statement", "supabase-jwt", "size: 500", "insert", NULL, NULL, 500},
    {"batch: a bare list", "hubspot", "${.items}", "add_to_list", NULL, "[\"1\"]", 0},
    {"batch: 200 searched people", "hubspot", "limit: 200", "find_contacts", NULL, "\"limit\":200", 0},
    {"batch: pages by a cursor", "stripe", "starting_after", "charges", "{\"page\":{\"number\":2,\"offset\":100,\"size\":100,\"cursor\":\"pi_1\"}}",
	"starting_after=pi_1", 0},
    {"repeat: upsert", "supabase", "on_conflict: domain", "keep_company", "{\"domain\":\"b.org\"}", "on_conflict=domain", 0},
    {"repeat: upsert", "hubspot", "batch/upsert", "upsert_contact", NULL, NULL, 100},
    {"repeat: skip flags", "instantly", "skip_if_in_campaign: true", "push", "{\"campaign\":\"c\",\"email\":\"a@b.org\"}", "\"skip_if_in_campaign\":true", 0},
    {"repeat: list add", "hubspot", "memberships/add", "add_to_list", NULL, "/memberships/add", 0},
    {"repeat: bare key", "stripe", "idempotency: {header: Idempotency-Key}", "charge", "{\"amount\":5,\"ways\":[\"card\",\"link\"]}", "Idempotency-Key: 1-2-a", 0},
    {"repeat: key in the body", "odd", "idempotency: {body: idempotency_key}", "ask_later", "{\"email\":\"a@b.org\"}", "\"idempotency_key\":\"1-2-a\"", 0},
    {"repeat: key of the draft", "odd", "idempotency:", "ask", "{\"email\":\"a@b.org\"}", "Idempotency-Key: \"1-2-a\"", 0},
};

static void write_request(const struct request *r, struct buf *out)
{
	buf_printf(out, "%s %s\n", r->method, r->url);
	for (size_t i = 0; i < r->n_headers; i++) {
		buf_printf(out, "%s: %s\n", r->headers[i].name, r->headers[i].value);
	}
	buf_add(out, r->body != NULL ? r->body : "", r->body_len);
}

/* The parameters of a call in batches: one item, as the file says what the request tells of it. */
static const char *of_one_item(const struct service *s, const struct service_call *c)
{
	const struct expr_source params = {.field = params_field, .write = params_write, .ctx = "{\"email\":\"a@b.org\",\"id\":\"1\"}"};
	struct batch_key key;
	struct buf item = {0};
	const char *text;

	assert_int_equal(batch_item(s, c, &params, &arena, &item, &key, NULL), 0);
	text = arena_printf(&arena, "{\"items\":[%.*s],\"list\":\"7\"}", (int)item.len, item.data);
	buf_free(&item);
	return text;
}

static bool is_sent(const struct service *s, const struct cell *c, struct buf *out)
{
	const struct service_call *call = service_find_call(s, c->call);
	const struct expr_source params = {.field = params_field, .write = params_write, .ctx = call->batch != NULL ? of_one_item(s, call) : c->params};
	const struct request_input in = {.params = &params,
	    .call_id = "0123456789abcdef",
	    .idempotency_key = "1-2-a",
	    .secret = "the-key",
	    .secret_len = 7};
	struct lead_error err = {.text = ""};
	struct request r;

	if (request_render(s, call, &in, &arena, &r, &err) != 0) {
		buf_add_text(out, err.text);
		return false;
	}
	write_request(&r, out);
	return strstr(out->data, c->sends) != NULL;
}

static bool has_batch(const struct service_call *c, size_t most)
{
	return c->batch != NULL && c->batch->size > 1 && c->batch->size <= most;
}

static void what_is_sent(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
		const struct cell *c = &sent[i];
		const struct quirk named = {.file = c->file};
		struct buf out = {0};
		struct service *s;
		char path[512];
		unsigned line;
		bool right;

		file_of(&named, path);
		s = load(path);
		line = line_of(path, c->line);
		assert_non_null(service_find_call(s, c->call));
		right = c->sends != NULL ? is_sent(s, c, &out) : has_batch(service_find_call(s, c->call), c->batch);
		print_message("# %-28s %s:%u %s\n", c->column, path + strlen(SOURCE_ROOT) + 1, line, c->call);
		if (line == 0 || !right) {
			print_error("  wrong: line %u, %s\n", line, out.data != NULL ? out.data : "no such batch");
			wrong++;
		}
		buf_free(&out);
		service_unref(s);
		arena_reset(&arena);
	}
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_answers_mean),
	    cmocka_unit_test(what_headers_tell),
	    cmocka_unit_test(a_job_is_named_by_any_number),
	    cmocka_unit_test(what_is_sent),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return rc;
}
