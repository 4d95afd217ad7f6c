/*
 * The shipped files' batches and runs at the simulated world: each lead is told what is known of
 * it, whatever the order of the answer, and pays what the world bills for it.
 */
#include "tests/unit/service_file.h"

#include "lib/service/batch.h"
#include "lib/sim/people.h"
#include "lib/sim/scenario.h"

#define NOW ((struct now){.boot_us = 1000 * US_PER_S, .wall_us = INT64_C(1795305600000000)})
#define MOST 10

static struct arena arena;
static struct scenario scenario; /* of the world below */
static struct world *world;
static struct service *service;

static void begin(const char *name, const char *yaml)
{
	struct lead_error err;

	scenario_default(&scenario);
	if (scenario_parse("test", yaml, strlen(yaml), false, &scenario, &err) != 0) {
		fail_msg("%s", err.text);
	}
	world = world_new(&scenario);
	assert_non_null(world);
	service = service_shipped(name);
}

static void end(void)
{
	service_unref(service);
	world_free(world);
	arena_reset(&arena);
}

/* The request of the file for these parameters, at the world. */
static struct http_answer send(const char *call, const char *params, int64_t us)
{
	const struct expr_source source = {
	    .field = params_field, .write = params_write, .ctx = params};
	const struct request_input in = {.params = &source,
	    .call_id = "0123456789abcdef",
	    .idempotency_key = "1-1-a",
	    .secret = "k",
	    .secret_len = 1};
	static struct http_header headers[WORLD_HEADERS];
	struct world_header sent[24];
	struct world_request r = {.headers = sent};
	struct request q;
	struct lead_error err = {0};
	struct world_plan p;
	struct now now = {NOW.boot_us + us, NOW.wall_us + us};
	struct http_answer h = {.transport = TRANSPORT_ANSWERED, .headers = headers};
	char *path;

	if (request_render(service, service_find_call(service, call), &in, &arena, &q, &err) != 0) {
		fail_msg("%s", err.text);
	}
	path = arena_printf(&arena, "/%s%s", service->name, strchr(strstr(q.url, "://") + 3, '/'));
	r.method = q.method;
	r.path = path;
	if (strchr(path, '?') != NULL) {
		r.query = strchr(path, '?') + 1;
		*strchr(path, '?') = '\0';
	}
	for (size_t i = 0; i < q.n_headers; i++) {
		sent[r.n_headers++] = (struct world_header){q.headers[i].name, q.headers[i].value};
	}
	r.body = q.body;
	r.body_len = q.body_len;
	world_handle(world, &r, now, &p);
	world_delivered(world, p.token, now);
	h.status = p.status;
	h.body = arena_dup(&arena, p.body, p.body_len);
	h.body_len = p.body_len;
	for (size_t i = 0; i < p.n_headers; i++) {
		headers[h.n_headers++] = (struct http_header){p.headers[i].name,
		    arena_dup(&arena, p.headers[i].value, strlen(p.headers[i].value))};
	}
	return h;
}

static struct answer read_whole(const char *call, const struct http_answer *h)
{
	struct answer a;

	assert_int_equal(
	    answer_read(service, service_find_call(service, call), h, NOW, &arena, &a), 0);
	return a;
}

/* A batch of n leads; shared: members that all of them have, such as `"campaign":"c",`. */
static struct answer send_batch(const char *call, const char *shared, const char *const leads[],
    size_t n, struct answer parts[])
{
	const struct service_call *c = service_find_call(service, call);
	struct batch_key keys[MOST];
	struct buf items = {0};
	struct lead_error err = {0};
	struct http_answer h;
	struct answer a;

	for (size_t i = 0; i < n; i++) {
		const struct expr_source source = {
		    .field = params_field, .write = params_write, .ctx = leads[i]};

		buf_add_text(&items, i > 0 ? "," : "");
		if (batch_item(service, c, &source, &arena, &items, &keys[i], &err) != 0) {
			fail_msg("%s", err.text);
		}
	}
	h = send(call, arena_printf(&arena, "{%s\"items\":[%s]}", shared, items.data), 0);
	buf_free(&items);
	a = read_whole(call, &h);
	assert_int_equal(batch_answers(c, &h, &a, keys, n, &arena, parts), 0);
	return a;
}

/* The text of a field; NULL when it is not there. */
static const char *given(const struct answer *a, const char *name)
{
	for (size_t i = 0; i < a->n_fields; i++) {
		const struct value *v = &a->fields[i].value;

		if (strcmp(a->fields[i].name, name) == 0 && v->kind != VALUE_NONE &&
		    v->kind != VALUE_NULL) {
			return arena_dup(&arena, v->text, v->len);
		}
	}
	return NULL;
}

