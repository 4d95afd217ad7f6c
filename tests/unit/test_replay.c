/*
 * lib/engine/plan/replay.c: a run again. Each call is told what was said then: the same question the
 * second time over gets the second answer, a question that was never asked gets none.
 */
#include "engine_rig.h"

#include "lib/engine/plan/replay.h"
#include "lib/store/body.h"

#include <json-c/json.h>
#include <unistd.h>

#define ONE                                                                                        \
	"service: one\n"                                                                           \
	"base: https://one.example\n"                                                              \
	"limits: [3/10s]\n"                                                                        \
	"hints: [{tells: retry-after, header: retry-after, unit: s}]\n"                            \
	"calls:\n"                                                                                 \
	"  write:\n"                                                                               \
	"    post: /write\n"                                                                       \
	"    json: {email: '${.email}'}\n"                                                         \
	"    price: {per_call: 0.01}\n"                                                            \
	"    in_doubt: {repeat: 2}\n"                                                              \
	"    retry: {transient: {attempts: 3, base: 10s, cap: 10s}}\n"                             \
	"    map: {text: .text}\n"                                                                 \
	"  check:\n"                                                                               \
	"    get: /check\n"                                                                        \
	"    query: {text: '${.text}'}\n"                                                          \
	"    map: {mark: .mark}\n"
#define PIPELINE                                                                                   \
	"pipeline: p\n"                                                                            \
	"stages:\n"                                                                                \
	"  - stage: write\n"                                                                       \
	"    call: one.write\n"                                                                    \
	"    with: {email: '${.email}'}\n"                                                         \
	"    gate_retries: 1\n"                                                                    \
	"    gates: [{check: copy-words, field: text, min: 2, max: 9}]\n"                          \
	"  - stage: check\n"                                                                       \
	"    call: one.check\n"                                                                    \
	"    with: {text: '${.text}'}\n"

static struct rig rig;
static char scratch_dir[64];

static void begin_rig(void)
{
	rig_begin(&rig);
	rig_write(&rig, "services/one.yaml", ONE);
	rig_write(&rig, "pipelines/p.yaml", PIPELINE);
	rig_write(&rig, "leadd.yaml", "campaigns: {c: {pipeline: p}}\n");
	rig_open(&rig);
}

static void begin(const char *csv)
{
	begin_rig();
	assert_int_equal(rig_run(&rig, "c", csv), 1);
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

/* The newest open call is told this. */
static void told(int status, const char *body)
{
	rig_answer(&rig, rig_last(&rig), status, body);
	rig_pass(&rig, 20 * SEC);
}

static void remove_scratch(void)
{
	static const char *const files[] = {"leadd.mdb", "leadd.mdb-lock", "leadd.lock"};
	char path[96];

	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", scratch_dir, files[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(scratch_dir), 0);
}

/* The replay on the rig's files as they are now; its result in *ret_rc. */
static struct json_object *replay(int *ret_rc, struct lead_error *err)
{
	struct store_options so = {
	    .dir = scratch_dir, .map_bytes = (size_t)64 << 20, .no_sync = true};
	struct replay_options o = {.live = rig.store,
	    .config = rig_config(&rig),
	    .run = 1,
	    .limit = 10,
	    .steps = true};
	struct json_object *ret = NULL;

	(void)snprintf(scratch_dir, sizeof(scratch_dir), "/tmp/test-replay-XXXXXX");
	assert_non_null(mkdtemp(scratch_dir));
	assert_int_equal(store_open(&so, &o.scratch, NULL), 0);
	*ret_rc = replay_run(&o, &ret, err);
	store_close(o.scratch);
	config_unref(o.config);
	remove_scratch();
	return ret;
}

static int64_t count(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	assert_true(json_object_object_get_ex(o, key, &v));
	return json_object_get_int64(v);
}

static const char *json(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	assert_true(json_object_object_get_ex(o, key, &v));
	return json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN);
}

static struct json_object *played(int64_t same, int64_t different, int64_t missing)
{
	struct lead_error err = {.text = ""};
	struct json_object *o;
	int rc;

