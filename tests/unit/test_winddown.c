/*
 * Near the end of money or time no more leads are begun than can be finished: every lead that was
 * begun reaches its end, nothing goes above the budget, and the rest is parked, not started.
 */
#include "engine_rig.h"
#include "lib/engine/plan/forecast.h"

#include <json-c/json.h>

#define ONE                                                                                        \
	"service: one\n"                                                                           \
	"base: https://one.example\n"                                                              \
	"breaker: off\n"                                                                           \
	"concurrency: 50\n"                                                                        \
	"limits: [5/1s]\n"                                                                         \
	"calls:\n"                                                                                 \
	"  verify:\n"                                                                              \
	"    get: /verify\n"                                                                       \
	"    query: {email: '${.email}'}\n"                                                        \
	"    price: {per_call: 0.01}\n"                                                            \
	"    map: {status: .status}\n"
#define TWO                                                                                        \
	"service: two\n"                                                                           \
	"base: https://two.example\n"                                                              \
	"breaker: off\n"                                                                           \
	"concurrency: 20\n"                                                                        \
	"limits: [2/1s]\n"                                                                         \
	"calls:\n"                                                                                 \
	"  write:\n"                                                                               \
	"    post: /write\n"                                                                       \
	"    json: {email: '${.email}'}\n"                                                         \
	"    price: {body: .cost, ceiling: 0.05}\n"                                                \
	"    map: {text: .text}\n"                                                                 \
	"  push:\n"                                                                                \
	"    post: /push\n"                                                                        \
	"    json: {email: '${.email}'}\n"
#define PIPELINE                                                                                   \
	"pipeline: p\n"                                                                            \
	"stages:\n"                                                                                \
	"  - {stage: verify, call: one.verify, with: {email: '${.email}'}}\n"                      \
	"  - {stage: write, call: two.write, needs: [status], with: {email: '${.email}'}}\n"       \
	"  - {stage: push, push: two.push, needs: [text], with: {email: '${.email}'}}\n"

static struct rig rig;

static void begin(const char *leadd)
{
	rig_begin(&rig);
	rig_write(&rig, "services/one.yaml", ONE);
	rig_write(&rig, "services/two.yaml", TWO);
	rig_write(&rig, "pipelines/p.yaml", PIPELINE);
	rig_write(&rig, "leadd.yaml", leadd);
	rig_open(&rig);
}

static void reload(const char *leadd)
{
	rig_write(&rig, "leadd.yaml", leadd);
	assert_int_equal(rig_reload(&rig).rc, 0);
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

/* One in six has no mailbox, as the first service says only when it was asked; a text costs from 1 to 5 cents. */
static void serve(struct rig *r, struct seen *c)
{
	uint64_t dice = hash_plain(&c->id, sizeof(c->id));

	c->due_us = c->start_us + (int64_t)(100 + dice % 400) * US_PER_MS;
	if (strstr(c->url, "/verify") != NULL) {
		if (dice / 7 % 6 == 0) {
			c->status = 404;
		}
		(void)snprintf(c->answer, sizeof(c->answer), "{\"status\":\"valid\"}");
	} else {
		(void)snprintf(c->answer, sizeof(c->answer), "{\"text\":\"hi\",\"cost\":0.0%u}",
		    (unsigned)(1 + dice / 11 % 5));
	}
	(void)r;
}

static uint32_t run(unsigned n, int64_t budget_micro, int64_t by_us)
{
	struct run_row row = {
	    .budget_micro = budget_micro, .share = 1, .encoding = 255, .campaign = "c", .by_us = by_us};

	return rig_run_leads(&rig, &row, n);
}

/* How many items of the run are in that state. */
static size_t count(uint32_t run, unsigned n, const char *state)
{
	size_t found = 0;

	for (uint32_t i = 1; i <= n; i++) {
		found += strcmp(rig_state(&rig, run, i), state) == 0;
	}
	return found;
}

static int64_t spent(uint32_t run)
{
	struct balance b = rig_balance(&rig, ACCOUNT_RUN, run);

	assert_int_equal(b.reserved_micro, 0);
	return b.settled_micro + b.in_doubt_micro;
}

/* Nobody was left half-way. */
static void ended(uint32_t run, unsigned n, size_t not_started, const char *why)
{
	const struct run_row *row = rig_run_row(&rig, run);
	char text[64];

	(void)snprintf(text, sizeof(text), "parked not-started: %s", why);
	assert_int_equal(row->state, RUN_DONE);
	assert_int_equal(count(run, n, text), not_started);
	assert_int_equal(row->outcomes[ITEM_PARKED], not_started);
	assert_int_equal(row->outcomes[ITEM_DELIVERED] + row->outcomes[ITEM_FAILED] + not_started, n);
	for (uint32_t i = 1; i <= n; i++) {
		struct item item = rig_item(&rig, run, i);

		assert_int_equal(item.spent_micro == 0,
		    item.outcome == ITEM_PARKED || item.outcome == ITEM_FAILED);
	}
}

static void test_money(void **state)
{
	static const int64_t budgets[] = {60000, 61000, 119999, 300000, 1000000, 2345678};

	for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
		uint32_t id;

		begin("campaigns: {c: {pipeline: p}}\n");
		rig.seed = i;
		rig.serve = serve;
		id = run(100, budgets[i], 0);
		rig_play(&rig, rig.now.boot_us + 600 * SEC);
		assert_true(spent(id) <= budgets[i]);
		assert_true(spent(id) > budgets[i] - 60000 - 10000);
		ended(id, 100, (size_t)rig_run_row(&rig, id)->outcomes[ITEM_PARKED], "budget");
		assert_true(rig_run_row(&rig, id)->outcomes[ITEM_PARKED] > 0);
		end();
	}
}

