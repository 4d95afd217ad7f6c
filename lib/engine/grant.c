/*
 * One call is made: the item's record is read, the stage's parameters and the request are rendered, the call is written
 * as reserved, and it counts in every window from here on. It starts after the commit (release in turn.c).
 * An item whose inputs are missing goes no further and costs nothing (P6). Nor does one whose address is on the suppression list
 * now: this is the last moment before anything leaves.
 */
#include "lib/engine/grant.h"

#include "lib/base/ids.h"
#include "lib/base/json.h"
#include "lib/engine/accounts.h"
#include "lib/engine/busy.h"
#include "lib/engine/cache.h"
#include "lib/engine/call.h"
#include "lib/engine/credit.h"
#include "lib/engine/foretell.h"
#include "lib/engine/grant_parts.h"
#include "lib/engine/job.h"
#include "lib/engine/lane.h"
#include "lib/engine/recall.h"
#include "lib/engine/run.h"
#include "lib/engine/schedule.h"
#include "lib/engine/share.h"
#include "lib/engine/stage.h"
#include "lib/engine/state.h"
#include "lib/engine/suppress.h"
#include "lib/engine/verify.h"
#include "lib/engine/view.h"

#include <stdio.h>

struct value params_field(const void *ctx, const char *name, size_t len)
{
	const struct params *p = ctx;

	for (size_t i = 0; i < p->n; i++) {
		if (p->list[i].name_len == len && memcmp(p->list[i].name, name, len) == 0) {
			return p->list[i].value;
		}
	}
	return (struct value){0};
}

static void params_write(const void *ctx, struct buf *out)
{
	const struct params *p = ctx;

	buf_add_char(out, '{');
	for (size_t i = 0; i < p->n; i++) {
		buf_add_text(out, i > 0 ? "," : "");
		json_write_string(out, p->list[i].name, p->list[i].name_len);
		buf_add_char(out, ':');
		value_write_json(out, &p->list[i].value);
	}
	buf_add_char(out, '}');
}

struct expr_source params_source(const struct params *p)
{
	return (struct expr_source){.field = params_field, .write = params_write, .ctx = p};
}

static int params_eval(struct engine *e, const struct step *step, const struct view *view, struct params *ret, struct lead_error *err)
{
	ret->n = 0;
	for (size_t i = 0; i < step->n_params && i < PARAMS; i++) {
		struct fact_field *f = &ret->list[ret->n++];
		int rc;

		f->name = step->params[i].name;
		f->name_len = (uint32_t)strlen(f->name);
		rc = template_value(step->params[i].value, &view->source, &e->arena, &f->value, err);
		if (rc != 0) {
			return rc;
		}
		/* out of the store's pages: the writes below would move them */
		f->value = value_copy(&e->arena, &f->value);
	}
	return 0;
}

/* Which page is asked for: the first, or the one that the last answer led to. */
static int params_page(struct engine *e, const struct service_call *call, const struct view *view, struct params *p)
{
	struct value page = view->source.field(view->source.ctx, "page", 4);

	if (call->paging == NULL) {
		return 0;
	}
	if (page.kind == VALUE_JSON && page.len > 2) {
		page = value_copy(&e->arena, &page);
	} else {
		const char *first = arena_printf(&e->arena, "{\"number\":1,\"offset\":0,\"size\":%u}", call->paging->size);

		page = value_text(first);
		page.kind = first != NULL ? VALUE_JSON : VALUE_NONE;
	}
	if (page.kind == VALUE_NONE || p->n == sizeof(p->list) / sizeof(p->list[0])) {
		return LEAD_ENOMEM;
	}
	p->list[p->n++] = (struct fact_field){.name = "page", .name_len = 4, .value = page};
	return 0;
}

static bool is_optional(const struct service_call *call, const char *param)
{
	for (size_t i = 0; call->optional != NULL && call->optional[i] != NULL; i++) {
		if (strcmp(call->optional[i], param) == 0) {
			return true;
		}
	}
	return false;
}

/* The first input that is missing, NULL when all are there. */
static const char *missing_input(const struct stage *st, const struct service_call *call, enum item_phase phase, const struct view *view,
    const struct params *p)
{
	for (size_t i = 0; phase < PHASE_RECALL && i < st->n_needs; i++) {
		struct value v = view->source.field(view->source.ctx, st->needs[i], strlen(st->needs[i]));

		if (value_is_blank(&v)) {
			return st->needs[i];
		}
	}
	for (size_t i = 0; call->params[i] != NULL; i++) {
		struct value v = params_field(p, call->params[i], strlen(call->params[i]));

		if (value_is_blank(&v) && !is_optional(call, call->params[i])) {
			return call->params[i];
		}
	}
	return NULL;
}

