/* lib/sim/people.h and lib/sim/apollo.h: the people, their search, what they cost, who waits. */
#include "tests/unit/world_rig.h"

#include "lib/sim/people.h"

#define SEARCH "/apollo/api/v1/mixed_people/api_search"
#define MATCH "/apollo/api/v1/people/match"
#define BULK "/apollo/api/v1/people/bulk_match"
#define RESULT "/apollo/api/v1/webhook_result/"

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The set without double addresses, with some people without one, the same for the same seed. */
static void people_are_a_set(void **state)
{
	static char emails[20000][sizeof(((struct person *)0)->email)];
	static const char *sorted[20000];
	struct scenario s;
	struct person p, again;
	size_t with = 0, companies = 0;

	scenario_default(&s);
	s.people.count = 20000;
	for (size_t i = 0; i < s.people.count; i++) {
		people_nth(&s, i, &p);
		people_nth(&s, i, &again);
		assert_memory_equal(p.email, again.email, sizeof(p.email));
		assert_true(strlen(p.id) == 24 && p.first[0] != '\0' && p.last[0] != '\0');
		companies = p.at.index + 1 > companies ? p.at.index + 1 : companies;
		if (p.email[0] != '\0') {
			assert_non_null(strstr(p.email, p.at.domain));
			(void)snprintf(emails[with], sizeof(emails[0]), "%s", p.email);
			sorted[with] = emails[with];
			with++;
		}
	}
	qsort(sorted, with, sizeof(*sorted), by_text);
	for (size_t i = 1; i < with; i++) {
		assert_string_not_equal(sorted[i - 1], sorted[i]);
	}
	assert_in_range(with, 18700, 19300);
	assert_int_equal(companies, 20000 / 3 + 1);
	people_nth(&s, 7, &p);
	s.seed = 2;
	people_nth(&s, 7, &again);
	assert_string_not_equal(p.email, again.email);
}

/* Whoever asks by id, profile, address or by name and domain is told the same. */
static void asked_in_four_ways(void **state)
{
	struct scenario s;
	struct person p, got;
	struct company c;
	size_t i = 0, found = 0;

	scenario_default(&s);
	s.people.not_found_ppm = 0;
	for (people_nth(&s, i, &p);
	     p.email[0] == '\0' || strchr(p.email, '.') > strchr(p.email, '@');
	     people_nth(&s, ++i, &p)) {
	}
	assert_true(people_find(&s, &(struct person_known){.id = p.id}, &got));
	assert_string_equal(got.email, p.email);
	assert_true(people_find(&s, &(struct person_known){.linkedin = p.linkedin}, &got));
	assert_int_equal(got.index, i);
	assert_true(people_find(&s,
	    &(struct person_known){.first = p.first, .last = p.last, .domain = p.at.domain}, &got));
	assert_string_equal(got.email, p.email);
	assert_string_equal(got.title, p.title);
	assert_string_equal(got.at.name, p.at.name);
	assert_true(people_find(&s, &(struct person_known){.email = p.email}, &got));
	assert_string_equal(got.title, p.title);
	assert_true(people_company(&s, p.at.domain, NULL, &c));
	assert_string_equal(c.id, p.at.id);
	assert_false(people_find(&s, &(struct person_known){.first = "Ann"}, &got));
	assert_false(
	    people_find(&s, &(struct person_known){.id = "ffffffffffffffff00000000"}, &got));
	s.people.not_found_ppm = 300000;
	for (i = 0; i < 1000; i++) {
		char email[32];

		(void)snprintf(email, sizeof(email), "a.b%zu@c.example", i);
		found += people_find(&s, &(struct person_known){.email = email}, &got);
		assert_true(people_identity(&(struct person_known){.email = email}) != 0);
	}
	assert_in_range(found, 640, 760);
}

static void search_pages(void **state)
{
	struct world *w = world_of("people: {count: 230}\n");
	char ids[230][PERSON_ID];
	size_t n = 0, mail = 0;

	for (int page = 1; page <= 4; page++) {
		char query[64];
		struct world_plan p;
		size_t on_page;

		(void)snprintf(query, sizeof(query), "per_page=100&page=%d", page);
		p = ask(w, 0, "POST", SEARCH, query, NULL);
		assert_int_equal(p.status, 200);
		assert_int_equal(number(&p, "total_entries"), 230);
		assert_string_equal(field(&p, "pagination"), "(none)");
		on_page = length_of(&p, "people");
		assert_int_equal(on_page, page < 3 ? 100 : page == 3 ? 30 : 0);
		for (size_t i = 0; i < on_page; i++) {
			char path[64];

			(void)snprintf(path, sizeof(path), "people.%zu.id", i);
			(void)snprintf(ids[n], PERSON_ID, "%s", field(&p, path));
			for (size_t k = 0; k < n; k++) {
				assert_string_not_equal(ids[k], ids[n]);
			}
			n++;
			(void)snprintf(path, sizeof(path), "people.%zu.has_email", i);
			mail += strcmp(field(&p, path), "true") == 0;
			(void)snprintf(path, sizeof(path), "people.%zu.email", i);
			assert_string_equal(field(&p, path), "(none)");
			(void)snprintf(path, sizeof(path), "people.%zu.last_name_obfuscated", i);
			assert_non_null(strstr(field(&p, path), "***"));
		}
	}
	assert_int_equal(n, 230);
	assert_in_range(mail, 205, 229);
	assert_int_equal(totals(w, WORLD_APOLLO).billed_calls, 0);
	world_free(w);
}

