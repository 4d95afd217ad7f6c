/*
 * POST /v1/plans: a plan is reckoned by a child process, one at a time; see lib/engine/plan/plan.h.
 *
 *   the body, checked -> leadd --plan CONFIG STATE_DIR BODY (nice, bounded, no credential) -> its one line of JSON -> 200
 *
 * The child reads the configuration as its files stand now: a change can be planned before it is loaded. Of the credentials
 * it gets to know only which are missing.
 */
#include "daemon/child_kit.h"
#include "daemon/routes.h"
#include "daemon/workbook.h"
#include "lib/base/json.h"
#include "lib/engine/plan/plan.h"
#include "lib/engine/run/approve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#define CPU_S 110                      /* the request gives up after 120 s */
#define MEMORY_BYTES (UINT64_C(2) << 30)
#define MAX_JSON (60 * 1024)           /* what a pipe holds, and a little less */
#define MAX_BODY (100 * 1024)          /* what an argument may hold */
#define EXIT_INPUT 2

/* --- in the daemon --- */

struct planning {
	struct leadd *l;
	struct http_request *r;
	struct json_object *body; /* of the request */
	char upload[40];
};

static void on_planned(void *arg, int status, const char *output)
{
	struct planning *p = arg;
	struct json_object *o = NULL;

	p->l->planning = false;
	upload_drop(p->l, p->upload);
	if (status == 0 && json_parse(output, strlen(output), &o, NULL) == 0) {
		http_reply_json(p->r, 200, o);
	} else if (status == EXIT_INPUT) {
		http_reply_problem(p->r, 400, "bad-plan", "%s", output);
	} else {
		http_reply_problem(p->r, 500, "plan-failed", "%s", status == 1 && output[0] != 0 ? output : "the plan took too much time or memory");
	}
	free(p);
}

static struct json_object *missing_secrets(const struct config *c)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < c->n_services; i++) {
		for (size_t k = 0; k < c->services[i]->n_keys; k++) {
			const char *secret = c->services[i]->keys[k].secret;

			if (secret != NULL && config_secret(c, secret) == NULL) {
				json_object_array_add(list, json_object_new_string(secret));
			}
		}
	}
	return list;
}

static int check_what_if(struct json_object *body, struct json_object **ret, struct lead_error *err)
{
	*ret = NULL;
	if (json_get_array(body, "what_if", "the plan", ret, err) < 0) {
		return LEAD_EINPUT;
	}
	for (size_t i = 0; *ret != NULL && i < json_object_array_length(*ret); i++) {
		if (i == PLAN_CHANGES) {
			return lead_fail(err, LEAD_EINPUT, "the plan: 'what_if' has at most %d changes", PLAN_CHANGES);
		}
		if (!json_object_is_type(json_object_array_get_idx(*ret, i), json_type_string)) {
			return lead_fail(err, LEAD_EINPUT, "the plan: 'what_if' is a list of texts such as \"openai.limit=120/60s\"");
		}
	}
	return 0;
}

static void make(struct planning *p)
{
	const char *args[] = {"leadd", "--plan", p->l->config_file, engine_config(p->l->engine)->state_dir, NULL, NULL};
	struct lead_error err;

	json_object_object_add(p->body, "missing", missing_secrets(engine_config(p->l->engine)));
	args[4] = json_object_to_json_string_ext(p->body, JSON_C_TO_STRING_PLAIN);
	if (p->l->planning) {
		http_reply_problem(p->r, 409, "plan-running", "another plan is being made: try again in a moment");
	} else if (strlen(args[4]) > MAX_BODY) {
		http_reply_problem(p->r, 413, "too-large", "the plan's body is too long");
	} else if (child_start(p->l, args, on_planned, p, &err) != 0) {
		http_reply_error(p->r, &err);
	} else {
		p->l->planning = true;
		return;
	}
	free(p);
}

static void on_text(void *arg, enum upload_kind kind)
{
	struct planning *p = arg;

	if (kind == UPLOAD_LOST) {
		upload_drop(p->l, p->upload);
		free(p);
		return;
	}
	if (kind == UPLOAD_BOOK) {
		workbook_say(p->body);
	}
	make(p);
}

