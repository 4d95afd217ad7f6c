/*
 * lib/engine/run/reopen.c: a lead that a person puts back goes on where it stopped: what was answered in the middle of a chain, or of a
 * source's rounds, is not bought again, whatever stopped it there, and also when the chain is another one by then.
 */
#include "engine_rig.h"

#define PRICE "    price: {per_call: 0.01, on: [ok, empty, refusal]}\n"
#define SERVICE(name, doubt)                                                                       \
	"service: " name "\n"                                                                      \
	"base: https://" name ".example\n"                                                         \
	"breaker: off\n"                                                                           \
	"outcomes: [{status: 404, is: empty}, {status: 422, is: refusal}]\n"                       \
	"calls:\n"                                                                                 \
	"  ask:\n"                                                                                 \
	"    post: /ask\n"                                                                         \
	"    json: {email: '${.email}', tone: '${.tone}'}\n"                                       \
	"    optional: [tone]\n"                                                                   \
	"    retry: {transient: {attempts: 2, base: 1s, cap: 1s}}\n"                               \
	"    in_doubt: " doubt "\n" PRICE "    map: {text: .text}\n"                               \
	"  find:\n"                                                                                \
	"    get: /find\n"                                                                         \
	"    query: {email: '${.email}'}\n"                                                        \
	"    map: {text: .text}\n"
#define CHAIN(steps, more)                                                                         \
	"pipeline: p\n"                                                                            \
	"stages:\n"                                                                                \
	"  - stage: ask\n"                                                                         \
	"    with: {email: '${.email}'}\n"                                                         \
	"    chain: [" steps "]\n" more
#define STEP(name) "{call: " name ".ask}"
#define THREE STEP("one") ", " STEP("two") ", " STEP("three")
#define GATED "    gate_retries: 1\n    gates: [{field: text, not_in: [bad], reason: bad-text}]\n"

static struct rig rig;

static void open_with(const char *pipeline)
{
	rig_begin(&rig);
	rig_write(&rig, "services/one.yaml", SERVICE("one", "hold"));
	rig_write(&rig, "services/two.yaml", SERVICE("two", "{lookup: find}"));
	rig_write(&rig, "services/three.yaml", SERVICE("three", "hold"));
	rig_write(&rig, "pipelines/p.yaml", pipeline);
	rig_write(&rig, "leadd.yaml", "campaigns: {c: {pipeline: p}}\n");
	rig_open(&rig);
}

static void begin(const char *pipeline)
{
	open_with(pipeline);
	assert_int_equal(rig_run(&rig, "c", "email\nann@x.example\n"), 1);
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

static void tell(enum command_kind kind)
{
	struct command c = {.kind = kind, .run = 1, .outcomes = UINT32_MAX & ~(1u << ITEM_READY)};

	assert_int_equal(rig_command(&rig, &c).rc, 0);
	rig_settle(&rig);
}

/* Of all calls so far, number n went to that service. */
static void call_is(size_t n, const char *service)
{
	char url[64];

	assert_true(n < rig.n_calls);
	(void)snprintf(url, sizeof(url), "https://%s.example/", service);
	assert_int_equal(strncmp(rig.calls[n].url, url, strlen(url)), 0);
}

static size_t calls_of(const char *service)
{
	char url[64];
	size_t n = 0;

	(void)snprintf(url, sizeof(url), "https://%s.example/ask", service);
	for (size_t i = 0; i < rig.n_calls; i++) {
		n += strcmp(rig.calls[i].url, url) == 0;
	}
	return n;
}

static void paid(int64_t calls)
{
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).settled_micro, calls * 10000);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).in_doubt_micro, 0);
}

static void ends_ready(size_t call, int64_t calls_paid)
{
	rig_answer(&rig, call, 200, "{\"text\":\"hi\"}");
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
	paid(calls_paid);
	end();
}

