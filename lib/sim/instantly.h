/* lib/sim/instantly.h: the parts of the Instantly model, for its own files. */
#pragma once

#include "lib/sim/model.h"

/* A string of the body; NULL when absent or null; another type makes the request bad. */
const char *instantly_text(struct ask *q, const char *key);
bool instantly_flag(struct ask *q, const char *key);
/* `{"statusCode", "error", "message"}`. */
void instantly_error(struct ask *q, struct world_plan *p, int status, const char *message);

/* One endpoint each; LEAD_ENOMEM. */
int instantly_list(struct ask *q, struct world_plan *p);
int instantly_campaigns(struct ask *q, struct world_plan *p);
int instantly_new_campaign(struct ask *q, struct world_plan *p);
/* One campaign: shown or activated. */
int instantly_campaign(struct ask *q, struct world_plan *p);
