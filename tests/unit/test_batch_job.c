/*
 * lib/engine/call/job_batch.c: a list that is handed in, worked on behind the answer and read by its elements: what each lead is told,
 * what each pays, and that a restart in between changes nothing.
 */
#include "engine_rig.h"

#define SEC US_PER_S
#define JOB "    job: {id: .job_id, poll: results, every: 10s, within: 1h}\n"
#define SERVICE(job) SERVICE_ON("ok", job)
#define SERVICE_ON(on, job)                                                                        \
	"service: one\n"                                                                           \
	"base: https://one.example\n"                                                              \
	"keys: [a]\n"                                                                              \
	"auth: bearer\n"                                                                           \
	"breaker: off\n"                                                                           \
	"calls:\n"                                                                                 \
	"  create:\n"                                                                              \
	"    post: /jobs\n"                                                                        \
	"    json: {input: '${.items}'}\n"                                                         \
	"    price: {per_item: 0.01, on: [" on "]}\n"                                              \
	"    in_doubt: hold\n"                                                                     \
	"    batch: {size: 10, each: {email: '${.email}'}, answers: .results, join: {item: '${.email}', answer: .data.email}, "    \
	"outcomes: [{body: {.verification.result: unknown}, is: empty, reason: unknown}]}\n"       \
	"    map: {verdict: .verification.result}\n" job                                           \
	"  results:\n"                                                                             \
	"    get: '/jobs/${.job}/results'\n"                                                       \
	"    outcomes: [{status: 200, body: {.status: running}, is: pending}, {status: 200, body: {.status: failed}, is: permanent, reason: job-failed}]\n"
#define PIPELINE                                                                                   \
	"pipeline: p\n"                                                                            \
	"stages: [{stage: verify, call: one.create, with: {email: '${.email}'}}]\n"
#define FOUR "email\na@x.example\nb@x.example\nc@x.example\nd@x.example\n"
#define RESULTS                                                                                    \
	"{\"status\":\"done\",\"results\":[{\"data\":{\"email\":\"C@x.example\"},\"verification\":{\"result\":\"valid\"}},"   \
	"{\"data\":{\"email\":\"b@x.example\"},\"verification\":{\"result\":\"unknown\"}},"        \
	"{\"data\":{\"email\":\"a@x.example\"},\"verification\":{\"result\":\"invalid\"}}]}"

static struct rig rig;

static void begin(const char *service)
{
	rig_begin(&rig);
	rig_write(&rig, "secrets/a", "key-a\n");
	rig_write(&rig, "services/one.yaml", service);
	rig_write(&rig, "pipelines/p.yaml", PIPELINE);
	rig_write(&rig, "leadd.yaml", "callback_url: https://x.example\ncampaigns: {c: {pipeline: p}}\n");
	rig_open(&rig);
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

/* d is in no element: it is empty, and free. */
static void told(void)
{
	assert_string_equal(rig_field(&rig, 1, 1, "verdict"), "invalid");
	assert_string_equal(rig_state(&rig, 1, 2), "rejected unknown");
	assert_string_equal(rig_field(&rig, 1, 3, "verdict"), "valid");
	assert_string_equal(rig_state(&rig, 1, 4), "rejected not-in-answer");
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).settled_micro, 20000);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).reserved_micro, 0);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
}

/* In memory all the time, after a restart before the first poll, after one with a poll under way. */
static void test_polled(void **state)
{
	(void)state;
	for (int restart = 0; restart < 3; restart++) {
		size_t n;

		begin(SERVICE(JOB));
		assert_int_equal(rig_run(&rig, "c", FOUR), 1);
		assert_int_equal(rig.n_calls, 1);
		rig_answer(&rig, 0, 200, "{\"job_id\": 70}");
		assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).reserved_micro, 40000);
		if (restart == 1) {
			rig_restart(&rig);
		}
		rig_pass(&rig, 10 * SEC);
		assert_int_equal(rig.n_calls, 2);
		assert_string_equal(rig.calls[1].url, "https://one.example/jobs/70/results");
		if (restart == 2) {
			rig_restart(&rig);
			rig_pass(&rig, 30 * SEC);
		}
		n = rig.n_calls;
		rig_answer(&rig, n - 1, 200, "{\"status\":\"running\"}");
		rig_pass(&rig, 10 * SEC);
		assert_int_equal(rig.n_calls, n + 1);
		rig_answer(&rig, n, 200, RESULTS);
		told();
		rig_restart(&rig);
		told();
		end();
	}
}

