/*
 * How rows are packed, and those of lib/store that are of runs, lists and names: each comes back as it was written, each cut short
 * is refused.
 */
#include "tests/unit/rows_rig.h"

#include "lib/store/names.h"
#include "lib/store/notes.h"
#include "lib/store/pack.h"
#include "lib/store/runs.h"
#include "lib/store/suppress.h"

/* --- pack --- */

static void test_pack(void **state)
{
	static const uint64_t vars[] = {
	    0, 1, 127, 128, 16383, 16384, UINT32_MAX, INT64_MAX, UINT64_MAX};
	struct buf b = {0};
	struct unpack u;
	struct slice s;
	char text[4];

	pack_u8(&b, 0xfe);
	pack_u16(&b, 0xfedc);
	pack_u32(&b, 0xfedcba98);
	pack_u64(&b, 0xfedcba9876543210);
	pack_i64(&b, INT64_MIN);
	pack_text(&b, "abcdef");
	pack_text(&b, NULL);
	pack_bytes(&b, "\0x", 2);
	for (size_t i = 0; i < 9; i++) {
		pack_var(&b, vars[i]);
	}
	assert_int_equal((uint8_t)b.data[1], 0xdc); /* little-endian on every machine */
	u = unpack_of((struct slice){(const uint8_t *)b.data, b.len});
	assert_int_equal(unpack_u8(&u), 0xfe);
	assert_int_equal(unpack_u16(&u), 0xfedc);
	assert_true(unpack_u32(&u) == 0xfedcba98);
	assert_true(unpack_u64(&u) == 0xfedcba9876543210);
	assert_true(unpack_i64(&u) == INT64_MIN);
	unpack_text(&u, text, sizeof(text)); /* cut to size */
	assert_string_equal(text, "abc");
	unpack_text(&u, text, sizeof(text));
	assert_string_equal(text, "");
	s = unpack_bytes(&u);
	assert_int_equal(s.len, 2);
	assert_memory_equal(s.data, "\0x", 2);
	for (size_t i = 0; i < 9; i++) {
		assert_true(unpack_var(&u) == vars[i]);
	}
	assert_false(u.bad);
	assert_true(u.at == u.end);
	assert_int_equal(unpack_u8(&u), 0);
	assert_true(u.bad);
	buf_free(&b);
}

