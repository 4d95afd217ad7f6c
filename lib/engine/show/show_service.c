/* Services and the engine's state as JSON. See show.h. */
#include "lib/engine/show/show.h"

#include "lib/engine/call/lane.h"
#include "lib/engine/call/schedule.h"
#include "lib/engine/run/approve.h"
#include "lib/engine/run/run.h"
#include "lib/engine/show/show_put.h"
#include "lib/engine/state.h"

static void put_limit(struct json_object *list, struct lane *l, size_t i, const char *key, struct limit *limit, struct now now)
{
	const struct service_limit *def = &l->def->limits[i];
	struct json_object *o = json_object_new_object(), *windows = json_object_new_array();

	put_word(o, "limit", def->label);
	put_word(o, "scope", def->scope == LIMIT_PER_KEY ? "key" : "service");
	put_text(o, "key", key);
	for (size_t w = 0; w < limit_count(limit); w++) {
		struct json_object *v = json_object_new_object();
		struct window_view view;
		char text[48];

		limit_view(limit, w, now, &view);
		window_write(&view.spec, text);
		put_word(v, "window", text);
		put_int(v, "max", (int64_t)view.spec.max);
		put_int(v, "used", (int64_t)view.used);
		put_int(v, "remaining", (int64_t)view.remaining);
		json_object_object_add(v, "free_in_ms",
		    view.free_us == TIME_NEVER ? NULL
					       : json_object_new_int64(view.free_us > now.boot_us ? (view.free_us - now.boot_us) / US_PER_MS : 0));
		json_object_array_add(windows, v);
	}
	json_object_object_add(o, "windows", windows);
	json_object_array_add(list, o);
}

static struct json_object *show_limits(struct lane *l, struct now now)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < l->def->n_limits; i++) {
		if (l->shared[i] != NULL) {
			put_limit(list, l, i, NULL, l->shared[i], now);
			continue;
		}
		for (size_t g = 0; g < l->def->n_groups; g++) {
			size_t k = 0;

			while (k + 1 < l->def->n_keys && l->def->keys[k].group_index != g) {
				k++;
			}
			put_limit(list, l, i, l->def->keys[k].group, l->groups[g].limits[i], now);
		}
	}
	return list;
}

static struct json_object *show_breaker(const struct breaker *b, struct now now)
{
	struct json_object *o = json_object_new_object();

	put_word(o, "state", breaker_word(b->state));
	put_int(o, "failures", b->failures);
	put_int(o, "opened", (int64_t)b->opened);
	put_boot(o, "until", b->state == BREAKER_CLOSED ? 0 : b->until_us, now);
	return o;
}

static struct json_object *show_keys(struct lane *l, struct now now)
{
	struct json_object *list = json_object_new_array();

	for (size_t k = 0; k < l->def->n_keys; k++) {
		struct lane_group *g = &l->groups[l->def->keys[k].group_index];
		const struct quota *q = l->keys[k].auth.cause != PARK_NONE ? &l->keys[k].auth : &g->quota;
		struct json_object *o = json_object_new_object();

		put_word(o, "key", l->def->keys[k].name);
		put_word(o, "state", q->cause == PARK_NONE ? "ready" : "parked");
		put_text(o, "cause", q->cause == PARK_NONE ? NULL : quota_word(q->cause));
		put_text(o, "why", q->cause == PARK_NONE ? NULL : q->why);
		put_wall(o, "since", q->cause == PARK_NONE ? 0 : q->since_wall_us);
		put_boot(o, "until", q->cause == PARK_NONE ? 0 : q->until_us, now);
		put_bool(o, "reset_stated", q->stated);
		put_int(o, "probes_since", (int64_t)q->calls_since);
		put_boot(o, "throttled_until", g->hold.until_us > now.boot_us ? g->hold.until_us : 0, now);
		json_object_object_add(o, "breaker", show_breaker(&g->breaker, now));
		json_object_array_add(list, o);
	}
	return list;
}

/* The binding condition of the fullest place in this service's queues. */
static void put_binding(struct engine *e, struct json_object *o, struct lane *l, struct now now)
{
	struct run *r, *next, *worst_run = NULL;
	struct slot *worst = NULL;
	struct verdict v;

	HASH_ITER(hh, e->runs, r, next) {
		for (size_t s = 0; s < r->n_slots; s++) {
			if (r->slots[s].lane == l && r->slots[s].queued > 0 && (worst == NULL || r->slots[s].queued > worst->queued)) {
				worst = &r->slots[s];
				worst_run = r;
			}
		}
	}
	put_text(o, "binding", NULL);
	put_wall(o, "next", 0);
	if (worst == NULL) {
		return;
	}
	e->now = now;
	v = gate_call(e, worst_run, worst, NULL, NULL);
	put_text(o, "binding", v.binding == COND_NONE ? NULL : condition_word(v.binding));
	put_boot(o, "next", v.earliest_us, now);
}

