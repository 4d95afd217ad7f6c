/* lib/engine/call/job_parts.h: what the files of jobs (job.c, job_poll.c, job_callback.c, job_load.c) share and nobody else needs. */
#pragma once

#include "lib/base/heap.h"

struct answer;
struct call;
struct engine;
struct outcome;

/* In engine.alarms. */
struct alarm {
	struct heap_head head; /* seq: the call */
};

/* The call whose job is open; NULL: there is none. */
struct call *job_find(struct engine *e, uint64_t id);
/* A call found after a restart holds no place yet. */
void job_take_place(struct call *c);
/* It waits for its result from now on. */
void job_open(struct engine *e, struct call *c);
/* Sets its alarm: it is asked for, or given up. */
void job_alarm(struct engine *e, struct call *c);
/* The job of a batch: what its result, read as a whole before, says to each item. NULL: the same to all. In the turn's arena. */
struct answer *job_parts(struct engine *e, struct call *job, const struct answer *whole, const char *body, size_t len);
/* The result is there: o settles the call of the job. */
void job_result(struct engine *e, struct call *c, struct outcome *o);
/* Neither answer nor callback came: what the file says of late jobs, or the doubt that was there before. */
void job_late(struct engine *e, struct call *c);
/* body: the caller's, not const since keys are blotted out of it. False, and nothing is changed: it cannot be read, or says "not yet". */
bool job_called(struct engine *e, struct call *c, char *body, size_t len, bool *ret_pending);
