/*
 * lib/engine/state.h: what the engine holds in memory, for its own files only.
 *
 * Bounded by calls in flight, services, runs and windows: never by the number of leads. Everything but the flow state
 * (limits, breakers, quotas) is a copy of rows; after a failed commit it is thrown away and read again.
 */
#pragma once

#include "lib/base/heap.h"
#include "lib/base/ids.h"
#include "lib/engine/engine.h"
#include "lib/flow/hold.h"
#include "lib/flow/share.h"
#include "lib/lead/identity.h"
#include "lib/service/batch.h"
#include "lib/store/jobs.h"
#include "lib/store/inbox.h"
#include "lib/store/ledger.h"
#include "lib/store/names.h"
#include "lib/store/notes.h"
#include "lib/store/outbox.h"
#include "lib/store/queue.h"
#include "lib/store/tally.h"

#define uthash_fatal(msg) abort()
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>

#define TURN_GRANTS 256
#define TURN_OUTCOMES 256
#define TURN_ROWS 1000
#define MAX_ACCOUNTS 12
#define SLOTS 64
#define BOOTS_KNOWN 8
#define REFUSE_PERCENT 85
#define SENDING_MOST 8 /* messages on their way at once */
#define STAGE_GONE "stage-gone"
#define HASH_KEY 'h' /* in TABLE_META: engine.hash_key */

struct account {
	struct account_id id;
	struct balance bal;
	bool dirty;
	char key[24];
	size_t key_len;
	UT_hash_handle hh;
};

/* What accounts_for found last for a service: calls of one run and one day come in rows. */
struct account_memo {
	uint32_t run;
	uint64_t generation, drops;      /* of the configuration; of the accounts */
	int64_t from_us, until_us;       /* the day, wall clock */
	size_t n;                        /* 0: nothing yet */
	struct account *list[MAX_ACCOUNTS];
};

/* What became of the calls of one place in a pipeline today; lives as long as the engine. */
struct day_tally {
	struct tally_key place;          /* without a day; padding is 0 */
	struct tally_key key;            /* day 0 while none was counted */
	struct tally_row row;
	bool dirty;
	UT_hash_handle hh;
};

struct lane_key {
	uint16_t number;
	const struct secret *secret; /* of the present configuration; NULL: none is needed, or its file is missing */
	struct quota auth;      /* PARK_AUTH only: a refused key parks alone */
	unsigned in_flight;
};

/* Keys that share one allowance. */
struct lane_group {
	struct limit **limits;  /* by index of service->limits; NULL for PER_SERVICE ones */
	struct quota quota;
	struct breaker breaker;
	struct hold hold;       /* it said "too fast" */
	bool proved;            /* it answered since its breaker closed, or since the start */
	unsigned in_flight;
	size_t next_key;        /* rotation */
};

/* A service at work. Lanes live as long as the engine; their description changes at reload. */
struct lane {
	struct service *def;    /* counted; NULL: gone from the configuration */
	char name[64];
	uint16_t number;
	size_t index;
	uint16_t endpoints[32]; /* numbers of the calls' names */
	struct lane_key *keys;
	struct lane_group *groups;
	struct limit **shared;  /* by index; NULL for PER_KEY ones */
	struct share share;     /* runs with work here */
	unsigned in_flight;
	struct quota pause;     /* the operator's */
	struct stat_row stat;
	bool stat_dirty, park_dirty;
	bool known;             /* it was called before this start */
	struct limit **fresh;   /* those of its limits whose windows do not yet hold what the ledger says */
	size_t n_fresh;
	int64_t wake_us;
	size_t next_group;
	const struct budget *budget;
	struct config *last;    /* counted, where the present one has no such service: its keys' secrets are that one's */
	struct account_memo accounts;
	unsigned jobs;          /* of in_flight: jobs that wait for their result */
	unsigned polls;         /* of in_flight: calls that ask for one; they need no place of their own */
	uint64_t *due;          /* jobs to be asked for now, oldest first: ids of their calls */
	size_t n_due, cap_due;
	int64_t poll_us;        /* when the next of them may go */
};

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

enum import_phase { IMPORT_SNIFF, IMPORT_ROWS };

struct import {
	enum import_phase phase;
	struct csv_sniff *sniff;
	struct csv_reader *reader;
	uint64_t offset;        /* next byte to ask for */
	uint64_t skip;          /* rows already taken before a restart */
	bool asked, failed;
	char error[200];
};

/* Calls under way for one parent at one stage that bounds them. */
struct busy {
	struct busy_key {
		uint32_t parent, stage;
	} key;
	uint32_t n;
	UT_hash_handle hh;
};

#define RUN_PARAMS 64
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

