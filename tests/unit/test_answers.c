/*
 * lib/engine/call/answers.c: what services said is kept with the call's end, as long as it should be and
 * no longer, and never with a key in it.
 */
#include "engine_rig.h"

#include "lib/store/body.h"

#include <unistd.h>

#define DAY US_PER_DAY
#define ONE                                                                                        \
	"service: one\n"                                                                           \
	"base: https://one.example\n"                                                              \
	"keys: [one]\n"                                                                            \
	"auth: bearer\n"                                                                           \
	"breaker: off\n"                                                                           \
	"calls:\n"                                                                                 \
	"  write:\n"                                                                               \
	"    post: /write\n"                                                                       \
	"    json: {email: '${.email}'}\n"                                                         \
	"    price: {per_call: 0.01}\n"                                                            \
	"    retry: {transient: {base: 100s, cap: 100s}}\n"                                        \
	"    map: {text: .text}\n"
#define PIPELINE                                                                                   \
	"pipeline: p\n"                                                                            \
	"stages: [{stage: write, call: one.write, with: {email: '${.email}'}}]\n"
#define SETTINGS "secrets_dir: secrets\ncampaigns: {c: {pipeline: p}}\n"

static struct rig rig;

static void begin(const char *more)
{
	char text[800];

	rig_begin(&rig);
	rig_write(&rig, "services/one.yaml", ONE);
	rig_write(&rig, "pipelines/p.yaml", PIPELINE);
	rig_write(&rig, "secrets/one", "sk-0123456789");
	(void)snprintf(text, sizeof(text), "%s%s", SETTINGS, more);
	rig_write(&rig, "leadd.yaml", text);
	rig_open(&rig);
}

static void run(unsigned n)
{
	const struct run_row row = {.budget_micro = -1, .share = 1, .encoding = 255, .campaign = "c"};

	assert_int_equal(rig_run_leads(&rig, &row, n), 1);
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

static uint64_t kept(void)
{
	struct txn *t = NULL;
	uint64_t n;

	assert_int_equal(txn_begin(rig.store, false, &t, NULL), 0);
	n = txn_count(t, TABLE_BODY);
	txn_abort(t);
	return n;
}

/* The body kept for a call, "" for an empty one; fails when there is none. */
static const char *body_of(size_t call, struct body_row *row)
{
	static char text[256];
	struct txn *t = NULL;

	assert_int_equal(txn_begin(rig.store, false, &t, NULL), 0);
	assert_true(body_read(t, rig.calls[call].id, row));
	assert_true(row->bytes.len < sizeof(text));
	memcpy(text, row->bytes.data, row->bytes.len);
	text[row->bytes.len] = '\0';
	for (size_t i = 0; i < row->n_headers; i++) {
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s=%s",
		    row->headers[i].name, row->headers[i].value);
	}
	txn_abort(t);
	return text;
}

static void test_kept(void **state)
{
	struct http_header headers[] = {{"Retry-After", "3"}, {"Set-Cookie", "a=b"}};
	struct http_answer h = {.transport = TRANSPORT_ANSWERED,
	    .status = 503,
	    .headers = headers,
	    .n_headers = 2,
	    .body = "busy",
	    .body_len = 4};
	struct body_row row;

	begin("");
	run(2);
	assert_int_equal(kept(), 0);
	rig_answer_with(&rig, 0, &h);
	rig_broken(&rig, 1);
	assert_int_equal(kept(), 2);
	assert_string_equal(body_of(0, &row), "busy Retry-After=3");
	assert_int_equal(row.status, 503);
	assert_int_equal(row.transport, TRANSPORT_ANSWERED);
	assert_string_equal(body_of(1, &row), "");
	assert_int_equal(row.transport, TRANSPORT_BROKEN);
	rig_pass(&rig, 200 * SEC);
	assert_true(rig.n_calls > 2); /* asked again: the same question */
	assert_true(rig_row(&rig, 0).hash != 0);
	assert_true(rig_row(&rig, 0).hash != rig_row(&rig, 1).hash);
	for (size_t i = 2; i < rig.n_calls; i++) {
		struct call_row again = rig_row(&rig, i);

		assert_true(again.hash == rig_row(&rig, again.parts[0].number - 1).hash);
	}
	end();
}

