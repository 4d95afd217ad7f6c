/*
 * What waits until a person says yes: approval stages, samples, previews, runs that may cost too much; what is told of it, and
 * that a released run goes on where it was, over restarts too.
 */
#include "engine_rig.h"

#include <json-c/json.h>

#define ONE                                                                                        \
	"service: one\n"                                                                           \
	"base: https://one.example\n"                                                              \
	"breaker: off\n"                                                                           \
	"concurrency: 50\n"                                                                        \
	"calls:\n"                                                                                 \
	"  find:\n"                                                                                \
	"    get: /find\n"                                                                         \
	"    query: {email: '${.email}'}\n"                                                        \
	"    map: {title: .title}\n"                                                               \
	"  buy:\n"                                                                                 \
	"    post: /buy\n"                                                                         \
	"    json: {email: '${.email}'}\n"                                                         \
	"    price: {per_call: 0.10}\n"                                                            \
	"    map: {phone: .phone}\n"                                                               \
	"  list: {get: /list, map: {list: .list}}\n"                                               \
	"  people:\n"                                                                              \
	"    get: /people\n"                                                                       \
	"    query: {domain: '${.domain}'}\n"                                                      \
	"    price: {per_call: 0.05}\n"                                                            \
	"    map: {people: .people}\n"                                                             \
	"  push:\n"                                                                                \
	"    post: /push\n"                                                                        \
	"    json: {email: '${.email}'}\n"
#define FIND "  - {stage: find, call: one.find, with: {email: '${.email}'}}\n"
#define BUY "  - {stage: buy, call: one.buy, with: {email: '${.email}'}}\n"
#define PUSH "  - {stage: push, push: one.push, with: {email: '${.email}'}}\n"
#define PLAIN "campaigns: {c: {pipeline: p}}\n"

static struct rig rig;

