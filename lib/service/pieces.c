/*
 * lib/service/pieces.c: texts and JSON trees with ${jq} placeholders, compiled to runs of bytes and
 * holes.
 *
 * At load a text becomes literal bytes, already encoded for the place where they
 * will stand, and holes. fill.c walks that list for each call; there is no tree
 * and no parsing at run time.
 */
#include "lib/service/builder.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/text.h"

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

void builder_piece(struct builder *b, struct piece piece)
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

void builder_flush(struct builder *b)
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
	builder_piece(b, piece);
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
	    {".call.callback", HOLE_CALLBACK}, {".key", HOLE_SECRET}};

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
		    "only ${.call.id}, ${.call.idempotency_key}, ${.call.callback} and ${.key} may stand here",
		    b->where, (int)len, text);
		return false;
	}
	return true;
}

void builder_text(struct builder *b, const char *text, size_t len)
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
		builder_flush(b);
		builder_piece(b, piece);
		p = close + 1;
	}
}

bool builder_finish(struct builder *b, struct pieces *ret)
{
	builder_flush(b);
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

	builder_text(&b, text, len);
	return builder_finish(&b, ret);
}

struct expr *pieces_single(const struct pieces *t)
{
	return t->n == 1 && t->v[0].kind == PIECE_HOLE ? t->v[0].expr : NULL;
}
