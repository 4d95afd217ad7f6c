/* tests/unit/test_csv.c: the CSV reader, the sniffer and the writer. */
#include "tests/unit/table_file.h"

#include <json-c/json.h>

#include "lib/base/json.h"

static const struct csv_options plain = {.encoding = CSV_UTF8, .delimiter = ','};

/* The rows as `a|b\nc|d\n`, in static memory. */
static const char *rows_of(const char *text, size_t len, const struct csv_options *o)
{
	static char out[4096];
	struct table t = {0};
	struct lead_error err = {0};
	size_t n = 0;

	if (table_parse(&t, text, len, o, 7, NULL, &err) != 0) {
		snprintf(out, sizeof(out), "%s", err.text);
	} else {
		out[0] = '\0';
		for (size_t i = 0; i < t.n; i++) {
			for (size_t k = 0; k < t.rows[i].n; k++) {
				n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s",
				    k > 0 ? "|" : "", t.rows[i].cells[k].text);
			}
			n += (size_t)snprintf(out + n, sizeof(out) - n, "\n");
		}
	}
	table_free(&t);
	return out;
}

#define ROWS(text) rows_of(text, sizeof(text) - 1, &plain)

/*
 * location_coordinates.json is a bare object, and its phone number is not the one of
 * location_coordinates.csv: the suite contradicts itself there, so that cell is left out.
 */
static void check_spectrum_row(
    const struct table *t, const struct table_row *row, struct json_object *want, bool odd)
{
	assert_int_equal(row->n, json_object_object_length(want));
	for (size_t i = odd ? 1 : 0; i < row->n; i++) {
		struct json_object *cell;

		assert_true(json_object_object_get_ex(want, t->rows[0].cells[i].text, &cell));
		assert_string_equal(row->cells[i].text, json_object_get_string(cell));
	}
}

/* The CSV file; the ones called _crlf lost their CRs on the way here and get them back. */
static struct table spectrum_table(const char *name)
{
	struct table t = {0};
	struct buf text, crlf = {0};
	char path[100];

	snprintf(path, sizeof(path), "csv-spectrum/csvs/%s.csv", name);
	text = table_load(path);
	for (size_t i = 0; i < text.len; i++) {
		if (strstr(name, "_crlf") != NULL && text.data[i] == '\n' &&
		    (i == 0 || text.data[i - 1] != '\r')) {
			buf_add_char(&crlf, '\r');
		}
		buf_add_char(&crlf, text.data[i]);
	}
	assert_int_equal(table_parse(&t, crlf.data, crlf.len, &plain, 3, NULL, NULL), 0);
	buf_free(&text);
	buf_free(&crlf);
	return t;
}

static void test_spectrum(void **state)
{
	static const char *const names[] = {"comma_in_quotes", "empty", "empty_crlf",
	    "escaped_quotes", "json", "location_coordinates", "newlines", "newlines_crlf",
	    "quotes_and_newlines", "simple", "simple_crlf", "utf8"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[100];
		struct table t = spectrum_table(names[i]);
		struct buf text;
		struct json_object *want;

		snprintf(path, sizeof(path), "csv-spectrum/json/%s.json", names[i]);
		text = table_load(path);
		assert_int_equal(json_parse(text.data, text.len, &want, NULL), 0);
		if (json_object_is_type(want, json_type_object)) {
			assert_string_equal(names[i], "location_coordinates");
			assert_int_equal(t.n, 2);
			assert_string_equal(t.rows[1].cells[0].text, "2095257564");
			check_spectrum_row(&t, &t.rows[1], want, true);
		} else {
			assert_int_equal(t.n, json_object_array_length(want) + 1);
			for (size_t k = 1; k < t.n; k++) {
				check_spectrum_row(
				    &t, &t.rows[k], json_object_array_get_idx(want, k - 1), false);
			}
		}
		json_object_put(want);
		buf_free(&text);
		table_free(&t);
	}
}

