/* What plan stands on: tallies, snapshots, odds, an engine that calls nobody, and --what-if. */
#include "engine_rig.h"

#include "lib/engine/plan/odds.h"
#include "lib/engine/plan/plan_night.h"
#include "lib/engine/plan/tallies.h"
#include "lib/store/snapshot.h"
#include "lib/store/tally.h"

#include <json-c/json.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

static const char service[] =
    "service: find\nbase: https://find.example\nkeys: [find]\nauth: bearer\n"
    "limits: [5/10s, {limit: 1000/day}]\ncalls:\n  ask:\n    post: /ask\n    json: {email: "
    "\"${.email}\"}\n    price: {per_call: 0.01, ceiling: 0.02}\n    in_doubt: {repeat: 1}\n    "
    "map: {grade: .grade}\n";
static const char pipeline[] =
    "pipeline: short\nstages:\n  - stage: intake\n    gates: [{check: address}]\n  - stage: "
    "grade\n    call: find.ask\n    with: {email: \"${.email}\"}\n    gates: [{field: grade, in: "
    "[good], reason: bad-grade}]\n";
static const char settings[] =
    "services_dir: services\npipelines_dir: pipelines\nlists_dir: "
    "lists\nsecrets_dir: secrets\ncampaigns:\n  one: {pipeline: short}\n";

static void open_rig(struct rig *r)
{
	rig_begin(r);
	rig_write(r, "services/find.yaml", service);
	rig_write(r, "pipelines/short.yaml", pipeline);
	rig_write(r, "leadd.yaml", settings);
	rig_write(r, "secrets/find", "key");
	rig_open(r);
}

static char *people(unsigned n)
{
	struct buf b = {0};

	buf_add_text(&b, "first_name,last_name,email\n");
	for (unsigned i = 0; i < n; i++) {
		buf_printf(&b, "Ann,Miller,ann%u@miller%u.com\n", i, i);
	}
	return b.data;
}

/* Every fourth lead has a bad grade; an answer takes 2 s. */
static void serve(struct rig *r, struct seen *c)
{
	(void)snprintf(c->answer, sizeof(c->answer), "{\"grade\":\"%s\"}",
	    r->n_calls % 4 == 0 ? "poor" : "good");
	c->status = 200;
	c->due_us = r->now.boot_us + 2 * SEC;
}

static void play(struct rig *r, unsigned leads)
{
	char *csv = people(leads);

	r->serve = serve;
	assert_int_not_equal(rig_run(r, "one", csv), 0);
	rig_play(r, r->now.boot_us + 4000 * SEC);
	free(csv);
}

/* --- tallies --- */

static void tally_rows_come_back(void **state)
{
	struct tally_key k = {
	    .service = 3, .endpoint = 4, .place = 5, .step = 1, .again = true, .day = 20000};
	struct tally_row want = {.classes = {[0] = 7, [11] = 1}}, got;
	struct stat_row old = {.settled_micro = 5};
	struct rig r;
	struct txn *t;

	(void)state;
	open_rig(&r);
	want.ends[1][END_OWN_HOLD] = 2;
	want.latency[0][79] = 3;
	tally_count_price(&want.prices[0], 8000);
	tally_count_price(&want.prices[0], 9000);
	assert_int_equal(txn_begin(r.store, true, &t, NULL), 0);
	assert_false(tally_read(t, &k, &got));
	tally_write(t, &k, &want);
	stat_write(t, 3, &old);
	assert_true(tally_read(t, &k, &got));
	assert_memory_equal(&got, &want, sizeof(got));
	k.again = false;
	assert_false(tally_read(t, &k, &got));
	assert_true(stat_read(t, 3, &old));
	assert_int_equal(old.settled_micro, 5);
	assert_int_equal(txn_commit(t, NULL), 0);
	assert_int_equal(want.prices[0].sum_squares, 8000 * 8000 + 9000 * 9000);
	rig_end(&r);
}

static void buckets_hold_what_they_say(void **state)
{
	(void)state;
	for (int64_t us = 1; us < INT64_C(1) << 33; us += us / 7 + 1) {
		size_t b = tally_bucket(us);

		assert_true(tally_bucket_us(b) <= us);
		assert_true(us < tally_bucket_us(b + 1) || b == TALLY_BUCKETS - 1);
	}
	assert_int_equal(tally_bucket(-5), 0);
}

struct found {
	struct tally_row all;
	unsigned rows;
};