static void start(struct leadd *l, struct http_request *r, struct json_object *body, const char *upload, const char *sheet)
{
	struct planning *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		abort();
	}
	*p = (struct planning){.l = l, .r = r, .body = body};
	(void)snprintf(p->upload, sizeof(p->upload), "%s", upload);
	if (!workbook_look(l, upload, sheet, r, on_text, p)) {
		free(p);
	}
}

/* A search's night cannot be foretold: nobody knows whom it will find. */
static int needs_file(const struct run_row *row, struct lead_error *err)
{
	return row->finds ? lead_fail(err, LEAD_EINPUT, "the plan needs 'upload': whom a search will find cannot be foretold") : 0;
}

void post_plan(void *app, struct http_request *r)
{
	struct leadd *l = app;
	struct json_object *body = http_body_json(r), *list;
	struct run_row row = {0};
	char sheet[SHEET_TEXT];
	struct lead_error err;

	if (body == NULL || !workbook_sheet(body, r, sheet)) {
		return;
	}
	if (run_body(engine_config(l->engine), body, &row, &err) != 0 || needs_file(&row, &err) != 0 || check_what_if(body, &list, &err) != 0) {
		run_row_fini(&row);
		http_reply_error(r, &err);
		return;
	}
	run_row_fini(&row); /* its texts are in it */
	if (!upload_whole(l, row.upload, r)) {
		return;
	}
	if (l->planning) {
		http_reply_problem(r, 409, "plan-running", "another plan is being made: try again in a moment");
		return;
	}
	start(l, r, body, row.upload, sheet);
}

/* --- in the child --- */

static int read_request(struct json_object *body, struct plan_request *q, struct lead_error *err)
{
	struct json_object *list;
	int rc = run_body(q->config, body, &q->start, err);

	q->by_wall_us = q->start.by_us;
	q->start.approved = APPROVE_ALL; /* what it will cost when all of it is released */
	q->start.sample = 0;
	q->start.by_us = 0; /* all of it is planned: the answer says how much would be done by then */
	rc = rc == 0 ? check_what_if(body, &list, err) : rc;
	for (size_t i = 0; rc == 0 && list != NULL && i < json_object_array_length(list); i++) {
		q->what_if[q->n_what_if++] = json_object_get_string(json_object_array_get_idx(list, i));
	}
	return rc;
}

static void print_plan(struct json_object *plan)
{
	if (strlen(json_object_to_json_string_ext(plan, JSON_C_TO_STRING_PLAIN)) > MAX_JSON) {
		json_object_object_add(plan, "timeline", NULL); /* the rest is what matters */
		json_object_object_add(plan, "binding", json_object_new_array());
	}
	(void)fputs(json_object_to_json_string_ext(plan, JSON_C_TO_STRING_PLAIN), stdout);
	(void)fflush(stdout);
}

int plan_main(const char *config_file, const char *state_dir, const char *request)
{
	struct store_options so = {.dir = state_dir, .read_only = true};
	struct plan_request q = {.now = clock_now(), .read = upload_read_spool, .ctx = (void *)(uintptr_t)state_dir};
	struct json_object *body = NULL, *plan = NULL, *missing = NULL;
	struct store *store = NULL;
	struct lead_error err = {.text = ""};
	char scratch[4096];
	int rc;

	child_bound(CPU_S, MEMORY_BYTES);
	(void)setpriority(PRIO_PROCESS, 0, 10);
	(void)snprintf(scratch, sizeof(scratch), "%s/plan", state_dir);
	q.scratch = scratch;
	rc = json_parse(request, strlen(request), &body, &err);
	(void)json_object_object_get_ex(body, "missing", &missing);
	rc = rc == 0 ? child_config(config_file, missing, &q.config, &err) : rc;
	rc = rc == 0 ? read_request(body, &q, &err) : rc;
	rc = rc == 0 ? store_open(&so, &store, &err) : rc;
	q.store = store;
	if (rc == 0 && getrandom(&q.seed, sizeof(q.seed), 0) != (ssize_t)sizeof(q.seed)) {
		rc = lead_fail(&err, LEAD_EBUG, "no random numbers");
	}
	rc = rc == 0 ? plan_make(&q, &plan, &err) : rc;
	if (rc == 0) {
		print_plan(plan);
	} else {
		(void)fputs(err.text, stdout);
	}
	json_object_put(plan);
	store_close(store);
	config_unref(q.config);
	json_object_put(body);
	return rc == 0 ? 0 : rc == LEAD_EINPUT ? EXIT_INPUT : 1;
}
