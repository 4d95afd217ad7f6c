/*
 * Reads leadd.yaml and everything it names, in this order: settings, lists, services, prompts,
 * pipelines (they name services and prompts), organisations, campaigns (they name pipelines), credentials.
 */
#include "lib/engine/config.h"

#include "lib/base/ids.h"
#include "lib/base/json.h"
#include "lib/base/money.h"
#include "lib/base/text.h"
#include "lib/engine/config_access.h"
#include "lib/engine/config_agenda.h"
#include "lib/engine/config_intake.h"
#include "lib/engine/config_notify.h"
#include "lib/engine/config_payment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FILES 200

struct reading {
	struct config *c;
	struct problems *p;
	const char *dir; /* of leadd.yaml */
	struct config_options o;
};

static const char *resolve(struct reading *r, const char *path)
{
	return path == NULL || path[0] == '/' ? path : arena_printf(&r->c->arena, "%s/%s", r->dir, path);
}

static void read_budget(struct reading *r, const struct yaml_node *map, struct budget *b)
{
	static const char *const keys[] = {"total", "day", "month", NULL};
	const struct yaml_node *node = map != NULL ? yaml_get(map, "budget") : NULL;
	struct yaml *y = r->c->yaml;

	*b = (struct budget){-1, -1, -1};
	if (node == NULL) {
		return;
	}
	if (node->kind == YAML_INT || node->kind == YAML_FLOAT || node->kind == YAML_STRING) {
		(void)yaml_read_money(y, map, "budget", &b->total_micro, r->p);
		return;
	}
	if (yaml_only_keys(y, node, keys, "budget", r->p)) {
		(void)yaml_read_money(y, node, "total", &b->total_micro, r->p);
		(void)yaml_read_money(y, node, "day", &b->day_micro, r->p);
		(void)yaml_read_money(y, node, "month", &b->month_micro, r->p);
	}
}

/* --- settings --- */

static void read_store(struct reading *r, const struct yaml_node *root)
{
	static const char *const keys[] = {"map", NULL};
	const struct yaml_node *node = yaml_get(root, "store");
	int64_t mib = 16 * 1024;

	if (node != NULL && yaml_only_keys(r->c->yaml, node, keys, "store", r->p)) {
		(void)yaml_read_int(r->c->yaml, node, "map", 1, 1 << 20, &mib, r->p);
	}
	r->c->map_bytes = (size_t)mib << 20;
}

static void read_answers(struct reading *r, const struct yaml_node *root)
{
	static const char *const keys[] = {"keep", NULL};
	const struct yaml_node *node = yaml_get(root, "answers");

	r->c->keep_us = 7 * US_PER_DAY;
	if (node != NULL && yaml_only_keys(r->c->yaml, node, keys, "answers", r->p)) {
		(void)yaml_read_duration(r->c->yaml, node, "keep", 0, 366 * US_PER_DAY, &r->c->keep_us, r->p);
	}
}

