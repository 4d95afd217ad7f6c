/* Why something waits: what gate_call says about its place in the queue, in JSON. See show.h. */
#include "lib/engine/show/show.h"

#include "lib/engine/call/call.h"
#include "lib/engine/call/job.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/call/schedule.h"
#include "lib/engine/plan/place.h"
#include "lib/engine/run/approve.h"
#include "lib/engine/run/run.h"
#include "lib/engine/show/show_job.h"
#include "lib/engine/show/show_put.h"
#include "lib/engine/state.h"

#include <stdio.h>

struct why_arg {
	struct json_object *list;
	struct now now;
	char binding[200];
	int64_t latest;
};

static void on_condition(void *arg, enum condition c, int64_t earliest_us, const char *text)
{
	struct why_arg *a = arg;
	struct json_object *o = json_object_new_object();

	put_word(o, "condition", condition_word(c));
	put_bool(o, "ok", earliest_us <= a->now.boot_us);
	put_word(o, "text", text);
	put_boot(o, "earliest", earliest_us <= a->now.boot_us ? 0 : earliest_us, a->now);
	json_object_array_add(a->list, o);
	if (earliest_us > a->now.boot_us && earliest_us > a->latest) {
		a->latest = earliest_us;
		(void)snprintf(a->binding, sizeof(a->binding), "%s", text);
	}
}

static struct json_object *binding_object(const struct verdict *v, const struct why_arg *a)
{
	struct json_object *o = json_object_new_object();

	put_word(o, "condition", condition_word(v->binding));
	put_word(o, "text", v->binding == COND_NONE ? "its turn comes next" : a->binding);
	put_boot(o, "earliest", v->earliest_us, a->now);
	return o;
}

static struct verdict ask(struct engine *e, struct run *r, struct slot *s, struct why_arg *a, struct now now)
{
	*a = (struct why_arg){.list = json_object_new_array(), .now = now};
	e->now = now;
	return gate_call(e, r, s, on_condition, a);
}

static void put_simple(struct json_object *o, const char *condition, const char *text, int64_t earliest_wall_us)
{
	struct json_object *b = json_object_new_object();

	put_word(b, "condition", condition);
	put_word(b, "text", text);
	put_wall(b, "earliest", earliest_wall_us);
	json_object_object_add(o, "binding", b);
	put_wall(o, "earliest", earliest_wall_us);
	json_object_object_add(o, "conditions", json_object_new_array());
}

struct position {
	uint32_t number;
	uint64_t before;
};

static bool on_ahead(void *arg, struct slice key, struct slice value)
{
	struct position *p = arg;

	(void)value;
	if (key_get_u32(key.data + key.len - 4) >= p->number || p->before == 100000) {
		return false;
	}
	p->before++;
	return true;
}

/* How many of its run stand before it in this service's queue: nearer stages, and lower numbers of its own slot. */
static uint64_t position_of(struct txn *t, struct run *r, struct slot *s, const struct item *i, uint64_t *ret_slot)
{
	struct position p = {.number = i->number};
	struct key prefix = key_u8(key_u32(key_u16(key_of(), s->lane->number), r->id), s->rank);

	txn_walk(t, TABLE_READY, prefix, prefix, on_ahead, &p);
	*ret_slot = p.before;
	for (size_t k = 0; k < r->n_slots; k++) {
		if (r->slots[k].lane == s->lane && r->slots[k].rank < s->rank) {
			p.before += r->slots[k].queued;
		}
	}
	return p.before;
}

static void why_queued(struct engine *e, struct txn *t, struct json_object *o, struct run *r, const struct item *i, struct now now)
{
	struct slot *s = run_slot(r, i->rank);
	struct why_arg a;
	struct verdict v;
	uint64_t place, in_slot = 0;

	if (s == NULL) {
		put_simple(o, "pipeline", "its stage is gone from the configuration", 0);
		return;
	}
	v = ask(e, r, s, &a, now);
	json_object_object_add(o, "binding", binding_object(&v, &a));
	place = position_of(t, r, s, i, &in_slot);
	put_int(o, "position", (int64_t)place);
	put_boot(o, "earliest", place_earliest(e, s, in_slot), now);
	json_object_object_add(o, "conditions", a.list);
}

struct json_object *why_lead(struct engine *e, struct txn *t, uint32_t run, uint32_t number, struct now now)
{
	struct run *r = run_get(e, run);
	struct json_object *o;
	char subject[48], text[600];
	struct call *job;
	struct item i;

