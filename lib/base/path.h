/*
 * lib/base/path.h: plain jq paths, compiled.
 *
 * Grammar: `.` | (`.name` | `."any text"` | `[N]`)+ , N from -1 down is not
 * plain. A path_set is the trie of many paths, so that json_scan finds all of
 * them in one pass.
 */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct path_step {
	const char *name; /* object key, NULL for an array index */
	size_t len;
	size_t index; /* array index, 0 to 9999 */
};

struct path {
	struct path_step *steps;
	size_t n; /* 0: the whole value */
};

struct path_set;

/* 0, 1 when the text is no plain path (it may still be jq), or LEAD_ENOMEM. */
int path_parse(const char *text, struct path *ret) MUST_CHECK;
void path_fini(struct path *p);

struct path_set *path_set_new(void); /* NULL when out of memory */
/* Copies the path; the same path twice gives the same slot. ret: its slot for json_scan. */
int path_set_add(struct path_set *set, const struct path *path, size_t *ret_slot) MUST_CHECK;
size_t path_set_count(const struct path_set *set);
void path_set_free(struct path_set *set);
