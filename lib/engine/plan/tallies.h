/* lib/engine/plan/tallies.h: what calls brought, cost and took, counted by day and place in a pipeline. */
#pragma once

#include "lib/base/uthash.h"
#include "lib/store/tally.h"

struct answer;
struct call;
struct engine;
struct run;
struct slot;

/* What became of the calls of one place in a pipeline today; lives as long as the engine. */
struct day_tally {
	struct tally_key place;          /* without a day; padding is 0 */
	struct tally_key key;            /* day 0 while none was counted */
	struct tally_row row;
	bool dirty;
	UT_hash_handle hh;
};

/* NULL: no memory, or no number left for its name. */
struct day_tally *tally_get(struct engine *e, const struct run *r, const struct slot *s, bool again);
/* An answer, before and after the stage looked at it. */
void tally_call(struct engine *e, const struct call *c, const struct answer *a); /* of the part the call is at */
void tally_end(struct engine *e, const struct call *c, const struct answer *a, enum tally_end end);
void tallies_write(struct engine *e);
void tallies_drop(struct engine *e); /* what was counted and not written */
void tallies_free(struct engine *e);
