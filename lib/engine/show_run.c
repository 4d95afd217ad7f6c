/* Runs, leads and their timelines as JSON; and an item's columns for the results. See show.h. */
#include "lib/engine/show.h"

#include "lib/engine/approve.h"
#include "lib/engine/call.h"
#include "lib/engine/finish.h"
#include "lib/engine/forecast.h"
#include "lib/engine/job.h"
#include "lib/engine/lane.h"
#include "lib/engine/masked.h"
#include "lib/engine/run.h"
#include "lib/engine/schedule.h"
#include "lib/engine/show_job.h"
#include "lib/engine/show_put.h"
#include "lib/engine/state.h"
#include "lib/engine/view.h"
#include "lib/store/names.h"

#include <stdio.h>

/* --- runs --- */

static void put_outcomes(struct json_object *o, const uint64_t outcomes[ITEM_OUTCOMES])
{
	struct json_object *counts = json_object_new_object();

	for (int i = ITEM_READY; i < ITEM_OUTCOMES; i++) {
		put_int(counts, item_outcome_word((enum item_outcome)i), (int64_t)outcomes[i]);
	}
	json_object_object_add(o, "outcomes", counts);
	put_int(o, "open", (int64_t)outcomes[ITEM_OPEN]);
}

static int64_t total_of(const uint64_t outcomes[ITEM_OUTCOMES])
{
	uint64_t sum = 0;

	for (int i = 0; i < ITEM_OUTCOMES; i++) {
		sum += outcomes[i];
	}
	return (int64_t)sum;
}

/* Why the run's last source ended. */
static bool on_source(void *arg, const struct fact *f)
{
	if (f->kind == FACT_ASK && f->reason[0] != 0) {
		(void)snprintf(arg, ITEM_REASON, "%s", f->reason);
	}
	return true;
}

/* A run that finds what it works on: what it was told, where its own item stands, how many companies it has. */
static void put_finding(struct json_object *o, struct txn *t, const struct run *r, const struct run_row *row)
{
	struct json_object *companies = NULL, *finding = NULL;
	char why[ITEM_REASON] = "";
	struct item root;

	if (row->company_columns.len > 0) {
		companies = json_object_new_object();
		put_int(companies, "total", total_of(row->companies));
		put_outcomes(companies, row->companies);
	}
	if (item_read(t, row->id, ITEM_ROOT, &root)) {
		finding = json_object_new_object();
		fact_walk(t, row->id, ITEM_ROOT, on_source, why);
		put_word(finding, "stage", root.stage < row->n_stages ? row->stages[root.stage].name : "?");
		put_word(finding, "status", r != NULL && r->root_waits ? "waits for what it found" : item_status_word(root.status));
		put_text(finding, "outcome", root.outcome == ITEM_OPEN ? NULL : item_outcome_word(root.outcome));
		put_text(finding, "reason", root.reason[0] != 0 ? root.reason : why);
		put_int(finding, "rounds", root.round);
		put_int(finding, "given_up", root.widened);
		put_int(finding, "spent_micro", root.spent_micro);
	}
	json_object_object_add(o, "params", row->params.len > 0 ? json_tokener_parse(row->params.data) : NULL);
	json_object_object_add(o, "quantity", row->quantity > 0 ? json_object_new_int64((int64_t)row->quantity) : NULL);
	json_object_object_add(o, "companies", companies);
	json_object_object_add(o, "finding", finding);
}

static void put_money(struct engine *e, struct txn *t, struct json_object *o, uint32_t run)
{
	struct balance b;

	(void)account_read(t, (struct account_id){.kind = ACCOUNT_RUN, .owner = run}, &b);
	put_int(o, "settled_micro", b.settled_micro);
	put_int(o, "reserved_micro", b.reserved_micro);
	put_int(o, "in_doubt_micro", b.in_doubt_micro);
	put_word(o, "currency", e->config->currency);
}

static const char *kind_word(const struct run *r, uint8_t stage)
{
	static const char *const kinds[] = {"gates", "call", "push", "confirm", "approval"};
	const struct stage *st = r != NULL ? run_stage(r, stage) : NULL;

	return st == NULL ? "gone" : kinds[st->kind];
}

