/* See runs.h. */
#include "lib/store/runs.h"

#include "lib/base/ids.h"
#include "lib/store/pack.h"

#include <string.h>

#define OUTCOMES_FIRST 9 /* those that runs began with: the ones that came since stand at the end, behind their number */

static const char *const state_words[RUN_STATES] = {"running", "paused", "done", "cancelled", "failed"};

const char *run_state_word(enum run_state s)
{
	return state_words[s];
}

static void pack_count(struct buf *b, const struct stage_count *c)
{
	pack_var(b, c->waiting);
	pack_var(b, c->retrying);
	pack_var(b, c->held);
	pack_var(b, c->ok);
	pack_var(b, c->empty);
	pack_var(b, c->rejected);
	pack_var(b, c->failed);
	pack_var(b, c->calls);
	pack_var(b, (uint64_t)c->settled_micro);
}

static void unpack_count(struct unpack *u, struct stage_count *c)
{
	c->waiting = unpack_var(u);
	c->retrying = unpack_var(u);
	c->held = unpack_var(u);
	c->ok = unpack_var(u);
	c->empty = unpack_var(u);
	c->rejected = unpack_var(u);
	c->failed = unpack_var(u);
	c->calls = unpack_var(u);
	c->settled_micro = (int64_t)unpack_var(u);
}

static void pack_prompts(struct buf *b, const struct run_row *r)
{
	pack_var(b, r->n_prompts);
	for (size_t i = 0; i < r->n_prompts; i++) {
		pack_u8(b, r->prompts[i].stage);
		pack_u16(b, r->prompts[i].prompt);
		pack_var(b, r->prompts[i].written);
		pack_var(b, r->prompts[i].passed);
	}
}

/* Older rows end before it. */
static void unpack_prompts(struct unpack *u, struct run_row *ret)
{
	ret->n_prompts = u->at < u->end ? (size_t)unpack_var(u) : 0;
	if (ret->n_prompts > RUN_PROMPTS) {
		ret->n_prompts = 0;
		u->bad = true;
	}
	for (size_t i = 0; i < ret->n_prompts; i++) {
		ret->prompts[i].stage = unpack_u8(u);
		ret->prompts[i].prompt = unpack_u16(u);
		ret->prompts[i].written = unpack_var(u);
		ret->prompts[i].passed = unpack_var(u);
	}
}

/* What waits for a person, and what went on unchanged. */
static void pack_approval(struct buf *b, const struct run_row *r)
{
	pack_u32(b, r->approved);
	pack_u8(b, r->preview);
	pack_u32(b, r->sample);
	pack_u32(b, r->sampled);
	pack_u32(b, r->sample_last);
	for (size_t i = 0; i < r->n_stages; i++) {
		pack_var(b, r->stages[i].count.unchanged);
	}
}

static void unpack_approval(struct unpack *u, struct run_row *ret)
{
	if (u->at >= u->end) {
		return;
	}
	ret->approved = unpack_u32(u);
	ret->preview = unpack_u8(u) != 0;
	ret->sample = unpack_u32(u);
	ret->sampled = unpack_u32(u);
	ret->sample_last = unpack_u32(u);
	for (size_t i = 0; i < ret->n_stages; i++) {
		ret->stages[i].count.unchanged = unpack_var(u);
	}
}

static void pack_sharing(struct buf *b, const struct run_row *r)
{
	for (size_t i = 0; i < r->n_stages; i++) {
		pack_var(b, r->stages[i].count.cached);
		pack_var(b, r->stages[i].count.shared);
	}
}

static void unpack_sharing(struct unpack *u, struct run_row *ret)
{
	for (size_t i = 0, n = u->at < u->end ? ret->n_stages : 0; i < n; i++) {
		ret->stages[i].count.cached = unpack_var(u);
		ret->stages[i].count.shared = unpack_var(u);
	}
}

/* Most runs are of a file: one byte. */
static void pack_intake(struct buf *b, const struct run_row *r)
{
	pack_u8(b, r->intake[0] != 0);
	if (r->intake[0] != 0) {
		pack_text(b, r->intake);
		pack_text(b, r->outside);
		pack_u8(b, r->open);
		pack_i64(b, r->open_us);
	}
}

static void unpack_intake(struct unpack *u, struct run_row *ret)
{
	if (u->at < u->end && unpack_u8(u) != 0) {
		unpack_text(u, ret->intake, sizeof(ret->intake));
		unpack_text(u, ret->outside, sizeof(ret->outside));
		ret->open = unpack_u8(u) != 0;
		ret->open_us = unpack_i64(u);
	}
}

static void pack_passed(struct buf *b, const struct run_row *r)
{
	for (size_t i = 0; i < r->n_stages; i++) {
		pack_var(b, r->stages[i].count.passed);
	}
}

