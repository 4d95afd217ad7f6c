/*
 * A run is started: POST /v1/runs, from its body to a row of its own. A workbook is read first. See routes.h.
 */
#include "daemon/routes.h"
#include "daemon/workbook.h"
#include "lib/base/ids.h"
#include "lib/base/json.h"
#include "lib/engine/item/params.h"
#include "lib/table/csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_started(struct leadd *l, struct http_request *r, struct command *c)
{
	if (c->rc == COMMAND_WRONG_STATE) {
		http_reply_problem(r, 422, "idempotency-mismatch", "%s", c->err.text);
	} else if (c->rc != 0) {
		command_problem(r, c);
	} else {
		reply_run(l, r, 201, (uint32_t)c->count);
	}
}

static int start_map(struct json_object *body, struct run_row *row, struct lead_error *err)
{
	struct json_object *list = NULL;
	size_t len = 0;
	int rc = json_get_array(body, "map", "the run", &list, err);

	for (size_t i = 0; rc == 0 && list != NULL && i < json_object_array_length(list); i++) {
		struct json_object *v = json_object_array_get_idx(list, i);
		const char *text = json_object_is_type(v, json_type_string) ? json_object_get_string(v) : NULL;
		int n;

		if (text == NULL || strchr(text, '=') == NULL || strchr(text, '\n') != NULL) {
			return lead_fail(err, LEAD_EINPUT, "the run: 'map' is a list of \"field=Header\"");
		}
		n = snprintf(row->map + len, sizeof(row->map) - len, "%s\n", text);
		if (n < 0 || (size_t)n >= sizeof(row->map) - len) {
			return lead_fail(err, LEAD_EINPUT, "the run: 'map' is longer than %zu bytes", sizeof(row->map));
		}
		len += (size_t)n;
	}
	return rc < 0 ? rc : 0;
}

static int start_table(struct json_object *body, struct run_row *row, struct lead_error *err)
{
	const char *encoding = NULL, *delimiter = NULL;
	enum csv_encoding e;

	row->encoding = 255;
	if (json_get_string(body, "encoding", "the run", &encoding, err) < 0 || json_get_string(body, "delimiter", "the run", &delimiter, err) < 0) {
		return LEAD_EINPUT;
	}
	if (encoding != NULL) {
		if (!csv_encoding_parse(encoding, &e)) {
			return lead_fail(err, LEAD_EINPUT, "the run: 'encoding' is one of utf-8, utf-8-bom, utf-16le, utf-16be, windows-1252, latin1, mixed");
		}
		row->encoding = (uint8_t)e;
	}
	if (delimiter != NULL) {
		const char *text = strcmp(delimiter, "tab") == 0 ? "\t" : delimiter;

		if (strlen(text) != 1 || strchr(",;\t|", text[0]) == NULL) {
			return lead_fail(err, LEAD_EINPUT, "the run: 'delimiter' is one of , ; | tab");
		}
		row->delimiter = text[0];
	}
	return start_map(body, row, err);
}

static int start_texts(const struct config *c, struct json_object *body, struct run_row *row, struct lead_error *err)
{
	const char *campaign = NULL, *upload = NULL, *source = "";

	if (json_get_string(body, "campaign", "the run", &campaign, err) < 0 || json_get_string(body, "upload", "the run", &upload, err) < 0 ||
	    json_get_string(body, "source", "the run", &source, err) < 0) {
		return LEAD_EINPUT;
	}
	if (campaign == NULL) {
		return lead_fail(err, LEAD_EINPUT, "the run needs 'campaign'");
	}
	if (config_campaign(c, campaign) == NULL) {
		struct buf known = {0};

		for (size_t i = 0; i < c->n_campaigns; i++) {
			buf_printf(&known, "%s%s", i > 0 ? ", " : "", c->campaigns[i].name);
		}
		(void)lead_fail(err, LEAD_EINPUT, "there is no campaign '%.80s'; there %s: %.200s", campaign, c->n_campaigns == 1 ? "is" : "are",
		    known.len > 0 ? known.data : "none");
		buf_free(&known);
		return LEAD_EINPUT;
	}
	(void)snprintf(row->campaign, sizeof(row->campaign), "%s", campaign);
	(void)snprintf(row->upload, sizeof(row->upload), "%s", upload != NULL ? upload : "");
	(void)snprintf(row->source, sizeof(row->source), "%s", upload != NULL ? source : "found");
	row->finds = upload == NULL;
	return 0;
}

/* Without a file the pipeline must find its leads itself; `params` and `quantity` are for that. */
static int start_search(const struct config *c, struct json_object *body, struct run_row *row, struct lead_error *err)
{
	const struct pipeline *p = config_campaign(c, row->campaign)->pipeline;
	struct json_object *params = NULL;
	int64_t quantity = 0;

	if (json_get_object(body, "params", "the run", &params, err) < 0 ||
	    json_get_int(body, "quantity", "the run", 1, UINT32_MAX / 2, &quantity, err) < 0) {
		return LEAD_EINPUT;
	}
	if (row->finds && !pipeline_finds(p)) {
		return lead_fail(err, LEAD_EINPUT, "the run needs 'upload': pipeline %s has no stage that finds leads", p->name);
	}
	if (!row->finds && quantity > 0) {
		return lead_fail(err, LEAD_EINPUT, "'quantity' is for a run without a file; the first rows of one are taken by 'limit'");
	}
	row->quantity = (uint64_t)quantity;
	return params_set(p, params, row, err);
}

