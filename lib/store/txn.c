/*
 * Transactions: txn_begin -> get/put/walk (first error latches) -> txn_commit | txn_abort. One that only reads is renewed instead of
 * begun; in a lazy store a commit is kept in memory until there are many, or somebody reads.
 */
#include "lib/store/store_parts.h"

#include "lib/base/ids.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_HEAD 5 /* version byte and CRC-32C */
#define LAZY_COMMITS 1000

void txn_latch(struct txn *t, enum store_table table, int rc)
{
	if (t->error == 0 && rc != 0) {
		t->error = rc;
		t->where = table;
	}
}

static int write_lazy(struct store *s)
{
	MDB_txn *mdb = s->writer;

	s->writer = NULL;
	s->unwritten = 0;
	return mdb != NULL ? mdb_txn_commit(mdb) : 0;
}

int txn_begin(struct store *s, bool write, struct txn **ret, struct lead_error *err)
{
	struct txn *t = calloc(1, sizeof(*t));
	int rc;

	if (t == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	t->store = s;
	t->write = write;
	rc = write ? 0 : write_lazy(s);
	if (rc != 0) {
		free(t);
		return store_fail(err, rc, "cannot commit to the store");
	}
	if (write && s->writer != NULL) {
		t->mdb = s->writer;
		s->writer = NULL;
	} else if (!write && s->reader != NULL) {
		t->mdb = s->reader;
		s->reader = NULL;
		rc = mdb_txn_renew(t->mdb);
	} else {
		rc = mdb_txn_begin(s->env, NULL, write ? 0 : MDB_RDONLY, &t->mdb);
	}
	if (rc != 0) {
		free(t);
		return store_fail(err, rc, "cannot begin a transaction");
	}
	*ret = t;
	return 0;
}

void txn_abort(struct txn *t)
{
	if (t == NULL) {
		return;
	}
	if (!t->write && t->store->reader == NULL) {
		mdb_txn_reset(t->mdb);
		t->store->reader = t->mdb;
	} else {
		mdb_txn_abort(t->mdb);
	}
	free(t);
}

int txn_commit(struct txn *t, struct lead_error *err)
{
	char what[64];
	int rc = t->error;
	int64_t began_us;

	if (rc != 0) {
		(void)snprintf(what, sizeof(what), "cannot write the store (table %s)", store_tables[t->where]);
		txn_abort(t);
		return store_fail(err, rc, what);
	}
	if (t->store->lazy && ++t->store->unwritten < LAZY_COMMITS) {
		t->store->writer = t->mdb;
		t->store->commits++;
		free(t);
		return 0;
	}
	t->store->unwritten = 0;
	began_us = t->store->clock_us != NULL ? t->store->clock_us() : 0;
	rc = mdb_txn_commit(t->mdb); /* frees it even when it fails */
	t->store->commit_us = t->store->clock_us != NULL ? t->store->clock_us() - began_us : 0;
	if (rc == 0) {
		t->store->commits++;
	} else if (rc == EIO && store_disk_low(t->store, NULL)) {
		rc = ENOSPC; /* LMDB says EIO when a write ends short, which is how a disk that fills up shows first */
	}
	free(t);
	return rc == 0 ? 0 : store_fail(err, rc, "cannot commit to the store");
}

int txn_error(const struct txn *t)
{
	return t->error == 0 ? 0 : store_fail(NULL, t->error, "");
}

bool value_open(struct txn *t, enum store_table table, MDB_val v, struct slice *ret)
{
	uint32_t crc;

	if (v.mv_size < VALUE_HEAD || *(const uint8_t *)v.mv_data == 0 || *(const uint8_t *)v.mv_data > STORE_VERSION) {
		txn_latch(t, table, MDB_CORRUPTED);
		return false;
	}
	memcpy(&crc, (const uint8_t *)v.mv_data + 1, sizeof(crc));
	ret->data = (const uint8_t *)v.mv_data + VALUE_HEAD;
	ret->len = v.mv_size - VALUE_HEAD;
	if (crc != crc32c(ret->data, ret->len)) {
		txn_latch(t, table, MDB_CORRUPTED);
		return false;
	}
	return true;
}

struct buf *txn_buf(struct txn *t)
{
	buf_reset(&t->store->scratch);
	return &t->store->scratch;
}

bool txn_get(struct txn *t, enum store_table table, struct key k, struct slice *ret)
{
	MDB_val key = {.mv_size = k.len, .mv_data = k.bytes};
	MDB_val value;
	int rc;

	if (t->error != 0 || t->store->dbi[table] == NO_TABLE) {
		return false;
	}
	rc = mdb_get(t->mdb, t->store->dbi[table], &key, &value);
	if (rc != 0) {
		txn_latch(t, table, rc == MDB_NOTFOUND ? 0 : rc);
		return false;
	}
	return value_open(t, table, value, ret);
}

static void txn_write(struct txn *t, enum store_table table, struct key k, const struct slice pieces[], size_t n, unsigned flags)
{
	MDB_val key = {.mv_size = k.len, .mv_data = k.bytes};
	MDB_val room;
	uint8_t *at;
	uint32_t crc;
	size_t len = 0;
	int rc;

	if (t->error != 0) {
		return;
	}
	if (t->store->scratch.failed) {
		txn_latch(t, table, ENOMEM); /* the value was cut short: it may have been built there */
		return;
	}
	for (size_t i = 0; i < n; i++) {
		len += pieces[i].len;
	}
	room.mv_size = len + VALUE_HEAD;
	rc = mdb_put(t->mdb, t->store->dbi[table], &key, &room, MDB_RESERVE | flags);
	if (rc == MDB_KEYEXIST && flags != 0) {
		room.mv_size = len + VALUE_HEAD;
		rc = mdb_put(t->mdb, t->store->dbi[table], &key, &room, MDB_RESERVE);
	}
	if (rc != 0) {
		txn_latch(t, table, rc);
		return;
	}
	at = (uint8_t *)room.mv_data + VALUE_HEAD;
	for (size_t i = 0; i < n; i++) {
		if (pieces[i].len > 0) {
			memcpy(at, pieces[i].data, pieces[i].len);
			at += pieces[i].len;
		}
	}
	crc = crc32c((uint8_t *)room.mv_data + VALUE_HEAD, len);
	*(uint8_t *)room.mv_data = STORE_VERSION;
	memcpy((uint8_t *)room.mv_data + 1, &crc, sizeof(crc));
}

void txn_put(struct txn *t, enum store_table table, struct key k, const void *value, size_t len)
{
	txn_write(t, table, k, &(struct slice){value, len}, 1, 0);
}

void txn_append(struct txn *t, enum store_table table, struct key k, const void *value, size_t len)
{
	txn_write(t, table, k, &(struct slice){value, len}, 1, MDB_APPEND);
}

void txn_append_pieces(struct txn *t, enum store_table table, struct key k, const struct slice pieces[], size_t n)
{
	txn_write(t, table, k, pieces, n, MDB_APPEND);
}

void txn_delete(struct txn *t, enum store_table table, struct key k)
{
	MDB_val key = {.mv_size = k.len, .mv_data = k.bytes};
	int rc;

	if (t->error != 0) {
		return;
	}
	rc = mdb_del(t->mdb, t->store->dbi[table], &key, NULL);
	txn_latch(t, table, rc == MDB_NOTFOUND ? 0 : rc);
}
