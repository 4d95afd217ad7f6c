/* tests/unit/service_file.h: services from literals, and parameters from JSON, for the tests of
 * lib/service. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/expr.h"
#include "lib/base/json.h"
#include "lib/service/answer.h"
#include "lib/service/request.h"

/* The service, or the test fails with what is wrong with it. */
static inline struct service *service_of(const char *text)
{
	struct problems p;
	struct service *s;
	int rc;

	problems_init(&p);
	rc = service_parse("x.yaml", text, strlen(text), NULL, &p, &s);
	for (const struct problem *q = p.first; q != NULL; q = q->next) {
		print_error("%s\n", q->text);
	}
	assert_int_equal(rc, 0);
	problems_fini(&p);
	return s;
}

static inline struct service *service_shipped(const char *name)
{
	struct problems p;
	struct service *s;
	char file[512];
	int rc;

	snprintf(file, sizeof file, "%s/etc/services/%s.yaml", SOURCE_ROOT, name);
	problems_init(&p);
	rc = service_load(file, NULL, &p, &s);
	for (const struct problem *q = p.first; q != NULL; q = q->next) {
		print_error("%s\n", q->text);
	}
	assert_int_equal(rc, 0);
	problems_fini(&p);
	return s;
}

/* ctx: one JSON object as text. */
static inline struct value params_field(const void *ctx, const char *name, size_t len)
{
	static struct arena arena; /* of the test process */
	struct path_step step = {.name = name, .len = len};
	struct path path = {.steps = &step, .n = 1};
	struct path_set *set = path_set_new();
	struct value value;
	size_t slot;

	assert_int_equal(path_set_add(set, &path, &slot), 0);
	assert_int_equal(json_scan(ctx, strlen(ctx), set, &arena, &value, NULL), 0);
	path_set_free(set);
	value = value_copy(&arena, &value);
	return value;
}

static inline void params_write(const void *ctx, struct buf *out)
{
	buf_add_text(out, ctx);
}
