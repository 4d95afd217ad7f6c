/*
 * What a stage does when it does not get what it wants: the next provider of a waterfall within a price ceiling per lead, back
 * to an earlier waterfall when what it gave is refused, on as it was (unchanged), or past a service that is down.
 */
#include "engine_rig.h"

#include "lib/engine/show/export.h"

#include <json-c/json.h>

#define SERVICE(name, price)                                                                       \
	"service: " name "\n"                                                                      \
	"base: https://" name ".example\n"                                                         \
	"breaker: {failures: 2, open: 60s}\n"                                                      \
	"concurrency: 50\n"                                                                        \
	"outcomes: [{status: [404, 203], is: empty, reason: nobody}]\n"                              \
	"calls:\n"                                                                                 \
	"  find:\n"                                                                                \
	"    get: /find\n"                                                                         \
	"    query: {email: '${.email}'}\n"                                                        \
	"    retry: {transient: {attempts: 2, base: 1s, cap: 8s}}\n"                                \
	"    price: {per_call: " price "}\n"                                                       \
	"    map: {found: .found}\n"                                                               \
	"  check:\n"                                                                               \
	"    get: /check\n"                                                                        \
	"    query: {email: '${.email}'}\n"                                                        \
	"    map: {verdict: .verdict}\n"                                                           \
	"  push:\n"                                                                                \
	"    post: /push\n"                                                                        \
	"    json: {email: '${.email}'}\n"
#define FALL(more)                                                                                 \
	"  - stage: find\n"                                                                        \
	"    with: {email: '${.email}'}\n"                                                         \
	"    chain: [{call: a.find}, {call: b.find}, {call: c.find}]\n" more
#define PUSH "  - {stage: push, push: d.push, with: {email: '${.email}'}}\n"

static struct rig rig;

static void write_files(const char *stages)
{
	char text[2048];

	(void)snprintf(text, sizeof(text), "pipeline: p\nstages:\n%s", stages);
	rig_begin(&rig);
	rig_write(&rig, "services/a.yaml", SERVICE("a", "0.10"));
	rig_write(&rig, "services/b.yaml", SERVICE("b", "0.20"));
	rig_write(&rig, "services/c.yaml", SERVICE("c", "0.05"));
	rig_write(&rig, "services/d.yaml", SERVICE("d", "0"));
	rig_write(&rig, "pipelines/p.yaml", text);
	rig_write(&rig, "leadd.yaml", "campaigns: {c: {pipeline: p}}\n");
}

