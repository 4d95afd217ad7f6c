/* See items.h. */
#include "lib/store/items.h"

#include "lib/store/pack.h"

#include <stdio.h>
#include <string.h>

static const char *const status_words[] = {"waiting", "retrying", "held", "done"};
static const char *const outcome_words[ITEM_OUTCOMES] = {
    "open", "ready", "delivered", "confirmed", "rejected", "suppressed", "duplicate", "failed", "parked", "recalled"};

static const char *const level_words[LEVELS] = {"lead", "company", "run"};

const char *item_level_word(enum item_level l)
{
	return level_words[l];
}

void item_number_write(uint32_t number, char out[16])
{
	(void)snprintf(out, 16, number == ITEM_ROOT ? "run" : "%u", number);
}

const char *item_status_word(enum item_status s)
{
	return status_words[s];
}

const char *item_outcome_word(enum item_outcome o)
{
	return outcome_words[o];
}

bool item_outcome_parse(const char *word, enum item_outcome *ret)
{
	for (int i = 0; i < ITEM_OUTCOMES; i++) {
		if (strcmp(word, outcome_words[i]) == 0) {
			*ret = (enum item_outcome)i;
			return true;
		}
	}
	return false;
}

struct key item_key(uint32_t run, uint32_t number)
{
	return key_u32(key_u32(key_of(), run), number);
}

struct key run_prefix(uint32_t run)
{
	return key_u32(key_of(), run);
}

bool item_decode(struct slice key, struct slice value, struct item *ret)
{
	struct unpack u = unpack_of(value);
	uint8_t bits;

	memset(ret, 0, sizeof(*ret));
	ret->run = key_get_u32(key.data);
	ret->number = key_get_u32(key.data + 4);
	bits = unpack_u8(&u);
	ret->status = bits & 3;
	ret->phase = (bits >> 2) & 1;
	ret->pushed = (bits >> 3) & 1;
	ret->outcome = bits >> 4;
	ret->stage = unpack_u8(&u);
	ret->step = unpack_u8(&u);
	ret->failures = unpack_u8(&u);
	ret->failure_class = unpack_u8(&u);
	ret->doubts = unpack_u8(&u);
	ret->gate_tries = unpack_u8(&u);
	ret->repairs = unpack_u8(&u);
	ret->service = unpack_u16(&u);
	ret->rank = unpack_u8(&u);
	ret->facts = (uint32_t)unpack_var(&u);
	ret->due_us = (int64_t)unpack_var(&u);
	ret->spent_micro = (int64_t)unpack_var(&u);
	ret->done_turn = unpack_var(&u);
	unpack_text(&u, ret->reason, sizeof(ret->reason));
	ret->prompt = u.at < u.end ? (uint16_t)unpack_var(&u) : 0;
	if (u.at < u.end) { /* of older rows nobody knows whose they are */
		bits = unpack_u8(&u);
		ret->phase |= (bits & 3) << 1;
		ret->ours = (bits >> 2) & 1;
		ret->was = bits >> 4;
		ret->was_stage = unpack_u8(&u);
		ret->pushings = unpack_u8(&u);
	}
	if (u.at < u.end) {
		bits = unpack_u8(&u);
		ret->level = bits & 15;
		ret->reused = bits >> 4 & 1;
		ret->parent = (uint32_t)unpack_var(&u);
		ret->page = (uint32_t)unpack_var(&u);
		ret->round = unpack_u8(&u);
		ret->widened = unpack_u8(&u);
	}
	return !u.bad && ret->outcome < ITEM_OUTCOMES && ret->was < ITEM_OUTCOMES && ret->phase < ITEM_PHASES && ret->level < LEVELS;
}

bool item_read(struct txn *t, uint32_t run, uint32_t number, struct item *ret)
{
	struct key k = item_key(run, number);
	struct slice value;

	return txn_get(t, TABLE_STATE, k, &value) && item_decode((struct slice){k.bytes, k.len}, value, ret);
}

void item_write(struct txn *t, const struct item *i)
{
	struct buf *b = txn_buf(t);

	pack_u8(b, (uint8_t)((unsigned)i->status | ((unsigned)i->phase & 1) << 2 | (unsigned)i->pushed << 3 | (unsigned)i->outcome << 4));
	pack_u8(b, i->stage);
	pack_u8(b, i->step);
	pack_u8(b, i->failures);
	pack_u8(b, i->failure_class);
	pack_u8(b, i->doubts);
	pack_u8(b, i->gate_tries);
	pack_u8(b, i->repairs);
	pack_u16(b, i->service);
	pack_u8(b, i->rank);
	pack_var(b, i->facts);
	pack_var(b, (uint64_t)i->due_us);
	pack_var(b, (uint64_t)i->spent_micro);
	pack_var(b, i->done_turn);
	pack_text(b, i->reason);
	pack_var(b, i->prompt);
	pack_u8(b, (uint8_t)((unsigned)i->phase >> 1 | (unsigned)i->ours << 2 | (unsigned)i->was << 4));
	pack_u8(b, i->was_stage);
	pack_u8(b, i->pushings);
	if (i->level != LEVEL_LEAD || i->parent != 0 || i->page != 0 || i->reused) { /* most leads are of a file */
		pack_u8(b, (uint8_t)((unsigned)i->level | (unsigned)i->reused << 4));
		pack_var(b, i->parent);
		pack_var(b, i->page);
		pack_u8(b, i->round);
		pack_u8(b, i->widened);
	}
	txn_put(t, TABLE_STATE, item_key(i->run, i->number), b->data, b->len);
}

