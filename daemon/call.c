/*
 * daemon/call.c: the steps of one call; call.h draws them.
 *
 * libevent's clock is coarse and cached: a deadline event only says when to look at the clock
 * again. There is one such event per call; the connect deadline is never taken back when the
 * request is sent in time, it just finds the later one then.
 */
#include "daemon/call.h"

#include "daemon/clock.h"

#include <event2/event.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_CONNECT_US (10 * US_PER_S)
#define DEFAULT_TOTAL_US (60 * US_PER_S)

#define CALL_OF(pointer, member)                                                                   \
	((struct call *)(void *)((char *)(pointer)-offsetof(struct call, member)))

void call_enter_starting(struct call *c)
{
	c->state = CALL_STARTING;
	TAILQ_INSERT_TAIL(&c->fetch->starting, c, link);
	fetch_drain_soon(c->fetch);
}

/* Leaves whatever holds it outside libcurl. */
static void call_leave(struct call *c)
{
	struct fetch *f = c->fetch;

	if (c->state == CALL_STARTING || c->state == CALL_ENDED) {
		TAILQ_REMOVE(c->state == CALL_ENDED ? &f->ended : &f->starting, c, link);
	}
	resolve_cancel(&c->wait);
	event_del(&c->deadline);
}

void call_end(struct call *c, enum transport transport, const char *why)
{
	if (c->state == CALL_ENDED) {
		return;
	}
	call_leave(c);
	c->transfer.stopped = true;
	c->transfer.end_us = clock_boot_us();
	c->answer.transport = transport;
	c->answer.why = why;
	c->state = CALL_ENDED;
	TAILQ_INSERT_TAIL(&c->fetch->ended, c, link);
	fetch_drain_soon(c->fetch);
}

/* --- callbacks --- */

static void on_sent(struct transfer *t)
{
	struct call *c = CALL_OF(t, transfer);

	c->fetch->events.sent(c->fetch->events.arg, c->id, t->sent_us);
}

static void on_first_byte(struct transfer *t)
{
	struct call *c = CALL_OF(t, transfer);

	c->fetch->events.first_byte(c->fetch->events.arg, c->id, t->first_byte_us);
}

static const struct transfer_events transfer_events = {
    .sent = on_sent, .first_byte = on_first_byte};

void call_on_finished(void *fetch, CURL *easy, CURLcode result)
{
	struct transfer *t = NULL;
	struct call *c;

	(void)fetch;
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
	c = CALL_OF(t, transfer);
	if (c->state == CALL_RUNNING) { /* else we ended it first */
		transfer_verdict(t, easy, result, &c->answer);
		call_end(c, c->answer.transport, c->answer.why);
	}
}

/* False when what the resolver found was the call's end. */
static bool take_addresses(struct call *c, int rc, const struct resolved *r)
{
	if (rc == 0 && r->addresses == NULL) {
		call_end(c, TRANSPORT_UNSENT, r->why);
		return false;
	}
	if (rc != 0 || origin_set_addresses(c->transfer.origin, r) != 0) {
		call_end(c, TRANSPORT_UNSENT, "out of memory");
		return false;
	}
	c->resolved = true;
	return true;
}

static void on_resolved(struct resolve_wait *w, const struct resolved *r)
{
	struct call *c = CALL_OF(w, wait);

	if (take_addresses(c, 0, r)) {
		call_enter_starting(c);
	}
}

/* Sets the event for the deadline that now holds; false when that has passed. */
static bool arm_deadline(struct call *c, int64_t now_us)
{
	int64_t left = c->total_at_us - now_us;
	struct timeval wait;

	if (c->transfer.sent_us == 0 && c->connect_at_us < c->total_at_us) {
		left = c->connect_at_us - now_us;
	}
	if (left <= 0) {
		return false;
	}
	wait = (struct timeval){.tv_sec = left / US_PER_S, .tv_usec = left % US_PER_S};
	event_add(&c->deadline, &wait);
	return true;
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct call *c = arg;

	(void)fd;
	(void)what;
	if (arm_deadline(c, clock_boot_us())) {
		return; /* the event came early, or the request left in time */
	}
	if (c->transfer.sent_us != 0) {
		call_end(c, TRANSPORT_BROKEN, "answer deadline");
	} else if (c->state == CALL_RESOLVING) {
		call_end(c, TRANSPORT_UNSENT, "name lookup deadline");
	} else {
		call_end(c, TRANSPORT_UNSENT, "connect deadline");
	}
}

