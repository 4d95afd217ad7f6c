/*
 * lib/sim/supabase_filter.c: which rows PostgREST shows.
 *
 * Nulls are as in SQL: a comparison with one is neither true nor false, and `not` does not change
 * that; only `is` sees them.
 */
#include "lib/sim/supabase.h"

#include <ctype.h>
#include <string.h>

#define DEPTH_MAX 8

enum op { OP_EQ, OP_NEQ, OP_GT, OP_GTE, OP_LT, OP_LTE, OP_LIKE, OP_ILIKE, OP_IN, OP_IS, OP_AND, OP_OR, OP_N };
static const char *const op_words[OP_N] = {"eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "in", "is", "and", "or"};

enum truth { NO, YES, UNKNOWN };

struct filter {
	enum op op;
	bool negated;
	enum column column;
	const char **values; /* IN; of the others the first alone */
	size_t n_values;
	struct filter *first, *next; /* AND, OR: what stands in it */
};

/* --- reading --- */

/* `(a,"b,c")`, which must be all of it. */
static bool read_list(struct ask *q, const char *text, struct filter *f)
{
	size_t len = strlen(text);
	const char *p = text + 1;

	f->values = arena_alloc(q->a, (len + 1) * sizeof(*f->values));
	if (f->values == NULL || text[0] != '(' || text[len - 1] != ')') {
		return query_bad(q, "filter", text);
	}
	while (p < text + len - 1) {
		size_t n = query_part(p);

		f->values[f->n_values++] = query_plain(q, p, n);
		p += n + 1;
	}
	return true;
}

static bool is_word_of_is(const char *text)
{
	static const char *const words[] = {"null", "not_null", "true", "false", "unknown"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i], text) == 0) {
			return true;
		}
	}
	return false;
}

/* `not.eq.VALUE`; in a list the value may be quoted. */
static bool read_comparison(struct ask *q, const char *text, bool listed, struct filter *f)
{
	const char *all = text;

	while (strncmp(text, "not.", 4) == 0) {
		f->negated = !f->negated;
		text += 4;
	}
	for (f->op = OP_EQ; f->op < OP_AND; f->op++) {
		size_t len = strlen(op_words[f->op]);

		if (strncmp(text, op_words[f->op], len) == 0 && text[len] == '.') {
			text += len + 1;
			break;
		}
	}
	if (f->op == OP_AND) {
		return query_bad(q, "filter", all);
	}
	if (f->op == OP_IN) {
		return read_list(q, text, f);
	}
	f->values = arena_alloc(q->a, sizeof(*f->values));
	if (f->values == NULL) {
		return query_bad(q, "filter", all);
	}
	f->values[0] = listed ? query_plain(q, text, strlen(text)) : text;
	f->n_values = 1;
	return f->op != OP_IS || is_word_of_is(f->values[0]) || query_bad(q, "filter", all);
}

static bool read_tree(struct ask *q, const char *text, unsigned depth, struct filter *of);

/* `and(…)`, `not.or(…)`: what stands in the brackets; NULL: it is none. */
static const char *group_of(const char *text, struct filter *f)
{
	bool negated = strncmp(text, "not.", 4) == 0;

	text += negated ? 4 : 0;
	for (f->op = OP_AND; f->op <= OP_OR; f->op++) {
		size_t len = strlen(op_words[f->op]);

		if (strncmp(text, op_words[f->op], len) == 0 && text[len] == '(') {
			f->negated = negated;
			return text + len;
		}
	}
	return NULL;
}

static bool read_member(struct ask *q, const char *text, unsigned depth, struct filter *f)
{
	const char *group = group_of(text, f), *dot = strchr(text, '.');

	if (group != NULL) {
		return read_tree(q, group, depth + 1, f);
	}
	return dot != NULL ? column_find(q, query_plain(q, text, (size_t)(dot - text)), &f->column) && read_comparison(q, dot + 1, true, f)
			   : query_bad(q, "logic tree", text);
}

static struct filter *add_to(struct ask *q, struct filter *of)
{
	struct filter *f = arena_zalloc(q->a, sizeof(*f));

	if (f != NULL) {
		f->next = of->first;
		of->first = f;
	}
	return f;
}

/* `(a.eq.1,or(b.gt.2,c.is.null))` */
static bool read_tree(struct ask *q, const char *text, unsigned depth, struct filter *of)
{
	size_t len = strlen(text);
	const char *p = text + 1;

	if (len < 3 || text[0] != '(' || text[len - 1] != ')' || depth > DEPTH_MAX) {
		return query_bad(q, "logic tree", text);
	}
	while (p < text + len - 1) {
		size_t n = query_part(p);
		struct filter *f = add_to(q, of);
		const char *part = arena_dup(q->a, p, n);

		if (f == NULL || part == NULL || !read_member(q, part, depth, f)) {
			return query_bad(q, "logic tree", text);
		}
		p += n + 1;
	}
	return true;
}

