/* See suppress.h. */
#include "lib/store/suppress.h"

#include "lib/base/ids.h"
#include "lib/store/pack.h"

#include <stdio.h>

#define KEY_BYTES 11

static struct key suppress_key(uint16_t org, enum suppress_class class, uint64_t hash)
{
	return key_u64(key_u8(key_u16(key_of(), org), (uint8_t)class), hash);
}

static bool row_decode(struct slice value, struct suppress_row *ret)
{
	struct unpack u = unpack_of(value);

	ret->given = unpack_u8(&u);
	ret->wall_us = unpack_i64(&u);
	unpack_text(&u, ret->source, sizeof(ret->source));
	unpack_text(&u, ret->reason, sizeof(ret->reason));
	return !u.bad && ret->given < SUPPRESS_GIVEN;
}

static bool source_decode(struct slice value, struct suppress_source *ret)
{
	struct unpack u = unpack_of(value);

	unpack_text(&u, ret->source, sizeof(ret->source));
	for (int i = 0; i < SUPPRESS_GIVEN; i++) {
		ret->entries[i] = unpack_var(&u);
	}
	ret->first_us = unpack_i64(&u);
	ret->last_us = unpack_i64(&u);
	return !u.bad;
}

bool suppress_decode(struct slice key, struct slice value, enum suppress_class *ret_class, struct suppress_row *ret,
    struct suppress_source *ret_source)
{
	if (key.len != KEY_BYTES || key.data[2] > SUPPRESS_DOMAINS) {
		return false;
	}
	*ret_class = key.data[2];
	return *ret_class == SUPPRESS_SOURCES ? source_decode(value, ret_source) : row_decode(value, ret);
}

bool suppress_read(struct txn *t, uint16_t org, enum suppress_class class, uint64_t hash, struct suppress_row *ret)
{
	struct slice value;

	return txn_get(t, TABLE_SUPPRESS, suppress_key(org, class, hash), &value) && row_decode(value, ret);
}

/* Entries of the source go up or down; a source without any is forgotten. */
static void count(struct txn *t, uint16_t org, const struct suppress_row *r, bool up)
{
	struct key k = suppress_key(org, SUPPRESS_SOURCES, hash_plain(r->source, strlen(r->source)));
	struct suppress_source s = {.first_us = r->wall_us, .last_us = r->wall_us};
	struct slice value;
	uint64_t all = 0;
	struct buf *b;

	if (txn_get(t, TABLE_SUPPRESS, k, &value)) {
		(void)source_decode(value, &s);
	}
	(void)snprintf(s.source, sizeof(s.source), "%s", r->source);
	s.last_us = up ? r->wall_us : s.last_us;
	s.entries[r->given] += up ? 1 : s.entries[r->given] > 0 ? UINT64_MAX : 0;
	for (int i = 0; i < SUPPRESS_GIVEN; i++) {
		all += s.entries[i];
	}
	if (all == 0) {
		txn_delete(t, TABLE_SUPPRESS, k);
		return;
	}
	b = txn_buf(t);
	pack_text(b, s.source);
	for (int i = 0; i < SUPPRESS_GIVEN; i++) {
		pack_var(b, s.entries[i]);
	}
	pack_i64(b, s.first_us);
	pack_i64(b, s.last_us);
	txn_put(t, TABLE_SUPPRESS, k, b->data, b->len);
}

bool suppress_add(struct txn *t, uint16_t org, enum suppress_class class, uint64_t hash, const struct suppress_row *r)
{
	struct slice value;
	struct buf *b;

	if (txn_get(t, TABLE_SUPPRESS, suppress_key(org, class, hash), &value)) {
		return false;
	}
	b = txn_buf(t);
	pack_u8(b, r->given);
	pack_i64(b, r->wall_us);
	pack_text(b, r->source);
	pack_text(b, r->reason);
	txn_put(t, TABLE_SUPPRESS, suppress_key(org, class, hash), b->data, b->len);
	count(t, org, r, true);
	return true;
}

bool suppress_remove(struct txn *t, uint16_t org, enum suppress_class class, uint64_t hash)
{
	struct suppress_row r;

	if (!suppress_read(t, org, class, hash, &r)) {
		return false;
	}
	txn_delete(t, TABLE_SUPPRESS, suppress_key(org, class, hash));
	count(t, org, &r, false);
	return true;
}

bool suppress_any(struct txn *t, uint16_t org)
{
	struct key prefix = key_u16(key_of(), org);
	struct slice key, value;

	return txn_first(t, TABLE_SUPPRESS, prefix, prefix, &key, &value);
}

struct walking {
	suppress_fn f;
	void *arg;
};

static bool on_source(void *arg, struct slice key, struct slice value)
{
	struct walking *w = arg;
	struct suppress_source s;

	(void)key;
	return !source_decode(value, &s) || w->f(w->arg, &s);
}

void suppress_sources(struct txn *t, uint16_t org, suppress_fn f, void *arg)
{
	struct key prefix = key_u8(key_u16(key_of(), org), SUPPRESS_SOURCES);
	struct walking w = {.f = f, .arg = arg};

	txn_walk(t, TABLE_SUPPRESS, prefix, prefix, on_source, &w);
}
