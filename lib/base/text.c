/*
 * lib/base/text.c: everything here walks a string once, byte by byte while it is
 * ASCII and with text_next where it is not. Bad UTF-8 is never a reason to stop.
 */
#include "lib/base/text.h"

#include <string.h>

static bool is_tail(const char *p)
{
	return ((unsigned char)*p & 0xC0) == 0x80;
}

/* The well-formed sequences of the Unicode Standard, table 3-7: no overlong forms, no surrogates.
 */
size_t text_next(const char *p, const char *end, uint32_t *ret)
{
	unsigned char first, second;
	size_t n;

	if (p >= end) {
		return 0;
	}
	first = (unsigned char)*p;
	if (first < 0x80) {
		*ret = first;
		return 1;
	}
	n = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
	if (n == 0 || (size_t)(end - p) < n || !is_tail(p + 1)) {
		return 0;
	}
	second = (unsigned char)p[1];
	if (n == 2) {
		*ret = (first & 0x1Fu) << 6 | (second & 0x3Fu);
		return 2;
	}
	if (!is_tail(p + 2) || (first == 0xE0 && second < 0xA0) ||
	    (first == 0xED && second > 0x9F) || (first == 0xF0 && second < 0x90) ||
	    (first == 0xF4 && second > 0x8F)) {
		return 0;
	}
	if (n == 3) {
		*ret =
		    (first & 0x0Fu) << 12 | (second & 0x3Fu) << 6 | ((unsigned char)p[2] & 0x3Fu);
		return 3;
	}
	if (!is_tail(p + 3)) {
		return 0;
	}
	*ret = (first & 0x07u) << 18 | (second & 0x3Fu) << 12 | ((unsigned char)p[2] & 0x3Fu) << 6 |
	       ((unsigned char)p[3] & 0x3Fu);
	return 4;
}

size_t text_put_char(uint32_t c, char *out)
{
	static const unsigned char lead[5] = {0, 0x00, 0xC0, 0xE0, 0xF0};
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = n; i-- > 1; c >>= 6) {
		out[i] = (char)(0x80 | (c & 0x3F));
	}
	out[0] = (char)(lead[n] | c);
	return n;
}

bool text_is_utf8(const char *text, size_t len)
{
	const char *p = text, *end = text + len;
	uint64_t eight;
	uint32_t c;
	size_t n;

	while (p < end) {
		if (end - p >= 8) {
			memcpy(&eight, p, 8);
			if ((eight & UINT64_C(0x8080808080808080)) == 0) {
				p += 8;
				continue;
			}
		}
		n = text_next(p, end, &c);
		if (n == 0) {
			return false;
		}
		p += n;
	}
	return true;
}

static char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

void text_lower(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		text[i] = ascii_lower(text[i]);
	}
}

bool text_equal_nocase(const char *a, const char *b)
{
	while (*a != '\0' && ascii_lower(*a) == ascii_lower(*b)) {
		a++;
		b++;
	}
	return ascii_lower(*a) == ascii_lower(*b);
}

bool text_in(const char *const *list, const char *word, size_t len)
{
	for (; list != NULL && *list != NULL; list++) {
		if (strlen(*list) == len && memcmp(*list, word, len) == 0) {
			return true;
		}
	}
	return false;
}

/* White_Space of Unicode, and the two invisible characters that files bring along. */
static bool is_space(uint32_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xA0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200B) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
	       c == 0x205F || c == 0x3000 || c == 0xFEFF;
}

void text_trim(const char **text, size_t *len)
{
	const char *p = *text, *end = *text + *len, *last;
	uint32_t c;
	size_t n;

	while ((n = text_next(p, end, &c)) > 0 && is_space(c)) {
		p += n;
	}
	while (p < end) {
		last = end - 1;
		while (last > p && is_tail(last) && end - last < 4) {
			last--;
		}
		n = text_next(last, end, &c);
		if (n != (size_t)(end - last) || !is_space(c)) {
			break;
		}
		end = last;
	}
	*text = p;
	*len = (size_t)(end - p);
}

size_t text_length(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		n += !is_tail(text + i);
	}
	return n;
}

/* Letters and digits; beyond ASCII whatever is not in a block of punctuation, symbols or private
 * use. */
