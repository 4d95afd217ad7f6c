/* tests/unit/rows_rig.h: a store of a test's own, and rows whose beginnings are no rows. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/store/store.h"
#include "lib/store/txn.h"

static char dir[64];
static struct store *store;
static struct txn *t;

static inline void reopen(void)
{
	struct store_options o = {.dir = dir, .map_bytes = (size_t)16 << 20, .no_sync = true};

	assert_int_equal(store_open(&o, &store, NULL), 0);
	assert_int_equal(txn_begin(store, true, &t, NULL), 0);
}

static inline int begin(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/test-rows-XXXXXX");
	assert_non_null(mkdtemp(dir));
	reopen();
	return 0;
}

static inline void close_all(void)
{
	assert_int_equal(txn_error(t), 0);
	assert_int_equal(txn_commit(t, NULL), 0);
	store_close(store);
}

static inline int end(void **state)
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

/* No prefix of a value may decode, but those without the bytes that older leadds did not write: newer, so many at the end, ends with 0.
 */
static inline void refuses_prefixes_but(enum store_table table, struct key k,
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

static inline void refuses_prefixes(
    enum store_table table, struct key k, bool (*decode)(struct slice key, struct slice value))
{
	refuses_prefixes_but(table, k, decode, (const size_t[]){0});
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
