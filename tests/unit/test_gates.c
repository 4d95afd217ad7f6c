/* tests/unit/test_gates.c: the free checks, on cases and on real people. */
#include "tests/unit/table_file.h"

#include "lib/base/text.h"
#include "lib/lead/gates.h"

static struct gate_lists lists;

static int load_lists(void **state)
{
	struct lead_error err = {0};
	int rc = gate_lists_load(SOURCE_ROOT "/etc/lists", &lists, &err);

	if (rc != 0) {
		print_error("%s\n", err.text);
	}
	return rc;
}

static int free_lists(void **state)
{
	gate_lists_free(&lists);
	return 0;
}

static void test_word_list(void **state)
{
	static const char text[] = "# all\n b \nA\r\n\nab#x\nb\nabc";
	struct word_list *w;
	struct lead_error err;

	assert_int_equal(word_list_parse("list", text, sizeof(text) - 1, &w, &err), 0);
	assert_int_equal(word_list_count(w), 4);
	assert_true(word_list_has(w, "a", 1) && word_list_has(w, "ab", 2));
	assert_true(word_list_has(w, "abc", 3) && word_list_has(w, "bxx", 1));
	assert_false(
	    word_list_has(w, "abcd", 4) || word_list_has(w, "", 0) || word_list_has(w, "x", 1));
	assert_false(word_list_has(NULL, "a", 1));
	word_list_free(w);
	assert_int_equal(word_list_parse("list", "", 0, &w, &err), 0);
	assert_false(word_list_has(w, "a", 1));
	word_list_free(w);
	assert_int_equal(word_list_parse("list", "a\nb c\n", 6, &w, &err), LEAD_EINPUT);
	assert_string_equal(err.text, "list:2: one word a line, please");
	assert_int_equal(word_list_parse("list", "\xFF", 1, &w, &err), LEAD_EINPUT);
	assert_int_equal(word_list_load("/nowhere/list", &w, &err), LEAD_EINPUT);
	assert_non_null(strstr(err.text, "/nowhere/list"));
}

static void test_lists(void **state)
{
	struct gate_lists none;
	struct lead_error err;

	assert_int_equal(word_list_count(lists.disposable), 8335);
	assert_in_range(word_list_count(lists.role), 60, 100);
	assert_in_range(word_list_count(lists.portal), 40, 200);
	assert_int_equal(gate_lists_load("/nowhere", &none, &err), LEAD_EINPUT);
	assert_null(none.role);
}

/* The reason, or the normal form for an address that passes. */
static const char *address(const char *text)
{
	static struct arena a;
	struct value v = value_text(text), normal;
	const char *reason;

	arena_reset(&a);
	reason = gate_address(&v, &lists, &a, &normal);
	if (reason != NULL) {
		assert_int_equal(normal.kind, VALUE_NONE);
		arena_free(&a);
		return reason;
	}
	assert_null(gate_address(&v, &lists, NULL, NULL));
	reason = normal.text;
	assert_int_equal(strlen(reason), normal.len);
	static char copy[400];
	snprintf(copy, sizeof(copy), "%s", reason);
	arena_free(&a);
	return copy;
}

