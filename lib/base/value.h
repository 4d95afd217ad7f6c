/* lib/base/value.h: one field of a lead or an answer, without a tree around it. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_kind {
	VALUE_NONE, /* the field does not exist */
	VALUE_NULL, /* JSON null */
	VALUE_FALSE,
	VALUE_TRUE,
	VALUE_NUMBER, /* text: as written in the source, so that nothing is rounded */
	VALUE_STRING, /* text: decoded UTF-8, no quotes, may hold any character but NUL */
	VALUE_JSON,   /* text: a whole object or array as valid JSON */
};

/* text is borrowed; who gave the value says how long it lives. Not NUL-terminated. */
struct value {
	enum value_kind kind;
	uint32_t len;
	const char *text;
};

struct value value_string(const char *text, size_t len);
struct value value_text(const char *text); /* NUL-terminated; NULL gives VALUE_NONE */
struct value value_int(struct arena *a, int64_t number);

/* NONE, NULL, and strings of nothing but white space: what "missing input" means (P6). */
bool value_is_blank(const struct value *v);
/* jq's truth: everything but NONE, null and false. */
bool value_is_true(const struct value *v);
bool value_equal(const struct value *a, const struct value *b);
/* Exact int64 from a NUMBER or from a STRING that is one; false when it is none or does not fit. */
bool value_to_int(const struct value *v, int64_t *ret);
/* Finite double, same sources. */
bool value_to_double(const struct value *v, double *ret);

/* Appends the value as JSON (NONE as null); strings quoted and escaped, slashes not. */
void value_write_json(struct buf *out, const struct value *v);
/* Appends the value as plain text: strings and numbers as they are, null and NONE as nothing. */
void value_write_text(struct buf *out, const struct value *v);
/* A copy whose text lives in the arena; NONE when out of memory. */
struct value value_copy(struct arena *a, const struct value *v);