/* Whatever holds the least: campaign, organisation, or one service alone. */
static void test_all_budgets(void **state)
{
	static const char *const files[] = {"campaigns: {c: {pipeline: p, budget: 0.5}}\n",
	    "organisations: {o: {budget: 0.5}}\ncampaigns: {c: {pipeline: p, organisation: o}}\n",
	    "services: {two: {budget: {total: 0.5}}}\ncampaigns: {c: {pipeline: p}}\n"};

	for (size_t i = 0; i < 3; i++) {
		uint32_t a, b;

		begin(files[i]);
		rig.serve = serve;
		a = run(40, -1, 0);
		b = run(40, -1, 0);
		rig_play(&rig, rig.now.boot_us + 600 * SEC);
		assert_true(i == 2 || spent(a) + spent(b) <= 500000);
		ended(a, 40, (size_t)rig_run_row(&rig, a)->outcomes[ITEM_PARKED], "budget");
		ended(b, 40, (size_t)rig_run_row(&rig, b)->outcomes[ITEM_PARKED], "budget");
		assert_true(
		    rig_run_row(&rig, a)->outcomes[ITEM_PARKED] > 0 && rig_run_row(&rig, b)->outcomes[ITEM_PARKED] > 0);
		end();
	}
}

/* The budget of a day: starting goes on at midnight, and nobody is parked before. */
static void test_new_day(void **state)
{
	uint32_t id;
	size_t n;

	begin("zone: Europe/Berlin\ncampaigns: {c: {pipeline: p, budget: {day: 0.5}}}\n");
	rig.serve = serve;
	id = run(60, -1, 0);
	rig_play(&rig, rig.now.boot_us + 40 * 60 * SEC);
	n = (size_t)rig_run_row(&rig, id)->outcomes[ITEM_DELIVERED];
	assert_true(n > 5);
	assert_int_equal(rig_run_row(&rig, id)->state, RUN_RUNNING);
	assert_int_equal(rig_run_row(&rig, id)->outcomes[ITEM_PARKED], 0);
	assert_int_equal(rig_run_row(&rig, id)->stages[1].count.waiting, 0);
	rig_play(&rig, rig.now.boot_us + 10 * US_PER_DAY);
	ended(id, 60, 0, "budget");
	end();
}

static void test_raised(void **state)
{
	uint32_t id;
	size_t parked;
	struct command retry = {.kind = COMMAND_RETRY, .outcomes = 1u << ITEM_PARKED};

	begin("campaigns: {c: {pipeline: p, budget: 0.3}}\n");
	rig.serve = serve;
	retry.run = id = run(30, -1, 0);
	rig_play(&rig, rig.now.boot_us + 100 * SEC);
	parked = (size_t)rig_run_row(&rig, id)->outcomes[ITEM_PARKED];
	ended(id, 30, parked, "budget");
	assert_int_equal(rig_command(&rig, &retry).count, parked); /* in vain */
	rig_play(&rig, rig.now.boot_us + 100 * SEC);
	ended(id, 30, parked, "budget");
	reload("campaigns: {c: {pipeline: p, budget: 3}}\n");
	assert_int_equal(rig_command(&rig, &retry).count, parked);
	rig_play(&rig, rig.now.boot_us + 100 * SEC);
	ended(id, 30, 0, "budget");
	end();
}

static void test_own_budget_raised(void **state)
{
	struct command retry = {.kind = COMMAND_RETRY, .outcomes = 1u << ITEM_PARKED, .run = 1};

	begin("campaigns: {c: {pipeline: p}}\n");
	rig.serve = serve;
	assert_int_equal(run(30, 300000, 0), 1);
	rig_play(&rig, rig.now.boot_us + 100 * SEC);
	assert_true(rig_run_row(&rig, 1)->outcomes[ITEM_PARKED] > 10);
	retry.budget_micro = 3000000;
	(void)rig_command(&rig, &retry);
	rig_play(&rig, rig.now.boot_us + 100 * SEC);
	ended(1, 30, 0, "budget");
	assert_int_equal(rig_run_row(&rig, 1)->budget_micro, 3000000);
	end();
}

