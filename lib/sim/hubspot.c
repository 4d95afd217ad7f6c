/*
 * lib/sim/hubspot.c: HubSpot CRM v3: objects by search, batch read and batch upsert; lists.
 *
 *   route -> read (the body as a tree) -> crm_* per endpoint (hubspot_objects.c, hubspot_lists.c)
 *
 * Searches carry no limit headers and have a window of their own. Which of the three 429s it is, is
 * told by policyName alone; a day that is used up is a quota, not a wait.
 */
#include "lib/sim/crm.h"

#include <inttypes.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/base/json.h"

#define OBJECTS "/crm/v3/objects/"
#define LISTS "/crm/v3/lists"

static enum world_endpoint route_list(const char *method, const char *tail)
{
	size_t len = strlen(tail);
	bool get = strcmp(method, "GET") == 0, post = strcmp(method, "POST") == 0;

	if (len == 0) {
		return post ? EP_CREATE_CRM_LIST : EP_N;
	}
	if (strcmp(tail, "/search") == 0) {
		return post ? EP_SEARCH_CRM_LISTS : EP_N;
	}
	if (strncmp(tail, "/object-type-id/", 16) == 0 && strstr(tail, "/name/") != NULL) {
		return get ? EP_FIND_CRM_LIST : EP_N;
	}
	if (len > 16 && strcmp(tail + len - 16, "/memberships/add") == 0) {
		return strcmp(method, "PUT") == 0 ? EP_ADD_MEMBERS : EP_N;
	}
	return get && len > 12 && strcmp(tail + len - 12, "/memberships") == 0 ? EP_LIST_MEMBERS
									       : EP_N;
}

static enum world_endpoint route(const char *method, const char *path)
{
	const char *tail;

	if (strncmp(path, LISTS, strlen(LISTS)) == 0) {
		return route_list(method, path + strlen(LISTS));
	}
	if (strncmp(path, OBJECTS, strlen(OBJECTS)) != 0 || strcmp(method, "POST") != 0) {
		return EP_N;
	}
	tail = path + strlen(OBJECTS);
	if (strncmp(tail, "contacts/", 9) != 0 && strncmp(tail, "companies/", 10) != 0) {
		return EP_N;
	}
	tail = strchr(tail, '/');
	return strcmp(tail, "/search") == 0         ? EP_SEARCH_OBJECTS
	       : strcmp(tail, "/batch/read") == 0   ? EP_READ_OBJECTS
	       : strcmp(tail, "/batch/upsert") == 0 ? EP_UPSERT_OBJECTS
						    : EP_N;
}

static int read(struct ask *q)
{
	int rc = ask_means(q, true);

	if (rc != 0) {
		return rc;
	}
	if (strcmp(q->r->method, "GET") == 0) {
		return 0;
	}
	rc = json_parse(q->r->body != NULL ? q->r->body : "", q->r->body_len, &q->tree, NULL);
	if (rc == LEAD_ENOMEM) {
		return rc;
	}
	if (rc != 0 || !json_object_is_type(q->tree,
			   q->endpoint == EP_ADD_MEMBERS ? json_type_array : json_type_object)) {
		ask_bad(q, 400, NULL, "Invalid input JSON on line 1, column 1");
	}
	return 0;
}

size_t crm_list_of(struct ask *q, const char *key, struct json_object **ret)
{
	*ret = json_object_object_get(q->tree, key);
	return json_object_is_type(*ret, json_type_array) ? json_object_array_length(*ret) : 0;
}

const char *crm_text(struct json_object *o, const char *key)
{
	struct json_object *v = json_object_object_get(o, key);

	return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : NULL;
}

static void add_ids(struct ask *q)
{
	buf_printf(q->body, ",\"correlationId\":\"%016" PRIx64 "\"", ask_roll(q, "correlation"));
}

void crm_error(
    struct ask *q, struct world_plan *p, int status, const char *category, const char *message)
{
	plan_json(p, status);
	buf_add_text(q->body, "{\"status\":\"error\",\"message\":");
	json_add(q->body, message);
	add_ids(q);
	buf_printf(q->body, ",\"category\":\"%s\"}", category);
}

