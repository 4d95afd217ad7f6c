/* daemon/address.h: may a URL that came with a lead lead there? */
#pragma once

#include <stdbool.h>

struct sockaddr;

/*
 * True for an address of the public internet. False for everything that could
 * reach this machine or its neighbours: loopback, private, shared, link-local,
 * unique-local, multicast, reserved and documentation ranges, the cloud metadata
 * addresses, and every IPv6 form that carries one of those inside (mapped,
 * compatible, NAT64, 6to4, Teredo). False for other families.
 * Source: IANA IPv4 and IPv6 Special-Purpose Address Registries.
 */
bool address_is_public(const struct sockaddr *address);
