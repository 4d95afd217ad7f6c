/*
 * lib/sim/zerobounce.c: ZeroBounce v2: validate and getcredits.
 *
 * The key stands in the query. A refused key or an empty account is a 200 with `error` in it, as
 * the provider's own client libraries expect (the documents name no other form); getcredits says -1
 * then.
 */
#include "lib/sim/model.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/text.h"

/* One plausible sub-status per verdict; several where the provider has several. */
static const char *const sub_statuses[VERDICT_N][4] = {
    [VERDICT_VALID] = {"", "", "", "alias_address"},
    [VERDICT_INVALID] = {"mailbox_not_found", "no_dns_entries", "does_not_accept_mail",
	"failed_syntax_check"},
    [VERDICT_CATCH_ALL] = {"", "", "", "role_based_catch_all"},
    [VERDICT_UNKNOWN] = {"greylisted", "mail_server_temporary_error", "timeout_exceeded",
	"antispam_system"},
    [VERDICT_DO_NOT_MAIL] = {"role_based", "disposable", "toxic", "global_suppression"},
    [VERDICT_SPAMTRAP] = {"", "", "", ""},
    [VERDICT_ABUSE] = {"", "", "", ""},
};

static enum world_endpoint route(const char *method, const char *path)
{
	if (strcmp(path, "/v2/validate") == 0 && strcmp(method, "GET") == 0) {
		return EP_VALIDATE;
	}
	if (strcmp(path, "/v2/getcredits") == 0 && strcmp(method, "GET") == 0) {
		return EP_GETCREDITS;
	}
	return EP_N;
}

static const char *credential(struct ask *q)
{
	struct value key = ask_query(q, "api_key");

	return key.kind == VALUE_STRING ? key.text : NULL;
}

static int read(struct ask *q)
{
	q->subject = ask_query(q, "email");
	q->meaning =
	    ask_meaning(q, q->subject.text, q->subject.kind == VALUE_STRING ? q->subject.len : 0);
	if (q->endpoint == EP_VALIDATE && value_is_blank(&q->subject)) {
		ask_bad(q, 400, "email", "Missing parameter: email is required");
	}
	return 0;
}

static void add_field(struct buf *b, const char *name, const char *text)
{
	buf_printf(b, ",\"%s\":", name);
	json_add(b, text);
}

static void write_verdict(struct ask *q, enum verdict verdict, uint64_t draw)
{
	const char *at = memchr(q->subject.text, '@', q->subject.len);
	size_t local = at != NULL ? (size_t)(at - q->subject.text) : q->subject.len;
	const char *domain = at != NULL ? at + 1 : "";
	bool reached = verdict != VERDICT_INVALID;
	char when[25];
	struct buf *b = q->body;

	time_write_utc(q->now.wall_us, when);
	when[10] = ' ';
	when[23] = '\0';
	buf_add_text(b, "{\"address\":");
	json_write_string(b, q->subject.text, q->subject.len);
	add_field(b, "status", verdict_words[verdict]);
	add_field(b, "sub_status", sub_statuses[verdict][draw / PPM % 4]);
	buf_add_text(b, ",\"account\":");
	json_write_string(b, q->subject.text, local);
	add_field(b, "domain", domain);
	buf_printf(b, ",\"free_email\":%s,\"did_you_mean\":null,\"domain_age_days\":\"%u\"",
	    strcmp(domain, "gmail.com") == 0 ? "true" : "false", (unsigned)(draw / 7 % 9000) + 30);
	add_field(b, "smtp_provider", reached ? "generic" : "");
	buf_printf(b, ",\"mx_found\":\"%s\",\"mx_record\":\"", reached ? "true" : "false");
	if (reached) {
		buf_add_text(b, "mx.");
		json_write_escaped(b, domain, strlen(domain));
	}
	buf_add_text(b, "\",\"firstname\":null,\"lastname\":null,\"gender\":null,\"country\":null,"
			"\"region\":null,\"city\":null,\"zipcode\":null");
	add_field(b, "processed_at", when);
	buf_add_char(b, '}');
}

static int answer(struct ask *q, struct world_plan *p)
{
	uint64_t draw = ask_draw(q, "verdict");
	enum verdict verdict;

	plan_json(p, 200);
	if (q->endpoint == EP_GETCREDITS) {
		buf_printf(q->body, "{\"Credits\":\"%" PRIu64 "\"}",
		    q->key_left != UINT64_MAX ? q->key_left : UINT64_C(100000));
		return 0;
	}
	verdict = (enum verdict)draw_share(draw, q->s->verdict_ppm, VERDICT_N);
	if (memchr(q->subject.text, '@', q->subject.len) == NULL) {
		verdict = VERDICT_INVALID;
	}
	write_verdict(q, verdict, draw);
	q->ledger = true;
	q->price_micro = q->s->validate_micro;
	q->again = verdict == VERDICT_UNKNOWN ? AGAIN_UNKNOWN : AGAIN_NEVER;
	return 0;
}

static void refuse(
    struct ask *q, enum refusal why, bool tokens, int64_t wait_us, struct world_plan *p)
{
	static const struct {
		int status;
		const char *text;
	} forms[] = {
	    [REFUSAL_BAD] = {400, NULL},
	    [REFUSAL_PATH] = {404, "Not found"},
	    [REFUSAL_AUTH] = {200, "Invalid API key"},
	    [REFUSAL_THROTTLE] = {429, "Too many requests"},
	    [REFUSAL_SLOW_DOWN] = {403, "Forbidden: too many requests, temporarily blocked"},
	    [REFUSAL_QUOTA] = {200, "Invalid API key or your account ran out of credits"},
	    [REFUSAL_BILLING] = {402, "Payment required"},
	    [REFUSAL_500] = {500, "Internal server error"},
	    [REFUSAL_OVERLOAD] = {529, "The service is overloaded"},
	    [REFUSAL_200] = {200, "An internal error occurred, please try again"},
	};

	plan_json(p, forms[why].status);
	plan_retry_after(q, p, wait_us);
	if (q->endpoint == EP_GETCREDITS && why == REFUSAL_AUTH) {
		buf_add_text(q->body, "{\"Credits\":\"-1\"}");
		return;
	}
	buf_add_text(q->body, "{\"error\":");
	json_add(q->body, why == REFUSAL_BAD ? q->bad : forms[why].text);
	buf_add_char(q->body, '}');
}

const struct model model_zerobounce = {.host = "zerobounce.net",
    .route = route,
    .credential = credential,
    .read = read,
    .answer = answer,
    .refuse = refuse,
    .bills_all = true};
