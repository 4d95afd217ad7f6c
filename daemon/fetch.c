/*
 * daemon/fetch.c: the table of calls and the drain; daemon/call has what happens to one.
 *
 * The owner may call anything of fetch.h from any of its callbacks, but fetch_free: nothing
 * touches libcurl outside the drain.
 */
#include "daemon/call.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_IN_FLIGHT 2000

void fetch_drain_soon(struct fetch *f)
{
	static const struct timeval now = {0};

	if (!f->draining_soon) {
		f->draining_soon = true;
		event_add(f->drain, &now);
	}
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

static int fetch_open(struct fetch *f, const struct fetch_options *o, struct lead_error *err)
{
	struct resolve_options names = {.ttl_us = o->dns_ttl_us, .servers = o->dns_servers};
	struct multi_options multi = {
	    .connections = (long)f->max_in_flight, .finished = call_on_finished, .arg = f};
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

static int start(struct fetch *f, uint64_t id, const struct request *r, struct lead_error *err)
{
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
	rc = call_new(f, id, r, &c, err);
	if (rc != 0) {
		return rc;
	}
	HASH_ADD(hh, f->calls, id, sizeof(c->id), c);
	call_enter_starting(c);
	return 0;
}

int fetch_start(struct fetch *f, uint64_t id, const struct request *r, struct lead_error *err)
{
	if (strncasecmp(r->url, "smtp", 4) == 0) {
		return lead_fail(err, LEAD_EINPUT, "not an http or https URL");
	}
	return start(f, id, r, err);
}

int fetch_mail(struct fetch *f, uint64_t id, const struct fetch_mail *m, struct lead_error *err)
{
	struct request r = {.method = "POST",
	    .url = m->server,
	    .body = m->text,
	    .body_len = m->len,
	    .connect_us = m->connect_us,
	    .total_us = m->total_us};
	struct call *c;
	int rc = start(f, id, &r, err);

	if (rc != 0) {
		return rc;
	}
	c = call_of(f, id);
	c->transfer.allow_private = true;
	c->transfer.smtp = smtp_new(m);
	if (c->transfer.smtp == NULL) {
		call_free(c);
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
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
	fetch_drain_soon(f);
}

void fetch_free(struct fetch *f)
{
	struct call *c, *next;

	if (f == NULL) {
		return;
	}
	HASH_ITER(hh, f->calls, c, next)
	{
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
