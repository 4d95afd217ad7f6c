/*
 * The environment and its transactions. One environment per process (a second open
 * would drop LMDB's file locks on the first close), an own flock beside it, default
 * sync mode only, never WRITEMAP: measured, see the notes in store.h's callers' tests.
 *
 *   txn_begin -> get/put/walk (first error latches) -> txn_commit | txn_abort
 */
#include "lib/store/store.h"

#include "lib/base/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define NO_TABLE ((MDB_dbi)0) /* LMDB's own: none of ours has it */
#define VALUE_HEAD 5 /* version byte and CRC-32C */
#define DISK_LEAST_BYTES (16u << 20)
#define DEFAULT_MAP_BYTES ((size_t)16 << 30)

static const char *const table_names[TABLE_N] = {
    [TABLE_META] = "meta",
    [TABLE_NAME] = "name",
    [TABLE_RUN] = "run",
    [TABLE_UPLOAD] = "upload",
    [TABLE_LEAD] = "lead",
    [TABLE_STATE] = "state",
    [TABLE_FACT] = "fact",
    [TABLE_READY] = "ready",
    [TABLE_LATER] = "later",
    [TABLE_CALL] = "call",
    [TABLE_OPEN] = "open",
    [TABLE_ACCOUNT] = "account",
    [TABLE_IDENTITY] = "identity",
    [TABLE_PARK] = "park",
    [TABLE_STAT] = "stat",
    [TABLE_IDEM] = "idem",
    [TABLE_BODY] = "body",
    [TABLE_OUTBOX] = "outbox",
    [TABLE_SUPPRESS] = "suppress",
    [TABLE_NOTE] = "note",
    [TABLE_VERIFY] = "verify",
    [TABLE_JOB] = "job",
    [TABLE_ANSWER] = "answer",
    [TABLE_INBOX] = "inbox",
};

#define LAZY_COMMITS 1000

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

/* --- keys --- */

static uint64_t key_get(const uint8_t *bytes, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++) {
		v = v << 8 | bytes[i];
	}
	return v;
}

uint16_t key_get_u16(const uint8_t *bytes)
{
	return (uint16_t)key_get(bytes, 2);
}

uint32_t key_get_u32(const uint8_t *bytes)
{
	return (uint32_t)key_get(bytes, 4);
}

uint64_t key_get_u64(const uint8_t *bytes)
{
	return key_get(bytes, 8);
}

/* --- errors --- */

static int store_fail(struct lead_error *err, int rc, const char *what)
{
	switch (rc) {
	case MDB_MAP_FULL:
		return lead_fail(err, LEAD_EFULL, "%s: the store has reached its largest size (store: map in leadd.yaml)", what);
	case ENOSPC:
	case EDQUOT:
	case EFBIG: /* a limit on the size of files */
		return lead_fail(err, LEAD_EFULL, "%s: no space left on the disk", what);
	case ENOMEM:
		return lead_fail(err, LEAD_ENOMEM, "%s: out of memory", what);
	case EIO:
	case MDB_PANIC:
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
		return lead_fail(err, LEAD_EIO, "%s: %s", what, mdb_strerror(rc));
	default:
		return lead_fail(err, LEAD_ESTORE, "%s: %s", what, mdb_strerror(rc));
	}
}

static void txn_latch(struct txn *t, enum store_table table, int rc)
{
	if (t->error == 0 && rc != 0) {
		t->error = rc;
		t->where = table;
	}
}

/* --- environment --- */

static int store_lock(struct store *s, const char *dir, struct lead_error *err)
{
	char path[4096];

	if ((size_t)snprintf(path, sizeof(path), "%s/leadd.lock", dir) >= sizeof(path)) {
		return lead_fail(err, LEAD_EINPUT, "the path of the state directory is too long");
	}
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0) {
		return lead_fail(err, errno == ENOSPC ? LEAD_EFULL : LEAD_EINPUT, "cannot open %s: %s", path, strerror(errno));
	}
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		return lead_fail(err, LEAD_EINPUT, "%s is locked: another leadd uses this state directory", path);
	}
	return 0;
}