static bool on_tally(void *arg, const struct tally_key *k, const struct tally_row *row)
{
	struct found *f = arg;

	(void)k;
	tally_add(&f->all, row);
	f->rows++;
	return true;
}

static struct found tallies(struct store *s)
{
	struct found f = {.rows = 0};
	struct txn *t;

	assert_int_equal(txn_begin(s, false, &t, NULL), 0);
	tally_walk(t, on_tally, &f);
	txn_abort(t);
	return f;
}

static void calls_are_counted(void **state)
{
	struct found f;
	struct rig r;

	(void)state;
	open_rig(&r);
	play(&r, 40);
	f = tallies(r.store);
	assert_int_equal(f.rows, 1);
	assert_int_equal(f.all.classes[OUTCOME_OK], 40);
	assert_int_equal(f.all.ends[0][END_OWN_REJECT], 10);
	assert_int_equal(f.all.ends[0][END_PASSED], 30);
	assert_int_equal(f.all.latency[0][tally_bucket(2 * SEC)], 40);
	assert_int_equal(f.all.prices[OUTCOME_OK].sum_micro, 400000);
	r.now.wall_us += US_PER_DAY;
	play(&r, 5);
	rig_restart(&r);
	play(&r, 5);
	f = tallies(r.store);
	assert_int_equal(f.rows, 2);
	assert_int_equal(f.all.classes[OUTCOME_OK], 50);
	rig_end(&r);
}

/* --- snapshots --- */

static struct store *scratch(struct rig *r, const char *name)
{
	char dir[96];
	struct store_options o = {
	    .dir = dir, .map_bytes = (size_t)64 << 20, .no_sync = true, .lazy = true};
	struct store *s = NULL;
	struct lead_error err;

	(void)snprintf(dir, sizeof(dir), "%s/%s", r->dir, name);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(store_open(&o, &s, &err), 0);
	return s;
}

static uint64_t rows_of(struct store *s, enum store_table table)
{
	struct txn *t;
	uint64_t n;

	assert_int_equal(txn_begin(s, false, &t, NULL), 0);
	n = txn_count(t, table);
	txn_abort(t);
	return n;
}

/* A run that has ended is left out, one at work comes with its queue; its open calls wait again. */
static void a_snapshot_is_what_matters(void **state)
{
	struct snapshot_options o = {.calls_from_wall_us = 0, .margin_us = SEC};
	char *csv = people(20);
	struct store *s, *clone;
	struct lead_error err;
	struct rig r;

	(void)state;
	open_rig(&r);
	play(&r, 8);
	rig_pass(&r, 100 * SEC);
	r.serve = NULL;
	assert_int_equal(rig_run(&r, "one", csv), 2);
	rig_settle(&r);
	assert_int_equal(rows_of(r.store, TABLE_OPEN), 5);
	s = scratch(&r, "snapshot");
	assert_int_equal(snapshot_take(r.store, s, &o, &err), 0);
	assert_int_equal(rows_of(s, TABLE_RUN), 1);
	assert_int_equal(rows_of(s, TABLE_LEAD), 20);
	assert_int_equal(rows_of(s, TABLE_READY), 20);
	assert_int_equal(rows_of(s, TABLE_OPEN), 0);
	assert_int_equal(rows_of(s, TABLE_CALL), 13);
	assert_int_equal(rows_of(s, TABLE_FACT), 0);
	assert_int_equal(rows_of(s, TABLE_STAT), rows_of(r.store, TABLE_STAT));
	clone = scratch(&r, "clone");
	assert_int_equal(snapshot_clone(s, clone, &err), 0);
	for (int table = 0; table < TABLE_N; table++) {
		assert_int_equal(
		    rows_of(clone, (enum store_table)table), rows_of(s, (enum store_table)table));
	}
	store_close(clone);
	store_close(s);
	s = scratch(&r, "late");
	o.calls_from_wall_us = r.now.wall_us + SEC;
	assert_int_equal(snapshot_take(r.store, s, &o, &err), 0);
	assert_int_equal(rows_of(s, TABLE_CALL), 5); /* the open ones all the same */
	store_close(s);
	free(csv);
	rig_end(&r);
}

/* --- odds --- */

static struct odds_place *place_of(struct rig *r, struct odds *o, bool again)
{
	struct run *run = run_get(r->engine, 1);

	return odds_place(o, &run->slots[0].tally[again]->place, run->slots[0].call,
	    1u << END_PASSED | 1u << END_OWN_REJECT);
}

