/* lib/sim/instantly.h: the parts of the Instantly model, for its own files. */
#pragma once

#include "lib/sim/model.h"

/* A string of the body; NULL when absent or null; another type makes the request bad. */
const char *instantly_text(struct ask *q, const char *key);
bool instantly_flag(struct ask *q, const char *key);
/* `{"statusCode", "error", "message"}`. */
void instantly_error(struct ask *q, struct world_plan *p, int status, const char *message);

/* A key of a pushed lead. */
bool instantly_known(const char *key);
/* Makes the request bad when the lead's custom_variables hold more than single values. */
void instantly_check_variables(struct ask *q, struct json_object *lead);
/* NULL is none, which is fine. */
bool instantly_has_campaign(struct ask *q, const char *id);
/* Check the body of a push. */
void instantly_read_push(struct ask *q);
void instantly_read_bulk(struct ask *q);

/* One endpoint each; LEAD_ENOMEM. */
int instantly_push(struct ask *q, struct world_plan *p);
int instantly_bulk(struct ask *q, struct world_plan *p);
int instantly_update(struct ask *q, struct world_plan *p);
int instantly_delete(struct ask *q, struct world_plan *p);
int instantly_list(struct ask *q, struct world_plan *p);
int instantly_campaigns(struct ask *q, struct world_plan *p);
int instantly_new_campaign(struct ask *q, struct world_plan *p);
/* One campaign: shown or activated. */
int instantly_campaign(struct ask *q, struct world_plan *p);
