/*
 * One stage of a pipeline file: its name, its calls (pipeline_call.c), what it keeps, its gates (pipeline_gates.c), whom it is for and
 * what it brings (pipeline_makes.c), its destination (pipeline_deliver.c), and what happens when its step does not come out well.
 */
#include "lib/engine/config/pipeline_read.h"

#include <string.h>

static const char *const policy_words[] = {"fail", "pass", "hold", "unchanged", NULL};
static const char *const down_words[] = {"fail", "pass", "hold", "unchanged", "wait", NULL};

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

void pipeline_read_stage(struct pipeline_reading *r, const struct yaml_node *node)
{
	static const char *const keys[] = {"stage", "call", "push", "confirm", "chain", "with", "needs", "give", "gates", "gate_retries", "on_fail",
	    "on_empty", "on_quota", "on_down", "down_after", "on_refused", "spend_at_most", "approval", "cache", "share", "expect", "missing", "recall", "list", "of", "when", "at_once", "makes", NULL};
	static const char *const quota_words[] = {"wait", "next", NULL};
	struct yaml *y = r->pl->yaml;
	struct stage *st = &r->pl->stages[r->pl->n_stages];
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
	stage_read_steps(r, node, st);
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
	stage_read_missing(r, node, st);
	stage_read_recall(r, node, st);
	stage_read_list(r, node, st);
	stage_read_items(r, node, st);
	if (!stage_read_gates(r, node) && st->n_steps == 0 && st->kind != STAGE_APPROVAL && st->makes == NULL) {
		problems_add(r->problems, y, node, "stage '%s' does nothing: it needs call, push, confirm, chain, approval, makes or gates", st->name);
	}
	r->pl->n_stages++;
}

/* An approval with nothing behind it that it could hold back. */
void pipeline_check_approvals(struct pipeline_reading *r, const struct yaml_node *stages)
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

void stage_free(struct stage *st)
{
	stage_free_steps(st);
	stage_free_destination(st);
	pipeline_free_params(st->gives, st->n_gives);
	pipeline_free_params(st->expect, st->n_expect);
	expr_free(st->when);
	if (st->makes != NULL) {
		template_free(st->makes->from);
		pipeline_free_params(st->makes->fields, st->makes->n_fields);
	}
}
