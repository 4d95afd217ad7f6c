/*
 * lib/sim/instantly_push.c: POST leads: one lead. A skip flag that hits is a 409 or the lead that
 * is there, as the scenario says: the documents name neither.
 */
#include "lib/sim/instantly.h"

#include <string.h>

#include <json-c/json.h>

#include "lib/base/text.h"

static const char *const push_keys[] = {"skip_if_in_workspace", "skip_if_in_campaign",
    "skip_if_in_list", "blocklist_id", "verify_leads_on_import", "verify_leads_for_lead_finder",
    "assigned_to", "custom_variables", NULL};

bool instantly_known(const char *key)
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

void instantly_check_variables(struct ask *q, struct json_object *lead)
{
	struct json_object *vars = json_object_object_get(lead, "custom_variables");

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

void instantly_read_push(struct ask *q)
{
	const char *email, *campaign, *list;
	char *place;

	json_object_object_foreach(q->tree, key, value)
	{
		(void)value;
		if (!instantly_known(key)) {
			ask_bad(q, 400, NULL, "body must NOT have additional properties: %s", key);
		}
	}
	instantly_check_variables(q, q->tree);
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

bool instantly_has_campaign(struct ask *q, const char *id)
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

int instantly_push(struct ask *q, struct world_plan *p)
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
	if (!instantly_has_campaign(q, new.text[LEAD_CAMPAIGN])) {
		q->outcome = ACCOUNT_PERMANENT;
		instantly_error(q, p, 404, "Campaign not found");
		return 0;
	}
	new.contacted = ask_draw(q, "contacted") % PPM < q->s->contacted_ppm;
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
