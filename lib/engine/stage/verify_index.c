/*
 * What should be there: every lead that this run pushed, and those of other runs that push to the same place, found by what the
 * destination knows them by. See verify.h.
 */
#include "lib/engine/stage/verify_parts.h"

#include "lib/base/ids.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/view.h"
#include "lib/engine/state.h"

#define SLICE 100 /* leads a turn */

/* What is read, and with which parameters: equal for runs that push to the same place. 0: nothing. */
static uint64_t destination(struct engine *e, struct run *r)
{
	struct buf text = {0};
	const struct stage *st;
	struct view view;
	uint64_t hash = 0;
	uint8_t s;

	st = r->campaign != NULL ? verify_stage(r, &s) : NULL;
	if (st == NULL) {
		return 0;
	}
	view_open(e, e->txn, r, 0, &view);
	buf_printf(&text, "%s.%s", st->list.step.service->name, st->list.step.call->name);
	for (size_t i = 0; i < st->list.step.n_params; i++) {
		struct lead_error err;
		struct value v = {0};

		if (template_value(st->list.step.params[i].value, &view.source, &e->arena, &v, &err) == 0) {
			buf_printf(&text, "\n%s=", st->list.step.params[i].name);
			value_write_json(&text, &v);
		}
	}
	hash = text.failed || text.len == 0 ? 0 : hash_plain(text.data, text.len);
	buf_free(&text);
	return hash;
}

bool verify_hash(struct engine *e, const struct value *key, uint64_t *ret)
{
	char text[320];
	size_t len = 0;

	if (value_is_blank(key) || key->len >= sizeof(text)) {
		return false;
	}
	for (; len < key->len; len++) {
		char c = key->text[len];

		text[len] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	*ret = hash_keyed(e->hash_key, text, len);
	return true;
}

/* Of two with the same name there: the verified run's own before another's, one that should be there before one that should not. */
static bool takes_over(const struct verify_row *v, const struct verify_entry *n, const struct verify_entry *old)
{
	if (old->run == 0 || (old->run == n->run && old->number == n->number)) {
		return true;
	}
	if ((n->run == v->run) != (old->run == v->run)) {
		return n->run == v->run;
	}
	return old->gone && !n->gone;
}

static void index_item(struct engine *e, struct run *of, const struct stage *st, struct verify_row *v, const struct item *i, bool young)
{
	struct verify_entry n = {.run = i->run, .number = i->number, .gone = i->outcome == ITEM_RECALLED, .young = young}, old = {.seen = 0};
	struct lead_error err;
	struct value key = {0};
	struct view view;

	if (!i->pushed && !n.gone) {
		return;
	}
	view_open(e, e->txn, of, i->number, &view);
	if (template_value(st->list.same[st->list.key].is, &view.source, &e->arena, &key, &err) != 0 || !verify_hash(e, &key, &n.hash)) {
		return;
	}
	if (verify_entry_read(e->txn, v->run, n.hash, &old) && !takes_over(v, &n, &old)) {
		return;
	}
	n.seen = old.seen;
	v->pushed += n.run == v->run && !n.gone && !young;
	verify_entry_write(e->txn, v->run, &n);
}

struct slice_arg {
	struct item list[SLICE];
	size_t n;
};

static bool on_item(void *arg, struct slice key, struct slice value)
{
	struct slice_arg *a = arg;

	if (item_decode(key, value, &a->list[a->n])) {
		a->n++;
	}
	return a->n < SLICE;
}

void verify_pushed(struct engine *e, struct run *r, const struct item *i)
{
	struct run *of, *next;
	struct verify_row v;
	const struct stage *st;
	uint8_t s;

	HASH_ITER(hh, e->runs, of, next) {
		if (of->verifying && (st = verify_stage(r, &s)) != NULL && (of == r || destination(e, of) == destination(e, r)) &&
		    verify_row_read(e->txn, of->id, &v) && verify_at_work(v.state)) {
			index_item(e, r, st, &v, i, true);
		}
	}
}

/* The next run after `after` that pushes to the same place. */
static struct run *next_run(struct engine *e, const struct run *r, uint32_t after)
{
	uint64_t where = destination(e, run_get(e, r->id));
	struct run *best = NULL, *other, *next;

	HASH_ITER(hh, e->runs, other, next) {
		if (other->id > after && (best == NULL || other->id < best->id) && (other == r || destination(e, other) == where)) {
			best = other;
		}
	}
	return best;
}

static struct run *next_of(struct engine *e, const struct run *r, struct verify_row *v, uint32_t after)
{
	struct run *of = next_run(e, r, after);

	v->at_run = of != NULL ? of->id : 0;
	v->at_number = 0;
	return of;
}

bool verify_index_slice(struct engine *e, struct run *r, struct verify_row *v)
{
	struct run *of = v->at_run != 0 ? run_get(e, v->at_run) : NULL;
	struct slice_arg *a;
	const struct stage *st;
	uint8_t s;

	of = of != NULL ? of : next_of(e, r, v, v->at_run);
	a = of != NULL ? malloc(sizeof(*a)) : NULL;
	if (a == NULL) {
		return of != NULL; /* no memory: in the next turn */
	}
	st = verify_stage(of, &s);
	a->n = 0;
	txn_walk(e->txn, TABLE_STATE, item_key(of->id, v->at_number + 1), run_prefix(of->id), on_item, a);
	for (size_t k = 0; st != NULL && k < a->n; k++) {
		if (a->list[k].level == LEVEL_LEAD) {
			index_item(e, of, st, v, &a->list[k], false);
		}
		v->at_number = a->list[k].number;
	}
	if (st == NULL || a->n < SLICE) {
		of = next_of(e, r, v, of->id);
	}
	free(a);
	return of != NULL;
}
