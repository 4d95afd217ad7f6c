/*
 * lib/engine/stage/recall.c: what a run pushed is taken out again: all of it, nothing else, and only once.
 */
#include "engine_rig.h"

#include <json-c/json.h>

#include "lib/engine/stage/recall.h"

#define LEADD "campaigns: {c: {pipeline: p}}\n"
#define TOOL                                                                                       \
	"service: tool\n"                                                                          \
	"base: https://tool.example\n"                                                             \
	"breaker: off\n"                                                                           \
	"outcomes:\n"                                                                              \
	"  - {status: 409, is: duplicate}\n"                                                       \
	"  - {status: 404, is: empty}\n"                                                           \
	"calls:\n"                                                                                 \
	"  push:\n"                                                                                \
	"    post: /leads\n"                                                                       \
	"    json: {email: '${.email}'}\n"                                                         \
	"    idempotency: {header: Idempotency-Key}\n"                                             \
	"    in_doubt: {lookup: find}\n"                                                           \
	"    map: {pushed_id: .id, since: .since}\n"                                               \
	"  find:\n"                                                                                \
	"    get: /leads\n"                                                                        \
	"    query: {email: '${.email}'}\n"                                                        \
	"    in_doubt: free\n"                                                                     \
	"    map: {pushed_id: .id, since: .since, contacted: .contacted}\n"                        \
	"  remove:\n"                                                                              \
	"    delete: /leads/${.id}\n"                                                              \
	"    answer: any\n"                                                                        \
	"    in_doubt: {repeat: 2}\n"                                                              \
	"    outcomes: [{status: 404, is: duplicate, reason: gone-already}]\n"
#define PIPELINE(more)                                                                             \
	"pipeline: p\n"                                                                            \
	"stages:\n"                                                                                \
	"  - stage: push\n"                                                                        \
	"    push: tool.push\n"                                                                    \
	"    needs: [email]\n"                                                                     \
	"    with: {email: '${.email}'}\n"                                                         \
	"    recall:\n"                                                                            \
	"      call: tool.remove\n"                                                                \
	"      with: {id: '${.pushed_id}'}\n" more                                                 \
	"  - stage: confirm\n"                                                                     \
	"    confirm: tool.find\n"                                                                 \
	"    with: {email: '${.email}'}\n"                                                         \
	"    missing: {wait: 5s, looks: 2}\n"
#define UNSENT "      unsent: .contacted == null\n"
#define CREATED "      created: '${.since}'\n"

static struct rig rig;

static void begin(const char *pipeline, const char *csv)
{
	rig_begin(&rig);
	rig_write(&rig, "services/tool.yaml", TOOL);
	rig_write(&rig, "pipelines/p.yaml", pipeline);
	rig_write(&rig, "leadd.yaml", LEADD);
	rig_open(&rig);
	assert_int_equal(rig_run(&rig, "c", csv), 1);
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

/* One lead, pushed and read back. */
static void confirmed(const char *pipeline)
{
	begin(pipeline, "email\nann@x.example\n");
	rig_answer(&rig, 0, 200, "{\"id\":\"a1\"}");
	rig_answer(&rig, 1, 200, "{\"id\":\"a1\"}");
	assert_string_equal(rig_state(&rig, 1, 1), "confirmed");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
}

static struct told recall(bool unsent_only)
{
	return rig_command(
	    &rig, &(struct command){.kind = COMMAND_RECALL, .run = 1, .unsent_only = unsent_only});
}

/* The last call is a removal and nothing else is under way. */
static size_t removing(const char *id)
{
	size_t last = rig_last(&rig);
	char url[96];

	(void)snprintf(url, sizeof(url), "https://tool.example/leads/%s", id);
	assert_string_equal(rig.calls[last].url, url);
	assert_int_equal(engine_in_flight(rig.engine), 1);
	return last;
}

static void test_recalled(void **state)
{
	struct told t;

	confirmed(PIPELINE(""));
	t = recall(false);
	assert_int_equal(t.rc, 0);
	assert_int_equal(t.count, 1);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_RUNNING);
	assert_int_equal(rig_run_row(&rig, 1)->recalling, 1);
	rig_answer(&rig, removing("a1"), 200, "{}");
	assert_string_equal(rig_state(&rig, 1, 1), "recalled");
	assert_string_equal(rig_facts(&rig, 1, 1), "call ok; call ok; operator recall; call ok");
	assert_int_equal(rig_run_row(&rig, 1)->outcomes[ITEM_RECALLED], 1);
	assert_int_equal(rig_run_row(&rig, 1)->recalling, 0);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_int_equal(recall(false).count, 0); /* nothing of it is there any more */
	assert_int_equal(rig.n_calls, 3);
	end();
}

