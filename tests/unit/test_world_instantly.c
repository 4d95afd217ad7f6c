/* lib/sim/instantly.h: many leads at once, campaigns page by page, change and removal. */
#include "tests/unit/world_rig.h"

#define ADD "/instantly/api/v2/leads/add"
#define LEADS "/instantly/api/v2/leads"
#define LIST "/instantly/api/v2/leads/list"
#define CAMPAIGNS "/instantly/api/v2/campaigns"
#define SCHEDULE                                                                                   \
	"\"campaign_schedule\":{\"schedules\":[{\"name\":\"s\",\"timing\":{\"from\":\"09:00\","    \
	"\"to\":\"17:00\"},\"days\":{\"1\":true},\"timezone\":\"Etc/GMT+12\"}]}"

/* n leads `l<i>@b.example` from number `from` on, with a custom variable each. */
static const char *leads(const char *campaign, int from, int n, const char *flags)
{
	static char body[200000];
	size_t len = (size_t)snprintf(
	    body, sizeof(body), "{\"campaign_id\":\"%s\"%s,\"leads\":[", campaign, flags);

	for (int i = from; i < from + n; i++) {
		len += (size_t)snprintf(body + len, sizeof(body) - len,
		    "%s{\"email\":\"l%d@b.example\",\"first_name\":\"N%d\",\"custom_variables\":{"
		    "\"copy\":"
		    "\"Hi %d\"}}",
		    i > from ? "," : "", i, i, i);
	}
	(void)snprintf(body + len, sizeof(body) - len, "]}");
	return body;
}

static void bulk_push(void **state)
{
	struct world *w = world_of("");
	struct world_plan p = ask(w, 0, "POST", ADD, NULL, leads("c", 0, 1000, ""));

	assert_int_equal(p.status, 200);
	assert_int_equal(number(&p, "total_sent"), 1000);
	assert_int_equal(number(&p, "leads_uploaded"), 1000);
	assert_int_equal(length_of(&p, "created_leads"), 1000);
	assert_int_equal(number(&p, "created_leads.7.index"), 7);
	world_delivered(w, p.token, at(1));
	p = ask(w, 2, "POST", ADD, NULL, leads("c", 995, 10, ",\"skip_if_in_workspace\":true"));
	assert_int_equal(number(&p, "leads_uploaded"), 5);
	assert_int_equal(number(&p, "skipped_count"), 5);
	assert_int_equal(number(&p, "created_leads.0.index"), 5); /* by index in the request */
	world_delivered(w, p.token, at(3));
	assert_int_equal(totals(w, WORLD_INSTANTLY).repeats_p3, 5);
	p = ask(w, 4, "POST", ADD, NULL, leads("d", 0, 2, ",\"skip_if_in_campaign\":true"));
	assert_int_equal(number(&p, "skipped_count"), 2); /* in any campaign, says the bulk call */
	p = ask(w, 5, "POST", LEADS, NULL,
	    "{\"campaign\":\"c\",\"email\":\"L3@b.example\",\"skip_if_in_campaign\":true}");
	assert_int_equal(p.status, 409); /* alone or in bulk: the same lead */
	assert_int_equal(totals(w, WORLD_INSTANTLY).repeats_p3, 6);
	assert_int_equal(totals(w, WORLD_INSTANTLY).billed_calls, 0);
	p = ask(w, 6, "POST", LIST, NULL, "{\"contacts\":[\"l9@b.example\"],\"campaign\":\"c\"}");
	assert_string_equal(field(&p, "items.0.payload.copy"), "Hi 9");
	assert_string_equal(field(&p, "items.0.first_name"), "N9");
	world_free(w);
}

