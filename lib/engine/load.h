/* lib/engine/load.h: start and restart: memory as the store has it. */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct engine;

/* restarted: a process begins; false: a commit has failed, and calls in flight and the flow of services stay as they are. */
int engine_load(struct engine *e, bool restarted, struct lead_error *err) MUST_CHECK;
/* Forgets every copy of rows but names: what memory holds more of those than the store is not used there yet. */
void engine_unload_rows(struct engine *e);

/* What the ledger says about services that are new in the configuration. */
int load_windows(struct engine *e, struct lead_error *err) MUST_CHECK;
