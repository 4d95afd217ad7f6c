/*
 * One call for several items of a slot (lib/service/batch.h): who goes together, and how long they wait for each other.
 *
 *   head of the queue -> its inputs -> the same shared parameters? money, and time, for one more? -> its JSON and keys -> next
 *   -> `items` -> the request -> out, with a part for each
 *
 * All items of a batch are of one run: its budgets are the same for all parts, and so is the order in which they wait. An item
 * whose inputs are missing goes its way without a call, as it would alone.
 */
#include "lib/engine/call/batch.h"

#include "lib/base/ids.h"
#include "lib/engine/call/accounts.h"
#include "lib/engine/call/busy.h"
#include "lib/engine/call/cache.h"
#include "lib/engine/call/call.h"
#include "lib/engine/call/finish.h"
#include "lib/engine/call/grant_parts.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"

#include <stdio.h>

#define LOOK_MOST 2 /* entries of the queue looked at for each place in a batch: the others ask for something else */

size_t batch_size(const struct engine *e, const struct service_call *c)
{
	return c->batch == NULL || e->alone ? 1 : c->batch->size;
}

/* --- waiting for more ------------------------------------------------------ */

/* May an item of the run come to the slot by itself? Those that are held come when a person lets them. */
static bool more_may_come(const struct run *r, const struct slot *s)
{
	int last = r->stage_of[s->stage];
	uint64_t n = 0;

	for (size_t p = 0; r->pipeline != NULL && p < r->pipeline->n_stages; p++) {
		const struct stage *st = &r->pipeline->stages[p];

		last = st->kind == STAGE_CONFIRM && st->repair >= 0 && (int)p > last ? (int)p : last; /* it may send back */
	}
	for (int p = 0; p <= last; p++) {
		const struct stage_count *c = r->run_stage_of[p] >= 0 ? &r->row.stages[r->run_stage_of[p]].count : NULL;

		n += c != NULL ? c->waiting + c->retrying : 0;
	}
	return r->row.importing || r->moving || n > s->queued;
}

int64_t batch_ready_us(const struct engine *e, const struct run *r, const struct slot *s)
{
	size_t size = batch_size(e, s->call);

	if (size <= 1 || s->queued >= size || !more_may_come(r, s)) {
		return e->now.boot_us;
	}
	return s->since_us + s->call->batch->linger_us;
}

/* --- who goes -------------------------------------------------------------- */

struct batch {
	struct engine *e;
	struct run *run;
	struct slot *slot;
	struct call *call;
	struct item *items;
	uint64_t *hashes;
	struct params first;  /* of the first item: those shared count */
	struct buf json;      /* the list, open at its end */
	size_t n, most;
	bool moved;           /* somebody left the queue without a call */
};

struct heads {
	uint32_t *numbers;
	size_t n, most;
};

static bool on_head(void *arg, struct slice key, struct slice value)
{
	struct heads *h = arg;

	(void)value;
	h->numbers[h->n++] = key_get_u32(key.data + key.len - 4);
	return h->n < h->most;
}

/* Parameters that stand outside the list must be the same. */
static bool same_shared(const struct service_batch *b, const struct params *x, const struct params *y)
{
	for (size_t i = 0; b->shared[i] != NULL; i++) {
		struct value v = params_field(x, b->shared[i], strlen(b->shared[i])), w = params_field(y, b->shared[i], strlen(b->shared[i]));

		if (!value_equal(&v, &w)) {
			return false;
		}
	}
	return true;
}

static int64_t price_of(const struct service_batch *b, size_t n)
{
	return b->fixed_micro + (int64_t)n * b->item_micro;
}

/* The gate was asked for one; is there room for as many? */
static bool affordable(const struct batch *b, size_t n)
{
	struct engine *e = b->e;
	struct account *a;
	int64_t limit;

	return n <= 1 || (accounts_earliest(e, b->run, b->slot->lane, price_of(b->slot->call->batch, n), &a, &limit) <= e->now.boot_us &&
			     (!b->slot->starts || finish_allows(e, b->run, b->slot, n)));
}

