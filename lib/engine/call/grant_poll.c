/* The call that asks for a job's result (job_poll.c): under its own limits, in the place and on the money of the call that began the job. */
#include "lib/engine/call/grant.h"

#include "lib/engine/call/call.h"
#include "lib/engine/call/grant_parts.h"
#include "lib/engine/call/job.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/call/schedule.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/view.h"
#include "lib/engine/state.h"

bool grant_part_params(struct engine *e, const struct call_part *p, struct view *view, struct params *ret)
{
	struct run *r = run_get(e, p->run);
	const struct stage *st = r != NULL ? run_stage(r, p->stage) : NULL;
	struct lead_error err;

	if (st == NULL || p->step >= st->n_steps) {
		return false;
	}
	view_open(e, e->txn, r, p->number, view);
	return params_eval(&st->steps[p->step], &view->source, &e->arena, ret, &err) == 0;
}

/* What a poll is rendered from: the parameters of the step that began the job, as far as they still are, and the job's name. */
static void poll_params(struct engine *e, const struct call *job, struct view *view, struct params *ret)
{
	if (!grant_part_params(e, &job->row.parts[0], view, ret)) {
		ret->n = 0;
	}
	ret->n = ret->n < 31 ? ret->n : 31;
	for (size_t i = 0; i < ret->n; i++) {
		if (ret->list[i].name_len == 3 && memcmp(ret->list[i].name, "job", 3) == 0) {
			ret->list[i] = ret->list[--ret->n];
		}
	}
	ret->list[ret->n++] = (struct fact_field){.name = "job", .name_len = 3, .value = value_text(job->job->row.id)};
}

/* The key that began the job, as long as it may be used. */
static struct call *poll_new(struct engine *e, const struct call *job, const struct service_call *poll, const struct verdict *v)
{
	struct lane *l = job->lane;
	bool same = job->key < l->def->n_keys && job->group == v->group && lane_key_earliest(l, job->key, e->now) <= e->now.boot_us;

	return engine_call_new(e, l, poll, v->group, same ? job->key : engine_call_key(e, l, v->group));
}

int grant_poll(struct engine *e, struct call *job, const struct service_call *poll, const struct verdict *v)
{
	const struct call_part *p = &job->row.parts[0];
	struct item i = {.run = p->run, .number = p->number, .stage = p->stage, .step = p->step};
	struct call *c = poll_new(e, job, poll, v);
	struct params params;
	struct lead_error err;
	struct view view;

	if (c == NULL) {
		return 0;
	}
	poll_params(e, job, &view, &params);
	c->row.polls = job->id;
	c->row.n_parts = 1;
	c->row.parts[0] = (struct call_part){.run = p->run, .number = p->number, .stage = p->stage, .step = p->step}; /* what it costs is reserved with the job */
	if (grant_render(e, c, &params, grant_key(e, &i, 0), &err) != 0 || !engine_call_place(e, c)) {
		engine_call_free(e, c);
		return 0;
	}
	c->lane->polls++;
	job->job->poll = c->id;
	return 1;
}