static bool is_word_char(uint32_t c)
{
	static const uint32_t not_words[][2] = {{0x80, 0xA9}, {0xAB, 0xB1}, {0xB4, 0xB4},
	    {0xB6, 0xB8}, {0xBB, 0xBB}, {0xBF, 0xBF}, {0xD7, 0xD7}, {0xF7, 0xF7}, {0x2000, 0x206F},
	    {0x20A0, 0x20CF}, {0x2190, 0x2BFF}, {0x2E00, 0x2E7F}, {0x3000, 0x3004},
	    {0x3008, 0x3020}, {0xE000, 0xF8FF}, {0xFE00, 0xFE6F}, {0xFEFF, 0xFF0F},
	    {0xFF1A, 0xFF20}, {0xFF3B, 0xFF40}, {0xFF5B, 0xFF65}, {0xFFE0, 0xFFFF},
	    {0x1F000, 0x1FAFF}, {0xF0000, 0x10FFFF}};

	if (c < 0x80) {
		return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
	}
	for (size_t i = 0; i < sizeof(not_words) / sizeof(not_words[0]); i++) {
		if (c >= not_words[i][0] && c <= not_words[i][1]) {
			return false;
		}
	}
	return true;
}

size_t text_words(const char *text, size_t len)
{
	const char *p = text, *end = text + len;
	size_t words = 0;
	bool counted = false;

	while (p < end) {
		uint32_t c = 0xFFFD;
		size_t n = text_next(p, end, &c);

		p += n > 0 ? n : 1;
		if (is_space(c)) {
			counted = false;
		} else if (!counted && is_word_char(c)) {
			counted = true;
			words++;
		}
	}
	return words;
}

#define NEAREST_LEN 64 /* names of keys and commands; longer ones get no proposal */

/* Insertions, deletions and changes of one letter (Levenshtein), capitals ignored. */
static size_t edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t row[NEAREST_LEN + 1];

	for (size_t j = 0; j <= b_len; j++) {
		row[j] = j;
	}
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t best = diagonal + (ascii_lower(a[i - 1]) != ascii_lower(b[j - 1]));

			diagonal = row[j];
			if (row[j] + 1 < best) {
				best = row[j] + 1;
			}
			if (row[j - 1] + 1 < best) {
				best = row[j - 1] + 1;
			}
			row[j] = best;
		}
	}
	return row[b_len];
}

const char *text_nearest(const char *word, const char *const candidates[])
{
	const char *nearest = NULL;
	size_t len = strlen(word);
	size_t bound = len / 2 < 3 ? len / 2 : 3;

	if (len > NEAREST_LEN) {
		return NULL;
	}
	for (; *candidates != NULL; candidates++) {
		size_t n = strlen(*candidates);
		size_t distance;

		if (n > NEAREST_LEN) {
			continue;
		}
		distance = edit_distance(word, len, *candidates, n);
		if (distance < bound || (distance == bound && nearest == NULL)) {
			nearest = *candidates;
			bound = distance;
		}
	}
	return nearest;
}

/* What could move a terminal's cursor, break the line or turn the writing direction. */
static bool is_unsafe(uint32_t c)
{
	return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x200E || c == 0x200F ||
	       (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

void text_write_safe(struct buf *out, const char *text, size_t len)
{
	const char *p = text, *end = text + len;

	while (p < end) {
		uint32_t c;
		size_t n = text_next(p, end, &c);

		if (n > 0 && !is_unsafe(c)) {
			buf_add(out, p, n);
			p += n;
			continue;
		}
		for (n = n > 0 ? n : 1; n > 0; n--, p++) {
			buf_printf(out, "\\x%02X", (unsigned char)*p);
		}
	}
}

void text_write_percent(struct buf *out, const char *text, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		const char escape[3] = {'%', hex[c >> 4], hex[c & 15]};

		if (c < 0x80 && (is_word_char(c) || c == '-' || c == '.' || c == '_' || c == '~')) {
			buf_add_char(out, (char)c);
		} else {
			buf_add(out, escape, 3);
		}
	}
}

static int hex_digit(char c)
{
	c = ascii_lower(c);
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool text_percent_decode(struct buf *out, const char *text, size_t len, bool plus)
{
	size_t before = out->len;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '%') {
			int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
			int low = high >= 0 ? hex_digit(text[i + 2]) : -1;

			c = low >= 0 ? (char)(high << 4 | low) : '\0';
			i += 2;
		} else if (plus && c == '+') {
			c = ' ';
		}
		if (c == '\0') {
			out->len = before;
			if (out->data != NULL) {
				out->data[before] = '\0';
			}
			return false;
		}
		buf_add_char(out, c);
	}
	return true;
}
