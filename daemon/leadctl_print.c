/*
 * daemon/leadctl_print.c: tables, fields, lines, bars. Everything that comes from files and
 * services passes text_write_safe, so that a lead cannot move the cursor or turn the writing.
 * Widths are those of a terminal: UTF-8, wide and combining characters counted as shown.
 */
#include "daemon/leadctl.h"

#include "lib/base/text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <json-c/json.h>

#define GAP 2       /* blanks between columns */
#define LEAST_CUT 8 /* columns that a shortened one keeps */

static const char *code_of(enum color color)
{
	static const char *const codes[] = {
	    "", "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m"};

	return codes[color];
}

static size_t char_width(uint32_t ch)
{
	int w = wcwidth((wchar_t)ch);

	return w >= 0 ? (size_t)w : 1;
}

static size_t text_width(const char *text, size_t len)
{
	const char *end = text + len;
	size_t width = 0, n;
	uint32_t ch;

	while (text < end) {
		n = text_next(text, end, &ch);
		width += n > 0 ? char_width(ch) : 1;
		text += n > 0 ? n : 1;
	}
	return width;
}

void text_cut(struct buf *out, const char *text, size_t width, bool utf8)
{
	const char *end = text + strlen(text), *mark = utf8 ? "…" : "...";
	size_t used = 0, room = width - (utf8 ? 1 : 3), n;
	uint32_t ch;

	if (text_width(text, strlen(text)) <= width) {
		buf_add_text(out, text);
		return;
	}
	while (text < end) {
		n = text_next(text, end, &ch);
		if (used + (n > 0 ? char_width(ch) : 1) > room) {
			break;
		}
		used += n > 0 ? char_width(ch) : 1;
		buf_add(out, text, n > 0 ? n : 1);
		text += n > 0 ? n : 1;
	}
	buf_add_text(out, mark);
}

void text_bar(struct buf *out, uint64_t done, uint64_t total, size_t width, bool utf8)
{
	size_t full = total > 0 ? (size_t)(done * width / total) : 0;

	for (size_t i = 0; i < width; i++) {
		if (utf8) {
			buf_add_text(out, i < full ? "█" : "░");
		} else {
			buf_add_char(out, i < full ? '#' : '-');
		}
	}
}

/* Formats, makes harmless, keeps. */
static const char *safe(struct ctl *c, const char *format, va_list args)
{
	struct buf out = {0};
	char *text = NULL;
	const char *kept;

	if (vasprintf(&text, format, args) < 0) {
		abort(); /* out of memory */
	}
	text_write_safe(&out, text, strlen(text));
	kept = arena_dup(&c->mem, out.len > 0 ? out.data : "", out.len);
	buf_free(&out);
	free(text);
	return kept;
}

void print_line(struct ctl *c, enum color color, const char *format, ...)
{
	const char *text;
	va_list args;

	va_start(args, format);
	text = safe(c, format, args);
	va_end(args);
	if (c->color && color != PLAIN) {
		printf("%s%s\033[0m\n", code_of(color), text);
	} else {
		puts(text);
	}
}

void print_field(struct ctl *c, const char *name, const char *format, ...)
{
	size_t width = text_width(name, strlen(name));
	const char *text;
	va_list args;

	va_start(args, format);
	text = safe(c, format, args);
	va_end(args);
	printf("%s%s%s%*s  %s\n", c->color ? code_of(DIM) : "", name, c->color ? "\033[0m" : "",
	    (int)(width < 16 ? 16 - width : 0), "", text);
}

void print_error(const char *format, ...)
{
	struct buf out = {0};
	char text[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	text_write_safe(&out, text, strlen(text));
	(void)fflush(stdout);
	fprintf(stderr, "leadctl: %s\n", out.data);
	buf_free(&out);
}

void print_json(struct json_object *o)
{
	puts(json_object_to_json_string_ext(
	    o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE));
}

enum color color_of_state(const char *state)
{
	static const struct {
		const char *word;
		enum color color;
	} words[] = {{"running", GREEN}, {"ok", GREEN}, {"ready", GREEN}, {"done", GREEN},
	    {"closed", GREEN}, {"confirmed", GREEN}, {"settled", GREEN}, {"failed", RED},
	    {"open", RED}, {"cancelled", RED}, {"in-doubt", RED}, {"paused", YELLOW},
	    {"parked", YELLOW}, {"held", YELLOW}, {"draining", YELLOW}, {"half-open", YELLOW},
	    {"retrying", YELLOW}, {"waiting-approval", YELLOW}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].word, state) == 0) {
			return words[i].color;
		}
	}
	return PLAIN;
}

/* --- tables --- */

