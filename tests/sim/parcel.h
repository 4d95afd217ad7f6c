/* tests/sim/parcel.h: a request on its way to a simulated provider, and the answer on its way back. */
#pragma once

#include "lib/service/answer.h"
#include "lib/service/request.h"
#include "lib/sim/world.h"

struct parcel {
	struct world_request request;
	const char *host; /* of its address; the world is not told unless somebody does */
	struct world_header headers[26];
	char *bytes;  /* all texts of the request */
	char *answer; /* the body, behind it the headers; NULL: there is none, or it was opened */
	size_t answer_len;
	struct http_header got[WORLD_HEADERS];
	size_t n_got;
	int status;
	uint64_t token;
};
/* The engine's request lives only as long as the call that starts it: this is a copy. */
void parcel_pack(struct parcel *p, const struct request *q);
void parcel_answer(struct parcel *p, const struct world_plan *plan);
/* Status, headers and body as the engine takes them; the body, which the headers stand in too, is the engine's from then on. */
void parcel_open(struct parcel *p, struct http_answer *ret);
void parcel_fini(struct parcel *p);
