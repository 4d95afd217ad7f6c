/* lib/engine/call/busy.h: how many calls are under way for one parent at stages that bound them. */
#pragma once

#include "lib/base/uthash.h"

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct run;
struct slot;
struct stage;

/* Calls under way for one parent at one stage that bounds them. */
struct busy {
	struct busy_key {
		uint32_t parent, stage;
	} key;
	uint32_t n;
	UT_hash_handle hh;
};

/* May another call be made for that parent at that stage? */
bool busy_has_room(struct run *r, const struct stage *st, uint8_t stage, uint32_t parent, uint32_t more);
/* One of that parent is in flight there; it is not any more. 0, the run itself: not counted. */
void busy_enter(struct run *r, uint32_t parent, uint8_t stage);
void busy_leave(struct run *r, uint32_t parent, uint8_t stage);
void busy_free(struct run *r);
/* The first in the slot's queue whose parent has room; 0: none of the first ones has. */
uint32_t busy_pick(struct engine *e, struct run *r, const struct slot *s);
