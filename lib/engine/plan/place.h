/* lib/engine/plan/place.h: when the lead at that place in a queue has its turn. */
#pragma once

#include <stdint.h>

struct engine;
struct slot;

/*
 * When the lead that has `place` others before it in that slot has its turn, if nothing else happens: never later than it
 * comes then; TIME_NEVER: as things are, never, or nobody can say.
 */
int64_t place_earliest(struct engine *e, struct slot *s, uint64_t place);
