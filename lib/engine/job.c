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
 * of a class that may pass (transient, throttle, quota, auth) says nothing of the job: it is asked for again.
 */
#include "lib/engine/state.h"

#define KEEP_US (7 * US_PER_DAY)    /* ended jobs: a late or second callback is known as one so long */
#define LOOK_US (600 * US_PER_S)    /* between two looks at the oldest */
#define SLICE 200

struct alarm {
	struct heap_head head; /* seq: the call */
};

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
static void take_place(struct call *c)
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
static void next_alarm(struct engine *e, struct call *c)
{
	const struct job_row *r = &c->job->row;
	bool asks = r->due_us != 0 && r->due_us < r->until_us;

	set_alarm(e, c, asks ? r->due_us : r->until_us);
}

static void open_job(struct engine *e, struct call *c)
{
	c->job->open = true;
	e->n_jobs++;
	next_alarm(e, c);
}

/* The row's stamps are of the boot in which it was granted. */
static int64_t row_now(const struct engine *e, const struct call *c)
{
	return c->row.granted_us +
	       engine_age_us(e, c->row.boot, c->row.granted_us, c->row.granted_wall_us);
}

/* --- the result --- */

static void job_result(struct engine *e, struct call *c, struct outcome *o)
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
static void job_late(struct engine *e, struct call *c)
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
	answers_gather(e, &o, &h, NULL);
	job_result(e, c, &o);
	arena_free(&o.arena);
}

/* body: the caller's, not const since keys are blotted out of it. False, and nothing is changed: it cannot be read, or says "not yet". */
static bool job_called(struct engine *e, struct call *c, char *body, size_t len, bool *ret_pending)
{
	struct http_answer h = {.transport = TRANSPORT_ANSWERED, .status = 200, .body = body, .body_len = len};
	struct outcome o = {.call = c, .by = JOB_BY_CALLBACK, .body = body};
	bool ends;

	answers_gather(e, &o, &h, body);
	if (answer_read_callback(c->def, c->call, &h, e->now, &e->arena, &o.answer) != 0) {
		abort(); /* out of memory */
	}
	*ret_pending = o.answer.outcome == OUTCOME_PENDING;
	ends = o.answer.readable && !*ret_pending;
	if (ends) {
		o.answer.price_micro = answer_job_price(c->call, o.answer.outcome, &o.answer, false, c->job->row.price_micro);
		settle_told(e, c, &o.answer);
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
		take_place(c);
	}
	fill_job(e, c, &o->answer);
	if (called_before(e, c)) {
		return true;
	}
	open_job(e, c);
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

/* --- polls --- */

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
	next_alarm(e, job);
}

static struct call *find_job(struct engine *e, uint64_t id)
{
	struct call *c = NULL;

	HASH_FIND(hh, e->calls, &id, sizeof(id), c);
	return c != NULL && c->job != NULL && c->job->open ? c : NULL;
}

