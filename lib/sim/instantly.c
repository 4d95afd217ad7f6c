/*
 * lib/sim/instantly.c: Instantly v2: leads and campaigns of one workspace.
 *
 *   route -> read (the body as a tree, checked against the documented keys) -> answer_* per
 * endpoint
 *
 * A cursor is the id of the last item shown; one comes with every full page, the last included.
 */
#include "lib/sim/instantly.h"

#include <string.h>

#include <json-c/json.h>

#include "lib/base/json.h"
#include "lib/base/text.h"

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
	if (strcmp(path, "/api/v2/leads") == 0) {
		return strcmp(method, "POST") == 0     ? EP_CREATE_LEAD
		       : strcmp(method, "DELETE") == 0 ? EP_DELETE_LEADS
						       : EP_N;
	}
	if (strcmp(path, "/api/v2/leads/add") == 0 && strcmp(method, "POST") == 0) {
		return EP_ADD_LEADS;
	}
	if (strcmp(path, "/api/v2/leads/list") == 0 && strcmp(method, "POST") == 0) {
		return EP_LIST_LEADS;
	}
	if (tail_of(path, "/api/v2/leads/") != NULL) {
		return strcmp(method, "GET") == 0      ? EP_GET_LEAD
		       : strcmp(method, "DELETE") == 0 ? EP_DELETE_LEAD
		       : strcmp(method, "PATCH") == 0  ? EP_UPDATE_LEAD
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

static bool has_body(const struct ask *q)
{
	return q->endpoint == EP_UPDATE_LEAD || q->endpoint == EP_DELETE_LEADS ||
	       (strcmp(q->r->method, "POST") == 0 && q->endpoint != EP_ACTIVATE_CAMPAIGN);
}

static int read(struct ask *q)
{
	int rc;

	if (!has_body(q)) {
		return ask_means(q, false);
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
		instantly_read_push(q);
	} else if (q->endpoint == EP_ADD_LEADS) {
		instantly_read_bulk(q);
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

static void answer_one(struct ask *q, struct world_plan *p)
{
	struct pushed *lead = leads_get(q->leads, strrchr(q->path, '/') + 1);

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
		return instantly_push(q, p);
	case EP_ADD_LEADS:
		return instantly_bulk(q, p);
	case EP_UPDATE_LEAD:
		return instantly_update(q, p);
	case EP_DELETE_LEADS:
		return instantly_delete(q, p);
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