/* What memory knows of a part of a batch besides its row. */
struct call_member {
	struct day_tally *tally;             /* NULL: not counted */
	enum outcome_class said;             /* a blind engine: what the answer and the gates will say of it */
	enum tally_end foretold;
	int64_t price_micro;
};

/* The job of a call: job.c. */
struct job {
	struct job_row row;                  /* stamps of this boot */
	uint64_t poll;                       /* the call that asks for it now; 0: none */
	int64_t alarm_us;                    /* it stands in engine.alarms for then; what else stands there of it is stale */
	bool open;                           /* it holds its call open behind the answer */
	bool placed;                         /* it is one of its lane's jobs */
	bool asking;                         /* it stands in its lane's list */
	bool over;                           /* ended in this turn */
	bool told;                           /* replay: what came was its result, whatever it looks like */
};

/* Under which leads that ask the same find a call that is under way. */
struct share_key {
	uint64_t hash;
	uint32_t service, endpoint; /* no gaps: it is compared byte by byte */
};

struct call {
	uint64_t id;
	struct lane *lane;
	struct service *def;                 /* counted: the generation it was granted under */
	const struct service_call *call;     /* NULL: gone from the configuration before a restart */
	size_t key, group;
	struct limit *limits[CALL_LIMITS];
	struct limit_ticket tickets[CALL_LIMITS];
	size_t n_limits;
	struct call_row row;
	struct request request;              /* until release */
	struct day_tally *tally;                 /* NULL: not counted */
	enum tally_end foretold;             /* a blind engine: what the gates will say */
	struct batch_key *keys;              /* of a batch, one for each part, in the arena: by which its element of the answer is found */
	struct call_member *members;         /* of a batch, one for each part, in the arena; NULL: none */
	struct arena arena;                  /* as long as the call */
	size_t at;                           /* settle.c: the part that is looked at */
	bool fresh;                          /* granted in this turn, not yet released */
	bool ended, restarted;
	bool unanswered;                     /* engine_unanswered */
	struct job *job;                     /* NULL: its answer is its result */
	struct call *next_over;
	bool cached;                         /* no call: an answer that was kept, and what it saved: */
	int64_t saved_micro;
	bool shareable;                      /* others may join it: it stands in engine.shared */
	struct share_key shared_as;
	UT_hash_handle hh, hh_shared;
};

/* The end of a call, waiting for its turn. */
struct outcome {
	struct call *call;
	struct answer answer;
	struct answer *parts;                /* of a batch: what it says to each part; NULL: the same to all */
	char *body;
	size_t body_len;
	uint8_t *head;                       /* in the arena: what is kept of it besides the body; NULL: nothing is kept */
	size_t head_len;
	const char *by;                      /* how a job's result came (JOB_HEADER); NULL: it is an answer */
	struct arena arena;
	struct outcome *next;
};

struct import_part {
	uint32_t run;
	char *bytes;
	size_t len;
	char error[160];
	struct import_part *next;
};

/* Work on many items for a command. */
struct sweep_task {
	struct command *command;
	uint32_t cursor;
	struct sweep_task *next;
};

/* A condition that was told. */
struct told_mark {
	struct told_row row;
	UT_hash_handle hh;
};

/* Webhooks that came in: inbox.c. */
struct inbox {
	uint64_t last, routed;               /* ids: the newest, and how far they were looked at */
	uint64_t waiting;                    /* behind `routed` */
	int64_t first_us, arrived_us;        /* boot clock: when the oldest of those came, and the newest */
	int64_t due_us, idle_us, expire_us;  /* boot clock: next look at all of it; at runs without new leads; at old events */
	struct inbox_counts *counts;         /* of the intakes met since the start */
	size_t n_counts;
	bool counted;                        /* not yet written */
};

struct engine {
	struct store *store;
	struct config *config;
	struct effects effects;
	struct names *names;
	struct dice dice;
	uint8_t hash_key[16];                /* of this store: keyed hashes of personal data */
	struct now now;
	uint32_t boot;
	int64_t boot_shift_us[BOOTS_KNOWN];  /* of the boots before this one, latest first: their clock + shift = ours */
	uint8_t n_boot_shifts;
	char boot_id[64];
	uint64_t turn, last_call;

	struct lane **lanes;
	size_t n_lanes;
	struct run *runs;
	struct account *accounts;
	uint64_t accounts_dropped;
	struct day_tally *tallies;
	bool tallies_dirty, blind, alone;
	struct call *calls, *shared;
	size_t n_fresh;
	struct call *fresh[TURN_GRANTS];

