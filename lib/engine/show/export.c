/* See export.h. Items in order of their numbers; the cursor is the last number. */
#include "lib/engine/show/export.h"

#include "lib/base/json.h"
#include "lib/base/money.h"
#include "lib/engine/run/run.h"
#include "lib/engine/show/show.h"
#include "lib/engine/state.h"

#include <stdio.h>

struct export {
	struct engine *e;
	uint32_t run;
	enum export_format format;
	uint32_t outcomes;
	enum item_level level;
	bool linked;                /* leads that came from companies say from which */
	bool found;                 /* they stand in no file: a reject has its lead's number, not that of a row */
	uint64_t turn;
	uint32_t cursor;
	uint64_t rows;
	bool headed;
};

struct slice_arg {
	struct export *x;
	struct txn *txn;
	struct buf *out;
	unsigned left;
	uint32_t last;
	bool more;
};

/* csv_write_cell or csv_write_plain. */
typedef void (*write_fn)(struct buf *out, const char *text, size_t len, bool first);

struct cell_arg {
	struct buf *out;
	write_fn write;
	bool first;
};

struct export *export_new(struct engine *e, uint32_t run, enum item_level level, enum export_format format, uint32_t outcomes)
{
	struct run *r = run_get(e, run);
	struct export *x = r != NULL ? calloc(1, sizeof(*x)) : NULL;

	if (x != NULL) {
		*x = (struct export){.e = e, .run = run, .level = level, .format = format, .outcomes = outcomes, .turn = e->turn + 1};
		x->linked = level == LEVEL_LEAD && r->has_columns[LEVEL_COMPANY];
		x->found = r->row.finds || r->row.rows_are != level;
	}
	return x;
}

void export_free(struct export *x)
{
	free(x);
}

uint64_t export_rows(const struct export *x)
{
	return x->rows;
}

static write_fn writer(const struct export *x)
{
	return x->format == EXPORT_PLAIN ? csv_write_plain : csv_write_cell;
}

static void cell(struct buf *out, const char *text, bool first)
{
	csv_write_cell(out, text, strlen(text), first);
}

static void on_cell(void *arg, const char *name, const struct value *v)
{
	struct cell_arg *a = arg;
	struct buf text = {0};

	(void)name;
	value_write_text(&text, v);
	a->write(a->out, text.data != NULL ? text.data : "", text.len, a->first);
	a->first = false;
	buf_free(&text);
}

static void on_pair(void *arg, const char *name, const struct value *v)
{
	struct cell_arg *a = arg;

	buf_add_text(a->out, a->first ? "" : ",");
	a->first = false;
	json_write_string(a->out, name, strlen(name));
	buf_add_char(a->out, ':');
	value_write_json(a->out, v);
}

static void on_name(void *arg, const char *name, const struct value *v)
{
	(void)v;
	buf_add(arg, name, strlen(name) + 1);
}

/* One of the names, which follow each other with their NULs. */
static bool is_name(const struct buf *names, const char *name)
{
	for (size_t at = 0; at < names->len; at += strlen(names->data + at) + 1) {
		if (strcmp(names->data + at, name) == 0) {
			return true;
		}
	}
	return false;
}

/* A column of the file that is called like one of ours, such as of results that were fed in again, gets a number. */
static void write_names(const struct export *x, const struct buf *ours, const struct buf *names, struct buf *out)
{
	char other[300];

	for (size_t at = 0; at < names->len; at += strlen(names->data + at) + 1) {
		const char *name = names->data + at;

		if (is_name(ours, name)) {
			unsigned n = 2;

			do {
				(void)snprintf(other, sizeof(other), "%.280s_%u", name, n++);
			} while (is_name(names, other));
			name = other;
		}
		writer(x)(out, name, strlen(name), false);
	}
}

static void write_header(struct export *x, struct txn *t, struct buf *out)
{
	struct buf ours = {0}, names = {0};

	x->headed = true;
	if (x->format == EXPORT_JSONL) {
		return;
	}
	on_name(&ours, x->level == LEVEL_COMPANY ? "company_id" : x->format == EXPORT_REJECTS && !x->found ? "row" : "lead", NULL);
	on_name(&ours, "outcome", NULL);
	on_name(&ours, "reason", NULL);
	on_name(&ours, x->format == EXPORT_REJECTS ? "detail" : "spent", NULL);
	if (x->linked) {
		on_name(&ours, "company_id", NULL);
	}
	for (size_t at = 0; at < ours.len; at += strlen(ours.data + at) + 1) {
		cell(out, ours.data + at, at == 0);
	}
	show_columns(x->e, t, x->run, x->level, 0, x->turn, on_name, &names);
	write_names(x, &ours, &names, out);
	csv_write_end(out);
	buf_free(&ours);
	buf_free(&names);
}

/* The outcome as of the export's turn. */
static enum item_outcome outcome_then(const struct export *x, const struct item *i)
{
	return i->outcome != ITEM_OPEN && i->done_turn >= x->turn ? ITEM_OPEN : i->outcome;
}

