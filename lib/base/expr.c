/*
 * lib/base/expr.c: decides which engine an expression runs on.
 *
 * `path`, `path // literal` and `path // empty` never reach libjq: the path is
 * read out of the raw text by json_scan, or asked of the source field by field,
 * and the literal was read at compile time. Numbers keep every digit that way.
 * What is absent is VALUE_NONE here where jq says null, and where jq complains
 * that it cannot index (.a.b when a is a text) the field is absent too.
 * All else is checked by expr_scan and handed to expr_jq.c.
 */
#include "lib/base/expr.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/expr_internal.h"
#include "lib/base/json.h"

#define INPUT_BYTES_MAX ((size_t)64 << 10)
#define SLOW_INPUT_BYTES_MAX ((size_t)4 << 10)

struct expr {
	char *text;
	struct arena arena; /* text and the literal */

	/* plain */
	bool plain, has_fallback;
	struct path path;
	struct path_set *whole, *rest; /* the path, and the path without its first step; slot 0 */
	struct value fallback;

	/* all else */
	struct pooled *program;
	size_t input_max; /* bytes */
};

/* Start of the first `//` outside strings, NULL when there is none. */
static const char *find_alternative(const char *text)
{
	bool quoted = false;

	for (const char *p = text; *p != '\0'; p++) {
		if (quoted && p[0] == '\\' && p[1] != '\0') {
			p++;
		} else if (*p == '"') {
			quoted = !quoted;
		} else if (!quoted && p[0] == '/' && p[1] == '/') {
			return p;
		}
	}
	return NULL;
}

static void trim(const char **text, size_t *len)
{
	static const char SPACE[] = " \t\r\n";

	while (*len > 0 && strchr(SPACE, (*text)[0]) != NULL) {
		(*text)++;
		(*len)--;
	}
	while (*len > 0 && strchr(SPACE, (*text)[*len - 1]) != NULL) {
		(*len)--;
	}
}

/* A set that holds the one path steps[0..n). */
static struct path_set *set_of(struct path_step *steps, size_t n)
{
	struct path path = {.steps = steps, .n = n};
	struct path_set *set = path_set_new();
	size_t slot;

	if (set != NULL && path_set_add(set, &path, &slot) != 0) {
		path_set_free(set);
		return NULL;
	}
	return set;
}

/* 0, 1 when the text is no JSON value, LEAD_ENOMEM. */
static int read_literal(struct expr *e, const char *text, size_t len)
{
	struct path_set *set;
	char *copy;
	int rc;

	if (len == 5 && memcmp(text, "empty", 5) == 0) {
		return 0; /* the fallback is VALUE_NONE */
	}
	set = set_of(NULL, 0);
	copy = arena_dup(&e->arena, text, len); /* the value points into it */
	if (set == NULL || copy == NULL) {
		path_set_free(set);
		return LEAD_ENOMEM;
	}
	rc = json_scan(copy, len, set, &e->arena, &e->fallback, NULL);
	path_set_free(set);
	return rc == LEAD_EINPUT ? 1 : rc;
}

/* 0, 1 when the text is no plain expression, LEAD_ENOMEM. */
static int compile_plain(struct expr *e)
{
	const char *path = e->text, *literal = find_alternative(path);
	size_t path_len = literal != NULL ? (size_t)(literal - path) : strlen(path), literal_len;
	char *copy;
	int rc;

	trim(&path, &path_len);
	copy = arena_dup(&e->arena, path, path_len);
	rc = copy != NULL ? path_parse(copy, &e->path) : LEAD_ENOMEM;
	if (rc != 0) {
		return rc;
	}
	if (literal != NULL) {
		literal += 2;
		literal_len = strlen(literal);
		trim(&literal, &literal_len);
		rc = read_literal(e, literal, literal_len);
		e->has_fallback = true;
	}
	if (rc == 0) {
		size_t skip = e->path.n > 0 ? 1 : 0;

		e->whole = set_of(e->path.steps, e->path.n);
		e->rest = set_of(e->path.steps + skip, e->path.n - skip);
		rc = e->whole == NULL || e->rest == NULL ? LEAD_ENOMEM : 0;
	}
	if (rc != 0) {
		path_fini(&e->path);
		e->path = (struct path){0};
	}
	e->plain = rc == 0;
	return rc;
}

static int compile_program(struct expr *e, struct expr_pool *pool, struct lead_error *err)
{
	struct expr_words words;
	struct lead_error why;
	int rc = expr_scan(e->text, &words, NULL, NULL, &why);

	if (rc != 0) {
		return lead_fail(err, rc, "'%.80s': %s", e->text, why.text);
	}
	e->input_max = words.slow ? SLOW_INPUT_BYTES_MAX : INPUT_BYTES_MAX;
	return pooled_take(pool, e->text, &e->program, err);
}

