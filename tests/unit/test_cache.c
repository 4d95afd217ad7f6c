/*
 * Leads that ask the same: those that come later take the answer that was kept (`cache`), those that come meanwhile join the
 * call under way (`share`). Who pays what, what is left after a crash, and that no budget is exceeded by it.
 */
#include "engine_rig.h"

#include "lib/store/cache.h"

#define SERVICE(more)                                                                              \
	"service: one\n"                                                                           \
	"base: https://one.example\n"                                                              \
	"keys: [a]\n"                                                                              \
	"auth: bearer\n"                                                                           \
	"breaker: off\n"                                                                           \
	"retry: {transient: {attempts: 3, base: 1s, cap: 1s}}\n"                                   \
	"calls:\n"                                                                                 \
	"  look:\n"                                                                                \
	"    post: /look\n"                                                                        \
	"    json: {company: '${.company}'}\n"                                                     \
	"    idempotency: {header: Idempotency-Key}\n"                                             \
	"    outcomes: [{body: {.none: true}, is: empty, reason: nothing}]\n"                      \
	"    price: {body: .cost, ceiling: 0.01}\n"                                                \
	"    map: {size: .size, city: .city}\n" more
#define PIPELINE(more)                                                                             \
	"pipeline: p\n"                                                                            \
	"stages: [{stage: look, call: one.look, on_empty: pass, with: {company: '${.company}'}" more "}]\n"
#define TWO "email,company\na@x.example,k\nb@x.example,k\n"
#define ONE "email,company\na@x.example,k\n"
#define PAID "{\"size\":7,\"city\":\"Ulm\",\"cost\":0.007}"

static struct rig rig;

static void begin_with(const char *service, const char *pipeline, const char *leadd)
{
	rig_begin(&rig);
	rig_write(&rig, "secrets/a", "key-a\n");
	rig_write(&rig, "services/one.yaml", service);
	rig_write(&rig, "pipelines/p.yaml", pipeline);
	rig_write(&rig, "leadd.yaml", leadd);
	rig_open(&rig);
}

