/*
 * tests/fuzz/fuzz_csv.c: any bytes through the CSV reader, and what comes out through columns and
 * records.
 *
 * The first three bytes choose encoding, delimiter, limits and the sizes of the chunks. Held
 * against the whole file in one chunk: the cutting must not change a row. Not built by meson:
 *
 * clang -std=gnu11 -D_GNU_SOURCE -g -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_csv.c,
 * lib/table/csv*.c, lib/lead/{columns,record,name}.c, all of lib/base, and
 * -lyaml -ljq -ljson-c -lsodium -lm
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"
#include "lib/lead/record.h"
#include "lib/table/csv.h"

struct seen {
	uint64_t rows, sum; /* all that was told about rows, folded together */
	struct columns columns;
	bool mapped;
};

static void mix(struct seen *s, uint64_t x)
{
	s->sum = (s->sum ^ x) * UINT64_C(0x9E3779B97F4A7C15);
}

static void use_row(struct seen *s, const struct csv_field *fields, size_t n)
{
	struct buf row = {0};
	struct record r;

	if (s->rows == 1) {
		s->mapped = columns_map(fields, n, NULL, &s->columns, NULL) == 0;
	}
	if (s->mapped) {
		record_write(&s->columns, fields, n, &row);
		if (!row.failed && !record_open(&r, &s->columns, row.data, row.len)) {
			abort();
		}
	}
	buf_free(&row);
}

static int on_row(void *arg, uint64_t row, uint64_t line, const struct csv_field *fields, size_t n)
{
	struct seen *s = arg;

	s->rows++;
	if (row != s->rows || n == 0) {
		abort();
	}
	mix(s, line);
	for (size_t i = 0; i < n; i++) {
		if (!text_is_utf8(fields[i].text, fields[i].len)) {
			abort();
		}
		mix(s, fields[i].len);
		for (size_t k = 0; k < fields[i].len; k++) {
			mix(s, (unsigned char)fields[i].text[k]);
		}
	}
	use_row(s, fields, n);
	return 0;
}

static int run(
    const struct csv_options *o, const uint8_t *data, size_t len, size_t chunk, struct seen *s)
{
	struct csv_reader *r;
	struct lead_error err;
	int rc = csv_reader_new(o, on_row, s, &r, &err);

	if (rc != 0) {
		abort();
	}
	for (size_t i = 0; rc == 0 && i < len; i += chunk) {
		size_t n = chunk < len - i ? chunk : len - i;
		uint8_t *piece = malloc(n); /* of its own, so that a step past its end is seen */

		memcpy(piece, data + i, n);
		rc = csv_reader_feed(r, piece, n, &err);
		free(piece);
	}
	if (rc == 0) {
		rc = csv_reader_finish(r, &err);
	}
	csv_reader_free(r);
	return rc;
}

static void sniff(
    const uint8_t *data, size_t len, size_t chunk, enum csv_encoding *e, char *delimiter)
{
	struct csv_sniff *s = csv_sniff_new();

	for (size_t i = 0; i < len; i += chunk) {
		csv_sniff_feed(s, data + i, chunk < len - i ? chunk : len - i);
	}
	csv_sniff_result(s, e, delimiter);
	csv_sniff_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct seen cut = {0}, whole = {0};
	struct csv_options o = {0};
	enum csv_encoding e;
	char delimiter;
	size_t chunk;
	int rc;

	if (len < 3) {
		return 0;
	}
	o.encoding = (enum csv_encoding)(data[0] % 7);
	o.delimiter = ",;\t|"[data[0] / 6 % 4];
	o.max_fields = data[1] % 2 == 0 ? 0 : 4;
	o.max_field_bytes = data[1] / 2 % 2 == 0 ? 0 : 20;
	chunk = 1 + data[2] % 32;
	data += 3;
	len -= 3;
	rc = run(&o, data, len, chunk, &cut);
	if (rc != run(&o, data, len, len > 0 ? len : 1, &whole) || cut.rows != whole.rows ||
	    cut.sum != whole.sum) {
		abort();
	}
	columns_fini(&cut.columns);
	columns_fini(&whole.columns);
	sniff(data, len, chunk, &o.encoding, &o.delimiter);
	sniff(data, len, len > 0 ? len : 1, &e, &delimiter);
	if (e != o.encoding || delimiter != o.delimiter) {
		abort();
	}
	return 0;
}
