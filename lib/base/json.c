/*
 * lib/base/json.c: the strict scanner behind json_check, json_scan and json_parse.
 *
 * scan_value, scan_object and scan_array go down the text once, each returning
 * where the next thing begins, or NULL after having noted what was wrong and
 * where. Beside the text they walk the trie of wanted paths: `node` is the place
 * in it, NULL below everything that nobody asked for. Strings are passed sixteen
 * bytes at a time as long as nothing in them needs a look.
 */
#include "lib/base/json.h"

#include "lib/base/decimal.h"
#include "lib/base/json_scan.h"
#include "lib/base/json_string.h"
#include "lib/base/path_trie.h"

#include <string.h>

#define DEEPEST 512 /* what the stack is good for, whatever the caller asks */

struct scan {
	const char *end;
	int depth; /* levels left */
	/* where wanted values go; unused when the trie is NULL */
	struct arena *arena;
	struct value *ret;
	bool *seen;                /* by node: has been here within the same object */
	struct json_string string; /* the one read last */
	/* what json_parse wants to know */
	bool only_int64, troublesome;
	/* the first failure */
	const char *what, *at;
	bool no_memory;
};

static const char *fail(struct scan *s, const char *at, const char *what)
{
	s->what = what;
	s->at = at;
	return NULL;
}

static const char *out_of_memory(struct scan *s)
{
	s->no_memory = true;
	return NULL;
}

static inline const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
		p++;
	}
	return p;
}

/* From behind the opening quote to the closing one; s->string tells about it. */
static inline const char *scan_string(struct scan *s, const char *p)
{
	p = json_string_end(p, s->end, &s->string);
	s->troublesome |= s->string.troublesome;
	return p != NULL ? p : fail(s, s->string.at, s->string.what);
}

static void store(struct scan *s, const struct path_node *node, enum value_kind kind,
    const char *text, size_t len)
{
	if (node != NULL && node->slot != PATH_NO_SLOT) {
		s->ret[node->slot] =
		    (struct value){.kind = kind, .len = (uint32_t)len, .text = text};
	}
}

static const char *scan_string_value(struct scan *s, const char *p, const struct path_node *node)
{
	const char *begin = p + 1, *text = begin;
	size_t len;

	p = scan_string(s, begin);
	if (p == NULL || node == NULL || node->slot == PATH_NO_SLOT) {
		return p == NULL ? NULL : p + 1;
	}
	len = (size_t)(p - begin);
	if (s->string.escaped) {
		char *copy = arena_alloc(s->arena, len);

		if (copy == NULL) {
			return out_of_memory(s);
		}
		len = json_unescape(begin, len, copy);
		text = copy;
	}
	store(s, node, VALUE_STRING, text, len);
	return p + 1;
}

static bool is_integer(const char *number, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (number[i] == '.' || number[i] == 'e' || number[i] == 'E') {
			return false;
		}
	}
	return true;
}

static const char *scan_number(struct scan *s, const char *p, const struct path_node *node)
{
	size_t len = decimal_length(p, (size_t)(s->end - p));
	int64_t whole;
	bool exact;

	if (len == 0) {
		return fail(s, p, "a badly written number");
	}
	if (!decimal_is_finite(p, len)) {
		return fail(s, p, "a number beyond the range of a double");
	}
	if (s->only_int64 && is_integer(p, len) && !decimal_scaled(p, len, 0, &whole, &exact)) {
		return fail(s, p, "an integer of more than 64 bits");
	}
	store(s, node, VALUE_NUMBER, p, len);
	return p + len;
}

static const char *scan_word(struct scan *s, const char *p, const struct path_node *node,
    enum value_kind kind, const char *word, size_t len)
{
	if ((size_t)(s->end - p) < len || memcmp(p, word, len) != 0) {
		return fail(s, p, "a value is expected");
	}
	store(s, node, kind, NULL, 0);
	return p + len;
}

/* A key that came before in the same object counts no more: what it left behind is taken back. */
static void forget(struct scan *s, const struct path_node *node)
{
	store(s, node, VALUE_NONE, NULL, 0);
	s->seen[node->id] = false;
	for (const struct path_node *c = node->keys; c != NULL; c = c->next) {
		forget(s, c);
	}
	for (const struct path_node *c = node->items; c != NULL; c = c->next) {
		forget(s, c);
	}
}

/* The wanted child of this name, NULL when there is none (or no memory to look). */
static const struct path_node *child_named(
    struct scan *s, const struct path_node *node, const char *key, size_t len)
{
	const struct path_node *c;

	if (s->string.escaped) {
		char *copy = arena_alloc(s->arena, len);

		if (copy == NULL) {
			s->no_memory = true;
			return NULL;
		}
		len = json_unescape(key, len, copy);
		key = copy;
	}
	if ((node->key_lengths >> len % 64 & 1) == 0) {
		return NULL;
	}
	for (c = node->keys; c != NULL; c = c->next) {
		if (c->step.len == len && memcmp(c->step.name, key, len) == 0) {
			break;
		}
	}
	if (c != NULL) {
		if (s->seen[c->id]) {
			forget(s, c);
		}
		s->seen[c->id] = true;
	}
	return c;
}

static const struct path_node *child_at(const struct path_node *node, size_t index)
{
	const struct path_node *c = node->items;

	while (c != NULL && c->step.index != index) {
		c = c->next;
	}
	return c;
}