/* Cancelled while it waits for the second of three. */
static void test_waiting_in_the_middle(void **state)
{
	(void)state;
	begin(CHAIN(THREE, ""));
	tell(COMMAND_PAUSE);
	rig_answer(&rig, 0, 404, "");
	tell(COMMAND_CANCEL);
	assert_string_equal(rig_state(&rig, 1, 1), "parked cancelled");
	tell(COMMAND_RETRY);
	call_is(1, "two");
	rig_answer(&rig, 1, 404, "");
	call_is(2, "three");
	assert_int_equal(rig.n_calls, 3);
	ends_ready(2, 3);
}

/* Cancelled while the first is under way: what it says is known when the lead is put back. */
static void test_answered_after_the_end(void **state)
{
	static const int statuses[] = {404, 422, 400};

	(void)state;
	for (size_t k = 0; k < 3; k++) {
		begin(CHAIN(THREE, ""));
		tell(COMMAND_CANCEL);
		rig_answer(&rig, 0, statuses[k], "");
		assert_string_equal(rig_state(&rig, 1, 1), "parked cancelled");
		tell(COMMAND_RETRY);
		assert_int_equal(rig.n_calls, 2);
		call_is(1, "two");
		ends_ready(1, statuses[k] == 400 ? 1 : 2);
	}
}

/* Its money is over behind the first step, and is raised. */
static void test_no_money_for_the_second(void **state)
{
	struct command more = {.kind = COMMAND_RETRY, .run = 1, .outcomes = 1u << ITEM_PARKED, .budget_micro = 100000};
	struct run_row row = {.campaign = "c", .budget_micro = 30000};

	(void)state;
	open_with(CHAIN(THREE, ""));
	assert_int_equal(rig_run_with(&rig, &row, "email\nann@x.example\n"), 1);
	rig_write(&rig, "leadd.yaml", "campaigns: {c: {pipeline: p, budget: 0.01}}\n");
	assert_int_equal(rig_reload(&rig).rc, 0);
	rig_answer(&rig, 0, 404, "");
	assert_string_equal(rig_state(&rig, 1, 1), "parked unfinished: budget");
	rig_write(&rig, "leadd.yaml", "campaigns: {c: {pipeline: p}}\n");
	assert_int_equal(rig_reload(&rig).rc, 0);
	assert_int_equal(rig_command(&rig, &more).count, 1);
	assert_int_equal(rig.n_calls, 2);
	call_is(1, "two");
	ends_ready(1, 2);
}

/* The chain was at its end: what was answered and paid stays so, what only failed is asked again. */
static void test_failed_behind_an_answer(void **state)
{
	(void)state;
	begin(CHAIN(THREE, ""));
	rig_answer(&rig, 0, 404, "");
	for (size_t i = 1; i < 5; i++) {
		rig_answer(&rig, i, 500, "");
		rig_pass(&rig, 2 * SEC);
	}
	assert_string_equal(rig_state(&rig, 1, 1), "failed http-500");
	tell(COMMAND_RETRY);
	call_is(5, "two");
	assert_int_equal(calls_of("one"), 1);
	ends_ready(5, 2);
}

/* Every step was asked and answered: a person who wants it again gets all of it again. */
static void test_answered_to_the_end(void **state)
{
	(void)state;
	begin(CHAIN(THREE, ""));
	for (size_t i = 0; i < 3; i++) {
		rig_answer(&rig, i, 404, "");
	}
	assert_string_equal(rig_state(&rig, 1, 1), "rejected http-404");
	tell(COMMAND_RETRY);
	call_is(3, "one");
	ends_ready(3, 4);
}

/* Refused by a gate behind the run's end: its repeat, then the next step, as if nothing had been between. */
static void test_refused_after_the_end(void **state)
{
	(void)state;
	begin(CHAIN(THREE, GATED));
	tell(COMMAND_CANCEL);
	rig_answer(&rig, 0, 200, "{\"text\":\"bad\"}");
	assert_string_equal(rig_state(&rig, 1, 1), "parked cancelled");
	tell(COMMAND_RETRY);
	call_is(1, "one");
	tell(COMMAND_CANCEL);
	rig_answer(&rig, 1, 200, "{\"text\":\"bad\"}");
	tell(COMMAND_RETRY);
	call_is(2, "two");
	assert_int_equal(calls_of("one"), 2);
	ends_ready(2, 3);
}

