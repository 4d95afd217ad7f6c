/* tests/sim/plans_night.h: one real night, for plans.c. */
#pragma once

#include "lib/engine/config/config.h"
#include "lib/store/store.h"

struct came {
	double took_s;
	double cost;
	struct now now;
};

/* The list is taken through the everyday world of that seed; ends the program when anything goes
 * wrong. */
struct came real_night(struct store *store, struct config *config, const struct buf *csv,
    uint64_t seed, struct now from);
/* plans_makespan.c: does a made-up list of so many leads take at most 1.02 x the least it could? */
bool makespan(
    struct store *store, struct config *config, size_t leads, uint64_t seed, struct now from);
void die(const char *what, const char *why);
