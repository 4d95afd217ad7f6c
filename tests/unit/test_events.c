/*
 * lib/engine/item/inbox.c, route.c: webhooks become leads: once each, in the right run, whatever is killed in between; what makes
 * none says why; runs stay open while leads come.
 */
#include "engine_rig.h"

#include "lib/base/ids.h"
#include "lib/engine/show/show_task.h"

#include <json-c/json.h>

#define INTAKE                                                                                                                            \
	"{verify: {scheme: stripe, secret: hook}, id: .event.id, when: '.event.kind != \"other\"', run: c, idle: 24h,\n"                   \
	"  campaign: {from: .event.text, after: 'Instantly: '}, fields: {email: '${.event.email}', first_name: '${.event.name}'}}"
#define LEADD "inbox: {keep: 30d}\ncampaigns: {c: {pipeline: p}}\nintakes:\n  crm: " INTAKE "\n"
#define ONE                                                                                                                               \
	"service: one\n"                                                                                                                  \
	"base: https://one.example\n"                                                                                                     \
	"breaker: off\n"                                                                                                                  \
	"calls:\n"                                                                                                                        \
	"  find: {get: /find, query: {name: '${.name}'}, map: {id: .id}}\n"                                                               \
	"  push: {post: /push, json: {email: '${.email}', to: '${.to}'}, map: {pushed: .id}}\n"
#define PIPELINE                                                                                                                          \
	"pipeline: p\n"                                                                                                                   \
	"params: {campaign_name: {required: true}}\n"                                                                                     \
	"stages:\n"                                                                                                                       \
	"  - {stage: campaign, of: run, call: one.find, with: {name: '${.campaign_name}'}, give: {campaign_id: '${.id}'},\n"              \
	"     gates: [{present: campaign_id, else: hold, reason: unknown-campaign}]}\n"                                                   \
	"  - {stage: check, gates: [{check: address}]}\n"                                                                                 \
	"  - {stage: push, push: one.push, needs: [email], with: {email: '${.email}', to: '${.run.campaign_id}'}}\n"

static struct rig rig;

static void begin(void)
{
	rig_begin(&rig);
	rig_write(&rig, "secrets/hook", "s\n");
	rig_write(&rig, "services/one.yaml", ONE);
	rig_write(&rig, "pipelines/p.yaml", PIPELINE);
	rig_write(&rig, "leadd.yaml", LEADD);
	rig_open(&rig);
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

/* --- events --- */

static uint64_t taken;

static void on_taken(void *ctx, struct command *c)
{
	*(int *)ctx = c->rc;
	taken = c->message;
}

static int gather_rc;

/* Only gathered: answered by the turn that commits it. */
static void gather(const char *body)
{
	struct command *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->kind = COMMAND_INTAKE;
	(void)snprintf(c->service, sizeof(c->service), "crm");
	c->body = strdup(body);
	c->body_len = strlen(body);
	c->done = on_taken;
	c->ctx = &gather_rc;
	gather_rc = 99;
	engine_command(rig.engine, c);
}

/* On disk and answered; not yet looked at. */
static uint64_t send(const char *body)
{
	gather(body);
	assert_true(rig_turn(&rig) >= 0);
	assert_int_equal(gather_rc, 0);
	return taken;
}

static uint64_t event(const char *id, const char *campaign, const char *email)
{
	char body[1024];

	(void)snprintf(body, sizeof(body), "{\"event\":{\"id\":\"%s\",\"kind\":\"task\",\"text\":\"Instantly: %s\",\"email\":\"%s\",\"name\":\"Jo\"}}", id,
	    campaign, email);
	return send(body);
}

/* Until everything that came is looked at. */
static void look(void)
{
	rig_pass(&rig, SEC);
}

static struct json_object *task(uint64_t id, bool plain)
{
	struct txn *t = NULL;
	struct json_object *o;

	assert_int_equal(txn_begin(rig.store, false, &t, NULL), 0);
	o = show_task(rig.engine, t, id, plain, rig.now);
	txn_abort(t);
	assert_non_null(o);
	return o;
}

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	(void)json_object_object_get_ex(o, key, &v);
	return v != NULL ? json_object_get_string(v) : "-";
}

