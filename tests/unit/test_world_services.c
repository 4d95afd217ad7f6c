/*
 * The simulated world and the shipped service files know nothing of each other, yet must agree:
 * what the world means by each of its faults is what the service file makes of it, and both come to
 * the same price.
 */
#include "tests/unit/service_file.h"

#include "lib/sim/scenario.h"

#define NOW ((struct now){.boot_us = 1000 * US_PER_S, .wall_us = INT64_C(1795305600000000)})

static struct arena arena;

/* One call of each service, as its file would send it. */
static const struct sent {
	const char *service, *call, *method, *path, *query, *body;
	enum outcome_class usual; /* without a fault; 0: ok */
	bool later;               /* its price is known later */
} calls[] = {
    {"zerobounce", "validate", "GET", "/zerobounce/v2/validate",
	"api_key=k&email=a%40b.example&ip_address=", NULL},
    {"perplexity", "research", "POST", "/perplexity/chat/completions", NULL,
	"{\"model\":\"sonar\",\"messages\":[{\"role\":\"user\",\"content\":\"Company: "
	"Acme\"}],\"max_tokens\":800}"},
    {"openai", "chat", "POST", "/openai/v1/chat/completions", NULL,
	"{\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"First name: "
	"Ann\"}],\"max_completion_tokens\":800}"},
    {"openai", "chat", "POST", "/openai/v1/chat/completions", NULL,
	"{\"model\":\"gpt-3.5-turbo\",\"messages\":[{\"role\":\"user\",\"content\":\"First name: "
	"Ann\"}],\"max_completion_tokens\":800}"},
    {"instantly", "push", "POST", "/instantly/api/v2/leads", NULL,
	"{\"campaign\":\"c\",\"email\":\"a@b.example\",\"skip_if_in_campaign\":true}"},
    {"instantly", "find", "POST", "/instantly/api/v2/leads/list", NULL,
	"{\"campaign\":\"c\",\"contacts\":[\"a@b.example\"],\"limit\":1}", OUTCOME_EMPTY},
    {"instantly", "list", "POST", "/instantly/api/v2/leads/list", NULL,
	"{\"campaign\":\"c\",\"limit\":100}", OUTCOME_EMPTY},
    {"instantly", "push_many", "POST", "/instantly/api/v2/leads/add", NULL,
	"{\"campaign_id\":\"c\",\"leads\":[{\"email\":\"a@b.example\"}]}"},
    {"instantly", "find_campaign", "GET", "/instantly/api/v2/campaigns", "search=Spring&limit=100",
	NULL},
    {"instantly", "create_campaign", "POST", "/instantly/api/v2/campaigns", NULL,
	"{\"name\":\"Spring\",\"campaign_schedule\":{\"schedules\":[]}}"},
    {"apollo", "search", "POST", "/apollo/api/v1/mixed_people/api_search",
	"person_titles%5B%5D=owner&page=1&per_page=100", NULL},
    {"apollo", "match", "POST", "/apollo/api/v1/people/match", "email=a.c%40b.example", NULL},
    {"apollo", "match_many", "POST", "/apollo/api/v1/people/bulk_match", NULL,
	"{\"details\":[{\"email\":\"a.c@b.example\"}]}", OUTCOME_OK, true},
    {"apollo", "organization", "GET", "/apollo/api/v1/organizations/enrich", "domain=b.example",
	NULL},
    {"apify", "start", "POST", "/apify/v2/actors/o~n/runs", "maxTotalChargeUsd=2.50",
	"{\"maxItems\":10}", OUTCOME_OK, true},
    {"apify", "scrape", "POST", "/apify/v2/actors/o~n/run-sync-get-dataset-items", NULL,
	"{\"maxItems\":10}", OUTCOME_OK, true},
    {"hunter", "find", "GET", "/hunter/v2/email-finder",
	"domain=b.example&first_name=Ann&last_name=Cole", NULL},
    {"hunter", "verify", "GET", "/hunter/v2/email-verifier", "email=a%40b.example", NULL},
    {"apify", "runs", "GET", "/apify/v2/actors/o~n/runs", "desc=1&limit=20", NULL, OUTCOME_EMPTY},
};

static struct world *world_with(const char *service, const char *settings)
{
	struct scenario s;
	struct lead_error err;
	struct world *w;
	char yaml[256];

	scenario_default(&s);
	memset(s.verdict_ppm, 0, sizeof(s.verdict_ppm));
	memset(s.copy_ppm, 0, sizeof(s.copy_ppm));
	s.no_facts_ppm = 0;
	s.people.not_found_ppm = s.people.no_email_ppm = 0;
	s.hunter = (struct scenario_hunter){.credit_micro = s.hunter.credit_micro};
	(void)snprintf(yaml, sizeof(yaml), "services: {%s: {%s}}\n", service, settings);
	if (scenario_parse("test", yaml, strlen(yaml), false, &s, &err) != 0) {
		fail_msg("%s", err.text);
	}
	w = world_new(&s);
	assert_non_null(w);
	return w;
}

