/*
 * Where an item goes next. An item comes here when a call of its ended (stage_outcome) or when it enters a stage
 * (stage_enter); at that moment no counter holds it. It leaves by exactly one of four ways, each of which counts and writes it:
 *
 *   run_queue    waits for the next call        item_hold    waits for a person
 *   stage_retry  waits until due                item_finish  has an outcome
 *
 *   ok, duplicate -> keep fields -> gates -> next stage      empty -> look again | next step | on_empty
 *   throttle, transient, pending -> retry | next step | on_fail        refusal, permanent -> next step | on_fail
 *   quota, auth -> wait (or next step)                       in doubt -> repeat | look up | hold
 */
#include "lib/engine/state.h"

#include "lib/base/json.h"
#include "lib/engine/foretell.h"

#include <stdarg.h>
#include <strings.h>

void item_reason(struct item *i, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(i->reason, sizeof(i->reason), format, ap);
	va_end(ap);
}

void item_finish(struct engine *e, struct run *r, struct item *i, enum item_outcome o, const char *reason)
{
	i->status = ITEM_DONE;
	i->outcome = o;
	i->done_turn = e->turn;
	i->due_us = 0;
	item_reason(i, "%s", reason != NULL ? reason : "");
	run_outcomes(r, i->level)[ITEM_OPEN]--;
	run_outcomes(r, i->level)[o]++;
	run_touch(r);
	item_write(e->txn, i);
	root_see(e, r, i);
}

void item_hold(struct engine *e, struct run *r, struct item *i, const char *reason)
{
	i->status = ITEM_HELD;
	item_reason(i, "%s", reason);
	run_count(r, i->stage)->held++;
	run_touch(r);
	item_write(e->txn, i);
	root_see(e, r, i);
}

void stage_retry(struct engine *e, struct run *r, struct item *i, int64_t due_us)
{
	i->status = ITEM_RETRYING;
	i->due_us = due_us;
	later_push(e->txn, i);
	run_count(r, i->stage)->retrying++;
	r->retrying_begun[i->stage] += i->spent_micro > 0;
	run_touch(r);
	item_write(e->txn, i);
}

void item_cancel(struct engine *e, struct run *r, struct item *i, const char *reason)
{
	if (phase_recalls(i->phase)) {
		recall_give_up(e, r, i, "recall-cancelled");
		return;
	}
	item_finish(e, r, i, i->pushed ? ITEM_DELIVERED : ITEM_PARKED, reason);
}

/* --- what a stage keeps --- */

#define TOO_DEAR "spend-at-most"

struct kept {
	const struct answer *answer; /* NULL: a fallback text, in `extra` */
	struct fact_field extra[2];
	struct view *view;
};

static struct value kept_field(const void *ctx, const char *name, size_t len)
{
	const struct kept *k = ctx;

	for (size_t i = 0; k->answer != NULL && i < k->answer->n_fields; i++) {
		if (strlen(k->answer->fields[i].name) == len && memcmp(k->answer->fields[i].name, name, len) == 0) {
			return k->answer->fields[i].value;
		}
	}
	for (size_t i = 0; k->answer == NULL && i < 2; i++) {
		if (k->extra[i].name_len == len && memcmp(k->extra[i].name, name, len) == 0) {
			return k->extra[i].value;
		}
	}
	return k->view->source.field(k->view->source.ctx, name, len);
}

/* The record with the answer's fields laid over it: the last of two equal names wins. */
static void kept_write(const void *ctx, struct buf *out)
{
	const struct kept *k = ctx;

	k->view->source.write(k->view->source.ctx, out);
	if (out->failed || out->len == 0) {
		return;
	}
	out->len--; /* the closing brace */
	for (size_t i = 0; k->answer != NULL && i < k->answer->n_fields; i++) {
		buf_add_text(out, out->data[out->len - 1] == '{' ? "" : ",");
		json_write_string(out, k->answer->fields[i].name, strlen(k->answer->fields[i].name));
		buf_add_char(out, ':');
		value_write_json(out, &k->answer->fields[i].value);
	}
	buf_add_char(out, '}');
}

struct list_name {
	const char *name;
	bool is;
};

static void on_list_name(void *arg, const char *name, size_t len)
{
	struct list_name *n = arg;

	n->is = n->is || (strlen(n->name) == len && memcmp(n->name, name, len) == 0);
}