/* What was taken out can be pushed again, as another push, and taken out again. */
static void test_pushed_again(void **state)
{
	struct command retry = {.kind = COMMAND_RETRY, .run = 1, .outcomes = 1u << ITEM_RECALLED};

	confirmed(PIPELINE(""));
	recall(false);
	rig_answer(&rig, removing("a1"), 404, "");
	assert_string_equal(rig_state(&rig, 1, 1), "recalled");
	assert_int_equal(rig_command(&rig, &retry).count, 1);
	assert_string_equal(rig.calls[3].url, "https://tool.example/leads");
	assert_string_not_equal(rig.calls[3].key, rig.calls[0].key);
	rig_answer(&rig, 3, 200, "{\"id\":\"a2\"}");
	rig_answer(&rig, 4, 404, "");
	rig_pass(&rig, 5 * SEC);
	rig_answer(&rig, 5, 404, "");
	assert_string_equal(rig_state(&rig, 1, 1), "delivered http-404");
	assert_int_equal(recall(false).count, 1);
	rig_answer(&rig, removing("a2"), 200, "{}");
	assert_string_equal(rig_state(&rig, 1, 1), "recalled");
	end();
}

/* The answer `duplicate` says that somebody else brought it there: it stays. */
static void test_was_there(void **state)
{
	begin(PIPELINE(""), "email\nann@x.example\n");
	rig_answer(&rig, 0, 409, "");
	rig_answer(&rig, 1, 200, "{\"id\":\"old\"}");
	assert_string_equal(rig_state(&rig, 1, 1), "confirmed");
	assert_int_equal(recall(false).count, 0);
	assert_string_equal(rig_state(&rig, 1, 1), "confirmed");
	assert_int_equal(rig.n_calls, 2);
	end();
}

/* A push whose answer was lost: the destination says since when the lead is there. */
static void test_whose_after_doubt(void **state)
{
	static const struct {
		const char *more, *body;
		bool ours;
	} cases[] = {
	    {CREATED, "{\"id\":\"a1\",\"since\":\"2023-11-14T22:13:21Z\"}", true},
	    {CREATED, "{\"id\":\"a1\",\"since\":1700000000}", true},
	    {CREATED, "{\"id\":\"a1\",\"since\":\"2023-11-14T21:13:21Z\"}", false},
	    {CREATED, "{\"id\":\"a1\"}", false},
	    {"", "{\"id\":\"a1\",\"since\":\"2023-11-14T22:13:21Z\"}", false},
	};

	for (size_t i = 0; i < 5; i++) {
		char pipeline[1024];

		(void)snprintf(pipeline, sizeof(pipeline), PIPELINE("%s"), cases[i].more);
		begin(pipeline, "email\nann@x.example\n");
		rig_broken(&rig, 0);
		rig_answer(&rig, 1, 200, cases[i].body);
		rig_answer(&rig, 2, 200, cases[i].body);
		assert_string_equal(rig_state(&rig, 1, 1), "confirmed");
		assert_int_equal(recall(false).count, cases[i].ours);
		end();
	}
}

/* Missing, pushed again, and nobody knows whether that arrived: the name of the first push is not the one that is there. */
static void test_last_push_in_doubt(void **state)
{
	struct command cancel = {.kind = COMMAND_CANCEL, .run = 1};

	(void)state;
	for (int there = 0; there < 2; there++) {
		begin("pipeline: p\nstages:\n  - {stage: push, push: tool.push, needs: [email], with: {email: '${.email}'}, "
		      "recall: {call: tool.remove, with: {id: '${.pushed_id}'}}}\n"
		      "  - {stage: confirm, confirm: tool.find, with: {email: '${.email}'}, missing: {wait: 5s, looks: 1, repair: push}}\n",
		    "email\nann@x.example\n");
		rig_answer(&rig, 0, 200, "{\"id\":\"a1\"}");
		rig_answer(&rig, 1, 404, "");
		assert_string_equal(rig.calls[2].url, "https://tool.example/leads");
		assert_int_equal(rig_command(&rig, &cancel).rc, 0);
		rig_broken(&rig, 2);
		assert_int_equal(recall(false).count, 1);
		if (there) {
			rig_answer(&rig, rig_last(&rig), 200, "{\"id\":\"a2\"}");
			rig_answer(&rig, removing("a2"), 200, "{}");
		} else {
			for (int look = 0; look < 3; look++) {
				assert_non_null(strstr(rig.calls[rig_last(&rig)].url, "email=ann"));
				rig_answer(&rig, rig_last(&rig), 404, "");
				rig_pass(&rig, 2 * SEC);
			}
			rig_answer(&rig, removing("a1"), 404, "");
		}
		assert_string_equal(rig_state(&rig, 1, 1), "recalled");
		end();
	}
}

