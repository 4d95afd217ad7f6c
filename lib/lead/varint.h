/* lib/lead/varint.h: lengths in stored rows: seven bits a byte, low ones first. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"

static inline void varint_write(struct buf *out, uint64_t n)
{
	for (; n >= 0x80; n >>= 7) {
		buf_add_char(out, (char)(0x80 | (n & 0x7F)));
	}
	buf_add_char(out, (char)n);
}

/* Moves *p behind the number. False when it is cut or does not fit. */
static inline bool varint_read(const unsigned char **p, const unsigned char *end, uint64_t *ret)
{
	uint64_t n = 0;

	for (unsigned shift = 0; *p < end && shift < 63; shift += 7) {
		unsigned char c = *(*p)++;

		n |= (uint64_t)(c & 0x7F) << shift;
		if (c < 0x80) {
			*ret = n;
			return true;
		}
	}
	return false;
}
