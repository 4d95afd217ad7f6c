/*
 * An uploaded list becomes entries of a suppression list, a thousand rows a turn:
 *
 *   read 16 KiB -> rows waiting -> a batch of at most 1,000 -> command -> after its commit: counts, rejects, next batch …
 *
 * The client is told as it goes, in lines of JSON; what it was told as new or known is on disk. When it goes away, or leadd
 * stops, the import ends where it is: sending the list again takes up what is missing, since an entry that is there is only
 * counted as known.
 */
#include "daemon/leadd.h"
#include "lib/base/arena.h"
#include "lib/lead/suppression.h"
#include "lib/table/csv.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES (16 * 1024)
#define TOLD_REJECTS 1000
#define ENTRY_BYTES 400 /* longer than any entry: what is longer is none */

struct waiting_row {
	size_t at, len; /* in `texts` */
	uint64_t line;
};

struct suppress_import {
	struct leadd *l;
	struct http_request *r;   /* NULL: the client is gone */
	struct event *next_step;
	bool pending;             /* a batch is with the engine */
	char upload[40];
	int fd;
	uint64_t offset, size;
	struct csv_sniff *sniff;  /* while the file is looked at for its encoding */
	struct csv_reader *reader;
	int column;               /* -1: not known yet */
	bool ended;               /* the file is read */
	struct buf texts;
	struct waiting_row *rows;
	size_t n_rows, room, next_row;
	struct suppress_batch batch;
	uint64_t taken, fresh, known, rejected;
	struct suppress_import *next;
};

static void import_free(struct suppress_import *x)
{
	struct suppress_import **at = &x->l->imports;

	while (*at != x) {
		at = &(*at)->next;
	}
	*at = x->next;
	close(x->fd);
	csv_sniff_free(x->sniff);
	csv_reader_free(x->reader);
	buf_free(&x->texts);
	free(x->rows);
	event_free(x->next_step);
	free(x);
}

/* --- what the client is told --- */

static void tell(struct suppress_import *x, struct json_object *o)
{
	const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	struct buf line = {0};

	buf_add_text(&line, text);
	buf_add_char(&line, '\n');
	(void)http_stream_write(x->r, line.data, line.len);
	buf_free(&line);
	json_object_put(o);
}

static struct json_object *counts(const struct suppress_import *x)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "rows", json_object_new_int64((int64_t)x->taken));
	json_object_object_add(o, "new", json_object_new_int64((int64_t)x->fresh));
	json_object_object_add(o, "known", json_object_new_int64((int64_t)x->known));
	json_object_object_add(o, "rejected", json_object_new_int64((int64_t)x->rejected));
	json_object_object_add(o, "bytes", json_object_new_int64((int64_t)x->offset));
	json_object_object_add(o, "bytes_total", json_object_new_int64((int64_t)x->size));
	return o;
}

/* The last line: error NULL when the list is in. */
static void import_end(struct suppress_import *x, const char *error)
{
	struct json_object *o = counts(x);

	json_object_object_add(o, "done", json_object_new_boolean(error == NULL));
	json_object_object_add(o, "error", error != NULL ? json_object_new_string(error) : NULL);
	tell(x, o);
	http_stream_end(x->r);
	log_line(error == NULL ? LOG_NOTE_ : LOG_WARN_, "organisation=%s suppression list: %llu new, %llu known, %llu rejected%s%s", x->batch.org,
	    (unsigned long long)x->fresh, (unsigned long long)x->known, (unsigned long long)x->rejected, error != NULL ? "; not whole: " : "",
	    error != NULL ? error : "");
	upload_drop(x->l, x->upload);
	import_free(x);
}

static void on_gone(void *arg)
{
	struct suppress_import *x = arg;

	x->r = NULL;
	if (!x->pending) {
		import_free(x);
	}
}

/* --- rows --- */

#define NO_COLUMN 1

static int on_row(void *arg, uint64_t row, uint64_t line, const struct csv_field *cells, size_t n)
{
	struct suppress_import *x = arg;
	struct waiting_row w = {.at = x->texts.len, .line = line};
	struct arena a = {0};
	bool header = false;
	size_t column;

	if (row == 1) {
		x->column = suppress_column(cells, n, &engine_config(x->l->engine)->lists, &a, &header);
		arena_free(&a);
		if (x->column < 0 || header) {
			return x->column < 0 ? NO_COLUMN : 0;
		}
	}
	column = (size_t)x->column;
	if (column >= n || cells[column].len == 0 || cells[0].text[0] == '#') {
		return 0; /* nothing there, or a comment */
	}
	if (x->n_rows == x->room) {
		x->room = x->room == 0 ? 1024 : 2 * x->room;
		x->rows = realloc(x->rows, x->room * sizeof(*x->rows));
		if (x->rows == NULL) {
			abort();
		}
	}
	w.len = cells[column].len < ENTRY_BYTES ? cells[column].len : ENTRY_BYTES;
	buf_add(&x->texts, cells[column].text, w.len);
	x->rows[x->n_rows++] = w;
	return 0;
}

static int start_reader(struct suppress_import *x, struct lead_error *err)
{
	struct csv_options o = {.delimiter = 0};

	csv_sniff_result(x->sniff, &o.encoding, &o.delimiter);
	csv_sniff_free(x->sniff);
	x->sniff = NULL;
	x->offset = 0;
	return csv_reader_new(&o, on_row, x, &x->reader, err);
}

