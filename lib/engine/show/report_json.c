/* metrics.json: what a run brought, for machines. See export.h. */
#include "lib/engine/show/report_parts.h"

#include "lib/base/ids.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/show/show.h"
#include "lib/engine/show/show_put.h"
#include "lib/store/names.h"

static struct json_object *phases_object(const struct run *r, const struct phase phases[RUN_STAGES])
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < r->row.n_stages; i++) {
		struct json_object *o = phases[i].began_us != 0 ? json_object_new_object() : NULL;

		if (o != NULL) {
			put_word(o, "stage", r->row.stages[i].name);
			put_wall(o, "began", phases[i].began_us);
			put_wall(o, "ended", phases[i].ended_us);
			put_int(o, "took_ms", (phases[i].ended_us - phases[i].began_us) / US_PER_MS);
			put_int(o, "working_ms", phases[i].working_us / US_PER_MS);
			json_object_array_add(list, o);
		}
	}
	return list;
}

static struct json_object *usage_object(const struct lane *l, const struct usage *u)
{
	struct json_object *o = json_object_new_object(), *outcomes = json_object_new_object(), *states = json_object_new_object();

	put_word(o, "service", l->name);
	put_int(o, "calls", (int64_t)usage_calls(u));
	for (int i = 0; i < OUTCOME_N; i++) {
		if (u->outcomes[i] > 0) {
			put_int(outcomes, outcome_word((enum outcome_class)i), (int64_t)u->outcomes[i]);
		}
	}
	for (int i = 0; i < CALL_STATES; i++) {
		put_int(states, call_state_word((enum call_state)i), (int64_t)u->states[i]);
	}
	json_object_object_add(o, "outcomes", outcomes);
	json_object_object_add(o, "states", states);
	put_int(o, "failures", (int64_t)usage_failures(u));
	put_int(o, "settled_micro", u->settled_micro);
	put_int(o, "in_doubt_micro", u->in_doubt_micro);
	put_int(o, "refunded_micro", u->refunded_micro);
	put_int(o, "mean_ms", u->timed > 0 ? u->us / (int64_t)u->timed / US_PER_MS : 0);
	return o;
}

static struct json_object *reasons_object(const struct tally *t)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < t->n; i++) {
		put_int(o, t->list[i].text, (int64_t)t->list[i].count);
	}
	return o;
}

static struct json_object *errors_object(const struct report *x, const struct run *r)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < x->n_errors; i++) {
		const struct error_kind *k = &x->errors[i];
		struct json_object *o = json_object_new_object();
		char call[17];

		ids_write(k->call, call);
		put_word(o, "stage", k->stage < r->row.n_stages ? r->row.stages[k->stage].name : "-");
		put_word(o, "service", names_text(x->e->names, NAME_SERVICE, k->service));
		put_word(o, "endpoint", names_text(x->e->names, NAME_ENDPOINT, k->endpoint));
		put_word(o, "outcome", outcome_word((enum outcome_class)k->outcome));
		put_text(o, "reason", k->reason);
		put_int(o, "http_status", k->http_status);
		put_int(o, "count", (int64_t)k->count);
		put_wall(o, "first", k->first_us);
		put_wall(o, "last", k->last_us);
		put_word(o, "last_call", call);
		put_int(o, "last_lead", k->item);
		json_object_array_add(list, o);
	}
	return list;
}

struct json_object *report_metrics(struct report *x, struct txn *t, struct now now)
{
	struct run *r = run_get(x->e, x->run);
	struct json_object *o = show_run(x->e, t, x->run, now);
	struct json_object *services = json_object_new_array();

	for (size_t i = 0; i < x->n_usage; i++) {
		if (usage_calls(&x->usage[i]) > 0) {
			json_object_array_add(services, usage_object(x->e->lanes[i], &x->usage[i]));
		}
	}
	json_object_object_add(o, "phases", phases_object(r, x->phases));
	put_int(o, "took_ms", ((r->row.ended_us != 0 ? r->row.ended_us : now.wall_us) - r->row.started_us) / US_PER_MS);
	json_object_object_add(o, "reasons", reasons_object(&x->tally[LEVEL_LEAD]));
	if (r->row.company_columns.len > 0) {
		json_object_object_add(o, "company_reasons", reasons_object(&x->tally[LEVEL_COMPANY]));
	}
	json_object_object_add(o, "services", services);
	json_object_object_add(o, "errors", errors_object(x, r));
	put_int(o, "more_errors", (int64_t)x->more_errors);
	return o;
}
