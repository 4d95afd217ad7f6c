/* Runs over the API. See routes.h. */
#include "daemon/routes.h"
#include "daemon/workbook.h"
#include "lib/base/json.h"
#include "lib/engine/show/export.h"
#include "lib/engine/show/show.h"
#include "lib/table/csv.h"

#include <stdio.h>
#include <string.h>

bool outcome_bits(struct http_request *r, const char *text, uint32_t *ret)
{
	char copy[200], *save = NULL;

	*ret = 0;
	if (text == NULL || text[0] == 0) {
		return true;
	}
	(void)snprintf(copy, sizeof(copy), "%s", text);
	for (char *word = strtok_r(copy, ",", &save); word != NULL; word = strtok_r(NULL, ",", &save)) {
		enum item_outcome o;

		if (!item_outcome_parse(word, &o)) {
			http_reply_problem(r, 400, "bad-outcome",
			    "'%s' is no outcome: open, ready, delivered, confirmed, rejected, suppressed, duplicate, failed, parked, recalled", word);
			return false;
		}
		*ret |= 1u << o;
	}
	return true;
}

void get_runs(void *app, struct http_request *r)
{
	struct leadd *l = app;
	uint64_t limit, before = 0;
	struct txn *t;

	if (!list_limit(r, &limit) || !http_query_uint(r, "cursor", 1, UINT32_MAX, &before) || (t = read_begin(l, r)) == NULL) {
		return;
	}
	http_reply_json(r, 200, show_runs(l->engine, t, (uint32_t)before, (unsigned)limit, clock_now()));
	txn_abort(t);
}

void reply_run(struct leadd *l, struct http_request *r, int status, uint32_t run)
{
	struct txn *t = read_begin(l, r);
	struct json_object *o;

	if (t == NULL) {
		return;
	}
	o = show_run(l->engine, t, run, clock_now());
	txn_abort(t);
	reply_found(r, status, o, "run");
}

void get_run(void *app, struct http_request *r)
{
	uint64_t run = 0;

	if (http_param_uint(r, "run", 1, UINT32_MAX, &run)) {
		reply_run(app, r, 200, (uint32_t)run);
	}
}

static void on_run_command(struct leadd *l, struct http_request *r, struct command *c)
{
	if (c->rc != 0) {
		command_problem(r, c);
	} else {
		reply_run(l, r, 200, c->run);
	}
}

static void run_command(void *app, struct http_request *r, enum command_kind kind)
{
	uint64_t run = 0;
	struct command *c;

	if (!http_param_uint(r, "run", 1, UINT32_MAX, &run)) {
		return;
	}
	c = command_new(kind);
	c->run = (uint32_t)run;
	command_send(app, c, r, on_run_command);
}

void post_pause(void *app, struct http_request *r)
{
	run_command(app, r, COMMAND_PAUSE);
}

void post_resume(void *app, struct http_request *r)
{
	run_command(app, r, COMMAND_RESUME);
}

void post_cancel(void *app, struct http_request *r)
{
	run_command(app, r, COMMAND_CANCEL);
}

static void on_retried(struct leadd *l, struct http_request *r, struct command *c)
{
	(void)l;
	reply_count(r, c, "retried");
}

void post_retry(void *app, struct http_request *r)
{
	struct json_object *body = http_body_json(r), *list = NULL;
	struct lead_error err;
	struct buf words = {0};
	uint64_t run = 0;
	int64_t lead = 0, by = 0, budget = 0;
	uint32_t bits = 0;
	struct command *c;

	if (body == NULL || !http_param_uint(r, "run", 1, UINT32_MAX, &run)) {
		return;
	}
	if (json_get_array(body, "outcome", "the retry", &list, &err) < 0 || json_get_int(body, "lead", "the retry", 1, UINT32_MAX, &lead, &err) < 0 ||
	    json_get_int(body, "budget_micro", "the retry", 1, INT64_MAX, &budget, &err) < 0 || read_by(body, "the retry", &by, &err) < 0) {
		http_reply_error(r, &err);
		return;
	}
	for (size_t i = 0; list != NULL && i < json_object_array_length(list); i++) {
		struct json_object *v = json_object_array_get_idx(list, i);

		buf_printf(&words, "%s%s", i > 0 ? "," : "", json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "?");
	}
	if (!outcome_bits(r, words.data, &bits)) {
		buf_free(&words);
		return;
	}
	buf_free(&words);
	c = command_new(COMMAND_RETRY);
	c->run = (uint32_t)run;
	c->lead = (uint32_t)lead;
	c->by_us = by;
	c->budget_micro = budget;
	c->outcomes = bits != 0 ? bits : 1u << ITEM_FAILED | 1u << ITEM_PARKED;
	command_send(app, c, r, on_retried);
}

void get_export(void *app, struct http_request *r)
{
	const char *format = http_query(r, "format");
	uint64_t run = 0;
	uint32_t bits;
	bool jsonl = format != NULL && strcmp(format, "jsonl") == 0, xlsx = format != NULL && strcmp(format, "xlsx") == 0;

	if (!http_param_uint(r, "run", 1, UINT32_MAX, &run) || !outcome_bits(r, http_query(r, "outcome"), &bits)) {
		return;
	}
	if (format != NULL && !jsonl && !xlsx && strcmp(format, "csv") != 0) {
		http_reply_problem(r, 400, "bad-format", "'format' is csv, jsonl or xlsx");
		return;
	}
	if (xlsx) {
		workbook_export(app, r, (uint32_t)run, bits);
		return;
	}
	export_start(app, r, (uint32_t)run, jsonl ? EXPORT_JSONL : EXPORT_CSV, bits);
}

void get_rejects(void *app, struct http_request *r)
{
	uint64_t run = 0;

	if (http_param_uint(r, "run", 1, UINT32_MAX, &run)) {
		export_start(app, r, (uint32_t)run, EXPORT_REJECTS, 0);
	}
}
