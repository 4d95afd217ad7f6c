/*
 * lib/sim/supabase.c: PostgREST over one table of companies: select, insert, upsert, update,
 * delete. What is selected: supabase_select.c.
 *
 * So many companies of every state and software were there before anybody came (firms.h); those are
 * seen only through filters on both that name them (`eq`, `in`). Rows that clients put there come behind them.
 */
#include "lib/sim/supabase.h"

#include "lib/sim/firms.h"

#include <string.h>

#include <json-c/json.h>

#include "lib/base/json.h"

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

void supabase_error(
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
			supabase_error(q, p, q->bad_status, q->bad_field, q->bad);
			return 0;
		}
		if (!merge && !skip && is_there(q, &rows[i])) {
			q->outcome = ACCOUNT_DUPLICATE;
			supabase_error(q, p, 409, "23505",
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
		supabase_error(q, p, 404, "PGRST205",
		    arena_printf(q->a,
			"Could not find the table 'public.%.60s' in the schema cache",
			q->path + 9));
		return 0;
	}
	if (q->endpoint == EP_INSERT_ROWS) {
		return insert_rows(q, p);
	}
	if (q->endpoint == EP_SELECT_ROWS) {
		return supabase_select(q, p);
	}
	supabase_error(q, p, 403, "42501", "permission denied for table companies"); /* rows are not changed or taken away here */
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
		supabase_error(q, p, q->bad_status, q->bad_field, q->bad);
	} else if (why == REFUSAL_500) {
		supabase_error(q, p, failures[roll].status, failures[roll].code, failures[roll].message);
	} else {
		supabase_error(q, p, forms[why].status, forms[why].code, forms[why].message);
	}
	plan_retry_after(q, p, wait_us);
}

const struct model model_supabase = {.host = "supabase.co",
    .route = route,
    .credential = credential,
    .read = read,
    .answer = answer,
    .refuse = refuse};
