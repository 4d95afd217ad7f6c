/*
 * The rows of lib/store: each comes back as it was written, each cut short is refused, and queues
 * come in their order.
 */
#include "lib/store/body.h"
#include "lib/store/jobs.h"
#include "lib/store/cache.h"
#include "lib/store/account.h"
#include "lib/store/ledger.h"
#include "lib/store/stat.h"
#include "lib/store/names.h"
#include "lib/store/pack.h"
#include "lib/store/notes.h"
#include "lib/store/queue.h"
#include "lib/store/runs.h"
#include "lib/store/suppress.h"
#include "lib/store/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static struct store *store;
static struct txn *t;

static void reopen(void)
{
	struct store_options o = {.dir = dir, .map_bytes = (size_t)16 << 20, .no_sync = true};

	assert_int_equal(store_open(&o, &store, NULL), 0);
	assert_int_equal(txn_begin(store, true, &t, NULL), 0);
}

static int begin(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/test-rows-XXXXXX");
	assert_non_null(mkdtemp(dir));
	reopen();
	return 0;
}

static void close_all(void)
{
	assert_int_equal(txn_error(t), 0);
	assert_int_equal(txn_commit(t, NULL), 0);
	store_close(store);
}

static int end(void **state)
{
	static const char *const files[] = {"leadd.mdb", "leadd.mdb-lock", "leadd.lock"};
	char path[96];

	(void)state;
	close_all();
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		(void)unlink(path);
	}
	return rmdir(dir);
}

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
    .recalls = 252};
static const struct item new_item = {.run = 7, .number = 301};

/* No prefix of a value may decode, but those without the bytes that older leadds did not write: newer, so many at the end, ends with 0.
 */
static void refuses_prefixes_but(enum store_table table, struct key k,
    bool (*decode)(struct slice key, struct slice value), const size_t newer[])
{
	struct slice v;

	assert_true(txn_get(t, table, k, &v));
	assert_true(decode((struct slice){k.bytes, k.len}, v));
	for (size_t len = 0; len < v.len; len++) {
		uint8_t *exact = malloc(len + 1); /* so that a read past the end is found out */
		bool older = false;

		for (size_t i = 0; newer[i] != 0; i++) {
			older = older || len == v.len - newer[i];
		}

		memcpy(exact, v.data, len);
		exact = realloc(exact, len > 0 ? len : 1);
		assert_int_equal(decode((struct slice){k.bytes, k.len}, (struct slice){exact, len}),
		    older);
		free(exact);
	}
}

static void refuses_prefixes(
    enum store_table table, struct key k, bool (*decode)(struct slice key, struct slice value))
{
	refuses_prefixes_but(table, k, decode, (const size_t[]){0});
}

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

/* --- the ledger --- */

static bool decode_call(struct slice key, struct slice value)
{
	struct call_row c;

	return call_decode(key, value, &c);
}

/* A batch keeps each part with a hash of its own; who shares an answer asked the same. */
static void test_parts(void **state)
{
	struct call_part more[2] = {{.run = 6, .number = 7, .reserved_micro = 3, .settled_micro = 2, .hash = 12}, {.run = 5, .number = 8, .hash = 13}}, p;
	struct call_row want = {.id = 99,
		    .kind = CALL_BATCH,
		    .hash = 10,
		    .prompt = 3,
		    .n_parts = 3,
		    .parts = {{.run = 5, .number = 6, .reserved_micro = 4, .settled_micro = 1, .hash = 11}},
		    .more = more},
		got;

	for (int kind = CALL_BATCH; kind >= CALL_SINGLE; kind--, want.id++) {
		struct part_walk w;

		want.kind = kind;
		call_open(t, &want);
		assert_true(call_read(t, want.id, &got));
		assert_int_equal(got.n_parts, 3);
		assert_int_equal(got.prompt, 3);
		assert_int_equal(call_reserved(&got), 7);
		assert_int_equal(call_settled(&got), 3);
		assert_true(call_has(&got, 6, 0, &p) && p.number == 7 && p.hash == (kind == CALL_BATCH ? 12 : 0));
		assert_true(call_has(&got, 5, 8, &p) && p.hash == (kind == CALL_BATCH ? 13 : 0));
		assert_false(call_has(&got, 6, 8, NULL));
		assert_true(call_unpack(&got));
		w = call_parts(&got);
		assert_true(part_next(&w, &p) && p.number == 6 && part_next(&w, &p) && p.number == 7 && part_next(&w, &p) && p.number == 8);
		assert_false(part_next(&w, &p));
		call_close(t, &got); /* as it was read */
		free(got.more);
		assert_true(call_read(t, want.id, &got) && call_has(&got, 5, 8, &p) && p.hash == (kind == CALL_BATCH ? 13 : 0));
	}
}

