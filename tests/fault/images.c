/*
 * images RECORD [--images N] [--seed N] [--keep DIR] [--forget-syncs]
 *
 * Reads what a night wrote, builds what could be on the disk had the power failed at any of its
 * syncs, opens each image with the real library, runs the store check, asks it for all that had
 * been let out by then, and writes to it. The record is read twice: to count what images there
 * could be, and to build every k-th of a kind.
 *
 * --forget-syncs: as if fdatasync did nothing. A model that then finds no loss is blind.
 */
#include "lib/store/check.h"
#include "tests/fault/disk.h"
#include "tests/fault/record.h"
#include "tests/fault/told.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define META_TXN_AT 128 /* in the page, behind its head of 16 bytes */
#define TOLD_LINES 20
#define NEW_ROWS 40

struct images {
	const uint8_t *record;
	size_t record_len;
	uint64_t wanted, seed;
	const char *keep;
	bool forget_syncs;
	char dir[128];
	size_t quota[IMAGE_KINDS], candidates[IMAGE_KINDS], met[IMAGE_KINDS];

	/* of the pass */
	struct disk disk;
	struct told *told;
	bool build;
	bool elsewhere; /* the store is being made under another name */
	size_t writes, syncs, starts;

	/* results */
	size_t built[IMAGE_KINDS];
	size_t total, unopened, damaged, lost, unwritable, lines;
	uint64_t asked;
};

/* Shares of the images, in percent; what has no candidates goes to SUBSET. */
static const unsigned shares[IMAGE_KINDS] = {
    [IMAGE_NONE] = 11,
    [IMAGE_ALL] = 10,
    [IMAGE_MISSING] = 25,
    [IMAGE_SUBSET] = 20,
    [IMAGE_TORN_512] = 13,
    [IMAGE_TORN_4K] = 8,
    [IMAGE_META_MISSING] = 4,
    [IMAGE_META_ALL] = 4,
    [IMAGE_META_TORN] = 4,
    [IMAGE_NO_NAME] = 1,
};

static void fatal(const char *what)
{
	(void)fprintf(stderr, "images: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* --- one image --- */

struct place {
	enum image_kind kind;
	size_t sync, which;
	uint64_t dice;
};

struct telling {
	struct images *m;
	const struct place *at;
};

static void on_wrong(void *arg, const char *what)
{
	struct telling *t = arg;

	if (t->m->lines++ < TOLD_LINES) {
		(void)printf("sync %zu, %s (%zu, dice %" PRIx64 "): %s\n", t->at->sync,
		    image_kind_words[t->at->kind], t->at->which, t->at->dice, what);
	}
}

static uint64_t meta_txn(const uint8_t *image, size_t len, size_t page)
{
	uint64_t txn = 0;

	if (len >= page * BLOCK + 16 + META_TXN_AT + sizeof(txn)) {
		memcpy(&txn, image + page * BLOCK + 16 + META_TXN_AT, sizeof(txn));
	}
	return txn;
}

static void write_image(const struct place *at, const uint8_t *image, size_t len, const char *dir)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/leadd.mdb-lock", dir);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/leadd.mdb", dir);
	(void)unlink(path);
	if (at->kind == IMAGE_NO_NAME) {
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || (len > 0 && write(fd, image, len) != (ssize_t)len)) {
		fatal(path);
	}
	close(fd);
}

/* Pages that the image calls free are used: a wrong list of them would show in the second check. */
static bool goes_on(struct store *s, struct telling *t)
{
	static const uint8_t row[3000];
	struct check_counts n = {0};
	struct lead_error err;
	struct txn *txn = NULL;
	int rc = txn_begin(s, true, &txn, &err);

	for (uint64_t i = 0; rc == 0 && i < NEW_ROWS; i++) {
		txn_put(txn, TABLE_IDEM, key_u64(key_of(), i), row, sizeof(row));
	}
	rc = rc == 0 ? txn_commit(txn, &err) : rc;
	rc = rc == 0 ? store_check(s, on_wrong, t, &n, &err) : rc;
	if (rc != 0) {
		on_wrong(t, err.text);
	}
	return rc == 0 && n.problems == 0;
}