/* Half-way when the budget is cut below what they need: they are finished later, not begun anew. */
static void test_cut(void **state)
{
	struct command retry = {.kind = COMMAND_RETRY, .outcomes = 1u << ITEM_PARKED, .run = 1};
	size_t calls;

	begin("campaigns: {c: {pipeline: p, budget: 5}}\n");
	rig.serve = serve;
	(void)run(30, -1, 0);
	rig_play(&rig, rig.now.boot_us + 3 * SEC);
	reload("campaigns: {c: {pipeline: p, budget: 0.1}}\n");
	rig_play(&rig, rig.now.boot_us + 100 * SEC);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_true(count(1, 30, "parked unfinished: budget") > 3);
	assert_true(count(1, 30, "parked not-started: budget") > 3);
	reload("campaigns: {c: {pipeline: p, budget: 5}}\n");
	(void)rig_command(&rig, &retry);
	rig_play(&rig, rig.now.boot_us + 100 * SEC);
	assert_int_equal(rig_run_row(&rig, 1)->outcomes[ITEM_PARKED], 0);
	calls = 0;
	for (size_t i = 0; i < rig.n_calls; i++) {
		calls += strstr(rig.calls[i].url, "/verify") != NULL;
	}
	assert_int_equal(calls, 30);
	end();
}

/* Retries, restarts and a pause on the way change nothing in it. */
static void serve_badly(struct rig *r, struct seen *c)
{
	uint64_t dice = hash_plain(&c->id, sizeof(c->id)) / 1001;

	serve(r, c);
	if (dice % 4 == 0) {
		c->status = 500;
	}
}

static void test_money_in_bad_times(void **state)
{
	begin("campaigns: {c: {pipeline: p}}\n");
	rig.serve = serve_badly;
	(void)run(60, 800000, 0);
	for (int i = 0; i < 20; i++) {
		rig_play(&rig, rig.now.boot_us + 2 * SEC);
		if (i % 7 == 3) {
			rig_restart(&rig);
		}
	}
	rig_play(&rig, rig.now.boot_us + 600 * SEC);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_true(spent(1) <= 800000);
	assert_true(count(1, 60, "parked not-started: budget") > 0);
	/* calls in doubt at a restart count as paid and are made again: that was not foreseen */
	assert_true(count(1, 60, "parked unfinished: budget") <= 5);
	end();
}

/* --- time --- */

static void test_time(void **state)
{
	static const int after_s[] = {3, 10, 25, 60};

	for (size_t i = 0; i < 4; i++) {
		int64_t by_us = RIG_WALL + after_s[i] * SEC;
		size_t done;

		begin("campaigns: {c: {pipeline: p}}\n");
		rig.serve = serve;
		(void)run(300, -1, by_us);
		rig_play(&rig, rig.now.boot_us + 600 * SEC);
		done = (size_t)rig_run_row(&rig, 1)->outcomes[ITEM_DELIVERED];
		ended(1, 300, (size_t)rig_run_row(&rig, 1)->outcomes[ITEM_PARKED], "time");
		assert_true(rig_run_row(&rig, 1)->ended_us <= by_us);
		/* two calls a second at most, of which each lead takes two; the last seconds are kept for the way */
		assert_true(after_s[i] < 10 || done * 10 >= (size_t)(after_s[i] - 6) * 8);
		end();
	}
}

static void test_time_and_retry(void **state)
{
	struct command retry = {.kind = COMMAND_RETRY, .outcomes = 1u << ITEM_PARKED, .run = 1};

	begin("campaigns: {c: {pipeline: p}}\n");
	rig.serve = serve;
	(void)run(100, -1, RIG_WALL + 20 * SEC);
	rig_play(&rig, rig.now.boot_us + 60 * SEC);
	retry.by_us = rig.now.wall_us + 20 * SEC;
	(void)rig_command(&rig, &retry);
	rig_play(&rig, rig.now.boot_us + 60 * SEC);
	assert_true(rig_run_row(&rig, 1)->outcomes[ITEM_PARKED] > 10);
	rig_pass(&rig, 60 * SEC);
	retry.by_us = 0;
	(void)rig_command(&rig, &retry);
	assert_int_equal(rig_run_row(&rig, 1)->by_us, 0);
	rig_play(&rig, rig.now.boot_us + 600 * SEC);
	ended(1, 100, 0, "time");
	end();
}

