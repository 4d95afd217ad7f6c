/* tests/unit/test_identity.c: who is the same lead, and what of one may be seen in a log. */
#include "tests/unit/table_file.h"

#include "lib/lead/gates.h"
#include "lib/lead/identity.h"
#include "lib/lead/mask.h"

static const uint8_t key[16] = "a key for tests";

static size_t identify(const char *email, const char *linkedin, const char *first, const char *last,
    const char *company, struct identity ret[3])
{
	static const char *const header[] = {
	    "email", "linkedin", "first_name", "last_name", "company"};
	const char *texts[] = {email, linkedin, first, last, company};
	struct csv_field head[5], cells[5];
	struct columns c;
	struct buf row = {0};
	struct record r;
	struct arena a = {0};
	struct gate_lists no_lists = {0};
	struct value raw, normal = {.kind = VALUE_NONE};
	size_t n;

	for (size_t i = 0; i < 5; i++) {
		head[i] = (struct csv_field){.text = header[i], .len = strlen(header[i])};
		cells[i] = (struct csv_field){.text = texts[i], .len = strlen(texts[i])};
	}
	assert_int_equal(columns_map(head, 5, NULL, &c, NULL), 0);
	record_write(&c, cells, 5, &row);
	assert_true(record_open(&r, &c, row.data, row.len));
	raw = record_field(&r, FIELD_EMAIL);
	(void)gate_address(&raw, &no_lists, &a, &normal);
	n = identity_of(&r, &normal, key, ret);
	arena_free(&a);
	buf_free(&row);
	columns_fini(&c);
	return n;
}

static void test_order(void **state)
{
	struct identity all[3], some[3];

	assert_int_equal(identify("a@b.com", "linkedin.com/in/al", "Anna", "Lee", "Acme", all), 3);
	assert_int_equal(all[0].kind, IDENTITY_EMAIL);
	assert_int_equal(all[1].kind, IDENTITY_LINKEDIN);
	assert_int_equal(all[2].kind, IDENTITY_NAME);
	assert_int_equal(identify("https://x.com/form", "", "Anna", "Lee", "Acme", some), 1);
	assert_int_equal(some[0].kind, IDENTITY_NAME);
	assert_true(some[0].hash == all[2].hash);
	assert_int_equal(identify("", "", "Anna", "Lee", "", some), 0);
	assert_int_equal(identify("", "", "", "", "Acme", some), 0);
	assert_int_equal(identify("", "https://acme.com/in/al", "", "", "", some), 0);
	assert_string_equal(identity_word(IDENTITY_LINKEDIN), "linkedin");
	assert_string_equal(identity_word(IDENTITY_NONE), "none");
}

static uint64_t email_hash(const char *email)
{
	struct identity id[3];

	assert_int_equal(identify(email, "", "", "", "", id), 1);
	return id[0].hash;
}

static void test_email(void **state)
{
	assert_true(email_hash("Anna.Lee@Example.COM") == email_hash("anna.lee@example.com"));
	assert_true(email_hash("a@MÜNCHEN.de") == email_hash("A@xn--mnchen-3ya.de"));
	assert_true(email_hash("a+b@example.com") != email_hash("a@example.com"));
	assert_true(email_hash("a.b@example.com") != email_hash("ab@example.com"));
}

/* 0 for no identity. */
static uint64_t linkedin_hash(const char *url)
{
	struct identity id[3];

	return identify("", url, "", "", "", id) == 1 ? id[0].hash : 0;
}

static void test_linkedin(void **state)
{
	static const char *const same[] = {"https://www.linkedin.com/in/anna-lee",
	    "linkedin.com/in/Anna-Lee/", "http://de.linkedin.com/in/anna-lee?trk=x",
	    "https://linkedin.com/in/anna-lee/de", "HTTPS://WWW.LINKEDIN.COM/in/anna%2Dlee/#top",
	    "www.linkedin.com/pub/anna-lee"};
	static const char *const none[] = {"https://www.linkedin.com/company/acme",
	    "https://www.linkedin.com/in/", "https://notlinkedin.com/in/anna-lee", "anna-lee",
	    "https://linkedin.com.example.com/in/anna", "linkedin.com", "%zz", "/in/anna"};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		assert_true(linkedin_hash(same[i]) != 0);
		assert_true(linkedin_hash(same[i]) == linkedin_hash(same[0]));
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		assert_true(linkedin_hash(none[i]) == 0);
	}
	assert_true(
	    linkedin_hash("linkedin.com/in/zo%C3%AB") == linkedin_hash("linkedin.com/in/ZOË"));
	assert_true(linkedin_hash("linkedin.com/pub/anna-lee/1/2/3") !=
		    linkedin_hash("linkedin.com/pub/anna-lee/1/2/4"));
}

