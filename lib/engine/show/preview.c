/*
 * See preview.h. A run that is not in any store carries the campaign and the columns, so that the record is read as at a grant (view.c):
 * whose it is (preview_source.c), which step, what it would be asked with (preview_ask.c).
 */
#include "lib/engine/show/preview_parts.h"

#include "lib/base/text.h"
#include "lib/engine/show/show_put.h"

#include <stdlib.h>

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

/* `when` of the stage is not true: the lead goes past it. */
static bool passes_by(struct preview *p)
{
	struct lead_error err;
	struct value v;

	return p->stage->when != NULL && (expr_eval(p->stage->when, &p->view.source, &p->arena, &v, &err) != 0 || !value_is_true(&v));
}

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
	view_open(NULL, p->txn, &p->run, p->item.number, &p->view);
	p->view.arena = &p->arena;
	if (p->item.run == 0) {
		p->view.has_row = record_open(&p->view.row, &p->run.columns[LEVEL_LEAD], p->row.data, p->row.len);
	}
	p->out = json_object_new_object();
	put_head(p);
	put_bool(p->out, "passed_by", passes_by(p));
	return preview_ask(p);
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
	rc = rc == 0 ? (q->run != 0 ? preview_open_lead(p) : preview_open_row(p)) : rc;
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
