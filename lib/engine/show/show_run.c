/* Runs as JSON: where each stands, what it cost, what it waits for and when it will end. See show.h. */
#include "lib/engine/show/show.h"

#include "lib/engine/call/call.h"
#include "lib/engine/call/finish.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/call/schedule.h"
#include "lib/engine/plan/forecast.h"
#include "lib/engine/run/approve.h"
#include "lib/engine/run/masked.h"
#include "lib/engine/run/run.h"
#include "lib/engine/show/show_job.h"
#include "lib/engine/show/show_put.h"
#include "lib/engine/state.h"
#include "lib/store/names.h"

#include <stdio.h>

#define RUNS_MOST 250 /* of a page: some 8 ms */

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
	put_int(o, "passed", (int64_t)c->passed);
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

/* Where its rows come from, and how many are in so far. */
static void put_intake(struct json_object *o, const struct run_row *row)
{
	put_word(o, "source", row->source);
	put_text(o, "intake", row->intake);
	put_text(o, "outside", row->outside);
	put_bool(o, "open_for_more", row->open);
	put_int(o, "total", total_of(row->outcomes));
	put_int(o, "imported", total_of(row->outcomes));
	put_bool(o, "importing", row->importing);
	put_int(o, "import_bytes", (int64_t)row->bytes);
	put_int(o, "import_bytes_total", (int64_t)row->bytes_total);
}

static void put_notes(struct json_object *o, struct txn *t, uint32_t run)
{
	struct json_object *notes = json_object_new_array();

	note_walk(t, run, on_note, notes);
	json_object_object_add(o, "notes", notes);
}

/* Those that make calls or wait for a person; those of a pipeline that is gone, too. */
static void put_stages(struct engine *e, struct json_object *o, const struct run *r, const struct run_row *row)
{
	struct json_object *stages = json_object_new_array();

	for (uint8_t s = 0; s < row->n_stages; s++) {
		const struct stage *st = r != NULL ? run_stage(r, s) : NULL;

		if (st == NULL || st->n_steps > 0 || st->kind == STAGE_APPROVAL) {
			json_object_array_add(stages, show_stage(e, r, row, s));
		}
	}
	json_object_object_add(o, "stages", stages);
}

static struct json_object *run_object(struct engine *e, struct txn *t, const struct run_row *row, struct now now)
{
	struct run *r = run_get(e, row->id);
	struct json_object *o = json_object_new_object();
	char results[32];

	put_int(o, "run", row->id);
	put_word(o, "campaign", row->campaign);
	put_word(o, "pipeline", row->pipeline);
	e->now = now;
	put_word(o, "state", r != NULL ? approve_run_word(e, r) : run_state_word(row->state));
	put_word(o, "task", r != NULL ? approve_task_word(e, r) : "running");
	put_text(o, "why", row->why);
	put_wall(o, "created", row->created_us);
	put_wall(o, "started", row->started_us);
	put_wall(o, "ended", row->ended_us);
	put_int(o, "priority", row->priority);
	put_int(o, "share", row->share);
	json_object_object_add(o, "budget_micro", row->budget_micro < 0 ? NULL : json_object_new_int64(row->budget_micro));
	put_wall(o, "by", row->by_us);
	put_intake(o, row);
	put_outcomes(o, row->outcomes);
	put_int(o, "recalling", (int64_t)row->recalling);
	put_finding(o, t, r, row);
	put_money(e, t, o, row->id);
	put_waiting_for(e, o, r, now);
	put_forecast(e, o, r, now);
	put_approval(e, o, r);
	put_bool(o, "preview", row->preview);
	put_int(o, "sample", row->sample);
	put_notes(o, t, row->id);
	(void)snprintf(results, sizeof(results), "runs/%u", row->id);
	put_text(o, "results", row->written && now.wall_us - row->ended_us < e->config->results_keep_us ? results : NULL);
	put_stages(e, o, r, row);
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

	limit = limit < RUNS_MOST ? limit : RUNS_MOST;
	for (; id > 0 && n < limit; id--) {
		struct run *r = run_get(e, id);

		if (r != NULL) {
			json_object_array_add(items, run_object(e, t, &r->row, now));
			n++;
		}
	}
	put_page(o, items, id > 0, id + 1);
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
