/*
 * Answers that are taken again (`cache` of a stage): kept in the turn that settles them, under the hash of what was asked, and
 * taken by any lead of any run that asks the same of the same call until they expire. Such a lead makes no call and pays nothing;
 * its fact names the call, and what that would have cost again.
 *
 * A lead that asks once more because a gate refused what came, or whose call is being looked up, wants another answer: it
 * neither takes nor joins one.
 */
#include "lib/engine/call/cache.h"

#include "lib/engine/call/call.h"
#include "lib/engine/call/grant_parts.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/credit.h"
#include "lib/engine/stage/stage.h"
#include "lib/engine/state.h"
#include "lib/store/cache.h"

#include <stdio.h>

#define KEPT_BYTES ((size_t)64 * 1024) /* of all fields together: larger answers are not kept */
#define SLICE 200                      /* expired ones deleted in one turn */
#define PACE_US (60 * US_PER_S)        /* between two looks */

bool cache_may(const struct engine *e, const struct stage *st, const struct slot *s, const struct item *i)
{
	return st != NULL && (st->cache_us > 0 || st->share) && s->phase == PHASE_CALL && i->phase == PHASE_CALL && i->gate_tries == 0 &&
	       i->level != LEVEL_RUN && s->call->paging == NULL && !e->blind; /* a source, and the next page, want something new */
}

/* --- taking ---------------------------------------------------------------- */

/* The store's pages move under a write: everything is copied first. */
static bool copy_fields(struct engine *e, const struct cache_row *row, struct answer *ret)
{
	ret->fields = arena_alloc(&e->arena, (row->n_fields + 1) * sizeof(*ret->fields));
	for (size_t k = 0; ret->fields != NULL && k < row->n_fields; k++) {
		const struct fact_field *f = &row->fields[k];
		const char *name = arena_dup(&e->arena, f->name, f->name_len);

		if (name == NULL) {
			return false;
		}
		ret->fields[ret->n_fields++] = (struct answer_field){.name = name, .value = value_copy(&e->arena, &f->value)};
	}
	return ret->fields != NULL;
}

/* It goes on with what another was told. False: there is nothing that lives, or no memory. */
static bool take(struct engine *e, struct run *r, struct slot *s, struct item *i, const struct stage *st, struct cache_key key)
{
	struct cache_row row;
	struct answer a = {.readable = true};
	struct call c = {.lane = s->lane, .def = s->lane->def, .call = s->call, .cached = true};
	uint16_t prompt = 0; /* what asks here, word for word what asked then */

	if (!cache_read(e->txn, key, &row) || row.expires_us <= e->now.wall_us || !copy_fields(e, &row, &a) ||
	    (i->step < st->n_steps && credit_number(e, &st->steps[i->step], &prompt) != 0)) {
		return false;
	}
	a.outcome = (enum outcome_class)row.outcome;
	a.reason = row.reason;
	c.id = row.call;
	c.row = (struct call_row){.id = row.call, .state = CALL_REFUNDED, .hash = key.hash, .n_parts = 1, .prompt = prompt};
	c.saved_micro = row.price_micro;
	run_unqueue(e, r, i);
	run_count(r, i->stage)->waiting--;
	run_count(r, i->stage)->cached++;
	stage_outcome(e, r, i, &c, &a);
	e->more = true; /* it may wait elsewhere now */
	run_touch(r);
	run_check_end(e, r);
	return true;
}

bool cache_take(struct engine *e, struct run *r, struct slot *s, struct item *i, uint64_t hash)
{
	const struct stage *st = run_stage(r, s->stage);
	struct cache_key key = {.service = s->lane->number, .endpoint = s->lane->endpoints[s->call->index], .hash = hash};

	return cache_may(e, st, s, i) && st->cache_us > 0 && hash != 0 && take(e, r, s, i, st, key);
}

/* --- keeping --------------------------------------------------------------- */

/* False: they are too many, or too long. */
static bool keep_fields(const struct answer *a, struct cache_row *row)
{
	size_t bytes = 0;

	for (size_t k = 0; k < a->n_fields; k++) {
		const struct answer_field *f = &a->fields[k];

		if (f->value.kind == VALUE_NONE) {
			continue;
		}
		bytes += f->value.len;
		if (row->n_fields == FACT_FIELDS || bytes > KEPT_BYTES) {
			return false;
		}
		row->fields[row->n_fields++] = (struct fact_field){.name = f->name, .name_len = (uint32_t)strlen(f->name), .value = f->value};
	}
	return true;
}

static bool may_keep(const struct engine *e, const struct stage *st, const struct item *i, const struct call *c, const struct answer *a)
{
	bool told = a->outcome == OUTCOME_OK || a->outcome == OUTCOME_EMPTY || a->outcome == OUTCOME_DUPLICATE;

	return st != NULL && st->cache_us > 0 && told && i->phase == PHASE_CALL && i->level != LEVEL_RUN && c->call != NULL && c->call->paging == NULL &&
	       !c->restarted && !e->blind && !e->full;
}

static void keep(struct engine *e, int64_t life_us, const struct call *c, const struct answer *a)
{
	const struct call_part *p = call_part(c);
	bool batch = c->row.kind == CALL_BATCH;
	struct cache_key key = {.service = c->row.service, .endpoint = c->row.endpoint, .hash = batch ? p->hash : c->row.hash};
	struct cache_row row = {.call = c->id,
	    .price_micro = batch ? p->settled_micro : call_settled(&c->row), /* of all who shared it: alone it would cost as much */
	    .expires_us = e->now.wall_us + life_us,
	    .outcome = (uint8_t)a->outcome};

	(void)snprintf(row.reason, sizeof(row.reason), "%s", a->reason != NULL ? a->reason : "");
	if (key.hash != 0 && keep_fields(a, &row)) {
		cache_write(e->txn, key, &row);
		e->cache_us = 0;
	}
}

void cache_keep(struct engine *e, struct run *r, const struct item *i, const struct call *c, const struct answer *a)
{
	const struct stage *st = run_stage(r, i->stage);

	if (may_keep(e, st, i, c, a)) {
		keep(e, st->cache_us, c, a);
	}
}

void cache_sweep(struct engine *e)
{
	int64_t next, wait_us;

	if (e->now.boot_us < e->cache_us) {
		return;
	}
	if (cache_expire(e->txn, e->now.wall_us, SLICE) == SLICE) {
		e->more = true;
		return;
	}
	next = cache_next_us(e->txn);
	wait_us = next - e->now.wall_us;
	e->cache_us = next == 0 ? TIME_NEVER : e->now.boot_us + (wait_us > PACE_US ? wait_us : PACE_US);
}
