/*
 * Reads a pipeline file. First every stage in order (read_stage), then the gates get the place
 * where they are evaluated (place_gates): right behind the last stage that gives a field they read.
 */
#include "lib/engine/pipeline.h"

#include "lib/base/ids.h"
#include "lib/base/text.h"
#include "lib/engine/pipeline_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STAGES 24

static const char *const policy_words[] = {"fail", "pass", "hold", "unchanged", NULL};
static const char *const down_words[] = {"fail", "pass", "hold", "unchanged", "wait", NULL};
static const char *const gate_policy_words[] = {"reject", "hold", "pass", NULL};
static const char *const check_words[] = {"address", "noreply", "role", "disposable", "portal", "name", "domain", "copy-words", "copy-signature",
    "copy-placeholder", NULL};

static const char *file_of(const struct pipeline_reading *r)
{
	return r->pl->yaml->file;
}

void *pipeline_zalloc(struct pipeline_reading *r, size_t n, size_t size)
{
	void *p = arena_zalloc(&r->pl->arena, n * size + 1);

	if (p == NULL) {
		problems_add(r->problems, r->pl->yaml, NULL, "out of memory");
	}
	return p;
}

/* A template as it stands there, or `{file: NAME}`: one in a prompt file. NULL when reported. */
static struct template *read_template(struct pipeline_reading *r, const struct yaml_node *node, const char **ret_prompt)
{
	const struct yaml_node *file = node->kind == YAML_MAP && node->n == 1 ? yaml_get(node, "file") : NULL;
	const struct prompt *prompt = NULL;
	const char *nearest = NULL;
	struct yaml_node text;

