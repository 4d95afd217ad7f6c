/* See stat.h. */
#include "lib/store/stat.h"

#include "lib/store/pack.h"

#include <string.h>

static struct key park_key(uint16_t service, uint16_t key)
{
	return key_u16(key_u16(key_of(), service), key);
}

void park_write(struct txn *t, uint16_t service, uint16_t key, const struct park_row *p)
{
	struct buf *b = txn_buf(t);

	if (p->cause == 0) {
		txn_delete(t, TABLE_PARK, park_key(service, key));
		return;
	}
	pack_u8(b, p->cause);
	pack_i64(b, p->since_wall_us);
	pack_i64(b, p->until_wall_us);
	pack_text(b, p->why);
	txn_put(t, TABLE_PARK, park_key(service, key), b->data, b->len);
}

bool park_read(struct txn *t, uint16_t service, uint16_t key, struct park_row *ret)
{
	struct slice value;
	struct unpack u;

	if (!txn_get(t, TABLE_PARK, park_key(service, key), &value)) {
		return false;
	}
	u = unpack_of(value);
	ret->cause = unpack_u8(&u);
	ret->since_wall_us = unpack_i64(&u);
	ret->until_wall_us = unpack_i64(&u);
	unpack_text(&u, ret->why, sizeof(ret->why));
	return !u.bad;
}

/* Three quarters of its bucket's end for each. */
static int64_t stat_latency_guess(const struct stat_row *s)
{
	int64_t us = 0;

	for (int i = 0; i < STAT_BUCKETS; i++) {
		us += (int64_t)s->latency[i] * (INT64_C(750) << i);
	}
	return us;
}

bool stat_read(struct txn *t, uint16_t service, struct stat_row *ret)
{
	struct slice value;
	struct unpack u;

	memset(ret, 0, sizeof(*ret));
	if (!txn_get(t, TABLE_STAT, key_u16(key_of(), service), &value)) {
		return false;
	}
	u = unpack_of(value);
	for (int i = 0; i < STAT_CLASSES; i++) {
		ret->outcomes[i] = unpack_var(&u);
	}
	for (int i = 0; i < STAT_BUCKETS; i++) {
		ret->latency[i] = unpack_var(&u);
	}
	ret->settled_micro = unpack_i64(&u);
	ret->latency_us = u.at < u.end ? unpack_i64(&u) : stat_latency_guess(ret);
	return !u.bad;
}

void stat_write(struct txn *t, uint16_t service, const struct stat_row *s)
{
	struct buf *b = txn_buf(t);

	for (int i = 0; i < STAT_CLASSES; i++) {
		pack_var(b, s->outcomes[i]);
	}
	for (int i = 0; i < STAT_BUCKETS; i++) {
		pack_var(b, s->latency[i]);
	}
	pack_i64(b, s->settled_micro);
	pack_i64(b, s->latency_us);
	txn_put(t, TABLE_STAT, key_u16(key_of(), service), b->data, b->len);
}

void stat_count_latency(struct stat_row *s, int64_t us)
{
	int64_t ms = us / 1000;
	int bucket = 0;

	while (bucket < STAT_BUCKETS - 1 && ms >= (INT64_C(1) << bucket)) {
		bucket++;
	}
	s->latency[bucket]++;
	if (us > 0 && __builtin_add_overflow(s->latency_us, us, &s->latency_us)) {
		s->latency_us = INT64_MAX;
	}
}

uint64_t stat_quantile_ms(const struct stat_row *s, double q)
{
	uint64_t total = 0, seen = 0;

	for (int i = 0; i < STAT_BUCKETS; i++) {
		total += s->latency[i];
	}
	for (int i = 0; i < STAT_BUCKETS && total > 0; i++) {
		seen += s->latency[i];
		if ((double)seen >= q * (double)total) {
			return UINT64_C(1) << i;
		}
	}
	return 0;
}
