/*
 * The network of such a night: requests on their way to lib/sim's world and their answers back, and callbacks of workflows.
 */
#include "tests/sim/systems_night.h"

#include "lib/store/ledger.h"

#include <stdio.h>
#include <stdlib.h>

#define BACK "/v1/callbacks/"
#define TRIES 8

/* --- requests --- */

void system_unref(struct passing *f)
{
	if (f != NULL && --f->refs == 0) {
		parcel_fini(&f->parcel);
		free(f);
	}
}

void system_start(struct system_night *n, uint64_t call, const struct request *q)
{
	struct passing *f = calloc(1, sizeof(*f));
	int64_t at_us = n->busy_until_us;

	f->call = call;
	f->epoch = n->epoch;
	f->max_answer = q->max_answer_bytes;
	f->deadline_us = at_us + q->total_us;
	parcel_pack(&f->parcel, q);
	n->result->calls++;
	if (system_hit(n, KIND_DNS, call) || system_hit(n, KIND_REFUSED, call)) {
		f->why = "no connection";
		system_at(n, at_us + 20 * US_PER_MS, MOMENT_END, TRANSPORT_UNSENT, 0, f);
		return;
	}
	system_at(n, at_us + 200 + (int64_t)(system_draw(n, 'c', call) % 3000), MOMENT_SENT, 0, 0, f);
}

static int64_t delay(struct system_night *n, const struct passing *f, uint64_t what)
{
	return 1000 + (int64_t)(system_draw(n, what, f->call) % (uint64_t)(system_hit(n, KIND_JITTER, f->call ^ what) ? 500 * US_PER_MS : 12 * US_PER_MS));
}

static void sent(struct system_night *n, struct passing *f)
{
	f->sent_us = n->now_us;
	engine_sent(n->engine, f->call, system_boot(n, n->now_us));
	system_at(n, n->now_us + delay(n, f, 'w'), MOMENT_ARRIVE, 0, 0, f);
	system_crash_moment(n, KIND_CRASH_SENT);
}

/* --- at the provider --- */

/* Never later than the deadline of the call. */
static void end_at(struct system_night *n, struct passing *f, int64_t at_us, enum transport t, const char *why)
{
	f->why = why;
	if (at_us > f->deadline_us) {
		f->why = "total deadline";
		t = TRANSPORT_BROKEN;
		at_us = f->deadline_us;
		f->whole = false;
	}
	system_at(n, at_us, MOMENT_END, t, 0, f);
}

static void send_back(struct system_night *n, struct passing *f, const struct world_plan *p)
{
	int64_t first_us = n->now_us + p->delay_us + delay(n, f, 'b');
	int64_t last_us = first_us + 500 + (p->drip_bytes > 0 ? (int64_t)(p->body_len / p->drip_bytes) * p->drip_us : 0);

	parcel_answer(&f->parcel, p);
	if (p->end == WORLD_HANG) {
		end_at(n, f, INT64_MAX, TRANSPORT_BROKEN, NULL);
		return;
	}
	if (p->end == WORLD_RESET) {
		end_at(n, f, first_us, TRANSPORT_BROKEN, "connection reset");
		return;
	}
	if (first_us < f->deadline_us) {
		f->first_us = first_us;
		system_at(n, first_us, MOMENT_FIRST, 0, 0, f);
	}
	if (p->end == WORLD_CUT) {
		end_at(n, f, last_us, TRANSPORT_BROKEN, "answer cut short");
	} else if (p->body_len + p->pad_bytes > f->max_answer) {
		end_at(n, f, last_us, TRANSPORT_TOO_LARGE, "body too large");
	} else {
		f->whole = p->fault == FAULT_NONE || p->fault == FAULT_DRIP || p->fault == FAULT_SLOW || p->fault == FAULT_LOST_PUSH;
		end_at(n, f, last_us, TRANSPORT_ANSWERED, NULL);
	}
}

static void plan_back(struct system_night *n, const struct world_later *l)
{
	const char *token = strstr(l->url, BACK);
	struct callback *c;

	if (token == NULL) {
		violate(n->result, "a workflow is to call %s", l->url);
		return;
	}
	if (n->n_callbacks == n->cap_callbacks) {
		n->cap_callbacks = n->cap_callbacks * 2 + 64;
		n->callbacks = realloc(n->callbacks, n->cap_callbacks * sizeof(*n->callbacks));
	}
	c = &n->callbacks[n->n_callbacks];
	*c = (struct callback){.body = strndup(l->body, l->body_len), .delivered = l->token};
	(void)snprintf(c->token, sizeof(c->token), "%s", token + strlen(BACK));
	system_at(n, n->now_us + l->after_us, MOMENT_BACK, (uint32_t)n->n_callbacks++, US_PER_S, NULL);
}

