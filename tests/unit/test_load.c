/*
 * lib/engine/load.c: what a start finds. Whatever was told is still true, whatever was under way is
 * in doubt, and no window forgets a call, however the clocks of the machine came back.
 */
#include "engine_rig.h"

#define HOUR (3600 * SEC)
#define ONE                                                                                        \
	"service: one\n"                                                                           \
	"base: https://one.example\n"                                                              \
	"breaker: off\n"                                                                           \
	"calls:\n"                                                                                 \
	"  write:\n"                                                                               \
	"    post: /write\n"                                                                       \
	"    json: {email: '${.email}'}\n"                                                         \
	"    price: {per_call: 0.01}\n"                                                            \
	"    retry: {transient: {base: 100s, cap: 100s}}\n"                                        \
	"    map: {text: .text}\n"
#define FIND                                                                                       \
	"  find: {get: /find, query: {email: '${.email}'}, outcomes: [{status: 404, is: "          \
	"empty}]}\n"
#define WRITE                                                                                      \
	"pipeline: p\n"                                                                            \
	"stages: [{stage: write, call: one.write, with: {email: '${.email}'}}]\n"
#define LOOK                                                                                       \
	"pipeline: p\n"                                                                            \
	"stages: [{stage: look, call: one.find, with: {email: '${.email}'}}]\n"
#define CAMPAIGNS "campaigns: {c: {pipeline: p}}\n"

static struct rig rig;

static void begin_with(const char *pipeline, const char *more)
{
	char text[800];

	rig_begin(&rig);
	(void)snprintf(text, sizeof(text), "%s%s", ONE, more);
	rig_write(&rig, "services/one.yaml", text);
	rig_write(&rig, "pipelines/p.yaml", pipeline);
	rig_write(&rig, "leadd.yaml", CAMPAIGNS);
	rig_open(&rig);
}

static void begin(const char *more)
{
	begin_with(WRITE, more);
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

static void run(unsigned n)
{
	const struct run_row row = {.budget_micro = -1, .share = 1, .encoding = 255, .campaign = "c"};

	assert_int_equal(rig_run_leads(&rig, &row, n), 1);
}

/* --- what was told --- */

static void test_nothing_twice(void **state)
{
	begin("limits: [2/10s]\n");
	run(4);
	rig_answer(&rig, 0, 200, "{\"text\":\"hi\"}");
	rig_answer(&rig, 1, 400, "");
	rig_restart(&rig);
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
	assert_string_equal(rig_field(&rig, 1, 1, "text"), "hi");
	assert_string_equal(rig_state(&rig, 1, 2), "failed http-400");
	rig_pass(&rig, 10 * SEC);
	assert_int_equal(rig.n_calls, 4);
	assert_non_null(strstr(rig.calls[2].body, "lead3@"));
	rig_answer(&rig, 2, 200, "{}");
	rig_answer(&rig, 3, 200, "{}");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	end();
}

/* The end of a run is told until its results are written. */
static void test_ended_until_written(void **state)
{
	begin("");
	run(1);
	rig_answer(&rig, 0, 200, "{}");
	assert_int_equal(rig.n_ended, 1);
	rig_restart(&rig);
	assert_int_equal(rig.n_ended, 2);
	assert_int_equal(
	    rig_command(&rig, &(struct command){.kind = COMMAND_WRITTEN, .run = 1}).rc, 0);
	rig_restart(&rig);
	assert_int_equal(rig.n_ended, 2);
	assert_true(rig_run_row(&rig, 1)->written);
	end();
}

static void test_parked_and_paused(void **state)
{
	struct command pause = {.kind = COMMAND_SERVICE_PAUSE, .service = "one"};
	struct command resume = {.kind = COMMAND_SERVICE_RESUME, .service = "one"};

	begin("limits: [1/3s]\nquota: {probe: 1000s}\n");
	run(3);
	rig_answer(&rig, 0, 402, "");
	rig_restart(&rig);
	rig_pass(&rig, 999 * SEC);
	assert_int_equal(rig.n_calls, 1);
	rig_pass(&rig, SEC);
	assert_int_equal(rig.n_calls, 2);
	assert_int_equal(rig_command(&rig, &pause).rc, 0);
	rig_answer(&rig, 1, 200, "{}");
	rig_restart(&rig);
	rig_pass(&rig, US_PER_DAY);
	assert_int_equal(rig.n_calls, 2);
	assert_int_equal(rig_command(&rig, &resume).rc, 0);
	assert_int_equal(rig.n_calls, 3);
	end();
}

/* A cancelled run of many leads goes on being cancelled. */
static void test_cancelled_half_way(void **state)
{
	struct command *c = calloc(1, sizeof(*c));

	begin("limits: [1/3s]\n");
	run(2500);
	c->kind = COMMAND_CANCEL;
	c->run = 1;
	engine_command(rig.engine, c);
	assert_int_equal(rig_turn(&rig), TURN_MORE);
	assert_true(rig_count(&rig, 1, ITEM_PARKED) < 1500);
	rig_restart(&rig);
	assert_int_equal(
	    rig_count(&rig, 1, ITEM_PARKED), 2500); /* the open one is in doubt, held, parked too */
	assert_string_equal(rig_state(&rig, 1, 1), "parked in-doubt");
	assert_string_equal(rig_state(&rig, 1, 2), "parked cancelled");
	end();
}

/* --- what was under way --- */

static void test_open_calls(void **state)
{
	begin("");
	run(2);
	rig_answer(&rig, 0, 200, "{}");
	rig_restart(&rig);
	assert_int_equal(rig.n_calls, 2);
	assert_int_equal(rig_row(&rig, 1).state, CALL_IN_DOUBT);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).in_doubt_micro, 10000);
	assert_string_equal(rig_state(&rig, 1, 2), "parked in-doubt");
	end();
}

