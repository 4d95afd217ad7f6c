/*
 * lib/sim/instantly.c: Instantly v2: leads and campaigns of one workspace.
 *
 *   route -> read (the body as a tree, checked against the documented keys) -> answer_* per
 * endpoint
 *
 * A push whose skip flag hits is a 409 or the lead that is there, as the scenario says: the
 * documents name neither. A cursor is the id of the last item shown; one comes with every full
 * page, the last included.
 */
#include "lib/sim/model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/base/json.h"
#include "lib/base/text.h"

#define PAGE_MAX 100

static const char *const push_keys[] = {"skip_if_in_workspace", "skip_if_in_campaign",
    "skip_if_in_list", "blocklist_id", "verify_leads_on_import", "verify_leads_for_lead_finder",
    "assigned_to", "custom_variables", NULL};

/* `/api/v2/leads/ID`: the part behind prefix; NULL when the path is another one. */
static const char *tail_of(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(path, prefix, len) == 0 && path[len] != '\0' &&
		       strchr(path + len, '/') == NULL
		   ? path + len
		   : NULL;
}

static enum world_endpoint route_campaign(const char *method, const char *path)
{
	size_t len = strlen(path);

	if (strcmp(path, "/api/v2/campaigns") == 0) {
		return strcmp(method, "GET") == 0    ? EP_LIST_CAMPAIGNS
		       : strcmp(method, "POST") == 0 ? EP_CREATE_CAMPAIGN
						     : EP_N;
	}
	if (len > 9 && strcmp(path + len - 9, "/activate") == 0 && strcmp(method, "POST") == 0) {
		return EP_ACTIVATE_CAMPAIGN;
	}
	return tail_of(path, "/api/v2/campaigns/") != NULL && strcmp(method, "GET") == 0
		   ? EP_GET_CAMPAIGN
		   : EP_N;
}

static enum world_endpoint route(const char *method, const char *path)
{
	if (strncmp(path, "/api/v2/campaigns", 17) == 0) {
		return route_campaign(method, path);
	}
	if (strcmp(path, "/api/v2/leads") == 0 && strcmp(method, "POST") == 0) {
		return EP_CREATE_LEAD;
	}
	if (strcmp(path, "/api/v2/leads/list") == 0 && strcmp(method, "POST") == 0) {
		return EP_LIST_LEADS;
	}
	if (tail_of(path, "/api/v2/leads/") != NULL) {
		return strcmp(method, "GET") == 0      ? EP_GET_LEAD
		       : strcmp(method, "DELETE") == 0 ? EP_DELETE_LEAD
						       : EP_N;
	}
	return EP_N;
}

/* --- reading --- */

/* A string of the tree; NULL when absent or null; another type is a bad request. */
static const char *text_of(struct ask *q, const char *key)
{
	struct json_object *v = json_object_object_get(q->tree, key);

	if (v == NULL) {
		return NULL;
	}
	if (!json_object_is_type(v, json_type_string)) {
		ask_bad(q, 400, key, "body/%s must be string", key);
		return NULL;
	}
	return json_object_get_string(v);
}

static bool flag_of(struct ask *q, const char *key)
{
	struct json_object *v = json_object_object_get(q->tree, key);

	return v != NULL && json_object_is_type(v, json_type_boolean) && json_object_get_boolean(v);
}

static bool is_known(const char *key)
{
	for (size_t i = 0; i < LEAD_TEXTS; i++) {
		if (strcmp(key, lead_text_names[i]) == 0) {
			return true;
		}
	}
	for (size_t i = 0; push_keys[i] != NULL; i++) {
		if (strcmp(key, push_keys[i]) == 0) {
			return true;
		}
	}
	return false;
}

