/*
 * The rows of lib/store that are of items: each comes back as it was written, each cut short is refused, and queues
 * come in their order.
 */
#include "tests/unit/rows_rig.h"

#include "lib/store/cache.h"
#include "lib/store/items.h"
#include "lib/store/queue.h"
#include "lib/store/verify.h"

/* --- items --- */

/* Rows are compared as bytes: static ones have no rubbish between their members. */
static const struct item an_item = {.run = 7,
    .number = 300,
    .status = ITEM_RETRYING,
    .outcome = ITEM_PARKED,
    .stage = 254,
    .step = 3,
    .phase = PHASE_RECALL_LOOK,
    .failures = 255,
    .failure_class = 11,
    .doubts = 2,
    .gate_tries = 4,
    .repairs = 5,
    .pushed = true,
    .service = 60000,
    .rank = 249,
    .facts = 70000,
    .due_us = INT64_MAX / 2,
    .spent_micro = INT64_C(123456789012),
    .done_turn = UINT64_MAX,
    .reason = "in-doubt",
    .prompt = 300,
    .ours = true,
    .was = ITEM_RECALLED,
    .was_stage = 253,
    .pushings = 252};
static const struct item new_item = {.run = 7, .number = 301};

static bool decode_item(struct slice key, struct slice value)
{
	struct item i;

	return item_decode(key, value, &i);
}

static void test_item(void **state)
{
	struct item got;
	struct slice v;

	assert_false(item_read(t, 7, 300, &got));
	item_write(t, &an_item);
	item_write(t, &new_item);
	assert_true(item_read(t, 7, 300, &got));
	assert_memory_equal(&got, &an_item, sizeof(got));
	assert_true(item_read(t, 7, 301, &got));
	assert_memory_equal(&got, &new_item, sizeof(got));
	assert_true(txn_get(t, TABLE_STATE, item_key(7, 300), &v));
	assert_true(v.len <= 128);
	assert_true(txn_get(t, TABLE_STATE, item_key(7, 301), &v));
	assert_true(v.len < 24); /* a hundred thousand of these are rewritten in a night */
	refuses_prefixes_but(TABLE_STATE, item_key(7, 300), decode_item, (const size_t[]){3, 5, 0});
}

static void test_item_of_a_level(void **state)
{
	struct item want = {.run = 7, .number = ITEM_ROOT, .level = LEVEL_RUN, .page = 70000, .round = 255, .widened = 3}, got;

	(void)state;
	item_write(t, &want);
	assert_true(item_read(t, 7, ITEM_ROOT, &got));
	assert_memory_equal(&got, &want, sizeof(got));
	refuses_prefixes_but(TABLE_STATE, item_key(7, ITEM_ROOT), decode_item, (const size_t[]){7, 10, 11, 0});
	want = (struct item){.run = 7, .number = 2, .parent = 1};
	item_write(t, &want);
	assert_true(item_read(t, 7, 2, &got));
	assert_memory_equal(&got, &want, sizeof(got));
	assert_string_equal(item_level_word(LEVEL_COMPANY), "company");
}

static bool decode_verify(struct slice key, struct slice value)
{
	uint32_t run = 0;

	return verify_decode(key, value, &run) && run == 7;
}

static bool count_findings(void *arg, uint32_t at, const struct verify_finding *f)
{
	size_t *n = arg;

	assert_int_equal(at, *n);
	assert_int_equal(f->kind, at == 0 ? VERIFY_CHANGED : VERIFY_FOREIGN);
	assert_string_equal(f->field, at == 0 ? "name" : "");
	++*n;
	return true;
}

