/*
 * lib/service/template.c: the templates of requests, for pipelines: `with:` maps and fallback
 * texts.
 *
 * A template stands for itself: it owns its memory and its expressions. What
 * holds no placeholder is worked out at load and only handed out later.
 */
#include "lib/service/parts.h"

#include <stdlib.h>
#include <string.h>

enum shape {
	SHAPE_FIXED,  /* no placeholder: always `fixed` */
	SHAPE_SINGLE, /* one placeholder: its value, with its type */
	SHAPE_TEXT,   /* a text around placeholders */
	SHAPE_TREE,   /* a map or list with placeholders: JSON */
};

struct template
{
	enum shape shape;
	struct value fixed;
	struct pieces pieces;
	struct owned owned;
	struct arena arena;
};

static bool compile_text(
    struct template *t, struct piecework *w, const struct yaml_node *node, const char *where)
{
	if (!pieces_text(w, node, node->text, node->len, ENCODE_PLAIN, where, &t->pieces)) {
		return false;
	}
	if (pieces_single(&t->pieces) != NULL) {
		t->shape = SHAPE_SINGLE;
	} else if (t->pieces.n == 0) {
		t->fixed = value_text("");
	} else if (t->pieces.n == 1) {
		t->fixed = value_string(t->pieces.v[0].text, t->pieces.v[0].len);
	} else {
		t->shape = SHAPE_TEXT;
	}
	return true;
}

static bool compile_tree(
    struct template *t, struct piecework *w, const struct yaml_node *node, const char *where)
{
	if (!pieces_json(w, node, NULL, 0, where, &t->pieces)) {
		return false;
	}
	t->shape = SHAPE_TREE;
	if (t->pieces.n == 1 && t->pieces.v[0].kind == PIECE_BYTES) {
		t->shape = SHAPE_FIXED;
		t->fixed = value_string(t->pieces.v[0].text, t->pieces.v[0].len);
		t->fixed.kind = VALUE_JSON;
	}
	return true;
}

static bool compile_scalar(struct template *t, struct piecework *w, const struct yaml_node *node)
{
	const char *text = pieces_scalar(w, node);

	if (text == NULL) {
		return false;
	}
	text = arena_dup(&t->arena, text, strlen(text)); /* it may stand in the file's memory */
	if (text == NULL) {
		return false;
	}
	t->fixed = value_text(text);
	t->fixed.kind = node->kind == YAML_NULL   ? VALUE_NULL
			: node->kind != YAML_BOOL ? VALUE_NUMBER
			: node->boolean           ? VALUE_TRUE
						  : VALUE_FALSE;
	return true;
}

struct template *template_compile(
    const struct yaml *y, const struct yaml_node *node, struct expr_pool *pool, struct problems *p)
{
	struct template *t = calloc(1, sizeof *t);
	struct piecework w = {.y = y, .p = p};
	const char *where;
	bool ok;

	if (t == NULL) {
		problems_add(p, y, node, "out of memory");
		return NULL;
	}
	t->owned.arena = &t->arena;
	t->owned.pool = pool;
	w.arena = &t->arena;
	w.owned = &t->owned;
	where = node->key == NULL ? "template" : arena_printf(&t->arena, "'%s'", node->key);
	if (where == NULL) {
		ok = false;
		w.nomem = true;
	} else if (node->kind == YAML_STRING) {
		ok = compile_text(t, &w, node, where);
	} else if (node->kind == YAML_MAP || node->kind == YAML_LIST) {
		ok = compile_tree(t, &w, node, where);
	} else {
		ok = compile_scalar(t, &w, node);
	}
	if (!ok) {
		if (w.nomem) {
			problems_add(p, y, node, "out of memory");
		}
		template_free(t);
		return NULL;
	}
	return t;
}

void template_free(struct template *t)
{
	if (t != NULL) {
		owned_fini(&t->owned);
		arena_free(&t->arena);
		free(t);
	}
}

int template_value(const struct template *t, const struct expr_source *src, struct arena *a,
    struct value *ret, struct lead_error *err)
{
	struct filling f = {.params = src};
	struct buf out = {0};
	char *text;
	int rc;

	if (t->shape == SHAPE_FIXED) {
		*ret = t->fixed;
		return 0;
	}
	if (t->shape == SHAPE_SINGLE) {
		return pieces_eval(&t->pieces, t->pieces.v[0].expr, &f, a, ret, err);
	}
	rc = pieces_render(&t->pieces, &f, a, &out, err);
	if (rc == 0) {
		text = out.failed ? NULL : arena_dup(a, out.data == NULL ? "" : out.data, out.len);
		if (text == NULL) {
			rc = lead_fail(err, LEAD_ENOMEM, "out of memory");
		} else {
			*ret = value_string(text, out.len);
			ret->kind = t->shape == SHAPE_TREE ? VALUE_JSON : VALUE_STRING;
		}
	}
	buf_free(&out);
	return rc;
}

void template_reads(
    const struct template *t, void (*f)(void *arg, const char *name, size_t len), void *arg)
{
	for (size_t i = 0; i < t->pieces.n; i++) {
		if (t->pieces.v[i].expr != NULL) {
			expr_reads(t->pieces.v[i].expr, f, arg);
		}
	}
}
