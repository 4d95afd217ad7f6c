/*
 * lib/table/csv.c: the reader.
 *
 *   csv_reader_feed -> decode (iconv; UTF-8 as it is) -> skip the byte-order mark -> parse ->
 * on_row
 *
 * `parse` copies runs of plain bytes at once and gives every byte that may mean
 * something to `step`, a state machine of five states. A row's fields lie in one
 * buffer, each with a newline behind it, until the row ends.
 *
 * Why not libcsv 3.0.3, measured with its trimming off: after `"Acme" Ltd,x` it
 * goes on inside the quotes and joins the next lines to one field without a word,
 * `"x" ,y` likewise; it does not tell lines, and does 140 MB/s. Here the field
 * goes on outside the quotes, so a bad quote spoils one cell only.
 */
#include "lib/table/csv.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/text.h"

#define FIELD_BYTES ((size_t)1 << 20)
#define FIELDS 1000
#define ROW_BYTES ((size_t)4 << 20) /* for a row, beside one field of the largest size */
#define NO_ICONV ((iconv_t)-1)
#define MARK_BYTES 3

static const char mark[MARK_BYTES + 1] = "\xEF\xBB\xBF"; /* U+FEFF */

enum state {
	ROW,    /* before the first byte of a row */
	FIELD,  /* before the first byte of a field */
	PLAIN,  /* in a field, outside quotes */
	QUOTED, /* in a field, inside quotes */
	QUOTE,  /* after a quote inside quotes: the end, or the first of two */
};

struct csv_reader {
	struct csv_options options;
	csv_row_fn on_row;
	void *arg;

	iconv_t iconv; /* NO_ICONV for UTF-8 */
	char tail[8];  /* the beginning of a character that the next chunk ends */
	size_t tail_len;
	unsigned
	    mark; /* bytes of a byte-order mark seen so far; MARK_BYTES: looked for no longer */

	enum state state;
	bool after_cr;      /* a newline now belongs to the CR before it */
	bool stops[2][256]; /* bytes that `step` must see: outside, inside quotes */
	struct buf text;    /* the row's fields so far */
	size_t begin;       /* of the field under way */
	struct csv_field *fields;
	size_t n, cap;
	uint64_t row, line;            /* rows delivered; line of the next byte, from 1 */
	uint64_t row_line, quote_line; /* where the row and its last quote began */
};

/* Where we are, for messages: the row under way is the one after those delivered. */
#define AT "line %llu (row %llu): "
#define PLACE(r, l) (unsigned long long)(l), (unsigned long long)(r)->row + 1

static int field_add(struct csv_reader *r, const char *bytes, size_t len, struct lead_error *err)
{
	size_t most = r->options.max_field_bytes;

	if (len > most - (r->text.len - r->begin)) {
		if (r->state == QUOTED) {
			return lead_fail(err, LEAD_EINPUT,
			    AT "the quote opened here has no end within %zu bytes",
			    PLACE(r, r->quote_line), most);
		}
		return lead_fail(err, LEAD_EINPUT, AT "a field of more than %zu bytes",
		    PLACE(r, r->row_line), most);
	}
	if (r->text.len + len > most + ROW_BYTES) {
		return lead_fail(err, LEAD_EINPUT, AT "a row of more than %zu bytes",
		    PLACE(r, r->row_line), most + ROW_BYTES);
	}
	buf_add(&r->text, bytes, len);
	return 0; /* without memory: seen at the end of the field */
}

static int field_end(struct csv_reader *r, struct lead_error *err)
{
	size_t len = r->text.len - r->begin;

	if (r->n == r->options.max_fields) {
		return lead_fail(err, LEAD_EINPUT, AT "more than %zu fields", PLACE(r, r->row_line),
		    r->options.max_fields);
	}
	if (r->n == r->cap) {
		size_t cap = r->cap == 0 ? 32 : r->cap * 2;
		struct csv_field *fields = reallocarray(r->fields, cap, sizeof(*fields));

		if (fields == NULL) {
			return lead_fail(err, LEAD_ENOMEM, "out of memory");
		}
		r->fields = fields;
		r->cap = cap;
	}
	buf_add_char(&r->text, '\n');
	if (r->text.failed) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	r->fields[r->n++].len = len;
	r->begin = r->text.len;
	return 0;
}

/* A byte that is no UTF-8, in windows-1252. */
static void put_1252(struct buf *out, unsigned char byte)
{
	static const uint16_t high[32] = {0x20AC, 0x81, 0x201A, 0x192, 0x201E, 0x2026, 0x2020, 0x2021, 0x2C6, 0x2030, 0x160, 0x2039, 0x152, 0x8D,
	    0x17D, 0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x2DC, 0x2122, 0x161, 0x203A, 0x153, 0x9D, 0x17E, 0x178};
	char bytes[4];

	buf_add(out, bytes, text_put_char(byte < 0xA0 ? high[byte & 31] : byte, bytes));
}

