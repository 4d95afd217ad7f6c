/*
 * etc/services/{hubspot,supabase,n8n,close,apollo,apify,instantly}.yaml: what every documented
 * answer of these services means to us, and how long we wait after it.
 */
#include "tests/unit/service_file.h"

#include "lib/service/batch.h"

#define NOW ((struct now){.boot_us = 1000 * US_PER_S, .wall_us = INT64_C(1795305600000000)})
#define SEC US_PER_S

static struct arena arena;

struct meaning {
	const char *call;
	int status;
	const char *header, *value; /* of one header line; NULL: none */
	const char *body;
	enum outcome_class is;
	const char *reason; /* NULL: not looked at */
	int64_t wait_us;
	const char *item; /* of a batch: what its element is found by */
};

static struct answer read_one(const struct service *s, const struct meaning *m)
{
	struct http_header line = {m->header, m->value};
	struct http_answer h = {.transport = TRANSPORT_ANSWERED,
	    .headers = &line,
	    .n_headers = m->header != NULL,
	    .status = m->status,
	    .body = m->body,
	    .body_len = strlen(m->body)};
	const struct service_call *call = service_find_call(s, m->call);
	struct batch_key key = {.text = {m->item}};
	struct answer a, item;

	assert_non_null(call);
	assert_int_equal(answer_read(s, call, &h, NOW, &arena, &a), 0);
	if (call->batch != NULL) {
		assert_int_equal(batch_answers(call, &h, &a, &key, 1, &arena, &item), 0);
		return item;
	}
	return a;
}

static void check(const char *service, const struct meaning *table, size_t n)
{
	struct service *s = service_shipped(service);
	unsigned wrong = 0;

	for (size_t i = 0; i < n; i++) {
		const struct meaning *m = &table[i];
		struct answer a = read_one(s, m);

		if (a.outcome != m->is || (m->reason != NULL && strcmp(a.reason, m->reason) != 0) ||
		    a.retry_after_us != m->wait_us) {
			print_error("%s.%s, %d %s\n  is %s (%s, wait %lld s), not %s (%s, wait "
				    "%lld s)\n",
			    service, m->call, m->status, m->body, outcome_word(a.outcome), a.reason,
			    (long long)(a.retry_after_us / SEC), outcome_word(m->is),
			    m->reason != NULL ? m->reason : "any", (long long)(m->wait_us / SEC));
			wrong++;
		}
		arena_reset(&arena);
	}
	service_unref(s);
	assert_int_equal(wrong, 0);
}

#define CHECK(service, table) check(service, table, sizeof(table) / sizeof((table)[0]))

