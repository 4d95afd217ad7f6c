/*
 * lib/sim/world.h: the same seed meets the same world; bills, windows and repeats are counted
 * right.
 */
#include "tests/unit/world_quiet.h"

#include "lib/base/ids.h"
#include "lib/sim/arrivals.h"

/* --- the same world twice --- */

/* A run over several services, with faults; the hash of all that came back but the times. */
static uint64_t play(uint64_t seed, bool killed)
{
	static const char yaml[] =
	    "services:\n  zerobounce: {random: {rate: 30%}}\n  openai: {random: {rate: 30%}}\n";
	struct scenario s;
	struct world *w;
	struct world_plan p;
	struct buf all = {0};
	uint64_t hash;

	scenario_default(&s);
	assert_int_equal(scenario_parse("t", yaml, strlen(yaml), false, &s, NULL), 0);
	s.seed = seed;
	s.services[WORLD_ZEROBOUNCE].n_limits = s.services[WORLD_OPENAI].n_limits = 0;
	w = world_new(&s);
	for (int i = 0; i < 200; i++) {
		char email[32], id[20];

		(void)snprintf(email, sizeof(email), "p%d@a.example", i);
		(void)snprintf(id, sizeof(id), "%d", killed ? i * 7 : i);
		validate(w, killed ? at(i * SEC) : now, id, email, &p);
		buf_printf(&all, "%d %d %d %lld ", p.fault, p.end, p.status, (long long)p.delay_us);
		write_copy(w, id, email, &p);
		buf_printf(&all, "%d %d %zu\n", p.fault, p.status, p.body_len);
		if (i % 3 ==
		    0) { /* asked again: the second attempt may fare otherwise, but always alike */
			write_copy(w, "again", email, &p);
			buf_printf(&all, "%d %d\n", p.fault, p.status);
		}
	}
	hash = hash_plain(all.data, all.len);
	buf_free(&all);
	world_free(w);
	return hash;
}

static void same_seed_same_world(void **state)
{
	assert_true(play(1, false) == play(1, false));
	assert_true(play(1, false) == play(1, true)); /* neither call ids nor times matter */
	assert_true(play(1, false) != play(2, false));
}

/* What the world knows does not change with the attempt, whatever happened before. */
static void verdicts_stay(void **state)
{
	struct world *w =
	    world_of("services:\n  zerobounce: {random: {rate: 50%}, verdicts: {invalid: 30%, "
		     "unknown: 30%}}\n"
		     "  openai: {copy: {short: 30%}, random: {rate: 50%, kinds: [throttle]}}\n");
	int seen[VERDICT_N] = {0};

	for (int i = 0; i < 300; i++) {
		char email[32], first[16] = "", text[1024] = "";
		struct world_plan p;

		(void)snprintf(email, sizeof(email), "v%d@a.example", i);
		for (int attempt = 0; attempt < 6; attempt++) {
			validate(w, now, "1", email, &p);
			if (p.fault == FAULT_NONE) {
				if (first[0] == '\0') {
					(void)snprintf(
					    first, sizeof(first), "%s", field(&p, "status"));
				}
				assert_string_equal(field(&p, "status"), first);
			}
			write_copy(w, "1", email, &p);
			if (p.fault == FAULT_NONE) {
				if (text[0] == '\0') {
					(void)snprintf(text, sizeof(text), "%s",
					    field(&p, "choices.0.message.content"));
				}
				assert_string_equal(field(&p, "choices.0.message.content"), text);
			}
		}
		for (size_t v = 0; v < VERDICT_N; v++) {
			seen[v] += strcmp(first, verdict_words[v]) == 0;
		}
	}
	assert_in_range(seen[VERDICT_INVALID], 50, 130);
	assert_in_range(seen[VERDICT_UNKNOWN], 50, 130);
	world_free(w);
}

/* --- windows --- */

