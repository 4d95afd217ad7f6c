/*
 * The spool of uploaded files: parts are written and fsynced before they are acknowledged; a file that is whole belongs to
 * a run, which reads it in slices. The file's length on disk is the offset the next part must have.
 */
#include "daemon/leadd.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/json.h"
#include "lib/table/xlsx.h"

#define TEXT_SUFFIX ".csv" /* of what workbook.c makes of a workbook */
#define MAX_UPLOAD_BYTES (INT64_C(4) << 30)

bool sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0) {
		close(fd);
	}
	return ok;
}

int upload_dir(struct leadd *l, struct lead_error *err)
{
	static const char *const dirs[] = {"uploads", "runs", "backups", "plan"};
	const char *state = engine_config(l->engine)->state_dir;
	char path[4096];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", state, dirs[i]);
		if (mkdir(path, 0700) != 0 && errno != EEXIST) {
			return lead_fail(err, LEAD_EINPUT, "cannot make %s: %s", path, strerror(errno));
		}
	}
	return sync_dir(state) ? 0 : lead_fail(err, LEAD_EIO, "cannot sync %s: %s", state, strerror(errno));
}

/* The most of a file of that name; what it really is, is looked at when it is whole. */
static uint64_t most_bytes(const char *name)
{
	return upload_is_named(name, ".xlsx") || upload_is_named(name, ".xlsm") ? XLSX_BYTES : (uint64_t)MAX_UPLOAD_BYTES;
}

static void reply_too_large(struct http_request *r, const char *name)
{
	http_reply_problem(r, 413, most_bytes(name) == XLSX_BYTES ? "workbook-too-large" : "upload-too-large",
	    "a file of leads has at most %d GiB, a workbook at most %zu MiB: save it as CSV", (int)(MAX_UPLOAD_BYTES >> 30), XLSX_BYTES >> 20);
}

bool upload_is_named(const char *name, const char *ending)
{
	size_t len = strlen(name), end = strlen(ending);

	return len >= end && strcasecmp(name + len - end, ending) == 0;
}

/* Ids are ours: hex only, so that they are safe in a path. */
bool upload_path(struct leadd *l, const char *id, char path[4096])
{
	size_t len = strlen(id);

	if (len != 32 || strspn(id, "0123456789abcdef") != len) {
		return false;
	}
	return (size_t)snprintf(path, 4096, "%s/uploads/%s", engine_config(l->engine)->state_dir, id) < 4096;
}

static bool read_row(struct leadd *l, const char *id, struct upload_row *ret)
{
	struct txn *t = NULL;
	bool found;

	if (txn_begin(l->store, false, &t, NULL) != 0) {
		return false;
	}
	found = upload_read(t, id, ret);
	txn_abort(t);
	return found;
}

void upload_name(struct leadd *l, const char *id, char ret[RUN_TEXT])
{
	struct upload_row row;

	(void)snprintf(ret, RUN_TEXT, "%s", read_row(l, id, &row) ? row.name : "");
}

static void reply_upload(struct http_request *r, int status, const char *id, int64_t offset, int64_t size)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "upload", json_object_new_string(id));
	json_object_object_add(o, "offset", json_object_new_int64(offset));
	json_object_object_add(o, "size", json_object_new_int64(size));
	http_reply_json(r, status, o);
}

static void on_opened(struct leadd *l, struct http_request *r, struct command *c)
{
	(void)l;
	if (c->rc != 0) {
		command_problem(r, c);
		return;
	}
	reply_upload(r, 201, c->upload.id, 0, (int64_t)c->upload.size);
}

void upload_open(void *app, struct http_request *r)
{
	struct leadd *l = app;
	struct json_object *body = http_body_json(r);
	const char *name = "upload.csv";
	struct lead_error err;
	struct command *c;
	uint8_t id[16];
	int64_t size = 0;

	if (body == NULL) {
		return;
	}
	if (json_get_string(body, "name", "the upload", &name, &err) < 0 ||
	    json_get_int(body, "size", "the upload", 0, INT64_MAX, &size, &err) < 0) {
		http_reply_error(r, &err);
		return;
	}
	if ((uint64_t)size > most_bytes(name)) {
		reply_too_large(r, name);
		return;
	}
	c = command_new(COMMAND_UPLOAD);
	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id)) {
		abort();
	}
	for (size_t i = 0; i < sizeof(id); i++) {
		(void)snprintf(c->upload.id + 2 * i, 3, "%02x", id[i]);
	}
	(void)snprintf(c->upload.name, sizeof(c->upload.name), "%s", name);
	c->upload.size = (uint64_t)size;
	c->upload.created_us = clock_now().wall_us;
	command_send(l, c, r, on_opened);
}

