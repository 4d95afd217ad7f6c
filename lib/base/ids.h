/* lib/base/ids.h: names for things: call ids, keyed hashes, checksums. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Call ids grow for ever, over restarts and clock steps, and hold their time:
 * milliseconds since 1970 << 20 | counter. ids_next returns the smallest id
 * above `last` that is not older than wall_us.
 */
uint64_t ids_next(uint64_t last, int64_t wall_us);
int64_t ids_wall_us(uint64_t id);
/* 16 lower-case hex digits and NUL: how a call is named outside. */
void ids_write(uint64_t id, char out[17]);
bool ids_parse(const char *text, uint64_t *ret);

/* SipHash-2-4 (via libsodium) of the bytes under a 16-byte key. */
uint64_t hash_keyed(const uint8_t key[16], const void *bytes, size_t len);
/* The same under a fixed public key: for tables of trusted names and for simulation. */
uint64_t hash_plain(const void *bytes, size_t len);
/* CRC-32C (Castagnoli), as stored beside every value. */
uint32_t crc32c(const void *bytes, size_t len);
/* The same without the processor's instruction. */
uint32_t crc32c_portable(const void *bytes, size_t len);

/* xoshiro256**: every random number in lib comes from one of these, seeded from outside. */
struct dice {
	uint64_t s[4];
};
void dice_seed(struct dice *d, uint64_t seed);
uint64_t dice_roll(struct dice *d);
/* Uniform in [0, bound), bound at least 1. */
uint64_t dice_below(struct dice *d, uint64_t bound);
