/* See approve.h. */
#include "lib/engine/run/approve.h"

#include "lib/base/money.h"
#include "lib/engine/call/accounts.h"
#include "lib/engine/call/batch.h"
#include "lib/engine/call/finish.h"
#include "lib/engine/command.h"
#include "lib/engine/config/config.h"
#include "lib/engine/engine.h"
#include "lib/engine/plan/forecast.h"
#include "lib/engine/run/run.h"
#include "lib/engine/show/show_put.h"
#include "lib/engine/state.h"
#include "lib/engine/tell/notify.h"

#include <limits.h>
#include <stdio.h>

/* What a sample counts: companies where the pipeline has stages for them, else leads. */
static enum item_level sampled_level(const struct pipeline *p)
{
	return pipeline_has(p, LEVEL_COMPANY) ? LEVEL_COMPANY : LEVEL_LEAD;
}

/* The first stage that calls anybody for them: there those beyond the sample wait. */
static int first_call(const struct pipeline *p)
{
	for (size_t s = 0; p != NULL && s < p->n_stages; s++) {
		if (p->stages[s].n_steps > 0 && p->stages[s].of == sampled_level(p)) {
			return (int)s;
		}
	}
	return -1;
}

/* The first stage that costs money for what the run has found. */
static int first_paid(const struct pipeline *p)
{
	for (size_t s = 0; s < p->n_stages; s++) {
		if (p->stages[s].of != LEVEL_RUN && finish_most(&p->stages[s]) > 0) {
			return (int)s;
		}
	}
	return INT_MAX;
}

uint8_t approve_rest_stage(const struct run *r)
{
	int p = r->row.sample != 0 ? first_call(r->pipeline) : -1;

	return p >= 0 && r->run_stage_of[p] >= 0 ? (uint8_t)r->run_stage_of[p] : RUN_STAGES;
}

uint32_t approve_needs(const struct run *r, uint8_t stage, bool rest)
{
	uint32_t bits = rest ? APPROVE_SAMPLE : 0;
	int p = r->stage_of[stage];

	for (int q = 0; q < p; q++) {
		if (r->pipeline->stages[q].kind == STAGE_APPROVAL && r->run_stage_of[q] >= 0) {
			bits |= 1u << r->run_stage_of[q];
		}
	}
	return bits | (r->row.preview && p >= first_paid(r->pipeline) ? APPROVE_PREVIEW : 0);
}

void approve_take(struct run *r, enum item_level level, uint32_t number)
{
	if (r->row.sampled < r->row.sample && level == sampled_level(r->pipeline)) {
		r->row.sampled++;
		r->row.sample_last = number;
		run_touch(r);
	}
}

bool approve_is_rest(const struct run *r, uint32_t number)
{
	return r->row.sample != 0 && r->row.sampled == r->row.sample && number > r->row.sample_last;
}

/* --- money --- */

/* The most that a lead which stands before that stage can still cost. */
static int64_t most_from(const struct run *r, size_t from)
{
	int64_t sum = 0;

	for (size_t p = from; p < r->pipeline->n_stages; p++) { /* the run's own item ends with its own stages */
		bool on = r->pipeline->stages[from].of != LEVEL_RUN || r->pipeline->stages[p].of == LEVEL_RUN;

		sum += on ? finish_most(&r->pipeline->stages[p]) : 0;
	}
	return sum;
}

/* Spent, reserved and in doubt, and the most that everything open can still cost; no run goes beyond its own budget. */
static int64_t worst_of(struct engine *e, struct run *r)
{
	struct balance b = accounts_run(e, r);
	int64_t sum = b.settled_micro + b.reserved_micro + b.in_doubt_micro;

	for (size_t p = 0; p < r->pipeline->n_stages; p++) {
		int s = r->run_stage_of[p];
		const struct stage_count *c = s >= 0 ? &r->row.stages[s].count : NULL;
		uint64_t leads = c != NULL ? c->waiting + c->retrying : 0;
		int64_t all;

		/* a call in flight is reserved already: its lead counts with what comes after the stage */
		leads -= c != NULL && r->in_flight[s] <= leads ? r->in_flight[s] : 0;
		if (leads > 0 && !__builtin_mul_overflow(most_from(r, p), (int64_t)leads, &all)) {
			sum += all;
		}
		if (c != NULL && r->in_flight[s] > 0) {
			sum += (most_from(r, p) - finish_most(&r->pipeline->stages[p])) * (int64_t)r->in_flight[s];
		}
	}
	return r->row.budget_micro >= 0 && r->row.budget_micro < sum ? r->row.budget_micro : sum;
}

