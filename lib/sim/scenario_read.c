/*
 * lib/sim/scenario_read.c: whatever the file names, on top of what is there.
 *
 * scenario_parse -> read_top -> read_service per service -> keys, limits, scripts, random, its own
 *                          '-> read_faults
 *
 * Each reader reports its mistakes and goes on, so that one run shows all of them.
 */
#include "lib/sim/scenario_read.h"

#include <string.h>

#include "lib/base/decimal.h"

static void read_keys(
    struct scenario_reader *r, const struct yaml_node *list, struct scenario_service *s)
{
	static const char *const keys[] = {"key", "quota", "reset", NULL};

	if (list->kind != YAML_LIST || list->n > SCENARIO_KEYS) {
		problems_add(
		    r->p, r->y, list, "keys: a list of at most %d is wanted", SCENARIO_KEYS);
		return;
	}
	s->n_keys = 0;
	for (const struct yaml_node *n = list->first; n != NULL; n = n->next) {
		struct scenario_key *k = &s->keys[s->n_keys++];
		const char *text = n->text;

		*k = (struct scenario_key){0};
		if (n->kind == YAML_MAP && yaml_only_keys(r->y, n, keys, "key", r->p)) {
			text = NULL;
			(void)yaml_read_string(r->y, n, "key", &text, r->p);
			scenario_read_uint(r, n, "quota", 1, INT64_MAX, &k->quota);
			(void)yaml_read_duration(
			    r->y, n, "reset", 1, US_PER_DAY * 31, &k->reset_us, r->p);
		}
		scenario_take_text(r, n, text, "key", k->text, sizeof(k->text));
	}
}

/* `50/60s`, `10000/day`. */
static bool limit_of(const char *text, struct scenario_limit *l)
{
	const char *slash = text != NULL ? strchr(text, '/') : NULL;
	int64_t max;
	bool exact;

	if (slash == NULL || strlen(text) >= sizeof(l->text) ||
	    !decimal_scaled(text, (size_t)(slash - text), 0, &max, &exact) || !exact || max < 1) {
		return false;
	}
	if (strcmp(slash + 1, "day") == 0) {
		l->length_us = 0;
	} else if (!duration_parse(slash + 1, &l->length_us) || l->length_us < US_PER_MS) {
		return false;
	}
	l->max = (uint64_t)max;
	memcpy(l->text, text, strlen(text) + 1);
	return true;
}

static void read_limits(struct scenario_reader *r, const struct yaml_node *list,
    enum world_service id, struct scenario_service *s)
{
	static const char *const keys[] = {"limit", "per", "unit", "endpoints", NULL};
	static const char *const scopes[] = {"key", "service", NULL}, *const units[] = {"requests",
									  "tokens", NULL};
	const uint64_t usual = scenario_counted(id);

	if (list->kind != YAML_LIST || list->n > SCENARIO_LIMITS) {
		problems_add(
		    r->p, r->y, list, "limits: a list of at most %d is wanted", SCENARIO_LIMITS);
		return;
	}
	s->n_limits = 0;
	for (const struct yaml_node *n = list->first; n != NULL; n = n->next) {
		struct scenario_limit *l = &s->limits[s->n_limits++];
		const char *text = n->text;
		int scope = id == WORLD_INSTANTLY, unit = 0;

		*l = (struct scenario_limit){.endpoints = usual};
		if (n->kind == YAML_MAP && yaml_only_keys(r->y, n, keys, "limit", r->p)) {
			text = NULL;
			(void)yaml_read_string(r->y, n, "limit", &text, r->p);
			(void)yaml_read_word(r->y, n, "per", scopes, &scope, r->p);
			(void)yaml_read_word(r->y, n, "unit", units, &unit, r->p);
			scenario_read_mask(r, n, "endpoints", endpoint_words, 0, &l->endpoints);
		}
		l->per_service = scope == 1;
		l->tokens = unit == 1;
		if (!limit_of(text, l)) {
			problems_add(r->p, r->y, n,
			    "limits: count/window is wanted, such as 50/60s or 10000/day");
		}
	}
}

