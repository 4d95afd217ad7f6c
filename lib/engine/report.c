/* What a run brought and cost, for people (summary.txt) and machines (metrics.json), and its log. See export.h. */
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

/* --- counted over the items: reasons, and the ledger rows per service --- */

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

static bool on_reason(void *arg, struct slice key, struct slice value)
{
	struct tally *t = arg;
	char text[ITEM_REASON + 16];
	struct item i;
	size_t k = 0;

	if (!item_decode(key, value, &i) || i.outcome == ITEM_OPEN || i.reason[0] == 0) {
		return true;
	}
	(void)snprintf(text, sizeof(text), "%s: %s", item_outcome_word(i.outcome), i.reason);
	while (k < t->n && strcmp(t->list[k].text, text) != 0) {
		k++;
	}
	if (k == sizeof(t->list) / sizeof(t->list[0])) {
		t->other++;
		return true;
	}
	if (k == t->n) {
		t->n++;
		memcpy(t->list[k].text, text, sizeof(text));
	}
	t->list[k].count++;
	t->list[k].spent_micro += i.spent_micro;
	return true;
}

static int by_count(const void *a, const void *b)
{
	const struct reason *x = a, *y = b;

	return x->count > y->count ? -1 : x->count < y->count;
}

static void count_reasons(struct txn *t, uint32_t run, struct tally *ret)
{
	memset(ret, 0, sizeof(*ret));
	txn_walk(t, TABLE_STATE, run_prefix(run), run_prefix(run), on_reason, ret);
	qsort(ret->list, ret->n, sizeof(ret->list[0]), by_count);
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

struct usage_arg {
	struct engine *e;
	uint32_t run;
	struct usage *list;   /* per lane */
	struct phase *phases; /* per stage of the run */
};

static void count_phase(struct phase *ph, const struct call_row *c)
{
	int64_t end_us = c->granted_wall_us + (c->end_us > c->granted_us ? c->end_us - c->granted_us : 0);

	ph->began_us = ph->began_us == 0 || c->granted_wall_us < ph->began_us ? c->granted_wall_us : ph->began_us;
	ph->ended_us = end_us > ph->ended_us ? end_us : ph->ended_us;
	ph->working_us += c->sent_us != 0 && c->end_us > c->sent_us ? c->end_us - c->sent_us : 0;
}

static bool on_call(void *arg, struct slice key, struct slice value)
{
	struct usage_arg *a = arg;
	struct call_row c;
	struct call_part p;
	struct lane *l;
	struct usage *u;

	if (!call_decode(key, value, &c) || !call_has(&c, a->run, 0, NULL) || (l = lane_by_number(a->e, c.service)) == NULL) {
		return true;
	}
	u = &a->list[l->index];
	u->states[c.state]++;
	if (c.state < CALL_SETTLED) {
		return true;
	}
	u->outcomes[c.outcome < OUTCOME_N ? c.outcome : 0]++;
	if (c.parts[0].run == a->run && c.parts[0].stage < RUN_STAGES) {
		count_phase(&a->phases[c.parts[0].stage], &c);
	}
	for (struct part_walk w = call_parts(&c); part_next(&w, &p);) {
		u->settled_micro += p.run == a->run && c.state == CALL_SETTLED ? p.settled_micro : 0;
		u->in_doubt_micro += p.run == a->run && c.state == CALL_IN_DOUBT ? p.settled_micro : 0;
		u->refunded_micro += p.run == a->run && c.state == CALL_REFUNDED ? p.reserved_micro : 0;
	}
	if (c.sent_us != 0 && c.end_us > c.sent_us) {
		u->us += c.end_us - c.sent_us;
		u->timed++;
	}
	return true;
}

static struct usage *count_usage(struct engine *e, struct txn *t, const struct run *r, struct phase phases[RUN_STAGES])
{
	struct usage_arg a = {.e = e, .run = r->id, .phases = phases};
	struct key from = key_u64(key_of(), ids_next(0, r->row.created_us - US_PER_S));

	a.list = calloc(e->n_lanes + 1, sizeof(*a.list));
	if (a.list != NULL) {
		txn_walk(t, TABLE_CALL, from, key_of(), on_call, &a);
	}
	return a.list;
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

static void write_services(struct buf *out, struct engine *e, const struct usage *list)
{
	buf_printf(out, "\n%-14s %8s %8s %9s %9s %12s %12s\n", "service", "calls", "mean", "failures", "in doubt", "settled", "in doubt");
	for (size_t i = 0; i < e->n_lanes; i++) {
		const struct usage *u = &list[i];
		char mean[32], settled[32], doubt[32];

		if (usage_calls(u) == 0) {
			continue;
		}
		duration_write(u->timed > 0 ? u->us / (int64_t)u->timed : 0, mean);
		money_write(u->settled_micro, settled);
		money_write(u->in_doubt_micro, doubt);
		buf_printf(out, "%-14s %8llu %8s %9llu %9llu %12s %12s\n", e->lanes[i]->name, (unsigned long long)usage_calls(u), mean,
		    (unsigned long long)(u->outcomes[OUTCOME_TRANSIENT] + u->outcomes[OUTCOME_UNSENT]),
		    (unsigned long long)u->states[CALL_IN_DOUBT], settled, doubt);
	}
}

void report_summary(struct engine *e, struct txn *t, uint32_t run, struct now now, struct buf *out)
{
	struct run *r = run_get(e, run);
	struct tally *tally = calloc(1, sizeof(*tally));
	struct phase phases[RUN_STAGES] = {0};
	struct usage *usage = r != NULL ? count_usage(e, t, r, phases) : NULL;
	struct balance b;
	char settled[32], doubt[32];

	if (usage != NULL && tally != NULL) {
		count_reasons(t, run, tally);
		buf_printf(out, "run %u of campaign %s: %s, %s\n", run, r->row.campaign, r->row.source, run_state_word(r->row.state));
		if (r->row.why[0] != 0) {
			buf_printf(out, "because   %s\n", r->row.why);
		}
		write_times(out, &r->row, now);
		write_outcomes(out, &r->row, tally, e->config->currency);
		write_stages(out, r, phases);
		write_services(out, e, usage);
		(void)account_read(t, (struct account_id){.kind = ACCOUNT_RUN, .owner = run}, &b);
		money_write(b.settled_micro, settled);
		money_write(b.in_doubt_micro, doubt);
		buf_printf(out, "\ncost      %s %s settled, %s in doubt\n", settled, e->config->currency, doubt);
	}
	free(tally);
	free(usage);
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

struct json_object *report_metrics(struct engine *e, struct txn *t, uint32_t run, struct now now)
{
	struct run *r = run_get(e, run);
	struct json_object *o = show_run(e, t, run, now);
	struct tally *tally = calloc(1, sizeof(*tally));
	struct phase phases[RUN_STAGES] = {0};
	struct usage *usage = r != NULL ? count_usage(e, t, r, phases) : NULL;
	struct json_object *reasons = json_object_new_object(), *services = json_object_new_array();

	if (o != NULL && usage != NULL && tally != NULL) {
		count_reasons(t, run, tally);
		for (size_t i = 0; i < tally->n; i++) {
			put_int(reasons, tally->list[i].text, (int64_t)tally->list[i].count);
		}
		for (size_t i = 0; i < e->n_lanes; i++) {
			if (usage_calls(&usage[i]) > 0) {
				json_object_array_add(services, usage_object(e->lanes[i], &usage[i]));
			}
		}
		json_object_object_add(o, "phases", phases_object(r, phases));
		put_int(o, "took_ms", ((r->row.ended_us != 0 ? r->row.ended_us : now.wall_us) - r->row.started_us) / US_PER_MS);
		json_object_object_add(o, "reasons", json_object_get(reasons));
		json_object_object_add(o, "services", json_object_get(services));
	}
	json_object_put(reasons);
	json_object_put(services);
	free(tally);
	free(usage);
	return o;
}

/* --- run.log --- */

struct run_log {
	struct engine *e;
	uint32_t run;
	bool calls;      /* the intake's lines are done */
	uint32_t item;
	uint64_t call;
};

struct log_arg {
	struct run_log *l;
	struct txn *txn;
	struct buf *out;
	unsigned left;
	bool more;
};

struct run_log *run_log_new(struct engine *e, uint32_t run)
{
	struct run *r = run_get(e, run);
	struct run_log *l = r != NULL ? calloc(1, sizeof(*l)) : NULL;

	if (l != NULL) {
		*l = (struct run_log){.e = e, .run = run, .call = ids_next(0, r->row.created_us - US_PER_S)};
	}
	return l;
}

void run_log_free(struct run_log *l)
{
	free(l);
}

static bool on_intake(void *arg, struct slice key, struct slice value)
{
	struct log_arg *a = arg;
	struct item i;

	if (a->left-- == 0) {
		a->more = true;
		return false;
	}
	if (!item_decode(key, value, &i)) {
		return true;
	}
	a->l->item = i.number;
	if (i.stage == STAGE_INTAKE) {
		buf_printf(a->out, "intake run=%u lead=%u row=%u %s %s\n", i.run, i.number, i.number + 1, item_outcome_word(i.outcome), i.reason);
	}
	return true;
}

static void log_part(struct log_arg *a, const struct call_row *c, const struct call_part *p)
{
	struct engine *e = a->l->e;
	struct run *r = run_get(e, a->l->run);
	char at[25], id[17], price[32];

	time_write_utc(c->granted_wall_us, at);
	ids_write(c->id, id);
	money_write(p->settled_micro, price);
	buf_printf(a->out, "%s run=%u lead=%u call=%s stage=%s service=%s.%s %s", at, p->run, p->number, id,
	    r != NULL && p->stage < r->row.n_stages ? r->row.stages[p->stage].name : "?", names_text(e->names, NAME_SERVICE, c->service),
	    names_text(e->names, NAME_ENDPOINT, c->endpoint), call_state_word(c->state));
	if (c->state >= CALL_SETTLED) {
		buf_printf(a->out, " %s%s%s http=%u ms=%lld price=%s", outcome_word((enum outcome_class)c->outcome), c->reason[0] != 0 ? " reason=" : "",
		    c->reason, c->http_status, c->sent_us != 0 && c->end_us > c->sent_us ? (long long)(c->end_us - c->sent_us) / 1000 : 0, price);
	}
	buf_printf(a->out, c->n_parts > 1 ? " of=%zu\n" : "\n", c->n_parts);
}

/* One line for each lead of the run. */
static void log_call(struct log_arg *a, const struct call_row *c)
{
	struct call_part p;

	for (struct part_walk w = call_parts(c); part_next(&w, &p);) {
		if (p.run == a->l->run) {
			log_part(a, c, &p);
		}
	}
}

static bool on_log_call(void *arg, struct slice key, struct slice value)
{
	struct log_arg *a = arg;
	struct call_row c;

	if (a->left-- == 0) {
		a->more = true;
		return false;
	}
	a->l->call = key_get_u64(key.data) + 1;
	if (call_decode(key, value, &c)) {
		log_call(a, &c);
	}
	return true;
}

bool run_log_next(struct run_log *l, unsigned rows, struct buf *out, struct lead_error *err)
{
	struct log_arg a = {.l = l, .out = out, .left = rows};

	if (txn_begin(l->e->store, false, &a.txn, err) != 0) {
		return false;
	}
	if (!l->calls) {
		txn_walk(a.txn, TABLE_STATE, item_key(l->run, l->item + 1), run_prefix(l->run), on_intake, &a);
		l->calls = !a.more;
		a.more = true;
	} else {
		txn_walk(a.txn, TABLE_CALL, key_u64(key_of(), l->call), key_of(), on_log_call, &a);
	}
	txn_abort(a.txn);
	return a.more;
}