static void test_call(void **state)
{
	struct call_row
	    want = {.id = UINT64_C(0x18f3a2b4c5d6e7f8),
		.state = CALL_RESERVED,
		.outcome = 11,
		.service = 1,
		.endpoint = 2,
		.key = 3,
		.boot = 4,
		.granted_us = 1000,
		.granted_wall_us = INT64_C(1700000000000000),
		.reason = "",
		.hash = UINT64_C(0xfedcba9876543210),
		.prompt = 7,
		.polls = 300,
		.n_parts = 1,
		.parts = {{.run = 5, .number = 6, .stage = 7, .step = 8, .reserved_micro = 9}}},
	    got;
	struct slice v;

	call_open(t, &want);
	assert_true(txn_get(t, TABLE_OPEN, key_u64(key_of(), want.id), &v));
	assert_true(call_read(t, want.id, &got));
	assert_memory_equal(&got, &want, sizeof(got));
	want.state = CALL_IN_DOUBT;
	want.sent_us = 1000; /* at once: not the same as never */
	want.late_us = 1001;
	want.end_us = 5000000;
	want.http_status = 599;
	want.parts[0].settled_micro = 10;
	(void)snprintf(
	    want.reason, sizeof(want.reason), "%s", "a-reason-of-thirty-nine-characters-xxxx");
	call_close(t, &want);
	assert_false(txn_get(t, TABLE_OPEN, key_u64(key_of(), want.id), &v));
	assert_true(call_read(t, want.id, &got));
	assert_memory_equal(&got, &want, sizeof(got));
	assert_false(call_read(t, want.id + 1, &got));
	assert_true(call_has(&got, 5, 0, NULL) && call_has(&got, 5, 6, NULL) && !call_has(&got, 5, 7, NULL));
	refuses_prefixes_but(TABLE_CALL, key_u64(key_of(), want.id), decode_call, (const size_t[]){2, 3, 4, 4 + 8, 0});
}

/* --- jobs --- */

static bool decode_job(struct slice key, struct slice value)
{
	struct job_row r;

	return job_decode(key, value, &r);
}

static void test_job(void **state)
{
	struct job_row want = {.call = UINT64_C(0x18f3a2b4c5d6e7f8),
		    .state = JOB_DOUBT,
		    .has_token = true,
		    .token = {0xab, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff},
		    .id = "job-77",
		    .boot = 3,
		    .since_us = 1000,
		    .since_wall_us = INT64_C(1700000000000000),
		    .until_us = 7200000000,
		    .due_us = 2000,
		    .price_micro = 100000,
		    .polls = 12,
		    .failures = 2,
		    .callbacks = 4,
		    .idle_callbacks = 1,
		    .called = true,
		    .reason = "reset"},
		    got;
	uint8_t token[JOB_TOKEN];
	char text[JOB_TOKEN_TEXT];
	uint64_t call, oldest;
	struct slice body;

	job_write(t, &want);
	job_token_write(t, want.token, want.call);
	job_body_write(t, want.call, (struct slice){(const uint8_t *)"{}", 2});
	assert_true(job_read(t, want.call, &got));
	assert_memory_equal(&got, &want, sizeof(got));
	assert_false(job_read(t, want.call + 1, &got));
	assert_true(job_body_read(t, want.call, &body) && body.len == 2 && memcmp(body.data, "{}", 2) == 0);
	job_token_text(want.token, text);
	assert_string_equal(text, "ab0102030405060708090a0b0c0d0eff");
	assert_true(job_token_parse("AB0102030405060708090a0b0c0d0eFF", token));
	assert_memory_equal(token, want.token, JOB_TOKEN);
	assert_true(job_token_read(t, token, &call) && call == want.call);
	assert_false(job_token_parse("ab0102030405060708090a0b0c0d0ef", token));
	assert_false(job_token_parse("ab0102030405060708090a0b0c0d0eff0", token));
	assert_false(job_token_parse("ab0102030405060708090a0b0c0d0e g", token));
	assert_false(job_token_parse(NULL, token));
	refuses_prefixes_but(TABLE_JOB, key_u64(key_u8(key_of(), 0), want.call), decode_job, (const size_t[]){0});
	/* one that is at work is never too old */
	assert_int_equal(jobs_expire(t, UINT64_MAX, 10, &oldest), 0);
	want.state = JOB_ENDED;
	job_write(t, &want);
	assert_int_equal(jobs_expire(t, want.call, 10, &oldest), 0);
	assert_true(oldest == want.call);
	assert_int_equal(jobs_expire(t, want.call + 1, 10, &oldest), 1);
	assert_false(job_read(t, want.call, &got));
	assert_false(job_token_read(t, token, &call));
	job_body_delete(t, want.call);
	assert_int_equal(txn_count(t, TABLE_JOB), 0);
}

