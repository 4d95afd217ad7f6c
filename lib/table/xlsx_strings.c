/* See xlsx_internal.h: the table of texts that cells refer to, and the styles. */
#include "lib/table/xlsx_internal.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"

#define STRINGS_XML ((uint64_t)512 << 20)
#define STRINGS_BYTES ((size_t)160 << 20)
#define MAX_STRINGS ((size_t)8 << 20)
#define STYLES_XML ((uint64_t)64 << 20)
#define MAX_STYLES 65536

static int hex4(const char *p)
{
	int n = 0;

	for (int i = 0; i < 4; i++) {
		const char *digits = "0123456789abcdef0123456789ABCDEF",
			   *at = p[i] != 0 ? strchr(digits, p[i]) : NULL;

		if (at == NULL) {
			return -1;
		}
		n = n * 16 + (int)((at - digits) % 16);
	}
	return n;
}

void strings_unescape(const char *text, size_t len, struct buf *out)
{
	const char *end = text + len, *p = text;
	char character[4];

	while (p < end) {
		const char *mark = memchr(p, '_', (size_t)(end - p));
		int code = mark != NULL && end - mark >= 7 && mark[1] == 'x' && mark[6] == '_'
			       ? hex4(mark + 2)
			       : -1;

		if (mark == NULL) {
			break;
		}
		buf_add(out, p, (size_t)(mark - p));
		p = mark + 1;
		if (code > 0 && (code < 0xD800 || code > 0xDFFF)) {
			buf_add(out, character, text_put_char((uint32_t)code, character));
			p = mark + 7;
		} else {
			buf_add_char(out, '_');
		}
	}
	buf_add(out, p, (size_t)(end - p));
}

bool strings_get(const struct strings *s, size_t index, const char **ret, size_t *ret_len)
{
	size_t begin = 0, end;

	if (index >= s->n) {
		return false;
	}
	if (index > 0) {
		memcpy(&begin, s->ends.data + (index - 1) * sizeof(begin), sizeof(begin));
	}
	memcpy(&end, s->ends.data + index * sizeof(end), sizeof(end));
	*ret = s->text.data != NULL ? s->text.data + begin : "";
	*ret_len = end - begin;
	return true;
}

struct reading {
	struct book *b;
	struct buf item; /* a string so far */
	bool in_item, in_text, phonetic;
};

static void string_begin(struct xml *x, const char *name, const char **pairs)
{
	struct reading *r = x->arg;

	(void)pairs;
	if (strcmp(name, "si") == 0) {
		r->in_item = true;
		buf_reset(&r->item);
	} else if (strcmp(name, "rPh") == 0) {
		r->phonetic = true;
	} else if (strcmp(name, "t") == 0) {
		r->in_text = r->in_item && !r->phonetic;
	}
}

static void string_text(struct xml *x, const char *text, size_t len)
{
	struct reading *r = x->arg;

	if (r->in_text) {
		buf_add(&r->item, text, len);
		if (r->item.failed) {
			xml_fail(x, LEAD_EINPUT, "a text of more than 1 MiB");
		}
	}
}

static void string_end(struct xml *x, const char *name)
{
	struct reading *r = x->arg;
	struct strings *s = &r->b->shared;

	if (strcmp(name, "t") == 0) {
		r->in_text = false;
	} else if (strcmp(name, "rPh") == 0) {
		r->phonetic = false;
	} else if (strcmp(name, "si") == 0 && r->in_item) {
		r->in_item = false;
		strings_unescape(r->item.data != NULL ? r->item.data : "", r->item.len, &s->text);
		buf_add(&s->ends, &s->text.len, sizeof(s->text.len));
		s->n++;
		if (s->text.failed || s->ends.failed || s->n >= MAX_STRINGS) {
			xml_fail(x, LEAD_EINPUT, "more than %zu MiB of texts or %zu of them",
			    STRINGS_BYTES >> 20, MAX_STRINGS);
		}
	}
}

int book_strings(struct book *b)
{
	struct reading r = {.b = b, .item = {.max = (size_t)1 << 20}};
	struct xml x = {.part = "texts",
	    .begin = string_begin,
	    .end = string_end,
	    .text = string_text,
	    .arg = &r};
	int rc;

	if (b->strings_path[0] == 0) {
		return 0;
	}
	b->shared.text.max = STRINGS_BYTES;
	rc = book_part(b, b->strings_path, STRINGS_XML, &x);
	buf_free(&r.item);
	return rc;
}

/* --- styles --- */

struct format {
	unsigned id;
	struct look look;
};

struct styles {
	struct book *b;
	struct buf formats; /* struct format each */
	size_t n_formats;
	bool in_cells;
};

static struct look look_of(const struct styles *s, unsigned id)
{
	for (size_t i = 0; i < s->n_formats; i++) {
		struct format f;

		memcpy(&f, s->formats.data + i * sizeof(f), sizeof(f));
		if (f.id == id) {
			return f.look;
		}
	}
	return look_of_id(id);
}

static unsigned number_of(const char *text)
{
	return text != NULL ? (unsigned)strtoul(text, NULL, 10) : 0;
}

static void style_begin(struct xml *x, const char *name, const char **pairs)
{
	struct styles *s = x->arg;
	const char *code = xml_pair(pairs, "formatCode");

	if (strcmp(name, "numFmt") == 0 && code != NULL && s->n_formats < 4096) {
		struct format f = {
		    .id = number_of(xml_pair(pairs, "numFmtId")), .look = look_of_code(code)};

		buf_add(&s->formats, &f, sizeof(f));
		s->n_formats++;
	} else if (strcmp(name, "cellXfs") == 0) {
		s->in_cells = true;
	} else if (strcmp(name, "xf") == 0 && s->in_cells) {
		struct look l = look_of(s, number_of(xml_pair(pairs, "numFmtId")));

		buf_add(&s->b->looks, &l, sizeof(l));
		if (++s->b->n_looks > MAX_STYLES) {
			xml_fail(x, LEAD_EINPUT, "more than %d styles", MAX_STYLES);
		}
	}
}

static void style_end(struct xml *x, const char *name)
{
	struct styles *s = x->arg;

	if (strcmp(name, "cellXfs") == 0) {
		s->in_cells = false;
	}
}

int book_looks(struct book *b)
{
	struct styles s = {.b = b};
	struct xml x = {.part = "styles", .begin = style_begin, .end = style_end, .arg = &s};
	int rc = b->styles_path[0] != 0 ? book_part(b, b->styles_path, STYLES_XML, &x) : 0;

	buf_free(&s.formats);
	if (rc == 0 && b->looks.failed) {
		rc = lead_fail(b->err, LEAD_ENOMEM, "out of memory");
	}
	return rc;
}
