/*
 * tests/fault/disk.h: what may be on a disk after the power fails.
 *
 * Promised: what was written before a sync that returned is there, and so is what went through an
 * O_DSYNC descriptor once that write returned. Of everything else any part may be there, in any
 * order, down to single sectors of 512 bytes; what is missing at the end of the file leaves it
 * shorter, what is missing in the middle leaves the old bytes or zeros.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECTOR ((size_t)512)
#define BLOCK ((size_t)4096)

struct disk_write {
	uint64_t offset;
	size_t len;
	const uint8_t *bytes; /* borrowed */
};

struct disk {
	uint8_t *durable;
	size_t len, cap;
	struct disk_write *pending; /* since the last sync */
	size_t n_pending, cap_pending;
	bool unnamed; /* its folder was not synced since it was made or renamed */
};

void disk_fini(struct disk *d);
void disk_write(struct disk *d, uint64_t offset, const uint8_t *bytes, size_t len);
/* A sync returned: all that was written is durable. */
void disk_sync(struct disk *d);
/* The last write went through O_DSYNC and returned: it alone is durable, before the others. */
void disk_sync_last(struct disk *d);

enum image_kind {
	IMAGE_NONE, /* nothing since the last sync */
	IMAGE_ALL,
	IMAGE_MISSING,      /* all but one write */
	IMAGE_SUBSET,       /* each write or not, by chance */
	IMAGE_TORN_512,     /* of one write only some sectors, of the others all or some */
	IMAGE_TORN_4K,      /* the same with blocks */
	IMAGE_META_MISSING, /* the meta page that was being written is the old one */
	IMAGE_META_ALL,
	IMAGE_META_TORN, /* only its first bytes are new: finer than a disk tears */
	IMAGE_NO_NAME,   /* a file that was made has no name yet: there is none */
	IMAGE_KINDS
};
extern const char *const image_kind_words[IMAGE_KINDS];

/* How many different images of a kind there are at this moment; those by chance count once per
 * write. `meta`: the last write is the meta page. */
size_t disk_images(const struct disk *d, bool meta, enum image_kind k);

/* The image number `which` of them. dice: any bits for what is by chance. Owned: free it. */
uint8_t *disk_image(
    const struct disk *d, enum image_kind k, size_t which, uint64_t dice, size_t *ret_len);
