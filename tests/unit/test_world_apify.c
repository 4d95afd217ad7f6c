/* lib/sim/apify.h: a run from start to end, its items page by page, and how it goes wrong. */
#include "tests/unit/world_rig.h"

#define START "/apify/v2/actors/scraper~people/runs"
#define SYNC "/apify/v2/actors/scraper~people/run-sync-get-dataset-items"

static const char *run_path(const struct world_plan *started)
{
	static char path[64];

	(void)snprintf(path, sizeof(path), "/apify/v2/actor-runs/%s", field(started, "data.id"));
	return path;
}

static const char *items_path(const struct world_plan *started)
{
	static char path[64];

	(void)snprintf(path, sizeof(path), "/apify/v2/datasets/%s/items",
	    field(started, "data.defaultDatasetId"));
	return path;
}

static void a_run(void **state)
{
	struct world *w = world_of("services: {apify: {run: 100s, price: 0.002}}\n");
	struct world_plan p = ask(w, 0, "POST", START, NULL, "{\"maxItems\":40}"), start;
	char run[64], items[64];

	assert_int_equal(p.status, 201);
	assert_string_equal(field(&p, "data.status"), "READY");
	assert_string_equal(field(&p, "data.finishedAt"), "(null)");
	(void)snprintf(run, sizeof(run), "%s", run_path(&p));
	(void)snprintf(items, sizeof(items), "%s", items_path(&p));
	start = ask(w, 20 * SEC, "GET", run, NULL, NULL);
	assert_string_equal(field(&start, "data.status"), "RUNNING");
	p = ask(w, 50 * SEC, "GET", items, "format=json", NULL);
	assert_int_equal(length_of(&p, ""), 20); /* half of the time, half of the items */
	p = ask(w, 60 * SEC, "GET", run, "waitForFinish=30", NULL);
	assert_string_equal(field(&p, "data.status"), "RUNNING");
	assert_int_equal(p.delay_us, 30 * SEC);
	p = ask(w, 70 * SEC, "GET", run, "waitForFinish=60", NULL);
	assert_string_equal(field(&p, "data.status"), "SUCCEEDED");
	assert_int_equal(p.delay_us, 30 * SEC); /* no longer than it takes */
	p = ask(w, 100 * SEC, "GET", run, NULL, NULL);
	assert_string_equal(field(&p, "data.usageTotalUsd"), "0.080000");
	assert_string_equal(field(&p, "data.exitCode"), "0");
	assert_int_equal(totals(w, WORLD_APIFY).billed_micro, 80000);
	assert_int_equal(totals(w, WORLD_APIFY).billed_calls, 1);
	assert_int_equal(ask(w, 0, "GET", run, "waitForFinish=61", NULL).status, 200);
	world_free(w);
}

static void pages(void **state)
{
	struct world *w = world_of("people: {count: 230}\nservices: {apify: {run: 0s}}\n");
	struct world_plan p = ask(w, 0, "POST", START, NULL, "{}");
	char items[64], query[64];
	size_t n = 0, addresses = 0;

	(void)snprintf(items, sizeof(items), "%s", items_path(&p));
	for (int offset = 0; offset <= 300; offset += 100) {
		(void)snprintf(query, sizeof(query), "offset=%d&limit=100", offset);
		p = ask(w, 1, "GET", items, query, NULL);
		assert_int_equal(p.status, 200);
		assert_string_equal(header(&p, "X-Apify-Pagination-Total"), "230");
		assert_string_equal(header(&p, "X-Apify-Pagination-Limit"), "100");
		assert_int_equal(
		    strtoul(header(&p, "X-Apify-Pagination-Count"), NULL, 10), length_of(&p, ""));
		assert_int_equal(
		    strtoul(header(&p, "X-Apify-Pagination-Offset"), NULL, 10), offset);
		for (size_t i = 0; i < length_of(&p, ""); i++) {
			char path[32];

			(void)snprintf(path, sizeof(path), "%zu.email", i);
			addresses += strchr(field(&p, path), '@') != NULL;
		}
		n += length_of(&p, "");
	}
	assert_int_equal(n, 230);
	assert_in_range(addresses, 205, 229); /* a few without one */
	p = ask(w, 1, "GET", items, NULL, NULL);
	assert_int_equal(length_of(&p, ""), 230);
	assert_int_equal(ask(w, 1, "GET", items, "limit=x", NULL).status, 400);
	assert_int_equal(ask(w, 1, "GET", items, "format=xml", NULL).status, 400);
	assert_int_equal(
	    ask(w, 1, "GET", "/apify/v2/datasets/d0123/items", NULL, NULL).status, 404);
	world_free(w);
}

