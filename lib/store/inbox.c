/* See inbox.h. */
#include "lib/store/inbox.h"

#include "lib/base/ids.h"
#include "lib/store/pack.h"

#include <stdio.h>
#include <string.h>

static struct key kind_key(enum inbox_kind kind)
{
	return key_u8(key_of(), (uint8_t)kind);
}

static struct key id_key(enum inbox_kind kind, uint64_t id)
{
	return key_u64(kind_key(kind), id);
}

static struct key mark_key(const struct inbox_mark *m)
{
	struct key k = kind_key(INBOX_MARK);

	memcpy(k.bytes + k.len, m->bytes, sizeof(m->bytes));
	k.len += sizeof(m->bytes);
	return k;
}

static struct key counts_key(const char *intake)
{
	return key_u64(kind_key(INBOX_COUNTS), hash_plain(intake, strlen(intake)));
}

/* --- events --- */

void inbox_append(struct txn *t, const struct inbox_event *e)
{
	struct buf *b = txn_buf(t);

	pack_text(b, e->intake);
	pack_bytes(b, e->body.data, e->body.len);
	txn_put(t, TABLE_INBOX, id_key(INBOX_EVENT, e->id), b->data, b->len);
}

static bool event_decode(struct slice key, struct slice value, struct inbox_event *ret)
{
	struct unpack u = unpack_of(value);

	if (key.len != 9 || key.data[0] != INBOX_EVENT) {
		return false;
	}
	ret->id = key_get_u64(key.data + 1);
	unpack_text(&u, ret->intake, sizeof(ret->intake));
	ret->body = unpack_bytes(&u);
	return !u.bad;
}

bool inbox_event_read(struct txn *t, uint64_t id, struct inbox_event *ret)
{
	struct key k = id_key(INBOX_EVENT, id);
	struct slice value;

	return txn_get(t, TABLE_INBOX, k, &value) && event_decode((struct slice){k.bytes, k.len}, value, ret);
}

bool inbox_next(struct txn *t, uint64_t id, struct inbox_event *ret)
{
	struct slice key, value;

	return id < UINT64_MAX && txn_first(t, TABLE_INBOX, id_key(INBOX_EVENT, id + 1), kind_key(INBOX_EVENT), &key, &value) &&
	       event_decode(key, value, ret);
}

uint64_t inbox_last(struct txn *t)
{
	struct slice key, value;

	return txn_last(t, TABLE_INBOX, kind_key(INBOX_EVENT), &key, &value) && key.len == 9 ? key_get_u64(key.data + 1) : 0;
}

uint64_t inbox_oldest(struct txn *t)
{
	struct slice key, value;

	return txn_first(t, TABLE_INBOX, kind_key(INBOX_EVENT), kind_key(INBOX_EVENT), &key, &value) && key.len == 9 ? key_get_u64(key.data + 1) : 0;
}

struct walk {
	bool (*f)(void *arg, const struct inbox_event *e);
	void *arg;
};

static bool on_event(void *arg, struct slice key, struct slice value)
{
	struct walk *w = arg;
	struct inbox_event e;

	return !event_decode(key, value, &e) || w->f(w->arg, &e);
}

void inbox_back(struct txn *t, uint64_t before, bool (*f)(void *arg, const struct inbox_event *e), void *arg)
{
	struct walk w = {f, arg};

	txn_walk_back(t, TABLE_INBOX, id_key(INBOX_EVENT, before != 0 ? before - 1 : UINT64_MAX), kind_key(INBOX_EVENT), on_event, &w);
}

/* --- what became of them --- */

static bool row_decode(struct slice key, struct slice value, struct inbox_row *ret)
{
	struct unpack u = unpack_of(value);
	struct slice mark;

	memset(ret, 0, sizeof(*ret));
	if (key.len != 9 || key.data[0] != INBOX_ROW) {
		return false;
	}
	ret->id = key_get_u64(key.data + 1);
	ret->state = (enum inbox_state)unpack_u8(&u);
	ret->run = unpack_u32(&u);
	ret->number = unpack_u32(&u);
	ret->of = unpack_u64(&u);
	unpack_text(&u, ret->reason, sizeof(ret->reason));
	mark = unpack_bytes(&u);
	if (mark.len == sizeof(ret->mark.bytes)) {
		memcpy(ret->mark.bytes, mark.data, mark.len);
	}
	return !u.bad && ret->state < INBOX_STATES;
}

bool inbox_row_read(struct txn *t, uint64_t id, struct inbox_row *ret)
{
	struct key k = id_key(INBOX_ROW, id);
	struct slice value;

	return txn_get(t, TABLE_INBOX, k, &value) && row_decode((struct slice){k.bytes, k.len}, value, ret);
}

