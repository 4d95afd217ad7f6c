/*
 * Jobs while the world around them changes: a reload, a cancelled run, a paused service, a full disk; and what is wrong with
 * the file of a service that has some.
 */
#include "tests/unit/jobs_rig.h"

/* --- the world around it changes --- */

static void test_reload(void **state)
{
	begin(BOTH STATUS);
	run_one();
	rig_answer(&rig, 0, 202, "{\"job_id\": \"j\"}");
	/* another path to ask at, and another rate: the poll is that of the new file */
	rig_write(&rig, "services/slow.yaml",
	    "service: slow\nbase: https://new.example\nbreaker: off\ncalls:\n" BOTH STATUS);
	assert_int_equal(rig_reload(&rig).rc, 0);
	check_open(0, 100000);
	rig_pass(&rig, 10 * SEC);
	assert_int_equal(rig.n_calls, 2);
	assert_string_equal(rig.calls[1].url, "https://new.example/jobs/j?who=a%40x.example");
	rig_answer(&rig, 1, 200, "{\"state\": \"running\"}");
	/* its poll is gone; the callback still counts, by the rules it was granted under */
	rig_write(&rig, "services/slow.yaml",
	    "service: slow\nbase: https://new.example\ncalls:\n  ask:\n    post: /ask\n    json: {email: '${.email}'}\n    map: {text: .other}\n");
	assert_int_equal(rig_reload(&rig).rc, 0);
	rig_pass(&rig, MIN);
	assert_int_equal(rig.n_calls, 2);
	check_open(0, 100000);
	called(token(0), "{\"text\": \"old rules\"}", true);
	check_done("old rules", 100000);
	end();
	/* gone for good: nobody can read what would come, so the call is in doubt */
	begin(BOTH STATUS);
	run_one();
	rig_answer(&rig, 0, 202, "{\"job_id\": \"j\"}");
	rig_write(&rig, "services/slow.yaml", "service: slow\nbase: https://new.example\ncalls:\n  ask:\n    post: /ask\n    json: {email: '${.email}'}\n");
	rig_restart(&rig);
	assert_string_equal(rig_state(&rig, 1, 1), "parked in-doubt");
	called(token(0), "{\"text\": \"x\"}", false);
	end();
}

static void test_cancel(void **state)
{
	begin(BOTH STATUS);
	run_one();
	rig_answer(&rig, 0, 202, "{\"job_id\": \"j\"}");
	assert_int_equal(rig_command(&rig, &(struct command){.kind = COMMAND_CANCEL, .run = 1}).rc, 0);
	rig_check(&rig);
	assert_string_equal(rig_state(&rig, 1, 1), "waiting");
	assert_int_equal(rig.n_ended, 0); /* its money is still out */
	rig_pass(&rig, 10 * SEC);
	assert_int_equal(rig.n_calls, 2);
	rig_answer(&rig, 1, 200, "{\"text\": \"paid for\"}");
	rig_check(&rig);
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
	assert_string_equal(rig_field(&rig, 1, 1, "text"), "paid for");
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).settled_micro, 100000);
	assert_int_equal(rig.n_ended, 1);
	end();
	begin(BOTH STATUS); /* and a paused run is asked for its jobs all the same */
	run_one();
	rig_answer(&rig, 0, 202, "{\"job_id\": \"j\"}");
	assert_int_equal(rig_command(&rig, &(struct command){.kind = COMMAND_PAUSE, .run = 1}).rc, 0);
	rig_pass(&rig, 10 * SEC);
	assert_int_equal(rig.n_calls, 2);
	end();
}

static void test_paused_service(void **state)
{
	begin(BOTH STATUS);
	run_one();
	rig_answer(&rig, 0, 202, "{\"job_id\": \"j\"}");
	assert_int_equal(rig_command(&rig, &(struct command){.kind = COMMAND_SERVICE_PAUSE, .service = "slow"}).rc, 0);
	rig_pass(&rig, MIN);
	assert_int_equal(rig.n_calls, 1);
	rig_play(&rig, rig.now.boot_us + 2 * HOUR); /* its time is over all the same */
	assert_int_equal(rig.n_calls, 1);
	assert_string_equal(rig_facts(&rig, 1, 1), "call in_doubt job-late");
	end();
}

