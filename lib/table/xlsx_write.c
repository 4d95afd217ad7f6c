/*
 * See xlsx.h. libxlsxwriter in its mode of constant memory: a row goes to a temporary file when the
 * next one begins, texts stand in their cells.
 */
#include "lib/table/xlsx.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <xlsxwriter.h>

#include "lib/base/buf.h"
#include "lib/base/text.h"

#define MAX_COLUMNS 4096
#define MAX_CHARACTERS 32767
#define LEAST_WIDTH 8
#define MOST_WIDTH 60
#define BREAKS "\t\n\v\f\r"

static const char cut_mark[] = " [cut]";

struct xlsx_writer {
	lxw_workbook *book;
	lxw_worksheet *sheet;
	lxw_format *bold;
	uint32_t numbers;
	lxw_row_t row;
	unsigned column, columns;
	unsigned char widths[MAX_COLUMNS];
	struct buf text;
};

int xlsx_writer_new(const char *file, const char *tmp_dir, uint32_t numbers,
    struct xlsx_writer **ret, struct lead_error *err)
{
	lxw_workbook_options o = {
	    .constant_memory = LXW_TRUE, .tmpdir = (char *)(uintptr_t)tmp_dir};
	struct xlsx_writer *w = calloc(1, sizeof(*w));

	*ret = w;
	if (w == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	w->numbers = numbers;
	w->book = workbook_new_opt(file, &o);
	w->sheet = w->book != NULL ? workbook_add_worksheet(w->book, "results") : NULL;
	w->bold = w->book != NULL ? workbook_add_format(w->book) : NULL;
	if (w->sheet == NULL || w->bold == NULL) {
		lxw_workbook_free(w->book);
		free(w);
		*ret = NULL;
		return lead_fail(err, LEAD_EIO, "a temporary file cannot be made in %s", tmp_dir);
	}
	format_set_bold(w->bold);
	worksheet_freeze_panes(w->sheet, 1, 0);
	return 0;
}

/* What looks like an escaped character (_x0041_) is escaped itself, or Excel would take it for one; a line ends with LF in a
 * cell. What no XML may hold is replaced: U+FFFE keeps every reader from opening the file, and not all undo escapes. */
static void add_literal(struct buf *out, const char *text, size_t len)
{
	uint32_t c = 0;
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		const char *p = text + i;

		n = text_next(p, text + len, &c);
		if (n == 0 || c == 0xFFFE || c == 0xFFFF || (c < ' ' && strchr(BREAKS, (int)c) == NULL) || c == 0) {
			buf_add_text(out, "\xEF\xBF\xBD");
			n = n > 0 ? n : 1;
			continue;
		}
		if (c == '_' && len - i >= 7 && p[1] == 'x' && p[6] == '_' && isxdigit((unsigned char)p[2]) && isxdigit((unsigned char)p[3]) &&
		    isxdigit((unsigned char)p[4]) && isxdigit((unsigned char)p[5])) {
			buf_add_text(out, "_x005F");
		}
		if (c == '\v' || c == '\f' || (c == '\r' && (i + 1 == len || p[1] != '\n'))) {
			buf_add_char(out, '\n');
		} else if (c != '\r') {
			buf_add(out, p, n);
		}
	}
}

/* NUL-terminated, with no more characters than a cell holds; those beyond U+FFFF count twice. */
static void set_text(struct xlsx_writer *w, const char *text, size_t len)
{
	const char *end = text + len, *p = text;
	size_t units = 0, room = MAX_CHARACTERS - (sizeof(cut_mark) - 1), fits = 0;

	while (p < end && units <= MAX_CHARACTERS) {
		uint32_t c = 0;
		size_t n = text_next(p, end, &c);

		fits = units <= room ? (size_t)(p - text) : fits;
		units += n == 4 ? 2 : 1;
		p += n > 0 ? n : 1;
	}
	buf_reset(&w->text);
	add_literal(&w->text, text, units <= MAX_CHARACTERS ? len : fits);
	buf_add_text(&w->text, units <= MAX_CHARACTERS ? "" : cut_mark);
}

static void widen(struct xlsx_writer *w)
{
	size_t line = strcspn(w->text.data, "\r\n"), width = text_length(w->text.data, line) + 2;

	width = width < LEAST_WIDTH ? LEAST_WIDTH : width > MOST_WIDTH ? MOST_WIDTH : width;
	w->widths[w->column] =
	    width > w->widths[w->column] ? (unsigned char)width : w->widths[w->column];
}

static bool is_number(const struct xlsx_writer *w, double *ret)
{
	char *end = NULL;

	if (w->row == 0 || w->column >= 32 || (w->numbers >> w->column & 1) == 0) {
		return false;
	}
	*ret = strtod(w->text.data, &end);
	return end != w->text.data && *end == 0;
}

int xlsx_write_cell(struct xlsx_writer *w, const char *text, size_t len, struct lead_error *err)
{
	lxw_error rc = LXW_NO_ERROR;
	double number;

	if (w->column == MAX_COLUMNS || w->row >= LXW_ROW_MAX) {
		return lead_fail(err, LEAD_EINPUT,
		    "a workbook holds %d columns and %d rows at most: take CSV", MAX_COLUMNS,
		    (int)LXW_ROW_MAX);
	}
	set_text(w, text, len);
	if (w->text.failed) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	if (w->text.len > 0) {
		widen(w);
		rc = is_number(w, &number)
			 ? worksheet_write_number(
			       w->sheet, w->row, (lxw_col_t)w->column, number, NULL)
			 : worksheet_write_string(w->sheet, w->row, (lxw_col_t)w->column,
			       w->text.data, w->row == 0 ? w->bold : NULL);
	}
	w->column++;
	w->columns = w->column > w->columns ? w->column : w->columns;
	return rc == LXW_NO_ERROR
		   ? 0
		   : lead_fail(err, LEAD_EIO, "row %u: %s", w->row + 1, lxw_strerror(rc));
}

void xlsx_write_end(struct xlsx_writer *w)
{
	w->row++;
	w->column = 0;
}

int xlsx_writer_close(struct xlsx_writer *w, struct lead_error *err)
{
	char range[32];
	lxw_error rc;

	for (unsigned i = 0; i < w->columns; i++) {
		(void)worksheet_set_column(w->sheet, (lxw_col_t)i, (lxw_col_t)i,
		    w->widths[i] > 0 ? w->widths[i] : LEAST_WIDTH, NULL);
	}
	if (w->columns > 0 && w->row > 0) { /* texts of digits are meant as they are */
		(void)snprintf(range, sizeof(range), "A1:XFD%u", w->row);
		(void)worksheet_ignore_errors(w->sheet, LXW_IGNORE_NUMBER_STORED_AS_TEXT, range);
	}
	rc = workbook_close(w->book);
	buf_free(&w->text);
	free(w);
	return rc == LXW_NO_ERROR ? 0
				  : lead_fail(err, LEAD_EIO, "the workbook cannot be written: %s",
					lxw_strerror(rc));
}
