/*
 * lib/engine/call/schedule.c: which call next, and why not. Windows are exact and nearly used up, runs
 * get their shares, and what `why` says is what the next turn does.
 */
#include "engine_rig.h"

#include "lib/base/json.h"

#include <json-c/json.h>

#define ONE                                                                                        \
	"service: one\n"                                                                           \
	"base: https://one.example\n"                                                              \
	"concurrency: 100\n"                                                                       \
	"breaker: {failures: 3, open: 100s, probe: 10s}\n"                                         \
	"calls:\n"                                                                                 \
	"  write:\n"                                                                               \
	"    post: /write\n"                                                                       \
	"    json: {email: '${.email}'}\n"                                                         \
	"    price: {per_call: 0.01}\n"                                                            \
	"    retry: {transient: {base: 1s, cap: 1s, attempts: 0}}\n"                               \
	"    map: {text: .text}\n"
#define TWO                                                                                        \
	"service: two\n"                                                                           \
	"base: https://two.example\n"                                                              \
	"limits: [4/5s]\n"                                                                         \
	"concurrency: 3\n"                                                                         \
	"calls: {peek: {get: /peek, query: {email: '${.email}'}}}\n"
#define PIPELINE                                                                                   \
	"pipeline: p\n"                                                                            \
	"stages: [{stage: write, call: one.write, with: {email: '${.email}'}}]\n"
#define BOTH                                                                                       \
	"pipeline: p\n"                                                                            \
	"stages:\n"                                                                                \
	"  - {stage: write, call: one.write, with: {email: '${.email}'}}\n"                        \
	"  - {stage: peek, call: two.peek, needs: [text], with: {email: '${.email}'}}\n"

static struct rig rig;

static void begin_with(const char *pipeline, const char *more)
{
	char text[1000];

	rig_begin(&rig);
	(void)snprintf(text, sizeof(text), "%s%s", ONE, more);
	rig_write(&rig, "services/one.yaml", text);
	rig_write(&rig, "services/two.yaml", TWO);
	rig_write(&rig, "pipelines/p.yaml", pipeline);
	rig_write(&rig, "leadd.yaml", "campaigns: {c: {pipeline: p}}\n");
	rig_open(&rig);
}

