/* daemon/workbook.h: spreadsheets of the kind .xlsx, read and written by children; see lib/table/xlsx.h. */
#pragma once

#include "daemon/leadd.h"

/* --- workbook.c: an uploaded file as text --- */

enum upload_kind {
	UPLOAD_TEXT, /* as it was sent */
	UPLOAD_BOOK, /* a workbook: the sheet that was wanted lies beside it as CSV, UTF-8 with commas */
	UPLOAD_LOST, /* a workbook that could not be read: r was answered, or nobody waits any more */
};
typedef void (*workbook_fn)(void *arg, enum upload_kind kind);
#define SHEET_TEXT 128 /* of a sheet's name in UTF-8, with its end: 31 characters */
/*
 * What a whole upload is, by its content; a name that promises something else is refused. sheet: the name or number of the one that is wanted; ""
 * for the first to see. An upload is read once: another sheet of it takes another upload. `done` is called at once, or when the workbook has been
 * read. False: refused, r was answered, `done` is not called.
 */
bool workbook_look(struct leadd *l, const char *upload, const char *sheet, struct http_request *r, workbook_fn done, void *arg);
/* A body that says how its text is to be read: as that of a workbook. */
void workbook_say(struct json_object *body);
/* `sheet` of a body, "" when there is none; false when that was answered already. */
bool workbook_sheet(struct json_object *body, struct http_request *r, char ret[SHEET_TEXT]);
void workbook_stop(struct leadd *l);

/* --- workbook_make.c: the results of a run as a workbook --- */

struct workbook_make;
/* rc: 0, it is in the descriptor; LEAD_EFULL or LEAD_EIO: the disk; LEAD_EINPUT: it cannot be a workbook. what: for people. */
typedef void (*workbook_made_fn)(void *arg, int rc, const char *what);
/* Begins; book_fd: an empty file, the caller's, open for writing until `done`. NULL: no such run. */
struct workbook_make *workbook_make(struct leadd *l, uint32_t run, uint32_t outcomes, int book_fd, workbook_made_fn done, void *arg);
void workbook_make_cancel(struct workbook_make *m); /* `done` is not called; NULL is fine */
void workbook_make_stop(struct leadd *l);
/* A file in the folder that is gone when it is closed; -1 with errno. */
int workbook_unnamed(const char *dir);

/* --- workbook_export.c --- */

/* The results as a workbook: rows to a file in slices, a child that makes the workbook of it, then the download. */
void workbook_export(struct leadd *l, struct http_request *r, uint32_t run, uint32_t outcomes);
void workbook_export_stop(struct leadd *l);

/* --- workbook_child.c --- */

#define WORKBOOK_READ "--xlsx-to-csv"
#define WORKBOOK_WRITE "--csv-to-xlsx"
#define WORKBOOK_REFUSED 2
#define WORKBOOK_FULL 3
#define WORKBOOK_NUMBERS (1u << 0 | 1u << 3) /* columns of an export that are numbers of ours: lead, spent */
int workbook_read_main(const char *sheet); /* NULL: the first to see */
int workbook_write_main(const char *tmp_dir);
