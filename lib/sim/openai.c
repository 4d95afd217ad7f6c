/*
 * lib/sim/openai.c: OpenAI: chat completions and the list of models.
 *
 * Every answer but a refused key carries x-ratelimit headers; the reset values are Go durations and
 * tell when the bucket is full again. Seven conditions share status 429; error.code keeps them
 * apart. Retry-After comes with those that waiting cures.
 */
#include "lib/sim/model.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/text.h"

/* Hundredths of a currency unit per million tokens. */
static const struct price {
	const char *model;
	uint64_t in, out;
} prices[] = {
    {"gpt-4o-mini", 15, 60},
    {"gpt-3.5-turbo", 50, 150},
    {"gpt-4o", 250, 1000},
    {"gpt-4.1-mini", 40, 160},
    {"gpt-4.1", 200, 800},
};

/* Dated names such as gpt-4o-mini-2024-07-18 are the same model. */
static const struct price *price_of(const struct value *model)
{
	for (size_t i = 0; i < sizeof(prices) / sizeof(prices[0]); i++) {
		size_t len = strlen(prices[i].model);

		if (model->len >= len && memcmp(model->text, prices[i].model, len) == 0 &&
		    (model->len == len ||
			(model->len > len + 1 && model->text[len] == '-' &&
			    model->text[len + 1] >= '0' && model->text[len + 1] <= '9'))) {
			return &prices[i];
		}
	}
	return NULL;
}

static enum world_endpoint route(const char *method, const char *path)
{
	if (strcmp(path, "/v1/chat/completions") == 0 && strcmp(method, "POST") == 0) {
		return EP_COPY;
	}
	if (strcmp(path, "/v1/models") == 0 && strcmp(method, "GET") == 0) {
		return EP_MODELS;
	}
	return EP_N;
}

static int read(struct ask *q)
{
	int rc;

	if (q->endpoint == EP_MODELS) {
		q->meaning = ask_meaning(q, "", 0);
		return 0;
	}
	rc = chat_read(q);
	if (rc == 0 && q->bad == NULL && price_of(&q->subject) == NULL) {
		ask_bad(q, 404, NULL,
		    "The model `%.*s` does not exist or you do not have access to it.",
		    (int)(q->subject.len < 100 ? q->subject.len : 100), q->subject.text);
	}
	return rc;
}

/* Go's time.Duration as the provider prints it: 12ms, 1s, 6m0s. */
static const char *go_duration(struct arena *a, int64_t us)
{
	int64_t ms = (us + US_PER_MS - 1) / US_PER_MS, s = ms / 1000;

	if (ms < 1000) {
		return arena_printf(a, "%" PRId64 "ms", ms);
	}
	if (s >= 3600) {
		return arena_printf(
		    a, "%" PRId64 "h%" PRId64 "m%" PRId64 "s", s / 3600, s / 60 % 60, s % 60);
	}
	if (s >= 60) {
		return arena_printf(a, "%" PRId64 "m%" PRId64 "s", s / 60, s % 60);
	}
	return ms % 1000 == 0 ? arena_printf(a, "%" PRId64 "s", s)
			      : arena_printf(a, "%" PRId64 ".%03" PRId64 "s", s, ms % 1000);
}

static void limit_headers(
    struct ask *q, struct world_plan *p, const struct ask_window *w, const char *const names[3])
{
	if (w->known) {
		plan_header(p, names[0], arena_printf(q->a, "%" PRIu64, w->max));
		plan_header(p, names[1], arena_printf(q->a, "%" PRIu64, w->left));
		plan_header(p, names[2], go_duration(q->a, w->reset_us));
	}
}

static void own_headers(struct ask *q, struct world_plan *p)
{
	static const char *const requests[] = {"x-ratelimit-limit-requests",
	    "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"};
	static const char *const tokens[] = {
	    "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"};

	plan_header(
	    p, "x-request-id", arena_printf(q->a, "req_%016" PRIx64, ask_roll(q, "request")));
	limit_headers(q, p, &q->requests, requests);
	limit_headers(q, p, &q->tokens, tokens);
}

