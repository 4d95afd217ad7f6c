/*
 * lib/sim/apollo.c: Apollo: people search, enrichment of people and organisations, and the poll for
 * what takes longer.
 *
 *   route -> read -> answer: apollo_search | apollo_match | apollo_result | organisation | credits
 *
 * Inputs are read where the documents put them: in the query, only the people of a bulk match in
 * the body. The limit headers tell of the minute, the hour and the day; a window without a limit
 * has an empty one. Answers 401 and 403 carry none.
 */
#include "lib/sim/apollo.h"

#include <inttypes.h>
#include <string.h>

static enum world_endpoint route(const char *method, const char *path)
{
	static const struct {
		const char *method, *path;
		enum world_endpoint ep;
	} routes[] = {{"POST", "/mixed_people/api_search", EP_SEARCH_PEOPLE},
	    {"POST", "/people/match", EP_MATCH_PERSON},
	    {"POST", "/people/bulk_match", EP_MATCH_PEOPLE},
	    {"GET", "/organizations/enrich", EP_ENRICH_ORGANIZATION},
	    {"POST", "/usage_stats/credit_usage_stats", EP_CREDIT_USAGE}};

	path += strncmp(path, "/api/v1/", 8) == 0 ? 7 : 0;
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (strcmp(routes[i].method, method) == 0 && strcmp(routes[i].path, path) == 0) {
			return routes[i].ep;
		}
	}
	return strncmp(path, "/webhook_result/", 16) == 0 && strcmp(method, "GET") == 0
		   ? EP_WEBHOOK_RESULT
		   : EP_N;
}

static const char *credential(struct ask *q)
{
	const char *key = ask_header(q, "x-api-key");

	return key != NULL ? key : ask_bearer(q);
}

static int read(struct ask *q)
{
	if (ask_means(q, false) != 0) {
		return LEAD_ENOMEM;
	}
	if (q->endpoint == EP_MATCH_PERSON || q->endpoint == EP_MATCH_PEOPLE) {
		return apollo_match_read(q);
	}
	if (q->endpoint == EP_ENRICH_ORGANIZATION && ask_query_text(q, "domain") == NULL &&
	    ask_query_text(q, "name") == NULL && ask_query_text(q, "website") == NULL &&
	    ask_query_text(q, "linkedin_url") == NULL) {
		ask_bad(q, 422, NULL, "Please provide one of domain, linkedin_url, name, website");
	}
	return 0;
}

/* --- headers --- */

/* The window that tells about this much time: the tightest one, so that no client is led on. */
static const struct ask_window *window_of(const struct ask *q, int64_t above_us, int64_t to_us)
{
	const struct ask_window *tightest = NULL;

	for (size_t i = 0; i < SCENARIO_LIMITS; i++) {
		const struct ask_window *w = &q->windows[i];
		int64_t length_us = w->length_us != 0 ? w->length_us : US_PER_DAY;

		if (w->known && length_us > above_us && length_us <= to_us &&
		    (tightest == NULL || w->max < tightest->max)) {
			tightest = w;
		}
	}
	return tightest;
}

static void limit_headers(struct ask *q, struct world_plan *p)
{
	static const struct {
		const char *limit, *usage, *left;
		int64_t above_us, to_us;
	} spans[] = {
	    {"x-rate-limit-minute", "x-minute-usage", "x-minute-requests-left", 0, 60 * US_PER_S},
	    {"x-rate-limit-hourly", "x-hourly-usage", "x-hourly-requests-left", 60 * US_PER_S,
		3600 * US_PER_S},
	    {"x-rate-limit-24-hour", "x-24-hour-usage", "x-24-hour-requests-left", 3600 * US_PER_S,
		US_PER_DAY}};

	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		const struct ask_window *w = window_of(q, spans[i].above_us, spans[i].to_us);

		if (w == NULL) {
			plan_header(p, spans[i].limit, "");
			continue;
		}
		plan_header(p, spans[i].limit, arena_printf(q->a, "%" PRIu64, w->max));
		plan_header(p, spans[i].usage, arena_printf(q->a, "%" PRIu64, w->used));
		plan_header(p, spans[i].left,
		    arena_printf(q->a, "%" PRIu64, w->used < w->max ? w->max - w->used : 0));
	}
}

/* --- answers --- */

/* 400, `{"status":"failed","error_code":…,"error_message":…}`. */
static void invalid(struct ask *q, struct world_plan *p, const char *code, const char *message)
{
	plan_json(p, 400);
	buf_printf(
	    q->body, "{\"status\":\"failed\",\"error_code\":\"%s\",\"error_message\":", code);
	json_add(q->body, message);
	buf_add_char(q->body, '}');
}

/* The host of a website's address. */
static const char *host_of(struct ask *q, const char *url)
{
	const char *host = url != NULL ? strstr(url, "://") : NULL;

	host = host != NULL ? host + 3 : url;
	if (host == NULL) {
		return NULL;
	}
	host += strncmp(host, "www.", 4) == 0 ? 4 : 0;
	return arena_dup(q->a, host, strcspn(host, "/:?#"));
}