static void check_same(const struct table *a, const struct table *b)
{
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++) {
		assert_int_equal(a->rows[i].n, b->rows[i].n);
		assert_int_equal(a->rows[i].row, i + 1);
		for (size_t k = 0; k < a->rows[i].n; k++) {
			assert_string_equal(a->rows[i].cells[k].text, b->rows[i].cells[k].text);
		}
	}
}

static void test_encodings(void **state)
{
	static const struct {
		const char *name;
		enum csv_encoding encoding;
		char delimiter;
	} files[] = {{"people-100.csv", CSV_UTF8, ','},
	    {"encodings/people-100.cr-only.csv", CSV_UTF8, ','},
	    {"encodings/people-100.latin1.csv", CSV_WINDOWS1252, ','},
	    {"encodings/people-100.utf16le-bom.csv", CSV_UTF16LE, '\t'},
	    {"encodings/people-100.utf8-bom.csv", CSV_UTF8_BOM, ','},
	    {"encodings/people-100.windows1252-semicolon.csv", CSV_WINDOWS1252, ';'}};
	struct table want = table_of_file("leads/people-100.csv");
	struct dice dice;

	dice_seed(&dice, 1);
	assert_int_equal(want.n, 101);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[100];
		struct buf text;
		struct csv_sniff *s = csv_sniff_new();
		struct csv_options o = {0};

		snprintf(path, sizeof(path), "leads/%s", files[i].name);
		text = table_load(path);
		for (size_t k = 0; k < text.len; k++) {
			csv_sniff_feed(s, text.data + k, 1);
		}
		csv_sniff_result(s, &o.encoding, &o.delimiter);
		csv_sniff_free(s);
		assert_int_equal(o.encoding, files[i].encoding);
		assert_int_equal(o.delimiter, files[i].delimiter);
		for (int round = 0; round < 20; round++) {
			struct table t = {0};
			size_t chunk = round == 0   ? 1
				       : round == 1 ? text.len
						    : (size_t)1 << (round / 2);

			assert_int_equal(table_parse(&t, text.data, text.len, &o, chunk,
					     round < 2 ? NULL : &dice, NULL),
			    0);
			check_same(&t, &want);
			table_free(&t);
		}
		buf_free(&text);
	}
	table_free(&want);
}

/* Two lists in one file: most of it UTF-8, and some rows of an old program. Read as windows-1252 all names were spoilt. */
static void test_mixed(void **state)
{
	static const char text[] = "\xEF\xBB\xBFname,city\nJ\xC3\xBCrgen,K\xC3\xB6ln\nZo\xEB,\x80\x81 \x93x\x94\n\xC3,\n";
	static const char *const want[3][2] = {{"J\xC3\xBCrgen", "K\xC3\xB6ln"}, {"Zo\xC3\xAB", "\xE2\x82\xAC\xC2\x81 \xE2\x80\x9Cx\xE2\x80\x9D"},
	    {"\xC3\x83", ""}};

	(void)state;
	for (size_t chunk = 1; chunk < sizeof(text); chunk++) {
		struct csv_options o = {.encoding = CSV_MIXED, .delimiter = ','};
		struct table t = {0};

		assert_int_equal(table_parse(&t, text, sizeof(text) - 1, &o, chunk, NULL, NULL), 0);
		assert_int_equal(t.n, 4);
		assert_string_equal(t.rows[0].cells[0].text, "name");
		for (size_t i = 0; i < 3; i++) {
			assert_string_equal(t.rows[i + 1].cells[0].text, want[i][0]);
			assert_string_equal(t.rows[i + 1].cells[1].text, want[i][1]);
		}
		table_free(&t);
	}
}