void table_init(struct table *t, const char *columns)
{
	*t = (struct table){0};
	while (*columns != '\0' && t->n_columns < TABLE_COLUMNS) {
		size_t len = strcspn(columns, " "), n = 0;

		for (size_t i = 0; i < len; i++) {
			if (columns[i] == '>') {
				t->columns[t->n_columns].right = true;
			} else if (columns[i] == '*') {
				t->columns[t->n_columns].flexible = true;
			} else if (n + 1 < sizeof(t->columns[0].title)) {
				t->columns[t->n_columns].title[n++] =
				    columns[i] == '_' ? ' ' : columns[i];
			}
		}
		t->n_columns++;
		columns += len + strspn(columns + len, " ");
	}
	assert(*columns == '\0'); /* else the cells of a row would move into the next one */
}

void table_cell(struct ctl *c, struct table *t, const char *format, ...)
{
	struct cell *cell;
	va_list args;

	if (t->n_cells == t->room) {
		t->room = t->room == 0 ? 64 : t->room * 2;
		t->cells = realloc(t->cells, t->room * sizeof(*t->cells));
		if (t->cells == NULL) {
			abort(); /* out of memory */
		}
	}
	cell = &t->cells[t->n_cells++];
	va_start(args, format);
	cell->text = safe(c, format, args);
	va_end(args);
	cell->width = text_width(cell->text, strlen(cell->text));
	cell->color = PLAIN;
}

void table_color(struct table *t, enum color color)
{
	t->cells[t->n_cells - 1].color = color;
}

/* Column widths; the widest flexible ones give way until the table fits the screen. */
static void measure(const struct ctl *c, const struct table *t, size_t widths[TABLE_COLUMNS])
{
	size_t total = 0;

	for (size_t i = 0; i < t->n_columns; i++) {
		widths[i] = strlen(t->columns[i].title);
		for (size_t k = i; k < t->n_cells; k += t->n_columns) {
			widths[i] = t->cells[k].width > widths[i] ? t->cells[k].width : widths[i];
		}
		total += widths[i] + (i > 0 ? GAP : 0);
	}
	while (c->width > 0 && total > c->width) {
		size_t widest = TABLE_COLUMNS;

		for (size_t i = 0; i < t->n_columns; i++) {
			if (t->columns[i].flexible && widths[i] > LEAST_CUT &&
			    (widest == TABLE_COLUMNS || widths[i] > widths[widest])) {
				widest = i;
			}
		}
		if (widest == TABLE_COLUMNS) {
			break;
		}
		widths[widest]--;
		total--;
	}
}

static void put_cell(const struct ctl *c, const struct table *t, size_t column, const char *text,
    enum color color, size_t width)
{
	struct buf cut = {0};
	size_t used;

	text_cut(&cut, text, width, c->utf8);
	used = text_width(cut.len > 0 ? cut.data : "", cut.len);
	printf("%*s", column > 0 ? GAP : 0, "");
	if (t->columns[column].right) {
		printf("%*s", (int)(width - used), "");
	}
	printf("%s%s%s", c->color ? code_of(color) : "", cut.len > 0 ? cut.data : "",
	    c->color && color != PLAIN ? "\033[0m" : "");
	if (!t->columns[column].right && column + 1 < t->n_columns) {
		printf("%*s", (int)(width - used), "");
	}
	buf_free(&cut);
}

void table_print(struct ctl *c, struct table *t)
{
	size_t widths[TABLE_COLUMNS];

	if (t->n_cells > 0) {
		measure(c, t, widths);
		for (size_t i = 0; i < t->n_columns; i++) {
			put_cell(c, t, i, t->columns[i].title, BOLD, widths[i]);
		}
		putchar('\n');
	}
	for (size_t k = 0; k < t->n_cells; k++) {
		put_cell(c, t, k % t->n_columns, t->cells[k].text, t->cells[k].color,
		    widths[k % t->n_columns]);
		if (k % t->n_columns == t->n_columns - 1) {
			putchar('\n');
		}
	}
	free(t->cells);
	*t = (struct table){0};
}

int answer_show(
    struct ctl *c, int rc, struct json_object *answer, void (*print)(struct ctl *c, struct json_object *answer))
{
	if (rc == CTL_OK && c->json) {
		print_json(answer);
	} else if (rc == CTL_OK) {
		print(c, answer);
	}
	json_object_put(answer);
	return rc;
}

int list_print(struct ctl *c, const struct args *a, const char *path, struct table *t, row_fn row,
    const char *none)
{
	struct json_object *list, *items;
	int64_t most = 50;
	int rc;

	(void)args_number(a, "limit", &most);
	rc = api_list(c, path, args_has(a, "all") ? 0 : (uint64_t)most, &list);
	if (rc != CTL_OK) {
		return rc;
	}
	items = get_list(list, "items");
	if (c->json) {
		print_json(list);
	} else if (list_length(items) == 0) {
		print_line(c, PLAIN, "%s", none);
	} else {
		for (size_t i = 0; i < list_length(items); i++) {
			row(c, t, list_at(items, i));
		}
		table_print(c, t);
		if (get_has(list, "next")) {
			print_line(c, DIM, "there are more: --limit N or --all");
		}
	}
	json_object_put(list);
	return CTL_OK;
}
