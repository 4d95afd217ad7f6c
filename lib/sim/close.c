/*
 * lib/sim/close.c: Close: leads, contacts and the event log, to be read. Any id of the right form is one. The log tells of tasks
 * that name campaigns, a minute apart; what senders of webhooks tell is their own.
 *
 * A contact's id holds its lead's, so that both are told alike from either side. Every
 * answer says in RateLimit, in its older form, what the key has left.
 */
#include "lib/sim/firms.h"
#include "lib/sim/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE "/api/v1"
#define PEOPLE_MAX 3
#define PAGE_MAX 50
#define FIRST_TASK_US (INT64_C(1793613600) * US_PER_S) /* 2026-11-02T10:00:00Z */

static enum world_endpoint route(const char *method, const char *path)
{
	size_t len = strlen(path);

	if (strcmp(method, "GET") != 0 || strncmp(path, BASE, strlen(BASE)) != 0 ||
	    path[len - 1] != '/') {
		return EP_N;
	}
	path += strlen(BASE);
	return strcmp(path, "/event/") == 0 ? EP_CLOSE_EVENTS
	       : strncmp(path, "/lead/", 6) == 0 && path[6] != '\0'      ? EP_CLOSE_LEAD
	       : strncmp(path, "/contact/", 9) == 0 && path[9] != '\0' ? EP_CLOSE_CONTACT
								       : EP_N;
}

/* `Basic` and the key with an empty password; a Bearer token of an app is as good. */
static const char *credential(struct ask *q)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *value = ask_header(q, "Authorization");
	char *key;
	size_t n = 0;
	uint32_t bits = 0;
	int have = 0;

	if (value == NULL || strncmp(value, "Basic ", 6) != 0) {
		return ask_bearer(q);
	}
	key = arena_alloc(q->a, strlen(value));
	for (value += 6; key != NULL && *value != '\0' && *value != '='; value++) {
		const char *at = strchr(digits, *value);

		if (at == NULL) {
			return NULL;
		}
		bits = bits << 6 | (uint32_t)(at - digits);
		have += 6;
		if (have >= 8) {
			have -= 8;
			key[n++] = (char)(bits >> have & 0xff);
		}
	}
	if (key == NULL || n < 2 || key[n - 1] != ':') {
		return NULL;
	}
	key[n - 1] = '\0';
	return key;
}

static int read(struct ask *q)
{
	const char *id = strrchr(q->path + strlen(BASE), '/');

	if (q->endpoint == EP_CLOSE_EVENTS) {
		return ask_means(q, false);
	}
	while (id > q->path && id[-1] != '/') {
		id--;
	}
	q->subject = value_string(id, strcspn(id, "/"));
	q->meaning = ask_meaning(q, q->subject.text, q->subject.len);
	return 0;
}

/* What the key has left, on every answer; wait_us: until there is some, else until it is all there.
 */
static void add_limit(struct ask *q, struct world_plan *p, int64_t wait_us)
{
	int64_t reset_s =
	    ((wait_us > 0 ? wait_us : q->requests.reset_us) + US_PER_S - 1) / US_PER_S;

	if (q->requests.known) {
		plan_header(p, "RateLimit",
		    arena_printf(q->a, "limit=%" PRIu64 ", remaining=%" PRIu64 ", reset=%" PRId64,
			q->requests.max, wait_us > 0 ? 0 : q->requests.left,
			reset_s > 0 ? reset_s : 1));
	}
}

static void error(struct ask *q, struct world_plan *p, int status, const char *message)
{
	plan_json(p, status);
	buf_add_text(q->body, "{\"error\":");
	json_add(q->body, message);
	buf_add_char(q->body, '}');
}

