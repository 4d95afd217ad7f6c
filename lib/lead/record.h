/*
 * lib/lead/record.h: a lead's imported row: fields by column number.
 *
 * The standard fields get fixed names; every other column keeps its own name and
 * is exported again. Stored once, read without parsing: a row is the lengths and
 * the texts of its columns, the names stand once per run (`columns`).
 */
#pragma once

#include "lib/base/error.h"
#include "lib/base/value.h"
#include "lib/table/csv.h"

/* The standard fields; names as they are read in expressions: `.email`, `.first_name` … */
enum lead_field {
	FIELD_EMAIL,
	FIELD_FIRST_NAME,
	FIELD_LAST_NAME,
	FIELD_FULL_NAME,
	FIELD_COMPANY,
	FIELD_WEBSITE,
	FIELD_LINKEDIN,
	FIELD_TITLE,
	FIELD_CITY,
	FIELD_REGION,
	FIELD_N
};
extern const char *const lead_field_names[FIELD_N + 1]; /* NULL-terminated */

/* Columns of one file: which standard field each is. Owned texts; values, not opaque. */
struct columns {
	struct column {
		char *header; /* as in the file, trimmed; empty ones become `column_N`; repeats get
				 `_2`, `_3` */
		int field;    /* enum lead_field, or -1 */
	} * list;
	size_t n;
};

/* The header as expressions name it: in lower case, one _ for each run of other characters than letters and digits; letters beyond
 * ASCII stay. Returns its length; 0: nothing is left, or it is longer than max. */
size_t record_word(const char *header, char *word, size_t max);

/*
 * Maps a header row. overrides: `field=Header` pairs from --map (NULL-terminated list, may be
 * NULL). Known spellings in several languages (E-mail, Email Address, Vorname, Nom, Organisation,
 * Company Name, Firma, Job Title, LinkedIn URL, Person Linkedin Url, State …), case, spaces, dashes
 * and underscores ignored. LEAD_EINPUT: an override that names no field or no column (nearest one
 * in the text); two columns for one field by override; no column that can carry an address, a
 * LinkedIn profile or a name.
 */
int columns_map(const struct csv_field *header, size_t n, const char *const overrides[],
    struct columns *ret, struct lead_error *err) MUST_CHECK;
/* Columns under those names (n <= 256); one that is called as a standard field is that field. LEAD_ENOMEM. */
int columns_of(const char *const names[], size_t n, struct columns *ret) MUST_CHECK;
void columns_fini(struct columns *c);
/* For the run's row in the store, and back. */
void columns_write(const struct columns *c, struct buf *out);
int columns_read(const void *bytes, size_t len,
    struct columns *ret) MUST_CHECK; /* LEAD_EINPUT when it is none */

/*
 * The stored row: per column its text trimmed; a standard field that no column gives but that
 * follows from others is added behind them (first and last name from the full name and the other
 * way round; website from a company address is NOT invented). Bad UTF-8 never gets here (csv
 * decodes). Fewer cells than columns: the rest is empty.
 */
void record_write(
    const struct columns *c, const struct csv_field *cells, size_t n, struct buf *out);

/* A view on a stored row; borrowed from it. */
struct record {
	const struct columns *columns;
	const unsigned char *bytes;
	size_t len;
};
/* False when the bytes are no row of these columns. */
bool record_open(struct record *r, const struct columns *c, const void *bytes, size_t len);
/* Column i (0 .. columns->n - 1). */
struct value record_cell(const struct record *r, size_t i);
/* By standard field, derived ones included. NONE when empty. */
struct value record_field(const struct record *r, enum lead_field f);
/* By name: a standard field, else a column's header made a word: lower case, runs of other
 * characters are one `_`. */
struct value record_get(const struct record *r, const char *name, size_t len);