/* Every window of every arrival, counted the slow way. */
static void windows_against_brute_force(void **state)
{
	struct dice d;

	dice_seed(&d, 7);
	for (int round = 0; round < 40; round++) {
		struct arrivals a = {
		    .max = 1 + dice_below(&d, 12), .length_us = 1 + (int64_t)dice_below(&d, 50)};
		int64_t stamps[400], t = 0;
		uint64_t weights[400], worst = 0, violations = 0;

		for (size_t n = 0; n < 400; n++) {
			uint64_t sum = 0;

			t += (int64_t)dice_below(&d, 8);
			stamps[n] = t;
			weights[n] = dice_below(&d, 4) == 0 ? 1 + dice_below(&d, 3) : 1;
			assert_int_equal(
			    arrivals_add(&a, (struct now){t, t}, (uint32_t)weights[n]), 0);
			for (size_t i = 0; i <= n; i++) {
				sum += stamps[i] > t - a.length_us ? weights[i] : 0;
			}
			assert_int_equal(a.weight, sum);
			worst = sum > worst ? sum : worst;
			violations += sum > a.max;
			/* what it says about waiting is true, and no longer than needed */
			for (int64_t wait = arrivals_wait(&a, (struct now){t, t}, 1),
				     later = wait - 1;
			     wait > 0 && later <= wait; later++) {
				uint64_t then = 1;

				for (size_t i = 0; i <= n; i++) {
					then +=
					    stamps[i] > t + later - a.length_us ? weights[i] : 0;
				}
				assert_int_equal(then <= a.max, later == wait);
			}
		}
		assert_int_equal(a.worst, worst);
		assert_int_equal(a.violations, violations);
		arrivals_fini(&a);
	}
}

static void limits_are_enforced(void **state)
{
	struct world *w = world_of("limit_factor: 2\nservices:\n  zerobounce: {limits: [1/3s]}\n");
	struct world_plan p;

	validate(w, at(0), "1", "a@b.example", &p);
	assert_int_equal(p.status, 200);
	validate(w, at(1), "2", "c@b.example", &p);
	assert_int_equal(p.status, 200); /* two per 3 s: the factor */
	validate(w, at(3 * SEC - 1), "3", "d@b.example", &p);
	assert_int_equal(p.status, 429);
	assert_string_equal(field(&p, "error"), "Too many requests");
	assert_null(header(&p, "Retry-After"));
	assert_int_equal(p.token, 0);
	assert_int_equal(totals(w, WORLD_ZEROBOUNCE).violations, 1);
	assert_int_equal(totals(w, WORLD_ZEROBOUNCE).billed_calls, 2);
	assert_int_equal(world_worst(w, WORLD_ZEROBOUNCE, 0), 3);
	validate(
	    w, at(3 * SEC), "4", "d@b.example", &p); /* the first left, the refused one counts */
	assert_int_equal(p.status, 429);
	validate(w, at(7 * SEC), "5", "d@b.example", &p);
	assert_int_equal(p.status, 200);
	world_free(w);
}

static void windows_are_per_key_or_service(void **state)
{
	struct world *w = world_of("services:\n  openai: {limits: [1/60s]}\n  instantly: {limits: "
				   "[{limit: 1/60s, per: service}]}\n");
	struct world_plan p;

	ask_as(w, now, "one", "1", "POST", "/openai/v1/chat/completions", NULL,
	    CHAT("gpt-4o-mini", "s", "a"), &p);
	assert_int_equal(p.status, 200);
	ask_as(w, now, "two", "2", "POST", "/openai/v1/chat/completions", NULL,
	    CHAT("gpt-4o-mini", "s", "b"), &p);
	assert_int_equal(p.status, 200);
	ask_as(w, now, "two", "3", "POST", "/openai/v1/chat/completions", NULL,
	    CHAT("gpt-4o-mini", "s", "c"), &p);
	assert_int_equal(p.status, 429);
	assert_string_equal(field(&p, "error.code"), "rate_limit_exceeded");
	assert_string_equal(field(&p, "error.type"), "requests");
	assert_string_equal(header(&p, "Retry-After"), "60");
	assert_string_equal(header(&p, "retry-after-ms"), "60000");
	assert_string_equal(header(&p, "x-ratelimit-remaining-requests"), "0");
	ask_as(w, now, "one", "4", "GET", "/instantly/api/v2/campaigns", NULL, NULL, &p);
	assert_int_equal(p.status, 200);
	ask_as(w, now, "two", "5", "GET", "/instantly/api/v2/campaigns", NULL, NULL, &p);
	assert_int_equal(p.status, 429);
	assert_string_equal(field(&p, "statusCode"), "429");
	assert_null(header(&p, "Retry-After"));
	world_free(w);
}