int expr_compile(const char *text, struct expr_pool *pool, struct expr **ret, struct lead_error *err)
{
	struct expr *e = calloc(1, sizeof(*e));
	const char *start = text;
	size_t len = strlen(text);
	int rc;

	trim(&start, &len);
	if (e != NULL) {
		e->text = arena_dup(&e->arena, start, len);
	}
	if (e == NULL || e->text == NULL) {
		expr_free(e);
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	if (len == 0) {
		rc = lead_fail(err, LEAD_EINPUT, "empty expression");
	} else {
		rc = compile_plain(e);
		if (rc > 0) {
			rc = compile_program(e, pool, err);
		} else if (rc < 0) {
			rc = lead_fail(err, rc, "out of memory");
		}
	}
	if (rc != 0) {
		expr_free(e);
		return rc;
	}
	*ret = e;
	return 0;
}

void expr_free(struct expr *e)
{
	if (e != NULL) {
		path_set_free(e->whole);
		path_set_free(e->rest);
		path_fini(&e->path);
		pooled_drop(e->program);
		arena_free(&e->arena);
		free(e);
	}
}

const char *expr_text(const struct expr *e)
{
	return e->text;
}

const struct path *expr_path(const struct expr *e)
{
	return e->plain ? &e->path : NULL;
}

void expr_reads(const struct expr *e, void (*f)(void *arg, const char *name, size_t len), void *arg)
{
	struct expr_words words;

	if (!e->plain) {
		int rc = expr_scan(e->text, &words, f, arg, NULL);

		assert(rc == 0); /* it passed when it was compiled */
		(void)rc;
	} else if (e->path.n > 0 && e->path.steps[0].name != NULL) {
		f(arg, e->path.steps[0].name, e->path.steps[0].len);
	}
}

struct value expr_default(const struct expr *e, struct value scanned)
{
	return e->has_fallback && !value_is_true(&scanned) ? e->fallback : scanned;
}

/* The source as JSON text, at most max bytes (0: any). */
static int write_source(const struct expr *e, const struct expr_source *src, size_t max,
    struct buf *out, struct lead_error *err)
{
	out->max = max;
	src->write(src->ctx, out);
	if (out->failed) {
		return lead_fail(
		    err, LEAD_EINPUT, "'%.80s': its input is over %zu bytes", e->text, max);
	}
	return 0;
}

static int read_source(const struct expr *e, const struct expr_source *src, struct arena *a,
    struct value *ret, struct lead_error *err)
{
	const struct path_step *first = e->path.steps;
	struct value top = {VALUE_NONE};

	if (first->name != NULL) {
		top = src->field(src->ctx, first->name, first->len);
	}
	if (e->path.n > 1 && top.kind == VALUE_JSON) {
		return json_scan(top.text, top.len, e->rest, a, ret, err);
	}
	if (e->path.n > 1) {
		top = (struct value){VALUE_NONE}; /* nothing stands below a scalar */
	}
	*ret = top;
	return 0;
}

size_t expr_input_max(const struct expr *e)
{
	return e->plain ? SIZE_MAX : e->input_max;
}

int expr_eval(struct expr *e, const struct expr_source *src, struct arena *a, struct value *ret,
    struct lead_error *err)
{
	struct buf json = {0};
	struct value v = {VALUE_NONE};
	int rc;

	if (e->plain && e->path.n > 0) {
		rc = read_source(e, src, a, &v, err);
		if (rc == 0) {
			*ret = expr_default(e, v);
		}
		return rc;
	}
	rc = write_source(e, src, e->plain ? 0 : e->input_max, &json, err);
	if (rc == 0 && e->plain) {
		v = (struct value){
		    VALUE_JSON, (uint32_t)json.len, arena_dup(a, json.data, json.len)};
		rc = v.text != NULL ? 0 : lead_fail(err, LEAD_ENOMEM, "out of memory");
	} else if (rc == 0) {
		rc = program_run(pooled_program(e->program), json.data, json.len, a, &v, err);
	}
	buf_free(&json);
	if (rc == 0) {
		*ret = v;
	}
	return rc;
}

int expr_eval_json(struct expr *e, const char *json, size_t len, struct arena *a, struct value *ret,
    struct lead_error *err)
{
	struct value v = {VALUE_NONE};
	int rc;

	if (e->plain) {
		rc = json_scan(json, len, e->whole, a, &v, err);
		v = expr_default(e, v);
	} else if (len > e->input_max) {
		rc = lead_fail(err, LEAD_EINPUT, "'%.80s': its input of %zu bytes is over %zu",
		    e->text, len, e->input_max);
	} else {
		rc = program_run(pooled_program(e->program), json, len, a, &v, err);
	}
	if (rc == 0) {
		*ret = v;
	}
	return rc;
}
