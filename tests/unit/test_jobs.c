/*
 * Jobs that are asked for: polls, what they say, those that are late, and answers that take two hours without a job.
 */
#include "tests/unit/jobs_rig.h"

/* --- polls --- */

static void test_polled(void **state)
{
	begin(POLLED STATUS);
	run_one();
	assert_string_equal(rig.calls[0].url, "https://slow.example/ask");
	rig_pass(&rig, 2 * SEC);
	rig_answer(&rig, 0, 202, "{\"job_id\": 77}");
	check_open(0, 100000);
	assert_int_equal(engine_in_flight(rig.engine), 0); /* nothing a stop would wait for */
	rig_pass(&rig, 9 * SEC);
	assert_int_equal(rig.n_calls, 1);
	assert_int_equal(rig.later_us, rig.now.boot_us + SEC);
	rig_pass(&rig, SEC);
	assert_int_equal(rig.n_calls, 2);
	assert_string_equal(rig.calls[1].url, "https://slow.example/jobs/77?who=a%40x.example");
	rig_pass(&rig, SEC);
	rig_answer(&rig, 1, 200, "{\"state\": \"running\"}");
	check_open(0, 100000);
	/* a 404 that means "not yet", with its own word on when */
	rig_pass(&rig, 10 * SEC);
	rig_answer(&rig, 2, 404, "{\"status\": \"result_pending\", \"delay\": 40}");
	rig_pass(&rig, 39 * SEC);
	assert_int_equal(rig.n_calls, 3);
	rig_pass(&rig, SEC);
	assert_int_equal(rig.n_calls, 4);
	rig_answer(&rig, 3, 200, "{\"text\": \"hello\"}");
	check_done("hello", 100000);
	assert_string_equal(rig_facts(&rig, 1, 1), "call ok");
	assert_int_equal(rig_row(&rig, 0).state, CALL_SETTLED);
	assert_int_equal(rig_row(&rig, 3).state, CALL_SETTLED);
	assert_int_equal(rig_row(&rig, 3).parts[0].settled_micro, 0);
	assert_true(rig_row(&rig, 3).polls == rig.calls[0].id);
	assert_int_equal(job(0).polls, 3);
	end();
}

/* What may pass is no word on the job; everything else is. */
static void test_poll_classes(void **state)
{
	static const struct {
		int status;
		const char *body, *item, *facts;
		bool ends;
	} cases[] = {
	    {500, "", "waiting", "", false},
	    {429, "{}", "waiting", "", false},
	    {401, "{}", "waiting", "", false},
	    {402, "{}", "waiting", "", false},
	    {200, "{\"cut", "waiting", "", false},
	    {404, "{}", "failed http-404", "call permanent http-404", true},
	    {200, "{\"state\": \"failed\"}", "failed job-failed", "call permanent job-failed", true},
	    {200, "{\"state\": \"timed-out\"}", "retrying", "call transient job-timed-out", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(POLLED STATUS);
		run_one();
		rig_answer(&rig, 0, 200, "{\"job_id\": \"j\"}");
		rig_pass(&rig, 10 * SEC);
		assert_int_equal(rig.n_calls, 2);
		rig_answer(&rig, 1, cases[i].status, cases[i].body);
		assert_string_equal(rig_state(&rig, 1, 1), cases[i].item);
		assert_string_equal(rig_facts(&rig, 1, 1), cases[i].facts);
		assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).reserved_micro, cases[i].ends ? 0 : 100000);
		if (!cases[i].ends) {
			assert_int_equal(rig_command(&rig, &(struct command){.kind = COMMAND_SERVICE_RESET, .service = "slow"}).rc, 0);
			rig_pass(&rig, 5 * MIN);
			assert_int_equal(rig.n_calls, 3);
			rig_answer(&rig, 2, 200, "{\"text\": \"x\"}");
			check_done("x", 100000);
		}
		end();
	}
	/* broken off */
	begin(POLLED STATUS);
	run_one();
	rig_answer(&rig, 0, 200, "{\"job_id\": \"j\"}");
	rig_pass(&rig, 10 * SEC);
	rig_broken(&rig, 1);
	check_open(0, 100000);
	rig_pass(&rig, 20 * SEC);
	rig_answer(&rig, 2, 200, "{\"text\": \"x\"}");
	check_done("x", 100000);
	end();
}

