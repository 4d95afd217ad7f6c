/* daemon/leadctl_run_show.c: one run: outcomes, money, stages, what it waits for. */
#include "daemon/leadctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

static void print_money(struct ctl *c, struct json_object *run)
{
	const char *currency = get_text(run, "currency");
	const char *reserved = show_money(c, run, "reserved_micro", currency);
	const char *in_doubt = show_money(c, run, "in_doubt_micro", currency);

	print_field(c, "spent", "%s settled, %s reserved, %s in doubt",
	    show_money(c, run, "settled_micro", currency), reserved, in_doubt);
	if (get_has(run, "budget_micro")) {
		print_field(c, "budget", "%s", show_money(c, run, "budget_micro", currency));
	}
}

static void add_outcomes(struct buf *text, struct json_object *of)
{
	struct json_object *outcomes = get_object(of, "outcomes");

	for (const char *const *name = outcome_names; *name != NULL; name++) {
		if (get_int(outcomes, *name) > 0) {
			buf_printf(text, "%s%" PRId64 " %s", text->len > 0 ? ", " : "",
			    get_int(outcomes, *name), *name);
		}
	}
}

/* A run that finds what it works on. */
static void print_finding(struct ctl *c, struct json_object *run)
{
	struct json_object *finding = get_object(run, "finding"),
			   *companies = get_object(run, "companies");
	struct buf text = {0};

	if (get_has(run, "quantity")) {
		print_field(c, "wanted", "%" PRId64, get_int(run, "quantity"));
	}
	if (finding != NULL) {
		const char *outcome = get_text(finding, "outcome"), *why = get_text(finding, "reason");

		print_field(c, get_has(run, "intake") ? "set-up" : "search", "%s%s%s at %s",
		    outcome[0] != 0 ? outcome : get_text(finding, "status"),
		    why[0] != 0 ? ", " : "", why, get_text(finding, "stage"));
	}
	if (companies != NULL) {
		add_outcomes(&text, companies);
		print_field(c, "companies", "%" PRId64 ", %" PRId64 " open%s%s",
		    get_int(companies, "total"), get_int(companies, "open"),
		    text.len > 0 ? ": " : "", text.len > 0 ? text.data : "");
	}
	buf_free(&text);
}

static void print_outcomes(struct ctl *c, struct json_object *run)
{
	struct buf text = {0};

	add_outcomes(&text, run);
	print_finding(c, run);
	print_field(c, "leads", "%" PRId64 " imported of %" PRId64 "%s, %" PRId64 " open",
	    get_int(run, "imported"), get_int(run, "total"),
	    get_bool(run, "importing") ? " (still importing)" : "", get_int(run, "open"));
	print_field(c, "outcomes", "%s", text.len > 0 ? text.data : "none yet");
	buf_free(&text);
}

/* What each version of a prompt has written. */
static void print_prompts(struct ctl *c, struct json_object *run)
{
	struct json_object *stages = get_list(run, "stages");
	struct table t;

	table_init(&t, "STAGE PROMPT WRITTEN> PASSED>");
	for (size_t i = 0; i < list_length(stages); i++) {
		struct json_object *list = get_list(list_at(stages, i), "prompts");

		for (size_t k = 0; k < list_length(list); k++) {
			table_cell(c, &t, "%s", get_text(list_at(stages, i), "stage"));
			table_cell(c, &t, "%s", get_text(list_at(list, k), "prompt"));
			table_cell(c, &t, "%" PRId64, get_int(list_at(list, k), "written"));
			table_cell(c, &t, "%" PRId64, get_int(list_at(list, k), "passed"));
		}
	}
	if (t.n_cells > 0) {
		putchar('\n');
	}
	table_print(c, &t);
}

/* Checks that were not made, data that are not there. */
static void print_warnings(struct ctl *c, struct json_object *run)
{
	struct json_object *stages = get_list(run, "stages");

	for (size_t i = 0; i < list_length(stages); i++) {
		if (get_int(list_at(stages, i), "passed") > 0) {
			print_field(c, "warning", "%" PRId64 " went on without %s, whose service failed", get_int(list_at(stages, i), "passed"),
			    get_text(list_at(stages, i), "stage"));
		}
	}
}

static void print_stages(struct ctl *c, struct json_object *run)
{
	static const char *const counts[] = {"waiting", "in_flight", "retrying", "held", "ok",
	    "empty", "rejected", "failed", "unchanged", "calls", "cached", "shared"};
	struct json_object *stages = get_list(run, "stages");
	bool sharing = false;
	size_t n = sizeof(counts) / sizeof(counts[0]);
	struct table t;

	for (size_t i = 0; i < list_length(stages); i++) {
		sharing |= get_int(list_at(stages, i), "cached") > 0 || get_int(list_at(stages, i), "shared") > 0;
	}
	n -= sharing ? 0 : 2;
	table_init(&t, sharing ? "STAGE KIND WAITING> IN_FLIGHT> RETRYING> HELD> OK> EMPTY> REJECTED> "
				 "FAILED> UNCHANGED> CALLS> CACHED> SHARED> SPENT>"
			       : "STAGE KIND WAITING> IN_FLIGHT> RETRYING> HELD> OK> EMPTY> REJECTED> "
				 "FAILED> UNCHANGED> CALLS> SPENT>");
	for (size_t i = 0; i < list_length(stages); i++) {
		struct json_object *stage = list_at(stages, i);

		table_cell(c, &t, "%s", get_text(stage, "stage"));
		table_cell(c, &t, "%s", get_text(stage, "kind"));
		for (size_t k = 0; k < n; k++) {
			table_cell(c, &t, "%" PRId64, get_int(stage, counts[k]));
			if (strcmp(counts[k], "failed") == 0 && get_int(stage, "failed") > 0) {
				table_color(&t, RED);
			}
		}
		table_cell(
		    c, &t, "%s", show_money(c, stage, "settled_micro", get_text(run, "currency")));
	}
	if (t.n_cells > 0) {
		putchar('\n');
	}
	table_print(c, &t);
}