/* CSV_MIXED. A field may become longer, by two bytes for one. */
static void row_mend(struct csv_reader *r)
{
	const char *p = r->text.data;
	struct buf mended = {.max = 3 * (r->options.max_field_bytes + ROW_BYTES + r->options.max_fields)};
	uint32_t c;

	for (size_t i = 0; i < r->n; i++) {
		const char *end = p + r->fields[i].len;
		size_t before = mended.len, n;

		for (; p < end; p += n) {
			n = text_next(p, end, &c);
			if (n > 0) {
				buf_add(&mended, p, n);
			} else {
				put_1252(&mended, (unsigned char)*p);
				n = 1;
			}
		}
		r->fields[i].len = mended.len - before;
		buf_add_char(&mended, '\n');
		p++;
	}
	buf_free(&r->text);
	r->text = mended;
}

/* Nothing but clean UTF-8 leaves the reader. */
static int row_check(struct csv_reader *r, struct lead_error *err)
{
	if (r->options.encoding == CSV_MIXED && !text_is_utf8(r->text.data, r->text.len)) {
		row_mend(r);
		if (r->text.failed) {
			return lead_fail(err, LEAD_ENOMEM, "out of memory");
		}
	}
	if (memchr(r->text.data, '\0', r->text.len) != NULL) {
		return lead_fail(err, LEAD_EINPUT, AT "a NUL byte", PLACE(r, r->row_line));
	}
	if (r->iconv == NO_ICONV && !text_is_utf8(r->text.data, r->text.len)) {
		return lead_fail(err, LEAD_EINPUT, AT "not UTF-8; is it windows-1252 or latin1?",
		    PLACE(r, r->row_line));
	}
	return 0;
}

static void row_reset(struct csv_reader *r)
{
	buf_reset(&r->text);
	r->begin = r->n = 0;
	r->state = ROW;
}

/* `sep=;` before the header, as Excel understands it. Detection took the delimiter from this very line. */
static bool is_sep_line(const struct csv_reader *r)
{
	return r->row == 0 && r->text.len >= 5 && strncasecmp(r->text.data, "sep=", 4) == 0 &&
	       ((r->n == 1 && r->fields[0].len == 5) || (r->n == 2 && r->fields[0].len == 4 && r->fields[1].len == 0));
}

static int row_end(struct csv_reader *r, struct lead_error *err)
{
	const char *text;
	int rc = field_end(r, err);

	if (rc == 0) {
		rc = row_check(r, err);
	}
	if (rc != 0) {
		return rc;
	}
	if (is_sep_line(r)) {
		row_reset(r);
		return 0;
	}
	text = r->text.data;
	for (size_t i = 0; i < r->n; i++) {
		r->fields[i].text = text;
		text += r->fields[i].len + 1;
	}
	r->row++;
	rc = r->on_row(r->arg, r->row, r->row_line, r->fields, r->n);
	row_reset(r);
	return rc;
}

/* A byte outside quotes, or the one that shows that the quotes have ended. */
static int step_plain(struct csv_reader *r, char c, struct lead_error *err)
{
	int rc;

	if (c == '\r' || c == '\n') {
		return row_end(r, err);
	}
	if (c == r->options.delimiter) {
		rc = field_end(r, err);
		r->state = FIELD;
		return rc;
	}
	r->state = PLAIN;
	return field_add(r, &c, 1, err);
}

static int step(struct csv_reader *r, char c, struct lead_error *err)
{
	bool newline = c == '\r' || c == '\n';
	bool second = c == '\n' && r->after_cr;

	r->after_cr = c == '\r';
	r->line += newline && !second;
	switch (r->state) {
	case ROW:
		if (newline) {
			return 0; /* a blank line, or the LF of a CRLF */
		}
		r->row_line = r->line;
		__attribute__((fallthrough));
	case FIELD:
		if (c == '"') {
			r->state = QUOTED;
			r->quote_line = r->line;
			return 0;
		}
		return step_plain(r, c, err);
	case PLAIN:
		return step_plain(r, c, err);
	case QUOTED:
		if (c == '"') {
			r->state = QUOTE;
			return 0;
		}
		return field_add(r, &c, 1, err);
	case QUOTE:
		if (c == '"') {
			r->state = QUOTED;
			return field_add(r, &c, 1, err);
		}
		return step_plain(r, c, err);
	}
	return lead_fail(err, LEAD_EBUG, "csv: state %d", r->state);
}

static int parse(struct csv_reader *r, const char *p, const char *end, struct lead_error *err)
{
	int rc = 0;

	while (rc == 0 && p < end) {
		if (r->state == PLAIN || r->state == QUOTED) {
			const bool *stops = r->stops[r->state == QUOTED];
			const char *q = p;

			while (q < end && !stops[(unsigned char)*q]) {
				q++;
			}
			if (q > p) {
				r->after_cr = false;
				rc = field_add(r, p, (size_t)(q - p), err);
				p = q;
				continue;
			}
		}
		rc = step(r, *p++, err);
	}
	return rc;
}

/* Decoded bytes; drops the byte-order mark at the very start, however it was cut. */
static int parse_marked(
    struct csv_reader *r, const char *p, const char *end, struct lead_error *err)
{
	unsigned held;
	int rc;

