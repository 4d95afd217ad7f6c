/* daemon/leadctl_lead.c: leads of a run, and one lead with all that happened to it. */
#include "daemon/leadctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

static bool is_company(struct json_object *lead)
{
	return strcmp(get_text(lead, "level"), "company") == 0;
}

/* `17/4711`, or `17/run`: the run's own item, whose number says nothing. */
static const char *lead_id(struct ctl *c, struct json_object *lead)
{
	return strcmp(get_text(lead, "level"), "run") == 0
		   ? arena_printf(&c->mem, "%" PRId64 "/run", get_int(lead, "run"))
		   : arena_printf(&c->mem, "%" PRId64 "/%" PRId64, get_int(lead, "run"), get_int(lead, "lead"));
}

/* What a list shows of the first of these fields that is there. */
static const char *show_first(struct ctl *c, struct json_object *lead, const char *name, const char *other)
{
	struct json_object *fields = get_object(lead, "fields");

	return show_text(c, fields, get_has(fields, name) ? name : other);
}

static void list_row(struct ctl *c, struct table *t, struct json_object *lead)
{
	table_cell(c, t, "%s", lead_id(c, lead));
	table_cell(c, t, "%s", show_number(c, lead, "row"));
	table_cell(c, t, "%s", show_text(c, lead, "stage"));
	table_cell(c, t, "%s", show_text(c, lead, "status"));
	table_color(t, color_of_state(get_text(lead, "status")));
	table_cell(c, t, "%s", show_text(c, lead, "outcome"));
	table_color(t, color_of_state(get_text(lead, "outcome")));
	table_cell(c, t, "%s", show_text(c, lead, "reason"));
	table_cell(c, t, "%s", show_money(c, lead, "spent_micro", get_text(lead, "currency")));
	table_cell(c, t, "%s", show_time(c, lead, "due"));
	if (is_company(lead)) {
		table_cell(c, t, "%s", show_first(c, lead, "name", "company"));
		table_cell(c, t, "%s", show_first(c, lead, "domain", "website"));
		return;
	}
	table_cell(c, t, "%s", show_text(c, get_object(lead, "fields"), "full_name"));
	table_cell(c, t, "%s", show_text(c, get_object(lead, "fields"), "company"));
	table_cell(c, t, "%s", show_text(c, get_object(lead, "fields"), "email"));
}

int cmd_lead_list(struct ctl *c, const struct args *a)
{
	struct buf path = {0};
	struct table t;
	uint64_t run;
	int rc;

	if (!args_run(a, 0, &run)) {
		return CTL_USAGE;
	}
	buf_printf(&path, "/v1/runs/%" PRIu64 "/leads", run);
	api_query(&path, "outcome", args_text(a, "outcome"));
	api_query(&path, "stage", args_text(a, "stage"));
	api_query(&path, "level", args_text(a, "level"));
	table_init(&t, args_has(a, "level") && strcmp(args_text(a, "level"), "company") == 0
			   ? "LEAD ROW> STAGE STATUS OUTCOME REASON* SPENT> DUE COMPANY* DOMAIN*"
			   : "LEAD ROW> STAGE STATUS OUTCOME REASON* SPENT> DUE NAME* COMPANY* EMAIL*");
	rc = list_print(c, a, path.data, &t, list_row, "no leads");
	buf_free(&path);
	return rc;
}

/* A value with several lines (a written mail) keeps them. */
static void print_value(struct ctl *c, const char *name, const char *value)
{
	size_t len = strcspn(value, "\n");

	print_field(c, name, "%.*s", (int)len, value);
	while (value[len] == '\n') {
		value += len + 1;
		len = strcspn(value, "\n");
		print_field(c, "", "%.*s", (int)len, value);
	}
}

static void print_fields(struct ctl *c, struct json_object *fields)
{
	json_object_iter i;

	if (fields == NULL || json_object_object_length(fields) == 0) {
		return;
	}
	putchar('\n');
	json_object_object_foreachC(fields, i)
	{
		if (i.val != NULL) {
			print_value(c, i.key, show_value(c, i.val));
		}
	}
}

#define FIELD_MOST 160 /* bytes of a value in the timeline: above it, and with --json, stands all of it */

/* Not within a character. */
static int cut_at(const char *text)
{
	size_t len = strlen(text);

	if (len <= FIELD_MOST) {
		return (int)len;
	}
	for (len = FIELD_MOST; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80; len--) {
	}
	return (int)len;
}

/* `verify_status=valid, score=3` */
static const char *fields_of(struct ctl *c, struct json_object *fact)
{
	struct json_object *fields = get_object(fact, "fields");
	const char *text = "";
	json_object_iter i;

	if (fields == NULL) {
		return text;
	}
	json_object_object_foreachC(fields, i)
	{
		const char *value = show_value(c, i.val);

		text = arena_printf(&c->mem, "%s%s%s=%.*s%s", text, text[0] != '\0' ? ", " : "", i.key, cut_at(value), value,
		    value[cut_at(value)] != '\0' ? "…" : "");
	}
	return text;
}

