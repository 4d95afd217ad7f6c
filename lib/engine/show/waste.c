/*
 * Money spent on leads that died (rejected, failed) of something that could have been known earlier. See reckon.h.
 * Only what the facts prove counts, and each lead once, by the first of these that holds:
 *
 *   its stage lacked an input that only the import could bring, or that an earlier stage had not given:
 *       a gate `present` on it, where it could have stood
 *   it died of the answer of a stage that needs nothing of the paid stages before it: that stage before those
 *   a free check of its imported row refuses it, and the pipeline does not make the check, or lets it pass
 *
 * What is left could not be known by what there is.
 */

#include "lib/engine/show/reckon_parts.h"

#include "lib/engine/run/run.h"
#include "lib/engine/stage/view.h"
#include "lib/engine/state.h"
#include "lib/lead/gates.h"

#include <stdio.h>

enum { SUM_KNOWABLE, SUM_REST };

struct death {
	struct reckoning *x;
	struct run *run;
	int at;                       /* pipeline stage; -1: none of it */
	bool gate;                    /* the last word was a gate's, not a service's */
	int64_t spent[RUN_STAGES];    /* by pipeline stage */
	int64_t all;
};

static bool on_fact(void *arg, const struct fact *f)
{
	struct death *d = arg;
	int p = f->stage < d->run->row.n_stages ? d->run->stage_of[f->stage] : -1;

	if (f->turn >= d->x->turn) {
		return true;
	}
	if (f->kind == FACT_CALL) {
		d->all += f->price_micro;
		if (p >= 0) {
			d->spent[p] += f->price_micro;
		}
	}
	d->gate = f->kind == FACT_GATE;
	return true;
}

static int64_t spent_between(const struct death *d, int after, int before)
{
	int64_t sum = 0;

	for (int p = after + 1; p < before; p++) {
		sum += p >= 0 ? d->spent[p] : 0;
	}
	return sum;
}

static void place(const struct run *r, int after, char out[64])
{
	if (after < 0) {
		(void)snprintf(out, 64, "at intake");
	} else {
		(void)snprintf(out, 64, "after %s", r->pipeline->stages[after].name);
	}
}

static void count(struct death *d, const char *missing, const char *where, const struct item *i, int64_t micro, int first, int last)
{
	char why[ITEM_REASON + 64];
	struct sum *s;

	(void)snprintf(why, sizeof(why), "%s\n%s", where, i->reason);
	s = sum_of(d->x, &d->x->sums[SUM_KNOWABLE], missing, why);
	s->leads++;
	s->micro += micro;
	s->first = first;
	s->last = last;
}

/* --- a missing input --- */

struct blank {
	const struct pipeline *p;
	const struct expr_source *record;
	char field[64];
	int given;           /* the stage that could have given it, AFTER_INTAKE when only the import can */
	bool found;
};

static void on_reads(void *arg, const char *name, size_t len)
{
	struct blank *b = arg;
	struct value v = b->record->field(b->record->ctx, name, len);

	if (!b->found && value_is_blank(&v) && len < sizeof(b->field)) {
		memcpy(b->field, name, len);
		b->field[len] = 0;
		b->given = pipeline_given_by(b->p, LEVEL_LEAD, name, len);
		b->found = true;
	}
}

/* The field behind the reason `missing-NAME`: one of `needs`, or what the parameter of that name reads. */
static bool missing_field(const struct death *d, const struct item *i, struct blank *b)
{
	const struct stage *st = &d->run->pipeline->stages[d->at];
	const char *name = i->reason + 8;
	size_t len = strlen(name);

	for (size_t k = 0; k < st->n_needs; k++) {
		if (strncmp(st->needs[k], name, len) == 0 && (st->needs[k][len] == 0 || len >= 30)) {
			on_reads(b, st->needs[k], strlen(st->needs[k]));
			return b->found;
		}
	}
	for (size_t s = 0; s < st->n_steps; s++) {
		for (size_t k = 0; k < st->steps[s].n_params && s == i->step; k++) {
			if (strncmp(st->steps[s].params[k].name, name, len) == 0) {
				template_reads(st->steps[s].params[k].value, on_reads, b);
			}
		}
	}
	return b->found;
}

