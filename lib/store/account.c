/* See account.h. */
#include "lib/store/account.h"

#include "lib/store/pack.h"

#include <string.h>

struct key account_key(struct account_id id)
{
	struct key k = key_u32(key_u8(key_of(), (uint8_t)id.kind), id.owner);

	return key_u64(key_u8(k, (uint8_t)id.period), (uint64_t)id.start_us);
}

static bool balance_decode(struct slice value, struct balance *ret)
{
	struct unpack u = unpack_of(value);

	ret->settled_micro = unpack_i64(&u);
	ret->reserved_micro = unpack_i64(&u);
	ret->in_doubt_micro = unpack_i64(&u);
	ret->refunded_micro = unpack_i64(&u);
	for (int i = 0; i < CALL_STATES; i++) {
		ret->calls[i] = unpack_var(&u);
	}
	return !u.bad;
}

bool account_read(struct txn *t, struct account_id id, struct balance *ret)
{
	struct slice value;

	memset(ret, 0, sizeof(*ret));
	return txn_get(t, TABLE_ACCOUNT, account_key(id), &value) && balance_decode(value, ret);
}

bool account_decode(struct slice key, struct slice value, struct account_id *ret_id, struct balance *ret)
{
	ret_id->kind = key.data[0];
	ret_id->owner = key_get_u32(key.data + 1);
	ret_id->period = key.data[5];
	ret_id->start_us = (int64_t)key_get_u64(key.data + 6);
	return balance_decode(value, ret);
}

void account_write(struct txn *t, struct account_id id, const struct balance *bal)
{
	struct buf *b = txn_buf(t);

	pack_i64(b, bal->settled_micro);
	pack_i64(b, bal->reserved_micro);
	pack_i64(b, bal->in_doubt_micro);
	pack_i64(b, bal->refunded_micro);
	for (int i = 0; i < CALL_STATES; i++) {
		pack_var(b, bal->calls[i]);
	}
	txn_put(t, TABLE_ACCOUNT, account_key(id), b->data, b->len);
}
