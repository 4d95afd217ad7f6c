/*
 * What an item's call is made of: the parameters of its stage over its record, whether all is there that the call cannot do without,
 * whether anybody has said that he wants no mail, and the request. Nothing is written here.
 *
 * An item whose inputs are missing goes no further and costs nothing (P6). Nor does one whose address is on the suppression list
 * now: this is the last moment before anything leaves.
 */
#include "lib/engine/grant_parts.h"

#include "lib/base/ids.h"
#include "lib/base/json.h"
#include "lib/engine/call.h"
#include "lib/engine/foretell.h"
#include "lib/engine/job.h"
#include "lib/engine/lane.h"
#include "lib/engine/run.h"
#include "lib/engine/state.h"
#include "lib/engine/suppress.h"
#include "lib/engine/view.h"

#include <stdio.h>

struct value params_field(const void *ctx, const char *name, size_t len)
{
	const struct params *p = ctx;

	for (size_t i = 0; i < p->n; i++) {
		if (p->list[i].name_len == len && memcmp(p->list[i].name, name, len) == 0) {
			return p->list[i].value;
		}
	}
	return (struct value){0};
}

static void params_write(const void *ctx, struct buf *out)
{
	const struct params *p = ctx;

	buf_add_char(out, '{');
	for (size_t i = 0; i < p->n; i++) {
		buf_add_text(out, i > 0 ? "," : "");
		json_write_string(out, p->list[i].name, p->list[i].name_len);
		buf_add_char(out, ':');
		value_write_json(out, &p->list[i].value);
	}
	buf_add_char(out, '}');
}

struct expr_source params_source(const struct params *p)
{
	return (struct expr_source){.field = params_field, .write = params_write, .ctx = p};
}

int params_eval(struct engine *e, const struct step *step, const struct view *view, struct params *ret, struct lead_error *err)
{
	ret->n = 0;
	for (size_t i = 0; i < step->n_params && i < PARAMS; i++) {
		struct fact_field *f = &ret->list[ret->n++];
		int rc;

		f->name = step->params[i].name;
		f->name_len = (uint32_t)strlen(f->name);
		rc = template_value(step->params[i].value, &view->source, &e->arena, &f->value, err);
		if (rc != 0) {
			return rc;
		}
		/* out of the store's pages: the writes below would move them */
		f->value = value_copy(&e->arena, &f->value);
	}
	return 0;
}