static void look_at(struct images *m, const struct place *at, const uint8_t *image, size_t len)
{
	struct store_options o = {.dir = m->dir, .no_sync = true};
	struct telling t = {m, at};
	struct check_counts n = {0};
	struct store *s = NULL;
	struct lead_error err;
	uint64_t txn = meta_txn(image, len, 0) > meta_txn(image, len, 1) ? meta_txn(image, len, 0)
									 : meta_txn(image, len, 1);
	size_t lost;

	if (store_open(&o, &s, &err) != 0) {
		m->unopened++;
		on_wrong(&t, err.text);
		return;
	}
	if (store_check(s, on_wrong, &t, &n, &err) != 0) {
		m->damaged++;
		on_wrong(&t, err.text);
	} else {
		m->damaged += n.problems > 0;
		lost = told_missing(m->told, s, on_wrong, &t);
		if (txn < told_txn(m->told)) {
			on_wrong(&t, "the last transaction that something rested on is gone");
			lost++;
		}
		m->lost += lost > 0;
		m->asked += told_count(m->told);
		m->unwritable += !goes_on(s, &t);
	}
	store_close(s);
}

static void keep_image(struct images *m, const struct place *at, const uint8_t *image, size_t len)
{
	char dir[200];

	(void)snprintf(dir, sizeof(dir), "%s/%zu", m->keep, m->total);
	if (mkdir(dir, 0700) != 0) {
		fatal(dir);
	}
	write_image(at, image, len, dir);
}

static void build(struct images *m, enum image_kind k, size_t which, uint64_t copy)
{
	struct place at = {.kind = k,
	    .sync = m->syncs,
	    .which = which,
	    .dice = m->seed * 1000003 + m->met[k] * 8191 + copy};
	size_t bad = m->unopened + m->damaged + m->lost + m->unwritable, len;
	uint8_t *image = disk_image(&m->disk, k, which, at.dice, &len);

	write_image(&at, image, len, m->dir);
	look_at(m, &at, image, len);
	m->built[k]++;
	m->total++;
	if (m->keep != NULL && m->unopened + m->damaged + m->lost + m->unwritable > bad) {
		keep_image(m, &at, image, len);
	}
	free(image);
}

/* The power fails here. */
static void moment(struct images *m, bool meta)
{
	for (enum image_kind k = 0; k < IMAGE_KINDS; k++) {
		size_t n = !m->elsewhere || k == IMAGE_NO_NAME ? disk_images(&m->disk, meta, k) : 0;

		for (size_t i = 0; m->build && i < n; i++) {
			uint64_t q = m->quota[k], c = m->candidates[k];
			uint64_t copies = (m->met[k] + 1) * q / c - m->met[k] * q / c;

			for (uint64_t copy = 0; copy < copies; copy++) {
				build(m, k, i, copy);
			}
			m->met[k]++;
		}
		m->candidates[k] += m->build ? 0 : n;
	}
	m->syncs++;
}

/* --- the record --- */

static void on_meta(struct images *m, const struct record_head *h, const uint8_t *bytes)
{
	uint64_t txn;

	disk_write(&m->disk, h->offset, bytes, h->len);
	moment(m, true);
	disk_sync_last(&m->disk);
	memcpy(&txn, bytes + h->len - sizeof(txn),
	    sizeof(txn)); /* what LMDB writes of a meta page ends with it */
	told_committed(m->told, txn);
}

static void on_name(struct images *m, const struct record_head *h, const char *path)
{
	bool upload = memmem(path, h->len, "/uploads", 8) != NULL;

	if (h->kind == RECORD_RENAME) {
		m->elsewhere = false;
		moment(m, false);
	} else if (upload && h->kind == RECORD_NEW) {
		told_spool_made(m->told, path, h->len);
	} else if (upload) {
		told_spool_named(m->told);
	} else {
		m->elsewhere = m->disk.unnamed = h->kind == RECORD_NEW;
	}
}

static void on_record(struct images *m, const struct record_head *h, const uint8_t *bytes)
{
	switch (h->kind) {
	case RECORD_START:
		m->starts++;
		break;
	case RECORD_WRITE:
		m->writes++;
		disk_write(&m->disk, h->offset, bytes, h->len);
		break;
	case RECORD_META:
		on_meta(m, h, bytes);
		break;
	case RECORD_SYNC:
		moment(m, false);
		if (!m->forget_syncs || m->disk.n_pending > 400) {
			disk_sync(&m->disk);
		}
		break;
	case RECORD_NEW:
	case RECORD_RENAME:
	case RECORD_FOLDER:
		on_name(m, h, (const char *)bytes);
		break;
	case RECORD_SPOOL:
		told_spool(m->told, (const char *)bytes, h->len, h->offset);
		break;
	case RECORD_SPOOLED:
		told_spooled(m->told, (const char *)bytes, h->len);
		break;
	case RECORD_ASKED:
		told_asked(m->told, h->fd, (const char *)bytes, h->len);
		break;
	case RECORD_TOLD:
		told_answered(m->told, h->fd, (const char *)bytes, h->len);
		break;
	case RECORD_SENT:
		told_sent(m->told, (const char *)bytes, h->len);
		break;
	default:
		(void)fprintf(stderr, "images: a record of kind %d\n", h->kind);
		exit(2);
	}
}