/* Input, query and money bound it; an offset leads past the first people. */
static void sizes(void **state)
{
	static const struct {
		const char *query, *input;
		size_t n;
	} runs[] = {{NULL, NULL, 500}, {NULL, "{\"maxItems\":10}", 10},
	    {NULL, "{\"max_result\":7}", 7}, {"maxItems=5", "{\"maxItems\":10}", 5},
	    {"maxTotalChargeUsd=0.0036", "{}", 3}, {NULL, "{\"maxItems\":10,\"offset\":495}", 5},
	    {NULL, "{\"offset\":900}", 0}};
	struct world *w = world_of("services: {apify: {run: 0s}}\n");
	struct world_plan p;
	char first[64];

	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		p = ask(w, (int64_t)i, "POST", SYNC, runs[i].query, runs[i].input);
		assert_int_equal(p.status, 201);
		assert_int_equal(length_of(&p, ""), runs[i].n);
	}
	p = ask(w, 9, "POST", SYNC, NULL, "{\"maxItems\":2}");
	(void)snprintf(first, sizeof(first), "%s", field(&p, "1.id"));
	p = ask(w, 9, "POST", SYNC, NULL, "{\"maxItems\":1,\"offset\":1}");
	assert_string_equal(field(&p, "0.id"), first);
	assert_int_equal(ask(w, 9, "POST", START, NULL, "{\"maxItems\":\"x\"}").status, 400);
	assert_int_equal(ask(w, 9, "POST", START, NULL, "[").status, 400);
	assert_int_equal(totals(w, WORLD_APIFY).repeats_p3, 0); /* the same input is another run */
	world_free(w);
}

static void in_one_call(void **state)
{
	struct world *w = world_of("services: {apify: {run: 40s}}\n");
	struct world_plan p = ask(w, 0, "POST", SYNC, NULL, "{\"maxItems\":4}");

	assert_int_equal(p.status, 201);
	assert_int_equal(p.delay_us, 40 * SEC);
	assert_int_equal(length_of(&p, ""), 4);
	world_free(w);
	w = world_of("services: {apify: {run: 301s}}\n");
	p = ask(w, 0, "POST", SYNC, NULL, "{\"maxItems\":4}");
	assert_int_equal(p.status, 408);
	assert_int_equal(p.delay_us, 300 * SEC);
	assert_string_equal(field(&p, "error.type"), "run-timeout-exceeded");
	assert_int_equal(totals(w, WORLD_APIFY).billed_calls, 1); /* it goes on */
	world_free(w);
	w = world_of("services: {apify: {run: 1s, failed: 100%}}\n");
	p = ask(w, 0, "POST", START, "waitForFinish=5", "{\"maxItems\":4}");
	assert_string_equal(field(&p, "data.status"), "FAILED");
	assert_string_equal(field(&p, "data.exitCode"), "1");
	p = ask(w, 2 * SEC, "GET", items_path(&p), NULL, NULL);
	assert_int_equal(length_of(&p, ""), 2);
	world_free(w);
}

