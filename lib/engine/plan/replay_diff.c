/*
 * What came out differently: lead by lead, each with its facts of then and now. A lead that a replay could not take to its
 * end (NO_ANSWER) counts as missing and as nothing else.
 */
#include "lib/engine/plan/replay_state.h"

#include "lib/base/ids.h"
#include "lib/engine/call/call.h"
#include "lib/engine/show/show.h"
#include "lib/engine/show/show_put.h"
#include "lib/engine/stage/view.h"
#include "lib/engine/state.h"
#include "lib/store/names.h"

#define NOW_MISSING ITEM_OUTCOMES /* column of the table of changes */

/* A lead on one of both sides. */
struct side {
	struct txn *t;
	const struct run_row *run;
	struct item item;
	struct view view; /* only what the stages gave */
};

struct diff {
	struct replay *x;
	struct side then, now;
	uint64_t same, different, missing;
	int64_t then_micro, now_micro;
	uint64_t changes[ITEM_OUTCOMES][ITEM_OUTCOMES + 1];
	uint64_t missing_at[RUN_STAGES];
	uint16_t missing_service[RUN_STAGES];
	struct json_object *items, *steps_then, *steps_now;
	bool more, steps_cut;
};

/* --- one lead --- */

static bool on_fact(void *arg, const struct fact *f)
{
	struct view *v = arg;

	for (size_t i = 0; i < f->n_fields; i++) {
		view_add(v, &f->fields[i]);
	}
	return true;
}

static bool load_side(struct side *s, uint32_t run, uint32_t number)
{
	s->view.n = 0;
	if (!item_read(s->t, run, number, &s->item)) {
		return false;
	}
	fact_walk(s->t, run, number, on_fact, &s->view);
	return true;
}

static const struct fact_field *field_of(const struct view *v, const struct fact_field *like)
{
	for (size_t i = 0; i < v->n; i++) {
		if (v->fields[i].name_len == like->name_len && memcmp(v->fields[i].name, like->name, like->name_len) == 0) {
			return &v->fields[i];
		}
	}
	return NULL;
}

static void add_name(struct json_object *names, const struct fact_field *f)
{
	json_object_array_add(names, json_object_new_string_len(f->name, (int)f->name_len));
}

/* Names of the fields that are other ones now, or there on one side only. */
static struct json_object *changed_fields(const struct diff *d)
{
	const struct view *then = &d->then.view, *now = &d->now.view;
	struct json_object *names = json_object_new_array();

	for (size_t i = 0; i < now->n; i++) {
		const struct fact_field *old = field_of(then, &now->fields[i]);

		if (old == NULL || !value_equal(&old->value, &now->fields[i].value)) {
			add_name(names, &now->fields[i]);
		}
	}
	for (size_t i = 0; i < then->n; i++) {
		if (field_of(now, &then->fields[i]) == NULL) {
			add_name(names, &then->fields[i]);
		}
	}
	return names;
}

static struct json_object *end_of(const struct side *s)
{
	struct json_object *o = json_object_new_object();

	put_word(o, "outcome", item_outcome_word(s->item.outcome));
	put_text(o, "reason", s->item.reason);
	put_text(o, "stage", s->item.stage < s->run->n_stages ? s->run->stages[s->item.stage].name : NULL);
	put_int(o, "spent_micro", s->item.spent_micro);
	return o;
}

static void list_lead(struct diff *d, bool missing, struct json_object *fields)
{
	struct json_object *o;

	if (json_object_array_length(d->items) >= d->x->o->limit) {
		d->more = true;
		json_object_put(fields);
		return;
	}
	o = json_object_new_object();
	put_int(o, "lead", d->then.item.number);
	json_object_object_add(o, "was", end_of(&d->then));
	json_object_object_add(o, "now", end_of(&d->now));
	put_bool(o, "missing", missing);
	json_object_object_add(o, "fields", fields);
	json_object_array_add(d->items, o);
}