/* An answer without a name is the result itself; an error is one. */
static void test_no_job(void **state)
{
	begin(BOTH STATUS);
	run_one();
	rig_answer(&rig, 0, 200, "{\"text\": \"at once\"}");
	check_done("at once", 100000);
	assert_int_equal(job(0).state, JOB_ENDED);
	end();
	begin(BOTH STATUS);
	run_one();
	rig_answer(&rig, 0, 422, "{}");
	assert_string_equal(rig_state(&rig, 1, 1), "failed http-422");
	called(token(0), "{\"text\": \"late\"}", false);
	assert_string_equal(rig_state(&rig, 1, 1), "failed http-422");
	end();
}

/* Made while the clock said 1970: it is as young as it is, and what comes late is known to be. */
static void test_made_long_ago(void **state)
{
	begin(BOTH STATUS);
	rig.now.wall_us = HOUR;
	run_one();
	rig_answer(&rig, 0, 200, "{\"text\": \"at once\"}");
	rig.now.wall_us = RIG_WALL;
	rig_pass(&rig, SEC);
	rig_restart(&rig);
	rig_settle(&rig);
	called(token(0), "{\"text\": \"late\"}", false);
	rig_pass(&rig, 8 * US_PER_DAY);
	rig_settle(&rig);
	assert_int_equal(call_back(token(0), "{}").rc, 1); /* forgotten, after a week of its own time */
	end();
}

static void test_late(void **state)
{
	static const struct {
		const char *late, *item;
		int64_t doubt, settled;
	} cases[] = {{"", "held in-doubt", 100000, 0}, {", late: transient", "retrying", 0, 0}, {", late: permanent", "failed job-late", 0, 0},
	    {", late: empty", "rejected job-late", 0, 100000}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char calls[2000];

		(void)snprintf(calls, sizeof(calls),
		    "  ask:\n    post: /ask\n    json: {email: '${.email}', b: '${.call.callback}'}\n    price: {per_call: 0.10}\n    map: {text: .text}\n"
		    "    job: {within: 1h, callback: true%s}\n",
		    cases[i].late);
		begin(calls);
		run_one();
		rig_answer(&rig, 0, 202, "{}");
		rig_pass(&rig, HOUR - SEC);
		check_open(0, 100000);
		rig_pass(&rig, SEC);
		if (i > 0) {
			assert_string_equal(rig_state(&rig, 1, 1), cases[i].item);
		} else {
			assert_string_equal(rig_facts(&rig, 1, 1), "call in_doubt job-late");
			assert_string_equal(rig_state(&rig, 1, 1), "parked in-doubt"); /* nothing else moves: the run ends */
		}
		assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).in_doubt_micro, cases[i].doubt);
		assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).settled_micro, cases[i].settled);
		assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).reserved_micro, 0);
		called(token(0), "{\"text\": \"too late\"}", false); /* after it was given up */
		assert_int_equal(job(0).idle_callbacks, 1);
		end();
	}
}

/* Polls have their own limits, and a job its place. */
static void test_throttled(void **state)
{
	begin_with("service: slow\nbase: https://slow.example\nbreaker: off\nconcurrency: 2\n"
		   "limits: [{limit: 1/30s, calls: [status]}]\ncalls:\n",
	    POLLED STATUS);
	assert_int_equal(rig_run(&rig, "c", "email\na@x.example\nb@x.example\nc@x.example\n"), 1);
	assert_int_equal(rig.n_calls, 2); /* two places */
	rig_answer(&rig, 0, 202, "{\"job_id\": \"a\"}");
	rig_answer(&rig, 1, 202, "{\"job_id\": \"b\"}");
	rig_pass(&rig, SEC);
	assert_int_equal(rig.n_calls, 2); /* taken still */
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).reserved_micro, 200000);
	rig_pass(&rig, 9 * SEC);
	assert_int_equal(rig.n_calls, 3);
	rig_answer(&rig, 2, 200, "{\"state\": \"running\"}");
	rig_pass(&rig, 20 * SEC);
	assert_int_equal(rig.n_calls, 3);
	rig_play(&rig, rig.now.boot_us + 12 * SEC); /* a timer goes for it */
	assert_true(rig.n_calls > 3);
	assert_string_equal(rig.calls[3].url, "https://slow.example/jobs/b?who=b%40x.example");
	end();
}

static void serve_jobs(struct rig *r, struct seen *c)
{
	const char *at = strstr(c->url, "/jobs/");

	if (at == NULL) {
		c->status = 202;
		(void)snprintf(c->answer, sizeof(c->answer), "{\"job_id\": \"%lld\"}", (long long)(c->start_us / SEC));
	} else if (c->start_us / SEC - strtoll(at + 6, NULL, 10) < 7200 - 120) { /* two hours */
		(void)snprintf(c->answer, sizeof(c->answer), "{\"state\": \"running\"}");
	} else {
		(void)snprintf(c->answer, sizeof(c->answer), "{\"text\": \"done\"}");
	}
}

