/*
 * An uploaded workbook becomes text before a run or a plan has it:
 *
 *   uploads/ID, by its first bytes -> leadd --xlsx-to-csv (child, sandbox) -> uploads/ID.csv.new -> uploads/ID.csv
 *
 * The text has its name only when it is whole and on disk; a crash before that leaves a file that the next try begins anew.
 */
#include "daemon/workbook.h"
#include "lib/table/xlsx.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AT_ONCE 4

struct workbook {
	struct leadd *l;
	struct http_request *r;
	char upload[40];
	workbook_fn done;
	void *arg;
	struct workbook *next;
};

static void paths(struct leadd *l, const char *upload, char text[4200], char fresh[4200])
{
	char path[4096] = "";

	(void)upload_path(l, upload, path);
	(void)snprintf(text, 4200, "%s.csv", path);
	(void)snprintf(fresh, 4200, "%s.csv.new", path);
}

static bool publish(struct leadd *l, const char *upload)
{
	char text[4200], fresh[4200], dir[4096];

	paths(l, upload, text, fresh);
	(void)snprintf(dir, sizeof(dir), "%.4000s/uploads", engine_config(l->engine)->state_dir);
	return rename(fresh, text) == 0 && sync_dir(dir);
}

static void on_read(void *arg, int status, const char *output)
{
	struct workbook *x = arg, **at = &x->l->workbooks;
	char text[4200], fresh[4200];
	bool ok = false;

	while (*at != x) {
		at = &(*at)->next;
	}
	*at = x->next;
	paths(x->l, x->upload, text, fresh);
	if (status == WORKBOOK_REFUSED) {
		http_reply_problem(x->r, 422, "bad-workbook", "'upload': %.400s", output);
	} else if (status == WORKBOOK_FULL) {
		http_reply_problem(x->r, 507, "store-full", "%.400s", output);
	} else if (status != 0 && output[0] != 0) {
		http_reply_problem(x->r, 500, "workbook-failed", "the workbook cannot be read: %.400s", output);
	} else if (status != 0) {
		http_reply_problem(x->r, 422, "bad-workbook", "'upload': the workbook takes too much time or memory");
	} else if (!publish(x->l, x->upload)) {
		http_reply_problem(x->r, errno == ENOSPC ? 507 : 500, "workbook-failed", "the sheet cannot be kept: %s", strerror(errno));
	} else {
		ok = true;
	}
	if (!ok) {
		(void)unlink(fresh);
	}
	x->done(x->arg, ok);
	free(x);
}

static int spawn(struct workbook *x, const char *fresh, int in, struct lead_error *err)
{
	static const char *const args[] = {"leadd", WORKBOOK_READ, NULL};
	int fds[2] = {in, open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)}, rc;

	if (fds[1] < 0) {
		return lead_fail(err, errno == ENOSPC ? LEAD_EFULL : LEAD_EBUG, "the sheet cannot be kept: %s", strerror(errno));
	}
	rc = child_start_with(x->l, args, fds, on_read, x, err);
	close(fds[1]);
	return rc;
}

/* Takes `in` only for the call. */
static enum upload_state start(struct leadd *l, const char *upload, int in, struct http_request *r, workbook_fn done, void *arg)
{
	char text[4200], fresh[4200];
	struct workbook *x;
	struct lead_error err;
	unsigned n = 0;

	for (x = l->workbooks; x != NULL; x = x->next, n++) {
		if (strcmp(x->upload, upload) == 0) {
			n = AT_ONCE;
			break;
		}
	}
	if (n >= AT_ONCE) {
		http_reply_problem(r, 409, "workbook-busy", "'upload': %s: try again in a moment",
		    x != NULL ? "this workbook is being read" : "other workbooks are being read");
		return UPLOAD_REFUSED;
	}
	x = calloc(1, sizeof(*x));
	if (x == NULL) {
		abort();
	}
	*x = (struct workbook){.l = l, .r = r, .done = done, .arg = arg, .next = l->workbooks};
	(void)snprintf(x->upload, sizeof(x->upload), "%s", upload);
	paths(l, upload, text, fresh);
	if (spawn(x, fresh, in, &err) != 0) {
		free(x);
		http_reply_error(r, &err);
		return UPLOAD_REFUSED;
	}
	l->workbooks = x;
	return UPLOAD_WAITS;
}

enum upload_state workbook_look(struct leadd *l, const char *upload, struct http_request *r, workbook_fn done, void *arg)
{
	enum upload_state ret = UPLOAD_REFUSED;
	char path[4096], text[4200], fresh[4200], head[8];
	struct stat st = {0};
	ssize_t n = -1;
	int fd = upload_path(l, upload, path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	paths(l, upload, text, fresh);
	if (fd >= 0 && fstat(fd, &st) == 0) {
		n = pread(fd, head, sizeof(head), 0);
	}
	if (n < 0) {
		http_reply_problem(r, 500, "upload-unreadable", "'upload': %s", strerror(errno));
	} else if (file_kind(head, (size_t)n) == FILE_TEXT) {
		ret = UPLOAD_IS_TEXT;
	} else if (file_kind(head, (size_t)n) == FILE_OLD_BOOK) {
		http_reply_problem(r, 415, "unknown-file", "'upload': an old workbook (.xls), or one with a password: save it as .xlsx or CSV");
	} else if (file_kind(head, (size_t)n) == FILE_OTHER) {
		http_reply_problem(r, 415, "unknown-file", "'upload': neither CSV nor a workbook (.xlsx)");
	} else if ((size_t)st.st_size > XLSX_BYTES) {
		http_reply_problem(r, 413, "workbook-too-large", "'upload': a workbook has at most %zu MiB; CSV may have more", XLSX_BYTES >> 20);
	} else if (access(text, R_OK) == 0) {
		ret = UPLOAD_IS_BOOK;
	} else {
		ret = start(l, upload, fd, r, done, arg);
	}
	if (fd >= 0) {
		close(fd);
	}
	return ret;
}

/* After the children. */
void workbook_stop(struct leadd *l)
{
	while (l->workbooks != NULL) {
		struct workbook *x = l->workbooks;

		l->workbooks = x->next;
		x->done(x->arg, false);
		free(x);
	}
}