static void compare(struct diff *d)
{
	const struct item *then = &d->then.item, *now = &d->now.item;
	struct json_object *fields;

	if (now->outcome == ITEM_PARKED && strcmp(now->reason, NO_ANSWER) == 0) {
		d->missing++;
		d->changes[then->outcome][NOW_MISSING]++;
		if (now->stage < RUN_STAGES) {
			d->missing_at[now->stage]++;
			d->missing_service[now->stage] = now->service;
		}
		list_lead(d, true, json_object_new_array());
		return;
	}
	d->then_micro += then->spent_micro;
	d->now_micro += now->spent_micro;
	fields = changed_fields(d);
	if (then->outcome == now->outcome && strcmp(then->reason, now->reason) == 0 && json_object_array_length(fields) == 0) {
		d->same++;
		json_object_put(fields);
		return;
	}
	d->different++;
	d->changes[then->outcome][now->outcome]++;
	list_lead(d, false, fields);
}

/* --- every call --- */

struct steps {
	struct diff *d;
	const struct side *side;
	struct json_object *list;
};

static bool on_step(void *arg, const struct fact *f)
{
	struct steps *s = arg;
	const struct run_row *run = s->side->run;
	struct call_row row = {0};
	struct call_part part;
	struct json_object *o;
	char hash[17];

	if ((f->kind != FACT_CALL && f->kind != FACT_CACHED) || f->call == 0) {
		return true;
	}
	if (json_object_array_length(s->list) >= REPLAY_STEPS) {
		s->d->steps_cut = true;
		return false;
	}
	(void)call_read(s->side->t, f->call, &row);
	if (f->kind == FACT_CACHED) {
		row.hash = f->asked;
	} else if (row.kind == CALL_BATCH && call_has(&row, s->side->item.run, s->side->item.number, &part)) {
		row.hash = part.hash;
	}
	ids_write(row.hash, hash);
	o = json_object_new_object();
	put_int(o, "lead", s->side->item.number);
	put_text(o, "stage", f->stage < run->n_stages ? run->stages[f->stage].name : NULL);
	put_word(o, "request", hash);
	put_word(o, "outcome", outcome_word((enum outcome_class)f->outcome));
	put_text(o, "reason", s->side->item.reason);
	json_object_array_add(s->list, o);
	return true;
}

static void list_steps(struct diff *d)
{
	struct steps then = {d, &d->then, d->steps_then}, now = {d, &d->now, d->steps_now};

	fact_walk(d->then.t, d->x->o->run, d->then.item.number, on_step, &then);
	fact_walk(d->now.t, d->x->o->run, d->now.item.number, on_step, &now);
}

/* --- the whole --- */

static struct json_object *changes(const struct diff *d)
{
	struct json_object *list = json_object_new_array();

	for (int was = 0; was < ITEM_OUTCOMES; was++) {
		for (int now = 0; now <= ITEM_OUTCOMES; now++) {
			struct json_object *o;

			if (d->changes[was][now] == 0) {
				continue;
			}
			o = json_object_new_object();
			put_word(o, "was", item_outcome_word((enum item_outcome)was));
			put_word(o, "now", now == NOW_MISSING ? "missing" : item_outcome_word((enum item_outcome)now));
			put_int(o, "leads", (int64_t)d->changes[was][now]);
			json_object_array_add(list, o);
		}
	}
	return list;
}

static struct json_object *missing(const struct diff *d)
{
	struct json_object *list = json_object_new_array();

	for (size_t s = 0; s < d->now.run->n_stages; s++) {
		if (d->missing_at[s] > 0) {
			struct json_object *o = json_object_new_object();

			put_text(o, "stage", d->now.run->stages[s].name);
			put_text(o, "service", names_text(d->x->engine->names, NAME_SERVICE, d->missing_service[s]));
			put_int(o, "leads", (int64_t)d->missing_at[s]);
			json_object_array_add(list, o);
		}
	}
	return list;
}

