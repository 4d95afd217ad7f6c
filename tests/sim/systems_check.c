/*
 * A night of the five systems afterwards: every company and lead has an outcome, nothing was paid twice, the bills are the
 * ledger, no window was crossed, and what the destination has is what the store says.
 */
#include "tests/sim/systems.h"

#include "lib/service/answer.h"
#include "lib/sim/internal.h"
#include "lib/store/ledger.h"
#include "lib/store/runs.h"
#include "tests/sim/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CEILING_MICRO 150000 /* spend_at_most of the shipped pipeline */

/* --- calls --- */

struct asked {
	struct call_part part;
	uint64_t hash, call;
	bool doubt;
};

struct bill {
	uint64_t call;
	int64_t micro;
};

struct books {
	const struct system_input *in;
	struct result *r;
	struct txn *t;
	struct bill *bills; /* by call */
	size_t n_bills;
	struct asked *asked; /* what had its final answer, or none that is known */
	size_t n_asked, cap_asked;
	int64_t settled_micro, in_doubt_micro, billed_micro;
};

static int by_call(const void *a, const void *b)
{
	const struct bill *x = a, *y = b;

	return (x->call > y->call) - (x->call < y->call);
}

static void gather_bills(struct books *b)
{
	const struct account *a = b->in->world->account;

	b->bills = malloc((a->n + 1) * sizeof(*b->bills));
	for (size_t i = 0; i < a->n; i++) {
		const struct account_line *l = &a->lines[i];
		struct bill bill = {.micro = l->billed ? l->price_micro : 0};

		if (!ids_parse(l->call, &bill.call)) {
			violate(b->r, "%s: a bill for call '%s'", world_service_word((enum world_service)l->service), l->call);
		}
		b->bills[b->n_bills++] = bill;
	}
	for (size_t i = 0; i < b->n_bills; i++) {
		b->billed_micro += b->bills[i].micro;
	}
	qsort(b->bills, b->n_bills, sizeof(*b->bills), by_call);
}

static int64_t billed(const struct books *b, uint64_t call)
{
	int64_t micro = 0;

	for (size_t i = 0; i < b->n_bills && b->bills[i].call <= call; i++) {
		micro += b->bills[i].call == call ? b->bills[i].micro : 0;
	}
	return micro;
}

static void remember(struct books *b, const struct call_row *row)
{
	struct part_walk w = call_parts(row);
	struct call_part part;
	bool final = row->outcome == OUTCOME_OK || row->outcome == OUTCOME_PERMANENT || row->outcome == OUTCOME_DUPLICATE;

	if (row->polls != 0 || (!final && row->outcome != OUTCOME_IN_DOUBT)) {
		return;
	}
	while (part_next(&w, &part)) {
		if (b->n_asked == b->cap_asked) {
			b->cap_asked = b->cap_asked * 2 + 1024;
			b->asked = realloc(b->asked, b->cap_asked * sizeof(*b->asked));
		}
		b->asked[b->n_asked++] = (struct asked){part, part.hash != 0 ? part.hash : row->hash, row->id, !final};
	}
}

/* Nobody is bought before a person said so. */
static void check_released(struct books *b, const struct call_row *row)
{
	struct run_row run;
	uint32_t id = row->parts[0].run;
	size_t i = 0;

	while (i < b->in->plan->n_runs && b->in->run_ids[i] != id) {
		i++;
	}
	if (b->in->plan->system != SYSTEM_BOUGHT || i == b->in->plan->n_runs || !run_read(b->t, id, &run)) {
		return;
	}
	if (row->parts[0].stage < run.n_stages && strcmp(run.stages[row->parts[0].stage].name, "buy") == 0 &&
	    (b->in->approve_us[i] == 0 || row->granted_wall_us < SYSTEM_WALL_US + b->in->approve_us[i])) {
		violate(b->r, "run %u: call %016llx buys before that was released", id, (unsigned long long)row->id);
	}
	run_row_fini(&run);
}