/* --- answers --- */

static void write_body(uint64_t call, size_t len)
{
	static const struct body_row row = {.transport = 3,
	    .status = 429,
	    .first_us = 1200,
	    .end_us = 34000,
	    .why = "connection reset",
	    .headers = {{"Retry-After", "7"}, {"set-cookie", "session=1"}, {"x-empty", ""}},
	    .n_headers = 3};
	struct buf head = {0};
	char *body = malloc(len + 1);

	memset(body, 'b', len);
	body_head_write(&row, &head);
	body_write(t, call, (struct slice){(uint8_t *)head.data, head.len},
	    (struct slice){(uint8_t *)body, len});
	buf_free(&head);
	free(body);
}

static void test_body(void **state)
{
	static const size_t lengths[] = {0, 3000, BODY_BYTES, BODY_BYTES + 1};
	struct body_row got;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		size_t kept = lengths[i] < BODY_BYTES ? lengths[i] : BODY_BYTES;

		write_body(i + 1, lengths[i]);
		assert_true(body_read(t, i + 1, &got));
		assert_int_equal(got.transport, 3);
		assert_int_equal(got.status, 429);
		assert_int_equal(got.first_us, 1200);
		assert_int_equal(got.end_us, 34000);
		assert_string_equal(got.why, "connection reset");
		assert_int_equal(got.n_headers, 2); /* no cookie */
		assert_string_equal(got.headers[0].name, "Retry-After");
		assert_string_equal(got.headers[0].value, "7");
		assert_string_equal(got.headers[1].value, "");
		assert_int_equal(got.bytes.len, kept);
		assert_true(
		    kept == 0 || (got.bytes.data[0] == 'b' && got.bytes.data[kept - 1] == 'b'));
		assert_int_equal(got.cut, lengths[i] > BODY_BYTES);
	}
	assert_false(body_read(t, 5, &got));
}

static void test_body_headers(void **state)
{
	struct body_row row = {.n_headers = BODY_HEADERS}, got;
	char value[1000];
	struct buf head = {0};

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (size_t i = 0; i < BODY_HEADERS; i++) {
		row.headers[i] = (struct body_header){"x-long", value};
	}
	body_head_write(&row, &head);
	assert_true(head.len < BODY_HEADER_BYTES + 100);
	body_write(t, 1, (struct slice){(uint8_t *)head.data, head.len}, (struct slice){0});
	assert_true(body_read(t, 1, &got));
	assert_int_equal(got.n_headers, BODY_HEADER_BYTES / (999 + 6));
	assert_false(got.cut);
	for (size_t len = 0; len < head.len; len++) { /* read to its end, never past it */
		uint8_t *exact = malloc(len > 0 ? len : 1);

		memcpy(exact, head.data, len);
		assert_false(body_decode((struct slice){exact, len}, &got));
		free(exact);
	}
	buf_free(&head);
}

/* The oldest go first, a few at a time. */
static void test_body_expire(void **state)
{
	struct body_row got;

	(void)state;
	assert_int_equal(body_oldest(t), 0);
	for (uint64_t call = 10; call <= 19; call++) {
		write_body(29 - call, 100);
	}
	assert_int_equal(body_oldest(t), 10);
	assert_int_equal(body_expire(t, 10, 100), 0);
	assert_int_equal(body_expire(t, 16, 4), 4);
	assert_int_equal(body_oldest(t), 14);
	assert_int_equal(body_expire(t, 16, 4), 2);
	assert_false(body_read(t, 15, &got));
	assert_true(body_read(t, 16, &got));
	assert_int_equal(body_expire(t, UINT64_MAX, 100), 4);
	assert_int_equal(txn_count(t, TABLE_BODY), 0);
}

static void test_call_words(void **state)
{
	enum call_state s;

	for (int i = 0; i < CALL_STATES; i++) {
		assert_true(call_state_parse(call_state_word((enum call_state)i), &s));
		assert_int_equal(s, i);
	}
	assert_false(call_state_parse("lost", &s));
}

static bool decode_account(struct slice key, struct slice value)
{
	struct account_id id;
	struct balance b;

	return account_decode(key, value, &id, &b);
}

