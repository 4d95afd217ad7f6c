/*
 * lib/engine/stage/verify.c, verify_page.c: a destination read back as a whole: what is missing, doubled, changed or foreign is found,
 * nothing else is, and neither a crash nor an end of the run changes that.
 */
#include "engine_rig.h"

#include <json-c/json.h>

#include "lib/engine/stage/verify.h"

#define LEADD                                                                                      \
	"campaigns:\n"                                                                             \
	"  c: {pipeline: p, vars: {place: here}}\n"                                                \
	"  d: {pipeline: p, vars: {place: here}}\n"                                                \
	"  e: {pipeline: p, vars: {place: there}}\n"
#define TOOL                                                                                       \
	"service: tool\n"                                                                          \
	"base: https://tool.example\n"                                                             \
	"breaker: off\n"                                                                           \
	"retry: {transient: {attempts: 2, base: 1s, cap: 1s}}\n"                                   \
	"outcomes: [{status: 404, is: empty}]\n"                                                   \
	"calls:\n"                                                                                 \
	"  push:\n"                                                                                \
	"    post: /leads\n"                                                                       \
	"    json: {email: '${.email}'}\n"                                                         \
	"    idempotency: {header: Idempotency-Key}\n"                                             \
	"    map: {pushed_id: .id}\n"                                                              \
	"  remove: {delete: '/leads/${.id}', answer: any}\n"                                       \
	"  find: {get: /leads, query: {email: '${.email}'}, in_doubt: free}\n"                     \
	"  list:\n"                                                                                \
	"    get: /all\n"                                                                          \
	"    query: {place: '${.place}', from: '${.page.cursor}'}\n"                               \
	"    paging: {items: leads, cursor: next, size: 2}\n"                                      \
	"    in_doubt: free\n"                                                                     \
	"    map: {leads: .leads, next: .next}\n"
#define PIPELINE                                                                                   \
	"pipeline: p\n"                                                                            \
	"stages:\n"                                                                                \
	"  - stage: push\n"                                                                        \
	"    push: tool.push\n"                                                                    \
	"    with: {email: '${.email}'}\n"                                                         \
	"    recall: {call: tool.remove, with: {id: '${.pushed_id}'}}\n"                           \
	"  - stage: confirm\n"                                                                     \
	"    confirm: tool.find\n"                                                                 \
	"    with: {email: '${.email}'}\n"                                                         \
	"    list:\n"                                                                              \
	"      call: tool.list\n"                                                                  \
	"      with: {place: '${.campaign.place}'}\n"                                              \
	"      key: mail\n"                                                                        \
	"      id: id\n"                                                                           \
	"      same: {mail: '${.email}', name.first: '${.first_name}'}\n"

static struct rig rig;

