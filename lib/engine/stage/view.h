/* lib/engine/stage/view.h: the record view: an item's fields: facts laid over the row. */
#pragma once

#include "lib/base/expr.h"
#include "lib/lead/record.h"
#include "lib/store/items.h"

struct engine;
struct run;

#define VIEW_FIELDS 128
struct view {
	struct engine *engine;
	struct txn *txn;
	struct run *run;
	struct arena *arena;                 /* what is made up lives there: the engine's, or the asker's */
	uint32_t number;
	enum item_level level;
	struct item item;                    /* where it was asked for; number 0: it was not */
	struct value parent;                 /* as JSON; NONE while nobody asked */
	struct record row;
	bool has_row;
	struct fact_field fields[VIEW_FIELDS];
	size_t n;
	const char *campaign_json;
	struct expr_source source;
};
/* number 0: nothing yet. */
void view_open(struct engine *e, struct txn *t, struct run *r, uint32_t number, struct view *v);
/* The record as one JSON object in the arena; NONE when out of memory. */
struct value view_json(const struct view *v, struct arena *a);
void view_add(struct view *v, const struct fact_field *f);
