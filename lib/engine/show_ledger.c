/* The ledger as JSON: rows, sums, and the audit of the limits that counts every window again. See show.h. */
#include "lib/engine/show.h"
#include "lib/engine/show_put.h"
#include "lib/engine/state.h"

#define LOOK_AT_MOST 50000

static struct json_object *call_object(struct engine *e, const struct call_row *row)
{
	struct json_object *o = json_object_new_object(), *parts = json_object_new_array();
	struct call *live = NULL;
	int64_t offset = row->granted_wall_us - row->granted_us;
	struct call_row c = *row;

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
	put_int(o, "reserved_micro", c.parts[0].reserved_micro);
	put_int(o, "settled_micro", c.parts[0].settled_micro);
	put_wall(o, "granted", c.granted_wall_us);
	put_wall(o, "sent", c.sent_us != 0 ? c.sent_us + offset : 0);
	put_wall(o, "answered", c.end_us != 0 ? c.end_us + offset : 0);
	put_int(o, "http_status", c.http_status);
	for (size_t i = 0; i < c.n_parts; i++) {
		struct run *r = run_get(e, c.parts[i].run);
		struct json_object *p = json_object_new_object();

		put_int(p, "run", c.parts[i].run);
		put_int(p, "lead", c.parts[i].number);
		put_text(p, "stage", r != NULL && c.parts[i].stage < r->row.n_stages ? r->row.stages[c.parts[i].stage].name : NULL);
		put_int(p, "reserved_micro", c.parts[i].reserved_micro);
		put_int(p, "settled_micro", c.parts[i].settled_micro);
		json_object_array_add(parts, p);
	}
	json_object_object_add(o, "parts", parts);
	return o;
}

struct ledger_arg {
	struct engine *e;
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

	if (a->n == a->f->limit || a->looked++ == LOOK_AT_MOST) {
		a->more = true;
		return false;
	}
	if (!call_decode(key, value, &c)) {
		return true;
	}
	a->last = c.id;
	if ((a->f->run == 0 || c.parts[0].run == a->f->run) && (a->f->states == 0 || (a->f->states >> c.state & 1) != 0) &&
	    (a->f->service == NULL || strcmp(a->f->service, names_text(a->e->names, NAME_SERVICE, c.service)) == 0)) {
		json_object_array_add(a->items, call_object(a->e, &c));
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
	struct ledger_arg a = {.e = e, .f = f};
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

/* --- audit --- */

/* Late ends of the calls that count in one window, newest first, as they come from the walk. */
struct audit_arg {
	struct engine *e;
	struct lane *lane;
	size_t group;        /* of keys that share the allowance; SIZE_MAX: all of them */
	uint32_t calls;
	int64_t oldest_wall_us;
	int64_t *at;         /* wall time of arrival: the early end, when its first byte left */
	size_t n, cap;
};

static bool in_group(const struct lane *l, size_t group, uint16_t key)
{
	for (size_t k = 0; k < l->def->n_keys; k++) {
		if (l->def->keys[k].group_index == group && l->keys[k].number == key) {
			return true;
		}
	}
	return group == SIZE_MAX;
}

static bool on_audit(void *arg, struct slice key, struct slice value)
{
	struct audit_arg *a = arg;
	struct call_row c;

	if (!call_decode(key, value, &c)) {
		return true;
	}
	if (c.granted_wall_us < a->oldest_wall_us) {
		return false;
	}
	if (c.service != a->lane->number || c.sent_us == 0 || !in_group(a->lane, a->group, c.key)) {
		return true;
	}
	for (size_t i = 0; i < a->lane->def->n_calls; i++) {
		if (a->lane->endpoints[i] == c.endpoint && (a->calls >> i & 1) == 0) {
			return true;
		}
	}
	if (a->n == a->cap) {
		size_t cap = a->cap * 2 + 1024;
		int64_t *at = realloc(a->at, cap * sizeof(*at));

		if (at == NULL) {
			return false;
		}
		a->at = at;
		a->cap = cap;
	}
	a->at[a->n++] = c.granted_wall_us + (c.sent_us - c.granted_us);
	return true;
}

static int by_time(const void *x, const void *y)
{
	int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;

	return a < b ? -1 : a > b;
}

static int64_t window_start(const struct window_spec *w, int64_t at_us)
{
	int64_t start, next;

	if (w->kind == WINDOW_SLIDING) {
		return at_us - w->length_us + 1;
	}
	if (w->kind == WINDOW_DAY) {
		zone_day(w->zone, at_us, &start, &next);
	} else {
		zone_month(w->zone, at_us, &start, &next);
	}
	return start;
}

static void audit_window(const struct audit_arg *a, const struct window_spec *w, struct json_object *o)
{
	size_t first = 0, worst = 0;
	int64_t worst_us = 0;

	for (size_t i = 0; i < a->n; i++) {
		int64_t start = window_start(w, a->at[i]);

		while (a->at[first] < start) {
			first++;
		}
		if (i - first + 1 > worst) {
			worst = i - first + 1;
			worst_us = a->at[i];
		}
	}
	put_int(o, "max", (int64_t)w->max);
	put_int(o, "worst", (int64_t)worst);
	put_wall(o, "at", worst_us);
	put_bool(o, "ok", worst <= w->max);
	put_int(o, "calls", (int64_t)a->n);
}

static void audit_limit(struct engine *e, struct txn *t, struct lane *l, size_t i, size_t group, int64_t oldest, struct json_object *items)
{
	const struct service_limit *def = &l->def->limits[i];
	struct audit_arg a = {.e = e, .lane = l, .calls = def->calls, .oldest_wall_us = oldest, .group = SIZE_MAX};
	const char *name = NULL;

	for (size_t k = 0; def->scope == LIMIT_PER_KEY && l->def->n_groups > 1 && k < l->def->n_keys; k++) {
		if (l->def->keys[k].group_index == group) {
			a.group = group;
			name = l->def->keys[k].group;
		}
	}
	txn_walk_back(t, TABLE_CALL, key_u64(key_of(), UINT64_MAX), key_of(), on_audit, &a);
	if (a.n > 0) {
		qsort(a.at, a.n, sizeof(*a.at), by_time);
	}
	for (size_t w = 0; w < def->n_windows; w++) {
		struct json_object *o = json_object_new_object();
		char text[48];

		window_write(&def->windows[w], text);
		put_word(o, "service", l->name);
		put_text(o, "key", name);
		put_word(o, "limit", def->label);
		put_word(o, "window", text);
		audit_window(&a, &def->windows[w], o);
		json_object_array_add(items, o);
	}
	free(a.at);
}

struct json_object *show_audit(struct engine *e, struct txn *t, int64_t since_us, struct now now)
{
	struct json_object *o = json_object_new_object(), *items = json_object_new_array();

	for (size_t i = 0; i < e->n_lanes; i++) {
		struct lane *l = e->lanes[i];

		for (size_t k = 0; l->def != NULL && k < l->def->n_limits; k++) {
			size_t groups = l->def->limits[k].scope == LIMIT_PER_KEY ? l->def->n_groups : 1;

			for (size_t g = 0; g < groups; g++) {
				audit_limit(e, t, l, k, g, now.wall_us - since_us, items);
			}
		}
	}
	json_object_object_add(o, "items", items);
	return o;
}