static void test_disk_full(void **state)
{
	begin(BOTH STATUS);
	run_one();
	rig_disk_full(true);
	rig_answer(&rig, 0, 202, "{\"job_id\": \"j\"}");
	assert_int_equal(call_back(token(0), "{\"text\": \"lost\"}").rc, LEAD_EFULL);
	rig_pass(&rig, 20 * SEC);
	rig_disk_full(false);
	rig_settle(&rig);
	check_open(0, 100000);
	rig_disk_full(true);
	rig_pass(&rig, 20 * SEC); /* granted in vain */
	assert_int_equal(rig.n_calls, 1);
	rig_pass(&rig, 20 * SEC);
	rig_disk_full(false);
	rig_settle(&rig);
	assert_int_equal(rig.n_calls, 2);
	rig_disk_full(true);
	rig_answer(&rig, 1, 200, "{\"text\": \"kept\"}");
	rig_pass(&rig, SEC);
	rig_disk_full(false);
	rig_settle(&rig);
	check_done("kept", 100000);
	rig_pass(&rig, 20 * SEC);
	assert_int_equal(rig.n_calls, 2);
	end();
}

/* One place for all: the result of one job lets the next lead begin. */
static void test_place(void **state)
{
	begin_with("service: slow\nbase: https://slow.example\nbreaker: off\nconcurrency: 1\ncalls:\n", CALLED);
	assert_int_equal(rig_run(&rig, "c", "email\na@x.example\nb@x.example\n"), 1);
	rig_answer(&rig, 0, 202, "{}");
	rig_restart(&rig);
	rig_pass(&rig, SEC);
	assert_int_equal(rig.n_calls, 1);
	assert_int_equal(rig_reload(&rig).rc, 0);
	rig_pass(&rig, SEC);
	assert_int_equal(rig.n_calls, 1);
	called(token(0), "{\"text\": \"x\"}", true);
	assert_int_equal(rig.n_calls, 2);
	assert_string_not_equal(rig.calls[0].body, rig.calls[1].body);
	rig_answer(&rig, 1, 500, "");
	rig_pass(&rig, MIN);
	assert_int_equal(rig.n_calls, 3); /* a repeat has a token of its own */
	end();
}

/* --- the files --- */

static void test_files(void **state)
{
	static const struct {
		const char *calls, *problem;
	} cases[] = {
	    {"  ask:\n    post: /a\n    json: {e: '${.email}'}\n    job: {id: .x}\n", "needs 'poll', 'callback' or both"},
	    {"  ask:\n    post: /a\n    json: {e: '${.email}'}\n    job: {poll: status}\n" STATUS, "needs 'id'"},
	    {"  ask:\n    post: /a\n    json: {e: '${.email}'}\n    job: {id: .x, poll: statsu}\n" STATUS, "is 'status' meant?"},
	    {"  ask:\n    post: /a\n    json: {e: '${.mail}'}\n    job: {id: .x, poll: status}\n" STATUS, "needs parameter 'email'"},
	    /* the call that is asked for it is broken itself */
	    {"  ask:\n    post: /a\n    json: {e: '${.email}'}\n    job: {id: .x, poll: status}\n  status: {gte: /b}\n", "unknown"},
	    {"  ask:\n    post: /a\n    json: {e: '${.email}'}\n    job: {callback: true}\n", "sends ${.call.callback}"},
	    {"  ask:\n    post: /a\n    json: {e: '${.call.callback}'}\n", "has no 'job: {callback: true}'"},
	    {"  ask:\n    post: /a\n    json: {e: '${.email}'}\n    job: {pol: x}\n", "unknown"},
	    {"  ask:\n    post: /a\n    json: {e: '${.call.callback}'}\n    job: {callback: true, late: never}\n", "late"},
	    {"  ask:\n    post: /a\n    json: {e: '${.call.callback}'}\n    job: {callback: true, within: 8d}\n", "within"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[2000];

		rig_begin(&rig);
		(void)snprintf(text, sizeof(text), "%s%s", HEAD, cases[i].calls);
		rig_write(&rig, "services/slow.yaml", text);
		rig_write(&rig, "leadd.yaml", "callback_url: https://x.example\n");
		rig_refused(&rig, cases[i].problem);
		rig_refused(&rig, "slow.yaml:");
		rig_write(&rig, "services/slow.yaml", HEAD POLLED STATUS);
		rig_open(&rig);
		rig_end(&rig);
	}
	rig_begin(&rig);
	rig_write(&rig, "services/slow.yaml", HEAD CALLED);
	rig_write(&rig, "pipelines/p.yaml", PIPELINE);
	rig_write(&rig, "leadd.yaml", "campaigns: {c: {pipeline: p}}\n");
	rig_refused(&rig, "callback_url");
	rig_write(&rig, "leadd.yaml", "callback_url: leadd.example.com\ncampaigns: {c: {pipeline: p}}\n");
	rig_refused(&rig, "is an address");
	rig_write(&rig, "leadd.yaml", SETTINGS);
	rig_open(&rig);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_reload),
	    cmocka_unit_test(test_cancel),
	    cmocka_unit_test(test_paused_service),
	    cmocka_unit_test(test_disk_full),
	    cmocka_unit_test(test_place),
	    cmocka_unit_test(test_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
