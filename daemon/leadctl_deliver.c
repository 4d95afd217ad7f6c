/* daemon/leadctl_deliver.c: what a run brought to its destination: taken out again, read back as a whole. */
#include "daemon/leadctl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

/* Those that would stay, each with its reason, and how many would go. */
static void print_beforehand(struct ctl *c, const struct args *a, uint64_t run, struct json_object *list)
{
	struct json_object *items = get_list(list, "items");
	size_t goes = 0;
	struct table t;

	table_init(&t, "LEAD> OUTCOME RECALL WHY*");
	for (size_t i = 0; i < list_length(items); i++) {
		struct json_object *one = list_at(items, i);
		bool go = get_bool(one, "goes");

		goes += go;
		table_cell(c, &t, "%" PRIu64 "/%" PRId64, run, get_int(one, "lead"));
		table_cell(c, &t, "%s", show_text(c, one, "outcome"));
		table_cell(c, &t, "%s", !go ? "stays" : args_has(a, "unsent-only") ? "if unsent" : "goes");
		table_color(&t, go ? PLAIN : YELLOW);
		table_cell(c, &t, "%s", show_text(c, one, "why"));
	}
	table_print(c, &t);
	print_line(c, BOLD, "run %" PRIu64 ": %zu leads would %s, %zu stay", run, goes,
	    args_has(a, "unsent-only") ? "be looked at, and go when nothing was sent to them" : "go", list_length(items) - goes);
}

static int beforehand(struct ctl *c, const struct args *a, uint64_t run)
{
	struct json_object *list, *first;
	struct buf path = {0};
	int rc;

	buf_printf(&path, "/v1/runs/%" PRIu64 "/recall%s", run, args_has(a, "unsent-only") ? "?unsent_only=1" : "");
	rc = api_list(c, path.data, 0, &list);
	if (rc != CTL_OK) {
		buf_free(&path);
		return rc;
	}
	if (c->json) {
		print_json(list);
	} else {
		print_beforehand(c, a, run, list);
		if (api_get(c, &first, "%s", path.data) == CTL_OK) {
			if (get_has(first, "refused")) {
				print_line(c, YELLOW, "not now: %s", get_text(first, "refused"));
			}
			json_object_put(first);
		}
	}
	buf_free(&path);
	json_object_put(list);
	return CTL_OK;
}

int cmd_recall_run(struct ctl *c, const struct args *a)
{
	struct json_object *body, *answer;
	uint64_t run;
	int rc;

	if (!args_run(a, 0, &run)) {
		return CTL_USAGE;
	}
	if (args_has(a, "dry-run")) {
		return beforehand(c, a, run);
	}
	body = json_object_new_object();
	json_object_object_add(body, "unsent_only", json_object_new_boolean(args_has(a, "unsent-only")));
	rc = api_send(c, "POST", body, &answer, "/v1/runs/%" PRIu64 "/recall", run);
	json_object_put(body);
	if (rc != CTL_OK) {
		return rc;
	}
	if (args_has(a, "watch") && get_int(answer, "recalling") > 0) {
		rc = watch_run(c, run);
	} else if (c->json) {
		print_json(answer);
	} else {
		print_line(c, PLAIN, "run %" PRIu64 ": %" PRId64 " leads are being recalled", run, get_int(answer, "recalling"));
	}
	json_object_put(answer);
	return rc;
}

/* --- read back --- */

static bool at_work(struct json_object *o)
{
	const char *state = get_text(o, "state");

	return strcmp(state, "done") != 0 && strcmp(state, "failed") != 0 && strcmp(state, "none") != 0;
}

/* Until it has ended; *ret is the object then. */
static int wait_verified(struct ctl *c, uint64_t run, struct json_object **ret)
{
	bool show = c->tty && !c->json;
	int rc;

	ctl_catch_interrupt();
	while ((rc = api_get(c, ret, "/v1/runs/%" PRIu64 "/verify?limit=1", run)) == CTL_OK && at_work(*ret)) {
		if (show) {
			fprintf(stderr, "\r\033[K%s: %" PRId64 " leads seen on %" PRId64 " pages", get_text(*ret, "state"),
			    get_int(*ret, "seen"), get_int(*ret, "pages"));
		}
		json_object_put(*ret);
		if (ctl_interrupted) {
			return CTL_INTERRUPTED;
		}
		usleep(200000);
	}
	if (show) {
		fputs("\r\033[K", stderr);
	}
	return rc;
}

static int by_lead(const void *a, const void *b)
{
	struct json_object *x = *(struct json_object *const *)a, *y = *(struct json_object *const *)b;
	int kinds = strcmp(get_text(x, "kind"), get_text(y, "kind"));

	return kinds != 0 ? kinds : (get_int(x, "lead") > get_int(y, "lead")) - (get_int(x, "lead") < get_int(y, "lead"));
}

