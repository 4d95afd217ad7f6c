/*
 * lib/sim/supabase_order.c: in which order PostgREST shows rows, and what of them.
 */
#include "lib/sim/supabase.h"

#include <string.h>

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
		return query_bad(q, "order", text);
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
			return query_bad(q, "order", text);
		}
	}
	ret->nulls_first = told ? ret->nulls_first : ret->falls;
	return column_find(q, copy, &ret->column);
}

static bool is_behind(const struct ordering *by, size_t n, const struct seen_row *a, const struct seen_row *b)
{
	for (size_t i = 0; i < n; i++) {
		char x[24], y[24];
		const char *left = column_text(a, by[i].column, x), *right = column_text(b, by[i].column, y);
		int c;

		if (left == NULL || right == NULL) {
			if ((left == NULL) != (right == NULL)) {
				return (left == NULL) != by[i].nulls_first;
			}
			continue;
		}
		c = column_compare(by[i].column, left, right);
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
		size_t len = query_part(text);

		if (!read_ordering(q, query_plain(q, text, len), &by[n_by++])) {
			return false;
		}
		text += len + (text[len] == ',');
	}
	if (room == NULL) {
		return query_bad(q, "order", "");
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
	name = query_plain(q, name, cast != NULL ? (size_t)(cast - name) : strlen(name));
	if (!column_find(q, name, &c)) {
		return false;
	}
	if (s->n < 2 * COLUMN_N) {
		s->list[s->n].column = c;
		s->list[s->n++].as = colon != NULL && colon[1] != ':' ? query_plain(q, text, (size_t)(colon - text)) : name;
	}
	return true;
}

bool selection_read(struct ask *q, struct selection *ret)
{
	const char *text = ask_query_text(q, "select");

	ret->n = 0;
	text = text != NULL && *text != '\0' ? text : "*";
	while (*text != '\0') {
		size_t len = query_part(text);

		if (!select_one(q, query_plain(q, text, len), ret)) {
			return false;
		}
		text += len + (text[len] != '\0');
	}
	return true;
}