static void test_open_call_repeated(void **state)
{
	begin("    in_doubt: {repeat: 1}\n");
	run(1);
	rig_restart(&rig);
	assert_int_equal(rig.n_calls, 2);
	assert_string_equal(rig.calls[0].body, rig.calls[1].body);
	rig_restart(&rig); /* once is what the rule allows */
	assert_int_equal(rig.n_calls, 2);
	assert_string_equal(rig_state(&rig, 1, 1), "parked in-doubt");
	end();
}

static void test_open_call_looked_up(void **state)
{
	begin("    in_doubt: {lookup: find}\n" FIND);
	run(1);
	rig_restart(&rig);
	assert_non_null(strstr(rig.calls[1].url, "/find"));
	rig_restart(&rig); /* looking costs nothing: again, later */
	rig_pass(&rig, 100 * SEC);
	assert_int_equal(rig.n_calls, 3);
	rig_answer(&rig, 2, 200, "{}");
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
	end();
}

static void test_open_call_free(void **state)
{
	begin_with(LOOK, FIND);
	run(1);
	rig_restart(&rig);
	assert_string_equal(rig_state(&rig, 1, 1), "retrying");
	rig_pass(&rig, 100 * SEC);
	assert_int_equal(rig.n_calls, 2);
	end();
}

/* Its service is gone from the configuration: nobody can say what became of it. */
static void test_service_gone(void **state)
{
	char path[128];

	for (int restarted = 0; restarted < 2; restarted++) {
		begin("");
		rig_write(&rig, "leadd.yaml", "services: {one: {budget: {day: 100}}}\n" CAMPAIGNS);
		rig_reload(&rig);
		run(1);
		(void)snprintf(path, sizeof(path), "%s/services/one.yaml", rig.dir);
		assert_int_equal(remove(path), 0);
		rig_write(&rig, "pipelines/p.yaml",
		    "pipeline: p\nstages: [{stage: look, gates: [{check: address}]}]\n");
		rig_write(&rig, "leadd.yaml", CAMPAIGNS);
		if (restarted) {
			rig_restart(&rig);
			assert_int_equal(rig_row(&rig, 0).state, CALL_IN_DOUBT);
		} else {
			assert_int_equal(rig_reload(&rig).rc, 0);
			rig_answer(&rig, 0, 200, "{\"text\":\"hi\"}");
			assert_int_equal(rig_row(&rig, 0).state, CALL_SETTLED);
		}
		assert_string_equal(rig_state(&rig, 1, 1), "parked stage-gone");
		assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
		end();
	}
}

