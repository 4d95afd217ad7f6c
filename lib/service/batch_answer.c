/*
 * lib/service/batch_answer.c: the elements of a batch's answer, one for each item. See batch.h.
 *
 *   list at `answers` -> elements, each read once -> their keys, sorted -> an element for each item
 */
#include "lib/service/batch_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/json_list.h"

struct found {
	size_t join, element;
	const char *key;
};

struct joining {
	const struct batch_plan *plan;
	struct arena *arena;
	struct http_answer *parts; /* of the elements: what `seen` looks at */
	struct seen *seen;
	size_t n;
	struct found *found;
	size_t n_found;
};

static size_t count_elements(struct json_list l)
{
	const char *text;
	size_t n = 0, len;

	while (json_list_next(&l, &text, &len)) {
		n++;
	}
	return n;
}

/* null is no element. 0 or LEAD_ENOMEM. */
static int element_add(struct joining *x, const char *text, size_t len)
{
	struct seen *seen = &x->seen[x->n];
	int rc;

	x->parts[x->n] = (struct http_answer){.transport = TRANSPORT_ANSWERED, .status = 200, .body = text, .body_len = len};
	*seen = (struct seen){.h = &x->parts[x->n], .arena = x->arena, .view = VIEW_GOOD};
	rc = *text != 'n' ? seen_read(x->plan->element, seen) : 0;
	if (rc != 0) {
		return rc;
	}
	for (size_t i = 0; i < x->plan->n_joins && seen->json; i++) {
		const struct batch_join *join = &x->plan->joins[i];
		struct value v = join->kind == JOIN_ORDER ? value_int(x->arena, (int64_t)x->n) : look_at(&join->answer, seen);
		const char *key = v.kind == VALUE_STRING || v.kind == VALUE_NUMBER ? batch_fold(x->arena, v.text, v.len) : NULL;

		if (key != NULL) {
			x->found[x->n_found++] = (struct found){i, x->n, key};
		}
	}
	x->n++;
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	int order = x->join != y->join ? (x->join < y->join ? -1 : 1) : strcmp(x->key, y->key);

	return order != 0 ? order : x->element < y->element ? -1 : x->element > y->element;
}

/* The first element of that key; NULL when there is none. */
static const struct seen *element_of(const struct joining *x, size_t join, const char *key)
{
	size_t from = 0, to = x->n_found;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		const struct found *f = &x->found[middle];
		int order = f->join != join ? (f->join < join ? -1 : 1) : strcmp(f->key, key);

		if (order < 0) {
			from = middle + 1;
		} else {
			to = middle;
		}
	}
	return from < x->n_found && x->found[from].join == join && strcmp(x->found[from].key, key) == 0 ? &x->seen[x->found[from].element]
													 : NULL;
}

static int elements_read(struct joining *x, const struct value *list)
{
	struct json_list l = {0}; /* without an element */
	const char *text;
	size_t n, len;
	int rc = 0;

	if (list->kind == VALUE_JSON) {
		(void)json_list_open(&l, list->text, list->len);
	}
	n = count_elements(l);
	x->parts = arena_alloc(x->arena, (n + 1) * sizeof *x->parts);
	x->seen = arena_alloc(x->arena, (n + 1) * sizeof *x->seen);
	x->found = arena_alloc(x->arena, (n + 1) * BATCH_JOINS * sizeof *x->found);
	if (x->parts == NULL || x->seen == NULL || x->found == NULL) {
		return LEAD_ENOMEM;
	}
	while (rc == 0 && json_list_next(&l, &text, &len)) {
		rc = element_add(x, text, len);
	}
	if (x->n_found > 1) {
		qsort(x->found, x->n_found, sizeof *x->found, by_key);
	}
	return rc;
}

/* Item i by the first join that finds something. */
static const struct seen *seek(const struct joining *x, const struct batch_key *key, size_t i)
{
	char number[24];

	for (size_t j = 0; j < x->plan->n_joins; j++) {
		const char *text = key->text[j];
		const struct seen *seen;

		if (x->plan->joins[j].kind != JOIN_KEY) {
			(void)snprintf(number, sizeof number, "%zu", i);
			text = number;
		}
		seen = text != NULL ? element_of(x, j, text) : NULL;
		if (seen != NULL) {
			return seen;
		}
	}
	return NULL;
}

static void whole_for_all(const struct service_call *c, const struct answer *whole, size_t n, struct answer *ret)
{
	bool billed = whole->outcome != OUTCOME_IN_DOUBT && whole->outcome != OUTCOME_UNSENT;

	for (size_t i = 0; i < n; i++) {
		ret[i] = *whole;
		ret[i].price_micro = billed ? price_of_item(&c->answer->price, whole->outcome) : 0;
	}
}

int batch_answers(const struct service_call *c, const struct http_answer *h, const struct answer *whole, const struct batch_key *keys, size_t n,
    struct arena *a, struct answer *ret)
{
	const struct batch_plan *plan = c->batch->plan;
	struct joining x = {.plan = plan, .arena = a};
	struct seen seen = {.h = h, .arena = a, .view = VIEW_GOOD};
	struct value list;
	int rc;

	if (whole->outcome != OUTCOME_OK || h->transport != TRANSPORT_ANSWERED) {
		whole_for_all(c, whole, n, ret);
		return 0;
	}
	rc = seen_read(c->answer, &seen);
	list = rc == 0 ? look_at(&plan->answers, &seen) : (struct value){0};
	rc = rc == 0 ? elements_read(&x, &list) : rc;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		const struct seen *element = seek(&x, &keys[i], i);

		ret[i] = (struct answer){.outcome = plan->missing, .reason = "not-in-answer", .readable = true};
		rc = element != NULL ? element_answer(plan->element, element, &ret[i]) : 0;
		ret[i].price_micro = price_of_item(&c->answer->price, ret[i].outcome);
	}
	return rc;
}
