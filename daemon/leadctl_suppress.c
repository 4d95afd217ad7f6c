/* daemon/leadctl_suppress.c: suppression lists: whom an organisation must not write to. */
#include "daemon/leadctl.h"

#include "lib/base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#define PATH "/v1/organisations/%s/suppressions"

/* --- add, remove --- */

/* Positions behind the organisation as `entries`, and where they come from. */
static struct json_object *entries_body(const struct args *a)
{
	static const char *const origin[] = {"source", "reason"};
	struct json_object *body = json_object_new_object(), *list = json_object_new_array();

	for (size_t i = 1; i < a->n_positions; i++) {
		json_object_array_add(list, json_object_new_string(a->positions[i]));
	}
	json_object_object_add(body, "entries", list);
	for (size_t i = 0; i < sizeof(origin) / sizeof(origin[0]); i++) {
		body_text(body, origin[i], args_text(a, origin[i]));
	}
	return body;
}

static int print_change(
    struct ctl *c, const struct args *a, struct json_object *o, const char *done, const char *not )
{
	struct json_object *rejected = get_list(o, "rejected");
	size_t n = list_length(rejected);

	if (c->json) {
		print_json(o);
	} else {
		print_line(c, PLAIN, "%" PRId64 " %s, %" PRId64 " %s", get_int(o, done), done,
		    get_int(o, not ), not );
	}
	for (size_t i = 0; i < n; i++) {
		struct json_object *one = list_at(rejected, i);
		size_t entry = (size_t)get_int(one, "entry");

		print_error("`%s`: %s", entry < a->n_positions ? a->positions[entry] : "?",
		    get_text(one, "why"));
	}
	return n > 0 ? CTL_REFUSED : CTL_OK;
}

int cmd_suppress_add(struct ctl *c, const struct args *a)
{
	struct json_object *body = entries_body(a), *answer;
	int rc = api_send(c, "POST", body, &answer, PATH, api_segment(c, a->positions[0]));

	json_object_put(body);
	if (rc == CTL_OK) {
		rc = print_change(c, a, answer, "new", "known");
		json_object_put(answer);
	}
	return rc;
}

int cmd_suppress_remove(struct ctl *c, const struct args *a)
{
	struct json_object *body = entries_body(a), *answer;
	int rc =
	    api_send(c, "POST", body, &answer, PATH "/remove", api_segment(c, a->positions[0]));

	json_object_put(body);
	if (rc == CTL_OK) {
		rc = print_change(c, a, answer, "removed", "unknown");
		json_object_put(answer);
	}
	return rc;
}

/* --- import: the answer is a stream of lines --- */

struct importing {
	struct ctl *c;
	struct buf line;
	struct json_object *last, *rejected;
	bool show; /* progress on a terminal */
};

static void take_line(struct importing *x)
{
	struct json_object *o;

	if (json_parse(x->line.data, x->line.len, &o, NULL) != 0) {
		return;
	}
	if (get_has(o, "line")) {
		if (!x->c->json) {
			print_error("line %" PRId64 ": %s", get_int(o, "line"), get_text(o, "why"));
		}
		json_object_array_add(x->rejected, o);
		return;
	}
	if (x->show) {
		fprintf(stderr, "\r\033[K%" PRId64 " rows: %" PRId64 " new, %" PRId64 " known",
		    get_int(o, "rows"), get_int(o, "new"), get_int(o, "known"));
	}
	json_object_put(x->last);
	x->last = o;
}

static bool take_import(void *arg, const char *bytes, size_t len)
{
	struct importing *x = arg;

	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '\n') {
			take_line(x);
			buf_reset(&x->line);
		} else {
			buf_add_char(&x->line, bytes[i]);
		}
	}
	return !x->line.failed;
}

