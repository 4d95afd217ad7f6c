/*
 * tests/fuzz/fuzz_json.c: json_check, json_scan and json_parse on the same bytes.
 * They must agree on what JSON is (json_parse may refuse integers beyond int64 on
 * top), and what json_scan cuts out must be what the tree holds.
 *
 * clang -std=gnu11 -D_GNU_SOURCE -g -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_json.c
 *     lib/base/{arena,buf,decimal,error,json,json_list,json_string,json_tree,path,text,value}.c -ljson-c
 */
#include "lib/base/json.h"
#include "lib/base/json_list.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define AGREE(condition) ((condition) ? (void)0 : abort())

static const char *const wanted[] = {".", ".a", ".a.b", ".a[0]", ".[0]", ".[1].a", ".\"\""};
#define WANTED (sizeof(wanted) / sizeof(*wanted))

/* What stands at the path in the tree; json-c keeps the last of equal keys, like the scanner. */
static bool tree_find(struct json_object *tree, const struct path *path, struct json_object **ret)
{
	for (size_t i = 0; i < path->n; i++) {
		const struct path_step *step = &path->steps[i];

		if (step->name != NULL) {
			char *name = strndup(step->name, step->len);
			bool found = json_object_is_type(tree, json_type_object) &&
				     json_object_object_get_ex(tree, name, &tree);

			free(name);
			if (!found) {
				return false;
			}
		} else if (!json_object_is_type(tree, json_type_array) ||
			   step->index >= json_object_array_length(tree)) {
			return false;
		} else {
			tree = json_object_array_get_idx(tree, step->index);
		}
	}
	*ret = tree;
	return true;
}

static void compare(const struct value *v, bool found, struct json_object *tree)
{
	enum json_type type = found ? json_object_get_type(tree) : json_type_null;

	AGREE((v->kind != VALUE_NONE) == found);
	switch (v->kind) {
	case VALUE_NONE:
	case VALUE_NULL:
		AGREE(type == json_type_null);
		break;
	case VALUE_FALSE:
	case VALUE_TRUE:
		AGREE(type == json_type_boolean);
		AGREE(json_object_get_boolean(tree) == (v->kind == VALUE_TRUE));
		break;
	case VALUE_NUMBER:
		AGREE(type == json_type_int || type == json_type_double);
		break;
	case VALUE_STRING:
		AGREE(type == json_type_string);
		AGREE((size_t)json_object_get_string_len(tree) == v->len);
		AGREE(memcmp(json_object_get_string(tree), v->text, v->len) == 0);
		AGREE(memchr(v->text, '\0', v->len) == NULL);
		break;
	case VALUE_JSON:
		AGREE(type == json_type_object || type == json_type_array);
		AGREE(json_check(v->text, v->len, JSON_DEPTH, NULL) == 0);
		break;
	}
}

/* Elements are those of the tree, one by one; so are members, of which a name may come more than once. */
static void walk_lists(const char *text, size_t size, struct json_object *tree)
{
	struct value name, value;
	struct arena arena = {0};
	struct json_list l;
	const char *element;
	size_t len, n = 0;

	AGREE(json_list_open(&l, text, size) == json_object_is_type(tree, json_type_array));
	while (json_list_next(&l, &element, &len)) {
		AGREE(json_check(element, len, JSON_DEPTH, NULL) == 0);
		n++;
	}
	AGREE(!json_object_is_type(tree, json_type_array) || n == json_object_array_length(tree));
	n = 0;
	AGREE(json_members_open(&l, text, size) == json_object_is_type(tree, json_type_object));
	while (json_members_next(&l, &arena, &name, &value)) {
		AGREE(value.kind != VALUE_JSON || json_check(value.text, value.len, JSON_DEPTH, NULL) == 0);
		n++;
	}
	AGREE(!json_object_is_type(tree, json_type_object) || n >= (size_t)json_object_object_length(tree));
	arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct path paths[WANTED];
	struct path_set *set = path_set_new();
	struct value values[WANTED];
	struct arena arena = {0};
	struct json_object *tree = NULL;
	size_t slots[WANTED];
	int check, scan, parse;

	for (size_t i = 0; i < WANTED; i++) {
		AGREE(path_parse(wanted[i], &paths[i]) == 0);
		AGREE(path_set_add(set, &paths[i], &slots[i]) == 0);
	}
	check = json_check(text, size, JSON_DEPTH, NULL);
	scan = json_scan(text, size, set, &arena, values, NULL);
	parse = json_parse(text, size, &tree, NULL);
	AGREE(check == scan);
	AGREE(check == 0 || parse == check);
	AGREE(parse == 0 || parse == LEAD_EINPUT);
	if (parse == 0) {
		walk_lists(text, size, tree);
	}
	for (size_t i = 0; i < WANTED; i++) {
		if (parse == 0) {
			struct json_object *member = NULL;
			bool found = tree_find(tree, &paths[i], &member);

			compare(&values[slots[i]], found, member);
		}
		path_fini(&paths[i]);
	}
	json_object_put(tree);
	path_set_free(set);
	arena_free(&arena);
	return 0;
}
