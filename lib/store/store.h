/*
 * lib/store/store.h: the one store file: LMDB, default sync mode, one writer.
 *
 * A transaction latches its first error: run the operations, check once at commit.
 * Keys are big-endian, so that their order is the order of their numbers. Every value
 * begins with a version byte and a CRC-32C; a value that fails the check latches LEAD_EIO.
 * Pointers into values are good until the next write of the transaction or its end.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* Key bytes, built left to right. */
struct key {
	uint8_t bytes[32];
	size_t len;
};
static inline struct key key_of(void)
{
	return (struct key){.len = 0};
}

static inline struct key key_add(struct key k, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		k.bytes[k.len + i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
	}
	k.len += bytes;
	return k;
}

static inline struct key key_u8(struct key k, uint8_t v)
{
	return key_add(k, v, 1);
}

static inline struct key key_u16(struct key k, uint16_t v)
{
	return key_add(k, v, 2);
}

static inline struct key key_u32(struct key k, uint32_t v)
{
	return key_add(k, v, 4);
}

static inline struct key key_u64(struct key k, uint64_t v)
{
	return key_add(k, v, 8);
}

uint16_t key_get_u16(const uint8_t *bytes);
uint32_t key_get_u32(const uint8_t *bytes);
uint64_t key_get_u64(const uint8_t *bytes);

struct slice {
	const uint8_t *data;
	size_t len;
};

struct store_options {
	const char *dir;       /* exists; holds leadd.mdb and leadd.lock */
	size_t map_bytes;      /* virtual; default 16 GiB */
	bool no_sync;          /* scratch stores of plan, replay and the simulator only */
	/*
	 * Scratch stores that nobody else reads and nobody needs when they are closed: a commit is kept in memory, and written with
	 * every thousandth or before a read.
	 */
	bool lazy;
	bool read_only;        /* leaves a running daemon's lock alone; tables that an older leadd did not have are empty */
	int64_t (*clock_us)(void); /* to time commits with; may be NULL */
};

struct store;
struct txn;

/*
 * Takes an own lock first: LEAD_EINPUT when another daemon has the store, or when the store is of a newer
 * version (nothing is touched); LEAD_EIO, LEAD_EFULL, LEAD_ENOMEM.
 */
int store_open(const struct store_options *o, struct store **ret, struct lead_error *err) MUST_CHECK;
void store_close(struct store *s);
/* A consistent compacted copy, fsynced, into a new file; runs as long as it runs: call it from a child. */
int store_copy(struct store *s, const char *path, struct lead_error *err) MUST_CHECK;

/* A larger map from now on (a smaller one is ignored); no transaction may be open. LEAD_ESTORE when LMDB refuses. */
int store_grow(struct store *s, size_t map_bytes, struct lead_error *err) MUST_CHECK;

/* A process was killed while it read: what it read pins no pages any more. */
void store_forget_readers(struct store *s);

struct store_room {
	uint64_t used_bytes; /* pages in use */
	uint64_t map_bytes;
	uint64_t commits;
	int64_t commit_us;   /* how long the last commit took; 0 without a clock */
};
void store_room(struct store *s, struct store_room *ret);
/*
 * So little is left on the store's disk that only what is in flight should still be written: less than 16 MiB or a
 * fiftieth of the disk, whichever is smaller. *ret_free: bytes left (may be NULL).
 */
bool store_disk_low(struct store *s, uint64_t *ret_free);

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
