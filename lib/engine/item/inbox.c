/*
 * Webhooks in: an event is appended and told; what it means is found out in later turns, when no sender waits.
 *
 *   COMMAND_INTAKE --> inbox_take: one row appended --> commit --> 202
 *   inbox_step, while nobody sends --> route_event (route.c): a lead, or why there is none
 *
 * Events are routed in the order in which they came, and the cursor is committed with what they made: each has its effect once,
 * whatever is killed when. One that makes nothing says why, and stays to be seen as long as the others.
 *
 * A run that an intake opened stays open while leads come: it has no end before its intake was idle for long enough.
 */
#include "lib/engine/item/inbox.h"

#include "lib/base/ids.h"
#include "lib/engine/command.h"
#include "lib/engine/config/config.h"
#include "lib/engine/engine.h"
#include "lib/engine/item/route.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"

#include <stdio.h>

#define SLICE 50                       /* events of a turn */
#define QUIET_US (30 * US_PER_MS)      /* senders wait for their answers first ... */
#define LAG_US (2 * US_PER_S)          /* ... but no event waits longer than this for them to pause */
#define PACE_US (20 * US_PER_MS)
#define EXPIRE_PACE_US (60 * US_PER_S)

/* --- totals --- */

static struct inbox_counts *counts_of(struct engine *e, const char *intake)
{
	struct inbox *b = &e->inbox;
	struct inbox_counts *more;

	for (size_t i = 0; i < b->n_counts; i++) {
		if (strcmp(b->counts[i].intake, intake) == 0) {
			return &b->counts[i];
		}
	}
	more = realloc(b->counts, (b->n_counts + 1) * sizeof(*more));
	if (more == NULL) {
		abort();
	}
	b->counts = more;
	(void)inbox_counts_read(e->txn, intake, &b->counts[b->n_counts]);
	return &b->counts[b->n_counts++];
}

static void write_counts(struct engine *e)
{
	for (size_t i = 0; e->inbox.counted && i < e->inbox.n_counts; i++) {
		inbox_counts_write(e->txn, &e->inbox.counts[i]);
	}
	e->inbox.counted = false;
}

/* --- in --- */

void inbox_take(struct engine *e, struct command *c)
{
	struct inbox *b = &e->inbox;
	struct inbox_event ev = {.body = {(const uint8_t *)c->body, c->body_len}};
	struct inbox_counts *n = counts_of(e, c->service);

	b->last = ids_next(b->last, e->now.wall_us);
	ev.id = b->last;
	(void)snprintf(ev.intake, sizeof(ev.intake), "%s", c->service);
	inbox_append(e->txn, &ev);
	n->received++;
	n->last_us = e->now.wall_us;
	b->counted = true;
	b->first_us = b->waiting == 0 ? e->now.boot_us : b->first_us;
	b->arrived_us = e->now.boot_us;
	b->waiting++;
	c->message = ev.id;
	command_answer(e, c);
}

/* --- when --- */

/* Not while senders wait for their answers, unless they never pause. */
static int64_t route_at(const struct inbox *b)
{
	int64_t quiet_us = b->arrived_us + QUIET_US, lag_us = b->first_us + LAG_US;

	return quiet_us < lag_us ? quiet_us : lag_us;
}

static void route_slice(struct engine *e)
{
	struct inbox *b = &e->inbox;
	struct inbox_event ev;
	struct inbox_row row;
	unsigned n = 0;

	while (n < SLICE && txn_error(e->txn) == 0 && inbox_next(e->txn, b->routed, &ev)) {
		b->routed = ev.id;
		route_event(e, &ev, &row);
		inbox_row_write(e->txn, &row);
		counts_of(e, ev.intake)->states[row.state]++;
		b->counted = true;
		arena_reset(&e->arena); /* nothing of this event is needed any more */
		n++;
	}
	b->waiting -= n < b->waiting ? n : b->waiting;
	b->waiting = n < SLICE ? 0 : b->waiting;
	if (n > 0) {
		inbox_cursor_write(e->txn, b->routed);
	}
	e->more = e->more || b->waiting > 0;
}

static int64_t idle_of(const struct engine *e, const struct run *r)
{
	const struct intake *in = config_intake(e->config, r->row.intake);

	return in != NULL ? in->idle_us : US_PER_DAY;
}

static void close_idle(struct engine *e)
{
	struct run *r, *next;

	if (e->now.boot_us < e->inbox.idle_us) {
		return;
	}
	e->inbox.idle_us = TIME_NEVER;
	HASH_ITER(hh, e->runs, r, next) {
		int64_t left_us = r->row.open_us + idle_of(e, r) - e->now.wall_us;

		if (!r->row.open) {
			continue;
		}
		if (left_us <= 0 || !intake_run_takes(r)) {
			r->row.open = false;
			run_touch(r);
			run_check_end(e, r);
		} else if (e->now.boot_us + left_us < e->inbox.idle_us) {
			e->inbox.idle_us = e->now.boot_us + left_us;
		}
	}
}

static void expire(struct engine *e)
{
	int64_t keep_us = e->config->inbox_keep_us, wait_us;
	uint64_t oldest;

	if (e->now.boot_us < e->inbox.expire_us) {
		return;
	}
	if (inbox_expire(e->txn, ids_next(0, e->now.wall_us - keep_us), SLICE) == SLICE) {
		e->more = true;
		return;
	}
	oldest = inbox_oldest(e->txn);
	wait_us = oldest != 0 ? ids_wall_us(oldest) + keep_us - e->now.wall_us : keep_us;
	e->inbox.expire_us = e->now.boot_us + (wait_us > EXPIRE_PACE_US ? wait_us : EXPIRE_PACE_US);
}

void inbox_step(struct engine *e)
{
	struct inbox *b = &e->inbox;

	b->due_us = TIME_NEVER;
	if (b->waiting > 0 && !e->draining) {
		b->due_us = route_at(b);
		if (e->now.boot_us >= b->due_us) {
			route_slice(e);
			b->first_us = e->now.boot_us - LAG_US + PACE_US; /* where senders never pause: slice after slice, with room between */
		}
	}
	close_idle(e);
	expire(e);
	write_counts(e);
	b->due_us = b->idle_us < b->due_us ? b->idle_us : b->due_us;
	b->due_us = b->expire_us < b->due_us ? b->expire_us : b->due_us;
}

void inbox_load(struct engine *e)
{
	struct inbox *b = &e->inbox;
	uint64_t last = inbox_last(e->txn);

	b->routed = inbox_cursor(e->txn);
	b->waiting = inbox_waiting(e->txn);
	b->last = last > b->routed ? last : b->routed;
	b->idle_us = b->expire_us = 0;
	b->arrived_us = b->first_us = 0;
	b->n_counts = 0;
	b->counted = false;
}

void inbox_reload(struct engine *e)
{
	e->inbox.idle_us = e->inbox.expire_us = 0;
}

void inbox_free(struct engine *e)
{
	free(e->inbox.counts);
}
