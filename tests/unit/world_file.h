/* tests/unit/world_file.h: a simulated world and one call to it, for the tests of lib/sim's models.
 */
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
#include "tests/unit/world_answer.h"

#define WORLD_NOW ((struct now){.boot_us = 1000 * US_PER_S, .wall_us = INT64_C(20000) * US_PER_DAY})

/* settings: of one service; its answers come at once unless they say how late. */
static inline struct world *world_for(const char *service, const char *settings)
{
	struct scenario s;
	struct lead_error err = {0};
	struct world *w;
	char yaml[1024];

	(void)snprintf(yaml, sizeof(yaml), "services: {%s: {%s%s%s}}\n", service,
	    strstr(settings, "latency:") == NULL ? "latency: {min: 0s, median: 0s, p95: 0s}" : "",
	    strstr(settings, "latency:") == NULL && *settings != '\0' ? ", " : "", settings);
	scenario_default(&s);
	if (scenario_parse("test", yaml, strlen(yaml), false, &s, &err) != 0) {
		fail_msg("%s", err.text);
	}
	w = world_new(&s);
	assert_non_null(w);
	return w;
}

/* path with its query, if any. All the usual ways to show the key "k". */
static inline struct world_plan world_ask(
    struct world *w, struct now now, const char *method, const char *path, const char *body)
{
	struct world_header headers[] = {{"Authorization", "Bearer k"}, {"X-API-Key", "k"},
	    {"apikey", "k"}, {"Prefer", "resolution=merge-duplicates"}};
	char copy[1024], *query;
	struct world_request r = {.method = method,
	    .path = copy,
	    .headers = headers,
	    .n_headers = 4,
	    .body = body,
	    .body_len = body != NULL ? strlen(body) : 0};
	struct world_plan p;

	(void)snprintf(copy, sizeof(copy), "%s", path);
	query = strchr(copy, '?');
	if (query != NULL) {
		*query++ = '\0';
		r.query = query;
	}
	world_handle(w, &r, now, &p);
	return p;
}

static inline const char *plan_line(const struct world_plan *p, const char *name)
{
	const char *line = header(p, name);

	return line != NULL ? line : "(none)";
}
