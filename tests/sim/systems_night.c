/*
 * The process of such a night: events in order of true time, turns as daemon/loop.c makes them, deaths and starts.
 */
#include "tests/sim/systems_night.h"

#include "lib/store/account.h"
#include "tests/sim/check.h"
#include "tests/sim/conf.h"
#include "tests/sim/hooks.h"

#include <stdio.h>
#include <stdlib.h>

#define BOOT_US (INT64_C(5000) * US_PER_S)
#define LANES (sizeof(((struct system_night *)NULL)->wake_us) / sizeof(int64_t))
#define TURNS_IN_PLACE 20000
#define LONGEST_US (INT64_C(48) * 3600 * US_PER_S) /* waits of the shipped files: two hours for a workflow, days for a quota */

uint64_t system_draw(const struct system_night *n, uint64_t what, uint64_t id)
{
	uint64_t parts[] = {n->plan->seed, what, id};

	return hash_plain(parts, sizeof(parts));
}

int64_t system_boot(const struct system_night *n, int64_t true_us)
{
	return BOOT_US + true_us - n->boot_zero_us;
}

struct now system_now(const struct system_night *n)
{
	return (struct now){.boot_us = system_boot(n, n->now_us), .wall_us = SYSTEM_WALL_US + n->now_us};
}

/* --- events --- */

static void add(struct system_night *n, struct system_event e)
{
	if (!heap_push(&n->heap, &e)) {
		abort();
	}
}

void system_at(struct system_night *n, int64_t at_us, enum moment kind, uint32_t number, int64_t v, struct passing *p)
{
	if (p != NULL) {
		p->refs++;
	}
	add(n, (struct system_event){.head = {at_us > n->now_us ? at_us : n->now_us, n->seq++}, .kind = kind, .epoch = n->epoch, .n = number, .v = v, .p = p});
}

/* --- budgets --- */

static void watch_budgets(struct system_night *n)
{
	struct account_id id = {.kind = ACCOUNT_RUN};
	struct balance b;
	struct txn *t = NULL;

	if (n->engine == NULL || txn_begin(n->store, false, &t, NULL) != 0) {
		return;
	}
	for (size_t i = 0; i < n->plan->n_runs; i++) {
		int64_t most = n->plan->runs[i].budget_micro, spent;

		id.owner = n->run_ids[i];
		if (id.owner == 0 || most < 0 || !account_read(t, id, &b)) {
			continue;
		}
		spent = b.settled_micro + b.reserved_micro + b.in_doubt_micro;
		if (spent > most && spent > n->spent_before[i]) {
			violate(n->result, "run %u has committed %lld of a budget of %lld", id.owner, (long long)spent, (long long)most);
		}
		n->spent_before[i] = spent;
	}
	txn_abort(t);
}

/* --- turns --- */

static void turn_at(struct system_night *n, int64_t at_us)
{
	if (n->turn_armed == 0 || at_us < n->turn_at_us) {
		n->turn_at_us = at_us;
		n->turn_armed = ++n->turn_number;
		system_at(n, at_us, MOMENT_TURN, n->turn_armed, 0, NULL);
	}
}

void system_poke(struct system_night *n)
{
	bool now = engine_urgent(n->engine) || n->gathered_now >= engine_in_flight(n->engine);

	turn_at(n, now ? n->now_us : n->now_us + engine_config(n->engine)->turn_wait_us);
}

/* The earliest of what the engine wants to be woken for. */
static void arm(struct system_night *n)
{
	int64_t at_us = n->later_us;

	for (size_t i = 0; i < LANES; i++) {
		at_us = n->wake_us[i] < at_us ? n->wake_us[i] : at_us;
	}
	if (at_us != TIME_NEVER) {
		turn_at(n, n->now_us + (at_us - system_boot(n, n->now_us)));
	}
}

static void timers_off(struct system_night *n)
{
	int64_t now_us = system_boot(n, n->now_us);

	n->later_us = n->later_us <= now_us ? TIME_NEVER : n->later_us;
	for (size_t i = 0; i < LANES; i++) {
		n->wake_us[i] = n->wake_us[i] <= now_us ? TIME_NEVER : n->wake_us[i];
	}
}

