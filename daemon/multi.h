/*
 * daemon/multi.h: libcurl's multi_socket interface on libevent.
 *
 * Several multi handles ("shards"): finding a free connection costs libcurl a walk
 * over all connections to that host, so a host with many calls under way is spread
 * over shards of MULTI_SHARE calls each. Idle connections and the parsed CA file belong to a shard.
 */
#pragma once

#include "lib/base/error.h"

#include <curl/curl.h>

struct event_base;
struct multi;
struct shard;

#define MULTI_SHARDS 16
#define MULTI_SHARE 128 /* calls to one host in one shard before the next shard is taken */

struct multi_options {
	/* Kept open per shard: libcurl counts busy ones too, and past it closes an idle one at each
	 * end of a transfer. */
	long connections;
	/* A transfer has ended; only record it: the handle is still in its shard. */
	void (*finished)(void *arg, CURL *easy, CURLcode result);
	void *arg;
};

int multi_new(struct event_base *base, const struct multi_options *o, struct multi **ret,
    struct lead_error *err) MUST_CHECK;
/*
 * Shard number index, made when first asked for; NULL when that fails.
 * Borrowed while a transfer is in it, else until multi_forget.
 */
struct shard *multi_shard(struct multi *m, unsigned index);
/* Not from within a callback of libcurl. A transfer starts in the loop's next turn. */
int shard_add(struct shard *s, CURL *easy, struct lead_error *err) MUST_CHECK;
void shard_remove(struct shard *s, CURL *easy);
/* CURLOPT_CLOSESOCKETFUNCTION of every transfer, with the multi as its data: no socket is closed
 * while watched. */
int multi_close_socket(void *multi, curl_socket_t fd);
/* Drops idle connections and parsed CA files: shards end with their last transfer, new ones take
 * their place. */
void multi_forget(struct multi *m);
/* All transfers must have been removed. NULL is fine. */
void multi_free(struct multi *m);
