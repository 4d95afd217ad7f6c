/* tests/unit/engine_rig_effects.c: what the engine wants done outside, kept for the test. See engine_rig.h. */
#include "engine_rig.h"

#include "lib/store/outbox.h"

#define MARGIN_US SEC /* the default of services */

/* A call that starts is on disk: its row is reserved, open, and counted in its run's balance. */
static void check_reserved(struct rig *r, uint64_t id)
{
	struct account_id account = {.kind = ACCOUNT_RUN};
	struct balance b;
	struct call_row row;
	struct slice empty;
	struct txn *t = NULL;

	assert_int_equal(txn_begin(r->store, false, &t, NULL), 0);
	assert_true(call_read(t, id, &row));
	assert_int_equal(row.state, CALL_RESERVED);
	assert_true(txn_get(t, TABLE_OPEN, key_u64(key_of(), id), &empty));
	account.owner = row.parts[0].run;
	assert_true(account_read(t, account, &b));
	assert_true(b.reserved_micro >= row.parts[0].reserved_micro);
	assert_true(b.calls[CALL_RESERVED] > 0);
	txn_abort(t);
}

static void on_start(void *ctx, uint64_t call, const struct request *q)
{
	struct rig *r = ctx;
	struct seen *c;

	check_reserved(r, call);
	if ((r->n_calls & (r->n_calls - 1)) == 0) {
		r->calls =
		    realloc(r->calls, (r->n_calls == 0 ? 1 : 2 * r->n_calls) * sizeof(*r->calls));
		assert_non_null(r->calls);
	}
	c = &r->calls[r->n_calls++];
	*c = (struct seen){.id = call,
	    .start_us = r->now.boot_us,
	    .early_us = r->now.boot_us + r->shift_us,
	    .late_us = r->now.boot_us + r->shift_us + MARGIN_US,
	    .open = true};
	c->url = strdup(q->url);
	c->body = strndup(q->body != NULL ? q->body : "", q->body_len);
	for (size_t i = 0; i < q->n_headers; i++) {
		if (strcasecmp(q->headers[i].name, "Idempotency-Key") == 0) {
			(void)snprintf(c->key, sizeof(c->key), "%s", q->headers[i].value);
		}
	}
	engine_sent(r->engine, call, r->now.boot_us);
}

static void on_wake(void *ctx, size_t lane, int64_t boot_us)
{
	struct rig *r = ctx;

	assert_true(lane < RIG_LANES);
	r->wake_us[lane] = boot_us;
}

static void on_wake_later(void *ctx, int64_t boot_us)
{
	((struct rig *)ctx)->later_us = boot_us;
}

static void on_read(void *ctx, uint32_t run, const char *upload, uint64_t offset, size_t max)
{
	struct rig *r = ctx;
	size_t left = offset < r->file_len ? r->file_len - (size_t)offset : 0;
	size_t len = left < max ? left : max;

	assert_string_equal(upload, "upload");
	len = r->slice != 0 && r->slice < len ? r->slice : len;
	engine_import(r->engine, run, len > 0 ? r->file + offset : NULL, len, r->file_error);
}

static void on_changed(void *ctx, uint32_t run)
{
	(void)ctx;
	(void)run;
}

static void on_ended(void *ctx, uint32_t run)
{
	struct rig *r = ctx;

	r->ended = run;
	r->n_ended++;
}

static void copy_text(char *to, size_t size, struct slice text)
{
	(void)snprintf(to, size, "%.*s", (int)text.len, (const char *)text.data);
}

/* A message that goes out is on disk. */
static void on_send(void *ctx, const struct outbox_row *row)
{
	struct rig *r = ctx;
	struct outbox_row kept;
	struct message *m;
	struct txn *t = NULL;

	assert_int_equal(txn_begin(r->store, false, &t, NULL), 0);
	assert_true(outbox_read(t, row->id, &kept));
	assert_int_equal(kept.attempts, row->attempts);
	txn_abort(t);
	r->messages = realloc(r->messages, (r->n_messages + 1) * sizeof(*r->messages));
	assert_non_null(r->messages);
	m = &r->messages[r->n_messages++];
	*m = (struct message){.id = row->id, .way = row->way, .event = row->event, .things = row->things, .attempts = row->attempts};
	(void)snprintf(m->to, sizeof(m->to), "%.63s", row->to);
	copy_text(m->subject, sizeof(m->subject), row->subject);
	copy_text(m->body, sizeof(m->body), row->body);
}

struct effects rig_effects(struct rig *r)
{
	return (struct effects){.start = on_start,
	    .wake = on_wake,
	    .wake_later = on_wake_later,
	    .read_upload = on_read,
	    .run_changed = on_changed,
	    .run_ended = on_ended,
	    .send = r->tells ? on_send : NULL,
	    .ctx = r};
}

void rig_sent(struct rig *r, size_t message, enum sent sent, const char *said)
{
	struct command c = {.kind = COMMAND_SENT, .message = r->messages[message].id, .sent = sent};

	(void)snprintf(c.said, sizeof(c.said), "%s", said);
	assert_int_equal(rig_command(r, &c).rc, 0);
}