	struct outcome *outcomes, **outcomes_end;
	struct command *commands, **commands_end;
	size_t n_events;                     /* INTAKE among them */
	bool urgent;                         /* others among them */
	struct import_part *parts, **parts_end;
	struct sweep_task *tasks;
	struct command *answered;            /* to be told after the commit */

	struct txn *txn;                     /* within a turn */
	struct arena arena;                  /* of the turn */
	bool draining, full, more;
	bool recovered;                      /* a turn failed since the last commit */
	char full_why[160];
	int64_t later_us;                    /* what was last told to wake_later */
	int64_t answers_us;                  /* boot clock: the next look at the oldest kept answer */
	int64_t cache_us;                    /* the same for answers to be taken again */
	struct told_mark *told;
	uint64_t last_message;
	uint64_t sending[SENDING_MOST];      /* messages on their way; from n_released on: to go after this commit */
	size_t n_sending, n_released;
	int64_t agenda_us;                   /* boot clock: the next look at the campaigns' schedules */
	bool agendas;
	int64_t outbox_us, tidy_us;          /* boot clock: the next look at the messages, at the marks */
	struct heap alarms;                  /* of jobs */
	size_t n_jobs;                       /* calls that only wait for their job */
	struct call *over;                   /* whose jobs ended in this turn */
	int64_t jobs_us;                     /* boot clock: the next look at the oldest jobs */
	struct inbox inbox;
};

/* The part whose item settle.c is at; of a call with one part that. */
static inline const struct call_part *call_part(const struct call *c)
{
	return c->at == 0 ? &c->row.parts[0] : &c->row.more[c->at - 1];
}

/* accounts.c */
size_t accounts_for(struct engine *e, struct run *r, struct lane *l, int64_t wall_us, struct account *ret[MAX_ACCOUNTS]);
/* When all budgets hold `price` more: now, the next day or month, or never. ret_short: the one that is waited for, NULL when none is. */
int64_t accounts_earliest(struct engine *e, struct run *r, struct lane *l, int64_t price, struct account **ret_short, int64_t *ret_limit);
/*
 * The same for a lead that is not begun: `all` is what it may cost in all, `here` of that at this service. Besides it every
 * budget must hold what the leads begun still need.
 */
int64_t accounts_start(struct engine *e, struct run *r, struct lane *l, int64_t all, int64_t here, struct account **ret_short,
    int64_t *ret_limit);
/* How much of all budgets is neither spent, reserved nor needed by leads begun; TIME_NEVER: there is none. */
int64_t accounts_room(struct engine *e, struct run *r, struct lane *l);
/* No settling of calls and no new day will ever make room for it: some budget would have to be raised. */
bool accounts_over(struct engine *e, struct run *r, struct lane *l, int64_t all, int64_t here);
/* What the run, its campaign and its organisation may still reserve; TIME_NEVER: as much as they like. */
int64_t accounts_left(struct engine *e, struct run *r);
struct balance accounts_run(struct engine *e, const struct run *r);
/* Takes what a call may cost into every balance it counts in; times -1: out again. */
void accounts_reserve(struct engine *e, const struct call *c, int times);
void accounts_reserve_part(struct engine *e, const struct call *c, const struct call_part *p, int times);
/* The same for all unsettled calls: out before the configuration changes, in again after it. */
void accounts_reserve_open(struct engine *e, int times);
/* What is reserved follows from the open calls alone, under whatever configuration there is now. */
void accounts_restart(struct engine *e);
void accounts_write(struct engine *e);
void accounts_drop(struct engine *e);

/* tallies.c */
/* NULL: no memory, or no number left for its name. */
struct day_tally *tally_get(struct engine *e, const struct run *r, const struct slot *s, bool again);
/* An answer, before and after the stage looked at it. */
void tally_call(struct engine *e, const struct call *c, const struct answer *a); /* of the part the call is at */
void tally_end(struct engine *e, const struct call *c, const struct answer *a, enum tally_end end);
void tallies_write(struct engine *e);
void tallies_drop(struct engine *e); /* what was counted and not written */
void tallies_free(struct engine *e);

/* lane.c */
int lanes_bind(struct engine *e, struct config *c, struct lead_error *err) MUST_CHECK;
/* Without a description: one that is gone, or about to get its own. */
struct lane *lane_new(struct engine *e, const char *name);
struct lane *lane_by_name(struct engine *e, const char *name);
struct lane *lane_by_number(struct engine *e, uint16_t number);
uint64_t lane_waiting(struct engine *e, const struct lane *l); /* items queued for a call there */
void lanes_write(struct engine *e);
void lane_free(struct lane *l);
/* When that key may be used: never while its credential is missing. */
int64_t lane_key_earliest(const struct lane *l, size_t key, struct now now);
size_t lane_limits(struct lane *l, size_t group, size_t call, struct limit *ret[CALL_LIMITS], size_t ret_index[CALL_LIMITS]);

