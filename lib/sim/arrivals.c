/*
 * lib/sim/arrivals.c: two pointers over the stamps: the head moves with each arrival, the tail
 * follows at the window's length. Only what lies between them is kept.
 */
#include "lib/sim/arrivals.h"

#include <stdlib.h>

static void move_tail(struct arrivals *a, struct now now)
{
	if (a->length_us == 0) {
		int64_t day = now.wall_us / US_PER_DAY;

		if (day > a->day) {
			a->day = day;
			a->weight = 0;
		}
		return;
	}
	while (a->count > 0 && a->ring[a->first].at_us <= now.boot_us - a->length_us) {
		a->weight -= a->ring[a->first].weight;
		a->first = (a->first + 1) & (a->cap - 1);
		a->count--;
	}
}

static int grow(struct arrivals *a)
{
	size_t cap = a->cap > 0 ? a->cap * 2 : 16;
	struct arrival *ring = malloc(cap * sizeof(*ring));

	if (ring == NULL) {
		return LEAD_ENOMEM;
	}
	for (size_t i = 0; i < a->count; i++) {
		ring[i] = a->ring[(a->first + i) & (a->cap - 1)];
	}
	free(a->ring);
	a->ring = ring;
	a->first = 0;
	a->cap = cap;
	return 0;
}

int arrivals_add(struct arrivals *a, struct now now, uint32_t weight)
{
	move_tail(a, now);
	if (a->length_us > 0) {
		if (a->count == a->cap && grow(a) != 0) {
			return LEAD_ENOMEM;
		}
		a->ring[(a->first + a->count++) & (a->cap - 1)] =
		    (struct arrival){now.boot_us, weight};
		a->whole_us = (a->whole_us > now.boot_us ? a->whole_us : now.boot_us) +
			      (int64_t)((double)a->length_us * weight / (double)a->max);
	}
	a->weight += weight;
	if (a->weight > a->worst) {
		a->worst = a->weight;
		a->worst_us = now.boot_us;
	}
	if (a->weight > a->max) {
		a->violations++;
	}
	return 0;
}

int64_t arrivals_wait(struct arrivals *a, struct now now, uint64_t weight)
{
	uint64_t left;
	size_t i = 0;

	move_tail(a, now);
	left = a->weight;
	if (left + weight <= a->max) {
		return 0;
	}
	if (a->length_us == 0) {
		return (a->day + 1) * US_PER_DAY - now.wall_us;
	}
	for (; i < a->count && left + weight > a->max; i++) {
		left -= a->ring[(a->first + i) & (a->cap - 1)].weight;
	}
	return i == 0
		   ? a->length_us
		   : a->ring[(a->first + i - 1) & (a->cap - 1)].at_us + a->length_us - now.boot_us;
}

void arrivals_shown(struct arrivals *a, struct now now, uint64_t *ret_left, int64_t *ret_whole_us)
{
	uint64_t bucket;

	move_tail(a, now);
	*ret_left = a->weight < a->max ? a->max - a->weight : 0;
	if (a->length_us == 0) {
		*ret_whole_us = (a->day + 1) * US_PER_DAY - now.wall_us;
		return;
	}
	*ret_whole_us = a->whole_us > now.boot_us ? a->whole_us - now.boot_us : 0;
	bucket = *ret_whole_us < a->length_us ? (uint64_t)((double)(a->length_us - *ret_whole_us) /
							   (double)a->length_us * (double)a->max)
					      : 0;
	*ret_left = bucket < *ret_left ? bucket : *ret_left;
}

void arrivals_fini(struct arrivals *a)
{
	free(a->ring);
	a->ring = NULL;
	a->count = a->cap = a->first = 0;
}
