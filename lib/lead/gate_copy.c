/*
 * lib/lead/gate_copy.c: is this text ready to be sent? Right length, no closing
 * line (the sending tool adds its own), nothing left to be filled in.
 */
#include "lib/lead/gates.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "lib/base/text.h"

#define OPEN_MAX 40     /* bytes within brackets: longer ones are sentences */
#define CLOSING_MAX 100 /* bytes of a closing and a name on one line */

const char *gate_copy_words(const struct value *copy, unsigned min, unsigned max)
{
	size_t words;

	if (value_is_blank(copy) || copy->kind != VALUE_STRING) {
		return "copy-missing";
	}
	words = text_words(copy->text, copy->len);
	return words < min ? "copy-short" : words > max ? "copy-long" : NULL;
}

/* Closing phrases. The weak ones also begin sentences: they need a comma, or the line for
 * themselves. */
static const struct closing {
	const char *phrase;
	bool weak;
} closings[] = {{"all the best", true}, {"atenciosamente", false}, {"atentamente", false},
    {"beste grüße", false}, {"best regards", false}, {"best wishes", false}, {"best", true},
    {"bien à vous", false}, {"cheers", true}, {"cordiali saluti", false}, {"cordialement", false},
    {"cordially", true}, {"freundliche grüße", false}, {"hilsen", true}, {"kind regards", false},
    {"liebe grüße", false}, {"many thanks", true}, {"med vänlig hälsning", false},
    {"met vriendelijke groet", false}, {"mit freundlichen grüßen", false}, {"mvh", true},
    {"regards", true}, {"respectfully", true}, {"saludos", true}, {"sincerely", true},
    {"sincerely yours", false}, {"take care", true}, {"talk soon", true}, {"thank you", true},
    {"thanks", true}, {"thanks again", true}, {"un saludo", true}, {"viele grüße", false},
    {"warm regards", false}, {"warmly", true}, {"with kind regards", false},
    {"with best regards", false}, {"yours", true}, {"yours faithfully", false},
    {"yours sincerely", false}, {"yours truly", false}};

static bool only_punctuation(const char *p, const char *end)
{
	for (; p < end; p++) {
		if ((unsigned char)*p >= 0x80 || isalnum((unsigned char)*p)) {
			return false;
		}
	}
	return true;
}

/* At most four words, each with a capital: what a comma after a closing may lead to. */
static bool is_name(const char *p, const char *end)
{
	bool word = false;

	for (const char *q = p; q < end; q++) {
		if (!word && islower((unsigned char)*q)) {
			return false;
		}
		word = (unsigned char)*q >= 0x80 || isalnum((unsigned char)*q) || *q == '\'' ||
		       *q == '-';
	}
	return text_words(p, (size_t)(end - p)) <= 4;
}

/* A line or the last sentence of one: closing phrase, then nothing, or a comma and a name. */
static bool is_closing(const char *p, const char *end, bool whole_line)
{
	for (size_t i = 0; i < sizeof(closings) / sizeof(closings[0]); i++) {
		const struct closing *c = &closings[i];
		size_t n = strlen(c->phrase);
		const char *rest = p + n;
		bool comma;

		if ((size_t)(end - p) < n || strncasecmp(p, c->phrase, n) != 0) {
			continue;
		}
		comma = rest < end && *rest == ',';
		if (only_punctuation(rest, end)
			? whole_line || comma || !c->weak
			: (comma || (!c->weak && *rest == ' ')) && is_name(rest, end)) {
			return true;
		}
	}
	return false;
}

/* A dash and a name as the last line, or two dashes alone above it. */
static bool is_dashed(const char *p, const char *end, bool last_line)
{
	size_t dash = 0;

	if (end - p >= 2 && memcmp(p, "--", 2) == 0) {
		dash = 2;
	} else if (end - p >= 3 && (memcmp(p, "\u2014", 3) == 0 || memcmp(p, "\u2013", 3) == 0)) {
		dash = 3;
	}
	return last_line ? dash > 0 && text_words(p + dash, (size_t)(end - p) - dash) <= 3
			 : dash == 2 && p + dash == end;
}

/* Start of the last sentence of a line; one longer than CLOSING_MAX closes nothing. */
static const char *last_sentence(const char *p, const char *end)
{
	const char *start;

	p = end - p > CLOSING_MAX ? end - CLOSING_MAX : p;
	start = p;
	for (const char *q = p; q + 2 < end; q++) {
		if ((*q == '.' || *q == '!' || *q == '?') && q[1] == ' ' &&
		    !only_punctuation(q + 1, end)) {
			start = q + 2;
		}
	}
	while (start < end && *start == ' ') {
		start++;
	}
	return start;
}

