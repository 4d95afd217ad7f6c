/* lib/engine/run/run_parts.h: places in a run's queue, between the run*.c files. */
#pragma once

#include "lib/engine/run/run.h"

#define RANK_TOP 249
#define RANK_STAGE 10
#define RANK_LOOKUP CHAIN_STEPS
#define RANK_RECALL 250 /* not places either: of the one stage whose pushes can be taken out again */
#define RANK_RECALL_LOOK 251
#define RANK_REST 252 /* the leads beyond a sample, at the first stage: behind all others */
#define RANK_VERIFY 253 /* the one item that reads the destination back */
#define RANK_BACK 0 /* not a place: the rank itself, below all others */

/* run_queue.c: the rank of a step of a stage of the run, or of looking its doubtful calls up. */
uint8_t rank_of(uint8_t stage, uint8_t step, enum item_phase phase);
/* That of an item as it stands. */
uint8_t run_rank(const struct run *r, const struct item *i);
