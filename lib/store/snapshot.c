/* See snapshot.h. */
#include "lib/store/snapshot.h"

#include "lib/base/ids.h"
#include "lib/store/ledger.h"
#include "lib/store/queue.h"
#include "lib/store/runs.h"

#include <stdlib.h>
#include <string.h>

#define SLICE_ROWS 10000

struct copy {
	struct store *to;
	struct txn *in, *out;
	enum store_table table;
	size_t rows;          /* in the slice */
	uint32_t *runs;       /* those copied, in order */
	size_t n_runs;
	size_t run_at;        /* where a key of the table names its run; SIZE_MAX: nowhere */
	const struct snapshot_options *options; /* NULL: everything */
	struct lead_error *err;
	int rc;
};

static int slice_end(struct copy *c)
{
	struct txn *t = c->out;
	int rc;

	c->out = NULL;
	c->rows = 0;
	rc = txn_commit(t, c->err);
	return rc == 0 ? txn_begin(c->to, true, &c->out, c->err) : rc;
}

static bool run_is_copied(const struct copy *c, uint32_t run)
{
	size_t from = 0, to = c->n_runs;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (c->runs[middle] < run) {
			from = middle + 1;
		} else {
			to = middle;
		}
	}
	return from < c->n_runs && c->runs[from] == run;
}

static struct key same_key(struct slice key)
{
	struct key k = key_of();

	k.len = key.len < sizeof(k.bytes) ? key.len : sizeof(k.bytes);
	memcpy(k.bytes, key.data, k.len);
	return k;
}

static bool on_row(void *arg, struct slice key, struct slice value)
{
	struct copy *c = arg;

	if (c->options != NULL && c->run_at != SIZE_MAX && (key.len < c->run_at + 4 || !run_is_copied(c, key_get_u32(key.data + c->run_at)))) {
		return true;
	}
	txn_append(c->out, c->table, same_key(key), value.data, value.len);
	c->rc = txn_error(c->out) != 0 || ++c->rows == SLICE_ROWS ? slice_end(c) : 0;
	return c->rc == 0;
}

static void copy_table(struct copy *c, enum store_table table, size_t run_at, struct key from)
{
	if (c->rc == 0) {
		c->table = table;
		c->run_at = run_at;
		txn_walk(c->in, table, from, key_of(), on_row, c);
	}
}

static void copy_runs_table(struct copy *c, enum store_table table)
{
	for (size_t i = 0; i < c->n_runs && c->rc == 0; i++) {
		struct key prefix = key_u32(key_of(), c->runs[i]);

		c->table = table;
		c->run_at = 0;
		txn_walk(c->in, table, prefix, prefix, on_row, c);
	}
}

/* --- runs --- */

static bool on_run(void *arg, struct slice key, struct slice value)
{
	struct copy *c = arg;
	struct run_row row;
	uint32_t *runs;

	if (!run_decode(key, value, &row)) {
		return true;
	}
	if (row.state == RUN_RUNNING || row.state == RUN_PAUSED) {
		runs = realloc(c->runs, (c->n_runs + 1) * sizeof(*runs));
		if (runs != NULL) {
			c->runs = runs;
			c->runs[c->n_runs++] = row.id;
		} else {
			c->rc = lead_fail(c->err, LEAD_ENOMEM, "out of memory");
		}
	}
	run_row_fini(&row);
	return c->rc == 0;
}

static void copy_last_run(struct copy *c)
{
	uint32_t last = run_last_id(c->in);
	struct run_row row;

	if (last != 0 && !run_is_copied(c, last) && run_read(c->in, last, &row)) {
		row.written = true; /* its results are not the copy's business */
		run_write(c->out, &row);
		run_row_fini(&row);
	}
}

/* --- open calls --- */

static bool on_open(void *arg, struct slice key, struct slice value)
{
	struct copy *c = arg;
	struct call_row row;
	struct call_part p;
	struct item i;

	(void)value;
	if (!call_read(c->in, key_get_u64(key.data), &row)) {
		return true;
	}
	row.state = CALL_REFUNDED;
	row.sent_us = row.granted_us;
	row.late_us = row.granted_us + c->options->margin_us;
	row.end_us = row.late_us;
	call_open(c->out, &row);
	call_close(c->out, &row);
	for (struct part_walk w = call_parts(&row); row.polls == 0 && part_next(&w, &p);) {
		if (run_is_copied(c, p.run) && item_read(c->in, p.run, p.number, &i) && i.status == ITEM_WAITING) {
			queue_push(c->out, &i);
		}
	}
	c->rc = txn_error(c->out) != 0 ? slice_end(c) : 0;
	return c->rc == 0;
}

/* --- the whole --- */

static void take(struct copy *c)
{
	/* ids begin with their time */
	uint64_t from_ms = c->options->calls_from_wall_us > 0 ? (uint64_t)(c->options->calls_from_wall_us / 1000) : 0;

	txn_walk(c->in, TABLE_RUN, key_of(), key_of(), on_run, c);
	copy_table(c, TABLE_META, SIZE_MAX, key_of());
	copy_table(c, TABLE_NAME, SIZE_MAX, key_of());
	copy_table(c, TABLE_ACCOUNT, SIZE_MAX, key_of());
	copy_table(c, TABLE_PARK, SIZE_MAX, key_of());
	copy_table(c, TABLE_STAT, SIZE_MAX, key_of());
	copy_table(c, TABLE_UPLOAD, SIZE_MAX, key_of());
	copy_table(c, TABLE_SUPPRESS, SIZE_MAX, key_of());
	copy_runs_table(c, TABLE_RUN);
	copy_runs_table(c, TABLE_LEAD);
	copy_runs_table(c, TABLE_STATE);
	copy_runs_table(c, TABLE_IDENTITY);
	copy_table(c, TABLE_READY, 2, key_of());
	copy_table(c, TABLE_LATER, 10, key_of());
	copy_table(c, TABLE_CALL, SIZE_MAX, key_u64(key_of(), from_ms << 20));
	if (c->rc == 0) {
		copy_last_run(c);
		txn_walk(c->in, TABLE_OPEN, key_of(), key_of(), on_open, c);
	}
}

static int copy(struct store *from, struct store *to, const struct snapshot_options *o, struct lead_error *err)
{
	struct copy c = {.to = to, .options = o, .err = err};

	c.rc = txn_begin(from, false, &c.in, err);
	if (c.rc == 0) {
		c.rc = txn_begin(to, true, &c.out, err);
	}
	if (c.rc == 0 && o != NULL) {
		take(&c);
	}
	for (int table = 0; c.rc == 0 && o == NULL && table < TABLE_N; table++) {
		copy_table(&c, (enum store_table)table, SIZE_MAX, key_of());
	}
	if (c.rc == 0 && txn_error(c.in) != 0) {
		c.rc = lead_fail(err, (enum lead_err)txn_error(c.in), "the store cannot be read");
	}
	if (c.rc == 0) {
		c.rc = txn_commit(c.out, err);
	} else {
		txn_abort(c.out);
	}
	txn_abort(c.in);
	free(c.runs);
	return c.rc;
}

int snapshot_take(struct store *from, struct store *to, const struct snapshot_options *o, struct lead_error *err)
{
	return copy(from, to, o, err);
}

int snapshot_clone(struct store *from, struct store *to, struct lead_error *err)
{
	return copy(from, to, NULL, err);
}