/* In doubt at the second step: that one is looked up, not the first. */
static void test_in_doubt_in_the_middle(void **state)
{
	(void)state;
	begin(CHAIN(THREE, ""));
	rig_answer(&rig, 0, 404, "");
	rig_broken(&rig, 1);
	for (size_t i = 2; strcmp(rig_state(&rig, 1, 1), "parked in-doubt") != 0; i++) {
		assert_int_equal(rig.n_calls, i + 1);
		assert_string_equal(rig.calls[i].url, "https://two.example/find?email=ann%40x.example");
		rig_answer(&rig, i, 500, "");
		rig_pass(&rig, 60 * SEC);
	}
	tell(COMMAND_RETRY);
	assert_string_equal(rig.calls[rig.n_calls - 1].url, "https://two.example/find?email=ann%40x.example");
	rig_answer(&rig, rig.n_calls - 1, 200, "{\"text\":\"hi\"}");
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
	assert_int_equal(calls_of("one"), 1);
	assert_int_equal(calls_of("two"), 1);
	end();
}

/* The chain is another one by then: what it asks of those that were not asked yet, and the lead says so. */
static void test_another_chain(void **state)
{
	static const struct {
		const char *chain, *next;
	} cases[] = {
	    {CHAIN(STEP("one") ", " STEP("three"), ""), "three"},          /* a step less, behind what was answered */
	    {CHAIN(STEP("two") ", " STEP("three"), ""), "three"},          /* before it */
	    {CHAIN(STEP("three"), ""), "three"},                           /* shorter than where it stood */
	    {CHAIN(STEP("two") ", " STEP("one") ", " STEP("three"), ""), "three"},
	    {CHAIN(STEP("two") ", " STEP("one"), ""), "two"},              /* nobody new: from the beginning */
	};

	(void)state;
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		begin(CHAIN(THREE, ""));
		rig_answer(&rig, 0, 404, "");
		rig_answer(&rig, 1, 404, "");
		tell(COMMAND_PAUSE);
		rig_answer(&rig, 2, 500, "");
		tell(COMMAND_CANCEL);
		assert_string_equal(rig_state(&rig, 1, 1), "parked cancelled");
		rig_write(&rig, "pipelines/p.yaml", cases[k].chain);
		assert_int_equal(rig_reload(&rig).rc, 0);
		tell(COMMAND_RETRY);
		assert_int_equal(rig.n_calls, 4);
		call_is(3, cases[k].next);
		assert_non_null(strstr(rig_facts(&rig, 1, 1), "operator retry: another chain"));
		rig_answer(&rig, 3, 200, "{\"text\":\"hi\"}");
		assert_string_equal(rig_state(&rig, 1, 1), "ready");
		end();
	}
}

/* The same chain says nothing of the kind, and one with a step more at its end goes on there. */
static void test_longer_chain(void **state)
{
	(void)state;
	begin(CHAIN(STEP("one") ", " STEP("two"), ""));
	rig_answer(&rig, 0, 404, "");
	tell(COMMAND_CANCEL);
	rig_answer(&rig, 1, 404, "");
	assert_string_equal(rig_state(&rig, 1, 1), "rejected http-404");
	rig_write(&rig, "pipelines/p.yaml", CHAIN(THREE, ""));
	assert_int_equal(rig_reload(&rig).rc, 0);
	tell(COMMAND_RETRY);
	call_is(2, "three");
	assert_null(strstr(rig_facts(&rig, 1, 1), "another"));
	ends_ready(2, 3);
}