static void bulk_faults_of_the_client(void **state)
{
	static const char *const bad[] = {"{\"campaign_id\":\"c\",\"leads\":[]}",
	    "{\"leads\":[{\"email\":\"a@b.example\"}]}",
	    "{\"campaign_id\":\"c\",\"list_id\":\"l\",\"leads\":[{\"email\":\"a@b.example\"}]}",
	    "{\"campaign_id\":\"c\",\"leads\":[{\"email\":\"a@b.example\",\"nonsense\":1}]}",
	    "{\"campaign_id\":\"c\",\"leads\":[{\"email\":\"a@b.example\",\"custom_variables\":{"
	    "\"x\":"
	    "[1]}}]}",
	    "{\"campaign_id\":\"c\",\"leads\":[7]}", "{\"campaign_id\":3,\"leads\":[{}]}"};
	struct world *w = world_of("services: {instantly: {campaigns: [c]}}\n");
	struct world_plan p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		p = ask(w, 0, "POST", ADD, NULL, bad[i]);
		assert_int_equal(p.status, 400);
		assert_string_equal(field(&p, "error"), "Bad Request");
	}
	assert_int_equal(ask(w, 0, "POST", ADD, NULL, leads("c", 0, 1001, "")).status, 400);
	assert_int_equal(ask(w, 0, "POST", ADD, NULL, leads("unknown", 0, 1, "")).status, 404);
	p = ask(w, 0, "POST", ADD, NULL,
	    "{\"campaign_id\":\"c\",\"leads\":[{\"email\":\"nobody\"},{\"first_name\":\"A\"},"
	    "{\"email\":\"a@b.example\"},{\"email\":\"A@b.example\"}]}");
	assert_int_equal(number(&p, "invalid_email_count"), 2);
	assert_int_equal(number(&p, "duplicate_email_count"), 1);
	assert_int_equal(number(&p, "leads_uploaded"), 1);
	world_free(w);
}

static size_t listed(struct world *w, const char *campaign)
{
	char body[256], after[64] = "";
	size_t n = 0, pages = 0;

	for (;;) {
		struct world_plan p;

		(void)snprintf(body, sizeof(body), "{\"campaign\":\"%s\",\"limit\":100%s%s%s}",
		    campaign, after[0] != '\0' ? ",\"starting_after\":\"" : "", after,
		    after[0] != '\0' ? "\"" : "");
		p = ask(w, 9, "POST", LIST, NULL, body);
		n += length_of(&p, "items");
		pages++;
		if (strcmp(field(&p, "next_starting_after"), "(none)") == 0 ||
		    length_of(&p, "items") == 0) {
			assert_int_equal(
			    pages, n / 100 + 1); /* a full last page has a cursor, too */
			return n;
		}
		(void)snprintf(after, sizeof(after), "%s", field(&p, "next_starting_after"));
	}
}

/* Some are said to be there and are not; pushed again, they are no repeat. */
static void bulk_lost(void **state)
{
	struct world *w = world_with_fault("instantly", "lost-push, calls: 1");
	struct world_plan p = ask(w, 0, "POST", ADD, NULL, leads("c", 0, 200, ""));
	struct world_totals t;
	size_t there;

	assert_int_equal(number(&p, "leads_uploaded"), 200);
	assert_int_equal(length_of(&p, "created_leads"), 200);
	world_delivered(w, p.token, at(1));
	there = listed(w, "c");
	assert_in_range(there, 70, 130);
	(void)ask(w, 2, "POST", ADD, NULL, leads("c", 0, 200, ",\"skip_if_in_workspace\":true"));
	assert_int_equal(listed(w, "c"), 200);
	t = totals(w, WORLD_INSTANTLY);
	assert_int_equal(t.repeats_declared, 200 - there);
	assert_int_equal(t.repeats_p3, there);
	world_free(w);
	w = world_with_fault("instantly", "lost-push"); /* one alone is lost for sure */
	(void)ask(w, 0, "POST", ADD, NULL, leads("c", 0, 1, ""));
	assert_int_equal(listed(w, "c"), 0);
	world_free(w);
}