void job_polled(struct engine *e, struct outcome *o)
{
	struct call *c = o->call, *job = find_job(e, c->row.polls);
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
		c = find_job(e, a.head.seq);
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
	next_alarm(e, c);
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
		struct call *c = find_job(e, l->due[i]);

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

/* --- callbacks --- */

/* Not the first, or too late. */
static void call_in_vain(struct engine *e, struct command *cmd, struct job_row *r)
{
	r->callbacks++;
	r->idle_callbacks++;
	job_write(e->txn, r);
	cmd->count = 1;
	command_answer(e, cmd);
}

/* Before the answer of its call: is it one that can be read? Then it waits for that. */
static bool keep_early(struct engine *e, struct call *c, struct command *cmd)
{
	struct http_answer h = {.transport = TRANSPORT_ANSWERED, .status = 200, .body = cmd->body, .body_len = cmd->body_len};
	struct job_row *r = &c->job->row;
	struct answer a;

	if (answer_read_callback(c->def, c->call, &h, e->now, &e->arena, &a) != 0) {
		abort();
	}
	if (!a.readable) {
		return false;
	}
	cmd->count = a.outcome == OUTCOME_PENDING;
	r->called = r->called || a.outcome != OUTCOME_PENDING;
	if (a.outcome != OUTCOME_PENDING) {
		job_body_write(e->txn, c->id, (struct slice){(const uint8_t *)cmd->body, cmd->body_len});
	}
	return true;
}

void job_callback(struct engine *e, struct command *cmd)
{
	uint8_t token[JOB_TOKEN];
	struct call *c = NULL;
	struct job_row r;
	bool pending = false, read;
	uint64_t id;

	if (!job_token_parse(cmd->token, token) || !job_token_read(e->txn, token, &id) || !job_read(e->txn, id, &r)) {
		command_refuse(e, cmd, 1, "there is no such callback");
		return;
	}
	HASH_FIND(hh, e->calls, &id, sizeof(id), c);
	if (c == NULL || c->job == NULL || c->job->over || c->job->row.state == JOB_ENDED || (!c->job->open && c->job->row.called)) {
		call_in_vain(e, cmd, c != NULL && c->job != NULL ? &c->job->row : &r);
		return;
	}
	c->job->row.callbacks++;
	read = c->job->open ? job_called(e, c, cmd->body, cmd->body_len, &pending) : keep_early(e, c, cmd);
	if (!read && !pending) {
		c->job->row.callbacks--;
		command_refuse(e, cmd, LEAD_EINPUT, "the body cannot be read: it should be JSON");
		return;
	}
	cmd->count = pending ? 1 : cmd->count;
	if (!c->job->over) {
		job_write(e->txn, &c->job->row);
	}
	command_answer(e, cmd);
}

/* --- commit, start, restart --- */

void jobs_release(struct engine *e)
{
	while (e->over != NULL) {
		struct call *c = e->over;

		e->over = c->next_over;
		if (c->job->placed) {
			c->lane->jobs--;
			settle_place(c);
			e->more = true; /* somebody may have waited for it */
		}
		HASH_DEL(e->calls, c);
		engine_call_free(e, c);
	}
}

/* Stamps of another boot become this one's. */
static void this_boot(struct engine *e, struct job_row *r)
{
	int64_t shift_us = e->now.boot_us - engine_age_us(e, r->boot, r->since_us, r->since_wall_us) - r->since_us;

	r->since_us += shift_us;
	r->until_us += r->until_us != 0 ? shift_us : 0;
	r->due_us += r->due_us != 0 ? shift_us : 0;
	r->boot = e->boot;
}

static bool is_open(const struct job_row *r)
{
	return r->state == JOB_OPEN || r->state == JOB_DOUBT;
}

bool job_adopt(struct engine *e, struct call *c)
{
	struct job_row row;

	if (e->blind || c->call == NULL || c->call->job == NULL) {
		return false;
	}
	c->job = calloc(1, sizeof(*c->job));
	if (c->job == NULL) {
		abort();
	}
	c->job->row.call = c->id;
	if (!job_read(e->txn, c->id, &row)) {
		return false;
	}
	c->job->row = row;
	if (!is_open(&row)) {
		return false;
	}
	this_boot(e, &c->job->row);
	c->row.sent_us = c->row.sent_us != 0 ? c->row.sent_us : c->row.granted_us;
	c->ended = true;
	take_place(c);
	open_job(e, c);
	return true;
}

void jobs_unload(struct engine *e)
{
	e->alarms.n = 0;
	e->alarms.size = sizeof(struct alarm);
	e->n_jobs = 0;
	e->over = NULL;
	e->jobs_us = 0;
	for (size_t i = 0; i < e->n_lanes; i++) {
		e->lanes[i]->n_due = 0;
		e->lanes[i]->poll_us = TIME_NEVER;
	}
}

void job_reload(struct engine *e, struct call *c)
{
	struct job_row row;
	struct call *of = NULL;

	if (c->row.polls != 0) {
		HASH_FIND(hh, e->calls, &c->row.polls, sizeof(c->row.polls), of);
		if (of != NULL && of->job != NULL) {
			of->job->poll = c->id;
		}
		return;
	}
	if (c->job == NULL) {
		return;
	}
	c->job->open = c->job->asking = c->job->over = false;
	c->job->poll = 0;
	c->job->alarm_us = 0;
	if (job_read(e->txn, c->id, &row)) {
		c->job->row = row;
		this_boot(e, &c->job->row);
		if (is_open(&row)) {
			open_job(e, c);
		}
	}
}

void jobs_free(struct engine *e)
{
	heap_fini(&e->alarms);
}

void jobs_tidy(struct engine *e)
{
	uint64_t oldest = 0;

	if (e->now.boot_us < e->jobs_us) {
		return;
	}
	if (jobs_expire(e->txn, ids_next(0, e->now.wall_us - KEEP_US), SLICE, &oldest) == SLICE) {
		e->more = true;
		return;
	}
	e->jobs_us = e->now.boot_us + LOOK_US;
}

struct call *job_of_item(struct engine *e, uint32_t run, uint32_t number)
{
	struct call *c, *next;

	HASH_ITER(hh, e->calls, c, next) {
		if (c->row.polls == 0 && call_has(&c->row, run, number, NULL)) {
			return c->job != NULL && c->job->open ? c : NULL;
		}
	}
	return NULL;
}
