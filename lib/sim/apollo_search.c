/*
 * lib/sim/apollo_search.c: POST mixed_people/api_search: filters in the query, pages, no address
 * and half a last name. Within one filter any value does, all filters must be met.
 */
#include "lib/sim/apollo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"

#define VALUES 64 /* of one filter */

struct filter {
	const char *values[VALUES];
	size_t n;
};

enum {
	BY_TITLE,
	BY_SENIORITY,
	BY_LOCATION,
	BY_OFFICE,
	BY_DOMAIN,
	BY_COMPANY,
	BY_SIZE,
	BY_EMAIL,
	FILTERS
};

struct search {
	struct filter by[FILTERS];
	const char *keywords;
	size_t page, per_page;
	bool any;
};

static bool has_part(const char *text, const char *part)
{
	return strcasestr(text, part) != NULL;
}

/* `1,10`: so many people work there. */
static bool in_range(const char *range, unsigned employees)
{
	char *end;
	unsigned long low = strtoul(range, &end, 10);

	return employees >= low &&
	       (*end != ',' || end[1] == '\0' || employees <= strtoul(end + 1, NULL, 10));
}

static bool meets(const struct person *p, int by, const char *value)
{
	switch (by) {
	case BY_TITLE:
		return has_part(p->title, value);
	case BY_SENIORITY:
		return text_equal_nocase(p->seniority, value);
	case BY_LOCATION:
		return has_part(p->city, value) || has_part(p->state, value) ||
		       has_part(p->country, value);
	case BY_OFFICE:
		return has_part(p->at.city, value) || has_part(p->at.state, value) ||
		       has_part(p->at.country, value);
	case BY_DOMAIN:
		return text_equal_nocase(p->at.domain, value);
	case BY_COMPANY:
		return strcmp(p->at.id, value) == 0;
	case BY_SIZE:
		return in_range(value, p->at.employees);
	default:
		return text_equal_nocase(p->email_status, value);
	}
}

static bool is_wanted(const struct search *s, const struct person *p)
{
	for (int by = 0; by < FILTERS; by++) {
		size_t i = 0;

		while (i < s->by[by].n && !meets(p, by, s->by[by].values[i])) {
			i++;
		}
		if (s->by[by].n > 0 && i == s->by[by].n) {
			return false;
		}
	}
	return s->keywords == NULL || has_part(p->title, s->keywords) ||
	       has_part(p->at.name, s->keywords) || has_part(p->at.industry, s->keywords);
}

static void read_search(struct ask *q, struct search *s)
{
	static const char *const names[FILTERS] = {"person_titles[]", "person_seniorities[]",
	    "person_locations[]", "organization_locations[]", "q_organization_domains_list[]",
	    "organization_ids[]", "organization_num_employees_ranges[]", "contact_email_status[]"};

	for (int by = 0; by < FILTERS; by++) {
		s->by[by].n = ask_query_all(q, names[by], s->by[by].values, VALUES);
		s->any = s->any || s->by[by].n > 0;
	}
	s->keywords = ask_query_text(q, "q_keywords");
	s->any = s->any || s->keywords != NULL;
	s->page = ask_query_count(q, "page", 1, APOLLO_PAGES_MAX, 1, 422);
	s->per_page = ask_query_count(q, "per_page", 1, APOLLO_PAGE_MAX, 25, 422);
}

/* `Sm***h`: the first two letters and the last. */
static void write_found(struct buf *out, const struct person *p)
{
	size_t len = strlen(p->last);

	buf_printf(out,
	    "{\"id\":\"%s\",\"first_name\":\"%s\",\"last_name_obfuscated\":\"%.2s***%s\"", p->id,
	    p->first, p->last, p->last + len - 1);
	buf_printf(out,
	    ",\"title\":\"%s\",\"last_refreshed_at\":\"2026-11-01T00:00:00.000+00:00\",\"has_"
	    "email\":"
	    "%s,\"has_city\":true,\"has_state\":true,\"has_country\":true,\"has_direct_dial\":"
	    "\"Maybe\"",
	    p->title, p->email[0] != '\0' ? "true" : "false");
	buf_printf(out,
	    ",\"organization\":{\"name\":\"%s\",\"has_industry\":true,\"has_phone\":false,"
	    "\"has_employee_count\":true}}",
	    p->at.name);
}

int apollo_search(struct ask *q, struct world_plan *p)
{
	struct search *s = arena_zalloc(q->a, sizeof(*s));
	size_t from, met = 0, shown = 0, count = q->s->people.count;
	struct buf people = {0};
	struct person one;

	if (s == NULL) {
		return LEAD_ENOMEM;
	}
	read_search(q, s);
	if (q->bad != NULL) {
		plan_json(p, q->bad_status);
		buf_printf(q->body, "{\"error\":\"%s\"}", q->bad);
		return 0;
	}
	from = (s->page - 1) * s->per_page;
	for (size_t i = s->any ? 0 : from; i < count && (s->any || shown < s->per_page); i++) {
		people_nth(q->s, i, &one);
		if (s->any && (!is_wanted(s, &one) || met++ < from || shown == s->per_page)) {
			continue;
		}
		buf_add_text(&people, shown++ > 0 ? "," : "");
		write_found(&people, &one);
	}
	plan_json(p, 200);
	buf_printf(q->body, "{\"total_entries\":%zu,\"people\":[", s->any ? met : count);
	buf_add(q->body, people.data, people.len);
	buf_add_text(q->body, "]}");
	q->body->failed = q->body->failed || people.failed;
	buf_free(&people);
	q->outcome = shown > 0 ? ACCOUNT_OK : ACCOUNT_EMPTY;
	return 0;
}
