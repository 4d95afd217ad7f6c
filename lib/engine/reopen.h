/* lib/engine/reopen.h: a lead that is put back goes on where it stopped. */
#pragma once

struct engine;
struct item;
struct run;

/* A DONE item, or a held one, is open again: at its stage, and there at the step whose answer it does not have yet. */
void item_reopen(struct engine *e, struct run *r, struct item *i);
