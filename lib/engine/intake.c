/*
 * Rows become items. The shell hands over slices of the uploaded file; each slice is one turn's work and its
 * cursor (rows taken) is committed with it. After a restart the file is read from its beginning and the rows
 * already taken are skipped: parsing is cheap, writing is not.
 *
 *   sniff the whole file (unless told) -> from the start: header -> rows: record, suppressed?, free gates, identity, queue
 */
#include "lib/engine/approve.h"

#include "lib/store/pack.h"

#define READ_BYTES (64 * 1024)

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
	(void)snprintf(r->row.why, sizeof(r->row.why), "%.95s", why);
	r->row.state = RUN_FAILED;
	r->row.ended_us = e->now.wall_us;
	r->sweeping = r->row.outcomes[ITEM_OPEN] > 0;
	r->sweep = 0;
	e->more = true;
	import_end(e, r);
}

/* --- one row --- */

static void reject_row(struct engine *e, struct run *r, struct item *i, enum item_outcome o, const char *reason, uint32_t of)
{
	struct fact f = {.kind = FACT_GATE, .stage = STAGE_INTAKE, .turn = e->turn, .wall_us = e->now.wall_us};
	char number[16];

	(void)snprintf(f.reason, sizeof(f.reason), "%s", reason);
	if (of != 0) {
		(void)snprintf(number, sizeof(number), "%u", of);
		f.fields[0] = (struct fact_field){
		    .name = "duplicate_of", .name_len = 12, .value = {.kind = VALUE_NUMBER, .text = number, .len = (uint32_t)strlen(number)}};
		f.n_fields = 1;
	}
	fact_add(e->txn, i, &f);
	item_finish(e, r, i, o, reason);
}

static uint32_t claim(struct engine *e, struct run *r, const struct record *row, uint32_t number, const char **ret_kind)
{
	struct value email = record_field(row, FIELD_EMAIL), normal = {0};
	struct identity ids[3];
	size_t n;
	uint32_t first = 0;

	(void)gate_address(&email, &e->config->lists, &e->arena, &normal);
	n = identity_of(row, &normal, e->hash_key, ids);
	for (size_t i = 0; i < n; i++) {
		uint32_t known = identity_claim(e->txn, r->id, (uint8_t)ids[i].kind, ids[i].hash, number);

		if (i == 0) {
			first = known;
			*ret_kind = identity_word(ids[i].kind);
			break; /* the strongest identity alone decides */
		}
	}
	return first;
}

static const char *row_suppressed(struct engine *e, struct run *r, const struct record *row)
{
	struct value email = record_field(row, FIELD_EMAIL);

	return suppress_has(e, r) ? suppress_reason(e, r, &email) : NULL;
}

/* row: as it is stored. */
static void take_row(struct engine *e, struct run *r, uint32_t number, const void *row, size_t len)
{
	struct item i = {.run = r->id, .number = number, .stage = 0};
	struct view view = {0};
	const struct gate *g = NULL;
	const char *suppressed, *reason, *kind = "";
	uint32_t of;

	r->row.outcomes[ITEM_OPEN]++;
	view_open(e, e->txn, r, 0, &view);
	view.has_row = record_open(&view.row, &r->columns, row, len);
	suppressed = row_suppressed(e, r, &view.row);
	reason = r->pipeline != NULL ? pipeline_gates(r->pipeline, AFTER_INTAKE, &view.source, &e->config->lists, &e->arena, &g) : NULL;
	item_row_write(e->txn, r->id, number, row, len);
	if (suppressed != NULL) {
		i.stage = STAGE_INTAKE;
		reject_row(e, r, &i, ITEM_SUPPRESSED, suppressed, 0);
	} else if (reason != NULL && g->policy == GATE_HOLD) {
		item_hold(e, r, &i, reason);
	} else if (reason != NULL) {
		i.stage = STAGE_INTAKE;
		reject_row(e, r, &i, ITEM_REJECTED, reason, 0);
	} else if ((of = claim(e, r, &view.row, number, &kind)) != 0) {
		char text[ITEM_REASON];

		i.stage = STAGE_INTAKE;
		(void)snprintf(text, sizeof(text), "duplicate-%s", kind);
		reject_row(e, r, &i, ITEM_DUPLICATE, text, of);
	} else if (r->pipeline != NULL) {
		approve_take(r, number);
		stage_enter(e, r, &i, 0);
	} else {
		item_hold(e, r, &i, STAGE_GONE);
	}
	arena_reset(&e->arena); /* nothing of this row is needed any more */
}

static int take_header(struct row_arg *a, const struct csv_field *cells, size_t n)
{
	struct run *r = a->r;
	const char *overrides[64] = {NULL};
	char map[512], *save = NULL;
	size_t count = 0;
	int rc;

	if (r->has_columns) {
		return 0;
	}
	(void)snprintf(map, sizeof(map), "%s", r->row.map);
	for (char *line = strtok_r(map, "\n", &save); line != NULL && count < 63; line = strtok_r(NULL, "\n", &save)) {
		overrides[count++] = line;
	}
	rc = columns_map(cells, n, overrides, &r->columns, &a->err);
	if (rc == 0) {
		r->has_columns = true;
		buf_reset(&r->row.columns);
		columns_write(&r->columns, &r->row.columns);
	}
	return rc;
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
	if (number <= r->import->skip) {
		return 0;
	}
	record_write(&r->columns, cells, n, &bytes);
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
	r->row.bytes = i->offset;
	run_touch(r);
	if (rc < 0) {
		import_fail(e, r, local.err.text);
	} else if (rc == STOP_AT_LIMIT || p->len == 0) {
		if (!r->has_columns) {
			import_fail(e, r, "the file is empty");
			return;
		}
		r->row.bytes = r->row.bytes_total;
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

/* Asks for the next slice when none is under way; a paused run goes on importing: it costs nothing. */
void intake_ask(struct engine *e, struct run *r)
{
	if (!r->row.importing || e->full || e->draining) {
		return;
	}
	if (r->import == NULL) {
		r->import = calloc(1, sizeof(*r->import));
		if (r->import == NULL) {
			return;
		}
		r->import->skip = r->row.rows;
		r->import->sniff = csv_sniff_new();
		r->import->phase = r->row.encoding != 255 && r->row.delimiter != 0 && r->row.bytes_total != 0 ? IMPORT_ROWS : IMPORT_SNIFF;
	}
	if (!r->import->asked && r->import->sniff != NULL) {
		r->import->asked = true;
		e->effects.read_upload(e->effects.ctx, r->id, r->row.upload, r->import->offset, READ_BYTES);
	}
}
