/*
 * The world's HubSpot, Supabase, n8n and Close and their shipped service files know nothing of each
 * other, yet must agree: what the world means by each fault is what the file makes of it.
 */
#include "tests/unit/world_file.h"

#include "tests/unit/service_file.h"

static struct arena arena;

/* One request of each call, as its file would send it; then what each fault means where it is not
 * as usual. */
struct sent {
	const char *service, *call, *method, *path, *body;
	enum outcome_class fine;
	bool free; /* a plain read: doubt is transient */
};

static const struct sent calls[] = {
    {"hubspot", "find_companies", "POST", "/hubspot/crm/v3/objects/companies/search",
	"{\"filterGroups\":[{\"filters\":[{\"propertyName\":\"domain\",\"operator\":\"IN\","
	"\"values\":["
	"\"a.example\"]}]}],\"properties\":[\"domain\",\"name\"],\"limit\":100}",
	OUTCOME_EMPTY, true},
    {"hubspot", "read_contacts", "POST", "/hubspot/crm/v3/objects/contacts/batch/read",
	"{\"idProperty\":\"email\",\"properties\":[\"email\"],\"inputs\":[{\"id\":\"a@b.example\"}]"
	"}",
	OUTCOME_EMPTY, true},
    {"hubspot", "upsert_contact", "POST", "/hubspot/crm/v3/objects/contacts/batch/upsert",
	"{\"inputs\":[{\"id\":\"a@b.example\",\"idProperty\":\"email\",\"properties\":{\"email\":"
	"\"a@b."
	"example\"}}]}",
	OUTCOME_OK, false},
    {"hubspot", "create_list", "POST", "/hubspot/crm/v3/lists",
	"{\"name\":\"l\",\"objectTypeId\":\"0-1\",\"processingType\":\"MANUAL\"}", OUTCOME_OK,
	false},
    {"hubspot", "find_list", "GET", "/hubspot/crm/v3/lists/object-type-id/0-1/name/l", NULL,
	OUTCOME_EMPTY, true},
    {"supabase", "companies", "GET",
	"/supabase/rest/v1/"
	"companies?select=name,domain&state=eq.CA&pms=eq.AppFolio&limit=500&offset=0",
	NULL, OUTCOME_OK, true},
    {"supabase", "keep_company", "POST", "/supabase/rest/v1/companies?on_conflict=domain",
	"{\"domain\":\"a.example\"}", OUTCOME_OK, false},
    {"n8n", "discover", "POST", "/n8n/webhook/discovery",
	"{\"state\":\"CA\",\"pms\":\"AppFolio\",\"quantity\":50,\"round\":3}", OUTCOME_OK, false},
    {"n8n", "enrich_company", "POST", "/n8n/webhook/company-enrichment",
	"{\"domain\":\"a.example\"}", OUTCOME_OK, false},
    {"n8n", "enrich_contact", "POST", "/n8n/webhook/contact-enrichment", "{\"name\":\"Ann B\"}",
	OUTCOME_OK, false},
    {"n8n", "verify_email", "POST", "/n8n/webhook/verify-email", "{\"email\":\"a@b.example\"}",
	OUTCOME_OK, false},
    {"close", "get_lead", "GET", "/close/api/v1/lead/lead_1/?_fields=id", NULL, OUTCOME_OK, true},
    {"close", "get_contact", "GET", "/close/api/v1/contact/cont_1/", NULL, OUTCOME_OK, true},
};

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
	struct answer a;

	for (size_t i = 0; i < p->n_headers; i++) {
		headers[h.n_headers++] =
		    (struct http_header){p->headers[i].name, p->headers[i].value};
	}
	assert_int_equal(answer_read(s, service_find_call(s, call), &h, WORLD_NOW, &arena, &a), 0);
	return a;
}

static bool is_as_meant(const struct sent *c, const struct meant *m, enum outcome_class got)
{
	bool n8n = strcmp(c->service, "n8n") == 0;
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
	for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
		struct service *s = service_shipped(calls[c].service);

		for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
			char script[128];
			struct world *w;
			struct world_plan p;
			struct answer a;

			(void)snprintf(script, sizeof(script), "%s%s%s",
			    strcmp(calls[c].service, "n8n") == 0
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
			w = world_for(calls[c].service, script);
			p = world_ask(w, WORLD_NOW, calls[c].method, calls[c].path, calls[c].body);
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
		p = world_ask(w, WORLD_NOW, "GET", calls[4].path, NULL);
	}
	a = read_plan(s, "find_list", &p);
	assert_int_equal(a.outcome, OUTCOME_QUOTA);
	assert_int_equal(a.reset_wall_us, WORLD_NOW.wall_us + US_PER_DAY);
	world_free(w);
	w = world_for("hubspot", "limits: [1/10s]");
	for (int i = 0; i < 2; i++) {
		p = world_ask(w, WORLD_NOW, "GET", calls[4].path, NULL);
	}
	a = read_plan(s, "find_list", &p);
	assert_int_equal(a.outcome, OUTCOME_THROTTLE);
	assert_int_equal(a.retry_after_us, 10 * US_PER_S);
	world_free(w);
	service_unref(s);
	s = service_shipped("close");
	w = world_for("close", "limits: [1/7s]");
	for (int i = 0; i < 2; i++) {
		p = world_ask(w, WORLD_NOW, "GET", "/close/api/v1/contact/cont_1/", NULL);
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
		size_t call;
		const char *fields[4];
	} wanted[] = {{2, {"hubspot_contact_id", "hubspot_new"}}, {3, {"hubspot_list_id"}},
	    {5, {"companies"}}, {7, {"companies"}},
	    {8, {"decision_makers", "company_anecdotes", "units"}},
	    {9, {"professional_anecdotes", "personal_anecdotes"}},
	    {10, {"verify_status", "verify_score"}},
	    {11, {"lead_name", "lead_url", "lead_status", "contacts"}},
	    {12, {"contact_name", "contact_title", "contact_phone", "contact_lead"}}};

	(void)state;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		const struct sent *c = &calls[wanted[i].call];
		struct service *s = service_shipped(c->service);
		struct world *w = world_for(c->service,
		    strcmp(c->service, "n8n") == 0 ? "no_anecdotes: 0%, verdicts: {unknown: 0%}"
						   : "");
		struct world_plan p = world_ask(w, WORLD_NOW, c->method, c->path, c->body);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(faults_mean_the_same),
	    cmocka_unit_test(limits_mean_the_same),
	    cmocka_unit_test(fields_are_there),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return rc;
}