	if (file == NULL || file->kind != YAML_STRING) {
		return template_compile(r->pl->yaml, node, r->problems);
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
	return template_compile(&prompt->at, &text, r->problems);
}

/* A map of templates: `with`, `give`, `expect`. */
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

static bool has_name(const char *const *names, const char *name)
{
	for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
		if (strcmp(names[i], name) == 0) {
			return true;
		}
	}
	return false;
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
		if (!has_name(s->call->params, s->params[i].name)) {
			const char *nearest = text_nearest(s->params[i].name, s->call->params);

			problems_add(r->problems, r->pl->yaml, node,
			    nearest != NULL ? "call %s.%s takes no '%s', did you mean '%s'?" : "call %s.%s takes no '%s'", s->service->name,
			    s->call->name, s->params[i].name, nearest);
		}
	}
	for (size_t k = 0; s->call->params[k] != NULL; k++) {
		if (!has_name(s->call->optional, s->call->params[k]) && !is_given(s, s->call->params[k])) {
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

/* `call:`, `push:`, `confirm:` alone, or `chain:` of steps. */
static void read_steps(struct pipeline_reading *r, const struct yaml_node *node, struct stage *st)
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
}

static void read_gate_check(struct pipeline_reading *r, const struct yaml_node *node, struct gate *g)
{
	struct yaml *y = r->pl->yaml;
	int word = 0;
	int64_t n;

	if (yaml_read_word(y, node, "check", check_words, &word, r->problems)) {
		g->check = (enum gate_check)word;
		g->text = check_words[word];
	}
	if (g->check == CHECK_COPY_WORDS) {
		n = 1;
		(void)yaml_read_int(y, node, "min", 0, 10000, &n, r->problems);
		g->min = (unsigned)n;
		n = 10000;
		(void)yaml_read_int(y, node, "max", 1, 10000, &n, r->problems);
		g->max = (unsigned)n;
		g->text = arena_printf(&r->pl->arena, "copy-words %u to %u", g->min, g->max);
	}
	if (g->check >= CHECK_COPY_WORDS && g->field == NULL) {
		g->field = "copy";
	}
	if (g->check < CHECK_COPY_WORDS && g->field == NULL) {
		g->field = g->check == CHECK_NAME ? "full_name" : g->check == CHECK_DOMAIN ? "domain" : "email";
	}
}

static void read_gate(struct pipeline_reading *r, const struct yaml_node *node, int stage)
{
	static const char *const keys[] = {"check", "field", "in", "not_in", "present", "when", "else", "reason", "min", "max", NULL};
	struct yaml *y = r->pl->yaml;
	struct gate *g = &r->pl->gates[r->pl->n_gates];
	struct lead_error err;
	const char *when = NULL;
	int policy = GATE_REJECT;

	if (!yaml_only_keys(y, node, keys, "gate", r->problems)) {
		return;
	}
	g->listed = stage;
	(void)yaml_read_string(y, node, "field", &g->field, r->problems);
	(void)yaml_read_string(y, node, "reason", &g->reason, r->problems);
	(void)yaml_read_word(y, node, "else", gate_policy_words, &policy, r->problems);
	g->policy = (enum gate_policy)policy;
	if (yaml_get(node, "check") != NULL) {
		read_gate_check(r, node, g);
	} else if (yaml_read_string(y, node, "when", &when, r->problems)) {
		g->check = CHECK_WHEN;
		g->text = when;
		if (expr_compile(when, &g->when, &err) != 0) {
			problems_add(r->problems, y, yaml_get(node, "when"), "%s", err.text);
		}
	} else if (yaml_get(node, "in") != NULL || yaml_get(node, "not_in") != NULL) {
		bool in = yaml_get(node, "in") != NULL;

		g->check = in ? CHECK_IN : CHECK_NOT_IN;
		g->n_words = yaml_read_strings(y, node, in ? "in" : "not_in", &g->words, r->problems);
		g->text = arena_printf(&r->pl->arena, "%s %s a list of %zu", g->field != NULL ? g->field : "?", in ? "in" : "not in", g->n_words);
	} else if (yaml_read_string(y, node, "present", &g->field, r->problems)) {
		g->check = CHECK_PRESENT;
		g->text = arena_printf(&r->pl->arena, "%s present", g->field);
	} else {
		problems_add(r->problems, y, node, "a gate needs one of: check, when, field with in or not_in, present");
		return;
	}
	if (g->check != CHECK_WHEN && g->field == NULL) {
		problems_add(r->problems, y, node, "this gate needs 'field'");
		return;
	}
	if (g->check >= CHECK_IN && g->reason == NULL) {
		problems_add(r->problems, y, node, "this gate needs a 'reason' (a short code such as undeliverable)");
	}
	r->pl->n_gates++;
}

/* Which version wrote what the stage gives, where one of its texts has a file of its own. */
static void name_prompt_field(struct pipeline_reading *r, const struct yaml_node *node, struct stage *st)
{
	const char *name = NULL;

	for (size_t s = 0; s < st->n_steps && name == NULL; s++) {
		name = st->steps[s].prompt != NULL ? arena_printf(&r->pl->arena, "%s" PROMPT_FIELD, st->name) : NULL;
	}
	for (size_t i = 0; i < st->n_gives; i++) {
		if (name != NULL && strcmp(st->gives[i].name, name) == 0) {
			problems_add(r->problems, r->pl->yaml, node, "'%s' is given by itself: the version of the prompt file", name);
		}
	}
	st->prompt_field = name;
}

static void read_missing(struct pipeline_reading *r, const struct yaml_node *node, struct stage *st)
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

/* `approval: text`, or a map with it. */
static void read_approval(struct pipeline_reading *r, const struct yaml_node *node, struct stage *st)
{
	static const char *const keys[] = {"text", NULL};
	const struct yaml_node *a = yaml_get(node, "approval");

	if (a == NULL) {
		return;
	}
	st->kind = STAGE_APPROVAL;
	if (st->n_steps > 0 || yaml_get(node, "chain") != NULL) {
		problems_add(r->problems, r->pl->yaml, a, "a stage of kind approval makes no calls: give it a stage of its own before them");
	}
	if (a->kind == YAML_STRING) {
		st->text = a->text;
	} else if (yaml_only_keys(r->pl->yaml, a, keys, "approval", r->problems)) {
		(void)yaml_read_string(r->pl->yaml, a, "text", &st->text, r->problems);
	}
}

/* An approval with nothing behind it that it could hold back. */
static void check_approvals(struct pipeline_reading *r, const struct yaml_node *stages)
{
	const struct yaml_node *node = stages->first;

	for (size_t s = 0; s < r->pl->n_stages && node != NULL; s++, node = node->next) {
		bool calls = r->pl->stages[s].kind != STAGE_APPROVAL;

		for (size_t k = s + 1; k < r->pl->n_stages; k++) {
			calls = calls || r->pl->stages[k].n_steps > 0;
		}
		if (!calls) {
			problems_add(r->problems, r->pl->yaml, node, "stage '%s': no call stands behind this approval", r->pl->stages[s].name);
		}
	}
}

/* What it may cost, what happens when its service is down, where a refused lead goes. */
static void read_policies(struct pipeline_reading *r, const struct yaml_node *node, struct stage *st)
{
	static const char *const keys[] = {"back", NULL};
	struct yaml *y = r->pl->yaml;
	const struct yaml_node *refused = yaml_get(node, "on_refused");
	int policy = POLICY_FAIL, empty = POLICY_FAIL, down = POLICY_WAIT;
	const char *back = NULL;

	(void)yaml_read_word(y, node, "on_fail", policy_words, &policy, r->problems);
	(void)yaml_read_word(y, node, "on_empty", policy_words, &empty, r->problems);
	(void)yaml_read_word(y, node, "on_down", down_words, &down, r->problems);
	st->on_fail = (enum stage_policy)policy;
	st->on_empty = (enum stage_policy)empty;
	st->on_down = (enum stage_policy)down;
	st->down_after_us = 10 * 60 * US_PER_S;
	st->spend_at_most_micro = -1;
	st->back = -1;
	(void)yaml_read_duration(y, node, "down_after", US_PER_S, 7 * US_PER_DAY, &st->down_after_us, r->problems);
	if (yaml_read_money(y, node, "spend_at_most", &st->spend_at_most_micro, r->problems) && st->spend_at_most_micro < 0) {
		problems_add(r->problems, y, yaml_get(node, "spend_at_most"), "'spend_at_most' is 0 or more");
	}
	if (st->kind == STAGE_PUSH && (down == POLICY_PASS || down == POLICY_UNCHANGED)) {
		problems_add(r->problems, y, yaml_get(node, "on_down"), "a lead that was not pushed cannot go on: 'on_down' is wait, hold or fail here");
	}
	if (refused != NULL && yaml_only_keys(y, refused, keys, "on_refused", r->problems) && yaml_read_string(y, refused, "back", &back, r->problems)) {
		st->back = pipeline_stage(r->pl, back);
		if (st->back < 0 || r->pl->stages[st->back].n_steps < 2) {
			problems_add(r->problems, y, refused, "'%s' is no stage with a chain before this one", back);
		}
	}
}

/* Answers for others: not of what changes something there, nor of what looks whether it did. */
static void read_sharing(struct pipeline_reading *r, const struct yaml_node *node, struct stage *st)
{
	struct yaml *y = r->pl->yaml;

	(void)yaml_read_duration(y, node, "cache", US_PER_S, 366 * US_PER_DAY, &st->cache_us, r->problems);
	(void)yaml_read_bool(y, node, "share", &st->share, r->problems);
	if ((st->cache_us > 0 || st->share) && st->kind != STAGE_CALL) {
		problems_add(r->problems, y, yaml_get(node, st->cache_us > 0 ? "cache" : "share"),
		    "'%s' is for stages with call or chain: each lead is pushed and read back by itself", st->cache_us > 0 ? "cache" : "share");
	}
}

static void read_stage(struct pipeline_reading *r, const struct yaml_node *node)
{
	static const char *const keys[] = {"stage", "call", "push", "confirm", "chain", "with", "needs", "give", "gates", "gate_retries", "on_fail",
	    "on_empty", "on_quota", "on_down", "down_after", "on_refused", "spend_at_most", "approval", "cache", "share", "expect", "missing", "recall", "list", "of", "when", "at_once", "makes", NULL};
	static const char *const quota_words[] = {"wait", "next", NULL};
	struct yaml *y = r->pl->yaml;
	struct stage *st = &r->pl->stages[r->pl->n_stages];
	const struct yaml_node *gates;
	int quota = 0;
	int64_t tries = 0;

	if (!yaml_only_keys(y, node, keys, "stage", r->problems)) {
		return;
	}
	if (!yaml_read_string(y, node, "stage", &st->name, r->problems) || st->name[0] == 0 || strlen(st->name) > 40) {
		problems_add(r->problems, y, node, "a stage needs a name: 'stage: NAME' of 1 to 40 characters");
		return;
	}
	if (pipeline_stage(r->pl, st->name) >= 0) {
		problems_add(r->problems, y, node, "stage '%s' stands twice", st->name);
		return;
	}
	read_steps(r, node, st);
	st->n_needs = yaml_read_strings(y, node, "needs", &st->needs, r->problems);
	st->n_gives = pipeline_read_params(r, node, "give", &st->gives);
	st->n_expect = pipeline_read_params(r, node, "expect", &st->expect);
	name_prompt_field(r, node, st);
	(void)yaml_read_int(y, node, "gate_retries", 0, 5, &tries, r->problems);
	st->gate_tries = (uint32_t)tries;
	(void)yaml_read_word(y, node, "on_quota", quota_words, &quota, r->problems);
	read_approval(r, node, st);
	read_policies(r, node, st);
	st->on_quota_next = quota == 1;
	read_sharing(r, node, st);
	read_missing(r, node, st);
	stage_read_recall(r, node, st);
	stage_read_list(r, node, st);
	stage_read_items(r, node, st);
	gates = yaml_get(node, "gates");
	if (gates != NULL && gates->kind != YAML_LIST) {
		problems_add(r->problems, y, gates, "'gates' must be a list");
	} else if (gates != NULL) {
		for (const struct yaml_node *g = gates->first; g != NULL; g = g->next) {
			read_gate(r, g, (int)r->pl->n_stages);
		}
	}
	if (st->n_steps == 0 && gates == NULL && st->kind != STAGE_APPROVAL && st->makes == NULL) {
		problems_add(r->problems, y, node, "stage '%s' does nothing: it needs call, push, confirm, chain, approval, makes or gates", st->name);
	}
	r->pl->n_stages++;
}

/* --- where each gate is evaluated --- */

/* The last stage that gives the field: AFTER_INTAKE when the import does. */
int pipeline_given_by(const struct pipeline *pl, enum item_level of, const char *field, size_t len)
{
	for (int s = (int)pl->n_stages - 1; s >= 0; s--) {
		const struct stage *st = &pl->stages[s];

		if (st->of != of) {
			continue;
		}
		if (st->prompt_field != NULL && strlen(st->prompt_field) == len && memcmp(st->prompt_field, field, len) == 0) {
			return s;
		}
		for (size_t i = 0; i < st->n_gives; i++) {
			if (strlen(st->gives[i].name) == len && memcmp(st->gives[i].name, field, len) == 0) {
				return s;
			}
		}
		for (size_t i = 0; st->n_gives == 0 && i < st->n_steps; i++) {
			const char *const *names = st->steps[i].call != NULL ? answer_names(st->steps[i].call) : NULL;

			for (size_t n = 0; names != NULL && names[n] != NULL; n++) {
				if (strlen(names[n]) == len && memcmp(names[n], field, len) == 0) {
					return s;
				}
			}
		}
	}
	return AFTER_INTAKE;
}

struct placing {
	const struct pipeline *pl;
	enum item_level of;
	int after;
};

static void on_reads(void *arg, const char *name, size_t len)
{
	struct placing *p = arg;
	int s = pipeline_given_by(p->pl, p->of, name, len);

	p->after = s > p->after ? s : p->after;
}

static int gate_order(const void *a, const void *b)
{
	const struct gate *x = a, *y = b;

	/* equal place: as listed; qsort on an array filled in order needs the address as last word */
	return x->after != y->after ? (x->after < y->after ? -1 : 1) : x->listed != y->listed ? (x->listed < y->listed ? -1 : 1) : 0;
}

static void place_gates(struct pipeline *pl)
{
	for (size_t i = 0; i < pl->n_gates; i++) {
		struct gate *g = &pl->gates[i];
		struct placing p = {.pl = pl, .of = pl->stages[g->listed].of, .after = AFTER_INTAKE};

		if (g->check == CHECK_WHEN && g->when != NULL) {
			expr_reads(g->when, on_reads, &p);
		} else if (g->field != NULL) {
			on_reads(&p, g->field, strlen(g->field));
		}
		g->after = p.after;
	}
	/* stable: insertion sort of a dozen */
	for (size_t i = 1; i < pl->n_gates; i++) {
		struct gate g = pl->gates[i];
		size_t k = i;

		while (k > 0 && gate_order(&pl->gates[k - 1], &g) > 0) {
			pl->gates[k] = pl->gates[k - 1];
			k--;
		}
		pl->gates[k] = g;
	}
}

static size_t count_gates(const struct yaml_node *stages)
{
	size_t n = 0;

	for (const struct yaml_node *s = stages->first; s != NULL; s = s->next) {
		const struct yaml_node *gates = s->kind == YAML_MAP ? yaml_get(s, "gates") : NULL;

		n += gates != NULL ? gates->n : 0;
	}
	return n;
}

static void read_pipeline(struct pipeline_reading *r)
{
	static const char *const keys[] = {"pipeline", "about", "params", "stages", NULL};
	struct yaml *y = r->pl->yaml;
	const struct yaml_node *stages;
	const char *about = NULL;

	if (y->root == NULL || !yaml_only_keys(y, y->root, keys, "pipeline file", r->problems)) {
		return;
	}
	if (!yaml_read_string(y, y->root, "pipeline", &r->pl->name, r->problems)) {
		problems_add(r->problems, y, NULL, "the file needs 'pipeline: NAME'");
	}
	(void)yaml_read_string(y, y->root, "about", &about, r->problems);
	params_of_pipeline(r, y->root);
	stages = yaml_get(y->root, "stages");
	if (stages == NULL || stages->kind != YAML_LIST || stages->n == 0 || stages->n > MAX_STAGES) {
		problems_add(r->problems, y, stages, "the file needs 'stages', a list of 1 to %d", MAX_STAGES);
		return;
	}
	r->pl->stages = pipeline_zalloc(r, stages->n, sizeof(*r->pl->stages));
	r->pl->gates = pipeline_zalloc(r, count_gates(stages), sizeof(*r->pl->gates));
	for (const struct yaml_node *s = stages->first; r->pl->stages != NULL && r->pl->gates != NULL && s != NULL; s = s->next) {
		read_stage(r, s);
	}
	check_approvals(r, stages);
	pipeline_check_levels(r, stages);
	place_gates(r->pl);
}

int pipeline_parse(const char *file, const char *text, size_t len, find_service_fn find, void *arg, const struct prompts *prompts,
    struct problems *p, struct pipeline **ret)
{
	struct pipeline_reading r = {.problems = p, .find = find, .arg = arg, .prompts = prompts};
	struct lead_error err;
	size_t before = p->count;
	int rc;

	*ret = NULL;
	r.pl = calloc(1, sizeof(*r.pl));
	if (r.pl == NULL) {
		return LEAD_ENOMEM;
	}
	r.pl->refs = 1;
	r.pl->text_hash = hash_plain(text, len);
	rc = yaml_parse(file, text, len, &r.pl->yaml, &err);
	if (rc != 0) {
		problems_add(p, NULL, NULL, "%s", err.text);
		pipeline_unref(r.pl);
		return rc == LEAD_ENOMEM ? rc : 0;
	}
	r.pl->file = file_of(&r);
	read_pipeline(&r);
	if (p->count > before) {
		pipeline_unref(r.pl);
		return 0;
	}
	*ret = r.pl;
	return 0;
}

bool pipeline_read(const char *file, struct buf *ret, struct problems *p)
{
	FILE *f = fopen(file, "re");
	char part[4096];
	size_t n;

	if (f == NULL) {
		problems_add(p, NULL, NULL, "%s: %s", file, strerror(errno));
		return false;
	}
	while ((n = fread(part, 1, sizeof(part), f)) > 0) {
		buf_add(ret, part, n);
	}
	fclose(f);
	return true;
}

int pipeline_load(const char *file, find_service_fn find, void *arg, const struct prompts *prompts, struct problems *p, struct pipeline **ret)
{
	struct buf b = {.max = 1 << 20};
	int rc = 0;

	*ret = NULL;
	if (pipeline_read(file, &b, p)) {
		rc = pipeline_parse(file, b.data != NULL ? b.data : "", b.len, find, arg, prompts, p, ret);
	}
	buf_free(&b);
	return rc;
}

static void params_free(struct param *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		template_free(list[i].value);
	}
}

