/*
 * lib/sim/apify.c: Apify: runs of a scraper that brings people, and their data sets.
 *
 *   start -> READY -> RUNNING, items come in -> SUCCEEDED | FAILED with half of them
 *     '-> waitForFinish: the answer is held back until then, 60 s at most
 *
 * Any actor is the same scraper: `maxItems` in its input (or in the query, or the most it may cost)
 * says how many people of the set it brings, `offset` from where. Two runs with the same input are
 * two runs: nothing here tells whether the second was meant. A client that is in doubt lists the
 * runs; each remembers the User-Agent that started it.
 */
#include "lib/sim/apify.h"

#include <string.h>

static bool ends_with(const char *text, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len > n && memcmp(text + len - n, end, n) == 0;
}

static enum world_endpoint route_actor(const char *method, const char *rest)
{
	size_t len = strlen(rest);

	if (ends_with(rest, len, "/runs")) {
		return strcmp(method, "POST") == 0  ? EP_START_RUN
		       : strcmp(method, "GET") == 0 ? EP_LIST_RUNS
						    : EP_N;
	}
	return ends_with(rest, len, "/run-sync-get-dataset-items") && strcmp(method, "POST") == 0
		   ? EP_RUN_SYNC
		   : EP_N;
}

/* What follows the prefix; NULL when the path begins otherwise. */
static const char *behind(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(path, prefix, len) == 0 ? path + len : NULL;
}

static enum world_endpoint route(const char *method, const char *path)
{
	bool get = strcmp(method, "GET") == 0;
	const char *rest;

	if ((rest = behind(path, "/v2/actors/")) != NULL ||
	    (rest = behind(path, "/v2/acts/")) != NULL) {
		return route_actor(method, rest);
	}
	rest = behind(path, "/v2/actor-runs");
	if (get && rest != NULL && *rest == '\0') {
		return EP_LIST_RUNS;
	}
	if (get && rest != NULL && *rest == '/' && strchr(rest + 1, '/') == NULL) {
		return EP_GET_RUN;
	}
	rest = behind(path, "/v2/datasets/");
	return get && rest != NULL && ends_with(rest, strlen(rest), "/items") ? EP_DATASET_ITEMS
									      : EP_N;
}

static const char *credential(struct ask *q)
{
	const char *bearer = ask_bearer(q);

	return bearer != NULL ? bearer : ask_query_text(q, "token");
}

static int read(struct ask *q)
{
	if (ask_means(q, false) != 0) {
		return LEAD_ENOMEM;
	}
	return q->endpoint == EP_START_RUN || q->endpoint == EP_RUN_SYNC ? apify_read_input(q) : 0;
}

/* --- answers --- */

void apify_error(
    struct ask *q, struct world_plan *p, int status, const char *type, const char *message)
{
	plan_json(p, status);
	buf_printf(q->body, "{\"error\":{\"type\":\"%s\",\"message\":", type);
	json_add(q->body, message);
	buf_add_text(q->body, "}}");
}

/* How long the answer is held back until the run is over. */
static int64_t hold(struct ask *q, const struct sim_job *job, struct world_plan *p)
{
	int64_t most = (int64_t)ask_query_count(q, "waitForFinish", 0, 60, 0, 400) * US_PER_S,
		left = job->ready_us - q->now.boot_us;

	left = left < 0 ? 0 : left;
	if ((left < most ? left : most) > p->delay_us) {
		p->delay_us = left < most ? left : most;
	}
	return q->now.boot_us + p->delay_us;
}

static int answer_start(struct ask *q, struct world_plan *p)
{
	const struct sim_job *job;
	int rc = apify_start(q, p, &job);

	if (rc == 0 && job != NULL) {
		plan_json(p, 201);
		apify_write_run(q, job, hold(q, job, p));
	}
	return rc;
}

/* A run that takes longer than the answer may take goes on; its items are in its data set. */
static int answer_sync(struct ask *q, struct world_plan *p)
{
	const struct sim_job *job;
	int rc = apify_start(q, p, &job);

	if (rc != 0 || job == NULL) {
		return rc;
	}
	if (job->ready_us - job->start_us > APIFY_SYNC_US) {
		p->delay_us = APIFY_SYNC_US;
		apify_error(q, p, 408, "run-timeout-exceeded",
		    "Actor run exceeded the timeout of 300 seconds for this API endpoint");
		return 0;
	}
	p->delay_us += job->ready_us - job->start_us;
	if (job->fails) {
		apify_error(q, p, 400, "run-failed", "Actor run did not succeed");
		return 0;
	}
	return apify_items(q, p, job, job->ready_us, 201);
}

static int answer_run(struct ask *q, struct world_plan *p)
{
	const struct sim_job *job = apify_run_of(q, strrchr(q->path, '/') + 1, 'r');

	if (job == NULL) {
		apify_error(q, p, 404, "record-not-found", "Actor run was not found");
		return 0;
	}
	plan_json(p, 200);
	apify_write_run(q, job, hold(q, job, p));
	return 0;
}

static int answer_dataset(struct ask *q, struct world_plan *p)
{
	const struct sim_job *job = apify_run_of(q, q->path + 13, 'd');

	if (job == NULL) {
		apify_error(q, p, 404, "record-not-found", "Dataset was not found");
		return 0;
	}
	return apify_items(q, p, job, q->now.boot_us, 200);
}

static int answer(struct ask *q, struct world_plan *p)
{
	if (q->requests.known) {
		plan_header(p, "X-RateLimit-Limit",
		    arena_printf(q->a, "%llu", (unsigned long long)q->requests.max));
	}
	switch (q->endpoint) {
	case EP_START_RUN:
		return answer_start(q, p);
	case EP_RUN_SYNC:
		return answer_sync(q, p);
	case EP_GET_RUN:
		return answer_run(q, p);
	case EP_LIST_RUNS:
		return apify_list(q, p);
	default:
		return answer_dataset(q, p);
	}
}

static void refuse(
    struct ask *q, enum refusal why, bool tokens, int64_t wait_us, struct world_plan *p)
{
	static const struct {
		int status;
		const char *type, *message;
	} forms[] = {
	    [REFUSAL_PATH] = {404, "page-not-found", "We have bad news: there is no such endpoint"},
	    [REFUSAL_AUTH] = {401, "user-or-token-not-found",
		"User was not found or authentication token is not valid"},
	    [REFUSAL_THROTTLE] = {429, "rate-limit-exceeded",
		"You have exceeded the rate limit of this resource"},
	    [REFUSAL_SLOW_DOWN] = {429, "rate-limit-exceeded",
		"You have exceeded the rate limit of this resource"},
	    [REFUSAL_QUOTA] = {402, "not-enough-usage-to-run-paid-actor",
		"By launching this job you will exceed your remaining usage"},
	    [REFUSAL_BILLING] = {402, "limit-reached", "Monthly usage hard limit exceeded"},
	    [REFUSAL_500] = {500, "internal-error", "Unexpected error"},
	    [REFUSAL_OVERLOAD] = {503, "service-unavailable", "Service is unavailable"},
	    [REFUSAL_200] = {200, "internal-error", "Unexpected error"},
	};

	if (why == REFUSAL_BAD) {
		apify_error(q, p, q->bad_status,
		    q->bad_field != NULL ? q->bad_field : "invalid-request", q->bad);
	} else {
		apify_error(q, p, forms[why].status, forms[why].type, forms[why].message);
	}
	plan_retry_after(q, p, wait_us);
}

const struct model model_apify = {.host = "apify.com",
    .route = route,
    .credential = credential,
    .read = read,
    .answer = answer,
    .refuse = refuse};