static void search_filters(void **state)
{
	static const struct {
		const char *query;
		int status;
	} bad[] = {{"per_page=101", 422}, {"page=501", 422}, {"page=x", 422}, {"page=0", 422}};
	struct world *w = world_of("");
	struct world_plan p = ask(w, 0, "POST", SEARCH,
	    "person_titles[]=owner&person_titles%5B%5D=Founder&person_locations[]=California",
	    NULL);
	size_t n = (size_t)number(&p, "total_entries");

	assert_in_range(n, 3, 60);
	assert_int_equal(length_of(&p, "people"), n < 25 ? n : 25);
	assert_true(strcmp(field(&p, "people.0.title"), "Owner") == 0 ||
		    strcmp(field(&p, "people.0.title"), "Founder") == 0);
	p = ask(w, 0, "POST", SEARCH, "person_titles[]=astronaut", NULL);
	assert_int_equal(p.status, 200);
	assert_int_equal(number(&p, "total_entries"), 0);
	p = ask(w, 0, "POST", SEARCH, "contact_email_status[]=unavailable&per_page=100", NULL);
	n = (size_t)number(&p, "total_entries");
	assert_in_range(n, 10, 45); /* 5 % of 500 */
	assert_string_equal(field(&p, "people.0.has_email"), "false");
	p = ask(w, 0, "POST", SEARCH, "organization_num_employees_ranges[]=1,10", NULL);
	assert_true(number(&p, "total_entries") < 500);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(
		    ask(w, 0, "POST", SEARCH, bad[i].query, NULL).status, bad[i].status);
	}
	world_free(w);
}

static void one_person(void **state)
{
	struct world *w = world_of("people: {not_found: 0%, no_email: 0%}\n");
	struct world_plan p = ask(w, 0, "POST", SEARCH, "per_page=1", NULL);
	char query[64];

	(void)snprintf(query, sizeof(query), "id=%s", field(&p, "people.0.id"));
	p = ask(w, 0, "POST", MATCH, query, NULL);
	assert_int_equal(p.status, 200);
	assert_non_null(strchr(field(&p, "person.email"), '@'));
	assert_string_not_equal(field(&p, "person.organization.primary_domain"), "(none)");
	assert_int_equal(totals(w, WORLD_APOLLO).billed_micro, 100000);
	p = ask(w, 0, "POST", MATCH, "first_name=Ann", NULL); /* too little to go by */
	assert_string_equal(field(&p, "person"), "(null)");
	assert_int_equal(totals(w, WORLD_APOLLO).billed_micro, 100000);
	p = ask(w, 0, "GET", "/apollo/api/v1/organizations/enrich", "domain=acme.example", NULL);
	assert_string_equal(field(&p, "organization.primary_domain"), "acme.example");
	assert_int_equal(totals(w, WORLD_APOLLO).billed_micro, 200000);
	p = ask(w, 0, "GET", "/apollo/api/v1/organizations/enrich", NULL, NULL);
	assert_int_equal(p.status, 422);
	world_free(w);
}

/* --- in bulk --- */

/* People number from to to of "p<N>@c<N>.example". */
static const char *details(int from, int to)
{
	static char body[4096];
	size_t len = (size_t)snprintf(body, sizeof(body), "{\"details\":[");

	for (int i = from; i < to; i++) {
		len += (size_t)snprintf(body + len, sizeof(body) - len,
		    "%s{\"email\":\"p.q%d@c%d.example\"}", i > from ? "," : "", i, i);
	}
	(void)snprintf(body + len, sizeof(body) - len, "]}");
	return body;
}

