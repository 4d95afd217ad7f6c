/*
 * Start and restart: memory is filled from rows. Windows come from the ledger's tail (load_windows.c), queue lengths from `ready`,
 * open calls become outcomes in doubt that the first turn settles (load_open.c). The same reading serves after a failed commit,
 * when memory is thrown away (calls in flight and flow state excepted: those did not fail).
 */
#include "lib/engine/load_parts.h"

#include "lib/base/ids.h"
#include "lib/engine/call/accounts.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/call/override.h"
#include "lib/engine/clocks.h"
#include "lib/engine/item/inbox.h"
#include "lib/engine/item/source.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/verify.h"
#include "lib/engine/state.h"
#include "lib/engine/tell/notify.h"
#include "lib/store/names.h"
#include "lib/store/pack.h"

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

/* What memory keeps through a failed commit, and only a start reads: names, the boot, the hash key, lanes with their windows. */
static int load_first(struct engine *e, struct lead_error *err)
{
	struct clocks old = {0};
	int rc = names_load(e->store, &e->names, err);
	bool anew = clocks_begin(e, clocks_read(e, &old) ? &old : NULL);

	load_hash_key(e);
	rc = rc == 0 ? lanes_bind(e, e->config, err) : rc;
	if (rc == 0) {
		overrides_restore(e);
		rc = load_windows(e, err);
	}
	if (anew) {
		clocks_rebase(e, &old);
	}
	return rc;
}

static int write_first(struct engine *e, struct lead_error *err)
{
	int rc;

	accounts_restart(e);
	names_write(e->names, e->txn);
	runs_write(e);
	accounts_write(e);
	clocks_write(e);
	rc = txn_commit(e->txn, err);
	if (rc == 0) {
		names_kept(e->names);
	}
	return rc;
}

int engine_load(struct engine *e, bool restarted, struct lead_error *err)
{
	struct clocks old;
	int rc = txn_begin(e->store, restarted, &e->txn, err);

	if (rc != 0) {
		return rc;
	}
	if (restarted) {
		rc = load_first(e, err);
	} else {
		(void)clocks_read(e, &old);
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
		rc = write_first(e, err);
	}
	e->txn = NULL;
	return rc;
}

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