static void begin(void)
{
	rig_begin(&rig);
	rig_write(&rig, "services/tool.yaml", TOOL);
	rig_write(&rig, "pipelines/p.yaml", PIPELINE);
	rig_write(&rig, "leadd.yaml", LEADD);
	rig_open(&rig);
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

/* Everything that waits for an answer gets a good one. */
static void answer_all(void)
{
	for (size_t i = 0; i < rig.n_calls; i++) {
		if (rig.calls[i].open) {
			rig_answer(&rig, i, 200, "{\"id\":\"x\"}");
		}
	}
}

static uint32_t confirmed(const char *campaign, const char *csv)
{
	uint32_t run = rig_run(&rig, campaign, csv);

	answer_all();
	answer_all();
	assert_int_equal(rig_run_row(&rig, run)->state, RUN_DONE);
	return run;
}

static int verify(uint32_t run, bool repair)
{
	return rig_command(&rig, &(struct command){.kind = COMMAND_VERIFY, .run = run, .repair = repair}).rc;
}

/* The last call asks for that page. */
static void page(const char *from, const char *answer)
{
	size_t last = rig_last(&rig);

	assert_non_null(strstr(rig.calls[last].url, "/all?place=here"));
	assert_int_equal(strstr(rig.calls[last].url, "from=") != NULL, from != NULL);
	if (from != NULL) {
		assert_non_null(strstr(rig.calls[last].url, from));
	}
	rig_answer(&rig, last, 200, answer);
}

static struct json_object *shown(uint32_t run)
{
	struct json_object *o;
	struct txn *t = NULL;

	assert_int_equal(txn_begin(rig.store, false, &t, NULL), 0);
	o = show_verify(rig.engine, t, run, 0, 100);
	txn_abort(t);
	assert_non_null(o);
	return o;
}

static const char *text_of(struct json_object *o, const char *key)
{
	const char *text = json_object_get_string(json_object_object_get(o, key));

	return text != NULL ? text : "-";
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* `done 3/4: missing 2 - -; …`: state, pushed and seen, findings in the order of the alphabet. */
static void found(uint32_t run, const char *want)
{
	struct json_object *o = shown(run), *items = json_object_object_get(o, "items");
	struct buf text = {0};
	char *lines[20];

	assert_true(json_object_array_length(items) <= 20);
	buf_printf(&text, "%s %s/%s:", text_of(o, "state"), text_of(o, "pushed"), text_of(o, "seen"));
	for (size_t i = 0; i < json_object_array_length(items); i++) {
		struct json_object *one = json_object_array_get_idx(items, i);

		lines[i] = malloc(200);
		(void)snprintf(lines[i], 200, "%s %s %s %s", text_of(one, "kind"), text_of(one, "lead"), text_of(one, "field"), text_of(one, "id"));
	}
	qsort(lines, json_object_array_length(items), sizeof(lines[0]), by_text);
	for (size_t i = 0; i < json_object_array_length(items); i++) {
		buf_printf(&text, "%s %s", i > 0 ? ";" : "", lines[i]);
		free(lines[i]);
	}
	assert_string_equal(text.data, want);
	assert_int_equal(json_object_get_boolean(json_object_object_get(o, "clean")),
	    strncmp(want, "done", 4) == 0 && json_object_array_length(items) == 0);
	buf_free(&text);
	json_object_put(o);
}

#define ANN "{\"id\":\"1\",\"mail\":\"Ann@X.example\",\"name\":{\"first\":\"Ann\"}}"
#define BOB "{\"id\":\"2\",\"mail\":\"bob@x.example\",\"name\":{\"first\":\"Bob\"}}"
#define CAT "{\"id\":\"3\",\"mail\":\"cat@x.example\",\"name\":{\"first\":\"Cat\"}}"
#define LEADS "email,first name\nann@x.example,Ann\nbob@x.example,Bob\ncat@x.example,Cat\n"

static void test_clean(void **state)
{
	begin();
	found(confirmed("c", LEADS), "none 0/0:");
	assert_int_equal(verify(1, false), 0);
	found(1, "reading 3/0:");
	page(NULL, "{\"leads\":[" ANN "," BOB "],\"next\":\"two words\"}");
	page("from=two%20words", "{\"leads\":[" CAT "]}");
	found(1, "done 3/3:");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_int_equal(rig_run_row(&rig, 1)->outcomes[ITEM_CONFIRMED], 3);
	assert_int_equal(rig_count(&rig, 1, ITEM_CONFIRMED), 3);
	end();
}

/* A cursor may come with the last page. */
static void test_empty_page(void **state)
{
	begin();
	confirmed("c", "email,first name\nann@x.example,Ann\n");
	verify(1, false);
	page(NULL, "{\"leads\":[" ANN "],\"next\":\"a\"}");
	page("from=a", "{\"leads\":[],\"next\":\"a\"}");
	found(1, "done 1/1:");
	end();
}

static void test_findings(void **state)
{
	begin();
	confirmed("c", LEADS);
	verify(1, false);
	page(NULL, "{\"leads\":[{\"id\":\"9\",\"mail\":\"ann@x.example\",\"name\":{\"first\":\"Anna\"}},"
		   "{\"id\":\"8\",\"mail\":\"stranger@y.example\"}],\"next\":\"a\"}");
	page("from=a", "{\"leads\":[" CAT ",{\"id\":\"7\",\"mail\":\"cat@x.example\",\"name\":{\"first\":\"CAT\"}}],\"next\":\"b\"}");
	page("from=b", "{\"leads\":[{\"id\":\"6\"}]}");
	found(1, "done 3/5: changed 1 name.first 9; doubled 3 - 7; foreign - - 6; foreign - - 8; missing 2 - -");
	verify(1, false); /* a second look forgets the first */
	page(NULL, "{\"leads\":[" ANN "," BOB "],\"next\":\"a\"}");
	page("from=a", "{\"leads\":[" CAT "]}");
	found(1, "done 3/3:");
	end();
}

/* Runs that push to the same place know each other; another place is another place. */
static void test_other_runs(void **state)
{
	begin();
	confirmed("c", "email,first name\nann@x.example,Ann\n");
	confirmed("d", "email,first name\nbob@x.example,Bob\n");
	confirmed("e", "email,first name\ncat@x.example,Cat\n");
	verify(1, false);
	page(NULL, "{\"leads\":[" ANN "," BOB "],\"next\":\"a\"}");
	page("from=a", "{\"leads\":[" CAT "]}");
	found(1, "done 1/3: foreign - - 3");
	end();
}

static void test_recalled_is_there(void **state)
{
	begin();
	confirmed("c", LEADS);
	assert_int_equal(rig_command(&rig, &(struct command){.kind = COMMAND_RECALL, .run = 1}).count, 3);
	answer_all();
	assert_int_equal(rig_run_row(&rig, 1)->outcomes[ITEM_RECALLED], 3);
	verify(1, false);
	page(NULL, "{\"leads\":[" BOB "]}");
	found(1, "done 0/1: foreign 2 recalled 2");
	end();
}

/* What is missing is pushed again and read back, like any push. */
static void test_repair(void **state)
{
	begin();
	confirmed("c", LEADS);
	verify(1, true);
	page(NULL, "{\"leads\":[" ANN "]}");
	found(1, "done 3/1: missing 2 - -; missing 3 - -");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_RUNNING);
	assert_int_equal(rig_run_row(&rig, 1)->outcomes[ITEM_OPEN], 2);
	assert_string_equal(rig.calls[rig.n_calls - 1].url, "https://tool.example/leads");
	for (size_t i = 0; i + 1 < rig.n_calls; i++) { /* a key that the tool has seen would bring its old answer, and no lead */
		assert_string_not_equal(rig.calls[i].key, rig.calls[rig.n_calls - 1].key);
	}
	answer_all();
	answer_all();
	assert_int_equal(rig_count(&rig, 1, ITEM_CONFIRMED), 3);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	end();
}

/* Killed while a page is read, and between two: no page is counted twice, none is left out. */
static void test_killed(void **state)
{
	begin();
	confirmed("c", LEADS);
	verify(1, false);
	rig_restart(&rig);
	rig_pass(&rig, 2 * SEC);
	page(NULL, "{\"leads\":[" ANN "," BOB "],\"next\":\"a\"}");
	rig_restart(&rig);
	rig_pass(&rig, 2 * SEC);
	page("from=a", "{\"leads\":[" CAT "]}");
	found(1, "done 3/3:");
	end();
}

static void test_fails(void **state)
{
	begin();
	confirmed("c", LEADS);
	verify(1, false);
	rig_answer(&rig, rig_last(&rig), 500, "");
	found(1, "reading 3/0:");
	rig_pass(&rig, SEC);
	rig_answer(&rig, rig_last(&rig), 500, "");
	found(1, "failed 3/0:");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	verify(1, false);
	rig_answer(&rig, rig_last(&rig), 400, "");
	found(1, "failed 3/0:");
	assert_int_equal(engine_in_flight(rig.engine), 0);
	end();
}

/* It goes on whatever the run does: paused, cancelled; and what is pushed after its begin is not missing. */
static void test_any_state(void **state)
{
	struct command pause = {.kind = COMMAND_PAUSE, .run = 1}, cancel = {.kind = COMMAND_CANCEL, .run = 1};

	begin();
	rig_run(&rig, "c", LEADS);
	rig_answer(&rig, 0, 200, "{\"id\":\"1\"}");
	assert_int_equal(rig_command(&rig, &pause).rc, 0);
	assert_int_equal(verify(1, false), 0);
	answer_all();
	found(1, "done 1/0: missing 1 - -");
	rig_command(&rig, &(struct command){.kind = COMMAND_RESUME, .run = 1});
	verify(1, false);
	rig_command(&rig, &cancel);
	answer_all();
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_CANCELLED);
	found(1, "done 3/0: missing 1 - -; missing 2 - -; missing 3 - -");
	assert_int_equal(rig_run_row(&rig, 1)->outcomes[ITEM_OPEN], 0);
	end();
}

