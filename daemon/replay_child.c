/*
 * leadd --replay: reads a configuration, plays a run of the live store again in SCRATCH and leaves the result there. No
 * credential is read, nothing is sent. A bundle is what a client uploaded: {"files":{"leadd.yaml":"…","services/x.yaml":"…"}}.
 */
#include "daemon/child_kit.h"
#include "daemon/leadd.h"
#include "daemon/replay.h"
#include "lib/base/json.h"
#include "lib/engine/plan/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_BUNDLE_BYTES ((off_t)8 << 20)
#define MAX_FILES 500
#define MAX_PROBLEMS 100
#define CPU_S 110 /* the daemon answers its client after two minutes at the latest */
#define SCRATCH_BYTES ((size_t)8 << 30)

struct job {
	const char *state_dir, *scratch, *file;
	uint32_t run;
	unsigned long limit;
	bool steps, bundle;
	char config_dir[4050];
};

/* --- refusals --- */

static struct json_object *problem(int status, const char *title, const char *code, const char *detail)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "type", json_object_new_string("about:blank"));
	json_object_object_add(o, "title", json_object_new_string(title));
	json_object_object_add(o, "status", json_object_new_int(status));
	json_object_object_add(o, "code", json_object_new_string(code));
	json_object_object_add(o, "detail", json_object_new_string(detail));
	return o;
}

static int refuse(struct json_object *o)
{
	(void)fputs(json_object_to_json_string_ext(o, JSON_C_TO_STRING_NOSLASHESCAPE), stdout);
	json_object_put(o);
	return REPLAY_REFUSED;
}

static int refuse_bundle(const char *detail)
{
	return refuse(problem(422, "Unprocessable Content", "bad-configuration", detail));
}

/* Paths as the client knows them. */
static struct json_object *problem_text(const struct job *j, const char *text)
{
	size_t len = strlen(j->config_dir);
	struct json_object *ret;
	struct buf b = {0};

	while (*text != 0) {
		if (j->bundle && strncmp(text, j->config_dir, len) == 0 && text[len] == '/') {
			text += len + 1;
		} else {
			buf_add_char(&b, *text++);
		}
	}
	ret = json_object_new_string(b.data != NULL ? b.data : "");
	buf_free(&b);
	return ret;
}

static int refuse_config(const struct job *j, const struct problems *problems)
{
	struct json_object *o, *list = json_object_new_array();
	unsigned n = 0;

	for (struct problem *p = problems->first; p != NULL && n < MAX_PROBLEMS; p = p->next, n++) {
		json_object_array_add(list, problem_text(j, p->text));
	}
	o = problem(422, "Unprocessable Content", "bad-configuration",
	    n > 0 ? json_object_get_string(json_object_array_get_idx(list, 0)) : "the configuration cannot be read");
	json_object_object_add(o, "problems", list);
	return refuse(o);
}

static int refuse_replay(int rc, const struct lead_error *err)
{
	switch (rc) {
	case REPLAY_NO_RUN:
		return refuse(problem(404, "Not Found", "not-found", err->text));
	case REPLAY_NOT_ENDED:
		return refuse(problem(409, "Conflict", "not-ended", err->text));
	case REPLAY_NO_ANSWERS:
		return refuse(problem(409, "Conflict", "no-answers", err->text));
	case REPLAY_NO_CAMPAIGN:
		return refuse(problem(422, "Unprocessable Content", "no-campaign", err->text));
	case LEAD_EFULL:
		return refuse(problem(507, "Insufficient Storage", "store-full", err->text));
	default:
		(void)fputs(err->text, stdout);
		return 1;
	}
}

/* --- the bundle --- */

/* leadd.yaml, or a plain file name below one of the folders. */
static bool path_ok(const char *path)
{
	static const char *const folders[] = {"services/", "pipelines/", "prompts/", "lists/"};
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		size_t len = strlen(folders[i]);

		if (strncmp(path, folders[i], len) == 0) {
			return path[len] != 0 && path[len] != '.' && strlen(path) < 200 && path[len + strspn(path + len, plain)] == 0;
		}
	}
	return strcmp(path, "leadd.yaml") == 0;
}

static bool write_file(const char *path, const char *text, size_t len)
{
	FILE *f = fopen(path, "wxe");
	bool ok = f != NULL && fwrite(text, 1, len, f) == len;

	return f != NULL && fclose(f) == 0 && ok;
}

static bool make_folders(const struct job *j)
{
	static const char *const folders[] = {"", "/services", "/pipelines", "/prompts", "/lists"};
	char path[4096];

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", j->config_dir, folders[i]);
		if (mkdir(path, 0700) != 0) {
			return false;
		}
	}
	return true;
}

