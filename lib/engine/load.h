/* lib/engine/load.h: start and restart: memory as the store has it. */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct txn;

void engine_write_clocks(struct engine *e);
/* Of the machine that wrote the store last. */
void engine_boot_id(struct txn *t, char out[64]);
/*
 * How old a stamp is now. Boot clocks tell it, since the wall clock may have been set; those of earlier boots as the first
 * start after each tied them together; the wall clock only what lies further back. Below 0: yet to come, as the late end of a call just sent.
 */
int64_t engine_age_us(const struct engine *e, uint32_t boot, int64_t stamp_us, int64_t wall_us);
/* What the ledger says about services that are new in the configuration. */
int load_windows(struct engine *e, struct lead_error *err) MUST_CHECK;
int engine_load(struct engine *e, bool restarted, struct lead_error *err) MUST_CHECK;
void engine_unload_rows(struct engine *e);