static bool on_call(void *arg, struct slice key, struct slice value)
{
	struct books *b = arg;
	struct result *r = b->r;
	struct call_row row;
	int64_t paid, bill;

	if (!call_decode(key, value, &row)) {
		violate(r, "a call cannot be read");
		return true;
	}
	paid = call_settled(&row);
	bill = billed(b, row.id);
	if (row.state == CALL_SETTLED && paid != bill) {
		violate(r, "call %016llx is billed %lld, settled %lld", (unsigned long long)row.id, (long long)bill, (long long)paid);
	} else if (row.state == CALL_IN_DOUBT && paid < bill) {
		violate(r, "call %016llx in doubt holds less than its bill", (unsigned long long)row.id);
	} else if (row.state != CALL_SETTLED && row.state != CALL_IN_DOUBT && bill > 0) {
		violate(r, "call %016llx is billed, but %s", (unsigned long long)row.id, call_state_word(row.state));
	}
	*(row.state == CALL_SETTLED ? &b->settled_micro : &b->in_doubt_micro) += paid;
	r->polls += row.polls != 0;
	r->batched += row.kind == CALL_BATCH ? row.n_parts : 0;
	remember(b, &row);
	check_released(b, &row);
	return true;
}

static int by_part(const void *a, const void *b)
{
	const struct asked *x = a, *y = b;
	uint64_t left[] = {x->part.run, x->part.number, x->part.stage, x->part.step, x->hash, x->call};
	uint64_t right[] = {y->part.run, y->part.number, y->part.stage, y->part.step, y->hash, y->call};

	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		if (left[i] != right[i]) {
			return left[i] < right[i] ? -1 : 1;
		}
	}
	return 0;
}

/* Read back, or written anew after a gate's word: there the same is asked again. Pages and rounds ask something else each. */
static bool may_repeat(const struct run_row *run, uint8_t stage)
{
	static const char *const names[] = {"confirm", "push", "copy", "email"};
	const char *name = stage < run->n_stages ? run->stages[stage].name : "";

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0) {
			return true;
		}
	}
	return false;
}

/* A person who puts an item back wants it to be asked again from the beginning of its stage. */
struct between {
	int64_t from_us, to_us;
	bool told;
};

static bool on_told(void *arg, const struct fact *f)
{
	struct between *b = arg;

	b->told = b->told || (f->kind == FACT_OPERATOR && f->wall_us >= b->from_us && f->wall_us <= b->to_us);
	return true;
}

static bool is_told(struct txn *t, const struct call_part *part, uint64_t first, uint64_t second)
{
	struct between b = {.from_us = ids_wall_us(first), .to_us = ids_wall_us(second) + US_PER_S};

	fact_walk(t, part->run, part->number, on_told, &b);
	return b.told;
}

static bool is_same(const struct call_part *a, const struct call_part *b)
{
	return a->run == b->run && a->number == b->number && a->stage == b->stage && a->step == b->step;
}

/* Before each of them something of that step was in doubt: they look whether it was done. */
static bool is_looked_up(const struct books *b, const struct asked *x, const struct asked *y)
{
	for (size_t i = 0; i < b->n_asked; i++) {
		const struct asked *z = &b->asked[i];

		if (z->doubt && is_same(&z->part, &y->part) && z->call > x->call && z->call < y->call) {
			return true;
		}
	}
	return false;
}

static void check_asked(struct books *b)
{
	struct run_row run = {0};

	qsort(b->asked, b->n_asked, sizeof(*b->asked), by_part);
	for (size_t i = 1; i < b->n_asked; i++) {
		const struct asked *x = &b->asked[i - 1], *y = &b->asked[i];

		if (is_same(&x->part, &y->part) && x->hash == y->hash && !x->doubt && !is_looked_up(b, x, y) && run_read(b->t, x->part.run, &run)) {
			if (!may_repeat(&run, x->part.stage) && !is_told(b->t, &x->part, x->call, y->call)) {
				violate(b->r, "item %u/%u stage %s: the same was asked again after its final answer", x->part.run, x->part.number,
				    run.stages[x->part.stage].name);
			}
			run_row_fini(&run);
		}
	}
}

