/*
 * lib/engine/plan/plan_night.h: one repetition of a planned night, for the plan*.c files only.
 */
#pragma once

#include "lib/base/heap.h"
#include "lib/engine/plan/odds.h"
#include "lib/engine/plan/plan.h"

#define PLAN_BINS 48
#define PLAN_CAUSES 8
#define PLAN_SERVICES 256

/* What the run waited for beside the conditions of gate_call. */
#define CAUSE_IN_FLIGHT 100
#define CAUSE_RETRY 101

struct plan_cause {
	uint8_t stage, condition; /* stage: of the pipeline */
	uint8_t limit, window;    /* COND_WINDOW */
	uint64_t weight;          /* how long it was the binding one */
};

struct plan_bin {
	uint32_t calls[RUN_STAGES];
	struct plan_cause causes[PLAN_CAUSES];
};

struct plan_service {
	uint64_t calls;
	int64_t cost_micro;
	int64_t first_us, last_us; /* boot clock; 0: never */
	int64_t dry_us;            /* a day's or month's window, or the provider's quota, had nothing left; 0: never */
	uint8_t dry_limit, dry_window;
	bool dry_quota;            /* it is the provider's */
};

/* What came of it. Stages are those of the pipeline. */
struct plan_night {
	int64_t end_us;            /* boot clock; 0: it did not come to an end */
	int64_t cost_micro, budget_us;
	uint64_t calls;            /* of all runs */
	uint64_t rows, refused, duplicates, done_by;
	uint64_t outcomes[ITEM_OUTCOMES];
	uint64_t entered[RUN_STAGES];
	int64_t cost_of[RUN_STAGES];
	struct stage_count stages[RUN_STAGES];
	struct plan_service services[PLAN_SERVICES]; /* by place in the configuration */
	struct plan_bin bins[PLAN_BINS];
	int64_t bin_us;
};

/* What --what-if does to prices: of drawn ones, by place of the service in the configuration; 1: nothing. */
struct plan_changes {
	double price[PLAN_SERVICES];
	bool limits[PLAN_SERVICES];
};

/* An answer on its way. */
struct event {
	struct heap_head head;
	uint64_t call;
	struct foretold said;
};

/* The night at play. */
struct night {
	const struct plan_request *q;
	const struct plan_changes *changes;
	struct plan_night *tale;
	struct engine *engine;
	struct odds *odds;
	struct now now;
	struct heap heap; /* of struct event */
	uint64_t seq;
	int64_t turn_us, later_us, wake_us[PLAN_SERVICES];
	size_t gathered;
	uint32_t run;
	int64_t sampled_us;
	bool imported, failed;
	struct lead_error *err;
};

/* store: a copy of its own. */
int plan_night(const struct plan_request *q, const struct plan_changes *changes, struct store *store, struct odds *odds, uint64_t seed,
    struct plan_night *ret, struct lead_error *err) MUST_CHECK;

/* plan_watch.c */
/* The piece of the night; when it becomes longer than all of them, two become one. */
struct plan_bin *plan_bin_at(struct night *n, int64_t boot_us);
/* From time to time, or now: the longest queue that may not go on is what holds the run up. */
void plan_watch(struct night *n, bool now);
/* Once the file is read: rows that cost nothing, refused by the free gates or twice in the list. */
void plan_watch_import(struct night *n);

/* plan_change.c: one --what-if. */
int plan_change(struct plan_request *q, const char *text, struct plan_changes *changes, struct lead_error *err) MUST_CHECK;

/* plan_band.c */
struct plan_band {
	double early, median, late, mean;
};
/* values: sorted here. */
struct plan_band plan_band(double *values, size_t n);

/* plan_show.c */
struct showing {
	const struct plan_request *q;
	const struct odds *odds;
	struct names *names;
	const struct pipeline *pipeline;
	struct plan_night *nights, *middle;
	size_t n;
	double *values; /* n of them, to sort */
	struct json_object *out, *notes;
};
void plan_show_time(struct showing *s); /* plan_show_time.c */
struct json_object *plan_show(const struct plan_request *q, const struct odds *odds, struct names *names, struct plan_night *nights, size_t n);
