/*
 * lib/service/rule.c: outcome rules from YAML: conditions, then what they mean together.
 */
#include "lib/service/parts.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"

static const char *const outcome_words[] = {"ok", "empty", "pending", "throttle", "transient",
    "quota", "auth", "refusal", "permanent", "duplicate", "in_doubt", NULL};

const char *outcome_word(enum outcome_class c)
{
	return c == OUTCOME_UNSENT ? "unsent" : outcome_words[c];
}

bool rule_word(
    struct reading *r, const struct yaml_node *map, const char *key, enum outcome_class *ret)
{
	int index;

	if (!yaml_read_word(r->y, map, key, outcome_words, &index, r->p)) {
		return false;
	}
	*ret = (enum outcome_class)index;
	return true;
}

/* `429`, `5xx`, `500-599`. */
static bool range_read(struct reading *r, const struct yaml_node *node, struct status_range *ret)
{
	const char *t = node->text;
	int low = 0, high = 0;
	char *end;

	if (node->kind == YAML_INT) {
		low = high = (int)(node->integer < 1000 ? node->integer : 0);
	} else if (node->kind == YAML_STRING && node->len == 3 && strcmp(t + 1, "xx") == 0) {
		low = (t[0] - '0') * 100;
		high = low + 99;
	} else if (node->kind == YAML_STRING) {
		low = (int)strtol(t, &end, 10);
		high = *end == '-' ? (int)strtol(end + 1, &end, 10) : 0;
		low = *end == '\0' ? low : 0;
	}
	if (low < 100 || high > 999 || high < low) {
		problems_add(r->p, r->y, node, "a status is written 429, 5xx or 500-599");
		return false;
	}
	*ret = (struct status_range){low, high};
	return true;
}

static void status_read(struct reading *r, const struct yaml_node *node, struct rule *rule)
{
	rule->status = reading_alloc(r, node->n + 1, sizeof *rule->status);
	if (rule->status == NULL) {
		return;
	}
	for (const struct yaml_node *v = reading_first(node); v != NULL;
	     v = v == node ? NULL : v->next) {
		rule->n_status += range_read(r, v, &rule->status[rule->n_status]);
	}
}

/* A scalar or a list of scalars as texts; null becomes a NULL entry. */
static const char **texts_read(struct reading *r, const struct yaml_node *node, size_t *ret_n)
{
	const char **texts = reading_alloc(r, node->n + 1, sizeof *texts);

	*ret_n = 0;
	for (const struct yaml_node *v = reading_first(node); texts != NULL && v != NULL;
	     v = v == node ? NULL : v->next) {
		if (v->kind == YAML_MAP || v->kind == YAML_LIST) {
			problems_add(
			    r->p, r->y, v, "must be a text, a number, true, false or null");
		} else {
			texts[(*ret_n)++] = v->kind == YAML_NULL   ? NULL
					    : v->kind != YAML_BOOL ? v->text
					    : v->boolean           ? "true"
								   : "false";
		}
	}
	return texts;
}

static void test_add(struct reading *r, const struct yaml_node *node, const struct look *look,
    enum test_kind kind, struct rule *rule)
{
	struct test *test = &rule->tests[rule->n_tests];

	*test = (struct test){.look = *look, .kind = kind};
	if (kind == TEST_PRESENT && node->kind == YAML_BOOL) {
		test->kind = node->boolean ? TEST_PRESENT : TEST_ABSENT;
	} else if (kind == TEST_PRESENT) {
		problems_add(r->p, r->y, node, "'present' is true or false");
		return;
	} else if (kind != TEST_TRUE) {
		test->texts = texts_read(r, node, &test->n);
	}
	rule->n_tests++;
}

/* One place and what is asked of it: a value, a list of values, or a map of tests. */
static void tests_of(
    struct reading *r, const struct yaml_node *node, const struct look *look, struct rule *rule)
{
	static const char *const keys[] = {"not", "contains", "starts", "present", NULL};
	static const enum test_kind kinds[] = {TEST_NOT, TEST_CONTAINS, TEST_STARTS, TEST_PRESENT};

	if (node->kind != YAML_MAP) {
		test_add(r, node, look, TEST_EQUAL, rule);
	} else if (yaml_only_keys(r->y, node, keys, "test", r->p)) {
		for (size_t i = 0; keys[i] != NULL; i++) {
			const struct yaml_node *v = yaml_get(node, keys[i]);

			if (v != NULL) {
				test_add(r, v, look, kinds[i], rule);
			}
		}
	}
}

