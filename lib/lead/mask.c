/* lib/lead/mask.c: first letters stay, so that a person who knows the lead can recognise it. */
#include "lib/lead/mask.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base/text.h"

/* The first character, whole, and stars. */
static void add_first(struct buf *out, const char *p, const char *end)
{
	uint32_t c;

	buf_add(out, p, text_next(p, end, &c));
	buf_add_text(out, "***");
}

void mask_email(struct buf *out, const char *text, size_t len)
{
	const char *end = text + len;
	const char *at = memrchr(text, '@', len);
	const char *dot;

	if (at == NULL || at == text || at + 1 == end) {
		add_first(out, text, end);
		return;
	}
	dot = memrchr(at + 1, '.', (size_t)(end - at - 1));
	add_first(out, text, at);
	buf_add_char(out, '@');
	add_first(out, at + 1, end);
	if (dot != NULL) {
		buf_add(out, dot, (size_t)(end - dot));
	}
}

/* Bytes of an address, generously: it is better to hide too much. */
static bool is_local(char c)
{
	return (unsigned char)c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || (c != '\0' && strchr(".!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool is_domain(char c)
{
	return (unsigned char)c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
}

void mask_addresses(struct buf *out, const char *text, size_t len)
{
	const char *p = text, *end = text + len, *at;

	for (const char *from = text; (at = memchr(from, '@', (size_t)(end - from))) != NULL;) {
		const char *start = at, *stop = at + 1;

		while (start > p && is_local(start[-1])) {
			start--;
		}
		while (stop < end && is_domain(*stop)) {
			stop++;
		}
		while (stop > at + 1 && (stop[-1] == '.' || stop[-1] == '-')) {
			stop--; /* the sentence's, not the domain's */
		}
		from = at + 1;
		if (start < at && stop > at + 1) {
			buf_add(out, p, (size_t)(start - p));
			mask_email(out, start, (size_t)(stop - start));
			p = from = stop;
		}
	}
	buf_add(out, p, (size_t)(end - p));
}