/* run.c */
struct run *run_get(struct engine *e, uint32_t id);
struct run *run_add(struct engine *e, struct run_row *row);
/* The part of it that needs no engine: what its row says (taken), its columns and params; and their end. */
void run_open_row(struct run *r, const struct run_row *row);
void run_close_row(struct run *r);
void run_bind(struct engine *e, struct run *r);
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

/* record view (view.c): an item's fields: facts laid over the row */
#define VIEW_FIELDS 128
struct view {
	struct engine *engine;
	struct txn *txn;
	struct run *run;
	struct arena *arena;                 /* what is made up lives there: the engine's, or the asker's */
	uint32_t number;
	enum item_level level;
	struct item item;                    /* where it was asked for; number 0: it was not */
	struct value parent;                 /* as JSON; NONE while nobody asked */
	struct record row;
	bool has_row;
	struct fact_field fields[VIEW_FIELDS];
	size_t n;
	const char *campaign_json;
	struct expr_source source;
};
/* number 0: nothing yet. */
void view_open(struct engine *e, struct txn *t, struct run *r, uint32_t number, struct view *v);
/* The record as one JSON object in the arena; NONE when out of memory. */
struct value view_json(const struct view *v, struct arena *a);
void view_add(struct view *v, const struct fact_field *f);

/* birth.c: an item comes into the run. */
/*
 * row: as items.h keeps it, of the run's columns of that level. Free gates, list, identity and the first stage decide where it
 * goes. Returns its outcome: ITEM_OPEN when it goes on.
 */
enum item_outcome birth(struct engine *e, struct run *r, enum item_level level, uint32_t parent, uint32_t number, const void *row, size_t len);
/* The same of fields by name; those that are no columns of the run are left. It gets the next number: ret. */
enum item_outcome birth_of(struct engine *e, struct run *r, enum item_level level, uint32_t parent, const struct fact_field *fields, size_t n,
    uint32_t *ret);
/* Columns of that level, unless the run has some: `names` of them. 0 or LEAD_ENOMEM. */
int run_set_columns(struct run *r, enum item_level level, const char *const names[], size_t n) MUST_CHECK;

/* makes.c */
struct making;
/* What the stage brings, from what it was told and the record, before anything is written; NULL: nothing. */
struct making *makes_read(struct engine *e, const struct item *parent, const struct stage *st, const struct expr_source *kept);
/* The items come into the run. Returns how many are new. */
uint64_t makes_items(struct engine *e, struct run *r, const struct item *parent, const struct stage *st, struct making *m);

/* source.c: the run's own item */
/* A new run: its columns, and its own item where the pipeline has stages for it. */
int root_start(struct engine *e, struct run *r) MUST_CHECK;
/* At a stage that brings items: what next? False: it is through with the stage. */
bool source_step(struct engine *e, struct run *r, struct item *i, const struct stage *st);
/* Its answer came, and brought so many new items. */
void source_answered(struct engine *e, struct run *r, struct item *i, const struct stage *st, const struct call *c, const struct answer *a, uint64_t made);
/* Roots that waited for what they brought. */
void sources_step(struct engine *e);
/* An item has come to an end, or is held. */
void root_see(struct engine *e, struct run *r, const struct item *i);
/* After every change of the root; and at start. */
void root_moved(struct engine *e, struct run *r, const struct item *root);
void root_load(struct engine *e, struct run *r);
/* There are more pages: the next one's place is kept as a fact. */
bool page_next(struct engine *e, struct item *i, const struct call *c, const struct answer *a);

/* run.c: counters of the items of that level. */
uint64_t *run_outcomes(struct run *r, enum item_level level);
/* Some item has no outcome yet. */
bool run_has_open(const struct run *r);

/* intake.c */
void intake_apply(struct engine *e, struct import_part *p);
void intake_ask(struct engine *e, struct run *r);
void import_free(struct import *i);

/* down.c */
/* Boot time since when no key of it can be used or it does not answer; TIME_NEVER: it is within reach. */
int64_t down_since(const struct lane *l, struct now now);
struct verdict;
/* The leads there need not wait for it any longer; else the lane is woken when they need not. */
bool down_too_long(struct engine *e, const struct run *r, const struct slot *s, const struct verdict *v);