/* A service that was gone while we started, and is back: its windows are those it left. */
static void test_service_back(void **state)
{
	struct command retry = {.kind = COMMAND_RETRY, .run = 1, .outcomes = 1u << ITEM_PARKED};
	char path[128], away[128];

	begin("limits: [1/60s]\n");
	run(2);
	rig_answer(&rig, 0, 200, "{}");
	(void)snprintf(path, sizeof(path), "%s/services/one.yaml", rig.dir);
	(void)snprintf(away, sizeof(away), "%s/services/one", rig.dir);
	assert_int_equal(rename(path, away), 0);
	rig_write(&rig, "pipelines/p.yaml",
	    "pipeline: p\nstages: [{stage: look, gates: [{check: address}]}]\n");
	rig_restart(&rig);
	assert_int_equal(rename(away, path), 0);
	rig_write(&rig, "pipelines/p.yaml", WRITE);
	assert_int_equal(rig_reload(&rig).rc, 0);
	assert_string_equal(rig_state(&rig, 1, 2), "parked stage-gone");
	assert_int_equal(rig_command(&rig, &retry).count, 1);
	assert_int_equal(rig.n_calls, 1);
	rig_pass(&rig, 59 * SEC);
	assert_int_equal(rig.n_calls, 1);
	rig_pass(&rig, SEC);
	assert_int_equal(rig.n_calls, 2);
	end();
}

/* The stage's service is another one now: who waits there waits for that one. */
static void test_service_changed(void **state)
{
	static const char *const two = "service: two\nbase: https://two.example\ncalls: {peek: "
				       "{get: /peek, query: {email: '${.email}'}}}\n";

	for (int restarted = 0; restarted < 2; restarted++) {
		begin("limits: [1/60s]\n");
		run(3);
		rig_write(&rig, "services/two.yaml", two);
		rig_write(&rig, "pipelines/p.yaml",
		    "pipeline: p\nstages: [{stage: write, call: two.peek, with: {email: "
		    "'${.email}'}}]\n");
		if (restarted) {
			rig_restart(&rig);
		} else {
			rig_reload(&rig);
		}
		assert_int_equal(rig.n_calls, 3);
		assert_non_null(strstr(rig.calls[2].url, "two.example/peek?email=lead3"));
		end();
	}
}

/* --- clocks --- */

/* Due in 50 to 100 s, when the machine goes. */
static int64_t retrying(void)
{
	begin("");
	run(1);
	rig_answer(&rig, 0, 500, "");
	assert_string_equal(rig_state(&rig, 1, 1), "retrying");
	return rig_item(&rig, 1, 1).due_us - rig.now.boot_us;
}

static void test_later_over_boots(void **state)
{
	int64_t left = retrying();

	rig_restart(&rig);
	assert_int_equal(rig_item(&rig, 1, 1).due_us - rig.now.boot_us, left);
	rig_reboot(&rig, left / 2, 0);
	assert_int_equal(rig_item(&rig, 1, 1).due_us - rig.now.boot_us, left - left / 2);
	left -= left / 2;
	rig_reboot(&rig, left / 2, -HOUR); /* the wall clock went back: no time has passed */
	assert_int_equal(rig_item(&rig, 1, 1).due_us - rig.now.boot_us, left);
	rig_pass(&rig, left - 1);
	assert_int_equal(rig.n_calls, 1);
	rig_pass(&rig, 1);
	assert_int_equal(rig.n_calls, 2);
	end();
}

