/*
 * lib/service/answer.c: classify one answer, then take out of it what its class allows.
 *
 *   transport? --not answered--> unsent | in doubt
 *      | answered
 *   read the body once (paths by status class) -> first rule that matches, else by status
 *      -> 2xx that should be JSON and is not: in doubt
 *      -> fields (ok, empty, duplicate, pending) | waits and detail (the rest) -> price -> windows
 */
#include "lib/service/parts.h"

#include <ctype.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/text.h"

#define MAX_DETAIL 200

/* --- body ----------------------------------------------------------------- */

int seen_read(const struct reader *reader, struct seen *seen)
{
	const struct http_answer *h = seen->h;
	size_t n = path_set_count(reader->paths[seen->view]);
	int rc;

	if (h->body_len == 0 ||
	    !(reader->needs[seen->view] || (reader->json && seen->view == VIEW_GOOD))) {
		return 0;
	}
	seen->values = arena_alloc(seen->arena, (n + 1) * sizeof *seen->values);
	if (seen->values == NULL) {
		return LEAD_ENOMEM;
	}
	rc = json_scan(
	    h->body, h->body_len, reader->paths[seen->view], seen->arena, seen->values, NULL);
	seen->json = rc == 0;
	return rc == LEAD_ENOMEM ? rc : 0;
}

/* --- texts for people ----------------------------------------------------- */