/* What the leads wait for that have no end now: nothing will ever move them. */
static const char *stands_still(const struct diff *d, struct json_object **ret)
{
	struct json_object *waiting = NULL, *text = NULL;

	*ret = d->now.run->outcomes[ITEM_OPEN] > 0 ? why_run(d->x->engine, d->now.t, d->x->o->run, d->x->now) : NULL;
	if (*ret != NULL && json_object_object_get_ex(*ret, "waiting", &waiting) && json_object_array_length(waiting) > 0) {
		(void)json_object_object_get_ex(json_object_array_get_idx(waiting, 0), "text", &text);
	}
	return json_object_get_string(text);
}

static struct json_object *report(struct diff *d)
{
	struct json_object *o = json_object_new_object(), *why;

	put_int(o, "run", d->x->o->run);
	put_int(o, "leads", (int64_t)(d->same + d->different + d->missing));
	put_int(o, "same", (int64_t)d->same);
	put_int(o, "different", (int64_t)d->different);
	put_int(o, "missing", (int64_t)d->missing);
	put_int(o, "was_micro", d->then_micro);
	put_int(o, "now_micro", d->now_micro);
	put_text(o, "currency", d->x->o->config->currency);
	json_object_object_add(o, "changes", changes(d));
	json_object_object_add(o, "missing_at", missing(d));
	put_text(o, "stands_still", stands_still(d, &why));
	json_object_put(why);
	json_object_object_add(o, "items", json_object_get(d->items));
	put_bool(o, "more", d->more);
	if (d->x->o->steps) {
		json_object_object_add(o, "steps_was", json_object_get(d->steps_then));
		json_object_object_add(o, "steps_now", json_object_get(d->steps_now));
		put_bool(o, "steps_cut", d->steps_cut);
	}
	return o;
}

static int begin_both(struct diff *d, struct lead_error *err)
{
	int rc = txn_begin(d->x->o->live, false, &d->then.t, err);

	return rc == 0 ? txn_begin(d->x->o->scratch, false, &d->now.t, err) : rc;
}

static void end_both(struct diff *d)
{
	txn_abort(d->then.t);
	txn_abort(d->now.t);
	d->then.t = d->now.t = NULL;
}

static int compare_all(struct diff *d, struct lead_error *err)
{
	uint32_t run = d->x->o->run;
	int rc = begin_both(d, err);

	for (uint32_t number = 1; rc == 0 && number <= d->x->rows; number++) {
		if (load_side(&d->then, run, number) && load_side(&d->now, run, number)) {
			compare(d);
			if (d->x->o->steps) {
				list_steps(d);
			}
		}
		if (number % REPLAY_SLICE == 0) {
			end_both(d);
			rc = begin_both(d, err);
		}
	}
	return rc;
}

int replay_diff(struct replay *x, struct json_object **ret, struct lead_error *err)
{
	struct diff *d = calloc(1, sizeof(*d));
	struct run_row then = {0};
	struct txn *t = NULL;
	int rc = d == NULL ? lead_fail(err, LEAD_ENOMEM, "out of memory") : txn_begin(x->o->live, false, &t, err);

	if (rc == 0) {
		rc = run_read(t, x->o->run, &then) ? 0 : lead_fail(err, LEAD_ESTORE, "run %u is gone", x->o->run);
		txn_abort(t);
	}
	if (rc == 0) {
		d->x = x;
		d->then.run = &then;
		d->now.run = show_run_row(x->engine, x->o->run);
		d->items = json_object_new_array();
		d->steps_then = json_object_new_array();
		d->steps_now = json_object_new_array();
		rc = compare_all(d, err);
		*ret = rc == 0 ? report(d) : NULL;
		end_both(d);
		json_object_put(d->items);
		json_object_put(d->steps_then);
		json_object_put(d->steps_now);
		run_row_fini(&then);
	}
	free(d);
	return rc;
}
