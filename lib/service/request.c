/*
 * lib/service/request.c: one request from its plan and a stage's parameters.
 *
 * url, then headers, then body, each appended to one buffer and copied into the
 * caller's arena. A query or form value, or a header, that is exactly one
 * placeholder is left out when the placeholder gives nothing; a list becomes
 * one `name=value` for each of its items.
 */
#include "lib/service/parts.h"

#include <string.h>

#include <sodium.h>

#include "lib/base/ids.h"
#include "lib/base/json_list.h"

#define MAX_REQUEST_BYTES (8u << 20)

struct rendering {
	const struct request_plan *plan;
	struct filling filling;
	struct arena *arena;
	struct buf out;
	const uint8_t *hash_key; /* NULL: no hash is wanted */
	uint64_t hash;
	struct own_spans own;
	struct lead_error *err;
};

/* --- hash ----------------------------------------------------------------- */

/* Each part is hashed under the hash of all before it. */
static void hash_bytes(struct rendering *r, const char *bytes, size_t len)
{
	uint8_t key[16];

	memcpy(key, r->hash_key, sizeof key);
	for (size_t i = 0; i < 8; i++) {
		key[i] ^= (uint8_t)(r->hash >> (8 * i));
	}
	r->hash = hash_keyed(key, bytes, len);
}

static void hash_text(struct rendering *r, const char *text)
{
	if (r->hash_key != NULL) {
		hash_bytes(r, text, strlen(text));
	}
}

/* What the buffer holds, without what is the call's own. */
static void hash_out(struct rendering *r)
{
	const char *text = r->out.data == NULL ? "" : r->out.data;
	size_t at = 0;

	if (r->hash_key == NULL) {
		return;
	}
	for (size_t i = 0; i < r->own.n; i++) {
		hash_bytes(r, text + at, r->own.v[i].from - at);
		at = r->own.v[i].to;
	}
	hash_bytes(r, text + at, r->out.len - at);
}

/* What the buffer holds, in the arena; the buffer is empty afterwards. */
static const char *keep(struct rendering *r, size_t *ret_len)
{
	char *text = r->out.failed
			 ? NULL
			 : arena_dup(r->arena, r->out.data == NULL ? "" : r->out.data, r->out.len);

	if (ret_len != NULL) {
		*ret_len = r->out.len;
	}
	if (text != NULL) {
		buf_reset(&r->out);
		r->own.n = 0;
	}
	return text;
}

static int too_large(struct rendering *r)
{
	if (r->out.len + 1 >= MAX_REQUEST_BYTES / 2) {
		return lead_fail(
		    r->err, LEAD_EINPUT, "the request is larger than %u bytes", MAX_REQUEST_BYTES);
	}
	return lead_fail(r->err, LEAD_ENOMEM, "out of memory");
}

/* --- query and form ------------------------------------------------------- */

static void add_name(struct rendering *r, const char *name, char *separator)
{
	if (*separator != '\0') {
		buf_add_char(&r->out, *separator);
	}
	*separator = '&';
	buf_add_text(&r->out, name);
	buf_add_char(&r->out, '=');
}

static int add_value(
    struct rendering *r, const struct named *n, const struct value *v, char *separator)
{
	const char *text = v->text;
	size_t len = v->len;

	if (v->kind == VALUE_NONE || v->kind == VALUE_NULL) {
		return 0;
	}
	if (v->kind == VALUE_TRUE || v->kind == VALUE_FALSE) {
		text = v->kind == VALUE_TRUE ? "true" : "false";
		len = strlen(text);
	}
	add_name(r, n->name, separator);
	return pieces_encode(&n->value, n->name, text, len, &r->out, r->err);
}

static int add_list(
    struct rendering *r, const struct named *n, const struct value *list, char *separator)
{
	struct json_list l;
	const char *text;
	size_t len;
	int rc = 0;

	(void)json_list_open(&l, list->text, list->len);
	while (rc == 0 && json_list_next(&l, &text, &len)) {
		struct value item;

		rc = expr_eval_json(r->plan->itself, text, len, r->arena, &item, r->err);
		rc = rc == 0 ? add_value(r, n, &item, separator) : rc;
	}
	return rc;
}

static int add_pairs(struct rendering *r, const struct named_list *list, char *separator)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < list->n; i++) {
		const struct named *n = &list->v[i];
		struct expr *single = pieces_single(&n->value);
		struct value value;

		if (single == NULL) {
			add_name(r, n->name, separator);
			rc = pieces_render(&n->value, &r->filling, r->arena, &r->out, r->err);
			continue;
		}
		rc = pieces_eval(&n->value, single, &r->filling, r->arena, &value, r->err);
		if (rc == 0 && value.kind == VALUE_JSON && value.text[0] == '[') {
			rc = add_list(r, n, &value, separator);
		} else if (rc == 0) {
			rc = add_value(r, n, &value, separator);
		}
	}
	return rc;
}

