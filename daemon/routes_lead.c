/* Leads of a run over the API. See routes.h. */
#include "daemon/routes.h"
#include "lib/engine/show/show.h"

#include <string.h>

/* No stage is asked for, or one that the run has; else a 400 that lists them. */
static bool stage_known(struct leadd *l, struct http_request *r, uint32_t run, const char *stage)
{
	const struct run_row *row = show_run_row(l->engine, run);
	struct buf known = {0};

	if (row == NULL || stage == NULL) {
		return true;
	}
	for (size_t i = 0; i < row->n_stages; i++) {
		if (strcmp(row->stages[i].name, stage) == 0) {
			buf_free(&known);
			return true;
		}
		buf_printf(&known, "%s%s", i > 0 ? ", " : "", row->stages[i].name);
	}
	http_reply_problem(r, 400, "bad-stage", "'stage': run %u has no stage '%.60s', only %s", run, stage, known.len > 0 ? known.data : "");
	buf_free(&known);
	return false;
}

static bool level_of(struct http_request *r, enum item_level *ret)
{
	const char *level = http_query(r, "level");

	*ret = LEVEL_LEAD;
	while (level != NULL && *ret < LEVELS && strcmp(level, item_level_word(*ret)) != 0) {
		++*ret;
	}
	if (*ret == LEVELS) {
		http_reply_problem(r, 400, "bad-level", "'level' is one of lead, company, run; not '%.40s'", level);
	}
	return *ret < LEVELS;
}

void get_leads(void *app, struct http_request *r)
{
	struct leadd *l = app;
	struct lead_filter f = {.stage = http_query(r, "stage")};
	uint64_t run = 0, limit, after = 0;
	struct txn *t;

	if (!level_of(r, &f.level)) {
		return;
	}
	if (!http_param_uint(r, "run", 1, UINT32_MAX, &run) || !outcome_bits(r, http_query(r, "outcome"), &f.outcomes) || !list_limit(r, &limit) ||
	    !http_query_uint(r, "cursor", 1, UINT32_MAX, &after) || (t = read_begin(l, r)) == NULL) {
		return;
	}
	f.limit = (unsigned)limit;
	f.after = (uint32_t)after;
	if (!stage_known(l, r, (uint32_t)run, f.stage)) {
		txn_abort(t);
		return;
	}
	reply_or_missing(r, show_leads(l->engine, t, (uint32_t)run, &f), "run");
	txn_abort(t);
}

void get_lead(void *app, struct http_request *r)
{
	struct leadd *l = app;
	uint64_t run = 0, lead = 0;
	struct txn *t;

	if (!lead_params(r, &run, &lead) || (t = read_begin(l, r)) == NULL) {
		return;
	}
	reply_or_missing(r, show_lead(l->engine, t, (uint32_t)run, (uint32_t)lead), "lead");
	txn_abort(t);
}
