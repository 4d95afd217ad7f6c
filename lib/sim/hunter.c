/*
 * lib/sim/hunter.c: Hunter v2: the address of a person at a domain, and whether an address works.
 *
 * It has its own words for trouble: 403 is too fast, 429 is credits used up. An address that is
 * still being looked at is a 202, as often as it takes; a mail server that does not behave is a
 * 222; and who asked not to be looked up is a 451.
 */
#include "lib/sim/model.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/text.h"

#define LOOKS_MOST 3 /* 202s of one address */

static enum world_endpoint route(const char *method, const char *path)
{
	static const struct {
		const char *path;
		enum world_endpoint ep;
	} paths[] = {{"/v2/email-finder", EP_FIND_EMAIL}, {"/v2/email-verifier", EP_CHECK_EMAIL},
	    {"/v2/account", EP_HUNTER_ACCOUNT}};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (strcmp(method, "GET") == 0 && strcmp(path, paths[i].path) == 0) {
			return paths[i].ep;
		}
	}
	return EP_N;
}

static const char *credential(struct ask *q)
{
	const char *key = ask_query_text(q, "api_key");

	key = key != NULL ? key : ask_header(q, "X-API-KEY");
	return key != NULL ? key : ask_bearer(q);
}

static bool is_given(struct ask *q, const char *name)
{
	struct value v = ask_query(q, name);

	return !value_is_blank(&v);
}

static int read(struct ask *q)
{
	if (q->endpoint == EP_CHECK_EMAIL) {
		q->subject = ask_query(q, "email");
		q->meaning = ask_meaning(q, q->subject.text, value_is_blank(&q->subject) ? 0 : q->subject.len);
		if (value_is_blank(&q->subject)) {
			ask_bad(q, 400, "wrong_params", "The param \"email\" is missing");
		} else if (memchr(q->subject.text, '@', q->subject.len) == NULL) {
			ask_bad(q, 400, "invalid_email", "The email is invalid");
		}
		return 0;
	}
	if (q->endpoint == EP_FIND_EMAIL) {
		bool name = is_given(q, "full_name") || (is_given(q, "first_name") && is_given(q, "last_name"));

		if (!(is_given(q, "domain") || is_given(q, "company")) || !name) {
			ask_bad(q, 400, "wrong_params", "You must supply a domain or a company, and a full name");
		}
	}
	return ask_means(q, false);
}

static void error(struct ask *q, struct world_plan *p, int status, const char *id, const char *details)
{
	plan_json(p, status);
	buf_add_text(q->body, "{\"errors\":[{\"id\":");
	json_add(q->body, id);
	buf_printf(q->body, ",\"code\":%d,\"details\":", status);
	json_add(q->body, details);
	buf_add_text(q->body, "}]}");
}

/* --- an address is looked at --- */

/* True: it was not told this time. */
static bool is_not_told(struct ask *q, struct world_plan *p)
{
	const struct scenario_hunter *h = &q->s->hunter;
	uint64_t draw = ask_draw(q, "work");

	if (ask_draw(q, "opted-out") % PPM < h->opted_out_ppm) {
		error(q, p, 451, "claimed_email", "The person behind this email asked us not to process their data");
		q->ledger = true;
		return true;
	}
	if (draw % PPM < h->in_work_ppm && q->attempt <= 1 + draw / PPM % LOOKS_MOST) {
		plan_json(p, 202);
		buf_add_text(q->body, "{\"data\":{\"email\":");
		json_write_string(q->body, q->subject.text, q->subject.len);
		buf_add_text(q->body, "},\"meta\":{}}");
		return true;
	}
	if (ask_roll(q, "mail server") % PPM < h->mail_server_ppm) {
		error(q, p, 222, "smtp_error", "The remote mail server failed unexpectedly");
		return true;
	}
	return false;
}

static void write_verdict(struct ask *q, enum verdict verdict, uint64_t draw)
{
	static const struct {
		const char *status, *result;
		unsigned score;
		bool reached, accepts_all, disposable, webmail;
	} words[VERDICT_N] = {
	    [VERDICT_VALID] = {"valid", "deliverable", 96, true, false, false, false},
	    [VERDICT_INVALID] = {"invalid", "undeliverable", 0, true, false, false, false},
	    [VERDICT_CATCH_ALL] = {"accept_all", "risky", 55, true, true, false, false},
	    [VERDICT_UNKNOWN] = {"unknown", "risky", 40, false, false, false, false},
	    [VERDICT_DO_NOT_MAIL] = {"disposable", "risky", 10, true, false, true, false},
	    [VERDICT_SPAMTRAP] = {"invalid", "undeliverable", 0, true, false, false, false},
	    [VERDICT_ABUSE] = {"webmail", "deliverable", 85, true, false, false, true},
	};
	static const char *const truth[] = {"false", "true"};
	struct buf *b = q->body;

	buf_printf(b, "{\"data\":{\"status\":\"%s\",\"result\":\"%s\",\"score\":%u,\"email\":", words[verdict].status, words[verdict].result,
	    words[verdict].score + (unsigned)(draw / PPM % 5) * (words[verdict].score > 0));
	json_write_string(b, q->subject.text, q->subject.len);
	buf_printf(b,
	    ",\"regexp\":true,\"gibberish\":false,\"disposable\":%s,\"webmail\":%s,\"mx_records\":%s,\"smtp_server\":%s,\"smtp_check\":%s,"
	    "\"accept_all\":%s,\"block\":false,\"sources\":[]},\"meta\":{\"params\":{\"email\":",
	    truth[words[verdict].disposable], truth[words[verdict].webmail], truth[words[verdict].reached], truth[words[verdict].reached],
	    truth[words[verdict].reached && words[verdict].score > 0], truth[words[verdict].accepts_all]);
	json_write_string(b, q->subject.text, q->subject.len);
	buf_add_text(b, "}}}");
}

