/*
 * A call in memory: it gets its number and its key, takes its place in all that counts it, is written as reserved, and starts after
 * the commit (release in turn.c). Its place in flight ends with its answer (settle.c), the rest with the turn that settles it.
 */
#include "lib/engine/call/call.h"

#include "lib/base/ids.h"
#include "lib/engine/call/accounts.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/call/share.h"
#include "lib/engine/state.h"

size_t engine_call_key(struct engine *e, struct lane *l, size_t g)
{
	for (size_t i = 0; i < l->def->n_keys; i++) {
		size_t k = (l->groups[g].next_key + i) % l->def->n_keys;

		if (l->def->keys[k].group_index == g && lane_key_earliest(l, k, e->now) <= e->now.boot_us) {
			l->groups[g].next_key = k + 1;
			return k;
		}
	}
	return 0;
}

struct call *engine_call_new(struct engine *e, struct lane *l, const struct service_call *sc, size_t group, size_t key)
{
	struct call *c = calloc(1, sizeof(*c));

	if (c != NULL) {
		c->id = ids_next(e->last_call, e->now.wall_us);
		c->lane = l;
		c->def = service_ref(l->def);
		c->call = sc;
		c->group = group;
		c->key = key;
		c->fresh = true;
	}
	return c;
}

struct call *engine_call_find(struct engine *e, uint64_t id)
{
	struct call *c = NULL;

	HASH_FIND(hh, e->calls, &id, sizeof(id), c);
	return c;
}

static void fill_row(struct engine *e, struct call *c)
{
	struct call_row *row = &c->row;

	row->id = c->id;
	row->state = CALL_RESERVED;
	row->service = c->lane->number;
	row->endpoint = c->lane->endpoints[c->call->index];
	row->key = c->lane->keys[c->key].number;
	row->boot = e->boot;
	row->granted_us = e->now.boot_us;
	row->granted_wall_us = e->now.wall_us;
	row->hash = c->request.hash;
}

static void drop_tickets(struct call *c)
{
	for (size_t k = 0; k < c->n_limits; k++) {
		limit_drop(c->limits[k], &c->tickets[k]);
	}
}

/* Its place in windows, breaker, quota and concurrency; false: no memory, and nothing is taken. */
static bool occupy(struct engine *e, struct call *c)
{
	struct lane_group *g = &c->lane->groups[c->group];
	size_t index[CALL_LIMITS];

	c->n_limits = lane_limits(c->lane, c->group, c->call->index, c->limits, index);
	for (size_t i = 0; i < c->n_limits; i++) {
		if (limit_take(c->limits[i], &c->tickets[i], 1, e->now) != 0) {
			c->n_limits = i;
			drop_tickets(c);
			return false;
		}
	}
	breaker_granted(&g->breaker, c->id, e->now);
	quota_granted(&g->quota, c->id, e->now);
	quota_granted(&c->lane->keys[c->key].auth, c->id, e->now);
	g->in_flight++;
	c->lane->in_flight++;
	c->lane->keys[c->key].in_flight++;
	c->lane->next_group = (c->group + 1) % c->lane->def->n_groups;
	return true;
}

bool engine_call_place(struct engine *e, struct call *c)
{
	fill_row(e, c);
	if (!occupy(e, c)) {
		return false;
	}
	e->last_call = c->id;
	accounts_reserve(e, c, 1);
	call_open(e->txn, &c->row);
	HASH_ADD(hh, e->calls, id, sizeof(c->id), c);
	e->fresh[e->n_fresh++] = c;
	return true;
}

void engine_call_leave(struct call *c)
{
	struct lane *l = c->lane;

	l->in_flight--;
	l->polls -= c->row.polls != 0;
	if (c->key >= l->def->n_keys) {
		return; /* a reload took it away */
	}
	if (l->groups[c->group].in_flight > 0) {
		l->groups[c->group].in_flight--;
	}
	if (l->keys[c->key].in_flight > 0) {
		l->keys[c->key].in_flight--;
	}
}

void engine_calls_drop(struct engine *e)
{
	for (size_t i = 0; i < e->n_fresh; i++) {
		struct call *c = e->fresh[i];
		struct lane_group *g = &c->lane->groups[c->group];

		drop_tickets(c);
		breaker_dropped(&g->breaker, c->id);
		quota_dropped(&g->quota, c->id, e->now);
		quota_dropped(&c->lane->keys[c->key].auth, c->id, e->now);
		engine_call_leave(c);
		HASH_DEL(e->calls, c);
		engine_call_free(e, c);
	}
	e->n_fresh = 0;
}

void engine_call_free(struct engine *e, struct call *c)
{
	share_close(e, c);
	service_unref(c->def);
	free(c->row.more);
	free(c->job);
	arena_free(&c->arena);
	free(c);
}
