/*
 * Which call next, and why not: gate_call asks every condition of one place in the queue and returns the binding one
 * with its earliest time. The scheduler grants when that time is now; `why` prints what the same function says.
 */

#include "lib/engine/call/schedule.h"

#include "lib/base/money.h"
#include "lib/engine/call/accounts.h"
#include "lib/engine/call/batch.h"
#include "lib/engine/call/call.h"
#include "lib/engine/call/down.h"
#include "lib/engine/call/finish.h"
#include "lib/engine/call/grant.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/item/setup.h"
#include "lib/engine/run/approve.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"
#include "lib/engine/tell/notify.h"

#include <stdio.h>

static const char *const words[] = {"none", "store", "drain", "run", "pipeline", "approval", "paused", "concurrency", "key", "breaker", "throttle", "quota",
    "window", "budget", "finish", "linger", "time", "set-up"};

const char *condition_word(enum condition c)
{
	return words[c];
}

struct asking {
	struct engine *e;
	struct verdict v;
	condition_fn all;
	void *arg;
};

/* One condition looked at: the latest earliest time binds. text is only built when somebody listens. */
static void ask(struct asking *q, enum condition c, int64_t earliest_us, const char *format, ...) PRINTF(4, 5);
static void ask(struct asking *q, enum condition c, int64_t earliest_us, const char *format, ...)
{
	char text[200];
	va_list ap;

	if (q->all != NULL) {
		va_start(ap, format);
		(void)vsnprintf(text, sizeof(text), format, ap);
		va_end(ap);
		q->all(q->arg, c, earliest_us, text);
	}
	if (c != COND_WINDOW && c != COND_TIME && earliest_us > q->v.ready_us) {
		q->v.ready_us = earliest_us;
	}
	if (earliest_us > q->e->now.boot_us && earliest_us > q->v.earliest_us) {
		q->v.earliest_us = earliest_us;
		q->v.binding = c;
	}
}

static void ask_budget(struct asking *q, enum condition c, int64_t at, const struct account *a, int64_t limit, const struct run *r)
{
	static const char *const kinds[] = {"run", "campaign", "organisation", "service"};
	static const char *const periods[] = {"", " of the day", " of the month"};
	char text[32];

	if (a == NULL) {
		ask(q, c, at, c == COND_BUDGET ? "budget ok" : "budget enough for another lead to its end");
		return;
	}
	money_write(limit, text);
	if (c == COND_BUDGET) {
		ask(q, c, at, "the budget of the %s%s (%s) does not hold another call", kinds[a->id.kind], periods[a->id.period], text);
	} else if (finish_begun(r) > 0) {
		ask(q, c, at, "not started: the budget of the %s%s (%s) is kept for the %llu leads begun", kinds[a->id.kind], periods[a->id.period],
		    text, (unsigned long long)finish_begun(r));
	} else {
		ask(q, c, at, "not started: the budget of the %s%s (%s) does not hold a lead to its end", kinds[a->id.kind], periods[a->id.period], text);
	}
}

/* Asked last: a lead waits for all the rest before it is begun. */
static void ask_time(struct asking *q, struct run *r, const struct slot *s)
{
	struct now now = q->e->now;
	int64_t by = r->row.by_us, takes;
	char text[32];

	if (by == 0 || (s->starts && q->v.ready_us == TIME_NEVER)) {
		return;
	}
	if (!s->starts) {
		if (now.wall_us > by && q->all != NULL) {
			time_write_local(by, text);
			ask(q, COND_TIME, now.boot_us, "late: %llu leads begun before %s are being finished", (unsigned long long)finish_begun(r), text);
		}
		return;
	}
	takes = finish_time_us(q->e, r, false);
	if (takes <= by - now.wall_us - (q->v.ready_us - now.boot_us)) {
		ask(q, COND_TIME, now.boot_us, "time enough");
		return;
	}
	time_write_local(by, text);
	ask(q, COND_TIME, TIME_NEVER, "not started: could not be finished by %s", text);
}

