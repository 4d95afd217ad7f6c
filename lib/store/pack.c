/* See pack.h. */
#include "lib/store/pack.h"

#include <string.h>

void pack_var(struct buf *b, uint64_t v)
{
	uint8_t raw[10];
	size_t n = 0;

	while (v >= 0x80) {
		raw[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	raw[n++] = (uint8_t)v;
	buf_add(b, raw, n);
}

void pack_bytes(struct buf *b, const void *bytes, size_t len)
{
	pack_var(b, len);
	buf_add(b, bytes, len);
}

void pack_text(struct buf *b, const char *text)
{
	pack_bytes(b, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
}

struct unpack unpack_of(struct slice s)
{
	return (struct unpack){.at = s.data, .end = s.data + s.len};
}

static uint64_t unpack_le(struct unpack *u, size_t bytes)
{
	uint64_t v = 0;

	if ((size_t)(u->end - u->at) < bytes) {
		u->bad = true;
		u->at = u->end;
		return 0;
	}
	for (size_t i = 0; i < bytes; i++) {
		v |= (uint64_t)u->at[i] << (8 * i);
	}
	u->at += bytes;
	return v;
}

uint8_t unpack_u8(struct unpack *u)
{
	return (uint8_t)unpack_le(u, 1);
}

uint16_t unpack_u16(struct unpack *u)
{
	return (uint16_t)unpack_le(u, 2);
}

uint32_t unpack_u32(struct unpack *u)
{
	return (uint32_t)unpack_le(u, 4);
}

uint64_t unpack_u64(struct unpack *u)
{
	return unpack_le(u, 8);
}

int64_t unpack_i64(struct unpack *u)
{
	return (int64_t)unpack_le(u, 8);
}

uint64_t unpack_var(struct unpack *u)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = unpack_u8(u);

		v |= (uint64_t)(byte & 0x7f) << shift;
		if ((byte & 0x80) == 0) {
			return v;
		}
	}
	u->bad = true;
	return 0;
}

struct slice unpack_bytes(struct unpack *u)
{
	uint64_t len = unpack_var(u);
	struct slice s = {.data = u->at, .len = (size_t)len};

	if (len > (uint64_t)(u->end - u->at)) {
		u->bad = true;
		u->at = u->end;
		return (struct slice){.data = u->end, .len = 0};
	}
	u->at += len;
	return s;
}

void unpack_text(struct unpack *u, char *out, size_t size)
{
	struct slice s = unpack_bytes(u);
	size_t len = s.len < size - 1 ? s.len : size - 1;

	memcpy(out, s.data, len);
	out[len] = 0;
}
