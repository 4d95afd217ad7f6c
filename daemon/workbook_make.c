/*
 * The results of a run as a workbook. It is done in one long call, which is none for the loop:
 *
 *   rows in slices -> a file without a name -> leadd --csv-to-xlsx (child) -> the descriptor that was given
 */
#include "daemon/workbook.h"
#include "lib/engine/show/export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLICE_ROWS 250

struct workbook_make {
	struct leadd *l;
	struct export *export;
	struct event *next_slice;
	int rows_fd, book_fd;
	char dir[4000];
	bool with_child, again;
	workbook_made_fn done; /* NULL: nobody waits any more */
	void *arg;
	struct workbook_make *next;
};

static void make_free(struct workbook_make *m)
{
	struct workbook_make **at = &m->l->workbook_makes;

	while (*at != m) {
		at = &(*at)->next;
	}
	*at = m->next;
	export_free(m->export);
	event_free(m->next_slice);
	if (m->rows_fd >= 0) {
		close(m->rows_fd);
	}
	free(m);
}

static void make_end(struct workbook_make *m, int rc, const char *what)
{
	workbook_made_fn done = m->done;
	void *arg = m->arg;
	char text[512];

	(void)snprintf(text, sizeof(text), "%.500s", what);
	make_free(m);
	if (done != NULL) {
		done(arg, rc, text);
	}
}

static void make_fail(struct workbook_make *m, const char *what)
{
	make_end(m, errno == ENOSPC ? LEAD_EFULL : LEAD_EIO, what);
}

int workbook_unnamed(const char *dir)
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

static void start_child(struct workbook_make *m);

static void on_written(void *arg, int status, const char *output)
{
	struct workbook_make *m = arg;

	m->with_child = false;
	if (status == 0) {
		make_end(m, 0, "");
	} else if (output[0] == 0 && !m->again && m->done != NULL && ftruncate(m->book_fd, 0) == 0) {
		m->again = true; /* killed, perhaps for no fault of its own: a run's results would lack the file for ever */
		start_child(m);
	} else {
		make_end(m, status == WORKBOOK_FULL ? LEAD_EFULL : LEAD_EINPUT,
		    output[0] != 0 ? output : "the workbook took too much time or memory, or its writer was killed: take CSV");
	}
}

static bool write_rows(struct workbook_make *m, const struct buf *b)
{
	size_t at = 0;

	while (!b->failed && at < b->len) {
		ssize_t n = write(m->rows_fd, b->data + at, b->len - at);

		if (n < 0 && errno != EINTR) {
			return false;
		}
		at += n > 0 ? (size_t)n : 0;
	}
	return !b->failed;
}

static void start_child(struct workbook_make *m)
{
	const char *args[] = {"leadd", WORKBOOK_WRITE, m->dir, NULL};
	const int fds[2] = {m->rows_fd, m->book_fd};
	struct lead_error err;

	if (lseek(m->rows_fd, 0, SEEK_SET) != 0 || child_start_with(m->l, args, fds, on_written, m, &err) != 0) {
		make_fail(m, "the workbook cannot be made");
		return;
	}
	m->with_child = true;
}

static void on_slice(evutil_socket_t fd, short what, void *arg)
{
	struct workbook_make *m = arg;
	struct timeval now = {0};
	struct lead_error err = {0};
	struct buf b = {0};
	bool more = export_next(m->export, SLICE_ROWS, &b, &err), ok;

	(void)fd;
	(void)what;
	ok = write_rows(m, &b);
	buf_free(&b);
	if (err.code != 0) {
		make_end(m, err.code, err.text);
	} else if (!ok) {
		make_fail(m, "the rows cannot be written");
	} else if (more) {
		event_add(m->next_slice, &now);
	} else {
		start_child(m);
	}
}

struct workbook_make *workbook_make(struct leadd *l, uint32_t run, uint32_t outcomes, int book_fd, workbook_made_fn done, void *arg)
{
	struct export *export = export_new(l->engine, run, LEVEL_LEAD, EXPORT_PLAIN, outcomes);
	struct workbook_make *m = export != NULL ? calloc(1, sizeof(*m)) : NULL;
	struct timeval now = {0};

	if (m == NULL) {
		export_free(export);
		return NULL;
	}
	*m = (struct workbook_make){.l = l, .export = export, .book_fd = book_fd, .done = done, .arg = arg, .next = l->workbook_makes};
	m->next_slice = evtimer_new(l->base, on_slice, m);
	(void)snprintf(m->dir, sizeof(m->dir), "%.3900s/uploads", engine_config(l->engine)->state_dir);
	m->rows_fd = workbook_unnamed(m->dir);
	if (m->next_slice == NULL) {
		abort();
	}
	l->workbook_makes = m;
	event_add(m->next_slice, &now); /* without a file for the rows the first slice says so */
	return m;
}

void workbook_make_cancel(struct workbook_make *m)
{
	if (m != NULL && m->with_child) {
		m->done = NULL; /* the child has its own descriptors */
	} else if (m != NULL) {
		make_free(m);
	}
}

/* After the children. */
void workbook_make_stop(struct leadd *l)
{
	while (l->workbook_makes != NULL) {
		make_free(l->workbook_makes);
	}
}
