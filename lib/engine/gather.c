/*
 * Gather: what the shell tells the engine between two turns. Calls that were sent and answered, commands, slices of uploads are put in
 * lists for the next turn, which is the first to touch the store. Only the flow of a service (feed.h) hears of an answer at once.
 */
#include "lib/engine/engine.h"

#include "lib/engine/call/answers.h"
#include "lib/engine/call/call.h"
#include "lib/engine/call/feed.h"
#include "lib/engine/call/job.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/call/share.h"
#include "lib/engine/item/intake.h"
#include "lib/engine/plan/foretell.h"
#include "lib/engine/state.h"
#include "lib/engine/turn.h"

#include <stdio.h>

/* --- calls --- */

void engine_sent(struct engine *e, uint64_t id, int64_t boot_us)
{
	struct call *c = engine_call_find(e, id);

	if (c != NULL) {
		feed_sent(c, boot_us);
	}
}

void engine_first_byte(struct engine *e, uint64_t id, int64_t boot_us)
{
	struct call *c = engine_call_find(e, id);

	if (c != NULL) {
		feed_first_byte(c, (struct now){.boot_us = boot_us, .wall_us = e->now.wall_us + (boot_us - e->now.boot_us)});
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

	feed_ended(e, c, h, &o->answer, now);
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
	o->body_len = body != NULL ? h->body_len : 0;
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

/* --- commands and uploads --- */

void engine_command(struct engine *e, struct command *c)
{
	c->next = NULL;
	e->n_events += c->kind == COMMAND_INTAKE;
	e->urgent = e->urgent || c->kind != COMMAND_INTAKE;
	*e->commands_end = c;
	e->commands_end = &c->next;
}

void engine_import(struct engine *e, uint32_t run, const void *bytes, size_t len, const char *error)
{
	struct import_part *p = calloc(1, sizeof(*p));

	if (p == NULL || (len > 0 && (p->bytes = malloc(len)) == NULL)) {
		abort();
	}
	p->run = run;
	p->len = len;
	if (len > 0) {
		memcpy(p->bytes, bytes, len);
	}
	(void)snprintf(p->error, sizeof(p->error), "%s", error != NULL ? error : "");
	*e->parts_end = p;
	e->parts_end = &p->next;
}

/* --- what there is --- */

bool engine_pending(const struct engine *e)
{
	return e->outcomes != NULL || e->commands != NULL || e->parts != NULL;
}

bool engine_urgent(const struct engine *e)
{
	return e->urgent;
}

size_t engine_events(const struct engine *e)
{
	return e->n_events;
}

void gathered_commands(struct engine *e, void (*f)(struct engine *e, struct command *c))
{
	struct command *list = e->commands;

	e->commands = NULL;
	e->commands_end = &e->commands;
	e->n_events = 0;
	e->urgent = false;
	while (list != NULL) {
		struct command *c = list;

		list = c->next;
		f(e, c);
	}
}

void gathered_parts_drop(struct engine *e)
{
	while (e->parts != NULL) {
		struct import_part *p = e->parts;

		e->parts = p->next;
		free(p->bytes);
		free(p);
	}
	e->parts_end = &e->parts;
}
