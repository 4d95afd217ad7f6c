/*
 * lib/sim: HubSpot, Supabase and Close as the world plays them: what is known from the beginning,
 * what clients leave there, whose limits they tell, and the words for each way of saying no.
 */
#include "tests/unit/world_file.h"

#include <inttypes.h>

#define SEARCH(values)                                                                             \
	"{\"filterGroups\":[{\"filters\":[{\"propertyName\":\"domain\",\"operator\":\"IN\","       \
	"\"values\":[" values "]}]}],\"limit\":100}"
#define COMPANIES "/hubspot/crm/v3/objects/companies/search"
#define READ "/hubspot/crm/v3/objects/contacts/batch/read"
#define UPSERT "/hubspot/crm/v3/objects/contacts/batch/upsert"
#define LISTS "/hubspot/crm/v3/lists"
#define TABLE "/supabase/rest/v1/companies"

static struct now at(int64_t us)
{
	struct now now = WORLD_NOW;

	return (struct now){now.boot_us + us, now.wall_us + us};
}

/* `"d0.example","d1.example",…` */
static const char *domains(unsigned n)
{
	static char out[4096];
	size_t len = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < n; i++) {
		len += (size_t)snprintf(
		    out + len, sizeof(out) - len, "%s\"d%u.example\"", i > 0 ? "," : "", i);
	}
	return out;
}

static struct world_plan search(struct world *w, unsigned n, struct now now)
{
	static char body[8192];

	(void)snprintf(body, sizeof(body), SEARCH("%s"), domains(n));
	return world_ask(w, now, "POST", COMPANIES, body);
}

/* --- HubSpot --- */

/* The declared share is known, the same ones whoever asks and in whatever company. */
static void companies_are_drawn(void **state)
{
	struct world *w = world_for("hubspot", "companies: 30%"), *other;
	struct world_plan p = search(w, 100, at(0));
	int total = atoi(field(&p, "total"));
	char first[64];

	(void)state;
	assert_int_equal(p.status, 200);
	assert_in_range(total, 15, 45);
	assert_int_equal(total, atoi(field(&p, "results.#")));
	(void)snprintf(first, sizeof(first), "%.60s", field(&p, "results.0.properties.domain"));
	assert_string_equal(plan_line(&p, "X-HubSpot-RateLimit-Max"), "(none)");
	other = world_for("hubspot", "companies: 30%");
	for (unsigned i = 0; i < 100; i++) {
		char body[256], domain[32];
		bool known;

		(void)snprintf(domain, sizeof(domain), "D%u.Example", i);
		(void)snprintf(body, sizeof(body), SEARCH("\"%s\""), domain);
		p = world_ask(other, at(i * US_PER_S), "POST", COMPANIES, body);
		known = strcmp(field(&p, "total"), "1") == 0;
		total -= known;
		if (known && strcasecmp(domain, first) == 0) {
			first[0] = '\0';
		}
	}
	assert_int_equal(total, 0);
	assert_string_equal(first, "");
	world_free(w);
	world_free(other);
}

static void search_refuses(void **state)
{
	struct world *w = world_for("hubspot", "limits: []");
	struct world_plan p = search(w, 101, at(0));

	(void)state;
	assert_int_equal(p.status, 400);
	p = world_ask(w, at(0), "POST", COMPANIES, "{\"filterGroups\":[]}");
	assert_int_equal(p.status, 400);
	assert_string_equal(field(&p, "category"), "VALIDATION_ERROR");
	p = world_ask(w, at(0), "POST", COMPANIES,
	    "{\"filterGroups\":[{\"filters\":[{\"propertyName\":\"name\",\"operator\":\"EQ\","
	    "\"value\":\"x\"}]}]}");
	assert_int_equal(p.status, 400);
	p = world_ask(w, at(0), "POST", COMPANIES, "not json");
	assert_int_equal(p.status, 400);
	p = world_ask(w, at(0), "GET", COMPANIES, NULL);
	assert_int_equal(p.status, 404);
	world_free(w);
}

