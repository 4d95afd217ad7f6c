/*
 * lib/engine/turn.c: nothing is visible outside before it is on disk; a turn that cannot be
 * committed never happened, and what was gathered for it is kept.
 */
#include "engine_rig.h"

#include <unistd.h>

#define ONE                                                                                        \
	"service: one\n"                                                                           \
	"base: https://one.example\n"                                                              \
	"calls:\n"                                                                                 \
	"  write:\n"                                                                               \
	"    post: /write\n"                                                                       \
	"    json: {email: '${.email}'}\n"                                                         \
	"    price: {per_call: 0.01}\n"                                                            \
	"    map: {text: .text}\n"
#define PIPELINE                                                                                   \
	"pipeline: p\n"                                                                            \
	"stages: [{stage: write, call: one.write, with: {email: '${.email}'}}]\n"
#define CAMPAIGNS "campaigns: {c: {pipeline: p}}\n"

static struct rig rig;

static void begin_with(const char *more, size_t map_bytes)
{
	char text[600];

	rig_begin(&rig);
	rig.map_bytes = map_bytes;
	(void)snprintf(text, sizeof(text), "%s%s", ONE, more);
	rig_write(&rig, "services/one.yaml", text);
	rig_write(&rig, "pipelines/p.yaml", PIPELINE);
	rig_write(&rig, "leadd.yaml", CAMPAIGNS);
	rig_open(&rig);
}

static void begin(const char *more)
{
	begin_with(more, (size_t)64 << 20);
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

static const char *leads(unsigned n)
{
	static struct buf csv;

	buf_reset(&csv);
	buf_add_text(&csv, "email,note\n");
	for (unsigned i = 1; i <= n; i++) {
		buf_printf(&csv, "lead%u@x.example,%0100u\n", i, i);
	}
	return csv.data;
}

static void send(enum command_kind kind, uint32_t run, struct command **ret)
{
	*ret = calloc(1, sizeof(**ret));
	assert_non_null(*ret);
	(*ret)->kind = kind;
	(*ret)->run = run;
}

static void on_told(void *ctx, struct command *c)
{
	*(int *)ctx = c->rc;
}

/* One event, one commit: what is answered, started and told has been on disk before. */
static void test_one_commit(void **state)
{
	struct store_room before, after;

	begin("");
	rig_run(&rig, "c", leads(3));
	assert_int_equal(rig.n_calls, 3);
	for (size_t i = 0; i < 3; i++) {
		struct http_answer h = {.status = 200, .body = "{}", .body_len = 2};

		rig_gather(&rig, i, &h);
		assert_string_equal(rig_state(&rig, 1, (uint32_t)i + 1), "waiting");
	}
	store_room(rig.store, &before);
	assert_int_equal(rig_turn(&rig), TURN_IDLE);
	store_room(rig.store, &after);
	assert_int_equal(after.commits, before.commits + 1);
	assert_int_equal(rig_count(&rig, 1, ITEM_READY), 3);
	end();
}

static void test_failed_grants(void **state)
{
	begin("limits: [1/3s]\n");
	rig_disk_full(true); /* nothing works */
	assert_int_equal(rig_run(&rig, "c", leads(2)), 0);
	rig_disk_full(false);
	rig_run(&rig, "c", leads(2));
	assert_int_equal(rig.n_calls, 1);
	rig_answer(&rig, 0, 200, "{}");
	rig_disk_full(true);
	rig_pass(&rig, 3 * SEC);
	rig_pass(&rig, SEC);
	assert_int_equal(rig.n_calls, 1); /* granted in vain: twice */
	assert_non_null(engine_refuses(rig.engine));
	rig_disk_full(false);
	rig_settle(&rig); /* and its place in the window is free again */
	assert_null(engine_refuses(rig.engine));
	assert_int_equal(rig.n_calls, 2);
	rig_answer(&rig, 1, 200, "{}");
	assert_int_equal(rig_count(&rig, 1, ITEM_READY), 2);
	end();
}

/* Applied once, however often it took. */
static void test_failed_outcomes(void **state)
{
	begin("");
	rig_run(&rig, "c", leads(5));
	assert_int_equal(rig.n_calls, 5);
	rig_disk_full(true);
	for (size_t i = 0; i < 4; i++) {
		rig_answer(&rig, i, i == 3 ? 400 : 200, "{}");
		rig_pass(&rig, SEC);
	}
	assert_string_equal(rig_state(&rig, 1, 1), "waiting");
	assert_int_equal(rig_run_row(&rig, 1)->outcomes[ITEM_READY], 0);
	rig_disk_full(false);
	rig_settle(&rig);
	assert_int_equal(rig_count(&rig, 1, ITEM_READY), 3);
	assert_int_equal(rig_count(&rig, 1, ITEM_FAILED), 1);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).settled_micro, 30000);
	assert_int_equal(rig_run_row(&rig, 1)->stages[0].count.waiting, 1);
	rig_answer(&rig, 4, 200, "{}");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_int_equal(rig.n_calls, 5);
	end();
}

