/*
 * The API: one table, and behind each line a short handler: read the request, ask the engine, answer.
 * Reads show what is on disk (a turn in the making is never seen); writes are commands, answered after their commit.
 */
#include "daemon/leadd.h"
#include "lib/base/ids.h"
#include "lib/base/json.h"
#include "lib/engine/export.h"
#include "lib/engine/show.h"
#include "lib/table/csv.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_LIST 1000
#define DEFAULT_LIST 100

static struct txn *read_begin(struct leadd *l, struct http_request *r)
{
	struct lead_error err;
	struct txn *t = NULL;

	if (txn_begin(l->store, false, &t, &err) != 0) {
		http_reply_error(r, &err);
		return NULL;
	}
	return t;
}

/* 200 with the object, or 404 when there is none. */
static void reply_or_missing(struct http_request *r, struct json_object *o, const char *what)
{
	if (o == NULL) {
		http_reply_problem(r, 404, "not-found", "there is no such %s", what);
	} else {
		http_reply_json(r, 200, o);
	}
}

static bool list_limit(struct http_request *r, uint64_t *ret)
{
	*ret = DEFAULT_LIST;
	return http_query_uint(r, "limit", 1, MAX_LIST, ret);
}

/* `rejected,failed` to bits. */
static bool outcome_bits(struct http_request *r, const char *text, uint32_t *ret)
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
			    "'%s' is no outcome: open, ready, delivered, confirmed, rejected, suppressed, duplicate, failed, parked", word);
			return false;
		}
		*ret |= 1u << o;
	}
	return true;
}

/* --- status --- */

static void put_times(struct json_object *o, const char *key, const struct times *t, bool turn)
{
	struct json_object *v = json_object_new_object();

	json_object_object_add(v, "p50", json_object_new_double(times_quantile_ms(t, 0.5)));
	json_object_object_add(v, "p99", json_object_new_double(times_quantile_ms(t, 0.99)));
	if (turn) {
		json_object_object_add(v, "p999", json_object_new_double(times_quantile_ms(t, 0.999)));
	}
	json_object_object_add(v, "max", json_object_new_double((double)t->max_us / 1000));
	json_object_object_add(o, key, v);
}

static void put_store(struct leadd *l, struct json_object *o)
{
	struct json_object *s = json_object_new_object();
	struct store_room room;

	store_room(l->store, &room);
	json_object_object_add(s, "bytes", json_object_new_int64((int64_t)room.used_bytes));
	json_object_object_add(s, "map_bytes", json_object_new_int64((int64_t)room.map_bytes));
	json_object_object_add(s, "used_percent", json_object_new_double(100.0 * (double)room.used_bytes / (double)room.map_bytes));
	json_object_object_add(s, "commits", json_object_new_int64((int64_t)room.commits));
	json_object_object_add(o, "store", s);
}

static void get_status(void *app, struct http_request *r)
{
	struct leadd *l = app;
	struct txn *t = read_begin(l, r);
	struct now now = clock_now();
	struct json_object *o;
	char at[25];

	if (t == NULL) {
		return;
	}
	o = show_status(l->engine, t, now);
	txn_abort(t);
	json_object_object_add(o, "version", json_object_new_string(LEADD_VERSION));
	json_object_object_add(o, "pid", json_object_new_int(getpid()));
	time_write_utc(l->started_wall_us, at);
	json_object_object_add(o, "started", json_object_new_string(at));
	time_write_utc(now.wall_us, at);
	json_object_object_add(o, "now", json_object_new_string(at));
	put_store(l, o);
	put_times(o, "commit_ms", &l->commit_times, false);
	put_times(o, "turn_ms", &l->turn_times, true);
	http_reply_json(r, 200, o);
}

/* --- runs --- */

static void get_runs(void *app, struct http_request *r)
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

static void reply_run(struct leadd *l, struct http_request *r, int status, uint32_t run)
{
	struct txn *t = read_begin(l, r);
	struct json_object *o;

	if (t == NULL) {
		return;
	}
	o = show_run(l->engine, t, run, clock_now());
	txn_abort(t);
	if (o != NULL && status != 200) {
		http_reply_json(r, status, o);
	} else {
		reply_or_missing(r, o, "run");
	}
}

static void get_run(void *app, struct http_request *r)
{
	uint64_t run = 0;

	if (http_param_uint(r, "run", 1, UINT32_MAX, &run)) {
		reply_run(app, r, 200, (uint32_t)run);
	}
}

