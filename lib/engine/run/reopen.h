/* lib/engine/run/reopen.h: a lead that is put back goes on where it stopped. */
#pragma once

#include "lib/store/items.h"

struct engine;
struct run;
struct stage_count;

/*
 * A DONE item, or a held one, is open again: at its stage, and there at the step whose answer it does not have yet. False: another run has
 * the lead by now, and it is its duplicate.
 */
bool item_reopen(struct engine *e, struct run *r, struct item *i);
/* The stage no longer counts it among its ends. */
void stage_uncount(struct stage_count *c, enum item_outcome o);
/* The run goes on: its results, if there are any, are those of an earlier end. */
void run_reopen(struct engine *e, struct run *r);