/* A push in doubt, made again and answered `duplicate`, which says no time: reading it back does. */
static void test_whose_when_read_back(void **state)
{
	for (int ours = 0; ours < 2; ours++) {
		begin(PIPELINE(CREATED), "email\nann@x.example\n");
		rig_broken(&rig, 0);
		rig_answer(&rig, 1, 404, "");
		rig_answer(&rig, 2, 409, "");
		rig_answer(&rig, 3, 200,
		    ours ? "{\"id\":\"a1\",\"since\":\"2023-11-14T22:13:21Z\"}"
			 : "{\"id\":\"a1\",\"since\":\"2023-11-14T21:13:21Z\"}");
		assert_string_equal(rig_state(&rig, 1, 1), "confirmed");
		assert_int_equal(recall(false).count, ours);
		end();
	}
}

/* A tool that answers a push with the lead it has: the time tells. */
static void test_whose_by_time(void **state)
{
	for (int old = 0; old < 2; old++) {
		begin(PIPELINE(CREATED), "email\nann@x.example\n");
		rig_answer(&rig, 0, 200,
		    old ? "{\"id\":\"a1\",\"since\":\"2023-11-01T00:00:00Z\"}"
			: "{\"id\":\"a1\",\"since\":\"2023-11-14T22:12:50Z\"}");
		rig_answer(&rig, 1, 200, "{\"id\":\"a1\"}");
		assert_int_equal(recall(false).count, !old);
		end();
	}
}

/* Our clock is an hour wrong; the destination's own tells. */
static void test_whose_by_their_clock(void **state)
{
	static const struct http_header date = {.name = "Date", .value = "Tue, 14 Nov 2023 21:13:20 GMT"};
	static const char *const since[] = {"21:13:19", "21:11:00"};

	for (int old = 0; old < 2; old++) {
		char body[64];
		struct http_answer h = {
		    .status = 200, .headers = &date, .n_headers = 1, .body = body};

		(void)snprintf(body, sizeof(body), "{\"id\":\"a1\",\"since\":\"2023-11-14T%sZ\"}", since[old]);
		h.body_len = strlen(body);
		begin(PIPELINE(CREATED), "email\nann@x.example\n");
		rig_answer_with(&rig, 0, &h);
		rig_answer(&rig, 1, 200, "{\"id\":\"a1\"}");
		assert_string_equal(rig_state(&rig, 1, 1), "confirmed");
		assert_int_equal(recall(false).count, !old);
		end();
	}
}

/* Once the run's, a lead stays the run's: a repair that hears `duplicate` changes nothing. */
static void test_ours_after_repair(void **state)
{
	struct command retry = {.kind = COMMAND_RETRY, .run = 1, .outcomes = 1u << ITEM_FAILED};

	begin(PIPELINE(""), "email\nann@x.example\n");
	rig_answer(&rig, 0, 200, "{\"id\":\"a1\"}");
	rig_answer(&rig, 1, 404, "");
	rig_pass(&rig, 5 * SEC);
	rig_answer(&rig, 2, 404, "");
	assert_string_equal(rig_state(&rig, 1, 1), "delivered http-404");
	retry.outcomes = 1u << ITEM_DELIVERED;
	assert_int_equal(rig_command(&rig, &retry).count, 1);
	rig_answer(&rig, 3, 200, "{\"id\":\"a1\"}");
	assert_string_equal(rig_state(&rig, 1, 1), "confirmed");
	assert_int_equal(recall(false).count, 1);
	rig_answer(&rig, removing("a1"), 200, "");
	assert_string_equal(rig_state(&rig, 1, 1), "recalled");
	end();
}

