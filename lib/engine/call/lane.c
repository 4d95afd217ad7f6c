/*
 * Services at work: their limits, breakers and quotas. A lane lives as long as the engine; a reload gives it another
 * description and carries the stamps of its limits over, so that no window ever forgets a call.
 */
#include "lib/engine/call/lane.h"

#include "lib/engine/call/call.h"
#include "lib/engine/call/job.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"
#include "lib/store/names.h"

#include <stdio.h>

static bool same_key(const struct service *a, size_t i, const struct service *b, size_t k)
{
	return strcmp(a->keys[i].name, b->keys[k].name) == 0;
}

/* The old description's limit of the same label and scope; n_limits when there is none. */
static size_t old_limit(const struct service *old, const struct service_limit *l)
{
	for (size_t i = 0; old != NULL && i < old->n_limits; i++) {
		if (old->limits[i].scope == l->scope && strcmp(old->limits[i].label, l->label) == 0) {
			return i;
		}
	}
	/* a limit whose numbers stand in its label is found by its calls and its place */
	for (size_t i = 0; old != NULL && i < old->n_limits; i++) {
		if (old->limits[i].scope == l->scope && old->limits[i].calls == l->calls) {
			return i;
		}
	}
	return old != NULL ? old->n_limits : 0;
}

/* A limit that a service at work did not have so far: the ledger's tail knows what it would have counted. */
static struct limit *new_limit(struct lane *lane, const struct service_limit *l, int64_t margin_us)
{
	struct limit **list = realloc(lane->fresh, (lane->n_fresh + 1) * sizeof(*list));

	if (list == NULL) {
		return NULL;
	}
	lane->fresh = list;
	list[lane->n_fresh] = limit_new(l->windows, l->n_windows, margin_us);
	return list[lane->n_fresh++];
}

static struct limit *take_limit(struct lane *lane, struct limit **from, size_t n, size_t i, const struct service_limit *l, int64_t margin_us)
{
	struct limit *taken = from != NULL && i < n ? from[i] : NULL;

	if (taken == NULL) {
		return new_limit(lane, l, margin_us);
	}
	from[i] = NULL;
	return limit_change(taken, l->windows, l->n_windows, margin_us) == 0 ? taken : NULL;
}

static bool is_shared(const struct service *s, size_t i)
{
	return s->limits[i].scope == LIMIT_PER_SERVICE;
}

/* The old group whose first key has the name of one of the new group's keys. */
static struct lane_group *old_group(struct lane *l, const struct service *def, size_t group)
{
	for (size_t k = 0; k < def->n_keys; k++) {
		for (size_t o = 0; l->def != NULL && def->keys[k].group_index == group && o < l->def->n_keys; o++) {
			if (same_key(l->def, o, def, k)) {
				return &l->groups[l->def->keys[o].group_index];
			}
		}
	}
	return NULL;
}

static int make_groups(struct lane *l, struct service *def, struct lane_group *groups, struct now now)
{
	size_t old_n = l->def != NULL ? l->def->n_limits : 0;

	for (size_t g = 0; g < def->n_groups; g++) {
		struct lane_group *old = old_group(l, def, g), *fresh = &groups[g];

		fresh->limits = calloc(def->n_limits + 1, sizeof(*fresh->limits));
		if (fresh->limits == NULL) {
			return LEAD_ENOMEM;
		}
		if (old != NULL) {
			fresh->quota = old->quota;
			fresh->quota.spec = def->quota;
			fresh->breaker = old->breaker;
			fresh->breaker.spec = def->breaker;
			fresh->hold = old->hold;
			fresh->proved = old->proved;
			fresh->in_flight = old->in_flight;
		} else {
			quota_init(&fresh->quota, &def->quota);
			breaker_init(&fresh->breaker, &def->breaker);
		}
		for (size_t i = 0; i < def->n_limits; i++) {
			if (is_shared(def, i)) {
				continue;
			}
			fresh->limits[i] = take_limit(l, old != NULL ? old->limits : NULL, old_n, old_limit(l->def, &def->limits[i]), &def->limits[i],
			    def->margin_us);
			if (fresh->limits[i] == NULL) {
				return LEAD_ENOMEM;
			}
		}
	}
	(void)now;
	return 0;
}

/* Limits that calls in flight still hold tickets of must outlive them: kept aside until the engine ends. */
static void retire(struct limit **list, size_t n)
{
	for (size_t i = 0; list != NULL && i < n; i++) {
		limit_free(list[i]);
	}
	free(list);
}

