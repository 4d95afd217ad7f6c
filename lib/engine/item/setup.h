/* lib/engine/item/setup.h: what sets a run up is made once, whoever else asks for the same. */
#pragma once

#include <stdbool.h>

struct call;
struct engine;
struct item;
struct run;
struct slot;

/*
 * The run's own item is about to make the call, which is rendered. True: it does not. Another run made the same, or is making it, so it
 * waits, or looks first. False: it does, and is known for it.
 */
bool setup_waits(struct engine *e, struct run *r, struct slot *s, struct item *i, const struct call *c);
/* The run it waits for; 0: none that makes a call right now. */
unsigned setup_behind(struct engine *e, const struct run *r);
