/*
 * lib/engine/stage/stage.c: what each class of answer does to the item: keep, repeat, next step of the
 * chain, fail, pass, hold; gates and their repeats; looking calls in doubt up; reading back.
 */
#include "engine_rig.h"

#define LEADD "campaigns: {c: {pipeline: p, vars: {goal: dinner}}}\n"
#define ONE                                                                                        \
	"service: one\n"                                                                           \
	"base: https://one.example\n"                                                              \
	"quota: {probe: 100s}\n"                                                                   \
	"breaker: off\n"                                                                           \
	"outcomes:\n"                                                                              \
	"  - {status: 409, is: duplicate}\n"                                                       \
	"  - {status: 404, is: empty}\n"                                                           \
	"  - {status: 202, is: pending, reason: not-yet}\n"                                        \
	"  - {status: 422, is: refusal, reason: declined}\n"                                       \
	"calls:\n"                                                                                 \
	"  write:\n"                                                                               \
	"    post: /write\n"                                                                       \
	"    json: {email: '${.email}', tone: '${.tone}'}\n"                                       \
	"    optional: [tone]\n"                                                                   \
	"    idempotency: {header: Idempotency-Key}\n"                                             \
	"    price: {per_call: 0.01, on: [ok, pending]}\n"                                         \
	"    retry: {transient: {attempts: 3, base: 1s, cap: 8s}, pending: {attempts: 3, base: "   \
	"10s}}\n"                                                                                  \
	"    map: {text: .text}\n"
#define DOUBT(what) ONE "    in_doubt: " what "\n"
#define FIND                                                                                       \
	"  find:\n"                                                                                \
	"    get: /find\n"                                                                         \
	"    query: {email: '${.email}'}\n"                                                        \
	"    map: {found: .id, found_text: .text}\n"

#define STAGE(more)                                                                                \
	"pipeline: p\n"                                                                            \
	"stages:\n"                                                                                \
	"  - stage: write\n"                                                                       \
	"    call: one.write\n"                                                                    \
	"    with: {email: '${.email}'}\n" more
#define PLAIN STAGE("")
#define CHAIN(more)                                                                                \
	"pipeline: p\n"                                                                            \
	"stages:\n"                                                                                \
	"  - stage: write\n"                                                                       \
	"    with: {email: '${.email}'}\n"                                                         \
	"    give: {copy: '${.text}', by: '${.model // \"one\"}'}\n"                               \
	"    chain:\n"                                                                             \
	"      - {call: one.write, with: {tone: warm}}\n"                                          \
	"      - {call: one.write, with: {tone: cool}}\n"                                          \
	"      - {template: 'Dear ${.first_name}, ${.campaign.goal}?'}\n" more

static struct rig rig;

/* One lead, whose first call is started. */
static uint32_t begin(const char *service, const char *pipeline)
{
	uint32_t run;

	rig_begin(&rig);
	rig_write(&rig, "services/one.yaml", service);
	rig_write(&rig, "pipelines/p.yaml", pipeline);
	rig_write(&rig, "leadd.yaml", LEADD);
	rig_open(&rig);
	run = rig_run(&rig, "c", "email,first name\nann@x.example,Ann\n");
	assert_int_equal(run, 1);
	assert_int_equal(rig.n_calls, 1);
	return run;
}

static void state_is(const char *state)
{
	assert_string_equal(rig_state(&rig, 1, 1), state);
}

