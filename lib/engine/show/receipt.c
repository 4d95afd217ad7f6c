/*
 * What a run bought, wasted and saved. See reckon.h.
 *
 *   bought  money of leads that came through: ready, delivered, confirmed
 *   wasted  money of leads that did not: rejected, suppressed, duplicate, failed, parked, recalled
 *   open    money of leads that are not at an end
 *   saved   calls that certainly would have been made else, at their list price: the first paid call of each lead that a
 *           free check, its twin in the list or the suppression list kept from it, each repeat that a look-up of a call in doubt made needless,
 *           and what leads did not pay that took a kept answer or shared a call, at what it cost
 */

#include "lib/engine/show/reckon_parts.h"

#include "lib/engine/run/run.h"
#include "lib/engine/state.h"
#include "lib/store/ledger.h"
#include "lib/store/names.h"

#include <stdio.h>

enum { SUM_LOST, SUM_SAVED, SUM_NEEDS };

static bool came_through(enum item_outcome o)
{
	return o == ITEM_READY || o == ITEM_DELIVERED || o == ITEM_CONFIRMED;
}

static struct spent *spent_on(struct reckoning *x, uint16_t service)
{
	size_t i = 0;

	while (i < x->n_spent && x->spent[i].service != service) {
		i++;
	}
	if (i == SPENT_SERVICES) {
		return &x->spent[i - 1];
	}
	if (i == x->n_spent) {
		x->spent[x->n_spent++].service = service;
	}
	return &x->spent[i];
}

struct receipt_arg {
	struct reckoning *x;
	struct txn *txn;
	struct run *run;
	enum item_outcome outcome;
	int64_t micro;
	bool doubt;          /* the fact before was a call in doubt, of: */
	uint8_t stage, step;
};

/* A call in doubt was looked up, and it had been done. */
static void see_lookup(struct receipt_arg *a, const struct fact *f)
{
	const struct stage *st = run_stage(a->run, f->stage);
	const struct service_call *call = st != NULL && f->step < st->n_steps ? st->steps[f->step].call : NULL;
	struct call_row row;
	struct sum *s;

	if (!a->doubt || a->stage != f->stage || a->step != f->step || call == NULL || call->doubt != DOUBT_LOOKUP ||
	    (f->outcome != OUTCOME_OK && f->outcome != OUTCOME_DUPLICATE) || !call_read(a->txn, f->call, &row) ||
	    strcmp(names_text(a->x->e->names, NAME_ENDPOINT, row.endpoint), call->doubt_lookup->name) != 0) {
		return;
	}
	s = sum_of(a->x, &a->x->sums[SUM_SAVED], "looked up instead of repeated", "");
	s->leads++;
	s->calls++;
	s->micro += call->price_micro;
}

/* It needed no call of its own, or not all of one. */
static void see_sharing(struct receipt_arg *a, const struct fact *f)
{
	const struct stage *st = run_stage(a->run, f->stage);
	const struct service_call *call = st != NULL && f->step < st->n_steps ? st->steps[f->step].call : NULL;
	bool batch = call != NULL && call->batch != NULL;
	struct sum *s;

	if (f->kind != FACT_CACHED && !f->joined && f->saved_micro == 0) {
		return;
	}
	s = sum_of(a->x, &a->x->sums[SUM_SAVED], f->kind == FACT_CACHED ? "answers kept" : batch ? "asked in batches" : "calls shared", names_text(a->x->e->names, NAME_SERVICE, f->service));
	s->leads++;
	s->calls += f->kind == FACT_CACHED || f->joined;
	s->micro += f->saved_micro;
}

static bool on_fact(void *arg, const struct fact *f)
{
	struct receipt_arg *a = arg;
	struct spent *s;

	if (f->turn >= a->x->turn) {
		return true;
	}
	see_sharing(a, f);
	if (f->kind != FACT_CALL) {
		return true;
	}
	s = spent_on(a->x, f->service);
	s->calls += !f->joined;
	s->doubts += f->outcome == OUTCOME_IN_DOUBT && !f->joined;
	*(f->outcome == OUTCOME_IN_DOUBT ? &s->doubt_micro : &s->settled_micro) += f->price_micro;
	s->bought_micro += came_through(a->outcome) ? f->price_micro : 0;
	s->wasted_micro += a->outcome != ITEM_OPEN && !came_through(a->outcome) ? f->price_micro : 0;
	a->micro += f->price_micro;
	see_lookup(a, f);
	a->doubt = f->outcome == OUTCOME_IN_DOUBT;
	a->stage = f->stage;
	a->step = f->step;
	return true;
}

