/*
 * The gates of a pipeline file: each is read with the stage that lists it, then placed right behind the last stage that gives
 * a field it reads, wherever the file lists it. What they say to a record: gate.c.
 */
#include "lib/engine/config/pipeline_read.h"

#include "lib/base/text.h"

#include <string.h>

static const char *const gate_policy_words[] = {"reject", "hold", "pass", NULL};
static const char *const check_words[] = {"address", "noreply", "role", "disposable", "portal", "name", "domain", "copy-words", "copy-signature",
    "copy-placeholder", NULL};

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
		if (expr_compile(when, r->pool, &g->when, &err) != 0) {
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

bool stage_read_gates(struct pipeline_reading *r, const struct yaml_node *node)
{
	const struct yaml_node *gates = yaml_get(node, "gates");

	if (gates != NULL && gates->kind != YAML_LIST) {
		problems_add(r->problems, r->pl->yaml, gates, "'gates' must be a list");
	} else if (gates != NULL) {
		for (const struct yaml_node *g = gates->first; g != NULL; g = g->next) {
			read_gate(r, g, (int)r->pl->n_stages);
		}
	}
	return gates != NULL;
}

size_t pipeline_count_gates(const struct yaml_node *stages)
{
	size_t n = 0;

	for (const struct yaml_node *s = stages->first; s != NULL; s = s->next) {
		const struct yaml_node *gates = s->kind == YAML_MAP ? yaml_get(s, "gates") : NULL;

		n += gates != NULL ? gates->n : 0;
	}
	return n;
}

/* --- where each gate is evaluated --- */

static bool is_word(const char *text, const char *word, size_t len)
{
	return text != NULL && strlen(text) == len && memcmp(text, word, len) == 0;
}

bool stage_gives(const struct stage *st, const char *field, size_t len)
{
	if (is_word(st->prompt_field, field, len)) {
		return true;
	}
	for (size_t i = 0; i < st->n_gives; i++) {
		if (is_word(st->gives[i].name, field, len)) {
			return true;
		}
	}
	for (size_t i = 0; st->n_gives == 0 && i < st->n_steps; i++) {
		const char *const *names = st->steps[i].call != NULL ? answer_names(st->steps[i].call) : NULL;

		if (text_in(names, field, len)) {
			return true;
		}
	}
	return false;
}

int pipeline_given_by(const struct pipeline *pl, enum item_level of, const char *field, size_t len)
{
	for (int s = (int)pl->n_stages - 1; s >= 0; s--) {
		const struct stage *st = &pl->stages[s];

		if (st->of == of && stage_gives(st, field, len)) {
			return s;
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

/* Stable: insertion sort of a dozen. */
static void sort_gates(struct pipeline *pl)
{
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

void pipeline_place_gates(struct pipeline *pl)
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
	sort_gates(pl);
}
