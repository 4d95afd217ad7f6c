/* lib/engine/call/batch.h: one call for several items. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct engine;
struct run;
struct service_call;
struct slot;

/* How many items a call takes at most: 1 without `batch`. */
size_t batch_size(const struct engine *e, const struct service_call *c);
/* When the slot's items need not wait for more of them. */
int64_t batch_ready_us(const struct engine *e, const struct run *r, const struct slot *s);
