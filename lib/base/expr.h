/*
 * lib/base/expr.h: the expression language of service and pipeline files: jq.
 *
 * A plain path, alone or with `// literal` or `// empty` behind it, runs on our
 * own fast path, keeps every digit of a number and takes input of any size. What
 * jq would call null because it is absent, or an error because it cannot be
 * indexed, is VALUE_NONE there (and `//` steps in).
 *
 * All else is compiled by libjq (15 to 35 ms each, nearly all of it for jq's own builtins: see expr_pool)
 * and may run 20 ms on at most 64 KiB of input (programs that use test, match,
 * capture, scan, split/2, splits, sub, gsub, sort, sort_by, group_by, unique,
 * unique_by: 4 KiB); its result may have 1 MiB. Numbers pass through it as doubles. The
 * 20 ms are kept by SIGRTMIN, which nobody else may use or block.
 *
 * Refused at load, because they read the process, its files or a clock, write to
 * its stderr or end it: import, include, module, modulemeta, env, $ENV, input,
 * inputs, input_line_number, input_filename, debug, stderr, halt, halt_error,
 * get_search_list, get_jq_origin, get_prog_origin, $__loc__, $__prog_args, now,
 * localtime, strflocaltime, and functions that begin with `_`. As names of
 * fields (`.input`, `{input: 1}`) all of these are fine.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/base/path.h"
#include "lib/base/value.h"

/*
 * Programs by their text, so that what is read again is not compiled again. Whoever reads a configuration while it serves
 * calls expr_pool_defer once; then it reads, and while texts wait, throws away what it read, compiles one after the other with
 * a pause for others between, and reads again: now every text is compiled, or refused with its reason. At the end it sweeps.
 */
struct expr_pool;

struct expr_pool *expr_pool_new(void); /* NULL: out of memory */
/* All expressions of it must be gone. NULL is fine. */
void expr_pool_free(struct expr_pool *pool);
/* From now on a new text waits: its expression seems fine, but may not be evaluated, ever. */
void expr_pool_defer(struct expr_pool *pool);
bool expr_pool_waiting(const struct expr_pool *pool);
/* Compiles one text that waits. */
void expr_pool_compile(struct expr_pool *pool);
/* How many texts it has compiled in its life. */
size_t expr_pool_compiled(const struct expr_pool *pool);
/* Forgets what no expression uses. */
void expr_pool_sweep(struct expr_pool *pool);

struct expr; /* immutable once compiled, but not usable from two callers at once */

/*
 * The thing an expression looks at, when it is no JSON text yet: a lead's record, a stage's
 * parameters.
 */
struct expr_source {
	/*
	 * The top-level field `name`; NONE when there is none. The text lives at least as long as
	 * the arena given to expr_eval.
	 */
	struct value (*field)(const void *ctx, const char *name, size_t len);
	/*
	 * Appends the whole source as one JSON object: needed by `.` and by non-plain expressions
	 * only.
	 */
	void (*write)(const void *ctx, struct buf *out);
	const void *ctx;
};

/*
 * 0, LEAD_ENOMEM, or LEAD_EINPUT with the expression and what jq says in err. pool: where programs are shared, and outlives e;
 * NULL: its own.
 */
int expr_compile(const char *text, struct expr_pool *pool, struct expr **ret, struct lead_error *err) MUST_CHECK;
void expr_free(struct expr *e);
const char *expr_text(const struct expr *e);
/* The path of a plain expression, NULL for one that needs libjq. */
const struct path *expr_path(const struct expr *e);
/*
 * What the expression reads: calls f with the name of the first step of every
 * plain path in the text (`.email` gives email), maybe more than once. Found by
 * words alone: `.a | .b` gives b too, `keys` or a bare `.` gives nothing.
 */
void expr_reads(
    const struct expr *e, void (*f)(void *arg, const char *name, size_t len), void *arg);

/* The most bytes of input it can look at; SIZE_MAX: any. */
size_t expr_input_max(const struct expr *e);
/*
 * First result of the expression (VALUE_NONE for `empty`); texts live in the arena, the source or
 * the expression. 0, LEAD_ENOMEM, or LEAD_EINPUT: runtime error, time or size exceeded (err says
 * which, with the expression, but without any word of the data).
 */
int expr_eval(struct expr *e, const struct expr_source *src, struct arena *a, struct value *ret,
    struct lead_error *err) MUST_CHECK;
/* The same on JSON text that json_check accepts. */
int expr_eval_json(struct expr *e, const char *json, size_t len, struct arena *a, struct value *ret,
    struct lead_error *err) MUST_CHECK;
/*
 * For a plain expression whose path was read by json_scan: applies the `// literal`, whose text
 * lives as long as e.
 */
struct value expr_default(const struct expr *e, struct value scanned);