/* A list that becomes items is not kept beside them. */
static bool becomes_items(const struct stage *st, const char *name)
{
	struct list_name n = {.name = name};

	if (st->makes != NULL) {
		template_reads(st->makes->from, on_list_name, &n);
	}
	return n.is;
}

static void keep_answer(const struct stage *st, const struct answer *a, struct fact *f)
{
	for (size_t i = 0; i < a->n_fields && f->n_fields < FACT_FIELDS; i++) {
		if (a->fields[i].value.kind != VALUE_NONE && !becomes_items(st, a->fields[i].name)) {
			f->fields[f->n_fields++] = (struct fact_field){
			    .name = a->fields[i].name, .name_len = (uint32_t)strlen(a->fields[i].name), .value = a->fields[i].value};
		}
	}
}

/* The fields a stage keeps, by its `give:` or as they came; texts in the turn's arena or the answer. */
static void keep_fields(struct engine *e, const struct stage *st, struct kept *k, struct fact *f)
{
	struct expr_source source = {.field = kept_field, .write = kept_write, .ctx = k};
	struct lead_error err;

	if (st->n_gives == 0 && k->answer != NULL) {
		keep_answer(st, k->answer, f);
		return;
	}
	for (size_t i = 0; i < st->n_gives && f->n_fields < FACT_FIELDS; i++) {
		struct fact_field *field = &f->fields[f->n_fields];

		if (template_value(st->gives[i].value, &source, &e->arena, &field->value, &err) != 0 || field->value.kind == VALUE_NONE) {
			continue;
		}
		field->value = value_copy(&e->arena, &field->value);
		field->name = st->gives[i].name;
		field->name_len = (uint32_t)strlen(field->name);
		f->n_fields++;
	}
}

struct fact call_fact(struct engine *e, const struct item *i, const struct call *c, const struct answer *a)
{
	struct fact f = {.kind = c->cached ? FACT_CACHED : FACT_CALL,
	    .stage = i->stage,
	    .step = i->step,
	    .outcome = (uint8_t)a->outcome,
	    .service = c->lane->number,
	    .call = c->id,
	    .turn = e->turn,
	    .wall_us = e->now.wall_us,
	    .price_micro = c->row.state == CALL_REFUNDED ? 0 : call_part(c)->settled_micro};

	if (c->row.sent_us != 0 && c->row.end_us > c->row.sent_us) {
		f.ms = (uint32_t)((c->row.end_us - c->row.sent_us) / US_PER_MS);
	}
	if (a->outcome != OUTCOME_OK && a->reason != NULL) {
		(void)snprintf(f.reason, sizeof(f.reason), "%s", a->reason);
	}
	if (c->cached) {
		f.saved_micro = c->saved_micro;
		f.asked = c->row.hash;
	} else if (c->row.kind == CALL_SINGLE && c->row.n_parts > 1 && c->row.state == CALL_SETTLED) {
		f.saved_micro = call_settled(&c->row) - f.price_micro; /* alone it would have cost as much as all of them */
	}
	f.joined = c->at > 0;
	return f;
}

static void plain_fact(struct engine *e, struct item *i, enum fact_kind kind, const char *reason)
{
	struct fact f = {.kind = kind, .stage = i->stage, .step = i->step, .turn = e->turn, .wall_us = e->now.wall_us};

	(void)snprintf(f.reason, sizeof(f.reason), "%s", reason);
	fact_add(e->txn, i, &f);
}

static bool has_gates(const struct pipeline *p, int after)
{
	for (size_t i = 0; i < p->n_gates; i++) {
		if (p->gates[i].after == after) {
			return true;
		}
	}
	return false;
}

/* --- ways through a chain --- */

static void step_reset(struct item *i)
{
	i->phase = PHASE_CALL;
	i->failures = 0;
	i->doubts = 0;
	i->gate_tries = 0;
	i->prompt = 0;
}

static void finish_pipeline(struct engine *e, struct run *r, struct item *i)
{
	const struct stage *st = run_stage(r, i->stage);
	enum item_outcome o = i->pushed ? ITEM_DELIVERED : ITEM_READY;

	if (st != NULL && st->kind == STAGE_CONFIRM && i->pushed) {
		o = ITEM_CONFIRMED;
	}
	item_finish(e, r, i, o, NULL);
}

