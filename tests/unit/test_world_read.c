/*
 * The world's HubSpot, Supabase, n8n and Close and their shipped service files know nothing of each
 * other, yet must agree: what the world means by each fault is what the file makes of it.
 */
#include "tests/unit/world_file.h"

#include "tests/unit/service_file.h"

#include "lib/service/batch.h"

static struct arena arena;

/* A call of each kind, and what its answer means when nothing goes wrong. */
struct sent {
	const char *service, *call, *params;
	enum outcome_class fine;
	bool free; /* a plain read: doubt is transient */
};

static const struct sent calls[] = {
    {"hubspot", "find_companies", "{\"domain\":\"a.example\"}", OUTCOME_EMPTY, true},
    {"hubspot", "find_contacts", "{\"email\":\"a@b.example\"}", OUTCOME_EMPTY, true},
    {"hubspot", "read_contacts", "{\"email\":\"a@b.example\"}", OUTCOME_EMPTY, true},
    {"hubspot", "upsert_contact", "{\"email\":\"a@b.example\",\"first_name\":\"Ann\"}", OUTCOME_OK,
	false},
    {"hubspot", "create_list", "{\"name\":\"my list\"}", OUTCOME_OK, false},
    {"hubspot", "find_list", "{\"name\":\"my list\"}", OUTCOME_EMPTY, true},
    {"supabase", "companies",
	"{\"state\":\"CA\",\"pms\":\"AppFolio\",\"page\":{\"size\":500,\"offset\":0}}", OUTCOME_OK,
	true},
    {"supabase", "keep_company", "{\"domain\":\"a.example\",\"state\":\"CA\"}", OUTCOME_OK, false},
    {"n8n", "discover", "{\"state\":\"CA\",\"pms\":\"AppFolio\",\"round\":3}", OUTCOME_OK, false},
    {"n8n", "enrich_company", "{\"domain\":\"a.example\",\"name\":\"A\"}", OUTCOME_OK, false},
    {"n8n", "discover_contacts", "{\"domain\":\"a.example\"}", OUTCOME_OK, false},
    {"n8n", "enrich_contact", "{\"name\":\"Ann B\"}", OUTCOME_OK, false},
    {"n8n-verifier", "verify_email", "{\"email\":\"a@b.example\"}", OUTCOME_OK, false},
    {"close", "get_lead", "{\"id\":\"lead_1\"}", OUTCOME_OK, true},
    {"close", "get_contact", "{\"id\":\"cont_1\"}", OUTCOME_OK, true},
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

/* Of the simulated services: two service files may be of one. */
static const char *world_of(const char *service)
{
	return strcmp(service, "n8n-verifier") == 0 ? "n8n" : service;
}

static const struct sent *sent_of(const char *call)
{
	for (size_t i = 0; i < CALLS; i++) {
		if (strcmp(calls[i].call, call) == 0) {
			return &calls[i];
		}
	}
	fail_msg("no call %s", call);
	return NULL;
}

static struct batch_key key; /* of the last call that was sent, if it is a batch */

/* Its parameters, and those of a batch with one item. */
static const char *params_of(const struct service *s, const struct sent *c)
{
	const struct service_call *call = service_find_call(s, c->call);
	const struct expr_source params = {
	    .field = params_field, .write = params_write, .ctx = c->params};
	struct buf item = {0};
	struct lead_error err = {0};
	const char *all = c->params;

	if (call->batch != NULL) {
		if (batch_item(s, call, &params, &arena, &item, &key, &err) != 0) {
			fail_msg("%s", err.text);
		}
		all = arena_printf(&arena, "{\"items\":[%s],%s", item.data, c->params + 1);
	}
	buf_free(&item);
	return all;
}

/* The request that the service file makes of the parameters, at the world. */
static struct world_plan ask(struct world *w, const struct service *s, const struct sent *c)
{
	const struct expr_source params = {
	    .field = params_field, .write = params_write, .ctx = params_of(s, c)};
	const struct request_input in = {.params = &params,
	    .call_id = "0123456789abcdef",
	    .idempotency_key = "1-1-a",
	    .secret = "k",
	    .secret_len = 1};
	struct world_header headers[24];
	struct world_request r = {.headers = headers};
	struct request q;
	struct lead_error err = {0};
	struct world_plan p;
	char *path;

	if (request_render(s, service_find_call(s, c->call), &in, &arena, &q, &err) != 0) {
		fail_msg("%s", err.text);
	}
	path = arena_printf(&arena, "/%s%s", world_of(s->name), strchr(strstr(q.url, "://") + 3, '/'));
	r.method = q.method;
	r.path = path;
	if (strchr(path, '?') != NULL) {
		r.query = strchr(path, '?') + 1;
		*strchr(path, '?') = '\0';
	}
	for (size_t i = 0; i < q.n_headers; i++) {
		headers[r.n_headers++] =
		    (struct world_header){q.headers[i].name, q.headers[i].value};
	}
	r.body = q.body;
	r.body_len = q.body_len;
	world_handle(w, &r, WORLD_NOW, &p);
	return p;
}

static const struct meant {
	enum world_fault fault;
	enum outcome_class usual; /* IN_DOUBT: TRANSIENT for plain reads */
} faults[] = {{FAULT_NONE, OUTCOME_N}, {FAULT_THROTTLE, OUTCOME_THROTTLE},
    {FAULT_THROTTLE_BARE, OUTCOME_THROTTLE}, {FAULT_QUOTA, OUTCOME_QUOTA},
    {FAULT_BILLING, OUTCOME_QUOTA}, {FAULT_AUTH, OUTCOME_AUTH}, {FAULT_500, OUTCOME_TRANSIENT},
    {FAULT_HTML, OUTCOME_TRANSIENT}, {FAULT_OVERLOAD, OUTCOME_TRANSIENT},
    {FAULT_RESET_BEFORE, OUTCOME_IN_DOUBT}, {FAULT_RESET_AFTER, OUTCOME_IN_DOUBT},
    {FAULT_TRUNCATE, OUTCOME_IN_DOUBT}, {FAULT_GARBAGE, OUTCOME_IN_DOUBT},
    {FAULT_ERROR_200, OUTCOME_TRANSIENT}};

static struct answer read_plan(
    const struct service *s, const char *call, const struct world_plan *p)
{
	struct http_header headers[WORLD_HEADERS];
	struct http_answer h = {
	    .transport = p->end == WORLD_ANSWER ? TRANSPORT_ANSWERED : TRANSPORT_BROKEN,
	    .why = "broken",
	    .headers = headers,
	    .status = p->status,
	    .body = p->body,
	    .body_len = p->body_len};
	const struct service_call *spec = service_find_call(s, call);
	struct answer a, item;

	for (size_t i = 0; i < p->n_headers; i++) {
		headers[h.n_headers++] =
		    (struct http_header){p->headers[i].name, p->headers[i].value};
	}
	assert_int_equal(answer_read(s, spec, &h, WORLD_NOW, &arena, &a), 0);
	if (spec->batch != NULL) {
		assert_int_equal(batch_answers(spec, &h, &a, &key, 1, &arena, &item), 0);
		return item;
	}
	return a;
}

static bool is_as_meant(const struct sent *c, const struct meant *m, enum outcome_class got)
{
	bool n8n = strcmp(world_of(c->service), "n8n") == 0;
	enum outcome_class usual = m->usual == OUTCOME_IN_DOUBT && c->free ? OUTCOME_TRANSIENT
				   : m->usual == OUTCOME_N                 ? c->fine
									   : m->usual;

	if (n8n && (m->fault == FAULT_QUOTA || m->fault == FAULT_BILLING)) {
		usual = OUTCOME_AUTH; /* a workflow that is switched off */
	}
	if (n8n && (m->fault == FAULT_500 || m->fault == FAULT_HTML) && got == OUTCOME_IN_DOUBT) {
		return true; /* it ran, or a proxy gave up */
	}
	if (strcmp(c->call, "keep_company") == 0 && m->fault == FAULT_GARBAGE) {
		usual = OUTCOME_OK; /* nothing is wanted of its body */
	}
	return got == usual;
}

static void faults_mean_the_same(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t c = 0; c < CALLS; c++) {
		struct service *s = service_shipped(calls[c].service);

		for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
			char script[128];
			struct world *w;
			struct world_plan p;
			struct answer a;

			(void)snprintf(script, sizeof(script), "%s%s%s",
			    strcmp(world_of(calls[c].service), "n8n") == 0
				? "no_anecdotes: 0%, verdicts: {invalid: 0%, unknown: 0%}, "
			    : strcmp(calls[c].service, "hubspot") == 0
				? "companies: 0%, contacts: 0%, "
				: "",
			    faults[i].fault == FAULT_NONE ? "script: [" : "script: [{fault: ",
			    faults[i].fault == FAULT_NONE ? "]"
							  : world_fault_word(faults[i].fault));
			if (faults[i].fault != FAULT_NONE) {
				strcat(script, "}]");
			}
			w = world_for(world_of(calls[c].service), script);
			p = ask(w, s, &calls[c]);
			a = read_plan(s, calls[c].call, &p);
			if (!is_as_meant(&calls[c], &faults[i], a.outcome)) {
				print_error("%s.%s, %s: read as %s (%s): %.200s\n",
				    calls[c].service, calls[c].call,
				    world_fault_word(faults[i].fault), outcome_word(a.outcome),
				    a.reason, p.body);
				wrong++;
			}
			arena_reset(&arena);
			world_free(w);
		}
		service_unref(s);
	}
	assert_int_equal(wrong, 0);
}

