/* lib/base/yaml_internal.h: between reading a file (yaml.c) and building its tree (yaml_tree.c). */
#pragma once

#include <yaml.h>

#include "lib/base/yaml.h"

#define YAML_DEPTH_MAX 32 /* also what keeps libyaml, quadratic in depth, quick */

struct builder {
	struct yaml *y;
	struct yaml_node *open; /* the innermost open map or list */
	struct yaml_node *last; /* its last child */
	const char *key;        /* read, and waiting for its value */
	yaml_mark_t key_mark;
	unsigned depth, documents;
	struct lead_error *err;
};

/* Both return what they put into b->err. */
int builder_fail(const struct builder *b, yaml_mark_t at, const char *text);
int builder_fail_memory(const struct builder *b);

/* The next event of the file: 0, or what is wrong with it. */
int builder_event(struct builder *b, const yaml_event_t *event) MUST_CHECK;
