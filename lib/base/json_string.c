/*
 * lib/base/json_string.c: string literals: measured and checked (the part where
 * something needs a look), decoded, and written. Runs of bytes that stand for
 * themselves go over in one piece each way.
 */
#include "lib/base/json.h"

#include "lib/base/json_string.h"
#include "lib/base/text.h"

#include <string.h>

#define NO_END "a string without end"

static const char *bad(struct json_string *s, const char *at, const char *what)
{
	s->what = what;
	s->at = at;
	return NULL;
}

/* Four hex digits at p; -1 when they are none. */
static int read_hex4(const char *p, const char *end)
{
	int code = 0;

	if (end - p < 4) {
		return -1;
	}
	for (int i = 0; i < 4; i++) {
		unsigned digit = (unsigned char)p[i] - (unsigned)'0';

		if (digit > 9) {
			digit = ((unsigned char)p[i] | 0x20u) - (unsigned)'a';
			if (digit > 5) {
				return -1;
			}
			digit += 10;
		}
		code = code << 4 | (int)digit;
	}
	return code;
}

/* The escape at p (which is a backslash), a pair of surrogates being one. */
static const char *skip_escape(const char *p, const char *end, struct json_string *s)
{
	int code;

	if (end - p < 2) {
		return bad(s, p, NO_END);
	}
	if (p[1] != 'u') {
		return p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) != NULL
			   ? p + 2
			   : bad(s, p, "no such escape in a string");
	}
	code = read_hex4(p + 2, end);
	if (code < 0) {
		return bad(s, p, "\\u without four hex digits");
	}
	if (code < 0xD800 || code > 0xDFFF) {
		s->troublesome |= code == 0;
		return p + 6;
	}
	if (code <= 0xDBFF && end - p >= 12 && p[6] == '\\' && p[7] == 'u') {
		code = read_hex4(p + 8, end);
		if (code >= 0xDC00 && code <= 0xDFFF) {
			s->troublesome = true;
			return p + 12;
		}
	}
	return bad(s, p, "half a surrogate pair");
}

const char *json_string_rest(const char *p, const char *end, struct json_string *s)
{
	uint32_t c;
	size_t n;

	for (; p < end && *p != '"'; p = json_skip_plain(p, end)) {
		if (*p == '\\') {
			s->escaped = true;
			p = skip_escape(p, end, s);
			if (p == NULL) {
				return NULL;
			}
			continue;
		}
		if ((unsigned char)*p < ' ') {
			return bad(s, p, "a control character in a string");
		}
		n = text_next(p, end, &c);
		if (n == 0) {
			return bad(s, p, "bad UTF-8");
		}
		p += n;
	}
	return p < end ? p : bad(s, p, NO_END);
}

size_t json_unescape(const char *text, size_t len, char *out)
{
	static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	const char *p = text, *end = text + len, *run;
	char *o = out;

	while (p < end) {
		uint32_t c;

		run = memchr(p, '\\', (size_t)(end - p));
		run = run != NULL ? run : end;
		memmove(o, p, (size_t)(run - p));
		o += run - p;
		p = run;
		if (p == end) {
			break;
		}
		if (p[1] != 'u') {
			*o++ = meant[strchr(plain, p[1]) - plain];
			p += 2;
			continue;
		}
		c = (uint32_t)read_hex4(p + 2, end);
		p += 6;
		if (c >= 0xD800 && c <= 0xDFFF) {
			c = 0x10000 + ((c - 0xD800) << 10) +
			    ((uint32_t)read_hex4(p + 2, end) - 0xDC00);
			p += 6;
		}
		o += text_put_char(c != 0 ? c : 0xFFFD, o);
	}
	return (size_t)(o - out);
}

static void write_control(struct buf *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	const char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

	switch (c) {
	case '\b':
		buf_add(out, "\\b", 2);
		break;
	case '\t':
		buf_add(out, "\\t", 2);
		break;
	case '\n':
		buf_add(out, "\\n", 2);
		break;
	case '\f':
		buf_add(out, "\\f", 2);
		break;
	case '\r':
		buf_add(out, "\\r", 2);
		break;
	default:
		buf_add(out, escape, sizeof(escape));
		break;
	}
}

void json_write_escaped(struct buf *out, const char *text, size_t len)
{
	const char *p = text, *end = text + len, *run = text;
	uint32_t c;

	while (p < end) {
		unsigned char byte = (unsigned char)*p;
		size_t n = 1;

		if (byte >= 0x80) {
			n = text_next(p, end, &c);
		}
		if (n > 0 && byte >= ' ' && byte != '"' && byte != '\\') {
			p += n;
			continue;
		}
		buf_add(out, run, (size_t)(p - run));
		if (n == 0) {
			buf_add_text(out, "\xEF\xBF\xBD");
		} else if (byte < ' ') {
			write_control(out, byte);
		} else {
			buf_add_char(out, '\\');
			buf_add_char(out, (char)byte);
		}
		run = ++p;
	}
	buf_add(out, run, (size_t)(p - run));
}

void json_write_string(struct buf *out, const char *text, size_t len)
{
	buf_add_char(out, '"');
	json_write_escaped(out, text, len);
	buf_add_char(out, '"');
}
