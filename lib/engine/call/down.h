/* lib/engine/call/down.h: a service that cannot be reached for long. */
#pragma once

#include "lib/base/time.h"

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct lane;
struct run;
struct slot;
struct verdict;

/* Boot time since when no key of it can be used or it does not answer; TIME_NEVER: it is within reach. */
int64_t down_since(const struct lane *l, struct now now);
/* The leads there need not wait for it any longer; else the lane is woken when they need not. */
bool down_too_long(struct engine *e, const struct run *r, const struct slot *s, const struct verdict *v);
