/* What is called back: by its token to its job, once. See job.c. */

#include "lib/engine/call/job_parts.h"

#include "lib/engine/call/call.h"
#include "lib/engine/call/job.h"
#include "lib/engine/command.h"
#include "lib/engine/engine.h"
#include "lib/engine/state.h"
#include "lib/service/answer.h"
#include "lib/service/service.h"

#include <stdlib.h>

/* Not the first, or too late. */
static void call_in_vain(struct engine *e, struct command *cmd, struct job_row *r)
{
	r->callbacks++;
	r->idle_callbacks++;
	job_write(e->txn, r);
	cmd->count = 1;
	command_answer(e, cmd);
}

/* Before the answer of its call: is it one that can be read? Then it waits for that. */
static bool keep_early(struct engine *e, struct call *c, struct command *cmd)
{
	struct http_answer h = {.transport = TRANSPORT_ANSWERED, .status = 200, .body = cmd->body, .body_len = cmd->body_len};
	struct job_row *r = &c->job->row;
	struct answer a;

	if (answer_read_callback(c->def, c->call, &h, e->now, &e->arena, &a) != 0) {
		abort();
	}
	if (!a.readable) {
		return false;
	}
	cmd->count = a.outcome == OUTCOME_PENDING;
	r->called = r->called || a.outcome != OUTCOME_PENDING;
	if (a.outcome != OUTCOME_PENDING) {
		job_body_write(e->txn, c->id, (struct slice){(const uint8_t *)cmd->body, cmd->body_len});
	}
	return true;
}

void job_callback(struct engine *e, struct command *cmd)
{
	uint8_t token[JOB_TOKEN];
	struct call *c = NULL;
	struct job_row r;
	bool pending = false, read;
	uint64_t id;

	if (!job_token_parse(cmd->token, token) || !job_token_read(e->txn, token, &id) || !job_read(e->txn, id, &r)) {
		command_refuse(e, cmd, COMMAND_NOT_FOUND, "there is no such callback");
		return;
	}
	HASH_FIND(hh, e->calls, &id, sizeof(id), c);
	if (c == NULL || c->job == NULL || c->job->over || c->job->row.state == JOB_ENDED || (!c->job->open && c->job->row.called)) {
		call_in_vain(e, cmd, c != NULL && c->job != NULL ? &c->job->row : &r);
		return;
	}
	c->job->row.callbacks++;
	read = c->job->open ? job_called(e, c, cmd->body, cmd->body_len, &pending) : keep_early(e, c, cmd);
	if (!read && !pending) {
		c->job->row.callbacks--;
		command_refuse(e, cmd, LEAD_EINPUT, "the body cannot be read: it should be JSON");
		return;
	}
	cmd->count = pending ? 1 : cmd->count;
	if (!c->job->over) {
		job_write(e->txn, &c->job->row);
	}
	command_answer(e, cmd);
}
