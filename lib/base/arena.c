/*
 * lib/base/arena.c: a list of blocks, newest first, each filled from its start.
 * A request that does not fit the newest block opens another, twice as large up
 * to a bound; what was left in the old one is given up.
 */
#include "lib/base/arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN 16
#define FIRST_BLOCK_BYTES ((size_t)4096)
#define LARGEST_BLOCK_BYTES ((size_t)256 * 1024)
#define FIRST_PRINT_BYTES 256

struct arena_block {
	struct arena_block *older;
	size_t size, used; /* bytes of data */
	_Alignas(ALIGN) unsigned char data[];
};

static struct arena_block *block_open(struct arena *a, size_t bytes)
{
	size_t size = a->blocks == NULL ? FIRST_BLOCK_BYTES : a->blocks->size * 2;
	struct arena_block *b;

	if (size > LARGEST_BLOCK_BYTES) {
		size = LARGEST_BLOCK_BYTES;
	}
	if (size < bytes) {
		size = bytes;
	}
	b = malloc(sizeof(*b) + size);
	if (b != NULL) {
		*b = (struct arena_block){.older = a->blocks, .size = size};
		a->blocks = b;
	}
	return b;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
	struct arena_block *b = a->blocks;
	void *ret;

	if (bytes > SIZE_MAX / 4) {
		return NULL;
	}
	bytes = bytes == 0 ? ALIGN : (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (a->limit != 0 && (a->used > a->limit || bytes > a->limit - a->used)) {
		return NULL;
	}
	if (b == NULL || bytes > b->size - b->used) {
		b = block_open(a, bytes);
		if (b == NULL) {
			return NULL;
		}
	}
	ret = b->data + b->used;
	b->used += bytes;
	a->used += bytes;
	return ret;
}

void *arena_zalloc(struct arena *a, size_t bytes)
{
	void *p = arena_alloc(a, bytes);

	return p == NULL ? NULL : memset(p, 0, bytes);
}

char *arena_dup(struct arena *a, const char *text, size_t len)
{
	char *copy = len == SIZE_MAX ? NULL : arena_alloc(a, len + 1);

	if (copy != NULL) {
		if (len > 0) {
			memcpy(copy, text, len);
		}
		copy[len] = '\0';
	}
	return copy;
}

/* Most texts are short: they are written once, here, and copied. */
char *arena_printf(struct arena *a, const char *format, ...)
{
	char first[FIRST_PRINT_BYTES];
	va_list args, again;
	char *text = NULL;
	int n;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(first, sizeof(first), format, args);
	if (n >= 0) {
		text = arena_alloc(a, (size_t)n + 1);
	}
	if (text != NULL && (size_t)n < sizeof(first)) {
		memcpy(text, first, (size_t)n + 1);
	} else if (text != NULL) {
		vsnprintf(text, (size_t)n + 1, format, again);
	}
	va_end(again);
	va_end(args);
	return text;
}

static void free_until(struct arena *a, bool keep_first)
{
	while (a->blocks != NULL && !(keep_first && a->blocks->older == NULL)) {
		struct arena_block *older = a->blocks->older;

		free(a->blocks);
		a->blocks = older;
	}
}

void arena_reset(struct arena *a)
{
	free_until(a, true);
	if (a->blocks != NULL) {
		a->blocks->used = 0;
	}
	a->used = 0;
}

void arena_free(struct arena *a)
{
	free_until(a, false);
	a->used = 0;
}
