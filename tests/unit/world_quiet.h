/* tests/unit/world_quiet.h: a world of the first four services without limits, latency and flaws, and calls to it. */
#pragma once

#include "lib/sim/scenario.h"
#include "tests/unit/world_answer.h"

#define SEC US_PER_S
#define MIDNIGHT (INT64_C(20000) * US_PER_DAY)
#define CHAT(model, system, user)                                                                  \
	"{\"model\":\"" model "\",\"messages\":[{\"role\":\"system\",\"content\":\"" system        \
	"\"},{\"role\":\"user\",\"content\":\"" user "\"}]}"

static struct now now = {1000 * SEC, MIDNIGHT + 3600 * SEC};

static inline struct now at(int64_t us)
{
	return (struct now){1000 * SEC + us, MIDNIGHT + 3600 * SEC + us};
}

/* A world of this scenario, on top of one without limits, latency and flaws. */
static inline struct world *world_of(const char *yaml)
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
static inline void ask_as(struct world *w, struct now when, const char *key, const char *id,
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

static inline void ask(struct world *w, const char *method, const char *path, const char *query,
    const char *body, struct world_plan *ret)
{
	ask_as(w, now, "k", "0000000000000001", method, path, query, body, ret);
}

static inline void validate(
    struct world *w, struct now when, const char *id, const char *email, struct world_plan *ret)
{
	char query[128];

	(void)snprintf(query, sizeof(query), "api_key=k&email=%s", email);
	ask_as(w, when, "", id, "GET", "/zerobounce/v2/validate", query, NULL, ret);
}

static inline void write_copy(struct world *w, const char *id, const char *user, struct world_plan *ret)
{
	char body[512];

	(void)snprintf(body, sizeof(body), CHAT("gpt-4o-mini", "Write.", "%s"), user);
	ask_as(w, now, "k", id, "POST", "/openai/v1/chat/completions", NULL, body, ret);
}

static inline void push(
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