/* A key of the group that is not refused; they take turns. */
static size_t pick_key(struct engine *e, struct lane *l, size_t g)
{
	for (size_t i = 0; i < l->def->n_keys; i++) {
		size_t k = (l->groups[g].next_key + i) % l->def->n_keys;

		if (l->def->keys[k].group_index == g && lane_key_earliest(l, k, e->now) <= e->now.boot_us) {
			l->groups[g].next_key = k + 1;
			return k;
		}
	}
	return 0;
}

int grant_render(struct engine *e, struct call *c, const struct params *p, const char *idempotency_key, struct lead_error *err)
{
	struct expr_source source = params_source(p);
	const struct secret *secret = c->lane->keys[c->key].secret;
	char id[17];
	struct request_input in = {.params = &source, .call_id = id, .idempotency_key = idempotency_key};

	ids_write(c->id, id);
	in.secret = secret != NULL ? secret->text : NULL;
	in.secret_len = secret != NULL ? secret->len : 0;
	in.callback = job_callback_url(e, c);
	in.hash_key = e->hash_key;
	return request_render(c->def, c->call, &in, &e->arena, &c->request, err);
}

int grant_prompt(struct engine *e, struct run *r, struct slot *s, const struct item *i, struct call *c)
{
	const struct stage *st = run_stage(r, s->stage);

	c->row.prompt = i->prompt;
	return i->phase == PHASE_CALL ? credit_number(e, &st->steps[i->step < st->n_steps ? i->step : 0], &c->row.prompt) : 0;
}

struct day_tally *grant_tally(const struct slot *s, const struct item *i)
{
	return s->tally[i->failures > 0 || i->doubts > 0 || i->gate_tries > 0 || i->repairs > 0];
}

struct call *grant_new(struct engine *e, struct slot *s, const struct verdict *v)
{
	struct call *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		return NULL;
	}
	c->id = ids_next(e->last_call, e->now.wall_us);
	c->lane = s->lane;
	c->def = service_ref(s->lane->def);
	c->call = s->call;
	c->group = v->group;
	c->key = pick_key(e, s->lane, v->group);
	c->fresh = true;
	if (!job_new(e, c)) {
		grant_free(e, c);
		return NULL;
	}
	return c;
}

void grant_free(struct engine *e, struct call *c)
{
	c->lane = NULL;
	engine_call_free(e, c);
}

static void fill_row(struct engine *e, struct call *c)
{
	struct call_row *row = &c->row;

	row->id = c->id;
	row->state = CALL_RESERVED;
	row->service = c->lane->number;
	row->endpoint = c->lane->endpoints[c->call->index];
	row->key = c->lane->keys[c->key].number;
	row->boot = e->boot;
	row->granted_us = e->now.boot_us;
	row->granted_wall_us = e->now.wall_us;
	row->hash = c->request.hash;
}

/* Takes the call's place in windows, breaker, quota and queue. 0 or LEAD_ENOMEM. */
static int occupy(struct engine *e, struct call *c)
{
	struct lane_group *g = &c->lane->groups[c->group];
	size_t index[CALL_LIMITS];

	c->n_limits = lane_limits(c->lane, c->group, c->call->index, c->limits, index);
	for (size_t i = 0; i < c->n_limits; i++) {
		if (limit_take(c->limits[i], &c->tickets[i], 1, e->now) != 0) {
			c->n_limits = i;
			return LEAD_ENOMEM;
		}
	}
	breaker_granted(&g->breaker, c->id, e->now);
	quota_granted(&g->quota, c->id, e->now);
	quota_granted(&c->lane->keys[c->key].auth, c->id, e->now);
	g->in_flight++;
	c->lane->in_flight++;
	c->lane->keys[c->key].in_flight++;
	c->lane->next_group = (c->group + 1) % c->lane->def->n_groups;
	return 0;
}

/*
 * NULL, or why the call must not be made: the lead's address is on the organisation's list, as it came or as it was found out; of
 * a push every address that goes out. What reads back a push that was made is no business of the list.
 */
