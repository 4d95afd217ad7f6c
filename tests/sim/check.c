/*
 * The store after the night, item by item: one terminal state each, nothing asked again that had
 * its answer, no push without its inputs, counters as the facts say. lib/store/check.h looks at the
 * tables among each other.
 */
#include "tests/sim/check.h"

#include "lib/sim/internal.h"
#include "lib/store/check.h"
#include "lib/store/ledger.h"
#include "lib/store/runs.h"
#include "lib/store/verify.h"
#include "lib/service/answer.h"

#include <stdio.h>
#include <stdlib.h>

struct problem_arg {
	const char *when;
	struct result *r;
};

static void on_problem(void *arg, const char *problem)
{
	struct problem_arg *a = arg;

	violate(a->r, "store check %s: %s", a->when, problem);
}

void check_store(struct store *s, const char *when, struct result *r)
{
	struct problem_arg a = {when, r};
	struct check_counts counts;
	struct lead_error err = {.text = ""};

	if (store_check(s, on_problem, &a, &counts, &err) != 0) {
		violate(r, "store check %s: %s", when, err.text);
	}
}

/* --- hash --- */

static bool on_hash(void *arg, struct slice key, struct slice value)
{
	uint64_t *h = arg,
		 parts[3] = {*h, hash_plain(key.data, key.len), hash_plain(value.data, value.len)};

	*h = hash_plain(parts, sizeof(parts));
	return true;
}

uint64_t store_hash(struct store *s)
{
	struct txn *t = NULL;
	uint64_t h = 0;

	if (txn_begin(s, false, &t, NULL) != 0) {
		return 0;
	}
	for (int table = 0; table < TABLE_N; table++) {
		txn_walk(t, (enum store_table)table, key_of(), key_of(), on_hash, &h);
		h += (uint64_t)table;
	}
	txn_abort(t);
	return h;
}

/* --- facts of one item --- */

#define PLACES 256

/* What was answered for good, by stage, step and endpoint. */
struct history {
	struct txn *t;
	struct result *r;
	const struct run_row *run;
	uint32_t number;
	uint64_t n;
	bool verified, copied;
	char email[80]; /* as it was pushed, or found */
	struct {
		uint8_t stage, step;
		uint16_t endpoint;
		bool final;
	} places[PLACES];
	size_t n_places;
};

static bool is_final(uint8_t outcome)
{
	return outcome == OUTCOME_OK || outcome == OUTCOME_EMPTY || outcome == OUTCOME_PERMANENT ||
	       outcome == OUTCOME_DUPLICATE || outcome == OUTCOME_REFUSAL;
}

static const char *stage_name(const struct history *h, uint8_t stage)
{
	return stage < h->run->n_stages ? h->run->stages[stage].name : "";
}

static void see_fields(struct history *h, const struct fact *f)
{
	for (size_t i = 0; i < f->n_fields; i++) {
		const struct fact_field *x = &f->fields[i];

		if (x->name_len == 13 && memcmp(x->name, "verify_status", 13) == 0) {
			h->verified =
			    (x->value.len == 5 && memcmp(x->value.text, "valid", 5) == 0) ||
			    (x->value.len == 9 && memcmp(x->value.text, "catch-all", 9) == 0);
		}
		if (x->name_len == 12 && memcmp(x->name, "pushed_email", 12) == 0) {
			(void)snprintf(h->email, sizeof(h->email), "%.*s", (int)x->value.len,
			    x->value.text);
		}
		if (x->name_len == 4 && memcmp(x->name, "copy", 4) == 0) {
			h->copied = !value_is_blank(&x->value);
		}
	}
}

/* A gate's word or a person's makes asking again right; so does a push that was read back and is
 * not there. */
static void reopen(struct history *h, const struct fact *f)
{
	for (size_t i = 0; i < h->n_places; i++) {
		if (f->kind == FACT_OPERATOR || h->places[i].stage == f->stage ||
		    f->kind == FACT_CALL) {
			h->places[i].final = false;
		}
	}
	if (f->kind == FACT_GATE && strcmp(stage_name(h, f->stage), "copy") == 0) {
		h->copied = false;
	}
}