/* Common `with:` templates stand in every step of a chain: freed with the first that has them. */
static void steps_free(struct stage *st)
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

struct pipeline *pipeline_ref(struct pipeline *p)
{
	p->refs++;
	return p;
}

void pipeline_unref(struct pipeline *p)
{
	if (p == NULL || --p->refs > 0) {
		return;
	}
	for (size_t i = 0; i < p->n_stages; i++) {
		steps_free(&p->stages[i]);
		stage_free_list(&p->stages[i].list);
		params_free(p->stages[i].recall.params, p->stages[i].recall.n_params);
		service_unref(p->stages[i].recall.service);
		expr_free(p->stages[i].unsent);
		template_free(p->stages[i].created);
		params_free(p->stages[i].gives, p->stages[i].n_gives);
		params_free(p->stages[i].expect, p->stages[i].n_expect);
		expr_free(p->stages[i].when);
		if (p->stages[i].makes != NULL) {
			template_free(p->stages[i].makes->from);
			params_free(p->stages[i].makes->fields, p->stages[i].makes->n_fields);
		}
	}
	for (size_t i = 0; i < p->n_gates; i++) {
		expr_free(p->gates[i].when);
	}
	yaml_free(p->yaml);
	arena_free(&p->arena);
	free(p);
}

int pipeline_stage(const struct pipeline *p, const char *name)
{
	for (size_t i = 0; i < p->n_stages; i++) {
		if (strcmp(p->stages[i].name, name) == 0) {
			return (int)i;
		}
	}
	return -1;
}