/* The chain's last word is a fixed text now: no call is made, and the lead is through. */
static void test_template_in_its_place(void **state)
{
	(void)state;
	begin(CHAIN(THREE, ""));
	tell(COMMAND_PAUSE);
	rig_answer(&rig, 0, 404, "");
	tell(COMMAND_CANCEL);
	rig_write(&rig, "pipelines/p.yaml", CHAIN(STEP("one") ", {template: 'Hello'}", "    give: {copy: '${.text}'}\n"));
	assert_int_equal(rig_reload(&rig).rc, 0);
	tell(COMMAND_RETRY);
	assert_int_equal(rig.n_calls, 1);
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
	assert_string_equal(rig_field(&rig, 1, 1, "copy"), "Hello");
	end();
}

/* What it may cost at a stage is there again, for the steps that were too dear. */
static void test_too_dear(void **state)
{
	(void)state;
	begin(CHAIN(THREE, "    spend_at_most: 0.02\n"));
	rig_answer(&rig, 0, 404, "");
	rig_answer(&rig, 1, 404, "");
	assert_int_equal(rig.n_calls, 2);
	tell(COMMAND_RETRY);
	call_is(2, "three");
	ends_ready(2, 3);
}

/* --- a push --- */

#define TOOL                                                                                       \
	"service: two\n"                                                                           \
	"base: https://two.example\n"                                                              \
	"breaker: off\n"                                                                           \
	"outcomes: [{status: 404, is: empty}]\n"                                                   \
	"calls:\n"                                                                                 \
	"  push: {post: /leads, json: {email: '${.email}'}, idempotency: {header: Idempotency-Key}, in_doubt: hold}\n"                             \
	"  find: {get: /leads, query: {email: '${.email}'}}\n"
#define PUSH                                                                                       \
	"pipeline: p\n"                                                                            \
	"stages:\n"                                                                                \
	"  - {stage: push, push: two.push, with: {email: '${.email}'}}\n"                          \
	"  - {stage: confirm, confirm: two.find, with: {email: '${.email}'}, missing: {wait: 1s, looks: 1, repair: push, repairs: 1}}\n"

static const char *last_key(void)
{
	return rig.calls[rig_last(&rig)].key;
}

/*
 * A tool that knows a key answers as it did then, and makes nothing: what is pushed again because it is not there has a key that was
 * never used, and what is pushed again because nobody knows has the one that was.
 */
static void test_keys_of_pushes(void **state)
{
	char keys[3][64];

	(void)state;
	for (int doubt = 0; doubt < 2; doubt++) {
		rig_begin(&rig);
		rig_write(&rig, "services/two.yaml", TOOL);
		rig_write(&rig, "pipelines/p.yaml", PUSH);
		rig_write(&rig, "leadd.yaml", "campaigns: {c: {pipeline: p}}\n");
		rig_open(&rig);
		assert_int_equal(rig_run(&rig, "c", "email\nann@x.example\n"), 1);
		for (size_t k = 0; k < 2; k++) {
			(void)snprintf(keys[k], sizeof(keys[k]), "%s", last_key());
			if (k == 1 && doubt) {
				break;
			}
			rig_answer(&rig, rig_last(&rig), 200, "{}");
			rig_answer(&rig, rig_last(&rig), 404, "");
		}
		if (doubt) {
			rig_broken(&rig, rig_last(&rig));
			assert_string_equal(rig_state(&rig, 1, 1), "parked in-doubt");
			tell(COMMAND_RETRY);
			assert_string_equal(last_key(), keys[1]);
		} else {
			assert_string_equal(rig_state(&rig, 1, 1), "delivered http-404");
			tell(COMMAND_RETRY);
			rig_answer(&rig, rig_last(&rig), 404, ""); /* it is looked for, and pushed a third time */
			(void)snprintf(keys[2], sizeof(keys[2]), "%s", last_key());
			assert_string_not_equal(keys[2], keys[1]);
			assert_string_not_equal(keys[2], keys[0]);
		}
		assert_string_not_equal(keys[1], keys[0]);
		end();
	}
}

/* --- a file --- */

