/*
 * daemon/address.c: two tables of prefixes. IPv4 is public unless listed; IPv6
 * only inside 2000::/3 and unless listed. NAT64 addresses are judged by the
 * IPv4 address they stand for, since on some networks nothing else is reachable.
 */
#include "daemon/address.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

struct prefix4 {
	uint8_t bytes[4];
	unsigned bits;
};

static const struct prefix4 closed4[] = {
    {{0, 0, 0, 0}, 8},        /* this host */
    {{10, 0, 0, 0}, 8},       /* private */
    {{100, 64, 0, 0}, 10},    /* shared; a cloud's metadata at 100.100.100.200 */
    {{127, 0, 0, 0}, 8},      /* loopback */
    {{168, 63, 129, 16}, 32}, /* a cloud's wire server, in public space */
    {{169, 254, 0, 0}, 16},   /* link-local; cloud metadata at 169.254.169.254 */
    {{172, 16, 0, 0}, 12},    /* private */
    {{192, 0, 0, 0}, 24},     /* protocol assignments; a cloud's metadata at 192.0.0.192 */
    {{192, 0, 2, 0}, 24},     /* documentation */
    {{192, 88, 99, 0}, 24},   /* 6to4 relays */
    {{192, 168, 0, 0}, 16},   /* private */
    {{198, 18, 0, 0}, 15},    /* benchmarks */
    {{198, 51, 100, 0}, 24},  /* documentation */
    {{203, 0, 113, 0}, 24},   /* documentation */
    {{224, 0, 0, 0}, 3},      /* multicast, reserved, broadcast */
};

struct prefix6 {
	uint8_t bytes[6];
	unsigned bits;
};

static const struct prefix6 closed6[] = {
    {{0x20, 0x01, 0x00, 0x00}, 23}, /* protocol assignments, Teredo, ORCHID */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4 */
    {{0x3f, 0xff}, 20},             /* documentation */
};

static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};

static bool begins_with(const uint8_t *address, const uint8_t *prefix, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(address, prefix, whole) != 0) {
		return false;
	}
	return rest == 0 || ((address[whole] ^ prefix[whole]) >> (8 - rest)) == 0;
}

static bool is_public4(const uint8_t *address)
{
	for (size_t i = 0; i < sizeof(closed4) / sizeof(closed4[0]); i++) {
		if (begins_with(address, closed4[i].bytes, closed4[i].bits)) {
			return false;
		}
	}
	return true;
}

static bool is_public6(const uint8_t *address)
{
	if (begins_with(address, nat64, 96)) {
		return is_public4(address + 12);
	}
	if (address[0] >> 5 != 1) { /* outside 2000::/3 */
		return false;
	}
	for (size_t i = 0; i < sizeof(closed6) / sizeof(closed6[0]); i++) {
		if (begins_with(address, closed6[i].bytes, closed6[i].bits)) {
			return false;
		}
	}
	return true;
}

bool address_is_public(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, address, sizeof(in));
		return is_public4((const uint8_t *)&in.sin_addr);
	}
	if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, address, sizeof(in6));
		return is_public6((const uint8_t *)&in6.sin6_addr);
	}
	return false;
}
