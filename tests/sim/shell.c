/*
 * The virtual process: events in order of true time, turns as daemon/loop.c makes them, crashes and
 * starts.
 *
 *   callbacks gather -> process_poke -> EVENT_TURN -> engine_turn -> settled answers are told to
 * the world, budgets and shares are looked at -> next
 */
#include "tests/sim/shell.h"

#include "lib/store/ledger.h"

#include <stdio.h>
#include <stdlib.h>

#define FULL_WAIT_US US_PER_S
#define TURNS_IN_PLACE 20000
#define LONGEST_WAIT_US (INT64_C(60) * US_PER_S)

/* --- turns: as in daemon/loop.c --- */

static void turn_at(struct night *n, int64_t at_us)
{
	if (n->turn_armed == 0 || at_us < n->turn_at_us) {
		n->turn_at_us = at_us;
		n->turn_armed = ++n->turn_number;
		event_push(n, at_us, EVENT_TURN, n->turn_armed, 0, NULL);
	}
}

void process_poke(struct night *n)
{
	if (engine_urgent(n->engine) || n->gathered_now >= engine_in_flight(n->engine) ||
	    n->gathered_now >= 256) {
		turn_at(n, n->now_us);
	} else {
		turn_at(n, n->now_us + engine_config(n->engine)->turn_wait_us);
	}
}

/* Answers whose outcome is in the store: from now on asking again would break the promise. */
static void tell_settled(struct night *n)
{
	struct txn *t = NULL;
	struct call_row row;
	size_t kept = 0;

	if ((n->n_gathered == 0 && n->desk_told == n->n_desk) || txn_begin(n->store, false, &t, NULL) != 0) {
		return;
	}
	for (size_t i = 0; i < n->n_gathered; i++) {
		struct gathered *g = &n->gathered[i];

		if (!call_read(t, g->call, &row) || row.state <= CALL_SENT) {
			n->gathered[kept++] = *g;
		} else if (g->whole) {
			n->log[g->wire].delivered = true;
			world_delivered(
			    n->world, g->token, (struct now){n->now_us, WORLD_WALL_US + n->now_us});
		}
	}
	n->n_gathered = kept;
	desk_tell(n, t);
	txn_abort(t);
}

static void watch_in_place(struct night *n)
{
	if (n->turns_since_us != n->now_us / US_PER_S) {
		n->turns_since_us = n->now_us / US_PER_S;
		n->result->turns += n->turns_here;
		n->turns_here = 0;
	} else if (n->turns_here > TURNS_IN_PLACE) {
		violate(n->result,
		    "the engine turns in place: more than %d turns within one second",
		    TURNS_IN_PLACE);
		n->done = true;
	}
}

static void turn(struct night *n)
{
	struct lead_error err = {.text = ""};
	int rc;

	n->turn_armed = 0;
	n->turns_here++;
	n->stepped = false;
	n->gathered_now = 0;
	/* the fsync: what is released leaves after it */
	n->busy_until_us = n->now_us + 300 + (int64_t)(draw(n, 'f', n->seq) % 1700);
	rc = engine_turn(n->engine, engine_now(n), &err);
	tell_settled(n);
	watch_turn(n);
	watch_in_place(n);
	if (n->dying || rc == LEAD_EIO) {
		process_crash(
		    n, 50 * US_PER_MS + (int64_t)(draw(n, 'a', n->epoch) % (2 * US_PER_S)));
		return;
	}
	if (rc == TURN_MORE) {
		turn_at(n, n->busy_until_us);
	} else if (rc == LEAD_EFULL) {
		turn_at(n, n->now_us + FULL_WAIT_US);
	} else if (rc < 0) {
		violate(n->result, "a turn failed: %s", err.text);
		n->done = true;
	} else if (engine_pending(n->engine)) {
		process_poke(n);
	}
	if (n->stopping && engine_in_flight(n->engine) == 0) {
		process_crash(n, US_PER_S);
	}
}

/* --- effects --- */

static void on_start(void *ctx, uint64_t call, const struct request *q)
{
	struct night *n = ctx;

	if (n->in_release > 0 && --n->in_release == 0) {
		n->dying = true;
		n->result->hits[KIND_CRASH_IN_RELEASE]++;
	}
	if (!n->dying) {
		wire_start(n, call, q);
		crash_moment(n, KIND_CRASH_UNSENT);
	}
}

static void on_wake(void *ctx, size_t lane, int64_t boot_us)
{
	struct night *n = ctx;

	if (lane < sizeof(n->wake_us) / sizeof(n->wake_us[0]) && n->wake_us[lane] != boot_us) {
		n->wake_us[lane] = boot_us;
		if (boot_us != TIME_NEVER) {
			event_push(
			    n, true_of(n, boot_us), EVENT_WAKE, (uint32_t)lane, boot_us, NULL);
		}
	}
}

static void on_wake_later(void *ctx, int64_t boot_us)
{
	struct night *n = ctx;

	if (n->later_us != boot_us) {
		n->later_us = boot_us;
		if (boot_us != TIME_NEVER) {
			event_push(n, true_of(n, boot_us), EVENT_LATER, 0, boot_us, NULL);
		}
	}
}

