/*
 * daemon/leadctl_replay.c: a run played again on another configuration.
 *
 *   --with FILE -> leadd.yaml and the services, pipelines and lists it names, in one upload ->
 * replay
 *
 * The daemon opens no file by a path of ours, so they go to it as texts, without any credential.
 */
#include "daemon/leadctl.h"

#include "lib/base/yaml.h"
#include "lib/table/csv.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include <json-c/json.h>

#define MAX_FILE_BYTES ((size_t)1 << 20)
#define MAX_FILES 500
#define MOST_LEADS 20000

/* --- the bundle --- */

struct bundle {
	struct ctl *c;
	struct json_object *files;
	const char *dir; /* of leadd.yaml */
};

static bool add_file(struct bundle *b, const char *path, const char *name)
{
	FILE *f = fopen(path, "re");
	struct buf text = {.max = MAX_FILE_BYTES + 1};
	char part[4096];
	size_t n;
	bool ok = f != NULL;

	while (ok && (n = fread(part, 1, sizeof(part), f)) > 0) {
		buf_add(&text, part, n);
	}
	ok = ok && ferror(f) == 0;
	if (!ok) {
		print_error("%s: %s", path, strerror(errno));
	} else if (text.failed) {
		print_error("%s is larger than 1 MiB", path);
		ok = false;
	} else {
		json_object_object_add(b->files, name,
		    json_object_new_string_len(text.data != NULL ? text.data : "", (int)text.len));
	}
	if (f != NULL) {
		(void)fclose(f);
	}
	buf_free(&text);
	return ok;
}

static const char *resolve(struct bundle *b, const char *path)
{
	return path[0] == '/' ? path : arena_printf(&b->c->mem, "%s/%s", b->dir, path);
}

/* The files of one folder with that ending; of equal names the one added first counts. */
static bool add_folder(struct bundle *b, const char *dir, const char *kind, const char *ending)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	bool ok = d != NULL;

	if (!ok) {
		print_error("%s: %s", dir, strerror(errno));
	}
	while (ok && (e = readdir(d)) != NULL) {
		size_t len = strlen(e->d_name), end = strlen(ending);
		const char *name;

		if (e->d_name[0] == '.' || len <= end ||
		    strcmp(e->d_name + len - end, ending) != 0) {
			continue;
		}
		name = arena_printf(&b->c->mem, "%s/%s", kind, e->d_name);
		if (json_object_object_length(b->files) == MAX_FILES) {
			print_error("the configuration has more than %d files", MAX_FILES);
			ok = false;
		} else if (!json_object_object_get_ex(b->files, name, NULL)) {
			ok = add_file(b, arena_printf(&b->c->mem, "%s/%s", dir, e->d_name), name);
		}
	}
	if (d != NULL) {
		(void)closedir(d);
	}
	return ok;
}

/* The folders that `key` names: one, or a list of them. */
static bool add_kind(
    struct bundle *b, struct yaml *y, const char *key, const char *kind, const char *ending)
{
	struct problems p;
	const char **dirs = NULL;
	size_t n = 0;
	bool ok = true;

	problems_init(&p);
	if (y->root != NULL && yaml_get(y->root, key) != NULL) {
		n = yaml_read_strings(y, y->root, key, &dirs, &p);
		ok = p.count == 0;
	} else {
		ok = add_folder(b, resolve(b, kind), kind, ending);
	}
	if (p.count > 0) {
		print_error("%s", p.first->text);
	}
	for (size_t i = 0; ok && i < n; i++) {
		ok = add_folder(b, resolve(b, dirs[i]), kind, ending);
	}
	problems_fini(&p);
	return ok;
}

static bool add_prompt_folder(struct bundle *b, const char *dir)
{
	return access(dir, F_OK) != 0 || (add_folder(b, dir, "prompts", ".md") && add_folder(b, dir, "prompts", ".txt"));
}

/* Where none is named: beside leadd.yaml and beside the folders of pipelines, as the daemon does it. */
static bool add_prompts(struct bundle *b, struct yaml *y)
{
	const char **dirs = NULL;
	struct problems p;
	size_t n;
	bool ok;

	if (y->root != NULL && yaml_get(y->root, "prompts_dir") != NULL) {
		return add_kind(b, y, "prompts_dir", "prompts", ".md") && add_kind(b, y, "prompts_dir", "prompts", ".txt");
	}
	problems_init(&p);
	n = y->root != NULL ? yaml_read_strings(y, y->root, "pipelines_dir", &dirs, &p) : 0;
	problems_fini(&p);
	ok = add_prompt_folder(b, resolve(b, "prompts"));
	for (size_t i = 0; ok && i < n; i++) {
		ok = add_prompt_folder(b, arena_printf(&b->c->mem, "%s/../prompts", resolve(b, dirs[i])));
	}
	return ok;
}

