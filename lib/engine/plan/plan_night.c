/*
 * One repetition: a blind engine, and around it what daemon/loop.c and the network would be.
 *
 *   start (effect) -> drawn: what, when -> engine_foretold -> turn -> … until the planned run has ended
 */
#include "lib/engine/plan/plan_night.h"

#include "lib/engine/call/call.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/clocks.h"
#include "lib/engine/engine.h"
#include "lib/engine/plan/tallies.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"

#include <stdio.h>

#define MORE_US US_PER_MS             /* until the next turn when there is more to do */
#define LONGEST_US (40 * US_PER_DAY)  /* nobody waits longer for a night */
#define FIRST_BIN_US (2 * US_PER_S)
#define READ_MAX (64 * 1024)
#define DRAWS 20                      /* until an item of a batch that went well has an answer */

/* --- effects --- */

static void poke(struct night *n, int64_t at_us)
{
	n->turn_us = at_us < n->turn_us ? at_us : n->turn_us;
}

static uint32_t possible_ends(const struct run *r, uint8_t stage)
{
	uint32_t ends = 0;

	for (int i = 0; i < TALLY_ENDS; i++) {
		ends |= foretell_possible(r, r->stage_of[stage], (enum tally_end)i) ? 1u << i : 0;
	}
	return ends;
}

static void count_call(struct night *n, const struct call *c, const struct run *r, const struct event *e)
{
	struct plan_service *svc = c->lane->index < PLAN_SERVICES ? &n->tale->services[c->lane->index] : NULL;
	int stage = r->stage_of[c->row.parts[0].stage];
	int64_t price = e->said.outcome == OUTCOME_UNSENT ? 0 : e->said.outcome == OUTCOME_IN_DOUBT ? call_reserved(&c->row) : e->said.price_micro;

	for (size_t i = 1; c->members != NULL && i < c->row.n_parts && e->said.outcome <= OUTCOME_PENDING; i++) {
		price += c->members[i].price_micro;
	}

	n->tale->calls++;
	if (r->id != n->run) {
		return;
	}
	if (svc != NULL) {
		svc->calls++;
		svc->cost_micro += price;
		svc->first_us = svc->first_us == 0 ? n->now.boot_us : svc->first_us;
		svc->last_us = n->now.boot_us;
	}
	n->tale->cost_micro += price;
	n->tale->cost_of[stage] += price;
	for (size_t i = 0; i < c->row.n_parts; i++) {
		const struct tally_key *place = c->members != NULL ? &c->members[i].tally->place : &c->tally->place;

		n->tale->entered[stage] += c->row.parts[0].step == 0 && !place->again && !place->lookup ? 1 : 0;
	}
	plan_bin_at(n, n->now.boot_us)->calls[stage]++;
}

static int64_t price_of(const struct night *n, const struct call *c, int64_t drawn)
{
	int64_t price = drawn;

	if (c->lane->index < PLAN_SERVICES && n->changes->price[c->lane->index] != 1) {
		price = (int64_t)((double)drawn * n->changes->price[c->lane->index]);
		price = price < c->call->price_micro ? price : c->call->price_micro;
	}
	return price;
}

/* The others of a batch: each with an answer of its own, where the call as such goes well. False: no odds. */
static bool draw_parts(struct night *n, struct call *c, const struct run *r)
{
	for (size_t i = 1; c->members != NULL && i < c->row.n_parts; i++) {
		struct call_member *m = &c->members[i];
		struct odds_place *place = m->tally != NULL ? odds_place(n->odds, &m->tally->place, c->call, possible_ends(r, c->row.parts[0].stage)) : NULL;
		struct foretold said = {.outcome = OUTCOME_N};
		int64_t took_us;

		for (int tries = 0; place != NULL && said.outcome > OUTCOME_PENDING && tries < DRAWS; tries++) {
			odds_draw(n->odds, place, &said, &took_us);
		}
		if (place == NULL) {
			return false;
		}
		m->said = said.outcome <= OUTCOME_PENDING ? said.outcome : OUTCOME_EMPTY;
		m->foretold = said.end;
		m->price_micro = price_of(n, c, said.price_micro);
	}
	return true;
}

