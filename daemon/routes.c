/*
 * The API: one table at the end, and behind each line a short handler. Runs and leads are in routes_run.c, what
 * administers the daemon in routes_admin.c, suppression lists in routes_suppress.c, webhooks in in routes_intake.c; here are status, ledger, services and why.
 */
#include "daemon/routes.h"
#include "lib/base/ids.h"
#include "lib/base/json.h"
#include "lib/base/text.h"
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
	const char *run = http_param(r, "run"), *lead = http_param(r, "lead");

	if (o != NULL) {
		http_reply_json(r, 200, o);
	} else if (lead != NULL) {
		http_reply_problem(r, 404, "not-found", "there is no %s %s/%s", what, run, lead);
	} else {
		http_reply_problem(r, 404, "not-found", "there is no %s %s", what, run != NULL ? run : "");
	}
}

bool run_known(struct leadd *l, struct http_request *r, uint64_t run)
{
	if (show_run_row(l->engine, (uint32_t)run) == NULL) {
		http_reply_problem(r, 404, "not-found", "there is no run %llu", (unsigned long long)run);
		return false;
	}
	return true;
}

/* The service of the path, or a 404 with the nearest name. */
static struct service *service_param(struct leadd *l, struct http_request *r)
{
	struct config *c = engine_config(l->engine);
	const char *name = http_param(r, "service"), *names[257] = {NULL}, *nearest;
	struct service *s = config_service(c, name);

	for (size_t i = 0; i < c->n_services && i < 256; i++) {
		names[i] = c->services[i]->name;
	}
	if (s == NULL) {
		nearest = text_nearest(name, names);
		http_reply_problem(r, 404, "not-found", "there is no service '%.80s'%s%s%s", name, nearest != NULL ? "; is '" : "",
		    nearest != NULL ? nearest : "", nearest != NULL ? "' meant?" : "");
	}
	return s;
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
	uint64_t left = 0;

	store_room(l->store, &room);
	json_object_object_add(s, "bytes", json_object_new_int64((int64_t)room.used_bytes));
	json_object_object_add(s, "map_bytes", json_object_new_int64((int64_t)room.map_bytes));
	json_object_object_add(s, "used_percent", json_object_new_double(100.0 * (double)room.used_bytes / (double)room.map_bytes));
	(void)store_disk_low(l->store, &left);
	json_object_object_add(s, "disk_free_bytes", json_object_new_int64((int64_t)left));
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
	access_put(l, o);
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