/* schedule.c */
enum condition {
	COND_NONE, COND_STORE, COND_DRAIN, COND_RUN, COND_PIPELINE, COND_APPROVAL, COND_PAUSED, COND_CONCURRENCY, COND_KEY, COND_BREAKER, COND_THROTTLE, COND_QUOTA,
	COND_WINDOW, COND_BUDGET, COND_FINISH, COND_LINGER, COND_TIME, COND_SETUP
};
struct verdict {
	enum condition binding;
	int64_t earliest_us;    /* boot; now: granted */
	size_t group;
	size_t limit, window;   /* COND_WINDOW */
	int64_t ready_us;       /* the same without windows and COND_TIME */
};
/* The one function that grants and explains. *all (may be NULL) is called for every condition looked at. */
typedef void (*condition_fn)(void *arg, enum condition c, int64_t earliest_us, const char *text);
struct verdict gate_call(struct engine *e, struct run *r, struct slot *s, condition_fn all, void *arg);
const char *condition_word(enum condition c);
/* The same for a poll of that call's job: it has its place and its money already. */
struct verdict gate_poll(struct engine *e, const struct call *c, const struct service_call *poll, condition_fn all, void *arg);
void schedule(struct engine *e);

/* finish.c */
/* Leads begun that are not at an end and not held. */
uint64_t finish_begun(const struct run *r);
uint64_t finish_begun_at(const struct run *r, size_t pipeline_stage);
/* The most a lead may cost at a stage. */
int64_t finish_most(const struct stage *st);
/* What the leads begun of all runs that count in the account still need of it. */
int64_t finish_need(struct engine *e, const struct account *a, const struct lane *l);
/* Do all budgets hold one more lead, from beginning to end? Else when, and the budget that is short. */
int64_t finish_money_earliest(struct engine *e, struct run *r, struct slot *s, struct account **ret_short, int64_t *ret_limit);
/* So many calls of the slot the budgets allow whatever becomes of the leads begun; 0 where the run's time may end first. */
uint64_t finish_calls_left(struct engine *e, struct run *r, struct slot *s);
/* May as many leads be begun at once, by money and by time? */
bool finish_allows(struct engine *e, struct run *r, struct slot *s, size_t leads);
/* How long until a lead that is started now, and everything before it, is done at the latest; alone: if nothing were before it. */
int64_t finish_time_us(struct engine *e, struct run *r, bool alone);
/* Parks what no budget and no time lets go any more, in runs where nothing else moves. */
void runs_wind_down(struct engine *e);
bool run_is_stuck(struct engine *e, struct run *r);
void finish_park(struct engine *e, struct run *r, struct item *i);

/* place.c */
/*
 * When the lead that has `place` others before it in that slot has its turn, if nothing else happens: never later than it
 * comes then; TIME_NEVER: as things are, never, or nobody can say.
 */
int64_t place_earliest(struct engine *e, struct slot *s, uint64_t place);

/* pace.c */
enum pace {
	PACE_LATEST, /* the most it may take, with what other runs have waiting before it */
	PACE_ALONE,  /* the same if no other run wanted anything */
	PACE_MEAN,   /* on average: calls x (T + u) / N at the slowest limit */
};
/* How long so many calls, by pipeline stage, take through the limits of their services, all services at once. */
int64_t pace_us(struct engine *e, struct run *r, const double calls[RUN_STAGES], enum pace pace);
/* One lead through the stages from `first` on, when it waits for nothing. */
int64_t pace_way_us(struct engine *e, const struct run *r, size_t first);
/* Leads that are through a pipeline stage, and of them those that went on; calls that one needs there (1 before it is known). */
uint64_t pace_leads(const struct run *r, size_t p, uint64_t *ret_on);
/* Items that a call there takes. */
double pace_batch(const struct engine *e, const struct run *r, size_t p);
double pace_calls_per_lead(const struct run *r, size_t p);

/* forecast.c */
struct forecast {
	int64_t finish_us;      /* wall */
	int64_t cost_micro;     /* of the whole run at its end */
	uint64_t calls;         /* still to make */
	uint64_t through;       /* leads ready, delivered or confirmed at its end */
	uint64_t not_started;   /* for want of money or time */
};
/* False when nothing is to come: it has ended, is paused, or nothing is known of its pipeline. */
bool forecast_run(struct engine *e, struct run *r, struct forecast *ret);

/* What so many leads, by the pipeline stage they stand before, will cost to their end, as things went so far. */
int64_t forecast_cost(const struct run *r, const double leads[RUN_STAGES]);
/* known.c */
struct known_item {
	uint32_t run, number; /* of the lead that is known; run 0: none */
};
/* Who of the organisation had that identity last, in another run; it is this one from now on. */
struct known_item known_lead(struct engine *e, struct run *r, const struct identity *id, uint32_t number);
/* Is somebody working on it there, or was he successful? */
bool known_is_taken(struct engine *e, const struct known_item *k);
/* The new lead begins with what is known: a fact. */
void known_reuse(struct engine *e, struct item *i, const struct known_item *k);
/* Everything the stage gives is there already. */
bool known_covers(struct engine *e, struct run *r, const struct item *i, const struct stage *st, struct view *view);
/* Does anybody ask? */
void known_bind(struct engine *e, struct run *r);