static void hubspot(void **state)
{
	static const struct meaning table[] = {
	    {"find_companies", 200, NULL, NULL,
		"{\"total\":1,\"results\":[{\"id\":\"7\",\"properties\":{\"domain\":\"A.example\"}}"
		"]}",
		OUTCOME_OK, NULL, 0, "a.example"},
	    {"find_companies", 200, NULL, NULL, "{\"total\":0,\"results\":[]}", OUTCOME_EMPTY, NULL,
		0, "a.example"},
	    {"find_companies", 200, NULL, NULL, "{\"status\":\"error\"}", OUTCOME_TRANSIENT,
		"no-results", 0},
	    {"find_companies", 429, NULL, NULL,
		"{\"status\":\"error\",\"message\":\"You have reached your secondly limit.\","
		"\"errorType\":\"RATE_LIMIT\",\"policyName\":\"SECONDLY\"}",
		OUTCOME_THROTTLE, "search-limit", SEC},
	    {"read_contacts", 429, NULL, NULL,
		"{\"status\":\"error\",\"message\":\"You have reached your ten_secondly_rolling "
		"limit.\",\"policyName\":\"TEN_SECONDLY_ROLLING\"}",
		OUTCOME_THROTTLE, NULL, 10 * SEC},
	    {"read_contacts", 429, NULL, NULL, "{\"category\":\"RATE_LIMITS\"}", OUTCOME_THROTTLE,
		NULL, 10 * SEC},
	    {"read_contacts", 429, NULL, NULL, "", OUTCOME_THROTTLE, NULL, 10 * SEC},
	    {"read_contacts", 429, "Retry-After", "3", "", OUTCOME_THROTTLE, NULL, 3 * SEC},
	    {"read_contacts", 429, NULL, NULL, "{\"policyName\":\"DAILY\"}", OUTCOME_QUOTA,
		"daily-limit", 0},
	    {"read_contacts", 429, NULL, NULL,
		"{\"message\":\"You have reached your daily limit.\"}", OUTCOME_QUOTA,
		"daily-limit", 0},
	    {"read_contacts", 207, NULL, NULL,
		"{\"status\":\"COMPLETE\",\"results\":[{\"id\":\"1\",\"properties\":{\"email\":\"c@"
		"d.example\"}}],"
		"\"numErrors\":1,\"errors\":[{}]}",
		OUTCOME_EMPTY, NULL, 0, "a@b.example"},
	    {"read_contacts", 200, NULL, NULL,
		"{\"results\":[{\"id\":\"1\",\"properties\":{\"email\":\"a@b.example\"}}]}",
		OUTCOME_OK, NULL, 0, "a@b.example"},
	    {"read_contacts", 401, NULL, NULL, "{\"category\":\"INVALID_AUTHENTICATION\"}",
		OUTCOME_AUTH, NULL, 0},
	    {"read_contacts", 403, NULL, NULL, "{\"category\":\"MISSING_SCOPES\"}", OUTCOME_AUTH,
		NULL, 0},
	    {"read_contacts", 400, NULL, NULL, "{\"category\":\"VALIDATION_ERROR\"}",
		OUTCOME_PERMANENT, NULL, 0},
	    {"read_contacts", 423, NULL, NULL, "{}", OUTCOME_THROTTLE, "locked", 2 * SEC},
	    {"read_contacts", 477, "Retry-After", "120", "{}", OUTCOME_THROTTLE, "migrating",
		120 * SEC},
	    {"read_contacts", 477, NULL, NULL, "{}", OUTCOME_THROTTLE, "migrating", 60 * SEC},
	    {"read_contacts", 500, NULL, NULL, "{}", OUTCOME_TRANSIENT, NULL, 0},
	    {"read_contacts", 502, NULL, NULL, "<html>", OUTCOME_TRANSIENT, NULL, 0},
	    {"read_contacts", 503, NULL, NULL, "", OUTCOME_TRANSIENT, NULL, 0},
	    {"read_contacts", 521, NULL, NULL, "", OUTCOME_TRANSIENT, NULL, 0},
	    {"read_contacts", 524, NULL, NULL, "", OUTCOME_TRANSIENT, NULL, 0},
	    {"upsert_contact", 200, NULL, NULL,
		"{\"results\":[{\"id\":\"5\",\"new\":true,\"properties\":{\"email\":\"a@b."
		"example\"}}]}",
		OUTCOME_OK, NULL, 0, "a@b.example"},
	    {"upsert_contact", 207, NULL, NULL, "{\"results\":[],\"numErrors\":1,\"errors\":[{}]}",
		OUTCOME_PERMANENT, NULL, 0, "a@b.example"},
	    {"upsert_contact", 409, NULL, NULL, "{\"category\":\"CONFLICT\"}", OUTCOME_DUPLICATE,
		"already-there", 0},
	    {"create_list", 200, NULL, NULL, "{\"list\":{\"listId\":\"4\"}}", OUTCOME_OK, NULL, 0},
	    {"create_list", 400, NULL, NULL,
		"{\"status\":\"error\",\"message\":\"A list named x already exists.\"}",
		OUTCOME_IN_DOUBT, "name-taken", 0},
	    {"create_list", 400, NULL, NULL, "{\"category\":\"VALIDATION_ERROR\"}",
		OUTCOME_PERMANENT, NULL, 0},
	    {"find_list", 404, NULL, NULL, "{\"category\":\"OBJECT_NOT_FOUND\"}", OUTCOME_EMPTY,
		"not-there", 0},
	    {"add_to_list", 200, NULL, NULL,
		"{\"recordsIdsAdded\":[\"5\"],\"recordIdsMissing\":[\"6\"],\"recordIdsRemoved\":[]"
		"}",
		OUTCOME_OK, NULL, 0, "5"},
	    {"add_to_list", 200, NULL, NULL,
		"{\"recordsIdsAdded\":[],\"recordIdsMissing\":[],\"recordIdsRemoved\":[]}",
		OUTCOME_OK, NULL, 0, "5"},
	    {"add_to_list", 200, NULL, NULL,
		"{\"recordsIdsAdded\":[],\"recordIdsMissing\":[\"5\"]}", OUTCOME_PERMANENT,
		"no-such-record", 0, "5"},
	};

	(void)state;
	CHECK("hubspot", table);
}

#define PG(code) "{\"code\":\"" code "\",\"message\":\"m\",\"details\":null,\"hint\":null}"

