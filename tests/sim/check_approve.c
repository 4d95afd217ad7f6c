/*
 * Nothing that waits for a person left before that person spoke: the leads beyond a sample, all of a preview, what stands behind
 * the approval of the long pipeline. And no lead cost more at a stage than the stage allows.
 */
#include "tests/sim/books.h"

#include "lib/store/runs.h"

#include <stdlib.h>

#define COPY_AT_MOST 10300 /* spend_at_most of the long pipeline */

struct approved_run {
	uint32_t id, sample_last;
	bool sampled; /* the sample is full */
	size_t plan;
};

struct runs_arg {
	const struct plan *p;
	struct approved_run list[RUNS];
	size_t n;
	int copy; /* its number of that stage; -1: none */
	struct books *b;
	struct txn *t;
};

static bool on_run(void *arg, struct slice key, struct slice value)
{
	struct runs_arg *a = arg;
	struct run_row row;

	if (a->n == RUNS || !run_decode(key, value, &row)) {
		return true;
	}
	for (size_t i = 0; i < a->p->n_runs; i++) {
		if (strcmp(a->p->runs[i].upload, row.upload) == 0) {
			a->list[a->n++] = (struct approved_run){
			    row.id, row.sample_last, row.sample != 0 && row.sampled == row.sample, i};
		}
	}
	for (size_t s = 0; s < row.n_stages; s++) {
		a->copy = strcmp(row.stages[s].name, "copy") == 0 ? (int)s : a->copy;
	}
	run_row_fini(&row);
	return true;
}

static const struct approved_run *find(const struct runs_arg *a, uint32_t id)
{
	for (size_t i = 0; i < a->n; i++) {
		if (a->list[i].id == id) {
			return &a->list[i];
		}
	}
	return NULL;
}

static void check_call(struct books *b, const struct runs_arg *a, size_t k)
{
	const struct call_part *p = &b->rows[k].parts[0];
	const struct approved_run *r = find(a, p->run);
	const struct run_plan *plan = r != NULL ? &b->in->plan->runs[r->plan] : NULL;
	int64_t from_us = r != NULL ? b->in->approve_us[r->plan] : 0;
	const char *what = NULL;

	if (r == NULL || b->sent[k] == NULL || p->number >= ITEM_ROOT - 1 || (from_us != 0 && b->sent[k]->sent_us >= from_us)) {
		return;
	}
	if (plan->preview) {
		what = "of a preview";
	} else if (r->sampled && p->number > r->sample_last) {
		what = "beyond the sample";
	} else if (plan_approves(b->in->plan) && b->sent[k]->service == WORLD_OPENAI) {
		what = "behind the approval";
	}
	if (what != NULL) {
		violate(b->r, "%s: lead %u/%u %s was called for before anybody approved it",
		    service_word(b->sent[k]->service), p->run, p->number, what);
	}
}

struct spent_arg {
	int copy;
	int64_t micro;
};

static bool on_fact(void *arg, const struct fact *f)
{
	struct spent_arg *a = arg;

	a->micro = f->kind == FACT_OPERATOR ? 0 : a->micro + (f->stage == a->copy ? f->price_micro : 0);
	return true;
}

static bool on_item(void *arg, struct slice key, struct slice value)
{
	struct runs_arg *a = arg;
	struct spent_arg s = {.copy = a->copy};
	uint32_t run = key_get_u32(key.data), number = key_get_u32(key.data + 4);

	(void)value;
	fact_walk(a->t, run, number, on_fact, &s);
	if (s.micro > COPY_AT_MOST) {
		violate(a->b->r, "lead %u/%u cost %lld at copy, where it may cost %d", run, number, (long long)s.micro, COPY_AT_MOST);
	}
	return true;
}

void check_approvals(struct books *b)
{
	struct runs_arg a = {.p = b->in->plan, .copy = -1, .b = b};

	if (txn_begin(b->in->store, false, &a.t, NULL) != 0) {
		return;
	}
	txn_walk(a.t, TABLE_RUN, key_of(), key_of(), on_run, &a);
	for (size_t k = 0; k < b->n; k++) {
		check_call(b, &a, k);
	}
	if (plan_approves(b->in->plan)) {
		txn_walk(a.t, TABLE_STATE, key_of(), key_of(), on_item, &a);
	}
	txn_abort(a.t);
}
