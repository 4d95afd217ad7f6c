/* lib/engine/call/job.h: what comes behind an answer: a result that is asked for, or called back. */
#pragma once

#include "lib/base/time.h"
#include "lib/store/jobs.h"

struct answer;
struct call;
struct command;
struct engine;
struct http_answer;
struct outcome;

/* The job of a call: job.c. */
struct job {
	struct job_row row;                  /* stamps of this boot */
	uint64_t poll;                       /* the call that asks for it now; 0: none */
	int64_t alarm_us;                    /* it stands in engine.alarms for then; what else stands there of it is stale */
	bool open;                           /* it holds its call open behind the answer */
	bool placed;                         /* it is one of its lane's jobs */
	bool asking;                         /* it stands in its lane's list */
	bool over;                           /* ended in this turn */
	bool told;                           /* replay: what came was its result, whatever it looks like */
};

/* How the result of a job came, kept with it for replay; no header of a real answer has that name. */
#define JOB_HEADER ":job"
#define JOB_BY_POLL "poll"
#define JOB_BY_CALLBACK "callback"
#define JOB_LATE "late"
/* At the grant. False: no memory. */
bool job_new(struct engine *e, struct call *c);
const char *job_callback_url(struct engine *e, const struct call *c); /* NULL: none; in the turn's arena */
void job_submit(struct engine *e, const struct call *c); /* with call_open */
/* Is that answer only the beginning? Then its place is kept (job_place). */
bool job_begins(const struct call *c, const struct answer *a);
void job_place(struct call *c);
/* The same in the turn: true, and the call stays open or has ended with its job already. */
bool job_take(struct engine *e, struct outcome *o);
/* Its call is settled without one. */
void job_close(struct engine *e, struct call *c);
/* An answer that replay brings may be a job's result. */
int job_answer_read(struct outcome *o, const struct http_answer *h, struct now now);
void job_polled(struct engine *e, struct outcome *o);
void job_callback(struct engine *e, struct command *c);
/* Jobs that are late, polls that are due. */
void jobs_step(struct engine *e);
int64_t jobs_next_us(const struct engine *e);
void jobs_release(struct engine *e);
/* Found open in the store at a start; true: nothing is in doubt, or may yet be told. */
bool job_adopt(struct engine *e, struct call *c);
/* Memory as the store has it: before, and for each open call. */
void jobs_unload(struct engine *e);
void job_reload(struct engine *e, struct call *c);
void jobs_free(struct engine *e);
void jobs_tidy(struct engine *e);
/* The call whose job holds the item; NULL: none does. */
struct call *job_of_item(struct engine *e, uint32_t run, uint32_t number);
