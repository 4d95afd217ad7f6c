/* What a run brought and cost, counted in slices, for people (summary.txt) and machines (metrics.json). See export.h. */
#include "lib/engine/export.h"

#include "lib/base/ids.h"
#include "lib/base/money.h"
#include "lib/engine/call.h"
#include "lib/engine/lane.h"
#include "lib/engine/run.h"
#include "lib/engine/show.h"
#include "lib/engine/show_put.h"
#include "lib/engine/state.h"
#include "lib/store/names.h"

#include <stdio.h>

/* --- counted: reasons over the leads, the rest over the calls --- */

struct reason {
	char text[ITEM_REASON + 16];
	uint64_t count;
	int64_t spent_micro;
};

struct tally {
	struct reason list[64];
	size_t n;
	uint64_t other;
};

static void count_reason(struct tally *t, const struct item *i)
{
	char text[ITEM_REASON + 16];
	size_t k = 0;

	if (i->outcome == ITEM_OPEN || i->reason[0] == 0) {
		return;
	}
	(void)snprintf(text, sizeof(text), "%s: %s", item_outcome_word(i->outcome), i->reason);
	while (k < t->n && strcmp(t->list[k].text, text) != 0) {
		k++;
	}
	if (k == sizeof(t->list) / sizeof(t->list[0])) {
		t->other++;
		return;
	}
	if (k == t->n) {
		t->n++;
		memcpy(t->list[k].text, text, sizeof(text));
	}
	t->list[k].count++;
	t->list[k].spent_micro += i->spent_micro;
}

static int by_count(const void *a, const void *b)
{
	const struct reason *x = a, *y = b;

	return x->count > y->count ? -1 : x->count < y->count;
}

struct usage {
	uint64_t outcomes[OUTCOME_N], states[CALL_STATES];
	int64_t settled_micro, in_doubt_micro, refunded_micro;
	int64_t us;
	uint64_t timed;
};

/* A stage of the run: from its first call to its last answer, and how long its calls took together. */
struct phase {
	int64_t began_us, ended_us; /* wall; 0: never called */
	int64_t working_us;
};

struct report {
	struct engine *e;
	uint32_t run;
	bool calls;           /* the leads are counted */
	uint32_t item;        /* the last one */
	uint64_t call;        /* the next one */
	struct tally tally;
	struct usage *usage;  /* per lane */
	size_t n_usage;
	struct phase phases[RUN_STAGES];
};

struct count_arg {
	struct report *x;
	unsigned left;
	bool more;
};

static void count_phase(struct phase *ph, const struct call_row *c)
{
	int64_t end_us = c->granted_wall_us + (c->end_us > c->granted_us ? c->end_us - c->granted_us : 0);

	ph->began_us = ph->began_us == 0 || c->granted_wall_us < ph->began_us ? c->granted_wall_us : ph->began_us;
	ph->ended_us = end_us > ph->ended_us ? end_us : ph->ended_us;
	ph->working_us += c->sent_us != 0 && c->end_us > c->sent_us ? c->end_us - c->sent_us : 0;
}

/* A reload may bring services meanwhile. */
static struct usage *usage_of(struct report *x, size_t lane)
{
	if (lane >= x->n_usage) {
		struct usage *list = realloc(x->usage, (lane + 1) * sizeof(*list));

		if (list == NULL) {
			abort(); /* a report that lacks money would be a lie */
		}
		memset(list + x->n_usage, 0, (lane + 1 - x->n_usage) * sizeof(*list));
		x->usage = list;
		x->n_usage = lane + 1;
	}
	return &x->usage[lane];
}

static void count_call(struct report *x, struct usage *u, const struct call_row *c)
{
	struct call_part p;

	u->states[c->state]++;
	if (c->state < CALL_SETTLED) {
		return;
	}
	u->outcomes[c->outcome < OUTCOME_N ? c->outcome : 0]++;
	if (c->parts[0].run == x->run && c->parts[0].stage < RUN_STAGES) {
		count_phase(&x->phases[c->parts[0].stage], c);
	}
	for (struct part_walk w = call_parts(c); part_next(&w, &p);) {
		u->settled_micro += p.run == x->run && c->state == CALL_SETTLED ? p.settled_micro : 0;
		u->in_doubt_micro += p.run == x->run && c->state == CALL_IN_DOUBT ? p.settled_micro : 0;
		u->refunded_micro += p.run == x->run && c->state == CALL_REFUNDED ? p.reserved_micro : 0;
	}
	if (c->sent_us != 0 && c->end_us > c->sent_us) {
		u->us += c->end_us - c->sent_us;
		u->timed++;
	}
}

static bool on_call(void *arg, struct slice key, struct slice value)
{
	struct count_arg *a = arg;
	struct call_row c;
	struct lane *l;

	if (a->left-- == 0) {
		a->more = true;
		return false;
	}
	a->x->call = key_get_u64(key.data) + 1;
	if (call_decode(key, value, &c) && call_has(&c, a->x->run, 0, NULL) && (l = lane_by_number(a->x->e, c.service)) != NULL) {
		count_call(a->x, usage_of(a->x, l->index), &c);
	}
	return true;
}