static void check(struct ask *q, struct world_plan *p)
{
	uint64_t draw = ask_draw(q, "verdict");
	enum verdict verdict = (enum verdict)draw_share(draw, q->s->hunter.verdict_ppm, VERDICT_N);

	if (is_not_told(q, p)) {
		return;
	}
	plan_json(p, 200);
	write_verdict(q, verdict, draw);
	q->ledger = true;
	q->price_micro = q->s->hunter.credit_micro / 2;
	q->again = verdict == VERDICT_UNKNOWN ? AGAIN_UNKNOWN : AGAIN_NEVER;
}

/* --- a person is looked for --- */

/* What an address can hold of a text, in lower case. */
static void add_plain(struct buf *b, const char *text)
{
	for (; text != NULL && *text != '\0'; text++) {
		char c = *text >= 'A' && *text <= 'Z' ? (char)(*text + 32) : *text;

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
			buf_add_char(b, c);
		}
	}
}

/* first.last@domain; a company's domain is made up. */
static void write_address(struct ask *q, struct buf *b)
{
	const char *domain = ask_query_text(q, "domain"), *last = ask_query_text(q, "last_name");

	add_plain(b, is_given(q, "full_name") ? ask_query_text(q, "full_name") : ask_query_text(q, "first_name"));
	if (last != NULL && *last != '\0') {
		buf_add_char(b, '.');
		add_plain(b, last);
	}
	buf_add_char(b, '@');
	if (domain != NULL && *domain != '\0') {
		buf_add_text(b, domain);
	} else {
		add_plain(b, ask_query_text(q, "company"));
		buf_add_text(b, COMPANY_TAIL);
	}
}

static int find(struct ask *q, struct world_plan *p)
{
	uint64_t draw = ask_draw(q, "person");
	bool known = draw % PPM >= q->s->hunter.not_found_ppm;
	struct buf address = {0};

	if (ask_draw(q, "opted-out") % PPM < q->s->hunter.opted_out_ppm) {
		error(q, p, 451, "claimed_email", "The person asked us not to process their data");
		q->ledger = true;
		return 0;
	}
	plan_json(p, 200);
	q->ledger = true;
	buf_add_text(q->body, "{\"data\":{\"first_name\":");
	json_add(q->body, ask_query_text(q, "first_name"));
	buf_add_text(q->body, ",\"last_name\":");
	json_add(q->body, ask_query_text(q, "last_name"));
	if (known) {
		write_address(q, &address);
		buf_printf(q->body, ",\"email\":");
		json_write_string(q->body, address.data, address.len);
		buf_printf(q->body, ",\"score\":%u,\"position\":\"Owner\",\"linkedin_url\":null,\"verification\":{\"status\":\"%s\"}",
		    80 + (unsigned)(draw / PPM % 20), draw / PPM % 4 == 0 ? "accept_all" : "valid");
		q->price_micro = q->s->hunter.credit_micro;
	} else {
		buf_add_text(q->body, ",\"email\":null,\"score\":null,\"position\":null,\"linkedin_url\":null,\"verification\":{\"status\":null}");
		q->outcome = ACCOUNT_EMPTY;
	}
	buf_add_text(q->body, ",\"sources\":[]},\"meta\":{}}");
	buf_free(&address);
	return address.failed ? LEAD_ENOMEM : 0;
}

static int answer(struct ask *q, struct world_plan *p)
{
	if (q->endpoint == EP_FIND_EMAIL) {
		return find(q, p);
	}
	if (q->endpoint == EP_CHECK_EMAIL) {
		check(q, p);
		return 0;
	}
	plan_json(p, 200);
	buf_printf(q->body, "{\"data\":{\"plan_name\":\"Starter\",\"requests\":{\"credits\":{\"used\":0,\"available\":%" PRIu64 "}}}}",
	    q->key_left != UINT64_MAX ? q->key_left : UINT64_C(100000));
	return 0;
}

static void refuse(struct ask *q, enum refusal why, bool tokens, int64_t wait_us, struct world_plan *p)
{
	static const struct {
		int status;
		const char *id, *details;
	} forms[] = {
	    [REFUSAL_PATH] = {404, "not_found", "This endpoint does not exist"},
	    [REFUSAL_AUTH] = {401, "authentication_failed", "No user found for the API key supplied"},
	    [REFUSAL_THROTTLE] = {403, "too_many_requests", "You have exceeded the rate limit"},
	    [REFUSAL_SLOW_DOWN] = {403, "too_many_requests", "You have exceeded the rate limit"},
	    [REFUSAL_QUOTA] = {429, "usage_limit", "You have exceeded the usage of your plan"},
	    [REFUSAL_BILLING] = {429, "usage_limit", "Your subscription is unpaid"},
	    [REFUSAL_500] = {500, "server_error", "Something went wrong on our end"},
	    [REFUSAL_OVERLOAD] = {503, "server_error", "The service is overloaded"},
	    [REFUSAL_200] = {200, "server_error", "Something went wrong on our end"},
	};

	(void)tokens;
	(void)wait_us; /* it names no delays */
	if (why == REFUSAL_BAD) {
		error(q, p, q->bad_status, q->bad_field, q->bad);
	} else {
		error(q, p, forms[why].status, forms[why].id, forms[why].details);
	}
}

const struct model model_hunter = {.host = "hunter.io",
    .route = route,
    .credential = credential,
    .read = read,
    .answer = answer,
    .refuse = refuse};
