/*
 * The run's own item. It goes through the stages `of: run`: first what sets things up (a campaign is looked up or created), then what
 * finds companies or leads (a search, a discovery), page by page and round by round. What a source does next rounds.h decides; it
 * is asked when the item comes to the stage, after every answer, and, while it waits for what it brought, whenever some of
 * that has come to an end.
 */

#include "lib/engine/item/source.h"

#include "lib/base/json_list.h"
#include "lib/engine/call/call.h"
#include "lib/engine/item/birth.h"
#include "lib/engine/item/makes.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/stage.h"
#include "lib/engine/stage/view.h"
#include "lib/engine/state.h"

#include <stdio.h>

#define KNOWN_MOST 1000 /* domains that a source is told */

/* --- at the start --- */

static int source_columns(struct run *r)
{
	const struct pipeline *p = r->pipeline;

	for (enum item_level level = LEVEL_LEAD; level <= LEVEL_COMPANY; level++) {
		const char *names[2 * MAKES_FIELDS];
		size_t n = 0;

		if (!r->row.finds && level == (enum item_level)r->row.rows_are) {
			continue; /* the file says which */
		}
		for (size_t s = 0; s < p->n_stages; s++) {
			const struct makes *m = p->stages[s].makes;

			for (size_t i = 0; m != NULL && m->level == level && i < m->n_fields; i++) {
				size_t k = 0;

				while (k < n && strcmp(names[k], m->fields[i].name) != 0) {
					k++;
				}
				if (k == n && n < sizeof(names) / sizeof(names[0])) {
					names[n++] = m->fields[i].name;
				}
			}
		}
		if (n > 0 && run_set_columns(r, level, names, n) != 0) {
			return LEAD_ENOMEM;
		}
	}
	return 0;
}

int root_start(struct engine *e, struct run *r)
{
	struct item i = {.run = r->id, .number = ITEM_ROOT, .level = LEVEL_RUN};

	if (r->pipeline == NULL) {
		return 0;
	}
	r->row.rows_are = (uint8_t)pipeline_rows_are(r->pipeline);
	if (source_columns(r) != 0) {
		return LEAD_ENOMEM;
	}
	r->root_ready = !pipeline_has(r->pipeline, LEVEL_RUN);
	if (!r->root_ready) {
		stage_enter(e, r, &i, 0);
	}
	return 0;
}

/* Is everything set up? It is when the item has come to the first stage that only brings items. */
void root_moved(struct engine *e, struct run *r, const struct item *root)
{
	int p = root->stage < RUN_STAGES ? r->stage_of[root->stage] : -1;
	bool at_source = p >= 0 && r->pipeline->stages[p].makes != NULL;

	(void)e;
	free(r->json);
	r->json = NULL;
	r->root_ready = root->status == ITEM_DONE ? root->outcome == ITEM_READY || at_source : at_source;
	r->root_failed = !r->root_ready && (root->status == ITEM_DONE || root->status == ITEM_HELD);
}

void root_see(struct engine *e, struct run *r, const struct item *i)
{
	r->root_look = true;
	e->more = e->more || (r->root_waits && r->row.state == RUN_RUNNING);
	if (i->level == LEVEL_RUN) {
		root_moved(e, r, i);
	}
}

void root_load(struct engine *e, struct run *r)
{
	struct item root;
	struct call *c, *next;

	r->root_ready = true;
	if (!item_read(e->txn, r->id, ITEM_ROOT, &root)) {
		return;
	}
	root_moved(e, r, &root);
	r->root_waits = root.status == ITEM_WAITING && !queue_has(e->txn, &root);
	HASH_ITER(hh, e->calls, c, next) {
		r->root_waits = r->root_waits && !(c->row.parts[0].run == r->id && c->row.parts[0].number == ITEM_ROOT);
	}
	r->root_look = r->root_waits;
	e->more = e->more || r->root_waits;
}

/* --- what next --- */

static uint64_t held_of(const struct run *r, enum item_level level)
{
	uint64_t held = 0;

	for (uint8_t s = 0; s < r->row.n_stages; s++) {
		const struct stage *st = run_stage(r, s);

		held += st != NULL && st->of == level ? r->row.stages[s].count.held : 0;
	}
	return held;
}