/* The next piece of the file. 0, NO_COLUMN or an error. */
static int read_piece(struct suppress_import *x, struct lead_error *err)
{
	char bytes[READ_BYTES];
	ssize_t n = pread(x->fd, bytes, sizeof(bytes), (off_t)x->offset);

	if (n < 0) {
		return lead_fail(err, LEAD_EIO, "the uploaded file cannot be read: %s", strerror(errno));
	}
	x->offset += (uint64_t)n;
	if (x->sniff != NULL) {
		csv_sniff_feed(x->sniff, bytes, (size_t)n);
		return n == 0 ? start_reader(x, err) : 0;
	}
	x->ended = n == 0;
	return n > 0 ? csv_reader_feed(x->reader, bytes, (size_t)n, err) : csv_reader_finish(x->reader, err);
}

/* --- batches --- */

static void next_step(struct suppress_import *x)
{
	struct timeval now = {0};

	event_add(x->next_step, &now);
}

static void tell_rejects(struct suppress_import *x)
{
	for (size_t i = 0; i < x->batch.n; i++) {
		struct json_object *o;

		if (x->batch.list[i].result != SUPPRESS_BAD) {
			continue;
		}
		if (x->rejected++ < TOLD_REJECTS) {
			o = json_object_new_object();
			json_object_object_add(o, "line", json_object_new_int64((int64_t)x->batch.list[i].line));
			json_object_object_add(o, "why", json_object_new_string(x->batch.list[i].why));
			tell(x, o);
		}
	}
}

static void on_batch(void *ctx, struct command *c)
{
	struct suppress_import *x = ctx;

	x->pending = false;
	if (x->r == NULL) {
		import_free(x);
		return;
	}
	if (c->rc != 0) {
		import_end(x, c->err.text);
		return;
	}
	for (size_t i = 0; i < x->batch.n; i++) {
		x->fresh += x->batch.list[i].result == SUPPRESS_DONE;
		x->known += x->batch.list[i].result == SUPPRESS_KNOWN;
	}
	x->taken += x->batch.n;
	tell_rejects(x);
	tell(x, counts(x));
	next_step(x);
}

static void send_batch(struct suppress_import *x)
{
	struct command *c = command_new(COMMAND_SUPPRESS);

	x->batch.n = 0;
	while (x->batch.n < SUPPRESS_BATCH && x->next_row < x->n_rows) {
		const struct waiting_row *w = &x->rows[x->next_row++];

		x->batch.list[x->batch.n].text = x->texts.data + w->at;
		x->batch.list[x->batch.n].len = w->len;
		x->batch.list[x->batch.n++].line = w->line;
	}
	x->pending = true;
	c->batch = &x->batch;
	c->done = on_batch;
	c->ctx = x;
	engine_command(x->l->engine, c);
	loop_poke(x->l);
}

/* Rows that are sent make room before more is read. */
static void forget_sent(struct suppress_import *x)
{
	if (x->next_row == x->n_rows) {
		x->next_row = x->n_rows = 0;
		buf_reset(&x->texts);
	}
}

static void on_step(evutil_socket_t fd, short what, void *arg)
{
	struct suppress_import *x = arg;
	struct lead_error err = {0};
	int rc = 0;

	(void)fd;
	(void)what;
	if (x->l->draining) {
		import_end(x, "leadd is stopping");
		return;
	}
	forget_sent(x);
	if (x->n_rows - x->next_row < SUPPRESS_BATCH && !x->ended) {
		rc = read_piece(x, &err);
	}
	if (rc == NO_COLUMN) {
		import_end(x, "no column is called email, sha256 or domain, and the first line holds no entry");
	} else if (rc != 0) {
		import_end(x, err.text);
	} else if (x->texts.failed) {
		import_end(x, "out of memory");
	} else if (x->n_rows - x->next_row >= SUPPRESS_BATCH || (x->ended && x->next_row < x->n_rows)) {
		send_batch(x);
	} else if (x->ended) {
		import_end(x, NULL);
	} else {
		next_step(x);
	}
}

void suppress_import(struct leadd *l, struct http_request *r, const char *upload, const struct suppress_batch *like)
{
	struct suppress_import *x = calloc(1, sizeof(*x));
	struct http_stream_events events = {.closed = on_gone, .arg = x};
	struct stat st = {0};
	char path[4096];

	if (x == NULL || (x->next_step = evtimer_new(l->base, on_step, x)) == NULL || (x->sniff = csv_sniff_new()) == NULL) {
		abort();
	}
	x->l = l;
	x->r = r;
	x->column = -1;
	x->batch = *like;
	(void)snprintf(x->upload, sizeof(x->upload), "%s", upload);
	x->fd = upload_path(l, upload, path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (x->fd < 0 || fstat(x->fd, &st) != 0) {
		http_reply_problem(r, 500, "upload-unreadable", "the uploaded file cannot be read: %s", strerror(errno));
		x->next = l->imports;
		l->imports = x;
		import_free(x);
		return;
	}
	x->size = (uint64_t)st.st_size;
	x->next = l->imports;
	l->imports = x;
	http_stream_start(r, "application/x-ndjson", &events);
	next_step(x);
}

void suppress_stop(struct leadd *l)
{
	struct suppress_import *x, *next;

	for (x = l->imports; x != NULL; x = next) {
		next = x->next;
		if (x->r != NULL) {
			http_stream_abort(x->r);
		}
		x->r = NULL;
		if (!x->pending) {
			import_free(x); /* else by its command's end */
		}
	}
}