	o = replay(&rc, &err);
	assert_string_equal(err.text, "");
	assert_int_equal(rc, 0);
	if (count(o, "same") != same || count(o, "different") != different ||
	    count(o, "missing") != missing) {
		print_error("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY));
		fail();
	}
	return o;
}

/* Every kind of end a call can have, and one question three times over with three answers. */
static void a_night(void)
{
	static const struct http_header later[] = {{"Retry-After", "7"}};
	struct http_answer throttle = {.transport = TRANSPORT_ANSWERED,
	    .status = 429,
	    .headers = later,
	    .n_headers = 1,
	    .body = "",
	    .body_len = 0};
	struct http_answer unsent = {.transport = TRANSPORT_UNSENT, .why = "no such name"};

	begin("email\na@x.example\n");
	rig_answer_with(&rig, rig_last(&rig), &throttle);
	rig_pass(&rig, 20 * SEC);
	rig_answer_with(&rig, rig_last(&rig), &unsent);
	rig_pass(&rig, 200 * SEC);
	told(503, "busy");
	rig_broken(&rig, rig_last(&rig));
	rig_pass(&rig, 20 * SEC);
	told(200, "{\"text\":\"short\"}");
	told(200, "{\"text\":\"long enough\"}");
	told(200, "{\"mark\":5}");
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
}

static void test_same(void **state)
{
	struct json_object *o;
	char was[4096];

	a_night();
	o = played(1, 0, 0);
	(void)snprintf(was, sizeof(was), "%s", json(o, "steps_was"));
	assert_non_null(strstr(was, "\"throttle\""));
	assert_non_null(strstr(was, "\"unsent\""));
	assert_non_null(strstr(was, "\"in_doubt\""));
	assert_string_equal(was, json(o, "steps_now"));
	assert_int_equal(count(o, "was_micro"), count(o, "now_micro"));
	assert_true(count(o, "was_micro") > 0);
	json_object_put(o);
	end();
}

static void test_other_gate(void **state)
{
	struct json_object *o;

	a_night();
	rig_write(&rig, "pipelines/p.yaml",
	    "pipeline: p\n"
	    "stages:\n"
	    "  - {stage: write, call: one.write, with: {email: '${.email}'}}\n"
	    "  - {stage: check, call: one.check, with: {text: '${.text}'}}\n");
	o = played(0, 0, 1); /* the first text is good enough, but was never checked */
	assert_string_equal(
	    json(o, "missing_at"), "[{\"stage\":\"check\",\"service\":\"one\",\"leads\":1}]");
	json_object_put(o);
	rig_write(&rig, "pipelines/p.yaml",
	    "pipeline: p\n"
	    "stages:\n"
	    "  - {stage: write, call: one.write, with: {email: '${.email}'}}\n");
	o = played(0, 1, 0);
	assert_string_equal(
	    json(o, "changes"), "[{\"was\":\"ready\",\"now\":\"ready\",\"leads\":1}]");
	assert_non_null(strstr(json(o, "items"), "\"fields\":[\"text\",\"mark\"]"));
	json_object_put(o);
	end();
}

static void test_once_more(void **state)
{
	a_night();
	rig_write(&rig, "pipelines/p.yaml",
	    "pipeline: p\n"
	    "stages:\n"
	    "  - stage: write\n"
	    "    call: one.write\n"
	    "    with: {email: '${.email}'}\n"
	    "    gate_retries: 5\n"
	    "    gates: [{check: copy-words, field: text, min: 5, max: 9}]\n");
	json_object_put(played(0, 0, 1)); /* asked a third time, it would have said something */
	end();
}

/* What was too long to be kept whole is not taken for what was said. */
static void test_cut(void **state)
{
	size_t len = BODY_BYTES + 100;
	char *body = malloc(len + 1);

	memset(body, ' ', len);
	memcpy(body, "{\"text\":\"two words\"", 19);
	body[len - 1] = '}';
	body[len] = '\0';
	begin("email\na@x.example\n");
	told(200, body);
	told(200, "{\"mark\":5}");
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
	json_object_put(played(0, 0, 1));
	free(body);
	end();
}

static void test_refused(void **state)
{
	struct lead_error err;
	struct body_row row;
	struct txn *t = NULL;
	int rc;

	begin("email\na@x.example\n");
	assert_null(replay(&rc, &err));
	assert_int_equal(rc, REPLAY_NOT_ENDED);
	told(400, "");
	rig_write(&rig, "leadd.yaml", "campaigns: {d: {pipeline: p}}\n");
	assert_null(replay(&rc, &err));
	assert_int_equal(rc, REPLAY_NO_CAMPAIGN);
	rig_write(&rig, "leadd.yaml", "campaigns: {c: {pipeline: p}}\n");
	json_object_put(played(1, 0, 0));
	assert_int_equal(txn_begin(rig.store, true, &t, NULL), 0);
	assert_true(body_read(t, rig.calls[0].id, &row));
	assert_int_equal(body_expire(t, UINT64_MAX, 10), 1);
	assert_int_equal(txn_commit(t, NULL), 0);
	assert_null(replay(&rc, &err));
	assert_int_equal(rc, REPLAY_NO_ANSWERS);
	end();
}

/* Rows that were refused or known already are so again, without any answer. */
static void test_rows(void **state)
{
	struct json_object *o;

	begin("email,first_name\nann@works.com,Ann\nann@works.com,Bob\n,Cem\n");
	told(400, "");
	assert_string_equal(rig_state(&rig, 1, 2), "duplicate duplicate-email");
	assert_string_equal(rig_state(&rig, 1, 3), "rejected missing-email");
	o = played(3, 0, 0);
	json_object_put(o);
	end();
}

static void suppress(const char *entry)
{
	static struct suppress_batch batch;

	memset(&batch, 0, sizeof(batch));
	(void)snprintf(batch.org, sizeof(batch.org), "default");
	batch.n = 1;
	batch.list[0].text = entry;
	batch.list[0].len = strlen(entry);
	assert_int_equal(
	    rig_command(&rig, &(struct command){.kind = COMMAND_SUPPRESS, .batch = &batch}).rc, 0);
}

/* The suppression list of that night: who came onto it later was written to then. */
static void test_suppressed(void **state)
{
	struct json_object *o;

	begin_rig();
	suppress("ann@works.com");
	assert_int_equal(rig_run(&rig, "c", "email\nann@works.com\nbob@works.com\n"), 1);
	told(200, "{\"text\":\"long enough\"}");
	told(200, "{\"mark\":5}");
	assert_string_equal(rig_state(&rig, 1, 1), "suppressed suppressed-address");
	assert_string_equal(rig_state(&rig, 1, 2), "ready");
	suppress("bob@works.com");
	o = played(2, 0, 0);
	json_object_put(o);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_same),
	    cmocka_unit_test(test_other_gate),
	    cmocka_unit_test(test_once_more),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_suppressed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
