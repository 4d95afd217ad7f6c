/*
 * lib/service/request.h: from a stage's parameters to the bytes of one HTTP request.
 *
 * Templates are JSON trees (or flat maps for query, headers, form) whose string
 * leaves may hold ${jq} placeholders. They are compiled at load into runs of
 * literal bytes and placeholders; rendering appends to one buffer. A leaf that is
 * exactly one placeholder keeps the value's type in JSON; a mixed leaf is text.
 * Injection is impossible by construction: JSON leaves are escaped, URL parts
 * percent-encoded, header values with control characters refused.
 *
 * Placeholders read the parameters (`${.email}`) and `${.call.id}` (16 hex digits),
 * `${.call.idempotency_key}` (same for every repeat of the item's stage step), `${.call.callback}` (where this call's job may
 * call back), `${.key}` (the secret: auth only).
 */
#pragma once

#include "lib/service/service.h"

struct template;

struct request_input {
	const struct expr_source *params; /* the stage's `with:` values */
	const char *call_id;              /* 16 hex digits */
	const char *idempotency_key;
	const char *callback;             /* the address that `${.call.callback}` stands for; NULL: there is none */
	const char *secret;               /* content of the key's credential, NULL when there is none */
	size_t secret_len;
	const uint8_t *hash_key;          /* 16 bytes: the request gets a hash under it; NULL: 0 */
};

struct request_header { const char *name, *value; }; /* NUL-terminated, no control characters */

/* Everything lives in the arena given to request_render. */
struct request {
	const char *method;
	const char *url;                /* whole, encoded */
	struct request_header headers[24];
	size_t n_headers;
	const char *body;               /* NULL when there is none */
	size_t body_len;
	int64_t connect_us, total_us;
	size_t max_answer_bytes;
	bool http2;
	uint64_t hash; /* of method, URL, headers and body without secret, call id, idempotency key and callback: equal for the same question */
};

/* 0, or LEAD_EINPUT: a value that cannot stand where it should (err names the parameter, never its value). */
int request_render(const struct service *s, const struct service_call *c, const struct request_input *in,
    struct arena *a, struct request *ret, struct lead_error *err) MUST_CHECK;
/* Same, with the secret shown as `***`: for previews and masked traces. */
int request_preview(const struct service *s, const struct service_call *c, const struct request_input *in,
    struct arena *a, struct request *ret, struct lead_error *err) MUST_CHECK;

/* Pipelines use the same templates for `with:` maps and fallback texts. node: a scalar, list or map. NULL when problems were reported. */
struct template *template_compile(const struct yaml *y, const struct yaml_node *node, struct expr_pool *pool, struct problems *p);
void template_free(struct template *t);
/* The value of the template over the source: a scalar leaf keeps its type, maps and lists become VALUE_JSON. */
int template_value(const struct template *t, const struct expr_source *src, struct arena *a, struct value *ret, struct lead_error *err) MUST_CHECK;
/* Calls f with the first name of each path the template reads (`email`, `first_name`, …). */
void template_reads(const struct template *t, void (*f)(void *arg, const char *name, size_t len), void *arg);
