/* daemon/leadsim_parse.h: the head of a request, taken apart where it lies. */
#pragma once

#include "lib/sim/world.h"

#define SIM_HEADERS_MAX 64
#define SIM_BODY_BYTES_MAX ((size_t)1 << 20)

struct sim_request {
	struct world_request r; /* points into the head; its body is the caller's to set */
	struct world_header headers[SIM_HEADERS_MAX];
	bool close; /* the client wants no more answers on this connection */
};

/*
 * Content-Length of a head. SIZE_MAX: malformed, repeated, more than SIM_BODY_BYTES_MAX, or there
 * is a transfer coding. ret_expect: the client waits for a 100 before it sends the body.
 */
size_t sim_body_bytes(const char *head, size_t len, bool *ret_expect);
/*
 * `GET /path?query HTTP/1.1` and headers. head ends with its empty line, holds no NUL and is
 * written to; ret borrows from it. False: not such a request. ret must not move: r points into it.
 */
bool sim_parse(char *head, struct sim_request *ret);