static void write_models(struct ask *q)
{
	buf_add_text(q->body, "{\"object\":\"list\",\"data\":[");
	for (size_t i = 0; i < sizeof(prices) / sizeof(prices[0]); i++) {
		buf_printf(q->body,
		    "%s{\"id\":\"%s\",\"object\":\"model\",\"created\":1700000000,\"owned_by\":"
		    "\"system\"}",
		    i > 0 ? "," : "", prices[i].model);
	}
	buf_add_text(q->body, "]}");
}

/* The text, and what is wrong with it. */
static int write_text(struct ask *q, uint64_t draw, enum copy_flaw flaw, struct buf *ret)
{
	struct buf text = {0};
	int rc;

	chat_find_lead(q);
	prose_email(&text, &q->lead, draw, flaw);
	rc = text.data == NULL || text.failed ? LEAD_ENOMEM : chat_form(q, draw, text.data, ret);
	buf_free(&text);
	return rc != 0 ? rc : ret->failed ? LEAD_ENOMEM : 0;
}

static void write_choice(
    struct ask *q, const struct buf *text, enum copy_flaw flaw, const char *finish)
{
	buf_printf(q->body,
	    ",\"choices\":[{\"index\":0,\"finish_reason\":\"%s\",\"logprobs\":null,"
	    "\"message\":{\"role\":\"assistant\",\"content\":",
	    finish);
	if (flaw == COPY_REFUSED) {
		buf_add_text(
		    q->body, "null,\"refusal\":\"I'm sorry, but I can't help with that.\"");
	} else {
		json_write_string(q->body, text->data, text->len);
		buf_add_text(q->body, ",\"refusal\":null");
	}
	buf_add_text(q->body, ",\"annotations\":[]}}]");
}

static void write_usage(struct ask *q, uint64_t out)
{
	const struct price *price = price_of(&q->subject);

	/* hundredths of a unit per million tokens are 1e-2 micro-units per token */
	q->price_micro = (int64_t)((q->tokens_in * price->in + out * price->out + 99) / 100);
	buf_printf(q->body,
	    ",\"usage\":{\"prompt_tokens\":%" PRIu64 ",\"completion_tokens\":%" PRIu64
	    ",\"total_tokens\":%" PRIu64
	    ",\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},"
	    "\"completion_tokens_details\":{\"reasoning_tokens\":0}},\"service_tier\":\"default\","
	    "\"system_fingerprint\":null}",
	    q->tokens_in, out, q->tokens_in + out);
}

static int answer(struct ask *q, struct world_plan *p)
{
	uint64_t draw = ask_draw(q, "copy"), out;
	enum copy_flaw flaw =
	    (enum copy_flaw)draw_share(ask_draw(q, "flaw"), q->s->copy_ppm, COPY_N);
	const char *finish = "stop";
	struct buf text = {0};

	own_headers(q, p);
	plan_json(p, 200);
	if (q->endpoint == EP_MODELS) {
		write_models(q);
		return 0;
	}
	if (write_text(q, draw, flaw, &text) != 0) {
		buf_free(&text);
		return LEAD_ENOMEM;
	}
	out = flaw == COPY_REFUSED ? 10 : chat_tokens(text.len);
	if (q->tokens_max > 0 && out > q->tokens_max) {
		out = q->tokens_max;
		text.len = out * 4 < text.len ? out * 4 : text.len;
		finish = "length";
		flaw = flaw == COPY_GOOD ? COPY_SHORT : flaw;
	}
	buf_printf(q->body,
	    "{\"id\":\"chatcmpl-%016" PRIx64
	    "\",\"object\":\"chat.completion\",\"created\":%" PRId64 ",\"model\":",
	    ask_roll(q, "id"), q->now.wall_us / US_PER_S);
	json_write_string(q->body, q->subject.text, q->subject.len);
	write_choice(q, &text, flaw, finish);
	write_usage(q, out);
	q->ledger = true;
	q->again = flaw != COPY_GOOD ? AGAIN_COPY : AGAIN_NEVER;
	buf_free(&text);
	return 0;
}

