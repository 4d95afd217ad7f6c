/*
 * lib/base/yaml_read.c: takes values out of a loaded file and collects what is
 * wrong with them. A reader looks up the key, then the kind of its value, then
 * the range; whatever fails becomes one problem that names the key and what
 * would be right, and reading goes on, so that one look shows all mistakes.
 */
#include "lib/base/yaml.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/money.h"
#include "lib/base/text.h"
#include "lib/base/time.h"

#define PROBLEMS_MAX 100

/* What a person calls a value of each kind. */
static const char *const KIND_NAMES[] = {
    [YAML_NULL] = "empty",
    [YAML_BOOL] = "true or false",
    [YAML_INT] = "a whole number",
    [YAML_FLOAT] = "a number",
    [YAML_STRING] = "text",
    [YAML_LIST] = "a list",
    [YAML_MAP] = "a map",
};

void problems_init(struct problems *p)
{
	*p = (struct problems){0};
	p->last = &p->first;
}

void problems_fini(struct problems *p)
{
	arena_free(&p->arena);
	problems_init(p);
}

static void add_at(
    struct problems *p, const char *file, unsigned line, unsigned column, const char *text)
{
	struct problem *problem;

	if (p->count == PROBLEMS_MAX) {
		return;
	}
	p->count++;
	problem = arena_zalloc(&p->arena, sizeof(*problem));
	if (problem != NULL) {
		problem->text =
		    line > 0 ? arena_printf(&p->arena, "%s:%u:%u: %s", file, line, column, text)
		    : file != NULL ? arena_printf(&p->arena, "%s: %s", file, text)
				   : arena_dup(&p->arena, text, strlen(text));
	}
	if (problem != NULL && problem->text != NULL) {
		*p->last = problem;
		p->last = &problem->next;
	}
}

void problems_add(
    struct problems *p, const struct yaml *y, const struct yaml_node *node, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	add_at(p, y != NULL ? y->file : NULL, y != NULL && node != NULL ? node->line : 0,
	    node != NULL ? node->column : 0, text);
}