static void begin(const char *stages, const char *leadd)
{
	char text[2048];

	(void)snprintf(text, sizeof(text), "pipeline: p\nstages:\n%s", stages);
	rig_begin(&rig);
	rig_write(&rig, "services/one.yaml", ONE);
	rig_write(&rig, "pipelines/p.yaml", text);
	rig_write(&rig, "leadd.yaml", leadd);
	rig_open(&rig);
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

static void serve(struct rig *r, struct seen *c)
{
	(void)r;
	c->due_us = c->start_us + 100 * US_PER_MS;
	(void)snprintf(c->answer, sizeof(c->answer), "{\"title\":\"Director\",\"phone\":\"+49 30 1\"}");
}

static uint32_t run(unsigned n, struct run_row row)
{
	struct buf csv = {0};
	uint32_t id;

	row.budget_micro = row.budget_micro > 0 ? row.budget_micro : -1;
	row.share = 1;
	row.encoding = 255;
	(void)snprintf(row.campaign, sizeof(row.campaign), "c");
	buf_add_text(&csv, "email,name\n");
	for (unsigned i = 1; i <= n; i++) {
		buf_printf(&csv, "lead%u@x.example,Jo Doe\n", i);
	}
	id = rig_run_with(&rig, &row, csv.data);
	assert_true(id != 0);
	buf_free(&csv);
	return id;
}

static void play(void)
{
	rig_play(&rig, rig.now.boot_us + 60 * SEC);
}

/* Calls made so far whose URL ends so. */
static unsigned calls(const char *path)
{
	unsigned n = 0;

	for (size_t i = 0; i < rig.n_calls; i++) {
		n += strstr(rig.calls[i].url, path) != NULL;
	}
	return n;
}

static struct told approve(uint32_t id, const char *stage)
{
	struct command c = {.kind = COMMAND_APPROVE, .run = id, .who = "uid 7"};

	(void)snprintf(c.stage, sizeof(c.stage), "%s", stage);
	return rig_command(&rig, &c);
}

static struct json_object *shown(uint32_t id)
{
	struct json_object *o;
	struct lead_error err;
	struct txn *t;

	assert_int_equal(txn_begin(rig.store, false, &t, &err), 0);
	o = show_run(rig.engine, t, id, rig.now);
	txn_abort(t);
	assert_non_null(o);
	return o;
}

static int64_t number(struct json_object *o, const char *key)
{
	return json_object_get_int64(json_object_object_get(o, key));
}

static void state_is(uint32_t id, const char *state)
{
	struct json_object *o = shown(id);

	assert_string_equal(json_object_get_string(json_object_object_get(o, "state")), state);
	json_object_put(o);
}

static void test_stage(void **state)
{
	struct json_object *o, *a, *n;
	uint32_t id;

	(void)state;
	begin(FIND "  - {stage: look, approval: {text: 'Buy them?'}}\n" BUY PUSH, PLAIN);
	rig.serve = serve;
	id = run(30, (struct run_row){0});
	play();
	assert_int_equal(calls("/find"), 30);
	assert_int_equal(calls("/buy"), 0);
	state_is(id, "waiting-approval");
	o = shown(id);
	a = json_object_object_get(o, "approval");
	assert_string_equal(json_object_to_json_string(json_object_object_get(a, "at")), "[ \"look\" ]");
	assert_string_equal(json_object_get_string(json_object_object_get(a, "text")), "look: Buy them?");
	assert_int_equal(number(a, "leads"), 30);
	assert_int_equal(number(a, "estimate_micro"), 3000000);
	assert_int_equal(number(a, "worst_micro"), 3000000);
	json_object_put(o);
	rig_restart(&rig);
	play();
	assert_int_equal(calls("/buy"), 0);
	state_is(id, "waiting-approval");
	assert_int_equal(rig_command(&rig, &(struct command){.kind = COMMAND_PAUSE, .run = id}).rc, 0);
	assert_int_equal(approve(id, "").rc, 0);
	state_is(id, "paused");
	rig_restart(&rig);
	assert_int_equal(rig_command(&rig, &(struct command){.kind = COMMAND_RESUME, .run = id}).rc, 0);
	state_is(id, "running");
	play();
	assert_int_equal(calls("/find"), 30);
	assert_int_equal(calls("/buy"), 30);
	assert_int_equal(rig_run_row(&rig, id)->state, RUN_DONE);
	assert_int_equal(rig_count(&rig, id, ITEM_DELIVERED), 30);
	o = shown(id);
	n = json_object_array_get_idx(json_object_object_get(o, "notes"), 0);
	assert_string_equal(json_object_get_string(json_object_object_get(n, "kind")), "approved");
	assert_string_equal(json_object_get_string(json_object_object_get(n, "who")), "uid 7");
	assert_string_equal(json_object_get_string(json_object_object_get(n, "what")), "look");
	assert_int_equal(number(n, "amount_micro"), 3000000);
	json_object_put(o);
	assert_int_equal(approve(id, "").rc, 2);
	end();
}

/* Two of them: each has a bit of its own. */
static void test_two_stages(void **state)
{
	uint32_t id;

	(void)state;
	begin("  - {stage: a, approval: {}}\n" FIND "  - {stage: b, approval: second}\n" BUY PUSH, PLAIN);
	rig.serve = serve;
	id = run(5, (struct run_row){0});
	play();
	assert_int_equal(rig.n_calls, 0);
	state_is(id, "waiting-approval");
	assert_int_equal(approve(id, "c").rc, 1);
	assert_int_equal(approve(id, "find").rc, 1);
	assert_int_equal(approve(99, "").rc, 1);
	assert_int_equal(approve(id, "b").rc, 0); /* beforehand */
	play();
	assert_int_equal(rig.n_calls, 0);
	assert_int_equal(approve(id, "b").rc, 0); /* again: nothing changes */
	assert_int_equal(approve(id, "b").count, 0);
	assert_int_equal(approve(id, "").count, 1);
	play();
	assert_int_equal(rig_count(&rig, id, ITEM_DELIVERED), 5);
	end();
}

static void test_sample(void **state)
{
	uint32_t id;

	(void)state;
	begin(FIND BUY PUSH, PLAIN);
	rig.serve = serve;
	id = run(100, (struct run_row){.sample = 20});
	play();
	assert_int_equal(calls("/find"), 20);
	assert_int_equal(calls("/push"), 20);
	for (uint32_t i = 1; i <= 100; i++) {
		assert_string_equal(rig_state(&rig, id, i), i <= 20 ? "delivered" : "waiting");
	}
	state_is(id, "waiting-approval");
	rig_restart(&rig);
	play();
	assert_int_equal(calls("/find"), 20);
	assert_int_equal(approve(id, "sample").rc, 0);
	play();
	assert_int_equal(calls("/push"), 100);
	assert_int_equal(rig_run_row(&rig, id)->state, RUN_DONE);
	end();
}

/* The sample itself waits for something: who says yes to that has not seen it, and the others wait on. */
static void test_sample_that_waits(void **state)
{
	static const struct run_row rows[] = {{.sample = 20}, {.sample = 20, .preview = true}, {.sample = 20}};
	static const char *const first[] = {"look", "preview", "cost"};
	struct json_object *o, *a;
	uint32_t id;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		begin(i == 0 ? "  - {stage: look, approval: {}}\n" BUY PUSH : BUY PUSH, i == 2 ? "campaigns: {c: {pipeline: p, approve_above: 0.01}}\n" : PLAIN);
		rig.serve = serve;
		id = run(100, rows[i]);
		play();
		assert_int_equal(calls("/buy"), 0);
		o = shown(id);
		a = json_object_object_get(o, "approval");
		assert_string_equal(json_object_get_string(json_object_array_get_idx(json_object_object_get(a, "at"), 0)), first[i]);
		assert_int_equal(json_object_array_length(json_object_object_get(a, "at")), 1);
		assert_int_equal(number(a, "leads"), 20);
		json_object_put(o);
		assert_int_equal(approve(id, "").rc, 0);
		play();
		assert_int_equal(calls("/buy"), 20);
		state_is(id, "waiting-approval");
		assert_int_equal(approve(id, "").rc, 0);
		play();
		assert_int_equal(calls("/buy"), 100);
		state_is(id, "done");
		end();
	}
}