static void calendar_day(void **state)
{
	struct world *w = world_of("services:\n  openai: {limits: [2/day]}\n");
	struct world_plan p;

	for (int i = 0; i < 3; i++) {
		write_copy(w, "1", i == 0 ? "a" : i == 1 ? "b" : "c", &p);
		assert_int_equal(p.status, i < 2 ? 200 : 429);
	}
	assert_string_equal(header(&p, "x-ratelimit-reset-requests"), "23h0m0s");
	ask_as(w, at(23 * 3600 * SEC), "k", "1", "POST", "/openai/v1/chat/completions", NULL,
	    CHAT("gpt-4o-mini", "s", "d"), &p);
	assert_int_equal(p.status, 200);
	world_free(w);
}

static void token_limit(void **state)
{
	struct world *w =
	    world_of("services:\n  openai: {limits: [60/60s, {limit: 1000/60s, unit: tokens}]}\n");
	struct world_plan p;
	static const char body[] = "{\"model\":\"gpt-4o-mini\",\"max_completion_tokens\":600,"
				   "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";

	ask(w, "POST", "/openai/v1/chat/completions", NULL, body, &p);
	assert_int_equal(p.status, 200);
	assert_string_equal(header(&p, "x-ratelimit-limit-requests"), "60");
	assert_string_equal(header(&p, "x-ratelimit-remaining-requests"), "59");
	assert_string_equal(header(&p, "x-ratelimit-reset-requests"), "1s");
	assert_string_equal(header(&p, "x-ratelimit-remaining-tokens"), "400");
	assert_string_equal(header(&p, "x-ratelimit-reset-tokens"), "36s");
	ask(w, "POST", "/openai/v1/chat/completions", NULL, body, &p);
	assert_int_equal(p.status, 429);
	assert_string_equal(field(&p, "error.type"), "tokens");
	world_free(w);
}

/* --- bills --- */

static void prices(void **state)
{
	struct world *w = world_of("");
	struct world_plan p;
	uint64_t in, out;

	validate(w, now, "1", "a@b.example", &p);
	assert_int_equal(totals(w, WORLD_ZEROBOUNCE).billed_micro, 8000);
	ask(w, "POST", "/perplexity/chat/completions", NULL,
	    CHAT("sonar", "Research.", "Company: Acme"), &p);
	assert_int_equal(totals(w, WORLD_PERPLEXITY).billed_micro,
	    (int64_t)(strtod(field(&p, "usage.cost.total_cost"), NULL) * 1e6 + 0.5));
	write_copy(w, "1", "Name: Ann", &p);
	in = strtoul(field(&p, "usage.prompt_tokens"), NULL, 10);
	out = strtoul(field(&p, "usage.completion_tokens"), NULL, 10);
	assert_true(in > 5 && out > 40);
	assert_int_equal(
	    totals(w, WORLD_OPENAI).billed_micro, (int64_t)((in * 15 + out * 60 + 99) / 100));
	ask(w, "POST", "/openai/v1/chat/completions", NULL,
	    CHAT("gpt-3.5-turbo", "Write.", "Name: Ann"), &p);
	assert_int_equal(totals(w, WORLD_OPENAI).billed_micro,
	    (int64_t)((in * 15 + out * 60 + 99) / 100 +
		      (strtoul(field(&p, "usage.prompt_tokens"), NULL, 10) * 50 +
			  strtoul(field(&p, "usage.completion_tokens"), NULL, 10) * 150 + 99) /
			  100));
	ask(w, "POST", "/instantly/api/v2/leads", NULL,
	    "{\"campaign\":\"c\",\"email\":\"a@b.example\"}", &p);
	assert_int_equal(totals(w, WORLD_INSTANTLY).billed_calls, 0);
	assert_true(p.token != 0);
	world_free(w);
}

/* Which faults cost money, and how each of them looks at ZeroBounce (bodies per provider: below).
 */
