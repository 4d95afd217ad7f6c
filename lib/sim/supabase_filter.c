/*
 * lib/sim/supabase_filter.c: which rows PostgREST shows, in which order, and what of them.
 *
 * Nulls are as in SQL: a comparison with one is neither true nor false, and `not` does not change
 * that; only `is` sees them.
 */
#include "lib/sim/supabase.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 8

const char *const column_words[COLUMN_N + 1] = {"name", "domain", "city", "state", "pms", "id", NULL};

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

static bool bad(struct ask *q, const char *what, const char *text)
{
	if (q->bad == NULL) {
		ask_bad(q, 400, "PGRST100", "failed to parse %s (%.60s)", what, text);
	}
	return false;
}

static bool column_of(struct ask *q, const char *name, enum column *ret)
{
	for (int c = 0; c < COLUMN_N; c++) {
		if (strcmp(column_words[c], name) == 0) {
			*ret = (enum column)c;
			return true;
		}
	}
	ask_bad(q, 400, "42703", "column companies.%.60s does not exist", name);
	return false;
}

/* Where the part that begins here ends: at a comma or a bracket outside of quotes and brackets. */
static size_t part_length(const char *text)
{
	int depth = 0;
	bool quoted = false;
	size_t n = 0;

	for (; text[n] != '\0'; n++) {
		if (text[n] == '\\' && quoted && text[n + 1] != '\0') {
			n++;
		} else if (text[n] == '"') {
			quoted = !quoted;
		} else if (!quoted && text[n] == '(') {
			depth++;
		} else if (!quoted && ((text[n] == ')' && depth-- == 0) || (text[n] == ',' && depth == 0))) {
			break;
		}
	}
	return n;
}

/* Without the quotes around it. */
static const char *plain(struct ask *q, const char *text, size_t len)
{
	char *copy = arena_alloc(q->a, len + 1);
	size_t n = 0;

	if (copy == NULL) {
		return "";
	}
	if (len < 2 || text[0] != '"' || text[len - 1] != '"') {
		memcpy(copy, text, len);
		copy[len] = '\0';
		return copy;
	}
	for (size_t i = 1; i + 1 < len; i++) {
		i += text[i] == '\\' && i + 2 < len;
		copy[n++] = text[i];
	}
	copy[n] = '\0';
	return copy;
}

/* `(a,"b,c")`, which must be all of it. */
static bool read_list(struct ask *q, const char *text, struct filter *f)
{
	size_t len = strlen(text);
	const char *p = text + 1;

	f->values = arena_alloc(q->a, (len + 1) * sizeof(*f->values));
	if (f->values == NULL || text[0] != '(' || text[len - 1] != ')') {
		return bad(q, "filter", text);
	}
	while (p < text + len - 1) {
		size_t n = part_length(p);

		f->values[f->n_values++] = plain(q, p, n);
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
		return bad(q, "filter", all);
	}
	if (f->op == OP_IN) {
		return read_list(q, text, f);
	}
	f->values = arena_alloc(q->a, sizeof(*f->values));
	if (f->values == NULL) {
		return bad(q, "filter", all);
	}
	f->values[0] = listed ? plain(q, text, strlen(text)) : text;
	f->n_values = 1;
	return f->op != OP_IS || is_word_of_is(f->values[0]) || bad(q, "filter", all);
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
	return dot != NULL ? column_of(q, plain(q, text, (size_t)(dot - text)), &f->column) && read_comparison(q, dot + 1, true, f)
			   : bad(q, "logic tree", text);
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
		return bad(q, "logic tree", text);
	}
	while (p < text + len - 1) {
		size_t n = part_length(p);
		struct filter *f = add_to(q, of);
		const char *part = arena_dup(q->a, p, n);

		if (f == NULL || part == NULL || !read_member(q, part, depth, f)) {
			return bad(q, "logic tree", text);
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
		return bad(q, "filter", value);
	}
	if (strcmp(group, "or") == 0 || strcmp(group, "and") == 0) {
		f->op = group[0] == 'o' ? OP_OR : OP_AND;
		f->negated = negated;
		return read_tree(q, value, 1, f);
	}
	return column_of(q, name, &f->column) && read_comparison(q, value, false, f);
}

