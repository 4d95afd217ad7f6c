/* lib/sim/hubspot_lists.c: lists kept by hand, and who is on them. */
#include "lib/sim/crm.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/base/text.h"

#define ADDED_MAX 1000

static void write_list(struct buf *out, const struct crm_list *l)
{
	buf_printf(out, "{\"listId\":\"%u\",\"name\":", l->id);
	json_add(out, l->name);
	buf_printf(out,
	    ",\"objectTypeId\":\"%s\",\"processingType\":\"MANUAL\",\"processingStatus\":"
	    "\"COMPLETE\",\"size\":%zu}",
	    l->object, l->n);
}

static int answer_list(struct ask *q, struct world_plan *p, const struct crm_list *l)
{
	plan_json(p, 200);
	buf_add_text(q->body, "{\"list\":");
	write_list(q->body, l);
	buf_add_char(q->body, '}');
	return 0;
}

int crm_new_list(struct ask *q, struct world_plan *p)
{
	const char *name = crm_text(q->tree, "name"), *object = crm_text(q->tree, "objectTypeId"),
		   *type = crm_text(q->tree, "processingType");
	struct crm_list *l;

	q->ledger = true;
	if (name == NULL || *name == '\0' || strlen(name) > 200 || object == NULL ||
	    (strcmp(object, "0-1") != 0 && strcmp(object, "0-2") != 0) || type == NULL ||
	    (strcmp(type, "MANUAL") != 0 && strcmp(type, "SNAPSHOT") != 0)) {
		crm_error(q, p, 400, "VALIDATION_ERROR",
		    "name, objectTypeId and processingType are wanted");
		return 0;
	}
	l = kept_new_list(q->kept, name, object);
	if (l == NULL) {
		q->outcome = ACCOUNT_DUPLICATE;
		crm_error(q, p, 400, "VALIDATION_ERROR", "A list of this name already exists");
		return 0;
	}
	return answer_list(q, p, l);
}

/* `/object-type-id/0-1/name/NAME`. */
int crm_find_list(struct ask *q, struct world_plan *p)
{
	const char *object = strstr(q->path, "/object-type-id/") + 16,
		   *name = strstr(object, "/name/");
	char *type = arena_dup(q->a, object, (size_t)(name - object));
	struct buf text = {0};
	struct crm_list *l = NULL;

	if (type == NULL) {
		return LEAD_ENOMEM;
	}
	if (text_percent_decode(&text, name + 6, strlen(name + 6), false) && text.data != NULL) {
		l = kept_list_named(q->kept, text.data, type);
	}
	buf_free(&text);
	if (l == NULL) {
		crm_error(q, p, 404, "OBJECT_NOT_FOUND", "List does not exist");
		return 0;
	}
	return answer_list(q, p, l);
}

int crm_search_lists(struct ask *q, struct world_plan *p)
{
	const char *wanted = crm_text(q->tree, "query");
	size_t n = 0;

	plan_json(p, 200);
	buf_add_text(q->body, "{\"lists\":[");
	for (size_t i = 0; i < q->kept->n_lists; i++) {
		if (wanted == NULL || strcasestr(q->kept->lists[i].name, wanted) != NULL) {
			buf_add_text(q->body, n++ > 0 ? "," : "");
			write_list(q->body, &q->kept->lists[i]);
		}
	}
	buf_printf(q->body, "],\"hasMore\":false,\"offset\":%zu,\"total\":%zu}", n, n);
	return 0;
}

/* `/crm/v3/lists/ID/…`; NULL: no such list, and the answer says so. */
static struct crm_list *list_of(struct ask *q, struct world_plan *p)
{
	unsigned long id = strtoul(q->path + strlen("/crm/v3/lists/"), NULL, 10);
	struct crm_list *l = id <= KEPT_LISTS ? kept_list(q->kept, (unsigned)id) : NULL;

	if (l == NULL) {
		crm_error(q, p, 404, "OBJECT_NOT_FOUND", "List does not exist");
	}
	return l;
}

static uint64_t record_id(struct json_object *v)
{
	return json_object_is_type(v, json_type_string)
		   ? strtoull(json_object_get_string(v), NULL, 10)
		   : (uint64_t)json_object_get_int64(v);
}

int crm_join(struct ask *q, struct world_plan *p)
{
	struct crm_list *l = list_of(q, p);
	size_t n = json_object_array_length(q->tree), added = 0;
	struct buf missing = {0};
	int rc = 0;

	q->ledger = true;
	if (l == NULL || n > ADDED_MAX) {
		if (l != NULL) {
			crm_error(q, p, 400, "VALIDATION_ERROR", "too many records");
		}
		return 0;
	}
	q->items = arena_zalloc(q->a, (n + 1) * sizeof(*q->items));
	if (q->items == NULL) {
		return LEAD_ENOMEM;
	}
	plan_json(p, 200);
	buf_add_text(q->body, "{\"recordsIdsAdded\":[");
	for (size_t i = 0; i < n && rc == 0; i++) {
		uint64_t id = record_id(json_object_array_get_idx(q->tree, i)),
			 both[] = {l->id, id};
		const struct record *r = kept_find(q->kept, id);
		bool good = r != NULL && r->company == (strcmp(l->object, "0-2") == 0), new = false;

		q->items[q->n_items].meaning = ask_meaning(q, both, sizeof(both));
		q->items[q->n_items++].outcome = good ? ACCOUNT_OK : ACCOUNT_PERMANENT;
		if (!good) {
			buf_printf(&missing, "%s\"%" PRIu64 "\"", missing.len > 0 ? "," : "", id);
			continue;
		}
		rc = kept_join(q->kept, l, id, &new);
		if (new) {
			buf_printf(q->body, "%s\"%" PRIu64 "\"", added++ > 0 ? "," : "", id);
		}
	}
	buf_printf(q->body, "],\"recordIdsMissing\":[%s],\"recordIdsRemoved\":[]}",
	    missing.data != NULL ? missing.data : "");
	rc = rc == 0 && missing.failed ? LEAD_ENOMEM : rc;
	buf_free(&missing);
	return rc;
}

int crm_members(struct ask *q, struct world_plan *p)
{
	struct crm_list *l = list_of(q, p);
	struct value v = ask_query(q, "after");
	int64_t after = 0, limit = 100;

	if (l == NULL) {
		return 0;
	}
	(void)value_to_int(&v, &after);
	v = ask_query(q, "limit");
	(void)value_to_int(&v, &limit);
	if (after < 0 || limit < 1 || limit > 250) {
		crm_error(q, p, 400, "VALIDATION_ERROR", "limit: 1 to 250");
		return 0;
	}
	plan_json(p, 200);
	buf_add_text(q->body, "{\"results\":[");
	for (size_t i = (size_t)after; i < l->n && i < (size_t)(after + limit); i++) {
		buf_printf(q->body, "%s{\"recordId\":\"%" PRIu64 "\"}",
		    i > (size_t)after ? "," : "", l->members[i]);
	}
	buf_add_char(q->body, ']');
	if (l->n > (size_t)(after + limit)) {
		buf_printf(q->body, ",\"paging\":{\"next\":{\"after\":\"%lld\"}}",
		    (long long)(after + limit));
	}
	buf_add_char(q->body, '}');
	return 0;
}