static struct rounds_seen what_is_seen(struct run *r, const struct item *i, const struct makes *m)
{
	const uint64_t *o = run_outcomes(r, m->level);
	uint64_t held = held_of(r, m->level);
	struct rounds_seen seen = {.wanted = r->row.quantity,
	    .rounds = i->round,
	    .idle = r->row.source_idle,
	    .widen_left = (uint32_t)m->n_widen - i->widened,
	    .last_new = r->row.source_new,
	    .last_cost_micro = run_count(r, i->stage)->settled_micro - r->row.source_cost_micro,
	    .pages_left = i->page > 0};

	seen.good = o[ITEM_READY] + o[ITEM_DELIVERED] + o[ITEM_CONFIRMED];
	seen.open = o[ITEM_OPEN] > held ? o[ITEM_OPEN] - held : 0;
	seen.bad = o[ITEM_REJECTED] + o[ITEM_FAILED] + o[ITEM_PARKED] + held;
	seen.held = o[ITEM_PARKED] + o[ITEM_FAILED] + held;
	seen.all = makes_have(r, m->level);
	if (!m->rounds.good) { /* there is as good as through */
		seen.good += seen.open + seen.bad;
		seen.open = seen.bad = seen.held = 0;
	}
	return seen;
}

/* The domains of companies that are there already, for sources that can leave them out. */
static void known_domains(struct engine *e, struct run *r, struct buf *out)
{
	unsigned n = 0;

	buf_add_char(out, '[');
	for (uint32_t number = 1; r->has_columns[LEVEL_COMPANY] && number <= r->row.rows && n < KNOWN_MOST; number++) {
		struct slice row;
		struct record record;
		struct value domain;
		struct item i;

		if (!item_row(e->txn, r->id, number, &row) || !item_read(e->txn, r->id, number, &i) || i.level != LEVEL_COMPANY || i.outcome == ITEM_DUPLICATE ||
		    !record_open(&record, &r->columns[LEVEL_COMPANY], row.data, row.len)) {
			continue;
		}
		domain = record_get(&record, "domain", 6);
		if (domain.kind == VALUE_STRING && memchr(domain.text, '.', domain.len) != NULL) { /* not `-` or `n/a` */
			buf_add_text(out, n++ > 0 ? "," : "");
			value_write_json(out, &domain);
		}
	}
	buf_add_char(out, ']');
}

/* Where the page begins that is asked for next: a new round's first one, or one that fits what is wanted. NULL: it is known already. */
static const char *page_text(struct engine *e, const struct item *i, const struct paging *p, const struct rounds_next *n)
{
	if (p == NULL || !p->fit || n->count == 0 || n->count >= p->size) {
		return i->page == 0 ? "{}" : NULL;
	}
	return arena_printf(&e->arena, "{\"offset\":%u,\"size\":%u}", i->page, (unsigned)n->count);
}

/* What the next request is for: `.ask` of its record. */
static void keep_ask(struct engine *e, struct run *r, struct item *i, const struct stage *st, const struct rounds_next *n)
{
	const struct service_call *call = i->step < st->n_steps ? st->steps[i->step].call : NULL;
	const char *page = page_text(e, i, call != NULL ? call->paging : NULL, n);
	struct fact f = {.kind = FACT_ASK, .stage = i->stage, .step = i->step, .turn = e->turn, .wall_us = e->now.wall_us};
	struct buf known = {0};
	const char *text;

	if (st->makes->level == LEVEL_COMPANY && i->page == 0) {
		known_domains(e, r, &known);
	}
	text = arena_printf(&e->arena, "{\"round\":%u,\"count\":%llu,\"widened\":%u,\"known\":%s}", i->round, (unsigned long long)n->count, i->widened,
	    known.len > 0 ? known.data : "[]");
	buf_free(&known);
	if (text == NULL) {
		abort();
	}
	f.fields[f.n_fields++] = (struct fact_field){
	    .name = "ask", .name_len = 3, .value = {.kind = VALUE_JSON, .text = text, .len = (uint32_t)strlen(text)}};
	if (page != NULL) {
		f.fields[f.n_fields++] =
		    (struct fact_field){.name = "page", .name_len = 4, .value = {.kind = VALUE_JSON, .text = page, .len = (uint32_t)strlen(page)}};
	}
	fact_add(e->txn, i, &f);
}