/* Told that it failed, and it has not happened. */
static void test_failed_commands(void **state)
{
	static const enum command_kind kinds[] = {COMMAND_PAUSE, COMMAND_CANCEL, COMMAND_RETRY};
	struct command up = {.kind = COMMAND_UPLOAD, .upload = {.id = "other"}};
	struct txn *t = NULL;
	struct upload_row row;

	begin("limits: [1/3s]\n");
	rig_run(&rig, "c", leads(2));
	rig_disk_full(true);
	for (size_t i = 0; i < 3; i++) {
		struct command c = {.kind = kinds[i], .run = 1, .outcomes = UINT32_MAX};
		struct told told = rig_command(&rig, &c);

		assert_int_equal(told.rc, LEAD_EFULL);
		assert_true(told.text[0] != 0);
		assert_int_equal(rig_run_row(&rig, 1)->state, RUN_RUNNING);
	}
	assert_int_equal(rig_command(&rig, &up).rc, LEAD_EFULL);
	rig_disk_full(false);
	assert_int_equal(txn_begin(rig.store, false, &t, NULL), 0);
	assert_false(upload_read(t, "other", &row));
	txn_abort(t);
	rig_pass(&rig, 3 * SEC);
	assert_int_equal(rig.n_calls, 1); /* the first one is open, and in the window */
	rig_answer(&rig, 0, 200, "{}");
	rig_pass(&rig, 3 * SEC);
	assert_int_equal(rig.n_calls, 2);
	end();
}

/* A new configuration needs no disk to be in force; new names of it keep their numbers. */
static void test_failed_reload(void **state)
{
	static const char *const two = "service: two\nbase: https://two.example\ncalls: {peek: "
				       "{get: /peek, query: {email: '${.email}'}}}\n";

	begin("");
	rig_run(&rig, "c", leads(1));
	rig_write(&rig, "services/two.yaml", two);
	rig_write(&rig, "pipelines/q.yaml",
	    "pipeline: q\nstages: [{stage: peek, call: two.peek, with: {email: '${.email}'}}]\n");
	rig_write(&rig, "leadd.yaml",
	    "campaigns: {c: {pipeline: p, organisation: new}, d: {pipeline: q}}\n");
	rig_disk_full(true);
	assert_int_equal(rig_reload(&rig).rc, 0);
	rig_disk_full(false);
	rig_answer(&rig, 0, 200, "{}");
	rig_run(&rig, "d", leads(1));
	assert_int_equal(rig.n_calls, 2);
	rig_check(&rig);
	rig_answer(&rig, 1, 500, "");
	rig_restart(&rig);
	assert_non_null(strstr(rig_facts(&rig, 2, 1), "call transient"));
	rig_pass(&rig, SEC);
	assert_string_equal(rig.calls[2].url, "https://two.example/peek?email=lead1%40x.example");
	end();
}

/* What parked a key in a turn that failed is not forgotten by the next. */
static void test_failed_park(void **state)
{
	begin("limits: [1/3s]\n");
	rig_run(&rig, "c", leads(2));
	rig_disk_full(true);
	rig_answer(&rig, 0, 402, "");
	rig_disk_full(false);
	rig_settle(&rig);
	rig_restart(&rig);
	rig_pass(&rig, 100 * SEC);
	assert_int_equal(rig.n_calls, 1);
	end();
}

/* The map is full: no new work, but every outcome finds room; then it grows, and every row is there
 * once. */