static void supabase(void **state)
{
	static const struct meaning table[] = {
	    {"companies", 200, NULL, NULL, "[{\"domain\":\"a.example\"}]", OUTCOME_OK, NULL, 0},
	    {"companies", 206, NULL, NULL, "[{\"domain\":\"a.example\"}]", OUTCOME_OK, NULL, 0},
	    {"companies", 200, NULL, NULL, "[]", OUTCOME_EMPTY, "none", 0},
	    {"companies", 416, NULL, NULL, PG("PGRST103"), OUTCOME_EMPTY, "past-the-end", 0},
	    {"companies", 401, NULL, NULL, "{\"message\":\"Invalid API key\"}", OUTCOME_AUTH, NULL,
		0},
	    {"companies", 401, NULL, NULL, PG("PGRST301"), OUTCOME_AUTH, NULL, 0},
	    {"companies", 401, NULL, NULL, PG("PGRST303"), OUTCOME_AUTH, NULL, 0},
	    {"companies", 403, NULL, NULL, PG("42501"), OUTCOME_AUTH, "no-right", 0},
	    {"companies", 404, NULL, NULL, PG("42P01"), OUTCOME_AUTH, "no-such-table", 0},
	    {"companies", 404, NULL, NULL, PG("PGRST205"), OUTCOME_AUTH, "no-such-table", 0},
	    {"companies", 400, NULL, NULL, PG("42703"), OUTCOME_PERMANENT, NULL, 0},
	    {"companies", 400, NULL, NULL, PG("22P02"), OUTCOME_PERMANENT, NULL, 0},
	    {"companies", 406, NULL, NULL, PG("PGRST116"), OUTCOME_PERMANENT, NULL, 0},
	    {"companies", 503, NULL, NULL, PG("PGRST000"), OUTCOME_TRANSIENT, NULL, 0},
	    {"companies", 503, NULL, NULL, PG("53300"), OUTCOME_TRANSIENT, NULL, 0},
	    {"companies", 504, NULL, NULL, PG("PGRST003"), OUTCOME_TRANSIENT, NULL, 0},
	    {"companies", 500, NULL, NULL, PG("57014"), OUTCOME_TRANSIENT, NULL, 0},
	    {"companies", 429, NULL, NULL, "{\"message\":\"too many\"}", OUTCOME_THROTTLE, NULL, 0},
	    {"companies", 402, NULL, NULL, "{\"message\":\"restricted\"}", OUTCOME_QUOTA, NULL, 0},
	    {"companies", 200, NULL, NULL, PG("XX000"), OUTCOME_TRANSIENT, "error-inside-200", 0},
	    {"keep_company", 201, NULL, NULL, "", OUTCOME_OK, NULL, 0},
	    {"keep_company", 200, NULL, NULL, "", OUTCOME_OK, NULL, 0},
	    {"keep_company", 409, NULL, NULL, PG("23505"), OUTCOME_DUPLICATE, "already-there", 0},
	    {"keep_company", 409, NULL, NULL, PG("23503"), OUTCOME_PERMANENT, "no-such-parent", 0},
	    {"keep_company", 400, NULL, NULL, PG("23502"), OUTCOME_PERMANENT, NULL, 0},
	    {"keep_company", 400, NULL, NULL, PG("P0001"), OUTCOME_PERMANENT, NULL, 0},
	    {"keep_company", 400, NULL, NULL, PG("PGRST204"), OUTCOME_AUTH, "no-such-column", 0},
	    {"keep_company", 500, NULL, NULL, PG("40001"), OUTCOME_TRANSIENT, NULL, 0},
	};

	(void)state;
	CHECK("supabase", table);
}

