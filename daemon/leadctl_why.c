/* daemon/leadctl_why.c: what a lead, a run or a service waits for, in the scheduler's own words. */
#include "daemon/leadctl.h"

#include <inttypes.h>
#include <stdio.h>

#include <json-c/json.h>

static void print_conditions(struct ctl *c, struct json_object *list)
{
	struct table t;

	table_init(&t, "CONDITION HOLDS TEXT*");
	for (size_t i = 0; i < list_length(list); i++) {
		struct json_object *one = list_at(list, i);
		bool ok = get_bool(one, "ok");

		table_cell(c, &t, "%s", get_text(one, "condition"));
		table_cell(c, &t, "%s", ok ? "yes" : "no");
		table_color(&t, ok ? GREEN : RED);
		table_cell(c, &t, "%s", show_text(c, one, "text"));
	}
	if (t.n_cells > 0) {
		putchar('\n');
	}
	table_print(c, &t);
}

static void print_waiting(struct ctl *c, struct json_object *list)
{
	struct table t;

	table_init(&t, "LEADS> CONDITION EARLIEST TEXT*");
	for (size_t i = 0; i < list_length(list); i++) {
		struct json_object *one = list_at(list, i);

		table_cell(c, &t, "%" PRId64, get_int(one, "count"));
		table_cell(c, &t, "%s", get_text(one, "condition"));
		table_cell(c, &t, "%s", show_time(c, one, "earliest"));
		table_cell(c, &t, "%s", show_text(c, one, "text"));
	}
	if (t.n_cells > 0) {
		putchar('\n');
	}
	table_print(c, &t);
}

static void print_why(struct ctl *c, struct json_object *why)
{
	struct json_object *binding = get_object(why, "binding");

	print_line(c, BOLD, "%s: %s", get_text(why, "subject"), show_text(c, why, "state"));
	if (binding != NULL) {
		print_field(c, "waits for", "%s", show_text(c, binding, "text"));
		if (get_has(binding, "earliest")) {
			print_field(c, "free at", "%s", show_time(c, binding, "earliest"));
		}
	}
	if (get_has(why, "position")) {
		print_field(c, "place in line", "%s", show_number(c, why, "position"));
	}
	if (get_has(why, "earliest")) {
		print_field(c, "its turn", "%s at the earliest", show_time(c, why, "earliest"));
	}
	print_waiting(c, get_list(why, "waiting"));
	print_conditions(c, get_list(why, "conditions"));
}

int cmd_why_lead(struct ctl *c, const struct args *a)
{
	struct json_object *why = NULL;
	uint64_t run, lead;
	int rc;

	if (!args_lead(a, 0, &run, &lead)) {
		return CTL_USAGE;
	}
	rc = api_get(c, &why, "/v1/why/lead/%" PRIu64 "/%" PRIu64, run, lead);
	return answer_show(c, rc, why, print_why);
}

int cmd_why_run(struct ctl *c, const struct args *a)
{
	struct json_object *why = NULL;
	uint64_t run;
	int rc;

	if (!args_run(a, 0, &run)) {
		return CTL_USAGE;
	}
	rc = api_get(c, &why, "/v1/why/run/%" PRIu64, run);
	return answer_show(c, rc, why, print_why);
}

int cmd_why_service(struct ctl *c, const struct args *a)
{
	struct json_object *why = NULL;
	int rc = api_get(c, &why, "/v1/why/service/%s", api_segment(c, a->positions[0]));

	return answer_show(c, rc, why, print_why);
}