static void pass(struct images *m, bool building)
{
	struct record_head h;

	m->build = building;
	m->elsewhere = false;
	m->writes = m->syncs = m->starts = 0;
	m->disk = (struct disk){0};
	m->told = told_new();
	for (size_t at = 0; at + sizeof(h) <= m->record_len; at += sizeof(h) + h.len) {
		memcpy(&h, m->record + at, sizeof(h));
		if (at + sizeof(h) + h.len > m->record_len) {
			break;
		}
		on_record(m, &h, m->record + at + sizeof(h));
	}
	disk_fini(&m->disk);
}

static void share_out(struct images *m)
{
	size_t left = m->wanted;

	for (enum image_kind k = 0; k < IMAGE_KINDS; k++) {
		bool by_chance = k == IMAGE_SUBSET || k == IMAGE_TORN_512 || k == IMAGE_TORN_4K;

		m->quota[k] = m->candidates[k] > 0 ? m->wanted * shares[k] / 100 : 0;
		if (!by_chance && m->quota[k] > m->candidates[k]) {
			m->quota[k] = m->candidates[k];
		}
		left -= m->quota[k];
	}
	m->quota[IMAGE_SUBSET] += left;
}

static void map_record(struct images *m, const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) != 0) {
		fatal(path);
	}
	m->record_len = (size_t)st.st_size;
	m->record = mmap(NULL, m->record_len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (m->record == MAP_FAILED) {
		fatal(path);
	}
	close(fd);
}

static void make_dir(struct images *m)
{
	const char *base = getenv("TMPDIR");

	(void)snprintf(m->dir, sizeof(m->dir), "%s/leadd-images.XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm"
	    : base != NULL                ? base
					  : "/tmp");
	if (mkdtemp(m->dir) == NULL) {
		fatal(m->dir);
	}
}

static void remove_dir(const struct images *m)
{
	static const char *const names[] = {"leadd.mdb", "leadd.mdb-lock", "leadd.lock"};
	char path[256];

	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", m->dir, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(m->dir);
}

static int report(const struct images *m, double seconds)
{
	size_t unspooled = told_unspooled(m->told);

	for (enum image_kind k = 0; k < IMAGE_KINDS; k++) {
		(void)printf(
		    "%7zu  %s (of %zu)\n", m->built[k], image_kind_words[k], m->candidates[k]);
	}
	(void)printf("record: %.1f MB, %zu starts, %zu writes, %zu moments, %zu things let out, "
		     "%zu of them parts of uploads that were not synced\n",
	    (double)m->record_len / 1e6, m->starts, m->writes, m->syncs, told_count(m->told),
	    unspooled);
	(void)printf(
	    "%zu images in %.1f s (seed %" PRIu64 "), %" PRIu64
	    " questions: %zu lost something, %zu do not open, %zu disagree with themselves, "
	    "%zu cannot go on\n",
	    m->total, seconds, m->seed, m->asked, m->lost, m->unopened, m->damaged, m->unwritable);
	return m->lost + m->unopened + m->damaged + m->unwritable + unspooled > 0 ||
	       m->total < m->wanted;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {{"images", required_argument, NULL, 'n'},
	    {"seed", required_argument, NULL, 's'}, {"keep", required_argument, NULL, 'k'},
	    {"forget-syncs", no_argument, NULL, 'f'}, {NULL, 0, NULL, 0}};
	struct images m = {.wanted = 2000, .seed = 1};
	struct timespec began, ended;
	int option, rc;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'n':
			m.wanted = strtoull(optarg, NULL, 10);
			break;
		case 's':
			m.seed = strtoull(optarg, NULL, 10);
			break;
		case 'k':
			m.keep = optarg;
			break;
		case 'f':
			m.forget_syncs = true;
			break;
		default:
			return 2;
		}
	}
	if (optind + 1 != argc) {
		(void)fprintf(stderr,
		    "usage: images RECORD [--images N] [--seed N] [--keep DIR] [--forget-syncs]\n");
		return 2;
	}
	map_record(&m, argv[optind]);
	make_dir(&m);
	clock_gettime(CLOCK_MONOTONIC, &began);
	pass(&m, false);
	told_free(m.told);
	share_out(&m);
	pass(&m, true);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	remove_dir(&m);
	rc = report(&m,
	    (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9);
	told_free(m.told);
	return rc;
}