static void on_start(void *ctx, uint64_t id, const struct request *q)
{
	struct night *n = ctx;
	struct odds_place *place;
	struct event e = {.call = id};
	struct call *c = NULL;
	struct run *r;
	int64_t took_us = 0;

	(void)q;
	HASH_FIND(hh, n->engine->calls, &id, sizeof(id), c);
	r = run_get(n->engine, c->row.parts[0].run);
	place = r != NULL && c->tally != NULL ? odds_place(n->odds, &c->tally->place, c->call, possible_ends(r, c->row.parts[0].stage)) : NULL;
	if (place == NULL || !draw_parts(n, c, r)) {
		n->failed = true;
		return;
	}
	odds_draw(n->odds, place, &e.said, &took_us);
	e.said.price_micro = price_of(n, c, e.said.price_micro);
	if (took_us > service_longest_us(c->call)) {
		took_us = service_longest_us(c->call);
	}
	e.head = (struct heap_head){.at_us = n->now.boot_us + took_us, .seq = n->seq++};
	if (e.said.outcome != OUTCOME_UNSENT) {
		engine_sent(n->engine, id, n->now.boot_us);
	}
	count_call(n, c, r, &e);
	n->failed = !heap_push(&n->heap, &e) || n->failed;
}

static void on_wake(void *ctx, size_t lane, int64_t boot_us)
{
	struct night *n = ctx;

	if (lane < PLAN_SERVICES) {
		n->wake_us[lane] = boot_us;
	}
}

static void on_wake_later(void *ctx, int64_t boot_us)
{
	((struct night *)ctx)->later_us = boot_us;
}

static void on_read_upload(void *ctx, uint32_t run, const char *upload, uint64_t offset, size_t max)
{
	struct night *n = ctx;
	char *bytes = malloc(READ_MAX);
	long len = bytes != NULL ? n->q->read(n->q->ctx, upload, offset, bytes, max < READ_MAX ? max : READ_MAX) : -1;

	engine_import(n->engine, run, len > 0 ? bytes : NULL, len > 0 ? (size_t)len : 0, len < 0 ? "the uploaded file cannot be read" : NULL);
	free(bytes);
	poke(n, n->now.boot_us + MORE_US);
}

static void on_run(void *ctx, uint32_t run)
{
	(void)ctx;
	(void)run;
}

/* --- the clock --- */

static void at(struct night *n, int64_t boot_us)
{
	n->now.boot_us = boot_us > n->now.boot_us ? boot_us : n->now.boot_us;
	n->now.wall_us = n->q->now.wall_us + (n->now.boot_us - n->q->now.boot_us);
}

static int turn(struct night *n)
{
	int rc;

	n->turn_us = TIME_NEVER;
	n->gathered = 0;
	rc = engine_turn(n->engine, n->now, n->err);
	if (rc < 0 || n->failed) {
		return rc < 0 ? rc : lead_fail(n->err, LEAD_ENOMEM, "out of memory");
	}
	if (rc == TURN_MORE) {
		poke(n, n->now.boot_us + MORE_US);
	}
	plan_watch_import(n);
	plan_watch(n, false);
	return 0;
}

/* Whose time comes next; TIME_NEVER: nobody's. */
static int64_t next_us(const struct night *n, size_t *ret_lane)
{
	int64_t first = n->turn_us < n->later_us ? n->turn_us : n->later_us;

	*ret_lane = SIZE_MAX;
	for (size_t i = 0; i < n->q->config->n_services; i++) {
		if (n->wake_us[i] < first) {
			first = n->wake_us[i];
			*ret_lane = i;
		}
	}
	return first;
}

static void take_answer(struct night *n)
{
	struct event e;

	heap_pop(&n->heap, &e);
	at(n, e.head.at_us);
	engine_foretold(n->engine, e.call, &e.said, n->now);
	n->gathered++;
	/* as in daemon/loop.c: at once when nothing else can come, else with what comes in a few milliseconds */
	poke(n, n->gathered >= engine_in_flight(n->engine) ? n->now.boot_us : n->now.boot_us + n->q->config->turn_wait_us);
}

static bool has_ended(const struct run *r)
{
	return (r->row.state == RUN_DONE || r->row.state == RUN_FAILED || r->row.state == RUN_CANCELLED) && !r->sweeping && r->in_flight_total == 0;
}

static uint64_t items_done(const struct run *r)
{
	uint64_t done = 0;

	for (size_t i = ITEM_OPEN + 1; i < ITEM_OUTCOMES; i++) {
		done += r->row.outcomes[i];
	}
	return done;
}