/* busy.c */
/* May another call be made for that parent at that stage? */
bool busy_has_room(struct run *r, const struct stage *st, uint8_t stage, uint32_t parent, uint32_t more);
/* One of that parent is in flight there; it is not any more. 0, the run itself: not counted. */
void busy_enter(struct run *r, uint32_t parent, uint8_t stage);
void busy_leave(struct run *r, uint32_t parent, uint8_t stage);
void busy_free(struct run *r);
/* The first in the slot's queue whose parent has room; 0: none of the first ones has. */
uint32_t busy_pick(struct engine *e, struct run *r, const struct slot *s);

/* grant.c */
/* How many items a call was granted for; 0: the item went elsewhere without one. */
int grant(struct engine *e, struct run *r, struct slot *s, const struct verdict *v);
/* The first lead there goes on without the call: its service has been down too long. 0 when there is none. */
int grant_down(struct engine *e, struct run *r, struct slot *s);
/* Asks for the job of that call: 1 granted, 0 it could not be asked. */
int grant_poll(struct engine *e, struct call *job, const struct service_call *poll, const struct verdict *v);
void grants_drop(struct engine *e);
void engine_call_free(struct engine *e, struct call *c);

/* batch.c */
/* How many items a call takes at most: 1 without `batch`. */
size_t batch_size(const struct engine *e, const struct service_call *c);
/* When the slot's items need not wait for more of them. */
int64_t batch_ready_us(const struct engine *e, const struct run *r, const struct slot *s);

/* cache.c */
/* May the item take an answer that is there, or share one to come? */
bool cache_may(const struct engine *e, const struct stage *st, const struct slot *s, const struct item *i);
/* It took a kept answer, and went on with it. */
bool cache_take(struct engine *e, struct run *r, struct slot *s, struct item *i, uint64_t hash);
/* What the part the call is at was told, for others: before its item goes on. */
void cache_keep(struct engine *e, struct run *r, const struct item *i, const struct call *c, const struct answer *a);
void cache_sweep(struct engine *e);

/* share.c */
/* Others may join the call from now on, if its stage says so. */
void share_offer(struct engine *e, struct slot *s, const struct item *i, struct call *c);
void share_close(struct engine *e, struct call *c);
/* Its answer was only the beginning: it can be joined again until its job has ended. */
void share_reopen(struct engine *e, struct call *c);
/* It joined a call under way. */
bool share_join(struct engine *e, struct run *r, struct slot *s, struct item *i, uint64_t hash);

/* suppress.c */
/* Does the run's organisation have anybody on its list? */
bool suppress_has(struct engine *e, const struct run *r);
/* NULL, or why nobody may write there for that run: suppressed-address, suppressed-domain. What is no address is not on any list. */
const char *suppress_reason(struct engine *e, const struct run *r, const struct value *email);
void command_suppress(struct engine *e, struct command *c);

/* credit.c */
/* Number of the versions of the prompt files in that step; 0: it has none. */
int credit_number(struct engine *e, const struct step *step, uint16_t *ret) MUST_CHECK;
/* Says in the fact which version (0: the pipeline's own text) wrote its fields; texts live as long as the turn. */
void credit_fact(struct engine *e, const struct stage *st, uint16_t prompt, struct fact *f);
void credit_count(struct run *r, const struct fact *f, bool passed);

/* settle.c */
void settle(struct engine *e, struct outcome *o);
/* The call has its result: ledger, balances, item. */
void settle_call(struct engine *e, struct outcome *o);
/* Only ledger, balances and statistics: of a poll. */
void settle_poll(struct engine *e, struct call *c, const struct answer *a);
/* What a job's result says about the keys of the service. */
void settle_told(struct engine *e, struct call *c, const struct answer *a);
/* Its place in flight is free again. */
void settle_place(struct call *c);