/* Five a second for all searches; the other limits tell another name. */
static void limits_by_name(void **state)
{
	struct world *w = world_for("hubspot", "companies: 0%"), *day;
	struct world_plan p;

	(void)state;
	for (int i = 0; i < 6; i++) {
		p = search(w, 1, at(i * 100000));
	}
	assert_int_equal(p.status, 429);
	assert_string_equal(field(&p, "policyName"), "SECONDLY");
	assert_string_equal(field(&p, "message"), "You have reached your secondly limit.");
	assert_string_equal(plan_line(&p, "Retry-After"), "(none)");
	assert_int_equal(search(w, 1, at(1100001)).status, 200);
	for (int i = 0; i < 94; i++) {
		p = world_ask(w, at(1200000), "GET", LISTS "/object-type-id/0-1/name/x", NULL);
	}
	assert_int_equal(p.status, 429);
	assert_string_equal(field(&p, "policyName"), "TEN_SECONDLY_ROLLING");
	assert_string_equal(plan_line(&p, "X-HubSpot-RateLimit-Remaining"), "0");
	assert_string_equal(plan_line(&p, "X-HubSpot-RateLimit-Interval-Milliseconds"), "10000");
	world_free(w);
	day = world_for("hubspot", "limits: [2/day]");
	for (int i = 0; i < 3; i++) {
		p = search(day, 1, at(i * US_PER_S));
	}
	assert_int_equal(p.status, 429);
	assert_string_equal(field(&p, "policyName"), "DAILY");
	world_free(day);
}

#define INPUT(email)                                                                               \
	"{\"id\":\"" email "\",\"idProperty\":\"email\",\"properties\":{\"email\":\"" email "\"}}"

/* What was upserted is read and found afterwards; a batch may come back in part and in any order.
 */
static void contacts_are_kept(void **state)
{
	struct world *w = world_for("hubspot", "contacts: 0%");
	struct world_plan p = world_ask(w, at(0), "POST", READ,
	    "{\"idProperty\":\"email\",\"inputs\":[{\"id\":\"a@x.example\"}]}");

	(void)state;
	assert_int_equal(p.status, 207);
	assert_string_equal(field(&p, "results.#"), "0");
	assert_string_equal(field(&p, "numErrors"), "1");
	assert_string_equal(field(&p, "errors.0.context.ids.0"), "a@x.example");
	p = world_ask(w, at(0), "POST", UPSERT,
	    "{\"inputs\":[" INPUT("a@x.example") "," INPUT("b@x.example") "]}");
	assert_int_equal(p.status, 200);
	assert_string_equal(field(&p, "results.0.new"), "true");
	assert_string_equal(field(&p, "results.0.properties.email"), "b@x.example");
	assert_int_equal(p.token != 0, 1);
	world_delivered(w, p.token, at(0));
	p = world_ask(w, at(0), "POST", UPSERT, "{\"inputs\":[" INPUT("A@x.example") "]}");
	assert_string_equal(field(&p, "results.0.new"), "false");
	p = world_ask(w, at(0), "POST", UPSERT,
	    "{\"inputs\":[" INPUT("nobody") "," INPUT("c@x.example") "]}");
	assert_int_equal(p.status, 207);
	assert_string_equal(field(&p, "results.#"), "1");
	p = world_ask(w, at(0), "POST", READ,
	    "{\"idProperty\":\"email\",\"inputs\":[{\"id\":\"a@x.example\"},{\"id\":\"b@x."
	    "example\"},{\"id\":\"a@x.example\"}]}");
	assert_int_equal(p.status, 200);
	assert_string_equal(field(&p, "results.#"), "2");
	p = world_ask(w, at(0), "POST", "/hubspot/crm/v3/objects/companies/batch/upsert",
	    "{\"inputs\":[" INPUT("x.example") "]}");
	assert_int_equal(p.status, 400);
	world_free(w);
}

/* Asked twice, the second time after a whole answer, one contact of the batch only. */
static void batches_are_accounted_by_contact(void **state)
{
	struct world *w = world_for("hubspot", "contacts: 0%");
	struct world_totals t;
	struct world_plan p = world_ask(w, at(0), "POST", UPSERT,
	    "{\"inputs\":[" INPUT("a@x.example") "," INPUT("b@x.example") "]}");

	(void)state;
	world_delivered(w, p.token, at(0));
	(void)world_ask(w, at(0), "POST", UPSERT,
	    "{\"inputs\":[" INPUT("c@x.example") "," INPUT("b@x.example") "]}");
	world_totals(w, WORLD_HUBSPOT, &t);
	assert_int_equal(t.repeats_p3, 1);
	assert_int_equal(t.billed_calls, 0);
	world_free(w);
}