static void facts_are(const char *facts)
{
	assert_string_equal(rig_facts(&rig, 1, 1), facts);
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

/* The call made next is number n of all; nothing else is under way. */
static void next_is(size_t n)
{
	assert_int_equal(rig.n_calls, n);
	assert_int_equal(rig_last(&rig), n - 1);
	assert_int_equal(engine_in_flight(rig.engine), 1);
}

static void test_ok(void **state)
{
	begin(ONE, PLAIN);
	assert_string_equal(rig.calls[0].url, "https://one.example/write");
	assert_string_equal(rig.calls[0].body, "{\"email\":\"ann@x.example\"}");
	rig_answer(&rig, 0, 200, "{\"text\":\"hi\"}");
	state_is("ready");
	facts_are("call ok");
	assert_string_equal(rig_field(&rig, 1, 1, "text"), "hi");
	assert_int_equal(rig_row(&rig, 0).state, CALL_SETTLED);
	assert_int_equal(rig_item(&rig, 1, 1).spent_micro, 10000);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_int_equal(rig.n_ended, 1);
	end();
}

static void test_duplicate(void **state)
{
	begin(ONE, STAGE("    on_empty: hold\n"));
	rig_answer(&rig, 0, 409, "");
	state_is("ready");
	facts_are("call duplicate http-409");
	assert_int_equal(rig_row(&rig, 0).state, CALL_REFUNDED);
	end();
}

static void test_empty(void **state)
{
	static const char *const policy[][2] = {
	    {"fail", "rejected http-404"}, {"pass", "ready"}, {"hold", "parked http-404"}};

	for (size_t i = 0; i < 3; i++) {
		char pipeline[300];

		(void)snprintf(
		    pipeline, sizeof(pipeline), "%s    on_empty: %s\n", PLAIN, policy[i][0]);
		begin(ONE, pipeline);
		rig_answer(&rig, 0, 404, "");
		state_is(policy[i][1]);
		assert_int_equal(rig_run_row(&rig, 1)->stages[0].count.empty, 1);
		end();
	}
}

static void test_pending(void **state)
{
	begin(ONE, PLAIN);
	rig_answer(&rig, 0, 202, "{}");
	state_is("retrying");
	assert_true(rig_item(&rig, 1, 1).due_us - rig.now.boot_us <= 10 * SEC);
	rig_pass(&rig, 10 * SEC);
	next_is(2);
	assert_int_equal(rig_row(&rig, 0).state, CALL_SETTLED);
	rig_answer(&rig, 1, 200, "{\"text\":\"late\"}");
	state_is("ready");
	facts_are("call pending not-yet; call ok");
	end();
}

/* What is pending at the last try is what there is: the gates judge it. */
static void test_pending_at_last(void **state)
{
	static const char *const gates =
	    STAGE("    gates: [{field: text, in: [done], reason: undone}]\n");

	for (int done = 0; done < 2; done++) {
		begin(ONE, gates);
		for (size_t i = 0; i < 3; i++) {
			next_is(i + 1);
			rig_answer(
			    &rig, i, 202, done ? "{\"text\":\"done\"}" : "{\"text\":\"half\"}");
			rig_pass(&rig, 60 * SEC);
		}
		state_is(done ? "ready" : "rejected undone");
		assert_int_equal(rig.n_calls, 3);
		end();
	}
}

static void test_throttle(void **state)
{
	struct http_header after = {.name = "Retry-After", .value = "30"};
	struct http_answer h = {.status = 429, .headers = &after, .n_headers = 1};

	begin(ONE, PLAIN);
	for (size_t i = 0; i < 5; i++) { /* without end, and never sooner than asked */
		next_is(i + 1);
		rig_answer_with(&rig, i, &h);
		state_is("retrying");
		assert_in_range(rig_item(&rig, 1, 1).due_us - rig.now.boot_us, 30 * SEC, 31 * SEC);
		rig_pass(&rig, 29 * SEC);
		assert_int_equal(rig.n_calls, i + 1);
		rig_pass(&rig, 2 * SEC);
	}
	rig_answer(&rig, 5, 200, "{}");
	state_is("ready");
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).settled_micro, 10000);
	end();
}

static void fail_transient(size_t from, size_t n)
{
	for (size_t i = from; i < from + n; i++) {
		next_is(i + 1);
		rig_answer(&rig, i, 500, "");
		rig_pass(&rig, 8 * SEC);
	}
}

static void test_transient(void **state)
{
	static const char *const policy[][2] = {
	    {"fail", "failed http-500"}, {"pass", "ready"}, {"hold", "parked http-500"}};

	for (size_t i = 0; i < 3; i++) {
		char pipeline[300];

		(void)snprintf(
		    pipeline, sizeof(pipeline), "%s    on_fail: %s\n", PLAIN, policy[i][0]);
		begin(ONE, pipeline);
		fail_transient(0, 3);
		assert_int_equal(rig.n_calls, 3);
		state_is(policy[i][1]);
		facts_are(strcmp(policy[i][0], "pass") == 0
			      ? "call transient http-500; call transient http-500; call transient http-500; warning http-500"
			      : "call transient http-500; call transient http-500; call transient http-500");
		end();
	}
}

