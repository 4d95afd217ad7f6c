/* Reload, backup and store check over the API. See routes.h. */
#include "daemon/routes.h"
#include "lib/base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct json_object *lines_of(const struct buf *b)
{
	struct json_object *list = json_object_new_array();
	const char *at = b->data;

	for (const char *end; at != NULL && (end = strchr(at, '\n')) != NULL; at = end + 1) {
		json_object_array_add(list, json_object_new_string_len(at, (int)(end - at)));
	}
	return list;
}

struct reloading {
	struct leadd *l;
	struct http_request *r;
	bool only_check;
	struct json_object *answer;
};

static void on_reloaded(void *ctx, struct command *c)
{
	struct reloading *x = ctx;

	if (c->rc != 0) {
		json_object_put(x->answer);
		command_problem(x->r, c);
	} else {
		reload_done(x->l);
		http_reply_json(x->r, 200, x->answer);
	}
	free(x);
}

static void bad_configuration(struct http_request *r, const struct problems *problems)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	const char *text;

	for (struct problem *p = problems->first; p != NULL; p = p->next) {
		json_object_array_add(list, json_object_new_string(p->text));
	}
	json_object_object_add(o, "type", json_object_new_string("about:blank"));
	json_object_object_add(o, "title", json_object_new_string("Unprocessable Content"));
	json_object_object_add(o, "status", json_object_new_int(422));
	json_object_object_add(o, "code", json_object_new_string("bad-configuration"));
	json_object_object_add(o, "detail", json_object_new_string(problems->first != NULL ? problems->first->text : "the configuration cannot be read"));
	json_object_object_add(o, "problems", list);
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_NOSLASHESCAPE);
	http_reply_text(r, 422, "application/problem+json", text, strlen(text));
	json_object_put(o);
}

static void apply(struct reloading *x, struct config *fresh)
{
	struct command *c = command_new(COMMAND_RELOAD);

	c->config = fresh;
	c->done = on_reloaded;
	c->ctx = x;
	engine_command(x->l->engine, c);
	loop_poke(x->l);
}

static void on_configured(void *arg, struct config *fresh, const struct problems *problems)
{
	struct reloading *x = arg;
	struct buf diff = {0};

	if (fresh == NULL) {
		bad_configuration(x->r, problems);
		free(x);
		return;
	}
	config_diff(engine_config(x->l->engine), fresh, &diff);
	x->answer = json_object_new_object();
	json_object_object_add(x->answer, "generation", json_object_new_int64((int64_t)fresh->generation));
	json_object_object_add(x->answer, "changes", lines_of(&diff));
	json_object_object_add(x->answer, "applied", json_object_new_boolean(!x->only_check));
	buf_free(&diff);
	if (!x->only_check) {
		apply(x, fresh);
		return;
	}
	config_unref(fresh);
	http_reply_json(x->r, 200, x->answer);
	free(x);
}

void post_reload(void *app, struct http_request *r)
{
	const char *check = http_query(r, "check");
	bool only_check = check != NULL && strcmp(check, "1") == 0;
	struct reloading *x;

	if (check != NULL && !only_check && strcmp(check, "0") != 0) {
		http_reply_problem(r, 400, "bad-parameter", "'check' is 0 or 1");
		return;
	}
	x = calloc(1, sizeof(*x));
	if (x == NULL) {
		abort();
	}
	*x = (struct reloading){.l = app, .r = r, .only_check = only_check};
	reload_read(app, on_configured, x);
}

struct copying {
	struct http_request *r;
	char path[4096];
};

static void on_copied(void *arg, int status, const char *output)
{
	struct copying *x = arg;

	if (status != 0) {
		http_reply_problem(x->r, 500, "backup-failed", "%s", output[0] != 0 ? output : "the copy did not end well");
	} else {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "path", json_object_new_string(x->path));
		http_reply_json(x->r, 202, o);
	}
	free(x);
}

void post_backup(void *app, struct http_request *r)
{
	struct leadd *l = app;
	struct copying *x = calloc(1, sizeof(*x));
	const char *dir = engine_config(l->engine)->state_dir;
	const char *args[] = {"leadd", "--copy", dir, NULL, NULL};
	struct lead_error err;
	char at[25];

	if (x == NULL) {
		abort();
	}
	time_write_utc(clock_now().wall_us, at);
	for (char *p = at; *p != 0; p++) {
		*p = *p == ':' || *p == '.' ? '-' : *p;
	}
	x->r = r;
	(void)snprintf(x->path, sizeof(x->path), "%s/backups/leadd-%s.mdb", dir, at);
	args[3] = x->path;
	if (child_start(l, args, on_copied, x, &err) != 0) {
		free(x);
		http_reply_error(r, &err);
	}
}

/* The child prints a line per problem, then the counts as one JSON object. */
static void on_checked(void *arg, int status, const char *output)
{
	struct http_request *r = arg;
	const char *counts = strrchr(output, '{');
	struct json_object *o = NULL;
	struct buf lines = {0};

	if (status > 1 || counts == NULL || json_parse(counts, strcspn(counts, "\n"), &o, NULL) != 0) {
		http_reply_problem(r, 500, "store-damaged", "%s", output[0] != 0 ? output : "the check did not end well");
		return;
	}
	buf_add(&lines, output, (size_t)(counts - output));
	json_object_object_add(o, "lines", lines_of(&lines));
	buf_free(&lines);
	http_reply_json(r, 200, o);
}

void post_check(void *app, struct http_request *r)
{
	struct leadd *l = app;
	const char *args[] = {"leadd", "--store-check", engine_config(l->engine)->state_dir, NULL};
	struct lead_error err;

	if (child_start(l, args, on_checked, r, &err) != 0) {
		http_reply_error(r, &err);
	}
}