int read_by(struct json_object *body, const char *what, int64_t *ret, struct lead_error *err)
{
	const char *text = NULL;
	int64_t at;

	if (json_get_string(body, "by", what, &text, err) < 0) {
		return LEAD_EINPUT;
	}
	if (text == NULL) {
		return 0;
	}
	if (!time_parse_rfc3339(text, &at)) {
		return lead_fail(err, LEAD_EINPUT, "%s: 'by' is a time such as 2026-11-28T07:00:00+01:00, not '%.40s'", what, text);
	}
	if (at <= clock_now().wall_us) {
		return lead_fail(err, LEAD_EINPUT, "%s: 'by' (%.40s) is over", what, text);
	}
	*ret = at;
	return 0;
}

static int start_numbers(struct json_object *body, struct run_row *row, struct lead_error *err)
{
	int64_t budget = -1, priority = 100, share = 1, limit = 0, sample = 0;
	bool paused = false;

	if (json_get_int(body, "budget_micro", "the run", 0, INT64_MAX, &budget, err) < 0 ||
	    json_get_int(body, "priority", "the run", 0, 255, &priority, err) < 0 ||
	    json_get_int(body, "share", "the run", 1, 1000, &share, err) < 0 ||
	    json_get_int(body, "sample", "the run", 1, UINT32_MAX, &sample, err) < 0 ||
	    json_get_bool(body, "preview", "the run", &row->preview, err) < 0 ||
	    json_get_int(body, "limit", "the run", 1, UINT32_MAX, &limit, err) < 0 || json_get_bool(body, "paused", "the run", &paused, err) < 0 ||
	    read_by(body, "the run", &row->by_us, err) < 0) {
		return LEAD_EINPUT;
	}
	row->budget_micro = budget;
	row->priority = (uint8_t)priority;
	row->share = (uint32_t)share;
	row->max_rows = (uint64_t)limit;
	row->sample = (uint32_t)sample;
	row->state = paused ? RUN_PAUSED : RUN_RUNNING;
	return 0;
}

int run_body(const struct config *c, struct json_object *body, struct run_row *ret, struct lead_error *err)
{
	int rc = start_texts(c, body, ret, err);

	rc = rc == 0 ? start_search(c, body, ret, err) : rc;
	rc = rc == 0 ? start_table(body, ret, err) : rc;
	return rc == 0 ? start_numbers(body, ret, err) : rc;
}

static bool is_printable(const char *text)
{
	while (*text >= ' ' && *text <= '~') {
		text++;
	}
	return *text == 0;
}

static void start_drop(struct command *c)
{
	run_row_fini(&c->start);
	free(c);
}

struct starting {
	struct leadd *l;
	struct http_request *r;
	struct command *c;
};

static void on_text(void *arg, enum upload_kind kind)
{
	struct starting *s = arg;

	if (kind == UPLOAD_LOST) {
		start_drop(s->c);
	} else {
		if (kind == UPLOAD_BOOK) {
			s->c->start.encoding = CSV_UTF8;
			s->c->start.delimiter = ',';
		}
		command_send(s->l, s->c, s->r, on_started);
	}
	free(s);
}

/* At once, or when a workbook has been read. */
static void start_when_text(struct leadd *l, struct http_request *r, struct command *c, const char *sheet)
{
	struct starting *s = malloc(sizeof(*s));

	if (s == NULL) {
		abort();
	}
	*s = (struct starting){l, r, c};
	if (c->start.source[0] == 0) {
		upload_name(l, c->start.upload, c->start.source);
	}
	if (!workbook_look(l, c->start.upload, sheet, r, on_text, s)) {
		start_drop(c);
		free(s);
	}
}

void post_run(void *app, struct http_request *r)
{
	struct leadd *l = app;
	struct json_object *body = http_body_json(r);
	const char *idem;
	char sheet[SHEET_TEXT];
	struct lead_error err;
	struct command *c;
	const void *raw;
	size_t len;

	if (body == NULL || !workbook_sheet(body, r, sheet)) {
		return;
	}
	idem = http_header(r, "Idempotency-Key");
	c = command_new(COMMAND_START);
	if (idem != NULL && (strlen(idem) == 0 || strlen(idem) >= sizeof(c->idem) || !is_printable(idem))) {
		http_reply_problem(r, 400, "bad-idempotency-key", "Idempotency-Key has 1 to 128 printable characters");
		free(c);
		return;
	}
	if (run_body(engine_config(l->engine), body, &c->start, &err) != 0) {
		start_drop(c);
		http_reply_error(r, &err);
		return;
	}
	if (!c->start.finds && !upload_whole(l, c->start.upload, r)) {
		start_drop(c);
		return;
	}
	raw = http_body(r, &len);
	(void)snprintf(c->idem, sizeof(c->idem), "%s", idem != NULL ? idem : "");
	c->idem_body = hash_plain(raw, len);
	if (c->start.finds) {
		command_send(l, c, r, on_started);
	} else {
		start_when_text(l, r, c, sheet);
	}
}
