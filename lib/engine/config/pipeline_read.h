/*
 * lib/engine/config/pipeline_read.h: a pipeline file being read, for the pipeline*.c files only.
 */
#pragma once

#include "lib/engine/config/pipeline.h"

struct pipeline_reading {
	struct pipeline *pl;
	struct problems *problems;
	find_service_fn find;
	void *arg;
	const struct prompts *prompts;
	struct expr_pool *pool;
};

/* n zeroed ones in the pipeline's arena; NULL was reported. */
void *pipeline_zalloc(struct pipeline_reading *r, size_t n, size_t size);

/* pipeline_stage.c: the next stage of the list; counted in the pipeline unless it has no name of its own. */
void pipeline_read_stage(struct pipeline_reading *r, const struct yaml_node *node);
/* When all stages are read: an approval with nothing behind it that it could hold back. */
void pipeline_check_approvals(struct pipeline_reading *r, const struct yaml_node *stages);
void stage_free(struct stage *st);

/* pipeline_call.c: a map of templates: `with`, `give`, `expect`, `fields`. Returns how many. */
size_t pipeline_read_params(struct pipeline_reading *r, const struct yaml_node *map, const char *key, struct param **ret);
/* A step's call by its name, with the parameters of node; those of common stand where it has none of its own. */
void pipeline_read_call(struct pipeline_reading *r, const struct yaml_node *node, const struct yaml_node *call, const struct param *common,
    size_t n_common, struct step *s);
/* `call`, `push`, `confirm` or `chain` of a stage: its kind and its steps. */
void stage_read_steps(struct pipeline_reading *r, const struct yaml_node *node, struct stage *st);
void pipeline_free_params(struct param *list, size_t n);
void stage_free_steps(struct stage *st);

/* pipeline_gates.c: the gates of the stage that is read next; false: it has none. */
bool stage_read_gates(struct pipeline_reading *r, const struct yaml_node *node);
/* How many there are in all stages: room for them is taken before the first is read. */
size_t pipeline_count_gates(const struct yaml_node *stages);
/* When all stages are read: where each is evaluated, and their order. */
void pipeline_place_gates(struct pipeline *pl);

/* pipeline_deliver.c: `recall`, `list` and `missing` of a stage. */
void stage_read_recall(struct pipeline_reading *r, const struct yaml_node *node, struct stage *st);
void stage_read_list(struct pipeline_reading *r, const struct yaml_node *node, struct stage *st);
void stage_read_missing(struct pipeline_reading *r, const struct yaml_node *node, struct stage *st);
void stage_free_destination(struct stage *st);

/* pipeline_makes.c: `of`, `when`, `at_once` and `makes` of a stage, `params` of the file. */
void stage_read_items(struct pipeline_reading *r, const struct yaml_node *node, struct stage *st);
void params_of_pipeline(struct pipeline_reading *r, const struct yaml_node *root);
/* When all stages are read: levels in their order, and what waits for the run's own item. */
void pipeline_check_levels(struct pipeline_reading *r, const struct yaml_node *stages);
