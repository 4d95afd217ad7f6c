/* See cache.h. */
#include "lib/store/cache.h"

#include "lib/store/pack.h"

#include <string.h>

#define ANSWER_LEN (1 + 2 + 2 + 8)
#define END_LEN (1 + 8 + 2 + 2 + 8)

static struct key add_asked(struct key k, struct cache_key asked)
{
	return key_u64(key_u16(key_u16(k, asked.service), asked.endpoint), asked.hash);
}

static struct key answer_key(struct cache_key k)
{
	return add_asked(key_u8(key_of(), CACHE_ANSWER), k);
}

static struct key end_key(struct cache_key k, int64_t expires_us)
{
	return add_asked(key_u64(key_u8(key_of(), CACHE_END), (uint64_t)expires_us), k);
}

static struct cache_key asked_at(const uint8_t *bytes)
{
	return (struct cache_key){.service = key_get_u16(bytes), .endpoint = key_get_u16(bytes + 2), .hash = key_get_u64(bytes + 4)};
}

static bool row_decode(struct slice value, struct cache_row *ret)
{
	struct unpack u = unpack_of(value);

	ret->call = unpack_u64(&u);
	ret->price_micro = (int64_t)unpack_var(&u);
	ret->expires_us = unpack_i64(&u);
	ret->outcome = unpack_u8(&u);
	unpack_text(&u, ret->reason, sizeof(ret->reason));
	ret->n_fields = (size_t)unpack_var(&u);
	if (ret->n_fields > FACT_FIELDS) {
		return false;
	}
	for (size_t i = 0; i < ret->n_fields; i++) {
		struct slice name = unpack_bytes(&u);
		uint8_t kind = unpack_u8(&u);
		struct slice text = unpack_bytes(&u);

		ret->fields[i] = (struct fact_field){.name = (const char *)name.data,
		    .name_len = (uint32_t)name.len,
		    .value = {.kind = kind, .len = (uint32_t)text.len, .text = (const char *)text.data}};
	}
	return !u.bad;
}

bool cache_read(struct txn *t, struct cache_key k, struct cache_row *ret)
{
	struct slice value;

	return txn_get(t, TABLE_ANSWER, answer_key(k), &value) && row_decode(value, ret);
}

void cache_write(struct txn *t, struct cache_key k, const struct cache_row *r)
{
	struct cache_row old;
	struct buf *b;

	if (cache_read(t, k, &old)) {
		txn_delete(t, TABLE_ANSWER, end_key(k, old.expires_us));
	}
	b = txn_buf(t);
	pack_u64(b, r->call);
	pack_var(b, (uint64_t)r->price_micro);
	pack_i64(b, r->expires_us);
	pack_u8(b, r->outcome);
	pack_text(b, r->reason);
	pack_var(b, r->n_fields);
	for (size_t i = 0; i < r->n_fields; i++) {
		pack_bytes(b, r->fields[i].name, r->fields[i].name_len);
		pack_u8(b, (uint8_t)r->fields[i].value.kind);
		pack_bytes(b, r->fields[i].value.text, r->fields[i].value.len);
	}
	txn_put(t, TABLE_ANSWER, answer_key(k), b->data, b->len);
	txn_put(t, TABLE_ANSWER, end_key(k, r->expires_us), "", 0);
}

int64_t cache_next_us(struct txn *t)
{
	struct key prefix = key_u8(key_of(), CACHE_END);
	struct slice key, value;

	return txn_first(t, TABLE_ANSWER, prefix, prefix, &key, &value) && key.len == END_LEN ? (int64_t)key_get_u64(key.data + 1) : 0;
}

unsigned cache_expire(struct txn *t, int64_t before_us, unsigned most)
{
	struct key prefix = key_u8(key_of(), CACHE_END);
	struct slice key, value;
	unsigned n = 0;

	while (n < most && txn_first(t, TABLE_ANSWER, prefix, prefix, &key, &value) && key.len == END_LEN) {
		int64_t expires_us = (int64_t)key_get_u64(key.data + 1);
		struct cache_key k = asked_at(key.data + 9);

		if (expires_us >= before_us) {
			break;
		}
		txn_delete(t, TABLE_ANSWER, end_key(k, expires_us));
		txn_delete(t, TABLE_ANSWER, answer_key(k));
		n++;
	}
	return n;
}

bool cache_decode(struct slice key, struct slice value, enum cache_class *ret_class, struct cache_key *ret_key, struct cache_row *ret)
{
	if (key.len == ANSWER_LEN && key.data[0] == CACHE_ANSWER) {
		*ret_class = CACHE_ANSWER;
		*ret_key = asked_at(key.data + 1);
		return row_decode(value, ret);
	}
	if (key.len == END_LEN && key.data[0] == CACHE_END) {
		*ret_class = CACHE_END;
		*ret_key = asked_at(key.data + 9);
		ret->expires_us = (int64_t)key_get_u64(key.data + 1);
		return true;
	}
	return false;
}