static bool gather(struct bundle *b, const char *file)
{
	struct lead_error err;
	struct yaml *y = NULL;
	bool ok;

	b->dir = dirname(arena_dup(&b->c->mem, file, strlen(file)));
	if (yaml_load(file, &y, &err) != 0) {
		print_error("%s", err.text);
		return false;
	}
	ok = add_file(b, file, "leadd.yaml") &&
	     add_kind(b, y, "services_dir", "services", ".yaml") &&
	     add_kind(b, y, "pipelines_dir", "pipelines", ".yaml") && add_prompts(b, y) &&
	     add_kind(b, y, "lists_dir", "lists", ".txt");
	yaml_free(y);
	return ok;
}

static int upload_config(struct ctl *c, const char *with, const char **ret_upload)
{
	struct bundle b = {.c = c, .files = json_object_new_object()};
	struct json_object *o = json_object_new_object();
	struct stat st;
	const char *text;
	int rc = CTL_USAGE;

	json_object_object_add(o, "files", b.files);
	if (stat(with, &st) == 0 && S_ISDIR(st.st_mode)) {
		with = arena_printf(&c->mem, "%s/leadd.yaml", with);
	}
	if (gather(&b, with)) {
		text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_NOSLASHESCAPE);
		rc = upload_text(c, "configuration", text, strlen(text), ret_upload);
	}
	json_object_put(o);
	return rc;
}

/* --- what came out --- */

static void print_changes(struct ctl *c, struct json_object *answer)
{
	struct json_object *changes = get_list(answer, "changes");
	struct table t;

	table_init(&t, "WAS NOW LEADS>");
	for (size_t i = 0; i < list_length(changes); i++) {
		struct json_object *one = list_at(changes, i);
		const char *was = get_text(one, "was"), *now = get_text(one, "now");

		table_cell(c, &t, "%s", was);
		table_cell(c, &t, "%s%s", now, strcmp(was, now) == 0 ? ", otherwise" : "");
		table_color(&t, strcmp(now, "missing") == 0 ? YELLOW : PLAIN);
		table_cell(c, &t, "%" PRId64, get_int(one, "leads"));
	}
	if (t.n_cells > 0) {
		putchar('\n');
	}
	table_print(c, &t);
}

static void print_missing(struct ctl *c, struct json_object *answer)
{
	struct json_object *list = get_list(answer, "missing_at");

	for (size_t i = 0; i < list_length(list); i++) {
		struct json_object *one = list_at(list, i);

		print_line(c, YELLOW,
		    "%s would have been asked something else at stage %s: %" PRId64 " leads",
		    get_text(one, "service"), get_text(one, "stage"), get_int(one, "leads"));
	}
	if (get_has(answer, "stands_still")) {
		print_line(c, YELLOW, "leads stand still: %s", get_text(answer, "stands_still"));
	}
}

static const char *end_text(struct ctl *c, struct json_object *end)
{
	const char *reason = get_text(end, "reason");

	return arena_printf(
	    &c->mem, "%s%s%s", get_text(end, "outcome"), reason[0] != '\0' ? " " : "", reason);
}

static const char *field_names(struct ctl *c, struct json_object *item)
{
	struct json_object *list = get_list(item, "fields");
	const char *text = "";

	for (size_t i = 0; i < list_length(list); i++) {
		text = arena_printf(&c->mem, "%s%s%s", text, i > 0 ? ", " : "",
		    json_object_get_string(list_at(list, i)));
	}
	return text;
}

