/* tests/sim/books.h: the ledger beside the provider's log, for check_wire.c and check_waits.c. */
#pragma once

#include "lib/store/ledger.h"
#include "tests/sim/check.h"

struct account_line;

struct books {
	const struct check_input *in;
	struct result *r;
	struct call_row *rows; /* in order of ids */
	size_t n, cap;
	const struct wire **sent; /* beside rows; NULL: never arrived */
	const struct account_line **lines;
};

/* SIZE_MAX: no such call. */
size_t books_find(const struct books *b, uint64_t call);
void check_waits(struct books *b);
void check_left_alone(struct books *b);
void check_approvals(struct books *b);
void check_together(struct books *b); /* check_together.c */