/* Of what is asked of the service for this item, however it is put together with others. */
static uint64_t hash_item(const struct batch *b, const struct params *p, const char *json, size_t len)
{
	const struct service_batch *sb = b->slot->call->batch;
	struct buf all = {0};
	uint64_t hash;

	buf_printf(&all, "%u.%u", b->slot->lane->number, b->slot->lane->endpoints[b->slot->call->index]);
	for (size_t i = 0; sb->shared[i] != NULL; i++) {
		struct value v = params_field(p, sb->shared[i], strlen(sb->shared[i]));

		value_write_json(&all, &v);
		buf_add_char(&all, ',');
	}
	buf_add(&all, json, len);
	hash = all.failed ? 0 : hash_keyed(b->e->hash_key, all.data, all.len);
	buf_free(&all);
	return hash;
}

/* Those of the same company that go with it are under way with it. */
static bool parent_has_room(const struct batch *b, const struct item *i)
{
	const struct stage *st = run_stage(b->run, b->slot->stage);
	uint32_t with = 0;

	for (size_t k = 0; st->at_once_parent > 0 && k < b->n; k++) {
		with += b->items[k].parent == i->parent;
	}
	return busy_has_room(b->run, st, b->slot->stage, i->parent, with);
}

/* Takes the item in; false: it was refused, or stays where it is. */
static bool take(struct batch *b, struct item *i)
{
	struct call *c = b->call;
	struct refusal why;
	struct params p;
	struct lead_error err;
	size_t before = b->json.len;

	if (!parent_has_room(b, i)) {
		return false;
	}
	if (grant_too_dear(b->e, b->run, b->slot, i)) {
		b->moved = true;
		return false;
	}
	if (!grant_inputs(b->e, b->run, b->slot, i, &p, &why)) {
		grant_refuse(b->e, b->run, i, &why);
		b->moved = true;
		return false;
	}
	if (b->n > 0 && i->phase == PHASE_LOOKUP && i->prompt != b->items[0].prompt) {
		return false;
	}
	if (b->n > 0 && !b->e->blind && !same_shared(b->slot->call->batch, &p, &b->first)) {
		return false;
	}
	if (!b->e->blind) {
		struct expr_source source = params_source(&p);

		buf_add_text(&b->json, b->n > 0 ? "," : "[");
		if (batch_item(c->def, c->call, &source, &c->arena, &b->json, &c->keys[b->n], &err) != 0) {
			b->json.len = before;
			(void)snprintf(why.reason, sizeof(why.reason), "bad-input");
			why.listed = false;
			grant_refuse(b->e, b->run, i, &why);
			b->moved = true;
			return false;
		}
		b->hashes[b->n] = hash_item(b, &p, b->json.data + before + 1, b->json.len - before - 1);
		if (cache_take(b->e, b->run, b->slot, i, b->hashes[b->n])) {
			b->json.len = before;
			b->moved = true;
			return false;
		}
	}
	if (b->n == 0) {
		b->first = p;
	}
	c->members[b->n].tally = grant_tally(b->slot, i);
	b->items[b->n++] = *i;
	return true;
}

static bool collect(struct batch *b)
{
	struct heads h = {.most = b->most * LOOK_MOST};
	struct key prefix = key_u8(key_u32(key_u16(key_of(), b->slot->lane->number), b->run->id), b->slot->rank);

	h.numbers = arena_alloc(&b->e->arena, h.most * sizeof(*h.numbers));
	if (h.numbers == NULL) {
		return false;
	}
	txn_walk(b->e->txn, TABLE_READY, prefix, prefix, on_head, &h);
	if (h.n == 0) {
		b->slot->queued = 0; /* the store is right: nothing waits here */
	}
	for (size_t k = 0; k < h.n && b->n < b->most && affordable(b, b->n + 1); k++) {
		struct item i;

		if (item_read(b->e->txn, b->run->id, h.numbers[k], &i)) {
			(void)take(b, &i);
		}
	}
	return true;
}

/* --- the call -------------------------------------------------------------- */

static bool open_batch(struct batch *b)
{
	struct call *c = b->call;
	size_t n = b->most;

	b->items = arena_alloc(&b->e->arena, n * sizeof(*b->items));
	b->hashes = arena_zalloc(&b->e->arena, n * sizeof(*b->hashes));
	c->members = arena_zalloc(&c->arena, n * sizeof(*c->members));
	c->keys = arena_zalloc(&c->arena, n * sizeof(*c->keys));
	return b->items != NULL && b->hashes != NULL && c->members != NULL && c->keys != NULL;
}