/* The first call that costs money, which every lead makes that gets so far. */
static const struct service_call *first_paid(const struct run *r)
{
	const struct stage *st = r->pipeline != NULL && r->entry >= 0 ? &r->pipeline->stages[r->entry] : NULL;

	return st != NULL && st->n_steps > 0 ? st->steps[0].call : NULL;
}

static void see_saved(struct reckoning *x, const struct run *r, const struct item *i)
{
	const struct service_call *call = first_paid(r);
	struct sum *s;

	if (call == NULL || i->stage != STAGE_INTAKE || (i->outcome != ITEM_REJECTED && i->outcome != ITEM_DUPLICATE && i->outcome != ITEM_SUPPRESSED)) {
		return;
	}
	s = sum_of(x, &x->sums[SUM_SAVED],
	    i->outcome == ITEM_DUPLICATE ? "twice in the list" : i->outcome == ITEM_SUPPRESSED ? "suppression list" : "free checks", i->reason);
	s->leads++;
	s->calls++;
	s->micro += call->price_micro;
}

void receipt_item(struct reckoning *x, struct txn *t, struct run *r, const struct item *i, enum item_outcome o)
{
	struct receipt_arg a = {.x = x, .txn = t, .run = r, .outcome = o};
	struct sum *s;

	fact_walk(t, i->run, i->number, on_fact, &a);
	x->outcomes[o]++;
	x->outcome_micro[o] += a.micro;
	if (o != ITEM_OPEN && !came_through(o)) {
		s = sum_of(x, &x->sums[SUM_LOST], item_outcome_word(o), i->reason);
		s->leads++;
		s->micro += a.micro;
		see_saved(x, r, i);
	}
	if (o == ITEM_PARKED || o == ITEM_FAILED || (o == ITEM_OPEN && i->status == ITEM_HELD)) {
		s = sum_of(x, &x->sums[SUM_NEEDS], o == ITEM_OPEN ? "held" : item_outcome_word(o), i->reason);
		s->leads++;
		s->micro += a.micro;
		s->first = s->leads == 1 ? (int)i->number : s->first;
	}
}

/* --- as JSON --- */

static void put_help(struct json_object *o, uint32_t run, const struct sum *s)
{
	char text[256];
	char lead[16];
	const char *command = "run retry";
	bool held = strcmp(s->what, "held") == 0;

	item_number_write((uint32_t)s->first, lead);
	if (strcmp(s->why, "in-doubt") == 0) {
		(void)snprintf(text, sizeof(text), "look whether it was done: leadctl lead show %u/%s; if not: leadctl run retry %u --lead %u", run,
		    lead, run, (uint32_t)s->first);
	} else if (held) {
		(void)snprintf(text, sizeof(text), "leadctl lead show %u/%s; they become parked when nothing else moves, then: leadctl run retry %u", run,
		    lead, run);
	} else if (strstr(s->why, ": budget") != NULL) {
		(void)snprintf(text, sizeof(text), "raise the budget that is short, then: leadctl %s %u --outcome parked (--budget MONEY for the run's own)",
		    command, run);
	} else if (strcmp(s->why, "not-started: time") == 0) {
		(void)snprintf(text, sizeof(text), "leadctl %s %u --outcome parked --by TIME", command, run);
	} else if (strcmp(s->why, STAGE_GONE) == 0) {
		(void)snprintf(text, sizeof(text), "give the pipeline its stage back, leadctl reload, then: leadctl %s %u --outcome parked", command, run);
	} else {
		(void)snprintf(text, sizeof(text), "leadctl lead show %u/%s; to try again: leadctl %s %u --outcome %s", run, lead, command, run, s->what);
	}
	put_word(o, "help", text);
}

static struct json_object *sum_object(const struct sum *s, const char *what)
{
	struct json_object *o = json_object_new_object();

	put_word(o, what, s->what);
	put_text(o, "reason", s->why);
	put_int(o, "leads", (int64_t)s->leads);
	return o;
}

