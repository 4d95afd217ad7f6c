/*
 * lib/sim/instantly_bulk.c: POST leads/add: many leads at once.
 *
 * A bulk push gives counts, and by index only those that were created. Flags stand beside the list
 * and speak of the whole workspace: skip_if_in_campaign means any campaign. A lost push loses some
 * of its leads, at least one.
 */
#include "lib/sim/instantly.h"

#include <string.h>

#include <json-c/json.h>

#include "lib/base/ids.h"
#include "lib/base/text.h"

#define BULK_MAX 1000
#define PLAN_LEFT 10000 /* what the plan has room for; never used up */

static const char *text_of(struct json_object *lead, const char *key)
{
	struct json_object *v = json_object_object_get(lead, key);

	return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : NULL;
}

void instantly_read_bulk(struct ask *q)
{
	struct json_object *leads = json_object_object_get(q->tree, "leads");
	bool campaign = instantly_text(q, "campaign_id") != NULL,
	     list = instantly_text(q, "list_id") != NULL;
	size_t n =
	    json_object_is_type(leads, json_type_array) ? json_object_array_length(leads) : 0;

	if (q->bad != NULL) {
		return;
	}
	if (n < 1 || n > BULK_MAX) {
		ask_bad(q, 400, "leads", "body/leads must have 1 to %d items", BULK_MAX);
	} else if (campaign == list) {
		ask_bad(q, 400, NULL, "Either campaign_id or list_id must be given, not both");
	}
	for (size_t i = 0; i < n && q->bad == NULL; i++) {
		struct json_object *lead = json_object_array_get_idx(leads, i);

		if (!json_object_is_type(lead, json_type_object)) {
			ask_bad(q, 400, "leads", "body/leads/%zu must be object", i);
			return;
		}
		instantly_check_variables(q, lead);
		json_object_object_foreach(lead, key, value)
		{
			(void)value;
			if (!instantly_known(key) || strcmp(key, "campaign") == 0) {
				ask_bad(q, 400, NULL,
				    "body/leads/%zu must NOT have additional properties: %s", i,
				    key);
			}
		}
	}
}

/* --- leads/add --- */

enum fate { CREATED, LOST, SKIPPED, TWICE, INVALID, FATES };

struct bulk {
	const char *campaign, *list;
	bool skip_workspace, skip_campaign;
	size_t fates[FATES];
	struct buf created; /* items of created_leads */
};

/* The meaning of one lead's push: the same as if it were sent alone. 0: out of memory. */
static uint64_t meaning_of(struct ask *q, const char *email, const char *place)
{
	char *text = arena_printf(q->a, "%s\n%s", email, place);
	uint64_t parts[] = {(uint64_t)q->service, EP_CREATE_LEAD, 0};

	if (text == NULL) {
		return 0;
	}
	text_lower(text, strlen(email));
	parts[2] = hash_plain(text, strlen(text));
	return hash_many(parts, 3);
}

static bool is_twice(const struct ask *q, uint64_t meaning)
{
	for (size_t i = 0; i < q->n_items; i++) {
		if (q->items[i].meaning == meaning) {
			return true;
		}
	}
	return false;
}

static bool is_there(struct ask *q, const struct bulk *b, const char *email)
{
	const struct leads *l = q->leads;

	if (b->skip_workspace) {
		return leads_find(l, email, NULL) != NULL;
	}
	for (uint32_t i = b->skip_campaign ? leads_last(l, email) : 0; i != 0;
	     i = l->all[i - 1].prev) {
		if (!l->all[i - 1].deleted && l->all[i - 1].text[LEAD_CAMPAIGN] != NULL) {
			return true;
		}
	}
	return false;
}

