/*
 * One request for several leads: who goes together and when, what each is told, what each pays, and what is left of it
 * after a crash.
 */
#include "engine_rig.h"

#include <json-c/json.h>

#define SERVICE(batch, more)                                                                       \
	"service: one\n"                                                                           \
	"base: https://one.example\n"                                                              \
	"keys: [a]\n"                                                                              \
	"auth: bearer\n"                                                                           \
	"breaker: off\n"                                                                           \
	"retry: {transient: {attempts: 3, base: 1s, cap: 1s}}\n"                                   \
	"calls:\n"                                                                                 \
	"  match:\n"                                                                               \
	"    post: /match\n"                                                                       \
	"    json: {kind: '${.kind}', details: '${.items}'}\n"                                     \
	"    idempotency: {header: Idempotency-Key}\n"                                             \
	"    batch: {" batch                                                                       \
	", each: {email: '${.email}'}, answers: .matches, join: {item: '${.email}', answer: .email}, "       \
	"outcomes: [{body: {.gone: true}, is: permanent, reason: gone}, {body: {.later: true}, is: transient}]}\n" \
	"    map: {title: .title}\n" more
#define PIPELINE                                                                                   \
	"pipeline: p\n"                                                                            \
	"stages: [{stage: match, call: one.match, on_empty: pass, with: {email: '${.email}', kind: '${.company}'}, "    \
	"gates: [{when: '.title != \"clerk\"', reason: clerk}]}]\n"
#define THREE "email,company\na@x.example,k\nb@x.example,k\nc@x.example,k\n"
#define FIVE THREE "d@x.example,k\ne@x.example,k\n"

static struct rig rig;

