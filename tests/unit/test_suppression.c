/* tests/unit/test_suppression.c: entries of suppression lists, and which addresses they stand for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "lib/lead/suppression.h"

static const uint8_t key[16] = "0123456789abcdef", other_key[16] = "fedcba9876543210";
static struct gate_lists lists;

static int load(void **state)
{
	(void)state;
	return gate_lists_load(SOURCE_ROOT "/etc/lists", &lists, NULL);
}

static int unload(void **state)
{
	(void)state;
	gate_lists_free(&lists);
	return 0;
}

static const char *entry(const char *text, struct suppress_id *ret)
{
	struct arena a = {0};
	const char *why = suppress_entry(text, strlen(text), &lists, key, &a, ret);

	arena_free(&a);
	return why;
}

/* Does the entry suppress that address? */
static bool stands_for(const char *text, const char *email)
{
	struct value v = value_text(email), normal;
	struct suppress_id id, ids[2];
	struct arena a = {0};
	bool found = false;
	size_t n;

	assert_null(entry(text, &id));
	assert_null(gate_address(&v, &lists, &a, &normal));
	n = suppress_ids(&normal, &lists, key, ids);
	for (size_t i = 0; i < n; i++) {
		found = found || ((ids[i].kind == SUPPRESS_DOMAIN) == (id.kind == SUPPRESS_DOMAIN) && ids[i].hash == id.hash);
	}
	arena_free(&a);
	return found;
}

static void test_address(void **state)
{
	(void)state;
	assert_true(stands_for("Ann.Lee@Acme.example.com", " ann.lee@ACME.example.com "));
	assert_true(stands_for("ann@b\xc3\xbc" "cher.de", "ANN@xn--bcher-kva.de"));
	assert_false(stands_for("ann@acme.com", "anna@acme.com"));
	assert_false(stands_for("ann+1@acme.com", "ann@acme.com"));
}

/* printf ann@acme.com | sha256sum, as every list of such sums has it; in either case. */
static void test_hash(void **state)
{
	struct suppress_id sum, address;

	(void)state;
	assert_null(entry("c1a30e2b5c31d1b0d7c4f5e0aa1d6d1d6e0a1b2c3d4e5f60718293a4b5c6d7e8", &sum));
	assert_int_equal(sum.kind, SUPPRESS_HASH);
	assert_false(stands_for("c1a30e2b5c31d1b0d7c4f5e0aa1d6d1d6e0a1b2c3d4e5f60718293a4b5c6d7e8", "ann@acme.com"));
	assert_true(stands_for("f9669db96e65a194239696238f1c70f32c9cba34c3d842b805cf2c9e42b1f3a5", "Ann@Acme.com"));
	assert_true(stands_for("F9669DB96E65A194239696238F1C70F32C9CBA34C3D842B805CF2C9E42B1F3A5", "ann@acme.com"));
	assert_null(entry("f9669db96e65a194239696238f1c70f32c9cba34c3d842b805cf2c9e42b1f3a5", &sum));
	assert_null(entry("ann@acme.com", &address));
	assert_int_equal(sum.hash, address.hash);
}

/* A domain is its registrable domain, and all of its subdomains. */
static void test_domain(void **state)
{
	static const char *const written[] = {"acme.co.uk", "@acme.co.uk", "*.acme.co.uk", "ACME.co.uk ", "mail.acme.co.uk"};

	(void)state;
	for (size_t i = 0; i < sizeof(written) / sizeof(written[0]); i++) {
		assert_true(stands_for(written[i], "a@acme.co.uk"));
		assert_true(stands_for(written[i], "a@x.y.acme.co.uk"));
		assert_false(stands_for(written[i], "a@other.co.uk"));
		assert_false(stands_for(written[i], "a@notacme.co.uk"));
	}
	assert_true(stands_for("b\xc3\xbc" "cher.de", "a@mail.xn--bcher-kva.de"));
	assert_true(stands_for("ann.github.io", "a@ann.github.io"));
	assert_false(stands_for("ann.github.io", "a@bob.github.io"));
}

static void test_refused(void **state)
{
	static const char *const written[] = {"", "  ", "ann", "co.uk", "github.io", "ann@", "@", "ann@acme", "a b@acme.com", "*.com",
	    "acme.nosuchtld", "http://acme.com/", "c1a30e2b", "*."};
	struct suppress_id id = {SUPPRESS_DOMAIN, 77};

	(void)state;
	for (size_t i = 0; i < sizeof(written) / sizeof(written[0]); i++) {
		const char *why = entry(written[i], &id);

		assert_non_null(why);
		assert_true(written[i][0] == '\0' || strstr(why, written[i]) == NULL || strlen(written[i]) < 3);
	}
	assert_int_equal(id.hash, 77);
}

/* Without the store's key nobody can tell whom an entry means. */
static void test_keyed(void **state)
{
	struct suppress_id one, two;
	struct arena a = {0};

	(void)state;
	assert_null(suppress_entry("acme.com", 8, &lists, key, &a, &one));
	assert_null(suppress_entry("acme.com", 8, &lists, other_key, &a, &two));
	assert_int_not_equal(one.hash, two.hash);
	arena_free(&a);
}

static void test_blank(void **state)
{
	struct value none = {0}, text = value_text("no address");
	struct suppress_id ids[2];

	(void)state;
	assert_int_equal(suppress_ids(&none, &lists, key, ids), 0);
	assert_int_equal(suppress_ids(&text, &lists, key, ids), 0);
}

static int column(const char *line, bool *header)
{
	struct csv_field cells[8];
	struct arena a = {0};
	size_t n = 0;
	int found;

	for (const char *p = line, *end;; p = end + 1) {
		end = strchrnul(p, ',');
		cells[n++] = (struct csv_field){.text = p, .len = (size_t)(end - p)};
		if (*end == '\0') {
			break;
		}
	}
	found = suppress_column(cells, n, &lists, &a, header);
	arena_free(&a);
	return found;
}

/* The domain beside an address says where somebody works: it is not what is to be suppressed. */
static void test_column(void **state)
{
	bool header = true;

	(void)state;
	assert_int_equal(column("Acme Inc.,acme.com,ann@acme.com", &header), 2);
	assert_false(header);
	assert_int_equal(column("Acme,acme.com", &header), 1);
	assert_int_equal(column("Domain,Name,E-Mail Address", &header), 2);
	assert_true(header);
	assert_int_equal(column("Company,Domain", &header), 1);
	assert_int_equal(column("id,email_sha256", &header), 1);
	assert_int_equal(column("Company,City", &header), -1);
	assert_int_equal(column("ann@acme", &header), 0);
	assert_false(header);
	assert_int_equal(column("email", &header), 0);
	assert_true(header);
}

/* Without a public suffix list: the last two labels. */
static void test_no_suffixes(void **state)
{
	struct gate_lists bare = {0};
	struct suppress_id one, two;
	struct arena a = {0};

	(void)state;
	assert_null(suppress_entry("mail.acme.com", 13, &bare, key, &a, &one));
	assert_null(suppress_entry("acme.com", 8, &bare, key, &a, &two));
	assert_int_equal(one.hash, two.hash);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_address),
	    cmocka_unit_test(test_hash),
	    cmocka_unit_test(test_domain),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_keyed),
	    cmocka_unit_test(test_blank),
	    cmocka_unit_test(test_column),
	    cmocka_unit_test(test_no_suffixes),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
