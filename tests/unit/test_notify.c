/*
 * Messages: on disk with what they tell of, sent until taken, under one id; a condition once until it has ended, over restarts
 * and failed commits.
 */
#include "engine_rig.h"

#include "lib/store/check.h"
#include "lib/store/outbox.h"

#include <json-c/json.h>

#define SERVICE                                                                                    \
	"service: one\n"                                                                           \
	"base: https://one.example\n"                                                              \
	"keys: [a, b]\n"                                                                           \
	"auth: bearer\n"                                                                           \
	"concurrency: 100\n"                                                                       \
	"breaker: {failures: 2, open: 60s}\n"                                                      \
	"outcomes: [{status: 402, is: quota}, {status: 401, is: auth}]\n"                          \
	"calls:\n"                                                                                 \
	"  write:\n"                                                                               \
	"    post: /write\n"                                                                       \
	"    json: {email: '${.email}'}\n"                                                         \
	"    price: {body: .cost, ceiling: 0.01}\n"                                                \
	"    in_doubt: {repeat: 10}\n"                                                            \
	"    map: {text: .text}\n"
#define MAIL "mail: {server: 'smtp://127.0.0.1', from: leadd@night.example, to: [ops@example.com]}"
#define HOOK "webhook: {url: 'https://example.com/hook', secret: hook}"
#define CAMPAIGN "campaigns: {c: {pipeline: p}}\n"
#define PAID "{\"text\":\"hi\",\"cost\":0.01}"
#define HOUR (3600 * SEC)

static struct rig rig;

