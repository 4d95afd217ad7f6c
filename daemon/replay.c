/*
 * POST /v1/runs/{run}/replay: a child process plays the run again (replay_child.c), in the folder `replay` of the state
 * directory. One at a time. The folder is gone with the answer; what a crash left of it goes at the next start.
 */
#include "daemon/replay.h"
#include "daemon/routes.h"
#include "lib/base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_RESULT_BYTES ((off_t)64 << 20)
#define DEFAULT_LEADS 200

struct replaying {
	struct leadd *l;
	struct http_request *r;
	char run[16], limit[16];
	char dir[4000], upload[4096]; /* upload: "" for the daemon's own configuration; it goes into dir */
};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st;
	(void)flag;
	(void)at;
	return remove(path);
}

static void folder(struct leadd *l, char dir[4000])
{
	(void)snprintf(dir, 4000, "%.3900s/replay", engine_config(l->engine)->state_dir);
}

void replay_clear(struct leadd *l)
{
	char dir[4000];

	folder(l, dir);
	if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT) {
		log_line(LOG_WARN_, "cannot remove %s: %s", dir, strerror(errno));
	}
}

/* The child's file as it is; false when it cannot be read. */
static bool reply_result(struct replaying *x)
{
	char path[4096];
	struct stat st;
	char *text = NULL;
	int fd;
	bool ok;

	(void)snprintf(path, sizeof(path), "%s/%s", x->dir, REPLAY_RESULT);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ok = fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size <= MAX_RESULT_BYTES;
	text = ok ? malloc((size_t)st.st_size) : NULL;
	ok = text != NULL && pread(fd, text, (size_t)st.st_size, 0) == st.st_size;
	if (ok) {
		http_reply_text(x->r, 200, "application/json", text, (size_t)st.st_size);
	}
	if (fd >= 0) {
		close(fd);
	}
	free(text);
	return ok;
}

/* What the child refused is a problem object with its status; anything else is its last words. */
static void reply_failure(struct http_request *r, int status, const char *output)
{
	struct json_object *o = NULL;
	int64_t code = 0;

	if (status == REPLAY_REFUSED && json_parse(output, strlen(output), &o, NULL) == 0 &&
	    json_get_int(o, "status", "the problem", 400, 599, &code, NULL) == 0) {
		http_reply_text(r, (int)code, "application/problem+json", output, strlen(output));
	} else {
		http_reply_problem(r, 500, "replay-failed", "%s", output[0] != 0 ? output : "the replay did not end well; it may take two minutes at most");
	}
	json_object_put(o);
}

static void on_replayed(void *arg, int status, const char *output)
{
	struct replaying *x = arg;

	x->l->replaying = false;
	if (status != 0 || !reply_result(x)) {
		reply_failure(x->r, status, output);
	}
	replay_clear(x->l);
	free(x);
}

static bool read_request(struct replaying *x)
{
	struct json_object *body = http_body_json(x->r);
	const char *upload = NULL;
	int64_t limit = DEFAULT_LEADS;
	uint64_t run = 0;
	struct lead_error err;

	if (body == NULL || !http_param_uint(x->r, "run", 1, UINT32_MAX, &run)) {
		return false;
	}
	if (json_get_string(body, "upload", "the replay", &upload, &err) < 0 ||
	    json_get_int(body, "limit", "the replay", 0, 20000, &limit, &err) < 0) {
		http_reply_error(x->r, &err);
		return false;
	}
	if (upload != NULL && (!upload_whole(x->l, upload, x->r) || !upload_path(x->l, upload, x->upload))) {
		return false;
	}
	(void)snprintf(x->run, sizeof(x->run), "%u", (unsigned)run);
	(void)snprintf(x->limit, sizeof(x->limit), "%u", (unsigned)limit);
	return true;
}

/* The upload is for this one alone: it goes where all of the replay goes in the end. */
static int make_folder(struct replaying *x, struct lead_error *err)
{
	char path[4096];
	int rc = mkdir(x->dir, 0700);

	if (rc == 0 && x->upload[0] != 0) {
		(void)snprintf(path, sizeof(path), "%s/upload", x->dir);
		rc = rename(x->upload, path);
		(void)snprintf(x->upload, sizeof(x->upload), "%s", path);
	}
	return rc == 0 ? 0 : lead_fail(err, errno == ENOSPC ? LEAD_EFULL : LEAD_ESTORE, "cannot make %s: %s", x->dir, strerror(errno));
}

static bool start(struct replaying *x)
{
	const char *steps = http_query(x->r, "steps");
	const char *args[] = {"leadd", REPLAY_OPTION, engine_config(x->l->engine)->state_dir, x->dir, x->run, x->limit,
	    steps != NULL && strcmp(steps, "1") == 0 ? "1" : "0", x->upload[0] != 0 ? x->upload : x->l->config_file,
	    x->upload[0] != 0 ? "bundle" : "file", NULL};
	struct lead_error err;

	if (make_folder(x, &err) == 0 && child_start(x->l, args, on_replayed, x, &err) == 0) {
		return true;
	}
	http_reply_error(x->r, &err);
	return false;
}

void post_replay(void *app, struct http_request *r)
{
	struct leadd *l = app;
	struct replaying *x;

	if (l->replaying) {
		http_reply_problem(r, 409, "replay-busy", "another replay is at work");
		return;
	}
	x = calloc(1, sizeof(*x));
	if (x == NULL) {
		abort();
	}
	x->l = l;
	x->r = r;
	folder(l, x->dir);
	replay_clear(l);
	l->replaying = read_request(x) && start(x);
	if (!l->replaying) {
		replay_clear(l);
		free(x);
	}
}