/* Begun before the time was over, they are finished after it; why says that they are late. */
static void test_late(void **state)
{
	struct json_object *o;
	struct txn *t = NULL;
	const char *text;

	begin("campaigns: {c: {pipeline: p}}\n");
	rig.serve = serve;
	(void)run(50, -1, RIG_WALL + 15 * SEC);
	rig_play(&rig, rig.now.boot_us + 5 * SEC);
	(void)rig_command(&rig, &(struct command){.kind = COMMAND_SERVICE_PAUSE, .service = "two"});
	rig_play(&rig, rig.now.boot_us + 60 * SEC);
	rig_pass(&rig, 60 * SEC);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_RUNNING);
	assert_int_equal(txn_begin(rig.store, false, &t, NULL), 0);
	o = why_lead(rig.engine, t, 1, 1, rig.now);
	for (uint32_t i = 2; strstr(json_object_to_json_string(o), "late: ") == NULL; i++) {
		json_object_put(o);
		assert_true(i < 50);
		o = why_lead(rig.engine, t, 1, i, rig.now);
	}
	text = json_object_to_json_string(o);
	assert_non_null(strstr(text, "are being finished"));
	txn_abort(t);
	json_object_put(o);
	(void)rig_command(&rig, &(struct command){.kind = COMMAND_SERVICE_RESUME, .service = "two"});
	rig_play(&rig, rig.now.boot_us + 60 * SEC);
	ended(1, 50, (size_t)rig_run_row(&rig, 1)->outcomes[ITEM_PARKED], "time");
	end();
}

/* --- forecast --- */

static struct forecast forecast(void)
{
	struct forecast f = {0};

	rig.engine->now = rig.now;
	assert_true(forecast_run(rig.engine, run_get(rig.engine, 1), &f));
	return f;
}

static void near(double got, double want, double percent)
{
	if (got < want * (1 - percent / 100) || got > want * (1 + percent / 100)) {
		fail_msg("%g is not within %g %% of %g", got, percent, want);
	}
}

static void test_forecast(void **state)
{
	struct forecast first, half;
	int64_t half_us;

	begin("campaigns: {c: {pipeline: p}}\n");
	rig.serve = serve;
	(void)run(300, -1, 0);
	first = forecast();
	/* nothing is known yet: every lead needs each call once, at its ceiling; two calls a second, u of 1 s */
	assert_int_equal(first.cost_micro, 300 * 60000);
	assert_int_equal(first.calls, 900);
	assert_int_equal(first.through, 300);
	near((double)(first.finish_us - RIG_WALL), 600 * 2 / 2 * (double)SEC, 5);
	rig_play(&rig, rig.now.boot_us + 120 * SEC);
	half = forecast();
	half_us = rig.now.wall_us;
	rig_play(&rig, rig.now.boot_us + 2000 * SEC);
	ended(1, 300, 0, "");
	near((double)half.cost_micro, (double)spent(1), 10); /* a hundred texts of 1 to 5 cents are known */
	near((double)half.through, (double)rig_run_row(&rig, 1)->outcomes[ITEM_DELIVERED], 5);
	near((double)(half.finish_us - half_us), (double)(rig_run_row(&rig, 1)->ended_us - half_us), 10);
	end();
}

static void test_forecast_of_what_lasts(void **state)
{
	struct forecast money, time;

	begin("campaigns: {c: {pipeline: p}}\n");
	rig.serve = serve;
	(void)run(300, 3000000, 0);
	rig_play(&rig, rig.now.boot_us + 40 * SEC);
	money = forecast();
	assert_true(money.cost_micro <= 3000000);
	rig_play(&rig, rig.now.boot_us + 2000 * SEC);
	near((double)money.not_started, (double)rig_run_row(&rig, 1)->outcomes[ITEM_PARKED], 10);
	end();
	begin("campaigns: {c: {pipeline: p}}\n");
	rig.serve = serve;
	(void)run(300, -1, RIG_WALL + 150 * SEC);
	rig_play(&rig, rig.now.boot_us + 40 * SEC);
	time = forecast();
	assert_true(time.finish_us <= RIG_WALL + 150 * SEC);
	rig_play(&rig, rig.now.boot_us + 2000 * SEC);
	near((double)time.not_started, (double)rig_run_row(&rig, 1)->outcomes[ITEM_PARKED], 10);
	assert_false(forecast_run(rig.engine, run_get(rig.engine, 1), &time));
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_money),
	    cmocka_unit_test(test_all_budgets),
	    cmocka_unit_test(test_new_day),
	    cmocka_unit_test(test_raised),
	    cmocka_unit_test(test_own_budget_raised),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_money_in_bad_times),
	    cmocka_unit_test(test_time),
	    cmocka_unit_test(test_time_and_retry),
	    cmocka_unit_test(test_late),
	    cmocka_unit_test(test_forecast),
	    cmocka_unit_test(test_forecast_of_what_lasts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
