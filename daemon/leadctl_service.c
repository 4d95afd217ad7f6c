/* daemon/leadctl_service.c: services: how they stand, and the operator's hand on them. */
#include "daemon/leadctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

/* One word for a service: paused, parked, its worst breaker's state, or ok. */
static const char *state_of(struct json_object *service)
{
	struct json_object *keys = get_list(service, "keys");
	const char *state = "ok";

	if (get_bool(service, "paused")) {
		return "paused";
	}
	for (size_t i = 0; i < list_length(keys); i++) {
		struct json_object *key = list_at(keys, i);
		const char *breaker = get_text(get_object(key, "breaker"), "state");

		if (strcmp(get_text(key, "state"), "parked") == 0) {
			return "parked";
		}
		if (breaker[0] != '\0' && strcmp(breaker, "closed") != 0) {
			state = breaker;
		}
	}
	return state;
}

static int64_t calls_other_than_ok(struct json_object *service)
{
	struct json_object *calls = get_object(service, "calls");
	json_object_iter i;
	int64_t n = 0;

	if (calls != NULL) {
		json_object_object_foreachC(calls, i)
		{
			bool good = strcmp(i.key, "ok") == 0 || strcmp(i.key, "empty") == 0;

			n += good ? 0 : get_int(calls, i.key);
		}
	}
	return n;
}

/* "-" while there was no call to measure. */
static const char *latency_of(struct ctl *c, struct json_object *service, const char *key)
{
	struct json_object *latency = get_object(service, "latency_ms");

	return get_int(latency, key) > 0 ? show_ms(c, latency, key) : "-";
}

static void list_row(struct ctl *c, struct table *t, struct json_object *service)
{
	struct json_object *calls = get_object(service, "calls");

	table_cell(c, t, "%s", get_text(service, "service"));
	table_cell(c, t, "%s", state_of(service));
	table_color(t, color_of_state(state_of(service)));
	table_cell(c, t, "%" PRId64, get_int(service, "in_flight"));
	table_cell(c, t, "%" PRId64, get_int(service, "waiting"));
	table_cell(c, t, "%" PRId64, get_int(calls, "ok") + get_int(calls, "empty"));
	table_cell(c, t, "%" PRId64, calls_other_than_ok(service));
	table_cell(c, t, "%s", show_percent(c, service, "success"));
	table_cell(c, t, "%s", latency_of(c, service, "p50"));
	table_cell(c, t, "%s", latency_of(c, service, "p95"));
	table_cell(
	    c, t, "%s", show_money(c, service, "settled_micro", get_text(service, "currency")));
	table_cell(c, t, "%s", show_text(c, service, "binding"));
	table_cell(c, t, "%s", show_time(c, service, "next"));
}

int cmd_service_list(struct ctl *c, const struct args *a)
{
	struct table t;

	table_init(&t, "SERVICE STATE IN_FLIGHT> WAITING> OK> ERRORS> SUCCESS> P50> P95> SPENT> "
		       "WAITS_FOR* NEXT_CALL");
	return list_print(c, a, "/v1/services", &t, list_row, "no services are described");
}

/* --- one service --- */

static void print_keys(struct ctl *c, struct json_object *keys)
{
	struct table t;

	table_init(&t, "KEY STATE CAUSE SINCE UNTIL BREAKER FAILURES> WHY*");
	for (size_t i = 0; i < list_length(keys); i++) {
		struct json_object *key = list_at(keys, i), *breaker = get_object(key, "breaker");

		table_cell(c, &t, "%s", get_text(key, "key"));
		table_cell(c, &t, "%s", get_text(key, "state"));
		table_color(&t, color_of_state(get_text(key, "state")));
		table_cell(c, &t, "%s", show_text(c, key, "cause"));
		table_cell(c, &t, "%s", show_time(c, key, "since"));
		table_cell(
		    c, &t, "%s", show_time(c, get_has(key, "until") ? key : breaker, "until"));
		table_cell(c, &t, "%s", show_text(c, breaker, "state"));
		table_color(&t, color_of_state(get_text(breaker, "state")));
		table_cell(c, &t, "%" PRId64, get_int(breaker, "failures"));
		table_cell(c, &t, "%s", show_text(c, key, "why"));
	}
	putchar('\n');
	table_print(c, &t);
}