static int store_open_tables(struct store *s, struct lead_error *err)
{
	MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(s->env, NULL, s->read_only ? MDB_RDONLY : 0, &txn);

	for (int i = 0; rc == 0 && i < TABLE_N; i++) {
		rc = mdb_dbi_open(txn, table_names[i], s->read_only ? 0 : MDB_CREATE, &s->dbi[i]);
		if (rc == MDB_NOTFOUND && s->read_only) {
			s->dbi[i] = NO_TABLE;
			rc = 0;
		}
	}
	if (rc == 0) {
		rc = mdb_txn_commit(txn);
	} else {
		mdb_txn_abort(txn);
	}
	return rc == 0 ? 0 : store_fail(err, rc, "cannot open the tables of the store");
}

/* A new store gets our version; a newer one is refused before anything is written. */
static int store_check_version(struct store *s, struct lead_error *err)
{
	struct key k = key_u8(key_of(), 'v');
	struct txn *t = NULL;
	struct slice value;
	uint8_t version = STORE_VERSION;
	int rc = txn_begin(s, false, &t, err);

	if (rc != 0) {
		return rc;
	}
	if (txn_get(t, TABLE_META, k, &value)) {
		version = value.len > 0 ? value.data[0] : 0;
		txn_abort(t);
		if (version == 0 || version > STORE_VERSION) {
			return lead_fail(err, LEAD_EINPUT, "the store is of version %u, this leadd knows up to %u: use the newer leadd", version,
			    STORE_VERSION);
		}
		return 0;
	}
	rc = txn_error(t);
	txn_abort(t);
	if (rc != 0) {
		return lead_fail(err, rc, "cannot read the version of the store");
	}
	if (s->read_only) {
		return lead_fail(err, LEAD_EINPUT, "this is no leadd store");
	}
	rc = txn_begin(s, true, &t, err);
	if (rc != 0) {
		return rc;
	}
	txn_put(t, TABLE_META, k, &version, 1);
	return txn_commit(t, err);
}

static int store_open_env(struct store *s, const struct store_options *o, const char *path, struct lead_error *err)
{
	unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | (o->no_sync ? MDB_NOSYNC : 0) | (o->read_only ? MDB_RDONLY : 0);
	int rc = mdb_env_create(&s->env);

	rc = rc == 0 ? mdb_env_set_maxdbs(s->env, TABLE_N + 8) : rc;
	rc = rc == 0 ? mdb_env_set_mapsize(s->env, o->map_bytes != 0 ? o->map_bytes : DEFAULT_MAP_BYTES) : rc;
	rc = rc == 0 ? mdb_env_open(s->env, path, flags, 0600) : rc;
	if (rc != 0) {
		return store_fail(err, rc, "cannot open the store");
	}
	rc = store_open_tables(s, err);
	return rc == 0 ? store_check_version(s, err) : rc;
}

static void store_close_env(struct store *s)
{
	mdb_txn_abort(s->reader);
	mdb_txn_abort(s->writer);
	s->reader = s->writer = NULL;
	if (s->env != NULL) {
		mdb_env_close(s->env);
		s->env = NULL;
	}
}

static int sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd >= 0 && fsync(fd) == 0 ? 0 : errno;

	if (fd >= 0) {
		close(fd);
	}
	return rc;
}

/*
 * LMDB writes the first pages of a new file without a sync: one that the power failed on would never open again. So a new
 * store gets its name when it is whole.
 */
static int store_create(struct store *s, const struct store_options *o, const char *path, struct lead_error *err)
{
	char new[4200], lock[4300];
	int rc;

	(void)snprintf(new, sizeof(new), "%s.new", path);
	(void)snprintf(lock, sizeof(lock), "%s-lock", new);
	if (access(path, F_OK) == 0 || errno != ENOENT) {
		return 0;
	}
	(void)unlink(new); /* of an attempt that was cut off */
	rc = store_open_env(s, o, new, err);
	store_close_env(s);
	(void)unlink(lock);
	if (rc != 0) {
		return rc;
	}
	rc = rename(new, path) == 0 ? sync_dir(o->dir) : errno;
	return rc == 0 ? 0 : store_fail(err, rc, "cannot make the store");
}

