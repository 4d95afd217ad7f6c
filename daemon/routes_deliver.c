/* What a run brought to its destination: taken out again, read back as a whole. See routes.h. */
#include "daemon/routes.h"
#include "lib/base/json.h"
#include "lib/engine/show/show.h"

void get_recall(void *app, struct http_request *r)
{
	struct leadd *l = app;
	uint64_t run = 0, limit, after = 0, unsent = 0;
	struct txn *t;

	if (!http_param_uint(r, "run", 1, UINT32_MAX, &run) || !list_limit(r, &limit) || !http_query_uint(r, "cursor", 1, UINT32_MAX, &after) ||
	    !http_query_uint(r, "unsent_only", 0, 1, &unsent) || (t = read_begin(l, r)) == NULL) {
		return;
	}
	reply_or_missing(r, show_recall(l->engine, t, (uint32_t)run, unsent == 1, (uint32_t)after, (unsigned)limit), "run");
	txn_abort(t);
}

static void on_recalled(struct leadd *l, struct http_request *r, struct command *c)
{
	(void)l;
	reply_count(r, c, "recalling");
}

void post_recall(void *app, struct http_request *r)
{
	struct json_object *body = http_body_json(r);
	struct lead_error err;
	bool unsent = false;
	uint64_t run = 0;
	struct command *c;

	if (body == NULL || !http_param_uint(r, "run", 1, UINT32_MAX, &run)) {
		return;
	}
	if (json_get_bool(body, "unsent_only", "the recall", &unsent, &err) < 0) {
		http_reply_error(r, &err);
		return;
	}
	c = command_new(COMMAND_RECALL);
	c->run = (uint32_t)run;
	c->unsent_only = unsent;
	command_send(app, c, r, on_recalled);
}

/* --- read back --- */

static void reply_verify(struct leadd *l, struct http_request *r, int status, uint32_t run, uint32_t at, unsigned limit)
{
	struct txn *t = read_begin(l, r);
	struct json_object *o;

	if (t == NULL) {
		return;
	}
	o = show_verify(l->engine, t, run, at, limit);
	txn_abort(t);
	reply_found(r, status, o, "run");
}

void get_verify(void *app, struct http_request *r)
{
	uint64_t run = 0, limit, at = 0;

	if (http_param_uint(r, "run", 1, UINT32_MAX, &run) && list_limit(r, &limit) && http_query_uint(r, "cursor", 1, UINT32_MAX, &at)) {
		reply_verify(app, r, 200, (uint32_t)run, (uint32_t)at, (unsigned)limit);
	}
}

static void on_verify(struct leadd *l, struct http_request *r, struct command *c)
{
	if (c->rc != 0) {
		command_problem(r, c);
	} else {
		reply_verify(l, r, 202, c->run, 0, 0);
	}
}

void post_verify(void *app, struct http_request *r)
{
	struct json_object *body = http_body_json(r);
	struct lead_error err;
	bool repair = false;
	uint64_t run = 0;
	struct command *c;

	if (body == NULL || !http_param_uint(r, "run", 1, UINT32_MAX, &run)) {
		return;
	}
	if (json_get_bool(body, "repair", "the verify", &repair, &err) < 0) {
		http_reply_error(r, &err);
		return;
	}
	c = command_new(COMMAND_VERIFY);
	c->run = (uint32_t)run;
	c->repair = repair;
	command_send(app, c, r, on_verify);
}
