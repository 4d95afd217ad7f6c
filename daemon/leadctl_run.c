/*
 * daemon/leadctl_run.c: runs: starting, listing, showing, and the changes of their state.
 */
#include "daemon/leadctl.h"

#include "lib/base/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

static void add_text(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, text != NULL ? json_object_new_string(text) : NULL);
}

static void add_number(
    struct json_object *o, const char *key, const struct args *a, const char *option)
{
	int64_t n;

	if (args_number(a, option, &n)) {
		json_object_object_add(o, key, json_object_new_int64(n));
	}
}

static void add_time(
    struct json_object *o, const char *key, const struct args *a, const char *option)
{
	char text[25];
	int64_t at;

	if (args_number(a, option, &at)) {
		time_write_utc(at, text);
		add_text(o, key, text);
	}
}

/* `state=CA` */
static void add_params(struct json_object *o, const struct args *a)
{
	struct json_object *params = NULL;

	for (size_t i = 0; i < a->n_given; i++) {
		const char *text = a->given[i].text, *equals;

		if (strcmp(a->given[i].option->name, "param") != 0 || (equals = strchr(text, '=')) == NULL) {
			continue;
		}
		if (params == NULL) {
			params = json_object_new_object();
			json_object_object_add(o, "params", params);
		}
		char name[64];

		(void)snprintf(name, sizeof(name), "%.*s", (int)(equals - text), text);
		json_object_object_add(params, name, json_object_new_string(equals + 1));
	}
}

struct json_object *file_body(const struct args *a, const char *upload)
{
	struct json_object *o = json_object_new_object(), *map = json_object_new_array();

	if (upload != NULL) {
		add_text(o, "upload", upload);
	}
	for (size_t i = 0; i < a->n_given; i++) {
		if (strcmp(a->given[i].option->name, "map") == 0) {
			json_object_array_add(map, json_object_new_string(a->given[i].text));
		}
	}
	json_object_object_add(o, "map", map);
	if (args_has(a, "sheet")) {
		add_text(o, "sheet", args_text(a, "sheet"));
	}
	add_text(o, "encoding", args_text(a, "encoding"));
	add_text(o, "delimiter", args_text(a, "delimiter"));
	return o;
}

struct json_object *start_body(const struct args *a, const char *upload, const char *source)
{
	struct json_object *o = file_body(a, upload);

	add_text(o, "campaign", args_text(a, "campaign"));
	add_text(o, "source", source);
	add_number(o, "budget_micro", a, "budget");
	add_time(o, "by", a, "by");
	add_number(o, "priority", a, "priority");
	add_number(o, "share", a, "share");
	add_number(o, "limit", a, "limit");
	add_params(o, a);
	add_number(o, "quantity", a, "quantity");
	add_number(o, "sample", a, "sample");
	if (args_has(a, "preview")) {
		json_object_object_add(o, "preview", json_object_new_boolean(true));
	}
	json_object_object_add(o, "paused", json_object_new_boolean(args_has(a, "paused")));
	return o;
}

bool check_delimiter(const struct args *a)
{
	const char *text = args_text(a, "delimiter");

	if (text == NULL || (strlen(text) == 1 && strchr(",;|", text[0]) != NULL) ||
	    strcmp(text, "tab") == 0) {
		return true;
	}
	args_complain(a->command, "--delimiter: `%s` is none of , ; | tab; nearest: %s", text,
	    strchr("\t\\T", text[0]) != NULL ? "tab" : "\";\"");
	return false;
}

int cmd_run_start(struct ctl *c, const struct args *a)
{
	const char *upload = NULL, *source = NULL;
	struct json_object *body, *run;
	int rc;

	if (!check_delimiter(a)) {
		return CTL_USAGE;
	}
	rc = a->n_positions > 0 ? upload_file(c, a->positions[0], &upload, &source) : CTL_OK;
	if (rc != CTL_OK) {
		return rc;
	}
	body = start_body(a, upload, source);
	rc = api_send(c, "POST", body, &run, "/v1/runs");
	json_object_put(body);
	if (rc != CTL_OK) {
		return rc;
	}
	if (args_has(a, "watch")) {
		rc = watch_run(c, (uint64_t)get_int(run, "run"));
	} else if (c->json) {
		print_json(run);
	} else {
		print_line(c, PLAIN, "run %" PRId64 " %s (%s, %s)", get_int(run, "run"),
		    get_text(run, "state"), get_text(run, "campaign"), get_text(run, "source"));
	}
	json_object_put(run);
	return rc;
}

/* --- one run --- */