/* Nobody knows whether it was asked: that is what a replay is told, too. */
static void test_restart(void **state)
{
	struct body_row row;
	uint64_t hash;

	begin("");
	run(1);
	hash = rig_row(&rig, 0).hash;
	rig_restart(&rig);
	rig_settle(&rig);
	assert_string_equal(body_of(0, &row), "");
	assert_int_equal(row.transport, TRANSPORT_BROKEN);
	assert_string_equal(row.why, "restarted");
	assert_true(rig_row(&rig, 0).hash == hash);
	end();
}

static void test_no_key(void **state)
{
	struct http_header headers[] = {{"x-key", "sk-0123456789"}};
	struct http_answer h = {.transport = TRANSPORT_ANSWERED,
	    .status = 200,
	    .headers = headers,
	    .n_headers = 1,
	    .body = "{\"text\":\"sk-0123456789 and sk-0123456789\"}",
	    .body_len = 42};
	struct body_row row;

	begin("");
	run(1);
	rig_answer_with(&rig, 0, &h);
	assert_string_equal(
	    body_of(0, &row), "{\"text\":\"************* and *************\"} x-key=*************");
	assert_string_equal(rig_field(&rig, 1, 1, "text"), "************* and *************");
	end();
}

/* The service is gone when its call ends: its keys are those it had. */
static void test_no_key_of_a_service_that_is_gone(void **state)
{
	char path[160];
	struct body_row row;

	begin("");
	run(1);
	(void)snprintf(path, sizeof(path), "%s/services/one.yaml", rig.dir);
	assert_int_equal(unlink(path), 0);
	rig_write(&rig, "pipelines/p.yaml", "pipeline: p\nstages:\n  - {stage: other, gates: [{check: role}]}\n");
	assert_int_equal(rig_reload(&rig).rc, 0);
	assert_int_equal(rig_reload(&rig).rc, 0);
	rig_answer(&rig, 0, 200, "{\"text\":\"sk-0123456789\"}");
	assert_string_equal(body_of(0, &row), "{\"text\":\"*************\"}");
	rig_write(&rig, "services/one.yaml", ONE);
	rig_write(&rig, "pipelines/p.yaml", PIPELINE);
	assert_int_equal(rig_reload(&rig).rc, 0);
	end();
}

static void test_expire(void **state)
{
	begin("answers: {keep: 2d}\n");
	run(500);
	for (size_t i = 0; i < 500; i++) {
		rig_answer(&rig, i, 200, "{\"text\":\"a\"}");
	}
	assert_int_equal(kept(), 500);
	rig_pass(&rig, 2 * DAY - 1 * SEC);
	assert_int_equal(kept(), 500);
	assert_true(rig.later_us != TIME_NEVER); /* an idle daemon looks, too */
	rig_pass(&rig, 100 * SEC);
	assert_int_equal(kept(), 0);
	end();
}

static void test_none(void **state)
{
	begin("answers: {keep: 0s}\n");
	run(2);
	rig_answer(&rig, 0, 200, "{\"text\":\"a\"}");
	assert_int_equal(kept(), 0);
	rig_write(&rig, "leadd.yaml", SETTINGS);
	assert_int_equal(rig_reload(&rig).rc, 0);
	rig_answer(&rig, 1, 200, "{\"text\":\"a\"}");
	assert_int_equal(kept(), 1);
	rig_write(&rig, "leadd.yaml", SETTINGS "answers: {keep: 0s}\n");
	rig_pass(&rig, SEC);
	assert_int_equal(rig_reload(&rig).rc, 0);
	rig_settle(&rig);
	assert_int_equal(kept(), 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_kept),
	    cmocka_unit_test(test_restart),
	    cmocka_unit_test(test_no_key),
	    cmocka_unit_test(test_no_key_of_a_service_that_is_gone),
	    cmocka_unit_test(test_expire),
	    cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