static void begin(const char *stages)
{
	write_files(stages);
	rig_open(&rig);
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

/* What each service says: NULL: it is down. */
static const char *says[4];

static void serve(struct rig *r, struct seen *c)
{
	const char *said = says[strstr(c->url, "//a.") ? 0 : strstr(c->url, "//b.") ? 1 : strstr(c->url, "//c.") ? 2 : 3];

	(void)r;
	c->due_us = c->start_us + 100 * US_PER_MS;
	c->status = said == NULL ? 503 : said[0] == '!' ? 402 : said[0] == '?' ? 203 : said[0] == 0 ? 404 : 200;
	(void)snprintf(c->answer, sizeof(c->answer), "%s", said == NULL ? "" : said[0] == '?' ? "{\"verdict\":\"hint\"}" : said);
}

static uint32_t play(unsigned leads, int64_t s)
{
	struct buf csv = {0};
	uint32_t id;

	rig.serve = serve;
	buf_add_text(&csv, "email\n");
	for (unsigned i = 1; i <= leads; i++) {
		buf_printf(&csv, "lead%u@firm.com\n", i);
	}
	id = rig_run(&rig, "c", csv.data);
	buf_free(&csv);
	rig_play(&rig, rig.now.boot_us + s * SEC);
	return id;
}

static void say(const char *a, const char *b, const char *c, const char *d)
{
	says[0] = a;
	says[1] = b;
	says[2] = c;
	says[3] = d;
}

static unsigned calls(const char *host)
{
	unsigned n = 0;

	for (size_t i = 0; i < rig.n_calls; i++) {
		n += strstr(rig.calls[i].url, host) != NULL;
	}
	return n;
}

static const struct stage_count *count(uint32_t id, unsigned s)
{
	return &rig_run_row(&rig, id)->stages[s].count;
}

/* The next provider is asked when one has nothing, and when the stage's gates refuse what it has. */
static void test_waterfall(void **state)
{
	uint32_t id;

	(void)state;
	begin(FALL("    gates: [{field: found, not_in: [bad], reason: bad}]\n") PUSH);
	say("", "{\"found\":\"bad\"}", "{\"found\":\"good\"}", "{}");
	id = play(1, 60);
	assert_string_equal(rig_state(&rig, id, 1), "delivered");
	assert_string_equal(rig_field(&rig, id, 1, "found"), "good");
	assert_int_equal(rig_item(&rig, id, 1).spent_micro, 350000);
	end();
}

/* A step that lacks an input is passed over; what an empty answer told beside is there for the next step. */
static void test_lacks(void **state)
{
	uint32_t id;

	(void)state;
	begin("  - stage: find\n    chain: [{call: a.find, with: {email: '${.linkedin}'}}, {call: b.find, with: {email: '${.email}'}},\n"
	      "      {call: c.find, with: {email: '${.found}'}}]\n" PUSH);
	say("{}", "", "{\"found\":\"c\"}", "{}");
	id = play(1, 60);
	assert_string_equal(rig_state(&rig, id, 1), "rejected missing-email");
	assert_string_equal(rig_facts(&rig, id, 1), "gate missing-email; call empty nobody; gate missing-email");
	assert_int_equal(calls("//a.") + calls("//c."), 0);
	end();
	begin("  - stage: find\n    chain: [{call: a.find, with: {email: '${.linkedin}'}}, {call: b.check, with: {email: '${.email}'}},\n"
	      "      {call: c.find, with: {email: '${.verdict}'}}]\n" PUSH);
	say("{}", "?", "{\"found\":\"c\"}", "{}");
	id = play(1, 60);
	assert_string_equal(rig_state(&rig, id, 1), "delivered");
	assert_string_equal(rig_field(&rig, id, 1, "found"), "c");
	assert_non_null(strstr(rig.calls[1].url, "//c.example/find?email=hint"));
	end();
	begin("  - stage: find\n    needs: [linkedin]\n    on_empty: pass\n    chain: [{call: a.find, with: {email: '${.linkedin}'}}, {call: b.find, with: {email: '${.email}'}}]\n" PUSH);
	id = play(1, 60);
	assert_string_equal(rig_state(&rig, id, 1), "rejected missing-linkedin");
	end();
}

/* 0.10 and then 0.20 would be more than 0.25: the third, cheaper one fits. */
static void test_ceiling(void **state)
{
	uint32_t id;

	(void)state;
	begin(FALL("    spend_at_most: 0.25\n") PUSH);
	say("", "{\"found\":\"b\"}", "{\"found\":\"c\"}", "{}");
	id = play(3, 60);
	assert_int_equal(rig_count(&rig, id, ITEM_DELIVERED), 3);
	assert_int_equal(calls("//b."), 0);
	assert_int_equal(calls("//c."), 3);
	assert_int_equal(rig_item(&rig, id, 2).spent_micro, 150000);
	end();
}

/* Nothing fits any more: as at the end of the chain. */
static void test_ceiling_end(void **state)
{
	uint32_t id;

	(void)state;
	begin(FALL("    spend_at_most: 0.12\n    on_empty: unchanged\n") PUSH);
	say("", "{\"found\":\"b\"}", "{\"found\":\"c\"}", "{}");
	id = play(1, 60);
	assert_string_equal(rig_state(&rig, id, 1), "delivered");
	assert_string_equal(rig_facts(&rig, id, 1), "call empty nobody; unchanged nobody; call ok");
	assert_int_equal(count(id, 0)->unchanged, 1);
	assert_int_equal(count(id, 0)->ok, 0);
	end();
}

/* The first step alone is above the ceiling, or all are. */
static void test_ceiling_start(void **state)
{
	uint32_t id;

	(void)state;
	begin(FALL("    spend_at_most: 0.07\n") PUSH);
	say("{}", "{}", "{\"found\":\"c\"}", "{}");
	id = play(2, 60);
	assert_int_equal(rig_count(&rig, id, ITEM_DELIVERED), 2);
	assert_int_equal(calls("//a.") + calls("//b."), 0);
	end();
	begin(FALL("    spend_at_most: 0.01\n") PUSH);
	id = play(2, 60);
	assert_string_equal(rig_state(&rig, id, 1), "rejected spend-at-most");
	assert_int_equal(rig.n_calls, 0);
	end();
}

/* A repeat costs too: what was bought in doubt counts. A person's retry gives the lead the whole ceiling again. */
static void test_ceiling_doubt(void **state)
{
	uint32_t id;

	(void)state;
	begin(FALL("    spend_at_most: 0.15\n") PUSH);
	say(NULL, NULL, NULL, "{}");
	id = play(1, 0);
	assert_int_equal(rig.n_calls, 1);
	rig_broken(&rig, 0);
	rig_settle(&rig);
	assert_int_equal(rig_item(&rig, id, 1).spent_micro, 100000);
	for (size_t i = 1; i < rig.n_calls; i++) {
		assert_null(strstr(rig.calls[i].url, "//a."));
		assert_null(strstr(rig.calls[i].url, "//b."));
	}
	end();
}

/*
 * A provider that breaks off every connection is down, too, though nobody knows what was done: who may go on unchanged does, after the repeats
 * that the call allows, and what is in doubt stays counted. A person looks at all others.
 */
static void test_unchanged_doubt(void **state)
{
	static const char *const policies[][2] = {{"", "parked"}, {", on_fail: unchanged", "delivered"}};
	char stage[300];
	uint32_t id;

	(void)state;
	for (size_t p = 0; p < 2; p++) {
		(void)snprintf(stage, sizeof(stage), "  - {stage: find, call: a.find, with: {email: '${.email}'}%s}\n%s", policies[p][0], PUSH);
		write_files(stage);
		rig_write(&rig, "services/a.yaml",
		    "service: a\nbase: https://a.example\nbreaker: off\ncalls:\n  find:\n    get: /find\n    query: {email: '${.email}'}\n"
		    "    price: {per_call: 0.10}\n    in_doubt: {repeat: 1}\n    map: {found: .found}\n");
		rig_open(&rig);
		say("{}", "", "", "{}");
		id = play(1, 0);
		for (size_t n = 0; n < 2; n++) {
			assert_int_equal(calls("//a."), n + 1);
			rig_broken(&rig, n);
			rig_settle(&rig);
		}
		rig_play(&rig, rig.now.boot_us + 10 * SEC);
		assert_int_equal(calls("//a."), 2);
		assert_int_equal(rig_item(&rig, id, 1).spent_micro, 200000);
		assert_memory_equal(rig_state(&rig, id, 1), policies[p][1], strlen(policies[p][1]));
		assert_int_equal(count(id, 0)->unchanged, p);
		end();
	}
}

#define VERIFY                                                                                     \
	"  - {stage: verify, call: d.check, with: {email: '${.found}'},\n"                         \
	"     gates: [{field: verdict, in: [valid], reason: undeliverable}], on_refused: {back: find}}\n"

static void serve_verdict(struct rig *r, struct seen *c)
{
	serve(r, c);
	if (strstr(c->url, "/check") != NULL) {
		(void)snprintf(c->answer, sizeof(c->answer), "{\"verdict\":\"%s\"}", strstr(c->url, "=c") != NULL ? "valid" : "no");
	}
}

/* Verification within a waterfall: a refused address sends the lead back to the next provider. */
static void test_back(void **state)
{
	uint32_t id;

	(void)state;
	begin(FALL("") VERIFY PUSH);
	say("{\"found\":\"a\"}", "", "{\"found\":\"c\"}", "{}");
	rig.serve = serve_verdict;
	id = rig_run(&rig, "c", "email\nlead1@firm.com\n");
	rig_play(&rig, rig.now.boot_us + 60 * SEC);
	assert_string_equal(rig_state(&rig, id, 1), "delivered");
	assert_string_equal(rig_facts(&rig, id, 1), "call ok; call ok; gate undeliverable; call empty nobody; call ok; call ok; call ok");
	assert_string_equal(rig_field(&rig, id, 1, "found"), "c");
	assert_int_equal(calls("/check"), 2);
	end();
	begin(FALL("") VERIFY PUSH);
	say("{\"found\":\"a\"}", "{\"found\":\"b\"}", "", "{}");
	rig.serve = serve_verdict;
	id = rig_run(&rig, "c", "email\nlead1@firm.com\n");
	rig_play(&rig, rig.now.boot_us + 60 * SEC);
	assert_string_equal(rig_state(&rig, id, 1), "rejected nobody");
	end();
	begin(FALL("    spend_at_most: 0.15\n") VERIFY PUSH);
	say("{\"found\":\"a\"}", "{\"found\":\"b\"}", "{\"found\":\"b\"}", "{}");
	rig.serve = serve_verdict;
	id = rig_run(&rig, "c", "email\nlead1@firm.com\n");
	rig_play(&rig, rig.now.boot_us + 60 * SEC);
	assert_string_equal(rig_state(&rig, id, 1), "rejected undeliverable");
	assert_int_equal(calls("//b."), 0);
	assert_int_equal(rig_item(&rig, id, 1).spent_micro, 150000);
	end();
}

/* The provider fails: the lead goes on with its data as they were, and is not counted as enriched. */
static void test_unchanged(void **state)
{
	struct json_object *o;
	struct lead_error err;
	struct buf text = {0};
	struct report *report;
	struct txn *t;
	uint32_t id;

	(void)state;
	begin("  - {stage: find, call: a.find, with: {email: '${.email}'}, on_fail: unchanged}\n" PUSH);
	say("{\"found\":\"a\"}", "", "", "{}");
	id = play(1, 10);
	assert_int_equal(count(id, 0)->ok, 1);
	assert_int_equal(count(id, 0)->unchanged, 0);
	say(NULL, "", "", "{}");
	id = play(3, 600);
	assert_int_equal(rig_count(&rig, id, ITEM_DELIVERED), 3);
	assert_int_equal(count(id, 0)->ok, 0);
	assert_int_equal(count(id, 0)->failed, 0);
	assert_int_equal(count(id, 0)->unchanged, 3);
	assert_int_equal(txn_begin(rig.store, false, &t, &err), 0);
	o = show_lead(rig.engine, t, id, 1);
	assert_non_null(strstr(json_object_to_json_string(o), "\"kind\": \"unchanged\""));
	json_object_put(o);
	report = report_new(rig.engine, id);
	while (report_next(report, 1, &err)) {
	}
	report_summary(report, t, rig.now, &text);
	report_free(report);
	assert_non_null(strstr(text.data, "unchanged"));
	txn_abort(t);
	buf_free(&text);
	end();
}

/* Its breaker is open for as long as the stage says: by setting they wait, go on, are held or fail. */
static void test_down(void **state)
{
	static const struct {
		const char *more, *end;
		unsigned unchanged;
	} cases[] = {{"", "waiting", 0}, {", on_down: pass", "delivered", 0}, {", on_down: unchanged", "delivered", 8},
	    {", on_down: hold", "parked down: a", 0}, {", on_down: fail", "failed down: a", 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char stages[1024];
		uint32_t id;

		(void)snprintf(stages, sizeof(stages),
		    "  - {stage: find, call: a.find, with: {email: '${.email}'}, down_after: 3min%s}\n" PUSH, cases[i].more);
		begin(stages);
		say(NULL, "", "", "{}");
		id = play(10, 150);
		assert_int_equal(rig_count(&rig, id, ITEM_DELIVERED), 0);
		assert_true(count(id, 0)->waiting + count(id, 0)->retrying >= 6);
		rig_play(&rig, rig.now.boot_us + (i == 0 ? 200 : 3600) * SEC);
		if (i == 0) {
			assert_true(rig_count(&rig, id, ITEM_OPEN) > 0);
			say("{}", "", "", "{}");
			rig_play(&rig, rig.now.boot_us + 3600 * SEC);
			assert_true(rig_count(&rig, id, ITEM_DELIVERED) > 0);
		} else {
			assert_int_equal(rig_count(&rig, id, ITEM_OPEN), 0);
			assert_string_equal(rig_state(&rig, id, 10), cases[i].end);
			assert_non_null(strstr(rig_facts(&rig, id, 10), "warning down: a"));
		}
		assert_true(count(id, 0)->unchanged >= cases[i].unchanged);
		assert_int_equal(count(id, 0)->unchanged > 0, cases[i].unchanged > 0);
		end();
	}
}

/* A parked key counts as down too; in a waterfall the next provider is asked first. */
static void test_down_chain(void **state)
{
	uint32_t id;

	(void)state;
	begin(FALL("    on_down: hold\n    down_after: 3min\n") PUSH);
	say("!", "{\"found\":\"b\"}", "", "{}");
	rig.serve = serve;
	id = rig_run(&rig, "c", "email\nlead1@firm.com\nlead2@firm.com\n");
	rig_play(&rig, rig.now.boot_us + 600 * SEC);
	for (uint32_t i = 1; i <= 2; i++) {
		if (strcmp(rig_state(&rig, id, i), "delivered") == 0) {
			continue;
		}
		fail_msg("%s: %s", rig_state(&rig, id, i), rig_facts(&rig, id, i));
	}
	end();
}

static void bad(const char *stages, const char *what)
{
	write_files(stages);
	rig_refused(&rig, what);
	rig_end(&rig);
}

static void test_bad(void **state)
{
	(void)state;
	bad(FALL("    on_down: wiat\n"), "wait");
	bad(FALL("    down_after: soon\n"), "down_after");
	bad(FALL("    spend_at_most: -1\n"), "spend_at_most");
	bad(FALL("    on_refused: {back: find}\n"), "no stage with a chain before this one");
	bad("  - {stage: push, push: d.push, with: {email: x}, on_down: pass}\n", "cannot go on");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_waterfall),
	    cmocka_unit_test(test_lacks),
	    cmocka_unit_test(test_ceiling),
	    cmocka_unit_test(test_ceiling_end),
	    cmocka_unit_test(test_ceiling_start),
	    cmocka_unit_test(test_ceiling_doubt),
	    cmocka_unit_test(test_unchanged_doubt),
	    cmocka_unit_test(test_back),
	    cmocka_unit_test(test_unchanged),
	    cmocka_unit_test(test_down),
	    cmocka_unit_test(test_down_chain),
	    cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