/* With a restart before it comes, and before the answer of its call. */
static void test_called(void **state)
{
	(void)state;
	for (int early = 0; early < 2; early++) {
		struct command c = {.kind = COMMAND_CALLBACK, .body = strdup(RESULTS), .body_len = strlen(RESULTS)};

		begin(SERVICE("    query: {back: '${.call.callback}'}\n    job: {callback: true}\n"));
		rig_run(&rig, "c", FOUR);
		assert_int_equal(rig.n_calls, 1);
		(void)snprintf(c.token, sizeof(c.token), "%s", rig.calls[0].url + strlen(rig.calls[0].url) - 32);
		if (early == 0) {
			rig_answer(&rig, 0, 202, "{}");
			rig_restart(&rig);
		}
		assert_int_equal(rig_command(&rig, &c).rc, 0);
		if (early == 1) {
			assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).reserved_micro, 40000);
			rig_answer(&rig, 0, 202, "{}");
		}
		told();
		end();
	}
}

static void still_running(int times, int64_t wait_us)
{
	for (int i = 0; i < times; i++) {
		rig_pass(&rig, wait_us);
		for (size_t k = 1; k < rig.n_calls; k++) {
			if (rig.calls[k].open) {
				rig_answer(&rig, k, 200, "{\"status\":\"running\"}");
			}
		}
	}
}

static void test_whole(void **state)
{
	(void)state;
	begin(SERVICE(JOB)); /* it comes to nothing: for all of them, and for nothing */
	rig_run(&rig, "c", FOUR);
	rig_answer(&rig, 0, 200, "{\"job_id\": 70}");
	rig_pass(&rig, 10 * SEC);
	rig_answer(&rig, 1, 200, "{\"status\":\"failed\"}");
	assert_string_equal(rig_state(&rig, 1, 1), "failed job-failed");
	assert_string_equal(rig_state(&rig, 1, 4), "failed job-failed");
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).settled_micro, 0);
	end();

	begin(SERVICE(JOB)); /* never: all that was reserved is in doubt */
	rig_run(&rig, "c", FOUR);
	rig_answer(&rig, 0, 200, "{\"job_id\": 70}");
	still_running(62, 60 * SEC);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).in_doubt_micro, 40000);
	assert_string_equal(rig_state(&rig, 1, 1), "parked in-doubt");
	end();

	begin(SERVICE_ON("ok, permanent", "    job: {id: .job_id, poll: results, every: 10s, within: 1min, late: permanent}\n")); /* never, and each pays for it */
	rig_run(&rig, "c", FOUR);
	rig_answer(&rig, 0, 200, "{\"job_id\": 70}");
	still_running(12, 10 * SEC);
	assert_string_equal(rig_state(&rig, 1, 1), "failed job-late");
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).settled_micro, 40000);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).reserved_micro, 0);
	end();

	begin(SERVICE(JOB)); /* refused at once: there is no job */
	rig_run(&rig, "c", FOUR);
	rig_answer(&rig, 0, 400, "{}");
	rig_pass(&rig, 60 * SEC);
	assert_int_equal(rig.n_calls, 1);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	end();
}

static void refuses(const char *service, const char *problem)
{
	rig_begin(&rig);
	rig_write(&rig, "secrets/a", "key-a\n");
	rig_write(&rig, "services/one.yaml", service);
	rig_write(&rig, "leadd.yaml", "callback_url: https://x.example\n");
	rig_refused(&rig, problem);
	rig_end(&rig);
}

static void test_mistakes(void **state)
{
	(void)state;
	refuses(SERVICE(JOB) "    price: {per_call: 0.01}\n", "has a price: what a batch costs its call says itself");
	refuses(SERVICE("    job: {id: .job_id, poll: results, callback: {map: {a: .b}}}\n"), "the callback of a batch is read as its call says");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_polled),
	    cmocka_unit_test(test_called),
	    cmocka_unit_test(test_whole),
	    cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