static void begin(const char *more)
{
	begin_with(PIPELINE, more);
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

static uint32_t run(unsigned n, unsigned priority, unsigned share)
{
	struct run_row row = {.budget_micro = -1,
	    .priority = (uint8_t)priority,
	    .share = share,
	    .encoding = 255,
	    .campaign = "c"};

	return rig_run_leads(&rig, &row, n);
}

/* --- windows --- */

static void slow(struct rig *r, struct seen *c)
{
	(void)r;
	c->due_us = c->start_us + (int64_t)(hash_plain(&c->id, sizeof(c->id)) % 1500) * US_PER_MS;
}

static void test_windows_exact(void **state)
{
	size_t n;

	begin("limits: [{limit: [5/3s, 40/60s]}]\n");
	rig.serve = slow;
	run(300, 0, 1);
	rig_play(&rig, rig.now.boot_us + 300 * SEC);
	rig_check_window(&rig, 5, 3 * SEC);
	rig_check_window(&rig, 40, 60 * SEC);
	n = rig.n_calls;
	assert_true(
	    (double)n >= 0.97 * 40 * 5); /* answers take up to the margin of 1 s of each minute */
	end();
}

/* Granted counts at once: a hundred leads at one moment are no reason for a burst. */
static void test_granted_counts(void **state)
{
	begin("limits: [5/3s]\n");
	run(100, 0, 1);
	assert_int_equal(rig.n_calls, 5);
	rig_settle(&rig);
	assert_int_equal(rig.n_calls, 5);
	end();
}

static void test_limit_by_command(void **state)
{
	struct command c = {.kind = COMMAND_SERVICE_LIMIT, .service = "one"};

	begin("limits: [2/10s]\n");
	assert_true(window_parse("4/10s", &c.window));
	run(20, 0, 1);
	assert_int_equal(rig.n_calls, 2);
	assert_int_equal(rig_command(&rig, &c).rc, 0);
	assert_int_equal(rig.n_calls, 4);
	assert_true(window_parse("1/7s", &c.window));
	assert_int_equal(rig_command(&rig, &c).rc, 1);
	end();
}

/* A reload carries the stamps over: more is allowed at once, less only when it fits. */
static void test_limit_by_reload(void **state)
{
	static const char *const limits[] = {"4/10s", "1/10s", "3/10s"};
	static const size_t calls[] = {4, 4, 4};

	begin("limits: [2/10s]\n");
	run(20, 0, 1);
	for (size_t i = 0; i < 3; i++) {
		char text[1000];

		(void)snprintf(text, sizeof(text), "%slimits: [%s]\n", ONE, limits[i]);
		rig_write(&rig, "services/one.yaml", text);
		assert_int_equal(rig_reload(&rig).rc, 0);
		assert_int_equal(rig.n_calls, calls[i]);
	}
	rig_pass(&rig, 11 * SEC);
	assert_int_equal(rig.n_calls, 7);
	end();
}

/* A service without limits gets one: what it was sent before that counts. */
static void test_new_limit_by_reload(void **state)
{
	begin("");
	run(4, 0, 1);
	assert_int_equal(rig.n_calls, 4);
	rig_answer(&rig, 0, 200, "{}");
	rig_write(&rig, "services/one.yaml", ONE "limits: [5/60s]\n");
	assert_int_equal(rig_reload(&rig).rc, 0);
	run(4, 0, 1);
	assert_int_equal(rig.n_calls, 5);
	rig_pass(&rig, 59 * SEC);
	assert_int_equal(rig.n_calls, 5);
	rig_pass(&rig, 2 * SEC);
	assert_int_equal(rig.n_calls, 8);
	end();
}

/* Keys change places and one goes while their calls are in flight: each call ends with its own key, or none. */
static void test_keys_by_reload(void **state)
{
	static const char *const keys[] = {"keys: [a, b]\n", "keys: [b, a]\n", "keys: [b]\n"};
	const struct lane *l;

	rig_begin(&rig);
	rig_write(&rig, "secrets/a", "key-a");
	rig_write(&rig, "secrets/b", "key-b");
	rig_write(&rig, "pipelines/p.yaml", PIPELINE);
	rig_write(&rig, "leadd.yaml", "campaigns: {c: {pipeline: p}}\n");
	for (size_t i = 0; i < 3; i++) {
		char text[1000];

		(void)snprintf(text, sizeof(text), "%sauth: {query: key}\nlimits: [%d/10s]\n" ONE, keys[i], i < 2 ? 1 : 4);
		rig_write(&rig, "services/one.yaml", text);
		if (i == 0) {
			rig_open(&rig);
			run(9, 0, 1);
		} else {
			assert_int_equal(rig_reload(&rig).rc, 0);
		}
		assert_int_equal(rig.n_calls, i < 2 ? 2 : 5); /* b: one of four is in its window, a's counts nowhere */
	}
	l = rig.engine->lanes[0];
	assert_int_equal(l->keys[0].in_flight, 4);
	assert_int_equal(l->groups[0].in_flight, 4);
	rig_answer(&rig, 0, 401, ""); /* a is gone: that b would be refused is not said */
	assert_int_equal(l->keys[0].auth.cause, PARK_NONE);
	for (size_t i = 1; i < 5; i++) {
		rig_answer(&rig, i, 200, "{}");
	}
	assert_int_equal(l->in_flight, rig.n_calls - 5);
	assert_int_equal(l->keys[0].in_flight, rig.n_calls - 5);
	rig_play(&rig, rig.now.boot_us + 60 * SEC);
	assert_int_equal(l->in_flight, 0);
	end();
}

static void test_concurrency(void **state)
{
	begin_with(
	    "pipeline: p\nstages: [{stage: peek, call: two.peek, with: {email: '${.email}'}}]\n",
	    "");
	run(20, 0, 1);
	assert_int_equal(rig.n_calls, 3);
	rig_answer(&rig, 1, 200, "{}");
	assert_int_equal(rig.n_calls, 4);
	end();
}

/* --- services that are away --- */

static void test_breaker(void **state)
{
	begin("limits: [1/1s]\n");
	run(20, 0, 1);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(rig.n_calls, i + 1);
		rig_answer(&rig, i, 500, "");
		rig_pass(&rig, SEC);
	}
	rig_pass(&rig, 98 * SEC);
	assert_int_equal(rig.n_calls, 3);
	rig_pass(&rig, SEC); /* half open: one call, not one a second */
	assert_int_equal(rig.n_calls, 4);
	rig_pass(&rig, 5 * SEC);
	assert_int_equal(rig.n_calls, 4);
	rig_answer(&rig, 3, 200, "{}");
	assert_int_equal(rig.n_calls, 5);
	end();
}

