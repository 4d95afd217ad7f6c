/*
 * The children that read and write workbooks. Both get their file as descriptor 3 and the place for the result as 4:
 *
 *   leadd --xlsx-to-csv [SHEET]  a workbook that somebody sent, in the sandbox before its first byte is looked at
 *   leadd --csv-to-xlsx DIR      our own rows; DIR for temporary files
 *
 * Exit: 0 done, 2 the file is not what it should be, 3 the disk is full, 1 anything else; the reason on stdout.
 */
#include "daemon/child_kit.h"
#include "daemon/leadd.h"
#include "daemon/sandbox.h"
#include "daemon/workbook.h"
#include "lib/table/csv.h"
#include "lib/table/xlsx.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define IN_FD 3
#define OUT_FD 4
#define CPU_S 100 /* the request gives up after 120 s */
#define READ_MEMORY (UINT64_C(1) << 30)
#define WRITE_MEMORY (UINT64_C(256) << 20)
#define MAX_FIELDS 4096

static bool write_all(void *arg, const char *bytes, size_t len)
{
	int fd = *(const int *)arg;

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

static int tell(int rc, const struct lead_error *err)
{
	int fd = STDOUT_FILENO;

	if (rc != 0) {
		(void)write_all(&fd, err->text, strlen(err->text));
	}
	return rc == 0 ? 0 : rc == LEAD_EINPUT ? WORKBOOK_REFUSED : rc == LEAD_EFULL ? WORKBOOK_FULL : 1;
}

/* --- a workbook in --- */

static int convert(size_t len, const char *sheet, struct lead_error *err)
{
	const struct xlsx_options o = {.sheet = sheet};
	const void *bytes = mmap(NULL, len, PROT_READ, MAP_PRIVATE, IN_FD, 0);
	int out = OUT_FD, rc;

	if (bytes == MAP_FAILED) {
		return lead_fail(err, LEAD_EIO, "the workbook cannot be read: %s", strerror(errno));
	}
	errno = 0;
	rc = xlsx_to_csv(bytes, len, &o, write_all, &out, err);
	if (rc == LEAD_EIO && errno == ENOSPC) {
		rc = lead_fail(err, LEAD_EFULL, "there is no room for the sheet's text");
	}
	if (rc == 0 && fdatasync(OUT_FD) != 0 && errno != EINVAL) { /* a pipe has no disk */
		rc = lead_fail(err, LEAD_EIO, "the sheet's text cannot be written: %s", strerror(errno));
	}
	return rc;
}

int workbook_read_main(const char *sheet)
{
	static const struct sandbox_bounds bounds = {.memory_bytes = READ_MEMORY, .file_bytes = UINT64_C(1) << 30, .cpu_s = CPU_S};
	struct lead_error err = {0};
	struct stat st;
	int rc;

	if (fstat(IN_FD, &st) != 0) {
		return tell(lead_fail(&err, LEAD_EBUG, "no file was given"), &err);
	}
	rc = sandbox_enter(&bounds, &err);
	rc = rc == 0 ? convert((size_t)st.st_size, sheet, &err) : rc;
	_exit(tell(rc, &err)); /* what else an end does has no place in the sandbox */
}

/* --- a workbook out --- */

struct writing {
	struct xlsx_writer *w;
	struct lead_error *err;
};

static int on_row(void *arg, uint64_t row, uint64_t line, const struct csv_field *fields, size_t n)
{
	struct writing *x = arg;
	int rc = 0;

	(void)row;
	(void)line;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = xlsx_write_cell(x->w, fields[i].text, fields[i].len, x->err);
	}
	xlsx_write_end(x->w);
	return rc;
}

static int copy_rows(struct csv_reader *r, struct lead_error *err)
{
	static char bytes[65536];
	ssize_t n = 1;
	int rc = 0;

	while (rc == 0 && n > 0) {
		n = read(IN_FD, bytes, sizeof(bytes));
		if (n < 0) {
			rc = lead_fail(err, LEAD_EIO, "the rows cannot be read: %s", strerror(errno));
		} else {
			rc = n > 0 ? csv_reader_feed(r, bytes, (size_t)n, err) : csv_reader_finish(r, err);
		}
	}
	return rc;
}

static int write_book(const char *tmp_dir, struct lead_error *err)
{
	const struct csv_options o = {.encoding = CSV_UTF8, .delimiter = ',', .max_field_bytes = (size_t)8 << 20, .max_fields = MAX_FIELDS};
	struct writing x = {.err = err};
	struct csv_reader *r = NULL;
	int end, rc = csv_reader_new(&o, on_row, &x, &r, err);

	rc = rc == 0 ? xlsx_writer_new("/proc/self/fd/4", tmp_dir, WORKBOOK_NUMBERS, &x.w, err) : rc;
	if (x.w != NULL) {
		rc = copy_rows(r, err);
		end = xlsx_writer_close(x.w, rc == 0 ? err : NULL);
		rc = rc == 0 ? end : rc;
	}
	csv_reader_free(r);
	if (rc == 0 && fsync(OUT_FD) != 0 && errno != EINVAL) { /* here, so that the daemon does not wait for it */
		rc = lead_fail(err, LEAD_EIO, "the workbook cannot be written: %s", strerror(errno));
	}
	return rc;
}

int workbook_write_main(const char *tmp_dir)
{
	struct lead_error err = {0};

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	child_bound(CPU_S, WRITE_MEMORY);
	return tell(write_book(tmp_dir, &err), &err);
}