static bool by_missing(struct death *d, const struct item *i, const struct view *view)
{
	struct blank b = {.p = d->run->pipeline, .record = &view->source};
	char gate[96], where[64];
	int64_t micro;

	if (strncmp(i->reason, "missing-", 8) != 0 || !missing_field(d, i, &b) || b.given >= d->at) {
		return false;
	}
	micro = b.given == AFTER_INTAKE ? d->all : spent_between(d, b.given, d->at + 1);
	if (micro == 0) {
		return false;
	}
	(void)snprintf(gate, sizeof(gate), "gate {present: %.60s}", b.field);
	place(d->run, b.given, where);
	count(d, gate, where, i, micro, -1, -1);
	return true;
}

/* --- an expensive order --- */

struct inputs {
	const struct pipeline *p;
	int after;
};

static void on_input(void *arg, const char *name, size_t len)
{
	struct inputs *n = arg;
	int given = pipeline_given_by(n->p, LEVEL_LEAD, name, len);

	n->after = given > n->after ? given : n->after;
}

/* The last stage whose fields the stage reads. */
static int needs_of(const struct pipeline *p, const struct stage *st)
{
	struct inputs n = {.p = p, .after = AFTER_INTAKE};

	for (size_t k = 0; k < st->n_needs; k++) {
		on_input(&n, st->needs[k], strlen(st->needs[k]));
	}
	for (size_t s = 0; s < st->n_steps; s++) {
		for (size_t k = 0; k < st->steps[s].n_params; k++) {
			template_reads(st->steps[s].params[k].value, on_input, &n);
		}
	}
	return n.after;
}

/* Did a gate of the stage speak that looks at nothing but what the stage itself gave? */
static bool own_gate(const struct death *d, const struct item *i)
{
	const struct pipeline *p = d->run->pipeline;

	for (size_t k = 0; k < p->n_gates; k++) {
		const struct gate *g = &p->gates[k];

		if (g->after == d->at && g->field != NULL && g->policy == GATE_REJECT && pipeline_given_by(p, LEVEL_LEAD, g->field, strlen(g->field)) == d->at &&
		    (g->reason == NULL || strcmp(g->reason, i->reason) == 0)) {
			return true;
		}
	}
	return false;
}

static bool by_order(struct death *d, const struct item *i)
{
	const struct pipeline *p = d->run->pipeline;
	const struct stage *st = &p->stages[d->at];
	int after = needs_of(p, st), first = after + 1;
	int64_t micro = spent_between(d, after, d->at);
	char order[96], where[64];

	if (micro == 0 || st->kind != STAGE_CALL || strncmp(i->reason, "missing-", 8) == 0 || (d->gate && !own_gate(d, i))) {
		return false;
	}
	while (d->spent[first] == 0) {
		first++;
	}
	(void)snprintf(order, sizeof(order), "stage %.40s before %.40s", st->name, p->stages[first].name);
	place(d->run, after, where);
	count(d, order, where, i, micro, after, d->at);
	return true;
}

/* --- a free check --- */

static const struct {
	enum gate_check check;
	const char *word, *field;
} checks[] = {{CHECK_ADDRESS, "address", "email"}, {CHECK_NOREPLY, "noreply", "email"}, {CHECK_ROLE, "role", "email"},
    {CHECK_DISPOSABLE, "disposable", "email"}, {CHECK_PORTAL, "portal", "email"}, {CHECK_NAME, "name", "full_name"}};

static bool refuses(struct engine *e, struct gate g, const struct view *row)
{
	struct stage leads = {.of = LEVEL_LEAD};
	struct pipeline one = {.gates = &g, .n_gates = 1, .stages = &leads, .n_stages = 1};
	const struct gate *which = NULL;

	g.policy = GATE_REJECT;
	g.after = AFTER_INTAKE;
	g.listed = 0;
	return pipeline_gates(&one, LEVEL_LEAD, AFTER_INTAKE, &row->source, &e->config->lists, &e->arena, &which) != NULL;
}

static bool is_listed(const struct pipeline *p, enum gate_check check)
{
	for (size_t i = 0; i < p->n_gates; i++) {
		if (p->gates[i].check == check) {
			return true;
		}
	}
	return false;
}

static bool by_check(struct death *d, const struct item *i, const struct view *row)
{
	const struct pipeline *p = d->run->pipeline;
	char gate[96];

	for (size_t k = 0; k < p->n_gates; k++) {
		if (p->gates[k].after == AFTER_INTAKE && p->gates[k].policy == GATE_PASS && refuses(d->x->e, p->gates[k], row)) {
			(void)snprintf(gate, sizeof(gate), "gate %.60s, which passes", p->gates[k].text);
			count(d, gate, "at intake", i, d->all, -1, -1);
			return true;
		}
	}
	for (size_t k = 0; k < sizeof(checks) / sizeof(checks[0]); k++) {
		struct gate g = {.check = checks[k].check, .field = checks[k].field};

		if (!is_listed(p, g.check) && refuses(d->x->e, g, row)) {
			(void)snprintf(gate, sizeof(gate), "gate {check: %s}", checks[k].word);
			count(d, gate, "at intake", i, d->all, -1, -1);
			return true;
		}
	}
	return false;
}

