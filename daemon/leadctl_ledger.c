/* daemon/leadctl_ledger.c: paid calls, what they came to, and the audit of the limits. */
#include "daemon/leadctl.h"

#include "lib/base/time.h"

#include <inttypes.h>
#include <stdio.h>

#include <json-c/json.h>

/* From the grant to the answer; "-" while there is none. */
static const char *took(struct ctl *c, struct json_object *call)
{
	int64_t begin, end;
	char text[32];

	if (!time_parse_rfc3339(
		get_text(call, get_has(call, "sent") ? "sent" : "granted"), &begin) ||
	    !time_parse_rfc3339(get_text(call, "answered"), &end) || end < begin) {
		return "-";
	}
	duration_write(end - begin, text);
	return arena_printf(&c->mem, "%s", text);
}

static void list_row(struct ctl *c, struct table *t, struct json_object *call)
{
	struct json_object *parts = get_list(call, "parts"), *first = list_at(parts, 0);
	const char *currency = get_text(call, "currency");

	table_cell(c, t, "%s", get_text(call, "call"));
	table_cell(c, t, "%s", show_time(c, call, "granted"));
	table_cell(c, t, "%s", get_text(call, "service"));
	table_cell(c, t, "%s", show_text(c, call, "endpoint"));
	table_cell(c, t, "%s", get_text(call, "state"));
	table_color(t, color_of_state(get_text(call, "state")));
	table_cell(c, t, "%s", show_text(c, call, "outcome"));
	table_cell(c, t, "%s", show_number(c, call, "http_status"));
	table_cell(c, t, "%s", took(c, call));
	table_cell(c, t, "%s", show_money(c, call, "reserved_micro", currency));
	table_cell(c, t, "%s", show_money(c, call, "settled_micro", currency));
	if (first != NULL) {
		char others[48] = "";

		if (list_length(parts) > 1) {
			(void)snprintf(others, sizeof(others), " +%zu %s", (size_t)list_length(parts) - 1,
			    get_text(call, "together"));
		}
		table_cell(c, t, "%" PRId64 "/%s%s", get_int(first, "run"),
		    show_number(c, first, "lead"), others);
	} else {
		table_cell(c, t, "-");
	}
	if (get_has(call, "reason") || get_object(call, "job") == NULL) {
		table_cell(c, t, "%s", show_text(c, call, "reason"));
	} else { /* what it began */
		table_cell(c, t, "job %s%s%s", get_text(get_object(call, "job"), "id"), get_has(get_object(call, "job"), "id") ? " " : "",
		    get_text(get_object(call, "job"), "state"));
	}
}

#define COLUMNS                                                                                    \
	"CALL GRANTED SERVICE ENDPOINT STATE OUTCOME HTTP> TOOK> RESERVED> SETTLED> LEAD REASON*"

static int list_calls(struct ctl *c, const struct args *a, const char *run)
{
	struct buf path = {0};
	struct table t;
	int rc;

	buf_add_text(&path, "/v1/ledger");
	api_query(&path, "run", run);
	api_query(&path, "state", args_text(a, "state"));
	api_query(&path, "service", args_text(a, "service"));
	table_init(&t, COLUMNS);
	rc = list_print(c, a, path.data, &t, list_row, "no calls");
	buf_free(&path);
	return rc;
}

int cmd_ledger_list(struct ctl *c, const struct args *a)
{
	return list_calls(c, a, args_text(a, "run"));
}

/* --- sums --- */

static int64_t count(struct json_object *summary, const char *state)
{
	return get_int(get_object(summary, "calls"), state);
}

/* All calls, however they ended. */
static int64_t count_all(struct json_object *summary)
{
	int64_t n = 0;

	json_object_object_foreach(get_object(summary, "calls"), state, calls)
	{
		(void)state;
		n += json_object_get_int64(calls);
	}
	return n;
}