static void stage_passed(struct engine *e, struct run *r, struct item *i, int p);
static void stage_failed(struct engine *e, struct run *r, struct item *i, enum stage_policy policy, enum item_outcome o, const char *reason);
static void gate_refused(struct engine *e, struct run *r, struct item *i, const struct gate *g, const char *reason);

/* A chain's last resort: text from a template, marked as such; its gates count like any other's. */
static void fallback_text(struct engine *e, struct run *r, struct item *i, const struct stage *st)
{
	struct fact f = {.kind = FACT_TEMPLATE, .stage = i->stage, .step = i->step, .turn = e->turn, .wall_us = e->now.wall_us};
	int p = r->stage_of[i->stage];
	struct kept kept = {0};
	const struct gate *g = NULL;
	const char *reason = NULL;
	struct lead_error err;
	struct value text;
	struct view view;
	uint16_t prompt;

	view_open(e, e->txn, r, i->number, &view);
	kept.view = &view;
	if (template_value(st->steps[i->step].fallback, &view.source, &e->arena, &text, &err) != 0) {
		run_count(r, i->stage)->failed++;
		item_finish(e, r, i, ITEM_FAILED, "bad-expression");
		return;
	}
	kept.extra[0] = (struct fact_field){.name = "text", .name_len = 4, .value = text};
	kept.extra[1] = (struct fact_field){.name = "model", .name_len = 5, .value = value_text("template")};
	keep_fields(e, st, &kept, &f);
	if (credit_number(e, &st->steps[i->step], &prompt) == 0) {
		credit_fact(e, st, prompt, &f);
	}
	for (size_t k = 0; k < f.n_fields; k++) {
		view_add(&view, &f.fields[k]);
	}
	reason = pipeline_gates(r->pipeline, i->level, p, &view.source, &e->config->lists, &e->arena, &g);
	fact_add(e->txn, i, &f);
	credit_count(r, &f, reason == NULL);
	if (reason != NULL) {
		gate_refused(e, r, i, g, reason);
	} else {
		run_count(r, i->stage)->ok++;
		stage_passed(e, r, i, p);
	}
}

/* --- what a lead may cost at a stage --- */

struct spent_arg {
	uint8_t stage;
	int64_t micro;
};

static bool on_spent(void *arg, const struct fact *f)
{
	struct spent_arg *a = arg;

	a->micro = f->kind == FACT_OPERATOR ? 0 : a->micro + (f->stage == a->stage ? f->price_micro : 0);
	return true;
}

/* Since it came here, or was put back by a person. */
static int64_t spent_at(struct engine *e, const struct item *i, const struct stage *st)
{
	struct spent_arg a = {.stage = i->stage};

	if (st->spend_at_most_micro >= 0) {
		fact_walk(e->txn, i->run, i->number, on_spent, &a);
	}
	return a.micro;
}

bool stage_affords(const struct stage *st, size_t step, int64_t spent_micro)
{
	int64_t price = st->steps[step].call != NULL ? st->steps[step].call->price_micro : 0;

	return st->spend_at_most_micro < 0 || price == 0 || spent_micro + price <= st->spend_at_most_micro;
}

bool stage_fits(struct engine *e, const struct stage *st, const struct item *i)
{
	return st->spend_at_most_micro < 0 || i->step >= st->n_steps || stage_affords(st, i->step, spent_at(e, i, st));
}

/* The next step that the lead may still cost. */
static bool next_step(struct engine *e, struct run *r, struct item *i)
{
	const struct stage *st = run_stage(r, i->stage);
	size_t step = i->step + 1u;
	int64_t spent;

	if (st == NULL || i->phase == PHASE_LOOKUP) {
		return false;
	}
	spent = spent_at(e, i, st);
	while (step < st->n_steps && !stage_affords(st, step, spent)) {
		step++;
	}
	if (step >= st->n_steps) {
		return false;
	}
	i->step = (uint8_t)step;
	step_reset(i);
	if (st->steps[i->step].fallback != NULL) {
		fallback_text(e, r, i, st);
	} else {
		run_queue(e, r, i);
	}
	return true;
}

static void stage_passed(struct engine *e, struct run *r, struct item *i, int p)
{
	const struct stage *st = &r->pipeline->stages[p];

	i->pushed = i->pushed || st->kind == STAGE_PUSH;
	if (st->kind == STAGE_PUSH) {
		verify_pushed(e, r, i);
	}
	stage_enter(e, r, i, p + 1);
}

