/* What the files of the workbook reader share; see xlsx.h. */
#pragma once

#include "lib/base/buf.h"
#include "lib/table/xlsx.h"

#include <expat.h>
#include <zip.h>

/* --- xlsx_xml.c: one XML part, pushed through expat --- */

struct xml {
	const char *part; /* its name, for messages */
	void (*begin)(struct xml *x, const char *name, const char **pairs);
	void (*end)(struct xml *x, const char *name);
	void (*text)(struct xml *x, const char *text, size_t len);
	void *arg;
	struct lead_error *err;

	XML_Parser parser;
	unsigned depth;
	int rc;
};

int xml_open(struct xml *x) MUST_CHECK;
int xml_feed(struct xml *x, const void *bytes, size_t len, bool last) MUST_CHECK;
void xml_close(struct xml *x);
/* From within a handler: no more of this part. */
void xml_fail(struct xml *x, int code, const char *format, ...) PRINTF(3, 4);
/* Value of an attribute, whatever the prefix of its name; NULL: not there. */
const char *xml_pair(const char **pairs, const char *name);

/* --- xlsx_look.c: how numbers look --- */

struct look {
	enum { LOOK_PLAIN, LOOK_PADDED, LOOK_DATE, LOOK_TIME, LOOK_DATE_TIME, LOOK_ELAPSED } kind;
	unsigned width; /* LOOK_PADDED: digits */
};

struct look look_of_code(const char *code);
struct look look_of_id(unsigned id); /* of the formats that every program knows */
/* Appends the number in text as it is seen. What is no number is taken as it is. */
void look_write(struct look l, const char *text, size_t len, bool from_1904, struct buf *out);

/* --- xlsx.c, xlsx_strings.c: the parts that a sheet refers to --- */

struct strings {
	struct buf text;
	struct buf ends; /* size_t each */
	size_t n;
};

/* So many times its size a part may unpack to, and a sheet of the file may hold; those of programs stay below 100. */
#define MOST_RATIO 200
#define RATIO_FROM ((uint64_t)64 << 20) /* bytes; less does no harm */

struct book {
	size_t len; /* of the file */
	zip_t *zip;
	struct lead_error *err;
	bool from_1904;
	struct strings shared;
	struct buf looks; /* struct look each: by style */
	size_t n_looks;
	char sheet[128], sheet_path[256], strings_path[256], styles_path[256];
};

/* 0, LEAD_EINPUT; `x` has handlers and arg. max: decoded bytes. */
int book_part(struct book *b, const char *path, uint64_t max, struct xml *x) MUST_CHECK;
int book_strings(struct book *b) MUST_CHECK;
int book_looks(struct book *b) MUST_CHECK;
/* Text with _xHHHH_ taken for the characters they stand for. */
void strings_unescape(const char *text, size_t len, struct buf *out);
bool strings_get(const struct strings *s, size_t index, const char **ret, size_t *ret_len);

/* --- xlsx_sheet.c --- */

struct sheet;
struct sheet *sheet_new(struct book *b, uint64_t max_output, xlsx_write_fn write, void *arg);
/* Handlers and arg. */
void sheet_handlers(struct sheet *s, struct xml *x);
/* What is left to write; LEAD_EINPUT when there was no row. */
int sheet_finish(struct sheet *s) MUST_CHECK;
void sheet_free(struct sheet *s);
