/*
 * What an answer does in its turn: the ledger row ends, balances move, statistics count, and the item goes where its stage says, all in
 * one transaction. What it did at once, when it was gathered, is in feed.c.
 */
#include "lib/engine/call/settle.h"

#include "lib/engine/call/accounts.h"
#include "lib/engine/call/answers.h"
#include "lib/engine/call/busy.h"
#include "lib/engine/call/cache.h"
#include "lib/engine/call/call.h"
#include "lib/engine/call/job.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/engine.h"
#include "lib/engine/plan/tallies.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/stage.h"
#include "lib/engine/state.h"

#include <stdio.h>

static const struct answer *answer_of(const struct outcome *o, size_t part)
{
	return o->parts != NULL ? &o->parts[part] : &o->answer;
}

static enum call_state end_state(const struct call *c, enum outcome_class is, int64_t price)
{
	if (is == OUTCOME_IN_DOUBT) {
		return CALL_IN_DOUBT;
	}
	return is == OUTCOME_UNSENT || (price == 0 && call_reserved(&c->row) > 0) ? CALL_REFUNDED : CALL_SETTLED;
}

static void move_balances(struct engine *e, struct call *c)
{
	struct account *list[MAX_ACCOUNTS];
	struct call_part p;

	for (struct part_walk w = call_parts(&c->row); part_next(&w, &p);) {
		size_t n = accounts_for(e, run_get(e, p.run), c->lane, c->row.granted_wall_us, list);

		for (size_t i = 0; i < n; i++) {
			struct balance *b = &list[i]->bal;

			b->reserved_micro -= p.reserved_micro;
			b->settled_micro += c->row.state == CALL_SETTLED ? p.settled_micro : 0;
			b->in_doubt_micro += c->row.state == CALL_IN_DOUBT ? p.settled_micro : 0;
			b->refunded_micro += c->row.state == CALL_REFUNDED ? p.reserved_micro : 0;
			b->calls[CALL_RESERVED] -= w.i == 1; /* the first: it is counted once */
			b->calls[c->row.state] += w.i == 1;
			list[i]->dirty = true;
		}
	}
}

/* Billed above what was reserved: settled in full, and nobody calls this service until a person looked. */
static void park_overbilled(struct engine *e, struct lane *l)
{
	for (size_t g = 0; l->def != NULL && g < l->def->n_groups; g++) {
		quota_park(&l->groups[g].quota, PARK_OVERBILLED, "a call was billed above its price ceiling", 0, e->now);
	}
	l->park_dirty = true;
}

/* What the whole call may have cost: who joined it reserved for a share of the same. */
static int64_t most_of(const struct call *c)
{
	return c->row.kind == CALL_BATCH ? call_reserved(&c->row) : c->row.parts[0].reserved_micro;
}

static struct call_part *part_at(struct call *c, size_t i)
{
	return i == 0 ? &c->row.parts[0] : &c->row.more[i - 1];
}

/* By the items' own prices, the remainder to the first that has one. Returns the sum; -1: none of them has one. */
static int64_t share_by_weight(struct outcome *o)
{
	struct call *c = o->call;
	int64_t all = o->answer.price_micro, weights = 0, sum = 0;
	struct call_part *first = NULL;

	for (size_t i = 0; i < c->row.n_parts; i++) {
		weights += o->parts[i].price_micro;
	}
	for (size_t i = 0; i < c->row.n_parts && weights > 0; i++) {
		struct call_part *p = part_at(c, i);

		p->settled_micro = (int64_t)((double)all / (double)weights * (double)o->parts[i].price_micro);
		first = first == NULL && o->parts[i].price_micro > 0 ? p : first;
		sum += p->settled_micro;
	}
	if (first != NULL) {
		first->settled_micro += all - sum;
	}
	return weights > 0 ? all : -1;
}