void stage_through(struct engine *e, struct run *r, struct item *i)
{
	stage_passed(e, r, i, r->stage_of[i->stage]);
}

/* Not for this item; or gates only, which ran where their inputs came to be. */
static bool passes_over(struct engine *e, struct run *r, const struct item *i, const struct stage *st)
{
	struct lead_error err;
	struct value v;
	struct view view;

	if (st->of != i->level || (st->n_steps == 0 && st->makes == NULL)) {
		return true;
	}
	if (i->level == LEVEL_RUN && st->makes != NULL && !r->row.finds) {
		return true; /* a file brings what it would find */
	}
	if (st->when == NULL || e->blind) {
		return false;
	}
	view_open(e, e->txn, r, i->number, &view);
	return expr_eval(st->when, &view.source, &e->arena, &v, &err) != 0 || !value_is_true(&v);
}

/* A company's list becomes leads, without a call. */
static void fan_out(struct engine *e, struct run *r, struct item *i, const struct stage *st)
{
	struct making *m;
	struct view view;

	view_open(e, e->txn, r, i->number, &view);
	m = makes_read(e, i, st, &view.source);
	if (makes_items(e, r, i, st, m) > 0) {
		run_count(r, i->stage)->ok++;
		stage_through(e, r, i);
	} else {
		run_count(r, i->stage)->empty++;
		stage_failed(e, r, i, st->on_empty, ITEM_REJECTED, "nobody-found");
	}
}

/* The run's own item comes to a source, a company to where its leads come out. */
static void enter_makes(struct engine *e, struct run *r, struct item *i, const struct stage *st)
{
	if (i->level == LEVEL_RUN) {
		root_moved(e, r, i);
		if (!source_step(e, r, i, st)) {
			stage_through(e, r, i);
		}
	} else {
		fan_out(e, r, i, st);
	}
}

/* What another campaign had found out: the gates judge it. False: one of them refused it, and the item went elsewhere. */
static bool reused_passes(struct engine *e, struct run *r, struct item *i, int s, struct view *view)
{
	const struct gate *g = NULL;
	const char *reason = pipeline_gates(r->pipeline, i->level, s, &view->source, &e->config->lists, &e->arena, &g);

	if (reason == NULL || r->run_stage_of[s] < 0) {
		return true;
	}
	i->stage = (uint8_t)r->run_stage_of[s];
	i->step = 0;
	step_reset(i);
	gate_refused(e, r, i, g, reason);
	return false;
}

void stage_enter(struct engine *e, struct run *r, struct item *i, int pipeline_stage)
{
	const struct pipeline *p = r->pipeline;
	struct view view;
	size_t s = (size_t)pipeline_stage;

	for (; s < p->n_stages; s++) {
		if (passes_over(e, r, i, &p->stages[s])) {
			continue;
		}
		if (!known_covers(e, r, i, &p->stages[s], &view)) {
			break;
		}
		if (!reused_passes(e, r, i, (int)s, &view)) {
			return;
		}
	}
	if (s >= p->n_stages || r->run_stage_of[s] < 0) {
		finish_pipeline(e, r, i);
		return;
	}
	i->stage = (uint8_t)r->run_stage_of[s];
	i->step = 0;
	step_reset(i);
	if (run_is_over(r)) {
		item_cancel(e, r, i, "cancelled"); /* here a retry goes on: what was paid for is not asked again */
	} else if (!stage_fits(e, &p->stages[s], i)) {
		if (!next_step(e, r, i)) {
			stage_failed(e, r, i, p->stages[s].on_fail, ITEM_REJECTED, TOO_DEAR);
		}
	} else if (p->stages[s].makes != NULL && (i->level == LEVEL_RUN || p->stages[s].n_steps == 0)) {
		enter_makes(e, r, i, &p->stages[s]);
	} else if (p->stages[s].steps[0].fallback != NULL) {
		fallback_text(e, r, i, &p->stages[s]);
	} else {
		run_queue(e, r, i);
	}
}