static int organisation(struct ask *q, struct world_plan *p)
{
	const char *domain = host_of(q, ask_query_text(q, "domain"));
	struct company c;

	domain = domain != NULL ? domain : host_of(q, ask_query_text(q, "website"));
	q->ledger = true;
	plan_json(p, 200);
	if (!people_company(q->s, domain, ask_query_text(q, "name"), &c)) {
		q->outcome = ACCOUNT_EMPTY;
		buf_add_text(q->body, "{\"organization\":null}");
		return 0;
	}
	q->price_micro = q->s->apollo.credit_micro;
	buf_add_text(q->body, "{\"organization\":");
	people_write_company(q->body, &c);
	buf_add_char(q->body, '}');
	return 0;
}

static int credits(struct ask *q, struct world_plan *p)
{
	uint64_t left = q->key_left != UINT64_MAX ? q->key_left : 100000;

	plan_json(p, 200);
	buf_printf(q->body,
	    "{\"lead_credit\":{\"limit\":%" PRIu64 ",\"consumed\":0,\"left_over\":%" PRIu64 "}}",
	    left, left);
	return 0;
}

static int answer(struct ask *q, struct world_plan *p)
{
	limit_headers(q, p);
	switch (q->endpoint) {
	case EP_SEARCH_PEOPLE:
		return apollo_search(q, p);
	case EP_MATCH_PERSON:
	case EP_MATCH_PEOPLE:
		return apollo_match(q, p);
	case EP_WEBHOOK_RESULT:
		return apollo_result(q, p);
	case EP_ENRICH_ORGANIZATION:
		return organisation(q, p);
	default:
		return credits(q, p);
	}
}

/* --- refusals --- */

/* One documented sample holds JSON text inside the message. */
static void refuse_throttle(struct ask *q, int64_t wait_us, struct world_plan *p)
{
	const struct ask_window *w = window_of(q, 0, US_PER_DAY);
	const char *text = arena_printf(q->a,
	    "The maximum number of api calls allowed for %s is %" PRIu64
	    " times per minute. Please upgrade your plan from "
	    "https://app.apollo.io/#/settings/plans/upgrade.",
	    q->path + (q->path[0] == '/'), w != NULL ? w->max : 0);

	plan_json(p, 429);
	limit_headers(q, p);
	plan_retry_after(q, p, wait_us);
	buf_add_text(q->body, "{\"message\":");
	if (ask_roll(q, "nested") % 4 == 0 && text != NULL) {
		struct buf inner = {0};

		buf_add_text(&inner, "{\"message\":");
		json_add(&inner, text);
		buf_add_char(&inner, '}');
		json_add(q->body, inner.data);
		buf_free(&inner);
	} else {
		json_add(q->body, text);
	}
	buf_add_char(q->body, '}');
}

static void refuse(
    struct ask *q, enum refusal why, bool tokens, int64_t wait_us, struct world_plan *p)
{
	static const struct {
		int status;
		const char *body;
	} forms[] = {
	    [REFUSAL_PATH] = {404, "{\"error\":\"Not found\"}"},
	    [REFUSAL_QUOTA] = {422,
		"{\"error\":\"Insufficient credits. Please upgrade your plan.\"}"},
	    [REFUSAL_BILLING] = {403, "{\"message\":\"This endpoint is only available to accounts "
				      "with paid plans. Please upgrade your plan.\"}"},
	    [REFUSAL_500] = {500, "{\"error\":\"Internal server error\"}"},
	    [REFUSAL_OVERLOAD] = {503, "{\"error\":\"Service temporarily unavailable\"}"},
	    [REFUSAL_200] = {200, "{\"status\":\"failed\",\"error_code\":\"UNKNOWN_ERROR\","
				  "\"error_message\":\"Something went wrong\"}"},
	};

	switch (why) {
	case REFUSAL_AUTH:
		p->status = 401;
		plan_header(p, "Content-Type", "text/plain; charset=utf-8");
		buf_add_text(q->body, "Invalid access credentials.");
		return;
	case REFUSAL_THROTTLE:
	case REFUSAL_SLOW_DOWN:
		refuse_throttle(q, wait_us, p);
		return;
	case REFUSAL_BAD:
		limit_headers(q, p);
		if (q->bad_status == 400) {
			invalid(
			    q, p, q->bad_field != NULL ? q->bad_field : "INVALID_REQUEST", q->bad);
			return;
		}
		plan_json(p, q->bad_status);
		buf_add_text(q->body, "{\"error\":");
		json_add(q->body, q->bad);
		buf_add_char(q->body, '}');
		return;
	default:
		plan_json(p, forms[why].status);
		plan_retry_after(q, p, wait_us);
		buf_add_text(q->body, forms[why].body);
	}
}

const struct model model_apollo = {.host = "apollo.io",
    .route = route,
    .credential = credential,
    .read = read,
    .answer = answer,
    .refuse = refuse,
    .tells_wait = true};
