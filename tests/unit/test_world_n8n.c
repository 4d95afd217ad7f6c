/*
 * lib/sim: the workflows behind n8n's webhooks: what they find, round after round, and the three
 * ways in which they answer.
 */
#include "tests/unit/world_file.h"

#define HOOK "/n8n/webhook/"
#define CALM "portal: 0%, invalid: 0%, no_makers: 0%, no_anecdotes: 0%"

static struct now at(int64_t us)
{
	struct now now = WORLD_NOW;

	return (struct now){now.boot_us + us, now.wall_us + us};
}

static struct world_plan discover(struct world *w, int round, const char *more)
{
	char body[8192];

	(void)snprintf(body, sizeof(body), "{\"state\":\"CA\",\"pms\":\"AppFolio\",\"round\":%d%s}",
	    round, more);
	return world_ask(w, at(0), "POST", HOOK "discovery", body);
}

/* --- what they find --- */

/* 0 to 50 a round, of one region, some of them of no use, and fewer when few are left. */
static void rounds_bring_companies(void **state)
{
	struct world *w = world_for("n8n", "companies: 60, repeat: 0%, portal: 20%, invalid: 20%");
	unsigned portals = 0, invalid = 0, most = 0, least = 50, total = 0, n;
	char exclude[8192] = ",\"exclude\":[\"x.example\"";
	struct world_plan p;

	(void)state;
	for (int round = 1; round <= 40; round++) {
		char path[64];

		p = discover(w, round, "");
		assert_int_equal(p.status, 200);
		n = (unsigned)atoi(field(&p, "companies.#"));
		most = n > most ? n : most;
		least = n < least ? n : least;
		total += n;
		for (unsigned i = 0; i < n; i++) {
			const char *domain;
			char quoted[128];

			(void)snprintf(path, sizeof(path), "companies.%u.domain", i);
			domain = field(&p, path);
			portals += strchr(domain, '.') != NULL && strstr(domain, "-ca-") == NULL &&
				   domain[0] != '1';
			invalid += strchr(domain, '.') == NULL || domain[0] == '1';
			(void)snprintf(quoted, sizeof(quoted), ",\"%.99s\"", domain);
			if (strstr(exclude, quoted) == NULL) {
				assert_true(strlen(exclude) + strlen(quoted) + 2 < sizeof(exclude));
				strcat(exclude, quoted);
			}
		}
	}
	assert_in_range(most, 45, 50);
	assert_in_range(least, 0, 5);
	assert_in_range(portals * 100 / total, 5, 35);
	assert_in_range(invalid * 100 / total, 5, 35);
	strcat(exclude, "]"); /* everybody that was told */
	p = discover(w, 41, exclude);
	assert_string_equal(field(&p, "companies.#"), "0");
	world_free(w);
}

static void quantity_and_city(void **state)
{
	struct world *w = world_for("n8n", CALM ", companies: 1000");
	struct world_plan p;

	(void)state;
	for (int round = 1; round < 30; round++) {
		int n;

		p = discover(w, round, ",\"quantity\":4,\"city\":\"Salem\"");
		n = atoi(field(&p, "companies.#"));
		assert_in_range(n, 0, 4);
		if (n > 0) {
			assert_string_equal(field(&p, "companies.0.city"), "Salem");
		}
	}
	world_free(w);
}

/* Those of Supabase's table are found, too, under the same name. */
static void companies_are_the_same_everywhere(void **state)
{
	struct world *w = world_for("n8n", CALM ", companies: 12");
	struct world_plan p = world_ask(
	    w, at(0), "GET", "/supabase/rest/v1/companies?state=eq.CA&pms=eq.AppFolio", NULL);
	char *rows = strndup(p.body, p.body_len);
	unsigned found = 0;

	(void)state;
	assert_non_null(rows);
	for (int round = 1; round < 10; round++) {
		unsigned n;

		p = discover(w, round, "");
		n = (unsigned)atoi(field(&p, "companies.#"));
		for (unsigned i = 0; i < n; i++) {
			char path[64];

			(void)snprintf(path, sizeof(path), "companies.%u.domain", i);
			assert_non_null(strstr(rows, field(&p, path)));
			found++;
		}
	}
	assert_true(found > 12);
	free(rows);
	world_free(w);
}

