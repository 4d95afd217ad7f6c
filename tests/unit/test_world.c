/*
 * lib/sim/world.h: the same seed meets the same world; bills, windows and repeats are counted
 * right; every provider and every fault looks as the provider's documents say.
 */
#include "lib/sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "lib/base/ids.h"
#include "lib/base/json.h"
#include "lib/base/text.h"
#include "lib/sim/arrivals.h"
#include "lib/sim/prose.h"
#include "lib/sim/scenario.h"
#include "tests/unit/world_answer.h"

#define SEC US_PER_S
#define MIDNIGHT (INT64_C(20000) * US_PER_DAY)
#define CHAT(model, system, user)                                                                  \
	"{\"model\":\"" model "\",\"messages\":[{\"role\":\"system\",\"content\":\"" system        \
	"\"},{\"role\":\"user\",\"content\":\"" user "\"}]}"

static struct now now = {1000 * SEC, MIDNIGHT + 3600 * SEC};

static struct now at(int64_t us)
{
	return (struct now){1000 * SEC + us, MIDNIGHT + 3600 * SEC + us};
}

/* A world of this scenario, on top of one without limits, latency and flaws. */
static struct world *world_of(const char *yaml)
{
	static const char quiet[] =
	    "services:\n"
	    "  zerobounce: {limits: [], latency: {min: 0s, median: 0s, p95: 0s}, verdicts: "
	    "{invalid: 0%, catch-all: 0%, unknown: 0%, do_not_mail: 0%, spamtrap: 0%, abuse: 0%}}\n"
	    "  perplexity: {limits: [], latency: {min: 0s, median: 0s, p95: 0s}, no_facts: 0%}\n"
	    "  openai: {limits: [], latency: {min: 0s, median: 0s, p95: 0s}, copy: {short: 0%, "
	    "long: 0%, signed: 0%, placeholder: 0%, refused: 0%}}\n"
	    "  instantly: {limits: [], latency: {min: 0s, median: 0s, p95: 0s}}\n";
	struct scenario s;
	struct lead_error err = {0};
	struct world *w;

	scenario_default(&s);
	if (scenario_parse("quiet", quiet, strlen(quiet), false, &s, &err) != 0 ||
	    scenario_parse("test", yaml, strlen(yaml), false, &s, &err) != 0) {
		fail_msg("%s", err.text);
	}
	w = world_new(&s);
	assert_non_null(w);
	return w;
}

/* One call with a bearer key (or a key in the query) and a call id; *ret_plan is borrowed from the
 * world. */
static void ask_as(struct world *w, struct now when, const char *key, const char *id,
    const char *method, const char *path, const char *query, const char *body,
    struct world_plan *ret)
{
	char bearer[128];
	struct world_header headers[2] = {{"Authorization", bearer}, {"x-request-id", id}};
	struct world_request r = {.method = method,
	    .path = path,
	    .query = query,
	    .headers = headers,
	    .n_headers = 2,
	    .body = body,
	    .body_len = body != NULL ? strlen(body) : 0};

	(void)snprintf(bearer, sizeof(bearer), "Bearer %s", key);
	world_handle(w, &r, when, ret);
}

static void ask(struct world *w, const char *method, const char *path, const char *query,
    const char *body, struct world_plan *ret)
{
	ask_as(w, now, "k", "0000000000000001", method, path, query, body, ret);
}

static void validate(
    struct world *w, struct now when, const char *id, const char *email, struct world_plan *ret)
{
	char query[128];

	(void)snprintf(query, sizeof(query), "api_key=k&email=%s", email);
	ask_as(w, when, "", id, "GET", "/zerobounce/v2/validate", query, NULL, ret);
}

static void write_copy(struct world *w, const char *id, const char *user, struct world_plan *ret)
{
	char body[512];

	(void)snprintf(body, sizeof(body), CHAT("gpt-4o-mini", "Write.", "%s"), user);
	ask_as(w, now, "k", id, "POST", "/openai/v1/chat/completions", NULL, body, ret);
}

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

static void push(
    struct world *w, const char *email, const char *campaign, bool skip, struct world_plan *p)
{
	char body[256];