const char *gate_copy_signature(const struct value *copy)
{
	const char *p = copy->text, *end = p + copy->len;

	if (copy->kind != VALUE_STRING) {
		return NULL;
	}
	/* The closing and what stands below it: name, title, company. */
	for (int lines = 0; lines < 4 && end > p; lines++) {
		const char *line, *newline;
		size_t len = (size_t)(end - p);

		line = p;
		text_trim(&line, &len);
		end = line + len;
		newline = memrchr(line, '\n', len);
		line = newline != NULL ? newline + 1 : line;
		len = (size_t)(end - line);
		text_trim(&line, &len);
		if (is_closing(line, line + len, true) || is_dashed(line, line + len, lines == 0) ||
		    (lines == 0 &&
			is_closing(last_sentence(line, line + len), line + len, false))) {
			return "copy-signature";
		}
		end = newline != NULL ? newline : p;
	}
	return NULL;
}

static bool has_letter(const char *p, const char *end)
{
	for (; p < end; p++) {
		if ((unsigned char)*p >= 0x80 || isalpha((unsigned char)*p)) {
			return true;
		}
	}
	return false;
}

/* What stands between p[0] and the next closer on the same line; NULL for none nearby. */
static const char *inside_end(const char *p, const char *end, char closer)
{
	for (const char *q = p + 1; q < end && q - p <= OPEN_MAX && *q != '\n'; q++) {
		if (*q == closer) {
			return q;
		}
	}
	return NULL;
}

/* <p>, </a>, <br/>, <a href="…">, <https://…>, <anna@example.com>: no placeholders. */
static bool is_markup(const char *p, const char *end)
{
	static const char *const tags[] = {"a", "b", "blockquote", "body", "br", "center", "code",
	    "div", "em", "font", "h1", "h2", "h3", "h4", "head", "hr", "html", "i", "img", "li",
	    "ol", "p", "pre", "s", "small", "span", "strong", "style", "sub", "sup", "table",
	    "tbody", "td", "th", "thead", "title", "tr", "u", "ul"};
	size_t n = 0;

	if (*p == '!' || *p == '/' || memchr(p, '@', (size_t)(end - p)) != NULL ||
	    memchr(p, ':', (size_t)(end - p)) != NULL) {
		return true;
	}
	while (p + n < end && isalnum((unsigned char)p[n])) {
		n++;
	}
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		if (strlen(tags[i]) == n && strncasecmp(tags[i], p, n) == 0) {
			return p + n == end || p[n] == ' ' || p[n] == '/';
		}
	}
	return false;
}

static bool is_bracketed(const char *p, const char *end)
{
	const char *close;

	switch (*p) {
	case '[':
		close = inside_end(p, end, ']');
		return close != NULL && has_letter(p + 1, close);
	case '{':
		if (end - p > 1 && (p[1] == '{' || p[1] == '%')) {
			return true;
		}
		close = inside_end(
		    p, end, '}'); /* {Hi|Hello} is a choice that the sending tool makes */
		return close != NULL && has_letter(p + 1, close) &&
		       memchr(p, '|', (size_t)(close - p)) == NULL;
	case '$':
		return end - p > 1 && p[1] == '{';
	case '<':
		close = inside_end(p, end, '>');
		return close != NULL && p[1] != ' ' && has_letter(p + 1, close) &&
		       !is_markup(p + 1, close);
	case '%':
		close = inside_end(p, end, '%');
		return close != NULL && close > p + 1 &&
		       memchr(p, ' ', (size_t)(close - p)) == NULL && isalpha((unsigned char)p[1]);
	case '*':
		return end - p > 1 && p[1] == '|';
	default:
		return false;
	}
}

/* At the beginning of a word: three or more X or _ alone, TBD, INSERT … HERE, lorem ipsum. */
static bool is_open_word(const char *p, const char *end)
{
	size_t n = 0, same = 0, left = (size_t)(end - p);
	size_t near = left < OPEN_MAX ? left : OPEN_MAX;

	while (n < left && (isalnum((unsigned char)p[n]) || p[n] == '_')) {
		n++;
	}
	while (same < n && p[same] == *p) {
		same++;
	}
	if (n >= 3 && same == n && (*p == 'X' || *p == '_')) {
		return true;
	}
	if (n == 3 && memcmp(p, "TBD", 3) == 0) {
		return true;
	}
	if (n == 6 && strncasecmp(p, "insert", 6) == 0) {
		for (size_t i = n; i + 4 <= near && p[i] != '\n' && p[i] != '.'; i++) {
			if (strncasecmp(p + i, "here", 4) == 0 && p[i - 1] == ' ' &&
			    (i + 4 == left || !isalnum((unsigned char)p[i + 4]))) {
				return true;
			}
		}
	}
	return left >= 11 && strncasecmp(p, "lorem ipsum", 11) == 0;
}

const char *gate_copy_placeholder(const struct value *copy)
{
	const char *p = copy->text, *end = p + copy->len;
	bool word = false; /* within a word */

	if (copy->kind != VALUE_STRING) {
		return NULL;
	}
	for (; p < end; p++) {
		bool inside = (unsigned char)*p >= 0x80 || isalnum((unsigned char)*p) || *p == '_';

		if (is_bracketed(p, end) || (inside && !word && is_open_word(p, end))) {
			return "copy-placeholder";
		}
		word = inside;
	}
	return NULL;
}
