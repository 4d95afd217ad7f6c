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

/* --- supabase.c --- */

/* `{code, details, hint, message}`. */
void supabase_error(struct ask *q, struct world_plan *p, int status, const char *code, const char *message);

/* --- supabase_select.c --- */

int supabase_select(struct ask *q, struct world_plan *p); /* LEAD_ENOMEM */

/* --- supabase_text.c --- */

/* 400 in PostgREST's words, unless one was said before; false. */
bool query_bad(struct ask *q, const char *what, const char *text);
/* How long the part is that begins here: to a comma or a bracket outside of quotes and brackets. */
size_t query_part(const char *text);
/* A part without its quotes. */
const char *query_plain(struct ask *q, const char *text, size_t len);
bool column_find(struct ask *q, const char *name, enum column *ret); /* false: ask_bad */
/* What stands there, NULL for a null; number: room for an id. */
const char *column_text(const struct seen_row *r, enum column c, char number[24]);
int column_compare(enum column c, const char *a, const char *b);

/* --- supabase_filter.c --- */

struct filter;

/*
 * The filters of the query, as a tree: COLUMN=OP.VALUE, COLUMN=not.OP.VALUE, or=(…), and=(…), not.or=(…), not.and=(…).
 * Operators: eq neq gt gte lt lte like ilike in is. False: ask_bad says what is wrong.
 */
bool filter_read(struct ask *q, struct filter **ret) MUST_CHECK;
bool filter_match(const struct filter *f, const struct seen_row *r);
/* The values that rows must have one of in that column, by `eq` or `in` beside all other filters; 0: any. */
size_t filter_values(const struct filter *f, enum column c, const char *ret[], size_t max);

/* --- supabase_order.c --- */

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