/* The chain is at its end without success. */
static void stage_failed(struct engine *e, struct run *r, struct item *i, enum stage_policy policy, enum item_outcome o, const char *reason)
{
	struct stage_count *count = run_count(r, i->stage);
	const struct stage *st = run_stage(r, i->stage);

	if (i->phase == PHASE_LOOKUP) { /* nobody could say whether it was done: a person must */
		i->phase = PHASE_CALL;
		item_hold(e, r, i, "in-doubt");
		return;
	}
	if (policy == POLICY_HOLD) {
		item_hold(e, r, i, reason);
		return;
	}
	if (policy == POLICY_PASS || policy == POLICY_UNCHANGED) {
		if (policy == POLICY_UNCHANGED) {
			plain_fact(e, i, FACT_UNCHANGED, reason);
			count->unchanged++;
		}
		stage_enter(e, r, i, r->stage_of[i->stage] + 1);
		return;
	}
	count->failed += o == ITEM_FAILED ? 1 : 0;
	count->rejected += o == ITEM_REJECTED ? 1 : 0;
	/* what goes wrong behind a push does not take the lead back: it is delivered, and nobody should push it again */
	item_finish(e, r, i, i->pushed && st->kind != STAGE_PUSH ? ITEM_DELIVERED : o, reason);
}

struct giver_arg {
	uint8_t stage, step;
};

static bool on_giver(void *arg, const struct fact *f)
{
	struct giver_arg *a = arg;

	a->step = f->stage == a->stage && (f->kind == FACT_CALL || f->kind == FACT_TEMPLATE) ? f->step : a->step;
	return true;
}

/* To the earlier stage's step after the one that gave what was refused. False when that was its last. */
static bool go_back(struct engine *e, struct run *r, struct item *i, const struct stage *st)
{
	struct item at = *i;
	struct giver_arg a = {0};

	if (st->back < 0 || r->run_stage_of[st->back] < 0 || i->pushed) {
		return false;
	}
	a.stage = i->stage = (uint8_t)r->run_stage_of[st->back];
	fact_walk(e->txn, i->run, i->number, on_giver, &a);
	i->step = a.step;
	i->phase = PHASE_CALL;
	if (next_step(e, r, i)) {
		return true;
	}
	*i = at;
	return false;
}

static void gate_refused(struct engine *e, struct run *r, struct item *i, const struct gate *g, const char *reason)
{
	const struct stage *st = run_stage(r, i->stage);
	bool own = g->listed == r->stage_of[i->stage];

	bool again = own && i->gate_tries < st->gate_tries && st->steps[i->step].call != NULL;

	plain_fact(e, i, FACT_GATE, reason);
	again = again && stage_fits(e, st, i);
	if (run_is_over(r) && (again || (own && (i->step + 1u < st->n_steps || st->back >= 0)))) {
		item_cancel(e, r, i, "cancelled");
		return;
	}
	if (again) {
		i->gate_tries++;
		i->doubts = 0;
		run_queue(e, r, i);
		return;
	}
	if (own && (next_step(e, r, i) || go_back(e, r, i, st))) {
		return;
	}
	stage_failed(e, r, i, g->policy == GATE_HOLD ? POLICY_HOLD : POLICY_FAIL, ITEM_REJECTED, reason);
}

/* --- by class of answer --- */

/* Does what was read back carry what it should? The case of letters is free: services store addresses in their own. */
static bool expected(struct engine *e, const struct stage *st, const struct answer *a, const struct view *view)
{
	for (size_t i = 0; i < st->n_expect; i++) {
		struct lead_error err;
		struct value want, got = {0};

		for (size_t k = 0; k < a->n_fields; k++) {
			if (strcmp(a->fields[k].name, st->expect[i].name) == 0) {
				got = a->fields[k].value;
			}
		}
		if (template_value(st->expect[i].value, &view->source, &e->arena, &want, &err) != 0 || got.len != want.len ||
		    (got.len > 0 && strncasecmp(got.text, want.text, got.len) != 0)) {
			return false;
		}
	}
	return true;
}

void count_failure(struct item *i, enum outcome_class class)
{
	if (i->failure_class != (uint8_t)class) {
		i->failures = 0;
		i->failure_class = (uint8_t)class;
	}
	i->failures += i->failures < UINT8_MAX ? 1 : 0;
}