static void lists_are_kept(void **state)
{
	struct world *w = world_for("hubspot", "contacts: 0%, limits: []");
	char body[128], id[32];
	struct world_plan p = world_ask(w, at(0), "POST", LISTS,
	    "{\"name\":\"one list\",\"objectTypeId\":\"0-1\",\"processingType\":\"MANUAL\"}");

	(void)state;
	assert_int_equal(p.status, 200);
	assert_string_equal(field(&p, "list.listId"), "1");
	p = world_ask(w, at(0), "POST", LISTS,
	    "{\"name\":\"one list\",\"objectTypeId\":\"0-2\",\"processingType\":\"MANUAL\"}");
	assert_int_equal(p.status, 400);
	assert_non_null(strstr(field(&p, "message"), "already exists"));
	p = world_ask(w, at(0), "GET", LISTS "/object-type-id/0-1/name/one%20list", NULL);
	assert_string_equal(field(&p, "list.listId"), "1");
	p = world_ask(w, at(0), "GET", LISTS "/object-type-id/0-2/name/one%20list", NULL);
	assert_int_equal(p.status, 404);
	assert_string_equal(field(&p, "category"), "OBJECT_NOT_FOUND");
	p = world_ask(w, at(0), "POST", LISTS "/search", "{\"query\":\"LIST\"}");
	assert_string_equal(field(&p, "lists.#"), "1");
	p = world_ask(w, at(0), "POST", UPSERT, "{\"inputs\":[" INPUT("a@x.example") "]}");
	(void)snprintf(id, sizeof(id), "%.31s", field(&p, "results.0.id"));
	(void)snprintf(body, sizeof(body), "[\"%s\",\"77\"]", id);
	p = world_ask(w, at(0), "PUT", LISTS "/1/memberships/add", body);
	assert_string_equal(field(&p, "recordsIdsAdded.0"), id);
	assert_string_equal(field(&p, "recordIdsMissing.0"), "77");
	p = world_ask(w, at(0), "PUT", LISTS "/1/memberships/add", body);
	assert_string_equal(field(&p, "recordsIdsAdded.#"), "0");
	p = world_ask(w, at(0), "GET", LISTS "/1/memberships?limit=5", NULL);
	assert_string_equal(field(&p, "results.0.recordId"), id);
	assert_string_equal(field(&p, "results.#"), "1");
	p = world_ask(w, at(0), "PUT", LISTS "/2/memberships/add", body);
	assert_int_equal(p.status, 404);
	world_free(w);
}

/* --- Supabase --- */

static void rows_are_drawn_and_paged(void **state)
{
	struct world *w = world_for("supabase", "rows: 30");
	struct world_plan p =
	    world_ask(w, at(0), "GET", TABLE "?state=eq.CA&pms=eq.AppFolio&limit=20", NULL);
	char last[64], city[64], path[256];
	int there;

	(void)state;
	assert_string_equal(field(&p, "#"), "20");
	assert_string_equal(plan_line(&p, "Content-Range"), "0-19/*");
	(void)snprintf(last, sizeof(last), "%.60s", field(&p, "19.domain"));
	(void)snprintf(city, sizeof(city), "%.60s", field(&p, "0.city"));
	p = world_ask(
	    w, at(0), "GET", TABLE "?state=eq.CA&pms=eq.AppFolio&limit=20&offset=19", NULL);
	assert_string_equal(field(&p, "#"), "11");
	assert_string_equal(field(&p, "0.domain"), last);
	p = world_ask(w, at(0), "GET", TABLE "?state=eq.CA&pms=eq.AppFolio&offset=30", NULL);
	assert_string_equal(field(&p, "#"), "0");
	assert_string_equal(plan_line(&p, "Content-Range"), "*/*");
	p = world_ask(w, at(0), "GET", TABLE "?state=eq.TX&pms=eq.AppFolio", NULL);
	assert_string_equal(field(&p, "#"), "30");
	assert_string_not_equal(field(&p, "19.domain"), last);
	(void)snprintf(path, sizeof(path), TABLE "?state=eq.CA&pms=eq.AppFolio&city=eq.%s", city);
	p = world_ask(w, at(0), "GET", path, NULL);
	there = atoi(field(&p, "#"));
	assert_in_range(there, 1, 29);
	assert_string_equal(field(&p, "0.city"), city);
	p = world_ask(w, at(0), "GET", TABLE "?select=domain&state=eq.CA&pms=eq.AppFolio", NULL);
	assert_string_equal(field(&p, "0.name"), "(none)");
	p = world_ask(w, at(0), "GET", TABLE "?state=CA", NULL);
	assert_int_equal(p.status, 400);
	p = world_ask(w, at(0), "GET", "/supabase/rest/v1/people", NULL);
	assert_int_equal(p.status, 404);
	assert_string_equal(field(&p, "code"), "PGRST205");
	world_free(w);
}