static void unpack_passed(struct unpack *u, struct run_row *ret)
{
	for (size_t i = 0, n = u->at < u->end ? ret->n_stages : 0; i < n; i++) {
		ret->stages[i].count.passed = unpack_var(u);
	}
}

void run_write(struct txn *t, const struct run_row *r)
{
	struct buf *b = txn_buf(t);

	pack_u8(b, (uint8_t)r->state);
	pack_text(b, r->campaign);
	pack_text(b, r->pipeline);
	pack_text(b, r->source);
	pack_i64(b, r->created_us);
	pack_i64(b, r->started_us);
	pack_i64(b, r->ended_us);
	pack_u8(b, r->priority);
	pack_u32(b, r->share);
	pack_i64(b, r->budget_micro);
	pack_var(b, r->max_rows);
	pack_text(b, r->why);
	pack_text(b, r->upload);
	pack_u8(b, r->encoding);
	pack_u8(b, (uint8_t)r->delimiter);
	pack_text(b, r->map);
	pack_u8(b, r->importing);
	pack_u8(b, r->written);
	pack_var(b, r->rows);
	pack_var(b, r->bytes);
	pack_var(b, r->bytes_total);
	pack_bytes(b, r->columns.data, r->columns.len);
	for (int i = 0; i < OUTCOMES_FIRST; i++) {
		pack_var(b, r->outcomes[i]);
	}
	pack_var(b, r->n_stages);
	for (size_t i = 0; i < r->n_stages; i++) {
		pack_text(b, r->stages[i].name);
		pack_count(b, &r->stages[i].count);
	}
	pack_i64(b, r->by_us);
	pack_prompts(b, r);
	pack_u8(b, ITEM_OUTCOMES - OUTCOMES_FIRST);
	for (int i = OUTCOMES_FIRST; i < ITEM_OUTCOMES; i++) {
		pack_var(b, r->outcomes[i]);
	}
	pack_var(b, r->recalling);
	pack_u8(b, (uint8_t)r->ends_as);
	pack_approval(b, r);
	pack_var(b, ITEM_OUTCOMES);
	for (int i = 0; i < ITEM_OUTCOMES; i++) {
		pack_var(b, r->companies[i]);
	}
	pack_bytes(b, r->params.data, r->params.len);
	pack_var(b, r->quantity);
	pack_bytes(b, r->company_columns.data, r->company_columns.len);
	pack_u8(b, r->finds);
	pack_u8(b, r->rows_are);
	pack_var(b, r->born);
	pack_var(b, r->source_new);
	pack_var(b, r->source_idle);
	pack_i64(b, r->source_cost_micro);
	pack_sharing(b, r);
	pack_intake(b, r);
	pack_passed(b, r);
	txn_put(t, TABLE_RUN, run_prefix(r->id), b->data, b->len);
}

/* What runs have that find their leads themselves. */
static void unpack_found(struct unpack *u, struct run_row *ret, struct slice *params, struct slice *company_columns)
{
	uint64_t n = unpack_var(u);

	for (uint64_t i = 0; i < n && !u->bad; i++) {
		uint64_t companies = unpack_var(u);

		if (i < ITEM_OUTCOMES) {
			ret->companies[i] = companies;
		}
	}
	*params = unpack_bytes(u);
	ret->quantity = unpack_var(u);
	*company_columns = unpack_bytes(u);
	ret->finds = unpack_u8(u) != 0;
	ret->rows_are = unpack_u8(u);
	ret->born = unpack_var(u);
	ret->source_new = unpack_var(u);
	ret->source_idle = (uint32_t)unpack_var(u);
	ret->source_cost_micro = unpack_i64(u);
}