static void see_call(struct history *h, const struct fact *f)
{
	const char *stage = stage_name(h, f->stage);
	struct call_row row;
	size_t i = 0;

	if (!call_read(h->t, f->call, &row) || !call_has(&row, h->run->id, h->number, NULL)) {
		violate(h->r, "lead %u/%u: a fact names a call that is not its own", h->run->id,
		    h->number);
		return;
	}
	h->r->batched += row.kind == CALL_BATCH;
	h->r->joined += f->joined;
	if (row.outcome != f->outcome && (row.kind == CALL_SINGLE || row.outcome != OUTCOME_OK)) {
		violate(h->r, "lead %u/%u: the ledger and the facts disagree about an outcome",
		    h->run->id, h->number);
	}
	while (i < h->n_places && (h->places[i].stage != f->stage || h->places[i].step != f->step ||
				      h->places[i].endpoint != row.endpoint)) {
		i++;
	}
	if (i == h->n_places && h->n_places < PLACES) {
		h->places[h->n_places].stage = f->stage;
		h->places[h->n_places].step = f->step;
		h->places[h->n_places++].endpoint = row.endpoint;
	}
	if (strcmp(stage, "confirm") == 0 ||
	    (strcmp(stage, "push") == 0 && f->outcome == OUTCOME_EMPTY)) {
		if (f->outcome == OUTCOME_EMPTY || f->outcome == OUTCOME_OK) {
			reopen(h, f); /* read back: a repair may follow */
		}
		return;
	}
	if (h->places[i].final) {
		violate(h->r, "lead %u/%u stage %s: asked again after its final answer", h->run->id,
		    h->number, stage);
	}
	h->places[i].final = is_final(f->outcome);
	if (strcmp(stage, "push") == 0 && (!h->verified || !h->copied)) {
		violate(h->r, "lead %u/%u was pushed %s", h->run->id, h->number,
		    h->verified ? "without a text" : "without a verified address");
	}
}

static bool on_fact(void *arg, const struct fact *f)
{
	struct history *h = arg;

	h->n++;
	if (f->kind == FACT_CALL) {
		see_call(h, f);
	} else if (f->kind == FACT_CACHED) {
		h->r->cached++;
	} else if (f->kind != FACT_TEMPLATE) {
		reopen(h, f);
	}
	see_fields(h, f);
	return true;
}

/* --- items and runs --- */

struct items_arg {
	const struct check_input *in;
	struct txn *t;
	struct result *r;
	const struct run_row *run;
	uint64_t items, outcomes[ITEM_OUTCOMES];
};

/* Not started is what cost nothing; half-way is left only what a cut budget left there. */
static void check_parked(const struct items_arg *a, const struct item *i)
{
	bool cut = false;

	for (size_t k = 0; k < a->in->plan->n_faults; k++) {
		cut |= a->in->plan->faults[k].kind == KIND_BUDGET_CUT ||
		       a->in->plan->faults[k].kind == KIND_RUN_BUDGET;
	}
	if (strncmp(i->reason, "not-started", 11) == 0 && i->spent_micro != 0) {
		violate(a->r, "lead %u/%u was not started, and cost money", i->run, i->number);
	}
	if (strncmp(i->reason, "unfinished", 10) == 0 && !cut) {
		violate(a->r, "lead %u/%u was left half-way", i->run, i->number);
	}
}

/* What counts as there is there, what was recalled is not. Nobody else pushes these addresses. */
static void check_there(const struct items_arg *a, const struct item *i, const struct history *h)
{
	bool there = h->email[0] != 0 && leads_find(&a->in->world->leads, h->email, NULL) != NULL;

	a->r->recalled += i->outcome == ITEM_RECALLED;
	if (i->outcome == ITEM_RECALLED && there) {
		violate(a->r, "lead %u/%u was recalled, and is there", i->run, i->number);
	}
	if (i->outcome == ITEM_RECALLED && (i->ours || i->pushed)) {
		violate(a->r, "lead %u/%u was recalled, and counts as pushed", i->run, i->number);
	}
	if (i->outcome == ITEM_CONFIRMED && !there && strncmp(i->reason, "recall", 6) != 0) {
		violate(a->r, "lead %u/%u is confirmed, and not there", i->run, i->number);
	}
	if (i->outcome == ITEM_CONFIRMED && !i->ours && !plan_groups(a->in->plan)) { /* there nothing can be recalled */
		violate(a->r, "lead %u/%u is there because of its run, which does not know", i->run,
		    i->number);
	}
}