static void makers_are_few_or_none(void **state)
{
	struct world *w = world_for("n8n", "no_makers: 50%");
	unsigned none = 0, most = 0;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		char body[64];
		struct world_plan p;
		unsigned n;

		(void)snprintf(body, sizeof(body), "{\"domain\":\"d%u.example\"}", i);
		p = world_ask(w, at(0), "POST", HOOK "company-enrichment", body);
		n = (unsigned)atoi(field(&p, "decision_makers.#"));
		none += n == 0;
		most = n > most ? n : most;
	}
	assert_in_range(none, 70, 130);
	assert_in_range(most, 8, 12);
	world_free(w);
}

/* Rounds bring more people, who differ from the decision makers. */
static void contacts_come_by_rounds(void **state)
{
	struct world *w = world_for("n8n", CALM);
	char seen[4096] = "";
	unsigned new = 0;

	(void)state;
	for (int round = 1; round <= 10; round++) {
		char body[64], path[64];
		struct world_plan p;
		unsigned n;

		(void)snprintf(
		    body, sizeof(body), "{\"domain\":\"a.example\",\"round\":%d}", round);
		p = world_ask(w, at(0), "POST", HOOK "contact-discovery", body);
		n = (unsigned)atoi(field(&p, "contacts.#"));
		assert_in_range(n, 0, 3);
		for (unsigned i = 0; i < n; i++) {
			(void)snprintf(path, sizeof(path), "contacts.%u.phone", i);
			assert_string_not_equal(field(&p, path), "(none)");
			(void)snprintf(path, sizeof(path), "contacts.%u.name", i);
			if (strstr(seen, field(&p, path)) == NULL) {
				(void)snprintf(
				    seen + strlen(seen), 64, "%.60s|", field(&p, path));
				new ++;
			}
		}
	}
	assert_true(new >= 5);
	world_free(w);
}

/* A try that brought nothing of one kind is followed by one that may; asking again is no fault. */
static void a_second_try_may_bring_stories(void **state)
{
	struct world *w = world_for("n8n", "no_anecdotes: 40%");
	struct world_totals t;
	unsigned poor = 0, rich_then = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		char body[64];
		struct world_plan p;
		bool full;

		(void)snprintf(body, sizeof(body), "{\"name\":\"Ann %u\"}", i);
		p = world_ask(w, at(0), "POST", HOOK "contact-enrichment", body);
		world_delivered(w, p.token, at(0));
		full = strcmp(field(&p, "professional_anecdotes.0"), "(none)") != 0;
		full = full && strcmp(field(&p, "personal_anecdotes.0"), "(none)") != 0;
		if (full) {
			continue;
		}
		poor++;
		p = world_ask(w, at(0), "POST", HOOK "contact-enrichment", body);
		full = strcmp(field(&p, "professional_anecdotes.0"), "(none)") != 0;
		rich_then += full && strcmp(field(&p, "personal_anecdotes.0"), "(none)") != 0;
	}
	assert_in_range(poor, 40, 85);
	assert_in_range(rich_then, 5, poor - 5);
	world_totals(w, WORLD_N8N, &t);
	assert_int_equal(t.repeats_p3, 0);
	assert_int_equal(t.repeats_declared, poor);
	world_free(w);
}

/* --- how they answer --- */

#define BODY "{\"domain\":\"a.example\",\"callback_url\":\"http://127.0.0.1:9/x\"}"