/* Cancelled while its file is read: what is put back is all of it, unless the file is gone by then, which is said. */
static void test_cancelled_while_it_is_read(void **state)
{
	struct command up = {.kind = COMMAND_UPLOAD, .upload = {.id = "upload", .name = "leads.csv"}}, *c;

	(void)state;
	for (int gone = 0; gone < 2; gone++) {
		open_with(CHAIN(STEP("one"), ""));
		rig.file = strdup("email\na@x.org\nb@x.org\nc@x.org\nd@x.org\n");
		rig.file_len = strlen(rig.file);
		rig.slice = 8;
		assert_int_equal(rig_command(&rig, &up).rc, 0);
		c = calloc(1, sizeof(*c));
		assert_non_null(c);
		*c = (struct command){.kind = COMMAND_START, .start = {.budget_micro = -1, .share = 1, .encoding = 255, .campaign = "c", .upload = "upload"}};
		engine_command(rig.engine, c);
		do {
			(void)rig_turn(&rig);
		} while (run_get(rig.engine, 1) == NULL || run_get(rig.engine, 1)->row.rows < 2);
		tell(COMMAND_CANCEL);
		assert_int_equal(rig_run_row(&rig, 1)->rows, 2);
		rig.file_error = gone ? "there is no such file" : NULL;
		tell(COMMAND_RETRY);
		assert_int_equal(rig_run_row(&rig, 1)->rows, gone ? 2 : 4);
		for (size_t i = 0; i < rig.n_calls; i++) {
			if (rig.calls[i].open) {
				rig_answer(&rig, i, 200, "{\"text\":\"hi\"}");
			}
		}
		assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
		assert_int_equal(rig_run_row(&rig, 1)->outcomes[ITEM_READY] + rig_run_row(&rig, 1)->outcomes[ITEM_PARKED], gone ? 2 : 4);
		end();
	}
}

/* --- a source --- */

#define FINDS                                                                                      \
	"service: two\n"                                                                           \
	"base: https://two.example\n"                                                              \
	"breaker: off\n"                                                                           \
	"outcomes: [{status: 404, is: empty}]\n"                                                   \
	"calls:\n"                                                                                 \
	"  list:\n"                                                                                \
	"    get: /list\n"                                                                         \
	"    query: {offset: '${.page.offset}'}\n"                                                 \
	"    map: {people: .people}\n"                                                             \
	"    paging: {items: people, size: 1}\n"                                                   \
	"    price: {per_call: 0.01}\n"                                                            \
	"  ask: {post: /ask, json: {count: '${.count}', round: '${.round}'}, price: {per_call: 0.01}, map: {people: .people}}\n"
#define SOURCE(call, with, more)                                                                   \
	"pipeline: p\n"                                                                            \
	"stages:\n"                                                                                \
	"  - stage: search\n"                                                                      \
	"    of: run\n"                                                                            \
	"    call: two." call "\n" with                                                            \
	"    makes:\n"                                                                             \
	"      level: contact\n"                                                                   \
	"      from: '${.people}'\n"                                                               \
	"      fields: {email: '${.email}'}\n" more                                                \
	"  - {stage: ask, call: one.ask, with: {email: '${.email}'}}\n"

static void find(const char *pipeline, uint64_t quantity)
{
	rig_begin(&rig);
	rig_write(&rig, "services/one.yaml", SERVICE("one", "hold"));
	rig_write(&rig, "services/two.yaml", FINDS);
	rig_write(&rig, "pipelines/p.yaml", pipeline);
	rig_write(&rig, "leadd.yaml", "campaigns: {c: {pipeline: p}}\n");
	rig_open(&rig);
	assert_int_equal(rig_find(&rig, "c", NULL, quantity), 1);
}