bool run_decode(struct slice key, struct slice value, struct run_row *ret)
{
	struct unpack u = unpack_of(value);
	struct slice columns, params = {0}, company_columns = {0};

	memset(ret, 0, sizeof(*ret));
	ret->id = key_get_u32(key.data);
	ret->state = unpack_u8(&u);
	unpack_text(&u, ret->campaign, sizeof(ret->campaign));
	unpack_text(&u, ret->pipeline, sizeof(ret->pipeline));
	unpack_text(&u, ret->source, sizeof(ret->source));
	ret->created_us = unpack_i64(&u);
	ret->started_us = unpack_i64(&u);
	ret->ended_us = unpack_i64(&u);
	ret->priority = unpack_u8(&u);
	ret->share = unpack_u32(&u);
	ret->budget_micro = unpack_i64(&u);
	ret->max_rows = unpack_var(&u);
	unpack_text(&u, ret->why, sizeof(ret->why));
	unpack_text(&u, ret->upload, sizeof(ret->upload));
	ret->encoding = unpack_u8(&u);
	ret->delimiter = (char)unpack_u8(&u);
	unpack_text(&u, ret->map, sizeof(ret->map));
	ret->importing = unpack_u8(&u) != 0;
	ret->written = unpack_u8(&u) != 0;
	ret->rows = unpack_var(&u);
	ret->bytes = unpack_var(&u);
	ret->bytes_total = unpack_var(&u);
	columns = unpack_bytes(&u);
	for (int i = 0; i < OUTCOMES_FIRST; i++) {
		ret->outcomes[i] = unpack_var(&u);
	}
	ret->n_stages = (size_t)unpack_var(&u);
	if (ret->n_stages > RUN_STAGES) {
		return false;
	}
	for (size_t i = 0; i < ret->n_stages; i++) {
		unpack_text(&u, ret->stages[i].name, sizeof(ret->stages[i].name));
		unpack_count(&u, &ret->stages[i].count);
	}
	ret->by_us = u.at < u.end ? unpack_i64(&u) : 0;
	unpack_prompts(&u, ret);
	if (u.at < u.end) {
		int more = unpack_u8(&u);

		for (int i = OUTCOMES_FIRST; i < OUTCOMES_FIRST + more; i++) {
			uint64_t n = unpack_var(&u);

			if (i < ITEM_OUTCOMES) {
				ret->outcomes[i] = n;
			}
		}
		ret->recalling = unpack_var(&u);
		ret->ends_as = unpack_u8(&u);
	}
	unpack_approval(&u, ret);
	if (u.at < u.end) {
		unpack_found(&u, ret, &params, &company_columns);
	}
	unpack_sharing(&u, ret);
	unpack_intake(&u, ret);
	unpack_passed(&u, ret);
	if (u.bad || ret->state >= RUN_STATES || ret->ends_as >= RUN_STATES) {
		return false;
	}
	buf_add(&ret->columns, columns.data, columns.len);
	buf_add(&ret->params, params.data, params.len); /* with its NUL, as all buffers */
	buf_add(&ret->company_columns, company_columns.data, company_columns.len);
	return !ret->columns.failed && !ret->params.failed && !ret->company_columns.failed;
}

bool run_read(struct txn *t, uint32_t id, struct run_row *ret)
{
	struct key k = run_prefix(id);
	struct slice value;

	return txn_get(t, TABLE_RUN, k, &value) && run_decode((struct slice){k.bytes, k.len}, value, ret);
}

void run_row_fini(struct run_row *r)
{
	buf_free(&r->columns);
	buf_free(&r->params);
	buf_free(&r->company_columns);
}

uint32_t run_last_id(struct txn *t)
{
	struct slice key, value;

	return txn_last(t, TABLE_RUN, key_of(), &key, &value) ? key_get_u32(key.data) : 0;
}

/* --- uploads --- */

static struct key upload_key(const char *id)
{
	return key_u64(key_of(), hash_plain(id, strlen(id)));
}

bool upload_read(struct txn *t, const char *id, struct upload_row *ret)
{
	struct slice value;
	struct unpack u;

	if (!txn_get(t, TABLE_UPLOAD, upload_key(id), &value)) {
		return false;
	}
	u = unpack_of(value);
	unpack_text(&u, ret->id, sizeof(ret->id));
	unpack_text(&u, ret->name, sizeof(ret->name));
	ret->size = unpack_var(&u);
	ret->created_us = unpack_i64(&u);
	return !u.bad && strcmp(ret->id, id) == 0;
}

void upload_write(struct txn *t, const struct upload_row *u)
{
	struct buf *b = txn_buf(t);

	pack_text(b, u->id);
	pack_text(b, u->name);
	pack_var(b, u->size);
	pack_i64(b, u->created_us);
	txn_put(t, TABLE_UPLOAD, upload_key(u->id), b->data, b->len);
}

/* --- remembered answers --- */

bool idem_read(struct txn *t, uint64_t key_hash, struct idem_row *ret)
{
	struct slice value;
	struct unpack u;

	if (!txn_get(t, TABLE_IDEM, key_u64(key_of(), key_hash), &value)) {
		return false;
	}
	u = unpack_of(value);
	ret->body_hash = unpack_u64(&u);
	ret->run = unpack_u32(&u);
	ret->wall_us = unpack_i64(&u);
	ret->boot = u.at < u.end ? unpack_u32(&u) : UINT32_MAX; /* of none: the wall clock's word counts */
	ret->boot_us = u.at < u.end ? unpack_i64(&u) : 0;
	return !u.bad;
}

void idem_write(struct txn *t, uint64_t key_hash, const struct idem_row *r)
{
	struct buf *b = txn_buf(t);

	pack_u64(b, r->body_hash);
	pack_u32(b, r->run);
	pack_i64(b, r->wall_us);
	pack_u32(b, r->boot);
	pack_i64(b, r->boot_us);
	txn_put(t, TABLE_IDEM, key_u64(key_of(), key_hash), b->data, b->len);
}
