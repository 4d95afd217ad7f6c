/*
 * Webhooks in, and what became of them. A webhook proves whom it comes from by its signature over the raw bytes; it is answered
 * when it is on disk, and its meaning is found out later.
 */
#include "daemon/routes.h"

#include "lib/base/ids.h"
#include "lib/base/text.h"
#include "lib/engine/show/show.h"
#include "lib/engine/show/show_task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The intake of the path, or a 404 with the nearest name. */
static const struct intake *intake_param(struct leadd *l, struct http_request *r)
{
	const struct config *c = engine_config(l->engine);
	const char *name = http_param(r, "intake"), *names[65] = {NULL}, *nearest;
	const struct intake *in = config_intake(c, name);

	if (in != NULL) {
		return in;
	}
	for (size_t i = 0; i < c->n_intakes && i < 64; i++) {
		names[i] = c->intakes[i].name;
	}
	nearest = http_may(r, HTTP_READ) ? text_nearest(name, names) : NULL; /* strangers need not know the others */
	http_reply_problem(r, 404, "not-found", "there is no intake '%.80s'%s%s%s", name, nearest != NULL ? "; is '" : "", nearest != NULL ? nearest : "",
	    nearest != NULL ? "' meant?" : "");
	return NULL;
}

/* --- in --- */

static const char *header_of(void *arg, const char *name)
{
	return http_header(arg, name);
}

/* False when it was answered already. */
static bool is_signed(struct leadd *l, struct http_request *r, const struct intake *in, const void *body, size_t len)
{
	const struct secret *s = config_secret(engine_config(l->engine), in->verify.secret);
	const char *why;

	if (s == NULL) {
		http_reply_problem(r, 503, "no-secret", "the credential to check it with is missing");
		return false;
	}
	why = signature_refuses(&in->verify.rule, s->text, s->len, header_of, r, body, len, clock_now().wall_us);
	if (why != NULL) {
		http_reply_problem(r, 401, why, "%s",
		    strcmp(why, "no-signature") == 0	? "the headers with the signature are missing"
		    : strcmp(why, "bad-key") == 0	? "our secret for it is not in hex digits"
		    : strcmp(why, "old-signature") == 0 ? "the time in the signature is too far from ours"
							: "the signature is not that of these bytes under our secret");
		return false;
	}
	return true;
}

static void on_taken(struct leadd *l, struct http_request *r, struct command *c)
{
	char text[96], id[17];

	(void)l;
	if (c->rc != 0) {
		command_problem(r, c);
		return;
	}
	ids_write(c->message, id);
	(void)snprintf(text, sizeof(text), "{\"task\":\"%s\",\"state\":\"pending\"}", id);
	http_reply_text(r, 202, "application/json", text, strlen(text));
}

void post_intake(void *app, struct http_request *r)
{
	struct leadd *l = app;
	const struct intake *in = intake_param(l, r);
	struct command *c;
	const void *body;
	size_t len;

	if (in == NULL) {
		return;
	}
	body = http_body(r, &len);
	if (!is_signed(l, r, in, body, len)) {
		return;
	}
	c = command_new(COMMAND_INTAKE);
	(void)snprintf(c->service, sizeof(c->service), "%s", in->name);
	c->body = malloc(len + 1);
	if (c->body == NULL) {
		abort();
	}
	memcpy(c->body, body, len);
	c->body_len = len;
	command_send(l, c, r, on_taken);
}

/* --- what became of it --- */