static void test_operator_pause(void **state)
{
	struct command pause = {.kind = COMMAND_SERVICE_PAUSE, .service = "one"};
	struct command resume = {.kind = COMMAND_SERVICE_RESUME, .service = "one"};
	struct command unknown = {.kind = COMMAND_SERVICE_PAUSE, .service = "none"};

	begin("limits: [1/1s]\n");
	run(20, 0, 1);
	assert_int_equal(rig_command(&rig, &unknown).rc, 1);
	assert_int_equal(rig_command(&rig, &pause).rc, 0);
	rig_answer(&rig, 0, 200, "{}");
	rig_pass(&rig, 10 * SEC);
	assert_int_equal(rig.n_calls, 1);
	assert_int_equal(rig_command(&rig, &resume).rc, 0);
	assert_int_equal(rig.n_calls, 2);
	end();
}

/* A person has paid the bill: what calls of before still say of it parks nothing. */
static void test_reset_of_a_quota(void **state)
{
	struct command reset = {.kind = COMMAND_SERVICE_RESET, .service = "one"};

	(void)state;
	begin("");
	run(3, 0, 1);
	assert_int_equal(rig.n_calls, 3);
	rig_answer(&rig, 0, 402, "{}");
	rig_pass(&rig, 10 * SEC);
	assert_int_equal(rig.n_calls, 3);
	assert_int_equal(rig_command(&rig, &reset).rc, 0);
	assert_int_equal(rig.n_calls, 4);
	rig_answer(&rig, 1, 402, "{}");
	assert_int_equal(rig.n_calls, 5);
	rig_answer(&rig, 2, 401, "{}");
	assert_int_equal(rig.n_calls, 6);
	rig_answer(&rig, 4, 402, "{}"); /* this one was sent since */
	rig_answer(&rig, 3, 200, "{}");
	rig_pass(&rig, 10 * SEC);
	assert_int_equal(rig.n_calls, 6);
	end();
}

/* A key that is refused, or whose file is missing, leaves its work to the others and rejects
 * nobody. */
static void test_keys(void **state)
{
	rig_begin(&rig);
	rig_write(&rig, "secrets/b", "key-b");
	rig_write(&rig, "secrets/c", "key-c");
	rig_write(&rig, "services/one.yaml",
	    "keys: [a, b, c]\nauth: {query: key}\nlimits: [1/10s]\n" ONE);
	rig_write(&rig, "pipelines/p.yaml", PIPELINE);
	rig_write(&rig, "leadd.yaml", "campaigns: {c: {pipeline: p}}\n");
	rig_open(&rig);
	run(9, 0, 1);
	assert_int_equal(rig.n_calls, 2); /* each its own window; nothing for a */
	assert_non_null(strstr(rig.calls[0].url, "key=key-b"));
	assert_non_null(strstr(rig.calls[1].url, "key=key-c"));
	rig_answer(&rig, 0, 401, "");
	rig_pass(&rig, 60 * SEC);
	assert_int_equal(rig.n_calls, 3);
	assert_non_null(strstr(rig.calls[2].url, "key=key-c"));
	rig_write(&rig, "secrets/a", "key-a");
	assert_int_equal(rig_reload(&rig).rc, 0);
	assert_int_equal(rig.n_calls, 4);
	assert_non_null(strstr(rig.calls[3].url, "key=key-a"));
	assert_int_equal(rig_count(&rig, 1, ITEM_REJECTED), 0);
	end();
}