static void bulk_counts(void **state)
{
	struct world *w = world_of("people: {not_found: 40%, no_email: 30%}\n");
	long matched = 0, charged = 0, missing = 0;

	for (int i = 0; i < 200; i += 10) {
		struct world_plan p = ask(w, 0, "POST", BULK, NULL, details(i, i + 10));

		assert_int_equal(p.status, 200);
		assert_string_equal(field(&p, "status"), "success");
		assert_int_equal(number(&p, "total_requested_enrichments"), 10);
		assert_int_equal(
		    number(&p, "missing_records") + (long)length_of(&p, "matches"), 10);
		assert_int_equal(
		    number(&p, "unique_enriched_records"), number(&p, "credits_consumed"));
		matched += (long)length_of(&p, "matches");
		missing += number(&p, "missing_records");
		charged += number(&p, "credits_consumed");
		assert_true(p.token != 0);
		world_delivered(w, p.token, at(1));
	}
	assert_in_range(missing, 55, 105);
	assert_true(charged < matched); /* those without an address cost nothing */
	assert_int_equal(totals(w, WORLD_APOLLO).billed_calls, charged);
	assert_int_equal(totals(w, WORLD_APOLLO).billed_micro, charged * 100000);
	assert_int_equal(totals(w, WORLD_APOLLO).calls, 20);
	/* the same people in other company: each is asked again, and every answer was seen */
	assert_int_equal(totals(w, WORLD_APOLLO).repeats_p3, 0);
	(void)ask(w, 0, "POST", BULK, NULL, details(5, 12));
	assert_int_equal(totals(w, WORLD_APOLLO).repeats_p3, 7);
	(void)ask(w, 0, "POST", MATCH, "email=p.q3@c3.example", NULL); /* alone: the same meaning */
	assert_int_equal(totals(w, WORLD_APOLLO).repeats_p3, 8);
	world_free(w);
}

static void bulk_bounds(void **state)
{
	struct world *w = world_of("");
	struct world_plan p = ask(w, 0, "POST", BULK, NULL, details(0, 11));

	assert_int_equal(p.status, 400);
	assert_string_equal(field(&p, "error_code"), "RECORD_LIMIT_EXCEEDED");
	p = ask(w, 0, "POST", BULK, NULL, "{\"details\":[]}");
	assert_int_equal(p.status, 400);
	assert_string_equal(field(&p, "error_code"), "INVALID_REQUEST");
	assert_int_equal(ask(w, 0, "POST", BULK, NULL, "{\"details\":[").status, 400);
	assert_int_equal(ask(w, 0, "POST", BULK, NULL, "[1]").status, 400);
	assert_int_equal(ask(w, 0, "POST", BULK, NULL, "{\"details\":[3]}").status, 400);
	assert_int_equal(totals(w, WORLD_APOLLO).billed_calls, 0);
	world_free(w);
}

/* Three ways to tell of those who are not there; a person twice in one call is paid for once. */
static void bulk_missing(void **state)
{
	struct world *w =
	    world_of("people: {not_found: 100%}\nservices: {apollo: {missing: 'null'}}\n");
	struct world_plan p = ask(w, 0, "POST", BULK, NULL, details(0, 3));
	char first[64];
	bool moved = false;

	assert_int_equal(length_of(&p, "matches"), 3);
	assert_string_equal(field(&p, "matches.2"), "(null)");
	assert_string_equal(field(&p, "status"), "success");
	world_free(w);
	w = world_of(
	    "people: {not_found: 0%, no_email: 0%}\nservices: {apollo: {missing: shuffled}}\n");
	for (int i = 0; i < 40; i += 10) {
		p = ask(w, 0, "POST", BULK, NULL, details(i, i + 10));
		(void)snprintf(first, sizeof(first), "p.q%d@c%d.example", i, i);
		moved = moved || strcmp(field(&p, "matches.0.email"), first) != 0;
	}
	assert_true(moved);
	p = ask(w, 0, "POST", BULK, NULL,
	    "{\"details\":[{\"email\":\"t.w@ice.example\"},{\"email\":\"T.w@ice.example\"}]}");
	assert_int_equal(number(&p, "credits_consumed"), 1);
	assert_int_equal(length_of(&p, "matches"), 2);
	world_free(w);
}

/* --- what takes longer --- */