static bool in_address(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80 ||
	       (c != '\0' && strchr(".!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool in_key(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Length of a word that looks like part of a key: long, letters and digits. 0 when it does not. */
static size_t key_length(const char *text, size_t len)
{
	bool digit = false, letter = false;
	size_t n = 0;

	while (n < len && in_key(text[n])) {
		digit |= isdigit((unsigned char)text[n]) != 0;
		letter |= isalpha((unsigned char)text[n]) != 0;
		n++;
	}
	return n >= 20 && digit && letter ? n : 0;
}

/* Length of the e-mail address that begins at text, 0 for none. */
static size_t address_length(const char *text, size_t len)
{
	size_t local = 0, n;

	while (local < len && in_address(text[local])) {
		local++;
	}
	if (local == 0 || local + 1 >= len || text[local] != '@') {
		return 0;
	}
	n = local + 1;
	while (n < len && (isalnum((unsigned char)text[n]) || text[n] == '.' || text[n] == '-' ||
			      (unsigned char)text[n] >= 0x80)) {
		n++;
	}
	return n > local + 1 ? n : 0;
}

/* One printable line of at most MAX_DETAIL bytes, addresses and keys masked. NULL for nothing (or
 * no memory). */
static const char *masked(const char *text, size_t len, struct arena *a)
{
	struct buf out = {.max = 16384};
	const char *line;
	size_t kept;

	len = len > 1024 ? 1024 : len;
	for (size_t i = 0; i < len && out.len < MAX_DETAIL + 1;) {
		bool starts = i == 0 || !in_address(text[i - 1]);
		size_t address = starts ? address_length(text + i, len - i) : 0;
		size_t key = i == 0 || !in_key(text[i - 1]) ? key_length(text + i, len - i) : 0;

		if (address > 0 || key > 0) {
			buf_add_text(&out, address > 0 ? "***@***" : "***");
			i += address > 0 ? address : key;
		} else if (text[i] == '\n' || text[i] == '\r' || text[i] == '\t') {
			buf_add_char(&out, ' ');
			i++;
		} else {
			size_t n = 1;

			while (i + n < len && ((unsigned char)text[i + n] & 0xc0) == 0x80) {
				n++; /* whole characters, so that none is escaped byte by byte */
			}
			text_write_safe(&out, text + i, n);
			i += n;
		}
	}
	kept = out.len > MAX_DETAIL ? MAX_DETAIL : out.len;
	while (kept > 0 && kept < out.len && ((unsigned char)out.data[kept] & 0xc0) == 0x80) {
		kept--;
	}
	line = out.failed || kept == 0 ? NULL : arena_dup(a, out.data, kept);
	buf_free(&out);
	return line;
}

/* What the provider says went wrong. */
static const char *detail(const struct reader *reader, const struct seen *seen)
{
	const char *text = seen->h->body;
	size_t len = seen->h->body_len;

	for (size_t i = 0; i < reader->n_messages; i++) {
		struct value v = look_at(&reader->messages[i], seen);

		if (v.kind == VALUE_STRING && !value_is_blank(&v)) {
			return masked(v.text, v.len, seen->arena);
		}
	}
	if (len > 0) {
		text_trim(&text, &len);
	}
	if (seen->json || len == 0) {
		return NULL;
	}
	return text[0] == '<' ? "an HTML page" : masked(text, len, seen->arena);
}

/* `Connection reset by peer` becomes `connection-reset-by-peer`. */
static const char *slug(const char *why, const char *otherwise, struct arena *a)
{
	char out[49];
	size_t n = 0;

	for (; why != NULL && *why != '\0' && n < sizeof out - 1; why++) {
		if (isalnum((unsigned char)*why)) {
			out[n++] = (char)tolower((unsigned char)*why);
		} else if (n > 0 && out[n - 1] != '-') {
			out[n++] = '-';
		}
	}
	while (n > 0 && out[n - 1] == '-') {
		n--;
	}
	return n == 0 ? otherwise : arena_dup(a, out, n);
}

/* --- answers that never came ---------------------------------------------- */

static int unanswered(
    const struct service_call *c, const struct http_answer *h, struct arena *a, struct answer *ret)
{
	static const char *const words[] = {[TRANSPORT_UNSENT] = "unsent",
	    [TRANSPORT_BROKEN] = "broken",
	    [TRANSPORT_TOO_LARGE] = "too-large",
	    [TRANSPORT_CANCELLED] = "cancelled"};

	ret->reason = slug(h->why, words[h->transport], a);
	if (h->transport == TRANSPORT_UNSENT) {
		ret->outcome = OUTCOME_UNSENT;
	} else if (c->doubt == DOUBT_FREE) {
		ret->outcome = OUTCOME_TRANSIENT;
	} else {
		ret->outcome = OUTCOME_IN_DOUBT;
		ret->price_micro = c->price_micro;
	}
	return ret->reason == NULL ? LEAD_ENOMEM : 0;
}

/* --- answers -------------------------------------------------------------- */

static const struct rule *first_rule(const struct reader *reader, const struct seen *seen)
{
	for (size_t i = 0; i < reader->n_rules; i++) {
		if (rule_matches(&reader->rules[i], seen)) {
			return &reader->rules[i];
		}
	}
	return NULL;
}

/* Class, reason and readable. */
static int classify(const struct service_call *c, const struct rule *rule, const struct seen *seen,
    struct answer *ret)
{
	int status = seen->h->status;

	ret->readable = true;
	ret->outcome = rule != NULL ? rule->is : rule_builtin(status);
	ret->reason = rule != NULL && rule->reason != NULL
			  ? rule->reason
			  : arena_printf(seen->arena, "http-%d", status);
	if (ret->reason == NULL) {
		return LEAD_ENOMEM;
	}
	if (seen->view == VIEW_GOOD && c->answer->json && !seen->json && status != 204 &&
	    status != 205 &&
	    (ret->outcome == OUTCOME_OK || ret->outcome == OUTCOME_EMPTY ||
		ret->outcome == OUTCOME_DUPLICATE)) {
		ret->outcome =
		    OUTCOME_IN_DOUBT; /* cut short or garbage: something was done, but what? */
		ret->reason = "no-json";
		ret->readable = false;
	}
	if (ret->outcome == OUTCOME_IN_DOUBT) {
		ret->readable &= status < 500;
		if (c->doubt == DOUBT_FREE) {
			ret->outcome = OUTCOME_TRANSIENT;
		}
	}
	return 0;
}

static int fields(const struct reader *reader, const struct seen *seen, struct answer *ret)
{
	ret->fields = arena_alloc(seen->arena, (reader->n_fields + 1) * sizeof *ret->fields);
	if (ret->fields == NULL) {
		return LEAD_ENOMEM;
	}
	ret->n_fields = reader->n_fields;
	for (size_t i = 0; i < reader->n_fields; i++) {
		ret->fields[i] =
		    (struct answer_field){reader->names[i], look_at(&reader->fields[i], seen)};
	}
	return 0;
}

/* The longest wait among the windows that the provider calls used up. */
static int64_t spent_reset_us(const struct answer *ret)
{
	int64_t longest = 0;

	for (size_t i = 0; i < ret->n_hints; i++) {
		if (ret->hints[i].remaining == 0 && ret->hints[i].reset_us > longest) {
			longest = ret->hints[i].reset_us;
		}
	}
	return longest;
}

/* Waits, and for a used-up key its end. */
static void waits(const struct reader *reader, const struct rule *rule, const struct seen *seen,
    struct now now, struct answer *ret)
{
	int64_t start_us, us;

	ret->retry_after_us =
	    hints_wait(reader->hints, reader->n_hints, TELLS_RETRY_AFTER, seen, now);
	if (ret->retry_after_us == 0 && ret->outcome == OUTCOME_THROTTLE) {
		ret->retry_after_us = spent_reset_us(ret);
	}
	if (ret->retry_after_us == 0 && rule != NULL) {
		ret->retry_after_us = rule->wait_us;
	}
	if (ret->outcome != OUTCOME_QUOTA && ret->outcome != OUTCOME_AUTH) {
		return;
	}
	us = hints_wait(reader->hints, reader->n_hints, TELLS_QUOTA_RESET, seen, now);
	us = us > 0 ? us : ret->retry_after_us;
	if (us > 0) {
		ret->reset_wall_us = now.wall_us + us;
	} else if (rule != NULL && rule->until == UNTIL_DAY) {
		zone_day(rule->zone, now.wall_us, &start_us, &ret->reset_wall_us);
	} else if (rule != NULL && rule->until == UNTIL_MONTH) {
		zone_month(rule->zone, now.wall_us, &start_us, &ret->reset_wall_us);
	}
}

int element_answer(const struct reader *reader, const struct seen *seen, struct answer *ret)
{
	const struct rule *rule = first_rule(reader, seen);

	*ret = (struct answer){.outcome = rule != NULL ? rule->is : OUTCOME_OK,
	    .reason = rule != NULL && rule->reason != NULL ? rule->reason : "element",
	    .retry_after_us = rule != NULL ? rule->wait_us : 0,
	    .readable = true};
	switch (ret->outcome) {
	case OUTCOME_PENDING:
	case OUTCOME_OK:
	case OUTCOME_EMPTY:
	case OUTCOME_DUPLICATE:
		return fields(reader, seen, ret);
	default:
		return 0;
	}
}

int answer_read(const struct service *s, const struct service_call *c, const struct http_answer *h,
    struct now now, struct arena *a, struct answer *ret)
{
	const struct reader *reader = c->answer;
	struct seen seen = {.h = h,
	    .arena = a,
	    .view = h->status >= 200 && h->status <= 299 ? VIEW_GOOD : VIEW_BAD};
	const struct rule *rule;
	const char *date;
	int rc;

	(void)s;
	*ret = (struct answer){0};
	if (h->transport != TRANSPORT_ANSWERED) {
		return unanswered(c, h, a, ret);
	}
	rc = seen_read(reader, &seen);
	if (rc != 0) {
		return rc;
	}
	rule = first_rule(reader, &seen);
	rc = classify(c, rule, &seen, ret);
	if (rc != 0) {
		return rc;
	}
	date = look_line(h, "date");
	if (date == NULL || !time_parse_http_date(date, &ret->date_wall_us)) {
		ret->date_wall_us = 0;
	}
	hints_windows(reader->hints, reader->n_hints, &seen, now, ret);
	ret->job = look_at(&reader->job, &seen);
	switch (ret->outcome) {
	case OUTCOME_PENDING:
		waits(reader, rule, &seen, now, ret);
		/* fall through */
	case OUTCOME_OK:
	case OUTCOME_EMPTY:
	case OUTCOME_DUPLICATE:
		if (ret->outcome == OUTCOME_OK && c->job != NULL) {
			waits(reader, rule, &seen, now, ret); /* how long to leave the job alone */
		}
		rc = fields(reader, &seen, ret);
		break;
	default:
		waits(reader, rule, &seen, now, ret);
		ret->detail = detail(reader, &seen);
		break;
	}
	ret->price_micro = ret->outcome == OUTCOME_IN_DOUBT
			       ? c->price_micro
			       : price_of(&reader->price,
				     ret->outcome == OUTCOME_PENDING && c->job != NULL ? OUTCOME_OK : ret->outcome, &seen);
	return rc;
}

int answer_read_callback(const struct service *s, const struct service_call *c,
    const struct http_answer *h, struct now now, struct arena *a, struct answer *ret)
{
	struct service_call read = *c;

	read.answer = c->job->called;
	return answer_read(s, &read, h, now, a, ret);
}

int64_t answer_job_price(const struct service_call *c, enum outcome_class is,
    const struct answer *result, bool polled, int64_t submitted_micro)
{
	const struct price *p = &c->answer->price;
	const struct reader *by = polled ? c->job->poll->answer : c->job->called;

	if (result != NULL && by != c->answer && by->price.ceiling_micro > 0) {
		return result->price_micro;
	}
	if (result != NULL && by == c->answer && (p->body.expr != NULL || p->units.expr != NULL || p->models != NULL)) {
		return result->price_micro; /* a callback of the same shape says it better */
	}
	return (p->on & 1u << is) != 0 || p->body.expr != NULL ? submitted_micro : 0;
}
