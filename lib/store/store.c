/*
 * The environment: one per process (a second open would drop LMDB's file locks on the first close), an own flock beside it, default
 * sync mode only, never WRITEMAP: measured, see the notes in store.h's callers' tests.
 */
#include "lib/store/store_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define DISK_LEAST_BYTES (16u << 20)
#define DEFAULT_MAP_BYTES ((size_t)16 << 30)

const char *const store_tables[TABLE_N] = {
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

int store_fail(struct lead_error *err, int rc, const char *what)
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
		rc = mdb_dbi_open(txn, store_tables[i], s->read_only ? 0 : MDB_CREATE, &s->dbi[i]);
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