/* Person i of the lead with this tail behind `lead_`. */
static void write_contact(struct ask *q, const char *tail, unsigned i)
{
	uint64_t lead = firm_draw(q->s->seed, "close", tail, 0);
	struct person person;
	char domain[40];

	(void)snprintf(domain, sizeof(domain), "lead%08x.com", (unsigned)lead);
	person_at(q->s->seed, domain, i, &person);
	buf_add_text(q->body, "{\"id\":");
	json_add(q->body, arena_printf(q->a, "cont_%02x%s", i, tail));
	buf_add_text(q->body, ",\"lead_id\":");
	json_add(q->body, arena_printf(q->a, "lead_%s", tail));
	buf_add_text(q->body, ",\"name\":");
	json_add(q->body, person.name);
	buf_add_text(q->body, ",\"title\":");
	json_add(q->body, person.title);
	buf_add_text(q->body, ",\"emails\":[");
	if (person.email[0] != '\0') {
		buf_add_text(q->body, "{\"email\":");
		json_add(q->body, person.email);
		buf_printf(q->body, ",\"type\":\"office\",\"is_unsubscribed\":%s}",
		    (lead + i) % 30 == 0 ? "true" : "false");
	}
	buf_printf(q->body, "],\"phones\":[{\"phone\":\"%s\",\"type\":\"office\"}],\"urls\":[]}",
	    person.phone);
}

static void answer_lead(struct ask *q, const char *tail)
{
	uint64_t lead = firm_draw(q->s->seed, "close", tail, 0);
	const struct region region = {.state = "CA", .pms = "Close"};
	struct firm firm;

	(void)firm_at(q->s->seed, &region, (unsigned)(lead & 0xffff), FIRM_GOOD, &firm);
	buf_add_text(q->body, "{\"id\":");
	json_add(q->body, arena_printf(q->a, "lead_%s", tail));
	buf_add_text(q->body, ",\"display_name\":");
	json_add(q->body, firm.name);
	buf_add_text(q->body, ",\"name\":");
	json_add(q->body, firm.name);
	buf_printf(q->body,
	    ",\"url\":\"https://lead%08x.com\",\"status_id\":\"stat_1\",\"status_label\":"
	    "\"Potential\",\"tasks\":[],\"contacts\":[",
	    (unsigned)lead);
	for (unsigned i = 0; i < (lead >> 40) % PEOPLE_MAX + 1; i++) {
		buf_add_text(q->body, i > 0 ? "," : "");
		write_contact(q, tail, i);
	}
	buf_add_text(q->body, "]}");
}

/* `cont_`, two hex digits of the place, the lead's tail; of any other id the tail is all of it. */
static void answer_contact(struct ask *q, const char *tail)
{
	char place[3] = "";

	if (strlen(tail) > 2 && strspn(tail, "0123456789abcdef") >= 2) {
		memcpy(place, tail, 2);
		tail += 2;
	}
	write_contact(q, tail, (unsigned)strtoul(place, NULL, 16));
}

/* --- the event log --- */

static void write_event(struct ask *q, uint64_t i)
{
	const struct scenario *s = q->s;
	char when[25];

	time_write_utc(FIRST_TASK_US + (int64_t)i * 60 * US_PER_S, when);
	buf_printf(q->body,
	    "{\"id\":\"ev_log_%" PRIu64 "\",\"object_type\":\"task.lead\",\"object_id\":\"task_log_%" PRIu64
	    "\",\"action\":\"created\",\"lead_id\":\"lead_log%" PRIu64 "\",\"date_created\":\"%.19s\",\"date_updated\":\"%.19s\",\"data\":{"
	    "\"id\":\"task_log_%" PRIu64 "\",\"_type\":\"lead\",\"lead_id\":\"lead_log%" PRIu64 "\",\"lead_name\":\"Lead %" PRIu64 "\",\"text\":",
	    i, i, i, when, when, i, i, i);
	json_add(q->body, arena_printf(q->a, "Instantly: %s", s->n_campaigns > 0 ? s->campaigns[i % s->n_campaigns].name : "Spring"));
	buf_add_text(q->body, "}}");
}

/* Times of the log have no offset: they are UTC. */
static bool parse_time(struct ask *q, const char *text, int64_t *ret_us)
{
	return time_parse_rfc3339(text, ret_us) || time_parse_rfc3339(arena_printf(q->a, "%sZ", text), ret_us);
}

