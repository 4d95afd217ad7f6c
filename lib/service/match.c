/*
 * lib/service/match.c: outcome rules against an answer: what it means, by status, headers and body.
 *
 * All conditions of a rule must hold. A rule that looks into the body never
 * matches an answer whose body is no JSON (`text` looks at the raw bytes and
 * may). Texts are compared without regard to the case of ASCII letters and
 * numbers as they are written, because providers change both.
 */
#include "lib/service/parts.h"

#include <string.h>
#include <strings.h>

bool rule_in_view(const struct rule *rule, enum view view)
{
	if (rule->n_status == 0) {
		return true;
	}
	for (size_t i = 0; i < rule->n_status; i++) {
		const struct status_range *s = &rule->status[i];

		if (view == VIEW_GOOD ? s->low <= 299 && s->high >= 200
				      : s->low < 200 || s->high > 299) {
			return true;
		}
	}
	return false;
}

static bool contains(const char *text, size_t len, const char *word)
{
	size_t n = strlen(word);

	for (; len >= n; text++, len--) {
		if (strncasecmp(text, word, n) == 0) {
			return true;
		}
	}
	return false;
}

static bool text_fits(enum test_kind kind, const char *text, size_t len, const char *wanted)
{
	size_t n = strlen(wanted);

	if (kind == TEST_CONTAINS) {
		return contains(text, len, wanted);
	}
	return (kind == TEST_STARTS ? len >= n : len == n) && strncasecmp(text, wanted, n) == 0;
}

/* The value as the tests compare it; NULL for none and null. */
static const char *compared(const struct value *v, size_t *ret_len)
{
	switch (v->kind) {
	case VALUE_NONE:
	case VALUE_NULL:
		return NULL;
	case VALUE_TRUE:
	case VALUE_FALSE:
		*ret_len = v->kind == VALUE_TRUE ? 4 : 5;
		return v->kind == VALUE_TRUE ? "true" : "false";
	default:
		*ret_len = v->len;
		return v->text;
	}
}

/* There, and neither null, white space, an empty list nor an empty map. */
static bool is_present(const struct value *v)
{
	size_t i = 1;

	if (v->kind != VALUE_JSON) {
		return !value_is_blank(v);
	}
	while (i + 1 < v->len && strchr(" \t\r\n", v->text[i]) != NULL) {
		i++;
	}
	return i + 1 < v->len;
}

static bool test_holds(const struct test *t, const struct seen *seen)
{
	struct value value;
	size_t len = 0;
	const char *text;
	bool any = false;

	if (t->look.header == NULL && !seen->json) {
		return false;
	}
	value = look_at(&t->look, seen);
	switch (t->kind) {
	case TEST_TRUE:
		return value_is_true(&value);
	case TEST_PRESENT:
		return is_present(&value);
	case TEST_ABSENT:
		return !is_present(&value);
	default:
		break;
	}
	text = compared(&value, &len);
	for (size_t i = 0; i < t->n && !any; i++) {
		any = text == NULL || t->texts[i] == NULL
			  ? text == t->texts[i]
			  : text_fits(t->kind, text, len, t->texts[i]);
	}
	return any != (t->kind == TEST_NOT);
}

static bool status_fits(const struct rule *rule, int status)
{
	for (size_t i = 0; i < rule->n_status; i++) {
		if (status >= rule->status[i].low && status <= rule->status[i].high) {
			return true;
		}
	}
	return rule->n_status == 0;
}

bool rule_matches(const struct rule *rule, const struct seen *seen)
{
	bool found = rule->n_texts == 0;

	if (!status_fits(rule, seen->h->status)) {
		return false;
	}
	for (size_t i = 0; i < rule->n_tests; i++) {
		if (!test_holds(&rule->tests[i], seen)) {
			return false;
		}
	}
	for (size_t i = 0; i < rule->n_texts && !found; i++) {
		found = rule->texts[i] != NULL &&
			contains(seen->h->body, seen->h->body_len, rule->texts[i]);
	}
	return found;
}

enum outcome_class rule_builtin(int status)
{
	if (status >= 200 && status <= 299) {
		return OUTCOME_OK;
	}
	switch (status) {
	case 401:
	case 403:
		return OUTCOME_AUTH;
	case 402:
		return OUTCOME_QUOTA;
	case 408:
	case 425:
		return OUTCOME_TRANSIENT;
	case 429:
		return OUTCOME_THROTTLE;
	default:
		return status >= 300 && status <= 499 ? OUTCOME_PERMANENT : OUTCOME_TRANSIENT;
	}
}
