/* See verify.h. */
#include "lib/engine/verify.h"

#include "lib/base/ids.h"
#include "lib/engine/call.h"
#include "lib/engine/command.h"
#include "lib/engine/reopen.h"
#include "lib/engine/run.h"
#include "lib/engine/show.h"
#include "lib/engine/show_put.h"
#include "lib/engine/source.h"
#include "lib/engine/stage.h"
#include "lib/engine/state.h"
#include "lib/engine/view.h"

#include <stdio.h>

#define SLICE 100        /* leads a turn */
#define CLEAR_SLICE 500  /* rows a turn */
#define MOST_PAGES 100000
#define DOUBTS 3

const struct stage *verify_stage(const struct run *r, uint8_t *ret_stage)
{
	for (size_t p = 0; r->pipeline != NULL && p < r->pipeline->n_stages; p++) {
		if (r->pipeline->stages[p].list.step.call != NULL && r->run_stage_of[p] >= 0) {
			*ret_stage = (uint8_t)r->run_stage_of[p];
			return &r->pipeline->stages[p];
		}
	}
	return NULL;
}

static void verify_end(struct engine *e, struct run *r, struct verify_row *v, const char *why)
{
	v->state = why != NULL ? VERIFY_FAILED : VERIFY_DONE;
	v->ended_us = e->now.wall_us;
	(void)snprintf(v->why, sizeof(v->why), "%s", why != NULL ? why : "");
	r->verifying = false;
	verify_row_write(e->txn, v);
	run_touch(r);
}

/* --- the command --- */

static bool refused(const struct run *r, bool repair, char text[200])
{
	uint8_t s;

	text[0] = 0;
	if (r->pipeline == NULL || r->campaign == NULL) {
		(void)snprintf(text, 200, "campaign %.70s or pipeline %.70s is gone from the configuration", r->row.campaign, r->row.pipeline);
	} else if (verify_stage(r, &s) == NULL) {
		(void)snprintf(text, 200, "pipeline %.90s has no confirm stage with 'list'", r->row.pipeline);
	} else if (repair && run_is_over(r) && (r->sweeping || r->in_flight_total > 0)) {
		(void)snprintf(text, 200, "run %u still has %u calls under way: again when they have ended", r->id, r->in_flight_total);
	}
	return text[0] != 0;
}

void run_verify(struct engine *e, struct command *c, struct run *r)
{
	struct verify_row v;
	char text[200];

	if (refused(r, c->repair, text)) {
		command_refuse(e, c, 2, text);
		return;
	}
	(void)verify_row_read(e->txn, r->id, &v);
	if (!verify_at_work(v.state)) {
		v = (struct verify_row){.run = r->id, .state = VERIFY_CLEARING, .repair = c->repair, .started_us = e->now.wall_us};
		verify_row_write(e->txn, &v);
		r->verifying = true;
		run_touch(r);
		e->more = true;
	} else if (v.repair != c->repair) {
		command_refuse(e, c, 2, c->repair ? "it is being read back without repair: again when that has ended" :
						    "it is being read back and repaired: again when that has ended");
		return;
	}
	command_answer(e, c);
}

void verify_load(struct engine *e, struct run *r)
{
	struct verify_row v;

	r->verifying = verify_row_read(e->txn, r->id, &v) && verify_at_work(v.state);
	e->more = e->more || r->verifying;
}

/* --- what should be there --- */

/* What is read, and with which parameters: equal for runs that push to the same place. 0: nothing. */
static uint64_t destination(struct engine *e, struct run *r)
{
	struct buf text = {0};
	const struct stage *st;
	struct view view;
	uint64_t hash = 0;
	uint8_t s;

	st = r->campaign != NULL ? verify_stage(r, &s) : NULL;
	if (st == NULL) {
		return 0;
	}
	view_open(e, e->txn, r, 0, &view);
	buf_printf(&text, "%s.%s", st->list.step.service->name, st->list.step.call->name);
	for (size_t i = 0; i < st->list.step.n_params; i++) {
		struct lead_error err;
		struct value v = {0};

		if (template_value(st->list.step.params[i].value, &view.source, &e->arena, &v, &err) == 0) {
			buf_printf(&text, "\n%s=", st->list.step.params[i].name);
			value_write_json(&text, &v);
		}
	}
	hash = text.failed || text.len == 0 ? 0 : hash_plain(text.data, text.len);
	buf_free(&text);
	return hash;
}

