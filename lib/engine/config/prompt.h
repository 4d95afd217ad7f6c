/*
 * lib/engine/config/prompt.h: prompt files: texts of pipelines that stand in files of their own, with versions.
 *
 *   prompts_dir/first-mail.md, read with the configuration -> `prompt: {file: first-mail.md}` in a pipeline's `with:`
 *
 * A file is UTF-8 text with placeholders, as it would stand in the pipeline; before it may stand a head between two lines of
 * `---` with `version:` and `about:`. Its version changes with every byte: NAME@HASH, or NAME@VERSION.HASH where the head declares
 * one; HASH are the first 8 digits of the file's SHA-256.
 */
#pragma once

#include "lib/base/yaml.h"

#define PROMPT_BYTES ((size_t)256 << 10) /* of a file */
#define PROMPT_FILES 200
#define PROMPT_NAME 40                   /* of a file, without its ending */
#define PROMPT_FIELD "_prompt"           /* behind a stage's name: the field that says which version wrote what it gave */
#define PROMPT_INLINE "inline"           /* the version of a text that stands in the pipeline itself */

struct prompt {
	const char *name;                /* with its ending */
	const char *version;
	struct yaml at;                  /* for problems: the file's name */
	struct yaml_node text;           /* as a scalar of that file */
};

struct prompts {
	struct prompt list[PROMPT_FILES];
	size_t n;
};

/* A file's content; every mistake goes to problems, and then nothing is added. All of it lives in the arena. */
void prompts_add(struct prompts *ps, const char *path, const char *bytes, size_t len, struct arena *a, struct problems *p);
/* Reads the file. */
void prompts_load(struct prompts *ps, const char *path, struct arena *a, struct problems *p);
/* By name; NULL: there is none, *ret_nearest may be one that was meant. */
const struct prompt *prompts_find(const struct prompts *ps, const char *name, const char **ret_nearest);
