/* lib/engine/call/share.h: those who ask the same at the same moment share a call. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct call;
struct engine;
struct item;
struct run;
struct slot;

/* Others may join the call from now on, if its stage says so. */
void share_offer(struct engine *e, struct slot *s, const struct item *i, struct call *c);
void share_close(struct engine *e, struct call *c);
/* Its answer was only the beginning: it can be joined again until its job has ended. */
void share_reopen(struct engine *e, struct call *c);
/* It joined a call under way. */
bool share_join(struct engine *e, struct run *r, struct slot *s, struct item *i, uint64_t hash);