static void source_ended(struct engine *e, struct item *i, const char *why)
{
	struct fact f = {.kind = FACT_ASK, .stage = i->stage, .step = i->step, .turn = e->turn, .wall_us = e->now.wall_us};

	(void)snprintf(f.reason, sizeof(f.reason), "%s", why);
	fact_add(e->txn, i, &f);
}

static void begin_round(struct run *r, struct item *i, const struct rounds_next *n)
{
	if (n->widen) {
		i->widened++;
		r->row.source_idle = 0;
	}
	i->round++;
	i->page = 0;
	r->row.source_new = 0;
	r->row.source_cost_micro = run_count(r, i->stage)->settled_micro;
}

bool source_step(struct engine *e, struct run *r, struct item *i, const struct stage *st)
{
	struct rounds_seen seen = what_is_seen(r, i, st->makes);
	struct rounds_next n = rounds_decide(&st->makes->rounds, &seen);

	r->root_waits = n.what == ROUNDS_WAIT;
	run_touch(r);
	switch (n.what) {
	case ROUNDS_WAIT:
		i->status = ITEM_WAITING;
		run_count(r, i->stage)->waiting++;
		item_write(e->txn, i);
		return true;
	case ROUNDS_HOLD: /* `run retry` decides anew */
		item_hold(e, r, i, n.why);
		return true;
	case ROUNDS_STOP: /* how many rounds it took stays to be seen */
		source_ended(e, i, n.why);
		i->page = 0;
		return false;
	case ROUNDS_ASK:
		begin_round(r, i, &n);
		break;
	default:
		break;
	}
	i->failures = i->doubts = i->gate_tries = 0;
	keep_ask(e, r, i, st, &n);
	run_queue(e, r, i);
	return true;
}

bool source_enter(struct engine *e, struct run *r, struct item *i, const struct stage *st)
{
	i->page = i->round = i->widened = 0;
	r->row.source_idle = 0;
	return source_step(e, r, i, st);
}

void source_answered(struct engine *e, struct run *r, struct item *i, const struct stage *st, const struct call *c, const struct answer *a, uint64_t made)
{
	r->row.source_new += made;
	if (!page_next(e, i, c, a)) {
		r->row.source_idle = r->row.source_new == 0 ? r->row.source_idle + 1 : 0;
	}
	if (stage_stops(e, r, i)) {
		return;
	}
	if (!source_step(e, r, i, st)) {
		stage_through(e, r, i);
	}
}

static bool on_asked(void *arg, const struct fact *f)
{
	bool *asked = arg, told = f->outcome == OUTCOME_OK || f->outcome == OUTCOME_EMPTY || f->outcome == OUTCOME_DUPLICATE;

	if (f->kind == FACT_ASK && f->n_fields > 0 && f->fields[0].name_len == 3 && memcmp(f->fields[0].name, "ask", 3) == 0) {
		*asked = true;
	} else if (f->kind == FACT_CALL && told) {
		*asked = false;
	}
	return true;
}

void source_resume(struct engine *e, struct run *r, struct item *i, const struct stage *st)
{
	bool asked = false;

	fact_walk(e->txn, i->run, i->number, on_asked, &asked);
	if (asked) {
		run_queue(e, r, i);
	} else if (!source_step(e, r, i, st)) {
		stage_through(e, r, i);
	}
}