static const char *suppressed(struct engine *e, const struct run *r, const struct stage *st, const struct item *i, const struct view *view,
    const struct params *p)
{
	bool push = st->kind == STAGE_PUSH;
	struct value email;
	const char *reason;

	if ((i->pushed && !push) || i->phase != PHASE_CALL || !suppress_has(e, r)) {
		return NULL;
	}
	email = view->source.field(view->source.ctx, "email", 5);
	reason = suppress_reason(e, r, &email);
	email = view->has_row ? record_field(&view->row, FIELD_EMAIL) : (struct value){0};
	reason = reason == NULL ? suppress_reason(e, r, &email) : reason;
	for (size_t k = 0; push && reason == NULL && k < p->n; k++) {
		reason = suppress_reason(e, r, &p->list[k].value);
	}
	return reason;
}

static bool is_needed(const struct stage *st, const char *name)
{
	for (size_t i = 0; i < st->n_needs; i++) {
		if (strcmp(st->needs[i], name) == 0) {
			return true;
		}
	}
	return false;
}

bool grant_inputs(struct engine *e, struct run *r, struct slot *s, struct item *i, struct params *ret, struct refusal *why)
{
	const struct stage *st = run_stage(r, s->stage);
	/* a look-up takes the parameters of the step in doubt */
	const struct step *step = s->phase == PHASE_RECALL ? &st->recall : s->phase == PHASE_VERIFY ? &st->list.step : &st->steps[i->step < st->n_steps ? i->step : 0];
	struct lead_error err;
	struct view view;
	const char *missing, *listed;

	why->listed = why->passes = false;
	ret->n = 0;
	view_open(e, e->txn, r, i->number, &view);
	if (e->blind) {
		missing = foretell_missing(e, r, s, step, &view);
		(void)snprintf(why->reason, sizeof(why->reason), "missing-%.30s", missing != NULL ? missing : "");
		return missing == NULL;
	}
	if (params_eval(e, step, &view, ret, &err) != 0 || params_page(e, s->call, &view, ret) != 0) {
		(void)snprintf(why->reason, sizeof(why->reason), "bad-expression");
		return false;
	}
	listed = suppressed(e, r, st, i, &view, ret);
	if (listed != NULL) {
		(void)snprintf(why->reason, sizeof(why->reason), "%s", listed);
		why->listed = true;
		return false;
	}
	missing = missing_input(st, s->call, s->phase, &view, ret);
	if (missing != NULL) {
		(void)snprintf(why->reason, sizeof(why->reason), "missing-%.30s", missing);
		why->passes = i->phase == PHASE_CALL && st->n_steps > 1 && !is_needed(st, missing);
	}
	return missing == NULL;
}

/* What is on the suppression list and was pushed before stays delivered; it is only not pushed again. */
void grant_refuse(struct engine *e, struct run *r, struct item *i, const struct refusal *why)
{
	enum item_outcome o = !why->listed ? ITEM_REJECTED : i->pushed ? ITEM_DELIVERED : ITEM_SUPPRESSED;
	struct fact f = {.kind = FACT_GATE, .stage = i->stage, .step = i->step, .turn = e->turn, .wall_us = e->now.wall_us};

	(void)snprintf(f.reason, sizeof(f.reason), "%s", why->reason);
	run_unqueue(e, r, i);
	run_count(r, i->stage)->waiting--;
	if (i->phase == PHASE_VERIFY) {
		verify_stop(e, r, i, why->reason);
		run_check_end(e, r);
		return;
	}
	if (phase_recalls(i->phase)) {
		recall_give_up(e, r, i, why->reason);
		run_check_end(e, r);
		return;
	}
	if (why->passes) {
		stage_lacks(e, r, i, why->reason);
		e->more = true; /* it may wait elsewhere now */
		run_check_end(e, r);
		return;
	}
	run_count(r, i->stage)->rejected += o != ITEM_DELIVERED;
	fact_add(e->txn, i, &f);
	item_finish(e, r, i, o, why->reason);
	run_check_end(e, r);
}

/* Out of the queue without a call, and to where it goes instead. */
static void leave(struct engine *e, struct run *r, struct item *i, void (*to)(struct engine *e, struct run *r, struct item *i))
{
	run_unqueue(e, r, i);
	run_count(r, i->stage)->waiting--;
	to(e, r, i);
	e->more = true; /* it may wait elsewhere now */
	run_touch(r);
	run_check_end(e, r);
}

bool grant_too_dear(struct engine *e, struct run *r, struct slot *s, struct item *i)
{
	const struct stage *st = run_stage(r, s->stage);

	if (i->phase != PHASE_CALL || st == NULL || i->stage != s->stage || stage_fits(e, st, i)) {
		return false;
	}
	leave(e, r, i, stage_too_dear);
	return true;
}

