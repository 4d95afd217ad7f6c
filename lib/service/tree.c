/*
 * lib/service/tree.c: JSON trees with placeholders, compiled to the same flat list as texts.
 *
 * Braces, keys and all fixed values become literal bytes. One thing is left to
 * rendering: a map member or list item that is exactly one placeholder is left
 * out when the placeholder gives nothing, and then the comma before its
 * neighbour may have to go too (PIECE_COMMA).
 */
#include "lib/service/builder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/json.h"

const char *pieces_scalar(struct piecework *w, const struct yaml_node *node)
{
	double number;
	char *end;

	switch (node->kind) {
	case YAML_NULL:
		return "null";
	case YAML_BOOL:
		return node->boolean ? "true" : "false";
	case YAML_INT:
		return arena_printf(w->arena, "%lld", (long long)node->integer);
	case YAML_FLOAT:
		if (json_check(node->text, node->len, 1, NULL) == 0) {
			return node->text;
		}
		number = strtod(node->text, &end);
		if (*end != '\0' || !isfinite(number)) {
			problems_add(w->p, w->y, node, "'%s' is no number of JSON", node->text);
			return NULL;
		}
		return arena_printf(w->arena, "%.17g", number);
	default:
		return NULL;
	}
}

static void add_json(struct builder *b, const struct yaml_node *node);

/* A string leaf whose pieces are already known. */
static void add_leaf(struct builder *b, const struct piece *v, size_t n)
{
	buf_add_char(&b->bytes, '"');
	for (size_t i = 0; i < n; i++) {
		if (v[i].kind == PIECE_BYTES) {
			buf_add(&b->bytes, v[i].text, v[i].len);
		} else {
			builder_flush(b);
			builder_piece(b, v[i]);
		}
	}
	buf_add_char(&b->bytes, '"');
}

/* What stands before a child: whether something surely, or perhaps, stands there. */
struct siblings {
	bool sure, perhaps;
};

static void add_comma(struct builder *b, struct siblings *s)
{
	if (s->sure) {
		buf_add_char(&b->bytes, ',');
	} else if (s->perhaps) {
		builder_flush(b);
		builder_piece(b, (struct piece){.kind = PIECE_COMMA});
	}
	s->sure = true;
}

static void add_key(struct builder *b, const char *key)
{
	if (key != NULL) {
		json_write_string(&b->bytes, key, strlen(key));
		buf_add_char(&b->bytes, ':');
	}
}

/* A text under a key (NULL in a list): with its type and perhaps left out when it is one
 * placeholder, else a string. */
static void add_child_text(
    struct builder *b, const char *key, const char *text, size_t len, struct siblings *s)
{
	struct builder inner = {
	    .w = b->w, .node = b->node, .encoding = ENCODE_JSON, .where = b->where};
	struct pieces pieces = {0};

	builder_text(&inner, text, len);
	if (!builder_finish(&inner, &pieces)) {
		b->bad = true;
	} else if (pieces_single(&pieces) != NULL) {
		struct piece member = {.kind = PIECE_MEMBER, .expr = pieces.v[0].expr};

		builder_flush(b);
		add_key(b, key);
		member.len = b->bytes.len;
		member.text =
		    arena_dup(b->w->arena, b->bytes.data == NULL ? "" : b->bytes.data, member.len);
		if (member.text == NULL) {
			b->w->nomem = b->bad = true;
		}
		buf_reset(&b->bytes);
		builder_piece(b, member);
		s->perhaps = true;
	} else {
		add_comma(b, s);
		add_key(b, key);
		add_leaf(b, pieces.v, pieces.n);
	}
}

static void add_children(struct builder *b, const struct yaml_node *parent,
    const struct added_member *added, size_t n_added)
{
	struct siblings s = {0};

	for (const struct yaml_node *child = parent->first; child != NULL && !b->bad;
	     child = child->next) {
		b->node = child;
		if (child->kind == YAML_STRING) {
			add_child_text(b, child->key, child->text, child->len, &s);
		} else {
			add_comma(b, &s);
			add_key(b, child->key);
			add_json(b, child);
		}
	}
	for (size_t i = 0; i < n_added && !b->bad; i++) {
		add_child_text(b, added[i].name, added[i].text, strlen(added[i].text), &s);
	}
}

static void add_json(struct builder *b, const struct yaml_node *node)
{
	const char *text;

	if (node->kind == YAML_MAP || node->kind == YAML_LIST) {
		buf_add_char(&b->bytes, node->kind == YAML_MAP ? '{' : '[');
		add_children(b, node, NULL, 0);
		buf_add_char(&b->bytes, node->kind == YAML_MAP ? '}' : ']');
		return;
	}
	text = pieces_scalar(b->w, node);
	if (text == NULL) {
		b->bad = true;
		return;
	}
	buf_add_text(&b->bytes, text);
}

bool pieces_json(struct piecework *w, const struct yaml_node *node,
    const struct added_member *added, size_t n_added, const char *where, struct pieces *ret)
{
	struct builder b = {.w = w, .node = node, .encoding = ENCODE_JSON, .where = where};

	if (node->kind == YAML_MAP) {
		buf_add_char(&b.bytes, '{');
		add_children(&b, node, added, n_added);
		buf_add_char(&b.bytes, '}');
	} else if (node->kind == YAML_STRING) {
		struct pieces whole = {0};

		if (!pieces_text(w, node, node->text, node->len, ENCODE_JSON, where, &whole)) {
			b.bad = true;
		} else if (pieces_single(&whole) != NULL) {
			builder_piece(
			    &b, (struct piece){.kind = PIECE_VALUE, .expr = whole.v[0].expr});
		} else {
			add_leaf(&b, whole.v, whole.n);
		}
	} else {
		add_json(&b, node);
	}
	return builder_finish(&b, ret);
}
