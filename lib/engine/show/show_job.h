/* lib/engine/show/show_job.h: jobs, for those who look. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct call;
struct engine;
struct json_object;
struct txn;

/* NULL: that call has no job, or it is forgotten. */
struct json_object *job_object(struct engine *e, struct txn *t, uint64_t call);
/* What an open job waits for, in a sentence without its end. */
void job_text(struct engine *e, const struct call *c, char *out, size_t size);
/* `jobs` of a stage: how many are open; nothing where none is. */
void put_jobs(struct engine *e, struct json_object *o, uint32_t run, uint8_t stage);
