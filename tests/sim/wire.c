/*
 * The network between the engine and the world: names that are not found, connections that are
 * refused, delays, and the log of what arrived where and when.
 */
#include "tests/sim/shell.h"

#include <stdio.h>
#include <stdlib.h>

/* --- requests --- */

void flight_unref(struct flight *f)
{
	if (f != NULL && --f->refs == 0) {
		parcel_fini(&f->parcel);
		free(f);
	}
}

static uint8_t service_of(const char *path)
{
	for (uint8_t s = 0; s < SERVICES; s++) {
		const char *word = world_service_word(s);

		if (strncmp(path + 1, word, strlen(word)) == 0) {
			return s;
		}
	}
	return 0;
}

static bool hit(struct night *n, uint8_t kind, uint64_t call)
{
	const struct fault *f;

	if (!fault_active(n, kind, &f) || draw(n, kind, call) % PPM >= f->share_ppm) {
		return false;
	}
	n->result->hits[kind]++;
	return true;
}

void wire_start(struct night *n, uint64_t call, const struct request *q)
{
	struct flight *f = calloc(1, sizeof(*f));
	int64_t at_us = n->busy_until_us, connect_us = 200 + (int64_t)(draw(n, 'c', call) % 3000);

	f->call = call;
	f->epoch = n->epoch;
	f->max_answer = q->max_answer_bytes;
	f->deadline_us = at_us + q->total_us;
	parcel_pack(&f->parcel, q);
	f->service = service_of(f->parcel.request.path);
	memcpy(f->max, n->ceiling[f->service], sizeof(f->max));
	for (size_t w = 0; w < WINDOWS; w++) {
		f->max[w] = n->pending_ceiling[f->service][w] > f->max[w]
				? n->pending_ceiling[f->service][w]
				: f->max[w];
	}
	if (hit(n, KIND_DNS, call)) {
		f->why = "no such name";
		watch_disturb(n);
		event_push(n, at_us + 20 * US_PER_MS, EVENT_END, TRANSPORT_UNSENT, 0, f);
		return;
	}
	if (hit(n, KIND_REFUSED, call)) {
		f->why = "connection refused";
		watch_disturb(n);
		event_push(n, at_us + connect_us, EVENT_END, TRANSPORT_UNSENT, 0, f);
		return;
	}
	if (hit(n, KIND_SLOW_CONNECT, call)) {
		watch_disturb(n);
		connect_us += (int64_t)(draw(n, 'C', call) % (2 * US_PER_S));
	}
	event_push(n, at_us + connect_us, EVENT_SENT, 0, 0, f);
}

/* One way through the network. */
static int64_t delay(struct night *n, struct flight *f, uint64_t what)
{
	int64_t us = 1000 + (int64_t)(draw(n, what, f->call) % 12000);

	if (hit(n, KIND_JITTER, f->call)) {
		us = (int64_t)(draw(n, what ^ 0xff, f->call) % (500 * US_PER_MS));
	}
	return us;
}

void wire_sent(struct night *n, struct flight *f)
{
	f->sent_us = n->now_us;
	engine_sent(n->engine, f->call, boot_of(n, n->now_us));
	f->back_us = delay(n, f, 'b');
	event_push(n, n->now_us + delay(n, f, 'w'), EVENT_ARRIVE, 0, 0, f);
	crash_moment(n, KIND_CRASH_SENT);
}

/* --- at the provider --- */

static uint8_t key_of_request(const struct world_request *r)
{
	return r->query != NULL && strstr(r->query, "api_key=verify-2") != NULL;
}

static struct wire *log_add(struct night *n, struct flight *f)
{
	struct wire *w;

	if (n->n_log == n->cap_log) {
		n->cap_log = n->cap_log * 2 + 1024;
		n->log = realloc(n->log, n->cap_log * sizeof(*n->log));
	}
	w = &n->log[n->n_log++];
	*w = (struct wire){
	    .call = f->call, .service = f->service, .sent_us = f->sent_us, .arrived_us = n->now_us};
	w->key = f->service == WORLD_ZEROBOUNCE ? key_of_request(&f->parcel.request) : 0;
	w->find = f->service == WORLD_INSTANTLY && strstr(f->parcel.request.path, "/list") != NULL;
	w->epoch = f->epoch;
	memcpy(w->max, f->max, sizeof(w->max));
	return w;
}

static int64_t retry_after(const struct world_plan *p)
{
	int64_t us = 0;

	for (size_t i = 0; i < p->n_headers; i++) {
		if (strcasecmp(p->headers[i].name, "retry-after-ms") == 0) {
			return atoll(p->headers[i].value) * US_PER_MS;
		}
		if (strcasecmp(p->headers[i].name, "retry-after") == 0) {
			us = atoll(p->headers[i].value) * US_PER_S;
		}
	}
	return us;
}

