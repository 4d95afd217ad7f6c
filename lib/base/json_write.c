/* lib/base/json_write.c: text into JSON string literals; runs that need no change go over in one
 * piece. */
#include "lib/base/json.h"

#include "lib/base/text.h"

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
