/*
 * A payment that was made releases its run: what its webhook says is read by the rules of the configuration, none counts twice,
 * and what is wrong with it is a note of the run and releases nothing.
 */
#include "engine_rig.h"

#include "lib/engine/run/payment.h"
#include "lib/store/notes.h"

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
	"    map: {phone: .phone}\n"
#define PIPELINE                                                                                   \
	"pipeline: p\n"                                                                            \
	"stages:\n"                                                                                \
	"  - {stage: find, call: one.find, with: {email: '${.email}'}}\n"                          \
	"  - {stage: look, approval: {}}\n"                                                        \
	"  - {stage: buy, call: one.buy, with: {email: '${.email}'}}\n"
#define VERIFY "verify: {scheme: stripe, secret: hook}"
#define CAMPAIGN "campaigns: {c: {pipeline: p, organisation: o}}\n"

static struct rig rig;

static void begin(const char *leadd)
{
	rig_begin(&rig);
	rig_write(&rig, "services/one.yaml", ONE);
	rig_write(&rig, "pipelines/p.yaml", PIPELINE);
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
	(void)snprintf(c->answer, sizeof(c->answer), "{\"title\":\"Director\",\"phone\":\"1\"}");
}

static void play(void)
{
	rig.serve = serve;
	rig_play(&rig, rig.now.boot_us + 60 * SEC);
}

static const struct payment *configured(void)
{
	return &engine_config(rig.engine)->payments[0];
}

static void on_done(void *ctx, struct command *c)
{
	assert_int_equal(c->rc, 0);
	*(struct payment_event *)ctx = *c->payment;
}

/* What came of a body that was signed right. */
static enum payment_result pay(const char *body, char why[160])
{
	struct payment_event p, *taken = malloc(sizeof(*taken));
	struct command *c = calloc(1, sizeof(*c));
	struct lead_error err;

	assert_int_equal(payment_parse(configured(), body, strlen(body), taken, &err), 0);
	p = *taken;
	if (p.result == PAYMENT_IGNORED) {
		free(taken);
		free(c);
	} else {
		*c = (struct command){.kind = COMMAND_PAYMENT, .payment = taken, .done = on_done, .ctx = &p};
		engine_command(rig.engine, c);
		rig_settle(&rig);
	}
	(void)snprintf(why, 160, "%s", p.why);
	return p.result;
}

static char body_text[600];

static const char *body(const char *event, const char *session, uint32_t run, const char *amount, const char *currency, const char *status)
{
	(void)snprintf(body_text, sizeof(body_text),
	    "{\"id\":\"%s\",\"type\":\"checkout.session.completed\",\"data\":{\"object\":{\"id\":\"%s\",\"amount_total\":%s,\"currency\":\"%s\","
	    "\"payment_status\":\"%s\",\"metadata\":{\"run\":\"%u\"}}}}",
	    event, session, amount, currency, status, run);
	return body_text;
}

static unsigned calls(const char *path)
{
	unsigned n = 0;

	for (size_t i = 0; i < rig.n_calls; i++) {
		n += strstr(rig.calls[i].url, path) != NULL;
	}
	return n;
}

static bool on_note(void *arg, const struct note *n)
{
	buf_printf(arg, "%s by %s: %s %lld\n", note_word(n->kind), n->who, n->what, (long long)n->amount_micro);
	return true;
}

static const char *notes(uint32_t run)
{
	static char text[2000];
	struct buf b = {0};
	struct lead_error err;
	struct txn *t;

	assert_int_equal(txn_begin(rig.store, false, &t, &err), 0);
	note_walk(t, run, on_note, &b);
	txn_abort(t);
	(void)snprintf(text, sizeof(text), "%s", b.data != NULL ? b.data : "");
	buf_free(&b);
	return text;
}

