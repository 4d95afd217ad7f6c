/* Jobs at the end of a turn, at a start and a restart, and a week after their end. See job.c. */

#include "lib/engine/call/job_parts.h"

#include "lib/base/ids.h"
#include "lib/engine/call/call.h"
#include "lib/engine/call/job.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/clocks.h"
#include "lib/engine/state.h"

#include <stdlib.h>

#define KEEP_US (7 * US_PER_DAY)    /* ended jobs: a late or second callback is known as one so long */
#define LOOK_US (600 * US_PER_S)    /* between two looks at the oldest */
#define SLICE 200

void jobs_release(struct engine *e)
{
	while (e->over != NULL) {
		struct call *c = e->over;

		e->over = c->next_over;
		if (c->job->placed) {
			c->lane->jobs--;
			engine_call_leave(c);
			e->more = true; /* somebody may have waited for it */
		}
		HASH_DEL(e->calls, c);
		engine_call_free(e, c);
	}
}

/* Stamps of another boot become this one's. */
static void this_boot(struct engine *e, struct job_row *r)
{
	int64_t shift_us = e->now.boot_us - clocks_age_us(e, r->boot, r->since_us, r->since_wall_us) - r->since_us;

	r->since_us += shift_us;
	r->until_us += r->until_us != 0 ? shift_us : 0;
	r->due_us += r->due_us != 0 ? shift_us : 0;
	r->boot = e->boot;
}

static bool is_open(const struct job_row *r)
{
	return r->state == JOB_OPEN || r->state == JOB_DOUBT;
}

bool job_adopt(struct engine *e, struct call *c)
{
	struct job_row row;

	if (e->blind || c->call == NULL || c->call->job == NULL || (c->row.kind == CALL_BATCH && c->call->batch == NULL)) {
		return false;
	}
	c->job = calloc(1, sizeof(*c->job));
	if (c->job == NULL) {
		abort();
	}
	c->job->row.call = c->id;
	if (!job_read(e->txn, c->id, &row)) {
		return false;
	}
	c->job->row = row;
	if (!is_open(&row)) {
		return false;
	}
	this_boot(e, &c->job->row);
	c->row.sent_us = c->row.sent_us != 0 ? c->row.sent_us : c->row.granted_us;
	c->ended = true;
	job_take_place(c);
	job_open(e, c);
	return true;
}

void jobs_unload(struct engine *e)
{
	e->alarms.n = 0;
	e->alarms.size = sizeof(struct alarm);
	e->n_jobs = 0;
	e->over = NULL;
	e->jobs_us = 0;
	for (size_t i = 0; i < e->n_lanes; i++) {
		e->lanes[i]->n_due = 0;
		e->lanes[i]->poll_us = TIME_NEVER;
	}
}

void job_reload(struct engine *e, struct call *c)
{
	struct job_row row;
	struct call *of = NULL;

	if (c->row.polls != 0) {
		HASH_FIND(hh, e->calls, &c->row.polls, sizeof(c->row.polls), of);
		if (of != NULL && of->job != NULL) {
			of->job->poll = c->id;
		}
		return;
	}
	if (c->job == NULL) {
		return;
	}
	c->job->open = c->job->asking = c->job->over = false;
	c->job->poll = 0;
	c->job->alarm_us = 0;
	if (job_read(e->txn, c->id, &row)) {
		c->job->row = row;
		this_boot(e, &c->job->row);
		if (is_open(&row)) {
			job_open(e, c);
		}
	}
}

void jobs_free(struct engine *e)
{
	heap_fini(&e->alarms);
}

/* By the clock that ran meanwhile: a call's id holds what the wall clock said. */
static bool is_old(void *arg, const struct job_row *r)
{
	return clocks_age_us(arg, r->boot, r->since_us, r->since_wall_us) >= KEEP_US;
}

void jobs_tidy(struct engine *e)
{
	if (e->now.boot_us < e->jobs_us) {
		return;
	}
	if (jobs_expire(e->txn, ids_next(0, e->now.wall_us - KEEP_US), is_old, e, SLICE) == SLICE) {
		e->more = true;
		return;
	}
	e->jobs_us = e->now.boot_us + LOOK_US;
}

struct call *job_of_item(struct engine *e, uint32_t run, uint32_t number)
{
	struct call *c, *next;

	HASH_ITER(hh, e->calls, c, next) {
		if (c->row.polls == 0 && call_has(&c->row, run, number, NULL)) {
			return c->job != NULL && c->job->open ? c : NULL;
		}
	}
	return NULL;
}
