/*
 * lib/engine/item/known.c: a lead that several runs of an organisation take in: where campaigns say `skip`, exactly one of them goes on with
 * it, also when both come at the same moment, when it is held at its birth, and when a person puts it back.
 */
#include "engine_rig.h"

#define ONE                                                                                        \
	"service: one\n"                                                                           \
	"base: https://one.example\n"                                                              \
	"breaker: off\n"                                                                           \
	"concurrency: 50\n"                                                                        \
	"calls: {verify: {get: /verify, query: {email: '${.email}'}, map: {good: .good}}}\n"
#define P                                                                                          \
	"pipeline: p\n"                                                                            \
	"stages:\n"                                                                                \
	"  - {stage: look, gates: [{check: role, else: hold}]}\n"                                  \
	"  - {stage: verify, call: one.verify, with: {email: '${.email}'}}\n"

static struct rig rig;

static void begin(void)
{
	rig_begin(&rig);
	rig_write(&rig, "services/one.yaml", ONE);
	rig_write(&rig, "pipelines/p.yaml", P);
	rig_write(&rig, "leadd.yaml", "campaigns: {a: {pipeline: p, known: skip}, b: {pipeline: p, known: skip}}\n");
	rig_open(&rig);
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

static uint64_t retry(uint32_t run)
{
	struct command c = {.kind = COMMAND_RETRY, .run = run, .outcomes = 1u << ITEM_PARKED | 1u << ITEM_FAILED};
	struct told t = rig_command(&rig, &c);

	rig_settle(&rig);
	assert_int_equal(t.rc, 0);
	return t.count;
}

/* Both files are read row by row, in the same turns. */
static void test_at_the_same_moment(void **state)
{
	struct command up = {.kind = COMMAND_UPLOAD, .upload = {.id = "upload", .name = "leads.csv"}}, *c;
	static const char *const campaigns[] = {"a", "b"};
	const struct run_row *rows[2];

	(void)state;
	begin();
	rig.file = strdup("email\na@x.org\nb@x.org\nc@x.org\nd@x.org\n");
	rig.file_len = strlen(rig.file);
	rig.slice = 9;
	assert_int_equal(rig_command(&rig, &up).rc, 0);
	for (size_t k = 0; k < 2; k++) {
		c = calloc(1, sizeof(*c));
		assert_non_null(c);
		*c = (struct command){.kind = COMMAND_START, .start = {.budget_micro = -1, .share = 1, .encoding = 255, .upload = "upload"}};
		(void)snprintf(c->start.campaign, sizeof(c->start.campaign), "%s", campaigns[k]);
		engine_command(rig.engine, c);
	}
	rig_settle(&rig);
	rows[0] = rig_run_row(&rig, 1);
	rows[1] = rig_run_row(&rig, 2);
	assert_int_equal(rows[0]->rows, 4);
	assert_int_equal(rows[1]->rows, 4);
	assert_int_equal(rows[0]->outcomes[ITEM_DUPLICATE] + rows[1]->outcomes[ITEM_DUPLICATE], 4);
	assert_int_equal(rig.n_calls, 4);
	for (uint32_t n = 1; n <= 4; n++) {
		bool first = strncmp(rig_state(&rig, 1, n), "duplicate", 9) == 0;

		assert_true(first != (strncmp(rig_state(&rig, 2, n), "duplicate", 9) == 0));
	}
	end();
}

/* Held at its birth it is somebody's, too: of this run once, and of no other. */
static void test_held_at_birth(void **state)
{
	(void)state;
	begin();
	assert_int_equal(rig_run(&rig, "a", "email\ninfo@x.org\nINFO@x.org\n"), 1);
	assert_string_equal(rig_state(&rig, 1, 1), "parked role-address");
	assert_string_equal(rig_state(&rig, 1, 2), "duplicate duplicate-email");
	assert_int_equal(retry(1), 1);
	assert_int_equal(rig.n_calls, 1);
	assert_int_equal(rig_run(&rig, "b", "email\ninfo@x.org\n"), 2);
	assert_string_equal(rig_state(&rig, 2, 1), "duplicate known-in-run-1");
	end();
}

/* It came to nothing there, so another run took it: who puts it back there comes too late. */
static void test_put_back_too_late(void **state)
{
	(void)state;
	begin();
	assert_int_equal(rig_run(&rig, "a", "email\nann@x.org\nbob@x.org\n"), 1);
	rig_answer(&rig, 0, 400, "");
	rig_answer(&rig, 1, 400, "");
	assert_int_equal(rig_run(&rig, "b", "email\nann@x.org\n"), 2);
	assert_int_equal(rig.n_calls, 3);
	assert_int_equal(retry(1), 1); /* Bob */
	assert_string_equal(rig_state(&rig, 1, 1), "duplicate known-in-run-2");
	assert_int_equal(rig.n_calls, 4);
	rig_answer(&rig, 3, 400, "");
	rig_answer(&rig, 2, 400, ""); /* it came to nothing there, too */
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_int_equal(retry(1), 1);
	assert_int_equal(retry(2), 1);
	rig_answer(&rig, 5, 200, "{}");
	assert_string_equal(rig_state(&rig, 2, 1), "ready");
	end();
}

/* Put back first, it is this run's again. */
static void test_put_back_in_time(void **state)
{
	(void)state;
	begin();
	assert_int_equal(rig_run(&rig, "a", "email\nann@x.org\n"), 1);
	rig_answer(&rig, 0, 400, "");
	assert_int_equal(rig_run(&rig, "b", "email\nann@x.org\n"), 2);
	rig_answer(&rig, 1, 400, "");
	assert_int_equal(retry(1), 1);
	assert_int_equal(retry(2), 0);
	assert_string_equal(rig_state(&rig, 2, 1), "duplicate known-in-run-1");
	assert_int_equal(rig_run_row(&rig, 2)->state, RUN_DONE);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_at_the_same_moment),
	    cmocka_unit_test(test_held_at_birth),
	    cmocka_unit_test(test_put_back_too_late),
	    cmocka_unit_test(test_put_back_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
