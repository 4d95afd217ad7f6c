/*
 * What an answer does. At once, when it is gathered (engine_answered): it leaves its windows' open calls, feeds breaker,
 * quota and hold, frees its place. In its turn (settle): the ledger row ends, balances move, statistics count, and the
 * item goes where its stage says, all in one transaction.
 */
#include "lib/engine/settle.h"

#include "lib/base/ids.h"
#include "lib/engine/accounts.h"
#include "lib/engine/answers.h"
#include "lib/engine/busy.h"
#include "lib/engine/cache.h"
#include "lib/engine/call.h"
#include "lib/engine/engine.h"
#include "lib/engine/foretell.h"
#include "lib/engine/job.h"
#include "lib/engine/lane.h"
#include "lib/engine/run.h"
#include "lib/engine/share.h"
#include "lib/engine/stage.h"
#include "lib/engine/state.h"
#include "lib/engine/tallies.h"
#include "lib/flow/hold.h"

#include <stdio.h>

static void arrived(struct call *c, int64_t at_us, struct now now)
{
	for (size_t i = 0; i < c->n_limits; i++) {
		if (c->tickets[i].state == TICKET_SENT) {
			limit_arrived(c->limits[i], &c->tickets[i], now, at_us);
		}
	}
}

void engine_sent(struct engine *e, uint64_t id, int64_t boot_us)
{
	struct call *c = engine_call_find(e, id);

	if (c == NULL || c->row.sent_us != 0) {
		return;
	}
	c->row.sent_us = boot_us;
	for (size_t i = 0; i < c->n_limits; i++) {
		limit_sent(c->limits[i], &c->tickets[i], boot_us);
	}
}

void engine_first_byte(struct engine *e, uint64_t id, int64_t boot_us)
{
	struct call *c = engine_call_find(e, id);
	struct now now = {.boot_us = boot_us, .wall_us = e->now.wall_us + (boot_us - e->now.boot_us)};

	if (c != NULL && c->row.late_us == 0) {
		int64_t margin_end = c->row.sent_us + c->def->margin_us;

		c->row.late_us = c->row.sent_us != 0 && margin_end < boot_us ? margin_end : boot_us;
		arrived(c, boot_us, now);
	}
}

/* Windows: what the end of the call says about when it had arrived. */
static void end_in_windows(struct call *c, const struct http_answer *h, struct now now)
{
	int64_t end_us = h->end_us != 0 ? h->end_us : now.boot_us;

	if (c->row.sent_us == 0) {
		for (size_t i = 0; i < c->n_limits; i++) {
			limit_drop(c->limits[i], &c->tickets[i]);
		}
		return;
	}
	if (c->row.late_us == 0) {
		int64_t margin_end = c->row.sent_us + c->def->margin_us;

		c->row.late_us = margin_end < end_us ? margin_end : end_us;
	}
	arrived(c, end_us, now);
}

static void feed_breaker(struct call *c, const struct http_answer *h, const struct answer *a, struct now now)
{
	struct lane_group *g = &c->lane->groups[c->group];
	struct breaker *b = &g->breaker;

	if (h->transport == TRANSPORT_CANCELLED) {
		breaker_dropped(b, c->id);
	} else {
		bool ok = a->readable && a->outcome != OUTCOME_TRANSIENT;

		breaker_result(b, c->id, ok, now);
		g->proved = g->proved || ok;
	}
}

static void feed_quota(struct call *c, const struct answer *a, struct now now)
{
	struct quota *q = &c->lane->groups[c->group].quota, *auth = &c->lane->keys[c->key].auth;
	enum park_cause before = q->cause, auth_before = auth->cause;

	switch (a->outcome) {
	case OUTCOME_QUOTA:
		quota_park(q, PARK_QUOTA, a->detail != NULL ? a->detail : a->reason, a->reset_wall_us, now);
		quota_dropped(auth, c->id, now);
		break;
	case OUTCOME_AUTH:
		quota_park(auth, PARK_AUTH, a->detail != NULL ? a->detail : a->reason, a->reset_wall_us, now);
		quota_dropped(q, c->id, now);
		break;
	case OUTCOME_IN_DOUBT:
	case OUTCOME_UNSENT:
	case OUTCOME_TRANSIENT:
	case OUTCOME_THROTTLE:
		quota_dropped(q, c->id, now);
		quota_dropped(auth, c->id, now);
		break;
	default:
		quota_answered(q, c->id, now);
		quota_answered(auth, c->id, now);
		break;
	}
	c->lane->park_dirty = c->lane->park_dirty || before != q->cause || auth_before != auth->cause || a->outcome == OUTCOME_QUOTA;
}

static void feed_hold(struct engine *e, struct call *c, const struct answer *a, struct now now)
{
	struct hold *h = &c->lane->groups[c->group].hold;

	if (a->outcome == OUTCOME_THROTTLE) {
		hold_throttled(h, c->id, e->last_call, &c->call->retry[OUTCOME_THROTTLE], a->retry_after_us, dice_roll(&e->dice), now);
	} else if (a->readable) {
		hold_answered(h, c->id);
	}
}

