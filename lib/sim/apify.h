/* lib/sim/apify.h: the parts of the Apify model, for its own files. */
#pragma once

#include "lib/sim/model.h"

#define APIFY_SYNC_US (300 * US_PER_S) /* longest run whose items come with its start */

/* `{"error":{"type","message"}}`. */
void apify_error(
    struct ask *q, struct world_plan *p, int status, const char *type, const char *message);

/* Reads the input of a run: q->tree, q->meaning. LEAD_ENOMEM. */
int apify_read_input(struct ask *q);
/* Starts a run; NULL in *ret: it was refused and the answer is written. LEAD_ENOMEM. */
int apify_start(struct ask *q, struct world_plan *p, const struct sim_job **ret);
/* `{"data":RUN}` as it is at this time. */
void apify_write_run(struct ask *q, const struct sim_job *job, int64_t boot_us);
/* The run whose id stands behind `/ID` or in `/ID/items`, written with this letter; NULL: none. */
const struct sim_job *apify_run_of(struct ask *q, const char *id, char letter);

int apify_list(struct ask *q, struct world_plan *p);
/* A dataset's items, as they are at this time. status: of a right answer. */
int apify_items(
    struct ask *q, struct world_plan *p, const struct sim_job *job, int64_t boot_us, int status);
