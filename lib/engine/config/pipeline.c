/*
 * Reads a pipeline file: first every stage in order (pipeline_stage.c), then what only all of them together tell, and the gates
 * get the place where they are evaluated (pipeline_gates.c).
 */
#include "lib/engine/config/pipeline.h"

#include "lib/base/ids.h"
#include "lib/engine/config/pipeline_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STAGES 24

static const char *file_of(const struct pipeline_reading *r)
{
	return r->pl->yaml->file;
}

void *pipeline_zalloc(struct pipeline_reading *r, size_t n, size_t size)
{
	void *p = arena_zalloc(&r->pl->arena, n * size + 1);

	if (p == NULL) {
		problems_add(r->problems, r->pl->yaml, NULL, "out of memory");
	}
	return p;
}

static void read_pipeline(struct pipeline_reading *r)
{
	static const char *const keys[] = {"pipeline", "about", "params", "stages", NULL};
	struct yaml *y = r->pl->yaml;
	const struct yaml_node *stages;
	const char *about = NULL;

	if (y->root == NULL) {
		problems_add(r->problems, y, NULL, "a pipeline file is a map that begins with 'pipeline: NAME'");
		return;
	}
	if (!yaml_only_keys(y, y->root, keys, "pipeline file", r->problems)) {
		return;
	}
	if (!yaml_read_string(y, y->root, "pipeline", &r->pl->name, r->problems)) {
		problems_add(r->problems, y, NULL, "the file needs 'pipeline: NAME'");
	}
	(void)yaml_read_string(y, y->root, "about", &about, r->problems);
	params_of_pipeline(r, y->root);
	stages = yaml_get(y->root, "stages");
	if (stages == NULL || stages->kind != YAML_LIST || stages->n == 0 || stages->n > MAX_STAGES) {
		problems_add(r->problems, y, stages, "the file needs 'stages', a list of 1 to %d", MAX_STAGES);
		return;
	}
	r->pl->stages = pipeline_zalloc(r, stages->n, sizeof(*r->pl->stages));
	r->pl->gates = pipeline_zalloc(r, pipeline_count_gates(stages), sizeof(*r->pl->gates));
	for (const struct yaml_node *s = stages->first; r->pl->stages != NULL && r->pl->gates != NULL && s != NULL; s = s->next) {
		pipeline_read_stage(r, s);
	}
	pipeline_check_approvals(r, stages);
	pipeline_check_levels(r, stages);
	pipeline_place_gates(r->pl);
}

int pipeline_parse(const char *file, const char *text, size_t len, find_service_fn find, void *arg, const struct prompts *prompts,
    struct expr_pool *pool, struct problems *p, struct pipeline **ret)
{
	struct pipeline_reading r = {.problems = p, .find = find, .arg = arg, .prompts = prompts, .pool = pool};
	struct lead_error err;
	size_t before = p->count;
	int rc;

	*ret = NULL;
	r.pl = calloc(1, sizeof(*r.pl));
	if (r.pl == NULL) {
		return LEAD_ENOMEM;
	}
	r.pl->refs = 1;
	r.pl->text_hash = hash_plain(text, len);
	rc = yaml_parse(file, text, len, &r.pl->yaml, &err);
	if (rc != 0) {
		problems_add(p, NULL, NULL, "%s", err.text);
		pipeline_unref(r.pl);
		return rc == LEAD_ENOMEM ? rc : 0;
	}
	r.pl->file = file_of(&r);
	read_pipeline(&r);
	if (p->count > before) {
		pipeline_unref(r.pl);
		return 0;
	}
	*ret = r.pl;
	return 0;
}

int pipeline_load(const char *file, find_service_fn find, void *arg, const struct prompts *prompts, struct expr_pool *pool, struct problems *p,
    struct pipeline **ret)
{
	struct buf b = {.max = 1 << 20};
	FILE *f = fopen(file, "re");
	char part[4096];
	size_t n;
	int rc;

	*ret = NULL;
	if (f == NULL) {
		problems_add(p, NULL, NULL, "%s: %s", file, strerror(errno));
		return 0;
	}
	while ((n = fread(part, 1, sizeof(part), f)) > 0) {
		buf_add(&b, part, n);
	}
	fclose(f);
	rc = pipeline_parse(file, b.data != NULL ? b.data : "", b.len, find, arg, prompts, pool, p, ret);
	buf_free(&b);
	return rc;
}

struct pipeline *pipeline_ref(struct pipeline *p)
{
	p->refs++;
	return p;
}

void pipeline_unref(struct pipeline *p)
{
	if (p == NULL || --p->refs > 0) {
		return;
	}
	for (size_t i = 0; i < p->n_stages; i++) {
		stage_free(&p->stages[i]);
	}
	for (size_t i = 0; i < p->n_gates; i++) {
		expr_free(p->gates[i].when);
	}
	yaml_free(p->yaml);
	arena_free(&p->arena);
	free(p);
}

int pipeline_stage(const struct pipeline *p, const char *name)
{
	for (size_t i = 0; i < p->n_stages; i++) {
		if (strcmp(p->stages[i].name, name) == 0) {
			return (int)i;
		}
	}
	return -1;
}