/* Which page is asked for: the first, or the one that the last answer led to. */
static int params_page(struct engine *e, const struct service_call *call, const struct view *view, struct params *p)
{
	struct value page = view->source.field(view->source.ctx, "page", 4);

	if (call->paging == NULL) {
		return 0;
	}
	if (page.kind == VALUE_JSON && page.len > 2) {
		page = value_copy(&e->arena, &page);
	} else {
		const char *first = arena_printf(&e->arena, "{\"number\":1,\"offset\":0,\"size\":%u}", call->paging->size);

		page = value_text(first);
		page.kind = first != NULL ? VALUE_JSON : VALUE_NONE;
	}
	if (page.kind == VALUE_NONE || p->n == sizeof(p->list) / sizeof(p->list[0])) {
		return LEAD_ENOMEM;
	}
	p->list[p->n++] = (struct fact_field){.name = "page", .name_len = 4, .value = page};
	return 0;
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

/* The first input that is missing, NULL when all are there. */
static const char *missing_input(const struct stage *st, const struct service_call *call, enum item_phase phase, const struct view *view,
    const struct params *p)
{
	for (size_t i = 0; phase < PHASE_RECALL && i < st->n_needs; i++) {
		struct value v = view->source.field(view->source.ctx, st->needs[i], strlen(st->needs[i]));

		if (value_is_blank(&v)) {
			return st->needs[i];
		}
	}
	for (size_t i = 0; call->params[i] != NULL; i++) {
		struct value v = params_field(p, call->params[i], strlen(call->params[i]));

		if (value_is_blank(&v) && !is_optional(call, call->params[i])) {
			return call->params[i];
		}
	}
	return NULL;
}

/*
 * NULL, or why the call must not be made: the lead's address is on the organisation's list, as it came or as it was found out; of
 * a push every address that goes out. What reads back a push that was made is no business of the list.
 */
static const char *suppressed(struct engine *e, const struct run *r, const struct stage *st, const struct item *i, const struct view *view,
    const struct params *p)
{
	bool push = st->kind == STAGE_PUSH;
	struct value email;
	const char *reason;

	if ((i->pushed && !push) || i->phase != PHASE_CALL || !suppress_has(e, r)) {
		return NULL;
	}
	email = view->source.field(view->source.ctx, "email", 5);
	reason = suppress_reason(e, r, &email);
	email = view->has_row ? record_field(&view->row, FIELD_EMAIL) : (struct value){0};
	reason = reason == NULL ? suppress_reason(e, r, &email) : reason;
	for (size_t k = 0; push && reason == NULL && k < p->n; k++) {
		reason = suppress_reason(e, r, &p->list[k].value);
	}
	return reason;
}

static bool is_needed(const struct stage *st, const char *name)
{
	for (size_t i = 0; i < st->n_needs; i++) {
		if (strcmp(st->needs[i], name) == 0) {
			return true;
		}
	}
	return false;
}

bool grant_inputs(struct engine *e, struct run *r, struct slot *s, struct item *i, struct params *ret, struct refusal *why)
{
	const struct stage *st = run_stage(r, s->stage);
	/* a look-up takes the parameters of the step in doubt */
	const struct step *step = s->phase == PHASE_RECALL ? &st->recall : s->phase == PHASE_VERIFY ? &st->list.step : &st->steps[i->step < st->n_steps ? i->step : 0];
	struct lead_error err;
	struct view view;
	const char *missing, *listed;

	why->listed = why->passes = false;
	ret->n = 0;
	view_open(e, e->txn, r, i->number, &view);
	if (e->blind) {
		missing = foretell_missing(e, r, s, step, &view);
		(void)snprintf(why->reason, sizeof(why->reason), "missing-%.30s", missing != NULL ? missing : "");
		return missing == NULL;
	}
	if (params_eval(e, step, &view, ret, &err) != 0 || params_page(e, s->call, &view, ret) != 0) {
		(void)snprintf(why->reason, sizeof(why->reason), "bad-expression");
		return false;
	}
	listed = suppressed(e, r, st, i, &view, ret);
	if (listed != NULL) {
		(void)snprintf(why->reason, sizeof(why->reason), "%s", listed);
		why->listed = true;
		return false;
	}
	missing = missing_input(st, s->call, s->phase, &view, ret);
	if (missing != NULL) {
		(void)snprintf(why->reason, sizeof(why->reason), "missing-%.30s", missing);
		why->passes = i->phase == PHASE_CALL && st->n_steps > 1 && !is_needed(st, missing);
	}
	return missing == NULL;
}

int grant_render(struct engine *e, struct call *c, const struct params *p, const char *idempotency_key, struct lead_error *err)
{
	struct expr_source source = params_source(p);
	const struct secret *secret = c->lane->keys[c->key].secret;
	char id[17];
	struct request_input in = {.params = &source, .call_id = id, .idempotency_key = idempotency_key};

	ids_write(c->id, id);
	in.secret = secret != NULL ? secret->text : NULL;
	in.secret_len = secret != NULL ? secret->len : 0;
	in.callback = job_callback_url(e, c);
	in.hash_key = e->hash_key;
	return request_render(c->def, c->call, &in, &e->arena, &c->request, err);
}

const char *grant_key(struct engine *e, const struct item *i, uint16_t prompt)
{
	const char *key = arena_printf(&e->arena, "%016llx-%u-%u-%u-%u-%u%s", (unsigned long long)hash_plain(e->hash_key, sizeof(e->hash_key)), i->run,
	    i->number, i->stage, i->step, (unsigned)i->gate_tries + 16u * i->repairs + 4096u * i->recalls, i->phase == PHASE_RECALL ? "-recall" : "");

	if (key != NULL && i->page + i->round > 0) {
		key = arena_printf(&e->arena, "%s-%u-%u", key, i->round, i->page);
	}
	/* another version's text must not get this one's answer */
	return key != NULL && prompt != 0 ? arena_printf(&e->arena, "%s-%u", key, prompt) : key;
}
