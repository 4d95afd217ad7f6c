/*
 * lib/store/store.h: order of keys, walking, damage, versions, the lock, the latch, and what is
 * left when map or disk are full.
 */
#include "lib/store/store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static struct store *open_map(size_t map_bytes)
{
	struct store_options o = {.dir = dir, .map_bytes = map_bytes, .no_sync = true};
	struct store *s = NULL;
	struct lead_error err = {.text = ""};

	if (store_open(&o, &s, &err) != 0) {
		fail_msg("%s", err.text);
	}
	return s;
}

static struct store *begin(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/test-store-XXXXXX");
	assert_non_null(mkdtemp(dir));
	return open_map((size_t)16 << 20);
}

static void end(struct store *s)
{
	static const char *const files[] = {"leadd.mdb", "leadd.mdb-lock", "leadd.lock", "copy"};
	char path[96];

	store_close(s);
	for (size_t i = 0; i < 4; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(dir), 0);
}

static struct txn *txn(struct store *s, bool write)
{
	struct txn *t = NULL;

	assert_int_equal(txn_begin(s, write, &t, NULL), 0);
	return t;
}

static struct key number(uint32_t n)
{
	return key_u32(key_of(), n);
}

static void put(struct store *s, uint32_t n, const char *text)
{
	struct txn *t = txn(s, true);

	txn_put(t, TABLE_LEAD, number(n), text, strlen(text));
	assert_int_equal(txn_commit(t, NULL), 0);
}

/* The value under a number as text; NULL when there is none. */
static const char *get(struct store *s, uint32_t n)
{
	static char text[64];
	struct txn *t = txn(s, false);
	struct slice v;
	bool found = txn_get(t, TABLE_LEAD, number(n), &v);

	if (found) {
		(void)snprintf(text, sizeof(text), "%.*s", (int)v.len, (const char *)v.data);
	}
	assert_int_equal(txn_error(t), 0);
	txn_abort(t);
	return found ? text : NULL;
}

/* --- keys --- */

static bool on_order(void *arg, struct slice key, struct slice value)
{
	uint32_t *n = arg, read = 0;

	memcpy(&read, value.data, sizeof(read));
	assert_int_equal(key_get_u32(key.data), read);
	assert_true(*n == 0 || read > *n);
	*n = read;
	return true;
}

/* Little-endian numbers would come as 0, 256, 1, 257. */
static void test_keys_in_order_of_numbers(void **state)
{
	static const uint32_t numbers[] = {257, 1, 65536, 256, 2, 255, UINT32_MAX, 0x01000000};
	struct store *s = begin();
	struct txn *t = txn(s, true);
	struct key k = key_u64(key_u8(key_u16(key_of(), 0x1234), 0x56), 0x789abcdef0123456);
	uint32_t last = 0;

	for (size_t i = 0; i < 8; i++) {
		txn_put(t, TABLE_LEAD, number(numbers[i]), &numbers[i], sizeof(numbers[i]));
	}
	txn_walk(t, TABLE_LEAD, key_of(), key_of(), on_order, &last);
	assert_true(last == UINT32_MAX);
	assert_int_equal(txn_count(t, TABLE_LEAD), 8);
	assert_int_equal(txn_commit(t, NULL), 0);
	assert_int_equal(k.len, 11);
	assert_int_equal(key_get_u16(k.bytes), 0x1234);
	assert_int_equal(k.bytes[2], 0x56);
	assert_true(key_get_u64(k.bytes + 3) == 0x789abcdef0123456);
	end(s);
}

struct seen {
	uint32_t list[16];
	size_t n, stop_after;
};

static bool on_seen(void *arg, struct slice key, struct slice value)
{
	struct seen *s = arg;

	(void)value;
	s->list[s->n++] = key_get_u32(key.data + 4);
	return s->n != s->stop_after;
}

static void seen_is(const struct seen *s, size_t n, uint32_t first, uint32_t last)
{
	assert_int_equal(s->n, n);
	if (n > 0) {
		assert_int_equal(s->list[0], first);
		assert_int_equal(s->list[n - 1], last);
	}
}