/* What is read back of a destination: one run's rows are no other's. */
static void test_verify_rows(void **state)
{
	static struct verify_row want = {.run = 7,
	    .state = VERIFY_COMPARING,
	    .repair = true,
	    .started_us = 1,
	    .ended_us = 2,
	    .at_run = 3,
	    .at_number = 4,
	    .pushed = UINT64_MAX,
	    .pages = 5,
	    .seen = 6,
	    .others = 7,
	    .repaired = 8,
	    .why = "http-400"};
	static struct verify_row got;
	struct verify_entry e = {.hash = 1, .run = 7, .number = 9, .gone = true, .seen = 300, .id = "i", .who = "w"}, e2 = {0};
	struct verify_finding f = {.kind = VERIFY_CHANGED, .number = 3, .field = "name", .id = "a"};
	size_t n = 0;

	assert_false(verify_row_read(t, 7, &got));
	assert_int_equal(got.run, 7);
	verify_find(t, &want, &f);
	f = (struct verify_finding){.kind = VERIFY_FOREIGN, .who = "a***@b***.com"};
	verify_find(t, &want, &f);
	verify_row_write(t, &want);
	assert_true(verify_row_read(t, 7, &got));
	assert_memory_equal(&got, &want, sizeof(got));
	assert_int_equal(got.findings, 2);
	assert_int_equal(got.counts[VERIFY_FOREIGN], 1);
	verify_walk(t, 7, 0, count_findings, &n);
	assert_int_equal(n, 2);
	assert_false(verify_entry_read(t, 7, 1, &e2));
	verify_entry_write(t, 7, &e);
	verify_entry_write(t, 8, &e);
	e.hash = 2;
	verify_entry_write(t, 7, &e);
	assert_true(verify_entry_read(t, 7, 1, &e2));
	assert_int_equal(e2.seen, 300);
	assert_true(e2.gone);
	refuses_prefixes(TABLE_VERIFY, key_u8(key_u32(key_of(), 7), 0), decode_verify);
	refuses_prefixes(TABLE_VERIFY, key_u32(key_u8(key_u32(key_of(), 7), 1), 0), decode_verify);
	refuses_prefixes(TABLE_VERIFY, key_u64(key_u8(key_u32(key_of(), 7), 2), 1), decode_verify);
	assert_true(verify_entry_take(t, 7, &e2));
	assert_int_equal(e2.hash, 1);
	assert_true(verify_clear(t, 7, 1));
	assert_false(verify_clear(t, 7, 10));
	n = 0;
	verify_walk(t, 7, 0, count_findings, &n);
	assert_int_equal(n, 0);
	assert_false(verify_entry_take(t, 7, &e2));
	assert_true(verify_entry_read(t, 8, 1, &e2));
	assert_true(verify_row_read(t, 7, &got));
}

static void test_item_words(void **state)
{
	enum item_outcome o;

	for (int i = 0; i < ITEM_OUTCOMES; i++) {
		assert_true(item_outcome_parse(item_outcome_word((enum item_outcome)i), &o));
		assert_int_equal(o, i);
	}
	assert_false(item_outcome_parse("Ready", &o));
	assert_string_equal(item_status_word(ITEM_DONE), "done");
}

static void test_row(void **state)
{
	struct slice v;

	item_row_write(t, 1, 2, "bytes", 5);
	item_row_write(t, 1, 1, "", 0);
	assert_true(item_row(t, 1, 2, &v));
	assert_memory_equal(v.data, "bytes", 5);
	assert_true(item_row(t, 1, 1, &v));
	assert_int_equal(v.len, 0);
	assert_false(item_row(t, 2, 1, &v));
}

/* --- facts --- */

static struct fact a_fact(size_t fields)
{
	struct fact f = {.kind = FACT_CALL,
	    .stage = 3,
	    .step = 1,
	    .outcome = 2,
	    .service = 9,
	    .call = UINT64_C(0xfedcba9876543210),
	    .turn = 1000000,
	    .wall_us = -5,
	    .price_micro = 8000,
	    .ms = UINT32_MAX,
	    .reason = "too-short",
	    .n_fields = fields,
	    .prompt = UINT16_MAX,
	    .saved_micro = 5,
	    .joined = true};

