/* Receipt, waste and the audit of the limits over the API: slices of some hundred rows, each an event of its own. */
#include "daemon/leadd.h"
#include "lib/engine/show/audit.h"
#include "lib/engine/show/reckon.h"

#include <json-c/json.h>
#include <stdlib.h>

#define SLICE_LEADS 250
#define SLICE_CALLS 2000

struct reckon {
	struct leadd *l;
	struct http_request *r;
	struct reckoning *reckoning; /* one of the two */
	struct audit *audit;
	struct event *next_slice;
	struct reckon *next;
};

static void reckon_free(struct reckon *x)
{
	struct reckon **at = &x->l->reckons;

	while (*at != x) {
		at = &(*at)->next;
	}
	*at = x->next;
	reckoning_free(x->reckoning);
	audit_free(x->audit);
	event_free(x->next_slice);
	free(x);
}

static bool next_slice(struct reckon *x, struct lead_error *err)
{
	return x->audit != NULL ? audit_next(x->audit, SLICE_CALLS, err) : reckoning_next(x->reckoning, SLICE_LEADS, err);
}

static struct json_object *result(struct reckon *x)
{
	return x->audit != NULL ? audit_json(x->audit) : reckoning_json(x->reckoning, clock_now());
}

static void on_slice(evutil_socket_t fd, short what, void *arg)
{
	struct reckon *x = arg;
	struct timeval now = {0};
	struct lead_error err = {0};
	struct json_object *o;

	(void)fd;
	(void)what;
	if (next_slice(x, &err)) {
		event_add(x->next_slice, &now);
		return;
	}
	o = err.code == 0 ? result(x) : NULL;
	if (o != NULL) {
		http_reply_json(x->r, 200, o);
	} else {
		http_reply_error(x->r, &err);
	}
	reckon_free(x);
}

/* Takes what is to be reckoned. */
static void reckon_start(struct leadd *l, struct http_request *r, struct reckoning *reckoning, struct audit *audit)
{
	struct timeval now = {0};
	struct reckon *x = calloc(1, sizeof(*x));

	if (x == NULL || (x->next_slice = evtimer_new(l->base, on_slice, x)) == NULL) {
		abort();
	}
	x->l = l;
	x->r = r;
	x->reckoning = reckoning;
	x->audit = audit;
	x->next = l->reckons;
	l->reckons = x;
	event_add(x->next_slice, &now);
}

static void reckon_open(struct leadd *l, struct http_request *r, enum reckon_kind kind)
{
	struct reckoning *reckoning;
	uint64_t run = 0;

	if (!http_param_uint(r, "run", 1, UINT32_MAX, &run)) {
		return;
	}
	reckoning = reckoning_new(l->engine, (uint32_t)run, kind);
	if (reckoning == NULL) {
		http_reply_problem(r, 404, "not-found", "there is no run %llu", (unsigned long long)run);
		return;
	}
	reckon_start(l, r, reckoning, NULL);
}

void audit_open(void *app, struct http_request *r)
{
	struct leadd *l = app;
	uint64_t since_ms = 86400000;
	struct audit *audit;

	if (!http_query_uint(r, "since_ms", 1, UINT64_C(31) * 86400000, &since_ms)) {
		return;
	}
	audit = audit_new(l->engine, (int64_t)since_ms * US_PER_MS, clock_now());
	if (audit == NULL) {
		abort();
	}
	reckon_start(l, r, NULL, audit);
}

void receipt_open(void *app, struct http_request *r)
{
	reckon_open(app, r, RECKON_RECEIPT);
}

void waste_open(void *app, struct http_request *r)
{
	reckon_open(app, r, RECKON_WASTE);
}

void reckon_stop(struct leadd *l)
{
	while (l->reckons != NULL) {
		reckon_free(l->reckons);
	}
}