bool verify_hash(struct engine *e, const struct value *key, uint64_t *ret)
{
	char text[320];
	size_t len = 0;

	if (value_is_blank(key) || key->len >= sizeof(text)) {
		return false;
	}
	for (; len < key->len; len++) {
		char c = key->text[len];

		text[len] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	*ret = hash_keyed(e->hash_key, text, len);
	return true;
}

/* Of two with the same name there: the verified run's own before another's, one that should be there before one that should not. */
static bool takes_over(const struct verify_row *v, const struct verify_entry *n, const struct verify_entry *old)
{
	if (old->run == 0 || (old->run == n->run && old->number == n->number)) {
		return true;
	}
	if ((n->run == v->run) != (old->run == v->run)) {
		return n->run == v->run;
	}
	return old->gone && !n->gone;
}

static void index_item(struct engine *e, struct run *of, const struct stage *st, struct verify_row *v, const struct item *i, bool young)
{
	struct verify_entry n = {.run = i->run, .number = i->number, .gone = i->outcome == ITEM_RECALLED, .young = young}, old = {.seen = 0};
	struct lead_error err;
	struct value key = {0};
	struct view view;

	if (!i->pushed && !n.gone) {
		return;
	}
	view_open(e, e->txn, of, i->number, &view);
	if (template_value(st->list.same[st->list.key].is, &view.source, &e->arena, &key, &err) != 0 || !verify_hash(e, &key, &n.hash)) {
		return;
	}
	if (verify_entry_read(e->txn, v->run, n.hash, &old) && !takes_over(v, &n, &old)) {
		return;
	}
	n.seen = old.seen;
	v->pushed += n.run == v->run && !n.gone && !young;
	verify_entry_write(e->txn, v->run, &n);
}

struct slice_arg {
	struct item list[SLICE];
	size_t n;
};

static bool on_item(void *arg, struct slice key, struct slice value)
{
	struct slice_arg *a = arg;

	if (item_decode(key, value, &a->list[a->n])) {
		a->n++;
	}
	return a->n < SLICE;
}

void verify_pushed(struct engine *e, struct run *r, const struct item *i)
{
	struct run *of, *next;
	struct verify_row v;
	const struct stage *st;
	uint8_t s;

	HASH_ITER(hh, e->runs, of, next) {
		if (of->verifying && (st = verify_stage(r, &s)) != NULL && (of == r || destination(e, of) == destination(e, r)) &&
		    verify_row_read(e->txn, of->id, &v) && verify_at_work(v.state)) {
			index_item(e, r, st, &v, i, true);
		}
	}
}

/* The next run after `after` that pushes to the same place. */
static struct run *next_run(struct engine *e, const struct run *r, uint32_t after)
{
	uint64_t where = destination(e, run_get(e, r->id));
	struct run *best = NULL, *other, *next;

	HASH_ITER(hh, e->runs, other, next) {
		if (other->id > after && (best == NULL || other->id < best->id) && (other == r || destination(e, other) == where)) {
			best = other;
		}
	}
	return best;
}

static void begin_reading(struct engine *e, struct run *r, struct verify_row *v)
{
	struct fact f = {.kind = FACT_ASK, .turn = e->turn, .wall_us = e->now.wall_us, .reason = "verify"};
	struct item i;
	uint8_t stage = 0;

	(void)verify_stage(r, &stage);
	if (!item_read(e->txn, r->id, ITEM_VERIFY, &i)) {
		i = (struct item){.run = r->id, .number = ITEM_VERIFY, .level = LEVEL_RUN};
	}
	i.stage = f.stage = stage;
	i.phase = PHASE_VERIFY;
	i.outcome = ITEM_OPEN;
	i.reason[0] = 0;
	i.page = 0;
	i.failures = i.doubts = 0;
	f.fields[f.n_fields++] = (struct fact_field){.name = "page", .name_len = 4, .value = {.kind = VALUE_JSON, .text = "{}", .len = 2}};
	fact_add(e->txn, &i, &f);
	v->state = VERIFY_READING;
	run_bind(e, r); /* a run that has ended has no turn at its services any more */
	run_queue(e, r, &i);
}

static void index_slice(struct engine *e, struct run *r, struct verify_row *v, struct slice_arg *a)
{
	struct run *of = v->at_run != 0 ? run_get(e, v->at_run) : NULL;
	const struct stage *st;
	uint8_t s;

	if (of == NULL) {
		of = next_run(e, r, v->at_run);
		v->at_run = of != NULL ? of->id : 0;
		v->at_number = 0;
	}
	if (of == NULL) {
		begin_reading(e, r, v);
		return;
	}
	st = verify_stage(of, &s);
	a->n = 0;
	txn_walk(e->txn, TABLE_STATE, item_key(of->id, v->at_number + 1), run_prefix(of->id), on_item, a);
	for (size_t k = 0; st != NULL && k < a->n; k++) {
		if (a->list[k].level == LEVEL_LEAD) {
			index_item(e, of, st, v, &a->list[k], false);
		}
		v->at_number = a->list[k].number;
	}
	if (st == NULL || a->n < SLICE) {
		of = next_run(e, r, of->id);
		v->at_number = 0;
		v->at_run = of != NULL ? of->id : 0;
		if (of == NULL) {
			begin_reading(e, r, v);
		}
	}
}

/* --- what was not seen --- */

static bool repair(struct engine *e, struct run *r, uint32_t number)
{
	struct item i;

	for (size_t p = 0; p < r->pipeline->n_stages; p++) {
		if (r->pipeline->stages[p].kind == STAGE_PUSH && r->run_stage_of[p] >= 0 && item_read(e->txn, r->id, number, &i) &&
		    i.status == ITEM_DONE) {
			i.stage = (uint8_t)r->run_stage_of[p];
			i.step = 0;
			item_reopen(e, r, &i);
			return true;
		}
	}
	return false;
}

static void compare_slice(struct engine *e, struct run *r, struct verify_row *v)
{
	struct verify_entry n;

	for (unsigned k = 0; k < SLICE; k++) {
		struct verify_finding f = {.kind = VERIFY_MISSING};

		if (!verify_entry_take(e->txn, v->run, &n)) {
			verify_end(e, r, v, NULL);
			return;
		}
		if (n.run == 0) {
			f.kind = VERIFY_FOREIGN;
			(void)snprintf(f.id, sizeof(f.id), "%s", n.id);
			(void)snprintf(f.who, sizeof(f.who), "%s", n.who);
			verify_find(e->txn, v, &f);
		} else if (n.run == v->run && !n.gone && !n.young && n.seen == 0) {
			f.number = n.number;
			verify_find(e->txn, v, &f);
			v->repaired += v->repair && r->pipeline != NULL && repair(e, r, n.number);
		}
	}
}

/* --- slices --- */

/* The configuration may have changed: the item waits where the list is called now, or it ends. */
static void follow(struct engine *e, struct run *r)
{
	struct item i;
	uint8_t s;

	if (!item_read(e->txn, r->id, ITEM_VERIFY, &i) || (i.status == ITEM_WAITING && !queue_has(e->txn, &i))) {
		return; /* its call is open */
	}
	if (i.status == ITEM_WAITING && verify_stage(r, &s) != NULL && r->campaign != NULL) {
		run_requeue(e, r, &i);
	} else if (i.status == ITEM_WAITING || i.status == ITEM_HELD) {
		if (i.status == ITEM_WAITING) {
			run_unqueue(e, r, &i);
		}
		run_count(r, i.stage)->waiting -= i.status == ITEM_WAITING;
		run_count(r, i.stage)->held -= i.status == ITEM_HELD;
		verify_stop(e, r, &i, STAGE_GONE);
		run_touch(r);
		run_check_end(e, r);
	}
}

static void step(struct engine *e, struct run *r, struct slice_arg *a)
{
	struct verify_row v;
	uint8_t s;

	if (!verify_row_read(e->txn, r->id, &v) || !verify_at_work(v.state)) {
		r->verifying = false;
		return;
	}
	if (v.state == VERIFY_READING) {
		follow(e, r); /* its calls carry it on */
		return;
	}
	if (verify_stage(r, &s) == NULL || r->campaign == NULL) {
		verify_end(e, r, &v, STAGE_GONE);
		return;
	}
	if (v.state == VERIFY_CLEARING) {
		v.state = verify_clear(e->txn, r->id, CLEAR_SLICE) ? VERIFY_CLEARING : VERIFY_INDEXING;
	} else if (v.state == VERIFY_INDEXING) {
		index_slice(e, r, &v, a);
	} else {
		compare_slice(e, r, &v);
	}
	verify_row_write(e->txn, &v);
	run_touch(r); /* its counters may have moved */
	e->more = e->more || v.state != VERIFY_READING;
}

void verifies_step(struct engine *e)
{
	struct slice_arg *a = NULL;
	struct run *r, *next;

	HASH_ITER(hh, e->runs, r, next) {
		if (r->verifying && !e->draining) {
			a = a != NULL ? a : malloc(sizeof(*a));
			if (a == NULL) {
				return;
			}
			step(e, r, a);
		}
	}
	free(a);
}

/* --- pages --- */

static void item_done(struct engine *e, struct item *i, const char *reason)
{
	i->status = ITEM_DONE;
	i->outcome = reason == NULL ? ITEM_READY : ITEM_FAILED;
	i->phase = PHASE_CALL;
	i->done_turn = e->turn;
	i->due_us = 0;
	item_reason(i, "%s", reason != NULL ? reason : "");
	item_write(e->txn, i);
}

void verify_stop(struct engine *e, struct run *r, struct item *i, const char *reason)
{
	struct verify_row v;

	item_done(e, i, reason);
	if (verify_row_read(e->txn, r->id, &v) && verify_at_work(v.state)) {
		verify_end(e, r, &v, reason);
	}
}

static void again(struct engine *e, struct run *r, struct item *i, const struct call *c, const struct answer *a)
{
	bool unsent = a->outcome == OUTCOME_UNSENT;
	const struct retry_spec *retry = &c->call->retry[unsent ? OUTCOME_TRANSIENT : a->outcome];

	count_failure(i, a->outcome);
	if (retry->attempts == 0 || i->failures < retry->attempts || (unsent && c->def->breaker.enabled)) {
		stage_retry(e, r, i, e->now.boot_us + retry_wait_us(retry, i->failures, a->retry_after_us, dice_roll(&e->dice)));
	} else {
		verify_stop(e, r, i, a->reason != NULL ? a->reason : "failed");
	}
}

static const struct value *listed(const struct call *c, const struct answer *a)
{
	for (size_t k = 0; k < a->n_fields; k++) {
		if (strcmp(a->fields[k].name, c->call->paging->items) == 0) {
			return &a->fields[k].value;
		}
	}
	return NULL;
}

static void page_read(struct engine *e, struct run *r, struct item *i, const struct call *c, const struct answer *a, struct verify_row *v)
{
	const struct value *list = listed(c, a);

	if (list != NULL && a->outcome != OUTCOME_EMPTY) {
		verify_page(e, r, run_stage(r, i->stage), v, list);
	}
	v->pages++;
	i->failures = i->doubts = 0;
	if (a->outcome != OUTCOME_EMPTY && page_next(e, i, c, a)) {
		if (v->pages == MOST_PAGES) {
			verify_stop(e, r, i, "pages without end");
			return;
		}
		run_queue(e, r, i);
	} else {
		item_done(e, i, NULL);
		v->state = VERIFY_COMPARING;
		e->more = true;
	}
	verify_row_write(e->txn, v);
}

void verify_outcome(struct engine *e, struct run *r, struct item *i, const struct call *c, const struct answer *a)
{
	const struct stage *st = run_stage(r, i->stage);
	struct fact f = call_fact(e, i, c, a);
	struct verify_row v;

	fact_add(e->txn, i, &f);
	run_touch(r);
	if (!verify_row_read(e->txn, r->id, &v) || v.state != VERIFY_READING) {
		item_done(e, i, "ended");
		return;
	}
	if (c->call == NULL || c->call->paging == NULL || st == NULL || st->list.step.call == NULL) {
		verify_stop(e, r, i, STAGE_GONE);
		return;
	}
	switch (a->outcome) {
	case OUTCOME_OK:
	case OUTCOME_EMPTY:
		page_read(e, r, i, c, a, &v);
		break;
	case OUTCOME_PENDING:
	case OUTCOME_THROTTLE:
	case OUTCOME_TRANSIENT:
	case OUTCOME_UNSENT:
		again(e, r, i, c, a);
		break;
	case OUTCOME_QUOTA:
	case OUTCOME_AUTH:
		run_queue(e, r, i); /* the key is parked: it waits for it */
		break;
	case OUTCOME_IN_DOUBT:
		if (++i->doubts > DOUBTS) {
			verify_stop(e, r, i, "in-doubt");
		} else {
			run_queue(e, r, i); /* reading again does no harm */
		}
		break;
	default:
		verify_stop(e, r, i, a->reason != NULL ? a->reason : "refused");
		break;
	}
}

/* --- for people --- */

struct list_arg {
	struct engine *e;
	struct txn *t;
	struct run *r;
	struct json_object *items;
	unsigned limit;
	uint32_t next;
	bool more;
};

static bool on_finding(void *arg, uint32_t at, const struct verify_finding *f)
{
	struct list_arg *a = arg;
	struct json_object *o;

	if (a->limit == 0) {
		a->next = at;
		a->more = true;
		return false;
	}
	a->limit--;
	o = json_object_new_object();
	put_word(o, "kind", verify_kind_word(f->kind));
	json_object_object_add(o, "lead", f->number != 0 ? json_object_new_int64(f->number) : NULL);
	put_text(o, "who", f->who);
	put_text(o, "field", f->field);
	put_text(o, "id", f->id);
	json_object_array_add(a->items, o);
	return true;
}

static void put_counts(struct json_object *o, const struct verify_row *v)
{
	uint64_t wrong = 0;

	put_int(o, "pushed", (int64_t)v->pushed);
	put_int(o, "pages", (int64_t)v->pages);
	put_int(o, "seen", (int64_t)v->seen);
	put_int(o, "others", (int64_t)v->others);
	for (int k = 0; k < VERIFY_KINDS; k++) {
		put_int(o, verify_kind_word((enum verify_kind)k), (int64_t)v->counts[k]);
		wrong += v->counts[k];
	}
	put_bool(o, "repair", v->repair);
	put_int(o, "repaired", (int64_t)v->repaired);
	put_bool(o, "clean", v->state == VERIFY_DONE && wrong == 0);
}

struct json_object *show_verify(struct engine *e, struct txn *t, uint32_t run, uint32_t at, unsigned limit)
{
	struct list_arg a = {.e = e, .t = t, .r = run_get(e, run), .limit = limit};
	struct verify_row v;
	struct json_object *o;
	char cursor[16];

	if (a.r == NULL) {
		return NULL;
	}
	(void)verify_row_read(t, run, &v);
	o = json_object_new_object();
	a.items = json_object_new_array();
	put_int(o, "run", run);
	put_word(o, "state", verify_state_word(v.state));
	put_text(o, "why", v.why);
	put_wall(o, "started", v.started_us);
	put_wall(o, "ended", v.ended_us);
	put_counts(o, &v);
	verify_walk(t, run, at, on_finding, &a);
	json_object_object_add(o, "items", a.items);
	json_object_object_add(o, "next", NULL);
	if (a.more) {
		(void)snprintf(cursor, sizeof(cursor), "%u", a.next);
		put_word(o, "next", cursor);
	}
	return o;
}
