/*
 * daemon/leadctl_run.c: runs: starting, listing, watching, and the changes of their state.
 */
#include "daemon/leadctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

int cmd_run_start(struct ctl *c, const struct args *a)
{
	const char *upload = NULL, *source = NULL;
	struct json_object *body, *run;
	int rc;

	if (!check_delimiter(a) || !check_params(a)) {
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

int cmd_run_watch(struct ctl *c, const struct args *a)
{
	uint64_t number;

	return args_run(a, 0, &number) ? watch_run(c, number) : CTL_USAGE;
}

/* --- the list --- */

static void list_row(struct ctl *c, struct table *t, struct json_object *run)
{
	struct json_object *outcomes = get_object(run, "outcomes");
	int64_t good = get_int(outcomes, "ready") + get_int(outcomes, "delivered") + get_int(outcomes, "confirmed");

	table_cell(c, t, "%" PRId64, get_int(run, "run"));
	table_cell(c, t, "%s", get_text(run, "campaign"));
	table_cell(c, t, "%s", get_text(run, "state"));
	table_color(t, color_of_state(get_text(run, "state")));
	table_cell(c, t, "%s", show_text(c, run, "source"));
	table_cell(c, t, "%s", show_time(c, run, "started"));
	table_cell(c, t, "%" PRId64, get_int(run, "total"));
	table_cell(c, t, "%" PRId64, get_int(run, "open"));
	table_cell(c, t, "%" PRId64, good);
	table_cell(c, t, "%" PRId64, get_int(outcomes, "rejected"));
	table_cell(c, t, "%" PRId64, get_int(outcomes, "failed"));
	table_cell(c, t, "%" PRId64, get_int(outcomes, "parked"));
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

static void print_changed(struct ctl *c, struct json_object *run)
{
	print_line(c, PLAIN, "run %" PRId64 " %s", get_int(run, "run"), get_text(run, "state"));
}

static int change(struct ctl *c, const struct args *a, const char *verb)
{
	struct json_object *run;
	uint64_t number;
	int rc;

	if (!args_run(a, 0, &number)) {
		return CTL_USAGE;
	}
	rc = api_send(c, "POST", NULL, &run, "/v1/runs/%" PRIu64 "/%s", number, verb);
	return answer_show(c, rc, run, print_changed);
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

static void print_approved(struct ctl *c, struct json_object *run)
{
	print_line(c, PLAIN, "run %" PRId64 " approved, now %s", get_int(run, "run"), get_text(run, "state"));
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
	body_text(body, "stage", args_text(a, "stage"));
	rc = api_send(c, "POST", body, &run, "/v1/runs/%" PRIu64 "/approve", number);
	json_object_put(body);
	return answer_show(c, rc, run, print_approved);
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
	body_number(body, "lead", a, "lead");
	body_number(body, "budget_micro", a, "budget");
	body_time(body, "by", a, "by");
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