static void check_variables(struct ask *q)
{
	struct json_object *vars = json_object_object_get(q->tree, "custom_variables");

	if (vars == NULL) {
		return;
	}
	if (!json_object_is_type(vars, json_type_object)) {
		ask_bad(q, 400, "custom_variables", "body/custom_variables must be object");
		return;
	}
	json_object_object_foreach(vars, key, value)
	{
		if (json_object_is_type(value, json_type_object) ||
		    json_object_is_type(value, json_type_array)) {
			ask_bad(q, 400, "custom_variables",
			    "body/custom_variables/%s must be string, number, boolean or null",
			    key);
		}
	}
}

static void read_push(struct ask *q)
{
	const char *email, *campaign, *list;
	char *place;

	json_object_object_foreach(q->tree, key, value)
	{
		(void)value;
		if (!is_known(key)) {
			ask_bad(q, 400, NULL, "body must NOT have additional properties: %s", key);
		}
	}
	check_variables(q);
	email = text_of(q, "email");
	campaign = text_of(q, "campaign");
	list = text_of(q, "list_id");
	if (q->bad == NULL && (email == NULL || *email == '\0')) {
		ask_bad(q, 400, "email", "body/email is required");
	} else if (q->bad == NULL && strchr(email, '@') == NULL) {
		ask_bad(q, 400, "email", "body/email must match format \"email\"");
	}
	if (email == NULL) {
		return;
	}
	place = arena_printf(q->a, "%s\n%s", email,
	    campaign != NULL ? campaign
	    : list != NULL   ? list
			     : "");
	if (place != NULL) {
		text_lower(place, strlen(email));
		q->subject = value_text(place);
		q->meaning = ask_meaning(q, place, strlen(place));
	}
}

static int read(struct ask *q)
{
	const char *whole =
	    arena_printf(q->a, "%s?%s", q->path, q->r->query != NULL ? q->r->query : "");
	int rc;

	if (whole == NULL) {
		return LEAD_ENOMEM;
	}
	q->meaning = ask_meaning(q, whole, strlen(whole));
	if (strcmp(q->r->method, "POST") != 0 || q->endpoint == EP_ACTIVATE_CAMPAIGN) {
		return 0;
	}
	q->meaning = ask_meaning(q, q->r->body, q->r->body_len);
	rc = json_parse(q->r->body != NULL ? q->r->body : "", q->r->body_len, &q->tree, NULL);
	if (rc == LEAD_ENOMEM) {
		return rc;
	}
	if (rc != 0 || !json_object_is_type(q->tree, json_type_object)) {
		ask_bad(q, 400, NULL, "Body is not valid JSON");
		return 0;
	}
	if (q->endpoint == EP_CREATE_LEAD) {
		read_push(q);
	} else if (q->endpoint == EP_CREATE_CAMPAIGN &&
		   (text_of(q, "name") == NULL ||
		       json_object_object_get(q->tree, "campaign_schedule") == NULL)) {
		ask_bad(
		    q, 400, NULL, "body must have required properties 'name', 'campaign_schedule'");
	}
	return 0;
}

/* --- leads --- */

static const char *const reasons[] = {"Bad Request", "Not Found", "Conflict"};

/* The provider's error form. */
static void write_error(
    struct ask *q, struct world_plan *p, int status, const char *error, const char *message)
{
	plan_json(p, status);
	buf_printf(q->body, "{\"statusCode\":%d,\"error\":\"%s\",\"message\":", status, error);
	json_add(q->body, message);
	buf_add_char(q->body, '}');
}

static bool campaign_known(struct ask *q, const char *id)
{
	return id == NULL || q->s->n_campaigns == 0 || leads_campaign(q->leads, id) != NULL;
}

/* The lead that a skip flag finds; NULL: none. */
static const struct pushed *skipped_for(struct ask *q, const struct pushed *new)
{
	const char *email = new->text[LEAD_EMAIL], *campaign = new->text[LEAD_CAMPAIGN];
	const struct pushed *p = NULL;

	if (flag_of(q, "skip_if_in_workspace")) {
		p = leads_find(q->leads, email, NULL);
	}
	if (p == NULL && campaign != NULL && flag_of(q, "skip_if_in_campaign")) {
		p = leads_find(q->leads, email, campaign);
	}
	return p;
}

