/* lib/sim/allow.c: whether a call may come through: its key, the limits it counts in, the key's
 * quota. */
#include "lib/sim/internal.h"

#include <string.h>

#include "lib/base/ids.h"

struct key_slot *allow_key(struct world *w, struct ask *q, const struct scenario_key **ret_declared)
{
	const struct scenario_service *s = &w->s.services[q->service];
	struct service_state *st = &w->services[q->service];
	uint64_t hash;
	size_t i;

	*ret_declared = NULL;
	if (q->key == NULL || *q->key == '\0') {
		return NULL;
	}
	for (i = 0; i < s->n_keys && strcmp(s->keys[i].text, q->key) != 0; i++) {
	}
	if (s->n_keys > 0) {
		*ret_declared = i < s->n_keys ? &s->keys[i] : NULL;
		return i < s->n_keys ? &st->keys[i] : NULL;
	}
	hash = hash_plain(q->key, strlen(q->key));
	for (i = 0; i < st->n_keys && st->keys[i].hash != hash; i++) {
	}
	if (i == st->n_keys && i < KEY_SLOTS) {
		st->keys[st->n_keys++].hash = hash;
	}
	return &st->keys[i < KEY_SLOTS ? i : KEY_SLOTS - 1];
}

static struct arrivals *window_of(
    struct world *w, enum world_service s, struct key_slot *slot, size_t i)
{
	const struct scenario_limit *l = &w->s.services[s].limits[i];
	struct arrivals *a = l->per_service ? &w->services[s].shared[i]
			     : slot != NULL ? &slot->windows[i]
					    : NULL;

	if (a != NULL && a->max == 0) {
		a->max = l->max * w->s.limit_factor;
		a->length_us = l->length_us;
	}
	return a;
}

int allow_count(struct world *w, struct ask *q, struct key_slot *slot, struct over *ret)
{
	const struct scenario_service *s = &w->s.services[q->service];

	*ret = (struct over){0};
	for (size_t i = 0; i < s->n_limits; i++) {
		const struct scenario_limit *l = &s->limits[i];
		struct ask_window *shown = l->tokens ? &q->tokens : &q->requests;
		uint32_t weight = l->tokens ? (uint32_t)q->tokens_asked : 1;
		struct arrivals *a = (l->endpoints >> q->endpoint & 1) != 0
					 ? window_of(w, q->service, slot, i)
					 : NULL;
		int64_t wait;

		if (a == NULL) {
			continue;
		}
		if (arrivals_add(a, q->now, weight) != 0) {
			return LEAD_ENOMEM;
		}
		q->windows[i] = (struct ask_window){
		    .known = true, .max = a->max, .used = a->weight, .length_us = a->length_us};
		arrivals_shown(a, q->now, &q->windows[i].left, &q->windows[i].reset_us);
		if (!shown->known) {
			*shown = q->windows[i];
		}
		if (a->weight > a->max) {
			wait = arrivals_wait(a, q->now, weight);
			ret->tokens = !ret->any || wait > ret->wait_us ? l->tokens : ret->tokens;
			ret->wait_us = wait > ret->wait_us ? wait : ret->wait_us;
			ret->any = true;
		}
	}
	return 0;
}

bool allow_quota(struct ask *q, struct key_slot *slot, const struct scenario_key *declared)
{
	if (declared == NULL || declared->quota == 0) {
		q->key_left = UINT64_MAX;
		return true;
	}
	if (slot->spent_us != 0 && declared->reset_us > 0 &&
	    q->now.boot_us - slot->spent_us >= declared->reset_us) {
		slot->used = 0;
		slot->spent_us = 0;
	}
	q->key_left = slot->used < declared->quota ? declared->quota - slot->used : 0;
	if (q->key_left == 0 && slot->spent_us == 0) {
		slot->spent_us = q->now.boot_us > 0 ? q->now.boot_us : 1;
	}
	return q->key_left > 0 || endpoint_is_free(q->endpoint);
}
