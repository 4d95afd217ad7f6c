/*
 * Start and restart: memory is filled from rows. Windows come from the ledger's tail, queue lengths from `ready`,
 * open calls become outcomes in doubt that the first turn settles. The same reading serves after a failed commit,
 * when memory is thrown away (calls in flight and flow state excepted: those did not fail).
 */

#include "lib/engine/load.h"

#include "lib/base/ids.h"
#include "lib/engine/accounts.h"
#include "lib/engine/answers.h"
#include "lib/engine/busy.h"
#include "lib/engine/call.h"
#include "lib/engine/inbox.h"
#include "lib/engine/job.h"
#include "lib/engine/lane.h"
#include "lib/engine/notify.h"
#include "lib/engine/override.h"
#include "lib/engine/run.h"
#include "lib/engine/source.h"
#include "lib/engine/state.h"
#include "lib/engine/verify.h"
#include "lib/store/names.h"
#include "lib/store/pack.h"

#define CLOCK_KEY 'c'
#define TAIL_SLACK_US (3600 * US_PER_S)

struct clocks {
	uint32_t boot;
	char boot_id[64];
	int64_t boot_us, wall_us;
};

static bool clocks_read(struct engine *e, struct clocks *ret)
{
	struct slice value;
	struct unpack u;

	if (!txn_get(e->txn, TABLE_META, key_u8(key_of(), CLOCK_KEY), &value)) {
		return false;
	}
	u = unpack_of(value);
	ret->boot = unpack_u32(&u);
	unpack_text(&u, ret->boot_id, sizeof(ret->boot_id));
	ret->boot_us = unpack_i64(&u);
	ret->wall_us = unpack_i64(&u);
	e->turn = unpack_u64(&u);
	e->n_boot_shifts = u.at < u.end ? unpack_u8(&u) : 0;
	e->n_boot_shifts = e->n_boot_shifts < BOOTS_KNOWN ? e->n_boot_shifts : BOOTS_KNOWN;
	for (uint8_t i = 0; i < e->n_boot_shifts; i++) {
		e->boot_shift_us[i] = unpack_i64(&u);
	}
	return !u.bad;
}

void engine_boot_id(struct txn *t, char out[64])
{
	struct slice value;
	struct unpack u;

	if (txn_get(t, TABLE_META, key_u8(key_of(), CLOCK_KEY), &value)) {
		u = unpack_of(value);
		(void)unpack_u32(&u);
		unpack_text(&u, out, 64);
	}
}

void engine_write_clocks(struct engine *e)
{
	struct buf *b = txn_buf(e->txn);

	pack_u32(b, e->boot);
	pack_text(b, e->boot_id);
	pack_i64(b, e->now.boot_us);
	pack_i64(b, e->now.wall_us);
	pack_u64(b, e->turn);
	pack_u8(b, e->n_boot_shifts);
	for (uint8_t i = 0; i < e->n_boot_shifts; i++) {
		pack_i64(b, e->boot_shift_us[i]);
	}
	txn_put(e->txn, TABLE_META, key_u8(key_of(), CLOCK_KEY), b->data, b->len);
}

/* A key of this store's own for hashes of personal data, made at its first start. */
static void load_hash_key(struct engine *e)
{
	struct key k = key_u8(key_of(), HASH_KEY);
	struct slice value;

	if (txn_get(e->txn, TABLE_META, k, &value) && value.len == sizeof(e->hash_key)) {
		memcpy(e->hash_key, value.data, sizeof(e->hash_key));
		return;
	}
	for (size_t i = 0; i < sizeof(e->hash_key); i += 8) {
		uint64_t word = dice_roll(&e->dice);

		memcpy(e->hash_key + i, &word, sizeof(word));
	}
	txn_put(e->txn, TABLE_META, k, e->hash_key, sizeof(e->hash_key));
}

/* --- the ledger's tail --- */