struct drawn {
	double ok, refused, seconds, price;
};

static struct drawn draw(struct rig *r, unsigned n)
{
	struct drawn d = {0};
	struct lead_error err;
	struct odds *o;

	assert_int_equal(odds_new(r->store, r->now.wall_us, &o, &err), 0);
	for (unsigned i = 0; i < n; i++) {
		struct foretold said;
		int64_t us;

		odds_shuffle(o, i);
		odds_draw(o, place_of(r, o, false), &said, &us);
		assert_true(said.price_micro >= 0 && said.price_micro <= 20000);
		d.ok += said.outcome == OUTCOME_OK ? 1.0 / n : 0;
		d.refused += said.outcome == OUTCOME_OK && said.end == END_OWN_REJECT ? 1.0 / n : 0;
		d.seconds += (double)us / 1e6 / n;
		d.price += said.outcome == OUTCOME_OK ? (double)said.price_micro / n : 0;
	}
	odds_free(o);
	return d;
}

static void odds_follow_what_was_seen(void **state)
{
	char *csv = people(1);
	struct drawn d;
	struct rig r;

	(void)state;
	open_rig(&r);
	assert_int_equal(
	    rig_run(&r, "one", csv), 1); /* nothing was answered yet: what is declared */
	d = draw(&r, 4000);
	assert_true(d.ok > 0.85 && d.ok < 0.99);
	assert_true(d.refused < 0.1);
	assert_true(d.seconds > 0.8 && d.seconds < 2);
	assert_true(fabs(d.price / d.ok - 20000) < 1);
	play(&r, 400);
	d = draw(&r, 4000);
	assert_true(d.ok > 0.97);
	assert_true(fabs(d.refused - 0.25) < 0.03);
	assert_true(fabs(d.seconds - 2) < 0.2);
	assert_true(fabs(d.price / d.ok - 10000) < 100);
	r.now.wall_us += 40 * US_PER_DAY; /* long ago is not known any more */
	d = draw(&r, 1000);
	assert_true(d.seconds < 1.8);
	free(csv);
	rig_end(&r);
}

/* --- the whole --- */

static long read_text(void *ctx, const char *upload, uint64_t offset, void *out, size_t max)
{
	const char *text = ctx;
	size_t left = offset < strlen(text) ? strlen(text) - (size_t)offset : 0,
	       n = left < max ? left : max;

	(void)upload;
	memcpy(out, text + offset, n);
	return (long)n;
}

/* Nothing is taken over from the engine's: a plan changes it. */
static struct config *own_config(struct rig *r)
{
	struct engine *kept = r->engine;
	struct config *c;

	r->engine = NULL;
	c = rig_config(r);
	r->engine = kept;
	return c;
}

static int plan(
    struct rig *r, char *csv, const char *what_if, struct json_object **ret, struct lead_error *err)
{
	char dir[96];
	struct plan_request q = {.store = r->store,
	    .config = own_config(r),
	    .scratch = dir,
	    .start = {.campaign = "one",
		.upload = "upload",
		.budget_micro = -1,
		.share = 1,
		.encoding = 255},
	    .now = r->now,
	    .repetitions = 25,
	    .read = read_text,
	    .ctx = csv};
	int rc;

	if (what_if != NULL) {
		q.what_if[q.n_what_if++] = what_if;
	}
	(void)snprintf(dir, sizeof(dir), "%s/scratch", r->dir);
	(void)mkdir(dir, 0700);
	rc = plan_make(&q, ret, err);
	config_unref(q.config);
	assert_int_equal(rmdir(dir), 0); /* nothing stays in it */
	return rc;
}

static double number(struct json_object *o, const char *a, const char *b)
{
	struct json_object *v = NULL;

	assert_true(json_object_object_get_ex(o, a, &v));
	assert_true(json_object_object_get_ex(v, b, &v));
	return json_object_get_double(v);
}