static void waterfall(void **state)
{
	struct world *w = world_of("people: {not_found: 0%}\nservices: {apollo: {async: 30s}}\n");
	struct world_plan p = ask(w, 0, "POST", BULK, "run_waterfall_email=true", details(0, 2));
	char path[128], id[32];

	assert_int_equal(p.status, 400); /* wants an address to call back */
	p = ask(w, 0, "POST", BULK,
	    "run_waterfall_email=true&webhook_url=https%3A%2F%2Fh.example%2Fx", details(0, 2));
	assert_int_equal(p.status, 200);
	assert_string_equal(field(&p, "missing_records"), "(none)");
	assert_string_equal(field(&p, "credits_consumed"), "(none)");
	assert_string_equal(field(&p, "matches.0.email"), "(none)");
	assert_string_equal(field(&p, "waterfall.status"), "accepted");
	(void)snprintf(id, sizeof(id), "%s", field(&p, "request_id"));
	(void)snprintf(path, sizeof(path), RESULT "%s", id);
	p = ask(w, 10 * SEC, "GET", path, NULL, NULL);
	assert_int_equal(p.status, 404);
	assert_string_equal(field(&p, "error_code"), "result_pending");
	assert_in_range(number(&p, "retry_after_seconds"), 1, 20);
	p = ask(w, 31 * SEC, "GET", path, NULL, NULL);
	assert_int_equal(p.status, 200);
	assert_string_equal(field(&p, "request_id"), id);
	assert_int_equal(number(&p, "webhook_result.credits_consumed") * 100000,
	    totals(w, WORLD_APOLLO).billed_micro);
	assert_string_not_equal(field(&p, "webhook_result.people.1.id"), "(none)");
	p = ask(w, 31 * US_PER_DAY, "GET", path, NULL, NULL);
	assert_int_equal(p.status, 410);
	assert_string_equal(field(&p, "error_code"), "request_id_expired");
	p = ask(w, 0, "GET", RESULT "-17", NULL, NULL);
	assert_int_equal(p.status, 404);
	assert_string_equal(field(&p, "error_code"), "request_id_unknown");
	assert_int_equal(ask(w, 0, "GET", RESULT "abc", NULL, NULL).status, 400);
	world_free(w);
}

/* --- limits and refusals --- */

static void headers_tell(void **state)
{
	struct world *w = world_of("services: {apollo: {keys: [k], limits: [3/60s, 5/1h]}}\n");
	struct world_plan p = ask(w, 0, "POST", SEARCH, NULL, NULL);

	assert_string_equal(header(&p, "x-rate-limit-minute"), "3");
	assert_string_equal(header(&p, "x-minute-usage"), "1");
	assert_string_equal(header(&p, "x-minute-requests-left"), "2");
	assert_string_equal(header(&p, "x-hourly-requests-left"), "4");
	assert_string_equal(header(&p, "x-rate-limit-24-hour"), ""); /* no limit, no usage */
	assert_null(header(&p, "x-24-hour-usage"));
	for (int i = 0; i < 3; i++) {
		p = ask(w, i, "POST", SEARCH, NULL, NULL);
	}
	assert_int_equal(p.status, 429);
	assert_string_equal(header(&p, "x-minute-requests-left"), "0");
	assert_string_equal(header(&p, "Retry-After"), "60");
	assert_non_null(strstr(field(&p, "message"), "mixed_people/api_search is 3 times"));
	assert_int_equal(totals(w, WORLD_APOLLO).violations, 1);
	p = ask_as(w, 0, "wrong", "POST", SEARCH, NULL, NULL);
	assert_int_equal(p.status, 401);
	assert_null(header(&p, "x-rate-limit-minute"));
	assert_non_null(strstr(header(&p, "Content-Type"), "text/plain"));
	world_free(w);
}

static void refusals(void **state)
{
	static const struct {
		const char *fault;
		int status;
		const char *path, *value;
	} forms[] = {{"throttle", 429, "message", NULL}, {"throttle-bare", 429, "message", NULL},
	    {"quota", 422, "error", "Insufficient credits. Please upgrade your plan."},
	    {"billing", 403, "message", NULL}, {"error-500", 500, "error", NULL},
	    {"overload", 503, "error", NULL}, {"error-200", 200, "error_code", "UNKNOWN_ERROR"}};
	bool nested = false, plain = false;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct world *w = world_with_fault("apollo", forms[i].fault);
		struct world_plan p = ask(w, 0, "POST", BULK, NULL, details(0, 3));

		assert_int_equal(p.status, forms[i].status);
		assert_string_not_equal(field(&p, forms[i].path), "(none)");
		if (forms[i].value != NULL) {
			assert_string_equal(field(&p, forms[i].path), forms[i].value);
		}
		assert_int_equal(totals(w, WORLD_APOLLO).billed_calls, 0);
		assert_true((header(&p, "Retry-After") != NULL) ==
			    (strcmp(forms[i].fault, "throttle") == 0));
		for (int k = 0; i == 0 && k < 40; k++) {
			p = ask(w, 0, "POST", BULK, NULL, details(0, 3));
			nested = nested || field(&p, "message")[0] == '{';
			plain = plain || field(&p, "message")[0] != '{';
		}
		world_free(w);
	}
	assert_true(nested && plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(people_are_a_set),
	    cmocka_unit_test(asked_in_four_ways),
	    cmocka_unit_test(search_pages),
	    cmocka_unit_test(search_filters),
	    cmocka_unit_test(one_person),
	    cmocka_unit_test(bulk_counts),
	    cmocka_unit_test(bulk_bounds),
	    cmocka_unit_test(bulk_missing),
	    cmocka_unit_test(waterfall),
	    cmocka_unit_test(headers_tell),
	    cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
