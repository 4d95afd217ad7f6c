/*
 * Asking for jobs: each open one stands in a heap by the time when it is to be asked for, or given up; when that has come, in its
 * lane's list until the gate lets a poll through. See job.c.
 */

#include "lib/engine/call/job_parts.h"

#include "lib/base/ids.h"
#include "lib/engine/call/call.h"
#include "lib/engine/call/grant.h"
#include "lib/engine/call/job.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/call/schedule.h"
#include "lib/engine/call/settle.h"
#include "lib/engine/state.h"
#include "lib/flow/retry.h"
#include "lib/service/answer.h"
#include "lib/service/service.h"

#include <stdio.h>
#include <stdlib.h>

/* What may pass is said of the poll, unless a 2xx answer says it of the job. */
static bool says_nothing(const struct call *c, const struct answer *a)
{
	bool good = c->row.http_status >= 200 && c->row.http_status <= 299;

	switch (a->outcome) {
	case OUTCOME_UNSENT:
	case OUTCOME_IN_DOUBT:
		return true;
	case OUTCOME_TRANSIENT:
	case OUTCOME_THROTTLE:
	case OUTCOME_QUOTA:
	case OUTCOME_AUTH:
		return !good || !a->readable;
	default:
		return false;
	}
}

static int64_t poll_wait_us(struct engine *e, struct call *job, const struct call *poll, const struct answer *a)
{
	int64_t every_us = job->call->job->every_us;
	const struct retry_spec *retry;
	int64_t wait_us;

	if (a->outcome == OUTCOME_PENDING) {
		return a->retry_after_us > 0 ? a->retry_after_us : every_us;
	}
	if (poll->call == NULL) {
		return every_us;
	}
	retry = &poll->call->retry[a->outcome == OUTCOME_THROTTLE ? OUTCOME_THROTTLE : OUTCOME_TRANSIENT];
	wait_us = retry_wait_us(retry, job->job->row.failures, a->retry_after_us, dice_roll(&e->dice));
	return wait_us > every_us ? wait_us : every_us;
}

static void ask_again(struct engine *e, struct call *job, const struct call *poll, const struct answer *a)
{
	struct job_row *r = &job->job->row;

	if (a->outcome == OUTCOME_PENDING) {
		r->failures = 0;
	} else {
		r->failures += r->failures < UINT8_MAX ? 1 : 0;
		(void)snprintf(r->reason, sizeof(r->reason), "%s", a->reason != NULL ? a->reason : "");
	}
	r->due_us = e->now.boot_us + poll_wait_us(e, job, poll, a);
	job_write(e->txn, r);
	job_alarm(e, job);
}

void job_polled(struct engine *e, struct outcome *o)
{
	struct call *c = o->call, *job = job_find(e, c->row.polls);
	struct answer poll = o->answer;

	poll.price_micro = 0;
	if (poll.outcome == OUTCOME_IN_DOUBT) {
		poll.outcome = OUTCOME_TRANSIENT; /* nothing was bought, nothing was done */
	}
	settle_poll(e, c, &poll);
	if (job == NULL) {
		return;
	}
	job->job->poll = 0;
	job->job->row.polls++;
	if (o->answer.outcome == OUTCOME_PENDING || says_nothing(c, &o->answer)) {
		ask_again(e, job, c, &poll);
	} else {
		struct outcome result = {.answer = o->answer, .body = o->body, .body_len = o->body_len, .head = o->head, .head_len = o->head_len};

		result.parts = job_parts(e, job, &o->answer, o->body, o->body_len);
		result.answer.price_micro =
		    answer_job_price(job->call, o->answer.outcome, &o->answer, true, job->job->row.price_micro);
		job_result(e, job, &result);
	}
}

/* Due: into its lane's list. */
static void list_job(struct call *c)
{
	struct lane *l = c->lane;

	if (l->n_due == l->cap_due) {
		size_t cap = 2 * l->cap_due + 64;
		uint64_t *list = realloc(l->due, cap * sizeof(*list));

		if (list == NULL) {
			abort();
		}
		l->due = list;
		l->cap_due = cap;
	}
	l->due[l->n_due++] = c->id;
	c->job->asking = true;
}

static void ring(struct engine *e)
{
	const struct alarm *top;
	unsigned n = 0;

	while ((top = heap_top(&e->alarms)) != NULL && top->head.at_us <= e->now.boot_us) {
		struct alarm a;
		struct call *c;

		if (n++ == TURN_OUTCOMES) {
			e->more = true;
			return;
		}
		heap_pop(&e->alarms, &a);
		c = job_find(e, a.head.seq);
		if (c == NULL || c->job->alarm_us != a.head.at_us) {
			continue;
		}
		c->job->alarm_us = 0;
		if (c->job->poll != 0) {
			continue; /* its end sets the next one */
		}
		if (c->job->row.until_us <= e->now.boot_us) {
			job_late(e, c);
		} else {
			list_job(c);
		}
	}
}

/* Not askable as things are: its request cannot be made, or the configuration lost the poll. */
static void postpone(struct engine *e, struct call *c)
{
	c->job->asking = false;
	c->job->row.due_us = e->now.boot_us + c->call->job->every_us;
	job_alarm(e, c);
}

/* True: it is off the list. */
static bool ask_for(struct engine *e, struct lane *l, struct call *c, uint64_t *blocked)
{
	const struct service_call *poll =
	    l->def != NULL && c->call->job->poll != NULL ? service_find_call(l->def, c->call->job->poll->name) : NULL;
	size_t group = c->group != SIZE_MAX && l->def != NULL && c->group < l->def->n_groups ? c->group : 0;
	struct verdict v;

	if (poll == NULL) {
		postpone(e, c);
		return true;
	}
	if ((*blocked >> (group & 63) & 1) != 0) {
		return false;
	}
	v = gate_poll(e, c, poll, NULL, NULL);
	if (v.binding != COND_NONE) {
		*blocked |= UINT64_C(1) << (group & 63);
		l->poll_us = v.earliest_us < l->poll_us ? v.earliest_us : l->poll_us;
		return false;
	}
	if (grant_poll(e, c, poll, &v) == 1) {
		c->job->asking = false;
		c->job->row.due_us = 0;
	} else {
		postpone(e, c);
	}
	return true;
}

static void poll_pass(struct engine *e, struct lane *l)
{
	uint64_t blocked = 0;
	size_t kept = 0;

	l->poll_us = TIME_NEVER;
	for (size_t i = 0; i < l->n_due; i++) {
		struct call *c = job_find(e, l->due[i]);

		if (c == NULL || !c->job->asking) {
			continue;
		}
		if (c->job->row.until_us <= e->now.boot_us) {
			job_late(e, c);
			continue;
		}
		if (e->n_fresh == TURN_GRANTS || txn_error(e->txn) != 0) {
			e->more = true;
		} else if (ask_for(e, l, c, &blocked)) {
			continue;
		}
		l->due[kept++] = c->id;
		l->poll_us = c->job->row.until_us < l->poll_us ? c->job->row.until_us : l->poll_us;
	}
	l->n_due = kept;
}

void jobs_step(struct engine *e)
{
	ring(e);
	for (size_t i = 0; i < e->n_lanes; i++) {
		poll_pass(e, e->lanes[i]);
	}
}

int64_t jobs_next_us(const struct engine *e)
{
	const struct alarm *top = heap_top(&e->alarms);

	return top != NULL ? top->head.at_us : TIME_NEVER;
}
