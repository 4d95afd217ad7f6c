/*
 * The API: one table at the end, and behind each line a short handler. Runs and leads are in routes_run.c, what
 * administers the daemon in routes_admin.c; here are status, ledger, services and why.
 */
#include "daemon/routes.h"
#include "lib/base/ids.h"
#include "lib/base/json.h"
#include "lib/engine/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_LIST 1000
#define DEFAULT_LIST 100

struct txn *read_begin(struct leadd *l, struct http_request *r)
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
void reply_or_missing(struct http_request *r, struct json_object *o, const char *what)
{
	if (o == NULL) {
		http_reply_problem(r, 404, "not-found", "there is no such %s", what);
	} else {
		http_reply_json(r, 200, o);
	}
}

bool list_limit(struct http_request *r, uint64_t *ret)
{
	*ret = DEFAULT_LIST;
	return http_query_uint(r, "limit", 1, MAX_LIST, ret);
}

bool lead_params(struct http_request *r, uint64_t *run, uint64_t *lead)
{
	return http_param_uint(r, "run", 1, UINT32_MAX, run) && http_param_uint(r, "lead", 1, UINT32_MAX, lead);
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