int grant_down(struct engine *e, struct run *r, struct slot *s)
{
	uint32_t number = queue_head(e->txn, s->lane->number, r->id, s->rank);
	struct item i;

	if (number == 0 || !item_read(e->txn, r->id, number, &i)) {
		s->queued = 0;
		return 0;
	}
	run_unqueue(e, r, &i);
	run_count(r, i.stage)->waiting--;
	stage_down(e, r, &i, s->lane->name);
	run_touch(r);
	run_check_end(e, r);
	return 1;
}

bool grant_out(struct engine *e, struct run *r, struct slot *s, struct call *c, struct item *items)
{
	fill_row(e, c);
	if (occupy(e, c) != 0) {
		for (size_t k = 0; k < c->n_limits; k++) {
			limit_drop(c->limits[k], &c->tickets[k]);
		}
		grant_free(e, c);
		s->blocked = true;
		return false;
	}
	e->last_call = c->id;
	accounts_reserve(e, c, 1);
	call_open(e->txn, &c->row);
	job_submit(e, c);
	for (size_t k = 0; k < c->row.n_parts; k++) {
		run_unqueue(e, r, &items[k]);
		r->in_flight[items[k].stage]++;
		r->in_flight_total++;
		busy_enter(r, items[k].parent, items[k].stage);
		run_count(r, items[k].stage)->calls++;
	}
	run_touch(r);
	HASH_ADD(hh, e->calls, id, sizeof(c->id), c);
	share_offer(e, s, &items[0], c);
	e->fresh[e->n_fresh++] = c;
	return true;
}

/* Equal for every repeat of the same step of the same item, different for everything else in the world. */
static const char *idempotency_key(struct engine *e, const struct item *i, uint16_t prompt)
{
	const char *key = arena_printf(&e->arena, "%016llx-%u-%u-%u-%u-%u%s", (unsigned long long)hash_plain(e->hash_key, sizeof(e->hash_key)), i->run,
	    i->number, i->stage, i->step, (unsigned)i->gate_tries + 16u * i->repairs + 4096u * i->recalls, i->phase == PHASE_RECALL ? "-recall" : "");

	if (key != NULL && i->page + i->round > 0) {
		key = arena_printf(&e->arena, "%s-%u-%u", key, i->round, i->page);
	}
	/* another version's text must not get this one's answer */
	return key != NULL && prompt != 0 ? arena_printf(&e->arena, "%s-%u", key, prompt) : key;
}

/* Nothing is written before all of it worked. */
int grant(struct engine *e, struct run *r, struct slot *s, const struct verdict *v)
{
	uint32_t number;
	struct refusal why;
	struct params params;
	struct lead_error err;
	struct item i;
	struct call *c;

	if (s->call->batch != NULL) {
		return batch_grant(e, r, s, v);
	}
	number = busy_pick(e, r, s);
	if (number == 0 && queue_head(e->txn, s->lane->number, r->id, s->rank) != 0) {
		s->blocked = true; /* all in front have parents with enough under way */
		return 0;
	}
	if (number == 0 || !item_read(e->txn, r->id, number, &i)) {
		s->queued = 0; /* the store is right: nothing waits here */
		return 0;
	}
	if (grant_too_dear(e, r, s, &i)) {
		return 0;
	}
	if (!grant_inputs(e, r, s, &i, &params, &why)) {
		grant_refuse(e, r, &i, &why);
		return 0;
	}
	c = grant_new(e, s, v);
	if (c == NULL) {
		s->blocked = true;
		return 0;
	}
	c->tally = grant_tally(s, &i);
	if (!e->blind && (grant_prompt(e, r, s, &i, c) != 0 || grant_render(e, c, &params, idempotency_key(e, &i, c->row.prompt), &err) != 0)) {
		grant_free(e, c);
		why = (struct refusal){.reason = "bad-input"};
		grant_refuse(e, r, &i, &why);
		return 0;
	}
	if (cache_take(e, r, s, &i, c->request.hash) || share_join(e, r, s, &i, c->request.hash)) {
		grant_free(e, c);
		return 0;
	}
	c->row.n_parts = 1;
	c->row.parts[0] = (struct call_part){.run = i.run, .number = i.number, .stage = i.stage, .step = i.step, .reserved_micro = c->call->price_micro};
	return grant_out(e, r, s, c, &i) ? 1 : 0;
}