/* Two hours each, two at once, polled every ten seconds under a limit. */
static void test_two_hours(void **state)
{
	begin_with("service: slow\nbase: https://slow.example\nbreaker: off\nconcurrency: 2\n"
		   "limits: [{limit: 1/8s, calls: [status]}]\ncalls:\n",
	    ASK("id: .job_id, poll: status, every: 10s, within: 3h, callback: true", "hold") STATUS);
	rig.serve = serve_jobs;
	assert_int_equal(rig_run(&rig, "c", "email\na@x.example\nb@x.example\nc@x.example\nd@x.example\n"), 1);
	rig_play(&rig, rig.now.boot_us + 5 * HOUR);
	assert_int_equal(rig_count(&rig, 1, ITEM_READY), 4);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_in_range(rig.now.boot_us, RIG_BOOT + 4 * HOUR - 10 * MIN, RIG_BOOT + 4 * HOUR + 10 * MIN);
	assert_in_range(rig.n_calls, 1500, 1900); /* one in about ten seconds */
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).settled_micro, 400000);
	end();
}

/* --- one answer that takes two hours, without a job --- */

#define WAITED(doubt)                                                                              \
	"  ask:\n    post: /ask\n    json: {email: '${.email}'}\n    price: {per_call: 0.10}\n"      \
	"    map: {text: .text}\n    timeout: {total: 4h}\n    in_doubt: " doubt "\n"               \
	"  look:\n    get: /look\n    query: {email: '${.email}'}\n    in_doubt: free\n    map: {text: .text}\n"

static void test_long_answer(void **state)
{
	begin_with("service: slow\nbase: https://slow.example\nbreaker: off\nconcurrency: 1\ncalls:\n", WAITED("hold"));
	assert_int_equal(rig_run(&rig, "c", "email\na@x.example\nb@x.example\n"), 1);
	for (int minute = 1; minute < 120; minute++) {
		rig_pass(&rig, MIN);
		assert_int_equal(rig.n_calls, 1);
		assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).reserved_micro, 100000);
	}
	rig_check(&rig);
	rig_pass(&rig, MIN);
	rig_answer(&rig, 0, 200, "{\"text\": \"at last\"}");
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
	assert_string_equal(rig_field(&rig, 1, 1, "text"), "at last");
	assert_int_equal(rig.n_calls, 2);
	end();
}

/* Killed, or stopped, in the middle of it. */
static void test_long_doubt(void **state)
{
	static const struct {
		const char *calls, *item;
		size_t n;
	} cases[] = {{WAITED("hold"), "parked in-doubt", 1}, {WAITED("{repeat: 1}"), "waiting", 2}, {WAITED("{lookup: look}"), "waiting", 2}};

	for (size_t i = 0; i < 6; i++) {
		begin(cases[i % 3].calls);
		run_one();
		rig_pass(&rig, HOUR);
		if (i < 3) {
			rig_restart(&rig);
		} else {
			struct http_answer h = {.transport = TRANSPORT_CANCELLED, .why = "stopping"};

			engine_drain(rig.engine);
			rig_answer_with(&rig, 0, &h);
			assert_int_equal(rig.n_calls, 1); /* nothing new while it stops */
			rig_restart(&rig);
		}
		rig_check(&rig);
		assert_int_equal(rig.n_calls, cases[i % 3].n);
		assert_string_equal(rig_state(&rig, 1, 1), cases[i % 3].item);
		assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).in_doubt_micro, 100000);
		if (i % 3 == 2) {
			assert_string_equal(rig.calls[1].url, "https://slow.example/look?email=a%40x.example");
			rig_answer(&rig, 1, 200, "{\"text\": \"found\"}");
			assert_string_equal(rig_field(&rig, 1, 1, "text"), "found");
		}
		end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_polled),
	    cmocka_unit_test(test_poll_classes),
	    cmocka_unit_test(test_no_job),
	    cmocka_unit_test(test_made_long_ago),
	    cmocka_unit_test(test_late),
	    cmocka_unit_test(test_throttled),
	    cmocka_unit_test(test_two_hours),
	    cmocka_unit_test(test_long_answer),
	    cmocka_unit_test(test_long_doubt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
