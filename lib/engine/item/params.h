/*
 * lib/engine/item/params.h: a run's own settings (`params:` of a pipeline, --param NAME=VALUE).
 */
#pragma once

#include "lib/engine/config/pipeline.h"
#include "lib/store/runs.h"

struct json_object;

/*
 * given: an object of single values, or NULL. Fills row->params: what was given and the file's defaults for the rest. LEAD_EINPUT: a
 * name that the pipeline does not have (with the nearest one), a list or map, one that is required and missing or blank; a row->quantity
 * that none of the pipeline's sources may reach.
 */
int params_set(const struct pipeline *p, struct json_object *given, struct run_row *row, struct lead_error *err) MUST_CHECK;
