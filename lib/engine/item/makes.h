/* lib/engine/item/makes.h: a stage brings items: from what it was told. */
#pragma once

#include "lib/base/expr.h"
#include "lib/store/items.h"

#include <stdint.h>

struct engine;
struct item;
struct run;
struct stage;

struct making;
/* Items of the run at a level, not counting duplicates and suppressed ones. */
uint64_t makes_have(struct run *r, enum item_level level);
/* What the stage brings, from what it was told and the record, before anything is written; NULL: nothing. */
struct making *makes_read(struct engine *e, const struct item *parent, const struct stage *st, const struct expr_source *kept);
/*
 * The items come into the run. Returns how many are new. All of an answer's in one turn: an answer and what it brings are one
 * transaction (P2), and a page of 500 people takes 5 ms; longer pages are the service file's choice (`paging: size`, `most`).
 */
uint64_t makes_items(struct engine *e, struct run *r, const struct item *parent, const struct stage *st, struct making *m);
