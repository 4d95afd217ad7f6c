/* lib/engine/show/metrics_parts.h: the parts of /v1/metrics that have a file of their own, for metrics*.c only. */
#pragma once

#include "lib/engine/show/show.h"
#include "lib/table/prometheus.h"

#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})

void metrics_services(struct engine *e, struct now now, struct buf *out);
void metrics_budgets(struct engine *e, struct txn *t, struct now now, struct buf *out);
