/*
 * lib/sim/jobs.h: what providers work on after they have answered: runs of actors, enrichments that
 * take their time. A job is kept until the world is reset.
 */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_job {
	uint64_t id;                /* set by jobs_add; looks random; never 0 */
	uint8_t service;            /* enum world_service */
	uint64_t subject;           /* what it belongs to, such as an actor */
	int64_t start_us, ready_us; /* boot clock */
	int64_t wall_us;            /* of the start */
	size_t first, count;        /* which items it brings */
	int64_t price_micro;        /* of all of it */
	bool fails;
	char *text; /* what it was given or will bring; NUL-terminated, taken over */
};

struct sim_jobs {
	struct sim_job *all; /* oldest first */
	size_t n, cap;
};

/* Takes job->text over, in any case. ret: borrowed until the next one is added. LEAD_ENOMEM. */
int jobs_add(struct sim_jobs *j, const struct sim_job *job, uint64_t draw,
    const struct sim_job **ret) MUST_CHECK;
/* NULL when there is none of this id and service. */
const struct sim_job *jobs_find(const struct sim_jobs *j, uint8_t service, uint64_t id);
void jobs_fini(struct sim_jobs *j);
