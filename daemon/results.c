/*
 * The files of a run's end: runs/<id>/ with contacts.csv (or .jsonl, .xlsx: `formats`), rejects.csv, metrics.json, summary.txt, run.log (and run.log.1, its
 * older piece, when it became too long). Written in slices
 * of a few milliseconds into a folder beside it, synced, renamed, and only then reported to the engine: a crash on the way
 * means it is done again.
 */
#include "daemon/workbook.h"
#include "lib/engine/show/export.h"
#include "lib/engine/show/show.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLICE_ROWS 250

enum result_step { STEP_CONTACTS, STEP_COMPANIES, STEP_JSONL, STEP_BOOK, STEP_REJECTS, STEP_LOG, STEP_COUNT, STEP_METRICS, STEP_SUMMARY, STEP_PUBLISH };

/* What contacts.csv holds: everything that rejects.csv does not. */
#define CONTACT_OUTCOMES \
	(1u << ITEM_READY | 1u << ITEM_DELIVERED | 1u << ITEM_CONFIRMED | 1u << ITEM_FAILED | 1u << ITEM_PARKED | 1u << ITEM_OPEN | \
	    1u << ITEM_RECALLED)

struct result {
	struct leadd *l;
	uint32_t run;
	enum result_step step;
	struct export *export;
	struct run_log *log;
	struct report *report; /* metrics.json and summary.txt count once */
	struct workbook_make *book;
	int book_fd;     /* -1: none */
	FILE *file;
	char *summary;   /* of this end, once its file is written */
	struct event *next_slice;
	char dir[3800], tmp[3800];
	struct result *next;
};

static void book_drop(struct result *x)
{
	workbook_make_cancel(x->book);
	x->book = NULL;
	if (x->book_fd >= 0) {
		close(x->book_fd);
	}
	x->book_fd = -1;
}

static void result_free(struct result *x)
{
	struct result **at = &x->l->results;

	while (*at != NULL && *at != x) {
		at = &(*at)->next;
	}
	if (*at == x) {
		*at = x->next;
	}
	export_free(x->export);
	run_log_free(x->log);
	report_free(x->report);
	book_drop(x);
	if (x->file != NULL) {
		fclose(x->file);
	}
	event_free(x->next_slice);
	free(x->summary);
	free(x);
}

/* Back to the beginning. */
static void result_reset(struct result *x)
{
	if (x->file != NULL) {
		fclose(x->file);
		x->file = NULL;
	}
	export_free(x->export);
	run_log_free(x->log);
	report_free(x->report);
	book_drop(x);
	x->export = NULL;
	x->log = NULL;
	x->report = NULL;
	x->step = STEP_CONTACTS;
}

/* Disk full and the like: say so and try the whole of it again in a minute. */
static void result_retry(struct result *x, const char *what)
{
	struct timeval minute = {.tv_sec = 60};

	log_line(LOG_ERR_, "run=%u cannot write the results (%s: %s), next try in a minute", x->run, what, strerror(errno));
	result_reset(x);
	event_add(x->next_slice, &minute);
}

static bool open_file(struct result *x, const char *name)
{
	char path[4096];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", x->tmp, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	x->file = fd >= 0 ? fdopen(fd, "w") : NULL;
	return x->file != NULL;
}

static void drop_file(struct result *x, const char *name)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", x->tmp, name);
	(void)unlink(path);
}

static bool close_file(struct result *x)
{
	bool ok = fflush(x->file) == 0 && fdatasync(fileno(x->file)) == 0;

	ok = fclose(x->file) == 0 && ok;
	x->file = NULL;
	return ok;
}

/* On its way to the disk at once: what were left to close_file would be waited for there, all of a long file in one go. */
static bool write_buf(struct result *x, const struct buf *b)
{
	if (b->failed || (b->len > 0 && fwrite(b->data, 1, b->len, x->file) != b->len) || fflush(x->file) != 0) {
		return false;
	}
	(void)sync_file_range(fileno(x->file), 0, 0, SYNC_FILE_RANGE_WRITE);
	return true;
}

/* One slice of a file of rows; 1 when the file is complete, 0 when there is more, -1 when it failed. */
static int rows_slice(struct result *x, const char *name, enum item_level level, enum export_format format, uint32_t outcomes)
{
	struct buf b = {0};
	struct lead_error err;
	bool more, ok;

	if (x->export == NULL) {
		x->export = export_new(x->l->engine, x->run, level, format, outcomes);
		if (x->export == NULL || !open_file(x, name)) {
			return -1;
		}
	}
	more = export_next(x->export, SLICE_ROWS, &b, &err);
	ok = write_buf(x, &b);
	buf_free(&b);
	if (!ok) {
		return -1;
	}
	if (more) {
		return 0;
	}
	export_free(x->export);
	x->export = NULL;
	return close_file(x) ? 1 : -1;
}

