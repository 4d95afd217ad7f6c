/*
 * The words of a pipeline file about items: whom a stage is for (`of`, `when`, `at_once`), what it brings (`makes`), and a run's own
 * settings (`params`).
 */
#include "lib/engine/config/pipeline_read.h"

#include "lib/base/text.h"

#include <stdio.h>
#include <string.h>

static const char *const level_words[] = {"contact", "company", "run", NULL};

/* --- params --- */

static void read_param(struct pipeline_reading *r, const struct yaml_node *node)
{
	static const char *const keys[] = {"about", "default", "required", NULL};
	struct yaml *y = r->pl->yaml;
	struct pipeline_param *p = &r->pl->params[r->pl->n_params++];
	const struct yaml_node *preset = yaml_get(node, "default");

	p->name = node->key;
	if (node->kind == YAML_NULL) {
		return;
	}
	if (!yaml_only_keys(y, node, keys, "param", r->problems)) {
		return;
	}
	(void)yaml_read_string(y, node, "about", &p->about, r->problems);
	(void)yaml_read_bool(y, node, "required", &p->required, r->problems);
	if (preset != NULL && (preset->kind == YAML_LIST || preset->kind == YAML_MAP || preset->text == NULL)) {
		problems_add(r->problems, y, preset, "'default' must be a single value");
	} else if (preset != NULL) {
		p->preset = preset->text;
	}
}

void params_of_pipeline(struct pipeline_reading *r, const struct yaml_node *root)
{
	const struct yaml_node *map = yaml_get(root, "params");

	if (map == NULL) {
		return;
	}
	if (map->kind != YAML_MAP || map->n > 32) {
		problems_add(r->problems, r->pl->yaml, map, "'params' must be a map of at most 32 names");
		return;
	}
	r->pl->params = pipeline_zalloc(r, map->n, sizeof(*r->pl->params));
	for (const struct yaml_node *c = map->first; r->pl->params != NULL && c != NULL; c = c->next) {
		read_param(r, c);
	}
}

/* --- makes --- */

static bool is_param(const struct pipeline *pl, const char *name)
{
	for (size_t i = 0; i < pl->n_params; i++) {
		if (strcmp(pl->params[i].name, name) == 0) {
			return true;
		}
	}
	return false;
}

static void check_widen(struct pipeline_reading *r, const struct yaml_node *rounds, const struct makes *m)
{
	for (size_t i = 0; i < m->n_widen; i++) {
		if (!is_param(r->pl, m->widen[i])) {
			problems_add(r->problems, r->pl->yaml, yaml_get(rounds, "widen"), "'%s' is none of the file's 'params'", m->widen[i]);
		}
	}
}

static void read_buffer(struct pipeline_reading *r, const struct yaml_node *rounds, double *ret)
{
	const struct yaml_node *node = yaml_get(rounds, "buffer");
	double buffer;
	char tail;

	if (node == NULL) {
		return;
	}
	if (node->text == NULL || sscanf(node->text, "%lf%c", &buffer, &tail) != 1 || !(buffer >= 1 && buffer <= 100)) {
		problems_add(r->problems, r->pl->yaml, node, "'buffer' is a number from 1 to 100, such as 1.5");
		return;
	}
	*ret = buffer;
}