static void rows_are_cut_at_a_thousand(void **state)
{
	struct world *w = world_for("supabase", "rows: 1200");
	struct world_plan p =
	    world_ask(w, at(0), "GET", TABLE "?state=eq.CA&pms=eq.Yardi&limit=5000", NULL);

	(void)state;
	assert_string_equal(field(&p, "#"), "1000");
	assert_string_equal(plan_line(&p, "Content-Range"), "0-999/*");
	world_free(w);
}

/* Everything that a file of one's own may ask for; each with how many rows of seven it shows, and the first's name. */
static void rows_are_filtered(void **state)
{
	static const struct {
		const char *query, *count, *first;
	} cases[] = {
	    {"", "7", "Alpha"},
	    {"?name=eq.Alpha", "1", "Alpha"},
	    {"?name=neq.Alpha", "5", "Beta"}, /* a null is neither */
	    {"?name=not.eq.Alpha", "5", "Beta"},
	    {"?name=is.null", "1", "(null)"},
	    {"?name=not.is.null", "6", "Alpha"},
	    {"?name=gt.Beta", "4", "Gamma, Ltd"},
	    {"?name=gte.Beta&name=lt.Epsilon", "2", "Beta"},
	    {"?name=lte.Alpha", "1", "Alpha"},
	    {"?name=like.*eta", "2", "Beta"},
	    {"?name=like.%25et_", "2", "Beta"},
	    {"?name=like.b*", "0", "(null)"},
	    {"?name=ilike.b*", "1", "Beta"},
	    {"?domain=in.(a.example,c.example)", "2", "Alpha"},
	    {"?name=in.(%22Gamma,+Ltd%22,Alpha)", "2", "Alpha"},
	    {"?name=not.in.(Alpha,Beta)", "4", "Gamma, Ltd"},
	    {"?or=(name.eq.Alpha,city.eq.Ulm)", "3", "Alpha"},
	    {"?or=(name.eq.%22Gamma,+Ltd%22,and(city.eq.Ulm,name.like.Del*))", "2", "Gamma, Ltd"},
	    {"?not.or=(name.eq.Alpha,city.eq.Ulm)", "0", "(null)"}, /* a null city: nobody knows */
	    {"?and=(state.eq.CA,not.or(name.eq.Alpha,name.eq.Beta))", "4", "Gamma, Ltd"},
	    {"?order=name.desc", "7", "(null)"},
	    {"?order=name.desc.nullslast", "7", "Zeta"},
	    {"?order=name.asc.nullsfirst", "7", "(null)"},
	    {"?order=city.asc,name.desc&name=not.is.null", "6", "Delta"},
	    {"?order=id.desc&limit=1&offset=1", "1", "Zeta"},
	    {"?id=gt.1000000004", "2", "Zeta"},
	    {"?select=name,web:domain,id::text&name=eq.Beta", "1", "Beta"},
	};
	struct world *w = world_for("supabase", "rows: 0");
	struct world_plan p;
	char path[512];

	(void)state;
	p = world_ask(w, at(0), "POST", TABLE,
	    "[{\"domain\":\"a.example\",\"name\":\"Alpha\",\"state\":\"CA\"},{\"domain\":\"b.example\",\"name\":\"Beta\",\"city\":\"Ulm\",\"state\":\"CA\"},"
	    "{\"domain\":\"c.example\",\"name\":\"Gamma, Ltd\",\"state\":\"CA\"},{\"domain\":\"d.example\",\"name\":\"Delta\",\"city\":\"Ulm\",\"state\":\"CA\"},"
	    "{\"domain\":\"e.example\",\"name\":\"Epsilon\",\"state\":\"CA\"},{\"domain\":\"f.example\",\"name\":\"Zeta\",\"state\":\"CA\"},"
	    "{\"domain\":\"g.example\",\"state\":\"TX\"}]");
	assert_int_equal(p.status, 201);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(path, sizeof(path), TABLE "%s", cases[i].query);
		p = world_ask(w, at(0), "GET", path, NULL);
		if (p.status != 200 || strcmp(field(&p, "#"), cases[i].count) != 0) {
			fail_msg("%s: %d, %.*s", cases[i].query, p.status, (int)p.body_len, p.body);
		}
		if (strcmp(cases[i].count, "0") != 0) {
			assert_string_equal(field(&p, "0.name"), cases[i].first);
		}
	}
	p = world_ask(w, at(0), "GET", TABLE "?select=web:domain&name=eq.Beta", NULL);
	assert_string_equal(field(&p, "0.web"), "b.example");
	assert_string_equal(field(&p, "0.name"), "(none)");
	world_free(w);
}