static bool on_item(void *arg, struct slice key, struct slice value)
{
	struct count_arg *a = arg;
	struct item i;

	if (a->left-- == 0) {
		a->more = true;
		return false;
	}
	if (item_decode(key, value, &i)) {
		a->x->item = i.number;
		count_reason(&a->x->tally, &i);
	}
	return true;
}

struct report *report_new(struct engine *e, uint32_t run)
{
	struct run *r = run_get(e, run);
	struct report *x = r != NULL ? calloc(1, sizeof(*x)) : NULL;

	if (x != NULL) {
		*x = (struct report){.e = e, .run = run, .call = ids_next(0, r->row.created_us - US_PER_S)};
	}
	return x;
}

bool report_next(struct report *x, unsigned rows, struct lead_error *err)
{
	struct count_arg a = {.x = x, .left = rows};
	struct txn *t = NULL;

	if (txn_begin(x->e->store, false, &t, err) != 0) {
		return false;
	}
	if (!x->calls) {
		txn_walk(t, TABLE_STATE, item_key(x->run, x->item + 1), run_prefix(x->run), on_item, &a);
		x->calls = !a.more;
		a.more = true;
	} else {
		txn_walk(t, TABLE_CALL, key_u64(key_of(), x->call), key_of(), on_call, &a);
	}
	txn_abort(t);
	if (!a.more) {
		qsort(x->tally.list, x->tally.n, sizeof(x->tally.list[0]), by_count);
	}
	return a.more;
}

void report_free(struct report *x)
{
	if (x != NULL) {
		free(x->usage);
		free(x);
	}
}

static uint64_t usage_calls(const struct usage *u)
{
	uint64_t n = 0;

	for (int i = 0; i < CALL_STATES; i++) {
		n += u->states[i];
	}
	return n;
}

/* --- summary.txt --- */

static void write_times(struct buf *out, const struct run_row *row, struct now now)
{
	int64_t end = row->ended_us != 0 ? row->ended_us : now.wall_us;
	char text[32];

	time_write_local(row->started_us, text);
	buf_printf(out, "started   %s\n", text);
	if (row->ended_us != 0) {
		time_write_local(row->ended_us, text);
		buf_printf(out, "ended     %s\n", text);
	}
	duration_write(end - row->started_us, text);
	buf_printf(out, "took      %s\n\n", text);
}

static void write_counts(struct buf *out, const char *what, const uint64_t outcomes[ITEM_OUTCOMES])
{
	uint64_t sum = 0;

	for (int i = 0; i < ITEM_OUTCOMES; i++) {
		sum += outcomes[i];
	}
	buf_printf(out, "%-9s %llu\n", what, (unsigned long long)sum);
	for (int i = ITEM_READY; i < ITEM_OUTCOMES; i++) {
		if (outcomes[i] > 0) {
			buf_printf(out, "  %-12s %8llu\n", item_outcome_word((enum item_outcome)i), (unsigned long long)outcomes[i]);
		}
	}
	if (outcomes[ITEM_OPEN] > 0) {
		buf_printf(out, "  %-12s %8llu\n", "open", (unsigned long long)outcomes[ITEM_OPEN]);
	}
}

static void write_outcomes(struct buf *out, const struct run_row *row, const struct tally *t, const char *currency)
{
	if (row->company_columns.len > 0) {
		write_counts(out, "companies", row->companies);
	}
	write_counts(out, "leads", row->outcomes);
	if (t->n > 0) {
		buf_add_text(out, "\nwhy not\n");
	}
	for (size_t i = 0; i < t->n; i++) {
		char spent[32];

		money_write(t->list[i].spent_micro, spent);
		buf_printf(out, "  %8llu  %-44s spent on them %s %s\n", (unsigned long long)t->list[i].count, t->list[i].text, spent, currency);
	}
	if (t->other > 0) {
		buf_printf(out, "  %8llu  for other reasons\n", (unsigned long long)t->other);
	}
}

static void write_stages(struct buf *out, const struct run *r, const struct phase phases[RUN_STAGES])
{
	buf_printf(out, "\n%-16s %8s %8s %8s %8s %8s %9s %8s %10s\n", "stage", "calls", "ok", "empty", "rejected", "failed", "unchanged", "held", "took");
	for (size_t s = 0; s < r->row.n_stages; s++) {
		const struct stage_count *c = &r->row.stages[s].count;
		char took[32];

		if (c->calls > 0 || c->waiting > 0 || c->unchanged > 0) {
			duration_write(phases[s].ended_us - phases[s].began_us, took);
			buf_printf(out, "%-16s %8llu %8llu %8llu %8llu %8llu %9llu %8llu %10s\n", r->row.stages[s].name, (unsigned long long)c->calls,
			    (unsigned long long)c->ok, (unsigned long long)c->empty, (unsigned long long)c->rejected, (unsigned long long)c->failed, (unsigned long long)c->unchanged,
			    (unsigned long long)c->held, took);
		}
	}
}

