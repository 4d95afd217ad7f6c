/*
 * Jobs whose results are called back, early, twice or never; and what becomes of jobs in doubt and over a restart.
 */
#include "tests/unit/jobs_rig.h"

/* --- callbacks --- */

static void test_called(void **state)
{
	char mine[64];

	begin(CALLED);
	run_one();
	(void)snprintf(mine, sizeof(mine), "%s", token(0));
	rig_answer(&rig, 0, 202, "{}");
	check_open(0, 100000);
	rig_pass(&rig, HOUR);
	check_open(0, 100000);
	/* nobody's, and nonsense */
	assert_int_equal(call_back("00112233445566778899aabbccddeeff", "{}").rc, 1);
	assert_int_equal(call_back("0011", "{}").rc, 1);
	assert_int_equal(call_back("zz112233445566778899aabbccddeeff", "{}").rc, 1);
	assert_int_equal(call_back("", "{}").rc, 1);
	assert_int_equal(call_back(mine, "{\"text\": \"cu").rc, LEAD_EINPUT);
	check_open(0, 100000);
	called(mine, "{\"text\": \"hi\"}", true);
	check_done("hi", 100000);
	called(mine, "{\"text\": \"again\"}", false);
	check_done("hi", 100000);
	rig_restart(&rig);
	called(mine, "{\"text\": \"again\"}", false);
	check_done("hi", 100000);
	assert_int_equal(job(0).callbacks, 3);
	assert_int_equal(job(0).idle_callbacks, 2);
	/* known for a week, and then no more */
	rig_pass(&rig, 6 * 24 * HOUR);
	called(mine, "{}", false);
	rig_pass(&rig, 25 * HOUR);
	assert_int_equal(call_back(mine, "{}").rc, 1);
	end();
}

static void test_early(void **state)
{
	char mine[64];

	for (int how = 0; how < 5; how++) {
		begin(BOTH STATUS);
		run_one();
		(void)snprintf(mine, sizeof(mine), "%s", token(0));
		called(mine, "{\"text\": \"early\"}", true);
		assert_string_equal(rig_state(&rig, 1, 1), "waiting");
		called(mine, "{\"text\": \"second\"}", false);
		rig_pass(&rig, SEC);
		if (how == 0) {
			rig_answer(&rig, 0, 202, "{\"job_id\": \"j\"}");
		} else if (how == 1) {
			rig_broken(&rig, 0);
		} else if (how == 2) {
			rig_restart(&rig);
		} else if (how == 3) {
			rig_reboot(&rig, HOUR, 0);
		} else {
			rig_answer(&rig, 0, 503, ""); /* what was called back was done */
		}
		check_done("early", 100000);
		rig_pass(&rig, HOUR);
		assert_int_equal(rig.n_calls, 1);
		end();
	}
}

static void test_own_map(void **state)
{
	begin(ASK("callback: {map: {text: .data.words}, outcomes: [{status: 200, body: {.ok: false}, is: empty, reason: nothing},"
		  " {status: 200, body: {.progress: {present: true}}, is: pending}], price: {body: .cost, ceiling: 0.30}}",
	    "hold"));
	run_one();
	assert_int_equal(rig_row(&rig, 0).parts[0].reserved_micro, 300000);
	rig_answer(&rig, 0, 202, "{}");
	called(token(0), "{\"progress\": 50}", false);
	check_open(0, 300000);
	called(token(0), "{\"ok\": true, \"cost\": 0.07, \"data\": {\"words\": \"w\"}}", true);
	check_done("w", 70000);
	end();
	begin(ASK("callback: {outcomes: [{status: 200, body: {.ok: false}, is: empty, reason: nothing}]}", "hold"));
	run_one();
	rig_answer(&rig, 0, 200, "{}");
	called(token(0), "{\"ok\": false}", true);
	assert_string_equal(rig_state(&rig, 1, 1), "rejected nothing");
	end();
}

/* Whichever is first. */
static void test_both(void **state)
{
	begin(BOTH STATUS);
	run_one();
	rig_answer(&rig, 0, 202, "{\"job_id\": \"j\"}");
	rig_pass(&rig, 10 * SEC);
	assert_int_equal(rig.n_calls, 2);
	called(token(0), "{\"text\": \"by callback\"}", true); /* while it is asked for */
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
	assert_int_equal(engine_in_flight(rig.engine), 1);
	rig_answer(&rig, 1, 200, "{\"text\": \"by poll\"}"); /* too late */
	check_done("by callback", 100000);
	assert_int_equal(rig_row(&rig, 1).state, CALL_SETTLED);
	end();
}

