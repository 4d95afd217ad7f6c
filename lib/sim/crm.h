/* lib/sim/crm.h: the parts of the HubSpot model, for its own files. */
#pragma once

#include "lib/sim/kept.h"
#include "lib/sim/model.h"

/* The members of the body's array of this name; 0 when there is none. */
size_t crm_list_of(struct ask *q, const char *key, struct json_object **ret);
const char *crm_text(struct json_object *o, const char *key); /* NULL: absent, or no string */
/* `{status, message, correlationId, category}`. */
void crm_error(
    struct ask *q, struct world_plan *p, int status, const char *category, const char *message);

/* One endpoint each; LEAD_ENOMEM. */
int crm_search(struct ask *q, struct world_plan *p);
int crm_read_batch(struct ask *q, struct world_plan *p);
int crm_upsert(struct ask *q, struct world_plan *p);
int crm_new_list(struct ask *q, struct world_plan *p);
int crm_find_list(struct ask *q, struct world_plan *p);
int crm_search_lists(struct ask *q, struct world_plan *p);
int crm_join(struct ask *q, struct world_plan *p);
int crm_members(struct ask *q, struct world_plan *p);
