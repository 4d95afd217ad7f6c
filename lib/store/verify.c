/* See verify.h. Keys: run, then what the row is (0 the state, 1 a finding, 2 an entry), then number or hash. */
#include "lib/store/verify.h"

#include "lib/store/pack.h"

#include <string.h>

enum row_kind { ROW_STATE, ROW_FINDING, ROW_ENTRY };

const char *verify_state_word(enum verify_state s)
{
	static const char *const words[VERIFY_STATES] = {"none", "clearing", "indexing", "reading", "comparing", "done", "failed"};

	return words[s];
}

bool verify_at_work(enum verify_state s)
{
	return s >= VERIFY_CLEARING && s <= VERIFY_COMPARING;
}

const char *verify_kind_word(enum verify_kind k)
{
	static const char *const words[VERIFY_KINDS] = {"missing", "doubled", "changed", "foreign"};

	return words[k];
}

static struct key row_key(uint32_t run, enum row_kind kind)
{
	return key_u8(key_u32(key_of(), run), (uint8_t)kind);
}

/* --- how far it is --- */

static bool row_decode(struct slice value, struct verify_row *ret)
{
	struct unpack u = unpack_of(value);

	ret->state = unpack_u8(&u);
	ret->repair = unpack_u8(&u) != 0;
	ret->started_us = unpack_i64(&u);
	ret->ended_us = unpack_i64(&u);
	ret->at_run = unpack_u32(&u);
	ret->at_number = unpack_u32(&u);
	ret->pushed = unpack_var(&u);
	ret->pages = unpack_var(&u);
	ret->seen = unpack_var(&u);
	ret->others = unpack_var(&u);
	for (int i = 0; i < VERIFY_KINDS; i++) {
		ret->counts[i] = unpack_var(&u);
	}
	ret->repaired = unpack_var(&u);
	ret->findings = unpack_u32(&u);
	unpack_text(&u, ret->why, sizeof(ret->why));
	return !u.bad && ret->state < VERIFY_STATES;
}

bool verify_row_read(struct txn *t, uint32_t run, struct verify_row *ret)
{
	struct slice value;

	memset(ret, 0, sizeof(*ret));
	ret->run = run;
	return txn_get(t, TABLE_VERIFY, row_key(run, ROW_STATE), &value) && row_decode(value, ret);
}

void verify_row_write(struct txn *t, const struct verify_row *r)
{
	struct buf *b = txn_buf(t);

	pack_u8(b, (uint8_t)r->state);
	pack_u8(b, r->repair);
	pack_i64(b, r->started_us);
	pack_i64(b, r->ended_us);
	pack_u32(b, r->at_run);
	pack_u32(b, r->at_number);
	pack_var(b, r->pushed);
	pack_var(b, r->pages);
	pack_var(b, r->seen);
	pack_var(b, r->others);
	for (int i = 0; i < VERIFY_KINDS; i++) {
		pack_var(b, r->counts[i]);
	}
	pack_var(b, r->repaired);
	pack_u32(b, r->findings);
	pack_text(b, r->why);
	txn_put(t, TABLE_VERIFY, row_key(r->run, ROW_STATE), b->data, b->len);
}

/* --- findings --- */

static bool finding_decode(struct slice value, struct verify_finding *ret)
{
	struct unpack u = unpack_of(value);

	ret->kind = unpack_u8(&u);
	ret->number = unpack_u32(&u);
	unpack_text(&u, ret->field, sizeof(ret->field));
	unpack_text(&u, ret->id, sizeof(ret->id));
	unpack_text(&u, ret->who, sizeof(ret->who));
	return !u.bad && ret->kind < VERIFY_KINDS;
}

void verify_find(struct txn *t, struct verify_row *r, const struct verify_finding *f)
{
	struct buf *b = txn_buf(t);

	pack_u8(b, (uint8_t)f->kind);
	pack_u32(b, f->number);
	pack_text(b, f->field);
	pack_text(b, f->id);
	pack_text(b, f->who);
	txn_put(t, TABLE_VERIFY, key_u32(row_key(r->run, ROW_FINDING), r->findings), b->data, b->len);
	r->findings++;
	r->counts[f->kind]++;
}

