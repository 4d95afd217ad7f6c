/* Walks over the rows of a table, up and down. */
#include "lib/store/store_parts.h"

#include <string.h>

static bool in_prefix(MDB_val key, const struct key *prefix)
{
	return key.mv_size >= prefix->len && memcmp(key.mv_data, prefix->bytes, prefix->len) == 0;
}

/* Positions the cursor at the last key at or below `from`. */
static int cursor_at_or_below(MDB_cursor *c, const struct key *from, MDB_val *key, MDB_val *value)
{
	int rc;

	*key = (MDB_val){.mv_size = from->len, .mv_data = (void *)(uintptr_t)from->bytes};
	rc = mdb_cursor_get(c, key, value, MDB_SET_RANGE);
	if (rc == MDB_NOTFOUND) {
		return mdb_cursor_get(c, key, value, MDB_LAST);
	}
	if (rc == 0 && (key->mv_size != from->len || memcmp(key->mv_data, from->bytes, from->len) != 0)) {
		return mdb_cursor_get(c, key, value, MDB_PREV);
	}
	return rc;
}

static void walk(struct txn *t, enum store_table table, const struct key *from, const struct key *prefix, bool back, txn_walk_fn f, void *arg)
{
	MDB_cursor *c = NULL;
	MDB_val key, value;
	struct slice payload;
	int rc;

	if (t->error != 0 || t->store->dbi[table] == NO_TABLE) {
		return;
	}
	rc = mdb_cursor_open(t->mdb, t->store->dbi[table], &c);
	if (rc == 0 && back) {
		rc = cursor_at_or_below(c, from, &key, &value);
	} else if (rc == 0) {
		key = (MDB_val){.mv_size = from->len, .mv_data = (void *)(uintptr_t)from->bytes};
		rc = mdb_cursor_get(c, &key, &value, from->len > 0 ? MDB_SET_RANGE : MDB_FIRST);
	}
	while (rc == 0 && in_prefix(key, prefix) && value_open(t, table, value, &payload)) {
		if (!f(arg, (struct slice){.data = key.mv_data, .len = key.mv_size}, payload)) {
			break;
		}
		rc = mdb_cursor_get(c, &key, &value, back ? MDB_PREV : MDB_NEXT);
	}
	mdb_cursor_close(c);
	txn_latch(t, table, rc == MDB_NOTFOUND ? 0 : rc);
}

void txn_walk(struct txn *t, enum store_table table, struct key from, struct key prefix, txn_walk_fn f, void *arg)
{
	walk(t, table, &from, &prefix, false, f, arg);
}

void txn_walk_back(struct txn *t, enum store_table table, struct key from, struct key prefix, txn_walk_fn f, void *arg)
{
	walk(t, table, &from, &prefix, true, f, arg);
}

struct first {
	struct slice *key, *value;
	bool found;
};

static bool on_first(void *arg, struct slice key, struct slice value)
{
	struct first *first = arg;

	*first->key = key;
	*first->value = value;
	first->found = true;
	return false;
}

bool txn_first(struct txn *t, enum store_table table, struct key from, struct key prefix, struct slice *ret_key, struct slice *ret_value)
{
	struct first first = {.key = ret_key, .value = ret_value};

	walk(t, table, &from, &prefix, false, on_first, &first);
	return first.found;
}

bool txn_last(struct txn *t, enum store_table table, struct key prefix, struct slice *ret_key, struct slice *ret_value)
{
	struct first first = {.key = ret_key, .value = ret_value};
	struct key from = prefix;

	while (from.len < sizeof(from.bytes)) {
		from.bytes[from.len++] = 0xff;
	}
	walk(t, table, &from, &prefix, true, on_first, &first);
	return first.found;
}

uint64_t txn_count(struct txn *t, enum store_table table)
{
	MDB_stat st;

	if (t->error != 0 || t->store->dbi[table] == NO_TABLE || mdb_stat(t->mdb, t->store->dbi[table], &st) != 0) {
		return 0;
	}
	return st.ms_entries;
}
