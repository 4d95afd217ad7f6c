/*
 * What a pipeline file says about its destination: how a lead is taken out again, how all of it is read back, and what happens to
 * those that are missing there.
 */
#include "lib/engine/config/pipeline_read.h"

#include <string.h>

/* How what a push stage pushed is taken out again. */
void stage_read_recall(struct pipeline_reading *r, const struct yaml_node *node, struct stage *st)
{
	static const char *const keys[] = {"call", "with", "unsent", "created", NULL};
	const struct yaml_node *m = yaml_get(node, "recall"), *call, *created;
	const char *unsent = NULL;
	struct lead_error err;

	if (m == NULL || !yaml_only_keys(r->pl->yaml, m, keys, "recall", r->problems)) {
		return;
	}
	for (size_t i = 0; i < r->pl->n_stages; i++) {
		if (r->pl->stages[i].recall.call != NULL) {
			problems_add(r->problems, r->pl->yaml, m, "stage '%s' has a 'recall' already: one of a pipeline can", r->pl->stages[i].name);
			return;
		}
	}
	call = yaml_get(m, "call");
	if (st->kind != STAGE_PUSH || call == NULL) {
		problems_add(r->problems, r->pl->yaml, m, st->kind != STAGE_PUSH ? "'recall' belongs to a push stage" : "'recall' needs 'call'");
		return;
	}
	pipeline_read_call(r, m, call, NULL, 0, &st->recall);
	created = yaml_get(m, "created");
	st->created = created != NULL ? template_compile(r->pl->yaml, created, r->pool, r->problems) : NULL;
	if (!yaml_read_string(r->pl->yaml, m, "unsent", &unsent, r->problems)) {
		return;
	}
	if (expr_compile(unsent, r->pool, &st->unsent, &err) != 0) {
		problems_add(r->problems, r->pl->yaml, yaml_get(m, "unsent"), "%s", err.text);
	} else if (st->n_steps == 0 || st->steps[0].call == NULL || st->steps[0].call->doubt_lookup == NULL) {
		problems_add(r->problems, r->pl->yaml, yaml_get(m, "unsent"), "'unsent' needs a push call with 'in_doubt: {lookup: CALL}' to look with");
	}
}

static struct expr *read_path(struct pipeline_reading *r, const struct yaml_node *node, const char *name)
{
	char *text = arena_printf(&r->pl->arena, ".%s", name);
	struct expr *x = NULL;
	struct lead_error err;

	if (text == NULL || expr_compile(text, r->pool, &x, &err) != 0 || expr_path(x) == NULL) {
		problems_add(r->problems, r->pl->yaml, node, "'%s' must be a field of what the list holds, such as email or payload.role", name);
		expr_free(x);
		return NULL;
	}
	return x;
}

static void read_same(struct pipeline_reading *r, const struct yaml_node *node, const char *key, struct list_spec *l)
{
	const struct yaml_node *same = yaml_get(node, "same");

	if (same == NULL || same->kind != YAML_MAP || same->n > SAME_FIELDS) {
		problems_add(r->problems, r->pl->yaml, same != NULL ? same : node, "'list' needs 'same', a map of 1 to %d names to values", SAME_FIELDS);
		return;
	}
	l->key = SIZE_MAX;
	for (const struct yaml_node *c = same->first; c != NULL; c = c->next) {
		l->same[l->n_same].name = c->key;
		l->same[l->n_same].at = read_path(r, c, c->key);
		l->same[l->n_same].is = template_compile(r->pl->yaml, c, r->pool, r->problems);
		l->key = key != NULL && strcmp(key, c->key) == 0 ? l->n_same : l->key;
		l->n_same++;
	}
	if (l->key == SIZE_MAX) {
		problems_add(r->problems, r->pl->yaml, node, "'list' needs 'key', one of the names in 'same'");
	}
}

/* How the destination is read back as a whole. */
void stage_read_list(struct pipeline_reading *r, const struct yaml_node *node, struct stage *st)
{
	static const char *const keys[] = {"call", "with", "key", "id", "same", NULL};
	const struct yaml_node *m = yaml_get(node, "list"), *call;
	const char *key = NULL, *id = NULL;

	if (m == NULL || !yaml_only_keys(r->pl->yaml, m, keys, "list", r->problems)) {
		return;
	}
	for (size_t i = 0; i < r->pl->n_stages; i++) {
		if (r->pl->stages[i].list.step.call != NULL) {
			problems_add(r->problems, r->pl->yaml, m, "stage '%s' has a 'list' already: one of a pipeline can", r->pl->stages[i].name);
			return;
		}
	}
	call = yaml_get(m, "call");
	if (st->kind != STAGE_CONFIRM || call == NULL) {
		problems_add(r->problems, r->pl->yaml, m, st->kind != STAGE_CONFIRM ? "'list' belongs to a confirm stage" : "'list' needs 'call'");
		return;
	}
	pipeline_read_call(r, m, call, NULL, 0, &st->list.step);
	if (st->list.step.call != NULL && st->list.step.call->paging == NULL) {
		problems_add(r->problems, r->pl->yaml, call, "call %s of service %s has no 'paging'", st->list.step.call->name, st->list.step.service->name);
	}
	(void)yaml_read_string(r->pl->yaml, m, "key", &key, r->problems);
	if (yaml_read_string(r->pl->yaml, m, "id", &id, r->problems)) {
		st->list.id = read_path(r, yaml_get(m, "id"), id);
	}
	read_same(r, m, key, &st->list);
}

void stage_free_destination(struct stage *st)
{
	struct list_spec *l = &st->list;

	pipeline_free_params(st->recall.params, st->recall.n_params);
	service_unref(st->recall.service);
	expr_free(st->unsent);
	template_free(st->created);
	pipeline_free_params(l->step.params, l->step.n_params);
	service_unref(l->step.service);
	expr_free(l->id);
	for (size_t i = 0; i < l->n_same; i++) {
		expr_free(l->same[i].at);
		template_free(l->same[i].is);
	}
}

/* How often a lead is looked for before it counts as missing, and what is then pushed again. */
void stage_read_missing(struct pipeline_reading *r, const struct yaml_node *node, struct stage *st)
{
	static const char *const keys[] = {"wait", "looks", "repair", "repairs", NULL};
	const struct yaml_node *m = yaml_get(node, "missing");
	const char *repair = NULL;
	int64_t n;

	st->wait_us = 2 * US_PER_S;
	st->looks = 3;
	st->repair = -1;
	if (m == NULL || !yaml_only_keys(r->pl->yaml, m, keys, "missing", r->problems)) {
		return;
	}
	(void)yaml_read_duration(r->pl->yaml, m, "wait", 0, US_PER_DAY, &st->wait_us, r->problems);
	n = st->looks;
	(void)yaml_read_int(r->pl->yaml, m, "looks", 1, 100, &n, r->problems);
	st->looks = (uint32_t)n;
	n = 1;
	(void)yaml_read_int(r->pl->yaml, m, "repairs", 0, 10, &n, r->problems);
	st->repairs = (uint32_t)n;
	if (yaml_read_string(r->pl->yaml, m, "repair", &repair, r->problems)) {
		st->repair = pipeline_stage(r->pl, repair);
		if (st->repair < 0 || r->pl->stages[st->repair].kind != STAGE_PUSH) {
			problems_add(r->problems, r->pl->yaml, yaml_get(m, "repair"), "'%s' is no push stage before this one", repair);
			st->repair = -1;
		}
	}
}
