/*
 * Rows become items. The shell hands over slices of the uploaded file; each slice is one turn's work and its
 * cursor (rows taken) is committed with it. After a restart the file is read from its beginning and the rows
 * already taken are skipped: parsing is cheap, writing is not.
 *
 *   sniff the whole file (unless told) -> from the start: header -> rows: record, suppressed?, free gates, identity, queue
 */
#include "lib/engine/item/intake.h"

#include "lib/base/text.h"
#include "lib/engine/engine.h"
#include "lib/engine/item/birth.h"
#include "lib/engine/run/approve.h"
#include "lib/engine/run/reopen.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"
#include "lib/store/notes.h"
#include "lib/store/pack.h"

#include <stdio.h>

struct row_arg {
	struct engine *e;
	struct run *r;
	struct lead_error err;
};

void import_free(struct import *i)
{
	if (i == NULL) {
		return;
	}
	csv_sniff_free(i->sniff);
	csv_reader_free(i->reader);
	free(i);
}

static void import_end(struct engine *e, struct run *r)
{
	import_free(r->import);
	r->import = NULL;
	r->row.importing = false;
	run_touch(r);
	run_check_end(e, r);
}

static void import_fail(struct engine *e, struct run *r, const char *why)
{
	(void)snprintf(r->row.why, sizeof(r->row.why), "%.159s", why);
	r->row.state = RUN_FAILED;
	r->row.ended_us = e->now.wall_us;
	r->sweeping = run_has_open(r);
	r->sweep = 0;
	e->more = true;
	run_share(r);
	import_end(e, r);
}

/* What stands under no header has no name to be exported under. */
static void note_loose_cells(struct engine *e, struct run *r)
{
	struct note n = {.run = r->id, .kind = NOTE_CELLS_LEFT_OUT, .wall_us = e->now.wall_us, .who = "intake", .amount_micro = -1};

	if (r->import->loose_rows > 0) {
		(void)snprintf(n.what, sizeof(n.what), "%llu row%s something under no header, first row %llu: it is left out",
		    (unsigned long long)r->import->loose_rows, r->import->loose_rows == 1 ? " has" : "s have",
		    (unsigned long long)r->import->first_loose);
		note_add(e->txn, &n);
	}
}

/* The leads that were there go on without it. */
static void rest_is_gone(struct engine *e, struct run *r, const char *why)
{
	struct note n = {.run = r->id, .kind = NOTE_ROWS_LEFT_OUT, .wall_us = e->now.wall_us, .who = "intake", .amount_micro = -1};

	(void)snprintf(n.what, sizeof(n.what), "rows behind %llu of the file: %.100s", (unsigned long long)r->row.rows, why);
	note_add(e->txn, &n);
	import_end(e, r);
}

/* --- one row --- */

static void take_row(struct engine *e, struct run *r, uint32_t number, const void *row, size_t len)
{
	(void)birth(e, r, (enum item_level)r->row.rows_are, 0, number, row, len);
	arena_reset(&e->arena); /* nothing of this row is needed any more */
}

static struct columns *columns_of_rows(struct run *r)
{
	return &r->columns[r->row.rows_are];
}

static int take_header(struct row_arg *a, const struct csv_field *cells, size_t n)
{
	struct run *r = a->r;
	struct buf *kept = r->row.rows_are == LEVEL_COMPANY ? &r->row.company_columns : &r->row.columns;
	const char *overrides[64] = {NULL};
	char map[512], *save = NULL;
	size_t count = 0;
	int rc;

	if (r->has_columns[r->row.rows_are]) {
		return 0;
	}
	(void)snprintf(map, sizeof(map), "%s", r->row.map);
	for (char *line = strtok_r(map, "\n", &save); line != NULL && count < 63; line = strtok_r(NULL, "\n", &save)) {
		overrides[count++] = line;
	}
	rc = columns_map(cells, n, overrides, columns_of_rows(r), &a->err);
	if (rc == 0) {
		r->has_columns[r->row.rows_are] = true;
		buf_reset(kept);
		columns_write(columns_of_rows(r), kept);
	}
	return rc;
}

/* Rows already taken before a restart are counted, too. */
static void count_loose(struct run *r, uint64_t row, const struct csv_field *cells, size_t n)
{
	struct import *i = r->import;

	for (size_t c = columns_of_rows(r)->n; c < n; c++) {
		const char *text = cells[c].text;
		size_t len = cells[c].len;

		text_trim(&text, &len);
		if (len > 0) {
			i->first_loose = i->loose_rows++ == 0 ? row : i->first_loose;
			return;
		}
	}
}

#define STOP_AT_LIMIT 1

static int on_row(void *arg, uint64_t row, uint64_t line, const struct csv_field *cells, size_t n)
{
	struct row_arg *a = arg;
	struct run *r = a->r;
	uint64_t number = row - 1;
	struct buf bytes = {0};

	(void)line;
	if (row == 1) {
		return take_header(a, cells, n);
	}
	if (r->row.max_rows != 0 && number > r->row.max_rows) {
		return STOP_AT_LIMIT;
	}
	if (number > UINT32_MAX) {
		return lead_fail(&a->err, LEAD_EINPUT, "the file has more rows than a run can hold (%u)", UINT32_MAX);
	}
	count_loose(r, row, cells, n);
	if (number <= r->import->skip) {
		return 0;
	}
	record_write(columns_of_rows(r), cells, n, &bytes);
	take_row(a->e, r, (uint32_t)number, bytes.data, bytes.len);
	buf_free(&bytes);
	r->row.rows = number;
	return 0;
}