static void n8n(void **state)
{
	static const struct meaning table[] = {
	    {"discover", 200, NULL, NULL, "{\"companies\":[{\"domain\":\"a.example\"}]}",
		OUTCOME_OK, NULL, 0},
	    {"discover", 200, NULL, NULL, "{\"companies\":[]}", OUTCOME_EMPTY, "nothing-found", 0},
	    {"discover", 200, NULL, NULL, "{\"message\":\"Workflow was started\"}", OUTCOME_AUTH,
		"answers-at-once", 0},
	    {"discover", 200, NULL, NULL,
		"{\"code\":0,\"message\":\"No item to return was found\"}", OUTCOME_EMPTY,
		"no-items", 0},
	    {"discover", 200, NULL, NULL, "", OUTCOME_IN_DOUBT, NULL, 0},
	    {"discover", 200, NULL, NULL, "{\"error\":{\"message\":\"m\"}}", OUTCOME_TRANSIENT,
		"error-inside-200", 0},
	    {"discover", 404, NULL, NULL,
		"{\"code\":404,\"message\":\"The requested webhook \\\"POST discovery\\\" is not "
		"registered.\",\"hint\":\"The workflow must be active\"}",
		OUTCOME_AUTH, "not-registered", 0},
	    {"discover", 404, NULL, NULL,
		"{\"code\":404,\"message\":\"This webhook is not registered for POST requests. Did "
		"you mean to make a GET request?\"}",
		OUTCOME_AUTH, "wrong-method", 0},
	    {"discover", 404, NULL, NULL, "{\"code\":404,\"message\":\"m\"}", OUTCOME_PERMANENT,
		NULL, 0},
	    {"discover", 403, NULL, NULL, "Authorization data is wrong!", OUTCOME_AUTH, NULL, 0},
	    {"discover", 401, NULL, NULL, "", OUTCOME_AUTH, NULL, 0},
	    {"discover", 413, NULL, NULL, "{\"code\":413}", OUTCOME_PERMANENT, NULL, 0},
	    {"discover", 500, NULL, NULL, "{\"message\":\"Error in workflow\"}", OUTCOME_IN_DOUBT,
		"workflow-failed", 0},
	    {"discover", 500, NULL, NULL,
		"{\"code\":0,\"message\":\"There was a problem executing the workflow\"}",
		OUTCOME_TRANSIENT, NULL, 0},
	    {"discover", 524, NULL, NULL, "error code: 524", OUTCOME_IN_DOUBT, "gateway-timeout",
		0},
	    {"discover", 502, NULL, NULL, "<html>", OUTCOME_IN_DOUBT, "gateway-timeout", 0},
	    {"discover", 504, NULL, NULL, "<html>", OUTCOME_IN_DOUBT, "gateway-timeout", 0},
	    {"discover", 503, NULL, NULL, "<html>", OUTCOME_TRANSIENT, NULL, 0},
	    {"discover", 429, NULL, NULL, "", OUTCOME_THROTTLE, NULL, 0},
	    {"enrich_company", 200, NULL, NULL, "{\"decision_makers\":[]}", OUTCOME_OK, NULL, 0},
	    {"discover_contacts", 200, NULL, NULL, "{\"contacts\":[]}", OUTCOME_EMPTY,
		"nobody-found", 0},
	    {"enrich_contact", 200, NULL, NULL,
		"{\"professional_anecdotes\":[\"a\"],\"personal_anecdotes\":[\"b\"]}", OUTCOME_OK,
		NULL, 0},
	    {"enrich_contact", 200, NULL, NULL,
		"{\"professional_anecdotes\":[],\"personal_anecdotes\":[\"b\"]}", OUTCOME_EMPTY,
		"no-professional", 0},
	    {"enrich_contact", 200, NULL, NULL, "{\"professional_anecdotes\":[\"a\"]}",
		OUTCOME_EMPTY, "no-personal", 0},
	    /* jobs: the receipt, and what is told when it is asked for */
	    {"discover_later", 200, NULL, NULL, "{\"message\":\"Workflow was started\"}",
		OUTCOME_PENDING, "started", 0},
	    {"discover_later", 202, NULL, NULL, "{\"job_id\":\"7\",\"status\":\"running\"}",
		OUTCOME_OK, NULL, 0},
	    {"enrich_contact_later", 404, NULL, NULL,
		"{\"code\":404,\"message\":\"The requested webhook \\\"POST x\\\" is not "
		"registered.\"}",
		OUTCOME_AUTH, "not-registered", 0},
	    {"enrich_company_later", 524, NULL, NULL, "error code: 524", OUTCOME_IN_DOUBT,
		"gateway-timeout", 0},
	    {"discover_result", 202, NULL, NULL, "{\"status\":\"running\"}", OUTCOME_PENDING,
		"running", 0},
	    {"discover_result", 200, NULL, NULL,
		"{\"status\":\"done\",\"result\":{\"companies\":[{\"domain\":\"a.com\"}]}}",
		OUTCOME_OK, NULL, 0},
	    {"discover_result", 200, NULL, NULL,
		"{\"status\":\"done\",\"result\":{\"companies\":[]}}", OUTCOME_EMPTY,
		"nothing-found", 0},
	    {"company_result", 200, NULL, NULL,
		"{\"status\":\"failed\",\"error\":{\"message\":\"Error in workflow\"}}",
		OUTCOME_TRANSIENT, "workflow-failed", 0},
	    {"contact_result", 404, NULL, NULL, "{\"code\":404,\"message\":\"No such job\"}",
		OUTCOME_TRANSIENT, "no-such-job", 0},
	    {"contacts_result", 200, NULL, NULL,
		"{\"status\":\"done\",\"result\":{\"contacts\":[]}}", OUTCOME_EMPTY, "nobody-found",
		0},
	};

	(void)state;
	CHECK("n8n", table);
}

