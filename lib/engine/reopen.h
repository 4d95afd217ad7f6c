/* lib/engine/reopen.h: a lead that is put back goes on where it stopped. */
#pragma once

#include <stdbool.h>

struct engine;
struct item;
struct run;

/*
 * A DONE item, or a held one, is open again: at its stage, and there at the step whose answer it does not have yet. False: another run has
 * the lead by now, and it is its duplicate.
 */
bool item_reopen(struct engine *e, struct run *r, struct item *i);