static void write_services(struct buf *out, const struct report *x)
{
	buf_printf(out, "\n%-14s %8s %8s %9s %9s %12s %12s\n", "service", "calls", "mean", "failures", "in doubt", "settled", "in doubt");
	for (size_t i = 0; i < x->n_usage; i++) {
		const struct usage *u = &x->usage[i];
		char mean[32], settled[32], doubt[32];

		if (usage_calls(u) == 0) {
			continue;
		}
		duration_write(u->timed > 0 ? u->us / (int64_t)u->timed : 0, mean);
		money_write(u->settled_micro, settled);
		money_write(u->in_doubt_micro, doubt);
		buf_printf(out, "%-14s %8llu %8s %9llu %9llu %12s %12s\n", x->e->lanes[i]->name, (unsigned long long)usage_calls(u), mean,
		    (unsigned long long)(u->outcomes[OUTCOME_TRANSIENT] + u->outcomes[OUTCOME_UNSENT]),
		    (unsigned long long)u->states[CALL_IN_DOUBT], settled, doubt);
	}
}

void report_summary(struct report *x, struct txn *t, struct now now, struct buf *out)
{
	const char *currency = x->e->config->currency;
	struct run *r = run_get(x->e, x->run);
	struct balance b;
	char settled[32], doubt[32];

	buf_printf(out, "run %u of campaign %s: %s, %s\n", x->run, r->row.campaign, r->row.source, run_state_word(r->row.state));
	if (r->row.why[0] != 0) {
		buf_printf(out, "because   %s\n", r->row.why);
	}
	write_times(out, &r->row, now);
	write_outcomes(out, &r->row, &x->tally, currency);
	write_stages(out, r, x->phases);
	write_services(out, x);
	(void)account_read(t, (struct account_id){.kind = ACCOUNT_RUN, .owner = x->run}, &b);
	money_write(b.settled_micro, settled);
	money_write(b.in_doubt_micro, doubt);
	buf_printf(out, "\ncost      %s %s settled, %s in doubt\n", settled, currency, doubt);
}

/* --- metrics.json --- */

static struct json_object *phases_object(const struct run *r, const struct phase phases[RUN_STAGES])
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < r->row.n_stages; i++) {
		struct json_object *o = phases[i].began_us != 0 ? json_object_new_object() : NULL;

		if (o != NULL) {
			put_word(o, "stage", r->row.stages[i].name);
			put_wall(o, "began", phases[i].began_us);
			put_wall(o, "ended", phases[i].ended_us);
			put_int(o, "took_ms", (phases[i].ended_us - phases[i].began_us) / US_PER_MS);
			put_int(o, "working_ms", phases[i].working_us / US_PER_MS);
			json_object_array_add(list, o);
		}
	}
	return list;
}

static struct json_object *usage_object(const struct lane *l, const struct usage *u)
{
	struct json_object *o = json_object_new_object(), *outcomes = json_object_new_object(), *states = json_object_new_object();

	put_word(o, "service", l->name);
	put_int(o, "calls", (int64_t)usage_calls(u));
	for (int i = 0; i < OUTCOME_N; i++) {
		if (u->outcomes[i] > 0) {
			put_int(outcomes, outcome_word((enum outcome_class)i), (int64_t)u->outcomes[i]);
		}
	}
	for (int i = 0; i < CALL_STATES; i++) {
		put_int(states, call_state_word((enum call_state)i), (int64_t)u->states[i]);
	}
	json_object_object_add(o, "outcomes", outcomes);
	json_object_object_add(o, "states", states);
	put_int(o, "settled_micro", u->settled_micro);
	put_int(o, "in_doubt_micro", u->in_doubt_micro);
	put_int(o, "refunded_micro", u->refunded_micro);
	put_int(o, "mean_ms", u->timed > 0 ? u->us / (int64_t)u->timed / US_PER_MS : 0);
	return o;
}

struct json_object *report_metrics(struct report *x, struct txn *t, struct now now)
{
	struct run *r = run_get(x->e, x->run);
	struct json_object *o = show_run(x->e, t, x->run, now);
	struct json_object *reasons = json_object_new_object(), *services = json_object_new_array();

	for (size_t i = 0; i < x->tally.n; i++) {
		put_int(reasons, x->tally.list[i].text, (int64_t)x->tally.list[i].count);
	}
	for (size_t i = 0; i < x->n_usage; i++) {
		if (usage_calls(&x->usage[i]) > 0) {
			json_object_array_add(services, usage_object(x->e->lanes[i], &x->usage[i]));
		}
	}
	json_object_object_add(o, "phases", phases_object(r, x->phases));
	put_int(o, "took_ms", ((r->row.ended_us != 0 ? r->row.ended_us : now.wall_us) - r->row.started_us) / US_PER_MS);
	json_object_object_add(o, "reasons", reasons);
	json_object_object_add(o, "services", services);
	return o;
}
