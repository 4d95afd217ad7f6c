/*
 * lib/base/buf.c: all appends come down to buf_grow, which grows by half, never past max and
 * the NUL, and is the only place that can fail.
 */
#include "lib/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_MAX_BYTES ((size_t)64 << 20)
#define FIRST_BYTES ((size_t)64)

bool buf_grow(struct buf *b, size_t len)
{
	size_t max = b->max != 0 ? b->max : DEFAULT_MAX_BYTES;
	size_t cap;
	char *data;

	if (b->failed || b->len > max || len > max - b->len) {
		b->failed = true;
		return false;
	}
	if (b->cap - b->len > len) {
		return true;
	}
	cap = b->cap + b->cap / 2;
	if (cap < FIRST_BYTES) {
		cap = FIRST_BYTES;
	}
	if (cap > max) {
		cap = max + 1;
	}
	if (cap < b->len + len + 1) {
		cap = b->len + len + 1;
	}
	data = realloc(b->data, cap);
	if (data == NULL) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->cap = cap;
	return true;
}

void buf_add_text(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args, again;
	size_t room = b->cap - b->len;
	int n;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(room > 0 ? b->data + b->len : NULL, room, format, args);
	if (n < 0) {
		b->failed = true;
	} else if (buf_grow(b, (size_t)n)) {
		if ((size_t)n >= room) {
			vsnprintf(b->data + b->len, (size_t)n + 1, format, again);
		}
		b->len += (size_t)n;
	}
	if (b->failed && b->data != NULL) {
		b->data[b->len] = '\0'; /* takes back what was written too far */
	}
	va_end(again);
	va_end(args);
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data != NULL) {
		b->data[0] = '\0';
	}
}

void buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){.max = b->max};
}

char *buf_take(struct buf *b)
{
	char *data = NULL;

	if (!b->failed && b->len > 0) {
		data = b->data;
		b->data = NULL;
	}
	buf_free(b);
	return data;
}
