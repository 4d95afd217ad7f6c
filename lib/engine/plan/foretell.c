/* See foretell.h. */
#include "lib/engine/plan/foretell.h"

#include "lib/engine/plan/tallies.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/view.h"
#include "lib/engine/state.h"

struct reads {
	const struct run *r;
	size_t before; /* pipeline stage */
	bool given;
};

static void on_read(void *arg, const char *name, size_t len)
{
	struct reads *reads = arg;

	for (size_t p = 0; p < reads->before && !reads->given; p++) {
		reads->given = stage_gives(&reads->r->pipeline->stages[p], name, len);
	}
}

static bool param_is_blank(struct engine *e, const struct step *step, const char *name, struct reads reads, const struct view *v)
{
	struct lead_error err;
	struct value value;

	for (size_t i = 0; i < step->n_params; i++) {
		if (strcmp(step->params[i].name, name) != 0) {
			continue;
		}
		template_reads(step->params[i].value, on_read, &reads);
		return !reads.given && (template_value(step->params[i].value, &v->source, &e->arena, &value, &err) != 0 || value_is_blank(&value));
	}
	return true;
}

const char *foretell_missing(struct engine *e, const struct run *r, const struct slot *s, const struct step *step, const struct view *v)
{
	const struct stage *st = run_stage(r, s->stage);
	struct reads reads = {.r = r, .before = (size_t)r->stage_of[s->stage]};

	for (size_t i = 0; i < st->n_needs; i++) {
		struct value value = v->source.field(v->source.ctx, st->needs[i], strlen(st->needs[i]));
		struct reads need = reads;

		on_read(&need, st->needs[i], strlen(st->needs[i]));
		if (!need.given && value_is_blank(&value)) {
			return st->needs[i];
		}
	}
	for (size_t i = 0; s->call->params[i] != NULL; i++) {
		if (!service_call_optional(s->call, s->call->params[i]) && param_is_blank(e, step, s->call->params[i], reads, v)) {
			return s->call->params[i];
		}
	}
	return NULL;
}

static bool gate_ends_so(const struct run *r, const struct gate *g, int after, enum tally_end end)
{
	bool own = end == END_OWN_REJECT || end == END_OWN_HOLD, hold = end == END_OWN_HOLD || end == END_OTHER_HOLD;

	(void)r;
	return g->after == after && (g->listed == after) == own && g->policy == (hold ? GATE_HOLD : GATE_REJECT);
}

const char *foretell_gates(const struct run *r, int after, enum tally_end end, const struct gate **ret_gate)
{
	for (size_t i = 0; end >= END_OWN_REJECT && i < r->pipeline->n_gates; i++) {
		const struct gate *g = &r->pipeline->gates[i];

		if (gate_ends_so(r, g, after, end)) {
			*ret_gate = g;
			return g->reason != NULL ? g->reason : "refused";
		}
	}
	return NULL;
}

bool foretell_possible(const struct run *r, int after, enum tally_end end)
{
	const struct gate *g;

	if (end == END_UNSEEN) {
		return r->pipeline->stages[after].kind == STAGE_CONFIRM;
	}
	return end == END_PASSED || foretell_gates(r, after, end, &g) != NULL;
}
