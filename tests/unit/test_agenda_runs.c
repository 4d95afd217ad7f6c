/*
 * lib/engine/run/agenda.c: runs that begin by themselves: each moment once, over restarts, reloads and a machine that was off.
 */
#include "engine_rig.h"

#include <json-c/json.h>

#define HOUR (3600 * SEC)
#define FIND                                                                                       \
	"service: find\n"                                                                          \
	"base: https://find.example\n"                                                             \
	"calls: {search: {get: /people, query: {state: '${.state}'}, map: {people: .people}}}\n"
#define PIPELINE                                                                                   \
	"pipeline: p\n"                                                                            \
	"params: {state: {about: where}}\n"                                                        \
	"stages:\n"                                                                                \
	"  - stage: search\n"                                                                      \
	"    of: run\n"                                                                            \
	"    call: find.search\n"                                                                  \
	"    with: {state: '${.state // \"any\"}'}\n"                                              \
	"    makes: {level: contact, from: '${.people}', fields: {email: '${.email}'}}\n"
#define CONF(more)                                                                                 \
	"zone: Europe/Berlin\n"                                                                    \
	"campaigns:\n"                                                                             \
	"  c:\n"                                                                                   \
	"    pipeline: p\n"                                                                        \
	"    schedule:\n"                                                                          \
	"      at: \"22:00\"\n" more

static struct rig rig;

static int64_t at(const char *text)
{
	int64_t us;

	assert_true(time_parse_rfc3339(text, &us));
	return us;
}