/* --- slices --- */

static int open_reader(struct run *r, struct lead_error *err)
{
	struct csv_options o = {.encoding = (enum csv_encoding)r->row.encoding, .delimiter = r->row.delimiter};

	return csv_reader_new(&o, on_row, NULL, &r->import->reader, err);
}

static void sniff_slice(struct engine *e, struct run *r, const struct import_part *p)
{
	struct import *i = r->import;
	enum csv_encoding encoding;
	char delimiter;

	(void)e;
	if (p->len > 0) {
		csv_sniff_feed(i->sniff, p->bytes, p->len);
		i->offset += p->len;
		return;
	}
	csv_sniff_result(i->sniff, &encoding, &delimiter);
	r->row.encoding = r->row.encoding == 255 ? (uint8_t)encoding : r->row.encoding;
	r->row.delimiter = r->row.delimiter == 0 ? delimiter : r->row.delimiter;
	r->row.bytes_total = i->offset;
	i->phase = IMPORT_ROWS;
	i->offset = 0;
	run_touch(r);
}

/* ENCODING_ROWS. */
static void stored_slice(struct engine *e, struct run *r, const struct import_part *p)
{
	struct unpack u = unpack_of((struct slice){(const uint8_t *)p->bytes, p->len});

	r->import->offset += p->len;
	r->row.bytes = r->import->offset;
	run_touch(r);
	while (u.at < u.end) {
		uint32_t number = unpack_u32(&u);
		struct slice row = unpack_bytes(&u);

		if (u.bad) {
			import_fail(e, r, "a row was cut short");
			return;
		}
		if (number > r->import->skip) {
			take_row(e, r, number, row.data, row.len);
			r->row.rows = number;
		}
	}
	if (p->len == 0) {
		import_end(e, r);
	}
}

static void rows_slice(struct engine *e, struct run *r, const struct import_part *p)
{
	struct import *i = r->import;
	struct row_arg local = {.e = e, .r = r};
	int rc = 0;

	if (i->reader == NULL) {
		rc = open_reader(r, &local.err);
	}
	if (rc == 0) {
		csv_reader_set_arg(i->reader, &local);
		rc = p->len > 0 ? csv_reader_feed(i->reader, p->bytes, p->len, &local.err) : csv_reader_finish(i->reader, &local.err);
	}
	i->offset += p->len;
	r->row.bytes = i->offset > i->known ? i->offset : i->known;
	run_touch(r);
	if (rc < 0) {
		import_fail(e, r, local.err.text);
	} else if (rc == STOP_AT_LIMIT || p->len == 0) {
		if (!r->has_columns[r->row.rows_are]) {
			import_fail(e, r, "the file is empty");
			return;
		}
		r->row.bytes = r->row.bytes_total;
		note_loose_cells(e, r);
		import_end(e, r);
	}
}

void intake_apply(struct engine *e, struct import_part *p)
{
	struct run *r = run_get(e, p->run);

	if (r == NULL || r->import == NULL || !r->row.importing) {
		return;
	}
	r->import->asked = false;
	if (p->error[0] != 0 && r->import->resumed) {
		rest_is_gone(e, r, p->error);
		return;
	}
	if (p->error[0] != 0) {
		import_fail(e, r, p->error);
		return;
	}
	if (r->row.state == RUN_CANCELLED) {
		import_end(e, r);
		return;
	}
	if (r->row.encoding == ENCODING_ROWS) {
		stored_slice(e, r, p);
	} else if (r->import->phase == IMPORT_SNIFF) {
		sniff_slice(e, r, p);
	} else {
		rows_slice(e, r, p);
	}
}

/* From the file's beginning; false: no memory. */
static bool begin_import(struct run *r)
{
	if (r->import == NULL) {
		r->import = calloc(1, sizeof(*r->import));
		if (r->import == NULL) {
			return false;
		}
		r->import->skip = r->row.rows;
		r->import->sniff = csv_sniff_new();
		r->import->phase = r->row.encoding != 255 && r->row.delimiter != 0 && r->row.bytes_total != 0 ? IMPORT_ROWS : IMPORT_SNIFF;
		r->import->known = r->row.bytes;
	}
	return true;
}

bool intake_resume(struct engine *e, struct run *r)
{
	if (r->row.state != RUN_CANCELLED || r->row.finds || r->row.importing || r->row.bytes_total == 0 || r->row.bytes >= r->row.bytes_total) {
		return false;
	}
	run_reopen(e, r);
	r->row.importing = true;
	if (begin_import(r)) {
		r->import->resumed = true;
	}
	run_touch(r);
	e->more = true;
	return true;
}

static size_t slice_bytes(const struct import *i)
{
	uint64_t known = i->phase == IMPORT_SNIFF ? INTAKE_KNOWN_BYTES : i->known > i->offset ? i->known - i->offset : 0;

	return known > INTAKE_KNOWN_BYTES ? INTAKE_KNOWN_BYTES : known > INTAKE_BYTES ? (size_t)known : INTAKE_BYTES;
}

bool intake_ask(struct engine *e, struct run *r)
{
	if (!r->row.importing || e->full || e->draining) {
		return false;
	}
	if (!begin_import(r)) {
		return false;
	}
	if (!r->import->asked && r->import->sniff != NULL) {
		r->import->asked = true;
		e->effects.read_upload(e->effects.ctx, r->id, r->row.upload, r->import->offset, slice_bytes(r->import));
	}
	return true;
}