bool filter_read(struct ask *q, struct filter **ret)
{
	struct filter *all = arena_zalloc(q->a, sizeof(*all));
	const char *name, *value;

	if (all == NULL) {
		return bad(q, "filter", "");
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

static const char *text_of(const struct seen_row *r, enum column c, char number[24])
{
	const char *const texts[] = {r->row.name, r->row.domain, r->row.city, r->row.state, r->row.pms};

	if (c != COLUMN_ID) {
		return texts[c];
	}
	(void)snprintf(number, 24, "%llu", (unsigned long long)r->id);
	return number;
}

static int compare(enum column c, const char *a, const char *b)
{
	if (c == COLUMN_ID) {
		long long x = atoll(a), y = atoll(b);

		return (x > y) - (x < y);
	}
	return strcmp(a, b);
}

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
	const char *have = text_of(r, f->column, number), *want = f->n_values > 0 ? f->values[0] : "";
	bool is = false;

	if (f->op == OP_IS) {
		return (have == NULL) == (strcmp(want, "null") == 0) && (have == NULL || strcmp(want, "not_null") == 0) ? YES : NO;
	}
	if (have == NULL) {
		return UNKNOWN;
	}
	for (size_t i = 0; f->op == OP_IN && i < f->n_values; i++) {
		is = is || compare(f->column, have, f->values[i]) == 0;
	}
	switch (f->op) {
	case OP_EQ:
		return compare(f->column, have, want) == 0 ? YES : NO;
	case OP_NEQ:
		return compare(f->column, have, want) != 0 ? YES : NO;
	case OP_GT:
		return compare(f->column, have, want) > 0 ? YES : NO;
	case OP_GTE:
		return compare(f->column, have, want) >= 0 ? YES : NO;
	case OP_LT:
		return compare(f->column, have, want) < 0 ? YES : NO;
	case OP_LTE:
		return compare(f->column, have, want) <= 0 ? YES : NO;
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

/* --- order --- */

struct ordering {
	enum column column;
	bool falls, nulls_first;
};

static bool read_ordering(struct ask *q, const char *text, struct ordering *ret)
{
	char *copy = (char *)(uintptr_t)arena_dup(q->a, text, strlen(text)), *rest;
	bool told = false;

	if (copy == NULL) {
		return bad(q, "order", text);
	}
	rest = strchr(copy, '.');
	if (rest != NULL) {
		*rest++ = '\0';
	}
	*ret = (struct ordering){0};
	for (char *word; (word = strsep(&rest, ".")) != NULL;) {
		if (strcmp(word, "desc") == 0) {
			ret->falls = true;
		} else if (strncmp(word, "nulls", 5) == 0) {
			told = true;
			ret->nulls_first = strcmp(word, "nullsfirst") == 0;
		} else if (strcmp(word, "asc") != 0) {
			return bad(q, "order", text);
		}
	}
	ret->nulls_first = told ? ret->nulls_first : ret->falls;
	return column_of(q, copy, &ret->column);
}

static bool is_behind(const struct ordering *by, size_t n, const struct seen_row *a, const struct seen_row *b)
{
	for (size_t i = 0; i < n; i++) {
		char x[24], y[24];
		const char *left = text_of(a, by[i].column, x), *right = text_of(b, by[i].column, y);
		int c;

		if (left == NULL || right == NULL) {
			if ((left == NULL) != (right == NULL)) {
				return (left == NULL) != by[i].nulls_first;
			}
			continue;
		}
		c = compare(by[i].column, left, right);
		if (c != 0) {
			return (c > 0) != by[i].falls;
		}
	}
	return false;
}

/* Halves, merged: rows that are alike keep their places. */
static void sort(const struct ordering *by, size_t n_by, struct seen_row *rows, struct seen_row *room, size_t n)
{
	size_t half = n / 2, a = 0, b = half;

	if (n < 2) {
		return;
	}
	sort(by, n_by, rows, room, half);
	sort(by, n_by, rows + half, room, n - half);
	memcpy(room, rows, n * sizeof(*rows));
	for (size_t i = 0; i < n; i++) {
		bool right = a == half || (b < n && is_behind(by, n_by, &room[a], &room[b]));

		rows[i] = right ? room[b++] : room[a++];
	}
}

bool rows_order(struct ask *q, struct seen_row *rows, size_t n)
{
	const char *text = ask_query_text(q, "order");
	struct seen_row *room = arena_alloc(q->a, (n + 1) * sizeof(*room));
	struct ordering by[COLUMN_N];
	size_t n_by = 0;

	while (text != NULL && *text != '\0' && n_by < COLUMN_N) {
		size_t len = part_length(text);

		if (!read_ordering(q, plain(q, text, len), &by[n_by++])) {
			return false;
		}
		text += len + (text[len] == ',');
	}
	if (room == NULL) {
		return bad(q, "order", "");
	}
	if (n_by > 0) {
		sort(by, n_by, rows, room, n);
	}
	return true;
}

/* --- select --- */

static bool select_one(struct ask *q, const char *text, struct selection *s)
{
	const char *colon = strchr(text, ':'), *name = colon != NULL && colon[1] != ':' ? colon + 1 : text;
	const char *cast = strstr(name, "::");
	enum column c = COLUMN_N;

	if (strcmp(text, "*") == 0) {
		for (int k = 0; k < COLUMN_N && s->n < 2 * COLUMN_N; k++) { /* id first */
			c = k == 0 ? COLUMN_ID : (enum column)(k - 1);
			s->list[s->n].column = c;
			s->list[s->n++].as = column_words[c];
		}
		return true;
	}
	if (strchr(name, '(') != NULL) {
		ask_bad(q, 400, "PGRST200", "Could not find a relationship between 'companies' and '%.60s' in the schema cache", name);
		return false;
	}
	name = plain(q, name, cast != NULL ? (size_t)(cast - name) : strlen(name));
	if (!column_of(q, name, &c)) {
		return false;
	}
	if (s->n < 2 * COLUMN_N) {
		s->list[s->n].column = c;
		s->list[s->n++].as = colon != NULL && colon[1] != ':' ? plain(q, text, (size_t)(colon - text)) : name;
	}
	return true;
}

bool selection_read(struct ask *q, struct selection *ret)
{
	const char *text = ask_query_text(q, "select");

	ret->n = 0;
	text = text != NULL && *text != '\0' ? text : "*";
	while (*text != '\0') {
		size_t len = part_length(text);

		if (!select_one(q, plain(q, text, len), ret)) {
			return false;
		}
		text += len + (text[len] != '\0');
	}
	return true;
}
