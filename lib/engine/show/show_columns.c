/*
 * An item's columns for the results (show.h): those of its file, then what the stages gave it, each name once. The header and all rows
 * of a file have the same ones, so they follow from the run, never from the item.
 */
#include "lib/engine/show/show.h"

#include "lib/engine/run/masked.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/view.h"

struct columns_arg {
	const struct run *r;
	struct view *view;
	uint64_t before_turn;
	uint32_t unchanged, without; /* bit per stage of the run */
	struct buf *hidden; /* masked values; NULL: nothing is masked */
};

static bool brings(const struct fact *f)
{
	return f->kind == FACT_TEMPLATE || (f->kind == FACT_CALL && (f->outcome == OUTCOME_OK || f->outcome == OUTCOME_EMPTY || f->outcome == OUTCOME_DUPLICATE));
}

static bool on_column_fact(void *arg, const struct fact *f)
{
	struct columns_arg *a = arg;

	if (f->kind == FACT_UNCHANGED && f->stage < RUN_STAGES && f->turn < a->before_turn) {
		a->unchanged |= 1u << f->stage;
	}
	if (f->kind == FACT_WARNING && f->stage < RUN_STAGES && f->turn < a->before_turn) {
		a->without |= 1u << f->stage;
	} else if (brings(f) && f->stage < RUN_STAGES) { /* a later step of the chain did */
		a->without &= ~(1u << f->stage);
	}
	for (size_t i = 0; f->turn < a->before_turn && i < f->n_fields; i++) {
		view_add(a->view, &f->fields[i]);
	}
	return true;
}

static bool is_seen(const char *const names[], size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(names[i], name) == 0) {
			return true;
		}
	}
	return false;
}

/* Names that the stages of that level give, in order, each once. */
static size_t given_names(const struct run *r, enum item_level level, const char *names[], size_t max)
{
	size_t n = 0;

	for (size_t s = 0; r->pipeline != NULL && s < r->pipeline->n_stages; s++) {
		const struct stage *st = &r->pipeline->stages[s];

		if (st->of != level) {
			continue;
		}
		for (size_t i = 0; i < st->n_gives && n < max; i++) {
			n += is_seen(names, n, st->gives[i].name) ? 0 : (names[n] = st->gives[i].name, 1);
		}
		if (st->prompt_field != NULL && n < max) {
			n += is_seen(names, n, st->prompt_field) ? 0 : (names[n] = st->prompt_field, 1);
		}
		for (size_t k = 0; st->n_gives == 0 && k < st->n_steps; k++) {
			const char *const *list = st->steps[k].call != NULL ? answer_names(st->steps[k].call) : NULL;

			for (size_t i = 0; list != NULL && list[i] != NULL && n < max; i++) {
				n += is_seen(names, n, list[i]) ? 0 : (names[n] = list[i], 1);
			}
		}
	}
	return n;
}

/* May some stage of the level do so with an item? */
static bool may(const struct run *r, enum item_level level, enum stage_policy policy)
{
	for (size_t s = 0; r->pipeline != NULL && s < r->pipeline->n_stages; s++) {
		const struct stage *st = &r->pipeline->stages[s];
		bool empty = st->on_empty == policy && policy == POLICY_UNCHANGED; /* what finds nothing goes on without a word */

		if (st->of == level && (st->on_fail == policy || st->on_down == policy || empty)) {
			return true;
		}
	}
	return false;
}

/* Stages that brought nothing to an item that went on all the same, in a column of that name. */
static void stages_column(const struct run *r, const char *column, uint32_t stages, uint32_t number, column_fn f, void *arg)
{
	struct buf names = {0};
	struct value v;

	for (; stages != 0; stages &= stages - 1) {
		unsigned s = (unsigned)__builtin_ctz(stages);

		buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", s < r->row.n_stages ? r->row.stages[s].name : "?");
	}
	v = number == 0 ? value_text(column) : names.len > 0 ? value_text(names.data) : (struct value){0};
	f(arg, column, &v);
	buf_free(&names);
}

static bool is_column(const struct columns *c, const char *name)
{
	for (size_t i = 0; c != NULL && i < c->n; i++) {
		if (strcmp(c->list[i].header, name) == 0) {
			return true;
		}
	}
	return false;
}

static struct value given_value(const struct view *view, const char *name)
{
	for (size_t k = 0; k < view->n; k++) {
		if (view->fields[k].name_len == strlen(name) && memcmp(view->fields[k].name, name, view->fields[k].name_len) == 0) {
			return view->fields[k].value;
		}
	}
	return (struct value){0};
}

static struct value shown(const struct columns_arg *a, const char *name, struct value v)
{
	return a->hidden != NULL ? masked_value(name, strlen(name), &v, a->hidden) : v;
}

/* The imported columns. One that a stage gives too is one column: the later value counts. */
static void imported_columns(const struct columns_arg *a, const struct columns *c, uint32_t number, column_fn f, void *arg)
{
	for (size_t i = 0; c != NULL && i < c->n; i++) {
		const char *header = c->list[i].header;
		struct value v = number == 0 ? value_text(header) : given_value(a->view, header);

		v = v.kind == VALUE_NONE && a->view->has_row ? record_cell(&a->view->row, i) : v;
		v = shown(a, c->list[i].field >= 0 ? lead_field_names[c->list[i].field] : header, v);
		f(arg, header, &v);
	}
}

/* What the stages gave beside them. */
static void given_columns(const struct columns_arg *a, const struct columns *c, enum item_level level, uint32_t number, column_fn f, void *arg)
{
	const char *names[VIEW_FIELDS];
	size_t n = given_names(a->r, level, names, VIEW_FIELDS);

	for (size_t i = 0; i < n; i++) {
		if (!is_column(c, names[i])) {
			struct value v = number == 0 ? value_text(names[i]) : given_value(a->view, names[i]);

			v = shown(a, names[i], v);
			f(arg, names[i], &v);
		}
	}
}

void show_columns(struct engine *e, struct txn *t, uint32_t run, enum item_level level, uint32_t number, uint64_t before_turn, column_fn f,
    void *arg)
{
	struct run *r = run_get(e, run);
	const struct columns *c = r != NULL && level < LEVEL_RUN && r->has_columns[level] ? &r->columns[level] : NULL;
	struct buf hidden = {0};
	struct view view;
	struct columns_arg a = {.r = r, .view = &view, .before_turn = before_turn};
	struct slice row;

	if (r == NULL) {
		return;
	}
	a.hidden = number != 0 && masked_is(r) ? &hidden : NULL;
	view_open(e, t, r, 0, &view);
	if (number != 0) {
		view.has_row = c != NULL && item_row(t, run, number, &row) && record_open(&view.row, c, row.data, row.len);
		fact_walk(t, run, number, on_column_fact, &a);
	}
	imported_columns(&a, c, number, f, arg);
	given_columns(&a, c, level, number, f, arg);
	if (may(r, level, POLICY_UNCHANGED)) {
		stages_column(r, "unchanged", a.unchanged, number, f, arg);
	}
	if (may(r, level, POLICY_PASS)) {
		stages_column(r, "without", a.without, number, f, arg);
	}
	buf_free(&hidden);
}