static void n8n_verifier(void **state)
{
	static const struct meaning table[] = {
	    {"verify_email", 200, NULL, NULL, "{\"status\":\"valid\"}", OUTCOME_OK, NULL, 0},
	    {"verify_email", 200, NULL, NULL, "{\"status\":\"unknown\"}", OUTCOME_PENDING,
		"unknown-yet", 0},
	    {"verify_email", 200, NULL, NULL, "{\"email\":\"a@b.example\"}", OUTCOME_TRANSIENT,
		"no-status", 0},
	    {"verify_email", 404, NULL, NULL, "{\"message\":\"The requested webhook is not registered.\"}", OUTCOME_AUTH, "not-registered", 0},
	    {"verify_email", 500, NULL, NULL, "{\"message\":\"Error in workflow\"}", OUTCOME_IN_DOUBT, "workflow-failed", 0},
	    {"verify_email", 502, NULL, NULL, "<html>", OUTCOME_IN_DOUBT, "gateway-timeout", 0},
	};

	(void)state;
	CHECK("n8n-verifier", table);
}

static void close_crm(void **state)
{
	static const struct meaning table[] = {
	    {"get_lead", 200, NULL, NULL, "{\"id\":\"lead_1\",\"contacts\":[]}", OUTCOME_OK, NULL,
		0},
	    {"get_lead", 400, NULL, NULL, "{\"errors\":[],\"field-errors\":{\"id\":\"bad\"}}",
		OUTCOME_PERMANENT, NULL, 0},
	    {"get_lead", 401, NULL, NULL, "{\"error\":\"m\"}", OUTCOME_AUTH, NULL, 0},
	    {"get_lead", 402, NULL, NULL, "{\"error\":\"m\"}", OUTCOME_QUOTA, "plan-limit", 0},
	    {"get_lead", 403, NULL, NULL, "{\"error\":\"m\"}", OUTCOME_AUTH, NULL, 0},
	    {"get_lead", 404, NULL, NULL, "{\"error\":\"m\"}", OUTCOME_PERMANENT, NULL, 0},
	    {"get_lead", 405, NULL, NULL, "{\"error\":\"m\"}", OUTCOME_PERMANENT, NULL, 0},
	    {"get_lead", 415, NULL, NULL, "{\"error\":\"m\"}", OUTCOME_PERMANENT, NULL, 0},
	    {"get_lead", 429, "RateLimit", "limit=100, remaining=0, reset=5", "{\"error\":\"m\"}",
		OUTCOME_THROTTLE, NULL, 5 * SEC},
	    {"get_lead", 429, "Retry-After", "4", "{\"error\":\"m\"}", OUTCOME_THROTTLE, NULL,
		4 * SEC},
	    {"get_lead", 429, "RateLimit-Reset", "3", "{\"error\":\"m\"}", OUTCOME_THROTTLE, NULL,
		3 * SEC},
	    {"get_lead", 502, NULL, NULL, "", OUTCOME_TRANSIENT, NULL, 0},
	    {"get_lead", 503, NULL, NULL, "", OUTCOME_TRANSIENT, NULL, 0},
	    {"get_contact", 200, NULL, NULL, "{\"id\":\"cont_1\"}", OUTCOME_OK, NULL, 0},
	};

	(void)state;
	CHECK("close", table);
}

