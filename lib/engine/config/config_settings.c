/* The settings of leadd.yaml that stand for themselves: places, waits, how long things are kept, what results are written as. */
#include "lib/engine/config/config_read.h"

#include "lib/base/text.h"

#include <string.h>

static void read_store(struct config_reading *r, const struct yaml_node *root)
{
	static const char *const keys[] = {"map", NULL};
	const struct yaml_node *node = yaml_get(root, "store");
	int64_t mib = 16 * 1024;

	if (node != NULL && yaml_only_keys(r->c->yaml, node, keys, "store", r->p)) {
		(void)yaml_read_int(r->c->yaml, node, "map", 1, 1 << 20, &mib, r->p);
	}
	r->c->map_bytes = (size_t)mib << 20;
}

static void read_answers(struct config_reading *r, const struct yaml_node *root)
{
	static const char *const keys[] = {"keep", NULL};
	const struct yaml_node *node = yaml_get(root, "answers");

	r->c->keep_us = 7 * US_PER_DAY;
	if (node != NULL && yaml_only_keys(r->c->yaml, node, keys, "answers", r->p)) {
		(void)yaml_read_duration(r->c->yaml, node, "keep", 0, 366 * US_PER_DAY, &r->c->keep_us, r->p);
	}
}

uint32_t config_read_formats(struct config_reading *r, const struct yaml_node *map)
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

static void read_results(struct config_reading *r, const struct yaml_node *root)
{
	static const char *const keys[] = {"keep", "log", "formats", NULL};
	const struct yaml_node *node = yaml_get(root, "results");
	int64_t mib = 64;

	r->c->results_keep_us = 30 * US_PER_DAY;
	r->c->formats = RESULT_CSV;
	if (node != NULL && yaml_only_keys(r->c->yaml, node, keys, "results", r->p)) {
		(void)yaml_read_duration(r->c->yaml, node, "keep", US_PER_S, 3660 * US_PER_DAY, &r->c->results_keep_us, r->p);
		(void)yaml_read_int(r->c->yaml, node, "log", 1, 4096, &mib, r->p);
		r->c->formats = yaml_get(node, "formats") != NULL ? config_read_formats(r, node) : RESULT_CSV;
	}
	r->c->run_log_bytes = (size_t)mib << 20;
}

/* `https://leadd.example.com`: what a service puts before /v1/callbacks/… to reach this daemon. */
static void read_callback_url(struct config_reading *r, const struct yaml_node *root)
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

void config_read_settings(struct config_reading *r, const struct yaml_node *root)
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
	c->state_dir = config_resolve(r, c->state_dir);
	c->socket = config_resolve(r, c->socket);
	c->ca_file = config_resolve(r, c->ca_file);
	read_callback_url(r, root);
	read_store(r, root);
	read_answers(r, root);
	read_results(r, root);
}

void config_check_callbacks(struct config_reading *r, const struct yaml_node *root)
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