static void fail_unsent(size_t first, unsigned n)
{
	static const struct http_answer h = {.transport = TRANSPORT_UNSENT, .why = "no-address"};

	for (size_t i = first; i < first + n; i++) {
		rig_answer_with(&rig, i, &h);
		rig_pass(&rig, 300 * SEC);
	}
}

/* What never left is repeated like a transient failure, and costs nothing. */
static void test_unsent(void **state)
{
	begin(ONE, PLAIN);
	fail_unsent(0, 1);
	assert_int_equal(rig_row(&rig, 0).state, CALL_REFUNDED);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).refunded_micro, 10000);
	next_is(2);
	fail_unsent(1, 2);
	state_is(
	    "failed no-address"); /* nothing else would ever end it: the service has no breaker */
	end();
}

/* Behind a breaker a lead outlasts a service that cannot be reached, however long; then its
 * attempts are all left. */
static void test_unreachable(void **state)
{
	static char guarded[4000];
	char *line;

	(void)snprintf(guarded, sizeof(guarded), "%s", ONE);
	line = strstr(guarded, "breaker: off");
	memcpy(line, "margin: 1s  ", 12);
	begin(guarded, PLAIN);
	fail_unsent(0, 20);
	for (size_t i = 20; i < 22; i++) {
		next_is(i + 1);
		rig_answer(&rig, i, 500, "");
		rig_pass(&rig, 300 * SEC);
	}
	next_is(23);
	rig_answer(&rig, 22, 200, "{\"text\":\"hi\"}");
	state_is("ready");
	end();
}

/* The next of a chain may be reached where the first is not. */
static void test_unsent_chain(void **state)
{
	begin(ONE, CHAIN(""));
	fail_unsent(0, 3);
	next_is(4);
	assert_string_equal(rig.calls[3].body, "{\"email\":\"ann@x.example\",\"tone\":\"cool\"}");
	end();
}

/* Attempts used up in one step: the next step begins anew; at the end a fixed text. */
static void test_chain(void **state)
{
	begin(ONE, CHAIN(""));
	assert_string_equal(rig.calls[0].body, "{\"email\":\"ann@x.example\",\"tone\":\"warm\"}");
	fail_transient(0, 3);
	assert_string_equal(rig.calls[3].body, "{\"email\":\"ann@x.example\",\"tone\":\"cool\"}");
	rig_answer(&rig, 3, 422, "{\"text\":\"I will not\"}");
	state_is("ready");
	assert_string_equal(rig_field(&rig, 1, 1, "copy"), "Dear Ann, dinner?");
	assert_string_equal(rig_field(&rig, 1, 1, "by"), "template");
	facts_are("call transient http-500; call transient http-500; call transient http-500; call "
		  "refusal declined; template");
	end();
}

static void test_chain_by_class(void **state)
{
	static const int statuses[] = {404, 422, 400};

	for (size_t i = 0; i < 3; i++) { /* empty, refusal, permanent lead on at once */
		begin(ONE, CHAIN(""));
		rig_answer(&rig, 0, statuses[i], "{}");
		next_is(2);
		assert_non_null(strstr(rig.calls[1].body, "cool"));
		rig_answer(&rig, 1, 200, "{\"text\":\"yes\"}");
		assert_string_equal(rig_field(&rig, 1, 1, "copy"), "yes");
		assert_string_equal(rig_field(&rig, 1, 1, "by"), "one");
		end();
	}
}

/* The fixed text passes the same gates as any other. */
static void test_fallback_refused(void **state)
{
	begin(ONE, CHAIN("    gates: [{check: copy-words, min: 4}]\n"));
	rig_answer(&rig, 0, 400, "{}");
	rig_answer(&rig, 1, 400, "{}");
	assert_int_equal(strncmp(rig_state(&rig, 1, 1), "rejected ", 9), 0);
	assert_int_equal(rig_run_row(&rig, 1)->stages[0].count.rejected, 1);
	end();
}

