/* lib/engine/item/route.h: what becomes of a webhook. */
#pragma once

#include <stdbool.h>

struct engine;
struct inbox_event;
struct inbox_row;
struct run;

/* What becomes of the event: a lead in an open run, or why not. The caller writes the row. */
void route_event(struct engine *e, const struct inbox_event *ev, struct inbox_row *ret);
/* Events still go into that run. */
bool intake_run_takes(const struct run *r);
