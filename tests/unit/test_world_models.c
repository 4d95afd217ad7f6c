/*
 * lib/sim: ZeroBounce, Perplexity, OpenAI and Instantly look as the providers' documents say.
 */
#include "tests/unit/world_quiet.h"

/* --- the providers --- */

static void zerobounce(void **state)
{
	struct world *w = world_of("services:\n  zerobounce: {keys: [{key: good, quota: 2}]}\n");
	struct world_plan p;

	ask(w, "GET", "/zerobounce/v2/validate",
	    "api_key=good&email=ann%2Bx%40acme.example&ip_address=", NULL, &p);
	assert_int_equal(p.status, 200);
	assert_string_equal(field(&p, "address"), "ann+x@acme.example");
	assert_string_equal(field(&p, "status"), "valid");
	assert_string_equal(field(&p, "account"), "ann+x");
	assert_string_equal(field(&p, "domain"), "acme.example");
	assert_string_equal(field(&p, "did_you_mean"), "(null)");
	assert_string_not_equal(field(&p, "processed_at"), "(none)");
	ask(w, "GET", "/zerobounce/v2/getcredits", "api_key=good", NULL, &p);
	assert_string_equal(field(&p, "Credits"), "1");
	ask(w, "GET", "/zerobounce/v2/getcredits", "api_key=bad", NULL, &p);
	assert_string_equal(field(&p, "Credits"), "-1");
	ask(w, "GET", "/zerobounce/v2/validate", "api_key=bad&email=a%40b.example", NULL, &p);
	assert_string_equal(field(&p, "error"), "Invalid API key");
	ask(w, "GET", "/zerobounce/v2/validate", "api_key=good", NULL, &p);
	assert_int_equal(p.status, 400);
	ask(w, "GET", "/zerobounce/v2/validate", "api_key=good&email=a%40b.example", NULL,
	    &p); /* the third: quota 2 */
	assert_int_equal(p.status, 200);
	assert_non_null(strstr(field(&p, "error"), "ran out of credits"));
	ask(w, "GET", "/zerobounce/v2/none", "api_key=good", NULL, &p);
	assert_int_equal(p.status, 404);
	world_free(w);
}

static void perplexity(void **state)
{
	struct world *w = world_of("services:\n  perplexity: {script: [{fault: quota, from: 7, "
				   "calls: 1}, {fault: error-200, from: 8, calls: 1}]}\n");
	struct world_plan p;

	for (int i = 0; i < 2; i++) { /* both names of the call */
		ask(w, "POST", i == 0 ? "/perplexity/chat/completions" : "/perplexity/v1/sonar",
		    NULL, CHAT("sonar", "Research.", "Company: Acme"), &p);
		assert_int_equal(p.status, 200);
		assert_string_equal(field(&p, "object"), "chat.completion");
		assert_non_null(strstr(field(&p, "choices.0.message.content"), "Acme"));
		assert_non_null(strstr(field(&p, "choices.0.message.content"), "[1]"));
		assert_memory_equal(field(&p, "citations.1"), "https://", 8);
		assert_memory_equal(field(&p, "search_results.0.url"), "https://", 8);
	}
	ask_as(w, now, "", "1", "POST", "/perplexity/chat/completions", NULL,
	    CHAT("sonar", "s", "u"), &p);
	assert_int_equal(p.status, 401);
	assert_memory_equal(p.body, "<html>", 6);
	assert_string_equal(header(&p, "Content-Type"), "text/html");
	ask(w, "POST", "/perplexity/chat/completions", NULL, "{\"model\":\"sonar\"}", &p);
	assert_int_equal(p.status, 422);
	assert_string_equal(field(&p, "detail.0.loc.1"), "messages");
	ask(w, "POST", "/perplexity/chat/completions", NULL, CHAT("nonsense", "s", "u"), &p);
	assert_int_equal(p.status, 400);
	ask(w, "POST", "/perplexity/chat/completions", NULL, "{", &p);
	assert_int_equal(p.status, 400);
	ask(w, "POST", "/perplexity/chat/completions", NULL, CHAT("sonar", "s", "u7"), &p);
	assert_int_equal(p.status, 401);
	assert_non_null(strstr(field(&p, "error.message"), "quota"));
	ask(w, "POST", "/perplexity/chat/completions", NULL, CHAT("sonar", "s", "u8"), &p);
	assert_int_equal(p.status, 200);
	assert_string_not_equal(field(&p, "error.message"), "(none)");
	world_free(w);
}