/* Excel's own first line, which says what separates the columns, is no header. */
static void test_sep_line(void **state)
{
	static const char *const texts[] = {"sep=;\r\nemail;name\r\na@b.com;Ann\r\n", "\xEF\xBB\xBFsep=,\nemail,name\na@b.com,Ann\n", "SEP=\t\nemail\tname\na@b.com\tAnn\n"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct csv_sniff *s = csv_sniff_new();
		struct csv_options o = {0};
		struct table t = {0};

		csv_sniff_feed(s, texts[i], strlen(texts[i]));
		csv_sniff_result(s, &o.encoding, &o.delimiter);
		csv_sniff_free(s);
		assert_int_equal(table_parse(&t, texts[i], strlen(texts[i]), &o, 1, NULL, NULL), 0);
		assert_int_equal(t.n, 2);
		assert_string_equal(t.rows[0].cells[1].text, "name");
		assert_int_equal(t.rows[1].n, 2);
		table_free(&t);
	}
}

/* 245 rows, every one with line breaks inside quotes; figures counted with Python's csv. */
static void test_line_breaks(void **state)
{
	struct table t = table_of_file("leads/orgs-br.csv");
	size_t email, longest = 0;

	assert_int_equal(t.n, 246);
	email = table_column(&t, "email");
	for (size_t i = 1; i < t.n; i++) {
		assert_int_equal(t.rows[i].n, t.rows[0].n);
		for (size_t k = 0; k < t.rows[i].n; k++) {
			longest =
			    t.rows[i].cells[k].len > longest ? t.rows[i].cells[k].len : longest;
		}
		assert_true(i == 1 || t.rows[i].line > t.rows[i - 1].line);
	}
	assert_true(longest > 6417); /* characters; more in bytes */
	assert_string_equal(t.rows[1].cells[email].text, "presidencia@finep.gov.br");
	table_free(&t);
}

static void test_shapes(void **state)
{
	struct csv_options tab = {.delimiter = '\t'};

	assert_string_equal(ROWS(""), "");
	assert_string_equal(ROWS("\xEF\xBB\xBF"), "");
	assert_string_equal(ROWS("a,b"), "a|b\n");
	assert_string_equal(ROWS("a,b\r\n\r\n\n\rc\r\r\nd,\r\n,"), "a|b\nc\nd|\n|\n");
	assert_string_equal(ROWS("\xEF\xBB\xBF\"a\", b ,\" c \"\n"), "a| b | c \n");
	assert_string_equal(ROWS("a\rb\r\"c\rd\"\r"), "a\nb\nc\rd\n");
	assert_string_equal(ROWS("\"\"\n\"\"\"\"\n\"\",\"a\"\"b\""), "\n\"\n|a\"b\n");
	/* bad quoting stays within its cell */
	assert_string_equal(ROWS("\"x\" ,y\n5\" pipe,z\n"), "x |y\n5\" pipe|z\n");
	assert_string_equal(ROWS("\"Acme\" Ltd,foo\n\"Beta\",bar\n"), "Acme Ltd|foo\nBeta|bar\n");
	assert_string_equal(ROWS(" \"q, r\",z\n"), " \"q| r\"|z\n");
	assert_string_equal(rows_of("a\t\"b\tc\"\n", 8, &tab), "a|b\tc\n");
}

static void test_lines(void **state)
{
	static const char text[] = "h\r\n\r\n\"a\r\nb\n\rc\"\r\nd\re\n\n\"\r\"\nf";
	static const uint64_t lines[] = {1, 3, 7, 8, 10, 12};

	for (size_t chunk = 1; chunk < sizeof(text); chunk++) {
		struct table t = {0};

		assert_int_equal(
		    table_parse(&t, text, sizeof(text) - 1, &plain, chunk, NULL, NULL), 0);
		assert_int_equal(t.n, 6);
		for (size_t i = 0; i < t.n; i++) {
			assert_int_equal(t.rows[i].row, i + 1);
			assert_int_equal(t.rows[i].line, lines[i]);
		}
		table_free(&t);
	}
}