/* What each version of the stage's prompt has written, in the order of their first texts; nothing where no prompt has a file. */
static void put_prompts(struct engine *e, struct json_object *o, const struct run_row *row, uint8_t s)
{
	struct json_object *list = NULL;

	for (size_t i = 0; i < row->n_prompts; i++) {
		const struct prompt_count *n = &row->prompts[i];
		struct json_object *p = n->stage == s ? json_object_new_object() : NULL;

		if (p != NULL) {
			put_word(p, "prompt", n->prompt != 0 ? names_text(e->names, NAME_PROMPT, n->prompt) : "others");
			put_int(p, "written", (int64_t)n->written);
			put_int(p, "passed", (int64_t)n->passed);
			list = list != NULL ? list : json_object_new_array();
			json_object_array_add(list, p);
		}
	}
	if (list != NULL) {
		json_object_object_add(o, "prompts", list);
	}
}

static struct json_object *show_stage(struct engine *e, const struct run *r, const struct run_row *row, uint8_t s)
{
	const struct stage_count *c = &row->stages[s].count;
	struct json_object *o = json_object_new_object();
	int64_t in_flight = r != NULL ? r->in_flight[s] : 0;

	put_word(o, "stage", row->stages[s].name);
	put_word(o, "kind", kind_word(r, s));
	put_word(o, "of", item_level_word(r != NULL && run_stage(r, s) != NULL ? run_stage(r, s)->of : LEVEL_LEAD));
	put_prompts(e, o, row, s);
	put_jobs(e, o, row->id, s);
	put_int(o, "waiting", (int64_t)c->waiting - in_flight);
	put_int(o, "in_flight", in_flight);
	put_int(o, "retrying", (int64_t)c->retrying);
	put_int(o, "held", (int64_t)c->held);
	put_int(o, "ok", (int64_t)c->ok);
	put_int(o, "empty", (int64_t)c->empty);
	put_int(o, "rejected", (int64_t)c->rejected);
	put_int(o, "failed", (int64_t)c->failed);
	put_int(o, "unchanged", (int64_t)c->unchanged);
	put_int(o, "cached", (int64_t)c->cached);
	put_int(o, "shared", (int64_t)c->shared);
	put_int(o, "calls", (int64_t)c->calls);
	put_int(o, "settled_micro", c->settled_micro);
	return o;
}

/* What holds the run up most: the fullest place in its queue and its binding condition. */
static void put_waiting_for(struct engine *e, struct json_object *o, struct run *r, struct now now)
{
	struct slot *worst = NULL;
	char text[200];

	for (size_t i = 0; r != NULL && i < r->n_slots; i++) {
		if (r->slots[i].queued > 0 && (worst == NULL || r->slots[i].queued > worst->queued)) {
			worst = &r->slots[i];
		}
	}
	put_text(o, "waiting_for", NULL);
	if (worst != NULL && r->row.state == RUN_RUNNING) {
		struct verdict v;

		e->now = now;
		v = gate_call(e, r, worst, NULL, NULL);
		(void)snprintf(text, sizeof(text), "%s: %s %s", r->row.stages[worst->stage].name, worst->lane->name, condition_word(v.binding));
		if (v.binding == COND_WINDOW) {
			char window[48];

			window_write(&worst->lane->def->limits[v.limit].windows[v.window], window);
			(void)snprintf(text, sizeof(text), "%s: %s window %s", r->row.stages[worst->stage].name, worst->lane->name, window);
		}
		put_text(o, "waiting_for", v.binding == COND_NONE ? NULL : text);
	}
}

static void put_forecast(struct engine *e, struct json_object *o, struct run *r, struct now now)
{
	struct json_object *f = NULL;
	struct forecast forecast;

	e->now = now;
	if (r != NULL && forecast_run(e, r, &forecast)) {
		f = json_object_new_object();
		put_wall(f, "finish", forecast.finish_us);
		put_int(f, "cost_micro", forecast.cost_micro);
		put_int(f, "calls", (int64_t)forecast.calls);
		put_int(f, "begun", (int64_t)finish_begun(r));
		put_int(f, "through", (int64_t)forecast.through);
		put_int(f, "not_started", (int64_t)forecast.not_started);
	}
	put_wall(o, "eta", f != NULL ? forecast.finish_us : 0);
	json_object_object_add(o, "forecast", f);
}

/* What a person has to release, and what that will cost. */
static void put_approval(struct engine *e, struct json_object *o, struct run *r)
{
	struct json_object *a = NULL, *at = NULL;
	struct approve_wait w;
	char text[160];

	if (r != NULL && approve_waits(e, r, &w)) {
		a = json_object_new_object();
		at = json_object_new_array();
		for (uint32_t bits = w.missing; bits != 0; bits &= bits - 1) {
			json_object_array_add(at, json_object_new_string(approve_name(r, bits & -bits)));
		}
		approve_text(e, r, w.missing, text);
		json_object_object_add(a, "at", at);
		put_word(a, "text", text);
		put_int(a, "leads", (int64_t)w.leads);
		put_int(a, "estimate_micro", w.estimate_micro);
		put_int(a, "worst_micro", w.worst_micro);
	}
	json_object_object_add(o, "approval", a);
}

