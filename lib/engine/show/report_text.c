/* summary.txt: what a run brought, for people. See export.h. */
#include "lib/engine/show/report_parts.h"

#include "lib/base/json.h"
#include "lib/base/money.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/show/show.h"
#include "lib/store/names.h"

#include <stdio.h>
#include <json-c/json.h>

#define ERRORS_TOLD 20

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
	buf_printf(out, "took      %s\n", text);
}

/* What it was told to find, and how the search for it went. */
static void write_search(struct buf *out, const struct run *r, struct json_object *shown)
{
	struct json_object *params = json_object_object_get(shown, "params"), *finding = json_object_object_get(shown, "finding");

	if (params != NULL && json_object_object_length(params) > 0) {
		const char *before = "params    ";

		json_object_object_foreach(params, name, value)
		{
			buf_printf(out, "%s%s=%s", before, name, json_object_get_string(value));
			before = ", ";
		}
		buf_add_char(out, '\n');
	}
	if (r->row.quantity > 0) {
		buf_printf(out, "wanted    %llu\n", (unsigned long long)r->row.quantity);
	}
	if (r->row.finds && finding != NULL) {
		const char *why = json_object_get_string(json_object_object_get(finding, "reason"));
		const char *outcome = json_object_get_string(json_object_object_get(finding, "outcome"));

		buf_printf(out, "search    %s%s%s at %s, %lld rounds\n", outcome != NULL ? outcome : "open", why != NULL && why[0] != 0 ? ": " : "",
		    why != NULL ? why : "", json_object_get_string(json_object_object_get(finding, "stage")),
		    (long long)json_object_get_int64(json_object_object_get(finding, "rounds")));
	}
	buf_add_char(out, '\n');
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

static void write_reasons(struct buf *out, const char *head, const struct tally *t, const char *currency)
{
	if (t->n > 0) {
		buf_printf(out, "\n%s\n", head);
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

static void write_outcomes(struct buf *out, const struct run_row *row, const struct report *x, const char *currency)
{
	bool companies = row->company_columns.len > 0;

	if (companies) {
		write_counts(out, "companies", row->companies);
	}
	write_counts(out, "leads", row->outcomes);
	write_reasons(out, "why not: companies", &x->tally[LEVEL_COMPANY], currency);
	write_reasons(out, companies ? "why not: leads" : "why not", &x->tally[LEVEL_LEAD], currency);
}

static void write_stages(struct buf *out, const struct run *r, const struct phase phases[RUN_STAGES])
{
	buf_printf(out, "\n%-16s %8s %8s %8s %8s %8s %8s %9s %8s %10s\n", "stage", "calls", "saved", "ok", "empty", "rejected", "failed", "unchanged", "held", "took");
	for (size_t s = 0; s < r->row.n_stages; s++) {
		const struct stage_count *c = &r->row.stages[s].count;
		char took[32];

		if (c->calls + c->cached + c->shared + c->waiting + c->rejected + c->failed + c->unchanged + c->passed > 0) {
			duration_write(phases[s].ended_us - phases[s].began_us, took);
			buf_printf(out, "%-16s %8llu %8llu %8llu %8llu %8llu %8llu %9llu %8llu %10s\n", r->row.stages[s].name, (unsigned long long)c->calls,
			    (unsigned long long)(c->cached + c->shared), (unsigned long long)c->ok, (unsigned long long)c->empty, (unsigned long long)c->rejected, (unsigned long long)c->failed, (unsigned long long)c->unchanged,
			    (unsigned long long)c->held, took);
		}
	}
}

/* Checks that were not made and data that are not there because a service failed: who reads the results must know. */
static void write_warnings(struct buf *out, const struct run *r)
{
	const char *before = "\n";

	for (size_t s = 0; s < r->row.n_stages; s++) {
		if (r->row.stages[s].count.passed > 0) {
			buf_printf(out, "%swarning   %llu went on without %s, whose service failed\n", before, (unsigned long long)r->row.stages[s].count.passed,
			    r->row.stages[s].name);
			before = "";
		}
	}
}

/* What else was answered is no failure: nothing found, refused, not yet. */
static void write_services(struct buf *out, const struct report *x)
{
	buf_printf(out, "\n%-14s %8s %8s %8s %9s %9s %9s %12s %12s\n", "service", "calls", "mean", "ok", "other", "failures", "in doubt", "settled", "in doubt");
	for (size_t i = 0; i < x->n_usage; i++) {
		const struct usage *u = &x->usage[i];
		uint64_t calls = usage_calls(u), ok = u->outcomes[OUTCOME_OK], bad = usage_failures(u), doubt = u->states[CALL_IN_DOUBT];
		char mean[32], settled[32], in_doubt[32];

		if (calls == 0) {
			continue;
		}
		duration_write(u->timed > 0 ? u->us / (int64_t)u->timed : 0, mean);
		money_write(u->settled_micro, settled);
		money_write(u->in_doubt_micro, in_doubt);
		buf_printf(out, "%-14s %8llu %8s %8llu %9llu %9llu %9llu %12s %12s\n", x->e->lanes[i]->name, (unsigned long long)calls, mean,
		    (unsigned long long)ok, (unsigned long long)(calls > ok + bad + doubt ? calls - ok - bad - doubt : 0), (unsigned long long)bad,
		    (unsigned long long)doubt, settled, in_doubt);
	}
}

static void write_errors(struct buf *out, const struct run *r, const struct report *x)
{
	if (x->n_errors > 0) {
		buf_printf(out, "\n%-16s %8s  %-34s %-30s %s\n", "error", "calls", "call", "what", "the last one, of lead");
	}
	for (size_t i = 0; i < x->n_errors && i < ERRORS_TOLD; i++) {
		const struct error_kind *k = &x->errors[i];
		char call[96], what[80], at[32], item[16];

		(void)snprintf(call, sizeof(call), "%s.%s", names_text(x->e->names, NAME_SERVICE, k->service), names_text(x->e->names, NAME_ENDPOINT, k->endpoint));
		(void)snprintf(what, sizeof(what), "%s: %s", outcome_word((enum outcome_class)k->outcome), k->reason[0] != 0 ? k->reason : "-");
		time_write_local(k->last_us, at);
		item_number_write(k->item, item);
		buf_printf(out, "%-16s %8llu  %-34s %-30s %s, %u/%s\n", k->stage < r->row.n_stages ? r->row.stages[k->stage].name : "-",
		    (unsigned long long)k->count, call, what, at, x->run, item);
	}
	if (x->n_errors > ERRORS_TOLD || x->more_errors > 0) {
		buf_add_text(out, "more in metrics.json and run.log\n");
	}
}

void report_summary(struct report *x, struct txn *t, struct now now, struct buf *out)
{
	const char *currency = x->e->config->currency;
	struct run *r = run_get(x->e, x->run);
	struct json_object *shown;
	struct balance b;
	char settled[32], doubt[32];

	buf_printf(out, "run %u of campaign %s: %s, %s\n", x->run, r->row.campaign, r->row.source, run_state_word(r->row.state));
	if (r->row.why[0] != 0) {
		buf_printf(out, "because   %s\n", r->row.why);
	}
	write_times(out, &r->row, now);
	shown = show_run(x->e, t, x->run, now);
	write_search(out, r, shown);
	json_object_put(shown);
	write_outcomes(out, &r->row, x, currency);
	write_warnings(out, r);
	write_stages(out, r, x->phases);
	write_services(out, x);
	write_errors(out, r, x);
	(void)account_read(t, (struct account_id){.kind = ACCOUNT_RUN, .owner = x->run}, &b);
	money_write(b.settled_micro, settled);
	money_write(b.in_doubt_micro, doubt);
	buf_printf(out, "\ncost      %s %s settled, %s in doubt\n", settled, currency, doubt);
}
