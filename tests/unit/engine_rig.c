/* tests/unit/engine_rig.c: see engine_rig.h. */
#include "engine_rig.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/store/check.h"
#include "lib/store/outbox.h"

#define NOT_TOLD 99
#define MARGIN_US SEC /* the default of services */

/* --- files --- */

void rig_begin(struct rig *r)
{
	char target[600], link[96];

	*r = (struct rig){.now = {RIG_BOOT, RIG_WALL}, .seed = 1, .map_bytes = (size_t)64 << 20, .exprs = expr_pool_new()};
	assert_non_null(r->exprs);
	(void)snprintf(r->dir, sizeof(r->dir), "/tmp/test-engine-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	(void)snprintf(r->config_file, sizeof(r->config_file), "%s/leadd.yaml", r->dir);
	(void)snprintf(r->boot_id, sizeof(r->boot_id), "boot-1");
	(void)snprintf(target, sizeof(target), "%s/etc/lists", SOURCE_ROOT);
	(void)snprintf(link, sizeof(link), "%s/lists", r->dir);
	assert_int_equal(symlink(target, link), 0);
	for (int i = 0; i < 4; i++) {
		static const char *const folders[] = {"services", "pipelines", "secrets", "state"};
		char path[96];

		(void)snprintf(path, sizeof(path), "%s/%s", r->dir, folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	(void)snprintf(link, sizeof(link), "%s/secrets", r->dir);
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", link, 1), 0);
}

void rig_write(struct rig *r, const char *path, const char *text)
{
	char file[200];
	FILE *f;

	(void)snprintf(file, sizeof(file), "%s/%s", r->dir, path);
	f = fopen(file, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st;
	(void)flag;
	(void)at;
	return remove(path);
}

struct config *rig_config(struct rig *r, char problem[512])
{
	const struct config_options o = {.exprs = r->exprs};
	struct config *c = NULL;
	struct problems p;

	problems_init(&p);
	assert_int_equal(config_load_with(r->config_file, ++r->generation, &o, &p, &c), 0);
	assert_int_equal(c == NULL, p.count > 0);
	if (problem != NULL) {
		(void)snprintf(problem, 512, "%s", p.first != NULL ? p.first->text : "");
	} else if (c == NULL) {
		fail_msg("%s", p.first->text);
	}
	problems_fini(&p);
	return c;
}

/* --- effects --- */

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

void rig_sent(struct rig *r, size_t message, enum sent sent, const char *said)
{
	struct command c = {.kind = COMMAND_SENT, .message = r->messages[message].id, .sent = sent};

	(void)snprintf(c.said, sizeof(c.said), "%s", said);
	assert_int_equal(rig_command(r, &c).rc, 0);
}

/* --- engine and store --- */

void rig_open(struct rig *r)
{
	char dir[80];
	struct store_options so = {.dir = dir, .map_bytes = r->map_bytes, .no_sync = true};
	struct engine_options eo = {.boot_id = r->boot_id, .seed = r->seed, .now = r->now, .agendas = true};
	struct lead_error err = {.text = ""};

	(void)snprintf(dir, sizeof(dir), "%s/state", r->dir);
	for (size_t i = 0; i < RIG_LANES; i++) {
		r->wake_us[i] = TIME_NEVER;
	}
	r->later_us = TIME_NEVER;
	if (store_open(&so, &r->store, &err) != 0) {
		fail_msg("%s", err.text);
	}
	eo.store = r->store;
	eo.config = rig_config(r, NULL);
	eo.effects = (struct effects){.start = on_start,
	    .wake = on_wake,
	    .wake_later = on_wake_later,
	    .read_upload = on_read,
	    .run_changed = on_changed,
	    .run_ended = on_ended,
	    .send = r->tells ? on_send : NULL,
	    .ctx = r};
	if (engine_new(&eo, &r->engine, &err) != 0) {
		fail_msg("%s", err.text);
	}
	config_unref(eo.config);
}

void rig_close(struct rig *r)
{
	engine_free(r->engine);
	store_close(r->store);
	r->engine = NULL;
	r->store = NULL;
}

void rig_restart(struct rig *r)
{
	rig_close(r);
	for (size_t i = 0; i < r->n_calls; i++) {
		r->calls[i].open = false; /* nobody will hear their answers */
	}
	rig_open(r);
	rig_settle(r);
}

void rig_reboot(struct rig *r, int64_t off_us, int64_t step_us)
{
	int64_t boot_us = off_us / 2; /* not longer than it was away */

	r->shift_us += r->now.boot_us + off_us - boot_us;
	r->now.boot_us = boot_us;
	r->now.wall_us += off_us + step_us;
	r->boot_id[5]++;
	rig_restart(r);
}

void rig_end(struct rig *r)
{
	rig_close(r);
	expr_pool_free(r->exprs);
	for (size_t i = 0; i < r->n_calls; i++) {
		free(r->calls[i].url);
		free(r->calls[i].parts);
		free(r->calls[i].body);
	}
	free(r->calls);
	free(r->messages);
	free(r->file);
	assert_int_equal(nftw(r->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* --- commands --- */

static void on_done(void *ctx, struct command *c)
{
	struct told *t = ctx;

	assert_int_equal(t->rc, NOT_TOLD);
	t->rc = c->rc;
	t->count = c->count;
	(void)snprintf(t->text, sizeof(t->text), "%s", c->rc != 0 ? c->err.text : "");
}

static void send(struct rig *r, const struct command *what, struct told *t)
{
	struct command *c = malloc(sizeof(*c));

	assert_non_null(c);
	*c = *what;
	c->done = on_done;
	c->ctx = t;
	*t = (struct told){.rc = NOT_TOLD};
	engine_command(r->engine, c);
}

struct told rig_command(struct rig *r, const struct command *what)
{
	struct told t;

	send(r, what, &t);
	rig_settle(r);
	assert_int_not_equal(t.rc, NOT_TOLD);
	return t;
}

struct told rig_reload(struct rig *r)
{
	struct command c = {.kind = COMMAND_RELOAD, .config = rig_config(r, NULL)};

	return rig_command(r, &c);
}

uint32_t rig_run_with(struct rig *r, const struct run_row *row, const char *csv)
{
	struct command up = {
	    .kind = COMMAND_UPLOAD, .upload = {.id = "upload", .name = "leads.csv"}};
	struct command start = {.kind = COMMAND_START, .start = *row};
	struct told t;

	free(r->file);
	r->file = strdup(csv);
	r->file_len = strlen(csv);
	if (rig_command(r, &up).rc != 0) {
		return 0;
	}
	(void)snprintf(start.start.upload, sizeof(start.start.upload), "upload");
	t = rig_command(r, &start);
	return t.rc == 0 ? (uint32_t)t.count : 0;
}

uint32_t rig_run(struct rig *r, const char *campaign, const char *csv)
{
	struct run_row row = {.budget_micro = -1, .share = 1, .encoding = 255};

	(void)snprintf(row.campaign, sizeof(row.campaign), "%s", campaign);
	return rig_run_with(r, &row, csv);
}

uint32_t rig_find(struct rig *r, const char *campaign, const char *params, uint64_t quantity)
{
	struct command start = {.kind = COMMAND_START,
	    .start = {.budget_micro = -1, .share = 1, .finds = true, .quantity = quantity}};
	struct told t;

	(void)snprintf(start.start.campaign, sizeof(start.start.campaign), "%s", campaign);
	if (params != NULL) {
		buf_add_text(&start.start.params, params);
	}
	t = rig_command(r, &start);
	return t.rc == 0 ? (uint32_t)t.count : 0;
}

/* --- turns and time --- */

int rig_turn(struct rig *r)
{
	struct lead_error err = {.text = ""};
	int rc = engine_turn(r->engine, r->now, &err);

	if (rc < 0 && rc != LEAD_EFULL) {
		fail_msg("turn: %d %s", rc, err.text);
	}
	return rc;
}

int rig_settle(struct rig *r)
{
	int rc;

	do {
		rc = rig_turn(r);
	} while (rc == TURN_MORE || (rc == TURN_IDLE && engine_pending(r->engine)));
	return rc;
}

void rig_pass(struct rig *r, int64_t us)
{
	r->now.boot_us += us;
	r->now.wall_us += us;
	rig_settle(r);
}

/* Asks serve what becomes of calls it has not seen yet. */
static void serve_new(struct rig *r, size_t *served)
{
	for (; *served < r->n_calls; (*served)++) {
		struct seen *c = &r->calls[*served];

		c->status = 200;
		c->due_us = c->start_us + 100 * US_PER_MS;
		(void)snprintf(c->answer, sizeof(c->answer), "{}");
		if (r->serve != NULL) {
			r->serve(r, c);
		}
	}
}

static size_t next_due(const struct rig *r)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < r->n_calls; i++) {
		if (r->calls[i].open &&
		    (best == SIZE_MAX || r->calls[i].due_us < r->calls[best].due_us)) {
			best = i;
		}
	}
	return best;
}

void rig_play(struct rig *r, int64_t until_us)
{
	size_t served = 0;

	rig_settle(r);
	for (;;) {
		int64_t at = r->later_us;
		size_t call;

		serve_new(r, &served);
		call = next_due(r);
		for (size_t i = 0; i < RIG_LANES; i++) {
			at = r->wake_us[i] < at ? r->wake_us[i] : at;
		}
		at = call != SIZE_MAX && r->calls[call].due_us < at ? r->calls[call].due_us : at;
		if (at > until_us) {
			return;
		}
		if (at > r->now.boot_us) {
			r->now.wall_us += at - r->now.boot_us;
			r->now.boot_us = at;
		}
		if (call != SIZE_MAX && r->calls[call].due_us <= r->now.boot_us) {
			rig_answer(r, call, r->calls[call].status, r->calls[call].answer);
		} else {
			rig_settle(r);
		}
	}
}

/* --- answers --- */

void rig_gather(struct rig *r, size_t call, const struct http_answer *h)
{
	struct http_answer copy = *h;
	struct seen *c = &r->calls[call];

	assert_true(call < r->n_calls && c->open);
	c->open = false;
	if (r->now.boot_us + r->shift_us < c->late_us) {
		c->late_us = r->now.boot_us + r->shift_us;
	}
	copy.sent_us = c->start_us;
	copy.end_us = r->now.boot_us;
	if (h->transport == TRANSPORT_ANSWERED) {
		copy.first_byte_us = r->now.boot_us;
		engine_first_byte(r->engine, c->id, r->now.boot_us);
	}
	engine_answered(r->engine, c->id, &copy,
	    h->body != NULL ? strndup(h->body, h->body_len) : NULL, r->now);
}

void rig_answer_with(struct rig *r, size_t call, const struct http_answer *h)
{
	rig_gather(r, call, h);
	rig_settle(r);
}

void rig_answer(struct rig *r, size_t call, int status, const char *body)
{
	struct http_answer h = {.transport = TRANSPORT_ANSWERED,
	    .status = status,
	    .body = body,
	    .body_len = strlen(body)};

	rig_answer_with(r, call, &h);
}

void rig_broken(struct rig *r, size_t call)
{
	rig_answer_with(
	    r, call, &(struct http_answer){.transport = TRANSPORT_BROKEN, .why = "reset"});
}

size_t rig_last(const struct rig *r)
{
	assert_true(r->n_calls > 0 && r->calls[r->n_calls - 1].open);
	return r->n_calls - 1;
}

/* --- looking --- */

static struct txn *reading(struct rig *r)
{
	struct txn *t = NULL;

	assert_int_equal(txn_begin(r->store, false, &t, NULL), 0);
	return t;
}

struct item rig_item(struct rig *r, uint32_t run, uint32_t number)
{
	struct txn *t = reading(r);
	struct item i;

	if (!item_read(t, run, number, &i)) {
		fail_msg("there is no lead %u/%u", run, number);
	}
	txn_abort(t);
	return i;
}

const char *rig_state(struct rig *r, uint32_t run, uint32_t number)
{
	static char text[80];
	struct item i = rig_item(r, run, number);
	const char *word =
	    i.outcome != ITEM_OPEN ? item_outcome_word(i.outcome) : item_status_word(i.status);

	(void)snprintf(text, sizeof(text), "%s%s%s", word, i.reason[0] != 0 ? " " : "", i.reason);
	return text;
}

struct field_arg {
	const char *name;
	char *out;
	size_t size;
};

static void on_column(void *arg, const char *name, const struct value *v)
{
	struct field_arg *a = arg;
	struct buf text = {0};

	if (strcmp(name, a->name) == 0) {
		value_write_text(&text, v);
		(void)snprintf(a->out, a->size, "%s", text.data != NULL ? text.data : "");
		buf_free(&text);
	}
}

const char *rig_field(struct rig *r, uint32_t run, uint32_t number, const char *name)
{
	static char text[512];
	struct field_arg a = {.name = name, .out = text, .size = sizeof(text)};
	struct txn *t = reading(r);

	text[0] = 0;
	show_columns(r->engine, t, run, LEVEL_LEAD, number, UINT64_MAX, on_column, &a);
	txn_abort(t);
	return text;
}

static bool on_fact(void *arg, const struct fact *f)
{
	static const char *const kinds[] = {"call", "gate", "template", "operator", "unchanged", "warning", "ask", "cached", "reused"};
	struct buf *b = arg;

	buf_printf(b, "%s%s", b->len > 0 ? "; " : "", kinds[f->kind]);
	if (f->kind == FACT_CALL || f->kind == FACT_CACHED) {
		buf_printf(b, " %s", outcome_word((enum outcome_class)f->outcome));
	}
	if (f->reason[0] != 0) {
		buf_printf(b, " %s", f->reason);
	}
	return true;
}

const char *rig_facts(struct rig *r, uint32_t run, uint32_t number)
{
	static char text[1024];
	struct buf b = {0};
	struct txn *t = reading(r);

	fact_walk(t, run, number, on_fact, &b);
	txn_abort(t);
	(void)snprintf(text, sizeof(text), "%s", b.data != NULL ? b.data : "");
	buf_free(&b);
	return text;
}

struct call_row rig_row(struct rig *r, size_t call)
{
	struct txn *t = reading(r);
	struct call_row row;

	assert_true(call < r->n_calls && call_read(t, r->calls[call].id, &row) && call_unpack(&row));
	free(r->calls[call].parts);
	r->calls[call].parts = row.more;
	txn_abort(t);
	return row;
}

struct balance rig_balance(struct rig *r, enum account_kind kind, uint32_t owner)
{
	struct txn *t = reading(r);
	struct balance b;

	(void)account_read(t, (struct account_id){.kind = kind, .owner = owner}, &b);
	txn_abort(t);
	return b;
}

const struct run_row *rig_run_row(struct rig *r, uint32_t run)
{
	const struct run_row *row = show_run_row(r->engine, run);

	assert_non_null(row);
	return row;
}

struct counting {
	enum item_outcome outcome;
	size_t n;
};

static bool on_item(void *arg, struct slice key, struct slice value)
{
	struct counting *c = arg;
	struct item i;

	assert_true(item_decode(key, value, &i));
	c->n += i.level == LEVEL_LEAD && i.outcome == c->outcome ? 1 : 0;
	return true;
}

size_t rig_count(struct rig *r, uint32_t run, enum item_outcome o)
{
	struct counting c = {.outcome = o};
	struct txn *t = reading(r);

	txn_walk(t, TABLE_STATE, run_prefix(run), run_prefix(run), on_item, &c);
	txn_abort(t);
	assert_int_equal(c.n, rig_run_row(r, run)->outcomes[o]);
	return c.n;
}

/* The window that ends as call i arrives at the earliest: whatever may have arrived within counts.
 */
void rig_check_window(struct rig *r, size_t most, int64_t length_us)
{
	for (size_t i = 0; i < r->n_calls; i++) {
		int64_t end = r->calls[i].early_us;
		size_t n = 0;

		for (size_t k = 0; k < r->n_calls; k++) {
			n += r->calls[k].early_us <= end && r->calls[k].late_us > end - length_us;
		}
		if (n > most) {
			for (size_t k = i > 8 ? i - 8 : 0; k <= i; k++) {
				print_error("call %zu: arrived %.3f to %.3f s\n", k,
				    (double)r->calls[k].early_us / 1e6,
				    (double)r->calls[k].late_us / 1e6);
			}
			fail_msg(
			    "%zu calls in a window of %lld s", n, (long long)(length_us / SEC));
		}
	}
}

static bool on_hash(void *arg, struct slice key, struct slice value)
{
	uint64_t *h = arg,
		 parts[3] = {*h, hash_plain(key.data, key.len), hash_plain(value.data, value.len)};

	*h = hash_plain(parts, sizeof(parts));
	return true;
}

uint64_t rig_hash(struct rig *r)
{
	struct txn *t = reading(r);
	uint64_t h = 0;

	for (int table = 0; table < TABLE_N; table++) {
		h += (uint64_t)table;
		txn_walk(t, (enum store_table)table, key_of(), key_of(), on_hash, &h);
	}
	assert_int_equal(txn_error(t), 0);
	txn_abort(t);
	return h;
}

static void on_problem(void *arg, const char *problem)
{
	(void)arg;
	print_error("%s\n", problem);
}

void rig_check(struct rig *r)
{
	struct check_counts counts;

	assert_int_equal(store_check(r->store, on_problem, NULL, &counts, NULL), 0);
	assert_int_equal(counts.problems, 0);
}

void rig_disk_full(bool full)
{
	struct rlimit l;

	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
	l.rlim_cur = full ? 0 : l.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}
