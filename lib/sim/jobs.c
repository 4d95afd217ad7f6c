/* lib/sim/jobs.c: jobs in the order of their coming; an id holds its place, mixed with its draw. */
#include "lib/sim/jobs.h"

#include <stdlib.h>

int jobs_add(
    struct sim_jobs *j, const struct sim_job *job, uint64_t draw, const struct sim_job **ret)
{
	uint64_t high = (draw >> 32) | 1;

	if (j->n == j->cap) {
		size_t cap = j->cap > 0 ? j->cap * 2 : 64;
		struct sim_job *all = realloc(j->all, cap * sizeof(*all));

		if (all == NULL) {
			free(job->text);
			return LEAD_ENOMEM;
		}
		j->all = all;
		j->cap = cap;
	}
	j->all[j->n] = *job;
	j->all[j->n].id = high << 32 | ((uint32_t)high ^ (uint32_t)j->n);
	*ret = &j->all[j->n++];
	return 0;
}

const struct sim_job *jobs_find(const struct sim_jobs *j, uint8_t service, uint64_t id)
{
	size_t index = (uint32_t)(id >> 32) ^ (uint32_t)id;

	return index < j->n && j->all[index].id == id && j->all[index].service == service
		   ? &j->all[index]
		   : NULL;
}

void jobs_fini(struct sim_jobs *j)
{
	for (size_t i = 0; i < j->n; i++) {
		free(j->all[i].text);
	}
	free(j->all);
	*j = (struct sim_jobs){0};
}