struct tail {
	struct engine *e;
	int64_t oldest_us; /* age */
	bool failed;
};

int64_t engine_age_us(const struct engine *e, uint32_t boot, int64_t stamp_us, int64_t wall_us)
{
	uint32_t back = e->boot - boot;

	if (back == 0) {
		return e->now.boot_us - stamp_us;
	}
	if (back <= e->n_boot_shifts) {
		return e->now.boot_us - (stamp_us + e->boot_shift_us[back - 1]);
	}
	return e->now.wall_us > wall_us ? e->now.wall_us - wall_us : 0;
}

static int64_t age_us(const struct engine *e, const struct call_row *c, int64_t stamp_us)
{
	return engine_age_us(e, c->boot, stamp_us, c->granted_wall_us + (stamp_us - c->granted_us));
}

/* The machine has started anew: how long it was away only the wall clock can say, and this once. */
static void next_boot(struct engine *e, const struct clocks *old)
{
	int64_t away_us = e->now.wall_us > old->wall_us ? e->now.wall_us - old->wall_us : 0;
	int64_t shift_us = e->now.boot_us - away_us - old->boot_us;

	for (uint8_t i = BOOTS_KNOWN - 1; i > 0; i--) {
		e->boot_shift_us[i] = e->boot_shift_us[i - 1] + shift_us;
	}
	e->boot_shift_us[0] = shift_us;
	e->n_boot_shifts += e->n_boot_shifts < BOOTS_KNOWN ? 1 : 0;
}

static int key_index(const struct lane *l, uint16_t number)
{
	for (size_t k = 0; k < l->def->n_keys; k++) {
		if (l->keys[k].number == number) {
			return (int)k;
		}
	}
	return 0;
}

static int call_index(const struct lane *l, uint16_t number)
{
	for (size_t c = 0; c < l->def->n_calls; c++) {
		if (l->endpoints[c] == number) {
			return (int)c;
		}
	}
	return -1;
}

static bool is_fresh(const struct lane *l, const struct limit *limit)
{
	for (size_t i = 0; i < l->n_fresh; i++) {
		if (l->fresh[i] == limit) {
			return true;
		}
	}
	return false;
}

static bool restore_row(struct tail *t, const struct call_row *c)
{
	struct engine *e = t->e;
	struct lane *l = lane_by_number(e, c->service);
	struct limit *limits[CALL_LIMITS];
	size_t index[CALL_LIMITS], n;
	int call, key;
	int64_t late_us, late_wall_us;

	if (l == NULL || l->def == NULL || l->n_fresh == 0 || (call = call_index(l, c->endpoint)) < 0 || (c->state != CALL_RESERVED && c->sent_us == 0)) {
		return true;
	}
	key = key_index(l, c->key);
	if (c->state == CALL_RESERVED) {
		late_us = e->now.boot_us + l->def->margin_us; /* possibly on its way still */
		late_wall_us = e->now.wall_us + l->def->margin_us;
	} else {
		late_us = e->now.boot_us - age_us(e, c, c->late_us != 0 ? c->late_us : c->sent_us + l->def->margin_us);
		late_wall_us = e->now.wall_us - (e->now.boot_us - late_us);
	}
	n = lane_limits(l, l->def->keys[key].group_index, (size_t)call, limits, index);
	for (size_t i = 0; i < n; i++) {
		if (is_fresh(l, limits[i]) && limit_restore(limits[i], 1, late_us, late_wall_us, e->now) != 0) {
			t->failed = true;
		}
	}
	return !t->failed;
}

static bool on_tail(void *arg, struct slice key, struct slice value)
{
	struct tail *t = arg;
	struct call_row c;

	if (!call_decode(key, value, &c)) {
		return true;
	}
	if (age_us(t->e, &c, c.granted_us) > t->oldest_us) {
		return false;
	}
	return restore_row(t, &c);
}