static void faults_and_bills(void **state)
{
	static const struct {
		const char *word;
		bool billed;
		enum world_end end;
		int status;
	} faults[] = {{"throttle", false, WORLD_ANSWER, 429},
	    {"throttle-bare", false, WORLD_ANSWER, 403}, {"quota", false, WORLD_ANSWER, 200},
	    {"billing", false, WORLD_ANSWER, 402}, {"auth", false, WORLD_ANSWER, 200},
	    {"error-500", false, WORLD_ANSWER, 500}, {"error-html", false, WORLD_ANSWER, 0},
	    {"overload", false, WORLD_ANSWER, 529}, {"reset-before", false, WORLD_RESET, 0},
	    {"reset-after", true, WORLD_RESET, 200}, {"drip", true, WORLD_ANSWER, 200},
	    {"truncate", true, WORLD_CUT, 200}, {"garbage", true, WORLD_ANSWER, 200},
	    {"error-200", false, WORLD_ANSWER, 200}, {"huge", true, WORLD_ANSWER, 200},
	    {"hang", false, WORLD_HANG, 0}, {"slow", true, WORLD_ANSWER, 200}};

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		char yaml[160];
		struct world *w;
		struct world_plan p;

		(void)snprintf(yaml, sizeof(yaml),
		    "faults: {slow: 7s}\nservices:\n  zerobounce:\n    script: [{fault: %s, calls: "
		    "1}]\n",
		    faults[i].word);
		w = world_of(yaml);
		validate(w, now, "1", "a@b.example", &p);
		assert_string_equal(world_fault_word(p.fault), faults[i].word);
		assert_int_equal(p.end, faults[i].end);
		if (faults[i].status != 0) {
			assert_int_equal(p.status, faults[i].status);
		}
		assert_int_equal(totals(w, WORLD_ZEROBOUNCE).billed_calls, faults[i].billed);
		assert_int_equal(p.token != 0, faults[i].billed);
		assert_int_equal(p.body_len == 0, p.end == WORLD_RESET || p.end == WORLD_HANG);
		assert_int_equal(p.drip_bytes != 0, p.fault == FAULT_DRIP);
		assert_int_equal(p.pad_bytes, p.fault == FAULT_HUGE ? 20 << 20 : 0);
		assert_int_equal(
		    p.cut_bytes > 0 && p.cut_bytes < p.body_len, p.fault == FAULT_TRUNCATE);
		assert_int_equal(p.delay_us, p.fault == FAULT_SLOW ? 7 * SEC : 0);
		assert_int_equal(header(&p, "Retry-After") != NULL, p.fault == FAULT_THROTTLE);
		if (p.fault == FAULT_HTML) {
			assert_true(p.status == 502 || p.status == 503);
			assert_memory_equal(p.body, "<html>", 6);
		} else if (p.fault == FAULT_GARBAGE) {
			assert_int_not_equal(json_check(p.body, p.body_len, JSON_DEPTH, NULL), 0);
		}
		validate(w, now, "2", "a@b.example", &p); /* calls: 1 */
		assert_int_equal(p.fault, FAULT_NONE);
		assert_string_equal(field(&p, "status"), "valid");
		world_free(w);
	}
}

/* --- repeats --- */

static void repeats(void **state)
{
	struct world *w =
	    world_of("services:\n  zerobounce: {script: [{fault: truncate, calls: 1}]}\n");
	struct world_plan p;
	uint64_t token;
	struct buf report = {0};

	validate(w, now, "a1", "a@b.example", &p); /* cut: delivered or not, nobody could read it */
	world_delivered(w, p.token, now);
	validate(w, now, "a2", "a@b.example", &p);
	assert_int_equal(totals(w, WORLD_ZEROBOUNCE).repeats_doubt, 1);
	assert_int_equal(totals(w, WORLD_ZEROBOUNCE).repeats_p3, 0);
	validate(w, now, "a3", "a@b.example", &p); /* a2 was never delivered */
	assert_int_equal(totals(w, WORLD_ZEROBOUNCE).repeats_doubt, 2);
	token = p.token;
	world_delivered(w, token, now);
	world_doubted(w, token); /* the client ended at once */
	validate(w, now, "a4", "a@b.example", &p);
	assert_int_equal(totals(w, WORLD_ZEROBOUNCE).repeats_doubt, 3);
	world_delivered(w, p.token, now);
	validate(w, now, "a5", "a@b.example", &p);
	assert_int_equal(totals(w, WORLD_ZEROBOUNCE).repeats_doubt, 3);
	assert_int_equal(totals(w, WORLD_ZEROBOUNCE).repeats_p3, 1);
	validate(w, now, "a6", "a@b.example",
	    &p); /* a5 was not delivered, but a4 was: still one too many */
	assert_int_equal(totals(w, WORLD_ZEROBOUNCE).repeats_p3, 2);
	validate(w, now, "b1", "b@b.example", &p); /* another address is another meaning */
	assert_int_equal(totals(w, WORLD_ZEROBOUNCE).repeats_p3, 2);
	assert_int_equal(totals(w, WORLD_ZEROBOUNCE).billed_calls, 7);
	world_report(w, &(struct world_report_options){0}, &report);
	assert_non_null(strstr(report.data, "\"first\":\"a4\",\"second\":\"a5\""));
	assert_non_null(strstr(report.data, "\"first\":\"a4\",\"second\":\"a6\""));
	assert_int_equal(json_check(report.data, report.len, JSON_DEPTH, NULL), 0);
	buf_free(&report);
	world_free(w);
}