static void test_released(void **state)
{
	char why[160];
	uint32_t id;

	(void)state;
	begin("payments: {stripe: {" VERIFY "}}\n" CAMPAIGN);
	id = rig_run(&rig, "c", "email\na@firm.com\nb@firm.com\nc@firm.com\n");
	assert_int_equal(pay(body("evt_0", "cs_0", id, "30", "usd", "paid"), why), PAYMENT_EARLY);
	assert_int_equal(pay(body("evt_0", "cs_0", id, "30", "usd", "paid"), why), PAYMENT_EARLY);
	play();
	assert_int_equal(pay(body("evt_1", "cs_1", id, "29", "usd", "paid"), why), PAYMENT_REFUSED);
	assert_string_equal(why, "0.29 are too little for 3 leads at 0.30");
	assert_int_equal(pay(body("evt_1", "cs_1", id, "30", "usd", "paid"), why), PAYMENT_REPEATED);
	assert_int_equal(pay(body("evt_2", "cs_2", id, "3000", "eur", "paid"), why), PAYMENT_REFUSED);
	assert_int_equal(pay(body("evt_3", "cs_3", 77, "30", "usd", "paid"), why), PAYMENT_NO_RUN);
	assert_int_equal(pay(body("evt_4", "cs_4", id, "30", "usd", "unpaid"), why), PAYMENT_UNPAID);
	play();
	assert_int_equal(calls("/buy"), 0);
	/* the same session, paid later: another event */
	assert_int_equal(pay(body("evt_5", "cs_4", id, "30", "usd", "paid"), why), PAYMENT_RELEASED);
	assert_int_equal(pay(body("evt_5", "cs_4", id, "30", "usd", "paid"), why), PAYMENT_REPEATED);
	assert_int_equal(pay(body("evt_6", "cs_4", id, "30", "usd", "paid"), why), PAYMENT_REPEATED);
	play();
	assert_int_equal(calls("/buy"), 3);
	assert_int_equal(rig_count(&rig, id, ITEM_READY), 3);
	rig_restart(&rig);
	assert_int_equal(pay(body("evt_5", "cs_4", id, "30", "usd", "paid"), why), PAYMENT_REPEATED);
	assert_int_equal(pay(body("evt_7", "cs_7", id, "30", "usd", "paid"), why), PAYMENT_REFUSED);
	assert_string_equal(notes(id),
	    "payment-refused by payment stripe: the run does not wait for a payment yet (cs_0) 300000\n"
	    "payment-refused by payment stripe: 0.29 are too little for 3 leads at 0.30 (cs_1) 290000\n"
	    "payment-refused by payment stripe: it is in EUR, not in USD (cs_2) 30000000\n"
	    "paid by payment stripe: look 300000\n"
	    "payment-refused by payment stripe: the run has ended (cs_7) 300000\n");
	end();
}

/* An early one is sent again by whoever took the money, and counts then. */
static void test_early(void **state)
{
	char why[160];
	uint32_t id;

	(void)state;
	begin("payments: {stripe: {" VERIFY ", price: 0.5}}\n" CAMPAIGN);
	id = rig_run(&rig, "c", "email\na@firm.com\nb@firm.com\n");
	assert_int_equal(pay(body("evt_0", "cs_0", id, "100", "usd", "paid"), why), PAYMENT_EARLY);
	play();
	assert_int_equal(pay(body("evt_1", "cs_1", id, "99", "usd", "paid"), why), PAYMENT_REFUSED);
	assert_int_equal(pay(body("evt_0", "cs_0", id, "100", "usd", "paid"), why), PAYMENT_RELEASED);
	play();
	assert_int_equal(rig_count(&rig, id, ITEM_READY), 2);
	end();
}

/* Neither another organisation's run, nor what the operator keeps for himself. */
static void test_bounds(void **state)
{
	struct run_row row = {.budget_micro = -1, .share = 1, .encoding = 255, .sample = 1, .campaign = "c"};
	char why[160];
	uint32_t id;

	(void)state;
	begin("payments: {stripe: {" VERIFY ", organisation: other}}\n" CAMPAIGN);
	id = rig_run(&rig, "c", "email\na@firm.com\n");
	play();
	assert_int_equal(pay(body("evt_0", "cs_0", id, "100", "usd", "paid"), why), PAYMENT_NO_RUN);
	assert_string_equal(notes(id), "");
	end();
	begin("payments: {stripe: {" VERIFY "}}\ncampaigns: {c: {pipeline: p, approve_above: 0.05}}\n");
	id = rig_run_with(&rig, &row, "email\na@firm.com\nb@firm.com\n");
	play();
	assert_int_equal(pay(body("evt_0", "cs_0", id, "100", "usd", "paid"), why), PAYMENT_RELEASED);
	play();
	assert_int_equal(calls("/buy"), 0);
	assert_int_equal(calls("/find"), 1);
	end();
}