static uint64_t name_hash(const char *first, const char *last, const char *company)
{
	struct identity id[3];

	assert_int_equal(identify("", "", first, last, company, id), 1);
	return id[0].hash;
}

static void test_name(void **state)
{
	assert_true(
	    name_hash("Zoë", "Åberg", "ACME  Ltd") == name_hash("ZOË", "åberg", "acme ltd "));
	assert_true(name_hash("Anna", "Lee", "Acme") != name_hash("Anna", "Lee", "Acne"));
	assert_true(name_hash("Anna", "Lee", "Acme") != name_hash("Anna", "Leeacme", "x"));
}

/* 725 addresses, 719 different ones when case is folded; of the others 131 have a profile. */
static void test_people(void **state)
{
	struct table t = table_of_file("leads/people-1000.csv");
	struct columns c;
	struct gate_lists no_lists = {0};
	struct arena a = {0};
	uint64_t seen[1000];
	size_t emails = 0, repeats = 0, linked = 0, named = 0;

	assert_int_equal(columns_map(t.rows[0].cells, t.rows[0].n, NULL, &c, NULL), 0);
	for (size_t i = 1; i < t.n; i++) {
		struct buf row = {0};
		struct record r;
		struct identity id[3];
		struct value raw, normal;

		record_write(&c, t.rows[i].cells, t.rows[i].n, &row);
		assert_true(record_open(&r, &c, row.data, row.len));
		raw = record_field(&r, FIELD_EMAIL);
		(void)gate_address(&raw, &no_lists, &a, &normal);
		assert_true(identity_of(&r, &normal, key, id) >= 1);
		linked += id[0].kind == IDENTITY_LINKEDIN;
		named += id[0].kind == IDENTITY_NAME;
		if (id[0].kind == IDENTITY_EMAIL) {
			for (size_t k = 0; k < emails; k++) {
				repeats += seen[k] == id[0].hash;
			}
			seen[emails++] = id[0].hash;
		}
		buf_free(&row);
	}
	assert_int_equal(emails, 725);
	assert_int_equal(repeats, 6);
	assert_int_equal(linked, 131);
	assert_int_equal(named, 144);
	arena_free(&a);
	columns_fini(&c);
	table_free(&t);
}

static const char *masked(void (*mask)(struct buf *, const char *, size_t), const char *text)
{
	static char copy[300];
	struct buf out = {0};
	size_t len = strlen(text);
	char *exact = memcpy(malloc(len + 1), text, len); /* no NUL behind it */

	mask(&out, exact, len);
	snprintf(copy, sizeof(copy), "%s", out.data != NULL ? out.data : "");
	buf_free(&out);
	free(exact);
	return copy;
}

static void test_mask(void **state)
{
	static const char *const emails[][2] = {{"john@example.com", "j***@e***.com"},
	    {"j@mail.example.co.uk", "j***@m***.uk"}, {"ä@ö.de", "ä***@ö***.de"},
	    {"root@localhost", "r***@l***"}, {"Anna Lee", "A***"}, {"", "***"}, {"a@", "a***"},
	    {"@b.com", "@***"}, {"a@b@c.com", "a***@c***.com"}};
	static const char *const texts[][2] = {{"", ""}, {"nothing here", "nothing here"},
	    {"to <john@example.com>, now.", "to <j***@e***.com>, now."},
	    {"Ask john@example.com.", "Ask j***@e***.com."},
	    {"a@b.com b@c.org", "a***@b***.com b***@c***.org"},
	    {"{\"to\":\"a.b+c@d.io\"}", "{\"to\":\"a***@d***.io\"}"}, {"x @ y", "x @ y"},
	    {"@home", "@home"}, {"a@", "a@"}, {"a@@b.com", "a@@b.com"},
	    {"a@b.com@c.com", "a***@b***.com@c.com"}, {"é@ü.de!", "é***@ü***.de!"}};

	for (size_t i = 0; i < sizeof(emails) / sizeof(emails[0]); i++) {
		assert_string_equal(masked(mask_email, emails[i][0]), emails[i][1]);
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_string_equal(masked(mask_addresses, texts[i][0]), texts[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_email),
	    cmocka_unit_test(test_linkedin),
	    cmocka_unit_test(test_name),
	    cmocka_unit_test(test_people),
	    cmocka_unit_test(test_mask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