	(void)snprintf(body, sizeof(body),
	    "{\"campaign\":\"%s\",\"email\":\"%s\",\"first_name\":\"Ann\",\"custom_variables\":{"
	    "\"copy\":\"a\\/b\"},\"skip_if_in_campaign\":%s}",
	    campaign, email, skip ? "true" : "false");
	ask(w, "POST", "/instantly/api/v2/leads", NULL, body, p);
	world_delivered(w, p->token, now);
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

/* --- the providers --- */

static void zerobounce(void **state)
{
	struct world *w = world_of("services:\n  zerobounce: {keys: [{key: good, quota: 2}]}\n");
	struct world_plan p;

	ask(w, "GET", "/zerobounce/v2/validate",
	    "api_key=good&email=ann%2Bx%40acme.example&ip_address=", NULL, &p);
	assert_int_equal(p.status, 200);
	assert_string_equal(field(&p, "address"), "ann+x@acme.example");
	assert_string_equal(field(&p, "status"), "valid");
	assert_string_equal(field(&p, "account"), "ann+x");
	assert_string_equal(field(&p, "domain"), "acme.example");
	assert_string_equal(field(&p, "did_you_mean"), "(null)");
	assert_string_not_equal(field(&p, "processed_at"), "(none)");
	ask(w, "GET", "/zerobounce/v2/getcredits", "api_key=good", NULL, &p);
	assert_string_equal(field(&p, "Credits"), "1");
	ask(w, "GET", "/zerobounce/v2/getcredits", "api_key=bad", NULL, &p);
	assert_string_equal(field(&p, "Credits"), "-1");
	ask(w, "GET", "/zerobounce/v2/validate", "api_key=bad&email=a%40b.example", NULL, &p);
	assert_string_equal(field(&p, "error"), "Invalid API key");
	ask(w, "GET", "/zerobounce/v2/validate", "api_key=good", NULL, &p);
	assert_int_equal(p.status, 400);
	ask(w, "GET", "/zerobounce/v2/validate", "api_key=good&email=a%40b.example", NULL,
	    &p); /* the third: quota 2 */
	assert_int_equal(p.status, 200);
	assert_non_null(strstr(field(&p, "error"), "ran out of credits"));
	ask(w, "GET", "/zerobounce/v2/none", "api_key=good", NULL, &p);
	assert_int_equal(p.status, 404);
	world_free(w);
}

static void perplexity(void **state)
{
	struct world *w = world_of("services:\n  perplexity: {script: [{fault: quota, from: 7, "
				   "calls: 1}, {fault: error-200, from: 8, calls: 1}]}\n");
	struct world_plan p;

	for (int i = 0; i < 2; i++) { /* both names of the call */
		ask(w, "POST", i == 0 ? "/perplexity/chat/completions" : "/perplexity/v1/sonar",
		    NULL, CHAT("sonar", "Research.", "Company: Acme"), &p);
		assert_int_equal(p.status, 200);
		assert_string_equal(field(&p, "object"), "chat.completion");
		assert_non_null(strstr(field(&p, "choices.0.message.content"), "Acme"));
		assert_non_null(strstr(field(&p, "choices.0.message.content"), "[1]"));
		assert_memory_equal(field(&p, "citations.1"), "https://", 8);
		assert_memory_equal(field(&p, "search_results.0.url"), "https://", 8);
	}
	ask_as(w, now, "", "1", "POST", "/perplexity/chat/completions", NULL,
	    CHAT("sonar", "s", "u"), &p);
	assert_int_equal(p.status, 401);
	assert_memory_equal(p.body, "<html>", 6);
	assert_string_equal(header(&p, "Content-Type"), "text/html");
	ask(w, "POST", "/perplexity/chat/completions", NULL, "{\"model\":\"sonar\"}", &p);
	assert_int_equal(p.status, 422);
	assert_string_equal(field(&p, "detail.0.loc.1"), "messages");
	ask(w, "POST", "/perplexity/chat/completions", NULL, CHAT("nonsense", "s", "u"), &p);
	assert_int_equal(p.status, 400);
	ask(w, "POST", "/perplexity/chat/completions", NULL, "{", &p);
	assert_int_equal(p.status, 400);
	ask(w, "POST", "/perplexity/chat/completions", NULL, CHAT("sonar", "s", "u7"), &p);
	assert_int_equal(p.status, 401);
	assert_non_null(strstr(field(&p, "error.message"), "quota"));
	ask(w, "POST", "/perplexity/chat/completions", NULL, CHAT("sonar", "s", "u8"), &p);
	assert_int_equal(p.status, 200);
	assert_string_not_equal(field(&p, "error.message"), "(none)");
	world_free(w);
}

static void research_that_finds_nothing(void **state)
{
	struct world *w = world_of("services:\n  perplexity: {no_facts: 100%}\n");
	struct world_plan p;

	ask(w, "POST", "/perplexity/chat/completions", NULL, CHAT("sonar", "s", "u"), &p);
	assert_int_equal(p.status, 200);
	assert_string_equal(field(&p, "citations"), "[ ]");
	assert_int_equal(totals(w, WORLD_PERPLEXITY).billed_calls, 1);
	world_free(w);
}

static void openai_conditions(void **state)
{
	static const struct {
		const char *fault, *code, *type, *says;
		int status;
	} forms[] = {
	    {"throttle", "any", "requests", "rate_limit_exceeded", 429},
	    {"slow-down", "any", "rate_limit_error", "slow_down", 429},
	    {"quota", "insufficient_quota", "insufficient_quota", "insufficient_quota", 429},
	    {"quota", "none", "insufficient_quota", "(null)", 429},
	    {"quota", "credit_balance_exhausted", "insufficient_quota", "credit_balance_exhausted",
		429},
	    {"quota", "organization_spend_limit_exceeded", "insufficient_quota",
		"organization_spend_limit_exceeded", 429},
	    {"quota", "project_spend_limit_exceeded", "insufficient_quota",
		"project_spend_limit_exceeded", 429},
	    {"quota", "organization_usage_limit_exceeded", "insufficient_quota",
		"organization_usage_limit_exceeded", 429},
	    {"auth", "any", "invalid_request_error", "invalid_api_key", 401},
	    {"error-500", "any", "server_error", "(null)", 500},
	    {"overload", "any", "service_unavailable_error", "server_is_overloaded", 503},
	    {"error-200", "any", "server_error", "server_error", 200},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char yaml[160];
		struct world *w;
		struct world_plan p;

		(void)snprintf(yaml, sizeof(yaml),
		    "services:\n  openai: {quota_code: %s, script: [{fault: %s}]}\n", forms[i].code,
		    forms[i].fault);
		w = world_of(yaml);
		write_copy(w, "1", "Name: Ann", &p);
		assert_int_equal(p.status, forms[i].status);
		assert_string_equal(field(&p, "error.type"), forms[i].type);
		assert_string_equal(field(&p, "error.code"), forms[i].says);
		assert_string_equal(field(&p, "error.param"), "(null)");
		assert_int_equal(
		    header(&p, "Retry-After") != NULL, i < 2); /* not where only a person helps */
		world_free(w);
	}
}

static void openai_requests(void **state)
{
	struct world *w = world_of("services:\n  openai: {keys: [sk-1]}\n");
	struct world_plan p;

	ask_as(w, now, "sk-2", "1", "POST", "/openai/v1/chat/completions", NULL,
	    CHAT("gpt-4o-mini", "s", "u"), &p);
	assert_int_equal(p.status, 401);
	ask_as(w, now, "sk-1", "1", "POST", "/openai/v1/chat/completions", NULL,
	    CHAT("gpt-9", "s", "u"), &p);
	assert_int_equal(p.status, 404);
	assert_string_equal(field(&p, "error.code"), "model_not_found");
	ask_as(w, now, "sk-1", "1", "POST", "/openai/v1/chat/completions", NULL,
	    "{\"model\":\"gpt-4o-mini\"}", &p);
	assert_int_equal(p.status, 400);
	assert_string_equal(field(&p, "error.param"), "messages");
	ask_as(w, now, "sk-1", "1", "POST", "/openai/v1/chat/completions", NULL,
	    "{\"model\":\"gpt-4o-mini-2024-07-18\",\"max_tokens\":10,\"messages\":[{\"role\":"
	    "\"user\",\"content\":\"u\"}]}",
	    &p);
	assert_int_equal(p.status, 200);
	assert_string_equal(field(&p, "choices.0.finish_reason"), "length");
	assert_string_equal(field(&p, "usage.completion_tokens"), "10");
	ask_as(w, now, "sk-1", "1", "GET", "/openai/v1/models", NULL, NULL, &p);
	assert_string_equal(field(&p, "data.0.id"), "gpt-4o-mini");
	world_free(w);
	w = world_of("services:\n  openai: {copy: {refused: 100%}}\n");
	write_copy(w, "1", "Name: Ann", &p);
	assert_string_equal(field(&p, "choices.0.message.content"), "(null)");
	assert_string_not_equal(field(&p, "choices.0.message.refusal"), "(null)");
	world_free(w);
}

static void openai_by_schema(void **state)
{
	struct world *w = world_of("");
	struct world_plan p;
	struct json_object *v = NULL;
	const char *text;

	ask(w, "POST", "/openai/v1/chat/completions", NULL,
	    "{\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"First name: "
	    "Zoe\\nCompany: Acme\"}],\"response_format\":"
	    "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"m\",\"schema\":{\"type\":"
	    "\"object\",\"properties\":{\"subject\":{\"type\":\"string\"},"
	    "\"body\":{\"type\":\"string\"},\"fit\":{\"type\":\"integer\"},\"tone\":{\"enum\":["
	    "\"warm\"]},\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}}}}",
	    &p);
	assert_int_equal(p.status, 200);
	text = field(&p, "choices.0.message.content");
	assert_int_equal(json_parse(text, strlen(text), &v, NULL), 0);
	assert_true(json_object_is_type(json_object_object_get(v, "fit"), json_type_int));
	assert_true(json_object_is_type(json_object_object_get(v, "tags"), json_type_array));
	assert_string_equal(json_object_get_string(json_object_object_get(v, "tone")), "warm");
	assert_memory_equal(
	    json_object_get_string(json_object_object_get(v, "body")), "Hi Zoe,", 7);
	json_object_put(v);
	world_free(w);
}

static void instantly(void **state)
{
	struct world *w = world_of("");
	struct world_plan p;
	char email[32], cursor[64] = "";
	int seen = 0;

	push(w, "p0@b.example", "c", true, &p);
	assert_int_equal(p.status, 200);
	assert_string_equal(field(&p, "email"), "p0@b.example");
	assert_string_equal(field(&p, "campaign"), "c");
	assert_string_equal(field(&p, "payload.copy"), "a/b");
	assert_string_equal(field(&p, "company_domain"), "b.example");
	push(w, "P0@B.example", "c", true, &p);
	assert_int_equal(p.status, 409);
	assert_string_equal(field(&p, "statusCode"), "409");
	assert_string_equal(field(&p, "error"), "Conflict");
	for (int i = 1; i < 250; i++) {
		(void)snprintf(email, sizeof(email), "p%d@b.example", i);
		push(w, email, i % 2 == 0 ? "c" : "d", true, &p);
		assert_int_equal(p.status, 200);
	}
	for (;;) { /* pages of 100 until an empty or short one */
		char body[160];

		(void)snprintf(body, sizeof(body), "{\"campaign\":\"c\",\"limit\":25%s%s%s}",
		    cursor[0] != '\0' ? ",\"starting_after\":\"" : "", cursor,
		    cursor[0] != '\0' ? "\"" : "");
		ask(w, "POST", "/instantly/api/v2/leads/list", NULL, body, &p);
		for (int i = 0; i < 25; i++) {
			char path[24];

			(void)snprintf(path, sizeof(path), "items.%d.campaign", i);
			seen += strcmp(field(&p, path), "c") == 0;
		}
		(void)snprintf(cursor, sizeof(cursor), "%s", field(&p, "next_starting_after"));
		if (strcmp(cursor, "(none)") == 0) {
			break;
		}
	}
	assert_int_equal(seen, 125); /* a cursor came with the last full page, then an empty one */
	ask(w, "POST", "/instantly/api/v2/leads/list", NULL,
	    "{\"contacts\":[\"p7@b.example\",\"P9@b.example\",\"nobody@b.example\"],\"limit\":100}",
	    &p);
	assert_string_equal(field(&p, "items.0.email"), "p7@b.example");
	assert_string_equal(field(&p, "items.1.email"), "p9@b.example");
	assert_string_equal(field(&p, "items.2"), "(none)");
	ask(w, "POST", "/instantly/api/v2/leads/list", NULL, "{\"search\":\"p8@b.example\"}", &p);
	assert_string_equal(field(&p, "items.0.email"), "p8@b.example");
	ask(w, "POST", "/instantly/api/v2/leads/list", NULL, "{\"limit\":101}", &p);
	assert_int_equal(p.status, 400);
	world_free(w);
}

static void instantly_refuses(void **state)
{
	static const char *const bad[] = {"{\"campaign\":\"c\"}",
	    "{\"campaign\":\"c\",\"email\":\"x\"}", "{\"campaign\":\"c\",\"email\":5}",
	    "{\"campaign\":\"c\",\"email\":\"a@b.example\",\"colour\":1}",
	    "{\"campaign\":\"c\",\"email\":\"a@b.example\",\"custom_variables\":{\"x\":[]}}", "[",
	    "[]"};
	struct world *w = world_of("services:\n  instantly: {campaigns: [known], script: [{fault: "
				   "billing, from: 10, calls: 1}]}\n");
	struct world_plan p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ask(w, "POST", "/instantly/api/v2/leads", NULL, bad[i], &p);
		assert_int_equal(p.status, 400);
		assert_string_equal(field(&p, "error"), "Bad Request");
	}
	ask(w, "POST", "/instantly/api/v2/leads", NULL,
	    "{\"campaign\":\"unknown\",\"email\":\"a@b.example\"}", &p);
	assert_int_equal(p.status, 404);
	ask(w, "GET", "/instantly/api/v2/campaigns/known", NULL, NULL, &p);
	assert_int_equal(p.status, 200);
	assert_string_equal(field(&p, "status"), "1");
	ask(w, "GET", "/instantly/api/v2/campaigns", NULL, NULL, &p);
	assert_int_equal(p.status, 402);
	ask_as(w, now, "", "1", "GET", "/instantly/api/v2/campaigns", NULL, NULL, &p);
	assert_int_equal(p.status, 401);
	world_free(w);
}