static void test_unsent_only(void **state)
{
	confirmed(PIPELINE(UNSENT));
	assert_int_equal(recall(true).count, 1);
	assert_string_equal(rig.calls[2].url, "https://tool.example/leads?email=ann%40x.example");
	rig_answer(&rig, 2, 200, "{\"id\":\"a1\",\"contacted\":\"2023-11-14T00:00:00Z\"}");
	assert_string_equal(rig_state(&rig, 1, 1), "confirmed recall: sent already");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_int_equal(recall(true).count, 1);
	rig_answer(&rig, 3, 200, "{\"id\":\"a1\",\"contacted\":null}");
	rig_answer(&rig, removing("a1"), 200, "");
	assert_string_equal(rig_state(&rig, 1, 1), "recalled");
	end();
}

/* What cannot be seen may have been written to: it is looked at three times and left. */
static void test_not_seen(void **state)
{
	confirmed(PIPELINE(UNSENT));
	recall(true);
	for (size_t i = 2; i < 5; i++) {
		rig_answer(&rig, i, 404, "");
		rig_pass(&rig, 2 * SEC);
	}
	assert_int_equal(rig.n_calls, 5);
	assert_string_equal(rig_state(&rig, 1, 1), "confirmed recall: not seen");
	end();
}

/* Killed with removals queued and under way: each is made, a doubtful one is repeated, none is forgotten. */
static void test_killed(void **state)
{
	begin(PIPELINE(UNSENT), "email\na@x.example\nb@x.example\nc@x.example\n");
	for (size_t i = 0; i < 6; i++) {
		char body[32];

		(void)snprintf(body, sizeof(body), "{\"id\":\"a%zu\"}", i % 3);
		rig_answer(&rig, i, 200, body);
	}
	assert_int_equal(recall(false).count, 3);
	assert_int_equal(rig.n_calls, 9);
	rig_answer(&rig, 6, 200, "");
	rig_restart(&rig);
	rig_settle(&rig);
	rig_pass(&rig, 2 * SEC);
	assert_int_equal(rig_run_row(&rig, 1)->recalling, 2);
	assert_int_equal(rig.n_calls, 11);
	rig_answer(&rig, 9, 200, "");
	rig_answer(&rig, 10, 404, "");
	assert_int_equal(rig_count(&rig, 1, ITEM_RECALLED), 3);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	end();
}

static void test_doubts_end(void **state)
{
	confirmed(PIPELINE(""));
	recall(false);
	rig_broken(&rig, 2);
	rig_broken(&rig, 3);
	rig_broken(&rig, 4);
	assert_string_equal(rig_state(&rig, 1, 1), "confirmed recall: in-doubt");
	assert_int_equal(rig_item(&rig, 1, 1).stage, 1);
	end();
}

static void test_refused_there(void **state)
{
	confirmed(PIPELINE(""));
	recall(false);
	rig_answer(&rig, 2, 400, "");
	assert_string_equal(rig_state(&rig, 1, 1), "confirmed recall: http-400");
	assert_int_equal(rig_run_row(&rig, 1)->outcomes[ITEM_CONFIRMED], 1);
	end();
}

/* A cancelled run is recalled and is cancelled again; a recall that is cancelled leaves what is there. */
static void test_cancelled(void **state)
{
	struct command cancel = {.kind = COMMAND_CANCEL, .run = 1};
	struct told t;

	begin(PIPELINE(""), "email\na@x.example\nb@x.example\n");
	rig_answer(&rig, 0, 200, "{\"id\":\"a0\"}");
	t = recall(false);
	assert_int_equal(t.rc, 2);
	assert_non_null(strstr(t.text, "cancel it first"));
	rig_command(&rig, &cancel);
	t = recall(false);
	assert_int_equal(t.rc, 2);
	assert_non_null(strstr(t.text, "under way"));
	rig_answer(&rig, 1, 200, "{\"id\":\"a1\"}");
	rig_answer(&rig, 2, 200, "{\"id\":\"a0\"}");
	assert_string_equal(rig_state(&rig, 1, 2), "delivered cancelled");
	assert_int_equal(recall(false).count, 2);
	assert_int_equal(rig.n_calls, 5);
	rig_answer(&rig, 3, 200, "");
	assert_int_equal(rig_command(&rig, &cancel).rc, 0);
	rig_answer(&rig, 4, 500, "");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_CANCELLED);
	assert_int_equal(rig_count(&rig, 1, ITEM_RECALLED), 1);
	assert_string_equal(rig_state(&rig, 1, 2), "delivered recall: cancelled");
	assert_int_equal(recall(false).count, 1);
	rig_answer(&rig, 5, 200, "");
	assert_int_equal(rig_count(&rig, 1, ITEM_RECALLED), 2);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_CANCELLED);
	end();
}