static int write_files(const struct job *j, struct json_object *files)
{
	size_t n = 0;

	if (!make_folders(j)) {
		return refuse_bundle("the configuration cannot be unpacked");
	}
	json_object_object_foreach(files, name, text)
	{
		char path[4300];

		if (!path_ok(name) || ++n > MAX_FILES || !json_object_is_type(text, json_type_string)) {
			return refuse_bundle("'files' are texts: leadd.yaml, services/NAME, pipelines/NAME, prompts/NAME and lists/NAME, 500 at most");
		}
		(void)snprintf(path, sizeof(path), "%s/%s", j->config_dir, name);
		if (!write_file(path, json_object_get_string(text), (size_t)json_object_get_string_len(text))) {
			return refuse_bundle("the configuration cannot be unpacked");
		}
	}
	return 0;
}

static char *read_bundle(const char *file, size_t *ret_len)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text = NULL;

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size <= MAX_BUNDLE_BYTES) {
		text = malloc((size_t)st.st_size + 1);
		if (text != NULL && pread(fd, text, (size_t)st.st_size, 0) != st.st_size) {
			free(text);
			text = NULL;
		}
		*ret_len = (size_t)st.st_size;
	}
	if (fd >= 0) {
		close(fd);
	}
	return text;
}

static int unpack(const struct job *j)
{
	struct json_object *o = NULL, *files = NULL;
	size_t len = 0;
	char *text = read_bundle(j->file, &len);
	int rc;

	if (text == NULL) {
		return refuse_bundle("the upload cannot be read, or is larger than 8 MiB");
	}
	if (json_parse(text, len, &o, NULL) != 0 || json_get_object(o, "files", "the upload", &files, NULL) != 0) {
		rc = refuse_bundle("the upload is no configuration: {\"files\":{\"leadd.yaml\":\"…\",…}}");
	} else {
		rc = write_files(j, files);
	}
	json_object_put(o);
	free(text);
	return rc;
}

/* --- the replay --- */

static int load(const struct job *j, struct config **ret)
{
	struct config_options o = {.bundle = j->bundle, .no_secrets = true};
	struct problems problems;
	char file[4096];
	int rc = j->bundle ? unpack(j) : 0;

	if (rc != 0) {
		return rc;
	}
	(void)snprintf(file, sizeof(file), "%s%s", j->bundle ? j->config_dir : "", j->bundle ? "/leadd.yaml" : j->file);
	problems_init(&problems);
	if (config_load_with(file, 1, &o, &problems, ret) != 0 || *ret == NULL) {
		rc = refuse_config(j, &problems);
	}
	problems_fini(&problems);
	return rc;
}

static int write_result(const struct job *j, struct json_object *o, struct lead_error *err)
{
	const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_NOSLASHESCAPE);
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", j->scratch, REPLAY_RESULT);
	if (!write_file(path, text, strlen(text))) {
		return lead_fail(err, errno == ENOSPC ? LEAD_EFULL : LEAD_ESTORE, "cannot write %s: %s", path, strerror(errno));
	}
	return 0;
}

/* Here, since it may be long: the daemon removes what is left, and has others to serve. */
static void remove_scratch(const struct job *j)
{
	static const char *const files[] = {"leadd.mdb", "leadd.mdb-lock", "leadd.lock"};
	char path[4096];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", j->scratch, files[i]);
		(void)unlink(path);
	}
}

static int replay(const struct job *j, struct config *c, struct lead_error *err)
{
	struct store_options live = {.dir = j->state_dir, .read_only = true};
	struct store_options scratch = {.dir = j->scratch, .map_bytes = SCRATCH_BYTES, .no_sync = true};
	struct replay_options o = {.config = c, .run = j->run, .limit = j->limit, .steps = j->steps};
	struct json_object *result = NULL;
	int rc = store_open(&live, &o.live, err);

	rc = rc == 0 ? store_open(&scratch, &o.scratch, err) : rc;
	rc = rc == 0 ? replay_run(&o, &result, err) : rc;
	rc = rc == 0 ? write_result(j, result, err) : rc;
	json_object_put(result);
	store_close(o.scratch);
	store_close(o.live);
	remove_scratch(j);
	return rc;
}

int replay_main(char *argv[])
{
	struct job j = {.state_dir = argv[2],
	    .scratch = argv[3],
	    .run = (uint32_t)strtoul(argv[4], NULL, 10),
	    .limit = strtoul(argv[5], NULL, 10),
	    .steps = argv[6][0] == '1',
	    .file = argv[7],
	    .bundle = strcmp(argv[8], "bundle") == 0};
	struct config *c = NULL;
	struct lead_error err;
	int rc;

	child_bound(CPU_S, RLIM_INFINITY);
	(void)snprintf(j.config_dir, sizeof(j.config_dir), "%s/config", j.scratch);
	rc = load(&j, &c);
	if (rc == 0) {
		rc = replay(&j, c, &err);
		rc = rc != 0 ? refuse_replay(rc, &err) : 0;
	}
	config_unref(c);
	return rc;
}
