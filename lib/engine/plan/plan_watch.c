/* What is kept of a night while it is played: calls over time, what held the run up, what ran dry, rows that cost nothing. */
#include "lib/engine/plan/plan_night.h"

#include "lib/engine/call/lane.h"
#include "lib/engine/call/schedule.h"
#include "lib/engine/run/run.h"

static void add_cause(struct plan_bin *b, const struct plan_cause *c)
{
	for (size_t i = 0; i < PLAN_CAUSES; i++) {
		struct plan_cause *have = &b->causes[i];

		if (have->weight == 0 || (have->stage == c->stage && have->condition == c->condition && have->limit == c->limit && have->window == c->window)) {
			uint64_t weight = have->weight + c->weight;

			*have = *c;
			have->weight = weight;
			return;
		}
	}
}

static void add_bin(struct plan_bin *to, const struct plan_bin *from)
{
	for (size_t s = 0; s < RUN_STAGES; s++) {
		to->calls[s] += from->calls[s];
	}
	for (size_t c = 0; c < PLAN_CAUSES && from->causes[c].weight > 0; c++) {
		add_cause(to, &from->causes[c]);
	}
}

struct plan_bin *plan_bin_at(struct night *n, int64_t at_us)
{
	struct plan_night *t = n->tale;
	int64_t since_us = at_us - n->q->now.boot_us;

	while (since_us / t->bin_us >= PLAN_BINS) {
		for (size_t i = 0; i < PLAN_BINS / 2; i++) {
			struct plan_bin two = t->bins[2 * i];

			add_bin(&two, &t->bins[2 * i + 1]);
			t->bins[i] = two;
		}
		memset(&t->bins[PLAN_BINS / 2], 0, PLAN_BINS / 2 * sizeof(t->bins[0]));
		t->bin_us *= 2;
	}
	return &t->bins[since_us / t->bin_us];
}

/* A window of a day or longer than an hour that is full, or a quota that is used up, is something to be told. */
static void note_dry(struct night *n, const struct slot *s, const struct verdict *v)
{
	struct plan_service *svc = s->lane->index < PLAN_SERVICES ? &n->tale->services[s->lane->index] : NULL;
	const struct window_spec *w = v->binding == COND_WINDOW ? &s->lane->def->limits[v->limit].windows[v->window] : NULL;

	if ((v->binding == COND_BUDGET || v->binding == COND_FINISH) && n->tale->budget_us == 0) {
		n->tale->budget_us = n->now.boot_us;
	}
	if (svc == NULL || svc->dry_us != 0 || (v->binding != COND_QUOTA && (w == NULL || (w->kind == WINDOW_SLIDING && w->length_us < 3600 * US_PER_S)))) {
		return;
	}
	svc->dry_us = n->now.boot_us;
	svc->dry_quota = w == NULL;
	svc->dry_limit = (uint8_t)v->limit;
	svc->dry_window = (uint8_t)v->window;
}

void plan_watch(struct night *n, bool now)
{
	struct run *r = run_get(n->engine, n->run);
	struct plan_cause cause = {.condition = CAUSE_RETRY};
	uint32_t longest = 0;
	uint64_t retrying = 0;

	if (r == NULL || (!now && n->now.boot_us - n->sampled_us < n->tale->bin_us / 8)) {
		return;
	}
	for (size_t i = 0; i < r->n_slots; i++) {
		struct slot *s = &r->slots[i];
		struct verdict v;

		if (s->queued == 0 || r->stage_of[s->stage] < 0) {
			continue;
		}
		v = gate_call(n->engine, r, s, NULL, NULL);
		note_dry(n, s, &v);
		if (v.binding != COND_NONE && s->queued > longest) {
			longest = s->queued;
			cause = (struct plan_cause){.stage = (uint8_t)r->stage_of[s->stage],
			    .condition = (uint8_t)v.binding,
			    .limit = (uint8_t)v.limit,
			    .window = (uint8_t)v.window};
		}
	}
	for (uint8_t s = 0; s < r->row.n_stages; s++) {
		retrying += r->row.stages[s].count.retrying;
	}
	if (longest == 0 && (r->in_flight_total > 0 || retrying == 0)) {
		cause.condition = CAUSE_IN_FLIGHT;
	}
	cause.weight = (uint64_t)((n->now.boot_us - n->sampled_us) / US_PER_MS + 1);
	add_cause(plan_bin_at(n, n->sampled_us), &cause);
	n->sampled_us = n->now.boot_us;
}

void plan_watch_import(struct night *n)
{
	const struct run *r = run_get(n->engine, n->run);
	uint64_t behind = 0;

	if (r == NULL || n->imported || r->row.importing) {
		return;
	}
	for (size_t s = 0; s < r->row.n_stages; s++) {
		behind += r->row.stages[s].count.rejected;
	}
	n->imported = true;
	n->tale->rows = r->row.rows;
	n->tale->duplicates = r->row.outcomes[ITEM_DUPLICATE];
	n->tale->refused = r->row.outcomes[ITEM_REJECTED] > behind ? r->row.outcomes[ITEM_REJECTED] - behind : 0;
	n->tale->refused += r->row.outcomes[ITEM_SUPPRESSED];
}