/* The next slice would make the file too long: it becomes the older piece, in place of the one before. */
static bool rotate_log(struct result *x, size_t more)
{
	char path[4096], older[4096];
	long len = ftell(x->file);

	if (len <= 0 || (size_t)len + more <= engine_config(x->l->engine)->run_log_bytes) {
		return len >= 0;
	}
	(void)snprintf(path, sizeof(path), "%s/run.log", x->tmp);
	(void)snprintf(older, sizeof(older), "%s/run.log.1", x->tmp);
	return close_file(x) && rename(path, older) == 0 && open_file(x, "run.log");
}

static int log_slice(struct result *x)
{
	struct buf b = {0};
	struct lead_error err;
	bool more, ok;

	if (x->log == NULL) {
		x->log = run_log_new(x->l->engine, x->run);
		if (x->log == NULL || !open_file(x, "run.log")) {
			return -1;
		}
	}
	more = run_log_next(x->log, SLICE_ROWS * 4, &b, &err);
	ok = rotate_log(x, b.len) && write_buf(x, &b);
	buf_free(&b);
	if (!ok || more) {
		return ok ? 0 : -1;
	}
	run_log_free(x->log);
	x->log = NULL;
	return close_file(x) ? 1 : -1;
}

static int count_slice(struct result *x)
{
	struct lead_error err = {0};

	if (x->report == NULL) {
		x->report = report_new(x->l->engine, x->run);
	}
	if (x->report == NULL) {
		return -1;
	}
	if (report_next(x->report, SLICE_ROWS * 8, &err)) {
		return 0;
	}
	return err.code == 0 ? 1 : -1;
}

