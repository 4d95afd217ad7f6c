/*
 * lib/sim/supabase_select.c: rows as PostgREST shows them: those that were there from the beginning, as far as the filters name their
 * state and software, then those that clients put there; ordered, in pages.
 */
#include "lib/sim/supabase.h"

#include "lib/sim/firms.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/json.h"

#define ROWS_MAX 1000 /* of one answer, as the project is set */
#define ROWS_ID 1000000000 /* of the first that a client put there */
#define PLACES 16          /* states, and softwares, of one filter */

struct page {
	uint64_t offset, limit;
};

struct found {
	struct seen_row *rows;
	size_t n, cap;
};

/* LEAD_ENOMEM. */
static int take(struct ask *q, struct found *f, const struct filter *filter, const struct seen_row *r)
{
	if (!filter_match(filter, r)) {
		return 0;
	}
	if (f->n == f->cap) {
		size_t cap = f->cap * 2 + 256;
		struct seen_row *rows = arena_alloc(q->a, cap * sizeof(*rows));

		if (rows == NULL) {
			return LEAD_ENOMEM;
		}
		if (f->n > 0) {
			memcpy(rows, f->rows, f->n * sizeof(*rows));
		}
		f->rows = rows;
		f->cap = cap;
	}
	f->rows[f->n++] = *r;
	return 0;
}

static const char *kept_text(struct ask *q, const char *text)
{
	return arena_dup(q->a, text, strlen(text));
}

/* Those of one state and software that were there before anybody came. */
static int take_region(struct ask *q, struct found *f, const struct filter *filter, const struct region *region)
{
	uint64_t first = 1 + firm_draw(0, region->state, region->pms, 0) % 9000 * 100000;
	struct firm firm;

	for (unsigned i = 0; i < q->s->supabase_rows; i++) {
		struct seen_row r = {.id = first + i};

		if (!firm_at(q->s->seed, region, i, FIRM_GOOD, &firm) || kept_row_of(q->kept, firm.domain) != NULL) {
			continue;
		}
		r.row = (struct row){kept_text(q, firm.name), kept_text(q, firm.domain), kept_text(q, firm.city), region->state, region->pms};
		if (r.row.name == NULL || r.row.domain == NULL || r.row.city == NULL || take(q, f, filter, &r) != 0) {
			return LEAD_ENOMEM;
		}
	}
	return 0;
}

static int take_all(struct ask *q, struct found *f, const struct filter *filter)
{
	const char *states[PLACES], *softwares[PLACES], *cities[2];
	size_t n_states = filter_values(filter, COLUMN_STATE, states, PLACES), n_softwares = filter_values(filter, COLUMN_PMS, softwares, PLACES);
	bool one_city = filter_values(filter, COLUMN_CITY, cities, 2) == 1;
	int rc = 0;

	for (size_t i = 0; i < n_states && rc == 0; i++) {
		for (size_t k = 0; k < n_softwares && rc == 0; k++) {
			rc = take_region(q, f, filter, &(struct region){states[i], softwares[k], one_city ? cities[0] : NULL});
		}
	}
	for (size_t i = 0; i < q->kept->n_rows && rc == 0; i++) {
		rc = take(q, f, filter, &(struct seen_row){ROWS_ID + i, q->kept->rows[i]});
	}
	return rc;
}

/* `limit` and `offset`, and of them what the header `Range: 0-24` leaves. False: no numbers. */
static bool read_page(struct ask *q, struct page *ret)
{
	struct value limit = ask_query(q, "limit"), offset = ask_query(q, "offset");
	const char *range = ask_header(q, "Range");
	int64_t n = ROWS_MAX, at = 0;
	char *end;

	if ((limit.kind == VALUE_STRING && (!value_to_int(&limit, &n) || n < 0)) ||
	    (offset.kind == VALUE_STRING && (!value_to_int(&offset, &at) || at < 0))) {
		return false;
	}
	if (range != NULL) {
		int64_t from = strtoll(range, &end, 10), to = end[0] == '-' && end[1] != '\0' ? strtoll(end + 1, NULL, 10) : INT32_MAX;
		int64_t last = at + n - 1 < to ? at + n - 1 : to;

		if (end == range || from < 0 || to < from) {
			return false;
		}
		at = from > at ? from : at;
		n = last >= at ? last - at + 1 : 0;
	}
	*ret = (struct page){.offset = (uint64_t)at, .limit = (uint64_t)(n < ROWS_MAX ? n : ROWS_MAX)};
	return true;
}