/* job.c */
/* How the result of a job came, kept with it for replay; no header of a real answer has that name. */
#define JOB_HEADER ":job"
#define JOB_BY_POLL "poll"
#define JOB_BY_CALLBACK "callback"
#define JOB_LATE "late"
/* At the grant. False: no memory. */
bool job_new(struct engine *e, struct call *c);
const char *job_callback_url(struct engine *e, const struct call *c); /* NULL: none; in the turn's arena */
void job_submit(struct engine *e, const struct call *c); /* with call_open */
/* Is that answer only the beginning? Then its place is kept (job_place). */
bool job_begins(const struct call *c, const struct answer *a);
void job_place(struct call *c);
/* The same in the turn: true, and the call stays open or has ended with its job already. */
bool job_take(struct engine *e, struct outcome *o);
/* Its call is settled without one. */
void job_close(struct engine *e, struct call *c);
/* An answer that replay brings may be a job's result. */
int job_answer_read(struct outcome *o, const struct http_answer *h, struct now now);
void job_polled(struct engine *e, struct outcome *o);
void job_callback(struct engine *e, struct command *c);
/* Jobs that are late, polls that are due. */
void jobs_step(struct engine *e);
int64_t jobs_next_us(const struct engine *e);
void jobs_release(struct engine *e);
/* Found open in the store at a start; true: nothing is in doubt, or may yet be told. */
bool job_adopt(struct engine *e, struct call *c);
/* Memory as the store has it: before, and for each open call. */
void jobs_unload(struct engine *e);
void job_reload(struct engine *e, struct call *c);
void jobs_free(struct engine *e);
void jobs_tidy(struct engine *e);
/* The call whose job holds the item; NULL: none does. */
struct call *job_of_item(struct engine *e, uint32_t run, uint32_t number);

/* show_job.c */
/* NULL: that call has no job, or it is forgotten. */
struct json_object *job_object(struct engine *e, struct txn *t, uint64_t call);
/* What an open job waits for, in a sentence without its end. */
void job_text(struct engine *e, const struct call *c, char *out, size_t size);
/* `jobs` of a stage: how many are open; nothing where none is. */
void put_jobs(struct engine *e, struct json_object *o, uint32_t run, uint8_t stage);

/* answers.c */
/* Before the answer is read: takes what will be kept of it; the key is blotted out of the body. */
void answers_gather(struct engine *e, struct outcome *o, const struct http_answer *h, char *body);
void answers_write(struct engine *e, const struct outcome *o);
void answers_expire(struct engine *e);

/* stage.c */
/* A lead on which so much was spent at the stage may take that step of it. */
bool stage_affords(const struct stage *st, size_t step, int64_t spent_micro);
/* It may take the step it stands at. */
bool stage_fits(struct engine *e, const struct stage *st, const struct item *i);
/* Something is missing that this step of its chain needs: to the next step, or the end of the chain, as if nothing had been found. */
void stage_lacks(struct engine *e, struct run *r, struct item *i, const char *reason);
/* It may not: to the next step, or the end of the chain. */
void stage_too_dear(struct engine *e, struct run *r, struct item *i);
/* Its service has been out of reach for as long as the stage waits: the next step, else what `on_down` says. */
void stage_down(struct engine *e, struct run *r, struct item *i, const char *service);
void stage_enter(struct engine *e, struct run *r, struct item *i, int pipeline_stage);
void stage_outcome(struct engine *e, struct run *r, struct item *i, const struct call *c, const struct answer *a);
/* engine_unanswered: it is held. */
void stage_unanswered(struct engine *e, struct run *r, struct item *i, const struct call *c, const struct answer *a);
/* It is done at its stage: to the next. */
void stage_through(struct engine *e, struct run *r, struct item *i);
/* The four ways on: each counts the item where it goes and writes it. */
void stage_retry(struct engine *e, struct run *r, struct item *i, int64_t due_us);
void item_finish(struct engine *e, struct run *r, struct item *i, enum item_outcome o, const char *reason);
/* Its run is over: it stays where it is, delivered if it was pushed, else parked. */
void item_cancel(struct engine *e, struct run *r, struct item *i, const char *reason);
void item_hold(struct engine *e, struct run *r, struct item *i, const char *reason);
void item_reason(struct item *i, const char *format, ...) PRINTF(2, 3);

/* Of stage.c, for recall.c. */
struct fact call_fact(struct engine *e, const struct item *i, const struct call *c, const struct answer *a);
void count_failure(struct item *i, enum outcome_class class);

/* recall.c */
/* A push was answered, found by its look-up, or read back: is it there because of this run? seen: the answer laid over the record. */
void recall_own(struct engine *e, const struct run *r, struct item *i, const struct stage *st, const struct call *c, const struct answer *a,
    const struct expr_source *seen);
/* The answer to a call of an item in PHASE_RECALL or PHASE_RECALL_LOOK. */
void recall_outcome(struct engine *e, struct run *r, struct item *i, const struct call *c, const struct answer *a);
/* It stays there and is again what it was; no counter of the queue holds it any more. */
void recall_give_up(struct engine *e, struct run *r, struct item *i, const char *reason);
void run_recall(struct engine *e, struct command *c, struct run *r);