static void print_timeline(struct ctl *c, struct json_object *timeline, const char *currency)
{
	struct table t;

	table_init(&t, "AT STAGE STEP> OUTCOME REASON SERVICE CALL PRICE> TOOK> FIELDS*");
	for (size_t i = 0; i < list_length(timeline); i++) {
		struct json_object *fact = list_at(timeline, i);

		table_cell(c, &t, "%s", show_time(c, fact, "at"));
		table_cell(c, &t, "%s", get_text(fact, "stage"));
		table_cell(c, &t, "%" PRId64, get_int(fact, "step"));
		table_cell(c, &t, "%s%s",
		    get_has(fact, "state") ? get_text(fact, "state")
					   : show_text(c, fact, "outcome"),
		    strcmp(get_text(fact, "kind"), "cached") == 0 ? " (cached)"
		    : get_bool(fact, "joined")			    ? " (joined)"
								    : "");
		table_color(&t, color_of_state(get_has(fact, "state") ? get_text(fact, "state")
								      : get_text(fact, "outcome")));
		table_cell(c, &t, "%s", show_text(c, fact, "reason"));
		table_cell(c, &t, "%s", show_text(c, fact, "service"));
		table_cell(c, &t, "%s", show_text(c, fact, "call"));
		table_cell(c, &t, "%s", show_money(c, fact, "price_micro", currency));
		table_cell(c, &t, "%s", show_ms(c, fact, "ms"));
		table_cell(c, &t, "%s", fields_of(c, fact));
	}
	if (t.n_cells > 0) {
		putchar('\n');
	}
	table_print(c, &t);
}

/* Of what stages gave: which call brought it, for how much, and how old it is. */
static void print_origins(struct ctl *c, struct json_object *origins, const char *currency)
{
	json_object_iter i;
	struct table t;

	table_init(&t, "FIELD FROM SERVICE CALL PRICE> AGE> PROMPT");
	if (origins == NULL) {
		return;
	}
	json_object_object_foreachC(origins, i)
	{
		if (strcmp(get_text(i.val, "kind"), "row") == 0) {
			continue;
		}
		table_cell(c, &t, "%s", i.key);
		table_cell(c, &t, "%s", get_text(i.val, "stage"));
		table_cell(c, &t, "%s", show_text(c, i.val, "service"));
		table_cell(c, &t, "%s", show_text(c, i.val, "call"));
		table_cell(c, &t, "%s", show_money(c, i.val, "price_micro", currency));
		table_cell(c, &t, "%s", show_age(c, i.val, "at"));
		table_cell(c, &t, "%s", show_text(c, i.val, "prompt"));
	}
	if (t.n_cells > 0) {
		putchar('\n');
	}
	table_print(c, &t);
}

/* Work behind an answer: what is waited for. */
static void print_job(struct ctl *c, struct json_object *job)
{
	if (job == NULL) {
		return;
	}
	print_field(c, "job", "%s%s%s, since %s, until %s", get_text(job, "id"), get_has(job, "id") ? ": " : "", get_text(job, "state"),
	    show_time(c, job, "since"), show_time(c, job, "until"));
	print_field(c, "", "%" PRId64 " polls, next %s; callback %s", get_int(job, "polls"), show_time(c, job, "next_poll"),
	    get_bool(job, "callback") ? "awaited" : "none");
}

static void print_lead(struct ctl *c, struct json_object *lead)
{
	const char *currency = get_text(lead, "currency");

	print_line(c, BOLD, "%s %s", is_company(lead) ? "company" : "lead", lead_id(c, lead));
	if (get_has(lead, "row")) {
		print_field(c, "row", "%" PRId64 " of the file", get_int(lead, "row"));
	}
	print_field(
	    c, "stage", "%s, %s", show_text(c, lead, "stage"), show_text(c, lead, "status"));
	if (get_has(lead, "outcome")) {
		print_field(c, "outcome", "%s%s%s", get_text(lead, "outcome"),
		    get_has(lead, "reason") ? ": " : "", get_text(lead, "reason"));
	} else if (get_has(lead, "reason")) {
		print_field(c, "reason", "%s", get_text(lead, "reason"));
	}
	print_field(c, "spent", "%s", show_money(c, lead, "spent_micro", currency));
	if (get_has(lead, "due")) {
		print_field(c, "due", "%s", show_time(c, lead, "due"));
	}
	if (get_has(lead, "call")) {
		print_field(c, "open call", "%s", get_text(lead, "call"));
	}
	print_job(c, get_object(lead, "job"));
	print_fields(c, get_object(lead, "fields"));
	print_origins(c, get_object(lead, "provenance"), currency);
	print_timeline(c, get_list(lead, "timeline"), currency);
}

int cmd_lead_show(struct ctl *c, const struct args *a)
{
	struct json_object *lead;
	uint64_t run, number;
	int rc;

	if (!args_lead(a, 0, &run, &number)) {
		return CTL_USAGE;
	}
	rc = api_get(c, &lead, "/v1/leads/%" PRIu64 "/%" PRIu64, run, number);
	return answer_show(c, rc, lead, print_lead);
}