static void apollo(void **state)
{
	static const struct meaning table[] = {
	    {"search", 200, NULL, NULL, "{\"total_entries\":1,\"people\":[{\"id\":\"a\"}]}",
		OUTCOME_OK, NULL, 0},
	    {"search", 200, NULL, NULL, "{\"total_entries\":0,\"people\":[]}", OUTCOME_EMPTY,
		"nobody", 0},
	    {"search", 200, NULL, NULL, "{}", OUTCOME_TRANSIENT, "no-people", 0},
	    {"match", 200, NULL, NULL, "{\"person\":{\"id\":\"a\",\"email\":\"x@y.example\"}}",
		OUTCOME_OK, NULL, 0},
	    {"match", 200, NULL, NULL, "{\"person\":null}", OUTCOME_EMPTY, "not-found", 0},
	    {"match", 200, NULL, NULL, "{}", OUTCOME_EMPTY, "not-found", 0},
	    {"match", 200, NULL, NULL, "{\"status\":\"failed\",\"error_code\":\"UNKNOWN_ERROR\"}",
		OUTCOME_TRANSIENT, "error-inside-200", 0},
	    {"match", 429, "retry-after", "17",
		"{\"message\":\"The maximum number of api calls allowed for api/v1/people/match is "
		"600 times per hour.\"}",
		OUTCOME_THROTTLE, NULL, 17 * SEC},
	    {"match", 429, NULL, NULL, "{\"message\":\"{\\\"message\\\":\\\"m\\\"}\"}",
		OUTCOME_THROTTLE, NULL, 0},
	    {"match", 401, "Content-Type", "text/plain", "Invalid access credentials.",
		OUTCOME_AUTH, NULL, 0},
	    {"match", 401, NULL, NULL, "{\"error_code\":\"INVALID_ACCESS_TOKEN\"}", OUTCOME_AUTH,
		NULL, 0},
	    {"match", 403, NULL, NULL, "{\"error\":\"m\",\"error_code\":\"API_INACCESSIBLE\"}",
		OUTCOME_AUTH, NULL, 0},
	    {"match", 403, NULL, NULL,
		"{\"message\":\"This is only available to accounts with paid plans.\"}",
		OUTCOME_QUOTA, "plan", 0},
	    {"match", 422, NULL, NULL,
		"{\"error\":\"Insufficient credits. Please upgrade your plan.\"}", OUTCOME_QUOTA,
		"no-credits", 0},
	    {"match", 422, NULL, NULL, "{\"error\":\"Bad value for domain\"}", OUTCOME_PERMANENT,
		NULL, 0},
	    {"match", 422, NULL, NULL, "{\"status\":\"failed\",\"error_code\":\"UNKNOWN_ERROR\"}",
		OUTCOME_PERMANENT, NULL, 0},
	    {"match", 400, NULL, NULL,
		"{\"status\":\"failed\",\"error_code\":\"RECORD_LIMIT_EXCEEDED\"}",
		OUTCOME_PERMANENT, NULL, 0},
	    {"match", 400, NULL, NULL, "{\"error_code\":\"INVALID_REQUEST\"}", OUTCOME_PERMANENT,
		NULL, 0},
	    {"match", 404, NULL, NULL,
		"{\"error_code\":\"result_pending\",\"retry_after_seconds\":10}", OUTCOME_PENDING,
		"not-ready", 10 * SEC},
	    {"match", 404, NULL, NULL, "{\"error_code\":\"request_id_unknown\"}", OUTCOME_PERMANENT,
		NULL, 0},
	    {"match", 410, NULL, NULL, "{\"error_code\":\"request_id_expired\"}", OUTCOME_PERMANENT,
		NULL, 0},
	    {"match", 500, NULL, NULL, "", OUTCOME_TRANSIENT, NULL, 0},
	    {"match", 503, NULL, NULL, "<html>", OUTCOME_TRANSIENT, NULL, 0},
	    {"result", 404, NULL, NULL,
		"{\"error_code\":\"result_pending\",\"retry_after_seconds\":10}", OUTCOME_PENDING,
		"not-ready", 10 * SEC},
	    {"result", 404, NULL, NULL, "{\"error_code\":\"request_id_unknown\"}",
		OUTCOME_PERMANENT, NULL, 0},
	    {"result", 410, NULL, NULL, "{\"error_code\":\"request_id_expired\"}",
		OUTCOME_PERMANENT, NULL, 0},
	    {"result", 200, NULL, NULL,
		"{\"webhook_result\":{\"people\":[{\"email\":\"a@b.example\"}]}}", OUTCOME_OK, NULL,
		0},
	    {"result", 200, NULL, NULL, "{\"error_code\":\"internal\"}", OUTCOME_PENDING,
		"error-inside-200", 0},
	    {"result", 200, NULL, NULL, "{\"webhook_result\":{\"people\":[]}}", OUTCOME_EMPTY,
		"no-address", 0},
	    {"match_waterfall", 200, NULL, NULL, "{\"person\":null,\"request_id\":-81234567890123}",
		OUTCOME_OK, NULL, 0},
	    {"organization", 200, NULL, NULL, "{\"organization\":{\"id\":\"o\"}}", OUTCOME_OK, NULL,
		0},
	    {"organization", 200, NULL, NULL, "{\"organization\":null}", OUTCOME_EMPTY, "not-found",
		0},
	};

	(void)state;
	CHECK("apollo", table);
}