static void begin(const char *leadd)
{
	rig_begin(&rig);
	rig.tells = true;
	rig_write(&rig, "secrets/a", "key-a\n");
	rig_write(&rig, "secrets/b", "key-b\n");
	rig_write(&rig, "secrets/hook", "sign\n");
	rig_write(&rig, "services/one.yaml", SERVICE);
	rig_write(&rig, "pipelines/p.yaml",
	    "pipeline: p\nstages: [{stage: write, call: one.write, with: {email: '${.email}'}}]\n");
	rig_write(&rig, "leadd.yaml", leadd);
	rig_open(&rig);
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

static void sent(size_t n)
{
	if (rig.n_messages != n) {
		for (size_t i = 0; i < rig.n_messages; i++) {
			print_error("%zu: %s\n", i, rig.messages[i].subject);
		}
		fail_msg("%zu messages, not %zu", rig.n_messages, n);
	}
}

static struct json_object *outbox(void)
{
	struct json_object *o;
	struct txn *t = NULL;

	assert_int_equal(txn_begin(rig.store, false, &t, NULL), 0);
	o = outbox_show(t);
	txn_abort(t);
	return o;
}

static void holds(int waiting, int given_up)
{
	struct json_object *o = outbox();

	assert_int_equal(json_object_get_int(json_object_object_get(o, "waiting")), waiting);
	assert_int_equal(json_object_get_int(json_object_object_get(o, "given_up")), given_up);
	json_object_put(o);
}

static void written(uint32_t run, const char *summary)
{
	assert_int_equal(
	    rig_command(&rig,
		&(struct command){.kind = COMMAND_WRITTEN, .run = run, .summary = strdup(summary)})
		.rc,
	    0);
}

static uint32_t done_run(void)
{
	uint32_t run = rig_run(&rig, "c", "email\na@x.example\n");

	rig_answer(&rig, rig_last(&rig), 200, PAID);
	assert_int_equal(rig_run_row(&rig, run)->state, RUN_DONE);
	return run;
}

static void test_the_end_of_a_run(void **state)
{
	uint32_t run;

	(void)state;
	begin("notify: {" MAIL ", " HOOK "}\n" CAMPAIGN);
	run = done_run();
	sent(0); /* its results are not written yet */
	written(run, "the summary\n");
	sent(2);
	assert_int_equal(rig.messages[0].way, OUTBOX_MAIL);
	assert_string_equal(rig.messages[0].to, "ops@example.com");
	assert_string_equal(rig.messages[0].subject, "run 1 of c is done: 1 of 1 leads came through");
	assert_string_equal(rig.messages[0].body, "the summary\n");
	assert_int_equal(rig.messages[1].way, OUTBOX_WEBHOOK);
	assert_non_null(strstr(rig.messages[1].body, "\"event\":\"run-done\""));
	assert_non_null(strstr(rig.messages[1].body, "\"ready\":1"));
	assert_non_null(strstr(rig.messages[1].body, "\"settled_micro\":10000"));
	assert_true(rig.messages[0].id != rig.messages[1].id);
	/* a turn does not send what is under way; a restart does, as the same message */
	rig_pass(&rig, HOUR);
	sent(2);
	rig_restart(&rig);
	sent(4);
	assert_int_equal(rig.messages[2].id, rig.messages[0].id);
	assert_string_equal(rig.messages[3].body, rig.messages[1].body);
	rig_sent(&rig, 0, SENT_OK, "250");
	rig_sent(&rig, 1, SENT_OK, "");
	holds(0, 0);
	rig_restart(&rig);
	rig_pass(&rig, HOUR);
	sent(4);
	end();
}

/* The row and what it tells of are one commit. */
static void test_no_commit_no_message(void **state)
{
	uint32_t run;

	(void)state;
	begin("notify: {" MAIL "}\n" CAMPAIGN);
	run = done_run();
	rig_disk_full(true);
	assert_int_equal(
	    rig_command(&rig, &(struct command){.kind = COMMAND_WRITTEN, .run = run}).rc, LEAD_EFULL);
	sent(0);
	holds(0, 0);
	rig_disk_full(false);
	rig_pass(&rig, SEC);
	written(run, "s\n");
	sent(1);
	end();
}

static void test_sent_again_for_a_day(void **state)
{
	int64_t began;
	size_t n = 1;

	(void)state;
	begin("notify: {" MAIL "}\n" CAMPAIGN);
	written(done_run(), "s\n");
	sent(1);
	began = rig.now.wall_us;
	while (rig.now.wall_us - began < US_PER_DAY) {
		rig_sent(&rig, n - 1, SENT_LATER, "connection refused");
		sent(n);
		rig_play(&rig, rig.now.boot_us + 2 * HOUR);
		sent(++n);
		assert_int_equal(rig.messages[n - 1].id, rig.messages[0].id);
		assert_int_equal(rig.messages[n - 1].attempts, n - 1);
	}
	assert_in_range(n, 12, 200);
	holds(1, 0);
	rig_sent(&rig, n - 1, SENT_LATER, "connection refused");
	holds(0, 1);
	rig_play(&rig, rig.now.boot_us + 5 * US_PER_DAY);
	sent(n);
	holds(0, 1);
	rig_play(&rig, rig.now.boot_us + 2 * US_PER_DAY);
	holds(0, 0);
	end();
}

static void test_refused_hurts_no_other(void **state)
{
	struct json_object *o;

	(void)state;
	begin("notify: {mail: {server: 'smtp://127.0.0.1', from: leadd@night.example, to: [x@example.com, y@example.com]}}\n" CAMPAIGN);
	written(done_run(), "s\n");
	sent(2);
	rig_sent(&rig, 0, SENT_REFUSED, "550 no such user");
	rig_sent(&rig, 1, SENT_LATER, "451 later");
	holds(1, 1);
	rig_play(&rig, rig.now.boot_us + HOUR);
	sent(3);
	assert_string_equal(rig.messages[2].to, "y@example.com");
	rig_sent(&rig, 2, SENT_OK, "250");
	o = outbox();
	assert_string_equal(json_object_get_string(json_object_object_get(o, "last_failure")),
	    "x@example.com about run-done: 550 no such user");
	json_object_put(o);
	end();
}

/* No more than some at once, and all of them in the end. */
static void test_many_at_once(void **state)
{
	(void)state;
	begin("notify: {" MAIL "}\n" CAMPAIGN);
	for (int i = 0; i < 20; i++) {
		written(done_run(), "s\n");
	}
	sent(SENDING_MOST);
	for (size_t i = 0; i < 20; i++) {
		rig_sent(&rig, i, SENT_OK, "250");
	}
	sent(20);
	for (size_t i = 1; i < 20; i++) {
		assert_true(rig.messages[i].id > rig.messages[i - 1].id);
	}
	holds(0, 0);
	end();
}

static void many_leads(void)
{
	struct buf csv = {0};

	buf_add_text(&csv, "email\n");
	for (int i = 0; i < 26; i++) {
		buf_printf(&csv, "%c@x.example\n", 'a' + i);
	}
	assert_int_not_equal(rig_run(&rig, "c", csv.data), 0);
	buf_free(&csv);
}

static void answer_open(int status, const char *body)
{
	for (size_t i = 0, n = rig.n_calls; i < n; i++) {
		if (rig.calls[i].open) {
			rig_answer(&rig, i, status, body);
		}
	}
}

static void broke(struct rig *r, struct seen *c)
{
	(void)r;
	c->status = 402;
}

static void test_parked_keys(void **state)
{
	(void)state;
	begin("notify: {" MAIL "}\n" CAMPAIGN);
	rig.serve = broke;
	many_leads();
	answer_open(402, "{}");
	sent(0); /* what else goes wrong is waited for */
	rig_play(&rig, rig.now.boot_us + 11 * SEC);
	sent(1);
	assert_string_equal(rig.messages[0].subject, "one, key a: quota is used up");
	assert_int_equal(rig.messages[0].things, 2);
	assert_non_null(strstr(rig.messages[0].body, "key b"));
	rig_sent(&rig, 0, SENT_OK, "250");
	/* probes fail on: nothing new */
	rig_play(&rig, rig.now.boot_us + 20 * 60 * SEC);
	answer_open(402, "{}");
	rig_restart(&rig);
	rig_pass(&rig, 11 * SEC);
	sent(1);
	/* free, and parked again: not within the hour */
	rig_command(&rig, &(struct command){.kind = COMMAND_SERVICE_RESET, .service = "one"});
	answer_open(402, "{}");
	rig_pass(&rig, 11 * SEC);
	sent(1);
	rig_play(&rig, rig.now.boot_us + 2 * HOUR);
	sent(2);
	end();
}

static void test_a_breaker(void **state)
{
	(void)state;
	begin("notify: {" HOOK ", on: breaker}\n" CAMPAIGN);
	many_leads();
	answer_open(503, "");
	sent(2); /* one for each key */
	assert_non_null(strstr(rig.messages[0].body, "\"event\":\"breaker\""));
	rig_sent(&rig, 0, SENT_OK, "");
	rig_sent(&rig, 1, SENT_OK, "");
	/* half-open and open again, for hours */
	for (int i = 0; i < 200; i++) {
		rig_play(&rig, rig.now.boot_us + 61 * SEC);
		answer_open(503, "");
	}
	sent(2);
	/* a restart closes it, which proves nothing */
	rig_restart(&rig);
	rig_play(&rig, rig.now.boot_us + 61 * SEC);
	answer_open(503, "");
	answer_open(503, "");
	rig_play(&rig, rig.now.boot_us + HOUR);
	answer_open(503, "");
	sent(2);
	/* it answers: that was the end of it, and the next time is another */
	rig_play(&rig, rig.now.boot_us + HOUR);
	answer_open(200, PAID);
	rig_play(&rig, rig.now.boot_us + HOUR);
	sent(2);
	many_leads();
	answer_open(503, "");
	answer_open(503, "");
	sent(4);
	end();
}

static void test_only_what_is_asked_for(void **state)
{
	(void)state;
	begin("notify: {" MAIL ", on: [run-failed]}\n" CAMPAIGN);
	written(done_run(), "s\n");
	many_leads();
	answer_open(402, "{}");
	rig_pass(&rig, 11 * SEC);
	sent(0);
	end();
}

static void test_a_budget(void **state)
{
	(void)state;
	begin("notify: {" HOOK ", on: [budget]}\ncampaigns: {c: {pipeline: p, budget: {day: 0.03}}}\n");
	many_leads();
	sent(0); /* what is under way may yet be cheaper */
	rig_answer(&rig, 0, 200, "{\"text\":\"hi\",\"cost\":0}");
	answer_open(200, PAID);
	answer_open(200, PAID);
	sent(1);
	assert_non_null(strstr(rig.messages[0].body, "\"of\":\"campaign\",\"name\":\"c\",\"period\":\"day\",\"limit_micro\":30000"));
	rig_sent(&rig, 0, SENT_OK, "");
	rig_restart(&rig);
	rig_pass(&rig, SEC);
	sent(1);
	/* raised and reached again, and tomorrow's is another */
	rig_write(&rig, "leadd.yaml", "notify: {" HOOK ", on: [budget]}\ncampaigns: {c: {pipeline: p, budget: {day: 0.05}}}\n");
	assert_int_equal(rig_reload(&rig).rc, 0);
	answer_open(200, PAID);
	sent(2);
	rig_play(&rig, rig.now.boot_us + US_PER_DAY);
	for (int i = 0; i < 5; i++) {
		answer_open(200, PAID);
	}
	sent(3);
	end();
}

/* What was told in a turn that did not commit is told by the next. */
static void test_a_condition_survives_a_full_disk(void **state)
{
	(void)state;
	begin("notify: {" HOOK ", on: [quota, store-full]}\n" CAMPAIGN);
	many_leads();
	rig_disk_full(true);
	rig_gather(&rig, 0, &(struct http_answer){.status = 402, .body = "{}", .body_len = 2});
	(void)rig_turn(&rig);
	sent(0);
	rig_disk_full(false);
	rig_pass(&rig, SEC);
	sent(1);
	assert_non_null(strstr(rig.messages[0].body, "\"event\":\"quota\""));
	end();
}

static void test_nobody_to_tell(void **state)
{
	struct txn *t = NULL;

	(void)state;
	begin(CAMPAIGN);
	written(done_run(), "s\n");
	assert_int_equal(txn_begin(rig.store, false, &t, NULL), 0);
	assert_int_equal(txn_count(t, TABLE_OUTBOX), 0);
	txn_abort(t);
	end();
}

static void on_problem(void *arg, const char *problem)
{
	assert_non_null(strstr(problem, "message"));
	++*(int *)arg;
}

static void test_check_reads_messages(void **state)
{
	struct outbox_row row = {.id = 9, .run = 77, .subject = {(const uint8_t *)"s", 1}, .body = {(const uint8_t *)"b", 1}};
	struct check_counts counts;
	struct txn *t = NULL;
	int problems = 0;

	(void)state;
	begin(CAMPAIGN);
	assert_int_equal(txn_begin(rig.store, true, &t, NULL), 0);
	outbox_write(t, &row);
	txn_put(t, TABLE_OUTBOX, key_u64(key_u8(key_of(), 0), 10), "torn", 4);
	assert_int_equal(txn_commit(t, NULL), 0);
	assert_int_equal(store_check(rig.store, on_problem, &problems, &counts, NULL), 0);
	assert_int_equal(problems, 2);
	assert_int_equal(counts.problems, 2);
	rig_end(&rig);
}

/* A clock that was years ahead keeps nothing back. */
static void test_a_clock_set_back(void **state)
{
	(void)state;
	begin("notify: {" MAIL "}\n" CAMPAIGN);
	rig.now.wall_us += 1000 * US_PER_DAY;
	written(done_run(), "s\n");
	rig_sent(&rig, 0, SENT_LATER, "connection refused");
	rig.now.wall_us -= 1000 * US_PER_DAY;
	rig_pass(&rig, 2 * HOUR);
	sent(2);
	end();
}

/* --- leadd.yaml --- */

static void refused(const char *notify, const char *part)
{
	rig_write(&rig, "leadd.yaml", notify);
	rig_refused(&rig, part);
}

static void test_mistakes(void **state)
{
	(void)state;
	begin(CAMPAIGN);
	refused("notify: {male: {}}\n", "leadd.yaml:1:");
	refused("notify: {male: {}}\n", "did you mean 'mail'?");
	refused("notify:\n  mail: {server: 'smtp://h'}\n", "leadd.yaml:2:");
	refused("notify:\n  mail: {server: 'smtp://h'}\n", "mail needs 'server', 'from' and 'to'");
	refused("notify: {mail: {server: 'http://h', from: a@b.de, to: c@d.de}}\n", "smtp://host:port");
	refused("notify: {mail: {server: 'smtp://h/x', from: a@b.de, to: c@d.de}}\n", "smtp://host:port");
	refused("notify: {mail: {server: 'smtp://u:p@h', from: a@b.de, to: c@d.de}}\n", "smtp://host:port");
	refused("notify: {mail: {server: 'smtp://h', from: 'A <a@b.de>', to: c@d.de}}\n", "is no mail address");
	refused("notify: {mail: {server: 'smtp://h', from: a@b.de, to: \"c@d.de\\r\\nRCPT TO:<x@y.de>\"}}\n", "is no mail address");
	refused("notify: {mail: {server: 'smtp://h', from: a@b.de, to: [c@d.de], user: u}}\n", "come together");
	refused("notify: {mail: {server: 'smtp://h', from: a@b.de, to: [c@d.de], user: u, secret: s}}\n", "only goes over TLS");
	refused("notify: {webhook: {url: 'https://h/'}}\n", "webhook needs 'url' and 'secret'");
	refused("notify: {webhook: {url: 'https://u:p@h/', secret: s}}\n", "without a user name");
	refused("notify: {on: [brekaer]}\n", "did you mean 'breaker'?");
	refused("organisations: {acme: {mail_to: nobody}}\n", "is no mail address");
	rig_write(&rig, "leadd.yaml", CAMPAIGN);
	end();
}

static void test_what_a_reload_changes(void **state)
{
	struct config *from, *to;
	struct buf out = {0};

	(void)state;
	begin("notify: {" MAIL "}\n" CAMPAIGN);
	from = rig_config(&rig);
	rig_write(&rig, "leadd.yaml", "notify: {" HOOK ", on: [quota, key]}\norganisations: {acme: {mail_to: [x@example.com]}}\n" CAMPAIGN);
	to = rig_config(&rig);
	config_diff(from, to, &out);
	assert_non_null(strstr(out.data, "notify: mail: smtp://127.0.0.1 from leadd@night.example to ops@example.com -> none\n"));
	assert_non_null(strstr(out.data, "notify: webhook: none -> https://example.com/hook signed by credential hook\n"));
	assert_non_null(strstr(out.data, "-> quota key\n"));
	assert_non_null(strstr(out.data, "organisation acme: mail_to: none -> x@example.com\n"));
	buf_reset(&out);
	config_diff(to, to, &out);
	assert_int_equal(out.len, 0);
	buf_free(&out);
	config_unref(from);
	config_unref(to);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_end_of_a_run),
	    cmocka_unit_test(test_no_commit_no_message),
	    cmocka_unit_test(test_sent_again_for_a_day),
	    cmocka_unit_test(test_refused_hurts_no_other),
	    cmocka_unit_test(test_many_at_once),
	    cmocka_unit_test(test_parked_keys),
	    cmocka_unit_test(test_a_breaker),
	    cmocka_unit_test(test_only_what_is_asked_for),
	    cmocka_unit_test(test_a_budget),
	    cmocka_unit_test(test_a_condition_survives_a_full_disk),
	    cmocka_unit_test(test_nobody_to_tell),
	    cmocka_unit_test(test_check_reads_messages),
	    cmocka_unit_test(test_a_clock_set_back),
	    cmocka_unit_test(test_mistakes),
	    cmocka_unit_test(test_what_a_reload_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
