/* See feed.h. Nothing of it waits for the turn: the next grant must know it, and what a crash loses of it is asked of the ledger (load.c). */
#include "lib/engine/call/feed.h"

#include "lib/engine/call/call.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/state.h"
#include "lib/flow/hold.h"

static void arrived(struct call *c, int64_t at_us, struct now now)
{
	for (size_t i = 0; i < c->n_limits; i++) {
		if (c->tickets[i].state == TICKET_SENT) {
			limit_arrived(c->limits[i], &c->tickets[i], now, at_us);
		}
	}
}

void feed_sent(struct call *c, int64_t boot_us)
{
	if (c->row.sent_us != 0) {
		return;
	}
	c->row.sent_us = boot_us;
	for (size_t i = 0; i < c->n_limits; i++) {
		limit_sent(c->limits[i], &c->tickets[i], boot_us);
	}
}

void feed_first_byte(struct call *c, struct now now)
{
	if (c->row.late_us == 0) {
		int64_t margin_end = c->row.sent_us + c->def->margin_us;

		c->row.late_us = c->row.sent_us != 0 && margin_end < now.boot_us ? margin_end : now.boot_us;
		arrived(c, now.boot_us, now);
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

	if ((a->outcome == OUTCOME_QUOTA || a->outcome == OUTCOME_AUTH) && c->id <= c->lane->reset_call) {
		quota_dropped(q, c->id, now); /* a person has seen to it since */
		quota_dropped(auth, c->id, now);
		return;
	}
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

void feed_ended(struct engine *e, struct call *c, const struct http_answer *h, const struct answer *a, struct now now)
{
	end_in_windows(c, h, now);
	if (c->key < c->lane->def->n_keys) { /* else a reload took it away */
		feed_breaker(c, h, a, now);
		feed_quota(c, a, now);
		feed_hold(e, c, a, now);
		feed_hints(c, a, now);
	}
}

void feed_told(struct engine *e, struct call *c, const struct answer *a)
{
	if (c->key < c->lane->def->n_keys && (a->outcome == OUTCOME_QUOTA || a->outcome == OUTCOME_AUTH)) {
		feed_quota(c, a, e->now);
	}
}