static int whole_file(struct result *x, const char *name, bool json)
{
	struct json_object *o = NULL;
	struct txn *t = NULL;
	struct buf b = {0};
	bool ok;

	if (!open_file(x, name) || txn_begin(x->l->store, false, &t, NULL) != 0) {
		return -1;
	}
	if (json) {
		o = report_metrics(x->report, t, clock_now());
		buf_add_text(&b, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
		buf_add_char(&b, '\n');
		json_object_put(o);
	} else {
		report_summary(x->report, t, clock_now(), &b);
	}
	txn_abort(t);
	ok = write_buf(x, &b);
	if (!json) {
		free(x->summary);
		x->summary = buf_take(&b);
	}
	buf_free(&b);
	return close_file(x) && ok ? 1 : -1;
}

/* What of contacts.* is wanted, by the run's campaign as it is now. */
static uint32_t formats(struct result *x)
{
	const struct config *c = engine_config(x->l->engine);
	const struct run_row *row = show_run_row(x->l->engine, x->run);
	const struct campaign *m = row != NULL ? config_campaign(c, row->campaign) : NULL;

	return m != NULL && m->formats != 0 ? m->formats : c->formats;
}

/* Of a slice: has that file to be written? One that an earlier try left is removed then. */
static bool wanted(struct result *x, enum result_format format, const char *name)
{
	bool yes = x->export != NULL || (formats(x) & (uint32_t)format) != 0;

	if (!yes) {
		drop_file(x, name);
	}
	return yes;
}

/* The child has ended. What cannot be a workbook is left out; the rows are in the other files and in the store. */
static void on_book(void *arg, int rc, const char *what)
{
	struct result *x = arg;
	struct timeval now = {0};
	bool kept = rc == 0 && fsync(x->book_fd) == 0;

	x->book = NULL;
	if (rc == LEAD_EINPUT) {
		log_line(LOG_ERR_, "run=%u has no contacts.xlsx: %s", x->run, what);
		drop_file(x, "contacts.xlsx");
	} else if (!kept) {
		result_retry(x, what);
		return;
	}
	book_drop(x);
	x->step++;
	event_add(x->next_slice, &now);
}

/* 1: none is wanted; -1: it failed; 0: it is being made, on_book follows. */
static int book_start(struct result *x)
{
	char path[4096];

	if (!wanted(x, RESULT_XLSX, "contacts.xlsx")) {
		return 1;
	}
	(void)snprintf(path, sizeof(path), "%s/contacts.xlsx", x->tmp);
	x->book_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	x->book = x->book_fd >= 0 ? workbook_make(x->l, x->run, CONTACT_OUTCOMES, x->book_fd, on_book, x) : NULL;
	return x->book != NULL ? 0 : -1;
}

static void remove_old(const char *dir)
{
	static const char *const names[] = {"contacts.csv", "companies.csv", "contacts.jsonl", "contacts.xlsx", "rejects.csv", "metrics.json", "summary.txt", "run.log", "run.log.1"};
	char path[4096];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

/* The finished folder takes its place in one step. */
static bool publish(struct result *x)
{
	struct command *c;
	char parent[4096];

	(void)snprintf(parent, sizeof(parent), "%s/runs", engine_config(x->l->engine)->state_dir);
	if (!sync_dir(x->tmp)) {
		return false;
	}
	remove_old(x->dir); /* of the run's earlier end, before leads were released */
	if (rename(x->tmp, x->dir) != 0 || !sync_dir(parent)) {
		return false;
	}
	c = command_new(COMMAND_WRITTEN);
	c->run = x->run;
	c->summary = x->summary;
	x->summary = NULL;
	command_send(x->l, c, NULL, NULL);
	log_line(LOG_NOTE_, "run=%u results are in %s", x->run, x->dir);
	return true;
}

static void on_slice(evutil_socket_t fd, short what, void *arg)
{
	struct result *x = arg;
	struct timeval now = {0};
	int done = -1;

	(void)fd;
	(void)what;
	if (x->step == STEP_CONTACTS && x->export == NULL && mkdir(x->tmp, 0750) != 0 && errno != EEXIST) {
		result_retry(x, x->tmp);
		return;
	}
	switch (x->step) {
	case STEP_CONTACTS:
		done = wanted(x, RESULT_CSV, "contacts.csv") ? rows_slice(x, "contacts.csv", LEVEL_LEAD, EXPORT_CSV, CONTACT_OUTCOMES) : 1;
		break;
	case STEP_COMPANIES:
		done = run_has_companies(x->l->engine, x->run) ? rows_slice(x, "companies.csv", LEVEL_COMPANY, EXPORT_CSV, 0) : 1;
		break;
	case STEP_JSONL:
		done = wanted(x, RESULT_JSONL, "contacts.jsonl") ? rows_slice(x, "contacts.jsonl", LEVEL_LEAD, EXPORT_JSONL, CONTACT_OUTCOMES) : 1;
		break;
	case STEP_BOOK:
		done = book_start(x);
		if (done == 0) {
			return;
		}
		break;
	case STEP_REJECTS:
		done = rows_slice(x, "rejects.csv", LEVEL_LEAD, EXPORT_REJECTS, 0);
		break;
	case STEP_LOG:
		done = log_slice(x);
		break;
	case STEP_COUNT:
		done = count_slice(x);
		break;
	case STEP_METRICS:
		done = whole_file(x, "metrics.json", true);
		break;
	case STEP_SUMMARY:
		done = whole_file(x, "summary.txt", false);
		break;
	case STEP_PUBLISH:
		if (publish(x)) {
			result_free(x);
			return;
		}
		break;
	}
	if (done < 0) {
		result_retry(x, x->tmp);
		return;
	}
	x->step += done > 0 ? 1 : 0;
	event_add(x->next_slice, &now);
}

void results_write(struct leadd *l, uint32_t run)
{
	struct timeval now = {0};
	struct result *x;

	for (x = l->results; x != NULL; x = x->next) {
		if (x->run == run) {
			result_reset(x); /* it was reopened and has ended again meanwhile */
			event_add(x->next_slice, &now);
			return;
		}
	}
	x = calloc(1, sizeof(*x));
	if (x == NULL || (x->next_slice = evtimer_new(l->base, on_slice, x)) == NULL) {
		abort();
	}
	x->l = l;
	x->run = run;
	x->book_fd = -1;
	(void)snprintf(x->dir, sizeof(x->dir), "%.3700s/runs/%u", engine_config(l->engine)->state_dir, run);
	(void)snprintf(x->tmp, sizeof(x->tmp), "%.3700s/runs/.%u.new", engine_config(l->engine)->state_dir, run);
	x->next = l->results;
	l->results = x;
	event_add(x->next_slice, &now);
}

void results_stop(struct leadd *l)
{
	while (l->results != NULL) {
		result_free(l->results);
	}
}
