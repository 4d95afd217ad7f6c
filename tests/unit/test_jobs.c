/*
 * lib/engine/job.c: what a service does behind its answer. The result comes once, however it comes and whenever: by a poll, by
 * a callback before the answer, twice, after a restart, too late.
 */
#include "engine_rig.h"
#include "lib/store/jobs.h"

#include <json-c/json.h>

#define MIN (60 * SEC)
#define HOUR (3600 * SEC)

#define HEAD                                                                                       \
	"service: slow\n"                                                                          \
	"base: https://slow.example\n"                                                             \
	"breaker: off\n"                                                                           \
	"calls:\n"
#define STATUS                                                                                     \
	"  status:\n"                                                                              \
	"    get: /jobs/${.job}\n"                                                                 \
	"    query: {who: '${.email}'}\n"                                                          \
	"    outcomes:\n"                                                                          \
	"    - {status: 404, body: {.status: result_pending}, is: pending}\n"                      \
	"    - {status: 200, body: {.state: running}, is: pending}\n"                              \
	"    - {status: 200, body: {.state: failed}, is: permanent, reason: job-failed}\n"         \
	"    - {status: 200, body: {.state: timed-out}, is: transient, reason: job-timed-out}\n"   \
	"    hints: [{body: .delay, tells: retry-after}]\n"                                        \
	"    map: {text: .text}\n"
#define ASK(job, doubt)                                                                            \
	"  ask:\n"                                                                                 \
	"    post: /ask\n"                                                                         \
	"    json: {email: '${.email}', back: '${.call.callback}'}\n"                              \
	"    price: {per_call: 0.10}\n"                                                            \
	"    map: {text: .text}\n"                                                                 \
	"    in_doubt: " doubt "\n"                                                                \
	"    job: {" job "}\n"
#define POLLED                                                                                     \
	"  ask:\n"                                                                                 \
	"    post: /ask\n"                                                                         \
	"    json: {email: '${.email}'}\n"                                                         \
	"    price: {per_call: 0.10}\n"                                                            \
	"    job: {id: .job_id, poll: status, every: 10s, within: 1h}\n"
#define BOTH ASK("id: .job_id, poll: status, every: 10s, within: 2h, callback: {wait: 5m}", "hold")
#define CALLED ASK("within: 2h, callback: {wait: 5m}", "hold")
#define PIPELINE                                                                                   \
	"pipeline: p\n"                                                                            \
	"stages: [{stage: ask, call: slow.ask, with: {email: '${.email}'}}]\n"
#define SETTINGS                                                                                   \
	"callback_url: https://leadd.example.com/\n"                                               \
	"campaigns: {c: {pipeline: p}}\n"

static struct rig rig;

static void begin_with(const char *head, const char *calls)
{
	char text[4000];

	rig_begin(&rig);
	(void)snprintf(text, sizeof(text), "%s%s", head, calls);
	rig_write(&rig, "services/slow.yaml", text);
	rig_write(&rig, "pipelines/p.yaml", PIPELINE);
	rig_write(&rig, "leadd.yaml", SETTINGS);
	rig_open(&rig);
}

static void begin(const char *calls)
{
	begin_with(HEAD, calls);
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

/* The token in what that call sent. */
static const char *token(size_t call)
{
	static char text[64];
	const char *at = strstr(rig.calls[call].body, "https://leadd.example.com/v1/callbacks/");

	assert_non_null(at);
	(void)snprintf(text, sizeof(text), "%.32s", at + strlen("https://leadd.example.com/v1/callbacks/"));
	assert_int_equal(strspn(text, "0123456789abcdef"), 32);
	assert_int_equal(at[strlen("https://leadd.example.com/v1/callbacks/") + 32], '"');
	return text;
}

static struct told call_back(const char *with, const char *body)
{
	struct command c = {.kind = COMMAND_CALLBACK, .body = strdup(body), .body_len = strlen(body)};

	(void)snprintf(c.token, sizeof(c.token), "%.39s", with);
	return rig_command(&rig, &c);
}

/* It was answered 200; effect: it changed something. */
static void called(const char *with, const char *body, bool effect)
{
	struct told t = call_back(with, body);

	assert_int_equal(t.rc, 0);
	assert_int_equal(t.count, effect ? 0 : 1);
	rig_check(&rig);
}

static struct job_row job(size_t call)
{
	struct txn *t = NULL;
	struct job_row r;

	assert_int_equal(txn_begin(rig.store, false, &t, NULL), 0);
	assert_true(job_read(t, rig.calls[call].id, &r));
	txn_abort(t);
	return r;
}

static void run_one(void)
{
	assert_int_equal(rig_run(&rig, "c", "email\na@x.example\n"), 1);
	assert_int_equal(rig.n_calls, 1);
}

/* Money, place and item of a job that is open. */
static void check_open(size_t call, int64_t reserved)
{
	struct call_row row = rig_row(&rig, call);

	rig_check(&rig);
	assert_int_equal(row.state, CALL_SENT);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).reserved_micro, reserved);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).settled_micro, 0);
	assert_string_equal(rig_state(&rig, 1, 1), "waiting");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_RUNNING);
}

static void check_done(const char *text, int64_t settled)
{
	struct balance b = rig_balance(&rig, ACCOUNT_RUN, 1);

	rig_check(&rig);
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
	assert_string_equal(rig_field(&rig, 1, 1, "text"), text);
	assert_int_equal(b.settled_micro, settled);
	assert_int_equal(b.reserved_micro, 0);
	assert_int_equal(b.calls[CALL_RESERVED], 0);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_int_equal(engine_in_flight(rig.engine), 0);
}

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
	    cmocka_unit_test(test_polled),
	    cmocka_unit_test(test_poll_classes),
	    cmocka_unit_test(test_no_job),
	    cmocka_unit_test(test_late),
	    cmocka_unit_test(test_throttled),
	    cmocka_unit_test(test_two_hours),
	    cmocka_unit_test(test_long_answer),
	    cmocka_unit_test(test_long_doubt),
	    cmocka_unit_test(test_called),
	    cmocka_unit_test(test_early),
	    cmocka_unit_test(test_own_map),
	    cmocka_unit_test(test_both),
	    cmocka_unit_test(test_joined),
	    cmocka_unit_test(test_restart),
	    cmocka_unit_test(test_doubt),
	    cmocka_unit_test(test_reload),
	    cmocka_unit_test(test_cancel),
	    cmocka_unit_test(test_paused_service),
	    cmocka_unit_test(test_disk_full),
	    cmocka_unit_test(test_place),
	    cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