/* Only told where there is something to release. */
static void ask_approval(struct asking *q, struct run *r, const struct slot *s)
{
	uint32_t missing = approve_missing(q->e, r, s);
	char text[160];

	if (missing != 0 && q->all != NULL) {
		approve_text(q->e, r, missing, text);
		ask(q, COND_APPROVAL, TIME_NEVER, "waits for approval: %s", text);
	} else if (missing != 0 || s->approvals != 0) {
		ask(q, COND_APPROVAL, missing != 0 ? TIME_NEVER : q->e->now.boot_us, "approved");
	}
}

/* What the pipeline says of the stage itself. */
static void ask_stage(struct asking *q, const struct run *r, const struct slot *s)
{
	const struct stage *st = run_stage(r, s->stage);
	int64_t now = q->e->now.boot_us;

	if (st != NULL && st->reads_run) {
		ask(q, COND_SETUP, r->root_ready ? now : TIME_NEVER, "run %u %s", r->id,
		    r->root_ready    ? "is set up"
		    : r->root_failed ? "could not be set up, as run show tells"
				     : "is being set up");
	}
	if (st != NULL && st->of == LEVEL_RUN && s->phase == PHASE_CALL && r->behind != 0) {
		unsigned behind = setup_behind(q->e, r);

		ask(q, COND_SETUP, behind == 0 ? now : TIME_NEVER, behind == 0 ? "run %u has made the same" : "run %u is making the same", r->behind);
	}
	if (st != NULL && st->at_once > 0) {
		ask(q, COND_CONCURRENCY, r->in_flight[s->stage] < st->at_once ? now : TIME_NEVER, "%u of %u calls of the run in flight at stage %s",
		    r->in_flight[s->stage], st->at_once, st->name);
	}
}

static void ask_run(struct asking *q, struct run *r, struct slot *s)
{
	int64_t now = q->e->now.boot_us;
	int64_t limit = 0, at;
	struct account *a;

	ask(q, COND_RUN, r->row.state == RUN_RUNNING || s->phase == PHASE_VERIFY ? now : TIME_NEVER, "run %u is %s", r->id, run_state_word(r->row.state));
	if (r->campaign == NULL || r->pipeline == NULL) {
		ask(q, COND_PIPELINE, TIME_NEVER, "campaign %s or pipeline %s is gone from the configuration", r->row.campaign, r->row.pipeline);
	}
	ask_approval(q, r, s);
	at = accounts_earliest(q->e, r, s->lane, s->call->price_micro, &a, &limit);
	ask_budget(q, COND_BUDGET, at, a, limit, r);
	if (s->starts) {
		at = finish_money_earliest(q->e, r, s, &a, &limit);
		ask_budget(q, COND_FINISH, at, a, limit, r);
	}
}

/* The key of the group that may be used first. */
static void ask_keys(struct asking *q, const struct lane *l, size_t g)
{
	struct now now = q->e->now;
	int64_t earliest = TIME_NEVER;
	size_t first = SIZE_MAX;

	for (size_t k = 0; k < l->def->n_keys; k++) {
		if (l->def->keys[k].group_index == g) {
			int64_t at = lane_key_earliest(l, k, now);

			first = first == SIZE_MAX || at < earliest ? k : first;
			earliest = at < earliest ? at : earliest;
		}
	}
	if (earliest <= now.boot_us) {
		ask(q, COND_KEY, earliest, "key accepted");
	} else if (l->keys[first].auth.cause == PARK_NONE) {
		ask(q, COND_KEY, earliest, "the credential %s is missing", l->def->keys[first].secret);
	} else {
		ask(q, COND_KEY, earliest, "key %s is refused: %s", l->def->keys[first].name, l->keys[first].auth.why);
	}
}