static bool costs_too_much(struct engine *e, struct run *r, const struct slot *s)
{
	int64_t above = r->campaign != NULL ? r->campaign->approve_above_micro : -1;
	const struct stage *st = run_stage(r, s->stage);
	struct balance b;
	size_t items;

	if (above < 0 || s->call->price_micro == 0 || (r->row.approved & APPROVE_COST) != 0 ||
	    (r->row.budget_micro >= 0 && r->row.budget_micro <= above)) {
		return false;
	}
	if (s->starts || (st != NULL && st->of == LEVEL_COMPANY)) {
		return r->row.importing || worst_of(e, r) > above; /* before all rows are there nobody knows */
	}
	b = accounts_run(e, r);
	items = batch_size(e, s->call) < s->queued ? batch_size(e, s->call) : s->queued;
	return b.settled_micro + b.reserved_micro + b.in_doubt_micro + s->call->price_micro * (int64_t)items > above;
}

uint32_t approve_missing(struct engine *e, struct run *r, const struct slot *s)
{
	uint32_t missing = s->approvals & ~r->row.approved;

	return r->pipeline == NULL ? 0 : missing | (costs_too_much(e, r, s) ? APPROVE_COST : 0);
}

/* --- words --- */

static const struct stage *approval_stage(const struct run *r, uint32_t bit)
{
	return bit < APPROVE_PREVIEW ? run_stage(r, (uint8_t)__builtin_ctz(bit)) : NULL;
}

const char *approve_name(const struct run *r, uint32_t bit)
{
	unsigned s = (unsigned)__builtin_ctz(bit);

	return bit == APPROVE_COST ? "cost" : bit == APPROVE_SAMPLE ? "sample" : bit == APPROVE_PREVIEW ? "preview"
	     : s < r->row.n_stages  ? r->row.stages[s].name : "?";
}

void approve_text(struct engine *e, struct run *r, uint32_t missing, char out[160])
{
	uint32_t bit = missing & -missing;
	const struct stage *st = approval_stage(r, bit);
	char worst[32], above[32];

	if (bit == APPROVE_SAMPLE) {
		(void)snprintf(out, 160, "the sample of %u goes first", r->row.sample);
	} else if (bit == APPROVE_PREVIEW) {
		(void)snprintf(out, 160, "a preview: nothing is bought yet");
	} else if (bit == APPROVE_COST && r->row.importing) {
		(void)snprintf(out, 160, "what it may cost is known when all rows are there");
	} else if (bit == APPROVE_COST) {
		money_write(worst_of(e, r), worst);
		money_write(r->campaign->approve_above_micro, above);
		(void)snprintf(out, 160, "it may cost %s, and approve_above is %s", worst, above);
	} else {
		(void)snprintf(out, 160, "%s%s%.100s", approve_name(r, bit), st != NULL && st->text != NULL ? ": " : "",
		    st != NULL && st->text != NULL ? st->text : "");
	}
}

bool approve_is_open(const struct run *r)
{
	uint32_t needed = (r->row.preview ? APPROVE_PREVIEW : 0) | (r->row.sample != 0 ? APPROVE_SAMPLE : 0);

	for (size_t i = 0; i < r->n_slots; i++) {
		needed |= r->slots[i].approvals;
	}
	return (needed & ~r->row.approved) != 0;
}

/* --- what waits --- */

/* What a plain `approve` means: all that is lacking, but while the sample itself lacks something only that: nobody has seen it yet. */
static uint32_t released_by_all(struct engine *e, struct run *r)
{
	uint32_t sample = 0, all = 0;

	for (size_t i = 0; i < r->n_slots; i++) {
		const struct slot *s = &r->slots[i];
		uint32_t missing = s->queued > 0 && r->stage_of[s->stage] >= 0 ? approve_missing(e, r, s) : 0;

		all |= missing;
		sample |= (missing & APPROVE_SAMPLE) == 0 ? missing : 0;
	}
	return sample != 0 ? sample : all;
}

bool approve_waits(struct engine *e, struct run *r, struct approve_wait *ret)
{
	double leads[RUN_STAGES] = {0}, later[RUN_STAGES] = {0};
	bool moves = r->row.importing || r->in_flight_total > 0 || r->moving || r->sweeping;

	*ret = (struct approve_wait){.missing = 0};
	if (r->row.state > RUN_PAUSED || r->pipeline == NULL) {
		return false;
	}
	for (size_t s = 0; s < r->row.n_stages; s++) {
		moves = moves || r->row.stages[s].count.retrying > 0;
	}
	ret->missing = released_by_all(e, r);
	for (size_t i = 0; i < r->n_slots; i++) {
		const struct slot *s = &r->slots[i];
		uint32_t missing = s->queued > 0 ? approve_missing(e, r, s) : 0;
		int p = r->stage_of[s->stage];

		moves = moves || (s->queued > 0 && missing == 0);
		if (missing == 0 || p < 0) {
			continue;
		}
		ret->all_leads += s->queued;
		later[p] += s->queued;
		if ((missing & ~ret->missing) == 0) {
			ret->leads += s->queued;
			ret->worst_micro += most_from(r, (size_t)p) * s->queued;
			leads[p] += s->queued;
		}
	}
	ret->estimate_micro = ret->leads > 0 ? forecast_cost(r, leads) : 0;
	if (r->row.budget_micro >= 0 && ret->worst_micro > r->row.budget_micro) {
		ret->worst_micro = r->row.budget_micro;
	}
	ret->all_estimate_micro = ret->all_leads > 0 ? forecast_cost(r, later) : 0;
	ret->alone = !moves && r->row.state == RUN_RUNNING;
	return ret->missing != 0;
}