static bool fill_parts(struct batch *b)
{
	struct call_row *row = &b->call->row;

	row->kind = CALL_BATCH;
	row->n_parts = b->n;
	row->more = b->n > 1 ? calloc(b->n - 1, sizeof(*row->more)) : NULL;
	if (b->n > 1 && row->more == NULL) {
		return false;
	}
	for (size_t k = 0; k < b->n; k++) {
		const struct item *i = &b->items[k];

		*(k == 0 ? &row->parts[0] : &row->more[k - 1]) = (struct call_part){.run = i->run,
		    .number = i->number,
		    .stage = i->stage,
		    .step = i->step,
		    .reserved_micro = batch_ceiling(b->slot->call->batch, b->n, k),
		    .hash = b->hashes[k]};
	}
	return true;
}

/* The same for every repeat with the same items at the same point of their ways. */
static const char *idempotency_key(struct batch *b)
{
	struct buf all = {0};
	const char *key = NULL;

	for (size_t k = 0; k < b->n; k++) {
		const struct item *i = &b->items[k];

		buf_printf(&all, "%u-%u-%u-%u-%u", i->run, i->number, i->stage, i->step, (unsigned)i->gate_tries + 16u * i->repairs + 4096u * i->pushings);
		buf_add_text(&all, i->phase == PHASE_RECALL ? "-recall," : ",");
	}
	buf_printf(&all, "%u", b->call->row.prompt);
	if (!all.failed) {
		key = arena_printf(&b->e->arena, "%016llx-%016llx", (unsigned long long)hash_plain(b->e->hash_key, sizeof(b->e->hash_key)),
		    (unsigned long long)hash_plain(all.data, all.len));
	}
	buf_free(&all);
	return key;
}

static bool render(struct batch *b)
{
	const char *key;
	struct lead_error err;
	struct value list;

	if (b->e->blind) {
		return true;
	}
	if (grant_prompt(b->e, b->run, b->slot, &b->items[0], b->call) != 0) {
		return false;
	}
	key = idempotency_key(b);
	buf_add_char(&b->json, ']');
	if (b->json.failed || key == NULL) {
		return false;
	}
	list = value_string(b->json.data, b->json.len);
	list.kind = VALUE_JSON;
	b->first.list[b->first.n++] = (struct fact_field){.name = "items", .name_len = 5, .value = list};
	return grant_render(b->e, b->call, &b->first, key, &err) == 0;
}

/* The request cannot be made, for what they share: each goes its way, as it would alone. */
static void refuse_all(struct batch *b)
{
	struct refusal why = {.reason = "bad-input"};

	for (size_t k = 0; k < b->n; k++) {
		grant_refuse(b->e, b->run, &b->items[k], &why);
	}
}

int batch_grant(struct engine *e, struct run *r, struct slot *s, const struct verdict *v)
{
	struct batch b = {.e = e, .run = r, .slot = s, .call = grant_new(e, s, v), .most = batch_size(e, s->call)};
	const struct stage *st = run_stage(r, s->stage);
	int granted = 0;

	if (st->at_once > 0 && b.most > st->at_once - r->in_flight[s->stage]) {
		b.most = st->at_once - r->in_flight[s->stage]; /* at least one: the gate was asked */
	}
	if (b.call == NULL || !open_batch(&b) || !collect(&b)) {
		s->blocked = true;
	} else if (b.n > 0 && !render(&b)) {
		refuse_all(&b);
	} else if (b.n > 0 && fill_parts(&b)) {
		b.call->tally = b.call->members[0].tally;
		if (grant_out(e, r, s, b.call, b.items)) {
			granted = (int)b.n;
			s->since_us = s->newest_us; /* those left behind came no later */
		}
		b.call = NULL;
	}
	if (b.n == 0 && !b.moved) {
		s->blocked = true; /* nobody may go now */
	}
	if (b.call != NULL) {
		engine_call_free(e, b.call);
	}
	buf_free(&b.json);
	return granted;
}
