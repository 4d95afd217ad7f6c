/* daemon/leadctl_daemon.c: the daemon itself: status, doctor, test messages, reload, backup. */
#include "daemon/leadctl.h"

#include "lib/base/time.h"

#include <inttypes.h>
#include <stdio.h>

#include <json-c/json.h>

static void print_services(struct ctl *c, struct json_object *services)
{
	struct table t;

	table_init(&t, "SERVICE STATE IN_FLIGHT> WAITING>");
	for (size_t i = 0; i < list_length(services); i++) {
		struct json_object *one = list_at(services, i);

		table_cell(c, &t, "%s", get_text(one, "service"));
		table_cell(c, &t, "%s", get_text(one, "state"));
		table_color(&t, color_of_state(get_text(one, "state")));
		table_cell(c, &t, "%" PRId64, get_int(one, "in_flight"));
		table_cell(c, &t, "%" PRId64, get_int(one, "waiting"));
	}
	if (t.n_cells > 0) {
		putchar('\n');
	}
	table_print(c, &t);
}

static void print_status(struct ctl *c, struct json_object *o)
{
	struct json_object *store = get_object(o, "store"), *runs = get_object(o, "runs");
	struct json_object *outbox = get_object(o, "outbox");
	struct json_object *commit = get_object(o, "commit_ms"), *turn = get_object(o, "turn_ms");
	int64_t started, now;
	char up[32] = "-";

	if (time_parse_rfc3339(get_text(o, "started"), &started) &&
	    time_parse_rfc3339(get_text(o, "now"), &now)) {
		duration_write(now - started, up);
	}
	print_line(c, BOLD, "leadd %s", get_text(o, "version"));
	print_field(c, "process", "%" PRId64 ", up %s, since %s", get_int(o, "pid"), up,
	    show_time(c, o, "started"));
	print_field(c, "taking work", "%s%s%s", get_bool(o, "taking_work") ? "yes" : "no",
	    get_has(o, "why_not") ? ": " : "", get_text(o, "why_not"));
	print_field(c, "configuration", "generation %" PRId64, get_int(o, "generation"));
	print_field(c, "runs", "%" PRId64 " running, %" PRId64 " paused, %" PRId64 " waiting for approval, %" PRId64 " done",
	    get_int(runs, "running"), get_int(runs, "paused"), get_int(runs, "waiting-approval"), get_int(runs, "done"));
	print_field(c, "in flight", "%" PRId64 " calls", get_int(o, "in_flight"));
	if (get_int(o, "jobs") > 0) {
		print_field(c, "jobs", "%" PRId64 " at work behind answers", get_int(o, "jobs"));
	}
	if (get_int(outbox, "waiting") > 0 || get_int(outbox, "given_up") > 0) {
		print_field(c, "messages", "%" PRId64 " waiting, %" PRId64 " given up; last: %s", get_int(outbox, "waiting"),
		    get_int(outbox, "given_up"), get_has(outbox, "last_failure") ? show_text(c, outbox, "last_failure") : "-");
	}
	print_field(c, "store", "%s of %s (%s %%)",
	    show_bytes(c, (uint64_t)get_int(store, "bytes")),
	    show_bytes(c, (uint64_t)get_int(store, "map_bytes")),
	    show_number(c, store, "used_percent"));
	print_field(c, "commits", "half within %s ms, 99 %% within %s ms",
	    show_number(c, commit, "p50"), show_number(c, commit, "p99"));
	print_field(c, "turns", "%s; half within %s ms, 99.9 %% within %s ms, longest %s ms",
	    show_number(c, o, "turns"), show_number(c, turn, "p50"), show_number(c, turn, "p999"),
	    show_number(c, turn, "max"));
	print_services(c, get_list(o, "services"));
}

int cmd_status(struct ctl *c, const struct args *a)
{
	struct json_object *o;
	int rc = api_get(c, &o, "/v1/status");

	(void)a;
	return answer_show(c, rc, o, print_status);
}

