/* See heap.h. A hole is moved up or down until the item fits into it. */
#include "lib/base/heap.h"

#include <stdlib.h>
#include <string.h>

static bool before(const void *a, const void *b)
{
	const struct heap_head *x = a, *y = b;

	return x->at_us != y->at_us ? x->at_us < y->at_us : x->seq < y->seq;
}

void *heap_at(const struct heap *h, size_t i)
{
	return h->items + i * h->size;
}

static void set(struct heap *h, size_t i, const void *item)
{
	memcpy(heap_at(h, i), item, h->size);
}

bool heap_push(struct heap *h, const void *item)
{
	size_t i;

	if (h->n == h->cap) {
		size_t cap = h->cap * 2 + 64;
		char *grown = realloc(h->items, cap * h->size);

		if (grown == NULL) {
			return false;
		}
		h->items = grown;
		h->cap = cap;
	}
	for (i = h->n++; i > 0 && before(item, heap_at(h, (i - 1) / 2)); i = (i - 1) / 2) {
		set(h, i, heap_at(h, (i - 1) / 2));
	}
	set(h, i, item);
	return true;
}

const void *heap_top(const struct heap *h)
{
	return h->n > 0 ? h->items : NULL;
}

void heap_pop(struct heap *h, void *ret)
{
	const void *last;
	size_t i = 0, k;

	memcpy(ret, h->items, h->size);
	last = heap_at(h, --h->n);
	while ((k = 2 * i + 1) < h->n) {
		k += k + 1 < h->n && before(heap_at(h, k + 1), heap_at(h, k));
		if (!before(heap_at(h, k), last)) {
			break;
		}
		set(h, i, heap_at(h, k));
		i = k;
	}
	memmove(heap_at(h, i), last, h->size);
}

void heap_fini(struct heap *h)
{
	free(h->items);
	*h = (struct heap){.size = h->size};
}
