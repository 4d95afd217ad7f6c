/* tests/unit/table_file.h: whole files and whole tables in memory, for tests that look at real CSV
 * files. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/ids.h"
#include "lib/table/csv.h"

struct table {
	struct arena arena;
	struct table_row {
		uint64_t row, line;
		struct csv_field *cells;
		size_t n;
	} * rows;
	size_t n;
};

static inline int table_keep(
    void *arg, uint64_t row, uint64_t line, const struct csv_field *fields, size_t n)
{
	struct table *t = arg;
	struct table_row *r;

	if ((t->n & (t->n - 1)) == 0) {
		t->rows = realloc(t->rows, (t->n == 0 ? 1 : t->n * 2) * sizeof(*t->rows));
	}
	r = &t->rows[t->n++];
	*r = (struct table_row){.row = row, .line = line, .n = n};
	r->cells = arena_alloc(&t->arena, (n + 1) * sizeof(*r->cells));
	for (size_t i = 0; i < n; i++) {
		r->cells[i].len = fields[i].len;
		r->cells[i].text = arena_dup(&t->arena, fields[i].text, fields[i].len);
	}
	return 0;
}

static inline void table_free(struct table *t)
{
	arena_free(&t->arena);
	free(t->rows);
	*t = (struct table){0};
}

/* A file below tests/data; one that ends in .gz is unpacked. */
static inline struct buf table_load(const char *name)
{
	struct buf text = {0};
	size_t len = strlen(name);
	bool packed = len > 3 && strcmp(name + len - 3, ".gz") == 0;
	char path[600], chunk[65536];
	FILE *f;

	snprintf(path, sizeof(path), packed ? "gzip -dc '%s/%s'" : "%s/%s", TEST_DATA, name);
	f = packed ? popen(path, "r") : fopen(path, "rb");
	assert_non_null(f);
	while ((len = fread(chunk, 1, sizeof(chunk), f)) > 0) {
		buf_add(&text, chunk, len);
	}
	assert_int_equal(packed ? pclose(f) : fclose(f), 0);
	assert_false(text.failed);
	return text;
}

/* Reads text as CSV: in chunks of `chunk` bytes, or of random sizes when dice is given. */
static inline int table_parse(struct table *t, const char *text, size_t len,
    const struct csv_options *o, size_t chunk, struct dice *dice, struct lead_error *err)
{
	struct csv_reader *r = NULL;
	int rc = csv_reader_new(o, table_keep, t, &r, err);

	for (size_t i = 0, n; rc == 0 && i < len; i += n) {
		n = dice != NULL ? 1 + (size_t)dice_below(dice, chunk) : chunk;
		n = n < len - i ? n : len - i;
		rc = csv_reader_feed(r, text + i, n, err);
	}
	if (rc == 0) {
		rc = csv_reader_finish(r, err);
	}
	csv_reader_free(r);
	return rc;
}

/* A whole file, encoding and delimiter found out. */
static inline struct table table_of_file(const char *name)
{
	struct table t = {0};
	struct buf text = table_load(name);
	struct csv_sniff *s = csv_sniff_new();
	struct csv_options o = {0};
	struct lead_error err;

	csv_sniff_feed(s, text.data, text.len);
	csv_sniff_result(s, &o.encoding, &o.delimiter);
	csv_sniff_free(s);
	assert_int_equal(table_parse(&t, text.data, text.len, &o, 65536, NULL, &err), 0);
	buf_free(&text);
	return t;
}

/* Number of the column with this header; fails the test when there is none. */
static inline size_t table_column(const struct table *t, const char *header)
{
	size_t i = 0;

	while (i < t->rows[0].n && strcmp(t->rows[0].cells[i].text, header) != 0) {
		i++;
	}
	assert_true(i < t->rows[0].n);
	return i;
}