/* verify.c */
void run_verify(struct engine *e, struct command *c, struct run *r);
void verify_load(struct engine *e, struct run *r);
void verifies_step(struct engine *e);
/* A push was answered: it may be seen, and is not foreign. */
void verify_pushed(struct engine *e, struct run *r, const struct item *i);
/* The answer to a call of the item in PHASE_VERIFY. */
void verify_outcome(struct engine *e, struct run *r, struct item *i, const struct call *c, const struct answer *a);
/* It reads no further; no counter holds it any more. */
void verify_stop(struct engine *e, struct run *r, struct item *i, const char *reason);

/* agenda.c */
/* Runs whose time has come. */
void agendas_step(struct engine *e);

/* command.c */
/* A run of the campaign begins; takes what row owns. 0 or LEAD_ENOMEM. */
int run_begin(struct engine *e, const struct campaign *m, struct run_row *row, uint32_t *ret);
/* A DONE item is open again, at its stage. */
void item_reopen(struct engine *e, struct run *r, struct item *i);
/* A task over the run's items that c describes; answered when it is through. */
void command_sweep(struct engine *e, struct command *c);
void run_reopen(struct engine *e, struct run *r);
/* The stage no longer counts it among its ends. */
void stage_uncount(struct stage_count *c, enum item_outcome o);
void command_apply(struct engine *e, struct command *c);
/* It was carried out: to be told after the commit. */
void command_answer(struct engine *e, struct command *c);
void command_refuse(struct engine *e, struct command *c, int rc, const char *why);
void tasks_step(struct engine *e);
void runs_sweep(struct engine *e);

/* notify.c */
/* Conditions that began or ended in this turn. */
void notify_step(struct engine *e);
/* That place in the queue waits for money. */
void notify_budget(struct engine *e, struct run *r, struct slot *s, enum condition binding);
/* Nothing of the run moves but for what a person must release. And: it was released. */
struct approve_wait;
void notify_approval(struct engine *e, struct run *r, const struct approve_wait *w);
/* A payment came that released nothing. */
struct payment_event;
void notify_payment(struct engine *e, const struct run *r, const char *subject, const char *text, const struct payment_event *p);
void notify_approved(struct engine *e, struct run *r, uint32_t bits);
/* It has ended and its results are written. summary: text, NULL for none. */
void notify_run(struct engine *e, const struct run *r, const char *summary);
void notify_load(struct engine *e);
void notify_drop(struct engine *e);

/* inbox.c */
void inbox_take(struct engine *e, struct command *c);
void inbox_step(struct engine *e);
void inbox_load(struct engine *e);
void inbox_reload(struct engine *e);         /* another configuration: other times */
void inbox_free(struct engine *e);

/* route.c */
/* What becomes of the event: a lead in an open run, or why not. The caller writes the row. */
void route_event(struct engine *e, const struct inbox_event *ev, struct inbox_row *ret);
/* Events still go into that run. */
bool intake_run_takes(const struct run *r);

/* outbox.c */
struct notice_text {
	enum notice event;
	uint32_t run;                        /* 0: of none */
	const char *organisation;            /* whose people are told; NULL: those of notify.mail */
	const char *subject, *text;
	const char *object_name;             /* in a webhook's body */
	struct json_object *object;          /* taken */
};
void outbox_add(struct engine *e, const struct notice_text *n);
/* Chooses what is due. */
void outbox_step(struct engine *e);
void outbox_release(struct engine *e);       /* after the commit */
void outbox_forget(struct engine *e);        /* there was none */
void outbox_settle(struct engine *e, struct command *c);

/* override.c */
/* Another number for the windows of that kind and length; label "": in every limit of the service. False: it has none. */
bool override_set(struct engine *e, struct lane *l, const char *label, const struct window_spec *window);
void overrides_restore(struct engine *e); /* at start */
void overrides_drop(struct engine *e);    /* at a reload */
void overrides_forget(struct txn *t, uint16_t service);

/* load.c */
void engine_write_clocks(struct engine *e);
/* Of the machine that wrote the store last. */
void engine_boot_id(struct txn *t, char out[64]);
/*
 * How old a stamp is now. Boot clocks tell it, since the wall clock may have been set; those of earlier boots as the first
 * start after each tied them together; the wall clock only what lies further back. Below 0: yet to come, as the late end of a call just sent.
 */
int64_t engine_age_us(const struct engine *e, uint32_t boot, int64_t stamp_us, int64_t wall_us);
/* What the ledger says about services that are new in the configuration. */
int load_windows(struct engine *e, struct lead_error *err) MUST_CHECK;
int engine_load(struct engine *e, bool restarted, struct lead_error *err) MUST_CHECK;
void engine_unload_rows(struct engine *e);
