/* daemon/leadctl_intake.c: webhooks that came in, and what became of them. */
#include "daemon/leadctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

static void intake_row(struct ctl *c, struct table *t, struct json_object *intake)
{
	bool ready = get_bool(intake, "ready");

	table_cell(c, t, "%s", get_text(intake, "intake"));
	table_cell(c, t, "%s", get_text(intake, "campaign"));
	table_cell(c, t, "%s%s", get_text(intake, "scheme"), ready ? "" : " (no credential)");
	table_color(t, ready ? PLAIN : RED);
	table_cell(c, t, "%s", show_number(c, intake, "received"));
	table_cell(c, t, "%s", show_number(c, intake, "waiting"));
	table_cell(c, t, "%s", show_number(c, intake, "made"));
	table_cell(c, t, "%s", show_number(c, intake, "duplicates"));
	table_cell(c, t, "%s", show_number(c, intake, "ignored"));
	table_cell(c, t, "%s", show_number(c, intake, "failed"));
	table_color(t, get_int(intake, "failed") > 0 ? YELLOW : PLAIN);
	table_cell(c, t, "%s", show_time(c, intake, "last"));
}

int cmd_intake_list(struct ctl *c, const struct args *a)
{
	struct table t;

	table_init(&t, "INTAKE CAMPAIGN SIGNED RECEIVED> WAITING> LEADS> REPEATS> IGNORED> FAILED> LAST");
	return list_print(c, a, "/v1/intakes", &t, intake_row, "no intakes: see intakes in leadd.yaml(5)");
}

static void task_row(struct ctl *c, struct table *t, struct json_object *task)
{
	table_cell(c, t, "%s", get_text(task, "task"));
	table_cell(c, t, "%s", show_time(c, task, "received"));
	table_cell(c, t, "%s", get_text(task, "state"));
	table_color(t, color_of_state(get_text(task, "state")));
	table_cell(c, t, "%s%s", get_text(task, "detail"), get_has(task, "duplicate_of") ? ", a repeat" : "");
	table_cell(c, t, "%s", show_text(c, task, "lead_id"));
	table_cell(c, t, "%s", show_text(c, task, "reason"));
}

static void print_runs(struct ctl *c, struct json_object *runs)
{
	struct table t;

	table_init(&t, "OPEN_RUN> CAMPAIGN_THERE* LEADS> UNDER_WAY>");
	for (size_t i = 0; i < list_length(runs); i++) {
		struct json_object *run = list_at(runs, i);

		table_cell(c, &t, "%s", show_number(c, run, "run"));
		table_cell(c, &t, "%s", show_text(c, run, "outside"));
		table_cell(c, &t, "%s", show_number(c, run, "leads"));
		table_cell(c, &t, "%s", show_number(c, run, "open"));
	}
	putchar('\n');
	table_print(c, &t);
}

static void print_intake(struct ctl *c, struct json_object *intake)
{
	print_line(c, BOLD, "intake %s", get_text(intake, "intake"));
	print_field(c, "address", "/v1/intake/%s, signed in the way of %s%s", get_text(intake, "intake"), get_text(intake, "scheme"),
	    get_bool(intake, "ready") ? "" : ": the credential is missing");
	print_field(c, "campaign", "%s", get_text(intake, "campaign"));
	print_field(c, "events", "%" PRId64 " received, %" PRId64 " not yet looked at, last %s", get_int(intake, "received"), get_int(intake, "waiting"),
	    show_time(c, intake, "last"));
	print_field(c, "became", "%" PRId64 " leads, %" PRId64 " repeats, %" PRId64 " ignored, %" PRId64 " failed", get_int(intake, "made"),
	    get_int(intake, "duplicates"), get_int(intake, "ignored"), get_int(intake, "failed"));
	if (list_length(get_list(intake, "runs")) > 0) {
		print_runs(c, get_list(intake, "runs"));
	}
}

int cmd_intake_show(struct ctl *c, const struct args *a)
{
	const char *name = api_segment(c, a->positions[0]);
	struct json_object *intake = NULL;
	struct buf path = {0};
	struct table t;
	int rc = c->json ? CTL_OK : api_get(c, &intake, "/v1/intakes/%s", name);

	if (rc != CTL_OK) {
		return rc;
	}
	if (intake != NULL) {
		print_intake(c, intake);
		json_object_put(intake);
		putchar('\n');
	}
	buf_printf(&path, "/v1/intakes/%s/tasks", name);
	api_query(&path, "state", args_text(a, "state"));
	table_init(&t, "TASK RECEIVED STATE DETAIL LEAD REASON*");
	rc = list_print(c, a, path.data, &t, task_row, "no events");
	buf_free(&path);
	return rc;
}

/* --- one task --- */

static void print_lead(struct ctl *c, struct json_object *lead)
{
	struct json_object *fields = get_object(lead, "fields");
	json_object_iter i;

	print_field(c, "lead", "%" PRId64 "/%" PRId64 ", stage %s, %s", get_int(lead, "run"), get_int(lead, "lead"), get_text(lead, "stage"),
	    get_text(lead, "status"));
	if (fields != NULL) {
		json_object_object_foreachC(fields, i)
		{
			print_field(c, i.key, "%s", i.val != NULL ? show_value(c, i.val) : "-");
		}
	}
}

static void print_run(struct ctl *c, struct json_object *run)
{
	struct json_object *forecast = get_object(run, "forecast");

	print_field(c, "run", "%" PRId64 ", %s%s%s%s", get_int(run, "run"), get_text(run, "state"), get_bool(run, "open") ? ", open for more" : "",
	    get_has(run, "outside") ? ": " : "", get_text(run, "outside"));
	print_field(c, "progress", "%" PRId64 " of %" PRId64 ": %" PRId64 " ok, %" PRId64 " errors, %" PRId64 " duplicates", get_int(run, "processed"),
	    get_int(run, "total"), get_int(run, "ok"), get_int(run, "errors"), get_int(run, "duplicates"));
	print_field(c, "limits", "%s%s", get_int(run, "rate_limit_delay_ms") > 0 ? "hold it up for " : "hold nothing up",
	    get_int(run, "rate_limit_delay_ms") > 0 ? show_ms(c, run, "rate_limit_delay_ms") : "");
	if (forecast != NULL) {
		print_field(c, "forecast", "done about %s", show_time(c, forecast, "finish"));
	}
}

static void print_task(struct ctl *c, struct json_object *task)
{
	print_line(c, BOLD, "task %s", get_text(task, "task"));
	print_field(c, "received", "%s, by intake %s", show_time(c, task, "received"), get_text(task, "intake"));
	print_field(c, "state", "%s, %s%s%s", get_text(task, "state"), get_text(task, "detail"), get_has(task, "reason") ? ": " : "",
	    get_text(task, "reason"));
	if (get_has(task, "duplicate_of")) {
		print_field(c, "repeats", "%s", get_text(task, "duplicate_of"));
	}
	if (get_object(task, "lead") != NULL) {
		print_lead(c, get_object(task, "lead"));
	}
	if (get_object(task, "run") != NULL) {
		print_run(c, get_object(task, "run"));
	}
}

int cmd_task_show(struct ctl *c, const struct args *a)
{
	struct json_object *task = NULL;
	int rc = api_get(c, &task, "/v1/tasks/%s%s", api_segment(c, a->positions[0]), args_has(a, "plain") ? "?plain=1" : "");

	return answer_show(c, rc, task, print_task);
}
