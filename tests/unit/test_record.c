/* tests/unit/test_record.c: header rows to columns, rows to records, full names to first and last.
 */
#include "tests/unit/table_file.h"

#include "lib/lead/name.h"
#include "lib/lead/record.h"

#define MANY 50

/* Splits `a|b|c`; the cells point into static memory. */
static size_t cells_of(const char *row, struct csv_field cells[MANY])
{
	static char memory[4][2000];
	static unsigned turn;
	char *p = memory[turn++ % 4], *bar;
	size_t n = 0;

	snprintf(p, 2000, "%s", row);
	for (;; p = bar + 1) {
		bar = strchrnul(p, '|');
		cells[n++] = (struct csv_field){.text = p, .len = (size_t)(bar - p)};
		if (*bar == '\0') {
			return n;
		}
	}
}

static int map(const char *header, const char *override, struct columns *c, struct lead_error *err)
{
	struct csv_field cells[MANY];
	const char *overrides[] = {override, NULL, NULL};
	size_t n = cells_of(header, cells);
	char first[100], *comma;

	if (override != NULL && (comma = strchr(override, ';')) != NULL) {
		snprintf(first, sizeof(first), "%.*s", (int)(comma - override), override);
		overrides[0] = first;
		overrides[1] = comma + 1;
	}
	return columns_map(cells, n, overrides, c, err);
}

/* The fields of the columns: `email|-|company`. */
static const char *mapped(const char *header, const char *override)
{
	static char out[1000];
	struct columns c;
	struct lead_error err;
	size_t n = 0;

	if (map(header, override, &c, &err) != 0) {
		snprintf(out, sizeof(out), "%s", err.text);
		return out;
	}
	for (size_t i = 0; i < c.n; i++) {
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s", i > 0 ? "|" : "",
		    c.list[i].field < 0 ? "-" : lead_field_names[c.list[i].field]);
	}
	columns_fini(&c);
	return out;
}

