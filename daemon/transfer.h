/*
 * daemon/transfer.h: one request through libcurl: what it borrows, what it brings, what that means.
 *
 *   transfer_init (copies) -> transfer_options (on an easy handle) -> libcurl's callbacks fill it
 *   -> transfer_verdict -> transfer_answer
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/service/answer.h"
#include "lib/service/request.h"

#include <curl/curl.h>

#define TRANSFER_HEADERS 200              /* most header lines of an answer */
#define TRANSFER_HEADER_BYTES (64 * 1024) /* most bytes in them */

struct origin;
struct transfer;

struct transfer_events { /* called from within libcurl */
	void (*sent)(struct transfer *t);
	void (*first_byte)(struct transfer *t);
};

struct transfer {
	const struct transfer_events *events;
	/* what libcurl borrows */
	struct origin *origin;
	const char *target, *method, *body;
	size_t body_len;
	struct curl_slist *headers;
	size_t max_bytes;
	bool http2, allow_private;
	/* what came of it */
	bool stopped; /* by us: nothing may leave any more */
	bool resent;  /* libcurl wanted to send it again; refused */
	bool refused; /* the address is not public */
	bool too_large;
	bool headers_end; /* what follows is a body, or trailers */
	unsigned n_headers;
	size_t header_bytes;
	int64_t sent_us, first_byte_us, end_us;
	struct buf header; /* name NUL value NUL … */
	struct buf answer;
};

/* Room that transfer_init needs behind `space` (aligned as malloc does). */
size_t transfer_room(const struct request *r);
/* LEAD_EINPUT for a method or a header that cannot be sent. Everything of r is copied; origin is
 * r's and must stay. */
int transfer_init(struct transfer *t, const struct request *r, struct origin *origin, void *space,
    struct lead_error *err) MUST_CHECK;
/* Sets all options of this one call. connect_ms: what is left for it, at least 1. */
CURLcode transfer_options(struct transfer *t, CURL *easy, long connect_ms);
/* Sets transport, why and status from libcurl's result. */
void transfer_verdict(
    const struct transfer *t, CURL *easy, CURLcode result, struct http_answer *ret);
/* Writes at most TRANSFER_HEADERS into headers; they point into t. */
size_t transfer_headers(const struct transfer *t, struct http_header *headers);
void transfer_fini(struct transfer *t);
