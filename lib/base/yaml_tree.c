/*
 * lib/base/yaml_tree.c: libyaml's events become nodes of a tree.
 *
 *   builder_event -> on_scalar -> key: waits for its value
 *                 |          '--> value: typed, added under b->open
 *                 |-> on_open -> a map or list: b->open goes down
 *                 '-> on_close -> duplicate keys? b->open goes up again
 *
 * There is no recursion: the parent pointers are the stack. What libyaml takes
 * but we do not want is refused where it stands.
 */
#include "lib/base/yaml_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int builder_fail(const struct builder *b, yaml_mark_t at, const char *text)
{
	return lead_fail(
	    b->err, LEAD_EINPUT, "%s:%zu:%zu: %s", b->y->file, at.line + 1, at.column + 1, text);
}

int builder_fail_memory(const struct builder *b)
{
	return lead_fail(b->err, LEAD_ENOMEM, "%s: out of memory", b->y->file);
}

/* YAML 1.2 core schema, section 10.3.2. */

static bool is_one_of(const char *text, const char *const words[3])
{
	return strcmp(text, words[0]) == 0 || strcmp(text, words[1]) == 0 ||
	       strcmp(text, words[2]) == 0;
}

static const char DIGITS[] = "0123456789";

static bool is_integer(const char *text)
{
	if (text[0] == '0' && (text[1] == 'o' || text[1] == 'x')) {
		size_t n = strspn(text + 2, text[1] == 'o' ? "01234567" : "0123456789abcdefABCDEF");

		return n > 0 && text[2 + n] == '\0';
	}
	text += *text == '-' || *text == '+';
	return *text != '\0' && text[strspn(text, DIGITS)] == '\0';
}

static bool is_float(const char *text)
{
	static const char *const NANS[] = {".nan", ".NaN", ".NAN"}, *const INFS[] = {
									".inf", ".Inf", ".INF"};
	size_t whole, part = 0;

	if (is_one_of(text, NANS)) {
		return true;
	}
	text += *text == '-' || *text == '+';
	if (is_one_of(text, INFS)) {
		return true;
	}
	whole = strspn(text, DIGITS);
	text += whole;
	if (*text == '.') {
		part = strspn(text + 1, DIGITS);
		text += 1 + part;
	}
	if (whole + part == 0) {
		return false;
	}
	if (*text == 'e' || *text == 'E') {
		text += text[1] == '-' || text[1] == '+' ? 2 : 1;
		if (*text == '\0') {
			return false;
		}
		text += strspn(text, DIGITS);
	}
	return *text == '\0';
}

/* false: an integer that does not fit. */
static bool type_plain(struct yaml_node *node)
{
	static const char *const NULLS[] = {"null", "Null", "NULL"},
				 *const TRUES[] = {"true", "True", "TRUE"},
				 *const FALSES[] = {"false", "False", "FALSE"};
	const char *text = node->text;

	if (*text == '\0' || strcmp(text, "~") == 0 || is_one_of(text, NULLS)) {
		node->kind = YAML_NULL;
	} else if (is_one_of(text, TRUES) || is_one_of(text, FALSES)) {
		node->kind = YAML_BOOL;
		node->boolean = *text == 't' || *text == 'T';
	} else if (is_integer(text)) {
		bool prefixed = text[0] == '0' && (text[1] == 'o' || text[1] == 'x');
		int base = !prefixed ? 10 : text[1] == 'o' ? 8 : 16;

		node->kind = YAML_INT;
		errno = 0;
		node->integer = strtoll(prefixed ? text + 2 : text, NULL, base);
		return errno == 0;
	} else if (is_float(text)) {
		node->kind = YAML_FLOAT;
	} else {
		node->kind = YAML_STRING;
	}
	return true;
}

/* A node at the place that is due: behind b->last in b->open, or as the root. */
static struct yaml_node *add_node(struct builder *b, enum yaml_kind kind, yaml_mark_t at)
{
	struct yaml_node *node = arena_zalloc(&b->y->arena, sizeof(*node));

	if (node == NULL) {
		return NULL;
	}
	node->kind = kind;
	node->line = (unsigned)at.line + 1;
	node->column = (unsigned)at.column + 1;
	node->parent = b->open;
	if (b->open == NULL) {
		b->y->root = node;
		return node;
	}
	if (b->open->kind == YAML_MAP) {
		node->key = b->key;
		node->key_line = (unsigned)b->key_mark.line + 1;
		node->key_column = (unsigned)b->key_mark.column + 1;
		b->key = NULL;
	}
	*(b->last == NULL ? &b->open->first : &b->last->next) = node;
	b->last = node;
	b->open->n++;
	return node;
}