	if (!http_query_uint(r, "run", 1, UINT32_MAX, &run) || !list_limit(r, &limit) || (run != 0 && !run_known(l, r, run))) {
		return;
	}
	if (state != NULL && state[0] != 0) {
		if (!call_state_parse(state, &s)) {
			http_reply_problem(r, 400, "bad-state", "'state' is one of reserved, sent, settled, refunded, in-doubt");
			return;
		}
		f.states = 1u << s;
	}
	if (f.service != NULL && !show_service_known(l->engine, f.service)) {
		http_reply_problem(r, 400, "bad-service", "'service': there has never been a service '%.60s'", f.service);
		return;
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

	if (!http_query_uint(r, "run", 1, UINT32_MAX, &run) || (run != 0 && !run_known(l, r, run)) || (t = read_begin(l, r)) == NULL) {
		return;
	}
	http_reply_json(r, 200, show_ledger_summary(l->engine, t, (uint32_t)run));
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

	if (service_param(l, r) != NULL) {
		reply_or_missing(r, show_service(l->engine, http_param(r, "service"), clock_now()), "service");
	}
}

static void on_service_command(struct leadd *l, struct http_request *r, struct command *c)
{
	if (c->rc != 0) {
		command_problem(r, c);
	} else {
		reply_or_missing(r, show_service(l->engine, c->service, clock_now()), "service");
	}
}

static void service_command(struct leadd *l, struct http_request *r, struct command *c)
{
	if (service_param(l, r) == NULL) {
		free(c);
		return;
	}
	(void)snprintf(c->service, sizeof(c->service), "%s", http_param(r, "service"));
	command_send(l, c, r, on_service_command);
}

static void post_service_pause(void *app, struct http_request *r)
{
	service_command(app, r, command_new(COMMAND_SERVICE_PAUSE));
}

static void post_service_resume(void *app, struct http_request *r)
{
	service_command(app, r, command_new(COMMAND_SERVICE_RESUME));
}

static void post_service_reset(void *app, struct http_request *r)
{
	service_command(app, r, command_new(COMMAND_SERVICE_RESET));
}

/* The service has such a window; else a 404 that lists what it has. */
static bool window_known(struct http_request *r, const struct service *s, const char *label, const struct window_spec *window)
{
	struct buf known = {0};
	char text[48];

	for (size_t i = 0; i < s->n_limits; i++) {
		for (size_t w = 0; w < s->limits[i].n_windows; w++) {
			const struct window_spec *have = &s->limits[i].windows[w];

			if ((label == NULL || strcmp(label, s->limits[i].label) == 0) && have->kind == window->kind && have->length_us == window->length_us) {
				buf_free(&known);
				return true;
			}
			window_write(have, text);
			buf_printf(&known, "%s%s (limit '%s')", known.len > 0 ? ", " : "", text, s->limits[i].label);
		}
	}
	window_write(window, text);
	http_reply_problem(r, 404, "not-found", "'max': %s has no window of the length in %s%s%s%s; it has %s", s->name, text,
	    label != NULL ? " in the limit '" : "", label != NULL ? label : "", label != NULL ? "'" : "", known.len > 0 ? known.data : "none");
	buf_free(&known);
	return false;
}

static void put_limit(void *app, struct http_request *r)
{
	struct json_object *body = http_body_json(r);
	const char *max = NULL, *label = NULL;
	struct window_spec window;
	struct lead_error err;
	struct service *s;
	struct command *c;

	if (body == NULL || (s = service_param(app, r)) == NULL) {
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
	if (!window_known(r, s, label, &window)) {
		return;
	}
	c = command_new(COMMAND_SERVICE_LIMIT);
	(void)snprintf(c->limit, sizeof(c->limit), "%s", label != NULL ? label : "");
	c->window = window;
	service_command(app, r, c);
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
	struct txn *t = service_param(l, r) != NULL ? read_begin(l, r) : NULL;

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
#define CALLBACK_BYTES (1 << 20)
#define EVENT_BYTES (256 << 10) /* a webhook */
#define LIST_BYTES (512 << 10) /* a thousand addresses */

const struct route routes[] = {
    {"GET", "/v1/status", HTTP_READ, get_status, "the daemon and its totals", 0, "", NULL},
    {"GET", "/v1/metrics", HTTP_READ, get_metrics, "the same and more for a monitoring system", 0, "", NULL},
    {"POST", "/v1/uploads", HTTP_OPERATE, upload_open, "begin an upload", 0, "", "name size"},
    {"PUT", "/v1/uploads/{upload}", HTTP_OPERATE, upload_part, "the next part of an upload", PART_BYTES, "offset", NULL},
    {"GET", "/v1/uploads/{upload}", HTTP_READ, upload_show, "how much of an upload is on disk", 0, "", NULL},
    {"GET", "/v1/campaigns", HTTP_READ, get_campaigns, "what can be started, and what starts by itself", 0, "limit cursor", NULL},
    {"GET", "/v1/campaigns/{campaign}", HTTP_READ, get_campaign, "one campaign", 0, "", NULL},
    {"GET", "/v1/runs", HTTP_READ, get_runs, "runs, newest first", 0, "limit cursor", NULL},
    {"POST", "/v1/runs", HTTP_OPERATE, post_run, "start a run", 0, "", "campaign upload sheet source map encoding delimiter budget_micro priority share limit sample preview paused by params quantity"},
    {"POST", "/v1/plans", HTTP_OPERATE, post_plan, "what a run over this upload would take, cost and bring", 0, "",
	"campaign upload sheet source map encoding delimiter budget_micro priority share limit sample preview paused by what_if"},
    {"POST", "/v1/previews", HTTP_OPERATE, post_preview, "what would be asked for one lead", 0, "",
	"campaign upload sheet map encoding delimiter row run lead stage step"},
    {"GET", "/v1/runs/{run}", HTTP_READ, get_run, "one run with its stages", 0, "", NULL},
    {"GET", "/v1/runs/{run}/events", HTTP_READ, watch_open, "a run's live stream", 0, "", NULL},
    {"POST", "/v1/runs/{run}/pause", HTTP_OPERATE, post_pause, "pause a run", 0, "", ""},
    {"POST", "/v1/runs/{run}/resume", HTTP_OPERATE, post_resume, "resume a run", 0, "", ""},
    {"POST", "/v1/runs/{run}/cancel", HTTP_OPERATE, post_cancel, "cancel a run", 0, "", ""},
    {"POST", "/v1/runs/{run}/approve", HTTP_APPROVE, post_approve, "release what waits to be approved", 0, "", "stage"},
    {"POST", "/v1/payments/{payment}", HTTP_PUBLIC, post_payment, "a payment that was made releases its run", 0, NULL, NULL},
    {"POST", "/v1/runs/{run}/retry", HTTP_OPERATE, post_retry, "put leads back to the stage where they ended", 0, "", "outcome lead by budget_micro"},
    {"POST", "/v1/runs/{run}/recall", HTTP_OPERATE, post_recall, "take out of the destination what the run pushed", 0, "", "unsent_only"},
    {"GET", "/v1/runs/{run}/recall", HTTP_READ, get_recall, "which of its leads a recall would take out, and why others stay", 0,
	"unsent_only cursor limit", NULL},
    {"POST", "/v1/runs/{run}/verify", HTTP_OPERATE, post_verify, "read the run's destination back as a whole", 0, "", "repair"},
    {"GET", "/v1/runs/{run}/verify", HTTP_READ, get_verify, "what was found there: missing, doubled, changed, foreign", 0, "cursor limit", NULL},
    {"POST", "/v1/runs/{run}/replay", HTTP_OPERATE, post_replay, "play a run again from its kept answers", 0, "steps", "upload limit"},
    {"GET", "/v1/runs/{run}/export", HTTP_READ, get_export, "the results as of now", 0, "format outcome", NULL},
    {"GET", "/v1/runs/{run}/rejects", HTTP_READ, get_rejects, "rejected rows with their reasons", 0, "", NULL},
    {"GET", "/v1/runs/{run}/receipt", HTTP_READ, receipt_open, "what a run bought, wasted and saved", 0, "", NULL},
    {"GET", "/v1/runs/{run}/waste", HTTP_READ, waste_open, "money spent on what could have been known earlier", 0, "", NULL},
    {"GET", "/v1/runs/{run}/leads", HTTP_READ, get_leads, "leads of a run", 0, "outcome stage level cursor limit", NULL},
    {"GET", "/v1/leads/{run}/{lead}", HTTP_READ, get_lead, "one lead with its timeline", 0, "", NULL},
    {"GET", "/v1/ledger", HTTP_READ, get_ledger, "calls, newest first", 0, "run state service cursor limit", NULL},
    {"GET", "/v1/ledger/summary", HTTP_READ, get_summary, "sums of the ledger", 0, "run", NULL},
    {"GET", "/v1/services", HTTP_READ, get_services, "services with limits, breakers and quotas", 0, "limit cursor", NULL},
    {"GET", "/v1/services/{service}", HTTP_READ, get_service, "one service", 0, "", NULL},
    {"POST", "/v1/services/{service}/pause", HTTP_OPERATE, post_service_pause, "no more calls until resumed", 0, "", ""},
    {"POST", "/v1/services/{service}/resume", HTTP_OPERATE, post_service_resume, "call it again", 0, "", ""},
    {"POST", "/v1/services/{service}/reset", HTTP_OPERATE, post_service_reset, "close its breaker and free its parked keys", 0, "", ""},
    {"PUT", "/v1/services/{service}/limit", HTTP_OPERATE, put_limit, "another number for a window until the next reload", 0, "", "limit max"},
    {"GET", "/v1/why/lead/{run}/{lead}", HTTP_READ, get_why_lead, "why a lead waits", 0, "", NULL},
    {"GET", "/v1/why/run/{run}", HTTP_READ, get_why_run, "what a run waits for", 0, "", NULL},
    {"GET", "/v1/why/service/{service}", HTTP_READ, get_why_service, "what waits for a service", 0, "", NULL},
    {"GET", "/v1/organisations/{organisation}/suppressions", HTTP_READ, get_suppressions, "how many entries its suppression list has", 0, "", NULL},
    {"POST", "/v1/organisations/{organisation}/suppressions", HTTP_OPERATE, post_suppressions, "add entries", LIST_BYTES, "", "entries source reason"},
    {"POST", "/v1/organisations/{organisation}/suppressions/remove", HTTP_OPERATE, post_suppressions_remove, "take entries off", LIST_BYTES, "",
	"entries"},
    {"POST", "/v1/organisations/{organisation}/suppressions/check", HTTP_READ, post_suppressions_check, "is somebody on it", 0, "", "entry"},
    {"POST", "/v1/organisations/{organisation}/suppressions/import", HTTP_OPERATE, post_suppressions_import, "add an uploaded list", 0, "",
	"upload source reason"},
    {"POST", "/v1/callbacks/{token}", HTTP_PUBLIC, post_callback, "the result of a job, from the service that did it", CALLBACK_BYTES, "", NULL},
    {"GET", "/v1/limits/audit", HTTP_READ, audit_open, "the largest count in each window, from the ledger", 0, "since_ms", NULL},
    {"POST", "/v1/intake/{intake}", HTTP_PUBLIC, post_intake, "a webhook in; its signature is its proof", EVENT_BYTES, NULL, NULL},
    {"GET", "/v1/tasks/{task}", HTTP_INTAKE, get_task, "what became of a webhook", 0, "plain", NULL},
    {"GET", "/v1/intakes", HTTP_READ, get_intakes, "where webhooks come in, and how many did", 0, "limit cursor", NULL},
    {"GET", "/v1/intakes/{intake}", HTTP_READ, get_intake, "one of them", 0, "", NULL},
    {"GET", "/v1/intakes/{intake}/tasks", HTTP_READ, get_tasks, "its webhooks, newest first", 0, "state cursor limit", NULL},
    {"GET", "/v1/health", HTTP_INTAKE, get_health, "is it well", 0, "", NULL},
    {"POST", "/v1/notify/test", HTTP_OPERATE, post_notify_test, "a test message over every way of notify", 0, "", ""},
    {"POST", "/v1/doctor", HTTP_OPERATE, doctor_open, "pre-flight check", 0, "", ""},
    {"POST", "/v1/reload", HTTP_ADMIN, post_reload, "check and apply the configuration", 0, "check", ""},
    {"POST", "/v1/backup", HTTP_ADMIN, post_backup, "a consistent copy of the store", 0, "", ""},
    {"POST", "/v1/store/check", HTTP_OPERATE, post_check, "does the store agree with itself", 0, "", ""},
    {"GET", "/v1/openapi.json", HTTP_READ, get_openapi, "this table for machines", 0, "", NULL},
    {NULL, NULL, HTTP_READ, NULL, NULL, 0, NULL, NULL},
};