/* A list of what is good and what is not: two columns before RESULT, one behind it. */
static int show_checks(
    struct ctl *c, int rc, struct json_object *answer, const char *columns, const char *const keys[3], const char *good)
{
	struct json_object *items = get_list(answer, "items");
	struct table t;

	if (rc != CTL_OK) {
		return rc;
	}
	table_init(&t, columns);
	for (size_t i = 0; i < list_length(items); i++) {
		struct json_object *one = list_at(items, i);
		bool ok = get_bool(one, "ok");

		table_cell(c, &t, "%s", get_text(one, keys[0]));
		table_cell(c, &t, "%s", show_text(c, one, keys[1]));
		table_cell(c, &t, "%s", ok ? good : "failed");
		table_color(&t, ok ? GREEN : RED);
		table_cell(c, &t, "%s", show_text(c, one, keys[2]));
		rc = ok ? rc : CTL_FOUND;
	}
	if (c->json) {
		print_json(answer);
		t.n_cells = 0;
	}
	table_print(c, &t);
	json_object_put(answer);
	return rc;
}

int cmd_doctor(struct ctl *c, const struct args *a)
{
	static const char *const keys[] = {"check", "subject", "detail"};
	struct json_object *answer;
	int rc = api_send(c, "POST", NULL, &answer, "/v1/doctor");

	(void)a;
	return show_checks(c, rc, answer, "CHECK SUBJECT RESULT DETAIL*", keys, "ok");
}

int cmd_notify_test(struct ctl *c, const struct args *a)
{
	static const char *const keys[] = {"way", "to", "said"};
	struct json_object *answer;
	int rc = api_send(c, "POST", NULL, &answer, "/v1/notify/test");

	(void)a;
	return show_checks(c, rc, answer, "WAY TO RESULT ANSWER*", keys, "taken");
}

static void print_changes(struct ctl *c, struct json_object *answer)
{
	struct json_object *changes = get_list(answer, "changes");

	for (size_t i = 0; i < list_length(changes); i++) {
		print_line(c, PLAIN, "%s", show_value(c, list_at(changes, i)));
	}
	print_line(c, PLAIN, "generation %" PRId64 " %s, %zu changes",
	    get_int(answer, "generation"),
	    get_bool(answer, "applied") ? "is in force" : "would be good", list_length(changes));
}

int cmd_reload(struct ctl *c, const struct args *a)
{
	struct json_object *answer;
	int rc = api_send(c, "POST", NULL, &answer, "/v1/reload%s", args_has(a, "check") ? "?check=1" : "");

	return answer_show(c, rc, answer, print_changes);
}

static void print_path(struct ctl *c, struct json_object *answer)
{
	print_line(c, PLAIN, "%s", get_text(answer, "path"));
}

int cmd_backup(struct ctl *c, const struct args *a)
{
	struct json_object *answer;
	int rc = api_send(c, "POST", NULL, &answer, "/v1/backup");

	(void)a;
	return answer_show(c, rc, answer, print_path);
}

int cmd_store_check(struct ctl *c, const struct args *a)
{
	struct json_object *answer, *problems;
	int rc = api_send(c, "POST", NULL, &answer, "/v1/store/check");
	bool good;

	(void)a;
	if (rc != CTL_OK) {
		return rc;
	}
	good = get_int(answer, "problems") == 0;
	if (c->json) {
		print_json(answer);
		json_object_put(answer);
		return good ? CTL_OK : CTL_FOUND;
	}
	problems = get_list(answer, "lines");
	for (size_t i = 0; i < list_length(problems); i++) {
		print_line(c, RED, "%s", show_value(c, list_at(problems, i)));
	}
	print_line(c, good ? GREEN : RED,
	    "%" PRId64 " runs, %" PRId64 " leads, %" PRId64 " facts, %" PRId64 " calls: %" PRId64 " problems",
	    get_int(answer, "runs"), get_int(answer, "leads"), get_int(answer, "facts"),
	    get_int(answer, "calls"), get_int(answer, "problems"));
	json_object_put(answer);
	return good ? CTL_OK : CTL_FOUND;
}
