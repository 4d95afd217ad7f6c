/* Metrics of services: calls and their outcomes, keys, breakers, and the windows of their limits. See metrics.c. */
#include "lib/engine/show/metrics_parts.h"

#include "lib/engine/call/lane.h"
#include "lib/engine/state.h"

#include <stdio.h>

typedef void (*lane_fn)(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out);

/* One family: a sample, or several, for each service. */
static void each_lane(struct engine *e, struct now now, struct buf *out, const char *name, enum prometheus_kind kind, const char *help, lane_fn f)
{
	prometheus_family(out, name, kind, help);
	for (size_t i = 0; i < e->n_lanes; i++) {
		if (e->lanes[i]->def != NULL && config_service(e->config, e->lanes[i]->name) != NULL) {
			f(e, e->lanes[i], name, now, out);
		}
	}
}

static void put_outcomes(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	(void)e;
	(void)now;
	for (int i = 0; i < OUTCOME_N; i++) {
		prometheus_sample(out, name, LABELS("service", l->name, "outcome", outcome_word((enum outcome_class)i)),
		    (double)l->stat.outcomes[i]);
	}
}

static void put_latency(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	double edges[STAT_BUCKETS - 1];

	(void)e;
	(void)now;
	for (int i = 0; i < STAT_BUCKETS - 1; i++) {
		edges[i] = (double)(INT64_C(1) << i) / 1000;
	}
	prometheus_histogram(out, name, LABELS("service", l->name), edges, l->stat.latency, STAT_BUCKETS - 1, (double)l->stat.latency_us / US_PER_S);
}

static void put_settled(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	(void)now;
	prometheus_sample(out, name, LABELS("service", l->name, "currency", e->config->currency), (double)l->stat.settled_micro);
}

static void put_in_flight(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	(void)e;
	(void)now;
	prometheus_sample(out, name, LABELS("service", l->name), l->in_flight);
}

static void put_concurrency(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	(void)e;
	(void)now;
	prometheus_sample(out, name, LABELS("service", l->name), l->def->concurrency);
}

static void put_waiting(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	(void)now;
	prometheus_sample(out, name, LABELS("service", l->name), (double)lane_waiting(e, l));
}

static void put_paused(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	(void)e;
	(void)now;
	prometheus_sample(out, name, LABELS("service", l->name), l->pause.cause != PARK_NONE);
}

static void put_parked(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	static const enum park_cause causes[] = {PARK_QUOTA, PARK_AUTH, PARK_OVERBILLED};

	(void)e;
	(void)now;
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		unsigned n = 0;

		for (size_t k = 0; k < l->def->n_keys; k++) {
			n += l->keys[k].auth.cause == causes[i] || l->groups[l->def->keys[k].group_index].quota.cause == causes[i];
		}
		prometheus_sample(out, name, LABELS("service", l->name, "cause", quota_word(causes[i])), n);
	}
}

/* The name its keys share. */
static const char *group_name(const struct lane *l, size_t group)
{
	size_t k = 0;

	while (k + 1 < l->def->n_keys && l->def->keys[k].group_index != group) {
		k++;
	}
	return l->def->keys[k].group != NULL ? l->def->keys[k].group : "";
}

static void put_breakers(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	static const enum breaker_state states[] = {BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN};

	(void)e;
	(void)now;
	for (size_t g = 0; g < l->def->n_groups; g++) {
		for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
			prometheus_sample(out, name,
			    LABELS("service", l->name, "keys", group_name(l, g), "state", breaker_word(states[i])),
			    l->groups[g].breaker.state == states[i]);
		}
	}
}

static void put_opened(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	(void)e;
	(void)now;
	for (size_t g = 0; g < l->def->n_groups; g++) {
		prometheus_sample(out, name, LABELS("service", l->name, "keys", group_name(l, g)), (double)l->groups[g].breaker.opened);
	}
}

/* --- windows --- */

enum window_value { WINDOW_MAX, WINDOW_USED, WINDOW_REMAINING };

/* As it is written in the file, so that the series goes on when its number is changed. */
static void declared_text(const struct service_limit *def, size_t w, char out[48])
{
	struct window_spec spec = def->windows[w];

	spec.max = def->declared[w];
	window_write(&spec, out);
}