static void put_stat(struct json_object *o, const struct lane *l)
{
	struct json_object *calls = json_object_new_object(), *latency = json_object_new_object();
	uint64_t answered = 0, good = 0;

	for (int i = 0; i < OUTCOME_N; i++) {
		uint64_t n = l->stat.outcomes[i];

		if (n > 0) {
			put_int(calls, outcome_word((enum outcome_class)i), (int64_t)n);
		}
		answered += n;
		good += i == OUTCOME_OK || i == OUTCOME_EMPTY || i == OUTCOME_DUPLICATE ? n : 0;
	}
	json_object_object_add(o, "calls", calls);
	json_object_object_add(o, "success", answered == 0 ? NULL : json_object_new_double((double)good / (double)answered));
	put_int(latency, "p50", (int64_t)stat_quantile_ms(&l->stat, 0.5));
	put_int(latency, "p95", (int64_t)stat_quantile_ms(&l->stat, 0.95));
	json_object_object_add(o, "latency_ms", latency);
	put_int(o, "settled_micro", l->stat.settled_micro);
}

static struct json_object *service_object(struct engine *e, struct lane *l, struct now now)
{
	struct json_object *o = json_object_new_object();

	put_word(o, "service", l->name);
	put_word(o, "base", l->def->base);
	put_int(o, "generation", (int64_t)l->def->generation);
	put_bool(o, "paused", l->pause.cause != PARK_NONE);
	put_int(o, "in_flight", l->in_flight);
	put_int(o, "jobs", l->jobs);
	put_int(o, "concurrency", l->def->concurrency);
	json_object_object_add(o, "keys", show_keys(l, now));
	json_object_object_add(o, "limits", show_limits(l, now));
	put_int(o, "waiting", (int64_t)lane_waiting(e, l));
	put_stat(o, l);
	put_word(o, "currency", e->config->currency);
	put_binding(e, o, l, now);
	return o;
}

struct json_object *show_service(struct engine *e, const char *name, struct now now)
{
	struct lane *l = lane_by_name(e, name);

	return l != NULL && l->def != NULL ? service_object(e, l, now) : NULL;
}

struct json_object *show_services(struct engine *e, struct now now)
{
	struct json_object *o = json_object_new_object(), *items = json_object_new_array();

	for (size_t i = 0; i < e->n_lanes; i++) {
		if (e->lanes[i]->def != NULL) {
			json_object_array_add(items, service_object(e, e->lanes[i], now));
		}
	}
	json_object_object_add(o, "items", items);
	json_object_object_add(o, "next", NULL);
	return o;
}

static const char *lane_state(const struct lane *l)
{
	for (size_t k = 0; k < l->def->n_keys; k++) {
		if (l->keys[k].auth.cause != PARK_NONE) {
			return "parked";
		}
	}
	for (size_t g = 0; g < l->def->n_groups; g++) {
		if (l->groups[g].quota.cause != PARK_NONE) {
			return "parked";
		}
		if (l->groups[g].breaker.state != BREAKER_CLOSED) {
			return "open";
		}
	}
	return l->pause.cause != PARK_NONE ? "paused" : "ok";
}

struct json_object *show_status(struct engine *e, struct txn *t, struct now now)
{
	struct json_object *o = json_object_new_object(), *runs = json_object_new_object(), *services = json_object_new_array();
	int64_t counts[RUN_STATES] = {0}, waiting = 0;
	struct run *r, *next;

	e->now = now;
	HASH_ITER(hh, e->runs, r, next) {
		struct approve_wait w;
		bool waits = approve_waits(e, r, &w) && w.alone;

		waiting += waits;
		counts[r->row.state] += !waits;
	}
	for (int i = 0; i < RUN_STATES; i++) {
		put_int(runs, run_state_word((enum run_state)i), counts[i]);
	}
	put_int(runs, "waiting-approval", waiting);
	for (size_t i = 0; i < e->n_lanes; i++) {
		struct lane *l = e->lanes[i];
		struct json_object *s;

		if (l->def == NULL) {
			continue;
		}
		s = json_object_new_object();
		put_word(s, "service", l->name);
		put_word(s, "state", lane_state(l));
		put_int(s, "in_flight", l->in_flight);
		put_int(s, "waiting", (int64_t)lane_waiting(e, l));
		json_object_array_add(services, s);
	}
	put_int(o, "generation", (int64_t)e->config->generation);
	put_int(o, "in_flight", (int64_t)engine_in_flight(e));
	put_int(o, "jobs", (int64_t)e->n_jobs);
	put_int(o, "turns", (int64_t)e->turn);
	put_bool(o, "taking_work", engine_refuses(e) == NULL);
	put_text(o, "why_not", engine_refuses(e));
	json_object_object_add(o, "runs", runs);
	json_object_object_add(o, "services", services);
	json_object_object_add(o, "outbox", outbox_show(t));
	return o;
}
