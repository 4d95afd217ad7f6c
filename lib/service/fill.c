/*
 * lib/service/fill.c: compiled texts and trees are filled with a call's parameters.
 *
 * One walk over the pieces appends to one buffer; each value is encoded for the
 * place where it lands, so that no value can break out of it.
 */
#include "lib/service/parts.h"

#include <string.h>

#include "lib/base/json.h"
#include "lib/base/text.h"

int pieces_eval(const struct pieces *t, struct expr *e, const struct filling *f, struct arena *a,
    struct value *ret, struct lead_error *err)
{
	int rc = expr_eval(e, f->params, a, ret, NULL); /* jq's own text may quote a lead's data */

	if (rc == LEAD_EINPUT) {
		return lead_fail(
		    err, rc, "%s: ${%s} failed on these parameters", t->where, expr_text(e));
	}
	return rc == 0 ? 0 : lead_fail(err, rc, "out of memory");
}

static int refuse(
    const struct pieces *t, const char *name, const char *what, struct lead_error *err)
{
	return lead_fail(err, LEAD_EINPUT, "%s: ${%s} %s", t->where, name, what);
}

int pieces_encode(const struct pieces *t, const char *name, const char *text, size_t len,
    struct buf *out, struct lead_error *err)
{
	switch (t->encoding) {
	case ENCODE_PLAIN:
		buf_add(out, text, len);
		return 0;
	case ENCODE_JSON:
		json_write_escaped(out, text, len);
		return 0;
	case ENCODE_PATH:
		if (len == 0 || (len <= 2 && memcmp(text, "..", len) == 0)) {
			return refuse(
			    t, name, "is empty or made of dots, which no path can hold", err);
		}
		text_write_percent(out, text, len);
		return 0;
	case ENCODE_PERCENT:
		text_write_percent(out, text, len);
		return 0;
	case ENCODE_HEADER:
		for (size_t i = 0; i < len; i++) {
			if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
				return refuse(
				    t, name, "holds control characters, which no header can", err);
			}
		}
		buf_add(out, text, len);
		return 0;
	}
	return 0;
}

/* The text of a hole that is no parameter. */
static int render_own(const struct pieces *t, enum hole hole, const struct filling *f,
    struct buf *out, struct lead_error *err)
{
	switch (hole) {
	case HOLE_CALL_ID:
		return pieces_encode(t, ".call.id", f->call_id, strlen(f->call_id), out, err);
	case HOLE_IDEMPOTENCY:
		return pieces_encode(t, ".call.idempotency_key", f->idempotency_key,
		    strlen(f->idempotency_key), out, err);
	case HOLE_CALLBACK:
		if (f->callback == NULL) {
			return lead_fail(err, LEAD_EINPUT, "%s: nobody can call back", t->where);
		}
		return pieces_encode(t, ".call.callback", f->callback, strlen(f->callback), out, err);
	default:
		if (f->masked) {
			buf_add_text(out, "***");
			return 0;
		}
		if (f->secret == NULL) {
			return lead_fail(err, LEAD_EINPUT, "%s: this key has no secret", t->where);
		}
		return pieces_encode(t, ".key", f->secret, f->secret_len, out, err);
	}
}

static int render_marked(const struct pieces *t, enum hole hole, const struct filling *f,
    struct buf *out, struct lead_error *err)
{
	size_t from = out->len;
	int rc = render_own(t, hole, f, out, err);

	if (f->own != NULL && f->own->n < sizeof f->own->v / sizeof f->own->v[0]) {
		f->own->v[f->own->n].from = from;
		f->own->v[f->own->n++].to = out->len;
	}
	return rc;
}

static int render_hole(const struct pieces *t, const struct piece *piece, const struct filling *f,
    struct arena *a, struct buf *out, struct lead_error *err)
{
	struct value value;
	int rc;

	if (piece->hole != HOLE_PARAM) {
		return render_marked(t, piece->hole, f, out, err);
	}
	rc = pieces_eval(t, piece->expr, f, a, &value, err);
	if (rc != 0) {
		return rc;
	}
	switch (value.kind) {
	case VALUE_NONE:
	case VALUE_NULL:
		return pieces_encode(t, expr_text(piece->expr), "", 0, out, err);
	case VALUE_TRUE:
		return pieces_encode(t, expr_text(piece->expr), "true", 4, out, err);
	case VALUE_FALSE:
		return pieces_encode(t, expr_text(piece->expr), "false", 5, out, err);
	default:
		return pieces_encode(t, expr_text(piece->expr), value.text, value.len, out, err);
	}
}

static void render_comma(struct buf *out)
{
	char last = out->len == 0 ? '[' : out->data[out->len - 1];

	if (last != '{' && last != '[') { /* values end in neither: a text ends in its quote */
		buf_add_char(out, ',');
	}
}

static int render_json(const struct pieces *t, const struct piece *piece, const struct filling *f,
    struct arena *a, struct buf *out, struct lead_error *err)
{
	struct value value;
	int rc = pieces_eval(t, piece->expr, f, a, &value, err);

	if (rc != 0) {
		return rc;
	}
	if (piece->kind == PIECE_MEMBER) {
		if (value.kind == VALUE_NONE) {
			return 0;
		}
		render_comma(out);
		buf_add(out, piece->text, piece->len);
	}
	value_write_json(out, &value);
	return 0;
}

int pieces_render(const struct pieces *t, const struct filling *f, struct arena *a, struct buf *out,
    struct lead_error *err)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct piece *piece = &t->v[i];
		int rc = 0;

		switch (piece->kind) {
		case PIECE_BYTES:
			buf_add(out, piece->text, piece->len);
			break;
		case PIECE_COMMA:
			render_comma(out);
			break;
		case PIECE_HOLE:
			rc = render_hole(t, piece, f, a, out, err);
			break;
		case PIECE_VALUE:
		case PIECE_MEMBER:
			rc = render_json(t, piece, f, a, out, err);
			break;
		}
		if (rc != 0) {
			return rc;
		}
	}
	return 0;
}
