/*
 * The calls of a pipeline file: templates (their own text, or a prompt file's), the parameters made of them, and the steps
 * of a stage, each a call of a service with all that it needs.
 */
#include "lib/engine/config/pipeline_read.h"

#include "lib/base/text.h"

#include <string.h>

/* A template as it stands there, or `{file: NAME}`: one in a prompt file. NULL when reported. */
static struct template *read_template(struct pipeline_reading *r, const struct yaml_node *node, const char **ret_prompt)
{
	const struct yaml_node *file = node->kind == YAML_MAP && node->n == 1 ? yaml_get(node, "file") : NULL;
	const struct prompt *prompt = NULL;
	const char *nearest = NULL;
	struct yaml_node text;

	if (file == NULL || file->kind != YAML_STRING) {
		return template_compile(r->pl->yaml, node, r->pool, r->problems);
	}
	prompt = r->prompts != NULL ? prompts_find(r->prompts, file->text, &nearest) : NULL;
	if (prompt == NULL) {
		problems_add(r->problems, r->pl->yaml, file, nearest != NULL ? "there is no prompt file '%s', did you mean '%s'?" : "there is no prompt file '%s'",
		    file->text, nearest);
		return NULL;
	}
	text = prompt->text;
	text.key = node->key;
	*ret_prompt = arena_dup(&r->pl->arena, prompt->version, strlen(prompt->version));
	return template_compile(&prompt->at, &text, r->pool, r->problems);
}

size_t pipeline_read_params(struct pipeline_reading *r, const struct yaml_node *map, const char *key, struct param **ret)
{
	const struct yaml_node *node = yaml_get(map, key);
	size_t n = 0;

	if (node == NULL) {
		return 0;
	}
	if (node->kind != YAML_MAP) {
		problems_add(r->problems, r->pl->yaml, node, "'%s' must be a map of names to values", key);
		return 0;
	}
	*ret = pipeline_zalloc(r, node->n, sizeof(**ret));
	for (const struct yaml_node *c = node->first; *ret != NULL && c != NULL; c = c->next) {
		const char *prompt = NULL;
		struct template *t = read_template(r, c, &prompt);

		if (t != NULL) {
			(*ret)[n++] = (struct param){.name = c->key, .value = t, .prompt = prompt};
		}
	}
	return n;
}

/* Common parameters first, the step's own replace them by name. */
static void merge_params(struct pipeline_reading *r, const struct param *common, size_t n_common, struct step *s, const struct yaml_node *node)
{
	struct param *own = NULL;
	size_t n_own = pipeline_read_params(r, node, "with", &own);
	struct param *all = pipeline_zalloc(r, n_own + n_common, sizeof(*all));
	size_t n = 0;

	if (all == NULL) {
		return;
	}
	for (size_t i = 0; i < n_common; i++) {
		bool replaced = false;

		for (size_t k = 0; k < n_own; k++) {
			replaced = replaced || strcmp(own[k].name, common[i].name) == 0;
		}
		if (!replaced) {
			all[n++] = common[i];
		}
	}
	for (size_t k = 0; k < n_own; k++) {
		all[n++] = own[k];
	}
	s->params = all;
	s->n_params = n;
	for (size_t i = 0; i < n; i++) {
		if (all[i].prompt != NULL && (s->prompt == NULL || strstr(s->prompt, all[i].prompt) == NULL)) {
			s->prompt = s->prompt == NULL ? all[i].prompt : arena_printf(&r->pl->arena, "%s+%s", s->prompt, all[i].prompt);
		}
	}
}

/* `service.call` to its description. */
static void resolve_call(struct pipeline_reading *r, const struct yaml_node *node, const char *text, struct step *s)
{
	const char *dot = strchr(text, '.');
	char *service = NULL;
	const char *nearest = NULL;

	if (dot == NULL) {
		problems_add(r->problems, r->pl->yaml, node, "'%s' must be SERVICE.CALL, such as zerobounce.validate", text);
		return;
	}
	service = arena_dup(&r->pl->arena, text, (size_t)(dot - text));
	s->service = service != NULL ? r->find(r->arg, service, &nearest) : NULL;
	if (s->service == NULL) {
		problems_add(r->problems, r->pl->yaml, node, nearest != NULL ? "unknown service '%s', did you mean '%s'?" : "unknown service '%s'",
		    service, nearest);
		return;
	}
	s->call = service_find_call(s->service, dot + 1);
	if (s->call == NULL) {
		const char *names[33] = {NULL};

		for (size_t i = 0; i < s->service->n_calls && i < 32; i++) {
			names[i] = s->service->calls[i].name;
		}
		nearest = text_nearest(dot + 1, names);
		problems_add(r->problems, r->pl->yaml, node,
		    nearest != NULL ? "service '%s' has no call '%s', did you mean '%s'?" : "service '%s' has no call '%s'", service, dot + 1,
		    nearest);
		s->service = NULL;
		return;
	}
	service_ref(s->service);
}

static bool is_given(const struct step *s, const char *name)
{
	for (size_t i = 0; i < s->n_params; i++) {
		if (strcmp(s->params[i].name, name) == 0) {
			return true;
		}
	}
	return false;
}

