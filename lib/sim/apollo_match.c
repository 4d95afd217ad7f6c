/*
 * lib/sim/apollo_match.c: people/match and people/bulk_match.
 *
 *   read: who is asked for, flags -> match: found or not, one bill each
 *     -> standard: the answer          '-> waterfall or phone: a job; the poll brings the result
 *
 * A person with an address costs a credit; one of whom nobody knows the address, and one who is not
 * found, cost nothing. So `unique_enriched_records` can be smaller than `matches`. What takes
 * longer is billed when it is asked for: nobody comes back to say that he does not want it.
 * Callbacks are never sent: they may get lost, and the poll is there for that.
 */
#include "lib/sim/apollo.h"

#include <inttypes.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/base/json.h"

#define PHONE_CREDITS 8

struct wanted {
	struct person_known known[APOLLO_BULK_MAX];
	size_t n;
};

static const char *const field_names[] = {"id", "first_name", "last_name", "name", "email",
    "domain", "organization_name", "linkedin_url"};

static const char **field_of(struct person_known *k, size_t i)
{
	const char **const fields[] = {&k->id, &k->first, &k->last, &k->name, &k->email, &k->domain,
	    &k->company, &k->linkedin};

	return fields[i];
}

#define FIELDS (sizeof(field_names) / sizeof(field_names[0]))

static bool is_slow(struct ask *q)
{
	return ask_query_flag(q, "run_waterfall_email") ||
	       ask_query_flag(q, "run_waterfall_phone") || ask_query_flag(q, "reveal_phone_number");
}

/* --- reading --- */

static void read_one(struct ask *q, struct person_known *k)
{
	for (size_t i = 0; i < FIELDS; i++) {
		*field_of(k, i) = ask_query_text(q, field_names[i]);
	}
}

static void read_detail(struct ask *q, struct json_object *detail, struct person_known *k)
{
	if (!json_object_is_type(detail, json_type_object)) {
		ask_bad(q, 400, "INVALID_REQUEST", "details must be objects");
		return;
	}
	for (size_t i = 0; i < FIELDS; i++) {
		struct json_object *v = json_object_object_get(detail, field_names[i]);

		if (v != NULL && !json_object_is_type(v, json_type_string)) {
			ask_bad(q, 400, "INVALID_REQUEST", "%s must be a string", field_names[i]);
			return;
		}
		*field_of(k, i) = v != NULL ? json_object_get_string(v) : NULL;
	}
}

static void read_details(struct ask *q, struct wanted *w)
{
	struct json_object *details = json_object_is_type(q->tree, json_type_object)
					  ? json_object_object_get(q->tree, "details")
					  : NULL;

	if (!json_object_is_type(details, json_type_array) ||
	    json_object_array_length(details) == 0) {
		ask_bad(q, 400, "INVALID_REQUEST", "details are required");
		return;
	}
	w->n = json_object_array_length(details);
	if (w->n > APOLLO_BULK_MAX) {
		ask_bad(q, 400, "RECORD_LIMIT_EXCEEDED",
		    "The number of records exceeds the limit of %d per request", APOLLO_BULK_MAX);
		return;
	}
	for (size_t i = 0; i < w->n && q->bad == NULL; i++) {
		read_detail(q, json_object_array_get_idx(details, i), &w->known[i]);
	}
}

/* Whom the request names; q->bad says what is wrong with it. */
static int read_wanted(struct ask *q, struct wanted *w)
{
	int rc;

	*w = (struct wanted){.n = 1};
	if (q->endpoint == EP_MATCH_PERSON) {
		read_one(q, &w->known[0]);
		return 0;
	}
	if (q->tree == NULL) {
		rc = json_parse(
		    q->r->body != NULL ? q->r->body : "", q->r->body_len, &q->tree, NULL);
		if (rc == LEAD_ENOMEM) {
			return rc;
		}
		if (rc != 0) {
			ask_bad(q, 400, "INVALID_REQUEST", "The body is not valid JSON");
			return 0;
		}
	}
	read_details(q, w);
	return 0;
}

/* The same for a person asked for alone and among others. */
static uint64_t meaning_of(const struct ask *q, const struct person_known *k)
{
	const uint64_t parts[] = {(uint64_t)q->service, EP_MATCH_PERSON, people_identity(k)};

	return hash_many(parts, 3);
}

