/* Whom a preview is for: a row of a file that nobody imported, or a lead of a run. See preview.c. */
#include "lib/engine/show/preview_parts.h"

#include "lib/engine/run/run.h"
#include "lib/table/csv.h"

#include <stdio.h>
#include <stdlib.h>

#define READ_BYTES (256 * 1024)

/* --- the row of a file --- */

static int on_row(void *arg, uint64_t row, uint64_t line, const struct csv_field *cells, size_t n)
{
	struct preview *p = arg;
	const char *overrides[64] = {NULL};
	char map[sizeof(p->q->file.map)], *save = NULL;
	size_t count = 0;
	int rc;

	(void)line;
	if (row == p->q->row) {
		record_write(&p->run.columns[LEVEL_LEAD], cells, n, &p->row);
		return 1;
	}
	if (row > 1) {
		return 0;
	}
	(void)snprintf(map, sizeof(map), "%s", p->q->file.map);
	for (char *text = strtok_r(map, "\n", &save); text != NULL && count < 63; text = strtok_r(NULL, "\n", &save)) {
		overrides[count++] = text;
	}
	rc = columns_map(cells, n, overrides, &p->run.columns[LEVEL_LEAD], p->err);
	p->run.has_columns[LEVEL_LEAD] = rc == 0;
	return rc;
}

/* Calls feed for each piece of the file and once for its end (0 bytes) until it says anything but 0. */
static int each_piece(struct preview *p, int (*feed)(void *arg, const char *bytes, size_t len), void *arg)
{
	char *bytes = malloc(READ_BYTES);
	uint64_t offset = 0;
	int rc = bytes != NULL ? 0 : lead_fail(p->err, LEAD_ENOMEM, "out of memory");
	long n = 1;

	while (rc == 0 && n > 0) {
		n = p->q->read(p->q->ctx, p->q->file.upload, offset, bytes, READ_BYTES);
		rc = n < 0 ? lead_fail(p->err, LEAD_EIO, "the uploaded file cannot be read") : feed(arg, bytes, (size_t)n);
		offset += n > 0 ? (uint64_t)n : 0;
	}
	free(bytes);
	return rc;
}

static int on_sniff(void *arg, const char *bytes, size_t len)
{
	csv_sniff_feed(arg, bytes, len);
	return 0;
}

struct reading {
	struct csv_reader *reader;
	struct lead_error *err;
};

static int on_piece(void *arg, const char *bytes, size_t len)
{
	struct reading *r = arg;

	return len > 0 ? csv_reader_feed(r->reader, bytes, len, r->err) : csv_reader_finish(r->reader, r->err);
}

static int look_at_file(struct preview *p, struct csv_options *o)
{
	struct csv_sniff *sniff = csv_sniff_new();
	enum csv_encoding encoding;
	char delimiter;
	int rc = sniff != NULL ? each_piece(p, on_sniff, sniff) : lead_fail(p->err, LEAD_ENOMEM, "out of memory");

	if (rc == 0) {
		csv_sniff_result(sniff, &encoding, &delimiter);
		o->encoding = p->q->file.encoding != 255 ? (enum csv_encoding)p->q->file.encoding : encoding;
		o->delimiter = p->q->file.delimiter != 0 ? p->q->file.delimiter : delimiter;
	}
	csv_sniff_free(sniff);
	return rc;
}

int preview_open_row(struct preview *p)
{
	struct csv_options o = {0};
	struct reading r = {.err = p->err};
	int rc;

	if (p->q->row < 2) {
		return lead_fail(p->err, LEAD_EINPUT, "row 1 is the header: the first lead is in row 2");
	}
	rc = look_at_file(p, &o);
	rc = rc == 0 ? csv_reader_new(&o, on_row, p, &r.reader, p->err) : rc;
	rc = rc == 0 ? each_piece(p, on_piece, &r) : rc;
	csv_reader_free(r.reader);
	if (rc == 0) {
		return lead_fail(p->err, LEAD_EINPUT, p->run.has_columns[LEVEL_LEAD] ? "the file has no row %llu" : "the file is empty", (unsigned long long)p->q->row);
	}
	return rc < 0 ? rc : 0;
}

/* --- the lead of a run --- */

int preview_open_lead(struct preview *p)
{
	uint32_t number = p->q->lead != 0 ? p->q->lead : (uint32_t)(p->q->row - 1);
	struct run_row row;
	int rc;

	rc = txn_begin(p->q->store, false, &p->txn, p->err);
	if (rc != 0) {
		return rc;
	}
	if (!run_read(p->txn, p->q->run, &row)) {
		return lead_fail(p->err, LEAD_EINPUT, "there is no run %u", p->q->run);
	}
	run_open_row(&p->run, &row);
	if (strcmp(row.campaign, p->q->campaign) != 0) {
		rc = lead_fail(p->err, LEAD_EINPUT, "run %u is of campaign %s", p->q->run, row.campaign);
	} else if (!item_read(p->txn, p->q->run, number, &p->item)) {
		rc = lead_fail(p->err, LEAD_EINPUT, "run %u has no lead %u, row %u of its file", p->q->run, number, number + 1);
	}
	return rc;
}
