/* See jobs.h. */
#include "lib/store/jobs.h"

#include "lib/store/pack.h"

#include <ctype.h>
#include <string.h>

enum { ROW_JOB, ROW_TOKEN, ROW_BODY };

static const char *const words[JOB_STATES] = {"submitted", "open", "in-doubt", "ended"};

const char *job_state_word(enum job_state s)
{
	return words[s];
}

static struct key row_key(uint8_t kind, uint64_t call)
{
	return key_u64(key_u8(key_of(), kind), call);
}

static struct key token_key(const uint8_t token[JOB_TOKEN])
{
	struct key k = key_u8(key_of(), ROW_TOKEN);

	memcpy(k.bytes + k.len, token, JOB_TOKEN);
	k.len += JOB_TOKEN;
	return k;
}

bool job_decode(struct slice key, struct slice value, struct job_row *ret)
{
	struct unpack u = unpack_of(value);
	struct slice token;

	memset(ret, 0, sizeof(*ret));
	if (key.len != 9 || key.data[0] != ROW_JOB) {
		return false;
	}
	ret->call = key_get_u64(key.data + 1);
	ret->state = unpack_u8(&u);
	token = unpack_bytes(&u);
	ret->has_token = token.len == JOB_TOKEN;
	if (ret->has_token) {
		memcpy(ret->token, token.data, JOB_TOKEN);
	}
	unpack_text(&u, ret->id, sizeof(ret->id));
	ret->boot = unpack_u32(&u);
	ret->since_us = unpack_i64(&u);
	ret->since_wall_us = unpack_i64(&u);
	ret->until_us = unpack_i64(&u);
	ret->due_us = unpack_i64(&u);
	ret->price_micro = (int64_t)unpack_var(&u);
	ret->polls = unpack_u32(&u);
	ret->failures = unpack_u8(&u);
	ret->callbacks = unpack_u32(&u);
	ret->idle_callbacks = unpack_u32(&u);
	ret->called = unpack_u8(&u) != 0;
	unpack_text(&u, ret->reason, sizeof(ret->reason));
	return !u.bad && ret->state < JOB_STATES;
}

bool job_read(struct txn *t, uint64_t call, struct job_row *ret)
{
	struct key k = row_key(ROW_JOB, call);
	struct slice value;

	return txn_get(t, TABLE_JOB, k, &value) && job_decode((struct slice){k.bytes, k.len}, value, ret);
}

void job_write(struct txn *t, const struct job_row *r)
{
	struct buf *b = txn_buf(t);

	pack_u8(b, (uint8_t)r->state);
	pack_bytes(b, r->token, r->has_token ? JOB_TOKEN : 0);
	pack_text(b, r->id);
	pack_u32(b, r->boot);
	pack_i64(b, r->since_us);
	pack_i64(b, r->since_wall_us);
	pack_i64(b, r->until_us);
	pack_i64(b, r->due_us);
	pack_var(b, (uint64_t)r->price_micro);
	pack_u32(b, r->polls);
	pack_u8(b, r->failures);
	pack_u32(b, r->callbacks);
	pack_u32(b, r->idle_callbacks);
	pack_u8(b, r->called);
	pack_text(b, r->reason);
	txn_put(t, TABLE_JOB, row_key(ROW_JOB, r->call), b->data, b->len);
}

bool job_token_decode(struct slice key, struct slice value, uint64_t *ret_call)
{
	struct unpack u = unpack_of(value);

	if (key.len != 1 + JOB_TOKEN || key.data[0] != ROW_TOKEN) {
		return false;
	}
	*ret_call = unpack_u64(&u);
	return !u.bad;
}

bool job_token_read(struct txn *t, const uint8_t token[JOB_TOKEN], uint64_t *ret_call)
{
	struct key k = token_key(token);
	struct slice value;

	return txn_get(t, TABLE_JOB, k, &value) && job_token_decode((struct slice){k.bytes, k.len}, value, ret_call);
}

void job_token_write(struct txn *t, const uint8_t token[JOB_TOKEN], uint64_t call)
{
	struct buf *b = txn_buf(t);

	pack_u64(b, call);
	txn_put(t, TABLE_JOB, token_key(token), b->data, b->len);
}

void job_token_text(const uint8_t token[JOB_TOKEN], char out[JOB_TOKEN_TEXT])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < JOB_TOKEN; i++) {
		out[2 * i] = digits[token[i] >> 4];
		out[2 * i + 1] = digits[token[i] & 15];
	}
	out[2 * (size_t)JOB_TOKEN] = 0;
}

static int digit(char c)
{
	return !isxdigit((unsigned char)c) ? -1 : isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

bool job_token_parse(const char *text, uint8_t ret[JOB_TOKEN])
{
	if (text == NULL || strlen(text) != 2 * JOB_TOKEN) {
		return false;
	}
	for (size_t i = 0; i < JOB_TOKEN; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0) {
			return false;
		}
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool job_body_decode(struct slice key, uint64_t *ret_call)
{
	if (key.len != 9 || key.data[0] != ROW_BODY) {
		return false;
	}
	*ret_call = key_get_u64(key.data + 1);
	return true;
}

bool job_body_read(struct txn *t, uint64_t call, struct slice *ret)
{
	struct slice value;
	struct unpack u;

	if (!txn_get(t, TABLE_JOB, row_key(ROW_BODY, call), &value)) {
		return false;
	}
	u = unpack_of(value);
	*ret = unpack_bytes(&u);
	return !u.bad;
}

void job_body_write(struct txn *t, uint64_t call, struct slice body)
{
	struct buf *b = txn_buf(t);

	pack_bytes(b, body.data, body.len);
	txn_put(t, TABLE_JOB, row_key(ROW_BODY, call), b->data, b->len);
}

void job_body_delete(struct txn *t, uint64_t call)
{
	txn_delete(t, TABLE_JOB, row_key(ROW_BODY, call));
}

/* --- expiry --- */

struct expiring {
	struct job_row list[200];
	unsigned n, most;
	uint64_t before;
	bool (*is_old)(void *arg, const struct job_row *r);
	void *arg;
};

static bool on_old(void *arg, struct slice key, struct slice value)
{
	struct expiring *x = arg;
	struct job_row *r = &x->list[x->n];

	if (!job_decode(key, value, r)) {
		return true;
	}
	if (r->call >= x->before) {
		return false;
	}
	x->n += r->state == JOB_ENDED && x->is_old(x->arg, r) ? 1 : 0;
	return x->n < x->most;
}

unsigned jobs_expire(struct txn *t, uint64_t before, bool (*is_old)(void *arg, const struct job_row *r), void *arg, unsigned most)
{
	struct expiring x = {.before = before, .is_old = is_old, .arg = arg, .most = most < 200 ? most : 200};
	struct key from = key_u8(key_of(), ROW_JOB);

	txn_walk(t, TABLE_JOB, from, from, on_old, &x);
	for (unsigned i = 0; i < x.n; i++) {
		if (x.list[i].has_token) {
			txn_delete(t, TABLE_JOB, token_key(x.list[i].token));
		}
		txn_delete(t, TABLE_JOB, row_key(ROW_JOB, x.list[i].call));
	}
	return x.n;
}