static void instantly_campaigns(void **state)
{
	struct world *w = world_of("");
	struct world_plan p;
	char path[96];

	ask(w, "POST", "/instantly/api/v2/campaigns", NULL, "{\"name\":\"Autumn\"}", &p);
	assert_int_equal(p.status, 400);
	ask(w, "POST", "/instantly/api/v2/campaigns", NULL,
	    "{\"name\":\"Autumn\",\"campaign_schedule\":{\"schedules\":[]}}", &p);
	assert_int_equal(p.status, 200);
	assert_string_equal(field(&p, "status"), "0");
	(void)snprintf(
	    path, sizeof(path), "/instantly/api/v2/campaigns/%s/activate", field(&p, "id"));
	ask(w, "POST", path, NULL, NULL, &p);
	assert_string_equal(field(&p, "status"), "1");
	ask(w, "GET", "/instantly/api/v2/campaigns", "search=autu&limit=10", NULL, &p);
	assert_string_equal(field(&p, "items.0.name"), "Autumn");
	ask(w, "GET", "/instantly/api/v2/campaigns", "search=spring", NULL, &p);
	assert_string_equal(field(&p, "items"), "[ ]");
	world_free(w);
}

static void services_by_host(void **state)
{
	struct world *w = world_of("");
	struct world_header headers[] = {{"authorization", "bearer k"}};
	struct world_request r = {.method = "GET",
	    .host = "api.openai.com:443",
	    .path = "/v1/models",
	    .headers = headers,
	    .n_headers = 1};
	struct world_plan p;

	world_handle(w, &r, now, &p);
	assert_int_equal(p.service, WORLD_OPENAI);
	assert_int_equal(p.status, 200);
	r.host = "notopenai.com";
	world_handle(w, &r, now, &p);
	assert_int_equal(p.status, 404);
	world_free(w);
}

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
	    cmocka_unit_test(zerobounce),
	    cmocka_unit_test(perplexity),
	    cmocka_unit_test(research_that_finds_nothing),
	    cmocka_unit_test(openai_conditions),
	    cmocka_unit_test(openai_requests),
	    cmocka_unit_test(openai_by_schema),
	    cmocka_unit_test(instantly),
	    cmocka_unit_test(instantly_refuses),
	    cmocka_unit_test(instantly_campaigns),
	    cmocka_unit_test(services_by_host),
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