/* The world's answer as the service file reads it. */
static struct answer ask(
    struct world *w, const struct service *s, const struct sent *sent, const char *key)
{
	char bearer[64];
	struct world_header mine[] = {{"Authorization", bearer}};
	struct world_request r = {.method = sent->method,
	    .path = sent->path,
	    .query = sent->query,
	    .headers = mine,
	    .n_headers = 1,
	    .body = sent->body,
	    .body_len = sent->body != NULL ? strlen(sent->body) : 0};
	struct world_plan p;
	struct http_header headers[WORLD_HEADERS];
	struct http_answer h = {.transport = TRANSPORT_ANSWERED, .headers = headers};
	struct answer a;

	(void)snprintf(bearer, sizeof(bearer), "Bearer %s", key);
	world_handle(w, &r, NOW, &p);
	h.transport = p.end == WORLD_ANSWER ? TRANSPORT_ANSWERED : TRANSPORT_BROKEN;
	h.why = "broken";
	h.status = p.status;
	h.body = p.body;
	h.body_len = p.body_len;
	for (size_t i = 0; i < p.n_headers; i++) {
		headers[h.n_headers++] =
		    (struct http_header){p.headers[i].name, p.headers[i].value};
	}
	assert_int_equal(answer_read(s, service_find_call(s, sent->call), &h, NOW, &arena, &a), 0);
	return a;
}

static void faults_mean_the_same(void **state)
{
	static const struct {
		const char *fault;
		enum outcome_class paid,
		    free; /* of calls with a price or effect, and of plain reads */
	} means[] = {{"none", OUTCOME_OK, OUTCOME_OK},
	    {"throttle", OUTCOME_THROTTLE, OUTCOME_THROTTLE},
	    {"throttle-bare", OUTCOME_THROTTLE, OUTCOME_THROTTLE},
	    {"quota", OUTCOME_QUOTA, OUTCOME_QUOTA}, {"billing", OUTCOME_QUOTA, OUTCOME_QUOTA},
	    {"auth", OUTCOME_AUTH, OUTCOME_AUTH},
	    {"error-500", OUTCOME_TRANSIENT, OUTCOME_TRANSIENT},
	    {"error-html", OUTCOME_TRANSIENT, OUTCOME_TRANSIENT},
	    {"overload", OUTCOME_TRANSIENT, OUTCOME_TRANSIENT},
	    {"reset-before", OUTCOME_IN_DOUBT, OUTCOME_TRANSIENT},
	    {"reset-after", OUTCOME_IN_DOUBT, OUTCOME_TRANSIENT},
	    {"truncate", OUTCOME_IN_DOUBT, OUTCOME_TRANSIENT},
	    {"garbage", OUTCOME_IN_DOUBT, OUTCOME_TRANSIENT},
	    {"error-200", OUTCOME_TRANSIENT, OUTCOME_TRANSIENT}};
	unsigned wrong = 0;

	for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
		struct service *s = service_shipped(calls[c].service);

		for (size_t i = 0; i < sizeof(means) / sizeof(means[0]); i++) {
			bool free = service_find_call(s, calls[c].call)->doubt == DOUBT_FREE;
			enum outcome_class want = i == 0 ? calls[c].usual
						  : free ? means[i].free
							 : means[i].paid;
			char script[64];
			struct world *w;
			struct answer a;

			(void)snprintf(script, sizeof(script),
			    i == 0 ? "script: []" : "script: [{fault: %s}]", means[i].fault);
			w = world_with(calls[c].service, script);
			a = ask(w, s, &calls[c], "k");
			if (a.outcome != want) {
				print_error("%s.%s, %s: read as %s (%s), meant as %s\n",
				    calls[c].service, calls[c].call, means[i].fault,
				    outcome_word(a.outcome), a.reason, outcome_word(want));
				wrong++;
			}
			arena_reset(&arena);
			world_free(w);
		}
		service_unref(s);
	}
	assert_int_equal(wrong, 0);
}

static void prices_agree(void **state)
{
	for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
		struct service *s = service_shipped(calls[c].service);
		struct world *w = world_with(calls[c].service, "script: []");
		struct answer a = ask(w, s, &calls[c], "k");
		struct world_totals t;
		int64_t billed = 0;

		for (enum world_service id = 0; id < WORLD_SERVICES; id++) {
			world_totals(w, id, &t);
			billed += t.billed_micro;
		}
		if (!calls[c].later) {
			assert_int_equal(a.price_micro, billed);
		}
		assert_true(
		    billed <= service_find_call(s, calls[c].call)->price_micro); /* the ceiling */
		arena_reset(&arena);
		world_free(w);
		service_unref(s);
	}
}