static void begin(const char *service)
{
	rig_begin(&rig);
	rig_write(&rig, "secrets/a", "key-a\n");
	rig_write(&rig, "services/one.yaml", service);
	rig_write(&rig, "pipelines/p.yaml", PIPELINE);
	rig_write(&rig, "leadd.yaml", "campaigns: {c: {pipeline: p, organisation: acme}}\n");
	rig_open(&rig);
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

static uint32_t run(const char *csv, int64_t budget_micro)
{
	struct run_row row = {.budget_micro = budget_micro, .share = 1, .encoding = 255, .campaign = "c"};

	return rig_run_with(&rig, &row, csv);
}

static void says(size_t call, const char *body)
{
	rig_answer(&rig, call, 200, body);
}

/* --- who goes together ---------------------------------------------------- */

static void test_one_request(void **state)
{
	struct call_row row;

	(void)state;
	begin(SERVICE("size: 10", ""));
	run(THREE, -1);
	assert_int_equal(rig.n_calls, 1);
	assert_string_equal(rig.calls[0].body,
	    "{\"kind\":\"k\",\"details\":[{\"email\":\"a@x.example\"},{\"email\":\"b@x.example\"},{\"email\":\"c@x.example\"}]}");
	row = rig_row(&rig, 0);
	assert_int_equal(row.kind, CALL_BATCH);
	assert_int_equal(row.n_parts, 3);
	assert_int_equal(row.more[1].number, 3);
	assert_true(row.parts[0].hash != 0 && row.parts[0].hash != row.more[0].hash);
	/* by key, whatever the order and the case; b has no element, c two: the first counts */
	says(0, "{\"matches\":[{\"email\":\"C@x.example\",\"title\":\"head\"},null,7,{\"email\":\" a@X.example\",\"title\":\"clerk\"},"
		"{\"email\":\"c@x.example\",\"title\":\"clerk\"}]}");
	assert_string_equal(rig_state(&rig, 1, 1), "rejected clerk");
	assert_string_equal(rig_state(&rig, 1, 2), "ready");
	assert_string_equal(rig_facts(&rig, 1, 2), "call empty not-in-answer");
	assert_string_equal(rig_state(&rig, 1, 3), "ready");
	assert_string_equal(rig_field(&rig, 1, 3, "title"), "head");
	end();
}

static void test_size(void **state)
{
	(void)state;
	begin(SERVICE("size: 2", ""));
	run(FIVE, -1);
	assert_int_equal(rig.n_calls, 2);
	rig_pass(&rig, SEC); /* those in flight may come back: it waits for them */
	assert_int_equal(rig.n_calls, 3);
	assert_int_equal(rig_row(&rig, 0).n_parts, 2);
	assert_int_equal(rig_row(&rig, 2).n_parts, 1);
	assert_int_equal(rig_run_row(&rig, 1)->stages[0].count.calls, 5);
	end();
}

/* Other values outside the list: another request. */
static void test_shared_parameters(void **state)
{
	(void)state;
	begin(SERVICE("size: 3", ""));
	run("email,company\na@x.example,k\nb@x.example,m\nc@x.example,k\nd@x.example,m\n", -1);
	rig_pass(&rig, SEC);
	assert_int_equal(rig.n_calls, 2);
	assert_non_null(strstr(rig.calls[0].body, "\"k\",\"details\":[{\"email\":\"a@x.example\"},{\"email\":\"c@x.example\"}]"));
	assert_non_null(strstr(rig.calls[1].body, "\"m\",\"details\":[{\"email\":\"b@x.example\"},{\"email\":\"d@x.example\"}]"));
	end();
}

/* Missing inputs cost nothing and hold nobody up. */
static void test_missing_input(void **state)
{
	(void)state;
	begin(SERVICE("size: 3", ""));
	run("email,company\na@x.example,k\nb@x.example,\nc@x.example,k\n", -1);
	assert_int_equal(rig.n_calls, 1);
	assert_int_equal(rig_row(&rig, 0).n_parts, 2);
	assert_string_equal(rig_state(&rig, 1, 2), "rejected missing-kind");
	end();
}

/* Runs do not mix. */
static void test_runs_apart(void **state)
{
	(void)state;
	begin(SERVICE("size: 10", ""));
	run(THREE, -1);
	run(FIVE, -1);
	assert_int_equal(rig.n_calls, 2);
	assert_int_equal(rig_row(&rig, 1).n_parts, 5);
	end();
}

/* --- linger --------------------------------------------------------------- */

#define TWO_STAGES                                                                                 \
	"pipeline: p\n"                                                                            \
	"stages:\n"                                                                                \
	"  - {stage: peek, call: one.peek, with: {email: '${.email}'}}\n"                          \
	"  - {stage: match, call: one.match, on_empty: pass, with: {email: '${.email}', kind: '${.company}'}}\n"
#define PEEK "  peek: {get: /peek, query: {email: '${.email}'}}\n"

static void begin_two_stages(const char *batch)
{
	char service[2048];

	(void)snprintf(service, sizeof(service), SERVICE("%s", PEEK), batch);
	rig_begin(&rig);
	rig_write(&rig, "secrets/a", "key-a\n");
	rig_write(&rig, "services/one.yaml", service);
	rig_write(&rig, "pipelines/p.yaml", TWO_STAGES);
	rig_write(&rig, "leadd.yaml", "campaigns: {c: {pipeline: p, organisation: acme}}\n");
	rig_open(&rig);
}

static void test_linger(void **state)
{
	(void)state;
	begin_two_stages("size: 3, linger: 5s");
	run(FIVE, -1);
	assert_int_equal(rig.n_calls, 5);
	says(0, "{}");
	rig_pass(&rig, 3 * SEC);
	says(1, "{}");
	assert_int_equal(rig.n_calls, 5);
	rig_pass(&rig, 1999 * US_PER_MS);
	assert_int_equal(rig.n_calls, 5);
	rig_pass(&rig, US_PER_MS); /* five seconds after the oldest came */
	assert_int_equal(rig.n_calls, 6);
	assert_int_equal(rig_row(&rig, 5).n_parts, 2);
	rig_pass(&rig, 9 * SEC);
	says(2, "{}");
	says(3, "{}");
	rig_pass(&rig, SEC);
	assert_int_equal(rig.n_calls, 6);
	says(4, "{}"); /* full */
	assert_int_equal(rig.n_calls, 7);
	assert_int_equal(rig_row(&rig, 6).n_parts, 3);
	end();
}

/* Nobody waits for what cannot come. */
static void test_last_ones(void **state)
{
	(void)state;
	begin_two_stages("size: 3, linger: 1h");
	run(FIVE, -1);
	for (size_t i = 0; i < 4; i++) {
		says(i, "{}");
	}
	assert_int_equal(rig.n_calls, 6);
	rig_pass(&rig, 60 * SEC);
	assert_int_equal(rig.n_calls, 6);
	rig_answer(&rig, 4, 404, "{}"); /* fails: but those of the first batch may be back */
	assert_int_equal(rig.n_calls, 6);
	says(5, "{\"matches\":[]}");
	assert_int_equal(rig.n_calls, 7);
	assert_int_equal(rig_row(&rig, 6).n_parts, 1);
	end();
}

static void test_why(void **state)
{
	struct json_object *o;
	struct txn *t = NULL;

	(void)state;
	begin_two_stages("size: 3, linger: 5s");
	run(FIVE, -1);
	says(0, "{}");
	assert_int_equal(txn_begin(rig.store, false, &t, NULL), 0);
	o = why_lead(rig.engine, t, 1, 1, rig.now);
	assert_non_null(strstr(json_object_to_json_string(o), "\"condition\": \"linger\", \"text\": \"1 of a batch of 3, it waits for more\""));
	json_object_put(o);
	txn_abort(t);
	end();
}

/* --- money ---------------------------------------------------------------- */

/* The price of the call is split, the first part takes what cannot be; each lead pays its own besides. */
static void test_prices(void **state)
{
	struct call_row row;

	(void)state;
	begin(SERVICE("size: 3", "    price: {per_call: 0.01, per_item: 0.1, on: [ok]}\n"));
	run(THREE, -1);
	row = rig_row(&rig, 0);
	assert_int_equal(row.parts[0].reserved_micro, 103334);
	assert_int_equal(row.more[0].reserved_micro, 103333);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).reserved_micro, 310000);
	says(0, "{\"matches\":[{\"email\":\"a@x.example\"},{\"email\":\"b@x.example\",\"gone\":true}]}");
	row = rig_row(&rig, 0);
	assert_int_equal(row.parts[0].settled_micro, 103334);
	assert_int_equal(row.more[0].settled_micro, 3333);
	assert_int_equal(row.more[1].settled_micro, 3333);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).settled_micro, 110000);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).reserved_micro, 0);
	assert_string_equal(rig_state(&rig, 1, 2), "failed gone");
	end();
}

