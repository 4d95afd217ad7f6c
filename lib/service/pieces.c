/*
 * lib/service/pieces.c: texts and JSON trees with ${jq} placeholders, compiled to runs of bytes and
 * holes.
 *
 * At load a scalar becomes literal bytes (already encoded for the place where
 * they will stand) and holes; a JSON tree becomes the same flat list, its
 * braces and keys being literal bytes. Rendering walks the list once and
 * appends to one buffer; there is no tree at run time.
 *
 * Only one thing is decided while rendering: a map member or list item that is
 * exactly one placeholder is left out when the placeholder gives nothing, and
 * then the comma before its neighbour may have to go too (PIECE_COMMA).
 */
#include "lib/service/parts.h"

#include "lib/base/json.h"
#include "lib/base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- finding the placeholders --------------------------------------------- */

/* Behind the closing quote of the jq string that begins at p; interpolations may hold strings
 * themselves. */
static const char *skip_string(const char *p, const char *end, int depth)
{
	int parens = 0;

	for (p++; p < end; p++) {
		if (parens == 0 && *p == '"') {
			return p + 1;
		}
		if (parens == 0 && *p == '\\' && p + 1 < end) {
			parens += p[1] == '(';
			p++;
		} else if (parens > 0 && *p == '"') {
			if (depth == 0) {
				return end;
			}
			p = skip_string(p, end, depth - 1) - 1;
		} else if (parens > 0) {
			parens += (*p == '(') - (*p == ')');
		}
	}
	return end;
}

/* The `}` that closes the placeholder whose expression begins at p, NULL when there is none. */
static const char *closing_brace(const char *p, const char *end)
{
	int depth = 0;

	while (p < end) {
		if (*p == '"') {
			p = skip_string(p, end, 8);
			continue;
		}
		if (*p == '}' && depth-- == 0) {
			return p;
		}
		depth += *p == '{';
		p++;
	}
	return NULL;
}

/* --- building ------------------------------------------------------------- */

struct builder {
	struct piecework *w;
	const struct yaml_node *node; /* blamed for problems */
	enum encoding encoding;
	const char *where;
	struct buf bytes; /* literal run not yet pushed */
	struct piece *v;
	size_t n, cap;
	bool bad;
};

static void add_piece(struct builder *b, struct piece piece)
{
	if (b->n == b->cap) {
		size_t cap = b->cap == 0 ? 8 : 2 * b->cap;
		struct piece *v = realloc(b->v, cap * sizeof *v);

		if (v == NULL) {
			b->w->nomem = b->bad = true;
			return;
		}
		b->v = v;
		b->cap = cap;
	}
	b->v[b->n++] = piece;
}

/* The literal run becomes a piece. */
static void flush(struct builder *b)
{
	struct piece piece = {.kind = PIECE_BYTES, .len = b->bytes.len};

	if (b->bytes.len == 0) {
		return;
	}
	piece.text = arena_dup(b->w->arena, b->bytes.data, b->bytes.len);
	if (piece.text == NULL) {
		b->w->nomem = b->bad = true;
	}
	buf_reset(&b->bytes);
	add_piece(b, piece);
}

static void add_literal(struct builder *b, const char *text, size_t len)
{
	switch (b->encoding) {
	case ENCODE_PLAIN:
	case ENCODE_PATH:
		buf_add(&b->bytes, text, len);
		break;
	case ENCODE_JSON:
		json_write_escaped(&b->bytes, text, len);
		break;
	case ENCODE_PERCENT:
		text_write_percent(&b->bytes, text, len);
		break;
	case ENCODE_HEADER:
		for (size_t i = 0; i < len; i++) {
			if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
				problems_add(b->w->p, b->w->y, b->node,
				    "%s must not hold control characters", b->where);
				b->bad = true;
				return;
			}
		}
		buf_add(&b->bytes, text, len);
		break;
	}
}

struct first_names {
	bool call, key;
};

static void on_name(void *arg, const char *name, size_t len)
{
	struct first_names *names = arg;

	names->call |= len == 4 && memcmp(name, "call", 4) == 0;
	names->key |= len == 3 && memcmp(name, "key", 3) == 0;
}

/* Which of the call's own values the text names; PARAM for all else. */
static enum hole hole_kind(const char *text, size_t len)
{
	static const struct {
		const char *text;
		enum hole hole;
	} own[] = {{".call.id", HOLE_CALL_ID}, {".call.idempotency_key", HOLE_IDEMPOTENCY},
	    {".key", HOLE_SECRET}};

	for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
		if (strlen(own[i].text) == len && memcmp(own[i].text, text, len) == 0) {
			return own[i].hole;
		}
	}
	return HOLE_PARAM;
}

