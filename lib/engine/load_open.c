/*
 * The calls that the ledger has open. After a start nobody knows what became of them: each is an outcome in doubt that the first turn
 * settles. After a failed commit they are under way as before. See load.c.
 */
#include "lib/engine/load_parts.h"

#include "lib/engine/call/answers.h"
#include "lib/engine/call/busy.h"
#include "lib/engine/call/call.h"
#include "lib/engine/call/job.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"
#include "lib/store/names.h"

struct open_calls {
	struct engine *e;
	uint64_t *ids;
	size_t n, cap;
};

static bool on_open(void *arg, struct slice key, struct slice value)
{
	struct open_calls *o = arg;

	(void)value;
	if (o->n == o->cap) {
		size_t cap = o->cap * 2 + 64;
		uint64_t *ids = realloc(o->ids, cap * sizeof(*ids));

		if (ids == NULL) {
			return false;
		}
		o->ids = ids;
		o->cap = cap;
	}
	o->ids[o->n++] = key_get_u64(key.data);
	return true;
}

static void count_in_flight(struct engine *e, const struct call_row *row)
{
	struct call_part p;
	struct item i;

	for (struct part_walk w = call_parts(row); row->polls == 0 && part_next(&w, &p);) {
		struct run *r = run_get(e, p.run);

		if (r != NULL) {
			r->in_flight[p.stage < RUN_STAGES ? p.stage : 0]++;
			r->in_flight_total++;
			if (r->has_columns[LEVEL_COMPANY] && item_read(e->txn, p.run, p.number, &i)) {
				busy_enter(r, i.parent, i.stage);
			}
		}
	}
}

/* A call found open after a restart: the item is in flight until the first turn says what became of it. */
static void adopt(struct engine *e, const struct call_row *row)
{
	struct lane *l = lane_by_number(e, row->service);
	struct call *c = calloc(1, sizeof(*c));
	struct outcome *o = calloc(1, sizeof(*o));
	struct http_answer h = {.transport = TRANSPORT_BROKEN, .why = "restarted", .end_us = 0};
	int index;

	l = l != NULL ? l : lane_new(e, names_text(e->names, NAME_SERVICE, row->service)); /* gone from the configuration */
	if (c == NULL || o == NULL || l == NULL) {
		abort();
	}
	l->number = row->service;
	index = l->def != NULL ? load_call_index(l, row->endpoint) : -1;
	c->id = row->id;
	c->row = *row;
	if (!call_unpack(&c->row)) {
		abort();
	}
	c->row.sent_us = row->granted_us; /* possibly; so it stays in its windows if we are killed again */
	c->row.late_us = row->granted_us + load_age_us(e, row, row->granted_us) + (l->def != NULL ? l->def->margin_us : 0);
	c->lane = l;
	c->def = l->def != NULL ? service_ref(l->def) : NULL;
	c->call = index >= 0 ? &l->def->calls[index] : NULL;
	c->ended = c->restarted = true;
	HASH_ADD(hh, e->calls, id, sizeof(c->id), c);
	job_reload(e, c);
	if (row->state == CALL_SENT) { /* known when */
		c->row.sent_us = row->sent_us;
		c->row.late_us = row->late_us;
		c->row.state = CALL_RESERVED;
	}
	count_in_flight(e, &c->row);
	if (job_adopt(e, c)) {
		free(o);
		return;
	}
	o->call = c;
	answers_gather(e, o, &h, NULL);
	if (c->call == NULL || answer_read(c->def, c->call, &h, e->now, &o->arena, &o->answer) != 0) {
		o->answer = (struct answer){.outcome = OUTCOME_IN_DOUBT, .reason = "restarted"};
	}
	*e->outcomes_end = o;
	e->outcomes_end = &o->next;
}

/* A call under way: whatever a turn that failed made of its row. */
static void restore(struct engine *e, struct call *c)
{
	struct call_row row;

	if (call_read(e->txn, c->id, &row) && row.n_parts != c->row.n_parts) {
		free(c->row.more);
		c->row.more = NULL;
		c->row.n_parts = row.n_parts;
		if (!call_unpack(&row)) {
			abort();
		}
		c->row.more = row.more;
	}
	c->row.state = CALL_RESERVED;
	count_in_flight(e, &c->row);
}

int load_open(struct engine *e, struct lead_error *err)
{
	struct open_calls o = {.e = e};
	struct call *c;

	jobs_unload(e);
	txn_walk(e->txn, TABLE_OPEN, key_of(), key_of(), on_open, &o);
	for (size_t i = 0; i < o.n; i++) {
		struct call_row row;

		HASH_FIND(hh, e->calls, &o.ids[i], sizeof(o.ids[i]), c);
		if (c != NULL) {
			restore(e, c);
			job_reload(e, c);
		} else if (call_read(e->txn, o.ids[i], &row)) {
			adopt(e, &row);
		}
	}
	free(o.ids);
	return txn_error(e->txn) != 0 ? lead_fail(err, txn_error(e->txn), "cannot read the open calls") : 0;
}
