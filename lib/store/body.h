/*
 * lib/store/body.h: answers as they came, for replay: call id -> what the transport saw, headers, body.
 *
 * Written in the transaction that settles the call, kept for a while (`answers: {keep: 7d}`), and the only table besides
 * lead and fact that holds people's data. Never the key of a service. What was asked stands in the ledger (call_row.hash).
 */
#pragma once

#include "lib/store/store.h"

#define BODY_BYTES ((size_t)64 * 1024) /* more of an answer is not kept */
#define BODY_HEADERS 64
#define BODY_HEADER_BYTES 4096 /* names and values of all of them; what goes beyond is not kept */

struct body_header {
	const char *name, *value;
};

struct body_row {
	uint8_t transport;             /* enum transport */
	bool cut;                      /* the body was longer than what is kept */
	uint16_t status;
	int64_t first_us, end_us;      /* after sending; 0: it never came to that */
	char why[96];
	struct body_header headers[BODY_HEADERS];
	size_t n_headers;
	struct slice bytes;            /* the body */
};

/* All but the body, into out. */
void body_head_write(const struct body_row *r, struct buf *out);
/* head: of body_head_write. The body is cut at BODY_BYTES. */
void body_write(struct txn *t, uint64_t call, struct slice head, struct slice body);
/* Texts are borrowed from the store. False when there is none. */
bool body_read(struct txn *t, uint64_t call, struct body_row *ret);
bool body_decode(struct slice value, struct body_row *ret);
/* The oldest call that has one; 0 when none has. */
uint64_t body_oldest(struct txn *t);
/* Deletes the answers of calls before that id, at most `most` of them; how many it were. */
unsigned body_expire(struct txn *t, uint64_t before, unsigned most);
