/* The windows of a service that has none yet, at a start or a reload: counted from the ledger's tail. See load.c. */
#include "lib/engine/load_parts.h"

#include "lib/engine/call/lane.h"
#include "lib/engine/clocks.h"
#include "lib/engine/state.h"

#define TAIL_SLACK_US (3600 * US_PER_S)

int64_t load_age_us(const struct engine *e, const struct call_row *c, int64_t stamp_us)
{
	return clocks_age_us(e, c->boot, stamp_us, c->granted_wall_us + (stamp_us - c->granted_us));
}

int load_call_index(const struct lane *l, uint16_t number)
{
	for (size_t c = 0; c < l->def->n_calls; c++) {
		if (l->endpoints[c] == number) {
			return (int)c;
		}
	}
	return -1;
}

struct tail {
	struct engine *e;
	int64_t oldest_us; /* age */
	bool failed;
};

static int key_index(const struct lane *l, uint16_t number)
{
	for (size_t k = 0; k < l->def->n_keys; k++) {
		if (l->keys[k].number == number) {
			return (int)k;
		}
	}
	return 0;
}

static bool is_fresh(const struct lane *l, const struct limit *limit)
{
	for (size_t i = 0; i < l->n_fresh; i++) {
		if (l->fresh[i] == limit) {
			return true;
		}
	}
	return false;
}

static bool restore_row(struct tail *t, const struct call_row *c)
{
	struct engine *e = t->e;
	struct lane *l = lane_by_number(e, c->service);
	struct limit *limits[CALL_LIMITS];
	size_t index[CALL_LIMITS], n;
	int call, key;
	int64_t late_us, late_wall_us;

	if (l == NULL || l->def == NULL || l->n_fresh == 0 || (call = load_call_index(l, c->endpoint)) < 0 || (c->state != CALL_RESERVED && c->sent_us == 0)) {
		return true;
	}
	key = key_index(l, c->key);
	if (c->state == CALL_RESERVED) {
		late_us = e->now.boot_us + l->def->margin_us; /* possibly on its way still */
		late_wall_us = e->now.wall_us + l->def->margin_us;
	} else {
		late_us = e->now.boot_us - load_age_us(e, c, c->late_us != 0 ? c->late_us : c->sent_us + l->def->margin_us);
		late_wall_us = e->now.wall_us - (e->now.boot_us - late_us);
	}
	n = lane_limits(l, l->def->keys[key].group_index, (size_t)call, limits, index);
	for (size_t i = 0; i < n; i++) {
		if (is_fresh(l, limits[i]) && limit_restore(limits[i], 1, late_us, late_wall_us, e->now) != 0) {
			t->failed = true;
		}
	}
	return !t->failed;
}

static bool on_tail(void *arg, struct slice key, struct slice value)
{
	struct tail *t = arg;
	struct call_row c;

	if (!call_decode(key, value, &c)) {
		return true;
	}
	if (load_age_us(t->e, &c, c.granted_us) > t->oldest_us) {
		return false;
	}
	return restore_row(t, &c);
}

/* As far back as a limit that has to be filled looks: a reload that brings a service of short windows reads little. */
static int64_t horizon(struct engine *e)
{
	int64_t longest = 0;

	for (size_t i = 0; i < e->n_lanes; i++) {
		const struct service *s = e->lanes[i]->n_fresh > 0 ? e->lanes[i]->def : NULL;

		for (size_t k = 0; s != NULL && k < s->n_limits; k++) {
			int64_t h = limit_horizon(s->limits[k].windows, s->limits[k].n_windows, e->now);

			longest = h > longest ? h : longest;
		}
	}
	return longest;
}

int load_windows(struct engine *e, struct lead_error *err)
{
	struct tail t = {.e = e, .oldest_us = horizon(e) + TAIL_SLACK_US};
	struct key last = key_u64(key_of(), UINT64_MAX);

	txn_walk_back(e->txn, TABLE_CALL, last, key_of(), on_tail, &t);
	for (size_t i = 0; i < e->n_lanes; i++) {
		e->lanes[i]->n_fresh = 0;
	}
	return t.failed ? lead_fail(err, LEAD_ENOMEM, "out of memory") : 0;
}
