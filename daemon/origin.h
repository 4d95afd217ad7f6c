/*
 * daemon/origin.h: where a URL leads, cut out once and remembered.
 *
 * An origin is scheme, host and port. Its part of the URL goes through libcurl's parser the
 * first time; later calls find it by its text and bring nothing but path and query.
 */
#pragma once

#include "daemon/multi.h"
#include "daemon/resolve.h"

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

struct origin {
	UT_hash_handle hh;
	struct curl_slist resolve; /* for CURLOPT_RESOLVE; data NULL: nothing to resolve */
	uint64_t version;          /* of the addresses in it */
	CURLU *url;                /* for CURLOPT_CURLU: the origin with an empty path */
	char *host;
	unsigned port;
	bool no_lookup; /* host is an address, or localhost, which libcurl knows by itself */
	unsigned users; /* calls holding it */
	uint16_t calls[MULTI_SHARDS]; /* under way, by shard */
	size_t length;
	char text[]; /* `https://api.example.com:8443` */
};

struct origins {
	struct origin *table; /* oldest first */
};

/* The origin of a URL, held for the caller; LEAD_EINPUT when it is none (err holds no part of it).
 */
int origin_get(
    struct origins *o, const char *url, struct origin **ret, struct lead_error *err) MUST_CHECK;
void origin_release(struct origin *o);
/* Takes over what the resolver said. Lists in use see the new text. */
int origin_set_addresses(struct origin *o, const struct resolved *r) MUST_CHECK;
/* The shard where the next call of this origin should go. */
unsigned origin_shard(const struct origin *o);
/* Forgets those nobody holds. */
void origins_forget(struct origins *o);
