/*
 * A new configuration, read while calls are served (P8). Reading all files takes a few milliseconds, libjq 15 or more for each text that
 * no file said before: the loop takes those one at a time, and serves the others between them.
 *
 *   reload_read -> look --new texts--> on_pause: one compiled --more?--> on_pause
 *                   ^ |                                     '--none--> look
 *                   | '--nothing waits--> done, and the next one
 */
#include "daemon/leadd.h"

#include <stdlib.h>
#include <systemd/sd-daemon.h>

#define PAUSE_US (20 * US_PER_MS) /* about as long as a text takes: the others have half of the loop */

struct reading {
	struct leadd *l;
	struct event *pause;
	configured_fn done;
	void *arg;
	struct reading *next;
};

static void arm(struct reading *r, int64_t us)
{
	struct timeval tv = {.tv_usec = (suseconds_t)us};

	if (event_add(r->pause, &tv) != 0) {
		abort();
	}
}

/* The first of the queue, with a configuration (taken) or problems. */
static void end(struct leadd *l, struct config *fresh, const struct problems *problems)
{
	struct reading *r = l->readings;

	l->readings = r->next;
	r->done(r->arg, fresh, problems);
	event_free(r->pause);
	free(r);
}

static void look(struct reading *r)
{
	struct leadd *l = r->l;
	struct config_options o = {.exprs = l->exprs};
	struct config *fresh = NULL;
	struct problems problems;

	problems_init(&problems);
	if (config_load_with(l->config_file, engine_config(l->engine)->generation + 1, &o, &problems, &fresh) != 0) {
		abort();
	}
	if (expr_pool_waiting(l->exprs)) {
		config_unref(fresh);
		arm(r, 0);
	} else {
		expr_pool_sweep(l->exprs);
		end(l, fresh, &problems);
		if (l->readings != NULL) {
			arm(l->readings, 0);
		}
	}
	problems_fini(&problems);
}

static void on_pause(evutil_socket_t fd, short what, void *arg)
{
	struct reading *r = arg;

	(void)fd;
	(void)what;
	expr_pool_compile(r->l->exprs);
	if (expr_pool_waiting(r->l->exprs)) {
		arm(r, PAUSE_US);
	} else {
		look(r);
	}
}

void reload_read(struct leadd *l, configured_fn done, void *arg)
{
	struct reading *r = calloc(1, sizeof(*r)), **last = &l->readings;

	if (r == NULL || (r->pause = evtimer_new(l->base, on_pause, r)) == NULL) {
		abort();
	}
	r->l = l;
	r->done = done;
	r->arg = arg;
	while (*last != NULL) {
		last = &(*last)->next;
	}
	*last = r;
	if (l->readings == r) {
		arm(r, 0);
	}
}

void reload_stop(struct leadd *l)
{
	struct problems problems;

	problems_init(&problems);
	problems_add(&problems, NULL, NULL, "leadd stops");
	while (l->readings != NULL) {
		end(l, NULL, &problems);
	}
	problems_fini(&problems);
}

/* --- SIGHUP --- */

void reload_done(struct leadd *l)
{
	struct lead_error err;

	if (store_grow(l->store, engine_config(l->engine)->map_bytes, &err) != 0) {
		log_line(LOG_ERR_, "%s", err.text);
	}
	if (l->fetch != NULL) { /* else leadd is at its end: a reload that did not commit is answered after loop_stop */
		fetch_forget(l->fetch);
	}
	tidy_look(l);
}

static void on_reloaded(struct leadd *l, struct http_request *r, struct command *c)
{
	unsigned long long generation = engine_config(l->engine)->generation;

	(void)r;
	if (c->rc == 0) {
		reload_done(l);
		log_line(LOG_NOTE_, "reloaded: generation %llu", generation);
	}
	sd_notifyf(0, "READY=1\nSTATUS=generation %llu", generation);
}

static void on_configured(void *arg, struct config *fresh, const struct problems *problems)
{
	struct leadd *l = arg;
	struct command *c;

	if (fresh == NULL) {
		for (struct problem *p = problems->first; p != NULL; p = p->next) {
			log_line(LOG_ERR_, "not reloaded: %s", p->text);
		}
		sd_notify(0, "READY=1\nSTATUS=the new configuration is wrong: the old one stays");
		return;
	}
	c = command_new(COMMAND_RELOAD);
	c->config = fresh;
	command_send(l, c, NULL, on_reloaded);
}

/* One signal is enough for all that come before its turn to read. */
static bool waits_already(const struct leadd *l)
{
	for (const struct reading *r = l->readings != NULL ? l->readings->next : NULL; r != NULL; r = r->next) {
		if (r->done == on_configured) {
			return true;
		}
	}
	return false;
}

void reload_start(struct leadd *l)
{
	if (waits_already(l)) {
		return;
	}
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_read(CLOCK_MONOTONIC));
	reload_read(l, on_configured, l);
}