static void turn(struct system_night *n)
{
	struct lead_error err = {.text = ""};
	int rc;

	n->turn_armed = 0;
	n->gathered_now = 0;
	timers_off(n);
	n->busy_until_us = n->now_us + 300 + (int64_t)(system_draw(n, 'f', n->seq) % 1700);
	rc = engine_turn(n->engine, system_now(n), &err);
	n->result->turns++;
	system_tell(n);
	watch_budgets(n);
	if (n->dying || rc == LEAD_EIO) {
		system_crash(n, 50 * US_PER_MS + (int64_t)(system_draw(n, 'a', n->epoch) % (2 * US_PER_S)));
		return;
	}
	if (rc < 0 && rc != LEAD_EFULL) {
		violate(n->result, "a turn failed: %s", err.text);
		n->done = true;
		return;
	}
	arm(n);
	if (rc == TURN_MORE) {
		turn_at(n, n->busy_until_us);
	} else if (rc == LEAD_EFULL) {
		turn_at(n, n->now_us + US_PER_S);
	} else if (engine_pending(n->engine)) {
		system_poke(n);
	}
	if (n->stopping && engine_in_flight(n->engine) == 0) {
		system_crash(n, US_PER_S);
	}
}

/* --- effects --- */

static void on_start(void *ctx, uint64_t call, const struct request *q)
{
	struct system_night *n = ctx;

	if (n->in_release > 0 && --n->in_release == 0) {
		n->dying = true;
		n->result->hits[KIND_CRASH_IN_RELEASE]++;
	}
	if (!n->dying) {
		system_start(n, call, q);
		system_crash_moment(n, KIND_CRASH_UNSENT);
	}
}

static void on_wake(void *ctx, size_t lane, int64_t boot_us)
{
	struct system_night *n = ctx;

	if (lane >= LANES) {
		abort();
	}
	n->wake_us[lane] = boot_us;
}

static void on_wake_later(void *ctx, int64_t boot_us)
{
	((struct system_night *)ctx)->later_us = boot_us;
}

static void on_read(void *ctx, uint32_t run, const char *upload, uint64_t offset, size_t max)
{
	struct system_night *n = ctx;

	(void)upload;
	(void)max;
	system_at(n, n->busy_until_us + 200, MOMENT_READ, run, (int64_t)offset, NULL);
}

static void on_changed(void *ctx, uint32_t run)
{
	(void)ctx;
	(void)run;
}

static void on_ended(void *ctx, uint32_t run)
{
	struct system_night *n = ctx;

	system_at(n, n->busy_until_us + 5 * US_PER_MS, MOMENT_WRITTEN, run, 0, NULL);
}

static void read_upload(struct system_night *n, uint32_t run, uint64_t offset)
{
	const struct buf *csv = &n->plan->csv;
	size_t left = offset < csv->len ? csv->len - (size_t)offset : 0, len = left < 1000 ? left : 1000;

	engine_import(n->engine, run, len > 0 ? csv->data + offset : NULL, len, NULL);
	system_poke(n);
}

static void on_written(void *ctx, struct command *c)
{
	struct system_night *n = ctx;

	if (c->rc != 0 && n->engine != NULL && !n->dying) {
		system_at(n, n->now_us + US_PER_S, MOMENT_WRITTEN, c->run, 0, NULL);
	}
}

static void tell_written(struct system_night *n, uint32_t run)
{
	struct command *c = calloc(1, sizeof(*c));

	c->kind = COMMAND_WRITTEN;
	c->run = run;
	c->done = on_written;
	c->ctx = n;
	engine_command(n->engine, c);
	system_poke(n);
}

/* --- life --- */

static void open_store(struct system_night *n)
{
	struct store_options o = {.dir = conf_store_dir(), .map_bytes = (size_t)256 << 20, .no_sync = true};
	struct lead_error err = {.text = ""};

	if (store_open(&o, &n->store, &err) != 0) {
		violate(n->result, "the store cannot be opened: %s", err.text);
		n->done = true;
	}
}

static void start(struct system_night *n)
{
	struct engine_options o = {.store = n->store,
	    .config = system_config(n->plan),
	    .effects = {on_start, on_wake, on_wake_later, on_read, on_changed, on_ended, NULL, n},
	    .boot_id = n->boot_id,
	    .seed = system_draw(n, 'e', n->epoch),
	    .now = system_now(n)};
	struct lead_error err = {.text = ""};
	int rc;

	n->turn_armed = 0;
	n->gathered_now = 0;
	n->busy_until_us = n->now_us;
	n->stopping = n->dying = false;
	n->later_us = TIME_NEVER;
	for (size_t i = 0; i < LANES; i++) {
		n->wake_us[i] = TIME_NEVER;
	}
	rc = engine_new(&o, &n->engine, &err);
	if (rc != 0) {
		n->engine = NULL;
		if (rc != LEAD_EIO && rc != LEAD_EFULL) {
			violate(n->result, "the engine does not start: %s", err.text);
			n->done = true;
		}
		system_at(n, n->now_us + US_PER_S, MOMENT_START, 0, 0, NULL);
		return;
	}
	turn_at(n, n->now_us);
}