/* As things go now. */
static void print_forecast(struct ctl *c, struct json_object *run)
{
	struct json_object *f = get_object(run, "forecast");
	int64_t left = get_int(f, "not_started");

	if (f == NULL) {
		return;
	}
	print_field(c, "forecast", "done about %s, having cost about %s", show_time(c, f, "finish"),
	    show_money(c, f, "cost_micro", get_text(run, "currency")));
	print_field(c, "", "%" PRId64 " leads through, %" PRId64 " calls to go, %" PRId64 " leads begun",
	    get_int(f, "through"), get_int(f, "calls"), get_int(f, "begun"));
	if (left > 0) {
		print_field(c, "", "%" PRId64 " will not be started: the %s does not last", left,
		    get_has(run, "by") && get_has(run, "budget_micro") ? "time or the money"
		    : get_has(run, "by")                               ? "time"
								       : "money");
	}
}

/* What a person has to release, and what happened of that kind. */
static void print_approval(struct ctl *c, struct json_object *run)
{
	struct json_object *a = get_object(run, "approval"), *notes = get_list(run, "notes");
	const char *currency = get_text(run, "currency");

	if (a != NULL) {
		const char *worst = show_money(c, a, "worst_micro", currency);

		print_field(c, "approval", "%s", get_text(a, "text"));
		print_field(c, "", "%" PRId64 " leads wait; releasing them costs about %s, at most %s",
		    get_int(a, "leads"), show_money(c, a, "estimate_micro", currency), worst);
		print_field(c, "", "release: leadctl run approve %" PRId64, get_int(run, "run"));
	}
	for (size_t i = 0; i < list_length(notes); i++) {
		struct json_object *n = list_at(notes, i);

		print_field(c, i == 0 ? "notes" : "", "%s %s%s%s by %s: %s", show_time(c, n, "at"), get_text(n, "kind"),
		    strcmp(get_text(n, "kind"), "paid") == 0 ? " " : "",
		    strcmp(get_text(n, "kind"), "paid") == 0 ? show_money(c, n, "amount_micro", currency) : "", get_text(n, "who"), get_text(n, "what"));
	}
}

/* What services still work on behind their answers. */
static void print_jobs(struct ctl *c, struct json_object *run)
{
	struct json_object *stages = get_list(run, "stages");

	for (size_t i = 0; i < list_length(stages); i++) {
		struct json_object *jobs = get_object(list_at(stages, i), "jobs");

		if (jobs != NULL) {
			print_field(c, "jobs", "%s: %" PRId64 " at work, the oldest since %s, next poll %s", get_text(list_at(stages, i), "stage"),
			    get_int(jobs, "open"), show_time(c, jobs, "oldest"), show_time(c, jobs, "next_poll"));
		}
	}
}

void run_print(struct ctl *c, struct json_object *run)
{
	const char *state = get_text(run, "state");

	print_line(c, color_of_state(state), "run %" PRId64 " %s", get_int(run, "run"), state);
	if (get_has(run, "why")) {
		print_field(c, "because", "%s", get_text(run, "why"));
	}
	print_field(c, "campaign", "%s (pipeline %s)", get_text(run, "campaign"),
	    show_text(c, run, "pipeline"));
	print_field(c, "source", "%s", show_text(c, run, "source"));
	if (get_has(run, "outside")) {
		print_field(c, "there", "%s%s", get_text(run, "outside"), get_bool(run, "open_for_more") ? ", open for more" : "");
	}
	print_field(c, "started", "%s", show_time(c, run, "started"));
	if (get_has(run, "by")) {
		print_field(c, "by", "%s", show_time(c, run, "by"));
	}
	if (get_has(run, "ended")) {
		print_field(c, "ended", "%s", show_time(c, run, "ended"));
	}
	print_field(c, "priority", "%" PRId64 ", share %" PRId64, get_int(run, "priority"),
	    get_int(run, "share"));
	print_outcomes(c, run);
	print_money(c, run);
	if (get_has(run, "waiting_for")) {
		print_field(c, "waiting for", "%s", get_text(run, "waiting_for"));
	}
	print_jobs(c, run);
	print_warnings(c, run);
	print_forecast(c, run);
	print_approval(c, run);
	if (get_has(run, "results")) {
		print_field(c, "results", "%s", get_text(run, "results"));
	}
	print_stages(c, run);
	print_prompts(c, run);
}

int cmd_run_show(struct ctl *c, const struct args *a)
{
	struct json_object *run;
	uint64_t number;
	int rc;

	if (!args_run(a, 0, &number)) {
		return CTL_USAGE;
	}
	rc = api_get(c, &run, "/v1/runs/%" PRIu64, number);
	return answer_show(c, rc, run, run_print);
}
