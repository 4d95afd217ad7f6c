/*
 * Reads leadd.yaml and everything it names, in this order: settings, lists, services, prompts,
 * pipelines (they name services and prompts), organisations, campaigns (they name pipelines), credentials.
 */
#include "lib/engine/config/config_read.h"

#include "lib/engine/config/config_access.h"
#include "lib/engine/config/config_intake.h"
#include "lib/engine/config/config_notify.h"
#include "lib/engine/config/config_payment.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>

const char *config_resolve(struct config_reading *r, const char *path)
{
	return path == NULL || path[0] == '/' ? path : arena_printf(&r->c->arena, "%s/%s", r->dir, path);
}

static void read_lists(struct config_reading *r, const struct yaml_node *root)
{
	const char *lists = "lists";
	struct lead_error err;

	(void)yaml_read_string(r->c->yaml, root, "lists_dir", &lists, r->p);
	if (gate_lists_load(config_resolve(r, r->o.bundle ? "lists" : lists), &r->c->lists, &err) != 0) {
		problems_add(r->p, NULL, NULL, "%s", err.text);
	}
}

static void read_config(struct config_reading *r)
{
	static const char *const keys[] = {"prompts_dir", "state_dir", "socket", "currency", "zone", "limit_factor", "allow_private", "ca_file", "secrets_dir", "callback_url",
	    "turn_wait", "drain", "answers", "results", "store", "max_in_flight", "services_dir", "pipelines_dir", "lists_dir", "services",
	    "organisations", "campaigns", "notify", "listen", "listen_anywhere", "tokens", "payments",
	    "intakes", "inbox", NULL};
	static const struct yaml_node nothing = {.kind = YAML_MAP};
	const struct yaml_node *root = r->c->yaml->root != NULL ? r->c->yaml->root : &nothing;

	(void)yaml_only_keys(r->c->yaml, root, keys, "setting", r->p); /* one mistake hides no other */
	if (root->kind != YAML_MAP) {
		return;
	}
	config_read_settings(r, root);
	read_lists(r, root);
	config_read_services(r, root);
	config_read_prompts(r, root);
	config_read_pipelines(r, root);
	config_check_callbacks(r, root);
	config_read_orgs(r, root);
	config_read_campaigns(r, root);
	notify_read(r->c, root, r->p);
	access_read(r->c, root, r->p);
	payments_read(r->c, root, r->p);
	intakes_read(r->c, root, r->p);
	config_read_secrets(r);
}

int config_load_with(const char *file, uint64_t generation, const struct config_options *o, struct problems *p, struct config **ret)
{
	struct config_reading r = {.p = p, .o = *o};
	size_t before = p->count;
	struct lead_error err;
	char *copy;

	*ret = NULL;
	r.c = calloc(1, sizeof(*r.c));
	if (r.c == NULL) {
		return LEAD_ENOMEM;
	}
	r.c->refs = 1;
	r.c->generation = generation;
	r.c->exprs = o->exprs;
	r.c->file = arena_dup(&r.c->arena, file, strlen(file));
	copy = arena_dup(&r.c->arena, file, strlen(file));
	if (yaml_load(file, &r.c->yaml, &err) != 0) {
		problems_add(p, NULL, NULL, "%s", err.text);
		config_unref(r.c);
		return 0;
	}
	r.dir = dirname(copy);
	read_config(&r);
	if (p->count > before) {
		config_unref(r.c);
		return 0;
	}
	*ret = r.c;
	return 0;
}

int config_load(const char *file, uint64_t generation, struct problems *p, struct config **ret)
{
	static const struct config_options plain;

	return config_load_with(file, generation, &plain, p, ret);
}

struct config *config_ref(struct config *c)
{
	c->refs++;
	return c;
}

void config_keep(struct config *c, const struct config *old)
{
	const char *dir = arena_dup(&c->arena, old->state_dir, strlen(old->state_dir));

	c->max_in_flight = old->max_in_flight;
	c->state_dir = dir != NULL ? dir : c->state_dir;
}

void config_unref(struct config *c)
{
	if (c == NULL || --c->refs > 0) {
		return;
	}
	intakes_free(c);
	for (size_t i = 0; i < c->n_pipelines; i++) {
		pipeline_unref(c->pipelines[i]);
	}
	for (size_t i = 0; i < c->n_services; i++) {
		service_unref(c->services[i]);
	}
	payments_free(c);
	config_free_secrets(c);
	gate_lists_free(&c->lists);
	zone_free(c->zone);
	yaml_free(c->yaml);
	arena_free(&c->arena);
	free(c);
}

struct service *config_service(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_services; i++) {
		if (strcmp(c->services[i]->name, name) == 0) {
			return c->services[i];
		}
	}
	return NULL;
}

const struct campaign *config_campaign(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_campaigns; i++) {
		if (strcmp(c->campaigns[i].name, name) == 0) {
			return &c->campaigns[i];
		}
	}
	return NULL;
}

const struct pipeline *config_pipeline(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_pipelines; i++) {
		if (strcmp(c->pipelines[i]->name, name) == 0) {
			return c->pipelines[i];
		}
	}
	return NULL;
}
