/*
 * lib/engine/stage/verify.h: a run's destination is read back as a whole and compared with what the run pushed.
 *
 *   command -> clear -> index: what should be there -> read: page by page, each element looked up -> compare: what was not seen
 *
 * It goes on in slices, one each turn; the pages are calls of an item of the run's own (ITEM_VERIFY), under limits and in the ledger
 * like all others, whatever state the run is in. See lib/store/verify.h for what is kept.
 */
#pragma once

#include "lib/base/value.h"
#include "lib/store/items.h"
#include "lib/store/verify.h"

struct answer;
struct call;
struct command;
struct engine;
struct run;
struct stage;

#define ITEM_VERIFY (ITEM_ROOT - 1)

/* The stage whose destination can be read back; NULL: none. */
const struct stage *verify_stage(const struct run *r, uint8_t *ret_stage);

/* COMMAND_VERIFY. */
void run_verify(struct engine *e, struct command *c, struct run *r);
void verify_load(struct engine *e, struct run *r);
void verifies_step(struct engine *e);
/* A push was answered: it may be seen, and is not foreign. */
void verify_pushed(struct engine *e, struct run *r, const struct item *i);
/* The answer to a call of the item in PHASE_VERIFY. */
void verify_outcome(struct engine *e, struct run *r, struct item *i, const struct call *c, const struct answer *a);
/* It reads no further; no counter holds it any more. */
void verify_stop(struct engine *e, struct run *r, struct item *i, const char *reason);