static void research_that_finds_nothing(void **state)
{
	struct world *w = world_of("services:\n  perplexity: {no_facts: 100%}\n");
	struct world_plan p;

	ask(w, "POST", "/perplexity/chat/completions", NULL, CHAT("sonar", "s", "u"), &p);
	assert_int_equal(p.status, 200);
	assert_string_equal(field(&p, "citations"), "[ ]");
	assert_int_equal(totals(w, WORLD_PERPLEXITY).billed_calls, 1);
	world_free(w);
}

static void openai_conditions(void **state)
{
	static const struct {
		const char *fault, *code, *type, *says;
		int status;
	} forms[] = {
	    {"throttle", "any", "requests", "rate_limit_exceeded", 429},
	    {"slow-down", "any", "rate_limit_error", "slow_down", 429},
	    {"quota", "insufficient_quota", "insufficient_quota", "insufficient_quota", 429},
	    {"quota", "none", "insufficient_quota", "(null)", 429},
	    {"quota", "credit_balance_exhausted", "insufficient_quota", "credit_balance_exhausted",
		429},
	    {"quota", "organization_spend_limit_exceeded", "insufficient_quota",
		"organization_spend_limit_exceeded", 429},
	    {"quota", "project_spend_limit_exceeded", "insufficient_quota",
		"project_spend_limit_exceeded", 429},
	    {"quota", "organization_usage_limit_exceeded", "insufficient_quota",
		"organization_usage_limit_exceeded", 429},
	    {"auth", "any", "invalid_request_error", "invalid_api_key", 401},
	    {"error-500", "any", "server_error", "(null)", 500},
	    {"overload", "any", "service_unavailable_error", "server_is_overloaded", 503},
	    {"error-200", "any", "server_error", "server_error", 200},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char yaml[160];
		struct world *w;
		struct world_plan p;

		(void)snprintf(yaml, sizeof(yaml),
		    "services:\n  openai: {quota_code: %s, script: [{fault: %s}]}\n", forms[i].code,
		    forms[i].fault);
		w = world_of(yaml);
		write_copy(w, "1", "Name: Ann", &p);
		assert_int_equal(p.status, forms[i].status);
		assert_string_equal(field(&p, "error.type"), forms[i].type);
		assert_string_equal(field(&p, "error.code"), forms[i].says);
		assert_string_equal(field(&p, "error.param"), "(null)");
		assert_int_equal(
		    header(&p, "Retry-After") != NULL, i < 2); /* not where only a person helps */
		world_free(w);
	}
}

static void openai_requests(void **state)
{
	struct world *w = world_of("services:\n  openai: {keys: [sk-1]}\n");
	struct world_plan p;

	ask_as(w, now, "sk-2", "1", "POST", "/openai/v1/chat/completions", NULL,
	    CHAT("gpt-4o-mini", "s", "u"), &p);
	assert_int_equal(p.status, 401);
	ask_as(w, now, "sk-1", "1", "POST", "/openai/v1/chat/completions", NULL,
	    CHAT("gpt-9", "s", "u"), &p);
	assert_int_equal(p.status, 404);
	assert_string_equal(field(&p, "error.code"), "model_not_found");
	ask_as(w, now, "sk-1", "1", "POST", "/openai/v1/chat/completions", NULL,
	    "{\"model\":\"gpt-4o-mini\"}", &p);
	assert_int_equal(p.status, 400);
	assert_string_equal(field(&p, "error.param"), "messages");
	ask_as(w, now, "sk-1", "1", "POST", "/openai/v1/chat/completions", NULL,
	    "{\"model\":\"gpt-4o-mini-2024-07-18\",\"max_tokens\":10,\"messages\":[{\"role\":"
	    "\"user\",\"content\":\"u\"}]}",
	    &p);
	assert_int_equal(p.status, 200);
	assert_string_equal(field(&p, "choices.0.finish_reason"), "length");
	assert_string_equal(field(&p, "usage.completion_tokens"), "10");
	ask_as(w, now, "sk-1", "1", "GET", "/openai/v1/models", NULL, NULL, &p);
	assert_string_equal(field(&p, "data.0.id"), "gpt-4o-mini");
	world_free(w);
	w = world_of("services:\n  openai: {copy: {refused: 100%}}\n");
	write_copy(w, "1", "Name: Ann", &p);
	assert_string_equal(field(&p, "choices.0.message.content"), "(null)");
	assert_string_not_equal(field(&p, "choices.0.message.refusal"), "(null)");
	world_free(w);
}

