/*
 * See xlsx_internal.h: cells to CSV while they come.
 *
 *   <row r> -> <c r t s> -> <v> or <is><t> -> </c>: the text, at its column -> </row>: a line
 *
 * Cells without a value are not there: programs write them by the thousand for their borders and
 * colours.
 */
#include "lib/table/xlsx_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/table/csv.h"

#define MAX_ROW 1048576
#define MAX_COLUMN 1000 /* what a CSV may have */
#define MAX_GAP 10000   /* empty rows in a row */
#define MAX_CELLS 20000000
#define CELL_BYTES ((size_t)1 << 20)
#define OUTPUT_BYTES ((uint64_t)512 << 20)
#define FLUSH_BYTES ((size_t)64 << 10)

enum cell_type { CELL_NUMBER, CELL_SHARED, CELL_TEXT, CELL_INLINE, CELL_BOOL, CELL_PLAIN };

struct sheet {
	struct book *b;
	xlsx_write_fn write;
	void *arg;
	uint64_t max_output, output;
	struct buf out, raw,
	    text; /* lines not written yet; a cell as in the file; the same as it is seen */

	bool in_data, in_row, in_cell, in_value, phonetic;
	enum cell_type type;
	size_t style;
	uint32_t row, column; /* of the cell under way, from 1 */
	uint32_t last_row;    /* the last one with a value; 0: none yet */
	uint32_t filled;      /* columns of this row that are written */
	uint32_t last_column; /* in the file, with a value or not */
	uint32_t cells;
};

struct sheet *sheet_new(struct book *b, uint64_t max_output, xlsx_write_fn write, void *arg)
{
	struct sheet *s = calloc(1, sizeof(*s));

	if (s != NULL) {
		s->b = b;
		s->write = write;
		s->arg = arg;
		s->max_output = max_output != 0 ? max_output : OUTPUT_BYTES;
		s->raw.max = CELL_BYTES;
	}
	return s;
}

void sheet_free(struct sheet *s)
{
	if (s != NULL) {
		buf_free(&s->out);
		buf_free(&s->raw);
		buf_free(&s->text);
		free(s);
	}
}

/* --- lines --- */

static int flush(struct sheet *s, size_t least)
{
	if (s->out.failed) {
		return lead_fail(s->b->err, LEAD_ENOMEM, "out of memory");
	}
	if (s->out.len <= least) {
		return 0;
	}
	s->output += s->out.len;
	if (s->output > s->max_output) {
		return lead_fail(s->b->err, LEAD_EINPUT,
		    "the sheet holds more than %" PRIu64 " MiB of text", s->max_output >> 20);
	}
	if (s->output > RATIO_FROM && s->output / MOST_RATIO > s->b->len) {
		return lead_fail(s->b->err, LEAD_EINPUT, "the sheet holds more than %d times the text of its file", MOST_RATIO);
	}
	if (!s->write(s->arg, s->out.data, s->out.len)) {
		return lead_fail(s->b->err, LEAD_EIO, "the sheet's text cannot be written");
	}
	buf_reset(&s->out);
	return 0;
}

/* An empty row has one empty cell: a reader would pass over a blank line. */
static void fill_rows(struct sheet *s, struct xml *x)
{
	uint32_t gap = s->last_row != 0 ? s->row - s->last_row - 1 : 0;

	if (gap > MAX_GAP) {
		xml_fail(x, LEAD_EINPUT, "rows %u to %u are empty; %d in a row are too many",
		    s->last_row + 1, s->row - 1, MAX_GAP);
		return;
	}
	for (uint32_t i = 0; i < gap; i++) {
		csv_write_plain(&s->out, "", 0, true);
		csv_write_end(&s->out);
	}
	s->last_row = s->row;
}

static void put_cell(struct sheet *s, struct xml *x)
{
	if (s->column > MAX_COLUMN) {
		xml_fail(x, LEAD_EINPUT, "row %u has a value in column %u; %d are the most", s->row,
		    s->column, MAX_COLUMN);
		return;
	}
	if (s->last_row != s->row) {
		fill_rows(s, x);
	}
	for (; s->filled + 1 < s->column; s->filled++) {
		csv_write_plain(&s->out, "", 0, s->filled == 0);
	}
	csv_write_plain(&s->out, s->text.data, s->text.len, s->filled == 0);
	s->filled++;
}

/* --- cells --- */

static void take_shared(struct sheet *s, struct xml *x)
{
	char *end = NULL;
	unsigned long index = s->raw.len > 0 ? strtoul(s->raw.data, &end, 10) : 0;
	const char *text;
	size_t len;

	if (end == NULL || end == s->raw.data || !strings_get(&s->b->shared, index, &text, &len)) {
		xml_fail(x, LEAD_EINPUT, "row %u, column %u: there is no text of this number",
		    s->row, s->column);
		return;
	}
	buf_add(&s->text, text, len);
}

static struct look look_of_style(const struct sheet *s)
{
	struct look l = {.kind = LOOK_PLAIN};

	if (s->style < s->b->n_looks) {
		memcpy(&l, s->b->looks.data + s->style * sizeof(l), sizeof(l));
	}
	return l;
}

