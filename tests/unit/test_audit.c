/*
 * lib/engine/show/audit.c: whatever the slices, the largest count of each window is that of a count by hand over the ledger, for
 * all keys together, for each allowance, for some calls of a service only.
 */
#include "engine_rig.h"

#include <json-c/json.h>

#include "lib/engine/show/audit.h"

#define CALLS 1500

static struct rig rig;
static struct call_row rows[CALLS];

static void begin(void)
{
	rig_begin(&rig);
	rig_write(&rig, "secrets/a", "key-a");
	rig_write(&rig, "secrets/b", "key-b");
	rig_write(&rig, "services/one.yaml",
	    "service: one\nbase: https://one.example\nkeys: [a, b]\nauth: bearer\n"
	    "limits:\n  - {limit: [20/60s, 500/day], label: each}\n  - {limit: 30/10s, per: service, label: all}\n"
	    "  - {limit: 5/5s, per: service, calls: [look], label: looks}\n"
	    "calls: {peek: {get: /peek, query: {email: '${.email}'}}, look: {get: /look, query: {email: '${.email}'}}}\n");
	rig_write(&rig, "pipelines/p.yaml",
	    "pipeline: p\nstages: [{stage: w, call: one.peek, with: {email: '${.email}'}}]\n");
	rig_write(&rig, "leadd.yaml", "campaigns: {c: {pipeline: p}}\n");
	rig_open(&rig);
}

/* A ledger of two days: bursts and quiet hours, some calls never sent. */
static void fill(void)
{
	struct lane *l = lane_by_name(rig.engine, "one");
	int64_t at = RIG_WALL - 2 * US_PER_DAY;
	struct txn *t = NULL;
	struct dice d;

	dice_seed(&d, 8);
	assert_int_equal(txn_begin(rig.store, true, &t, NULL), 0);
	for (uint64_t i = 0; i < CALLS; i++) {
		at += dice_below(&d, 50) == 0 ? (int64_t)dice_below(&d, (uint64_t)(3600 * SEC)) : (int64_t)dice_below(&d, SEC);
		rows[i] = (struct call_row){.id = ids_next(i > 0 ? rows[i - 1].id : 0, at),
		    .state = CALL_SETTLED,
		    .service = l->number,
		    .endpoint = l->endpoints[dice_below(&d, 2)],
		    .key = l->keys[dice_below(&d, 2)].number,
		    .granted_us = 1000 * SEC,
		    .sent_us = dice_below(&d, 20) == 0 ? 0 : 1000 * SEC + (int64_t)dice_below(&d, 3 * SEC),
		    .granted_wall_us = at,
		    .n_parts = 1};
		call_open(t, &rows[i]);
		call_close(t, &rows[i]);
	}
	assert_int_equal(txn_commit(t, NULL), 0);
}

static size_t by_hand(int64_t oldest, uint16_t key, uint16_t endpoint, int64_t length, bool day)
{
	size_t worst = 0;

	for (size_t i = 0; i < CALLS; i++) {
		int64_t end = rows[i].granted_wall_us + rows[i].sent_us - rows[i].granted_us;
		size_t n = 0;

		for (size_t k = 0; k < CALLS; k++) {
			int64_t at = rows[k].granted_wall_us + rows[k].sent_us - rows[k].granted_us;
			bool within = day ? at / US_PER_DAY == end / US_PER_DAY : at > end - length;

			n += rows[k].sent_us != 0 && rows[k].granted_wall_us >= oldest && at <= end && within &&
			     (key == 0 || rows[k].key == key) && (endpoint == 0 || rows[k].endpoint == endpoint);
		}
		worst = n > worst && rows[i].sent_us != 0 && rows[i].granted_wall_us >= oldest &&
				(key == 0 || rows[i].key == key) && (endpoint == 0 || rows[i].endpoint == endpoint)
			    ? n
			    : worst;
	}
	return worst;
}

static void check(struct json_object *list, size_t i, const char *window, size_t worst, size_t max)
{
	struct json_object *o = json_object_array_get_idx(list, i);

	assert_string_equal(json_object_get_string(json_object_object_get(o, "window")), window);
	assert_int_equal(json_object_get_int64(json_object_object_get(o, "worst")), worst);
	assert_int_equal(json_object_get_boolean(json_object_object_get(o, "ok")), worst <= max);
}

static void test_against_count_by_hand(void **state)
{
	static const unsigned slices[] = {1, 7, 100000};
	static const int64_t backs[] = {US_PER_DAY, 31 * US_PER_DAY};
	struct lane *l;

	(void)state;
	begin();
	fill();
	l = lane_by_name(rig.engine, "one");
	for (int b = 0; b < 2; b++) {
		int64_t oldest = rig.now.wall_us - backs[b];

		for (int s = 0; s < 3; s++) {
			struct audit *a = audit_new(rig.engine, backs[b], rig.now);
			struct lead_error err = {0};
			struct json_object *o, *list;

			assert_non_null(a);
			while (audit_next(a, slices[s], &err)) {
			}
			assert_int_equal(err.code, 0);
			o = audit_json(a);
			audit_free(a);
			list = json_object_object_get(o, "items");
			assert_int_equal(json_object_array_length(list), 6);
			for (size_t g = 0; g < 2; g++) {
				uint16_t key = l->keys[g].number;

				check(list, 2 * g, "20/60s", by_hand(oldest, key, 0, 60 * SEC, false), 20);
				check(list, 2 * g + 1, "500/day", by_hand(oldest, key, 0, 0, true), 500);
			}
			check(list, 4, "30/10s", by_hand(oldest, 0, 0, 10 * SEC, false), 30);
			check(list, 5, "5/5s", by_hand(oldest, 0, l->endpoints[1], 5 * SEC, false), 5);
			json_object_put(o);
		}
	}
	rig_end(&rig);
}

static void test_empty(void **state)
{
	struct audit *a;
	struct lead_error err = {0};
	struct json_object *o;

	(void)state;
	begin();
	a = audit_new(rig.engine, US_PER_DAY, rig.now);
	assert_false(audit_next(a, 10, &err));
	assert_int_equal(err.code, 0);
	o = audit_json(a);
	check(json_object_object_get(o, "items"), 0, "20/60s", 0, 20);
	json_object_put(o);
	audit_free(a);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_against_count_by_hand),
	    cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
