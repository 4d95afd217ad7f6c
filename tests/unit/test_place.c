/*
 * What `why` promises: in random states of several runs, shares, priorities, retries, breakers, throttles, quotas, keys,
 * windows, budgets and places in flight the earliest time told for a lead is never later than the start of its next call,
 * and in nine of ten states the call starts within two seconds, or a tenth of the wait, after it.
 * PLACE_SEED=N: other states; PLACE_SHOW=1: those that were far off.
 */
#include "engine_rig.h"

#include <json-c/json.h>

#define STATES 400
#define ASKED 6   /* leads of each state */
#define LEADS 150 /* of a run at most */
#define RUNS 3

static struct rig rig;
static struct dice dice;
static bool bad_times;       /* services fail now and then */
static int64_t fast_us, slow_us; /* latencies */

static unsigned roll(unsigned n)
{
	return (unsigned)dice_below(&dice, n);
}

static void serve(struct rig *r, struct seen *c)
{
	static const int bad[] = {500, 500, 429, 429, 402, 404};
	uint64_t d = hash_plain(&c->id, sizeof(c->id));

	(void)r;
	c->due_us = c->start_us + fast_us + (int64_t)(d % (uint64_t)(slow_us - fast_us + 1));
	c->status = bad_times && d / 13 % 6 == 0 ? bad[d / 101 % 6] : 200;
	(void)snprintf(c->answer, sizeof(c->answer), "{\"text\":\"x\"}");
}

static void begin(void)
{
	static const char *const limits[] = {"1/3s", "5/4s", "[3/2s, 40/60s]", "50/60s", "[10/5s, 100/10min]", "20/30s", "[8/1s, 200/day]"};
	static const char *const keys[] = {"", "keys: [a]\nauth: bearer\n", "keys: [a, b]\nauth: bearer\n"};
	char text[1500];

	rig_begin(&rig);
	rig.seed = dice_roll(&dice);
	rig_write(&rig, "secrets/a", "key-a");
	rig_write(&rig, "secrets/b", "key-b");
	(void)snprintf(text, sizeof(text),
	    "service: one\nbase: https://one.example\nconcurrency: %u\n%slimits: [{limit: %s}]\n"
	    "breaker: {failures: 4, open: 20s, probe: 5s}\nquota: {probe: 15s}\n"
	    "calls:\n  write:\n    post: /write\n    json: {email: '${.email}'}\n    price: {per_call: 0.01}\n"
	    "    retry: {transient: {base: 1s, cap: 8s, attempts: 0}, throttle: {base: 2s, cap: 10s, attempts: 0}}\n    map: {text: .text}\n",
	    20 + roll(60), keys[roll(3)], limits[roll(7)]);
	rig_write(&rig, "services/one.yaml", text);
	(void)snprintf(text, sizeof(text),
	    "service: two\nbase: https://two.example\nconcurrency: %u\nlimits: [{limit: %s}]\n"
	    "calls:\n  peek: {get: /peek, query: {email: '${.email}'}}\n  look: {get: /look, query: {email: '${.email}'}}\n",
	    10 + roll(60), limits[roll(7)]);
	rig_write(&rig, "services/two.yaml", text);
	rig_write(&rig, "pipelines/p.yaml",
	    "pipeline: p\nstages:\n  - {stage: write, call: one.write, with: {email: '${.email}'}}\n"
	    "  - {stage: peek, call: two.peek, needs: [text], with: {email: '${.email}'}}\n");
	rig_write(&rig, "pipelines/q.yaml", "pipeline: q\nstages: [{stage: look, call: two.look, with: {email: '${.email}'}}]\n");
	rig_write(&rig, "leadd.yaml", "campaigns: {c: {pipeline: p, budget: {day: 3}}, d: {pipeline: q}}\n");
	rig_open(&rig);
	rig.serve = serve;
	fast_us = (int64_t)(20 + roll(200)) * US_PER_MS;
	slow_us = fast_us + (int64_t)roll(400) * US_PER_MS;
}

static uint32_t leads_of[RUNS + 1];

static void start_run(unsigned i)
{
	struct run_row row = {.budget_micro = roll(3) == 0 ? 400000 : -1,
	    .priority = roll(4) == 0,
	    .share = 1 + roll(3),
	    .encoding = 255};
	struct buf csv = {0};
	unsigned n = 20 + roll(LEADS - 20);

	(void)snprintf(row.campaign, sizeof(row.campaign), "%c", roll(3) == 0 ? 'd' : 'c');
	buf_add_text(&csv, "email\n");
	for (unsigned k = 1; k <= n; k++) {
		buf_printf(&csv, "lead%u-%u@x.example\n", i, k);
	}
	assert_int_equal(rig_run_with(&rig, &row, csv.data), i);
	leads_of[i] = n;
	buf_free(&csv);
}