static void test_later_long_ago(void **state)
{
	(void)retrying();
	rig_reboot(&rig, HOUR, 0);
	assert_int_equal(rig.n_calls, 2);
	end();
}

/* Windows hold over restarts and boots, with the wall clock an hour off either way, and back in
 * 1970. */
static void test_windows(void **state)
{
	static const struct {
		int64_t off_us, step_us;
	} boots[] = {{0, 0}, {3 * SEC, 0}, {SEC, -HOUR}, {2 * SEC, 2 * HOUR}, {SEC, -HOUR},
	    {SEC, -RIG_WALL}};

	begin("    in_doubt: {repeat: 9}\nlimits: [{limit: [3/10s, 10/60s]}]\n");
	run(300);
	for (size_t i = 0; i < 6; i++) {
		rig_play(&rig, rig.now.boot_us + 25 * SEC);
		rig_restart(&rig);
		rig_play(&rig, rig.now.boot_us + 7 * SEC);
		rig_restart(&rig); /* twice: what was found open is still possibly sent */
		if (boots[i].step_us <= 0) {
			rig_reboot(&rig, boots[i].off_us, boots[i].step_us);
		} else { /* forward while we run; ages over boots would believe it */
			rig.now.wall_us += boots[i].step_us;
			rig_settle(&rig);
			rig_restart(&rig);
		}
	}
	rig_play(&rig, rig.now.boot_us + 100 * SEC);
	assert_true(rig.n_calls >= 25);
	rig_check_window(&rig, 3, 10 * SEC);
	rig_check_window(&rig, 10, 60 * SEC);
	end();
}

/* Booted without a clock: in 1970, until somebody sets it. */
static void test_1970(void **state)
{
	for (int boots = 0; boots < 2; boots++) {
		begin("limits: [1/60s]\n");
		rig_close(&rig);
		rig.now.wall_us = 5 * SEC;
		rig_open(&rig);
		run(3);
		rig_answer(&rig, 0, 200, "{}");
		rig_pass(&rig, 10 * SEC);
		rig.now.wall_us = RIG_WALL;
		rig_settle(&rig);
		if (boots) {
			rig_reboot(&rig, 0, 0);
		} else {
			rig_restart(&rig);
		}
		assert_int_equal(rig.n_calls, 1);
		rig_pass(&rig, 49 * SEC);
		assert_int_equal(rig.n_calls, 1);
		rig_pass(&rig, 2 * SEC);
		assert_int_equal(rig.n_calls, 2);
		end();
	}
}

/* Calendar windows and days of money do not lose count either. */
static void test_calendar(void **state)
{
	begin("limits: [5/day]\n");
	run(20);
	rig_play(&rig, rig.now.boot_us + 10 * SEC);
	assert_int_equal(rig.n_calls, 5);
	rig_restart(&rig);
	rig_reboot(&rig, SEC, 0);
	rig_reboot(&rig, SEC, -HOUR);
	rig_pass(&rig, HOUR);
	assert_int_equal(rig.n_calls, 5);
	rig_pass(&rig, 2 * HOUR); /* 22:13 + 2 h: the next day */
	assert_int_equal(rig.n_calls, 10);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nothing_twice),
	    cmocka_unit_test(test_ended_until_written),
	    cmocka_unit_test(test_parked_and_paused),
	    cmocka_unit_test(test_cancelled_half_way),
	    cmocka_unit_test(test_open_calls),
	    cmocka_unit_test(test_open_call_repeated),
	    cmocka_unit_test(test_open_call_looked_up),
	    cmocka_unit_test(test_open_call_free),
	    cmocka_unit_test(test_service_gone),
	    cmocka_unit_test(test_service_back),
	    cmocka_unit_test(test_service_changed),
	    cmocka_unit_test(test_later_over_boots),
	    cmocka_unit_test(test_later_long_ago),
	    cmocka_unit_test(test_windows),
	    cmocka_unit_test(test_1970),
	    cmocka_unit_test(test_calendar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