/* `state detail reason lead` */
static const char *says(uint64_t id)
{
	static char text[300];
	struct json_object *o = task(id, false);

	(void)snprintf(text, sizeof(text), "%s %s %s %s", text_of(o, "state"), text_of(o, "detail"), text_of(o, "reason"), text_of(o, "lead_id"));
	json_object_put(o);
	return text;
}

/* `null`: of its run none can be told; `-` when its lead has ended. */
static const char *forecast_of(uint64_t id)
{
	struct json_object *o = task(id, false), *run = json_object_object_get(o, "run");
	bool ended = json_object_get_int(json_object_object_get(run, "processed")) == json_object_get_int(json_object_object_get(run, "total"));
	const char *said = ended ? "-" : json_object_object_get(run, "forecast") == NULL ? "null" : "told";

	json_object_put(o);
	return said;
}

static void answer_find(size_t call, const char *id)
{
	char body[64];

	(void)snprintf(body, sizeof(body), "{\"id\":%s}", id);
	assert_non_null(strstr(rig.calls[call].url, "/find"));
	rig_answer(&rig, call, 200, body);
}

/* --- --- */

static void test_one_effect(void **state)
{
	uint64_t first, again, other;

	(void)state;
	begin();
	first = event("e1", "Spring", "a@one.example.org");
	again = event("e1", "Spring", "a@one.example.org");
	assert_string_equal(says(first), "pending received - -");
	look();
	assert_int_equal(rig.n_calls, 1);
	assert_non_null(strstr(rig.calls[0].url, "name=Spring"));
	answer_find(0, "\"c-1\"");
	assert_int_equal(rig.n_calls, 2);
	assert_non_null(strstr(rig.calls[1].body, "\"to\":\"c-1\""));
	assert_string_equal(says(first), "running in-flight - 1/1");
	rig_answer(&rig, 1, 200, "{\"id\":1}");
	assert_string_equal(says(first), "success delivered - 1/1");
	assert_string_equal(says(again), "success delivered - 1/1");
	/* a repeat long after, over a restart; and another of the same person */
	rig_restart(&rig);
	again = event("e1", "Spring", "a@one.example.org");
	other = event("e2", "Spring", "A@one.example.org");
	look();
	assert_string_equal(says(again), "success delivered - 1/1");
	assert_string_equal(says(other), "failure duplicate duplicate-email 1/2");
	assert_int_equal(rig.n_calls, 2);
	assert_int_equal(rig_run_row(&rig, 1)->rows, 2);
	end();
}

/* Every instant between taking in and having looked: what was told is there, and has its effect once. */
static void test_restarts(void **state)
{
	uint64_t ids[3];

	(void)state;
	begin();
	ids[0] = event("e1", "Spring", "a@one.example.org");
	rig_restart(&rig);
	ids[1] = event("e2", "Summer", "b@one.example.org");
	rig_reboot(&rig, 60 * SEC, -30 * SEC);
	look();
	rig_restart(&rig);
	ids[2] = event("e3", "Spring", "c@one.example.org");
	look();
	rig_restart(&rig);
	assert_string_equal(says(ids[0]), "pending waiting - 1/1");
	assert_string_equal(says(ids[1]), "pending waiting - 2/1");
	assert_string_equal(says(ids[2]), "pending waiting - 1/2");
	assert_true(ids[0] < ids[1] && ids[1] < ids[2]);
	assert_string_equal(rig_run_row(&rig, 1)->outside, "Spring");
	assert_string_equal(rig_run_row(&rig, 2)->outside, "Summer");
	end();
}