/* Nothing of the process is left; the store is as the last commit made it. */
void system_crash(struct system_night *n, int64_t away_us)
{
	n->dying = true;
	system_tell(n);
	engine_free(n->engine);
	n->engine = NULL;
	n->epoch++;
	n->n_gathered = 0;
	n->crash_now = n->stopping = n->dying = false;
	n->crash_when = n->in_release = 0;
	hooks.commit = COMMIT_AS_IT_IS;
	if (n->epoch % 3 == 0) {
		store_close(n->store);
		open_store(n);
	}
	check_store(n->store, "after a crash", n->result);
	system_at(n, n->now_us + away_us, MOMENT_START, 0, 0, NULL);
}

/* --- the night --- */

static void dispatch(struct system_night *n, const struct system_event *e)
{
	switch (e->kind) {
	case MOMENT_TURN:
		if (e->n == n->turn_armed) {
			turn(n);
		}
		break;
	case MOMENT_READ:
		read_upload(n, e->n, (uint64_t)e->v);
		break;
	case MOMENT_WRITTEN:
		tell_written(n, e->n);
		break;
	case MOMENT_BACK:
		system_call_back(n, e->n);
		break;
	case MOMENT_START:
		start(n);
		break;
	case MOMENT_SAY:
		system_say(n, e->n);
		break;
	case MOMENT_FAULT:
	case MOMENT_FAULT_END:
		system_fault(n, e->n, e->kind == MOMENT_FAULT);
		break;
	case MOMENT_QUIET:
		system_quiet(n);
		break;
	default:
		system_moment(n, e);
		break;
	}
}

static void step(struct system_night *n)
{
	struct system_event e;
	bool process, alive;

	heap_pop(&n->heap, &e);
	process = e.kind < MOMENT_OF_PROCESS;
	alive = e.epoch == n->epoch && n->engine != NULL;
	if (process && alive && e.head.at_us < n->busy_until_us) {
		e.head.at_us = n->busy_until_us; /* it stands still, or writes */
		e.head.seq = n->seq++;
		add(n, e);
		return;
	}
	n->turns_here = e.head.at_us > n->now_us ? 0 : n->turns_here + 1;
	n->now_us = e.head.at_us > n->now_us ? e.head.at_us : n->now_us;
	if (!process || alive) {
		dispatch(n, &e);
	}
	system_unref(e.p);
	if (n->crash_now && n->engine != NULL) {
		system_crash(n, 50 * US_PER_MS + (int64_t)(system_draw(n, 'a', n->epoch) % (2 * US_PER_S)));
	}
}

static void run_events(struct system_night *n)
{
	while (!n->done) {
		if (n->heap.n == 0) {
			violate(n->result, "nothing moves any more, and the night is not over");
			return;
		}
		step(n);
		if (n->turns_here > TURNS_IN_PLACE) {
			violate(n->result, "time stands still at %.3f s", (double)n->now_us / 1e6);
			return;
		}
		if (n->now_us > n->plan->quiet_us + LONGEST_US) {
			violate(n->result, "not over %.0f h after the last fault", (double)LONGEST_US / 3600e6);
			return;
		}
		n->done = n->done || (n->quiet && n->engine != NULL && system_is_done(n));
	}
}

static void finish(struct system_night *n)
{
	n->dying = true;
	n->result->span_us = n->now_us;
	engine_free(n->engine);
	n->engine = NULL;
	hooks_reset();
	check_store(n->store, "at the end", n->result);
	system_check(&(struct system_input){n->plan, n->store, n->world, &n->calm, n->run_ids, n->approve_us}, n->result);
	n->result->hash = store_hash(n->store);
	for (size_t i = 0; i < n->heap.n; i++) {
		system_unref(((struct system_event *)heap_at(&n->heap, i))->p);
	}
	for (size_t i = 0; i < n->n_callbacks; i++) {
		free(n->callbacks[i].body);
	}
	for (size_t i = 0; i < n->n_wishes; i++) {
		free(n->wishes[i]);
	}
	free(n->callbacks);
	free(n->gathered);
	heap_fini(&n->heap);
	store_close(n->store);
	world_free(n->world);
}

void system_play(const struct system_plan *p, struct result *ret)
{
	struct system_night n = {.plan = p, .result = ret, .heap = {.size = sizeof(struct system_event)}};

	*ret = (struct result){0};
	hooks_reset();
	conf_clear_store();
	(void)snprintf(n.boot_id, sizeof(n.boot_id), "boot-0");
	open_store(&n);
	system_world(p, &n.calm);
	n.world = world_new(&n.calm);
	system_begin(&n);
	system_at(&n, 0, MOMENT_START, 0, 0, NULL);
	run_events(&n);
	finish(&n);
}