static void on_started(struct leadd *l, struct http_request *r, struct command *c)
{
	if (c->rc == 2) {
		http_reply_problem(r, 422, "idempotency-mismatch", "%s", c->err.text);
	} else if (c->rc != 0) {
		command_problem(r, c);
	} else {
		reply_run(l, r, 201, (uint32_t)c->count);
	}
}

static int start_map(struct json_object *body, struct run_row *row, struct lead_error *err)
{
	struct json_object *list = NULL;
	size_t len = 0;
	int rc = json_get_array(body, "map", "the run", &list, err);

	for (size_t i = 0; rc == 0 && list != NULL && i < json_object_array_length(list); i++) {
		struct json_object *v = json_object_array_get_idx(list, i);
		const char *text = json_object_is_type(v, json_type_string) ? json_object_get_string(v) : NULL;
		int n;

		if (text == NULL || strchr(text, '=') == NULL || strchr(text, '\n') != NULL) {
			return lead_fail(err, LEAD_EINPUT, "the run: 'map' is a list of \"field=Header\"");
		}
		n = snprintf(row->map + len, sizeof(row->map) - len, "%s\n", text);
		if (n < 0 || (size_t)n >= sizeof(row->map) - len) {
			return lead_fail(err, LEAD_EINPUT, "the run: 'map' is longer than %zu bytes", sizeof(row->map));
		}
		len += (size_t)n;
	}
	return rc < 0 ? rc : 0;
}

static int start_table(struct json_object *body, struct run_row *row, struct lead_error *err)
{
	const char *encoding = NULL, *delimiter = NULL;
	enum csv_encoding e;

	row->encoding = 255;
	if (json_get_string(body, "encoding", "the run", &encoding, err) < 0 || json_get_string(body, "delimiter", "the run", &delimiter, err) < 0) {
		return LEAD_EINPUT;
	}
	if (encoding != NULL) {
		if (!csv_encoding_parse(encoding, &e)) {
			return lead_fail(err, LEAD_EINPUT, "the run: 'encoding' is one of utf-8, utf-8-bom, utf-16le, utf-16be, windows-1252, latin1");
		}
		row->encoding = (uint8_t)e;
	}
	if (delimiter != NULL) {
		const char *text = strcmp(delimiter, "tab") == 0 ? "\t" : delimiter;

		if (strlen(text) != 1 || strchr(",;\t|", text[0]) == NULL) {
			return lead_fail(err, LEAD_EINPUT, "the run: 'delimiter' is one of , ; | tab");
		}
		row->delimiter = text[0];
	}
	return start_map(body, row, err);
}

static int start_texts(struct leadd *l, struct json_object *body, struct run_row *row, struct lead_error *err)
{
	const char *campaign = NULL, *upload = NULL, *source = "upload";

	if (json_get_string(body, "campaign", "the run", &campaign, err) < 0 || json_get_string(body, "upload", "the run", &upload, err) < 0 ||
	    json_get_string(body, "source", "the run", &source, err) < 0) {
		return LEAD_EINPUT;
	}
	if (campaign == NULL || upload == NULL) {
		return lead_fail(err, LEAD_EINPUT, "the run needs '%s'", campaign == NULL ? "campaign" : "upload");
	}
	if (config_campaign(engine_config(l->engine), campaign) == NULL) {
		struct config *c = engine_config(l->engine);
		struct buf known = {0};

		for (size_t i = 0; i < c->n_campaigns; i++) {
			buf_printf(&known, "%s%s", i > 0 ? ", " : "", c->campaigns[i].name);
		}
		(void)lead_fail(err, LEAD_EINPUT, "there is no campaign '%.80s'; there %s: %.200s", campaign, c->n_campaigns == 1 ? "is" : "are",
		    known.len > 0 ? known.data : "none");
		buf_free(&known);
		return LEAD_EINPUT;
	}
	(void)snprintf(row->campaign, sizeof(row->campaign), "%s", campaign);
	(void)snprintf(row->upload, sizeof(row->upload), "%s", upload);
	(void)snprintf(row->source, sizeof(row->source), "%s", source);
	return 0;
}