static void campaigns(void **state)
{
	struct world *w =
	    world_of("services: {instantly: {campaigns: {Spring Sale: id-1, Spring: id-2}}}\n");
	struct world_plan p = ask(w, 0, "GET", CAMPAIGNS, "search=spring%20sale", NULL);
	char query[96];
	size_t n = 0;

	assert_int_equal(length_of(&p, "items"), 1);
	assert_string_equal(field(&p, "items.0.id"), "id-1");
	assert_string_equal(field(&p, "items.0.name"), "Spring Sale");
	assert_int_equal(number(&p, "items.0.status"), 1);
	p = ask(w, 0, "GET", CAMPAIGNS, "search=spring", NULL);
	assert_int_equal(length_of(&p, "items"), 2); /* a part of the name is enough */
	for (int i = 0; i < 148; i++) {
		char body[512];

		(void)snprintf(body, sizeof(body), "{\"name\":\"Autumn %d\"," SCHEDULE "}", i);
		p = ask(w, i, "POST", CAMPAIGNS, NULL, body);
		assert_int_equal(p.status, 200);
		assert_int_equal(number(&p, "status"), 0); /* a draft */
	}
	(void)snprintf(query, sizeof(query), CAMPAIGNS "/%s/activate", field(&p, "id"));
	p = ask(w, 200, "POST", query, NULL, NULL);
	assert_int_equal(number(&p, "status"), 1);
	p = ask(w, 201, "GET", CAMPAIGNS, "status=0", NULL);
	assert_int_equal(length_of(&p, "items"), 100);
	(void)snprintf(query, sizeof(query), "limit=50");
	for (int page = 0; page < 4; page++) {
		p = ask(w, 201, "GET", CAMPAIGNS, query, NULL);
		n += length_of(&p, "items");
		(void)snprintf(query, sizeof(query), "limit=50&starting_after=%s",
		    field(&p, "next_starting_after"));
	}
	assert_int_equal(n, 150);
	assert_string_equal(field(&p, "next_starting_after"), "(none)");
	assert_int_equal(ask(w, 0, "GET", CAMPAIGNS, "limit=101", NULL).status, 400);
	assert_int_equal(ask(w, 0, "GET", CAMPAIGNS "/nothing", NULL, NULL).status, 404);
	world_free(w);
}

static void change_and_removal(void **state)
{
	struct world *w = world_of("");
	struct world_plan p = ask(w, 0, "POST", ADD, NULL, leads("c", 0, 30, ""));
	char path[96], body[512], id[40];

	(void)snprintf(id, sizeof(id), "%s", field(&p, "created_leads.4.id"));
	(void)snprintf(path, sizeof(path), LEADS "/%s", id);
	p = ask(w, 1, "PATCH", path, NULL,
	    "{\"first_name\":\"Other\",\"custom_variables\":{\"more\":1}}");
	assert_int_equal(p.status, 200);
	p = ask(w, 2, "GET", path, NULL, NULL);
	assert_string_equal(field(&p, "first_name"), "Other");
	assert_string_equal(field(&p, "payload.copy"), "Hi 4"); /* what was there stays */
	assert_string_equal(field(&p, "payload.more"), "1");
	assert_string_equal(field(&p, "email"), "l4@b.example");
	assert_int_equal(ask(w, 3, "PATCH", path, NULL, "{\"first_name\":3}").status, 400);
	assert_int_equal(ask(w, 3, "PATCH", LEADS "/none", NULL, "{}").status, 404);
	(void)snprintf(body, sizeof(body), "{\"campaign_id\":\"c\",\"ids\":[\"%s\",\"none\"]}", id);
	p = ask(w, 4, "DELETE", LEADS, NULL, body);
	assert_int_equal(number(&p, "count"), 1);
	assert_int_equal(ask(w, 5, "GET", path, NULL, NULL).status, 404);
	p = ask(w, 6, "DELETE", LEADS, NULL, "{\"campaign_id\":\"c\",\"limit\":9}");
	assert_int_equal(number(&p, "count"), 9);
	assert_int_equal(listed(w, "c"), 20);
	assert_int_equal(ask(w, 7, "DELETE", LEADS, NULL, "{}").status, 400);
	assert_int_equal(ask(w, 7, "DELETE", path, NULL, NULL).status, 404);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bulk_push),
	    cmocka_unit_test(bulk_faults_of_the_client),
	    cmocka_unit_test(bulk_lost),
	    cmocka_unit_test(campaigns),
	    cmocka_unit_test(change_and_removal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