static void begin(const char *pipeline)
{
	begin_with(SERVICE(""), pipeline, "campaigns: {c: {pipeline: p, organisation: acme}, d: {pipeline: p, organisation: other}}\n");
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

static uint32_t run(const char *campaign, const char *csv, int64_t budget_micro)
{
	struct run_row row = {.budget_micro = budget_micro, .share = 1, .encoding = 255};

	(void)snprintf(row.campaign, sizeof(row.campaign), "%s", campaign);
	return rig_run_with(&rig, &row, csv);
}

static int64_t settled(uint32_t id)
{
	return rig_balance(&rig, ACCOUNT_RUN, id).settled_micro;
}

static int64_t reserved(uint32_t id)
{
	return rig_balance(&rig, ACCOUNT_RUN, id).reserved_micro;
}

static uint64_t kept(void)
{
	struct txn *t = NULL;
	uint64_t n;

	assert_int_equal(txn_begin(rig.store, false, &t, NULL), 0);
	n = txn_count(t, TABLE_ANSWER);
	txn_abort(t);
	assert_true(n % 2 == 0);
	return n / 2;
}

/* --- cache ---------------------------------------------------------------- */

static void test_taken(void **state)
{
	(void)state;
	begin(PIPELINE(", cache: 1h, give: {company_size: '${.size}'}"));
	run("c", ONE, -1);
	rig_answer(&rig, 0, 200, PAID);
	assert_int_equal(kept(), 1);
	run("d", TWO, -1); /* another organisation's campaign */
	assert_int_equal(rig.n_calls, 1);
	assert_string_equal(rig_state(&rig, 2, 1), "ready");
	assert_string_equal(rig_facts(&rig, 2, 2), "cached ok");
	assert_string_equal(rig_field(&rig, 2, 2, "company_size"), "7");
	assert_int_equal(settled(2), 0);
	assert_int_equal(rig_run_row(&rig, 2)->stages[0].count.cached, 2);
	assert_int_equal(rig_run_row(&rig, 2)->stages[0].count.calls, 0);
	end();
}

/* Empty is an answer, too; what failed is none. */
static void test_what_is_kept(void **state)
{
	(void)state;
	begin(PIPELINE(", cache: 1h"));
	run("c", ONE, -1);
	rig_answer(&rig, 0, 503, "{}");
	assert_int_equal(kept(), 0);
	rig_pass(&rig, 2 * SEC);
	rig_answer(&rig, 1, 200, "{\"none\":true,\"cost\":0.002}");
	assert_int_equal(kept(), 1);
	run("c", ONE, -1);
	assert_string_equal(rig_facts(&rig, 2, 1), "cached empty nothing");
	assert_string_equal(rig_state(&rig, 2, 1), "ready");
	run("c", "email,company\na@x.example,m\n", -1); /* something else */
	assert_int_equal(rig.n_calls, 3);
	rig_answer(&rig, 2, 404, "{}");
	assert_int_equal(kept(), 1);
	end();
}

static void test_expires(void **state)
{
	(void)state;
	begin(PIPELINE(", cache: 60s"));
	run("c", ONE, -1);
	rig_answer(&rig, 0, 200, PAID);
	rig_pass(&rig, 60 * SEC - 1);
	run("c", ONE, -1);
	assert_int_equal(rig.n_calls, 1);
	rig_pass(&rig, 1);
	run("c", ONE, -1);
	assert_int_equal(rig.n_calls, 2);
	rig_answer(&rig, 1, 200, PAID); /* in place of the old one */
	assert_int_equal(kept(), 1);
	rig_pass(&rig, 121 * SEC); /* swept */
	assert_int_equal(kept(), 0);
	end();
}

static void test_restart(void **state)
{
	(void)state;
	begin(PIPELINE(", cache: 1h"));
	run("c", ONE, -1);
	rig_answer(&rig, 0, 200, PAID);
	rig_restart(&rig);
	run("c", ONE, -1);
	assert_int_equal(rig.n_calls, 1);
	assert_string_equal(rig_facts(&rig, 2, 1), "cached ok");
	end();
}

/* Many expire at once: in slices. */
static void test_sweep(void **state)
{
	struct buf csv = {0};

	(void)state;
	begin(PIPELINE(", cache: 10s"));
	buf_add_text(&csv, "email,company\n");
	for (int i = 0; i < 450; i++) {
		buf_printf(&csv, "p%d@x.example,company%d\n", i, i);
	}
	run("c", csv.data, -1);
	buf_free(&csv);
	rig_play(&rig, rig.now.boot_us + 5 * SEC);
	assert_int_equal(kept(), 450);
	rig_pass(&rig, 71 * SEC);
	assert_int_equal(kept(), 0);
	end();
}

/* A gate refused what came: another answer is wanted, not the same. */
static void test_gate_asks_anew(void **state)
{
	(void)state;
	begin(PIPELINE(", cache: 1h, gate_retries: 1, gates: [{when: '.size > 3', reason: small}]"));
	run("c", ONE, -1);
	rig_answer(&rig, 0, 200, "{\"size\":1,\"cost\":0}");
	assert_int_equal(rig.n_calls, 2);
	rig_answer(&rig, 1, 200, "{\"size\":9,\"cost\":0}");
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
	run("c", ONE, -1);
	assert_int_equal(rig.n_calls, 2);
	assert_string_equal(rig_field(&rig, 2, 1, "size"), "9");
	end();
}

/* A batch leaves an answer for each of its leads, and asks only for the others. */
static void test_batch(void **state)
{
	(void)state;
	begin_with("service: one\nbase: https://one.example\nkeys: [a]\nauth: bearer\ncalls:\n  look:\n    post: /look\n    json: {all: '${.items}'}\n"
		   "    batch: {size: 5, each: '${.company}', answers: .list, join: {item: '${.company}', answer: .name}}\n"
		   "    price: {per_item: 0.01, on: [ok]}\n    map: {size: .size}\n",
	    PIPELINE(", cache: 1h"), "campaigns: {c: {pipeline: p, organisation: acme}}\n");
	run("c", "email,company\na@x.example,k\nb@x.example,m\n", -1);
	rig_answer(&rig, 0, 200, "{\"list\":[{\"name\":\"m\",\"size\":4}]}");
	assert_int_equal(kept(), 2);
	run("c", "email,company\na@x.example,n\nb@x.example,m\nc@x.example,k\nd@x.example,o\n", -1);
	assert_int_equal(rig.n_calls, 2);
	assert_string_equal(rig.calls[1].body, "{\"all\":[\"n\",\"o\"]}");
	assert_string_equal(rig_facts(&rig, 2, 2), "cached ok");
	assert_string_equal(rig_field(&rig, 2, 2, "size"), "4");
	assert_string_equal(rig_facts(&rig, 2, 3), "cached empty not-in-answer");
	end();
}

/* --- shared calls --------------------------------------------------------- */

static void test_joined(void **state)
{
	struct call_row row;

	(void)state;
	begin(PIPELINE(", share: true"));
	run("c", TWO, -1);
	run("d", ONE, -1);
	assert_int_equal(rig.n_calls, 1);
	row = rig_row(&rig, 0);
	assert_int_equal(row.n_parts, 3);
	assert_int_equal(row.kind, CALL_SINGLE);
	assert_int_equal(reserved(1), 10000 + 5000); /* the whole, and the half of who came second */
	assert_int_equal(reserved(2), 3333);
	rig_answer(&rig, 0, 200, PAID);
	assert_int_equal(settled(1), 2334 + 2333);
	assert_int_equal(settled(2), 2333);
	assert_int_equal(reserved(1) + reserved(2), 0);
	assert_string_equal(rig_field(&rig, 2, 1, "city"), "Ulm");
	assert_int_equal(rig_run_row(&rig, 1)->stages[0].count.calls, 1);
	assert_int_equal(rig_run_row(&rig, 1)->stages[0].count.shared, 1);
	assert_int_equal(rig_run_row(&rig, 2)->stages[0].count.shared, 1);
	run("c", ONE, -1); /* nothing was kept */
	assert_int_equal(rig.n_calls, 2);
	end();
}

/* Without the word each asks for itself; whoever asks something else, too. */
static void test_not_joined(void **state)
{
	(void)state;
	begin(PIPELINE(""));
	run("c", TWO, -1);
	assert_int_equal(rig.n_calls, 2);
	end();
	begin(PIPELINE(", share: true"));
	run("c", "email,company\na@x.example,k\nb@x.example,m\n", -1);
	assert_int_equal(rig.n_calls, 2);
	end();
}

/* What it costs more than the ceiling is split like the rest. */
static void test_overbilled(void **state)
{
	(void)state;
	begin(PIPELINE(", share: true"));
	run("c", TWO, -1);
	rig_answer(&rig, 0, 200, "{\"size\":7,\"cost\":0.021}");
	assert_int_equal(settled(1), 21000);
	assert_int_equal(rig.engine->lanes[0]->groups[0].quota.cause, PARK_OVERBILLED);
	end();
}

/* Each by the rules of its own stage; they meet again. */
static void test_transient(void **state)
{
	(void)state;
	begin(PIPELINE(", share: true"));
	run("c", TWO, -1);
	rig_answer(&rig, 0, 503, "{}");
	assert_string_equal(rig_state(&rig, 1, 1), "retrying");
	assert_string_equal(rig_state(&rig, 1, 2), "retrying");
	rig_pass(&rig, 2 * SEC);
	assert_int_equal(rig.n_calls, 2);
	rig_answer(&rig, 1, 200, PAID);
	assert_int_equal(rig_count(&rig, 1, ITEM_READY), 2);
	assert_int_equal(settled(1), 7000);
	end();
}

/* In doubt: what it may have cost counts as paid once, not once for each. */
static void test_in_doubt(void **state)
{
	(void)state;
	begin(PIPELINE(", share: true"));
	run("c", TWO, -1);
	run("d", ONE, -1);
	rig_broken(&rig, 0);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).in_doubt_micro, 3334 + 3333);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 2).in_doubt_micro, 3333);
	assert_int_equal(reserved(1) + reserved(2), 0);
	end();
}

