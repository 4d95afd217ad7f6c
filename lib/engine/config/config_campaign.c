/* Whose leads they are and what may be spent on them: organisations, campaigns and their budgets. */
#include "lib/engine/config/config_read.h"

#include "lib/base/json.h"
#include "lib/engine/config/config_agenda.h"
#include "lib/engine/config/config_notify.h"

#include <string.h>

void config_read_budget(struct config_reading *r, const struct yaml_node *map, struct budget *b)
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

void config_read_orgs(struct config_reading *r, const struct yaml_node *root)
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
		config_read_budget(r, o, &c->orgs[c->n_orgs++].budget);
	}
}

void config_write_members(const struct yaml *y, const struct yaml_node *map, const char *else_problem, struct buf *out, struct problems *p)
{
	for (const struct yaml_node *v = map != NULL ? map->first : NULL; v != NULL; v = v->next) {
		if (v->kind == YAML_LIST || v->kind == YAML_MAP || v->key == NULL) {
			problems_add(p, y, v, "%s", else_problem);
			continue;
		}
		buf_add_text(out, out->len > 1 ? "," : "");
		json_write_string(out, v->key, strlen(v->key));
		buf_add_char(out, ':');
		if (v->kind == YAML_STRING) {
			json_write_string(out, v->text, v->len);
		} else {
			buf_add_text(out, v->kind == YAML_NULL ? "null" : v->text);
		}
	}
}

/* Scalars only: what templates read as `.campaign.name`. */
static const char *vars_json(struct config_reading *r, const struct yaml_node *vars, const char *name)
{
	struct buf b = {0};
	char *text;

	buf_add_text(&b, "{\"name\":");
	json_write_string(&b, name, strlen(name));
	config_write_members(r->c->yaml, vars, "a campaign's vars are single values", &b, r->p);
	buf_add_char(&b, '}');
	text = b.failed ? NULL : arena_dup(&r->c->arena, b.data, b.len);
	buf_free(&b);
	return text;
}

void config_read_campaigns(struct config_reading *r, const struct yaml_node *root)
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

		if (n->key == NULL || (!yaml_only_keys(c->yaml, n, keys, "campaign", r->p) && n->kind != YAML_MAP)) {
			continue; /* of a map one mistake hides no other */
		}
		*m = (struct campaign){.name = n->key, .organisation = "default", .run_budget_micro = -1, .approve_above_micro = -1};
		(void)yaml_read_string(c->yaml, n, "organisation", &m->organisation, r->p);
		(void)yaml_read_money(c->yaml, n, "run_budget", &m->run_budget_micro, r->p);
		(void)yaml_read_money(c->yaml, n, "approve_above", &m->approve_above_micro, r->p);
		(void)yaml_read_word(c->yaml, n, "mask", mask_words, &mask, r->p);
		m->mask = mask == 1;
		(void)yaml_read_word(c->yaml, n, "known", known_words, &known, r->p);
		m->known = (enum known_rule)known;
		config_read_budget(r, n, &m->budget);
		m->formats = config_read_formats(r, n);
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
