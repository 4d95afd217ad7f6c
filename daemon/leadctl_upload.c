/*
 * daemon/leadctl_upload.c: a file to the daemon, in parts of 1 MiB, each on its disk before the
 * next one goes. When the connection breaks, the daemon is asked how far it got.
 */
#include "daemon/leadctl.h"

#include "lib/base/json.h"
#include "lib/base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#define PART_BYTES ((size_t)1 << 20)
#define ATTEMPTS 8 /* without progress; the pauses grow to 2 s */

struct upload {
	struct ctl *c;
	int fd;
	const char *name, *id;
	uint64_t size, offset;
	char *part; /* PART_BYTES */
	int64_t begin_us;
	bool show; /* progress, on a terminal */
};

static int64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

static void show_progress(const struct upload *u)
{
	int64_t took_us = now_us() - u->begin_us;
	struct buf bar = {0};

	if (!u->show) {
		return;
	}
	text_bar(&bar, u->offset, u->size, 24, u->c->utf8);
	fprintf(stderr, "\r%s  %s  %s of %s", u->name, bar.data, show_bytes(u->c, u->offset),
	    show_bytes(u->c, u->size));
	if (took_us > US_PER_S) {
		fprintf(stderr, "  %s/s",
		    show_bytes(u->c, u->offset * (uint64_t)US_PER_S / (uint64_t)took_us));
	}
	fputs("\033[K", stderr);
	buf_free(&bar);
}

/* --- the file --- */