static void add_row(struct ask *q, const struct selection *s, const struct seen_row *r)
{
	const char *const texts[] = {r->row.name, r->row.domain, r->row.city, r->row.state, r->row.pms};

	for (size_t i = 0; i < s->n; i++) {
		buf_add_char(q->body, i > 0 ? ',' : '{');
		json_add(q->body, s->list[i].as);
		buf_add_char(q->body, ':');
		if (s->list[i].column == COLUMN_ID) {
			buf_printf(q->body, "%" PRIu64, r->id);
		} else {
			json_add(q->body, texts[s->list[i].column]);
		}
	}
	buf_add_char(q->body, '}');
}

/* `Accept: application/vnd.pgrst.object+json`: the one row there is, or none of them. */
static void one_row(struct ask *q, struct world_plan *p, const struct selection *s, const struct found *f)
{
	if (f->n != 1) {
		supabase_error(q, p, 406, "PGRST116", "JSON object requested, multiple (or no) rows returned");
		return;
	}
	add_row(q, s, &f->rows[0]);
	plan_json(p, 200);
	plan_header(p, "Content-Range", "0-0/*");
}

static void write_page(struct ask *q, struct world_plan *p, const struct selection *s, const struct found *f, const struct page *page)
{
	const char *prefer = ask_header(q, "Prefer");
	bool count = prefer != NULL && strstr(prefer, "count=") != NULL;
	const char *total = count ? arena_printf(q->a, "%zu", f->n) : "*";
	size_t shown = f->n > page->offset ? f->n - (size_t)page->offset : 0;

	shown = shown < page->limit ? shown : (size_t)page->limit;
	if (count && page->offset > f->n) {
		plan_header(p, "Content-Range", arena_printf(q->a, "*/%s", total));
		supabase_error(q, p, 416, "PGRST103", "Requested range not satisfiable");
		return;
	}
	buf_add_char(q->body, '[');
	for (size_t i = 0; i < shown; i++) {
		buf_add_text(q->body, i > 0 ? "," : "");
		add_row(q, s, &f->rows[page->offset + i]);
	}
	buf_add_char(q->body, ']');
	plan_json(p, count && shown < f->n ? 206 : 200);
	plan_header(p, "Content-Range",
	    shown > 0 ? arena_printf(q->a, "%" PRIu64 "-%" PRIu64 "/%s", page->offset, page->offset + shown - 1, total) : arena_printf(q->a, "*/%s", total));
}

int supabase_select(struct ask *q, struct world_plan *p)
{
	const char *accept = ask_header(q, "Accept");
	struct selection selection;
	struct filter *filter;
	struct found f = {0};
	struct page page;

	if (!read_page(q, &page)) {
		supabase_error(q, p, 400, "PGRST100", "limit, offset and Range are numbers");
		return 0;
	}
	if (!filter_read(q, &filter) || !selection_read(q, &selection)) {
		supabase_error(q, p, q->bad_status, q->bad_field, q->bad);
		return 0;
	}
	if (take_all(q, &f, filter) != 0) {
		return LEAD_ENOMEM;
	}
	if (!rows_order(q, f.rows, f.n)) {
		supabase_error(q, p, q->bad_status, q->bad_field, q->bad);
	} else if (accept != NULL && strstr(accept, "vnd.pgrst.object") != NULL) {
		one_row(q, p, &selection, &f);
	} else {
		write_page(q, p, &selection, &f, &page);
	}
	return 0;
}