static int start_numbers(struct json_object *body, struct run_row *row, struct lead_error *err)
{
	int64_t budget = -1, priority = 100, share = 1, limit = 0;
	bool paused = false;

	if (json_get_int(body, "budget_micro", "the run", 0, INT64_MAX, &budget, err) < 0 ||
	    json_get_int(body, "priority", "the run", 0, 255, &priority, err) < 0 ||
	    json_get_int(body, "share", "the run", 1, 1000, &share, err) < 0 ||
	    json_get_int(body, "limit", "the run", 1, UINT32_MAX, &limit, err) < 0 || json_get_bool(body, "paused", "the run", &paused, err) < 0) {
		return LEAD_EINPUT;
	}
	row->budget_micro = budget;
	row->priority = (uint8_t)priority;
	row->share = (uint32_t)share;
	row->max_rows = (uint64_t)limit;
	row->state = paused ? RUN_PAUSED : RUN_RUNNING;
	return 0;
}

static void post_run(void *app, struct http_request *r)
{
	struct leadd *l = app;
	struct json_object *body = http_body_json(r);
	const char *idem = http_header(r, "Idempotency-Key");
	struct lead_error err;
	struct command *c;
	const void *raw;
	size_t len;

	if (body == NULL) {
		return;
	}
	c = command_new(COMMAND_START);
	if (idem != NULL && (strlen(idem) == 0 || strlen(idem) >= sizeof(c->idem))) {
		http_reply_problem(r, 400, "bad-idempotency-key", "Idempotency-Key has 1 to 128 characters");
		free(c);
		return;
	}
	if (start_texts(l, body, &c->start, &err) != 0 || start_table(body, &c->start, &err) != 0 || start_numbers(body, &c->start, &err) != 0) {
		free(c);
		http_reply_error(r, &err);
		return;
	}
	raw = http_body(r, &len);
	(void)snprintf(c->idem, sizeof(c->idem), "%s", idem != NULL ? idem : "");
	c->idem_body = hash_plain(raw, len);
	command_send(l, c, r, on_started);
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

static void post_pause(void *app, struct http_request *r)
{
	run_command(app, r, COMMAND_PAUSE);
}

static void post_resume(void *app, struct http_request *r)
{
	run_command(app, r, COMMAND_RESUME);
}

static void post_cancel(void *app, struct http_request *r)
{
	run_command(app, r, COMMAND_CANCEL);
}

static void on_retried(struct leadd *l, struct http_request *r, struct command *c)
{
	struct json_object *o;

	(void)l;
	if (c->rc != 0) {
		command_problem(r, c);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "retried", json_object_new_int64((int64_t)c->count));
	http_reply_json(r, 200, o);
}

static void post_retry(void *app, struct http_request *r)
{
	struct json_object *body = http_body_json(r), *list = NULL;
	struct lead_error err;
	struct buf words = {0};
	uint64_t run = 0;
	int64_t lead = 0;
	uint32_t bits = 0;
	struct command *c;

	if (body == NULL || !http_param_uint(r, "run", 1, UINT32_MAX, &run)) {
		return;
	}
	if (json_get_array(body, "outcome", "the retry", &list, &err) < 0 || json_get_int(body, "lead", "the retry", 1, UINT32_MAX, &lead, &err) < 0) {
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
	c->outcomes = bits != 0 ? bits : 1u << ITEM_FAILED | 1u << ITEM_PARKED;
	command_send(app, c, r, on_retried);
}

static void get_export(void *app, struct http_request *r)
{
	const char *format = http_query(r, "format");
	uint64_t run = 0;
	uint32_t bits;
	bool jsonl = format != NULL && strcmp(format, "jsonl") == 0;

	if (!http_param_uint(r, "run", 1, UINT32_MAX, &run) || !outcome_bits(r, http_query(r, "outcome"), &bits)) {
		return;
	}
	if (format != NULL && !jsonl && strcmp(format, "csv") != 0) {
		http_reply_problem(r, 400, "bad-format", "'format' is csv or jsonl");
		return;
	}
	results_export(app, r, (uint32_t)run, jsonl ? EXPORT_JSONL : EXPORT_CSV, bits);
}

static void get_rejects(void *app, struct http_request *r)
{
	uint64_t run = 0;

	if (http_param_uint(r, "run", 1, UINT32_MAX, &run)) {
		results_export(app, r, (uint32_t)run, EXPORT_REJECTS, 0);
	}
}

/* --- leads --- */

static void get_leads(void *app, struct http_request *r)
{
	struct leadd *l = app;
	struct lead_filter f = {.stage = http_query(r, "stage")};
	uint64_t run = 0, limit, after = 0;
	struct txn *t;

	if (!http_param_uint(r, "run", 1, UINT32_MAX, &run) || !outcome_bits(r, http_query(r, "outcome"), &f.outcomes) || !list_limit(r, &limit) ||
	    !http_query_uint(r, "cursor", 1, UINT32_MAX, &after) || (t = read_begin(l, r)) == NULL) {
		return;
	}
	f.limit = (unsigned)limit;
	f.after = (uint32_t)after;
	reply_or_missing(r, show_leads(l->engine, t, (uint32_t)run, &f), "run");
	txn_abort(t);
}

/* {run}/{lead} of the path. */
static bool lead_params(struct http_request *r, uint64_t *run, uint64_t *lead)
{
	return http_param_uint(r, "run", 1, UINT32_MAX, run) && http_param_uint(r, "lead", 1, UINT32_MAX, lead);
}

static void get_lead(void *app, struct http_request *r)
{
	struct leadd *l = app;
	uint64_t run = 0, lead = 0;
	struct txn *t;

	if (!lead_params(r, &run, &lead) || (t = read_begin(l, r)) == NULL) {
		return;
	}
	reply_or_missing(r, show_lead(l->engine, t, (uint32_t)run, (uint32_t)lead), "lead");
	txn_abort(t);
}

/* --- ledger --- */

static void get_ledger(void *app, struct http_request *r)
{
	struct leadd *l = app;
	struct call_filter f = {.service = http_query(r, "service")};
	const char *state = http_query(r, "state"), *cursor = http_query(r, "cursor");
	uint64_t run = 0, limit;
	enum call_state s;
	struct txn *t;

	if (!http_query_uint(r, "run", 1, UINT32_MAX, &run) || !list_limit(r, &limit)) {
		return;
	}
	if (state != NULL && state[0] != 0) {
		if (!call_state_parse(state, &s)) {
			http_reply_problem(r, 400, "bad-state", "'state' is one of reserved, sent, settled, refunded, in-doubt");
			return;
		}
		f.states = 1u << s;
	}
	if (cursor != NULL && !ids_parse(cursor, &f.before)) {
		http_reply_problem(r, 400, "bad-cursor", "'cursor' is what 'next' of the page before said");
		return;
	}
	f.run = (uint32_t)run;
	f.limit = (unsigned)limit;
	t = read_begin(l, r);
	if (t != NULL) {
		http_reply_json(r, 200, show_ledger(l->engine, t, &f));
		txn_abort(t);
	}
}

static void get_summary(void *app, struct http_request *r)
{
	struct leadd *l = app;
	uint64_t run = 0;
	struct txn *t;

	if (!http_query_uint(r, "run", 1, UINT32_MAX, &run) || (t = read_begin(l, r)) == NULL) {
		return;
	}
	http_reply_json(r, 200, show_ledger_summary(l->engine, t, (uint32_t)run));
	txn_abort(t);
}

static void get_audit(void *app, struct http_request *r)
{
	struct leadd *l = app;
	uint64_t since_ms = 86400000;
	struct txn *t;

	if (!http_query_uint(r, "since_ms", 1, UINT64_C(31) * 86400000, &since_ms) || (t = read_begin(l, r)) == NULL) {
		return;
	}
	http_reply_json(r, 200, show_audit(l->engine, t, (int64_t)since_ms * US_PER_MS, clock_now()));
	txn_abort(t);
}

/* --- services --- */

static void get_services(void *app, struct http_request *r)
{
	struct leadd *l = app;

	http_reply_json(r, 200, show_services(l->engine, clock_now()));
}

static void get_service(void *app, struct http_request *r)
{
	struct leadd *l = app;

	reply_or_missing(r, show_service(l->engine, http_param(r, "service"), clock_now()), "service");
}

static void on_service_command(struct leadd *l, struct http_request *r, struct command *c)
{
	if (c->rc != 0) {
		command_problem(r, c);
	} else {
		reply_or_missing(r, show_service(l->engine, c->service, clock_now()), "service");
	}
}

static struct command *service_command(struct http_request *r, enum command_kind kind)
{
	struct command *c = command_new(kind);

	(void)snprintf(c->service, sizeof(c->service), "%s", http_param(r, "service"));
	return c;
}

static void post_service_pause(void *app, struct http_request *r)
{
	command_send(app, service_command(r, COMMAND_SERVICE_PAUSE), r, on_service_command);
}

static void post_service_resume(void *app, struct http_request *r)
{
	command_send(app, service_command(r, COMMAND_SERVICE_RESUME), r, on_service_command);
}

static void post_service_reset(void *app, struct http_request *r)
{
	command_send(app, service_command(r, COMMAND_SERVICE_RESET), r, on_service_command);
}

static void put_limit(void *app, struct http_request *r)
{
	struct json_object *body = http_body_json(r);
	const char *max = NULL, *label = NULL;
	struct window_spec window;
	struct lead_error err;
	struct command *c;

	if (body == NULL) {
		return;
	}
	if (json_get_string(body, "max", "the limit", &max, &err) < 0 || json_get_string(body, "limit", "the limit", &label, &err) < 0) {
		http_reply_error(r, &err);
		return;
	}
	if (max == NULL || !window_parse(max, &window)) {
		http_reply_problem(r, 400, "bad-limit", "'max' is a count and a window, such as 40/60s or 10000/day");
		return;
	}
	c = service_command(r, COMMAND_SERVICE_LIMIT);
	(void)snprintf(c->limit, sizeof(c->limit), "%s", label != NULL ? label : "");
	c->window = window;
	command_send(app, c, r, on_service_command);
}

/* --- why --- */

static void get_why_lead(void *app, struct http_request *r)
{
	struct leadd *l = app;
	uint64_t run = 0, lead = 0;
	struct txn *t;

	if (!lead_params(r, &run, &lead) || (t = read_begin(l, r)) == NULL) {
		return;
	}
	reply_or_missing(r, why_lead(l->engine, t, (uint32_t)run, (uint32_t)lead, clock_now()), "lead");
	txn_abort(t);
}

static void get_why_run(void *app, struct http_request *r)
{
	struct leadd *l = app;
	uint64_t run = 0;
	struct txn *t;

	if (!http_param_uint(r, "run", 1, UINT32_MAX, &run) || (t = read_begin(l, r)) == NULL) {
		return;
	}
	reply_or_missing(r, why_run(l->engine, t, (uint32_t)run, clock_now()), "run");
	txn_abort(t);
}

static void get_why_service(void *app, struct http_request *r)
{
	struct leadd *l = app;
	struct txn *t = read_begin(l, r);

	if (t != NULL) {
		reply_or_missing(r, why_service(l->engine, t, http_param(r, "service"), clock_now()), "service");
		txn_abort(t);
	}
}

/* --- reload, backup --- */

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
	struct json_object *answer;
	struct http_request *r;
};

static void on_reloaded(void *ctx, struct command *c)
{
	struct reloading *x = ctx;

	if (c->rc != 0) {
		json_object_put(x->answer);
		command_problem(x->r, c);
	} else {
		loop_reloaded(x->l);
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

static void post_reload(void *app, struct http_request *r)
{
	struct leadd *l = app;
	const char *check = http_query(r, "check");
	bool only_check = check != NULL && strcmp(check, "0") != 0;
	struct config *fresh = NULL, *old = engine_config(l->engine);
	struct problems problems;
	struct reloading *x;
	struct buf diff = {0};
	struct command *c;

	problems_init(&problems);
	if (config_load(l->config_file, old->generation + 1, &problems, &fresh) != 0 || fresh == NULL) {
		bad_configuration(r, &problems);
		problems_fini(&problems);
		return;
	}
	problems_fini(&problems);
	config_diff(old, fresh, &diff);
	x = calloc(1, sizeof(*x));
	if (x == NULL) {
		abort();
	}
	x->l = l;
	x->r = r;
	x->answer = json_object_new_object();
	json_object_object_add(x->answer, "generation", json_object_new_int64((int64_t)fresh->generation));
	json_object_object_add(x->answer, "changes", lines_of(&diff));
	json_object_object_add(x->answer, "applied", json_object_new_boolean(!only_check));
	buf_free(&diff);
	if (only_check) {
		config_unref(fresh);
		http_reply_json(r, 200, x->answer);
		free(x);
		return;
	}
	c = command_new(COMMAND_RELOAD);
	c->config = fresh;
	c->done = on_reloaded;
	c->ctx = x;
	engine_command(l->engine, c);
	loop_poke(l);
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

static void post_backup(void *app, struct http_request *r)
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

static void post_check(void *app, struct http_request *r)
{
	struct leadd *l = app;
	const char *args[] = {"leadd", "--store-check", engine_config(l->engine)->state_dir, NULL};
	struct lead_error err;

	if (child_start(l, args, on_checked, r, &err) != 0) {
		http_reply_error(r, &err);
	}
}

static void get_openapi(void *app, struct http_request *r)
{
	(void)app;
	http_reply_json(r, 200, http_openapi(routes, LEADD_VERSION));
}

#define PART_BYTES ((1 << 20) + 4096)

const struct route routes[] = {
    {"GET", "/v1/status", HTTP_READ, get_status, "the daemon and its totals", 0},
    {"POST", "/v1/uploads", HTTP_OPERATE, upload_open, "begin an upload", 0},
    {"PUT", "/v1/uploads/{upload}", HTTP_OPERATE, upload_part, "the next part of an upload", PART_BYTES},
    {"GET", "/v1/uploads/{upload}", HTTP_READ, upload_show, "how much of an upload is on disk", 0},
    {"GET", "/v1/runs", HTTP_READ, get_runs, "runs, newest first", 0},
    {"POST", "/v1/runs", HTTP_OPERATE, post_run, "start a run", 0},
    {"GET", "/v1/runs/{run}", HTTP_READ, get_run, "one run with its stages", 0},
    {"GET", "/v1/runs/{run}/events", HTTP_READ, watch_open, "a run's live stream", 0},
    {"POST", "/v1/runs/{run}/pause", HTTP_OPERATE, post_pause, "pause a run", 0},
    {"POST", "/v1/runs/{run}/resume", HTTP_OPERATE, post_resume, "resume a run", 0},
    {"POST", "/v1/runs/{run}/cancel", HTTP_OPERATE, post_cancel, "cancel a run", 0},
    {"POST", "/v1/runs/{run}/retry", HTTP_OPERATE, post_retry, "put leads back to the stage where they ended", 0},
    {"GET", "/v1/runs/{run}/export", HTTP_READ, get_export, "the results as of now", 0},
    {"GET", "/v1/runs/{run}/rejects", HTTP_READ, get_rejects, "rejected rows with their reasons", 0},
    {"GET", "/v1/runs/{run}/leads", HTTP_READ, get_leads, "leads of a run", 0},
    {"GET", "/v1/leads/{run}/{lead}", HTTP_READ, get_lead, "one lead with its timeline", 0},
    {"GET", "/v1/ledger", HTTP_READ, get_ledger, "calls, newest first", 0},
    {"GET", "/v1/ledger/summary", HTTP_READ, get_summary, "sums of the ledger", 0},
    {"GET", "/v1/services", HTTP_READ, get_services, "services with limits, breakers and quotas", 0},
    {"GET", "/v1/services/{service}", HTTP_READ, get_service, "one service", 0},
    {"POST", "/v1/services/{service}/pause", HTTP_OPERATE, post_service_pause, "no more calls until resumed", 0},
    {"POST", "/v1/services/{service}/resume", HTTP_OPERATE, post_service_resume, "call it again", 0},
    {"POST", "/v1/services/{service}/reset", HTTP_OPERATE, post_service_reset, "close its breaker and free its parked keys", 0},
    {"PUT", "/v1/services/{service}/limit", HTTP_OPERATE, put_limit, "another number for a window until the next reload", 0},
    {"GET", "/v1/why/lead/{run}/{lead}", HTTP_READ, get_why_lead, "why a lead waits", 0},
    {"GET", "/v1/why/run/{run}", HTTP_READ, get_why_run, "what a run waits for", 0},
    {"GET", "/v1/why/service/{service}", HTTP_READ, get_why_service, "what waits for a service", 0},
    {"GET", "/v1/limits/audit", HTTP_READ, get_audit, "the largest count in each window, from the ledger", 0},
    {"POST", "/v1/doctor", HTTP_OPERATE, doctor_open, "pre-flight check", 0},
    {"POST", "/v1/reload", HTTP_ADMIN, post_reload, "check and apply the configuration", 0},
    {"POST", "/v1/backup", HTTP_ADMIN, post_backup, "a consistent copy of the store", 0},
    {"POST", "/v1/store/check", HTTP_OPERATE, post_check, "does the store agree with itself", 0},
    {"GET", "/v1/openapi.json", HTTP_READ, get_openapi, "this table for machines", 0},
    {NULL, NULL, HTTP_READ, NULL, NULL, 0},
};