static void print_limits(struct ctl *c, struct json_object *limits)
{
	struct table t;

	table_init(&t, "LIMIT SCOPE KEY WINDOW USED> MAX> LEFT> MORE_IN>");
	for (size_t i = 0; i < list_length(limits); i++) {
		struct json_object *limit = list_at(limits, i),
				   *windows = get_list(limit, "windows");

		for (size_t k = 0; k < list_length(windows); k++) {
			struct json_object *window = list_at(windows, k);

			table_cell(c, &t, "%s", get_text(limit, "limit"));
			table_cell(c, &t, "%s", show_text(c, limit, "scope"));
			table_cell(c, &t, "%s", show_text(c, limit, "key"));
			table_cell(c, &t, "%s", get_text(window, "window"));
			table_cell(c, &t, "%" PRId64, get_int(window, "used"));
			table_cell(c, &t, "%" PRId64, get_int(window, "max"));
			table_cell(c, &t, "%" PRId64, get_int(window, "remaining"));
			table_color(&t, get_int(window, "remaining") == 0 ? YELLOW : PLAIN);
			table_cell(c, &t, "%s", show_ms(c, window, "free_in_ms"));
		}
	}
	putchar('\n');
	table_print(c, &t);
}

static void print_service(struct ctl *c, struct json_object *service)
{
	struct json_object *calls = get_object(service, "calls");
	const char *state = state_of(service);
	struct buf text = {0};
	json_object_iter i;

	print_line(c, color_of_state(state), "%s: %s", get_text(service, "service"), state);
	print_field(c, "address", "%s", show_text(c, service, "base"));
	print_field(c, "generation", "%" PRId64, get_int(service, "generation"));
	print_field(c, "in flight", "%" PRId64 " of %" PRId64 ", %" PRId64 " waiting",
	    get_int(service, "in_flight"), get_int(service, "concurrency"),
	    get_int(service, "waiting"));
	if (get_int(service, "jobs") > 0) {
		print_field(c, "", "%" PRId64 " of them wait for the results of their jobs", get_int(service, "jobs"));
	}
	if (calls != NULL) {
		json_object_object_foreachC(calls, i)
		{
			if (get_int(calls, i.key) > 0) {
				buf_printf(&text, "%s%" PRId64 " %s", text.len > 0 ? ", " : "",
				    get_int(calls, i.key), i.key);
			}
		}
	}
	print_field(c, "calls", "%s; success %s", text.len > 0 ? text.data : "none",
	    show_percent(c, service, "success"));
	print_field(c, "latency", "half within %s, 95 %% within %s", latency_of(c, service, "p50"),
	    latency_of(c, service, "p95"));
	print_field(c, "spent", "%s",
	    show_money(c, service, "settled_micro", get_text(service, "currency")));
	if (get_has(service, "binding")) {
		print_field(c, "waits for", "%s, next call %s", get_text(service, "binding"),
		    show_time(c, service, "next"));
	}
	print_keys(c, get_list(service, "keys"));
	print_limits(c, get_list(service, "limits"));
	buf_free(&text);
}

/* After every change. */
static void print_state(struct ctl *c, struct json_object *service)
{
	print_line(c, PLAIN, "%s: %s", get_text(service, "service"), state_of(service));
}

int cmd_service_show(struct ctl *c, const struct args *a)
{
	struct json_object *service = NULL;
	int rc = api_get(c, &service, "/v1/services/%s", api_segment(c, a->positions[0]));

	return answer_show(c, rc, service, print_service);
}

static int change(struct ctl *c, const struct args *a, const char *verb)
{
	struct json_object *service = NULL;
	int rc = api_send(
	    c, "POST", NULL, &service, "/v1/services/%s/%s", api_segment(c, a->positions[0]), verb);

	return answer_show(c, rc, service, print_state);
}

int cmd_service_pause(struct ctl *c, const struct args *a)
{
	return change(c, a, "pause");
}

int cmd_service_resume(struct ctl *c, const struct args *a)
{
	return change(c, a, "resume");
}

int cmd_service_reset(struct ctl *c, const struct args *a)
{
	return change(c, a, "reset");
}

int cmd_service_limit(struct ctl *c, const struct args *a)
{
	struct json_object *body, *service = NULL;
	int rc;

	if (!check_window(a->positions[1])) {
		return CTL_USAGE;
	}
	body = json_object_new_object();
	body_text(body, "limit", args_text(a, "of"));
	body_text(body, "max", a->positions[1]);
	rc = api_send(
	    c, "PUT", body, &service, "/v1/services/%s/limit", api_segment(c, a->positions[0]));
	json_object_put(body);
	if (rc == CTL_OK && !c->json) {
		print_line(c, PLAIN, "%s: %s until the next reload", get_text(service, "service"),
		    a->positions[1]);
		json_object_put(service);
		return rc;
	}
	return answer_show(c, rc, service, print_state);
}