/* `from: 30%` of the expected calls, or `from: 12`. */
static void read_from(
    struct scenario_reader *r, const struct yaml_node *map, uint64_t expected, uint64_t *ret)
{
	const struct yaml_node *n = yaml_get(map, "from");
	uint32_t ppm;

	if (n != NULL && scenario_share(n, &ppm)) {
		*ret = expected * ppm / PPM + 1;
		return;
	}
	scenario_read_uint(r, map, "from", 1, INT64_MAX, ret);
}

static void read_scripts(
    struct scenario_reader *r, const struct yaml_node *list, struct scenario_service *s)
{
	static const char *const keys[] = {
	    "fault", "from", "calls", "for", "share", "endpoints", NULL};

	if (list->kind != YAML_LIST || list->n > SCENARIO_SCRIPTS) {
		problems_add(
		    r->p, r->y, list, "script: a list of at most %d is wanted", SCENARIO_SCRIPTS);
		return;
	}
	s->n_scripts = 0;
	for (const struct yaml_node *n = list->first; n != NULL; n = n->next) {
		struct scenario_script *c = &s->scripts[s->n_scripts++];
		int fault = -1;

		*c = (struct scenario_script){.from = 1, .share_ppm = PPM, .endpoints = UINT64_MAX};
		if (!yaml_only_keys(r->y, n, keys, "script entry", r->p)) {
			continue;
		}
		if (!yaml_read_word(r->y, n, "fault", scenario_fault_words + 1, &fault, r->p) &&
		    yaml_get(n, "fault") == NULL) {
			problems_add(r->p, r->y, n, "script: a fault is wanted");
		}
		c->fault = (enum world_fault)(fault + 1);
		read_from(r, n, s->expected, &c->from);
		scenario_read_uint(r, n, "calls", 1, INT64_MAX, &c->calls);
		(void)yaml_read_duration(r->y, n, "for", 1, US_PER_DAY * 31, &c->for_us, r->p);
		scenario_read_share(r, n, "share", &c->share_ppm);
		scenario_read_mask(r, n, "endpoints", endpoint_words, 0, &c->endpoints);
	}
}

static void read_random(
    struct scenario_reader *r, const struct yaml_node *n, struct scenario_service *s)
{
	static const char *const keys[] = {"rate", "kinds", NULL};

	if (yaml_only_keys(r->y, n, keys, "random", r->p)) {
		scenario_read_share(r, n, "rate", &s->random_ppm);
		scenario_read_mask(r, n, "kinds", scenario_fault_words, 1, &s->random_kinds);
	}
}

static void read_latency(
    struct scenario_reader *r, const struct yaml_node *n, struct scenario_service *s)
{
	static const char *const keys[] = {"min", "median", "p95", NULL};

	if (!yaml_only_keys(r->y, n, keys, "latency", r->p)) {
		return;
	}
	(void)yaml_read_duration(r->y, n, "min", 0, US_PER_DAY, &s->min_us, r->p);
	(void)yaml_read_duration(r->y, n, "median", 0, US_PER_DAY, &s->median_us, r->p);
	(void)yaml_read_duration(r->y, n, "p95", 0, US_PER_DAY, &s->p95_us, r->p);
	if (s->min_us > s->median_us || s->median_us > s->p95_us) {
		problems_add(r->p, r->y, n, "latency: min, median and p95 must not fall");
	}
}

static void read_service(struct scenario_reader *r, const struct yaml_node *map,
    enum world_service id, struct scenario *all)
{
	struct scenario_service *s = &all->services[id];
	const struct yaml_node *n;

	if (!yaml_only_keys(r->y, map, scenario_own_keys(id), scenario_service_words[id], r->p)) {
		return;
	}
	if (r->running && (n = yaml_get(map, "keys") != NULL ? yaml_get(map, "keys")
							     : yaml_get(map, "limits")) != NULL) {
		problems_add(r->p, r->y, n, "%s cannot change while the world runs", n->key);
		return;
	}
	scenario_read_uint(r, map, "expected", 1, INT64_MAX / PPM, &s->expected);
	if ((n = yaml_get(map, "latency")) != NULL) {
		read_latency(r, n, s);
	}
	if ((n = yaml_get(map, "random")) != NULL) {
		read_random(r, n, s);
	}
	if ((n = yaml_get(map, "script")) != NULL) {
		read_scripts(r, n, s);
	}
	if ((n = yaml_get(map, "keys")) != NULL) {
		read_keys(r, n, s);
	}
	if ((n = yaml_get(map, "limits")) != NULL) {
		read_limits(r, n, id, s);
	}
	scenario_read_own(r, map, id, all);
}

