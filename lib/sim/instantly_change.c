/* lib/sim/instantly_change.c: PATCH of one lead, DELETE of many. */
#include "lib/sim/instantly.h"

#include <string.h>

#include <json-c/json.h>

#define DELETE_MAX 10000

/* The old custom variables with the new ones over them. */
static int merge_variables(struct ask *q, struct pushed *lead, struct json_object *vars)
{
	struct json_object *all =
	    lead->payload != NULL ? json_tokener_parse(lead->payload) : json_object_new_object();
	int rc = all != NULL ? 0 : LEAD_ENOMEM;

	json_object_object_foreach(vars, key, value)
	{
		rc = rc != 0 || json_object_object_add(all, key, json_object_get(value)) != 0
			 ? LEAD_ENOMEM
			 : 0;
	}
	rc = rc == 0 ? leads_set_payload(q->leads, lead,
			   json_object_to_json_string_ext(
			       all, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE))
		     : rc;
	json_object_put(all);
	return rc;
}

int instantly_update(struct ask *q, struct world_plan *p)
{
	struct pushed *lead = leads_get(q->leads, strrchr(q->path, '/') + 1);
	struct json_object *vars = json_object_object_get(q->tree, "custom_variables");
	int rc = 0;

	if (lead == NULL) {
		instantly_error(q, p, 404, "Lead not found");
		return 0;
	}
	instantly_check_variables(q, q->tree);
	for (size_t i = LEAD_FIRST_NAME; i < LEAD_TEXTS && rc == 0; i++) {
		const char *text = instantly_text(q, lead_text_names[i]);

		rc = text != NULL && q->bad == NULL
			 ? leads_set(q->leads, lead, (enum lead_text)i, text)
			 : 0;
	}
	if (q->bad != NULL) {
		instantly_error(q, p, 400, q->bad);
		return 0;
	}
	rc = rc == 0 && vars != NULL ? merge_variables(q, lead, vars) : rc;
	if (rc == 0) {
		plan_json(p, 200);
		leads_write(q->body, lead);
	}
	return rc;
}

static bool is_among(struct json_object *ids, const char *id)
{
	for (size_t i = 0; i < json_object_array_length(ids); i++) {
		const char *one = json_object_get_string(json_object_array_get_idx(ids, i));

		if (one != NULL && strcmp(one, id) == 0) {
			return true;
		}
	}
	return false;
}

int instantly_delete(struct ask *q, struct world_plan *p)
{
	struct json_object *ids = json_object_object_get(q->tree, "ids"),
			   *limit = json_object_object_get(q->tree, "limit");
	const char *campaign = instantly_text(q, "campaign_id"),
		   *list = instantly_text(q, "list_id");
	int64_t most = limit != NULL ? json_object_get_int64(limit) : DELETE_MAX, count = 0;

	if ((campaign == NULL) == (list == NULL) || most < 1 || most > DELETE_MAX ||
	    (ids != NULL && !json_object_is_type(ids, json_type_array))) {
		instantly_error(q, p, 400,
		    "body must have campaign_id or list_id, ids must be array, limit 1 to 10000");
		return 0;
	}
	for (size_t i = 0; i < q->leads->n && count < most; i++) {
		struct pushed *lead = &q->leads->all[i];
		const char *place = lead->text[campaign != NULL ? LEAD_CAMPAIGN : LEAD_LIST];

		if (lead->deleted || place == NULL ||
		    strcmp(place, campaign != NULL ? campaign : list) != 0 ||
		    (ids != NULL && !is_among(ids, lead->id))) {
			continue;
		}
		account_forget(q->account, lead->meaning);
		leads_delete(q->leads, lead);
		count++;
	}
	plan_json(p, 200);
	buf_printf(q->body, "{\"count\":%lld}", (long long)count);
	return 0;
}
