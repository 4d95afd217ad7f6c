/*
 * A real night: the engine, the world of leadsim in the same process, and a network of little
 * delay between them, on a virtual clock.
 *
 *   start (effect) -> arrives: the world answers -> the answer is back -> turn
 */
#include "tests/sim/plans_night.h"

#include "lib/base/heap.h"
#include "lib/engine/engine.h"
#include "lib/engine/show/show.h"
#include "lib/sim/scenario.h"
#include "lib/store/account.h"
#include "tests/sim/parcel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIRE_US 1500
#define LANES 16

enum moment { MOMENT_ARRIVE, MOMENT_END };

struct event {
	uint64_t call;
	enum moment kind;
	struct parcel parcel;
	int64_t sent_us;
};

struct moment_at {
	struct heap_head head;
	struct event *event;
};

struct night {
	struct store *store;
	struct engine *engine;
	struct world *world;
	const struct buf *csv;
	struct now now, from;
	struct heap heap; /* of moments */
	size_t gathered;
	uint64_t seq;
	int64_t turn_us, later_us, wake_us[LANES];
	uint32_t run;
	bool ended;
};

/* Takes e. */
static void push(struct night *n, struct event *e, int64_t at_us)
{
	struct moment_at m = {.head = {.at_us = at_us, .seq = n->seq++}, .event = e};

	if (!heap_push(&n->heap, &m)) {
		die("the night", "is out of memory");
	}
}

static void poke(struct night *n, int64_t at_us)
{
	n->turn_us = at_us < n->turn_us ? at_us : n->turn_us;
}

static void on_start(void *ctx, uint64_t call, const struct request *q)
{
	struct night *n = ctx;
	struct event *e = calloc(1, sizeof(*e));

	e->call = call;
	parcel_pack(&e->parcel, q);
	e->parcel.request.host = e->parcel.host;
	e->sent_us = n->now.boot_us + WIRE_US;
	push(n, e, e->sent_us + WIRE_US);
}

static void on_wake(void *ctx, size_t lane, int64_t boot_us)
{
	((struct night *)ctx)->wake_us[lane] = boot_us;
}

static void on_wake_later(void *ctx, int64_t boot_us)
{
	((struct night *)ctx)->later_us = boot_us;
}

static void on_read(void *ctx, uint32_t run, const char *upload, uint64_t offset, size_t max)
{
	struct night *n = ctx;
	size_t left = offset < n->csv->len ? n->csv->len - (size_t)offset : 0;
	size_t len = left < max ? left : max;

	(void)upload;
	engine_import(n->engine, run, len > 0 ? n->csv->data + offset : NULL, len, NULL);
	poke(n, n->now.boot_us + US_PER_MS);
}

static void on_changed(void *ctx, uint32_t run)
{
	(void)ctx;
	(void)run;
}

static void on_ended(void *ctx, uint32_t run)
{
	struct night *n = ctx;

	n->ended = n->ended || run == n->run;
}

static void arrive(struct night *n, struct event *e)
{
	struct world_plan p;

	engine_sent(n->engine, e->call, e->sent_us);
	world_handle(n->world, &e->parcel.request, n->now, &p);
	if (p.end != WORLD_ANSWER) {
		die("the everyday world", "does not answer");
	}
	parcel_answer(&e->parcel, &p);
	e->kind = MOMENT_END;
	push(n, e, n->now.boot_us + p.delay_us + WIRE_US);
}

static void end(struct night *n, struct event *e)
{
	struct http_answer h = {.transport = TRANSPORT_ANSWERED, .sent_us = e->sent_us, .first_byte_us = n->now.boot_us, .end_us = n->now.boot_us};

	parcel_open(&e->parcel, &h);
	engine_first_byte(n->engine, e->call, n->now.boot_us);
	engine_answered(n->engine, e->call, &h, (char *)(uintptr_t)h.body, n->now);
	world_delivered(n->world, e->parcel.token, n->now);
	n->gathered++;
	poke(n, n->gathered >= engine_in_flight(n->engine)
		    ? n->now.boot_us
		    : n->now.boot_us + engine_config(n->engine)->turn_wait_us);
	parcel_fini(&e->parcel);
	free(e);
}