/* --- runs --- */

static size_t calls_of(uint32_t run)
{
	size_t n = 0;

	for (size_t i = 0; i < rig.n_calls; i++) {
		n += rig_row(&rig, i).parts[0].run == run;
	}
	return n;
}

static void test_shares(void **state)
{
	begin("limits: [1/1s]\n");
	run(300, 0, 1);
	run(300, 0, 3);
	run(300, 0, 2);
	rig_play(&rig, rig.now.boot_us + 200 * SEC);
	assert_in_range(calls_of(1), rig.n_calls / 6 - 2, rig.n_calls / 6 + 2);
	assert_in_range(calls_of(2), rig.n_calls / 2 - 2, rig.n_calls / 2 + 2);
	end();
}

static void test_priority(void **state)
{
	begin("limits: [1/1s]\n");
	run(30, 5, 1);
	run(5, 1, 1); /* more urgent: all of it before the next of the other */
	rig_play(&rig, rig.now.boot_us + 6 * SEC);
	assert_int_equal(calls_of(2), 5);
	end();
}

/* What takes part in a service's turns is looked at for each call: runs of earlier nights do not, neither after a reload nor after a
 * start, until something of theirs is released. */
static void test_who_takes_part(void **state)
{
	(void)state;
	begin("limits: [1/1s]\n");
	run(1, 0, 1);
	run(1, 0, 1);
	rig_play(&rig, rig.now.boot_us + 10 * SEC);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	run(5, 0, 1);
	assert_int_equal(rig_reload(&rig).rc, 0);
	assert_int_equal(rig.engine->lanes[0]->share.n, 1);
	rig_close(&rig);
	rig_open(&rig);
	assert_int_equal(rig.engine->lanes[0]->share.n, 1);
	assert_int_equal(rig_command(&rig, &(struct command){.kind = COMMAND_RETRY, .run = 1, .lead = 1, .outcomes = UINT32_MAX}).count, 1);
	assert_int_equal(rig.engine->lanes[0]->share.n, 2);
	assert_int_equal(rig_command(&rig, &(struct command){.kind = COMMAND_CANCEL, .run = 3}).rc, 0);
	rig_play(&rig, rig.now.boot_us + 20 * SEC);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_int_equal(rig.engine->lanes[0]->share.n, 0);
	end();
}

/* Begun leads are finished before new ones are started. */
static void test_nearest_the_end(void **state)
{
	begin_with("pipeline: p\n"
		   "stages:\n"
		   "  - {stage: first, call: one.write, with: {email: '${.email}'}}\n"
		   "  - {stage: second, call: one.write, with: {email: '${.email}'}}\n",
	    "limits: [1/1s]\n");
	run(30, 0, 1);
	rig_play(&rig, rig.now.boot_us + 20 * SEC);
	for (size_t i = 0; i < 10; i++) {
		assert_int_equal(rig_row(&rig, i).parts[0].number, i / 2 + 1);
	}
	end();
}

static struct told tell(enum command_kind kind, uint32_t id)
{
	return rig_command(
	    &rig, &(struct command){.kind = kind, .run = id, .outcomes = UINT32_MAX});
}

