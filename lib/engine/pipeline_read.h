/*
 * lib/engine/pipeline_read.h: a pipeline file being read, for the pipeline*.c files only.
 */
#pragma once

#include "lib/engine/pipeline.h"

struct pipeline_reading {
	struct pipeline *pl;
	struct problems *problems;
	find_service_fn find;
	void *arg;
	const struct prompts *prompts;
};

/* n zeroed ones in the pipeline's arena; NULL was reported. */
void *pipeline_zalloc(struct pipeline_reading *r, size_t n, size_t size);
/* A map of templates: `with`, `give`, `expect`, `fields`. Returns how many. */
size_t pipeline_read_params(struct pipeline_reading *r, const struct yaml_node *map, const char *key, struct param **ret);

/* A step's call by its name, with the parameters of node; those of common stand where it has none of its own. */
void pipeline_read_call(struct pipeline_reading *r, const struct yaml_node *node, const struct yaml_node *call, const struct param *common,
    size_t n_common, struct step *s);

/* pipeline_deliver.c: `recall` and `list` of a stage. */
void stage_read_recall(struct pipeline_reading *r, const struct yaml_node *node, struct stage *st);
void stage_read_list(struct pipeline_reading *r, const struct yaml_node *node, struct stage *st);
void stage_free_list(struct list_spec *l);

/* pipeline_makes.c: `of`, `when`, `at_once` and `makes` of a stage, `params` of the file. */
void stage_read_items(struct pipeline_reading *r, const struct yaml_node *node, struct stage *st);
void params_of_pipeline(struct pipeline_reading *r, const struct yaml_node *root);
/* When all stages are read: levels in their order, and what waits for the run's own item. */
void pipeline_check_levels(struct pipeline_reading *r, const struct yaml_node *stages);
