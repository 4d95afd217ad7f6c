/* The night in the middle over time: calls of each stage, and what held the run up. See plan_show.c. */
#include "lib/engine/plan/plan_night.h"

#include "lib/engine/call/schedule.h"
#include "lib/engine/show/show_put.h"

#include <stdio.h>

static void cause_text(const struct showing *s, const struct plan_cause *c, char out[160])
{
	const struct stage *st = &s->pipeline->stages[c->stage];
	const struct service *def = st->n_steps > 0 ? st->steps[0].service : NULL;
	char window[48];

	if (c->condition == CAUSE_IN_FLIGHT) {
		(void)snprintf(out, 160, "nothing: calls are on their way");
	} else if (c->condition == CAUSE_RETRY) {
		(void)snprintf(out, 160, "repeats that are not due yet");
	} else if (c->condition == COND_WINDOW && def != NULL && c->limit < def->n_limits && c->window < def->limits[c->limit].n_windows) {
		window_write(&def->limits[c->limit].windows[c->window], window);
		(void)snprintf(out, 160, "%s: limit %s of %s", st->name, window, def->name);
	} else if (c->condition == COND_BUDGET) {
		(void)snprintf(out, 160, "%s: a budget is used up", st->name);
	} else if (c->condition == COND_FINISH) {
		(void)snprintf(out, 160, "%s: what is left of a budget is for the leads begun", st->name);
	} else {
		(void)snprintf(out, 160, "%s: %s of %s", st->name, condition_word((enum condition)c->condition), def != NULL ? def->name : "the run");
	}
}

static const struct plan_cause *heaviest(const struct plan_bin *b)
{
	const struct plan_cause *best = NULL;

	for (size_t i = 0; i < PLAN_CAUSES; i++) {
		if (b->causes[i].weight > 0 && (best == NULL || b->causes[i].weight > best->weight)) {
			best = &b->causes[i];
		}
	}
	return best;
}

static void put_binding(struct showing *s, size_t bins)
{
	struct json_object *list = json_object_new_array(), *o = NULL;
	char last[160] = "";

	for (size_t i = 0; i < bins; i++) {
		const struct plan_cause *c = heaviest(&s->middle->bins[i]);
		char text[160];

		if (c == NULL) {
			continue; /* as before */
		}
		cause_text(s, c, text);
		if (strcmp(text, last) != 0) {
			o = json_object_new_object();
			put_wall(o, "from", s->q->now.wall_us + (int64_t)i * s->middle->bin_us);
			put_word(o, "condition", c->condition == CAUSE_IN_FLIGHT ? "in-flight" : c->condition == CAUSE_RETRY ? "retry" : condition_word((enum condition)c->condition));
			put_word(o, "text", text);
			json_object_array_add(list, o);
			(void)snprintf(last, sizeof(last), "%s", text);
		}
	}
	json_object_object_add(s->out, "binding", list);
}

void plan_show_time(struct showing *s)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	size_t bins = 0;

	for (size_t i = 0; i < PLAN_BINS; i++) {
		bins = heaviest(&s->middle->bins[i]) != NULL ? i + 1 : bins;
		for (size_t p = 0; p < s->pipeline->n_stages; p++) {
			bins = s->middle->bins[i].calls[p] > 0 ? i + 1 : bins;
		}
	}
	put_wall(o, "from", s->q->now.wall_us);
	put_int(o, "step_ms", s->middle->bin_us / US_PER_MS);
	for (size_t p = 0; p < s->pipeline->n_stages; p++) {
		struct json_object *stage, *calls;

		if (s->pipeline->stages[p].n_steps == 0) {
			continue;
		}
		stage = json_object_new_object();
		calls = json_object_new_array();
		put_word(stage, "stage", s->pipeline->stages[p].name);
		for (size_t i = 0; i < bins; i++) {
			json_object_array_add(calls, json_object_new_int64(s->middle->bins[i].calls[p]));
		}
		json_object_object_add(stage, "calls", calls);
		json_object_array_add(list, stage);
	}
	json_object_object_add(o, "stages", list);
	json_object_object_add(s->out, "timeline", o);
	put_binding(s, bins);
}