static void print_summary(struct ctl *c, struct json_object *summary)
{
	const char *currency = get_text(summary, "currency");
	struct json_object *services = get_list(summary, "services");
	struct table t;

	print_field(c, "settled", "%s (%" PRId64 " calls)",
	    show_money(c, summary, "settled_micro", currency), count(summary, "settled"));
	print_field(c, "reserved", "%s (%" PRId64 ")",
	    show_money(c, summary, "reserved_micro", currency),
	    count(summary, "reserved") + count(summary, "sent"));
	print_field(c, "in doubt", "%s (%" PRId64 ")",
	    show_money(c, summary, "in_doubt_micro", currency), count(summary, "in-doubt"));
	print_field(c, "refunded", "%s (%" PRId64 ")",
	    show_money(c, summary, "refunded_micro", currency), count(summary, "refunded"));
	table_init(&t, "SERVICE CALLS> SETTLED> IN_DOUBT>");
	for (size_t i = 0; i < list_length(services); i++) {
		struct json_object *service = list_at(services, i);

		table_cell(c, &t, "%s", get_text(service, "service"));
		table_cell(c, &t, "%" PRId64, count_all(service));
		table_cell(c, &t, "%s", show_money(c, service, "settled_micro", currency));
		table_cell(c, &t, "%s", show_money(c, service, "in_doubt_micro", currency));
	}
	if (t.n_cells > 0) {
		putchar('\n');
	}
	table_print(c, &t);
}

static int get_summary(struct ctl *c, const char *run, struct json_object **ret)
{
	struct buf path = {0};
	int rc;

	buf_add_text(&path, "/v1/ledger/summary");
	api_query(&path, "run", run);
	rc = api_get(c, ret, "%s", path.data);
	buf_free(&path);
	return rc;
}

int cmd_ledger_summary(struct ctl *c, const struct args *a)
{
	struct json_object *summary;
	int rc = get_summary(c, args_text(a, "run"), &summary);

	return answer_show(c, rc, summary, print_summary);
}

/* The sums, then the calls; with --json only the calls, as `ledger list --run`. */
int cmd_ledger_run(struct ctl *c, const struct args *a)
{
	struct json_object *summary;
	uint64_t run;
	int rc;

	if (!args_run(a, 0, &run)) {
		return CTL_USAGE;
	}
	if (!c->json) {
		rc = get_summary(c, a->positions[0], &summary);
		if (rc != CTL_OK) {
			return rc;
		}
		print_summary(c, summary);
		putchar('\n');
		json_object_put(summary);
	}
	return list_calls(c, a, a->positions[0]);
}

/* --- audit --- */

static int print_audit(struct ctl *c, struct json_object *items)
{
	int rc = CTL_OK;
	struct table t;

	table_init(&t, "SERVICE KEY LIMIT WINDOW MAX> WORST> AT CALLS> RESULT");
	for (size_t i = 0; i < list_length(items); i++) {
		struct json_object *one = list_at(items, i);
		bool ok = get_bool(one, "ok");

		table_cell(c, &t, "%s", get_text(one, "service"));
		table_cell(c, &t, "%s", show_text(c, one, "key"));
		table_cell(c, &t, "%s", get_text(one, "limit"));
		table_cell(c, &t, "%s", get_text(one, "window"));
		table_cell(c, &t, "%" PRId64, get_int(one, "max"));
		table_cell(c, &t, "%" PRId64, get_int(one, "worst"));
		table_cell(c, &t, "%s", show_time(c, one, "at"));
		table_cell(c, &t, "%" PRId64, get_int(one, "calls"));
		table_cell(c, &t, "%s", ok ? "ok" : "exceeded");
		table_color(&t, ok ? GREEN : RED);
		rc = ok ? rc : CTL_FOUND;
	}
	if (c->json) {
		t.n_cells = 0;
	} else if (t.n_cells == 0) {
		print_line(c, PLAIN, "no limits are described");
	}
	table_print(c, &t);
	return rc;
}

int cmd_limits_audit(struct ctl *c, const struct args *a)
{
	int64_t since_us = US_PER_DAY;
	struct json_object *answer;
	int rc;

	(void)args_number(a, "since", &since_us);
	rc = api_get(c, &answer, "/v1/limits/audit?since_ms=%" PRId64, since_us / US_PER_MS);
	if (rc != CTL_OK) {
		return rc;
	}
	if (c->json) {
		print_json(answer);
	}
	rc = print_audit(c, get_list(answer, "items"));
	json_object_put(answer);
	return rc;
}