/* Nothing was read back: look again, push again, or leave it as delivered. */
static void confirm_missing(struct engine *e, struct run *r, struct item *i, const struct stage *st, const char *reason)
{
	count_failure(i, OUTCOME_EMPTY);
	if (i->failures < st->looks) {
		stage_retry(e, r, i, e->now.boot_us + st->wait_us);
		return;
	}
	run_count(r, i->stage)->empty++;
	if (st->repair >= 0 && i->repairs < st->repairs) {
		i->repairs++;
		stage_enter(e, r, i, st->repair);
		return;
	}
	item_finish(e, r, i, ITEM_DELIVERED, reason);
}

static void on_empty(struct engine *e, struct run *r, struct item *i, const struct stage *st, const struct call *c, const struct answer *a,
    const char *reason)
{
	if (st->kind == STAGE_CONFIRM) {
		confirm_missing(e, r, i, st, reason);
		return;
	}
	run_count(r, i->stage)->empty++;
	if (i->level == LEVEL_RUN && st->makes != NULL) {
		source_answered(e, r, i, st, c, a, 0); /* a round without anything */
	} else if (!next_step(e, r, i)) {
		stage_failed(e, r, i, st->on_empty, ITEM_REJECTED, reason);
	}
}

static enum tally_end end_of(const struct run *r, const struct item *i, bool seen, const struct gate *g)
{
	if (g == NULL) {
		return seen ? END_PASSED : END_UNSEEN;
	}
	if (g->listed == r->stage_of[i->stage]) {
		return g->policy == GATE_HOLD ? END_OWN_HOLD : END_OWN_REJECT;
	}
	return g->policy == GATE_HOLD ? END_OTHER_HOLD : END_OTHER_REJECT;
}

/* What it was told is kept and let through: items come of it, or the next page, or the next stage. */
static void stage_succeeded(struct engine *e, struct run *r, struct item *i, const struct stage *st, const struct call *c, const struct answer *a,
    struct making *making)
{
	uint64_t made = st->makes != NULL ? makes_items(e, r, i, st, making) : 0;

	run_count(r, i->stage)->ok++;
	if (i->level == LEVEL_RUN) {
		root_moved(e, r, i);
	}
	if (i->level == LEVEL_RUN && st->makes != NULL) {
		source_answered(e, r, i, st, c, a, made);
	} else if (page_next(e, i, c, a)) {
		step_reset(i);
		run_queue(e, r, i);
	} else if (st->makes != NULL && made == 0) {
		stage_failed(e, r, i, st->on_empty, ITEM_REJECTED, "nobody-found");
	} else {
		stage_through(e, r, i);
	}
}

static void on_success(struct engine *e, struct run *r, struct item *i, const struct stage *st, const struct call *c, const struct answer *a)
{
	struct fact f = call_fact(e, i, c, a);
	int p = r->stage_of[i->stage];
	struct kept kept = {.answer = a};
	const struct gate *g = NULL;
	const char *reason = NULL;
	bool seen = true, reads = st->n_gives > 0 || st->n_expect > 0 || st->makes != NULL || st->created != NULL || st->kind == STAGE_CONFIRM || has_gates(r->pipeline, p);
	struct making *making = NULL;
	struct view view = {0};

	/* everything is read before anything is written: the store's pages move under a write */
	if (!e->blind && reads) {
		view_open(e, e->txn, r, i->number, &view);
		kept.view = &view;
		seen = st->kind != STAGE_CONFIRM || expected(e, st, a, &view);
	}
	if (!e->blind) {
		keep_fields(e, st, &kept, &f);
		credit_fact(e, st, c->row.prompt, &f);
	}
	for (size_t k = 0; k < f.n_fields && kept.view != NULL; k++) {
		view_add(&view, &f.fields[k]);
	}
	if (e->blind) {
		enum tally_end end = c->members != NULL ? c->members[c->at].foretold : c->foretold;

		seen = end != END_UNSEEN;
		reason = foretell_gates(r, p, end, &g);
	} else if (seen) {
		reason = pipeline_gates(r->pipeline, i->level, p, &view.source, &e->config->lists, &e->arena, &g);
	}
	if (st->makes != NULL && kept.view != NULL && seen && reason == NULL) {
		making = makes_read(e, i, st, &(struct expr_source){.field = kept_field, .write = kept_write, .ctx = &kept});
	}
	if (st->kind == STAGE_PUSH || (st->kind == STAGE_CONFIRM && seen)) {
		recall_own(e, r, i, st, c, a, kept.view != NULL ? &(struct expr_source){.field = kept_field, .write = kept_write, .ctx = &kept} : NULL);
	}
	fact_add(e->txn, i, &f);
	credit_count(r, &f, seen && reason == NULL);
	tally_end(e, c, a, end_of(r, i, seen, reason != NULL ? g : NULL));
	if (!seen && run_is_over(r)) {
		item_cancel(e, r, i, "cancelled");
	} else if (!seen) {
		on_empty(e, r, i, st, c, a, "not-as-pushed");
	} else if (reason != NULL) {
		gate_refused(e, r, i, g, reason);
	} else {
		stage_succeeded(e, r, i, st, c, a, making);
	}
}

