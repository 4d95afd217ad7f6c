/* lib/engine/run/run.h: a run: its row, its stages bound to the present configuration, its queue. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/uthash.h"
#include "lib/engine/config/pipeline.h"
#include "lib/lead/record.h"
#include "lib/store/queue.h"
#include "lib/store/runs.h"

struct busy;
struct campaign;
struct day_tally;
struct engine;
struct import;
struct lane;

#define SLOTS 64
#define RUN_PARAMS 64
#define STAGE_GONE "stage-gone"

/* One place in the queue of a run: a stage's step, or its look-up. */
struct slot {
	uint8_t rank;
	uint8_t stage, step;    /* stage: index into the run's stages */
	enum item_phase phase;
	struct lane *lane;
	const struct service_call *call;
	struct day_tally *tally[2]; /* [1]: of repeats */
	uint32_t queued;        /* entries in `ready` */
	bool starts;            /* its leads are not begun: nothing was spent on them yet */
	uint32_t approvals;     /* bits that a person must have released: approve.h */
	bool blocked;           /* this pass: its gate is shut */
	int64_t since_us, newest_us; /* boot clock: since when a batch of it waits to be full, and when the last item came */
};

struct run_param {
	struct value name, value;
};

struct run {
	uint32_t id;
	struct run_row row;
	const struct campaign *campaign;     /* of the present configuration; NULL: gone, nothing is granted */
	const struct pipeline *pipeline;
	int stage_of[RUN_STAGES];            /* the run's stage -> pipeline stage, -1 gone */
	int run_stage_of[RUN_STAGES];        /* pipeline stage -> the run's */
	int entry;                           /* pipeline stage whose first paid call begins a lead; the first call where none is paid; -1 none */
	uint8_t rest_stage;                  /* where the leads beyond a sample wait; RUN_STAGES: there is none */
	struct slot slots[SLOTS];
	size_t n_slots;                      /* by rank */
	uint32_t in_flight[RUN_STAGES];
	uint32_t in_flight_total;
	uint32_t retrying_begun[RUN_STAGES]; /* of those that wait to be tried again, by money spent */
	struct columns columns[LEVEL_RUN];   /* of leads, of companies */
	bool has_columns[LEVEL_RUN];
	struct busy *busy;
	uint64_t root_outcomes[ITEM_OUTCOMES]; /* nobody counts them */
	struct run_param *params;            /* of the run, n_params of them; in `arena` */
	size_t n_params;
	struct arena arena;
	char *json;                          /* `.run`, when somebody has asked for it; malloc'ed */
	bool remembers;                      /* some campaign of its organisation asks who is known */
	bool root_waits;                     /* its own item waits for what it brought */
	bool root_look;                      /* something of it has ended since */
	uint64_t behind_call, looked_behind; /* the other run's call that its own waits for; that it has looked behind: setup.h */
	uint32_t behind;                     /* that run */
	bool root_ready, root_failed;        /* everything is set up; never will be */
	struct import *import;
	uint32_t sweep;                      /* parking or cancelling: last number looked at */
	uint32_t moved;                      /* moving: last number looked at */
	bool moving;                         /* the pipeline is another one: some items may wait at the wrong place */
	bool parking;                        /* sweeping what waits: no budget or time will ever let it go */
	bool dirty, changed, sweeping, ended_told;
	bool verifying;                      /* its destination is being read back */
	uint16_t campaign_no, org_no;
	UT_hash_handle hh;
};

struct run *run_get(struct engine *e, uint32_t id);
struct run *run_add(struct engine *e, struct run_row *row);
/* The part of it that needs no engine: what its row says (taken), its columns and params; and their end. */
void run_open_row(struct run *r, const struct run_row *row);
void run_close_row(struct run *r);
void run_bind(struct engine *e, struct run *r);
/* After its state has changed: it takes part in the turns of its services, or no longer. A run that has ended costs no turn anything. */
void run_share(struct run *r);
/* Has every item looked at, in slices: see run_requeue. */
void run_move(struct engine *e, struct run *r);
/* An organisation's name as names.h knows it: campaigns share the kind, a prefix keeps them apart. Returns `out`. */
const char *run_org_name(const char *organisation, char out[RUN_TEXT]);
void run_free(struct engine *e, struct run *r);
void runs_write(struct engine *e);
void run_touch(struct run *r);
bool run_is_over(const struct run *r); /* cancelled or failed: what is still in flight ends where it is */
struct slot *run_slot(struct run *r, uint8_t rank);
struct stage_count *run_count(struct run *r, uint8_t stage);
void run_queue(struct engine *e, struct run *r, struct item *i);   /* WAITING, into `ready` at its stage, step and phase; counted and written */
/* A waiting or held item after its pipeline changed: to the queue where its stage is called now, or held when that is gone. */
void run_requeue(struct engine *e, struct run *r, struct item *i);
void run_unqueue(struct engine *e, struct run *r, struct item *i); /* out of `ready`; still counted as waiting */
void run_check_end(struct engine *e, struct run *r);
const struct stage *run_stage(const struct run *r, uint8_t stage); /* NULL: gone */
/* Counters of the items of that level. */
uint64_t *run_outcomes(struct run *r, enum item_level level);
/* Some item has no outcome yet. */
bool run_has_open(const struct run *r);