/* A price that the answer tells, with a ceiling for each lead. */
static void test_credits(void **state)
{
	(void)state;
	begin(SERVICE("size: 3", "    price: {units: .credits, each: 0.05, ceiling: 0.05}\n"));
	run(FIVE, -1);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).reserved_micro, 150000);
	says(0, "{\"credits\":2,\"matches\":[]}");
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).settled_micro, 100000);
	assert_int_equal(rig_row(&rig, 0).parts[0].settled_micro, 33334);
	rig_pass(&rig, SEC);
	says(1, "{\"matches\":[]}"); /* it should have told: the ceiling of both */
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).settled_micro, 200000);
	end();
}

/* The same, and whom nobody found pays nothing of it: by the items' own prices as weights. */
static void test_weighted_credits(void **state)
{
	(void)state;
	begin(SERVICE("size: 3", "    price: {units: .credits, each: 0.05, per_item: 0.05, on: [ok], ceiling: 0.05}\n"));
	run(FIVE, -1);
	says(0, "{\"credits\":2,\"matches\":[{\"email\":\"a@x.example\",\"title\":\"head\"},{\"email\":\"c@x.example\",\"title\":\"head\"}]}");
	assert_int_equal(rig_row(&rig, 0).parts[0].settled_micro, 50000);
	assert_int_equal(rig_row(&rig, 0).more[0].settled_micro, 0);
	assert_int_equal(rig_row(&rig, 0).more[1].settled_micro, 50000);
	rig_pass(&rig, SEC);
	says(1, "{\"credits\":1,\"matches\":[{\"email\":\"d@x.example\"},{\"email\":\"e@x.example\"}]}"); /* one was known */
	assert_int_equal(rig_row(&rig, 1).parts[0].settled_micro, 25000);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).settled_micro, 150000);
	end();
}

/* As many as the budget holds, to the last micro-unit. */
static void test_budget_edge(void **state)
{
	(void)state;
	begin(SERVICE("size: 5", "    price: {per_call: 0.01, per_item: 0.1}\n"));
	run(FIVE, 310000);
	assert_int_equal(rig.n_calls, 1);
	assert_int_equal(rig_row(&rig, 0).n_parts, 3);
	run(FIVE, 309999);
	assert_int_equal(rig.n_calls, 2);
	assert_int_equal(rig_row(&rig, 1).n_parts, 2);
	run(FIVE, 109999);
	assert_int_equal(rig.n_calls, 2);
	says(1, "{\"matches\":[]}"); /* empty costs as well: nothing is left for a third */
	assert_int_equal(rig.n_calls, 2);
	assert_string_equal(rig_state(&rig, 2, 3), "parked not-started: budget");
	end();
}

/* --- what goes wrong ------------------------------------------------------ */

