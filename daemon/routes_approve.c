/*
 * What waits for a person is released over the API: by somebody with the right `approve`.
 */
#include "daemon/routes.h"
#include "lib/base/json.h"

#include <stdio.h>

static void on_approved(struct leadd *l, struct http_request *r, struct command *c)
{
	if (c->rc == COMMAND_WRONG_STATE) {
		http_reply_problem(r, 409, "wrong-state", "%s", c->err.text);
	} else if (c->rc != 0) {
		command_problem(r, c);
	} else {
		reply_run(l, r, 200, c->run);
	}
}

void post_approve(void *app, struct http_request *r)
{
	struct json_object *body = http_body_json(r);
	struct leadd *l = app;
	const char *stage = NULL;
	struct lead_error err;
	struct command *c;
	uint64_t run = 0;

	if (body == NULL || !http_param_uint(r, "run", 1, UINT32_MAX, &run)) {
		return;
	}
	if (json_get_string(body, "stage", "the approval", &stage, &err) < 0) {
		http_reply_error(r, &err);
		return;
	}
	c = command_new(COMMAND_APPROVE);
	c->run = (uint32_t)run;
	(void)snprintf(c->stage, sizeof(c->stage), "%s", stage != NULL ? stage : "");
	access_who(l, r, c->who, sizeof(c->who));
	command_send(l, c, r, on_approved);
}
