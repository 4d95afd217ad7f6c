/*
 * lib/service/batch.c: `batch:` of a call, and the items of its request. See batch.h, batch_answer.c.
 *
 *   load    batch_read: `batch:` -> texts of an item, its keys; batch_bind: -> a reader for elements
 *   grant   batch_item for each item -> `items` of the request
 */
#include "lib/service/batch_plan.h"

#include <ctype.h>
#include <string.h>

#include "lib/base/text.h"

/* --- load ----------------------------------------------------------------- */

static struct piecework item_work(struct reading *r)
{
	struct piecework w = piecework_for(r, false);

	w.call = false; /* an item has no call of its own */
	return w;
}

static bool join_by_place(struct reading *r, const struct yaml_node *node, struct batch_join *join)
{
	const char *text = NULL;

	if (node->kind == YAML_STRING && strcmp(node->text, "order") == 0) {
		join->kind = JOIN_ORDER;
		return true;
	}
	if (node->kind != YAML_MAP || yaml_get(node, "position") == NULL) {
		return false;
	}
	join->kind = JOIN_POSITION;
	return yaml_read_string(r->y, node, "position", &text, r->p) && look_body(r, node, text, &join->answer);
}

static void join_read(struct reading *r, const struct yaml_node *node, struct batch_plan *plan)
{
	static const char *const keys[] = {"item", "answer", "position", NULL};
	struct batch_join *join = &plan->joins[plan->n_joins];
	struct piecework w = item_work(r);
	const char *item = NULL, *answer = NULL;

	if (join_by_place(r, node, join)) {
		plan->n_joins++;
		return;
	}
	if (node->kind != YAML_MAP) {
		problems_add(r->p, r->y, node, "'join' is {item: TEXT, answer: PATH}, {position: PATH} or order");
		return;
	}
	if (!yaml_only_keys(r->y, node, keys, "join", r->p)) {
		return;
	}
	if (!yaml_read_string(r->y, node, "item", &item, r->p) || !yaml_read_string(r->y, node, "answer", &answer, r->p)) {
		problems_add(r->p, r->y, node, "'join' needs 'item', a text with the item's parameters, and 'answer', the place in an element");
		return;
	}
	if (pieces_text(&w, node, item, strlen(item), ENCODE_PLAIN, "join", &join->item) && look_body(r, node, answer, &join->answer)) {
		plan->n_joins++;
	}
	r->nomem |= w.nomem;
}

static void joins_read(struct reading *r, const struct yaml_node *map, struct batch_plan *plan)
{
	const struct yaml_node *join = yaml_get(map, "join");
	size_t n = join == NULL ? 0 : join->kind == YAML_LIST ? join->n : 1;

	if (n == 0 || n > BATCH_JOINS) {
		problems_add(r->p, r->y, join != NULL ? join : map, "a batch needs 'join', 1 to %d ways to find an item's element", BATCH_JOINS);
		return;
	}
	for (const struct yaml_node *v = reading_first(join); v != NULL && plan->n_joins < BATCH_JOINS; v = v == join ? NULL : v->next) {
		join_read(r, v, plan);
		if (join->kind != YAML_LIST) {
			break; /* a map's own children are no joins */
		}
	}
}

static void answers_read(struct reading *r, const struct yaml_node *map, struct batch_plan *plan)
{
	const char *text = NULL;

	if (!yaml_read_string(r->y, map, "answers", &text, r->p)) {
		problems_add(r->p, r->y, map, "a batch needs 'answers', the place of the list with an element for each item");
	} else if (look_body(r, yaml_get(map, "answers"), text, &plan->answers) && expr_path(plan->answers.expr) == NULL) {
		problems_add(r->p, r->y, yaml_get(map, "answers"), "'answers' must be a plain path, such as .matches");
	}
}