/* What is pushed while the destination is read may be seen, or not: neither is a finding, even if its answer comes after the page. */
static void test_pushed_meanwhile(void **state)
{
	for (int shown = 0; shown < 2; shown++) {
		size_t list;

		begin();
		rig_run(&rig, "c", LEADS);
		rig_answer(&rig, 0, 200, "{\"id\":\"1\"}"); /* the pushes of bob and cat are under way */
		rig_answer(&rig, 3, 200, "{\"id\":\"1\"}");
		verify(1, false);
		list = rig.n_calls - 1;
		assert_non_null(strstr(rig.calls[list].url, "/all"));
		rig_answer(&rig, 1, 200, "{\"id\":\"2\"}");
		rig_answer(&rig, list, 200, shown ? "{\"leads\":[" ANN "," BOB "],\"next\":\"a\"}" : "{\"leads\":[" ANN "," ANN "],\"next\":\"a\"}");
		list = rig.n_calls - 1;
		rig_answer(&rig, list, 200, shown ? "{\"leads\":[" CAT "," CAT "],\"next\":\"b\"}" : "{\"leads\":[],\"next\":\"b\"}");
		if (shown) {
			list = rig.n_calls - 1;
			rig_answer(&rig, 2, 200, "{\"id\":\"3\"}"); /* it was seen before */
			rig_answer(&rig, list, 200, "{\"leads\":[]}");
			found(1, "done 1/4:");
		} else {
			found(1, "done 1/2: doubled 1 - 1");
		}
		answer_all();
		answer_all();
		end();
	}
}