static void put_spent(struct reckoning *x, struct json_object *o)
{
	struct json_object *list = json_object_new_array();
	struct spent all = {.calls = 0};

	for (size_t i = 0; i < x->n_spent; i++) {
		const struct spent *s = &x->spent[i];
		struct json_object *one = json_object_new_object();

		put_word(one, "service", names_text(x->e->names, NAME_SERVICE, s->service));
		put_int(one, "calls", (int64_t)s->calls);
		put_int(one, "settled_micro", s->settled_micro);
		put_int(one, "in_doubt", (int64_t)s->doubts);
		put_int(one, "in_doubt_micro", s->doubt_micro);
		put_int(one, "bought_micro", s->bought_micro);
		put_int(one, "wasted_micro", s->wasted_micro);
		put_int(one, "open_micro", s->settled_micro + s->doubt_micro - s->bought_micro - s->wasted_micro);
		json_object_array_add(list, one);
		all.calls += s->calls;
		all.doubts += s->doubts;
		all.settled_micro += s->settled_micro;
		all.doubt_micro += s->doubt_micro;
		all.bought_micro += s->bought_micro;
		all.wasted_micro += s->wasted_micro;
	}
	put_int(o, "calls", (int64_t)all.calls);
	put_int(o, "settled_micro", all.settled_micro);
	put_int(o, "in_doubt", (int64_t)all.doubts);
	put_int(o, "in_doubt_micro", all.doubt_micro);
	put_int(o, "bought_micro", all.bought_micro);
	put_int(o, "wasted_micro", all.wasted_micro);
	put_int(o, "open_micro", all.settled_micro + all.doubt_micro - all.bought_micro - all.wasted_micro);
	json_object_object_add(o, "services", list);
}

static void put_outcomes(struct reckoning *x, struct json_object *o)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < ITEM_OUTCOMES; i++) {
		struct json_object *one;

		if (x->outcomes[i] > 0) {
			one = json_object_new_object();
			put_word(one, "outcome", item_outcome_word((enum item_outcome)i));
			put_int(one, "leads", (int64_t)x->outcomes[i]);
			put_int(one, "spent_micro", x->outcome_micro[i]);
			json_object_array_add(list, one);
		}
	}
	json_object_object_add(o, "outcomes", list);
}

struct json_object *receipt_json(struct reckoning *x, struct run *r, struct now now)
{
	struct json_object *o = json_object_new_object(), *lost = json_object_new_array(), *saved = json_object_new_array(),
			   *needs = json_object_new_array();
	int64_t sum = 0;

	put_int(o, "run", x->run);
	put_word(o, "campaign", r->row.campaign);
	put_word(o, "state", run_state_word(r->row.state));
	put_wall(o, "at", now.wall_us);
	put_word(o, "currency", x->e->config->currency);
	put_spent(x, o);
	put_outcomes(x, o);
	for (size_t i = 0; i < 3; i++) {
		sums_sort(&x->sums[i]);
	}
	for (size_t i = 0; i < x->sums[SUM_LOST].n; i++) {
		struct json_object *one = sum_object(&x->sums[SUM_LOST].list[i], "outcome");

		put_int(one, "spent_micro", x->sums[SUM_LOST].list[i].micro);
		json_object_array_add(lost, one);
	}
	for (size_t i = 0; i < x->sums[SUM_SAVED].n; i++) {
		struct json_object *one = sum_object(&x->sums[SUM_SAVED].list[i], "by");

		put_int(one, "calls", (int64_t)x->sums[SUM_SAVED].list[i].calls);
		put_int(one, "saved_micro", x->sums[SUM_SAVED].list[i].micro);
		sum += x->sums[SUM_SAVED].list[i].micro;
		json_object_array_add(saved, one);
	}
	for (size_t i = 0; i < x->sums[SUM_NEEDS].n; i++) {
		struct json_object *one = sum_object(&x->sums[SUM_NEEDS].list[i], "outcome");

		put_int(one, "spent_micro", x->sums[SUM_NEEDS].list[i].micro);
		put_help(one, x->run, &x->sums[SUM_NEEDS].list[i]);
		json_object_array_add(needs, one);
	}
	put_int(o, "saved_micro", sum);
	json_object_object_add(o, "wasted", lost);
	json_object_object_add(o, "saved", saved);
	json_object_object_add(o, "needs", needs);
	return o;
}