	if (r == NULL || !item_read(t, run, number, &i)) {
		return NULL;
	}
	o = json_object_new_object();
	(void)snprintf(subject, sizeof(subject), "lead %u/%u", run, number);
	put_word(o, "subject", subject);
	put_text(o, "stage", i.stage < r->row.n_stages ? r->row.stages[i.stage].name : "intake");
	put_word(o, "state", item_status_word(i.status));
	if (i.status == ITEM_DONE) {
		(void)snprintf(text, sizeof(text), "%s%s%s", item_outcome_word(i.outcome), i.reason[0] != 0 ? ": " : "", i.reason);
		put_simple(o, "done", text, 0);
	} else if (i.status == ITEM_HELD) {
		(void)snprintf(text, sizeof(text), "held for a person: %s", i.reason);
		put_simple(o, "held", text, 0);
	} else if (i.status == ITEM_RETRYING) {
		(void)snprintf(text, sizeof(text), "retry after %u failures in a row (%s)", i.failures, outcome_word((enum outcome_class)i.failure_class));
		put_simple(o, "retry", text, now.wall_us + (i.due_us - now.boot_us));
	} else if (!queue_has(t, &i)) {
		put_word(o, "state", "in-flight");
		job = job_of_item(e, run, number);
		e->now = now;
		if (job != NULL) {
			job_text(e, job, text, sizeof(text));
			put_simple(o, "job", text, job->job->row.due_us != 0 ? now.wall_us + (job->job->row.due_us - now.boot_us) : 0);
		} else {
			put_simple(o, "in-flight", "its call is under way", 0);
		}
	} else {
		why_queued(e, t, o, r, &i, now);
	}
	return o;
}

static void add_waiting(struct json_object *list, int64_t count, const char *condition, const char *text, int64_t earliest_us, struct now now)
{
	struct json_object *w = json_object_new_object();

	put_int(w, "count", count);
	put_word(w, "condition", condition);
	put_word(w, "text", text);
	put_boot(w, "earliest", earliest_us, now);
	json_object_array_add(list, w);
}

static void run_slots(struct engine *e, struct json_object *list, struct run *r, const struct lane *only, struct now now)
{
	for (size_t k = 0; k < r->n_slots; k++) {
		struct slot *s = &r->slots[k];
		struct why_arg a;
		struct verdict v;
		char text[260];

		if (s->queued == 0 || (only != NULL && s->lane != only)) {
			continue;
		}
		v = ask(e, r, s, &a, now);
		json_object_put(a.list);
		(void)snprintf(text, sizeof(text), "%s: %s", r->row.stages[s->stage].name, v.binding == COND_NONE ? "about to be called" : a.binding);
		add_waiting(list, s->queued, condition_word(v.binding), text, place_earliest(e, s, 0), now);
	}
}

static int64_t jobs_of_stage(struct engine *e, uint32_t run, uint8_t stage)
{
	struct call *c, *next;
	struct call_part p;
	int64_t n = 0;

	if (e->n_jobs > 0) {
		HASH_ITER(hh, e->calls, c, next) {
			n += c->job != NULL && c->job->open && call_has(&c->row, run, 0, &p) && p.stage == stage;
		}
	}
	return n;
}

struct json_object *why_run(struct engine *e, struct txn *t, uint32_t run, struct now now)
{
	struct run *r = run_get(e, run);
	struct json_object *o, *list;
	struct item root;
	char subject[32];

	if (r == NULL) {
		return NULL;
	}
	o = json_object_new_object();
	list = json_object_new_array();
	(void)snprintf(subject, sizeof(subject), "run %u", run);
	put_word(o, "subject", subject);
	e->now = now;
	put_word(o, "state", approve_run_word(e, r));
	run_slots(e, list, r, NULL, now);
	for (uint8_t s = 0; s < r->row.n_stages; s++) {
		const struct stage_count *c = &r->row.stages[s].count;
		int64_t jobs = jobs_of_stage(e, run, s);
		char text[120];

		if (r->in_flight[s] > jobs) {
			(void)snprintf(text, sizeof(text), "%s: calls in flight", r->row.stages[s].name);
			add_waiting(list, r->in_flight[s] - jobs, "in-flight", text, 0, now);
		}
		if (jobs > 0) {
			(void)snprintf(text, sizeof(text), "%s: waiting for the results of jobs at work", r->row.stages[s].name);
			add_waiting(list, jobs, "job", text, 0, now);
		}
		if (c->retrying > 0) {
			(void)snprintf(text, sizeof(text), "%s: waiting to be tried again", r->row.stages[s].name);
			add_waiting(list, (int64_t)c->retrying, "retry", text, e->later_us == TIME_NEVER ? 0 : e->later_us, now);
		}
		if (c->held > 0) {
			bool set_up = r->root_failed && item_read(t, run, ITEM_ROOT, &root) && root.status == ITEM_HELD && root.stage == s;

			(void)snprintf(text, sizeof(text), "%s: held for a person%s%s", r->row.stages[s].name, set_up ? ": " : "", set_up ? root.reason : "");
			add_waiting(list, (int64_t)c->held, "held", text, 0, now);
		}
	}
	json_object_object_add(o, "waiting", list);
	return o;
}

struct json_object *why_service(struct engine *e, struct txn *t, const char *name, struct now now)
{
	struct lane *l = lane_by_name(e, name);
	struct json_object *o, *list;
	struct run *r, *next;
	char subject[80];

	(void)t;
	if (l == NULL || l->def == NULL) {
		return NULL;
	}
	o = json_object_new_object();
	list = json_object_new_array();
	(void)snprintf(subject, sizeof(subject), "service %s", name);
	put_word(o, "subject", subject);
	put_word(o, "state", l->pause.cause != PARK_NONE ? "paused" : "at work");
	HASH_ITER(hh, e->runs, r, next) {
		run_slots(e, list, r, l, now);
	}
	json_object_object_add(o, "waiting", list);
	return o;
}