/* A client whose start was lost finds it in the list, by who started it. */
static void runs_are_listed(void **state)
{
	struct world *w = world_of("services: {apify: {run: 10s, concurrent: 3}}\n");
	struct world_plan p = ask(w, 0, "POST", START, NULL, "{}");
	char first[32];

	(void)snprintf(first, sizeof(first), "%s", field(&p, "data.id"));
	(void)ask(w, 1, "POST", "/apify/v2/acts/other/runs", NULL, "{}");
	(void)ask(w, 2, "POST", START, NULL, "{}");
	p = ask(w, 3, "POST", START, NULL, "{}");
	assert_int_equal(p.status, 402);
	assert_string_equal(field(&p, "error.type"), "concurrent-runs-limit-exceeded");
	p = ask(w, 4, "GET", START, "desc=1&limit=1", NULL);
	assert_int_equal(number(&p, "data.total"), 2);
	assert_int_equal(length_of(&(struct world_plan){.body = field(&p, "data.items"),
				       .body_len = strlen(field(&p, "data.items"))},
			     ""),
	    1);
	assert_string_not_equal(field(&p, "data.items.0.id"), first);
	assert_string_equal(field(&p, "data.items.0.meta.userAgent"), "rig/1");
	p = ask(w, 4, "GET", START, NULL, NULL);
	assert_string_equal(field(&p, "data.items.0.id"), first);
	p = ask(w, 4, "GET", "/apify/v2/actor-runs", NULL, NULL);
	assert_int_equal(number(&p, "data.total"), 3);
	p = ask(w, 4, "GET", START, "status=SUCCEEDED", NULL);
	assert_int_equal(number(&p, "data.total"), 0);
	p = ask(w, 11 * SEC, "POST", START, NULL, "{}");
	assert_int_equal(p.status, 201); /* the others are over */
	p = ask(w, 11 * SEC, "GET", "/apify/v2/actor-runs/r0123456789abcdef", NULL, NULL);
	assert_int_equal(p.status, 404);
	assert_string_equal(field(&p, "error.type"), "record-not-found");
	world_free(w);
}

static void refusals(void **state)
{
	static const struct {
		const char *fault;
		int status;
		const char *type;
	} forms[] = {{"throttle", 429, "rate-limit-exceeded"},
	    {"throttle-bare", 429, "rate-limit-exceeded"},
	    {"quota", 402, "not-enough-usage-to-run-paid-actor"}, {"billing", 402, "limit-reached"},
	    {"auth", 401, "user-or-token-not-found"}, {"error-500", 500, "internal-error"},
	    {"overload", 503, "service-unavailable"}, {"error-200", 200, "internal-error"}};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct world *w = world_with_fault("apify", forms[i].fault);
		struct world_plan p = ask(w, 0, "POST", START, NULL, "{}");

		assert_int_equal(p.status, forms[i].status);
		assert_string_equal(field(&p, "error.type"), forms[i].type);
		assert_int_equal(totals(w, WORLD_APIFY).billed_calls, 0);
		world_free(w);
	}
}

/* The answer is lost, the run is not. */
static void lost_start(void **state)
{
	struct world *w = world_with_fault("apify", "reset-after, endpoints: [start-run]");
	struct world_plan p = ask(w, 0, "POST", START, NULL, "{\"maxItems\":3}");

	assert_int_equal(p.end, WORLD_RESET);
	assert_int_equal(totals(w, WORLD_APIFY).billed_calls, 1);
	p = ask(w, 1, "GET", START, NULL, NULL);
	assert_int_equal(number(&p, "data.total"), 1);
	world_free(w);
	w = world_of("services: {apify: {limits: [60/1s]}}\n");
	p = ask(w, 0, "GET", START, NULL, NULL);
	assert_string_equal(header(&p, "X-RateLimit-Limit"), "60");
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_run),
	    cmocka_unit_test(pages),
	    cmocka_unit_test(sizes),
	    cmocka_unit_test(in_one_call),
	    cmocka_unit_test(runs_are_listed),
	    cmocka_unit_test(refusals),
	    cmocka_unit_test(lost_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
