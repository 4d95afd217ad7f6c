/*
 * tests/sim/systems.h: nights of the shipped pipelines: each plays one of the five systems whole, with the shipped service files
 * and their own waits and limits, on a virtual clock, in the world of lib/sim and with what goes wrong there.
 *
 *   plan (systems_plan.c) --> night (systems_conf.c, systems_night.c, systems_wire.c, systems_say.c) --> check (systems_check.c)
 *
 * One seed fixes everything. All times are true time: microseconds since the night began.
 */
#pragma once

#include "lib/base/ids.h"
#include "lib/store/items.h"
#include "tests/sim/night.h"

#define SYSTEM_FAULTS 24
#define SYSTEM_RUNS 3
#define SYSTEM_WALL_US (INT64_C(1795305600) * US_PER_S) /* 2026-11-22 */

enum system { SYSTEM_OUTREACH, SYSTEM_PROPERTY, SYSTEM_SHEET, SYSTEM_BOUGHT, SYSTEM_CRM, SYSTEMS };
const char *system_word(enum system s);
const char *system_pipeline(enum system s);

struct system_plan {
	uint64_t seed, without;
	enum system system;
	uint32_t leads; /* per run; of the intake: events */
	size_t n_runs;
	bool jobs;      /* property: the workflows answer by callbacks */
	struct {
		char campaign[16], params[160];
		int64_t start_us, budget_micro;
	} runs[SYSTEM_RUNS];
	struct buf csv; /* sheet */
	struct fault faults[SYSTEM_FAULTS];
	size_t n_faults;
	int64_t quiet_us;
};
void system_plan_make(uint64_t seed, uint64_t without, uint32_t leads, struct system_plan *ret);
void system_plan_fini(struct system_plan *p);
/* The world of that night when nothing goes wrong. */
void system_world(const struct system_plan *p, struct scenario *ret);
/* Body of event i of the intake; buf_free it. */
void system_event(const struct system_plan *p, uint32_t i, struct buf *out);

/* Plays the night and checks it. */
void system_play(const struct system_plan *p, struct result *ret);

/* systems_check.c: reads the providers' accounts and the store alone, and includes nothing of lib/engine. */
struct system_input {
	const struct system_plan *plan;
	struct store *store;
	const struct world *world;
	const struct scenario *calm;
	const uint32_t *run_ids;   /* by run of the plan */
	const int64_t *approve_us; /* from when on it may be approved; 0: never said */
};
void system_check(const struct system_input *in, struct result *r);
