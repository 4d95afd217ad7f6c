/* lib/store/pack.h: rows as bytes: little-endian numbers, varint lengths, no alignment. */
#pragma once

#include "lib/base/buf.h"
#include "lib/store/store.h"

/* By shifts, so that the rows are the same on every machine. */
static inline void pack_le(struct buf *b, uint64_t v, size_t bytes)
{
	uint8_t raw[8];

	for (size_t i = 0; i < bytes; i++) {
		raw[i] = (uint8_t)(v >> (8 * i));
	}
	buf_add(b, raw, bytes);
}

static inline void pack_u8(struct buf *b, uint8_t v)
{
	pack_le(b, v, 1);
}

static inline void pack_u16(struct buf *b, uint16_t v)
{
	pack_le(b, v, 2);
}

static inline void pack_u32(struct buf *b, uint32_t v)
{
	pack_le(b, v, 4);
}

static inline void pack_u64(struct buf *b, uint64_t v)
{
	pack_le(b, v, 8);
}

static inline void pack_i64(struct buf *b, int64_t v)
{
	pack_le(b, (uint64_t)v, 8);
}

/* 7 bits a byte, small numbers small. */
void pack_var(struct buf *b, uint64_t v);
void pack_bytes(struct buf *b, const void *bytes, size_t len);
void pack_text(struct buf *b, const char *text); /* NULL as "" */

/* Reads in the same order. Past the end: zeros and empty texts, and `bad` is set. */
struct unpack {
	const uint8_t *at, *end;
	bool bad;
};
struct unpack unpack_of(struct slice s);
uint8_t unpack_u8(struct unpack *u);
uint16_t unpack_u16(struct unpack *u);
uint32_t unpack_u32(struct unpack *u);
uint64_t unpack_u64(struct unpack *u);
int64_t unpack_i64(struct unpack *u);
uint64_t unpack_var(struct unpack *u);
struct slice unpack_bytes(struct unpack *u);
/* Into a fixed field, cut to size, always NUL-terminated. */
void unpack_text(struct unpack *u, char *out, size_t size);
