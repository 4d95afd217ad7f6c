/*
 * At most so many calls at once for one company (`at_once: {parent: N}`). Leads of one company stand side by side in the queue: whoever
 * has to wait is passed over for the next ones.
 */
#include "lib/engine/call/busy.h"

#include "lib/engine/call/lane.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"

#define LOOK_AHEAD 256

static struct busy *find(struct run *r, uint8_t stage, uint32_t parent)
{
	struct busy_key key = {.parent = parent, .stage = stage};
	struct busy *b = NULL;

	HASH_FIND(hh, r->busy, &key, sizeof(key), b);
	return b;
}

static bool is_counted(uint32_t parent)
{
	return parent != 0 && parent != ITEM_ROOT;
}

bool busy_has_room(struct run *r, const struct stage *st, uint8_t stage, uint32_t parent, uint32_t more)
{
	const struct busy *b = st->at_once_parent > 0 && is_counted(parent) ? find(r, stage, parent) : NULL;

	return st->at_once_parent == 0 || !is_counted(parent) || (b != NULL ? b->n : 0) + more < st->at_once_parent;
}

void busy_enter(struct run *r, uint32_t parent, uint8_t stage)
{
	struct busy *b = is_counted(parent) ? find(r, stage, parent) : NULL;

	if (!is_counted(parent)) {
		return;
	}
	if (b == NULL) {
		b = calloc(1, sizeof(*b));
		if (b == NULL) {
			abort();
		}
		b->key = (struct busy_key){.parent = parent, .stage = stage};
		HASH_ADD(hh, r->busy, key, sizeof(b->key), b);
	}
	b->n++;
}

void busy_leave(struct run *r, uint32_t parent, uint8_t stage)
{
	struct busy *b = is_counted(parent) ? find(r, stage, parent) : NULL;

	if (b != NULL && --b->n == 0) {
		HASH_DEL(r->busy, b);
		free(b);
	}
}

void busy_free(struct run *r)
{
	struct busy *b, *next;

	HASH_ITER(hh, r->busy, b, next) {
		HASH_DEL(r->busy, b);
		free(b);
	}
}

uint32_t busy_pick(struct engine *e, struct run *r, const struct slot *s)
{
	const struct stage *st = run_stage(r, s->stage);
	uint32_t number = queue_head(e->txn, s->lane->number, r->id, s->rank);
	struct item i;

	for (unsigned n = 0; st != NULL && st->at_once_parent > 0 && number != 0; n++) {
		if (!item_read(e->txn, r->id, number, &i) || busy_has_room(r, st, s->stage, i.parent, 0)) {
			return number;
		}
		number = n < LOOK_AHEAD ? queue_behind(e->txn, s->lane->number, r->id, s->rank, number) : 0;
	}
	return number;
}