/* Fewer than the sample: nobody has to say anything. Rejected rows do not count in it. */
static void test_small_sample(void **state)
{
	struct run_row row = {.budget_micro = -1, .share = 1, .encoding = 255, .sample = 2, .campaign = "c"};
	uint32_t id;

	(void)state;
	begin("  - {stage: f, gates: [{check: address}]}\n" FIND BUY PUSH, PLAIN);
	rig.serve = serve;
	id = run(5, (struct run_row){.sample = 5});
	play();
	assert_int_equal(rig_run_row(&rig, id)->state, RUN_DONE);
	id = rig_run_with(&rig, &row, "email\nnone\na@firm.com\na@firm.com\nb@firm.com\nc@firm.com\n");
	play();
	assert_string_equal(rig_state(&rig, id, 4), "delivered");
	assert_string_equal(rig_state(&rig, id, 5), "waiting");
	assert_int_equal(rig_run_row(&rig, id)->sampled, 2);
	end();
}

/* Whoever is put back by a person, or has to be tried again, keeps its place. */
static void test_sample_cancel(void **state)
{
	uint32_t id;

	(void)state;
	begin(FIND BUY PUSH, PLAIN);
	rig.serve = serve;
	id = run(50, (struct run_row){.sample = 3});
	play();
	assert_int_equal(rig_command(&rig, &(struct command){.kind = COMMAND_CANCEL, .run = id}).rc, 0);
	play();
	assert_int_equal(rig_count(&rig, id, ITEM_PARKED), 47);
	assert_int_equal(approve(id, "").rc, 2);
	assert_int_equal(rig_command(&rig, &(struct command){.kind = COMMAND_RETRY, .run = id, .outcomes = 1u << ITEM_PARKED}).rc, 0);
	play();
	assert_int_equal(calls("/push"), 3);
	state_is(id, "waiting-approval");
	assert_int_equal(approve(id, "").rc, 0);
	play();
	assert_int_equal(rig_count(&rig, id, ITEM_DELIVERED), 50);
	end();
}

static void test_preview(void **state)
{
	uint32_t id;

	(void)state;
	begin(FIND BUY PUSH, PLAIN);
	rig.serve = serve;
	id = run(10, (struct run_row){.preview = true});
	play();
	assert_int_equal(calls("/find"), 10);
	assert_int_equal(calls("/buy"), 0);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, id).settled_micro, 0);
	state_is(id, "waiting-approval");
	assert_int_equal(approve(id, "").rc, 0);
	play();
	assert_int_equal(rig_count(&rig, id, ITEM_DELIVERED), 10);
	end();
}

static void test_cost(void **state)
{
	struct json_object *o;
	uint32_t id;

	(void)state;
	begin(FIND BUY PUSH, "campaigns: {c: {pipeline: p, approve_above: 2}}\n");
	rig.serve = serve;
	id = run(20, (struct run_row){0});
	play();
	assert_int_equal(rig_run_row(&rig, id)->state, RUN_DONE);
	id = run(21, (struct run_row){0});
	play();
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, id).settled_micro, 0);
	state_is(id, "waiting-approval");
	o = shown(id);
	assert_string_equal(json_object_get_string(json_object_object_get(json_object_object_get(o, "approval"), "text")),
	    "it may cost 2.10, and approve_above is 2.00");
	json_object_put(o);
	assert_int_equal(approve(id, "cost").rc, 0);
	play();
	assert_int_equal(rig_run_row(&rig, id)->state, RUN_DONE);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, id).settled_micro, 2100000);
	/* one that has no more than that to spend cannot cost more */
	id = run(21, (struct run_row){.budget_micro = 2000000});
	play();
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, id).settled_micro, 2000000);
	id = run(31, (struct run_row){.budget_micro = 3000000});
	play();
	o = shown(id);
	assert_string_equal(json_object_get_string(json_object_object_get(json_object_object_get(o, "approval"), "text")),
	    "it may cost 3.00, and approve_above is 2.00");
	assert_int_equal(number(json_object_object_get(o, "approval"), "worst_micro"), 3000000);
	json_object_put(o);
	end();
}