static bool on_note(void *arg, const struct note *n)
{
	struct json_object *o = json_object_new_object();

	put_wall(o, "at", n->wall_us);
	put_word(o, "kind", note_word(n->kind));
	put_word(o, "who", n->who);
	put_word(o, "what", n->what);
	json_object_object_add(o, "amount_micro", n->amount_micro < 0 ? NULL : json_object_new_int64(n->amount_micro));
	json_object_array_add(arg, o);
	return json_object_array_length(arg) < 100;
}

static struct json_object *run_object(struct engine *e, struct txn *t, const struct run_row *row, struct now now)
{
	struct run *r = run_get(e, row->id);
	struct json_object *o = json_object_new_object();
	struct json_object *stages = json_object_new_array(), *notes = json_object_new_array();
	char results[32];

	put_int(o, "run", row->id);
	put_word(o, "campaign", row->campaign);
	put_word(o, "pipeline", row->pipeline);
	e->now = now;
	put_word(o, "state", r != NULL ? approve_run_word(e, r) : run_state_word(row->state));
	put_word(o, "task", r != NULL ? approve_task_word(e, r) : "running");
	put_text(o, "why", row->why);
	put_word(o, "source", row->source);
	put_wall(o, "created", row->created_us);
	put_wall(o, "started", row->started_us);
	put_wall(o, "ended", row->ended_us);
	put_text(o, "intake", row->intake);
	put_text(o, "outside", row->outside);
	put_bool(o, "open_for_more", row->open);
	put_int(o, "priority", row->priority);
	put_int(o, "share", row->share);
	json_object_object_add(o, "budget_micro", row->budget_micro < 0 ? NULL : json_object_new_int64(row->budget_micro));
	put_wall(o, "by", row->by_us);
	put_int(o, "total", total_of(row->outcomes));
	put_int(o, "imported", total_of(row->outcomes));
	put_bool(o, "importing", row->importing);
	put_int(o, "import_bytes", (int64_t)row->bytes);
	put_int(o, "import_bytes_total", (int64_t)row->bytes_total);
	put_outcomes(o, row->outcomes);
	put_int(o, "recalling", (int64_t)row->recalling);
	put_finding(o, t, r, row);
	put_money(e, t, o, row->id);
	put_waiting_for(e, o, r, now);
	put_forecast(e, o, r, now);
	put_approval(e, o, r);
	put_bool(o, "preview", row->preview);
	put_int(o, "sample", row->sample);
	note_walk(t, row->id, on_note, notes);
	json_object_object_add(o, "notes", notes);
	(void)snprintf(results, sizeof(results), "runs/%u", row->id);
	put_text(o, "results", row->written && now.wall_us - row->ended_us < e->config->results_keep_us ? results : NULL);
	for (uint8_t s = 0; s < row->n_stages; s++) {
		const struct stage *st = r != NULL ? run_stage(r, s) : NULL;

		if (st == NULL || st->n_steps > 0 || st->kind == STAGE_APPROVAL) {
			json_object_array_add(stages, show_stage(e, r, row, s));
		}
	}
	json_object_object_add(o, "stages", stages);
	return o;
}

struct json_object *show_run(struct engine *e, struct txn *t, uint32_t run, struct now now)
{
	struct run *r = run_get(e, run);

	return r != NULL ? run_object(e, t, &r->row, now) : NULL;
}

struct json_object *show_runs(struct engine *e, struct txn *t, uint32_t before, unsigned limit, struct now now)
{
	struct json_object *o = json_object_new_object(), *items = json_object_new_array();
	uint32_t id = before != 0 ? before - 1 : run_last_id(t);
	unsigned n = 0;

	for (; id > 0 && n < limit; id--) {
		struct run *r = run_get(e, id);

		if (r != NULL) {
			json_object_array_add(items, run_object(e, t, &r->row, now));
			n++;
		}
	}
	json_object_object_add(o, "items", items);
	json_object_object_add(o, "next", NULL);
	if (id > 0) {
		char cursor[16];

		(void)snprintf(cursor, sizeof(cursor), "%u", id + 1);
		put_word(o, "next", cursor);
	}
	return o;
}

bool show_is_masked(struct engine *e, uint32_t run)
{
	struct run *r = run_get(e, run);

	return r != NULL && masked_is(r);
}

const struct run_row *show_run_row(struct engine *e, uint32_t run)
{
	struct run *r = run_get(e, run);

	return r != NULL ? &r->row : NULL;
}

