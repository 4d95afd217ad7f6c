/* lib/engine/plan/forecast.h: when a run ends and what it will have cost. */
#pragma once

#include "lib/store/runs.h"

struct engine;
struct run;

struct forecast {
	int64_t finish_us;      /* wall */
	int64_t cost_micro;     /* of the whole run at its end */
	uint64_t calls;         /* still to make */
	uint64_t through;       /* leads ready, delivered or confirmed at its end */
	uint64_t not_started;   /* for want of money or time */
};
/* False when nothing is to come: it has ended, is paused, waits for a person, could not be set up, or nothing is known of its pipeline. */
bool forecast_run(struct engine *e, struct run *r, struct forecast *ret);

/* What so many leads, by the pipeline stage they stand before, will cost to their end, as things went so far. */
int64_t forecast_cost(const struct run *r, const double leads[RUN_STAGES]);