static void csv_text(FILE *f, const char *text)
{
	bool plain = strpbrk(text, ",\"\r\n") == NULL && strchr("=+-@\t", text[0]) == NULL;

	if (plain || text[0] == '\0') {
		fputs(text, f);
		return;
	}
	fputs(strchr("=+-@\t", text[0]) != NULL ? "\"'" : "\"", f); /* no formula where a sheet opens it */
	for (; *text != '\0'; text++) {
		if (*text == '"') {
			putc('"', f);
		}
		putc(*text, f);
	}
	putc('"', f);
}

static int write_csv(const char *file, struct json_object *items)
{
	FILE *f = fopen(file, "we");
	bool ok = f != NULL;

	for (size_t i = 0; ok && i < list_length(items); i++) {
		struct json_object *one = list_at(items, i);

		if (i == 0) {
			fputs("kind,lead,who,field,id\r\n", f);
		}
		fprintf(f, "%s,", get_text(one, "kind"));
		if (get_has(one, "lead")) {
			fprintf(f, "%" PRId64, get_int(one, "lead"));
		}
		putc(',', f);
		csv_text(f, get_text(one, "who"));
		putc(',', f);
		csv_text(f, get_text(one, "field"));
		putc(',', f);
		csv_text(f, get_text(one, "id"));
		fputs("\r\n", f);
	}
	if (ok && list_length(items) == 0) {
		fputs("kind,lead,who,field,id\r\n", f);
	}
	ok = ok && ferror(f) == 0;
	if (f != NULL) {
		ok = fclose(f) == 0 && ok;
	}
	if (!ok) {
		print_error("%s: %s", file, strerror(errno));
		return CTL_USAGE;
	}
	return CTL_OK;
}

static void print_verified(struct ctl *c, uint64_t run, struct json_object *o, struct json_object *items)
{
	struct table t;

	table_init(&t, "FOUND LEAD> WHO FIELD ID*");
	for (size_t i = 0; i < list_length(items) && i < 50; i++) {
		struct json_object *one = list_at(items, i);

		table_cell(c, &t, "%s", get_text(one, "kind"));
		table_color(&t, RED);
		if (get_has(one, "lead")) {
			table_cell(c, &t, "%" PRIu64 "/%" PRId64, run, get_int(one, "lead"));
		} else {
			table_cell(c, &t, "-");
		}
		table_cell(c, &t, "%s", show_text(c, one, "who"));
		table_cell(c, &t, "%s", show_text(c, one, "field"));
		table_cell(c, &t, "%s", show_text(c, one, "id"));
	}
	table_print(c, &t);
	if (list_length(items) > 50) {
		print_line(c, DIM, "there are %zu more: --csv FILE or --json", list_length(items) - 50);
	}
	if (strcmp(get_text(o, "state"), "failed") == 0) {
		print_line(c, RED, "run %" PRIu64 ": the destination could not be read: %s", run, get_text(o, "why"));
		return;
	}
	print_line(c, get_bool(o, "clean") ? GREEN : BOLD, "run %" PRIu64 ": %" PRId64 " pushed, %" PRId64 " in the destination, %" PRId64
	    " of them of other runs", run, get_int(o, "pushed"), get_int(o, "seen"), get_int(o, "others"));
	print_line(c, PLAIN, "%" PRId64 " missing, %" PRId64 " doubled, %" PRId64 " changed, %" PRId64 " foreign", get_int(o, "missing"),
	    get_int(o, "doubled"), get_int(o, "changed"), get_int(o, "foreign"));
	if (get_bool(o, "repair")) {
		print_line(c, PLAIN, "%" PRId64 " are pushed again", get_int(o, "repaired"));
	}
}

int cmd_verify_run(struct ctl *c, const struct args *a)
{
	struct json_object *body, *o = NULL, *list = NULL;
	char path[64];
	uint64_t run;
	int rc;

	if (!args_run(a, 0, &run)) {
		return CTL_USAGE;
	}
	body = json_object_new_object();
	json_object_object_add(body, "repair", json_object_new_boolean(args_has(a, "repair")));
	rc = api_send(c, "POST", body, &o, "/v1/runs/%" PRIu64 "/verify", run);
	json_object_put(body);
	if (rc == CTL_OK) {
		json_object_put(o);
		rc = wait_verified(c, run, &o);
	}
	if (rc != CTL_OK) {
		return rc;
	}
	(void)snprintf(path, sizeof(path), "/v1/runs/%" PRIu64 "/verify", run);
	rc = api_list(c, path, 0, &list);
	if (rc != CTL_OK) {
		json_object_put(o);
		return rc;
	}
	json_object_array_sort(get_list(list, "items"), by_lead);
	if (args_text(a, "csv") != NULL) {
		rc = write_csv(args_text(a, "csv"), get_list(list, "items"));
	}
	json_object_object_add(o, "items", json_object_get(get_list(list, "items")));
	json_object_object_add(o, "next", NULL);
	if (c->json) {
		print_json(o);
	} else {
		print_verified(c, run, o, get_list(list, "items"));
	}
	rc = rc != CTL_OK ? rc : get_bool(o, "clean") ? CTL_OK : CTL_FOUND;
	json_object_put(list);
	json_object_put(o);
	return rc;
}