void sources_step(struct engine *e)
{
	struct run *r, *next;

	HASH_ITER(hh, e->runs, r, next) {
		const struct stage *st;
		struct item i;

		if (!r->root_waits || !r->root_look || r->row.state != RUN_RUNNING) {
			continue;
		}
		r->root_look = false;
		if (!item_read(e->txn, r->id, ITEM_ROOT, &i) || i.status != ITEM_WAITING || (st = run_stage(r, i.stage)) == NULL || st->makes == NULL) {
			continue;
		}
		run_count(r, i.stage)->waiting--;
		if (!source_step(e, r, &i, st)) {
			stage_through(e, r, &i);
		}
		e->more = e->more || !r->root_waits;
		run_check_end(e, r);
	}
}

/* --- pages --- */

static const struct answer_field *field_of(const struct answer *a, const char *name)
{
	for (size_t i = 0; name != NULL && i < a->n_fields; i++) {
		if (strcmp(a->fields[i].name, name) == 0) {
			return &a->fields[i];
		}
	}
	return NULL;
}

/* How many elements the answer listed. */
static uint64_t count_list(const struct value *v)
{
	struct json_list l;
	const char *text;
	uint64_t n = 0;
	size_t len;

	if (v->kind != VALUE_JSON || !json_list_open(&l, v->text, v->len)) {
		return 0;
	}
	while (json_list_next(&l, &text, &len)) {
		n++;
	}
	return n;
}

/* How many entries were asked for: those of a page, or of one that fits what was wanted. */
static uint64_t asked_for(struct engine *e, const struct item *i, const struct paging *p)
{
	struct run *r = p->fit ? run_get(e, i->run) : NULL;
	unsigned size = p->size;
	char text[64] = "";
	struct value page;
	struct view v;

	if (r != NULL) {
		view_open(e, e->txn, r, i->number, &v);
		page = v.source.field(v.source.ctx, "page", 4);
		(void)snprintf(text, sizeof(text), "%.*s", page.kind == VALUE_JSON ? (int)page.len : 0, page.text != NULL ? page.text : "");
		size = sscanf(text, "{\"offset\":%*u,\"size\":%u}", &size) == 1 ? size : p->size;
	}
	return size;
}

static bool is_last_page(const struct paging *p, const struct answer *a, uint64_t listed, uint64_t asked, uint64_t next)
{
	const struct answer_field *total = field_of(a, p->total), *cursor = field_of(a, p->cursor);
	int64_t all;

	if (listed == 0 || (p->cursor != NULL && (cursor == NULL || value_is_blank(&cursor->value)))) {
		return true;
	}
	if (total != NULL && value_to_int(&total->value, &all)) {
		return next >= (uint64_t)(all > 0 ? all : 0);
	}
	return p->cursor == NULL && listed < asked;
}

bool page_next(struct engine *e, struct item *i, const struct call *c, const struct answer *a)
{
	const struct paging *p = c->call->paging;
	struct fact f = {.kind = FACT_ASK, .stage = i->stage, .step = i->step, .turn = e->turn, .wall_us = e->now.wall_us};
	const struct answer_field *items = p != NULL ? field_of(a, p->items) : NULL, *cursor;
	uint64_t listed = items != NULL ? count_list(&items->value) : 0, next = 0;
	struct buf out = {0};

	if (p != NULL) { /* of pages that fit, `page` is how far it has come */
		next = p->fit ? i->page + listed : (i->page + (uint64_t)1) * p->size;
	}

	if (p == NULL || is_last_page(p, a, listed, asked_for(e, i, p), next)) {
		i->page = 0;
		return false;
	}
	i->page = p->fit ? (uint32_t)next : i->page + 1;
	cursor = field_of(a, p->cursor);
	buf_printf(&out, "{\"number\":%u,\"offset\":%llu,\"size\":%u", i->page + 1, (unsigned long long)next, p->size);
	if (cursor != NULL) {
		buf_add_text(&out, ",\"cursor\":");
		value_write_json(&out, &cursor->value);
	}
	buf_add_char(&out, '}');
	if (out.failed) {
		abort();
	}
	f.fields[f.n_fields++] =
	    (struct fact_field){.name = "page", .name_len = 4, .value = {.kind = VALUE_JSON, .text = out.data, .len = (uint32_t)out.len}};
	fact_add(e->txn, i, &f);
	buf_free(&out);
	return true;
}