#define APIFY(type) "{\"error\":{\"type\":\"" type "\",\"message\":\"m\"}}"

static void apify(void **state)
{
	static const struct meaning table[] = {
	    {"start", 201, NULL, NULL, "{\"data\":{\"id\":\"r\",\"status\":\"READY\"}}", OUTCOME_OK,
		NULL, 0},
	    {"start", 201, NULL, NULL, "{}", OUTCOME_TRANSIENT, "no-run", 0},
	    {"run", 200, NULL, NULL, "{\"data\":{\"status\":\"READY\"}}", OUTCOME_PENDING,
		"running", 0},
	    {"run", 200, NULL, NULL, "{\"data\":{\"status\":\"RUNNING\"}}", OUTCOME_PENDING,
		"running", 0},
	    {"run", 200, NULL, NULL, "{\"data\":{\"status\":\"ABORTING\"}}", OUTCOME_PENDING, NULL,
		0},
	    {"run", 200, NULL, NULL, "{\"data\":{\"status\":\"SUCCEEDED\"}}", OUTCOME_OK, NULL, 0},
	    {"run", 200, NULL, NULL, "{\"data\":{\"status\":\"FAILED\"}}", OUTCOME_TRANSIENT,
		"run-failed", 0},
	    {"run", 200, NULL, NULL, "{\"data\":{\"status\":\"TIMED-OUT\"}}", OUTCOME_PERMANENT,
		"run-ended-early", 0},
	    {"run", 200, NULL, NULL, "{\"data\":{\"status\":\"ABORTED\"}}", OUTCOME_PERMANENT, NULL,
		0},
	    {"run", 404, NULL, NULL, APIFY("record-not-found"), OUTCOME_PERMANENT, NULL, 0},
	    /* a look that fails says nothing about the run, which is paid for */
	    {"run", 200, NULL, NULL, APIFY("internal"), OUTCOME_PENDING, "error-inside-200", 0},
	    {"gathered", 200, NULL, NULL, APIFY("internal"), OUTCOME_PENDING, "error-inside-200", 0},
	    {"start", 200, NULL, NULL, APIFY("internal"), OUTCOME_TRANSIENT, "error-inside-200", 0},
	    {"items", 200, NULL, NULL, "[{\"email\":\"a@b.example\"}]", OUTCOME_OK, NULL, 0},
	    {"items", 200, NULL, NULL, "[]", OUTCOME_EMPTY, "no-items", 0},
	    {"start", 429, NULL, NULL, APIFY("rate-limit-exceeded"), OUTCOME_THROTTLE, NULL, 0},
	    {"start", 402, NULL, NULL, APIFY("concurrent-runs-limit-exceeded"), OUTCOME_THROTTLE,
		"too-many-runs", 30 * SEC},
	    {"start", 402, NULL, NULL, APIFY("actor-memory-limit-exceeded"), OUTCOME_THROTTLE,
		"too-many-runs", 30 * SEC},
	    {"start", 402, NULL, NULL, APIFY("not-enough-usage-to-run-paid-actor"), OUTCOME_QUOTA,
		"usage-limit", 0},
	    {"start", 403, NULL, NULL, APIFY("not-enough-usage-to-run-paid-actor"), OUTCOME_QUOTA,
		"usage-limit", 0},
	    {"start", 402, NULL, NULL, APIFY("anything"), OUTCOME_QUOTA, NULL, 0},
	    {"start", 401, NULL, NULL, APIFY("token-not-provided"), OUTCOME_AUTH, NULL, 0},
	    {"start", 400, NULL, NULL, APIFY("invalid-value"), OUTCOME_PERMANENT, NULL, 0},
	    {"start", 502, NULL, NULL, "<html>", OUTCOME_TRANSIENT, NULL, 0},
	    {"scrape", 201, NULL, NULL, "[{\"email\":\"a@b.example\"}]", OUTCOME_OK, NULL, 0},
	    {"scrape", 201, NULL, NULL, "[]", OUTCOME_EMPTY, "no-items", 0},
	    {"scrape", 408, NULL, NULL, APIFY("run-timeout-exceeded"), OUTCOME_IN_DOUBT,
		"run-goes-on", 0},
	};

	(void)state;
	CHECK("apify", table);
}