/* Never later than the deadline of the call. */
static void end_at(
    struct night *n, struct flight *f, int64_t at_us, enum transport t, const char *why)
{
	f->why = why;
	if (at_us > f->deadline_us) {
		f->why = "total deadline";
		t = TRANSPORT_BROKEN;
		at_us = f->deadline_us;
		f->whole = false;
	}
	event_push(n, at_us, EVENT_END, t, 0, f);
}

static void plan_answer(struct night *n, struct flight *f, const struct world_plan *p)
{
	int64_t first_us = n->now_us + p->delay_us + f->back_us;
	int64_t last_us =
	    first_us + 500 +
	    (p->drip_bytes > 0 ? (int64_t)(p->body_len / p->drip_bytes) * p->drip_us : 0);

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
		event_push(n, first_us, EVENT_FIRST, 0, 0, f);
	}
	if (p->end == WORLD_CUT) {
		end_at(n, f, last_us, TRANSPORT_BROKEN, "answer cut short");
	} else if (p->body_len + p->pad_bytes > f->max_answer) {
		end_at(n, f, last_us, TRANSPORT_TOO_LARGE, "body too large");
	} else {
		f->whole = true;
		end_at(n, f, last_us, TRANSPORT_ANSWERED, NULL);
	}
}

/* What an HTTP library does by itself when nobody stops it. */
static bool resend(struct night *n, struct flight *f, const struct world_plan *p)
{
	if (planted != PLANTED_RESEND || p->end != WORLD_RESET || f->resent) {
		return false;
	}
	f->resent = true;
	event_push(n, n->now_us + 2 * US_PER_MS, EVENT_ARRIVE, 0, 0, f);
	return true;
}

void wire_arrive(struct night *n, struct flight *f)
{
	struct wire *w = log_add(n, f);
	struct world_plan p;

	if (desk_asked(f)) {
		desk_answer(n, f, &p);
	} else {
		world_handle(n->world, &f->parcel.request, (struct now){n->now_us, WORLD_WALL_US + n->now_us}, &p);
		desk_take(n, f, &p);
	}
	w->fault = (uint8_t)p.fault;
	w->end = (uint8_t)p.end;
	w->status = p.status;
	w->retry_after_us = p.status >= 400 ? retry_after(&p) : 0;
	f->wire = n->n_log - 1;
	f->arrived = true;
	f->garbage = p.fault == FAULT_GARBAGE;
	f->parcel.token = p.token;
	if ((p.status >= 400 && !(w->poll && p.status == 404)) || p.end != WORLD_ANSWER || p.fault != FAULT_NONE) {
		watch_disturb(n);
	}
	if (!resend(n, f, &p) && f->epoch == n->epoch && n->engine != NULL && !f->ended) {
		parcel_answer(&f->parcel, &p);
		plan_answer(n, f, &p);
	}
}

/* --- back at the process --- */

void wire_first(struct night *n, struct flight *f)
{
	n->log[f->wire].first_us = n->now_us;
	engine_first_byte(n->engine, f->call, boot_of(n, n->now_us));
}

static void gather(struct night *n, struct flight *f, bool whole)
{
	if (n->n_gathered == n->cap_gathered) {
		n->cap_gathered = n->cap_gathered * 2 + 64;
		n->gathered = realloc(n->gathered, n->cap_gathered * sizeof(*n->gathered));
	}
	n->gathered[n->n_gathered++] = (struct gathered){f->call, f->parcel.token, f->wire, whole};
}

void wire_end(struct night *n, struct flight *f, enum transport t)
{
	struct http_answer h = {.transport = t, .why = f->why, .end_us = boot_of(n, n->now_us)};

	f->ended = true;
	h.sent_us = f->sent_us != 0 ? boot_of(n, f->sent_us) : 0;
	if (f->parcel.answer != NULL && t != TRANSPORT_UNSENT) {
		parcel_open(&f->parcel, &h);
		h.first_byte_us = f->first_us != 0 ? boot_of(n, f->first_us) : 0;
		h.body_len = t == TRANSPORT_ANSWERED ? h.body_len : 0;
	}
	if (f->arrived) {
		n->log[f->wire].ended_us = n->now_us;
		n->log[f->wire].order = ++n->n_ended;
		n->log[f->wire].failed = t != TRANSPORT_ANSWERED || f->parcel.status >= 500 || f->garbage;
	}
	if (f->arrived) {
		gather(n, f, t == TRANSPORT_ANSWERED && f->whole && !f->desk);
	}
	engine_answered(n->engine, f->call, &h, (char *)(uintptr_t)h.body, engine_now(n));
	n->gathered_now++;
	process_poke(n);
	crash_moment(n, KIND_CRASH_ANSWERED);
}