/* As far back as a limit that has to be filled looks: a reload that brings a service of short windows reads little. */
static int64_t horizon(struct engine *e)
{
	int64_t longest = 0;

	for (size_t i = 0; i < e->n_lanes; i++) {
		const struct service *s = e->lanes[i]->n_fresh > 0 ? e->lanes[i]->def : NULL;

		for (size_t k = 0; s != NULL && k < s->n_limits; k++) {
			int64_t h = limit_horizon(s->limits[k].windows, s->limits[k].n_windows, e->now);

			longest = h > longest ? h : longest;
		}
	}
	return longest;
}

int load_windows(struct engine *e, struct lead_error *err)
{
	struct tail t = {.e = e, .oldest_us = horizon(e) + TAIL_SLACK_US};
	struct key last = key_u64(key_of(), UINT64_MAX);

	txn_walk_back(e->txn, TABLE_CALL, last, key_of(), on_tail, &t);
	for (size_t i = 0; i < e->n_lanes; i++) {
		e->lanes[i]->n_fresh = 0;
	}
	return t.failed ? lead_fail(err, LEAD_ENOMEM, "out of memory") : 0;
}

/* --- rows --- */

struct loading {
	struct engine *e;
	bool failed;
};

static bool on_run(void *arg, struct slice key, struct slice value)
{
	struct loading *l = arg;
	struct run_row row;

	if (!run_decode(key, value, &row)) {
		return true;
	}
	l->failed = l->failed || run_add(l->e, &row) == NULL;
	return !l->failed;
}

static bool on_ready(void *arg, struct slice key, struct slice value)
{
	struct loading *l = arg;
	struct run *r = run_get(l->e, key_get_u32(key.data + 2));
	struct slot *s = r != NULL ? run_slot(r, key.data[6]) : NULL;

	(void)value;
	if (s != NULL && s->lane->number == key_get_u16(key.data)) {
		s->queued++;
		s->since_us = s->newest_us = l->e->now.boot_us;
	} else if (r != NULL) {
		run_move(l->e, r); /* the configuration has changed since */
	}
	return true;
}

static bool on_later(void *arg, struct slice key, struct slice value)
{
	struct loading *l = arg;
	struct run *r = run_get(l->e, key_get_u32(key.data + 10));
	struct item i;

	(void)value;
	if (r != NULL && item_read(l->e->txn, r->id, key_get_u32(key.data + 14), &i) && i.status == ITEM_RETRYING && i.stage < RUN_STAGES) {
		r->retrying_begun[i.stage] += i.spent_micro > 0;
	}
	return true;
}

struct open_calls {
	struct engine *e;
	uint64_t *ids;
	size_t n, cap;
};

static bool on_open(void *arg, struct slice key, struct slice value)
{
	struct open_calls *o = arg;

	(void)value;
	if (o->n == o->cap) {
		size_t cap = o->cap * 2 + 64;
		uint64_t *ids = realloc(o->ids, cap * sizeof(*ids));

		if (ids == NULL) {
			return false;
		}
		o->ids = ids;
		o->cap = cap;
	}
	o->ids[o->n++] = key_get_u64(key.data);
	return true;
}

static void count_in_flight(struct engine *e, const struct call_row *row)
{
	struct call_part p;
	struct item i;

	for (struct part_walk w = call_parts(row); row->polls == 0 && part_next(&w, &p);) {
		struct run *r = run_get(e, p.run);

		if (r != NULL) {
			r->in_flight[p.stage < RUN_STAGES ? p.stage : 0]++;
			r->in_flight_total++;
			if (r->has_columns[LEVEL_COMPANY] && item_read(e->txn, p.run, p.number, &i)) {
				busy_enter(r, i.parent, i.stage);
			}
		}
	}
}

