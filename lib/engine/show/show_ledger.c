/* The ledger as JSON: rows and sums. See show.h. */
#include "lib/engine/show/show.h"

#include "lib/engine/call/call.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/run/run.h"
#include "lib/engine/show/show_job.h"
#include "lib/engine/show/show_put.h"
#include "lib/engine/state.h"
#include "lib/store/names.h"

#define CALLS_MOST 500
#define LOOK_AT_MOST 20000 /* some 6 ms, as CALLS_MOST takes; a page may be short, or empty, and have a next one */

static struct json_object *call_object(struct engine *e, struct txn *t, const struct call_row *row)
{
	struct json_object *o = json_object_new_object(), *parts = json_object_new_array();
	struct call *live = NULL;
	int64_t offset = row->granted_wall_us - row->granted_us;
	struct call_row c = *row;
	struct call_part part;

	HASH_FIND(hh, e->calls, &row->id, sizeof(row->id), live);
	if (live != NULL && row->state == CALL_RESERVED && live->row.sent_us != 0) {
		c.state = CALL_SENT;
		c.sent_us = live->row.sent_us;
	}
	put_call_id(o, "call", c.id);
	put_word(o, "service", names_text(e->names, NAME_SERVICE, c.service));
	put_word(o, "endpoint", names_text(e->names, NAME_ENDPOINT, c.endpoint));
	put_word(o, "key", names_text(e->names, NAME_KEY, c.key));
	put_word(o, "state", call_state_word(c.state));
	put_text(o, "outcome", c.state >= CALL_SETTLED ? outcome_word((enum outcome_class)c.outcome) : NULL);
	put_text(o, "reason", c.reason);
	put_int(o, "reserved_micro", c.state <= CALL_SENT || c.kind == CALL_BATCH ? call_reserved(&c) : c.parts[0].reserved_micro);
	put_int(o, "settled_micro", call_settled(&c));
	put_wall(o, "granted", c.granted_wall_us);
	put_wall(o, "sent", c.sent_us != 0 ? c.sent_us + offset : 0);
	put_wall(o, "answered", c.end_us != 0 ? c.end_us + offset : 0);
	put_int(o, "http_status", c.http_status);
	put_text(o, "together", c.kind == CALL_BATCH ? "batch" : c.n_parts > 1 ? "shared" : NULL);
	for (struct part_walk w = call_parts(&c); part_next(&w, &part);) {
		struct run *r = run_get(e, part.run);
		struct json_object *p = json_object_new_object();

		put_int(p, "run", part.run);
		json_object_object_add(p, "lead", part.number == ITEM_ROOT ? NULL : json_object_new_int64(part.number));
		put_text(p, "stage", r != NULL && part.stage < r->row.n_stages ? r->row.stages[part.stage].name : NULL);
		put_int(p, "reserved_micro", part.reserved_micro);
		put_int(p, "settled_micro", part.settled_micro);
		json_object_array_add(parts, p);
	}
	json_object_object_add(o, "parts", parts);
	json_object_object_add(o, "job", job_object(e, t, c.id));
	put_call_id(o, "polls", c.polls);
	return o;
}

struct ledger_arg {
	struct engine *e;
	struct txn *t;
	const struct call_filter *f;
	struct json_object *items;
	unsigned n, looked;
	uint64_t last;
	bool more;
};

static bool on_call(void *arg, struct slice key, struct slice value)
{
	struct ledger_arg *a = arg;
	struct call_row c;

	if (a->n == a->f->limit || a->n == CALLS_MOST || a->looked++ == LOOK_AT_MOST) {
		a->more = true;
		return false;
	}
	if (!call_decode(key, value, &c)) {
		return true;
	}
	a->last = c.id;
	if ((a->f->run == 0 || call_has(&c, a->f->run, 0, NULL)) && (a->f->states == 0 || (a->f->states >> c.state & 1) != 0) &&
	    (a->f->service == NULL || strcmp(a->f->service, names_text(a->e->names, NAME_SERVICE, c.service)) == 0)) {
		json_object_array_add(a->items, call_object(a->e, a->t, &c));
		a->n++;
	}
	return true;
}

bool show_service_known(struct engine *e, const char *name)
{
	for (uint16_t n = 1; n < UINT16_MAX && strcmp(names_text(e->names, NAME_SERVICE, n), "?") != 0; n++) {
		if (strcmp(names_text(e->names, NAME_SERVICE, n), name) == 0) {
			return true;
		}
	}
	return false;
}

struct json_object *show_ledger(struct engine *e, struct txn *t, const struct call_filter *f)
{
	struct ledger_arg a = {.e = e, .t = t, .f = f};
	struct json_object *o = json_object_new_object();
	struct key from = key_u64(key_of(), f->before != 0 ? f->before - 1 : UINT64_MAX);

	a.items = json_object_new_array();
	txn_walk_back(t, TABLE_CALL, from, key_of(), on_call, &a);
	json_object_object_add(o, "items", a.items);
	if (a.more) {
		put_call_id(o, "next", a.last);
	} else {
		json_object_object_add(o, "next", NULL);
	}
	return o;
}

static void put_balance(struct json_object *o, const struct balance *b)
{
	struct json_object *calls = json_object_new_object();

	put_int(o, "settled_micro", b->settled_micro);
	put_int(o, "reserved_micro", b->reserved_micro);
	put_int(o, "in_doubt_micro", b->in_doubt_micro);
	put_int(o, "refunded_micro", b->refunded_micro);
	for (int i = 0; i < CALL_STATES; i++) {
		if (i != CALL_SENT) {
			put_int(calls, call_state_word((enum call_state)i), (int64_t)b->calls[i]);
		}
	}
	json_object_object_add(o, "calls", calls);
}

struct json_object *show_ledger_summary(struct engine *e, struct txn *t, uint32_t run)
{
	struct json_object *o = json_object_new_object(), *services = json_object_new_array();
	struct balance b, sum = {0};

	for (size_t i = 0; i < e->n_lanes; i++) {
		struct json_object *s = json_object_new_object();

		(void)account_read(t, (struct account_id){.kind = ACCOUNT_SERVICE, .owner = e->lanes[i]->number}, &b);
		put_word(s, "service", e->lanes[i]->name);
		put_balance(s, &b);
		json_object_array_add(services, s);
		sum.settled_micro += b.settled_micro;
		sum.reserved_micro += b.reserved_micro;
		sum.in_doubt_micro += b.in_doubt_micro;
		sum.refunded_micro += b.refunded_micro;
		for (int k = 0; k < CALL_STATES; k++) {
			sum.calls[k] += b.calls[k];
		}
	}
	if (run != 0) {
		json_object_put(services);
		services = NULL;
		(void)account_read(t, (struct account_id){.kind = ACCOUNT_RUN, .owner = run}, &sum);
	}
	put_balance(o, &sum);
	put_word(o, "currency", e->config->currency);
	json_object_object_add(o, "services", services != NULL ? services : json_object_new_array());
	return o;
}