static void test_all_again(void **state)
{
	char key[64];

	(void)state;
	begin(SERVICE("size: 3", "    price: {per_call: 0.01}\n"));
	run(THREE, -1);
	(void)snprintf(key, sizeof(key), "%s", rig.calls[0].key);
	rig_answer(&rig, 0, 503, "{}");
	assert_string_equal(rig_state(&rig, 1, 2), "retrying");
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).settled_micro, 0);
	rig_pass(&rig, 2 * SEC);
	assert_true(rig.n_calls > 1);
	assert_true(rig.n_calls > 2 || strcmp(rig.calls[1].key, key) == 0); /* the same ones: the same key */
	end();
}

/* One of them comes back alone. */
static void test_one_again(void **state)
{
	(void)state;
	begin(SERVICE("size: 3", ""));
	run(THREE, -1);
	says(0, "{\"matches\":[{\"email\":\"a@x.example\",\"later\":true},{\"email\":\"b@x.example\"}]}");
	assert_string_equal(rig_state(&rig, 1, 1), "retrying");
	assert_string_equal(rig_state(&rig, 1, 2), "ready");
	rig_pass(&rig, 2 * SEC);
	assert_int_equal(rig.n_calls, 2);
	assert_int_equal(rig_row(&rig, 1).n_parts, 1);
	assert_string_not_equal(rig.calls[1].key, rig.calls[0].key);
	end();
}

static void test_in_doubt(void **state)
{
	(void)state;
	begin(SERVICE("size: 3", "    price: {per_call: 0.01, per_item: 0.1}\n    in_doubt: {repeat: 1}\n"));
	run(THREE, -1);
	rig_broken(&rig, 0);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).in_doubt_micro, 310000);
	assert_int_equal(rig.n_calls, 2); /* together again */
	rig_broken(&rig, 1);
	assert_string_equal(rig_state(&rig, 1, 3), "parked in-doubt");
	end();
}

/* Every part is in doubt, each by its stage's rule. */
static void test_crash(void **state)
{
	(void)state;
	begin(SERVICE("size: 3", "    price: {per_call: 0.01, per_item: 0.1}\n    in_doubt: {repeat: 1}\n"));
	run(FIVE, -1);
	rig_pass(&rig, SEC);
	assert_int_equal(rig.n_calls, 2);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).reserved_micro, 520000);
	rig_restart(&rig);
	rig_check(&rig);
	rig_settle(&rig);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).in_doubt_micro, 520000);
	assert_int_equal(rig_row(&rig, 0).state, CALL_IN_DOUBT);
	assert_int_equal(rig_row(&rig, 0).more[1].settled_micro, 103333);
	rig_pass(&rig, SEC);
	assert_int_equal(rig.n_calls, 4);
	says(2, "{\"matches\":[]}");
	says(3, "{\"matches\":[]}");
	assert_int_equal(rig_count(&rig, 1, ITEM_READY), 5);
	end();
}

/* The commit fails: the batch never was; then the answer is applied again. */
static void test_disk_full(void **state)
{
	(void)state;
	begin(SERVICE("size: 3", "    price: {per_call: 0.01, per_item: 0.1}\n"));
	run(THREE, -1);
	rig_disk_full(true);
	rig_gather(&rig, 0, &(struct http_answer){.transport = TRANSPORT_ANSWERED, .status = 200, .body = "{\"matches\":[]}", .body_len = 14});
	assert_int_equal(rig_turn(&rig), LEAD_EFULL);
	rig_disk_full(false);
	rig_pass(&rig, SEC);
	assert_int_equal(rig_count(&rig, 1, ITEM_READY), 3);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).settled_micro, 310000);
	end();
}

/* A run that was cancelled while its batch is out: each part ends where it is. */
static void test_cancelled(void **state)
{
	struct command cancel = {.kind = COMMAND_CANCEL, .run = 1};

	(void)state;
	begin(SERVICE("size: 3", "    price: {per_call: 0.01}\n"));
	run(THREE, -1);
	assert_int_equal(rig_command(&rig, &cancel).rc, 0);
	rig_answer(&rig, 0, 503, "{}");
	assert_int_equal(rig_count(&rig, 1, ITEM_PARKED), 3);
	end();
}

/* --- ways to join --------------------------------------------------------- */

