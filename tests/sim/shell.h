/*
 * tests/sim/shell.h: a night at work: the process around the engine, its network, and a heap of
 * events in true time.
 *
 *   start (effect) -> SENT -> ARRIVE: the world answers -> FIRST -> END -> turn -> settled: the
 * world is told
 *
 * What the process does (all but ARRIVE) waits while it stands still; a crash forgets it, but
 * requests that are on their way arrive all the same.
 */
#pragma once

#include "lib/base/heap.h"
#include "lib/engine/engine.h"
#include "tests/sim/check.h"
#include "tests/sim/conf.h"
#include "tests/sim/hooks.h"
#include "tests/sim/night.h"
#include "tests/sim/parcel.h"

/* The right time when the night begins: 2026-11-22, a Sunday. */
#define WORLD_WALL_US (INT64_C(1795305600) * US_PER_S)

enum event_kind {
	EVENT_TURN,
	EVENT_WAKE, /* n: lane */
	EVENT_LATER,
	EVENT_SENT, /* p: flight */
	EVENT_FIRST,
	EVENT_END,        /* n: enum transport */
	EVENT_READ,       /* n: run, v: offset */
	EVENT_WRITTEN,    /* n: run */
	EVENT_OF_PROCESS, /* those above end with the process */
	EVENT_ARRIVE,
	EVENT_START,  /* the process starts */
	EVENT_INTENT, /* n: the operator wants something */
	EVENT_FAULT,  /* n: begins */
	EVENT_FAULT_END,
	EVENT_QUIET,
	EVENT_CALLBACK, /* n: job of the desk, v: wait before the next try */
};

struct event {
	struct heap_head head;
	enum event_kind kind;
	uint32_t epoch, n;
	int64_t v;
	void *p;
};

/* One request on its way. Freed with its last event. */
struct flight {
	uint64_t call;
	uint32_t epoch, refs;
	uint8_t service;
	bool ended, arrived, resent, garbage;
	bool desk; /* its answer is only a receipt */
	struct parcel parcel;
	int64_t sent_us, deadline_us, back_us;
	size_t max_answer;
	uint32_t max[WINDOWS];
	const char *why;
	size_t wire; /* its line in the log */
	/* the answer */
	bool whole;
	int64_t first_us;
};

/* What the operator wants until it is done: sent again when it was not heard. */
struct intent {
	struct night *night;
	struct command command; /* as to be sent; config is looked up when it is */
	size_t run;             /* START, UPLOAD and what needs a run: index of the plan */
	uint64_t sent;          /* place among all that was sent */
	bool heard, limits,
	    tight; /* limits: it changes some; tight: it was sent with the tight budgets */
	uint32_t ceiling[SERVICES][WINDOWS];
};

struct gathered {
	uint64_t call, token;
	size_t wire;
	bool whole;
};

/* What the desk works on: desk.c. */
struct desk_job {
	uint64_t id, call, token;
	size_t wire;    /* of the request that began it */
	char back[33];  /* token of its callback */
	char *body;     /* the world's answer */
	char receipt[40];
	int64_t ready_us;
	unsigned tries, acked;
	bool told;
};

struct night {
	const struct plan *plan;
	struct result *result;
	int64_t now_us;
	uint64_t seq;
	struct heap heap; /* of events */

	/* the outside */
	struct world *world;
	struct scenario calm_world;
	struct wire *log;
	size_t n_log, cap_log;
	uint32_t n_ended;
	struct desk_job *desk;
	size_t n_desk, cap_desk, desk_told; /* the world knows of those before desk_told what came of them */

	/* the process */
	struct store *store;
	struct engine *engine; /* NULL: down */
	uint32_t epoch;
	char boot_id[24];
	unsigned boots;
	int64_t boot_zero_us, wall_step_us, drift_since_us, drift_ppm, busy_until_us;
	int64_t turn_at_us, wake_us[8], later_us;
	uint32_t turn_armed, turn_number; /* of the armed turn event, 0: none */
	size_t gathered_now;
	struct gathered *gathered;
	size_t n_gathered, cap_gathered;
	bool dying, crash_now, stopping, rebooting;
	bool stepped;      /* the wall clock, since the last turn */
	size_t in_release; /* starts until the process dies in the middle of a release; 0: no */
	int crash_when;    /* kind that waits for its moment, 0: none */
	uint64_t turns_here;
	unsigned starting_crashes;
	int64_t turns_since_us;

