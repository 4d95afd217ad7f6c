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
#include "lib/sim/instantly.h"

#include <string.h>

#include <json-c/json.h>

#include "lib/base/json.h"
#include "lib/base/text.h"

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

const char *instantly_text(struct ask *q, const char *key)
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

bool instantly_flag(struct ask *q, const char *key)
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
	email = instantly_text(q, "email");
	campaign = instantly_text(q, "campaign");
	list = instantly_text(q, "list_id");
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
		   (instantly_text(q, "name") == NULL ||
		       json_object_object_get(q->tree, "campaign_schedule") == NULL)) {
		ask_bad(
		    q, 400, NULL, "body must have required properties 'name', 'campaign_schedule'");
	}
	return 0;
}

/* --- leads --- */

void instantly_error(struct ask *q, struct world_plan *p, int status, const char *message)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {{400, "Bad Request"}, {401, "Unauthorized"}, {402, "Payment Required"},
	    {404, "Not Found"}, {409, "Conflict"}, {429, "Too Many Requests"},
	    {500, "Internal Server Error"}, {529, "Overloaded"}};
	size_t i = 0;

	while (reasons[i].status != status) {
		i++;
	}
	plan_json(p, status);
	buf_printf(
	    q->body, "{\"statusCode\":%d,\"error\":\"%s\",\"message\":", status, reasons[i].text);
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

	if (instantly_flag(q, "skip_if_in_workspace")) {
		p = leads_find(q->leads, email, NULL);
	}
	if (p == NULL && campaign != NULL && instantly_flag(q, "skip_if_in_campaign")) {
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
		new.text[i] = instantly_text(q, lead_text_names[i]);
	}
	new.payload = vars != NULL ? json_object_to_json_string_ext(vars,
					 JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
				   : NULL;
	q->ledger = true;
	if (!campaign_known(q, new.text[LEAD_CAMPAIGN])) {
		q->outcome = ACCOUNT_PERMANENT;
		instantly_error(q, p, 404, "Campaign not found");
		return 0;
	}
	there = skipped_for(q, &new);
	if (there != NULL && q->s->duplicate_conflict) {
		q->outcome = ACCOUNT_DUPLICATE;
		instantly_error(q, p, 409, "Lead already exists");
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

static void answer_one(struct ask *q, struct world_plan *p)
{
	struct pushed *lead = leads_get(q->leads, tail_of(q->path, "/api/v2/leads/"));

	if (lead == NULL) {
		instantly_error(q, p, 404, "Lead not found");
		return;
	}
	plan_json(p, 200);
	leads_write(q->body, lead);
	if (q->endpoint == EP_DELETE_LEAD) {
		account_forget(q->account, lead->meaning);
		leads_delete(q->leads, lead);
	}
}

static int answer(struct ask *q, struct world_plan *p)
{
	switch (q->endpoint) {
	case EP_CREATE_LEAD:
		return answer_push(q, p);
	case EP_LIST_LEADS:
		return instantly_list(q, p);
	case EP_GET_LEAD:
	case EP_DELETE_LEAD:
		answer_one(q, p);
		return 0;
	case EP_LIST_CAMPAIGNS:
		return instantly_campaigns(q, p);
	case EP_CREATE_CAMPAIGN:
		return instantly_new_campaign(q, p);
	default:
		return instantly_campaign(q, p);
	}
}

static void refuse(
    struct ask *q, enum refusal why, bool tokens, int64_t wait_us, struct world_plan *p)
{
	static const struct {
		int status;
		const char *message;
	} forms[] = {
	    [REFUSAL_BAD] = {400, NULL},
	    [REFUSAL_PATH] = {404, "Route not found"},
	    [REFUSAL_AUTH] = {401, "Invalid API key"},
	    [REFUSAL_THROTTLE] = {429, "Rate limit exceeded"},
	    [REFUSAL_SLOW_DOWN] = {429, "Rate limit exceeded"},
	    [REFUSAL_QUOTA] = {402, "Your workspace has no active paid plan"},
	    [REFUSAL_BILLING] = {402, "Your workspace has no active paid plan"},
	    [REFUSAL_500] = {500, "Something went wrong"},
	    [REFUSAL_OVERLOAD] = {529, "The service is overloaded"},
	    [REFUSAL_200] = {500, "Something went wrong"},
	};

	instantly_error(q, p, forms[why].status, why == REFUSAL_BAD ? q->bad : forms[why].message);
	plan_retry_after(q, p, wait_us);
	if (why == REFUSAL_200) {
		p->status = 200;
	}
}

const struct model model_instantly = {.host = "instantly.ai",
    .route = route,
    .credential = ask_bearer,
    .read = read,
    .answer = answer,
    .refuse = refuse};
