/* lib/sim/apollo.h: the parts of the Apollo model, for its own files. */
#pragma once

#include "lib/sim/model.h"
#include "lib/sim/people.h"

#define APOLLO_BULK_MAX 10
#define APOLLO_PAGE_MAX 100 /* people a page, */
#define APOLLO_PAGES_MAX 500

/* What became of the people of one request. */
struct matched {
	struct person people[APOLLO_BULK_MAX];
	bool found[APOLLO_BULK_MAX];
	size_t n, n_found, n_charged;
	int64_t credits;
};

int apollo_search(struct ask *q, struct world_plan *p);
/* people/match and people/bulk_match. */
int apollo_match_read(struct ask *q);
int apollo_match(struct ask *q, struct world_plan *p);
bool apollo_has_phone(const struct ask *q, const struct person *p);
/* LEAD_ENOMEM. */
int apollo_start_job(struct ask *q, const struct matched *m, const struct sim_job **ret);
/* GET webhook_result/{id}. */
int apollo_result(struct ask *q, struct world_plan *p);