static void test_gate_retries(void **state)
{
	begin(ONE, CHAIN("    gate_retries: 1\n    gates: [{field: copy, not_in: [bad], reason: "
			 "bad-copy}]\n"));
	for (size_t i = 0; i < 4; i++) { /* each step twice */
		next_is(i + 1);
		assert_non_null(strstr(rig.calls[i].body, i < 2 ? "warm" : "cool"));
		rig_answer(&rig, i, 200, "{\"text\":\"bad\"}");
	}
	state_is("ready");
	assert_string_equal(rig_field(&rig, 1, 1, "by"), "template");
	assert_int_equal(
	    rig_balance(&rig, ACCOUNT_RUN, 1).settled_micro, 40000); /* each was paid */
	assert_string_not_equal(
	    rig.calls[0].key, rig.calls[1].key); /* another text is wanted, not the same again */
	end();
}

/* A used-up allowance parks the key: the item waits and costs nothing. */
static void test_quota_waits(void **state)
{
	begin(ONE, PLAIN);
	rig_answer(&rig, 0, 402, "{\"message\":\"out of credits\"}");
	state_is("waiting");
	rig_pass(&rig, 99 * SEC);
	assert_int_equal(rig.n_calls, 1);
	rig_pass(&rig, SEC); /* the probe */
	next_is(2);
	rig_answer(&rig, 1, 401, "");
	state_is("waiting");
	rig_pass(&rig, 100 * SEC);
	next_is(3);
	rig_answer(&rig, 2, 200, "{}");
	state_is("ready");
	facts_are("call quota http-402; call auth http-401; call ok");
	end();
}

static void test_quota_next(void **state)
{
	static const int statuses[] = {402, 401, 429};

	for (size_t i = 0; i < 3; i++) {
		begin(ONE, CHAIN("    on_quota: next\n"));
		rig_answer(&rig, 0, statuses[i], "{}");
		rig_pass(&rig, 101 * SEC); /* the other step has the same parked key here */
		next_is(2);
		assert_non_null(strstr(rig.calls[1].body, "cool"));
		end();
	}
}

/* --- in doubt --- */

/* Counted as paid, and held for a person; nothing else can move, so the run parks it and ends. */
static void test_doubt_hold(void **state)
{
	begin(ONE, PLAIN);
	rig_broken(&rig, 0);
	state_is("parked in-doubt");
	assert_int_equal(rig_row(&rig, 0).state, CALL_IN_DOUBT);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).in_doubt_micro, 10000);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	end();
}

static void test_doubt_repeat(void **state)
{
	begin(DOUBT("{repeat: 1}"), PLAIN);
	rig_broken(&rig, 0);
	next_is(2);
	assert_string_equal(rig.calls[0].key, rig.calls[1].key); /* the same again */
	assert_true(rig.calls[0].key[0] != 0);
	rig_broken(&rig, 1);
	state_is("parked in-doubt");
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).in_doubt_micro, 20000);
	end();
}

static void test_doubt_free(void **state)
{
	begin(ONE FIND,
	    "pipeline: p\nstages: [{stage: find, call: one.find, with: {email: '${.email}'}}]\n");
	rig_broken(&rig, 0);
	state_is("retrying");
	assert_int_equal(rig_row(&rig, 0).state, CALL_SETTLED);
	end();
}

/* A 2xx that is cut short was done by somebody: the same rule holds. */
static void test_doubt_garbage(void **state)
{
	begin(ONE, PLAIN);
	rig_answer(&rig, 0, 200, "{\"text\":\"h");
	state_is("parked in-doubt");
	end();
}

static void test_lookup(void **state)
{
	begin(DOUBT("{lookup: find}") FIND, PLAIN);
	rig_broken(&rig, 0);
	next_is(2);
	assert_string_equal(rig.calls[1].url, "https://one.example/find?email=ann%40x.example");
	rig_answer(&rig, 1, 200, "{\"id\":7}");
	state_is("ready");
	facts_are("call in_doubt reset; call ok");
	end();
}

/* What a look-up finds is the stage's result like any answer: what it gives is kept, its gates
 * judge it. */
