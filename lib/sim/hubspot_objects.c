/*
 * lib/sim/hubspot_objects.c: contacts and companies by address and domain.
 *
 * A share of all addresses and domains is known from the beginning; the rest when somebody made it.
 * Batches come back in another order than they were asked for, each record once.
 */
#include "lib/sim/crm.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/base/ids.h"
#include "lib/base/text.h"
#include "lib/sim/firms.h"

#define INPUTS_MAX 100
#define PAGE_MAX 200

static bool is_company(const struct ask *q)
{
	return strstr(q->path, "/companies/") != NULL;
}

static uint64_t id_of(const struct ask *q, bool company, const char *key)
{
	return 100000000000 +
	       firm_draw(q->s->seed, company ? "company-id" : "contact-id", key, 0) % 900000000000;
}

/* NULL when it is blank or memory is out. */
static char *lower(struct ask *q, const char *text)
{
	char *copy = text != NULL && *text != '\0' ? arena_dup(q->a, text, strlen(text)) : NULL;

	if (copy != NULL) {
		text_lower(copy, strlen(copy));
	}
	return copy;
}

/* The contact of this address, or the company of this domain; *ret NULL when HubSpot knows none. LEAD_ENOMEM. */
static int known(struct ask *q, bool company, const char *key, struct record **ret)
{
	struct record new = {.company = company, .key = key, .id = id_of(q, company, key)};
	struct buf text = {0};
	uint32_t share = company ? q->s->hubspot_companies_ppm : q->s->hubspot_contacts_ppm;
	int rc;

	*ret = kept_find(q->kept, new.id);
	if (*ret != NULL ||
	    firm_draw(q->s->seed, company ? "company-known" : "contact-known", key, 0) % PPM >=
		share) {
		return 0;
	}
	buf_printf(&text, "{\"%s\":", company ? "domain" : "email");
	json_add(&text, key);
	buf_printf(&text, ",\"%s\":", company ? "name" : "lifecyclestage");
	json_add(&text, company ? key : "lead");
	buf_printf(&text, ",\"hs_object_id\":\"%" PRIu64 "\"}", new.id);
	new.properties = text.data;
	new.created_us = q->now.wall_us - US_PER_DAY * 100;
	rc = text.failed ? LEAD_ENOMEM : kept_record(q->kept, &new, ret);
	buf_free(&text);
	return rc;
}

static void write_fields(struct buf *out, const struct record *r)
{
	char when[25];

	time_write_utc(r->created_us, when);
	buf_printf(out, "\"id\":\"%" PRIu64 "\",\"properties\":%s,\"createdAt\":\"%s\"", r->id,
	    r->properties, when);
	buf_printf(out, ",\"updatedAt\":\"%s\",\"archived\":false", when);
}

static void write_record(struct buf *out, const struct record *r)
{
	buf_add_char(out, '{');
	write_fields(out, r);
	buf_add_char(out, '}');
}

/* --- search --- */

/* Keys that the search wants; false: it asks for something we do not play. */
static bool filter_keys(struct ask *q, struct json_object *filter, struct json_object **ret)
{
	const char *property = crm_text(filter, "propertyName"), *op = crm_text(filter, "operator");
	struct json_object *values = json_object_object_get(filter, "values"),
			   *value = json_object_object_get(filter, "value");

	if (property == NULL || op == NULL) {
		ask_bad(q, 400, NULL, "filters need propertyName and operator");
		return false;
	}
	if (strcmp(property, is_company(q) ? "domain" : "email") != 0) {
		ask_bad(q, 400, NULL, "there is no index on %.60s", property);
		return false;
	}
	if (strcmp(op, "IN") == 0 && json_object_is_type(values, json_type_array) &&
	    json_object_array_length(values) > 0) {
		*ret = values;
	} else if (strcmp(op, "EQ") == 0 && json_object_is_type(value, json_type_string)) {
		*ret = value;
	} else {
		ask_bad(q, 400, NULL, "operator %.20s lacks what it compares with", op);
	}
	if (q->bad == NULL && *ret == values && json_object_array_length(values) > INPUTS_MAX) {
		ask_bad(q, 400, NULL, "values: at most %d", INPUTS_MAX);
	}
	return q->bad == NULL;
}

/* Adds the record of this key to the results, once. */
static int add_found(
    struct ask *q, struct json_object *key, struct index *seen, uint64_t *ret, size_t *n)
{
	char *text = json_object_is_type(key, json_type_string)
			 ? lower(q, json_object_get_string(key))
			 : NULL;
	struct record *r = NULL;
	int rc = text != NULL ? known(q, is_company(q), text, &r) : 0;