/* Those who joined are on disk with it. */
static void test_crash(void **state)
{
	(void)state;
	begin(PIPELINE(", share: true"));
	run("c", ONE, -1);
	run("d", TWO, -1);
	assert_int_equal(rig.n_calls, 1);
	rig_restart(&rig);
	rig_check(&rig);
	rig_settle(&rig);
	assert_int_equal(rig_row(&rig, 0).state, CALL_IN_DOUBT);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).in_doubt_micro, 3334);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 2).in_doubt_micro, 6666);
	assert_string_equal(rig_state(&rig, 2, 2), "parked in-doubt");
	end();
}

/* The turn in which somebody joined does not commit: it did not join. */
static void test_disk_full(void **state)
{
	(void)state;
	begin(PIPELINE(", share: true"));
	run("c", ONE, -1);
	rig_pass(&rig, SEC);
	rig_disk_full(true);
	(void)run("d", ONE, -1);
	(void)rig_turn(&rig);
	rig_disk_full(false);
	rig_pass(&rig, SEC);
	rig_check(&rig);
	assert_int_equal(rig_row(&rig, 0).n_parts, 1);
	assert_int_equal(rig_balance(&rig, ACCOUNT_SERVICE, rig.engine->lanes[0]->number).reserved_micro, 10000);
	rig_answer(&rig, 0, 200, PAID);
	assert_int_equal(settled(1), 7000);
	end();
}

