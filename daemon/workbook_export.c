/*
 * GET /v1/runs/{run}/export?format=xlsx. A workbook is done in one long call, which is none for the loop:
 *
 *   rows in slices -> a file without a name -> leadd --csv-to-xlsx (child) -> another one -> the client, as it takes it
 *
 * Both files lie in the state directory, and are gone when their descriptors are closed, by us or by a crash.
 */
#include "daemon/workbook.h"
#include "lib/engine/export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLICE_ROWS 250
#define AT_ONCE 4
#define PIECE_BYTES 65536
#define TYPE "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

struct book_export {
	struct leadd *l;
	struct http_request *r;
	struct export *export;
	struct event *next_slice;
	int rows_fd, book_fd;
	off_t sent;
	char dir[4000];
	bool with_child;
	struct book_export *next;
};

static void book_free(struct book_export *x)
{
	struct book_export **at = &x->l->book_exports;

	while (*at != x) {
		at = &(*at)->next;
	}
	*at = x->next;
	export_free(x->export);
	event_free(x->next_slice);
	if (x->rows_fd >= 0) {
		close(x->rows_fd);
	}
	if (x->book_fd >= 0) {
		close(x->book_fd);
	}
	free(x);
}

static void book_fail(struct book_export *x, const char *what)
{
	http_reply_problem(x->r, errno == ENOSPC ? 507 : 500, errno == ENOSPC ? "store-full" : "export-failed", "%s", what);
	book_free(x);
}

static int unnamed_file(const char *dir)
{
	char path[4096];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/.export-XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0) {
		(void)unlink(path);
	}
	return fd;
}

/* --- the download --- */

static void on_closed(void *arg)
{
	book_free(arg);
}

static void on_drained(void *arg)
{
	static char piece[PIECE_BYTES];
	struct book_export *x = arg;
	ssize_t n = pread(x->book_fd, piece, sizeof(piece), x->sent);

	if (n > 0) {
		x->sent += n;
		(void)http_stream_write(x->r, piece, (size_t)n); /* gone: closed follows */
		return;
	}
	if (n == 0) {
		http_stream_end(x->r);
	} else {
		http_stream_abort(x->r);
	}
	book_free(x);
}

static void on_written(void *arg, int status, const char *output)
{
	struct book_export *x = arg;
	struct http_stream_events events = {.drained = on_drained, .closed = on_closed, .arg = x};

	x->with_child = false;
	errno = 0;
	if (status == 0) {
		http_stream_start(x->r, TYPE, &events);
		on_drained(x);
	} else {
		book_fail(x, output[0] != 0 ? output : "the workbook took too much time or memory: take CSV");
	}
}

/* --- the rows --- */

static bool write_rows(struct book_export *x, const struct buf *b)
{
	size_t at = 0;

	while (!b->failed && at < b->len) {
		ssize_t n = write(x->rows_fd, b->data + at, b->len - at);

		if (n < 0 && errno != EINTR) {
			return false;
		}
		at += n > 0 ? (size_t)n : 0;
	}
	return !b->failed;
}

static void start_child(struct book_export *x)
{
	const char *args[] = {"leadd", WORKBOOK_WRITE, x->dir, NULL};
	const int fds[2] = {x->rows_fd, x->book_fd};
	struct lead_error err;

	if (lseek(x->rows_fd, 0, SEEK_SET) != 0 || child_start_with(x->l, args, fds, on_written, x, &err) != 0) {
		book_fail(x, "the workbook cannot be made");
		return;
	}
	x->with_child = true;
}

static void on_slice(evutil_socket_t fd, short what, void *arg)
{
	struct book_export *x = arg;
	struct timeval now = {0};
	struct lead_error err = {0};
	struct buf b = {0};
	bool more = export_next(x->export, SLICE_ROWS, &b, &err), ok;

	(void)fd;
	(void)what;
	ok = write_rows(x, &b);
	buf_free(&b);
	if (err.code != 0) {
		http_reply_error(x->r, &err);
		book_free(x);
	} else if (!ok) {
		book_fail(x, "the rows cannot be written");
	} else if (more) {
		event_add(x->next_slice, &now);
	} else {
		start_child(x);
	}
}

void workbook_export(struct leadd *l, struct http_request *r, uint32_t run, uint32_t outcomes)
{
	struct timeval now = {0};
	struct book_export *x;
	unsigned n = 0;

	for (x = l->book_exports; x != NULL; x = x->next) {
		n++;
	}
	if (n >= AT_ONCE) {
		http_reply_problem(r, 409, "workbook-busy", "other workbooks are being written: try again in a moment");
		return;
	}
	x = calloc(1, sizeof(*x));
	if (x == NULL || (x->next_slice = evtimer_new(l->base, on_slice, x)) == NULL) {
		abort();
	}
	x->l = l;
	x->r = r;
	x->next = l->book_exports;
	l->book_exports = x;
	(void)snprintf(x->dir, sizeof(x->dir), "%.3900s/uploads", engine_config(l->engine)->state_dir);
	x->rows_fd = unnamed_file(x->dir);
	x->book_fd = unnamed_file(x->dir);
	x->export = export_new(l->engine, run, EXPORT_PLAIN, outcomes);
	if (x->export == NULL) {
		http_reply_problem(r, 404, "not-found", "there is no run %u", run);
		book_free(x);
	} else if (x->rows_fd < 0 || x->book_fd < 0) {
		book_fail(x, "the workbook cannot be made");
	} else {
		event_add(x->next_slice, &now);
	}
}

/* After the children: those that are being downloaded end with their connections. */
void workbook_export_stop(struct leadd *l)
{
	struct book_export *x = l->book_exports, *next;

	for (; x != NULL; x = next) {
		next = x->next;
		if (x->sent == 0) {
			book_free(x);
		}
	}
}