static void openai_by_schema(void **state)
{
	struct world *w = world_of("");
	struct world_plan p;
	struct json_object *v = NULL;
	const char *text;

	ask(w, "POST", "/openai/v1/chat/completions", NULL,
	    "{\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"First name: "
	    "Zoe\\nCompany: Acme\"}],\"response_format\":"
	    "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"m\",\"schema\":{\"type\":"
	    "\"object\",\"properties\":{\"subject\":{\"type\":\"string\"},"
	    "\"body\":{\"type\":\"string\"},\"fit\":{\"type\":\"integer\"},\"tone\":{\"enum\":["
	    "\"warm\"]},\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}}}}",
	    &p);
	assert_int_equal(p.status, 200);
	text = field(&p, "choices.0.message.content");
	assert_int_equal(json_parse(text, strlen(text), &v, NULL), 0);
	assert_true(json_object_is_type(json_object_object_get(v, "fit"), json_type_int));
	assert_true(json_object_is_type(json_object_object_get(v, "tags"), json_type_array));
	assert_string_equal(json_object_get_string(json_object_object_get(v, "tone")), "warm");
	assert_memory_equal(
	    json_object_get_string(json_object_object_get(v, "body")), "Hi Zoe,", 7);
	json_object_put(v);
	world_free(w);
}

static void instantly(void **state)
{
	struct world *w = world_of("");
	struct world_plan p;
	char email[32], cursor[64] = "";
	int seen = 0;

	push(w, "p0@b.example", "c", true, &p);
	assert_int_equal(p.status, 200);
	assert_string_equal(field(&p, "email"), "p0@b.example");
	assert_string_equal(field(&p, "campaign"), "c");
	assert_string_equal(field(&p, "payload.copy"), "a/b");
	assert_string_equal(field(&p, "company_domain"), "b.example");
	push(w, "P0@B.example", "c", true, &p);
	assert_int_equal(p.status, 409);
	assert_string_equal(field(&p, "statusCode"), "409");
	assert_string_equal(field(&p, "error"), "Conflict");
	for (int i = 1; i < 250; i++) {
		(void)snprintf(email, sizeof(email), "p%d@b.example", i);
		push(w, email, i % 2 == 0 ? "c" : "d", true, &p);
		assert_int_equal(p.status, 200);
	}
	for (;;) { /* pages of 100 until an empty or short one */
		char body[160];

		(void)snprintf(body, sizeof(body), "{\"campaign\":\"c\",\"limit\":25%s%s%s}",
		    cursor[0] != '\0' ? ",\"starting_after\":\"" : "", cursor,
		    cursor[0] != '\0' ? "\"" : "");
		ask(w, "POST", "/instantly/api/v2/leads/list", NULL, body, &p);
		for (int i = 0; i < 25; i++) {
			char path[24];

			(void)snprintf(path, sizeof(path), "items.%d.campaign", i);
			seen += strcmp(field(&p, path), "c") == 0;
		}
		(void)snprintf(cursor, sizeof(cursor), "%s", field(&p, "next_starting_after"));
		if (strcmp(cursor, "(none)") == 0) {
			break;
		}
	}
	assert_int_equal(seen, 125); /* a cursor came with the last full page, then an empty one */
	ask(w, "POST", "/instantly/api/v2/leads/list", NULL,
	    "{\"contacts\":[\"p7@b.example\",\"P9@b.example\",\"nobody@b.example\"],\"limit\":100}",
	    &p);
	assert_string_equal(field(&p, "items.0.email"), "p7@b.example");
	assert_string_equal(field(&p, "items.1.email"), "p9@b.example");
	assert_string_equal(field(&p, "items.2"), "(none)");
	ask(w, "POST", "/instantly/api/v2/leads/list", NULL, "{\"search\":\"p8@b.example\"}", &p);
	assert_string_equal(field(&p, "items.0.email"), "p8@b.example");
	ask(w, "POST", "/instantly/api/v2/leads/list", NULL, "{\"limit\":101}", &p);
	assert_int_equal(p.status, 400);
	world_free(w);
}