/* Pending at the last try too: asked often enough, what it says is what there is, and the gates judge it. */
static bool is_success(const struct item *i, const struct call *c, const struct answer *a)
{
	const struct retry_spec *retry = &c->call->retry[OUTCOME_PENDING];
	unsigned failures = i->failure_class == OUTCOME_PENDING ? i->failures : 0;

	return a->outcome == OUTCOME_OK || a->outcome == OUTCOME_DUPLICATE ||
	       (a->outcome == OUTCOME_PENDING && retry->attempts != 0 && failures + 1 >= retry->attempts);
}

/* Throttle, transient, pending, unsent: the same request later, as often as the class allows. */
static void on_later(struct engine *e, struct run *r, struct item *i, const struct stage *st, const struct call *c, const struct answer *a)
{
	bool unsent = a->outcome == OUTCOME_UNSENT, again;
	const struct retry_spec *retry = &c->call->retry[unsent ? OUTCOME_TRANSIENT : a->outcome];

	count_failure(i, a->outcome);
	if (a->outcome == OUTCOME_THROTTLE && st->on_quota_next && next_step(e, r, i)) {
		return;
	}
	again = retry->attempts == 0 || i->failures < retry->attempts;
	if (!again && next_step(e, r, i)) {
		return;
	}
	/* a service that cannot be reached is not the lead's fault: the breaker sets the pace, and nothing was sent or paid */
	if (again || (unsent && c->def->breaker.enabled)) {
		stage_retry(e, r, i, e->now.boot_us + retry_wait_us(retry, i->failures, a->retry_after_us, dice_roll(&e->dice)));
		return;
	}
	stage_failed(e, r, i, st->on_fail, ITEM_FAILED, a->reason);
}

static void on_doubt(struct engine *e, struct run *r, struct item *i, const struct call *c)
{
	uint32_t times = c->call->doubt_times != 0 ? c->call->doubt_times : 1;

	i->doubts++;
	if (c->call->doubt == DOUBT_LOOKUP) {
		i->phase = PHASE_LOOKUP;
		i->prompt = c->row.prompt;
		times = c->call->doubt_times != 0 ? c->call->doubt_times : 3;
	}
	if (c->call->doubt == DOUBT_HOLD || i->doubts > times) {
		i->phase = PHASE_CALL;
		item_hold(e, r, i, "in-doubt");
		return;
	}
	run_queue(e, r, i);
}

/* A call in doubt was looked up: there it is, as if it had answered, or it is made again. False: nobody could say. */
static bool lookup_outcome(struct engine *e, struct run *r, struct item *i, const struct stage *st, const struct call *c, const struct answer *a)
{
	if (a->outcome == OUTCOME_OK || a->outcome == OUTCOME_DUPLICATE) {
		i->phase = PHASE_CALL;
		on_success(e, r, i, st, c, a);
		return true;
	}
	if (a->outcome == OUTCOME_EMPTY) {
		struct fact f = call_fact(e, i, c, a);

		fact_add(e->txn, i, &f);
		i->phase = PHASE_CALL;
		if (run_is_over(r)) {
			item_cancel(e, r, i, "cancelled");
		} else {
			run_queue(e, r, i);
		}
		return true;
	}
	return false;
}

