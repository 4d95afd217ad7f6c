/*
 * lib/store/key.h: the bytes of keys: big-endian, so that their order is the order of their numbers.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Key bytes, built left to right. */
struct key {
	uint8_t bytes[32];
	size_t len;
};

static inline struct key key_of(void)
{
	return (struct key){.len = 0};
}

static inline struct key key_add(struct key k, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		k.bytes[k.len + i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
	}
	k.len += bytes;
	return k;
}

static inline struct key key_u8(struct key k, uint8_t v)
{
	return key_add(k, v, 1);
}

static inline struct key key_u16(struct key k, uint16_t v)
{
	return key_add(k, v, 2);
}

static inline struct key key_u32(struct key k, uint32_t v)
{
	return key_add(k, v, 4);
}

static inline struct key key_u64(struct key k, uint64_t v)
{
	return key_add(k, v, 8);
}

static inline uint64_t key_get(const uint8_t *bytes, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++) {
		v = v << 8 | bytes[i];
	}
	return v;
}

static inline uint16_t key_get_u16(const uint8_t *bytes)
{
	return (uint16_t)key_get(bytes, 2);
}

static inline uint32_t key_get_u32(const uint8_t *bytes)
{
	return (uint32_t)key_get(bytes, 4);
}

static inline uint64_t key_get_u64(const uint8_t *bytes)
{
	return key_get(bytes, 8);
}
