/* tests/unit/world_answer.h: what stands in the answer of a simulated service, and what it counted. */
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

#include "lib/base/json.h"
#include "lib/sim/world.h"

/* What stands at `results.0.id` of a JSON text: the string, `(none)`, `(null)`, or JSON. A `#` at
 * the end counts the elements. Good until the eighth look after it. */
static inline const char *text_at(const char *json, size_t len, const char *path)
{
	static char outs[8][4096];
	static unsigned turn;
	struct json_object *root = NULL, *v;
	char copy[128], *rest = copy, *part, *out = outs[turn++ % 8];
	bool found = true;

	assert_int_equal(json_parse(json, len, &root, NULL), 0);
	v = root;
	(void)snprintf(copy, sizeof(copy), "%s", path);
	while (found && (part = strsep(&rest, ".")) != NULL) {
		if (strcmp(part, "#") == 0) {
			(void)snprintf(out, sizeof(outs[0]), "%zu", json_object_array_length(v));
			json_object_put(root);
			return out;
		}
		if (json_object_is_type(v, json_type_array)) {
			found = strtoul(part, NULL, 10) < json_object_array_length(v);
			v = found ? json_object_array_get_idx(v, strtoul(part, NULL, 10)) : NULL;
		} else {
			found = json_object_object_get_ex(v, part, &v);
		}
	}
	(void)snprintf(out, sizeof(outs[0]), "%s",
	    !found      ? "(none)"
	    : v == NULL ? "(null)"
			: json_object_get_string(v));
	json_object_put(root);
	return out;
}

static inline const char *field(const struct world_plan *p, const char *path)
{
	return text_at(p->body, p->body_len, path);
}

/* NULL: no such line. */
static inline const char *header(const struct world_plan *p, const char *name)
{
	for (size_t i = 0; i < p->n_headers; i++) {
		if (strcasecmp(p->headers[i].name, name) == 0) {
			return p->headers[i].value;
		}
	}
	return NULL;
}

static inline struct world_totals totals(const struct world *w, enum world_service s)
{
	struct world_totals t;

	world_totals(w, s, &t);
	return t;
}
