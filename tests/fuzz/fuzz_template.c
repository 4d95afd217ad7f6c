/*
 * Parameters of any bytes put into every place of a request.
 *
 * The first byte picks the kind of value, the rest is its text. What comes out
 * must be a URL without blanks, headers without control characters, and valid JSON.
 *
 * Compiled like fuzz_service.c.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/text.h"
#include "lib/service/request.h"

static const char file[] =
    "service: x\n"
    "base: https://h.example/v1\n"
    "keys: [k]\n"
    "auth: [bearer, {body: key}]\n"
    "calls:\n"
    "  one:\n"
    "    post: /a/${.v}/b\n"
    "    query: {q: '${.v}', r: 'x ${.v}', '${.v}': 1}\n"
    "    headers: {X-V: '${.v}', X-W: 'w ${.v}'}\n"
    "    json:\n"
    "      a: '${.v}'\n"
    "      b: ['${.v}', 'x ${.v} ${.v}', {c: '${.v}'}]\n"
    "      d: '${.v // 1}'\n"
    "  two:\n"
    "    post: /\n"
    "    json: {a: '${.v}', b: ['${.v}', 'x ${.v} ${.v}', {c: '${.v}'}], d: '${.v // 1}'}\n";

static struct value field(const void *ctx, const char *name, size_t len)
{
	return len == 1 && *name == 'v' ? *(const struct value *)ctx : value_text(NULL);
}

static void write_source(const void *ctx, struct buf *out)
{
	buf_add_text(out, "{\"v\":");
	value_write_json(out, ctx);
	buf_add_char(out, '}');
}

/* A value as it can stand in a record: strings are UTF-8 without NUL, numbers and JSON are checked.
 */
static struct value value_from(const uint8_t *data, size_t size)
{
	static const enum value_kind kinds[] = {VALUE_NONE, VALUE_NULL, VALUE_TRUE, VALUE_FALSE};
	const char *text = (const char *)data + 1;
	size_t len = size - 1;
	struct value v;

	if (data[0] % 6 < 4) {
		return (struct value){.kind = kinds[data[0] % 6]};
	}
	if (data[0] % 6 == 4) {
		v = value_string(text, len);
		v.kind = text_is_utf8(text, len) && memchr(text, '\0', len) == NULL ? VALUE_STRING
										    : VALUE_NONE;
		return v;
	}
	if (json_check(text, len, JSON_DEPTH, NULL) != 0) {
		return value_text(NULL);
	}
	text_trim(&text, &len);
	v = value_string(text, len);
	v.kind = *text == '[' || *text == '{' ? VALUE_JSON : VALUE_NONE;
	return v;
}

static void check(const struct request *r)
{
	for (const char *p = r->url; *p != '\0'; p++) {
		if (*p <= ' ' || *p == 0x7f || strchr("\"<>\\^`{|}", *p) != NULL) {
			__builtin_trap();
		}
	}
	for (size_t i = 0; i < r->n_headers; i++) {
		for (const char *p = r->headers[i].value; *p != '\0'; p++) {
			if ((unsigned char)*p < ' ' || *p == 0x7f) {
				__builtin_trap();
			}
		}
	}
	if (json_check(r->body, r->body_len, 128, NULL) != 0) {
		__builtin_trap();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct service *s;
	struct expr_source source = {.field = field, .write = write_source};
	struct request_input in = {.params = &source,
	    .call_id = "0123456789abcdef",
	    .idempotency_key = "k",
	    .secret = "s",
	    .secret_len = 1};
	struct arena arena = {0};
	struct problems p;
	struct value v;

	if (s == NULL) {
		problems_init(&p);
		if (service_parse("x.yaml", file, sizeof file - 1, NULL, &p, &s) != 0) {
			abort();
		}
		problems_fini(&p);
	}
	if (size == 0) {
		return 0;
	}
	v = value_from(data, size);
	source.ctx = &v;
	for (size_t i = 0; i < s->n_calls; i++) {
		struct request r;

		if (request_render(s, &s->calls[i], &in, &arena, &r, NULL) == 0) {
			check(&r);
		}
	}
	arena_free(&arena);
	return 0;
}
