/*
 * lib/sim/instantly_list.c: POST /leads/list: filters and paging.
 *
 * Addresses are looked up, anything else is a walk over all leads. A cursor is the id of the last
 * item shown; one comes with every full page, the last included.
 */
#include "lib/sim/instantly.h"

#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/base/text.h"

#define PAGE_MAX 100

static bool has_text(const char *text, const char *part)
{
	return text != NULL && strcasestr(text, part) != NULL;
}

/* What a list call wants to see. */
struct wanted {
	const char *search, *campaign, *list, *after;
	struct json_object *contacts, *ids;
	bool in_campaign;
	int64_t until_us;    /* pushed later: not in the index yet */
	size_t limit, first; /* first: index behind the cursor */
};

static bool in_list(struct json_object *list, const char *text)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		const char *item = json_object_get_string(json_object_array_get_idx(list, i));

		if (item != NULL && text_equal_nocase(item, text)) {
			return true;
		}
	}
	return false;
}

static bool is_wanted(const struct pushed *p, const struct wanted *w)
{
	return !p->deleted && p->created_us <= w->until_us &&
	       (w->campaign == NULL || (p->text[LEAD_CAMPAIGN] != NULL &&
					   strcmp(p->text[LEAD_CAMPAIGN], w->campaign) == 0)) &&
	       (w->list == NULL ||
		   (p->text[LEAD_LIST] != NULL && strcmp(p->text[LEAD_LIST], w->list) == 0)) &&
	       (!w->in_campaign || p->text[LEAD_CAMPAIGN] != NULL) &&
	       (w->contacts == NULL || in_list(w->contacts, p->text[LEAD_EMAIL])) &&
	       (w->ids == NULL || in_list(w->ids, p->id)) &&
	       (w->search == NULL || has_text(p->text[LEAD_EMAIL], w->search) ||
		   has_text(p->text[LEAD_FIRST_NAME], w->search) ||
		   has_text(p->text[LEAD_LAST_NAME], w->search));
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Places of all leads with these addresses, in order; the caller frees. SIZE_MAX when out of
 * memory. */
static size_t gather(
    struct leads *l, struct json_object *contacts, const char *search, uint32_t **ret)
{
	size_t n = 0, cap = 0, emails = contacts != NULL ? json_object_array_length(contacts) : 1,
	       unique = 0;

	for (size_t i = 0; i < emails; i++) {
		const char *email = contacts != NULL ? json_object_get_string(
							   json_object_array_get_idx(contacts, i))
						     : search;

		for (uint32_t at = leads_last(l, email != NULL ? email : ""); at != 0;
		     at = l->all[at - 1].prev) {
			if (n == cap) {
				uint32_t *more =
				    realloc(*ret, (cap = cap * 2 + 16) * sizeof(*more));

				if (more == NULL) {
					return SIZE_MAX;
				}
				*ret = more;
			}
			(*ret)[n++] = at - 1;
		}
	}
	if (n > 0) {
		qsort(*ret, n, sizeof(**ret), by_number);
		for (size_t i = 1; i < n; i++) { /* an address asked for twice is shown once */
			unique += (*ret)[i] != (*ret)[unique];
			(*ret)[unique] = (*ret)[i];
		}
		n = unique + 1;
	}
	return n;
}

static bool read_wanted(struct ask *q, struct wanted *w)
{
	struct json_object *limit = json_object_object_get(q->tree, "limit");
	const struct pushed *after;

	*w = (struct wanted){.search = instantly_text(q, "search"),
	    .campaign = instantly_text(q, "campaign"),
	    .list = instantly_text(q, "list_id"),
	    .after = instantly_text(q, "starting_after"),
	    .contacts = json_object_object_get(q->tree, "contacts"),
	    .ids = json_object_object_get(q->tree, "ids"),
	    .in_campaign = instantly_flag(q, "in_campaign"),
	    .until_us = q->now.wall_us - q->s->index_us,
	    .limit = 10};
	if ((w->contacts != NULL && !json_object_is_type(w->contacts, json_type_array)) ||
	    (w->ids != NULL && !json_object_is_type(w->ids, json_type_array))) {
		ask_bad(q, 400, NULL, "body/contacts and body/ids must be array");
	}
	if (limit != NULL) {
		w->limit = json_object_is_type(limit, json_type_int)
			       ? (size_t)json_object_get_int64(limit)
			       : 0;
		if (w->limit < 1 || w->limit > PAGE_MAX) {
			ask_bad(q, 400, NULL, "body/limit must be >= 1 and <= 100");
		}
	}
	if (q->bad == NULL && w->after != NULL) {
		after = leads_get(q->leads, w->after);
		w->first = after != NULL ? (size_t)(after - q->leads->all) + 1 : q->leads->n;
	}
	return q->bad == NULL;
}

int instantly_list(struct ask *q, struct world_plan *p)
{
	struct leads *l = q->leads;
	struct wanted w;
	uint32_t *places = NULL;
	const struct pushed *last = NULL;
	size_t shown = 0, n = l->n;
	bool few;

	if (!read_wanted(q, &w)) {
		instantly_error(q, p, 400, q->bad);
		return 0;
	}
	few = w.contacts != NULL || (w.search != NULL && strchr(w.search, '@') != NULL);
	if (few && (n = gather(l, w.contacts, w.search, &places)) == SIZE_MAX) {
		free(places);
		return LEAD_ENOMEM;
	}
	plan_json(p, 200);
	buf_add_text(q->body, "{\"items\":[");
	for (size_t i = few ? 0 : w.first; i < n && shown < w.limit; i++) {
		size_t place = few ? places[i] : i;

		if (place >= w.first && is_wanted(&l->all[place], &w)) {
			last = &l->all[place];
			buf_add_text(q->body, shown++ > 0 ? "," : "");
			leads_write(q->body, last);
		}
	}
	buf_add_char(q->body, ']');
	if (shown == w.limit) {
		buf_printf(q->body, ",\"next_starting_after\":\"%s\"", last->id);
	}
	buf_add_char(q->body, '}');
	free(places);
	return 0;
}
