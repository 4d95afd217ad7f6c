/*
 * Jobs: what a service does behind its answer. The call that began it stays open, with its reservation, its place among
 * the service's calls and its item in flight, until the result is there. The result then settles it like an answer.
 *
 *   job_new, job_submit (grant) -> answer -> job_take: open -> jobs_step: due -> grant_poll -> job_polled: pending? -> due
 *        |                           | lost: in doubt, the callback may yet tell         |             | result
 *        '-> job_callback ----------------------------------------------------------------> job_result -> settle_call
 *                kept when it is before the answer            until is over -> job_late ------'
 *
 * A poll is a call of its own under its own limits, in the place that its job keeps. An answer to it that is no 2xx and is
 * of a class that may pass (transient, throttle, quota, auth) says nothing of the job: it is asked for again. Polls are in
 * job_poll.c, callbacks in job_callback.c, start and restart in job_load.c.
 */
#include "lib/engine/call/job.h"

#include "lib/base/arena.h"
#include "lib/base/ids.h"
#include "lib/base/value.h"
#include "lib/engine/call/answers.h"
#include "lib/engine/call/call.h"
#include "lib/engine/call/feed.h"
#include "lib/engine/call/job_parts.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/call/settle.h"
#include "lib/engine/call/share.h"
#include "lib/engine/clocks.h"
#include "lib/engine/state.h"
#include "lib/service/answer.h"
#include "lib/service/service.h"
#include "lib/store/ledger.h"

#include <stdio.h>
#include <stdlib.h>

/* --- at the grant --- */

/* A callback's proof: nobody who does not know the store's key can guess one, however many others he has seen. */
static void make_token(const struct engine *e, uint64_t call, uint8_t ret[JOB_TOKEN])
{
	for (uint8_t half = 0; half < 2; half++) {
		uint8_t bytes[9] = {half};
		uint64_t word;

		memcpy(bytes + 1, &call, sizeof(call));
		word = hash_keyed(e->hash_key, bytes, sizeof(bytes));
		memcpy(ret + half * sizeof(word), &word, sizeof(word));
	}
}

bool job_new(struct engine *e, struct call *c)
{
	if (c->call->job == NULL || e->blind) {
		return true;
	}
	c->job = calloc(1, sizeof(*c->job));
	if (c->job == NULL) {
		return false;
	}
	c->job->row = (struct job_row){.call = c->id,
	    .has_token = c->call->job->callback,
	    .boot = e->boot,
	    .since_us = e->now.boot_us,
	    .since_wall_us = e->now.wall_us};
	if (c->job->row.has_token) {
		make_token(e, c->id, c->job->row.token);
	}
	return true;
}

const char *job_callback_url(struct engine *e, const struct call *c)
{
	char token[JOB_TOKEN_TEXT];

	if (c->job == NULL || !c->job->row.has_token || e->config->callback_url == NULL) {
		return NULL;
	}
	job_token_text(c->job->row.token, token);
	return arena_printf(&e->arena, "%s/v1/callbacks/%s", e->config->callback_url, token);
}

void job_submit(struct engine *e, const struct call *c)
{
	if (c->job != NULL && c->job->row.has_token) {
		job_write(e->txn, &c->job->row);
		job_token_write(e->txn, c->job->row.token, c->id);
	}
}

/* --- its place and its time --- */

static size_t job_key(const struct call *c)
{
	for (size_t k = 0; c->lane->def != NULL && k < c->lane->def->n_keys; k++) {
		if (c->lane->keys[k].number == c->row.key) {
			return k;
		}
	}
	return SIZE_MAX;
}

/* A call found after a restart holds no place yet. */
void job_take_place(struct call *c)
{
	struct lane *l = c->lane;

	c->restarted = false;
	c->key = job_key(c);
	c->group = c->key != SIZE_MAX ? l->def->keys[c->key].group_index : SIZE_MAX;
	l->in_flight++;
	if (c->key != SIZE_MAX) {
		l->keys[c->key].in_flight++;
		l->groups[c->group].in_flight++;
	}
	job_place(c);
}

void job_place(struct call *c)
{
	c->job->placed = true;
	c->lane->jobs++;
}

static void set_alarm(struct engine *e, struct call *c, int64_t at_us)
{
	struct alarm a = {.head = {.at_us = at_us, .seq = c->id}};

	if (c->job->alarm_us != at_us) {
		c->job->alarm_us = at_us;
		if (!heap_push(&e->alarms, &a)) {
			abort(); /* out of memory: the restart reads it all again */
		}
	}
}

