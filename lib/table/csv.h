/*
 * lib/table/csv.h: CSV in as it comes (any encoding and delimiter of the wild), out as it should
 * be.
 *
 * In: bytes are pushed in chunks of any size; rows come out decoded to UTF-8, one callback each.
 * Rules: RFC 4180 and what real files do: CRLF, LF or CR alone; quotes doubled; fields as written
 * (no trimming); what follows a closing quote belongs to the field (`"x" y,` is `x y`); blank lines
 * skipped, and so is a first line `sep=;`; a row may have fewer or more fields than the header (the caller decides).
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum csv_encoding {
	CSV_UTF8,
	CSV_UTF8_BOM,
	CSV_UTF16LE,
	CSV_UTF16BE,
	CSV_WINDOWS1252,
	CSV_LATIN1,
	CSV_MIXED, /* UTF-8, and each byte that is none of it as in windows-1252: lists that were put together */
};
const char *csv_encoding_word(enum csv_encoding e);
bool csv_encoding_parse(const char *word, enum csv_encoding *ret);

/*
 * Detection over a whole file in slices: feed everything, then ask. Byte-order mark, then UTF-16
 * by its NULs, then valid UTF-8, then mostly UTF-8 (mixed), then windows-1252 (bytes that it
 * lacks: latin1).
 * The delimiter is the one of , ; TAB | that the first line holds most often outside quotes.
 */
struct csv_sniff;
struct csv_sniff *csv_sniff_new(void);
void csv_sniff_feed(struct csv_sniff *s, const void *bytes, size_t len);
void csv_sniff_result(
    const struct csv_sniff *s, enum csv_encoding *ret_encoding, char *ret_delimiter);
void csv_sniff_free(struct csv_sniff *s);

struct csv_field {
	const char *text;
	size_t len;
};

struct csv_options {
	enum csv_encoding encoding;
	char delimiter;
	size_t max_field_bytes; /* default 1 MiB */
	size_t max_fields;      /* default 1,000 */
};

struct csv_reader;
/* row: 1-based number of the record, the header being 1; line: physical line it began on. Return
 * non-zero to stop: it comes back from csv_reader_feed. */
typedef int (*csv_row_fn)(
    void *arg, uint64_t row, uint64_t line, const struct csv_field *fields, size_t n);

int csv_reader_new(const struct csv_options *o, csv_row_fn on_row, void *arg,
    struct csv_reader **ret, struct lead_error *err) MUST_CHECK;
/* 0, what on_row returned, or LEAD_EINPUT naming line and row (unterminated quote too long, too
 * many fields, bad encoding). After any result but 0 only csv_reader_free may follow. */
int csv_reader_feed(
    struct csv_reader *r, const void *bytes, size_t len, struct lead_error *err) MUST_CHECK;
/* The end of the file: delivers the last row. LEAD_EINPUT when it ends inside a quoted field. */
int csv_reader_finish(struct csv_reader *r, struct lead_error *err) MUST_CHECK;
void csv_reader_free(struct csv_reader *r);
/* Another argument for on_row: readers live longer than the place that feeds them. */
void csv_reader_set_arg(struct csv_reader *r, void *arg);

/* One cell: quoted when needed; a cell that begins with = + - @ TAB CR gets a leading ' (formula
 * injection). Plain numbers such as -1.5 stay. */
void csv_write_cell(struct buf *out, const char *text, size_t len, bool first);
/* The same as it is, for readers of our own that run nothing. */
void csv_write_plain(struct buf *out, const char *text, size_t len, bool first);
/* CRLF (RFC 4180). */
void csv_write_end(struct buf *out);
