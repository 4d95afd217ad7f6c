/* tests/sim/systems_night.h: such a night at work: the process around the engine, its network, and a heap of events in true time. */
#pragma once

#include "lib/base/heap.h"
#include "lib/engine/engine.h"
#include "tests/sim/parcel.h"
#include "tests/sim/systems.h"

/* systems_conf.c: borrowed; read at the first use. */
struct config *system_config(const struct system_plan *p);
void system_config_end(void);

enum moment {
	MOMENT_TURN,
	MOMENT_SENT, /* p: flight */
	MOMENT_FIRST,
	MOMENT_END,     /* n: enum transport */
	MOMENT_READ,    /* n: run, v: offset */
	MOMENT_WRITTEN, /* n: run */
	MOMENT_OF_PROCESS, /* those above end with the process */
	MOMENT_ARRIVE,  /* p */
	MOMENT_BACK,    /* n: a callback */
	MOMENT_START,
	MOMENT_SAY,     /* n: a wish of the operator */
	MOMENT_FAULT, MOMENT_FAULT_END, /* n */
	MOMENT_QUIET,
};

struct passing {
	uint64_t call;
	uint32_t epoch, refs;
	bool ended;
	struct parcel parcel;
	size_t max_answer;
	int64_t sent_us, first_us, deadline_us;
	bool whole;
	const char *why;
};

struct system_event {
	struct heap_head head;
	enum moment kind;
	uint32_t epoch, n;
	int64_t v;
	struct passing *p;
};

/* What somebody outside wants until it was heard. */
struct wish {
	struct system_night *night;
	enum command_kind kind;
	uint32_t n;      /* run of the plan, event of the intake, service */
	bool heard, root; /* root: RETRY of what sets the run up */
	int64_t often_us; /* not 0: said again and again */
};

struct callback {
	char token[40], *body;
	uint64_t delivered;
	unsigned tries;
};

struct system_night {
	const struct system_plan *plan;
	struct result *result;
	int64_t now_us, busy_until_us, boot_zero_us;
	uint64_t seq, turns_here;
	struct heap heap;
	struct world *world;
	struct scenario calm;
	struct store *store;
	struct engine *engine; /* NULL: down */
	uint32_t epoch, turn_armed, turn_number;
	char boot_id[24];
	unsigned boots, in_release, crash_when;
	int64_t turn_at_us, wake_us[16], later_us;
	size_t gathered_now;
	struct gathered_answer {
		uint64_t call, token;
	} *gathered;
	size_t n_gathered, cap_gathered;
	bool dying, crash_now, stopping, quiet, done;
	struct wish *wishes[512];
	size_t n_wishes;
	struct callback *callbacks;
	size_t n_callbacks, cap_callbacks;
	uint32_t run_ids[SYSTEM_RUNS];
	bool uploaded, active[SYSTEM_FAULTS];
	int64_t spent_before[SYSTEM_RUNS];
	int64_t approve_us[SYSTEM_RUNS]; /* when it was first said; 0: never */
};

/* systems_night.c */
void system_at(struct system_night *n, int64_t at_us, enum moment kind, uint32_t number, int64_t v, struct passing *p);
void system_poke(struct system_night *n);
void system_crash(struct system_night *n, int64_t away_us);
uint64_t system_draw(const struct system_night *n, uint64_t what, uint64_t id);
struct now system_now(const struct system_night *n);
int64_t system_boot(const struct system_night *n, int64_t true_us);

/* systems_wire.c */
void system_start(struct system_night *n, uint64_t call, const struct request *q);
void system_moment(struct system_night *n, const struct system_event *e); /* SENT, ARRIVE, FIRST, END */
void system_unref(struct passing *f);
void system_call_back(struct system_night *n, uint32_t callback);
void system_tell(struct system_night *n); /* answers that are in the store */

/* systems_say.c: operator, sender of webhooks, faults */
void system_begin(struct system_night *n);
void system_say(struct system_night *n, uint32_t wish);
void system_fault(struct system_night *n, uint32_t i, bool begins);
void system_quiet(struct system_night *n);
bool system_is_done(struct system_night *n);
bool system_hit(struct system_night *n, uint8_t kind, uint64_t call);
void system_crash_moment(struct system_night *n, unsigned kind);