/* A call found open after a restart: the item is in flight until the first turn says what became of it. */
static void adopt(struct engine *e, const struct call_row *row)
{
	struct lane *l = lane_by_number(e, row->service);
	struct call *c = calloc(1, sizeof(*c));
	struct outcome *o = calloc(1, sizeof(*o));
	struct http_answer h = {.transport = TRANSPORT_BROKEN, .why = "restarted", .end_us = 0};
	int index;

	l = l != NULL ? l : lane_new(e, names_text(e->names, NAME_SERVICE, row->service)); /* gone from the configuration */
	if (c == NULL || o == NULL || l == NULL) {
		abort();
	}
	l->number = row->service;
	index = l->def != NULL ? call_index(l, row->endpoint) : -1;
	c->id = row->id;
	c->row = *row;
	if (!call_unpack(&c->row)) {
		abort();
	}
	c->row.sent_us = row->granted_us; /* possibly; so it stays in its windows if we are killed again */
	c->row.late_us = row->granted_us + age_us(e, row, row->granted_us) + (l->def != NULL ? l->def->margin_us : 0);
	c->lane = l;
	c->def = l->def != NULL ? service_ref(l->def) : NULL;
	c->call = index >= 0 ? &l->def->calls[index] : NULL;
	c->ended = c->restarted = true;
	HASH_ADD(hh, e->calls, id, sizeof(c->id), c);
	job_reload(e, c);
	if (row->state == CALL_SENT) { /* known when */
		c->row.sent_us = row->sent_us;
		c->row.late_us = row->late_us;
		c->row.state = CALL_RESERVED;
	}
	count_in_flight(e, &c->row);
	if (job_adopt(e, c)) {
		free(o);
		return;
	}
	o->call = c;
	answers_gather(e, o, &h, NULL);
	if (c->call == NULL || answer_read(c->def, c->call, &h, e->now, &o->arena, &o->answer) != 0) {
		o->answer = (struct answer){.outcome = OUTCOME_IN_DOUBT, .reason = "restarted"};
	}
	*e->outcomes_end = o;
	e->outcomes_end = &o->next;
}

/* A call under way: whatever a turn that failed made of its row. */
static void restore(struct engine *e, struct call *c)
{
	struct call_row row;

	if (call_read(e->txn, c->id, &row) && row.n_parts != c->row.n_parts) {
		free(c->row.more);
		c->row.more = NULL;
		c->row.n_parts = row.n_parts;
		if (!call_unpack(&row)) {
			abort();
		}
		c->row.more = row.more;
	}
	c->row.state = CALL_RESERVED;
	count_in_flight(e, &c->row);
}

static int load_open(struct engine *e, struct lead_error *err)
{
	struct open_calls o = {.e = e};
	struct call *c;

	jobs_unload(e);
	txn_walk(e->txn, TABLE_OPEN, key_of(), key_of(), on_open, &o);
	for (size_t i = 0; i < o.n; i++) {
		struct call_row row;

		HASH_FIND(hh, e->calls, &o.ids[i], sizeof(o.ids[i]), c);
		if (c != NULL) {
			restore(e, c);
			job_reload(e, c);
		} else if (call_read(e->txn, o.ids[i], &row)) {
			adopt(e, &row);
		}
	}
	free(o.ids);
	return txn_error(e->txn) != 0 ? lead_fail(err, txn_error(e->txn), "cannot read the open calls") : 0;
}

/* Due times are boot time: those of another boot are moved to this one. */
static void rebase_later(struct engine *e, const struct clocks *old)
{
	int64_t away_us = e->now.wall_us > old->wall_us ? e->now.wall_us - old->wall_us : 0;
	int64_t due;
	uint32_t run, number;
	struct item *list = NULL;
	size_t n = 0, cap = 0;

	while (later_head(e->txn, &due, &run, &number)) {
		struct item i;

		if (n == cap) {
			cap = cap * 2 + 64;
			list = realloc(list, cap * sizeof(*list));
			if (list == NULL) {
				abort();
			}
		}
		if (!item_read(e->txn, run, number, &i)) {
			i = (struct item){.run = run, .number = number};
		}
		i.due_us = due;
		later_remove(e->txn, &i);
		list[n++] = i;
	}
	for (size_t k = 0; k < n; k++) {
		int64_t left = list[k].due_us - old->boot_us - away_us;

		if (list[k].status != ITEM_RETRYING) {
			continue;
		}
		list[k].due_us = e->now.boot_us + (left > 0 ? left : 0);
		later_push(e->txn, &list[k]);
		item_write(e->txn, &list[k]);
	}
	free(list);
}

