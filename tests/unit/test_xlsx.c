/* tests/unit/test_xlsx.c: workbooks of many programs in, one of ours out and in again. */
#include "tests/unit/table_file.h"

#include <unistd.h>

#include "lib/table/xlsx.h"

static const struct csv_options plain = {.encoding = CSV_UTF8, .delimiter = ','};

static bool take(void *arg, const char *bytes, size_t len)
{
	buf_add(arg, bytes, len);
	return true;
}

/* The sheet's text in `out`, else the message. */
static int read_book(const char *name, const struct xlsx_options *o, struct buf *out)
{
	struct buf file = table_load(name);
	struct lead_error err = {.text = ""};
	int rc = xlsx_to_csv(file.data, file.len, o, take, out, &err);

	if (rc != 0) {
		buf_reset(out);
		buf_add_text(out, err.text);
	}
	buf_free(&file);
	return rc;
}

static void check(const char *name, const struct xlsx_options *o, int rc, const char *wanted)
{
	struct buf out = {0};

	assert_int_equal(read_book(name, o, &out), rc);
	assert_string_equal(out.data, wanted);
	buf_free(&out);
}

static void check_same(const struct table *a, const struct table *b)
{
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < b->n; i++) {
		for (size_t k = 0; k < b->rows[i].n;
		     k++) { /* a sheet has no empty cells at the end */
			assert_string_equal(k < a->rows[i].n ? a->rows[i].cells[k].text : "",
			    b->rows[i].cells[k].text);
		}
	}
}

static struct table parse(const char *text, size_t len)
{
	struct table t = {0};
	struct lead_error err = {.text = ""};

	if (table_parse(&t, text, len, &plain, 4096, NULL, &err) != 0) {
		fail_msg("%s", err.text);
	}
	return t;
}

static void test_three_programs_and_the_csv_agree(void **state)
{
	static const char *const books[] = {"xlsx/people-100.libreoffice.xlsx",
	    "xlsx/people-100.gnumeric.xlsx", "xlsx/people-100.openpyxl.xlsx"};
	struct buf file = table_load("leads/people-100.csv");
	struct table wanted = parse(file.data, file.len);

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct buf out = {0};
		struct table t;

		assert_int_equal(read_book(books[i], NULL, &out), 0);
		t = parse(out.data, out.len);
		check_same(&t, &wanted);
		table_free(&t);
		buf_free(&out);
	}
	table_free(&wanted);
	buf_free(&file);
}

static void test_dates(void **state)
{
	(void)state;
	check("xlsx/readers/date.xlsx", NULL, 0,
	    "2021-01-01,15\r\n2021-01-02,16\r\n255:10:10,17\r\n");
	check("xlsx/readers/date_1904.xlsx", NULL, 0,
	    "2021-01-01,15\r\n2021-01-02,16\r\n255:10:10,17\r\n");
	check("xlsx/readers/date_quoted_format.xlsx", NULL, 0,
	    "2021-01-01\r\n2021-01-01\r\n2021-01-01\r\n2021-01-01\r\n");
}

static void test_texts(void **state)
{
	(void)state;
	check("xlsx/readers/has_x000D_.xlsx", NULL, 0, "\"ABC\r\nDEF\"\r\n");
	check("xlsx/readers/inlineStr_cdata.xlsx", NULL, 0,
	    "Hello CDATA,World\r\n12345,NormalText\r\n");
	check("xlsx/readers/temperature.xlsx", NULL, 0,
	    "label,value\r\ncelsius,22.2222\r\nfahrenheit,72\r\n");
	check("xlsx/readers/encoded_entities.xlsx", NULL, 0, "&\r\n\"\n\"\r\n");
	check("xlsx/readers/errors.xlsx", NULL, 0,
	    "#DIV/0!\r\n#NAME?\r\n#VALUE!\r\n#NULL!\r\n#REF!\r\n#NUM!\r\n#N/A\r\n");
	check("xlsx/readers/merge_cells.xlsx", NULL, 0,
	    "Row Merge,,Not Merged\r\nColumn Merge,Chunk Merged\r\n");
	check("xlsx/readers/richtext-namespaced.xlsx", NULL, 0,
	    "\"inline string\nLine 2\nLine 3\",,,,,,,\"shared string\nLine 2\nLine 3\"\r\n");
}

static void test_sheets(void **state)
{
	struct xlsx_options named = {.sheet = "Visible"}, wrong = {.sheet = "Visble"};
	struct buf out = {0};

	(void)state;
	assert_int_equal(read_book("xlsx/readers/any_sheets.xlsx", &named, &out), 0);
	buf_free(&out);
	check("xlsx/readers/any_sheets.xlsx", &wrong, LEAD_EINPUT,
	    "there is no sheet 'Visble', only Visible, Hidden, VeryHidden, Chart");
	check("xlsx/readers/empty_sheet.xlsx", NULL, LEAD_EINPUT, "the sheet 'Sheet1' is empty");
}

/* Rows above the header are left out, those below it stay. */
static void test_empty_rows(void **state)
{
	(void)state;
	check("xlsx/readers/header-row.xlsx", NULL, 0,
	    "\"\",,Note 1\r\n\"\"\r\n\"\"\r\n\"\"\r\n\"\"\r\n\"\"\r\nColumns,Column A,Column "
	    "B,Column C\r\nput data here,1,2,3\r\n");
}

static void test_output_is_bounded(void **state)
{
	struct xlsx_options o = {.max_output = 1000};

	(void)state;
	check("xlsx/people-100.libreoffice.xlsx", &o, LEAD_EINPUT,
	    "the sheet holds more than 0 MiB of text");
}

