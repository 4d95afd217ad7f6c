/* lib/engine/item/known.h: who another campaign of the organisation has already. */
#pragma once

#include "lib/lead/identity.h"
#include "lib/store/items.h"

struct engine;
struct run;
struct stage;
struct view;

struct known_item {
	uint32_t run, number; /* of the lead that is known; run 0: none */
};
/* Who of the organisation had that identity last, in another run; it is this one from now on. */
struct known_item known_lead(struct engine *e, struct run *r, const struct identity *id, uint32_t number);
/* Is somebody working on it there, or was he successful? */
bool known_is_taken(struct engine *e, const struct known_item *k);
/* One that is put back: the run that has it meanwhile, where the campaign skips whom another has; 0: none, it is this run's again. */
uint32_t known_elsewhere(struct engine *e, struct run *r, const struct item *i);
/* The new lead begins with what is known: a fact. */
void known_reuse(struct engine *e, struct item *i, const struct known_item *k);
/* Everything the stage gives is there already. */
bool known_covers(struct engine *e, struct run *r, const struct item *i, const struct stage *st, struct view *view);
/* Does anybody ask? */
void known_bind(struct engine *e, struct run *r);