static bool on_duplicate_of(void *arg, const struct fact *f)
{
	char *detail = arg;

	for (size_t i = 0; i < f->n_fields; i++) {
		if (f->fields[i].name_len == 12 && memcmp(f->fields[i].name, "duplicate_of", 12) == 0) {
			(void)snprintf(detail, 48, "same as row %.*s", (int)f->fields[i].value.len, f->fields[i].value.text);
		}
	}
	return true;
}

static void reject_detail(struct slice_arg *a, const struct item *i, char detail[48])
{
	detail[0] = 0;
	fact_walk(a->txn, i->run, i->number, on_duplicate_of, detail);
	if (strncmp(detail, "same as row ", 12) == 0) {
		/* the number of the lead; its row in the file is one more, the header being the first */
		unsigned long lead = strtoul(detail + 12, NULL, 10);

		(void)snprintf(detail, 48, a->x->found ? "same as lead %lu" : "same as row %lu", a->x->found ? lead : lead + 1);
	}
}

static void write_csv(struct slice_arg *a, const struct item *i, enum item_outcome o)
{
	struct cell_arg cells = {.out = a->out, .write = writer(a->x)};
	char number[16], detail[48];

	(void)snprintf(number, sizeof(number), "%u", a->x->format == EXPORT_REJECTS && !a->x->found ? i->number + 1 : i->number);
	cell(a->out, number, true);
	cell(a->out, item_outcome_word(o), false);
	cell(a->out, o == ITEM_OPEN ? "" : i->reason, false);
	if (a->x->format == EXPORT_REJECTS) {
		reject_detail(a, i, detail);
	} else {
		money_write(i->spent_micro, detail);
	}
	cell(a->out, detail, false);
	if (a->x->linked) {
		(void)snprintf(number, sizeof(number), "%u", i->parent);
		cell(a->out, i->parent != 0 && i->parent != ITEM_ROOT ? number : "", false);
	}
	show_columns(a->x->e, a->txn, i->run, i->level, i->number, a->x->turn, on_cell, &cells);
	csv_write_end(a->out);
}

static void write_jsonl(struct slice_arg *a, const struct item *i, enum item_outcome o)
{
	struct cell_arg pairs = {.out = a->out, .first = true};

	buf_printf(a->out, "{\"lead\":%u,\"row\":", i->number);
	buf_printf(a->out, a->x->found ? "null" : "%u", i->number + 1);
	buf_printf(a->out, ",\"outcome\":\"%s\",\"reason\":", item_outcome_word(o));
	if (o == ITEM_OPEN || i->reason[0] == 0) {
		buf_add_text(a->out, "null");
	} else {
		json_write_string(a->out, i->reason, strlen(i->reason));
	}
	buf_printf(a->out, ",\"spent_micro\":%lld,", (long long)i->spent_micro);
	if (a->x->linked) {
		buf_printf(a->out, "\"company_id\":%u,", i->parent);
	}
	buf_add_text(a->out, "\"fields\":{");
	show_columns(a->x->e, a->txn, i->run, i->level, i->number, a->x->turn, on_pair, &pairs);
	buf_add_text(a->out, "}}\n");
}

static bool wanted(const struct export *x, enum item_outcome o)
{
	if (x->format == EXPORT_REJECTS) {
		return o == ITEM_REJECTED || o == ITEM_DUPLICATE || o == ITEM_SUPPRESSED;
	}
	return x->outcomes == 0 || (x->outcomes >> o & 1) != 0;
}

static bool on_item(void *arg, struct slice key, struct slice value)
{
	struct slice_arg *a = arg;
	struct item i;
	enum item_outcome o;

	if (a->left == 0) {
		a->more = true;
		return false;
	}
	a->left--;
	if (!item_decode(key, value, &i)) {
		return true;
	}
	a->last = i.number;
	o = outcome_then(a->x, &i);
	if (i.level == a->x->level && wanted(a->x, o)) {
		a->x->rows++;
		if (a->x->format == EXPORT_JSONL) {
			write_jsonl(a, &i, o);
		} else {
			write_csv(a, &i, o);
		}
	}
	return true;
}

bool export_next(struct export *x, unsigned rows, struct buf *out, struct lead_error *err)
{
	struct slice_arg a = {.x = x, .out = out, .left = rows, .last = x->cursor};

	if (txn_begin(x->e->store, false, &a.txn, err) != 0) {
		return false;
	}
	if (!x->headed) {
		write_header(x, a.txn, out);
	}
	txn_walk(a.txn, TABLE_STATE, item_key(x->run, x->cursor + 1), run_prefix(x->run), on_item, &a);
	x->cursor = a.last;
	txn_abort(a.txn);
	return a.more;
}

bool run_has_companies(struct engine *e, uint32_t run)
{
	struct run *r = run_get(e, run);

	return r != NULL && r->has_columns[LEVEL_COMPANY];
}