void batch_read(struct reading *r, const struct yaml_node *call, struct service_call *c)
{
	static const char *const keys[] = {"size", "linger", "each", "answers", "join", "missing", "outcomes", NULL};
	const struct yaml_node *map = yaml_get(call, "batch"), *each = yaml_get(map, "each");
	struct service_batch *b = map != NULL ? reading_alloc(r, 1, sizeof *b) : NULL;
	struct piecework w = item_work(r);
	int64_t size = 0;

	if (b == NULL || !yaml_only_keys(r->y, map, keys, "batch", r->p)) {
		return;
	}
	b->plan = reading_alloc(r, 1, sizeof *b->plan);
	if (b->plan == NULL) {
		return;
	}
	b->linger_us = US_PER_S;
	if (!yaml_read_int(r->y, map, "size", 1, BATCH_MOST, &size, r->p)) {
		problems_add(r->p, r->y, map, "a batch needs 'size', 1 to %d items", BATCH_MOST);
	}
	b->size = (size_t)size;
	(void)yaml_read_duration(r->y, map, "linger", 0, US_PER_DAY, &b->linger_us, r->p);
	if (each == NULL) {
		problems_add(r->p, r->y, map, "a batch needs 'each', what the request says of an item");
	} else {
		(void)pieces_json(&w, each, NULL, 0, "each", &b->plan->each);
	}
	r->nomem |= w.nomem;
	answers_read(r, map, b->plan);
	joins_read(r, map, b->plan);
	b->plan->missing = OUTCOME_EMPTY;
	if (rule_word(r, map, "missing", &b->plan->missing) && b->plan->missing == OUTCOME_IN_DOUBT) {
		problems_add(r->p, r->y, yaml_get(map, "missing"), "an item without an element is in doubt only when its whole call is");
	}
	c->batch = b;
}

void batch_pieces(const struct service_batch *b, void (*f)(void *arg, const struct pieces *t), void *arg)
{
	f(arg, &b->plan->each);
	for (size_t i = 0; i < b->plan->n_joins; i++) {
		if (b->plan->joins[i].kind == JOIN_KEY) {
			f(arg, &b->plan->joins[i].item);
		}
	}
}

bool batch_bind(struct reading *r, const struct yaml_node *call, struct service_batch *b, struct reader *whole)
{
	struct batch_plan *plan = b->plan;
	struct reader *element = reader_element(r, yaml_get(yaml_get(call, "batch"), "outcomes"), yaml_get(call, "map"));

	plan->element = element;
	if (element == NULL || plan->answers.expr == NULL) {
		return false;
	}
	whole->names = element->names; /* what a stage can keep */
	whole->needs[VIEW_GOOD] = true;
	r->nomem |= !look_bind(&plan->answers, whole->paths[VIEW_GOOD], VIEW_GOOD);
	for (size_t i = 0; i < plan->n_joins && !r->nomem; i++) {
		struct look *look = &plan->joins[i].answer;

		r->nomem |= plan->joins[i].kind != JOIN_ORDER && !look_bind(look, element->paths[VIEW_GOOD], VIEW_GOOD);
	}
	element->needs[VIEW_GOOD] = true;
	/* a price that the answer tells has one ceiling for each item; else its own parts are the ceilings */
	b->fixed_micro = price_is_told(&whole->price) ? 0 : whole->price.fixed_micro;
	b->item_micro = price_is_told(&whole->price) ? whole->price.ceiling_micro : whole->price.item_micro;
	b->weighted = price_is_told(&whole->price) && whole->price.item_micro > 0;
	return !r->nomem;
}

void batch_fini(struct service_batch *b)
{
	if (b != NULL && b->plan != NULL) {
		reader_fini(b->plan->element);
	}
}

/* --- grant ---------------------------------------------------------------- */

int64_t batch_ceiling(const struct service_batch *b, size_t n, size_t k)
{
	int64_t each = b->fixed_micro / (int64_t)n;

	return b->item_micro + (k == 0 ? b->fixed_micro - each * ((int64_t)n - 1) : each);
}

const char *batch_fold(struct arena *a, const char *text, size_t len)
{
	char *out;

	text_trim(&text, &len);
	out = len > 0 ? arena_dup(a, text, len) : NULL;
	for (size_t i = 0; out != NULL && i < len; i++) {
		out[i] = (char)tolower((unsigned char)out[i]);
	}
	return out;
}

int batch_item(const struct service *s, const struct service_call *c, const struct expr_source *params, struct arena *a, struct buf *out,
    struct batch_key *ret, struct lead_error *err)
{
	const struct batch_plan *plan = c->batch->plan;
	struct filling f = {.params = params};
	struct lead_error inner = {0};
	int rc = pieces_render(&plan->each, &f, a, out, &inner);

	*ret = (struct batch_key){{NULL}};
	for (size_t i = 0; rc == 0 && i < plan->n_joins; i++) {
		struct buf key = {0};

		if (plan->joins[i].kind == JOIN_KEY) {
			rc = pieces_render(&plan->joins[i].item, &f, a, &key, &inner);
			ret->text[i] = rc == 0 && key.len > 0 ? batch_fold(a, key.data, key.len) : NULL;
		}
		buf_free(&key);
	}
	if (rc == 0 && out->failed) {
		rc = LEAD_ENOMEM;
	}
	return rc != 0 ? lead_fail(err, rc, "%s %s: %s", s->name, c->name, inner.text) : 0;
}
