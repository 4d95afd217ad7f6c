/*
 * lib/engine/config/config_read.h: leadd.yaml being read, for the config*.c files only. Each function reads its part into r->c; what is wrong
 * becomes problems. They are called in the order in which they stand here: pipelines name services and prompts, campaigns pipelines.
 */
#pragma once

#include "lib/engine/config/config.h"

struct config_reading {
	struct config *c;
	struct problems *p;
	const char *dir; /* of leadd.yaml */
	struct config_options o;
};

/* A path of the file: beside it, when it begins with no slash. */
const char *config_resolve(struct config_reading *r, const char *path);

/* config_settings.c */
void config_read_settings(struct config_reading *r, const struct yaml_node *root);
/* enum result_format of `formats`; 0 without the key. */
uint32_t config_read_formats(struct config_reading *r, const struct yaml_node *map);
/* When pipelines are read: a stage whose service is to call back, and nobody told it where. */
void config_check_callbacks(struct config_reading *r, const struct yaml_node *root);

/* config_files.c */
void config_read_services(struct config_reading *r, const struct yaml_node *root);
void config_read_prompts(struct config_reading *r, const struct yaml_node *root);
void config_read_pipelines(struct config_reading *r, const struct yaml_node *root);

/* config_campaign.c */
void config_read_orgs(struct config_reading *r, const struct yaml_node *root);
void config_read_campaigns(struct config_reading *r, const struct yaml_node *root);
/* `budget` of map (NULL: none): an amount for all time, or a map of periods. */
void config_read_budget(struct config_reading *r, const struct yaml_node *map, struct budget *b);
/* The members of a JSON object that is begun in out: a map's single values; a list or a map among them is the problem. */
void config_write_members(const struct yaml *y, const struct yaml_node *map, const char *else_problem, struct buf *out, struct problems *p);

/* config_secret.c: the last, when all that names a credential is read. One whose file is missing stays out: doctor names it. */
void config_read_secrets(struct config_reading *r);
void config_free_secrets(struct config *c);
