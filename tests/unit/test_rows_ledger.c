/*
 * The rows of lib/store that are of calls and money: each comes back as it was written, each cut short is refused.
 */
#include "tests/unit/rows_rig.h"

#include "lib/store/account.h"
#include "lib/store/body.h"
#include "lib/store/jobs.h"
#include "lib/store/pack.h"
#include "lib/store/stat.h"

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

static bool is_old(void *arg, const struct job_row *r)
{
	(void)r;
	return *(bool *)arg;
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
	uint64_t call;
	bool old = true;
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
	assert_int_equal(jobs_expire(t, UINT64_MAX, is_old, &old, 10), 0);
	want.state = JOB_ENDED;
	job_write(t, &want);
	assert_int_equal(jobs_expire(t, want.call, is_old, &old, 10), 0);
	old = false;
	assert_int_equal(jobs_expire(t, want.call + 1, is_old, &old, 10), 0);
	old = true;
	assert_int_equal(jobs_expire(t, want.call + 1, is_old, &old, 10), 1);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_parts),
	    TEST(test_call),
	    TEST(test_job),
	    TEST(test_body),
	    TEST(test_body_headers),
	    TEST(test_body_expire),
	    TEST(test_call_words),
	    TEST(test_account),
	    TEST(test_park),
	    TEST(test_stat),
	    TEST(test_stat_older),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