/* Everything about one group of keys: its keys, breaker, quota, windows. */
static void ask_group(struct asking *q, struct lane *l, size_t g, size_t call)
{
	struct lane_group *grp = &l->groups[g];
	struct now now = q->e->now;
	struct limit *limits[CALL_LIMITS];
	size_t index[CALL_LIMITS];
	size_t n = lane_limits(l, g, call, limits, index);
	int64_t at;

	ask_keys(q, l, g);
	ask(q, COND_BREAKER, breaker_earliest(&grp->breaker, now), "breaker %s", breaker_word(grp->breaker.state));
	at = hold_earliest(&grp->hold, now);
	ask(q, COND_THROTTLE, at, "%s %s to wait", l->name, at > now.boot_us ? "asked" : "has not asked");
	ask(q, COND_QUOTA, quota_earliest(&grp->quota, now), "quota: %s%s%s", quota_word(grp->quota.cause),
	    grp->quota.why[0] != 0 ? ", " : "", grp->quota.why);
	for (size_t i = 0; i < n; i++) {
		size_t window = 0;
		struct window_view view;
		char text[48] = "";

		at = limit_earliest(limits[i], 1, now, &window);
		if (q->all != NULL) {
			limit_view(limits[i], window, now, &view);
			window_write(&view.spec, text);
		}
		if (at > now.boot_us && at > q->v.earliest_us) {
			q->v.limit = index[i];
			q->v.window = window;
		}
		ask(q, COND_WINDOW, at, "%s window %s", l->name, text);
	}
	q->v.group = g;
}

/* The group that may go first; among those that may go now they take turns. Only of that one the conditions are told. */
static void ask_groups(struct asking *q, struct lane *l, size_t call)
{
	int64_t earliest = TIME_NEVER;
	size_t best = l->next_group % l->def->n_groups;

	for (size_t i = 0; l->def->n_groups > 1 && i < l->def->n_groups && earliest > q->e->now.boot_us; i++) {
		size_t g = (l->next_group + i) % l->def->n_groups;
		struct asking one = *q;

		one.all = NULL;
		ask_group(&one, l, g, call);
		best = one.v.earliest_us < earliest ? g : best;
		earliest = one.v.earliest_us < earliest ? one.v.earliest_us : earliest;
	}
	ask_group(q, l, best, call);
}

/* Fewer than a batch takes wait for more, as long as there may come any. */
static void ask_linger(struct asking *q, const struct run *r, const struct slot *s)
{
	int64_t at = batch_ready_us(q->e, r, s);

	if (at > q->e->now.boot_us) {
		ask(q, COND_LINGER, at, "%u of a batch of %zu, it waits for more", s->queued, batch_size(q->e, s->call));
	} else {
		ask(q, COND_LINGER, at, "batch of up to %zu", batch_size(q->e, s->call));
	}
}

/* May anything go at all, and to this service? */
static void ask_engine(struct asking *q, struct lane *l)
{
	if (q->e->full) {
		ask(q, COND_STORE, TIME_NEVER, "%s", q->e->full_why);
	}
	if (q->e->draining) {
		ask(q, COND_DRAIN, TIME_NEVER, "leadd is stopping");
	}
	ask(q, COND_PAUSED, quota_earliest(&l->pause, q->e->now), "service %s %s", l->name, l->pause.cause != PARK_NONE ? "paused" : "not paused");
}

/* Calls under way: a job that waits for its result needs no connection. */
static void ask_line(struct asking *q)
{
	const struct engine *e = q->e;
	unsigned total = 0;

	for (size_t i = 0; i < e->n_lanes; i++) {
		total += e->lanes[i]->in_flight - e->lanes[i]->jobs;
	}
	ask(q, COND_CONCURRENCY, total < e->config->max_in_flight ? e->now.boot_us : TIME_NEVER, "%u of %u calls in flight, all services together", total,
	    e->config->max_in_flight);
}

struct verdict gate_poll(struct engine *e, const struct call *c, const struct service_call *poll, condition_fn all, void *arg)
{
	struct asking q = {.e = e, .v = {.earliest_us = e->now.boot_us, .ready_us = e->now.boot_us}, .all = all, .arg = arg};
	struct lane *l = c->lane;

	ask_engine(&q, l);
	ask_line(&q);
	ask_group(&q, l, c->group < l->def->n_groups ? c->group : 0, poll->index);
	return q.v;
}

