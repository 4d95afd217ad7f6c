/*
 * lib/base/path.c: path_parse cuts a plain jq path into steps; path_set_add walks
 * them down a trie, adding the nodes that are missing.
 */
#include "lib/base/path.h"

#include "lib/base/json.h"
#include "lib/base/path_trie.h"

#include <stdlib.h>
#include <string.h>

#define LARGEST_INDEX 9999
#define SPACES " \t\r\n"

static bool is_name_char(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (!first && c >= '0' && c <= '9');
}

/* `name`: ends before the first character that is no part of it. */
static const char *read_name(const char *p, struct path_step *step)
{
	step->name = p;
	while (is_name_char(*p, p == step->name)) {
		p++;
	}
	step->len = (size_t)(p - step->name);
	return step->len > 0 ? p : NULL;
}

/* `"any text"`; jq's \(...) inside it is no JSON, so json_check refuses it. */
static const char *read_quoted(const char *p, struct path_step *step, char **names)
{
	const char *end = p + 1;

	while (*end != '\0' && *end != '"') {
		end += end[0] == '\\' && end[1] != '\0' ? 2 : 1;
	}
	if (*end == '\0' || json_check(p, (size_t)(end + 1 - p), 1, NULL) != 0) {
		return NULL;
	}
	step->name = *names;
	step->len = json_unescape(p + 1, (size_t)(end - p - 1), *names);
	*names += step->len;
	return end + 1;
}

/* `[N]` */
static const char *read_index(const char *p, struct path_step *step)
{
	const char *first = ++p;

	step->index = 0;
	while (*p >= '0' && *p <= '9' && step->index <= LARGEST_INDEX) {
		step->index = step->index * 10 + (size_t)(*p++ - '0');
	}
	return p > first && *p == ']' && step->index <= LARGEST_INDEX ? p + 1 : NULL;
}

static const char *read_step(const char *p, bool first, struct path_step *step, char **names)
{
	if (*p == '[' && !first) {
		return read_index(p, step);
	}
	if (*p++ != '.') {
		return NULL;
	}
	return *p == '"'            ? read_quoted(p, step, names)
	       : *p == '[' && first ? read_index(p, step)
				    : read_name(p, step);
}

int path_parse(const char *text, struct path *ret)
{
	const char *p = text + strspn(text, SPACES);
	size_t len = strlen(p);
	size_t most = len / 2 + 1; /* a step takes two characters or more */
	struct path path = {0};
	char *names;

	while (len > 0 && strchr(SPACES, p[len - 1]) != NULL) {
		len--;
	}
	if (len == 0) {
		return 1;
	}
	/* one piece of memory: the steps, a copy of the text, and decoded names, which are never
	 * longer */
	path.steps = calloc(1, most * sizeof(*path.steps) + 2 * (len + 1));
	if (path.steps == NULL) {
		return LEAD_ENOMEM;
	}
	names = (char *)(path.steps + most) + len + 1;
	p = memcpy(path.steps + most, p, len);
	if (strcmp(p, ".") == 0) {
		p++;
	}
	while (p != NULL && *p != '\0') {
		p = read_step(p, path.n == 0, &path.steps[path.n], &names);
		path.n++;
	}
	if (p == NULL) {
		path_fini(&path);
		return 1;
	}
	*ret = path;
	return 0;
}

void path_fini(struct path *p)
{
	free(p->steps);
	*p = (struct path){0};
}

struct path_set *path_set_new(void)
{
	struct path_set *set = calloc(1, sizeof(*set));

	if (set != NULL) {
		set->root.slot = PATH_NO_SLOT;
		set->nodes = 1;
	}
	return set;
}

/* The child of parent that step leads to, made when there is none yet. */
static struct path_node *child(
    struct path_set *set, struct path_node *parent, const struct path_step *step)
{
	struct path_node **at = step->name != NULL ? &parent->keys : &parent->items;
	struct path_node *node;

	for (; *at != NULL; at = &(*at)->next) {
		const struct path_step *old = &(*at)->step;

		if (step->name == NULL
			? old->index == step->index
			: old->len == step->len && memcmp(old->name, step->name, step->len) == 0) {
			return *at;
		}
	}
	node = arena_zalloc(&set->arena, sizeof(*node));
	if (node == NULL) {
		return NULL;
	}
	node->step = *step;
	if (step->name != NULL) {
		node->step.name = arena_dup(&set->arena, step->name, step->len);
		if (node->step.name == NULL) {
			return NULL;
		}
		parent->key_lengths |= UINT64_C(1) << step->len % 64;
	}
	node->slot = PATH_NO_SLOT;
	node->id = set->nodes++;
	*at = node;
	return node;
}

int path_set_add(struct path_set *set, const struct path *path, size_t *ret_slot)
{
	struct path_node *node = &set->root;

	for (size_t i = 0; i < path->n; i++) {
		node = child(set, node, &path->steps[i]);
		if (node == NULL) {
			return LEAD_ENOMEM;
		}
	}
	if (node->slot == PATH_NO_SLOT) {
		node->slot = set->slots++;
	}
	*ret_slot = node->slot;
	return 0;
}

size_t path_set_count(const struct path_set *set)
{
	return set->slots;
}

void path_set_free(struct path_set *set)
{
	if (set != NULL) {
		arena_free(&set->arena);
		free(set);
	}
}