void inbox_row_write(struct txn *t, const struct inbox_row *r)
{
	struct buf *b = txn_buf(t);
	bool made = r->state == INBOX_MADE;

	pack_u8(b, (uint8_t)r->state);
	pack_u32(b, r->run);
	pack_u32(b, r->number);
	pack_u64(b, r->of);
	pack_text(b, r->reason);
	pack_bytes(b, r->mark.bytes, made ? sizeof(r->mark.bytes) : 0);
	txn_put(t, TABLE_INBOX, id_key(INBOX_ROW, r->id), b->data, b->len);
	if (made) {
		b = txn_buf(t);
		pack_u64(b, r->id);
		txn_put(t, TABLE_INBOX, mark_key(&r->mark), b->data, b->len);
	}
}

uint64_t inbox_marked(struct txn *t, const struct inbox_mark *m)
{
	struct slice value;
	struct unpack u;
	uint64_t id;

	if (!txn_get(t, TABLE_INBOX, mark_key(m), &value)) {
		return 0;
	}
	u = unpack_of(value);
	id = unpack_u64(&u);
	return u.bad ? 0 : id;
}

/* --- how far --- */

uint64_t inbox_cursor(struct txn *t)
{
	struct slice value;
	struct unpack u;

	if (!txn_get(t, TABLE_INBOX, kind_key(INBOX_CURSOR), &value)) {
		return 0;
	}
	u = unpack_of(value);
	return unpack_u64(&u);
}

void inbox_cursor_write(struct txn *t, uint64_t id)
{
	struct buf *b = txn_buf(t);

	pack_u64(b, id);
	txn_put(t, TABLE_INBOX, kind_key(INBOX_CURSOR), b->data, b->len);
}

static bool on_waiting(void *arg, struct slice key, struct slice value)
{
	(void)key;
	(void)value;
	++*(uint64_t *)arg;
	return true;
}

uint64_t inbox_waiting(struct txn *t)
{
	uint64_t n = 0;

	txn_walk(t, TABLE_INBOX, id_key(INBOX_EVENT, inbox_cursor(t) + 1), kind_key(INBOX_EVENT), on_waiting, &n);
	return n;
}

/* --- totals --- */

static bool counts_decode(struct slice value, struct inbox_counts *ret)
{
	struct unpack u = unpack_of(value);

	unpack_text(&u, ret->intake, sizeof(ret->intake));
	ret->received = unpack_var(&u);
	for (int i = 0; i < INBOX_STATES; i++) {
		ret->states[i] = unpack_var(&u);
	}
	ret->last_us = unpack_i64(&u);
	return !u.bad;
}

bool inbox_counts_read(struct txn *t, const char *intake, struct inbox_counts *ret)
{
	struct slice value;

	memset(ret, 0, sizeof(*ret));
	if (txn_get(t, TABLE_INBOX, counts_key(intake), &value) && counts_decode(value, ret)) {
		return true;
	}
	memset(ret, 0, sizeof(*ret));
	(void)snprintf(ret->intake, sizeof(ret->intake), "%s", intake);
	return false;
}

void inbox_counts_write(struct txn *t, const struct inbox_counts *c)
{
	struct buf *b = txn_buf(t);

	pack_text(b, c->intake);
	pack_var(b, c->received);
	for (int i = 0; i < INBOX_STATES; i++) {
		pack_var(b, c->states[i]);
	}
	pack_i64(b, c->last_us);
	txn_put(t, TABLE_INBOX, counts_key(c->intake), b->data, b->len);
}

/* --- forgetting --- */

size_t inbox_expire(struct txn *t, uint64_t before, size_t most)
{
	uint64_t cursor = inbox_cursor(t), id;
	size_t n = 0;

	while (n < most && (id = inbox_oldest(t)) != 0 && id < before && id <= cursor) {
		struct inbox_row row;

		if (inbox_row_read(t, id, &row) && row.state == INBOX_MADE) {
			txn_delete(t, TABLE_INBOX, mark_key(&row.mark));
		}
		txn_delete(t, TABLE_INBOX, id_key(INBOX_ROW, id));
		txn_delete(t, TABLE_INBOX, id_key(INBOX_EVENT, id));
		n++;
	}
	return n;
}

bool inbox_decode(struct slice key, struct slice value, struct inbox_any *ret)
{
	struct unpack u = unpack_of(value);
	struct inbox_counts counts;

	memset(ret, 0, sizeof(*ret));
	ret->kind = key.len > 0 && key.data[0] < INBOX_KINDS ? (enum inbox_kind)key.data[0] : INBOX_KINDS;
	switch (ret->kind) {
	case INBOX_EVENT:
		return event_decode(key, value, &ret->event);
	case INBOX_ROW:
		return row_decode(key, value, &ret->row);
	case INBOX_MARK:
		if (key.len != 1 + sizeof(ret->mark.bytes)) {
			return false;
		}
		memcpy(ret->mark.bytes, key.data + 1, sizeof(ret->mark.bytes));
		ret->id = unpack_u64(&u);
		return !u.bad;
	case INBOX_CURSOR:
		ret->id = unpack_u64(&u);
		return !u.bad;
	case INBOX_COUNTS:
		return counts_decode(value, &counts);
	default:
		return false;
	}
}
