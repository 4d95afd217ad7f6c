/* Receipt and waste of a run over the API: slices of a few hundred leads, each an event of its own. */
#include "daemon/leadd.h"
#include "lib/engine/reckon.h"

#include <json-c/json.h>
#include <stdlib.h>

#define SLICE_ROWS 250

struct reckon {
	struct leadd *l;
	struct http_request *r;
	struct reckoning *reckoning;
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
	event_free(x->next_slice);
	free(x);
}

static void on_slice(evutil_socket_t fd, short what, void *arg)
{
	struct reckon *x = arg;
	struct timeval now = {0};
	struct lead_error err = {0};
	struct json_object *o;

	(void)fd;
	(void)what;
	if (reckoning_next(x->reckoning, SLICE_ROWS, &err)) {
		event_add(x->next_slice, &now);
		return;
	}
	o = err.code == 0 ? reckoning_json(x->reckoning, clock_now()) : NULL;
	if (o != NULL) {
		http_reply_json(x->r, 200, o);
	} else {
		http_reply_error(x->r, &err);
	}
	reckon_free(x);
}

static void reckon_open(struct leadd *l, struct http_request *r, enum reckon_kind kind)
{
	struct timeval now = {0};
	struct reckon *x;
	uint64_t run = 0;

	if (!http_param_uint(r, "run", 1, UINT32_MAX, &run)) {
		return;
	}
	x = calloc(1, sizeof(*x));
	if (x == NULL || (x->next_slice = evtimer_new(l->base, on_slice, x)) == NULL) {
		abort();
	}
	x->reckoning = reckoning_new(l->engine, (uint32_t)run, kind);
	if (x->reckoning == NULL) {
		http_reply_problem(r, 404, "not-found", "there is no run %llu", (unsigned long long)run);
		event_free(x->next_slice);
		free(x);
		return;
	}
	x->l = l;
	x->r = r;
	x->next = l->reckons;
	l->reckons = x;
	event_add(x->next_slice, &now);
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
