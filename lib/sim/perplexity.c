/*
 * lib/sim/perplexity.c: Perplexity Sonar: one chat call under its two paths, with sources and its
 * own price.
 *
 * No limit headers and no Retry-After of its own accord (none are documented). A refused key is
 * answered by the edge with an HTML page; used-up credit as a 401 in JSON (what users report; not
 * documented).
 */
#include "lib/sim/model.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/text.h"

/* Micro-units per token in and out, and per request at low search context. */
static const struct price {
	const char *model;
	int64_t in, out, request;
} prices[] = {
    {"sonar", 1, 1, 5000},
    {"sonar-pro", 3, 15, 6000},
    {"sonar-reasoning-pro", 2, 8, 6000},
    {"sonar-deep-research", 2, 8, 14000},
};

static const struct price *price_of(const struct value *model)
{
	for (size_t i = 0; i < sizeof(prices) / sizeof(prices[0]); i++) {
		if (strlen(prices[i].model) == model->len &&
		    memcmp(prices[i].model, model->text, model->len) == 0) {
			return &prices[i];
		}
	}
	return NULL;
}

static enum world_endpoint route(const char *method, const char *path)
{
	if (strcmp(method, "POST") == 0 &&
	    (strcmp(path, "/chat/completions") == 0 || strcmp(path, "/v1/sonar") == 0)) {
		return EP_RESEARCH;
	}
	return EP_N;
}

static int read(struct ask *q)
{
	int rc = chat_read(q);

	if (rc == 0 && q->bad == NULL && price_of(&q->subject) == NULL) {
		ask_bad(q, 400, NULL,
		    "Invalid model '%.*s'. Permitted models can be found in the documentation.",
		    (int)(q->subject.len < 100 ? q->subject.len : 100), q->subject.text);
	} else if (q->bad != NULL && q->bad_field != NULL) {
		q->bad_status = 422;
	}
	return rc;
}

static void write_sources(struct ask *q, size_t n, uint64_t draw)
{
	struct buf *b = q->body;

	buf_add_text(b, ",\"citations\":[");
	for (size_t i = 0; i < n; i++) {
		buf_printf(b, "%s\"https://news%zu.example.org/%04x\"", i > 0 ? "," : "", i + 1,
		    (unsigned)(draw >> i & 0xffff));
	}
	buf_add_text(b, "],\"search_results\":[");
	for (size_t i = 0; i < n; i++) {
		buf_printf(b,
		    "%s{\"title\":\"Report %zu\",\"url\":\"https://news%zu.example.org/%04x\","
		    "\"date\":\"2026-%02u-%02u\",\"last_updated\":null,\"snippet\":\"…\","
		    "\"source\":\"web\"}",
		    i > 0 ? "," : "", i + 1, i + 1, (unsigned)(draw >> i & 0xffff),
		    (unsigned)(draw % 9) + 1, (unsigned)(draw / 9 % 28) + 1);
	}
	buf_add_char(b, ']');
}

static void write_usage(struct ask *q, const struct price *price, size_t bytes)
{
	uint64_t in = q->tokens_in, out = chat_tokens(bytes);
	int64_t in_cost = (int64_t)in * price->in, out_cost = (int64_t)out * price->out;
	struct buf *b = q->body;

	q->price_micro = in_cost + out_cost + price->request;
	buf_printf(b,
	    ",\"usage\":{\"prompt_tokens\":%" PRIu64 ",\"completion_tokens\":%" PRIu64
	    ",\"total_tokens\":%" PRIu64,
	    in, out, in + out);
	buf_printf(b,
	    ",\"search_context_size\":\"low\",\"cost\":{\"input_tokens_cost\":%" PRId64
	    ".%06" PRId64,
	    in_cost / 1000000, in_cost % 1000000);
	buf_printf(b, ",\"output_tokens_cost\":%" PRId64 ".%06" PRId64, out_cost / 1000000,
	    out_cost % 1000000);
	buf_printf(b, ",\"request_cost\":%" PRId64 ".%06" PRId64, price->request / 1000000,
	    price->request % 1000000);
	buf_printf(b, ",\"total_cost\":%" PRId64 ".%06" PRId64 "}}", q->price_micro / 1000000,
	    q->price_micro % 1000000);
}