/* The next thing to happen by itself: it is given up, or before that asked for. */
void job_alarm(struct engine *e, struct call *c)
{
	const struct job_row *r = &c->job->row;
	bool asks = r->due_us != 0 && r->due_us < r->until_us;

	set_alarm(e, c, asks ? r->due_us : r->until_us);
}

void job_open(struct engine *e, struct call *c)
{
	c->job->open = true;
	e->n_jobs++;
	job_alarm(e, c);
}

/* The row's stamps are of the boot in which it was granted. */
static int64_t row_now(const struct engine *e, const struct call *c)
{
	return c->row.granted_us +
	       clocks_age_us(e, c->row.boot, c->row.granted_us, c->row.granted_wall_us);
}

/* --- the result --- */

void job_result(struct engine *e, struct call *c, struct outcome *o)
{
	struct job *j = c->job;

	share_close(e, c);
	if (j->open) {
		e->n_jobs--;
	}
	j->open = j->asking = false;
	j->over = true;
	j->row.state = JOB_ENDED;
	j->row.due_us = 0;
	if (j->row.called) {
		job_body_delete(e->txn, c->id);
	}
	job_write(e->txn, &j->row);
	c->next_over = e->over;
	e->over = c;
	c->row.end_us = row_now(e, c);
	o->call = c;
	settle_call(e, o);
}

/* Neither answer nor callback: what the file says of late jobs, or the doubt that was there before. */
void job_late(struct engine *e, struct call *c)
{
	struct http_answer h = {.transport = TRANSPORT_ANSWERED, .status = 204};
	bool doubt = c->job->row.state == JOB_DOUBT;
	struct outcome o = {.call = c, .by = doubt ? NULL : JOB_LATE};

	o.answer.outcome = doubt ? OUTCOME_IN_DOUBT : c->call->job->late;
	o.answer.reason = doubt && c->job->row.reason[0] != 0 ? c->job->row.reason : "job-late";
	o.answer.price_micro = answer_job_price(c->call, o.answer.outcome, NULL, false, c->job->row.price_micro);
	if (doubt) {
		h = (struct http_answer){.transport = TRANSPORT_BROKEN, .why = o.answer.reason};
	}
	o.parts = job_parts(e, c, &o.answer, NULL, 0);
	answers_gather(e, &o, &h, NULL);
	job_result(e, c, &o);
	arena_free(&o.arena);
}

/* body: the caller's, not const since keys are blotted out of it. False, and nothing is changed: it cannot be read, or says "not yet". */
bool job_called(struct engine *e, struct call *c, char *body, size_t len, bool *ret_pending)
{
	struct http_answer h = {.transport = TRANSPORT_ANSWERED, .status = 200, .body = body, .body_len = len};
	struct outcome o = {.call = c, .by = JOB_BY_CALLBACK, .body = body, .body_len = len};
	bool ends;

	answers_gather(e, &o, &h, body);
	if (answer_read_callback(c->def, c->call, &h, e->now, &e->arena, &o.answer) != 0) {
		abort(); /* out of memory */
	}
	*ret_pending = o.answer.outcome == OUTCOME_PENDING;
	ends = o.answer.readable && !*ret_pending;
	if (ends) {
		o.parts = job_parts(e, c, &o.answer, body, len);
		o.answer.price_micro = answer_job_price(c->call, o.answer.outcome, &o.answer, false, c->job->row.price_micro);
		feed_told(e, c, &o.answer);
		job_result(e, c, &o);
	}
	arena_free(&o.arena);
	return ends;
}

/* --- the answer of the call that begins it --- */

static bool names_job(const struct answer *a)
{
	return (a->job.kind == VALUE_STRING || a->job.kind == VALUE_NUMBER) && a->job.len > 0 && a->job.len < JOB_ID;
}

bool job_begins(const struct call *c, const struct answer *a)
{
	const struct service_job *j = c->job != NULL ? c->call->job : NULL;

	if (j == NULL || c->job->told || c->unanswered) {
		return false;
	}
	if (c->job->row.called) {
		return true;
	}
	switch (a->outcome) {
	case OUTCOME_PENDING:
		return j->callback || names_job(a);
	case OUTCOME_OK: /* with nothing to ask for it is the result already, unless it says "accepted" */
		return names_job(a) || (j->callback && (!j->has_id || c->row.http_status == 202));
	case OUTCOME_IN_DOUBT:
		return j->callback;
	default:
		return false;
	}
}