static bool is_no_filter(const char *name)
{
	static const char *const words[] = {"select", "order", "limit", "offset", "columns", "on_conflict"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i], name) == 0) {
			return true;
		}
	}
	return false;
}

static bool read_one(struct ask *q, const char *name, const char *value, struct filter *all)
{
	struct filter *f = add_to(q, all);
	bool negated = strncmp(name, "not.", 4) == 0;
	const char *group = negated ? name + 4 : name;

	if (f == NULL) {
		return query_bad(q, "filter", value);
	}
	if (strcmp(group, "or") == 0 || strcmp(group, "and") == 0) {
		f->op = group[0] == 'o' ? OP_OR : OP_AND;
		f->negated = negated;
		return read_tree(q, value, 1, f);
	}
	return column_find(q, name, &f->column) && read_comparison(q, value, false, f);
}

bool filter_read(struct ask *q, struct filter **ret)
{
	struct filter *all = arena_zalloc(q->a, sizeof(*all));
	const char *name, *value;

	if (all == NULL) {
		return query_bad(q, "filter", "");
	}
	all->op = OP_AND;
	for (const char *at = NULL; ask_query_next(q, &at, &name, &value);) {
		if (!is_no_filter(name) && !read_one(q, name, value, all)) {
			return false;
		}
	}
	*ret = all;
	return true;
}

/* --- comparing --- */

static bool is_any(char c)
{
	return c == '%' || c == '*';
}

static bool is_char(char have, char pattern, bool any_case)
{
	return pattern == '_' || pattern == have || (any_case && tolower((unsigned char)pattern) == tolower((unsigned char)have));
}

/* % or * any run, _ one character. What goes wrong behind a run is tried again one character later. */
static bool is_like(const char *text, const char *pattern, bool any_case)
{
	const char *run = NULL, *from = NULL;

	while (*text != '\0') {
		if (is_any(*pattern)) {
			run = ++pattern;
			from = text;
		} else if (*pattern != '\0' && is_char(*text, *pattern, any_case)) {
			pattern++;
			text++;
		} else if (run != NULL) {
			pattern = run;
			text = ++from;
		} else {
			return false;
		}
	}
	while (is_any(*pattern)) {
		pattern++;
	}
	return *pattern == '\0';
}

static enum truth compared(const struct filter *f, const struct seen_row *r)
{
	char number[24];
	const char *have = column_text(r, f->column, number), *want = f->n_values > 0 ? f->values[0] : "";
	bool is = false;

	if (f->op == OP_IS) {
		return (have == NULL) == (strcmp(want, "null") == 0) && (have == NULL || strcmp(want, "not_null") == 0) ? YES : NO;
	}
	if (have == NULL) {
		return UNKNOWN;
	}
	for (size_t i = 0; f->op == OP_IN && i < f->n_values; i++) {
		is = is || column_compare(f->column, have, f->values[i]) == 0;
	}
	switch (f->op) {
	case OP_EQ:
		return column_compare(f->column, have, want) == 0 ? YES : NO;
	case OP_NEQ:
		return column_compare(f->column, have, want) != 0 ? YES : NO;
	case OP_GT:
		return column_compare(f->column, have, want) > 0 ? YES : NO;
	case OP_GTE:
		return column_compare(f->column, have, want) >= 0 ? YES : NO;
	case OP_LT:
		return column_compare(f->column, have, want) < 0 ? YES : NO;
	case OP_LTE:
		return column_compare(f->column, have, want) <= 0 ? YES : NO;
	case OP_LIKE:
	case OP_ILIKE:
		return is_like(have, want, f->op == OP_ILIKE) ? YES : NO;
	default:
		return is ? YES : NO;
	}
}

static enum truth holds(const struct filter *f, const struct seen_row *r)
{
	enum truth t = f->op == OP_OR ? NO : YES, end = f->op == OP_OR ? YES : NO;

	if (f->op != OP_AND && f->op != OP_OR) {
		t = compared(f, r);
	}
	for (const struct filter *c = f->first; c != NULL && t != end; c = c->next) {
		enum truth one = holds(c, r);

		t = one == end || one == UNKNOWN ? one : t;
	}
	return !f->negated || t == UNKNOWN ? t : t == YES ? NO : YES;
}

bool filter_match(const struct filter *f, const struct seen_row *r)
{
	return holds(f, r) == YES;
}

size_t filter_values(const struct filter *f, enum column c, const char *ret[], size_t max)
{
	size_t n = 0;

	for (const struct filter *x = f->first; x != NULL && n == 0; x = x->next) {
		if (x->column == c && !x->negated && (x->op == OP_EQ || x->op == OP_IN)) {
			for (; n < x->n_values && n < max; n++) {
				ret[n] = x->values[n];
			}
		}
	}
	return n;
}
