/*
 * lib/engine/item/setup.c: runs that make the same thing at the tool, each for itself, at the same moment: it is made once, and all have it,
 * whatever becomes of the call that makes it.
 */
#include "engine_rig.h"

#include <json-c/json.h>

#define ONE                                                                                        \
	"service: one\n"                                                                           \
	"base: https://one.example\n"                                                              \
	"breaker: off\n"                                                                           \
	"concurrency: 20\n"                                                                        \
	"outcomes: [{status: 404, is: empty}, {status: 409, is: in_doubt, reason: name-taken}]\n"   \
	"calls:\n"                                                                                 \
	"  find: {get: /find, query: {name: '${.name}'}, retry: {transient: {attempts: 2, base: 1s, cap: 1s}}, map: {id: .id}}\n"                           \
	"  make:\n"                                                                                \
	"    post: /make\n"                                                                        \
	"    json: {name: '${.name}'}\n"                                                           \
	"    in_doubt: {lookup: find}\n"                                                           \
	"    map: {id: .id}\n"                                                                     \
	"  verify: {get: /verify, query: {of: '${.of}'}, map: {good: .good}}\n"
#define P                                                                                          \
	"pipeline: p\n"                                                                            \
	"params: {name: {required: true}}\n"                                                       \
	"stages:\n"                                                                                \
	"  - {stage: known, of: run, call: one.find, with: {name: '${.name}'}, on_empty: pass, on_fail: hold}\n"                                             \
	"  - {stage: new, of: run, when: .id == null, call: one.make, with: {name: '${.name}'}, on_fail: hold}\n"                                            \
	"  - {stage: verify, call: one.verify, with: {of: '${.run.id}'}}\n"

static struct rig rig;

static void begin(void)
{
	rig_begin(&rig);
	rig_write(&rig, "services/one.yaml", ONE);
	rig_write(&rig, "pipelines/p.yaml", P);
	rig_write(&rig, "leadd.yaml", "campaigns: {c: {pipeline: p}}\n");
	rig_open(&rig);
}

static void start(const char *name, uint32_t id)
{
	struct run_row row = {.budget_micro = -1, .share = 1, .campaign = "c"};

	buf_printf(&row.params, "{\"name\":\"%s\"}", name);
	assert_int_equal(rig_run_with(&rig, &row, "email\nann@x.org\n"), id);
}

static size_t count(const char *path)
{
	size_t n = 0;

	for (size_t i = 0; i < rig.n_calls; i++) {
		n += strstr(rig.calls[i].url, path) != NULL;
	}
	return n;
}

/* The oldest open call of that kind, of so many. */
static size_t open_call(const char *path, size_t of)
{
	size_t n = 0, at = SIZE_MAX;

	for (size_t i = 0; i < rig.n_calls; i++) {
		if (rig.calls[i].open && strstr(rig.calls[i].url, path) != NULL) {
			at = at == SIZE_MAX ? i : at;
			n++;
		}
	}
	assert_int_equal(n, of);
	return at;
}

static void nobody_has_it(size_t runs)
{
	for (size_t i = 0; i < runs; i++) {
		rig_answer(&rig, open_call("/find", runs - i), 404, "");
	}
}

/* All runs go on with the one thing, and end. */
static void all_have(size_t runs, const char *id)
{
	char body[64], of[64];

	(void)snprintf(body, sizeof(body), "{\"id\":\"%s\"}", id);
	(void)snprintf(of, sizeof(of), "/verify?of=%s", id);
	for (size_t i = 0; i < runs; i++) {
		rig_answer(&rig, open_call(of, runs - i), 200, "{}");
	}
	for (uint32_t r = 1; r <= runs; r++) {
		assert_int_equal(rig_run_row(&rig, r)->state, RUN_DONE);
		assert_string_equal(rig_state(&rig, r, 1), "ready");
	}
	rig_check(&rig);
	rig_end(&rig);
}

static void says(uint32_t run, const char *text)
{
	struct json_object *why = why_run(rig.engine, NULL, run, rig.now);

	assert_non_null(strstr(json_object_to_json_string(why), text));
	json_object_put(why);
}

static void test_at_the_same_moment(void **state)
{
	(void)state;
	begin();
	for (uint32_t r = 1; r <= 3; r++) {
		start("spring", r);
	}
	nobody_has_it(3);
	assert_int_equal(count("/make"), 1);
	says(2, "run 1 is making the same");
	rig_pass(&rig, 5 * SEC);
	assert_int_equal(count("/make"), 1);
	rig_answer(&rig, open_call("/make", 1), 200, "{\"id\":\"7\"}");
	for (size_t i = 0; i < 2; i++) { /* the others see that it is there */
		rig_answer(&rig, open_call("/find", 2 - i), 200, "{\"id\":\"7\"}");
	}
	assert_int_equal(count("/make"), 1);
	all_have(3, "7");
}

/* The second looked before there was anything, and comes to make it long after. */
static void test_one_after_the_other(void **state)
{
	struct command pause = {.kind = COMMAND_PAUSE, .run = 2}, resume = {.kind = COMMAND_RESUME, .run = 2};

	(void)state;
	begin();
	start("spring", 1);
	start("spring", 2);
	assert_int_equal(rig_command(&rig, &pause).rc, 0);
	nobody_has_it(2);
	rig_answer(&rig, open_call("/make", 1), 200, "{\"id\":\"7\"}");
	rig_restart(&rig);
	rig_pass(&rig, 3600 * SEC);
	assert_int_equal(rig_command(&rig, &resume).rc, 0);
	rig_settle(&rig);
	assert_int_equal(count("/make"), 1);
	rig_answer(&rig, open_call("/find", 1), 200, "{\"id\":\"7\"}");
	assert_int_equal(count("/make"), 1);
	assert_string_equal(rig.calls[rig_last(&rig)].url, "https://one.example/verify?of=7");
	rig_check(&rig);
	rig_end(&rig);
}

