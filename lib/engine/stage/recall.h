/*
 * lib/engine/stage/recall.h: what a run pushed is taken out of the destination again.
 *
 *   command -> task: each lead that is the run's own there is open again -> looked at (unsent only) -> taken out: recalled
 *                                                                        '-> stays: what it was before
 *
 * Which leads those are is one question for the command and for those who only want to see (recall_stays).
 */
#pragma once

#include "lib/store/items.h"

struct answer;
struct call;
struct command;
struct engine;
struct expr_source;
struct run;
struct stage;

/* The run's stage whose pushes can be taken out again; NULL: none can. */
const struct stage *recall_stage(const struct run *r, uint8_t *ret_stage);
/* NULL: it goes, if nothing was sent to it should only those go. Else why it stays; "" for a lead that was never there. */
const char *recall_stays(const struct item *i);
/* Why the run cannot be recalled now, in `text`; false: it can. */
bool recall_refused(const struct run *r, bool unsent_only, char text[200]);
/* One item of the run: opened for the recall when it goes (true). */
bool recall_item(struct engine *e, struct run *r, struct item *i, bool unsent_only);

/* A push was answered, found by its look-up, or read back: is it there because of this run? seen: the answer laid over the record. */
void recall_own(struct engine *e, const struct run *r, struct item *i, const struct stage *st, const struct call *c, const struct answer *a,
    const struct expr_source *seen);
/* The answer to a call of an item that is being recalled (phase_recalls). */
void recall_outcome(struct engine *e, struct run *r, struct item *i, const struct call *c, const struct answer *a);
/* It stays there and is again what it was; no counter of the queue holds it any more. */
void recall_give_up(struct engine *e, struct run *r, struct item *i, const char *reason);
void run_recall(struct engine *e, struct command *c, struct run *r);