/* The findings, in the form the client wants. */
static int write_content(struct ask *q, uint64_t draw, bool found, struct buf *content)
{
	struct buf text = {0};
	int rc;

	chat_find_lead(q);
	if (found) {
		prose_facts(&text, &q->lead, draw);
	} else if (q->schema.kind != VALUE_JSON) {
		buf_add_text(&text,
		    "I could not find any reliable information about this person or organisation.");
	}
	rc = text.failed ? LEAD_ENOMEM
			 : chat_form(q, draw, text.data != NULL ? text.data : "", content);
	buf_free(&text);
	return rc != 0 ? rc : content->failed ? LEAD_ENOMEM : 0;
}

static int answer(struct ask *q, struct world_plan *p)
{
	uint64_t draw = ask_draw(q, "facts");
	bool found = ask_draw(q, "found") % PPM >= q->s->no_facts_ppm;
	const struct price *price = price_of(&q->subject);
	struct buf content = {0};
	int rc = write_content(q, draw, found, &content);

	if (rc == LEAD_ENOMEM) {
		buf_free(&content);
		return rc;
	}
	plan_json(p, 200);
	buf_printf(q->body,
	    "{\"id\":\"%016" PRIx64 "\",\"model\":\"%s\",\"created\":%" PRId64
	    ",\"object\":\"chat.completion\"",
	    ask_roll(q, "id"), price->model, q->now.wall_us / US_PER_S);
	write_usage(q, price, content.len);
	write_sources(q, found ? prose_sources(draw) : 0, draw);
	buf_add_text(q->body, ",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{"
			      "\"role\":\"assistant\",\"content\":");
	json_write_string(q->body, content.data != NULL ? content.data : "", content.len);
	buf_add_text(q->body, "},\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}");
	q->ledger = true;
	q->outcome = found ? ACCOUNT_OK : ACCOUNT_EMPTY;
	buf_free(&content);
	return 0;
}

static void refuse_bad(struct ask *q, struct world_plan *p)
{
	plan_json(p, q->bad_status);
	if (q->bad_status == 422) {
		buf_printf(q->body,
		    "{\"detail\":[{\"loc\":[\"body\",\"%s\"],\"msg\":\"Field "
		    "required\",\"type\":\"missing\"}]}",
		    q->bad_field);
		return;
	}
	buf_add_text(q->body, "{\"error\":{\"message\":");
	json_add(q->body, q->bad);
	buf_add_text(q->body, ",\"type\":\"invalid_request\",\"code\":400}}");
}

static void refuse(
    struct ask *q, enum refusal why, bool tokens, int64_t wait_us, struct world_plan *p)
{
	static const struct {
		int status;
		const char *type, *text;
	} forms[] = {
	    [REFUSAL_PATH] = {404, "not_found", "Not found"},
	    [REFUSAL_THROTTLE] = {429, "rate_limit_exceeded",
		"Request rate limit exceeded, please try again later"},
	    [REFUSAL_SLOW_DOWN] = {429, "rate_limit_exceeded",
		"Request rate limit exceeded, please try again later"},
	    [REFUSAL_QUOTA] = {401, "insufficient_quota",
		"You exceeded your current quota, please check your plan and billing details"},
	    [REFUSAL_BILLING] = {402, "payment_required", "Payment required"},
	    [REFUSAL_500] = {500, "internal_server_error", "Internal server error"},
	    [REFUSAL_OVERLOAD] = {529, "overloaded", "The service is overloaded"},
	    [REFUSAL_200] = {200, "internal_server_error", "The model failed to answer"},
	};

	if (why == REFUSAL_BAD) {
		refuse_bad(q, p);
		return;
	}
	if (why == REFUSAL_AUTH) {
		p->status = 401;
		plan_header(p, "Content-Type", "text/html");
		buf_add_text(q->body,
		    "<html>\r\n<head><title>401 Authorization Required</title></head>\r\n<body>\r\n"
		    "<center><h1>401 Authorization "
		    "Required</h1></center>\r\n</body>\r\n</html>\r\n");
		return;
	}
	plan_json(p, forms[why].status);
	plan_retry_after(q, p, wait_us);
	buf_printf(q->body, "{\"error\":{\"message\":\"%s\",\"type\":\"%s\",\"code\":%d}}",
	    forms[why].text, forms[why].type, forms[why].status);
}

const struct model model_perplexity = {.host = "perplexity.ai",
    .route = route,
    .credential = ask_bearer,
    .read = read,
    .answer = answer,
    .refuse = refuse,
    .bills_all = true};
