/* lib/engine/item/birth.h: an item comes into the run. */
#pragma once

#include "lib/lead/identity.h"
#include "lib/store/items.h"

struct engine;
struct run;

/*
 * row: as items.h keeps it, of the run's columns of that level. Free gates, list, identity and the first stage decide where it
 * goes. Returns its outcome: ITEM_OPEN when it goes on.
 */
enum item_outcome birth(struct engine *e, struct run *r, enum item_level level, uint32_t parent, uint32_t number, const void *row, size_t len);
/* The same of fields by name; those that are no columns of the run are left. It gets the next number: ret. */
enum item_outcome birth_of(struct engine *e, struct run *r, enum item_level level, uint32_t parent, const struct fact_field *fields, size_t n,
    uint32_t *ret);
/* By what it is known: the strongest identity alone. */
struct identity birth_identity(struct engine *e, enum item_level level, const struct record *row);
/* Columns of that level, unless the run has some: `names` of them. 0 or LEAD_ENOMEM. */
int run_set_columns(struct run *r, enum item_level level, const char *const names[], size_t n) MUST_CHECK;
