/* lib/engine/stage/verify_parts.h: between the verify*.c files. */
#pragma once

#include "lib/engine/stage/verify.h"

/* verify.c: it is over; why: what kept it from its end, NULL: nothing. */
void verify_end(struct engine *e, struct run *r, struct verify_row *v, const char *why);

/* verify_index.c: the next leads; false: all are indexed. */
bool verify_index_slice(struct engine *e, struct run *r, struct verify_row *v);
/* The keyed hash of what the destination knows a lead by; false when that is blank. */
bool verify_hash(struct engine *e, const struct value *key, uint64_t *ret);

/* verify_page.c: one page: its leads are counted and compared. list: JSON array. */
void verify_page(struct engine *e, struct run *r, const struct stage *st, struct verify_row *v, const struct value *list);