/* Who asks the same while it is at work waits for the same result, and pays half. */
static void test_joined(void **state)
{
	begin(BOTH STATUS);
	rig_write(&rig, "pipelines/p.yaml",
	    "pipeline: p\nstages: [{stage: ask, call: slow.ask, with: {email: '${.email}'}, cache: 1h}]\n");
	assert_int_equal(rig_reload(&rig).rc, 0);
	run_one();
	rig_answer(&rig, 0, 202, "{\"job_id\": \"j\"}");
	check_open(0, 100000);
	assert_int_equal(rig_run(&rig, "c", "email\na@x.example\n"), 2);
	rig_check(&rig);
	assert_int_equal(rig.n_calls, 1);
	rig_pass(&rig, 10 * SEC);
	assert_int_equal(rig.n_calls, 2);
	rig_restart(&rig);
	rig_check(&rig);
	called(token(0), "{\"text\": \"for both\"}", true);
	for (uint32_t run = 1; run <= 2; run++) {
		assert_string_equal(rig_state(&rig, run, 1), "ready");
		assert_string_equal(rig_field(&rig, run, 1, "text"), "for both");
		assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, run).settled_micro, 50000);
	}
	assert_int_equal(rig_run(&rig, "c", "email\na@x.example\n"), 3); /* and later from what was kept */
	assert_string_equal(rig_field(&rig, 3, 1, "text"), "for both");
	assert_int_equal(rig.n_calls, 2);
	end();
}

/* --- doubt and restart --- */

static void test_restart(void **state)
{
	for (int boot = 0; boot < 2; boot++) {
		begin(BOTH STATUS);
		run_one();
		rig_pass(&rig, 2 * SEC);
		rig_answer(&rig, 0, 202, "{\"job_id\": \"j\"}");
		rig_pass(&rig, 5 * SEC);
		if (boot == 0) {
			rig_restart(&rig);
			rig_pass(&rig, 5 * SEC);
		} else {
			rig_reboot(&rig, 5 * SEC, 0);
		}
		check_open(0, 100000);
		assert_int_equal(rig.n_calls, 2);
		rig_restart(&rig); /* with a poll under way, which is asked again */
		check_open(0, 100000);
		rig_pass(&rig, 11 * SEC);
		assert_int_equal(rig.n_calls, 3);
		rig_answer(&rig, 2, 200, "{\"text\": \"after\"}");
		check_done("after", 100000);
		end();
	}
	begin(CALLED);
	run_one();
	rig_answer(&rig, 0, 202, "{}");
	rig_restart(&rig);
	rig_reboot(&rig, HOUR, 10 * MIN);
	called(token(0), "{\"text\": \"after\"}", true);
	check_done("after", 100000);
	end();
	begin(CALLED); /* the time that it was away counts */
	run_one();
	rig_answer(&rig, 0, 202, "{}");
	rig_reboot(&rig, 3 * HOUR, 0);
	assert_string_equal(rig_facts(&rig, 1, 1), "call in_doubt job-late");
	end();
}

/* An answer that was lost: its callback may yet come, for a while. */
static void test_doubt(void **state)
{
	static const struct {
		const char *rule, *item;
		size_t calls;
	} cases[] = {{"hold", "parked in-doubt", 1}, {"{repeat: 1}", "waiting", 2}, {"{lookup: look}", "waiting", 2}};

	for (size_t i = 0; i < 6; i++) {
		bool crash = i >= 3;
		char calls[3000];
		const char *rule = cases[i % 3].rule;

		(void)snprintf(calls, sizeof(calls),
		    "  ask:\n    post: /ask\n    json: {email: '${.email}', b: '${.call.callback}'}\n    price: {per_call: 0.10}\n    map: {text: .text}\n"
		    "    in_doubt: %s\n    job: {callback: {wait: 5m}}\n"
		    "  look:\n    get: /look\n    in_doubt: free\n    query: {email: '${.email}'}\n    map: {text: .text}\n",
		    rule);
		for (int comes = 0; comes < 2; comes++) {
			begin(calls);
			run_one();
			if (crash) {
				rig_restart(&rig);
			} else {
				rig_broken(&rig, 0);
			}
			rig_check(&rig);
			assert_string_equal(rig_state(&rig, 1, 1), "waiting");
			assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).reserved_micro, 100000);
			rig_pass(&rig, 5 * MIN - 2 * SEC);
			assert_int_equal(rig.n_calls, 1);
			if (comes == 1) {
				called(token(0), "{\"text\": \"told\"}", true);
				check_done("told", 100000);
				end();
				continue;
			}
			rig_pass(&rig, 3 * SEC);
			assert_int_equal(rig.n_calls, cases[i % 3].calls);
			assert_string_equal(rig_state(&rig, 1, 1), cases[i % 3].item);
			assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).in_doubt_micro, 100000);
			called(token(0), "{\"text\": \"told\"}", false);
			end();
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_called),
	    cmocka_unit_test(test_early),
	    cmocka_unit_test(test_own_map),
	    cmocka_unit_test(test_both),
	    cmocka_unit_test(test_joined),
	    cmocka_unit_test(test_restart),
	    cmocka_unit_test(test_doubt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
