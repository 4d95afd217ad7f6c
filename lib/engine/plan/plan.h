/*
 * lib/engine/plan/plan.h: a night before it is paid for.
 *
 * The engine itself, blind (foretell.h), on a virtual clock and a copy of the store (lib/store/snapshot.h): the real file
 * with its free gates and duplicates, the real scheduler with today's windows, quotas, budgets and other runs. What
 * calls say, take and cost is drawn from what the store knows of calls before (odds.h). The same night is played again and again
 * with other draws; what came out in the middle and at the late end is told.
 */
#pragma once

#include "lib/engine/config/config.h"
#include "lib/store/runs.h"
#include "lib/store/store.h"

struct json_object;

#define PLAN_CHANGES 16

struct plan_request {
	struct store *store;        /* as it is now; only read */
	struct config *config;      /* the caller's own: --what-if changes it */
	const char *scratch;        /* a folder that is there and empty, and is so afterwards */
	struct run_row start;       /* campaign, upload, map, encoding, delimiter, budget, max_rows, priority, share */
	int64_t by_wall_us;         /* 0: no such time */
	const char *what_if[PLAN_CHANGES];
	size_t n_what_if;
	struct now now;             /* of the machine whose store it is */
	uint64_t seed;
	unsigned repetitions;       /* 0: as many as the work allows, 5 to 200 */
	/* Up to max bytes of an upload at offset into out: how many, 0 at the end, below 0 when it cannot be read. */
	long (*read)(void *ctx, const char *upload, uint64_t offset, void *out, size_t max);
	void *ctx;
};

/*
 * The plan as daemon/API.md describes it; owned by the caller. LEAD_EINPUT: what was asked for cannot be (a file that is no table, a
 * wrong --what-if), with the nearest right word. Everything else as store_open and engine_new say.
 */
int plan_make(struct plan_request *q, struct json_object **ret, struct lead_error *err) MUST_CHECK;
