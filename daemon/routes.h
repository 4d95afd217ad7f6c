/*
 * daemon/routes.h: the handlers behind the route table, for the routes_*.c files only.
 *
 * Each reads its request, asks the engine, answers. Reads show what is on disk (a turn in the making is never seen);
 * writes are commands, answered after their commit.
 */
#pragma once

#include "daemon/leadd.h"
#include "lib/store/store.h"

#include <json-c/json.h>

/* A read transaction; NULL when it was answered with the error already. */
struct txn *read_begin(struct leadd *l, struct http_request *r);
/* 200 with the object, or 404 when there is none. */
void reply_or_missing(struct http_request *r, struct json_object *o, const char *what);
void reply_found(struct http_request *r, int status, struct json_object *o, const char *what); /* the same with another status */
/* What a command counted, as `{"what":N}`, or why it was refused. */
void reply_count(struct http_request *r, const struct command *c, const char *what);
/* false when it was answered with a 404 already. */
bool run_known(struct leadd *l, struct http_request *r, uint64_t run);
/* `limit` of the query; false when it was answered already. */
bool list_limit(struct http_request *r, uint64_t *ret);
/* {run}/{lead} of the path; false when it was answered already. */
bool lead_params(struct http_request *r, uint64_t *run, uint64_t *lead);
/* The service of the path; NULL when it was answered already, with the nearest name. */
struct service *service_param(struct leadd *l, struct http_request *r);

/* routes_campaign.c */
void get_campaigns(void *app, struct http_request *r);
void get_campaign(void *app, struct http_request *r);

/* routes_deliver.c */
void get_recall(void *app, struct http_request *r);
void post_recall(void *app, struct http_request *r);
void get_verify(void *app, struct http_request *r);
void post_verify(void *app, struct http_request *r);

/* metrics.c */
void get_metrics(void *app, struct http_request *r);

/* routes_run.c */
void get_runs(void *app, struct http_request *r);
void get_run(void *app, struct http_request *r);
void post_pause(void *app, struct http_request *r);
void post_resume(void *app, struct http_request *r);
void post_cancel(void *app, struct http_request *r);
void post_retry(void *app, struct http_request *r);
void get_export(void *app, struct http_request *r);
void get_rejects(void *app, struct http_request *r);

/* 200 or `status` with the run object, or 404. */
void reply_run(struct leadd *l, struct http_request *r, int status, uint32_t run);

/* `rejected,failed` to bits; NULL or "": none. False when it was answered already. */
bool outcome_bits(struct http_request *r, const char *text, uint32_t *ret);

/* routes_start.c */
void post_run(void *app, struct http_request *r);
/* A run as a body describes it; the names in `c`. LEAD_EINPUT. */
int run_body(const struct config *c, struct json_object *body, struct run_row *ret, struct lead_error *err) MUST_CHECK;
/* `by` of a body, a time to come in RFC 3339, as wall clock; 0 (and *ret untouched): it has none. LEAD_EINPUT; what: whose, for its message. */
int read_by(struct json_object *body, const char *what, int64_t *ret, struct lead_error *err) MUST_CHECK;

/* routes_lead.c */
void get_leads(void *app, struct http_request *r);
void get_lead(void *app, struct http_request *r);

/* routes_ledger.c */
void get_ledger(void *app, struct http_request *r);
void get_summary(void *app, struct http_request *r);

/* routes_service.c */
void get_services(void *app, struct http_request *r);
void get_service(void *app, struct http_request *r);
void post_service_pause(void *app, struct http_request *r);
void post_service_resume(void *app, struct http_request *r);
void post_service_reset(void *app, struct http_request *r);
void put_limit(void *app, struct http_request *r);

/* routes_why.c */
void get_why_lead(void *app, struct http_request *r);
void get_why_run(void *app, struct http_request *r);
void get_why_service(void *app, struct http_request *r);

/* payments.c */
void post_payment(void *app, struct http_request *r);

/* routes_approve.c */
void post_approve(void *app, struct http_request *r);

/* routes_suppress.c */
void get_suppressions(void *app, struct http_request *r);
void post_suppressions(void *app, struct http_request *r);
void post_suppressions_remove(void *app, struct http_request *r);
void post_suppressions_check(void *app, struct http_request *r);
void post_suppressions_import(void *app, struct http_request *r);

/* previews.c */
void post_preview(void *app, struct http_request *r);
/* routes_callback.c */
void post_callback(void *app, struct http_request *r);

/* routes_intake.c */
void post_intake(void *app, struct http_request *r);
void get_task(void *app, struct http_request *r);
void get_tasks(void *app, struct http_request *r);
void get_intakes(void *app, struct http_request *r);
void get_intake(void *app, struct http_request *r);
void get_health(void *app, struct http_request *r);

/* plans.c */
void post_plan(void *app, struct http_request *r);

/* routes_admin.c */
void post_reload(void *app, struct http_request *r);
void post_backup(void *app, struct http_request *r);
void post_check(void *app, struct http_request *r);