struct walk {
	verify_fn f;
	void *arg;
};

static bool on_finding(void *arg, struct slice key, struct slice value)
{
	struct walk *w = arg;
	struct verify_finding f;

	return !finding_decode(value, &f) || w->f(w->arg, key_get_u32(key.data + 5), &f);
}

void verify_walk(struct txn *t, uint32_t run, uint32_t at, verify_fn f, void *arg)
{
	struct walk w = {f, arg};

	txn_walk(t, TABLE_VERIFY, key_u32(row_key(run, ROW_FINDING), at), row_key(run, ROW_FINDING), on_finding, &w);
}

/* --- entries --- */

static bool entry_decode(struct slice key, struct slice value, struct verify_entry *ret)
{
	struct unpack u = unpack_of(value);
	uint8_t bits;

	ret->hash = key_get_u64(key.data + 5);
	ret->run = unpack_u32(&u);
	ret->number = unpack_u32(&u);
	bits = unpack_u8(&u);
	ret->gone = bits & 1;
	ret->young = bits >> 1 & 1;
	ret->seen = (uint32_t)unpack_var(&u);
	unpack_text(&u, ret->id, sizeof(ret->id));
	unpack_text(&u, ret->who, sizeof(ret->who));
	return !u.bad;
}

bool verify_entry_read(struct txn *t, uint32_t run, uint64_t hash, struct verify_entry *ret)
{
	struct key k = key_u64(row_key(run, ROW_ENTRY), hash);
	struct slice value;

	return txn_get(t, TABLE_VERIFY, k, &value) && entry_decode((struct slice){k.bytes, k.len}, value, ret);
}

void verify_entry_write(struct txn *t, uint32_t run, const struct verify_entry *e)
{
	struct buf *b = txn_buf(t);

	pack_u32(b, e->run);
	pack_u32(b, e->number);
	pack_u8(b, (uint8_t)((unsigned)e->gone | (unsigned)e->young << 1));
	pack_var(b, e->seen);
	pack_text(b, e->id);
	pack_text(b, e->who);
	txn_put(t, TABLE_VERIFY, key_u64(row_key(run, ROW_ENTRY), e->hash), b->data, b->len);
}

bool verify_entry_take(struct txn *t, uint32_t run, struct verify_entry *ret)
{
	struct slice key, value;

	if (!txn_first(t, TABLE_VERIFY, row_key(run, ROW_ENTRY), row_key(run, ROW_ENTRY), &key, &value) || !entry_decode(key, value, ret)) {
		return false;
	}
	txn_delete(t, TABLE_VERIFY, key_u64(row_key(run, ROW_ENTRY), ret->hash));
	return true;
}

bool verify_clear(struct txn *t, uint32_t run, unsigned n)
{
	struct slice key, value;

	for (; n > 0; n--) {
		struct key k = {.len = 0};

		if (!txn_first(t, TABLE_VERIFY, row_key(run, ROW_FINDING), key_u32(key_of(), run), &key, &value) || key.len > sizeof(k.bytes)) {
			return false;
		}
		memcpy(k.bytes, key.data, key.len);
		k.len = key.len;
		txn_delete(t, TABLE_VERIFY, k);
	}
	return true;
}

bool verify_decode(struct slice key, struct slice value, uint32_t *ret_run)
{
	struct verify_finding f;
	struct verify_entry e;
	struct verify_row r;

	if (key.len < 5) {
		return false;
	}
	*ret_run = key_get_u32(key.data);
	switch (key.data[4]) {
	case ROW_STATE:
		return key.len == 5 && row_decode(value, &r);
	case ROW_FINDING:
		return key.len == 9 && finding_decode(value, &f);
	default:
		return key.len == 13 && key.data[4] == ROW_ENTRY && entry_decode(key, value, &e);
	}
}
