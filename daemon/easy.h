/*
 * daemon/easy.h: libcurl easy handles with the options every call has, recycled.
 */
#pragma once

#include "lib/base/error.h"

#include <curl/curl.h>
#include <stddef.h>

#define EASY_IDLE 128 /* 6 KiB each */

struct easy_pool {
	CURLSH *share;       /* TLS sessions of all shards */
	struct multi *multi; /* closes the sockets */
	char *ca_file;
	size_t n_idle;
	CURL *idle[EASY_IDLE];
};

/* ca_file: NULL for the system's bundle. */
int easy_pool_init(struct easy_pool *p, const char *ca_file, struct multi *multi,
    struct lead_error *err) MUST_CHECK;
/* A handle as if new, with the fixed options set; NULL when out of memory. */
CURL *easy_take(struct easy_pool *p);
/* It must be in no shard. NULL is fine. */
void easy_give(struct easy_pool *p, CURL *easy);
/* After the shards have ended: their connections use the share. All handles must be back. */
void easy_pool_fini(struct easy_pool *p);