static void finished_is_late(void **state)
{
	struct world *w = world_for("n8n", CALM ", latency: {min: 2h, median: 2h, p95: 2h}"),
		     *cloud;
	struct world_plan p = world_ask(w, at(0), "POST", HOOK "company-enrichment", BODY);
	struct world_totals t;

	(void)state;
	assert_int_equal(p.delay_us, 7200 * US_PER_S);
	assert_int_equal(p.status, 200);
	assert_int_equal(p.n_later, 0);
	world_free(w);
	cloud = world_for("n8n", CALM ", cloud: true, latency: {min: 2h, median: 2h, p95: 2h}");
	p = world_ask(cloud, at(0), "POST", HOOK "company-enrichment", BODY);
	assert_int_equal(p.delay_us, 100 * US_PER_S);
	assert_int_equal(p.status, 524);
	world_delivered(cloud, p.token, at(0));
	(void)world_ask(cloud, at(0), "POST", HOOK "company-enrichment", BODY);
	world_totals(cloud, WORLD_N8N, &t);
	assert_int_equal(t.repeats_p3, 0); /* nobody knows what became of it */
	assert_int_equal(t.repeats_doubt, 1);
	world_free(cloud);
}

static void callbacks_come_later(void **state)
{
	struct world *w = world_for("n8n",
	    CALM ", respond: callback, latency: {min: 1h, median: 1h, p95: 1h}, callbacks: {early: "
		 "0%, twice: 0%}");
	struct world_plan p = world_ask(w, at(0), "POST", HOOK "company-enrichment", BODY);
	struct world_totals t;

	(void)state;
	assert_string_equal(field(&p, "message"), "Workflow was started");
	assert_in_range(p.delay_us, 1, US_PER_S);
	assert_int_equal(p.n_later, 1);
	assert_int_equal(p.token, 0); /* the answer tells nothing */
	assert_int_equal(p.later[0].after_us, 3600 * US_PER_S);
	assert_string_equal(p.later[0].url, "http://127.0.0.1:9/x");
	assert_string_equal(
	    text_at(p.later[0].body, p.later[0].body_len, "company.domain"), "a.example");
	world_delivered(w, p.later[0].token, at(0));
	(void)world_ask(w, at(0), "POST", HOOK "company-enrichment", BODY);
	world_totals(w, WORLD_N8N, &t);
	assert_int_equal(t.repeats_p3, 1); /* its result was told */
	p = world_ask(w, at(0), "POST", HOOK "company-enrichment", "{\"domain\":\"a.example\"}");
	assert_int_equal(p.n_later, 0); /* nowhere to call back to: when it has finished */
	assert_int_equal(p.delay_us, 3600 * US_PER_S);
	world_free(w);
}

static void callbacks_go_wrong(void **state)
{
	static const char *const settings[] = {"early: 100%", "twice: 100%, early: 0%",
	    "lost: 100%", "failed: 100%, early: 0%, twice: 0%"};

	(void)state;
	for (int i = 0; i < 4; i++) {
		char yaml[128];
		struct world *w;
		struct world_plan p;

		(void)snprintf(
		    yaml, sizeof(yaml), "respond: callback, callbacks: {%s}", settings[i]);
		w = world_for("n8n", yaml);
		p = world_ask(w, at(0), "POST", HOOK "company-enrichment", BODY);
		assert_int_equal(p.status, 200);
		assert_int_equal(p.n_later == 0, i == 2);
		assert_true(i != 0 || p.later[0].after_us < p.delay_us);
		assert_true(i != 1 || p.n_later == 2);
		assert_true(i != 3 || strstr(p.later[0].body, "Error in workflow") != NULL);
		world_free(w);
	}
}