static void by_class(struct engine *e, struct run *r, struct item *i, const struct stage *st, const struct call *c, const struct answer *a)
{
	switch (a->outcome) {
	case OUTCOME_EMPTY:
		on_empty(e, r, i, st, c, a, a->reason != NULL ? a->reason : "empty");
		break;
	case OUTCOME_PENDING:
	case OUTCOME_THROTTLE:
	case OUTCOME_TRANSIENT:
	case OUTCOME_UNSENT:
		on_later(e, r, i, st, c, a);
		break;
	case OUTCOME_QUOTA:
	case OUTCOME_AUTH:
		if (!st->on_quota_next || !next_step(e, r, i)) {
			run_queue(e, r, i); /* the key is parked: the item waits for it */
		}
		break;
	case OUTCOME_IN_DOUBT:
		on_doubt(e, r, i, c);
		break;
	default: /* refusal, permanent */
		if (!next_step(e, r, i)) {
			stage_failed(e, r, i, st->on_fail, ITEM_FAILED, a->reason);
		}
		break;
	}
}

/* In a chain what a provider found beside what was wanted is there for the next one. */
static void keep_of_empty(struct engine *e, struct run *r, const struct item *i, const struct stage *st, const struct answer *a, struct fact *f)
{
	struct kept kept = {.answer = a};
	struct view view;

	if (a->outcome == OUTCOME_EMPTY && st->n_steps > 1 && i->phase == PHASE_CALL && a->n_fields > 0 && !e->blind) {
		view_open(e, e->txn, r, i->number, &view);
		kept.view = &view;
		keep_fields(e, st, &kept, f);
	}
}

void stage_outcome(struct engine *e, struct run *r, struct item *i, const struct call *c, const struct answer *a)
{
	const struct stage *st = run_stage(r, i->stage);
	struct fact f;

	if (i->phase == PHASE_VERIFY) {
		verify_outcome(e, r, i, c, a);
		return;
	}
	if (phase_recalls(i->phase)) {
		recall_outcome(e, r, i, c, a);
		return;
	}
	if (st == NULL || c->call == NULL) {
		f = call_fact(e, i, c, a);
		fact_add(e->txn, i, &f);
		if (run_is_over(r)) {
			item_cancel(e, r, i, "cancelled");
		} else {
			item_hold(e, r, i, STAGE_GONE);
		}
		return;
	}
	if (i->phase == PHASE_LOOKUP && lookup_outcome(e, r, i, st, c, a)) {
		return;
	}
	if (i->phase == PHASE_CALL && is_success(i, c, a)) {
		on_success(e, r, i, st, c, a);
		return;
	}
	f = call_fact(e, i, c, a);
	keep_of_empty(e, r, i, st, a, &f);
	fact_add(e->txn, i, &f);
	if (run_is_over(r)) { /* nothing of the run is granted any more, a look-up neither */
		item_cancel(e, r, i, a->outcome == OUTCOME_IN_DOUBT ? "in-doubt" : "cancelled");
		return;
	}
	by_class(e, r, i, st, c, a);
}

void stage_unanswered(struct engine *e, struct run *r, struct item *i, const struct call *c, const struct answer *a)
{
	struct fact f = call_fact(e, i, c, a);

	fact_add(e->txn, i, &f);
	if (i->phase == PHASE_VERIFY) {
		verify_stop(e, r, i, NO_ANSWER);
		return;
	}
	if (phase_recalls(i->phase)) {
		recall_give_up(e, r, i, NO_ANSWER);
		return;
	}
	i->phase = PHASE_CALL;
	item_hold(e, r, i, NO_ANSWER);
}

void stage_lacks(struct engine *e, struct run *r, struct item *i, const char *reason)
{
	plain_fact(e, i, FACT_GATE, reason);
	if (!next_step(e, r, i)) {
		stage_failed(e, r, i, run_stage(r, i->stage)->on_empty, ITEM_REJECTED, reason);
	}
}

void stage_too_dear(struct engine *e, struct run *r, struct item *i)
{
	const struct stage *st = run_stage(r, i->stage);

	plain_fact(e, i, FACT_GATE, TOO_DEAR);
	if (!next_step(e, r, i)) {
		stage_failed(e, r, i, st->on_fail, ITEM_REJECTED, TOO_DEAR);
	}
}

void stage_down(struct engine *e, struct run *r, struct item *i, const char *service)
{
	const struct stage *st = run_stage(r, i->stage);
	char reason[ITEM_REASON];

	(void)snprintf(reason, sizeof(reason), "down: %.30s", service);
	plain_fact(e, i, FACT_WARNING, reason);
	if (!next_step(e, r, i)) {
		stage_failed(e, r, i, st->on_down, ITEM_FAILED, reason);
	}
}