static void instantly_refuses(void **state)
{
	static const char *const bad[] = {"{\"campaign\":\"c\"}",
	    "{\"campaign\":\"c\",\"email\":\"x\"}", "{\"campaign\":\"c\",\"email\":5}",
	    "{\"campaign\":\"c\",\"email\":\"a@b.example\",\"colour\":1}",
	    "{\"campaign\":\"c\",\"email\":\"a@b.example\",\"custom_variables\":{\"x\":[]}}", "[",
	    "[]"};
	struct world *w = world_of("services:\n  instantly: {campaigns: [known], script: [{fault: "
				   "billing, from: 10, calls: 1}]}\n");
	struct world_plan p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ask(w, "POST", "/instantly/api/v2/leads", NULL, bad[i], &p);
		assert_int_equal(p.status, 400);
		assert_string_equal(field(&p, "error"), "Bad Request");
	}
	ask(w, "POST", "/instantly/api/v2/leads", NULL,
	    "{\"campaign\":\"unknown\",\"email\":\"a@b.example\"}", &p);
	assert_int_equal(p.status, 404);
	ask(w, "GET", "/instantly/api/v2/campaigns/known", NULL, NULL, &p);
	assert_int_equal(p.status, 200);
	assert_string_equal(field(&p, "status"), "1");
	ask(w, "GET", "/instantly/api/v2/campaigns", NULL, NULL, &p);
	assert_int_equal(p.status, 402);
	ask_as(w, now, "", "1", "GET", "/instantly/api/v2/campaigns", NULL, NULL, &p);
	assert_int_equal(p.status, 401);
	world_free(w);
}

static void instantly_campaigns(void **state)
{
	struct world *w = world_of("");
	struct world_plan p;
	char path[96];

	ask(w, "POST", "/instantly/api/v2/campaigns", NULL, "{\"name\":\"Autumn\"}", &p);
	assert_int_equal(p.status, 400);
	ask(w, "POST", "/instantly/api/v2/campaigns", NULL,
	    "{\"name\":\"Autumn\",\"campaign_schedule\":{\"schedules\":[]}}", &p);
	assert_int_equal(p.status, 200);
	assert_string_equal(field(&p, "status"), "0");
	(void)snprintf(
	    path, sizeof(path), "/instantly/api/v2/campaigns/%s/activate", field(&p, "id"));
	ask(w, "POST", path, NULL, NULL, &p);
	assert_string_equal(field(&p, "status"), "1");
	ask(w, "GET", "/instantly/api/v2/campaigns", "search=autu&limit=10", NULL, &p);
	assert_string_equal(field(&p, "items.0.name"), "Autumn");
	ask(w, "GET", "/instantly/api/v2/campaigns", "search=spring", NULL, &p);
	assert_string_equal(field(&p, "items"), "[ ]");
	world_free(w);
}

static void services_by_host(void **state)
{
	struct world *w = world_of("");
	struct world_header headers[] = {{"authorization", "bearer k"}};
	struct world_request r = {.method = "GET",
	    .host = "api.openai.com:443",
	    .path = "/v1/models",
	    .headers = headers,
	    .n_headers = 1};
	struct world_plan p;

	world_handle(w, &r, now, &p);
	assert_int_equal(p.service, WORLD_OPENAI);
	assert_int_equal(p.status, 200);
	r.host = "notopenai.com";
	world_handle(w, &r, now, &p);
	assert_int_equal(p.status, 404);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(zerobounce),
	    cmocka_unit_test(perplexity),
	    cmocka_unit_test(research_that_finds_nothing),
	    cmocka_unit_test(openai_conditions),
	    cmocka_unit_test(openai_requests),
	    cmocka_unit_test(openai_by_schema),
	    cmocka_unit_test(instantly),
	    cmocka_unit_test(instantly_refuses),
	    cmocka_unit_test(instantly_campaigns),
	    cmocka_unit_test(services_by_host),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