static bool on_item(void *arg, struct slice key, struct slice value)
{
	struct items_arg *a = arg;
	struct history h = {.t = a->t, .r = a->r, .run = a->run};
	struct item i;

	if (!item_decode(key, value, &i)) {
		violate(a->r, "an item cannot be read");
		return true;
	}
	if (i.level == LEVEL_RUN) { /* what reads the destination back */
		if (i.status != ITEM_DONE) {
			violate(a->r, "the item of run %u that reads back ends as %s", i.run, item_status_word(i.status));
		}
		return true;
	}
	a->items++;
	a->outcomes[i.outcome]++;
	if (i.status != ITEM_DONE || i.outcome == ITEM_OPEN) {
		violate(a->r, "lead %u/%u ends as %s %s", i.run, i.number,
		    item_status_word(i.status), item_outcome_word(i.outcome));
	}
	check_parked(a, &i);
	h.number = i.number;
	fact_walk(a->t, i.run, i.number, on_fact, &h);
	check_there(a, &i, &h);
	a->r->steps += 1 + h.n;
	return true;
}

/* Whatever it was interrupted by, what was read back is at its end, and nothing there is twice or another than was pushed. */
static void check_verified(const struct items_arg *a, uint32_t run)
{
	struct verify_row v;

	if (!verify_row_read(a->t, run, &v)) {
		return;
	}
	a->r->verified += v.state == VERIFY_DONE;
	if (verify_at_work(v.state)) {
		violate(a->r, "run %u: reading back has not ended", run);
	}
	if (v.counts[VERIFY_DOUBLED] > 0 || v.counts[VERIFY_CHANGED] > 0) {
		violate(a->r, "run %u: %llu doubled, %llu changed in its destination", run, (unsigned long long)v.counts[VERIFY_DOUBLED],
		    (unsigned long long)v.counts[VERIFY_CHANGED]);
	}
	if (v.state == VERIFY_DONE && v.seen + v.counts[VERIFY_MISSING] < v.pushed) {
		violate(a->r, "run %u: %llu pushed, %llu seen, %llu missing", run, (unsigned long long)v.pushed, (unsigned long long)v.seen,
		    (unsigned long long)v.counts[VERIFY_MISSING]);
	}
}

static size_t rows_of(const struct buf *csv)
{
	size_t n = 0;

	for (size_t i = 0; i < csv->len; i++) {
		n += csv->data[i] == '\n';
	}
	return n - 1;
}

static bool on_run(void *arg, struct slice key, struct slice value)
{
	struct items_arg *a = arg;
	struct run_row row;
	const struct run_plan *p = NULL;

	if (!run_decode(key, value, &row)) {
		violate(a->r, "a run cannot be read");
		return true;
	}
	for (size_t i = 0; i < a->in->plan->n_runs; i++) {
		p = strcmp(a->in->plan->runs[i].upload, row.upload) == 0 ? &a->in->plan->runs[i]
									 : p;
	}
	if (p == NULL || (row.state != RUN_DONE && row.state != RUN_CANCELLED) || !row.written) {
		violate(a->r, "run %u ends as %s%s", row.id, run_state_word(row.state),
		    row.written ? "" : ", not written");
	}
	check_verified(a, row.id);
	a->run = &row;
	a->items = 0;
	memset(a->outcomes, 0, sizeof(a->outcomes));
	txn_walk(a->t, TABLE_STATE, run_prefix(row.id), run_prefix(row.id), on_item, a);
	if (p != NULL && row.state == RUN_DONE && a->items != rows_of(&p->csv)) {
		violate(a->r, "run %u has %llu items, its file %zu rows", row.id,
		    (unsigned long long)a->items, rows_of(&p->csv));
	}
	for (int o = 0; o < ITEM_OUTCOMES; o++) {
		if (a->outcomes[o] != row.outcomes[o]) {
			violate(a->r, "run %u counts %llu %s, there are %llu", row.id,
			    (unsigned long long)row.outcomes[o],
			    item_outcome_word((enum item_outcome)o),
			    (unsigned long long)a->outcomes[o]);
		}
	}
	run_row_fini(&row);
	return true;
}

void check_items(const struct check_input *in, struct result *r)
{
	struct items_arg a = {.in = in, .r = r};
	struct txn *t = NULL;

	if (txn_begin(in->store, false, &t, NULL) != 0) {
		violate(r, "the store cannot be read");
		return;
	}
	a.t = t;
	txn_walk(t, TABLE_RUN, key_of(), key_of(), on_run, &a);
	if (txn_count(t, TABLE_RUN) != in->plan->n_runs) {
		violate(r, "%llu runs in the store, %zu were started",
		    (unsigned long long)txn_count(t, TABLE_RUN), in->plan->n_runs);
	}
	if (txn_count(t, TABLE_OPEN) != 0) {
		violate(
		    r, "%llu calls are still open", (unsigned long long)txn_count(t, TABLE_OPEN));
	}
	if (txn_error(t) != 0) {
		violate(r, "the store is damaged");
	}
	txn_abort(t);
}