static void check_calls(const struct system_input *in, struct txn *t, struct result *r)
{
	struct books b = {.in = in, .r = r, .t = t};

	gather_bills(&b);
	txn_walk(t, TABLE_CALL, key_of(), key_of(), on_call, &b);
	check_asked(&b);
	if (b.settled_micro > b.billed_micro || b.billed_micro > b.settled_micro + b.in_doubt_micro) {
		violate(r, "billed %lld, settled %lld, in doubt %lld", (long long)b.billed_micro, (long long)b.settled_micro,
		    (long long)b.in_doubt_micro);
	}
	if (txn_count(t, TABLE_OPEN) != 0) {
		violate(r, "%llu calls are still open", (unsigned long long)txn_count(t, TABLE_OPEN));
	}
	free(b.bills);
	free(b.asked);
}

/* --- the providers' side --- */

/* Do two calls carry the same item? Two leads that ask the same, as two campaigns do, are not one that asks twice. */
static bool is_shared(struct txn *t, const char *first, const char *second, struct call_part *ret)
{
	struct call_row a, b;
	uint64_t x, y;

	if (ids_parse(first, &x) && ids_parse(second, &y) && call_read(t, x, &a) && call_read(t, y, &b)) {
		struct part_walk w = call_parts(&a);

		while (part_next(&w, ret)) {
			if (call_has(&b, ret->run, ret->number, NULL) && !is_told(t, ret, x, y)) {
				return true;
			}
		}
	}
	return false;
}

/* Calls of an item to look at. */
struct readings {
	struct call_part part;
	uint64_t to;
	unsigned n;
};

static bool on_reading(void *arg, struct slice key, struct slice value)
{
	struct readings *b = arg;
	struct call_part part;
	struct call_row c;

	if (!call_decode(key, value, &c) || c.id >= b->to) {
		return false;
	}
	if (c.state == CALL_SETTLED && call_has(&c, b->part.run, b->part.number, &part) && part.stage == b->part.stage + 1) {
		b->n++;
	}
	return true;
}

/* Pushed again because it was read back in between and was not there, or not as it was pushed. */
static bool is_repair(struct txn *t, const struct call_part *part, const char *first, const char *second)
{
	struct readings b = {.part = *part};
	struct run_row run = {0};
	uint64_t from;
	bool push;

	if (!ids_parse(first, &from) || !ids_parse(second, &b.to) || !run_read(t, part->run, &run)) {
		return false;
	}
	push = part->stage < run.n_stages && strcmp(run.stages[part->stage].name, "push") == 0;
	run_row_fini(&run);
	if (push) {
		txn_walk(t, TABLE_CALL, key_u64(key_of(), from), key_of(), on_reading, &b);
	}
	return b.n > 0;
}

static void check_repeats(const struct system_input *in, struct txn *t, struct result *r)
{
	const struct account *a = in->world->account;
	struct call_part part;

	for (size_t i = 0; i < a->n_listed; i++) {
		const struct account_line *first = &a->lines[a->listed[i].first], *second = &a->lines[a->listed[i].second];

		if (is_shared(t, first->call, second->call, &part) && !is_repair(t, &part, first->call, second->call)) {
			violate(r, "%s: item %u/%u asked again after its final answer: calls %s and %s", world_service_word((enum world_service)second->service),
			    part.run, part.number, first->call, second->call);
		}
	}
}

