/* lib/engine/load_parts.h: between the load*.c files. */
#pragma once

#include "lib/engine/load.h"

struct call_row;
struct lane;

/* load_windows.c: how old a stamp of the row is now. */
int64_t load_age_us(const struct engine *e, const struct call_row *c, int64_t stamp_us);
/* Where the service has the call with that number, -1: nowhere any more. */
int load_call_index(const struct lane *l, uint16_t number);

/* load_open.c: 0 or an enum lead_err. */
int load_open(struct engine *e, struct lead_error *err) MUST_CHECK;