static void write_error(
    struct ask *q, const char *message, const char *type, const char *param, const char *code)
{
	buf_add_text(q->body, "{\"error\":{\"message\":");
	json_add(q->body, message);
	buf_add_text(q->body, ",\"type\":");
	json_add(q->body, type);
	buf_add_text(q->body, ",\"param\":");
	json_add(q->body, param);
	buf_add_text(q->body, ",\"code\":");
	json_add(q->body, code);
	buf_add_text(q->body, "}}");
}

static void refuse_quota(struct ask *q, struct world_plan *p)
{
	int code = q->s->quota_code;

	plan_json(p, 429);
	plan_header(p, "x-should-retry", "false");
	if (code == QUOTA_ANY) {
		code = (int)(ask_roll(q, "quota") % QUOTA_ANY);
	}
	write_error(q,
	    "You exceeded your current quota, please check your plan and billing details.",
	    "insufficient_quota", NULL, code == QUOTA_NO_CODE ? NULL : quota_words[code]);
}

static void refuse_throttle(struct ask *q, bool tokens, int64_t wait_us, struct world_plan *p)
{
	const char *what = tokens ? "tokens" : "requests";

	plan_json(p, 429);
	plan_retry_after(q, p, wait_us);
	if (wait_us > 0) {
		plan_header(p, "retry-after-ms",
		    arena_printf(q->a, "%" PRId64, (wait_us + US_PER_MS - 1) / US_PER_MS));
	}
	write_error(q,
	    tokens ? "Rate limit reached on tokens per min. Please try again later."
		   : "Rate limit reached on requests per min. Please try again later.",
	    what, NULL, "rate_limit_exceeded");
}

static void refuse(
    struct ask *q, enum refusal why, bool tokens, int64_t wait_us, struct world_plan *p)
{
	static const struct {
		int status;
		const char *type, *code, *text;
	} forms[] = {
	    [REFUSAL_PATH] = {404, "invalid_request_error", "unknown_url", "Invalid URL"},
	    [REFUSAL_AUTH] = {401, "invalid_request_error", "invalid_api_key",
		"Incorrect API key provided."},
	    [REFUSAL_SLOW_DOWN] = {429, "rate_limit_error", "slow_down",
		"Slow down: your request rate rose too quickly."},
	    [REFUSAL_BILLING] = {402, "insufficient_quota", "billing_not_active",
		"Your account is not active, please check your billing details."},
	    [REFUSAL_500] = {500, "server_error", NULL,
		"The server had an error while processing your request."},
	    [REFUSAL_OVERLOAD] = {503, "service_unavailable_error", "server_is_overloaded",
		"The server is overloaded, please try again later."},
	    [REFUSAL_200] = {200, "server_error", "server_error",
		"The server had an error while processing your request."},
	};

	if (why != REFUSAL_AUTH) {
		own_headers(q, p);
	}
	if (why == REFUSAL_QUOTA) {
		refuse_quota(q, p);
	} else if (why == REFUSAL_THROTTLE) {
		refuse_throttle(q, tokens, wait_us, p);
	} else if (why == REFUSAL_BAD) {
		plan_json(p, q->bad_status);
		write_error(q, q->bad, "invalid_request_error", q->bad_field,
		    q->bad_status == 404 ? "model_not_found" : NULL);
	} else {
		plan_json(p, forms[why].status);
		plan_retry_after(q, p, wait_us);
		write_error(q, forms[why].text, forms[why].type, NULL, forms[why].code);
	}
}

const struct model model_openai = {.host = "openai.com",
    .route = route,
    .credential = ask_bearer,
    .read = read,
    .answer = answer,
    .refuse = refuse,
    .bills_all = true,
    .tells_wait = true};
