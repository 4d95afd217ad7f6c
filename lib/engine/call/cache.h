/* lib/engine/call/cache.h: answers that are kept for others who ask the same. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct answer;
struct call;
struct engine;
struct item;
struct run;
struct slot;
struct stage;

/* May the item take an answer that is there, or share one to come? */
bool cache_may(const struct engine *e, const struct stage *st, const struct slot *s, const struct item *i);
/* It took a kept answer, and went on with it. */
bool cache_take(struct engine *e, struct run *r, struct slot *s, struct item *i, uint64_t hash);
/* What the part the call is at was told, for others: before its item goes on. */
void cache_keep(struct engine *e, struct run *r, const struct item *i, const struct call *c, const struct answer *a);
void cache_sweep(struct engine *e);
