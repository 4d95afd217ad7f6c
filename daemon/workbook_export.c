/*
 * GET /v1/runs/{run}/export?format=xlsx: workbook_make.c makes it, into a file without a name; then it goes to the client, as
 * it takes it. The file is gone when its descriptor is closed, by us or by a crash.
 */
#include "daemon/workbook.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE 4
#define PIECE_BYTES 65536
#define TYPE "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

struct book_export {
	struct leadd *l;
	struct http_request *r;
	struct workbook_make *make; /* NULL: it is made */
	int book_fd;
	off_t sent;
	struct book_export *next;
};

static void book_free(struct book_export *x)
{
	struct book_export **at = &x->l->book_exports;

	while (*at != x) {
		at = &(*at)->next;
	}
	*at = x->next;
	if (x->book_fd >= 0) {
		close(x->book_fd);
	}
	free(x);
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

static void on_made(void *arg, int rc, const char *what)
{
	struct book_export *x = arg;
	struct http_stream_events events = {.drained = on_drained, .closed = on_closed, .arg = x};

	x->make = NULL;
	if (rc == 0) {
		http_stream_start(x->r, TYPE, &events);
		on_drained(x);
	} else {
		http_reply_problem(x->r, rc == LEAD_EFULL ? 507 : 500, rc == LEAD_EFULL ? "store-full" : "export-failed", "%s", what);
		book_free(x);
	}
}

void workbook_export(struct leadd *l, struct http_request *r, uint32_t run, uint32_t outcomes)
{
	struct book_export *x;
	char dir[4000];
	unsigned n = 0;

	for (x = l->book_exports; x != NULL; x = x->next) {
		n++;
	}
	if (n >= AT_ONCE) {
		http_reply_problem(r, 409, "workbook-busy", "other workbooks are being written: try again in a moment");
		return;
	}
	x = calloc(1, sizeof(*x));
	if (x == NULL) {
		abort();
	}
	x->l = l;
	x->r = r;
	x->next = l->book_exports;
	l->book_exports = x;
	(void)snprintf(dir, sizeof(dir), "%.3900s/uploads", engine_config(l->engine)->state_dir);
	x->book_fd = workbook_unnamed(dir);
	if (x->book_fd < 0) {
		http_reply_problem(r, errno == ENOSPC ? 507 : 500, errno == ENOSPC ? "store-full" : "export-failed", "the workbook cannot be made");
		book_free(x);
		return;
	}
	x->make = workbook_make(l, run, outcomes, x->book_fd, on_made, x);
	if (x->make == NULL) {
		http_reply_problem(r, 404, "not-found", "there is no run %u", run);
		book_free(x);
	}
}

/* After the children: those that are being downloaded end with their connections. */
void workbook_export_stop(struct leadd *l)
{
	struct book_export *x = l->book_exports, *next;

	for (; x != NULL; x = next) {
		next = x->next;
		if (x->sent == 0) {
			workbook_make_cancel(x->make);
			book_free(x);
		}
	}
	workbook_make_stop(l);
}