/* The limit that this kind of call counts in tells itself; never on a search. */
static void add_limits(struct ask *q, struct world_plan *p)
{
	if (q->endpoint == EP_SEARCH_OBJECTS) {
		return;
	}
	for (size_t i = 0; i < SCENARIO_LIMITS; i++) {
		const struct ask_window *w = &q->windows[i];
		bool day = w->length_us == 0;

		if (!w->known) {
			continue;
		}
		plan_header(p, day ? "X-HubSpot-RateLimit-Daily" : "X-HubSpot-RateLimit-Max",
		    arena_printf(q->a, "%" PRIu64, w->max));
		plan_header(p,
		    day ? "X-HubSpot-RateLimit-Daily-Remaining" : "X-HubSpot-RateLimit-Remaining",
		    arena_printf(q->a, "%" PRIu64, w->max > w->used ? w->max - w->used : 0));
		if (!day) {
			plan_header(p, "X-HubSpot-RateLimit-Interval-Milliseconds",
			    arena_printf(q->a, "%" PRId64, w->length_us / US_PER_MS));
		}
	}
}

static int answer(struct ask *q, struct world_plan *p)
{
	static int (*const answers[])(struct ask *, struct world_plan *) = {crm_search,
	    crm_read_batch, crm_upsert, crm_new_list, crm_find_list, crm_search_lists, crm_join,
	    crm_members};
	int rc = answers[q->endpoint - EP_SEARCH_OBJECTS](q, p);

	add_limits(q, p);
	return rc;
}

static bool day_is_over(const struct ask *q)
{
	for (size_t i = 0; i < SCENARIO_LIMITS; i++) {
		if (q->windows[i].known && q->windows[i].length_us == 0 &&
		    q->windows[i].used > q->windows[i].max) {
			return true;
		}
	}
	return false;
}

static void refuse_limit(struct ask *q, const char *policy, struct world_plan *p)
{
	char lower[32];
	size_t i = 0;

	for (; policy[i] != '\0'; i++) {
		lower[i] = policy[i] == '_' ? '_' : (char)(policy[i] + 32);
	}
	lower[i] = '\0';
	plan_json(p, 429);
	buf_printf(q->body,
	    "{\"status\":\"error\",\"message\":\"You have reached your %s limit.\","
	    "\"errorType\":\"RATE_LIMIT\"",
	    lower);
	add_ids(q);
	buf_printf(q->body, ",\"policyName\":\"%s\",\"requestId\":\"%016" PRIx64 "\"}", policy,
	    ask_roll(q, "request"));
	add_limits(q, p);
}

static void refuse(
    struct ask *q, enum refusal why, bool tokens, int64_t wait_us, struct world_plan *p)
{
	bool moving = ask_roll(q, "moving") % 2 == 0;
	static const struct {
		int status;
		const char *category, *message;
	} forms[] = {
	    [REFUSAL_PATH] = {404, "OBJECT_NOT_FOUND", "resource not found"},
	    [REFUSAL_AUTH] = {401, "INVALID_AUTHENTICATION",
		"Authentication credentials not found."},
	    [REFUSAL_BILLING] = {402, "PAYMENT_REQUIRED", "The account's plan has ended."},
	    [REFUSAL_500] = {500, "ERROR", "internal error"},
	    [REFUSAL_OVERLOAD] = {503, "SERVICE_UNAVAILABLE", "try again later"},
	    [REFUSAL_200] = {200, "ERROR", "internal error"},
	};

	(void)tokens;
	switch (why) {
	case REFUSAL_BAD:
		crm_error(q, p, q->bad_status, "VALIDATION_ERROR", q->bad);
		break;
	case REFUSAL_THROTTLE:
		refuse_limit(q,
		    day_is_over(q)                     ? "DAILY"
		    : q->endpoint == EP_SEARCH_OBJECTS ? "SECONDLY"
						       : "TEN_SECONDLY_ROLLING",
		    p);
		break;
	case REFUSAL_QUOTA:
		refuse_limit(q, "DAILY", p);
		break;
	case REFUSAL_SLOW_DOWN: /* of the account, not of a limit */
		crm_error(q, p, moving ? 477 : 423, moving ? "MIGRATION_IN_PROGRESS" : "LOCKED",
		    moving ? "the account is being moved" : "the account is locked");
		break;
	default:
		crm_error(q, p, forms[why].status, forms[why].category, forms[why].message);
		break;
	}
	plan_retry_after(q, p, wait_us);
}

const struct model model_hubspot = {.host = "hubapi.com",
    .route = route,
    .credential = ask_bearer,
    .read = read,
    .answer = answer,
    .refuse = refuse};
