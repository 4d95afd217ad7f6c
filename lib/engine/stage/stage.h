/* lib/engine/stage/stage.h: where an item goes next. */
#pragma once

#include "lib/base/error.h"
#include "lib/service/service.h"
#include "lib/store/items.h"

struct answer;
struct call;
struct engine;
struct run;
struct stage;

/* A lead on which so much was spent at the stage may take that step of it. */
bool stage_affords(const struct stage *st, size_t step, int64_t spent_micro);
/* It may take the step it stands at. */
bool stage_fits(struct engine *e, const struct stage *st, const struct item *i);
/* Something is missing that this step of its chain needs: to the next step, or the end of the chain, as if nothing had been found. */
void stage_lacks(struct engine *e, struct run *r, struct item *i, const char *reason);
/* It may not: to the next step, or the end of the chain. */
void stage_too_dear(struct engine *e, struct run *r, struct item *i);
/* Its service has been out of reach for as long as the stage waits: the next step, else what `on_down` says. */
void stage_down(struct engine *e, struct run *r, struct item *i, const char *service);
void stage_enter(struct engine *e, struct run *r, struct item *i, int pipeline_stage);
void stage_outcome(struct engine *e, struct run *r, struct item *i, const struct call *c, const struct answer *a);
/* engine_unanswered: it is held. */
void stage_unanswered(struct engine *e, struct run *r, struct item *i, const struct call *c, const struct answer *a);
/* At the stage and step where it stands: it waits for its call, or is given a fixed text. */
void stage_go_on(struct engine *e, struct run *r, struct item *i);
/* It is done at its stage: to the next. */
void stage_through(struct engine *e, struct run *r, struct item *i);
/* The four ways on: each counts the item where it goes and writes it. */
void stage_retry(struct engine *e, struct run *r, struct item *i, int64_t due_us);
void item_finish(struct engine *e, struct run *r, struct item *i, enum item_outcome o, const char *reason);
/* Its run is over, and nothing of it is granted any more: the item stays where it came to, for a retry. False: it goes on. */
bool stage_stops(struct engine *e, struct run *r, struct item *i);
/* Its run is over: it stays where it is, delivered if it was pushed, else parked. */
void item_cancel(struct engine *e, struct run *r, struct item *i, const char *reason);
void item_hold(struct engine *e, struct run *r, struct item *i, const char *reason);
void item_reason(struct item *i, const char *format, ...) PRINTF(2, 3);

/* Of stage.c, for recall.c. */
struct fact call_fact(struct engine *e, const struct item *i, const struct call *c, const struct answer *a);
void count_failure(struct item *i, enum outcome_class class);
