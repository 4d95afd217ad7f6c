/*
 * tests/fuzz/fuzz_xlsx.c: any bytes as a workbook. What begins with PK is taken as a whole file;
 * anything else as the XML of a sheet, with two texts and a few styles to refer to, in pieces whose
 * size its first byte tells. What comes out must be CSV that the reader takes, the same however it
 * was cut.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"
#include "lib/table/csv.h"
#include "lib/table/xlsx_internal.h"

#define MAX_OUTPUT (1 << 20)

static bool take(void *arg, const char *bytes, size_t len)
{
	buf_add(arg, bytes, len);
	return true;
}

static int on_row(void *arg, uint64_t row, uint64_t line, const struct csv_field *fields, size_t n)
{
	(void)arg;
	(void)row;
	(void)line;
	for (size_t i = 0; i < n; i++) {
		if (!text_is_utf8(fields[i].text, fields[i].len)) {
			abort();
		}
	}
	return n > 0 ? 0 : 1;
}

static void check_text(const struct buf *out)
{
	const struct csv_options o = {
	    .encoding = CSV_UTF8, .delimiter = ',', .max_field_bytes = MAX_OUTPUT};
	struct csv_reader *r;

	if (csv_reader_new(&o, on_row, NULL, &r, NULL) != 0 ||
	    csv_reader_feed(r, out->data, out->len, NULL) != 0 || csv_reader_finish(r, NULL) != 0) {
		abort();
	}
	csv_reader_free(r);
}

static void whole_file(const uint8_t *data, size_t len)
{
	struct xlsx_options o = {.max_output = MAX_OUTPUT};
	struct buf out = {0};

	if (xlsx_to_csv(data, len, &o, take, &out, NULL) == 0) {
		check_text(&out);
	}
	buf_free(&out);
}

/* Two texts, and a style of every look. */
static void fill(struct book *b)
{
	static const char *const codes[] = {
	    "General", "00000", "yyyy-mm-dd", "hh:mm", "d/m/yy h:mm", "[h]:mm"};
	size_t ends[] = {3, 5};

	buf_add_text(&b->shared.text, "onetw");
	buf_add(&b->shared.ends, ends, sizeof(ends));
	b->shared.n = 2;
	for (size_t i = 0; i < 6; i++) {
		struct look l = look_of_code(codes[i]);

		buf_add(&b->looks, &l, sizeof(l));
		b->n_looks++;
	}
}

static int sheet(const uint8_t *data, size_t len, size_t chunk, struct buf *out)
{
	struct book b = {.zip = NULL};
	struct xml x = {.part = "sheet"};
	struct sheet *s;
	int rc;

	fill(&b);
	s = sheet_new(&b, MAX_OUTPUT, take, out);
	sheet_handlers(s, &x);
	rc = xml_open(&x);
	for (size_t i = 0; rc == 0 && i < len; i += chunk) {
		rc = xml_feed(&x, data + i, chunk < len - i ? chunk : len - i, false);
	}
	rc = rc == 0 ? xml_feed(&x, "", 0, true) : rc;
	rc = rc == 0 ? sheet_finish(s) : rc;
	xml_close(&x);
	sheet_free(s);
	buf_free(&b.shared.text);
	buf_free(&b.shared.ends);
	buf_free(&b.looks);
	return rc;
}

static void codes(const uint8_t *data, size_t len)
{
	struct buf code = {0}, out = {0};

	buf_add(&code, data, len < 200 ? len : 200);
	if (code.len > 0) {
		look_write(look_of_code(code.data), "44197.5", 7, len % 2 == 0, &out);
		look_write((struct look){.kind = LOOK_DATE_TIME}, code.data, code.len, false, &out);
		strings_unescape(code.data, code.len, &out);
	}
	buf_free(&code);
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf cut = {0}, whole = {0};
	int rc;

	if (len < 2) {
		return 0;
	}
	if (data[0] == 'P' && data[1] == 'K') {
		whole_file(data, len);
		return 0;
	}
	codes(data, len);
	rc = sheet(data + 1, len - 1, 1 + data[0] % 32, &cut);
	if (rc != sheet(data + 1, len - 1, len, &whole)) {
		abort();
	}
	if (rc == 0) {
		if (cut.len != whole.len || memcmp(cut.data, whole.data, cut.len) != 0) {
			abort();
		}
		check_text(&whole);
	}
	buf_free(&cut);
	buf_free(&whole);
	return 0;
}
