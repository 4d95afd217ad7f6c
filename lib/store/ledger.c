/* See ledger.h. */
#include "lib/store/ledger.h"

#include "lib/store/pack.h"

#include <stdlib.h>
#include <string.h>

static const char *const state_words[CALL_STATES] = {"reserved", "sent", "settled", "refunded", "in-doubt"};

const char *call_state_word(enum call_state s)
{
	return state_words[s];
}

bool call_state_parse(const char *word, enum call_state *ret)
{
	for (int i = 0; i < CALL_STATES; i++) {
		if (strcmp(word, state_words[i]) == 0) {
			*ret = (enum call_state)i;
			return true;
		}
	}
	return false;
}

static struct key call_key(uint64_t id)
{
	return key_u64(key_of(), id);
}

/* Stamps after the grant are stored as distances from it: they are small. 0 stays "never". */
static void pack_after(struct buf *b, int64_t from_us, int64_t at_us)
{
	pack_var(b, at_us == 0 ? 0 : (uint64_t)(at_us - from_us) + 1);
}

static int64_t unpack_after(struct unpack *u, int64_t from_us)
{
	uint64_t v = unpack_var(u);

	return v == 0 ? 0 : from_us + (int64_t)(v - 1);
}

static struct buf *call_encode(struct txn *t, const struct call_row *c)
{
	struct buf *b = txn_buf(t);
	struct call_part p;

	pack_u8(b, (uint8_t)c->state);
	pack_u8(b, c->outcome);
	pack_u16(b, c->service);
	pack_u16(b, c->endpoint);
	pack_u16(b, c->key);
	pack_u32(b, c->boot);
	pack_i64(b, c->granted_us);
	pack_i64(b, c->granted_wall_us);
	pack_after(b, c->granted_us, c->sent_us);
	pack_after(b, c->granted_us, c->late_us);
	pack_after(b, c->granted_us, c->end_us);
	pack_u16(b, c->http_status);
	pack_text(b, c->reason);
	pack_var(b, c->n_parts);
	for (struct part_walk w = call_parts(c); part_next(&w, &p);) {
		pack_u32(b, p.run);
		pack_u32(b, p.number);
		pack_u8(b, p.stage);
		pack_u8(b, p.step);
		pack_var(b, (uint64_t)p.reserved_micro);
		pack_var(b, (uint64_t)p.settled_micro);
	}
	pack_u64(b, c->hash);
	pack_var(b, c->prompt);
	pack_u8(b, (uint8_t)c->kind);
	for (struct part_walk w = call_parts(c); c->kind == CALL_BATCH && part_next(&w, &p);) {
		pack_u64(b, p.hash);
	}
	pack_var(b, c->polls);
	return b;
}

static void unpack_part(struct unpack *u, struct call_part *p)
{
	p->run = unpack_u32(u);
	p->number = unpack_u32(u);
	p->stage = unpack_u8(u);
	p->step = unpack_u8(u);
	p->reserved_micro = (int64_t)unpack_var(u);
	p->settled_micro = (int64_t)unpack_var(u);
	p->hash = 0;
}

bool call_decode(struct slice key, struct slice value, struct call_row *ret)
{
	struct unpack u = unpack_of(value);
	struct call_part skipped;

	memset(ret, 0, sizeof(*ret));
	ret->id = key_get_u64(key.data);
	ret->state = unpack_u8(&u);
	ret->outcome = unpack_u8(&u);
	ret->service = unpack_u16(&u);
	ret->endpoint = unpack_u16(&u);
	ret->key = unpack_u16(&u);
	ret->boot = unpack_u32(&u);
	ret->granted_us = unpack_i64(&u);
	ret->granted_wall_us = unpack_i64(&u);
	ret->sent_us = unpack_after(&u, ret->granted_us);
	ret->late_us = unpack_after(&u, ret->granted_us);
	ret->end_us = unpack_after(&u, ret->granted_us);
	ret->http_status = unpack_u16(&u);
	unpack_text(&u, ret->reason, sizeof(ret->reason));
	ret->n_parts = (size_t)unpack_var(&u);
	unpack_part(&u, &ret->parts[0]);
	ret->packed.data = u.at;
	for (size_t i = 1; i < ret->n_parts && i < CALL_PARTS; i++) {
		unpack_part(&u, &skipped);
	}
	ret->packed = ret->n_parts > 1 ? (struct slice){ret->packed.data, (size_t)(u.at - ret->packed.data)} : (struct slice){0};
	ret->hash = u.at < u.end ? unpack_u64(&u) : 0;
	ret->prompt = u.at < u.end ? (uint16_t)unpack_var(&u) : 0;
	ret->kind = u.at < u.end ? unpack_u8(&u) : CALL_SINGLE;
	if (ret->kind == CALL_BATCH) {
		ret->packed_hashes = (struct slice){u.at, 8 * ret->n_parts};
		ret->parts[0].hash = unpack_u64(&u);
		for (size_t i = 1; i < ret->n_parts && i < CALL_PARTS; i++) {
			(void)unpack_u64(&u);
		}
	}
	ret->polls = u.at < u.end ? unpack_var(&u) : 0;
	return !u.bad && ret->state < CALL_STATES && ret->n_parts >= 1 && ret->n_parts <= CALL_PARTS;
}

