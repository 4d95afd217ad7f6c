/*
 * lib/engine/show/export.h: a run's results as a stream of rows, true at any moment.
 *
 * An export shows the run as of the turn it began in, however long it takes: facts and outcomes of later turns are
 * left out. It reads in slices, each in a short transaction of its own, so that it pins no pages.
 */
#pragma once

#include "lib/engine/engine.h"
#include "lib/store/items.h"

enum export_format {
	EXPORT_CSV,     /* every lead: lead, outcome, reason, spent, imported columns, what the stages gave */
	EXPORT_PLAIN,   /* the same with nothing put before formulas: for a writer that makes texts of them */
	EXPORT_JSONL,   /* the same, one object a line */
	EXPORT_REJECTS, /* CSV of rejected, suppressed and duplicate rows: row (lead, where none stands in a file), outcome, reason, detail, imported columns */
};

struct export;

/* Leads, or companies. outcomes: bits of enum item_outcome, 0 for all. NULL: no such run, or no memory. */
struct export *export_new(struct engine *e, uint32_t run, enum item_level level, enum export_format format, uint32_t outcomes);
/* Appends up to `rows` more items (the header comes with the first). false: that was the end. */
bool export_next(struct export *x, unsigned rows, struct buf *out, struct lead_error *err);
uint64_t export_rows(const struct export *x); /* items written so far */
void export_free(struct export *x);

/* Does the run work on companies? */
bool run_has_companies(struct engine *e, uint32_t run);

/* Text for people and JSON for machines about a whole run, when its leads and calls are counted. t: a read transaction. */
struct report;
struct report *report_new(struct engine *e, uint32_t run); /* NULL: no such run, or no memory */
/* Counts up to `rows` more. false: that was the end, or it failed (err says so then). */
bool report_next(struct report *x, unsigned rows, struct lead_error *err);
void report_summary(struct report *x, struct txn *t, struct now now, struct buf *out);
struct json_object *report_metrics(struct report *x, struct txn *t, struct now now);
void report_free(struct report *x);

/*
 * run.log: what happened, in order of time, one line a call, each with run, lead and call id; rows refused at
 * intake come first. In slices like export_next.
 */
struct run_log;
struct run_log *run_log_new(struct engine *e, uint32_t run);
bool run_log_next(struct run_log *l, unsigned rows, struct buf *out, struct lead_error *err);
void run_log_free(struct run_log *l);