/* Money is not kept for what nobody may ever release: the other run has it. */
static void test_budget_free(void **state)
{
	uint32_t a, b;

	(void)state;
	begin(BUY "  - {stage: look, approval: {}}\n"
		  "  - {stage: more, call: one.buy, with: {email: '${.email}'}}\n",
	    "campaigns: {c: {pipeline: p, budget: 2}}\n");
	rig.serve = serve;
	a = run(10, (struct run_row){0});
	play();
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, a).settled_micro, 1000000);
	b = run(5, (struct run_row){0});
	play();
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, b).settled_micro, 500000);
	state_is(b, "waiting-approval");
	assert_int_equal(approve(a, "").rc, 0);
	play();
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, a).settled_micro, 1500000);
	end();
}

static void test_notice(void **state)
{
	uint32_t id;

	(void)state;
	begin(FIND "  - {stage: look, approval: {text: 'Buy them?'}}\n" BUY PUSH,
	    "campaigns: {c: {pipeline: p}}\nnotify: {mail: {server: 'smtp://127.0.0.1:25', from: a@x.example, to: b@x.example}, on: [approval]}\n");
	rig_close(&rig);
	rig.tells = true;
	rig_open(&rig);
	rig.serve = serve;
	id = run(3, (struct run_row){0});
	play();
	assert_int_equal(rig.n_messages, 1);
	assert_string_equal(rig.messages[0].subject, "run 1 of c waits for approval");
	assert_non_null(strstr(rig.messages[0].body, "Buy them?"));
	assert_non_null(strstr(rig.messages[0].body, "leadctl run approve 1"));
	rig_sent(&rig, 0, SENT_OK, "ok");
	play();
	rig_restart(&rig);
	play();
	assert_int_equal(rig.n_messages, 1);
	assert_int_equal(approve(id, "").rc, 0);
	play();
	assert_int_equal(rig.n_messages, 1);
	end();
}

static const char *lead_json(uint32_t id, uint32_t lead)
{
	static char text[4096];
	struct lead_error err;
	struct json_object *o;
	struct txn *t;

	assert_int_equal(txn_begin(rig.store, false, &t, &err), 0);
	o = lead != 0 ? show_lead(rig.engine, t, id, lead) : show_leads(rig.engine, t, id, &(struct lead_filter){.limit = 10});
	(void)snprintf(text, sizeof(text), "%s", json_object_to_json_string(o));
	json_object_put(o);
	txn_abort(t);
	return text;
}

static void test_mask(void **state)
{
	uint32_t id;

	(void)state;
	begin(FIND "  - {stage: look, approval: {}}\n" BUY, "campaigns: {c: {pipeline: p, mask: until-approved}}\n");
	rig.serve = serve;
	id = run(2, (struct run_row){0});
	play();
	for (uint32_t lead = 0; lead <= 1; lead++) {
		assert_non_null(strstr(lead_json(id, lead), "l***@x***.example"));
		assert_null(strstr(lead_json(id, lead), "lead1@"));
		assert_null(strstr(lead_json(id, lead), "Doe"));
	}
	assert_non_null(strstr(lead_json(id, 1), "Director"));
	assert_int_equal(approve(id, "").rc, 0);
	for (uint32_t lead = 0; lead <= 1; lead++) {
		assert_non_null(strstr(lead_json(id, lead), "lead1@x.example"));
		assert_non_null(strstr(lead_json(id, lead), "Jo Doe"));
	}
	end();
}

#define FINDS                                                                                      \
	"  - {stage: search, of: run, call: one.list, makes: {level: company, from: '${.list}', fields: {name: '${.name}', domain: '${.domain}'}}}\n" \
	"  - {stage: enrich, of: company, call: one.people, with: {domain: '${.domain}'}}\n"           \
	"  - {stage: staff, of: company, makes: {from: '${.people}', fields: {email: '${.value}'}}}\n"

