/*
 * lib/base/expr_pool.c: each text that needs libjq is compiled once, for all expressions that say it.
 *
 *   new text --(defer?)--> waiting --expr_pool_compile--> compiled, or refused with why
 *
 * A program stays while an expression uses it, and beyond that until the pool is swept: so a configuration can be read twice,
 * the first time to learn which texts are new, the second time with all of them compiled.
 */
#include "lib/base/expr_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct pooled {
	struct expr_pool *pool; /* NULL: one expression's own */
	char *text;
	struct program *program; /* NULL: waiting or refused */
	int refused;             /* what program_compile said */
	struct lead_error why;
	unsigned users;
	struct pooled *next;
};

struct expr_pool {
	struct pooled *first;
	bool defer;
	size_t compiled;
};

static void pooled_free(struct pooled *p)
{
	program_free(p->program);
	free(p->text);
	free(p);
}

static void compile(struct pooled *p)
{
	p->refused = program_compile(p->text, &p->program, &p->why);
	if (p->pool != NULL) {
		p->pool->compiled++;
	}
}

static bool waits(const struct pooled *p)
{
	return p->program == NULL && p->refused == 0;
}

static struct pooled *pooled_find(const struct expr_pool *pool, const char *text)
{
	for (struct pooled *p = pool != NULL ? pool->first : NULL; p != NULL; p = p->next) {
		if (strcmp(p->text, text) == 0) {
			return p;
		}
	}
	return NULL;
}

static struct pooled *pooled_new(struct expr_pool *pool, const char *text)
{
	struct pooled *p = calloc(1, sizeof(*p));

	if (p == NULL || (p->text = strdup(text)) == NULL) {
		free(p);
		return NULL;
	}
	p->pool = pool;
	if (pool != NULL) {
		p->next = pool->first;
		pool->first = p;
	}
	if (pool == NULL || !pool->defer) {
		compile(p);
	}
	return p;
}

int pooled_take(struct expr_pool *pool, const char *text, struct pooled **ret, struct lead_error *err)
{
	struct pooled *p = pooled_find(pool, text);
	int rc;

	p = p != NULL ? p : pooled_new(pool, text);
	if (p == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	rc = p->refused;
	if (rc != 0) {
		rc = lead_fail(err, rc, "%s", p->why.text);
		if (pool == NULL) {
			pooled_free(p);
		}
		return rc;
	}
	p->users++;
	*ret = p;
	return 0;
}

void pooled_drop(struct pooled *p)
{
	if (p != NULL && --p->users == 0 && p->pool == NULL) {
		pooled_free(p);
	}
}

struct program *pooled_program(const struct pooled *p)
{
	assert(p->program != NULL); /* what was read while texts waited is not for use */
	return p->program;
}

struct expr_pool *expr_pool_new(void)
{
	return calloc(1, sizeof(struct expr_pool));
}

void expr_pool_free(struct expr_pool *pool)
{
	if (pool != NULL) {
		expr_pool_sweep(pool);
		assert(pool->first == NULL);
		free(pool);
	}
}

void expr_pool_defer(struct expr_pool *pool)
{
	pool->defer = true;
}

static struct pooled *first_waiting(const struct expr_pool *pool)
{
	struct pooled *p = pool->first;

	while (p != NULL && !waits(p)) {
		p = p->next;
	}
	return p;
}

bool expr_pool_waiting(const struct expr_pool *pool)
{
	return first_waiting(pool) != NULL;
}

void expr_pool_compile(struct expr_pool *pool)
{
	struct pooled *p = first_waiting(pool);

	if (p != NULL) {
		compile(p);
	}
}

size_t expr_pool_compiled(const struct expr_pool *pool)
{
	return pool->compiled;
}

void expr_pool_sweep(struct expr_pool *pool)
{
	struct pooled **at = &pool->first;

	while (*at != NULL) {
		struct pooled *p = *at;

		if (p->users == 0) {
			*at = p->next;
			pooled_free(p);
		} else {
			at = &p->next;
		}
	}
}