/* Limits that are called alike are numbered. */
static void limit_name(const struct lane *l, size_t i, char out[200])
{
	unsigned n = 1;

	for (size_t k = 0; k < i; k++) {
		n += strcmp(l->def->limits[k].label, l->def->limits[i].label) == 0;
	}
	(void)snprintf(out, 200, n > 1 ? "%.180s #%u" : "%.180s", l->def->limits[i].label, n);
}

static bool told_before(const struct service_limit *def, size_t w, const char *text)
{
	char other[48];

	for (size_t k = 0; k < w; k++) {
		declared_text(def, k, other);
		if (strcmp(other, text) == 0) {
			return true;
		}
	}
	return false;
}

static void put_limit(const struct lane *l, size_t i, const char *keys, struct limit *limit, enum window_value what, const char *name,
    struct now now, struct buf *out)
{
	const struct service_limit *def = &l->def->limits[i];
	char label[200], text[48];
	struct window_view view;

	limit_name(l, i, label);
	for (size_t w = 0; limit != NULL && w < limit_count(limit) && w < def->n_windows; w++) {
		declared_text(def, w, text);
		if (!told_before(def, w, text)) {
			limit_view(limit, w, now, &view);
			prometheus_sample(out, name, LABELS("service", l->name, "limit", label, "keys", keys, "window", text),
			    (double)(what == WINDOW_MAX ? view.spec.max : what == WINDOW_USED ? view.used : view.remaining));
		}
	}
}

static void put_windows(struct lane *l, enum window_value what, const char *name, struct now now, struct buf *out)
{
	for (size_t i = 0; i < l->def->n_limits; i++) {
		for (size_t g = 0; l->shared[i] == NULL && g < l->def->n_groups; g++) {
			put_limit(l, i, group_name(l, g), l->groups[g].limits[i], what, name, now, out);
		}
		if (l->shared[i] != NULL) {
			put_limit(l, i, "", l->shared[i], what, name, now, out);
		}
	}
}

static void put_window_max(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	(void)e;
	put_windows(l, WINDOW_MAX, name, now, out);
}

static void put_window_used(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	(void)e;
	put_windows(l, WINDOW_USED, name, now, out);
}

static void put_window_remaining(struct engine *e, struct lane *l, const char *name, struct now now, struct buf *out)
{
	(void)e;
	put_windows(l, WINDOW_REMAINING, name, now, out);
}

/* --- all of it --- */

void metrics_services(struct engine *e, struct now now, struct buf *out)
{
	each_lane(e, now, out, "leadd_service_calls_total", PROMETHEUS_COUNTER, "Calls that ended, by what came of them.", put_outcomes);
	each_lane(e, now, out, "leadd_service_call_seconds", PROMETHEUS_HISTOGRAM, "From the first byte of a call to the end of its answer.",
	    put_latency);
	each_lane(e, now, out, "leadd_service_settled_micro_total", PROMETHEUS_COUNTER, "Money settled, in millionths of the currency.",
	    put_settled);
	each_lane(e, now, out, "leadd_service_in_flight_calls", PROMETHEUS_GAUGE, "Calls under way.", put_in_flight);
	each_lane(e, now, out, "leadd_service_concurrency_calls", PROMETHEUS_GAUGE, "Calls that may be under way at once.", put_concurrency);
	each_lane(e, now, out, "leadd_service_waiting_leads", PROMETHEUS_GAUGE, "Leads queued for a call.", put_waiting);
	each_lane(e, now, out, "leadd_service_paused", PROMETHEUS_GAUGE, "1 while an operator has paused the service.", put_paused);
	each_lane(e, now, out, "leadd_service_parked_keys", PROMETHEUS_GAUGE, "Keys that are parked, by cause.", put_parked);
	each_lane(e, now, out, "leadd_service_breaker", PROMETHEUS_GAUGE, "1 for the state the breaker is in.", put_breakers);
	each_lane(e, now, out, "leadd_service_breaker_opened_total", PROMETHEUS_COUNTER, "How often the breaker opened since the start.",
	    put_opened);
	each_lane(e, now, out, "leadd_window_limit_calls", PROMETHEUS_GAUGE, "Calls allowed in the window; it goes by its declared text.",
	    put_window_max);
	each_lane(e, now, out, "leadd_window_used_calls", PROMETHEUS_GAUGE, "Calls that count in the window now.", put_window_used);
	each_lane(e, now, out, "leadd_window_remaining_calls", PROMETHEUS_GAUGE,
	    "Calls that may still be granted now, the service's own word included.", put_window_remaining);
}
