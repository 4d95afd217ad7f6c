/* Leads as JSON: pages of a run's, and one with its timeline and where each of its fields is from. See show.h. */
#include "lib/engine/show/show.h"

#include "lib/engine/call/call.h"
#include "lib/engine/call/job.h"
#include "lib/engine/run/masked.h"
#include "lib/engine/run/run.h"
#include "lib/engine/show/show_job.h"
#include "lib/engine/show/show_put.h"
#include "lib/engine/stage/view.h"
#include "lib/engine/state.h"
#include "lib/store/names.h"

#include <stdio.h>

#define LEADS_MOST 500 /* of a page, and how many are looked at for it: some 6 ms each; a page may be short, or empty, and have a next one */
#define LOOK_AT_MOST 20000

static const struct call *open_call(struct engine *e, uint32_t run, uint32_t number)
{
	struct call *c, *next;

	HASH_ITER(hh, e->calls, c, next) {
		if (c->row.polls == 0 && call_has(&c->row, run, number, NULL)) {
			return c;
		}
	}
	return NULL;
}

static const char *stage_name(const struct run *r, uint8_t stage)
{
	return stage == STAGE_INTAKE ? "intake" : stage < r->row.n_stages ? r->row.stages[stage].name : "?";
}

static struct json_object *lead_object(struct engine *e, struct txn *t, const struct run *r, const struct item *i)
{
	struct json_object *o = json_object_new_object();
	const struct call *c = i->status == ITEM_WAITING && !queue_has(t, i) ? open_call(e, i->run, i->number) : NULL;

	put_int(o, "run", i->run);
	put_int(o, "lead", i->number);
	put_word(o, "level", item_level_word(i->level));
	put_int(o, "parent", i->parent != ITEM_ROOT ? i->parent : 0);
	json_object_object_add(o, "row", i->parent != 0 || r->row.finds || i->level == LEVEL_RUN ? NULL : json_object_new_int64((int64_t)i->number + 1));
	put_word(o, "stage", stage_name(r, i->stage));
	put_word(o, "status", c != NULL ? "in-flight" : item_status_word(i->status));
	put_text(o, "outcome", i->outcome == ITEM_OPEN ? NULL : item_outcome_word(i->outcome));
	put_text(o, "reason", i->reason);
	put_int(o, "spent_micro", i->spent_micro);
	put_word(o, "currency", e->config->currency);
	put_boot(o, "due", i->status == ITEM_RETRYING ? i->due_us : 0, e->now);
	put_call_id(o, "call", c != NULL ? c->id : 0);
	if (c != NULL && c->job != NULL && c->job->open) {
		json_object_object_add(o, "job", job_object(e, t, c->id));
	}
	return o;
}

struct leads_arg {
	struct engine *e;
	struct txn *txn;
	struct run *r;
	const struct lead_filter *f;
	struct json_object *items;
	unsigned n, looked;
	uint32_t last;
	bool more;
};

/* Who it is: enough to recognise a lead in a list. */
static void put_person(struct engine *e, struct json_object *o, struct txn *t, struct run *r, const struct item *i)
{
	static const char *const people[] = {"email", "full_name", "title", "company", NULL}, *const companies[] = {"name", "domain", "company", "website", NULL};
	const char *const *shown = i->level == LEVEL_COMPANY ? companies : people;
	struct json_object *fields = json_object_new_object();
	struct buf masked = {0};
	struct view view;

	if (i->level < LEVEL_RUN) {
		view_open(e, t, r, i->number, &view);
		for (; *shown != NULL; shown++) {
			const char *name = *shown;
			struct value v = view.source.field(view.source.ctx, name, strlen(name));

			v = masked_is(r) ? masked_value(name, strlen(name), &v, &masked) : v;
			put_value(fields, name, strlen(name), &v);
		}
	}
	buf_free(&masked);
	json_object_object_add(o, "fields", fields);
}

static bool on_lead(void *arg, struct slice key, struct slice value)
{
	struct leads_arg *a = arg;
	struct item i;

	if (a->n == a->f->limit || a->n == LEADS_MOST || a->looked++ == LOOK_AT_MOST) {
		a->more = true;
		return false;
	}
	if (!item_decode(key, value, &i)) {
		return true;
	}
	a->last = i.number;
	if (i.level == a->f->level && (a->f->outcomes == 0 || (a->f->outcomes >> i.outcome & 1) != 0) &&
	    (a->f->stage == NULL || strcmp(a->f->stage, stage_name(a->r, i.stage)) == 0)) {
		struct json_object *o = lead_object(a->e, a->txn, a->r, &i);

		put_person(a->e, o, a->txn, a->r, &i);
		json_object_array_add(a->items, o);
		a->n++;
	}
	return true;
}

struct json_object *show_leads(struct engine *e, struct txn *t, uint32_t run, const struct lead_filter *f)
{
	struct leads_arg a = {.e = e, .txn = t, .r = run_get(e, run), .f = f};
	struct json_object *o;

	if (a.r == NULL) {
		return NULL;
	}
	o = json_object_new_object();
	a.items = json_object_new_array();
	txn_walk(t, TABLE_STATE, item_key(run, f->after + 1), run_prefix(run), on_lead, &a);
	put_page(o, a.items, a.more, a.last);
	return o;
}