static void test_lookup_gives(void **state)
{
	static const char *const found[][2] = {
	    {"{\"text\":\"hi\"}", "ready"}, {"{\"text\":\"no\"}", "rejected dull"}};

	for (int i = 0; i < 2; i++) {
		begin(DOUBT("{lookup: find}") FIND,
		    STAGE("    give: {copy: '${.found_text}'}\n"
			  "    gates: [{field: copy, in: [hi], reason: dull}]\n"));
		rig_broken(&rig, 0);
		rig_answer(&rig, 1, 200, found[i][0]);
		state_is(found[i][1]);
		assert_string_equal(rig_field(&rig, 1, 1, "copy"), i == 0 ? "hi" : "no");
		end();
	}
}

static void test_lookup_empty(void **state)
{
	begin(DOUBT("{lookup: find}") FIND, PLAIN);
	rig_broken(&rig, 0);
	rig_answer(&rig, 1, 404, "");
	next_is(3); /* certainly not done: so now */
	assert_string_equal(rig.calls[2].url, rig.calls[0].url);
	assert_string_equal(rig.calls[2].key, rig.calls[0].key);
	rig_answer(&rig, 2, 200, "{\"text\":\"hi\"}");
	state_is("ready");
	end();
}

/* As long as nobody could say, the item is never pushed on nor failed: it is held. */
static void test_lookup_fails(void **state)
{
	static const int statuses[] = {400, 422, 500, 202};

	for (size_t i = 0; i < 4; i++) {
		begin(DOUBT("{lookup: find}") FIND, STAGE("    on_fail: pass\n"));
		rig_broken(&rig, 0);
		for (size_t n = 1; n < 100 && strncmp(rig_state(&rig, 1, 1), "parked", 6) != 0;
		     n++) {
			next_is(n + 1);
			rig_answer(&rig, n, statuses[i], "{}");
			rig_pass(&rig, 60 * SEC);
		}
		state_is("parked in-doubt");
		end();
	}
}

/* A step behind the first can be looked up as well. */
static void test_lookup_in_chain(void **state)
{
	begin(DOUBT("{lookup: find}") FIND, CHAIN(""));
	rig_answer(&rig, 0, 400, "");
	next_is(2);
	rig_broken(&rig, 1);
	next_is(3);
	assert_string_equal(rig.calls[2].url, "https://one.example/find?email=ann%40x.example");
	rig_answer(&rig, 2, 200, "{}");
	state_is("ready");
	end();
}

/* --- push and confirm --- */

#define CONFIRM_OFTEN CONFIRM_AGAIN("5")
#define CONFIRM CONFIRM_AGAIN("1")
#define CONFIRM_AGAIN(repairs)                                                                                 \
	"pipeline: p\n"                                                                            \
	"stages:\n"                                                                                \
	"  - {stage: push, push: one.write, with: {email: '${.email}'}}\n"                         \
	"  - stage: confirm\n"                                                                     \
	"    confirm: one.find\n"                                                                  \
	"    with: {email: '${.email}'}\n"                                                         \
	"    expect: {found: '${.text}'}\n"                                                        \
	"    missing: {wait: 5s, looks: 2, repair: push, repairs: " repairs "}\n"

static void test_confirmed(void **state)
{
	begin(ONE FIND, CONFIRM);
	rig_answer(&rig, 0, 200, "{\"text\":\"7\"}");
	rig_answer(&rig, 1, 200, "{\"id\":7}");
	state_is("confirmed");
	end();
}

/* What was pushed without a value is there without one, however the tool writes that. */
static void test_confirmed_blank(void **state)
{
	static const char *const blank[] = {"{\"id\":null}", "{\"id\":\"\"}", "{}"};

	for (size_t i = 0; i < 3; i++) {
		begin(ONE FIND, CONFIRM);
		rig_answer(&rig, 0, 200, "{\"text\":\"\"}");
		rig_answer(&rig, 1, 200, blank[i]);
		state_is("confirmed");
		end();
	}
}

static void look(size_t call, int status, const char *body)
{
	next_is(call + 1);
	assert_non_null(strstr(rig.calls[call].url, "/find"));
	rig_answer(&rig, call, status, body);
	rig_pass(&rig, 5 * SEC);
}