int problems_result(const struct problems *p, struct lead_error *err)
{
	if (p->count == 0) {
		return 0;
	}
	if (p->first == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	if (p->count == 1) {
		return lead_fail(err, LEAD_EINPUT, "%s", p->first->text);
	}
	return lead_fail(err, LEAD_EINPUT, "%.400s, and %zu more", p->first->text, p->count - 1);
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *node;

	if (map == NULL || map->kind != YAML_MAP) {
		return NULL;
	}
	node = map->first;
	while (node != NULL && strcmp(node->key, key) != 0) {
		node = node->next;
	}
	return node;
}

/* `a, b or c` */
static void write_words(struct buf *out, const char *const words[])
{
	for (size_t i = 0; words[i] != NULL; i++) {
		buf_add_text(out, i == 0 ? "" : words[i + 1] == NULL ? " or " : ", ");
		buf_add_text(out, words[i]);
	}
}

bool yaml_only_keys(const struct yaml *y, const struct yaml_node *map, const char *const keys[],
    const char *what, struct problems *p)
{
	size_t before = p->count;

	if (map == NULL) {
		return true;
	}
	if (map->kind != YAML_MAP) {
		problems_add(p, y, map, "%s must be a map (key: value), not %s", what,
		    KIND_NAMES[map->kind]);
		return false;
	}
	for (const struct yaml_node *node = map->first; node != NULL; node = node->next) {
		struct buf text = {0};
		const char *nearest;
		size_t i = 0;

		while (keys[i] != NULL && strcmp(keys[i], node->key) != 0) {
			i++;
		}
		if (keys[i] != NULL) {
			continue;
		}
		nearest = text_nearest(node->key, keys);
		buf_printf(&text, "unknown key '%.100s'", node->key);
		if (nearest != NULL) {
			buf_printf(&text, ", did you mean '%s'?", nearest);
		} else {
			buf_printf(&text, " in %s, which knows ", what);
			write_words(&text, keys);
		}
		add_at(p, y->file, node->key_line, node->key_column,
		    text.failed ? "unknown key" : text.data);
		buf_free(&text);
	}
	return p->count == before;
}

static bool wrong_kind(
    const struct yaml *y, const struct yaml_node *node, const char *wanted, struct problems *p)
{
	problems_add(p, y, node, "'%.100s' must be %s%s%s", node->key, wanted,
	    node->kind == YAML_NULL ? " and is " : ", not ", KIND_NAMES[node->kind]);
	return false;
}

static bool is_scalar(const struct yaml_node *node)
{
	return node->kind >= YAML_BOOL && node->kind <= YAML_STRING;
}

bool yaml_read_string(const struct yaml *y, const struct yaml_node *map, const char *key,
    const char **ret, struct problems *p)
{
	const struct yaml_node *node = yaml_get(map, key);

	if (node == NULL) {
		return false;
	}
	if (node->kind != YAML_STRING && is_scalar(node)) {
		problems_add(
		    p, y, node, "'%s' must be text: put it in quotes, \"%.100s\"", key, node->text);
		return false;
	}
	if (node->kind != YAML_STRING) {
		return wrong_kind(y, node, "text", p);
	}
	*ret = node->text;
	return true;
}

bool yaml_read_int(const struct yaml *y, const struct yaml_node *map, const char *key, int64_t min,
    int64_t max, int64_t *ret, struct problems *p)
{
	const struct yaml_node *node = yaml_get(map, key);

	if (node == NULL) {
		return false;
	}
	if (node->kind != YAML_INT) {
		return wrong_kind(y, node, "a whole number", p);
	}
	if (node->integer < min && max == INT64_MAX) {
		problems_add(p, y, node, "'%s' must be at least %" PRId64, key, min);
		return false;
	}
	if (node->integer < min || node->integer > max) {
		problems_add(
		    p, y, node, "'%s' must be between %" PRId64 " and %" PRId64, key, min, max);
		return false;
	}
	*ret = node->integer;
	return true;
}

bool yaml_read_bool(const struct yaml *y, const struct yaml_node *map, const char *key, bool *ret,
    struct problems *p)
{
	const struct yaml_node *node = yaml_get(map, key);

	if (node == NULL) {
		return false;
	}
	if (node->kind != YAML_BOOL) {
		return wrong_kind(y, node, "true or false", p);
	}
	*ret = node->boolean;
	return true;
}

bool yaml_read_duration(const struct yaml *y, const struct yaml_node *map, const char *key,
    int64_t min_us, int64_t max_us, int64_t *ret_us, struct problems *p)
{
	const struct yaml_node *node = yaml_get(map, key);
	char least[32], most[32];
	int64_t us;

	if (node == NULL) {
		return false;
	}
	if (node->kind == YAML_INT || node->kind == YAML_FLOAT) {
		problems_add(p, y, node, "'%s' needs a unit: us, ms, s, min, h, d or w", key);
		return false;
	}
	if (node->kind != YAML_STRING || !duration_parse(node->text, &us)) {
		return wrong_kind(y, node, "a time such as 500ms, 30s, 15min, 2h or 1d", p);
	}
	duration_write(min_us, least);
	duration_write(max_us, most);
	if (us < min_us && max_us == TIME_NEVER) {
		problems_add(p, y, node, "'%s' must be at least %s", key, least);
		return false;
	}
	if (us < min_us || us > max_us) {
		problems_add(p, y, node, "'%s' must be between %s and %s", key, least, most);
		return false;
	}
	*ret_us = us;
	return true;
}

bool yaml_read_money(const struct yaml *y, const struct yaml_node *map, const char *key,
    int64_t *ret_micro, struct problems *p)
{
	const struct yaml_node *node = yaml_get(map, key);

	if (node == NULL) {
		return false;
	}
	if (!is_scalar(node) || node->kind == YAML_BOOL || !money_parse(node->text, ret_micro)) {
		return wrong_kind(y, node, "an amount such as 0.008 (at most 6 decimals)", p);
	}
	return true;
}

bool yaml_read_word(const struct yaml *y, const struct yaml_node *map, const char *key,
    const char *const words[], int *ret, struct problems *p)
{
	const struct yaml_node *node = yaml_get(map, key);
	struct buf text = {0};
	const char *nearest;

	if (node == NULL) {
		return false;
	}
	for (int i = 0; is_scalar(node) && words[i] != NULL; i++) {
		if (strcmp(words[i], node->text) == 0) {
			*ret = i;
			return true;
		}
	}
	nearest = is_scalar(node) ? text_nearest(node->text, words) : NULL;
	buf_printf(&text, "'%s' must be ", key);
	write_words(&text, words);
	if (is_scalar(node)) {
		buf_printf(&text, ", not '%.100s'", node->text);
	}
	if (nearest != NULL) {
		buf_printf(&text, ", did you mean '%s'?", nearest);
	}
	problems_add(p, y, node, "%s", text.failed ? key : text.data);
	buf_free(&text);
	return false;
}

size_t yaml_read_strings(const struct yaml *y, const struct yaml_node *map, const char *key,
    const char ***ret, struct problems *p)
{
	const struct yaml_node *node = yaml_get(map, key), *item;
	struct arena *arena =
	    &((struct yaml *)y)->arena; /* memory of the tree, which stays as it is */
	const char **texts;
	size_t n = 0;

	if (node == NULL) {
		return 0;
	}
	if (node->kind != YAML_STRING && node->kind != YAML_LIST) {
		wrong_kind(y, node, "text or a list of texts", p);
		return 0;
	}
	texts = arena_zalloc(arena, (node->n + 2) * sizeof(*texts));
	if (texts == NULL) {
		problems_add(p, y, node, "out of memory");
		return 0;
	}
	for (item = node->kind == YAML_LIST ? node->first : node; item != NULL;
	     item = node->kind == YAML_LIST ? item->next : NULL) {
		if (item->kind != YAML_STRING) {
			problems_add(p, y, item, "each entry of '%s' must be text, not %s", key,
			    KIND_NAMES[item->kind]);
			return 0;
		}
		texts[n++] = item->text;
	}
	*ret = texts;
	return n;
}
