/*
 * lib/table/xlsx.h: spreadsheets of the kind .xlsx: a sheet in as CSV text, a table out as a
 * workbook.
 *
 * In: a workbook is other people's bytes twice over, a zip of XML files; it is read in a process
 * that can do nothing else (daemon/sandbox.h), in one pass over the sheet. Text comes out as a
 * person sees it: dates and times in the form of ISO 8601, numbers with at most 15 digits, TRUE and
 * FALSE, error values by their names.
 */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XLSX_BYTES ((size_t)50 << 20) /* the largest workbook that is taken */

enum file_kind {
	FILE_TEXT,     /* CSV, as far as its first bytes say */
	FILE_MARKUP,   /* HTML or XML: what some programs give the name .xls or .xlsx */
	FILE_ZIP,      /* perhaps a workbook */
	FILE_OLD_BOOK, /* .xls, or a workbook with a password */
	FILE_OTHER,    /* something else that is no text: PDF, pictures, other archives */
};
/* By the first bytes; 64 are enough. */
enum file_kind file_kind(const void *bytes, size_t len);

struct xlsx_options {
	const char *sheet;   /* its name, or else its number from 1 on; NULL: the first one that is not hidden */
	uint64_t max_output; /* bytes of CSV; 0: 512 MiB */
};

/* false: no more is wanted. */
typedef bool (*xlsx_write_fn)(void *arg, const char *bytes, size_t len);

/*
 * A sheet as CSV: UTF-8, commas, CRLF, nothing put before formulas. Rows above the first with a
 * value are left out; from there on every row of the sheet is a row of the text, so that numbers
 * stay. LEAD_EINPUT: no workbook, a broken one or one past the bounds, with the place; LEAD_EIO:
 * write said false.
 */
int xlsx_to_csv(const void *bytes, size_t len, const struct xlsx_options *o, xlsx_write_fn write,
    void *arg, struct lead_error *err) MUST_CHECK;

/*
 * A table out, row by row, in constant memory. Every cell is text, whatever it looks like, so that
 * no spreadsheet runs or changes it; but for the columns told to hold numbers. The first row stays
 * in view and is bold.
 */
struct xlsx_writer;
/* file is made; tmp_dir: a folder for what is not written yet. numbers: bit n for column n, for n
 * below 32. */
int xlsx_writer_new(const char *file, const char *tmp_dir, uint32_t numbers,
    struct xlsx_writer **ret, struct lead_error *err) MUST_CHECK;
/* The next cell of the row under way. What is longer than a cell may be (32,767 characters) is cut,
 * with a mark; line ends become LF, as cells have them, and what XML cannot hold U+FFFD. */
int xlsx_write_cell(
    struct xlsx_writer *w, const char *text, size_t len, struct lead_error *err) MUST_CHECK;
void xlsx_write_end(struct xlsx_writer *w);
/* Completes the file and frees w, in any case. */
int xlsx_writer_close(struct xlsx_writer *w, struct lead_error *err) MUST_CHECK;