static void fill_job(struct engine *e, struct call *c, const struct answer *a)
{
	const struct service_job *spec = c->call->job;
	struct job_row *r = &c->job->row;
	bool doubt = a->outcome == OUTCOME_IN_DOUBT;

	r->state = doubt ? JOB_DOUBT : JOB_OPEN;
	r->boot = e->boot;
	r->since_us = e->now.boot_us;
	r->since_wall_us = e->now.wall_us;
	r->until_us = e->now.boot_us + (doubt ? spec->wait_us : spec->within_us);
	r->price_micro = doubt || a->outcome == OUTCOME_OK || a->outcome == OUTCOME_PENDING ? a->price_micro : c->call->price_micro;
	if (!doubt && names_job(a)) {
		(void)snprintf(r->id, sizeof(r->id), "%.*s", (int)a->job.len, a->job.text);
	}
	r->due_us = 0;
	if (!doubt && spec->poll != NULL && r->id[0] != 0) {
		r->due_us = e->now.boot_us + (a->retry_after_us > 0 ? a->retry_after_us : spec->every_us);
	}
	(void)snprintf(r->reason, sizeof(r->reason), "%s", doubt && a->reason != NULL ? a->reason : "");
}

/* Its callback was here first. */
static bool called_before(struct engine *e, struct call *c)
{
	struct slice kept;
	bool pending;
	char *body;

	if (!c->job->row.called || !job_body_read(e->txn, c->id, &kept)) {
		return false;
	}
	body = arena_dup(&e->arena, (const char *)kept.data, kept.len);
	if (body == NULL) {
		abort();
	}
	return job_called(e, c, body, kept.len, &pending);
}

bool job_take(struct engine *e, struct outcome *o)
{
	struct call *c = o->call;
	struct call_row sent = c->row;

	if (!job_begins(c, &o->answer)) {
		return false;
	}
	if (!c->job->placed) {
		job_take_place(c);
	}
	fill_job(e, c, &o->answer);
	if (called_before(e, c)) {
		return true;
	}
	job_open(e, c);
	sent.state = CALL_SENT; /* a restart finds when it was, and need not take it for just sent */
	call_rewrite(e->txn, &sent);
	job_write(e->txn, &c->job->row);
	return true;
}

void job_close(struct engine *e, struct call *c)
{
	struct job_row r;

	if (job_read(e->txn, c->id, &r) && r.state != JOB_ENDED) {
		r.state = JOB_ENDED;
		r.due_us = 0;
		if (r.called) {
			job_body_delete(e->txn, c->id);
		}
		job_write(e->txn, &r);
		if (c->job != NULL) {
			c->job->row = r; /* a callback may come in the same turn */
		}
	}
}

int job_answer_read(struct outcome *o, const struct http_answer *h, struct now now)
{
	struct call *c = o->call;
	const struct service_job *spec = c->call->job;
	const char *by = NULL;
	bool polled;
	int rc;

	for (size_t i = 0; c->job != NULL && i < h->n_headers; i++) {
		by = strcmp(h->headers[i].name, JOB_HEADER) == 0 ? h->headers[i].value : by;
	}
	if (by == NULL) {
		return answer_read(c->def, c->call, h, now, &o->arena, &o->answer);
	}
	c->job->told = true;
	polled = strcmp(by, JOB_BY_POLL) == 0 && spec->poll != NULL;
	if (strcmp(by, JOB_LATE) == 0) {
		o->answer = (struct answer){.outcome = spec->late, .reason = "job-late", .readable = true};
		o->answer.price_micro = answer_job_price(c->call, spec->late, NULL, false, c->call->price_micro);
		return 0;
	}
	rc = polled ? answer_read(c->def, spec->poll, h, now, &o->arena, &o->answer)
		    : answer_read_callback(c->def, c->call, h, now, &o->arena, &o->answer);
	if (rc == 0) {
		o->answer.price_micro = answer_job_price(c->call, o->answer.outcome, &o->answer, polled, c->call->price_micro);
	}
	return rc;
}

struct call *job_find(struct engine *e, uint64_t id)
{
	struct call *c = NULL;

	HASH_FIND(hh, e->calls, &id, sizeof(id), c);
	return c != NULL && c->job != NULL && c->job->open ? c : NULL;
}