static void test_position(void **state)
{
	(void)state;
	begin("service: one\nbase: https://one.example\nkeys: [a]\nauth: bearer\ncalls:\n  match:\n    post: /match\n"
	      "    json: {kind: '${.kind}', details: '${.items}'}\n    map: {title: .title}\n"
	      "    batch: {size: 5, each: '${.email}', answers: .made, join: {position: .index}, missing: duplicate}\n");
	run(THREE, -1);
	assert_non_null(strstr(rig.calls[0].body, "[\"a@x.example\",\"b@x.example\",\"c@x.example\"]"));
	says(0, "{\"made\":[{\"index\":2,\"title\":\"two\"},{\"index\":0,\"title\":\"zero\"}]}");
	assert_string_equal(rig_field(&rig, 1, 1, "title"), "zero");
	assert_string_equal(rig_facts(&rig, 1, 2), "call duplicate not-in-answer");
	assert_string_equal(rig_field(&rig, 1, 3, "title"), "two");
	end();
}

static void test_order(void **state)
{
	(void)state;
	begin("service: one\nbase: https://one.example\nkeys: [a]\nauth: bearer\ncalls:\n  match:\n    post: /match\n"
	      "    json: {kind: '${.kind}', details: '${.items}'}\n    map: {title: .title}\n"
	      "    batch: {size: 5, each: '${.email}', answers: ., join: order}\n");
	run(THREE, -1);
	says(0, "[{\"title\":\"[x,{\\\\\\\"]\"}, null ,{\"title\":\"c\"}]");
	assert_string_equal(rig_field(&rig, 1, 1, "title"), "[x,{\\\"]");
	assert_string_equal(rig_facts(&rig, 1, 2), "call empty not-in-answer");
	assert_string_equal(rig_field(&rig, 1, 3, "title"), "c");
	end();
}

/* --- mistakes in the file ------------------------------------------------- */

static void refuses(const char *service, const char *problem)
{
	rig_begin(&rig);
	rig_write(&rig, "secrets/a", "key-a\n");
	rig_write(&rig, "services/one.yaml", service);
	rig_write(&rig, "pipelines/p.yaml", PIPELINE);
	rig_write(&rig, "leadd.yaml", "campaigns: {c: {pipeline: p, organisation: acme}}\n");
	rig_refused(&rig, problem);
	rig_end(&rig);
}

static void test_mistakes(void **state)
{
#define WITH(batch) "service: one\nbase: https://one.example\nkeys: [a]\nauth: bearer\ncalls:\n  match:\n    post: /m\n    json: {k: '${.kind}', d: '${.items}'}\n" \
		    "    batch: {" batch "}\n"
	(void)state;
	refuses(SERVICE("size: 0", ""), "between 1 and 1000");
	refuses(SERVICE("size: 1001", ""), "between 1 and 1000");
	refuses(SERVICE("sizes: 10", ""), "did you mean 'size'");
	refuses(WITH("size: 2, answers: .m, join: order"), "needs 'each'");
	refuses(WITH("size: 2, each: a, join: order"), "needs 'answers'");
	refuses(WITH("size: 2, each: a, answers: '.m|.[1:]', join: order"), "plain path");
	refuses(WITH("size: 2, each: a, answers: .m"), "needs 'join'");
	refuses(WITH("size: 2, each: a, answers: .m, join: {item: '${.email}'}"), "'join' needs 'item'");
	refuses(WITH("size: 2, each: a, answers: .m, join: order, missing: in_doubt"), "in doubt only when its whole call is");
	refuses("service: one\nbase: https://one.example\nkeys: [a]\nauth: bearer\ncalls:\n  match:\n    post: /m\n    json: {k: '${.kind}'}\n"
		"    batch: {size: 2, each: a, answers: .m, join: order}\n",
	    "${.items} must stand in its request");
	refuses("service: one\nbase: https://one.example\nkeys: [a]\nauth: bearer\ncalls:\n  match: {post: /m, price: {per_item: 1}}\n",
	    "'per_item' is for calls with 'batch'");
}

#define TEST(f) cmocka_unit_test(f)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_one_request),
	    TEST(test_size),
	    TEST(test_shared_parameters),
	    TEST(test_missing_input),
	    TEST(test_runs_apart),
	    TEST(test_linger),
	    TEST(test_last_ones),
	    TEST(test_why),
	    TEST(test_prices),
	    TEST(test_credits), TEST(test_weighted_credits),
	    TEST(test_budget_edge),
	    TEST(test_all_again),
	    TEST(test_one_again),
	    TEST(test_in_doubt),
	    TEST(test_crash),
	    TEST(test_disk_full),
	    TEST(test_cancelled),
	    TEST(test_position),
	    TEST(test_order),
	    TEST(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