/* A day that is used up parks the key until the next one; the other limits are waits. */
static void limits_mean_the_same(void **state)
{
	struct service *s = service_shipped("hubspot");
	struct world *w = world_for("hubspot", "limits: [1/day]");
	struct world_plan p;
	struct answer a;

	(void)state;
	for (int i = 0; i < 2; i++) {
		p = ask(w, s, sent_of("find_list"));
	}
	a = read_plan(s, "find_list", &p);
	assert_int_equal(a.outcome, OUTCOME_QUOTA);
	assert_int_equal(a.reset_wall_us, WORLD_NOW.wall_us + US_PER_DAY);
	world_free(w);
	w = world_for("hubspot", "limits: [1/10s]");
	for (int i = 0; i < 2; i++) {
		p = ask(w, s, sent_of("find_list"));
	}
	a = read_plan(s, "find_list", &p);
	assert_int_equal(a.outcome, OUTCOME_THROTTLE);
	assert_int_equal(a.retry_after_us, 10 * US_PER_S);
	world_free(w);
	service_unref(s);
	s = service_shipped("close");
	w = world_for("close", "limits: [1/7s]");
	for (int i = 0; i < 2; i++) {
		p = ask(w, s, sent_of("get_contact"));
	}
	a = read_plan(s, "get_contact", &p);
	assert_int_equal(a.outcome, OUTCOME_THROTTLE);
	assert_int_equal(a.retry_after_us, 7 * US_PER_S);
	world_free(w);
	service_unref(s);
}