static void test_pause_and_cancel(void **state)
{
	begin("limits: [1/1s]\n");
	run(5, 0, 1);
	assert_int_equal(tell(COMMAND_PAUSE, 9).rc, 1);
	assert_int_equal(tell(COMMAND_PAUSE, 1).rc, 0);
	assert_int_equal(tell(COMMAND_PAUSE, 1).rc, 0);
	rig_answer(&rig, 0, 200, "{}"); /* what is under way is settled */
	rig_pass(&rig, 10 * SEC);
	assert_int_equal(rig.n_calls, 1);
	assert_int_equal(tell(COMMAND_RESUME, 1).rc, 0);
	assert_int_equal(rig.n_calls, 2);
	assert_int_equal(tell(COMMAND_CANCEL, 1).rc, 0);
	assert_int_equal(rig_count(&rig, 1, ITEM_PARKED), 3);
	assert_int_equal(rig.n_ended, 0);
	rig_answer(&rig, 1, 200, "{\"text\":\"paid for\"}");
	assert_int_equal(rig.n_ended, 1);
	assert_int_equal(rig_count(&rig, 1, ITEM_OPEN), 0);
	assert_string_equal(rig_field(&rig, 1, 2, "text"), "paid for");
	assert_int_equal(tell(COMMAND_RESUME, 1).rc, 2);
	rig_pass(&rig, 10 * SEC);
	assert_int_equal(rig.n_calls, 2);
	end();
}

/* Whatever the last calls of a cancelled run bring, every lead has an outcome in the end. */
static void test_cancelled_with_open_calls(void **state)
{
	static const int statuses[] = {200, 400, 401, 402, 404, 429, 500};

	begin("limits: [100/1s]\n");
	run(9, 0, 1);
	assert_int_equal(rig.n_calls, 9);
	tell(COMMAND_CANCEL, 1);
	assert_int_equal(rig_count(&rig, 1, ITEM_OPEN), 9);
	for (size_t i = 0; i < 7; i++) {
		rig_answer(&rig, i, statuses[i], "{}");
	}
	rig_broken(&rig, 7);
	rig_answer_with(
	    &rig, 8, &(struct http_answer){.transport = TRANSPORT_UNSENT, .why = "dns"});
	assert_int_equal(rig_count(&rig, 1, ITEM_OPEN), 0);
	assert_int_equal(rig.n_ended, 1);
	end();
}

/* Put back to where they ended; the run goes on and ends again. */
static void test_retry(void **state)
{
	begin("");
	run(3, 0, 1);
	rig_answer(&rig, 0, 200, "{}");
	rig_answer(&rig, 1, 400, "");
	rig_broken(&rig, 2);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_int_equal(rig.n_ended, 1);
	assert_int_equal(
	    rig_command(&rig,
		&(struct command){.kind = COMMAND_RETRY, .run = 1, .outcomes = 1u << ITEM_FAILED})
		.count,
	    1);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_RUNNING);
	assert_int_equal(rig.n_calls, 4);
	rig_answer(&rig, 3, 200, "{}");
	assert_string_equal(rig_state(&rig, 1, 2), "ready");
	assert_int_equal(rig.n_ended, 2);
	assert_int_equal(
	    rig_command(&rig,
		&(struct command){
		    .kind = COMMAND_RETRY, .run = 1, .lead = 3, .outcomes = UINT32_MAX})
		.count,
	    1);
	rig_answer(&rig, 4, 200, "{}");
	assert_int_equal(rig_count(&rig, 1, ITEM_READY), 3);
	end();
}

/* A lead held by a free check, and let through by a person, goes on to the first stage that calls.
 */
static void test_retry_of_the_held(void **state)
{
	begin_with("pipeline: p\n"
		   "stages:\n"
		   "  - {stage: look, gates: [{check: role, else: hold}]}\n"
		   "  - {stage: write, call: one.write, with: {email: '${.email}'}}\n",
	    "");
	rig_run(&rig, "c", "email\ninfo@x.com\n");
	assert_string_equal(rig_state(&rig, 1, 1), "parked role-address");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_int_equal(tell(COMMAND_RETRY, 1).count, 1);
	assert_int_equal(rig.n_calls, 1);
	rig_answer(&rig, 0, 200, "{}");
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
	end();
}