static int load_rows(struct engine *e, struct lead_error *err)
{
	struct loading l = {.e = e};
	struct slice key, value;

	txn_walk(e->txn, TABLE_RUN, key_of(), key_of(), on_run, &l);
	txn_walk(e->txn, TABLE_READY, key_of(), key_of(), on_ready, &l);
	txn_walk(e->txn, TABLE_LATER, key_of(), key_of(), on_later, &l);
	if (txn_last(e->txn, TABLE_CALL, key_of(), &key, &value)) {
		uint64_t last = key_get_u64(key.data);

		e->last_call = last > e->last_call ? last : e->last_call;
	}
	for (size_t i = 0; i < e->n_lanes; i++) {
		(void)stat_read(e->txn, e->lanes[i]->number, &e->lanes[i]->stat);
	}
	return l.failed ? lead_fail(err, LEAD_ENOMEM, "out of memory") : load_open(e, err);
}

/* Runs that were being cancelled or parked go on with it. */
static void resume_sweeps(struct engine *e)
{
	struct run *r, *next;

	HASH_ITER(hh, e->runs, r, next) {
		bool ended = r->row.state == RUN_CANCELLED || r->row.state == RUN_FAILED;

		verify_load(e, r);
		r->sweeping = ended && run_has_open(r);
		root_load(e, r);
		run_check_end(e, r);
	}
}

int engine_load(struct engine *e, bool restarted, struct lead_error *err)
{
	struct clocks old = {0};
	int rc = txn_begin(e->store, restarted, &e->txn, err);
	bool known;

	if (rc != 0) {
		return rc;
	}
	if (restarted) {
		rc = names_load(e->store, &e->names, err);
	}
	known = clocks_read(e, &old);
	if (restarted) {
		e->boot = known && strcmp(old.boot_id, e->boot_id) == 0 && old.boot_us <= e->now.boot_us ? old.boot : old.boot + 1;
		if (known && e->boot != old.boot) {
			next_boot(e, &old);
		}
		load_hash_key(e);
		rc = rc == 0 ? lanes_bind(e, e->config, err) : rc;
		if (rc == 0) {
			overrides_restore(e);
		}
		rc = rc == 0 ? load_windows(e, err) : rc;
		if (known && e->boot != old.boot) {
			rebase_later(e, &old);
		}
	}
	rc = rc == 0 ? load_rows(e, err) : rc;
	if (rc == 0) {
		notify_load(e);
		inbox_load(e);
		resume_sweeps(e);
	}
	if (rc != 0 || !restarted) {
		txn_abort(e->txn); /* a second reading writes nothing: there may be no room */
	} else {
		accounts_restart(e);
		names_write(e->names, e->txn);
		runs_write(e);
		accounts_write(e);
		engine_write_clocks(e);
		rc = txn_commit(e->txn, err);
		if (rc == 0) {
			names_kept(e->names);
		}
	}
	e->txn = NULL;
	return rc;
}

/* Forgets every copy of rows but names: what memory holds more of those than the store is not used there yet. */
void engine_unload_rows(struct engine *e)
{
	struct run *r, *next;

	HASH_ITER(hh, e->runs, r, next) {
		run_free(e, r);
	}
	accounts_drop(e);
	e->answers_us = e->agenda_us = 0;
	e->cache_us = 0;
}