/* What a poll is rendered from: the parameters of the step that began the job, as far as they still are, and the job's name. */
static void poll_params(struct engine *e, const struct call *job, struct view *view, struct params *ret)
{
	const struct call_part *p = &job->row.parts[0];
	struct run *r = run_get(e, p->run);
	const struct stage *st = r != NULL ? run_stage(r, p->stage) : NULL;
	struct lead_error err;

	ret->n = 0;
	if (st != NULL && p->step < st->n_steps) {
		view_open(e, e->txn, r, p->number, view);
		if (params_eval(e, &st->steps[p->step], view, ret, &err) != 0) {
			ret->n = 0;
		}
	}
	ret->n = ret->n < 31 ? ret->n : 31;
	for (size_t i = 0; i < ret->n; i++) {
		if (ret->list[i].name_len == 3 && memcmp(ret->list[i].name, "job", 3) == 0) {
			ret->list[i] = ret->list[--ret->n];
		}
	}
	ret->list[ret->n++] = (struct fact_field){.name = "job", .name_len = 3, .value = value_text(job->job->row.id)};
}

static struct call *poll_new(struct engine *e, const struct call *job, const struct service_call *poll, const struct verdict *v)
{
	struct lane *l = job->lane;
	struct call *c = calloc(1, sizeof(*c));
	bool same = job->key < l->def->n_keys && job->group == v->group && lane_key_earliest(l, job->key, e->now) <= e->now.boot_us;

	if (c == NULL) {
		return NULL;
	}
	c->id = ids_next(e->last_call, e->now.wall_us);
	c->lane = l;
	c->def = service_ref(l->def);
	c->call = poll;
	c->group = v->group;
	c->key = same ? job->key : pick_key(e, l, v->group);
	c->fresh = true;
	return c;
}

static void drop_poll(struct engine *e, struct call *c)
{
	for (size_t k = 0; k < c->n_limits; k++) {
		limit_drop(c->limits[k], &c->tickets[k]);
	}
	grant_free(e, c);
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
	if (grant_render(e, c, &params, idempotency_key(e, &i, 0), &err) != 0) {
		drop_poll(e, c);
		return 0;
	}
	fill_row(e, c);
	c->row.polls = job->id;
	c->row.n_parts = 1;
	c->row.parts[0] = (struct call_part){.run = p->run, .number = p->number, .stage = p->stage, .step = p->step}; /* what it costs is reserved with the job */
	if (occupy(e, c) != 0) {
		drop_poll(e, c);
		return 0;
	}
	c->lane->polls++;
	e->last_call = c->id;
	job->job->poll = c->id;
	accounts_reserve(e, c, 1);
	call_open(e->txn, &c->row);
	HASH_ADD(hh, e->calls, id, sizeof(c->id), c);
	e->fresh[e->n_fresh++] = c;
	return 1;
}

/* Out of flight, whatever the reason. */
static void vacate(struct call *c)
{
	if (c->lane == NULL || c->restarted) {
		return;
	}
	c->lane->in_flight--;
	c->lane->polls -= c->row.polls != 0;
	if (c->group < c->lane->def->n_groups && c->lane->groups[c->group].in_flight > 0) {
		c->lane->groups[c->group].in_flight--;
	}
	if (c->key < c->lane->def->n_keys && c->lane->keys[c->key].in_flight > 0) {
		c->lane->keys[c->key].in_flight--;
	}
}

/* The commit failed: what was granted in this turn never happened. Rows and balances are read anew by the caller. */
void grants_drop(struct engine *e)
{
	for (size_t i = 0; i < e->n_fresh; i++) {
		struct call *c = e->fresh[i];
		struct lane_group *g = &c->lane->groups[c->group];

		for (size_t k = 0; k < c->n_limits; k++) {
			limit_drop(c->limits[k], &c->tickets[k]);
		}
		breaker_dropped(&g->breaker, c->id);
		quota_dropped(&g->quota, c->id, e->now);
		quota_dropped(&c->lane->keys[c->key].auth, c->id, e->now);
		vacate(c);
		HASH_DEL(e->calls, c);
		c->lane = NULL;
		engine_call_free(e, c);
	}
	e->n_fresh = 0;
}

/* Not in e->calls any more, or never was. */
void engine_call_free(struct engine *e, struct call *c)
{
	share_close(e, c);
	service_unref(c->def);
	free(c->row.more);
	free(c->job);
	arena_free(&c->arena);
	free(c);
}
