/*
 * lib/engine/clocks.h: what the store knows of the two clocks: the turn it was written in, and how the clocks of this machine's boots
 * follow each other. Stamps are boot times with the number of their boot.
 */
#pragma once

#include "lib/base/time.h"

struct engine;
struct txn;

/* Of the last turn. */
struct clocks {
	uint32_t boot;
	char boot_id[64];
	int64_t boot_us, wall_us;
};

/* Reads them, with the engine's turn and the boots before; false: the store is new. */
bool clocks_read(struct engine *e, struct clocks *ret);
void clocks_write(struct engine *e);
/* A start: is it still the boot of the last turn? old: NULL when there was none. True: the machine has started anew since. */
bool clocks_begin(struct engine *e, const struct clocks *old);
/* Due times of retries are boot time: those of the boot before are moved to this one. */
void clocks_rebase(struct engine *e, const struct clocks *old);

/* Of the machine that wrote the store last. */
void clocks_boot_id(struct txn *t, char out[64]);
/*
 * How old a stamp is now. Boot clocks tell it, since the wall clock may have been set; those of earlier boots as the first
 * start after each tied them together; the wall clock only what lies further back. Below 0: yet to come, as the late end of a call just sent.
 */
int64_t clocks_age_us(const struct engine *e, uint32_t boot, int64_t stamp_us, int64_t wall_us);