static void filters_that_are_wrong(void **state)
{
	static const char *const cases[][2] = {
	    {"?name=Alpha", "PGRST100"},
	    {"?name=equals.Alpha", "PGRST100"},
	    {"?name=is.blue", "PGRST100"},
	    {"?name=in.Alpha", "PGRST100"},
	    {"?or=name.eq.Alpha", "PGRST100"},
	    {"?or=(name)", "PGRST100"},
	    {"?or=()", "PGRST100"},
	    {"?order=name.up", "PGRST100"},
	    {"?limit=many", "PGRST100"},
	    {"?colour=eq.red", "42703"},
	    {"?or=(colour.eq.red)", "42703"},
	    {"?select=colour", "42703"},
	    {"?order=colour", "42703"},
	    {"?select=people(name)", "PGRST200"},
	};
	struct world *w = world_for("supabase", "rows: 3");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char path[128];
		struct world_plan p;

		(void)snprintf(path, sizeof(path), TABLE "%s", cases[i][0]);
		p = world_ask(w, at(0), "GET", path, NULL);
		if (p.status != 400 || strcmp(field(&p, "code"), cases[i][1]) != 0) {
			fail_msg("%s: %d, %.*s", cases[i][0], p.status, (int)p.body_len, p.body);
		}
	}
	world_free(w);
}

