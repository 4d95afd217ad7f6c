/* See notes.h. Two kinds of rows in one table: 0, run, seq -> note; 1, hash -> payment seen. */
#include "lib/store/notes.h"

#include "lib/store/pack.h"

#include <string.h>

enum { ROW_NOTE, ROW_PAYMENT };

static const char *const words[NOTE_KINDS] = {"approved", "paid", "payment-refused", "cells-left-out", "rows-left-out"};

const char *note_word(enum note_kind k)
{
	return words[k];
}

static struct key notes_of(uint32_t run)
{
	return key_u32(key_u8(key_of(), ROW_NOTE), run);
}

void note_add(struct txn *t, struct note *n)
{
	struct slice key, value;
	struct buf *b;

	n->seq = txn_last(t, TABLE_NOTE, notes_of(n->run), &key, &value) && key.len == 9 ? key_get_u32(key.data + 5) + 1 : 1;
	b = txn_buf(t);
	pack_u8(b, (uint8_t)n->kind);
	pack_i64(b, n->wall_us);
	pack_text(b, n->who);
	pack_text(b, n->what);
	pack_i64(b, n->amount_micro);
	txn_put(t, TABLE_NOTE, key_u32(notes_of(n->run), n->seq), b->data, b->len);
}

bool note_decode(struct slice key, struct slice value, struct note *ret)
{
	struct unpack u = unpack_of(value);

	if (key.len != 9 || key.data[0] != ROW_NOTE) {
		return false;
	}
	*ret = (struct note){.run = key_get_u32(key.data + 1), .seq = key_get_u32(key.data + 5)};
	ret->kind = unpack_u8(&u);
	ret->wall_us = unpack_i64(&u);
	unpack_text(&u, ret->who, sizeof(ret->who));
	unpack_text(&u, ret->what, sizeof(ret->what));
	ret->amount_micro = unpack_i64(&u);
	return !u.bad && ret->kind < NOTE_KINDS;
}

struct each_note {
	note_fn f;
	void *arg;
};

static bool on_note(void *arg, struct slice key, struct slice value)
{
	struct each_note *x = arg;
	struct note n;

	return !note_decode(key, value, &n) || x->f(x->arg, &n);
}

void note_walk(struct txn *t, uint32_t run, note_fn f, void *arg)
{
	struct each_note x = {f, arg};

	txn_walk(t, TABLE_NOTE, notes_of(run), notes_of(run), on_note, &x);
}

static struct key payment_key(uint64_t hash)
{
	return key_u64(key_u8(key_of(), ROW_PAYMENT), hash);
}

bool payment_seen(struct txn *t, uint64_t hash, uint32_t *ret_run)
{
	struct slice value;
	struct unpack u;

	if (!txn_get(t, TABLE_NOTE, payment_key(hash), &value)) {
		return false;
	}
	u = unpack_of(value);
	*ret_run = unpack_u32(&u);
	return true;
}

void payment_mark(struct txn *t, uint64_t hash, uint32_t run, int64_t wall_us)
{
	struct buf *b = txn_buf(t);

	pack_u32(b, run);
	pack_i64(b, wall_us);
	txn_put(t, TABLE_NOTE, payment_key(hash), b->data, b->len);
}
