/*
 * daemon/fetch.c: the calls under way, their deadlines and their ends.
 *
 *   fetch_start -> STARTING -> RESOLVING -> STARTING -> RUNNING -> ENDED -> done
 *                     '---- address known ----'            |         ^
 *                     '--- deadline, cancel, no address ---'---------'
 *
 * STARTING and ENDED calls stand in lists that one zero-delay event (on_drain) works off. Only
 * there handles enter and leave libcurl and results go out; everything else, libcurl's
 * callbacks included, moves calls between the lists. So the owner may call anything of
 * fetch.h from any of its callbacks, but fetch_free.
 *
 * libevent's clock is coarse and cached: a deadline event only says when to look at the clock
 * again.
 */
#include "daemon/fetch.h"

#include "daemon/clock.h"
#include "daemon/easy.h"
#include "daemon/multi.h"
#include "daemon/origin.h"
#include "daemon/resolve.h"
#include "daemon/transfer.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_IN_FLIGHT 2000
#define DEFAULT_CONNECT_US (10 * US_PER_S)
#define DEFAULT_TOTAL_US (60 * US_PER_S)

enum call_state { CALL_STARTING, CALL_RESOLVING, CALL_RUNNING, CALL_ENDED };

struct call {
	struct transfer transfer;
	UT_hash_handle hh;
	TAILQ_ENTRY(call) link; /* STARTING, ENDED */
	struct resolve_wait wait;
	struct event deadline;
	struct fetch *fetch;
	uint64_t id;
	enum call_state state;
	bool resolved;
	int64_t connect_at_us, total_at_us;
	struct http_answer answer; /* ENDED: transport, why, status */
	CURL *easy;                /* since RUNNING */
	struct shard *shard;
	unsigned shard_index;
};

TAILQ_HEAD(call_list, call);

struct fetch {
	struct event_base *base;
	struct fetch_events events;
	unsigned max_in_flight;
	bool allow_private, forget, draining_soon;
	struct event *drain;
	struct call_list starting, ended;
	struct call *calls; /* all of them, by id */
	struct resolver *resolver;
	struct multi *multi;
	struct easy_pool easies;
	struct origins origins;
	struct http_header headers[TRANSFER_HEADERS];
};

#define CALL_OF(pointer, member)                                                                   \
	((struct call *)(void *)((char *)(pointer)-offsetof(struct call, member)))

/* --- moving calls --- */

static void drain_soon(struct fetch *f)
{
	static const struct timeval now = {0};

	if (!f->draining_soon) {
		f->draining_soon = true;
		event_add(f->drain, &now);
	}
}

static void call_enter_starting(struct call *c)
{
	c->state = CALL_STARTING;
	TAILQ_INSERT_TAIL(&c->fetch->starting, c, link);
	drain_soon(c->fetch);
}

/* The only way out of a call, from whatever callback found the end of it. */
static void call_end(struct call *c, enum transport transport, const char *why)
{
	if (c->state == CALL_ENDED) {
		return;
	}
	if (c->state == CALL_STARTING) {
		TAILQ_REMOVE(&c->fetch->starting, c, link);
	}
	resolve_cancel(&c->wait);
	event_del(&c->deadline);
	c->transfer.stopped = true;
	c->transfer.end_us = clock_boot_us();
	c->answer.transport = transport;
	c->answer.why = why;
	c->state = CALL_ENDED;
	TAILQ_INSERT_TAIL(&c->fetch->ended, c, link);
	drain_soon(c->fetch);
}

