/*
 * An uploaded workbook becomes text before a run or a plan has it:
 *
 *   uploads/ID, by its first bytes -> leadd --xlsx-to-csv (child, sandbox) -> uploads/ID.csv.new -> uploads/ID.csv
 *
 * Which sheet was asked for stands in uploads/ID.sheet before the child starts; no file: the first to see.
 * The text has its name only when it is whole and on disk; a crash before that leaves a file that the next try begins anew.
 */
#include "daemon/workbook.h"
#include "lib/base/json.h"
#include "lib/table/csv.h"
#include "lib/table/xlsx.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AT_ONCE 4
#define MOST_WAITING 64

struct workbook {
	struct leadd *l;
	struct http_request *r;
	char upload[40], sheet[SHEET_TEXT];
	workbook_fn done;
	void *arg;
	bool at_work; /* else it waits until another has ended */
	struct workbook *next;
};

static void paths(struct leadd *l, const char *upload, char text[4200], char fresh[4200])
{
	char path[4096] = "";

	(void)upload_path(l, upload, path);
	(void)snprintf(text, 4200, "%s.csv", path);
	(void)snprintf(fresh, 4200, "%s.csv.new", path);
}

static void sheet_path(struct leadd *l, const char *upload, char ret[4200])
{
	char path[4096] = "";

	(void)upload_path(l, upload, path);
	(void)snprintf(ret, 4200, "%s%s", path, UPLOAD_SHEET);
}