const char *approve_run_word(struct engine *e, struct run *r)
{
	struct approve_wait w;

	return approve_waits(e, r, &w) && w.alone ? "waiting-approval" : run_state_word(r->row.state);
}

const char *approve_task_word(struct engine *e, struct run *r)
{
	struct approve_wait w;

	switch (r->row.state) {
	case RUN_DONE: /* its list could not be set up or found: as much a failure as one that could not be read */
		return r->root_failed ? "failure" : "success";
	case RUN_CANCELLED:
	case RUN_FAILED:
		return "failure";
	case RUN_PAUSED:
		return "pending";
	default:
		return approve_waits(e, r, &w) && w.alone ? "pending" : "running";
	}
}

/* --- releasing --- */

static void names_of(const struct run *r, uint32_t bits, char *out, size_t size)
{
	size_t len = 0;

	for (out[0] = 0; bits != 0 && len < size; bits &= bits - 1) {
		len += (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? ", " : "", approve_name(r, bits & -bits));
	}
}

void approve_release(struct engine *e, struct run *r, uint32_t bits, enum note_kind kind, const char *who, int64_t amount_micro)
{
	struct note n = {.run = r->id, .kind = kind, .wall_us = e->now.wall_us, .amount_micro = amount_micro};

	(void)snprintf(n.who, sizeof(n.who), "%s", who);
	names_of(r, bits, n.what, sizeof(n.what));
	note_add(e->txn, &n);
	r->row.approved |= bits;
	run_touch(r);
	notify_approved(e, r, bits);
	e->more = true;
}

/* The bit that a person means by a word; 0: none of the run's. */
static uint32_t bit_of(const struct run *r, const char *name)
{
	for (uint8_t s = 0; s < r->row.n_stages; s++) {
		const struct stage *st = run_stage(r, s);

		if (st != NULL && st->kind == STAGE_APPROVAL && strcmp(st->name, name) == 0) {
			return 1u << s;
		}
	}
	return strcmp(name, "sample") == 0 && r->row.sample != 0   ? APPROVE_SAMPLE
	     : strcmp(name, "preview") == 0 && r->row.preview      ? APPROVE_PREVIEW
	     : strcmp(name, "cost") == 0 && r->campaign != NULL && r->campaign->approve_above_micro >= 0 ? APPROVE_COST
										      : 0;
}

void command_approve(struct engine *e, struct command *c, struct run *r)
{
	struct approve_wait w;
	bool waits = approve_waits(e, r, &w);
	uint32_t bits = c->stage[0] != 0 ? bit_of(r, c->stage) : w.missing;
	char text[160];

	if (r->row.state >= RUN_DONE) {
		command_refuse(e, c, COMMAND_WRONG_STATE, "the run has ended");
	} else if (c->stage[0] != 0 && bits == 0) {
		(void)snprintf(text, sizeof(text), "run %u has nothing called '%.60s' that waits to be approved", r->id, c->stage);
		command_refuse(e, c, COMMAND_NOT_FOUND, text);
	} else if (c->stage[0] != 0 && (bits & ~r->row.approved) == 0) {
		command_answer(e, c); /* it was before */
	} else if (bits == 0) {
		command_refuse(e, c, COMMAND_WRONG_STATE, "nothing of the run waits to be approved");
	} else {
		c->count = (uint64_t)__builtin_popcount(bits);
		approve_release(e, r, bits, NOTE_APPROVED, c->who, waits ? w.estimate_micro : -1);
		command_answer(e, c);
	}
}

void approve_step(struct engine *e)
{
	struct run *r, *next;

	HASH_ITER(hh, e->runs, r, next) {
		struct approve_wait w;

		if (r->row.state == RUN_RUNNING && r->in_flight_total == 0 && !r->row.importing && approve_waits(e, r, &w) && w.alone) {
			notify_approval(e, r, &w);
		}
	}
}