static bool write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno != EINTR) {
			return false;
		}
		bytes += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static int unnamed_file(void)
{
	const char *dir = getenv("TMPDIR");

	return open(
	    dir != NULL && dir[0] != '\0' ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

/* A pipe goes to an unnamed file first: its size is announced, and parts may be sent again. */
static int spool(int in, char *part)
{
	int fd = unnamed_file();
	ssize_t n = fd >= 0 ? 1 : -1;

	while (n > 0) {
		n = read(in, part, PART_BYTES);
		if (n > 0 && !write_all(fd, part, (size_t)n)) {
			n = -1;
		}
	}
	if (n < 0) {
		print_error("cannot keep the input: %s", strerror(errno));
		if (fd >= 0) {
			(void)close(fd);
		}
		return -1;
	}
	return fd;
}

static bool open_file(struct upload *u, const char *file)
{
	bool is_stdin = strcmp(file, "-") == 0;
	const char *slash = strrchr(file, '/');
	struct stat st;
	int fd;

	u->name = is_stdin ? "standard input" : slash != NULL ? slash + 1 : file;
	u->fd = is_stdin ? dup(STDIN_FILENO) : open(file, O_RDONLY | O_CLOEXEC);
	if (u->fd < 0 || fstat(u->fd, &st) != 0) {
		print_error("%s: %s", file, strerror(errno));
		return false;
	}
	if (S_ISDIR(st.st_mode)) {
		print_error("%s is a directory", file);
		return false;
	}
	if (!S_ISREG(st.st_mode)) {
		fd = spool(u->fd, u->part);
		(void)close(u->fd);
		u->fd = fd;
		if (fd < 0 || fstat(fd, &st) != 0) {
			return false;
		}
	}
	u->size = (uint64_t)st.st_size;
	if (u->size == 0) {
		print_error("%s is empty", u->name);
	}
	return u->size > 0;
}

/* --- the parts --- */

static bool take(void *arg, const char *bytes, size_t len)
{
	struct buf *answer = arg;

	buf_add(answer, bytes, len);
	return !answer->failed;
}

/* One request about the upload; u->offset becomes what the daemon has on disk. */
static int ask(
    struct upload *u, const char *method, const char *path, size_t len, struct lead_error *err)
{
	struct buf answer = {.max = 65536};
	const struct api_bytes bytes = {.body = len > 0 ? u->part : NULL,
	    .len = len,
	    .take = take,
	    .arg = &answer,
	    .quiet = len > 0};
	struct json_object *o = NULL;
	uint64_t offset;
	int rc = api_raw(u->c, method, path, &bytes, err);

	if (rc == CTL_OK) {
		rc = answer.len > 0 ? json_parse(answer.data, answer.len, &o, err) : API_LOST;
		offset = (uint64_t)get_int(o, "offset");
		if (rc != 0 || offset > u->size) {
			(void)lead_fail(err, LEAD_EREMOTE, "the daemon's answer cannot be read");
			rc = API_LOST;
		} else {
			u->offset = offset;
		}
		json_object_put(o);
	}
	buf_free(&answer);
	return rc;
}

static int send_part(struct upload *u, struct lead_error *err)
{
	size_t len = u->size - u->offset < PART_BYTES ? (size_t)(u->size - u->offset) : PART_BYTES;
	char path[128];

	if (pread(u->fd, u->part, len, (off_t)u->offset) != (ssize_t)len) {
		print_error("%s became shorter while it was read", u->name);
		return CTL_USAGE;
	}
	snprintf(path, sizeof(path), "/v1/uploads/%s?offset=%" PRIu64, u->id, u->offset);
	return ask(u, "PUT", path, len, err);
}

/* After a failure: a pause, then what the daemon has. CTL_OK: go on from there. */
static int ask_offset(struct upload *u, int failures, struct lead_error *err)
{
	struct timespec pause = {
	    .tv_sec = failures > 3 ? 2 : 0, .tv_nsec = failures > 3 ? 0 : 200000000L << failures};
	char path[128];

	if (pause.tv_nsec >= 1000000000L) {
		pause.tv_nsec = 999999999L;
	}
	(void)nanosleep(&pause, NULL);
	snprintf(path, sizeof(path), "/v1/uploads/%s", u->id);
	return ask(u, "GET", path, 0, err);
}

/*
 * A part that the daemon says it cannot place (409) is a question of the offset like a lost
 * connection; other refusals end it.
 */
static int send_parts(struct upload *u)
{
	struct lead_error err = {0};
	int failures = 0, rc = CTL_OK;

	while (u->offset < u->size) {
		uint64_t before = u->offset;

		show_progress(u);
		rc = send_part(u, &err);
		while ((rc == API_LOST || rc == CTL_CONFLICT) && ++failures < ATTEMPTS) {
			rc = ask_offset(u, failures, &err);
		}
		if (rc == API_LOST || rc == CTL_CONFLICT) {
			print_error("the upload broke off at %s of %s; nothing was started",
			    show_bytes(u->c, u->offset), show_bytes(u->c, u->size));
			return rc == API_LOST ? api_unreachable(u->c, &err) : rc;
		}
		if (rc != CTL_OK) {
			print_error("the daemon does not take the file any further (at %s)",
			    show_bytes(u->c, u->offset));
			return rc;
		}
		failures = u->offset > before ? 0 : failures;
	}
	return CTL_OK;
}

static int announce(struct upload *u)
{
	struct json_object *body = json_object_new_object(), *answer;
	int rc;

	json_object_object_add(body, "name", json_object_new_string(u->name));
	json_object_object_add(body, "size", json_object_new_int64((int64_t)u->size));
	rc = api_send(u->c, "POST", body, &answer, "/v1/uploads");
	json_object_put(body);
	if (rc == CTL_OK) {
		u->id = api_segment(u->c, get_text(answer, "upload"));
		json_object_put(answer);
	}
	return rc;
}

static struct upload upload_new(struct ctl *c)
{
	struct upload u = {.c = c,
	    .fd = -1,
	    .part = malloc(PART_BYTES),
	    .begin_us = now_us(),
	    .show = isatty(STDERR_FILENO) == 1 && !c->json};

	if (u.part == NULL) {
		abort(); /* out of memory */
	}
	return u;
}

static int send_all(struct upload *u)
{
	int rc = announce(u);

	if (rc == CTL_OK) {
		rc = send_parts(u);
	}
	if (u->show) {
		fputs("\r\033[K", stderr);
	}
	return rc;
}

static void upload_fini(struct upload *u)
{
	if (u->fd >= 0) {
		(void)close(u->fd);
	}
	free(u->part);
}

int upload_file(struct ctl *c, const char *file, const char **ret_upload, const char **ret_name)
{
	struct upload u = upload_new(c);
	int rc = open_file(&u, file) ? send_all(&u) : CTL_USAGE;

	upload_fini(&u);
	*ret_upload = u.id;
	*ret_name = u.name;
	return rc;
}

int upload_text(
    struct ctl *c, const char *name, const char *text, size_t len, const char **ret_upload)
{
	struct upload u = upload_new(c);
	int rc = CTL_USAGE;

	u.name = name;
	u.size = len;
	u.fd = unnamed_file();
	if (u.fd < 0 || !write_all(u.fd, text, len)) {
		print_error("cannot keep the %s: %s", name, strerror(errno));
	} else {
		rc = send_all(&u);
	}
	upload_fini(&u);
	*ret_upload = u.id;
	return rc;
}