/* On disk before its text can be: publish() syncs the folder. */
static bool write_sheet(struct leadd *l, const char *upload, const char *sheet)
{
	char path[4200];
	size_t len = strlen(sheet);
	bool ok;
	int fd;

	sheet_path(l, upload, path);
	if (len == 0) {
		return unlink(path) == 0 || errno == ENOENT;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ok = fd >= 0 && write(fd, sheet, len) == (ssize_t)len && fdatasync(fd) == 0;
	if (fd >= 0) {
		close(fd);
	}
	return ok;
}

static bool same_sheet(struct leadd *l, const char *upload, const char *sheet)
{
	char path[4200], text[SHEET_TEXT] = "";
	ssize_t n = 0;
	int fd;

	sheet_path(l, upload, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	return (size_t)(n > 0 ? n : 0) == strlen(sheet) && strcmp(text, sheet) == 0;
}

bool workbook_sheet(struct json_object *body, struct http_request *r, char ret[SHEET_TEXT])
{
	const char *sheet = "";
	struct lead_error err;

	ret[0] = 0;
	if (json_get_string(body, "sheet", "the body", &sheet, &err) < 0) {
		http_reply_error(r, &err);
		return false;
	}
	if (strlen(sheet) >= SHEET_TEXT) {
		http_reply_problem(r, 400, "bad-sheet", "'sheet' is a sheet's name, of 31 characters at most, or its number");
		return false;
	}
	(void)snprintf(ret, SHEET_TEXT, "%s", sheet);
	return true;
}

void workbook_say(struct json_object *body)
{
	json_object_object_add(body, "encoding", json_object_new_string(csv_encoding_word(CSV_UTF8)));
	json_object_object_add(body, "delimiter", json_object_new_string(","));
}

static bool publish(struct leadd *l, const char *upload)
{
	char text[4200], fresh[4200], dir[4096];

	paths(l, upload, text, fresh);
	(void)snprintf(dir, sizeof(dir), "%.4000s/uploads", engine_config(l->engine)->state_dir);
	return rename(fresh, text) == 0 && sync_dir(dir);
}

static void start_waiting(struct leadd *l);

/* The only way out. */
static void end(struct workbook *x, bool ok)
{
	struct leadd *l = x->l;
	struct workbook **at = &l->workbooks;

	while (*at != x) {
		at = &(*at)->next;
	}
	*at = x->next;
	x->done(x->arg, ok ? UPLOAD_BOOK : UPLOAD_LOST);
	free(x);
	start_waiting(l);
}

static void on_read(void *arg, int status, const char *output)
{
	struct workbook *x = arg;
	char text[4200], fresh[4200];
	bool ok = false;

	paths(x->l, x->upload, text, fresh);
	if (status == WORKBOOK_REFUSED) {
		http_reply_problem(x->r, 422, "bad-workbook", "'upload': %.400s", output);
	} else if (status == WORKBOOK_FULL) {
		http_reply_problem(x->r, 507, "store-full", "%.400s", output);
	} else if (status != 0 && output[0] != 0) {
		http_reply_problem(x->r, 500, "workbook-failed", "the workbook cannot be read: %.400s", output);
	} else if (status != 0) {
		http_reply_problem(x->r, 422, "bad-workbook", "'upload': the workbook takes too much time or memory, or its reader was killed");
	} else if (!publish(x->l, x->upload)) {
		http_reply_problem(x->r, errno == ENOSPC ? 507 : 500, "workbook-failed", "the sheet cannot be kept: %s", strerror(errno));
	} else {
		ok = true;
	}
	if (!ok) {
		(void)unlink(fresh);
	}
	end(x, ok);
}

static int spawn(struct workbook *x, struct lead_error *err)
{
	const char *const args[] = {"leadd", WORKBOOK_READ, x->sheet[0] != 0 ? x->sheet : NULL, NULL};
	char path[4096] = "", text[4200], fresh[4200];
	int fds[2] = {-1, -1}, rc;

	(void)upload_path(x->l, x->upload, path);
	paths(x->l, x->upload, text, fresh);
	fds[0] = open(path, O_RDONLY | O_CLOEXEC);
	(void)unlink(fresh); /* of a try that was broken off */
	fds[1] = fds[0] >= 0 ? open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
	if (fds[1] < 0 || !write_sheet(x->l, x->upload, x->sheet)) {
		rc = lead_fail(err, errno == ENOSPC ? LEAD_EFULL : LEAD_EBUG, "the sheet cannot be kept: %s", strerror(errno));
	} else {
		rc = child_start_with(x->l, args, fds, on_read, x, err);
	}
	for (int i = 0; i < 2; i++) {
		if (fds[i] >= 0) {
			close(fds[i]);
		}
	}
	return rc;
}

/* In the order they came. */
static void start_waiting(struct leadd *l)
{
	struct workbook *x, *next = NULL;
	struct lead_error err;
	unsigned n = 0;

	for (x = l->workbooks; x != NULL; x = x->next) {
		n += x->at_work;
		next = next == NULL && !x->at_work ? x : next;
	}
	if (next == NULL || n >= AT_ONCE) {
		return;
	}
	next->at_work = true;
	if (spawn(next, &err) != 0) {
		http_reply_error(next->r, &err);
		end(next, false);
	} else {
		start_waiting(l);
	}
}

static bool start(struct leadd *l, const char *upload, const char *sheet, struct http_request *r, workbook_fn done, void *arg)
{
	struct workbook *x, **last = &l->workbooks;
	unsigned n = 0;

	for (; *last != NULL && strcmp((*last)->upload, upload) != 0; last = &(*last)->next) {
		n++;
	}
	if (*last != NULL || n >= MOST_WAITING) {
		http_reply_problem(r, 409, "workbook-busy", "'upload': %s: try again in a moment",
		    *last != NULL ? "this workbook is being read" : "other workbooks are being read");
		return false;
	}
	x = calloc(1, sizeof(*x));
	if (x == NULL) {
		abort();
	}
	*x = (struct workbook){.l = l, .r = r, .done = done, .arg = arg};
	(void)snprintf(x->upload, sizeof(x->upload), "%s", upload);
	(void)snprintf(x->sheet, sizeof(x->sheet), "%s", sheet);
	*last = x;
	start_waiting(l);
	return true;
}

/* NULL, or what is wrong with a file of that name and kind. */
static const char *wrong_kind(const char *name, enum file_kind kind)
{
	bool book = upload_is_named(name, ".xlsx") || upload_is_named(name, ".xlsm") || upload_is_named(name, ".xls");

	switch (kind) {
	case FILE_OLD_BOOK:
		return "an old workbook (.xls), or one with a password: save it as .xlsx or CSV";
	case FILE_MARKUP:
		return book ? "named like a workbook, but a web page (HTML or XML): open it and save it as .xlsx or CSV"
			    : "a web page (HTML or XML), neither CSV nor a workbook (.xlsx)";
	case FILE_OTHER:
		return "neither CSV nor a workbook (.xlsx)";
	case FILE_TEXT:
		return book ? "named like a workbook, but its content is none; a CSV file is named .csv" : NULL;
	default:
		return NULL;
	}
}

bool workbook_look(struct leadd *l, const char *upload, const char *sheet, struct http_request *r, workbook_fn done, void *arg)
{
	char path[4096], text[4200], fresh[4200], head[64], name[RUN_TEXT];
	enum file_kind kind = FILE_OTHER;
	struct stat st = {0};
	const char *wrong;
	bool ok = false, now = false;
	ssize_t n = -1;
	int fd = upload_path(l, upload, path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	paths(l, upload, text, fresh);
	if (fd >= 0 && fstat(fd, &st) == 0) {
		n = pread(fd, head, sizeof(head), 0);
	}
	if (n >= 0) {
		kind = file_kind(head, (size_t)n);
	}
	upload_name(l, upload, name);
	if (n < 0) {
		http_reply_problem(r, 500, "upload-unreadable", "'upload': %s", strerror(errno));
	} else if ((wrong = wrong_kind(name, kind)) != NULL) {
		http_reply_problem(r, 415, "unknown-file", "'upload': %s", wrong);
	} else if (kind == FILE_TEXT && sheet[0] != 0) {
		http_reply_problem(r, 400, "bad-sheet", "'sheet': a CSV file has no sheets");
	} else if (kind == FILE_TEXT) {
		ok = now = true;
	} else if ((size_t)st.st_size > XLSX_BYTES) {
		http_reply_problem(r, 413, "workbook-too-large", "'upload': a workbook has at most %zu MiB; CSV may have more", XLSX_BYTES >> 20);
	} else if (access(text, R_OK) != 0) {
		ok = start(l, upload, sheet, r, done, arg);
	} else if (!same_sheet(l, upload, sheet)) {
		http_reply_problem(r, 409, "other-sheet", "'sheet': another sheet of this upload was read before: upload it again for this one");
	} else {
		ok = now = true;
	}
	if (fd >= 0) {
		close(fd);
	}
	if (now) {
		done(arg, kind == FILE_TEXT ? UPLOAD_TEXT : UPLOAD_BOOK);
	}
	return ok;
}

/* After the children. */
void workbook_stop(struct leadd *l)
{
	while (l->workbooks != NULL) {
		struct workbook *x = l->workbooks;

		l->workbooks = x->next;
		x->done(x->arg, UPLOAD_LOST);
		free(x);
	}
}