/* The commit with the answer fails, after all parts were settled in memory. */
static void test_disk_full_at_the_end(void **state)
{
	(void)state;
	begin(PIPELINE(", cache: 1h"));
	run("c", ONE, -1);
	run("d", TWO, -1);
	rig_disk_full(true);
	rig_gather(&rig, 0, &(struct http_answer){.transport = TRANSPORT_ANSWERED, .status = 200, .body = PAID, .body_len = strlen(PAID)});
	assert_int_equal(rig_turn(&rig), LEAD_EFULL);
	rig_check(&rig);
	rig_disk_full(false);
	rig_pass(&rig, SEC);
	assert_int_equal(settled(1) + settled(2), 7000);
	assert_int_equal(rig_count(&rig, 2, ITEM_READY), 2);
	assert_int_equal(kept(), 1);
	end();
}

/* The first payer is cancelled, its configuration changes: the others get what they pay for. */
static void test_cancel_and_reload(void **state)
{
	struct command cancel = {.kind = COMMAND_CANCEL, .run = 1};

	(void)state;
	begin(PIPELINE(", share: true"));
	run("c", ONE, -1);
	run("d", ONE, -1);
	assert_int_equal(rig_command(&rig, &cancel).rc, 0);
	rig_write(&rig, "services/one.yaml", SERVICE("  other: {get: /other}\n"));
	assert_int_equal(rig_reload(&rig).rc, 0);
	run("d", ONE, -1); /* another description: it joins no call of the old one */
	assert_int_equal(rig.n_calls, 2);
	rig_answer(&rig, 0, 200, PAID);
	assert_string_equal(rig_state(&rig, 2, 1), "ready");
	assert_int_equal(settled(1), 3500);
	assert_int_equal(settled(2), 3500);
	end();
}

/* A call belongs to the day it was granted on: nobody joins it from the next. */
static void test_midnight(void **state)
{
	(void)state;
	begin_with(SERVICE(""), PIPELINE(", share: true"), "zone: UTC\ncampaigns: {c: {pipeline: p, organisation: acme, budget: {day: 0.02}}}\n");
	run("c", ONE, -1);
	rig_pass(&rig, 2 * 3600 * SEC); /* from 22:13 */
	run("c", ONE, -1);
	assert_int_equal(rig.n_calls, 2);
	end();
}

/* To the last micro-unit: the gate asks for a whole call, and for all that those begun may need; who joins takes less. */
static void test_budget_edge(void **state)
{
	(void)state;
	begin(PIPELINE(", share: true"));
	run("c", ONE, 10000);
	run("d", TWO, 25000);
	run("d", ONE, 9999);
	assert_int_equal(rig.n_calls, 1);
	assert_int_equal(rig_row(&rig, 0).n_parts, 3);
	assert_int_equal(reserved(2), 5000 + 3333);
	assert_int_equal(reserved(3), 0);
	run("d", TWO, 10000);
	assert_int_equal(reserved(4), 2500);
	rig_answer(&rig, 0, 200, "{\"size\":1,\"cost\":0.01}");
	assert_int_equal(settled(1), 2500);
	assert_int_equal(settled(2), 5000);
	assert_int_equal(settled(4), 2500);
	assert_string_equal(rig_state(&rig, 4, 2), "parked not-started: budget");
	end();
}

