/* lib/sim/supabase.h: the parts of the PostgREST model, for its own files. */
#pragma once

#include "lib/sim/kept.h"
#include "lib/sim/model.h"

/* Columns of the one table; id is a number, the others are texts or null. */
enum column { COLUMN_NAME, COLUMN_DOMAIN, COLUMN_CITY, COLUMN_STATE, COLUMN_PMS, COLUMN_ID, COLUMN_N };
extern const char *const column_words[COLUMN_N + 1];

struct seen_row {
	uint64_t id;
	struct row row;
};

struct filter;

/*
 * The filters of the query, as a tree: COLUMN=OP.VALUE, COLUMN=not.OP.VALUE, or=(…), and=(…), not.or=(…), not.and=(…).
 * Operators: eq neq gt gte lt lte like ilike in is. False: ask_bad says what is wrong.
 */
bool filter_read(struct ask *q, struct filter **ret) MUST_CHECK;
bool filter_match(const struct filter *f, const struct seen_row *r);
/* The values that rows must have one of in that column, by `eq` or `in` beside all other filters; 0: any. */
size_t filter_values(const struct filter *f, enum column c, const char *ret[], size_t max);

/* `order=a.desc.nullslast,b`: sorts; rows that are alike stay as they are. False: ask_bad. */
bool rows_order(struct ask *q, struct seen_row *rows, size_t n) MUST_CHECK;

/* `select=a,b:c`: which columns under which names; all without it. */
struct selection {
	size_t n;
	struct {
		enum column column;
		const char *as;
	} list[2 * COLUMN_N];
};
bool selection_read(struct ask *q, struct selection *ret) MUST_CHECK;
