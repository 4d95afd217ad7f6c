/* What the step would be asked with: its parameters, what is missing or not yet known, the request; and the gates behind it. See preview.c. */
#include "lib/engine/show/preview_parts.h"

#include "lib/engine/show/show_put.h"
#include "lib/service/batch.h"

#define CALL_ID "CALL-ID"
#define IDEMPOTENCY_KEY "IDEMPOTENCY-KEY"

static int put_params(struct preview *p)
{
	struct json_object *o = json_object_new_object();
	int rc = params_eval(p->step, &p->view.source, &p->arena, &p->params, p->err);

	json_object_object_add(p->out, "params", o);
	for (size_t i = 0; rc == 0 && i < p->params.n; i++) {
		put_value(o, p->params.list[i].name, p->params.list[i].name_len, &p->params.list[i].value);
	}
	return rc;
}

/* What a grant adds by itself: the first page, and of a batch the list, here of one. */
static int add_own(struct preview *p)
{
	const struct service_call *call = p->step->call;
	struct expr_source source = params_source(&p->params);
	struct batch_key key;
	struct buf item = {0};
	int rc = 0;

	if (call != NULL && call->paging != NULL) {
		rc = params_add(&p->params, "page", params_first_page(call, &p->arena));
	}
	if (rc == 0 && call != NULL && call->batch != NULL) {
		rc = batch_item(p->step->service, call, &source, &p->arena, &item, &key, p->err);
		rc = rc == 0 ? params_add(&p->params, "items", item.data != NULL ? arena_printf(&p->arena, "[%s]", item.data) : NULL) : rc;
	}
	buf_free(&item);
	return rc;
}

/* What the lead or its parameters lack: then the call would not be made. */
static void put_missing(struct preview *p)
{
	struct json_object *list = json_object_new_array();
	const struct service_call *call = p->step->call;
	const char *name;

	for (size_t i = 0; i < p->stage->n_needs; i++) {
		struct value v = p->view.source.field(p->view.source.ctx, p->stage->needs[i], strlen(p->stage->needs[i]));

		if (value_is_blank(&v)) {
			json_object_array_add(list, json_object_new_string(p->stage->needs[i]));
		}
	}
	for (size_t at = 0; call != NULL && (name = params_missing(call, &p->params, &at)) != NULL;) {
		json_object_array_add(list, json_object_new_string(name));
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
	struct expr_source source = params_source(&p->params);
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

int preview_ask(struct preview *p)
{
	int rc = put_params(p);

	rc = rc == 0 ? add_own(p) : rc;
	if (rc == 0) {
		put_missing(p);
		put_unknown(p);
		put_request(p);
		put_gates(p);
	}
	return rc;
}
