/*
 * lib/sim/supabase.c: PostgREST over one table of companies: select, insert, upsert, update,
 * delete. What is selected: supabase_filter.c.
 *
 * So many companies of every state and software were there before anybody came (firms.h); those are
 * seen only through filters on both that name them (`eq`, `in`). Rows that clients put there come behind them.
 */
#include "lib/sim/supabase.h"

#include "lib/sim/firms.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

#include "lib/base/json.h"
#include "lib/base/text.h"

#define ROWS_MAX 1000 /* of one answer, as the project is set */

#define ROWS_ID 1000000000 /* of the first that a client put there */
#define PLACES 16          /* states, and softwares, of one filter */
#define COLUMNS COLUMN_ID  /* that a client may write */

static enum world_endpoint route(const char *method, const char *path)
{
	static const struct {
		const char *method;
		enum world_endpoint ep;
	} methods[] = {{"GET", EP_SELECT_ROWS}, {"POST", EP_INSERT_ROWS}, {"PATCH", EP_UPDATE_ROWS},
	    {"DELETE", EP_DELETE_ROWS}};

	if (strncmp(path, "/rest/v1/", 9) != 0 || path[9] == '\0' ||
	    strchr(path + 9, '/') != NULL) {
		return EP_N;
	}
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (strcmp(method, methods[i].method) == 0) {
			return methods[i].ep;
		}
	}
	return EP_N;
}

/* apikey always; a key that is a JWT wants the Bearer, too, and one that begins with sb_ none. */
static const char *credential(struct ask *q)
{
	const char *key = ask_header(q, "apikey"), *bearer = ask_bearer(q);

	if (key == NULL || (strncmp(key, "eyJ", 3) == 0 && bearer == NULL) ||
	    (strncmp(key, "sb_", 3) == 0 && bearer != NULL)) {
		return NULL;
	}
	return key;
}

static void error(
    struct ask *q, struct world_plan *p, int status, const char *code, const char *message)
{
	plan_json(p, status);
	buf_add_text(q->body, "{\"code\":");
	json_add(q->body, code);
	buf_add_text(q->body, ",\"details\":null,\"hint\":null,\"message\":");
	json_add(q->body, message);
	buf_add_char(q->body, '}');
}

static int read(struct ask *q)
{
	int rc = ask_means(q, true);

	if (rc != 0) {
		return rc;
	}
	if (q->endpoint != EP_INSERT_ROWS && q->endpoint != EP_UPDATE_ROWS) {
		return 0;
	}
	rc = json_parse(q->r->body != NULL ? q->r->body : "", q->r->body_len, &q->tree, NULL);
	if (rc == LEAD_ENOMEM) {
		return rc;
	}
	if (rc != 0 || !(json_object_is_type(q->tree, json_type_object) ||
			   json_object_is_type(q->tree, json_type_array))) {
		ask_bad(q, 400, "PGRST102", "Empty or invalid json");
	}
	return 0;
}

/* --- select --- */

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
		error(q, p, 406, "PGRST116", "JSON object requested, multiple (or no) rows returned");
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
		error(q, p, 416, "PGRST103", "Requested range not satisfiable");
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

static int select_rows(struct ask *q, struct world_plan *p)
{
	const char *accept = ask_header(q, "Accept");
	struct selection selection;
	struct filter *filter;
	struct found f = {0};
	struct page page;

	if (!read_page(q, &page)) {
		error(q, p, 400, "PGRST100", "limit, offset and Range are numbers");
		return 0;
	}
	if (!filter_read(q, &filter) || !selection_read(q, &selection)) {
		error(q, p, q->bad_status, q->bad_field, q->bad);
		return 0;
	}
	if (take_all(q, &f, filter) != 0) {
		return LEAD_ENOMEM;
	}
	if (!rows_order(q, f.rows, f.n)) {
		error(q, p, q->bad_status, q->bad_field, q->bad);
	} else if (accept != NULL && strstr(accept, "vnd.pgrst.object") != NULL) {
		one_row(q, p, &selection, &f);
	} else {
		write_page(q, p, &selection, &f, &page);
	}
	return 0;
}

/* --- insert --- */

static bool read_row(struct ask *q, struct json_object *o, struct row *ret)
{
	const char *texts[COLUMNS] = {0};

	if (!json_object_is_type(o, json_type_object)) {
		ask_bad(q, 400, "PGRST102", "All object keys must match");
		return false;
	}
	json_object_object_foreach(o, key, value)
	{
		size_t i = 0;

		while (i < COLUMNS && strcmp(column_words[i], key) != 0) {
			i++;
		}
		if (i == COLUMNS) {
			ask_bad(q, 400, "PGRST204",
			    "Could not find the '%.60s' column of 'companies' in the schema cache",
			    key);
			return false;
		}
		texts[i] = value != NULL ? json_object_get_string(value) : NULL;
	}
	*ret = (struct row){texts[0], texts[1], texts[2], texts[3], texts[4]};
	if (ret->domain == NULL) {
		ask_bad(q, 400, "23502",
		    "null value in column \"domain\" violates not-null constraint");
	}
	return q->bad == NULL;
}