#define INSTANTLY(code) "{\"statusCode\":" code ",\"error\":\"e\",\"message\":\"m\"}"

static void instantly(void **state)
{
	static const struct meaning table[] = {
	    {"push", 200, NULL, NULL, "{\"id\":\"l\"}", OUTCOME_OK, NULL, 0},
	    {"push", 409, NULL, NULL, INSTANTLY("409"), OUTCOME_DUPLICATE, "already-there", 0},
	    {"push", 429, NULL, NULL, INSTANTLY("429"), OUTCOME_THROTTLE, NULL, 0},
	    {"push", 402, NULL, NULL, INSTANTLY("402"), OUTCOME_QUOTA, NULL, 0},
	    {"push", 401, NULL, NULL, INSTANTLY("401"), OUTCOME_AUTH, NULL, 0},
	    {"push", 403, NULL, NULL, INSTANTLY("403"), OUTCOME_AUTH, NULL, 0},
	    {"push", 400, NULL, NULL, INSTANTLY("400"), OUTCOME_PERMANENT, NULL, 0},
	    {"push", 404, NULL, NULL, INSTANTLY("404"), OUTCOME_PERMANENT, NULL, 0},
	    {"push", 503, NULL, NULL, "", OUTCOME_TRANSIENT, NULL, 0},
	    {"push", 200, NULL, NULL, "{\"error\":\"e\"}", OUTCOME_TRANSIENT, "error-inside-200",
		0},
	    {"list", 200, NULL, NULL, "{\"items\":[{\"id\":\"l\"}]}", OUTCOME_OK, NULL, 0},
	    {"list", 200, NULL, NULL, "{\"items\":[],\"next_starting_after\":\"l\"}", OUTCOME_EMPTY,
		"nobody", 0},
	    {"list", 200, NULL, NULL, "{}", OUTCOME_TRANSIENT, "no-items", 0},
	    {"create_campaign", 200, NULL, NULL, "{\"id\":\"c\",\"status\":0}", OUTCOME_OK, NULL,
		0},
	    {"remove", 404, NULL, NULL, INSTANTLY("404"), OUTCOME_DUPLICATE, "gone-already", 0},
	};

	(void)state;
	CHECK("instantly", table);
}

/* What the doubt of each write leads to: read again, looked up, or asked once more. */
static void doubts(void **state)
{
	static const struct {
		const char *service, *call;
		enum doubt_rule rule;
	} wanted[] = {
	    {"hubspot", "find_companies", DOUBT_FREE},
	    {"hubspot", "upsert_contact", DOUBT_REPEAT},
	    {"hubspot", "create_list", DOUBT_LOOKUP},
	    {"hubspot", "add_to_list", DOUBT_REPEAT},
	    {"supabase", "companies", DOUBT_FREE},
	    {"supabase", "keep_company", DOUBT_REPEAT},
	    {"n8n", "discover", DOUBT_REPEAT},
	    {"n8n", "enrich_contact", DOUBT_REPEAT},
	    {"n8n-verifier", "verify_email", DOUBT_REPEAT},
	    {"close", "get_lead", DOUBT_FREE},
	    {"apollo", "search", DOUBT_FREE},
	    {"apollo", "match", DOUBT_REPEAT},
	    {"apify", "start", DOUBT_REPEAT},
	    {"apify", "scrape", DOUBT_HOLD},
	    {"apify", "items", DOUBT_FREE},
	    {"apify", "run", DOUBT_REPEAT},
	    {"apollo", "result", DOUBT_REPEAT},
	    {"instantly", "push", DOUBT_LOOKUP},
	    {"instantly", "list", DOUBT_FREE},
	    {"apollo", "match_many", DOUBT_REPEAT},
	    {"instantly", "push_many", DOUBT_REPEAT},
	    {"instantly", "find_campaign", DOUBT_FREE},
	    {"instantly", "create_campaign", DOUBT_LOOKUP},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		struct service *s = service_shipped(wanted[i].service);

		assert_int_equal(service_find_call(s, wanted[i].call)->doubt, wanted[i].rule);
		service_unref(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hubspot),
	    cmocka_unit_test(supabase),
	    cmocka_unit_test(n8n),
	    cmocka_unit_test(n8n_verifier),
	    cmocka_unit_test(close_crm),
	    cmocka_unit_test(apollo),
	    cmocka_unit_test(apify),
	    cmocka_unit_test(instantly),
	    cmocka_unit_test(doubts),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return rc;
}