/* Takes over what the resolver found; false when that was the call's end. */
static bool call_take_addresses(struct call *c, int rc, const struct resolved *r)
{
	if (rc == 0 && r->addresses == NULL) {
		call_end(c, TRANSPORT_UNSENT, r->why);
		return false;
	}
	if (rc != 0 || origin_set_addresses(c->transfer.origin, r) != 0) {
		call_end(c, TRANSPORT_UNSENT, "name lookups do not work");
		return false;
	}
	c->resolved = true;
	return true;
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

static void on_finished(void *arg, CURL *easy, CURLcode result)
{
	struct transfer *t = NULL;
	struct call *c;

	(void)arg;
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
	c = CALL_OF(t, transfer);
	if (c->state == CALL_RUNNING) { /* else we ended it first */
		transfer_verdict(t, easy, result, &c->answer);
		call_end(c, c->answer.transport, c->answer.why);
	}
}

static void on_resolved(struct resolve_wait *w, const struct resolved *r)
{
	struct call *c = CALL_OF(w, wait);

	if (call_take_addresses(c, 0, r)) {
		call_enter_starting(c);
	}
}

/* Sets the event for the deadline that now holds; returns false when that has passed. */
static bool call_arm(struct call *c, int64_t now_us)
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
	if (call_arm(c, clock_boot_us())) {
		return; /* it was the connect deadline and the call is sent, or the event came early
			 */
	}
	if (c->transfer.sent_us != 0) {
		call_end(c, TRANSPORT_BROKEN, "answer deadline");
	} else {
		call_end(c, TRANSPORT_UNSENT,
		    c->state == CALL_RESOLVING ? "name lookup deadline" : "connect deadline");
	}
}

/* --- the drain --- */

/* Leaves libcurl, if it was there. */
static void call_detach(struct call *c)
{
	if (c->shard != NULL) {
		shard_remove(c->shard, c->easy);
		c->transfer.origin->calls[c->shard_index]--;
	}
	easy_give(&c->fetch->easies, c->easy);
}

static void call_free(struct call *c)
{
	origin_release(c->transfer.origin);
	transfer_fini(&c->transfer);
	free(c);
}

static void call_deliver(struct call *c)
{
	struct fetch *f = c->fetch;
	struct transfer *t = &c->transfer;
	struct http_answer a = c->answer;
	char *body = NULL;

	call_detach(c);
	a.headers = f->headers;
	a.n_headers = transfer_headers(t, f->headers);
	a.sent_us = t->sent_us;
	a.first_byte_us = t->first_byte_us;
	a.end_us = t->end_us;
	if (a.transport == TRANSPORT_ANSWERED) {
		a.body_len = t->answer.len;
		a.body = body = buf_take(&t->answer);
	}
	HASH_DEL(
	    f->calls, c); /* the id is free again, and a slot too, before the owner hears of it */
	f->events.done(f->events.arg, c->id, &a, body);
	call_free(c);
}

/* Into libcurl. */
static void call_run(struct call *c)
{
	struct fetch *f = c->fetch;
	int64_t left_us = c->connect_at_us - clock_boot_us();

	c->easy = easy_take(&f->easies);
	c->shard_index = origin_shard(c->transfer.origin);
	c->shard = multi_shard(f->multi, c->shard_index);
	if (c->easy == NULL || c->shard == NULL ||
	    transfer_options(&c->transfer, c->easy,
		left_us < US_PER_MS ? 1 : (long)(left_us / US_PER_MS)) != CURLE_OK ||
	    shard_add(c->shard, c->easy, NULL) != 0) {
		c->shard = NULL;
		call_end(c, TRANSPORT_UNSENT, "libcurl takes no more transfers");
		return;
	}
	c->transfer.origin->calls[c->shard_index]++;
	c->state = CALL_RUNNING;
}

/* Takes a call out of the starting list: to the resolver, into libcurl, or to its end. */
static void call_go(struct call *c)
{
	struct origin *o = c->transfer.origin;
	struct resolved r;
	int rc;

	TAILQ_REMOVE(&c->fetch->starting, c, link);
	c->state = CALL_RESOLVING;
	if (!o->literal && !c->resolved) {
		rc = resolve_get(c->fetch->resolver, o->host, &c->wait, &r);
		if (rc == RESOLVE_PENDING || !call_take_addresses(c, rc, &r)) {
			return;
		}
	}
	call_run(c);
}

static void on_drain(evutil_socket_t fd, short what, void *arg)
{
	struct fetch *f = arg;
	struct call *c;

	(void)fd;
	(void)what;
	f->draining_soon = false;
	if (f->forget) {
		f->forget = false;
		multi_forget(f->multi);
		resolver_forget(f->resolver);
		origins_forget(&f->origins);
	}
	while ((c = TAILQ_FIRST(&f->ended)) !=
	       NULL) { /* first: their connections are free for the others */
		TAILQ_REMOVE(&f->ended, c, link);
		call_deliver(c);
	}
	while ((c = TAILQ_FIRST(&f->starting)) != NULL) {
		call_go(c);
	}
}