	if (rc == 0 && r != NULL && index_get(seen, r->id) == 0) {
		rc = index_put(seen, r->id, 1);
		ret[(*n)++] = r->id; /* records move */
	}
	return rc;
}

static int gather(struct ask *q, struct json_object *groups, uint64_t *ret, size_t *n)
{
	struct index seen = {0};
	int rc = 0;

	for (size_t g = 0; g < json_object_array_length(groups) && rc == 0; g++) {
		struct json_object *filters = json_object_object_get(
				       json_object_array_get_idx(groups, g), "filters"),
				   *keys = NULL;

		if (!json_object_is_type(filters, json_type_array) ||
		    json_object_array_length(filters) != 1) {
			ask_bad(q, 400, NULL, "one filter in each group");
			break;
		}
		if (!filter_keys(q, json_object_array_get_idx(filters, 0), &keys)) {
			break;
		}
		if (!json_object_is_type(keys, json_type_array)) {
			rc = add_found(q, keys, &seen, ret, n);
			continue;
		}
		for (size_t i = 0; i < json_object_array_length(keys) && rc == 0; i++) {
			rc = add_found(q, json_object_array_get_idx(keys, i), &seen, ret, n);
		}
	}
	index_fini(&seen);
	return rc;
}

static int64_t number(struct ask *q, const char *key, int64_t preset)
{
	struct json_object *v = json_object_object_get(q->tree, key);

	return v != NULL ? json_object_get_int64(v) : preset;
}

int crm_search(struct ask *q, struct world_plan *p)
{
	struct json_object *groups;
	size_t n_groups = crm_list_of(q, "filterGroups", &groups), n = 0, at, end;
	uint64_t *found = arena_alloc(q->a, 5 * INPUTS_MAX * sizeof(*found));
	int64_t limit = number(q, "limit", 10), after = number(q, "after", 0);
	int rc;

	if (found == NULL) {
		return LEAD_ENOMEM;
	}
	if (n_groups < 1 || n_groups > 5 || limit < 1 || limit > PAGE_MAX || after < 0) {
		ask_bad(q, 400, NULL, "1 to 5 filterGroups, a limit of 1 to %d", PAGE_MAX);
	}
	rc = q->bad == NULL ? gather(q, groups, found, &n) : 0;
	if (rc != 0) {
		return rc;
	}
	if (q->bad != NULL) {
		crm_error(q, p, 400, "VALIDATION_ERROR", q->bad);
		return 0;
	}
	plan_json(p, 200);
	buf_printf(q->body, "{\"total\":%zu,\"results\":[", n);
	at = (size_t)after < n ? (size_t)after : n;
	end = at + (size_t)limit < n ? at + (size_t)limit : n;
	for (size_t i = at; i < end; i++) {
		buf_add_text(q->body, i > at ? "," : "");
		write_record(q->body, kept_find(q->kept, found[n - 1 - i]));
	}
	buf_add_char(q->body, ']');
	if (end < n) {
		buf_printf(q->body, ",\"paging\":{\"next\":{\"after\":\"%zu\"}}", end);
	}
	buf_add_char(q->body, '}');
	return 0;
}

/* --- batches --- */

/* The inputs, checked; 0 when they are no good (and q->bad says why). */
static size_t inputs_of(struct ask *q, struct json_object **ret)
{
	size_t n = crm_list_of(q, "inputs", ret);

	if (n < 1 || n > INPUTS_MAX) {
		ask_bad(q, 400, NULL, "inputs: 1 to %d", INPUTS_MAX);
		return 0;
	}
	return n;
}

static void begin_batch(struct ask *q)
{
	buf_add_text(q->body, "{\"status\":\"COMPLETE\",\"results\":[");
}

/* wrong: the errors, as the inside of a list. */
static void end_batch(struct ask *q, struct world_plan *p, struct buf *wrong, size_t n_wrong)
{
	char when[25];

	plan_json(p, n_wrong > 0 ? 207 : 200);
	time_write_utc(q->now.wall_us, when);
	buf_printf(q->body, "],\"startedAt\":\"%s\",\"completedAt\":\"%s\"", when, when);
	if (n_wrong > 0) {
		buf_printf(q->body, ",\"numErrors\":%zu,\"errors\":[%s]", n_wrong,
		    wrong->data != NULL ? wrong->data : "");
	}
	buf_add_char(q->body, '}');
}

static void add_wrong(struct buf *out, const char *category, const char *message, const char *id)
{
	buf_printf(out,
	    "%s{\"status\":\"error\",\"category\":\"%s\",\"message\":\"%s\",\"context\":{\"ids\":[",
	    out->len > 0 ? "," : "", category, message);
	json_add(out, id);
	buf_add_text(out, "]}}");
}