	for (size_t i = 0; i < fields; i++) {
		f.fields[i] = (struct fact_field){
		    .name = "field", .name_len = 5, .value = value_string("va\"lue", 6)};
	}
	return f;
}

struct facts {
	size_t n, stop_after;
};

#define SAME(member) assert_true(f->member == want.member)

static bool on_fact(void *arg, const struct fact *f)
{
	struct facts *a = arg;
	struct fact want = a_fact(f->n_fields);

	assert_int_equal(f->n_fields, a->n % 2 == 0 ? FACT_FIELDS : 0);
	SAME(kind);
	SAME(stage);
	SAME(step);
	SAME(outcome);
	SAME(service);
	SAME(call);
	SAME(turn);
	SAME(wall_us);
	SAME(price_micro);
	SAME(ms);
	SAME(prompt);
	SAME(saved_micro);
	SAME(joined);
	assert_string_equal(f->reason, want.reason);
	for (size_t i = 0; i < f->n_fields; i++) {
		assert_int_equal(f->fields[i].name_len, 5);
		assert_memory_equal(f->fields[i].name, "field", 5);
		assert_true(value_equal(&f->fields[i].value, &want.fields[i].value));
	}
	return ++a->n != a->stop_after;
}

static bool decode_fact(struct slice key, struct slice value)
{
	static struct fact f;

	(void)key;
	return fact_decode(value, &f);
}

static bool on_key(void *arg, struct slice key, struct slice value)
{
	struct key *k = arg;

	(void)value;
	memcpy(k->bytes, key.data, key.len);
	k->len = key.len;
	return false;
}

/* Of neighbours, and across the groups their keys stand in, each gets its own, oldest first. */
static void test_facts(void **state)
{
	static const uint32_t numbers[] = {1, 2, 255, 256, 257, 70000};
	struct key k;

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < 6; i++) {
			struct item it = {
			    .run = 1, .number = numbers[i], .facts = (uint32_t)round * 2};
			struct fact full = a_fact(FACT_FIELDS), none = a_fact(0);

			fact_add(t, &it, &full);
			fact_add(t, &it, &none);
			assert_int_equal(it.facts, round * 2 + 2);
		}
	}
	for (size_t i = 0; i < 6; i++) {
		struct facts all = {0}, one = {.stop_after = 1};

		fact_walk(t, 1, numbers[i], on_fact, &all);
		assert_int_equal(all.n, 4);
		fact_walk(t, 1, numbers[i], on_fact, &one);
		assert_int_equal(one.n, 1);
	}
	fact_walk(t, 2, 1, on_fact, &(struct facts){0});
	txn_walk(t, TABLE_FACT, key_of(), key_of(), on_key, &k);
	refuses_prefixes_but(TABLE_FACT, k, decode_fact, (const size_t[]){1, 2, 2 + 3, 0});
}

static bool decode_cached(struct slice key, struct slice value)
{
	enum cache_class class;
	struct cache_key k;
	struct cache_row r;

	return cache_decode(key, value, &class, &k, &r);
}

static bool on_cached(void *arg, struct slice key, struct slice value)
{
	struct key *k = arg;

	assert_true(decode_cached(key, value));
	k->len = key.len;
	memcpy(k->bytes, key.data, key.len);
	return false;
}

