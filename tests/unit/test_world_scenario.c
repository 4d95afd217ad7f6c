/*
 * lib/sim: what a scenario orders: scripts, quotas, chance, latencies; and what its texts are like.
 */
#include "tests/unit/world_quiet.h"

#include "lib/base/ids.h"
#include "lib/base/text.h"
#include "lib/sim/prose.h"

/* --- scripts, quotas, swaps --- */

static void quota_outage(void **state)
{
	struct world *w = world_of(
	    "services:\n  openai: {expected: 10, script: [{fault: quota, from: 30%, for: 20s}]}\n");
	struct world_plan p;

	for (int i = 0; i < 30; i++) {
		ask_as(w, at(i * 2 * SEC), "k", "1", "POST", "/openai/v1/chat/completions", NULL,
		    CHAT("gpt-4o-mini", "s", "u"), &p);
		/* from the fourth call (at 6 s) for 20 s */
		assert_int_equal(p.status, i >= 3 && i < 13 ? 429 : 200);
	}
	assert_int_equal(totals(w, WORLD_OPENAI).faults[FAULT_QUOTA], 10);
	world_free(w);
}

static void quota_of_a_key(void **state)
{
	struct world *w =
	    world_of("services:\n  openai: {keys: [{key: a, quota: 2, reset: 60s}, b]}\n");
	struct world_plan p;

	for (int i = 0; i < 4; i++) {
		ask_as(w, at(0), "a", "1", "POST", "/openai/v1/chat/completions", NULL,
		    CHAT("gpt-4o-mini", "s", "u"), &p);
		assert_int_equal(p.status, i < 2 ? 200 : 429);
		ask_as(w, at(0), "b", "1", "POST", "/openai/v1/chat/completions", NULL,
		    CHAT("gpt-4o-mini", "s", "u"), &p);
		assert_int_equal(p.status, 200);
	}
	ask_as(w, at(60 * SEC), "a", "1", "POST", "/openai/v1/chat/completions", NULL,
	    CHAT("gpt-4o-mini", "s", "u"), &p);
	assert_int_equal(p.status, 200);
	world_free(w);
}

static void chance_and_swap(void **state)
{
	struct world *w =
	    world_of("services:\n  zerobounce: {random: {rate: 20%, kinds: [error-500, hang]}}\n");
	struct scenario s = *world_scenario(w);
	static const char calm[] = "services:\n  zerobounce: {random: {rate: 0%}}\n",
			  never[] = "seed: 3\nservices:\n  openai: {keys: [x]}\n";
	struct lead_error err;
	struct world_plan p;
	char email[32];
	struct world_totals t;

	for (int i = 0; i < 2000; i++) {
		(void)snprintf(email, sizeof(email), "r%d@b.example", i);
		validate(w, now, "1", email, &p);
	}
	t = totals(w, WORLD_ZEROBOUNCE);
	assert_in_range(t.faults[FAULT_500], 140, 260);
	assert_in_range(t.faults[FAULT_HANG], 140, 260);
	assert_int_equal(t.faults[FAULT_500] + t.faults[FAULT_HANG] + t.billed_calls, 2000);
	assert_int_equal(scenario_parse("t", never, strlen(never), true, &s, &err), LEAD_EINPUT);
	assert_non_null(strstr(err.text, "cannot change while the world runs"));
	s = *world_scenario(w);
	assert_int_equal(scenario_parse("t", calm, strlen(calm), true, &s, NULL), 0);
	world_swap(w, &s);
	for (int i = 0; i < 200; i++) {
		(void)snprintf(email, sizeof(email), "s%d@b.example", i);
		validate(w, now, "1", email, &p);
		assert_int_equal(p.fault, FAULT_NONE);
	}
	assert_int_equal(world_reset(w), 0);
	assert_int_equal(totals(w, WORLD_ZEROBOUNCE).calls, 0);
	world_free(w);
}

static void latencies(void **state)
{
	struct world *w =
	    world_of("services:\n  zerobounce: {latency: {min: 100ms, median: 400ms, p95: 2s}}\n");
	struct world_plan p;
	int below = 0, late = 0;
	char email[32];

	for (int i = 0; i < 4000; i++) {
		(void)snprintf(email, sizeof(email), "l%d@b.example", i);
		validate(w, now, "1", email, &p);
		assert_true(p.delay_us >= 100 * US_PER_MS && p.delay_us < 20 * SEC);
		below += p.delay_us < 400 * US_PER_MS;
		late += p.delay_us > 2 * SEC;
	}
	assert_in_range(below, 1900, 2100);
	assert_in_range(late, 140, 260);
	world_free(w);
}