static void test_gone(void **state)
{
	begin();
	confirmed("c", LEADS);
	rig_command(&rig, &(struct command){.kind = COMMAND_SERVICE_PAUSE, .service = "tool"});
	assert_int_equal(verify(1, false), 0);
	assert_int_equal(verify(1, true), 2); /* one with another aim is at work */
	rig_write(&rig, "pipelines/p.yaml",
	    "pipeline: p\nstages:\n  - {stage: push, push: tool.push, with: {email: '${.email}'}}\n");
	assert_int_equal(rig_reload(&rig).rc, 0);
	rig_settle(&rig);
	found(1, "failed 3/0:");
	assert_int_equal(verify(1, false), 2);
	end();
}

/* More leads than a slice takes, in pages: memory holds none of them. */
static void test_many(void **state)
{
	struct buf csv = {0}, json = {0};

	begin();
	buf_add_text(&csv, "email,first name\n");
	for (int i = 0; i < 450; i++) {
		buf_printf(&csv, "n%d@x.example,Nat\n", i);
	}
	rig_run(&rig, "c", csv.data);
	while (rig_run_row(&rig, 1)->state == RUN_RUNNING) {
		answer_all();
	}
	verify(1, false);
	for (int i = 0; i < 450; i += 90) {
		char from[16];

		buf_reset(&json);
		buf_add_text(&json, "{\"leads\":[");
		for (int k = i; k < i + 90; k++) {
			buf_printf(&json, "%s{\"mail\":\"n%d@x.example\",\"name\":{\"first\":\"Nat\"}}", k > i ? "," : "", k == 7 ? 1000 : k);
		}
		buf_printf(&json, "],\"next\":%s%d%s}", i < 360 ? "\"" : "null,\"x\":\"", i + 90, "\"");
		(void)snprintf(from, sizeof(from), "from=%d", i);
		page(i > 0 ? from : NULL, json.data);
	}
	found(1, "done 450/450: foreign - - -; missing 8 - -");
	buf_free(&csv);
	buf_free(&json);
	end();
}

static void test_bad_files(void **state)
{
	static const char *const bad[][2] = {
	    {"list: {call: tool.find, with: {email: x}, key: a, same: {a: x}}", "no 'paging'"},
	    {"list: {call: tool.list, with: {place: x}, key: b, same: {a: x}}", "needs 'key'"},
	    {"list: {call: tool.list, with: {place: x}, key: a}", "needs 'same'"},
	    {"list: {call: tool.list, key: a, same: {a: x}}", "needs 'place'"},
	    {"list: {call: tool.list, with: {place: x}, key: a, same: {a: x, 'b[': x}}", "'b['"},
	    {"list: {kall: tool.list}", "did you mean 'call'"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char pipeline[600];

		rig_begin(&rig);
		(void)snprintf(pipeline, sizeof(pipeline),
		    "pipeline: p\nstages:\n  - {stage: find, confirm: tool.find, with: {email: x}, %s}\n", bad[i][0]);
		rig_write(&rig, "services/tool.yaml", TOOL);
		rig_write(&rig, "pipelines/p.yaml", pipeline);
		rig_write(&rig, "leadd.yaml", LEADD);
		rig_refused(&rig, bad[i][1]);
		rig_end(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clean),
	    cmocka_unit_test(test_empty_page),
	    cmocka_unit_test(test_findings),
	    cmocka_unit_test(test_other_runs),
	    cmocka_unit_test(test_recalled_is_there),
	    cmocka_unit_test(test_repair),
	    cmocka_unit_test(test_killed),
	    cmocka_unit_test(test_fails),
	    cmocka_unit_test(test_any_state),
	    cmocka_unit_test(test_pushed_meanwhile),
	    cmocka_unit_test(test_gone),
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_bad_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