/* Another source of money, with other words for everything. */
static void test_words(void **state)
{
	static const char odd[] = "{\"event\":\"order.paid\",\"n\":\"a\\nb\",\"total\":-1}";
	struct payment_event p;
	struct lead_error err;
	char why[160];
	uint32_t id;

	(void)state;
	begin("payments:\n"
	      "  shop:\n"
	      "    verify: {scheme: hmac, secret: hook}\n"
	      "    events: [order.paid]\n"
	      "    type: .event\n"
	      "    id: .n\n"
	      "    session: .order\n"
	      "    run: .note.run\n"
	      "    amount: '.total | tonumber'\n"
	      "    digits: 0\n"
	      "    currency: '\"USD\"'\n"
	      "    paid: 'true'\n" CAMPAIGN);
	id = rig_run(&rig, "c", "email\na@firm.com\n");
	play();
	assert_int_equal(pay("{\"event\":\"order.made\"}", why), PAYMENT_IGNORED);
	/* money for something else that the same account sells: sent again for days if it were an error */
	assert_int_equal(pay("{\"event\":\"order.paid\",\"n\":15,\"total\":\"0.05\"}", why), PAYMENT_IGNORED);
	assert_string_equal(why, "the event names no run");
	assert_int_equal(pay("{\"event\":\"order.paid\",\"n\":15,\"note\":{\"run\":\"spring\"},\"total\":\"0.05\"}", why), PAYMENT_IGNORED);
	assert_int_equal(pay("{\"event\":\"order.paid\",\"n\":17,\"order\":9,\"note\":{\"run\":1},\"total\":\"0.05\"}", why), PAYMENT_REFUSED);
	assert_int_equal(pay("{\"event\":\"order.paid\",\"n\":18,\"order\":10,\"note\":{\"run\":1},\"total\":\"0.1\"}", why), PAYMENT_RELEASED);
	play();
	assert_int_equal(rig_count(&rig, id, ITEM_READY), 1);
	assert_int_equal(payment_parse(configured(), "{\"event\":\"order.paid\"}", 22, &p, &err), LEAD_EINPUT);
	assert_int_equal(payment_parse(configured(), "{\"event\":", 9, &p, &err), LEAD_EINPUT);
	assert_int_equal(payment_parse(configured(), odd, sizeof(odd) - 1, &p, &err), 0);
	assert_string_equal(p.id, "a?b");
	assert_int_equal(p.amount_micro, -1);
	assert_int_equal(p.run, 0);
	end();
}

static void test_bad(void **state)
{
	static const char *const files[][2] = {{"payments: {a: {}}\n", "verify"}, {"payments: {a: {" VERIFY ", amuont: .a}}\n", "amount"},
	    {"payments: {a: {" VERIFY ", digits: 9}}\n", "digits"}, {"payments: {a: {" VERIFY ", run: '.a |'}}\n", ".a |"},
	    {"payments: {a: {" VERIFY ", price: -2}}\n", "price"}, {"payments: [a]\n", "map"}};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char text[512];

		(void)snprintf(text, sizeof(text), "%s%s", files[i][0], CAMPAIGN);
		rig_begin(&rig);
		rig_write(&rig, "services/one.yaml", ONE);
		rig_write(&rig, "pipelines/p.yaml", PIPELINE);
		rig_write(&rig, "leadd.yaml", text);
		rig_refused(&rig, files[i][1]);
		rig_end(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_released),
	    cmocka_unit_test(test_early),
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