/* A retry is no reason to go on with what a person paused. */
static void test_retry_while_paused(void **state)
{
	begin("limits: [1/1s]\n");
	run(3, 0, 1);
	rig_answer(&rig, 0, 400, "");
	tell(COMMAND_PAUSE, 1);
	assert_int_equal(tell(COMMAND_RETRY, 1).count, 1);
	rig_pass(&rig, 10 * SEC);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_PAUSED);
	assert_int_equal(rig.n_calls, 1);
	end();
}

/* P6: without an input no call, whatever number of leads lacks it, and the loop goes on meanwhile.
 */
static void test_missing_inputs(void **state)
{
	int turns = 0;

	begin_with(BOTH, "");
	rig_run(&rig, "c", "email\na@x.example\n\"\"\n");
	rig_answer(&rig, 0, 200, "{}");
	assert_string_equal(rig_state(&rig, 1, 1), "rejected missing-text");
	assert_int_equal(rig.n_calls, 1);
	rig_end(&rig);
	begin_with("pipeline: p\nstages: [{stage: write, call: one.write, needs: [title], with: "
		   "{email: '${.email}'}}]\n",
	    "");
	rig_command(&rig, &(struct command){.kind = COMMAND_SERVICE_PAUSE, .service = "one"});
	run(5000, 0, 1);
	engine_command(
	    rig.engine, memcpy(malloc(sizeof(struct command)),
			    &(struct command){.kind = COMMAND_SERVICE_RESUME, .service = "one"},
			    sizeof(struct command)));
	while (rig_turn(&rig) == TURN_MORE) {
		turns++;
	}
	assert_in_range(turns, 4, 100);
	assert_int_equal(rig_count(&rig, 1, ITEM_REJECTED), 5000);
	assert_int_equal(rig.n_calls, 0);
	end();
}

/* --- why --- */

/* Does why say that something of the service may go now? */
static bool says_now(const char *service)
{
	struct json_object *o, *list;
	struct txn *t = NULL;
	bool now = false;

	assert_int_equal(txn_begin(rig.store, false, &t, NULL), 0);
	o = why_service(rig.engine, t, service, rig.now);
	txn_abort(t);
	assert_non_null(o);
	list = json_object_object_get(o, "waiting");
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *w = json_object_array_get_idx(list, i);

		now = now || strcmp(json_object_get_string(json_object_object_get(w, "condition")),
				 "none") == 0;
	}
	json_object_put(o);
	return now;
}

static size_t calls_to(const char *host)
{
	size_t n = 0;

	for (size_t i = 0; i < rig.n_calls; i++) {
		n += strstr(rig.calls[i].url, host) != NULL;
	}
	return n;
}

/* In some hundred states come about by chance: what may go now goes in the next turn, and nothing
 * else does. */