/* Keys (group, number): groups 1 and 3, numbers 10, 20, 30 each, and one group at each end. */
static void test_walks(void **state)
{
	static const uint32_t groups[] = {0, 1, 3, UINT32_MAX};
	struct store *s = begin();
	struct txn *t = txn(s, true);
	struct slice key, value;

	for (size_t g = 0; g < 4; g++) {
		for (uint32_t n = 10; n <= 30; n += 10) {
			txn_put(t, TABLE_STATE, key_u32(number(groups[g]), n), "x", 1);
		}
	}
	for (int back = 0; back < 2; back++) {
		void (*walk)(struct txn *, enum store_table, struct key, struct key, txn_walk_fn,
		    void *) = back ? txn_walk_back : txn_walk;
		struct seen all = {0}, from = {0}, between = {0}, none = {0},
			    one = {.stop_after = 1};

		walk(t, TABLE_STATE, key_u32(number(3), back ? UINT32_MAX : 0), number(3), on_seen,
		    &all);
		seen_is(&all, 3, back ? 30 : 10, back ? 10 : 30);
		walk(t, TABLE_STATE, key_u32(number(3), 20), number(3), on_seen, &from);
		seen_is(&from, 2, 20, back ? 10 : 30);
		walk(t, TABLE_STATE, key_u32(number(3), 25), number(3), on_seen, &between);
		seen_is(&between, back ? 2 : 1, back ? 20 : 30, back ? 10 : 30);
		walk(t, TABLE_STATE, key_u32(number(2), 20), number(2), on_seen, &none);
		seen_is(&none, 0, 0, 0);
		walk(t, TABLE_STATE, key_u32(number(3), 20), number(3), on_seen, &one);
		seen_is(&one, 1, 20, 20);
	}
	assert_true(txn_first(t, TABLE_STATE, key_u32(number(1), 11), number(1), &key, &value));
	assert_int_equal(key_get_u32(key.data + 4), 20);
	assert_false(txn_first(t, TABLE_STATE, key_u32(number(1), 31), number(1), &key, &value));
	assert_true(txn_last(t, TABLE_STATE, number(1), &key, &value));
	assert_int_equal(key_get_u32(key.data + 4), 30);
	assert_true(txn_last(t, TABLE_STATE, number(UINT32_MAX), &key, &value));
	assert_false(txn_last(t, TABLE_STATE, number(2), &key, &value));
	assert_false(txn_last(t, TABLE_CALL, key_of(), &key, &value));
	assert_int_equal(txn_error(t), 0);
	txn_abort(t);
	end(s);
}

/* Appending behind the last key is a hint, not a duty. */
static void test_append(void **state)
{
	struct store *s = begin();
	struct txn *t = txn(s, true);

	txn_append(t, TABLE_LEAD, number(5), "five", 4);
	txn_append(t, TABLE_LEAD, number(9), "nine", 4);
	txn_append(t, TABLE_LEAD, number(7), "seven", 5);
	txn_append(t, TABLE_LEAD, number(5), "FIVE!", 5);
	assert_int_equal(txn_commit(t, NULL), 0);
	assert_string_equal(get(s, 5), "FIVE!");
	assert_string_equal(get(s, 7), "seven");
	assert_string_equal(get(s, 9), "nine");
	end(s);
}

static void test_put_get_delete(void **state)
{
	struct store *s = begin();
	struct txn *t;

	assert_null(get(s, 1));
	put(s, 1, "");
	assert_string_equal(get(s, 1), "");
	put(s, 1, "again");
	assert_string_equal(get(s, 1), "again");
	t = txn(s, true);
	txn_delete(t, TABLE_LEAD, number(1));
	txn_delete(t, TABLE_LEAD, number(2));
	assert_int_equal(txn_commit(t, NULL), 0);
	assert_null(get(s, 1));
	t = txn(s, true);
	txn_put(t, TABLE_LEAD, number(3), "x", 1);
	txn_abort(t);
	assert_null(get(s, 3));
	end(s);
}

/* --- opening --- */

static void test_lock(void **state)
{
	struct store *s = begin(), *second = NULL;
	struct store_options o = {.dir = dir, .no_sync = true};
	struct lead_error err;

	assert_int_equal(store_open(&o, &second, &err), LEAD_EINPUT);
	assert_non_null(strstr(err.text, "another leadd"));
	put(s, 1, "still ours");
	store_close(s);
	s = open_map(0);
	assert_string_equal(get(s, 1), "still ours");
	end(s);
}

static void test_version(void **state)
{
	struct store *s = begin();
	struct store_options o = {.dir = dir, .no_sync = true};
	struct txn *t = txn(s, true);
	struct lead_error err;
	uint8_t newer = STORE_VERSION + 1;

	txn_put(t, TABLE_META, key_u8(key_of(), 'v'), &newer, 1);
	assert_int_equal(txn_commit(t, NULL), 0);
	store_close(s);
	assert_int_equal(store_open(&o, &s, &err), LEAD_EINPUT);
	assert_non_null(strstr(err.text, "newer leadd"));
	end(NULL);
}

