/* lib/engine/item/source.h: the run's own item: the stages that bring items. */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct answer;
struct call;
struct engine;
struct item;
struct run;
struct stage;

/* A new run: its columns, and its own item where the pipeline has stages for it. */
int root_start(struct engine *e, struct run *r) MUST_CHECK;
/* It comes to a stage that brings items, of which no round was asked for yet. False: it is through with the stage. */
bool source_enter(struct engine *e, struct run *r, struct item *i, const struct stage *st);
/* At such a stage: what next? False: it is through with it. */
bool source_step(struct engine *e, struct run *r, struct item *i, const struct stage *st);
/* The same of one that is put back: what it had asked for and was not told is asked again, and nothing else. */
void source_resume(struct engine *e, struct run *r, struct item *i, const struct stage *st);
/* Its answer came, and brought so many new items. */
void source_answered(struct engine *e, struct run *r, struct item *i, const struct stage *st, const struct call *c, const struct answer *a, uint64_t made);
/* Roots that waited for what they brought. */
void sources_step(struct engine *e);
/* An item has come to an end, or is held. */
void root_see(struct engine *e, struct run *r, const struct item *i);
/* After every change of the root; and at start. */
void root_moved(struct engine *e, struct run *r, const struct item *root);
void root_load(struct engine *e, struct run *r);
/* There are more pages: the next one's place is kept as a fact. */
bool page_next(struct engine *e, struct item *i, const struct call *c, const struct answer *a);