/* --- headers -------------------------------------------------------------- */

/* The rendered `user:password` in the buffer becomes what the header carries. */
static int encode_basic(struct rendering *r)
{
	size_t len, room;
	const char *plain;
	char *base64;

	if (r->filling.masked) {
		buf_reset(&r->out);
		buf_add_text(&r->out, "Basic ***");
		return 0;
	}
	plain = keep(r, &len);
	room = sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_ORIGINAL);
	base64 = plain == NULL ? NULL : arena_alloc(r->arena, room);
	if (base64 == NULL) {
		return too_large(r);
	}
	sodium_bin2base64(
	    base64, room, (const unsigned char *)plain, len, sodium_base64_VARIANT_ORIGINAL);
	buf_add_text(&r->out, "Basic ");
	buf_add_text(&r->out, base64);
	return 0;
}

static int add_header(struct rendering *r, const struct named *n, struct request *ret)
{
	const struct pieces *t = &n->value;
	const char *value;
	int rc;

	hash_text(r, n->name);
	if (t->n == 1 && t->v[0].kind == PIECE_BYTES && !n->basic) {
		hash_text(r, t->v[0].text);
		ret->headers[ret->n_headers++] = (struct request_header){n->name, t->v[0].text};
		return 0;
	}
	rc = pieces_render(t, &r->filling, r->arena, &r->out, r->err);
	if (rc == 0 && n->basic) {
		rc = encode_basic(r); /* a name and a secret: no part of the question */
	} else if (rc == 0) {
		hash_out(r);
	}
	if (rc != 0 || r->out.len == 0) { /* an empty one is not sent */
		return rc;
	}
	value = keep(r, NULL);
	if (value == NULL) {
		return too_large(r);
	}
	ret->headers[ret->n_headers++] = (struct request_header){n->name, value};
	return 0;
}

/* --- the whole ------------------------------------------------------------ */

static int add_url(struct rendering *r, struct request *ret)
{
	char separator = '?';
	int rc = pieces_render(&r->plan->url, &r->filling, r->arena, &r->out, r->err);

	if (rc == 0) {
		rc = add_pairs(r, &r->plan->query, &separator);
	}
	if (rc == 0) {
		hash_text(r, r->plan->method);
		hash_out(r);
		ret->url = keep(r, NULL);
		rc = ret->url == NULL ? too_large(r) : 0;
	}
	return rc;
}

static int add_body(struct rendering *r, struct request *ret)
{
	char separator = '\0';
	int rc;

	if (r->plan->kind == BODY_NONE) {
		return 0;
	}
	rc = r->plan->kind == BODY_FORM
		 ? add_pairs(r, &r->plan->form, &separator)
		 : pieces_render(&r->plan->body, &r->filling, r->arena, &r->out, r->err);
	if (rc == 0) {
		hash_out(r);
		ret->body = keep(r, &ret->body_len);
		rc = ret->body == NULL ? too_large(r) : 0;
	}
	return rc;
}

static int render(const struct service *s, const struct service_call *c,
    const struct request_input *in, bool masked, struct arena *a, struct request *ret,
    struct lead_error *err)
{
	struct lead_error inner = {0};
	struct rendering r = {.plan = c->request,
	    .filling = {.params = in->params,
		.call_id = in->call_id,
		.idempotency_key = in->idempotency_key,
		.callback = in->callback,
		.secret = in->secret,
		.secret_len = in->secret_len,
		.masked = masked},
	    .arena = a,
	    .out = {.max = MAX_REQUEST_BYTES},
	    .hash_key = in->hash_key,
	    .err = &inner};
	struct request done = {.method = c->method,
	    .connect_us = c->connect_us,
	    .total_us = c->total_us,
	    .max_answer_bytes = c->max_answer_bytes,
	    .http2 = s->http2};
	int rc;

	r.filling.own = in->hash_key != NULL ? &r.own : NULL;
	rc = add_url(&r, &done);

	for (size_t i = 0; rc == 0 && i < r.plan->headers.n; i++) {
		rc = add_header(&r, &r.plan->headers.v[i], &done);
	}
	if (rc == 0) {
		rc = add_body(&r, &done);
	}
	done.hash = r.hash;
	buf_free(&r.out);
	if (rc != 0) {
		return lead_fail(err, rc, "%s %s: %s", s->name, c->name, inner.text);
	}
	*ret = done;
	return 0;
}

int request_render(const struct service *s, const struct service_call *c,
    const struct request_input *in, struct arena *a, struct request *ret, struct lead_error *err)
{
	return render(s, c, in, false, a, ret, err);
}

int request_preview(const struct service *s, const struct service_call *c,
    const struct request_input *in, struct arena *a, struct request *ret, struct lead_error *err)
{
	return render(s, c, in, true, a, ret, err);
}