/* Missing or different: look twice, push once more, look twice, leave it delivered. */
static void test_confirm_repairs(void **state)
{
	begin(ONE FIND, CONFIRM);
	rig_answer(&rig, 0, 200, "{\"text\":\"7\"}");
	look(1, 404, "");
	look(2, 200, "{\"id\":8}");
	next_is(4);
	assert_string_equal(rig.calls[3].url, "https://one.example/write");
	assert_string_not_equal(
	    rig.calls[3].key, rig.calls[0].key); /* the first one was lost there */
	rig_answer(&rig, 3, 409, "");
	look(4, 404, "");
	look(5, 404, "");
	state_is("delivered http-404");
	assert_int_equal(rig.n_calls, 6);
	end();
}

/* It is there, but otherwise than it was pushed: a tool that overwrites has it right after one more push, one that skips whom it has
 * never will, and each repair of thousands costs calls. So one push more, whatever `repairs` allows for those that are missing. */
static void test_confirm_differs(void **state)
{
	begin(ONE FIND, CONFIRM_OFTEN);
	rig_answer(&rig, 0, 200, "{\"text\":\"7\"}");
	look(1, 200, "{\"id\":8}");
	look(2, 200, "{\"id\":8}");
	assert_string_equal(rig.calls[3].url, "https://one.example/write");
	rig_answer(&rig, 3, 409, "");
	look(4, 200, "{\"id\":8}");
	look(5, 200, "{\"id\":8}");
	state_is("delivered not-as-pushed");
	assert_int_equal(rig.n_calls, 6);
	end();
}

/* A look that failed is no look: it must not use up what `looks` allows. */
static void test_confirm_looks_only(void **state)
{
	begin(ONE FIND, CONFIRM);
	rig_answer(&rig, 0, 200, "{\"text\":\"7\"}");
	look(1, 500, "");
	look(2, 500, "");
	look(3, 404, "");
	look(4, 200, "{\"id\":7}");
	state_is("confirmed");
	end();
}

/* What cannot be read back is delivered all the same; what could not be pushed again is not there.
 */
static void test_confirm_fails(void **state)
{
	begin(ONE FIND, CONFIRM);
	rig_answer(&rig, 0, 200, "{\"text\":\"7\"}");
	for (size_t i = 1; i <= 3; i++) {
		look(i, 500, "");
	}
	state_is("delivered http-500");
	end();

	begin(ONE FIND, CONFIRM);
	rig_answer(&rig, 0, 200, "{\"text\":\"7\"}");
	look(1, 404, "");
	look(2, 404, "");
	rig_answer(&rig, 3, 400, "");
	state_is("failed http-400");
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ok),
	    cmocka_unit_test(test_duplicate),
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_pending),
	    cmocka_unit_test(test_pending_at_last),
	    cmocka_unit_test(test_throttle),
	    cmocka_unit_test(test_transient),
	    cmocka_unit_test(test_unsent),
	    cmocka_unit_test(test_unreachable),
	    cmocka_unit_test(test_unsent_chain),
	    cmocka_unit_test(test_chain),
	    cmocka_unit_test(test_chain_by_class),
	    cmocka_unit_test(test_fallback_refused),
	    cmocka_unit_test(test_gate_retries),
	    cmocka_unit_test(test_quota_waits),
	    cmocka_unit_test(test_quota_next),
	    cmocka_unit_test(test_doubt_hold),
	    cmocka_unit_test(test_doubt_repeat),
	    cmocka_unit_test(test_doubt_free),
	    cmocka_unit_test(test_doubt_garbage),
	    cmocka_unit_test(test_lookup),
	    cmocka_unit_test(test_lookup_gives),
	    cmocka_unit_test(test_lookup_empty),
	    cmocka_unit_test(test_lookup_fails),
	    cmocka_unit_test(test_lookup_in_chain),
	    cmocka_unit_test(test_confirmed),
	    cmocka_unit_test(test_confirmed_blank),
	    cmocka_unit_test(test_confirm_repairs),
	    cmocka_unit_test(test_confirm_differs),
	    cmocka_unit_test(test_confirm_looks_only),
	    cmocka_unit_test(test_confirm_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
