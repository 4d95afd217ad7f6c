/* tests/unit/test_inbox.c: rows of webhooks that came in: cursor, marks, totals, what is forgotten, what the check of a store sees. */
#include "lib/base/ids.h"
#include "lib/base/time.h"
#include "lib/store/check.h"
#include "lib/store/inbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/leadd-inbox-XXXXXX";
static struct store *s;

static int open_store(void **state)
{
	struct store_options o = {.dir = dir, .map_bytes = (size_t)64 << 20, .no_sync = true};

	(void)state;
	strcpy(dir, "/tmp/leadd-inbox-XXXXXX");
	return mkdtemp(dir) == NULL || store_open(&o, &s, NULL) != 0;
}

static int close_store(void **state)
{
	static const char *const files[] = {"leadd.mdb", "leadd.mdb-lock", "leadd.lock"};
	char path[64];

	(void)state;
	store_close(s);
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		(void)unlink(path);
	}
	return rmdir(dir);
}

static struct txn *begin(void)
{
	struct txn *t = NULL;

	assert_int_equal(txn_begin(s, true, &t, NULL), 0);
	return t;
}

static void append(struct txn *t, uint64_t id, const char *body)
{
	struct inbox_event e = {.id = id, .intake = "close", .body = {(const uint8_t *)body, strlen(body)}};

	inbox_append(t, &e);
}

static void routed(struct txn *t, uint64_t id, enum inbox_state state)
{
	struct inbox_row r = {.id = id, .state = state, .run = 3, .number = (uint32_t)id, .reason = "no-campaign"};

	memset(r.mark.bytes, (int)id, sizeof(r.mark.bytes));
	inbox_row_write(t, &r);
	inbox_cursor_write(t, id);
}

static bool on_back(void *arg, const struct inbox_event *e)
{
	uint64_t *sum = arg;

	*sum = *sum * 10 + e->id;
	return e->id != 2;
}

static void test_rows(void **state)
{
	struct inbox_event e;
	struct inbox_row r;
	struct inbox_mark m;
	struct txn *t = begin();
	uint64_t seen = 0;

	(void)state;
	assert_false(inbox_next(t, 0, &e));
	assert_int_equal(inbox_last(t), 0);
	assert_int_equal(inbox_cursor(t), 0);
	for (uint64_t id = 1; id <= 4; id++) {
		append(t, id, id == 2 ? "" : "{\"a\":1}");
	}
	assert_int_equal(inbox_last(t), 4);
	assert_int_equal(inbox_oldest(t), 1);
	assert_int_equal(inbox_waiting(t), 4);
	assert_true(inbox_next(t, 2, &e));
	assert_int_equal(e.id, 3);
	assert_string_equal(e.intake, "close");
	assert_int_equal(e.body.len, 7);
	assert_memory_equal(e.body.data, "{\"a\":1}", 7);
	assert_true(inbox_event_read(t, 2, &e));
	assert_int_equal(e.body.len, 0);
	assert_false(inbox_next(t, 4, &e));

	routed(t, 1, INBOX_MADE);
	routed(t, 2, INBOX_FAILED);
	assert_int_equal(inbox_waiting(t), 2);
	assert_true(inbox_row_read(t, 1, &r));
	assert_int_equal(r.state, INBOX_MADE);
	assert_int_equal(r.run, 3);
	assert_int_equal(r.number, 1);
	assert_true(inbox_row_read(t, 2, &r));
	assert_string_equal(r.reason, "no-campaign");
	assert_false(inbox_row_read(t, 3, &r));
	memset(m.bytes, 1, sizeof(m.bytes));
	assert_int_equal(inbox_marked(t, &m), 1);
	memset(m.bytes, 2, sizeof(m.bytes)); /* what made nothing leaves none */
	assert_int_equal(inbox_marked(t, &m), 0);
	inbox_back(t, 0, on_back, &seen);
	assert_int_equal(seen, 432);
	txn_abort(t);
}

