/*
 * lib/engine/plan/replay.h: a run again, on another configuration, without calling anybody.
 *
 *   rows of the run --> the real engine over a scratch store, a virtual clock --> how each lead ended, then and now
 *                        a call starts: what was its lead told, asked this for the n-th time?
 *                        the answer that was kept | none: the call is not made and its lead ends there
 *
 * Answers take as long as they took. Waits, windows and quotas cost nothing: the clock jumps. Budgets begin anew. What a
 * person did in the run (a retry, a key that was let go again) is done again when nothing else moves.
 */
#pragma once

#include "lib/engine/config/config.h"
#include "lib/store/store.h"

struct json_object;

struct replay_options {
	struct store *live;      /* only read, a moment at a time */
	struct store *scratch;   /* empty */
	struct config *config;   /* without secrets; its keep_us becomes 0 */
	uint32_t run;            /* has ended */
	size_t limit;            /* so many differing leads are listed */
	bool steps;              /* and every call of both, at most REPLAY_STEPS */
};

#define REPLAY_STEPS 20000

enum replay_result {
	REPLAY_NO_RUN = 1,       /* there is no such run */
	REPLAY_NOT_ENDED,        /* it has not ended yet */
	REPLAY_NO_ANSWERS,       /* none of its answers is kept */
	REPLAY_NO_CAMPAIGN,      /* the configuration does not have its campaign */
};

/*
 * 0 and *ret (owned), the object of daemon/API.md; above 0: one of enum replay_result, said in err; else a store's or
 * memory's error. Runs as long as it runs: call it from a child.
 */
int replay_run(const struct replay_options *o, struct json_object **ret, struct lead_error *err) MUST_CHECK;