/* A lead's earliest time as why tells it; 0: not now, or nobody can say. */
static int64_t told(uint32_t run, uint32_t lead, char condition[24])
{
	struct json_object *o, *at = NULL;
	struct txn *t = NULL;
	int64_t wall_us = 0;

	assert_int_equal(txn_begin(rig.store, false, &t, NULL), 0);
	o = why_lead(rig.engine, t, run, lead, rig.now);
	txn_abort(t);
	assert_non_null(o);
	if (strcmp(json_object_get_string(json_object_object_get(o, "state")), "waiting") == 0 &&
	    json_object_object_get_ex(o, "earliest", &at) && at != NULL) {
		assert_true(time_parse_rfc3339(json_object_get_string(at), &wall_us));
	}
	(void)snprintf(condition, 24, "%s",
	    json_object_get_string(json_object_object_get(json_object_object_get(o, "binding"), "condition")));
	json_object_put(o);
	return wall_us;
}

struct promise {
	uint32_t run, lead;
	int64_t asked_us, told_us; /* wall */
	char condition[24];
	size_t calls; /* started before */
};

/* When its next call started, as wall time; 0: it never did. */
static int64_t came(const struct promise *p)
{
	char email[40];

	(void)snprintf(email, sizeof(email), "lead%u-%u%%40", p->run, p->lead);
	for (size_t i = p->calls; i < rig.n_calls; i++) {
		char in_body[40];

		(void)snprintf(in_body, sizeof(in_body), "lead%u-%u@", p->run, p->lead);
		if (strstr(rig.calls[i].url, email) != NULL || strstr(rig.calls[i].url, in_body) != NULL ||
		    strstr(rig.calls[i].body, in_body) != NULL) {
			return RIG_WALL + (rig.calls[i].start_us - RIG_BOOT);
		}
	}
	return 0;
}

struct tally {
	unsigned states, leads, later, close;
};

static void judge(const struct promise *p, struct tally *t, bool *all_close)
{
	int64_t at = came(p), over;

	if (at == 0) {
		return; /* its run's money was not enough for all before it */
	}
	t->leads++;
	if (at + US_PER_MS <= p->told_us) {
		t->later++;
		print_message("lead %u/%u (%s): told %.3f s, came after %.3f s\n", p->run, p->lead, p->condition,
		    (double)(p->told_us - p->asked_us) / 1e6, (double)(at - p->asked_us) / 1e6);
	}
	over = at - p->told_us;
	if (over > 2 * SEC && over > (at - p->asked_us) / 10) {
		*all_close = false;
		if (getenv("PLACE_SHOW") != NULL) {
			print_message("lead %u/%u (%s): told %.3f s, came after %.3f s\n", p->run, p->lead, p->condition,
			    (double)(p->told_us - p->asked_us) / 1e6, (double)(at - p->asked_us) / 1e6);
		}
	} else {
		t->close++;
	}
}

/* One state: nights of which each is asked once in their midst, and then left alone. */
static void one_state(struct tally *t, unsigned *states_close)
{
	struct promise asked[ASKED];
	bool all_close = true;
	unsigned n = 1 + roll(RUNS), found = 0;

	begin();
	bad_times = roll(2) == 0;
	for (unsigned i = 1; i <= n; i++) {
		start_run(i);
		rig_play(&rig, rig.now.boot_us + (int64_t)roll(5000) * US_PER_MS);
	}
	rig_play(&rig, rig.now.boot_us + (int64_t)(1 + roll(60000)) * US_PER_MS);
	bad_times = false;
	for (unsigned i = 0; i < ASKED * 10 && found < ASKED; i++) {
		struct promise *p = &asked[found];

		p->run = 1 + roll(n);
		p->lead = 1 + roll(leads_of[p->run]);
		p->asked_us = rig.now.wall_us;
		p->calls = rig.n_calls;
		p->told_us = told(p->run, p->lead, p->condition);
		found += p->told_us != 0;
	}
	rig_play(&rig, rig.now.boot_us + 3 * US_PER_DAY);
	for (unsigned i = 0; i < found; i++) {
		judge(&asked[i], t, &all_close);
	}
	t->states += found > 0;
	*states_close += found > 0 && all_close;
	rig_end(&rig);
}

static void test_promise(void **state)
{
	struct tally t = {0};
	unsigned states_close = 0;
	const char *seed = getenv("PLACE_SEED");

	dice_seed(&dice, seed != NULL ? strtoull(seed, NULL, 10) : 17);
	for (unsigned i = 0; i < STATES; i++) {
		one_state(&t, &states_close);
	}
	print_message("# promised times of %u leads in %u states: %.2f %% not later than the call, %.1f %% of them close before it; "
		      "all of a state close in %.1f %% of the states\n",
	    t.leads, t.states, 100.0 * (t.leads - t.later) / t.leads, 100.0 * t.close / t.leads, 100.0 * states_close / t.states);
	assert_true(t.leads > 1000 && t.states > STATES * 3 / 4);
	assert_int_equal(t.later, 0);
	assert_true(t.close * 10 >= t.leads * 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_promise)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