static void test_account(void **state)
{
	struct account_id id = {.kind = ACCOUNT_ORG,
			      .owner = 77,
			      .period = PERIOD_MONTH,
			      .start_us = INT64_C(1700000000000000)},
			  back;
	static struct balance want = {.settled_micro = 1,
				  .reserved_micro = -2,
				  .in_doubt_micro = INT64_MAX,
				  .refunded_micro = 4,
				  .calls = {5, 0, UINT64_MAX, 7, 8}},
			      got;
	struct key k = account_key(id);
	struct slice v;

	assert_false(account_read(t, id, &got));
	assert_int_equal(got.settled_micro, 0);
	account_write(t, id, &want);
	assert_true(account_read(t, id, &got));
	assert_memory_equal(&got, &want, sizeof(got));
	id.period = PERIOD_DAY;
	assert_false(account_read(t, id, &got));
	assert_true(txn_get(t, TABLE_ACCOUNT, k, &v));
	assert_true(account_decode((struct slice){k.bytes, k.len}, v, &back, &got));
	assert_int_equal(back.kind, ACCOUNT_ORG);
	assert_int_equal(back.owner, 77);
	assert_int_equal(back.period, PERIOD_MONTH);
	assert_true(back.start_us == id.start_us);
	assert_memory_equal(&got, &want, sizeof(got));
	refuses_prefixes(TABLE_ACCOUNT, k, decode_account);
}

static void test_park(void **state)
{
	static struct park_row want = {.cause = 3, .since_wall_us = 5, .until_wall_us = INT64_MAX},
			       got = {0};

	memset(want.why, 'w', sizeof(want.why) - 1);
	assert_false(park_read(t, 1, 0, &got));
	park_write(t, 1, 0, &want);
	assert_true(park_read(t, 1, 0, &got));
	assert_memory_equal(&got, &want, sizeof(got));
	assert_false(park_read(t, 1, 1, &got));
	want.cause = 0;
	park_write(t, 1, 0, &want);
	assert_false(park_read(t, 1, 0, &got));
}

static void test_stat(void **state)
{
	static struct stat_row want = {.settled_micro = 99, .latency_us = 5}, got;
	struct stat_row s = {0};

	for (int i = 0; i < STAT_CLASSES; i++) {
		want.outcomes[i] = (uint64_t)i << 30;
	}
	for (int i = 0; i < STAT_BUCKETS; i++) {
		want.latency[i] = (uint64_t)i;
	}
	assert_false(stat_read(t, 3, &got));
	stat_write(t, 3, &want);
	assert_true(stat_read(t, 3, &got));
	assert_memory_equal(&got, &want, sizeof(got));
	assert_int_equal(stat_quantile_ms(&s, 0.5), 0);
	for (int i = 0; i < 90; i++) {
		stat_count_latency(&s, 100 * 1000);
	}
	for (int i = 0; i < 10; i++) {
		stat_count_latency(&s, INT64_C(3000) * 1000);
	}
	assert_int_equal(stat_quantile_ms(&s, 0.5), 128);
	assert_int_equal(stat_quantile_ms(&s, 0.99), 4096);
	stat_count_latency(&s, INT64_MAX);
	stat_count_latency(&s, 0);
	assert_int_equal(s.latency[0], 1);
	assert_int_equal(s.latency[STAT_BUCKETS - 1], 1);
}

/* A row without the sum of latencies, as older versions wrote it: three quarters of each bucket's end stand for it. */
static void test_stat_older(void **state)
{
	struct stat_row got;
	struct buf *b = txn_buf(t);

	(void)state;
	for (int i = 0; i < STAT_CLASSES; i++) {
		pack_var(b, i == 0 ? 3 : 0);
	}
	for (int i = 0; i < STAT_BUCKETS; i++) {
		pack_var(b, i == 0 ? 2 : i == 3 ? 1 : 0);
	}
	pack_i64(b, 77);
	txn_put(t, TABLE_STAT, key_u16(key_of(), 9), b->data, b->len);
	assert_true(stat_read(t, 9, &got));
	assert_int_equal(got.settled_micro, 77);
	assert_int_equal(got.latency_us, 2 * 750 + 6000);
	stat_count_latency(&got, 1500);
	stat_write(t, 9, &got);
	assert_true(stat_read(t, 9, &got));
	assert_int_equal(got.latency_us, 2 * 750 + 6000 + 1500);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_pack),
	    TEST(test_pack_refuses),
	    TEST(test_item),
	    TEST(test_verify_rows),
	    TEST(test_item_words),
	    TEST(test_item_of_a_level),
	    TEST(test_row),
	    TEST(test_facts),
	    TEST(test_identity),
	    TEST(test_parts), TEST(test_cached), TEST(test_call), TEST(test_job),
	    TEST(test_body),
	    TEST(test_body_headers),
	    TEST(test_body_expire),
	    TEST(test_call_words),
	    TEST(test_account),
	    TEST(test_park),
	    TEST(test_stat),
	    TEST(test_stat_older),
	    TEST(test_suppress),
	    TEST(test_notes),
	    TEST(test_run),
	    TEST(test_upload_and_idem),
	    TEST(test_names),
	    TEST(test_ready),
	    TEST(test_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