	while (r->mark < MARK_BYTES && p < end && *p == mark[r->mark]) {
		r->mark++;
		p++;
	}
	if (r->mark < MARK_BYTES && p < end) {
		held = r->mark;
		r->mark = MARK_BYTES;
		rc = parse(r, mark, mark + held, err); /* it was none: these bytes are text */
		if (rc != 0) {
			return rc;
		}
	}
	return parse(r, p, end, err);
}

/* Reads what can be decoded; moves *in and *len behind it. What is left is the beginning of a
 * character. */
static int decode(struct csv_reader *r, char **in, size_t *len, struct lead_error *err)
{
	while (*len > 0) {
		char out[16384], *to = out;
		size_t room = sizeof(out);
		bool failed = iconv(r->iconv, in, len, &to, &room) == (size_t)-1;
		int why = errno;
		int rc = parse_marked(r, out, to, err);

		if (rc != 0) {
			return rc;
		}
		if (failed && why == EINVAL && *len < sizeof(r->tail)) {
			return 0;
		}
		if (failed && why != E2BIG) {
			return lead_fail(err, LEAD_EINPUT, AT "bytes that are no %s",
			    PLACE(r, r->line), csv_encoding_word(r->options.encoding));
		}
	}
	return 0;
}

int csv_reader_feed(struct csv_reader *r, const void *bytes, size_t len, struct lead_error *err)
{
	char *p = (char *)bytes; /* iconv's prototype forgets the const */
	int rc = 0;

	if (r->iconv == NO_ICONV) {
		return parse_marked(r, p, p + len, err);
	}
	while (rc == 0 && r->tail_len > 0 && len > 0) {
		char *tail = r->tail;

		r->tail[r->tail_len++] = *p++;
		len--;
		rc = decode(r, &tail, &r->tail_len, err);
		memmove(r->tail, tail, r->tail_len);
	}
	if (rc == 0 && len > 0) {
		rc = decode(r, &p, &len, err);
		if (rc == 0) {
			memcpy(r->tail, p, len);
			r->tail_len = len;
		}
	}
	return rc;
}

int csv_reader_finish(struct csv_reader *r, struct lead_error *err)
{
	int rc = 0;

	if (r->tail_len > 0) {
		return lead_fail(
		    err, LEAD_EINPUT, AT "the file ends inside a character", PLACE(r, r->line));
	}
	if (r->mark < MARK_BYTES) {
		rc = parse(r, mark, mark + r->mark, err);
	}
	if (rc == 0 && r->state == QUOTED) {
		return lead_fail(err, LEAD_EINPUT, AT "the quote opened here has no end",
		    PLACE(r, r->quote_line));
	}
	return rc != 0 || r->state == ROW ? rc : row_end(r, err);
}

static int open_iconv(struct csv_reader *r, struct lead_error *err)
{
	static const char *const names[] = {
	    [CSV_UTF16LE] = "UTF-16LE",
	    [CSV_UTF16BE] = "UTF-16BE",
	    [CSV_WINDOWS1252] = "WINDOWS-1252",
	    [CSV_LATIN1] = "ISO-8859-1",
	};
	enum csv_encoding e = r->options.encoding;

	r->iconv = NO_ICONV;
	if (e == CSV_UTF8 || e == CSV_UTF8_BOM || e == CSV_MIXED) {
		return 0;
	}
	r->iconv = iconv_open("UTF-8", names[e]);
	if (r->iconv != NO_ICONV) {
		return 0;
	}
	if (errno == EINVAL) {
		return lead_fail(err, LEAD_EINPUT, "this system's iconv cannot read %s", names[e]);
	}
	return lead_fail(err, LEAD_ENOMEM, "iconv_open: %s", strerror(errno));
}

int csv_reader_new(const struct csv_options *o, csv_row_fn on_row, void *arg,
    struct csv_reader **ret, struct lead_error *err)
{
	struct csv_reader *r = calloc(1, sizeof(*r));
	int rc;

	if (r == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	r->options = *o;
	r->on_row = on_row;
	r->arg = arg;
	r->line = 1;
	if (r->options.delimiter == '\0') {
		r->options.delimiter = ',';
	}
	if (r->options.max_field_bytes == 0) {
		r->options.max_field_bytes = FIELD_BYTES;
	}
	if (r->options.max_fields == 0) {
		r->options.max_fields = FIELDS;
	}
	r->text.max = r->options.max_field_bytes + ROW_BYTES + r->options.max_fields;
	for (int quoted = 0; quoted < 2; quoted++) {
		r->stops[quoted]['\r'] = r->stops[quoted]['\n'] = true;
	}
	r->stops[0][(unsigned char)r->options.delimiter] = true;
	r->stops[1]['"'] = true;
	rc = open_iconv(r, err);
	if (rc != 0) {
		csv_reader_free(r);
		return rc;
	}
	*ret = r;
	return 0;
}

void csv_reader_free(struct csv_reader *r)
{
	if (r == NULL) {
		return;
	}
	if (r->iconv != NO_ICONV) {
		iconv_close(r->iconv);
	}
	buf_free(&r->text);
	free(r->fields);
	free(r);
}

void csv_reader_set_arg(struct csv_reader *r, void *arg)
{
	r->arg = arg;
}