static void test_refused(void **state)
{
	struct csv_options small = {.max_field_bytes = 5, .max_fields = 3};
	struct csv_options utf16 = {.encoding = CSV_UTF16BE};
	struct csv_options cp1252 = {.encoding = CSV_WINDOWS1252};

	assert_string_equal(
	    ROWS("a\nb,\"open\nfoo,bar\n"), "line 2 (row 2): the quote opened here has no end");
	assert_string_equal(
	    ROWS("a\n\nb\xE9\n"), "line 3 (row 2): not UTF-8; is it windows-1252 or latin1?");
	assert_string_equal(
	    ROWS("a\xEF\xBB"), "line 1 (row 1): not UTF-8; is it windows-1252 or latin1?");
	assert_string_equal(
	    ROWS("\xEF\xBB"), "line 1 (row 1): not UTF-8; is it windows-1252 or latin1?");
	/* two halves of a character in two fields are no character */
	assert_string_equal(
	    ROWS("\xC3,\xA9\n"), "line 1 (row 1): not UTF-8; is it windows-1252 or latin1?");
	assert_string_equal(ROWS("a\nb\0c\n"), "line 2 (row 2): a NUL byte");
	assert_string_equal(
	    rows_of("a,b,c\n1,2,3,4\n", 14, &small), "line 2 (row 2): more than 3 fields");
	assert_string_equal(
	    rows_of("12345\n123456\n", 13, &small), "line 2 (row 2): a field of more than 5 bytes");
	assert_string_equal(rows_of("x\n\"12345\n67890\n", 15, &small),
	    "line 2 (row 2): the quote opened here has no end within 5 bytes");
	assert_string_equal(rows_of("\0a\0\n\xD8\x3D", 6, &utf16),
	    "line 2 (row 2): the file ends inside a character");
	assert_string_equal(
	    rows_of("\0a\xDC\x3D\0a", 6, &utf16), "line 1 (row 1): bytes that are no utf-16be");
	assert_string_equal(
	    rows_of("a\n\x81", 3, &cp1252), "line 2 (row 2): bytes that are no windows-1252");
}

static int stop_at_2(
    void *arg, uint64_t row, uint64_t line, const struct csv_field *fields, size_t n)
{
	return row == 2 ? 1 : 0;
}

static void test_stop(void **state)
{
	struct csv_options utf16 = {.encoding = CSV_UTF16LE};
	struct csv_reader *r;

	assert_int_equal(csv_reader_new(&plain, stop_at_2, NULL, &r, NULL), 0);
	assert_int_equal(csv_reader_feed(r, "a\nb\nc\n", 6, NULL), 1);
	csv_reader_free(r);
	assert_int_equal(csv_reader_new(&utf16, stop_at_2, NULL, &r, NULL), 0);
	assert_int_equal(csv_reader_feed(r, "a\0\n\0b\0\n\0", 8, NULL), 1);
	csv_reader_free(r);
}

static void sniff(const char *text, size_t len, enum csv_encoding encoding, char delimiter)
{
	for (size_t chunk = 1; chunk <= 4; chunk++) {
		struct csv_sniff *s = csv_sniff_new();
		enum csv_encoding e;
		char d;

		for (size_t i = 0; i < len; i += chunk) {
			csv_sniff_feed(s, text + i, chunk < len - i ? chunk : len - i);
		}
		csv_sniff_result(s, &e, &d);
		assert_int_equal(e, encoding);
		assert_int_equal(d, delimiter);
		csv_sniff_free(s);
	}
}

#define SNIFF(text, e, d) sniff(text, sizeof(text) - 1, e, d)

