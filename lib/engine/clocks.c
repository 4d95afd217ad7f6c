/* See clocks.h. */
#include "lib/engine/clocks.h"

#include "lib/engine/state.h"
#include "lib/store/queue.h"
#include "lib/store/pack.h"

#include <stdlib.h>

#define CLOCK_KEY 'c'

bool clocks_read(struct engine *e, struct clocks *ret)
{
	struct slice value;
	struct unpack u;

	if (!txn_get(e->txn, TABLE_META, key_u8(key_of(), CLOCK_KEY), &value)) {
		return false;
	}
	u = unpack_of(value);
	ret->boot = unpack_u32(&u);
	unpack_text(&u, ret->boot_id, sizeof(ret->boot_id));
	ret->boot_us = unpack_i64(&u);
	ret->wall_us = unpack_i64(&u);
	e->turn = unpack_u64(&u);
	e->n_boot_shifts = u.at < u.end ? unpack_u8(&u) : 0;
	e->n_boot_shifts = e->n_boot_shifts < BOOTS_KNOWN ? e->n_boot_shifts : BOOTS_KNOWN;
	for (uint8_t i = 0; i < e->n_boot_shifts; i++) {
		e->boot_shift_us[i] = unpack_i64(&u);
	}
	return !u.bad;
}

void clocks_boot_id(struct txn *t, char out[64])
{
	struct slice value;
	struct unpack u;

	if (txn_get(t, TABLE_META, key_u8(key_of(), CLOCK_KEY), &value)) {
		u = unpack_of(value);
		(void)unpack_u32(&u);
		unpack_text(&u, out, 64);
	}
}

void clocks_write(struct engine *e)
{
	struct buf *b = txn_buf(e->txn);

	pack_u32(b, e->boot);
	pack_text(b, e->boot_id);
	pack_i64(b, e->now.boot_us);
	pack_i64(b, e->now.wall_us);
	pack_u64(b, e->turn);
	pack_u8(b, e->n_boot_shifts);
	for (uint8_t i = 0; i < e->n_boot_shifts; i++) {
		pack_i64(b, e->boot_shift_us[i]);
	}
	txn_put(e->txn, TABLE_META, key_u8(key_of(), CLOCK_KEY), b->data, b->len);
}

int64_t clocks_age_us(const struct engine *e, uint32_t boot, int64_t stamp_us, int64_t wall_us)
{
	uint32_t back = e->boot - boot;

	if (back == 0) {
		return e->now.boot_us - stamp_us;
	}
	if (back <= e->n_boot_shifts) {
		return e->now.boot_us - (stamp_us + e->boot_shift_us[back - 1]);
	}
	return e->now.wall_us > wall_us ? e->now.wall_us - wall_us : 0;
}

/* The machine has started anew: how long it was away only the wall clock can say, and this once. */
static void next_boot(struct engine *e, const struct clocks *old)
{
	int64_t away_us = e->now.wall_us > old->wall_us ? e->now.wall_us - old->wall_us : 0;
	int64_t shift_us = e->now.boot_us - away_us - old->boot_us;

	for (uint8_t i = BOOTS_KNOWN - 1; i > 0; i--) {
		e->boot_shift_us[i] = e->boot_shift_us[i - 1] + shift_us;
	}
	e->boot_shift_us[0] = shift_us;
	e->n_boot_shifts += e->n_boot_shifts < BOOTS_KNOWN ? 1 : 0;
}

bool clocks_begin(struct engine *e, const struct clocks *old)
{
	bool same = old != NULL && strcmp(old->boot_id, e->boot_id) == 0 && old->boot_us <= e->now.boot_us;

	e->boot = same ? old->boot : old != NULL ? old->boot + 1 : 1;
	if (old != NULL && !same) {
		next_boot(e, old);
	}
	return old != NULL && !same;
}

void clocks_rebase(struct engine *e, const struct clocks *old)
{
	int64_t away_us = e->now.wall_us > old->wall_us ? e->now.wall_us - old->wall_us : 0;
	int64_t due;
	uint32_t run, number;
	struct item *list = NULL;
	size_t n = 0, cap = 0;

	while (later_head(e->txn, &due, &run, &number)) {
		struct item i;

		if (n == cap) {
			cap = cap * 2 + 64;
			list = realloc(list, cap * sizeof(*list));
			if (list == NULL) {
				abort();
			}
		}
		if (!item_read(e->txn, run, number, &i)) {
			i = (struct item){.run = run, .number = number};
		}
		i.due_us = due;
		later_remove(e->txn, &i);
		list[n++] = i;
	}
	for (size_t k = 0; k < n; k++) {
		int64_t left = list[k].due_us - old->boot_us - away_us;

		if (list[k].status != ITEM_RETRYING) {
			continue;
		}
		list[k].due_us = e->now.boot_us + (left > 0 ? left : 0);
		later_push(e->txn, &list[k]);
		item_write(e->txn, &list[k]);
	}
	free(list);
}
