/*
 * What became of calls, counted as it happens: in memory, one row for each place in a pipeline, written once per turn
 * in which it changed. See lib/store/tally.h.
 */
#include "lib/engine/plan/tallies.h"

#include "lib/engine/call/call.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"
#include "lib/store/items.h"
#include "lib/store/names.h"
#include "lib/store/runs.h"

#include <stdio.h>

struct day_tally *tally_get(struct engine *e, const struct run *r, const struct slot *s, bool again)
{
	struct tally_key k;
	struct day_tally *t = NULL;
	char name[2 * RUN_TEXT + 4];

	memset(&k, 0, sizeof(k)); /* it is compared byte by byte */
	k.service = s->lane->number;
	k.endpoint = s->lane->endpoints[s->call->index];
	k.step = s->step;
	k.lookup = s->phase == PHASE_LOOKUP;
	k.again = again;
	(void)snprintf(name, sizeof(name), ":%s/%s", r->row.pipeline, r->row.stages[s->stage].name);
	if (names_number(e->names, NAME_OWNER, name, &k.place, NULL) != 0) {
		return NULL;
	}
	HASH_FIND(hh, e->tallies, &k, sizeof(k), t);
	if (t == NULL && (t = calloc(1, sizeof(*t))) != NULL) {
		memcpy(&t->place, &k, sizeof(k));
		memcpy(&t->key, &k, sizeof(k));
		HASH_ADD(hh, e->tallies, place, sizeof(t->place), t);
	}
	return t;
}

/* Where the call is counted today; NULL: nowhere. */
static struct tally_row *today(struct engine *e, struct day_tally *t)
{
	uint32_t day = (uint32_t)(e->now.wall_us / US_PER_DAY);

	if (t == NULL || e->blind) {
		return NULL;
	}
	if (t->key.day != day) {
		if (t->dirty) {
			tally_write(e->txn, &t->key, &t->row);
		}
		t->key.day = day;
		(void)tally_read(e->txn, &t->key, &t->row);
	}
	t->dirty = e->tallies_dirty = true;
	return &t->row;
}

/* A batch counts each of its items; who joined another's call made none. */
static struct day_tally *tally_of(const struct call *c)
{
	return c->restarted ? NULL : c->members != NULL ? c->members[c->at].tally : c->at == 0 ? c->tally : NULL;
}

void tally_call(struct engine *e, const struct call *c, const struct answer *a)
{
	struct tally_row *row = today(e, tally_of(c));
	int64_t price = c->members != NULL ? call_part(c)->settled_micro : call_settled(&c->row);
	bool failed = a->outcome == OUTCOME_TRANSIENT || a->outcome == OUTCOME_IN_DOUBT || a->outcome == OUTCOME_UNSENT;

	if (row == NULL) {
		return;
	}
	row->classes[a->outcome]++;
	if (c->row.end_us != 0 && c->row.sent_us != 0) {
		row->latency[failed][tally_bucket(c->row.end_us - c->row.sent_us)]++;
	}
	if (c->row.state != CALL_IN_DOUBT) {
		tally_count_price(&row->prices[a->outcome], c->row.state == CALL_SETTLED ? price : 0);
	}
}

void tally_end(struct engine *e, const struct call *c, const struct answer *a, enum tally_end end)
{
	struct tally_row *row = today(e, tally_of(c));

	if (row != NULL) {
		row->ends[a->outcome == OUTCOME_PENDING][end]++;
	}
}

void tallies_write(struct engine *e)
{
	for (struct day_tally *t = e->tallies; t != NULL && e->tallies_dirty; t = t->hh.next) {
		if (t->dirty) {
			tally_write(e->txn, &t->key, &t->row);
			t->dirty = false;
		}
	}
	e->tallies_dirty = false;
}

void tallies_drop(struct engine *e)
{
	for (struct day_tally *t = e->tallies; t != NULL; t = t->hh.next) {
		t->key.day = 0; /* the store has it */
		t->dirty = false;
	}
	e->tallies_dirty = false;
}

void tallies_free(struct engine *e)
{
	struct day_tally *t, *next;

	HASH_ITER(hh, e->tallies, t, next) {
		HASH_DEL(e->tallies, t);
		free(t);
	}
}
