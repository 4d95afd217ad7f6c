/* tests/unit/jobs_rig.h: a service that works on behind its answers, and one run that asks it. */
#pragma once

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

static inline void begin_with(const char *head, const char *calls)
{
	char text[4000];

	rig_begin(&rig);
	(void)snprintf(text, sizeof(text), "%s%s", head, calls);
	rig_write(&rig, "services/slow.yaml", text);
	rig_write(&rig, "pipelines/p.yaml", PIPELINE);
	rig_write(&rig, "leadd.yaml", SETTINGS);
	rig_open(&rig);
}

static inline void begin(const char *calls)
{
	begin_with(HEAD, calls);
}

static inline void end(void)
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

static inline struct told call_back(const char *with, const char *body)
{
	struct command c = {.kind = COMMAND_CALLBACK, .body = strdup(body), .body_len = strlen(body)};

	(void)snprintf(c.token, sizeof(c.token), "%.39s", with);
	return rig_command(&rig, &c);
}

/* It was answered 200; effect: it changed something. */
static inline void called(const char *with, const char *body, bool effect)
{
	struct told t = call_back(with, body);

	assert_int_equal(t.rc, 0);
	assert_int_equal(t.count, effect ? 0 : 1);
	rig_check(&rig);
}

static inline struct job_row job(size_t call)
{
	struct txn *t = NULL;
	struct job_row r;

	assert_int_equal(txn_begin(rig.store, false, &t, NULL), 0);
	assert_true(job_read(t, rig.calls[call].id, &r));
	txn_abort(t);
	return r;
}

static inline void run_one(void)
{
	assert_int_equal(rig_run(&rig, "c", "email\na@x.example\n"), 1);
	assert_int_equal(rig.n_calls, 1);
}

/* Money, place and item of a job that is open. */
static inline void check_open(size_t call, int64_t reserved)
{
	struct call_row row = rig_row(&rig, call);

	rig_check(&rig);
	assert_int_equal(row.state, CALL_SENT);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).reserved_micro, reserved);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).settled_micro, 0);
	assert_string_equal(rig_state(&rig, 1, 1), "waiting");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_RUNNING);
}

static inline void check_done(const char *text, int64_t settled)
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