static int64_t outcome_of(struct json_object *run, const char *name)
{
	return get_int(get_object(run, "outcomes"), name);
}

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
	for (const char *const *name = outcome_names; *name != NULL; name++) {
		if (outcome_of(of, *name) > 0) {
			buf_printf(text, "%s%" PRId64 " %s", text->len > 0 ? ", " : "",
			    outcome_of(of, *name), *name);
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

		print_field(c, "search", "%s%s%s at %s",
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

		print_field(c, i == 0 ? "notes" : "", "%s %s by %s: %s", show_time(c, n, "at"),
		    get_text(n, "kind"), get_text(n, "who"), get_text(n, "what"));
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
	if (rc != CTL_OK) {
		return rc;
	}
	if (c->json) {
		print_json(run);
	} else {
		run_print(c, run);
	}
	json_object_put(run);
	return CTL_OK;
}

int cmd_run_watch(struct ctl *c, const struct args *a)
{
	uint64_t number;

	return args_run(a, 0, &number) ? watch_run(c, number) : CTL_USAGE;
}

/* --- the list --- */

static void list_row(struct ctl *c, struct table *t, struct json_object *run)
{
	int64_t good =
	    outcome_of(run, "ready") + outcome_of(run, "delivered") + outcome_of(run, "confirmed");

	table_cell(c, t, "%" PRId64, get_int(run, "run"));
	table_cell(c, t, "%s", get_text(run, "campaign"));
	table_cell(c, t, "%s", get_text(run, "state"));
	table_color(t, color_of_state(get_text(run, "state")));
	table_cell(c, t, "%s", show_text(c, run, "source"));
	table_cell(c, t, "%s", show_time(c, run, "started"));
	table_cell(c, t, "%" PRId64, get_int(run, "total"));
	table_cell(c, t, "%" PRId64, get_int(run, "open"));
	table_cell(c, t, "%" PRId64, good);
	table_cell(c, t, "%" PRId64, outcome_of(run, "rejected"));
	table_cell(c, t, "%" PRId64, outcome_of(run, "failed"));
	table_cell(c, t, "%" PRId64, outcome_of(run, "parked"));
	table_cell(c, t, "%s", show_money(c, run, "settled_micro", get_text(run, "currency")));
}

int cmd_run_list(struct ctl *c, const struct args *a)
{
	struct table t;

	table_init(&t, "RUN> CAMPAIGN STATE SOURCE* STARTED TOTAL> OPEN> GOOD> REJECTED> FAILED> "
		       "PARKED> SPENT>");
	return list_print(c, a, "/v1/runs", &t, list_row, "no runs yet");
}

/* --- changes --- */

static int change(struct ctl *c, const struct args *a, const char *verb)
{
	struct json_object *run;
	uint64_t number;
	int rc;

	if (!args_run(a, 0, &number)) {
		return CTL_USAGE;
	}
	rc = api_send(c, "POST", NULL, &run, "/v1/runs/%" PRIu64 "/%s", number, verb);
	if (rc != CTL_OK) {
		return rc;
	}
	if (c->json) {
		print_json(run);
	} else {
		print_line(c, PLAIN, "run %" PRIu64 " %s", number, get_text(run, "state"));
	}
	json_object_put(run);
	return CTL_OK;
}

int cmd_run_pause(struct ctl *c, const struct args *a)
{
	return change(c, a, "pause");
}

int cmd_run_resume(struct ctl *c, const struct args *a)
{
	return change(c, a, "resume");
}

int cmd_run_cancel(struct ctl *c, const struct args *a)
{
	return change(c, a, "cancel");
}

int cmd_run_approve(struct ctl *c, const struct args *a)
{
	struct json_object *body, *run;
	uint64_t number;
	int rc;

	if (!args_run(a, 0, &number)) {
		return CTL_USAGE;
	}
	body = json_object_new_object();
	if (args_text(a, "stage") != NULL) {
		add_text(body, "stage", args_text(a, "stage"));
	}
	rc = api_send(c, "POST", body, &run, "/v1/runs/%" PRIu64 "/approve", number);
	json_object_put(body);
	if (rc != CTL_OK) {
		return rc;
	}
	if (c->json) {
		print_json(run);
	} else {
		print_line(c, PLAIN, "run %" PRIu64 " approved, now %s", number, get_text(run, "state"));
	}
	json_object_put(run);
	return CTL_OK;
}

int cmd_run_retry(struct ctl *c, const struct args *a)
{
	const char *outcomes = args_text(a, "outcome");
	struct json_object *body, *list, *answer;
	uint64_t number;
	int rc;

	if (!args_run(a, 0, &number)) {
		return CTL_USAGE;
	}
	body = json_object_new_object();
	list = json_object_new_array();
	for (outcomes = outcomes != NULL ? outcomes : "failed,parked"; *outcomes != '\0';) {
		size_t len = strcspn(outcomes, ",");

		json_object_array_add(list, json_object_new_string_len(outcomes, (int)len));
		outcomes += len + (outcomes[len] == ',');
	}
	json_object_object_add(body, "outcome", list);
	add_number(body, "lead", a, "lead");
	add_number(body, "budget_micro", a, "budget");
	add_time(body, "by", a, "by");
	rc = api_send(c, "POST", body, &answer, "/v1/runs/%" PRIu64 "/retry", number);
	json_object_put(body);
	if (rc != CTL_OK) {
		return rc;
	}
	if (c->json) {
		print_json(answer);
	} else {
		print_line(c, PLAIN, "run %" PRIu64 ": %" PRId64 " leads put back", number,
		    get_int(answer, "retried"));
	}
	json_object_put(answer);
	return CTL_OK;
}
