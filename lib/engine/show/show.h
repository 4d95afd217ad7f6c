/*
 * lib/engine/show/show.h: what people and programs get to see: the objects of the API, as json-c trees.
 *
 * Shapes are those of daemon/API.md. Each returns an owned object, NULL when there is no such thing (or no memory).
 * `t` is a read transaction of the engine's store, begun by the caller and ended by it.
 */
#pragma once

#include "lib/engine/engine.h"
#include "lib/store/items.h"

struct json_object;

struct json_object *show_run(struct engine *e, struct txn *t, uint32_t run, struct now now);
/* Lists: a page may be shorter than its limit, so that no turn is long. Newest first, ids below `before` (0: all). */
struct json_object *show_runs(struct engine *e, struct txn *t, uint32_t before, unsigned limit, struct now now);

struct lead_filter {
	uint32_t outcomes;     /* bits; 0: all */
	enum item_level level;
	const char *stage;     /* NULL: all */
	uint32_t after;        /* number */
	unsigned limit;
};
struct json_object *show_leads(struct engine *e, struct txn *t, uint32_t run, const struct lead_filter *f);
struct json_object *show_lead(struct engine *e, struct txn *t, uint32_t run, uint32_t number);

struct call_filter {
	uint32_t run;          /* 0: all */
	uint32_t states;       /* bits; 0: all */
	const char *service;   /* NULL: all */
	uint64_t before;       /* call id; 0: newest */
	unsigned limit;
};
/* Has there ever been a service of that name? */
bool show_service_known(struct engine *e, const char *name);
struct json_object *show_ledger(struct engine *e, struct txn *t, const struct call_filter *f);
struct json_object *show_ledger_summary(struct engine *e, struct txn *t, uint32_t run);

struct json_object *show_service(struct engine *e, const char *name, struct now now);
struct json_object *show_services(struct engine *e, struct now now);
/* {"taking_work","why_not","in_flight","turns","runs":{…},"services":[…]}: the engine's part of /v1/status. */
struct json_object *show_status(struct engine *e, struct txn *t, struct now now);

/* {"waiting","given_up","last_failure"}: messages to people and programs. */
struct json_object *outbox_show(struct txn *t);
/* The engine's part of /v1/metrics, in the Prometheus text format: prometheus.h. */
void show_metrics(struct engine *e, struct txn *t, struct now now, struct buf *out);

struct json_object *why_lead(struct engine *e, struct txn *t, uint32_t run, uint32_t number, struct now now);
struct json_object *why_run(struct engine *e, struct txn *t, uint32_t run, struct now now);
struct json_object *why_service(struct engine *e, struct txn *t, const char *name, struct now now);

/*
 * Who would be recalled and who would stay, among those that were pushed: "looks" when each is looked at before, "refused" when the
 * run as a whole cannot be now. Pages as show_leads.
 */
struct json_object *show_recall(struct engine *e, struct txn *t, uint32_t run, bool unsent_only, uint32_t after, unsigned limit);

/* How far the read-back of the run's destination is and what was found, findings from number `at` on. */
struct json_object *show_verify(struct engine *e, struct txn *t, uint32_t run, uint32_t at, unsigned limit);

/* Campaigns of the present configuration, with their schedules and when they start next. */
struct json_object *show_campaigns(struct engine *e, struct txn *t, struct now now);
struct json_object *show_campaign(struct engine *e, struct txn *t, const char *name, struct now now);

/* An organisation's suppression list: how many entries, by where they came from. */
struct json_object *show_suppressions(struct engine *e, struct txn *t, const char *org);
/* Is that entry on it (an address: itself or its domain)? NULL with *ret_why when the text is no entry. */
struct json_object *show_suppressed(struct engine *e, struct txn *t, const char *org, const char *entry, const char **ret_why);
/* Is it in the configuration, by itself or as a campaign's? */
bool show_org_known(struct engine *e, const char *org, const char **ret_nearest);

/* Is it not yet to be read who its leads are? */
bool show_is_masked(struct engine *e, uint32_t run);
/* Where a run stands, for files and streams: borrowed until the next turn. NULL: no such run. */
const struct run_row *show_run_row(struct engine *e, uint32_t run);

/*
 * An item's exported fields for the results: calls f per column in order: the imported columns, then what the
 * stages gave (their names in pipeline order). The header is the same call with number 0: values are the names.
 */
typedef void (*column_fn)(void *arg, const char *name, const struct value *v);
void show_columns(struct engine *e, struct txn *t, uint32_t run, enum item_level level, uint32_t number, uint64_t before_turn, column_fn f,
    void *arg);