/* The service is no longer in the pipeline: the recall ends, the leads stay what they were. */
static void test_recall_gone(void **state)
{
	confirmed(PIPELINE(""));
	rig_command(&rig, &(struct command){.kind = COMMAND_SERVICE_PAUSE, .service = "tool"});
	assert_int_equal(recall(false).count, 1);
	rig_write(&rig, "pipelines/p.yaml",
	    "pipeline: p\nstages:\n  - {stage: push, push: tool.push, with: {email: '${.email}'}}\n");
	assert_int_equal(rig_reload(&rig).rc, 0);
	rig_settle(&rig);
	assert_string_equal(rig_state(&rig, 1, 1), "confirmed stage-gone");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_int_equal(recall(false).rc, 2);
	end();
}

static struct json_object *shown(void)
{
	struct json_object *o;
	struct txn *t = NULL;

	assert_int_equal(txn_begin(rig.store, false, &t, NULL), 0);
	o = show_recall(rig.engine, t, 1, false, 0, 100);
	txn_abort(t);
	assert_non_null(o);
	return o;
}

/* What is shown beforehand is what the command does. */
static void test_shown(void **state)
{
	struct json_object *o, *items, *one;

	begin(PIPELINE(""), "email\na@x.example\nb@x.example\nno-address\n");
	rig_answer(&rig, 0, 200, "{\"id\":\"a0\"}");
	rig_answer(&rig, 1, 409, "");
	o = shown();
	assert_non_null(json_object_get_string(json_object_object_get(o, "refused")));
	json_object_put(o);
	for (size_t i = 2; i < rig.n_calls; i++) {
		rig_answer(&rig, i, 200, "{\"id\":\"a\"}");
	}
	o = shown();
	assert_null(json_object_object_get(o, "refused"));
	items = json_object_object_get(o, "items");
	one = json_object_array_get_idx(items, 0);
	assert_true(json_object_get_boolean(json_object_object_get(one, "goes")));
	one = json_object_array_get_idx(items, 1);
	assert_false(json_object_get_boolean(json_object_object_get(one, "goes")));
	assert_string_equal(
	    json_object_get_string(json_object_object_get(one, "why")), "was there before");
	json_object_put(o);
	assert_int_equal(recall(false).count, 2);
	end();
}

static void test_bad_files(void **state)
{
	static const char *const bad[][2] = {
	    {PIPELINE("      nose: 1\n"), "nose"},
	    {PIPELINE("      unsent: '.a ==='\n"), "==="},
	    {"pipeline: p\nstages:\n  - {stage: push, push: tool.push, with: {email: x}, recall: {with: {id: x}}}\n",
		"needs 'call'"},
	    {"pipeline: p\nstages:\n  - {stage: push, push: tool.push, with: {email: x}, recall: {call: tool.remove}}\n",
		"needs 'id'"},
	    {"pipeline: p\nstages:\n  - {stage: find, call: tool.find, with: {email: x}, recall: {call: tool.remove, with: {id: x}}}\n",
		"belongs to a push stage"},
	    {"pipeline: p\nstages:\n  - {stage: push, push: tool.remove, with: {id: x}, recall: {call: tool.remove, with: {id: x}, unsent: "
	     ".a}}\n",
		"in_doubt: {lookup"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rig_begin(&rig);
		rig_write(&rig, "services/tool.yaml", TOOL);
		rig_write(&rig, "pipelines/p.yaml", bad[i][0]);
		rig_write(&rig, "leadd.yaml", LEADD);
		rig_refused(&rig, bad[i][1]);
		rig_end(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_recalled),
	    cmocka_unit_test(test_pushed_again),
	    cmocka_unit_test(test_was_there),
	    cmocka_unit_test(test_whose_after_doubt),
	    cmocka_unit_test(test_last_push_in_doubt),
	    cmocka_unit_test(test_whose_when_read_back),
	    cmocka_unit_test(test_whose_by_time),
	    cmocka_unit_test(test_whose_by_their_clock),
	    cmocka_unit_test(test_ours_after_repair),
	    cmocka_unit_test(test_unsent_only),
	    cmocka_unit_test(test_not_seen),
	    cmocka_unit_test(test_killed),
	    cmocka_unit_test(test_doubts_end),
	    cmocka_unit_test(test_refused_there),
	    cmocka_unit_test(test_cancelled),
	    cmocka_unit_test(test_recall_gone),
	    cmocka_unit_test(test_shown),
	    cmocka_unit_test(test_bad_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