static void test_map_full(void **state)
{
	struct lead_error err;
	size_t answered = 0;
	int rc;

	begin_with("limits: [100/1s]\n", (size_t)3 << 19);
	assert_int_equal(rig_run(&rig, "c", leads(6000)), 1);
	for (int s = 0; s < 40; s++) {
		while (answered < rig.n_calls) {
			rig_answer(
			    &rig, answered++, 200, "{\"text\":\"a few words for everyone\"}");
		}
		rig_pass(&rig, SEC);
	}
	assert_non_null(engine_refuses(rig.engine));
	assert_int_equal(rig_turn(&rig), LEAD_EFULL); /* ask again: nothing else would */
	assert_true(rig.n_calls > 20);
	assert_int_equal(answered, rig.n_calls);
	assert_int_equal(rig_count(&rig, 1, ITEM_READY), answered);
	assert_int_equal(rig_run(&rig, "c", leads(1)), 0);
	free(rig.file); /* the run that was refused had another one */
	rig.file = strdup(leads(6000));
	rig.file_len = strlen(rig.file);
	assert_int_equal(store_grow(rig.store, (size_t)64 << 20, &err), 0);
	rc = rig_settle(&rig);
	assert_int_equal(rc, TURN_IDLE);
	for (int s = 0; s < 100 && rig_run_row(&rig, 1)->state == RUN_RUNNING; s++) {
		while (answered < rig.n_calls) {
			rig_answer(
			    &rig, answered++, 200, "{\"text\":\"a few words for everyone\"}");
		}
		rig_pass(&rig, SEC);
	}
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_int_equal(rig_count(&rig, 1, ITEM_READY), 6000);
	assert_int_equal(rig.n_calls, 6000);
	end();
}

/* A file that somebody is just writing is empty for a moment: a reload in that moment ended leadd. */
static void test_empty_files(void **state)
{
	static const char *const files[] = {"pipelines/new.yaml", "services/new.yaml"};

	begin("");
	for (size_t i = 0; i < 2; i++) {
		char path[160];

		rig_write(&rig, files[i], i == 0 ? "" : "# nothing yet\n");
		rig_refused(&rig, files[i]);
		(void)snprintf(path, sizeof(path), "%s/%s", rig.dir, files[i]);
		assert_int_equal(unlink(path), 0);
	}
	end();
}

/* A full store is no reason to refuse the configuration that enlarges it. */
static void test_reload_when_full(void **state)
{
	begin_with("limits: [100/1s]\n", (size_t)1 << 20);
	rig_run(&rig, "c", leads(6000));
	rig_settle(&rig);
	assert_non_null(engine_refuses(rig.engine));
	rig_write(&rig, "leadd.yaml", "store: {map: 99}\n" CAMPAIGNS);
	assert_int_equal(rig_reload(&rig).rc, 0);
	assert_int_equal(engine_config(rig.engine)->map_bytes, (size_t)99 << 20);
	end();
}

static void start_fails(void *ctx, uint64_t call, const struct request *r)
{
	struct http_answer h = {.transport = TRANSPORT_UNSENT, .why = "no-socket"};
	struct rig *x = ctx;

	engine_answered(x->engine, call, &h, NULL, x->now);
}

/* A call that could not even be started ends while the turn is being released. */
static void test_ends_within_start(void **state)
{
	void (*start)(void *ctx, uint64_t call, const struct request *r);

	begin("");
	start = rig.engine->effects.start;
	rig.engine->effects.start = start_fails;
	rig_run(&rig, "c", leads(1));
	rig.engine->effects.start = start;
	assert_string_equal(rig_state(&rig, 1, 1), "retrying");
	assert_int_equal(engine_in_flight(rig.engine), 0);
	rig_pass(&rig, SEC);
	rig_answer(&rig, 0, 200, "{}");
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
	end();
}

static void test_all_services_together(void **state)
{
	begin("");
	rig_write(&rig, "leadd.yaml", "max_in_flight: 7\n" CAMPAIGNS);
	rig_restart(&rig);
	rig_run(&rig, "c", leads(20));
	assert_int_equal(rig.n_calls, 7);
	rig_answer(&rig, 3, 200, "{}");
	assert_int_equal(rig.n_calls, 8);
	end();
}

/* No more grants; what is under way ends and is settled. */
static void test_drain(void **state)
{
	begin("limits: [2/3s]\n");
	rig_run(&rig, "c", leads(3));
	engine_drain(rig.engine);
	rig_pass(&rig, 3 * SEC);
	assert_int_equal(rig.n_calls, 2);
	assert_string_equal(engine_refuses(rig.engine), "leadd is stopping");
	rig_answer(&rig, 0, 200, "{}");
	rig_answer(&rig, 1, 200, "{}");
	assert_int_equal(engine_in_flight(rig.engine), 0);
	assert_int_equal(rig_count(&rig, 1, ITEM_READY), 2);
	end();
}

/* Small files that come at once share turns: one slice a turn, and its commit, for each was a minute for two thousand of them. */
static void test_small_files(void **state)
{
	struct run_row row = {.budget_micro = -1, .share = 1, .encoding = 255, .campaign = "c", .upload = "upload"};
	unsigned turns = 0;

	begin("");
	rig_run(&rig, "c", leads(2));
	for (int i = 0; i < 40; i++) {
		struct command *c;

		send(COMMAND_START, 0, &c);
		c->start = row;
		engine_command(rig.engine, c);
	}
	while (turns < 200 && (turns < 2 || rig_run_row(&rig, 41)->importing)) {
		rig_turn(&rig);
		turns++;
	}
	assert_int_equal(rig_run_row(&rig, 41)->rows, 2);
	assert_in_range(turns, 1, 20);
	end();
}