int store_open(const struct store_options *o, struct store **ret, struct lead_error *err)
{
	struct store *s = calloc(1, sizeof(*s));
	char path[4096];
	int rc;

	if (s == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	s->lock_fd = -1;
	s->read_only = o->read_only;
	s->lazy = o->lazy;
	s->clock_us = o->clock_us;
	(void)snprintf(path, sizeof(path), "%s/leadd.mdb", o->dir);
	rc = o->read_only ? 0 : store_lock(s, o->dir, err);
	if (rc == 0 && !o->read_only && !o->no_sync) {
		rc = store_create(s, o, path, err);
	}
	rc = rc == 0 ? store_open_env(s, o, path, err) : rc;
	if (rc != 0) {
		store_close(s);
		return rc;
	}
	if (!s->read_only) {
		store_forget_readers(s);
	}
	*ret = s;
	return 0;
}

void store_forget_readers(struct store *s)
{
	int dead = 0;

	(void)mdb_reader_check(s->env, &dead); /* slots of killed readers pin pages */
}

void store_close(struct store *s)
{
	if (s == NULL) {
		return;
	}
	store_close_env(s);
	if (s->lock_fd >= 0) {
		close(s->lock_fd);
	}
	buf_free(&s->scratch);
	free(s);
}

/* A new file is there after a power failure once the folder that names it was synced. */
static int sync_parent(const char *path)
{
	char dir[4096];
	const char *slash = strrchr(path, '/');

	(void)snprintf(dir, sizeof(dir), "%.*s", slash != NULL ? (int)(slash - path) : 1, slash != NULL ? path : ".");
	return sync_dir(dir);
}

int store_copy(struct store *s, const char *path, struct lead_error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int rc;

	if (fd < 0) {
		return lead_fail(err, LEAD_EINPUT, "cannot create %s: %s", path, strerror(errno));
	}
	rc = mdb_env_copyfd2(s->env, fd, MDB_CP_COMPACT);
	if (rc == 0 && fsync(fd) != 0) {
		rc = errno;
	}
	close(fd);
	rc = rc == 0 ? sync_parent(path) : rc;
	if (rc != 0) {
		unlink(path);
		return store_fail(err, rc, "cannot copy the store");
	}
	return 0;
}

int store_grow(struct store *s, size_t map_bytes, struct lead_error *err)
{
	struct store_room room;
	int rc;

	store_room(s, &room);
	if (map_bytes <= room.map_bytes) {
		return 0;
	}
	mdb_txn_abort(s->reader); /* LMDB would remap under it */
	s->reader = NULL;
	rc = mdb_env_set_mapsize(s->env, map_bytes);
	return rc == 0 ? 0 : store_fail(err, rc, "cannot enlarge the store");
}

void store_room(struct store *s, struct store_room *ret)
{
	MDB_envinfo info;
	MDB_stat st;

	memset(ret, 0, sizeof(*ret));
	if (mdb_env_info(s->env, &info) == 0 && mdb_env_stat(s->env, &st) == 0) {
		ret->used_bytes = ((uint64_t)info.me_last_pgno + 1) * st.ms_psize;
		ret->map_bytes = info.me_mapsize;
	}
	ret->commits = s->commits;
	ret->commit_us = s->commit_us;
}

/* --- transactions --- */

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

bool store_disk_low(struct store *s, uint64_t *ret_free)
{
	struct statvfs st;
	uint64_t left, least;
	int fd;

	if (mdb_env_get_fd(s->env, &fd) != 0 || fstatvfs(fd, &st) != 0 || st.f_blocks == 0) {
		return false;
	}
	left = (uint64_t)st.f_bavail * st.f_frsize;
	least = (uint64_t)st.f_blocks * st.f_frsize / 50;
	if (ret_free != NULL) {
		*ret_free = left;
	}
	return left < (least < DISK_LEAST_BYTES ? least : DISK_LEAST_BYTES);
}

int txn_commit(struct txn *t, struct lead_error *err)
{
	char what[64];
	int rc = t->error;
	int64_t began_us;

	if (rc != 0) {
		(void)snprintf(what, sizeof(what), "cannot write the store (table %s)", table_names[t->where]);
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

/* Cuts version and checksum off; a bad one latches EIO, since nothing on this disk is to be trusted then. */
static bool value_open(struct txn *t, enum store_table table, MDB_val v, struct slice *ret)
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

/* --- walking --- */

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