static int64_t billed(void)
{
	struct world_totals t;
	int64_t sum = 0;

	for (enum world_service s = 0; s < WORLD_SERVICES; s++) {
		world_totals(world, s, &t);
		sum += t.billed_micro;
	}
	return sum;
}

/* --- Apollo --- */

/* One lead in one of three ways: by address, by name and domain, by id. */
static const char *lead_of(size_t i, struct person_known *k)
{
	static char texts[4][32];
	struct person p;

	*k = (struct person_known){0};
	if (i % 3 == 2) {
		people_nth(&scenario, i, &p);
		k->id = arena_dup(&arena, p.id, strlen(p.id));
		return arena_printf(&arena, "{\"apollo_id\":\"%s\"}", k->id);
	}
	(void)snprintf(texts[0], sizeof(texts[0]), "c%zu.example", i);
	if (i % 3 == 0) {
		k->email = arena_printf(&arena, "ann.lee@%s", texts[0]);
		return arena_printf(&arena, "{\"email\":\"Ann.Lee@%s\"}", texts[0]);
	}
	k->first = "Bo";
	k->last = "Li";
	k->domain = arena_dup(&arena, texts[0], strlen(texts[0]));
	return arena_printf(
	    &arena, "{\"first_name\":\"Bo\",\"last_name\":\"Li\",\"domain\":\"%s\"}", k->domain);
}

static void each_contact_its_own(const char *missing)
{
	char yaml[160];
	size_t found = 0, absent = 0;
	int64_t paid = 0;

	(void)snprintf(yaml, sizeof(yaml),
	    "people: {no_email: 30%%, not_found: 30%%}\nservices: {apollo: {limits: [], missing: "
	    "'%s'}}\n",
	    missing);
	begin("apollo", yaml);
	for (size_t from = 0; from < 120; from += MOST) {
		const char *leads[MOST];
		struct person_known known[MOST];
		struct answer parts[MOST];

		for (size_t i = 0; i < MOST; i++) {
			leads[i] = lead_of(from + i, &known[i]);
		}
		assert_int_equal(
		    send_batch("match_many", "", leads, MOST, parts).outcome, OUTCOME_OK);
		for (size_t i = 0; i < MOST; i++) {
			struct person p;
			bool wanted = people_find(&scenario, &known[i], &p) && p.email[0] != '\0';

			assert_int_equal(parts[i].outcome, wanted ? OUTCOME_OK : OUTCOME_EMPTY);
			assert_int_equal(parts[i].price_micro, wanted ? 100000 : 0);
			paid += parts[i].price_micro;
			found += wanted;
			absent += !wanted;
			if (wanted) {
				assert_int_equal(strcasecmp(given(&parts[i], "email"), p.email), 0);
				assert_string_equal(given(&parts[i], "title"), p.title);
			}
		}
	}
	assert_true(found > 30 && absent > 30);
	assert_int_equal(paid, billed());
	end();
}

static void contacts_in_bulk(void **state)
{
	each_contact_its_own("omitted");
	each_contact_its_own("null");
	each_contact_its_own("shuffled");
}

/* Those that the search shows are matched by their ids. */
static void search_then_match(void **state)
{
	struct http_answer h;
	struct answer a, parts[2];
	const char *leads[2];

	begin("apollo", "people: {no_email: 0%}\nservices: {apollo: {limits: []}}\n");
	h = send("search", "{\"titles\":[\"Owner\",\"Founder\"]}", 0);
	a = read_whole("search", &h);
	assert_int_equal(a.outcome, OUTCOME_OK);
	assert_int_equal(a.price_micro, 0);
	assert_true(atoi(given(&a, "total")) > 2);
	for (size_t i = 0; i < 2; i++) {
		const char *id = strstr(i == 0 ? h.body : strstr(h.body, "\"id\":") + 9, "\"id\":");

		leads[i] = arena_printf(&arena, "{\"apollo_id\":%.26s}", id + 5);
	}
	send_batch("match_many", "", leads, 2, parts);
	assert_int_equal(parts[0].outcome, OUTCOME_OK);
	assert_true(strcmp(given(&parts[0], "title"), "Owner") == 0 ||
		    strcmp(given(&parts[0], "title"), "Founder") == 0);
	assert_non_null(strchr(given(&parts[1], "email"), '@'));
	end();
}

/* --- Instantly --- */