static void test_nothing_there(void **state)
{
	struct store_options o = {.dir = "/nonexistent", .no_sync = true};
	struct store *s = NULL;

	assert_int_equal(store_open(&o, &s, NULL), LEAD_EINPUT);
	assert_null(s);
}

/* A copy is a store of its own. */
static void test_copy(void **state)
{
	struct store *s = begin();
	char path[96], there[96];

	put(s, 1, "kept");
	(void)snprintf(path, sizeof(path), "%s/copy", dir);
	(void)snprintf(there, sizeof(there), "%s/leadd.mdb", dir);
	assert_int_equal(store_copy(s, path, NULL), 0);
	assert_int_equal(store_copy(s, path, NULL), LEAD_EINPUT); /* never over another file */
	put(s, 1, "changed");
	store_close(s);
	assert_int_equal(rename(path, there), 0);
	s = open_map(0);
	assert_string_equal(get(s, 1), "kept");
	end(s);
}

/* --- damage --- */

/* Flips one bit of the first place in the file where the text stands. */
static void damage(const char *text)
{
	static char bytes[1 << 20];
	char path[96];
	int fd;
	ssize_t n;
	char *at;

	(void)snprintf(path, sizeof(path), "%s/leadd.mdb", dir);
	fd = open(path, O_RDWR);
	n = pread(fd, bytes, sizeof(bytes), 0);
	assert_true(n > 0);
	at = memmem(bytes, (size_t)n, text, strlen(text));
	assert_non_null(at);
	for (; at != NULL;
	     at = memmem(at, (size_t)(bytes + n - at), text, strlen(text))) { /* older pages too */
		at[3] ^= 1;
		assert_int_equal(pwrite(fd, at, 4, at - bytes), 4);
	}
	assert_int_equal(close(fd), 0);
}

static bool on_any(void *arg, struct slice key, struct slice value)
{
	(void)key;
	(void)value;
	++*(int *)arg;
	return true;
}

static void test_damage(void **state)
{
	struct store *s = begin();
	struct lead_error err;
	struct slice v;
	struct txn *t;
	int seen = 0;

	put(s, 1, "a value that is good");
	put(s, 2, "a value that goes bad");
	put(s, 3, "another good value");
	store_close(s);
	damage("a value that goes bad");
	s = open_map(0);
	assert_string_equal(get(s, 1), "a value that is good");
	t = txn(s, true);
	assert_false(txn_get(t, TABLE_LEAD, number(2), &v));
	assert_int_equal(txn_error(t), LEAD_EIO);
	assert_false(txn_get(t, TABLE_LEAD, number(1), &v)); /* latched */
	txn_put(t, TABLE_LEAD, number(4), "x", 1);
	assert_int_equal(txn_commit(t, &err), LEAD_EIO);
	assert_non_null(strstr(err.text, "lead"));
	assert_null(get(s, 4));
	t = txn(s, false);
	txn_walk(t, TABLE_LEAD, key_of(), key_of(), on_any, &seen);
	assert_int_equal(seen, 1);
	assert_int_equal(txn_error(t), LEAD_EIO);
	txn_abort(t);
	end(s);
}

/* --- full --- */

static int fill(struct store *s, uint32_t from, uint32_t rows)
{
	static const char bytes[1000] = "full";
	struct txn *t = txn(s, true);

	for (uint32_t i = from; i < from + rows; i++) {
		txn_put(t, TABLE_LEAD, number(i), bytes, sizeof(bytes));
	}
	return txn_commit(t, NULL);
}

