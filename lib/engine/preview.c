/* See preview.h. A run that is not in any store carries the campaign and the columns, so that the record is read as at a grant (view.c). */
#include "lib/engine/preview.h"

#include "lib/base/json.h"
#include "lib/base/text.h"
#include "lib/engine/run.h"
#include "lib/engine/show_put.h"
#include "lib/engine/view.h"
#include "lib/service/batch.h"

#include <stdio.h>

#define READ_BYTES (256 * 1024)
#define PARAMS_MOST 64
#define CALL_ID "CALL-ID"
#define IDEMPOTENCY_KEY "IDEMPOTENCY-KEY"

struct preview {
	const struct preview_request *q;
	struct lead_error *err;
	struct run run;             /* the one that carries */
	struct buf row;             /* of a file, as it is stored */
	struct txn *txn;
	struct item item;           /* of a run */
	struct view view;
	struct arena arena;
	const struct stage *stage;
	const struct step *step;
	struct fact_field params[PARAMS_MOST];
	size_t n_params;
	struct json_object *out;
};

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

static int open_row(struct preview *p)
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

static int open_lead(struct preview *p)
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

/* --- the step --- */

static bool takes_prompt(const struct stage *st)
{
	for (size_t i = 0; st->n_steps > 0 && i < st->steps[0].n_params; i++) {
		if (strcmp(st->steps[0].params[i].name, "prompt") == 0) {
			return true;
		}
	}
	return false;
}

/* Does it ask anybody about what is looked at? */
static bool asks(const struct preview *p, const struct stage *st)
{
	return st->n_steps > 0 && st->of == (p->item.run != 0 ? p->item.level : LEVEL_LEAD);
}

static const struct stage *usual_stage(const struct preview *p)
{
	const struct pipeline *pl = p->run.pipeline;
	const struct stage *first = NULL, *prompt = NULL;

	for (size_t i = 0; i < pl->n_stages; i++) {
		const struct stage *st = &pl->stages[i];

		if (!asks(p, st)) {
			continue;
		}
		if (st->prompt_field != NULL) {
			return st;
		}
		prompt = prompt == NULL && takes_prompt(st) ? st : prompt;
		first = first == NULL ? st : first;
	}
	return prompt != NULL ? prompt : first;
}