static int import_result(struct importing *x, int rc, const struct lead_error *err)
{
	struct json_object *o = x->last;
	int64_t told = (int64_t)list_length(x->rejected);

	if (rc == CTL_OK && !get_has(o, "done")) {
		print_error("the import was cut off: send the list again, nothing happens twice");
		return CTL_UNREACHABLE;
	}
	if (rc != CTL_OK) {
		return rc == API_LOST ? api_unreachable(x->c, err) : rc;
	}
	if (x->c->json) {
		json_object_object_add(o, "rejects", json_object_get(x->rejected));
		print_json(o);
	} else {
		print_line(x->c, PLAIN, "%" PRId64 " new, %" PRId64 " known, %" PRId64 " rejected",
		    get_int(o, "new"), get_int(o, "known"), get_int(o, "rejected"));
	}
	if (get_int(o, "rejected") > told && !x->c->json) {
		print_error("%" PRId64 " further lines were rejected", get_int(o, "rejected") - told);
	}
	if (!get_bool(o, "done")) {
		print_error("the list is not whole: %s", get_text(o, "error"));
	}
	return get_bool(o, "done") && get_int(o, "rejected") == 0 ? CTL_OK : CTL_REFUSED;
}

int cmd_suppress_import(struct ctl *c, const struct args *a)
{
	struct importing x = {.c = c, .show = isatty(STDERR_FILENO) == 1 && !c->json};
	struct json_object *body = entries_body(a);
	struct api_bytes bytes = {.take = take_import, .arg = &x, .live = true};
	struct lead_error err = {.text = ""};
	const char *upload, *name;
	char path[256];
	int rc = upload_file(c, a->positions[1], &upload, &name);

	if (rc != CTL_OK) {
		json_object_put(body);
		return rc;
	}
	json_object_object_del(body, "entries");
	body_text(body, "upload", upload);
	bytes.body = json_object_to_json_string_ext(
	    body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	bytes.len = strlen(bytes.body);
	x.rejected = json_object_new_array();
	snprintf(path, sizeof(path), PATH "/import", api_segment(c, a->positions[0]));
	rc = api_raw(c, "POST", path, &bytes, &err);
	if (x.show) {
		fputs("\r\033[K", stderr);
	}
	rc = import_result(&x, rc, &err);
	json_object_put(body);
	json_object_put(x.last);
	json_object_put(x.rejected);
	buf_free(&x.line);
	return rc;
}

/* --- check, list --- */

static void print_found(struct ctl *c, struct json_object *o)
{
	if (get_bool(o, "suppressed")) {
		print_line(c, PLAIN, "%s, given as %s by %s on %s%s%s", get_text(o, "reason"),
		    get_text(o, "given"), get_text(o, "source"), show_time(c, o, "since"),
		    get_has(o, "why") ? ": " : "", get_text(o, "why"));
	} else {
		print_line(c, PLAIN, "not on the list of %s", get_text(o, "organisation"));
	}
}

int cmd_suppress_check(struct ctl *c, const struct args *a)
{
	struct json_object *body = json_object_new_object(), *o;
	int rc;

	body_text(body, "entry", a->positions[1]);
	rc = api_send(c, "POST", body, &o, PATH "/check", api_segment(c, a->positions[0]));
	json_object_put(body);
	return answer_show(c, rc, o, print_found);
}

static void print_sources(struct ctl *c, struct json_object *o)
{
	struct json_object *list = get_list(o, "items");
	struct table t;

	table_init(&t, "SOURCE* ADDRESSES> HASHES> DOMAINS> FIRST LAST");
	for (size_t i = 0; i < list_length(list); i++) {
		struct json_object *one = list_at(list, i);

		table_cell(c, &t, "%s", get_text(one, "source"));
		table_cell(c, &t, "%" PRId64, get_int(one, "addresses"));
		table_cell(c, &t, "%" PRId64, get_int(one, "hashes"));
		table_cell(c, &t, "%" PRId64, get_int(one, "domains"));
		table_cell(c, &t, "%s", show_time(c, one, "first"));
		table_cell(c, &t, "%s", show_time(c, one, "last"));
	}
	print_line(c, BOLD, "%" PRId64 " entries on the suppression list of %s", get_int(o, "entries"),
	    get_text(o, "organisation"));
	table_print(c, &t);
}

int cmd_suppress_list(struct ctl *c, const struct args *a)
{
	struct json_object *o;
	int rc = api_get(c, &o, PATH, api_segment(c, a->positions[0]));

	return answer_show(c, rc, o, print_sources);
}
