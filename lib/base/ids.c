/* lib/base/ids.c: call ids, hashes, checksum and dice; nothing here keeps state of its own. */
#include "lib/base/ids.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define COUNTER_BITS 20

uint64_t ids_next(uint64_t last, int64_t wall_us)
{
	uint64_t first = wall_us < 0 ? 0 : (uint64_t)(wall_us / 1000) << COUNTER_BITS;

	return first > last ? first : last + 1;
}

int64_t ids_wall_us(uint64_t id)
{
	return (int64_t)(id >> COUNTER_BITS) * 1000;
}

void ids_write(uint64_t id, char out[17])
{
	snprintf(out, 17, "%016llx", (unsigned long long)id);
}

bool ids_parse(const char *text, uint64_t *ret)
{
	uint64_t id = 0;

	if (strlen(text) != 16) {
		return false;
	}
	for (const char *p = text; *p != '\0'; p++) {
		unsigned digit = (unsigned char)*p - '0';

		if (digit > 9) {
			if (*p < 'a' || *p > 'f') {
				return false;
			}
			digit = (unsigned)(*p - 'a') + 10;
		}
		id = id << 4 | digit;
	}
	*ret = id;
	return true;
}

uint64_t hash_keyed(const uint8_t key[16], const void *bytes, size_t len)
{
	uint8_t out[crypto_shorthash_BYTES];
	uint64_t hash = 0;

	crypto_shorthash(out, bytes, len, key);
	for (int i = 7; i >= 0; i--) {
		hash = hash << 8 | out[i];
	}
	return hash;
}

uint64_t hash_plain(const void *bytes, size_t len)
{
	static const uint8_t key[16] = "leadd plain hash";

	return hash_keyed(key, bytes, len);
}

/* Half a byte at a time: the table is small, and nearly every machine has the instruction below. */
uint32_t crc32c_portable(const void *bytes, size_t len)
{
	static const uint32_t table[16] = {0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1,
	    0x417B1DBC, 0x5125DAD3, 0x61C69362, 0x7198540D, 0x82F63B78, 0x92A8FC17, 0xA24BB5A6,
	    0xB21572C9, 0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75};

	const uint8_t *p = bytes;
	uint32_t crc = 0xFFFFFFFF;

	for (; len > 0; len--, p++) {
		crc ^= *p;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(const uint8_t *p, size_t len)
{
	uint64_t wide = 0xFFFFFFFF;
	uint32_t crc;

	for (; len >= 8; len -= 8, p += 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		wide = __builtin_ia32_crc32di(wide, word);
	}
	crc = (uint32_t)wide;
	for (; len > 0; len--, p++) {
		crc = __builtin_ia32_crc32qi(crc, *p);
	}
	return ~crc;
}
#endif

uint32_t crc32c(const void *bytes, size_t len)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2")) {
		return crc32c_sse42(bytes, len);
	}
#endif
	return crc32c_portable(bytes, len);
}

/* SplitMix64 spreads one word over the four; it never gives the all-zero state. */
void dice_seed(struct dice *d, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z;

		seed += UINT64_C(0x9E3779B97F4A7C15);
		z = seed;
		z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
		z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
		d->s[i] = z ^ z >> 31;
	}
}

static uint64_t rotate_left(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

uint64_t dice_roll(struct dice *d)
{
	uint64_t *s = d->s;
	uint64_t result = rotate_left(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

uint64_t dice_below(struct dice *d, uint64_t bound)
{
	uint64_t uneven =
	    (0 - bound) % bound; /* 2^64 mod bound: rolls that would favour small results */
	uint64_t roll;

	do {
		roll = dice_roll(d);
	} while (roll < uneven);
	return roll % bound;
}