static void read_faults(struct scenario_reader *r, const struct yaml_node *n, struct scenario *s)
{
	static const char *const keys[] = {
	    "retry_after", "slow", "drip_every", "drip_bytes", "huge_bytes", NULL};

	if (yaml_only_keys(r->y, n, keys, "faults", r->p)) {
		(void)yaml_read_duration(
		    r->y, n, "retry_after", 0, US_PER_DAY, &s->retry_after_us, r->p);
		(void)yaml_read_duration(r->y, n, "slow", 0, US_PER_DAY, &s->slow_us, r->p);
		(void)yaml_read_duration(
		    r->y, n, "drip_every", US_PER_MS, US_PER_DAY, &s->drip_us, r->p);
		scenario_read_size(r, n, "drip_bytes", 1 << 20, &s->drip_bytes);
		scenario_read_size(r, n, "huge_bytes", 1 << 30, &s->huge_bytes);
	}
}

static void read_people(struct scenario_reader *r, const struct yaml_node *n, struct scenario *s)
{
	static const char *const keys[] = {"count", "no_email", "not_found", NULL};

	if (yaml_only_keys(r->y, n, keys, "people", r->p)) {
		scenario_read_size(r, n, "count", 10000000, &s->people.count);
		scenario_read_share(r, n, "no_email", &s->people.no_email_ppm);
		scenario_read_share(r, n, "not_found", &s->people.not_found_ppm);
	}
}

static void read_top(struct scenario_reader *r, struct scenario *s)
{
	static const char *const keys[] = {
	    "seed", "limit_factor", "doubt", "faults", "people", "services", NULL};
	static const char *const fixed[] = {"seed", "limit_factor", NULL};
	const struct yaml_node *root = r->y->root, *n, *services;

	if (root == NULL || !yaml_only_keys(r->y, root, keys, "scenario", r->p)) {
		return;
	}
	for (size_t i = 0; r->running && fixed[i] != NULL; i++) {
		if (yaml_get(root, fixed[i]) != NULL) {
			problems_add(r->p, r->y, yaml_get(root, fixed[i]),
			    "%s cannot change while the world runs", fixed[i]);
		}
	}
	scenario_read_uint(r, root, "seed", 0, INT64_MAX, &s->seed);
	scenario_read_uint(r, root, "limit_factor", 1, 1000000, &s->limit_factor);
	(void)yaml_read_duration(r->y, root, "doubt", 0, 60 * US_PER_S, &s->doubt_us, r->p);
	if ((n = yaml_get(root, "faults")) != NULL) {
		read_faults(r, n, s);
	}
	if ((n = yaml_get(root, "people")) != NULL) {
		read_people(r, n, s);
	}
	services = yaml_get(root, "services");
	if (services == NULL ||
	    !yaml_only_keys(r->y, services, scenario_service_words, "services", r->p)) {
		return;
	}
	for (enum world_service id = 0; id < WORLD_SERVICES; id++) {
		if ((n = yaml_get(services, scenario_service_words[id])) != NULL) {
			read_service(r, n, id, s);
		}
	}
}

int scenario_parse(const char *file, const char *text, size_t len, bool running, struct scenario *s,
    struct lead_error *err)
{
	struct problems problems;
	struct scenario_reader r = {.p = &problems, .running = running};
	struct yaml *y;
	int rc = yaml_parse(file, text, len, &y, err);

	if (rc != 0) {
		return rc;
	}
	problems_init(&problems);
	r.y = y;
	read_top(&r, s);
	rc = problems_result(&problems, err);
	problems_fini(&problems);
	yaml_free(y);
	return rc;
}