/* Cancelled while a page is read: what it says is kept, and the next page is the next. */
static void test_pages_after_the_end(void **state)
{
	(void)state;
	find(SOURCE("list", "", ""), 0);
	tell(COMMAND_CANCEL);
	rig_answer(&rig, 0, 200, "{\"people\":[{\"email\":\"a@x.org\"}]}");
	assert_string_equal(rig_state(&rig, 1, ITEM_ROOT), "parked cancelled");
	assert_false(run_has_open(run_get(rig.engine, 1)));
	tell(COMMAND_RETRY);
	assert_int_equal(rig.n_calls, 3);
	for (size_t i = 1; i < 3; i++) {
		if (strstr(rig.calls[i].url, "/list") != NULL) {
			assert_string_equal(rig.calls[i].url, "https://two.example/list?offset=1");
			rig_answer(&rig, i, 200, "{\"people\":[]}");
		} else {
			rig_answer(&rig, i, 200, "{\"text\":\"hi\"}");
		}
	}
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_int_equal(rig_count(&rig, 1, ITEM_READY), 1);
	paid(3);
	end();
}

/* Cancelled while it waits for what its round brought: the round is not bought again. */
static void test_a_round_that_was_answered(void **state)
{
	(void)state;
	find(SOURCE("ask", "    with: {count: '${.ask.count}', round: '${.ask.round}'}\n", "      until: good\n      rounds: {most: 4}\n"), 1);
	tell(COMMAND_PAUSE);
	rig_answer(&rig, 0, 200, "{\"people\":[{\"email\":\"a@x.org\"}]}");
	tell(COMMAND_CANCEL);
	assert_string_equal(rig_state(&rig, 1, ITEM_ROOT), "parked cancelled");
	tell(COMMAND_RETRY);
	assert_int_equal(rig.n_calls, 2);
	call_is(1, "one");
	rig_answer(&rig, 1, 200, "{\"text\":\"hi\"}");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_string_equal(rig_state(&rig, 1, ITEM_ROOT), "ready");
	assert_int_equal(rig.n_calls, 2);
	paid(2);
	end();
}

/* --- what a chain cannot be --- */

static void refused(const char *pipeline, const char *why)
{
	rig_begin(&rig);
	rig_write(&rig, "services/one.yaml", SERVICE("one", "{lookup: find}"));
	rig_write(&rig, "services/two.yaml", SERVICE("two", "{lookup: find}"));
	rig_write(&rig, "services/three.yaml", SERVICE("three", "hold"));
	rig_write(&rig, "pipelines/p.yaml", pipeline);
	rig_write(&rig, "leadd.yaml", "campaigns: {c: {pipeline: p}}\n");
	rig_refused(&rig, why);
	rig_end(&rig);
}

/* A call in doubt would be looked up at another's service, and a tenth step be called as the ninth. */
static void test_mistakes_are_named(void **state)
{
	(void)state;
	refused(CHAIN(THREE, ""), "need one look-up: 'find' of one or 'find' of two");
	refused(CHAIN(STEP("one") ", " STEP("one") ", " STEP("one") ", " STEP("one") ", " STEP("one") ", " STEP("one") ", " STEP("one") ", " STEP(
		    "one") ", " STEP("one") ", " STEP("one"),
		    ""),
	    "a chain has 9 steps at most");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_waiting_in_the_middle),
	    cmocka_unit_test(test_answered_after_the_end),
	    cmocka_unit_test(test_no_money_for_the_second),
	    cmocka_unit_test(test_failed_behind_an_answer),
	    cmocka_unit_test(test_answered_to_the_end),
	    cmocka_unit_test(test_refused_after_the_end),
	    cmocka_unit_test(test_in_doubt_in_the_middle),
	    cmocka_unit_test(test_another_chain),
	    cmocka_unit_test(test_longer_chain),
	    cmocka_unit_test(test_template_in_its_place),
	    cmocka_unit_test(test_too_dear),
	    cmocka_unit_test(test_keys_of_pushes),
	    cmocka_unit_test(test_cancelled_while_it_is_read),
	    cmocka_unit_test(test_pages_after_the_end),
	    cmocka_unit_test(test_a_round_that_was_answered),
	    cmocka_unit_test(test_mistakes_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
