/*
 * lib/sim/prose_find.c: whom a prompt is about.
 *
 * prose_find -> by_label ("Company: Acme") -> else by_word (" at Acme") -> else nobody in
 * particular
 */
#include "lib/sim/prose.h"

#include <ctype.h>
#include <string.h>

#include "lib/base/text.h"

#define COMPANY_WORDS 6
#define LABEL_BYTES 24

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || (c & 0x80) != 0;
}

/* Copies at most max_words words, cut at a sign that ends a value. False: nothing is there, or
 * `unknown`. */
static bool take_value(const char *p, const char *end, unsigned max_words, char *out, size_t size)
{
	size_t len = 0, used, words = 0;
	uint32_t c;

	while (p < end && (*p == ' ' || *p == '"' || *p == '*')) {
		p++;
	}
	while (p < end && strchr("\r\n;|\",()[]{}<>", *p) == NULL) {
		used = text_next(p, end, &c);
		if (used == 0 || c < ' ' || len + used >= size) {
			break;
		}
		if (c == ' ' && ++words >= max_words) {
			break;
		}
		memcpy(out + len, p, used);
		len += used;
		p += used;
	}
	while (len > 0 && strchr(" .:", out[len - 1]) != NULL) {
		len--;
	}
	out[len] = '\0';
	return text_words(out, len) > 0 && strcmp(out, "unknown") != 0;
}

/* The words right before p, lower-case, `_` as a space: what might be a label. Returns their
 * length. */
static size_t label_before(const char *text, const char *p, char out[LABEL_BYTES])
{
	const char *end, *start;
	size_t len;

	while (p > text && strchr(" \"*", p[-1]) != NULL) {
		p--;
	}
	end = start = p;
	while (start > text && (is_word(start[-1]) || start[-1] == '_' || start[-1] == ' ')) {
		start--;
	}
	while (start < end && *start == ' ') {
		start++;
	}
	len = (size_t)(end - start);
	if (len >= LABEL_BYTES) {
		return 0;
	}
	for (size_t i = 0; i < len; i++) {
		out[i] = start[i] == '_' ? ' ' : (char)tolower((unsigned char)start[i]);
	}
	out[len] = '\0';
	return len;
}

/* `Label: value` or `"label": "value"`: the value of the label that stands first in the list. One
 * pass. */
static bool by_label(const char *text, const char *end, const char *const labels[],
    unsigned max_words, char *out, size_t size)
{
	char label[LABEL_BYTES];
	size_t best = SIZE_MAX, i;
	const char *value = NULL;

	for (const char *p = text; p < end; p++) {
		if ((*p != ':' && *p != '=') || label_before(text, p, label) == 0) {
			continue;
		}
		for (i = 0; i < best && labels[i] != NULL && strcmp(labels[i], label) != 0; i++) {
		}
		if (i < best && labels[i] != NULL && take_value(p + 1, end, max_words, out, size)) {
			best = i;
			value = p + 1;
		}
	}
	return value != NULL && take_value(value, end, max_words, out, size);
}

static bool is_capital(const char *p, const char *end)
{
	return p < end && (isupper((unsigned char)*p) || (*p & 0x80) != 0);
}

/* End of the run of words with capitals at p; `of`, `and`, `de` may stand between two of them. */
static const char *name_end(const char *p, const char *end)
{
	const char *stop = p, *next;

	for (;;) {
		for (next = p; next < end && !isspace((unsigned char)*next); next++) {
		}
		if (is_capital(p, end)) {
			stop = next;
		} else if (next - p > 3 || next == p) {
			return stop;
		}
		if (next == end || strchr(",.;:?!", next[-1]) != NULL || *next != ' ') {
			return stop;
		}
		p = next + 1;
	}
}

/* The name behind `word`. */
static bool by_word(
    const char *text, const char *end, const char *word, unsigned max_words, char *out, size_t size)
{
	size_t len = strlen(word);

	for (const char *p = text; p + len < end; p++) {
		if (memcmp(p, word, len) == 0 && is_capital(p + len, end) &&
		    take_value(p + len, name_end(p + len, end), max_words, out, size)) {
			return true;
		}
	}
	return false;
}

void prose_find(const char *prompt, size_t len, struct prose_lead *ret)
{
	static const char *const names[] = {"first name", "firstname", "full name", "contact name",
	    "lead name", "contact", "recipient", "prospect", "lead", "person", "name", NULL};
	static const char *const companies[] = {
	    "company name", "company", "organisation", "organization", "employer", NULL};
	const char *end = prompt + len;

	*ret = (struct prose_lead){.first = "there", .company = "your team", .has_company = true};
	if (!by_label(prompt, end, names, 1, ret->first, sizeof(ret->first)) &&
	    !by_word(prompt, end, " to ", 1, ret->first, sizeof(ret->first)) &&
	    !by_word(prompt, end, " about ", 1, ret->first, sizeof(ret->first))) {
		memcpy(ret->first, "there", 6);
	}
	if (!by_label(prompt, end, companies, COMPANY_WORDS, ret->company, sizeof(ret->company)) &&
	    !by_word(prompt, end, " at ", COMPANY_WORDS, ret->company, sizeof(ret->company)) &&
	    !by_word(prompt, end, " of ", COMPANY_WORDS, ret->company, sizeof(ret->company))) {
		memcpy(ret->company, "your team", 10);
		ret->has_company = false;
	}
}
