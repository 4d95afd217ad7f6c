/*
 * lib/sim/supabase.c: PostgREST over one table of companies: select, insert, upsert, update,
 * delete.
 *
 * So many companies of every state and software were there before anybody came (firms.h); those are
 * seen only through filters on both. Rows that clients put there come behind them.
 */
#include "lib/sim/firms.h"
#include "lib/sim/kept.h"
#include "lib/sim/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

#include "lib/base/json.h"
#include "lib/base/text.h"

#define ROWS_MAX 1000 /* of one answer, as the project is set */

static const char *const column_words[] = {"name", "domain", "city", "state", "pms"};
#define COLUMNS (sizeof(column_words) / sizeof(column_words[0]))

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

/* --- filters --- */

/* `eq.TEXT` of each column; NULL: no filter on it. */
struct filters {
	const char *eq[COLUMNS];
};

static bool filters_read(struct ask *q, struct filters *ret)
{
	*ret = (struct filters){0};
	for (size_t i = 0; i < COLUMNS; i++) {
		struct value v = ask_query(q, column_words[i]);

		if (v.kind != VALUE_STRING) {
			continue;
		}
		if (v.len < 3 || strncmp(v.text, "eq.", 3) != 0) {
			ask_bad(q, 400, "PGRST100", "failed to parse filter (%.60s)", v.text);
			return false;
		}
		ret->eq[i] = v.text + 3;
	}
	return true;
}

static bool filters_match(const struct filters *f, const struct row *r)
{
	const char *have[COLUMNS] = {r->name, r->domain, r->city, r->state, r->pms};

	for (size_t i = 0; i < COLUMNS; i++) {
		if (f->eq[i] != NULL && (have[i] == NULL || strcmp(have[i], f->eq[i]) != 0)) {
			return false;
		}
	}
	return true;
}

/* --- select --- */

struct page {
	uint64_t offset, limit, seen, shown; /* seen: rows that matched so far */
};

static void add_row(struct ask *q, struct page *page, uint64_t id, const struct row *r)
{
	const char *texts[COLUMNS] = {r->name, r->domain, r->city, r->state, r->pms};
	struct value wanted = ask_query(q, "select");
	bool all = wanted.kind != VALUE_STRING || memchr(wanted.text, '*', wanted.len) != NULL,
	     first = true;

	if (page->seen++ < page->offset || page->shown == page->limit) {
		return;
	}
	buf_add_text(q->body, page->shown++ > 0 ? ",{" : "{");
	if (all) {
		buf_printf(q->body, "\"id\":%" PRIu64, id);
		first = false;
	}
	for (size_t i = 0; i < COLUMNS; i++) {
		const char *at =
		    all ? ""
			: memmem(wanted.text, wanted.len, column_words[i], strlen(column_words[i]));

		if (at == NULL) {
			continue;
		}
		buf_printf(q->body, "%s\"%s\":", first ? "" : ",", column_words[i]);
		json_add(q->body, texts[i]);
		first = false;
	}
	buf_add_char(q->body, '}');
}

/* Those that were there before anybody came. */
static void add_first_rows(struct ask *q, const struct filters *f, struct page *page)
{
	const struct region region = {.state = f->eq[3], .pms = f->eq[4], .city = f->eq[2]};
	struct firm firm;

	if (region.state == NULL || region.pms == NULL) {
		return;
	}
	for (unsigned i = 0; i < q->s->supabase_rows; i++) {
		struct row row;

		if (!firm_at(q->s->seed, &region, i, FIRM_GOOD, &firm)) {
			continue;
		}
		row = (struct row){firm.name, firm.domain, firm.city, region.state, region.pms};
		if (kept_row_of(q->kept, firm.domain) == NULL && filters_match(f, &row)) {
			add_row(q, page, i + 1, &row);
		}
	}
}

/* False: not a number. */
static bool read_page(struct ask *q, struct page *ret)
{
	struct value limit = ask_query(q, "limit"), offset = ask_query(q, "offset");
	int64_t n = ROWS_MAX, at = 0;

	if ((limit.kind == VALUE_STRING && (!value_to_int(&limit, &n) || n < 0)) ||
	    (offset.kind == VALUE_STRING && (!value_to_int(&offset, &at) || at < 0))) {
		return false;
	}
	*ret =
	    (struct page){.offset = (uint64_t)at, .limit = (uint64_t)(n < ROWS_MAX ? n : ROWS_MAX)};
	return true;
}

static void select_rows(struct ask *q, struct world_plan *p)
{
	const char *prefer = ask_header(q, "Prefer");
	bool count = prefer != NULL && strstr(prefer, "count=") != NULL;
	struct filters f;
	struct page page;
	const char *total;

	if (!read_page(q, &page)) {
		error(q, p, 400, "PGRST100", "limit and offset are numbers");
		return;
	}
	if (!filters_read(q, &f)) {
		error(q, p, q->bad_status, q->bad_field, q->bad);
		return;
	}
	buf_add_char(q->body, '[');
	add_first_rows(q, &f, &page);
	for (size_t i = 0; i < q->kept->n_rows; i++) {
		if (filters_match(&f, &q->kept->rows[i])) {
			add_row(q, &page, 1000000 + i, &q->kept->rows[i]);
		}
	}
	buf_add_char(q->body, ']');
	total = count ? arena_printf(q->a, "%" PRIu64, page.seen) : "*";
	if (count && page.offset > page.seen) {
		buf_reset(q->body);
		plan_header(p, "Content-Range", arena_printf(q->a, "*/%s", total));
		error(q, p, 416, "PGRST103", "Requested range not satisfiable");
		return;
	}
	plan_json(p, count && page.shown < page.seen ? 206 : 200);
	plan_header(p, "Content-Range",
	    page.shown > 0 ? arena_printf(q->a, "%" PRIu64 "-%" PRIu64 "/%s", page.offset,
				 page.offset + page.shown - 1, total)
			   : arena_printf(q->a, "*/%s", total));
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
		select_rows(q, p);
	} else { /* rows are not changed or taken away here */
		error(q, p, 403, "42501", "permission denied for table companies");
	}
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