static void on_read_upload(void *ctx, uint32_t run, const char *upload, uint64_t offset, size_t max)
{
	struct night *n = ctx;

	(void)upload;
	(void)max;
	event_push(n, n->busy_until_us + 200, EVENT_READ, run, (int64_t)offset, NULL);
}

/* What is read back ends without a word of the operator's. */
static void on_run_changed(void *ctx, uint32_t run)
{
	struct night *n = ctx;

	(void)run;
	n->done = n->done || (n->quiet && operator_is_done(n));
}

static void on_run_ended(void *ctx, uint32_t run)
{
	struct night *n = ctx;

	event_push(n, n->busy_until_us + 5 * US_PER_MS, EVENT_WRITTEN, run, 0, NULL);
}

static void read_upload(struct night *n, uint32_t run, uint64_t offset)
{
	struct lead_error err;
	struct run_row mine;
	struct txn *t = NULL;

	if (txn_begin(n->store, false, &t, &err) != 0) {
		return;
	}
	if (run_read(t, run, &mine)) {
		for (size_t i = 0; i < n->plan->n_runs; i++) {
			const struct buf *csv = &n->plan->runs[i].csv;

			if (strcmp(n->plan->runs[i].upload, mine.upload) == 0) {
				size_t left = offset < csv->len ? csv->len - (size_t)offset : 0,
				       len = left < 16384 ? left : 16384;

				engine_import(
				    n->engine, run, len > 0 ? csv->data + offset : NULL, len, NULL);
			}
		}
		run_row_fini(&mine);
	}
	txn_abort(t);
	process_poke(n);
}

static void on_written(void *ctx, struct command *c)
{
	struct night *n = ctx;

	if (c->rc != 0 && n->engine != NULL && !n->dying) {
		event_push(n, n->now_us + US_PER_S, EVENT_WRITTEN, c->run, 0, NULL);
	}
	n->done = n->done || (c->rc == 0 && n->quiet && operator_is_done(n));
}

static void tell_written(struct night *n, uint32_t run)
{
	struct command *c = calloc(1, sizeof(*c));

	c->kind = COMMAND_WRITTEN;
	c->run = run;
	c->done = on_written;
	c->ctx = n;
	engine_command(n->engine, c);
	process_poke(n);
}

/* --- life --- */

static void open_store(struct night *n)
{
	struct store_options o = {
	    .dir = conf_store_dir(), .map_bytes = (size_t)1 << 30, .no_sync = true};
	struct lead_error err = {.text = ""};

	if (store_open(&o, &n->store, &err) != 0) {
		violate(n->result, "the store cannot be opened: %s", err.text);
		n->done = true;
	}
}

void process_start(struct night *n)
{
	struct engine_options o = {.store = n->store,
	    .config = conf_get(n->plan->shape, n->variant),
	    .effects = {on_start, on_wake, on_wake_later, on_read_upload, on_run_changed,
		on_run_ended, NULL, n},
	    .boot_id = n->boot_id,
	    .seed = draw(n, 'e', n->epoch),
	    .now = engine_now(n)};
	struct lead_error err = {.text = ""};
	int rc;

	n->turn_armed = 0;
	n->gathered_now = 0;
	n->busy_until_us = n->now_us;
	n->stopping = n->dying = false;
	n->later_us = TIME_NEVER;
	for (size_t i = 0; i < sizeof(n->wake_us) / sizeof(n->wake_us[0]); i++) {
		n->wake_us[i] = TIME_NEVER;
	}
	if (n->starting_crashes > 0) {
		hooks.commit =
		    --n->starting_crashes % 2 == 0 ? COMMIT_DIE_BEFORE : COMMIT_DIE_AFTER;
	}
	rc = engine_new(&o, &n->engine, &err);
	hooks.commit = COMMIT_AS_IT_IS;
	tell_settled(n);
	if (rc != 0) {
		n->engine = NULL;
		if (rc != LEAD_EIO && rc != LEAD_EFULL) {
			violate(n->result, "the engine does not start: %s", err.text);
			n->done = true;
		}
		event_push(n, n->now_us + US_PER_S, EVENT_START, 0, 0, NULL);
		return;
	}
	n->rebooting = false;
	operator_restarted(n);
	if (n->epoch > 0) {
		watch_disturb(n);
	}
	turn_at(n, n->now_us);
}

/* Nothing of the process is left; the store is as the last commit made it. */
void process_crash(struct night *n, int64_t away_us)
{
	n->dying = true;
	watch_disturb(n);
	tell_settled(n);
	engine_free(n->engine);
	n->engine = NULL;
	n->epoch++;
	n->n_gathered = 0;
	n->crash_now = n->stopping = n->dying = false;
	n->crash_when = 0;
	n->in_release = 0;
	hooks.commit = COMMIT_AS_IT_IS;
	if (n->epoch % 3 == 0) {
		store_close(n->store);
		open_store(n);
	}
	check_store(n->store, "after a crash", n->result);
	event_push(n, n->now_us + away_us, EVENT_START, 0, 0, NULL);
}