/* Work behind an answer: who joined waits for it, too, also over a restart; its result is kept. */
static void test_job(void **state)
{
	(void)state;
	begin_with("service: one\nbase: https://one.example\nkeys: [a]\nauth: bearer\nbreaker: off\ncalls:\n"
		   "  look:\n    post: /look\n    json: {company: '${.company}'}\n    price: {per_call: 0.1}\n    map: {size: .size}\n"
		   "    job: {id: .job_id, poll: status, every: 10s, within: 1h}\n"
		   "  status:\n    get: /jobs/${.job}\n    map: {size: .size}\n    outcomes: [{body: {.state: running}, is: pending}]\n",
	    PIPELINE(", cache: 1h"), "campaigns: {c: {pipeline: p, organisation: acme}, d: {pipeline: p, organisation: other}}\n");
	run("c", ONE, -1);
	run("d", TWO, -1);
	assert_int_equal(rig.n_calls, 1);
	rig_answer(&rig, 0, 200, "{\"job_id\":\"j1\"}");
	rig_check(&rig);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 2).reserved_micro, 50000 + 33333);
	rig_restart(&rig);
	rig_settle(&rig);
	rig_check(&rig);
	for (int i = 0; i < 4 && rig.n_calls < 2; i++) {
		rig_pass(&rig, 10 * SEC);
	}
	assert_int_equal(rig.n_calls, 2);
	rig_answer(&rig, 1, 200, "{\"size\":5}");
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
	assert_string_equal(rig_state(&rig, 2, 2), "ready");
	assert_string_equal(rig_field(&rig, 2, 2, "size"), "5");
	assert_int_equal(settled(1), 33334);
	assert_int_equal(settled(2), 66666);
	end();
}

/* --- mistakes in the file ------------------------------------------------- */

static void test_mistakes(void **state)
{
	static const struct { const char *stage, *problem; } bad[] = {
	    {"{stage: look, push: one.look, with: {company: a}, cache: 1h}", "'cache' is for stages with call or chain"},
	    {"{stage: look, push: one.look, with: {company: a}, share: true}", "'share' is for stages with call or chain"},
	    {"{stage: look, call: one.look, with: {company: a}, cache: forever}", "cache"},
	    {"{stage: look, call: one.look, with: {company: a}, cahce: 1h}", "did you mean 'cache'"}};
	char pipeline[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rig_begin(&rig);
		rig_write(&rig, "secrets/a", "key-a\n");
		rig_write(&rig, "services/one.yaml", SERVICE(""));
		(void)snprintf(pipeline, sizeof(pipeline), "pipeline: p\nstages: [%s]\n", bad[i].stage);
		rig_write(&rig, "pipelines/p.yaml", pipeline);
		rig_write(&rig, "leadd.yaml", "campaigns: {c: {pipeline: p, organisation: acme}}\n");
		rig_refused(&rig, bad[i].problem);
		rig_end(&rig);
	}
}

#define TEST(f) cmocka_unit_test(f)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_taken),
	    TEST(test_what_is_kept),
	    TEST(test_expires),
	    TEST(test_restart),
	    TEST(test_sweep),
	    TEST(test_gate_asks_anew),
	    TEST(test_batch),
	    TEST(test_joined),
	    TEST(test_not_joined),
	    TEST(test_overbilled),
	    TEST(test_transient),
	    TEST(test_in_doubt),
	    TEST(test_crash),
	    TEST(test_disk_full),
	    TEST(test_disk_full_at_the_end),
	    TEST(test_cancel_and_reload),
	    TEST(test_midnight),
	    TEST(test_budget_edge),
	    TEST(test_job),
	    TEST(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