int apollo_match_read(struct ask *q)
{
	const char *webhook = ask_query_text(q, "webhook_url");
	uint64_t parts[APOLLO_BULK_MAX + 1] = {EP_MATCH_PEOPLE};
	struct wanted w;
	int rc = read_wanted(q, &w);

	if (rc != 0 || q->bad != NULL) {
		return rc;
	}
	for (size_t i = 0; i < w.n; i++) {
		parts[i + 1] = meaning_of(q, &w.known[i]);
	}
	q->meaning = q->endpoint == EP_MATCH_PERSON ? parts[1] : hash_many(parts, w.n + 1);
	if (is_slow(q) && (webhook == NULL || strncmp(webhook, "https://", 8) != 0)) {
		ask_bad(q, 400, "INVALID_REQUEST",
		    "Please add a valid 'webhook_url' parameter: a public https address");
	}
	return 0;
}

/* --- answers --- */

/* Whether the same person stands further up in the request. */
static bool is_named_before(const struct ask *q, const struct wanted *w, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (meaning_of(q, &w->known[k]) == meaning_of(q, &w->known[i])) {
			return true;
		}
	}
	return false;
}

static int look_up(struct ask *q, const struct wanted *w, struct matched *m)
{
	bool phones =
	    ask_query_flag(q, "reveal_phone_number") || ask_query_flag(q, "run_waterfall_phone");

	m->n = w->n;
	m->n_found = m->n_charged = 0;
	m->credits = 0;
	q->items = arena_zalloc(q->a, w->n * sizeof(*q->items));
	if (q->items == NULL) {
		return LEAD_ENOMEM;
	}
	for (size_t i = 0; i < w->n; i++) {
		struct ask_item *item = &q->items[q->n_items];
		int64_t credits;

		m->found[i] = people_find(q->s, &w->known[i], &m->people[i]);
		m->n_found += m->found[i];
		if (is_named_before(q, w, i)) {
			continue;
		}
		credits =
		    m->found[i]
			? (m->people[i].email[0] != '\0') +
			      (phones && apollo_has_phone(q, &m->people[i]) ? PHONE_CREDITS : 0)
			: 0;
		*item = (struct ask_item){.meaning = meaning_of(q, &w->known[i]),
		    .outcome = m->found[i] ? ACCOUNT_OK : ACCOUNT_EMPTY,
		    .price_micro = credits * q->s->apollo.credit_micro};
		m->credits += credits;
		m->n_charged += credits > 0;
		q->n_items++;
	}
	q->outcome = m->n_found > 0 ? ACCOUNT_OK : ACCOUNT_EMPTY;
	q->ledger = true;
	return 0;
}

static void write_matches(struct ask *q, const struct matched *m, bool email)
{
	size_t turn = q->s->apollo.missing == MISSING_SHUFFLED ? ask_draw(q, "turn") % m->n : 0;
	bool first = true;

	for (size_t k = 0; k < m->n; k++) {
		size_t i = (k + turn) % m->n;

		if (!m->found[i] && q->s->apollo.missing != MISSING_NULL) {
			continue;
		}
		buf_add_text(q->body, first ? "" : ",");
		first = false;
		if (m->found[i]) {
			people_write(q->body, &m->people[i], email);
		} else {
			buf_add_text(q->body, "null");
		}
	}
}

static void write_bulk(struct ask *q, const struct matched *m, bool slow)
{
	buf_printf(q->body,
	    "{\"status\":\"success\",\"error_code\":null,\"error_message\":null,\"total_requested_"
	    "enrichments\":%zu",
	    m->n);
	if (!slow) {
		buf_printf(q->body,
		    ",\"unique_enriched_records\":%zu,\"missing_records\":%zu,\"credits_consumed\":"
		    "%" PRId64,
		    m->n_charged, m->n - m->n_found, m->credits);
	}
	buf_add_text(q->body, ",\"matches\":[");
	write_matches(q, m, !slow);
	buf_add_char(q->body, ']');
}

int apollo_match(struct ask *q, struct world_plan *p)
{
	bool slow = is_slow(q);
	const struct sim_job *job = NULL;
	struct wanted w;
	struct matched m;
	int rc = read_wanted(q, &w);

	rc = rc == 0 ? look_up(q, &w, &m) : rc;
	rc = rc == 0 && slow ? apollo_start_job(q, &m, &job) : rc;
	if (rc != 0) {
		return rc;
	}
	plan_json(p, 200);
	if (q->endpoint == EP_MATCH_PEOPLE) {
		write_bulk(q, &m, slow);
	} else if (m.found[0]) {
		buf_add_text(q->body, "{\"person\":");
		people_write(q->body, &m.people[0], !slow);
	} else {
		buf_add_text(q->body, "{\"person\":null");
	}
	if (slow) {
		buf_add_text(q->body,
		    ",\"waterfall\":{\"status\":\"accepted\",\"message\":\"Waterfall "
		    "enrichment has been accepted\"}");
	}
	/* signed, and a number only here */
	buf_printf(q->body, ",\"request_id\":%" PRId64 "}",
	    job != NULL ? (int64_t)job->id : (int64_t)ask_roll(q, "request"));
	return 0;
}