static void test_spellings(void **state)
{
	static const char *const cases[][2] = {
	    {"E-mail|Vorname|Nachname|Firma|Position|Ort|Telefon",
		"email|first_name|last_name|company|title|city|-"},
	    {"Email Address|First Name|Last Name|Company Name|Job Title|Person Linkedin Url|"
	     "Company Linkedin Url|State|City|Website|# Employees",
		"email|first_name|last_name|company|title|linkedin|-|region|city|website|-"},
	    {"Prénom|Nom|Organisation|Adresse e-mail|Ville",
		"first_name|last_name|company|email|city"},
	    {"PRÉNOM|NOM|SOCIÉTÉ|COURRIEL", "first_name|last_name|company|email"},
	    {"Nome|Cognome|Azienda|email", "first_name|last_name|company|email"},
	    {"Nombre|Correo electrónico|Empresa", "full_name|email|company"},
	    {"Name|Vorname|E-Mail", "last_name|first_name|email"},
	    {"name|email", "full_name|email"},
	    {"full_name|name|email", "full_name|-|email"},
	    {"first_name|last_name|name|email", "first_name|last_name|full_name|email"},
	    {"LinkedIn URL|email", "linkedin|email"},
	    {"Work Email|email|EMAIL", "-|email|-"},
	    {"Company|Company Name|email", "company|-|email"},
	    {"external_id|first_name|last_name|full_name|title|company|email|website|linkedin_url|"
	     "phone|address|state|department",
		"-|first_name|last_name|full_name|title|company|email|website|linkedin|-|-|region|"
		"-"},
	    {"company|website", "company|website"},
	    {" e_mail |x", "email|-"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(mapped(cases[i][0], NULL), cases[i][1]);
	}
}

static void test_overrides(void **state)
{
	static const char *const cases[][3] = {
	    {"Name|Mail 2|Email", "email=Mail 2", "full_name|email|-"},
	    {"Name|Mail 2|Email", "email=mail2", "full_name|email|-"},
	    {"Name|Email", "company=Name", "company|email"},
	    {"A|B", "email=A;full_name=B", "email|full_name"},
	    {"Name|Email", "emial=Email", "there is no field 'emial'; did you mean 'email'?"},
	    {"Name|Email", "zzz=Email",
		"there is no field 'zzz'; the fields are email, first_name, last_name, full_name, "
		"company, website, linkedin, title, city, region"},
	    {"Name|Email", "email=Emial", "the file has no column 'Emial'; did you mean 'Email'?"},
	    {"Name|Email", "email=Telephone", "the file has no column 'Telephone'"},
	    {"Name|Email", "email=Email;email=Name", "field 'email' is mapped twice"},
	    {"Name|Email", "email=Email;company=Email", "column 'Email' is mapped twice"},
	    {"Name|Email", "email", "'email' should be field=Header"},
	    {"Name|Email", "email=", "'email=' should be field=Header"},
	    {"a@b.com|Anna", NULL,
		"no column for an address, a profile, a name or a company: is the first line the "
		"header? Columns can be named: --map email=Header"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(mapped(cases[i][0], cases[i][1]), cases[i][2]);
	}
}

static void test_headers(void **state)
{
	static const char *const want[] = {
	    "email", "column_2", "a", "a_2", "a_3", "column_6", "a_2_2", "Größe (cm)"};
	struct columns c, back;
	struct buf bytes = {0};
	char *long_header = calloc(1, 1200);
	struct csv_field cell = {.text = memset(long_header, 'x', 1100), .len = 1100};
	struct lead_error err;

	assert_int_equal(map(" email ||a|a|a| |a_2|Größe (cm)", NULL, &c, &err), 0);
	assert_int_equal(c.n, 8);
	columns_write(&c, &bytes);
	assert_int_equal(columns_read(bytes.data, bytes.len, &back), 0);
	assert_int_equal(back.n, c.n);
	for (size_t i = 0; i < c.n; i++) {
		assert_string_equal(c.list[i].header, want[i]);
		assert_string_equal(back.list[i].header, want[i]);
		assert_int_equal(back.list[i].field, c.list[i].field);
	}
	columns_fini(&back);
	for (size_t len = 0; len < bytes.len;
	     len++) { /* cut anywhere: none, and no read past the end */
		char *cut = memcpy(malloc(len + 1), bytes.data, len);

		assert_int_equal(
		    columns_read(memcpy(cut, bytes.data, len), len, &back), LEAD_EINPUT);
		free(cut);
	}
	columns_fini(&c);
	buf_free(&bytes);
	assert_int_equal(columns_map(&cell, 1, NULL, &c, &err), LEAD_EINPUT);
	assert_non_null(strstr(err.text, "1000 bytes"));
	free(long_header);
}

/* A file of nothing but one header name must not take long. */
static void test_many_headers(void **state)
{
	struct csv_field cells[1001];
	struct columns c;
	struct lead_error err;

	for (size_t i = 0; i < 1001; i++) {
		cells[i] = (struct csv_field){.text = "email", .len = 5};
	}
	assert_int_equal(columns_map(cells, 1001, NULL, &c, &err), LEAD_EINPUT);
	assert_int_equal(columns_map(cells, 1000, NULL, &c, &err), 0);
	assert_string_equal(c.list[999].header, "email_1000");
	columns_fini(&c);
}

static const char *text_of(struct value v)
{
	static char out[4][200];
	static unsigned turn;
	char *p = out[turn++ % 4];

	if (v.kind == VALUE_NONE) {
		return "NONE";
	}
	assert_int_equal(v.kind, VALUE_STRING);
	snprintf(p, 200, "%.*s", (int)v.len, v.text);
	return p;
}

#define GET(r, name) text_of(record_get(r, name, strlen(name)))

static void test_record(void **state)
{
	struct columns c;
	struct csv_field cells[MANY];
	struct buf row = {0};
	struct record r;
	struct lead_error err;

	assert_int_equal(
	    map("E-Mail|Full Name|Phone (work)|Größe|2nd -- Note-|first_name", NULL, &c, &err), 0);
	record_write(
	    &c, cells, cells_of(" a@b.com |Ludwig von Beethoven| 12\t|170|x y", cells), &row);
	assert_true(record_open(&r, &c, row.data, row.len));
	assert_string_equal(text_of(record_cell(&r, 0)), "a@b.com");
	assert_string_equal(text_of(record_cell(&r, 2)), "12");
	assert_string_equal(text_of(record_cell(&r, 5)), "NONE"); /* fewer cells than columns */
	assert_string_equal(text_of(record_cell(&r, 6)), "NONE");
	assert_string_equal(text_of(record_field(&r, FIELD_EMAIL)), "a@b.com");
	assert_string_equal(text_of(record_field(&r, FIELD_FIRST_NAME)), "Ludwig");
	assert_string_equal(text_of(record_field(&r, FIELD_LAST_NAME)), "von Beethoven");
	assert_string_equal(text_of(record_field(&r, FIELD_WEBSITE)), "NONE");
	assert_string_equal(GET(&r, "email"), "a@b.com");
	assert_string_equal(GET(&r, "e_mail"), "a@b.com");
	assert_string_equal(GET(&r, "last_name"), "von Beethoven");
	assert_string_equal(GET(&r, "phone_work"), "12");
	assert_string_equal(GET(&r, "größe"), "170");
	assert_string_equal(GET(&r, "2nd_note"), "x y");
	assert_string_equal(GET(&r, "phone_work_"), "NONE");
	assert_string_equal(GET(&r, "phone"), "NONE");
	assert_string_equal(GET(&r, ""), "NONE");
	for (size_t len = 0; len < row.len; len++) {
		char *cut = memcpy(malloc(len + 1), row.data, len);

		assert_false(record_open(&r, &c, cut, len));
		free(cut);
	}
	buf_add_char(&row, 'x');
	assert_false(record_open(&r, &c, row.data, row.len));
	buf_free(&row);
	columns_fini(&c);
}

/* What is given stays; what is blank in this row is derived. */
static void test_derived(void **state)
{
	static const char *const cases[][4] = {
	    /* row, first, last, full */
	    {"Anna|Lee||a@b.c", "Anna", "Lee", "Anna Lee"},
	    {"||Anna Maria Lee|a@b.c", "Anna", "Lee", "Anna Maria Lee"},
	    {"Annie||Anna Lee|", "Annie", "Lee", "Anna Lee"},
	    {"|Leigh|Anna Lee|", "Anna", "Leigh", "Anna Lee"}, {"Anna|||", "Anna", "NONE", "Anna"},
	    {"|Lee||", "NONE", "Lee", "Lee"}, {"Anna|Lee|Dr. A. Lee", "Anna", "Lee", "Dr. A. Lee"},
	    {"|||", "NONE", "NONE", "NONE"}, {"||Dr. Lee|", "NONE", "Lee", "Dr. Lee"},
	    {"||\"\"|", "NONE", "NONE", "\"\""},
	    {"a|b|c|d|e|f", "a", "b", "c"}, /* more cells than columns */
	};
	struct columns c;
	struct csv_field cells[MANY];
	struct lead_error err;

	assert_int_equal(map("first_name|last_name|full_name|email", NULL, &c, &err), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf row = {0};
		struct record r;

		record_write(&c, cells, cells_of(cases[i][0], cells), &row);
		assert_true(record_open(&r, &c, row.data, row.len));
		for (int k = 0; k < 3; k++) {
			assert_string_equal(
			    text_of(record_field(&r, FIELD_FIRST_NAME + k)), cases[i][k + 1]);
		}
		buf_free(&row);
	}
	columns_fini(&c);
}

static void test_name_split(void **state)
{
	static const char *const cases[][3] = {
	    {"Chuck Schumer", "Chuck", "Schumer"},
	    {"Katie von Haefen", "Katie", "von Haefen"},
	    {"Kevin de León", "Kevin", "de León"},
	    {"Leticia Van de Putte", "Leticia", "Van de Putte"},
	    {"Joe de la Cruz Jr.", "Joe", "de la Cruz"},
	    {"Jerry Ortiz y Pino", "Jerry", "Ortiz y Pino"},
	    {"David \"Bubba\" Powers", "David", "Powers"},
	    {"\"Coach\" Williams", "Coach", "Williams"},
	    {"Manny Diaz, Jr.", "Manny", "Diaz"},
	    {"William A. Petit Jr., M.D.", "William", "Petit"},
	    {"Balmer, David", "David", "Balmer"},
	    {"de la Cruz, Maria Anna", "Maria", "de la Cruz"},
	    {"Dr. Anna Lee", "Anna", "Lee"},
	    {"Prof. Dr. Anna Lee", "Anna", "Lee"},
	    {"Dr. von Braun", "", "von Braun"},
	    {"Mona Das", "Mona", "Das"},
	    {"Luis R. Vega Ramos", "Luis", "Vega Ramos"},
	    {"J. Robert Oppenheimer", "Robert", "Oppenheimer"},
	    {"J. R. R. Tolkien", "J.", "Tolkien"},
	    {"John F", "John", "F"},
	    {"John Paul Jones (JP)", "John", "Jones"},
	    {"María-José Fernández", "María-José", "Fernández"},
	    {"Cher", "Cher", ""},
	    {"Henry V", "Henry", ""},
	    {"Henry V. Smith", "Henry", "Smith"},
	    {"", "", ""},
	    {"\"\"", "", ""},
	    {"( , \" ,", "", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct name_part first, last;
		char got[2][100];

		name_split(cases[i][0], strlen(cases[i][0]), &first, &last);
		snprintf(got[0], 100, "%.*s", (int)first.len, first.len > 0 ? first.text : "");
		snprintf(got[1], 100, "%.*s", (int)last.len, last.len > 0 ? last.text : "");
		assert_string_equal(got[0], cases[i][1]);
		assert_string_equal(got[1], cases[i][2]);
	}
}

/* The source counts middle names and initials to the first name: its first word is what we can
 * know. */
static bool same_first(const struct csv_field *cell, const struct name_part *part)
{
	return strcspn(cell->text, " ") == part->len &&
	       memcmp(cell->text, part->text, part->len) == 0;
}

/* And suffixes to the last one. */
static bool same_last(const struct csv_field *cell, const struct name_part *part)
{
	return cell->len >= part->len && memcmp(cell->text, part->text, part->len) == 0 &&
	       (cell->len == part->len || strchr(", ", cell->text[part->len]) != NULL);
}

/* Against the names of the source, which at times calls a person by the second name or a nickname.
 */
static void test_name_split_people(void **state)
{
	struct table t = table_of_file("leads/people-14k.csv.gz");
	size_t full = table_column(&t, "full_name"), first = table_column(&t, "first_name");
	size_t last = table_column(&t, "last_name");
	size_t both = 0, firsts = 0, lasts = 0;

	for (size_t i = 1; i < t.n; i++) {
		const struct csv_field *cells = t.rows[i].cells;
		struct name_part f, l;

		if (cells[first].len == 0 || cells[last].len == 0 ||
		    strchr(cells[full].text, ' ') == NULL) {
			continue;
		}
		name_split(cells[full].text, cells[full].len, &f, &l);
		both++;
		firsts += same_first(&cells[first], &f);
		lasts += same_last(&cells[last], &l);
		if (getenv("SHOW_NAMES") != NULL &&
		    (!same_first(&cells[first], &f) || !same_last(&cells[last], &l))) {
			print_message("# %s: %s, %s; not %.*s, %.*s\n", cells[full].text,
			    cells[first].text, cells[last].text, (int)f.len, f.text, (int)l.len,
			    l.text);
		}
	}
	print_message("# of %zu people %zu first names and %zu last names as the source has them\n",
	    both, firsts, lasts);
	assert_true(firsts * 100 >= both * 98);
	assert_true(lasts * 100 >= both * 98);
	table_free(&t);
}

/* Every cell of a real file comes back, trimmed, and the row is hardly larger than its texts. */
static void test_real_rows(void **state)
{
	struct table t = table_of_file("leads/people-1000.csv");
	struct columns c;
	struct buf row = {0};
	struct lead_error err;

	assert_int_equal(columns_map(t.rows[0].cells, t.rows[0].n, NULL, &c, &err), 0);
	for (size_t i = 1; i < t.n; i++) {
		struct record r;
		size_t texts = 0;

		buf_reset(&row);
		record_write(&c, t.rows[i].cells, t.rows[i].n, &row);
		assert_true(record_open(&r, &c, row.data, row.len));
		for (size_t k = 0; k < c.n; k++) {
			struct csv_field *cell = &t.rows[i].cells[k];
			struct value v = record_cell(&r, k);

			texts += cell->len;
			assert_true(v.len <= cell->len);
			assert_true(
			    v.len == 0 || strstr(cell->text, text_of(v)) != NULL || v.len > 199);
		}
		assert_true(row.len <= texts + c.n * 2 + 1);
	}
	buf_free(&row);
	columns_fini(&c);
	table_free(&t);
}

/* As expressions name a column, in jq as in plain paths. */
static void test_the_word_of_a_header(void **state)
{
	static const char *const pairs[][2] = {{"Phone No.", "phone_no"}, {"  City ", "city"}, {"a--b", "a_b"}, {"Größe", "größe"}, {"%", ""}, {"_x", "x"}};
	char word[16];

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		assert_int_equal(record_word(pairs[i][0], word, sizeof(word)), strlen(pairs[i][1]));
		assert_memory_equal(word, pairs[i][1], strlen(pairs[i][1]));
	}
	assert_int_equal(record_word("abcd", word, 3), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_word_of_a_header),
	    cmocka_unit_test(test_spellings),
	    cmocka_unit_test(test_overrides),
	    cmocka_unit_test(test_headers),
	    cmocka_unit_test(test_many_headers),
	    cmocka_unit_test(test_record),
	    cmocka_unit_test(test_derived),
	    cmocka_unit_test(test_name_split),
	    cmocka_unit_test(test_name_split_people),
	    cmocka_unit_test(test_real_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