static void scenarios_are_strict(void **state)
{
	static const char *const bad[] = {"sed: 1\n", "services: {zerobonce: {}}\n",
	    "services: {openai: {random: {rate: 5}}}\n",
	    "services: {openai: {random: {rate: 101%}}}\n",
	    "services: {openai: {script: [{fault: quotta}]}}\n",
	    "services: {openai: {script: [{from: 3}]}}\n", "services: {openai: {limits: [60]}}\n",
	    "services: {openai: {latency: {min: 5s, median: 1s}}}\n",
	    "services: {openai: {copy: {short: 60%, long: 60%}}}\n",
	    "services: {zerobounce: {copy: {}}}\n",
	    "services: {openai: {random: {kinds: [hnag]}}}\n",
	    "services: {openai: {keys: ['']}}\n"};
	static const char *const files[] = {
	    "default", "faults-5-percent", "quota-30-percent", "hang"};
	struct scenario s, everyday;
	struct lead_error err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		scenario_default(&s);
		assert_int_equal(
		    scenario_parse("bad.yaml", bad[i], strlen(bad[i]), false, &s, &err),
		    LEAD_EINPUT);
		assert_non_null(strstr(err.text, "bad.yaml:"));
	}
	scenario_default(&everyday);
	scenario_default(&s);
	assert_int_equal(scenario_parse("empty", "", 0, false, &s, &err), 0);
	assert_memory_equal(&s, &everyday, sizeof(s));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char name[256], text[8192];
		FILE *f;

		(void)snprintf(name, sizeof(name), "%s/scenarios/%s.yaml", TEST_DATA, files[i]);
		f = fopen(name, "r");
		assert_non_null(f);
		scenario_default(&s);
		if (scenario_parse(name, text, fread(text, 1, sizeof(text), f), false, &s, &err) !=
		    0) {
			fail_msg("%s", err.text);
		}
		if (i == 0) { /* default.yaml is what it says it is */
			assert_memory_equal(&s, &everyday, sizeof(s));
		}
		(void)fclose(f);
	}
}

/* --- prose --- */

static void finds_leads(void **state)
{
	static const struct {
		const char *prompt, *first, *company;
	} prompts[] = {
	    {"Name: Ann Smith\nCompany: Acme, Inc.\nTitle: CTO", "Ann", "Acme"},
	    {"Company name: Acme Ltd\nFull name: José García", "José", "Acme Ltd"},
	    {"{\"first_name\":\"Zoë\",\"company\":\"Über GmbH\"}", "Zoë", "Über GmbH"},
	    {"Write to Ann Smith, CTO at Acme Widgets. Be brief.", "Ann", "Acme Widgets"},
	    {"Write an e-mail to Mary, Mayor at City of Conway", "Mary", "City of Conway"},
	    {"lead: Bob | organisation: New Mexico House of Representatives | x", "Bob",
		"New Mexico House of Representatives"},
	    {"Name: Ann\nJob title: CTO\nCompany: unknown\nWebsite: unknown", "Ann", "your team"},
	    {"nothing to go by", "there", "your team"},
	    {"", "there", "your team"},
	};
	struct prose_lead lead;

	for (size_t i = 0; i < sizeof(prompts) / sizeof(prompts[0]); i++) {
		prose_find(prompts[i].prompt, strlen(prompts[i].prompt), &lead);
		assert_string_equal(lead.first, prompts[i].first);
		assert_string_equal(lead.company, prompts[i].company);
	}
}

static void texts_have_their_length(void **state)
{
	static const char *const companies[] = {
	    "Acme", "New Mexico House of Representatives", "A & B - C of D", "your team"};
	struct buf b = {0};

	for (uint64_t i = 0; i < 8000; i++) {
		struct prose_lead lead = {.first = "Ann"};
		enum copy_flaw flaw = (enum copy_flaw)(i % (COPY_PLACEHOLDER + 1));
		size_t words;

		memcpy(lead.company, companies[i / 5 % 4], strlen(companies[i / 5 % 4]) + 1);
		buf_reset(&b);
		prose_email(&b, &lead, hash_plain(&i, sizeof(i)), flaw);
		words = text_words(b.data, b.len);
		switch (flaw) {
		case COPY_SHORT:
			assert_in_range(words, 5, 49);
			break;
		case COPY_LONG:
			assert_in_range(words, 71, 200);
			break;
		default:
			assert_in_range(words, 50, 70);
			break;
		}
		assert_int_equal(strstr(b.data, "regards,\n") != NULL, flaw == COPY_SIGNED);
		assert_int_equal(strchr(b.data, '[') != NULL, flaw == COPY_PLACEHOLDER);
		assert_null(strpbrk(b.data, "{}"));
		assert_true(text_is_utf8(b.data, b.len));
	}
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(quota_outage),
	    cmocka_unit_test(quota_of_a_key),
	    cmocka_unit_test(chance_and_swap),
	    cmocka_unit_test(latencies),
	    cmocka_unit_test(scenarios_are_strict),
	    cmocka_unit_test(finds_leads),
	    cmocka_unit_test(texts_have_their_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
