/*
 * GET /v1/runs/{run}/export?format=xlsx: workbook_make.c makes it, into a file without a name; then it goes to the client, as
 * it takes it. The file is gone when its descriptor is closed, by us or by a crash. Four are made at once, others wait their turn; one that is
 * being downloaded, however slowly, keeps nobody waiting.
 */
#include "daemon/workbook.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE 4
#define MOST 64
#define PIECE_BYTES 65536
#define TYPE "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

struct book_export {
	struct leadd *l;
	struct http_request *r;
	uint32_t run, outcomes;
	struct workbook_make *make; /* NULL: it waits, or is made */
	int book_fd;                /* -1: it waits */
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

static void start_waiting(struct leadd *l);

static void on_made(void *arg, int rc, const char *what)
{
	struct book_export *x = arg;
	struct leadd *l = x->l;
	struct http_stream_events events = {.drained = on_drained, .closed = on_closed, .arg = x};

	x->make = NULL;
	if (rc == 0) {
		http_stream_start(x->r, TYPE, &events);
		on_drained(x);
	} else {
		http_reply_problem(x->r, rc == LEAD_EFULL ? 507 : 500, rc == LEAD_EFULL ? "store-full" : "export-failed", "%s", what);
		book_free(x);
	}
	start_waiting(l);
}

/* What cannot begin is gone. */
static void begin(struct book_export *x)
{
	char dir[4000];

	(void)snprintf(dir, sizeof(dir), "%.3900s/uploads", engine_config(x->l->engine)->state_dir);
	x->book_fd = workbook_unnamed(dir);
	if (x->book_fd < 0) {
		http_reply_problem(x->r, errno == ENOSPC ? 507 : 500, errno == ENOSPC ? "store-full" : "export-failed", "the workbook cannot be made");
		book_free(x);
		return;
	}
	x->make = workbook_make(x->l, x->run, x->outcomes, x->book_fd, on_made, x);
	if (x->make == NULL) {
		http_reply_problem(x->r, 404, "not-found", "there is no run %u", x->run);
		book_free(x);
	}
}

/* In the order they came. */
static void start_waiting(struct leadd *l)
{
	struct book_export *next = l->book_exports;

	while (next != NULL) {
		unsigned n = 0;

		next = NULL;
		for (struct book_export *x = l->book_exports; x != NULL; x = x->next) {
			n += x->make != NULL;
			next = next == NULL && x->book_fd < 0 ? x : next;
		}
		if (next != NULL && n < AT_ONCE) {
			begin(next);
		} else {
			next = NULL;
		}
	}
}

void workbook_export(struct leadd *l, struct http_request *r, uint32_t run, uint32_t outcomes)
{
	struct book_export **last = &l->book_exports, *x;
	unsigned n = 0;

	for (; *last != NULL; last = &(*last)->next) {
		n++;
	}
	if (n >= MOST) {
		http_reply_problem(r, 409, "workbook-busy", "other workbooks are being written: try again in a moment");
		return;
	}
	x = calloc(1, sizeof(*x));
	if (x == NULL) {
		abort();
	}
	*x = (struct book_export){.l = l, .r = r, .run = run, .outcomes = outcomes, .book_fd = -1};
	*last = x;
	start_waiting(l);
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
