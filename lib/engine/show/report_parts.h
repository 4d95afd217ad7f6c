/* lib/engine/show/report_parts.h: what report.c counts over a run, for the files that tell it. */
#pragma once

#include "lib/engine/call/call.h"
#include "lib/engine/run/run.h"
#include "lib/engine/show/export.h"
#include "lib/engine/state.h"

struct reason {
	char text[ITEM_REASON + 16]; /* "rejected: in-crm" */
	uint64_t count;
	int64_t spent_micro;
};

/* Why items of one level came to no good, by reason; the most frequent first. */
struct tally {
	struct reason list[64];
	size_t n;
	uint64_t other;
};

struct usage {
	uint64_t outcomes[OUTCOME_N], states[CALL_STATES];
	int64_t settled_micro, in_doubt_micro, refunded_micro;
	int64_t us;
	uint64_t timed;
};

/* A stage of the run: from its first call to its last answer, and how long its calls took together. */
struct phase {
	int64_t began_us, ended_us; /* wall; 0: never called */
	int64_t working_us;
};

/* Calls that went wrong in the same way: at one stage, at one call of a service, with one word for it. */
struct error_kind {
	uint16_t service, endpoint; /* names.h */
	uint8_t stage, outcome;
	uint16_t http_status;
	char reason[40];
	uint64_t count;
	int64_t first_us, last_us;  /* wall */
	uint64_t call;              /* the last one, */
	uint32_t item;              /* and whom it was for */
};

#define ERROR_KINDS 64

struct report {
	struct engine *e;
	uint32_t run;
	bool calls;           /* the leads are counted */
	uint32_t item;        /* the last one */
	uint64_t call;        /* the next one */
	struct tally tally[LEVEL_RUN]; /* of leads, and of companies */
	struct usage *usage;  /* per lane */
	size_t n_usage;
	struct phase phases[RUN_STAGES];
	struct error_kind errors[ERROR_KINDS]; /* the most frequent first */
	size_t n_errors;
	uint64_t more_errors; /* of other kinds */
};

uint64_t usage_calls(const struct usage *u);
/* Calls that brought no answer to judge: the transport or the service failed. In doubt is told apart. */
uint64_t usage_failures(const struct usage *u);