static void test_sniff(void **state)
{
	enum csv_encoding e;

	SNIFF("", CSV_UTF8, ',');
	SNIFF("email\na@b.com\n", CSV_UTF8, ',');
	SNIFF("\n\na;b;\"x,y,z,w\"\n1,2,3,4,5", CSV_UTF8, ';');
	SNIFF("a|b|c\n", CSV_UTF8, '|');
	SNIFF("n\xC3\xA4me\tb\n\xE2\x82\xAC\xF0\x9F\x98\x80", CSV_UTF8, '\t');
	SNIFF("n\xE4me;b\n", CSV_WINDOWS1252, ';');
	SNIFF("n\xE4me;b\x81\n", CSV_LATIN1, ';');
	SNIFF("caf\xC3", CSV_WINDOWS1252, ','); /* cut at the end: no UTF-8 */
	SNIFF("n\xC3\xA4me,b\n\xE9\n", CSV_MIXED, ',');
	SNIFF("\xEF\xBB\xBFname,b\n\xE9\n", CSV_MIXED, ',');
	SNIFF("n\xC3\xA4me,b\n\xE9,\xE8\n", CSV_WINDOWS1252, ',');
	SNIFF("a\0;\0b\0\n\0", CSV_UTF16LE, ';');
	SNIFF("\0a\0;\0b\0\n", CSV_UTF16BE, ';');
	SNIFF("\xFE\xFF\x2C\x2C\0;", CSV_UTF16BE, ';'); /* U+2C2C is no comma */
	for (enum csv_encoding i = CSV_UTF8; i <= CSV_MIXED; i++) {
		assert_true(csv_encoding_parse(csv_encoding_word(i), &e) && e == i);
	}
	assert_true(csv_encoding_parse("CP1252", &e) && e == CSV_WINDOWS1252);
	assert_false(csv_encoding_parse("utf-7", &e));
}

static const char *cell(const char *text)
{
	static struct buf out;

	buf_free(&out);
	csv_write_cell(&out, text, strlen(text), false);
	return out.data + 1;
}

static void test_write_formulas(void **state)
{
	static const char *const safe[] = {"-1.5", "-1", "+49", "+1.5e3", "a=1", "0", "x", "-0.5"};
	static const char *const unsafe[] = {"=1+1", "@SUM(A1)", "-2+3", "+1+1", "-", "+", "--1",
	    "+-1", "-1.5 EUR", "\tx", "+49 30 123", "-A1", "=", "@"};
	char want[32];

	for (size_t i = 0; i < sizeof(safe) / sizeof(safe[0]); i++) {
		assert_string_equal(cell(safe[i]), safe[i]);
	}
	for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++) {
		snprintf(want, sizeof(want), "'%s", unsafe[i]);
		assert_string_equal(cell(unsafe[i]), want);
	}
	assert_string_equal(
	    cell("=HYPERLINK(\"x\",\"y\")"), "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"");
	assert_string_equal(cell("\r=1"), "\"'\r=1\"");
}

/* What goes out comes back the same, whatever the cells hold. */
static void test_write_round_trip(void **state)
{
	static const char *const cells[] = {"", "a", ",", "\"", "\"\"", " x ", "a\r\nb", "\n",
	    "\r x", "don't", "é,ß", "-1.5", ";|\t", "x\"y\"z"};
	const size_t n = sizeof(cells) / sizeof(cells[0]);
	struct dice dice;
	struct buf out = {0};
	struct table t = {0};
	size_t written[300], widths[300], k = 0;

	dice_seed(&dice, 7);
	for (size_t i = 0; i < 100; i++) {
		widths[i] = 1 + (size_t)dice_below(&dice, 3);
		for (size_t c = 0; c < widths[i]; c++, k++) {
			written[k] = (size_t)dice_below(&dice, n);
			csv_write_cell(&out, cells[written[k]], strlen(cells[written[k]]), c == 0);
		}
		csv_write_end(&out);
	}
	assert_int_equal(table_parse(&t, out.data, out.len, &plain, 5, NULL, NULL), 0);
	assert_int_equal(t.n, 100);
	k = 0;
	for (size_t i = 0; i < 100; i++) {
		assert_int_equal(t.rows[i].n, widths[i]);
		for (size_t c = 0; c < widths[i]; c++, k++) {
			const char *want = cells[written[k]], *got = t.rows[i].cells[c].text;

			assert_string_equal(want[0] == '\r' ? got + 1 : got, want);
		}
	}
	table_free(&t);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_spectrum),
	    cmocka_unit_test(test_encodings),
	    cmocka_unit_test(test_mixed), cmocka_unit_test(test_sep_line), cmocka_unit_test(test_line_breaks),
	    cmocka_unit_test(test_shapes),
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_stop),
	    cmocka_unit_test(test_sniff),
	    cmocka_unit_test(test_write_formulas),
	    cmocka_unit_test(test_write_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