static void serve_lists(struct rig *r, struct seen *c)
{
	serve(r, c);
	if (strstr(c->url, "/list") != NULL) {
		(void)snprintf(c->answer, sizeof(c->answer),
		    "{\"list\":[{\"name\":\"A\",\"domain\":\"a.com\"},{\"name\":\"B\",\"domain\":\"b.com\"},{\"name\":\"C\",\"domain\":\"c.com\"}]}");
	} else if (strstr(c->url, "/people") != NULL) {
		const char *domain = strchr(c->url, '=') + 1;

		(void)snprintf(c->answer, sizeof(c->answer), "{\"people\":[\"ann@%.5s\",\"bob@%.5s\"]}", domain, domain);
	}
}

static uint32_t find(struct run_row row)
{
	struct told t;

	row.budget_micro = -1;
	row.share = 1;
	row.finds = true;
	(void)snprintf(row.campaign, sizeof(row.campaign), "c");
	t = rig_command(&rig, &(struct command){.kind = COMMAND_START, .start = row});
	assert_int_equal(t.rc, 0);
	rig.serve = serve_lists;
	play();
	return (uint32_t)t.count;
}

/* Of companies the sample is one of companies, with all that comes out of them; a preview lets the run search, and buys nothing. */
static void test_levels(void **state)
{
	uint32_t id;

	(void)state;
	begin(FINDS BUY PUSH, PLAIN);
	id = find((struct run_row){.sample = 2});
	assert_int_equal(calls("/list"), 1);
	assert_int_equal(calls("/people"), 2);
	assert_int_equal(calls("/push"), 4);
	state_is(id, "waiting-approval");
	rig_restart(&rig);
	play();
	assert_int_equal(calls("/people"), 2);
	assert_int_equal(approve(id, "").rc, 0);
	play();
	assert_int_equal(calls("/push"), 6);
	assert_int_equal(rig_run_row(&rig, id)->state, RUN_DONE);
	end();
	begin(FINDS BUY PUSH, PLAIN);
	id = find((struct run_row){.preview = true});
	assert_int_equal(calls("/list"), 1);
	assert_int_equal(calls("/people"), 0);
	state_is(id, "waiting-approval");
	assert_int_equal(approve(id, "").rc, 0);
	play();
	assert_int_equal(calls("/buy"), 6);
	end();
	/* what comes out of a company nobody knows beforehand: one lead each is reckoned with, and no call goes beyond */
	begin(FINDS BUY PUSH, "campaigns: {c: {pipeline: p, approve_above: 0.5}}\n");
	id = find((struct run_row){0});
	assert_int_equal(calls("/people"), 3);
	assert_int_equal(calls("/buy"), 0);
	state_is(id, "waiting-approval");
	end();
	begin(FINDS "  - {stage: look, approval: {}}\n" BUY PUSH, "campaigns: {c: {pipeline: p, approve_above: 0.3}}\n");
	id = find((struct run_row){0});
	assert_int_equal(calls("/people"), 0);
	assert_int_equal(approve(id, "cost").rc, 0);
	play();
	assert_int_equal(calls("/people"), 3);
	assert_int_equal(calls("/buy"), 0);
	state_is(id, "waiting-approval");
	assert_int_equal(approve(id, "look").rc, 0);
	play();
	assert_int_equal(calls("/push"), 6);
	end();
}

static void bad(const char *stages, const char *leadd, const char *what)
{
	char text[2048];

	(void)snprintf(text, sizeof(text), "pipeline: p\nstages:\n%s", stages);
	rig_begin(&rig);
	rig_write(&rig, "services/one.yaml", ONE);
	rig_write(&rig, "pipelines/p.yaml", text);
	rig_write(&rig, "leadd.yaml", leadd);
	rig_refused(&rig, what);
	rig_end(&rig);
}

static void test_bad(void **state)
{
	(void)state;
	bad(FIND "  - {stage: look, approval: {}}\n", PLAIN, "no call stands behind this approval");
	bad("  - {stage: look, approval: {}, call: one.find, with: {email: x}}\n" FIND, PLAIN, "makes no calls");
	bad("  - {stage: look, approval: {txt: a}}\n" FIND, PLAIN, "'text'");
	bad(FIND, "campaigns: {c: {pipeline: p, mask: untill-approved}}\n", "until-approved");
	bad(FIND, "campaigns: {c: {pipeline: p, approve_above: much}}\n", "approve_above");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stage),
	    cmocka_unit_test(test_two_stages),
	    cmocka_unit_test(test_sample),
	    cmocka_unit_test(test_sample_that_waits),
	    cmocka_unit_test(test_small_sample),
	    cmocka_unit_test(test_sample_cancel),
	    cmocka_unit_test(test_preview),
	    cmocka_unit_test(test_cost),
	    cmocka_unit_test(test_budget_free),
	    cmocka_unit_test(test_notice),
	    cmocka_unit_test(test_mask),
	    cmocka_unit_test(test_levels),
	    cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
