/*
 * The durable bytes of one file and the writes that were not synced yet; an image lays some of
 * these over those.
 */
#include "tests/fault/disk.h"

#include <stdlib.h>
#include <string.h>

const char *const image_kind_words[IMAGE_KINDS] = {
    [IMAGE_NONE] = "nothing since the last sync",
    [IMAGE_ALL] = "all since the last sync",
    [IMAGE_MISSING] = "one write missing",
    [IMAGE_SUBSET] = "any of the writes",
    [IMAGE_TORN_512] = "torn at 512 bytes",
    [IMAGE_TORN_4K] = "torn at 4 KiB",
    [IMAGE_META_MISSING] = "meta page missing",
    [IMAGE_META_ALL] = "meta page there",
    [IMAGE_META_TORN] = "meta page torn",
    [IMAGE_NO_NAME] = "file without a name",
};

#define META_STEP 8 /* bytes */

static void *grow(void *at, size_t bytes)
{
	at = realloc(at, bytes);
	if (at == NULL) {
		abort();
	}
	return at;
}

void disk_fini(struct disk *d)
{
	free(d->durable);
	free(d->pending);
}

void disk_write(struct disk *d, uint64_t offset, const uint8_t *bytes, size_t len)
{
	if (d->n_pending == d->cap_pending) {
		d->cap_pending = d->cap_pending * 2 + 64;
		d->pending = grow(d->pending, d->cap_pending * sizeof(*d->pending));
	}
	d->pending[d->n_pending++] =
	    (struct disk_write){.offset = offset, .len = len, .bytes = bytes};
}

static void make_durable(struct disk *d, const struct disk_write *w)
{
	size_t end = (size_t)w->offset + w->len;

	if (end > d->cap) {
		d->cap = end * 2;
		d->durable = grow(d->durable, d->cap);
	}
	if (end > d->len) {
		memset(d->durable + d->len, 0, end - d->len);
		d->len = end;
	}
	memcpy(d->durable + w->offset, w->bytes, w->len);
}

void disk_sync(struct disk *d)
{
	for (size_t i = 0; i < d->n_pending; i++) {
		make_durable(d, &d->pending[i]);
	}
	d->n_pending = 0;
}

void disk_sync_last(struct disk *d)
{
	make_durable(d, &d->pending[--d->n_pending]);
}

/* --- images --- */

static uint64_t roll(uint64_t *dice)
{
	uint64_t x = *dice += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static size_t larger_than(const struct disk *d, size_t bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n_pending; i++) {
		n += d->pending[i].len > bytes;
	}
	return n;
}

size_t disk_images(const struct disk *d, bool meta, enum image_kind k)
{
	size_t n = d->n_pending;

	switch (k) {
	case IMAGE_NONE:
	case IMAGE_ALL:
		return !meta;
	case IMAGE_MISSING:
	case IMAGE_SUBSET:
		return !meta && n > 1 ? n : 0;
	case IMAGE_TORN_512:
		return !meta ? larger_than(d, SECTOR) : 0;
	case IMAGE_TORN_4K:
		return !meta ? larger_than(d, BLOCK) : 0;
	case IMAGE_META_MISSING:
	case IMAGE_META_ALL:
		return meta;
	case IMAGE_META_TORN:
		return meta ? (d->pending[n - 1].len - 1) / META_STEP : 0;
	case IMAGE_NO_NAME:
		return d->unnamed;
	default:
		return 0;
	}
}

struct image {
	uint8_t *bytes;
	size_t len;
};

static void lay(struct image *m, uint64_t offset, const uint8_t *bytes, size_t len)
{
	memcpy(m->bytes + offset, bytes, len);
	m->len = offset + len > m->len ? offset + len : m->len;
}

/* Each unit of the write or not, but neither none nor all of them. */
static void lay_torn(struct image *m, const struct disk_write *w, size_t unit, uint64_t *dice)
{
	size_t first = w->offset / unit, last = (w->offset + w->len - 1) / unit;
	size_t there = first + roll(dice) % (last - first + 1),
	       gone = first + roll(dice) % (last - first);

	gone += gone >= there;
	for (size_t u = first; u <= last; u++) {
		size_t from = u * unit > w->offset ? u * unit - w->offset : 0;
		size_t to =
		    (u + 1) * unit - w->offset < w->len ? (u + 1) * unit - w->offset : w->len;

		if (u == there || (u != gone && roll(dice) % 2 == 0)) {
			lay(m, w->offset + from, w->bytes + from, to - from);
		}
	}
}

static void lay_some(
    struct image *m, const struct disk *d, enum image_kind k, size_t which, uint64_t dice)
{
	size_t unit = k == IMAGE_TORN_4K ? BLOCK : SECTOR, candidate = 0;
	bool all = roll(&dice) % 2 == 0;

	for (size_t i = 0; i < d->n_pending; i++) {
		const struct disk_write *w = &d->pending[i];
		bool torn = k != IMAGE_SUBSET && w->len > unit && candidate++ == which;

		if (torn) {
			lay_torn(m, w, unit, &dice);
		} else if ((k != IMAGE_SUBSET && all) || roll(&dice) % 2 == 0) {
			lay(m, w->offset, w->bytes, w->len);
		}
	}
}

uint8_t *disk_image(
    const struct disk *d, enum image_kind k, size_t which, uint64_t dice, size_t *ret_len)
{
	struct image m = {.len = d->len};
	size_t cap = d->len + 1;

	for (size_t i = 0; i < d->n_pending; i++) {
		size_t end = (size_t)d->pending[i].offset + d->pending[i].len;

		cap = end > cap ? end : cap;
	}
	m.bytes = grow(NULL, cap);
	if (d->len > 0) {
		memcpy(m.bytes, d->durable, d->len);
	}
	memset(m.bytes + d->len, 0, cap - d->len);
	for (size_t i = 0;
	     i < d->n_pending && (k == IMAGE_ALL || k == IMAGE_MISSING || k == IMAGE_META_ALL);
	     i++) {
		if (k != IMAGE_MISSING || i != which) {
			lay(&m, d->pending[i].offset, d->pending[i].bytes, d->pending[i].len);
		}
	}
	if (k == IMAGE_SUBSET || k == IMAGE_TORN_512 || k == IMAGE_TORN_4K) {
		lay_some(&m, d, k, which, dice);
	} else if (k == IMAGE_META_TORN) {
		const struct disk_write *w = &d->pending[d->n_pending - 1];

		lay(&m, w->offset, w->bytes, (which + 1) * META_STEP);
	}
	*ret_len = m.len;
	return m.bytes;
}