static void test_reasons(void **state)
{
	static const struct {
		const char *body, *says;
	} cases[] = {
	    {"", "failure refused no-json -"},
	    {"{\"event\":", "failure refused no-json -"},
	    {"[1]", "failure refused bad-expression -"},
	    {"{\"event\":{\"kind\":\"other\",\"id\":\"x\"}}", "success ignored does-not-count -"},
	    {"{\"event\":{\"text\":\"Instantly: S\",\"email\":\"a@b.example\"}}", "failure refused no-event-id -"},
	    {"{\"event\":{\"id\":{},\"text\":\"Instantly: S\"}}", "failure refused no-event-id -"},
	    {"{\"event\":{\"id\":\"a\",\"text\":\"call them\",\"email\":\"a@b.example\"}}", "failure refused no-campaign -"},
	    {"{\"event\":{\"id\":\"b\",\"text\":\"Instantly: \\nlater\"}}", "failure refused no-campaign -"},
	    {"{\"event\":{\"id\":\"c\",\"text\":7}}", "failure refused no-campaign -"},
	    {"{\"event\":{\"id\":\"d\",\"text\":\"Instantly: S\"}}", "failure refused no-fields -"},
	    {"{\"event\":{\"id\":\"e\",\"text\":\"see Instantly:  S \\nand more\",\"email\":\"nobody\"}}", "failure rejected email-malformed 1/1"},
	    {"{\"event\":{\"id\":7,\"text\":\"Instantly: S\",\"email\":\"a@one.example.org\"}}", "pending waiting - 1/2"},
	};
	char long_name[256];
	uint64_t ids[16];
	size_t n = sizeof(cases) / sizeof(cases[0]);

	(void)state;
	begin();
	for (size_t i = 0; i < n; i++) {
		ids[i] = send(cases[i].body);
	}
	memset(long_name, 'n', 250);
	long_name[250] = 0;
	ids[n] = event("long", long_name, "a@one.example.org");
	look();
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(says(ids[i]), cases[i].says);
	}
	assert_string_equal(says(ids[n]), "failure refused campaign-name-too-long -");
	assert_string_equal(rig_run_row(&rig, 1)->outside, "S");
	/* what made nothing can be sent again, mended */
	ids[0] = event("a", "S", "mended@one.example.org");
	look();
	assert_string_equal(says(ids[0]), "pending waiting - 1/3");
	end();
}

/* More than an expression may look at: refused with a word of its own, not as if the rule were wrong. */
static void test_too_large(void **state)
{
	char *body = malloc(80 * 1024);
	uint64_t id;

	(void)state;
	begin();
	assert_non_null(body);
	(void)snprintf(body, 80 * 1024, "{\"event\":{\"id\":\"e1\",\"text\":\"Instantly: S\",\"email\":\"a@one.example.org\",\"note\":\"%070000d\"}}", 7);
	id = send(body);
	look();
	assert_string_equal(says(id), "failure refused event-too-large -");
	free(body);
	end();
}

/* Somebody types the name otherwise: it is the same campaign there, so it is the same run here, and nothing is made twice. */
static void test_names_in_any_case(void **state)
{
	uint64_t other;

	(void)state;
	begin();
	(void)event("e1", "Spring", "a@one.example.org");
	look();
	other = event("e2", "SPRING", "b@one.example.org");
	look();
	assert_string_equal(says(other), "pending waiting - 1/2");
	assert_string_equal(rig_run_row(&rig, 1)->outside, "Spring");
	assert_int_equal(rig.n_calls, 1);
	end();
}

static void test_masked(void **state)
{
	struct json_object *o;
	uint64_t id;

	(void)state;
	begin();
	id = event("e1", "Spring", "annabel@one.example.org");
	look();
	o = task(id, false);
	assert_null(strstr(json_object_to_json_string(o), "annabel"));
	assert_non_null(strstr(json_object_to_json_string(o), "a***@o***"));
	json_object_put(o);
	o = task(id, true);
	assert_non_null(strstr(json_object_to_json_string(o), "annabel"));
	json_object_put(o);
	end();
}

/* A name nobody knows there: its leads are held, and others go on. */
static void test_unknown(void **state)
{
	uint64_t bad, good;

	(void)state;
	begin();
	bad = event("e1", "Nowhere", "a@one.example.org");
	good = event("e2", "Spring", "b@one.example.org");
	look();
	assert_int_equal(rig.n_calls, 2);
	answer_find(0, strstr(rig.calls[0].url, "Nowhere") != NULL ? "null" : "\"c-1\"");
	answer_find(1, strstr(rig.calls[1].url, "Nowhere") != NULL ? "null" : "\"c-1\"");
	assert_int_equal(rig.n_calls, 3);
	rig_answer(&rig, 2, 200, "{\"id\":1}");
	assert_string_equal(says(good), "success delivered - 2/1");
	assert_true(strncmp(says(bad), "failure", 7) != 0 && strncmp(says(bad), "success", 7) != 0);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_RUNNING);
	assert_string_equal(forecast_of(good), "-");
	assert_string_equal(forecast_of(bad), "null"); /* nobody knows when a person comes */
	rig_restart(&rig);
	/* it is made there, and the run told to look again */
	assert_int_equal(rig_command(&rig, &(struct command){.kind = COMMAND_RETRY, .run = 1, .outcomes = 1u << ITEM_PARKED}).count, 1);
	assert_int_equal(rig.n_calls, 4);
	answer_find(3, "\"c-2\"");
	assert_int_equal(rig.n_calls, 5);
	assert_non_null(strstr(rig.calls[4].body, "\"to\":\"c-2\""));
	rig_answer(&rig, 4, 200, "{\"id\":2}");
	assert_string_equal(says(bad), "success delivered - 1/1");
	end();
}

