/*
 * lib/base/expr.h: the expression language of service and pipeline files: jq.
 *
 * A plain path with an optional literal behind `//` runs on our own fast path;
 * all else is compiled by libjq (28 to 34 ms each: at load, never in the loop)
 * and may run 20 ms on at most 64 KiB of input (programs that use test, match,
 * capture, scan, split/2, sub, gsub, sort, group_by, unique: 4 KiB).
 * Refused at load, because they read the process or its files, write to its
 * stderr or end it: import, include, env, $ENV, input, inputs, debug, stderr,
 * halt, halt_error, $__loc__, modulemeta.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/base/path.h"
#include "lib/base/value.h"

struct expr; /* immutable once compiled, but not usable from two callers at once */

/* The thing an expression looks at, when it is no JSON text yet: a lead's record, a stage's parameters. */
struct expr_source {
	/* The top-level field `name`; NONE when there is none. The text lives at least as long as the arena given to expr_eval. */
	struct value (*field)(const void *ctx, const char *name, size_t len);
	/* Appends the whole source as one JSON object: needed by non-plain expressions only. */
	void (*write)(const void *ctx, struct buf *out);
	const void *ctx;
};

/* 0, or LEAD_EINPUT with what jq says in err. */
int expr_compile(const char *text, struct expr **ret, struct lead_error *err) MUST_CHECK;
void expr_free(struct expr *e);
const char *expr_text(const struct expr *e);
/* The path of a plain expression, NULL for one that needs libjq. */
const struct path *expr_path(const struct expr *e);
/* Name of the first step of every plain path in the text (`.email` gives email): what the expression reads. Calls f per name. */
void expr_reads(const struct expr *e, void (*f)(void *arg, const char *name, size_t len), void *arg);

/*
 * First result of the expression (VALUE_NONE for `empty`); texts live in the arena or in the source.
 * 0, or LEAD_EINPUT: runtime error, time or size exceeded (err says which).
 */
int expr_eval(struct expr *e, const struct expr_source *src, struct arena *a, struct value *ret, struct lead_error *err) MUST_CHECK;
/* The same on JSON text that json_check accepts. */
int expr_eval_json(struct expr *e, const char *json, size_t len, struct arena *a, struct value *ret, struct lead_error *err) MUST_CHECK;
/* For a plain expression whose path was read by json_scan: applies the `// literal`. */
struct value expr_default(const struct expr *e, struct value scanned);