static bool sync_folder_of(const char *path)
{
	char folder[4096];

	(void)snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
	return sync_dir(folder);
}

/* Written at its place, if anything of it is new, and synced in any case: a part that is there already may not be on disk yet. */
static int write_part(int fd, const uint8_t *bytes, size_t len, uint64_t offset, struct lead_error *err)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, bytes, len, (off_t)offset);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return lead_fail(err, errno == ENOSPC || errno == EDQUOT ? LEAD_EFULL : LEAD_EIO, "cannot keep the upload: %s",
			    strerror(errno));
		}
		bytes += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	if (fdatasync(fd) != 0) {
		return lead_fail(err, LEAD_EIO, "cannot keep the upload: %s", strerror(errno));
	}
	return 0;
}

void upload_part(void *app, struct http_request *r)
{
	struct leadd *l = app;
	const char *id = http_param(r, "upload");
	struct upload_row row;
	struct lead_error err;
	uint64_t offset = 0;
	char path[4096];
	struct stat st = {0};
	size_t len, known;
	const uint8_t *bytes = http_body(r, &len);
	int fd, rc;

	if (!upload_path(l, id, path) || !read_row(l, id, &row)) {
		http_reply_problem(r, 404, "not-found", "there is no upload '%.40s'", id);
		return;
	}
	if (!http_query_uint(r, "offset", 0, (uint64_t)MAX_UPLOAD_BYTES, &offset)) {
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &st) != 0) {
		(void)lead_fail(&err, errno == ENOSPC ? LEAD_EFULL : LEAD_EIO, "cannot keep the upload: %s", strerror(errno));
		http_reply_error(r, &err);
		if (fd >= 0) {
			close(fd);
		}
		return;
	}
	if (offset > (uint64_t)st.st_size || offset + len > (row.size != 0 ? row.size : most_bytes(row.name))) {
		close(fd);
		if (offset > (uint64_t)st.st_size) {
			http_reply_problem(r, 409, "upload-gap", "the next part must begin at offset %lld", (long long)st.st_size);
		} else if (row.size == 0) {
			reply_too_large(r, row.name);
		} else {
			http_reply_problem(r, 413, "upload-too-long", "the upload was announced with %llu bytes", (unsigned long long)row.size);
		}
		return;
	}
	known = (uint64_t)st.st_size - offset < len ? (size_t)((uint64_t)st.st_size - offset) : len;
	rc = write_part(fd, bytes + known, len - known, (uint64_t)st.st_size, &err);
	if (rc == 0 && offset == 0 && !sync_folder_of(path)) {
		rc = lead_fail(&err, LEAD_EIO, "cannot keep the upload: %s", strerror(errno));
	}
	if (rc != 0 && ftruncate(fd, st.st_size) != 0) { /* what was not synced must be sent again */
		log_line(LOG_WARN_, "%s cannot be cut: %s", path, strerror(errno));
	}
	if (rc == 0 && fstat(fd, &st) != 0) {
		rc = lead_fail(&err, LEAD_EIO, "cannot keep the upload: %s", strerror(errno));
	}
	close(fd);
	if (rc != 0) {
		http_reply_error(r, &err);
		return;
	}
	reply_upload(r, 200, id, st.st_size, (int64_t)row.size);
}

void upload_show(void *app, struct http_request *r)
{
	struct leadd *l = app;
	const char *id = http_param(r, "upload");
	struct upload_row row;
	struct stat st = {0};
	char path[4096];

	if (!upload_path(l, id, path) || !read_row(l, id, &row)) {
		http_reply_problem(r, 404, "not-found", "there is no upload '%.40s'", id);
		return;
	}
	(void)stat(path, &st);
	reply_upload(r, 200, id, st.st_size, (int64_t)row.size);
}

/* Its length; what a process before us wrote and could not sync any more is synced now. -1: none, or not to be kept. */
static int64_t whole_length(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && fstat(fd, &st) == 0 && fdatasync(fd) == 0;

	if (fd >= 0) {
		close(fd);
	}
	return ok ? st.st_size : -1;
}