/* Parameters that the call does not know, and those it cannot do without. */
static void check_params(struct pipeline_reading *r, const struct yaml_node *node, const struct step *s)
{
	for (size_t i = 0; i < s->n_params; i++) {
		if (!text_in(s->call->params, s->params[i].name, strlen(s->params[i].name))) {
			const char *nearest = text_nearest(s->params[i].name, s->call->params);

			problems_add(r->problems, r->pl->yaml, node,
			    nearest != NULL ? "call %s.%s takes no '%s', did you mean '%s'?" : "call %s.%s takes no '%s'", s->service->name,
			    s->call->name, s->params[i].name, nearest);
		}
	}
	for (size_t k = 0; s->call->params[k] != NULL; k++) {
		if (!service_call_optional(s->call, s->call->params[k]) && !is_given(s, s->call->params[k])) {
			problems_add(r->problems, r->pl->yaml, node, "call %s.%s needs '%s' in 'with'", s->service->name, s->call->name,
			    s->call->params[k]);
		}
	}
}

void pipeline_read_call(struct pipeline_reading *r, const struct yaml_node *node, const struct yaml_node *call, const struct param *common,
    size_t n_common, struct step *s)
{
	if (call->kind != YAML_STRING) {
		problems_add(r->problems, r->pl->yaml, call, "must be SERVICE.CALL");
		return;
	}
	resolve_call(r, call, call->text, s);
	if (s->service != NULL) {
		merge_params(r, common, n_common, s, node);
		check_params(r, call, s);
	}
}

static const struct yaml_node *single_call(const struct yaml_node *node, enum stage_kind *kind)
{
	static const char *const keys[] = {"call", "push", "confirm"};

	for (int i = 0; i < 3; i++) {
		const struct yaml_node *c = yaml_get(node, keys[i]);

		if (c != NULL) {
			*kind = (enum stage_kind)(STAGE_CALL + i);
			return c;
		}
	}
	return NULL;
}

/* Leads of a stage whose calls are in doubt wait in one place: one look-up serves all. */
static void check_lookups(struct pipeline_reading *r, const struct yaml_node *chain, const struct stage *st)
{
	const struct step *first = NULL;

	for (size_t k = 0; k < st->n_steps; k++) {
		const struct step *s = &st->steps[k];

		if (s->call == NULL || s->call->doubt_lookup == NULL) {
			continue;
		}
		if (first != NULL && s->call->doubt_lookup != first->call->doubt_lookup) {
			problems_add(r->problems, r->pl->yaml, chain,
			    "calls of one chain that are looked up when in doubt need one look-up: '%s' of %s or '%s' of %s; the other has room in a stage of its own",
			    first->call->doubt_lookup->name, first->service->name, s->call->doubt_lookup->name, s->service->name);
			return;
		}
		first = first != NULL ? first : s;
	}
}

/* `call:`, `push:`, `confirm:` alone, or `chain:` of steps. */
void stage_read_steps(struct pipeline_reading *r, const struct yaml_node *node, struct stage *st)
{
	static const char *const step_keys[] = {"call", "with", "template", NULL};
	const struct yaml_node *chain = yaml_get(node, "chain");
	const struct yaml_node *single = single_call(node, &st->kind);
	struct param *common = NULL;
	size_t n_common;

	if (single != NULL) {
		st->steps = pipeline_zalloc(r, 1, sizeof(*st->steps));
		st->n_steps = st->steps != NULL ? 1 : 0;
		if (st->n_steps == 1) {
			pipeline_read_call(r, node, single, NULL, 0, &st->steps[0]);
		}
		return;
	}
	if (chain == NULL) {
		return; /* gates only */
	}
	st->kind = STAGE_CALL;
	if (chain->n > CHAIN_STEPS) {
		problems_add(r->problems, r->pl->yaml, chain, "a chain has %d steps at most", CHAIN_STEPS);
		return;
	}
	n_common = pipeline_read_params(r, node, "with", &common);
	st->steps = pipeline_zalloc(r, chain->n, sizeof(*st->steps));
	for (const struct yaml_node *c = chain->first; st->steps != NULL && c != NULL; c = c->next) {
		struct step *s = &st->steps[st->n_steps++];
		const struct yaml_node *call = yaml_get(c, "call");
		const struct yaml_node *text = yaml_get(c, "template");

		if (!yaml_only_keys(r->pl->yaml, c, step_keys, "chain step", r->problems)) {
			continue;
		}
		if (call != NULL) {
			pipeline_read_call(r, c, call, common, n_common, s);
		} else if (text != NULL) {
			s->fallback = read_template(r, text, &s->prompt);
		} else {
			problems_add(r->problems, r->pl->yaml, c, "a chain step needs 'call' or 'template'");
		}
	}
	check_lookups(r, chain, st);
}

/* --- freed again --- */

void pipeline_free_params(struct param *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		template_free(list[i].value);
	}
}

/* Common `with:` templates stand in every step of a chain: freed with the first that has them. */
void stage_free_steps(struct stage *st)
{
	for (size_t s = 0; s < st->n_steps; s++) {
		struct step *step = &st->steps[s];

		for (size_t i = 0; i < step->n_params; i++) {
			struct template *t = step->params[i].value;

			for (size_t k = s + 1; k < st->n_steps; k++) {
				for (size_t j = 0; j < st->steps[k].n_params; j++) {
					if (st->steps[k].params[j].value == t) {
						st->steps[k].params[j].value = NULL;
					}
				}
			}
			template_free(t);
		}
		template_free(step->fallback);
		service_unref(step->service);
	}
}
