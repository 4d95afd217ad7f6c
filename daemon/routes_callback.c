/*
 * What services call back: POST /v1/callbacks/{token}. The token in the path is the proof, so nothing else is asked for and a
 * wrong one learns nothing. It is answered when it is on disk.
 */
#include "daemon/routes.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_called_back(struct leadd *l, struct http_request *r, struct command *c)
{
	struct json_object *o;

	(void)l;
	if (c->rc != 0) {
		command_problem(r, c);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "taken", json_object_new_boolean(c->count == 0));
	http_reply_json(r, 200, o);
}

void post_callback(void *app, struct http_request *r)
{
	struct command *c = command_new(COMMAND_CALLBACK);
	const void *bytes = http_body(r, &c->body_len);

	(void)snprintf(c->token, sizeof(c->token), "%.39s", http_param(r, "token"));
	c->body = malloc(c->body_len + 1);
	if (c->body == NULL) {
		abort();
	}
	if (c->body_len > 0) {
		memcpy(c->body, bytes, c->body_len);
	}
	c->body[c->body_len] = 0;
	command_send(app, c, r, on_called_back);
}