static void jobs_are_polled(void **state)
{
	struct world *w = world_for("n8n", CALM
	    ", respond: poll, latency: {min: 60s, median: 60s, p95: 60s}, callbacks: {early: 0%}");
	struct world_plan p = world_ask(w, at(0), "POST", HOOK "company-enrichment", BODY);
	char path[64];
	struct world_totals t;

	(void)state;
	assert_int_equal(p.status, 202);
	(void)snprintf(path, sizeof(path), HOOK "job/%.32s", field(&p, "job_id"));
	p = world_ask(w, at(30 * US_PER_S), "GET", path, NULL);
	assert_int_equal(p.status, 202);
	assert_string_equal(field(&p, "status"), "running");
	p = world_ask(w, at(61 * US_PER_S), "GET", path, NULL);
	assert_int_equal(p.status, 200);
	assert_string_equal(field(&p, "status"), "done");
	assert_string_equal(field(&p, "result.company.domain"), "a.example");
	world_delivered(w, p.token, at(61 * US_PER_S));
	(void)world_ask(w, at(62 * US_PER_S), "POST", HOOK "company-enrichment", BODY);
	world_totals(w, WORLD_N8N, &t);
	assert_int_equal(t.repeats_p3, 1);
	p = world_ask(w, at(62 * US_PER_S), "GET", HOOK "job/0000000000000000", NULL);
	assert_int_equal(p.status, 404);
	p = world_ask(
	    w, at(62 * US_PER_S), "POST", HOOK "verify-email", "{\"email\":\"a@b.example\"}");
	assert_int_equal(p.status, 200); /* the quick one */
	world_free(w);
}

static void jobs_fail(void **state)
{
	struct world *w = world_for("n8n", "respond: poll, callbacks: {failed: 100%}");
	struct world_plan p = world_ask(w, at(0), "POST", HOOK "company-enrichment", BODY);
	char path[64];

	(void)state;
	(void)snprintf(path, sizeof(path), HOOK "job/%.32s", field(&p, "job_id"));
	p = world_ask(w, at(61 * US_PER_S), "GET", path, NULL);
	assert_int_equal(p.status, 200);
	assert_string_equal(field(&p, "status"), "failed");
	assert_string_equal(field(&p, "error.message"), "Error in workflow");
	world_free(w);
}

static void refusals(void **state)
{
	struct world *w = world_for("n8n", "");
	struct world_plan p = world_ask(w, at(0), "POST", HOOK "nothing", "{}");

	(void)state;
	assert_int_equal(p.status, 404);
	assert_string_equal(
	    field(&p, "message"), "The requested webhook \"POST nothing\" is not registered.");
	p = world_ask(w, at(0), "POST", HOOK "discovery", "{\"state\":\"CA\"}");
	assert_int_equal(p.status, 400);
	p = world_ask(w, at(0), "POST", HOOK "discovery", "[1");
	assert_int_equal(p.status, 422);
	world_free(w);
}

/* The same seed meets the same answers in the same order; another seed does not. */
static void same_seed_same_finds(void **state)
{
	struct world *a = world_for("n8n", ""), *b = world_for("n8n", "");
	char *first;

	(void)state;
	for (int round = 1; round < 10; round++) {
		struct world_plan p = discover(a, round, "");

		first = strndup(p.body, p.body_len);
		p = discover(b, round, "");
		assert_string_equal(first, p.body);
		free(first);
	}
	world_free(a);
	world_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rounds_bring_companies),
	    cmocka_unit_test(quantity_and_city),
	    cmocka_unit_test(companies_are_the_same_everywhere),
	    cmocka_unit_test(makers_are_few_or_none),
	    cmocka_unit_test(contacts_come_by_rounds),
	    cmocka_unit_test(a_second_try_may_bring_stories),
	    cmocka_unit_test(finished_is_late),
	    cmocka_unit_test(callbacks_come_later),
	    cmocka_unit_test(callbacks_go_wrong),
	    cmocka_unit_test(jobs_are_polled),
	    cmocka_unit_test(jobs_fail),
	    cmocka_unit_test(refusals),
	    cmocka_unit_test(same_seed_same_finds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