struct verdict gate_call(struct engine *e, struct run *r, struct slot *s, condition_fn all, void *arg)
{
	struct asking q = {.e = e, .v = {.earliest_us = e->now.boot_us, .ready_us = e->now.boot_us}, .all = all, .arg = arg};
	struct lane *l = s->lane;

	ask_engine(&q, l);
	ask(&q, COND_CONCURRENCY, l->in_flight - l->polls < l->def->concurrency ? e->now.boot_us : TIME_NEVER, "%u of %u calls in flight",
	    l->in_flight - l->polls, l->def->concurrency);
	ask_line(&q);
	ask_stage(&q, r, s);
	ask_run(&q, r, s);
	ask_groups(&q, l, s->call->index);
	if (batch_size(e, s->call) > 1) {
		ask_linger(&q, r, s);
	}
	ask_time(&q, r, s);
	return q.v;
}

/* --- the pass over one service --- */

static struct slot *next_slot(struct run *r, struct lane *l)
{
	for (size_t s = 0; s < r->n_slots; s++) {
		if (r->slots[s].lane == l && r->slots[s].queued > 0 && !r->slots[s].blocked) {
			return &r->slots[s];
		}
	}
	return NULL;
}

/* Ready is who has something queued here: a turn is not to look for it once for each call. */
static void lane_begin(struct engine *e, struct lane *l)
{
	for (size_t i = 0; i < l->share.n; i++) {
		struct share_member *m = &l->share.members[i];
		struct run *r = run_get(e, m->id);

		for (size_t s = 0; r != NULL && s < r->n_slots; s++) {
			r->slots[s].blocked = false;
		}
		m->ready = r != NULL && (r->row.state == RUN_RUNNING || r->verifying) && next_slot(r, l) != NULL;
	}
}

/* When its time is up a run may be at its end, though nothing else happens. */
static void wake_by(struct engine *e, struct lane *l, const struct run *r, const struct verdict *v)
{
	int64_t at = e->now.boot_us + (r->row.by_us - e->now.wall_us);

	if (v->binding == COND_TIME && at > e->now.boot_us && at < l->wake_us) {
		l->wake_us = at;
	}
}

/* Grants until nothing of this service may go, or the turn is full. left: items that may yet end without a call. */
static void lane_pass(struct engine *e, struct lane *l, unsigned *left)
{
	struct share_member *m;

	lane_begin(e, l);
	while ((m = share_next(&l->share)) != NULL) {
		struct run *r = run_get(e, m->id);
		struct slot *s = next_slot(r, l);
		struct verdict v;
		unsigned granted;

		if (s == NULL) {
			m->ready = false;
			continue;
		}
		if (e->n_fresh == TURN_GRANTS || *left == 0 || txn_error(e->txn) != 0) {
			e->more = true;
			return;
		}
		v = gate_call(e, r, s, NULL, NULL);
		if (v.binding != COND_NONE) {
			s->blocked = true;
			l->wake_us = v.earliest_us < l->wake_us ? v.earliest_us : l->wake_us;
			wake_by(e, l, r, &v);
			if (v.binding == COND_BUDGET || v.binding == COND_FINISH) {
				notify_budget(e, r, s, v.binding);
			}
			if (down_too_long(e, r, s, &v) && grant_down(e, r, s) == 1) {
				s->blocked = false;
				e->more = true; /* it may wait elsewhere now */
				--*left;
			}
			continue;
		}
		granted = (unsigned)grant(e, r, s, &v);
		if (granted > 0) {
			share_charge(&l->share, m, 1);
		}
		granted = granted > 0 ? granted - 1 : 1; /* a batch is much work */
		*left -= granted < *left ? granted : *left;
	}
}

void schedule(struct engine *e)
{
	unsigned left = TURN_ROWS;

	/* start with another service each turn, so that a full turn starves nobody */
	for (size_t i = 0; i < e->n_lanes; i++) {
		struct lane *l = e->lanes[(i + e->turn) % e->n_lanes];

		l->wake_us = TIME_NEVER;
		if (l->def != NULL && l->share.n > 0) {
			lane_pass(e, l, &left);
		}
	}
}