bool upload_whole(struct leadd *l, const char *id, struct http_request *r)
{
	struct upload_row row;
	char path[4096];
	int64_t len;

	if (!upload_path(l, id, path) || !read_row(l, id, &row)) {
		http_reply_problem(r, 404, "not-found", "'upload': there is no upload '%.40s'", id);
		return false;
	}
	len = whole_length(path);
	if (len < 0 || (row.size != 0 && (uint64_t)len < row.size)) {
		http_reply_problem(r, 409, "upload-incomplete", "'upload': %lld bytes of %llu have been uploaded", (long long)(len < 0 ? 0 : len),
		    (unsigned long long)row.size);
		return false;
	}
	(void)utimensat(AT_FDCWD, path, NULL, 0); /* somebody needs it: to tidy.c it is young again */
	return true;
}

struct owner {
	const char *upload;
	bool reading; /* only a run that reads it still counts */
	bool found;
};

static bool on_run(void *arg, struct slice key, struct slice value)
{
	struct owner *o = arg;
	struct run_row row;

	if (run_decode(key, value, &row)) {
		o->found = (row.importing || !o->reading) && strcmp(row.upload, o->upload) == 0;
		run_row_fini(&row);
	}
	return !o->found;
}

/* When nobody can say, it has an owner. */
static bool has_owner(struct leadd *l, const char *id, bool reading)
{
	struct owner o = {.upload = id, .reading = reading};
	struct txn *t = NULL;

	if (txn_begin(l->store, false, &t, NULL) != 0) {
		return true;
	}
	txn_walk(t, TABLE_RUN, key_of(), key_of(), on_run, &o);
	txn_abort(t);
	return o.found;
}

bool upload_is_read(struct leadd *l, const char *id)
{
	return has_owner(l, id, true);
}

void upload_drop(struct leadd *l, const char *id)
{
	char path[4096], other[4200];

	if (upload_path(l, id, path) && !has_owner(l, id, false)) {
		(void)unlink(path);
		(void)snprintf(other, sizeof(other), "%s%s", path, TEXT_SUFFIX);
		(void)unlink(other);
		(void)snprintf(other, sizeof(other), "%s%s", path, UPLOAD_SHEET);
		(void)unlink(other);
	}
}

int upload_text(const char *path)
{
	char text[4200];
	int fd;

	(void)snprintf(text, sizeof(text), "%s%s", path, TEXT_SUFFIX);
	fd = open(text, O_RDONLY | O_CLOEXEC);
	return fd >= 0 || errno != ENOENT ? fd : open(path, O_RDONLY | O_CLOEXEC);
}

long upload_read_spool(void *state_dir, const char *upload, uint64_t offset, void *out, size_t max)
{
	char path[4096];
	ssize_t n = -1;
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/uploads/%s", (const char *)state_dir, upload) >= sizeof(path) || strchr(upload, '/') != NULL) {
		return -1;
	}
	fd = upload_text(path);
	if (fd >= 0) {
		n = pread(fd, out, max, (off_t)offset);
		close(fd);
	}
	return (long)n;
}

/* A slice for a run. The file is read here and not mapped: a file that is cut under us must not kill the daemon. */
void upload_read_part(struct leadd *l, uint32_t run, const char *upload, uint64_t offset, size_t max)
{
	char path[4096], why[160];
	char *bytes = malloc(max);
	ssize_t n = -1;
	int fd;

	if (bytes == NULL) {
		abort();
	}
	if (!upload_path(l, upload, path)) {
		engine_import(l->engine, run, NULL, 0, "the upload is gone");
		free(bytes);
		loop_poke(l);
		return;
	}
	fd = upload_text(path);
	if (fd >= 0) {
		n = pread(fd, bytes, max, (off_t)offset);
		close(fd);
	}
	if (n < 0) {
		(void)snprintf(why, sizeof(why), "the uploaded file cannot be read: %s", strerror(errno));
		engine_import(l->engine, run, NULL, 0, why);
	} else {
		engine_import(l->engine, run, bytes, (size_t)n, NULL);
	}
	free(bytes);
	l->gathered += 256; /* a slice is work enough for a turn of its own */
	loop_poke(l);
}
