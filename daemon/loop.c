/*
 * Turns the engine. Callbacks only gather (fetch's, the API's, the timers'); loop_poke arms the turn:
 * soon, so that the fsync is shared by what else arrives, or now, when a client waits or every call in flight has ended.
 *
 *   fetch: sent, first byte, done --> engine_* --.
 *   API: command_send --------------------------+--> loop_poke --> on_turn: engine_turn --> effects below
 *   timers: wake (one per service), later -------'
 */
#include "daemon/leadd.h"

#include <signal.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#define FULL_WAIT_US US_PER_S
#define EVENT_WAIT_MOST_US (2 * US_PER_MS)

/* --- when --- */

static void arm(struct event *ev, int64_t us)
{
	struct timeval tv = {.tv_sec = us / US_PER_S, .tv_usec = us % US_PER_S};

	if (us < 0) {
		tv = (struct timeval){0};
	}
	if (event_add(ev, &tv) != 0) {
		abort();
	}
}

static void turn_at_once(struct leadd *l)
{
	if (!l->turn_now) {
		l->turn_now = true;
		arm(l->turn, 0);
	}
}

/*
 * Webhooks come in bursts, and each sender that has its answer may send the next at once. A little patience lets them share a
 * commit, instead of half of them always waiting for the other half's: a quarter of what the last commit took.
 */
static int64_t event_wait_us(const struct leadd *l)
{
	return l->commit_us / 4 < EVENT_WAIT_MOST_US ? l->commit_us / 4 : EVENT_WAIT_MOST_US;
}

void loop_poke(struct leadd *l)
{
	if (engine_urgent(l->engine) || l->gathered >= engine_in_flight(l->engine) || l->gathered >= 256) {
		turn_at_once(l);
	} else if (engine_events(l->engine) > 0 && !l->turn_events && !l->turn_now) {
		l->turn_events = l->turn_soon = true;
		arm(l->turn, event_wait_us(l));
	} else if (!l->turn_soon && !l->turn_now) {
		l->turn_soon = true;
		arm(l->turn, engine_config(l->engine)->turn_wait_us);
	}
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	turn_at_once(arg);
}

/* libevent's clock is coarse: a timer may fire a little early, find that it must wait, and is armed for the same moment again. */
static void arm_boot(struct event *ev, int64_t *armed_us, int64_t at_us)
{
	if (*armed_us == at_us && evtimer_pending(ev, NULL) != 0) {
		return;
	}
	*armed_us = at_us;
	if (at_us == TIME_NEVER) {
		event_del(ev);
		return;
	}
	arm(ev, at_us - clock_boot_us());
}

/* --- effects --- */

static void effect_start(void *ctx, uint64_t call, const struct request *r)
{
	struct leadd *l = ctx;
	struct lead_error err;

	if (fetch_start(l->fetch, call, r, &err) != 0) {
		struct http_answer h = {.transport = TRANSPORT_UNSENT, .why = err.text, .end_us = clock_boot_us()};

		engine_answered(l->engine, call, &h, NULL, clock_now());
		l->gathered++;
		loop_poke(l);
	}
}

static void effect_wake(void *ctx, size_t lane, int64_t boot_us)
{
	struct leadd *l = ctx;

	if (lane >= l->n_wake) {
		struct event **wake = realloc(l->wake, (lane + 1) * sizeof(*wake));
		int64_t *us = realloc(l->wake_us, (lane + 1) * sizeof(*us));

		if (wake == NULL || us == NULL) {
			abort();
		}
		l->wake = wake;
		l->wake_us = us;
		for (; l->n_wake <= lane; l->n_wake++) {
			wake[l->n_wake] = evtimer_new(l->base, on_wake, l);
			us[l->n_wake] = TIME_NEVER;
		}
	}
	arm_boot(l->wake[lane], &l->wake_us[lane], boot_us);
}

static void effect_wake_later(void *ctx, int64_t boot_us)
{
	struct leadd *l = ctx;

	arm_boot(l->wake_later, &l->later_us, boot_us);
}

static void effect_read_upload(void *ctx, uint32_t run, const char *upload, uint64_t offset, size_t max)
{
	upload_read_part(ctx, run, upload, offset, max);
}

static void effect_run_changed(void *ctx, uint32_t run)
{
	watch_changed(ctx, run);
}

static void effect_run_ended(void *ctx, uint32_t run)
{
	results_write(ctx, run);
}

static void effect_send(void *ctx, const struct outbox_row *message)
{
	notify_send(ctx, message);
}

const struct effects loop_effects = {
    .start = effect_start,
    .wake = effect_wake,
    .wake_later = effect_wake_later,
    .read_upload = effect_read_upload,
    .run_changed = effect_run_changed,
    .run_ended = effect_run_ended,
    .send = effect_send,
};

/* --- the turn --- */

static void finish_drain(struct leadd *l)
{
	if (l->draining && engine_in_flight(l->engine) == 0) {
		event_base_loopbreak(l->base);
	}
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct leadd *l = arg;
	struct lead_error err;
	struct store_room room;
	int64_t began_us = clock_boot_us();
	bool refused = engine_refuses(l->engine) != NULL;
	int rc;

	(void)fd;
	(void)what;
	l->turn_soon = l->turn_now = l->turn_events = false;
	l->gathered = 0;
	rc = engine_turn(l->engine, clock_now(), &err);
	store_room(l->store, &room);
	times_add(&l->commit_times, room.commit_us);
	l->commit_us = room.commit_us;
	times_add(&l->turn_times, clock_boot_us() - began_us - room.commit_us);
	if (rc == TURN_MORE) {
		turn_at_once(l);
	} else if (rc == LEAD_EFULL) {
		if (!refused) {
			log_line(LOG_ERR_, "no new work is taken: %s", err.text);
		}
		l->turn_now = true;
		arm(l->turn, FULL_WAIT_US);
	} else if (rc < 0) {
		log_line(LOG_ERR_, "cannot go on: %s", err.text);
		l->exit_code = 1;
		event_base_loopbreak(l->base);
		return;
	} else if (engine_pending(l->engine)) {
		loop_poke(l);
	}
	finish_drain(l);
}