/* Any part of a workbook may be missing: an error, never a crash, and never half a sheet as if it
 * were whole. */
static void test_cut_files(void **state)
{
	struct buf file = table_load("xlsx/readers/temperature.xlsx");

	(void)state;
	for (size_t len = 0; len < file.len; len += 7) {
		struct buf out = {0};
		struct lead_error err = {.text = ""};
		char *part = malloc(len + 1);

		memcpy(part, file.data, len);
		assert_int_equal(xlsx_to_csv(part, len, NULL, take, &out, &err), LEAD_EINPUT);
		assert_true(err.text[0] != 0);
		free(part);
		buf_free(&out);
	}
	buf_free(&file);
}

static void test_kinds(void **state)
{
	(void)state;
	assert_int_equal(file_kind("PK\3\4....", 8), FILE_ZIP);
	assert_int_equal(file_kind("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", 8), FILE_OLD_BOOK);
	assert_int_equal(file_kind("%PDF-1.7", 8), FILE_OTHER);
	assert_int_equal(file_kind("PK", 2), FILE_TEXT);
	assert_int_equal(file_kind("email,na", 8), FILE_TEXT);
	assert_int_equal(file_kind("\xFF\xFE"
				   "e\0m\0a\0",
			     8),
	    FILE_TEXT);
	assert_int_equal(file_kind("", 0), FILE_TEXT);
	assert_int_equal(file_kind("<html><body>", 12), FILE_MARKUP);
	assert_int_equal(file_kind("\xEF\xBB\xBF\r\n <!DOCTYPE html>", 20), FILE_MARKUP);
	assert_int_equal(file_kind("<?xml version", 13), FILE_MARKUP);
	assert_int_equal(file_kind("<,b,c\n", 6), FILE_TEXT);
	assert_int_equal(file_kind("   <", 4), FILE_TEXT);
}

/* --- out --- */

static void write_row(struct xlsx_writer *w, const char *const cells[], size_t n)
{
	struct lead_error err;

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(xlsx_write_cell(w, cells[i], strlen(cells[i]), &err), 0);
	}
	xlsx_write_end(w);
}

static const char *const odd[][5] = {{"lead", "a", "b", "c", "d"},
    {"1", "=1+1", "007", " blank ", "-1.50"}, {"2", "@SUM(A1)", "1e5", "two\nlines", "tab\there"},
    {"3", "<b>&\"'", "\xE2\x82\xAC \xF0\x9F\x98\x80", "cr\r\nlf", "_x0041_"},
    {"4", "", "http://x.example/?a=b", "bell\a", "2026-11-28"},
    {"5", "\xEF\xBF\xBE a \xEF\xBF\xBF", "b \xC3", "\xED\xA0\x80", "\xEF\xBF\xBD"}};

/* What is written is what is read, but for CRLF, and for what no XML may hold. */
static const char *read_again(size_t row, size_t column)
{
	static const char *const unlike[] = {"\xEF\xBF\xBD a \xEF\xBF\xBD", "b \xEF\xBF\xBD", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"};

	if (row == 5 && column >= 1 && column <= 3) {
		return unlike[column - 1];
	}
	if (row == 4 && column == 3) {
		return "bell\xEF\xBF\xBD";
	}
	return row == 3 && column == 3 ? "cr\nlf" : odd[row][column];
}

static void test_out_and_in(void **state)
{
	char name[] = "/tmp/test_xlsx.XXXXXX", path[100];
	int fd = mkstemp(name);
	struct xlsx_writer *w = NULL;
	struct buf file = {0}, out = {0};
	struct lead_error err = {.text = ""};
	char bytes[32768];
	struct table t;
	ssize_t n;

	(void)state;
	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(xlsx_writer_new(path, "/tmp", 1, &w, &err), 0);
	for (size_t i = 0; i < 6; i++) {
		write_row(w, odd[i], 5);
	}
	assert_int_equal(xlsx_writer_close(w, &err), 0);
	n = pread(fd, bytes, sizeof(bytes), 0);
	assert_true(n > 0 && n < (ssize_t)sizeof(bytes));
	buf_add(&file, bytes, (size_t)n);
	assert_int_equal(xlsx_to_csv(file.data, file.len, NULL, take, &out, &err), 0);
	t = parse(out.data, out.len);
	assert_int_equal(t.n, 6);
	for (size_t i = 0; i < 6; i++) {
		for (size_t k = 0; k < 5; k++) {
			assert_string_equal(t.rows[i].cells[k].text, read_again(i, k));
		}
	}
	table_free(&t);
	buf_free(&file);
	buf_free(&out);
	close(fd);
	unlink(name);
}

static void test_no_place_to_write(void **state)
{
	struct xlsx_writer *w = NULL;
	struct lead_error err = {.text = ""};
	int rc = xlsx_writer_new("/nowhere/at/all.xlsx", "/tmp", 0, &w, &err);

	(void)state;
	rc = rc == 0 ? xlsx_writer_close(w, &err) : rc;
	assert_int_equal(rc, LEAD_EIO);
	assert_true(err.text[0] != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_three_programs_and_the_csv_agree),
	    cmocka_unit_test(test_dates),
	    cmocka_unit_test(test_texts),
	    cmocka_unit_test(test_sheets),
	    cmocka_unit_test(test_empty_rows),
	    cmocka_unit_test(test_output_is_bounded),
	    cmocka_unit_test(test_cut_files),
	    cmocka_unit_test(test_kinds),
	    cmocka_unit_test(test_out_and_in),
	    cmocka_unit_test(test_no_place_to_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
