/*
 * lib/lead/gate_name.c: does this name belong to a person?
 *
 *   blank? -> any sign that names do not have? -> any generic word? -> two tokens that look like
 * names?
 */
#include "lib/lead/gates.h"

#include <string.h>

#include "lib/base/text.h"
#include "lib/lead/name.h"

/* ASCII beside letters that stands in real names: apostrophes, nicknames, suffixes, white space. */
static bool is_name_ascii(uint32_t c)
{
	uint32_t lower = c | 0x20;

	return (lower >= 'a' && lower <= 'z') || (c >= '\t' && c <= '\r') ||
	       strchr(" '\"`()[]-.,", (int)c) != NULL;
}

/* Beyond ASCII all is a letter but the blocks of signs, arrows, pictures, private and broken
 * characters. */
static bool is_name_char(uint32_t c)
{
	static const struct {
		uint32_t from, to;
	} signs[] = {{0x80, 0x9F}, {0xA1, 0xA9}, {0xAB, 0xB3}, {0xB5, 0xB6}, {0xB8, 0xB9},
	    {0xBB, 0xBF}, {0xD7, 0xD7}, {0xF7, 0xF7}, {0x2020, 0x202E}, {0x2030, 0x2031},
	    {0x2033, 0x2BFF}, {0xE000, 0xF8FF}, {0xFE00, 0xFE0F}, {0xFF00, 0xFF20},
	    {0xFFFD, 0xFFFD}, {0x1F000, 0x1FAFF}, {0xE0000, 0x10FFFF}};

	if (c < 0x80) {
		return c != 0 && is_name_ascii(c);
	}
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		if (c >= signs[i].from && c <= signs[i].to) {
			return false;
		}
	}
	return true;
}

static bool has_signs(const char *p, const char *end)
{
	uint32_t c;
	size_t n;

	for (; p < end; p += n) {
		n = text_next(p, end, &c);
		if (n == 0 || !is_name_char(c)) {
			return true;
		}
	}
	return false;
}

/* `Front-Desk` is looked up as `frontdesk`; its parts are not: `Beebe-Center` is a name. */
static bool is_generic(const struct name_token *t, const struct word_list *w)
{
	char word[64];
	size_t len = name_token_word(t, word, sizeof(word)), n = 0;

	for (size_t i = 0; i < len; i++) {
		if (word[i] != '-') {
			word[n++] = word[i];
		}
	}
	return word_list_has(w, word, n);
}

/* Lower-case letters of the scripts that have two cases; what folding changes is upper case. */
static bool is_upper(const char *p, size_t n, uint32_t c)
{
	struct buf folded = {.max = 64};
	bool changed;

	if (c < 0x80) {
		return c >= 'A' && c <= 'Z';
	}
	text_fold(&folded, p, n);
	changed = folded.len != n || memcmp(folded.data, p, n) != 0;
	buf_free(&folded);
	return changed || c >= 0x530;
}

/* Scripts written without spaces between first and last name. */
static bool is_cjk(uint32_t c)
{
	return (c >= 0x3040 && c < 0xA000) || (c >= 0xAC00 && c < 0xD7B0) || c >= 0x20000;
}

/* How many names a token is: 0 without a capital, 2 for several Chinese, Japanese or Korean
 * characters. */
static unsigned names_in(const struct name_token *t)
{
	const char *p = t->text, *end = p + t->len;
	unsigned cjk = 0;
	bool upper = false;
	uint32_t c;
	size_t n;

	for (; p < end && (n = text_next(p, end, &c)) > 0; p += n) {
		upper |= is_upper(p, n, c);
		cjk += is_cjk(c);
	}
	return cjk > 1 ? 2 : upper;
}

const char *gate_name(const struct value *full_name, const struct gate_lists *l)
{
	struct name_token tokens[NAME_TOKENS_MAX];
	unsigned names = 0;
	bool word = false;
	size_t n;

	if (value_is_blank(full_name)) {
		return "name-missing";
	}
	if (full_name->kind != VALUE_STRING ||
	    has_signs(full_name->text, full_name->text + full_name->len)) {
		return "name-characters";
	}
	n = name_tokens(full_name->text, full_name->len, tokens);
	for (size_t i = 0; i < n; i++) {
		if (tokens[i].kind != NAME_ASIDE && is_generic(&tokens[i], l->name_words)) {
			return "name-generic";
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (tokens[i].kind == NAME_WORD || tokens[i].kind == NAME_INITIAL) {
			names += names_in(&tokens[i]);
			word |= tokens[i].kind == NAME_WORD;
		}
	}
	return names >= 2 && word ? NULL : "name-single";
}
