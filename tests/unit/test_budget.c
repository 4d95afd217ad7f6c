/*
 * P5: settled + reserved + in doubt never exceeds a budget of run, campaign, organisation or
 * service, for ever, per day or per month, whatever is reloaded or restarted meanwhile.
 */
#include "engine_rig.h"

#define SERVICE                                                                                    \
	"service: one\n"                                                                           \
	"base: https://one.example\n"                                                              \
	"breaker: off\n"                                                                           \
	"keys: [a, b]\n"                                                                           \
	"auth: bearer\n"                                                                           \
	"concurrency: 100\n"                                                                       \
	"calls:\n"                                                                                 \
	"  write:\n"                                                                               \
	"    post: /write\n"                                                                       \
	"    json: {email: '${.email}'}\n"                                                         \
	"    price: {body: .cost, ceiling: 0.01}\n"                                                \
	"    map: {text: .text}\n"                                                                 \
	"  peek:\n"                                                                                \
	"    get: /peek\n"                                                                         \
	"    query: {email: '${.email}'}\n"
#define PIPELINE(call)                                                                             \
	"pipeline: p\n"                                                                            \
	"stages: [{stage: write, call: one." call ", with: {email: '${.email}'}}]\n"
#define CAMPAIGN "{pipeline: p, organisation: acme"
#define PAID "{\"text\":\"hi\",\"cost\":0.01}"

static struct rig rig;

static void begin(const char *leadd)
{
	rig_begin(&rig);
	rig_write(&rig, "secrets/a", "key-a\n");
	rig_write(&rig, "secrets/b", "key-b\n");
	rig_write(&rig, "services/one.yaml", SERVICE);
	rig_write(&rig, "pipelines/p.yaml", PIPELINE("write"));
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

static uint32_t run(const char *campaign, const char *budget_of_run)
{
	struct run_row row = {.budget_micro = -1, .share = 1, .encoding = 255};
	struct buf csv = {0};
	uint32_t id;

	(void)snprintf(row.campaign, sizeof(row.campaign), "%s", campaign);
	if (budget_of_run != NULL) {
		row.budget_micro = (int64_t)(atof(budget_of_run) * 1e6 + 0.5);
	}
	buf_add_text(&csv, "email\n");
	for (int i = 0; i < 10; i++) {
		buf_printf(&csv, "%c@x.example\n", 'a' + i);
	}
	id = rig_run_with(&rig, &row, csv.data);
	buf_free(&csv);
	return id;
}

static void started(size_t n)
{
	assert_int_equal(rig.n_calls, n);
}

static void answer_open(const char *body)
{
	for (size_t i = 0; i < rig.n_calls; i++) {
		if (rig.calls[i].open) {
			rig_answer(&rig, i, 200, body);
		}
	}
}

static void test_exactly_at_the_limit(void **state)
{
	begin("campaigns: {c: " CAMPAIGN "}}\n");
	run("c", "0.03");
	started(3);
	answer_open(PAID);
	started(3);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).settled_micro, 30000);
	run("c", "0.029999");
	started(5);
	assert_string_equal(rig_state(&rig, 2, 3), "waiting");
	end();
}

/* What turns out cheaper or free gives its share back. */
static void test_given_back(void **state)
{
	begin("campaigns: {c: " CAMPAIGN "}}\n");
	run("c", "0.02");
	started(2);
	rig_answer(&rig, 0, 200, "{\"text\":\"hi\",\"cost\":0.004}");
	started(2);
	rig_answer(&rig, 1, 200, "{\"text\":\"hi\",\"cost\":0.006}");
	started(3);
	rig_answer_with(
	    &rig, 2, &(struct http_answer){.transport = TRANSPORT_UNSENT, .why = "dns"});
	rig_pass(&rig, 0);
	started(4);
	end();
}

/* Of a doubtful call counts all that it could cost. */
static void test_in_doubt_counts(void **state)
{
	begin("campaigns: {c: " CAMPAIGN "}}\n");
	run("c", "0.02");
	rig_broken(&rig, 0);
	rig_answer(&rig, 1, 200, "{\"cost\":0}");
	started(3);
	rig_answer(&rig, 2, 200, PAID);
	started(3);
	end();
}

static void test_shared(void **state)
{
	begin("organisations: {acme: {budget: 0.05}}\n"
	      "campaigns: {c: " CAMPAIGN ", budget: 0.03}, d: " CAMPAIGN "}, e: {pipeline: p}}\n");
	run("c", NULL);
	started(3); /* the campaign's */
	run("d", NULL);
	started(5); /* the organisation's */
	run("e", NULL);
	started(15); /* another one's */
	end();
}

static void test_of_service(void **state)
{
	begin("services: {one: {budget: {total: 0.04}}}\ncampaigns: {c: " CAMPAIGN
	      "}, d: {pipeline: p}}\n");
	run("c", NULL);
	run("d", NULL);
	started(4);
	end();
}

static void test_free_calls_go_on(void **state)
{
	rig_begin(&rig);
	rig_write(&rig, "secrets/a", "key-a\n");
	rig_write(&rig, "secrets/b", "key-b\n");
	rig_write(&rig, "services/one.yaml", SERVICE);
	rig_write(&rig, "pipelines/p.yaml", PIPELINE("peek"));
	rig_write(&rig, "leadd.yaml", "campaigns: {c: " CAMPAIGN ", budget: 0}}\n");
	rig_open(&rig);
	run("c", "0");
	started(10);
	end();
}