/* An answer to be taken again: the newer one counts, and they end in their order. */
static void test_cached(void **state)
{
	struct cache_row want = {.call = 77, .price_micro = 8000, .expires_us = 5000, .outcome = 1, .reason = "nothing", .n_fields = 1}, got;
	struct cache_key a = {.service = 1, .endpoint = 2, .hash = 3}, b = {.service = 1, .endpoint = 2, .hash = 4};
	struct key first;

	want.fields[0] = (struct fact_field){.name = "size", .name_len = 4, .value = value_text("7")};
	assert_false(cache_read(t, a, &got));
	assert_int_equal(cache_next_us(t), 0);
	cache_write(t, a, &want);
	want.expires_us = 9000;
	cache_write(t, a, &want);
	want.expires_us = 8000;
	cache_write(t, b, &want);
	assert_int_equal(txn_count(t, TABLE_ANSWER), 4);
	assert_true(cache_read(t, a, &got));
	assert_int_equal(got.expires_us, 9000);
	assert_int_equal(got.call, 77);
	assert_int_equal(got.price_micro, 8000);
	assert_string_equal(got.reason, "nothing");
	assert_true(value_equal(&got.fields[0].value, &want.fields[0].value));
	txn_walk(t, TABLE_ANSWER, key_of(), key_of(), on_cached, &first);
	refuses_prefixes(TABLE_ANSWER, first, decode_cached);
	assert_int_equal(cache_next_us(t), 8000);
	assert_int_equal(cache_expire(t, 8000, 10), 0);
	assert_int_equal(cache_expire(t, 9001, 1), 1);
	assert_false(cache_read(t, b, &got));
	assert_true(cache_read(t, a, &got));
	assert_int_equal(cache_expire(t, 9001, 10), 1);
	assert_int_equal(txn_count(t, TABLE_ANSWER), 0);
}

static void test_identity(void **state)
{
	assert_int_equal(identity_claim(t, 1, 1, 42, 5), 0);
	assert_int_equal(identity_claim(t, 1, 1, 42, 6), 5);
	assert_int_equal(identity_claim(t, 1, 1, 42, 5), 5);
	assert_int_equal(identity_claim(t, 1, 2, 42, 7), 0); /* of another kind */
	assert_int_equal(identity_claim(t, 2, 1, 42, 8), 0); /* of another run */
}

/* --- queues --- */

/* Nearest the end first, then in the order of the file. */
static void test_ready(void **state)
{
	static const struct {
		uint8_t rank;
		uint32_t number;
	} items[] = {{249, 1}, {239, 300}, {249, 2}, {239, 2}, {249, 70000}};

	for (size_t i = 0; i < 5; i++) {
		struct item it = {
		    .run = 1, .service = 4, .rank = items[i].rank, .number = items[i].number};

		assert_false(queue_has(t, &it));
		queue_push(t, &it);
		assert_true(queue_has(t, &it));
	}
	assert_int_equal(queue_head(t, 4, 1, 239), 2);
	assert_int_equal(queue_head(t, 4, 1, 249), 1);
	assert_int_equal(queue_head(t, 4, 2, 249), 0);
	assert_int_equal(queue_head(t, 5, 1, 249), 0);
	queue_remove(t, &(struct item){.run = 1, .service = 4, .rank = 249, .number = 1});
	assert_int_equal(queue_head(t, 4, 1, 249), 2);
}

static void test_later(void **state)
{
	static const int64_t due[] = {INT64_C(5000000000), 3, 256, 3, INT64_MAX};
	int64_t at, last = 0;
	uint32_t run, number;

	assert_false(later_head(t, &at, &run, &number));
	for (uint32_t i = 0; i < 5; i++) {
		later_push(t,
		    &(struct item){.run = 9 - i, .service = 4, .number = i + 1, .due_us = due[i]});
	}
	for (uint32_t i = 0; i < 5; i++) {
		assert_true(later_head(t, &at, &run, &number));
		assert_true(at >= last && at == due[number - 1] && run == 10 - number);
		last = at;
		later_remove(
		    t, &(struct item){.run = run, .service = 4, .number = number, .due_us = at});
	}
	assert_false(later_head(t, &at, &run, &number));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_item),
	    TEST(test_verify_rows),
	    TEST(test_item_words),
	    TEST(test_item_of_a_level),
	    TEST(test_row),
	    TEST(test_facts),
	    TEST(test_identity),
	    TEST(test_cached),
	    TEST(test_ready),
	    TEST(test_later),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