static void feed_hints(struct call *c, const struct answer *a, struct now now)
{
	for (size_t i = 0; i < a->n_hints; i++) {
		const struct answer_hint *h = &a->hints[i];
		struct lane *l = c->lane;
		struct limit *limit;

		if (c->def != l->def || h->limit >= l->def->n_limits) {
			continue; /* another generation's indexes */
		}
		limit = l->shared[h->limit] != NULL ? l->shared[h->limit] : l->groups[c->group].limits[h->limit];
		limit_said(limit, h->window, h->max);
		if (h->reset_us < 0 || h->remaining == UINT64_MAX) {
			continue; /* nothing to hold on to */
		}
		limit_observe(limit, h->window, h->remaining, now.boot_us + h->reset_us, now);
	}
}

/* The call has ended; NULL when it had already, or nobody knows it. */
static struct outcome *end_call(struct engine *e, uint64_t id, const struct http_answer *h, struct now now)
{
	struct call *c = engine_call_find(e, id);
	struct outcome *o = c != NULL && !c->ended ? calloc(1, sizeof(*o)) : NULL;

	if (o != NULL) {
		o->call = c;
		c->ended = true;
		share_close(e, c);
		c->row.end_us = h->end_us != 0 ? h->end_us : now.boot_us;
		c->row.http_status = (uint16_t)(h->status > 0 && h->status < 1000 ? h->status : 0);
	}
	return o;
}

/* What it says is known: for everything but its item, which waits for the turn. */
static void gather(struct engine *e, struct outcome *o, const struct http_answer *h, struct now now)
{
	struct call *c = o->call;

	if (c->key < c->lane->def->n_keys) { /* else a reload took it away */
		end_in_windows(c, h, now);
		feed_breaker(c, h, &o->answer, now);
		feed_quota(c, &o->answer, now);
		feed_hold(e, c, &o->answer, now);
		feed_hints(c, &o->answer, now);
	} else {
		end_in_windows(c, h, now);
	}
	if (job_begins(c, &o->answer)) {
		job_place(c); /* it goes on, and may still be joined */
		share_reopen(e, c);
	} else {
		engine_call_leave(c);
	}
	*e->outcomes_end = o;
	e->outcomes_end = &o->next;
}

/* What a batch is told, part by part. */
static void read_parts(struct outcome *o, const struct http_answer *h)
{
	struct call *c = o->call;

	o->parts = arena_alloc(&o->arena, c->row.n_parts * sizeof(*o->parts));
	if (o->parts == NULL || batch_answers(c->call, h, &o->answer, c->keys, c->row.n_parts, &o->arena, o->parts) != 0) {
		abort(); /* out of memory, as above */
	}
}

void engine_answered(struct engine *e, uint64_t id, const struct http_answer *h, char *body, struct now now)
{
	struct outcome *o = end_call(e, id, h, now);
	struct http_answer read = *h;

	if (o == NULL) {
		free(body);
		return;
	}
	o->body = body;
	o->by = o->call->row.polls != 0 ? JOB_BY_POLL : NULL;
	answers_gather(e, o, h, body);
	read.body = body != NULL ? body : h->body;
	read.items = o->call->row.n_parts;
	if (job_answer_read(o, &read, now) != 0) {
		abort(); /* out of memory: the restart finds the call open and in doubt */
	}
	if (o->call->keys != NULL) {
		read_parts(o, &read);
	}
	if (o->call->unanswered) {
		o->answer = (struct answer){.outcome = OUTCOME_UNSENT, .reason = NO_ANSWER};
		o->parts = NULL;
	}
	gather(e, o, h, now);
}

void engine_unanswered(struct engine *e, uint64_t id, struct now now)
{
	struct http_answer h = {.transport = TRANSPORT_CANCELLED, .why = NO_ANSWER, .end_us = now.boot_us};
	struct call *c = engine_call_find(e, id);

	if (c != NULL) {
		c->unanswered = true;
		engine_answered(e, id, &h, NULL, now);
	}
}

/* A batch: each item was told by itself, where the whole went well. */
static void foretold_parts(struct outcome *o)
{
	struct call *c = o->call;
	bool well = o->answer.outcome <= OUTCOME_PENDING;

	o->parts = arena_alloc(&o->arena, c->row.n_parts * sizeof(*o->parts));
	for (size_t i = 0; o->parts != NULL && i < c->row.n_parts; i++) {
		o->parts[i] = o->answer;
		if (i > 0 && well) {
			o->parts[i].outcome = c->members[i].said;
			o->parts[i].price_micro = c->members[i].price_micro;
		}
		o->parts[i].reason = outcome_word(o->parts[i].outcome);
	}
	c->members[0].foretold = c->foretold;
	o->answer.price_micro = 0;
}

void engine_foretold(struct engine *e, uint64_t id, const struct foretold *f, struct now now)
{
	struct http_answer h = {.transport = TRANSPORT_ANSWERED, .end_us = now.boot_us};
	struct outcome *o = end_call(e, id, &h, now);

	if (o != NULL) {
		o->call->foretold = f->end;
		o->answer = (struct answer){.outcome = f->outcome,
		    .reason = outcome_word(f->outcome),
		    .readable = f->outcome != OUTCOME_TRANSIENT && f->outcome != OUTCOME_IN_DOUBT && f->outcome != OUTCOME_UNSENT,
		    .price_micro = f->price_micro};
		if (o->call->members != NULL) {
			foretold_parts(o);
		}
		gather(e, o, &h, now);
	}
}

/* --- in the turn --- */

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

void settle_told(struct engine *e, struct call *c, const struct answer *a)
{
	if (c->key < c->lane->def->n_keys && (a->outcome == OUTCOME_QUOTA || a->outcome == OUTCOME_AUTH)) {
		feed_quota(c, a, e->now);
	}
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