static bool tells_of_tasks(struct ask *q)
{
	const char *type = ask_query_text(q, "object_type"), *action = ask_query_text(q, "action");

	return (type == NULL || strcmp(type, "task.lead") == 0) && (action == NULL || strcmp(action, "created") == 0);
}

static int answer_events(struct ask *q, struct world_plan *p)
{
	const char *since = ask_query_text(q, "date_updated__gte");
	size_t limit = ask_query_count(q, "_limit", 1, PAGE_MAX, PAGE_MAX, 400);
	size_t skip = ask_query_count(q, "_cursor", 0, SIZE_MAX / 2, 0, 400);
	uint64_t first = 1, last = q->s->close_tasks > skip ? q->s->close_tasks - skip : 0, n = 0;
	int64_t since_us;

	if (since != NULL && !parse_time(q, since, &since_us)) {
		ask_bad(q, 400, "date_updated__gte", "date_updated__gte is no time");
	} else if (since != NULL && since_us > FIRST_TASK_US) {
		first = (uint64_t)((since_us - FIRST_TASK_US + 60 * US_PER_S - 1) / (60 * US_PER_S));
	}
	if (q->bad != NULL) {
		error(q, p, 400, q->bad);
		return 0;
	}
	plan_json(p, 200);
	add_limit(q, p, 0);
	buf_add_text(q->body, "{\"data\":[");
	for (uint64_t i = last; tells_of_tasks(q) && i >= first && i > 0 && n < limit; i--, n++) {
		buf_add_text(q->body, n > 0 ? "," : "");
		write_event(q, i);
	}
	buf_add_text(q->body, "],\"cursor_previous\":null,\"cursor_next\":");
	buf_printf(q->body, n == limit && last - n >= first ? "\"%zu\"}" : "null}", skip + limit);
	return 0;
}

static int answer(struct ask *q, struct world_plan *p)
{
	char *id = arena_dup(q->a, q->subject.text, q->subject.len);
	bool lead = q->endpoint == EP_CLOSE_LEAD;

	if (q->endpoint == EP_CLOSE_EVENTS) {
		return answer_events(q, p);
	}
	if (id == NULL) {
		return LEAD_ENOMEM;
	}
	if (strncmp(id, lead ? "lead_" : "cont_", 5) != 0 || id[5] == '\0') {
		error(q, p, 404, "Empty query: does not exist.");
		return 0;
	}
	plan_json(p, 200);
	add_limit(q, p, 0);
	(lead ? answer_lead : answer_contact)(q, id + 5);
	return 0;
}

static void refuse(
    struct ask *q, enum refusal why, bool tokens, int64_t wait_us, struct world_plan *p)
{
	static const struct {
		int status;
		const char *message;
	} forms[] = {
	    [REFUSAL_BAD] = {400, NULL},
	    [REFUSAL_PATH] = {404, "The requested URL was not found on the server."},
	    [REFUSAL_AUTH] = {401, "The API key you are using is invalid."},
	    [REFUSAL_THROTTLE] = {429, "API call count exceeded for this 15 second window"},
	    [REFUSAL_SLOW_DOWN] = {429, "Too many requests"},
	    [REFUSAL_QUOTA] = {402, "Your plan does not include this."},
	    [REFUSAL_BILLING] = {402, "Your plan does not include this."},
	    [REFUSAL_500] = {500, "An error occurred"},
	    [REFUSAL_OVERLOAD] = {503, "Service unavailable"},
	    [REFUSAL_200] = {200, "An error occurred"},
	};

	(void)tokens;
	error(q, p, forms[why].status, why == REFUSAL_BAD ? q->bad : forms[why].message);
	if (why != REFUSAL_THROTTLE || wait_us > 0) {
		add_limit(q, p, wait_us);
	}
}

const struct model model_close = {.host = "close.com",
    .route = route,
    .credential = credential,
    .read = read,
    .answer = answer,
    .refuse = refuse,
    .tells_wait = true};