/* Nobody made that campaign for a day: the run is closed and its leads are parked. Made after all, they go on where they were. */
static void test_unknown_for_days(void **state)
{
	uint64_t id;

	(void)state;
	begin();
	id = event("e1", "Nowhere", "a@one.example.org");
	look();
	answer_find(0, "null");
	rig_pass(&rig, 25 * 3600 * SEC);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_string_equal(says(id), "failure parked not-started: set-up 1/1");
	rig_restart(&rig);
	assert_int_equal(rig_command(&rig, &(struct command){.kind = COMMAND_RETRY, .run = 1, .outcomes = 1u << ITEM_PARKED}).count, 2);
	answer_find(rig_last(&rig), "\"c-1\"");
	rig_answer(&rig, rig_last(&rig), 200, "{\"id\":1}");
	assert_string_equal(says(id), "success delivered - 1/1");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	end();
}

/* Open while leads come, closed after 24 hours without one; then the next opens another. */
static void test_idle(void **state)
{
	(void)state;
	begin();
	(void)event("e1", "Spring", "a@one.example.org");
	look();
	answer_find(0, "\"c-1\"");
	rig_answer(&rig, 1, 200, "{\"id\":1}");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_RUNNING);
	assert_true(rig_run_row(&rig, 1)->open);
	rig_pass(&rig, 23 * 3600 * SEC);
	(void)event("e2", "Spring", "b@one.example.org");
	look();
	rig_answer(&rig, rig_last(&rig), 200, "{\"id\":2}");
	rig_restart(&rig);
	rig_pass(&rig, 23 * 3600 * SEC);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_RUNNING);
	assert_true(rig.later_us != TIME_NEVER);
	rig_pass(&rig, 3600 * SEC);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_false(rig_run_row(&rig, 1)->open);
	(void)event("e3", "Spring", "a@one.example.org");
	look();
	assert_int_equal(rig_run_row(&rig, 2)->rows, 1);
	assert_int_equal(rig_run_row(&rig, 1)->rows, 2);
	end();
}

/* A cancelled run takes no more; its campaign gets another. */
static void test_cancelled(void **state)
{
	(void)state;
	begin();
	(void)event("e1", "Spring", "a@one.example.org");
	look();
	assert_int_equal(rig_command(&rig, &(struct command){.kind = COMMAND_CANCEL, .run = 1}).rc, 0);
	assert_false(rig_run_row(&rig, 1)->open);
	(void)event("e2", "Spring", "a@one.example.org");
	look();
	assert_int_equal(rig_run_row(&rig, 1)->rows, 1);
	assert_int_equal(rig_run_row(&rig, 2)->rows, 1);
	end();
}

/* Senders come first: nothing is looked at while they come, unless they never pause. */
static void test_senders_first(void **state)
{
	uint64_t first = 0;
	unsigned n = 0;

	(void)state;
	begin();
	for (; n < 500; n++) {
		char id[16], email[48];
		uint64_t task_id;

		(void)snprintf(id, sizeof(id), "e%u", n);
		(void)snprintf(email, sizeof(email), "p%u@one.example.org", n);
		task_id = event(id, "Spring", email);
		first = first != 0 ? first : task_id;
		rig.now.boot_us += 10 * US_PER_MS;
		rig.now.wall_us += 10 * US_PER_MS;
		if (n == 100) {
			assert_string_equal(says(first), "pending received - -");
		}
	}
	assert_string_equal(says(first), "pending waiting - 1/1"); /* after two seconds without a pause */
	look();
	assert_int_equal(rig_run_row(&rig, 1)->rows, 500);
	end();
}