static void test_map_full(void **state)
{
	struct store *s = begin();
	struct store_room room;
	struct lead_error err;
	uint32_t n = 0;
	struct txn *t;

	store_close(s);
	s = open_map((size_t)1 << 20);
	while (fill(s, n + 1, 10) == 0) {
		n += 10;
		assert_true(n < 2000);
	}
	assert_true(n > 300);
	assert_null(get(s, n + 1)); /* nothing of it is kept */
	assert_string_equal(get(s, n), "full");
	t = txn(s, true);
	for (uint32_t i = 0; i < 3000; i++) {
		txn_put(t, TABLE_FACT, number(i), "0123456789", 10);
	}
	assert_int_equal(txn_error(t), LEAD_EFULL);
	assert_int_equal(txn_commit(t, &err), LEAD_EFULL);
	assert_non_null(strstr(err.text, "store: map"));
	t = txn(s, true); /* what is deleted makes room */
	for (uint32_t i = 1; i <= 100; i++) {
		txn_delete(t, TABLE_LEAD, number(i));
	}
	assert_int_equal(txn_commit(t, NULL), 0);
	put(s, 1, "small");
	put(s, 1, "smaller");
	assert_int_equal(store_grow(s, (size_t)4 << 20, NULL), 0);
	assert_int_equal(fill(s, n + 1, 500), 0);
	store_room(s, &room);
	assert_int_equal(room.map_bytes, (size_t)4 << 20);
	assert_true(room.used_bytes > (size_t)1 << 20);
	assert_int_equal(store_grow(s, (size_t)1 << 20, NULL), 0); /* never smaller */
	store_room(s, &room);
	assert_int_equal(room.map_bytes, (size_t)4 << 20);
	assert_string_equal(get(s, n + 500), "full");
	end(s);
}

static void disk(bool full)
{
	struct rlimit l;

	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
	l.rlim_cur = full ? 0 : l.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

static void test_disk_full(void **state)
{
	struct store *s = begin();
	struct txn *t;

	put(s, 1, "kept");
	for (int i = 0; i < 3; i++) {
		t = txn(s, true);
		txn_put(t, TABLE_LEAD, number(1), "lost", 4);
		disk(true);
		assert_int_equal(txn_commit(t, NULL), LEAD_EFULL);
		disk(false);
		assert_string_equal(get(s, 1), "kept");
	}
	put(s, 1, "there");
	assert_string_equal(get(s, 1), "there");
	end(s);
}

/* --- readers --- */

/* Two at once, in one thread; each sees the moment it began in. */
static void test_readers(void **state)
{
	struct store *s = begin();
	struct txn *a, *b;
	struct slice v;

	put(s, 1, "old");
	a = txn(s, false);
	put(s, 1, "new");
	b = txn(s, false);
	assert_true(txn_get(a, TABLE_LEAD, number(1), &v));
	assert_memory_equal(v.data, "old", 3);
	assert_true(txn_get(b, TABLE_LEAD, number(1), &v));
	assert_memory_equal(v.data, "new", 3);
	txn_abort(a);
	txn_abort(b);
	assert_string_equal(get(s, 1), "new");
	txn_abort(NULL);
	end(s);
}

/* A reader between its uses pins no pages: the file does not grow by what is rewritten. */
static void test_resting_reader(void **state)
{
	struct store *s = begin();
	struct store_room before, after;

	assert_int_equal(fill(s, 1, 50), 0);
	for (uint32_t i = 0; i < 50; i++) {
		put(s, i % 50 + 1, "first");
		assert_string_equal(get(s, i % 50 + 1), "first");
	}
	store_room(s, &before);
	for (uint32_t i = 0; i < 2000; i++) {
		put(s, i % 50 + 1, "again");
		assert_string_equal(get(s, i % 50 + 1), "again");
	}
	store_room(s, &after);
	assert_true(after.used_bytes < before.used_bytes + 32 * 4096);
	assert_int_equal(after.commits, before.commits + 2000);
	end(s);
}

/* A creation that was cut off leaves a file under another name, whatever is in it; the next start makes a whole one. */
static void test_creation_cut_off(void **state)
{
	struct store_options o = {.dir = dir};
	struct store *s = begin();
	char path[96];
	FILE *f;

	end(s);
	assert_int_equal(mkdir(dir, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/leadd.mdb.new", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fputs("half a page", f) < 0, 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(store_open(&o, &s, NULL), 0);
	assert_int_equal(access(path, F_OK), -1);
	put(s, 1, "kept");
	store_close(s);
	assert_int_equal(store_open(&o, &s, NULL), 0);
	assert_string_equal(get(s, 1), "kept");
	end(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_keys_in_order_of_numbers),
	    cmocka_unit_test(test_walks),
	    cmocka_unit_test(test_append),
	    cmocka_unit_test(test_put_get_delete),
	    cmocka_unit_test(test_lock),
	    cmocka_unit_test(test_version),
	    cmocka_unit_test(test_nothing_there),
	    cmocka_unit_test(test_copy),
	    cmocka_unit_test(test_damage),
	    cmocka_unit_test(test_map_full),
	    cmocka_unit_test(test_disk_full),
	    cmocka_unit_test(test_readers),
	    cmocka_unit_test(test_resting_reader),
	    cmocka_unit_test(test_creation_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