/* What kind of file it is, and which rows were taken before a restart, costs few turns: killed over and over, an import goes on. */
static void test_large_file(void **state)
{
	struct run_row row = {.budget_micro = -1, .share = 1, .encoding = 255, .campaign = "c", .upload = "upload", .state = RUN_PAUSED};
	const char *csv = leads(8000);
	unsigned slices = (unsigned)(strlen(csv) / (32 * 1024)), large = slices / 8;
	struct command *c;
	unsigned turns = 0;

	(void)state;
	begin("");
	rig_run(&rig, "c", csv); /* it is the upload of the second run, too */
	send(COMMAND_START, 0, &c);
	c->start = row;
	engine_command(rig.engine, c);
	while (turns < 2 || rig_run_row(&rig, 2)->rows < 6000) {
		assert_true(turns < 200);
		rig_turn(&rig);
		turns++;
	}
	assert_in_range(turns, slices * 3 / 4, slices * 3 / 4 + large + 6);
	rig_close(&rig);
	rig_open(&rig);
	for (turns = 0; rig_run_row(&rig, 2)->importing; turns++) {
		assert_true(turns < 200);
		rig_turn(&rig);
	}
	assert_int_equal(rig_run_row(&rig, 2)->rows, 8000);
	assert_in_range(turns, slices / 4, slices / 4 + large + 6);
	end();
}

/* Freed with something of everything still to do: nothing leaks, every client is told. */
static void test_freed_in_the_middle(void **state)
{
	struct http_answer h = {.status = 200, .body = "{}", .body_len = 2};
	int told[3] = {1, 1, 1};

	begin("limits: [2/3s]\n");
	rig_run(&rig, "c", leads(2000));
	rig_gather(&rig, 0, &h);
	engine_import(rig.engine, 1, "x", 1, NULL);
	for (size_t i = 0; i < 3; i++) {
		struct command *c;

		send(i == 0 ? COMMAND_RETRY : i == 1 ? COMMAND_PAUSE : COMMAND_RELOAD, 1, &c);
		c->outcomes = UINT32_MAX;
		c->config = i == 2 ? rig_config(&rig) : NULL;
		c->done = on_told;
		c->ctx = &told[i];
		engine_command(rig.engine, c);
		if (i == 0) {
			rig_turn(&rig); /* the retry walks on for some turns */
		}
	}
	rig_end(&rig);
	assert_int_equal(told[0], LEAD_EFULL);
	assert_int_equal(told[1], LEAD_EFULL);
	assert_int_equal(told[2], LEAD_EFULL);
}

static void serve(struct rig *r, struct seen *c)
{
	static const int statuses[] = {200, 200, 200, 200, 429, 500, 400, 404};
	uint64_t h = hash_plain(&c->id, sizeof(c->id));

	(void)r;
	c->status = statuses[h % 8];
	c->due_us = c->start_us + (int64_t)(h % 900 + 1) * US_PER_MS;
}

/* P11: equal seed and events, equal bytes in every table. */
static void test_same_seed_same_state(void **state)
{
	uint64_t hash[3];

	for (size_t i = 0; i < 3; i++) {
		begin("limits: [5/1s, 100/60s]\n");
		rig_close(&rig);
		rig.seed = i == 2 ? 99 : 7;
		rig_open(&rig);
		rig.serve = serve;
		rig_run(&rig, "c", leads(200));
		rig_play(&rig, rig.now.boot_us + 600 * SEC);
		assert_true(rig.n_calls > 200);
		hash[i] = rig_hash(&rig);
		end();
	}
	assert_true(hash[0] == hash[1]);
	assert_true(hash[0] != hash[2]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_commit),
	    cmocka_unit_test(test_failed_grants),
	    cmocka_unit_test(test_failed_outcomes),
	    cmocka_unit_test(test_failed_commands),
	    cmocka_unit_test(test_failed_reload),
	    cmocka_unit_test(test_failed_park),
	    cmocka_unit_test(test_map_full),
	    cmocka_unit_test(test_empty_files),
	    cmocka_unit_test(test_reload_when_full),
	    cmocka_unit_test(test_ends_within_start),
	    cmocka_unit_test(test_all_services_together),
	    cmocka_unit_test(test_drain),
	    cmocka_unit_test(test_small_files),
	    cmocka_unit_test(test_large_file),
	    cmocka_unit_test(test_freed_in_the_middle),
	    cmocka_unit_test(test_same_seed_same_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