/* Forgotten after the time declared: then, and not before, a repeat is new. */
static void test_keep(void **state)
{
	struct txn *t = NULL;
	uint64_t id;

	(void)state;
	begin();
	id = event("e1", "Spring", "a@one.example.org");
	look();
	rig_pass(&rig, 29 * US_PER_DAY);
	(void)says(id);
	rig_pass(&rig, 2 * US_PER_DAY);
	assert_int_equal(txn_begin(rig.store, false, &t, NULL), 0);
	assert_null(show_task(rig.engine, t, id, false, rig.now));
	txn_abort(t);
	(void)event("e1", "Spring", "a@one.example.org");
	look();
	assert_int_equal(rig_run_row(&rig, 2)->rows, 1);
	end();
}

/* A full disk: the sender is told, and sends again; what was told before is there. */
static void test_full(void **state)
{
	uint64_t id;

	(void)state;
	begin();
	id = event("e1", "Spring", "a@one.example.org");
	rig_disk_full(true);
	gather("{\"event\":{\"id\":\"e2\",\"text\":\"Instantly: Spring\",\"email\":\"b@one.example.org\"}}");
	(void)rig_turn(&rig);
	assert_int_equal(gather_rc, LEAD_EFULL);
	rig_disk_full(false);
	look();
	assert_string_equal(says(id), "pending waiting - 1/1");
	(void)event("e2", "Spring", "b@one.example.org");
	look();
	assert_int_equal(rig_run_row(&rig, 1)->rows, 2);
	end();
}

static void test_config(void **state)
{
	static const struct {
		const char *intake, *problem;
	} cases[] = {
	    {"{id: .a, run: c, campaign: {from: .t}, fields: {email: x}}", "'verify' is missing"},
	    {"{verify: {scheme: strip, secret: s}, id: .a, run: c, campaign: {from: .t}, fields: {email: x}}", "stripe"},
	    {"{verify: {scheme: header, secret: s}, id: .a, run: c, campaign: {from: .t}, fields: {email: x}}", "needs 'header'"},
	    {"{verify: {scheme: hmac, secret: s, tolerance: 5min}, id: .a, run: c, campaign: {from: .t}, fields: {email: x}}", "no 'tolerance'"},
	    {"{verify: {scheme: close, secret: s}, run: c, campaign: {from: .t}, fields: {email: x}}", "needs 'id'"},
	    {"{verify: {scheme: close, secret: s}, id: '.a |', run: c, campaign: {from: .t}, fields: {email: x}}", "'id'"},
	    {"{verify: {scheme: close, secret: s}, id: .a, run: d, fields: {email: x}}", "there is no campaign 'd'"},
	    {"{verify: {scheme: close, secret: s}, id: .a, run: c, campaign: {from: .t}}", "needs 'fields'"},
	    {"{verify: {scheme: close, secret: s}, id: .a, run: c, fields: {email: x}}", "pipeline p needs param 'campaign_name'"},
	    {"{verify: {scheme: close, secret: s}, id: .a, run: c, campaign: {from: .t, param: other}, fields: {email: x}}", "'other'"},
	    {"{verify: {scheme: close, secret: s}, id: .a, run: c, campaign: {from: .t, after: 7, param: campaign_name}, fields: {email: x}}", "after"},
	    {"{verify: {scheme: close, secret: s}, id: .a, run: c, campaign: {after: x}, fields: {email: x}}", "needs 'from'"},
	    {"{verify: {scheme: close, secret: s}, id: .a, run: c, campaign: {from: .t}, fields: {email: x}, idel: 1h}", "unknown key 'idel'"},
	};
	char text[1024];

	(void)state;
	begin();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(text, sizeof(text), "campaigns: {c: {pipeline: p}}\nintakes:\n  crm: %s\n", cases[i].intake);
		rig_write(&rig, "leadd.yaml", text);
		rig_refused(&rig, cases[i].problem);
		rig_refused(&rig, "leadd.yaml:3:");
	}
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_effect), cmocka_unit_test(test_restarts), cmocka_unit_test(test_reasons), cmocka_unit_test(test_too_large), cmocka_unit_test(test_names_in_any_case), cmocka_unit_test(test_masked),
	    cmocka_unit_test(test_unknown), cmocka_unit_test(test_unknown_for_days), cmocka_unit_test(test_idle), cmocka_unit_test(test_cancelled), cmocka_unit_test(test_senders_first),
	    cmocka_unit_test(test_keep), cmocka_unit_test(test_full), cmocka_unit_test(test_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
