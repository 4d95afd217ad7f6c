/*
 * lib/store/store.h: the one store file: LMDB, default sync mode, one writer. What is done with it: txn.h.
 */
#pragma once

#include "lib/store/txn.h"

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