static void take_value(struct sheet *s, struct xml *x)
{
	buf_reset(&s->text);
	switch (s->type) {
	case CELL_SHARED:
		take_shared(s, x);
		break;
	case CELL_NUMBER:
		look_write(look_of_style(s), s->raw.data, s->raw.len, s->b->from_1904, &s->text);
		break;
	case CELL_BOOL:
		buf_add_text(&s->text,
		    strcmp(s->raw.data, "1") == 0 || strcmp(s->raw.data, "true") == 0 ? "TRUE"
										      : "FALSE");
		break;
	case CELL_TEXT:
	case CELL_INLINE:
		strings_unescape(s->raw.data, s->raw.len, &s->text);
		break;
	case CELL_PLAIN:
		buf_add(&s->text, s->raw.data, s->raw.len);
		break;
	}
	if (s->text.failed) {
		xml_fail(x, LEAD_ENOMEM, "out of memory");
	} else if (x->rc == 0 && s->text.len > 0) {
		put_cell(s, x);
	}
}

static enum cell_type type_of(const char *word)
{
	static const struct {
		const char *word;
		enum cell_type type;
	} types[] = {{"s", CELL_SHARED}, {"str", CELL_TEXT}, {"inlineStr", CELL_INLINE},
	    {"b", CELL_BOOL}, {"e", CELL_PLAIN}, {"d", CELL_PLAIN}};

	for (size_t i = 0; word != NULL && i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(word, types[i].word) == 0) {
			return types[i].type;
		}
	}
	return CELL_NUMBER;
}

/* BC12 -> 55; 0: no such thing. */
static uint32_t column_of(const char *reference)
{
	uint32_t column = 0;

	while (*reference >= 'A' && *reference <= 'Z' && column < 20000) {
		column = column * 26 + (uint32_t)(*reference++ - 'A') + 1;
	}
	return *reference >= '1' && *reference <= '9' && column <= 16384 ? column : 0;
}

static void begin_row(struct sheet *s, struct xml *x, const char **pairs)
{
	const char *number = xml_pair(pairs, "r");
	unsigned long row = number != NULL ? strtoul(number, NULL, 10) : (unsigned long)s->row + 1;

	if (row <= s->row || row > MAX_ROW) {
		xml_fail(x, LEAD_EINPUT, "row '%.20s' comes after row %u",
		    number != NULL ? number : "", s->row);
		return;
	}
	s->row = (uint32_t)row;
	s->in_row = true;
	s->filled = s->last_column = 0;
}

static void begin_cell(struct sheet *s, struct xml *x, const char **pairs)
{
	const char *reference = xml_pair(pairs, "r"), *style = xml_pair(pairs, "s");

	s->column = reference != NULL ? column_of(reference) : s->last_column + 1;
	if (s->column <= s->last_column || s->column > 16384) {
		xml_fail(x, LEAD_EINPUT, "row %u: cell '%.20s' comes after column %u", s->row,
		    reference != NULL ? reference : "", s->last_column);
		return;
	}
	if (++s->cells > MAX_CELLS) {
		xml_fail(x, LEAD_EINPUT, "more than %d cells", MAX_CELLS);
		return;
	}
	s->last_column = s->column;
	s->in_cell = true;
	s->type = type_of(xml_pair(pairs, "t"));
	s->style = style != NULL ? strtoul(style, NULL, 10) : 0;
	buf_reset(&s->raw);
}

static void on_begin(struct xml *x, const char *name, const char **pairs)
{
	struct sheet *s = x->arg;

	if (!s->in_data) {
		s->in_data = strcmp(name, "sheetData") == 0;
	} else if (!s->in_row) {
		if (strcmp(name, "row") == 0) {
			begin_row(s, x, pairs);
		}
	} else if (!s->in_cell) {
		if (strcmp(name, "c") == 0) {
			begin_cell(s, x, pairs);
		}
	} else if (strcmp(name, "rPh") == 0) {
		s->phonetic = true;
	} else if (strcmp(name, s->type == CELL_INLINE ? "t" : "v") == 0) {
		s->in_value = !s->phonetic;
	}
}

static void on_text(struct xml *x, const char *text, size_t len)
{
	struct sheet *s = x->arg;

	if (!s->in_value) {
		return;
	}
	buf_add(&s->raw, text, len);
	if (s->raw.failed) {
		xml_fail(x, LEAD_EINPUT, "row %u, column %u: a text of more than %zu MiB", s->row,
		    s->column, CELL_BYTES >> 20);
	}
}

static void on_end(struct xml *x, const char *name)
{
	struct sheet *s = x->arg;

	if (strcmp(name, "t") == 0 || strcmp(name, "v") == 0) {
		s->in_value = false;
	} else if (strcmp(name, "rPh") == 0) {
		s->phonetic = false;
	} else if (strcmp(name, "c") == 0 && s->in_cell) {
		s->in_cell = s->in_value = s->phonetic = false;
		if (s->raw.len > 0) {
			take_value(s, x);
		}
	} else if (strcmp(name, "row") == 0 && s->in_row && !s->in_cell) {
		s->in_row = false;
		if (s->filled > 0) {
			csv_write_end(&s->out);
		}
		x->rc = flush(s, FLUSH_BYTES);
		if (x->rc != 0) {
			(void)XML_StopParser(x->parser, XML_FALSE);
		}
	} else if (strcmp(name, "sheetData") == 0 && !s->in_row) {
		s->in_data = false;
	}
}

void sheet_handlers(struct sheet *s, struct xml *x)
{
	x->begin = on_begin;
	x->end = on_end;
	x->text = on_text;
	x->arg = s;
}

int sheet_finish(struct sheet *s)
{
	int rc = flush(s, 0);

	return rc == 0 && s->last_row == 0
		   ? lead_fail(s->b->err, LEAD_EINPUT, "the sheet '%.100s' is empty", s->b->sheet)
		   : rc;
}
