/*
 * lib/engine/recall.h: what a run pushed is taken out of the destination again.
 *
 *   command -> task: each lead that is the run's own there is open again -> looked at (unsent only) -> taken out: recalled
 *                                                                        '-> stays: what it was before
 *
 * Which leads those are is one question for the command and for those who only want to see (recall_stays).
 */
#pragma once

#include "lib/engine/state.h"

/* The run's stage whose pushes can be taken out again; NULL: none can. */
const struct stage *recall_stage(const struct run *r, uint8_t *ret_stage);
/* NULL: it goes, if nothing was sent to it should only those go. Else why it stays; "" for a lead that was never there. */
const char *recall_stays(const struct item *i);
/* Why the run cannot be recalled now, in `text`; false: it can. */
bool recall_refused(const struct run *r, bool unsent_only, char text[200]);
/* One item of the run: opened for the recall when it goes (true). */
bool recall_item(struct engine *e, struct run *r, struct item *i, bool unsent_only);
