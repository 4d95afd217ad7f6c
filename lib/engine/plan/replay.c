/*
 * The shell of a replay: see replay.h. One loop: a turn, then whatever is due next on the virtual clock.
 *
 *   turn -> rows wanted? hand them over -> answers due -> the clock jumps to the next answer, timer, retry
 *        -> nothing is left: what a person would do (keys let go, retries), else the end
 */
#include "lib/engine/plan/replay.h"

#include "lib/engine/engine.h"
#include "lib/engine/plan/replay_state.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"
#include "lib/store/pack.h"

#include <stdio.h>
#include <json-c/json.h>

#define SHARED_US (5 * US_PER_MS)  /* answers so close are told in one turn */
#define ROW_BYTES ((size_t)64 * 1024)
#define RETRIES 100 /* times that leads are put back: nobody did it more often */

/* --- flights --- */

/* How long the answer took; unsent: it never left. */
static int64_t took_us(struct replay *x, uint64_t kept, bool *ret_sent)
{
	struct body_row body = {0};
	struct txn *t = NULL;
	int64_t us = 0;

	*ret_sent = true;
	if (kept == 0 || txn_begin(x->o->live, false, &t, NULL) != 0) {
		return 0;
	}
	if (body_read(t, kept, &body)) {
		us = body.end_us;
		*ret_sent = body.transport != TRANSPORT_UNSENT;
	}
	txn_abort(t);
	return us;
}

/* --- effects --- */

static void on_start(void *ctx, uint64_t call, const struct request *r)
{
	struct replay *x = ctx;
	struct replay_flight f = {.call = call, .kept = replay_find(x, call, r->hash)};
	bool sent;

	x->started++;
	f.head = (struct heap_head){.at_us = x->now.boot_us + took_us(x, f.kept, &sent), .seq = x->started};
	f.sent_us = sent ? x->now.boot_us : 0;
	if (sent && f.kept != 0) {
		engine_sent(x->engine, call, x->now.boot_us);
	}
	x->rc = heap_push(&x->heap, &f) ? x->rc : LEAD_ENOMEM;
}

static void on_wake(void *ctx, size_t lane, int64_t boot_us)
{
	struct replay *x = ctx;

	if (lane >= x->n_wake) {
		int64_t *us = realloc(x->wake_us, (lane + 1) * sizeof(*us));

		if (us == NULL) {
			x->rc = LEAD_ENOMEM;
			return;
		}
		x->wake_us = us;
		for (; x->n_wake <= lane; x->n_wake++) {
			us[x->n_wake] = TIME_NEVER;
		}
	}
	x->wake_us[lane] = boot_us;
}

static void on_wake_later(void *ctx, int64_t boot_us)
{
	((struct replay *)ctx)->later_us = boot_us;
}

static void on_read_upload(void *ctx, uint32_t run, const char *upload, uint64_t offset, size_t max)
{
	(void)run;
	(void)upload;
	(void)offset;
	(void)max;
	((struct replay *)ctx)->rows_wanted = true;
}

static void on_run_changed(void *ctx, uint32_t run)
{
	(void)ctx;
	(void)run;
}

static void on_run_ended(void *ctx, uint32_t run)
{
	(void)run;
	((struct replay *)ctx)->ended = true;
}

/* --- the run's rows --- */

static int hand_rows(struct replay *x, struct lead_error *err)
{
	struct buf b = {0};
	struct txn *t = NULL;
	struct slice row;
	int rc = txn_begin(x->o->live, false, &t, err);

	if (rc != 0) {
		return rc;
	}
	for (; x->next_row <= x->rows && b.len < ROW_BYTES; x->next_row++) {
		if (item_row(t, x->o->run, x->next_row, &row)) {
			pack_u32(&b, x->next_row);
			pack_bytes(&b, row.data, row.len);
		}
	}
	txn_abort(t);
	x->rows_wanted = false;
	engine_import(x->engine, x->o->run, b.data, b.failed ? 0 : b.len, b.failed ? "out of memory" : NULL);
	buf_free(&b);
	return 0;
}

/* --- when nothing moves --- */

static void send(struct replay *x, const struct command *what)
{
	struct command *c = malloc(sizeof(*c));

	if (c == NULL) {
		x->rc = LEAD_ENOMEM;
		return;
	}
	*c = *what;
	engine_command(x->engine, c);
}

/* Keys are parked until somebody lets them go; somebody did. False: that has not helped. */
static bool let_go(struct replay *x)
{
	const struct config *c = x->o->config;

	if (x->started == x->started_at_stop) {
		return false;
	}
	x->started_at_stop = x->started;
	for (size_t i = 0; i < c->n_services; i++) {
		struct command reset = {.kind = COMMAND_SERVICE_RESET};

		(void)snprintf(reset.service, sizeof(reset.service), "%s", c->services[i]->name);
		send(x, &reset);
	}
	return true;
}

static bool was_retried(struct replay *x, struct txn *then, struct txn *now, uint32_t number)
{
	struct item i;

	return item_read(now, x->o->run, number, &i) && (i.outcome == ITEM_FAILED || i.outcome == ITEM_PARKED) &&
	       strcmp(i.reason, NO_ANSWER) != 0 &&
	       replay_retries(then, x->o->run, number) > replay_retries(now, x->o->run, number);
}