/* 22:13 UTC of a day that ends at 23:00 UTC: a call belongs to the day of its reservation. */
static void test_day(void **state)
{
	begin("zone: Europe/Berlin\ncampaigns: {c: " CAMPAIGN ", budget: {day: 0.03}}}\n");
	run("c", NULL);
	started(3);
	rig_answer(&rig, 0, 200, PAID);
	rig_pass(&rig, 46 * 60 * SEC);
	started(3);
	rig_pass(&rig, 60 * SEC); /* midnight in Berlin */
	started(6);
	rig_answer(&rig, 1, 200, PAID); /* yesterday's */
	rig_answer(&rig, 2, 200, "{\"cost\":0}");
	started(6);
	rig_answer(&rig, 3, 200, "{\"cost\":0}");
	started(7);
	end();
}

static void test_month(void **state)
{
	begin("campaigns: {c: " CAMPAIGN ", budget: {month: 0.03}}}\n");
	run("c", NULL);
	started(3);
	rig_pass(&rig, 15 * US_PER_DAY); /* 29 November */
	started(3);
	rig_pass(&rig, 2 * US_PER_DAY);
	started(6);
	end();
}

/* Days begin for the engine by themselves: nobody has to send it anything. */
static void test_wakes_at_midnight(void **state)
{
	begin("campaigns: {c: " CAMPAIGN ", budget: {day: 0.03}}}\n");
	run("c", NULL);
	answer_open(PAID);
	started(3);
	rig_play(&rig, rig.now.boot_us + US_PER_DAY);
	assert_true(rig.n_calls >= 6);
	end();
}

static void test_lowered_and_raised(void **state)
{
	begin("campaigns: {c: " CAMPAIGN ", budget: 0.05}}\n");
	run("c", NULL);
	started(5);
	reload("campaigns: {c: " CAMPAIGN ", budget: 0.02}}\n");
	answer_open(PAID);
	started(5);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).settled_micro, 50000);
	assert_string_equal(rig_state(&rig, 1, 6), "parked not-started: budget");
	reload("campaigns: {c: " CAMPAIGN ", budget: 0.07}}\n");
	assert_int_equal(
	    rig_command(&rig, &(struct command){.kind = COMMAND_RETRY, .run = 1, .outcomes = 1u << ITEM_PARKED})
		.count,
	    5);
	started(7);
	end();
}

/* The budget of a day that is written down at noon counts the morning too. */
static void test_new_budget_counts_what_was(void **state)
{
	begin("campaigns: {c: " CAMPAIGN ", budget: 0.02}}\n");
	run("c", NULL);
	rig_answer(&rig, 0, 200, PAID);
	reload("campaigns: {c: " CAMPAIGN ", budget: {day: 0.05}}}\n");
	started(5);
	answer_open(PAID);
	started(5);
	reload("campaigns: {c: " CAMPAIGN "}}\n");
	started(10);
	reload("campaigns: {c: " CAMPAIGN ", budget: {day: 0.09}}}\n");
	answer_open(PAID);
	started(10);
	end();
}

/* What is reserved moves with the campaign to its new organisation, and back out of the old one's
 * books. */
static void test_other_organisation(void **state)
{
	static const char *const acme =
	    "organisations: {acme: {budget: 0.04}, other: {budget: 0.05}}\n"
	    "campaigns: {c: {pipeline: p, organisation: acme}, d: {pipeline: p, organisation: "
	    "acme}}\n";
	static const char *const other =
	    "organisations: {acme: {budget: 0.04}, other: {budget: 0.05}}\n"
	    "campaigns: {c: {pipeline: p, organisation: other}, d: {pipeline: p, organisation: "
	    "acme}}\n";

	for (int restarted = 0; restarted < 2; restarted++) {
		begin(acme);
		run("c", NULL);
		started(4);
		if (restarted) {
			rig_answer(&rig, 0, 200, PAID);
			rig_write(&rig, "leadd.yaml", other);
			rig_restart(
			    &rig); /* the open ones are in doubt now: five at most at the new one */
			started(6);
		} else {
			reload(other);
			started(5);
			answer_open("{\"cost\":0}");
		}
		rig_check(&rig);
		run("d", NULL);
		assert_int_equal(
		    rig_balance(&rig, ACCOUNT_RUN, 2).reserved_micro, restarted ? 30000 : 40000);
		end();
	}
}

static struct told service_command(enum command_kind kind)
{
	struct command c = {.kind = kind, .service = "one"};

	return rig_command(&rig, &c);
}

/* Settled in full, and nobody calls the service until a person looked. */
static void test_overbilled(void **state)
{
	size_t n;

	begin("campaigns: {c: " CAMPAIGN ", budget: 0.05}}\n");
	run("c", NULL);
	started(5);
	rig_answer(&rig, 0, 200, "{\"text\":\"hi\",\"cost\":0.02}");
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).settled_micro, 20000);
	answer_open("{\"cost\":0}");
	started(5);
	rig_pass(&rig, US_PER_DAY);
	started(5);
	rig_restart(&rig);
	n = rig.n_calls;
	assert_int_equal(n, 5);
	assert_int_equal(service_command(COMMAND_SERVICE_RESET).rc, 0);
	started(8);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_exactly_at_the_limit),
	    cmocka_unit_test(test_given_back),
	    cmocka_unit_test(test_in_doubt_counts),
	    cmocka_unit_test(test_shared),
	    cmocka_unit_test(test_of_service),
	    cmocka_unit_test(test_free_calls_go_on),
	    cmocka_unit_test(test_day),
	    cmocka_unit_test(test_month),
	    cmocka_unit_test(test_wakes_at_midnight),
	    cmocka_unit_test(test_lowered_and_raised),
	    cmocka_unit_test(test_new_budget_counts_what_was),
	    cmocka_unit_test(test_other_organisation),
	    cmocka_unit_test(test_overbilled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