static void read_rounds(struct pipeline_reading *r, const struct yaml_node *node, struct makes *m)
{
	static const char *const keys[] = {"most", "buffer", "ask", "idle", "widen", "worth", NULL};
	const struct yaml_node *rounds = yaml_get(node, "rounds");
	struct yaml *y = r->pl->yaml;
	int64_t n;

	m->rounds = (struct rounds_spec){.most = 1, .buffer = 1, .ask_most = MAKES_MOST, .idle = 1, .in_all = m->rounds.in_all, .good = m->rounds.good};
	if (rounds == NULL || !yaml_only_keys(y, rounds, keys, "rounds", r->problems)) {
		return;
	}
	n = 8;
	(void)yaml_read_int(y, rounds, "most", 1, 250, &n, r->problems);
	m->rounds.most = (uint32_t)n;
	n = MAKES_MOST;
	(void)yaml_read_int(y, rounds, "ask", 1, MAKES_MOST, &n, r->problems);
	m->rounds.ask_most = (uint32_t)n;
	n = 1;
	(void)yaml_read_int(y, rounds, "idle", 1, 250, &n, r->problems);
	m->rounds.idle = (uint32_t)n;
	m->rounds.buffer = 1.5;
	read_buffer(r, rounds, &m->rounds.buffer);
	(void)yaml_read_money(y, rounds, "worth", &m->rounds.worth_micro, r->problems);
	m->n_widen = yaml_read_strings(y, rounds, "widen", &m->widen, r->problems);
	check_widen(r, rounds, m);
}

static void read_makes(struct pipeline_reading *r, const struct yaml_node *node, struct stage *st)
{
	static const char *const keys[] = {"level", "from", "fields", "most", "in_all", "until", "rounds", NULL};
	static const char *const until_words[] = {"made", "good", NULL};
	struct yaml *y = r->pl->yaml;
	const struct yaml_node *from = yaml_get(node, "from");
	struct makes *m = pipeline_zalloc(r, 1, sizeof(*m));
	int level = LEVEL_LEAD, until = 0;
	int64_t most = MAKES_MOST, in_all = 0;

	if (m == NULL || !yaml_only_keys(y, node, keys, "makes", r->problems)) {
		return;
	}
	st->makes = m;
	(void)yaml_read_word(y, node, "level", level_words, &level, r->problems);
	m->level = (enum item_level)level;
	if (m->level >= st->of) {
		problems_add(r->problems, y, node, "a stage of: %s cannot make items of level %s", level_words[st->of], level_words[level]);
	}
	if (from == NULL) {
		problems_add(r->problems, y, node, "'makes' needs 'from', the list, such as \"${.companies}\"");
	} else {
		m->from = template_compile(y, from, r->pool, r->problems);
	}
	m->n_fields = pipeline_read_params(r, node, "fields", &m->fields);
	if (m->n_fields == 0 || m->n_fields > MAKES_FIELDS) {
		problems_add(r->problems, y, node, "'makes' needs 'fields', 1 to %d names with what each element has of them", MAKES_FIELDS);
	}
	(void)yaml_read_int(y, node, "most", 1, MAKES_MOST, &most, r->problems);
	m->most = (uint32_t)most;
	(void)yaml_read_word(y, node, "until", until_words, &until, r->problems);
	(void)yaml_read_int(y, node, "in_all", 1, UINT32_MAX / 2, &in_all, r->problems);
	m->rounds.good = until == 1;
	m->rounds.in_all = (uint32_t)in_all;
	if (st->of != LEVEL_RUN && (yaml_get(node, "rounds") != NULL || yaml_get(node, "until") != NULL || in_all > 0)) {
		problems_add(r->problems, y, node, "only a stage of: run has 'rounds', 'until' and 'in_all'");
	}
	read_rounds(r, node, m);
}

static void read_at_once(struct pipeline_reading *r, const struct yaml_node *node, struct stage *st)
{
	static const char *const keys[] = {"run", "parent", NULL};
	const struct yaml_node *map = yaml_get(node, "at_once");
	int64_t n = 0;

	if (map == NULL || !yaml_only_keys(r->pl->yaml, map, keys, "at_once", r->problems)) {
		return;
	}
	(void)yaml_read_int(r->pl->yaml, map, "run", 1, 10000, &n, r->problems);
	st->at_once = (uint32_t)n;
	n = 0;
	(void)yaml_read_int(r->pl->yaml, map, "parent", 1, 10000, &n, r->problems);
	st->at_once_parent = (uint32_t)n;
}

