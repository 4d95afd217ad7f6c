/*
 * tests/fuzz/fuzz_yaml.c: the YAML loader on any bytes. What is taken must be a
 * tree that holds together; what is refused must say where. Then every reader
 * looks at every key, with the wrong type more often than not.
 *
 * clang -std=gnu11 -D_GNU_SOURCE -g -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_yaml.c,
 * all of lib/base, and -lyaml -ljq -ljson-c -lsodium -lm
 */
#include "lib/base/yaml.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define AGREE(condition) ((condition) ? (void)0 : abort())

static void check_place(const struct yaml_node *node)
{
	AGREE(node->line > 0 && node->column > 0);
	AGREE((node->key != NULL) == (node->parent != NULL && node->parent->kind == YAML_MAP));
	AGREE(node->key == NULL || (*node->key != '\0' && node->key_line > 0));
	AGREE(node->kind >= YAML_LIST || strlen(node->text) == node->len);
}

static void check_tree(const struct yaml_node *node, int depth)
{
	size_t n = 0;

	AGREE(depth <= 33);
	check_place(node);
	for (const struct yaml_node *child = node->first; child != NULL; child = child->next) {
		AGREE(child->parent == node);
		AGREE(child->key == NULL || yaml_get(node, child->key) == child);
		check_tree(child, depth + 1);
		n++;
	}
	AGREE(n == node->n);
}

static void read_all(const struct yaml *y, const struct yaml_node *map, struct problems *p)
{
	static const char *const words[] = {"pass", "hold", NULL};

	(void)yaml_only_keys(y, map, words, "it", p);
	for (const struct yaml_node *node = map->first; node != NULL; node = node->next) {
		const char *text, **texts;
		int64_t number;
		bool boolean;
		int word;

		if (node->key != NULL) {
			(void)yaml_read_string(y, map, node->key, &text, p);
			(void)yaml_read_int(y, map, node->key, -5, 5, &number, p);
			(void)yaml_read_bool(y, map, node->key, &boolean, p);
			(void)yaml_read_duration(y, map, node->key, 0, 1000000, &number, p);
			(void)yaml_read_money(y, map, node->key, &number, p);
			(void)yaml_read_word(y, map, node->key, words, &word, p);
			(void)yaml_read_strings(y, map, node->key, &texts, p);
		}
		read_all(y, node, p);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lead_error err = {0};
	struct problems problems;
	struct yaml *y = NULL;
	int rc = yaml_parse("f", (const char *)data, size, &y, &err);

	if (rc != 0) {
		AGREE(rc == LEAD_EINPUT && strncmp(err.text, "f:", 2) == 0);
		return 0;
	}
	problems_init(&problems);
	if (y->root != NULL) {
		check_tree(y->root, 1);
		read_all(y, y->root, &problems);
	}
	(void)problems_result(&problems, &err);
	problems_fini(&problems);
	yaml_free(y);
	return 0;
}