/* --- the night --- */

static void dispatch(struct night *n, const struct event *e)
{
	switch (e->kind) {
	case EVENT_TURN:
		if (e->n == n->turn_armed) {
			turn(n);
		}
		break;
	case EVENT_WAKE:
		if (n->wake_us[e->n] == e->v) {
			n->wake_us[e->n] = TIME_NEVER;
			turn_at(n, n->now_us);
		}
		break;
	case EVENT_LATER:
		if (n->later_us == e->v) {
			n->later_us = TIME_NEVER;
			turn_at(n, n->now_us);
		}
		break;
	case EVENT_SENT:
		wire_sent(n, e->p);
		break;
	case EVENT_FIRST:
		wire_first(n, e->p);
		break;
	case EVENT_END:
		wire_end(n, e->p, (enum transport)e->n);
		break;
	case EVENT_READ:
		read_upload(n, e->n, (uint64_t)e->v);
		break;
	case EVENT_WRITTEN:
		tell_written(n, e->n);
		break;
	case EVENT_ARRIVE:
		wire_arrive(n, e->p);
		break;
	case EVENT_START:
		process_start(n);
		break;
	case EVENT_INTENT:
		operator_send(n, e->n);
		break;
	case EVENT_FAULT:
	case EVENT_FAULT_END:
		faults_event(n, e->n, e->kind == EVENT_FAULT);
		break;
	case EVENT_QUIET:
		operator_quiet(n);
		break;
	case EVENT_CALLBACK:
		desk_call_back(n, e->n, e->v);
		break;
	case EVENT_OF_PROCESS:
		break;
	}
}

static void step(struct night *n)
{
	struct event e = event_take(n);
	bool process = e.kind < EVENT_OF_PROCESS;

	if (process && e.epoch == n->epoch && n->engine != NULL &&
	    e.head.at_us < n->busy_until_us) {
		e.head.at_us = n->busy_until_us; /* it stands still, or writes */
		e.head.seq = n->seq++;
		event_add(n, e);
		return;
	}
	n->now_us = e.head.at_us > n->now_us ? e.head.at_us : n->now_us;
	if (!process || (e.epoch == n->epoch && n->engine != NULL)) {
		dispatch(n, &e);
	}
	flight_unref(e.p);
	if (n->crash_now && n->engine != NULL) {
		process_crash(
		    n, 50 * US_PER_MS + (int64_t)(draw(n, 'a', n->epoch) % (2 * US_PER_S)));
	}
}

/* The promise: twice as long as without any fault, and the longest wait that somebody declared. */
static void run_events(struct night *n)
{
	int64_t calm_us = n->plan->calm_us > 0 ? n->plan->calm_us : 3600 * US_PER_S;

	while (!n->done) {
		if (n->heap.n == 0) {
			violate(n->result, "nothing moves any more, and the night is not over");
			return;
		}
		step(n);
		if (n->quiet && n->now_us > n->quiet_us + 2 * calm_us + LONGEST_WAIT_US) {
			violate(n->result,
			    "not over %.0f s after the last fault; without faults it takes %.0f s",
			    (double)(n->now_us - n->quiet_us) / 1e6, (double)calm_us / 1e6);
			return;
		}
	}
}

/* Calls in flight end, then the process stops. */
static void finish(struct night *n)
{
	watch_end(n);
	n->result->span_us = n->now_us;
	check_exports(n->engine, n->store, n->result);
	n->dying = true;
	engine_free(n->engine);
	n->engine = NULL;
}

void night_play(const struct plan *p, struct result *ret)
{
	struct night n = {.plan = p,
	    .heap = {.size = sizeof(struct event)},
	    .result = ret,
	    .quiet_us = p->quiet_us};

	*ret = (struct result){0};
	hooks_reset();
	conf_clear_store();
	(void)snprintf(n.boot_id, sizeof(n.boot_id), "boot-0");
	open_store(&n);
	n.watch = watch_new();
	operator_begin(&n);
	event_push(&n, 0, EVENT_START, 0, 0, NULL);
	run_events(&n);
	finish(&n);
	hooks_reset();
	ret->turns += n.turns_here;
	check_store(n.store, "at the end", ret);
	desk_check(&n);
	check_night(
	    &(struct check_input){n.store, n.world, n.log, n.n_log, p, n.retried, n.quiet_us,
		n.approve_us},
	    ret);
	for (size_t i = 0; i < n.heap.n; i++) {
		flight_unref(((struct event *)heap_at(&n.heap, i))->p);
	}
	store_close(n.store);
	world_free(n.world);
	watch_free(n.watch);
	heap_fini(&n.heap);
	free(n.log);
	desk_free(&n);
	free(n.gathered);
	for (size_t i = 0; i < n.n_intents; i++) {
		free(n.intents[i]);
	}
	free(n.intents);
}
