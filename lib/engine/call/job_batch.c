/*
 * The job of a batch (batch.h): one for all its items, and its result has an element for each. The keys by which they are found are
 * those of the grant; after a restart they are made anew, from what the request was made of: nothing of an item changes while it is
 * in flight.
 */
#include "lib/engine/call/job_parts.h"

#include "lib/engine/call/call.h"
#include "lib/engine/call/grant_parts.h"
#include "lib/engine/stage/view.h"
#include "lib/engine/state.h"
#include "lib/service/service.h"

#include <stdlib.h>

/* Without a key, when the run's stages are others now, an item is not found in the answer. */
static void make_key(struct engine *e, const struct call *c, const struct call_part *p, struct batch_key *ret)
{
	struct params params;
	struct expr_source source;
	struct lead_error err;
	struct view view;
	struct buf json = {0};
	bool made = grant_part_params(e, p, &view, &params);

	if (made) {
		source = params_source(&params);
		made = batch_item(c->def, c->call, &source, &e->arena, &json, ret, &err) == 0;
	}
	if (!made) {
		*ret = (struct batch_key){{NULL}};
	}
	buf_free(&json);
}

static struct batch_key *keys_again(struct engine *e, const struct call *c)
{
	struct batch_key *keys = arena_alloc(&e->arena, c->row.n_parts * sizeof(*keys));
	struct call_part p;

	for (struct part_walk w = call_parts(&c->row); keys != NULL && part_next(&w, &p);) {
		make_key(e, c, &p, &keys[w.i - 1]);
	}
	return keys;
}

struct answer *job_parts(struct engine *e, struct call *job, const struct answer *whole, const char *body, size_t len)
{
	struct http_answer h = {.transport = TRANSPORT_ANSWERED, .status = 200, .body = body, .body_len = len};
	struct answer *parts;
	struct batch_key *keys;

	if (job->row.kind != CALL_BATCH) {
		return NULL;
	}
	keys = job->keys != NULL ? job->keys : keys_again(e, job);
	parts = arena_alloc(&e->arena, job->row.n_parts * sizeof(*parts));
	if (keys == NULL || parts == NULL || batch_answers(job->call, &h, whole, keys, job->row.n_parts, &e->arena, parts) != 0) {
		abort(); /* out of memory: the restart finds the job open */
	}
	return parts;
}