static void turn(struct night *n)
{
	struct lead_error err;
	int rc;

	n->turn_us = TIME_NEVER;
	n->gathered = 0;
	rc = engine_turn(n->engine, n->now, &err);
	if (rc < 0) {
		die("a turn failed", err.text);
	}
	if (rc == TURN_MORE) {
		poke(n, n->now.boot_us + US_PER_MS);
	}
}

static void on_started(void *ctx, struct command *c)
{
	struct night *n = ctx;

	if (c->rc != 0) {
		die("the run is refused", c->err.text);
	}
	n->run = c->kind == COMMAND_START ? (uint32_t)c->count : n->run;
}

static void send(struct night *n, enum command_kind kind)
{
	struct command *c = calloc(1, sizeof(*c));

	c->kind = kind;
	c->run = n->run;
	c->done = on_started;
	c->ctx = n;
	(void)snprintf(c->upload.id, sizeof(c->upload.id), "upload");
	c->start =
	    (struct run_row){.budget_micro = -1, .share = 1, .priority = 100, .encoding = 255};
	(void)snprintf(c->start.campaign, sizeof(c->start.campaign), "north");
	(void)snprintf(c->start.upload, sizeof(c->start.upload), "upload");
	engine_command(n->engine, c);
}

static void step(struct night *n)
{
	int64_t timer = n->turn_us < n->later_us ? n->turn_us : n->later_us;
	const struct heap_head *first = heap_top(&n->heap);
	int64_t *lane = NULL;

	for (size_t i = 0; i < LANES; i++) {
		if (n->wake_us[i] < timer) {
			lane = &n->wake_us[i];
			timer = *lane;
		}
	}
	if (first != NULL && first->at_us <= timer) {
		struct moment_at m;
		struct event *e;

		heap_pop(&n->heap, &m);
		e = m.event;
		n->now.boot_us = m.head.at_us > n->now.boot_us ? m.head.at_us : n->now.boot_us;
		n->now.wall_us = n->from.wall_us + (n->now.boot_us - n->from.boot_us);
		(e->kind == MOMENT_ARRIVE ? arrive : end)(n, e);
		return;
	}
	if (timer == TIME_NEVER) {
		die("a night", "nothing moves any more");
	}
	n->now.boot_us = timer > n->now.boot_us ? timer : n->now.boot_us;
	n->now.wall_us = n->from.wall_us + (n->now.boot_us - n->from.boot_us);
	if (lane != NULL) {
		*lane = TIME_NEVER;
	}
	turn(n);
}

struct came real_night(struct store *store, struct config *config, const struct buf *csv,
    uint64_t seed, struct now from)
{
	struct night n = {.heap = {.size = sizeof(struct moment_at)},
	    .store = store,
	    .csv = csv,
	    .now = from,
	    .from = from,
	    .turn_us = from.boot_us,
	    .later_us = TIME_NEVER};
	struct engine_options o = {.store = store,
	    .config = config,
	    .effects = {on_start, on_wake, on_wake_later, on_read, on_changed, on_ended, NULL, &n},
	    .boot_id = "boot",
	    .seed = seed,
	    .now = from};
	struct account_id account = {.kind = ACCOUNT_RUN};
	struct scenario scenario;
	struct lead_error err;
	struct balance balance;
	struct came came;
	struct txn *t = NULL;

	scenario_default(&scenario);
	scenario.seed = seed;
	n.world = world_new(&scenario);
	for (size_t i = 0; i < LANES; i++) {
		n.wake_us[i] = TIME_NEVER;
	}
	if (n.world == NULL || engine_new(&o, &n.engine, &err) != 0) {
		die("the engine", "does not start");
	}
	send(&n, COMMAND_UPLOAD);
	send(&n, COMMAND_START);
	while (!n.ended) {
		step(&n);
	}
	came.took_s = (double)(show_run_row(n.engine, n.run)->ended_us - from.wall_us) / 1e6;
	came.now = n.now;
	account.owner = n.run;
	if (txn_begin(store, false, &t, &err) != 0) {
		die("the store", err.text);
	}
	(void)account_read(t, account, &balance);
	txn_abort(t);
	came.cost = (double)(balance.settled_micro + balance.in_doubt_micro) / 1e6;
	send(&n, COMMAND_WRITTEN);
	turn(&n);
	engine_free(n.engine);
	world_free(n.world);
	heap_fini(&n.heap);
	return came;
}