static void print_leads(struct ctl *c, struct json_object *answer)
{
	struct json_object *items = get_list(answer, "items");
	struct table t;

	table_init(&t, "LEAD> WAS NOW FIELDS*");
	for (size_t i = 0; i < list_length(items); i++) {
		struct json_object *one = list_at(items, i), *now = get_object(one, "now");

		table_cell(c, &t, "%" PRId64, get_int(one, "lead"));
		table_cell(c, &t, "%s", end_text(c, get_object(one, "was")));
		if (get_bool(one, "missing")) {
			table_cell(c, &t, "missing at %s", get_text(now, "stage"));
			table_color(&t, YELLOW);
		} else {
			table_cell(c, &t, "%s", end_text(c, now));
		}
		table_cell(c, &t, "%s", field_names(c, one));
	}
	if (t.n_cells > 0) {
		putchar('\n');
	}
	table_print(c, &t);
	if (get_bool(answer, "more")) {
		print_line(c, DIM, "there are more: --limit N, or --output FILE");
	}
}

static void print_replay(struct ctl *c, struct json_object *answer)
{
	const char *currency = get_text(answer, "currency");

	print_field(c, "leads", "%" PRId64, get_int(answer, "leads"));
	print_field(c, "same", "%" PRId64, get_int(answer, "same"));
	print_field(c, "different", "%" PRId64, get_int(answer, "different"));
	print_field(c, "missing", "%" PRId64, get_int(answer, "missing"));
	print_field(c, "spent", "%s, now %s (without what is missing)",
	    show_money(c, answer, "was_micro", currency),
	    show_money(c, answer, "now_micro", currency));
	print_changes(c, answer);
	print_missing(c, answer);
	print_leads(c, answer);
}

/* --- all of it, as CSV --- */

static void add_cell(struct buf *out, const char *text, bool first)
{
	csv_write_cell(out, text, strlen(text), first);
}

static int write_csv(struct ctl *c, struct json_object *answer, const char *file)
{
	static const char *const header[] = {
	    "lead", "was", "was_reason", "now", "now_reason", "stage", "fields"};
	struct json_object *items = get_list(answer, "items");
	struct buf out = {0};
	FILE *f = strcmp(file, "-") == 0 ? stdout : fopen(file, "we");
	bool ok;

	for (size_t i = 0; i < sizeof(header) / sizeof(header[0]); i++) {
		add_cell(&out, header[i], i == 0);
	}
	csv_write_end(&out);
	for (size_t i = 0; i < list_length(items); i++) {
		struct json_object *one = list_at(items, i), *was = get_object(one, "was"),
				   *now = get_object(one, "now");

		buf_printf(&out, "%" PRId64, get_int(one, "lead"));
		add_cell(&out, get_text(was, "outcome"), false);
		add_cell(&out, get_text(was, "reason"), false);
		add_cell(
		    &out, get_bool(one, "missing") ? "missing" : get_text(now, "outcome"), false);
		add_cell(&out, get_text(now, "reason"), false);
		add_cell(&out, get_text(now, "stage"), false);
		add_cell(&out, field_names(c, one), false);
		csv_write_end(&out);
	}
	ok = f != NULL && !out.failed && fwrite(out.data, 1, out.len, f) == out.len;
	if (f != NULL && f != stdout) {
		ok = fclose(f) == 0 && ok;
	}
	if (!ok) {
		print_error("%s: %s", file, strerror(errno));
	} else if (f != stdout) {
		print_line(c, PLAIN, "%s: %zu leads%s", file, list_length(items),
		    get_bool(answer, "more") ? ", the first of more" : "");
	}
	buf_free(&out);
	return ok ? CTL_OK : CTL_USAGE;
}

int cmd_replay_run(struct ctl *c, const struct args *a)
{
	const char *with = args_text(a, "with"), *output = args_text(a, "output"), *upload = NULL;
	struct json_object *body, *answer = NULL;
	int64_t limit = output != NULL ? MOST_LEADS : 50;
	uint64_t run;
	int rc = CTL_OK;

	if (!args_run(a, 0, &run)) {
		return CTL_USAGE;
	}
	if (with != NULL) {
		rc = upload_config(c, with, &upload);
	}
	if (rc != CTL_OK) {
		return rc;
	}
	(void)args_number(a, "limit", &limit);
	body = json_object_new_object();
	json_object_object_add(body, "limit", json_object_new_int64(limit));
	body_text(body, "upload", upload);
	rc = api_send(c, "POST", body, &answer, "/v1/runs/%" PRIu64 "/replay", run);
	json_object_put(body);
	if (rc == CTL_OK && output != NULL) {
		rc = write_csv(c, answer, output);
	} else if (rc == CTL_OK && c->json) {
		print_json(answer);
	} else if (rc == CTL_OK) {
		print_replay(c, answer);
	}
	json_object_put(answer);
	return rc;
}
