/* lib/base/buf.h: a growing run of bytes that knows its largest size. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The first failed append (no memory, or past max) latches `failed` and later
 * appends do nothing: check once, at the end. data is always NUL-terminated
 * when not NULL; the NUL is not counted in len.
 */
struct buf {
	char *data;
	size_t len, cap;
	size_t max; /* bytes; 0 means 64 MiB */
	bool failed;
};

void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_add_text(struct buf *b, const char *text); /* NUL-terminated */
void buf_add_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_reset(struct buf *b); /* empty and not failed; keeps the memory */
void buf_free(struct buf *b);
/* Gives the memory away (NULL when failed or empty) and empties the buf. */
char *buf_take(struct buf *b);