/* The fields that a file promises stand in the world's answers. */
static void fields_are_there(void **state)
{
	static const struct {
		const char *call, *fields[4];
	} wanted[] = {{"upsert_contact", {"hubspot_contact_id", "hubspot_new"}},
	    {"create_list", {"hubspot_list_id"}}, {"companies", {"companies"}},
	    {"discover", {"companies"}},
	    {"enrich_company", {"decision_makers", "company_anecdotes", "units"}},
	    {"discover_contacts", {"contacts"}},
	    {"enrich_contact", {"professional_anecdotes", "personal_anecdotes"}},
	    {"verify_email", {"verify_status", "verify_score"}},
	    {"get_lead", {"lead_name", "lead_url", "lead_status", "contacts"}},
	    {"get_contact", {"contact_name", "contact_title", "contact_phone", "contact_lead"}}};

	(void)state;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		const struct sent *c = sent_of(wanted[i].call);
		struct service *s = service_shipped(c->service);
		struct world *w = world_for(world_of(c->service),
		    strcmp(world_of(c->service), "n8n") == 0 ? "no_anecdotes: 0%, verdicts: {unknown: 0%}"
						   : "");
		struct world_plan p = ask(w, s, c);
		struct answer a = read_plan(s, c->call, &p);

		for (size_t k = 0; k < 4 && wanted[i].fields[k] != NULL; k++) {
			bool found = false;

			for (size_t f = 0; f < a.n_fields; f++) {
				found |= strcmp(a.fields[f].name, wanted[i].fields[k]) == 0 &&
					 !value_is_blank(&a.fields[f].value);
			}
			if (!found) {
				fail_msg(
				    "%s.%s gives no %s", c->service, c->call, wanted[i].fields[k]);
			}
		}
		arena_reset(&arena);
		world_free(w);
		service_unref(s);
	}
}

/* A contact that was made goes onto a list that was made. */
static void a_contact_gets_onto_a_list(void **state)
{
	struct service *s = service_shipped("hubspot");
	struct world *w = world_for("hubspot", "contacts: 0%");
	struct sent add = {"hubspot", "add_to_list", NULL, OUTCOME_OK, false};
	struct world_plan p = ask(w, s, sent_of("create_list"));
	struct answer a;

	(void)state;
	assert_int_equal(read_plan(s, "create_list", &p).outcome, OUTCOME_OK);
	p = ask(w, s, sent_of("create_list"));
	assert_int_equal(read_plan(s, "create_list", &p).outcome, OUTCOME_IN_DOUBT);
	p = ask(w, s, sent_of("find_list"));
	assert_int_equal(read_plan(s, "find_list", &p).outcome, OUTCOME_OK);
	p = ask(w, s, sent_of("upsert_contact"));
	a = read_plan(s, "upsert_contact", &p);
	add.params = arena_printf(&arena, "{\"list\":\"1\",\"id\":\"%.*s\"}",
	    (int)a.fields[0].value.len, a.fields[0].value.text);
	p = ask(w, s, &add);
	assert_int_equal(read_plan(s, "add_to_list", &p).outcome, OUTCOME_OK);
	assert_string_equal(field(&p, "recordsIdsAdded.#"), "1");
	p = ask(w, s, &add);
	assert_int_equal(read_plan(s, "add_to_list", &p).outcome, OUTCOME_OK);
	add.params = "{\"list\":\"1\",\"id\":5}";
	p = ask(w, s, &add);
	assert_int_equal(read_plan(s, "add_to_list", &p).outcome, OUTCOME_PERMANENT);
	p = ask(w, s, sent_of("read_contacts"));
	assert_int_equal(read_plan(s, "read_contacts", &p).outcome, OUTCOME_OK);
	world_free(w);
	service_unref(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(faults_mean_the_same),
	    cmocka_unit_test(limits_mean_the_same),
	    cmocka_unit_test(fields_are_there),
	    cmocka_unit_test(a_contact_gets_onto_a_list),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return rc;
}
