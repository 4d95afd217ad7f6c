/* See audit.h. One walk down the ledger sorts each call into the limits that it counts in; the windows are counted at the end. */
#include "lib/engine/show/audit.h"

#include "lib/engine/call/lane.h"
#include "lib/engine/show/show_put.h"
#include "lib/engine/state.h"
#include "lib/store/ledger.h"

/* One limit of one allowance, and the times of the calls that count in it: when their first bytes left. */
struct counted {
	struct service *def;     /* counted: outlives a reload */
	const struct service_limit *limit;
	const char *key;         /* the group's name; NULL: all keys together */
	uint16_t service;
	uint16_t endpoints[32];
	uint16_t keys[256];      /* that share it; n_keys 0: all */
	size_t n_keys;
	int64_t *at;             /* wall */
	size_t n, cap;
};

struct audit {
	struct engine *e;
	int64_t oldest_wall_us;
	uint64_t cursor;         /* call id: those below are yet to be looked at */
	struct counted *list;
	size_t n;
	bool failed;
};

/* --- the limits there are --- */

static void add_limit(struct audit *a, const struct lane *l, size_t i, size_t group)
{
	struct counted *c = &a->list[a->n++];
	bool one = l->def->limits[i].scope == LIMIT_PER_KEY && l->def->n_groups > 1;

	*c = (struct counted){.def = service_ref(l->def), .limit = &l->def->limits[i], .service = l->number};
	memcpy(c->endpoints, l->endpoints, sizeof(c->endpoints));
	for (size_t k = 0; one && k < l->def->n_keys; k++) {
		if (l->def->keys[k].group_index == group && c->n_keys < sizeof(c->keys) / sizeof(c->keys[0])) {
			c->key = l->def->keys[k].group;
			c->keys[c->n_keys++] = l->keys[k].number;
		}
	}
}

static size_t groups_of(const struct lane *l, size_t i)
{
	return l->def->limits[i].scope == LIMIT_PER_KEY ? l->def->n_groups : 1;
}

struct audit *audit_new(struct engine *e, int64_t since_us, struct now now)
{
	struct audit *a = calloc(1, sizeof(*a));
	size_t n = 0;

	for (size_t i = 0; i < e->n_lanes; i++) {
		for (size_t k = 0; e->lanes[i]->def != NULL && k < e->lanes[i]->def->n_limits; k++) {
			n += groups_of(e->lanes[i], k);
		}
	}
	if (a == NULL || (a->list = calloc(n + 1, sizeof(*a->list))) == NULL) {
		free(a);
		return NULL;
	}
	a->e = e;
	a->oldest_wall_us = now.wall_us - since_us;
	a->cursor = UINT64_MAX;
	for (size_t i = 0; i < e->n_lanes; i++) {
		for (size_t k = 0; e->lanes[i]->def != NULL && k < e->lanes[i]->def->n_limits; k++) {
			for (size_t g = 0; g < groups_of(e->lanes[i], k); g++) {
				add_limit(a, e->lanes[i], k, g);
			}
		}
	}
	return a;
}

void audit_free(struct audit *a)
{
	for (size_t i = 0; a != NULL && i < a->n; i++) {
		service_unref(a->list[i].def);
		free(a->list[i].at);
	}
	if (a != NULL) {
		free(a->list);
	}
	free(a);
}

/* --- the calls --- */

static bool counts_in(const struct counted *c, const struct call_row *row)
{
	bool key = c->n_keys == 0;

	if (c->service != row->service) {
		return false;
	}
	for (size_t k = 0; k < c->n_keys; k++) {
		key = key || c->keys[k] == row->key;
	}
	for (size_t i = 0; key && i < c->def->n_calls; i++) {
		if (c->endpoints[i] == row->endpoint && (c->limit->calls >> i & 1) == 0) {
			return false;
		}
	}
	return key;
}

static bool add_time(struct counted *c, int64_t at)
{
	if (c->n == c->cap) {
		size_t cap = c->cap * 2 + 1024;
		int64_t *list = realloc(c->at, cap * sizeof(*list));

		if (list == NULL) {
			return false;
		}
		c->at = list;
		c->cap = cap;
	}
	c->at[c->n++] = at;
	return true;
}

struct slice_arg {
	struct audit *a;
	unsigned left;
	bool more;
};

static bool on_call(void *arg, struct slice key, struct slice value)
{
	struct slice_arg *s = arg;
	struct call_row row;

	if (s->left-- == 0) {
		s->more = true;
		return false;
	}
	s->a->cursor = key_get_u64(key.data);
	if (!call_decode(key, value, &row)) {
		return true;
	}
	if (row.granted_wall_us < s->a->oldest_wall_us) {
		return false;
	}
	for (size_t i = 0; row.sent_us != 0 && i < s->a->n; i++) {
		if (counts_in(&s->a->list[i], &row) && !add_time(&s->a->list[i], row.granted_wall_us + (row.sent_us - row.granted_us))) {
			s->a->failed = true;
			return false;
		}
	}
	return true;
}

bool audit_next(struct audit *a, unsigned rows, struct lead_error *err)
{
	struct slice_arg s = {.a = a, .left = rows};
	struct txn *t = NULL;

	if (a->cursor == 0 || txn_begin(a->e->store, false, &t, err) != 0) {
		return false;
	}
	txn_walk_back(t, TABLE_CALL, key_u64(key_of(), a->cursor == UINT64_MAX ? a->cursor : a->cursor - 1), key_of(), on_call, &s);
	txn_abort(t);
	if (a->failed) {
		(void)lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	return s.more && !a->failed;
}

/* --- the windows --- */

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

static void put_window(const struct counted *c, const struct window_spec *w, struct json_object *o)
{
	size_t first = 0, worst = 0;
	int64_t worst_us = 0;

	for (size_t i = 0; i < c->n; i++) {
		int64_t start = window_start(w, c->at[i]);

		while (c->at[first] < start) {
			first++;
		}
		if (i - first + 1 > worst) {
			worst = i - first + 1;
			worst_us = c->at[i];
		}
	}
	put_int(o, "max", (int64_t)w->max);
	put_int(o, "worst", (int64_t)worst);
	put_wall(o, "at", worst_us);
	put_bool(o, "ok", worst <= w->max);
	put_int(o, "calls", (int64_t)c->n);
}

static void reverse(struct counted *c)
{
	for (size_t i = 0; i < c->n / 2; i++) {
		int64_t at = c->at[i];

		c->at[i] = c->at[c->n - 1 - i];
		c->at[c->n - 1 - i] = at;
	}
}

static bool is_sorted(const struct counted *c)
{
	for (size_t i = 1; i < c->n; i++) {
		if (c->at[i] < c->at[i - 1]) {
			return false;
		}
	}
	return true;
}

struct json_object *audit_json(struct audit *a)
{
	struct json_object *o = json_object_new_object(), *items = json_object_new_array();

	for (size_t i = 0; i < a->n; i++) {
		struct counted *c = &a->list[i];

		reverse(c); /* they came newest first */
		if (!is_sorted(c)) {
			qsort(c->at, c->n, sizeof(*c->at), by_time);
		}
		for (size_t w = 0; w < c->limit->n_windows; w++) {
			struct json_object *one = json_object_new_object();
			char text[48];

			window_write(&c->limit->windows[w], text);
			put_word(one, "service", c->def->name);
			put_text(one, "key", c->key);
			put_word(one, "limit", c->limit->label);
			put_word(one, "window", text);
			put_window(c, &c->limit->windows[w], one);
			json_object_array_add(items, one);
		}
	}
	json_object_object_add(o, "items", items);
	return o;
}
