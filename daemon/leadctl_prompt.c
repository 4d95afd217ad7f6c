/* daemon/leadctl_prompt.c: what would be asked for one lead, before anybody is asked. */
#include "daemon/leadctl.h"

#include "lib/base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

/* Every line of a text with two blanks before it. */
static void print_text(const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		printf("  %.*s\n", (int)len, text);
		text += len + (text[len] == '\n');
	}
}

static void print_params(struct ctl *c, struct json_object *preview)
{
	struct json_object *params = get_object(preview, "params");
	json_object_iter i;

	if (params == NULL) {
		return;
	}
	json_object_object_foreachC(params, i)
	{
		if (i.val != NULL) {
			putchar('\n');
			print_line(c, BOLD, "%s", i.key);
			print_text(show_value(c, i.val));
		}
	}
}

static void print_body(struct ctl *c, const char *body)
{
	struct json_object *o = NULL;
	struct lead_error err;

	(void)c;
	putchar('\n');
	if (json_parse(body, strlen(body), &o, &err) == 0) {
		print_text(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	} else {
		print_text(body);
	}
	json_object_put(o);
}

static void print_request(struct ctl *c, struct json_object *preview)
{
	struct json_object *request = get_object(preview, "request"), *headers = get_list(request, "headers");

	if (get_has(preview, "text")) {
		putchar('\n');
		print_line(c, BOLD, "fixed text");
		print_text(get_text(preview, "text"));
	}
	if (request == NULL) {
		return;
	}
	putchar('\n');
	print_line(c, BOLD, "%s %s", get_text(request, "method"), get_text(request, "url"));
	for (size_t i = 0; i < list_length(headers); i++) {
		print_line(c, PLAIN, "  %s: %s", get_text(list_at(headers, i), "name"), get_text(list_at(headers, i), "value"));
	}
	if (get_has(request, "body")) {
		print_body(c, get_text(request, "body"));
	}
}

static void print_gates(struct ctl *c, struct json_object *preview)
{
	struct json_object *gates = get_list(preview, "gates");
	struct table t;

	table_init(&t, "GATE_THAT_WILL_LOOK STAGE ELSE");
	for (size_t i = 0; i < list_length(gates); i++) {
		table_cell(c, &t, "%s", get_text(list_at(gates, i), "gate"));
		table_cell(c, &t, "%s", get_text(list_at(gates, i), "stage"));
		table_cell(c, &t, "%s", get_text(list_at(gates, i), "else"));
	}
	if (t.n_cells > 0) {
		putchar('\n');
	}
	table_print(c, &t);
}

static void print_lacks(struct ctl *c, struct json_object *preview)
{
	struct json_object *missing = get_list(preview, "missing"), *unknown = get_list(preview, "unknown"), *refused = get_object(preview, "refused");

	if (refused != NULL) {
		print_field(c, "not asked", "%s: the free check `%s` refuses the row", get_text(refused, "reason"), get_text(refused, "gate"));
	}
	if (get_bool(preview, "passed_by")) {
		print_field(c, "passed by", "the stage's `when` is not true for it");
	}
	for (size_t i = 0; i < list_length(missing); i++) {
		print_field(c, "missing", "%s: without it the lead goes no further", show_value(c, list_at(missing, i)));
	}
	for (size_t i = 0; i < list_length(unknown); i++) {
		print_field(c, "not known yet", "%s, of stage %s", get_text(list_at(unknown, i), "field"), get_text(list_at(unknown, i), "given_by"));
	}
	if (get_has(preview, "why_not")) {
		print_field(c, "cannot be asked", "%s", get_text(preview, "why_not"));
	}
}

static void print_preview(struct ctl *c, struct json_object *preview)
{
	print_line(c, BOLD, "stage %s of %s, step %" PRId64 " of 0 to %" PRId64 ", row %" PRId64, get_text(preview, "stage"), get_text(preview, "pipeline"),
	    get_int(preview, "step"), get_int(preview, "steps") - 1, get_int(preview, "row"));
	if (get_has(preview, "run")) {
		print_field(c, "lead", "%" PRId64 "/%" PRId64, get_int(preview, "run"), get_int(preview, "lead"));
	}
	if (get_has(preview, "call")) {
		print_field(c, "call", "%s.%s, at most %s", get_text(preview, "service"), get_text(preview, "call"),
		    show_money(c, preview, "ceiling_micro", get_text(preview, "currency")));
	}
	if (get_has(preview, "prompt")) {
		print_field(c, "prompt", "%s", get_text(preview, "prompt"));
	}
	if (!get_bool(preview, "loaded")) {
		print_field(c, "not loaded", "the files were changed: it counts from `leadctl reload` on");
	}
	print_lacks(c, preview);
	print_params(c, preview);
	print_request(c, preview);
	print_gates(c, preview);
}

int cmd_prompt(struct ctl *c, const struct args *a)
{
	const char *file = args_text(a, "file"), *upload = NULL, *source = NULL;
	struct json_object *body, *preview;
	int rc = CTL_OK;

	if (args_has(a, "row") == args_has(a, "lead")) {
		args_complain(a->command, "say --row N, of the file or of the run's file, or --lead N");
		return CTL_USAGE;
	}
	if (!check_delimiter(a)) {
		return CTL_USAGE;
	}
	if (file != NULL) {
		rc = upload_file(c, file, &upload, &source);
	}
	if (rc != CTL_OK) {
		return rc;
	}
	body = file_body(a, upload);
	body_text(body, "campaign", a->positions[0]);
	body_text(body, "stage", args_text(a, "stage"));
	body_number(body, "row", a, "row");
	body_number(body, "run", a, "run");
	body_number(body, "lead", a, "lead");
	body_number(body, "step", a, "step");
	rc = api_send(c, "POST", body, &preview, "/v1/previews");
	json_object_put(body);
	return answer_show(c, rc, preview, print_preview);
}