/* --- leads --- */

void waste_item(struct reckoning *x, struct txn *t, struct run *r, const struct item *i, enum item_outcome o)
{
	struct death d = {.x = x, .run = r, .at = i->stage < r->row.n_stages ? r->stage_of[i->stage] : -1};
	struct view view, row;
	struct sum *s;

	if ((o != ITEM_REJECTED && o != ITEM_FAILED) || r->pipeline == NULL) {
		return;
	}
	fact_walk(t, i->run, i->number, on_fact, &d);
	if (d.at >= 0) {
		x->died_at[d.at]++;
	}
	if (d.all == 0) {
		return;
	}
	view_open(x->e, t, r, i->number, &view);
	row = view;
	row.n = 0; /* as it was imported */
	row.source.ctx = &row;
	if (d.at < 0 || !(by_missing(&d, i, &view) || by_order(&d, i) || by_check(&d, i, &row))) {
		s = sum_of(x, &x->sums[SUM_REST], item_outcome_word(o), i->reason);
		s->leads++;
		s->micro += d.all;
	}
	arena_reset(&x->e->arena);
}

/* --- as JSON --- */

/* In another order the leads that died in between would have paid for the stage too. */
static int64_t extra_micro(const struct reckoning *x, const struct run *r, const struct sum *s)
{
	const struct stage *st = s->last >= 0 && r->pipeline != NULL && (size_t)s->last < r->pipeline->n_stages ? &r->pipeline->stages[s->last] : NULL;
	uint64_t leads = 0;

	for (int p = s->first + 1; st != NULL && p < s->last; p++) {
		leads += x->died_at[p];
	}
	return st != NULL && st->n_steps > 0 && st->steps[0].call != NULL ? (int64_t)leads * st->steps[0].call->price_micro : 0;
}

static struct json_object *known_object(const struct reckoning *x, const struct run *r, const struct sum *s)
{
	struct json_object *o = json_object_new_object();
	const char *reason = strchr(s->why, '\n');
	char where[64];

	(void)snprintf(where, sizeof(where), "%.*s", (int)(reason - s->why), s->why);
	put_word(o, "missing", s->what);
	put_word(o, "where", where);
	put_text(o, "reason", reason + 1);
	put_int(o, "leads", (int64_t)s->leads);
	put_int(o, "wasted_micro", s->micro);
	put_int(o, "extra_micro", extra_micro(x, r, s));
	return o;
}

struct json_object *waste_json(struct reckoning *x, struct run *r, struct now now)
{
	struct json_object *o = json_object_new_object(), *items = json_object_new_array(), *rest = json_object_new_array();
	int64_t wasted = 0, unknown = 0;
	uint64_t leads = 0;

	sums_sort(&x->sums[SUM_KNOWABLE]);
	sums_sort(&x->sums[SUM_REST]);
	for (size_t i = 0; i < x->sums[SUM_KNOWABLE].n; i++) {
		const struct sum *s = &x->sums[SUM_KNOWABLE].list[i];

		json_object_array_add(items, known_object(x, r, s));
		wasted += s->micro;
		leads += s->leads;
	}
	for (size_t i = 0; i < x->sums[SUM_REST].n; i++) {
		const struct sum *s = &x->sums[SUM_REST].list[i];
		struct json_object *one = json_object_new_object();

		put_word(one, "outcome", s->what);
		put_text(one, "reason", s->why);
		put_int(one, "leads", (int64_t)s->leads);
		put_int(one, "spent_micro", s->micro);
		json_object_array_add(rest, one);
		unknown += s->micro;
	}
	put_int(o, "run", x->run);
	put_word(o, "state", run_state_word(r->row.state));
	put_wall(o, "at", now.wall_us);
	put_word(o, "currency", x->e->config->currency);
	put_int(o, "leads", (int64_t)leads);
	put_int(o, "wasted_micro", wasted);
	put_int(o, "unknowable_micro", unknown);
	json_object_object_add(o, "items", items);
	json_object_object_add(o, "unknowable", rest);
	return o;
}