/* Leads that somebody put back, and that have come to the same end by now. False: none. */
static bool retry_leads(struct replay *x)
{
	struct command c = {.kind = COMMAND_RETRY, .run = x->o->run, .outcomes = 1u << ITEM_FAILED | 1u << ITEM_PARKED};
	struct txn *then = NULL, *now = NULL;
	bool any = false;

	for (uint32_t number = 1; x->retries < RETRIES && number <= x->rows; number++) {
		if (then == NULL && txn_begin(x->o->live, false, &then, NULL) != 0) {
			break;
		}
		if (now == NULL && txn_begin(x->o->scratch, false, &now, NULL) != 0) {
			break;
		}
		if (was_retried(x, then, now, number)) {
			c.lead = number;
			send(x, &c);
			any = true;
		}
		if (number % REPLAY_SLICE == 0) {
			txn_abort(then);
			txn_abort(now);
			then = now = NULL;
		}
	}
	txn_abort(then);
	txn_abort(now);
	x->retries++;
	x->ended = !any;
	return any;
}

/* --- the loop --- */

static void answer(struct replay *x, const struct replay_flight *f)
{
	struct http_header headers[BODY_HEADERS];
	struct http_answer h = {.headers = headers, .sent_us = f->sent_us, .end_us = x->now.boot_us};
	struct body_row body;
	struct txn *t = NULL;
	char *copy = NULL;

	if (f->kept == 0 || txn_begin(x->o->live, false, &t, NULL) != 0 || !body_read(t, f->kept, &body)) {
		txn_abort(t);
		engine_unanswered(x->engine, f->call, x->now);
		return;
	}
	h.transport = (enum transport)body.transport;
	h.why = body.why[0] != 0 ? body.why : NULL;
	h.status = body.status;
	h.first_byte_us = body.first_us != 0 ? f->sent_us + body.first_us : 0;
	for (; h.n_headers < body.n_headers; h.n_headers++) {
		headers[h.n_headers] = (struct http_header){body.headers[h.n_headers].name, body.headers[h.n_headers].value};
	}
	if (body.bytes.len > 0) {
		copy = malloc(body.bytes.len + 1);
		x->rc = copy == NULL ? LEAD_ENOMEM : x->rc;
	}
	if (copy != NULL) {
		memcpy(copy, body.bytes.data, body.bytes.len);
		copy[body.bytes.len] = 0;
		h.body_len = body.bytes.len;
	}
	h.body = copy;
	engine_answered(x->engine, f->call, &h, copy, x->now);
	txn_abort(t);
}

static int64_t next_us(const struct replay *x)
{
	const struct heap_head *first = heap_top(&x->heap);
	int64_t next = first != NULL ? first->at_us : TIME_NEVER;

	next = x->later_us < next ? x->later_us : next;
	for (size_t i = 0; i < x->n_wake; i++) {
		next = x->wake_us[i] < next ? x->wake_us[i] : next;
	}
	return next;
}

/* The clock goes to what comes next. False: nothing ever will. */
static bool jump(struct replay *x)
{
	int64_t next = next_us(x), us;

	if (next == TIME_NEVER) {
		return false;
	}
	us = next > x->now.boot_us ? next - x->now.boot_us : 1;
	x->now.boot_us += us;
	x->now.wall_us += us;
	for (const struct heap_head *h; (h = heap_top(&x->heap)) != NULL && h->at_us <= x->now.boot_us + SHARED_US;) {
		struct replay_flight f;

		heap_pop(&x->heap, &f);
		answer(x, &f);
	}
	return true;
}

static int play(struct replay *x, struct lead_error *err)
{
	for (;;) {
		int rc = engine_turn(x->engine, x->now, err);

		if (rc < 0) {
			return rc;
		}
		if (x->rc != 0) {
			return lead_fail(err, x->rc, "out of memory");
		}
		if (x->rows_wanted) {
			rc = hand_rows(x, err);
			if (rc != 0) {
				return rc;
			}
		} else if (rc == TURN_MORE) {
			continue;
		} else if (x->ended ? !retry_leads(x) : !jump(x) && !let_go(x)) {
			return 0;
		}
	}
}

int replay_run(const struct replay_options *o, struct json_object **ret, struct lead_error *err)
{
	struct replay x = {.o = o, .heap = {.size = sizeof(struct replay_flight)}, .next_row = 1, .later_us = TIME_NEVER, .started_at_stop = UINT64_MAX};
	struct engine_options eo = {.store = o->scratch,
	    .config = o->config,
	    .effects = {on_start, on_wake, on_wake_later, on_read_upload, on_run_changed, on_run_ended, NULL, &x},
	    .boot_id = "replay",
	    .alone = true};
	int rc = replay_copy(&x, err);

	o->config->keep_us = 0;
	if (rc == 0) {
		eo.now = x.now;
		rc = engine_new(&eo, &x.engine, err);
	}
	rc = rc == 0 ? play(&x, err) : rc;
	rc = rc == 0 ? replay_diff(&x, ret, err) : rc;
	engine_free(x.engine);
	heap_fini(&x.heap);
	free(x.wake_us);
	return rc;
}