	/* the operator */
	struct intent **intents;
	size_t n_intents, cap_intents;
	uint32_t run_ids[RUNS]; /* 0: not started, or nobody heard */
	bool uploaded[RUNS], cancelled[RUNS], retried;
	int64_t approve_us[RUNS]; /* the first approval that may have been heard was sent; 0: none */
	bool approved[RUNS];      /* one was answered with yes */
	bool approve_lost[RUNS];  /* one was sent, and nobody knows what came of it */
	unsigned variant, low, tight; /* how many faults ask for it now */
	uint64_t sent, limits_sent[SERVICES][WINDOWS],
	    tight_sent; /* the latest of the confirmed changes, by place */
	uint32_t ceiling[SERVICES][WINDOWS], pending_ceiling[SERVICES][WINDOWS];
	uint32_t said[SERVICES]; /* limits by command since the last reload, 0: none */
	bool active[FAULTS];
	unsigned active_kinds[KIND_N];
	int64_t steps_us[FAULTS]; /* of the wall clock */
	bool tight_told;          /* the engine works with the tight budgets */
	unsigned pending_limits;  /* commands about limits that nobody answered yet */
	bool quiet, done;
	int64_t quiet_us; /* moves when the night is suspended */

	struct watch *watch;
};

/* events.c */
void event_push(
    struct night *n, int64_t at_us, enum event_kind kind, uint32_t number, int64_t v, void *p);
void event_add(struct night *n, struct event e);
struct event event_take(struct night *n);       /* the earliest; there is one */
void events_shift(struct night *n, int64_t us); /* what people and faults do comes later */
uint64_t draw(const struct night *n, uint64_t what, uint64_t id);
struct now engine_now(const struct night *n);
int64_t boot_of(const struct night *n, int64_t true_us);
int64_t true_of(const struct night *n, int64_t boot_us);

/* shell.c */
void process_start(struct night *n);
void process_crash(struct night *n, int64_t away_us);
void process_poke(struct night *n);

/* wire.c */
void wire_start(struct night *n, uint64_t call, const struct request *q);
void wire_sent(struct night *n, struct flight *f);
void wire_arrive(struct night *n, struct flight *f);
void wire_first(struct night *n, struct flight *f);
void wire_end(struct night *n, struct flight *f, enum transport t);
void flight_unref(struct flight *f);

/* desk.c */
bool desk_asked(const struct flight *f); /* a poll */
void desk_answer(struct night *n, struct flight *f, struct world_plan *p);
void desk_take(struct night *n, struct flight *f, struct world_plan *p);
void desk_call_back(struct night *n, uint32_t job, int64_t wait_us);
void desk_tell(struct night *n, struct txn *t); /* results that are in the store */
void desk_check(struct night *n);
void desk_free(struct night *n);

/* operator.c */
void operator_begin(struct night *n);
void operator_quiet(struct night *n);
void operator_send(struct night *n, size_t intent);
void operator_restarted(struct night *n);
bool operator_is_done(struct night *n);
struct intent *intend(struct night *n, enum command_kind kind, size_t run, int64_t at_us);
struct intent *intend_service(struct night *n, enum command_kind kind, unsigned service);
void intend_reload(struct night *n);
void intend_limit(struct night *n, unsigned service, uint32_t max);

/* faults.c */
void faults_begin(struct night *n); /* the world, and every fault in its time */
void faults_event(struct night *n, size_t i, bool begins);
bool fault_active(const struct night *n, uint8_t kind, const struct fault **ret);
void crash_moment(struct night *n, int kind);

/* watch.c */
struct watch *watch_new(void);
void watch_free(struct watch *w);
void watch_turn(struct night *n);    /* after each commit */
void watch_disturb(struct night *n); /* something else than limits holds work back now */
void watch_end(struct night *n);

/* exports.c: what the engine would hand out as results against what the store says. */
void check_exports(struct engine *e, struct store *s, struct result *r);
