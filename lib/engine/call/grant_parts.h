/* lib/engine/call/grant_parts.h: what the files that make calls share: grant.c, grant_inputs.c, grant_poll.c, batch.c, job_batch.c, share.c, cache.c. */
#pragma once

#include "lib/engine/call/call_params.h"
#include "lib/store/items.h"

struct call;
struct call_part;
struct day_tally;
struct engine;
struct run;
struct slot;
struct verdict;
struct view;

/* Why an item goes elsewhere without a call. */
struct refusal {
	char reason[ITEM_REASON];
	bool listed; /* it is on the suppression list */
	bool passes; /* only this step of a chain lacks something: the next one may not */
};

/* Is everything there for the item's call? False: why not. Nothing is written; what params hold lives as long as the turn. A blind engine gives none. */
bool grant_inputs(struct engine *e, struct run *r, struct slot *s, struct item *i, struct params *ret, struct refusal *why);
/* What the call of that part was made of, as far as its step still is; view: its record, the caller's. False: it is not. Lives as long as the turn. */
bool grant_part_params(struct engine *e, const struct call_part *p, struct view *view, struct params *ret);
/* It has cost all that it may cost at this stage: it went elsewhere. */
bool grant_too_dear(struct engine *e, struct run *r, struct slot *s, struct item *i);
/* Out of the queue, with an outcome. */
void grant_refuse(struct engine *e, struct run *r, struct item *i, const struct refusal *why);

struct call *grant_new(struct engine *e, struct slot *s, const struct verdict *v);
struct day_tally *grant_tally(const struct slot *s, const struct item *i);
/* The Idempotency-Key: equal for every repeat of the same step of the same item, different for everything else in the world. NULL: no memory. */
const char *grant_key(struct engine *e, const struct item *i, uint16_t prompt);
/* Which versions of prompt files the call is made with. 0 or LEAD_ENOMEM. */
int grant_prompt(struct engine *e, struct run *r, struct slot *s, const struct item *i, struct call *c) MUST_CHECK;
int grant_render(struct engine *e, struct call *c, const struct params *p, const char *idempotency_key, struct lead_error *err) MUST_CHECK;
/*
 * The call, whose parts are in its row, takes its place everywhere and is written; items[i] is that of part i. False: no memory, and
 * the call is gone.
 */
bool grant_out(struct engine *e, struct run *r, struct slot *s, struct call *c, struct item *items);

/* batch.c */
/* A call for as many of the slot's items as may go together. Returns how many went; 0: none. */
int batch_grant(struct engine *e, struct run *r, struct slot *s, const struct verdict *v);