/* Whether the domain stands in the table, be it from the beginning. */
static bool is_there(struct ask *q, const struct row *r)
{
	const struct region region = {.state = r->state, .pms = r->pms};
	struct firm firm;

	for (unsigned i = 0; r->state != NULL && r->pms != NULL && i < q->s->supabase_rows; i++) {
		if (firm_at(q->s->seed, &region, i, FIRM_GOOD, &firm) &&
		    strcmp(firm.domain, r->domain) == 0) {
			return true;
		}
	}
	return kept_row_of(q->kept, r->domain) != NULL;
}

/* One statement: all of the rows, or none. */
static int insert_rows(struct ask *q, struct world_plan *p)
{
	const char *prefer = ask_header(q, "Prefer");
	bool many = json_object_is_type(q->tree, json_type_array),
	     merge = prefer != NULL && strstr(prefer, "merge-duplicates") != NULL,
	     skip = prefer != NULL && strstr(prefer, "ignore-duplicates") != NULL, there;
	size_t n = many ? json_object_array_length(q->tree) : 1;
	struct row *rows = arena_alloc(q->a, (n + 1) * sizeof(*rows));
	int rc = 0;

	q->ledger = true;
	q->items = arena_zalloc(q->a, (n + 1) * sizeof(*q->items));
	if (rows == NULL || q->items == NULL) {
		return LEAD_ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		if (!read_row(
			q, many ? json_object_array_get_idx(q->tree, i) : q->tree, &rows[i])) {
			error(q, p, q->bad_status, q->bad_field, q->bad);
			return 0;
		}
		if (!merge && !skip && is_there(q, &rows[i])) {
			q->outcome = ACCOUNT_DUPLICATE;
			error(q, p, 409, "23505",
			    "duplicate key value violates unique constraint "
			    "\"companies_domain_key\"");
			return 0;
		}
		q->items[i].meaning = ask_meaning(q, rows[i].domain, strlen(rows[i].domain));
	}
	q->n_items = n;
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = kept_row(q->kept, &rows[i], merge, &there);
	}
	p->status = 201;
	if (merge || skip) {
		plan_header(p, "Preference-Applied",
		    merge ? "resolution=merge-duplicates" : "resolution=ignore-duplicates");
	}
	return rc;
}

static int answer(struct ask *q, struct world_plan *p)
{
	if (strcmp(q->path + 9, "companies") != 0) {
		error(q, p, 404, "PGRST205",
		    arena_printf(q->a,
			"Could not find the table 'public.%.60s' in the schema cache",
			q->path + 9));
		return 0;
	}
	if (q->endpoint == EP_INSERT_ROWS) {
		return insert_rows(q, p);
	}
	if (q->endpoint == EP_SELECT_ROWS) {
		return select_rows(q, p);
	}
	error(q, p, 403, "42501", "permission denied for table companies"); /* rows are not changed or taken away here */
	return 0;
}

static void refuse(
    struct ask *q, enum refusal why, bool tokens, int64_t wait_us, struct world_plan *p)
{
	static const struct {
		int status;
		const char *code, *message;
	} failures[] = {{500, "40001", "could not serialize access"},
	    {500, "57014", "canceling statement due to statement timeout"},
	    {504, "PGRST003", "Timed out acquiring connection from connection pool."}},
	  forms[] = {
	      [REFUSAL_PATH] = {404, "PGRST125", "Invalid path specified in request URL"},
	      [REFUSAL_AUTH] = {401, NULL, "Invalid API key"},
	      [REFUSAL_THROTTLE] = {429, NULL, "Too many requests"},
	      [REFUSAL_SLOW_DOWN] = {503, "53300", "sorry, too many clients already"},
	      [REFUSAL_QUOTA] = {402, NULL, "Service for this project is restricted"},
	      [REFUSAL_BILLING] = {402, NULL, "Service for this project is restricted"},
	      [REFUSAL_OVERLOAD] = {503, "PGRST002", "Could not query the database"},
	      [REFUSAL_200] = {200, "XX000", "internal error"},
	  };
	uint64_t roll = ask_roll(q, "failure") % 3;

	(void)tokens;
	if (why == REFUSAL_BAD) {
		error(q, p, q->bad_status, q->bad_field, q->bad);
	} else if (why == REFUSAL_500) {
		error(q, p, failures[roll].status, failures[roll].code, failures[roll].message);
	} else {
		error(q, p, forms[why].status, forms[why].code, forms[why].message);
	}
	plan_retry_after(q, p, wait_us);
}

const struct model model_supabase = {.host = "supabase.co",
    .route = route,
    .credential = credential,
    .read = read,
    .answer = answer,
    .refuse = refuse};