/* Several states at once, and pages by header. */
static void ranges_and_places(void **state)
{
	struct world *w = world_for("supabase", "rows: 10");
	static const struct {
		const char *range, *prefer, *accept, *query;
		int status;
		const char *content_range;
	} cases[] = {
	    {"0-4", NULL, NULL, "state=in.(CA,TX)&pms=eq.AppFolio", 200, "0-4/*"},
	    {"15-29", NULL, NULL, "state=in.(CA,TX)&pms=eq.AppFolio", 200, "15-19/*"},
	    {"15-", "count=exact", NULL, "state=in.(CA,TX)&pms=eq.AppFolio", 206, "15-19/20"},
	    {"0-99", "count=exact", NULL, "state=in.(CA,TX)&pms=eq.AppFolio", 200, "0-19/20"},
	    {"30-39", "count=exact", NULL, "state=in.(CA,TX)&pms=eq.AppFolio", 416, "*/20"},
	    {"4-9", NULL, NULL, "state=eq.CA&pms=eq.AppFolio&limit=6", 200, "4-5/*"},
	    {NULL, NULL, "application/vnd.pgrst.object+json", "state=eq.CA&pms=eq.AppFolio", 406, "(none)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world_header headers[4] = {{"apikey", "k"}};
		struct world_request r = {.method = "GET", .path = TABLE, .query = cases[i].query, .headers = headers, .n_headers = 1};
		struct world_plan p;

		if (cases[i].range != NULL) {
			headers[r.n_headers++] = (struct world_header){"Range", cases[i].range};
		}
		if (cases[i].prefer != NULL) {
			headers[r.n_headers++] = (struct world_header){"Prefer", cases[i].prefer};
		}
		if (cases[i].accept != NULL) {
			headers[r.n_headers++] = (struct world_header){"Accept", cases[i].accept};
		}
		world_handle(w, &r, at(0), &p);
		assert_int_equal(p.status, cases[i].status);
		assert_string_equal(plan_line(&p, "Content-Range"), cases[i].content_range);
	}
	world_free(w);
}

#define ROW(domain, name)                                                                          \
	"{\"domain\":\"" domain "\",\"name\":\"" name "\",\"state\":\"CA\",\"pms\":\"AppFolio\"}"

static void rows_are_kept(void **state)
{
	struct world *w = world_for("supabase", "rows: 2");
	struct world_plan p = world_ask(w, at(0), "POST", TABLE "?on_conflict=domain",
	    "[" ROW("a.example", "A") "," ROW("b.example", "B") "]");

	(void)state;
	assert_int_equal(p.status, 201);
	assert_int_equal(p.body_len, 0);
	p = world_ask(w, at(0), "POST", TABLE "?on_conflict=domain", ROW("a.example", "A2"));
	assert_int_equal(p.status, 201);
	p = world_ask(w, at(0), "GET", TABLE "?state=eq.CA&pms=eq.AppFolio", NULL);
	assert_string_equal(field(&p, "#"), "4");
	assert_string_equal(field(&p, "2.name"), "A2");
	p = world_ask(w, at(0), "POST", TABLE, "[" ROW("c.example", "C") ",{\"name\":\"x\"}]");
	assert_int_equal(p.status, 400); /* one statement: none of them */
	assert_string_equal(field(&p, "code"), "23502");
	p = world_ask(w, at(0), "POST", TABLE, "{\"domain\":\"d.example\",\"colour\":\"red\"}");
	assert_string_equal(field(&p, "code"), "PGRST204");
	p = world_ask(w, at(0), "GET", TABLE "?domain=eq.c.example", NULL);
	assert_string_equal(field(&p, "#"), "0");
	p = world_ask(w, at(0), "DELETE", TABLE "?domain=eq.a.example", NULL);
	assert_string_equal(field(&p, "code"), "42501");
	world_free(w);
}

/* Without a preference a second row of the domain is a conflict; an old key wants the Bearer, too.
 */
static void keys_and_conflicts(void **state)
{
	static const struct {
		const char *key, *bearer;
		int status;
	} keys[] = {{"sb_secret_1", NULL, 201}, {"sb_secret_1", "Bearer sb_secret_1", 401},
	    {"eyJhbG", "Bearer eyJhbG", 409}, {"eyJhbG", NULL, 401}};
	struct world *w = world_for("supabase", "");

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct world_header headers[] = {
		    {"apikey", keys[i].key}, {"Authorization", keys[i].bearer}};
		struct world_request r = {.method = "POST",
		    .path = TABLE,
		    .headers = headers,
		    .n_headers = keys[i].bearer != NULL ? 2 : 1,
		    .body = ROW("a.example", "A")};
		struct world_plan p;

		r.body_len = strlen(r.body);
		world_handle(w, &r, at(0), &p);
		assert_int_equal(p.status, keys[i].status);
	}
	world_free(w);
}

/* --- Close --- */

static void close_tells_people(void **state)
{
	struct world *w = world_for("close", "");
	struct world_plan p =
	    world_ask(w, at(0), "GET", "/close/api/v1/lead/lead_7/?_fields=id", NULL);
	char id[64], name[64], path[128];

	(void)state;
	assert_int_equal(p.status, 200);
	assert_string_equal(plan_line(&p, "RateLimit"), "limit=100, remaining=99, reset=1");
	(void)snprintf(id, sizeof(id), "%.60s", field(&p, "contacts.0.id"));
	(void)snprintf(name, sizeof(name), "%.60s", field(&p, "contacts.0.name"));
	(void)snprintf(path, sizeof(path), "/close/api/v1/contact/%s/", id);
	p = world_ask(w, at(0), "GET", path, NULL);
	assert_string_equal(field(&p, "name"), name);
	assert_string_equal(field(&p, "lead_id"), "lead_7");
	assert_string_not_equal(field(&p, "phones.0.phone"), "(none)");
	p = world_ask(w, at(0), "GET", "/close/api/v1/lead/task_7/", NULL);
	assert_int_equal(p.status, 404);
	p = world_ask(w, at(0), "GET", "/close/api/v1/lead/lead_7", NULL); /* no slash */
	assert_int_equal(p.status, 404);
	world_free(w);
}

