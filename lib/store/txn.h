/*
 * lib/store/txn.h: transactions on the store: rows read, written and walked.
 *
 * A transaction latches its first error: run the operations, check once at commit. Every value begins with a version byte and a CRC-32C; a
 * value that fails the check latches LEAD_EIO. Pointers into values are good until the next write of the transaction or its end.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/store/key.h"

#include <stdbool.h>

#define STORE_VERSION 1

/* What stands in each table is said beside the code that writes it: see the header named there. */
enum store_table {
	TABLE_META,     /* word -> see store.c, engine/load.c */
	TABLE_NAME,     /* kind, number -> name (names.h) */
	TABLE_RUN,      /* run (runs.h) */
	TABLE_UPLOAD,   /* upload id (runs.h) */
	TABLE_LEAD,     /* run, number -> imported row (items.h) */
	TABLE_STATE,    /* run, number -> where the item stands (items.h) */
	TABLE_FACT,     /* run, number / 256, seq, number % 256 -> one stage outcome (items.h) */
	TABLE_READY,    /* service, run, rank, number (queue.h) */
	TABLE_LATER,    /* due, service, run, number (queue.h) */
	TABLE_CALL,     /* call id -> one request (ledger.h) */
	TABLE_OPEN,     /* call id: unsettled (ledger.h) */
	TABLE_ACCOUNT,  /* budget, period -> balances (ledger.h) */
	TABLE_IDENTITY, /* run, kind, keyed hash -> number (items.h) */
	TABLE_PARK,     /* service, key -> why it is parked (ledger.h) */
	TABLE_STAT,     /* service -> counts and latencies (ledger.h); service, call, place, day -> the same (tally.h) */
	TABLE_IDEM,     /* keyed hash of an Idempotency-Key -> first answer (runs.h) */
	TABLE_BODY,     /* call id -> its answer (body.h) */
	TABLE_OUTBOX,   /* message id; condition told (outbox.h) */
	TABLE_SUPPRESS, /* organisation, class, keyed hash -> where the entry came from (suppress.h) */
	TABLE_NOTE,     /* run, seq -> what happened to it; keyed hash -> a payment seen (notes.h) */
	TABLE_VERIFY,   /* run -> its destination read back: state, findings, what should be there (verify.h) */
	TABLE_JOB,      /* work behind an answer: call id -> its state; token -> call id (jobs.h) */
	TABLE_ANSWER,   /* service, call, hash -> an answer to be taken again; the order in which they expire (cache.h) */
	TABLE_INBOX,    /* webhooks in, and what became of them (inbox.h) */
	TABLE_N
};

struct slice {
	const uint8_t *data;
	size_t len;
};

struct store;
struct txn;

/* One write transaction at a time; it must end in the callback it began in. */
int txn_begin(struct store *s, bool write, struct txn **ret, struct lead_error *err) MUST_CHECK;
/* Ends it either way. LEAD_EFULL: map or disk full; LEAD_EIO: the disk lied; nothing of it is kept. */
int txn_commit(struct txn *t, struct lead_error *err) MUST_CHECK;
void txn_abort(struct txn *t); /* NULL is fine */
/* The latched error, 0 when there is none. */
int txn_error(const struct txn *t);

/* An empty buffer to build one value in; good until the next txn_buf. */
struct buf *txn_buf(struct txn *t);

bool txn_get(struct txn *t, enum store_table table, struct key k, struct slice *ret);
/* `append`: the key is above all others of the table (falls back to an ordinary put when it is not). */
void txn_put(struct txn *t, enum store_table table, struct key k, const void *value, size_t len);
void txn_append(struct txn *t, enum store_table table, struct key k, const void *value, size_t len);
/* txn_append of one value that lies in pieces, put together in the store's own page. */
void txn_append_pieces(struct txn *t, enum store_table table, struct key k, const struct slice pieces[], size_t n);
/* Absent is fine. */
void txn_delete(struct txn *t, enum store_table table, struct key k);

/*
 * Walks a table from the first key not below `from` as long as keys begin with
 * `prefix` (len 0: to the end). Each step gives key and value; f returns false to stop.
 * f may not write. txn_walk_back goes down from the last key not above `from`. txn_first gives just the first of a walk,
 * txn_last the last key that begins with `prefix`.
 */
typedef bool (*txn_walk_fn)(void *arg, struct slice key, struct slice value);
void txn_walk(struct txn *t, enum store_table table, struct key from, struct key prefix, txn_walk_fn f, void *arg);
void txn_walk_back(struct txn *t, enum store_table table, struct key from, struct key prefix, txn_walk_fn f, void *arg);
bool txn_first(struct txn *t, enum store_table table, struct key from, struct key prefix, struct slice *ret_key, struct slice *ret_value);
bool txn_last(struct txn *t, enum store_table table, struct key prefix, struct slice *ret_key, struct slice *ret_value);
uint64_t txn_count(struct txn *t, enum store_table table);
