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

static bool before(const struct event *a, const struct event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->seq < b->seq;
}

void event_add(struct night *n, struct event e)
{
	size_t i = n->n_heap;

	if (n->n_heap == n->cap_heap) {
		n->cap_heap = n->cap_heap * 2 + 1024;
		n->heap = realloc(n->heap, n->cap_heap * sizeof(*n->heap));
	}
	n->n_heap++;
	while (i > 0 && before(&e, &n->heap[(i - 1) / 2])) {
		n->heap[i] = n->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	n->heap[i] = e;
}

struct event event_take(struct night *n)
{
	struct event top = n->heap[0], last = n->heap[--n->n_heap];
	size_t i = 0;

	for (;;) {
		size_t k = 2 * i + 1;

		if (k >= n->n_heap) {
			break;
		}
		k += k + 1 < n->n_heap && before(&n->heap[k + 1], &n->heap[k]);
		if (!before(&n->heap[k], &last)) {
			break;
		}
		n->heap[i] = n->heap[k];
		i = k;
	}
	n->heap[i] = last;
	return top;
}

void event_push(
    struct night *n, int64_t at_us, enum event_kind kind, uint32_t number, int64_t v, void *p)
{
	struct event e = {.at_us = at_us > n->now_us ? at_us : n->now_us,
	    .seq = n->seq++,
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
	size_t count = n->n_heap;
	struct event *all = n->heap;

	n->heap = NULL;
	n->n_heap = n->cap_heap = 0;
	for (size_t i = 0; i < count; i++) {
		all[i].at_us += all[i].kind >= EVENT_INTENT ? us : 0;
		event_add(n, all[i]);
	}
	free(all);
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
