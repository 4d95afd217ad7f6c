/* lib/engine/call/override.h: limits that an operator changed at run time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct lane;
struct txn;
struct window_spec;

/* Another number for the windows of that kind and length; label "": in every limit of the service. False: it has none. */
bool override_set(struct engine *e, struct lane *l, const char *label, const struct window_spec *window);
void overrides_restore(struct engine *e); /* at start */
void overrides_drop(struct engine *e);    /* at a reload */
void overrides_forget(struct txn *t, uint16_t service);
