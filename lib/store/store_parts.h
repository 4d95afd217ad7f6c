/*
 * lib/store/store_parts.h: what the files of the environment and its transactions share and nobody else needs: store.c, txn.c, txn_walk.c.
 */
#pragma once

#include "lib/store/store.h"

#include <lmdb.h>

#define NO_TABLE ((MDB_dbi)0) /* LMDB's own: none of ours has it */

extern const char *const store_tables[TABLE_N]; /* their names in the file */

struct store {
	MDB_env *env;
	MDB_dbi dbi[TABLE_N];
	MDB_txn *reader; /* reset between uses: NOTLS, renewed instead of begun */
	MDB_txn *writer; /* lazy: commits that are not written yet */
	unsigned unwritten;
	int lock_fd;
	bool read_only, lazy;
	uint64_t commits;
	struct buf scratch;
	int64_t (*clock_us)(void);
	int64_t commit_us;
};

struct txn {
	struct store *store;
	MDB_txn *mdb;
	bool write;
	int error;     /* first MDB or errno code */
	enum store_table where; /* table of the first error */
};

/* LMDB's or errno's code as one of ours, with a line for a person. */
int store_fail(struct lead_error *err, int rc, const char *what);
/* Keeps the first error of the transaction; rc 0: none. */
void txn_latch(struct txn *t, enum store_table table, int rc);
/* Cuts version and checksum off; a bad one latches EIO, since nothing on this disk is to be trusted then. */
bool value_open(struct txn *t, enum store_table table, MDB_val v, struct slice *ret);
