/* lib/engine/plan/replay_state.h: what the replay_*.c files share, for them only. */
#pragma once

#include "lib/base/heap.h"
#include "lib/engine/plan/replay.h"
#include "lib/store/body.h"

#define REPLAY_SLICE 500 /* leads looked at in one read transaction */

/* A call under way: what it will be told, and when. */
struct replay_flight {
	struct heap_head head;
	int64_t sent_us;
	uint64_t call, kept; /* kept: the call of then; 0: none */
};

struct replay {
	const struct replay_options *o;
	struct engine *engine;
	struct now now;
	uint32_t rows, next_row;       /* of the run; the next one to hand over */
	bool rows_wanted, ended;
	struct heap heap;              /* of flights */
	int64_t *wake_us, later_us;
	size_t n_wake;
	uint64_t started, started_at_stop; /* calls; when nothing moved last */
	unsigned retries;
	int rc;                        /* the first error of an effect */
};

/* replay_copy.c: looks the run up and puts it into the scratch store; the clock is at its start. 0, an enum lead_err or a REPLAY_*. */
int replay_copy(struct replay *x, struct lead_error *err) MUST_CHECK;

/* replay_answers.c */
/* The call that asked the same for the same lead the same time over, then; 0: none, or its answer is not kept. */
uint64_t replay_find(struct replay *x, uint64_t call, uint64_t hash);
/* Is any answer of the run kept? True as well when it made no call. */
bool replay_kept_any(struct replay *x);
/* How often an operator put that lead back. */
unsigned replay_retries(struct txn *t, uint32_t run, uint32_t number);

/* replay_diff.c */
int replay_diff(struct replay *x, struct json_object **ret, struct lead_error *err) MUST_CHECK;