/* --- for the owner --- */

static int fetch_open(struct fetch *f, const struct fetch_options *o, struct lead_error *err)
{
	struct resolve_options names = {.ttl_us = o->dns_ttl_us, .servers = o->dns_servers};
	struct multi_options multi = {
	    .connections = (long)f->max_in_flight, .finished = on_finished, .arg = f};
	int rc;

	f->drain = evtimer_new(f->base, on_drain, f);
	if (f->drain == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	rc = resolver_new(f->base, &names, &f->resolver, err);
	if (rc == 0) {
		rc = multi_new(f->base, &multi, &f->multi, err);
	}
	return rc == 0 ? easy_pool_init(&f->easies, o->ca_file, f->multi, err) : rc;
}

int fetch_new(struct event_base *base, const struct fetch_options *o,
    const struct fetch_events *events, struct fetch **ret, struct lead_error *err)
{
	struct fetch *f;
	int rc;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		return lead_fail(err, LEAD_EREMOTE, "cannot set up libcurl");
	}
	f = calloc(1, sizeof(*f));
	if (f == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	f->base = base;
	f->events = *events;
	f->max_in_flight = o->max_in_flight != 0 ? o->max_in_flight : DEFAULT_IN_FLIGHT;
	f->allow_private = o->allow_private;
	TAILQ_INIT(&f->starting);
	TAILQ_INIT(&f->ended);
	rc = fetch_open(f, o, err);
	if (rc != 0) {
		fetch_free(f);
		return rc;
	}
	*ret = f;
	return 0;
}

static struct call *call_of(const struct fetch *f, uint64_t id)
{
	struct call *c;

	HASH_FIND(hh, f->calls, &id, sizeof(id), c);
	return c;
}

int fetch_start(struct fetch *f, uint64_t id, const struct request *r, struct lead_error *err)
{
	int64_t now = clock_boot_us();
	struct origin *origin;
	struct call *c;
	int rc;

	if (HASH_COUNT(f->calls) >= f->max_in_flight) {
		return lead_fail(
		    err, LEAD_EFULL, "%u calls are under way already", f->max_in_flight);
	}
	if (call_of(f, id) != NULL) {
		return lead_fail(
		    err, LEAD_EBUG, "call %016llx is under way already", (unsigned long long)id);
	}
	rc = origin_get(&f->origins, r->url, &origin, err);
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
		call_free(c);
		return rc;
	}
	c->fetch = f;
	c->id = id;
	c->transfer.events = &transfer_events;
	c->transfer.allow_private = f->allow_private;
	c->wait.done = on_resolved;
	c->connect_at_us = now + (r->connect_us > 0 ? r->connect_us : DEFAULT_CONNECT_US);
	c->total_at_us = now + (r->total_us > 0 ? r->total_us : DEFAULT_TOTAL_US);
	evtimer_assign(&c->deadline, f->base, on_deadline, c);
	(void)call_arm(c, now);
	HASH_ADD(hh, f->calls, id, sizeof(c->id), c);
	call_enter_starting(c);
	return 0;
}

void fetch_cancel(struct fetch *f, uint64_t id)
{
	struct call *c = call_of(f, id);

	if (c != NULL) {
		call_end(c, c->transfer.sent_us != 0 ? TRANSPORT_CANCELLED : TRANSPORT_UNSENT,
		    "cancelled");
	}
}

unsigned fetch_in_flight(const struct fetch *f)
{
	return HASH_COUNT(f->calls);
}

void fetch_forget(struct fetch *f)
{
	f->forget = true;
	drain_soon(f);
}

void fetch_free(struct fetch *f)
{
	struct call *c, *next;

	if (f == NULL) {
		return;
	}
	HASH_ITER(hh, f->calls, c, next)
	{
		resolve_cancel(&c->wait);
		event_del(&c->deadline);
		call_detach(c);
		HASH_DEL(f->calls, c);
		call_free(c);
	}
	multi_free(f->multi);
	easy_pool_fini(&f->easies);
	resolver_free(f->resolver);
	origins_forget(&f->origins);
	if (f->drain != NULL) {
		event_free(f->drain);
	}
	free(f);
	curl_global_cleanup();
}