/* 0 without the key. */
static uint32_t read_formats(struct reading *r, const struct yaml_node *map)
{
	static const char *const words[] = {"csv", "xlsx", "jsonl", NULL};
	const char **list = NULL;
	size_t n = map->kind == YAML_MAP ? yaml_read_strings(r->c->yaml, map, "formats", &list, r->p) : 0;
	uint32_t bits = 0;

	for (size_t i = 0; i < n; i++) {
		size_t w = 0;

		while (words[w] != NULL && strcmp(list[i], words[w]) != 0) {
			w++;
		}
		if (words[w] == NULL) {
			const char *nearest = text_nearest(list[i], words);

			problems_add(r->p, r->c->yaml, yaml_get(map, "formats"), "'%s' is none of csv, xlsx, jsonl%s%s%s", list[i],
			    nearest != NULL ? ", did you mean '" : "", nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
		}
		bits |= 1u << w;
	}
	return bits;
}

static void read_results(struct reading *r, const struct yaml_node *root)
{
	static const char *const keys[] = {"keep", "log", "formats", NULL};
	const struct yaml_node *node = yaml_get(root, "results");
	int64_t mib = 64;

	r->c->results_keep_us = 30 * US_PER_DAY;
	r->c->formats = RESULT_CSV;
	if (node != NULL && yaml_only_keys(r->c->yaml, node, keys, "results", r->p)) {
		(void)yaml_read_duration(r->c->yaml, node, "keep", US_PER_S, 3660 * US_PER_DAY, &r->c->results_keep_us, r->p);
		(void)yaml_read_int(r->c->yaml, node, "log", 1, 4096, &mib, r->p);
		r->c->formats = yaml_get(node, "formats") != NULL ? read_formats(r, node) : RESULT_CSV;
	}
	r->c->run_log_bytes = (size_t)mib << 20;
}

/* `https://leadd.example.com`: what a service puts before /v1/callbacks/… to reach this daemon. */
static void read_callback_url(struct reading *r, const struct yaml_node *root)
{
	const struct yaml_node *node = yaml_get(root, "callback_url");
	const char *text = NULL;
	size_t len;

	if (!yaml_read_string(r->c->yaml, root, "callback_url", &text, r->p)) {
		return;
	}
	len = strlen(text);
	if ((strncmp(text, "https://", 8) != 0 && strncmp(text, "http://", 7) != 0) || strpbrk(text, " ?#\"\\") != NULL || len > 200 ||
	    strstr(text, "://")[3] == 0) {
		problems_add(r->p, r->c->yaml, node, "'callback_url' is an address such as https://leadd.example.com");
		return;
	}
	while (text[len - 1] == '/') {
		len--;
	}
	r->c->callback_url = arena_dup(&r->c->arena, text, len);
}

/* A stage whose service is to call back, and nobody told it where. */
static void check_callbacks(struct reading *r, const struct yaml_node *root)
{
	for (size_t i = 0; r->c->callback_url == NULL && i < r->c->n_pipelines; i++) {
		const struct pipeline *p = r->c->pipelines[i];

		for (size_t s = 0; s < p->n_stages; s++) {
			for (size_t k = 0; k < p->stages[s].n_steps; k++) {
				const struct service_call *call = p->stages[s].steps[k].call;

				if (call != NULL && call->job != NULL && call->job->callback) {
					problems_add(r->p, r->c->yaml, root,
					    "pipeline '%s', stage '%s': call '%s' wants to be called back, which needs 'callback_url'", p->name,
					    p->stages[s].name, call->name);
					return;
				}
			}
		}
	}
}

static void read_settings(struct reading *r, const struct yaml_node *root)
{
	struct config *c = r->c;
	struct yaml *y = c->yaml;
	const char *zone = NULL;
	struct lead_error err;
	int64_t n;

	c->state_dir = "/var/lib/leadd";
	c->socket = "/run/leadd.sock";
	c->currency = "USD";
	c->turn_wait_us = 5 * US_PER_MS;
	c->drain_us = 30 * US_PER_S;
	(void)yaml_read_string(y, root, "state_dir", &c->state_dir, r->p);
	(void)yaml_read_string(y, root, "socket", &c->socket, r->p);
	(void)yaml_read_string(y, root, "currency", &c->currency, r->p);
	(void)yaml_read_string(y, root, "ca_file", &c->ca_file, r->p);
	(void)yaml_read_string(y, root, "secrets_dir", &c->secrets_dir, r->p);
	(void)yaml_read_bool(y, root, "allow_private", &c->allow_private, r->p);
	(void)yaml_read_duration(y, root, "turn_wait", 0, 20 * US_PER_MS, &c->turn_wait_us, r->p);
	(void)yaml_read_duration(y, root, "drain", 0, 3600 * US_PER_S, &c->drain_us, r->p);
	n = 1;
	(void)yaml_read_int(y, root, "limit_factor", 1, 100000, &n, r->p);
	c->limit_factor = (uint32_t)n;
	n = 2000;
	(void)yaml_read_int(y, root, "max_in_flight", 1, 10000, &n, r->p);
	c->max_in_flight = (uint32_t)n;
	c->zone_name = "UTC";
	if (yaml_read_string(y, root, "zone", &zone, r->p)) {
		c->zone_name = zone;
	}
	if (zone != NULL && zone_load(zone, &c->zone, &err) != 0) {
		problems_add(r->p, y, yaml_get(root, "zone"), "%s", err.text);
	}
	c->state_dir = resolve(r, c->state_dir);
	c->socket = resolve(r, c->socket);
	c->ca_file = resolve(r, c->ca_file);
	read_callback_url(r, root);
	read_store(r, root);
	read_answers(r, root);
	read_results(r, root);
}

/* --- files of a kind: first folder wins, systemd style --- */

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

static void list_dir(struct reading *r, const char *dir, const char *const endings[], struct files *f)
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
static void list_files(struct reading *r, const struct yaml_node *root, const char *key, const char *fallback, const char *const endings[],
    struct files *f)
{
	const char **dirs = NULL;
	size_t n = r->o.bundle ? 0 : yaml_read_strings(r->c->yaml, root, key, &dirs, r->p);

	f->n = 0;
	for (size_t i = 0; i < n; i++) {
		list_dir(r, resolve(r, dirs[i]), endings, f);
	}
	if (n == 0 && (r->o.bundle || yaml_get(root, key) == NULL)) {
		list_dir(r, resolve(r, fallback), endings, f);
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

static void read_services(struct reading *r, const struct yaml_node *root)
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
		struct service_options so = {.limit_factor = c->limit_factor};
		struct service *s = NULL;

		if (o != NULL && yaml_only_keys(c->yaml, o, keys, "service setting", r->p)) {
			(void)yaml_read_string(c->yaml, o, "base", &so.base, r->p);
			so.limits_yaml = c->yaml;
			so.limits = yaml_get(o, "limits");
		}
		if (r->o.old != NULL) {
			so.old = r->o.old->services;
			so.n_old = r->o.old->n_services;
		}
		read_budget(r, o, &c->service_budgets[c->n_services]);
		if (service_load(f.path[i], &so, r->p, &s) == 0 && s != NULL) {
			if (strcmp(s->name, stem) != 0) {
				problems_add(r->p, NULL, NULL, "%s: the service is called '%s': the file must be %s.yaml", f.path[i], s->name, s->name);
			}
			s->generation = s->generation != 0 ? s->generation : c->generation;
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

/* Where no folder of prompts is named: the one beside leadd.yaml and those beside the folders of pipelines, as far as they are there. */
static void list_usual_prompts(struct reading *r, const struct yaml_node *root, const char *const endings[], struct files *f)
{
	const char **dirs = NULL, *path = resolve(r, "prompts");
	size_t n = r->o.bundle ? 0 : yaml_read_strings(r->c->yaml, root, "pipelines_dir", &dirs, r->p), i = 0;

	do {
		if (path != NULL && access(path, F_OK) == 0) {
			list_dir(r, path, endings, f);
		}
		path = i < n ? arena_printf(&r->c->arena, "%s/../prompts", resolve(r, dirs[i])) : NULL;
	} while (i++ < n);
}

static void read_prompts(struct reading *r, const struct yaml_node *root)
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

/* It calls the services of this configuration, and no text of it stands in the memory of another. */
static bool is_as_it_was(const struct pipeline *pl, const struct config *c)
{
	for (size_t s = 0; s < pl->n_stages; s++) {
		const struct stage *st = &pl->stages[s];

		for (size_t k = 0; k < st->n_steps; k++) {
			if (st->steps[k].prompt != NULL || (st->steps[k].service != NULL && config_service(c, st->steps[k].service->name) != st->steps[k].service)) {
				return false;
			}
		}
		if ((st->recall.service != NULL && config_service(c, st->recall.service->name) != st->recall.service) ||
		    (st->list.step.service != NULL && config_service(c, st->list.step.service->name) != st->list.step.service)) {
			return false;
		}
	}
	return true;
}

static struct pipeline *old_pipeline(const struct reading *r, const char *file, const struct buf *text)
{
	const struct config *old = r->o.old;
	uint64_t hash = hash_plain(text->data != NULL ? text->data : "", text->len);

	for (size_t i = 0; old != NULL && i < old->n_pipelines; i++) {
		struct pipeline *pl = old->pipelines[i];

		if (pl->text_hash == hash && strcmp(pl->file, file) == 0 && is_as_it_was(pl, r->c)) {
			return pipeline_ref(pl);
		}
	}
	return NULL;
}

static struct pipeline *one_pipeline(struct reading *r, const char *file)
{
	struct buf text = {.max = 1 << 20};
	struct pipeline *pl = NULL;

	if (pipeline_read(file, &text, r->p)) {
		pl = old_pipeline(r, file, &text);
		if (pl == NULL && pipeline_parse(file, text.data != NULL ? text.data : "", text.len, find_service, r->c, r->c->prompts, r->p, &pl) != 0) {
			pl = NULL;
		}
	}
	buf_free(&text);
	return pl;
}

static void read_pipelines(struct reading *r, const struct yaml_node *root)
{
	struct config *c = r->c;
	struct files f;

	list_files(r, root, "pipelines_dir", "pipelines", yaml_endings, &f);
	c->pipelines = arena_zalloc(&c->arena, (f.n + 1) * sizeof(*c->pipelines));
	for (size_t i = 0; c->pipelines != NULL && i < f.n; i++) {
		struct pipeline *pl = one_pipeline(r, f.path[i]);

		if (pl != NULL) {
			c->pipelines[c->n_pipelines++] = pl;
		}
	}
}

/* --- organisations and campaigns --- */

static void read_orgs(struct reading *r, const struct yaml_node *root)
{
	static const char *const keys[] = {"budget", "mail_to", NULL};
	const struct yaml_node *node = yaml_get(root, "organisations");
	struct config *c = r->c;

	c->orgs = arena_zalloc(&c->arena, ((node != NULL ? node->n : 0) + 1) * sizeof(*c->orgs));
	for (const struct yaml_node *o = node != NULL ? node->first : NULL; c->orgs != NULL && o != NULL; o = o->next) {
		if (o->key == NULL || !yaml_only_keys(c->yaml, o, keys, "organisation", r->p)) {
			continue;
		}
		c->orgs[c->n_orgs].name = o->key;
		c->orgs[c->n_orgs].n_mail_to = notify_read_addresses(c->yaml, o, "mail_to", &c->orgs[c->n_orgs].mail_to, r->p);
		read_budget(r, o, &c->orgs[c->n_orgs++].budget);
	}
}

/* Scalars only: what templates read as `.campaign.name`. */
static const char *vars_json(struct reading *r, const struct yaml_node *vars, const char *name)
{
	struct buf b = {0};
	char *text;

	buf_add_text(&b, "{\"name\":");
	json_write_string(&b, name, strlen(name));
	for (const struct yaml_node *v = vars != NULL ? vars->first : NULL; v != NULL; v = v->next) {
		if (v->kind == YAML_LIST || v->kind == YAML_MAP || v->key == NULL) {
			problems_add(r->p, r->c->yaml, v, "a campaign's vars are single values");
			continue;
		}
		buf_add_char(&b, ',');
		json_write_string(&b, v->key, strlen(v->key));
		buf_add_char(&b, ':');
		if (v->kind == YAML_STRING) {
			json_write_string(&b, v->text, v->len);
		} else {
			buf_add_text(&b, v->kind == YAML_NULL ? "null" : v->text);
		}
	}
	buf_add_char(&b, '}');
	text = b.failed ? NULL : arena_dup(&r->c->arena, b.data, b.len);
	buf_free(&b);
	return text;
}

static void read_campaigns(struct reading *r, const struct yaml_node *root)
{
	static const char *const keys[] = {"formats", "pipeline", "organisation", "budget", "run_budget", "approve_above", "mask", "schedule", "known", "vars", NULL};
	static const char *const mask_words[] = {"never", "until-approved", NULL};
	static const char *const known_words[] = {"allow", "skip", "reuse", NULL};
	const struct yaml_node *node = yaml_get(root, "campaigns");
	struct config *c = r->c;

	c->campaigns = arena_zalloc(&c->arena, ((node != NULL ? node->n : 0) + 1) * sizeof(*c->campaigns));
	for (const struct yaml_node *n = node != NULL ? node->first : NULL; c->campaigns != NULL && n != NULL; n = n->next) {
		struct campaign *m = &c->campaigns[c->n_campaigns];
		const char *pipeline = NULL;
		int mask = 0, known = KNOWN_ALLOW;

		if (n->key == NULL || !yaml_only_keys(c->yaml, n, keys, "campaign", r->p)) {
			continue;
		}
		*m = (struct campaign){.name = n->key, .organisation = "default", .run_budget_micro = -1, .approve_above_micro = -1};
		(void)yaml_read_string(c->yaml, n, "organisation", &m->organisation, r->p);
		(void)yaml_read_money(c->yaml, n, "run_budget", &m->run_budget_micro, r->p);
		(void)yaml_read_money(c->yaml, n, "approve_above", &m->approve_above_micro, r->p);
		(void)yaml_read_word(c->yaml, n, "mask", mask_words, &mask, r->p);
		m->mask = mask == 1;
		(void)yaml_read_word(c->yaml, n, "known", known_words, &known, r->p);
		m->known = (enum known_rule)known;
		read_budget(r, n, &m->budget);
		m->formats = read_formats(r, n);
		m->vars_json = vars_json(r, yaml_get(n, "vars"), n->key);
		if (!yaml_read_string(c->yaml, n, "pipeline", &pipeline, r->p)) {
			problems_add(r->p, c->yaml, n, "campaign '%s' needs 'pipeline'", n->key);
			continue;
		}
		m->pipeline = (struct pipeline *)(uintptr_t)config_pipeline(c, pipeline);
		if (m->pipeline == NULL && c->n_pipelines > 0) {
			problems_add(r->p, c->yaml, yaml_get(n, "pipeline"), "there is no pipeline '%s'", pipeline);
			continue;
		}
		m->agenda = agenda_read(c, n, m, r->p);
		c->n_campaigns++;
	}
}

/* --- credentials --- */

/* Something in its place, which goes nowhere. */
static void pretend_secret(struct reading *r, const char *name)
{
	struct secret *s = &r->c->secrets[r->c->n_secrets];

	for (size_t i = 0; r->o.missing != NULL && r->o.missing[i] != NULL; i++) {
		if (strcmp(r->o.missing[i], name) == 0) {
			return;
		}
	}
	if (config_secret(r->c, name) == NULL && (s->text = strdup("-")) != NULL) {
		s->name = name;
		s->len = 1;
		r->c->n_secrets++;
	}
}

static void read_secret(struct reading *r, const char *name)
{
	const char *dir = r->c->secrets_dir != NULL ? resolve(r, r->c->secrets_dir) : getenv("CREDENTIALS_DIRECTORY");
	struct secret *s = &r->c->secrets[r->c->n_secrets];
	char path[4096], text[4096];
	ssize_t n;
	int fd;

	if (dir == NULL || config_secret(r->c, name) != NULL ||
	    (size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path)) {
		return;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return; /* doctor names it */
	}
	n = read(fd, text, sizeof(text));
	close(fd);
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r' || text[n - 1] == ' ')) {
		n--;
	}
	if (n > 0 && n < (ssize_t)sizeof(text)) {
		s->text = strndup(text, (size_t)n);
		s->name = name;
		s->len = (size_t)n;
		r->c->n_secrets += s->text != NULL ? 1 : 0;
	}
	explicit_bzero(text, sizeof(text));
}

static void read_secrets(struct reading *r)
{
	struct config *c = r->c;
	const char *notify[] = {c->notify.mail.secret, c->notify.webhook.secret};
	size_t n = c->n_tokens + c->n_payments + c->n_intakes;

	for (size_t i = 0; i < c->n_services; i++) {
		n += c->services[i]->n_keys;
	}
	c->secrets = calloc(n + sizeof(notify) / sizeof(notify[0]), sizeof(*c->secrets));
	for (size_t i = 0; c->secrets != NULL && i < c->n_services; i++) {
		for (size_t k = 0; k < c->services[i]->n_keys; k++) {
			if (c->services[i]->keys[k].secret != NULL) {
				(r->o.no_secrets ? pretend_secret : read_secret)(r, c->services[i]->keys[k].secret);
			}
		}
	}
	for (size_t i = 0; c->secrets != NULL && i < c->n_payments; i++) {
		(r->o.no_secrets ? pretend_secret : read_secret)(r, c->payments[i].verify.secret);
	}
	for (size_t i = 0; c->secrets != NULL && i < c->n_tokens; i++) {
		(r->o.no_secrets ? pretend_secret : read_secret)(r, c->tokens[i].secret);
	}
	for (size_t i = 0; c->secrets != NULL && i < c->n_intakes; i++) {
		if (c->intakes[i].verify.secret != NULL) {
			(r->o.no_secrets ? pretend_secret : read_secret)(r, c->intakes[i].verify.secret);
		}
	}
	for (size_t i = 0; c->secrets != NULL && i < sizeof(notify) / sizeof(notify[0]); i++) {
		if (notify[i] != NULL) {
			(r->o.no_secrets ? pretend_secret : read_secret)(r, notify[i]);
		}
	}
}

int config_load(const char *file, uint64_t generation, struct problems *p, struct config **ret)
{
	static const struct config_options plain;

	return config_load_with(file, generation, &plain, p, ret);
}

int config_load_with(const char *file, uint64_t generation, const struct config_options *o, struct problems *p, struct config **ret)
{
	static const char *const keys[] = {"prompts_dir", "state_dir", "socket", "currency", "zone", "limit_factor", "allow_private", "ca_file", "secrets_dir", "callback_url",
	    "turn_wait", "drain", "answers", "results", "store", "max_in_flight", "services_dir", "pipelines_dir", "lists_dir", "services",
	    "organisations", "campaigns", "notify", "listen", "listen_anywhere", "tokens", "payments",
	    "intakes", "inbox", NULL};
	struct reading r = {.p = p, .o = *o};
	const char *lists = "lists";
	struct lead_error err;
	char *copy;
	size_t before = p->count;

	*ret = NULL;
	r.c = calloc(1, sizeof(*r.c));
	if (r.c == NULL) {
		return LEAD_ENOMEM;
	}
	r.c->refs = 1;
	r.c->generation = generation;
	r.c->file = arena_dup(&r.c->arena, file, strlen(file));
	copy = arena_dup(&r.c->arena, file, strlen(file));
	if (yaml_load(file, &r.c->yaml, &err) != 0) {
		problems_add(p, NULL, NULL, "%s", err.text);
		config_unref(r.c);
		return 0;
	}
	r.dir = dirname(copy);
	if (r.c->yaml->root != NULL) {
		(void)yaml_only_keys(r.c->yaml, r.c->yaml->root, keys, "setting", p); /* one mistake hides no other */
	}
	if (r.c->yaml->root == NULL || r.c->yaml->root->kind == YAML_MAP) {
		static const struct yaml_node nothing = {.kind = YAML_MAP};
		const struct yaml_node *root = r.c->yaml->root != NULL ? r.c->yaml->root : &nothing;

		read_settings(&r, root);
		(void)yaml_read_string(r.c->yaml, root, "lists_dir", &lists, p);
		if (gate_lists_load(resolve(&r, o->bundle ? "lists" : lists), &r.c->lists, &err) != 0) {
			problems_add(p, NULL, NULL, "%s", err.text);
		}
		read_services(&r, root);
		read_prompts(&r, root);
		read_pipelines(&r, root);
		check_callbacks(&r, root);
		read_orgs(&r, root);
		read_campaigns(&r, root);
		notify_read(r.c, root, p);
		access_read(r.c, root, p);
		payments_read(r.c, root, p);
		intakes_read(r.c, root, p);
		read_secrets(&r);
	}
	if (p->count > before) {
		config_unref(r.c);
		return 0;
	}
	*ret = r.c;
	return 0;
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
	for (size_t i = 0; i < c->n_secrets; i++) {
		explicit_bzero(c->secrets[i].text, c->secrets[i].len);
		free(c->secrets[i].text);
	}
	free(c->secrets);
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

const struct secret *config_secret(const struct config *c, const char *name)
{
	for (size_t i = 0; name != NULL && i < c->n_secrets; i++) {
		if (strcmp(c->secrets[i].name, name) == 0) {
			return &c->secrets[i];
		}
	}
	return NULL;
}
