/*
 * The files that leadd.yaml names by their folders: services, prompts, and pipelines, which name both. Of two of one name in several folders
 * the first counts, as with systemd. What is as it was in the configuration before is taken over: compiling its jq is what takes time.
 */
#include "lib/engine/config/config_read.h"

#include "lib/base/text.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FILES 200

struct files {
	char *path[MAX_FILES];
	char *name[MAX_FILES];
	size_t n;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool ends_with(const char *name, const char *const endings[])
{
	size_t len = strlen(name);

	for (size_t i = 0; endings[i] != NULL; i++) {
		size_t end = strlen(endings[i]);

		if (len > end && strcmp(name + len - end, endings[i]) == 0) {
			return true;
		}
	}
	return false;
}

static void list_dir(struct config_reading *r, const char *dir, const char *const endings[], struct files *f)
{
	struct dirent *e;
	DIR *d = opendir(dir);
	char *names[MAX_FILES];
	size_t n = 0;

	if (d == NULL) {
		problems_add(r->p, NULL, NULL, "%s: %s", dir, strerror(errno));
		return;
	}
	while ((e = readdir(d)) != NULL && n < MAX_FILES) {
		size_t len = strlen(e->d_name);

		if (e->d_name[0] != '.' && ends_with(e->d_name, endings)) {
			names[n++] = arena_dup(&r->c->arena, e->d_name, len);
		}
	}
	closedir(d);
	qsort(names, n, sizeof(names[0]), by_name);
	for (size_t i = 0; i < n && f->n < MAX_FILES; i++) {
		bool known = false;

		for (size_t k = 0; k < f->n; k++) {
			known = known || strcmp(f->name[k], names[i]) == 0;
		}
		if (!known) {
			f->name[f->n] = names[i];
			f->path[f->n++] = arena_printf(&r->c->arena, "%s/%s", dir, names[i]);
		}
	}
}

static const char *const yaml_endings[] = {".yaml", NULL};

/* fallback: the folder that counts without the key. */
static void list_files(struct config_reading *r, const struct yaml_node *root, const char *key, const char *fallback, const char *const endings[],
    struct files *f)
{
	const char **dirs = NULL;
	size_t n = r->o.bundle ? 0 : yaml_read_strings(r->c->yaml, root, key, &dirs, r->p);

	f->n = 0;
	for (size_t i = 0; i < n; i++) {
		list_dir(r, config_resolve(r, dirs[i]), endings, f);
	}
	if (n == 0 && (r->o.bundle || yaml_get(root, key) == NULL)) {
		list_dir(r, config_resolve(r, fallback), endings, f);
	}
}

/* --- services --- */

static bool has_file(const struct files *f, const char *stem)
{
	for (size_t i = 0; stem != NULL && i < f->n; i++) {
		if (strlen(f->name[i]) == strlen(stem) + 5 && strncmp(f->name[i], stem, strlen(stem)) == 0) {
			return true;
		}
	}
	return false;
}

void config_read_services(struct config_reading *r, const struct yaml_node *root)
{
	static const char *const keys[] = {"base", "budget", "limits", NULL};
	const struct yaml_node *own = yaml_get(root, "services");
	struct config *c = r->c;
	struct files f;

	list_files(r, root, "services_dir", "services", yaml_endings, &f);
	c->services = arena_zalloc(&c->arena, (f.n + 1) * sizeof(*c->services));
	c->service_budgets = arena_zalloc(&c->arena, (f.n + 1) * sizeof(*c->service_budgets));
	for (size_t i = 0; c->services != NULL && c->service_budgets != NULL && i < f.n; i++) {
		char *stem = arena_dup(&c->arena, f.name[i], strlen(f.name[i]) - 5);
		const struct yaml_node *o = own != NULL ? yaml_get(own, stem) : NULL;
		struct service_options so = {.limit_factor = c->limit_factor, .pool = c->exprs};
		struct service *s = NULL;

		if (o != NULL && yaml_only_keys(c->yaml, o, keys, "service setting", r->p)) {
			(void)yaml_read_string(c->yaml, o, "base", &so.base, r->p);
			so.limits_yaml = c->yaml;
			so.limits = yaml_get(o, "limits");
		}
		config_read_budget(r, o, &c->service_budgets[c->n_services]);
		if (service_load(f.path[i], &so, r->p, &s) == 0 && s != NULL) {
			if (strcmp(s->name, stem) != 0) {
				problems_add(r->p, NULL, NULL, "%s: the service is called '%s': the file must be %s.yaml", f.path[i], s->name, s->name);
			}
			s->generation = c->generation;
			c->services[c->n_services++] = s;
		}
	}
	for (const struct yaml_node *n = own != NULL ? own->first : NULL; n != NULL; n = n->next) {
		if (!has_file(&f, n->key)) {
			problems_add(r->p, c->yaml, n, "there is no service '%s' in services_dir", n->key);
		}
	}
}

static struct service *find_service(void *arg, const char *name, const char **ret_nearest)
{
	struct config *c = arg;
	const char *names[MAX_FILES + 1] = {NULL};
	struct service *s = config_service(c, name);

	if (s == NULL) {
		for (size_t i = 0; i < c->n_services; i++) {
			names[i] = c->services[i]->name;
		}
		*ret_nearest = text_nearest(name, names);
	}
	return s;
}

/* --- prompts --- */

/* Where no folder of prompts is named: the one beside leadd.yaml and those beside the folders of pipelines, as far as they are there. */
static void list_usual_prompts(struct config_reading *r, const struct yaml_node *root, const char *const endings[], struct files *f)
{
	const char **dirs = NULL, *path = config_resolve(r, "prompts");
	size_t n = r->o.bundle ? 0 : yaml_read_strings(r->c->yaml, root, "pipelines_dir", &dirs, r->p), i = 0;

	do {
		if (path != NULL && access(path, F_OK) == 0) {
			list_dir(r, path, endings, f);
		}
		path = i < n ? arena_printf(&r->c->arena, "%s/../prompts", config_resolve(r, dirs[i])) : NULL;
	} while (i++ < n);
}

void config_read_prompts(struct config_reading *r, const struct yaml_node *root)
{
	static const char *const endings[] = {".md", ".txt", NULL};
	struct files f = {.n = 0};

	r->c->prompts = arena_zalloc(&r->c->arena, sizeof(*r->c->prompts));
	if (r->c->prompts == NULL) {
		problems_add(r->p, NULL, NULL, "out of memory");
		return;
	}
	if (!r->o.bundle && yaml_get(root, "prompts_dir") != NULL) {
		list_files(r, root, "prompts_dir", "prompts", endings, &f);
	} else {
		list_usual_prompts(r, root, endings, &f);
	}
	for (size_t i = 0; i < f.n; i++) {
		prompts_load(r->c->prompts, f.path[i], &r->c->arena, r->p);
	}
}

/* --- pipelines --- */

void config_read_pipelines(struct config_reading *r, const struct yaml_node *root)
{
	struct config *c = r->c;
	struct files f;

	list_files(r, root, "pipelines_dir", "pipelines", yaml_endings, &f);
	c->pipelines = arena_zalloc(&c->arena, (f.n + 1) * sizeof(*c->pipelines));
	for (size_t i = 0; c->pipelines != NULL && i < f.n; i++) {
		struct pipeline *pl = NULL;

		if (pipeline_load(f.path[i], find_service, c, c->prompts, c->exprs, r->p, &pl) == 0 && pl != NULL) {
			c->pipelines[c->n_pipelines++] = pl;
		}
	}
}
