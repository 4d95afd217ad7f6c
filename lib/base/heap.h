/*
 * lib/base/heap.h: what comes next on a virtual clock: a binary heap of things with a time, the earliest on top.
 *
 * Items are copied in and out; each begins with a struct heap_head, which its owner fills. Of two at the same time the one of
 * the lower seq comes first, so that a night is played the same way every time.
 */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_head {
	int64_t at_us;
	uint64_t seq;
};

struct heap {
	size_t size; /* of an item, in bytes; set by the owner before the first push */
	char *items;
	size_t n, cap;
};

/* False when out of memory; the heap is as it was. */
bool heap_push(struct heap *h, const void *item) MUST_CHECK;
/* The earliest, good until the next push or pop; NULL when there is none. */
const void *heap_top(const struct heap *h);
/* Takes the earliest out; there is one. */
void heap_pop(struct heap *h, void *ret);
/* Any item, in no order: 0 <= i < n. */
void *heap_at(const struct heap *h, size_t i);
void heap_fini(struct heap *h);