/* Lengths and numbers that no row of ours can have. */
static void test_pack_refuses(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {{"", 0},
	    {"\x05"
	     "abc",
		4},
	    {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x", 11}, {"\x80", 1},
	    {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12}};

	for (size_t i = 0; i < 5; i++) {
		struct unpack u =
		    unpack_of((struct slice){(const uint8_t *)bad[i].bytes, bad[i].len});

		assert_int_equal(unpack_bytes(&u).len, 0);
		assert_true(u.bad);
	}
}

/* --- suppression lists --- */

static bool on_source(void *arg, const struct suppress_source *s)
{
	struct suppress_source *to = arg;

	*to = *s;
	return true;
}

static void test_suppress(void **state)
{
	struct suppress_row row = {.given = 2, .wall_us = 50, .source = "a.csv", .reason = "opt-out"}, got;
	struct suppress_source s = {0};

	(void)state;
	assert_false(suppress_any(t, 3));
	assert_false(suppress_read(t, 3, SUPPRESS_DOMAINS, 77, &got));
	assert_true(suppress_add(t, 3, SUPPRESS_DOMAINS, 77, &row));
	row.wall_us = 60;
	assert_false(suppress_add(t, 3, SUPPRESS_DOMAINS, 77, &row));
	row.given = 0;
	assert_true(suppress_add(t, 3, SUPPRESS_PEOPLE, 77, &row));
	assert_true(suppress_read(t, 3, SUPPRESS_DOMAINS, 77, &got));
	assert_int_equal(got.wall_us, 50);
	assert_string_equal(got.source, "a.csv");
	assert_string_equal(got.reason, "opt-out");
	assert_true(suppress_any(t, 3));
	assert_false(suppress_any(t, 2));
	assert_false(suppress_any(t, 4));
	suppress_sources(t, 3, on_source, &s);
	assert_string_equal(s.source, "a.csv");
	assert_int_equal(s.entries[0], 1);
	assert_int_equal(s.entries[2], 1);
	assert_int_equal(s.first_us, 50);
	assert_int_equal(s.last_us, 60);
	assert_false(suppress_remove(t, 3, SUPPRESS_PEOPLE, 78));
	assert_true(suppress_remove(t, 3, SUPPRESS_PEOPLE, 77));
	assert_true(suppress_remove(t, 3, SUPPRESS_DOMAINS, 77));
	assert_false(suppress_any(t, 3));
	assert_int_equal(txn_count(t, TABLE_SUPPRESS), 0);
}

/* --- notes --- */

static bool decode_note(struct slice key, struct slice value)
{
	struct note n;

	return note_decode(key, value, &n);
}

static bool on_note(void *arg, const struct note *n)
{
	struct note *last = arg;

	assert_int_equal(n->seq, last->seq + 1);
	*last = *n;
	return true;
}

static void test_notes(void **state)
{
	struct note n = {.run = 9, .kind = NOTE_PAID, .wall_us = -7, .who = "payment stripe", .what = "look", .amount_micro = 12}, got = {0};
	uint32_t run = 0;

	(void)state;
	note_add(t, &n);
	assert_int_equal(n.seq, 1);
	n.run = 10;
	note_add(t, &n);
	assert_int_equal(n.seq, 1);
	n.run = 9;
	note_add(t, &n);
	assert_int_equal(n.seq, 2);
	note_walk(t, 9, on_note, &got);
	assert_memory_equal(&got, &n, sizeof(n));
	refuses_prefixes(TABLE_NOTE, key_u32(key_u32(key_u8(key_of(), 0), 9), 2), decode_note);
	assert_false(payment_seen(t, 5, &run));
	payment_mark(t, 5, 9, 1);
	assert_true(payment_seen(t, 5, &run));
	assert_int_equal(run, 9);
	assert_false(payment_seen(t, 6, &run));
	note_walk(t, 11, on_note, &got);
	assert_int_equal(got.run, 9);
}

/* --- runs --- */

static bool decode_run(struct slice key, struct slice value)
{
	static struct run_row r;
	bool good = run_decode(key, value, &r);

	if (good) {
		run_row_fini(&r);
	}
	return good;
}

static void test_run(void **state)
{
	static struct run_row want = {.id = 12,
				  .state = RUN_FAILED,
				  .campaign = "autumn",
				  .pipeline = "cold-email",
				  .source = "leads.csv",
				  .created_us = 1,
				  .started_us = 2,
				  .ended_us = 3,
				  .priority = 200,
				  .share = 7,
				  .budget_micro = -1,
				  .max_rows = 100000,
				  .why = "line 3: \"quoted\"",
				  .upload = "0123456789abcdef0123456789abcdef",
				  .encoding = 255,
				  .delimiter = ';',
				  .map = "email=E-Mail\nfirst_name=Vorname",
				  .importing = true,
				  .written = true,
				  .rows = 5,
				  .bytes = 6,
				  .bytes_total = UINT64_MAX,
				  .n_stages = RUN_STAGES,
				  .by_us = 77,
				  .prompts = {{.stage = 1, .prompt = 2, .written = 3, .passed = 1}},
				  .n_prompts = 1,
				  .ends_as = RUN_CANCELLED,
				  .recalling = 4,
				  .approved = UINT32_MAX - 1,
				  .preview = true,
				  .sample = 20,
				  .sampled = 19,
				  .sample_last = 21,
				  .intake = "close",
				  .outside = "Spring",
				  .open = true,
				  .open_us = INT64_MAX},
			      got;
	enum { PASSED = RUN_STAGES, INTAKE = PASSED + 1 + 6 + 7 + 1 + 8, SHARING = INTAKE + 2 * RUN_STAGES, APPROVAL = 4 + 1 + 3 * 4 + RUN_STAGES };


	buf_add(&want.columns, "\1\2\0\3", 4);
	for (int i = 0; i < ITEM_OUTCOMES; i++) {
		want.outcomes[i] = (uint64_t)i * 1000;
	}
	for (int i = 0; i < ITEM_OUTCOMES; i++) {
		want.companies[i] = (uint64_t)i + 100;
	}
	want.quantity = 50;
	want.finds = true;
	want.rows_are = LEVEL_COMPANY;
	want.born = 9;
	want.source_new = 8;
	want.source_idle = 7;
	want.source_cost_micro = INT64_MIN;
	for (int i = 0; i < RUN_STAGES; i++) {
		(void)snprintf(want.stages[i].name, sizeof(want.stages[i].name), "stage-%d", i);
		want.stages[i].count =
		    (struct stage_count){1, 2, 3, 4, 5, 6, 7, UINT64_MAX, INT64_MAX, 8, 9, 10, 11};
	}
	assert_int_equal(run_last_id(t), 0);
	assert_false(run_read(t, 12, &got));
	run_write(t, &want);
	assert_int_equal(run_last_id(t), 12);
	assert_true(run_read(t, 12, &got));
	assert_int_equal(got.columns.len, 4);
	assert_memory_equal(got.columns.data, want.columns.data, 4);
	run_row_fini(&got);
	got.columns = want.columns;
	assert_memory_equal(&got, &want, sizeof(got));
	enum { FOUND = 1 + ITEM_OUTCOMES + 16 + SHARING };

	refuses_prefixes_but(TABLE_RUN, run_prefix(12), decode_run, (const size_t[]){PASSED, INTAKE, SHARING, FOUND, FOUND + APPROVAL, FOUND + APPROVAL + 5, FOUND + APPROVAL + 5 + 6, FOUND + APPROVAL + 5 + 6 + sizeof(want.by_us), 0});
	buf_free(&want.columns);
}

static void test_upload_and_idem(void **state)
{
	static struct upload_row up = {.id = "0123",
				     .name = "leads.csv",
				     .size = UINT64_MAX,
				     .created_us = 5},
				 up2 = {0};
	static struct idem_row idem = {.body_hash = UINT64_MAX,
				   .run = 3,
				   .boot = 4,
				   .boot_us = 5,
				   .wall_us = -6},
			       idem2;

	assert_false(upload_read(t, "0123", &up2));
	upload_write(t, &up);
	assert_true(upload_read(t, "0123", &up2));
	assert_memory_equal(&up, &up2, sizeof(up));
	assert_false(upload_read(t, "0124", &up2));
	assert_false(idem_read(t, 77, &idem2));
	idem_write(t, 77, &idem);
	assert_true(idem_read(t, 77, &idem2));
	assert_memory_equal(&idem, &idem2, sizeof(idem));
}

/* --- names --- */

/* A name keeps its number: over a restart, however long it is, and when the transaction it came
 * with failed. */
static void test_names(void **state)
{
	static const char *const names[] = {"zerobounce",
	    "cold-outreach-for-dentists-in-berlin-winter",
	    "cold-outreach-for-dentists-in-berlin-summer", ""};
	struct names *n = NULL;
	uint16_t number, numbers[4];
	struct txn *fails = t;

	txn_abort(fails);
	assert_int_equal(names_load(store, &n, NULL), 0);
	assert_string_equal(names_text(n, NAME_SERVICE, 1), "?");
	for (int i = 0; i < 4; i++) {
		assert_int_equal(names_number(n, NAME_OWNER, names[i], &numbers[i], NULL), 0);
		assert_int_equal(numbers[i], i + 1);
	}
	assert_int_equal(names_number(n, NAME_KEY, "zerobounce", &number, NULL),
	    0); /* each kind counts for itself */
	assert_int_equal(number, 1);
	assert_int_equal(txn_begin(store, true, &fails, NULL), 0);
	names_write(n, fails);
	txn_abort(fails);
	assert_int_equal(names_number(n, NAME_OWNER, names[2], &number, NULL), 0);
	assert_int_equal(number, numbers[2]);
	assert_int_equal(txn_begin(store, true, &t, NULL), 0);
	names_write(n, t);
	assert_int_equal(txn_count(t, TABLE_NAME), 5);
	names_free(n);
	close_all();
	reopen();
	txn_abort(t);
	assert_int_equal(names_load(store, &n, NULL), 0);
	for (int i = 0; i < 4; i++) {
		assert_string_equal(names_text(n, NAME_OWNER, numbers[i]), names[i]);
		assert_int_equal(names_number(n, NAME_OWNER, names[i], &number, NULL), 0);
		assert_int_equal(number, numbers[i]);
	}
	assert_int_equal(names_number(n, NAME_OWNER, "new", &number, NULL), 0);
	assert_int_equal(number, 5);
	assert_string_equal(names_text(n, NAME_OWNER, 6), "?");
	assert_string_equal(names_text(n, NAME_OWNER, 0), "?");
	assert_int_equal(txn_begin(store, true, &t, NULL), 0);
	names_write(n, t);
	names_kept(n);
	assert_int_equal(txn_count(t, TABLE_NAME), 6);
	names_free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_pack),
	    TEST(test_pack_refuses),
	    TEST(test_suppress),
	    TEST(test_notes),
	    TEST(test_run),
	    TEST(test_upload_and_idem),
	    TEST(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
