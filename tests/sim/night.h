/*
 * tests/sim/night.h: one simulated night: what is planned, what is seen from outside, what came of
 * it.
 *
 *   plan (plan.c) --> shell (shell.c, wire.c): the engine on a virtual clock --> check (check.c)
 *                        '-- faults and the operator (operator.c), budgets and shares as they
 * happen (watch.c)
 *
 * One seed fixes everything. All times here are true time: microseconds since the night began, as
 * the providers see them; the engine is shown its own two clocks, which may be wrong.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/ids.h"
#include "lib/base/time.h"
#include "lib/sim/scenario.h"
#include "lib/sim/world.h"

#define SERVICES 4 /* verify, research, copy, mail: in the order of enum world_service */
#define WINDOWS 2
#define RUNS 4
#define FAULTS 48
#define KEYS 2

/* What can happen. Below FAULT_N: the provider does it (enum world_fault). */
enum kind {
	KIND_CRASH_BEFORE_COMMIT = FAULT_N,
	KIND_CRASH_AFTER_COMMIT, /* committed, but nothing of it was released */
	KIND_CRASH_IN_RELEASE,   /* some of the granted calls left, the others did not */
	KIND_CRASH_UNSENT,
	KIND_CRASH_SENT,
	KIND_CRASH_ANSWERED, /* an answer was gathered, its turn never came */
	KIND_CRASH_STARTING, /* and once more while it starts again */
	KIND_REBOOT,
	KIND_STOP, /* a drain, then a start */
	KIND_CLOCK_AHEAD,
	KIND_CLOCK_BACK,
	KIND_CLOCK_1970,
	KIND_CLOCK_DRIFT,
	KIND_SUSPEND,
	KIND_STALL, /* the process stands still, the world does not */
	KIND_RELOAD,
	KIND_LIMITS_LOWERED,
	KIND_BUDGET_CUT,
	KIND_RUN_BUDGET,
	KIND_RUN_PAUSE,
	KIND_RUN_CANCEL,
	KIND_RUN_RETRY,
	KIND_SERVICE_PAUSE,
	KIND_SERVICE_RESET,
	KIND_SERVICE_LIMIT,
	KIND_START_TWICE,
	KIND_ROWS_TWICE,
	KIND_ROWS_SHUFFLED,
	KIND_STORE_FULL,
	KIND_STORE_NEARLY_FULL,
	KIND_DNS,
	KIND_REFUSED,
	KIND_SLOW_CONNECT,
	KIND_JITTER,
	KIND_N
};
const char *kind_word(unsigned kind);

struct fault {
	uint8_t kind, service, run;
	uint32_t share_ppm; /* of the calls in its reach */
	int64_t at_us, for_us;
	uint64_t draw;
	bool off; /* left out by the shrinker */
};

struct run_plan {
	unsigned campaign; /* 0 or 1 */
	uint32_t companies; /* that the rows are of; 0: each of its own */
	uint32_t rows;     /* of distinct people */
	uint8_t priority;
	uint32_t share;
	int64_t start_us, budget_micro;
	int64_t by_us; /* after its start; 0: as long as it takes */
	bool twice, shuffled; /* rows */
	uint32_t sample;       /* 0: none */
	bool preview;
	int64_t approve_us;    /* after its start, and every few seconds from then on */
	enum { KEEP, RECALL, RECALL_UNSENT } recall; /* the operator takes out again what it pushed */
	bool recall_cancels;  /* and ends it for that */
	int64_t recall_us;
	bool verified; /* its destination is read back in the middle of the night, and at its end */
	int64_t verify_us;
	char upload[24], idem[24];
	struct buf csv;
};

struct window_plan {
	uint32_t max; /* 0: none */
	int64_t length_us;
};

struct shape {
	const char *pipeline;
	struct window_plan windows[SERVICES][WINDOWS];
	int64_t median_us;
};

struct plan {
	uint64_t seed;
	unsigned shape;
	bool calm; /* without faults: to know how long the night takes then */
	uint32_t rows;
	struct run_plan runs[RUNS];
	size_t n_runs;
	struct fault faults[FAULTS];
	size_t n_faults;
	int64_t quiet_us; /* no fault any more */
	int64_t calm_us;  /* how long such a night takes without faults */
};

extern const struct shape shapes[];
extern const unsigned n_shapes;
const char *service_word(unsigned service);

struct plan_options {
	uint64_t seed;
	uint32_t rows;    /* not 0: instead of what the seed says */
	uint64_t without; /* bit per fault that is left out */
	bool calm;
	int shape;       /* -1: as the seed says */
	int64_t calm_us; /* faults lie within it */
};
/* Shape and rows alone, so that the calm time can be found first. */
void plan_size(const struct plan_options *o, struct plan *ret);
void plan_make(const struct plan_options *o, struct plan *ret);
void plan_fini(struct plan *p);
/* Does its pipeline have a stage that a person must release? */
bool plan_approves(const struct plan *p);
/* Leads of that night are pushed in batches, and share what is asked of a company. */
bool plan_groups(const struct plan *p);
/* What a fault is, for people. */
void plan_write_fault(const struct fault *f, struct buf *out);
/* The world goes on as `calm` with those of the n faults that are at work. */
void plan_swap_world(struct world *w, const struct scenario *calm, const struct fault *faults, const bool *active, size_t n);

/* One request as the wire and the provider saw it. */
struct wire {
	uint64_t call;
	uint8_t service, key, fault, end;
	bool find;      /* mail: a read, not a push */
	bool poll;      /* research: for a job of the desk */
	bool delivered; /* its whole answer is in the store */
	int status;
	bool failed;           /* no readable answer, or the service's own failure */
	uint32_t epoch, order; /* which life of the process sent it; its place among all ends */
	int64_t sent_us, arrived_us, first_us,
	    ended_us; /* first byte of the answer, and its end; 0: none came */
	int64_t retry_after_us;
	uint32_t max[WINDOWS]; /* of its service's windows when it was granted */
};

struct result {
	uint64_t steps, faults, violations, hash;
	uint64_t hits[KIND_N];
	uint64_t calls, turns, recalled, verified;
	uint64_t batched, joined, cached; /* parts of batches; leads that joined a call, or took a kept answer */
	uint64_t jobs, polls;
	int64_t span_us;
	struct buf text; /* violations, one a line */
};
void result_fini(struct result *r);
void result_show(const struct result *r);
void result_hits(const uint64_t hits[KIND_N]); /* how often what went wrong */
/* Plays the night and checks it. */
void night_play(const struct plan *p, struct result *ret);
void violate(struct result *r, const char *format, ...) PRINTF(2, 3);
