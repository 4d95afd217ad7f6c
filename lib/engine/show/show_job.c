/* Jobs as JSON and in words: what is at work, since when, when it is asked for. See show.h. Tokens are never shown. */
#include "lib/engine/show/show_job.h"

#include "lib/engine/call/call.h"
#include "lib/engine/call/job.h"
#include "lib/engine/show/show.h"
#include "lib/engine/show/show_put.h"
#include "lib/engine/state.h"
#include "lib/store/jobs.h"

#include <stdio.h>

/* The job as memory has it, else the store; false when that call has none. */
static bool find_row(struct engine *e, struct txn *t, uint64_t call, struct job_row *ret)
{
	struct call *live = NULL;

	HASH_FIND(hh, e->calls, &call, sizeof(call), live);
	if (live != NULL && live->job != NULL) {
		*ret = live->job->row;
		ret->due_us = live->job->asking ? e->now.boot_us : ret->due_us;
		return live->job->row.has_token || live->job->open;
	}
	return job_read(t, call, ret);
}

struct json_object *job_object(struct engine *e, struct txn *t, uint64_t call)
{
	struct json_object *o;
	struct job_row r;
	bool waits;

	if (!find_row(e, t, call, &r)) {
		return NULL;
	}
	waits = r.state == JOB_OPEN || r.state == JOB_DOUBT;
	o = json_object_new_object();
	put_word(o, "state", job_state_word(r.state));
	put_text(o, "id", r.id);
	put_wall(o, "since", r.since_wall_us);
	put_boot(o, "until", waits ? r.until_us : 0, e->now);
	put_boot(o, "next_poll", waits ? r.due_us : 0, e->now);
	put_int(o, "polls", r.polls);
	put_bool(o, "callback", r.has_token);
	put_int(o, "callbacks", r.callbacks);
	put_int(o, "idle_callbacks", r.idle_callbacks);
	put_text(o, "reason", r.reason);
	return o;
}

static void boot_text(const struct engine *e, int64_t boot_us, char out[32])
{
	time_write_local(e->now.wall_us + (boot_us - e->now.boot_us), out);
}

void job_text(struct engine *e, const struct call *c, char *out, size_t size)
{
	const struct job_row *r = &c->job->row;
	char since[32], until[32], next[32];

	time_write_local(r->since_wall_us, since);
	boot_text(e, r->until_us, until);
	boot_text(e, r->due_us, next);
	if (r->state == JOB_DOUBT) {
		(void)snprintf(out, size, "nobody knows since %s whether its call arrived (%s): until %s its callback may tell", since, r->reason, until);
	} else if (c->job->poll != 0 || c->job->asking || r->due_us == 0) {
		(void)snprintf(out, size, "its job%s%s is at work since %s%s, until %s at most", r->id[0] != 0 ? " " : "", r->id, since,
		    c->job->poll != 0	? ", is being asked for"
		    : c->job->asking	? ", waits to be asked for"
		    : r->has_token	? ", will be called back"
					: "",
		    until);
	} else {
		(void)snprintf(out, size, "its job %s is at work since %s, polled %u times, next at %s, until %s at most", r->id, since, r->polls, next,
		    until);
	}
}

void put_jobs(struct engine *e, struct json_object *o, uint32_t run, uint8_t stage)
{
	int64_t oldest = TIME_NEVER, next_us = TIME_NEVER;
	struct json_object *j;
	struct call *c, *next;
	struct call_part part;
	int64_t n = 0;

	if (e->n_jobs == 0) {
		return;
	}
	HASH_ITER(hh, e->calls, c, next) {
		if (c->job == NULL || !c->job->open || !call_has(&c->row, run, 0, &part) || part.stage != stage) {
			continue;
		}
		n++;
		oldest = c->job->row.since_wall_us < oldest ? c->job->row.since_wall_us : oldest;
		if (c->job->row.due_us != 0 && c->job->row.due_us < next_us) {
			next_us = c->job->row.due_us;
		}
	}
	if (n > 0) {
		j = json_object_new_object();
		put_int(j, "open", n);
		put_wall(j, "oldest", oldest);
		put_boot(j, "next_poll", next_us, e->now);
		json_object_object_add(o, "jobs", j);
	}
}
