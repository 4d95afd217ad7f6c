/* The heap of events, chance, and the two clocks that the engine is shown. */
#include "tests/sim/shell.h"

#include <stdlib.h>

#define BOOT_US (INT64_C(5000) * US_PER_S)

/* --- chance: the same for the same thing, whatever else happens --- */

uint64_t draw(const struct night *n, uint64_t what, uint64_t id)
{
	uint64_t parts[] = {n->plan->seed, what, id};

	return hash_plain(parts, sizeof(parts));
}

/* --- events --- */

void event_add(struct night *n, struct event e)
{
	if (!heap_push(&n->heap, &e)) {
		abort();
	}
}

struct event event_take(struct night *n)
{
	struct event e;

	heap_pop(&n->heap, &e);
	return e;
}

void event_push(
    struct night *n, int64_t at_us, enum event_kind kind, uint32_t number, int64_t v, void *p)
{
	struct event e = {.head = {.at_us = at_us > n->now_us ? at_us : n->now_us, .seq = n->seq++},
	    .kind = kind,
	    .epoch = n->epoch,
	    .n = number,
	    .v = v,
	    .p = p};

	if (p != NULL) {
		((struct flight *)p)->refs++;
	}
	event_add(n, e);
}

void events_shift(struct night *n, int64_t us)
{
	struct heap all = n->heap;

	n->heap = (struct heap){.size = all.size};
	for (size_t i = 0; i < all.n; i++) {
		struct event e = *(struct event *)heap_at(&all, i);

		e.head.at_us += e.kind >= EVENT_INTENT ? us : 0;
		event_add(n, e);
	}
	heap_fini(&all);
	n->quiet_us += us;
}

/* --- the clocks that the engine sees --- */

static int64_t wall_of(const struct night *n, int64_t true_us)
{
	int64_t drift = (true_us - n->drift_since_us) * n->drift_ppm / PPM;

	return WORLD_WALL_US + true_us + n->wall_step_us + drift;
}

int64_t boot_of(const struct night *n, int64_t true_us)
{
	if (planted == PLANTED_WALL_FOR_BOOT) {
		return wall_of(n, true_us) - WORLD_WALL_US + BOOT_US;
	}
	return BOOT_US + true_us - n->boot_zero_us;
}

struct now engine_now(const struct night *n)
{
	return (struct now){.boot_us = boot_of(n, n->now_us), .wall_us = wall_of(n, n->now_us)};
}

int64_t true_of(const struct night *n, int64_t boot_us)
{
	return n->now_us + (boot_us - boot_of(n, n->now_us));
}