static size_t tests_count(const struct yaml_node *map)
{
	size_t n = 0;

	for (const struct yaml_node *v = map == NULL ? NULL : map->first; v != NULL; v = v->next) {
		n += v->kind == YAML_MAP ? v->n : 1;
	}
	return n;
}

static void tests_read(struct reading *r, const struct yaml_node *node, struct rule *rule)
{
	const struct yaml_node *header = yaml_get(node, "header"), *body = yaml_get(node, "body");
	const struct yaml_node *when = yaml_get(node, "when");
	struct look look;

	rule->tests =
	    reading_alloc(r, tests_count(header) + tests_count(body) + 1, sizeof *rule->tests);
	if (rule->tests == NULL) {
		return;
	}
	if ((header != NULL && header->kind != YAML_MAP) ||
	    (body != NULL && body->kind != YAML_MAP)) {
		problems_add(r->p, r->y, node, "'header' and 'body' are maps here: {name: value}");
		return;
	}
	for (const struct yaml_node *v = header == NULL ? NULL : header->first; v != NULL;
	     v = v->next) {
		if (look_header(r, v, v->key, &look)) {
			tests_of(r, v, &look, rule);
		}
	}
	for (const struct yaml_node *v = body == NULL ? NULL : body->first; v != NULL;
	     v = v->next) {
		if (look_body(r, v, v->key, &look)) {
			tests_of(r, v, &look, rule);
		}
	}
	if (when != NULL && when->kind != YAML_STRING) {
		problems_add(r->p, r->y, when, "'when' must be a jq expression");
	} else if (when != NULL && look_body(r, when, when->text, &look)) {
		test_add(r, when, &look, TEST_TRUE, rule);
	}
}

/* `reason`, `wait`, `until`, `zone`: what the rule adds to its class. */
static void verdict_read(struct reading *r, const struct yaml_node *node, struct rule *rule)
{
	static const char *const untils[] = {"day", "month", NULL};
	int until;

	if (yaml_get(node, "is") == NULL) {
		problems_add(r->p, r->y, node, "a rule needs 'is'");
	} else {
		rule_word(r, node, "is", &rule->is);
	}
	if (yaml_read_string(r->y, node, "reason", &rule->reason, r->p) &&
	    (rule->reason[0] == '\0' || strlen(rule->reason) > 48 ||
		strspn(rule->reason, "abcdefghijklmnopqrstuvwxyz0123456789-") !=
		    strlen(rule->reason))) {
		problems_add(r->p, r->y, yaml_get(node, "reason"),
		    "a reason is made of small letters, digits and '-', at most 48");
	}
	yaml_read_duration(r->y, node, "wait", US_PER_MS, 31 * US_PER_DAY, &rule->wait_us, r->p);
	if (yaml_read_word(r->y, node, "until", untils, &until, r->p)) {
		rule->until = until == 0 ? UNTIL_DAY : UNTIL_MONTH;
		if (rule->is != OUTCOME_QUOTA && rule->is != OUTCOME_AUTH) {
			problems_add(r->p, r->y, yaml_get(node, "until"),
			    "'until' is for 'is: quota' and 'is: auth'");
		}
	}
	reading_zone(r, node, &rule->zone);
}

static void rule_read(struct reading *r, const struct yaml_node *node, struct rule *rule)
{
	static const char *const keys[] = {"status", "header", "body", "text", "when", "is",
	    "reason", "wait", "until", "zone", NULL};
	const struct yaml_node *status, *text;

	if (!yaml_only_keys(r->y, node, keys, "outcome rule", r->p)) {
		return;
	}
	status = yaml_get(node, "status");
	text = yaml_get(node, "text");
	if (status != NULL) {
		status_read(r, status, rule);
	}
	if (text != NULL) {
		rule->texts = texts_read(r, text, &rule->n_texts);
	}
	tests_read(r, node, rule);
	verdict_read(r, node, rule);
	if (status == NULL && text == NULL && yaml_get(node, "header") == NULL &&
	    yaml_get(node, "body") == NULL && yaml_get(node, "when") == NULL) {
		problems_add(r->p, r->y, node,
		    "a rule needs a condition: 'status', 'header', 'body', 'text' or 'when'");
	}
}

void rules_read(struct reading *r, const struct yaml_node *list, struct rule **ret, size_t *ret_n)
{
	if (list == NULL) {
		return;
	}
	if (list->kind != YAML_LIST) {
		problems_add(r->p, r->y, list, "'outcomes' must be a list of rules");
		return;
	}
	*ret = reading_alloc(r, list->n, sizeof **ret);
	for (const struct yaml_node *v = list->first; *ret != NULL && v != NULL; v = v->next) {
		rule_read(r, v, &(*ret)[(*ret_n)++]);
	}
}