/* What webhooks told, newest first, page by page; one that was missed is found by its time. */
static void close_keeps_a_log(void **state)
{
	struct world *w = world_for("close", "tasks: 70");
	struct world_plan p = world_ask(w, at(0), "GET", "/close/api/v1/event/?object_type=task.lead&action=created&_limit=50", NULL);
	char first[64], path[256];

	(void)state;
	assert_int_equal(p.status, 200);
	assert_string_equal(field(&p, "data.0.id"), "ev_log_70");
	assert_string_equal(field(&p, "data.0.data.text"), "Instantly: Spring");
	assert_string_equal(field(&p, "data.0.action"), "created");
	assert_string_equal(field(&p, "data.49.id"), "ev_log_21");
	(void)snprintf(first, sizeof(first), "%.60s", field(&p, "data.49.date_updated"));
	(void)snprintf(path, sizeof(path), "/close/api/v1/event/?object_type=task.lead&action=created&_cursor=%.60s", field(&p, "cursor_next"));
	p = world_ask(w, at(0), "GET", path, NULL);
	assert_string_equal(field(&p, "data.0.id"), "ev_log_20");
	assert_string_equal(field(&p, "data.19.id"), "ev_log_1");
	assert_string_equal(field(&p, "data.20.id"), "(none)");
	assert_string_equal(field(&p, "cursor_next"), "(null)");
	(void)snprintf(path, sizeof(path), "/close/api/v1/event/?object_type=task.lead&date_updated__gte=%s", first);
	p = world_ask(w, at(0), "GET", path, NULL);
	assert_string_equal(field(&p, "data.49.id"), "ev_log_21");
	assert_string_equal(field(&p, "cursor_next"), "(null)");
	p = world_ask(w, at(0), "GET", "/close/api/v1/event/?object_type=lead&action=merged", NULL);
	assert_string_equal(field(&p, "data.0.id"), "(none)");
	p = world_ask(w, at(0), "GET", "/close/api/v1/event/?_limit=51", NULL);
	assert_int_equal(p.status, 400);
	p = world_ask(w, at(0), "GET", "/close/api/v1/event/?date_updated__gte=lately", NULL);
	assert_int_equal(p.status, 400);
	world_free(w);
}

static void close_limits(void **state)
{
	struct world *w = world_for("close", "limits: [2/5s]");
	struct world_plan p;

	(void)state;
	for (int i = 0; i < 3; i++) {
		p = world_ask(w, at(0), "GET", "/close/api/v1/lead/lead_7/", NULL);
	}
	assert_int_equal(p.status, 429);
	assert_non_null(strstr(plan_line(&p, "RateLimit"), "remaining=0, reset=5"));
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(companies_are_drawn),
	    cmocka_unit_test(search_refuses),
	    cmocka_unit_test(limits_by_name),
	    cmocka_unit_test(contacts_are_kept),
	    cmocka_unit_test(batches_are_accounted_by_contact),
	    cmocka_unit_test(lists_are_kept),
	    cmocka_unit_test(rows_are_drawn_and_paged),
	    cmocka_unit_test(rows_are_cut_at_a_thousand),
	    cmocka_unit_test(rows_are_filtered),
	    cmocka_unit_test(filters_that_are_wrong),
	    cmocka_unit_test(ranges_and_places),
	    cmocka_unit_test(rows_are_kept),
	    cmocka_unit_test(keys_and_conflicts),
	    cmocka_unit_test(close_tells_people),
	    cmocka_unit_test(close_keeps_a_log),
	    cmocka_unit_test(close_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
