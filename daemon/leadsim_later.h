/* daemon/leadsim_later.h: requests of the world's own, such as results that workflows call back
 * with. */
#pragma once

#include "lib/sim/world.h"

#include <stddef.h>

struct event_base;
struct later_queue;

/* NULL: out of memory. The world outlives the queue. */
struct later_queue *later_queue_new(struct event_base *base, struct world *w);
/* Those that have not left yet never do. NULL is fine. */
void later_queue_free(struct later_queue *q);
/* The same, and goes on: after a reset of the world their tokens mean nothing. */
void later_queue_clear(struct later_queue *q);
/*
 * Carries out what the plan promises: a POST to a loopback address after its time, tried 5 times
 * with growing waits (1 s, 2 s, 4 s, 8 s) until a 2xx comes back; the world is told of that. An
 * address that is not loopback is not called: it is counted as failed. Copies what it keeps.
 */
void later_queue_add(struct later_queue *q, const struct world_plan *p);

struct later_counts {
	size_t waiting, delivered, failed;
};
struct later_counts later_queue_counts(const struct later_queue *q);