/* --- one lead: its timeline --- */

struct timeline_arg {
	struct engine *e;
	const struct run *r;
	struct json_object *list;
};

static const char *fact_kind_word(enum fact_kind kind)
{
	static const char *const kinds[] = {"call", "gate", "template", "operator", "unchanged", "warning", "ask", "cached", "reused"};

	return kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[kind] : "?";
}

static bool on_fact(void *arg, const struct fact *f)
{
	struct timeline_arg *a = arg;
	struct json_object *o = json_object_new_object(), *fields = json_object_new_object();
	struct buf masked = {0};

	put_wall(o, "at", f->wall_us);
	put_word(o, "stage", stage_name(a->r, f->stage));
	put_int(o, "step", f->step);
	put_word(o, "kind", fact_kind_word(f->kind));
	put_text(o, "outcome", f->kind == FACT_CALL || f->kind == FACT_CACHED ? outcome_word((enum outcome_class)f->outcome) : NULL);
	put_text(o, "reason", f->reason);
	put_text(o, "service", f->service != 0 ? names_text(a->e->names, NAME_SERVICE, f->service) : NULL);
	put_call_id(o, "call", f->call);
	put_int(o, "price_micro", f->price_micro);
	put_int(o, "saved_micro", f->saved_micro);
	put_bool(o, "joined", f->joined);
	put_int(o, "ms", f->ms);
	put_text(o, "prompt", f->prompt != 0 ? names_text(a->e->names, NAME_PROMPT, f->prompt) : NULL);
	for (size_t i = 0; i < f->n_fields; i++) {
		const struct fact_field *x = &f->fields[i];
		struct value v = masked_is(a->r) ? masked_value(x->name, x->name_len, &x->value, &masked) : x->value;

		put_value(fields, x->name, x->name_len, &v);
	}
	buf_free(&masked);
	json_object_object_add(o, "fields", fields);
	json_object_array_add(a->list, o);
	return true;
}

/* --- where each field is from --- */

struct origin_arg {
	struct engine *e;
	const struct run *r;
	struct json_object *fields, *origins;
};

/* The latest fact that gave a field counts, as in view.c. */
static bool on_origin(void *arg, const struct fact *f)
{
	struct origin_arg *a = arg;

	for (size_t i = 0; i < f->n_fields; i++) {
		char name[256];
		struct json_object *o;

		(void)snprintf(name, sizeof(name), "%.*s", (int)f->fields[i].name_len, f->fields[i].name);
		if (!json_object_object_get_ex(a->fields, name, NULL)) {
			continue; /* not shown */
		}
		o = json_object_new_object();
		put_word(o, "kind", fact_kind_word(f->kind));
		put_word(o, "stage", stage_name(a->r, f->stage));
		put_int(o, "step", f->step);
		put_text(o, "service", f->service != 0 ? names_text(a->e->names, NAME_SERVICE, f->service) : NULL);
		put_call_id(o, "call", f->call);
		put_int(o, "price_micro", f->price_micro);
		put_text(o, "prompt", f->prompt != 0 ? names_text(a->e->names, NAME_PROMPT, f->prompt) : NULL);
		put_wall(o, "at", f->wall_us);
		json_object_object_add(a->origins, name, o);
	}
	return true;
}

static struct json_object *show_origins(struct engine *e, struct txn *t, const struct run *r, enum item_level level, uint32_t number,
    struct json_object *fields)
{
	const struct columns *c = level < LEVEL_RUN && r->has_columns[level] ? &r->columns[level] : NULL;
	struct origin_arg a = {.e = e, .r = r, .fields = fields, .origins = json_object_new_object()};

	for (size_t i = 0; c != NULL && i < c->n; i++) {
		struct json_object *o = json_object_new_object();

		put_word(o, "kind", "row");
		put_word(o, "stage", stage_name(r, STAGE_INTAKE));
		put_wall(o, "at", r->row.created_us);
		json_object_object_add(a.origins, c->list[i].header, o);
	}
	fact_walk(t, r->id, number, on_origin, &a);
	return a.origins;
}

static void on_column(void *arg, const char *name, const struct value *v)
{
	put_value(arg, name, strlen(name), v);
}

struct json_object *show_lead(struct engine *e, struct txn *t, uint32_t run, uint32_t number)
{
	struct timeline_arg a = {.e = e, .r = run_get(e, run)};
	struct json_object *o, *fields;
	struct item i;

	if (a.r == NULL || !item_read(t, run, number, &i)) {
		return NULL;
	}
	o = lead_object(e, t, a.r, &i);
	fields = json_object_new_object();
	show_columns(e, t, run, i.level, number, UINT64_MAX, on_column, fields);
	json_object_object_add(o, "fields", fields);
	json_object_object_add(o, "provenance", show_origins(e, t, a.r, i.level, number, fields));
	a.list = json_object_new_array();
	fact_walk(t, run, number, on_fact, &a);
	json_object_object_add(o, "timeline", a.list);
	return o;
}