static const char *scan_value(struct scan *s, const char *p, const struct path_node *node);

/* From a key to behind its value. */
static const char *scan_member(struct scan *s, const char *p, const struct path_node *node)
{
	const struct path_node *child = NULL;
	const char *key = p + 1;

	if (p == s->end || *p != '"') {
		return fail(s, p, "a key in double quotes is expected");
	}
	p = scan_string(s, key);
	if (p == NULL) {
		return NULL;
	}
	if (node != NULL && node->keys != NULL) {
		child = child_named(s, node, key, (size_t)(p - key));
		if (s->no_memory) {
			return NULL;
		}
	}
	p = skip_space(p + 1, s->end);
	if (p == s->end || *p != ':') {
		return fail(s, p, "a colon is expected");
	}
	return scan_value(s, skip_space(p + 1, s->end), child);
}

static const char *scan_object(struct scan *s, const char *p, const struct path_node *node)
{
	p = skip_space(p + 1, s->end);
	if (p < s->end && *p == '}') {
		return p + 1;
	}
	for (;;) {
		p = scan_member(s, p, node);
		if (p == NULL) {
			return NULL;
		}
		p = skip_space(p, s->end);
		if (p == s->end || (*p != ',' && *p != '}')) {
			return fail(s, p, "a comma or } is expected");
		}
		if (*p == '}') {
			return p + 1;
		}
		p = skip_space(p + 1, s->end);
	}
}

static const char *scan_array(struct scan *s, const char *p, const struct path_node *node)
{
	bool wanted = node != NULL && node->items != NULL;

	p = skip_space(p + 1, s->end);
	if (p < s->end && *p == ']') {
		return p + 1;
	}
	for (size_t i = 0;; i++) {
		p = scan_value(s, p, wanted ? child_at(node, i) : NULL);
		if (p == NULL) {
			return NULL;
		}
		p = skip_space(p, s->end);
		if (p == s->end || (*p != ',' && *p != ']')) {
			return fail(s, p, "a comma or ] is expected");
		}
		if (*p == ']') {
			return p + 1;
		}
		p = skip_space(p + 1, s->end);
	}
}

static const char *scan_nested(struct scan *s, const char *p, const struct path_node *node)
{
	const char *begin = p;

	if (s->depth == 0) {
		return fail(s, p, "nested too deeply");
	}
	s->depth--;
	p = *p == '{' ? scan_object(s, p, node) : scan_array(s, p, node);
	s->depth++;
	if (p != NULL) {
		store(s, node, VALUE_JSON, begin, (size_t)(p - begin));
	}
	return p;
}

static const char *scan_value(struct scan *s, const char *p, const struct path_node *node)
{
	if (p == s->end) {
		return fail(s, p, "the text ends where a value is expected");
	}
	switch (*p) {
	case '"':
		return scan_string_value(s, p, node);
	case '{':
	case '[':
		return scan_nested(s, p, node);
	case 't':
		return scan_word(s, p, node, VALUE_TRUE, "true", 4);
	case 'f':
		return scan_word(s, p, node, VALUE_FALSE, "false", 5);
	case 'n':
		return scan_word(s, p, node, VALUE_NULL, "null", 4);
	default:
		if (*p == '-' || (*p >= '0' && *p <= '9')) {
			return scan_number(s, p, node);
		}
		return fail(s, p, "a value is expected");
	}
}

static int scan_text(struct scan *s, const char *text, size_t len, const struct path_node *root,
    struct lead_error *err)
{
	const char *p;

	if (len > UINT32_MAX) {
		return lead_fail(err, LEAD_EINPUT, "JSON: a text of %zu bytes is too long", len);
	}
	s->end = text + len;
	p = scan_value(s, skip_space(text, s->end), root);
	if (p != NULL) {
		p = skip_space(p, s->end);
		if (p == s->end) {
			return 0;
		}
		fail(s, p, "something follows the value");
	}
	if (s->no_memory) {
		return lead_fail(err, LEAD_ENOMEM, "JSON: out of memory");
	}
	return lead_fail(
	    err, LEAD_EINPUT, "JSON: %s, at byte %zu", s->what, (size_t)(s->at - text));
}

int json_check(const char *text, size_t len, int depth, struct lead_error *err)
{
	struct scan s = {.depth = depth < DEEPEST ? depth : DEEPEST};

	return scan_text(&s, text, len, NULL, err);
}

int json_check_for_tree(const char *text, size_t len, bool *ret_troublesome, struct lead_error *err)
{
	struct scan s = {.depth = JSON_DEPTH, .only_int64 = true};
	int rc = scan_text(&s, text, len, NULL, err);

	*ret_troublesome = s.troublesome;
	return rc;
}

int json_scan(const char *text, size_t len, const struct path_set *paths, struct arena *a,
    struct value *ret, struct lead_error *err)
{
	bool few[256] = {false};
	struct scan s = {.depth = JSON_DEPTH, .arena = a, .ret = ret, .seen = few};

	if (paths->nodes > sizeof(few)) {
		s.seen = arena_zalloc(a, paths->nodes);
		if (s.seen == NULL) {
			return lead_fail(err, LEAD_ENOMEM, "JSON: out of memory");
		}
	}
	for (size_t i = 0; i < paths->slots; i++) {
		ret[i] = (struct value){.kind = VALUE_NONE};
	}
	return scan_text(&s, text, len, &paths->root, err);
}