static void pushed_in_bulk(void **state)
{
	static const char *const first[] = {"{\"email\":\"a@x.example\",\"first_name\":\"A\"}",
	    "{\"email\":\"b@x.example\",\"custom_variables\":{\"copy\":\"Hi\"}}"},
				 *const second[] = {"{\"email\":\"c@x.example\"}",
				     "{\"email\":\"B@x.example\"}", "{\"email\":\"nobody\"}",
				     "{\"email\":\"d@x.example\"}"};
	struct answer parts[4];
	struct http_answer h;
	struct answer a;

	begin("instantly", "services: {instantly: {limits: []}}\n");
	send_batch("push_many", "\"campaign\":\"c\",", first, 2, parts);
	assert_int_equal(parts[0].outcome, OUTCOME_OK);
	assert_string_equal(given(&parts[1], "pushed_email"), "b@x.example");
	assert_int_equal(strlen(given(&parts[1], "pushed_id")), 36);
	send_batch("push_many", "\"campaign\":\"c\",", second, 4, parts);
	assert_int_equal(parts[0].outcome, OUTCOME_OK);
	assert_int_equal(parts[1].outcome, OUTCOME_DUPLICATE);
	assert_int_equal(parts[2].outcome, OUTCOME_DUPLICATE); /* reading back will tell */
	assert_string_equal(given(&parts[3], "pushed_email"), "d@x.example");
	h = send("find", "{\"email\":\"b@x.example\",\"campaign\":\"c\"}", 0);
	a = read_whole("find", &h);
	assert_int_equal(a.outcome, OUTCOME_OK);
	assert_string_equal(given(&a, "found_payload"), "{\"copy\":\"Hi\"}");
	h = send("list", "{\"campaign\":\"c\"}", 0);
	assert_int_equal(read_whole("list", &h).outcome, OUTCOME_OK);
	end();
}

static enum outcome_class campaign_named(const char *name, const char **ret_id)
{
	const char *lead = arena_printf(&arena, "{\"campaign_name\":\"%s\"}", name);
	struct answer part;

	send_batch("find_campaign", "", &lead, 1, &part);
	*ret_id = given(&part, "campaign_id");
	return part.outcome;
}

/* The provider finds parts of names; the file wants the whole one. */
static void campaigns_by_name(void **state)
{
	struct http_answer h;
	const char *id;

	begin("instantly",
	    "services: {instantly: {limits: [], campaigns: {Spring Sale: id-1, Spring: id-2}}}\n");
	assert_int_equal(campaign_named("Spring", &id), OUTCOME_OK);
	assert_string_equal(id, "id-2");
	assert_int_equal(campaign_named("spring sale", &id), OUTCOME_OK);
	assert_string_equal(id, "id-1");
	assert_int_equal(campaign_named("Spri", &id), OUTCOME_EMPTY);
	assert_int_equal(campaign_named("Autumn & more", &id), OUTCOME_EMPTY);
	h = send("create_campaign", "{\"campaign_name\":\"Autumn & more\"}", 0);
	assert_int_equal(read_whole("create_campaign", &h).outcome, OUTCOME_OK);
	assert_int_equal(campaign_named("Autumn & more", &id), OUTCOME_OK);
	assert_int_equal(strlen(id), 36);
	end();
}

/* --- Apify --- */

/* Started, waited for, and read. */
static void a_run_of_a_scraper(void **state)
{
	struct http_answer h;
	struct answer a;
	const char *run, *dataset;

	begin("apify", "services: {apify: {run: 50s}}\n");
	h = send("start",
	    "{\"actor\":\"owner~people\",\"input\":{\"maxItems\":30},\"max_items\":20}", 0);
	a = read_whole("start", &h);
	assert_int_equal(a.outcome, OUTCOME_OK);
	run = given(&a, "run_id");
	dataset = given(&a, "dataset_id");
	h = send("run", arena_printf(&arena, "{\"job\":\"%s\"}", run), 10 * US_PER_S);
	assert_int_equal(read_whole("run", &h).outcome, OUTCOME_PENDING);
	h = send("run", arena_printf(&arena, "{\"job\":\"%s\"}", run), 35 * US_PER_S);
	a = read_whole("run", &h); /* held back until it was over */
	assert_int_equal(a.outcome, OUTCOME_OK);
	assert_string_equal(given(&a, "run_usd"), "0.024000");
	assert_int_equal(billed(), 24000);
	h = send("items", arena_printf(&arena, "{\"dataset_id\":\"%s\"}", dataset), 60 * US_PER_S);
	a = read_whole("items", &h);
	assert_int_equal(a.outcome, OUTCOME_OK);
	assert_string_equal(given(&a, "total"), "20");
	assert_true(given(&a, "people")[0] == '[');
	h = send("runs", "{\"actor\":\"owner~people\"}", 60 * US_PER_S);
	a = read_whole("runs", &h);
	assert_int_equal(a.outcome, OUTCOME_OK);
	assert_non_null(strstr(given(&a, "runs"), "\"leadd 0123456789abcdef\""));
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(contacts_in_bulk),
	    cmocka_unit_test(search_then_match),
	    cmocka_unit_test(pushed_in_bulk),
	    cmocka_unit_test(campaigns_by_name),
	    cmocka_unit_test(a_run_of_a_scraper),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return rc;
}
