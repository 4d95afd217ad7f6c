/*
 * One call for leads that ask the same at the same moment (`share`, or `cache`, of a stage): who comes later joins the call
 * that is under way, as another part of its row, on disk in the turn it joined. Its run, campaign and organisation reserve its share
 * of the ceiling; the first payer's reservation stays whole until the end, when the price is split among all (settle.c).
 *
 * A call can be joined until it has ended, under the description it was granted under, and on the day it was granted on: its money
 * belongs to that day.
 */
#include "lib/engine/call/share.h"

#include "lib/engine/call/accounts.h"
#include "lib/engine/call/busy.h"
#include "lib/engine/call/cache.h"
#include "lib/engine/call/call.h"
#include "lib/engine/call/grant_parts.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"

static struct share_key key_of_call(const struct slot *s, uint64_t hash)
{
	return (struct share_key){.hash = hash, .service = s->lane->number, .endpoint = s->lane->endpoints[s->call->index]};
}

void share_offer(struct engine *e, struct slot *s, const struct item *i, struct call *c)
{
	const struct stage *st = run_stage(run_get(e, i->run), s->stage);

	if (cache_may(e, st, s, i) && c->row.kind == CALL_SINGLE && c->row.hash != 0) {
		c->shared_as = key_of_call(s, c->row.hash);
		c->shareable = true;
		HASH_ADD(hh_shared, e->shared, shared_as, sizeof(c->shared_as), c);
	}
}

void share_close(struct engine *e, struct call *c)
{
	if (c->shareable) {
		HASH_DELETE(hh_shared, e->shared, c);
		c->shareable = false;
	}
}

void share_reopen(struct engine *e, struct call *c)
{
	struct call *other = NULL;

	HASH_FIND(hh_shared, e->shared, &c->shared_as, sizeof(c->shared_as), other);
	if (c->shared_as.hash != 0 && !c->shareable && other == NULL) {
		c->shareable = true;
		HASH_ADD(hh_shared, e->shared, shared_as, sizeof(c->shared_as), c);
	}
}

static bool same_day(const struct engine *e, int64_t a_us, int64_t b_us)
{
	int64_t a, b, next;

	zone_day(e->config->zone, a_us, &a, &next);
	zone_day(e->config->zone, b_us, &b, &next);
	return a == b;
}

static struct call *find(struct engine *e, struct slot *s, uint64_t hash)
{
	struct share_key k = key_of_call(s, hash);
	struct call *c = NULL;

	HASH_FIND(hh_shared, e->shared, &k, sizeof(k), c);
	return c != NULL && c->def == s->lane->def && c->call == s->call && c->row.n_parts < CALL_PARTS &&
		       same_day(e, c->row.granted_wall_us, e->now.wall_us)
		   ? c
		   : NULL;
}

static struct call_part *add_part(struct call *c, const struct item *i)
{
	struct call_row *row = &c->row;
	struct call_part *more = realloc(row->more, row->n_parts * sizeof(*more));

	if (more == NULL) {
		return NULL;
	}
	row->more = more;
	row->n_parts++;
	/* an n-th of the ceiling: more who come later only make its share smaller, and what cannot be split falls to the first */
	more[row->n_parts - 2] = (struct call_part){.run = i->run,
	    .number = i->number,
	    .stage = i->stage,
	    .step = i->step,
	    .reserved_micro = row->parts[0].reserved_micro / (int64_t)row->n_parts};
	return &more[row->n_parts - 2];
}

bool share_join(struct engine *e, struct run *r, struct slot *s, struct item *i, uint64_t hash)
{
	struct call *c = cache_may(e, run_stage(r, s->stage), s, i) && hash != 0 ? find(e, s, hash) : NULL;
	struct call_part *p = c != NULL ? add_part(c, i) : NULL;

	if (p == NULL) {
		return false;
	}
	accounts_reserve_part(e, c, p, 1);
	call_rewrite(e->txn, &c->row);
	run_unqueue(e, r, i);
	r->in_flight[i->stage]++;
	r->in_flight_total++;
	busy_enter(r, i->parent, i->stage);
	run_count(r, i->stage)->shared++;
	run_touch(r);
	return true;
}
