/* The words of PostgREST's queries, and the columns they name. See supabase.h. */
#include "lib/sim/supabase.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const column_words[COLUMN_N + 1] = {"name", "domain", "city", "state", "pms", "id", NULL};

bool query_bad(struct ask *q, const char *what, const char *text)
{
	if (q->bad == NULL) {
		ask_bad(q, 400, "PGRST100", "failed to parse %s (%.60s)", what, text);
	}
	return false;
}

bool column_find(struct ask *q, const char *name, enum column *ret)
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

size_t query_part(const char *text)
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

const char *query_plain(struct ask *q, const char *text, size_t len)
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

const char *column_text(const struct seen_row *r, enum column c, char number[24])
{
	const char *const texts[] = {r->row.name, r->row.domain, r->row.city, r->row.state, r->row.pms};

	if (c != COLUMN_ID) {
		return texts[c];
	}
	(void)snprintf(number, 24, "%llu", (unsigned long long)r->id);
	return number;
}

int column_compare(enum column c, const char *a, const char *b)
{
	if (c == COLUMN_ID) {
		long long x = atoll(a), y = atoll(b);

		return (x > y) - (x < y);
	}
	return strcmp(a, b);
}
