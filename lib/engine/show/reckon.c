/* The walk over a run's leads. See reckon.h. */
#include "lib/engine/show/reckon.h"

#include "lib/engine/run/run.h"
#include "lib/engine/show/reckon_parts.h"
#include "lib/engine/state.h"

#include <stdio.h>

struct slice_arg {
	struct reckoning *x;
	struct txn *txn;
	struct run *run;
	unsigned left;
	bool more;
};

struct reckoning *reckoning_new(struct engine *e, uint32_t run, enum reckon_kind kind)
{
	struct reckoning *x = run_get(e, run) != NULL ? calloc(1, sizeof(*x)) : NULL;

	if (x != NULL) {
		x->e = e;
		x->run = run;
		x->kind = kind;
		x->turn = e->turn + 1;
	}
	return x;
}

void reckoning_free(struct reckoning *x)
{
	for (size_t i = 0; x != NULL && i < sizeof(x->sums) / sizeof(x->sums[0]); i++) {
		free(x->sums[i].list);
	}
	free(x);
}

struct sum *sum_of(struct reckoning *x, struct sums *s, const char *what, const char *why)
{
	static struct sum const none = {.leads = 0};
	size_t i = 0;

	while (i < s->n && (strcmp(s->list[i].what, what) != 0 || strcmp(s->list[i].why, why) != 0)) {
		i++;
	}
	if (i == s->n) {
		struct sum *list = i == s->cap ? realloc(s->list, (s->cap * 2 + 16) * sizeof(*list)) : s->list;

		if (list == NULL) {
			abort(); /* a result that lacks money would be a lie */
		}
		s->cap = i == s->cap ? s->cap * 2 + 16 : s->cap;
		s->list = list;
		s->list[s->n++] = none;
		(void)snprintf(s->list[i].what, sizeof(s->list[i].what), "%s", what);
		(void)snprintf(s->list[i].why, sizeof(s->list[i].why), "%s", why);
	}
	return &s->list[i];
}

static int by_money(const void *a, const void *b)
{
	const struct sum *x = a, *y = b;

	if (x->micro != y->micro) {
		return x->micro > y->micro ? -1 : 1;
	}
	return x->leads != y->leads ? (x->leads > y->leads ? -1 : 1) : strcmp(x->why, y->why);
}

void sums_sort(struct sums *s)
{
	if (s->n > 0) {
		qsort(s->list, s->n, sizeof(*s->list), by_money);
	}
}

static bool on_item(void *arg, struct slice key, struct slice value)
{
	struct slice_arg *a = arg;
	struct reckoning *x = a->x;
	enum item_outcome o;
	struct item i;

	if (a->left-- == 0) {
		a->more = true;
		return false;
	}
	if (!item_decode(key, value, &i)) {
		return true;
	}
	x->cursor = i.number;
	o = i.outcome != ITEM_OPEN && i.done_turn >= x->turn ? ITEM_OPEN : i.outcome;
	(x->kind == RECKON_RECEIPT ? receipt_item : waste_item)(x, a->txn, a->run, &i, o);
	return true;
}

bool reckoning_next(struct reckoning *x, unsigned rows, struct lead_error *err)
{
	struct slice_arg a = {.x = x, .run = run_get(x->e, x->run), .left = rows};

	if (a.run == NULL || txn_begin(x->e->store, false, &a.txn, err) != 0) {
		return false;
	}
	txn_walk(a.txn, TABLE_STATE, item_key(x->run, x->cursor + 1), run_prefix(x->run), on_item, &a);
	txn_abort(a.txn);
	return a.more;
}

struct json_object *reckoning_json(struct reckoning *x, struct now now)
{
	struct run *r = run_get(x->e, x->run);

	return r == NULL ? NULL : (x->kind == RECKON_RECEIPT ? receipt_json : waste_json)(x, r, now);
}