bool item_row(struct txn *t, uint32_t run, uint32_t number, struct slice *ret)
{
	return txn_get(t, TABLE_LEAD, item_key(run, number), ret);
}

void item_row_write(struct txn *t, uint32_t run, uint32_t number, const void *row, size_t len)
{
	txn_append(t, TABLE_LEAD, item_key(run, number), row, len);
}

/* --- facts --- */

/*
 * Neighbours in the queue go through a stage together, so the facts of that stage stand side by side: in groups of
 * 256 items, by seq before item. Written item by item they would touch a page each.
 */
static struct key fact_key(uint32_t run, uint32_t number, uint32_t seq)
{
	return key_u8(key_u32(key_u32(key_u32(key_of(), run), number >> 8), seq), (uint8_t)number);
}

void fact_add(struct txn *t, struct item *i, const struct fact *f)
{
	struct buf *b = txn_buf(t);

	pack_u8(b, (uint8_t)f->kind);
	pack_u8(b, f->stage);
	pack_u8(b, f->step);
	pack_u8(b, f->outcome);
	pack_u16(b, f->service);
	pack_u64(b, f->call);
	pack_var(b, f->turn);
	pack_i64(b, f->wall_us);
	pack_var(b, (uint64_t)f->price_micro);
	pack_var(b, f->ms);
	pack_text(b, f->reason);
	pack_var(b, f->n_fields);
	for (size_t n = 0; n < f->n_fields; n++) {
		pack_bytes(b, f->fields[n].name, f->fields[n].name_len);
		pack_u8(b, (uint8_t)f->fields[n].value.kind);
		pack_bytes(b, f->fields[n].value.text, f->fields[n].value.len);
	}
	pack_var(b, f->prompt);
	pack_var(b, (uint64_t)f->saved_micro);
	pack_u8(b, f->joined);
	if (f->kind == FACT_CACHED) {
		pack_u64(b, f->asked);
	}
	txn_put(t, TABLE_FACT, fact_key(i->run, i->number, i->facts), b->data, b->len);
	i->facts++;
}

bool fact_decode(struct slice value, struct fact *ret)
{
	struct unpack u = unpack_of(value);

	ret->kind = unpack_u8(&u);
	ret->stage = unpack_u8(&u);
	ret->step = unpack_u8(&u);
	ret->outcome = unpack_u8(&u);
	ret->service = unpack_u16(&u);
	ret->call = unpack_u64(&u);
	ret->turn = unpack_var(&u);
	ret->wall_us = unpack_i64(&u);
	ret->price_micro = (int64_t)unpack_var(&u);
	ret->ms = (uint32_t)unpack_var(&u);
	unpack_text(&u, ret->reason, sizeof(ret->reason));
	ret->n_fields = (size_t)unpack_var(&u);
	if (ret->n_fields > FACT_FIELDS) {
		return false;
	}
	for (size_t n = 0; n < ret->n_fields; n++) {
		struct slice name = unpack_bytes(&u);
		uint8_t kind = unpack_u8(&u);
		struct slice text = unpack_bytes(&u);

		ret->fields[n] = (struct fact_field){.name = (const char *)name.data,
		    .name_len = (uint32_t)name.len,
		    .value = {.kind = kind, .len = (uint32_t)text.len, .text = (const char *)text.data}};
	}
	ret->prompt = u.at < u.end ? (uint16_t)unpack_var(&u) : 0;
	ret->saved_micro = u.at < u.end ? (int64_t)unpack_var(&u) : 0;
	ret->joined = u.at < u.end && unpack_u8(&u) != 0;
	ret->asked = ret->kind == FACT_CACHED ? unpack_u64(&u) : 0;
	return !u.bad;
}

void fact_walk(struct txn *t, uint32_t run, uint32_t number, fact_walk_fn f, void *arg)
{
	struct slice value;
	struct fact fact;

	for (uint32_t seq = 0; txn_get(t, TABLE_FACT, fact_key(run, number, seq), &value); seq++) {
		if (fact_decode(value, &fact) && !f(arg, &fact)) {
			return;
		}
	}
}

/* --- identity --- */

uint32_t identity_claim(struct txn *t, uint32_t run, uint8_t kind, uint64_t hash, uint32_t number)
{
	struct key k = key_u64(key_u8(key_u32(key_of(), run), kind), hash);
	struct slice value;
	struct buf *b = txn_buf(t);

	if (txn_get(t, TABLE_IDENTITY, k, &value)) {
		struct unpack u = unpack_of(value);

		return unpack_u32(&u);
	}
	pack_u32(b, number);
	txn_put(t, TABLE_IDENTITY, k, b->data, b->len);
	return 0;
}

/* Runs count from 1: those of run 0 are the organisations'. */
static struct key org_identity(uint16_t org, uint8_t kind, uint64_t hash)
{
	return key_u64(key_u8(key_u16(key_u32(key_of(), 0), org), kind), hash);
}

bool identity_known(struct txn *t, uint16_t org, uint8_t kind, uint64_t hash, uint32_t *ret_run, uint32_t *ret_number)
{
	struct slice value;
	struct unpack u;

	if (!txn_get(t, TABLE_IDENTITY, org_identity(org, kind, hash), &value)) {
		return false;
	}
	u = unpack_of(value);
	*ret_run = unpack_u32(&u);
	*ret_number = unpack_u32(&u);
	return !u.bad;
}

void identity_remember(struct txn *t, uint16_t org, uint8_t kind, uint64_t hash, uint32_t run, uint32_t number)
{
	struct buf *b = txn_buf(t);

	pack_u32(b, run);
	pack_u32(b, number);
	txn_put(t, TABLE_IDENTITY, org_identity(org, kind, hash), b->data, b->len);
}
