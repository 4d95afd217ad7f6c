/*
 * Runs that start at the same moment may all find nobody has the campaign yet, and each would make one. So whoever makes something that
 * can be looked up (`in_doubt: {lookup: CALL}`) for its run is written down under what it asks, in the turn that grants it, and another
 * run that comes to ask the same
 *
 *   waits         while the call is under way
 *   looks first   afterwards, with that look-up: it takes what is there, as if its own call had answered, or makes it, unless somebody
 *                 has made another call meanwhile; what was made a moment ago and is not seen is looked for again
 *
 * How the other's call ended, and whether its run is still there, is no matter. After a day a run's own look was made after it in any case.
 */
#include "lib/engine/item/setup.h"

#include "lib/base/ids.h"
#include "lib/engine/call/call.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/clocks.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/stage.h"
#include "lib/engine/state.h"
#include "lib/store/runs.h"

#define LIFE_US US_PER_DAY
#define LAG_US (60 * US_PER_S)
#define LAG_STEP_US (5 * US_PER_S)

static uint64_t name_of(struct engine *e, const struct slot *s, uint64_t asked)
{
	uint64_t of[4] = {UINT64_C(0x7365742d7570), s->lane->number, s->lane->endpoints[s->call->index], asked};

	return hash_keyed(e->hash_key, of, sizeof(of));
}

static bool is_under_way(struct engine *e, uint64_t call)
{
	struct call *c = NULL;

	HASH_FIND(hh, e->calls, &call, sizeof(call), c);
	return c != NULL && c->row.state == CALL_RESERVED; /* else it was settled in this turn */
}

unsigned setup_behind(struct engine *e, const struct run *r)
{
	return r->behind_call != 0 && is_under_way(e, r->behind_call) ? r->behind : 0;
}

/* Its answer was that it is made: what a tool lists may lag behind that. */
static bool is_made(struct engine *e, uint64_t call, int64_t age_us)
{
	struct call_row row;

	return age_us < LAG_US && call_read(e->txn, call, &row) && (row.outcome == OUTCOME_OK || row.outcome == OUTCOME_DUPLICATE);
}

/* As if its own call had been made, and were in doubt. */
static void look(struct engine *e, struct run *r, struct item *i, int64_t wait_us)
{
	run_unqueue(e, r, i);
	run_count(r, i->stage)->waiting--;
	i->phase = PHASE_LOOKUP;
	if (wait_us > 0) {
		stage_retry(e, r, i, e->now.boot_us + wait_us);
	} else {
		run_queue(e, r, i);
	}
	run_touch(r);
	e->more = true;
}

bool setup_waits(struct engine *e, struct run *r, struct slot *s, struct item *i, const struct call *c)
{
	const struct stage *st = run_stage(r, s->stage);
	struct idem_row row;
	int64_t age_us;
	uint64_t name;

	if (e->blind || i->level != LEVEL_RUN || i->phase != PHASE_CALL || st == NULL || st->makes != NULL || s->call->doubt != DOUBT_LOOKUP ||
	    c->request.hash == 0) {
		return false;
	}
	name = name_of(e, s, c->request.hash);
	age_us = idem_read(e->txn, name, &row) && row.run != r->id ? clocks_age_us(e, row.boot, row.boot_us, row.wall_us) : TIME_NEVER;
	if (age_us > LIFE_US || (row.body_hash == r->looked_behind && !is_made(e, row.body_hash, age_us))) {
		row = (struct idem_row){.body_hash = c->id, .run = r->id, .boot = e->boot, .boot_us = e->now.boot_us, .wall_us = e->now.wall_us};
		idem_write(e->txn, name, &row);
		return false;
	}
	if (is_under_way(e, row.body_hash)) {
		r->behind = row.run;
		r->behind_call = row.body_hash;
		s->blocked = true;
	} else {
		look(e, r, i, row.body_hash == r->looked_behind ? LAG_STEP_US : 0);
		r->looked_behind = row.body_hash;
	}
	return true;
}