static int play(struct night *n)
{
	int64_t by_us = n->q->by_wall_us != 0 ? n->q->now.boot_us + (n->q->by_wall_us - n->q->now.wall_us) : TIME_NEVER;
	bool by_seen = false;
	int rc = 0;

	while (rc == 0 && !has_ended(run_get(n->engine, n->run))) {
		size_t lane;
		const struct heap_head *first = heap_top(&n->heap);
		int64_t timer = next_us(n, &lane), answer = first != NULL ? first->at_us : TIME_NEVER, next = timer < answer ? timer : answer;

		if (next == TIME_NEVER || next > n->q->now.boot_us + LONGEST_US) {
			plan_watch(n, true); /* what it is that never ends */
			break;
		}
		if (next >= by_us && !by_seen) {
			by_seen = true;
			n->tale->done_by = items_done(run_get(n->engine, n->run));
		}
		if (answer <= timer) {
			take_answer(n);
			continue;
		}
		at(n, timer);
		if (lane != SIZE_MAX) {
			n->wake_us[lane] = TIME_NEVER;
		}
		rc = turn(n);
	}
	n->tale->done_by = by_seen ? n->tale->done_by : items_done(run_get(n->engine, n->run));
	return rc;
}

/* --- beginning and end --- */

static void on_started(void *ctx, struct command *c)
{
	struct night *n = ctx;

	if (c->rc != 0) {
		n->failed = true;
		*n->err = c->err;
		n->err->code = c->rc < 0 ? (enum lead_err)c->rc : LEAD_EINPUT;
	} else if (c->kind == COMMAND_START) {
		n->run = (uint32_t)c->count;
	}
}

static int start(struct night *n)
{
	struct command *up = calloc(1, sizeof(*up)), *run = calloc(1, sizeof(*run));
	int rc;

	if (up == NULL || run == NULL) {
		free(up);
		free(run);
		return lead_fail(n->err, LEAD_ENOMEM, "out of memory");
	}
	up->kind = COMMAND_UPLOAD;
	run->kind = COMMAND_START;
	run->start = n->q->start;
	memset(&run->start.columns, 0, sizeof(run->start.columns));
	(void)snprintf(up->upload.id, sizeof(up->upload.id), "%s", n->q->start.upload);
	up->done = run->done = on_started;
	up->ctx = run->ctx = n;
	engine_command(n->engine, up);
	engine_command(n->engine, run);
	rc = engine_turn(n->engine, n->now, n->err);
	poke(n, n->now.boot_us);
	if (rc < 0 || n->failed) {
		return rc < 0 ? rc : (int)n->err->code;
	}
	return 0;
}

static void keep_run(struct night *n)
{
	const struct run *r = run_get(n->engine, n->run);

	if (has_ended(r)) {
		n->tale->end_us = n->q->now.boot_us + (r->row.ended_us - n->q->now.wall_us);
	}
	memcpy(n->tale->outcomes, r->row.outcomes, sizeof(n->tale->outcomes));
	n->tale->rows = r->row.rows;
	for (uint8_t s = 0; s < r->row.n_stages; s++) {
		if (r->stage_of[s] >= 0) {
			n->tale->stages[r->stage_of[s]] = r->row.stages[s].count;
		}
	}
}

/* The clock of the store's own machine: its stamps are ours. */
static void read_boot_id(struct store *s, char out[64])
{
	struct txn *t = NULL;

	(void)snprintf(out, 64, "plan");
	if (txn_begin(s, false, &t, NULL) == 0) {
		clocks_boot_id(t, out);
		txn_abort(t);
	}
}

int plan_night(const struct plan_request *q, const struct plan_changes *changes, struct store *store, struct odds *odds, uint64_t seed,
    struct plan_night *ret, struct lead_error *err)
{
	struct night n = {.heap = {.size = sizeof(struct event)}, .q = q, .changes = changes, .tale = ret, .odds = odds, .now = q->now, .turn_us = TIME_NEVER, .later_us = TIME_NEVER, .err = err};
	struct engine_options o = {.store = store,
	    .config = q->config,
	    .effects = {on_start, on_wake, on_wake_later, on_read_upload, on_run, on_run, NULL, &n},
	    .seed = seed,
	    .now = q->now,
	    .blind = true};
	char boot_id[64];
	int rc;

	*ret = (struct plan_night){.bin_us = FIRST_BIN_US};
	for (size_t i = 0; i < PLAN_SERVICES; i++) {
		n.wake_us[i] = TIME_NEVER;
	}
	n.sampled_us = q->now.boot_us;
	read_boot_id(store, boot_id);
	o.boot_id = boot_id;
	odds_shuffle(odds, seed);
	rc = engine_new(&o, &n.engine, err);
	if (rc == 0) {
		rc = start(&n);
	}
	if (rc == 0) {
		rc = play(&n);
	}
	if (rc == 0) {
		const struct run *r = run_get(n.engine, n.run);

		keep_run(&n);
		rc = r->row.state == RUN_FAILED ? lead_fail(err, LEAD_EINPUT, "%s", r->row.why) : 0;
	}
	engine_free(n.engine);
	heap_fini(&n.heap);
	return rc;
}
