/*
 * What an item's call is made of: the parameters of its stage over its record, whether all is there that the call cannot do without,
 * whether anybody has said that he wants no mail, and the request. Nothing is written here.
 *
 * An item whose inputs are missing goes no further and costs nothing (P6). Nor does one whose address is on the suppression list
 * now: this is the last moment before anything leaves.
 */
#include "lib/engine/call/grant_parts.h"

#include "lib/base/ids.h"
#include "lib/engine/call/call.h"
#include "lib/engine/call/job.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/item/suppress.h"
#include "lib/engine/plan/foretell.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/view.h"
#include "lib/engine/state.h"

#include <stdio.h>

/* Which page is asked for: the first, or the one that the last answer led to. */
static int params_page(struct engine *e, const struct service_call *call, const struct view *view, struct params *p)
{
	struct value page = view->source.field(view->source.ctx, "page", 4);

	if (call->paging == NULL) {
		return 0;
	}
	return params_add(p, "page", page.kind == VALUE_JSON && page.len > 2 ? arena_dup(&e->arena, page.text, page.len) : params_first_page(call, &e->arena));
}

/* The first input that is missing, NULL when all are there. */
static const char *missing_input(const struct stage *st, const struct service_call *call, enum item_phase phase, const struct view *view,
    const struct params *p)
{
	size_t at = 0;

	for (size_t i = 0; phase < PHASE_RECALL && i < st->n_needs; i++) {
		struct value v = view->source.field(view->source.ctx, st->needs[i], strlen(st->needs[i]));

		if (value_is_blank(&v)) {
			return st->needs[i];
		}
	}
	return params_missing(call, p, &at);
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
	if (params_eval(step, &view.source, &e->arena, ret, &err) != 0 || params_page(e, s->call, &view, ret) != 0) {
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
	    i->number, i->stage, i->step, (unsigned)i->gate_tries + 16u * i->repairs + 4096u * i->pushings, i->phase == PHASE_RECALL ? "-recall" : "");

	if (key != NULL && i->page + i->round > 0) {
		key = arena_printf(&e->arena, "%s-%u-%u", key, i->round, i->page);
	}
	/* another version's text must not get this one's answer */
	return key != NULL && prompt != 0 ? arena_printf(&e->arena, "%s-%u", key, prompt) : key;
}