static void begin(const char *conf, const char *now)
{
	rig_begin(&rig);
	rig.now.wall_us = at(now);
	rig_write(&rig, "services/find.yaml", FIND);
	rig_write(&rig, "pipelines/p.yaml", PIPELINE);
	rig_write(&rig, "leadd.yaml", conf);
	rig_open(&rig);
	rig_settle(&rig);
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

static size_t runs(void)
{
	size_t n = 0;

	while (show_run_row(rig.engine, (uint32_t)n + 1) != NULL) {
		n++;
	}
	return n;
}

/* The clocks go on so long, as timers ask for it. */
static void pass(int64_t us)
{
	int64_t end_us = rig.now.boot_us + us;

	while (rig.later_us <= end_us && rig.now.boot_us < end_us) {
		int64_t step = rig.later_us - rig.now.boot_us;

		rig_pass(&rig, step > 0 ? step : SEC);
	}
	rig_pass(&rig, end_us > rig.now.boot_us ? end_us - rig.now.boot_us : 1);
}

static const char *last(const char *key)
{
	static char text[64];
	struct json_object *o, *s;
	struct txn *t = NULL;

	assert_int_equal(txn_begin(rig.store, false, &t, NULL), 0);
	o = show_campaign(rig.engine, t, "c", rig.now);
	txn_abort(t);
	s = json_object_object_get(o, "schedule");
	if (strcmp(key, "next") != 0) {
		s = json_object_object_get(s, "last");
	}
	(void)snprintf(text, sizeof(text), "%s", s != NULL ? json_object_get_string(json_object_object_get(s, key)) : "-");
	json_object_put(o);
	return text;
}

/* Not before it, at it, once, and again the next day. */
static void test_begins(void **state)
{
	begin(CONF("      params: {state: CA}\n      quantity: 7\n      by: \"07:00\"\n"), "2026-11-28T20:30:00+01:00");
	assert_string_equal(last("what"), "-");
	assert_string_equal(last("next"), "2026-11-28T21:00:00.000Z");
	pass(HOUR + HOUR / 2 - SEC);
	assert_int_equal(runs(), 0);
	pass(2 * SEC);
	assert_int_equal(runs(), 1);
	assert_string_equal(rig_run_row(&rig, 1)->campaign, "c");
	assert_string_equal(rig_run_row(&rig, 1)->source, "schedule 2026-11-28T21:00:00.000Z");
	assert_int_equal(rig_run_row(&rig, 1)->quantity, 7);
	assert_int_equal(rig_run_row(&rig, 1)->by_us, at("2026-11-29T07:00:00+01:00"));
	assert_string_equal(rig.calls[0].url, "https://find.example/people?state=CA");
	assert_string_equal(last("what"), "started");
	assert_string_equal(last("next"), "2026-11-29T21:00:00.000Z");
	rig_restart(&rig);
	rig_settle(&rig);
	pass(HOUR);
	assert_int_equal(runs(), 1);
	pass(23 * HOUR);
	assert_int_equal(runs(), 2);
	end();
}

/* The clocks are set back in the night: 24 hours later it is 21:00. */
static void test_summer_time(void **state)
{
	begin(CONF(""), "2026-10-24T21:59:00+02:00");
	pass(2 * 60 * SEC);
	assert_int_equal(runs(), 1);
	pass(24 * HOUR);
	assert_int_equal(runs(), 1);
	pass(HOUR);
	assert_int_equal(runs(), 2);
	end();
}

/* The machine was off: what was missed is made up for within its time, once, or left. */
static void test_missed(void **state)
{
	static const struct {
		const char *more;
		int64_t off;
		const char *what;
		size_t runs;
	} cases[] = {
	    {"", 1 * HOUR, "started", 1},            /* back in time: 21:30 */
	    {"", 2 * HOUR, "skipped", 0},            /* 22:30 */
	    {"      missed: run-late\n      within: 3h\n", 4 * HOUR, "started-late", 1}, /* 00:30 */
	    {"      missed: run-late\n      within: 3h\n", 5 * HOUR, "skipped", 0},      /* 01:30 */
	    {"      missed: run-late\n      within: 3h\n", 75 * HOUR, "started-late", 1}, /* three were missed */
	};

	for (size_t i = 0; i < 5; i++) {
		char conf[400];

		(void)snprintf(conf, sizeof(conf), CONF("%s"), cases[i].more);
		begin(conf, "2026-11-28T20:30:00+01:00");
		rig_reboot(&rig, cases[i].off, 0);
		rig_settle(&rig);
		pass(HOUR);
		assert_string_equal(last("what"), cases[i].what);
		assert_int_equal(runs(), cases[i].runs);
		pass(HOUR);
		assert_int_equal(runs(), cases[i].runs);
		end();
	}
}

/* A schedule that is new looks forward only; one that is changed forgets what is over. */
static void test_reloaded(void **state)
{
	begin("zone: Europe/Berlin\ncampaigns: {c: {pipeline: p}}\n", "2026-11-28T22:30:00+01:00");
	rig_write(&rig, "leadd.yaml", CONF("      missed: run-late\n"));
	assert_int_equal(rig_reload(&rig).rc, 0);
	rig_settle(&rig);
	pass(HOUR);
	assert_int_equal(runs(), 0);
	rig_write(&rig, "leadd.yaml", "zone: Europe/Berlin\ncampaigns: {c: {pipeline: p, schedule: {at: \"23:45\"}}}\n");
	assert_int_equal(rig_reload(&rig).rc, 0);
	rig_settle(&rig);
	assert_string_equal(last("next"), "2026-11-28T22:45:00.000Z");
	pass(HOUR / 2);
	assert_int_equal(runs(), 1);
	end();
}

/* No commit works at the moment: it is made up for as soon as one does, or counts as missed. */
static void test_disk_full(void **state)
{
	begin(CONF(""), "2026-11-28T21:59:00+01:00");
	rig_disk_full(true);
	pass(90 * SEC);
	rig_disk_full(false);
	pass(30 * SEC);
	assert_int_equal(runs(), 1);
	assert_string_equal(last("what"), "started");
	end();
}

static void test_bad_files(void **state)
{
	static const char *const bad[][2] = {
	    {"{days: [mon]}", "needs 'at'"},
	    {"{at: \"24:00\"}", "time of day"},
	    {"{at: \"7:00\"}", "time of day"},
	    {"{at: \"07:00\", days: [mo]}", "did you mean 'mon'"},
	    {"{at: \"07:00\", missed: later}", "missed"},
	    {"{at: \"07:00\", params: {stat: CA}}", "did you mean 'state'"},
	    {"{at: \"07:00\", params: {state: [CA]}}", "single values"},
	    {"{at: \"07:00\", until: \"08:00\"}", "until"},
	};

	for (size_t i = 0; i <= sizeof(bad) / sizeof(bad[0]); i++) {
		char conf[300];

		rig_begin(&rig);
		rig_write(&rig, "services/find.yaml", FIND);
		rig_write(&rig, "pipelines/p.yaml", PIPELINE);
		rig_write(&rig, "pipelines/q.yaml", "pipeline: q\nstages: [{stage: s, gates: [{check: address}]}]\n");
		if (i < sizeof(bad) / sizeof(bad[0])) {
			(void)snprintf(conf, sizeof(conf), "campaigns: {c: {pipeline: p, schedule: %s}}\n", bad[i][0]);
		} else {
			(void)snprintf(conf, sizeof(conf), "campaigns: {c: {pipeline: q, schedule: {at: \"07:00\"}}}\n");
		}
		rig_write(&rig, "leadd.yaml", conf);
		rig_refused(&rig, i < sizeof(bad) / sizeof(bad[0]) ? bad[i][1] : "no stage that finds leads");
		rig_end(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_begins),
	    cmocka_unit_test(test_summer_time),
	    cmocka_unit_test(test_missed),
	    cmocka_unit_test(test_reloaded),
	    cmocka_unit_test(test_disk_full),
	    cmocka_unit_test(test_bad_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
