/* daemon/leadctl_campaign.c: what can be started, and what starts by itself. */
#include "daemon/leadctl.h"

#include <inttypes.h>

#include <json-c/json.h>

static void list_row(struct ctl *c, struct table *t, struct json_object *one)
{
	struct json_object *s = get_object(one, "schedule"), *last = get_object(s, "last");

	table_cell(c, t, "%s", get_text(one, "campaign"));
	table_cell(c, t, "%s", get_text(one, "pipeline"));
	table_cell(c, t, "%s", get_text(one, "organisation"));
	table_cell(c, t, "%" PRId64, get_int(one, "runs"));
	table_cell(c, t, "%" PRId64, get_int(one, "at_work"));
	table_cell(c, t, "%s", s != NULL ? get_text(s, "at") : "-");
	table_cell(c, t, "%s", s != NULL ? show_time(c, s, "next") : "-");
	table_cell(c, t, "%s", last != NULL ? get_text(last, "what") : "-");
}

int cmd_campaign_list(struct ctl *c, const struct args *a)
{
	struct json_object *list, *items;
	struct table t;
	int rc = api_get(c, &list, "/v1/campaigns");

	(void)a;
	if (rc != CTL_OK) {
		return rc;
	}
	items = get_list(list, "items");
	if (c->json) {
		print_json(list);
	} else if (list_length(items) == 0) {
		print_line(c, PLAIN, "no campaigns in leadd.yaml");
	} else {
		table_init(&t, "CAMPAIGN PIPELINE ORGANISATION RUNS> AT_WORK> SCHEDULE NEXT LAST");
		for (size_t i = 0; i < list_length(items); i++) {
			list_row(c, &t, list_at(items, i));
		}
		table_print(c, &t);
	}
	json_object_put(list);
	return CTL_OK;
}

static void print_schedule(struct ctl *c, struct json_object *s)
{
	struct json_object *last = get_object(s, "last");

	print_field(c, "schedule", "%s (%s)", get_text(s, "at"), get_text(s, "zone"));
	print_field(c, "next", "%s", show_time(c, s, "next"));
	if (get_has(s, "by")) {
		print_field(c, "by", "%s", get_text(s, "by"));
	}
	if (get_has(s, "quantity")) {
		print_field(c, "quantity", "%" PRId64, get_int(s, "quantity"));
	}
	if (get_has(s, "params")) {
		print_field(c, "params", "%s", show_value(c, get_object(s, "params")));
	}
	print_field(c, "missed", "%s, within %" PRId64 " min", get_text(s, "missed"), get_int(s, "within_s") / 60);
	if (last != NULL && get_has(last, "run")) {
		print_field(c, "last", "%s: %s, run %" PRId64, show_time(c, last, "moment"), get_text(last, "what"), get_int(last, "run"));
	} else if (last != NULL) {
		print_field(c, "last", "%s: %s", show_time(c, last, "moment"), get_text(last, "what"));
	}
}

static void print_campaign(struct ctl *c, struct json_object *one)
{
	print_line(c, BOLD, "%s", get_text(one, "campaign"));
	print_field(c, "pipeline", "%s%s", get_text(one, "pipeline"), get_bool(one, "finds") ? " (finds its leads)" : "");
	print_field(c, "organisation", "%s", get_text(one, "organisation"));
	print_field(c, "runs", "%" PRId64 ", %" PRId64 " at work", get_int(one, "runs"), get_int(one, "at_work"));
	for (size_t i = 0; i < list_length(get_list(one, "params")); i++) {
		struct json_object *p = list_at(get_list(one, "params"), i);

		print_field(c, i == 0 ? "params" : "", "%s%s%s%s%s%s", get_text(p, "param"), get_bool(p, "required") ? " (required)" : "",
		    get_has(p, "default") ? ", else " : "", get_text(p, "default"), get_has(p, "about") ? ": " : "", get_text(p, "about"));
	}
	if (get_has(one, "schedule")) {
		print_schedule(c, get_object(one, "schedule"));
	}
}

int cmd_campaign_show(struct ctl *c, const struct args *a)
{
	struct json_object *one;
	int rc = api_get(c, &one, "/v1/campaigns/%s", api_segment(c, a->positions[0]));

	return answer_show(c, rc, one, print_campaign);
}
