/* lib/base/buf.h: a growing run of bytes that knows its largest size. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * The first failed append (no memory, or past max) latches `failed` and later
 * appends do nothing: check once, at the end. data is always NUL-terminated
 * when not NULL; the NUL is not counted in len.
 */
struct buf {
	char *data;
	size_t len, cap;
	size_t max; /* bytes; 0 means 64 MiB; only changed while there is no data */
	bool failed;
};

/* Makes room for len more bytes and the NUL; false, and failed, when there is none to be had. */
bool buf_grow(struct buf *b, size_t len);

/* Inline, since a row is put together from dozens of these: with room they are a store or two. */
static inline void buf_add(struct buf *b, const void *bytes, size_t len)
{
	if (len > 0 && ((!b->failed && b->cap - b->len > len) || buf_grow(b, len))) {
		memcpy(b->data + b->len, bytes, len);
		b->len += len;
		b->data[b->len] = '\0';
	}
}

static inline void buf_add_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_add_text(struct buf *b, const char *text); /* NUL-terminated */
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_reset(struct buf *b); /* empty and not failed; keeps the memory */
void buf_free(struct buf *b);
/* Gives the memory away (NULL when failed or empty) and empties the buf. */
char *buf_take(struct buf *b);