static void check_world(const struct system_input *in, struct result *r)
{
	struct world_totals t;

	for (enum world_service s = 0; s < WORLD_SERVICES; s++) {
		const struct scenario_service *v = &in->calm->services[s];

		world_totals(in->world, s, &t);
		for (size_t i = 0; i < v->n_limits; i++) {
			if (!v->limits[i].tokens && world_worst(in->world, s, i) > v->limits[i].max) {
				violate(r, "%s: %llu requests within a window of %llu", world_service_word(s),
				    (unsigned long long)world_worst(in->world, s, i), (unsigned long long)v->limits[i].max);
			}
		}
		for (int f = 1; f < FAULT_N; f++) {
			r->hits[f] += t.faults[f];
		}
	}
}

/* Whoever makes one: a name stands once. */
static void check_campaigns(const struct system_input *in, struct result *r)
{
	const struct leads *l = &in->world->leads;

	for (size_t i = 0; i < l->n_campaigns; i++) {
		for (size_t k = 0; k < i; k++) {
			if (strcmp(l->campaigns[i].name, l->campaigns[k].name) == 0) {
				violate(r, "campaign '%s' was made twice", l->campaigns[i].name);
			}
		}
	}
}

/* --- items --- */

struct items {
	const struct system_input *in;
	struct result *r;
	struct txn *t;
	const struct run_row *run;
	uint64_t there, perhaps; /* leads that count as arrived; others that a call was made for */
	/* of the item at hand */
	char email[100], campaign[64];
	bool text, tried;
	unsigned retried; /* each time it may cost as much again */
};

static void copy_value(char *to, size_t size, const struct fact_field *x)
{
	(void)snprintf(to, size, "%.*s", (int)x->value.len, x->value.text);
}

static bool on_fact(void *arg, const struct fact *f)
{
	struct items *a = arg;
	const char *stage = f->stage < a->run->n_stages ? a->run->stages[f->stage].name : "";

	a->r->steps++;
	a->r->joined += f->joined;
	a->retried += f->kind == FACT_OPERATOR;
	a->r->cached += f->kind == FACT_CACHED;
	a->tried = a->tried || (f->kind == FACT_CALL && (strcmp(stage, "push") == 0 || strcmp(stage, "crm-list") == 0));
	for (size_t i = 0; i < f->n_fields; i++) {
		const struct fact_field *x = &f->fields[i];

		if (x->name_len == 11 && memcmp(x->name, "found_email", 11) == 0) {
			copy_value(a->email, sizeof(a->email), x);
		} else if (x->name_len == 14 && memcmp(x->name, "found_campaign", 14) == 0) {
			copy_value(a->campaign, sizeof(a->campaign), x);
		} else if (x->name_len == 10 && memcmp(x->name, "email_text", 10) == 0) {
			a->text = !value_is_blank(&x->value);
		}
	}
	return true;
}

static void check_lead(struct items *a, const struct item *i)
{
	struct result *r = a->r;
	/* where pushes are read back, `delivered` is said of one that was not found there */
	bool arrived = i->outcome == ITEM_CONFIRMED || (i->outcome == ITEM_DELIVERED && a->in->plan->system == SYSTEM_PROPERTY);

	a->there += arrived;
	a->perhaps += !arrived && a->tried;
	if (i->outcome == ITEM_CONFIRMED && leads_find(&a->in->world->leads, a->email, a->campaign) == NULL) {
		violate(r, "lead %u/%u is confirmed, and not there", i->run, i->number);
	}
	if (a->in->plan->system == SYSTEM_SHEET && i->outcome == ITEM_READY && !a->text) {
		violate(r, "lead %u/%u is ready without a text", i->run, i->number);
	}
	if (a->in->plan->system == SYSTEM_BOUGHT && i->spent_micro > CEILING_MICRO * (1 + (int64_t)a->retried)) {
		violate(r, "lead %u/%u cost %lld", i->run, i->number, (long long)i->spent_micro);
	}
}

