/* Live streams of runs: at most four events a second each, while something changes; `end` when the run has ended. */
#include "daemon/leadd.h"
#include "lib/engine/show/show.h"

#include <json-c/json.h>
#include <stdlib.h>

#define MAX_WATCHES 16
#define GAP_MS 250

struct watch {
	struct leadd *l;
	struct http_request *r;
	uint32_t run;
	struct event *timer;
	bool dirty;
	struct watch *next;
};

static void watch_free(struct watch *w)
{
	struct watch **at = &w->l->watches;

	while (*at != NULL && *at != w) {
		at = &(*at)->next;
	}
	if (*at == w) {
		*at = w->next;
	}
	event_free(w->timer);
	free(w);
}

static void on_closed(void *arg)
{
	watch_free(arg);
}

/* Sends the run as it is; false when it has ended and its results are there. */
static bool watch_send(struct watch *w)
{
	const struct run_row *row = show_run_row(w->l->engine, w->run);
	struct json_object *o = NULL;
	struct txn *t = NULL;
	bool ended = row == NULL || (row->state >= RUN_DONE && row->written);

	if (txn_begin(w->l->store, false, &t, NULL) == 0) {
		o = show_run(w->l->engine, t, w->run, clock_now());
		txn_abort(t);
	}
	if (o != NULL) {
		http_stream_event(w->r, ended ? "end" : "run", json_object_to_json_string_ext(o, JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(o);
	}
	return !ended;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;
	struct timeval gap = {.tv_usec = GAP_MS * 1000};
	struct http_request *r = w->r;

	(void)fd;
	(void)what;
	event_add(w->timer, &gap);
	if (!w->dirty) {
		return;
	}
	w->dirty = false;
	if (!watch_send(w)) {
		watch_free(w);
		http_stream_end(r);
	}
}

void watch_open(void *app, struct http_request *r)
{
	struct leadd *l = app;
	struct http_stream_events events = {.closed = on_closed};
	struct timeval now = {0};
	struct watch *w;
	uint64_t run = 0;
	unsigned n = 0;

	if (!http_param_uint(r, "run", 1, UINT32_MAX, &run)) {
		return;
	}
	if (show_run_row(l->engine, (uint32_t)run) == NULL) {
		http_reply_problem(r, 404, "not-found", "there is no run %llu", (unsigned long long)run);
		return;
	}
	for (w = l->watches; w != NULL; w = w->next) {
		n++;
	}
	if (n >= MAX_WATCHES) {
		http_reply_problem(r, 503, "too-many-watchers", "%u clients watch already", n);
		return;
	}
	w = calloc(1, sizeof(*w));
	if (w == NULL || (w->timer = evtimer_new(l->base, on_timer, w)) == NULL) {
		abort();
	}
	w->l = l;
	w->r = r;
	w->run = (uint32_t)run;
	w->dirty = true;
	w->next = l->watches;
	l->watches = w;
	events.arg = w;
	http_stream_start(r, "text/event-stream", &events);
	event_add(w->timer, &now);
}

void watch_changed(struct leadd *l, uint32_t run)
{
	for (struct watch *w = l->watches; w != NULL; w = w->next) {
		w->dirty = w->dirty || w->run == run;
	}
}

void watch_stop(struct leadd *l)
{
	while (l->watches != NULL) {
		struct http_request *r = l->watches->r;

		watch_free(l->watches);
		http_stream_end(r);
	}
}
