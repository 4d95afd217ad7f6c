/* lib/base/arena.h: memory that lives as long as one turn, one file or one request. */
#pragma once

#include <stddef.h>

struct arena_block;

/* All zero is an empty arena. Not copyable. */
struct arena {
	struct arena_block *blocks; /* newest first */
	size_t used, limit;         /* bytes handed out; limit 0 means none */
};

/* 16-byte aligned, uninitialised; NULL when out of memory or past limit. */
void *arena_alloc(struct arena *a, size_t bytes);
void *arena_zalloc(struct arena *a, size_t bytes);
/* A copy with a NUL behind it. */
char *arena_dup(struct arena *a, const char *text, size_t len);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Forgets everything but keeps the first block for the next use. */
void arena_reset(struct arena *a);
void arena_free(struct arena *a);
