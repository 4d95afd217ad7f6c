/*
 * lib/base/yaml.h: strict YAML for configuration: a small tree that remembers lines.
 *
 * Refused with `file:line:column: text`: duplicate keys, anchors, aliases, tags,
 * several documents, depth over 32, non-scalar keys, bad UTF-8, NUL, files over 1 MiB.
 * Plain scalars are typed by YAML 1.2 core (true/false, null, integers, floats);
 * yes, NO, on stay strings; quoted and block scalars are always strings.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum yaml_kind { YAML_NULL, YAML_BOOL, YAML_INT, YAML_FLOAT, YAML_STRING, YAML_LIST, YAML_MAP };

struct yaml_node {
	enum yaml_kind kind;
	unsigned line, column; /* 1-based place of the value */
	const char *key;       /* within a map, NULL in a list; NUL-terminated */
	unsigned key_line, key_column;
	const char *text; /* scalar as written (block scalars decoded); NUL-terminated */
	size_t len;
	int64_t integer;                         /* YAML_INT */
	bool boolean;                            /* YAML_BOOL */
	struct yaml_node *parent, *first, *next; /* children of lists and maps in file order */
	size_t n;                                /* children */
};

/* The file's name and memory; everything in the tree lives until yaml_free. */
struct yaml {
	const char *file;
	struct yaml_node *root; /* NULL for an empty file */
	struct arena arena;
};

int yaml_parse(const char *file, const char *text, size_t len, struct yaml **ret,
    struct lead_error *err) MUST_CHECK;
int yaml_load(const char *file, struct yaml **ret, struct lead_error *err) MUST_CHECK;
/*
 * Under another name for the linker: libyaml exports a yaml_free of its own, and would call ours
 * instead.
 */
void yaml_free(struct yaml *y) __asm__("lead_yaml_free");

/* A list of problems, so that --check can print all of them and not just the first. */
struct problem {
	struct problem *next;
	char *text;
};
struct problems {
	struct problem *first, **last;
	size_t count;
	struct arena arena;
};
void problems_init(struct problems *p);
void problems_fini(struct problems *p);
/*
 * Adds `file:line:column: text` (place of node's value). node may be NULL (then the file alone), y
 * too (then the text alone: yaml_parse's own errors name their place). Counts at most 100.
 */
void problems_add(struct problems *p, const struct yaml *y, const struct yaml_node *node,
    const char *format, ...) PRINTF(4, 5);
/* First problem into err as LEAD_EINPUT (", and N more" when so); 0 when there is none. */
int problems_result(const struct problems *p, struct lead_error *err);

/* Child of a map, NULL when absent. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
/*
 * Reports every key of map that is not in the NULL-terminated list, with the
 * nearest known key ("unknown key 'limts', did you mean 'limits'?"). A node
 * that is not a map is a problem of its own, no node at all is none. what: the
 * name of the thing, for the messages. Returns false when anything was reported.
 */
bool yaml_only_keys(const struct yaml *y, const struct yaml_node *map, const char *const keys[],
    const char *what, struct problems *p);

/*
 * Readers: absent key leaves *ret alone and returns false; a wrong type or range is reported and
 * returns false.
 */
bool yaml_read_string(const struct yaml *y, const struct yaml_node *map, const char *key,
    const char **ret, struct problems *p);
bool yaml_read_int(const struct yaml *y, const struct yaml_node *map, const char *key, int64_t min,
    int64_t max, int64_t *ret, struct problems *p);
bool yaml_read_bool(const struct yaml *y, const struct yaml_node *map, const char *key, bool *ret,
    struct problems *p);
/*
 * `300s`, `15min`, `1.5s`, `250ms`, `2h`, `1d` in microseconds; bare numbers are refused: a unit
 * must be there.
 */
bool yaml_read_duration(const struct yaml *y, const struct yaml_node *map, const char *key,
    int64_t min_us, int64_t max_us, int64_t *ret_us, struct problems *p);
/* `0.008` (number or string, at most 6 decimals) in micro-units. */
bool yaml_read_money(const struct yaml *y, const struct yaml_node *map, const char *key,
    int64_t *ret_micro, struct problems *p);
/* One of a NULL-terminated list of words; ret is its index. Reports the nearest word. */
bool yaml_read_word(const struct yaml *y, const struct yaml_node *map, const char *key,
    const char *const words[], int *ret, struct problems *p);
/*
 * A string or a list of strings; returns how many, texts in *ret (NULL-terminated array in y's
 * arena).
 */
size_t yaml_read_strings(const struct yaml *y, const struct yaml_node *map, const char *key,
    const char ***ret, struct problems *p);