/* Compiles what stands between `${` and `}`. */
static bool make_hole(struct builder *b, const char *text, size_t len, struct piece *ret)
{
	struct piecework *w = b->w;
	struct first_names names = {0};
	struct lead_error err = {0};

	text_trim(&text, &len);
	ret->hole = w->call ? hole_kind(text, len) : HOLE_PARAM;
	if (ret->hole == HOLE_SECRET && !w->secret) {
		problems_add(w->p, w->y, b->node, "%s: ${.key} may stand in 'auth' only", b->where);
		return false;
	}
	if (ret->hole != HOLE_PARAM) {
		return true;
	}
	ret->expr = owned_expr(w->owned, text, len, &err);
	if (ret->expr == NULL) {
		w->nomem |= err.code == LEAD_ENOMEM;
		problems_add(w->p, w->y, b->node, "%s: %s", b->where, err.text);
		return false;
	}
	expr_reads(ret->expr, on_name, &names);
	if (w->call && (names.call || names.key)) {
		problems_add(w->p, w->y, b->node,
		    "%s: ${%.*s}: 'call' and 'key' are no parameters; "
		    "only ${.call.id}, ${.call.idempotency_key} and ${.key} may stand here",
		    b->where, (int)len, text);
		return false;
	}
	return true;
}

/* Literals and holes of one text; pieces of kind PIECE_HOLE. */
static void add_text(struct builder *b, const char *text, size_t len)
{
	const char *p = text, *end = text + len;

	while (p < end && !b->bad) {
		struct piece piece = {.kind = PIECE_HOLE};
		const char *dollar = memchr(p, '$', (size_t)(end - p));
		const char *close;

		while (dollar != NULL && !(end - dollar >= 2 && dollar[1] == '{') &&
		       !(end - dollar >= 3 && dollar[1] == '$' && dollar[2] == '{')) {
			dollar = memchr(dollar + 1, '$', (size_t)(end - dollar - 1));
		}
		if (dollar == NULL) {
			add_literal(b, p, (size_t)(end - p));
			return;
		}
		add_literal(b, p, (size_t)(dollar - p));
		if (dollar[1] == '$') { /* $${ is a literal ${ */
			add_literal(b, "${", 2);
			p = dollar + 3;
			continue;
		}
		close = closing_brace(dollar + 2, end);
		if (close == NULL) {
			problems_add(
			    b->w->p, b->w->y, b->node, "%s: '${' without its '}'", b->where);
			b->bad = true;
			return;
		}
		if (!make_hole(b, dollar + 2, (size_t)(close - dollar - 2), &piece)) {
			b->bad = true;
			return;
		}
		flush(b);
		add_piece(b, piece);
		p = close + 1;
	}
}

static bool finish(struct builder *b, struct pieces *ret)
{
	flush(b);
	if (b->bytes.failed) {
		b->w->nomem = b->bad = true;
	}
	if (!b->bad) {
		struct piece *v = arena_alloc(b->w->arena, (b->n + 1) * sizeof *v);

		if (v == NULL) {
			b->w->nomem = b->bad = true;
		} else {
			if (b->n > 0) {
				memcpy(v, b->v, b->n * sizeof *v);
			}
			*ret = (struct pieces){
			    .encoding = b->encoding, .v = v, .n = b->n, .where = b->where};
		}
	}
	free(b->v);
	buf_free(&b->bytes);
	return !b->bad;
}

bool pieces_text(struct piecework *w, const struct yaml_node *node, const char *text, size_t len,
    enum encoding e, const char *where, struct pieces *ret)
{
	struct builder b = {.w = w, .node = node, .encoding = e, .where = where};

	add_text(&b, text, len);
	return finish(&b, ret);
}

struct expr *pieces_single(const struct pieces *t)
{
	return t->n == 1 && t->v[0].kind == PIECE_HOLE ? t->v[0].expr : NULL;
}

/* --- JSON trees ----------------------------------------------------------- */

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
			flush(b);
			add_piece(b, v[i]);
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
		flush(b);
		add_piece(b, (struct piece){.kind = PIECE_COMMA});
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

	add_text(&inner, text, len);
	if (!finish(&inner, &pieces)) {
		b->bad = true;
	} else if (pieces_single(&pieces) != NULL) {
		struct piece member = {.kind = PIECE_MEMBER, .expr = pieces.v[0].expr};

		flush(b);
		add_key(b, key);
		member.len = b->bytes.len;
		member.text =
		    arena_dup(b->w->arena, b->bytes.data == NULL ? "" : b->bytes.data, member.len);
		if (member.text == NULL) {
			b->w->nomem = b->bad = true;
		}
		buf_reset(&b->bytes);
		add_piece(b, member);
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
			add_piece(&b, (struct piece){.kind = PIECE_VALUE, .expr = whole.v[0].expr});
		} else {
			add_leaf(&b, whole.v, whole.n);
		}
	} else {
		add_json(&b, node);
	}
	return finish(&b, ret);
}
