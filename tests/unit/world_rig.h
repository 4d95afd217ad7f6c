/* tests/unit/world_rig.h: one quiet world and ways to ask it, for the tests of single providers. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "lib/sim/scenario.h"
#include "lib/sim/world.h"
#include "tests/unit/world_answer.h"

#define SEC US_PER_S
#define WALL_START INT64_C(1795305600000000)

/* So long after the test began. */
static inline struct now at(int64_t us)
{
	return (struct now){1000 * SEC + us, WALL_START + us};
}

/* The everyday world without limits and latencies, with this scenario over it. */
static inline struct world *world_of(const char *yaml)
{
	struct scenario s;
	struct lead_error err = {0};
	struct world *w;

	scenario_default(&s);
	for (size_t i = 0; i < WORLD_SERVICES; i++) {
		s.services[i].n_limits = 0;
		s.services[i].min_us = s.services[i].median_us = s.services[i].p95_us = 0;
	}
	if (scenario_parse("test", yaml, strlen(yaml), false, &s, &err) != 0) {
		fail_msg("%s", err.text);
	}
	w = world_new(&s);
	assert_non_null(w);
	return w;
}

/* One request with this key as Bearer and as x-api-key; the plan is the world's until the next. */
static inline struct world_plan ask_as(struct world *w, int64_t us, const char *key,
    const char *method, const char *path, const char *query, const char *body)
{
	char bearer[128];
	struct world_header headers[] = {{"Authorization", bearer}, {"X-Api-Key", key},
	    {"User-Agent", "rig/1"}, {"x-request-id", "0000000000000001"}};
	struct world_request r = {.method = method,
	    .path = path,
	    .query = query,
	    .headers = headers,
	    .n_headers = sizeof(headers) / sizeof(headers[0]),
	    .body = body,
	    .body_len = body != NULL ? strlen(body) : 0};
	struct world_plan p;

	(void)snprintf(bearer, sizeof(bearer), "Bearer %s", key);
	world_handle(w, &r, at(us), &p);
	return p;
}

static inline struct world_plan ask(struct world *w, int64_t us, const char *method,
    const char *path, const char *query, const char *body)
{
	return ask_as(w, us, "k", method, path, query, body);
}

/* How many items the list at this path has; "" for the body itself. */
static inline size_t length_of(const struct world_plan *p, const char *path)
{
	struct json_object *root = NULL, *v;
	size_t n;

	assert_int_equal(json_parse(p->body, p->body_len, &root, NULL), 0);
	v = *path != '\0' ? json_object_object_get(root, path) : root;
	assert_true(json_object_is_type(v, json_type_array));
	n = json_object_array_length(v);
	json_object_put(root);
	return n;
}

static inline long number(const struct world_plan *p, const char *path)
{
	const char *text = field(p, path);
	char *end;
	long n = strtol(text, &end, 10);

	assert_true(*text != '\0' && *end == '\0');
	return n;
}

/* The world with this fault on every call of a service. */
static inline struct world *world_with_fault(const char *service, const char *fault)
{
	char yaml[128];

	(void)snprintf(
	    yaml, sizeof(yaml), "services: {%s: {script: [{fault: %s}]}}\n", service, fault);
	return world_of(yaml);
}