void stage_read_items(struct pipeline_reading *r, const struct yaml_node *node, struct stage *st)
{
	struct yaml *y = r->pl->yaml;
	const struct yaml_node *makes = yaml_get(node, "makes");
	const char *when = NULL;
	struct lead_error err;
	int of = LEVEL_LEAD;

	(void)yaml_read_word(y, node, "of", level_words, &of, r->problems);
	st->of = (enum item_level)of;
	if (yaml_read_string(y, node, "when", &when, r->problems) && expr_compile(when, r->pool, &st->when, &err) != 0) {
		problems_add(r->problems, y, yaml_get(node, "when"), "%s", err.text);
	}
	read_at_once(r, node, st);
	if (makes != NULL) {
		read_makes(r, makes, st);
	}
	if (st->of == LEVEL_RUN && (st->kind == STAGE_PUSH || st->kind == STAGE_CONFIRM)) {
		problems_add(r->problems, y, node, "a stage of: run pushes nothing");
	}
}

/* --- the whole --- */

struct reads {
	bool run, campaign;
};

static void on_reads(void *arg, const char *name, size_t len)
{
	static const char *const run[] = {"run", NULL}, *const campaign[] = {"campaign", NULL};
	struct reads *reads = arg;

	reads->run = reads->run || text_in(run, name, len);
	reads->campaign = reads->campaign || text_in(campaign, name, len);
}

/* What it sends and keeps: of the run's own item, and of the campaign. */
static struct reads stage_reads(const struct stage *st)
{
	struct reads reads = {false, false};

	for (size_t k = 0; k < st->n_steps; k++) {
		for (size_t i = 0; i < st->steps[k].n_params; i++) {
			template_reads(st->steps[k].params[i].value, on_reads, &reads);
		}
		if (st->steps[k].fallback != NULL) {
			template_reads(st->steps[k].fallback, on_reads, &reads);
		}
	}
	for (size_t i = 0; i < st->n_expect; i++) {
		template_reads(st->expect[i].value, on_reads, &reads);
	}
	for (size_t i = 0; i < st->n_gives; i++) {
		template_reads(st->gives[i].value, on_reads, &reads);
	}
	return reads;
}

void pipeline_check_levels(struct pipeline_reading *r, const struct yaml_node *stages)
{
	const struct yaml_node *node = stages->first;
	enum item_level before = LEVEL_RUN;

	for (size_t p = 0; p < r->pl->n_stages && node != NULL; p++, node = node->next) {
		struct stage *st = &r->pl->stages[p];
		struct reads reads = stage_reads(st);

		if (st->of > before) {
			problems_add(r->problems, r->pl->yaml, node, "stage '%s' is of: %s, but stands behind one of: %s", st->name,
			    level_words[st->of], level_words[before]);
		}
		before = st->of;
		st->reads_run = st->of != LEVEL_RUN && reads.run;
		st->reads_campaign = reads.campaign;
	}
}

bool pipeline_has(const struct pipeline *pl, enum item_level of)
{
	for (size_t p = 0; p < pl->n_stages; p++) {
		if (pl->stages[p].of == of) {
			return true;
		}
	}
	return false;
}

enum item_level pipeline_rows_are(const struct pipeline *pl)
{
	return pipeline_has(pl, LEVEL_COMPANY) ? LEVEL_COMPANY : LEVEL_LEAD;
}

int pipeline_maker(const struct pipeline *pl, enum item_level level)
{
	for (size_t p = 0; p < pl->n_stages; p++) {
		if (pl->stages[p].makes != NULL && pl->stages[p].makes->level == level) {
			return (int)p;
		}
	}
	return -1;
}

bool pipeline_finds(const struct pipeline *pl)
{
	return pipeline_has(pl, LEVEL_RUN) && pl->stages[0].of == LEVEL_RUN && pipeline_maker(pl, pipeline_rows_are(pl)) >= 0;
}