static void test_address(void **state)
{
	static const char *const cases[][2] = {
	    {"anna@example.com", "anna@example.com"},
	    {" Anna.Lee+x@Example.COM\n", "Anna.Lee+x@example.com"},
	    {"o'neil_1@mail.corp.example.co.uk", "o'neil_1@mail.corp.example.co.uk"},
	    {"a@münchen.de", "a@xn--mnchen-3ya.de"},
	    {"a@MÜNCHEN.de", "a@xn--mnchen-3ya.de"},
	    {"a@mu\xCC\x88nchen.de", "a@xn--mnchen-3ya.de"},
	    {"a@faß.de", "a@xn--fa-hia.de"},
	    {"a@XN--mnchen-3ya.de", "a@xn--mnchen-3ya.de"},
	    {"иван@пример.рф", "email-malformed"}, /* local part beyond ASCII */
	    {"ivan@пример.рф", "ivan@xn--e1afmkfd.xn--p1ai"},
	    {"a@1.2.com", "a@1.2.com"},
	    {"!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com"},
	    {NULL, "email-missing"},
	    {"", "email-missing"},
	    {" \xC2\xA0\t", "email-missing"},
	    {"https://www.schumer.senate.gov/contact/message-chuck", "email-is-url"},
	    {"HTTP://x.com/@me", "email-is-url"},
	    {"www.example.com", "email-is-url"},
	    {"//example.com/mail", "email-is-url"},
	    {"example.com/contact", "email-is-url"},
	    {"ftp://a@example.com", "email-is-url"},
	    {"www.anna@example.com", "www.anna@example.com"},
	    {"anna", "email-malformed"},
	    {"(View Map)", "email-malformed"},
	    {"None", "email-malformed"},
	    {"anna@", "email-malformed"},
	    {"@example.com", "email-malformed"},
	    {"anna@@example.com", "email-malformed"},
	    {"a@b@example.com", "email-malformed"},
	    {"anna@example", "email-malformed"},
	    {"anna@example..com", "email-malformed"},
	    {"anna@.example.com", "email-malformed"},
	    {"mayor@boonton.org.", "email-malformed"},
	    {"anna.@example.com", "email-malformed"},
	    {".anna@example.com", "email-malformed"},
	    {"an..na@example.com", "email-malformed"},
	    {"an na@example.com", "email-malformed"},
	    {"anna@exa mple.com", "email-malformed"},
	    {"repnreitz@gmail com", "email-malformed"},
	    {"jrkillacky52@gmail,com", "email-malformed"},
	    {"anna@a_b.com", "email-malformed"},
	    {"anna@ü_b.com", "email-malformed"},
	    {"anna@ü..com", "email-malformed"},
	    {"anna@ex\xC2\xA0"
	     "ample.com",
		"email-malformed"},
	    {"anna@例え\xE3\x80\x82jp", "anna@xn--r8jz45g.jp"}, /* ideographic full stop */
	    {"anna@xn--zzzzzzzz99.de", "email-malformed"},
	    {"anna@-a.com", "email-malformed"},
	    {"anna@a-.com", "email-malformed"},
	    {"anna@192.168.0.1", "email-malformed"},
	    {"anna@[192.168.0.1]", "email-malformed"},
	    {"\"anna lee\"@example.com", "email-malformed"},
	    {"Anna <anna@example.com>", "email-malformed"},
	    {"a@example.com, b@example.com", "email-malformed"},
	    {"a@example.com;b@example.com", "email-malformed"},
	    {"mailto:a@example.com", "email-malformed"},
	    {"anna@example.c\xFFm", "email-malformed"},
	    {"achmielewski@belairmd.orgA Chmielewski sm10", "email-malformed"},
	    {"aquintero@elmontec", "email-malformed"},
	    {"anna@example.con", "email-domain"},
	    {"anna@host.localdomain", "email-domain"},
	    {"anna@example.xn--zckzah", "email-domain"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(address(cases[i][0]), cases[i][1]);
	}
}

static void test_address_kinds(void **state)
{
	struct value v = {.kind = VALUE_NUMBER, .text = "12", .len = 2};
	struct gate_lists no_psl = {0};

	assert_string_equal(gate_address(&v, &lists, NULL, NULL), "email-malformed");
	v.kind = VALUE_NULL;
	assert_string_equal(gate_address(&v, &lists, NULL, NULL), "email-missing");
	v = value_string("a@b.com\0x", 9);
	assert_string_equal(gate_address(&v, &lists, NULL, NULL), "email-malformed");
	v = value_string("a\0b@b.com", 9);
	assert_string_equal(gate_address(&v, &lists, NULL, NULL), "email-malformed");
	v = value_text("a@b.unheardof");
	assert_null(gate_address(&v, &no_psl, NULL, NULL));
}

/* Lengths of RFC 5321: 64 before the @, 63 a label, 254 in all. */
static void test_address_lengths(void **state)
{
	char text[600];
	const int lengths[][3] = {/* local, labels of 50, passes */
	    {64, 1, 1}, {65, 1, 0}, {40, 4, 1}, {47, 4, 1}, {48, 4, 0}, {10, 5, 0}};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		int n = snprintf(text, sizeof(text), "%0*d@", lengths[i][0], 1);

		for (int k = 0; k < lengths[i][1]; k++) {
			n += snprintf(text + n, sizeof(text) - (size_t)n, "%050d.", 1);
		}
		n += snprintf(text + n, sizeof(text) - (size_t)n, "io");
		assert_int_equal(strcmp(address(text), text) == 0, lengths[i][2]);
	}
	snprintf(text, sizeof(text), "a@%063d.com", 1);
	assert_string_equal(address(text), text);
	snprintf(text, sizeof(text), "a@%064d.com", 1);
	assert_string_equal(address(text), "email-malformed");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	text[3] = '@';
	assert_string_equal(address(text), "email-malformed");
	for (size_t i = 5; i < sizeof(text) - 1; i += 2) {
		memcpy(text + i, "\xC3\xA9", i + 2 < sizeof(text) ? 2 : 1);
	}
	assert_string_equal(address(text), "email-malformed");
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void test_address_people(void **state)
{
	struct table t = table_of_file("leads/people-1000.csv");
	size_t email = table_column(&t, "email"), with_at = 0, usable = 0, role = 0, distinct = 0;
	size_t missing = 0, urls = 0;
	char *folded[1000];

	assert_int_equal(t.n, 1001);
	for (size_t i = 1; i < t.n; i++) {
		const struct csv_field *cell = &t.rows[i].cells[email];
		const char *reason = address(cell->text);

		missing += strcmp(reason, "email-missing") == 0;
		urls += strcmp(reason, "email-is-url") == 0;
		if (strchr(cell->text, '@') != NULL) {
			folded[with_at] = strdup(cell->text);
			text_lower(folded[with_at++], cell->len);
		}
		if (strchr(reason, '@') != NULL) {
			struct value normal = value_text(reason);

			usable++;
			role += gate_role(&normal, &lists) != NULL;
			assert_null(gate_portal(&normal, &lists));
			assert_null(gate_disposable(&normal, &lists));
		}
	}
	qsort(folded, with_at, sizeof(*folded), compare_texts);
	for (size_t i = 0; i < with_at; i++) {
		distinct += i == 0 || strcmp(folded[i - 1], folded[i]) != 0;
	}
	for (size_t i = 0; i < with_at; i++) {
		free(folded[i]);
	}
	print_message("# people-1000: %zu with @, %zu distinct, %zu usable, %zu of them role, "
		      "%zu missing, %zu URLs\n",
	    with_at, distinct, usable, role, missing, urls);
	assert_int_equal(with_at, 725);
	assert_int_equal(distinct, 719);
	assert_int_equal(missing, 54);
	assert_int_equal(urls, 221);
	assert_int_equal(usable, 725);
	table_free(&t);
}

typedef const char *(*gate_fn)(const struct value *normal, const struct gate_lists *l);

static void passes(gate_fn gate, const char *normal, const char *reason)
{
	struct value v = value_text(normal);
	const char *got = gate(&v, &lists);

	assert_string_equal(got != NULL ? got : "pass", reason);
}

static void test_owner(void **state)
{
	passes(gate_role, "Info@example.com", "role-address");
	passes(gate_role, "sales+spring@example.com", "role-address");
	passes(gate_role, "postmaster@example.com", "role-address");
	passes(gate_role, "leasing@example.com", "role-address");
	passes(gate_role, "anna.info@example.com", "pass");
	passes(gate_role, "+info@example.com", "pass");
	passes(gate_role, NULL, "pass");
	passes(gate_noreply, "no-reply@example.com", "no-reply");
	passes(gate_noreply, "No_Reply@example.com", "no-reply");
	passes(gate_noreply, "news-noreply@example.com", "no-reply");
	passes(gate_noreply, "do.not.reply.shop@example.com", "no-reply");
	passes(gate_noreply, "bounces+123=x@example.com", "no-reply");
	passes(gate_noreply, "mailer-daemon@example.com", "no-reply");
	passes(gate_noreply, "noreplyson@example.com", "pass");
	passes(gate_noreply, "anna-lee@example.com", "pass");
	passes(gate_noreply, "---@example.com", "pass");
	passes(gate_disposable, "anna@mailinator.com", "disposable-domain");
	passes(gate_disposable, "anna@x.y.mailinator.com", "disposable-domain");
	passes(gate_disposable, "anna@mailinator.com.example.com", "pass");
	passes(gate_disposable, "anna@gmail.com", "pass");
	passes(gate_portal, "anna@appfolio.com", "portal-domain");
	passes(gate_portal, "r-123@maple.managebuilding.com", "portal-domain");
	passes(gate_portal, "x@reply.craigslist.org", "portal-domain");
	passes(gate_portal, "anna@maplecourt.com", "pass");
}

static const char *name(const char *text)
{
	struct value v = value_text(text);
	const char *reason = gate_name(&v, &lists);

	return reason != NULL ? reason : "pass";
}

static void test_name(void **state)
{
	static const char *const people[] = {"Shaun O'Neil", "Jim O’Brien", "Katie von Haefen",
	    "María-José Fernández", "David \"Bubba\" Powers", "John Smith Jr.", "John Smith, Jr.",
	    "J. R. R. Tolkien", "J Smith", "J.W. Grant", "Dr. Anna Lee", "Antony L. “Tony” Potts",
	    "William (Bill) Petit III", "Anders Åberg", "Łukasz Żak", "Иван Петров", "Ελένη Παππά",
	    "王小明", "김철수", "山田 太郎", "محمد علي", "Balmer, David", "Kirk deViere",
	    "ANNA LEE", "\"Anna Lee\"", "G. bruce Meyers", "Scott Sales", "Brenda Council",
	    "Élodie D'Or", "Josep Colom·lina Vidal", "O´Neil Anna", "Anna\tLee",
	    "Bob Smith (Leasing Office)"};
	static const char *const others[][2] = {{"", "name-missing"}, {" ", "name-missing"},
	    {NULL, "name-missing"}, {"Office", "name-generic"}, {"Leasing Team", "name-generic"},
	    {"Front Desk", "name-generic"}, {"Info", "name-generic"},
	    {"Sales Dept", "name-generic"}, {"Sales Dept.", "name-generic"},
	    {"LEASING OFFICE", "name-generic"}, {"Front-Desk", "name-generic"},
	    {"Maple Court Apartments", "name-generic"}, {"Acme Realty LLC", "name-generic"},
	    {"Board of Trustees", "name-generic"}, {"John and Mary Smith", "name-generic"},
	    {"\"Office\"", "name-generic"}, {"Büro Berlin", "name-generic"},
	    {"Firstname Lastname", "name-generic"}, {"John 3", "name-characters"},
	    {"John & Mary Smith", "name-characters"}, {"anna@example.com", "name-characters"},
	    {"John Smith!", "name-characters"}, {"Anna Lee ★", "name-characters"},
	    {"Anna Lee 😀", "name-characters"}, {"Owen D. CasÃ¡s", "name-characters"},
	    {"Anna/Bob Lee", "name-characters"}, {"Anna\xFF Lee", "name-characters"},
	    {"Anna_Lee", "name-characters"}, {"{{first_name}}", "name-characters"},
	    {"John", "name-single"}, {"Dr. Smith", "name-single"}, {"Smith Jr.", "name-single"},
	    {"J. R.", "name-single"}, {"john smith", "name-single"}, {"von Haefen", "name-single"},
	    {"(Tony)", "name-single"}, {"- -", "name-single"}};

	for (size_t i = 0; i < sizeof(people) / sizeof(people[0]); i++) {
		if (strcmp(name(people[i]), "pass") != 0) {
			fail_msg("%s: %s", people[i], name(people[i]));
		}
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (strcmp(name(others[i][0]), others[i][1]) != 0) {
			fail_msg("%s: %s", others[i][0], name(others[i][0]));
		}
	}
}

/* All of these are people: at most 2 % may be refused. */
static void test_name_people(void **state)
{
	static const struct {
		const char *file;
		size_t rows;
	} files[] = {{"leads/people-100.csv", 100}, {"leads/people-1000.csv", 1000},
	    {"leads/people-14k.csv.gz", 13914}};

	for (size_t i = 0; i < 3; i++) {
		struct table t = table_of_file(files[i].file);
		size_t column = table_column(&t, "full_name"), refused = 0;

		assert_int_equal(t.n, files[i].rows + 1);
		for (size_t k = 1; k < t.n; k++) {
			const char *text = t.rows[k].cells[column].text, *reason = name(text);

			if (strcmp(reason, "pass") != 0) {
				refused++;
				if (getenv("SHOW_NAMES") != NULL) {
					print_message("# %s: %s\n", reason, text);
				}
			}
		}
		print_message(
		    "# %s: %zu of %zu names refused\n", files[i].file, refused, files[i].rows);
		assert_true(refused * 50 <= files[i].rows);
		table_free(&t);
	}
}

static void test_copy_words(void **state)
{
	struct value v = value_text("Hi Anna, one two — three.");

	assert_null(gate_copy_words(&v, 5, 5));
	assert_string_equal(gate_copy_words(&v, 6, 9), "copy-short");
	assert_string_equal(gate_copy_words(&v, 1, 4), "copy-long");
	v = value_text(" \n");
	assert_string_equal(gate_copy_words(&v, 0, 9), "copy-missing");
	v = value_text(NULL);
	assert_string_equal(gate_copy_words(&v, 0, 9), "copy-missing");
}

static void test_copy_signature(void **state)
{
	static const char *const signed_ones[] = {"Hi.\n\nBest regards,\nAnna", "Hi.\nCheers, Anna",
	    "Hi. Can we talk? Best regards, Anna Lee", "Hi.\n\nBest,\nAnna Lee\nCEO, Acme\n\n",
	    "Hi.\nThanks", "Hi.\nThanks!\nAnna", "Hi. Is Monday fine? Cheers, Anna.",
	    "Hallo.\n\nMit freundlichen Grüßen\nAnna", "Hi.\n— Anna Lee", "Hi.\n--\nAnna",
	    "Hi.\r\n\r\nKind Regards\r\nAnna", "Hi.\nSincerely,", "Hi. Kind regards",
	    "Best regards"};
	static const char *const unsigned_ones[] = {"", "Hi Anna, can we talk on Monday?",
	    "Best practices in leasing change.", "Thanks for the talk, it was great.",
	    "Hi. Thanks, that would be great",
	    "Best regards is how it began.\nIt ended otherwise.\nSo.\nNow.\nHere.",
	    "Thank you for reading this far, I know you are busy.", "We help teams - fast.",
	    "Regardless of size, we help.", "Your team cheers, and so do we."};

	for (size_t i = 0; i < sizeof(signed_ones) / sizeof(signed_ones[0]); i++) {
		struct value v = value_text(signed_ones[i]);

		if (gate_copy_signature(&v) == NULL) {
			fail_msg("passed: %s", signed_ones[i]);
		}
	}
	for (size_t i = 0; i < sizeof(unsigned_ones) / sizeof(unsigned_ones[0]); i++) {
		struct value v = value_text(unsigned_ones[i]);

		if (gate_copy_signature(&v) != NULL) {
			fail_msg("refused: %s", unsigned_ones[i]);
		}
	}
}

static void test_copy_placeholder(void **state)
{
	static const char *const open[] = {"Hi [Name],", "Hi {{first_name}}", "Hi {{ first",
	    "Hi {name}", "At ${company}", "At <company> we", "Call XXX now", "Call ___ now",
	    "INSERT NAME HERE", "Please insert a joke here.", "Hi %FIRST_NAME%", "Hi *|FNAME|*",
	    "price TBD", "Lorem ipsum dolor", "Hi <First Name>,", "{% if x %}", "[Your Name]",
	    "XXX"};
	static const char *const closed[] = {"", "Hi Anna, 50% of 20% is 10 %.", "{Hi|Hello} Anna",
	    "<p>Hi <b>Anna</b><br/>see <a href=\"https://x.com\">this</a></p>", "<https://x.com>",
	    "<anna@example.com>", "a < b and c > d", "Source [1]", "$100 {}", "XXL and Xxx",
	    "Maxxx", "We insert coins. Come here.", "snake___case", "2 * 3 | 4",
	    "I inserted it there"};

	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
		/* exactly as long as the text: reading past the end is seen by the sanitizer */
		size_t len = strlen(open[i]);
		char *text = memcpy(malloc(len), open[i], len);
		struct value v = value_string(text, len);

		if (gate_copy_placeholder(&v) == NULL) {
			fail_msg("passed: %s", open[i]);
		}
		free(text);
	}
	for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
		size_t len = strlen(closed[i]);
		char *text = memcpy(malloc(len + 1), closed[i], len);
		struct value v = value_string(text + 0, len);

		if (gate_copy_placeholder(&v) != NULL) {
			fail_msg("refused: %s", closed[i]);
		}
		free(text);
	}
}

