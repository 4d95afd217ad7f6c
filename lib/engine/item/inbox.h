/* lib/engine/item/inbox.h: webhooks that came in: kept, and looked at in order. */
#pragma once

#include "lib/store/inbox.h"

struct command;
struct engine;

/* Webhooks that came in: inbox.c. */
struct inbox {
	uint64_t last, routed;               /* ids: the newest, and how far they were looked at */
	uint64_t waiting;                    /* behind `routed` */
	int64_t first_us, arrived_us;        /* boot clock: when the oldest of those came, and the newest */
	int64_t due_us, idle_us, expire_us;  /* boot clock: next look at all of it; at runs without new leads; at old events */
	struct inbox_counts *counts;         /* of the intakes met since the start */
	size_t n_counts;
	bool counted;                        /* not yet written */
};

void inbox_take(struct engine *e, struct command *c);
void inbox_step(struct engine *e);
void inbox_load(struct engine *e);
void inbox_reload(struct engine *e);         /* another configuration: other times */
void inbox_free(struct engine *e);