/* --- what the fetcher tells --- */

static void on_sent(void *arg, uint64_t id, int64_t boot_us)
{
	if ((id & NOTICE_ID) == 0) {
		engine_sent(((struct leadd *)arg)->engine, id, boot_us);
	}
}

static void on_first_byte(void *arg, uint64_t id, int64_t boot_us)
{
	if ((id & NOTICE_ID) == 0) {
		engine_first_byte(((struct leadd *)arg)->engine, id, boot_us);
	}
}

static void on_done(void *arg, uint64_t id, const struct http_answer *answer, char *body)
{
	struct leadd *l = arg;

	if ((id & NOTICE_ID) != 0) {
		notify_done(l, id, answer, body);
		free(body);
		return;
	}
	engine_answered(l->engine, id, answer, body, clock_now());
	l->gathered++;
	loop_poke(l);
}

/* --- signals, watchdog, stop --- */

static void cancel_call(void *arg, uint64_t call)
{
	fetch_cancel(((struct leadd *)arg)->fetch, call);
}

static void on_drain_end(evutil_socket_t fd, short what, void *arg)
{
	struct leadd *l = arg;

	(void)fd;
	(void)what;
	log_line(LOG_WARN_, "%zu calls did not end in time: they are in doubt at the next start", engine_in_flight(l->engine));
	event_base_loopbreak(l->base);
}

static void loop_drain(struct leadd *l)
{
	if (l->draining) {
		/* asked twice: now */
		engine_each_call(l->engine, cancel_call, l);
		return;
	}
	l->draining = true;
	engine_drain(l->engine);
	http_close_listeners(l->http);
	sd_notifyf(0, "STOPPING=1\nSTATUS=waiting for %zu calls in flight", engine_in_flight(l->engine));
	log_line(LOG_NOTE_, "stopping: %zu calls in flight may end", engine_in_flight(l->engine));
	arm(l->drain_end, engine_config(l->engine)->drain_us);
	turn_at_once(l);
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct leadd *l = arg;

	(void)what;
	if (sig == SIGHUP) {
		reload_start(l);
	} else if (sig == SIGCHLD) {
		child_reap(l);
	} else {
		loop_drain(l);
	}
}

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	struct leadd *l = arg;

	/* fed from the loop itself: a loop that stands still is not fed */
	(void)fd;
	(void)what;
	sd_notifyf(0, "WATCHDOG=1\nSTATUS=%zu calls in flight, turn %llu", engine_in_flight(l->engine),
	    (unsigned long long)engine_turns(l->engine));
}

static int start_signals(struct leadd *l)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};

	for (int i = 0; i < 4; i++) {
		l->signals[i] = evsignal_new(l->base, numbers[i], on_signal, l);
		if (l->signals[i] == NULL || event_add(l->signals[i], NULL) != 0) {
			return -1;
		}
	}
	return 0;
}

static void start_watchdog(struct leadd *l)
{
	uint64_t us = 0;
	struct timeval tv;

	if (sd_watchdog_enabled(0, &us) <= 0) {
		us = 30 * US_PER_S; /* the status line is worth it without a watchdog too */
	}
	tv = (struct timeval){.tv_sec = (time_t)(us / 3 / US_PER_S), .tv_usec = (suseconds_t)(us / 3 % US_PER_S)};
	l->watchdog = event_new(l->base, -1, EV_PERSIST, on_watchdog, l);
	if (l->watchdog != NULL) {
		event_add(l->watchdog, &tv);
	}
}

int loop_start(struct leadd *l, struct lead_error *err)
{
	struct config *c = engine_config(l->engine);
	struct fetch_options fo = {.ca_file = c->ca_file, .allow_private = c->allow_private, .max_in_flight = c->max_in_flight};
	struct fetch_events fe = {.sent = on_sent, .first_byte = on_first_byte, .done = on_done, .arg = l};
	int rc = fetch_new(l->base, &fo, &fe, &l->fetch, err);

	if (rc != 0) {
		return rc;
	}
	l->turn = evtimer_new(l->base, on_turn, l);
	l->wake_later = evtimer_new(l->base, on_wake, l);
	l->later_us = TIME_NEVER;
	l->drain_end = evtimer_new(l->base, on_drain_end, l);
	if (l->turn == NULL || l->wake_later == NULL || l->drain_end == NULL || start_signals(l) != 0) {
		return lead_fail(err, LEAD_ENOMEM, "cannot set up the event loop");
	}
	start_watchdog(l);
	turn_at_once(l);
	return 0;
}

void loop_stop(struct leadd *l)
{
	fetch_free(l->fetch);
	l->fetch = NULL;
	notify_stop(l);
	for (size_t i = 0; i < l->n_wake; i++) {
		event_free(l->wake[i]);
	}
	for (int i = 0; i < 4; i++) {
		if (l->signals[i] != NULL) {
			event_free(l->signals[i]);
		}
	}
	struct event *rest[] = {l->turn, l->wake_later, l->drain_end, l->watchdog};

	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
		if (rest[i] != NULL) {
			event_free(rest[i]);
		}
	}
	free(l->wake);
	free(l->wake_us);
}
