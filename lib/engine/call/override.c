/*
 * Limits that a person changed by a command. They hold until the next reload, and so through every restart before it,
 * wanted or not, as long as the configuration still has the number they stand for. One row of table `meta` each:
 * 'l', service, limit, window -> the configuration's number, the person's.
 */

#include "lib/engine/call/override.h"

#include "lib/base/ids.h"
#include "lib/base/time.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/state.h"
#include "lib/flow/limit.h"
#include "lib/flow/limit_state.h"
#include "lib/service/service.h"
#include "lib/store/pack.h"

#include <stdlib.h>

#define OVERRIDE_KEY 'l'

static struct key row_key(const struct lane *l, const struct service_limit *def, const struct window_spec *w)
{
	struct key k = key_u16(key_u8(key_of(), OVERRIDE_KEY), l->number);

	k = key_u8(key_u64(k, hash_plain(def->label, strlen(def->label))), (uint8_t)def->scope);
	return key_u64(key_u8(k, (uint8_t)w->kind), (uint64_t)w->length_us);
}

static void set_max(struct lane *l, const struct service_limit *def, struct limit *limit, size_t window, uint64_t max)
{
	struct window_spec specs[LIMIT_WINDOWS];

	for (size_t w = 0; w < def->n_windows; w++) {
		struct window_view v;

		limit_view(limit, w, (struct now){0}, &v);
		specs[w] = v.spec;
	}
	specs[window].max = max;
	if (limit_change(limit, specs, def->n_windows, l->def->margin_us) != 0) {
		abort(); /* out of memory: the restart knows what to do */
	}
}

/* In every group of keys that counts by itself. */
static void set_all(struct lane *l, size_t i, size_t window, uint64_t max)
{
	const struct service_limit *def = &l->def->limits[i];

	if (l->shared[i] != NULL) {
		set_max(l, def, l->shared[i], window, max);
	}
	for (size_t g = 0; l->shared[i] == NULL && g < l->def->n_groups; g++) {
		set_max(l, def, l->groups[g].limits[i], window, max);
	}
}

bool override_set(struct engine *e, struct lane *l, const char *label, const struct window_spec *window)
{
	bool found = false;

	for (size_t i = 0; i < l->def->n_limits; i++) {
		const struct service_limit *def = &l->def->limits[i];

		for (size_t w = 0; w < def->n_windows && (label[0] == 0 || strcmp(def->label, label) == 0); w++) {
			struct buf *b;

			if (def->windows[w].kind != window->kind || def->windows[w].length_us != window->length_us) {
				continue;
			}
			set_all(l, i, w, window->max);
			b = txn_buf(e->txn);
			pack_u64(b, def->windows[w].max);
			pack_u64(b, window->max);
			txn_put(e->txn, TABLE_META, row_key(l, def, &def->windows[w]), b->data, b->len);
			found = true;
		}
	}
	return found;
}

static void restore(struct engine *e, struct lane *l, size_t i, size_t w)
{
	const struct window_spec *own = &l->def->limits[i].windows[w];
	struct slice value;
	struct unpack u;
	uint64_t instead_of, max;

	if (!txn_get(e->txn, TABLE_META, row_key(l, &l->def->limits[i], own), &value)) {
		return;
	}
	u = unpack_of(value);
	instead_of = unpack_u64(&u);
	max = unpack_u64(&u);
	if (!u.bad && instead_of == own->max && max > 0) {
		set_all(l, i, w, max);
	} else {
		txn_delete(e->txn, TABLE_META, row_key(l, &l->def->limits[i], own));
	}
}

void overrides_restore(struct engine *e)
{
	for (size_t k = 0; k < e->n_lanes; k++) {
		struct lane *l = e->lanes[k];

		for (size_t i = 0; l->def != NULL && i < l->def->n_limits; i++) {
			for (size_t w = 0; w < l->def->limits[i].n_windows; w++) {
				restore(e, l, i, w);
			}
		}
	}
}

static void forget(struct txn *t, struct key prefix)
{
	struct slice key, value;

	while (txn_error(t) == 0 && txn_first(t, TABLE_META, prefix, prefix, &key, &value)) {
		struct key row = key_of();

		memcpy(row.bytes, key.data, key.len);
		row.len = key.len;
		txn_delete(t, TABLE_META, row);
	}
}

void overrides_drop(struct engine *e)
{
	forget(e->txn, key_u8(key_of(), OVERRIDE_KEY));
}

void overrides_forget(struct txn *t, uint16_t service)
{
	forget(t, key_u16(key_u8(key_of(), OVERRIDE_KEY), service));
}