static void arrive(struct system_night *n, struct passing *f)
{
	struct world_plan p;

	world_handle(n->world, &f->parcel.request, (struct now){n->now_us, SYSTEM_WALL_US + n->now_us}, &p);
	for (size_t i = 0; i < p.n_later; i++) {
		plan_back(n, &p.later[i]);
	}
	if (f->epoch == n->epoch && n->engine != NULL && !f->ended) {
		send_back(n, f, &p);
	}
}

/* --- back at the process --- */

static void end(struct system_night *n, struct passing *f, enum transport t)
{
	struct http_answer h = {.transport = t, .why = f->why, .end_us = system_boot(n, n->now_us)};

	f->ended = true;
	h.sent_us = f->sent_us != 0 ? system_boot(n, f->sent_us) : 0;
	if (f->parcel.answer != NULL && t != TRANSPORT_UNSENT) {
		parcel_open(&f->parcel, &h);
		h.first_byte_us = f->first_us != 0 ? system_boot(n, f->first_us) : 0;
		h.body_len = t == TRANSPORT_ANSWERED ? h.body_len : 0;
	}
	if (f->whole && f->parcel.token != 0 && t == TRANSPORT_ANSWERED) {
		if (n->n_gathered == n->cap_gathered) {
			n->cap_gathered = n->cap_gathered * 2 + 64;
			n->gathered = realloc(n->gathered, n->cap_gathered * sizeof(*n->gathered));
		}
		n->gathered[n->n_gathered++] = (struct gathered_answer){f->call, f->parcel.token};
	}
	engine_answered(n->engine, f->call, &h, (char *)(uintptr_t)h.body, system_now(n));
	n->gathered_now++;
	system_poke(n);
	system_crash_moment(n, KIND_CRASH_ANSWERED);
}

void system_moment(struct system_night *n, const struct system_event *e)
{
	switch (e->kind) {
	case MOMENT_SENT:
		sent(n, e->p);
		break;
	case MOMENT_ARRIVE:
		arrive(n, e->p);
		break;
	case MOMENT_FIRST:
		engine_first_byte(n->engine, e->p->call, system_boot(n, n->now_us));
		break;
	default:
		end(n, e->p, (enum transport)e->n);
		break;
	}
}

/* Answers whose outcome is in the store: from now on asking again would break the promise. */
void system_tell(struct system_night *n)
{
	struct txn *t = NULL;
	struct call_row row;
	size_t kept = 0;

	if (n->n_gathered == 0 || txn_begin(n->store, false, &t, NULL) != 0) {
		return;
	}
	for (size_t i = 0; i < n->n_gathered; i++) {
		struct gathered_answer g = n->gathered[i];

		if (!call_read(t, g.call, &row) || row.state <= CALL_SENT) {
			n->gathered[kept++] = g;
		} else {
			world_delivered(n->world, g.token, (struct now){n->now_us, SYSTEM_WALL_US + n->now_us});
		}
	}
	n->n_gathered = kept;
	txn_abort(t);
}

/* --- callbacks --- */

struct calling {
	struct system_night *night;
	uint32_t callback;
};

static void again(struct system_night *n, uint32_t callback)
{
	struct callback *b = &n->callbacks[callback];

	if (b->tries < TRIES) {
		system_at(n, n->now_us + (US_PER_S << b->tries++), MOMENT_BACK, callback, 0, NULL);
	}
}

static void on_called(void *ctx, struct command *c)
{
	struct calling *k = ctx;
	struct system_night *n = k->night;

	if (c->rc == 0 && !n->dying) {
		if (c->count == 0) { /* else nobody waited for it any more */
			world_delivered(n->world, n->callbacks[k->callback].delivered, (struct now){n->now_us, SYSTEM_WALL_US + n->now_us});
		}
		n->result->jobs++;
	} else if (c->rc != 0 && c->rc != LEAD_EFULL && !n->dying) {
		violate(n->result, "a callback was refused: %d %s", c->rc, c->err.text);
	} else {
		again(n, k->callback);
	}
	free(k);
}

void system_call_back(struct system_night *n, uint32_t callback)
{
	const struct callback *b = &n->callbacks[callback];
	struct command *c;
	struct calling *k;

	if (n->engine == NULL || n->dying || n->now_us < n->busy_until_us) {
		again(n, callback);
		return;
	}
	k = malloc(sizeof(*k));
	*k = (struct calling){n, callback};
	c = calloc(1, sizeof(*c));
	c->kind = COMMAND_CALLBACK;
	(void)snprintf(c->token, sizeof(c->token), "%s", b->token);
	c->body = strdup(b->body);
	c->body_len = strlen(b->body);
	c->done = on_called;
	c->ctx = k;
	engine_command(n->engine, c);
	system_poke(n);
}