/* --- leads --- */

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
	put_int(o, "parent", i->parent);
	put_int(o, "row", (int64_t)i->number + 1);
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
	static const enum lead_field shown[] = {FIELD_EMAIL, FIELD_FULL_NAME, FIELD_TITLE, FIELD_COMPANY};
	struct json_object *fields = json_object_new_object();
	struct buf masked = {0};
	struct view view;

	if (i->level < LEVEL_RUN) {
		view_open(e, t, r, i->number, &view);
		for (size_t k = 0; k < sizeof(shown) / sizeof(shown[0]); k++) {
			const char *name = lead_field_names[shown[k]];
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

	if (a->n == a->f->limit || a->looked++ == 20000) {
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
	json_object_object_add(o, "items", a.items);
	json_object_object_add(o, "next", NULL);
	if (a.more) {
		char cursor[16];

		(void)snprintf(cursor, sizeof(cursor), "%u", a.last);
		put_word(o, "next", cursor);
	}
	return o;
}

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

/* --- columns of the results --- */

struct columns_arg {
	struct view *view;
	uint64_t before_turn;
	uint32_t unchanged; /* bit per stage of the run */
};

static bool on_column_fact(void *arg, const struct fact *f)
{
	struct columns_arg *a = arg;

	if (f->kind == FACT_UNCHANGED && f->stage < RUN_STAGES && f->turn < a->before_turn) {
		a->unchanged |= 1u << f->stage;
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

static bool may_stay_unchanged(const struct run *r, enum item_level level)
{
	for (size_t s = 0; r->pipeline != NULL && s < r->pipeline->n_stages; s++) {
		const struct stage *st = &r->pipeline->stages[s];

		if (st->of == level && (st->on_fail == POLICY_UNCHANGED || st->on_empty == POLICY_UNCHANGED || st->on_down == POLICY_UNCHANGED)) {
			return true;
		}
	}
	return false;
}

/* The stages that brought nothing to an item that went on all the same. */
static void unchanged_column(const struct run *r, uint32_t stages, uint32_t number, column_fn f, void *arg)
{
	struct buf names = {0};
	struct value v;

	for (; stages != 0; stages &= stages - 1) {
		unsigned s = (unsigned)__builtin_ctz(stages);

		buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", s < r->row.n_stages ? r->row.stages[s].name : "?");
	}
	v = number == 0 ? value_text("unchanged") : names.len > 0 ? value_text(names.data) : (struct value){0};
	f(arg, "unchanged", &v);
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

void show_columns(struct engine *e, struct txn *t, uint32_t run, enum item_level level, uint32_t number, uint64_t before_turn, column_fn f,
    void *arg)
{
	struct run *r = run_get(e, run);
	const struct columns *c = r != NULL && level < LEVEL_RUN && r->has_columns[level] ? &r->columns[level] : NULL;
	const char *names[VIEW_FIELDS];
	struct view view;
	struct columns_arg a = {.view = &view, .before_turn = before_turn};
	struct buf hidden = {0};
	bool mask = r != NULL && number != 0 && masked_is(r);
	struct slice row;
	size_t n;

	if (r == NULL) {
		return;
	}
	view_open(e, t, r, 0, &view);
	if (number != 0) {
		view.has_row = c != NULL && item_row(t, run, number, &row) && record_open(&view.row, c, row.data, row.len);
		fact_walk(t, run, number, on_column_fact, &a);
	}
	for (size_t i = 0; c != NULL && i < c->n; i++) { /* a column that a stage gives too is one column: the later value counts */
		struct value v = number == 0 ? value_text(c->list[i].header) : given_value(&view, c->list[i].header);

		v = v.kind == VALUE_NONE && view.has_row ? record_cell(&view.row, i) : v;
		if (mask) {
			int field = c->list[i].field;
			const char *name = field >= 0 ? lead_field_names[field] : c->list[i].header;

			v = masked_value(name, strlen(name), &v, &hidden);
		}
		f(arg, c->list[i].header, &v);
	}
	n = given_names(r, level, names, VIEW_FIELDS);
	for (size_t i = 0; i < n; i++) {
		struct value v = number == 0 ? value_text(names[i]) : given_value(&view, names[i]);

		if (is_column(c, names[i])) {
			continue;
		}
		v = mask ? masked_value(names[i], strlen(names[i]), &v, &hidden) : v;
		f(arg, names[i], &v);
	}
	if (may_stay_unchanged(r, level)) {
		unchanged_column(r, a.unchanged, number, f, arg);
	}
	buf_free(&hidden);
}
