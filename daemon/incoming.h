/* daemon/incoming.h: an HTTP answer as it comes in, line by line and piece by piece, within its
 * caps. */
#pragma once

#include "lib/base/buf.h"
#include "lib/service/answer.h"

#define INCOMING_HEADERS 200 /* most lines kept */
#define INCOMING_HEADER_BYTES                                                                      \
	(64 * 1024) /* most bytes in all lines, interim answers and trailers included */

struct incoming {
	struct buf body;
	struct buf header; /* name NUL value NUL … */
	unsigned n_headers;
	size_t header_bytes;   /* seen, not kept */
	bool headers_end;      /* what follows is a body, or trailers */
	const char *too_large; /* NULL, or what is: one short phrase */
};

/* max_bytes: of the decoded body; 0 for 1 MiB. */
void incoming_init(struct incoming *in, size_t max_bytes);
/* One line of the head with its end, status line and empty line too. False when a cap is passed. */
bool incoming_line(struct incoming *in, const char *line, size_t len) MUST_CHECK;
/* Decoded bytes of the body. False when the cap is passed. */
bool incoming_body(struct incoming *in, const char *bytes, size_t len) MUST_CHECK;
/* Room for INCOMING_HEADERS; the texts stay in `in`. */
size_t incoming_headers(const struct incoming *in, struct http_header *headers);
void incoming_fini(struct incoming *in);