void get_task(void *app, struct http_request *r)
{
	struct leadd *l = app;
	const char *text = http_param(r, "task");
	uint64_t id, plain = 0;
	struct json_object *o;
	struct txn *t;

	if (!http_query_uint(r, "plain", 0, 1, &plain)) {
		return;
	}
	if (plain == 1 && !http_may(r, HTTP_READ)) {
		http_reply_problem(r, 403, "forbidden", "this token may not see what is personal: leave 'plain' out");
		return;
	}
	if (!ids_parse(text, &id)) {
		http_reply_problem(r, 404, "not-found", "there is no task %.40s", text);
		return;
	}
	t = read_begin(l, r);
	if (t == NULL) {
		return;
	}
	o = show_task(l->engine, t, id, plain == 1, clock_now());
	txn_abort(t);
	if (o != NULL) {
		http_reply_json(r, 200, o);
	} else {
		http_reply_problem(r, 404, "not-found", "there is no task %s, or it was forgotten (inbox: keep)", text);
	}
}

static bool task_filter(struct http_request *r, struct task_filter *ret)
{
	const char *state = http_query(r, "state"), *cursor = http_query(r, "cursor");
	enum task_state s;
	uint64_t limit;

	if (!list_limit(r, &limit)) {
		return false;
	}
	ret->limit = (unsigned)limit;
	if (state != NULL && state[0] != 0) {
		if (!task_state_parse(state, &s)) {
			http_reply_problem(r, 400, "bad-state", "'state' is one of pending, running, success, failure");
			return false;
		}
		ret->states = 1u << s;
	}
	if (cursor != NULL && !ids_parse(cursor, &ret->before)) {
		http_reply_problem(r, 400, "bad-cursor", "'cursor' is what 'next' of the page before said");
		return false;
	}
	return true;
}

void get_tasks(void *app, struct http_request *r)
{
	struct leadd *l = app;
	const struct intake *in = intake_param(l, r);
	struct task_filter f = {.intake = in != NULL ? in->name : NULL};
	struct txn *t;

	if (in != NULL && task_filter(r, &f) && (t = read_begin(l, r)) != NULL) {
		http_reply_json(r, 200, show_tasks(l->engine, t, &f));
		txn_abort(t);
	}
}

void get_intakes(void *app, struct http_request *r)
{
	struct leadd *l = app;
	struct txn *t = read_begin(l, r);

	if (t != NULL) {
		http_reply_json(r, 200, show_intakes(l->engine, t));
		txn_abort(t);
	}
}

void get_intake(void *app, struct http_request *r)
{
	struct leadd *l = app;
	const struct intake *in = intake_param(l, r);
	struct txn *t = in != NULL ? read_begin(l, r) : NULL;

	if (t != NULL) {
		http_reply_json(r, 200, show_intake(l->engine, t, in->name));
		txn_abort(t);
	}
}

/* --- is it well --- */

static bool all_ok(struct json_object *services)
{
	struct json_object *state;

	for (size_t i = 0; i < json_object_array_length(services); i++) {
		if (json_object_object_get_ex(json_object_array_get_idx(services, i), "state", &state) && strcmp(json_object_get_string(state), "ok") != 0) {
			return false;
		}
	}
	return true;
}

/* The part of the status that a watcher needs; 503 while no work is taken. */
void get_health(void *app, struct http_request *r)
{
	static const char *const kept[] = {"taking_work", "why_not", "in_flight", "services"};
	struct leadd *l = app;
	struct txn *t = read_begin(l, r);
	struct json_object *status, *o, *v = NULL;
	bool taking = engine_refuses(l->engine) == NULL;

	if (t == NULL) {
		return;
	}
	status = show_status(l->engine, t, clock_now());
	txn_abort(t);
	o = json_object_new_object();
	(void)json_object_object_get_ex(status, "services", &v);
	json_object_object_add(o, "status", json_object_new_string(!taking ? "refusing" : all_ok(v) ? "ok" : "degraded"));
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (json_object_object_get_ex(status, kept[i], &v)) {
			json_object_object_add(o, kept[i], json_object_get(v));
		}
	}
	json_object_object_add(o, "events_waiting", json_object_new_int64((int64_t)show_events_waiting(l->engine)));
	json_object_put(status);
	http_reply_json(r, taking ? 200 : 503, o);
}