static void drop_tickets(struct engine *e, struct lane *l)
{
	struct call *c, *next;

	HASH_ITER(hh, e->calls, c, next) {
		for (size_t i = 0; c->lane == l && i < c->n_limits; i++) {
			bool kept = false;

			for (size_t k = 0; k < l->def->n_limits; k++) {
				kept = kept || c->limits[i] == l->shared[k];
				for (size_t g = 0; g < l->def->n_groups; g++) {
					kept = kept || c->limits[i] == l->groups[g].limits[k];
				}
			}
			if (!kept) {
				c->limits[i] = c->limits[--c->n_limits];
				i--;
			}
		}
	}
}

/* Calls in flight know their key by its place in the list: the place in the new one, SIZE_MAX when the key is gone. */
static void follow_keys(struct engine *e, struct lane *l, const struct service *old)
{
	struct call *c, *next;

	for (size_t k = 0; k < l->def->n_keys; k++) {
		l->keys[k].in_flight = 0;
		l->groups[l->def->keys[k].group_index].in_flight = 0;
	}
	HASH_ITER(hh, e->calls, c, next) {
		size_t was = c->key;

		if (c->lane != l || c->restarted || (c->ended && (c->job == NULL || !c->job->placed)) || was >= old->n_keys) {
			continue;
		}
		c->key = c->group = SIZE_MAX;
		for (size_t k = 0; k < l->def->n_keys; k++) {
			if (same_key(old, was, l->def, k)) {
				c->key = k;
				c->group = l->def->keys[k].group_index;
				l->keys[k].in_flight++;
				l->groups[c->group].in_flight++;
			}
		}
	}
}

static int lane_set(struct engine *e, struct lane *l, struct service *def)
{
	struct lane_group *groups = calloc(def->n_groups, sizeof(*groups));
	struct lane_key *keys = calloc(def->n_keys, sizeof(*keys));
	struct limit **shared = calloc(def->n_limits + 1, sizeof(*shared));
	struct service *old = l->def;
	struct lane_group *old_groups = l->groups;
	struct lane_key *old_keys = l->keys;
	struct limit **old_shared = l->shared;
	size_t old_limits = old != NULL ? old->n_limits : 0;

	if (groups == NULL || keys == NULL || shared == NULL || make_groups(l, def, groups, e->now) != 0) {
		return LEAD_ENOMEM; /* the process starts anew: nothing to undo */
	}
	for (size_t i = 0; i < def->n_limits; i++) {
		if (is_shared(def, i)) {
			shared[i] = take_limit(l, old_shared, old_limits, old_limit(old, &def->limits[i]), &def->limits[i], def->margin_us);
			if (shared[i] == NULL) {
				return LEAD_ENOMEM;
			}
		}
	}
	for (size_t k = 0; k < def->n_keys; k++) {
		quota_init(&keys[k].auth, &def->quota);
		for (size_t o = 0; old != NULL && o < old->n_keys; o++) {
			if (same_key(old, o, def, k)) {
				keys[k] = old_keys[o];
			}
		}
	}
	l->def = service_ref(def);
	l->groups = groups;
	l->keys = keys;
	l->shared = shared;
	if (old != NULL) {
		follow_keys(e, l, old);
		drop_tickets(e, l);
		for (size_t g = 0; g < old->n_groups; g++) {
			retire(old_groups[g].limits, old_limits);
		}
		retire(old_shared, old_limits);
		free(old_groups);
		free(old_keys);
		service_unref(old);
	}
	return 0;
}

static void restore_park(struct engine *e, uint16_t service, uint16_t key, struct quota *q)
{
	struct park_row p;

	if (park_read(e->txn, service, key, &p)) {
		quota_restore(q, (enum park_cause)p.cause, p.why, p.since_wall_us, p.until_wall_us, e->now);
	}
}

struct lane *lane_new(struct engine *e, const char *name)
{
	struct lane **list = realloc(e->lanes, (e->n_lanes + 1) * sizeof(*list));
	struct lane *l = calloc(1, sizeof(*l));

	if (list != NULL) {
		e->lanes = list;
	}
	if (list == NULL || l == NULL) {
		free(l);
		return NULL;
	}
	(void)snprintf(l->name, sizeof(l->name), "%s", name);
	l->index = e->n_lanes;
	l->wake_us = TIME_NEVER;
	quota_init(&l->pause, &(struct quota_spec){.probe_us = TIME_NEVER});
	e->lanes[e->n_lanes++] = l;
	return l;
}