/* What a stranger's file or a model's answer may hold: none of it may take long. */
static void test_hostile(void **state)
{
	static const char *const pieces[] = {"( ", "\"", ". ", "@", "a", "[", "{", "<", "X",
	    "insert ", "-- \n", "\xE2\x80\x9C", "a.", "\n"};
	struct arena a = {0};

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct buf text = {0};
		struct value v;

		while (text.len < 500000) {
			buf_add_text(&text, pieces[i]);
		}
		v = value_string(text.data, text.len);
		(void)gate_address(&v, &lists, &a, NULL);
		(void)gate_name(&v, &lists);
		(void)gate_copy_words(&v, 1, 2);
		(void)gate_copy_signature(&v);
		(void)gate_copy_placeholder(&v);
		buf_free(&text);
	}
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_word_list),
	    cmocka_unit_test(test_lists),
	    cmocka_unit_test(test_address),
	    cmocka_unit_test(test_address_kinds),
	    cmocka_unit_test(test_address_lengths),
	    cmocka_unit_test(test_address_people),
	    cmocka_unit_test(test_owner),
	    cmocka_unit_test(test_name),
	    cmocka_unit_test(test_name_people),
	    cmocka_unit_test(test_copy_words),
	    cmocka_unit_test(test_copy_signature),
	    cmocka_unit_test(test_copy_placeholder),
	    cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, load_lists, free_lists);
}