static void test_counts(void **state)
{
	struct inbox_counts c;
	struct txn *t = begin();

	(void)state;
	assert_false(inbox_counts_read(t, "close", &c));
	assert_string_equal(c.intake, "close");
	assert_int_equal(c.received, 0);
	c.received = 300;
	c.states[INBOX_IGNORED] = 7;
	c.last_us = 5;
	inbox_counts_write(t, &c);
	assert_true(inbox_counts_read(t, "close", &c));
	assert_int_equal(c.received, 300);
	assert_int_equal(c.states[INBOX_IGNORED], 7);
	assert_int_equal(c.last_us, 5);
	assert_false(inbox_counts_read(t, "other", &c));
	txn_abort(t);
}

/* Only what was looked at is ever forgotten, the mark with its event, and no more at once than was asked for. */
static void test_expire(void **state)
{
	struct inbox_mark m;
	struct inbox_row r;
	struct txn *t = begin();

	(void)state;
	for (uint64_t id = 1; id <= 6; id++) {
		append(t, id, "{}");
	}
	for (uint64_t id = 1; id <= 4; id++) {
		routed(t, id, INBOX_MADE);
	}
	assert_int_equal(inbox_expire(t, 3, 10), 2);
	assert_int_equal(inbox_oldest(t), 3);
	memset(m.bytes, 1, sizeof(m.bytes));
	assert_int_equal(inbox_marked(t, &m), 0);
	assert_false(inbox_row_read(t, 1, &r));
	memset(m.bytes, 3, sizeof(m.bytes));
	assert_int_equal(inbox_marked(t, &m), 3);
	assert_int_equal(inbox_expire(t, UINT64_MAX, 1), 1);
	assert_int_equal(inbox_expire(t, UINT64_MAX, 10), 1);
	assert_int_equal(inbox_oldest(t), 5);
	assert_int_equal(inbox_cursor(t), 4);
	txn_abort(t);
}

struct told {
	unsigned n;
	char last[256];
};

static void on_problem(void *arg, const char *problem)
{
	struct told *told = arg;

	told->n++;
	(void)snprintf(told->last, sizeof(told->last), "%s", problem);
}

static unsigned problems(struct told *told)
{
	struct check_counts counts;

	*told = (struct told){0};
	assert_int_equal(store_check(s, on_problem, told, &counts, NULL), 0);
	assert_int_equal(counts.problems, told->n);
	return told->n;
}

static void test_check(void **state)
{
	struct told told;
	struct txn *t = begin();

	(void)state;
	append(t, 1, "{}");
	append(t, 2, "{}");
	routed(t, 1, INBOX_IGNORED);
	assert_int_equal(txn_commit(t, NULL), 0);
	assert_int_equal(problems(&told), 0);

	t = begin(); /* passed over */
	inbox_cursor_write(t, 2);
	assert_int_equal(txn_commit(t, NULL), 0);
	assert_int_equal(problems(&told), 1);
	assert_non_null(strstr(told.last, "was passed over"));

	t = begin(); /* its lead is not there */
	routed(t, 2, INBOX_MADE);
	assert_int_equal(txn_commit(t, NULL), 0);
	assert_int_equal(problems(&told), 1);
	assert_non_null(strstr(told.last, "made lead 3/2, which is not there"));

	t = begin(); /* looked at before its turn; an event that is not there */
	append(t, 9, "{}");
	routed(t, 9, INBOX_IGNORED);
	routed(t, 7, INBOX_IGNORED);
	inbox_cursor_write(t, 2);
	assert_int_equal(txn_commit(t, NULL), 0);
	assert_int_equal(problems(&told), 3);

	t = begin(); /* torn */
	txn_put(t, TABLE_INBOX, key_u64(key_u8(key_of(), INBOX_ROW), 9), "x", 1);
	assert_int_equal(txn_commit(t, NULL), 0);
	assert_int_equal(problems(&told), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_rows, open_store, close_store),
	    cmocka_unit_test_setup_teardown(test_counts, open_store, close_store),
	    cmocka_unit_test_setup_teardown(test_expire, open_store, close_store),
	    cmocka_unit_test_setup_teardown(test_check, open_store, close_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