static int lane_numbers(struct engine *e, struct lane *l, bool fresh, struct lead_error *err)
{
	int rc = names_number(e->names, NAME_SERVICE, l->name, &l->number, err);

	for (size_t c = 0; rc == 0 && c < l->def->n_calls; c++) {
		rc = names_number(e->names, NAME_ENDPOINT, l->def->calls[c].name, &l->endpoints[c], err);
	}
	for (size_t k = 0; rc == 0 && k < l->def->n_keys; k++) {
		rc = names_number(e->names, NAME_KEY, l->def->keys[k].name, &l->keys[k].number, err);
		if (rc == 0 && fresh) {
			struct park_row p;

			if (park_read(e->txn, l->number, l->keys[k].number, &p)) {
				restore_park(e, l->number, l->keys[k].number,
				    p.cause == PARK_AUTH ? &l->keys[k].auth : &l->groups[l->def->keys[k].group_index].quota);
			}
		}
	}
	if (rc == 0 && fresh) {
		restore_park(e, l->number, 0, &l->pause);
		l->known = stat_read(e->txn, l->number, &l->stat);
	}
	return rc;
}

int lanes_bind(struct engine *e, struct config *c, struct lead_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->n_services; i++) {
		struct lane *l = lane_by_name(e, c->services[i]->name);
		bool fresh = l == NULL || l->def == NULL;

		if (l == NULL) {
			l = lane_new(e, c->services[i]->name);
		}
		if (l == NULL || lane_set(e, l, c->services[i]) != 0) {
			return lead_fail(err, LEAD_ENOMEM, "out of memory");
		}
		config_unref(l->last);
		l->last = NULL;
		l->budget = &c->service_budgets[i];
		for (size_t k = 0; k < l->def->n_keys; k++) {
			l->keys[k].secret = config_secret(c, l->def->keys[k].secret);
		}
		rc = lane_numbers(e, l, fresh, err);
	}
	return rc;
}

struct lane *lane_by_name(struct engine *e, const char *name)
{
	for (size_t i = 0; i < e->n_lanes; i++) {
		if (strcmp(e->lanes[i]->name, name) == 0) {
			return e->lanes[i];
		}
	}
	return NULL;
}

uint64_t lane_waiting(struct engine *e, const struct lane *l)
{
	struct run *r, *next;
	uint64_t n = 0;

	HASH_ITER(hh, e->runs, r, next) {
		for (size_t s = 0; s < r->n_slots; s++) {
			n += r->slots[s].lane == l ? r->slots[s].queued : 0;
		}
	}
	return n;
}

struct lane *lane_by_number(struct engine *e, uint16_t number)
{
	for (size_t i = 0; i < e->n_lanes; i++) {
		if (e->lanes[i]->number == number) {
			return e->lanes[i];
		}
	}
	return NULL;
}

int64_t lane_key_earliest(const struct lane *l, size_t key, struct now now)
{
	return l->def->keys[key].secret != NULL && l->keys[key].secret == NULL ? TIME_NEVER : quota_earliest(&l->keys[key].auth, now);
}

size_t lane_limits(struct lane *l, size_t group, size_t call, struct limit *ret[CALL_LIMITS], size_t ret_index[CALL_LIMITS])
{
	size_t n = 0;

	for (size_t i = 0; i < l->def->n_limits && n < CALL_LIMITS; i++) {
		if ((l->def->limits[i].calls >> call & 1) != 0) {
			ret_index[n] = i;
			ret[n++] = is_shared(l->def, i) ? l->shared[i] : l->groups[group].limits[i];
		}
	}
	return n;
}

static void write_park(struct engine *e, struct lane *l, uint16_t key, const struct quota *q)
{
	struct park_row p = {.cause = (uint8_t)q->cause, .since_wall_us = q->since_wall_us, .until_wall_us = q->until_wall_us};

	(void)snprintf(p.why, sizeof(p.why), "%s", q->why);
	park_write(e->txn, l->number, key, &p);
}

void lanes_write(struct engine *e)
{
	for (size_t i = 0; i < e->n_lanes; i++) {
		struct lane *l = e->lanes[i];

		if (l->stat_dirty) {
			stat_write(e->txn, l->number, &l->stat);
			l->stat_dirty = false;
		}
		if (!l->park_dirty || l->def == NULL) {
			continue;
		}
		write_park(e, l, 0, &l->pause);
		for (size_t k = 0; k < l->def->n_keys; k++) {
			const struct quota *auth = &l->keys[k].auth;

			write_park(e, l, l->keys[k].number, auth->cause != PARK_NONE ? auth : &l->groups[l->def->keys[k].group_index].quota);
		}
		l->park_dirty = false;
	}
}

void lane_free(struct lane *l)
{
	for (size_t g = 0; l->def != NULL && g < l->def->n_groups; g++) {
		retire(l->groups[g].limits, l->def->n_limits);
	}
	retire(l->shared, l->def != NULL ? l->def->n_limits : 0);
	share_fini(&l->share);
	free(l->fresh);
	free(l->due);
	free(l->groups);
	free(l->keys);
	service_unref(l->def);
	config_unref(l->last);
	free(l);
}
