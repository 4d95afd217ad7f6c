/*
 * daemon/leadctl_plan.c: a night before it is paid for: when it ends, what it costs, what it
 * brings.
 */
#include "daemon/leadctl.h"

#include "lib/base/money.h"
#include "lib/base/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#define MICRO INT64_C(1000000)

/* --- the question --- */

static void add_changes(struct json_object *body, const struct args *a)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < a->n_given; i++) {
		if (strcmp(a->given[i].option->name, "what-if") == 0) {
			json_object_array_add(list, json_object_new_string(a->given[i].text));
		}
	}
	json_object_object_add(body, "what_if", list);
}

/* --- the answer --- */

/* A plan knows no more than three figures or so. */
static const char *money(
    struct ctl *c, struct json_object *o, const char *key, const char *currency)
{
	int64_t micro = get_int(o, key), unit = micro >= MICRO ? MICRO / 100 : MICRO / 10000;
	char text[32];

	if (!get_has(o, key)) {
		return "-";
	}
	money_write((micro + unit / 2) / unit * unit, text);
	return arena_printf(&c->mem, "%s%s%s", text, currency[0] != '\0' ? " " : "", currency);
}

/* `12.53 USD (late case 12.88 USD)` */
static const char *money_band(struct ctl *c, struct json_object *band, const char *currency)
{
	return arena_printf(&c->mem, "%s, late case %s", money(c, band, "median", currency),
	    money(c, band, "late", currency));
}

static const char *duration(struct ctl *c, struct json_object *o, const char *key)
{
	char text[32];

	duration_write(get_int(o, key) * US_PER_MS, text);
	return arena_printf(&c->mem, "%s", text);
}

static void print_finish(struct ctl *c, struct json_object *plan)
{
	struct json_object *finish = get_object(plan, "finish"),
			   *took = get_object(plan, "took_ms");

	if (!get_has(finish, "median")) {
		print_field(c, "finish", "not by itself");
		return;
	}
	print_field(c, "finish", "%s, after %s", show_time(c, finish, "median"),
	    duration(c, took, "median"));
	if (get_has(finish, "late")) {
		print_field(c, "late case", "%s, after %s", show_time(c, finish, "late"),
		    duration(c, took, "late"));
	}
}

static void print_by(struct ctl *c, struct json_object *plan)
{
	struct json_object *by = get_object(plan, "by"), *budget = get_object(plan, "budget");

	if (by != NULL) {
		print_field(c, "by then",
		    "%" PRId64 " of %" PRId64 " leads done at %s, %" PRId64
		    " when it goes slowly: %s (chance %s)",
		    get_int(by, "done"), get_int(by, "leads"), show_time(c, by, "at"),
		    get_int(by, "done_late"),
		    get_bool(by, "enough") ? "enough time" : "not enough time",
		    show_percent(c, by, "chance"));
	}
	if (budget != NULL && get_has(budget, "ends")) {
		print_field(c, "budget", "used up at %s", show_time(c, budget, "ends"));
	} else if (budget != NULL) {
		print_field(c, "budget", "holds (chance %s)", show_percent(c, budget, "chance"));
	}
}

static void print_leads(struct ctl *c, struct json_object *plan)
{
	struct json_object *leads = get_object(plan, "leads"),
			   *outcomes = get_object(leads, "outcomes");
	struct buf text = {0};

	for (const char *const *name = outcome_names; *name != NULL; name++) {
		if (get_int(outcomes, *name) > 0) {
			buf_printf(&text, "%s%" PRId64 " %s", text.len > 0 ? ", " : "",
			    get_int(outcomes, *name), *name);
		}
	}
	print_field(c, "leads", "%" PRId64 " rows: %s", get_int(leads, "rows"),
	    text.len > 0 ? text.data : "no outcome");
	print_field(c, "saved",
	    "%" PRId64 " calls: %" PRId64 " rows fail the free checks, %" PRId64
	    " stand in the list twice",
	    get_int(leads, "calls_saved"), get_int(leads, "refused"), get_int(leads, "duplicates"));
	buf_free(&text);
}

static void print_stages(struct ctl *c, struct json_object *plan)
{
	static const char *const counts[] = {"in", "out", "rejected", "failed", "calls"};
	struct json_object *stages = get_list(plan, "stages");
	struct table t;

	table_init(&t, "STAGE KIND IN> OUT> REJECTED> FAILED> CALLS> COST>");
	for (size_t i = 0; i < list_length(stages); i++) {
		struct json_object *s = list_at(stages, i);

		table_cell(c, &t, "%s", get_text(s, "stage"));
		table_cell(c, &t, "%s", get_text(s, "kind"));
		for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
			table_cell(c, &t, "%" PRId64, get_int(s, counts[k]));
		}
		table_cell(c, &t, "%s", money(c, s, "cost_micro", get_text(plan, "currency")));
	}
	putchar('\n');
	table_print(c, &t);
}

static void print_services(struct ctl *c, struct json_object *plan)
{
	struct json_object *services = get_list(plan, "services");
	const char *currency = get_text(plan, "currency");
	struct table t;

	table_init(&t, "SERVICE CALLS> COST> LATE_CASE> LIMIT USED> RUNS_DRY KNOWN>");
	for (size_t i = 0; i < list_length(services); i++) {
		struct json_object *s = list_at(services, i), *cost = get_object(s, "cost_micro");

		table_cell(c, &t, "%s", get_text(s, "service"));
		table_cell(c, &t, "%" PRId64, get_int(s, "calls"));
		table_cell(c, &t, "%s", money(c, cost, "median", currency));
		table_cell(c, &t, "%s", money(c, cost, "late", currency));
		table_cell(c, &t, "%s", show_text(c, s, "limit"));
		table_cell(c, &t, "%s", show_percent(c, s, "used"));
		table_cell(c, &t, "%s", show_time(c, s, "dry"));
		table_cell(c, &t, "%" PRId64, get_int(s, "known_answers"));
	}
	putchar('\n');
	table_print(c, &t);
}

static void print_plan(struct ctl *c, struct json_object *plan)
{
	struct json_object *notes = get_list(plan, "notes");

	print_line(c, BOLD, "plan for campaign %s, played %" PRId64 " times",
	    get_text(plan, "campaign"), get_int(plan, "repetitions"));
	print_finish(c, plan);
	print_field(c, "cost", "%s",
	    money_band(c, get_object(plan, "cost_micro"), get_text(plan, "currency")));
	print_by(c, plan);
	print_leads(c, plan);
	for (size_t i = 0; i < list_length(notes); i++) {
		print_field(c, "note", "%s", show_value(c, list_at(notes, i)));
	}
	print_stages(c, plan);
	print_services(c, plan);
	plan_chart(c, plan);
}

int cmd_plan(struct ctl *c, const struct args *a)
{
	struct json_object *body, *plan;
	const char *upload, *source;
	int rc;

	if (!check_delimiter(a)) {
		return CTL_USAGE;
	}
	rc = upload_file(c, a->positions[0], &upload, &source);
	if (rc != CTL_OK) {
		return rc;
	}
	body = start_body(a, upload, source);
	add_changes(body, a);
	rc = api_send(c, "POST", body, &plan, "/v1/plans");
	json_object_put(body);
	return answer_show(c, rc, plan, print_plan);
}