/* Evenly, the remainder to the first part; an item of a batch bears its own price besides. Returns the sum. */
static int64_t share_out(const struct engine *e, struct outcome *o)
{
	struct call *c = o->call;
	bool weighted = !e->blind && o->parts != NULL && c->call != NULL && c->call->batch != NULL && c->call->batch->weighted;
	bool doubt = o->answer.outcome == OUTCOME_IN_DOUBT;
	int64_t all = doubt && c->row.kind == CALL_SINGLE ? most_of(c) : o->answer.price_micro; /* in doubt: counts as paid */
	int64_t n = (int64_t)c->row.n_parts, sum = 0, each;

	all = o->answer.outcome == OUTCOME_UNSENT ? 0 : all;
	if (weighted && !doubt && all > 0 && share_by_weight(o) >= 0) {
		return all;
	}
	each = all / n;
	for (size_t i = 0; i < c->row.n_parts; i++) {
		struct call_part *p = part_at(c, i);

		p->settled_micro = i == 0 ? all - each * (n - 1) : each;
		if (doubt && c->row.kind == CALL_BATCH) {
			p->settled_micro = p->reserved_micro;
		} else if (o->parts != NULL && !weighted) {
			p->settled_micro += o->parts[i].price_micro;
		}
		sum += p->settled_micro;
	}
	return sum;
}

static void end_row(struct engine *e, struct outcome *o)
{
	struct call *c = o->call;
	const struct answer *a = &o->answer;
	int64_t price = share_out(e, o);

	c->row.state = end_state(c, a->outcome, price);
	c->row.outcome = (uint8_t)a->outcome;
	if (a->reason != NULL && a->outcome != OUTCOME_OK) {
		(void)snprintf(c->row.reason, sizeof(c->row.reason), "%s", a->reason);
	}
	call_close(e->txn, &c->row);
	if (price > most_of(c)) {
		park_overbilled(e, c->lane);
	}
}

/* What the part brings its item. */
static void settle_part(struct engine *e, struct call *c, const struct answer *a)
{
	const struct call_part *p = call_part(c);
	struct run *r = run_get(e, p->run);
	struct item i;

	tally_call(e, c, a);
	if (r == NULL || !item_read(e->txn, r->id, p->number, &i)) {
		return;
	}
	if (r->in_flight[i.stage] > 0) {
		r->in_flight[i.stage]--;
	}
	busy_leave(r, i.parent, i.stage);
	r->in_flight_total -= r->in_flight_total > 0 ? 1 : 0;
	run_count(r, i.stage)->waiting--; /* stage_outcome counts it where it goes */
	if (c->row.state != CALL_REFUNDED) {
		i.spent_micro += p->settled_micro;
		run_count(r, i.stage)->settled_micro += c->row.state == CALL_SETTLED ? p->settled_micro : 0;
	}
	cache_keep(e, r, &i, c, a);
	(c->unanswered ? stage_unanswered : stage_outcome)(e, r, &i, c, a);
	run_touch(r);
	run_check_end(e, r);
}

void settle_poll(struct engine *e, struct call *c, const struct answer *a)
{
	struct outcome o = {.call = c, .answer = *a};

	end_row(e, &o);
	move_balances(e, c);
	c->lane->stat.outcomes[a->outcome]++;
	c->lane->stat_dirty = true;
}

void settle(struct engine *e, struct outcome *o)
{
	struct call *c = o->call;

	if (c->row.polls != 0) {
		job_polled(e, o);
	} else if (c->job == NULL || !job_take(e, o)) {
		if (c->job != NULL || c->restarted) {
			job_close(e, c);
		}
		settle_call(e, o);
	}
}

void settle_call(struct engine *e, struct outcome *o)
{
	struct call *c = o->call;

	end_row(e, o);
	answers_write(e, o);
	move_balances(e, c);
	c->lane->stat.outcomes[o->answer.outcome]++;
	c->lane->stat.settled_micro += c->row.state == CALL_SETTLED ? call_settled(&c->row) : 0;
	if (c->row.end_us != 0 && c->row.sent_us != 0) {
		stat_count_latency(&c->lane->stat, c->row.end_us - c->row.sent_us);
	}
	c->lane->stat_dirty = true;
	for (c->at = 0; c->at < c->row.n_parts; c->at++) {
		settle_part(e, c, answer_of(o, c->at));
	}
	c->at = 0;
}