/* Seven 429s, two meanings. */
static void quota_codes(void **state)
{
	struct service *s = service_shipped("openai");

	for (size_t i = 0; i < QUOTA_ANY; i++) {
		char settings[96];
		struct world *w;
		struct answer a;

		(void)snprintf(settings, sizeof(settings),
		    "quota_code: %s, script: [{fault: quota}]", quota_words[i]);
		w = world_with("openai", settings);
		a = ask(w, s, &calls[2], "k");
		assert_int_equal(a.outcome, OUTCOME_QUOTA);
		assert_int_equal(a.retry_after_us, 0);
		world_free(w);
		w = world_with("openai", "script: [{fault: slow-down}]");
		a = ask(w, s, &calls[2], "k");
		assert_int_equal(a.outcome, OUTCOME_THROTTLE);
		world_free(w);
	}
	service_unref(s);
}

/* A window of the provider that is over, a refused key, pushes that are there, leads that are not.
 */
static void refusals_mean_the_same(void **state)
{
	struct service *s = service_shipped("openai");
	struct world *w = world_with("openai", "keys: [good], limits: [1/60s]");
	struct answer a;

	assert_int_equal(ask(w, s, &calls[2], "bad").outcome, OUTCOME_AUTH);
	assert_int_equal(ask(w, s, &calls[2], "good").outcome, OUTCOME_OK);
	a = ask(w, s, &calls[2], "good");
	assert_int_equal(a.outcome, OUTCOME_THROTTLE);
	assert_int_equal(a.retry_after_us, 60 * US_PER_S);
	world_free(w);
	service_unref(s);
	s = service_shipped("instantly");
	w = world_with("instantly", "script: []");
	assert_int_equal(ask(w, s, &calls[5], "k").outcome, OUTCOME_EMPTY);
	assert_int_equal(ask(w, s, &calls[4], "k").outcome, OUTCOME_OK);
	assert_int_equal(ask(w, s, &calls[4], "k").outcome, OUTCOME_DUPLICATE);
	assert_int_equal(ask(w, s, &calls[5], "k").outcome, OUTCOME_OK);
	world_free(w);
	service_unref(s);
}

/* What Hunter alone says: not yet, a mail server's trouble, somebody who opted out, nobody found; and its two pairs of windows. */
static void hunter_means_the_same(void **state)
{
	static const struct {
		const char *settings;
		size_t call; /* from the first of its two */
		enum outcome_class is;
		const char *reason;
		int64_t price_micro;
	} cases[] = {
	    {"in_work: 100%", 1, OUTCOME_PENDING, "not-ready", 0},
	    {"mail_server: 100%", 1, OUTCOME_TRANSIENT, "mail-server", 0},
	    {"opted_out: 100%", 1, OUTCOME_PERMANENT, "opted-out", 0},
	    {"opted_out: 100%", 0, OUTCOME_PERMANENT, "opted-out", 0},
	    {"not_found: 100%", 0, OUTCOME_EMPTY, "not-found", 0},
	    {"in_work: 100%", 0, OUTCOME_OK, "http-200", 50000},
	    {"verdicts: {unknown: 100%}", 1, OUTCOME_OK, "http-200", 25000},
	};
	struct service *s = service_shipped("hunter");
	const struct sent *own = calls;
	struct answer a = {0};
	struct world *w;

	(void)state;
	while (strcmp(own->service, "hunter") != 0) {
		own++;
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		w = world_with("hunter", cases[i].settings);
		a = ask(w, s, &own[cases[i].call], "k");
		assert_int_equal(a.outcome, cases[i].is);
		assert_string_equal(a.reason, cases[i].reason);
		assert_int_equal(a.price_micro, cases[i].price_micro);
		world_free(w);
	}
	w = world_with("hunter", "in_work: 100%"); /* the same again, until it is told; it is paid once */
	for (size_t i = 0; i < 4 && (i == 0 || a.outcome == OUTCOME_PENDING); i++) {
		a = ask(w, s, &own[1], "k");
	}
	assert_int_equal(a.outcome, OUTCOME_OK);
	assert_int_equal(a.price_micro, 25000);
	world_free(w);
	for (size_t k = 0; k < 2; k++) {
		w = world_with("hunter", "expected: 1000");
		for (size_t i = 0; i < (k == 0 ? 15 : 10); i++) {
			assert_int_equal(ask(w, s, &own[k], "k").outcome, OUTCOME_OK);
		}
		a = ask(w, s, &own[k], "k");
		assert_int_equal(a.outcome, OUTCOME_THROTTLE);
		assert_string_equal(a.reason, "too-fast");
		assert_int_equal(ask(w, s, &own[1 - k], "k").outcome, OUTCOME_OK); /* counted apart */
		world_free(w);
	}
	service_unref(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hunter_means_the_same),
	    cmocka_unit_test(faults_mean_the_same),
	    cmocka_unit_test(prices_agree),
	    cmocka_unit_test(quota_codes),
	    cmocka_unit_test(refusals_mean_the_same),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return rc;
}
