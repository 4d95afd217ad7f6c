/* lib/base/path_trie.h: the inside of a path_set, for path.c and the JSON scanner only. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/path.h"

#include <stdint.h>

#define PATH_NO_SLOT SIZE_MAX

/* A step that one or more paths have in common; the root stands for the whole value. */
struct path_node {
	struct path_step step;          /* how its parent gets here */
	struct path_node *keys, *items; /* children by name and by index */
	struct path_node *next;         /* sibling in the same list */
	uint64_t key_lengths; /* bit (length mod 64) of every child's name: most keys fail here */
	size_t slot;          /* where the value goes, PATH_NO_SLOT when only children are wanted */
	size_t id;            /* 0 to nodes - 1 */
};

struct path_set {
	struct path_node root;
	size_t nodes, slots;
	struct arena arena;
};