static int answer_push(struct ask *q, struct world_plan *p)
{
	struct pushed new = {.meaning = q->meaning, .created_us = q->now.wall_us};
	const struct pushed *there, *kept = &new;
	struct json_object *vars = json_object_object_get(q->tree, "custom_variables");

	for (size_t i = 0; i < LEAD_TEXTS; i++) {
		new.text[i] = text_of(q, lead_text_names[i]);
	}
	new.payload = vars != NULL ? json_object_to_json_string_ext(vars,
					 JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
				   : NULL;
	q->ledger = true;
	if (!campaign_known(q, new.text[LEAD_CAMPAIGN])) {
		q->outcome = ACCOUNT_PERMANENT;
		write_error(q, p, 404, reasons[1], "Campaign not found");
		return 0;
	}
	there = skipped_for(q, &new);
	if (there != NULL && q->s->duplicate_conflict) {
		q->outcome = ACCOUNT_DUPLICATE;
		write_error(q, p, 409, reasons[2], "Lead already exists");
		return 0;
	}
	if (there != NULL) {
		q->outcome = ACCOUNT_DUPLICATE;
		kept = there;
	} else if (q->lost) {
		q->again = AGAIN_LOST;
		leads_name(new.id, ask_draw(q, "lead"), q->leads->n, true);
	} else if (leads_push(q->leads, &new, ask_draw(q, "lead"), &kept) != 0) {
		return LEAD_ENOMEM;
	}
	plan_json(p, 200);
	leads_write(q->body, kept);
	return 0;
}

/* What a list call wants to see. */
struct wanted {
	const char *search, *campaign, *list, *after;
	struct json_object *contacts, *ids;
	bool in_campaign;
	size_t limit, first; /* first: index behind the cursor */
};

static bool has_text(const char *text, const char *part)
{
	return text != NULL && strcasestr(text, part) != NULL;
}

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
	return !p->deleted &&
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

	*w = (struct wanted){.search = text_of(q, "search"),
	    .campaign = text_of(q, "campaign"),
	    .list = text_of(q, "list_id"),
	    .after = text_of(q, "starting_after"),
	    .contacts = json_object_object_get(q->tree, "contacts"),
	    .ids = json_object_object_get(q->tree, "ids"),
	    .in_campaign = flag_of(q, "in_campaign"),
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

static int answer_list(struct ask *q, struct world_plan *p)
{
	struct leads *l = q->leads;
	struct wanted w;
	uint32_t *places = NULL;
	const struct pushed *last = NULL;
	size_t shown = 0, n = l->n;
	bool few;

	if (!read_wanted(q, &w)) {
		write_error(q, p, 400, reasons[0], q->bad);
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

static void answer_one(struct ask *q, struct world_plan *p)
{
	struct pushed *lead = leads_get(q->leads, tail_of(q->path, "/api/v2/leads/"));

	if (lead == NULL) {
		write_error(q, p, 404, reasons[1], "Lead not found");
		return;
	}
	plan_json(p, 200);
	leads_write(q->body, lead);
	if (q->endpoint == EP_DELETE_LEAD) {
		account_forget(q->account, lead->meaning);
		leads_delete(q->leads, lead);
	}
}

/* --- campaigns --- */

static void write_campaign(struct buf *out, const struct campaign *c)
{
	char when[25];

	time_write_utc(c->created_us, when);
	buf_add_text(out, "{\"id\":");
	json_add(out, c->id);
	buf_add_text(out, ",\"name\":");
	json_add(out, c->name);
	buf_printf(out, ",\"status\":%d,\"timestamp_created\":\"%s\",\"timestamp_updated\":\"%s\"}",
	    c->status, when, when);
}

static void answer_campaigns(struct ask *q, struct world_plan *p)
{
	struct value search = ask_query(q, "search");
	bool first = true;

	plan_json(p, 200);
	buf_add_text(q->body, "{\"items\":[");
	for (size_t i = 0; i < q->leads->n_campaigns; i++) {
		if (search.kind == VALUE_STRING &&
		    !has_text(q->leads->campaigns[i].name, search.text)) {
			continue;
		}
		buf_add_text(q->body, first ? "" : ",");
		write_campaign(q->body, &q->leads->campaigns[i]);
		first = false;
	}
	buf_add_text(q->body, "]}");
}

static int answer_new_campaign(struct ask *q, struct world_plan *p)
{
	struct campaign *c;
	char id[37];
	int rc;

	leads_name(id, ask_roll(q, "campaign"), q->leads->n_campaigns, false);
	rc = leads_add_campaign(q->leads, id, text_of(q, "name"), q->now.wall_us, &c);
	if (rc == LEAD_ENOMEM) {
		return rc;
	}
	if (rc != 0) {
		write_error(q, p, 400, reasons[0], "Too many campaigns");
		return 0;
	}
	plan_json(p, 200);
	write_campaign(q->body, c);
	return 0;
}

static int answer_campaign(struct ask *q, struct world_plan *p)
{
	const char *tail = q->path + strlen("/api/v2/campaigns/");
	char *id = arena_dup(q->a, tail, strcspn(tail, "/"));
	struct campaign *c = id != NULL ? leads_campaign(q->leads, id) : NULL;

	if (id == NULL ||
	    (c == NULL && q->s->n_campaigns == 0 &&
		leads_add_campaign(q->leads, id, id, q->now.wall_us, &c) == LEAD_ENOMEM)) {
		return LEAD_ENOMEM;
	}
	if (c == NULL) {
		write_error(q, p, 404, reasons[1], "Campaign not found");
		return 0;
	}
	if (q->endpoint == EP_ACTIVATE_CAMPAIGN) {
		c->status = 1;
	}
	plan_json(p, 200);
	write_campaign(q->body, c);
	return 0;
}

static int answer(struct ask *q, struct world_plan *p)
{
	switch (q->endpoint) {
	case EP_CREATE_LEAD:
		return answer_push(q, p);
	case EP_LIST_LEADS:
		return answer_list(q, p);
	case EP_GET_LEAD:
	case EP_DELETE_LEAD:
		answer_one(q, p);
		return 0;
	case EP_LIST_CAMPAIGNS:
		answer_campaigns(q, p);
		return 0;
	case EP_CREATE_CAMPAIGN:
		return answer_new_campaign(q, p);
	default:
		return answer_campaign(q, p);
	}
}

static void refuse(
    struct ask *q, enum refusal why, bool tokens, int64_t wait_us, struct world_plan *p)
{
	static const struct {
		int status;
		const char *error, *message;
	} forms[] = {
	    [REFUSAL_BAD] = {400, "Bad Request", NULL},
	    [REFUSAL_PATH] = {404, "Not Found", "Route not found"},
	    [REFUSAL_AUTH] = {401, "Unauthorized", "Invalid API key"},
	    [REFUSAL_THROTTLE] = {429, "Too Many Requests", "Rate limit exceeded"},
	    [REFUSAL_SLOW_DOWN] = {429, "Too Many Requests", "Rate limit exceeded"},
	    [REFUSAL_QUOTA] = {402, "Payment Required", "Your workspace has no active paid plan"},
	    [REFUSAL_BILLING] = {402, "Payment Required", "Your workspace has no active paid plan"},
	    [REFUSAL_500] = {500, "Internal Server Error", "Something went wrong"},
	    [REFUSAL_OVERLOAD] = {529, "Overloaded", "The service is overloaded"},
	    [REFUSAL_200] = {500, "Internal Server Error", "Something went wrong"},
	};

	write_error(q, p, forms[why].status, forms[why].error,
	    why == REFUSAL_BAD ? q->bad : forms[why].message);
	plan_retry_after(q, p, wait_us);
	if (why == REFUSAL_200) {
		p->status = 200;
	}
}

const struct model model_instantly = {"instantly.ai", route, ask_bearer, read, answer, refuse};