/* --- parts --- */

struct part_walk call_parts(const struct call_row *c)
{
	return (struct part_walk){.row = c, .at = c->packed.data};
}

bool part_next(struct part_walk *w, struct call_part *ret)
{
	const struct call_row *c = w->row;
	size_t i = w->i++;

	if (i >= c->n_parts) {
		return false;
	}
	if (i == 0) {
		*ret = c->parts[0];
	} else if (c->more != NULL) {
		*ret = c->more[i - 1];
	} else {
		struct unpack u = {.at = w->at, .end = c->packed.data + c->packed.len};

		unpack_part(&u, ret);
		w->at = u.at;
		if (c->packed_hashes.len > 0) {
			struct unpack h = {.at = c->packed_hashes.data + 8 * i, .end = c->packed_hashes.data + c->packed_hashes.len};

			ret->hash = unpack_u64(&h);
		}
	}
	return true;
}

bool call_has(const struct call_row *c, uint32_t run, uint32_t number, struct call_part *ret)
{
	struct call_part p;

	for (struct part_walk w = call_parts(c); part_next(&w, &p);) {
		if (p.run == run && (number == 0 || p.number == number)) {
			if (ret != NULL) {
				*ret = p;
			}
			return true;
		}
	}
	return false;
}

int64_t call_reserved(const struct call_row *c)
{
	struct call_part p;
	int64_t sum = 0;

	for (struct part_walk w = call_parts(c); part_next(&w, &p);) {
		sum += p.reserved_micro;
	}
	return sum;
}

int64_t call_settled(const struct call_row *c)
{
	struct call_part p;
	int64_t sum = 0;

	for (struct part_walk w = call_parts(c); part_next(&w, &p);) {
		sum += p.settled_micro;
	}
	return sum;
}

bool call_unpack(struct call_row *c)
{
	struct part_walk w = call_parts(c);
	struct call_part first, *more;

	if (c->n_parts <= 1 || c->more != NULL) {
		return true;
	}
	more = calloc(c->n_parts - 1, sizeof(*more));
	if (more == NULL) {
		return false;
	}
	(void)part_next(&w, &first);
	for (size_t i = 0; part_next(&w, &more[i]); i++) {
	}
	c->more = more;
	return true;
}

void call_open(struct txn *t, const struct call_row *c)
{
	struct buf *b = call_encode(t, c);

	txn_append(t, TABLE_CALL, call_key(c->id), b->data, b->len);
	txn_append(t, TABLE_OPEN, call_key(c->id), "", 0);
}

void call_rewrite(struct txn *t, const struct call_row *c)
{
	struct buf *b = call_encode(t, c);

	txn_put(t, TABLE_CALL, call_key(c->id), b->data, b->len);
}

void call_close(struct txn *t, const struct call_row *c)
{
	struct buf *b = call_encode(t, c);

	txn_put(t, TABLE_CALL, call_key(c->id), b->data, b->len);
	txn_delete(t, TABLE_OPEN, call_key(c->id));
}

bool call_read(struct txn *t, uint64_t id, struct call_row *ret)
{
	struct key k = call_key(id);
	struct slice value;

	return txn_get(t, TABLE_CALL, k, &value) && call_decode((struct slice){k.bytes, k.len}, value, ret);
}
