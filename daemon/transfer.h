/*
 * daemon/transfer.h: one request through libcurl: what it borrows, what it brings, what that means.
 *
 *   transfer_init (copies) -> transfer_options (on an easy handle) -> libcurl's callbacks fill it
 *   -> transfer_verdict
 */
#pragma once

#include "daemon/incoming.h"
#include "daemon/smtp.h"
#include "lib/service/request.h"

#include <curl/curl.h>

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
	bool http2, allow_private;
	struct smtp *smtp; /* NULL: no mail; ends with the call */
	/* what came of it */
	bool stopped; /* by us: nothing may leave any more */
	bool resent;  /* libcurl wanted to send it again; refused */
	bool refused; /* the address is not public */
	bool starved; /* there was no socket for it */
	int64_t sent_us, first_byte_us, end_us;
	struct incoming incoming;
};

/* Room that transfer_init needs behind `space` (aligned as malloc does). */
size_t transfer_room(const struct request *r);
/*
 * LEAD_EINPUT for a method or a header that cannot be sent. Everything of r is copied;
 * origin is that of r and must stay.
 */
int transfer_init(struct transfer *t, const struct request *r, struct origin *origin, void *space,
    struct lead_error *err) MUST_CHECK;
/* Sets all options of this one call. connect_ms: what is left for it, at least 1. */
CURLcode transfer_options(struct transfer *t, CURL *easy, long connect_ms);
/* Sets transport, why and status from libcurl's result. */
void transfer_verdict(
    const struct transfer *t, CURL *easy, CURLcode result, struct http_answer *ret);