/* --- steps --- */

int call_new(struct fetch *f, uint64_t id, const struct request *r, struct call **ret,
    struct lead_error *err)
{
	int64_t now = clock_boot_us();
	struct origin *origin;
	struct call *c;
	int rc = origin_get(&f->origins, r->url, &origin, err);

	if (rc != 0) {
		return rc;
	}
	c = malloc(sizeof(*c) + transfer_room(r));
	if (c == NULL) {
		origin_release(origin);
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	memset(c, 0, sizeof(*c));
	rc = transfer_init(&c->transfer, r, origin, c + 1, err);
	if (rc != 0) {
		origin_release(origin);
		free(c);
		return rc;
	}
	c->transfer.events = &transfer_events;
	c->transfer.allow_private = f->allow_private;
	c->wait.done = on_resolved;
	c->fetch = f;
	c->id = id;
	c->connect_at_us = now + (r->connect_us > 0 ? r->connect_us : DEFAULT_CONNECT_US);
	c->total_at_us = now + (r->total_us > 0 ? r->total_us : DEFAULT_TOTAL_US);
	evtimer_assign(&c->deadline, f->base, on_deadline, c);
	(void)arm_deadline(c, now);
	*ret = c;
	return 0;
}

static void call_run(struct call *c)
{
	struct fetch *f = c->fetch;
	struct origin *o = c->transfer.origin;
	int64_t left_us = c->connect_at_us - clock_boot_us();
	long connect_ms = left_us > 0 ? (long)(left_us / US_PER_MS) + 1 : 1; /* ours comes first */

	c->easy = easy_take(&f->easies);
	c->shard_index = origin_shard(o);
	c->shard = multi_shard(f->multi, c->shard_index);
	if (c->easy == NULL || c->shard == NULL ||
	    transfer_options(&c->transfer, c->easy, connect_ms) != CURLE_OK ||
	    shard_add(c->shard, c->easy, NULL) != 0) {
		c->shard = NULL;
		call_end(c, TRANSPORT_UNSENT, "libcurl takes no more transfers");
		return;
	}
	o->calls[c->shard_index]++;
	c->state = CALL_RUNNING;
}

void call_go(struct call *c)
{
	struct origin *o = c->transfer.origin;
	struct resolved r;
	int rc;

	TAILQ_REMOVE(&c->fetch->starting, c, link);
	c->state = CALL_RESOLVING;
	if (!o->no_lookup && !c->resolved) {
		rc = resolve_get(c->fetch->resolver, o->host, &c->wait, &r);
		if (rc == RESOLVE_PENDING || !take_addresses(c, rc, &r)) {
			return;
		}
	}
	call_run(c);
}

/* Out of libcurl, if it was there, and out of the table: the id and a slot are free again. */
static void call_detach(struct call *c)
{
	struct fetch *f = c->fetch;

	if (c->shard != NULL) {
		shard_remove(c->shard, c->easy);
		c->transfer.origin->calls[c->shard_index]--;
	}
	easy_give(&f->easies, c->easy);
	origin_release(c->transfer.origin);
	HASH_DEL(f->calls, c);
}

void call_deliver(struct call *c)
{
	struct fetch *f = c->fetch;
	struct transfer *t = &c->transfer;
	struct http_answer a = c->answer;
	char *body = NULL;

	call_detach(c);
	a.headers = f->headers;
	a.n_headers = incoming_headers(&t->incoming, f->headers);
	a.sent_us = t->sent_us;
	a.first_byte_us = t->first_byte_us;
	a.end_us = t->end_us;
	if (a.transport == TRANSPORT_ANSWERED) {
		a.body_len = t->incoming.body.len;
		a.body = body = buf_take(&t->incoming.body);
	}
	f->events.done(f->events.arg, c->id, &a, body);
	incoming_fini(&t->incoming);
	smtp_free(t->smtp);
	free(c);
}

void call_free(struct call *c)
{
	call_leave(c);
	call_detach(c);
	incoming_fini(&c->transfer.incoming);
	smtp_free(c->transfer.smtp);
	free(c);
}