static void a_plan_and_what_if(void **state)
{
	struct json_object *o = NULL;
	struct lead_error err;
	char *csv = people(50);
	uint64_t before;
	struct rig r;

	(void)state;
	open_rig(&r);
	play(&r, 100);
	rig_pass(&r, 3600 * SEC);
	before = rig_hash(&r);
	assert_int_equal(plan(&r, csv, NULL, &o, &err), 0);
	/* 5 in 10 s, and an answer of 2 s of which a window counts 1: 9 windows and the last
	 * answers */
	assert_true(fabs(number(o, "took_ms", "median") - 102000) < 5000);
	assert_true(fabs(number(o, "cost_micro", "median") - 500000) < 10000);
	assert_int_equal(rig_hash(&r), before);
	json_object_put(o);
	assert_int_equal(plan(&r, csv, "find.limit=10/10s", &o, &err), 0);
	assert_true(number(o, "took_ms", "median") < 60000);
	json_object_put(o);
	assert_int_equal(plan(&r, csv, "grade.price=0.2", &o, &err), 0);
	assert_true(fabs(number(o, "cost_micro", "median") - 5000000) < 200000);
	json_object_put(o);
	assert_int_equal(plan(&r, csv, "find.concurrency=1", &o, &err), 0);
	json_object_put(o);
	assert_int_equal(plan(&r, csv, "fnd.limit=1/s", &o, &err), LEAD_EINPUT);
	assert_non_null(strstr(err.text, "is 'find' meant?"));
	assert_int_equal(plan(&r, csv, "find.limits=1/s", &o, &err), LEAD_EINPUT);
	assert_non_null(strstr(err.text, "is 'limit' meant?"));
	assert_int_equal(plan(&r, csv, "find.limit=1/7s", &o, &err), LEAD_EINPUT);
	assert_non_null(strstr(err.text, "5/10s"));
	free(csv);
	rig_end(&r);
}

static struct json_object *first_service(struct json_object *o)
{
	struct json_object *list = NULL;

	assert_true(json_object_object_get_ex(o, "services", &list));
	return json_object_array_get_idx(list, 0);
}

/* Calls made before count in the plan's windows: of 120 a day 100 are gone. */
static void what_was_used_today_is_gone(void **state)
{
	struct json_object *o = NULL, *dry = NULL;
	char *csv = people(50);
	struct lead_error err;
	struct rig r;

	(void)state;
	open_rig(&r);
	play(&r, 100);
	assert_int_equal(plan(&r, csv, NULL, &o, &err), 0);
	assert_true(json_object_object_get_ex(first_service(o), "dry", &dry) && dry == NULL);
	json_object_put(o);
	assert_int_equal(plan(&r, csv, "find.limit=120/day", &o, &err), 0);
	assert_true(json_object_object_get_ex(first_service(o), "dry", &dry) && dry != NULL);
	assert_true(json_object_object_get_ex(first_service(o), "dry_limit", &dry));
	assert_string_equal(json_object_get_string(dry), "120/day");
	assert_true(number(o, "took_ms", "median") > 3600000); /* until midnight */
	json_object_put(o);
	free(csv);
	rig_end(&r);
}

/* A run at work takes its turns; the same question gives the same answer. */
static void other_runs_take_their_share(void **state)
{
	struct json_object *alone = NULL, *again = NULL, *beside = NULL;
	char *csv = people(50), *others = people(100);
	struct lead_error err;
	struct rig r;

	(void)state;
	open_rig(&r);
	play(&r, 100);
	rig_pass(&r, 3600 * SEC);
	assert_int_equal(plan(&r, csv, NULL, &alone, &err), 0);
	assert_int_equal(plan(&r, csv, NULL, &again, &err), 0);
	assert_string_equal(json_object_to_json_string(alone), json_object_to_json_string(again));
	r.serve = NULL;
	assert_int_equal(rig_run(&r, "one", others), 2);
	rig_settle(&r);
	assert_int_equal(plan(&r, csv, NULL, &beside, &err), 0);
	assert_true(number(beside, "took_ms", "median") > 1.8 * number(alone, "took_ms", "median"));
	assert_true(number(beside, "took_ms", "median") < 2.5 * number(alone, "took_ms", "median"));
	assert_true(fabs(number(beside, "cost_micro", "median") -
			 number(alone, "cost_micro", "median")) < 20000);
	json_object_put(alone);
	json_object_put(again);
	json_object_put(beside);
	free(csv);
	free(others);
	rig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(tally_rows_come_back),
	    cmocka_unit_test(buckets_hold_what_they_say), cmocka_unit_test(calls_are_counted),
	    cmocka_unit_test(a_snapshot_is_what_matters),
	    cmocka_unit_test(odds_follow_what_was_seen), cmocka_unit_test(a_plan_and_what_if),
	    cmocka_unit_test(what_was_used_today_is_gone),
	    cmocka_unit_test(other_runs_take_their_share)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
