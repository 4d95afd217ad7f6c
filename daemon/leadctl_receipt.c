/* daemon/leadctl_receipt.c: what a run's money bought, and what could have been known before it was spent. */
#include "daemon/leadctl.h"

#include <inttypes.h>
#include <stdio.h>

#include <json-c/json.h>

static int get_reckoning(
    struct ctl *c, const struct args *a, const char *what, struct json_object **ret)
{
	uint64_t run;

	return args_run(a, 0, &run) ? api_get(c, ret, "/v1/runs/%" PRIu64 "/%s", run, what)
				    : CTL_USAGE;
}

/* A table with its title, with a blank line before it; nothing when it has no rows. */
static void end_table(struct ctl *c, struct table *t, const char *title)
{
	if (t->n_cells > 0) {
		putchar('\n');
		print_line(c, BOLD, "%s", title);
	}
	table_print(c, t);
}

/* --- receipt --- */

static void print_services(struct ctl *c, struct json_object *o, const char *currency)
{
	static const char *const money[] = {
	    "settled_micro", "in_doubt_micro", "bought_micro", "wasted_micro", "open_micro"};
	struct json_object *list = get_list(o, "services");
	struct table t;

	table_init(&t, "SERVICE CALLS> SETTLED> IN_DOUBT> BOUGHT> WASTED> OPEN>");
	for (size_t i = 0; i < list_length(list); i++) {
		struct json_object *one = list_at(list, i);

		table_cell(c, &t, "%s", get_text(one, "service"));
		table_cell(c, &t, "%" PRId64, get_int(one, "calls"));
		for (size_t k = 0; k < sizeof(money) / sizeof(money[0]); k++) {
			table_cell(c, &t, "%s", show_money(c, one, money[k], currency));
		}
	}
	end_table(c, &t, "by service");
}

static void print_sums(struct ctl *c, struct json_object *list, const char *what, const char *money,
    const char *title, const char *currency)
{
	struct table t;

	table_init(&t, "WHAT WHY* LEADS> MONEY>");
	for (size_t i = 0; i < list_length(list); i++) {
		struct json_object *one = list_at(list, i);

		table_cell(c, &t, "%s", get_text(one, what));
		table_cell(c, &t, "%s", show_text(c, one, "reason"));
		table_cell(c, &t, "%" PRId64, get_int(one, "leads"));
		table_cell(c, &t, "%s", show_money(c, one, money, currency));
	}
	end_table(c, &t, title);
}

static void print_outcomes(struct ctl *c, struct json_object *list, const char *currency)
{
	struct table t;

	table_init(&t, "OUTCOME LEADS> SPENT>");
	for (size_t i = 0; i < list_length(list); i++) {
		struct json_object *one = list_at(list, i);

		table_cell(c, &t, "%s", get_text(one, "outcome"));
		table_cell(c, &t, "%" PRId64, get_int(one, "leads"));
		table_cell(c, &t, "%s", show_money(c, one, "spent_micro", currency));
	}
	end_table(c, &t, "by outcome");
}

static void print_needs(struct ctl *c, struct json_object *list)
{
	if (list_length(list) > 0) {
		putchar('\n');
		print_line(c, BOLD, "needs a person");
	}
	for (size_t i = 0; i < list_length(list); i++) {
		struct json_object *one = list_at(list, i);

		print_line(c, PLAIN, "%" PRId64 " %s%s%s", get_int(one, "leads"),
		    get_text(one, "outcome"), get_has(one, "reason") ? ": " : "",
		    get_text(one, "reason"));
		print_line(c, DIM, "    %s", get_text(one, "help"));
	}
}

static void print_receipt(struct ctl *c, struct json_object *o)
{
	const char *currency = get_text(o, "currency");

	print_line(c, BOLD, "run %" PRId64 " of campaign %s: %s", get_int(o, "run"),
	    get_text(o, "campaign"), get_text(o, "state"));
	print_field(c, "spent", "%s settled, %s in doubt (%" PRId64 " of %" PRId64 " calls)",
	    show_money(c, o, "settled_micro", currency), show_money(c, o, "in_doubt_micro", currency),
	    get_int(o, "in_doubt"), get_int(o, "calls"));
	print_field(c, "bought", "%s", show_money(c, o, "bought_micro", currency));
	print_field(c, "wasted", "%s", show_money(c, o, "wasted_micro", currency));
	if (get_int(o, "open_micro") > 0) {
		print_field(c, "open", "%s", show_money(c, o, "open_micro", currency));
	}
	print_field(c, "saved", "%s", show_money(c, o, "saved_micro", currency));
	print_services(c, o, currency);
	print_outcomes(c, get_list(o, "outcomes"), currency);
	print_sums(c, get_list(o, "wasted"), "outcome", "spent_micro", "wasted", currency);
	print_sums(c, get_list(o, "saved"), "by", "saved_micro", "saved, at list prices", currency);
	print_needs(c, get_list(o, "needs"));
}

int cmd_receipt_run(struct ctl *c, const struct args *a)
{
	struct json_object *o = NULL;
	int rc = get_reckoning(c, a, "receipt", &o);

	return answer_show(c, rc, o, print_receipt);
}

/* --- waste --- */

static void print_waste(struct ctl *c, struct json_object *o)
{
	const char *currency = get_text(o, "currency");
	struct json_object *list = get_list(o, "items");
	struct table t;

	print_line(c, BOLD, "run %" PRId64 ": %s on %" PRId64 " leads could have been kept",
	    get_int(o, "run"), show_money(c, o, "wasted_micro", currency), get_int(o, "leads"));
	table_init(&t, "MISSING WHERE DIED_OF* LEADS> WASTED> EXTRA>");
	for (size_t i = 0; i < list_length(list); i++) {
		struct json_object *one = list_at(list, i);

		table_cell(c, &t, "%s", get_text(one, "missing"));
		table_cell(c, &t, "%s", get_text(one, "where"));
		table_cell(c, &t, "%s", show_text(c, one, "reason"));
		table_cell(c, &t, "%" PRId64, get_int(one, "leads"));
		table_cell(c, &t, "%s", show_money(c, one, "wasted_micro", currency));
		table_cell(c, &t, "%s", show_money(c, one, "extra_micro", currency));
	}
	end_table(c, &t, "what was missing");
	print_sums(c, get_list(o, "unknowable"), "outcome", "spent_micro",
	    "nothing told these earlier", currency);
}

int cmd_waste_run(struct ctl *c, const struct args *a)
{
	struct json_object *o = NULL;
	int rc = get_reckoning(c, a, "waste", &o);

	return answer_show(c, rc, o, print_waste);
}