static void test_why_is_what_happens(void **state)
{
	static const int statuses[] = {200, 200, 200, 200, 500, 429, 400, 404};
	static const char *const names[] = {"one", "two"}, *const hosts[] = {
							       "one.example", "two.example"};
	struct dice d;
	unsigned yes = 0, no = 0;

	dice_seed(&d, 5);
	begin_with(BOTH, "limits: [{limit: [3/2s, 50/60s]}]\nquota: {probe: 30s}\n");
	run(400, 1, 1);
	run(400, 1, 2);
	for (int step = 0; step < 1500; step++) {
		bool said[2];
		size_t before[2];

		for (size_t i = 0; i < rig.n_calls; i++) {
			if (rig.calls[i].open && dice_below(&d, 3) == 0) {
				rig_answer(&rig, i,
				    dice_below(&d, 40) == 0 ? 402 : statuses[dice_below(&d, 8)],
				    "{\"text\":\"x\"}");
			}
		}
		if (dice_below(&d, 40) == 0) {
			tell(dice_below(&d, 2) ? COMMAND_PAUSE : COMMAND_RESUME, 1);
		}
		rig.now.boot_us += (int64_t)dice_below(&d, 800) * US_PER_MS;
		rig.now.wall_us = RIG_WALL + rig.now.boot_us - RIG_BOOT;
		if (rig.later_us <= rig.now.boot_us) {
			rig_settle(&rig); /* who falls due now would be news to why */
			continue;
		}
		for (int s = 0; s < 2; s++) {
			said[s] = says_now(names[s]);
			before[s] = calls_to(hosts[s]);
		}
		rig_turn(&rig);
		for (int s = 0; s < 2; s++) {
			assert_int_equal(calls_to(hosts[s]) > before[s], said[s]);
			yes += said[s];
			no += !said[s];
		}
		rig_settle(&rig);
		assert_false(says_now("one") || says_now("two"));
	}
	assert_true(yes > 100 && no > 100);
	end();
}

static const char *binding(uint32_t run, uint32_t lead, const char *key)
{
	static char text[300];
	struct json_object *o;
	struct txn *t = NULL;

	assert_int_equal(txn_begin(rig.store, false, &t, NULL), 0);
	o = why_lead(rig.engine, t, run, lead, rig.now);
	txn_abort(t);
	(void)snprintf(text, sizeof(text), "%s",
	    json_object_get_string(
		json_object_object_get(json_object_object_get(o, "binding"), key)));
	json_object_put(o);
	return text;
}

/* Of several keys the one that may go first counts: condition, time and words are all its own. */
static void test_why_several_keys(void **state)
{
	rig_begin(&rig);
	rig_write(&rig, "secrets/a", "key-a");
	rig_write(&rig, "secrets/b", "key-b");
	rig_write(
	    &rig, "services/one.yaml", "keys: [a, b]\nauth: {query: key}\nlimits: [1/10s]\n" ONE);
	rig_write(&rig, "pipelines/p.yaml", PIPELINE);
	rig_write(&rig, "leadd.yaml", "campaigns: {c: {pipeline: p}}\n");
	rig_open(&rig);
	run(9, 0, 1);
	assert_int_equal(rig.n_calls, 2);
	rig_answer(&rig, 1, 401, "");
	assert_string_equal(binding(1, 9, "condition"), "window");
	assert_string_equal(binding(1, 9, "text"), "one window 1/10s");
	rig_answer(&rig, 0, 401, "");
	assert_string_equal(binding(1, 9, "condition"), "key");
	assert_non_null(strstr(binding(1, 9, "text"), "refused"));
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_windows_exact),
	    cmocka_unit_test(test_granted_counts),
	    cmocka_unit_test(test_limit_by_command),
	    cmocka_unit_test(test_limit_by_reload),
	    cmocka_unit_test(test_new_limit_by_reload),
	    cmocka_unit_test(test_keys_by_reload),
	    cmocka_unit_test(test_concurrency),
	    cmocka_unit_test(test_breaker),
	    cmocka_unit_test(test_operator_pause),
	    cmocka_unit_test(test_reset_of_a_quota),
	    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_shares),
	    cmocka_unit_test(test_priority),
	    cmocka_unit_test(test_who_takes_part),
	    cmocka_unit_test(test_nearest_the_end),
	    cmocka_unit_test(test_pause_and_cancel),
	    cmocka_unit_test(test_cancelled_with_open_calls),
	    cmocka_unit_test(test_retry),
	    cmocka_unit_test(test_retry_of_the_held),
	    cmocka_unit_test(test_retry_while_paused),
	    cmocka_unit_test(test_missing_inputs),
	    cmocka_unit_test(test_why_is_what_happens),
	    cmocka_unit_test(test_why_several_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
