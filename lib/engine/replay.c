/*
 * The shell of a replay: see replay.h. One loop: a turn, then whatever is due next on the virtual clock.
 *
 *   turn -> rows wanted? hand them over -> answers due -> the clock jumps to the next answer, timer, retry
 *        -> nothing is left: what a person would do (keys let go, retries), else the end
 */
#include "lib/engine/replay.h"

#include "lib/engine/engine.h"
#include "lib/engine/replay_state.h"
#include "lib/engine/run.h"
#include "lib/engine/state.h"
#include "lib/store/names.h"
#include "lib/store/pack.h"
#include "lib/store/suppress.h"

#include <stdio.h>
#include <json-c/json.h>

#define SHARED_US (5 * US_PER_MS)  /* answers so close are told in one turn */
#define ROW_BYTES ((size_t)64 * 1024)
#define BOOT_US US_PER_DAY
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

/* The run as it was when it began, and the key under which its questions were hashed. */
static int write_run(struct replay *x, struct run_row *row, struct slice hash_key, struct lead_error *err)
{
	const struct campaign *m = config_campaign(x->o->config, row->campaign);
	struct txn *t = NULL;
	int rc;

	if (m == NULL) {
		(void)lead_fail(err, LEAD_EINPUT, "the configuration has no campaign '%.90s'", row->campaign);
		return REPLAY_NO_CAMPAIGN;
	}
	rc = txn_begin(x->o->scratch, true, &t, err);
	if (rc != 0) {
		return rc;
	}
	(void)snprintf(row->pipeline, sizeof(row->pipeline), "%s", m->pipeline->name);
	row->state = RUN_RUNNING;
	row->importing = true;
	row->approved = UINT32_MAX; /* nothing is bought */
	row->sample = row->sampled = 0;
	row->open = false;
	row->encoding = ENCODING_ROWS;
	row->delimiter = ',';
	row->bytes_total = 1;
	row->rows = row->bytes = row->max_rows = 0;
	row->ended_us = 0;
	row->why[0] = 0;
	row->written = false;
	row->n_stages = 0;
	memset(row->outcomes, 0, sizeof(row->outcomes));
	memset(row->stages, 0, sizeof(row->stages));
	run_write(t, row);
	txn_put(t, TABLE_META, key_u8(key_of(), HASH_KEY), hash_key.data, hash_key.len);
	return txn_commit(t, err);
}

struct listing {
	struct txn *out;
	int64_t until_us;
};

static bool on_listed(void *arg, struct slice key, struct slice value)
{
	struct listing *l = arg;
	struct suppress_source source;
	enum suppress_class class;
	struct suppress_row row;
	struct key k = key_of();

	if (suppress_decode(key, value, &class, &row, &source) && class != SUPPRESS_SOURCES && row.wall_us <= l->until_us) {
		memcpy(k.bytes, key.data, key.len);
		k.len = key.len;
		txn_append(l->out, TABLE_SUPPRESS, k, value.data, value.len);
	}
	return true;
}

/* The organisation's suppression list as the run had it at its end: what was added later would be no news about the configuration. */
static int copy_list(struct replay *x, const char *campaign, int64_t ended_us, struct lead_error *err)
{
	const struct campaign *m = config_campaign(x->o->config, campaign);
	struct listing l = {.until_us = ended_us};
	struct names *names = NULL;
	struct txn *t = NULL;
	char org[RUN_TEXT];
	uint16_t number;
	int rc = names_load(x->o->live, &names, err);

	if (rc != 0) {
		return rc;
	}
	number = m != NULL ? names_find(names, NAME_OWNER, run_org_name(m->organisation, org)) : 0;
	rc = number != 0 ? txn_begin(x->o->live, false, &t, err) : 0;
	rc = number != 0 && rc == 0 ? txn_begin(x->o->scratch, true, &l.out, err) : rc;
	if (number != 0 && rc == 0) {
		struct key prefix = key_u16(key_of(), number);
		struct buf *b = txn_buf(l.out);

		/* under the same number as there */
		pack_u32(b, number);
		pack_text(b, org);
		txn_put(l.out, TABLE_NAME, key_u32(key_u8(key_of(), NAME_OWNER), number), b->data, b->len);
		txn_walk(t, TABLE_SUPPRESS, prefix, prefix, on_listed, &l);
		rc = txn_commit(l.out, err);
	}
	txn_abort(t);
	names_free(names);
	return rc;
}

/* Looks the run up and puts it into the scratch store. */
static int copy_run(struct replay *x, struct lead_error *err)
{
	uint8_t key[16];
	struct slice value;
	struct run_row row;
	struct txn *t = NULL;
	int rc = txn_begin(x->o->live, false, &t, err);

	if (rc != 0) {
		return rc;
	}
	if (!run_read(t, x->o->run, &row)) {
		txn_abort(t);
		(void)lead_fail(err, LEAD_EINPUT, "there is no run %u", x->o->run);
		return REPLAY_NO_RUN;
	}
	if (txn_get(t, TABLE_META, key_u8(key_of(), HASH_KEY), &value) && value.len == sizeof(key)) {
		memcpy(key, value.data, sizeof(key));
	} else {
		memset(key, 0, sizeof(key));
	}
	txn_abort(t);
	x->rows = (uint32_t)row.rows;
	x->now = (struct now){.boot_us = BOOT_US, .wall_us = row.started_us};
	if (row.state == RUN_RUNNING || row.state == RUN_PAUSED || row.importing) {
		rc = REPLAY_NOT_ENDED;
		(void)lead_fail(err, LEAD_EINPUT, "run %u has not ended yet", x->o->run);
	} else if (row.finds || row.company_columns.len > 0) {
		rc = LEAD_EINPUT;
		(void)lead_fail(err, LEAD_EINPUT, "run %u found its leads itself: it cannot be played again", x->o->run);
	} else if (!replay_kept_any(x)) {
		rc = REPLAY_NO_ANSWERS;
		(void)lead_fail(err, LEAD_EINPUT,
		    "no answer of run %u is kept any more, or ever was: see 'answers: keep' in leadd.yaml", x->o->run);
	} else {
		rc = copy_list(x, row.campaign, row.ended_us, err);
		rc = rc == 0 ? write_run(x, &row, (struct slice){key, sizeof(key)}, err) : rc;
	}
	run_row_fini(&row);
	return rc;
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
	int rc = copy_run(&x, err);

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