static void test_other_names(void **state)
{
	(void)state;
	begin();
	start("spring", 1);
	start("summer", 2);
	nobody_has_it(2);
	assert_int_equal(count("/make"), 2);
	rig_end(&rig);
}

/* The call that makes it is in doubt, by its answer or by a restart: both look, and it is made again by one of them if it did not arrive. */
static void test_in_doubt(void **state)
{
	(void)state;
	for (int restarted = 0; restarted < 2; restarted++) {
		for (int arrived = 0; arrived < 2; arrived++) {
			begin();
			start("spring", 1);
			start("spring", 2);
			nobody_has_it(2);
			if (restarted) {
				rig_restart(&rig);
				rig_settle(&rig);
				rig_pass(&rig, 60 * SEC);
			} else {
				rig_broken(&rig, open_call("/make", 1));
			}
			assert_int_equal(count("/make"), 1);
			for (size_t i = 0; i < 2; i++) { /* both look */
				rig_answer(&rig, open_call("/find", 2 - i), arrived ? 200 : 404, arrived ? "{\"id\":\"7\"}" : "");
			}
			if (!arrived) { /* one of them makes it, and the other looks again */
				rig_answer(&rig, open_call("/make", 1), 200, "{\"id\":\"7\"}");
				rig_answer(&rig, open_call("/find", 1), 200, "{\"id\":\"7\"}");
			}
			assert_int_equal(count("/make"), arrived ? 1 : 2);
			all_have(2, "7");
		}
	}
}

/* Nobody can say for one, whose run is held: the other asks for itself. */
static void test_never_known(void **state)
{
	(void)state;
	begin();
	start("spring", 1);
	start("spring", 2);
	nobody_has_it(2);
	rig_broken(&rig, open_call("/make", 1));
	rig_answer(&rig, open_call("/find", 2), 500, "");
	rig_answer(&rig, open_call("/find", 1), 200, "{\"id\":\"7\"}");
	rig_pass(&rig, 2 * SEC);
	rig_answer(&rig, open_call("/find", 1), 500, "");
	assert_int_equal(count("/make"), 1);
	(void)open_call("/verify?of=7", 1);
	rig_check(&rig);
	rig_end(&rig);
}

/* The tool lists what was made a little later. */
static void test_seen_late(void **state)
{
	(void)state;
	begin();
	start("spring", 1);
	start("spring", 2);
	nobody_has_it(2);
	rig_answer(&rig, open_call("/make", 1), 200, "{\"id\":\"7\"}");
	for (int i = 0; i < 3; i++) {
		rig_answer(&rig, open_call("/find", 1), 404, "");
		(void)open_call("/find", 0);
		rig_pass(&rig, 5 * SEC);
	}
	rig_answer(&rig, open_call("/find", 1), 200, "{\"id\":\"7\"}");
	assert_int_equal(count("/make"), 1);
	all_have(2, "7");
}

/* Somebody took it away again: after a while it is made anew. */
static void test_never_seen(void **state)
{
	(void)state;
	begin();
	start("spring", 1);
	start("spring", 2);
	nobody_has_it(2);
	rig_answer(&rig, open_call("/make", 1), 200, "{\"id\":\"7\"}");
	for (int i = 0; count("/make") == 1; i++) {
		assert_in_range(i, 0, 12);
		rig_answer(&rig, open_call("/find", 1), 404, "");
		rig_pass(&rig, 5 * SEC);
	}
	rig_answer(&rig, open_call("/make", 1), 200, "{\"id\":\"8\"}");
	(void)open_call("/verify?of=8", 1);
	rig_check(&rig);
	rig_end(&rig);
}

/* Somebody else made it between the look and the call: the tool says so, and whose it is is looked up. */
static void test_made_meanwhile(void **state)
{
	(void)state;
	begin();
	start("spring", 1);
	nobody_has_it(1);
	rig_answer(&rig, open_call("/make", 1), 409, "{}");
	rig_answer(&rig, open_call("/find", 1), 200, "{\"id\":\"7\"}");
	assert_int_equal(count("/make"), 1);
	all_have(1, "7");
}

/* The first is refused, or its run cancelled, while it makes it: the second makes it. */
static void test_the_first_fails(void **state)
{
	struct command cancel = {.kind = COMMAND_CANCEL, .run = 1};

	(void)state;
	for (int cancelled = 0; cancelled < 2; cancelled++) {
		begin();
		start("spring", 1);
		start("spring", 2);
		nobody_has_it(2);
		if (cancelled) {
			assert_int_equal(rig_command(&rig, &cancel).rc, 0);
		}
		rig_answer(&rig, open_call("/make", 1), 400, "");
		rig_answer(&rig, open_call("/find", 1), 404, "");
		rig_answer(&rig, open_call("/make", 1), 200, "{\"id\":\"8\"}");
		rig_answer(&rig, open_call("/verify?of=8", 1), 200, "{}");
		assert_int_equal(rig_run_row(&rig, 2)->state, RUN_DONE);
		rig_check(&rig);
		rig_end(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_at_the_same_moment),
	    cmocka_unit_test(test_one_after_the_other),
	    cmocka_unit_test(test_other_names),
	    cmocka_unit_test(test_in_doubt),
	    cmocka_unit_test(test_never_known),
	    cmocka_unit_test(test_seen_late),
	    cmocka_unit_test(test_never_seen),
	    cmocka_unit_test(test_made_meanwhile),
	    cmocka_unit_test(test_the_first_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