static int create(struct ask *q, const struct bulk *b, struct json_object *lead, uint64_t meaning,
    const struct pushed **ret)
{
	struct json_object *vars = json_object_object_get(lead, "custom_variables");
	struct pushed new = {.meaning = meaning, .created_us = q->now.wall_us};
	const uint64_t parts[] = {q->s->seed, meaning};

	for (size_t i = 0; i < LEAD_TEXTS; i++) {
		new.text[i] = text_of(lead, lead_text_names[i]);
	}
	new.text[LEAD_CAMPAIGN] = b->campaign;
	new.text[LEAD_LIST] = b->list;
	new.payload = vars != NULL ? json_object_to_json_string_ext(vars,
					 JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
				   : NULL;
	return leads_push(q->leads, &new, hash_many(parts, 2), ret);
}

/* Half of those of a lost push, the first that could be created among them. */
static bool is_lost(const struct ask *q, const struct bulk *b, uint64_t meaning)
{
	const uint64_t parts[] = {q->s->seed, meaning, q->attempt, 9};

	return q->lost && (b->fates[LOST] == 0 || hash_many(parts, 4) % 2 == 0);
}

static int push_one(struct ask *q, struct bulk *b, struct json_object *lead, size_t index)
{
	const char *email = text_of(lead, "email"), *id;
	struct ask_item *item = &q->items[q->n_items];
	const struct pushed *kept;
	char lost[37];

	if (email == NULL || strchr(email, '@') == NULL) {
		b->fates[INVALID]++;
		return 0;
	}
	*item = (struct ask_item){
	    .meaning = meaning_of(q, email, b->campaign != NULL ? b->campaign : b->list)};
	if (is_twice(q, item->meaning)) {
		b->fates[TWICE]++;
		return 0;
	}
	q->n_items++;
	if (is_there(q, b, email)) {
		item->outcome = ACCOUNT_DUPLICATE;
		b->fates[SKIPPED]++;
		return 0;
	}
	if (is_lost(q, b, item->meaning)) {
		item->again = AGAIN_LOST;
		leads_name(lost, item->meaning, index, true);
		id = lost;
		b->fates[LOST]++;
	} else if (create(q, b, lead, item->meaning, &kept) != 0) {
		return LEAD_ENOMEM;
	} else {
		id = kept->id;
		b->fates[CREATED]++;
	}
	buf_printf(&b->created,
	    "%s{\"index\":%zu,\"id\":\"%s\",\"email\":", b->created.len > 0 ? "," : "", index, id);
	json_add(&b->created, email);
	buf_add_char(&b->created, '}');
	return 0;
}

static void write_counts(struct ask *q, const struct bulk *b, size_t n)
{
	buf_printf(q->body,
	    "{\"status\":\"success\",\"total_sent\":%zu,\"leads_uploaded\":%zu,\"duplicated_"
	    "leads\":%zu,"
	    "\"skipped_count\":%zu,\"invalid_email_count\":%zu",
	    n, b->fates[CREATED] + b->fates[LOST], b->fates[SKIPPED], b->fates[SKIPPED],
	    b->fates[INVALID]);
	buf_printf(q->body,
	    ",\"incomplete_count\":0,\"duplicate_email_count\":%zu,\"in_blocklist\":0,"
	    "\"blocklist_used\":null,\"remaining_in_plan\":%d,\"created_leads\":[",
	    b->fates[TWICE], PLAN_LEFT);
	buf_add(q->body, b->created.data, b->created.len);
	buf_add_text(q->body, "]}");
	q->body->failed = q->body->failed || b->created.failed;
}

int instantly_bulk(struct ask *q, struct world_plan *p)
{
	struct json_object *leads = json_object_object_get(q->tree, "leads");
	size_t n = json_object_array_length(leads);
	struct bulk b = {.campaign = instantly_text(q, "campaign_id"),
	    .list = instantly_text(q, "list_id"),
	    .skip_workspace = instantly_flag(q, "skip_if_in_workspace"),
	    .skip_campaign = instantly_flag(q, "skip_if_in_campaign")};
	int rc = 0;

	if (!instantly_has_campaign(q, b.campaign)) {
		instantly_error(q, p, 404, "Campaign not found");
		return 0;
	}
	q->ledger = true;
	q->items = arena_zalloc(q->a, n * sizeof(*q->items));
	if (q->items == NULL) {
		return LEAD_ENOMEM;
	}
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = push_one(q, &b, json_object_array_get_idx(leads, i), i);
	}
	plan_json(p, 200);
	write_counts(q, &b, n);
	buf_free(&b.created);
	q->outcome = b.fates[CREATED] + b.fates[LOST] > 0 ? ACCOUNT_OK : ACCOUNT_DUPLICATE;
	return rc;
}
