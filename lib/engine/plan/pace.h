/* lib/engine/plan/pace.h: how long calls take through the limits of their services. */
#pragma once

#include "lib/store/runs.h"

struct engine;
struct run;

enum pace {
	PACE_LATEST, /* the most it may take, with what other runs have waiting before it */
	PACE_ALONE,  /* the same if no other run wanted anything */
	PACE_MEAN,   /* on average: calls x (T + u) / N at the slowest limit */
};
/* How long so many calls, by pipeline stage, take through the limits of their services, all services at once. */
int64_t pace_us(struct engine *e, struct run *r, const double calls[RUN_STAGES], enum pace pace);
/* One lead through the stages from `first` on, when it waits for nothing. */
int64_t pace_way_us(struct engine *e, const struct run *r, size_t first);
/* Leads that are through a pipeline stage, and of them those that went on; calls that one needs there (1 before it is known). */
uint64_t pace_leads(const struct run *r, size_t p, uint64_t *ret_on);
/* Items that a call there takes. */
double pace_batch(const struct engine *e, const struct run *r, size_t p);
double pace_calls_per_lead(const struct run *r, size_t p);