/* Permanent answers are final, too; refusals are not answers. */
static void repeats_of_other_kinds(void **state)
{
	struct world *w =
	    world_of("services:\n  zerobounce: {verdicts: {unknown: 100%}}\n  openai: {copy: "
		     "{signed: 100%}, script: [{fault: error-500, calls: 1}]}\n");
	struct world_plan p;

	for (int i = 0; i < 2; i++) {
		validate(w, now, "1", "", &p);
		assert_int_equal(p.status, 400);
		world_delivered(w, p.token, now);
	}
	assert_int_equal(totals(w, WORLD_ZEROBOUNCE).repeats_p3, 1);
	assert_int_equal(totals(w, WORLD_ZEROBOUNCE).billed_calls, 0);
	for (int i = 0; i < 2; i++) {
		validate(w, now, "1", "a@b.example", &p);
		world_delivered(w, p.token, now);
	}
	assert_int_equal(totals(w, WORLD_ZEROBOUNCE).repeats_p3, 1);
	assert_int_equal(
	    totals(w, WORLD_ZEROBOUNCE).repeats_declared, 1); /* unknown: worth another try */
	for (int i = 0; i < 3; i++) { /* a 500, then bad copy twice: a gate retry */
		write_copy(w, "1", "Name: Ann", &p);
		world_delivered(w, p.token, now);
	}
	assert_int_equal(totals(w, WORLD_OPENAI).repeats_p3, 0);
	assert_int_equal(totals(w, WORLD_OPENAI).repeats_doubt, 0);
	assert_int_equal(totals(w, WORLD_OPENAI).repeats_declared, 1);
	ask(w, "POST", "/openai/v1/chat/completions", NULL,
	    CHAT("gpt-3.5-turbo", "Write.", "Name: Ann"), &p); /* next of a chain */
	assert_int_equal(totals(w, WORLD_OPENAI).repeats_declared, 1);
	world_free(w);
}

static void repeats_of_pushes(void **state)
{
	struct world *w =
	    world_of("services:\n  instantly: {script: [{fault: lost-push, calls: 1}]}\n");
	struct world_plan p;
	char path[80];

	push(w, "a@b.example", "c", false, &p);
	assert_int_equal(p.fault, FAULT_LOST_PUSH);
	assert_int_equal(p.status, 200);
	(void)snprintf(path, sizeof(path), "/instantly/api/v2/leads/%s", field(&p, "id"));
	ask(w, "GET", path, NULL, NULL, &p);
	assert_int_equal(p.status, 404);
	ask(w, "POST", "/instantly/api/v2/leads/list", NULL, "{\"contacts\":[\"a@b.example\"]}",
	    &p);
	assert_string_equal(field(&p, "items"), "[ ]");
	push(w, "a@b.example", "c", false, &p); /* the repair */
	assert_int_equal(totals(w, WORLD_INSTANTLY).repeats_declared, 1);
	assert_int_equal(totals(w, WORLD_INSTANTLY).repeats_p3, 0);
	(void)snprintf(path, sizeof(path), "/instantly/api/v2/leads/%s", field(&p, "id"));
	push(w, "A@b.example", "c", false, &p); /* the same address */
	assert_int_equal(totals(w, WORLD_INSTANTLY).repeats_p3, 1);
	push(w, "a@b.example", "other", false, &p);
	assert_int_equal(totals(w, WORLD_INSTANTLY).repeats_p3, 1);
	ask(w, "DELETE", path, NULL, NULL, &p);
	assert_int_equal(p.status, 200);
	push(w, "a@b.example", "c", false, &p); /* taken back before: a first push again */
	assert_int_equal(totals(w, WORLD_INSTANTLY).repeats_p3, 1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(same_seed_same_world),
	    cmocka_unit_test(verdicts_stay),
	    cmocka_unit_test(windows_against_brute_force),
	    cmocka_unit_test(limits_are_enforced),
	    cmocka_unit_test(windows_are_per_key_or_service),
	    cmocka_unit_test(calendar_day),
	    cmocka_unit_test(token_limit),
	    cmocka_unit_test(prices),
	    cmocka_unit_test(faults_and_bills),
	    cmocka_unit_test(repeats),
	    cmocka_unit_test(repeats_of_other_kinds),
	    cmocka_unit_test(repeats_of_pushes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
