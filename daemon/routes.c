/*
 * The API: one table at the end, and behind each line a short handler in a file of its subject (routes_*.c, metrics.c, reckon.c, ...); here
 * are what they share, and the status.
 */
#include "daemon/routes.h"
#include "lib/engine/show/show.h"

#include <stdio.h>
#include <stdlib.h>
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

void reply_found(struct http_request *r, int status, struct json_object *o, const char *what)
{
	const char *run = http_param(r, "run"), *lead = http_param(r, "lead");

	if (o != NULL) {
		http_reply_json(r, status, o);
	} else if (lead != NULL) {
		http_reply_problem(r, 404, "not-found", "there is no %s %s/%s", what, run, lead);
	} else {
		http_reply_problem(r, 404, "not-found", "there is no %s %s", what, run != NULL ? run : "");
	}
}

void reply_or_missing(struct http_request *r, struct json_object *o, const char *what)
{
	reply_found(r, 200, o, what);
}

void reply_count(struct http_request *r, const struct command *c, const char *what)
{
	struct json_object *o;

	if (c->rc != 0) {
		command_problem(r, c);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, what, json_object_new_int64((int64_t)c->count));
	http_reply_json(r, 200, o);
}

bool run_known(struct leadd *l, struct http_request *r, uint64_t run)
{
	if (show_run_row(l->engine, (uint32_t)run) == NULL) {
		http_reply_problem(r, 404, "not-found", "there is no run %llu", (unsigned long long)run);
		return false;
	}
	return true;
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
