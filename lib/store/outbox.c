/* See outbox.h. */
#include "lib/store/outbox.h"

#include "lib/store/pack.h"

enum { ROW_MESSAGE, ROW_TOLD };

static struct key message_key(uint64_t id)
{
	return key_u64(key_u8(key_of(), ROW_MESSAGE), id);
}

static struct key told_key(const uint8_t key[TOLD_KEY])
{
	struct key k = key_u8(key_of(), ROW_TOLD);

	memcpy(k.bytes + k.len, key, TOLD_KEY);
	k.len += TOLD_KEY;
	return k;
}

bool outbox_decode(struct slice key, struct slice value, struct outbox_row *ret)
{
	struct unpack u = unpack_of(value);

	memset(ret, 0, sizeof(*ret));
	if (key.len != 9 || key.data[0] != ROW_MESSAGE) {
		return false;
	}
	ret->id = key_get_u64(key.data + 1);
	ret->way = unpack_u8(&u);
	ret->state = unpack_u8(&u);
	ret->event = unpack_u8(&u);
	ret->run = unpack_u32(&u);
	ret->attempts = unpack_u32(&u);
	ret->things = unpack_u32(&u);
	ret->created_us = unpack_i64(&u);
	ret->due_us = unpack_i64(&u);
	unpack_text(&u, ret->to, sizeof(ret->to));
	unpack_text(&u, ret->said, sizeof(ret->said));
	ret->subject = unpack_bytes(&u);
	ret->body = unpack_bytes(&u);
	return !u.bad && ret->way < OUTBOX_WAYS && ret->state < OUTBOX_STATES;
}

bool outbox_read(struct txn *t, uint64_t id, struct outbox_row *ret)
{
	struct key k = message_key(id);
	struct slice value;

	return txn_get(t, TABLE_OUTBOX, k, &value) && outbox_decode((struct slice){k.bytes, k.len}, value, ret);
}

void outbox_write(struct txn *t, const struct outbox_row *r)
{
	struct buf *b = txn_buf(t);

	pack_u8(b, r->way);
	pack_u8(b, r->state);
	pack_u8(b, r->event);
	pack_u32(b, r->run);
	pack_u32(b, r->attempts);
	pack_u32(b, r->things);
	pack_i64(b, r->created_us);
	pack_i64(b, r->due_us);
	pack_text(b, r->to);
	pack_text(b, r->said);
	pack_bytes(b, r->subject.data, r->subject.len);
	pack_bytes(b, r->body.data, r->body.len);
	txn_put(t, TABLE_OUTBOX, message_key(r->id), b->data, b->len);
}

void outbox_delete(struct txn *t, uint64_t id)
{
	txn_delete(t, TABLE_OUTBOX, message_key(id));
}

struct each_message {
	bool (*f)(void *arg, const struct outbox_row *r);
	void *arg;
};

static bool on_message(void *arg, struct slice key, struct slice value)
{
	struct each_message *x = arg;
	struct outbox_row r;

	return !outbox_decode(key, value, &r) || x->f(x->arg, &r);
}

void outbox_each(struct txn *t, bool (*f)(void *arg, const struct outbox_row *r), void *arg)
{
	struct each_message x = {f, arg};
	struct key prefix = key_u8(key_of(), ROW_MESSAGE);

	txn_walk(t, TABLE_OUTBOX, prefix, prefix, on_message, &x);
}

uint64_t outbox_last(struct txn *t)
{
	struct slice key, value;

	return txn_last(t, TABLE_OUTBOX, key_u8(key_of(), ROW_MESSAGE), &key, &value) && key.len == 9 ? key_get_u64(key.data + 1) : 0;
}

bool told_decode(struct slice key, struct slice value, struct told_row *ret)
{
	struct unpack u = unpack_of(value);

	if (key.len != 1 + TOLD_KEY || key.data[0] != ROW_TOLD) {
		return false;
	}
	memcpy(ret->key, key.data + 1, TOLD_KEY);
	ret->on = unpack_u8(&u) != 0;
	ret->told_us = unpack_i64(&u);
	ret->limit_micro = unpack_i64(&u);
	return !u.bad;
}

void told_write(struct txn *t, const struct told_row *r)
{
	struct buf *b = txn_buf(t);

	pack_u8(b, r->on);
	pack_i64(b, r->told_us);
	pack_i64(b, r->limit_micro);
	txn_put(t, TABLE_OUTBOX, told_key(r->key), b->data, b->len);
}

void told_delete(struct txn *t, const uint8_t key[TOLD_KEY])
{
	txn_delete(t, TABLE_OUTBOX, told_key(key));
}

struct each_told {
	bool (*f)(void *arg, const struct told_row *r);
	void *arg;
};

static bool on_told(void *arg, struct slice key, struct slice value)
{
	struct each_told *x = arg;
	struct told_row r;

	return !told_decode(key, value, &r) || x->f(x->arg, &r);
}

void told_each(struct txn *t, bool (*f)(void *arg, const struct told_row *r), void *arg)
{
	struct each_told x = {f, arg};
	struct key prefix = key_u8(key_of(), ROW_TOLD);

	txn_walk(t, TABLE_OUTBOX, prefix, prefix, on_told, &x);
}