/* By the record's own id, or by address. */
static int read_one(struct ask *q, const char *property, const char *id, struct record **ret)
{
	char *end;
	uint64_t n;

	*ret = NULL;
	if (id == NULL) {
		return 0;
	}
	if (property != NULL) {
		return known(q, false, id, ret);
	}
	n = strtoull(id, &end, 10);
	*ret = *end == '\0' ? kept_find(q->kept, n) : NULL;
	return 0;
}

int crm_read_batch(struct ask *q, struct world_plan *p)
{
	const char *property = crm_text(q->tree, "idProperty");
	struct json_object *inputs;
	size_t n = inputs_of(q, &inputs), n_wrong = 0;
	struct index seen = {0};
	struct buf wrong = {0};
	int rc = 0;

	if (q->bad == NULL && property != NULL &&
	    (is_company(q) || strcmp(property, "email") != 0)) {
		ask_bad(q, 400, NULL, "%.60s is no property with unique values", property);
	}
	if (q->bad != NULL) {
		crm_error(q, p, 400, "VALIDATION_ERROR", q->bad);
		return 0;
	}
	begin_batch(q);
	for (size_t i = n; i-- > 0 && rc == 0;) {
		char *id = lower(q, crm_text(json_object_array_get_idx(inputs, i), "id"));
		struct record *r;

		rc = read_one(q, property, id, &r);
		if (rc == 0 && r == NULL) {
			n_wrong++;
			add_wrong(&wrong, "OBJECT_NOT_FOUND", "Could not get some objects", id);
		} else if (rc == 0 && index_get(&seen, r->id) == 0) {
			buf_add_text(q->body, seen.n > 0 ? "," : "");
			write_record(q->body, r);
			rc = index_put(&seen, r->id, 1);
		}
	}
	end_batch(q, p, &wrong, n_wrong);
	rc = rc == 0 && wrong.failed ? LEAD_ENOMEM : rc;
	index_fini(&seen);
	buf_free(&wrong);
	return rc;
}

static int upsert_one(struct ask *q, const char *email, struct json_object *properties, bool first)
{
	struct record new = {.key = email, .id = id_of(q, false, email), .made = true}, *r;
	bool there;
	int rc = known(q, false, email, &r);

	there = r != NULL;
	new.created_us = q->now.wall_us;
	new.properties = json_object_to_json_string_ext(
	    properties, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	rc = rc == 0 && new.properties == NULL ? LEAD_ENOMEM : rc;
	rc = rc == 0 ? kept_record(q->kept, &new, &r) : rc;
	if (rc == 0) {
		buf_add_text(q->body, first ? "{" : ",{");
		write_fields(q->body, r);
		buf_printf(q->body, ",\"new\":%s}", there ? "false" : "true");
	}
	return rc;
}

int crm_upsert(struct ask *q, struct world_plan *p)
{
	struct json_object *inputs;
	size_t n = inputs_of(q, &inputs), n_wrong = 0;
	struct buf wrong = {0};
	int rc = 0;

	q->ledger = true;
	if (q->bad == NULL && is_company(q)) {
		ask_bad(q, 400, NULL, "domain is no property with unique values");
	}
	q->items = q->bad == NULL ? arena_zalloc(q->a, n * sizeof(*q->items)) : NULL;
	if (q->bad != NULL || q->items == NULL) {
		crm_error(q, p, 400, "VALIDATION_ERROR", q->bad);
		return q->bad != NULL ? 0 : LEAD_ENOMEM;
	}
	begin_batch(q);
	for (size_t i = n; i-- > 0 && rc == 0;) {
		struct json_object *input = json_object_array_get_idx(inputs, i),
				   *properties = json_object_object_get(input, "properties");
		char *email = lower(q, crm_text(input, "id"));
		const char *property = crm_text(input, "idProperty");
		bool good = email != NULL && strchr(email, '@') != NULL && property != NULL &&
			    strcmp(property, "email") == 0 &&
			    json_object_is_type(properties, json_type_object);

		q->items[q->n_items].meaning =
		    ask_meaning(q, email, email != NULL ? strlen(email) : 0);
		q->items[q->n_items].outcome = good ? ACCOUNT_OK : ACCOUNT_PERMANENT;
		if (good) {
			rc = upsert_one(q, email, properties, q->n_items == n_wrong);
		} else {
			n_wrong++;
			add_wrong(
			    &wrong, "VALIDATION_ERROR", "Property values were not valid", email);
		}
		q->n_items++;
	}
	end_batch(q, p, &wrong, n_wrong);
	rc = rc == 0 && wrong.failed ? LEAD_ENOMEM : rc;
	buf_free(&wrong);
	return rc;
}
