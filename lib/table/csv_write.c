/* lib/table/csv_write.c: cells out, safe for spreadsheets and for every reader of RFC 4180. */
#include "lib/table/csv.h"

#include <string.h>

#include "lib/base/decimal.h"

/* Whether a spreadsheet would run the cell. Plain numbers are harmless, with either sign. */
static bool is_formula(const char *text, size_t len)
{
	if (len == 0 || memchr("=+-@\t\r", text[0], 6) == NULL) {
		return false;
	}
	if (text[0] == '+') {
		return len < 2 || text[1] == '-' || decimal_length(text + 1, len - 1) != len - 1;
	}
	return decimal_length(text, len) != len;
}

static bool needs_quotes(const char *text, size_t len)
{
	if (len > 0 && (text[0] == ' ' || text[len - 1] == ' ')) {
		return true; /* some readers trim */
	}
	for (size_t i = 0; i < len; i++) {
		if (text[i] == ',' || text[i] == '"' || text[i] == '\r' || text[i] == '\n') {
			return true;
		}
	}
	return false;
}

static void write_cell(struct buf *out, const char *text, size_t len, bool first, bool formula)
{
	const char *end = text + len, *quote;
	/* An empty first cell is quoted: a row of one would be a blank line, which readers skip. */
	bool quotes = needs_quotes(text, len) || (first && len == 0);

	if (!first) {
		buf_add_char(out, ',');
	}
	if (quotes) {
		buf_add_char(out, '"');
	}
	if (formula) {
		buf_add_char(out, '\'');
	}
	while (text < end && (quote = memchr(text, '"', (size_t)(end - text))) != NULL) {
		buf_add(out, text, (size_t)(quote + 1 - text));
		buf_add_char(out, '"');
		text = quote + 1;
	}
	buf_add(out, text, (size_t)(end - text));
	if (quotes) {
		buf_add_char(out, '"');
	}
}

void csv_write_cell(struct buf *out, const char *text, size_t len, bool first)
{
	write_cell(out, text, len, first, is_formula(text, len));
}

void csv_write_plain(struct buf *out, const char *text, size_t len, bool first)
{
	write_cell(out, text, len, first, false);
}

void csv_write_end(struct buf *out)
{
	buf_add(out, "\r\n", 2);
}