static bool on_item(void *arg, struct slice key, struct slice value)
{
	struct items *a = arg;
	struct item i;

	if (!item_decode(key, value, &i)) {
		violate(a->r, "an item cannot be read");
		return true;
	}
	if (i.status != ITEM_DONE || i.outcome == ITEM_OPEN) {
		violate(a->r, "%s %u/%u ends as %s %s", item_level_word(i.level), i.run, i.number, item_status_word(i.status),
		    item_outcome_word(i.outcome));
	}
	a->email[0] = a->campaign[0] = 0;
	a->text = a->tried = false;
	a->retried = 0;
	fact_walk(a->t, i.run, i.number, on_fact, a);
	if (i.level == LEVEL_LEAD) {
		check_lead(a, &i);
	}
	return true;
}

static bool on_run(void *arg, struct slice key, struct slice value)
{
	struct items *a = arg;
	struct run_row row;

	if (!run_decode(key, value, &row)) {
		violate(a->r, "a run cannot be read");
		return true;
	}
	if ((row.state != RUN_DONE && row.state != RUN_CANCELLED) || !row.written) {
		violate(a->r, "run %u ends as %s%s", row.id, run_state_word(row.state), row.written ? "" : ", not written");
	}
	a->run = &row;
	txn_walk(a->t, TABLE_STATE, run_prefix(row.id), run_prefix(row.id), on_item, a);
	run_row_fini(&row);
	return true;
}

/* Two runs bring the same people to the same campaign: there they stand once. */
static bool is_shared_campaign(const struct system_plan *p)
{
	bool same = false;

	for (size_t i = 0; p->system == SYSTEM_OUTREACH && i < p->n_runs; i++) {
		for (size_t k = 0; k < i; k++) {
			same = same || strcmp(p->runs[i].params, p->runs[k].params) == 0;
		}
	}
	return same;
}

/* What stands at the destination: who counts as arrived, and at most those of whom nobody knows. */
static void check_destination(struct items *a)
{
	const struct world *w = a->in->world;
	uint64_t there = w->leads.n - w->leads.n_deleted;

	for (size_t i = 0; i < w->kept.n_lists; i++) {
		there += w->kept.lists[i].n;
	}
	if ((there < a->there && !is_shared_campaign(a->in->plan)) || there > a->there + a->perhaps) {
		violate(a->r, "%llu stand at the destination, %llu count as there, %llu perhaps", (unsigned long long)there,
		    (unsigned long long)a->there, (unsigned long long)a->perhaps);
	}
	if (w->leads.n_doubled > 0) {
		violate(a->r, "%zu leads stand twice in their campaign", w->leads.n_doubled);
	}
	for (size_t i = 0; i < w->leads.n_campaigns; i++) {
		for (size_t k = 0; k < i; k++) {
			if (strcmp(w->leads.campaigns[i].name, w->leads.campaigns[k].name) == 0) {
				violate(a->r, "there are two campaigns '%s'", w->leads.campaigns[i].name);
			}
		}
	}
}

void system_check(const struct system_input *in, struct result *r)
{
	struct items a = {.in = in, .r = r};
	struct txn *t = NULL;

	if (txn_begin(in->store, false, &t, NULL) != 0) {
		violate(r, "the store cannot be read");
		return;
	}
	a.t = t;
	txn_walk(t, TABLE_RUN, key_of(), key_of(), on_run, &a);
	if (in->plan->system != SYSTEM_CRM && txn_count(t, TABLE_RUN) != in->plan->n_runs) {
		violate(r, "%llu runs in the store, %zu were started", (unsigned long long)txn_count(t, TABLE_RUN), in->plan->n_runs);
	}
	check_destination(&a);
	check_calls(in, t, r);
	check_repeats(in, t, r);
	check_world(in, r);
	check_campaigns(in, r);
	for (int k = 0; k < KIND_N; k++) {
		r->faults += r->hits[k];
	}
	txn_abort(t); /* the parts of the rows stand in its pages */
}