static int on_scalar(struct builder *b, const yaml_event_t *event)
{
	const char *bytes = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	bool is_key = b->open != NULL && b->open->kind == YAML_MAP && b->key == NULL;
	struct yaml_node *node;
	char *text;

	if (memchr(bytes, '\0', len) != NULL) {
		return builder_fail(b, event->start_mark, "a NUL cannot stand in a text");
	}
	text = arena_dup(&b->y->arena, bytes, len);
	if (text == NULL) {
		return builder_fail_memory(b);
	}
	if (is_key) {
		if (len == 0) {
			return builder_fail(
			    b, event->start_mark, "a key is missing before the colon");
		}
		b->key = text;
		b->key_mark = event->start_mark;
		return 0;
	}
	node = add_node(b, YAML_STRING, event->start_mark);
	if (node == NULL) {
		return builder_fail_memory(b);
	}
	node->text = text;
	node->len = len;
	if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !type_plain(node)) {
		return builder_fail(b, event->start_mark,
		    "the number is too large; if it is a name, put it in quotes");
	}
	return 0;
}

static int on_open(struct builder *b, enum yaml_kind kind, yaml_mark_t at)
{
	struct yaml_node *node;

	if (b->open != NULL && b->open->kind == YAML_MAP && b->key == NULL) {
		return builder_fail(b, at, "a key must be a plain word or text, not a map or list");
	}
	if (b->depth == YAML_DEPTH_MAX) {
		return builder_fail(b, at, "nested too deep");
	}
	node = add_node(b, kind, at);
	if (node == NULL) {
		return builder_fail_memory(b);
	}
	b->depth++;
	b->open = node;
	b->last = NULL;
	return 0;
}

static int compare_keys(const void *left, const void *right)
{
	const struct yaml_node *a = *(struct yaml_node *const *)left,
			       *b = *(struct yaml_node *const *)right;
	int order = strcmp(a->key, b->key);

	if (order == 0) {
		order = a->key_line < b->key_line ? -1 : a->key_line > b->key_line;
	}
	return order != 0 ? order
			  : (a->key_column > b->key_column) - (a->key_column < b->key_column);
}

/* Sorts the keys, since comparing each with each would be slow for a large map. */
static int check_duplicates(const struct builder *b, const struct yaml_node *map)
{
	struct yaml_node **nodes, *twice = NULL;
	size_t n = 0, first = 0;

	if (map->n < 2) {
		return 0;
	}
	nodes = calloc(map->n, sizeof(struct yaml_node *));
	if (nodes == NULL) {
		return builder_fail_memory(b);
	}
	for (struct yaml_node *node = map->first; node != NULL; node = node->next) {
		nodes[n++] = node;
	}
	qsort(nodes, n, sizeof(struct yaml_node *), compare_keys);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(nodes[i - 1]->key, nodes[i]->key) == 0 && twice == NULL) {
			twice = nodes[i];
			first = nodes[i - 1]->key_line;
		}
	}
	free(nodes);
	if (twice == NULL) {
		return 0;
	}
	return lead_fail(b->err, LEAD_EINPUT, "%s:%u:%u: key '%.100s' stands already in line %zu",
	    b->y->file, twice->key_line, twice->key_column, twice->key, first);
}

static int on_close(struct builder *b)
{
	int rc = b->open->kind == YAML_MAP ? check_duplicates(b, b->open) : 0;

	b->last = b->open;
	b->open = b->open->parent;
	b->depth--;
	return rc;
}

static int check_plain(const struct builder *b, const yaml_event_t *event,
    const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor != NULL) {
		return builder_fail(b, event->start_mark, "anchors (&name) are not supported");
	}
	if (tag != NULL) {
		return builder_fail(b, event->start_mark,
		    "tags (!name) are not supported; if it is text, put it in quotes");
	}
	return 0;
}

int builder_event(struct builder *b, const yaml_event_t *event)
{
	int rc;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return b->documents++ == 0
			   ? 0
			   : builder_fail(b, event->start_mark, "only one document per file");
	case YAML_ALIAS_EVENT:
		return builder_fail(b, event->start_mark,
		    "aliases (*name) are not supported; if it is text, put it in quotes");
	case YAML_SCALAR_EVENT:
		rc = check_plain(b, event, event->data.scalar.anchor, event->data.scalar.tag);
		return rc != 0 ? rc : on_scalar(b, event);
	case YAML_MAPPING_START_EVENT:
		rc = check_plain(
		    b, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
		return rc != 0 ? rc : on_open(b, YAML_MAP, event->start_mark);
	case YAML_SEQUENCE_START_EVENT:
		rc = check_plain(
		    b, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
		return rc != 0 ? rc : on_open(b, YAML_LIST, event->start_mark);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return on_close(b);
	default:
		return 0;
	}
}