static int choose_stage(struct preview *p)
{
	const struct pipeline *pl = p->run.pipeline;
	const char *names[RUN_STAGES + 1] = {NULL}, *nearest;
	size_t n = 0;

	if (p->q->stage == NULL) {
		p->stage = usual_stage(p);
	}
	for (size_t i = 0; i < pl->n_stages && p->q->stage != NULL; i++) {
		names[n] = pl->stages[i].name;
		n += asks(p, &pl->stages[i]);
		p->stage = asks(p, &pl->stages[i]) && strcmp(pl->stages[i].name, p->q->stage) == 0 ? &pl->stages[i] : p->stage;
	}
	names[n] = NULL;
	if (p->stage == NULL) {
		nearest = p->q->stage != NULL ? text_nearest(p->q->stage, names) : NULL;
		return lead_fail(p->err, LEAD_EINPUT, "pipeline %s has no stage%s%.60s that asks anybody%s%s%s", pl->name, p->q->stage != NULL ? " " : "",
		    p->q->stage != NULL ? p->q->stage : "", nearest != NULL ? ", did you mean '" : "", nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
	}
	if (p->q->step >= p->stage->n_steps) {
		return lead_fail(p->err, LEAD_EINPUT, "stage %s has steps 0 to %zu", p->stage->name, p->stage->n_steps - 1);
	}
	p->step = &p->stage->steps[p->q->step];
	return 0;
}

/* --- what it would be asked with --- */

static struct value params_field(const void *ctx, const char *name, size_t len)
{
	const struct preview *p = ctx;

	for (size_t i = 0; i < p->n_params; i++) {
		if (p->params[i].name_len == len && memcmp(p->params[i].name, name, len) == 0) {
			return p->params[i].value;
		}
	}
	return (struct value){0};
}

static void params_write(const void *ctx, struct buf *out)
{
	const struct preview *p = ctx;

	buf_add_char(out, '{');
	for (size_t i = 0; i < p->n_params; i++) {
		buf_add_text(out, i > 0 ? "," : "");
		json_write_string(out, p->params[i].name, p->params[i].name_len);
		buf_add_char(out, ':');
		value_write_json(out, &p->params[i].value);
	}
	buf_add_char(out, '}');
}

static int put_params(struct preview *p)
{
	struct json_object *o = json_object_new_object();
	int rc = 0;

	json_object_object_add(p->out, "params", o);
	for (size_t i = 0; rc == 0 && i < p->step->n_params && p->n_params < PARAMS_MOST; i++) {
		struct fact_field *f = &p->params[p->n_params];

		*f = (struct fact_field){.name = p->step->params[i].name, .name_len = (uint32_t)strlen(p->step->params[i].name)};
		rc = template_value(p->step->params[i].value, &p->view.source, &p->arena, &f->value, p->err);
		if (rc == 0) {
			put_value(o, f->name, f->name_len, &f->value);
			p->n_params++;
		}
	}
	return rc;
}

static void add_param(struct preview *p, const char *name, const char *json)
{
	struct fact_field *f = &p->params[p->n_params];

	if (json != NULL && p->n_params < PARAMS_MOST) {
		*f = (struct fact_field){.name = name, .name_len = (uint32_t)strlen(name), .value = value_text(json)};
		f->value.kind = VALUE_JSON;
		p->n_params++;
	}
}

/* What a grant adds by itself: the first page, and of a batch the list, here of one. */
static int add_own(struct preview *p)
{
	const struct service_call *call = p->step->call;
	struct expr_source source = {.field = params_field, .write = params_write, .ctx = p};
	struct batch_key key;
	struct buf item = {0};
	int rc = 0;

	if (call != NULL && call->paging != NULL) {
		add_param(p, "page", arena_printf(&p->arena, "{\"number\":1,\"offset\":0,\"size\":%u}", call->paging->size));
	}
	if (call != NULL && call->batch != NULL) {
		rc = batch_item(p->step->service, call, &source, &p->arena, &item, &key, p->err);
		add_param(p, "items", rc == 0 && item.data != NULL ? arena_printf(&p->arena, "[%s]", item.data) : NULL);
	}
	buf_free(&item);
	return rc;
}

/* `when` of the stage is not true: the lead goes past it. */
static bool passes_by(struct preview *p)
{
	struct lead_error err;
	struct value v;

	return p->stage->when != NULL && (expr_eval(p->stage->when, &p->view.source, &p->arena, &v, &err) != 0 || !value_is_true(&v));
}

static bool is_optional(const struct service_call *call, const char *param)
{
	for (size_t i = 0; call->optional != NULL && call->optional[i] != NULL; i++) {
		if (strcmp(call->optional[i], param) == 0) {
			return true;
		}
	}
	return false;
}

/* What the lead or its parameters lack: then the call would not be made. */
static void put_missing(struct preview *p)
{
	struct json_object *list = json_object_new_array();
	const struct service_call *call = p->step->call;

	for (size_t i = 0; i < p->stage->n_needs; i++) {
		struct value v = p->view.source.field(p->view.source.ctx, p->stage->needs[i], strlen(p->stage->needs[i]));

		if (value_is_blank(&v)) {
			json_object_array_add(list, json_object_new_string(p->stage->needs[i]));
		}
	}
	for (size_t i = 0; call != NULL && call->params[i] != NULL; i++) {
		struct value v = params_field(p, call->params[i], strlen(call->params[i]));

		if (value_is_blank(&v) && !is_optional(call, call->params[i])) {
			json_object_array_add(list, json_object_new_string(call->params[i]));
		}
	}
	json_object_object_add(p->out, "missing", list);
}

struct unknown_arg {
	struct preview *p;
	struct json_object *list;
};

/* A field that an earlier stage may yet give. */
static void on_reads(void *arg, const char *name, size_t len)
{
	struct unknown_arg *a = arg;
	struct value v = a->p->view.source.field(a->p->view.source.ctx, name, len);
	int by = pipeline_given_by(a->p->run.pipeline, a->p->stage->of, name, len);
	struct json_object *o;

	if (!value_is_blank(&v) || by < 0 || &a->p->run.pipeline->stages[by] >= a->p->stage) {
		return;
	}
	for (size_t i = 0; i < json_object_array_length(a->list); i++) {
		const char *known = json_object_get_string(json_object_object_get(json_object_array_get_idx(a->list, i), "field"));

		if (strlen(known) == len && memcmp(known, name, len) == 0) {
			return;
		}
	}
	o = json_object_new_object();
	json_object_object_add(o, "field", json_object_new_string_len(name, (int)len));
	put_word(o, "given_by", a->p->run.pipeline->stages[by].name);
	json_object_array_add(a->list, o);
}

static void put_unknown(struct preview *p)
{
	struct unknown_arg a = {.p = p, .list = json_object_new_array()};

	for (size_t i = 0; i < p->step->n_params; i++) {
		template_reads(p->step->params[i].value, on_reads, &a);
	}
	if (p->step->fallback != NULL) {
		template_reads(p->step->fallback, on_reads, &a);
	}
	json_object_object_add(p->out, "unknown", a.list);
}

/* --- the request --- */

static struct json_object *show_request(const struct request *r)
{
	struct json_object *o = json_object_new_object(), *headers = json_object_new_array();

	put_word(o, "method", r->method);
	put_word(o, "url", r->url);
	for (size_t i = 0; i < r->n_headers; i++) {
		struct json_object *h = json_object_new_object();

		put_word(h, "name", r->headers[i].name);
		put_word(h, "value", r->headers[i].value);
		json_object_array_add(headers, h);
	}
	json_object_object_add(o, "headers", headers);
	json_object_object_add(o, "body", r->body != NULL ? json_object_new_string_len(r->body, (int)r->body_len) : NULL);
	return o;
}

/* NULL and `why_not` when these values cannot stand in a request. */
static void put_request(struct preview *p)
{
	struct expr_source source = {.field = params_field, .write = params_write, .ctx = p};
	const struct request_input in = {.params = &source, .call_id = CALL_ID, .idempotency_key = IDEMPOTENCY_KEY, .secret = "", .secret_len = 0};
	struct request request;
	struct lead_error why;
	struct value text;
	bool ok;

	if (p->step->call != NULL) {
		ok = request_preview(p->step->service, p->step->call, &in, &p->arena, &request, &why) == 0;
		json_object_object_add(p->out, "request", ok ? show_request(&request) : NULL);
	} else {
		ok = template_value(p->step->fallback, &p->view.source, &p->arena, &text, &why) == 0;
		json_object_object_add(p->out, "request", NULL);
		if (ok) {
			put_value(p->out, "text", 4, &text);
		}
	}
	put_text(p->out, "why_not", ok ? NULL : why.text);
}

/* --- gates --- */

static void put_gates(struct preview *p)
{
	static const char *const policies[] = {"reject", "hold", "pass"};
	const struct pipeline *pl = p->run.pipeline;
	struct json_object *list = json_object_new_array(), *refused = NULL;
	const struct gate *g = NULL;
	const char *reason;

	for (size_t i = 0; i < pl->n_gates; i++) {
		if (&pl->stages[pl->gates[i].after < 0 ? 0 : pl->gates[i].after] == p->stage && pl->gates[i].after >= 0) {
			struct json_object *o = json_object_new_object();

			put_word(o, "gate", pl->gates[i].text);
			put_word(o, "stage", pl->stages[pl->gates[i].listed].name);
			put_word(o, "else", policies[pl->gates[i].policy]);
			json_object_array_add(list, o);
		}
	}
	json_object_object_add(p->out, "gates", list);
	reason = pipeline_gates(pl, LEVEL_LEAD, AFTER_INTAKE, &p->view.source, &p->q->config->lists, &p->arena, &g);
	if (reason != NULL) {
		refused = json_object_new_object();
		put_word(refused, "reason", reason);
		put_word(refused, "gate", g->text);
		put_word(refused, "else", policies[g->policy]);
	}
	json_object_object_add(p->out, "refused", refused);
}

/* --- the whole --- */

static void put_head(struct preview *p)
{
	const struct step *s = p->step;

	put_word(p->out, "campaign", p->q->campaign);
	put_word(p->out, "pipeline", p->run.pipeline->name);
	put_word(p->out, "stage", p->stage->name);
	put_int(p->out, "step", (int64_t)p->q->step);
	put_int(p->out, "steps", (int64_t)p->stage->n_steps);
	put_text(p->out, "service", s->service != NULL ? s->service->name : NULL);
	put_text(p->out, "call", s->call != NULL ? s->call->name : NULL);
	put_text(p->out, "prompt", s->prompt != NULL ? s->prompt : p->stage->prompt_field != NULL ? PROMPT_INLINE : NULL);
	put_int(p->out, "row", p->item.run != 0 ? (int64_t)p->item.number + 1 : (int64_t)p->q->row);
	json_object_object_add(p->out, "run", p->item.run != 0 ? json_object_new_int64(p->item.run) : NULL);
	json_object_object_add(p->out, "lead", p->item.run != 0 ? json_object_new_int64(p->item.number) : NULL);
	put_int(p->out, "ceiling_micro", s->call != NULL ? s->call->price_micro : 0);
	put_word(p->out, "currency", p->q->config->currency);
}

static int put_all(struct preview *p)
{
	int rc;

	view_open(NULL, p->txn, &p->run, p->item.number, &p->view);
	p->view.arena = &p->arena;
	if (p->item.run == 0) {
		p->view.has_row = record_open(&p->view.row, &p->run.columns[LEVEL_LEAD], p->row.data, p->row.len);
	}
	p->out = json_object_new_object();
	put_head(p);
	put_bool(p->out, "passed_by", passes_by(p));
	rc = put_params(p);
	rc = rc == 0 ? add_own(p) : rc;
	if (rc == 0) {
		put_missing(p);
		put_unknown(p);
		put_request(p);
		put_gates(p);
	}
	return rc;
}

int preview_make(const struct preview_request *q, struct json_object **ret, struct lead_error *err)
{
	const struct campaign *campaign = config_campaign(q->config, q->campaign);
	struct preview *p = calloc(1, sizeof(*p));
	int rc = 0;

	if (p == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	p->q = q;
	p->err = err;
	p->run.campaign = campaign;
	p->run.pipeline = campaign != NULL ? campaign->pipeline : NULL;
	if (campaign == NULL) {
		rc = lead_fail(err, LEAD_EINPUT, "there is no campaign '%.80s'", q->campaign);
	}
	rc = rc == 0 ? (q->run != 0 ? open_lead(p) : open_row(p)) : rc;
	rc = rc == 0 ? choose_stage(p) : rc;
	rc = rc == 0 ? put_all(p) : rc;
	if (rc == 0) {
		*ret = p->out;
		p->out = NULL;
	}
	json_object_put(p->out);
	txn_abort(p->txn);
	run_close_row(&p->run);
	buf_free(&p->row);
	arena_free(&p->arena);
	free(p);
	return rc;
}
